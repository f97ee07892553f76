//! A request's wait for the authorization server, and everything that can come between.

use std::time::Duration;

use serde_json::json;
use tollgate_host::{Outcome, Response, Vm, head, values};

use crate::{ACTIVE, forwarded, replied, vm, with_token};

const INACTIVE: &str = r#"{"active":false}"#;

fn with_retries(retries: u32) -> Vm {
    vm(&json!({"providers": {"main": {"introspection": {"retries": retries, "timeout": "2s"}}}}))
}

#[test]
fn a_request_waits_for_its_answer_and_goes_on() {
    let mut vm = vm(
        &json!({"upstream": {"claim_to_headers": [{"header_name": "x-client-id", "claim_name": "client_id"}]}}),
    );
    let stream = vm.request(&with_token("good"));
    assert_eq!(vm.outcome(stream), Outcome::Paused);
    let calls = vm.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].timeout, Duration::from_secs(2)); // PWX-22
    for name in [":method", ":path", ":authority", ":scheme"] {
        assert_eq!(values(&calls[0].head, name).len(), 1, "{name}"); // PWX-08
    }
    vm.answer(calls[0].id, &Response::json(ACTIVE));
    assert_eq!(values(&forwarded(&mut vm, stream).head, "x-client-id"), ["app"]);
    vm.close(stream);
}

#[test]
fn answers_in_any_order_find_their_requests() {
    let mut vm = vm(&json!({}));
    let streams: Vec<_> = (0..5).map(|n| vm.request(&with_token(&format!("token-{n}")))).collect();
    let calls = vm.calls();
    assert_eq!(calls.len(), 5);
    for call in calls.iter().rev() {
        let text = String::from_utf8_lossy(&call.body).into_owned();
        let good = text.starts_with("token=token-1&") || text.starts_with("token=token-3&");
        vm.answer(call.id, &Response::json(if good { ACTIVE } else { INACTIVE }));
    }
    for (n, stream) in streams.into_iter().enumerate() {
        let passes = matches!(vm.outcome(stream), Outcome::Forwarded(_));
        assert_eq!(passes, n == 1 || n == 3, "request {n}");
    }
}

#[test]
fn a_client_that_leaves_strands_nobody() {
    // PWX-10, INT-32
    let mut vm = vm(&json!({}));
    let leaver = vm.request(&with_token("same"));
    let others = [vm.request(&with_token("same")), vm.request(&with_token("same"))];
    vm.close(leaver);
    for call in vm.calls() {
        vm.answer(call.id, &Response::json(ACTIVE));
    }
    for stream in others {
        forwarded(&mut vm, stream);
        vm.close(stream);
    }
    let next = vm.request(&with_token("next"));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    forwarded(&mut vm, next);
}

#[test]
fn a_late_failure_of_a_request_that_has_gone_is_nothing() {
    let mut vm = with_retries(2);
    let stream = vm.request(&with_token("good"));
    let call = vm.calls().remove(0);
    vm.close(stream);
    vm.fail(call.id);
    vm.advance(Duration::from_secs(5));
    assert!(vm.calls().is_empty(), "nobody waits, and a call is made");
    assert!(!vm.is_ticking(), "nobody waits, and time is looked at");
}

#[test]
fn no_answer_is_asked_for_again_after_a_moment() {
    let mut vm = with_retries(1);
    let stream = vm.request(&with_token("good"));
    let first = vm.calls().remove(0);
    vm.fail(first.id);
    assert_eq!(vm.outcome(stream), Outcome::Paused);
    assert!(vm.calls().is_empty(), "the second call must not come at once");
    vm.advance(Duration::from_secs(1));
    let second = vm.calls().remove(0);
    assert_eq!((second.cluster, second.body), (first.cluster, first.body));
    assert!(second.timeout <= Duration::from_secs(2));
    vm.answer(second.id, &Response::json(ACTIVE));
    forwarded(&mut vm, stream);
    assert_eq!(vm.metric("tollgate.introspection.calls"), Some(2));
    assert_eq!(vm.metric("tollgate.introspection.retries"), Some(1));
    vm.advance(Duration::from_secs(60));
    assert!(!vm.is_ticking(), "time is looked at with nothing to wait for");
}

