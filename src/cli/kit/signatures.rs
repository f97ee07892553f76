//! Signatures computed natively, by the crate `jsonwebtoken`.
//!
//! The engine decides what may be verified and signed. This file only computes; in the module, Envoy does.

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use tollgate_engine::jose::algorithm;
use tollgate_engine::jose::key::{Curve, Material};
use tollgate_engine::jose::signer::{Signer, ToSign};
use tollgate_engine::jose::verifier::{Signed, Verifier};

/// Verifies and signs with `jsonwebtoken`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Computed;

impl Verifier for Computed {
    fn verify(&self, signed: &Signed<'_>) -> bool {
        let key = match signed.key.material() {
            Material::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            Material::Ec { curve: Curve::P521, x, y } => return p521(signed, &point(x, y)),
            Material::Ec { curve: Curve::P256 | Curve::P384, x, y } => DecodingKey::from_ec_der(&point(x, y)),
            Material::Ed25519 { x } => DecodingKey::from_ed_der(x),
        };
        let signature = URL_SAFE_NO_PAD.encode(signed.signature);
        algorithm(signed.algorithm.name()).is_some_and(|algorithm| {
            crypto::verify(&signature, signed.message, &key, algorithm).is_ok_and(|is_good| is_good)
        })
    }

    fn verifies(&self, _: algorithm::Algorithm) -> bool {
        true
    }
}

impl Signer for Computed {
    fn sign(&self, to_sign: &ToSign<'_>) -> Option<Vec<u8>> {
        let algorithm = algorithm(to_sign.algorithm.name())?;
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_der(to_sign.pkcs8),
            Algorithm::EdDSA => EncodingKey::from_ed_der(to_sign.pkcs8),
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => return None,
            _ => EncodingKey::from_rsa_der(to_sign.inner_key()?),
        };
        let signature = crypto::sign(to_sign.message, &key, algorithm).ok()?;
        URL_SAFE_NO_PAD.decode(signature).ok()
    }

    fn signs(&self, _: algorithm::Algorithm) -> bool {
        true
    }
}

/// The algorithm's name in `jsonwebtoken`, which has no ES512.
fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "Ed25519" => Some(Algorithm::EdDSA),
        name => name.parse().ok(),
    }
}

/// ES512, with the library that also computes the other algorithms.
fn p521(signed: &Signed<'_>, point: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(signed.message, signed.signature).is_ok()
}

/// A point, uncompressed ([SEC 1 §2.3.3]).
///
/// [SEC 1 §2.3.3]: https://www.secg.org/sec1-v2.pdf
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}
