//! Signed objects, read and verified: JWS ([RFC 7515]), JWK ([RFC 7517]), JWA ([RFC 7518]).
//!
//! Everything that a signature depends on is decided here: which algorithms there are, which of them are
//! allowed, which key fits which, how long keys and signatures are. A [`verifier::Verifier`] only computes.
//! Nothing is fetched because a token says so, and a key from a token's header is never used, except in proofs
//! of possession ([`jws::Header::jwk`]).
//!
//! [RFC 7515]: https://www.rfc-editor.org/rfc/rfc7515
//! [RFC 7517]: https://www.rfc-editor.org/rfc/rfc7517
//! [RFC 7518]: https://www.rfc-editor.org/rfc/rfc7518

pub mod algorithm;
mod ed25519;
pub mod foreign;
pub mod jws;
pub mod key;
pub mod key_set;
mod modulus;
pub mod portable;
pub(crate) mod private_der;
mod public_der;
mod rsa;
pub mod signer;
pub mod signing_key;
pub mod verifier;
