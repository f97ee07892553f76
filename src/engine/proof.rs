//! Proofs of possession: a token that is bound to a key, or to a certificate, is worth nothing without it.

pub mod certificate;
pub mod dpop;
pub mod nonce;
pub mod replay;
mod target;
