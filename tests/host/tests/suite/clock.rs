//! The host's clock and its randomness, in good days and bad.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::json;
use tollgate_host::{Outcome, Response, Vm, head};

use crate::{ACTIVE, config, forwarded, replied, vm, with_token};

fn answer_with_exp(vm: &mut Vm, exp: u64) -> bool {
    let stream = vm.request(&with_token("good"));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(&format!(r#"{{"active":true,"exp":{exp}}}"#)));
    let passes = matches!(vm.outcome(stream), Outcome::Forwarded(_));
    vm.close(stream);
    passes
}

#[test]
fn expiry_is_by_the_host_s_clock() {
    // PWX-15, ATK-113
    let mut vm = vm(&json!({}));
    let exp = vm.now() + 10;
    assert!(answer_with_exp(&mut vm, exp));
    vm.advance(Duration::from_secs(11));
    assert!(!answer_with_exp(&mut vm, exp));
    vm.set_clock(exp + 86_400);
    assert!(!answer_with_exp(&mut vm, exp));
}

#[test]
fn a_clock_that_steps_holds_nobody_up() {
    // PWX-15, ATK-113: an hour back, a day on, before and after the first call's failure.
    let hour: i64 = 3600;
    for (before, after) in [(-hour, 0), (0, -hour), (24 * hour, 0), (0, 24 * hour), (-hour, -hour)] {
        let introspection = json!({"retries": 1});
        let mut vm = vm(&json!({"providers": {"main": {"introspection": introspection}}}));
        let stream = vm.request(&with_token("good"));
        let call = vm.calls().remove(0);
        vm.set_clock(vm.now().saturating_add_signed(before));
        vm.fail(call.id);
        vm.set_clock(vm.now().saturating_add_signed(after));
        vm.advance(Duration::from_secs(2));
        for call in vm.calls() {
            vm.fail(call.id);
        }
        vm.advance(Duration::from_secs(2));
        let outcome = vm.outcome(stream);
        assert!(matches!(outcome, Outcome::Replied(_)), "{before} s, then {after} s: {outcome:?}");
    }
}

#[test]
fn a_form_is_given_up_on_although_the_clock_stepped_back() {
    let mut vm = vm(&json!({"token": {"from_form": true}}));
    vm.allow_on_headers_stop_iteration(false);
    let form = head("POST", "/", &[("content-type", "application/x-www-form-urlencoded")]);
    let stream = vm.request_with(&form, &[b"a=b"], None);
    vm.set_clock(vm.now() - 3600);
    vm.advance(Duration::from_secs(30));
    assert_eq!(replied(&mut vm, stream).status, 400);
}

#[test]
fn a_clock_at_either_end_of_time_is_survived() {
    // PWX-03
    for seconds in [0, 1, u64::MAX / 1_000_000_000] {
        let mut vm = vm(&json!({"requires": {"max_age": "5m"}}));
        vm.set_clock(seconds);
        for body in [r#"{"active":true,"exp":9e300}"#, r#"{"active":true,"auth_time":-9e300}"#, ACTIVE] {
            let stream = vm.request(&with_token("good"));
            let call = vm.calls().remove(0);
            vm.answer(call.id, &Response::json(body));
            assert_ne!(vm.outcome(stream), Outcome::Paused);
        }
    }
}

#[test]
fn nothing_passes_without_randomness() {
    // PWX-16: the module may refuse to work, or work without; it may not let anybody in.
    for from_the_start in [true, false] {
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let mut vm = Vm::with_env(&BTreeMap::new());
            vm.fail_random(from_the_start);
            if !vm.configure(&config(&json!({}))) {
                assert!(
                    from_the_start && vm.log().iter().any(|line| line.text.contains("no random numbers"))
                );
                let stream = vm.request(&with_token("good"));
                assert_eq!(replied(&mut vm, stream).status, 503);
                return;
            }
            vm.fail_random(true);
            let bare = vm.request(&head("GET", "/orders", &[]));
            assert_eq!(replied(&mut vm, bare).status, 401);
            let stream = vm.request(&with_token("bad"));
            let call = vm.calls().remove(0);
            vm.answer(call.id, &Response::json(r#"{"active":false}"#));
            assert_eq!(replied(&mut vm, stream).status, 401);
            let stream = vm.request(&with_token("good"));
            let call = vm.calls().remove(0);
            vm.answer(call.id, &Response::json(ACTIVE));
            forwarded(&mut vm, stream);
        }));
        match tried {
            Ok(()) => {}
            Err(cause) => {
                let cause = cause.downcast_ref::<String>().cloned().unwrap_or_default();
                assert!(from_the_start && cause.contains("trapped"), "{cause}");
            }
        }
    }
}
