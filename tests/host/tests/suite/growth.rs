//! Memory over time.

use std::time::Duration;

use serde_json::json;
use tollgate_host::{Response, Vm, head};

use crate::{ACTIVE, vm};

#[test]
fn memory_stays_over_many_requests() {
    let mut vm = vm(&json!({
        "providers": {"main": {"introspection": {"retries": 1, "back_off": "0s"}}},
        "upstream": {"claims_prefix": "x-agw-"},
        "cache": {"max_entries": 500, "negative_max_entries": 100, "ttl_without_exp": "5m"},
    }));
    // By then every place for entries has been used, and given back, many times.
    run(&mut vm, 12_000);
    let settled = vm.memory_size();
    run(&mut vm, 13_000);
    assert_eq!(vm.memory_size(), settled, "memory grows");
}

#[test]
fn configurations_that_have_gone_leave_nothing_behind() {
    let mut vm = vm(&json!({}));
    let mut settled = 0;
    for n in 0..160 {
        let rules: Vec<_> =
            (0..300).map(|rule| json!({"match": {"prefix": format!("/{n}/{rule}")}})).collect();
        assert!(vm.configure(&crate::config(&json!({"rules": rules, "cache": {"max_entries": 100}}))));
        vm.end_old_roots();
        run(&mut vm, 8);
        // Where the pieces lie differs from time to time, so a page or two may follow.
        if n == 79 {
            settled = vm.memory_size();
        }
    }
    let grown = vm.memory_size() - settled;
    assert!(grown <= 4 * 65_536, "memory grows: {grown} bytes for 80 configurations of 300 rules");
}

/// Good and bad tokens, failures, retries, and clients that leave, in turn.
fn run(vm: &mut Vm, requests: u32) {
    for n in 0..requests {
        let token = format!("Bearer token-{n}");
        let stream = vm.request(&head("GET", "/orders", &[("authorization", &token)]));
        match n % 8 {
            0 => vm.close(stream),
            1 => {
                let call = vm.calls().remove(0);
                vm.fail(call.id);
                vm.advance(Duration::from_millis(100));
            }
            2 => {
                let call = vm.calls().remove(0);
                vm.fail(call.id);
                vm.close(stream);
                vm.advance(Duration::from_millis(100));
            }
            _ => {}
        }
        for call in vm.calls() {
            let body = if n % 2 == 0 { ACTIVE } else { r#"{"active":false}"# };
            vm.answer(call.id, &Response::json(body));
        }
        if !matches!(n % 8, 0 | 2) {
            vm.close(stream);
        }
        vm.clear_log();
    }
}

#[test]
fn what_the_vm_starts_with_and_what_a_token_costs() {
    const TOKENS: usize = 2_000;
    let mut vm = vm(&json!({
        "upstream": {"claim_to_headers": [
            {"header_name": "x-client-id", "claim_name": "client_id"},
            {"header_name": "x-user", "claim_name": "sub"},
        ]},
    }));
    let start = vm.memory_size();
    // Of it, 0.9 MiB are the stack, and the host maps only those of its pages that are used.
    assert!(start <= 1280 * 1024, "{start} bytes before the first request");
    for n in 0..TOKENS {
        remember(&mut vm, n);
    }
    let each = vm.memory_size().saturating_sub(start) / TOKENS;
    assert!(each <= 1_200, "{each} bytes for each token");
}

#[test]
fn the_room_of_a_burst_serves_the_cache() {
    const BURST: u32 = 4_000;
    let mut vm = vm(&json!({}));
    // All of them wait for the same response at once.
    let fields = [("authorization", "Bearer one")];
    let streams: Vec<_> = (0..BURST).map(|_| vm.request(&head("GET", "/orders", &fields))).collect();
    for call in vm.calls() {
        vm.answer(call.id, &Response::json(REPLY));
    }
    for _ in 0..BURST / 16 {
        vm.advance(Duration::from_millis(1));
    }
    for stream in streams {
        vm.close(stream);
    }
    vm.clear_log();
    let peak = vm.memory_size();
    // A token takes about a KiB, and a waiting request more.
    for n in 0..BURST as usize / 2 {
        remember(&mut vm, n);
    }
    assert_eq!(vm.memory_size(), peak, "what the burst has used is used again");
}

/// A request with a token of its own, whose response is then cached.
fn remember(vm: &mut Vm, n: usize) {
    let token = format!("Bearer token-{n}");
    let stream = vm.request(&head("GET", "/orders", &[("authorization", &token)]));
    for call in vm.calls() {
        vm.answer(call.id, &Response::json(REPLY));
    }
    vm.close(stream);
    vm.clear_log();
}

/// As servers respond: ten members.
const REPLY: &str = r#"{"active":true,"scope":"orders:read orders:write","client_id":"shop","sub":"user-12345678",
    "username":"user","token_type":"Bearer","exp":4000000000,"iat":1700000000,"iss":"https://as.example.com",
    "aud":["https://api.example.com"]}"#;
