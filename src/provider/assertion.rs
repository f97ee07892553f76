//! Client authentication by a signed statement: `client_secret_jwt` and `private_key_jwt`
//! ([RFC 7523 §2.2], OpenID Connect Core §9).
//!
//! [RFC 7523 §2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2

mod der;
pub mod key;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::provider::assertion::key::{Algorithm, SigningKey};
use crate::provider::nonces::Nonces;
use crate::secret::Secret;
use crate::time::UnixTime;

/// The value of `client_assertion_type`.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What we state about ourselves, and the key that we sign it with.
#[derive(Clone, Debug)]
pub struct Assertion {
    client_id: String,
    algorithm: Algorithm,
    key: SigningKey,
    /// The JOSE header, encoded.
    header: String,
    /// The claims up to the `jti`.
    claims: String,
    lifetime: Duration,
    fingerprint: Fingerprint,
}

/// What an assertion says besides who we are.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// `iss`, `sub` and the form field `client_id`.
    pub client_id: &'a str,
    /// `aud`: one string, the authorization server's issuer unless the operator has another.
    pub audience: &'a str,
    /// `kid`, if the authorization server has to choose among our keys.
    pub kid: Option<&'a str>,
    /// `typ`.
    pub typ: &'a str,
    /// `exp` less `iat`.
    pub lifetime: Duration,
}

/// Tells apart configurations whose answers must not be shared.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Fingerprint([u8; 32]);

impl Assertion {
    /// Statements of this kind, signed with `key`. `material` is what the key was read from.
    pub fn new(statement: &Statement<'_>, algorithm: Algorithm, key: SigningKey, material: &Secret) -> Self {
        let text = |text: &str| Value::from(text).to_string();
        let mut header = format!(r#"{{"alg":"{}","typ":{}"#, algorithm.name(), text(statement.typ));
        if let Some(kid) = statement.kid {
            header.push_str(r#","kid":"#);
            header.push_str(&text(kid));
        }
        header.push('}');
        let id = text(statement.client_id);
        let claims = format!(r#"{{"iss":{id},"sub":{id},"aud":{}"#, text(statement.audience));
        let hash = Sha256::digest(format!("{header}{claims}{}", material.expose()));
        Self {
            client_id: statement.client_id.to_owned(),
            algorithm,
            key,
            header: URL_SAFE_NO_PAD.encode(header),
            claims,
            lifetime: statement.lifetime,
            fingerprint: Fingerprint(hash.into()),
        }
    }

    /// Our client id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// How it is signed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// A hash of everything that it says and is signed with.
    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint.0
    }

    /// An assertion for one call, used for no other. Empty if it cannot be signed, which the
    /// authorization server then refuses.
    pub fn sign(&self, now: UnixTime, nonces: &Nonces) -> Secret {
        let iat = now.as_secs();
        let exp = iat.saturating_add(self.lifetime.as_secs());
        let claims = format!(r#"{},"jti":"{}","iat":{iat},"exp":{exp}}}"#, self.claims, nonces.text());
        let mut assertion = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let Some(signature) = self.key.sign(self.algorithm, assertion.as_bytes(), nonces) else {
            return Secret::new("");
        };
        assertion.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
        Secret::new(assertion)
    }
}

/// The same statement with the same key.
impl PartialEq for Assertion {
    fn eq(&self, other: &Self) -> bool {
        (self.lifetime, self.fingerprint) == (other.lifetime, other.fingerprint)
    }
}

impl Eq for Assertion {}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::key::{Algorithm, SigningKey};
    use super::{Assertion, Statement};
    use crate::provider::nonces::Nonces;
    use crate::secret::Secret;
    use crate::time::UnixTime;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const STATEMENT: Statement<'_> = Statement {
        client_id: "gate\"way",
        audience: "https://as.example.com",
        kid: None,
        typ: "JWT",
        lifetime: Duration::from_secs(60),
    };

    fn assertion(statement: &Statement<'_>) -> Assertion {
        let secret = Secret::new("a client secret of 32 characters");
        let key = SigningKey::of_secret(&secret, Algorithm::Hs256).unwrap();
        Assertion::new(statement, Algorithm::Hs256, key, &secret)
    }

    fn part(assertion: &Secret, n: usize) -> Value {
        let part = assertion.expose().split('.').nth(n).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_says_who_we_are_and_to_whom() {
        let signed =
            assertion(&STATEMENT).sign(UnixTime::from_millis(1_700_000_000_999), &Nonces::new([1, 2]));
        let jti = part(&signed, 1)["jti"].clone();
        assert_eq!(part(&signed, 0), json!({"alg": "HS256", "typ": "JWT"}));
        // CAS-02 iss = sub; CAS-03 aud is one string; CAS-04 exp a minute on; CAS-05 jti and iat
        let claims = json!({"iss": "gate\"way", "sub": "gate\"way", "aud": "https://as.example.com",
            "iat": 1_700_000_000, "exp": 1_700_000_060, "jti": jti});
        assert_eq!(part(&signed, 1), claims);
        assert_eq!(jti.as_str().unwrap().len(), 22);

        // CAS-07
        let typed = Statement { kid: Some("k/1"), typ: "client-authentication+jwt", ..STATEMENT };
        let signed = assertion(&typed).sign(UnixTime::from_secs(0), &Nonces::new([1, 2]));
        let header = json!({"alg": "HS256", "kid": "k/1", "typ": "client-authentication+jwt"});
        assert_eq!(part(&signed, 0), header);
    }

    #[test]
    fn no_two_assertions_are_alike() {
        // CAS-05, CAS-13
        let (assertion, nonces) = (assertion(&STATEMENT), Nonces::new([1, 2]));
        let jtis: HashSet<_> = (0..10_000)
            .map(|_| part(&assertion.sign(UnixTime::from_secs(7), &nonces), 1)["jti"].to_string())
            .collect();
        assert_eq!(jtis.len(), 10_000);
    }

    #[test]
    fn nothing_secret_is_shown() {
        // CAS-12
        let shown = format!("{:?}", assertion(&STATEMENT));
        assert!(!shown.contains("a client secret") && shown.contains("[redacted]"), "{shown}");
    }
}
