//! Every reason for which a request is turned away, and what becomes of it.

use std::fmt;
use std::time::Duration;

use crate::decision::fault::{JwtFault, ProofFault, ReplyFault};
use crate::decision::{Doubt, Verdict};

/// Why a request is turned away, precisely. For the log, the metric and `explain`; the client learns
/// the verdict's code and no more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// No credentials, or only of schemes that we do not speak.
    NoToken,
    /// No credentials either, but the request is for the metadata of a resource that is not configured. A
    /// challenge would send the client there again.
    NoMetadata,
    /// The path could be read in two ways, or holds a fragment.
    AmbiguousPath,
    /// Something else of it could be read in two ways, by which another rule or resource would be meant.
    Ambiguous(Doubt),
    /// The credentials do not follow their grammar.
    Malformed,
    /// Credentials in more than one place, or more than once in one.
    Several,
    /// A token over plain HTTP.
    TlsRequired,
    /// The form body is longer than the bound.
    FormTooLarge,
    /// The form body did not arrive.
    FormMissing,
    /// The token is longer than the bound.
    TokenTooLong,
    /// No provider is responsible for the token.
    NoProvider,
    /// The authorization server says `active: false`, or does not know such tokens.
    Inactive,
    /// An operator has revoked the token, its client or its subject.
    Revoked,
    /// `exp` is past.
    Expired,
    /// `nbf` is to come.
    NotYetValid,
    /// `iss` is another one, or missing where it must be there.
    WrongIssuer,
    /// `aud` contains none of the accepted audiences.
    WrongAudience,
    /// Something else than an access token (a refresh token, an unknown `token_type`).
    NotAnAccessToken,
    /// A JWT that is not valid.
    BadJwt {
        /// What is wrong with it.
        fault: JwtFault,
    },
    /// Bound to a key or a certificate, and presented without proof.
    Unproven,
    /// The DPoP proof is not valid.
    BadProof(ProofFault),
    /// The DPoP proof has no nonce of ours.
    NonceWanted {
        /// The one to use.
        nonce: String,
    },
    /// With a DPoP proof of another key than the token's.
    OtherKey,
    /// With a DPoP proof, and bound to no key.
    NotBound,
    /// Bound to a certificate, and the client has shown none.
    NoCertificate,
    /// Bound to another certificate than the client has shown.
    OtherCertificate,
    /// Not bound as the policy requires: to a certificate, or at all.
    BindingWanted,
    /// Without a DPoP proof, where there must be one.
    ProofWanted,
    /// `acr` or `auth_time` fall short.
    WeakAuthentication {
        /// The contexts that would do, by preference; empty: not at issue.
        acr_values: String,
        /// The longest age in seconds, if that is at issue.
        max_age: Option<u64>,
        /// All scopes that the request needs, if one of them is missing too; else empty.
        scope: String,
    },
    /// A scope is missing.
    ScopeMissing {
        /// All scopes that the request needs.
        needed: String,
    },
    /// `authorization_details` do not grant it.
    DetailMissing,
    /// The token is used on another's behalf, which the policy does not allow.
    Delegated,
    /// The client is not on the list.
    ClientNotListed,
    /// A claim is absent or different.
    ClaimMismatch {
        /// Its name in the policy.
        claim: String,
    },
    /// The rule rejects every request.
    Denied,
    /// No response.
    NoAnswer {
        /// What was seen of it.
        cause: NoAnswer,
        /// `Retry-After` as the authorization server gave it, in seconds.
        retry_after: Option<u32>,
    },
    /// A response that cannot be used.
    BadAnswer {
        /// What is wrong with it.
        cause: BadAnswer,
    },
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// Timeout, reset, refused connection, truncated response.
    Failed,
    /// Nothing arrived within this time.
    TimedOut(Duration),
    /// The host would not make the call (an unknown cluster, say).
    NotDispatched,
    /// A 5xx, which may be the host's own word for one of the above.
    Status(u16),
    /// 429.
    Throttled,
    /// No call was made: calls are paused after failures.
    BackingOff,
    /// No call was made: too many requests are waiting.
    Crowded,
    /// No call was made: the limit of signed assertions is reached.
    Unsigned,
    /// There are as many streams as can end with their token.
    TooManyStreams,
    /// The configuration under which a stream has begun counts no more.
    Replaced,
    /// Whatever was asked for, an event came before the response.
    Overtaken,
    /// A client list has not arrived yet.
    NoClientList,
    /// A list of what is revoked has not arrived yet.
    NoRevocations,
    /// The list with the token's status has not arrived yet, or not for too long.
    NoStatusList,
    /// The keys that could verify a signature have not arrived yet, or not for too long.
    NoKeys,
}

