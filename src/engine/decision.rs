//! How a request ends: exactly one [`Verdict`], and for a rejection the precise [`Rejection`].
//!
//! The table from rejection to verdict is [`Rejection::verdict`] and nowhere else.

mod doubt;
pub mod fault;
pub mod receipt;
mod rejection;
pub mod trace;

use std::borrow::Cow;
use std::rc::Rc;

use crate::base::ids::ResourceId;
use crate::decision::receipt::Receipt;

pub use self::doubt::Doubt;
pub use self::rejection::{BadAnswer, NoAnswer, Rejection};

/// The one word for how a request ended: a metric's name, a log field, `explain`'s last line.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// A valid token that meets every requirement.
    Allowed,
    /// Let through without a token, as the policy says.
    Anonymous,
    /// Not forwarded: the response is the protected resource's metadata ([RFC 9728]).
    ///
    /// [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728
    Metadata,
    /// Not forwarded: an event that an authorization server pushes, and the response to it.
    Event,
    /// No credentials.
    NoToken,
    /// Credentials that do not parse, or more than one.
    InvalidRequest,
    /// The token is not valid.
    InvalidToken,
    /// A sender-constrained token without its proof.
    InvalidBinding,
    /// The user must authenticate better ([RFC 9470]).
    ///
    /// [RFC 9470]: https://www.rfc-editor.org/rfc/rfc9470
    InsufficientAuthentication,
    /// A scope is missing.
    InsufficientScope,
    /// The client or a claim is not what the policy requires, or the rule rejects every request.
    Forbidden,
    /// The authorization server did not respond.
    Unavailable,
    /// The authorization server's response cannot be used.
    BadAnswer,
}

impl Verdict {
    /// Every verdict, in the table's order.
    pub const ALL: [Self; 13] = [
        Self::Allowed,
        Self::Anonymous,
        Self::Metadata,
        Self::Event,
        Self::NoToken,
        Self::InvalidRequest,
        Self::InvalidToken,
        Self::InvalidBinding,
        Self::InsufficientAuthentication,
        Self::InsufficientScope,
        Self::Forbidden,
        Self::Unavailable,
        Self::BadAnswer,
    ];

    /// Its name in configuration, metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Anonymous => "anonymous",
            Self::Metadata => "metadata",
            Self::Event => "event",
            Self::NoToken => "no_token",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InvalidBinding => "invalid_binding",
            Self::InsufficientAuthentication => "insufficient_authentication",
            Self::InsufficientScope => "insufficient_scope",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::BadAnswer => "bad_answer",
        }
    }

    /// The verdict of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Whether the request is forwarded to the upstream.
    pub fn passes(self) -> bool {
        matches!(self, Self::Allowed | Self::Anonymous)
    }

    /// Whether the client is turned away.
    pub fn is_refusal(self) -> bool {
        !matches!(self, Self::Allowed | Self::Anonymous | Self::Metadata | Self::Event)
    }
}

/// The engine's last word on a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It is forwarded; the verdict is `Allowed` or `Anonymous`.
    Allow(Verdict),
    /// It asks for the resource's metadata, and gets it from us.
    Describe(ResourceId),
    /// It pushes an event, which is for us.
    Receive(Receipt),
    /// It is turned away.
    Deny(Rejection),
}

impl Decision {
    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Allow(verdict) => *verdict,
            Self::Describe(_) => Verdict::Metadata,
            Self::Receive(_) => Verdict::Event,
            Self::Deny(rejection) => rejection.verdict(),
        }
    }
}

/// What changes in the request head before it is forwarded. Removals come before additions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grant {
    /// Fields to remove, all lines of them; every one is in the head.
    pub remove: Vec<String>,
    /// Fields to add.
    pub set: Vec<(String, Vec<u8>)>,
    /// Identity fields to add.
    pub identity: Option<Rc<IdentityFields>>,
    /// The new `:path`.
    pub path: Option<Vec<u8>>,
    /// The new form body.
    pub body: Option<Vec<u8>>,
    /// Whether responses must become `Cache-Control: private`, because the token was in the query
    /// ([RFC 6750 §2.3]).
    ///
    /// [RFC 6750 §2.3]: https://www.rfc-editor.org/rfc/rfc6750#section-2.3
    pub private_response: bool,
    /// A nonce for the client's next proof, which responses have to carry ([RFC 9449 §8.2]).
    ///
    /// [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2
    pub dpop_nonce: Option<String>,
    /// The protocol that a WebSocket's response names if it names none: browsers that have offered some insist,
    /// and the upstream has not seen this one.
    pub websocket_protocol: Option<String>,
}

/// Header fields for the upstream, and how many claims did not fit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdentityFields {
    /// Names in lower case, which the policy's fields share, and values of printable ASCII.
    pub set: Vec<(Rc<str>, Vec<u8>)>,
    /// Claims whose value is too long for a field, and fields for which claims compete.
    pub dropped: u32,
    /// What access logs and later filters are told, by name.
    pub state: Vec<(Cow<'static, str>, String)>,
}

impl Grant {
    /// All fields to add, in order.
    pub fn additions(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let own = self.set.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let identity = self.identity.iter().flat_map(|identity| &identity.set);
        own.chain(identity.map(|(name, value)| (&**name, value.as_slice())))
    }

    /// How many claims were too long for a header field and are not forwarded.
    pub fn dropped(&self) -> u32 {
        self.identity.as_ref().map_or(0, |identity| identity.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_request_passes_by_two_verdicts_alone() {
        let passing: Vec<_> = Verdict::ALL.into_iter().filter(|verdict| verdict.passes()).collect();
        assert_eq!(passing, [Verdict::Allowed, Verdict::Anonymous]);
    }
}
