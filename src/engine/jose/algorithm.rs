//! The algorithms of JWTs, for signing and for verifying, and lists of those that are allowed ([RFC 7518 §3.1],
//! [RFC 8037 §3.1], [RFC 9864]).
//!
//! There is no `none`. HMAC is only for signing; verification uses only algorithms from
//! [`Algorithm::of_token`], which are for public keys: no configuration can allow HMAC, and a token that names
//! it is rejected before anything else is checked.
//!
//! [RFC 7518 §3.1]: https://www.rfc-editor.org/rfc/rfc7518#section-3.1
//! [RFC 8037 §3.1]: https://www.rfc-editor.org/rfc/rfc8037#section-3.1
//! [RFC 9864]: https://www.rfc-editor.org/rfc/rfc9864

use std::fmt;

use crate::base::hash::Hash;
use crate::base::named::named;

/// An algorithm of JWTs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519 by its older name; Ed448 is never meant by it.
    EdDsa,
    /// Ed25519 by its own name. Verification treats the two alike: see [`Algorithm::of_token`].
    Ed25519,
}

/// The algorithms that are allowed, by preference.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Algorithms(Vec<Algorithm>);

// As `alg` has them.
named! { Algorithm:
    Hs256 = "HS256",
    Hs384 = "HS384",
    Hs512 = "HS512",
    Rs256 = "RS256",
    Rs384 = "RS384",
    Rs512 = "RS512",
    Ps256 = "PS256",
    Ps384 = "PS384",
    Ps512 = "PS512",
    Es256 = "ES256",
    Es384 = "ES384",
    Es512 = "ES512",
    EdDsa = "EdDSA",
    Ed25519 = "Ed25519",
}

impl Algorithm {
    /// Those of public keys: all that a token or a proof may be signed with.
    pub const OF_PUBLIC_KEYS: [Self; 11] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ed25519,
    ];
    /// Those that we sign with a client secret: `client_secret_jwt`.
    pub const OF_SECRETS: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];
    /// Those that we sign with a private key: `private_key_jwt`.
    pub const OF_PRIVATE_KEYS: [Self; 5] =
        [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa, Self::Ed25519];

    /// The algorithm that a token, a proof or a public key names. Never HMAC; Ed25519 is [`Self::EdDsa`] by either
    /// name.
    pub fn of_token(name: &str) -> Option<Self> {
        match Self::named(name)? {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => None,
            Self::Ed25519 => Some(Self::EdDsa),
            public => Some(public),
        }
    }

    /// Its hash; Ed25519 has one built in.
    pub fn hash(self) -> Hash {
        match self {
            Self::Hs256 | Self::Rs256 | Self::Ps256 | Self::Es256 => Hash::Sha256,
            Self::Hs384 | Self::Rs384 | Self::Ps384 | Self::Es384 => Hash::Sha384,
            Self::Hs512 | Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa | Self::Ed25519 => {
                Hash::Sha512
            }
        }
    }

    /// Whether it is RSASSA-PSS, which hosts do not compute for us.
    pub fn is_pss(self) -> bool {
        match self {
            Self::Ps256 | Self::Ps384 | Self::Ps512 => true,
            Self::Hs256
            | Self::Hs384
            | Self::Hs512
            | Self::Rs256
            | Self::Rs384
            | Self::Rs512
            | Self::Es256
            | Self::Es384
            | Self::Es512
            | Self::EdDsa
            | Self::Ed25519 => false,
        }
    }
}

impl Algorithms {
    /// A list of these. `None` if the list is empty, or if a name is unknown.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let algorithms: Option<Vec<_>> = names.into_iter().map(Algorithm::of_token).collect();
        algorithms.filter(|algorithms| !algorithms.is_empty()).map(Self)
    }

    /// Whether a signature may be made by this one.
    pub fn allow(&self, algorithm: Algorithm) -> bool {
        self.0.contains(&algorithm)
    }

    /// Those that are allowed, in order.
    pub fn iter(&self) -> impl Iterator<Item = Algorithm> {
        self.0.iter().copied()
    }
}

/// What authorization servers sign with unless the operator knows better.
impl Default for Algorithms {
    fn default() -> Self {
        Self(vec![Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa])
    }
}

/// The names, by spaces, as challenges have them.
impl fmt::Display for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, algorithm) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            f.write_str(algorithm.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Algorithms};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_are_compared_exactly() {
        // JWT-08, JWT-09
        for name in
            ["none", "None", "NONE", "nOnE", "", "HS256", "rs256", "Rs256", "RS256 ", "ES256K", "Ed448"]
        {
            assert_eq!(Algorithm::of_token(name), None, "{name}");
        }
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::named(algorithm.name()), Some(algorithm));
            // JWT-10
            let is_hmac = Algorithm::OF_SECRETS.contains(&algorithm);
            assert_eq!(Algorithm::of_token(algorithm.name()).is_none(), is_hmac, "{algorithm:?}");
            assert_ne!(Algorithm::OF_PUBLIC_KEYS.contains(&algorithm), is_hmac, "{algorithm:?}");
        }
        assert_eq!(Algorithm::of_token("Ed25519"), Some(Algorithm::EdDsa));
    }

    #[test]
    fn a_list_allows_what_is_in_it() {
        let list = Algorithms::from_names(["ES256", "Ed25519"]).unwrap();
        assert!(list.allow(Algorithm::Es256) && list.allow(Algorithm::EdDsa));
        assert!(!list.allow(Algorithm::Rs256));
        assert_eq!(list.to_string(), "ES256 EdDSA");
        assert_eq!(Algorithms::from_names(["ES256", "none"]), None);
        assert_eq!(Algorithms::from_names([]), None);
        assert!(Algorithms::default().allow(Algorithm::Rs256), "ATJ-03");
    }
}
