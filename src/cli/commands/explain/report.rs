//! What is printed: each step with its reason, and the verdict.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::fault::JwtFault;
use tollgate_engine::decision::{Decision, Doubt, NoAnswer, Rejection};
use tollgate_engine::enforcer::Enforcer;
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::jose::algorithm::Algorithm;
use tollgate_engine::jose::jws::{Compact, JwsFault};
use tollgate_engine::policy::Mode;
use tollgate_engine::policy::choice;
use tollgate_engine::policy::rule::Access;
use tollgate_engine::provider::TokenIn;
use tollgate_engine::provider::client_auth::ClientAuth;
use tollgate_engine::provider::introspection::reply::Introspection;
use tollgate_engine::provider::keys::LiveKeys;
use tollgate_engine::provider::{IntrospectionEndpoint, Provider, Validate};
use tollgate_engine::request::extract;
use tollgate_engine::request::head::{Fields, Head};
use tollgate_engine::response::answer::Answer;
use tollgate_engine::token::access_token::AccessToken;

use crate::commands::explain::checks::{self, Check};
use crate::commands::explain::saved::Saved;
use crate::kit::failure::Failure;
use crate::kit::output::Output;
use crate::kit::printable::printable;

/// Everything that happened to a request.
pub(super) struct Report<'a> {
    configuration: &'a Value,
    head: Fields,
    /// The calls that were made, or would have been.
    pub(super) asked: Vec<Asked>,
    /// The latest token that a provider called active, or has signed.
    token: Option<AccessToken>,
    /// What was found out about JWTs, by provider.
    jwts: Vec<String>,
    /// That a JWT is older than it may be.
    too_old: Option<Check>,
}

/// One call.
pub(super) struct Asked {
    provider: String,
    call: String,
    status: Option<String>,
    answer: Option<Value>,
    /// Why there was no reply.
    pub(super) failure: Option<String>,
    /// How long it took; absent for a saved reply.
    pub(super) took: Option<Duration>,
}

/// One line of the report.
struct Step {
    name: &'static str,
    /// Whether this is why the request is refused.
    is_reason: bool,
    text: String,
    section: &'static str,
}

impl From<&Check> for Step {
    fn from(Check { name, text, section, is_missed }: &Check) -> Self {
        Self { name, is_reason: *is_missed, text: text.clone(), section }
    }
}

impl Asked {
    /// A call to this provider.
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

