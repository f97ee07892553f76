//! Signatures by the host's own code: Envoy's foreign functions `verify_signature` and `sign` (since 1.37).
//!
//! `verify_signature` takes a message of protobuf: the hash by its name (1), the key as `SubjectPublicKeyInfo` (2), the
//! signature (3, of ECDSA in DER) and the text (4); and answers with one: whether it is good (1), and if not
//! perhaps why (2). It takes SHA-1 and short keys as well, so what is allowed is decided before. A host that
//! does not have it is not asked twice.
//!
//! `sign` takes the hash by its name (1), the key as PKCS#8 (2) and the text (3); and answers with whether it has
//! signed (1), and the signature (2).

use std::cell::Cell;

use crate::abi::{self, NoSuch};
use tollgate_engine::jose::algorithm::{Algorithm, Hash};
use tollgate_engine::jose::portable::Portable;
use tollgate_engine::jose::signer::{self, Signer, ToSign};
use tollgate_engine::jose::verifier::{Signed, Verifier};

/// The host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Native;

thread_local! {
    /// Whether the host has the function, as far as we know.
    static IS_THERE: Cell<bool> = const { Cell::new(true) };
    /// The same of the other one.
    static SIGNS: Cell<bool> = const { Cell::new(true) };
}

impl Signer for Native {
    fn sign(&self, to_sign: &ToSign<'_>) -> Option<Vec<u8>> {
        let ToSign { algorithm, pkcs8, message } = *to_sign;
        if !self.signs(algorithm) {
            return None;
        }
        let argument = fields(&[b"sha256", pkcs8, message]);
        match abi::foreign("sign", &argument) {
            Ok(answer) => {
                // The lengths of RSA signatures take two bytes.
                let (length, rest) = answer.strip_prefix(&[0x08, 0x01, 0x12])?.split_first()?;
                let (more, rest) =
                    if *length < 0x80 { (0, rest) } else { rest.split_first().map(|(b, r)| (*b, r))? };
                let length = usize::from(*length & 0x7f) | usize::from(more) << 7;
                signer::of_der(algorithm, rest.get(..length)?)
            }
            Err(NoSuch::Argument) => None,
            Err(NoSuch::Function) => {
                SIGNS.set(false);
                None
            }
        }
    }

    fn signs(&self, algorithm: Algorithm) -> bool {
        matches!(algorithm, Algorithm::Rs256 | Algorithm::Es256) && SIGNS.get()
    }
}

impl Verifier for Native {
    fn verify(&self, signed: &Signed<'_>) -> bool {
        by_the_host(signed).unwrap_or_else(|| Portable.verify(signed))
    }
}

/// What the host says of a signature; `None`: it cannot tell.
fn by_the_host(signed: &Signed<'_>) -> Option<bool> {
    let is_known = !signed.algorithm.is_pss() && signed.algorithm != Algorithm::EdDsa;
    if !is_known || !IS_THERE.get() {
        return None;
    }
    let hash: &[u8] = match signed.algorithm.hash() {
        Hash::Sha256 => b"sha256",
        Hash::Sha384 => b"sha384",
        Hash::Sha512 => b"sha512",
    };
    let argument = fields(&[hash, signed.key.spki(), &signed.signature_der(), signed.message]);
    match abi::foreign("verify_signature", &argument) {
        // `result` is left out when it is false; it is the first field if it is there.
        Ok(answer) => Some(answer.starts_with(&[0x08, 0x01])),
        Err(NoSuch::Argument) => Some(false),
        Err(NoSuch::Function) => {
            IS_THERE.set(false);
            None
        }
    }
}

/// A message of protobuf whose fields are numbered in order, from 1, and all bytes.
fn fields(all: &[&[u8]]) -> Vec<u8> {
    let length = all.iter().map(|bytes| bytes.len()).fold(32, usize::saturating_add);
    let mut message = Vec::with_capacity(length);
    for (number, bytes) in (1..).zip(all) {
        field(&mut message, number, bytes);
    }
    message
}

/// A field of bytes: its number, their length, themselves.
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap_or_default());
    message.extend_from_slice(bytes);
}
