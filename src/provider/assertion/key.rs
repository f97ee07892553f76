//! The keys that assertions are signed with.
//!
//! Elliptic curves are signed with deterministically ([RFC 6979], [RFC 8032]), so that no source of randomness can
//! give the key away. RSA is blinded: how long a signature takes tells nothing about the key
//! (RUSTSEC-2023-0071), and nobody but us chooses what is signed.
//!
//! [RFC 6979]: https://www.rfc-editor.org/rfc/rfc6979
//! [RFC 8032]: https://www.rfc-editor.org/rfc/rfc8032

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use p256::pkcs8::DecodePrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::provider::nonces::{Nonces, Source};
use crate::secret::Secret;

/// How an assertion is signed ([RFC 7518 §3.1], [RFC 8037 §3.1], [RFC 9864]).
///
/// [RFC 7518 §3.1]: https://www.rfc-editor.org/rfc/rfc7518#section-3.1
/// [RFC 8037 §3.1]: https://www.rfc-editor.org/rfc/rfc8037#section-3.1
/// [RFC 9864]: https://www.rfc-editor.org/rfc/rfc9864
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
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519 by its older name.
    EdDsa,
    /// Ed25519 by its own name.
    Ed25519,
}

/// A key that fits its algorithm.
#[derive(Clone)]
pub enum SigningKey {
    /// A client secret, long enough for its hash.
    Secret(Secret),
    /// 2048 to 4096 bits.
    Rsa(Box<RsaPrivateKey>),
    /// On P-256.
    P256(p256::ecdsa::SigningKey),
    /// On P-384.
    P384(p384::ecdsa::SigningKey),
    /// On edwards25519.
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl Algorithm {
    /// The algorithms of `client_secret_jwt`.
    pub const OF_SECRETS: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];
    /// The algorithms of `private_key_jwt`.
    pub const OF_PRIVATE_KEYS: [Self; 6] =
        [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa, Self::Ed25519];

    /// Its `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// What has to be given as its key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Hs256 => "a client secret of at least 32 bytes, for HS256 (RFC 7518 §3.2)",
            Self::Hs384 => "a client secret of at least 48 bytes, for HS384 (RFC 7518 §3.2)",
            Self::Hs512 => "a client secret of at least 64 bytes, for HS512 (RFC 7518 §3.2)",
            Self::Rs256 | Self::Ps256 => {
                "an RSA private key of 2048 to 4096 bits, for RS256 and PS256, in PEM (PKCS#8 or PKCS#1, without a passphrase)"
            }
            Self::Es256 => {
                "a private key on the curve P-256, for ES256, in PEM (PKCS#8 or SEC1, without a passphrase)"
            }
            Self::Es384 => {
                "a private key on the curve P-384, for ES384, in PEM (PKCS#8 or SEC1, without a passphrase)"
            }
            Self::EdDsa | Self::Ed25519 => "an Ed25519 private key in PEM (PKCS#8, without a passphrase)",
        }
    }

    /// The shortest secret, in bytes: as long as the hash.
    fn shortest(self) -> usize {
        match self {
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 32,
        }
    }
}

impl SigningKey {
    /// A client secret as a key: its UTF-8 bytes.
    #[inline(never)]
    pub fn of_secret(secret: &Secret, algorithm: Algorithm) -> Option<Self> {
        (secret.expose().len() >= algorithm.shortest()).then(|| Self::Secret(secret.clone()))
    }

