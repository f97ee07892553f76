//! What access logs, traces and later filters are told of a request (`log`, `upstream.claim_to_filter_state`).

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail loudly")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, Together, lines};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::enforcer::ports::Ports;

use crate::second::Both;

type Notes = BTreeMap<String, String>;

#[test]
fn nothing_is_told_of_a_request_that_passes_unless_the_configuration_asks() {
    let mut driver = driver(&json!({}), 1, &Together::default());
    assert_eq!(send(&mut driver, Some("one")), Notes::new());
    let names: Vec<_> = send(&mut driver, None).into_keys().collect();
    assert_eq!(names, ["tollgate.reason", "tollgate.verdict"]);
}

#[test]
fn every_field_is_told_of_requests_that_pass_and_of_those_that_do_not() {
    let mut driver = driver(&json!({"log": {"fields": FIELDS}}), 1, &Together::default());
    let passed = send(&mut driver, Some("one"));
    let want = [
        ("tollgate.cache", "miss"),
        ("tollgate.client_id", "shop"),
        ("tollgate.provider", "main"),
        ("tollgate.rule", "orders"),
        ("tollgate.sub", "ann"),
        ("tollgate.verdict", "allowed"),
        ("tollgate.waited_milliseconds", "0"),
    ];
    assert_eq!(without_fingerprint(&passed), want);
    let again = send(&mut driver, Some("one"));
    assert_eq!(again["tollgate.cache"], "hit");
    assert_eq!(again["tollgate.token_fingerprint"], passed["tollgate.token_fingerprint"]);
    // Whose token it is, is known although the request is rejected.
    let rejected = send(&mut driver, Some("small"));
    assert_eq!(rejected["tollgate.verdict"], "insufficient_scope");
    assert_eq!((&*rejected["tollgate.client_id"], &*rejected["tollgate.sub"]), ("shop", "ann"));
    assert_ne!(rejected["tollgate.token_fingerprint"], passed["tollgate.token_fingerprint"]);
    let anonymous = send(&mut driver, None);
    assert_eq!(
        without_fingerprint(&anonymous).iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["tollgate.reason", "tollgate.rule", "tollgate.verdict", "tollgate.waited_milliseconds"]
    );
    assert_eq!(anonymous.get("tollgate.token_fingerprint"), None);
}

#[test]
fn how_long_a_request_has_waited_is_told() {
    let mut driver = driver(&json!({"log": {"fields": ["waited_milliseconds"]}}), 1, &Together::default());
    let head = [(":method", "GET"), (":path", "/"), ("authorization", "Bearer one")];
    let stream = driver.request(lines(&head), None);
    let (call, _) = driver.call().unwrap();
    driver.set_clock(UnixTime::from_millis(1_000_250));
    driver.reply(call, r#"{"active": true, "exp": 2000, "scope": "read"}"#);
    let end = driver.end(stream).unwrap();
    let waited = end.outcome.notes.iter().find(|(name, _)| name == "tollgate.waited_milliseconds");
    assert_eq!(waited.unwrap().1.to_string(), "250");
}

#[test]
fn workers_of_one_proxy_write_one_fingerprint_and_other_proxies_write_another() {
    let fields = json!({"log": {"fields": ["token_fingerprint"]}});
    let of = |config: &Value, seed, store: &Together| {
        send(&mut driver(config, seed, store), Some("one"))["tollgate.token_fingerprint"].clone()
    };
    let (here, there) = (Together::default(), Together::default());
    let one = of(&fields, 1, &here);
    assert_eq!(one.len(), 16);
    assert_eq!(of(&fields, 2, &here), one, "another worker");
    assert_ne!(of(&fields, 3, &there), one, "another proxy");
}

#[test]
fn claims_are_single_values() {
    let state = json!({"upstream": {"claim_to_filter_state": [
        {"name": "tenant", "claim_name": "https://example.com/tenant"},
        {"name": "roles", "claim_name": "realm.roles"},
        {"name": "missing", "claim_name": "missing"},
    ]}});
    let notes = send(&mut driver(&state, 1, &Together::default()), Some("one"));
    let want = [
        ("tollgate.claim.roles", r#"["a"]"#),
        ("tollgate.claim.tenant", "blue"),
        ("tollgate.verdict", "allowed"),
    ];
    assert_eq!(without_fingerprint(&notes), want);
}

#[test]
fn the_tier_is_that_of_the_list_of_the_rule() {
    let mut lists = json!({
        "log": {"fields": ["tier"]},
        "upstream": {"tier_header": "x-tier"},
        "client_lists": {"partners": {"clients": [{"id": "shop", "tier": "gold"}, {"id": "kiosk"}]}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"clients": {"list": "partners"}}}],
    });
    let send = |driver: &mut Driver, client: &str| {
        let reply = json!({"active": true, "client_id": client}).to_string();
        let bearer = format!("Bearer {client}");
        let head = [(":method", "GET"), (":path", "/"), ("authorization", &*bearer), ("x-tier", "platinum")];
        let end = driver.decide(lines(&head), None, |_| reply.clone());
        let grant = &end.outcome.grant;
        let field = grant.additions().find(|(name, _)| *name == "x-tier").map(|(_, value)| value.to_vec());
        let notes = end.outcome.notes.iter().find(|(name, _)| name == "tollgate.tier");
        (notes.map(|(_, tier)| tier.to_string()), field, grant.remove.contains(&"x-tier".to_owned()))
    };
    let mut logs = driver(&lists, 1, &Together::default());
    let gold = Some(b"gold".to_vec());
    assert_eq!(send(&mut logs, "shop"), (Some("gold".to_owned()), gold.clone(), true));
    assert_eq!(send(&mut logs, "shop"), (Some("gold".to_owned()), gold.clone(), true), "again");
    assert_eq!(send(&mut logs, "kiosk"), (None, None, true));
    assert_eq!(send(&mut logs, "stranger"), (None, None, true));
    // The upstream is told also where nothing is logged.
    lists.as_object_mut().unwrap().remove("log");
    let mut quiet = driver(&lists, 1, &Together::default());
    assert_eq!(send(&mut quiet, "shop"), (None, gold, true));
}

fn without_fingerprint(notes: &Notes) -> Vec<(&str, &str)> {
    let all = notes.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    all.filter(|(name, _)| *name != "tollgate.token_fingerprint").collect()
}

fn driver(more: &Value, seed: u64, store: &Together) -> Driver {
    let mut config = json!({
        "providers": {"main": {"introspection": {
            "uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": {"method": "none"},
        }}},
        "rules": [{"name": "orders", "match": {"prefix": "/"}, "requires": {"scopes": ["read"]}}],
    });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
    let ports = Ports { store: Box::new(store.clone()), ..Ports::new([seed, 2], &Both) };
    Driver::new(policy, ports, UnixTime::from_secs(1000))
}

fn send(driver: &mut Driver, token: Option<&str>) -> Notes {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut head = vec![(":method", "GET"), (":path", "/")];
    head.extend(authorization.as_deref().map(|value| ("authorization", value)));
    let scope = if token == Some("small") { "write" } else { "read" };
    let reply = json!({
        "active": true, "exp": 2000, "client_id": "shop", "sub": "ann", "scope": scope,
        "https://example.com/tenant": "blue", "realm": {"roles": ["a"]},
    });
    let end = driver.decide(lines(&head), None, |_| reply.to_string());
    end.outcome.notes.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
}

const FIELDS: [&str; 9] = [
    "verdict",
    "rule",
    "provider",
    "client_id",
    "sub",
    "tier",
    "cache",
    "waited_milliseconds",
    "token_fingerprint",
];
