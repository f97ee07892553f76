//! Who computes whether a signature is valid.
//!
//! What may be verified is decided before ([`crate::jose::key`]): a verifier only computes. There are three. The host of the filter
//! has native code for most algorithms (Envoy's foreign function `verify_signature`), ten times as fast as
//! anything in the VM. What no host computes, [`crate::jose::portable`] does. The command has a cryptographic library.

use std::borrow::Cow;
use std::fmt;

use crate::jose::algorithm::Algorithm;
use crate::jose::key::{Material, PublicKey};
use crate::jose::public_der;

/// Computes whether signatures are valid.
pub trait Verifier: fmt::Debug {
    /// Whether the signature is valid. `false` if that cannot be computed.
    fn verify(&self, signed: &Signed<'_>) -> bool;
    /// Whether it can compute that with this algorithm.
    fn verifies(&self, algorithm: Algorithm) -> bool;
}

/// A message with a signature that may be valid: the algorithm is allowed, the key is made for it, and the
/// signature has the length that it must have.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// How it is signed.
    pub algorithm: Algorithm,
    /// Whose signature it is to be.
    pub key: &'a PublicKey,
    /// What is signed.
    pub message: &'a [u8],
    /// The signature, in the form of JWS ([RFC 7518 §3]).
    ///
    /// [RFC 7518 §3]: https://www.rfc-editor.org/rfc/rfc7518#section-3
    pub signature: &'a [u8],
}

impl Signed<'_> {
    /// The signature in the form that X.509 has: of ECDSA as an `ECDSA-Sig-Value` ([RFC 3279 §2.2.3]), others as they are.
    ///
    /// [RFC 3279 §2.2.3]: https://www.rfc-editor.org/rfc/rfc3279#section-2.2.3
    pub fn signature_der(&self) -> Cow<'_, [u8]> {
        match self.key.material() {
            Material::Ec { curve, .. } => {
                let (r, s) = self.signature.split_at(curve.field().min(self.signature.len()));
                public_der::ecdsa_signature(r, s).into()
            }
            Material::Rsa { .. } | Material::Ed25519 { .. } => self.signature.into(),
        }
    }
}
