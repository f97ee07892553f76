//! Pushed events: what real servers send, what workers make of it, and what nobody can do with it.

#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests may fail loudly"
)]

mod attacks;
mod recorded;

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, End, Together, lines};
use tollgate_cases::token::Token;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::fault::JwtFault;
use tollgate_engine::decision::{Decision, NoAnswer, Rejection, Verdict};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::worker::command::OutgoingCall;

use crate::second::Both;

const NOW: u64 = 1_800_000_000;
/// How often a worker looks for what others have received.
const LOOK: u64 = 250;

/// Some workers of one process.
pub(crate) struct Workers {
    store: Together,
    config: Value,
    pub(crate) all: Vec<Driver>,
    pub(crate) millis: u64,
}

impl Workers {
    pub(crate) fn new(config: Value, number: usize) -> Self {
        let mut workers = Self { store: Together::default(), config, all: Vec::new(), millis: NOW * 1000 };
        (0..number).for_each(|_| workers.begin());
        workers
    }

    /// One more worker, as after a restart.
    fn begin(&mut self) {
        let policy = tollgate_config::policy_of(&self.config, &|_| Some("Bearer t".to_owned())).unwrap();
        let seed = [self.all.len() as u64, 7];
        let ports = Ports { store: Box::new(self.store.clone()), ..Ports::new(seed, &Both) };
        // The clocks of the others have gone on by a little with each request.
        let mut driver = Driver::new(policy, ports, UnixTime::from_millis(NOW * 1000 - 50));
        driver.set_clock(UnixTime::from_millis(self.millis));
        driver.tick();
        self.all.push(driver);
    }

    /// Time passes, and each worker has its ticks.
    pub(crate) fn pass(&mut self, millis: u64) {
        self.pass_without_ticks(millis);
        self.all.iter_mut().for_each(Driver::tick);
    }

    fn pass_without_ticks(&mut self, millis: u64) {
        self.millis += millis;
        let now = UnixTime::from_millis(self.millis);
        self.all.iter_mut().for_each(|one| one.set_clock(now));
    }

    /// Another configuration counts from now on, in all of them.
    fn replace(&mut self, config: &Value) {
        self.config = config.clone();
        for (n, one) in self.all.iter_mut().enumerate() {
            let policy = tollgate_config::policy_of(config, &|_| None).unwrap();
            let ports = Ports { store: Box::new(self.store.clone()), ..Ports::new([n as u64, 7], &Both) };
            one.worker.replace(policy, ports);
        }
        self.pass(0);
    }

    pub(crate) fn push(&mut self, worker: usize, media_type: &str, body: &str) -> StreamId {
        let head = [
            (":method", "POST"),
            (":path", "/events"),
            (":authority", "api.example.com"),
            ("content-type", media_type),
        ];
        self.all[worker].request(lines(&head), Some(body.as_bytes()))
    }

    /// Pushes a Security Event Token. The status of the response.
    pub(crate) fn event(&mut self, worker: usize, more: &Value) -> u16 {
        let event = security_event(more).at(self.millis / 1000);
        let stream = self.push(worker, "application/secevent+jwt", &event);
        status(self.all[worker].end(stream).unwrap())
    }

    /// Pushes an event whose body does not arrive.
    pub(crate) fn slow_event(&mut self, worker: usize) {
        let head = [(":method", "POST"), (":path", "/events"), ("content-type", "application/secevent+jwt")];
        let stream = self.all[worker].begin(lines(&head));
        self.pass(1000);
        assert_eq!(status(self.all[worker].end(stream).unwrap()), 503);
    }

    fn begin_request(&mut self, worker: usize, token: &str) -> StreamId {
        let authorization = format!("Bearer {token}");
        let head = [(":method", "GET"), (":path", "/orders"), ("authorization", &authorization)];
        self.all[worker].request(lines(&head), None)
    }

    /// How a request ends, and how many calls that took. Every token is active, with these members.
    fn ask(&mut self, worker: usize, token: &str, members: &Value) -> (Verdict, usize) {
        let stream = self.begin_request(worker, token);
        let mut calls = 0;
        while let Some((id, call)) = self.all[worker].next_call() {
            assert!(matches!(call, OutgoingCall::Introspection(_)));
            calls += 1;
            self.all[worker].reply(id, &active(members));
        }
        (self.all[worker].end(stream).unwrap().outcome.decision.verdict(), calls)
    }
}

fn active(members: &Value) -> String {
    let mut reply = json!({"active": true, "exp": NOW + 100_000});
    for (name, value) in members.as_object().unwrap() {
        reply[name] = value.clone();
    }
    reply.to_string()
}

