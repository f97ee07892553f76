//! Streams that end while their request waits: the host crashes if anything is sent to them, and so does the
//! in-process host. A context can still be turned to until time has passed.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Fields, Outcome, Response, StreamId, Vm, head};

use crate::{ACTIVE, config, forwarded, replied, vm, with_token};

const INACTIVE: &str = r#"{"active":false}"#;
const TICK: Duration = Duration::from_millis(2);

/// What can come of a call: a good response, a bad one, one that cannot be used, none.
const RESPONSES: [Option<&str>; 4] = [Some(ACTIVE), Some(INACTIVE), Some("{}"), None];

#[test]
fn a_stream_that_has_ended_gets_nothing_when_its_response_arrives() {
    // PWX-10, ATK-112
    for response in RESPONSES {
        for retries in [0, 1] {
            let mut vm = remembering(retries);
            let gone = vm.request(&with_token("one"));
            let other = vm.request(&with_token("one"));
            let alone = vm.request(&with_token("two"));
            vm.close(gone);
            vm.close(alone);
            settle_all(&mut vm, response);
            vm.advance(Duration::from_secs(3));
            settle_all(&mut vm, response);
            vm.advance(TICK);
            assert_ne!(vm.outcome(other), Outcome::Paused, "{response:?}: the one that stays");
            assert!(vm.calls().is_empty());
        }
    }
}

#[test]
fn a_stream_that_ends_while_its_turn_is_to_come_is_passed_over() {
    for response in RESPONSES {
        let mut vm = remembering(0);
        let streams: Vec<_> = (0..200).map(|_| vm.request(&with_token("one"))).collect();
        settle_all(&mut vm, response);
        let waits = |vm: &mut Vm, stream: &StreamId| vm.outcome(*stream) == Outcome::Paused;
        let left: Vec<_> = streams.into_iter().filter(|stream| waits(&mut vm, stream)).collect();
        assert!(left.len() > 100);
        for stream in left.iter().step_by(2) {
            vm.close(*stream);
        }
        vm.tick();
        for _ in 0..10 {
            vm.advance(TICK);
        }
        for stream in left.iter().skip(1).step_by(2) {
            assert!(!waits(&mut vm, stream));
        }
    }
}

#[test]
fn a_stream_that_ends_before_a_retry_gets_nothing() {
    let mut vm = remembering(3);
    let gone = vm.request(&with_token("one"));
    let other = vm.request(&with_token("two"));
    settle_all(&mut vm, None);
    vm.close(gone);
    vm.tick();
    vm.advance(Duration::from_secs(1));
    let calls = vm.calls();
    assert_eq!(calls.len(), 1, "nobody waits for the other");
    vm.answer(calls[0].id, &Response::json(ACTIVE));
    forwarded(&mut vm, other);
}

#[test]
fn a_stream_that_ends_while_another_worker_asks_gets_nothing() {
    for response in RESPONSES {
        let configuration = config(&json!({"cache": {"max_entries": 100}}));
        let mut asks = Vm::new();
        let mut waits = asks.beside();
        for vm in [&mut asks, &mut waits] {
            assert!(vm.configure(&configuration), "{:?}", vm.log());
        }
        let first = asks.request(&with_token("one"));
        let gone = waits.request(&with_token("one"));
        let stays = waits.request(&with_token("one"));
        assert!(waits.calls().is_empty());
        waits.close(gone);
        asks.close(first);
        settle_all(&mut asks, response);
        for _ in 0..50 {
            waits.tick();
            waits.advance(Duration::from_millis(20));
        }
        settle_all(&mut waits, response);
        assert_ne!(waits.outcome(stays), Outcome::Paused, "{response:?}");
    }
}

#[test]
fn a_stream_that_ends_while_it_waits_for_keys_gets_nothing() {
    let empty = r#"{"keys":[]}"#;
    for response in [Some(empty), Some("{}"), None] {
        let mut vm = with_keys_elsewhere();
        let token = unknown_key(&vm);
        let gone = vm.request(&with_token(&token));
        let stays = vm.request(&with_token(&token));
        assert_eq!(vm.outcome(gone), Outcome::Paused);
        vm.advance(TICK);
        vm.close(gone);
        for _ in 0..3 {
            settle_all(&mut vm, response);
            vm.tick();
            vm.advance(Duration::from_secs(3));
        }
        assert!(matches!(replied(&mut vm, stays).status, 401 | 503));
    }
}

#[test]
fn a_form_that_ends_too_early_leaves_nothing_behind() {
    for hands_over in [true, false] {
        let mut vm = vm(&json!({"token": {"from_form": true}}));
        vm.allow_on_headers_stop_iteration(hands_over);
        for _ in 0..3 {
            let gone = unfinished_form(&mut vm);
            vm.close(gone);
        }
        vm.tick();
        vm.advance(Duration::from_secs(1));
        assert!(!vm.is_ticking(), "nobody waits, and time is looked at");
        let stays = unfinished_form(&mut vm);
        vm.advance(Duration::from_secs(11));
        assert_eq!(replied(&mut vm, stays).status, 400);
    }
}

