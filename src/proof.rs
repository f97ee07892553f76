//! Proofs of possession: a token that is bound to a key is worth nothing without it.

pub mod dpop;
pub mod nonce;
pub mod replay;
mod target;