#[test]
fn a_client_may_leave_at_any_point_of_a_retry() {
    // PWX-10
    for point in ["before the retry", "during the retry"] {
        let mut vm = with_retries(1);
        let stream = vm.request(&with_token("good"));
        let other = vm.request(&with_token("other"));
        for call in vm.calls() {
            vm.fail(call.id);
        }
        if point == "before the retry" {
            vm.close(stream);
        }
        vm.advance(Duration::from_secs(1));
        assert_eq!(vm.calls().len(), if point == "before the retry" { 1 } else { 2 }, "{point}");
        if point == "during the retry" {
            vm.close(stream);
        }
        for call in vm.calls() {
            vm.answer(call.id, &Response::json(ACTIVE));
        }
        forwarded(&mut vm, other);
        vm.close(other);
    }
}

#[test]
fn no_answer_at_all_is_unavailable() {
    // INT-35, PWX-06
    let mut vm = with_retries(2);
    let stream = vm.request(&with_token("good"));
    for n in 0..3 {
        let call = vm.calls().pop().unwrap_or_else(|| panic!("call {n}"));
        vm.fail(call.id);
        vm.advance(Duration::from_millis(500));
    }
    let reply = replied(&mut vm, stream);
    assert_eq!(reply.status, 503);
    assert_eq!(values(&reply.head, "retry-after").len(), 1);
    assert!(vm.calls().is_empty());
}

#[test]
fn retries_keep_to_their_deadline() {
    let mut vm = with_retries(1);
    let stream = vm.request(&with_token("good"));
    vm.advance(Duration::from_secs(4));
    let call = vm.calls().remove(0);
    vm.fail(call.id);
    vm.advance(Duration::from_secs(1));
    assert!(vm.calls().is_empty(), "a call after the deadline");
    assert_eq!(replied(&mut vm, stream).status, 503);
}

#[test]
fn a_cluster_that_cannot_be_asked_is_unavailable() {
    // PWX-07
    for retries in [0, 1] {
        for refused in [false, true] {
            let mut vm = with_retries(retries);
            if refused {
                vm.refuse_cluster("as");
            } else {
                vm.forget_cluster("as");
            }
            let stream = vm.request(&with_token("good"));
            vm.advance(Duration::from_secs(1));
            let reply = replied(&mut vm, stream);
            assert_eq!(reply.status, 503, "retries {retries}, refused {refused}");
            assert!(vm.log().iter().any(|line| line.level >= 3), "nothing above info is logged");
        }
    }
}

#[test]
fn the_fallback_is_asked_when_the_first_cluster_gives_no_answer() {
    let introspection = json!({"retries": 0, "fallback_clusters": ["as2"]});
    let mut vm = vm(&json!({"providers": {"main": {"introspection": introspection}}}));
    let stream = vm.request(&with_token("good"));
    let first = vm.calls().remove(0);
    assert_eq!(first.cluster, "as");
    vm.answer(first.id, &Response::with_status("503", "no healthy upstream"));
    vm.advance(Duration::from_secs(1));
    let second = vm.calls().remove(0);
    assert_eq!(second.cluster, "as2");
    vm.answer(second.id, &Response::json(ACTIVE));
    forwarded(&mut vm, stream);
}

#[test]
fn a_refusal_has_each_of_its_fields_once() {
    // PWX-09, PWX-12: our own answer passes our own response callbacks.
    let mut vm = vm(&json!({"token": {"from_params": ["access_token"]}}));
    let no_token = vm.request(&head("GET", "/orders", &[]));
    let stream = vm.request(&head("GET", "/orders?access_token=good", &[]));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(INACTIVE));
    for stream in [no_token, stream] {
        let reply = replied(&mut vm, stream);
        assert_eq!(reply.status, 401);
        for name in ["cache-control", "www-authenticate", "content-type"] {
            assert_eq!(values(&reply.head, name).len(), 1, "{name}");
        }
        vm.close(stream);
    }
}

