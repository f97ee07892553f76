//! `tollgate import`.

use serde_json::{Value, json};
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::Verdict;
use tollgate_engine::enforcer::{Enforcer, Step};
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::flight::{Flight, Landing};
use tollgate_engine::provider::outcome::CallOutcome;

use crate::support::Tollgate;

mod anypoint;
mod openapi;
mod short_file;

/// How the filter decides a request whose token, if there is one, has these scopes.
fn verdict(configuration: &Value, request: &str, scopes: Option<&str>) -> &'static str {
    let policy = Policy::from_value(configuration, &|_| Some("hush".to_owned())).unwrap();
    let mut enforcer = Enforcer::new(policy, [1, 2], b"");
    let (method, path) = request.split_once(' ').unwrap();
    let mut fields =
        vec![(":method", method), (":path", path), (":scheme", "https"), (":authority", "api.example.com")];
    if scopes.is_some() {
        fields.push(("authorization", "Bearer abc"));
    }
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
    let now = UnixTime::from_secs(1_800_000_000);
    let mut step = enforcer.begin(StreamId(1), fields, now);
    loop {
        step = match step {
            Step::Done(outcome) => break Verdict::name(outcome.decision.verdict()),
            Step::ReadForm(form) => form.body(&mut enforcer, b"", now),
            Step::FetchKeys(..) => panic!("keys are fetched"),
            Step::Introspect(question, pending) => {
                let provider = enforcer.provider(question.key.provider).unwrap();
                let (mut flight, call) = Flight::take_off(provider, *question, now, enforcer.nonces());
                let body = json!({"active": true, "scope": scopes.unwrap(), "exp": 1_800_000_100_u64, "client_id": "c"});
                let body = body.to_string().into_bytes();
                let head = [
                    (b":status".to_vec(), b"200".to_vec()),
                    (b"content-type".to_vec(), b"application/json".to_vec()),
                ];
                drop(call);
                let outcome = CallOutcome::Response { head: &head, body: &body };
                let landing = enforcer.land(&mut flight, outcome, now);
                let Landing::Settled(said) = landing else { panic!("a second call") };
                let key = flight.question().key;
                let finding = said.map(|said| enforcer.learn(key, said, flight.asked()));
                pending.resume(&mut enforcer, &finding, now)
            }
        };
    }
}

/// The configuration that came of an import, and its remarks.
fn imported(tollgate: &Tollgate, args: &[&str]) -> (Value, Vec<String>) {
    let run = tollgate.run(["import", "--json"].iter().chain(args));
    assert!(run.status == 0, "{run:?}");
    let document = run.json();
    let remarks = document["remarks"].as_array().unwrap();
    (document["configuration"].clone(), remarks.iter().map(|r| r.as_str().unwrap().to_owned()).collect())
}
