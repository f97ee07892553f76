//! Every rejection of a request is told to the trace as a failed check. Nobody has to guess which one it was.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may fail loudly")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Value, json};
use tollgate_cases::driver::{Driver, lines};
use tollgate_cases::proof::Client as Signer;
use tollgate_cases::{Case, Reply, Ring, latin1, load_all};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::fault::JwtFault;
use tollgate_engine::decision::trace::{Check, Trace};
use tollgate_engine::decision::{Decision, NoAnswer, Rejection};
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::worker::command::{CallId, OutgoingCall};

use crate::second::Both;
use crate::vectors::{Client, NOW, response};

#[test]
fn every_rejection_is_a_failed_check() {
    let mut all = Rejections::default();
    for file in load_all() {
        for case in file.cases.iter().filter(|case| case.runs_in(Ring::Core)) {
            all.add(&format!("{}: {}", file.name, case.name), |told| run(&case.signed_at(NOW), told));
        }
    }
    for (name, changes, fields) in BESIDES {
        all.add(name, |told| run_besides(changes, fields, told));
    }
    assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
    let unseen: Vec<_> = (0..KINDS).filter(|kind| !all.seen.contains(kind)).collect();
    assert!(unseen.is_empty(), "no case here for the kinds of rejections {unseen:?}");
}

#[test]
fn what_is_too_old_for_a_rule_is_told() {
    let config = json!({
        "providers": {"main": {"introspection": {"uri": "https://as/i", "cluster": "as", "client_auth": {"method": "none"}}}},
        "requires": {"max_cache_age": "5m"},
        "cache": {"ttl": "1h"},
    });
    let told = Ages::default();
    let ports = Ports::new([1, 2], &Both).traced(told.clone());
    let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
    let mut driver = Driver::new(policy, ports, UnixTime::from_secs(NOW));
    for (passed, want) in [(0, vec!["300 None"]), (299, vec![]), (301, vec!["300 Some(301)"])] {
        driver.set_clock(UnixTime::from_secs(NOW + passed));
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "h"),
            (":path", "/"),
            ("authorization", "Bearer t"),
        ];
        let end =
            driver.decide(lines(&fields), None, |_| r#"{"active": true, "exp": 2000000000}"#.to_owned());
        assert!(matches!(end.outcome.decision, Decision::Allow(_)));
        assert_eq!(told.0.take(), want, "{passed}");
    }
}

/// The ages that are told.
#[derive(Clone, Debug, Default)]
struct Ages(Rc<RefCell<Vec<String>>>);

impl Trace for Ages {
    fn made<'a>(&self, check: impl FnOnce() -> Check<'a>, _: Option<&Rejection>) {
        if let Check::CacheAge { max, found } = check() {
            let found = found.map(|age| age.as_secs());
            self.0.borrow_mut().push(format!("{} {found:?}", max.as_secs()));
        }
    }
}

/// What has come of all cases.
#[derive(Default)]
struct Rejections {
    wrong: Vec<String>,
    seen: BTreeSet<u8>,
}

impl Rejections {
    fn add(&mut self, name: &str, run: impl FnOnce(Told) -> Decision) {
        let told = Told::default();
        let Decision::Deny(rejection) = run(told.clone()) else { return };
        let ((kind, names), failed) = (expected(&rejection), told.0.take());
        assert!(kind < KINDS, "there are more kinds of rejections: {kind}");
        self.seen.insert(kind);
        match failed.iter().find(|(_, why)| *why == rejection) {
            Some((name, _)) if names.contains(name) => {}
            _ => self.wrong.push(format!("{name}: {rejection:?} of {names:?}, but the trace has {failed:?}")),
        }
    }
}

