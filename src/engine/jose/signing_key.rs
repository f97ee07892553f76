//! The keys that assertions are signed with.
//!
//! ECDSA and `EdDSA` are deterministic ([RFC 6979], [RFC 8032]), so that bad randomness cannot reveal the key.
//! RSA is blinded: the time of a signature reveals nothing about the key (RUSTSEC-2023-0071), and clients do
//! not choose what is signed.
//!
//! [RFC 6979]: https://www.rfc-editor.org/rfc/rfc6979
//! [RFC 8032]: https://www.rfc-editor.org/rfc/rfc8032

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPrivateKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::base::random::{Nonces, Source};
use crate::base::secret::Secret;
use crate::jose::algorithm::{Algorithm, Hash};
use crate::jose::private_der::{self, RsaNumbers};

/// A key that fits its algorithm.
#[derive(Clone)]
pub enum SigningKey {
    /// A client secret, long enough for its hash.
    Secret(Secret),
    /// 2048 to 4096 bits.
    Rsa(Box<RsaPrivateKey>),
    /// On P-256.
    P256(p256::ecdsa::SigningKey),
    /// On edwards25519.
    Ed25519(Box<ed25519_dalek::SigningKey>),
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

/// The shortest secret, in bytes: as long as the hash ([RFC 7518 §3.2]).
///
/// [RFC 7518 §3.2]: https://www.rfc-editor.org/rfc/rfc7518#section-3.2
fn shortest(algorithm: Algorithm) -> usize {
    match algorithm.hash() {
        Hash::Sha256 => 32,
        Hash::Sha384 => 48,
        Hash::Sha512 => 64,
    }
}

impl SigningKey {
    /// A client secret as a key: its UTF-8 bytes.
    #[inline(never)]
    pub fn of_secret(secret: &Secret, algorithm: Algorithm) -> Option<Self> {
        (secret.expose().len() >= shortest(algorithm)).then(|| Self::Secret(secret.clone()))
    }

    /// A private key in PEM: PKCS#8, or the older form of its kind. `None` if it does not fit the
    /// algorithm, or cannot be read.
    #[inline(never)]
    pub fn of_pem(pem: &Secret, algorithm: Algorithm) -> Option<Self> {
        let (label, der) = decoded(pem.expose())?;
        let is_pkcs8 = label == "PRIVATE KEY";
        Some(match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 if is_pkcs8 => rsa(&private_der::rsa_of_pkcs8(&der)?)?,
            Algorithm::Rs256 | Algorithm::Ps256 if label == "RSA PRIVATE KEY" => {
                rsa(&private_der::rsa_of_pkcs1(&der)?)?
            }
            Algorithm::Es256 if is_pkcs8 => p256(private_der::p256_of_pkcs8(&der)?)?,
            Algorithm::Es256 if label == "EC PRIVATE KEY" => p256(private_der::p256_of_sec1(&der)?)?,
            Algorithm::EdDsa | Algorithm::Ed25519 if is_pkcs8 => {
                let seed = private_der::ed25519_of_pkcs8(&der)?;
                Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
            }
            _ => return None,
        })
    }

    /// The signature of `message`; `None` if the key is of another kind than the algorithm.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8], nonces: &Nonces) -> Option<Vec<u8>> {
        use Algorithm::{
            Ed25519, EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384,
            Rs512,
        };
        match (self, algorithm) {
            (Self::Secret(secret), Hs256) => mac::<Hmac<Sha256>>(secret, message),
            (Self::Secret(secret), Hs384) => mac::<Hmac<Sha384>>(secret, message),
            (Self::Secret(secret), Hs512) => mac::<Hmac<Sha512>>(secret, message),
            (Self::Rsa(key), Rs256) => {
                let scheme = Pkcs1v15Sign::new::<Sha256>();
                key.sign_with_rng(&mut Source(nonces), scheme, &Sha256::digest(message)).ok()
            }
            (Self::Rsa(key), Ps256) => {
                let scheme = Pss::new_blinded::<Sha256>();
                key.sign_with_rng(&mut Source(nonces), scheme, &Sha256::digest(message)).ok()
            }
            (Self::P256(key), Es256) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            (Self::Ed25519(key), EdDsa | Ed25519) => Some(key.try_sign(message).ok()?.to_bytes().to_vec()),
            // A key of another kind, or an algorithm that nothing is signed with here.
            (
                _,
                Hs256 | Hs384 | Hs512 | Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 | Es256 | Es384 | Es512
                | EdDsa | Ed25519,
            ) => None,
        }
    }
}

