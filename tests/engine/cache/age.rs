//! `requires.max_cache_age`: how old a cached response may be that lets a request pass.

use serde_json::{Value, json};
use tollgate_cases::driver::Together;
use tollgate_engine::base::store::Own;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::{Decision, Verdict};
use tollgate_engine::enforcer::outcome::Source;

use super::{EXP, World, merge};

/// Refunds ask, reads may be five minutes old, and everything else is cached for half an hour.
fn rules(more: &Value) -> Value {
    let mut config = json!({
        "cache": {"ttl": "30m", "ttl_jitter": 0, "refresh_ahead": "0s"},
        "rules": [
            {"match": {"path": "/refunds"}, "requires": {"max_cache_age": "0s"}},
            {"match": {"path": "/reads"}, "requires": {"max_cache_age": "5m"}},
        ],
    });
    merge(&mut config, more);
    config
}

fn active() -> Value {
    json!({"active": true, "exp": EXP})
}

#[test]
fn refunds_ask_and_reads_may_be_five_minutes_old() {
    let mut world = World::new(&rules(&json!({})));
    assert_eq!(world.ask("/reads", "one", &active()), Decision::Allow(Verdict::Allowed));
    #[rustfmt::skip]
    let cases = [
        ("/refunds", 1000, false), ("/reads", 1000, true), ("/", 1000, true),
        ("/refunds", 1299, false), ("/reads", 1299, true), ("/", 1299, true),
        ("/refunds", 1300, false), ("/reads", 1300, false), ("/", 1300, true), ("/", 2799, true), ("/", 2800, false),
    ];
    for (path, now, is_cached) in cases {
        world.now = now;
        let outcome = world.begin(path, "one");
        assert_eq!(outcome.map(|one| one.source), is_cached.then_some(Source::Memory), "{path} at {now}");
    }
}

#[test]
fn what_a_rule_has_asked_for_is_cached_for_all() {
    let mut world = World::new(&rules(&json!({})));
    for now in [1000, 1001, 1400] {
        world.now = now;
        let outcome = world.asked("/refunds", "one", Some(&active()));
        assert_eq!((outcome.decision.verdict(), outcome.source), (Verdict::Allowed, Source::Answer), "{now}");
        assert_eq!(world.remembered("/reads", "one").source, Source::Memory, "{now}");
    }
    world.now = 1500;
    assert_eq!(world.ask("/refunds", "one", &json!({"active": false})).verdict(), Verdict::InvalidToken);
    for path in ["/refunds", "/reads", "/"] {
        let outcome = world.remembered(path, "one");
        let found = (outcome.decision.verdict(), outcome.source);
        assert_eq!(found, (Verdict::InvalidToken, Source::Memory), "{path}: what rejects may be old");
    }
}

#[test]
fn the_stricter_of_two_readings_counts() {
    // Rules that differ in letter case only: what would hold without the rule holds, too.
    let age = |of: Option<&str>| of.map_or_else(|| json!({}), |age| json!({"max_cache_age": age}));
    #[rustfmt::skip]
    let cases = [
        (Some("5m"), Some("0s"), 1001, false), (Some("0s"), Some("5m"), 1001, false), (None, Some("0s"), 1001, false),
        (Some("0s"), None, 1001, false), (Some("5m"), Some("1m"), 1061, false), (Some("5m"), Some("1m"), 1059, true),
    ];
    for (rule, besides, now, is_cached) in cases {
        let mut world = World::new(&json!({
            "cache": {"ttl": "30m", "ttl_jitter": 0},
            "requires": age(besides),
            "rules": [{"match": {"path": "/refunds"}, "requires": age(rule)}],
        }));
        world.ask("/REFUNDS", "one", &active());
        world.now = now;
        let outcome = world.begin("/REFUNDS", "one");
        assert_eq!(outcome.is_some(), is_cached, "{rule:?} and {besides:?}");
    }
}

#[test]
fn what_another_worker_was_told_may_be_too_old() {
    let store = Together::default();
    let config = rules(&json!({}));
    let [mut this, mut other] = [(); 2].map(|()| World::sharing(&config, true, Box::new(store.clone())));
    other.ask("/", "one", &active());
    for (path, now, is_shared) in [
        ("/refunds", 1000, false),
        ("/refunds", 1010, false),
        ("/reads", 1299, true),
        ("/reads", 1300, false),
    ] {
        this.now = now;
        assert_eq!(this.begin(path, "one").is_some(), is_shared, "{path} at {now}");
    }
    // It asks for all of them.
    this.now = 1400;
    assert_eq!(this.ask("/refunds", "one", &active()).verdict(), Verdict::Allowed);
    other.now = 1401;
    assert_eq!(other.begin("/reads", "one").map(|one| one.source), Some(Source::Answer));
}

