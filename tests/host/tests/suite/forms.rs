//! Tokens in form bodies (RFC 6750 §2.2): the host hands them over in pieces, or not at all.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Fields, Outcome, Response, head};

use crate::{ACTIVE, forwarded, replied, vm};

fn form_config() -> Value {
    json!({"token": {"from_form": true, "max_form_bytes": 1000}})
}

fn form() -> Fields {
    head("POST", "/orders", &[("content-type", "application/x-www-form-urlencoded")])
}

#[test]
fn a_form_in_pieces_is_read_as_one() {
    // BRR-07, BRR-08
    let mut vm = vm(&form_config());
    let stream = vm.request_with(&form(), &[b"a=1&acc", b"ess_tok", b"en=good&b=2"], None);
    let call = vm.calls().remove(0);
    assert!(call.body.starts_with(b"token=good&"));
    vm.answer(call.id, &Response::json(ACTIVE));
    assert_eq!(forwarded(&mut vm, stream).body, b"a=1&access_token=good&b=2");
}

#[test]
fn a_form_that_ends_in_trailers_is_read_too() {
    let mut vm = vm(&form_config());
    let trailers = Some(vec![(b"x-sum".to_vec(), b"1".to_vec())]);
    let stream = vm.request_with(&form(), &[b"access_token=good"], trailers);
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    let sent = forwarded(&mut vm, stream);
    assert_eq!(sent.body, b"access_token=good");
    assert!(sent.trailers.is_some());
}

#[test]
fn the_token_can_be_taken_out_of_the_form() {
    let mut config = form_config();
    config["token"]["forward"] = json!(false);
    let mut vm = vm(&config);
    let mut head = form();
    head.push((b"content-length".to_vec(), b"25".to_vec()));
    let stream = vm.request_with(&head, &[b"a=1&access_to", b"ken=good&b=2"], None);
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    let sent = forwarded(&mut vm, stream);
    assert_eq!(sent.body, b"a=1&b=2");
    assert_eq!(tollgate_host::values(&sent.head, "content-length"), ["7"]);
}

#[test]
fn a_form_beyond_its_bound_is_refused_before_it_has_ended() {
    let mut vm = vm(&form_config());
    let chunk = [b'a'; 600];
    let stream = vm.request_with(&form(), &[&chunk, &chunk, &chunk], None);
    assert_eq!(replied(&mut vm, stream).status, 413);
    assert!(vm.calls().is_empty());
}

#[test]
fn a_form_that_never_comes_is_given_up_on() {
    // Without `allow_on_headers_stop_iteration` the host keeps the body back for ever.
    let mut vm = vm(&form_config());
    vm.allow_on_headers_stop_iteration(false);
    let stream = vm.request_with(&form(), &[b"access_token=good"], None);
    let gone = vm.request_with(&form(), &[b"access_token=good"], None);
    vm.advance(Duration::from_secs(1));
    assert_eq!(vm.outcome(stream), Outcome::Paused);
    vm.close(gone);
    vm.advance(Duration::from_secs(20));
    assert_eq!(replied(&mut vm, stream).status, 400);
    assert!(vm.calls().is_empty() && !vm.is_ticking());
}

#[test]
fn in_shadow_mode_no_form_holds_a_request_up() {
    // The refusals are counted and not carried out, wherever they come from.
    let mut config = form_config();
    config["mode"] = json!("shadow");
    let (small, large) = ([b'a'; 600], [b'a'; 1200]);
    for chunks in [vec![&large[..]], vec![&small[..], &small[..]], vec![&small[..], &small[..], &small[..]]] {
        let mut vm = vm(&config);
        let stream = vm.request_with(&form(), &chunks, None);
        assert_eq!(forwarded(&mut vm, stream).body, chunks.concat(), "{} chunks", chunks.len());
        assert_eq!(vm.metric("tollgate.shadow.invalid_request"), Some(1));
    }
    let mut vm = vm(&config);
    vm.allow_on_headers_stop_iteration(false);
    let stream = vm.request_with(&form(), &[b"access_token=good"], None);
    vm.advance(Duration::from_secs(20));
    assert_eq!(forwarded(&mut vm, stream).body, b"access_token=good");
    assert_eq!(vm.metric("tollgate.shadow.invalid_request"), Some(1));
}

#[test]
fn an_empty_form_is_answered_at_once() {
    let mut vm = vm(&form_config());
    let stream = vm.request(&form());
    assert_eq!(replied(&mut vm, stream).status, 401);
    assert!(!vm.is_ticking() || vm.calls().is_empty());
}

#[test]
fn other_bodies_are_not_held() {
    // BRR-09
    let mut vm = vm(&json!({"rules": [{"match": {"prefix": "/"}, "access": "anonymous"}]}));
    let chunks = vec![[7_u8; 65536].as_slice(); 160];
    let stream = vm.request_with(&head("POST", "/", &[]), &chunks, None);
    assert_eq!(forwarded(&mut vm, stream).body.len(), 160 * 65536);
    assert_eq!(
        vm.crossings().host_calls.get("proxy_get_buffer_bytes"),
        Some(&1),
        "only the configuration is read"
    );
}
