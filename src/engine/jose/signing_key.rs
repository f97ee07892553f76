//! The keys that assertions are signed with.
//!
//! RSASSA-PKCS1-v1_5 and ECDSA need a [`crate::jose::signer::Signer`]. HMAC, RSASSA-PSS and Ed25519 ([RFC 8032], which
//! is deterministic) are computed here if no signer does it.
//!
//! [RFC 8032]: https://www.rfc-editor.org/rfc/rfc8032

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::hash::Hash;
use crate::base::random::Nonces;
use crate::base::secret::Secret;
use crate::base::text;
use crate::jose::algorithm::Algorithm;
use crate::jose::ed25519;
use crate::jose::key::RSA_BITS;
use crate::jose::modulus::Modulus;
use crate::jose::private_der::{self, RsaNumbers};
use crate::jose::rsa;

/// A key that fits its algorithm.
#[derive(Clone)]
pub enum SigningKey {
    /// A client secret, long enough for its hash.
    Secret(Secret),
    /// A private key in PKCS#8 ([RFC 5208 §5]).
    ///
    /// [RFC 5208 §5]: https://www.rfc-editor.org/rfc/rfc5208#section-5
    Private(Vec<u8>),
}

/// What has to be given as the key of an algorithm.
pub fn material(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Hs256 => "a client secret of at least 32 bytes, for HS256 (RFC 7518 §3.2)",
        Algorithm::Hs384 => "a client secret of at least 48 bytes, for HS384 (RFC 7518 §3.2)",
        Algorithm::Hs512 => "a client secret of at least 64 bytes, for HS512 (RFC 7518 §3.2)",
        Algorithm::Rs256 | Algorithm::Ps256 => {
            "an RSA private key of 2048 to 4096 bits, for RS256 and PS256, in PEM (PKCS#8 or PKCS#1, without a passphrase)"
        }
        Algorithm::Es256 => {
            "a private key on the curve P-256, for ES256, in PEM (PKCS#8 or SEC1, without a passphrase)"
        }
        Algorithm::EdDsa | Algorithm::Ed25519 => {
            "an Ed25519 private key in PEM (PKCS#8, without a passphrase)"
        }
        Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Es384
        | Algorithm::Es512 => "the key of an algorithm that is signed with here",
    }
}

impl SigningKey {
    /// A client secret as a key: its UTF-8 bytes, at least as many as the hash has ([RFC 7518 §3.2]).
    ///
    /// [RFC 7518 §3.2]: https://www.rfc-editor.org/rfc/rfc7518#section-3.2
    #[inline(never)]
    pub fn of_secret(secret: &Secret, algorithm: Algorithm) -> Option<Self> {
        let is_long = secret.expose().len() >= algorithm.hash().length();
        is_long.then(|| Self::Secret(secret.clone()))
    }

