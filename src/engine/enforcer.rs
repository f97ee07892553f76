//! The policy engine: a request head goes in, a [`Step`] comes out.
//!
//! Nothing here performs I/O or reads a clock. A [`Step::Introspect`] says what has to be found out and
//! hands back a [`Pending`]; whoever drives the engine sees to it, by a [`Flight`] of its own or one that
//! others wait for too, and gives the answer to [`Pending::resume`]. `Pending` is consumed by that, so an
//! answer can be used once only.

mod memory;
mod news;
mod pending;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::ids::{ProviderId, StreamId};
use crate::base::random::Nonces;
use crate::base::secret::Secret;
use crate::base::store::common::Common;
use crate::base::store::{Own, Store};
use crate::base::time::UnixTime;
use crate::cache::Cache;
use crate::cache::entry::{Age, Entry};
use crate::cache::namespace::Namespace;
use crate::decision::fault::ProofFault;
use crate::decision::{Decision, Doubt, Grant, Rejection, Verdict};
use crate::jose::portable::Portable;
use crate::jose::signer::Signer;
use crate::jose::verifier::Verifier;
use crate::policy::choice;
use crate::policy::requirement::{Requirement, SenderConstraint};
use crate::policy::resource::{Belonging, Resource};
use crate::policy::rule::{Access, Rule, Ruling, Seen};
use crate::policy::{CorsPreflight, Mode, Policy};
use crate::proof::dpop::{Proof, Proofs};
use crate::provider::client_auth::ClientAuth;
use crate::provider::client_list::LiveList;
use crate::provider::flight::{Flight, Landing, Question};
use crate::provider::introspection::reply::Introspection;
use crate::provider::introspection::signed::Names;
use crate::provider::introspection::{signed, token_info, user_info};
use crate::provider::jwt;
use crate::provider::keys::{KeyNews, LiveKeys};
use crate::provider::outcome::CallOutcome;
use crate::provider::{Dialect, Provider, Validate};
use crate::request::connection::{Connection, Nobody, Peer};
use crate::request::extract::{self, Found, Place, TokenError};
use crate::request::form;
use crate::request::head::{Head, RequestHead};
use crate::request::path::{NormalPath, split_query};
use crate::request::websocket;
use crate::response::answer::{Advertised, Answer};
use crate::token::access_token::AccessToken;
use crate::token::key::TokenKey;

/// The field lines of a request head, as the host hands them over.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The engine: one per configuration and worker.
#[derive(Debug)]
pub struct Enforcer {
    policy: Policy,
    matches_paths: bool,
    /// The lengths that names of identity fields have.
    own_lengths: u128,
    nonces: Nonces,
    /// Which plugin this is.
    owner: Vec<u8>,
    /// What checking proofs of possession needs, if they are understood.
    proofs: Option<Proofs>,
    /// What the workers share.
    store: Box<dyn Store>,
    cache: Cache,
    /// The client lists that are fetched, as far as they have arrived.
    lists: Vec<LiveList>,
    /// The providers' keys, as far as they have arrived.
    keys: Vec<LiveKeys>,
    /// Who computes signatures, where somebody can.
    verifier: &'static dyn Verifier,
    /// Who knows the connections of requests.
    peer: &'static dyn Peer,
}

/// What has been found out about a token: an entry, kept or not, or why there is none.
pub type Finding = Result<Rc<Entry>, Rejection>;

/// What the driver must do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// The request is settled.
    Done(Box<Outcome>),
    /// Find out what the authorization server says, then call [`Pending::resume`].
    Introspect(Box<Question>, Box<Pending>),
    /// Have this provider's keys fetched anew, then call [`Pending::resume_with_keys`].
    FetchKeys(ProviderId, Box<Pending>),
    /// Collect the request's body, then call [`AwaitingForm::body`].
    ReadForm(Box<AwaitingForm>),
}

/// A settled request.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub decision: Decision,
    /// What changes in its head if it goes on. For a refusal that is not carried out, too: forged
    /// identity fields never reach the upstream.
    pub grant: Grant,
    /// Where what is known of the token came from.
    pub source: Source,
    /// Ask again about the token, in the background: its entry is in use and ends soon.
    pub refresh: Option<Box<Question>>,
    /// Words for access logs and later filters, by name.
    pub notes: Vec<(&'static str, Cow<'static, str>)>,
    request: Request,
}

