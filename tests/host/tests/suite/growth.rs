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
    run(&mut vm, 8_000);
    let settled = vm.memory_size();
    run(&mut vm, 17_000);
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
        // Where the pieces lie differs from time to time.
        if n == 79 {
            settled = vm.memory_size();
        }
    }
    assert_eq!(vm.memory_size(), settled, "memory grows");
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