#[test]
fn a_response_that_another_worker_waits_for_is_too_old_if_it_was_asked_for_before() {
    let store = Together::default();
    let config = rules(&json!({}));
    let [mut this, mut other] = [(); 2].map(|()| World::sharing(&config, true, Box::new(store.clone())));
    let first = other.request("/", "one");
    let (call, _) = other.driver.call().expect("nobody is asked");
    this.now = 1001;
    let refund = this.request("/refunds", "one");
    assert!(this.driver.call().is_none(), "it waits for the other worker");
    other.now = 1001;
    other.driver.reply(call, &active().to_string());
    assert_eq!(other.driver.end(first).unwrap().outcome.decision.verdict(), Verdict::Allowed);
    let (call, _) = this.driver.next_call().expect("it asks by itself");
    this.driver.reply(call, r#"{"active": false}"#);
    assert_eq!(this.driver.end(refund).unwrap().outcome.decision.verdict(), Verdict::InvalidToken);
}

#[test]
fn a_clock_that_is_set_back_makes_no_response_young() {
    let mut world = World::new(&rules(&json!({})));
    let read = world.request("/", "one");
    let (call, _) = world.driver.call().expect("nobody is asked");
    // By the clock as it goes now, the call was made after the request has come.
    world.now = 995;
    let refund = world.request("/refunds", "one");
    world.driver.set_clock(UnixTime::from_secs(1001));
    world.driver.reply(call, &active().to_string());
    assert_eq!(world.driver.end(read).unwrap().outcome.decision.verdict(), Verdict::Allowed);
    let (call, _) = world.driver.next_call().expect("that response was asked for before it came");
    world.driver.reply(call, r#"{"active": false}"#);
    assert_eq!(world.driver.end(refund).unwrap().outcome.decision.verdict(), Verdict::InvalidToken);
}

#[test]
fn requests_that_wait_at_the_same_time_share_the_next_call() {
    let mut world = World::new(&rules(&json!({})));
    let read = world.request("/reads", "one");
    let (call, _) = world.driver.call().expect("nobody is asked");
    world.now = 1001;
    let refunds = [world.request("/refunds", "one"), world.request("/refunds", "one")];
    assert!(world.driver.call().is_none(), "one call at a time");
    world.driver.reply(call, &active().to_string());
    assert_eq!(world.driver.end(read).unwrap().outcome.decision.verdict(), Verdict::Allowed);
    let (call, _) = world.driver.call().expect("that response was asked for before they came");
    // One more comes, and is too late for this one.
    world.now = 1002;
    let late = world.request("/refunds", "one");
    world.driver.reply(call, &active().to_string());
    for refund in refunds {
        assert_eq!(world.driver.end(refund).unwrap().outcome.decision.verdict(), Verdict::Allowed);
    }
    let (call, _) = world.driver.call().expect("the late one asks");
    world.driver.reply(call, r#"{"active": false}"#);
    assert_eq!(world.driver.end(late).unwrap().outcome.decision.verdict(), Verdict::InvalidToken);
    assert!(world.driver.call().is_none());
}

#[test]
fn requests_that_come_in_the_same_moment_share_a_call_that_is_made_after_them() {
    let mut world = World::new(&rules(&json!({})));
    let all = [
        world.request("/refunds", "one"),
        world.request("/refunds", "one"),
        world.request("/refunds", "one"),
    ];
    let mut calls = 0;
    while let Some((call, _)) = world.driver.call() {
        calls += 1;
        world.driver.reply(call, &active().to_string());
    }
    assert_eq!(calls, 2, "one for the first, one for all others");
    for stream in all {
        assert_eq!(world.driver.end(stream).unwrap().outcome.decision.verdict(), Verdict::Allowed);
    }
}

#[test]
fn a_stale_response_is_too_old_for_every_age() {
    let config = rules(&json!({"cache": {"ttl": "10s", "stale_if_error": "10m"}}));
    for (path, want) in
        [("/", Verdict::Allowed), ("/reads", Verdict::Unavailable), ("/refunds", Verdict::Unavailable)]
    {
        let mut world = World::new(&config);
        world.ask("/", "one", &active());
        world.now = 1020;
        assert_eq!(world.asked(path, "one", None).decision.verdict(), want, "{path}");
    }
    // One that is fresh, but too old, does not stand in either.
    let mut world = World::new(&rules(&json!({})));
    world.ask("/", "one", &active());
    world.now = 1301;
    assert_eq!(world.asked("/reads", "one", None).decision.verdict(), Verdict::Unavailable);
}

#[test]
fn a_refresh_that_is_under_way_is_too_old_as_well() {
    let mut world = World::new(&rules(&json!({"cache": {"ttl": "100s", "refresh_ahead": "30s"}})));
    world.ask("/", "one", &active());
    world.now = 1080;
    assert_eq!(world.remembered("/", "one").source, Source::Memory);
    world.driver.tick();
    let (call, _) = world.driver.call().expect("it is refreshed");
    world.now = 1081;
    let refund = world.request("/refunds", "one");
    world.driver.reply(call, &active().to_string());
    let (call, _) = world.driver.call().expect("it was asked for before");
    world.driver.reply(call, r#"{"active": false}"#);
    assert_eq!(world.driver.end(refund).unwrap().outcome.decision.verdict(), Verdict::InvalidToken);
}

#[test]
fn a_call_that_is_under_way_when_a_token_is_to_be_refreshed_is_the_only_one() {
    let mut world = World::new(&rules(&json!({"cache": {"ttl": "100s", "refresh_ahead": "30s"}})));
    world.ask("/", "one", &active());
    world.now = 1080;
    assert_eq!(world.remembered("/", "one").source, Source::Memory, "it is to be refreshed");
    let refund = world.request("/refunds", "one");
    let (call, _) = world.driver.call().expect("it asks at once");
    world.driver.tick();
    assert!(world.driver.call().is_none(), "one call at a time");
    world.driver.reply(call, r#"{"active": false}"#);
    assert_eq!(world.driver.end(refund).unwrap().outcome.decision.verdict(), Verdict::InvalidToken);
}

#[test]
fn without_a_cache_every_request_asks_anyway() {
    let mut world = World::with(
        &json!({
            "providers": {"main": {"introspection":
                {"uri": "https://as/i", "cluster": "as", "client_auth": {"method": "none"}, "retries": 0}}},
            "cache": {"max_entries": 0},
            "requires": {"max_cache_age": "0s"},
        }),
        Box::<Own>::default(),
    );
    for _ in 0..2 {
        assert_eq!(world.ask("/", "one", &active()).verdict(), Verdict::Allowed);
    }
}
