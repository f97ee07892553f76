//! Refusals of gRPC requests, and of what a filter before ours has made of others.

use serde_json::json;
use tollgate_host::{Response, head, values};

use crate::{ACTIVE, replied, vm};

#[test]
fn a_refusal_has_both_statuses_for_the_host_to_choose() {
    // GRP-02, GRP-09
    #[rustfmt::skip]
    let cases = [
        ("no token",       "/orders", None,              401, 16, "An access token is required."),
        ("malformed",      "/orders", Some("Bearer"),    400, 16, "The credentials are malformed."),
        ("a scope",        "/scoped", Some("Bearer a"),  403, 7,  "A required scope is missing."),
        ("nobody",         "/closed", None,              403, 7,  "Access is denied."),
        ("no answer",      "/orders", Some("Bearer b"),  503, 14, "The access token could not be checked; try again later."),
    ];
    let rules = json!([
        {"match": {"path": "/scoped"}, "requires": {"scopes": ["write"]}},
        {"match": {"path": "/closed"}, "access": "deny"},
    ]);
    for (name, path, authorization, status, grpc_status, says) in cases {
        for translates in [false, true] {
            let mut vm = vm(&json!({"rules": rules.clone()}));
            vm.translate_grpc(translates);
            let mut lines = vec![("content-type", "application/grpc+proto")];
            lines.extend(authorization.map(|value| ("authorization", value)));
            let stream = vm.request(&head("POST", path, &lines));
            while let Some(call) = vm.calls().into_iter().next() {
                if authorization == Some("Bearer a") {
                    vm.answer(call.id, &Response::json(ACTIVE));
                } else {
                    vm.fail(call.id);
                    vm.advance(std::time::Duration::from_secs(1));
                }
            }
            let reply = replied(&mut vm, stream);
            if translates {
                assert_eq!((reply.status, reply.grpc_status), (status, None), "{name}");
                assert_eq!(String::from_utf8_lossy(&reply.body), says, "{name}");
                assert_eq!(values(&reply.head, "content-type"), ["text/plain"], "{name}");
            } else {
                assert_eq!((reply.status, reply.grpc_status), (200, Some(grpc_status)), "{name}");
                assert_eq!(values(&reply.head, "grpc-message"), [says], "{name}");
            }
        }
    }
}
