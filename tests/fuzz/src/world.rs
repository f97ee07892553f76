//! Tokens, proofs, keys and client lists: one text of a peer each, everything else as it should be.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, End, lines};
use tollgate_cases::proof::Client;
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Decision;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::request::connection::Peer;
use tollgate_engine::request::head::Head;

use crate::exchange::NOW;
use crate::signatures::Computed;

const ALGORITHMS: [&str; 4] = ["RS256", "ES256", "ES384", "EdDSA"];
const TOKEN: &str = "good";
const URI: &str = "https://api.example.com/orders";

/// Tokens that are valid.
pub(crate) fn good_tokens() -> &'static [String] {
    static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let token = |alg: &&str| Token { alg: Some((*alg).to_owned()), ..Token::default() }.at(NOW);
        ALGORITHMS.iter().map(token).collect()
    });
    &TOKENS
}

/// The public keys of those tokens.
pub(crate) fn good_keys() -> Value {
    static KEYS: LazyLock<Value> = LazyLock::new(|| {
        let files = tollgate_cases::load_all();
        let jwt = files.iter().find(|file| file.name == "jwt").and_then(|file| file.config.clone());
        jwt.unwrap_or_default()["providers"]["main"]["jwks"]["inline"].clone()
    });
    KEYS.clone()
}

/// A valid proof for the token of the target `proof`.
pub(crate) fn good_proof() -> &'static str {
    static PROOF: LazyLock<String> = LazyLock::new(|| {
        let changes = json!({"claims": {"jti": "a-number-used-once"}});
        Client::new("client").proof("GET", URI, TOKEN, NOW, &changes)
    });
    &PROOF
}

/// A JWT as an access token: only what the issuer has signed passes.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = of_jwts(json!({"inline": good_keys()}));
    let end = driver(&config)
        .decide(request(&[("authorization", &format!("Bearer {text}"))]), None, |_| String::new());
    // One space or more after the scheme (RFC 9110 §11.4); and white space around a field's value is not part of it.
    let sent = text.trim_start_matches(' ').trim_end_matches([' ', '\t']);
    only_if(&end, good_tokens().iter().any(|good| good == sent));
}

/// A proof of possession: only the client's own passes.
pub fn proof(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = json!({
        "providers": {"main": {"introspection": {"uri": "https://as/i", "cluster": "as", "client_auth": {"method": "none"}}}},
        "dpop": {},
    });
    let head = request(&[("authorization", &format!("DPoP {TOKEN}")), ("dpop", text)]);
    let reply = json!({"active": true, "cnf": {"jkt": Client::new("client").thumbprint()}}).to_string();
    let end = driver(&config).decide(head, None, |_| reply.clone());
    // White space around a field's value is not part of it (RFC 9110 §5.5).
    only_if(&end, text.trim_matches([' ', '\t']) == good_proof());
}

/// The keys of a provider: no document lets a token of somebody else's pass.
pub fn keys(data: &[u8]) {
    let document = String::from_utf8_lossy(data).into_owned();
    let config = of_jwts(json!({"uri": "https://as.example.com/keys", "cluster": "as"}));
    let (good, foreign) = (&good_tokens()[1], foreign_token());
    let mut driver = driver(&config);
    let mut decide = |token: &str| {
        let head = request(&[("authorization", &format!("Bearer {token}"))]);
        driver.decide(head, None, |_| document.clone())
    };
    // The document may hold any keys, so that either may pass; but each only if a key of its own is in it.
    let has =
        |key: &Value| serde_json::from_str::<Value>(&document).is_ok_and(|document| contains(&document, key));
    let (own, other) = (good_keys()["keys"][0]["x"].clone(), foreign_key());
    let end = decide(good);
    only_if(&end, has(&own));
    let end = decide(foreign);
    only_if(&end, has(&other));
}

/// A list of clients: only who is in it passes.
pub fn client_list(data: &[u8]) {
    let document = String::from_utf8_lossy(data).into_owned();
    let config = json!({
        "providers": {"main": {"introspection": {"uri": "https://as/i", "cluster": "as", "client_auth": {"method": "none"}}}},
        "client_lists": {"partners": {"uri": "https://lists/partners", "cluster": "lists"}},
        "requires": {"clients": {"list": "partners"}},
    });
    let end = driver(&config).decide(request(&[("authorization", "Bearer good")]), None, |call| {
        if call.cluster() == "lists" {
            document.clone()
        } else {
            r#"{"active":true,"client_id":"the-shop"}"#.to_owned()
        }
    });
    let is_named = serde_json::from_str::<Value>(&document)
        .is_ok_and(|document| contains(&document, &json!("the-shop")));
    only_if(&end, is_named);
}

