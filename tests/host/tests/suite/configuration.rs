//! What the module does with its configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Response, Vm, head};

use crate::{ACTIVE, config, forwarded, replied, vm, with_token};

fn errors(vm: &Vm) -> Vec<String> {
    vm.log().iter().filter(|line| line.level >= 4).map(|line| line.text.clone()).collect()
}

#[test]
fn a_bad_configuration_is_refused_with_every_fault() {
    // PWX-17, PWX-18
    let mut vm = Vm::new();
    let bad = config(&json!({
        "providers": {"main": {"introspection": {"timeout": "2 parsecs"}, "audience": ["x"]}},
        "requires": {"scopes": []},
        "mode": "enfroce",
    }));
    assert!(!vm.configure(&bad));
    let errors = errors(&vm);
    for place in
        ["providers.main.introspection.timeout", "providers.main.audience", "requires.scopes", "mode"]
    {
        assert!(errors.iter().any(|line| line.contains(place)), "{place} is not in {errors:#?}");
    }
}

#[test]
fn what_is_no_configuration_at_all_is_refused() {
    // PWX-17
    let bad: [&[u8]; 9] =
        [b"", b"{", b"null", b"[]", b"{}", b"\xff\xfe", b"\0", &[b'['; 100_000], br#"{"providers":{}}"#];
    for bytes in bad {
        let mut vm = Vm::new();
        assert!(!vm.configure(bytes), "{:?}", String::from_utf8_lossy(bytes.get(..9).unwrap_or(bytes)));
        assert!(!errors(&vm).is_empty());
    }
}

#[test]
fn no_fault_shows_a_secret() {
    // OAU-22
    for (name, value) in [
        ("client_secret", json!({"a": "hush-hush-hush"})),
        ("client_secert", json!("hush-hush-hush")),
        ("client_secret", json!(["hush-hush-hush"])),
        ("method", json!("hush-hush-hush")),
        ("bearer_token", json!("hush-hush-hush\r\n")),
    ] {
        let mut vm = Vm::new();
        let mut auth = serde_json::Map::new();
        auth.insert(name.to_owned(), value);
        let accepted =
            vm.configure(&config(&json!({"providers": {"main": {"introspection": {"client_auth": auth}}}})));
        assert!(!accepted, "{name}");
        assert!(!vm.log().iter().any(|line| line.text.contains("hush-hush")), "{name}: {:?}", vm.log());
    }
}

#[test]
fn nobody_passes_before_a_configuration_is_accepted() {
    // PWX-21
    let mut vm = Vm::new();
    assert!(!vm.configure(b"{}"));
    let stream = vm.request(&with_token("good"));
    assert_eq!(replied(&mut vm, stream).status, 503);
    let stream = vm.request_with(&with_token("good"), &[b"body"], Some(vec![(b"a".to_vec(), b"b".to_vec())]));
    assert_eq!(replied(&mut vm, stream).status, 503);
    vm.close(stream);
}

#[test]
fn a_refused_configuration_leaves_the_old_one_in_force() {
    let mut vm = Vm::new();
    assert!(vm.configure(&config(&json!({"responses": {"realm": "old"}}))));
    assert!(!vm.configure(&config(&json!({"responses": {"realm": 7}}))));
    let stream = vm.request(&head("GET", "/", &[]));
    let reply = replied(&mut vm, stream);
    assert_eq!(tollgate_host::values(&reply.head, "www-authenticate"), [r#"Bearer realm="old""#]);
}

#[test]
fn a_new_configuration_is_for_new_requests_and_old_ones_end_well() {
    let mut vm = Vm::new();
    assert!(vm.configure(&config(&json!({"responses": {"realm": "old"}}))));
    let waiting = vm.request(&with_token("good"));
    assert!(vm.configure(&config(&json!({"responses": {"realm": "new"}}))));
    let stream = vm.request(&head("GET", "/", &[]));
    let reply = replied(&mut vm, stream);
    assert_eq!(tollgate_host::values(&reply.head, "www-authenticate"), [r#"Bearer realm="new""#]);
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(ACTIVE));
    forwarded(&mut vm, waiting);
}

#[test]
fn an_old_configuration_s_request_is_retried_and_answered_under_the_old_one() {
    let with = |realm: &str| {
        let introspection = json!({"retries": 1});
        config(
            &json!({"responses": {"realm": realm}, "providers": {"main": {"introspection": introspection}}}),
        )
    };
    let mut vm = Vm::new();
    assert!(vm.configure(&with("old")));
    let waiting = vm.request(&with_token("good"));
    let call = vm.calls().remove(0);
    vm.fail(call.id);
    assert!(vm.configure(&with("new")));
    vm.advance(Duration::from_secs(1));
    let call = vm.calls().remove(0);
    vm.answer(call.id, &Response::json(r#"{"active":false}"#));
    let reply = replied(&mut vm, waiting);
    let challenge = tollgate_host::values(&reply.head, "www-authenticate").concat();
    assert!(challenge.starts_with(r#"Bearer realm="old", "#), "{challenge}");
}

#[test]
fn tokens_in_the_query_are_warned_of_and_counted() {
    // BCP-01
    const WARNING: &str =
        "tollgate: tokens in the query are accepted, and URIs end up in logs (RFC 9700 §4.3.2)";
    let warned = |more: &Value| {
        let vm = vm(more);
        vm.log().iter().any(|line| line.level == 3 && line.text == WARNING)
    };
    let everywhere = json!({"token": {"from_params": ["access_token"]}});
    assert!(warned(&everywhere) && !warned(&json!({})));
    assert!(warned(&json!({"responses": {"profile": "anypoint"}})));
    assert!(warned(&json!({"rules": [{"match": {"path": "/sse"}, "from_params": ["t"]}]})));

    let mut vm = vm(&everywhere);
    assert_eq!(vm.metric("tollgate.token.in_query"), Some(0));
    for fields in [with_token("good"), head("GET", "/orders?access_token=good", &[])] {
        let stream = vm.request(&fields);
        let call = vm.calls().remove(0);
        vm.answer(call.id, &Response::json(ACTIVE));
        forwarded(&mut vm, stream);
    }
    assert_eq!(vm.metric("tollgate.token.in_query"), Some(1));
}

#[test]
fn a_secret_may_come_from_the_vm_s_environment() {
    // OAU-15
    let auth = json!({"client_id": "gateway", "client_secret_env": "AS_SECRET"});
    let config = |auth: &Value| {
        let introspection =
            json!({"uri": "https://as.example.com/introspect", "cluster": "as", "client_auth": auth});
        json!({"providers": {"main": {"introspection": introspection}}}).to_string().into_bytes()
    };
    let env = BTreeMap::from([("A".to_owned(), "b".to_owned()), ("AS_SECRET".to_owned(), "hush".to_owned())]);
    let mut vm = Vm::with_env(&env);
    assert!(vm.configure(&config(&auth)), "{:?}", vm.log());
    vm.request(&with_token("good"));
    let authorization = tollgate_host::values(&vm.calls()[0].head, "authorization");
    assert_eq!(authorization, ["Basic Z2F0ZXdheTpodXNo"]);

    let mut vm = Vm::new();
    assert!(!vm.configure(&config(&auth)), "without the variable there is no secret");
    assert!(errors(&vm).iter().any(|line| line.contains("AS_SECRET") || line.contains("client_secret_env")));
}
