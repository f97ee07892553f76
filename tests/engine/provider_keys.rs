//! Which keys of a provider count: those that it has now, of the place that the configuration names.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of tests may fail loudly")]

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, Together, lines};
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Verdict;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::worker::command::{CallId, OutgoingCall};

use crate::events::keys;
use crate::second::Both;

const START: u64 = 1_800_000_000;

fn policy(uri: &str) -> Policy {
    let config = json!({"providers": {"main": {
        "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
        "jwks": {"uri": uri, "cluster": "as"},
    }}, "cache": {"ttl": "1h"}});
    tollgate_config::policy_of(&config, &|_| None).unwrap()
}

struct World {
    driver: Driver,
    now: u64,
    token: String,
}

impl World {
    fn new() -> Self {
        let policy = policy("https://as.example.com/keys");
        let driver = Driver::new(policy, Ports::new([1, 2], &Both), UnixTime::from_secs(START));
        let claims = json!({"exp": START + 86_400, "iat": START});
        let token = Token { claims: claims.as_object().unwrap().clone(), ..Token::default() }.at(START);
        Self { driver, now: START, token }
    }

    /// Time passes until the keys are fetched; these are there then.
    fn deliver(&mut self, keys: &Value) {
        for _ in 0..1000 {
            self.driver.tick();
            if let Some((id, call)) = self.driver.call() {
                assert!(matches!(call, OutgoingCall::Fetch(..)));
                return self.driver.reply(id, &keys.to_string());
            }
            self.now += 60;
            self.driver.set_clock(UnixTime::from_secs(self.now));
        }
        panic!("the keys are not fetched");
    }

    fn begin(&mut self) -> StreamId {
        let authorization = format!("Bearer {}", self.token);
        let head = [(":method", "GET"), (":path", "/"), ("authorization", &authorization)];
        self.driver.request(lines(&head), None)
    }

    /// How a request ends; `None`: it waits.
    fn verdict(&mut self) -> Option<Verdict> {
        let stream = self.begin();
        self.driver.end(stream).map(|end| end.outcome.decision.verdict())
    }
}

