//! The policy engine: a request head goes in, a [`Step`] comes out.
//!
//! Nothing here performs I/O or reads a clock. A [`Step::Introspect`] says which call is wanted and
//! hands back a [`Pending`]; whoever drives the engine makes the call and gives the outcome to
//! [`Pending::resume`]. `Pending` is consumed by that, so an answer can be used once only.

use std::collections::VecDeque;
use std::time::Duration;

use crate::decision::{Decision, Grant, Rejection, Verdict};
use crate::policy::requirement::{Requirement, SenderConstraint};
use crate::policy::rule::{Access, Rule};
use crate::policy::{CorsPreflight, Policy, ProviderId};
use crate::provider::Provider;
use crate::provider::call::IntrospectionCall;
use crate::provider::choice;
use crate::provider::reply::{AccessToken, CallOutcome, Introspection};
use crate::request::form;
use crate::request::head::RequestHead;
use crate::request::path::{NormalPath, split_query};
use crate::request::token::{self, Found, Place, TokenError};
use crate::response::answer::Answer;
use crate::secret::Secret;
use crate::time::UnixTime;

/// The field lines of a request head, as the host hands them over.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The engine: one per configuration.
#[derive(Debug)]
pub struct Enforcer {
    policy: Policy,
    matches_paths: bool,
}

/// What the driver must do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// The request is settled.
    Done(Box<Outcome>),
    /// Ask the authorization server, then call [`Pending::resume`].
    Introspect(Box<IntrospectionCall>, Box<Pending>),
    /// Collect the request's body, then call [`AwaitingForm::body`].
    ReadForm(AwaitingForm),
}

/// A settled request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub decision: Decision,
    /// What changes in its head if it goes on. For a refusal that is not carried out, too: forged
    /// identity fields never reach the upstream.
    pub grant: Grant,
    request: Request,
}

/// A request that waits for the authorization server.
#[derive(Debug)]
pub struct Pending {
    request: Request,
    found: Found,
    body: Option<Vec<u8>>,
    plan: Plan,
    /// The first provider that gave no verdict, while others are still to be asked.
    undecided: Option<Rejection>,
}

/// A request that waits for its own body.
#[derive(Debug)]
pub struct AwaitingForm {
    request: Request,
    found: Option<Found>,
}

/// What is known of a request from its head.
#[derive(Clone, Debug)]
struct Request {
    fields: Fields,
    /// Which of the rules it matches.
    rule: Option<usize>,
    /// The path as the rules see it, if that is not what was sent.
    normal: Option<NormalPath>,
}

/// The calls that are still to be made.
#[derive(Debug)]
struct Plan {
    provider: ProviderId,
    /// Providers to ask when this one does not know the token.
    next_providers: VecDeque<ProviderId>,
    /// How many calls this provider has got.
    calls: u32,
    /// When this provider's first call was made.
    started: UnixTime,
}

