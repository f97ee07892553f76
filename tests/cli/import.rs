//! `tollgate import`.

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, lines};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::jose::portable::Portable;
use tollgate_engine::worker::command::OutgoingCall;

use crate::support::Tollgate;

mod anypoint;
mod openapi;
mod short_file;

/// How the filter decides a request whose token, if there is one, has these scopes.
fn verdict(configuration: &Value, request: &str, scopes: Option<&str>) -> &'static str {
    let policy = tollgate_config::policy_of(configuration, &|_| Some("hush".to_owned())).unwrap();
    let (method, path) = request.split_once(' ').unwrap();
    let mut fields =
        vec![(":method", method), (":path", path), (":scheme", "https"), (":authority", "api.example.com")];
    if scopes.is_some() {
        fields.push(("authorization", "Bearer abc"));
    }
    let mut driver = Driver::new(policy, Ports::new([1, 2], &Portable), UnixTime::from_secs(1_800_000_000));
    let reply =
        json!({"active": true, "scope": scopes, "exp": 1_800_000_100_u64, "client_id": "c"}).to_string();
    let end = driver.decide(lines(&fields), Some(b""), |call| {
        assert!(matches!(call, OutgoingCall::Introspection(_)), "{call:?}");
        reply.clone()
    });
    end.outcome.decision.verdict().name()
}

/// The configuration that came of an import, and its remarks.
fn imported(tollgate: &Tollgate, args: &[&str]) -> (Value, Vec<String>) {
    let run = tollgate.run(["import", "--json"].iter().chain(args));
    assert!(run.status == 0, "{run:?}");
    let document = run.json();
    let remarks = document["remarks"].as_array().unwrap();
    (document["configuration"].clone(), remarks.iter().map(|r| r.as_str().unwrap().to_owned()).collect())
}
