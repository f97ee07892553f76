//! Proofs of possession (RFC 9449): used proofs are everybody's business, and nonces come with responses.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_cases::proof::Client;
use tollgate_host::{Outcome, Response, StreamId, Vm, head, values};

use crate::{config, forwarded, replied, vm};

fn request(vm: &mut Vm, proof: &str) -> StreamId {
    let lines = head("GET", "/r", &[("authorization", "DPoP good"), ("dpop", proof)]);
    let stream = vm.request(&lines);
    if let Some(call) = vm.calls().first() {
        let reply = json!({"active": true, "exp": vm.now() + 600, "cnf": {"jkt": Client::new("client").thumbprint()}});
        vm.answer(call.id, &Response::json(&reply.to_string()));
    }
    stream
}

fn proof(vm: &Vm, changes: &Value) -> String {
    Client::new("client").proof("GET", "http://api.example.com/r", "good", vm.now(), changes)
}

#[test]
fn a_proof_counts_once_in_all_workers_together() {
    // DPP-27, DPP-28, ATK-93
    let policy = json!({"dpop": {"replay_cache": 100}});
    let mut one = vm(&policy);
    let mut two = one.beside();
    assert!(two.configure(&config(&policy)));
    let used = proof(&one, &json!({}));
    let stream = request(&mut one, &used);
    forwarded(&mut one, stream);
    for vm in [&mut one, &mut two] {
        let stream = request(vm, &used);
        let reply = replied(vm, stream);
        assert_eq!(reply.status, 401);
        assert!(String::from_utf8_lossy(&reply.body).contains("invalid_dpop_proof"), "{reply:?}");
    }
    let fresh = proof(&two, &json!({}));
    let stream = request(&mut two, &fresh);
    forwarded(&mut two, stream);
    for _ in 0..500 {
        let next = proof(&one, &json!({}));
        let stream = request(&mut one, &next);
        forwarded(&mut one, stream);
        one.close(stream);
    }
    // A bucket each at most, and what the workers have in common.
    assert!(one.shared_data().len() <= 2 * 503, "{}", one.shared_data().len());
    let all: usize = one.shared_data().iter().map(Vec::len).sum();
    assert!(all < 50_000, "{all} bytes");
    assert_eq!(one.metric("tollgate.verdict.invalid_binding"), Some(1));
    // DPP-35: neither the proof nor its jti is anywhere.
    let jti = used.split('.').nth(1).unwrap().as_bytes().to_vec();
    let shows = |bytes: &Vec<u8>| bytes.windows(jti.len()).any(|window| window == jti);
    assert!(!one.log().iter().any(|line| shows(&line.text.clone().into_bytes())));
    assert!(!one.shared_data().iter().any(shows));
}

#[test]
fn nonces_are_one_for_all_workers_and_are_renewed_with_a_response() {
    // DPP-23, DPP-26
    let policy = json!({"dpop": {"nonce": "required", "nonce_lifetime": "1m", "max_age": "10s"}});
    let mut one = vm(&policy);
    let mut two = one.beside();
    assert!(two.configure(&config(&policy)));
    let without = proof(&one, &json!({}));
    let stream = request(&mut one, &without);
    let reply = replied(&mut one, stream);
    let nonce = values(&reply.head, "dpop-nonce").remove(0);
    assert!(values(&reply.head, "www-authenticate")[1].contains("error=\"use_dpop_nonce\""), "{reply:?}");
    let with = proof(&two, &json!({"claims": {"nonce": nonce}}));
    let stream = request(&mut two, &with);
    forwarded(&mut two, stream);
    // In the next minute it is still good, and the response brings the next one.
    let to_next = Duration::from_secs(60 - two.now() % 60);
    two.advance(to_next);
    let with = proof(&two, &json!({"claims": {"nonce": nonce}}));
    let stream = request(&mut two, &with);
    forwarded(&mut two, stream);
    let cacheable = [(":status", "200"), ("cache-control", "max-age=60"), ("dpop-nonce", "the upstream's")];
    let fields = cacheable.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let response = two.respond(stream, &fields.to_vec());
    let [next] = &values(&response, "dpop-nonce")[..] else { panic!("{response:?}") };
    assert_ne!(*next, nonce);
    assert_eq!(values(&response, "cache-control"), ["no-store"]);
    let with = proof(&one, &json!({"claims": {"nonce": next, "iat": two.now()}}));
    one.advance(to_next);
    let stream = request(&mut one, &with);
    assert!(matches!(one.outcome(stream), Outcome::Forwarded(_)), "{:?}", one.log());
}