/// What is wrong with a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadAnswer {
    /// 401 or 403: the gateway's credentials were rejected.
    CredentialsRefused(u16),
    /// A redirect.
    Redirect(u16),
    /// Another status than 200.
    Status(u16),
    /// Not `application/json`.
    MediaType,
    /// This content coding, which was not requested.
    Coded(&'static str),
    /// Longer than the bound.
    TooLong,
    /// Not one strict JSON document.
    NotJson,
    /// No JSON object.
    NotAnObject,
    /// `active` is missing or not a boolean.
    Active,
    /// `exp` or `nbf` is not a number.
    Timestamp,
    /// Token information that does not say for how long.
    Lifetime,
    /// It is about another token, or its user.
    OtherToken,
    /// `sub` of a `UserInfo` response is missing or no text.
    Subject,
    /// A signed response ([RFC 9701]) that is not valid.
    ///
    /// [RFC 9701]: https://www.rfc-editor.org/rfc/rfc9701
    Signed(ReplyFault),
    /// One of these; another worker knows which.
    Elsewhere,
}

impl Rejection {
    /// The table.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::NoToken | Self::NoMetadata => Verdict::NoToken,
            Self::AmbiguousPath
            | Self::Ambiguous(_)
            | Self::Malformed
            | Self::Several
            | Self::TlsRequired
            | Self::FormTooLarge
            | Self::FormMissing => Verdict::InvalidRequest,
            Self::TokenTooLong
            | Self::NoProvider
            | Self::Inactive
            | Self::Revoked
            | Self::Expired
            | Self::NotYetValid
            | Self::WrongIssuer
            | Self::WrongAudience
            | Self::NotAnAccessToken
            | Self::BadJwt { .. } => Verdict::InvalidToken,
            Self::Unproven
            | Self::BadProof(_)
            | Self::NonceWanted { .. }
            | Self::OtherKey
            | Self::NotBound
            | Self::NoCertificate
            | Self::OtherCertificate
            | Self::BindingWanted
            | Self::ProofWanted => Verdict::InvalidBinding,
            Self::WeakAuthentication { .. } => Verdict::InsufficientAuthentication,
            Self::ScopeMissing { .. } | Self::DetailMissing | Self::Delegated => Verdict::InsufficientScope,
            Self::ClientNotListed | Self::ClaimMismatch { .. } | Self::Denied => Verdict::Forbidden,
            Self::NoAnswer { .. } => Verdict::Unavailable,
            Self::BadAnswer { .. } => Verdict::BadAnswer,
        }
    }

    /// At which level it is logged: the client's errors at debug, those of the authorization server and our own
    /// at warn or error.
    pub fn log_level(&self) -> log::Level {
        match self {
            Self::BadAnswer { cause: BadAnswer::CredentialsRefused(_) } => log::Level::Error,
            Self::NoAnswer { .. } | Self::BadAnswer { .. } | Self::FormMissing => log::Level::Warn,
            _ => log::Level::Debug,
        }
    }
}