/// Where what is known of a token came from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Source {
    /// Nothing had to be known.
    #[default]
    Nowhere,
    /// From the authorization server, or another worker, just now.
    Answer,
    /// From memory.
    Memory,
    /// From memory that is stale, since the authorization server gave no verdict.
    StaleMemory,
}

/// A request that waits for the authorization server.
#[derive(Debug)]
pub struct Pending {
    request: Request,
    found: Found,
    body: Option<Vec<u8>>,
    /// Providers to ask when this one does not know the token.
    next_providers: VecDeque<ProviderId>,
    /// What is asked.
    asked: Option<TokenKey>,
    /// The first provider that gave no verdict, while others are still to be asked.
    undecided: Option<Rejection>,
    /// That the client has the token's key, if it says so.
    proof: Option<Box<Proof>>,
    /// What has come of its wish for other keys.
    keys: Option<KeyNews>,
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
    stream: StreamId,
    head: Head,
    /// Which of the rules it matches.
    ruling: Ruling,
    /// The path as the rules see it, if that is not what was sent.
    normal: Option<NormalPath>,
    /// The protected resource that it is for.
    resource: Belonging,
}

impl Enforcer {
    /// An engine for this policy. `seed` is random and known to nobody; `owner` says which plugin this
    /// is, for no two share what they remember.
    pub fn new(policy: Policy, seed: [u64; 2], owner: &[u8]) -> Self {
        Self {
            own_lengths: policy.upstream.lengths(),
            matches_paths: policy.rules.iter().any(|rule| rule.matcher.path.is_some())
                || policy.resources.match_paths(),
            nonces: Nonces::new(seed),
            owner: owner.to_vec(),
            proofs: None,
            store: Box::<Own>::default(),
            cache: Cache::new(&policy.cache, seed),
            lists: vec![LiveList::default(); policy.lists.len()],
            keys: policy.providers.iter().map(|one| LiveKeys::new(one.keys.as_ref())).collect(),
            verifier: &Portable,
            peer: &Nobody,
            policy,
        }
        .with_store(Box::<Own>::default())
    }

    /// The same engine in a worker that shares data with others.
    #[must_use]
    pub fn with_store(self, store: Box<dyn Store>) -> Self {
        let mut enforcer = Self { store, ..self };
        if enforcer.policy.dpop.is_some() || enforcer.policy.cache.is_shared() {
            let common = Common::of(enforcer.store.as_ref(), &enforcer.nonces);
            let proofs = |dpop| Proofs::new(dpop, &enforcer.owner, common.as_ref());
            enforcer.proofs = enforcer.policy.dpop.as_ref().map(proofs);
            let namespace = |provider| {
                let namespace = Namespace::new(&enforcer.owner, provider);
                common.as_ref().map_or(namespace, |common| namespace.within(common))
            };
            let namespaces = enforcer.policy.providers.iter().map(namespace).collect();
            enforcer.cache.share(namespaces);
        }
        enforcer
    }

    /// The same engine with somebody who computes signatures for it.
    #[must_use]
    pub fn with_verifier(self, verifier: &'static dyn Verifier) -> Self {
        Self { verifier, ..self }
    }

    /// The same engine with somebody who signs for it.
    #[must_use]
    pub fn with_signer(mut self, signer: &'static dyn Signer) -> Self {
        for provider in &mut self.policy.providers {
            if let ClientAuth::Assertion(assertion) = &mut provider.introspection.client_auth {
                assertion.sign_elsewhere(signer);
            }
        }
        self
    }

    /// The same engine with somebody who knows the connections of requests.
    #[must_use]
    pub fn with_peer(self, peer: &'static dyn Peer) -> Self {
        Self { peer, ..self }
    }

    /// Who computes signatures.
    pub fn verifier(&self) -> &'static dyn Verifier {
        self.verifier
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes what has come of a flight's latest call.
    pub fn land(&self, flight: &mut Flight, outcome: CallOutcome<'_>, now: UnixTime) -> Landing {
        let id = flight.question().key.provider;
        let said = self.read((id, flight.question()), outcome, flight.asked(), now);
        match self.provider(id) {
            Some(provider) => flight.land(provider, said, now, &self.nonces),
            None => Landing::Settled(said),
        }
    }