impl Enforcer {
    /// An engine for this policy.
    pub fn new(policy: Policy) -> Self {
        let matches_paths = policy.rules.iter().any(|rule| rule.matcher.path.is_some());
        Self { policy, matches_paths }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes a request head.
    pub fn begin(&self, fields: Fields, now: UnixTime) -> Step {
        let mut request = Request { fields, rule: None, normal: None };
        match self.route(&mut request) {
            Ok(Access::Deny) => self.deny(request, Rejection::Denied),
            Ok(_) if self.passes_preflight(request.head()) => self.pass(request, None),
            Ok(Access::Anonymous) => self.pass(request, None),
            Ok(Access::Required | Access::Optional) => self.look_for_token(request, now),
            Err(rejection) => self.deny(request, rejection),
        }
    }

    /// Whether a request header or trailer of this name is ours alone to set.
    pub fn owns_field(&self, name: &[u8]) -> bool {
        self.policy.upstream.owns(name)
    }

    /// Finds the rule, on the path in its normal form.
    fn route(&self, request: &mut Request) -> Result<Access, Rejection> {
        let (sent, _) = split_query(request.head().path());
        if request.head().path().contains(&b'#') {
            return Err(Rejection::AmbiguousPath);
        }
        let mut path = None;
        if self.matches_paths && !matches!(sent, b"" | b"*") {
            let normal = NormalPath::parse(sent).map_err(|_| Rejection::AmbiguousPath)?;
            request.normal = (normal.as_str().as_bytes() != sent).then(|| normal.clone());
            path = Some(normal);
        }
        let head = request.head();
        let rule = self.policy.rules.iter().position(|rule| rule.matcher.matches(head, path.as_ref()));
        request.rule = rule;
        Ok(self.rule_of(request).map_or(Access::Required, |rule| rule.access))
    }

    fn passes_preflight(&self, head: RequestHead<'_>) -> bool {
        self.policy.cors_preflight == CorsPreflight::Pass && head.is_cors_preflight()
    }

    fn look_for_token(&self, request: Request, now: UnixTime) -> Step {
        let places = &self.policy.token;
        let head = request.head();
        if places.require_tls
            && head.single(":scheme").is_none_or(|scheme| !scheme.eq_ignore_ascii_case(b"https"))
        {
            return self.deny(request, Rejection::TlsRequired);
        }
        match token::extract(head, places, self.extra_params(&request)) {
            Err(error) => self.deny(request, error.into()),
            Ok(found) if token::wants_form(head, places) => Step::ReadForm(AwaitingForm { request, found }),
            Ok(found) => self.ask(request, found, None, now),
        }
    }

    /// Chooses whom to ask about the token, or settles the request that has none.
    fn ask(&self, request: Request, found: Option<Found>, body: Option<Vec<u8>>, now: UnixTime) -> Step {
        let Some(found) = found else {
            return match self.rule_of(&request).map(|rule| rule.access) {
                Some(Access::Optional) => self.pass(request, body.as_deref()),
                _ => self.deny(request, Rejection::NoToken),
            };
        };
        let mut chosen: VecDeque<_> =
            choice::choose(&self.policy, self.requirement_of(&request), &found.token).into();
        let Some(provider) = chosen.pop_front() else {
            return self.deny(request, Rejection::NoProvider);
        };
        let plan = Plan { provider, next_providers: chosen, calls: 0, started: now };
        Pending { request, found, body, plan, undecided: None }.call(self, None, now)
    }

    /// The last word on an active token.
    fn judge(&self, request: &Request, token: &AccessToken, now: UnixTime) -> Result<(), Rejection> {
        let Some(provider) = self.provider(token.provider) else { return Err(Rejection::NoProvider) };
        token.check(provider, now)?;
        self.requirement_of(request).judge(token, provider, now)
    }

    fn pass(&self, request: Request, body: Option<&[u8]>) -> Step {
        let grant = self.clean(&request, body);
        Step::Done(Box::new(Outcome { decision: Decision::Allow(Verdict::Anonymous), grant, request }))
    }

    fn deny(&self, request: Request, rejection: Rejection) -> Step {
        let grant = self.clean(&request, None);
        Step::Done(Box::new(Outcome { decision: Decision::Deny(rejection), grant, request }))
    }

    fn allow(&self, request: Request, token: &AccessToken, place: Place, body: Option<&[u8]>) -> Step {
        let mut grant = self.clean(&request, body);
        let identity = self.policy.upstream.identity(&token.claims);
        grant.set.extend(identity.set);
        grant.dropped = identity.dropped;
        grant.private_response = place == Place::Query;
        Step::Done(Box::new(Outcome { decision: Decision::Allow(Verdict::Allowed), grant, request }))
    }

    /// What every request loses, however it ends: forged identity fields, ambiguous spellings of its
    /// path, and the token if the upstream is not to see it.
    fn clean(&self, request: &Request, body: Option<&[u8]>) -> Grant {
        let head = request.head();
        let mut grant = Grant { remove: self.policy.upstream.forged(head), ..Grant::default() };
        let mut target = None;
        if !self.policy.token.forward {
            let stripped = token::strip(head, &self.policy.token, self.extra_params(request));
            grant.remove.extend(stripped.remove);
            grant.set.extend(stripped.set);
            target = stripped.path;
            grant.body = body.and_then(form::strip);
            if let Some(body) = &grant.body
                && head.single("content-length").is_some()
            {
                grant.remove.push("content-length".to_owned());
                grant.set.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
            }
        }
        if let Some(normal) = &request.normal {
            let (_, query) = split_query(target.as_deref().unwrap_or(head.path()));
            let mut path = normal.as_str().as_bytes().to_vec();
            if let Some(query) = query {
                path.push(b'?');
                path.extend_from_slice(query);
            }
            target = Some(path);
        }
        grant.path = target;
        grant
    }

    fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.policy.providers.get(id.0)
    }

    fn rule_of(&self, request: &Request) -> Option<&Rule> {
        self.policy.rules.get(request.rule?)
    }

    fn extra_params(&self, request: &Request) -> &[String] {
        self.rule_of(request).map(|rule| rule.from_params.as_slice()).unwrap_or_default()
    }

