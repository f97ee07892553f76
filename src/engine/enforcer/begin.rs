//! The first step of a request: its rule, its token, and the provider to call.

use std::collections::VecDeque;

use crate::base::ids::{ProviderId, StreamId};
use crate::base::secret::Secret;
use crate::base::time::UnixTime;
use crate::cache::entry::Age;
use crate::decision::trace::{Check, FoundToken, Trace};
use crate::decision::{Decision, Doubt, Grant, Rejection};
use crate::enforcer::outcome::Source;
use crate::enforcer::{AwaitingForm, Enforcer, Pending, Request, Step, Told, done};
use crate::policy::rule::{Access, Ruling, Seen};
use crate::policy::{CorsPreflight, Mode, choice};
use crate::proof::dpop::Proof;
use crate::provider::introspection::reply::Introspection;
use crate::request::extract::{self, Found, Place, TokenError};
use crate::request::form;
use crate::request::head::{Head, RequestHead};
use crate::request::path::{NormalPath, split_query};
use crate::token::key::TokenKey;

/// The longest path that rules are matched with, in bytes, without its query: the time of all of them grows with
/// it, and the request has shown no token yet.
const MAX_PATH: usize = 8192;

impl<T: Trace> Enforcer<T> {
    /// Takes a request head.
    pub(crate) fn begin(&mut self, stream: StreamId, head: impl Into<Head>, now: UnixTime) -> Step {
        let mut request = Request::new(stream, head.into());
        if !self.policy.revocation.events.is_empty() {
            match self.event_endpoint(&request) {
                Ok(None) => {}
                Ok(Some(endpoint)) => return self.begin_event(request, endpoint),
                Err(rejection) => return self.fail(request, || Check::Reading, rejection),
            }
        }
        let seen = Seen::new(request.head(), None, self.policy.matching);
        match self.policy.resources.described_at(&seen) {
            Ok(None) => {}
            Ok(Some(resource)) => {
                request.resource.to = Some(resource);
                return done(Decision::Describe(resource), Grant::default(), Source::Nowhere, None, request);
            }
            Err(doubt) => return self.fail(request, || Check::Reading, Rejection::Ambiguous(doubt)),
        }
        match self.route(&mut request) {
            Ok(Access::Deny) => self.fail(request, || Check::Rule, Rejection::Denied),
            Ok(_) if self.passes_preflight(request.head()) => self.pass(request, None),
            Ok(Access::Anonymous) if self.takes_forms_apart(request.head()) => {
                Step::ReadForm(Box::new(AwaitingForm { request, found: None }))
            }
            Ok(Access::Anonymous) => self.pass(request, None),
            Ok(Access::Required | Access::Optional) => self.look_for_token(request, now),
            Err(rejection) => self.fail(request, || Check::Reading, rejection),
        }
    }

    /// Finds the rule, on the path in its normal form.
    #[inline(never)]
    fn route(&self, request: &mut Request) -> Result<Access, Rejection> {
        let whole = request.head().path();
        let (sent, _) = split_query(whole);
        if whole.contains(&b'#') {
            return Err(Rejection::AmbiguousPath);
        }
        let mut path = None;
        if self.matches_paths && sent.len() > MAX_PATH {
            return Err(Rejection::Ambiguous(Doubt::LongPath));
        }
        if self.matches_paths && !matches!(sent, b"" | b"*") {
            let normal = self.normal_path(sent)?;
            request.normal = (normal.as_str().as_bytes() != sent).then(|| normal.clone());
            path = Some(normal);
        }
        let seen = Seen::new(request.head(), path.as_ref(), self.policy.matching);
        let ruling = self.ruling(&seen)?;
        let resource = self.policy.resources.of(&seen).map_err(Rejection::Ambiguous);
        request.ruling = ruling;
        let access = request.rule(&self.policy).map_or(Access::Required, |rule| rule.access);
        request.resource = match access {
            Access::Required | Access::Optional => resource?,
            // No token is looked at.
            Access::Anonymous | Access::Deny => resource.unwrap_or_default(),
        };
        Ok(access)
    }