    /// What a provider has said, in the dialect that it speaks.
    fn read(
        &self,
        (id, question): (ProviderId, &Question),
        outcome: CallOutcome<'_>,
        asked: UnixTime,
        now: UnixTime,
    ) -> Result<Introspection, Rejection> {
        let Some(provider) = self.provider(id) else { return Err(Rejection::NoProvider) };
        let said = match &provider.introspection.dialect {
            Dialect::Rfc7662 => Introspection::read(id, &provider.introspection, outcome),
            Dialect::Rfc9701 { audience, issuer } => {
                let names = Names { issuer, audience };
                let (keys, token) = (&self.keys(id), &question.token);
                signed::read((id, provider), names, keys, outcome, token, self.verifier, now)
            }
            Dialect::TokenInfo(_) => {
                token_info::read(id, &provider.introspection, outcome, &question.token, asked)
            }
            Dialect::UserInfo { audience } => {
                // What a JWT says of itself has been verified before anybody was asked. It is not kept
                // until the answer: most of these are asked once in its lifetime.
                let jwt = match provider.validate {
                    Validate::Introspection => None,
                    Validate::Jwt | Validate::JwtThenIntrospection => {
                        Some(self.verify(id, &question.token, now)?)
                    }
                };
                let issuer = provider.tokens.issuer.as_deref().unwrap_or_default();
                let names = audience.as_deref().map(|audience| Names { issuer, audience });
                let keys = &self.keys(id);
                return user_info::read((id, provider), names, keys, outcome, jwt, self.verifier, now);
            }
        }?;
        match said {
            Introspection::Active(reply) if provider.validate == Validate::JwtThenIntrospection => {
                // Once more by the keys of now: they may have changed while the server was asked.
                self.verify(id, &question.token, now)?.beside(reply, provider)
            }
            said => Ok(said),
        }
    }

    /// Takes a request head.
    pub fn begin(&mut self, stream: StreamId, head: impl Into<Head>, now: UnixTime) -> Step {
        let mut request = Request::new(stream, head.into());
        let seen = Seen::new(request.head(), None, self.policy.matching);
        match self.policy.resources.described_at(&seen) {
            Ok(None) => {}
            Ok(Some(resource)) => {
                request.resource.to = Some(resource);
                return done(Decision::Describe(resource), Grant::default(), Source::Nowhere, None, request);
            }
            Err(doubt) => return self.deny(request, Rejection::Ambiguous(doubt)),
        }
        match self.route(&mut request) {
            Ok(Access::Deny) => self.deny(request, Rejection::Denied),
            Ok(_) if self.passes_preflight(request.head()) => self.pass(request, None),
            Ok(Access::Anonymous) if self.takes_forms_apart(request.head()) => {
                Step::ReadForm(Box::new(AwaitingForm { request, found: None }))
            }
            Ok(Access::Anonymous) => self.pass(request, None),
            Ok(Access::Required | Access::Optional) => self.look_for_token(request, now),
            Err(rejection) => self.deny(request, rejection),
        }
    }

