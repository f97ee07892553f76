//! Requests that wait for a call that is not their own.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Outcome, Response, StreamId, Vm, values};

use crate::{config, forwarded, replied, vm, with_token};

const ACTIVE: &str = r#"{"active":true,"exp":2000000000,"client_id":"app"}"#;
const TICK: Duration = Duration::from_millis(2);

fn remembering(more: &Value) -> Vm {
    let mut config = json!({"cache": {"max_entries": 100}});
    crate::merge(&mut config, more);
    vm(&config)
}

fn waiting(vm: &mut Vm, streams: &[StreamId]) -> usize {
    streams.iter().filter(|stream| vm.outcome(**stream) == Outcome::Paused).count()
}

#[test]
fn a_crowd_is_let_go_in_small_groups() {
    // INT-32, ATK-112: the host ends requests within one another, and its stack is not endless.
    for (reply, goes_on) in [(ACTIVE, true), (r#"{"active":false}"#, false), ("{}", false)] {
        let mut vm = remembering(&json!({}));
        let streams: Vec<_> = (0..200).map(|_| vm.request(&with_token("one"))).collect();
        let calls = vm.calls();
        assert_eq!(calls.len(), 1);
        vm.answer(calls[0].id, &Response::json(reply));
        let mut left = waiting(&mut vm, &streams);
        assert_eq!(left, 200 - 32);
        while left > 0 {
            vm.advance(TICK);
            let now = waiting(&mut vm, &streams);
            assert!(now < left && left - now <= 64, "{left} to {now}");
            left = now;
        }
        for stream in streams {
            assert_eq!(matches!(vm.outcome(stream), Outcome::Forwarded(_)), goes_on);
        }
        assert!(vm.calls().is_empty());
    }
}

#[test]
fn whoever_leaves_makes_no_difference_and_makes_room() {
    // PWX-10, INT-32
    let mut vm = remembering(&json!({}));
    let streams: Vec<_> = (0..8192).map(|_| vm.request(&with_token("one"))).collect();
    let turned_away = vm.request(&with_token("one"));
    assert_eq!(replied(&mut vm, turned_away).status, 503, "there is no bound");
    for stream in &streams[..100] {
        vm.close(*stream);
    }
    let mut others: Vec<_> = (0..300).map(|_| vm.request(&with_token("two"))).collect();
    others.retain(|stream| vm.outcome(*stream) == Outcome::Paused);
    assert_eq!(others.len(), 100, "as many as have left find room");
    let calls = vm.calls();
    assert_eq!(calls.len(), 2);
    for call in calls {
        vm.answer(call.id, &Response::json(ACTIVE));
    }
    for _ in 0..300 {
        vm.advance(TICK);
    }
    for stream in streams.into_iter().skip(100).chain(others) {
        forwarded(&mut vm, stream);
    }
}

#[test]
fn a_root_that_is_configured_again_leaves_nobody_waiting() {
    let mut vm = remembering(&json!({}));
    let streams: Vec<_> = (0..50).map(|n| vm.request(&with_token(&format!("{}", n % 5)))).collect();
    assert!(vm.configure_again(&config(&json!({}))));
    for call in vm.calls() {
        vm.answer(call.id, &Response::json(ACTIVE));
    }
    vm.advance(Duration::from_millis(10));
    for stream in streams {
        assert_eq!(replied(&mut vm, stream).status, 503);
    }
    let next = vm.request(&with_token("0"));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    forwarded(&mut vm, next);
}

#[test]
fn what_has_begun_under_one_configuration_is_not_judged_by_the_next() {
    // The rules of the one have nothing to do with those of the other, whatever their numbers.
    let rules =
        |scope: &str| json!({"rules": [{"match": {"prefix": "/orders"}, "requires": {"scopes": [scope]}}]});
    let active = r#"{"active":true,"exp":2000000000,"scope":"read"}"#;
    let mut vm = remembering(&rules("admin"));
    let streams: Vec<_> = (0..100).map(|_| vm.request(&with_token("one"))).collect();
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(active));
    assert_eq!(waiting(&mut vm, &streams), 100 - 32, "the answer is there, and their turn is not");
    assert!(vm.configure_again(&config(&rules("read"))));
    for _ in 0..10 {
        vm.advance(TICK);
    }
    for (n, stream) in streams.into_iter().enumerate() {
        assert_eq!(replied(&mut vm, stream).status, if n < 32 { 403 } else { 503 }, "{n}");
    }
    assert!(vm.calls().is_empty());
}

