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
use tollgate_engine::jose::algorithm::Hash;
use tollgate_engine::jose::signer::Signer;
use tollgate_engine::jose::verifier::Verifier;

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
    fn sign(&self, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        if !SIGNS.get() {
            return None;
        }
        let length = key.len().saturating_add(message.len());
        let mut argument = Vec::with_capacity(length.saturating_add(32));
        for (number, bytes) in [(1, &b"sha256"[..]), (2, key), (3, message)] {
            field(&mut argument, number, bytes);
        }
        match abi::foreign("sign", &argument) {
            Ok(answer) => {
                // The lengths of RSA signatures take two bytes.
                let (length, rest) = answer.strip_prefix(&[0x08, 0x01, 0x12])?.split_first()?;
                let (more, rest) =
                    if *length < 0x80 { (0, rest) } else { rest.split_first().map(|(b, r)| (*b, r))? };
                let length = usize::from(*length & 0x7f) | usize::from(more) << 7;
                rest.get(..length).map(<[u8]>::to_vec)
            }
            Err(NoSuch::Argument) => None,
            Err(NoSuch::Function) => {
                SIGNS.set(false);
                None
            }
        }
    }

    fn is_there(&self) -> bool {
        SIGNS.get()
    }
}

impl Verifier for Native {
    fn verify(&self, hash: Hash, key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
        if !IS_THERE.get() {
            return None;
        }
        let hash: &[u8] = match hash {
            Hash::Sha256 => b"sha256",
            Hash::Sha384 => b"sha384",
            Hash::Sha512 => b"sha512",
        };
        let length = key.len().saturating_add(signature.len()).saturating_add(message.len());
        let mut argument = Vec::with_capacity(length.saturating_add(32));
        for (number, bytes) in [(1, hash), (2, key), (3, signature), (4, message)] {
            field(&mut argument, number, bytes);
        }
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
