//! Ring 3: the built module in the in-process host.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::large_stack_arrays,
    reason = "tests, and what helps them"
)]

mod assertions;
mod budget;
mod bytes;
mod cache;
mod calls;
mod clock;
mod configuration;
mod ends;
mod forms;
mod growth;
mod grpc;
mod hostile;
mod jwt;
mod lasting;
mod lists;
mod proofs;
mod sharing;
mod status_lists;
mod storm;
mod structure;
mod vectors;
mod waiting;
mod websocket;
mod weight;

use serde_json::{Value, json};
use tollgate_host::{Fields, Forwarded, Outcome, Reply, StreamId, Vm, head};

/// The smallest configuration without a cache, and what is put over it.
fn config(more: &Value) -> Vec<u8> {
    let mut config = json!({
        "providers": {"main": {"introspection": {
            "uri": "https://as.example.com/introspect", "cluster": "as", "retries": 0,
            "client_auth": {"client_id": "gateway", "client_secret": "a-client-secret"},
        }}},
        "cache": {"max_entries": 0},
    });
    merge(&mut config, more);
    config.to_string().into_bytes()
}

fn merge(onto: &mut Value, more: &Value) {
    match (onto, more) {
        (Value::Object(onto), Value::Object(more)) => {
            for (name, value) in more {
                merge(onto.entry(name).or_insert(Value::Null), value);
            }
        }
        (onto, more) => *onto = more.clone(),
    }
}

/// A VM with that configuration.
fn vm(more: &Value) -> Vm {
    let mut vm = Vm::new();
    assert!(vm.configure(&config(more)), "{:?}", vm.log());
    vm
}

/// A request with a token.
fn with_token(token: &str) -> Fields {
    head("GET", "/orders", &[("authorization", &format!("Bearer {token}"))])
}

const ACTIVE: &str = r#"{"active":true,"client_id":"app"}"#;

fn forwarded(vm: &mut Vm, stream: StreamId) -> Forwarded {
    match vm.outcome(stream) {
        Outcome::Forwarded(forwarded) => forwarded,
        other => panic!("it should have gone on: {other:?}\n{:?}", vm.log()),
    }
}

fn replied(vm: &mut Vm, stream: StreamId) -> Reply {
    match vm.outcome(stream) {
        Outcome::Replied(reply) => reply,
        other => panic!("it should have been answered: {other:?}\n{:?}", vm.log()),
    }
}
