//! Who computes a signature.
//!
//! The host of the filter has native code for most algorithms (Envoy's foreign function
//! `verify_signature`), ten times as fast as anything in the VM. It is asked first; where it cannot, or there
//! is no host, [`crate::jose::key`] does it.

use crate::jose::algorithm::Hash;

/// Somebody who verifies RSASSA-PKCS1-v1_5 and ECDSA signatures. What is checked before: the algorithm is
/// allowed and the key is made for it, key and signature have the length that they must have.
pub trait Verifier: std::fmt::Debug {
    /// Whether `signature` (of ECDSA in DER) is one of `message`, hashed like this, under the key in this
    /// `SubjectPublicKeyInfo`. `None`: cannot tell.
    fn verify(&self, hash: Hash, key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool>;
}

/// Nobody else: everything is computed here.
#[derive(Clone, Copy, Debug)]
pub struct Here;

impl Verifier for Here {
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Option<bool> {
        None
    }
}
