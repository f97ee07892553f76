//! What a worker remembers, and what it does with it: by the engine alone, with a clock of its own.

#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests, too, may fail loudly"
)]

mod age;
mod starved;
mod waiting;

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, Together, lines};
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::store::{Own, Store};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::{Decision, Verdict};
use tollgate_engine::enforcer::outcome::{Outcome, Source};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;

use crate::second::Both;

const EXP: u64 = 5000;

#[test]
fn an_answer_is_remembered_and_every_request_is_judged_anew() {
    // INT-30, INT-26: what is remembered is what the server said, not what came of it.
    let mut world = World::new(&json!({
        "rules": [
            {"name": "a", "match": {"prefix": "/a"}, "requires": {"scopes": ["a"]}},
            {"name": "b", "match": {"prefix": "/b"}, "requires": {"scopes": ["b"]}},
            {"name": "c", "match": {"prefix": "/c"}, "requires": {"clients": ["other"]}},
            {"name": "d", "match": {"prefix": "/d"}, "requires": {"audiences": ["https://d.example.com"]}},
            {"name": "e", "match": {"prefix": "/e"}, "requires": {"claims": [{"name": "tenant", "equals": "blue"}]}},
            {"name": "f", "match": {"prefix": "/f"}, "requires": {"max_age": "1m"}},
        ],
    }));
    let reply = json!({
        "active": true, "exp": EXP, "scope": "a", "client_id": "app", "aud": "https://api.example.com",
        "tenant": "red", "auth_time": 970,
    });
    assert_eq!(world.ask("/a", "one", &reply).verdict(), Verdict::Allowed);
    #[rustfmt::skip]
    let cases = [
        ("/a", Verdict::Allowed), ("/b", Verdict::InsufficientScope), ("/c", Verdict::Forbidden),
        ("/d", Verdict::InvalidToken), ("/e", Verdict::Forbidden), ("/f", Verdict::Allowed), ("/", Verdict::Allowed),
    ];
    for (path, want) in cases {
        let outcome = world.remembered(path, "one");
        assert_eq!((outcome.decision.verdict(), outcome.source), (want, Source::Memory), "{path}");
    }
    world.now = 1031;
    assert_eq!(world.remembered("/f", "one").decision.verdict(), Verdict::InsufficientAuthentication);
}

#[test]
fn what_is_remembered_and_until_when() {
    // INT-23, INT-24, INT-25, INT-27, MUL-05; asked at 1000
    let active = |exp: Value| json!({"active": true, "exp": exp});
    #[rustfmt::skip]
    let cases = [
        ("ttl",                       json!({"ttl": "60s"}),                 active(json!(EXP)), Some(60)),
        ("exp before ttl",            json!({"ttl": "60s"}),                 active(json!(1005)), Some(5)),
        ("no exp",                    json!({"ttl": "60s"}),                 json!({"active": true}), None),
        ("null is no exp",            json!({"ttl": "60s"}),                 active(Value::Null), None),
        ("no exp, and a time for it", json!({"ttl_without_exp": "7s"}),      json!({"active": true}), Some(7)),
        ("an exp in another era",     json!({"ttl": "60s"}),                 active(json!(1e30)), Some(60)),
        ("inactive",                  json!({"negative_ttl": "3s"}),         json!({"active": false}), Some(3)),
        ("inactive, switched off",    json!({"negative_ttl": "0s"}),         json!({"active": false}), None),
        ("no room for garbage",       json!({"negative_max_entries": 0}),    json!({"active": false}), None),
        ("no time at all",            json!({"ttl": "0s"}),                  active(json!(EXP)), None),
        ("no room at all",            json!({"max_entries": 0}),             active(json!(EXP)), None),
        ("no room at all for either", json!({"max_entries": 0}),             json!({"active": false}), None),
    ];
    for (name, mut cache, reply, until) in cases {
        cache["ttl_jitter"] = json!(0);
        let mut world = World::new(&json!({"cache": cache}));
        world.ask("/", "one", &reply);
        let Some(until) = until else {
            assert!(world.begin("/", "one").is_none(), "{name}");
            continue;
        };
        world.now = 1000 + until - 1;
        assert!(world.begin("/", "one").is_some(), "{name}");
        world.now = 1000 + until;
        assert!(world.begin("/", "one").is_none(), "{name}");
    }
}

