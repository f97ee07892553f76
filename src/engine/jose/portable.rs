//! Signatures verified in Rust alone, wherever it runs: those that no host computes.
//!
//! RSASSA-PKCS1-v1_5 and ECDSA are left out. Hosts have native code for them, and a host that has none rejects a
//! configuration that needs it (`tollgate_config::host`).

use crate::jose::algorithm::Algorithm;
use crate::jose::ed25519;
use crate::jose::key::Material;
use crate::jose::rsa;
use crate::jose::verifier::{Signed, Verifier};

/// Verifies with RSASSA-PSS and on edwards25519.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

impl Verifier for Portable {
    #[inline(never)]
    fn verify(&self, signed: &Signed<'_>) -> bool {
        let Signed { algorithm, key, message, signature } = *signed;
        match key.material() {
            Material::Rsa { n, e } if algorithm.is_pss() => {
                rsa::verify_pss((n, e), algorithm.hash(), message, signature)
            }
            Material::Ed25519 { x } => ed25519::verify(x, message, signature),
            Material::Rsa { .. } | Material::Ec { .. } => false,
        }
    }

    fn verifies(&self, algorithm: Algorithm) -> bool {
        algorithm.is_pss() || matches!(algorithm, Algorithm::EdDsa | Algorithm::Ed25519)
    }
}