    /// A private key in PEM: PKCS#8, or the older form of its kind. `None` if it does not fit the
    /// algorithm, or cannot be read.
    #[inline(never)]
    pub fn of_pem(pem: &Secret, algorithm: Algorithm) -> Option<Self> {
        let (label, der) = decoded(pem.expose())?;
        let is_rsa = matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256);
        let pkcs8 = match label {
            "PRIVATE KEY" => der,
            "RSA PRIVATE KEY" if is_rsa => private_der::to_pkcs8(&der, true),
            "EC PRIVATE KEY" if algorithm == Algorithm::Es256 => {
                private_der::p256_of_sec1(&der)?;
                private_der::to_pkcs8(&der, false)
            }
            _ => return None,
        };
        let fits = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => is_rsa_key(&private_der::rsa_of_pkcs8(&pkcs8)?),
            Algorithm::Es256 => is_scalar(private_der::p256_of_pkcs8(&pkcs8)?),
            Algorithm::EdDsa | Algorithm::Ed25519 => private_der::ed25519_of_pkcs8(&pkcs8).is_some(),
            _ => false,
        };
        fits.then_some(Self::Private(pkcs8))
    }

    /// Whether private keys for this algorithm sign here.
    pub(crate) fn signs_here(algorithm: Algorithm) -> bool {
        matches!(algorithm, Algorithm::Ps256 | Algorithm::EdDsa | Algorithm::Ed25519)
    }

    /// It in PKCS#8; `None` if it is a secret.
    pub(crate) fn pkcs8(&self) -> Option<&[u8]> {
        match self {
            Self::Secret(_) => None,
            Self::Private(pkcs8) => Some(pkcs8),
        }
    }

    /// The signature of `message`; `None` if the key is of another kind than the algorithm, or it is not computed here.
    #[inline(never)]
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8], nonces: &Nonces) -> Option<Vec<u8>> {
        use Algorithm::{
            Ed25519, EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384,
            Rs512,
        };
        match (self, algorithm) {
            (Self::Secret(secret), Hs256 | Hs384 | Hs512) => {
                Some(algorithm.hash().hmac(secret.expose().as_bytes(), &[message]))
            }
            (Self::Private(pkcs8), Ps256) => {
                let key = private_der::rsa_of_pkcs8(pkcs8)?;
                rsa::sign_pss(&key, Hash::Sha256, message, &nonces.block())
            }
            (Self::Private(pkcs8), EdDsa | Ed25519) => {
                let seed = private_der::ed25519_of_pkcs8(pkcs8)?;
                ed25519::sign(&seed, message)
            }
            // A key of another kind, or an algorithm that is not signed with here.
            (
                _,
                Hs256 | Hs384 | Hs512 | Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 | Es256 | Es384 | Es512
                | EdDsa | Ed25519,
            ) => None,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Whether these are an RSA key of ours, and belong together: what they sign is good.
fn is_rsa_key(key: &RsaNumbers<'_>) -> bool {
    let bits = Modulus::new(key.n).map(|modulus| modulus.bits());
    bits.is_some_and(|bits| (RSA_BITS.0..=RSA_BITS.1).contains(&bits))
        && key.e.len() <= 4
        && rsa::sign_pss(key, Hash::Sha256, b"", &[0; 32]).is_some()
}

/// Whether it is a private key on P-256: neither zero nor beyond the group's order.
fn is_scalar(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap_or_default();
    !digits.is_empty()
        && (digits.len() < P256_ORDER.len() || digits.len() == P256_ORDER.len() && digits < &P256_ORDER)
}

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The label and the bytes of the first private key in a text ([RFC 7468 §2]). Line breaks may have become
/// spaces or `\n`, as happens in environment variables.
///
/// [RFC 7468 §2]: https://www.rfc-editor.org/rfc/rfc7468#section-2
fn decoded(keys: &str) -> Option<(&str, Vec<u8>)> {
    let mut rest = keys;
    loop {
        let (label, after) = text::split_once(text::split_once(rest, "-----BEGIN ")?.1, "-----")?;
        let (body, after) = text::split_once(after, "-----END ")?;
        rest = after.strip_prefix(label)?.strip_prefix("-----")?;
        // `openssl ecparam -genkey` writes the curve before the key.
        if label != "EC PARAMETERS" {
            let base64: String = text::replaced(body, "\\n", "").split_ascii_whitespace().collect();
            return Some((label, STANDARD.decode(base64).ok()?));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::{Algorithm, P256_ORDER, RsaNumbers, SigningKey, is_rsa_key, is_scalar};
    use crate::base::hash::Hash;
    use crate::base::random::Nonces;
    use crate::base::secret::Secret;
    use crate::jose::{private_der, rsa};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const RSA: &str = include_str!("../../../tests/keys/rsa.pem");
    const RSA_PKCS1: &str = include_str!("../../../tests/keys/rsa-pkcs1.pem");
    const RSA_2049: &str = include_str!("../../../tests/keys/rsa-2049.pem");
    const RSA_1024: &str = include_str!("../../../tests/keys/rsa-1024.pem");
    const P256: &str = include_str!("../../../tests/keys/p256.pem");
    const P256_SEC1: &str = include_str!("../../../tests/keys/p256-sec1.pem");
    const P256_ENCRYPTED: &str = include_str!("../../../tests/keys/p256-encrypted.pem");
    const P384: &str = include_str!("../../../tests/keys/p384.pem");
    const ED25519: &str = include_str!("../../../tests/keys/ed25519.pem");

    fn key(pem: &str, algorithm: Algorithm) -> Option<SigningKey> {
        SigningKey::of_pem(&Secret::new(pem), algorithm)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02X}");
            text
        })
    }

    #[test]
    fn the_standards_signatures() {
        use Algorithm::EdDsa;
        // CAS-11: RFC 8037 appendix A.4
        let signed = key(ED25519, EdDsa)
            .unwrap()
            .sign(EdDsa, b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", &Nonces::new([1, 2]))
            .unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(signed),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        // RFC 4231 §4.3, whose key is shorter than a client secret may be
        for (algorithm, want) in [
            (Algorithm::Hs256, "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843"),
            (
                Algorithm::Hs384,
                "AF45D2E376484031617F78D2B58A6B1B9C7EF464F5A01B47E42EC3736322445E8E2240CA5E69E2C78B3239ECFAB21649",
            ),
            (
                Algorithm::Hs512,
                "164B7A7BFCF819E2E395FBE73B56E0A387BD64222E831FD610270CD7EA2505549758BF75C05A994A6D034F65F8F0E6FDCAEAB1A34D4A6B4B636E070A38BCE737",
            ),
        ] {
            let key = SigningKey::Secret(Secret::new("Jefe"));
            let signed = key.sign(algorithm, b"what do ya want for nothing?", &Nonces::new([1, 2])).unwrap();
            assert_eq!(hex(&signed), want, "{algorithm:?}");
        }
    }

    #[test]
    fn pss_has_a_salt_of_its_own_each_time() {
        let (key, nonces) = (key(RSA, Algorithm::Ps256).unwrap(), Nonces::new([1, 2]));
        let [first, second] = [(); 2].map(|()| key.sign(Algorithm::Ps256, b"text", &nonces).unwrap());
        assert_ne!(first, second);
        let der = super::decoded(RSA).unwrap().1;
        let public = private_der::rsa_of_pkcs8(&der).unwrap();
        for signature in [first, second] {
            assert!(rsa::verify_pss((public.n, public.e), Hash::Sha256, b"text", &signature));
        }
    }

    #[test]
    fn what_the_host_signs_is_not_signed_here() {
        for (pem, algorithm) in [(RSA, Algorithm::Rs256), (P256, Algorithm::Es256)] {
            assert_eq!(key(pem, algorithm).unwrap().sign(algorithm, b"text", &Nonces::new([1, 2])), None);
        }
    }

    #[test]
    fn a_scalar_is_less_than_the_order_of_its_group() {
        let mut less = P256_ORDER;
        *less.last_mut().unwrap() = 0x50;
        let mut one = [0; 33];
        one[32] = 1;
        for good in [&[1][..], &less, &one, &[0xfe; 32], &[0xff; 31]] {
            assert!(is_scalar(good), "{good:?}");
        }
        for bad in [&[][..], &[0; 32], &P256_ORDER, &[0xff; 32], &[1; 33]] {
            assert!(!is_scalar(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_is_a_key_for_what() {
        use Algorithm::{Ed25519, EdDsa, Es256, Ps256, Rs256};
        // CAS-10, CAS-12
        #[rustfmt::skip]
        let cases: Vec<(&str, &str, Vec<Algorithm>)> = vec![
            ("RSA, PKCS#8",               RSA,            vec![Rs256, Ps256]),
            ("RSA, PKCS#1",               RSA_PKCS1,      vec![Rs256, Ps256]),
            ("RSA of 2049 bits",          RSA_2049,       vec![Rs256, Ps256]),
            ("RSA of 1024 bits",          RSA_1024,       vec![]),
            ("P-256, PKCS#8",             P256,           vec![Es256]),
            ("P-256, SEC1",               P256_SEC1,      vec![Es256]),
            ("P-256, with a passphrase",  P256_ENCRYPTED, vec![]),
            ("P-384",                     P384,           vec![]),
            ("Ed25519",                   ED25519,        vec![EdDsa, Ed25519]),
            ("no PEM",                    "hush",         vec![]),
            ("no end",                    "-----BEGIN PRIVATE KEY-----\nAAAA", vec![]),
            ("no DER",                    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", vec![]),
            ("no base64",                 "-----BEGIN PRIVATE KEY-----\n?\n-----END PRIVATE KEY-----", vec![]),
            ("another end",               "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", vec![]),
        ];
        for (name, pem, fits) in cases {
            for algorithm in Algorithm::OF_PRIVATE_KEYS {
                assert_eq!(key(pem, algorithm).is_some(), fits.contains(&algorithm), "{name}: {algorithm:?}");
            }
        }
        for algorithm in [Algorithm::Hs256, Algorithm::Rs384, Algorithm::Ps512, Algorithm::Es384] {
            for pem in [RSA, RSA_PKCS1, P256, P256_SEC1, P384, ED25519] {
                assert!(key(pem, algorithm).is_none(), "{algorithm:?}: nothing is signed with it");
            }
        }
        for (length, fits) in [(31, 0), (32, 1), (47, 1), (48, 2), (63, 2), (64, 3)] {
            let secret = Secret::new("s".repeat(length));
            let some = Algorithm::OF_SECRETS.iter().filter(|a| SigningKey::of_secret(&secret, **a).is_some());
            assert_eq!(some.count(), fits, "CAS-10 a secret of {length} bytes");
        }
    }

    #[test]
    fn an_older_form_says_which_curve_it_is_on() {
        const CURVE: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let mut der = super::decoded(P256_SEC1).unwrap().1;
        let at = der.windows(CURVE.len()).position(|window| window == CURVE).unwrap();
        let pem = |der: &[u8]| {
            format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----", STANDARD.encode(der))
        };
        assert!(key(&pem(&der), Algorithm::Es256).is_some());
        der.iter_mut().skip(at).nth(7).map(|last| *last = 6).unwrap();
        assert!(key(&pem(&der), Algorithm::Es256).is_none(), "another curve with numbers as long");
    }

    #[test]
    fn the_numbers_of_an_rsa_key_belong_together() {
        let der = super::decoded(RSA).unwrap().1;
        let whole = || private_der::rsa_of_pkcs8(&der).unwrap();
        assert_eq!(whole().e, [1, 0, 1]);
        #[rustfmt::skip]
        let cases = [
            ("as it is",                  whole(),                                                  true),
            ("an exponent of four bytes", RsaNumbers { e: &[0, 1, 0, 1], ..whole() },               true),
            ("one of five",               RsaNumbers { e: &[1, 0, 1, 0, 1], ..whole() },            false),
            ("another one",               RsaNumbers { e: &[3], ..whole() },                        false),
            ("the primes turned round",   RsaNumbers { p: whole().q, q: whole().p, ..whole() },     false),
            ("an exponent of the other",  RsaNumbers { dp: whole().dq, ..whole() },                 false),
        ];
        for (name, numbers, want) in cases {
            assert_eq!(is_rsa_key(&numbers), want, "{name}");
        }
    }

    #[test]
    fn line_breaks_may_get_lost_on_the_way_through_an_environment() {
        let curve = format!(
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{P256_SEC1}"
        );
        #[rustfmt::skip]
        let cases = [
            ("as it is",         P256.to_owned()),
            ("CRLF",             P256.replace('\n', "\r\n")),
            ("spaces",           P256.replace('\n', " ")),
            ("backslash and n",  P256.replace('\n', "\\n")),
            ("text around it",   format!("my key:\n{P256}\nthe end")),
            ("parameters first", curve),
        ];
        for (name, pem) in cases {
            assert!(key(&pem, Algorithm::Es256).is_some(), "{name}");
        }
    }
}
