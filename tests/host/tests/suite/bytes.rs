//! Bytes that are no text, in every place a peer can put them.

use serde_json::json;
use tollgate_host::{Fields, Outcome, Response, Vm, head, values};

use crate::{ACTIVE, config, forwarded, vm, with_token};

const ODD: &[u8] = b"\xff\x80caf\xc3\x28\xed\xa0\x80";

fn everything_on() -> Vm {
    vm(&json!({
        "token": {
            "from_headers": [{"name": "authorization", "scheme": "Bearer"}, {"name": "x-access-token"}],
            "from_params": ["access_token"], "from_cookies": ["token"], "from_websocket_protocol": "bearer", "from_form": true, "forward": false,
        },
        "rules": [{"match": {"prefix": "/a", "hosts": ["api.example.com"], "methods": ["GET"], "headers": [{"name": "x-kind", "exact": "k"}]}}],
        "responses": {"cors_origins": ["https://app.example.com"], "format": "auto"},
        "upstream": {"claims_prefix": "x-agw-", "forward_payload_header": "x-claims"},
    }))
}

/// Answers whatever is asked; the request must not be stuck.
fn settle(vm: &mut Vm, head: &Fields, what: &str) {
    let stream = vm.request_with(head, &[ODD], None);
    while let Some(call) = vm.calls().pop() {
        vm.answer(call.id, &Response::json(ACTIVE));
    }
    assert_ne!(vm.outcome(stream), Outcome::Paused, "{what}");
    vm.close(stream);
}

#[test]
fn odd_bytes_in_any_field_end_no_vm() {
    // PWX-02, HTT-10
    let mut vm = everything_on();
    let names = [
        ":method",
        ":path",
        ":authority",
        ":scheme",
        "authorization",
        "x-access-token",
        "cookie",
        "content-type",
        "content-length",
        "origin",
        "accept",
        "upgrade",
        "sec-websocket-protocol",
        "access-control-request-method",
        "x-agw-sub",
        "x-kind",
        "x-any",
    ];
    for name in names {
        for value in [
            ODD,
            b"",
            b"Bearer \xff",
            b"token=\xff",
            b"bearer, \xff",
            b"application/x-www-form-urlencoded; \xff",
            b"/a?access_token=\xff",
        ] {
            let mut head = head("POST", "/a", &[]);
            head.retain(|(known, _)| known != name.as_bytes());
            head.push((name.as_bytes().to_vec(), value.to_vec()));
            settle(&mut vm, &head, name);
            head.retain(|(known, _)| known != name.as_bytes());
            settle(&mut vm, &head, &format!("no {name}"));
        }
    }
    let mut vm = everything_on();
    for _ in 0..100 {
        let stream = vm.request(&with_token("good"));
        let call = vm.calls().remove(0);
        vm.answer(call.id, &Response::json(ACTIVE));
        forwarded(&mut vm, stream);
        vm.close(stream);
    }
}

#[test]
fn an_odd_field_reaches_the_upstream_as_it_came() {
    // HTT-10
    let mut vm = vm(&json!({}));
    let mut head = with_token("good");
    head.push((b"x-odd".to_vec(), ODD.to_vec()));
    let stream = vm.request(&head);
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    let sent = forwarded(&mut vm, stream).head;
    assert!(sent.contains(&(b"x-odd".to_vec(), ODD.to_vec())));
}

#[test]
fn odd_bytes_in_an_answer_are_a_bad_answer() {
    // PWX-02
    let mut vm = everything_on();
    for (status, body) in
        [("200", ODD), ("200", b"{\"active\":true,\"sub\":\"\xff\"}"), ("\u{fffd}", b"{}"), ("", b"")]
    {
        for name in ["content-type", "content-encoding", "retry-after", "x-any"] {
            let mut response = Response::with_status(status, "");
            response.body = body.to_vec();
            response.head.push((name.as_bytes().to_vec(), ODD.to_vec()));
            let stream = vm.request(&with_token("good"));
            let call = vm.calls().remove(0);
            vm.answer(call.id, &response);
            while let Some(call) = vm.calls().pop() {
                vm.answer(call.id, &response);
            }
            let Outcome::Replied(reply) = vm.outcome(stream) else { panic!("{status} {name}") };
            assert!(reply.status >= 500, "{status} {name}: {}", reply.status);
        }
    }
}

#[test]
fn a_trap_is_the_end_of_the_vm_and_of_the_test() {
    // What this host would say. Nothing that a peer sends does it; a host that wants all of the memory does. The module
    // itself logs nothing: its panics are traps, and the host says where.
    let tried = std::panic::catch_unwind(|| {
        let mut vm = Vm::new();
        assert!(vm.configure(&config(&json!({}))));
        vm.exhaust_memory();
    });
    let cause = tried.unwrap_err().downcast::<String>().unwrap();
    assert!(cause.contains("proxy_on_memory_allocate trapped: wasm `unreachable`"), "{cause}");
}

#[test]
fn a_field_name_that_is_no_text_is_a_name_like_another() {
    // PWX-02: no HTTP codec lets such a name by.
    let mut vm = vm(&json!({}));
    let mut fields = with_token("good");
    fields.push((b"\xff".to_vec(), b"x".to_vec()));
    let stream = vm.request(&fields);
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    forwarded(&mut vm, stream);
}

#[test]
fn attributes_may_be_absent_or_odd() {
    // PWX-25
    for odd in [false, true] {
        let mut vm = everything_on();
        if odd {
            for path in
                [["connection", "mtls"], ["request", "host"], ["source", "address"], ["request", "path"]]
            {
                vm.set_attribute(&path, ODD);
            }
        }
        let stream = vm.request(&with_token("good"));
        let call = vm.calls().remove(0);
        vm.answer(call.id, &Response::json(ACTIVE));
        forwarded(&mut vm, stream);
    }
}

#[test]
fn all_lines_of_a_field_are_looked_at() {
    // PWX-01: the host's single-value getter would show the first alone.
    let mut vm = vm(&json!({}));
    let stream =
        vm.request(&head("GET", "/", &[("authorization", "Bearer a"), ("authorization", "Bearer b")]));
    let Outcome::Replied(reply) = vm.outcome(stream) else { panic!("two tokens are one too many") };
    assert_eq!(reply.status, 400);
    assert_eq!(values(&reply.head, "www-authenticate").len(), 1);
}
