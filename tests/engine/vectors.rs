//! Ring 1: the shared vectors, by the engine alone.

#![allow(clippy::panic, clippy::arithmetic_side_effects, reason = "tests may fail loudly")]

use tollgate_cases::driver::{Driver, End};
use tollgate_cases::{Case, Reply, Response, Ring, check_lines, latin1, load_all};
use tollgate_engine::base::ids::StreamId;
use tollgate_engine::base::secret::Secret;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::{Decision, Verdict};
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::connection::Peer;
use tollgate_engine::request::head::Fields;
use tollgate_engine::request::head::RequestHead;
use tollgate_engine::response::answer::Answer;

use crate::second::Both;

pub(crate) const NOW: u64 = 1_800_000_000;

#[test]
fn every_vector_holds_for_the_engine() {
    let mut faults = Vec::new();
    let mut count = 0;
    for file in load_all() {
        for case in file.cases.iter().filter(|case| case.runs_in(Ring::Core)) {
            count += 1;
            if let Err(fault) = run(&case.signed_at(NOW)) {
                faults.push(format!("{}: {}: {fault}", file.name, case.name));
            }
        }
    }
    assert!(count > 0, "no vectors");
    assert!(faults.is_empty(), "{} of {count} vectors fail:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_verdict_has_a_vector() {
    let files = load_all();
    for verdict in Verdict::ALL {
        let shown =
            files.iter().flat_map(|file| &file.cases).any(|case| case.expect.verdict == verdict.name());
        assert!(shown, "{} has none", verdict.name());
    }
}

fn run(case: &Case) -> Result<(), String> {
    let policy = tollgate_config::policy(case.config_json().as_bytes(), &|name| case.env.get(name).cloned());
    let policy = policy.map_err(|faults| format!("the configuration is refused: {faults:?}"))?;
    let ports = Ports { peer: Box::leak(Box::new(Client::of(case))), ..Ports::new([1, 2], &Both) };
    let mut driver = Driver::new(policy, ports, UnixTime::from_secs(NOW));
    let stream = driver.request(case.request.fields(), case.request.body.as_deref().map(latin1).as_deref());
    for (n, exchange) in case.exchanges.iter().enumerate() {
        let (id, call) = driver.next_call().ok_or_else(|| format!("call {} was not made", n + 1))?;
        let body = String::from_utf8_lossy(call.body()).into_owned();
        check_call(call.cluster(), call.headers(), &body, &exchange.call)?;
        let Reply::Response(reply) = &exchange.reply else {
            driver.respond(id, CallOutcome::Failed);
            continue;
        };
        let (head, body) = response(reply);
        let body = body.get(..call.read_up_to()).unwrap_or(&body);
        driver.respond(id, CallOutcome::Response { head: RequestHead::new(&head), body });
    }
    if let Some((_, call)) = driver.next_call() {
        return Err(format!("an unexpected call to {}", call.cluster()));
    }
    let End { outcome, answer } = driver.end(stream).ok_or("it waits for ever")?;
    check_outcome(case, &outcome, answer, case.request.fields())
}

/// A client's connection, and the digest of the certificate that it has shown.
#[derive(Debug)]
pub(crate) struct Client {
    certificate: Option<Vec<u8>>,
    is_tls: bool,
}

impl Client {
    pub(crate) fn of(case: &Case) -> Self {
        let certificate = case.request.certificate.clone().map(String::into_bytes);
        Self { certificate, is_tls: case.request.tls }
    }
}

impl Peer for Client {
    fn certificate_digest(&self, _stream: StreamId) -> Option<Vec<u8>> {
        self.certificate.clone()
    }

    fn is_tls(&self, _stream: StreamId) -> bool {
        self.is_tls
    }
}

/// A reply as the host would hand it over.
pub(crate) fn response(reply: &Response) -> (Fields, Vec<u8>) {
    let field = |(name, value): (&String, &String)| (name.clone().into_bytes(), value.clone().into_bytes());
    let mut head = vec![(b":status".to_vec(), reply.status.to_string().into_bytes())];
    head.extend(reply.headers.iter().map(|(name, value)| field((name, value))));
    (head, reply.body_at(NOW).into_bytes())
}

fn check_call(
    cluster: &str,
    headers: &[(String, Secret)],
    body: &str,
    want: &tollgate_cases::Call,
) -> Result<(), String> {
    let field = |name: &str| {
        let mut values = headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.expose().to_owned());
        values.next().filter(|_| values.next().is_none())
    };
    let wanted = [
        ("cluster", &want.cluster, Some(cluster.to_owned())),
        (":method", &want.method, field(":method")),
        (":path", &want.path, field(":path")),
        (":authority", &want.authority, field(":authority")),
        ("the call's body", &want.body, Some(body.to_owned())),
    ];
    for (name, want, got) in wanted {
        if want.is_some() && *want != got {
            return Err(format!("{name}: want {want:?}, got {got:?}"));
        }
    }
    for (name, value) in &want.headers {
        if field(name).as_ref() != Some(value) {
            return Err(format!("the call's {name}: want {value:?}, got {:?}", field(name)));
        }
    }
    match want.absent.iter().find(|name| headers.iter().any(|(n, _)| n == *name)) {
        Some(name) => Err(format!("the call carries {name}")),
        None => Ok(()),
    }
}

