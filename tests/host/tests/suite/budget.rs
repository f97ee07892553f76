//! How often the border between host and module is crossed for one request: exact and repeatable, and
//! most of what the filter costs. Whatever raises a number here says so in its diff.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Crossings, Outcome, Response, Vm, head};

use crate::vm;

#[test]
fn a_remembered_token_costs_five_entries_and_five_host_calls() {
    let mut vm = remembering(&json!({"upstream": {"claim_to_headers": [
        {"header_name": "x-client-id", "claim_name": "client_id"},
        {"header_name": "x-user", "claim_name": "sub"},
    ]}}));
    first(&mut vm);
    let hit = cost(&mut vm, &[("authorization", "Bearer good")]);
    assert_eq!(
        entries(&hit),
        [
            ("proxy_on_context_create", 1),
            // The one way to know that a stream has ended.
            ("proxy_on_delete", 1),
            ("proxy_on_memory_allocate", 1),
            ("proxy_on_request_headers", 1),
            ("proxy_on_response_headers", 1),
        ]
    );
    assert_eq!(
        host_calls(&hit),
        [
            ("proxy_add_header_map_value", 2),
            ("proxy_get_current_time_nanoseconds", 1),
            ("proxy_get_header_map_pairs", 1),
            ("proxy_increment_metric", 1),
        ]
    );
}

#[test]
fn each_further_header_costs_one_host_call_and_rules_cost_none() {
    let field = |name: &str| json!({"header_name": format!("x-{name}"), "claim_name": name});
    for n in 0..=4 {
        let names = ["client_id", "sub", "tenant", "scope"].iter().take(n);
        let rules: Vec<_> =
            (0..50).map(|n| json!({"match": {"path_template": format!("/a{n}/{{id}}")}})).collect();
        let mut vm = remembering(&json!({
            "upstream": {"claim_to_headers": names.map(|name| field(name)).collect::<Vec<_>>()},
            "rules": rules,
        }));
        first(&mut vm);
        let hit = cost(&mut vm, &[("authorization", "Bearer good")]);
        assert_eq!(hit.host_calls.values().sum::<u64>(), 3 + n as u64, "{n} headers: {hit:?}");
        assert_eq!(hit.entries.values().sum::<u64>(), 5, "{n} headers: {hit:?}");
    }
}

#[test]
fn each_value_for_the_access_log_costs_one_host_call() {
    let all = ["rule", "provider", "client_id", "sub", "cache", "waited_milliseconds", "token_fingerprint"];
    for n in 0..=all.len() {
        let fields: Vec<_> = all.iter().take(n).collect();
        let mut vm = remembering(&json!({"log": {"fields": fields}, "rules": [{"match": {"prefix": "/"}}]}));
        first(&mut vm);
        let hit = cost(&mut vm, &[("authorization", "Bearer good")]);
        assert_eq!(hit.host_calls.values().sum::<u64>(), 3 + n as u64, "{n} fields: {hit:?}");
    }
}

