//! Every counter is counted somewhere: each scenario names the counters that it raises, and together they raise all.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, Together, lines};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::worker::counts::{Counter, Metric};
use tollgate_engine::worker::series::{MAX_PROVIDERS, MAX_RULES};

use crate::events::Workers;
use crate::second::Both;

#[test]
fn every_counter_is_counted() {
    let mut seen = BTreeSet::new();
    for (name, run, counted) in SCENARIOS {
        let counts = run();
        for metric in counted {
            let counter = Counter::Of(*metric).name();
            assert!(counts.contains_key(&*counter), "{name}: {counter} is not in {counts:?}");
            seen.insert(metric.name());
        }
    }
    let unseen: Vec<_> =
        Metric::ALL.iter().map(|metric| metric.name()).filter(|name| !seen.contains(name)).collect();
    assert!(unseen.is_empty(), "no scenario in tests/engine/counts.rs raises {}", unseen.join(", "));
}

/// What is measured by rule, provider and list, with the names that Envoy's `stats_tags` take apart.
#[test]
fn everything_else_is_told_once_a_second() {
    let rules = json!({"rules": [
        {"name": "health.check", "match": {"path": "/health"}, "access": "anonymous"},
        {"name": "orders", "match": {"prefix": "/orders"}},
    ]});
    let mut driver = driver(&rules);
    ask(&mut driver, "/orders", Some(ACTIVE));
    for path in ["/health", "/health", "/orders", "/other"] {
        request(&mut driver, path);
    }
    let told = |driver: &Driver| driver.measured.keys().any(|name| name.contains("requests_total"));
    assert!(!told(&driver), "{:?}", driver.measured);
    driver.tick();
    let want = [
        ("tollgate.introspection.in_flight", 0),
        ("tollgate.provider=.=main;.;introspection.duration_milliseconds", 0),
        ("tollgate.verdict=.=allowed;.;provider=.=main;.;rule=.=-;.;requests_total", 1),
        ("tollgate.verdict=.=allowed;.;provider=.=main;.;rule=.=orders;.;requests_total", 2),
        ("tollgate.verdict=.=anonymous;.;provider=.=-;.;rule=.=health.check;.;requests_total", 2),
    ];
    assert_eq!(measured(&driver), want);
}

#[test]
fn what_is_counted_is_told_within_a_second_although_nothing_else_happens() {
    let mut driver =
        driver(&json!({"rules": [{"name": "a", "match": {"prefix": "/"}, "access": "anonymous"}]}));
    let name = "tollgate.verdict=.=anonymous;.;provider=.=-;.;rule=.=a;.;requests_total";
    for n in 1..4 {
        request(&mut driver, "/");
        driver.sleep(Duration::from_secs(1));
        assert_eq!(driver.measured.get(name), Some(&n));
        driver.sleep(Duration::from_secs(5));
    }
}

#[test]
fn what_shadow_mode_does_not_reject_is_counted_apart() {
    let mut driver = driver(&json!({"mode": "shadow", "rules": [{"name": "all", "match": {"prefix": "/"}}]}));
    let head = [(":method", "GET"), (":path", "/"), ("authorization", "Bearer one")];
    let end = driver.decide(lines(&head), None, |_| INACTIVE.to_owned());
    assert!(end.answer.is_none(), "it passes");
    driver.tick();
    let name = "tollgate.verdict=.=invalid_token;.;provider=.=main;.;rule=.=all;.;shadow_total";
    assert_eq!(driver.measured.get(name), Some(&1), "{:?}", driver.measured);
    for (mode, reply, want) in [
        ("shadow", INACTIVE, "tollgate.shadow.invalid_token"),
        ("shadow", ACTIVE, "tollgate.verdict.allowed"),
        ("enforce", INACTIVE, "tollgate.verdict.invalid_token"),
        ("enforce", ACTIVE, "tollgate.verdict.allowed"),
    ] {
        let mut driver = self::driver(&json!({"mode": mode}));
        ask(&mut driver, "/", Some(reply));
        let names = ["tollgate.verdict.", "tollgate.shadow.", "tollgate.token.", "tollgate.upstream."];
        let counted =
            driver.counts.iter().filter(|(name, _)| names.iter().any(|start| name.starts_with(start)));
        let counted: Vec<_> = counted.map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(counted, [(want, 1)], "{mode}");
    }
}