fn check_outcome(case: &Case, outcome: &Outcome, answer: Option<Answer>, sent: Fields) -> Result<(), String> {
    let got = outcome.decision.verdict().name();
    if got != case.expect.verdict {
        return Err(format!("verdict: want {}, got {got} ({:?})", case.expect.verdict, outcome.decision));
    }
    if let Some(answer) = answer.filter(|_| !case.passes()) {
        let status = if answer.grpc_status.is_some() { 200 } else { answer.status };
        if case.expect.status.is_some_and(|want| want != status) {
            return Err(format!("status: want {:?}, got {status}", case.expect.status));
        }
        let mut head: Vec<(String, String)> =
            answer.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        let mut body = answer.body;
        if let Some(grpc_status) = answer.grpc_status {
            head.push(("grpc-status".to_owned(), grpc_status.to_string()));
            head.push(("grpc-message".to_owned(), std::mem::take(&mut body)));
        }
        check_lines(&head, &case.expect.headers, &case.expect.absent)?;
        let bodiless = case.request.method == "HEAD";
        if !bodiless && case.expect.body.as_ref().is_some_and(|want| *want != body) {
            return Err(format!("body: want {:?}, got {body:?}", case.expect.body));
        }
    }
    if case.passes() {
        if case.expect.passes == matches!(outcome.decision, Decision::Allow(_)) {
            return Err("`passes` is for refusals that are not carried out".to_owned());
        }
        check_upstream(case, outcome, sent)?;
    }
    Ok(())
}

fn check_upstream(case: &Case, outcome: &Outcome, mut head: Fields) -> Result<(), String> {
    let grant = &outcome.grant;
    head.retain(|(name, _)| !grant.remove.iter().any(|gone| gone.as_bytes() == name));
    head.extend(grant.additions().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())));
    let text = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<String>();
    let head: Vec<_> = head.iter().map(|(n, v)| (text(n), text(v))).collect();
    let want = &case.expect.upstream;
    let path = grant.path.as_deref().map_or_else(|| case.request.path.clone(), text);
    if want.path.as_ref().is_some_and(|want| *want != path) {
        return Err(format!("upstream path: want {:?}, got {path:?}", want.path));
    }
    let body = grant.body.as_deref().map(text).or_else(|| case.request.body.clone());
    if want.body.is_some() && want.body != body {
        return Err(format!("upstream body: want {:?}, got {body:?}", want.body));
    }
    check_lines(&head, &want.headers, &want.absent)
}
