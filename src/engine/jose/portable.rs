//! Signatures verified in Rust alone, wherever it runs: for hosts without native code for them.
//!
//! ES384 and ES512 are left out: the arithmetic of their curves is larger than the rest of the module. Only a
//! host with native code verifies them.

use p256::ecdsa::signature::Verifier as _;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::jose::algorithm::Hash;
use crate::jose::key::{Curve, Material, RSA_BITS};
use crate::jose::verifier::{Signed, Verifier};

/// Verifies with RSA, on P-256 and on edwards25519.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Verifier for Portable {
    fn verify(&self, signed: &Signed<'_>) -> bool {
        match signed.key.material() {
            Material::Rsa { n, e } => rsa(signed, n, e),
            Material::Ec { curve: Curve::P256, x, y } => p256(signed, &[&[4], x.as_slice(), y].concat()),
            Material::Ec { curve: Curve::P384 | Curve::P521, .. } => false,
            Material::Ed25519 { x } => ed25519(signed, x),
        }
    }
}

fn rsa(&Signed { algorithm, message, signature, .. }: &Signed<'_>, n: &[u8], e: &[u8]) -> bool {
    let (n, e) = (BigUint::from_bytes_be(n), BigUint::from_bytes_be(e));
    let Ok(key) = RsaPublicKey::new_with_max_size(n, e, RSA_BITS.1) else { return false };
    let is_pss = algorithm.is_pss();
    // The salt is as long as the hash (RFC 7518 §3.5).
    let verified = match algorithm.hash() {
        Hash::Sha256 if is_pss => key.verify(Pss::new::<Sha256>(), &Sha256::digest(message), signature),
        Hash::Sha384 if is_pss => key.verify(Pss::new::<Sha384>(), &Sha384::digest(message), signature),
        Hash::Sha512 if is_pss => key.verify(Pss::new::<Sha512>(), &Sha512::digest(message), signature),
        Hash::Sha256 => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature),
        Hash::Sha384 => key.verify(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message), signature),
        Hash::Sha512 => key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature),
    };
    verified.is_ok()
}

fn p256(signed: &Signed<'_>, point: &[u8]) -> bool {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point);
    let signature = p256::ecdsa::Signature::from_slice(signed.signature);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(signed.message, &signature).is_ok())
}

/// Without what `verify_strict` adds: that no point is of small order has been checked before.
fn ed25519(signed: &Signed<'_>, point: &[u8; 32]) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(point);
    let signature = ed25519_dalek::Signature::from_slice(signed.signature);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(signed.message, &signature).is_ok())
}
