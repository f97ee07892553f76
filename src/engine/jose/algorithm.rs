//! Signature algorithms, and lists of those that are allowed ([RFC 7518 §3.1], [RFC 8037 §3.1],
//! [RFC 9864]).
//!
//! There is no `none` and no HMAC: no configuration can allow them, and a token that asks for one is
//! refused before anything else is looked at.
//!
//! [RFC 7518 §3.1]: https://www.rfc-editor.org/rfc/rfc7518#section-3.1
//! [RFC 8037 §3.1]: https://www.rfc-editor.org/rfc/rfc8037#section-3.1
//! [RFC 9864]: https://www.rfc-editor.org/rfc/rfc9864

use std::fmt;

/// A signature algorithm with a public key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
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
    /// Ed25519, which is called `EdDSA` as well; Ed448 is not meant by either.
    Ed25519,
}

/// The hash of an algorithm that has one of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The algorithms that are allowed, by preference.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Algorithms(Vec<Algorithm>);

/// Every name, for the configuration.
pub const NAMES: [&str; 11] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];

impl Algorithm {
    /// The algorithm of that `alg`, case and all.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "EdDSA" | "Ed25519" => Self::Ed25519,
            _ => return None,
        })
    }

    /// Its `alg`; of two, the one that servers say.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ed25519 => "EdDSA",
        }
    }

    /// Its hash; Ed25519 has one built in.
    pub fn hash(self) -> Hash {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => Hash::Sha256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => Hash::Sha384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::Ed25519 => Hash::Sha512,
        }
    }
}

impl Algorithm {
    /// Whether it is RSASSA-PSS, which hosts do not compute for us.
    pub fn is_pss(self) -> bool {
        matches!(self, Self::Ps256 | Self::Ps384 | Self::Ps512)
    }
}

impl Algorithms {
    /// A list of these. `None` if there are none, or one has a name that is unknown.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let algorithms: Option<Vec<_>> = names.into_iter().map(Algorithm::from_name).collect();
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
        Self(vec![Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Ed25519])
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
    use super::{Algorithm, Algorithms, NAMES};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_are_compared_exactly() {
        // JWT-08, JWT-09
        for name in
            ["none", "None", "NONE", "nOnE", "", "HS256", "rs256", "Rs256", "RS256 ", "ES256K", "Ed448"]
        {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
        for name in NAMES {
            let algorithm = Algorithm::from_name(name).unwrap();
            assert!(algorithm.name() == name || name == "Ed25519", "{name}");
        }
    }

    #[test]
    fn a_list_allows_what_is_in_it() {
        let list = Algorithms::from_names(["ES256", "Ed25519"]).unwrap();
        assert!(list.allow(Algorithm::Es256) && list.allow(Algorithm::Ed25519));
        assert!(!list.allow(Algorithm::Rs256));
        assert_eq!(list.to_string(), "ES256 EdDSA");
        assert_eq!(Algorithms::from_names(["ES256", "none"]), None);
        assert_eq!(Algorithms::from_names([]), None);
        assert!(Algorithms::default().allow(Algorithm::Rs256), "ATJ-03");
    }
}
