//! What an operator has revoked (`revocation.lists`).

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of tests may fail loudly")]

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tollgate_cases::driver::{Driver, lines};
use tollgate_cases::token::{Token, with_other_signature};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::{Decision, NoAnswer, Rejection, Verdict};
use tollgate_engine::enforcer::outcome::{Outcome, Source};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::outcome::CallOutcome;

use crate::events::keys;
use crate::second::Both;

const START: u64 = 1_800_000_000;
/// `printf %s one | sha256sum`
const ONE: &str = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";

#[test]
fn what_is_revoked_is_rejected_within_refresh_cached_or_not() {
    // INT-26
    let far = START + 9000;
    #[rustfmt::skip]
    let cases = [
        ("nothing",                       json!([]),                                                                        [true, true]),
        ("the token",                     json!([{"token_sha256": ONE, "until": far}]),                                     [false, true]),
        ("the client",                    json!([{"client_id": "app-one", "until": far}]),                                  [false, true]),
        ("the subject",                   json!([{"sub": "ann-one", "until": far}]),                                        [false, true]),
        ("another token",                 json!([{"token_sha256": ONE.replace('7', "8"), "until": far}]),                   [true, true]),
        ("a subject of that name",        json!([{"sub": "app-one", "until": far}]),                                        [true, true]),
        ("both",                          json!([{"sub": "ann-one", "until": far}, {"client_id": "app-two", "until": far}]), [false, false]),
        ("of this issuer",                json!([{"sub": "ann-one", "issuer": "https://as.example.com", "until": far}]),    [false, true]),
        ("of another issuer",             json!([{"sub": "ann-one", "issuer": "https://other.example.com", "until": far}]), [true, true]),
        ("of one of them",                json!([{"sub": "ann-one", "issuer": "https://other.example.com", "until": far},
                                                 {"sub": "ann-one", "issuer": "https://as.example.com", "until": far}]),    [false, true]),
        ("until a moment ago",            json!([{"sub": "ann-one", "until": START + 5}]),                                  [true, true]),
    ];
    for (name, revoked, want) in cases {
        let mut world = World::new(&json!({}));
        world.list(Some(json!({"clients": []})));
        for token in ["one", "two"] {
            assert_eq!(world.send(token).decision, Decision::Allow(Verdict::Allowed), "{name}");
        }
        world.list(Some(json!({"clients": [], "revoked": revoked})));
        for (token, passes) in ["one", "two"].into_iter().zip(want) {
            let outcome = world.send(token);
            let found = (outcome.source, outcome.decision);
            let want =
                if passes { Decision::Allow(Verdict::Allowed) } else { Decision::Deny(Rejection::Revoked) };
            assert_eq!(found, (Source::Memory, want), "{name}: {token}");
        }
        // A token that is not cached.
        let mut world = World::new(&json!({"cache": {"max_entries": 0}}));
        world.list(Some(json!({"clients": [], "revoked": revoked})));
        world.now += 10;
        for (token, passes) in ["one", "two"].into_iter().zip(want) {
            assert_eq!(matches!(world.send(token).decision, Decision::Allow(_)), passes, "{name}: {token}");
        }
    }
}

#[test]
fn a_jwt_stays_revoked_however_its_signature_is_written() {
    // INT-26: servers accept more than one spelling, and whoever has stolen a token may choose
    let hash = |text: &str| format!("{:x}", Sha256::digest(text));
    let revoked =
        |hash: String| json!({"clients": [], "revoked": [{"token_sha256": hash, "until": START + 9000}]});
    let mut world = World::new(&json!({}));
    world.list(Some(revoked(hash("a.b"))));
    for token in ["a.b.c", "a.b.d", "a.b.c=", "a.b.c.", "a.b."] {
        assert_eq!(world.send(token).decision, Decision::Deny(Rejection::Revoked), "{token}");
    }
    for token in ["a.c.b", "b.a.c", "a.bb.c", "ab.c", "a", "a.b-c"] {
        assert_eq!(world.send(token).decision, Decision::Allow(Verdict::Allowed), "{token}");
    }
    // The hash of a whole token is that token's alone.
    world.list(Some(revoked(hash("v1.a.secret"))));
    assert_eq!(world.send("v1.a.secret").decision, Decision::Deny(Rejection::Revoked));
    assert_eq!(world.send("v1.a.other").decision, Decision::Allow(Verdict::Allowed));
}