#[test]
fn a_body_that_comes_during_the_call_is_held_and_goes_on_whole() {
    // PWX-11
    let chunks: Vec<Vec<u8>> = (0..32_u8).map(|n| vec![n; 65536]).collect();
    let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    for allow in [true, false] {
        for verdict in [ACTIVE, INACTIVE] {
            let mut vm = vm(&json!({}));
            vm.allow_on_headers_stop_iteration(allow);
            let head = head("POST", "/orders", &[("authorization", "Bearer good")]);
            let stream = vm.request_with(&head, &chunks, Some(vec![(b"x-sum".to_vec(), b"1".to_vec())]));
            assert_eq!(vm.outcome(stream), Outcome::Paused);
            let call = vm.calls().remove(0);
            vm.answer(call.id, &Response::json(verdict));
            if verdict == ACTIVE {
                let forwarded = forwarded(&mut vm, stream);
                assert!(forwarded.body == chunks.concat(), "allow {allow}: the body is another one");
                assert_eq!(values(&forwarded.trailers.unwrap_or_default(), "x-sum"), ["1"]);
            } else {
                assert_eq!(replied(&mut vm, stream).status, 401);
            }
        }
    }
}

#[test]
fn an_answer_may_come_in_the_middle_of_the_body() {
    // PWX-11
    for allow in [true, false] {
        for before in 0..4_usize {
            let mut vm = vm(&json!({}));
            vm.allow_on_headers_stop_iteration(allow);
            let stream = vm.open(&head("POST", "/orders", &[("authorization", "Bearer good")]));
            for n in 0..4_u8 {
                if usize::from(n) == before {
                    let call = vm.calls().remove(0);
                    vm.answer(call.id, &Response::json(ACTIVE));
                }
                vm.send_body(stream, &[n], n == 3);
                let went_on = usize::from(n) >= before;
                assert_eq!(
                    matches!(vm.outcome(stream), Outcome::Forwarded(_)),
                    went_on,
                    "{allow} {before} {n}"
                );
            }
            assert_eq!(forwarded(&mut vm, stream).body, [0, 1, 2, 3], "{allow} {before}");
        }
    }
}

#[test]
fn a_client_s_fault_is_no_matter_for_the_log() {
    // Whoever sends nonsense must not be able to fill it, nor whoever sends it while nobody answers.
    let mut vm = vm(&json!({}));
    for authorization in ["", "Bearer", "Bearer a b", "Basic x", "Bearer bad"] {
        let stream = vm.request(&head("GET", "/", &[("authorization", authorization)]));
        for call in vm.calls() {
            vm.answer(call.id, &Response::json(INACTIVE));
        }
        replied(&mut vm, stream);
    }
    assert!(vm.log().iter().all(|line| line.level <= 1), "{:?}", vm.log());
    vm.clear_log();
    for _ in 0..200 {
        let stream = vm.request(&with_token("good"));
        for call in vm.calls() {
            vm.fail(call.id);
        }
        assert_eq!(replied(&mut vm, stream).status, 503);
        vm.advance(Duration::from_millis(10));
    }
    let loud = vm.log().iter().filter(|line| line.level >= 3).count();
    assert!((1..=4).contains(&loud), "{loud} lines in two seconds");
}

#[test]
fn forged_identity_in_trailers_is_removed() {
    // HDR-01
    let upstream = json!({"upstream": {"claim_to_headers": [{"header_name": "x-client-id", "claim_name": "client_id"}]}});
    let trailers =
        || Some(vec![(b"X-Client-Id".to_vec(), b"admin".to_vec()), (b"x-sum".to_vec(), b"1".to_vec())]);
    for allow in [true, false] {
        let mut vm = vm(&upstream);
        vm.allow_on_headers_stop_iteration(allow);
        let stream = vm.request_with(&with_token("good"), &[b"body"], trailers());
        let call = vm.calls().remove(0);
        vm.answer(call.id, &Response::json(ACTIVE));
        let sent = forwarded(&mut vm, stream).trailers.unwrap();
        assert_eq!(
            (values(&sent, "x-client-id"), values(&sent, "x-sum").len()),
            (vec![], 1),
            "allow {allow}"
        );
    }
}