#[test]
fn what_ends_under_an_earlier_configuration_has_no_name_of_the_new_one() {
    let rules = json!({"rules": [{"name": "all", "match": {"prefix": "/"}}]});
    let mut driver = driver(&rules);
    request(&mut driver, "/");
    driver.tick();
    let in_flight = |driver: &Driver| driver.measured.get("tollgate.introspection.in_flight").copied();
    assert_eq!(in_flight(&driver), Some(1));
    driver.worker.replace(policy(&rules), Ports::new([1, 2], &Both));
    driver.tick();
    driver.tick();
    assert_eq!(in_flight(&driver), Some(0), "nobody waits for the call");
    let name = "tollgate.verdict=.=unavailable;.;provider=.=other;.;rule=.=other;.;requests_total";
    assert_eq!(driver.measured.get(name), Some(&1), "{:?}", driver.measured);
}

#[test]
fn calls_in_flight_are_told_up_and_down() {
    let mut driver = driver(&json!({"cache": {"max_entries": 0}}));
    request(&mut driver, "/");
    let (call, _) = driver.call().unwrap();
    let in_flight = |driver: &mut Driver| {
        driver.tick();
        driver.measured.get("tollgate.introspection.in_flight").copied()
    };
    assert_eq!(in_flight(&mut driver), Some(1));
    driver.reply(call, ACTIVE);
    assert_eq!(in_flight(&mut driver), Some(0));
    request(&mut driver, "/");
    assert_eq!(in_flight(&mut driver), Some(1));
    // Nobody is told of what ends after that.
    driver.worker.tell_all();
    driver.tick();
    assert_eq!(in_flight(&mut driver), Some(0));
}

#[test]
fn more_names_than_are_told_apart_are_one() {
    let rule = |n: usize| json!({"name": format!("r{n}"), "match": {"path": format!("/{n}")}, "access": "anonymous"});
    let rules: Vec<_> = (0..MAX_RULES + 5).map(rule).collect();
    let mut driver = driver(&json!({"rules": rules}));
    for n in 0..MAX_RULES + 5 {
        request(&mut driver, &format!("/{n}"));
    }
    driver.tick();
    let names: Vec<_> = driver.measured.iter().filter(|(name, _)| name.contains("requests_total")).collect();
    assert_eq!(names.len(), MAX_RULES + 1);
    let other = "tollgate.verdict=.=anonymous;.;provider=.=-;.;rule=.=other;.;requests_total";
    assert_eq!(driver.measured.get(other), Some(&5));
    // Of lists that are fetched, the first ones have a gauge, and the others have none.
    let list = |n: usize| {
        let list = json!({"uri": format!("https://lists.example.com/{n}"), "cluster": "lists"});
        (format!("l{n}"), list)
    };
    let lists: serde_json::Map<_, _> = (0..MAX_PROVIDERS + 5).map(list).collect();
    let driver = super::counts::driver(&json!({"client_lists": lists}));
    let gauges = driver.measured.keys().filter(|name| name.ends_with("client_lists.last_success_seconds"));
    assert_eq!(gauges.count(), MAX_PROVIDERS);
}

#[test]
fn how_fresh_documents_are() {
    let want = [
        ("tollgate.introspection.in_flight", 0),
        ("tollgate.list=.=l;.;client_lists.last_success_seconds", NOW.cast_signed()),
        ("tollgate.provider=.=jwts;.;jwks.last_success_seconds", NOW.cast_signed()),
    ];
    assert_eq!(measured(&with_lists_and_keys()), want);
}

