//! What is required of a token: scopes, audiences, clients, claims, authentication.

mod judge;

use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::named::named;
use crate::provider::clients::ClientList;
use crate::token::claims::ClaimRequirement;
use crate::token::details::DetailRequirement;
use crate::token::scope::ScopePolicy;

/// `requires`: what is required of a valid token. The default requires nothing more.
#[derive(Clone, Debug, Default)]
pub struct Requirement {
    /// Only tokens of these providers; empty: of any.
    pub providers: Vec<ProviderId>,
    /// Scopes ([RFC 6749 §3.3]).
    ///
    /// [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3
    pub scopes: ScopePolicy,
    /// At least one of these in `aud`; empty: not checked.
    pub audiences: Vec<String>,
    /// Only these clients; `None`: any.
    pub clients: Option<ClientList>,
    /// Claims that must hold, all of them.
    pub claims: Vec<ClaimRequirement>,
    /// Each of these must be granted in `authorization_details` ([RFC 9396]).
    ///
    /// [RFC 9396]: https://www.rfc-editor.org/rfc/rfc9396
    pub details: Vec<DetailRequirement>,
    /// Whether a token is rejected that is used on another's behalf (`act`, [RFC 8693 §4.1]).
    ///
    /// [RFC 8693 §4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
    pub no_delegation: bool,
    /// At least one of these in `acr` ([RFC 9470 §3]); empty: not checked.
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    pub acr_values: Vec<String>,
    /// The longest time since `auth_time` ([RFC 9470 §3]).
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    pub max_age: Option<Duration>,
    /// The age from which on a cached response lets no request pass; `None`: as long as it is cached.
    pub max_cache_age: Option<Duration>,
    /// What is done about a token that is bound to a key or a certificate.
    pub sender_constraint: SenderConstraint,
}

/// What is done about a sender-constrained token ([RFC 8705 §3], [RFC 9449 §7]).
///
/// [RFC 8705 §3]: https://www.rfc-editor.org/rfc/rfc8705#section-3
/// [RFC 9449 §7]: https://www.rfc-editor.org/rfc/rfc9449#section-7
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SenderConstraint {
    /// The client of a bound token must prove the binding. Where no proof can be checked, the token is
    /// rejected.
    #[default]
    IfBound,
    /// Every token must be bound to a key, and prove it by DPoP.
    Dpop,
    /// Every token must be bound to the certificate of the connection.
    Mtls,
    /// Every token must be bound, to the one or the other.
    AnyBound,
    /// The binding is not checked.
    Ignore,
}

impl SenderConstraint {
    /// Whether every token has to come with a DPoP proof.
    pub fn requires_dpop(self) -> bool {
        match self {
            Self::Dpop => true,
            Self::IfBound | Self::Mtls | Self::AnyBound | Self::Ignore => false,
        }
    }
}

named! { SenderConstraint:
    IfBound = "if_bound",
    Dpop = "dpop",
    Mtls = "mtls",
    AnyBound = "any_bound",
    Ignore = "ignore",
}
