//! Status lists of JWTs, fetched by the built module.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::status_list::{MEDIA_TYPE, lst, status_list, with_status};
use tollgate_cases::token::Token;
use tollgate_host::{Call, Outcome, Response, StreamId, Vm, values};

use crate::{forwarded, replied, with_token};

const LIST: &str = "https://as.example.com/statuslists/1";

fn vm(changes: &Value) -> Vm {
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "p256",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk"});
    let mut config = json!({
        "providers": {"main": {
            "issuer": "https://as.example.com", "audiences": ["https://api.example.com"], "validate": "jwt",
            "jwks": {"inline": {"keys": [key]}},
            "status_list": {"uris": [LIST], "cluster": "lists"},
        }},
        "cache": {"max_entries": 100, "ttl": "1h"},
    });
    crate::merge(&mut config, changes);
    let mut vm = Vm::new();
    assert!(vm.configure(config.to_string().as_bytes()), "{:?}", vm.log());
    vm
}

fn list_call(vm: &Vm) -> Option<Call> {
    vm.calls().into_iter().find(|call| call.cluster == "lists")
}

fn response(vm: &Vm, token: &Token) -> Response {
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let head = vec![field(":status", "200"), field("content-type", MEDIA_TYPE)];
    Response { head, body: token.at(vm.now()).into_bytes() }
}

/// The list is fetched within this time, and has these bytes.
fn deliver(vm: &mut Vm, within: Duration, bytes: &[u8]) {
    let mut left = within;
    while list_call(vm).is_none() && left > Duration::ZERO {
        vm.advance(Duration::from_millis(10).min(left));
        left = left.saturating_sub(Duration::from_millis(10));
    }
    let call = list_call(vm).expect("the list is fetched");
    let list = response(vm, &status_list(LIST, 1, bytes, &json!({"ttl": 60})));
    vm.answer(call.id, &list);
}

fn request(vm: &mut Vm, token: &str) -> StreamId {
    vm.request(&with_token(token))
}

fn token(vm: &Vm, index: u64) -> String {
    with_status(LIST, index).at(vm.now())
}

#[test]
fn the_first_requests_wait_and_a_revoked_token_is_rejected_with_the_next_list() {
    // TSL-15, TSL-17
    let mut vm = vm(&json!({}));
    let [good, bad] = [0, 5].map(|index| token(&vm, index));
    let streams = [&good, &bad].map(|token| request(&mut vm, token));
    assert!(streams.iter().all(|stream| vm.outcome(*stream) == Outcome::Paused));
    vm.advance(Duration::from_millis(5));
    let call = list_call(&vm).expect("the list is fetched at once");
    let field = |name: &str| values(&call.head, name);
    assert_eq!([field(":method"), field(":path")], [["GET"], ["/statuslists/1"]]);
    assert_eq!(field("accept"), [MEDIA_TYPE]);
    deliver(&mut vm, Duration::ZERO, &[0]);
    for stream in streams {
        forwarded(&mut vm, stream);
    }
    deliver(&mut vm, Duration::from_secs(60), &[1 << 5]);
    let stream = request(&mut vm, &good);
    forwarded(&mut vm, stream);
    let stream = request(&mut vm, &bad);
    let reply = replied(&mut vm, stream);
    assert_eq!(reply.status, 401);
    assert_eq!(vm.metric("tollgate.status_lists.changes"), Some(2));
    assert_eq!(vm.metric("tollgate.introspection.calls"), Some(0));
    // The list's server goes away.
    vm.advance(Duration::from_secs(50));
    for _ in 0..400 {
        vm.advance(Duration::from_secs(1));
        if let Some(call) = list_call(&vm) {
            vm.fail(call.id);
        }
    }
    let fresh = token(&vm, 0);
    let stream = request(&mut vm, &fresh);
    assert_eq!(replied(&mut vm, stream).status, 503, "it fails closed");
}

#[test]
fn a_status_costs_a_request_no_host_call() {
    let cost = |vm: &mut Vm, token: &str| {
        for _ in 0..3 {
            vm.reset_crossings();
            let stream = request(vm, token);
            forwarded(vm, stream);
            vm.close(stream);
        }
        vm.crossings().host_calls.clone()
    };
    let mut with = vm(&json!({}));
    deliver(&mut with, Duration::from_millis(20), &[0]);
    let mut without = vm(
        &json!({"providers": {"main": {"status_list": {"required": false, "uris": ["https://as.example.com/other"]}}}}),
    );
    let (one, other) = (token(&with, 1), Token::default().at(without.now()));
    assert_eq!(cost(&mut with, &one), cost(&mut without, &other));
}

#[test]
fn a_list_that_would_be_huge_takes_no_memory() {
    // TSL-14
    let mut vm = vm(&json!({}));
    vm.advance(Duration::from_millis(5));
    let before = vm.memory_size();
    let zeros = lst(&vec![0; 3 << 20]);
    assert!(zeros.len() > 1 << 20);
    for _ in 0..3 {
        let call = list_call(&vm).expect("the list is fetched");
        let list = status_list(LIST, 1, &[], &json!({"status_list": {"bits": 1, "lst": zeros}}));
        let list = response(&vm, &list);
        vm.answer(call.id, &list);
        vm.advance(Duration::from_secs(2));
    }
    assert!(vm.memory_size() < before + (8 << 20), "{} and then {}", before, vm.memory_size());
    assert!(vm.metric("tollgate.status_lists.failures") >= Some(3));
}

#[test]
fn lists_beyond_the_bound_are_not_logged_for_each_request() {
    // TSL-16
    let lists = json!({"uris": [LIST], "uri_prefix": "https://as.example.com/statuslists/", "max_lists": 1});
    let mut vm = vm(&json!({"providers": {"main": {"status_list": lists}}}));
    deliver(&mut vm, Duration::from_millis(20), &[0]);
    vm.clear_log();
    let other = with_status("https://as.example.com/statuslists/2", 0).at(vm.now());
    for _ in 0..50 {
        let stream = request(&mut vm, &other);
        assert_eq!(replied(&mut vm, stream).status, 503);
    }
    let lines = vm.log().iter().filter(|line| line.text.contains("max_lists")).count();
    assert_eq!(lines, 1, "{:?}", vm.log());
}