    /// The provider of that number.
    pub fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.policy.providers.get(id.0)
    }

    /// Whether a request header or trailer of this name is ours alone to set.
    pub fn owns_field(&self, name: &[u8]) -> bool {
        self.policy.upstream.owns(name)
    }

    /// What its calls need to be unguessable.
    pub fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    /// Finds the rule, on the path in its normal form.
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
            let parameters = self.policy.matching.path_parameters;
            let normal = NormalPath::read(sent, parameters).map_err(|_| Rejection::AmbiguousPath)?;
            request.normal = (normal.as_str().as_bytes() != sent).then(|| normal.clone());
            path = Some(normal);
        }
        let seen = Seen::new(request.head(), path.as_ref(), self.policy.matching);
        let ruling = self.policy.rule_of(&seen).map_err(Rejection::Ambiguous)?;
        let resource = self.policy.resources.of(&seen).map_err(Rejection::Ambiguous);
        request.ruling = ruling;
        let access = self.rule_of(request).map_or(Access::Required, |rule| rule.access);
        request.resource = match access {
            Access::Required | Access::Optional => resource?,
            // No token is looked at.
            Access::Anonymous | Access::Deny => resource.unwrap_or_default(),
        };
        Ok(access)
    }

    fn passes_preflight(&self, head: RequestHead<'_>) -> bool {
        self.policy.cors_preflight == CorsPreflight::Pass
            && head.is_cors_preflight()
            && Seen::new(head, None, self.policy.matching).has_one_method()
    }

    /// Whether the token is taken out of this request's form although nobody looks at it. A query, a cookie
    /// and a header field lose theirs in the same way.
    fn takes_forms_apart(&self, head: RequestHead<'_>) -> bool {
        let places = &self.policy.token;
        !places.forward && self.policy.mode == Mode::Enforce && extract::wants_form(head, places)
    }

    fn look_for_token(&mut self, request: Request, now: UnixTime) -> Step {
        let places = &self.policy.token;
        let head = request.head();
        if places.require_tls.is_some_and(|source| !source.says_tls(head, self.connection(&request))) {
            return self.deny(request, Rejection::TlsRequired);
        }
        match self.extract(&request) {
            Err(error) => self.deny(request, error.into()),
            Ok(found) if extract::wants_form(head, places) => {
                Step::ReadForm(Box::new(AwaitingForm { request, found }))
            }
            Ok(found) => self.ask(request, found, None, now),
        }
    }

    /// The token, where each of the rules looks for it: what is one to some of them only is none.
    fn extract(&self, request: &Request) -> Result<Option<Found>, TokenError> {
        let Ruling { rule, others } = &request.ruling;
        let find = |rule| extract::extract(request.head(), &self.policy.token, self.extra_params_at(rule));
        let mut found = find(*rule)?;
        for other in others {
            let also = find(*other)?;
            found = found.filter(|one| also.as_ref() == Some(one));
        }
        Ok(found)
    }

    /// Chooses whom to ask about the token, or settles the request that has none.
    fn ask(&mut self, request: Request, found: Option<Found>, body: Option<Vec<u8>>, now: UnixTime) -> Step {
        let Some(found) = found else {
            return match self.rule_of(&request).map(|rule| rule.access) {
                Some(Access::Optional) => self.pass(request, body.as_deref()),
                _ if self.policy.resources.is_metadata_path(request.head().path()) => {
                    self.deny(request, Rejection::NoMetadata)
                }
                _ => self.deny(request, Rejection::NoToken),
            };
        };
        let next_providers: VecDeque<_> =
            choice::choose(&self.policy, self.requirement_of(&request), &found.token).into();
        // A proof is work, and none makes a token good that is known to be bad.
        if found.place == Place::Dpop && self.is_known_bad(&next_providers, &found.token, now) {
            return self.deny_by(request, Rejection::Inactive, Source::Memory);
        }
        let proof = match self.prove(&request, &found, now) {
            Ok(proof) => proof.map(Box::new),
            Err(rejection) => return self.deny(request, rejection),
        };
        let pending =
            Pending { request, found, body, next_providers, asked: None, undecided: None, keys: None, proof };
        pending.ask_next(self, Rejection::NoProvider, Source::Nowhere, now)
    }

    /// Whether all who would be asked about a token have said that it is none.
    fn is_known_bad(&mut self, providers: &VecDeque<ProviderId>, token: &Secret, now: UnixTime) -> bool {
        let says_no = |id: &ProviderId| {
            let known = self.cache.get(self.cache.key(*id, token));
            known
                .is_some_and(|entry| entry.age(now) == Age::Fresh && *entry.said() == Introspection::Inactive)
        };
        !providers.is_empty() && providers.iter().all(says_no)
    }

    /// Verifies a token that this provider has signed, or should have, by the keys that are there.
    #[inline(never)]
    pub fn verify(&self, id: ProviderId, token: &Secret, now: UnixTime) -> Result<AccessToken, Rejection> {
        let Some(provider) = self.provider(id) else { return Err(Rejection::NoProvider) };
        let Some(keys) = self.keys.get(id.0) else { return Err(Rejection::NoProvider) };
        jwt::verify((id, provider), keys, token.expose(), self.verifier, now)
    }

    /// Checks the proof that comes with a token, before anybody is asked about it.
    fn prove(&self, request: &Request, found: &Found, now: UnixTime) -> Result<Option<Proof>, Rejection> {
        match (&self.proofs, &self.policy.dpop) {
            (Some(proofs), Some(dpop)) if found.place == Place::Dpop => {
                let from = (request.head(), self.connection(request));
                proofs.check(dpop, from, &found.token, self.verifier, now).map(Some)
            }
            _ if self.requirement_of(request).sender_constraint == SenderConstraint::Dpop => {
                Err(Rejection::ProofWanted)
            }
            _ => Ok(None),
        }
    }

    /// Uses up the proof of a request that passes. The second time, it does not.
    fn use_up(&self, proof: Option<&Proof>, now: UnixTime) -> Result<(), Rejection> {
        match (&self.proofs, &self.policy.dpop, proof) {
            (Some(proofs), Some(dpop), Some(proof))
                if !proofs.first_use(dpop, proof, self.store.as_ref(), now) =>
            {
                Err(Rejection::BadProof(ProofFault::Replayed))
            }
            _ => Ok(()),
        }
    }

    /// The last word on an active token.
    fn judge(
        &self,
        request: &Request,
        token: &AccessToken,
        proof: Option<&Proof>,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let Some(provider) = self.provider(token.provider) else { return Err(Rejection::NoProvider) };
        token.check(&provider.tokens, now)?;
        if !self.policy.resources.accept(&request.resource, |wanted| token.has_audience(wanted)) {
            return Err(Rejection::WrongAudience);
        }
        let certificate = || match &self.policy.mtls {
            Some(source) => Ok(source.thumbprint(request.head(), self.connection(request))),
            None => Err(Rejection::Unproven),
        };
        let resource = request.resource.to.and_then(|id| self.policy.resources.at(id));
        let Ruling { rule, others } = &request.ruling;
        for rule in std::iter::once(rule).chain(others) {
            let requirement = self.requirement_at(*rule);
            if !requirement.providers.is_empty() && !requirement.providers.contains(&token.provider) {
                return Err(Rejection::NoProvider);
            }
            requirement.judge_binding(token, proof, certificate)?;
            requirement.judge(token, &provider.tokens, &self.lists, now)?;
            requirement.judge_details(token, &provider.tokens, resource)?;
        }
        self.use_up(proof, now)
    }

    fn pass(&self, request: Request, body: Option<&[u8]>) -> Step {
        let grant = self.clean(&request, body);
        done(Decision::Allow(Verdict::Anonymous), grant, Source::Nowhere, None, request)
    }

    fn deny(&self, request: Request, rejection: Rejection) -> Step {
        self.deny_by(request, rejection, Source::Nowhere)
    }

    fn deny_by(&self, request: Request, rejection: Rejection, source: Source) -> Step {
        let grant = self.clean(&request, None);
        done(Decision::Deny(rejection), grant, source, None, request)
    }

    fn connection(&self, request: &Request) -> Connection<'_> {
        Connection::new(self.peer, request.stream)
    }

    /// What every request loses, however it ends: forged identity fields, ambiguous spellings of its
    /// path, and the token if the upstream is not to see it. In shadow mode the forged fields alone.
    fn clean(&self, request: &Request, body: Option<&[u8]>) -> Grant {
        let head = request.head();
        let mut grant =
            Grant { remove: self.policy.upstream.forged(head, self.own_lengths), ..Grant::default() };
        if self.policy.mode == Mode::Shadow {
            return grant;
        }
        let mut target = None;
        let keeps_proof = self.policy.dpop.as_ref().is_none_or(|dpop| dpop.forward);
        if !(keeps_proof && self.policy.token.forward)
            && self.policy.dpop.is_some()
            && head.all("dpop").next().is_some()
        {
            grant.remove.push("dpop".to_owned());
        }
        if let Some(rest) = self.policy.token.websocket.as_ref().and_then(|marker| marker.strip(head)) {
            grant.remove.push(websocket::FIELD.to_owned());
            if !rest.protocols.is_empty() {
                grant.set.push((websocket::FIELD.to_owned(), rest.protocols));
            }
            grant.websocket_protocol = rest.marker;
        }
        if !self.policy.token.forward {
            // Where another rule's parameters differ, nothing with one of them passes.
            let stripped = extract::strip(head, &self.policy.token, self.extra_params(request));
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

    fn rule_of(&self, request: &Request) -> Option<&Rule> {
        self.policy.rules.get(request.ruling.rule?)
    }

    fn extra_params(&self, request: &Request) -> &[String] {
        self.extra_params_at(request.ruling.rule)
    }

    fn extra_params_at(&self, rule: Option<usize>) -> &[String] {
        let rule = rule.and_then(|at| self.policy.rules.get(at));
        rule.map(|rule| rule.from_params.as_slice()).unwrap_or_default()
    }

    /// What a challenge says of the resource.
    fn advertised(&self, request: &Request) -> Advertised<'_> {
        let resource = request.resource.to.and_then(|id| self.policy.resources.at(id));
        let requirement = self.requirement_of(request);
        let is_mcp = resource.is_some_and(|resource| resource.is_mcp);
        Advertised {
            metadata_uri: resource.map(|resource| resource.metadata_uri.as_str()),
            scope: is_mcp.then(|| requirement.scopes.challenge()),
            dpop: self.policy.dpop.as_ref().map(|dpop| dpop.algorithms.to_string()),
            only_dpop: requirement.sender_constraint == SenderConstraint::Dpop,
        }
    }

    fn requirement_of(&self, request: &Request) -> &Requirement {
        self.requirement_at(request.ruling.rule)
    }

    fn requirement_at(&self, rule: Option<usize>) -> &Requirement {
        let rule = rule.and_then(|at| self.policy.rules.get(at));
        rule.and_then(|rule| rule.requires.as_ref()).unwrap_or(&self.policy.requires)
    }
}

