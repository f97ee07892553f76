//! Who waits for a call: how many, for whom, and until when.

use std::time::Duration;

use serde_json::json;
use tollgate_cases::driver::{Driver, Together, lines};
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::{Decision, NoAnswer, Rejection, Verdict};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::outcome::CallOutcome;

use super::World;
use crate::second::Both;

const ACTIVE: &str = r#"{"active": true, "exp": 5000}"#;
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn crowded() -> Decision {
    Decision::Deny(Rejection::NoAnswer { cause: NoAnswer::Crowded, retry_after: None })
}

/// How a request has ended; `None`: it waits.
fn decision(world: &mut World, stream: StreamId) -> Option<Decision> {
    world.driver.end(stream).map(|end| end.outcome.decision)
}

fn verdict(world: &mut World, stream: StreamId) -> Option<Verdict> {
    decision(world, stream).map(|decision| decision.verdict())
}

#[test]
fn so_many_requests_wait_and_whoever_leaves_makes_room() {
    // INT-32
    let mut world = World::new(&json!({}));
    let all: Vec<_> = (0..8192).map(|n| world.request("/", ["one", "two"][n % 2])).collect();
    for token in ["one", "three"] {
        let more = world.request("/", token);
        assert_eq!(decision(&mut world, more), Some(crowded()), "{token}");
    }
    for stream in &all[..8000] {
        world.driver.leave(*stream);
    }
    for (n, want) in (0..8001).map(|n| (n, if n < 8000 { None } else { Some(crowded()) })) {
        let instead = world.request("/", "three");
        assert_eq!(decision(&mut world, instead), want, "{n}");
    }
}

#[test]
fn so_many_forms_are_waited_for() {
    let mut world = World::new(&json!({"token": {"from_form": true}}));
    let begin = |world: &mut World| world.driver.begin(lines(&[(":method", "POST"), (":path", "/"), FORM]));
    let all: Vec<_> = (0..1024).map(|_| begin(&mut world)).collect();
    let more = begin(&mut world);
    assert_eq!(decision(&mut world, more), Some(crowded()));
    assert!(all.iter().all(|stream| world.driver.end(*stream).is_none()), "those wait");
    world.driver.leave(all[7]);
    for want in [None, Some(crowded())] {
        let instead = begin(&mut world);
        assert_eq!(decision(&mut world, instead), want);
    }
}

#[test]
fn a_form_that_comes_when_another_configuration_counts_is_not_read() {
    let config = json!({"token": {"from_form": true}});
    let mut world = World::new(&config);
    let stream = world.driver.begin(lines(&[(":method", "POST"), (":path", "/"), FORM]));
    world.replace(&config);
    world.driver.body(stream, b"access_token=one");
    assert_eq!(verdict(&mut world, stream), Some(Verdict::Unavailable));
    assert!(world.driver.call().is_none(), "nobody is asked");
}

#[test]
fn a_form_without_its_token_is_as_long_as_its_head_says() {
    let config = json!({"token": {"from_form": true, "forward": false}});
    let mut world = World::new(&config);
    let body = b"a=b&access_token=one";
    let length = body.len().to_string();
    let head = lines(&[(":method", "POST"), (":path", "/"), FORM, ("content-length", &length)]);
    let end = world.driver.decide(head, Some(body), |_| ACTIVE.to_owned());
    assert_eq!(end.outcome.decision, Decision::Allow(Verdict::Allowed));
    let grant = &end.outcome.grant;
    assert_eq!(grant.body.as_deref(), Some(&b"a=b"[..]));
    assert!(grant.set.contains(&("content-length".to_owned(), b"3".to_vec())), "{:?}", grant.set);
}