fn measured(driver: &Driver) -> Vec<(&str, i64)> {
    driver.measured.iter().map(|(name, value)| (name.as_str(), *value)).collect()
}

type Counts = BTreeMap<String, u32>;

#[rustfmt::skip]
const SCENARIOS: [(&str, fn() -> Counts, &[Metric]); 14] = [
    ("no response, and a retry",   a_retry,                  &[Metric::Calls, Metric::NoAnswer, Metric::Retries, Metric::Inactive]),
    ("an unusable response",       an_unusable_response,     &[Metric::BadAnswer]),
    ("two requests at once",       two_at_once,              &[Metric::Misses, Metric::Coalesced]),
    ("a token that is cached",     || again(true),           &[Metric::Hits]),
    ("an inactive one",            || again(false),          &[Metric::NegativeHits]),
    ("a stale entry",              a_stale_entry,            &[Metric::StaleHits]),
    ("another worker's response",  a_response_that_is_there, &[Metric::SharedHits]),
    ("a token in use",             a_token_in_use,           &[Metric::Refreshes]),
    ("a server that is down",      a_server_that_is_down,    &[Metric::BackedOff]),
    ("a long claim, and a query",  a_long_claim,             &[Metric::ClaimDropped, Metric::InQuery]),
    ("a stream that ends",         a_stream_that_ends,       &[Metric::StreamsEnded]),
    ("events",                     events,                   &[
        Metric::EventsApplied, Metric::EventsRepeated, Metric::EventsIgnored, Metric::EventsRefused, Metric::EventsUnavailable,
    ]),
    ("lists and keys",             lists_and_keys,           &[
        Metric::ListCalls, Metric::ListChanges, Metric::ListFailures,
        Metric::KeysCalls, Metric::KeysChanges, Metric::KeysFailures,
    ]),
    ("status lists",               crate::status_list::counts, &[
        Metric::StatusCalls, Metric::StatusChanges, Metric::StatusFailures,
    ]),
];

fn a_stream_that_ends() -> Counts {
    let mut driver = driver(&json!({"on_expiry": "close"}));
    ask(&mut driver, "/", Some(&json!({"active": true, "exp": NOW + 10}).to_string()));
    driver.set_clock(UnixTime::from_secs(NOW + 11));
    driver.tick();
    let (call, _) = driver.call().unwrap();
    driver.reply(call, INACTIVE);
    driver.counts
}

fn a_retry() -> Counts {
    let mut driver = driver(&json!({}));
    request(&mut driver, "/");
    let (call, _) = driver.next_call().unwrap();
    driver.respond(call, CallOutcome::Failed);
    let (call, _) = driver.next_call().unwrap();
    driver.reply(call, INACTIVE);
    driver.counts
}

fn an_unusable_response() -> Counts {
    let mut driver = driver(&json!({}));
    ask(&mut driver, "/", Some("[]"));
    driver.counts
}

fn two_at_once() -> Counts {
    let mut driver = driver(&json!({}));
    request(&mut driver, "/");
    request(&mut driver, "/");
    driver.counts
}

fn again(is_active: bool) -> Counts {
    let mut driver = driver(&json!({}));
    ask(&mut driver, "/", Some(if is_active { ACTIVE } else { INACTIVE }));
    request(&mut driver, "/");
    driver.tick();
    driver.counts
}

fn a_stale_entry() -> Counts {
    let mut driver = driver(&json!({"cache": {"ttl": "10s", "stale_if_error": "60s"}}));
    ask(&mut driver, "/", Some(ACTIVE));
    driver.set_clock(UnixTime::from_secs(NOW + 20));
    ask(&mut driver, "/", None);
    driver.counts
}