    fn requirement_of(&self, request: &Request) -> &Requirement {
        self.rule_of(request).and_then(|rule| rule.requires.as_ref()).unwrap_or(&self.policy.requires)
    }
}

impl Outcome {
    /// The rule that the request matched, if any.
    pub fn rule<'a>(&self, enforcer: &'a Enforcer) -> Option<&'a Rule> {
        enforcer.rule_of(&self.request)
    }

    /// What the client is told; `None` if it is not refused.
    pub fn answer(&self, enforcer: &Enforcer) -> Option<Answer> {
        match &self.decision {
            Decision::Allow(_) => None,
            Decision::Deny(rejection) => {
                Some(enforcer.policy.responses.answer(rejection, self.request.head()))
            }
        }
    }
}

impl AwaitingForm {
    /// How many bytes of the body are looked at.
    pub fn max_bytes(enforcer: &Enforcer) -> usize {
        enforcer.policy.token.max_form_bytes
    }

    /// Goes on with the whole body.
    pub fn body(self, enforcer: &Enforcer, body: &[u8], now: UnixTime) -> Step {
        let Self { request, found } = self;
        if body.len() > enforcer.policy.token.max_form_bytes {
            return enforcer.deny(request, Rejection::FormTooLarge);
        }
        let places = &enforcer.policy.token;
        let extra_params = enforcer.extra_params(&request);
        let second = found.is_some() || token::has_second_method(request.head(), places, extra_params);
        match (form::extract(body, places), found) {
            (Err(error), _) => enforcer.deny(request, error.into()),
            (Ok(Some(_)), _) if second => enforcer.deny(request, Rejection::Several),
            (Ok(in_form), in_head) => enforcer.ask(request, in_head.or(in_form), Some(body.to_vec()), now),
        }
    }

    /// Gives up on the body: `TooLarge` or never there.
    pub fn give_up(self, enforcer: &Enforcer, rejection: Rejection) -> Step {
        enforcer.deny(self.request, rejection)
    }
}

impl Pending {
    /// Goes on with the answer.
    pub fn resume(mut self, enforcer: &Enforcer, outcome: CallOutcome<'_>, now: UnixTime) -> Step {
        let Some(provider) = enforcer.provider(self.plan.provider) else {
            return enforcer.deny(self.request, Rejection::NoProvider);
        };
        match Introspection::read(self.plan.provider, &provider.introspection, outcome) {
            Ok(Introspection::Active(token)) => match enforcer.judge(&self.request, &token, now) {
                Ok(()) => enforcer.allow(self.request, &token, self.found.place, self.body.as_deref()),
                Err(rejection) => enforcer.deny(self.request, rejection),
            },
            Ok(Introspection::Inactive) => self.ask_next(enforcer, Rejection::Inactive, now),
            Err(failure) if self.may_repeat(provider, &failure, now) => {
                self.call(enforcer, Some(failure), now)
            }
            Err(failure) => {
                self.undecided.get_or_insert(failure.clone());
                self.ask_next(enforcer, failure, now)
            }
        }
    }

    /// The token that is asked about.
    pub fn token(&self) -> &Secret {
        &self.found.token
    }

    /// Whether another call to the same provider may bring what this one did not: only where there
    /// was no answer at all, and only within the time that the configuration grants.
    fn may_repeat(&self, provider: &Provider, failure: &Rejection, now: UnixTime) -> bool {
        use crate::decision::NoAnswer::Throttled;
        let endpoint = &provider.introspection;
        let repeatable = matches!(failure, Rejection::NoAnswer { cause, .. } if *cause != Throttled);
        if !repeatable {
            return false;
        }
        if self.plan.calls <= endpoint.retries {
            let granted = endpoint.timeout.saturating_mul(endpoint.retries.saturating_add(1));
            return now < self.plan.started.plus(granted);
        }
        self.cluster_of_next_call(provider).is_some()
    }

