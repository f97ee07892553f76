//! The messages of Envoy's foreign functions `verify_signature` and `sign` (since 1.37), by which the host computes
//! signatures: protobuf, whose fields are numbered in order.
//!
//! `verify_signature` takes the hash by its name (1), the key as `SubjectPublicKeyInfo` (2), the signature (3, of ECDSA
//! in DER) and the text (4). Its reply says whether the signature is good (1), and if not perhaps why (2). It takes SHA-1
//! and short keys as well, so what is allowed is decided before.
//!
//! `sign` takes the hash by its name (1), the key as PKCS#8 (2) and the text (3). Its reply says whether it has signed
//! (1), and holds the signature (2).

use crate::base::hash::Hash;
use crate::jose::algorithm::Algorithm;
use crate::jose::signer::{self, ToSign};
use crate::jose::verifier::Signed;

/// Whether `verify_signature` knows this algorithm.
pub fn verifies(algorithm: Algorithm) -> bool {
    use Algorithm::{
        Ed25519, EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
    };
    match algorithm {
        Rs256 | Rs384 | Rs512 | Es256 | Es384 | Es512 => true,
        Ps256 | Ps384 | Ps512 | EdDsa | Ed25519 | Hs256 | Hs384 | Hs512 => false,
    }
}

/// What `verify_signature` is called with.
pub fn verify_argument(signed: &Signed<'_>) -> Vec<u8> {
    let hash: &[u8] = match signed.algorithm.hash() {
        Hash::Sha256 => b"sha256",
        Hash::Sha384 => b"sha384",
        Hash::Sha512 => b"sha512",
    };
    message(&[hash, signed.key.spki(), &signed.signature_der(), signed.message])
}

/// Whether that reply of `verify_signature` calls the signature good. `result` is left out when it is false; it is the
/// first field if it is there.
pub fn is_verified(reply: &[u8]) -> bool {
    reply.starts_with(&[0x08, 0x01])
}

/// Whether `sign` knows this algorithm.
pub fn signs(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rs256 | Algorithm::Es256)
}

/// What `sign` is called with.
pub fn sign_argument(to_sign: &ToSign<'_>) -> Vec<u8> {
    message(&[b"sha256", to_sign.pkcs8, to_sign.message])
}

/// The signature in that reply of `sign`, in the form of JWS; `None`: it has not signed.
pub fn signature(algorithm: Algorithm, reply: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = reply.strip_prefix(&[0x08, 0x01, 0x12])?.split_first()?;
    // The lengths of RSA signatures take two bytes.
    let (more, rest) = if *length < 0x80 { (0, rest) } else { rest.split_first().map(|(b, r)| (*b, r))? };
    let length = usize::from(*length & 0x7f) | usize::from(more) << 7;
    signer::of_der(algorithm, rest.get(..length)?)
}

/// A message of protobuf whose fields are numbered in order, from 1, and all bytes.
fn message(fields: &[&[u8]]) -> Vec<u8> {
    let length = fields.iter().map(|bytes| bytes.len()).fold(32, usize::saturating_add);
    let mut message = Vec::with_capacity(length);
    for (number, bytes) in (1..).zip(fields) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_verified, message, sign_argument, signature, signs, verifies, verify_argument};
    use crate::jose::algorithm::Algorithm;
    use crate::jose::key::PublicKey;
    use crate::jose::signer::ToSign;
    use crate::jose::verifier::Signed;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn messages_are_those_of_protobuf() {
        assert_eq!(message(&[b"ab", b""]), b"\x0a\x02ab\x12\x00");
        let long = [7; 300];
        let encoded = message(&[&long]);
        assert_eq!((&encoded[..3], encoded.len()), (&b"\x0a\xac\x02"[..], 303));
        assert_eq!(message(&[&[7; 127]])[..3], *b"\x0a\x7f\x07");
        assert_eq!(message(&[&[7; 128]])[..4], *b"\x0a\x80\x01\x07");
    }

    #[test]
    fn what_the_host_knows_and_is_asked() {
        use Algorithm::{Ed25519, EdDsa, Es256, Es384, Es512, Hs256, Ps256, Rs256, Rs384, Rs512};
        for algorithm in [Rs256, Rs384, Rs512, Es256, Es384, Es512, Ps256, EdDsa, Ed25519, Hs256] {
            let is_known = !matches!(algorithm, Ps256 | EdDsa | Ed25519 | Hs256);
            assert_eq!(verifies(algorithm), is_known, "{algorithm:?}");
            assert_eq!(signs(algorithm), matches!(algorithm, Rs256 | Es256), "{algorithm:?}");
        }
        let jwk = json!({"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        let key = PublicKey::from_jwk(&jwk).unwrap();
        let signature = [[1; 32], [2; 32]].concat();
        let signed = Signed { algorithm: Es256, key: &key, message: b"text", signature: &signature };
        let der = [&b"\x30\x44\x02\x20"[..], &[1; 32], b"\x02\x20", &[2; 32]].concat();
        let parts = [b"\x0a\x06sha256\x12\x5b", key.spki(), b"\x1a\x46", &der, b"\x22\x04text"];
        assert_eq!(verify_argument(&signed), parts.concat());
        let to_sign = ToSign { algorithm: Es256, pkcs8: b"key", message: b"text" };
        assert_eq!(sign_argument(&to_sign), b"\x0a\x06sha256\x12\x03key\x1a\x04text");
    }

    #[test]
    fn replies_are_read() {
        for (reply, want) in
            [(&b"\x08\x01"[..], true), (b"\x08\x01\x12\x00", true), (b"\x12\x03bad", false), (b"", false)]
        {
            assert_eq!(is_verified(reply), want, "{reply:?}");
        }
        let long = [&b"\x08\x01\x12\x80\x02"[..], &[7; 256]].concat();
        #[rustfmt::skip]
        let cases = [
            ("a short one",     &b"\x08\x01\x12\x02ab"[..], Some(b"ab".to_vec())),
            ("a long one",      &long[..],                  Some(vec![7; 256])),
            ("not signed",      b"\x12\x02ab",              None),
            ("cut off",         b"\x08\x01\x12\x03ab",      None),
            ("no length",       b"\x08\x01\x12\x80",        None),
            ("nothing",         b"",                        None),
        ];
        for (name, reply, want) in cases {
            assert_eq!(signature(Algorithm::Rs256, reply), want, "{name}");
        }
    }
}