#[test]
fn another_configuration_remembers_what_has_been_used() {
    // DPP-27: as over LDS, in one worker after the other
    let small = json!({"dpop": {"replay_cache": 10}});
    let mut one = vm(&small);
    let mut two = one.beside();
    assert!(two.configure(&config(&small)));
    let used: Vec<_> = (0..40).map(|_| proof(&one, &json!({}))).collect();
    for used in &used {
        let stream = request(&mut one, used);
        forwarded(&mut one, stream);
    }
    for dpop in [
        json!({"replay_cache": 50_000}),
        json!({"max_age": "5m"}),
        json!({"replay_cache": 1, "clock_skew": "1m", "forward": false}),
    ] {
        assert!(one.configure_again(&config(&json!({"dpop": dpop}))));
        for vm in [&mut one, &mut two] {
            for used in &used {
                let stream = request(vm, used);
                assert_eq!(replied(vm, stream).status, 401, "{dpop}");
            }
        }
    }
    let fresh = proof(&one, &json!({}));
    let stream = request(&mut one, &fresh);
    forwarded(&mut one, stream);
}

#[test]
fn a_restart_forgets_what_has_been_used_and_a_nonce_closes_that() {
    // DPP-13, DPP-27: a proof is good for `max_age` at a proxy that has just started, as at any other
    for (policy, passes) in [(json!({"dpop": {}}), true), (json!({"dpop": {"nonce": "required"}}), false)] {
        let mut before = vm(&policy);
        let mut overheard = proof(&before, &json!({}));
        if !passes {
            let stream = request(&mut before, &overheard);
            let nonce = values(&replied(&mut before, stream).head, "dpop-nonce").remove(0);
            overheard = proof(&before, &json!({"claims": {"nonce": nonce}}));
        }
        let stream = request(&mut before, &overheard);
        forwarded(&mut before, stream);
        let mut after = Vm::new();
        after.set_random(7);
        after.set_clock(before.now() + 30);
        assert!(after.configure(&config(&policy)));
        let stream = request(&mut after, &overheard);
        assert_eq!(matches!(after.outcome(stream), Outcome::Forwarded(_)), passes, "{policy}");
    }
}

#[test]
fn a_nonce_of_another_plugin_or_another_life_is_none() {
    // DPP-24, DPP-25, ATK-98
    let policy = |lifetime: &str| json!({"dpop": {"nonce": "required", "nonce_lifetime": lifetime}});
    let asked = |vm: &mut Vm| {
        let without = proof(vm, &json!({}));
        let stream = request(vm, &without);
        values(&replied(vm, stream).head, "dpop-nonce").remove(0)
    };
    let mut one = vm(&policy("1m"));
    let nonce = asked(&mut one);
    let with = |vm: &mut Vm| {
        let proof = proof(vm, &json!({"claims": {"nonce": nonce}}));
        let stream = request(vm, &proof);
        vm.outcome(stream)
    };
    let mut same = one.beside();
    assert!(same.configure(&config(&policy("1m"))));
    let mut other = one.beside();
    other.set_attribute(&["plugin_name"], b"another listener's");
    assert!(other.configure(&config(&policy("1m"))));
    let mut shorter = one.beside();
    assert!(shorter.configure(&config(&policy("1h"))));
    assert!(matches!(with(&mut same), Outcome::Forwarded(_)));
    assert!(matches!(with(&mut other), Outcome::Replied(_)), "of another plugin");
    assert!(matches!(with(&mut shorter), Outcome::Replied(_)), "of another lifetime");
    let later = one.now() + 121;
    same.set_clock(later);
    assert!(matches!(with(&mut same), Outcome::Replied(_)), "expired");
}
