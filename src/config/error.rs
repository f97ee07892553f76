//! Errors in a configuration, and their places.
//!
//! An error shows no value of the configuration, because it may be a secret. Only numbers, durations, words of
//! fixed sets and the names of keys are repeated.

use std::fmt;

use crate::protobuf::StructError;
use crate::schema::{Place, quoted};
use tollgate_engine::base::json::JsonError;
use tollgate_engine::jose::key_set::JwkFault;
use tollgate_engine::policy::rule::PatternError;
use tollgate_engine::provider::client_auth::Method;

/// One error, and its place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{at}: {fault}")]
pub struct ConfigError {
    /// The place, as `providers.okta.introspection.timeout`.
    pub at: Place,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Nothing is configured at all.
    #[error("the configuration is empty; it needs at least an authorization server in providers")]
    Empty,
    /// Text that is no strict JSON.
    #[error("{0}")]
    Json(JsonError),
    /// Bytes that are no `google.protobuf.Struct`.
    #[error("{0}")]
    Struct(StructError),
    /// Text that does not even start like a JSON object; YAML, perhaps.
    #[error("expected a JSON object or a serialized google.protobuf.Struct")]
    NotAnObject,
    /// A key that no version knows.
    #[error("unknown key{}", Hint(.nearest.as_deref(), .known))]
    UnknownKey {
        /// The known key that looks most like it.
        nearest: Option<String>,
        /// What is known at this place.
        known: String,
    },
    /// A key or a word of a later version.
    #[error("{}is not supported by this version", Quoted(.word.as_deref()))]
    NotSupported {
        /// The word; `None`: the key itself.
        word: Option<String>,
    },
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// The type that is wanted.
        expected: String,
        /// The type that is there.
        found: &'static str,
    },
    /// A required key is not there.
    #[error("required, but missing")]
    Missing,
    /// Text that is not what it should be.
    #[error("expected {what}")]
    Expected {
        /// What it should be.
        what: String,
    },
    /// None of the words that are known here.
    #[error("expected {known}{}", Meant(.nearest.as_deref()))]
    UnknownWord {
        /// The words that are known.
        known: String,
        /// The word that looks most like it.
        nearest: Option<String>,
    },
    /// A number or a duration beyond its bounds.
    #[error("expected {min} to {max}, got {got}")]
    OutOfRange {
        /// The smallest value that is allowed.
        min: String,
        /// The largest value that is allowed.
        max: String,
        /// The number as written.
        got: String,
    },
    /// An empty list or object where one entry is needed.
    #[error("expected at least one entry")]
    NoEntries,
    /// Too many or too few of some keys.
    #[error("expected {quantity} of {keys}, found {}", Count(*.found))]
    Choice {
        /// `exactly one`, `at least one` or `at most one`.
        quantity: &'static str,
        /// The keys.
        keys: String,
        /// How many of them are there.
        found: usize,
    },
    /// A reference to something that is not configured.
    #[error("no {what} has this name{}", Hint(.nearest.as_deref(), .known))]
    UnknownName {
        /// `provider` or `client list`.
        what: &'static str,
        /// The name that looks most like it.
        nearest: Option<String>,
        /// The names that exist.
        known: String,
    },
    /// The same thing twice.
    #[error("the same as {first}")]
    Duplicate {
        /// Where it is first.
        first: Place,
    },
    /// Two settings that cannot both be meant.
    #[error("contradicts {with}: {why}")]
    Contradiction {
        /// The place of the other.
        with: Place,
        /// The reason, to follow "contradicts …:".
        why: &'static str,
    },
    /// A setting without effect next to another one.
    #[error("not used by the method {}", quoted(.method.name()))]
    Unused {
        /// The method of client authentication.
        method: Method,
    },
    /// A setting that makes sense with another one only.
    #[error("requires {other} as well")]
    Needs {
        /// The other.
        other: Needed,
    },
    /// A key that cannot be used.
    #[error("expected a public key for signatures: {fault}")]
    Key {
        /// Why it cannot.
        fault: JwkFault,
    },
    /// A name that is not the operator's to give.
    #[error("reserved: {why}")]
    Reserved {
        /// Whose it is.
        why: &'static str,
    },
    /// An environment variable that is not there.
    #[error("the environment variable is not set, or empty; the VM's environment_variables must list it")]
    Unset,
    /// An environment variable with a value of the wrong form.
    #[error("expected an environment variable that holds {what}")]
    UnfitVariable {
        /// What it should hold.
        what: &'static str,
    },
    /// Credentials in a URI ([RFC 6749 §2.3.1]).
    ///
    /// [RFC 6749 §2.3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    #[error("credentials and tokens do not belong in a URI; put them into client_auth")]
    CredentialsInUri,
    /// No place is left in which a token may be.
    #[error("expected at least one place for tokens: {keys}")]
    NoPlaces {
        /// The keys of the places.
        keys: String,
    },
    /// Signatures that have to be verified by the host.
    #[error(
        "this host cannot verify {algorithms} signatures, because it has no function \"verify_signature\""
    )]
    NotVerified {
        /// The algorithms.
        algorithms: String,
    },
    /// An algorithm that the host has to sign with.
    #[error(
        "this host cannot sign with {algorithm}, because it has no function \"sign\"; use Envoy 1.37 or later, or another algorithm"
    )]
    NotSigned {
        /// The algorithm.
        algorithm: &'static str,
    },
    /// A private key that the host does not take.
    #[error("the host rejects this private key")]
    KeyNotTaken,
    /// A path pattern that cannot be used.
    #[error("{0}")]
    Pattern(PatternError),
}

/// What another setting needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Needed {
    /// A key.
    Key(&'static str),
    /// A key with a value.
    Value(&'static str, &'static str),
    /// One of several ways.
    Either(&'static str),
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(text) | Self::Either(text) => f.write_str(text),
            Self::Value(key, value) => write!(f, "{key}: {value}"),
        }
    }
}

/// `; did you mean "x"?`, or else what there is.
struct Hint<'a>(Option<&'a str>, &'a str);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "; did you mean {}?", quoted(nearest)),
            None if self.1.is_empty() => Ok(()),
            None => write!(f, "; known: {}", self.1),
        }
    }
}

/// `; did you mean "x"?`, or nothing.
struct Meant<'a>(Option<&'a str>);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hint(self.0, "").fmt(f)
    }
}

struct Quoted<'a>(Option<&'a str>);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |word| write!(f, "{} ", quoted(word)))
    }
}

struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("none"),
            n => write!(f, "{n}"),
        }
    }
}
