//! Random claims and keys, both ways.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto, decode, encode};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::base::random::Nonces;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Rejection;
use tollgate_engine::decision::trace::Untraced;
use tollgate_engine::jose::algorithm;
use tollgate_engine::jose::jws::Compact;
use tollgate_engine::jose::key::PublicKey;
use tollgate_engine::jose::signer::ToSign;
use tollgate_engine::jose::signing_key::SigningKey;
use tollgate_engine::provider::assertion::{Assertion, Statement};
use tollgate_engine::provider::jwt;
use tollgate_engine::provider::keys::LiveKeys;
use tollgate_engine::token::access_token::AccessToken;

use super::signatures::Computed;
use super::{Both, says_yes};

const NOW: u64 = 1_800_000_000;

/// All that the second implementation signs with and ours verifies.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_it_signs_ours_verifies(claims in claims(), at in any::<Index>(), bit in 0..8_u32) {
        for algorithm in ALGORITHMS {
            let key = Key::random(algorithm, false);
            let token = encode(&Header { typ: Some("at+jwt".to_owned()), ..Header::new(algorithm) }, &claims, &key.private).unwrap();
            prop_assert!(says_yes(&token, &key.public));
            let verified = verified(algorithm, &key.public, &token);
            prop_assert!(verified.is_ok(), "{:?}: {:?}", algorithm, verified);

            let jws = Compact::parse(&token).unwrap();
            for (message, signature) in tampered(&jws, at, 1 << bit) {
                prop_assert!(!ours(algorithm, &key, &message, &signature), "{algorithm:?}");
                prop_assert!(!theirs(algorithm, &key, &message, &signature), "{algorithm:?}");
            }
            let other = Key::random(algorithm, true);
            prop_assert!(!ours(algorithm, &other, jws.signing_input, &jws.signature));
            prop_assert!(!says_yes(&token, &other.public));
        }
    }

    #[test]
    fn what_ours_signs_it_verifies(id in ".{1,20}", secret in "[ -~]{64,80}", seed in any::<[u64; 2]>()) {
        for algorithm in algorithm::Algorithm::OF_SECRETS {
            let secret = Secret::new(&*secret);
            let key = SigningKey::of_secret(&secret, algorithm).unwrap();
            let signed = statement(&id, algorithm, key, &secret).sign(UnixTime::from_secs(NOW), &Nonces::new(seed));
            let key = DecodingKey::from_secret(secret.expose().as_bytes()).unwrap();
            prop_assert_eq!(client_of(&signed, &key, algorithm), Some(id.clone()));
        }
        for algorithm in algorithm::Algorithm::OF_PRIVATE_KEYS {
            let theirs = by_name(algorithm);
            let key = Key::random(theirs, false);
            let mut assertion = statement(&id, algorithm, SigningKey::of_pem(&key.pem, algorithm).unwrap(), &key.pem);
            for is_computed in [false, true] {
                if is_computed {
                    assertion.sign_elsewhere(&Computed);
                } else if matches!(theirs, Algorithm::RS256 | Algorithm::ES256) {
                    // These the host alone signs with, or the command's library.
                    continue;
                }
                let signed = assertion.sign(UnixTime::from_secs(NOW), &Nonces::new(seed));
                let (message, signature) = signed.expose().rsplit_once('.').unwrap();
                let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
                prop_assert!(ours(theirs, &key, message.as_bytes(), &signature), "{algorithm:?} {is_computed}");
                // It knows Ed25519 by its older name alone (RFC 9864).
                if algorithm != algorithm::Algorithm::Ed25519 {
                    let public = serde_json::from_value::<Jwk>(key.public.clone()).unwrap();
                    let public = DecodingKey::from_jwk(&public).unwrap();
                    prop_assert_eq!(client_of(&signed, &public, algorithm), Some(id.clone()));
                }
                prop_assert!(self::theirs(theirs, &key, message.as_bytes(), &signature));
            }
        }
    }
}

/// A key pair.
struct Key {
    private: EncodingKey,
    /// The same for ours.
    pem: Secret,
    /// The public key as a JWK, made by the second implementation.
    public: Value,
}

