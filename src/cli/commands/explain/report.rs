//! Prints each step, and the verdict.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::receipt::{Receipt, Taken};
use tollgate_engine::decision::trace::{Check, Trace};
use tollgate_engine::decision::{Decision, Rejection};
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::policy::rule::Access;
use tollgate_engine::policy::{Mode, Policy};
use tollgate_engine::provider::TokenIn;
use tollgate_engine::provider::client_auth::ClientAuth;
use tollgate_engine::provider::{IntrospectionEndpoint, Provider};
use tollgate_engine::request::head::Fields;
use tollgate_engine::response::answer::Answer;

use crate::commands::explain::checks::{row, section};
use crate::commands::explain::saved::Saved;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::printable::printable;

/// A request, and the configuration under which it is decided.
pub(super) struct Report<'a> {
    pub(super) configuration: &'a Value,
    pub(super) policy: &'a Policy,
    pub(super) head: &'a Fields,
}

/// The engine's checks and calls, step by step.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    all: Rc<RefCell<Vec<Step>>>,
    now: UnixTime,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) section: &'static str,
    /// The rejection, if this step failed.
    pub(super) failure: Option<Rejection>,
}

/// One introspection call.
pub(super) struct Asked {
    provider: String,
    call: String,
    status: Option<String>,
    answer: Option<Value>,
    /// Why there was no response.
    pub(super) failure: Option<String>,
    /// How long it took; absent for a saved response.
    pub(super) took: Option<Duration>,
}

impl Steps {
    pub(super) fn at(now: UnixTime) -> Self {
        Self { all: Rc::default(), now }
    }

    /// Adds a call.
    pub(super) fn asked(&self, asked: &Asked) {
        let mut all = self.all.borrow_mut();
        all.push(asked.step());
        all.extend(asked.members());
    }

    /// All steps so far.
    fn take(&self) -> Vec<Step> {
        self.all.take()
    }
}

impl Trace for Steps {
    fn made<'a>(&self, check: impl FnOnce() -> Check<'a>, failure: Option<&Rejection>) {
        let mut all = self.all.borrow_mut();
        for step in row(&check(), failure, self.now) {
            // A token may be checked twice: the JWT itself, and the introspection response.
            if !all.contains(&step) {
                all.push(step);
            }
        }
    }
}

impl Asked {
    pub(super) fn new(provider: &Provider) -> Self {
        let IntrospectionEndpoint { scheme, authority, path, client_auth, .. } = &provider.introspection;
        let (method, by) = match provider.introspection.token_in() {
            TokenIn::Form => ("POST", authenticated(client_auth)),
            TokenIn::Header => ("GET", "with the token itself"),
            TokenIn::Query => ("GET", "with the token in the query"),
        };
        let call = format!("{method} {scheme}://{authority}{path} {by}");
        Self { provider: provider.name.clone(), call, status: None, answer: None, failure: None, took: None }
    }

    /// Adds the response.
    pub(super) fn replied(&mut self, reply: &Saved) {
        let status = reply.head.iter().find(|(name, _)| name == b":status");
        self.status = status.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        self.answer = serde_json::from_slice(&reply.body).ok();
    }

    fn step(&self) -> Step {
        let took = self.took.map(|took| format!(" in {} ms", took.as_millis()));
        let came = match (&self.status, &self.failure) {
            (Some(status), _) => format!("status {status}{}", took.unwrap_or_default()),
            (None, Some(failure)) => format!("no response: {failure}"),
            (None, None) => "no response".to_owned(),
        };
        Step::new("introspection", format!("{}: {}: {came}", self.provider, self.call), "RFC 7662 §2.1")
    }

    fn members(&self) -> Option<Step> {
        let members = self.answer.as_ref()?.as_object()?;
        let names: Vec<_> = members.keys().map(String::as_str).collect();
        let text = format!("active: {}; members: {}", members.get("active")?, names.join(", "));
        Some(Step::new("reply", text, "RFC 7662 §2.2"))
    }
}

