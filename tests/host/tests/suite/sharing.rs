//! Shared data: of several workers that look at the same time, one wins, whatever lies there before.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::proof::Client;
use tollgate_host::{Outcome, Response, Vm, head};

use crate::{config, vm, with_token};

/// What may lie under a key before two workers get to it at once. An empty value comes from the host as a null
/// pointer, and has a number all the same.
const BEFORE: [Option<&[u8]>; 3] = [None, Some(b""), Some(&[0])];

/// What lies under the first key that begins like this.
fn value(vm: &Vm, prefix: &str) -> Vec<u8> {
    let all = vm.shared_data();
    let at = all.iter().step_by(2).position(|key| key.starts_with(prefix.as_bytes())).expect("such a key");
    all[2 * at + 1].clone()
}

fn beside(vm: &Vm, policy: &Value) -> Vm {
    let mut other = vm.beside();
    assert!(other.configure(&config(policy)), "{:?}", other.log());
    other
}

#[test]
fn two_workers_that_look_at_one_moment_do_not_both_ask() {
    // INT-32
    let policy = json!({"cache": {"max_entries": 100}});
    for before in BEFORE {
        let mut one = vm(&policy);
        let mut two = beside(&one, &policy);
        one.request(&with_token("good"));
        assert_eq!(one.calls().len(), 1);
        let mark = value(&one, MARK);
        one.overwrite_shared_data(MARK, before);
        one.write_meanwhile(MARK, &mark);
        two.request(&with_token("good"));
        assert_eq!(two.calls().len(), 0, "{before:?}");
    }
}

#[test]
fn two_workers_that_look_at_one_moment_do_not_both_take_one_proof() {
    // DPP-27, ATK-93
    let policy = json!({"dpop": {}, "cache": {"max_entries": 100}});
    for before in BEFORE {
        let mut one = vm(&policy);
        let mut two = beside(&one, &policy);
        let proof =
            Client::new("client").proof("GET", "http://api.example.com/r", "good", one.now(), &json!({}));
        assert!(passes(&mut one, &proof), "{before:?}");
        let used = value(&one, USED);
        one.overwrite_shared_data(USED, before);
        one.write_meanwhile(USED, &used);
        assert!(!passes(&mut two, &proof), "{before:?}");
    }
}

#[test]
fn whoever_waits_for_many_calls_of_another_worker_has_time_for_other_things() {
    // INT-32, ATK-112
    let policy = json!({"cache": {"max_entries": 100}});
    let mut asks = vm(&policy);
    let mut waits = beside(&asks, &policy);
    for n in 0..1000 {
        asks.request(&with_token(&format!("{n}")));
        waits.request(&with_token(&format!("{n}")));
    }
    assert_eq!((asks.calls().len(), waits.calls().len()), (1000, 0));
    waits.advance(Duration::from_millis(200));
    waits.reset_crossings();
    waits.advance(Duration::from_millis(500));
    let looks = waits.crossings().host_calls["proxy_get_shared_data"];
    assert!((2_000..12_000).contains(&looks), "{looks} looks in half a second");
}

#[test]
fn nothing_empty_is_written() {
    let policy = json!({"dpop": {"nonce": "required"}, "cache": {"max_entries": 100}});
    let mut vm = vm(&policy);
    for (token, reply) in [("a", r#"{"active":true}"#), ("a", INACTIVE), ("b", INACTIVE), ("c", "?")] {
        vm.request(&with_token(token));
        if let Some(call) = vm.calls().first() {
            vm.answer(call.id, &Response::json(reply));
        }
    }
    assert!(vm.shared_data().iter().all(|bytes| !bytes.is_empty()));
}

fn passes(vm: &mut Vm, proof: &str) -> bool {
    let stream = vm.request(&head("GET", "/r", &[("authorization", "DPoP good"), ("dpop", proof)]));
    if let Some(call) = vm.calls().first() {
        let jkt = Client::new("client").thumbprint();
        let reply = json!({"active": true, "exp": vm.now() + 600, "cnf": {"jkt": jkt}});
        vm.answer(call.id, &Response::json(&reply.to_string()));
    }
    matches!(vm.outcome(stream), Outcome::Forwarded(_))
}

const MARK: &str = "tollgate.2.token.";
const USED: &str = "tollgate.2.dpop.";
const INACTIVE: &str = r#"{"active":false}"#;