    // These two are kept apart: no function of the module is long.
    #[inline(never)]
    pub(super) fn normal_path(&self, sent: &[u8]) -> Result<NormalPath, Rejection> {
        NormalPath::read(sent, self.policy.matching.path_parameters).map_err(|_| Rejection::AmbiguousPath)
    }

    #[inline(never)]
    fn ruling(&self, seen: &Seen<'_>) -> Result<Ruling, Rejection> {
        self.policy.rule_of(seen).map_err(Rejection::Ambiguous)
    }

    fn passes_preflight(&self, head: RequestHead<'_>) -> bool {
        self.policy.cors_preflight == CorsPreflight::Pass
            && head.is_cors_preflight()
            && Seen::new(head, None, self.policy.matching).has_one_method()
    }

    /// Whether the token is removed from this request's form although it is not checked. It is removed from
    /// queries, cookies and header fields in the same way.
    fn takes_forms_apart(&self, head: RequestHead<'_>) -> bool {
        let places = &self.policy.token;
        !places.forward && self.policy.mode == Mode::Enforce && extract::wants_form(head, places)
    }

    #[inline(never)]
    fn look_for_token(&mut self, request: Request, now: UnixTime) -> Step {
        let places = &self.policy.token;
        let head = request.head();
        if places.require_tls.is_some_and(|source| !source.says_tls(head, self.connection(&request))) {
            return self.fail(request, || Check::Connection, Rejection::TlsRequired);
        }
        match self.extract(&request) {
            Err(error) => self.fail(request, || Check::Token(None), error.into()),
            Ok(found) if extract::wants_form(head, places) => {
                Step::ReadForm(Box::new(AwaitingForm { request, found }))
            }
            Ok(found) => self.ask(request, found, None, now),
        }
    }

    /// The token, in a place that all of the rules read. A token that only some of them read does not count.
    #[inline(never)]
    fn extract(&self, request: &Request) -> Result<Option<Found>, TokenError> {
        let Ruling { rule, others } = &request.ruling;
        let find =
            |rule| extract::extract(request.head(), &self.policy.token, self.policy.extra_params_at(rule));
        let mut found = find(*rule)?;
        for other in others {
            let also = find(*other)?;
            found = found.filter(|one| also.as_ref() == Some(one));
        }
        Ok(found)
    }

    /// Chooses the provider for the token, or decides about a request without a token.
    fn ask(
        &mut self,
        mut request: Request,
        found: Option<Found>,
        body: Option<Vec<u8>>,
        now: UnixTime,
    ) -> Step {
        let Some(found) = found else {
            return match request.rule(&self.policy).map(|rule| rule.access) {
                Some(Access::Optional) => {
                    self.trace.made(|| Check::Token(None), None);
                    self.pass(request, body.as_deref())
                }
                _ if self.policy.resources.is_metadata_path(request.head().path()) => {
                    self.fail(request, || Check::Token(None), Rejection::NoMetadata)
                }
                _ => self.fail(request, || Check::Token(None), Rejection::NoToken),
            };
        };
        let token =
            || Check::Token(Some(FoundToken { place: found.place, length: found.token.expose().len() }));
        self.trace.made(token, None);
        if !self.policy.log.is_empty() {
            request.told = Some(Box::new(self.told_of(&found.token)));
        }
        let next_providers: VecDeque<_> =
            choice::choose(&self.policy, request.requirement(&self.policy), &found.token).into();
        // A proof is work, and none makes a token good that is known to be bad.
        if found.place == Place::Dpop && self.is_known_bad(&next_providers, &found.token, now) {
            self.trace.made(|| Check::Active, Some(&Rejection::Inactive));
            request.provider = next_providers.back().copied();
            return self.deny_by(request, Rejection::Inactive, Source::Memory);
        }
        let proof = match self.prove(&request, &found, now) {
            Ok(None) => None,
            Ok(Some(proof)) => {
                self.trace.made(|| Check::Proof, None);
                Some(Box::new(proof))
            }
            Err(rejection) => return self.fail(request, || Check::Proof, rejection),
        };
        if next_providers.is_empty() {
            self.trace.made(|| Check::Provider, Some(&Rejection::NoProvider));
        }
        let after = self.policy.max_cache_age(&request.ruling).map(|age| now.minus(age));
        let pending = Pending {
            request,
            found,
            body,
            next_providers,
            asked: None,
            undecided: None,
            keys: None,
            has_waited_for_status: false,
            after,
            is_asked_for: false,
            overtaken: 0,
            proof,
        };
        pending.ask_next(self, Rejection::NoProvider, Source::Nowhere, now)
    }

