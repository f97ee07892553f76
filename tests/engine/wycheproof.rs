//! Project Wycheproof's vectors for JWS and JWK: somebody else's idea of what must be refused (TV-10).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests may count, and fail loudly"
)]

use serde_json::{Value, json};
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::jose::jws::Compact;
use tollgate_engine::jose::key_set::KeySet;

use crate::second::{Both, says_yes};

/// Where the second implementation, `jsonwebtoken`, takes what we refuse. It leaves it to its user to see what a key is for.
#[rustfmt::skip]
const SECOND_OTHERWISE: [(&str, u64, &str); 16] = [
    ("json_web_signature_test", 332, "the key is for PS512, the signature is of RS256"),
    ("json_web_signature_test", 334, "the key is for PS512, the signature is of RS384"),
    ("json_web_signature_test", 336, "the key is for PS512, the signature is of RS512"),
    ("json_web_signature_test", 338, "the key is for PS512, the signature is of PS256"),
    ("json_web_signature_test", 340, "the key is for PS512, the signature is of PS384"),
    ("json_web_signature_test", 346, "the key is for PS256, the signature is of PS384"),
    ("json_web_signature_test", 350, "the key is for PS256, the signature is of PS384"),
    ("json_web_signature_test", 353, "the key's `use` is encryption"),
    ("json_web_signature_test", 354, "the key's `use` is encryption"),
    ("json_web_signature_test", 355, "the key's `key_ops` are for encryption"),
    ("json_web_signature_test", 356, "the key's `key_ops` are for encryption"),
    ("json_web_key_test",         6, "the key's `use` is encryption"),
    ("json_web_key_test",        19, "the key's `alg` is ES521, which there is not"),
    ("json_web_key_test",        20, "the key's `alg` is ES224, which there is not"),
    ("json_web_key_test",        21, "the key's `use` is encryption"),
    ("json_web_key_test",        23, "the key's `crv` is P-384, its point is on P-256"),
];

/// Where we decide otherwise, by the file and the number of the vector.
#[rustfmt::skip]
const OTHERWISE: [(&str, u64, &str); 5] = [
    ("json_web_signature_test", 346, "the key is for PS256, the signature is of PS384: JWT-11"),
    ("json_web_signature_test", 350, "the key is for PS256, the signature is of PS384: JWT-11"),
    ("json_web_signature_test", 347, "the key's `alg` is ES521, which there is not: JWT-11"),
    ("json_web_signature_test", 351, "the key's `alg` is ES521, which there is not: JWT-11"),
    ("json_web_key_test",         7, "keys are not searched for the weakness of one maker's chips (ROCA)"),
];

#[test]
fn the_vectors_for_signatures() {
    run("json_web_signature_test", include_str!("../wycheproof/json_web_signature_test.json"), 300);
}

#[test]
fn the_vectors_for_keys() {
    run("json_web_key_test", include_str!("../wycheproof/json_web_key_test.json"), 10);
}

fn run(file: &str, text: &str, at_least: usize) {
    let document: Value = serde_json::from_str(text).unwrap();
    let (mut good, mut looked_at, mut wrong) = (0, 0, Vec::new());
    for group in document["testGroups"].as_array().unwrap() {
        let key = group.get("public").unwrap_or(&group["private"]);
        let key_is_set = key.get("keys").is_some();
        let keys = if key_is_set { key.clone() } else { json!({"keys": [key]}) };
        // The files have private sets only: what is public of them is what an issuer publishes.
        let keys = published(&keys);
        for test in group["tests"].as_array().unwrap() {
            let (id, comment) = (test["tcId"].as_u64().unwrap(), test["comment"].as_str().unwrap());
            let Some(jws) = test["jws"].as_str() else {
                assert_eq!(test["result"], "invalid", "{file} {id}: a JSON serialization");
                continue;
            };
            looked_at += 1;
            let is_good = verifies(jws, &keys);
            good += usize::from(is_good);
            let is_otherwise = OTHERWISE.iter().any(|(known, number, _)| (*known, *number) == (file, id));
            // There is no HMAC with us, so its good signatures are refused as well.
            let want = test["result"] == "valid" && !is_symmetric(&keys);
            if is_good != want && !is_otherwise {
                wrong.push(format!("{id} {comment}: {} in {}", test["result"], group["comment"]));
            }
            // It has HMAC as well.
            let says_yes = keys["keys"].as_array().unwrap().iter().any(|key| says_yes(jws, key));
            let is_otherwise =
                SECOND_OTHERWISE.iter().any(|(known, number, _)| (*known, *number) == (file, id));
            if says_yes != is_good && !is_symmetric(&keys) && !(says_yes && is_otherwise) {
                wrong.push(format!(
                    "{id} {comment}: jsonwebtoken says {says_yes}, we say {is_good} in {}",
                    group["comment"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
    assert!(looked_at >= at_least && good > 0, "{file}: {looked_at} vectors, {good} good");
}

fn verifies(jws: &str, keys: &Value) -> bool {
    let (Ok(jws), Ok(keys)) = (Compact::parse(jws), KeySet::from_json(keys)) else { return false };
    let verify = |algorithm: Algorithm| {
        keys.candidates(&jws.header)
            .any(|key| key.verify(algorithm, jws.signing_input, &jws.signature, &Both))
    };
    verify(jws.header.alg)
}

fn is_symmetric(keys: &Value) -> bool {
    keys["keys"].as_array().unwrap().iter().any(|key| key["kty"] == "oct")
}

fn published(keys: &Value) -> Value {
    let mut keys = keys.clone();
    for key in keys["keys"].as_array_mut().unwrap() {
        if key["kty"] != "oct" {
            key.as_object_mut()
                .unwrap()
                .retain(|name, _| !["d", "p", "q", "dp", "dq", "qi"].contains(&name.as_str()));
        }
    }
    keys
}