impl Outcome {
    /// The rule that the request matched, if any.
    pub fn rule<'a>(&self, enforcer: &'a Enforcer) -> Option<&'a Rule> {
        enforcer.rule_of(&self.request)
    }

    /// What the client is told; `None` if it is not refused.
    pub fn answer(&self, enforcer: &Enforcer) -> Option<Answer> {
        let head = self.request.head();
        match &self.decision {
            Decision::Allow(_) => None,
            Decision::Describe(_) => Some(self.resource(enforcer)?.answer(head.method())),
            Decision::Deny(rejection) => {
                let resource = enforcer.advertised(&self.request);
                Some(enforcer.policy.responses.answer(rejection, &resource, head))
            }
        }
    }

    /// Writes down what access logs and later filters are told.
    pub(crate) fn take_notes(&mut self, enforcer: &Enforcer) {
        let verdict = self.decision.verdict().name();
        match &self.decision {
            Decision::Allow(_) if enforcer.policy.upstream.filter_state => {
                self.notes.push(("tollgate.verdict", verdict.into()));
                let told = self.grant.identity.iter().flat_map(|identity| &identity.state);
                self.notes.extend(told.map(|(name, text)| (*name, Cow::Owned(text.clone()))));
            }
            Decision::Allow(_) => {}
            Decision::Describe(_) => self.notes.push(("tollgate.verdict", verdict.into())),
            Decision::Deny(rejection) => {
                self.notes.push(("tollgate.verdict", verdict.into()));
                self.notes.push(("tollgate.reason", rejection.to_string().into()));
            }
        }
    }

    /// The protected resource that the request is for, or asks about.
    pub fn resource<'a>(&self, enforcer: &'a Enforcer) -> Option<&'a Resource> {
        enforcer.policy.resources.at(self.request.resource.to?)
    }
}

