//! Every check of the engine, reported as it is made.
//!
//! A request is rejected because a check has failed ([`Check`]). The engine reports each check to the [`Trace`] among its
//! ports, with what it found. The filter has [`Untraced`], which the compiler removes: reporting costs the filter nothing.
//! `tollgate explain` prints the reports.

use std::fmt;
use std::time::Duration;

use crate::base::json::Value;
use crate::decision::Rejection;
use crate::request::extract::Place;

/// Receives the checks.
pub trait Trace: fmt::Debug {
    /// Receives a check, and the rejection if it has failed. `check` is only called if the check is used.
    fn made<'a>(&self, check: impl FnOnce() -> Check<'a>, failure: Option<&Rejection>);

    /// Reports a check that fails unless `holds`.
    ///
    /// # Errors
    ///
    /// The rejection, if the check has failed.
    fn demand<'a>(
        &self,
        holds: bool,
        check: impl FnOnce() -> Check<'a>,
        rejection: impl FnOnce() -> Rejection,
    ) -> Result<(), Rejection> {
        let result = if holds { Ok(()) } else { Err(rejection()) };
        self.came(check, result)
    }

    /// Reports a check with this result, and returns the result.
    ///
    /// # Errors
    ///
    /// Those of the result.
    fn came<'a, T>(
        &self,
        check: impl FnOnce() -> Check<'a>,
        result: Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        self.made(check, result.as_ref().err());
        result
    }
}

/// Drops every check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untraced;

impl Trace for Untraced {
    #[inline(always)]
    fn made<'a>(&self, _: impl FnOnce() -> Check<'a>, _: Option<&Rejection>) {}
}

/// One check, with what was found.
#[derive(Clone, Debug)]
pub enum Check<'a> {
    /// The request has one reading only.
    Reading,
    /// The rule does not deny every request.
    Rule,
    /// The request came over TLS.
    Connection,
    /// The request has one token, in one place.
    Token(Option<FoundToken>),
    /// The form body has arrived, and is short enough.
    Form,
    /// The client proves possession of its key ([RFC 9449 §4.3]).
    ///
    /// [RFC 9449 §4.3]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3
    Proof,
    /// A provider is responsible for the token.
    Provider,
    /// The token is a JWT that the provider has signed ([RFC 9068 §4]).
    ///
    /// [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4
    Jwt(Jwt<'a>),
    /// The provider has sent a usable response.
    Response,
    /// No cached response is young enough for the rule (`max_cache_age`). The token is introspected.
    CacheAge {
        /// The age from which on a response does not count.
        max: Duration,
        /// The age of the cached response, if there is one.
        found: Option<Duration>,
    },
    /// The token is active.
    Active,
    /// The introspection response does not contradict the claims of the JWT.
    Agreement,
    /// No operator has revoked the token, its client or its subject.
    Revoked {
        /// The list that says so.
        list: &'a str,
        /// What is revoked, if the list is loaded.
        what: Option<&'static str>,
    },
    /// The status of the JWT is `valid`.
    Status {
        /// Its list, and its entry there, if it names one.
        at: Option<(&'a str, u64)>,
        /// The entry, if the list is loaded and has it.
        found: Option<u8>,
    },
    /// The token is from this issuer.
    Issuer {
        /// The configured issuer.
        wanted: &'a str,
        /// `iss`.
        found: Option<&'a Value>,
        /// Whether it may be absent.
        is_optional: bool,
    },
    /// `exp` is in the future.
    Expiry(Option<i64>),
    /// `nbf` is in the past.
    NotBefore(i64),
    /// The token is an access token, by its `token_type`.
    TokenType(Option<&'a Value>),
    /// The token is young enough.
    Age {
        /// The allowed age.
        max: Duration,
        /// The leeway.
        skew: Duration,
        /// `iat`.
        found: Option<&'a Value>,
    },
    /// The token is for one of these audiences.
    Audience {
        /// The accepted audiences; empty: every one.
        wanted: Vec<&'a str>,
        /// `aud`.
        found: Option<&'a Value>,
    },
    /// The client possesses the key or certificate that the token is bound to.
    Binding {
        /// What the token is bound to.
        found: Bound,
        /// Whether the binding is ignored.
        is_ignored: bool,
    },
    /// The client is on the list.
    Client {
        /// The list's name; `None`: the rule's own list.
        list: Option<&'a str>,
        /// The client.
        found: Option<&'a str>,
    },
    /// The user's authentication is strong and recent enough ([RFC 9470 §3]).
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    Authentication {
        /// The accepted contexts; empty: every one.
        contexts: &'a [String],
        /// `acr`.
        context: Option<&'a Value>,
        /// The longest time since the authentication; `None`: no limit.
        max_age: Option<Duration>,
        /// `auth_time`.
        at: Option<&'a Value>,
    },
    /// The token has this claim.
    Claim {
        /// Its name.
        name: &'a str,
        /// The condition, in words.
        wanted: String,
        /// The claim's value.
        found: Option<&'a Value>,
    },
    /// The token has the required scopes.
    Scope {
        /// The required scopes, in words.
        wanted: String,
        /// The token's scopes.
        found: Vec<&'a str>,
    },
    /// The token has no `act`: no other party acts for the user.
    Delegation(Option<&'a Value>),
    /// The token has the required details ([RFC 9396 §9]).
    ///
    /// [RFC 9396 §9]: https://www.rfc-editor.org/rfc/rfc9396#section-9
    Details {
        /// Their types.
        wanted: Vec<&'a str>,
        /// `authorization_details`.
        found: Option<&'a Value>,
    },
}

/// A token in a request.
#[derive(Clone, Copy, Debug)]
pub struct FoundToken {
    /// Where it is.
    pub place: Place,
    /// Its length in bytes.
    pub length: usize,
}

/// A JWT, and how many keys could verify it.
#[derive(Clone, Copy, Debug)]
pub struct Jwt<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The token. It is a secret.
    pub token: &'a str,
    /// The number of the provider's keys.
    pub keys: usize,
}

/// What a token is bound to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bound {
    /// Nothing.
    Not,
    /// A key.
    ToKey,
    /// A certificate.
    ToCertificate,
    /// Both.
    ToBoth,
    /// Something of which Tollgate understands no proof.
    Otherwise,
}

impl Check<'_> {
    /// The name of the check, which `explain` prints first.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reading | Self::Rule => "rule",
            Self::Connection => "connection",
            Self::Token(_) => "token",
            Self::Form => "form",
            Self::Proof => "proof",
            Self::Provider => "provider",
            Self::Jwt(_) => "JWT",
            Self::Response => "response",
            Self::CacheAge { .. } => "cache age",
            Self::Active => "active",
            Self::Revoked { .. } => "revoked",
            Self::Status { .. } => "status",
            Self::Agreement => "agreement",
            Self::Issuer { .. } => "issuer",
            Self::Expiry(_) => "expiry",
            Self::NotBefore(_) => "not before",
            Self::TokenType(_) => "token type",
            Self::Age { .. } => "age",
            Self::Audience { .. } => "audience",
            Self::Binding { .. } => "binding",
            Self::Client { .. } => "client",
            Self::Authentication { .. } => "authentication",
            Self::Claim { .. } => "claim",
            Self::Scope { .. } => "scope",
            Self::Delegation(_) => "delegation",
            Self::Details { .. } => "details",
        }
    }
}