/// The reason in words for the log: one line, nothing that a peer chose but numbers.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => f.write_str("no credentials"),
            Self::NoMetadata => f.write_str("no credentials, and this path has no resource metadata"),
            Self::AmbiguousPath => f.write_str("the path could be read in two ways"),
            Self::Ambiguous(doubt) => doubt.fmt(f),
            Self::Malformed => f.write_str("the credentials do not follow RFC 6750"),
            Self::Several => f.write_str("more than one token"),
            Self::TlsRequired => f.write_str("a token over plain HTTP"),
            Self::FormTooLarge => f.write_str("the form body is longer than token.max_form_bytes"),
            Self::FormMissing => f.write_str(
                "the form body did not arrive; check that the plugin sets allow_on_headers_stop_iteration",
            ),
            Self::TokenTooLong => f.write_str("the token is longer than token.max_length"),
            Self::NoProvider => f.write_str("no provider is responsible for the token"),
            Self::Inactive => f.write_str("the authorization server says that the token is inactive"),
            Self::Revoked => f.write_str("an operator has revoked the token, its client or its subject"),
            Self::Expired => f.write_str("the token has expired"),
            Self::NotYetValid => f.write_str("the token is not valid yet"),
            Self::WrongIssuer => f.write_str("the token is from another issuer"),
            Self::WrongAudience => f.write_str("the token is for another audience"),
            Self::NotAnAccessToken => f.write_str("not an access token"),
            Self::BadJwt { fault } => write!(f, "the token is not valid: {fault}"),
            Self::Unproven => f.write_str("a sender-constrained token without its proof"),
            Self::BadProof(fault) => write!(f, "the DPoP proof is not valid: {fault}"),
            Self::NonceWanted { .. } => {
                f.write_str("the DPoP proof has no nonce from Tollgate, or an old one")
            }
            Self::OtherKey => f.write_str("the DPoP proof is not signed with the token's key"),
            Self::NotBound => f.write_str("a DPoP proof for a token that is not bound to a key"),
            Self::NoCertificate => {
                f.write_str("the token is bound to a certificate, but the client sent no certificate")
            }
            Self::OtherCertificate => f.write_str("the token is bound to another certificate"),
            Self::BindingWanted => f.write_str("the token is not bound as sender_constraint requires"),
            Self::ProofWanted => f.write_str("the DPoP proof is missing"),
            Self::WeakAuthentication { .. } => {
                f.write_str("the user's authentication is too weak or too old")
            }
            Self::ScopeMissing { needed } => write!(f, "a scope is missing; needed: {needed}"),
            Self::DetailMissing => f.write_str("authorization_details do not grant what is required"),
            Self::Delegated => f.write_str("the token is used on another party's behalf (act)"),
            Self::ClientNotListed => f.write_str("the client is not on the list"),
            Self::ClaimMismatch { claim } => write!(f, "the claim {claim} is absent or different"),
            Self::Denied => f.write_str("the rule denies every request"),
            Self::NoAnswer {
                cause:
                    cause @ (NoAnswer::NoClientList
                    | NoAnswer::NoRevocations
                    | NoAnswer::NoStatusList
                    | NoAnswer::NoKeys
                    | NoAnswer::TooManyStreams
                    | NoAnswer::Replaced
                    | NoAnswer::TimedOut(_)),
                ..
            } => cause.fmt(f),
            Self::NoAnswer { cause, .. } => write!(f, "the authorization server is unavailable: {cause}"),
            Self::BadAnswer { cause } => {
                write!(f, "the authorization server's response is not usable: {cause}")
            }
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("timeout, reset or truncated response"),
            Self::TimedOut(limit) => {
                let (seconds, millis) = (limit.as_secs(), limit.subsec_millis());
                f.write_str("no response from the authorization server within ")?;
                if millis == 0 { write!(f, "{seconds} s") } else { write!(f, "{seconds}.{millis:03} s") }
            }
            Self::NotDispatched => {
                f.write_str("Envoy rejected the call; check that the cluster is configured")
            }
            Self::Status(status) => write!(f, "status {status}"),
            Self::Throttled => f.write_str("status 429"),
            Self::BackingOff => f.write_str("not called, because recent calls failed"),
            Self::Overtaken => f.write_str("events came faster than its responses"),
            Self::NoClientList => f.write_str("the client list that the rule requires is not loaded yet"),
            Self::NoRevocations => f.write_str("the list of what is revoked is not loaded yet"),
            Self::NoStatusList => f.write_str("the status list of the token is not loaded"),
            Self::NoKeys => f.write_str("the authorization server's keys are not loaded"),
            Self::Crowded => f.write_str("not called, because too many requests are waiting"),
            Self::TooManyStreams => {
                f.write_str("too many streams would have to end with their token (on_expiry_max_streams)")
            }
            Self::Replaced => f.write_str("the stream began under an earlier configuration"),
            Self::Unsigned => f.write_str(
                "not called, because signing client assertions takes too long (see assertion_reuse)",
            ),
        }
    }
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CredentialsRefused(status) => {
                write!(f, "status {status}: it rejected the gateway's credentials")
            }
            Self::Redirect(status) => write!(f, "status {status}: a redirect"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::MediaType => f.write_str("not application/json"),
            Self::Coded(name) => write!(f, "its content coding is {name}, but identity was requested"),
            Self::TooLong => f.write_str("longer than max_response_bytes"),
            Self::NotJson => f.write_str("not a valid JSON document"),
            Self::NotAnObject => f.write_str("not a JSON object"),
            Self::Active => f.write_str("`active` is missing or not a boolean"),
            Self::Timestamp => f.write_str("`exp` or `nbf` is not a number"),
            Self::Lifetime => f.write_str("it has neither `expires_in` nor `exp`"),
            Self::OtherToken => f.write_str("it is about another token"),
            Self::Subject => f.write_str("`sub` is missing or not text"),
            Self::Signed(fault) => fault.fmt(f),
            Self::Elsewhere => f.write_str("another worker made the call; see its log"),
        }
    }
}