/// Events that are valid: one that is pushed by a transmitter of security events, and a logout token.
pub(crate) fn good_events() -> &'static [String; 2] {
    static EVENTS: LazyLock<[String; 2]> = LazyLock::new(|| {
        let subject = json!({"format": "iss_sub", "iss": "https://as.example.com", "sub": "alice"});
        let revoked = json!({"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}});
        let set = json!({"jti": "e1", "iss": "https://as.example.com", "aud": "receiver", "iat": NOW, "sub_id": subject, "events": revoked});
        let logout = json!({
            "jti": "e2", "iss": "https://as.example.com", "aud": "receiver", "iat": NOW, "exp": NOW + 120, "sub": "alice", "sid": "s1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        [("secevent+jwt", set), ("logout+jwt", logout)].map(|(typ, claims)| {
            let Value::Object(header) = json!({"typ": typ}) else { unreachable!() };
            Token { header, payload: Some(claims.to_string()), ..Token::default() }.at(NOW)
        })
    });
    &EVENTS
}

/// An event that is pushed to us: after an "s" a Security Event Token, otherwise a form with a logout token. Only those of the
/// provider are accepted, and only they make a token be introspected again.
pub fn event(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    let is_set = *kind == b's';
    let mut config = of_jwts(json!({"inline": good_keys()}));
    let provider = &mut config["providers"]["main"];
    provider.as_object_mut().expect("an object").remove("validate");
    provider["introspection"] =
        json!({"uri": "https://as/i", "cluster": "as", "client_auth": {"method": "none"}});
    config["revocation"] = json!({"events": [{"path": "/events", "audiences": ["receiver"]}]});
    let mut driver = driver(&config);
    let reply = json!({"active": true, "iss": "https://as.example.com", "aud": "https://api.example.com", "sub": "alice", "sid": "s1", "exp": NOW + 1000});
    let reply = reply.to_string();
    let mut calls = 0;
    let mut ask = |driver: &mut Driver| {
        let end = driver.decide(request(&[("authorization", "Bearer good")]), None, |_| {
            calls += 1;
            reply.clone()
        });
        assert!(matches!(end.outcome.decision, Decision::Allow(_)), "an event says: ask again");
        calls
    };
    assert_eq!(ask(&mut driver), 1);
    let media_type = if is_set { "application/secevent+jwt" } else { "application/x-www-form-urlencoded" };
    let head = [
        (":method", "POST"),
        (":path", "/events"),
        (":authority", "api.example.com"),
        (":scheme", "https"),
        ("content-type", media_type),
    ];
    let end = driver.decide(Head::from(lines(&head)), Some(body), |_| String::new());
    let status = end.answer.map_or(0, |answer| answer.status);
    let good = &good_events()[usize::from(!is_set)];
    let is_good =
        if is_set { body == good.as_bytes() } else { String::from_utf8_lossy(body).contains(good.as_str()) };
    assert!(is_good || status >= 400, "{status}");
    driver.tick();
    assert!(is_good || ask(&mut driver) == 1, "somebody else has revoked a token");
}

pub(crate) fn of_jwts(jwks: Value) -> Value {
    json!({"providers": {"main": {
        "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
        "algorithms": ["RS256", "ES256", "ES384", "EdDSA"], "jwks": jwks,
    }}})
}

pub(crate) fn driver(config: &Value) -> Driver {
    let policy = tollgate_config::policy_of(config, &|_| None).expect("a configuration");
    Driver::new(policy, Ports { peer: &Tls, ..Ports::new([1, 2], &Computed) }, UnixTime::from_secs(NOW))
}

pub(crate) fn request(more: &[(&str, &str)]) -> Head {
    let pseudo =
        [(":method", "GET"), (":path", "/orders"), (":authority", "api.example.com"), (":scheme", "https")];
    Head::from(lines(&[&pseudo[..], more].concat()))
}

/// Stops if the request is allowed although it may not be.
fn only_if(end: &End, may: bool) {
    assert!(
        may || !matches!(end.outcome.decision, Decision::Allow(_)),
        "allowed: {:?}",
        end.outcome.decision
    );
}

/// A token that somebody else has signed, who has a key of the same name.
fn foreign_token() -> &'static str {
    static FOREIGN: LazyLock<String> = LazyLock::new(|| {
        let changes = json!({
            "header": {"typ": "at+jwt", "kid": "p256", "jwk": null},
            "claims": {"iss": "https://as.example.com", "aud": "https://api.example.com", "sub": "eve", "client_id": "eve", "exp": NOW + 300, "htm": null, "htu": null, "ath": null},
        });
        Client::new("eve").proof("GET", URI, TOKEN, NOW, &changes)
    });
    &FOREIGN
}

fn foreign_key() -> Value {
    Client::new("eve").jwk()["x"].clone()
}

/// Whether a document has this value anywhere.
fn contains(document: &Value, value: &Value) -> bool {
    match document {
        Value::Array(items) => items.iter().any(|item| contains(item, value)),
        Value::Object(members) => members.values().any(|item| contains(item, value)),
        other => other == value,
    }
}

/// A connection over TLS.
#[derive(Debug)]
struct Tls;

impl Peer for Tls {
    fn certificate_digest(&self, _: StreamId) -> Option<Vec<u8>> {
        None
    }

    fn is_tls(&self, _: StreamId) -> bool {
        true
    }
}