impl AwaitingForm {
    /// How many bytes of the body are looked at.
    pub fn max_bytes(enforcer: &Enforcer) -> usize {
        enforcer.policy.token.max_form_bytes
    }

    /// Goes on with the whole body.
    pub fn body(self, enforcer: &mut Enforcer, body: &[u8], now: UnixTime) -> Step {
        let Self { request, found } = self;
        if body.len() > enforcer.policy.token.max_form_bytes {
            return enforcer.deny(request, Rejection::FormTooLarge);
        }
        if enforcer.rule_of(&request).is_some_and(|rule| rule.access == Access::Anonymous) {
            return enforcer.pass(request, Some(body));
        }
        let places = &enforcer.policy.token;
        let extra_params = enforcer.extra_params(&request);
        let second = found.is_some() || extract::has_second_method(request.head(), places, extra_params);
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

impl Request {
    fn new(stream: StreamId, head: Head) -> Self {
        Self { stream, head, ruling: Ruling::default(), normal: None, resource: Belonging::default() }
    }

    fn head(&self) -> RequestHead<'_> {
        self.head.view()
    }
}

fn done(
    decision: Decision,
    grant: Grant,
    source: Source,
    refresh: Option<Box<Question>>,
    request: Request,
) -> Step {
    Step::Done(Box::new(Outcome { decision, grant, source, refresh, notes: Vec::new(), request }))
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

/// The longest path that rules are matched with, in bytes, without its query: the time of all of them grows with
/// it, and the request has shown no token yet.
const MAX_PATH: usize = 8192;
