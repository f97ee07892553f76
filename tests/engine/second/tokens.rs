//! Every token and signed reply of the shared vectors, with every key of theirs.

use serde_json::Value;
use tollgate_cases::{Case, Reply, load_all};
use tollgate_engine::jose::jws::Compact;
use tollgate_engine::jose::key::PublicKey;

use super::{Both, says_yes};

const NOW: u64 = 1_800_000_000;

/// Where the two differ, by the name of the case: whether ours takes the signature, and why.
#[rustfmt::skip]
const OTHERWISE: [(&str, bool, &str); 4] = [
    ("a good token signed with Ed25519",        true,  "jsonwebtoken does not know the name of RFC 9864"),
    ("an extension that must be understood",    false, "jsonwebtoken does not look at `crit` when it reads a header"),
    ("no extension that must be understood",    false, "jsonwebtoken does not look at `crit` when it reads a header"),
    ("an unencoded payload",                    false, "jsonwebtoken does not look at `crit` when it reads a header"),
];

#[test]
fn each_signature_of_the_vectors_is_good_for_both_or_for_none() {
    let files = load_all();
    let cases: Vec<_> = files.iter().flat_map(|file| &file.cases).collect();
    let keys = keys(&cases);
    let (mut pairs, mut good, mut wrong) = (0, 0, Vec::new());
    for case in cases {
        for (jws, key) in tokens(case).iter().flat_map(|jws| keys.iter().map(move |key| (jws, key))) {
            let (ours, theirs) = (we_say_yes(jws, key), says_yes(jws, key));
            pairs += 1;
            good += usize::from(ours);
            let is_known = OTHERWISE.iter().any(|(name, takes, _)| *name == case.name && *takes == ours);
            if ours != theirs && !is_known {
                wrong.push(format!("{}: {jws} with {key}: ours {ours}, theirs {theirs}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {pairs}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(pairs > 1000 && good > 100, "{good} good ones of {pairs} pairs");
}

fn we_say_yes(jws: &str, key: &Value) -> bool {
    let (Ok(jws), Ok(key)) = (Compact::parse(jws), PublicKey::from_jwk(key)) else { return false };
    key.verify(jws.header.alg, jws.signing_input, &jws.signature, &Both)
}

/// The JWTs of a case: its access token, and replies that are signed.
fn tokens(case: &Case) -> Vec<String> {
    let replies = case.exchanges.iter().filter_map(|exchange| match &exchange.reply {
        Reply::Response(response) => response.signed.as_ref(),
        Reply::Nothing(_) => None,
    });
    let signed = case.request.token.iter().chain(replies).map(|token| token.at(NOW));
    let fields = case.request.headers.iter().flat_map(|(_, value)| value.split([' ', '=']));
    let as_written = fields.filter(|word| word.matches('.').count() == 2).map(str::to_owned);
    signed.chain(as_written).collect()
}

/// All public keys of the configurations, each once.
fn keys(cases: &[&Case]) -> Vec<Value> {
    let mut keys = Vec::new();
    for case in cases {
        collect(case.config.as_ref().unwrap(), &mut keys);
    }
    keys
}

fn collect(value: &Value, keys: &mut Vec<Value>) {
    match value {
        Value::Object(members) if members.contains_key("kty") => {
            let mut key = members.clone();
            key.retain(|name, _| ["kty", "crv", "n", "e", "x", "y"].contains(&name.as_str()));
            let key = Value::Object(key);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Value::Object(members) => members.values().for_each(|value| collect(value, keys)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}