/// The same key as PKCS#8, for a [`crate::jose::signer::Signer`]; `None` if it is a secret.
pub(crate) fn pkcs8_of_pem(pem: &Secret, algorithm: Algorithm) -> Option<Vec<u8>> {
    if Algorithm::OF_SECRETS.contains(&algorithm) {
        return None;
    }
    let (label, der) = decoded(pem.expose())?;
    let is_rsa = matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256);
    Some(if label == "PRIVATE KEY" { der } else { private_der::to_pkcs8(&der, is_rsa) })
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn rsa(key: &RsaNumbers<'_>) -> Option<SigningKey> {
    let modulus = BigUint::from_bytes_be(key.n);
    if !(2048..=4096).contains(&modulus.bits()) {
        return None;
    }
    let [public, private] = [key.e, key.d].map(BigUint::from_bytes_be);
    let primes = [key.p, key.q].map(BigUint::from_bytes_be).into();
    // Whether the numbers belong together is looked at there.
    let key = RsaPrivateKey::from_components(modulus, public, private, primes).ok()?;
    Some(SigningKey::Rsa(Box::new(key)))
}

fn p256(scalar: &[u8]) -> Option<SigningKey> {
    p256::ecdsa::SigningKey::from_slice(scalar).ok().map(SigningKey::P256)
}

/// The label and the bytes of the first private key in a text ([RFC 7468 §2]). Where line breaks have become
/// spaces or `\n`, as happens on the way through environments, it is still read.
///
/// [RFC 7468 §2]: https://www.rfc-editor.org/rfc/rfc7468#section-2
fn decoded(text: &str) -> Option<(&str, Vec<u8>)> {
    let mut rest = text;
    loop {
        let (label, after) = rest.split_once("-----BEGIN ")?.1.split_once("-----")?;
        let (body, after) = after.split_once("-----END ")?;
        rest = after.strip_prefix(label)?.strip_prefix("-----")?;
        // `openssl ecparam -genkey` writes the curve before the key.
        if label != "EC PARAMETERS" {
            let base64: String = body.replace("\\n", "").split_ascii_whitespace().collect();
            return Some((label, STANDARD.decode(base64).ok()?));
        }
    }
}

fn mac<M: Mac + KeyInit>(secret: &Secret, message: &[u8]) -> Option<Vec<u8>> {
    let mac = <M as KeyInit>::new_from_slice(secret.expose().as_bytes()).ok()?;
    Some(mac.chain_update(message).finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use rsa::pkcs8::DecodePrivateKey as _;
    use rsa::{Pss, RsaPrivateKey};
    use sha2::{Digest as _, Sha256};

    use super::{Algorithm, SigningKey};
    use crate::base::random::Nonces;
    use crate::base::secret::Secret;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const RSA: &str = include_str!("../../../tests/keys/rsa.pem");
    const RSA_PKCS1: &str = include_str!("../../../tests/keys/rsa-pkcs1.pem");
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
        use Algorithm::{EdDsa, Es256, Rs256};
        // RFC 7515 appendix A.2.1
        let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        for pem in [RSA, RSA_PKCS1] {
            let signed = key(pem, Rs256).unwrap().sign(Rs256, message.as_bytes(), &Nonces::new([1, 2]));
            assert_eq!(URL_SAFE_NO_PAD.encode(signed.unwrap()), signature);
        }
        // RFC 8037 appendix A.4
        let signed = key(ED25519, EdDsa)
            .unwrap()
            .sign(EdDsa, b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", &Nonces::new([1, 2]))
            .unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(signed),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        // CAS-11: RFC 6979 appendix A.2.5; another message has another r
        for pem in [P256, P256_SEC1] {
            let key = key(pem, Es256).unwrap();
            let [sample, test] = [b"sample".as_slice(), b"test"]
                .map(|text| hex(&key.sign(Es256, text, &Nonces::new([1, 2])).unwrap()));
            assert!(
                sample.starts_with("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"),
                "{sample}"
            );
            assert!(
                test.starts_with("F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"),
                "{test}"
            );
            assert!(
                test.ends_with("019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"),
                "{test}"
            );
        }
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
        let public = RsaPrivateKey::from_pkcs8_der(&super::decoded(RSA).unwrap().1).unwrap().to_public_key();
        for signature in [first, second] {
            public.verify(Pss::new::<Sha256>(), &Sha256::digest(b"text"), &signature).unwrap();
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
        for (length, fits) in [(31, 0), (32, 1), (47, 1), (48, 2), (63, 2), (64, 3)] {
            let secret = Secret::new("s".repeat(length));
            let some = Algorithm::OF_SECRETS.iter().filter(|a| SigningKey::of_secret(&secret, **a).is_some());
            assert_eq!(some.count(), fits, "CAS-10 a secret of {length} bytes");
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