fn a_response_that_is_there() -> Counts {
    let store = Together::default();
    let [mut this, mut other] = [(); 2].map(|()| {
        let policy = policy(&json!({}));
        let ports = Ports { store: Box::new(store.clone()), ..Ports::new([1, 2], &Both) };
        Driver::new(policy, ports, UnixTime::from_secs(NOW))
    });
    ask(&mut other, "/", Some(ACTIVE));
    request(&mut this, "/");
    this.counts
}

fn a_token_in_use() -> Counts {
    let mut driver = driver(&json!({"cache": {"ttl": "100s", "ttl_jitter": 0, "refresh_ahead": "30s"}}));
    ask(&mut driver, "/", Some(ACTIVE));
    driver.set_clock(UnixTime::from_secs(NOW + 80));
    request(&mut driver, "/");
    driver.tick();
    driver.counts
}

fn a_server_that_is_down() -> Counts {
    let mut driver = driver(&json!({}));
    for _ in 0..4 {
        ask(&mut driver, "/", None);
    }
    driver.counts
}

fn a_long_claim() -> Counts {
    let mut driver = driver(&json!({
        "token": {"from_headers": [], "from_params": ["t"]},
        "upstream": {"claim_to_headers": [{"header_name": "x-name", "claim_name": "name"}]},
    }));
    let reply = json!({"active": true, "exp": NOW + 1000, "name": "x".repeat(8193)});
    ask(&mut driver, "/?t=one", Some(&reply.to_string()));
    driver.counts
}

fn events() -> Counts {
    let mut workers = Workers::new(crate::events::config(), 1);
    for event in [json!({}), json!({}), json!({"jti": "e2", "sub_id": {}}), json!({"iss": "x"})] {
        workers.event(0, &event);
    }
    workers.slow_event(0);
    workers.all[0].counts.clone()
}

fn lists_and_keys() -> Counts {
    with_lists_and_keys().counts
}

fn with_lists_and_keys() -> Driver {
    let more = json!({
        "providers": {"jwts": {
            "issuer": "https://as.example.com", "any_audience": true, "validate": "jwt",
            "jwks": {"uri": "https://as.example.com/jwks", "cluster": "as"},
        }},
        "client_lists": {"l": {"uri": "https://lists.example.com/l", "cluster": "lists", "refresh": "10s"}},
    });
    let mut driver = driver(&more);
    let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let (list, keys) = (json!({"clients": [{"id": "one"}]}).to_string(), json!({"keys": [key]}).to_string());
    for (now, responds) in [(NOW, true), (NOW + 86_400, false)] {
        driver.set_clock(UnixTime::from_secs(now));
        driver.tick();
        while let Some((call, fetch)) = driver.call() {
            let document = if fetch.cluster() == "lists" { &list } else { &keys };
            if responds {
                driver.reply(call, document);
            } else {
                driver.respond(call, CallOutcome::Failed);
            }
        }
    }
    driver
}

fn driver(more: &Value) -> Driver {
    Driver::new(policy(more), Ports::new([1, 2], &Both), UnixTime::from_secs(NOW))
}

fn policy(more: &Value) -> Policy {
    let mut config = json!({"providers": {"main": {"introspection": {
        "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"},
    }}}});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    tollgate_config::policy_of(&config, &|_| None).unwrap()
}

/// Has a request come. It may wait.
fn request(driver: &mut Driver, path: &str) {
    let in_header = [(":method", "GET"), (":path", path), ("authorization", "Bearer one")];
    let head = if path.contains('?') { &in_header[..2] } else { &in_header };
    driver.request(lines(head), None);
}

/// The same, and every call ends with this document, or without a response.
fn ask(driver: &mut Driver, path: &str, document: Option<&str>) {
    request(driver, path);
    while let Some((call, _)) = driver.next_call() {
        match document {
            Some(document) => driver.reply(call, document),
            None => driver.respond(call, CallOutcome::Failed),
        }
    }
}

const NOW: u64 = 1000;
const ACTIVE: &str = r#"{"active": true, "exp": 2000}"#;
const INACTIVE: &str = r#"{"active": false}"#;