fn status(end: End) -> u16 {
    end.answer.map_or(0, |answer| answer.status)
}

/// A `session-revoked` of the session `s1` of alice, unless `more` says otherwise: claims, or `header`, `alg` and `key`.
pub(crate) fn security_event(more: &Value) -> Token {
    let mut claims = json!({
        "jti": "e1", "aud": "receiver", "iat": "$now",
        "sub_id": {
            "format": "complex",
            "user": {"format": "iss_sub", "iss": "https://as.example.com", "sub": "alice"},
            "session": {"format": "opaque", "id": "s1"},
        },
        "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}},
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    signed("secevent+jwt", claims)
}

fn signed(typ: &str, mut claims: Value) -> Token {
    let claims = claims.as_object_mut().unwrap();
    let mut header = json!({"typ": typ});
    for (name, value) in claims.remove("header").unwrap_or(json!({})).as_object().unwrap() {
        header[name] = value.clone();
    }
    let text = |value: Option<Value>| value.map(|value| value.as_str().unwrap().to_owned());
    let (alg, key) = (text(claims.remove("alg")), text(claims.remove("key")));
    let absent = ["sub", "client_id", "exp", "scope", "jti", "iat", "aud", "iss"];
    let without = absent.iter().filter(|name| **name != "iss" && !claims.contains_key(**name));
    Token {
        alg,
        key,
        header: header.as_object().unwrap().clone(),
        without: without.map(|name| (*name).to_owned()).collect(),
        claims: claims.clone(),
        ..Token::default()
    }
}

/// A configuration with one provider that is asked about tokens.
pub(crate) fn config() -> Value {
    json!({
        "providers": {"main": {
            "issuer": "https://as.example.com",
            "jwks": {"inline": keys()},
            "introspection": {"uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"}},
        }},
        "revocation": {"events": [{"path": "/events", "audiences": ["receiver"]}]},
        "cache": {"ttl": "5m", "ttl_jitter": 0, "refresh_ahead": "0s"},
    })
}

/// The same with one whose tokens are verified here.
fn config_of_jwts() -> Value {
    let mut config = config();
    config["providers"]["main"].as_object_mut().unwrap().remove("introspection");
    config["providers"]["main"]["validate"] = json!("jwt");
    config["providers"]["main"]["audiences"] = json!(["https://api.example.com"]);
    config
}

pub(crate) fn keys() -> Value {
    json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y",
        "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk",
    }]})
}

fn with_keys_elsewhere(mut config: Value) -> Value {
    config["providers"]["main"]["jwks"] = json!({"uri": "https://as.example.com/jwks", "cluster": "keys"});
    config
}

#[test]
fn after_an_event_every_worker_asks_again() {
    // EVT-10, EVT-11
    let mut workers = Workers::new(config(), 4);
    let alice = json!({"sub": "alice", "sid": "s1"});
    let other = json!({"sub": "alice", "sid": "s2"});
    for worker in 0..4 {
        workers.pass(10);
        assert_eq!(workers.ask(worker, "one", &alice).1, usize::from(worker == 0), "{worker}");
        assert_eq!(workers.ask(worker, "two", &other).1, usize::from(worker == 0), "{worker}");
    }
    workers.pass(10);
    assert_eq!(workers.event(2, &json!({})), 202);
    workers.pass(5);
    assert_eq!(workers.ask(2, "one", &alice).1, 1, "who has received it does so at once");
    workers.pass(LOOK);
    for worker in [0, 1, 3] {
        assert_eq!(
            workers.ask(worker, "one", &alice),
            (Verdict::Allowed, 0),
            "{worker}: as the third was told"
        );
        assert_eq!(workers.ask(worker, "two", &other), (Verdict::Allowed, 0), "{worker}: another session");
    }
    // Whoever begins now believes no older response, either.
    workers.begin();
    assert_eq!(workers.ask(4, "one", &alice).1, 0);
    assert_eq!(workers.event(4, &json!({"jti": "e2"})), 202);
    workers.pass(10);
    workers.begin();
    assert_eq!(workers.ask(5, "two", &other).1, 0);
    assert_eq!(workers.ask(5, "one", &alice).1, 1, "a new worker reads what has been revoked");
}