#[test]
fn the_other_signature_that_anybody_can_make_of_an_es256_signature_does_not_help() {
    // INT-26: (r, n - s) is as good as (r, s)
    let mut world = World::new(&json!({"providers": {"main": {
        "introspection": null, "validate": "jwt", "jwks": {"inline": keys()}, "audiences": ["https://api.example.com"],
    }}}));
    world.list(Some(json!({"clients": []})));
    let claims = json!({"iat": START, "exp": START + 3000});
    let jwt = Token { claims: claims.as_object().unwrap().clone(), ..Token::default() }.at(START);
    let other = with_other_signature(&jwt);
    assert_ne!(jwt, other);
    for token in [&jwt, &other] {
        assert_eq!(world.send(token).decision, Decision::Allow(Verdict::Allowed), "both are valid");
    }
    let (signed, _) = jwt.rsplit_once('.').unwrap();
    let hash = format!("{:x}", Sha256::digest(signed));
    world.list(Some(json!({"clients": [], "revoked": [{"token_sha256": hash, "until": START + 9000}]})));
    for token in [&jwt, &other] {
        assert_eq!(world.send(token).decision, Decision::Deny(Rejection::Revoked));
    }
}

#[test]
fn what_a_response_leaves_out_is_in_the_jwt() {
    // INT-26: an authorization server need not say whose token it is, and the signature does
    let mut world = World::new(&json!({"providers": {"main": {
        "validate": "jwt_then_introspection", "jwks": {"inline": keys()}, "audiences": ["https://api.example.com"],
    }}}));
    let jwt =
        Token { claims: [("exp".to_owned(), json!(START + 3000))].into_iter().collect(), ..Token::default() }
            .at(START);
    for (revoked, want) in [
        (json!([]), Decision::Allow(Verdict::Allowed)),
        (json!([{"sub": "alice", "until": START + 9000}]), Decision::Deny(Rejection::Revoked)),
        (json!([{"client_id": "shop", "until": START + 9000}]), Decision::Deny(Rejection::Revoked)),
        (json!([{"sub": "shop", "until": START + 9000}]), Decision::Allow(Verdict::Allowed)),
    ] {
        world.list(Some(json!({"clients": [], "revoked": revoked})));
        let reply = json!({"active": true, "exp": START + 3000});
        assert_eq!(world.send_and(&jwt, &reply).decision, want, "{revoked}");
    }
}

#[test]
fn until_it_is_known_what_is_revoked_nothing_passes() {
    let mut world = World::new(&json!({}));
    let missing = Rejection::NoAnswer { cause: NoAnswer::NoRevocations, retry_after: None };
    assert_eq!(world.send("one").decision, Decision::Deny(missing.clone()));
    world.list(None);
    assert_eq!(world.send("one").decision, Decision::Deny(missing));
    world.list(Some(json!({"clients": [], "revoked": [{"sub": "ann-one", "until": START + 100}]})));
    assert_eq!(world.send("one").decision, Decision::Deny(Rejection::Revoked));
    // While the server is away, or sends anything else, the last word counts, for its time.
    for document in [None, Some(json!({"clients": [], "revoked": [{"sub": "ann-one"}]}))] {
        world.list(document);
        assert_eq!(world.send("one").decision, Decision::Deny(Rejection::Revoked));
    }
    world.now = START + 100;
    assert_eq!(world.send("one").decision, Decision::Allow(Verdict::Allowed));
}

#[test]
fn a_list_that_is_not_named_revokes_nothing() {
    let mut world = World::new(&json!({"revocation": {"lists": []}}));
    world.list(Some(json!({"clients": [], "revoked": [{"sub": "ann-one", "until": START + 9000}]})));
    assert_eq!(world.send("one").decision, Decision::Allow(Verdict::Allowed));
}

