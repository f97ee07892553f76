//! A worker that checks proofs, and a client that makes them.

use std::cell::RefCell;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, lines};
use tollgate_cases::proof::Client;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::{Decision, Rejection};
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::request::connection::Peer;
use tollgate_engine::response::answer::Answer;

use crate::dpop::{NOW, TOKEN, URI};
use crate::second::Both;

/// A client's connection, over TLS or not.
#[derive(Debug)]
pub(super) struct Tls(pub(super) bool);

impl Peer for Tls {
    fn certificate_digest(&self, _stream: StreamId) -> Option<Vec<u8>> {
        None
    }

    fn is_tls(&self, _stream: StreamId) -> bool {
        self.0
    }
}

/// A worker that understands proofs, a client with a key, and what is said of its token.
pub(super) struct World {
    pub(super) driver: RefCell<Driver>,
    pub(super) client: Client,
    pub(super) reply: Value,
    pub(super) now: u64,
    pub(super) authority: &'static str,
    pub(super) path: &'static str,
    pub(super) asked: std::cell::Cell<usize>,
}

/// What a plugin that clients reach over TLS has of its host.
pub(super) fn ports() -> Ports {
    Ports { owner: b"plugin".to_vec(), peer: &Tls(true), ..Ports::new([1, 2], &Both) }
}

impl World {
    pub(super) fn new(changes: &Value) -> Self {
        Self::with(changes, ports())
    }

    pub(super) fn with(changes: &Value, ports: Ports) -> Self {
        let mut config = json!({
            "providers": {"main": {"introspection": {"uri": "https://as/i", "cluster": "as", "client_auth": {"method": "none"}}}},
            "dpop": {},
        });
        for (name, value) in changes.as_object().unwrap() {
            config[name] = value.clone();
        }
        let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
        let client = Client::new("client");
        Self {
            driver: RefCell::new(Driver::new(policy, ports, UnixTime::from_secs(NOW))),
            reply: json!({"active": true, "exp": NOW + 600, "cnf": {"jkt": client.thumbprint()}, "token_type": "DPoP"}),
            client,
            now: NOW,
            authority: "h",
            path: "/r",
            asked: std::cell::Cell::default(),
        }
    }

    pub(super) fn proof(&self, changes: &Value) -> String {
        self.client.proof("GET", URI, TOKEN, self.now, changes)
    }

    pub(super) fn request(&self, fields: &[(&str, &str)]) -> Outcome {
        let mut driver = self.driver.borrow_mut();
        driver.set_clock(UnixTime::from_secs(self.now));
        let pseudo =
            [(":method", "GET"), (":scheme", "https"), (":authority", self.authority), (":path", self.path)];
        let end = driver.decide(lines(&[&pseudo, fields].concat()), None, |call| {
            self.asked.set(self.asked.get() + 1);
            let is_known = !call.body().starts_with(b"token=bad");
            if is_known { self.reply.to_string() } else { r#"{"active":false}"#.to_owned() }
        });
        end.outcome
    }

    pub(super) fn answer(&self, outcome: &Outcome) -> Answer {
        outcome.answer(self.driver.borrow().worker.policy()).expect("it is refused")
    }

    /// The error in the body; `none` for a refusal without one, and `None` if the request passes.
    pub(super) fn error(&self, outcome: &Outcome) -> Option<String> {
        let answer = outcome.answer(self.driver.borrow().worker.policy())?;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let is_binding = matches!(
            outcome.decision,
            Decision::Deny(
                Rejection::BadProof(_)
                    | Rejection::NonceWanted { .. }
                    | Rejection::OtherKey
                    | Rejection::NotBound
            )
        );
        assert!(!is_binding || answer.status == 401, "{answer:?}");
        Some(body["error"].as_str().unwrap_or("none").to_owned())
    }
}

pub(super) fn field(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

/// A key that shows its private part.
pub(super) fn private() -> Value {
    let mut jwk = Client::new("client").jwk();
    jwk["d"] = json!("AAAA");
    jwk
}