#[test]
fn a_worker_that_shares_nothing_else_follows_events() {
    // EVT-11
    let mut config = config();
    config["cache"]["shared"] = json!(false);
    let mut workers = Workers::new(config, 2);
    let alice = json!({"sub": "alice", "sid": "s1"});
    for worker in [0, 1] {
        assert_eq!(workers.ask(worker, "one", &alice).1, 1);
    }
    workers.pass(10);
    assert_eq!(workers.event(0, &json!({})), 202);
    workers.pass(LOOK);
    for worker in [0, 1] {
        assert_eq!(workers.ask(worker, "one", &alice).1, 1, "it asks again");
    }
}

/// The same configuration, which receives none.
fn without_events(mut config: Value) -> Value {
    config.as_object_mut().unwrap().remove("revocation");
    config["providers"]["main"].as_object_mut().unwrap().remove("jwks");
    config
}

#[test]
fn a_worker_whose_configuration_begins_to_receive_events_follows_them() {
    // EVT-11
    let mut config = config();
    config["cache"]["shared"] = json!(false);
    let alice = json!({"sub": "alice", "sid": "s1"});
    for before in [without_events(config.clone()), config.clone()] {
        let mut workers = Workers::new(before, 2);
        workers.replace(&config);
        for worker in [0, 1] {
            assert_eq!(workers.ask(worker, "one", &alice).1, 1);
        }
        workers.pass(1000);
        assert_eq!(workers.event(0, &json!({})), 202);
        workers.pass(LOOK);
        for worker in [0, 1] {
            assert_eq!(workers.ask(worker, "one", &alice).1, 1, "it asks again");
        }
    }
}

#[test]
fn an_event_whose_configuration_is_gone_has_to_be_sent_again() {
    // EVT-20
    for after in [without_events(config()), config()] {
        let mut workers = Workers::new(config(), 1);
        let head = [(":method", "POST"), (":path", "/events"), ("content-type", "application/secevent+jwt")];
        let stream = workers.all[0].begin(lines(&head));
        workers.replace(&after);
        assert_eq!(status(workers.all[0].end(stream).unwrap()), 503);
    }
}

#[test]
fn of_too_many_events_that_do_not_arrive_the_oldest_makes_room() {
    let mut workers = Workers::new(config(), 1);
    let head = [(":method", "POST"), (":path", "/events"), ("content-type", "application/secevent+jwt")];
    let streams: Vec<_> = (0..256).map(|_| workers.all[0].begin(lines(&head))).collect();
    assert!(streams.iter().all(|stream| workers.all[0].end(*stream).is_none()));
    workers.all[0].begin(lines(&head));
    assert_eq!(status(workers.all[0].end(streams[0]).unwrap()), 503);
    assert!(streams.iter().all(|stream| workers.all[0].end(*stream).is_none()));
}

#[test]
fn the_clock_of_who_pushes_an_event_may_be_a_minute_ahead() {
    // EVT-13
    let mut workers = Workers::new(config(), 1);
    let statuses =
        [60, 61].map(|ahead| workers.event(0, &json!({"jti": ahead.to_string(), "iat": NOW + ahead})));
    assert_eq!(statuses, [202, 400]);
}

#[test]
fn an_event_that_is_late_ends_what_has_been_verified_here_since() {
    // EVT-15: nobody was asked since
    let mut workers = Workers::new(config_of_jwts(), 2);
    let claims = json!({"sub": "alice", "sid": "s1", "iat": NOW, "exp": NOW + 10_000});
    let token = Token { claims: claims.as_object().unwrap().clone(), ..Token::default() }.at(NOW);
    let decide = |workers: &mut Workers, worker: usize| {
        let stream = workers.begin_request(worker, &token);
        workers.all[worker].end(stream).unwrap().outcome.decision
    };
    workers.pass(120_000);
    for worker in [0, 1] {
        assert_eq!(decide(&mut workers, worker).verdict(), Verdict::Allowed);
    }
    workers.pass(10);
    assert_eq!(workers.event(0, &json!({"iat": NOW})), 202);
    workers.pass(LOOK);
    for worker in [0, 1] {
        assert_eq!(
            decide(&mut workers, worker),
            Decision::Deny(Rejection::BadJwt { fault: JwtFault::Revoked })
        );
    }
}