#[test]
fn nobody_asks_the_providers_of_another_configuration_or_waits_for_one_that_is_none() {
    let provider = json!({"introspection": {
        "uri": "https://as.example.com/introspect", "cluster": "b", "retries": 0, "client_auth": {"method": "none"},
    }});
    let two = json!({"providers": {"other": provider}, "provider_order": ["main", "other"]});
    for next in [json!({}), json!({"mode": "shadow"})] {
        let mut vm = remembering(&two);
        let streams: Vec<_> = (0..5).map(|n| vm.request(&with_token(&format!("{n}")))).collect();
        assert!(vm.configure_again(&config(&next)));
        let before = vm.calls().len();
        vm.advance(Duration::from_secs(1));
        assert_eq!(vm.calls().len(), before, "a token has gone to somebody else");
        for stream in streams {
            assert_eq!(replied(&mut vm, stream).status, 503);
        }
    }
}

#[test]
fn two_providers_retries_come_in_one_tick_and_a_cluster_has_gone() {
    let provider = |name: &str| {
        json!({"token_prefix": format!("{name}-"), "introspection": {
            "uri": "https://as.example.com/introspect", "cluster": name, "retries": 1, "back_off": "0s",
            "client_auth": {"method": "none"},
        }})
    };
    for gone in ["a", "b"] {
        let mut vm = remembering(
            &json!({"providers": {"main": {"token_prefix": "m-"}, "a": provider("a"), "b": provider("b")}}),
        );
        let streams = ["a", "b"].map(|name| (name, vm.request(&with_token(&format!("{name}-token")))));
        for call in vm.calls() {
            vm.fail(call.id);
        }
        vm.forget_cluster(gone);
        vm.advance(Duration::from_secs(1));
        let calls = vm.calls();
        assert_eq!(calls.len(), 1, "{gone}");
        // The request that has been answered goes, and takes no call of the other's with it.
        let (_, ended) = streams[usize::from(gone == "b")];
        assert_eq!(replied(&mut vm, ended).status, 503);
        vm.close(ended);
        vm.answer(calls[0].id, &Response::json(ACTIVE));
        let (_, other) = streams[usize::from(gone == "a")];
        forwarded(&mut vm, other);
    }
}

#[test]
fn a_clock_that_is_set_back_makes_the_worker_forget() {
    // PWX-15, ATK-113
    let mut vm = remembering(&json!({"cache": {"ttl": "5m", "refresh_ahead": "0s"}}));
    let ask = |vm: &mut Vm| {
        let stream = vm.request(&with_token("one"));
        let calls = vm.calls();
        for call in &calls {
            vm.answer(call.id, &Response::json(ACTIVE));
        }
        forwarded(vm, stream);
        calls.len()
    };
    assert_eq!((ask(&mut vm), ask(&mut vm)), (1, 0));
    vm.advance(Duration::from_secs(240));
    assert_eq!(ask(&mut vm), 0);
    // By the clock the entry would be good for another three minutes.
    vm.set_clock(vm.now() - 120);
    vm.advance(Duration::from_secs(2));
    assert_eq!(ask(&mut vm), 0, "other workers know how old it is, and it is good for a minute yet");
    vm.advance(Duration::from_secs(70));
    assert_eq!(ask(&mut vm), 1, "the clock has made it younger");
    vm.set_clock(vm.now() + 86_400);
    assert_eq!(ask(&mut vm), 1);
    assert!(vm.is_ticking());
    vm.advance(Duration::from_secs(1000));
    assert!(!vm.is_ticking(), "the clock is watched with nothing to watch it for");
}

#[test]
fn a_failure_is_everybody_s_and_nobody_remembers_it() {
    // INT-27
    let mut vm = remembering(&json!({}));
    let streams: Vec<_> = (0..5).map(|_| vm.request(&with_token("one"))).collect();
    let call = vm.calls().remove(0);
    vm.fail(call.id);
    for stream in streams {
        let reply = replied(&mut vm, stream);
        assert_eq!((reply.status, values(&reply.head, "retry-after").len()), (503, 1));
    }
    let stream = vm.request(&with_token("one"));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    forwarded(&mut vm, stream);
}

#[test]
fn after_failures_nobody_is_asked_for_a_while() {
    // INT-35, HTT-21
    let mut vm = remembering(&json!({"providers": {"main": {"introspection": {"back_off": "1s"}}}}));
    for n in 0..3 {
        let stream = vm.request(&with_token(&format!("cold-{n}")));
        let call = vm.calls().remove(0);
        vm.fail(call.id);
        assert_eq!(replied(&mut vm, stream).status, 503);
    }
    for n in 0..10 {
        let stream = vm.request(&with_token(&format!("spared-{n}")));
        let reply = replied(&mut vm, stream);
        assert_eq!((reply.status, values(&reply.head, "retry-after").len()), (503, 1));
    }
    assert_eq!(vm.metric("tollgate.introspection.backed_off"), Some(10));
    vm.advance(Duration::from_millis(60));
    let probe = vm.request(&with_token("probe"));
    let spared = vm.request(&with_token("second"));
    assert_eq!(replied(&mut vm, spared).status, 503, "one call tries, not two");
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    forwarded(&mut vm, probe);
    let stream = vm.request(&with_token("second"));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    forwarded(&mut vm, stream);
}
