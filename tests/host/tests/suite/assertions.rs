//! Client authentication by assertions, signed by the host or in the module.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_host::{Outcome, Response, Vm, values};

use crate::{ACTIVE, config, forwarded, vm, with_token};

const SECRET: &str = "hush: a secret of more than thirty-two bytes";

fn of_secret() -> Value {
    json!({"method": "client_secret_jwt", "client_secret": SECRET, "audience": "https://as.example.com"})
}

fn of_key(algorithm: &str) -> Value {
    json!({"method": "private_key_jwt", "client_secret": null, "private_key_env": "AS_KEY",
        "algorithm": algorithm, "audience": "https://as.example.com"})
}

fn with(auth: &Value, retries: u32) -> Value {
    let mut auth = auth.clone();
    auth["client_id"] = json!("gateway");
    if auth["client_secret"].is_null() {
        auth.as_object_mut().unwrap().remove("client_secret");
    }
    json!({
        "providers": {"main": {"introspection": {
            "uri": "https://as.example.com/introspect", "cluster": "as", "retries": retries, "client_auth": auth,
        }}},
        "cache": {"max_entries": 0},
    })
}

/// A key of `tests/keys`, in PEM.
fn key(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../keys/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The form fields of a call.
fn form(body: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(body).unwrap();
    let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.replace("%3A", ":"))).collect()
}

#[test]
fn an_assertion_is_all_there_is() {
    // CAS-01, CAS-08, CAS-09
    for (auth, name, signature, by_host) in [
        (of_secret(), "p256", 43, 0),
        (of_key("ES256"), "p256", 86, 1),
        (of_key("ES256"), "p256-sec1", 86, 1),
        (of_key("EdDSA"), "ed25519", 86, 0),
        (of_key("RS256"), "rsa", 342, 1),
        (of_key("RS256"), "rsa-pkcs1", 342, 1),
        (of_key("PS256"), "rsa-pkcs1", 342, 0),
    ] {
        let mut vm = Vm::with_env(&BTreeMap::from([("AS_KEY".to_owned(), key(name))]));
        assert!(vm.configure(with(&auth, 0).to_string().as_bytes()), "{auth}: {:?}", vm.log());
        let before = vm.signed();
        let stream = vm.request(&with_token("good"));
        let call = vm.calls().remove(0);
        assert!(values(&call.head, "authorization").is_empty(), "CAS-09 {auth}");
        let form = form(&call.body);
        let names: Vec<_> = form.keys().map(String::as_str).collect();
        let expected = ["client_assertion", "client_assertion_type", "client_id", "token", "token_type_hint"];
        assert_eq!(names, expected, "{auth}");
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!(form["client_id"], "gateway");
        let parts: Vec<_> = form["client_assertion"].split('.').map(str::len).collect();
        assert!(matches!(parts.as_slice(), [_, _, length] if *length == signature), "{auth}: {parts:?}");
        vm.answer(call.id, &Response::json(ACTIVE));
        forwarded(&mut vm, stream);
        assert_eq!(vm.signed() - before, by_host, "{auth}");
    }
}

#[test]
fn what_the_module_signs_is_bounded() {
    // CAS-05
    let calls = |auth: &Value| {
        let mut vm = Vm::with_env(&BTreeMap::from([("AS_KEY".to_owned(), key("rsa"))]));
        assert!(vm.configure(with(auth, 0).to_string().as_bytes()), "{:?}", vm.log());
        let mut statuses = BTreeSet::new();
        for n in 0..40 {
            let stream = vm.request(&with_token(&format!("garbage-{n}")));
            if let Outcome::Replied(reply) = vm.outcome(stream) {
                statuses.insert(reply.status);
            }
        }
        let assertions: BTreeSet<_> =
            vm.calls().iter().map(|call| form(&call.body)["client_assertion"].clone()).collect();
        (vm.calls().len(), assertions.len(), statuses)
    };
    let none = BTreeSet::new();
    assert_eq!(calls(&of_key("RS256")), (40, 40, none.clone()), "the host signs fast");
    let (made, assertions, statuses) = calls(&of_key("PS256"));
    assert!((16..=18).contains(&made) && assertions == made, "{made} {assertions}");
    assert_eq!(statuses, BTreeSet::from([503]), "and no more");
    let mut reused = of_key("PS256");
    reused["assertion_reuse"] = json!(true);
    assert_eq!(calls(&reused), (40, 1, none));
}

#[test]
fn a_host_that_does_not_sign_takes_no_key_that_it_has_to_sign_with() {
    // CAS-12: as Envoy before 1.37
    for (algorithm, name, is_taken) in [
        ("RS256", "rsa", false),
        ("ES256", "p256", false),
        ("PS256", "rsa", true),
        ("EdDSA", "ed25519", true),
    ] {
        let mut vm = Vm::with_env(&BTreeMap::from([("AS_KEY".to_owned(), key(name))]));
        vm.forget("sign");
        let configuration = with(&of_key(algorithm), 0).to_string();
        assert_eq!(vm.configure(configuration.as_bytes()), is_taken, "{algorithm}: {:?}", vm.log());
        let want = format!(
            "tollgate: configuration: providers.main.introspection.client_auth.algorithm: this host cannot sign with {algorithm}, \
             because it has no function \"sign\"; use Envoy 1.37 or later, or another algorithm"
        );
        assert_eq!(vm.log().iter().any(|line| line.text == want), !is_taken, "{algorithm}: {:?}", vm.log());
    }
}

#[test]
fn a_retry_has_an_assertion_of_its_own() {
    // CAS-05, CAS-13
    let mut vm = Vm::new();
    assert!(vm.configure(with(&of_secret(), 2).to_string().as_bytes()), "{:?}", vm.log());
    let mut assertions = BTreeSet::new();
    for token in ["one", "two"] {
        let stream = vm.request(&with_token(token));
        for attempt in 0..3 {
            let call = vm.calls().remove(0);
            assert!(assertions.insert(form(&call.body)["client_assertion"].clone()), "{token} {attempt}");
            if attempt == 2 {
                vm.answer(call.id, &Response::json(ACTIVE));
            } else {
                vm.fail(call.id);
                vm.advance(Duration::from_secs(1));
            }
        }
        forwarded(&mut vm, stream);
    }
    assert_eq!(assertions.len(), 6);
}

#[test]
fn no_two_vms_sign_alike() {
    // CAS-05: the seed is the host's
    let one = |random: u8| {
        let mut vm = Vm::new();
        vm.set_random(random);
        assert!(vm.configure(with(&of_secret(), 0).to_string().as_bytes()), "{:?}", vm.log());
        vm.request(&with_token("good"));
        form(&vm.calls()[0].body)["client_assertion"].clone()
    };
    assert_eq!(one(1), one(1));
    assert_ne!(one(1), one(2));
}

#[test]
fn no_key_is_ever_shown() {
    // CAS-12
    let mut vm = vm(&json!({}));
    let bad = json!({"method": "private_key_jwt", "client_id": "x", "algorithm": "ES256", "audience": "a",
        "private_key": "-----BEGIN PRIVATE KEY-----\nhushhush\n-----END PRIVATE KEY-----"});
    assert!(!vm.configure(with(&bad, 0).to_string().as_bytes()));
    let said: Vec<_> = vm.log().iter().map(|line| line.text.as_str()).collect();
    assert!(
        said.iter().any(|line| line.contains("client_auth.private_key: expected a private key")),
        "{said:?}"
    );
    assert!(!said.iter().any(|line| line.contains("hush")), "{said:?}");
    assert!(vm.configure(&config(&json!({}))));
}
