//! Streams that end with their token (`on_expiry: close`).

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "helpers of tests may fail loudly")]

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, Together, lines};
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::fault::JwtFault;
use tollgate_engine::decision::{Decision, NoAnswer, Rejection, Verdict};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::response::answer::Answer;
use tollgate_engine::worker::command::OutgoingCall;

use crate::events::{keys, security_event};
use crate::second::Both;

const START: u64 = 1_800_000_000;
/// How often streams are looked at.
const LOOK: u64 = 250;

/// What the authorization server says about every token.
#[derive(Clone, Copy)]
enum Says {
    Active { exp: u64 },
    Inactive,
    Nothing,
}

struct World {
    driver: Driver,
    millis: u64,
    says: Says,
    calls: usize,
    /// The client list, as it is fetched.
    list: Value,
    /// The cluster that does not respond.
    silent: Option<&'static str>,
}

fn config(more: &Value) -> Value {
    let mut config = json!({
        "providers": {"main": {
            "issuer": "https://as.example.com",
            "jwks": {"inline": keys()},
            "introspection": {
                "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"}, "retries": 0,
            },
        }},
        "on_expiry": "close",
        "revocation": {"events": [{"path": "/events", "audiences": ["receiver"]}]},
        "cache": {"ttl": "5m", "ttl_jitter": 0, "refresh_ahead": "0s"},
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

fn policy(more: &Value) -> Policy {
    tollgate_config::policy_of(&config(more), &|_| None).unwrap()
}

fn of_jwts() -> Value {
    json!({"providers": {"main": {
        "issuer": "https://as.example.com", "jwks": {"inline": keys()}, "validate": "jwt",
        "audiences": ["https://api.example.com"],
    }}})
}

fn ports() -> Ports {
    Ports { store: Box::new(Together::default()), ..Ports::new([1, 7], &Both) }
}

impl World {
    fn new(more: &Value) -> Self {
        let driver = Driver::new(policy(more), ports(), UnixTime::from_secs(START));
        let mut world = Self {
            driver,
            millis: START * 1000,
            says: Says::Active { exp: START + 3600 },
            calls: 0,
            list: json!({"clients": []}),
            silent: None,
        };
        world.pass(0);
        world
    }

    /// Time passes, with ticks as often as any host has them.
    fn pass(&mut self, millis: u64) {
        let end = self.millis + millis;
        loop {
            self.driver.set_clock(UnixTime::from_millis(self.millis));
            // As often as it wants one at once: only so many are judged in a turn.
            for _ in 0..20 {
                self.driver.tick();
                self.serve();
            }
            if self.millis >= end {
                break;
            }
            self.millis = end.min(self.millis + LOOK);
        }
    }

    fn serve(&mut self) {
        while let Some((id, call)) = self.driver.call() {
            if let OutgoingCall::Fetch(..) = call {
                self.driver.reply(id, &self.list.to_string());
                continue;
            }
            self.calls += 1;
            if self.silent.is_some_and(|silent| call.cluster() == silent) {
                continue;
            }
            match self.says {
                Says::Active { exp } => {
                    let said =
                        json!({"active": true, "exp": exp, "sub": "alice", "sid": "s1", "client_id": "app"});
                    self.driver.reply(id, &said.to_string());
                }
                Says::Inactive => self.driver.reply(id, r#"{"active": false}"#),
                Says::Nothing => self.driver.respond(id, CallOutcome::Failed),
            }
        }
    }

    fn begin(&mut self, token: &str) -> StreamId {
        self.begin_at("/stream", token)
    }

    fn begin_at(&mut self, path: &str, token: &str) -> StreamId {
        let authorization = format!("Bearer {token}");
        let head = [(":method", "GET"), (":path", path), ("authorization", &authorization)];
        let stream = self.driver.request(lines(&head), None);
        self.serve();
        stream
    }

    /// A stream that has been let in, and whose response has begun.
    fn stream(&mut self, token: &str) -> StreamId {
        self.stream_at("/stream", token)
    }

    fn stream_at(&mut self, path: &str, token: &str) -> StreamId {
        let stream = self.begin_at(path, token);
        let end = self.driver.end(stream).unwrap();
        assert_eq!(end.outcome.decision, Decision::Allow(Verdict::Allowed));
        self.driver.has_response(stream);
        stream
    }

    /// Why a stream has been ended.
    fn why(&self, stream: StreamId) -> Option<&Decision> {
        self.driver.reset.get(&stream).map(|outcome| &outcome.decision)
    }

    fn rejection(&self, stream: StreamId) -> Option<Rejection> {
        match self.why(stream)? {
            Decision::Deny(rejection) => Some(rejection.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn revoke(&mut self, more: &Value) {
        let event = security_event(more).at(self.millis / 1000);
        let head = [
            (":method", "POST"),
            (":path", "/events"),
            (":authority", "api.example.com"),
            ("content-type", "application/secevent+jwt"),
        ];
        let stream = self.driver.request(lines(&head), Some(event.as_bytes()));
        assert_eq!(self.driver.end(stream).unwrap().answer.unwrap().status, 202);
    }
}

fn jwt(exp: u64) -> String {
    let claims = json!({"exp": exp, "iat": START, "sub": "alice", "sid": "s1", "client_id": "app"});
    Token { claims: claims.as_object().unwrap().clone(), ..Token::default() }.at(START)
}

#[test]
fn a_stream_ends_when_its_token_expires() {
    // STR-01
    for (name, more, token) in
        [("introspected", json!({}), "one".to_owned()), ("verified", of_jwts(), jwt(START + 60))]
    {
        let mut world = World::new(&more);
        world.says = Says::Active { exp: START + 60 };
        let stream = world.stream(&token);
        let unanswered = world.begin(&token);
        assert_eq!(world.driver.end(unanswered).unwrap().outcome.decision.verdict(), Verdict::Allowed);
        // Within the tolerance for clocks, a JWT counts.
        world.says = Says::Inactive;
        world.pass(59_999);
        assert_eq!(world.why(stream), None, "{name}");
        world.pass(if name == "verified" { 60_000 } else { 1 } + LOOK);
        let want = if name == "verified" { Rejection::Expired } else { Rejection::Inactive };
        assert_eq!(world.rejection(stream), Some(want.clone()), "{name}");
        let end = world.driver.end(unanswered).expect("who has no response yet gets the rejection");
        assert_eq!(end.outcome.decision, Decision::Deny(want), "{name}");
        let answer = end.answer.unwrap();
        assert_eq!(answer.status, 401, "{name}");
        assert!(!world.driver.worker.knows(stream) && !world.driver.worker.knows(unanswered));
        assert_eq!(world.driver.counts["tollgate.streams.ended"], 2, "{name}");
        assert_eq!(world.driver.counts["tollgate.verdict.allowed"], 2, "{name}: it counts once");
        assert_eq!(world.driver.counts.get("tollgate.verdict.invalid_token"), None, "{name}");
    }
}

#[test]
fn a_short_token_ends_as_soon_as_a_long_one() {
    // STR-01: and while its server calls it active, within the tolerance for clocks, it is asked about now and then
    let introspection = json!({"uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"}});
    let mut world = World::new(&json!({
        "providers": {"main": {"introspection": introspection, "clock_skew": "60s"}}, "revocation": {},
    }));
    world.says = Says::Active { exp: START + 2 };
    let stream = world.stream("one");
    world.pass(2000 + LOOK);
    assert_eq!((world.why(stream), world.calls), (None, 2));
    world.pass(20_000);
    assert_eq!((world.why(stream), world.calls), (None, 4));
    let mut world = World::new(&json!({}));
    world.says = Says::Active { exp: START + 2 };
    let stream = world.stream("one");
    world.says = Says::Inactive;
    world.pass(2000 + LOOK);
    assert_eq!(world.rejection(stream), Some(Rejection::Inactive));
}

#[test]
fn an_event_ends_a_stream_within_a_second_unless_the_server_still_calls_its_token_active() {
    // STR-02, EVT-10
    for (says, goes_on, most) in [
        (Says::Inactive, false, 2),
        (Says::Active { exp: START + 3600 }, true, 2),
        // Only so many are judged at a time.
        (Says::Nothing, false, 5),
    ] {
        let mut world = World::new(&json!({}));
        let streams: Vec<_> = (0..100).map(|_| world.stream("one")).collect();
        assert_eq!(world.calls, 1);
        world.pass(1000);
        world.says = says;
        world.revoke(&json!({}));
        world.pass(2 * LOOK);
        assert!(world.calls <= most, "{} calls for all of them", world.calls);
        for stream in streams {
            assert_eq!(world.why(stream).is_none(), goes_on);
        }
        world.pass(60_000);
        assert!(world.calls <= most, "and no more");
    }
    // That a credential has changed ends no token by itself: it is asked about.
    let mut world = World::new(&json!({}));
    let stream = world.stream("one");
    world.pass(1000);
    world.says = Says::Inactive;
    world.revoke(&json!({
        "sub_id": {"format": "iss_sub", "iss": "https://as.example.com", "sub": "alice"},
        "events": {"https://schemas.openid.net/secevent/caep/event-type/credential-change": {}},
    }));
    world.pass(2 * LOOK);
    assert_eq!(world.rejection(stream), Some(Rejection::Inactive));
    // Nobody can be asked about these.
    let mut world = World::new(&of_jwts());
    let stream = world.stream(&jwt(START + 3600));
    world.pass(1000);
    world.revoke(&json!({}));
    world.pass(LOOK);
    assert_eq!(world.rejection(stream).unwrap().verdict(), Verdict::InvalidToken);
}

#[test]
fn however_many_streams_a_token_has_they_end_within_a_second() {
    // STR-02, STR-08: and delay the end of no other
    let mut world = World::new(&json!({}));
    let streams: Vec<_> = (0..5000).map(|_| world.stream("one")).collect();
    let other = world.stream("two");
    world.pass(1000);
    world.says = Says::Inactive;
    world.revoke(&json!({}));
    world.calls = 0;
    for _ in 0..4 {
        world.millis += LOOK;
        world.driver.set_clock(UnixTime::from_millis(world.millis));
        for _ in 0..200 {
            world.driver.tick();
            world.serve();
        }
    }
    assert_eq!(world.rejection(other), Some(Rejection::Inactive));
    let left = streams.iter().filter(|stream| world.why(**stream).is_none()).count();
    assert_eq!((left, world.calls), (0, 2));
}

#[test]
fn streams_that_nobody_is_asked_about_end_together_however_many_there_are() {
    // STR-01, STR-02, STR-08
    for (name, is_revoked) in [("revoked", true), ("expired", false)] {
        let mut world = World::new(&of_jwts());
        let token = jwt(START + 60);
        let streams: Vec<_> = (0..2000).map(|_| world.stream(&token)).collect();
        if is_revoked {
            world.revoke(&json!({}));
        } else {
            // With the tolerance for clocks.
            world.millis += 120_000;
        }
        for _ in 0..2 {
            world.millis += LOOK;
            world.driver.set_clock(UnixTime::from_millis(world.millis));
            for _ in 0..200 {
                world.driver.tick();
            }
        }
        let left = streams.iter().filter(|stream| world.why(**stream).is_none()).count();
        assert_eq!(left, 0, "{name}");
        let want =
            if is_revoked { Rejection::BadJwt { fault: JwtFault::Revoked } } else { Rejection::Expired };
        assert_eq!(world.rejection(streams[0]), Some(want), "{name}");
    }
}

#[test]
fn a_client_that_is_revoked_loses_its_streams_with_the_list() {
    // STR-03
    let mut world = World::new(&json!({
        "client_lists": {"ours": {"uri": "https://lists.example.com/ours", "cluster": "lists", "refresh": "30s"}},
        "providers": {"main": {"introspection": {
            "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"},
        }}},
        "revocation": {"lists": ["ours"]},
    }));
    let stream = world.stream("one");
    world.pass(5000);
    world.list = json!({"clients": [], "revoked": [{"client_id": "app", "until": START + 900}]});
    world.pass(20_000);
    assert_eq!(world.why(stream), None);
    world.pass(11_000);
    assert_eq!(world.rejection(stream), Some(Rejection::Revoked));
    assert_eq!(world.calls, 1);
}

/// Two providers, one for each path, and a client list.
fn two_providers() -> Value {
    let provider = |cluster: &str| {
        json!({"introspection": {
            "uri": "https://as.example.com/introspect", "cluster": cluster, "client_auth": {"method": "none"},
        }})
    };
    json!({
        "client_lists": {"ours": {"uri": "https://lists.example.com/ours", "cluster": "lists", "refresh": "30s"}},
        "providers": {"slow": provider("slow"), "quick": provider("quick")},
        "rules": [{"match": {"prefix": "/slow"}, "requires": {"providers": ["slow"]}}],
        "requires": {"providers": ["quick"]},
        "revocation": {"lists": ["ours"]},
        "cache": {"ttl": "20s", "ttl_jitter": 0, "refresh_ahead": "0s"},
    })
}

#[test]
fn a_provider_that_is_slow_delays_no_end_of_another_ones_streams() {
    // STR-08
    let mut world = World::new(&two_providers());
    for n in 0..300 {
        world.stream_at("/slow", &format!("slow-{n}"));
    }
    let other = world.stream("other");
    world.silent = Some("slow");
    world.says = Says::Inactive;
    world.calls = 0;
    world.pass(20_000 + LOOK);
    assert_eq!(world.rejection(other), Some(Rejection::Inactive));
    assert_eq!(world.calls, 256 + 1, "only so many of one provider are asked about at once");
    assert_eq!(world.driver.reset.len(), 1);
}

#[test]
fn what_needs_no_call_waits_for_none() {
    // STR-08: of a provider that is slow, too, and all of them within a second
    let mut world = World::new(&two_providers());
    let first: Vec<_> = (0..300).map(|n| world.stream_at("/slow", &format!("slow-{n}"))).collect();
    world.pass(12_000);
    let second: Vec<_> = (300..900).map(|n| world.stream_at("/slow", &format!("slow-{n}"))).collect();
    world.silent = Some("slow");
    world.list = json!({"clients": [], "revoked": [{"client_id": "app", "until": START + 900}]});
    world.pass(13_000);
    assert!(world.driver.reset.is_empty());
    world.calls = 0;
    world.pass(6_000);
    assert_eq!(world.calls, 0);
    for stream in second {
        assert_eq!(world.rejection(stream), Some(Rejection::Revoked));
    }
    assert!(
        first.iter().any(|stream| world.why(*stream).is_none()),
        "those whose tokens are asked about wait"
    );
}

#[test]
fn a_token_in_use_is_asked_about_once_when_its_response_is_too_old() {
    // STR-04
    let mut world = World::new(&json!({}));
    let streams: Vec<_> = (0..300).map(|_| world.stream("one")).collect();
    for calls in 1..5 {
        assert_eq!(world.calls, calls);
        world.pass(300_000);
        assert!(streams.iter().all(|stream| world.why(*stream).is_none()));
    }
    world.says = Says::Inactive;
    world.pass(301_000);
    assert!(streams.iter().all(|stream| world.rejection(*stream) == Some(Rejection::Inactive)));
}

#[test]
fn a_stream_believes_its_cache_no_longer_than_a_request_would() {
    // STR-04: but it asks every ten seconds at most
    for (age, calls) in [("60s", 2..=3), ("0s", 9..=13)] {
        let mut world = World::new(&json!({"requires": {"max_cache_age": age}}));
        let stream = world.stream("one");
        world.pass(119_000);
        assert!(calls.contains(&world.calls), "{age}: {}", world.calls);
        world.says = Says::Inactive;
        world.pass(61_000);
        assert_eq!(world.rejection(stream), Some(Rejection::Inactive), "{age}");
    }
}

#[test]
fn what_is_not_cached_is_not_asked_about_all_the_time() {
    // STR-04
    for cache in [json!({"max_entries": 0}), json!({"ttl": "0s"}), json!({"ttl": "1s", "ttl_jitter": 0})] {
        let mut world = World::new(&json!({"cache": cache}));
        let stream = world.stream("one");
        world.pass(60_000);
        assert!((5..=7).contains(&world.calls), "{cache}: {}", world.calls);
        assert_eq!(world.why(stream), None);
        world.says = Says::Inactive;
        world.pass(11_000);
        assert_eq!(world.rejection(stream), Some(Rejection::Inactive), "{cache}");
    }
}

#[test]
fn streams_outlast_an_outage_as_long_as_requests_would() {
    // STR-05
    for (stale, until) in [("0s", 300), ("10m", 900)] {
        let cache = json!({"ttl": "5m", "ttl_jitter": 0, "refresh_ahead": "0s", "stale_if_error": stale});
        let mut world = World::new(&json!({"cache": cache}));
        let stream = world.stream("one");
        world.says = Says::Nothing;
        world.pass(until * 1000 - 1000);
        assert_eq!(world.why(stream), None, "{stale}");
        world.pass(15_000);
        assert_eq!(world.rejection(stream).unwrap().verdict(), Verdict::Unavailable, "{stale}");
    }
}

#[test]
fn so_many_streams_are_looked_after() {
    // STR-06
    let open = json!([{"match": {"path": "/open"}, "access": "anonymous"}]);
    let mut world = World::new(&json!({"on_expiry_max_streams": 2, "rules": open}));
    let first = world.stream("one");
    let _second = world.stream("two");
    for _ in 0..2 {
        let third = world.begin("one");
        let end = world.driver.end(third).unwrap();
        let crowded = Rejection::NoAnswer { cause: NoAnswer::TooManyStreams, retry_after: None };
        assert_eq!(end.outcome.decision, Decision::Deny(crowded));
        assert_eq!(end.answer.unwrap().status, 503);
        assert!(end.outcome.grant.identity.is_none());
        let other = world.begin_at("/open", "one");
        let verdict = world.driver.end(other).unwrap().outcome.decision.verdict();
        assert_eq!(verdict, Verdict::Anonymous, "what ends with no token is not bounded");
    }
    world.driver.leave(first);
    world.stream("one");
}

#[test]
fn a_stream_of_an_earlier_configuration_ends_when_nobody_can_be_asked_about_it() {
    // STR-07
    let mut world = World::new(&json!({}));
    let stream = world.stream("one");
    world.pass(1000);
    world.driver.worker.replace(policy(&json!({})), ports());
    world.pass(290_000);
    assert_eq!((world.why(stream), world.calls), (None, 1));
    world.pass(20_000);
    let replaced = Rejection::NoAnswer { cause: NoAnswer::Replaced, retry_after: None };
    assert_eq!((world.rejection(stream), world.calls), (Some(replaced), 1));
}

#[test]
fn what_another_configuration_s_provider_says_prolongs_no_stream_of_an_earlier_one() {
    // STR-07: although the token is the same
    let mut world = World::new(&json!({}));
    let stream = world.stream("one");
    world.driver.worker.replace(policy(&json!({"requires": {"max_cache_age": "1m"}})), ports());
    let other = world.stream("one");
    world.pass(299_000);
    assert!(world.calls > 4 && world.why(stream).is_none() && world.why(other).is_none());
    world.pass(1000 + LOOK);
    let replaced = Rejection::NoAnswer { cause: NoAnswer::Replaced, retry_after: None };
    assert_eq!((world.rejection(stream), world.why(other)), (Some(replaced), None));
}

#[test]
fn a_stream_whose_provider_is_gone_with_its_configuration_ends_as_well() {
    // STR-07
    let mut world = World::new(&two_providers());
    let streams = [world.stream_at("/slow", "one"), world.stream("two")];
    world.driver.worker.replace(policy(&json!({})), ports());
    world.pass(10_000);
    assert_eq!(streams.map(|stream| world.rejection(stream)), [None, None]);
    world.pass(11_000);
    let replaced = Rejection::NoAnswer { cause: NoAnswer::Replaced, retry_after: None };
    assert_eq!(streams.map(|stream| world.rejection(stream)), [Some(replaced.clone()), Some(replaced)]);
}

#[test]
fn an_event_ends_a_stream_of_an_earlier_configuration() {
    // STR-02, STR-07
    let store = Together::default();
    let ports = || Ports { store: Box::new(store.clone()), ..Ports::new([1, 7], &Both) };
    let mut world = World::new(&json!({}));
    world.driver = Driver::new(policy(&json!({})), ports(), UnixTime::from_secs(START));
    let (stream, other) = (world.stream("one"), world.stream("two"));
    world.pass(1000);
    world.driver.worker.replace(policy(&json!({})), ports());
    world.pass(1000);
    assert_eq!((world.why(stream), world.why(other)), (None, None));
    world.revoke(&json!({}));
    world.pass(2 * LOOK);
    let replaced = Rejection::NoAnswer { cause: NoAnswer::Replaced, retry_after: None };
    assert_eq!((world.rejection(stream), world.rejection(other)), (Some(replaced.clone()), Some(replaced)));
}

#[test]
fn whoever_leaves_is_forgotten() {
    let mut world = World::new(&json!({}));
    let gone = world.stream("one");
    let asked = world.stream("two");
    world.driver.leave(gone);
    world.pass(301_000);
    assert_eq!(world.calls, 3, "nobody asks about the first");
    // One that leaves while its token is asked about gets nothing.
    world.millis += 301_000;
    world.driver.set_clock(UnixTime::from_millis(world.millis));
    world.driver.tick();
    let (id, _) = world.driver.call().expect("it is asked about");
    world.driver.leave(asked);
    world.driver.reply(id, r#"{"active": false}"#);
    world.pass(1000);
    assert!(world.driver.reset.is_empty());
}

#[test]
fn nothing_ends_where_nothing_is_to() {
    for (name, more) in [
        ("ignored", json!({"on_expiry": "ignore"})),
        ("shadow", json!({"mode": "shadow"})),
        ("without a token", json!({"rules": [{"match": {"prefix": "/"}, "access": "anonymous"}]})),
    ] {
        let mut world = World::new(&more);
        let stream = world.begin("one");
        assert!(!world.driver.worker.knows(stream), "{name}");
        world.says = Says::Inactive;
        world.pass(600_000);
        assert!(world.driver.reset.is_empty() && world.calls <= 1, "{name}");
    }
}

#[test]
fn a_stream_ends_within_a_second_of_its_tolerance() {
    // STR-01: and not when its response would be asked for again anyway
    for (name, skew) in [("5s", 5_u64), ("12s", 12)] {
        let mut providers = config(&json!({}))["providers"].clone();
        providers["main"]["clock_skew"] = json!(name);
        let mut world = World::new(&json!({ "providers": providers }));
        world.says = Says::Active { exp: START + 60 };
        let stream = world.stream("one");
        let mut lasted = 0;
        while world.rejection(stream).is_none() && lasted < 120_000 {
            world.pass(250);
            lasted += 250;
        }
        assert!(((60 + skew) * 1000..(62 + skew) * 1000).contains(&lasted), "{name}: {lasted} ms");
    }
}

#[test]
fn a_revocation_ends_a_stream_whose_response_is_old() {
    // STR-03
    for (name, cache) in [
        ("long", json!({"ttl": "5m", "ttl_jitter": 0, "refresh_ahead": "0s"})),
        ("short", json!({"ttl": "2s", "ttl_jitter": 0, "refresh_ahead": "0s"})),
        ("none", json!({"max_entries": 0})),
    ] {
        let mut world = World::new(&json!({
            "cache": cache,
            "providers": {"main": {"introspection": {
                "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"},
            }}},
            "client_lists": {"l": {"uri": "https://l.example.com/revoked", "cluster": "l", "refresh": "1s"}},
            "revocation": {"lists": ["l"]},
        }));
        world.pass(2000);
        let stream = world.stream("one");
        world.pass(2_500);
        world.list = json!({"clients": [], "revoked": [{"sub": "alice", "until": START + 9000}]});
        let mut lasted = 0;
        while world.rejection(stream).is_none() && lasted < 120_000 {
            world.pass(250);
            lasted += 250;
        }
        assert!(lasted < 2500, "{name}: {lasted} ms");
    }
}

#[test]
fn many_streams_of_one_token_ask_no_more_often_than_one() {
    // STR-04
    for cache in [
        json!({"max_entries": 0}),
        json!({"ttl": "0s"}),
        json!({"ttl": "1s", "ttl_jitter": 0}),
        json!({"ttl": "5m"}),
    ] {
        let mut world = World::new(&json!({"cache": cache}));
        for _ in 0..40 {
            world.stream("one");
            world.pass(250);
        }
        let before = world.calls;
        world.pass(60_000);
        assert!(world.calls - before <= 14, "{cache}: {} calls", world.calls - before);
    }
}

#[test]
fn a_rejection_has_the_form_that_its_request_wants_however_long_its_head_is() {
    // STR-01: no more of the head is kept than that takes
    let mut world =
        World::new(&json!({"responses": {"format": "auto", "cors_origins": ["https://app.example"]}}));
    world.says = Says::Active { exp: START + 60 };
    let long = "x".repeat(60_000);
    let mut begin = |more: &[(&str, &str)]| {
        let mut head = vec![
            (":method", "GET"),
            (":path", "/stream"),
            ("authorization", "Bearer one"),
            ("x-long", &long),
        ];
        head.extend(more);
        let stream = world.driver.request(lines(&head), None);
        world.serve();
        assert_eq!(world.driver.end(stream).unwrap().outcome.decision.verdict(), Verdict::Allowed);
        stream
    };
    let plain = begin(&[("accept", &long)]);
    let problem = begin(&[("accept", "application/problem+json")]);
    let script = begin(&[("origin", "https://app.example")]);
    let grpc = begin(&[("content-type", "application/grpc")]);
    world.says = Says::Inactive;
    world.pass(60_000 + LOOK);
    let [plain, problem, script, grpc] = [plain, problem, script, grpc]
        .map(|stream| world.driver.end(stream).expect("the rejection").answer.unwrap());
    let field = |answer: &Answer, name: &str| {
        answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    assert_eq!(field(&plain, "content-type").as_deref(), Some("application/json"));
    assert_eq!(field(&problem, "content-type").as_deref(), Some("application/problem+json"));
    assert_eq!(field(&script, "access-control-allow-origin").as_deref(), Some("https://app.example"));
    assert_eq!((field(&plain, "access-control-allow-origin"), plain.grpc_status), (None, None));
    assert_eq!(grpc.grpc_status, Some(16));
}

#[test]
fn a_stream_ends_when_the_key_of_its_token_is_withdrawn() {
    // STR-01, JWT-47: no request with this token is let in any more
    for validate in ["jwt", "jwt_then_introspection"] {
        let mut more = of_jwts();
        let provider = &mut more["providers"]["main"];
        provider["jwks"] =
            json!({"uri": "https://as.example.com/jwks", "cluster": "as", "cache_duration": "60s"});
        provider["validate"] = json!(validate);
        if validate != "jwt" {
            provider["introspection"] = json!({
                "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"}, "retries": 0,
            });
        }
        more["cache"] = json!({"ttl": "1h", "ttl_jitter": 0, "refresh_ahead": "0s"});
        let mut world = World::new(&json!({}));
        world.list = keys();
        world.driver = Driver::new(policy(&more), ports(), UnixTime::from_secs(START));
        world.pass(0);
        let token = jwt(START + 3600);
        let stream = world.stream(&token);
        let mut other = keys();
        other["keys"][0]["kid"] = json!("another");
        world.list = other;
        world.pass(62_000);
        let late = world.begin(&token);
        world.pass(2000);
        let late = world.driver.end(late).unwrap().outcome.decision.verdict();
        assert_eq!(late, Verdict::InvalidToken, "{validate}");
        assert!(world.rejection(stream).is_some(), "{validate}: the stream goes on");
    }
}
