//! Access tokens that are JWTs, signed when a case is run, for they are good for a while only.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::pkcs8::DecodePrivateKey as _;
use rsa::rand_core::{CryptoRng, Error, RngCore};
use rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::at;

/// A JWT. It has every claim of RFC 9068, and is good for five minutes, unless the case says otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Token {
    /// What it is signed with: its `alg` unless `header` has another. `none`: there is no signature.
    pub alg: Option<String>,
    /// The private key, by its file in `tests/keys`; absent: the one of the algorithm.
    pub key: Option<String>,
    /// Further members of the header; `null` takes one away.
    pub header: Map<String, Value>,
    /// Further claims; in texts `$now`, `$now+N` and `$now-N` stand for seconds.
    pub claims: Map<String, Value>,
    /// Claims that are not there.
    pub without: Vec<String>,
    /// The whole payload, instead of claims.
    pub payload: Option<String>,
    /// How many bytes of salt a signature of PSS has, if not as many as the hash.
    pub salt: Option<usize>,
    /// A part of the token that is changed after it has been signed: 0, 1 or 2.
    pub changed: Option<usize>,
}

impl Token {
    /// It, at a moment given in seconds.
    ///
    /// # Panics
    ///
    /// If the case asks for what there is not: a key, an algorithm, a part.
    pub fn at(&self, now: u64) -> String {
        let alg = self.alg.as_deref().unwrap_or("ES256");
        let mut header = json!({"alg": alg, "typ": "at+jwt", "kid": self.key(alg)});
        for (name, value) in &self.header {
            let members = header.as_object_mut().expect("an object");
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        let mut claims = json!({
            "iss": "https://as.example.com", "aud": "https://api.example.com", "sub": "alice",
            "client_id": "shop", "jti": "1", "iat": "$now", "exp": "$now+300", "scope": "orders:read",
        });
        let members = claims.as_object_mut().expect("an object");
        members.extend(self.claims.clone());
        members.retain(|name, _| !self.without.contains(name));
        let payload = self.payload.clone().unwrap_or_else(|| claims.to_string());
        let payload = with_times(&payload, now);
        let mut signed = format!("{}.{}", encode(header.to_string()), encode(payload));
        let signature = sign((alg, self.salt), &self.key(alg), signed.as_bytes());
        signed.push('.');
        signed.push_str(&encode(signature));
        match self.changed {
            None => signed,
            Some(part) => changed(&signed, part),
        }
    }

    fn key(&self, alg: &str) -> String {
        let by_alg = match alg.get(..2) {
            Some("RS" | "PS") => "rsa",
            Some("Ed") => "ed25519",
            _ if alg == "ES384" => "p384",
            _ => "p256",
        };
        self.key.clone().unwrap_or_else(|| by_alg.to_owned())
    }
}

/// A number where a text is nothing but a time.
fn with_times(payload: &str, now: u64) -> String {
    let mut text = payload.to_owned();
    while let Some(start) = text.find("\"$now") {
        let (before, rest) = text.split_at(start);
        let (time, after) = rest[1..].split_once('"').expect("the end of a text");
        text = format!("{before}{}{after}", at(time, now));
    }
    text
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The same with another first letter in one part.
fn changed(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let at = parts[part].len() / 2;
    let other = if parts[part].as_bytes()[at] == b'A' { "B" } else { "A" };
    parts[part].replace_range(at..=at, other);
    parts.join(".")
}

/// The same JWT with the other signature by ES256 that anybody can make of its own: (r, n - s).
///
/// # Panics
///
/// If it is no such JWT.
#[expect(clippy::arithmetic_side_effects, reason = "a scalar")]
pub fn with_other_signature(jwt: &str) -> String {
    let (message, signature) = jwt.rsplit_once('.').expect("a JWT");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let (r, s) = p256::ecdsa::Signature::from_slice(&signature).expect("a signature").split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r, -s).expect("a signature");
    format!("{message}.{}", encode(other.to_bytes()))
}

/// A key of `tests/keys`, in PEM.
///
/// # Panics
///
/// If there is none of that name.
pub fn pem(key: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../keys/{key}.pem"));
    std::fs::read_to_string(path).expect("a key")
}

/// Whether a JWT is signed with the key of that name, and whether in the way of RFC 6979 (as RSA always is): the
/// same message has the same signature.
///
/// # Panics
///
/// If it is no JWT, or the key is of another kind than the algorithm.
pub fn is_signed(jwt: &str, alg: &str, key: &str) -> (bool, bool) {
    let (message, signature) = jwt.rsplit_once('.').expect("a JWT");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let expected = sign((alg, None), key, message.as_bytes());
    if alg != "ES256" || signature == expected {
        return (signature == expected, true);
    }
    let key = p256::SecretKey::from_pkcs8_der(&der(key)).expect("a key");
    let key = p256::ecdsa::VerifyingKey::from(p256::PublicKey::from_secret_scalar(&key.to_nonzero_scalar()));
    let signature = p256::ecdsa::Signature::from_slice(&signature);
    (signature.is_ok_and(|signature| key.verify(message.as_bytes(), &signature).is_ok()), false)
}

fn der(key: &str) -> Vec<u8> {
    let base64: String = pem(key).lines().filter(|line| !line.starts_with("---")).collect();
    STANDARD.decode(base64).expect("PEM")
}

fn sign((alg, salt): (&str, Option<usize>), key: &str, message: &[u8]) -> Vec<u8> {
    if alg == "none" {
        return Vec::new();
    }
    let der = der(key);
    let rsa = || RsaPrivateKey::from_pkcs8_der(&der).expect("an RSA key");
    let pss = || salt.map_or_else(Pss::new::<Sha256>, Pss::new_with_salt::<Sha256>);
    match alg {
        "RS256" => rsa().sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)).expect("a signature"),
        "RS384" => rsa().sign(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message)).expect("a signature"),
        "RS512" => rsa().sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)).expect("a signature"),
        "PS256" => rsa().sign_with_rng(&mut Zero, pss(), &Sha256::digest(message)).expect("a signature"),
        "ES256" => {
            let key: p256::ecdsa::SigningKey = p256::SecretKey::from_pkcs8_der(&der).expect("a key").into();
            let signature: p256::ecdsa::Signature = key.sign(message);
            signature.to_bytes().to_vec()
        }
        "ES384" => {
            let key: p384::ecdsa::SigningKey = p384::SecretKey::from_pkcs8_der(&der).expect("a key").into();
            let signature: p384::ecdsa::Signature = key.sign(message);
            signature.to_bytes().to_vec()
        }
        "EdDSA" | "Ed25519" => {
            let key = ed25519_dalek::SigningKey::from_pkcs8_der(&der).expect("a key");
            key.sign(message).to_bytes().to_vec()
        }
        // What an attacker does with a public key that he takes for a secret.
        "HS256" => Sha256::digest([&der, message].concat()).to_vec(),
        other => panic!("{other} is not one that tests sign with"),
    }
}

/// Randomness for a test: none.
struct Zero;

impl RngCore for Zero {
    fn next_u32(&mut self) -> u32 {
        0
    }

    fn next_u64(&mut self) -> u64 {
        0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.fill(0);
        Ok(())
    }
}

impl CryptoRng for Zero {}
