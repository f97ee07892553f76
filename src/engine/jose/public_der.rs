//! As much of DER as keys and signatures need ([RFC 5280 §4.1], [RFC 3279 §2.3]): writing only.
//!
//! [RFC 5280 §4.1]: https://www.rfc-editor.org/rfc/rfc5280#section-4.1
//! [RFC 3279 §2.3]: https://www.rfc-editor.org/rfc/rfc3279#section-2.3

/// `rsaEncryption` with its NULL.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// `id-ecPublicKey`.
const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// The `SubjectPublicKeyInfo` of an RSA key.
pub(super) fn rsa_key(n: &[u8], e: &[u8]) -> Vec<u8> {
    let key = tagged(SEQUENCE, &[&integer(n), &integer(e)]);
    tagged(SEQUENCE, &[&tagged(SEQUENCE, &[RSA]), &tagged(BIT_STRING, &[&[0], &key])])
}

/// The `SubjectPublicKeyInfo` of a key on a curve; `curve` is the DER of the curve's object identifier.
pub(super) fn ec_key(curve: &[u8], x: &[u8], y: &[u8]) -> Vec<u8> {
    tagged(SEQUENCE, &[&tagged(SEQUENCE, &[EC, curve]), &tagged(BIT_STRING, &[&[0, 4], x, y])])
}

/// An `ECDSA-Sig-Value`.
pub(super) fn ecdsa_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    tagged(SEQUENCE, &[&integer(r), &integer(s)])
}

/// An unsigned number: no zeros before it but one that keeps it from being negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = bytes.get(start..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    tagged(INTEGER, &[sign, digits])
}

fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut bytes = vec![tag];
    let length = content.len().to_be_bytes();
    let start = length.iter().position(|byte| *byte != 0).unwrap_or(length.len());
    let length = length.get(start..).unwrap_or_default();
    match length {
        [] => bytes.push(0),
        [one] if *one < 0x80 => bytes.push(*one),
        _ => {
            bytes.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
            bytes.extend_from_slice(length);
        }
    }
    bytes.extend(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::{ec_key, ecdsa_signature, integer, rsa_key, tagged};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn numbers_are_unsigned_and_minimal() {
        #[rustfmt::skip]
        let cases: [(&str, &[u8], &[u8]); 5] = [
            ("zero",             &[0, 0],       &[2, 1, 0]),
            ("small",            &[0, 0x7f],    &[2, 1, 0x7f]),
            ("the upper bit",    &[0x80],       &[2, 2, 0, 0x80]),
            ("leading zeros",    &[0, 0, 1, 0], &[2, 2, 1, 0]),
            ("nothing",          &[],           &[2, 1, 0]),
        ];
        for (name, bytes, want) in cases {
            assert_eq!(integer(bytes), want, "{name}");
        }
    }

    #[test]
    fn long_content_has_a_long_length() {
        let key = rsa_key(&[0xff; 256], &[1, 0, 1]);
        assert_eq!(key.get(..8), Some(&[0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09][..]));
        assert_eq!(key.len(), 294);
        let key = ec_key(&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], &[1; 32], &[2; 32]);
        assert_eq!((key.len(), key.first(), key.get(1)), (91, Some(&0x30), Some(&89)));
        assert_eq!(ecdsa_signature(&[0xff; 32], &[1; 32]).len(), 71);
        for (length, want) in [(0x7f, &[4, 0x7f][..]), (0x80, &[4, 0x81, 0x80]), (0x100, &[4, 0x82, 1, 0])] {
            assert_eq!(tagged(4, &[&vec![7; length]]).get(..want.len()), Some(want), "{length}");
        }
    }
}
