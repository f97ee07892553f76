//! How clients authenticate at an authorization server, by the names that servers have for it ([RFC 7591 §2],
//! [RFC 8705 §2]).
//!
//! [RFC 7591 §2]: https://www.rfc-editor.org/rfc/rfc7591#section-2
//! [RFC 8705 §2]: https://www.rfc-editor.org/rfc/rfc8705#section-2

use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::provider::client_auth::Method;

/// A method that the filter implements, or one of its cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Authentication {
    /// One of the filter's.
    Own(Method),
    /// The cluster presents a certificate of an authority that the server trusts.
    Certificate,
    /// The cluster presents a certificate that the server knows.
    SelfSignedCertificate,
}

impl Authentication {
    /// All methods.
    pub(crate) fn all() -> impl Iterator<Item = Self> + Clone {
        Method::ALL.into_iter().map(Self::Own).chain([Self::Certificate, Self::SelfSignedCertificate])
    }

    /// The method with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|known| known.name() == name)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own(method) => method.name(),
            Self::Certificate => "tls_client_auth",
            Self::SelfSignedCertificate => "self_signed_tls_client_auth",
        }
    }

    /// Whether a client can be registered for it: its name is in the registry of RFC 7591 §4.2.
    pub(crate) fn is_registered(self) -> bool {
        match self {
            Self::Own(
                Method::Basic | Method::Post | Method::SecretJwt | Method::PrivateKeyJwt | Method::None,
            )
            | Self::Certificate
            | Self::SelfSignedCertificate => true,
            Self::Own(Method::Bearer) => false,
        }
    }

    /// Whether the cluster presents a certificate.
    pub(crate) fn is_by_certificate(self) -> bool {
        match self {
            Self::Own(_) => false,
            Self::Certificate | Self::SelfSignedCertificate => true,
        }
    }

    /// Whether the client signs an assertion, which needs an algorithm.
    pub(crate) fn is_by_assertion(self) -> bool {
        match self {
            Self::Own(Method::SecretJwt | Method::PrivateKeyJwt) => true,
            Self::Own(Method::Basic | Method::Post | Method::Bearer | Method::None)
            | Self::Certificate
            | Self::SelfSignedCertificate => false,
        }
    }

    /// The order in which methods are chosen if a server supports several: the simplest to operate comes first.
    /// `None`: the operator has to ask for it.
    pub(crate) fn preference(self) -> Option<u8> {
        match self {
            Self::Own(Method::Basic) => Some(0),
            Self::Own(Method::Post) => Some(1),
            Self::Own(Method::PrivateKeyJwt) => Some(2),
            Self::Own(Method::SecretJwt) => Some(3),
            Self::Certificate => Some(4),
            Self::SelfSignedCertificate => Some(5),
            Self::Own(Method::Bearer | Method::None) => None,
        }
    }
}

/// The order in which the algorithm of `private_key_jwt` is chosen: the one that costs the least comes first.
/// `None`: no private key signs with it here.
pub(crate) fn preference(algorithm: Algorithm) -> Option<u8> {
    match algorithm {
        Algorithm::Es256 => Some(0),
        Algorithm::Ed25519 => Some(1),
        Algorithm::EdDsa => Some(2),
        Algorithm::Ps256 => Some(3),
        Algorithm::Rs256 => Some(4),
        Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Es384
        | Algorithm::Es512 => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Authentication, preference};

    #[test]
    fn every_name_leads_back() {
        for one in Authentication::all() {
            assert_eq!(Authentication::named(one.name()), Some(one));
        }
    }

    #[test]
    fn what_is_preferred_can_be_signed() {
        for algorithm in Algorithm::ALL {
            let can_sign = Algorithm::OF_PRIVATE_KEYS.contains(&algorithm);
            assert_eq!(preference(algorithm).is_some(), can_sign, "{}", algorithm.name());
        }
    }
}
