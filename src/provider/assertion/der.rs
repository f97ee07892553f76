//! Private keys in DER: PKCS#8 ([RFC 5208 §5]), and the older forms of RSA ([RFC 8017 §A.1.2]) and elliptic
//! curves ([RFC 5915 §3]). Reading only, and no more of DER than these need: a general reader weighs more than
//! all that is done with the keys.
//!
//! [RFC 5208 §5]: https://www.rfc-editor.org/rfc/rfc5208#section-5
//! [RFC 8017 §A.1.2]: https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2
//! [RFC 5915 §3]: https://www.rfc-editor.org/rfc/rfc5915#section-3

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
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
pub(super) struct RsaNumbers<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    pub(super) d: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
}

/// What a PKCS#8 key holds, if it is of RSA.
pub(super) fn rsa_of_pkcs8(der: &[u8]) -> Option<RsaNumbers<'_>> {
    let (algorithm, _, key) = pkcs8(der)?;
    if algorithm == RSA { rsa_of_pkcs1(key) } else { None }
}

/// `RSAPrivateKey`.
pub(super) fn rsa_of_pkcs1(der: &[u8]) -> Option<RsaNumbers<'_>> {
    let mut key = Reader::of(der, SEQUENCE)?;
    // Two primes, no more.
    if key.take(INTEGER)? != [0] {
        return None;
    }
    let mut number = || key.take(INTEGER);
    Some(RsaNumbers { n: number()?, e: number()?, d: number()?, p: number()?, q: number()? })
}

/// The scalar of a PKCS#8 key, if it is on P-256.
pub(super) fn p256_of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let (algorithm, mut parameters, key) = pkcs8(der)?;
    if algorithm == EC && parameters.take(OBJECT_IDENTIFIER)? == P256 { scalar(key) } else { None }
}

/// The scalar of an `ECPrivateKey` that says that it is on P-256.
pub(super) fn p256_of_sec1(der: &[u8]) -> Option<&[u8]> {
    let mut key = Reader::of(der, SEQUENCE)?;
    key.take(INTEGER)?;
    key.take(OCTET_STRING)?;
    let mut parameters = Reader(key.take(PARAMETERS)?);
    if parameters.take(OBJECT_IDENTIFIER)? == P256 { scalar(der) } else { None }
}

/// The seed of a PKCS#8 key, if it is of Ed25519.
pub(super) fn ed25519_of_pkcs8(der: &[u8]) -> Option<[u8; 32]> {
    let (algorithm, _, key) = pkcs8(der)?;
    let seed = Reader::of(key, OCTET_STRING)?.0;
    if algorithm == ED25519 { seed.try_into().ok() } else { None }
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
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{ed25519_of_pkcs8, p256_of_pkcs8, p256_of_sec1, rsa_of_pkcs1, rsa_of_pkcs8};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
        let p384 = der(include_str!("../../../tests/keys/p384.pem"));
        assert!(!READ.iter().any(|read| read(&p384)), "another curve");
    }
}