#[test]
fn no_spelling_of_a_field_under_the_prefix_gets_through_in_trailers() {
    // HDR-02, HDR-03, HDR-09
    let spellings = ["x-c-client-id", "x_c_client_id", "X-C-Client_Id", "x_c-other"];
    let rules = json!([{"match": {"path": "/orders"}}, {"match": {"prefix": "/"}, "access": "anonymous"}]);
    for (mode, path) in
        [("enforce", "/orders"), ("enforce", "/open"), ("shadow", "/orders"), ("shadow", "/open")]
    {
        let config = json!({"mode": mode, "upstream": {"claims_prefix": "x-c-"}, "rules": rules.clone()});
        let mut vm = vm(&config);
        let mut head = with_token("good");
        head.retain(|(name, _)| name != b":path");
        head.push((b":path".to_vec(), path.as_bytes().to_vec()));
        let forged = spellings.map(|name| (name.as_bytes().to_vec(), b"admin".to_vec()));
        head.extend(forged.clone());
        let trailers = forged.into_iter().chain([(b"x-sum".to_vec(), b"1".to_vec())]).collect();
        let stream = vm.request_with(&head, &[b"body"], Some(trailers));
        for call in vm.calls() {
            vm.answer(call.id, &Response::json(ACTIVE));
        }
        let sent = forwarded(&mut vm, stream);
        let known = if path == "/orders" { vec!["app"] } else { Vec::new() };
        assert_eq!(values(&sent.head, "x-c-client-id"), known, "{mode} {path}");
        let names: Vec<_> = sent.trailers.unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [b"x-sum"], "{mode} {path}");
        assert!(spellings[1..].iter().all(|name| values(&sent.head, &name.to_ascii_lowercase()).is_empty()));
    }
}

#[test]
fn a_token_in_the_query_makes_the_response_private() {
    // BRR-16
    let mut vm = vm(&json!({"token": {"from_params": ["access_token"]}}));
    let text = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let sent =
        vec![text(":status", "200"), text("cache-control", "public"), text("cache-control", "max-age=60")];
    for (path, header, want) in [
        ("/orders?access_token=good", None, vec!["private, max-age=60"]),
        ("/orders", Some(("authorization", "Bearer good")), vec!["public", "max-age=60"]),
    ] {
        let stream = vm.request(&head("GET", path, header.as_slice()));
        let call = vm.calls().remove(0);
        vm.answer(call.id, &Response::json(ACTIVE));
        forwarded(&mut vm, stream);
        assert_eq!(values(&vm.respond(stream, &sent), "cache-control"), want, "{path}");
    }
}

#[test]
fn in_shadow_mode_every_refusal_goes_on() {
    let introspection = json!({"retries": 1});
    let mut vm = vm(&json!({"mode": "shadow", "providers": {"main": {"introspection": introspection}}}));
    let none = vm.request(&head("GET", "/", &[]));
    let refused = vm.request(&with_token("bad"));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(INACTIVE));
    let unknown = vm.request(&with_token("unknown"));
    for _ in 0..2 {
        let call = vm.calls().remove(0);
        vm.fail(call.id);
        vm.advance(Duration::from_secs(1));
    }
    vm.forget_cluster("as");
    let unsent = vm.request(&with_token("unsent"));
    vm.advance(Duration::from_secs(1));
    for stream in [none, refused, unknown, unsent] {
        forwarded(&mut vm, stream);
        assert!(vm.property(stream, "tollgate.verdict").is_some());
    }
}