#[test]
fn a_token_of_nobody_in_particular_may_be_anybodys() {
    // Neither the configuration nor the response names an issuer
    let mut world = World::new(&json!({"providers": {"main": {"issuer": null}}}));
    let revoked = json!([{"sub": "ann-one", "issuer": "https://other.example.com", "until": START + 9000}]);
    world.list(Some(json!({"clients": [], "revoked": revoked})));
    assert_eq!(world.send("one").decision, Decision::Deny(Rejection::Revoked));
}

#[test]
fn a_list_with_an_error_in_it_is_not_accepted() {
    let all = |n: usize| json!(vec![json!({"sub": "x", "until": START + 9000}); n]);
    #[rustfmt::skip]
    let cases = [
        ("no time",           json!([{"sub": "x"}])),
        ("nothing",           json!([{"until": START}])),
        ("two",               json!([{"sub": "x", "client_id": "y", "until": START}])),
        ("a token",           json!([{"token_sha256": "one", "until": START}])),
        ("in capitals",       json!([{"token_sha256": ONE.to_uppercase(), "until": START}])),
        ("an unknown member", json!([{"sub": "x", "until": START, "why": "z"}])),
        ("too many",          all(10_001)),
    ];
    for (name, revoked) in cases {
        let mut world = World::new(&json!({}));
        world.list(Some(json!({"clients": [], "revoked": revoked})));
        assert!(matches!(world.send("one").decision, Decision::Deny(Rejection::NoAnswer { .. })), "{name}");
    }
    let mut world = World::new(&json!({}));
    world.list(Some(json!({"clients": [], "revoked": all(10_000)})));
    assert_eq!(world.send("one").decision, Decision::Allow(Verdict::Allowed), "as many as may be");
}

/// A worker, and a server of lists.
struct World {
    driver: Driver,
    now: u64,
}

impl World {
    fn new(more: &Value) -> Self {
        let mut config = json!({
            "providers": {"main": {"issuer": "https://as.example.com", "introspection":
                {"uri": "https://as.example.com/i", "cluster": "as", "client_auth": {"method": "none"}, "retries": 0}}},
            "client_lists": {"l": {"uri": "https://l.example.com/revoked", "cluster": "l", "refresh": "10s"}},
            "revocation": {"lists": ["l"]},
            "cache": {"ttl": "2h", "refresh_ahead": "0s"},
        });
        crate::cache::merge(&mut config, more);
        if let Some(provider) = config["providers"]["main"].as_object_mut() {
            provider.retain(|_, value| !value.is_null());
        }
        let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
        let driver = Driver::new(policy, Ports::new([1, 2], &Both), UnixTime::from_secs(START));
        Self { driver, now: START }
    }

    /// The list is fetched, and this comes of it; `None`: nothing.
    fn list(&mut self, document: Option<Value>) {
        self.now += 10;
        self.driver.set_clock(UnixTime::from_secs(self.now));
        self.driver.tick();
        let (call, _) = self.driver.call().unwrap();
        match document {
            Some(document) => self.driver.reply(call, &document.to_string()),
            None => self.driver.respond(call, CallOutcome::Failed),
        }
    }

    /// A request with this token, of the client and the subject of the same name.
    fn send(&mut self, token: &str) -> Outcome {
        let reply = json!({"active": true, "exp": START + 9000, "client_id": format!("app-{token}"), "sub": format!("ann-{token}")});
        self.send_and(token, &reply)
    }

    /// The same, and this is said about the token.
    fn send_and(&mut self, token: &str, reply: &Value) -> Outcome {
        self.driver.set_clock(UnixTime::from_secs(self.now));
        let authorization = format!("Bearer {token}");
        let head = lines(&[(":method", "GET"), (":path", "/"), ("authorization", &authorization)]);
        let stream = self.driver.request(head, None);
        if let Some((call, _)) = self.driver.call() {
            self.driver.reply(call, &reply.to_string());
        }
        self.driver.end(stream).unwrap().outcome
    }
}
