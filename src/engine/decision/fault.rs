//! Errors in signed objects: tokens, proofs and responses.

use std::fmt;

use crate::jose::jws::JwsFault;

/// What is wrong with a JWT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwtFault {
    /// It is no signed object.
    Jws(JwsFault),
    /// Its algorithm is not among those that are configured.
    Algorithm,
    /// Its `typ` says that it is something else, or nothing.
    Typ,
    /// It holds another token.
    Nested,
    /// Its claims are not one strict JSON object.
    Claims,
    /// This claim is missing, or is not what it should be.
    Claim(&'static str),
    /// A claim that only other kinds of tokens have.
    Kind(&'static str),
    /// `iat` is to come.
    Early,
    /// Older than `max_token_age`.
    TooOld,
    /// No key has its `kid`, or none fits its algorithm.
    UnknownKey,
    /// The signature is not valid.
    Signature,
    /// The authorization server's response contradicts it in this member.
    Contradicted(&'static str),
    /// An event has revoked it.
    Revoked,
    /// Its status list does not say that it is valid.
    Status(StatusFault),
}

/// What is wrong with the status of a JWT.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StatusFault {
    /// It has none, and one is required.
    #[error("it has no status, and status_list.required is true")]
    Missing,
    /// Its claim `status` is not what it should be.
    #[error("its claim status is not valid")]
    Malformed,
    /// Its claim `status` names no list. Whatever it names is not understood.
    #[error("its claim status has no status_list")]
    Mechanism,
    /// Its list is not one of those that are configured.
    #[error("its status list is not among status_list.uris, and does not begin with status_list.uri_prefix")]
    Elsewhere,
    /// Its list has fewer entries.
    #[error("its status list has fewer entries than its idx")]
    Index,
    /// Its issuer has revoked it (1, INVALID).
    #[error("its status list says that it is revoked")]
    Invalid,
    /// Its issuer has suspended it (2, SUSPENDED).
    #[error("its status list says that it is suspended")]
    Suspended,
    /// Anything else than valid (0, VALID).
    #[error("its status list says that it is not valid, for a reason of its issuer's own")]
    Other,
}

/// In words for the log, without anything from the token.
impl fmt::Display for JwtFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jws(fault) => write!(f, "it is not a usable JWT: {fault}"),
            Self::Algorithm => f.write_str("its algorithm is not among `algorithms`"),
            Self::Typ => f.write_str("its `typ` is not that of an access token"),
            Self::Nested => f.write_str("it contains another token"),
            Self::Claims => f.write_str("its claims are not a single JSON object"),
            Self::Claim(name) => write!(f, "its claim {name} is missing or not valid"),
            Self::Kind(name) => write!(f, "its claim {name} belongs to another kind of token"),
            Self::Early => f.write_str("it was issued in the future"),
            Self::TooOld => f.write_str("it is older than max_token_age"),
            Self::UnknownKey => f.write_str("it is not signed with any of the issuer's keys"),
            Self::Signature => f.write_str("its signature is not valid"),
            Self::Revoked => f.write_str("an event of its issuer has revoked it"),
            Self::Status(fault) => fault.fmt(f),
            Self::Contradicted(name) => {
                write!(f, "its claim {name} differs from the introspection response")
            }
        }
    }
}

/// The longest proof, in bytes.
pub const MAX_PROOF: usize = 8192;

/// What is wrong with a proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProofFault {
    /// It is missing.
    Missing,
    /// More than one.
    Several,
    /// Longer than [`MAX_PROOF`].
    TooLong,
    /// No signed JWT.
    Malformed(JwsFault),
    /// `typ` is not `dpop+jwt`.
    Typ,
    /// Signed with an algorithm that is not allowed.
    Algorithm,
    /// `jwk` is missing, private, or no key that we understand.
    Key,
    /// `jwk` is a greater RSA key than proofs may have.
    Size,
    /// A claim is missing, or of another type or length.
    Claim(&'static str),
    /// For another method.
    Method,
    /// For another URI.
    Target,
    /// Too old, or of the future.
    Time,
    /// For another token.
    Token,
    /// The signature is not the key's.
    Signature,
    /// It has been used, or may have been.
    Replayed,
    /// The host stores nothing, so it is unknown whether it has been used.
    Forgotten,
}

/// In words for the log, without anything that a client chose.
impl fmt::Display for ProofFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is missing"),
            Self::Several => f.write_str("more than one"),
            Self::TooLong => write!(f, "longer than {MAX_PROOF} bytes"),
            Self::Malformed(fault) => write!(f, "it is not a signed JWT: {fault}"),
            Self::Typ => f.write_str("its typ is not dpop+jwt"),
            Self::Algorithm => f.write_str("its alg is not one of dpop.algorithms"),
            Self::Key => f.write_str("its jwk is not a public key for its alg"),
            Self::Size => {
                f.write_str("its jwk is an RSA key of more than 3072 bits, or with a long exponent")
            }
            Self::Claim("all") => f.write_str("its claims are not a JSON object"),
            Self::Claim(name) => write!(f, "its {name} is missing or malformed"),
            Self::Method => f.write_str("it is for another method"),
            Self::Target => f.write_str("it is for another URI"),
            Self::Time => f.write_str("it is too old, or issued in the future"),
            Self::Token => f.write_str("it is for another token"),
            Self::Signature => f.write_str("its signature is not valid"),
            Self::Replayed => f.write_str("it has been used before"),
            Self::Forgotten => f.write_str("the host cannot store used proofs"),
        }
    }
}

/// What is wrong with a signed response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReplyFault {
    /// It is no signed object.
    Jws(JwsFault),
    /// Its `typ` says that it is something else, or nothing.
    Typ,
    /// Its algorithm is not among those that are configured.
    Algorithm,
    /// The signature is not valid.
    Signature,
    /// Its claims are not one strict JSON object.
    Claims,
    /// `iss` is another one, or missing.
    Issuer,
    /// `aud` does not hold us.
    Audience,
    /// `iat` is missing, or further from now than two minutes.
    Time,
    /// `token_introspection` is missing, or no object.
    Shape,
}

/// In words for the log, without anything from the response.
impl fmt::Display for ReplyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jws(fault) => write!(f, "it is not a signed response: {fault}"),
            Self::Typ => f.write_str("its `typ` is not that of a signed response"),
            Self::Algorithm => f.write_str("its algorithm is not among `algorithms`"),
            Self::Signature => f.write_str("its signature is not valid"),
            Self::Claims => f.write_str("its claims are not a single JSON object"),
            Self::Issuer => f.write_str("it is from another issuer"),
            Self::Audience => f.write_str("it is for another audience"),
            Self::Time => f.write_str("it is expired, or not recent"),
            Self::Shape => f.write_str("it does not describe the token"),
        }
    }
}
