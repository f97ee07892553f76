//! Streams that end with their token (`on_expiry: close`), in the module.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Outcome, Response, StreamId, Vm, head};

use crate::{forwarded, replied, vm, with_token};

const SECOND: Duration = Duration::from_secs(1);

fn closing() -> Vm {
    vm(
        &json!({"on_expiry": "close", "cache": {"max_entries": 100, "ttl": "1m", "ttl_jitter": 0, "refresh_ahead": "0s"}}),
    )
}

fn active(vm: &Vm, seconds: u64) -> Response {
    Response::json(&json!({"active": true, "exp": vm.now() + seconds}).to_string())
}

fn answer_all(vm: &mut Vm, response: &Response) {
    for call in vm.calls() {
        vm.answer(call.id, response);
    }
}

/// A request that has been let through.
fn begin(vm: &mut Vm, token: &str) -> StreamId {
    let stream = vm.request(&with_token(token));
    let response = active(vm, 30);
    answer_all(vm, &response);
    forwarded(vm, stream);
    stream
}

fn begin_to_respond(vm: &mut Vm, stream: StreamId) {
    vm.respond(stream, &vec![(b":status".to_vec(), b"200".to_vec())]);
}

#[test]
fn a_stream_is_reset_or_answered_when_its_token_ends() {
    // STR-01
    let mut vm = closing();
    let (streams, waits) = (begin(&mut vm, "one"), begin(&mut vm, "one"));
    begin_to_respond(&mut vm, streams);
    vm.advance(SECOND * 29);
    assert!(!vm.is_reset(streams) && vm.calls().is_empty());
    vm.advance(SECOND + Duration::from_millis(300));
    answer_all(&mut vm, &Response::json(r#"{"active":false}"#));
    vm.advance(Duration::from_millis(10));
    assert!(vm.is_reset(streams));
    assert_eq!(replied(&mut vm, waits).status, 401);
    assert!(!vm.is_reset(waits));
    assert_eq!(vm.property(streams, "tollgate.verdict").as_deref(), Some("invalid_token"));
    assert!(vm.property(streams, "tollgate.reason").is_some_and(|reason| reason.contains("inactive")));
    vm.advance(SECOND * 2);
    assert_eq!(vm.metric("tollgate.streams.ended"), Some(2));
    assert!(!vm.is_ticking() || vm.calls().is_empty());
}

#[test]
fn a_client_that_has_left_gets_nothing_when_its_token_ends() {
    // STR-01, PWX-10: at every moment, also between the question and its response
    for (leaves, of) in [(true, 0), (true, 1), (true, 2), (false, 3)] {
        let mut vm = closing();
        let stream = begin(&mut vm, "one");
        begin_to_respond(&mut vm, stream);
        if of == 0 {
            vm.close(stream);
        }
        vm.advance(SECOND * 31);
        if of == 1 {
            vm.close(stream);
        }
        answer_all(&mut vm, &Response::json(r#"{"active":false}"#));
        if of == 2 {
            vm.close(stream);
        }
        vm.advance(SECOND);
        assert!(vm.calls().is_empty());
        if !leaves {
            assert!(vm.is_reset(stream));
        }
    }
}

#[test]
fn hundreds_of_streams_end_together() {
    // Each within the callback of a tick: a host ends only so many in one.
    let mut vm = closing();
    let streams: Vec<_> = (0..300).map(|_| begin(&mut vm, "one")).collect();
    for stream in streams.iter().step_by(2) {
        begin_to_respond(&mut vm, *stream);
    }
    vm.advance(SECOND * 31);
    answer_all(&mut vm, &Response::json(r#"{"active":false}"#));
    vm.advance(SECOND);
    for (n, stream) in streams.into_iter().enumerate() {
        if n % 2 == 0 {
            assert!(vm.is_reset(stream), "{n}");
        } else {
            assert_eq!(replied(&mut vm, stream).status, 401, "{n}");
        }
    }
}

#[test]
fn a_body_that_is_still_coming_goes_on_until_then() {
    let mut vm = closing();
    let stream = vm.open(&head("POST", "/upload", &[("authorization", "Bearer one")]));
    let response = active(&vm, 30);
    answer_all(&mut vm, &response);
    vm.send_body(stream, b"a", false);
    vm.advance(SECOND * 29);
    vm.send_body(stream, b"b", false);
    assert_eq!(forwarded(&mut vm, stream).body, b"ab");
    vm.advance(SECOND * 2);
    // While it is asked about, it goes on.
    vm.send_body(stream, b"c", false);
    assert_eq!(forwarded(&mut vm, stream).body, b"abc");
    answer_all(&mut vm, &Response::json(r#"{"active":false}"#));
    vm.advance(SECOND);
    assert_eq!(replied(&mut vm, stream).status, 401);
}

#[test]
fn another_configuration_ends_nothing_at_once() {
    // STR-07
    let configuration: Value =
        json!({"on_expiry": "close", "cache": {"max_entries": 100, "ttl": "1m", "ttl_jitter": 0}});
    let mut vm = vm(&configuration);
    let stream = begin(&mut vm, "one");
    begin_to_respond(&mut vm, stream);
    assert!(vm.configure_again(&crate::config(&configuration)));
    vm.advance(SECOND * 20);
    assert!(!vm.is_reset(stream));
    vm.advance(SECOND * 25);
    assert!(vm.is_reset(stream), "nobody can be asked about it any more");
    let other = begin(&mut vm, "two");
    assert_ne!(vm.outcome(other), Outcome::Paused);
}

#[test]
fn a_stream_keeps_little_of_a_long_head() {
    // STR-06: until its response begins
    for length in [0, 60_000] {
        let mut vm = closing();
        let long = "x".repeat(length);
        let begin = |vm: &mut Vm, number: usize| {
            for _ in 0..number {
                vm.request(&head("GET", "/stream", &[("authorization", "Bearer one"), ("x-long", &long)]));
                let response = active(vm, 600);
                answer_all(vm, &response);
                vm.clear_log();
            }
            vm.memory_size()
        };
        let before = begin(&mut vm, 10);
        let each = (begin(&mut vm, 1000) - before) / 1000;
        assert!(each < 2048, "{each} bytes for each");
    }
}