#[test]
fn what_everything_else_costs() {
    let mut vm = remembering(&json!({}));
    let mut numbers = |fields: &[(&str, &str)], reply: &str| {
        let cost = cost_with(&mut vm, fields, reply);
        (cost.entries.values().sum::<u64>(), cost.host_calls.values().sum::<u64>())
    };
    let good = [("authorization", "Bearer good")];
    let bad = [("authorization", "Bearer bad")];
    let got = [
        ("no token", numbers(&[], "")),
        ("a miss", numbers(&good, ACTIVE)),
        ("a hit", numbers(&good, ACTIVE)),
        ("a token that is not active", numbers(&bad, r#"{"active":false}"#)),
        ("the same again", numbers(&bad, "")),
    ];
    let want = [
        // The log level of the host is read once a second. The first request after a quiet second reads a clock and
        // requests a tick, in which the host is told what was counted.
        ("no token", (5, 10)),
        // It needs no other tick.
        ("a miss", (9, 17)),
        ("a hit", (5, 3)),
        ("a token that is not active", (9, 21)),
        ("the same again", (5, 7)),
    ];
    assert_eq!(got, want);
}

#[test]
fn events_cost_a_hit_nothing_and_a_worker_one_look_each_quarter_of_a_second() {
    // EVT-10
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let mut vm = remembering(&json!({
        "providers": {"main": {"issuer": "https://as.example.com", "jwks": {"inline": {"keys": [key]}}}},
        "revocation": {"events": [{"path": "/events", "audiences": ["receiver"]}]},
    }));
    first(&mut vm);
    let hit = cost(&mut vm, &[("authorization", "Bearer good")]);
    assert_eq!(hit.entries.values().sum::<u64>(), 5, "{hit:?}");
    assert_eq!(hit.host_calls.values().sum::<u64>(), 3, "{hit:?}");
    vm.advance(Duration::from_secs(3));
    vm.reset_crossings();
    vm.advance(Duration::from_secs(1));
    let looks = vm.crossings().host_calls.get("proxy_get_shared_data").copied();
    assert!(looks.is_some_and(|looks| looks <= 4), "{:?}", vm.crossings());
}

#[test]
fn a_known_bad_token_costs_six_host_calls_where_debug_lines_are_not_kept() {
    for (level, calls) in [(1, 7), (2, 6), (3, 6), (6, 6)] {
        let mut vm = remembering(&json!({}));
        vm.set_log_level(level);
        let bad = [("authorization", "Bearer bad")];
        cost_with(&mut vm, &bad, r#"{"active":false}"#);
        let known = cost(&mut vm, &bad);
        assert_eq!(known.host_calls.values().sum::<u64>(), calls, "{level}: {known:?}");
        // Operators can change it at any time.
        vm.set_log_level(1);
        vm.advance(Duration::from_secs(1));
        cost(&mut vm, &bad);
        vm.clear_log();
        cost(&mut vm, &bad);
        assert_eq!(vm.log().len(), 1, "{level}: {:?}", vm.log());
    }
}

#[test]
fn a_miss_costs_nine_entries_and_seventeen_host_calls() {
    let mut vm = remembering(&json!({}));
    first(&mut vm);
    let miss = cost(&mut vm, &[("authorization", "Bearer another")]);
    assert_eq!(
        host_calls(&miss),
        [
            ("clock_time_get", 1),
            ("proxy_continue_stream", 1),
            ("proxy_get_buffer_bytes", 1),
            ("proxy_get_current_time_nanoseconds", 2),
            ("proxy_get_header_map_pairs", 2),
            ("proxy_get_shared_data", 2),
            ("proxy_http_call", 1),
            ("proxy_increment_metric", 3),
            ("proxy_set_effective_context", 2),
            ("proxy_set_shared_data", 2),
        ]
    );
    assert_eq!(miss.entries.values().sum::<u64>(), 9, "{miss:?}");
}

#[test]
fn without_a_cache_a_miss_costs_eight_entries_and_twelve_host_calls() {
    let mut vm = vm(&json!({"cache": {"max_entries": 0}}));
    first(&mut vm);
    let miss = cost(&mut vm, &[("authorization", "Bearer good")]);
    assert_eq!(
        host_calls(&miss),
        [
            ("proxy_continue_stream", 1),
            ("proxy_get_buffer_bytes", 1),
            ("proxy_get_current_time_nanoseconds", 2),
            ("proxy_get_header_map_pairs", 2),
            ("proxy_http_call", 1),
            ("proxy_increment_metric", 3),
            ("proxy_set_effective_context", 2),
        ]
    );
    assert_eq!(miss.entries.values().sum::<u64>(), 8, "{miss:?}");
}

#[test]
fn a_miss_reads_shared_data_twice_and_writes_it_twice() {
    // A look and a mark before the call, a look and the response after it; a second miss finds places in use.
    for reply in [ACTIVE, r#"{"active":false}"#] {
        let mut vm = remembering(&json!({}));
        for _ in 0..2 {
            let miss = cost_with(&mut vm, &[("authorization", "Bearer new")], reply);
            let calls = |name| miss.host_calls.get(name).copied().unwrap_or_default();
            assert_eq!((calls("proxy_get_shared_data"), calls("proxy_set_shared_data")), (2, 2), "{miss:?}");
            vm = vm.beside();
            vm.advance(Duration::from_secs(3600));
            assert!(vm.configure(&crate::config(&json!({"cache": {"max_entries": 100}}))));
        }
    }
}

const ACTIVE: &str =
    r#"{"active":true,"exp":2000000000,"client_id":"app","sub":"ann","tenant":"blue","scope":"a b"}"#;

/// A VM with a cache.
fn remembering(more: &Value) -> Vm {
    let mut config = json!({"cache": {"max_entries": 100}});
    crate::merge(&mut config, more);
    vm(&config)
}

/// The request that asks.
fn first(vm: &mut Vm) {
    cost(vm, &[("authorization", "Bearer good")]);
}

fn cost(vm: &mut Vm, fields: &[(&str, &str)]) -> Crossings {
    cost_with(vm, fields, ACTIVE)
}

fn cost_with(vm: &mut Vm, fields: &[(&str, &str)], reply: &str) -> Crossings {
    vm.reset_crossings();
    let stream = vm.request(&head("GET", "/orders", fields));
    for call in vm.calls() {
        vm.answer(call.id, &Response::json(reply));
    }
    if let Outcome::Forwarded(_) = vm.outcome(stream) {
        vm.respond(stream, &vec![(b":status".to_vec(), b"200".to_vec())]);
    }
    vm.close(stream);
    vm.crossings().clone()
}

fn entries(crossings: &Crossings) -> Vec<(&str, u64)> {
    crossings.entries.iter().map(|(name, n)| (name.as_str(), *n)).collect()
}

fn host_calls(crossings: &Crossings) -> Vec<(&str, u64)> {
    crossings.host_calls.iter().map(|(name, n)| (*name, *n)).collect()
}
