//! Client authentication by a signed statement: `client_secret_jwt` and `private_key_jwt`
//! ([RFC 7523 §2.2], OpenID Connect Core §9).
//!
//! [RFC 7523 §2.2]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::hash::sha256;
use crate::base::json;
use crate::base::random::Nonces;
use crate::base::secret::Secret;
use crate::base::time::{UnixTime, part};
use crate::jose::algorithm::Algorithm;
use crate::jose::signer::{Bound, Signer, ToSign};
use crate::jose::signing_key::SigningKey;

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
    /// Who signs instead, if it can.
    signer: Option<&'static dyn Signer>,
    bound: Bound,
    /// Whether one serves for many calls.
    is_reused: bool,
    /// The latest one, and when it was made.
    latest: RefCell<Option<(UnixTime, Secret)>>,
}

/// The claims of an assertion besides our identity.
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
    /// Whether one assertion serves for all calls of half its lifetime.
    pub is_reused: bool,
}

/// Why there would be no signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unsigned {
    /// Nobody signs with this algorithm.
    Algorithm(Algorithm),
    /// The signer does not take the key.
    Key,
}

/// Distinguishes configurations whose responses must not be shared.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Fingerprint([u8; 32]);

impl Assertion {
    /// Statements of this kind, signed with `key`. `material` is what the key was read from.
    pub fn new(statement: &Statement<'_>, algorithm: Algorithm, key: SigningKey, material: &Secret) -> Self {
        let text = |text: &str| json::text(&text.into());
        let mut header = format!(r#"{{"alg":"{}","typ":{}"#, algorithm.name(), text(statement.typ));
        if let Some(kid) = statement.kid {
            header.push_str(r#","kid":"#);
            header.push_str(&text(kid));
        }
        header.push('}');
        let id = text(statement.client_id);
        let claims = format!(r#"{{"iss":{id},"sub":{id},"aud":{}"#, text(statement.audience));
        let hash = sha256(&[header.as_bytes(), claims.as_bytes(), material.expose().as_bytes()]);
        Self {
            client_id: statement.client_id.to_owned(),
            algorithm,
            key,
            header: URL_SAFE_NO_PAD.encode(header),
            claims,
            lifetime: statement.lifetime,
            fingerprint: Fingerprint(hash),
            signer: None,
            bound: Bound::new(),
            is_reused: statement.is_reused,
            latest: RefCell::default(),
        }
    }

    /// From now on, this one signs what it can.
    pub fn sign_elsewhere(&mut self, signer: &'static dyn Signer) {
        self.signer = Some(signer);
    }

    /// Whether this signer will provide signatures: it makes one.
    pub fn try_out(&self, signer: &dyn Signer) -> Result<(), Unsigned> {
        let algorithm = self.algorithm;
        let Some(pkcs8) = self.key.pkcs8() else { return Ok(()) };
        if SigningKey::signs_here(algorithm) && !signer.signs(algorithm) {
            return Ok(());
        }
        let trial = ToSign { algorithm, pkcs8, message: b"tollgate" };
        match signer.sign(&trial) {
            Some(_) => Ok(()),
            None if signer.signs(algorithm) => Err(Unsigned::Key),
            None => Err(Unsigned::Algorithm(algorithm)),
        }
    }

    /// Whether an assertion is available for another call now. Where a signature takes long, only a few per
    /// second are made, whatever clients send.
    pub fn admits(&self, now: UnixTime) -> bool {
        !self.is_slow() || self.is_reused || self.bound.admits(now)
    }

    fn is_slow(&self) -> bool {
        use Algorithm::{
            Ed25519, EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384,
            Rs512,
        };
        match self.algorithm {
            Ps256 | Ps384 | Ps512 => self.elsewhere().is_none(),
            // Those of RSA and ECDSA no engine signs.
            Hs256 | Hs384 | Hs512 | Rs256 | Rs384 | Rs512 | Es256 | Es384 | Es512 | EdDsa | Ed25519 => false,
        }
    }

    fn elsewhere(&self) -> Option<&'static dyn Signer> {
        self.signer.filter(|signer| signer.signs(self.algorithm))
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

    /// An assertion for one call, used for no other, unless they are to be. Empty if it cannot be signed, which
    /// the authorization server then rejects.
    pub fn sign(&self, now: UnixTime, nonces: &Nonces) -> Secret {
        let is_good = |made: UnixTime| made <= now && made.until(now) < part(self.lifetime, 1, 2);
        if let Some((_, latest)) = self.latest.borrow().as_ref().filter(|(made, _)| is_good(*made)) {
            return latest.clone();
        }
        if self.is_slow() {
            self.bound.count(now);
        }
        let iat = now.as_secs();
        let exp = iat.saturating_add(self.lifetime.as_secs());
        let claims = format!(r#"{},"jti":"{}","iat":{iat},"exp":{exp}}}"#, self.claims, nonces.text());
        let mut assertion = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let Some(signature) = self.signature(assertion.as_bytes(), nonces) else {
            return Secret::new("");
        };
        assertion.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
        let assertion = Secret::new(assertion);
        if self.is_reused {
            self.latest.replace(Some((now, assertion.clone())));
        }
        assertion
    }

    fn signature(&self, message: &[u8], nonces: &Nonces) -> Option<Vec<u8>> {
        match (self.elsewhere(), self.key.pkcs8()) {
            (Some(signer), Some(pkcs8)) => signer.sign(&ToSign { algorithm: self.algorithm, pkcs8, message }),
            _ => self.key.sign(self.algorithm, message, nonces),
        }
    }
}

/// The same statement with the same key.
impl PartialEq for Assertion {
    fn eq(&self, other: &Self) -> bool {
        (self.lifetime, self.is_reused, self.fingerprint)
            == (other.lifetime, other.is_reused, other.fingerprint)
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

    use super::{Assertion, Statement, Unsigned};
    use crate::base::random::Nonces;
    use crate::base::secret::Secret;
    use crate::base::time::UnixTime;
    use crate::jose::algorithm::Algorithm;
    use crate::jose::signer::{Signer, ToSign};
    use crate::jose::signing_key::SigningKey;
    use crate::provider::client_auth::{ClientAuth, Method};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const STATEMENT: Statement<'_> = Statement {
        client_id: "gate\"way",
        audience: "https://as.example.com",
        kid: None,
        typ: "JWT",
        lifetime: Duration::from_secs(60),
        is_reused: false,
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
    fn one_may_serve_for_half_its_life() {
        let reused = assertion(&Statement { is_reused: true, ..STATEMENT });
        let nonces = Nonces::new([1, 2]);
        let at = |secs| reused.sign(UnixTime::from_secs(secs), &nonces);
        let first = at(1000);
        assert_eq!((at(1000), at(1029)), (first.clone(), first.clone()));
        let second = at(1030);
        assert_ne!(second, first);
        assert_ne!(at(900), second, "made after that: the clock was set back");
    }

    /// A signer, and how it behaves: whether it is there, and whether it accepts the key.
    #[derive(Debug)]
    struct Other(bool, bool);

    impl Signer for Other {
        fn sign(&self, to_sign: &ToSign<'_>) -> Option<Vec<u8>> {
            assert!(to_sign.inner_key().is_some());
            (self.signs(to_sign.algorithm) && self.1).then(|| vec![7; 256])
        }

        fn signs(&self, algorithm: Algorithm) -> bool {
            self.0 && algorithm == Algorithm::Rs256
        }
    }

    /// One that would sign everything, and accepts no key.
    #[derive(Debug)]
    struct Refusing;

    impl Signer for Refusing {
        fn sign(&self, _: &ToSign<'_>) -> Option<Vec<u8>> {
            None
        }

        fn signs(&self, _: Algorithm) -> bool {
            true
        }
    }

    #[test]
    fn whoever_signs_slowly_signs_seldom() {
        let pem = Secret::new(include_str!("../../../tests/keys/rsa.pem"));
        let now = UnixTime::from_secs(1_800_000_000);
        #[rustfmt::skip]
        let cases: [(&str, Algorithm, Option<&'static dyn Signer>, bool, Option<bool>); 6] = [
            // name, algorithm, who else signs, whether assertions are reused, whether there is a bound, if they are signed at all
            ("RS256, by the host",      Algorithm::Rs256, Some(&Other(true, true)),  false, Some(false)),
            ("RS256, by an older host", Algorithm::Rs256, Some(&Other(false, true)), false, None),
            ("RS256, a key that the host does not take", Algorithm::Rs256, Some(&Other(true, false)), false, None),
            ("RS256, by nobody",        Algorithm::Rs256, None,                      false, None),
            ("PS256",                   Algorithm::Ps256, Some(&Other(true, true)),  false, Some(true)),
            ("PS256, reused",           Algorithm::Ps256, Some(&Other(true, true)),  true,  Some(false)),
        ];
        for (name, algorithm, signer, is_reused, is_bounded) in cases {
            let key = SigningKey::of_pem(&pem, algorithm).unwrap();
            let statement = Statement { is_reused, ..STATEMENT };
            let mut assertion = Assertion::new(&statement, algorithm, key, &pem);
            if let Some(signer) = signer {
                assertion.sign_elsewhere(signer);
            }
            let signed = assertion.sign(now, &Nonces::new([1, 2]));
            let by_host = signed.expose().ends_with("BwcHBw");
            assert_eq!(by_host, name == "RS256, by the host", "{name}");
            assert_eq!(signed.expose().is_empty(), is_bounded.is_none(), "{name}");
            assert!(assertion.admits(now), "{name}: some at once");
            // With the one that has been made, one more than may be at once.
            (0..16).for_each(|_| assertion.bound.count(now));
            let auth = ClientAuth::Assertion(Box::new(assertion));
            assert_eq!(auth.admits(now), is_bounded != Some(true), "{name}");
            assert_eq!(auth.method(), Method::PrivateKeyJwt, "{name}");
        }
    }

    #[test]
    fn whether_there_will_be_signatures_is_known_before() {
        use Algorithm::{EdDsa, Ps256, Rs256};
        let [rsa, ed25519] =
            [include_str!("../../../tests/keys/rsa.pem"), include_str!("../../../tests/keys/ed25519.pem")];
        let unsigned = |pem: &str, algorithm: Algorithm, signer: &dyn Signer| {
            let pem = Secret::new(pem);
            let key = SigningKey::of_pem(&pem, algorithm).unwrap();
            Assertion::new(&STATEMENT, algorithm, key, &pem).try_out(signer).err()
        };
        assert_eq!(unsigned(rsa, Rs256, &Other(true, true)), None);
        assert_eq!(unsigned(rsa, Rs256, &Other(true, false)), Some(Unsigned::Key));
        assert_eq!(unsigned(rsa, Rs256, &Other(false, false)), Some(Unsigned::Algorithm(Rs256)));
        assert_eq!(unsigned(rsa, Ps256, &Other(false, false)), None);
        assert_eq!(unsigned(ed25519, EdDsa, &Other(false, false)), None);
        assert_eq!(assertion(&STATEMENT).try_out(&Other(false, false)), Ok(()), "a secret");
        assert_eq!(
            unsigned(rsa, Ps256, &Refusing),
            Some(Unsigned::Key),
            "it signs this, too, and not with this key"
        );
    }

    #[test]
    fn nothing_secret_is_shown() {
        // CAS-12
        let shown = format!("{:?}", assertion(&STATEMENT));
        assert!(!shown.contains("a client secret") && shown.contains("[redacted]"), "{shown}");
    }

    #[test]
    fn the_same_statement_with_the_same_key_is_the_same() {
        assert_eq!(assertion(&STATEMENT), assertion(&STATEMENT));
        for other in [
            Statement { lifetime: Duration::from_secs(61), ..STATEMENT },
            Statement { is_reused: true, ..STATEMENT },
            Statement { client_id: "other", ..STATEMENT },
        ] {
            assert_ne!(assertion(&other), assertion(&STATEMENT));
        }
        assert_eq!(ClientAuth::Assertion(Box::new(assertion(&STATEMENT))).method(), Method::SecretJwt);
    }
}
