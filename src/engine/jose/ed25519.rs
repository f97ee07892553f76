//! Ed25519 ([RFC 8032 §5.1]): the points by `curve25519-dalek`, the scalars by our own arithmetic, which RSA needs anyway
//! and is a tenth as large.
//!
//! [RFC 8032 §5.1]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1

use std::ops::Neg;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::{Scalar, clamp_integer};

use crate::base::hash::Hash;
use crate::jose::modulus::{Modulus, Number};

/// The order of the base point.
const ORDER: [u8; 32] = [
    0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c, 0xd6, 0x58,
    0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];

/// Whether these are a point of edwards25519 that is not of small order. With one of those in a key or a signature, the
/// message may not matter.
pub(super) fn is_strong_point(bytes: &[u8; 32]) -> bool {
    CompressedEdwardsY(*bytes).decompress().is_some_and(|point| !point.is_small_order())
}

/// Whether a signature is good, without the cofactor ([RFC 8032 §5.1.7]). That no point is of small order is checked
/// before.
///
/// [RFC 8032 §5.1.7]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.7
pub(super) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let check = || {
        let (r, s) = signature.split_first_chunk()?;
        let order = Modulus::new(&ORDER)?;
        let s = order.number(&reversed(s.try_into().ok()?))?;
        let negative_key = CompressedEdwardsY(*key).decompress().map(Neg::neg)?;
        let [s, k] = [s, challenge(&order, r, key, message)].map(|number| scalar(&order, &number));
        let point = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &negative_key, &s);
        Some(point.compress().as_bytes() == r)
    };
    check().unwrap_or(false)
}

/// The signature of a message ([RFC 8032 §5.1.6]).
///
/// [RFC 8032 §5.1.6]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.6
pub(super) fn sign(seed: &[u8; 32], message: &[u8]) -> Option<Vec<u8>> {
    let order = Modulus::new(&ORDER)?;
    let expanded = Hash::Sha512.of(&[seed]);
    let (secret, prefix) = expanded.split_first_chunk()?;
    let secret = clamp_integer(*secret);
    let key = EdwardsPoint::mul_base_clamped(secret).compress();
    let r = order.reduced(&reversed_hash(&[prefix, message]));
    let r_point = EdwardsPoint::mul_base(&scalar(&order, &r)).compress();
    let k = challenge(&order, r_point.as_bytes(), key.as_bytes(), message);
    let s = order.sum(&r, &order.product(&k, &order.reduced(&reversed(secret))));
    Some([*r_point.as_bytes(), *scalar(&order, &s).as_bytes()].concat())
}

fn challenge(order: &Modulus, r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Number {
    order.reduced(&reversed_hash(&[r, key, message]))
}

/// A number below the order, as the curve takes it.
fn scalar(order: &Modulus, number: &Number) -> Scalar {
    let bytes = order.bytes(number).try_into().map(reversed).unwrap_or_default();
    #[expect(deprecated, reason = "it is reduced already, and is multiplied with points alone")]
    Scalar::from_bits(bytes)
}

/// Here the least byte comes first.
fn reversed(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes.reverse();
    bytes
}

fn reversed_hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Hash::Sha512.of(parts);
    hash.reverse();
    hash
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::{ORDER, is_strong_point, reversed, sign, verify};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_standards_signatures() {
        // RFC 8032 §7.1: tests 1 to 3, and of a hash
        for (seed, key, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
            (
                "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
                "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
                "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
            ),
        ] {
            let [seed, key] = [seed, key].map(|hex| bytes(hex).try_into().unwrap());
            let [message, signature] = [message, signature].map(bytes);
            assert_eq!(sign(&seed, &message).unwrap(), signature);
            assert!(verify(&key, &message, &signature) && is_strong_point(&key));
            for at in 0..64 {
                let mut odd = signature.clone();
                odd[at] ^= 1 << (at % 8);
                assert!(!verify(&key, &message, &odd), "{at}");
            }
            assert!(!verify(&key, b"another", &signature));
            for cut in [&signature[1..], &signature[..63], &[], &[signature.as_slice(), &[0]].concat()] {
                assert!(!verify(&key, &message, cut));
            }
            assert!(!verify(&key, &message, &with_order(&signature)), "s is below the order");
        }
    }

    /// The same signature, if s could be any number of that remainder.
    fn with_order(signature: &[u8]) -> Vec<u8> {
        let mut carry = 0;
        let s = signature[32..].iter().zip(reversed(ORDER)).map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        });
        signature[..32].iter().copied().chain(s).collect()
    }
}