    /// Where the next call to this provider goes: to the first cluster for the first call and its
    /// retries, then once to each fallback.
    fn cluster_of_next_call<'a>(&self, provider: &'a Provider) -> Option<&'a String> {
        let endpoint = &provider.introspection;
        let fallback = self.plan.calls.saturating_sub(endpoint.retries);
        endpoint.clusters.get(usize::try_from(fallback).unwrap_or(usize::MAX))
    }

    fn ask_next(mut self, enforcer: &Enforcer, ended: Rejection, now: UnixTime) -> Step {
        match self.plan.next_providers.pop_front() {
            Some(provider) => {
                self.plan = Plan { provider, calls: 0, started: now, ..self.plan };
                self.call(enforcer, Some(ended), now)
            }
            // Nobody knows the token; if somebody could not say, neither can we.
            None => enforcer.deny(self.request, self.undecided.unwrap_or(ended)),
        }
    }

    /// The plan's next call.
    fn call(mut self, enforcer: &Enforcer, previous: Option<Rejection>, now: UnixTime) -> Step {
        let Some(provider) = enforcer.provider(self.plan.provider) else {
            return enforcer.deny(self.request, Rejection::NoProvider);
        };
        let endpoint = &provider.introspection;
        let mut call = IntrospectionCall::new(self.plan.provider, provider, &self.found.token);
        if let Some(cluster) = self.cluster_of_next_call(provider) {
            call.cluster.clone_from(cluster);
        }
        let is_retry = self.plan.calls > 0 && self.plan.calls <= endpoint.retries;
        if is_retry {
            let granted = endpoint.timeout.saturating_mul(endpoint.retries.saturating_add(1));
            let left = now.until(self.plan.started.plus(granted));
            call.after = jitter(self.plan.calls, now).min(left.checked_div(4).unwrap_or_default());
            call.timeout =
                endpoint.timeout.min(left.saturating_sub(call.after)).max(Duration::from_millis(1));
        }
        call.previous = previous;
        self.plan.calls = self.plan.calls.saturating_add(1);
        Step::Introspect(Box::new(call), Box::new(self))
    }
}

impl Request {
    fn head(&self) -> RequestHead<'_> {
        RequestHead::new(&self.fields)
    }
}

impl Requirement {
    /// Whether a token that is good in itself will do.
    fn judge(&self, token: &AccessToken, provider: &Provider, now: UnixTime) -> Result<(), Rejection> {
        if self.sender_constraint == SenderConstraint::IfBound && token.is_bound() {
            return Err(Rejection::Unproven);
        }
        if !self.audiences.is_empty() && !token.has_audience(&self.audiences) {
            return Err(Rejection::WrongAudience);
        }
        if let Some(list) = &self.clients
            && !token.client_id(provider).is_some_and(|client| list.allows(client))
        {
            return Err(Rejection::ClientNotListed);
        }
        self.judge_authentication(token, provider.clock_skew, now)?;
        if let Some(unmet) = self.claims.iter().find(|claim| !claim.is_met_by(&token.claims)) {
            return Err(Rejection::ClaimMismatch { claim: unmet.claim.as_str().to_owned() });
        }
        if self.scopes.is_met_by(&token.scopes(provider)) {
            Ok(())
        } else {
            Err(Rejection::ScopeMissing { needed: self.scopes.challenge() })
        }
    }

    /// Step-up ([RFC 9470 §3]): how, and how long ago, the user was authenticated.
    ///
    /// [RFC 9470 §3]: https://www.rfc-editor.org/rfc/rfc9470#section-3
    fn judge_authentication(
        &self,
        token: &AccessToken,
        skew: Duration,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let acr = token.present("acr").and_then(|acr| acr.as_str());
        let weak = !self.acr_values.is_empty()
            && !acr.is_some_and(|acr| self.acr_values.iter().any(|wanted| wanted == acr));
        let old = self.max_age.is_some_and(|max_age| {
            let age = token.present("auth_time").and_then(serde_json::Value::as_f64).map(|at| {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "milliseconds of this era fit into a double exactly"
                )]
                let now = now.as_millis() as f64 / 1000.0;
                now - at
            });
            let skew = skew.as_secs_f64();
            !age.is_some_and(|age| (-skew..=max_age.as_secs_f64() + skew).contains(&age.floor()))
        });
        if weak || old {
            let acr_values = if weak { self.acr_values.join(" ") } else { String::new() };
            let max_age = self.max_age.filter(|_| old).map(|max_age| max_age.as_secs());
            return Err(Rejection::WeakAuthentication { acr_values, max_age });
        }
        Ok(())
    }
}

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::MalformedHeader | TokenError::MalformedParameter => Self::Malformed,
            TokenError::Several => Self::Several,
            TokenError::TooLong => Self::TokenTooLong,
        }
    }
}

/// A pause before a retry: 5 to 25 ms, doubled with each retry, so that many workers do not come
/// back at one moment. Spread by the clock; nothing depends on it being unguessable.
fn jitter(retry: u32, now: UnixTime) -> Duration {
    let spread = now.as_millis().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let base = 5_u64.saturating_add(spread % 21);
    Duration::from_millis(base.saturating_mul(1 << retry.saturating_sub(1).min(4)))
}