#[test]
fn what_userinfo_says_is_remembered_only_where_that_is_configured() {
    // UIN-06: it names no end, whatever it says of one.
    let user_info = json!({"providers": {"main": {"userinfo": {"uri": "https://as/u", "cluster": "as"}}}});
    let reply = json!({"sub": "alice", "exp": EXP});
    let mut world = World::with(&user_info, Box::<Own>::default());
    assert_eq!(world.ask("/", "one", &reply).verdict(), Verdict::Allowed);
    assert!(world.begin("/", "one").is_none(), "it is asked again");
    let mut more = user_info;
    more["cache"] = json!({"ttl_without_exp": "10s", "ttl_jitter": 0});
    world = World::with(&more, Box::<Own>::default());
    assert_eq!(world.ask("/", "one", &reply).verdict(), Verdict::Allowed);
    world.now += 9;
    assert_eq!(world.remembered("/", "one").source, Source::Memory);
    world.now += 1;
    assert!(world.begin("/", "one").is_none(), "it is asked again");
}

#[test]
fn an_unusable_answer_is_not_remembered() {
    // INT-27, ATK-66
    for reply in [json!({"active": "true"}), json!({}), json!([]), json!({"active": true, "exp": "x"})] {
        let mut world = World::new(&json!({}));
        assert!(world.ask("/", "one", &reply).verdict() == Verdict::BadAnswer, "{reply}");
        assert!(world.begin("/", "one").is_none(), "{reply}");
    }
}

#[test]
fn an_error_about_a_token_is_remembered_only_where_it_is_configured() {
    // INT-13, INT-27
    let introspection = json!({"unknown_token": {"status": [400], "error": ["invalid_token"]}});
    let configured = json!({"providers": {"main": {"introspection": introspection}}});
    for (name, config, verdict, is_remembered) in [
        ("not configured", json!({}), Verdict::BadAnswer, false),
        ("configured", configured, Verdict::InvalidToken, true),
    ] {
        let mut world = World::new(&config);
        let stream = world.request("/", "one");
        let (call, _) = world.driver.call().unwrap();
        let head = lines(&[(":status", "400"), ("content-type", "application/json")]);
        let body = br#"{"error":"invalid_token"}"#;
        world.driver.respond(call, CallOutcome::Response { head: RequestHead::new(&head), body });
        let outcome = world.driver.end(stream).expect("it waits").outcome;
        assert_eq!(outcome.decision.verdict(), verdict, "{name}");
        assert_eq!(world.begin("/", "one").is_some(), is_remembered, "{name}");
    }
}

