//! The configuration: what is read, what is refused and how that is said, and the documents that are written from its tables.

mod defaults;
mod documents;
mod errors;
mod everything;
mod mistakes;
mod protobuf;

use serde_json::{Value, json};
use tollgate_config::error::ConfigError;
use tollgate_engine::policy::Policy;

/// The smallest configuration.
fn smallest() -> Value {
    json!({
        "providers": {"okta": {
            "issuer": "https://dev.example.com/oauth2/default",
            "introspection": {
                "uri": "https://dev.example.com/oauth2/default/v1/introspect",
                "cluster": "okta",
                "client_auth": {"client_id": "gateway", "client_secret_env": "OKTA_CLIENT_SECRET"},
            },
        }},
        "requires": {"scopes": ["orders:read"]},
    })
}

fn env(name: &str) -> Option<String> {
    match name {
        "OKTA_CLIENT_SECRET" | "RS_TOKEN" => Some("from-the-environment".to_owned()),
        "NOT_A_TOKEN" => Some("two words".to_owned()),
        "AS_KEY" => Some(include_str!("../keys/p256.pem").to_owned()),
        "KEY_RSA_1024" => Some(include_str!("../keys/rsa-1024.pem").to_owned()),
        "NONCE_KEY" => Some("k".repeat(32)),
        "NOTHING" => Some(String::new()),
        "BREAK" => Some("\n".to_owned()),
        "BREAKS" => Some("s3cret\n\n".to_owned()),
        _ => None,
    }
}

fn parse(document: &Value) -> Result<Policy, Vec<ConfigError>> {
    tollgate_config::policy(document.to_string().as_bytes(), &env)
}

/// What an operator reads, a line per fault.
fn faults(document: &Value) -> Vec<String> {
    messages(parse(document))
}

fn messages(result: Result<Policy, Vec<ConfigError>>) -> Vec<String> {
    result.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The smallest configuration with one thing set, at a path as in `rules.0.match`. `@` is okta's
/// introspection.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut document = smallest();
    for (path, value) in changes {
        let path = path.replace('@', "providers.okta.introspection");
        let mut place = &mut document;
        for key in path.split('.').filter(|key| !key.is_empty()) {
            if let Ok(index) = key.parse::<usize>() {
                if !place.is_array() {
                    *place = json!([]);
                }
                let items = place.as_array_mut().unwrap();
                while items.len() <= index {
                    items.push(json!({}));
                }
                place = &mut items[index];
            } else {
                if !place.is_object() {
                    *place = json!({});
                }
                place = place.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
            }
        }
        *place = value.clone();
    }
    document
}

fn without(path: &[&str]) -> Value {
    let mut document = smallest();
    let (last, above) = path.split_last().unwrap();
    let parent = above.iter().fold(&mut document, |place, key| &mut place[*key]);
    parent.as_object_mut().unwrap().remove(*last);
    document
}

/// Puts changes over a document; `null` takes a member away.
fn merge(onto: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        let members = onto.as_object_mut().unwrap();
        match value {
            Value::Null => drop(members.remove(name)),
            Value::Object(_) if members.contains_key(name) => merge(&mut members[name], value),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
}

/// A provider whose JWTs are verified, with these changes; `null` takes a key away.
fn jwt(changes: &Value) -> Value {
    let mut provider = json!({
        "issuer": "https://j.example.com", "audiences": ["api"], "validate": "jwt", "jwks": {"inline": {"keys": [ed25519()]}},
    });
    merge(&mut provider, changes);
    provider
}

/// Every supported key, none with its default.
/// The key of RFC 8037 appendix A.
fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}