fn other_keys() -> Value {
    json!({"keys": [{
        "kty": "OKP", "crv": "Ed25519", "kid": "ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }]})
}

#[test]
fn what_a_withdrawn_key_has_verified_counts_no_more() {
    // JWT-47
    let mut world = World::new();
    world.deliver(&keys());
    assert_eq!(world.verdict(), Some(Verdict::Allowed));
    let both = json!({"keys": [keys()["keys"][0], other_keys()["keys"][0]]});
    world.deliver(&both);
    assert_eq!(world.verdict(), Some(Verdict::Allowed));
    world.deliver(&other_keys());
    assert_ne!(world.verdict(), Some(Verdict::Allowed));
}

#[test]
fn after_two_calls_in_vain_nobody_waits_for_a_key_that_is_not_there() {
    // A client that invents keys makes nobody wait, itself included.
    let mut world = World::new();
    world.deliver(&other_keys());
    for n in 0..2 {
        let stream = world.begin();
        assert!(world.driver.end(stream).is_none(), "{n}: it waits");
        world.driver.sleep(Duration::from_secs(2));
        let (call, _) = world.driver.call().expect("the keys are fetched early");
        world.driver.reply(call, &other_keys().to_string());
        world.driver.tick();
        let verdict = world.driver.end(stream).map(|end| end.outcome.decision.verdict());
        assert_eq!(verdict, Some(Verdict::InvalidToken), "{n}");
    }
    assert_eq!(world.verdict(), Some(Verdict::InvalidToken), "a call is to come");
    world.driver.sleep(Duration::from_secs(4));
    assert!(world.driver.call().is_some(), "after twice the time");
    assert_eq!(world.verdict(), Some(Verdict::InvalidToken), "a call is under way");
}

#[test]
fn who_waits_for_keys_of_an_earlier_configuration_waits_no_more() {
    let mut world = World::new();
    let stream = world.begin();
    assert!(world.driver.end(stream).is_none(), "there are no keys yet");
    world.driver.worker.replace(policy("https://as.example.com/keys"), Ports::new([1, 2], &Both));
    world.driver.tick();
    let verdict = world.driver.end(stream).map(|end| end.outcome.decision.verdict());
    assert_eq!(verdict, Some(Verdict::Unavailable));
}

#[test]
fn so_many_requests_wait_for_keys_and_whoever_leaves_makes_room() {
    let mut world = World::new();
    let all: Vec<_> = (0..8192).map(|_| world.begin()).collect();
    assert_eq!(world.verdict(), Some(Verdict::Unavailable), "they are too many");
    world.driver.leave(all[0]);
    assert_eq!(world.verdict(), None, "one has made room");
    assert_eq!(world.verdict(), Some(Verdict::Unavailable));
}

/// Workers that share what they know of a provider with keys.
fn sharing<const N: usize>(provider: &Value) -> [Driver; N] {
    let mut provider = provider.clone();
    provider["issuer"] = json!("https://as.example.com");
    provider["jwks"] = json!({"uri": "https://as.example.com/keys", "cluster": "keys"});
    let config = json!({"providers": {"main": provider}, "cache": {"shared": true}});
    let store = Together::default();
    std::array::from_fn(|_| {
        let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
        let ports = Ports { store: Box::new(store.clone()), ..Ports::new([1, 2], &Both) };
        Driver::new(policy, ports, UnixTime::from_secs(START))
    })
}

fn request(driver: &mut Driver, token: &str) -> StreamId {
    let authorization = format!("Bearer {token}");
    driver.request(lines(&[(":method", "GET"), (":path", "/"), ("authorization", &authorization)]), None)
}

/// Two workers that have the same keys, and a token that the first one asks about while the second one waits.
struct Two {
    asks: Driver,
    waits: Driver,
    call: CallId,
    stream: StreamId,
}

impl Two {
    fn new() -> Self {
        let [mut asks, mut waits] = sharing(&json!({
            "audiences": ["https://api.example.com"], "validate": "jwt_then_introspection",
            "introspection": {
                "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"}, "timeout": "20s",
            },
        }));
        for driver in [&mut asks, &mut waits] {
            driver.sleep(Duration::ZERO);
            let (call, _) = driver.call().expect("the keys");
            driver.reply(call, &keys().to_string());
            driver.sleep(Duration::from_secs(1));
        }
        let token = Token::default().at(START);
        request(&mut asks, &token);
        let (call, _) = asks.call().expect("it is asked about");
        let stream = request(&mut waits, &token);
        assert!(waits.call().is_none(), "it waits for the other worker");
        Self { asks, waits, call, stream }
    }

    /// The response arrives. Whether the second worker believes it, or asks itself.
    fn respond(mut self) -> bool {
        self.asks.reply(self.call, &json!({"active": true, "exp": START + 1000}).to_string());
        self.waits.sleep(Duration::from_secs(1));
        let is_asked = self.waits.call().is_some_and(|(_, call)| call.cluster() == "as");
        let end = self.waits.end(self.stream);
        let passes = end.is_some_and(|end| end.outcome.decision.verdict() == Verdict::Allowed);
        assert_ne!(is_asked, passes);
        passes
    }
}

/// A token with a key that is not there has the keys fetched; these are there then.
fn change_keys(driver: &mut Driver, keys: &Value) {
    let header = json!({"kid": "new"});
    let unknown = Token { header: header.as_object().unwrap().clone(), ..Token::default() }.at(START);
    request(driver, &unknown);
    driver.sleep(Duration::from_secs(2));
    let (fetch, _) = driver.call().expect("the keys");
    driver.reply(fetch, &keys.to_string());
}

#[test]
fn workers_with_other_keys_do_not_believe_each_other() {
    // JWT-47: the one that waits has changed them since, or the one that asks
    assert!(Two::new().respond());
    let mut two = Two::new();
    change_keys(&mut two.waits, &other_keys());
    assert!(!two.respond());
    let mut two = Two::new();
    let both = json!({"keys": [keys()["keys"][0], other_keys()["keys"][0]]});
    change_keys(&mut two.asks, &both);
    assert!(!two.respond());
}

#[test]
fn a_response_with_an_unknown_signature_has_the_keys_fetched() {
    let [mut driver] = sharing(&json!({"introspection": {
        "uri": "https://as.example.com/introspect", "cluster": "as", "dialect": "rfc9701", "retries": 0,
        "client_auth": {"client_id": "gateway", "client_secret": "s3cret"},
    }}));
    driver.sleep(Duration::ZERO);
    let (call, _) = driver.call().expect("the keys");
    driver.reply(call, &other_keys().to_string());
    driver.sleep(Duration::from_secs(3));
    let stream = request(&mut driver, "one");
    let (call, _) = driver.call().expect("it is asked about");
    let now = driver.wall().as_secs();
    let payload = json!({
        "iss": "https://as.example.com", "aud": "gateway", "iat": now,
        "token_introspection": {"active": true, "exp": now + 1000},
    });
    let header = json!({"typ": "token-introspection+jwt"});
    let signed = Token {
        header: header.as_object().unwrap().clone(),
        payload: Some(payload.to_string()),
        ..Token::default()
    };
    let head = lines(&[(":status", "200"), ("content-type", "application/token-introspection+jwt")]);
    let signed = signed.at(now);
    driver.respond(call, CallOutcome::Response { head: RequestHead::new(&head), body: signed.as_bytes() });
    let verdict = driver.end(stream).map(|end| end.outcome.decision.verdict());
    assert_eq!(verdict, Some(Verdict::Unavailable), "nobody can tell");
    driver.sleep(Duration::from_secs(1));
    let (_, fetch) = driver.call().expect("the keys are fetched early");
    assert_eq!(fetch.cluster(), "keys");
}

#[test]
fn a_new_configuration_takes_over_the_keys_of_the_same_place_alone() {
    // JWT-45
    let mut world = World::new();
    world.deliver(&keys());
    world.driver.worker.replace(policy("https://as.example.com/keys"), Ports::new([1, 2], &Both));
    assert_eq!(world.verdict(), Some(Verdict::Allowed), "at once");
    world.driver.worker.replace(policy("https://as.example.com/new-keys"), Ports::new([1, 2], &Both));
    let stream = world.begin();
    assert!(world.driver.end(stream).is_none(), "it waits for the keys");
    world.deliver(&other_keys());
    world.driver.tick();
    let verdict = world.driver.end(stream).map(|end| end.outcome.decision.verdict());
    assert_eq!(verdict, Some(Verdict::InvalidToken));
}
