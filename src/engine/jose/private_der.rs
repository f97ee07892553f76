//! Private keys in DER: PKCS#8 ([RFC 5208 §5]), and the older forms of RSA ([RFC 8017 §A.1.2]) and elliptic
//! curves ([RFC 5915 §3]). No more of DER than these need: a general reader weighs more than
//! all that is done with the keys.
//!
//! [RFC 5208 §5]: https://www.rfc-editor.org/rfc/rfc5208#section-5
//! [RFC 8017 §A.1.2]: https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2
//! [RFC 5915 §3]: https://www.rfc-editor.org/rfc/rfc5915#section-3

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, the parameters of an elliptic curve's key.
const PARAMETERS: u8 = 0xa0;

/// `rsaEncryption`.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey`.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `secp256r1`.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// `id-Ed25519`.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The numbers of an RSA key, each in big endian.
pub(crate) struct RsaNumbers<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: &'a [u8],
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    /// d modulo p − 1.
    pub(crate) dp: &'a [u8],
    /// d modulo q − 1.
    pub(crate) dq: &'a [u8],
    /// The inverse of q modulo p.
    pub(crate) q_inverse: &'a [u8],
}

/// What a PKCS#8 key holds, if it is of RSA.
pub(crate) fn rsa_of_pkcs8(der: &[u8]) -> Option<RsaNumbers<'_>> {
    let (algorithm, _, key) = pkcs8(der)?;
    if algorithm == RSA { rsa_of_pkcs1(key) } else { None }
}

/// `RSAPrivateKey`.
pub(crate) fn rsa_of_pkcs1(der: &[u8]) -> Option<RsaNumbers<'_>> {
    let mut key = Reader::of(der, SEQUENCE)?;
    // Two primes, no more.
    if key.take(INTEGER)? != [0] {
        return None;
    }
    let mut number = || {
        let bytes = key.take(INTEGER)?;
        Some(bytes.strip_prefix(&[0]).unwrap_or(bytes))
    };
    let [n, e, _] = [number()?, number()?, number()?];
    let [p, q, dp, dq, q_inverse] = [number()?, number()?, number()?, number()?, number()?];
    Some(RsaNumbers { n, e, p, q, dp, dq, q_inverse })
}

/// The scalar of a PKCS#8 key, if it is on P-256.
pub(crate) fn p256_of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let (algorithm, mut parameters, key) = pkcs8(der)?;
    if algorithm == EC && parameters.take(OBJECT_IDENTIFIER)? == P256 { scalar(key) } else { None }
}

/// The scalar of an `ECPrivateKey` that says that it is on P-256.
pub(crate) fn p256_of_sec1(der: &[u8]) -> Option<&[u8]> {
    let mut key = Reader::of(der, SEQUENCE)?;
    key.take(INTEGER)?;
    key.take(OCTET_STRING)?;
    let mut parameters = Reader(key.take(PARAMETERS)?);
    if parameters.take(OBJECT_IDENTIFIER)? == P256 { scalar(der) } else { None }
}

/// The seed of a PKCS#8 key, if it is of Ed25519.
pub(crate) fn ed25519_of_pkcs8(der: &[u8]) -> Option<[u8; 32]> {
    let (algorithm, _, key) = pkcs8(der)?;
    let seed = Reader::of(key, OCTET_STRING)?.0;
    if algorithm == ED25519 { seed.try_into().ok() } else { None }
}

/// The key in a PKCS#8 key, in the form of its kind.
pub(crate) fn key_of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    pkcs8(der).map(|(_, _, key)| key)
}

/// PKCS#8 around a key in an older form. The key is not checked.
pub(crate) fn to_pkcs8(der: &[u8], is_rsa: bool) -> Vec<u8> {
    let (of, parameters) =
        if is_rsa { (RSA, element(NULL, &[])) } else { (EC, element(OBJECT_IDENTIFIER, &[P256])) };
    let algorithm = element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[of]), &parameters]);
    element(SEQUENCE, &[&element(INTEGER, &[&[0]]), &algorithm, &element(OCTET_STRING, &[der])])
}

/// The two numbers of an `ECDSA-Sig-Value` on P-256 ([RFC 3279 §2.2.3]), one after the other ([RFC 7518 §3.4]).
///
/// [RFC 3279 §2.2.3]: https://www.rfc-editor.org/rfc/rfc3279#section-2.2.3
/// [RFC 7518 §3.4]: https://www.rfc-editor.org/rfc/rfc7518#section-3.4
pub(crate) fn p256_signature(der: &[u8]) -> Option<Vec<u8>> {
    let mut numbers = Reader::of(der, SEQUENCE)?;
    let mut signature = Vec::with_capacity(64);
    for _ in 0..2 {
        let number = numbers.take(INTEGER)?;
        let digits = number.strip_prefix(&[0]).unwrap_or(number);
        signature.resize(signature.len().saturating_add(32_usize.checked_sub(digits.len())?), 0);
        signature.extend_from_slice(digits);
    }
    numbers.0.is_empty().then_some(signature)
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [.., high, low] = content.len().to_be_bytes();
    let mut bytes = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    bytes.extend(content);
    bytes
}

fn scalar(der: &[u8]) -> Option<&[u8]> {
    let mut key = Reader::of(der, SEQUENCE)?;
    if key.take(INTEGER)? == [1] { key.take(OCTET_STRING) } else { None }
}