#[test]
fn forms_under_way_are_counted() {
    let mut vm = vm(&json!({"token": {"from_form": true}}));
    let streams: Vec<_> = (0..1024).map(|_| unfinished_form(&mut vm)).collect();
    let turned_away = unfinished_form(&mut vm);
    assert_eq!(replied(&mut vm, turned_away).status, 503);
    vm.close(streams[7]);
    let instead = unfinished_form(&mut vm);
    assert_eq!(vm.outcome(instead), Outcome::Paused);
    let turned_away = unfinished_form(&mut vm);
    assert_eq!(replied(&mut vm, turned_away).status, 503);
    // Whoever sends a token elsewhere does not wait behind them.
    let other = vm.request(&with_token("good"));
    settle_all(&mut vm, Some(ACTIVE));
    forwarded(&mut vm, other);
}

#[test]
fn whoever_leaves_makes_room_however_many_leave() {
    // INT-32
    let mut vm = remembering(0);
    for _ in 0..3 {
        let streams: Vec<_> = (0..8192).map(|n| vm.request(&with_token(&format!("{}", n % 7)))).collect();
        let turned_away = vm.request(&with_token("one"));
        assert_eq!(replied(&mut vm, turned_away).status, 503);
        for stream in streams {
            vm.close(stream);
        }
    }
    let stays = vm.request(&with_token("0"));
    settle_all(&mut vm, Some(ACTIVE));
    forwarded(&mut vm, stays);

    let mut vm = with_keys_elsewhere();
    let token = unknown_key(&vm);
    for _ in 0..2 {
        let streams: Vec<_> = (0..8192).map(|_| vm.request(&with_token(&token))).collect();
        let turned_away = vm.request(&with_token(&token));
        assert_ne!(vm.outcome(turned_away), Outcome::Paused);
        for stream in streams {
            vm.close(stream);
        }
    }
    let stays = vm.request(&with_token(&token));
    assert_eq!(vm.outcome(stays), Outcome::Paused);
}

#[test]
fn what_somebody_else_has_answered_is_not_answered_again() {
    // A timeout of the host's own, or another filter: the stream lives on until the client has taken that.
    for response in RESPONSES {
        let mut vm = remembering(1);
        let [answered, other] = [0, 1].map(|_| vm.request(&with_token("one")));
        vm.answer_elsewhere(answered, 504);
        settle_all(&mut vm, response);
        vm.advance(Duration::from_secs(1));
        settle_all(&mut vm, response);
        assert_ne!(vm.outcome(other), Outcome::Paused);
        assert_eq!(replied(&mut vm, answered).status, 504);
        vm.close(answered);
    }
    let mut vm = with_keys_elsewhere();
    let token = unknown_key(&vm);
    let answered = vm.request(&with_token(&token));
    vm.answer_elsewhere(answered, 504);
    for _ in 0..3 {
        vm.advance(Duration::from_secs(3));
        settle_all(&mut vm, None);
    }
    let mut vm = crate::vm(&json!({"token": {"from_form": true}}));
    let answered = unfinished_form(&mut vm);
    vm.answer_elsewhere(answered, 408);
    vm.advance(Duration::from_secs(20));
    assert_eq!(replied(&mut vm, answered).status, 408);
}

#[test]
fn a_root_that_is_configured_again_leaves_no_form_waiting() {
    // Nor does it judge any: in shadow mode the next one would let them pass.
    for next in ["enforce", "shadow"] {
        let mut vm = vm(&json!({"token": {"from_form": true}}));
        let [never, later, gone] = [0; 3].map(|_| unfinished_form(&mut vm));
        assert!(vm.configure_again(&config(&json!({"mode": next, "token": {"from_form": true}}))));
        vm.close(gone);
        vm.send_body(later, b"en=good", true);
        assert_eq!(replied(&mut vm, later).status, 503);
        vm.advance(Duration::from_millis(10));
        assert_eq!(replied(&mut vm, never).status, 400);
    }
}

#[test]
fn a_context_that_never_became_a_request_leaves_nothing_behind() {
    let mut vm = remembering(0);
    let before = vm.memory_size();
    for _ in 0..20_000 {
        let stream = vm.request(&head("GET", "/orders", &[]));
        assert_eq!(replied(&mut vm, stream).status, 401);
    }
    assert_eq!(vm.memory_size(), before);
}

/// A VM with a cache.
fn remembering(retries: u32) -> Vm {
    let introspection = json!({"retries": retries, "back_off": "0s"});
    vm(&json!({"cache": {"max_entries": 100}, "providers": {"main": {"introspection": introspection}}}))
}

/// A VM that verifies JWTs, and has no keys yet.
fn with_keys_elsewhere() -> Vm {
    let provider: Value = json!({
        "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
        "jwks": {"uri": "https://as.example.com/jwks", "cluster": "keys"},
    });
    let mut vm = Vm::new();
    assert!(vm.configure(json!({"providers": {"main": provider}}).to_string().as_bytes()));
    vm
}

fn unknown_key(vm: &Vm) -> String {
    let header = serde_json::Map::from_iter([("kid".to_owned(), json!("nobody-has-it"))]);
    let token = tollgate_cases::token::Token { alg: Some("ES256".to_owned()), header, ..Default::default() };
    token.at(vm.now())
}

fn unfinished_form(vm: &mut Vm) -> StreamId {
    let head: Fields = head("POST", "/orders", &[("content-type", "application/x-www-form-urlencoded")]);
    let stream = vm.open(&head);
    vm.send_body(stream, b"access_tok", false);
    stream
}

/// Ends all calls that are under way.
fn settle_all(vm: &mut Vm, response: Option<&str>) {
    for call in vm.calls() {
        match response {
            Some(body) => vm.answer(call.id, &Response::json(body)),
            None => vm.fail(call.id),
        }
    }
}
