//! A client with a key, which proves that it has it (DPoP, RFC 9449).

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A client with an ES256 key.
#[derive(Debug)]
pub struct Client(SigningKey);

static COUNT: AtomicU64 = AtomicU64::new(0);

impl Client {
    /// A client; the same name has the same key.
    pub fn new(name: &str) -> Self {
        Self(SigningKey::from_slice(&Sha256::digest(name)).expect("a key"))
    }

    /// Its public key.
    pub fn jwk(&self) -> Value {
        let point = self.0.verifying_key().to_encoded_point(false);
        let coordinate =
            |bytes: Option<&_>| bytes.map(|bytes| URL_SAFE_NO_PAD.encode::<&p256::FieldBytes>(bytes));
        json!({"kty": "EC", "crv": "P-256", "x": coordinate(point.x()), "y": coordinate(point.y())})
    }

    /// The key's thumbprint (RFC 7638), as `cnf.jkt` has it.
    pub fn thumbprint(&self) -> String {
        // serde_json sorts the members, as the thumbprint wants them.
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.jwk().to_string()))
    }

    /// A proof for a request with a token, made at `iat`; `changes` are put over `{"header": …, "claims":
    /// …}`, and `null` removes.
    pub fn proof(&self, method: &str, uri: &str, token: &str, iat: u64, changes: &Value) -> String {
        let jti = format!("jti-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut parts = json!({
            "header": {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()},
            "claims": {"jti": jti, "htm": method, "htu": uri, "iat": iat, "ath": ath(token)},
        });
        for (part, members) in changes.as_object().into_iter().flatten() {
            for (name, value) in members.as_object().into_iter().flatten() {
                if value.is_null() {
                    parts[part].as_object_mut().expect("an object").remove(name);
                } else {
                    parts[part][name] = value.clone();
                }
            }
        }
        let [header, claims] =
            ["header", "claims"].map(|part| URL_SAFE_NO_PAD.encode(parts[part].to_string()));
        let input = format!("{header}.{claims}");
        let signature: Signature = self.0.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// The hash of a token, as proofs have it.
pub fn ath(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}