/// The algorithm, its parameters, and the key.
fn pkcs8(der: &[u8]) -> Option<(&[u8], Reader<'_>, &[u8])> {
    let mut info = Reader::of(der, SEQUENCE)?;
    info.take(INTEGER)?;
    let mut algorithm = Reader(info.take(SEQUENCE)?);
    Some((algorithm.take(OBJECT_IDENTIFIER)?, algorithm, info.take(OCTET_STRING)?))
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the only element.
    fn of(der: &'a [u8], tag: u8) -> Option<Self> {
        let mut reader = Self(der);
        let content = reader.take(tag)?;
        reader.0.is_empty().then_some(Self(content))
    }

    /// The content of the next element, which has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
            0x82 => (usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?)), rest.get(2..)?),
            // Nothing here is that long.
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*found == tag).then_some(content)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{
        ed25519_of_pkcs8, p256_of_pkcs8, p256_of_sec1, p256_signature, rsa_of_pkcs1, rsa_of_pkcs8, to_pkcs8,
    };
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn older_forms_become_pkcs8() {
        let [rsa, p256] = [
            include_str!("../../../tests/keys/rsa-pkcs1.pem"),
            include_str!("../../../tests/keys/p256-sec1.pem"),
        ]
        .map(der);
        assert_eq!(to_pkcs8(&rsa, true), der(include_str!("../../../tests/keys/rsa.pem")));
        let wrapped = to_pkcs8(&p256, false);
        assert_eq!(p256_of_pkcs8(&wrapped), p256_of_sec1(&p256));
        assert!(p256_of_sec1(&p256).is_some());
    }

    #[test]
    fn a_signature_is_two_numbers_of_one_length() {
        let signature = |der: &[u8]| p256_signature(der);
        assert_eq!(
            signature(&[0x30, 6, 2, 1, 5, 2, 1, 6]),
            Some([[0; 31].as_slice(), &[5], &[0; 31], &[6]].concat())
        );
        let full = [[0x30, 70, 2, 33, 0].as_slice(), &[0xff; 32], &[2, 33, 0], &[0xee; 32]].concat();
        assert_eq!(signature(&full), Some([[0xff; 32], [0xee; 32]].concat()));
        let long = [[0x30, 38, 2, 33].as_slice(), &[0x7f; 33], &[2, 1, 1]].concat();
        for odd in [&[][..], &[0x30, 3, 2, 1, 5], &[0x30, 9, 2, 1, 5, 2, 1, 6, 2, 1, 7], &long] {
            assert_eq!(signature(odd), None, "{odd:?}");
        }
    }

    type Read = fn(&[u8]) -> bool;

    const READ: [Read; 5] = [
        |der| rsa_of_pkcs8(der).is_some(),
        |der| rsa_of_pkcs1(der).is_some(),
        |der| p256_of_pkcs8(der).is_some(),
        |der| p256_of_sec1(der).is_some(),
        |der| ed25519_of_pkcs8(der).is_some(),
    ];

    fn der(pem: &str) -> Vec<u8> {
        let base64: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        STANDARD.decode(base64).unwrap()
    }

    #[test]
    fn each_key_is_of_one_form_and_whole() {
        // CAS-12
        let keys = [
            include_str!("../../../tests/keys/rsa.pem"),
            include_str!("../../../tests/keys/rsa-pkcs1.pem"),
            include_str!("../../../tests/keys/p256.pem"),
            include_str!("../../../tests/keys/p256-sec1.pem"),
            include_str!("../../../tests/keys/ed25519.pem"),
        ];
        for (at, pem) in keys.into_iter().enumerate() {
            let der = der(pem);
            let read: Vec<_> = READ.iter().map(|read| read(&der)).collect();
            assert!(read.iter().enumerate().all(|(n, read)| *read == (n == at)), "{at}: {read:?}");
            for end in 0..der.len() {
                assert!(!READ[at](&der[..end]), "{at}: cut at {end}");
            }
            let more = [der.as_slice(), &[0]].concat();
            assert!(!READ[at](&more), "{at}: more behind it");
            for byte in 0..der.len().min(64) {
                for value in 0..=255 {
                    let mut odd = der.clone();
                    odd[byte] = value;
                    for read in READ {
                        read(&odd);
                    }
                }
            }
        }
        // What says which kind of key it is, or which version, is not passed over.
        let [rsa, pkcs1, p256, sec1, ed25519] = keys.map(der);
        #[rustfmt::skip]
        let cases: [(&str, Read, &[u8], &[u8]); 8] = [
            ("another algorithm than RSA",     READ[0], &rsa,     super::RSA),
            ("RSA of several primes",          READ[1], &pkcs1,   &[0x02, 1, 0]),
            ("another algorithm than EC",      READ[2], &p256,    super::EC),
            ("another curve, in PKCS#8",       READ[2], &p256,    super::P256),
            ("another version, in PKCS#8",     READ[2], &p256,    &[0x02, 1, 1]),
            ("another curve",                  READ[3], &sec1,    super::P256),
            ("another version",                READ[3], &sec1,    &[0x02, 1, 1]),
            ("another algorithm than Ed25519", READ[4], &ed25519, super::ED25519),
        ];
        for (name, read, der, part) in cases {
            let end = der.windows(part.len()).position(|window| window == part).unwrap() + part.len();
            let mut odd = der.to_vec();
            odd[end - 1] ^= 3;
            assert!(read(der) && !read(&odd), "{name}");
        }
        let mut odd = ed25519;
        assert_eq!(odd[2..5], [0x02, 1, 0], "a version, which is a number");
        odd[2] = 0x04;
        assert!(!READ[4](&odd), "no version");
        let p384 = der(include_str!("../../../tests/keys/p384.pem"));
        assert!(!READ.iter().any(|read| read(&p384)), "another curve");
    }
}