fn run(case: &Case, told: Told) -> Decision {
    let policy = tollgate_config::policy(case.config_json().as_bytes(), &|name| case.env.get(name).cloned());
    let peer = Box::leak(Box::new(Client::of(case)));
    let ports = Ports { peer, ..Ports::new([1, 2], &Both) }.traced(told);
    let mut driver = Driver::new(policy.unwrap(), ports, UnixTime::from_secs(NOW));
    let body = case.request.body.as_deref().map(latin1);
    let stream = driver.request(case.request.fields(), body.as_deref());
    for exchange in &case.exchanges {
        let (id, call) = driver.next_call().unwrap();
        match &exchange.reply {
            Reply::Response(reply) => {
                let (head, body) = response(reply);
                let body = body.get(..call.read_up_to()).unwrap_or(&body);
                driver.respond(id, CallOutcome::Response { head: RequestHead::new(&head), body });
            }
            Reply::Nothing(_) => driver.respond(id, CallOutcome::Failed),
        }
    }
    driver.end(stream).unwrap().outcome.decision
}

/// Cases for what no vector shows: changes to the configuration, and the fields of a request for an active token. A form
/// of these does not arrive.
const BESIDES: [(&str, &str, &[(&str, &str)]); 7] = [
    (
        "a form that does not arrive",
        r#"{"token": {"from_form": true}}"#,
        &[(":method", "POST"), ("content-type", "application/x-www-form-urlencoded")],
    ),
    ("no proof", r#"{"dpop": {}}"#, &[("authorization", "DPoP good")]),
    ("no nonce", r#"{"dpop": {"nonce": "required"}}"#, &[("authorization", "DPoP good"), PROOF]),
    (
        "a token without a proof",
        r#"{"dpop": {}, "requires": {"sender_constraint": "dpop"}}"#,
        &[("authorization", "Bearer good")],
    ),
    (
        "revocations that have not arrived",
        r#"{"client_lists": {"l": {"uri": "https://as/l", "cluster": "l"}}, "revocation": {"lists": ["l"]}}"#,
        &[("authorization", "Bearer late")],
    ),
    (
        "a token that an operator has revoked",
        r#"{"client_lists": {"l": {"uri": "https://as/l", "cluster": "ours"}}, "revocation": {"lists": ["l"]}}"#,
        &[("authorization", "Bearer good")],
    ),
    (
        "a list that has not arrived",
        r#"{"client_lists": {"l": {"uri": "https://as/l", "cluster": "l"}}, "requires": {"clients": {"list": "l"}}}"#,
        &[("authorization", "Bearer good")],
    ),
];

/// Stands for a proof of this request.
const PROOF: (&str, &str) = ("dpop", "");

fn run_besides(changes: &str, fields: &[(&str, &str)], told: Told) -> Decision {
    let mut config = json!({"providers": {"main": {"introspection":
        {"uri": "https://as/i", "cluster": "as", "client_auth": {"method": "none"}}}}});
    let changes: Value = serde_json::from_str(changes).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    let ports = Ports::new([1, 2], &Both).traced(told);
    let policy = tollgate_config::policy_of(&config, &|_| None).unwrap();
    let mut driver = Driver::new(policy, ports, UnixTime::from_secs(NOW));
    let proof = Signer::new("client").proof("GET", "http://h/", "good", NOW, &json!({}));
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")];
    let own = |name: &str| fields.iter().any(|(other, _)| *other == name);
    let head = pseudo.iter().filter(|(name, _)| !own(name)).chain(fields);
    let head: Vec<_> = head.map(|field| if *field == PROOF { ("dpop", &*proof) } else { *field }).collect();
    // What is fetched in the background is there before.
    driver.tick();
    while let Some((id, call)) = driver.call() {
        respond(&mut driver, id, &call);
    }
    let stream = driver.begin(lines(&head));
    while let Some((id, call)) = driver.next_call() {
        respond(&mut driver, id, &call);
    }
    driver.end(stream).unwrap().outcome.decision
}

fn respond(driver: &mut Driver<Told>, id: CallId, call: &OutgoingCall) {
    match call {
        OutgoingCall::Introspection(_) => {
            driver.reply(id, r#"{"active": true, "exp": 2000000000, "sub": "ann"}"#);
        }
        OutgoingCall::Fetch(..) if call.cluster() == "ours" => {
            driver.reply(id, r#"{"clients": [], "revoked": [{"sub": "ann", "until": 2000000000}]}"#);
        }
        OutgoingCall::Fetch(..) => driver.respond(id, CallOutcome::Failed),
    }
}

/// How many kinds of rejections there are.
const KINDS: u8 = 36;

/// A number for each kind of rejection, and the checks that may come to it. A new kind does not compile until it has some.
fn expected(rejection: &Rejection) -> (u8, &'static [&'static str]) {
    match rejection {
        Rejection::NoToken => (0, &["token"]),
        Rejection::NoMetadata => (1, &["token"]),
        Rejection::AmbiguousPath => (2, &["rule"]),
        Rejection::Ambiguous(_) => (3, &["rule"]),
        Rejection::Malformed => (4, &["token"]),
        Rejection::Several => (5, &["token"]),
        Rejection::TlsRequired => (6, &["connection"]),
        Rejection::FormTooLarge => (7, &["form"]),
        Rejection::FormMissing => (8, &["form"]),
        Rejection::TokenTooLong => (9, &["token"]),
        Rejection::NoProvider => (10, &["provider"]),
        Rejection::Inactive | Rejection::BadJwt { fault: JwtFault::Revoked } => (11, &["active"]),
        Rejection::Expired => (12, &["expiry"]),
        Rejection::NotYetValid => (13, &["not before"]),
        Rejection::WrongIssuer => (14, &["issuer"]),
        Rejection::WrongAudience => (15, &["audience"]),
        Rejection::NotAnAccessToken => (16, &["token type"]),
        Rejection::BadJwt { fault: JwtFault::TooOld } => (17, &["age"]),
        Rejection::BadJwt { fault: JwtFault::Contradicted(_) } => (18, &["agreement"]),
        Rejection::BadJwt { fault: JwtFault::Claim("iat") } => (19, &["JWT", "age"]),
        Rejection::BadJwt { fault: JwtFault::Status(_) } => (35, &["status"]),
        Rejection::BadJwt { .. } => (19, &["JWT", "response"]),
        Rejection::Unproven
        | Rejection::OtherKey
        | Rejection::NotBound
        | Rejection::NoCertificate
        | Rejection::OtherCertificate
        | Rejection::BindingWanted => (20, &["binding"]),
        Rejection::BadProof(_) => (21, &["proof"]),
        Rejection::NonceWanted { .. } => (22, &["proof"]),
        Rejection::ProofWanted => (23, &["proof"]),
        Rejection::WeakAuthentication { .. } => (24, &["authentication"]),
        Rejection::ScopeMissing { .. } => (25, &["scope"]),
        Rejection::DetailMissing => (26, &["details"]),
        Rejection::Delegated => (27, &["delegation"]),
        Rejection::ClientNotListed => (28, &["client"]),
        Rejection::ClaimMismatch { .. } => (29, &["claim"]),
        Rejection::Denied => (30, &["rule"]),
        Rejection::NoAnswer {
            cause: NoAnswer::NoClientList | NoAnswer::NoRevocations | NoAnswer::NoStatusList,
            ..
        } => (31, &["client", "revoked", "status"]),
        Rejection::NoAnswer { .. } => (32, &["response", "JWT", "form"]),
        Rejection::BadAnswer { .. } => (33, &["response"]),
        Rejection::Revoked => (34, &["revoked"]),
    }
}

/// The names of the checks that have failed, and why.
#[derive(Clone, Debug, Default)]
struct Told(Rc<RefCell<Vec<(&'static str, Rejection)>>>);

impl Trace for Told {
    fn made<'a>(&self, check: impl FnOnce() -> Check<'a>, failure: Option<&Rejection>) {
        let check = check();
        if let Some(failure) = failure {
            self.0.borrow_mut().push((check.name(), failure.clone()));
        }
    }
}
