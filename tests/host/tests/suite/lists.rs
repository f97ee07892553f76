//! Client lists that are fetched.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Call, Response, StreamId, Vm, values};

use crate::{ACTIVE, config, forwarded, replied, vm, with_token};

const PARTNERS: &str = r#"{"clients":[{"id":"app","tier":"gold"},{"id":"other"}]}"#;
const NOBODY: &str = r#"{"clients":[]}"#;

fn live(changes: &Value) -> Value {
    let mut live = json!({
        "uri": "https://lists.example/lists/partners", "cluster": "lists", "bearer_token": "read-the-list",
    });
    crate::merge(&mut live, changes);
    json!({
        "client_lists": {"partners": live},
        "requires": {"clients": {"list": "partners"}},
        "cache": {"max_entries": 100, "ttl": "1h", "refresh_ahead": "0s", "shared": false, "ttl_without_exp": "1h"},
    })
}

/// The call that asks for the list, if it is under way.
fn list_call(vm: &Vm) -> Option<Call> {
    vm.calls().into_iter().find(|call| call.cluster == "lists")
}

/// Lets time pass until the list is asked for, and answers.
fn deliver(vm: &mut Vm, response: &Response) {
    let call = list_call(vm).or_else(|| {
        vm.advance(Duration::from_secs(30));
        list_call(vm)
    });
    vm.answer(call.expect("the list is asked for").id, response);
}

/// A request of the client `app`, whose token is asked about if it is not remembered.
fn request(vm: &mut Vm) -> StreamId {
    let stream = vm.request(&with_token("good"));
    if let Some(call) = vm.calls().into_iter().find(|call| call.cluster == "as") {
        vm.answer(call.id, &Response::json(ACTIVE));
    }
    stream
}

fn status(vm: &mut Vm) -> u32 {
    let stream = request(vm);
    replied(vm, stream).status
}

fn passes(vm: &mut Vm) {
    let stream = request(vm);
    forwarded(vm, stream);
}

fn lines(vm: &Vm) -> Vec<String> {
    let lines =
        vm.log().iter().filter(|line| line.level >= 2 && line.text.starts_with("tollgate: client list "));
    lines.map(|line| line.text.clone()).collect()
}

#[test]
fn nobody_passes_before_the_first_list_and_then_those_who_are_on_it() {
    let mut vm = vm(&live(&json!({})));
    assert_eq!(vm.calls(), [], "the host takes the configuration before time passes");
    assert_eq!(status(&mut vm), 503);
    vm.advance(Duration::from_millis(5));
    let call = list_call(&vm).expect("the list is asked for at once");
    let field = |name: &str| values(&call.head, name);
    assert_eq!(field(":method"), ["GET"]);
    assert_eq!(field(":authority"), ["lists.example"]);
    assert_eq!(field(":path"), ["/lists/partners"]);
    assert_eq!(field("authorization"), ["Bearer read-the-list"]);
    assert_eq!(call.body, b"");
    assert_eq!(call.timeout, Duration::from_secs(2));
    assert_eq!(status(&mut vm), 503, "while it is on its way");
    vm.answer(call.id, &Response::json(PARTNERS));
    passes(&mut vm);
    assert_eq!(lines(&vm), ["tollgate: client list partners: 2 client(s)"]);
    let shown = vm.everything_shown();
    let secret = |bytes: &Vec<u8>| bytes.windows(13).any(|window| window == b"read-the-list");
    assert!(!shown.iter().any(secret), "the list's token is shown");
}

#[test]
fn who_is_struck_off_is_refused_though_the_token_is_remembered() {
    let mut vm = vm(&live(&json!({})));
    vm.advance(Duration::from_millis(5));
    deliver(&mut vm, &Response::json(PARTNERS));
    passes(&mut vm);
    vm.advance(Duration::from_secs(26));
    assert_eq!(list_call(&vm), None, "not before nine tenths of `refresh`");
    vm.advance(Duration::from_secs(4));
    deliver(&mut vm, &Response::json(NOBODY));
    let calls = vm.metric("tollgate.introspection.calls");
    assert_eq!(status(&mut vm), 403);
    assert_eq!(vm.metric("tollgate.introspection.calls"), calls, "the token is not asked about again");
    assert_eq!(vm.metric("tollgate.client_lists.changes"), Some(2));
    deliver(&mut vm, &Response::json(PARTNERS));
    passes(&mut vm);
}