#[test]
fn tokens_do_not_answer_for_each_other_and_neither_do_providers() {
    // INT-29
    let other = json!({"introspection": {
        "uri": "https://other.example.com/introspect", "cluster": "other", "client_auth": {"method": "none"},
    }});
    let mut world = World::new(&json!({
        "providers": {"other": other},
        "rules": [{"match": {"prefix": "/other"}, "requires": {"providers": ["other"]}}],
        "requires": {"providers": ["main"]},
    }));
    world.ask("/", "one", &json!({"active": true, "exp": EXP}));
    assert!(world.begin("/", "one").is_some());
    assert!(world.begin("/", "two").is_none());
    assert!(world.begin("/other", "one").is_none());
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_younger() {
    // PWX-15, ATK-113
    let mut world = World::new(&json!({}));
    world.ask("/", "one", &json!({"active": true, "exp": EXP}));
    world.now = 999;
    assert!(world.begin("/", "one").is_none());
    world.now = EXP + 86_400;
    assert!(world.begin("/", "one").is_none());
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_for_longer() {
    // PWX-15: the worker compares its clocks every second, although nothing else happens
    let mut world = World::new(&json!({"cache": {"ttl": "60s", "ttl_jitter": 0}}));
    world.ask("/", "one", &json!({"active": true, "exp": EXP}));
    world.driver.sleep(Duration::from_secs(5));
    world.driver.set_clock(UnixTime::from_secs(950));
    world.driver.sleep(Duration::from_secs(56));
    world.now = 1007;
    assert!(world.begin("/", "one").is_none(), "more than a minute has passed since");
}

#[test]
fn an_inactive_token_that_is_not_cached_takes_away_what_was_shared() {
    // INT-26: where no inactive token is cached, nothing new is shared, and what was shared counts no more
    let config = json!({
        "cache": {"ttl": "30m", "ttl_jitter": 0, "negative_max_entries": 0},
        "rules": [{"match": {"path": "/refunds"}, "requires": {"max_cache_age": "0s"}}],
    });
    let store = Together::default();
    let [mut this, mut other] = [(); 2].map(|()| World::sharing(&config, true, Box::new(store.clone())));
    this.ask("/", "one", &json!({"active": true, "exp": EXP}));
    this.now = 1001;
    assert_eq!(this.ask("/refunds", "one", &json!({"active": false})).verdict(), Verdict::InvalidToken);
    other.now = 1002;
    assert!(other.begin("/", "one").is_none(), "it has to ask");
}

#[test]
fn a_token_in_use_is_asked_about_again_before_its_entry_ends() {
    let mut world = World::new(&json!({"cache": {"ttl": "100s", "ttl_jitter": 0, "refresh_ahead": "30s"}}));
    let reply = json!({"active": true, "exp": EXP});
    world.ask("/", "one", &reply);
    for (now, wanted) in [(1069, false), (1070, true), (1071, false)] {
        world.now = now;
        assert_eq!(world.remembered("/", "one").source, Source::Memory, "{now}");
        world.driver.tick();
        let call = world.driver.call();
        assert_eq!(call.is_some(), wanted, "{now}");
        if let Some((call, _)) = call {
            // The response takes the old one's place.
            world.driver.reply(call, &reply.to_string());
        }
    }
    world.now = 1169;
    assert_eq!(world.remembered("/", "one").source, Source::Memory);
}

#[test]
fn a_stale_entry_serves_only_where_there_is_no_verdict_and_never_after_exp() {
    let config = json!({"cache": {"ttl": "10s", "ttl_jitter": 0, "stale_if_error": "60s"}});
    let reply = json!({"active": true, "exp": 1050});
    let verdict = |now: u64, said: Option<&Value>| {
        let mut world = World::new(&config);
        world.ask("/", "one", &reply);
        world.now = now;
        let outcome = world.asked("/", "one", said);
        (outcome.decision.verdict(), outcome.source)
    };
    assert_eq!(verdict(1020, None), (Verdict::Allowed, Source::StaleMemory));
    assert_eq!(verdict(1049, None), (Verdict::Allowed, Source::StaleMemory));
    assert_eq!(verdict(1050, None), (Verdict::Unavailable, Source::Answer));
    let inactive = json!({"active": false});
    assert_eq!(
        verdict(1020, Some(&inactive)),
        (Verdict::InvalidToken, Source::Answer),
        "a verdict is a verdict"
    );
}

#[test]
fn what_another_worker_was_told_counts_like_what_this_one_was() {
    // INT-35: of a token that this worker has never seen, or knows less of
    let config =
        json!({"cache": {"ttl": "10s", "ttl_jitter": 0, "negative_ttl": "5s", "stale_if_error": "60s"}});
    #[rustfmt::skip]
    let cases = [
        ("unknown here",             None,       Some((1000, true)),   1020, Verdict::Allowed),
        ("unknown here, too old",    None,       Some((1000, true)),   1070, Verdict::Unavailable),
        ("older here",               Some(1000), Some((1050, true)),   1090, Verdict::Allowed),
        ("newer here",               Some(1050), Some((1000, true)),   1090, Verdict::Allowed),
        ("revoked since",            Some(1000), Some((1010, false)),  1020, Verdict::Unavailable),
        ("inactive before",          Some(1010), Some((1000, false)),  1030, Verdict::Allowed),
        ("nobody knows",             None,       None,                 1020, Verdict::Unavailable),
    ];
    for (name, here, there, now, want) in cases {
        let store = Together::default();
        let [mut this, mut other] = [(); 2].map(|()| World::sharing(&config, true, Box::new(store.clone())));
        let mut asked = Vec::from_iter(here.map(|at| (at, true, &mut this)));
        asked.extend(there.map(|(at, is_active)| (at, is_active, &mut other)));
        asked.sort_by_key(|(at, ..)| *at);
        for (at, is_active, world) in asked {
            world.now = at;
            world.ask("/", "one", &json!({"active": is_active, "exp": EXP}));
        }
        this.now = now;
        assert_eq!(this.asked("/", "one", None).decision.verdict(), want, "{name}");
    }
}

#[test]
fn an_inactive_answer_turns_to_the_next_provider_from_memory_too() {
    let other = json!({"introspection": {
        "uri": "https://other.example.com/introspect", "cluster": "other", "client_auth": {"method": "none"},
    }});
    let mut world = World::new(&json!({"providers": {"other": other}, "provider_order": ["main", "other"]}));
    let stream = world.request("/", "one");
    for (cluster, reply) in [("as", json!({"active": false})), ("other", json!({"active": true, "exp": EXP}))]
    {
        let (id, call) = world.driver.call().expect("nobody else is asked");
        assert_eq!(call.cluster(), cluster);
        world.driver.reply(id, &reply.to_string());
    }
    let end = world.driver.end(stream).expect("it waits");
    assert_eq!(end.outcome.decision, Decision::Allow(Verdict::Allowed));
    let outcome = world.remembered("/", "one");
    assert_eq!((outcome.decision, outcome.source), (Decision::Allow(Verdict::Allowed), Source::Memory));
    // The first one has forgotten it; the second one has not been asked.
    world.now += 11;
    assert!(world.begin("/", "one").is_none());
}

/// A JWT that is asked about besides, signed at 1000, and an answer that would prolong it.
fn jwt(claims: Value) -> (Value, String, Value) {
    let config = json!({"providers": {"main": {
        "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "clock_skew": "0s",
        "validate": "jwt_then_introspection", "algorithms": ["ES256"],
        "jwks": {"inline": {"keys": [{"kty": "EC", "crv": "P-256", "kid": "p256",
            "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
            "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"}]}},
    }}});
    let token = Token { claims: serde_json::from_value(claims).unwrap(), ..Token::default() }.at(1000);
    (config, token, json!({"active": true, "aud": "https://api.example.com", "exp": EXP, "iat": 1090}))
}

#[test]
fn what_a_jwt_says_of_its_end_outlives_no_answer() {
    // JWT-49: from memory, too, the stricter of both counts
    let long = json!({"cache": {"ttl": "10m", "ttl_jitter": 0, "stale_if_error": "10m"}});
    let aged = json!({"providers": {"main": {"max_token_age": "40s"}}});
    #[rustfmt::skip]
    let cases = [
        ("its exp",                       json!({"exp": 1060}), json!({}),    json!({"exp": EXP}),  1060, Verdict::InvalidToken),
        ("the exp of the answer",         json!({"exp": 4000}), json!({}),    json!({"exp": 1060}), 1060, Verdict::Allowed),
        ("its iat and max_token_age",     json!({"exp": 4000}), aged.clone(), json!({"iat": 1050}), 1040, Verdict::InvalidToken),
        ("an answer without iat",         json!({"exp": 4000}), aged.clone(), json!({"iat": null}), 1040, Verdict::InvalidToken),
        ("the earlier iat of the answer", json!({"exp": 4000}), aged,         json!({"iat": 990}),  1030, Verdict::InvalidToken),
    ];
    for (name, claims, changes, more, end, then) in cases {
        let (config, token, mut reply) = jwt(claims);
        merge(&mut reply, &more);
        let mut all = long.clone();
        merge(&mut all, &config);
        merge(&mut all, &changes);
        let mut world = World::new(&all);
        assert_eq!(world.ask("/", &token, &reply).verdict(), Verdict::Allowed, "{name}");
        world.now = end - 1;
        let outcome = world.remembered("/", &token);
        assert_eq!(
            (outcome.decision.verdict(), outcome.source),
            (Verdict::Allowed, Source::Memory),
            "{name}"
        );
        world.now = end;
        match (world.begin("/", &token), then) {
            // Whoever can still be asked is.
            (outcome, Verdict::Allowed) => assert!(outcome.is_none(), "{name}"),
            (outcome, then) => assert_eq!(outcome.unwrap().decision.verdict(), then, "{name}"),
        }
    }
}

#[test]
fn what_contradicts_a_jwt_is_remembered_as_a_refusal() {
    let (config, token, mut reply) = jwt(json!({"exp": 4000}));
    merge(&mut reply, &json!({"sub": "bob"}));
    let mut world = World::new(&config);
    assert_eq!(world.ask("/", &token, &reply).verdict(), Verdict::InvalidToken);
    let outcome = world.remembered("/", &token);
    assert_eq!((outcome.decision.verdict(), outcome.source), (Verdict::InvalidToken, Source::Memory));
    let why = "the token is not valid: its claim sub differs from the introspection response";
    let Decision::Deny(rejection) = &outcome.decision else { panic!() };
    assert_eq!(rejection.to_string(), why);
    world.now += 11;
    assert!(world.begin("/", &token).is_none(), "for negative_ttl");
}

/// A worker and a clock.
struct World {
    driver: Driver,
    now: u64,
}

impl World {
    fn new(more: &Value) -> Self {
        Self::sharing(more, false, Box::<Own>::default())
    }

    /// With responses shared by all workers that have this store.
    fn sharing(more: &Value, shared: bool, store: Box<dyn Store>) -> Self {
        Self::with(&Self::config(more, shared), store)
    }

    fn config(more: &Value, shared: bool) -> Value {
        let mut config = json!({
            "providers": {"main": {"introspection": {
                "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"},
                "retries": 0,
            }}},
            "cache": {"shared": shared},
        });
        merge(&mut config, more);
        config
    }

    /// Another configuration counts from now on.
    fn replace(&mut self, more: &Value) {
        let policy = tollgate_config::policy_of(&Self::config(more, false), &|_| None).unwrap();
        self.driver.worker.replace(policy, Ports::new([1, 2], &Both));
    }

    fn with(config: &Value, store: Box<dyn Store>) -> Self {
        let policy = tollgate_config::policy_of(config, &|_| None).unwrap();
        let ports = Ports { store, ..Ports::new([1, 2], &Both) };
        Self { driver: Driver::new(policy, ports, UnixTime::from_secs(1000)), now: 1000 }
    }

    /// Has a request come.
    fn request(&mut self, path: &str, token: &str) -> StreamId {
        self.driver.set_clock(UnixTime::from_secs(self.now));
        let authorization = format!("Bearer {token}");
        let head = lines(&[(":method", "GET"), (":path", path), ("authorization", &authorization)]);
        self.driver.request(head, None)
    }

    /// The outcome, if nobody has to be asked. If somebody has, the client leaves, and nothing comes of the call.
    fn begin(&mut self, path: &str, token: &str) -> Option<Outcome> {
        let stream = self.request(path, token);
        if let Some((call, _)) = self.driver.call() {
            self.driver.leave(stream);
            self.driver.reply(call, "{}");
            return None;
        }
        Some(self.driver.end(stream).expect("it waits").outcome)
    }

    fn remembered(&mut self, path: &str, token: &str) -> Outcome {
        self.begin(path, token).expect("it is remembered")
    }

    /// What becomes of a request about which somebody has to be asked, and says this; `None`: nothing.
    fn asked(&mut self, path: &str, token: &str, reply: Option<&Value>) -> Outcome {
        let stream = self.request(path, token);
        let (call, _) = self.driver.call().expect("nobody is asked");
        match reply {
            Some(reply) => self.driver.reply(call, &reply.to_string()),
            None => self.driver.respond(call, CallOutcome::Failed),
        }
        assert!(self.driver.call().is_none(), "somebody else is asked");
        self.driver.end(stream).expect("it waits").outcome
    }

    fn ask(&mut self, path: &str, token: &str, reply: &Value) -> Decision {
        self.asked(path, token, Some(reply)).decision
    }
}

pub(crate) fn merge(onto: &mut Value, more: &Value) {
    match (onto, more) {
        (Value::Object(onto), Value::Object(more)) => {
            for (name, value) in more {
                merge(onto.entry(name).or_insert(Value::Null), value);
            }
        }
        (onto, more) => *onto = more.clone(),
    }
}

#[test]
fn patience_covers_every_call_that_a_question_may_take() {
    let world = World::new(&json!({"providers": {"main": {"introspection": {
        "timeout": "2s", "retries": 2, "fallback_clusters": ["b", "c"],
    }}}}));
    assert_eq!(world.driver.worker.policy().providers[0].patience(), Duration::from_secs(10));
}
