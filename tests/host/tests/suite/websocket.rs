//! Tokens among the protocols of a WebSocket (RFC 6455 §4): what the response names.

use serde_json::json;
use tollgate_host::{Response, head, values};

use crate::{ACTIVE, forwarded, vm};

#[test]
fn the_response_names_a_protocol_that_was_offered() {
    // BRR-35
    const KUBERNETES: &str = "base64url.bearer.authorization.k8s.io.";
    #[rustfmt::skip]
    let cases: [(&str, &str, &str, &str, Option<&str>, &[&str]); 7] = [
        ("none is named, so the marker is",   "bearer",   "bearer, good",       "101", None,         &["bearer"]),
        ("as it was offered",                 "bearer",   "Bearer, good, chat", "101", None,         &["Bearer"]),
        ("the upstream's choice stays",       "bearer",   "bearer, good, chat", "101", Some("chat"), &["chat"]),
        ("without a token nothing changes",   "bearer",   "chat",               "101", None,         &[]),
        ("a response that begins none",       "bearer",   "bearer, good",       "404", None,         &[]),
        ("a marker that holds the token",     KUBERNETES, "base64url.bearer.authorization.k8s.io.Z29vZA, chat", "101", None, &[]),
        ("beside the upstream's choice",      KUBERNETES, "base64url.bearer.authorization.k8s.io.Z29vZA, chat", "101", Some("chat"), &["chat"]),
    ];
    for (name, marker, offered, status, chosen, want) in cases {
        let rules = json!([{"match": {"prefix": "/"}, "access": "optional"}]);
        let mut vm = vm(&json!({"token": {"from_websocket_protocol": marker}, "rules": rules}));
        let lines =
            [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-protocol", offered)];
        let stream = vm.open(&head("GET", "/events", &lines));
        if let Some(call) = vm.calls().first() {
            vm.answer(call.id, &Response::json(ACTIVE));
        }
        let seen = values(&forwarded(&mut vm, stream).head, "sec-websocket-protocol").concat();
        assert!(!seen.contains("good") && !seen.contains("Z29vZA"), "{name}: {seen}");
        let mut response = vec![(b":status".to_vec(), status.as_bytes().to_vec())];
        response.extend(chosen.map(|one| (b"sec-websocket-protocol".to_vec(), one.as_bytes().to_vec())));
        let response = vm.respond(stream, &response);
        assert_eq!(values(&response, "sec-websocket-protocol"), want, "{name}");
    }
}

#[test]
fn in_shadow_mode_the_response_stays_as_it_is() {
    // BRR-35
    let mut vm = vm(&json!({"mode": "shadow", "token": {"from_websocket_protocol": "bearer"}}));
    let lines = [("upgrade", "websocket"), ("sec-websocket-protocol", "bearer, good")];
    let stream = vm.open(&head("GET", "/events", &lines));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    assert_eq!(values(&forwarded(&mut vm, stream).head, "sec-websocket-protocol"), ["bearer, good"]);
    let response = vm.respond(stream, &vec![(b":status".to_vec(), b"101".to_vec())]);
    assert!(values(&response, "sec-websocket-protocol").is_empty());
}