    /// A private key in PEM: PKCS#8, or the older form of its kind. `None` if it does not fit the
    /// algorithm, or cannot be read.
    #[inline(never)]
    pub fn of_pem(pem: &Secret, algorithm: Algorithm) -> Option<Self> {
        let (label, der) = decoded(pem.expose())?;
        Some(match (algorithm, label) {
            (Algorithm::Rs256 | Algorithm::Ps256, "PRIVATE KEY") => rsa(RsaPrivateKey::from_pkcs8_der(&der))?,
            (Algorithm::Rs256 | Algorithm::Ps256, "RSA PRIVATE KEY") => {
                rsa(RsaPrivateKey::from_pkcs1_der(&der))?
            }
            (Algorithm::Es256, "PRIVATE KEY") => {
                Self::P256(p256::SecretKey::from_pkcs8_der(&der).ok()?.into())
            }
            (Algorithm::Es256, "EC PRIVATE KEY") => {
                Self::P256(p256::SecretKey::from_sec1_der(&der).ok()?.into())
            }
            (Algorithm::Es384, "PRIVATE KEY") => {
                Self::P384(p384::SecretKey::from_pkcs8_der(&der).ok()?.into())
            }
            (Algorithm::Es384, "EC PRIVATE KEY") => {
                Self::P384(p384::SecretKey::from_sec1_der(&der).ok()?.into())
            }
            (Algorithm::EdDsa | Algorithm::Ed25519, "PRIVATE KEY") => {
                Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_pkcs8_der(&der).ok()?))
            }
            _ => return None,
        })
    }

    /// The signature of `message`; `None` if the key is of another kind than the algorithm.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8], nonces: &Nonces) -> Option<Vec<u8>> {
        match (self, algorithm) {
            (Self::Secret(secret), Algorithm::Hs256) => mac::<Hmac<Sha256>>(secret, message),
            (Self::Secret(secret), Algorithm::Hs384) => mac::<Hmac<Sha384>>(secret, message),
            (Self::Secret(secret), Algorithm::Hs512) => mac::<Hmac<Sha512>>(secret, message),
            (Self::Rsa(key), Algorithm::Rs256) => {
                let scheme = Pkcs1v15Sign::new::<Sha256>();
                key.sign_with_rng(&mut Source(nonces), scheme, &Sha256::digest(message)).ok()
            }
            (Self::Rsa(key), Algorithm::Ps256) => {
                let scheme = Pss::new_blinded::<Sha256>();
                key.sign_with_rng(&mut Source(nonces), scheme, &Sha256::digest(message)).ok()
            }
            (Self::P256(key), Algorithm::Es256) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            (Self::P384(key), Algorithm::Es384) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            (Self::Ed25519(key), Algorithm::EdDsa | Algorithm::Ed25519) => {
                Some(key.try_sign(message).ok()?.to_bytes().to_vec())
            }
            _ => None,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn rsa<E>(key: Result<RsaPrivateKey, E>) -> Option<SigningKey> {
    let key = key.ok().filter(|key| (2048..=4096).contains(&key.n().bits()))?;
    Some(SigningKey::Rsa(Box::new(key)))
}

/// The label and the bytes of the first private key in a text ([RFC 7468 §2]). Where line breaks have become
/// spaces or `\n`, as happens on the way through environments, it is read all the same.
///
/// [RFC 7468 §2]: https://www.rfc-editor.org/rfc/rfc7468#section-2
fn decoded(text: &str) -> Option<(&str, Vec<u8>)> {
    let mut rest = text;
    loop {
        let (label, after) = rest.split_once("-----BEGIN ")?.1.split_once("-----")?;
        let (body, after) = after.split_once("-----END ")?;
        rest = after.strip_prefix(label)?.strip_prefix("-----")?;
        // `openssl ecparam -genkey` writes the curve before the key.
        if label != "EC PARAMETERS" {
            let base64: String = body.replace("\\n", "").split_ascii_whitespace().collect();
            return Some((label, STANDARD.decode(base64).ok()?));
        }
    }
}

fn mac<M: Mac + KeyInit>(secret: &Secret, message: &[u8]) -> Option<Vec<u8>> {
    let mac = <M as KeyInit>::new_from_slice(secret.expose().as_bytes()).ok()?;
    Some(mac.chain_update(message).finalize().into_bytes().to_vec())
}