impl Step {
    /// A step that did not fail.
    pub(super) fn new(name: &'static str, text: impl AsRef<str>, section: &'static str) -> Self {
        Self { name, text: printable(text.as_ref()), section, failure: None }
    }
}

fn authenticated(auth: &ClientAuth) -> &'static str {
    match auth {
        ClientAuth::Basic(_) => "with client_secret_basic",
        ClientAuth::Post { .. } => "with client_secret_post",
        ClientAuth::Bearer(_) => "with a Bearer token",
        ClientAuth::Assertion(assertion) if Algorithm::OF_SECRETS.contains(&assertion.algorithm()) => {
            "with client_secret_jwt"
        }
        ClientAuth::Assertion(_) => "with private_key_jwt",
        ClientAuth::None { .. } => "without credentials of the module's own",
    }
}

impl Report<'_> {
    /// Prints it.
    pub(super) fn finish(&self, steps: &Steps, outcome: &Outcome, out: &mut Output) -> Result<(), Failure> {
        let rejection = match &outcome.decision {
            Decision::Deny(rejection) => Some(rejection),
            Decision::Allow(_) | Decision::Describe(_) | Decision::Receive(_) => None,
        };
        let mut all = vec![self.request()];
        all.extend(read_as(outcome));
        all.extend(self.rule(outcome));
        all.extend(steps.take());
        // The first check that failed with this rejection.
        let failed = |step: &Step| rejection.is_some() && step.failure.as_ref() == rejection;
        let mut reason = all.iter().position(failed);
        if let (Some(rejection), None) = (rejection, reason) {
            reason = Some(all.len());
            all.push(Step::new("refused", rejection.to_string(), section(rejection)));
        }
        let steps: Vec<_> = all.iter().enumerate().map(|(at, step)| (step, Some(at) == reason)).collect();
        let answer = outcome.answer(self.policy);
        let is_shadow = rejection.is_some() && self.policy.mode == Mode::Shadow;
        let verdict = outcome.decision.verdict().name();
        if out.is_json() {
            let steps = steps.iter().map(|(Step { name, text, section, .. }, is_reason)| {
                json!({"step": name, "reason": is_reason, "text": text, "section": section})
            });
            return out.document(&json!({
                "steps": steps.collect::<Value>(),
                "answer": answer.map(|answer| json!({
                    "status": answer.status,
                    "grpc_status": answer.grpc_status,
                    "headers": answer.headers.iter().map(|(name, value)| json!([name, value])).collect::<Value>(),
                    "body": answer.body,
                })),
                "upstream": (rejection.is_none() || is_shadow).then(|| json!({
                    "removed": outcome.grant.remove,
                    "added": outcome.grant.additions().map(|(name, value)| json!([name, String::from_utf8_lossy(value)])).collect::<Value>(),
                    "path": outcome.grant.path.as_deref().map(String::from_utf8_lossy),
                })),
                "reason": rejection.map(ToString::to_string),
                "verdict": verdict,
                "enforced": !is_shadow,
            }));
        }
        for (Step { name, text, section, .. }, is_reason) in steps {
            let mark = if is_reason { '✗' } else { '·' };
            let section = if section.is_empty() { String::new() } else { format!("  ({section})") };
            out.line(format_args!("{mark} {name:<14} {text}{section}"))?;
        }
        if let Some(answer) = &answer {
            client(
                answer,
                if is_shadow { "with mode: enforce, the client would get" } else { "the client gets" },
                out,
            )?;
        }
        if is_shadow {
            out.line("→ not enforced, because of mode: shadow: the request passes")?;
        }
        if answer.is_none() || is_shadow {
            upstream(outcome, out)?;
        }
        out.line(format_args!("verdict: {verdict}"))
    }

    fn request(&self) -> Step {
        let field = |name: &[u8]| {
            let found = self.head.iter().find(|(known, _)| known == name);
            found.map_or_else(String::new, |(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        // The query may hold a token.
        let path = field(b":path");
        let (path, query) = path.split_once('?').map_or((path.as_str(), ""), |(path, _)| (path, "?…"));
        let text =
            format!("{} {}://{}{path}{query}", field(b":method"), field(b":scheme"), field(b":authority"));
        Step::new("request", text, "")
    }

    /// The rule that the request matches. `None` if the request is ambiguous.
    fn rule(&self, outcome: &Outcome) -> Option<Step> {
        if let Decision::Deny(Rejection::AmbiguousPath | Rejection::Ambiguous(_)) = &outcome.decision {
            return None;
        }
        if let (Decision::Describe(_), Some(resource)) = (&outcome.decision, outcome.resource(self.policy)) {
            let text = format!("the metadata of {}; no rule applies", resource.identifier);
            return Some(Step::new("resource", text, "RFC 9728 §3"));
        }
        if let Decision::Receive(receipt) = &outcome.decision {
            let text = format!("{}; no rule applies", received(*receipt));
            return Some(Step::new("event", text, "RFC 8935 §2"));
        }
        let Some(rule) = outcome.rule(self.policy) else {
            return Some(Step::new("rule", "no rule matches; the top-level `requires` applies", ""));
        };
        let index = self.policy.rules.iter().position(|known| std::ptr::eq(known, rule));
        let written = index.and_then(|index| self.configuration.pointer(&format!("/rules/{index}/match")));
        let matched = written.map_or_else(String::new, |written| format!(" matches {written}"));
        let access = match rule.access {
            Access::Required => "",
            Access::Optional => ": a token is optional",
            Access::Anonymous => ": anonymous, no token is read",
            Access::Deny => ": rejects every request",
        };
        let failure = (rule.access == Access::Deny).then_some(Rejection::Denied);
        Some(Step { failure, ..Step::new("rule", format!("{}{matched}{access}", rule.name), "") })
    }
}

/// What became of a pushed event.
fn received(receipt: Receipt) -> String {
    match receipt {
        Receipt::Taken(_, Taken::Applied | Taken::Repeated) => "the event is valid".to_owned(),
        Receipt::Taken(_, Taken::Ignored) => "the event is valid, and revokes nothing".to_owned(),
        Receipt::Refused(_, fault) => format!("the event is rejected: {fault}"),
        Receipt::WrongMethod => "events are sent with POST".to_owned(),
        Receipt::TooLarge => "the event is too long".to_owned(),
        Receipt::Unavailable => "the event cannot be verified now, or has not arrived".to_owned(),
    }
}

/// The path as rules and the upstream see it, if it differs from the path that was sent.
fn read_as(outcome: &Outcome) -> Option<Step> {
    let path = String::from_utf8_lossy(outcome.grant.path.as_deref()?).into_owned();
    let path = path.split('?').next().unwrap_or_default();
    Some(Step::new("path", format!("read as {path}, by the rules and the upstream"), "RFC 3986 §6.2.2"))
}

/// What the client gets, or would get.
fn client(answer: &Answer, what: &str, out: &mut Output) -> Result<(), Failure> {
    let grpc = answer.grpc_status.map(|status| format!(", or with gRPC grpc-status {status}"));
    out.line(format_args!("→ {what} {}{}", answer.status, grpc.unwrap_or_default()))?;
    for (name, value) in &answer.headers {
        out.line(format_args!("    {name}: {value}"))?;
    }
    if !answer.body.is_empty() {
        out.line(format_args!("    {}", printable(&answer.body)))?;
    }
    Ok(())
}

/// What the upstream gets.
fn upstream(outcome: &Outcome, out: &mut Output) -> Result<(), Failure> {
    let grant = &outcome.grant;
    out.line("→ the request is forwarded to the upstream")?;
    for name in &grant.remove {
        out.line(format_args!("    without {}", printable(name)))?;
    }
    for (name, value) in grant.additions() {
        out.line(format_args!("    {name}: {}", printable(&String::from_utf8_lossy(value))))?;
    }
    Ok(())
}