impl Key {
    fn random(algorithm: Algorithm, is_other: bool) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = match algorithm {
            Algorithm::ES256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .unwrap()
                .as_ref()
                .to_vec(),
            Algorithm::ES384 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random)
                .unwrap()
                .as_ref()
                .to_vec(),
            Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8v1(&random).unwrap().as_ref().to_vec(),
            _ => RSA[usize::from(is_other)].clone(),
        };
        let private = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_der(&pkcs8),
            Algorithm::EdDSA => EncodingKey::from_ed_der(&pkcs8),
            _ => {
                let to_sign = ToSign { algorithm: algorithm::Algorithm::Rs256, pkcs8: &pkcs8, message: &[] };
                EncodingKey::from_rsa_der(to_sign.inner_key().unwrap())
            }
        };
        let public = serde_json::to_value(Jwk::from_encoding_key(&private, algorithm).unwrap()).unwrap();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&pkcs8));
        Self { private, pem: Secret::new(pem), public }
    }
}

/// Random, but the same two all the time: finding primes takes a while.
static RSA: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    [KeySize::Rsa2048, KeySize::Rsa3072]
        .map(|size| KeyPair::generate(size).unwrap().as_der().unwrap().as_ref().to_vec())
});

/// Claims of an access token, with random ones among them.
fn claims() -> impl Strategy<Value = Value> {
    let value = prop_oneof![any::<String>().prop_map(Value::from), any::<u32>().prop_map(Value::from)];
    btree_map("x_[a-z]{1,8}", value, 0..5).prop_map(|more| {
        let mut claims = json!({"iss": "https://as.example.com", "aud": "https://api.example.com", "sub": "alice",
            "client_id": "shop", "jti": "1", "iat": NOW, "exp": NOW + 300});
        claims.as_object_mut().unwrap().extend(more);
        claims
    })
}

/// What a gateway that verifies with this key says of a token.
fn verified(algorithm: Algorithm, key: &Value, token: &str) -> Result<AccessToken, Rejection> {
    let main = json!({"issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
        "algorithms": [format!("{algorithm:?}")], "jwks": {"inline": {"keys": [key]}}});
    let config = json!({"providers": {"main": main}});
    let provider = &tollgate_config::policy_of(&config, &|_| None).unwrap().providers[0];
    let keys = LiveKeys::new(provider.keys.as_ref());
    jwt::verify((ProviderId(0), provider), &keys, token, &Both, UnixTime::from_secs(NOW), &Untraced)
}

/// The same message and signature, with a bit changed in either.
fn tampered(jws: &Compact<'_>, at: Index, bit: u8) -> [(Vec<u8>, Vec<u8>); 2] {
    let changed = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= bit;
        bytes
    };
    let (message, signature) = (jws.signing_input, jws.signature.as_slice());
    [(changed(message), signature.to_vec()), (message.to_vec(), changed(signature))]
}

fn ours(algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> bool {
    let algorithm = algorithm::Algorithm::of_token(&format!("{algorithm:?}")).unwrap();
    PublicKey::from_jwk(&key.public).unwrap().verify(algorithm, message, signature, &Both)
}

fn theirs(algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> bool {
    let key = DecodingKey::from_jwk(&serde_json::from_value::<Jwk>(key.public.clone()).unwrap()).unwrap();
    crypto::verify(&URL_SAFE_NO_PAD.encode(signature), message, &key, algorithm).is_ok_and(|is_good| is_good)
}

/// What ours says of itself.
fn statement(id: &str, algorithm: algorithm::Algorithm, key: SigningKey, material: &Secret) -> Assertion {
    let statement = Statement {
        client_id: id,
        audience: "https://as.example.com",
        kid: None,
        typ: "JWT",
        lifetime: Duration::from_secs(60),
        is_reused: false,
    };
    Assertion::new(&statement, algorithm, key, material)
}

/// Whom an authorization server takes an assertion for that has `jsonwebtoken`.
fn client_of(assertion: &Secret, key: &DecodingKey, algorithm: algorithm::Algorithm) -> Option<String> {
    let mut validation = Validation::new(by_name(algorithm));
    validation.set_audience(&["https://as.example.com"]);
    // Its clock is another one than the test's.
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["exp", "aud", "sub", "iss"]);
    let token = decode::<Value>(assertion.expose(), key, &validation).ok()?;
    token.claims["sub"].as_str().map(str::to_owned)
}

fn by_name(algorithm: algorithm::Algorithm) -> Algorithm {
    let name = if algorithm.name() == "Ed25519" { "EdDSA" } else { algorithm.name() };
    name.parse().unwrap()
}
