//! Requests, and responses of every kind that a provider can send, under the configurations of the shared vectors.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;
use tollgate_cases::driver::{Driver, End};
use tollgate_cases::load_all;
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::{Decision, Verdict};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::connection::Peer;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::response::answer::Answer;

use crate::script::{Message, Script};
use crate::signatures::Computed;

/// The moment of all tests.
pub(crate) const NOW: u64 = 1_800_000_000;

/// What a client marks its own texts with: none of them may come back to it.
const MARK: &str = "zq";

/// A configuration of the vectors.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// As JSON.
    pub text: String,
    environment: BTreeMap<String, String>,
    /// Whether only a response with `"active": true` may let a request in.
    needs_active: bool,
}

static CONFIGURATIONS: LazyLock<Vec<Configuration>> = LazyLock::new(|| {
    let mut all: BTreeMap<String, Configuration> = BTreeMap::new();
    for case in load_all().iter().flat_map(|file| &file.cases) {
        let text = case.config_json();
        let environment = case.env.clone();
        if tollgate_config::policy(text.as_bytes(), &|name| environment.get(name).cloned()).is_ok() {
            let needs_active = needs_active(&text);
            all.insert(format!("{text}{environment:?}"), Configuration { text, environment, needs_active });
        }
    }
    all.into_values().collect()
});

/// All of them, in an order of their own.
pub(crate) fn configurations() -> &'static [Configuration] {
    &CONFIGURATIONS
}

/// A request and the responses to its calls.
pub fn exchange(data: &[u8]) {
    let script = Script::read(data);
    let Some(configuration) = CONFIGURATIONS.get(script.configuration % CONFIGURATIONS.len()) else { return };
    let end = run(configuration, &script);
    if let Some(answer) = &end.answer {
        echoes_nothing(answer, data);
    }
    if let Decision::Allow(verdict) = end.outcome.decision
        && configuration.needs_active
        && verdict == Verdict::Allowed
    {
        assert!(script.replies.iter().any(is_active), "nobody has said that this token is active");
    }
}

fn run(configuration: &Configuration, script: &Script) -> End {
    let environment = &configuration.environment;
    let policy =
        tollgate_config::policy(configuration.text.as_bytes(), &|name| environment.get(name).cloned());
    let ports = Ports { peer: &Client, ..Ports::new([1, 2], &Computed) };
    let mut driver =
        Driver::new(policy.expect("a configuration of the vectors"), ports, UnixTime::from_secs(NOW));
    let stream = driver.request(script.request.head.clone(), script.request.body.as_deref());
    let mut replies = script.replies.iter();
    let mut calls = 0;
    while let Some((id, call)) = driver.next_call() {
        calls += 1;
        assert!(calls < 100, "one request makes calls without end");
        match replies.next().filter(|reply| !reply.head.is_empty()) {
            Some(reply) => {
                let body = reply.body.as_deref().unwrap_or_default();
                let body = body.get(..call.read_up_to()).unwrap_or(body);
                driver.respond(id, CallOutcome::Response { head: RequestHead::new(&reply.head), body });
            }
            None => driver.respond(id, CallOutcome::Failed),
        }
    }
    driver.end(stream).expect("the request waits for ever")
}

/// None of the words that a client has marked comes back to it. (A path does, in the metadata's address; words there have other marks.)
fn echoes_nothing(answer: &Answer, data: &[u8]) {
    let texts = answer.headers.iter().map(|(_, value)| value).chain([&answer.body]);
    let told: Vec<&String> = texts.filter(|text| text.contains(MARK)).collect();
    if told.is_empty() {
        return;
    }
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    for word in
        data.split(|byte| !is_word(byte)).filter(|word| word.len() >= 8 && word.starts_with(MARK.as_bytes()))
    {
        let word = String::from_utf8_lossy(word);
        assert!(!told.iter().any(|text| text.contains(&*word)), "{word} comes back: {answer:?}");
    }
}

/// Whether a response is one that says of a token that it is active: another reader's view.
fn is_active(reply: &Message) -> bool {
    let status = reply.head.iter().find(|(name, _)| name.eq_ignore_ascii_case(b":status"));
    let body = reply.body.as_deref().unwrap_or_default();
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    status.is_some_and(|(_, status)| status == b"200") && value.get("active") == Some(&Value::Bool(true))
}

/// Whether every provider of a configuration is asked by RFC 7662, and rejections are enforced.
fn needs_active(text: &str) -> bool {
    [
        "\"jwt\"",
        "\"both\"",
        "\"userinfo\"",
        "\"dialect\"",
        "\"shadow\"",
        "\"jwks\"",
        "\"preset\"",
        "\"validate\"",
    ]
    .iter()
    .all(|word| !text.contains(word))
}

/// A client with a certificate, over TLS.
#[derive(Debug)]
struct Client;

impl Peer for Client {
    fn certificate_digest(&self, _: StreamId) -> Option<Vec<u8>> {
        Some(b"ab".repeat(32))
    }

    fn is_tls(&self, _: StreamId) -> bool {
        true
    }
}