    /// What came back.
    pub(super) fn replied(&mut self, reply: &Saved) {
        let status = reply.head.iter().find(|(name, _)| name == b":status");
        self.status = status.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        self.answer = serde_json::from_slice(&reply.body).ok();
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

impl<'a> Report<'a> {
    /// Nothing has happened yet.
    pub(super) fn new(configuration: &'a Value, head: Fields) -> Self {
        Self { configuration, head, asked: Vec::new(), token: None, jwts: Vec::new(), too_old: None }
    }

    /// What a provider has said in the end.
    pub(super) fn said(&mut self, said: &Result<Introspection, Rejection>) {
        if let Ok(Introspection::Active(token)) = said {
            self.token = Some(token.clone());
        }
    }

    /// Looks at the token as a JWT, for every provider that has it verified.
    pub(super) fn look_at_jwt(&mut self, enforcer: &Enforcer, outcome: &Outcome, now: UnixTime) {
        let (policy, rule) = (enforcer.policy(), outcome.rule(enforcer.policy()));
        let extra = rule.map(|rule| rule.from_params.as_slice()).unwrap_or_default();
        let head = Head::Lines(self.head.clone());
        let Ok(Some(found)) = extract::extract(head.view(), &policy.token, extra) else { return };
        let requirement = rule.and_then(|rule| rule.requires.as_ref()).unwrap_or(&policy.requires);
        for id in choice::choose(policy, requirement, &found.token) {
            let Some(provider) = enforcer.provider(id).filter(|one| one.validate != Validate::Introspection)
            else {
                continue;
            };
            let verified = enforcer.verify(id, &found.token, now);
            let jws = Compact::parse(found.token.expose());
            self.jwts.push(format!("{}: {}", provider.name, jwt(&jws, &enforcer.keys(id), &verified)));
            if let (Err(Rejection::BadJwt { fault: JwtFault::TooOld }), Ok(jws)) = (&verified, &jws) {
                let token = jws.claims().and_then(|claims| AccessToken::new(id, claims).ok());
                self.too_old = token.and_then(|token| checks::age(&token, provider, true, now));
            }
            if let (Ok(token), Validate::Jwt) = (verified, provider.validate) {
                self.token = Some(token);
            }
        }
    }

    /// Prints it.
    pub(super) fn finish(
        &self,
        enforcer: &Enforcer,
        outcome: &Outcome,
        now: UnixTime,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let mut steps = vec![self.request()];
        steps.extend(read_as(outcome));
        self.rule(enforcer, outcome, &mut steps);
        self.place(enforcer, outcome, &mut steps);
        for text in &self.jwts {
            let text = printable(text);
            steps.push(Step { name: "JWT", is_reason: false, text, section: "RFC 9068 §4, RFC 7515 §5.2" });
        }
        steps.extend(self.too_old.iter().map(Step::from));
        self.calls(&mut steps);
        self.checks(enforcer, outcome, now, &mut steps);
        let rejection = match &outcome.decision {
            Decision::Deny(rejection) => Some(rejection),
            Decision::Allow(_) | Decision::Describe(_) => None,
        };
        if let Some(rejection) = rejection.filter(|_| !steps.iter().any(|step| step.is_reason)) {
            let text = rejection.to_string();
            steps.push(Step { name: "refused", is_reason: true, text, section: section(rejection) });
        }
        let answer = outcome.answer(enforcer.policy());
        let is_shadow = rejection.is_some() && enforcer.policy().mode == Mode::Shadow;
        let verdict = outcome.decision.verdict().name();
        if out.is_json() {
            let steps = steps.iter().map(|step| {
                json!({"step": step.name, "reason": step.is_reason, "text": step.text, "section": step.section})
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
        for Step { name, is_reason, text, section } in &steps {
            let mark = if *is_reason { '✗' } else { '·' };
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
            out.line("→ not enforced: mode: shadow lets the request pass")?;
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
        Step { name: "request", is_reason: false, text: printable(&text), section: "" }
    }

    fn rule(&self, enforcer: &Enforcer, outcome: &Outcome, steps: &mut Vec<Step>) {
        let mut push =
            |text: String, is_reason, section| steps.push(Step { name: "rule", is_reason, text, section });
        if let Decision::Deny(rejection @ (Rejection::AmbiguousPath | Rejection::Ambiguous(_))) =
            &outcome.decision
        {
            push(rejection.to_string(), true, section(rejection));
            return;
        }
        if let (Decision::Describe(_), Some(resource)) =
            (&outcome.decision, outcome.resource(enforcer.policy()))
        {
            let text = format!("the metadata of {}; no rule is looked at", resource.identifier);
            steps.push(Step { name: "resource", is_reason: false, text, section: "RFC 9728 §3" });
            return;
        }
        let Some(rule) = outcome.rule(enforcer.policy()) else {
            push("no rule matches; what holds for every request holds here".to_owned(), false, "");
            return;
        };
        let index = enforcer.policy().rules.iter().position(|known| std::ptr::eq(known, rule));
        let written = index.and_then(|index| self.configuration.pointer(&format!("/rules/{index}/match")));
        let matched = written.map_or_else(String::new, |written| format!(" matches {written}"));
        let denied = rule.access == Access::Deny;
        let access = match rule.access {
            Access::Required => "",
            Access::Optional => ": a token is optional",
            Access::Anonymous => ": anonymous, no token is looked at",
            Access::Deny => ": it denies every request",
        };
        push(format!("{}{matched}{access}", rule.name), denied, "");
    }

    /// Where the token was.
    fn place(&self, enforcer: &Enforcer, outcome: &Outcome, steps: &mut Vec<Step>) {
        let rule = outcome.rule(enforcer.policy());
        if rule.is_some_and(|rule| matches!(rule.access, Access::Anonymous | Access::Deny))
            || matches!(
                outcome.decision,
                Decision::Describe(_)
                    | Decision::Deny(
                        Rejection::AmbiguousPath | Rejection::Ambiguous(_) | Rejection::TlsRequired
                    )
            )
        {
            return;
        }
        let extra = rule.map(|rule| rule.from_params.as_slice()).unwrap_or_default();
        let head = Head::Lines(self.head.clone());
        let (text, is_reason) = match extract::extract(head.view(), &enforcer.policy().token, extra) {
            Ok(Some(found)) => {
                let place = match found.place {
                    extract::Place::Header => "a header field",
                    extract::Place::Dpop => "a header field, with the scheme DPoP",
                    extract::Place::Query => "the query",
                    extract::Place::Cookie => "a cookie",
                    extract::Place::WebSocket => "a WebSocket's protocols",
                    extract::Place::Form => "a form",
                };
                let length = found.token.expose().len();
                (format!("{length} {}, in {place}", if length == 1 { "byte" } else { "bytes" }), false)
            }
            Ok(None) if !self.asked.is_empty() => ("in the form".to_owned(), false),
            Ok(None) => {
                let is_reason =
                    |rejection: &Rejection| matches!(rejection, Rejection::NoToken | Rejection::NoMetadata);
                let is_reason =
                    matches!(&outcome.decision, Decision::Deny(rejection) if is_reason(rejection));
                ("none".to_owned(), is_reason)
            }
            Err(_) => match &outcome.decision {
                Decision::Deny(rejection) => (rejection.to_string(), true),
                Decision::Allow(_) | Decision::Describe(_) => return,
            },
        };
        let with_proof = text.ends_with("DPoP") && enforcer.policy().dpop.is_some();
        steps.push(Step { name: "token", is_reason, text, section: "RFC 6750 §2" });
        match &outcome.decision {
            Decision::Deny(
                rejection @ (Rejection::BadProof(_) | Rejection::NonceWanted { .. } | Rejection::ProofWanted),
            ) => {
                let section = section(rejection);
                steps.push(Step { name: "proof", is_reason: true, text: rejection.to_string(), section });
            }
            _ if with_proof => {
                let text = "good, and of this request and token".to_owned();
                steps.push(Step { name: "proof", is_reason: false, text, section: "RFC 9449 §4.3" });
            }
            _ => {}
        }
    }

    fn calls(&self, steps: &mut Vec<Step>) {
        for asked in &self.asked {
            let took = asked.took.map(|took| format!(" in {} ms", took.as_millis()));
            let came = match (&asked.status, &asked.failure) {
                (Some(status), _) => format!("status {status}{}", took.unwrap_or_default()),
                (None, Some(failure)) => format!("no answer: {failure}"),
                (None, None) => "no answer".to_owned(),
            };
            let text = format!("{}: {}: {came}", asked.provider, asked.call);
            steps.push(Step {
                name: "introspection",
                is_reason: false,
                text: printable(&text),
                section: "RFC 7662 §2.1",
            });
            let active = asked.answer.as_ref().and_then(|answer| answer.get("active"));
            if let Some(active) = active {
                let members = asked.answer.iter().filter_map(Value::as_object).flatten();
                let names: Vec<_> = members.map(|(name, _)| name.as_str()).collect();
                let text = printable(&format!("active: {active}; members: {}", names.join(", ")));
                steps.push(Step { name: "reply", is_reason: false, text, section: "RFC 7662 §2.2" });
            }
        }
    }

    fn checks(&self, enforcer: &Enforcer, outcome: &Outcome, now: UnixTime, steps: &mut Vec<Step>) {
        let Some(token) = &self.token else { return };
        let Some(provider) = enforcer.provider(token.provider) else { return };
        let policy = enforcer.policy();
        let own = outcome.rule(enforcer.policy()).and_then(|rule| rule.requires.as_ref());
        let rejection = match &outcome.decision {
            Decision::Deny(rejection) => Some(rejection),
            Decision::Allow(_) | Decision::Describe(_) => None,
        };
        let requirement = own.unwrap_or(&policy.requires);
        let audiences = audiences(enforcer, outcome);
        for check in checks::of(token, provider, &audiences, requirement, rejection, now) {
            let missed = check.is_missed;
            steps.push(Step::from(&check));
            if missed {
                return;
            }
        }
    }
}

/// What `aud` must hold one of for the resource that the request is for.
fn audiences(enforcer: &Enforcer, outcome: &Outcome) -> Vec<String> {
    if let Some(resource) = outcome.resource(enforcer.policy()) {
        return resource.audiences.clone();
    }
    let all = &enforcer.policy().resources.all;
    let checked = all.iter().all(|resource| !resource.audiences.is_empty());
    all.iter().filter(|_| checked).flat_map(|resource| resource.audiences.clone()).collect()
}

/// What a JWT says that it is, and what came of it.
fn jwt(
    jws: &Result<Compact<'_>, JwsFault>,
    keys: &LiveKeys,
    verified: &Result<AccessToken, Rejection>,
) -> String {
    let Ok(Compact { header, .. }) = jws else { return "no JWT that can be used".to_owned() };
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let number = keys.number();
    let keys = if number == 1 { "1 key is".to_owned() } else { format!("{number} keys are") };
    let came = match verified {
        Ok(_) => "the signature is good",
        Err(Rejection::BadJwt { fault: JwtFault::Signature }) => "the signature is not",
        Err(Rejection::BadJwt { fault: JwtFault::UnknownKey }) => "none of them is it",
        Err(_) => "the signature was not looked at",
    };
    format!(
        "alg {}, typ {}, kid {}; {keys} known, {came}",
        header.alg.name(),
        or(&header.typ),
        or(&header.kid)
    )
}

/// The path as rules and the upstream see it, where that is not what was sent.
fn read_as(outcome: &Outcome) -> Option<Step> {
    let path = String::from_utf8_lossy(outcome.grant.path.as_deref()?).into_owned();
    let path = path.split('?').next().unwrap_or_default();
    let text = printable(&format!("read as {path}, by rules and upstream alike"));
    Some(Step { name: "path", is_reason: false, text, section: "RFC 3986 §6.2.2" })
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

/// What the upstream gets to see of it.
fn upstream(outcome: &Outcome, out: &mut Output) -> Result<(), Failure> {
    let grant = &outcome.grant;
    out.line("→ the request goes on to the upstream")?;
    for name in &grant.remove {
        out.line(format_args!("    without {}", printable(name)))?;
    }
    for (name, value) in grant.additions() {
        out.line(format_args!("    {name}: {}", printable(&String::from_utf8_lossy(value))))?;
    }
    Ok(())
}

/// Where it is written that such a request is refused so.
fn section(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::NoToken => "RFC 6750 §3",
        Rejection::NoMetadata => "RFC 9728 §3",
        Rejection::AmbiguousPath => "RFC 3986 §6.2",
        Rejection::Ambiguous(Doubt::Method | Doubt::MethodOverride) => "RFC 9110 §9.1",
        Rejection::Ambiguous(Doubt::Host) => "RFC 9110 §7.2",
        Rejection::Ambiguous(Doubt::Field) => "RFC 9110 §5.3",
        Rejection::Ambiguous(_) => "RFC 3986 §3.3, §6.2",
        Rejection::Malformed | Rejection::Several | Rejection::FormTooLarge | Rejection::FormMissing => {
            "RFC 6750 §2, §3.1"
        }
        Rejection::TlsRequired => "RFC 6750 §5.3",
        Rejection::TokenTooLong | Rejection::NoProvider | Rejection::ScopeMissing { .. } => "RFC 6750 §3.1",
        Rejection::Inactive
        | Rejection::Expired
        | Rejection::NotYetValid
        | Rejection::WrongIssuer
        | Rejection::ClientNotListed
        | Rejection::ClaimMismatch { .. } => "RFC 7662 §2.2",
        Rejection::WrongAudience => "RFC 9700 §2.3",
        Rejection::NotAnAccessToken => "RFC 6749 §7.1",
        Rejection::BadJwt { fault: JwtFault::Signature | JwtFault::UnknownKey } => "RFC 7515 §5.2",
        Rejection::BadJwt { .. } => "RFC 9068 §4, RFC 8725 §3",
        Rejection::Unproven => "RFC 9449 §7.1, RFC 8705 §3",
        Rejection::BadProof(_) => "RFC 9449 §4.3",
        Rejection::NonceWanted { .. } => "RFC 9449 §9",
        Rejection::NoCertificate | Rejection::OtherCertificate => "RFC 8705 §3",
        Rejection::BindingWanted => "RFC 8705 §3, RFC 9449 §7.1",
        Rejection::OtherKey | Rejection::NotBound | Rejection::ProofWanted => "RFC 9449 §7.1",
        Rejection::WeakAuthentication { .. } => "RFC 9470 §3",
        Rejection::DetailMissing => "RFC 9396 §9",
        Rejection::Delegated => "RFC 8693 §4.1",
        Rejection::Denied => "RFC 9110 §15.5.4",
        Rejection::NoAnswer { cause: NoAnswer::Throttled, .. } => "RFC 6585 §4, RFC 9110 §15.6.4",
        Rejection::NoAnswer { .. } => "RFC 9110 §15.6.4",
        Rejection::BadAnswer { .. } => "RFC 7662 §2.3, RFC 9110 §15.6.3",
    }
}