    /// What logs are to show of a token, as far as it is known now.
    #[cold]
    #[inline(never)]
    pub(super) fn told_of(&self, token: &Secret) -> Told {
        let fingerprint = self.fingerprints.map(|key| TokenKey::new(key, ProviderId(0), token));
        Told { fingerprint, ..Told::default() }
    }

    /// Whether all providers that would be called have already said that the token is inactive.
    #[inline(never)]
    fn is_known_bad(&mut self, providers: &VecDeque<ProviderId>, token: &Secret, now: UnixTime) -> bool {
        let says_no = |id: &ProviderId| {
            let known = self.cache.get(self.cache.key(*id, token));
            known
                .is_some_and(|entry| entry.age(now) == Age::Fresh && *entry.said() == Introspection::Inactive)
        };
        !providers.is_empty() && providers.iter().all(says_no)
    }

    /// Checks the proof that comes with a token, before any provider is called.
    #[inline(never)]
    pub(super) fn prove(
        &self,
        request: &Request,
        found: &Found,
        now: UnixTime,
    ) -> Result<Option<Proof>, Rejection> {
        match (&self.proofs, &self.policy.dpop) {
            (Some(proofs), Some(dpop)) if found.place == Place::Dpop => {
                let from = (request.head(), self.connection(request));
                proofs.check(dpop, from, &found.token, self.verifier, now).map(Some)
            }
            _ if request.requirement(&self.policy).sender_constraint.requires_dpop() => {
                Err(Rejection::ProofWanted)
            }
            _ => Ok(None),
        }
    }
}

impl AwaitingForm {
    /// How many bytes of the body are read.
    pub(crate) fn max_bytes<T: Trace>(enforcer: &Enforcer<T>) -> usize {
        enforcer.policy.token.max_form_bytes
    }

    /// Continues with the whole body.
    pub(crate) fn body<T: Trace>(self, enforcer: &mut Enforcer<T>, body: &[u8], now: UnixTime) -> Step {
        let Self { request, found } = self;
        if body.len() > enforcer.policy.token.max_form_bytes {
            return enforcer.fail(request, || Check::Form, Rejection::FormTooLarge);
        }
        if request.rule(&enforcer.policy).is_some_and(|rule| rule.access == Access::Anonymous) {
            return enforcer.pass(request, Some(body));
        }
        let places = &enforcer.policy.token;
        let extra_params = enforcer.policy.extra_params_at(request.ruling.rule);
        let second = found.is_some() || extract::has_second_method(request.head(), places, extra_params);
        match (form::extract(body, places), found) {
            (Err(error), _) => enforcer.fail(request, || Check::Token(None), error.into()),
            (Ok(Some(_)), _) if second => enforcer.fail(request, || Check::Token(None), Rejection::Several),
            (Ok(in_form), in_head) => enforcer.ask(request, in_head.or(in_form), Some(body.to_vec()), now),
        }
    }

    /// Gives up on the body: it is too large, or did not arrive.
    pub(crate) fn give_up<T: Trace>(self, enforcer: &Enforcer<T>, rejection: Rejection) -> Step {
        enforcer.fail(self.request, || Check::Form, rejection)
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