#[test]
fn what_the_workers_share_counts_no_more_either() {
    // EVT-10: not for the first request after the event, and not for those that come while it waits
    let mut workers = Workers::new(config(), 2);
    let alice = json!({"sub": "alice", "sid": "s1"});
    assert_eq!(workers.ask(0, "one", &alice).1, 1);
    workers.pass(10);
    assert_eq!(workers.event(0, &json!({})), 202);
    workers.pass(LOOK);
    let streams = [0; 3].map(|_| workers.begin_request(1, "one"));
    let (call, _) = workers.all[1].call().unwrap();
    assert!(workers.all[1].call().is_none());
    for stream in streams {
        assert!(workers.all[1].end(stream).is_none(), "it waits for a newer response");
    }
    workers.all[1].reply(call, r#"{"active": false}"#);
    for stream in streams {
        let end = workers.all[1].end(stream).unwrap();
        assert_eq!(end.outcome.decision, Decision::Deny(Rejection::Inactive));
    }
}

#[test]
fn whose_tokens_an_event_is_about() {
    // EVT-12
    let uri = |name: &str| json!({format!("https://schemas.openid.net/secevent/{name}"): {}});
    let mut both = uri("caep/event-type/session-revoked");
    both["https://schemas.openid.net/secevent/risc/event-type/account-disabled"] = json!({});
    let user = json!({"format": "iss_sub", "iss": "https://as.example.com", "sub": "alice"});
    let session = |id: &str| json!({"format": "opaque", "id": id});
    let (alice_s1, alice_s2) = (json!({"sub": "alice", "sid": "s1"}), json!({"sub": "alice", "sid": "s2"}));
    let alone = json!({"sub": "alice"});
    let bob =
        json!({"sub": "bob", "sid": "s1", "client_id": "shop", "jti": "t1", "email": "bob@example.com"});
    let carol = json!({"sub": "carol"});
    let all = [&alice_s1, &alice_s2, &alone, &bob, &carol];
    #[rustfmt::skip]
    let cases = [
        ("a session",                json!({"sub_id": {"user": user, "session": session("s2")}}),             [false, true, true, false, false]),
        ("all sessions of a user",   json!({"sub_id": {"user": user, "session": session("ALL")}}),            [true, true, true, false, false]),
        ("a user's, without one",    json!({"sub_id": {"format": "complex", "user": user}}),                  [true, true, true, false, false]),
        ("a session alone",          json!({"sub_id": session("s1")}),                                        [true, false, false, true, false]),
        ("a user alone",             json!({"sub_id": user}),                                                 [true, true, true, false, false]),
        ("sub_id counts, if it is there", json!({"sub_id": null, "events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"subject": {"session": session("s2"), "user": user}}}}), [false, false, false, false, false]),
        ("another issuer's user",    json!({"sub_id": {"format": "iss_sub", "iss": "https://other.example", "sub": "alice"}}), [false; 5]),
        ("a token",                  json!({"sub_id": {"format": "jwt_id", "iss": "https://as.example.com", "jti": "t1"}}), [false, false, false, true, false]),
        ("a client",                 json!({"sub_id": {"format": "complex", "application": session("shop")}}), [false, false, false, true, false]),
        ("a client by its issuer",   json!({"sub_id": {"format": "complex", "application": {"format": "iss_sub", "iss": "https://as.example.com", "sub": "shop"}}}), [false, false, false, true, false]),
        ("an address",               json!({"sub_id": {"format": "email", "email": "bob@example.com"}}),      [false, false, false, true, false]),
        ("aliases",                  json!({"sub_id": {"format": "aliases", "identifiers": [user, {"format": "email", "email": "bob@example.com"}]}}), [true, true, true, true, false]),
        ("aliases, one of them ours", json!({"sub_id": {"format": "aliases", "identifiers": [
            {"format": "email", "email": "al@example.com"}, {"format": "email", "email": "al+2@example.com"}, {"format": "phone_number", "phone_number": "+1"}, user]}}), [true, true, true, false, false]),
        ("a session, and an address", json!({"sub_id": {"session": session("s9"), "user": {"format": "email", "email": "dan@example.com"}}}), [false; 5]),
        ("a session of aliases",     json!({"sub_id": {"session": session("s2"), "user": {"format": "aliases", "identifiers": [{"format": "email", "email": "al@example.com"}, user]}}}), [false, true, true, false, false]),
        ("a user of aliases",        json!({"sub_id": {"format": "complex", "user": {"format": "aliases", "identifiers": [user, {"format": "email", "email": "bob@example.com"}]}}}), [true, true, true, true, false]),
        ("an account, not the session besides", json!({"sub_id": {"user": user, "session": session("s2")}, "events": uri("risc/event-type/account-disabled")}), [true, true, true, false, false]),
        ("its sessions, not the one besides", json!({"sub_id": {"user": user, "session": session("s2")}, "events": uri("risc/event-type/sessions-revoked")}), [true, true, true, false, false]),
        ("a session and an account", json!({"sub_id": {"user": user, "session": session("s9")}, "events": both}), [true, true, true, false, false]),
        ("a stream is no session",   json!({"sub_id": session("s1"), "events": uri("ssf/event-type/verification")}), [false; 5]),
        ("nor is that of a user",    json!({"sub_id": session("s1"), "events": uri("risc/event-type/account-disabled")}), [false; 5]),
        ("an account",               json!({"sub_id": user, "events": uri("risc/event-type/account-disabled")}), [true, true, true, false, false]),
        ("its sessions",             json!({"sub_id": user, "events": uri("risc/event-type/sessions-revoked")}), [true, true, true, false, false]),
        ("the claims of a session",  json!({"sub_id": {"user": user, "session": session("s2")}, "events": uri("caep/event-type/token-claims-change")}), [false, true, true, false, false]),
        ("an account that is named by its session alone", json!({"sub_id": {"session": session("s2")}, "events": uri("risc/event-type/account-disabled")}), [false, true, false, false, false]),
        ("a credential",             json!({"sub_id": user, "events": uri("caep/event-type/credential-change")}), [true, true, true, false, false]),
        ("claims",                   json!({"sub_id": user, "events": uri("caep/event-type/token-claims-change")}), [true, true, true, false, false]),
        ("an unknown event",         json!({"sub_id": user, "events": uri("caep/event-type/session-presented")}), [false; 5]),
        ("members of any kind",      json!({"sub_id": user, "events": {"a": true, "b": 1, "https://schemas.openid.net/secevent/risc/event-type/account-purged": {}}}), [true, true, true, false, false]),
        ("no subject",               json!({"sub_id": {}}),                                                   [false; 5]),
    ];
    for (name, event, want) in cases {
        let mut workers = Workers::new(config(), 1);
        for (n, members) in all.iter().enumerate() {
            assert_eq!(workers.ask(0, &format!("t{n}"), members).1, 1);
        }
        workers.pass(10);
        assert_eq!(workers.event(0, &event), 202, "{name}");
        workers.pass(10);
        let asked: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(n, members)| workers.ask(0, &format!("t{n}"), members).1 == 1)
            .collect();
        assert_eq!(asked, want, "{name}");
    }
}

#[test]
fn logout_tokens_without_a_name_are_told_apart() {
    // EVT-05, EVT-13
    let mut workers = Workers::new(config(), 1);
    for user in ["alice", "bob"] {
        let members = json!({"sub": user});
        assert_eq!(workers.ask(0, user, &members).1, 1);
        workers.pass(10);
        let claims = json!({
            "aud": "receiver", "iat": "$now", "exp": "$now+120", "sub": user,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        let token = signed("logout+jwt", claims).at(workers.millis / 1000);
        let form = "application/x-www-form-urlencoded";
        let stream = workers.push(0, form, &format!("logout_token={token}"));
        assert_eq!(status(workers.all[0].end(stream).unwrap()), 200);
        workers.pass(10);
        assert_eq!(workers.ask(0, user, &members).1, 1, "{user} is asked about again");
    }
}

#[test]
fn a_logout_token_without_a_name_counts_once_however_it_is_written() {
    // EVT-13: nobody can fill the memory with one that he has seen
    let mut workers = Workers::new(config(), 1);
    let claims = json!({
        "aud": "receiver", "iat": "$now", "exp": "$now+120", "sid": "s1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    let token = signed("logout+jwt", claims).at(workers.millis / 1000);
    for spelling in ["", "+", "++", "%09", "%0A+"] {
        for body in [format!("logout_token={spelling}{token}"), format!("logout_token={token}{spelling}")] {
            let stream = workers.push(0, "application/x-www-form-urlencoded", &body);
            assert_eq!(status(workers.all[0].end(stream).unwrap()), 200, "{spelling:?}");
        }
    }
    let counts = &workers.all[0].counts;
    assert_eq!(
        (counts["tollgate.revocation.events.applied"], counts["tollgate.revocation.events.repeated"]),
        (1, 9)
    );
}

#[test]
fn an_event_about_something_long_ago_counts_for_what_was_asked_for_until_it_was_said() {
    // EVT-13: the server itself may have learned of it only then, and has called the token active since
    for ago in [120, 600, 5000] {
        let mut workers = Workers::new(config(), 1);
        let alice = json!({"sub": "alice", "sid": "s1"});
        assert_eq!(workers.ask(0, "one", &alice).1, 1);
        workers.pass(1000);
        let name = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
        let event = json!({"events": {name: {"event_timestamp": NOW - ago}}});
        assert_eq!(workers.event(0, &event), 202);
        workers.pass(10);
        assert_eq!(workers.ask(0, "one", &alice).1, 1, "{ago}: it is asked about again");
    }
}

#[test]
fn an_event_that_is_late_throws_no_newer_response_away() {
    // EVT-13
    let mut workers = Workers::new(config(), 1);
    let alice = json!({"sub": "alice", "sid": "s1"});
    let at = workers.millis / 1000;
    assert_eq!(workers.ask(0, "one", &alice).1, 1);
    workers.pass(120_000);
    let late = |jti: &str| json!({"jti": jti, "iat": at});
    assert_eq!(workers.event(0, &late("e1")), 202);
    assert_eq!(workers.ask(0, "one", &alice).1, 1, "it was asked for before");
    for jti in ["e1", "e2", "e3"] {
        assert_eq!(workers.event(0, &late(jti)), 202);
        assert_eq!(workers.ask(0, "one", &alice).1, 0, "{jti}: and now since");
    }
    // A second one of the same time is another event; the same one again is nothing.
    let counts = &workers.all[0].counts;
    assert_eq!(counts["tollgate.revocation.events.applied"], 3);
    assert_eq!(counts["tollgate.revocation.events.repeated"], 1);
}

#[test]
fn a_worker_that_waits_for_the_cpu_keeps_nothing_from_before_an_event() {
    // EVT-10: it waits after each reading of a clock, for longer than the event came after the call, and not so long
    // that the clock seems to have been set back
    let mut workers = Workers::new(config(), 2);
    let alice = json!({"sub": "alice", "sid": "s1"});
    assert_eq!(workers.ask(1, "token", &alice), (Verdict::Allowed, 1));
    workers.pass_without_ticks(20);
    assert_eq!(workers.event(0, &json!({})), 202);
    workers.pass_without_ticks(LOOK);
    workers.all[1].starved = Duration::from_millis(40);
    workers.all[1].tick();
    workers.all[1].starved = Duration::ZERO;
    workers.pass(1000);
    assert_eq!(workers.ask(1, "token", &alice), (Verdict::Allowed, 1), "it is asked about again");
}

#[test]
fn a_response_that_an_event_overtakes_counts_no_more() {
    // EVT-14
    let alice = json!({"sub": "alice", "sid": "s1"});
    let mut workers = Workers::new(config(), 2);
    let streams = [0, 1].map(|worker| workers.begin_request(worker, "one"));
    let (first, _) = workers.all[0].call().unwrap();
    workers.pass(20);
    assert_eq!(workers.event(0, &json!({})), 202);
    workers.pass(20);
    workers.all[0].reply(first, &active(&alice));
    assert!(workers.all[0].end(streams[0]).is_none(), "it was asked for before");
    let (second, _) = workers.all[0].call().unwrap();
    workers.pass(20);
    workers.all[0].reply(second, r#"{"active": false}"#);
    let end = workers.all[0].end(streams[0]).unwrap();
    assert_eq!(end.outcome.decision, Decision::Deny(Rejection::Inactive));
    workers.pass(300);
    assert_eq!(workers.all[1].end(streams[1]).unwrap().outcome.decision, Decision::Deny(Rejection::Inactive));
}

#[test]
fn a_response_that_an_event_overtakes_counts_no_more_although_the_clock_is_set_back_meanwhile() {
    // EVT-14: by the clock as it goes now, the call was made after the event
    let alice = json!({"sub": "alice", "sid": "s1"});
    for entries in [100, 0] {
        let mut config = config();
        config["cache"]["max_entries"] = json!(entries);
        let mut workers = Workers::new(config, 2);
        let stream = workers.begin_request(1, "one");
        let (call, _) = workers.all[1].call().unwrap();
        workers.pass(20);
        assert_eq!(workers.event(0, &json!({})), 202);
        workers.millis -= 7000;
        workers.pass(0);
        workers.pass(7500);
        workers.all[1].reply(call, &active(&alice));
        assert!(workers.all[1].end(stream).is_none(), "{entries}: it was asked for before");
        let (second, _) = workers.all[1].next_call().unwrap();
        workers.all[1].reply(second, r#"{"active": false}"#);
        let end = workers.all[1].end(stream).unwrap();
        assert_eq!(end.outcome.decision, Decision::Deny(Rejection::Inactive), "{entries}");
    }
}

#[test]
fn a_response_that_an_event_has_overtaken_is_not_cached() {
    // EVT-14
    let alice = json!({"sub": "alice", "sid": "s1"});
    let mut workers = Workers::new(config(), 1);
    let stream = workers.begin_request(0, "one");
    let (first, _) = workers.all[0].call().unwrap();
    workers.pass(20);
    assert_eq!(workers.event(0, &json!({})), 202);
    workers.pass(20);
    workers.all[0].reply(first, &active(&alice));
    while let Some((call, _)) = workers.all[0].next_call() {
        workers.all[0].respond(call, CallOutcome::Failed);
    }
    assert_ne!(workers.all[0].end(stream).unwrap().outcome.decision.verdict(), Verdict::Allowed);
    let later = workers.begin_request(0, "one");
    assert!(workers.all[0].end(later).is_none_or(|end| end.outcome.decision.verdict() != Verdict::Allowed));
}

#[test]
fn a_storm_of_events_lets_nobody_in_and_nobody_wait() {
    // EVT-14
    let alice = json!({"sub": "alice", "sid": "s1"});
    let mut workers = Workers::new(config(), 1);
    let stream = workers.begin_request(0, "one");
    for n in 0..3 {
        let (call, _) = workers.all[0].call().unwrap();
        workers.pass(20);
        assert_eq!(workers.event(0, &json!({"jti": n.to_string()})), 202);
        workers.pass(20);
        workers.all[0].reply(call, &active(&alice));
    }
    let failure = Rejection::NoAnswer { cause: NoAnswer::Overtaken, retry_after: None };
    assert_eq!(workers.all[0].end(stream).unwrap().outcome.decision, Decision::Deny(failure));
    assert!(workers.all[0].call().is_none());
}

#[test]
fn tokens_that_nobody_is_asked_about_are_rejected_up_to_the_event() {
    // EVT-15
    let mut config = config_of_jwts();
    config["revocation"]["remember"] = json!("10m");
    let mut workers = Workers::new(config.clone(), 2);
    let token =
        |claims: Value| Token { claims: claims.as_object().unwrap().clone(), ..Token::default() }.at(NOW);
    let end = NOW + 10_000;
    let alice = json!({"sub": "alice", "sid": "s1", "iat": NOW, "exp": end});
    let old = token(alice.clone());
    let other = token(json!({"sub": "alice", "sid": "s2", "iat": NOW, "exp": end}));
    let decide = |workers: &mut Workers, worker: usize, token: &str| {
        let stream = workers.begin_request(worker, token);
        workers.all[worker].end(stream).unwrap().outcome.decision
    };
    let revoked = Decision::Deny(Rejection::BadJwt { fault: JwtFault::Revoked });
    for worker in [0, 1] {
        assert_eq!(decide(&mut workers, worker, &old).verdict(), Verdict::Allowed);
    }
    workers.pass(10);
    assert_eq!(workers.event(0, &json!({"iat": NOW})), 202, "equal seconds");
    workers.pass(LOOK);
    for worker in [0, 1] {
        assert_eq!(decide(&mut workers, worker, &old), revoked);
        assert_eq!(decide(&mut workers, worker, &other).verdict(), Verdict::Allowed, "another session");
        let new = token(json!({"sub": "alice", "sid": "s1", "iat": NOW + 1, "exp": end}));
        assert_eq!(decide(&mut workers, worker, &new).verdict(), Verdict::Allowed, "issued since");
    }
    workers.begin();
    assert_eq!(decide(&mut workers, 2, &old), revoked, "a new worker knows");
    // That a credential has changed ends no token.
    let credential = json!({"jti": "e9", "iat": "$now", "sub_id": {"format": "iss_sub", "iss": "https://as.example.com", "sub": "alice"},
        "events": {"https://schemas.openid.net/secevent/caep/event-type/credential-change": {}}});
    assert_eq!(workers.event(0, &credential), 202);
    assert_eq!(decide(&mut workers, 0, &other).verdict(), Verdict::Allowed);
    workers.pass(9 * 60 * 1000);
    assert_eq!(decide(&mut workers, 1, &old), revoked, "as long as tokens live, whatever is cached");
    workers.pass(10 * 60 * 1000);
    assert_eq!(decide(&mut workers, 1, &old).verdict(), Verdict::Allowed, "remember is what it says");
    // An event that comes late ends what was issued before it, although that was verified and cached since.
    let mut workers = Workers::new(config, 1);
    workers.pass(90_000);
    assert_eq!(decide(&mut workers, 0, &old).verdict(), Verdict::Allowed);
    workers.pass(30_000);
    assert_eq!(workers.event(0, &json!({"iat": NOW})), 202);
    assert_eq!(decide(&mut workers, 0, &old), revoked, "verified since");
}

#[test]
fn an_issuer_that_is_two_providers_has_one_session() {
    // EVT-12
    let mut config = config();
    let opaque = config["providers"]["main"].clone();
    let mut jwts = config_of_jwts()["providers"]["main"].clone();
    jwts["typ"] = json!("any");
    config["providers"] = json!({"jwts": jwts, "opaque": opaque});
    config["provider_order"] = json!(["opaque"]);
    for provider in ["jwts", "opaque"] {
        config["providers"]["opaque"].as_object_mut().unwrap().remove("jwks");
        config["providers"][provider]["jwks"] = json!({"inline": keys()});
        config["revocation"]["events"][0]["provider"] = json!(provider);
        let mut workers = Workers::new(config.clone(), 1);
        let alice = json!({"sub": "alice", "sid": "s1", "iat": NOW});
        let jwt = Token { claims: alice.as_object().unwrap().clone(), ..Token::default() }.at(NOW);
        assert_eq!(workers.ask(0, "opaque", &alice), (Verdict::Allowed, 1));
        assert_eq!(workers.ask(0, &jwt, &alice), (Verdict::Allowed, 0));
        workers.pass(10);
        assert_eq!(workers.event(0, &json!({})), 202);
        workers.pass(10);
        assert_eq!(workers.ask(0, "opaque", &alice), (Verdict::Allowed, 1), "{provider}");
        assert_eq!(workers.ask(0, &jwt, &alice), (Verdict::InvalidToken, 0), "{provider}");
    }
}

#[test]
fn keys_that_verify_events_alone_change_nothing_that_is_cached() {
    let mut config = with_keys_elsewhere(config());
    config["cache"]["ttl"] = json!("1h");
    let mut workers = Workers::new(config, 2);
    let fetch = |workers: &mut Workers, keys: &Value| {
        for worker in &mut workers.all {
            let (id, call) = worker.call().unwrap();
            assert_eq!(call.cluster(), "keys");
            worker.reply(id, &keys.to_string());
        }
    };
    fetch(&mut workers, &keys());
    let alice = json!({"sub": "alice", "sid": "s1"});
    assert_eq!(workers.ask(0, "one", &alice).1, 1);
    workers.pass(300_000);
    let other = json!({"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    fetch(&mut workers, &json!({"keys": [other]}));
    assert_eq!((workers.ask(0, "one", &alice).1, workers.ask(1, "one", &alice).1), (0, 0));
}

#[test]
fn keys_that_are_not_there_are_fetched_within_the_second() {
    // EVT-20
    let config = with_keys_elsewhere(config());
    for (name, after, reply, want) in [
        ("in time", 300, Some(keys()), 202),
        (
            "other keys",
            300,
            Some(
                json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}),
            ),
            400,
        ),
        ("no response", 300, None, 503),
        ("too late", 900, Some(keys()), 503),
    ] {
        let mut workers = Workers::new(config.clone(), 1);
        let event = security_event(&json!({})).at(NOW);
        let stream = workers.push(0, "application/secevent+jwt", &event);
        workers.pass(after);
        while let Some((id, call)) = workers.all[0].call() {
            assert_eq!(call.cluster(), "keys");
            match &reply {
                Some(keys) => workers.all[0].reply(id, &keys.to_string()),
                None => workers.all[0].respond(id, CallOutcome::Failed),
            }
            // What has no response is repeated once.
            workers.all[0].tick();
        }
        assert_eq!(status(workers.all[0].end(stream).unwrap()), want, "{name}");
    }
    // A new key: one early call for it, and not for each event.
    let mut workers = Workers::new(config, 1);
    let (id, _) = workers.all[0].call().unwrap();
    workers.all[0].reply(id, &json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}).to_string());
    workers.pass(5000);
    let event = security_event(&json!({})).at(NOW + 5);
    let streams = [0; 3].map(|_| workers.push(0, "application/secevent+jwt", &event));
    workers.pass(1);
    let (id, _) = workers.all[0].call().unwrap();
    assert!(workers.all[0].call().is_none());
    workers.all[0].reply(id, &keys().to_string());
    let ends = streams.map(|stream| status(workers.all[0].end(stream).unwrap()));
    assert_eq!(ends, [202; 3]);
    let mut calls = 0;
    for n in 0..100 {
        workers.pass(100);
        let strange = security_event(&json!({"header": {"kid": n.to_string()}})).at(NOW + 5);
        workers.push(0, "application/secevent+jwt", &strange);
        while let Some((id, _)) = workers.all[0].call() {
            calls += 1;
            workers.all[0].reply(id, &keys().to_string());
        }
    }
    assert!(calls <= 4, "{calls} calls for names of keys that nobody has");
}