#[test]
fn the_last_list_is_kept_whatever_the_server_says_next() {
    let mut vm = vm(&live(&json!({"max_response_bytes": 1000})));
    vm.advance(Duration::from_millis(5));
    deliver(&mut vm, &Response::json(PARTNERS));
    vm.clear_log();
    let long = format!("{NOBODY}{}", " ".repeat(1000));
    for response in [
        Response::with_status("503", NOBODY),
        Response::with_status("503", NOBODY),
        Response::json("{}"),
        Response::json(&long),
        Response { head: vec![], body: NOBODY.into() },
    ] {
        deliver(&mut vm, &response);
        passes(&mut vm);
    }
    vm.advance(Duration::from_secs(30));
    let call = list_call(&vm).expect("the list is asked for").id;
    vm.fail(call);
    passes(&mut vm);
    vm.forget_cluster("lists");
    vm.advance(Duration::from_secs(30));
    passes(&mut vm);
    let faults =
        ["status 503", "clients: required, but missing", "longer than max_response_bytes", "no response"];
    let want =
        faults.map(|fault| format!("tollgate: client list partners: {fault}; the last version is kept"));
    assert_eq!(lines(&vm), want, "each fault is said once");
    assert_eq!(vm.metric("tollgate.client_lists.failures"), Some(7));
}

#[test]
fn a_list_that_has_not_come_is_asked_for_every_second() {
    let mut vm = vm(&live(&json!({})));
    vm.advance(Duration::from_millis(5));
    for _ in 0..3 {
        let call = list_call(&vm).expect("the list is asked for").id;
        vm.fail(call);
        assert_eq!(list_call(&vm), None);
        assert_eq!(status(&mut vm), 503);
        vm.advance(Duration::from_millis(1010));
    }
    deliver(&mut vm, &Response::json(PARTNERS));
    passes(&mut vm);
    assert_eq!(lines(&vm).len(), 2, "{:?}", lines(&vm));
    vm.reset_crossings();
    vm.advance(Duration::from_secs(20));
    let ticks = vm.crossings().entries.get("proxy_on_tick").copied();
    assert!(ticks <= Some(21), "idle ticks: {ticks:?}");
}

#[test]
fn what_is_unchanged_is_not_sent_again() {
    let mut vm = vm(&live(&json!({})));
    vm.advance(Duration::from_millis(5));
    let mut response = Response::json(PARTNERS);
    response.head.push((b"etag".to_vec(), b"\"one\"".to_vec()));
    deliver(&mut vm, &response);
    vm.advance(Duration::from_secs(30));
    let call = list_call(&vm).expect("the list is asked for");
    assert_eq!(values(&call.head, "if-none-match"), ["\"one\""]);
    vm.answer(call.id, &Response::with_status("304", ""));
    passes(&mut vm);
    assert_eq!(vm.metric("tollgate.client_lists.failures"), Some(0));
}

#[test]
fn a_new_configuration_keeps_the_list_it_shares_with_the_old_one() {
    let mut vm = vm(&live(&json!({})));
    vm.advance(Duration::from_millis(5));
    deliver(&mut vm, &Response::json(PARTNERS));
    assert!(vm.configure_again(&config(&live(&json!({"refresh": "1m"})))));
    passes(&mut vm);
    vm.advance(Duration::from_millis(5));
    deliver(&mut vm, &Response::json(NOBODY));
    assert_eq!(status(&mut vm), 403, "and it is asked for anew");
    assert!(vm.configure_again(&config(&live(&json!({"uri": "https://lists.example/lists/others"})))));
    assert_eq!(status(&mut vm), 503, "another list has not arrived yet");
}

#[test]
fn an_answer_of_the_old_configuration_is_nothing_to_the_new_one() {
    let mut vm = vm(&live(&json!({})));
    vm.advance(Duration::from_millis(5));
    let old = list_call(&vm).expect("the list is asked for").id;
    assert!(vm.configure_again(&config(&live(&json!({"uri": "https://lists.example/lists/others"})))));
    vm.answer(old, &Response::json(PARTNERS));
    assert_eq!(status(&mut vm), 503);
}
