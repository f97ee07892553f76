//! Which keys of a provider count: those that it has now, of the place that the configuration names.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of tests may fail loudly")]

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, lines};
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Verdict;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::Policy;
use tollgate_engine::worker::command::OutgoingCall;

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