#[test]
fn who_waits_for_another_worker_looks_again_whatever_else_there_is_to_do() {
    // INT-32: ticks that come sooner, and things that are due later
    let store = Together::default();
    let config = json!({"token": {"from_form": true}});
    let [mut this, mut other] = [(); 2].map(|()| World::sharing(&config, true, Box::new(store.clone())));
    other.request("/", "one");
    let (call, _) = other.driver.call().expect("nobody is asked");
    let waits = this.request("/", "one");
    this.driver.begin(lines(&[(":method", "POST"), (":path", "/"), FORM]));
    assert!(this.driver.call().is_none());
    for _ in 0..2 {
        this.driver.tick();
    }
    assert_eq!(verdict(&mut this, waits), None);
    other.driver.reply(call, ACTIVE);
    this.driver.sleep(Duration::from_millis(500));
    assert_eq!(verdict(&mut this, waits), Some(Verdict::Allowed));
}

#[test]
fn nobody_waits_for_one_worker_after_the_other() {
    // INT-32: as long as one of them may take, and then it asks itself
    let store = Together::default();
    let config = json!({"providers": {"main": {"introspection": {"timeout": "2s"}}}});
    let [mut first, mut this, mut third] =
        [(); 3].map(|()| World::sharing(&config, true, Box::new(store.clone())));
    first.request("/", "one");
    assert!(first.driver.call().is_some());
    this.now = 1001;
    let waits = this.request("/", "one");
    assert!(this.driver.call().is_none(), "it waits for the first");
    third.now = 1003;
    third.request("/", "one");
    assert!(third.driver.call().is_some(), "the first has had its time");
    this.driver.set_clock(UnixTime::from_secs(1004));
    this.driver.tick();
    let (call, _) = this.driver.call().expect("it has waited for long enough");
    this.driver.reply(call, ACTIVE);
    assert_eq!(verdict(&mut this, waits), Some(Verdict::Allowed));
}

#[test]
fn a_call_that_nobody_waits_for_any_more_keeps_nobody_from_the_next() {
    // Also after a pause, when calls are made one at a time.
    let retry = json!({"providers": {"main": {"introspection": {"retries": 1}}}});
    let mut world = World::new(&retry);
    for _ in 0..3 {
        world.request("/", "one");
        while let Some((call, _)) = world.driver.next_call() {
            world.driver.respond(call, CallOutcome::Failed);
        }
    }
    for turn in 1..3 {
        world.now = 1000 + 10 * turn;
        let leaves = world.request("/", "one");
        let (call, _) = world.driver.call().expect("the pause is over");
        world.driver.respond(call, CallOutcome::Failed);
        assert!(world.driver.call().is_none(), "the second call is made a little later");
        world.driver.leave(leaves);
        world.driver.sleep(Duration::from_secs(1));
        assert!(world.driver.call().is_none(), "nobody waits for the second call");
    }
    world.now = 1030;
    let stream = world.request("/", "one");
    let (call, _) = world.driver.call().expect("calls are made again");
    world.driver.reply(call, ACTIVE);
    assert_eq!(verdict(&mut world, stream), Some(Verdict::Allowed));
}

#[test]
fn whoever_signs_slowly_asks_seldom() {
    // However many tokens clients send: some calls at once, and then a few in a second.
    let auth = json!({
        "method": "private_key_jwt", "client_id": "id", "private_key_env": "KEY", "algorithm": "PS256",
        "audience": "https://as.example.com",
    });
    let config =
        World::config(&json!({"providers": {"main": {"introspection": {"client_auth": auth}}}}), false);
    let key = include_str!("../../keys/rsa.pem");
    let policy = tollgate_config::policy_of(&config, &|_| Some(key.to_owned())).unwrap();
    let driver = Driver::new(policy, Ports::new([1, 2], &Both), UnixTime::from_secs(1000));
    let mut world = World { driver, now: 1000 };
    let unsigned = Decision::Deny(Rejection::NoAnswer { cause: NoAnswer::Unsigned, retry_after: None });
    let mut calls = 0;
    for n in 0..30 {
        let stream = world.request("/", &format!("t-{n}"));
        match world.driver.call() {
            Some(_) => calls += 1,
            None => assert_eq!(decision(&mut world, stream).as_ref(), Some(&unsigned), "{n}"),
        }
    }
    assert!((16..=17).contains(&calls), "{calls}");
    world.now = 1001;
    world.request("/", "one");
    assert!(world.driver.call().is_some(), "a second later");
}
