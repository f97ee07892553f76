//! The policy engine: a request head goes in, a `Step` comes out.
//!
//! Nothing here performs I/O or reads a clock. A `Step::Introspect` says what has to be found out and returns
//! a `Pending`. The worker then makes a `Flight`, or waits for one that is in progress, and passes the
//! result to `Pending::resume`. This consumes the `Pending`, so that a result is used only once.

mod begin;
mod clean;
mod cold;
pub(crate) mod events;
mod judge;
pub(crate) mod lasting;
mod memory;
mod news;
pub mod outcome;
mod pending;
pub mod ports;
mod status;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::ids::{ProviderId, StatusId, StreamId};
use crate::base::random::Nonces;
use crate::base::secret::Secret;
use crate::base::store::Store;
use crate::base::store::common::Common;
use crate::base::time::UnixTime;
use crate::cache::Cache;
use crate::cache::entry::Entry;
use crate::cache::namespace::Namespace;
use crate::decision::trace::{Check, Jwt, Trace};
use crate::decision::{Decision, Grant, Rejection, Verdict};
use crate::enforcer::events::{Budget, Incoming};
use crate::enforcer::outcome::{Outcome, Source};
use crate::enforcer::ports::Ports;
use crate::jose::verifier::Verifier;
use crate::policy::Policy;
use crate::policy::log::LogField;
use crate::policy::requirement::Requirement;
use crate::policy::resource::{Belonging, Resource};
use crate::policy::rule::{Rule, Ruling};
use crate::proof::dpop::{Proof, Proofs};
use crate::provider::client_list::LiveList;
use crate::provider::fetch::Document;
use crate::provider::flight::Question;
use crate::provider::keys::{KeyNews, LiveKeys};
use crate::provider::status_list::LiveStatusList;
use crate::provider::{Provider, jwt};
use crate::request::connection::{Connection, Peer};
use crate::request::extract::Found;
use crate::request::head::{Head, RequestHead};
use crate::request::path::NormalPath;
use crate::revocation::revocations::Revocations;
use crate::token::access_token::AccessToken;
use crate::token::key::{TokenDigest, TokenKey};

/// The engine: one per configuration and worker.
#[derive(Debug)]
pub(crate) struct Enforcer<T> {
    policy: Policy,
    matches_paths: bool,
    /// The lengths that names of identity fields have.
    own_lengths: u128,
    nonces: Nonces,
    /// The key of fingerprints of tokens, if logs are to show them.
    fingerprints: Option<[u64; 2]>,
    /// What checking proofs of possession needs, if they are understood.
    proofs: Option<Proofs>,
    /// What the workers share.
    store: Box<dyn Store>,
    cache: Cache,
    /// The client lists that are fetched, as far as they have arrived.
    lists: Vec<LiveList>,
    /// The providers' keys, as far as they have arrived.
    keys: Vec<LiveKeys>,
    /// The places for the status lists of all providers.
    statuses: Vec<(StatusId, LiveStatusList)>,
    /// When it was last said that there are more lists than places.
    crowded: UnixTime,
    /// How many signatures of events may be checked.
    budget: Budget,
    /// What verifies signatures.
    verifier: &'static dyn Verifier,
    /// Who knows the connections of requests.
    peer: &'static dyn Peer,
    /// Receives the checks.
    trace: T,
}

/// What has been found out about a token: an entry, cached or not, or the reason why there is no entry.
pub(crate) type Finding = Result<Rc<Entry>, Rejection>;

/// What the driver must do next.
#[derive(Debug)]
#[must_use]
pub(crate) enum Step {
    /// The request is settled.
    Done(Box<Outcome>),
    /// Find out what the authorization server says, then call [`Pending::resume`].
    Introspect(Box<Question>, Box<Pending>),
    /// Have this document fetched anew, then call [`Pending::resume_with`].
    Fetch(Document, Box<Pending>),
    /// Collect the request's body, then call [`AwaitingForm::body`].
    ReadForm(Box<AwaitingForm>),
    /// Collect the body of a pushed event, then call [`Incoming::body`].
    ReadEvent(Box<Incoming>),
}

/// A request that waits for the authorization server.
#[derive(Debug)]
pub(crate) struct Pending {
    request: Request,
    found: Found,
    body: Option<Vec<u8>>,
    /// Providers to call if this one does not know the token.
    next_providers: VecDeque<ProviderId>,
    /// What is introspected.
    asked: Option<TokenKey>,
    /// The first provider without a verdict and its error, while others are still to be called.
    undecided: Option<(Option<ProviderId>, Rejection)>,
    /// The proof that the client has the token's key, if it sent one.
    proof: Option<Box<Proof>>,
    /// What has come of its wish for other keys.
    keys: Option<KeyNews>,
    /// Whether it has waited for its status list.
    has_waited_for_status: bool,
    /// Only a response that was asked for after this moment lets it pass; `None`: any response.
    after: Option<UnixTime>,
    /// Whether what it waits for is a call that was made on its account, or after it had come.
    is_asked_for: bool,
    /// How often a response about it has come too late for an event.
    overtaken: u8,
}

/// A request that waits for its own body.
#[derive(Debug)]
pub(crate) struct AwaitingForm {
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
    /// The provider that recognizes its token, or that was asked last.
    provider: Option<ProviderId>,
    /// What logs are to show of its token.
    told: Option<Box<Told>>,
    /// Whether it has been let through before: what its client has proved then is not asked again.
    is_again: bool,
}

/// What logs are to show of a token.
#[derive(Clone, Debug, Default)]
struct Told {
    /// What distinguishes it from others.
    fingerprint: Option<TokenKey>,
    /// What its provider has said, if it is active.
    entry: Option<Rc<Entry>>,
    /// The tier of its client.
    tier: Option<String>,
}

impl<T: Trace> Enforcer<T> {
    /// An engine for this policy.
    #[inline(never)]
    pub(crate) fn new(mut policy: Policy, ports: Ports<T>) -> Self {
        let Ports { seed, owner, verifier, signer, peer, store, trace } = ports;
        if let Some(signer) = signer {
            policy.sign_with(signer);
        }
        let nonces = Nonces::new(seed);
        let (cache, proofs) = shared(&policy, store.as_ref(), seed, &owner, &nonces);
        Self {
            own_lengths: policy.upstream.lengths(),
            matches_paths: policy.rules.iter().any(|rule| rule.matcher.path.is_some())
                || policy.resources.match_paths(),
            fingerprints: fingerprint_key(&policy, store.as_ref(), &nonces),
            nonces,
            proofs,
            store,
            cache,
            lists: vec![LiveList::default(); policy.lists.len()],
            keys: policy.providers.iter().map(|one| LiveKeys::new(one.keys.as_ref())).collect(),
            statuses: status::places(&policy),
            crowded: UnixTime::from_secs(0),
            budget: Budget::default(),
            verifier,
            peer,
            trace,
            policy,
        }
    }

    /// The policy.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The provider of that number.
    pub(crate) fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.policy.providers.get(id.0)
    }

    /// Whether a request header or trailer of this name is ours alone to set.
    pub(crate) fn owns_field(&self, name: &[u8]) -> bool {
        self.policy.upstream.owns(name)
    }

    /// What its calls need to be unguessable.
    pub(crate) fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    /// Verifies a token that this provider has signed, or should have, by the keys that are there.
    fn verify(&self, id: ProviderId, token: &Secret, now: UnixTime) -> Result<AccessToken, Rejection> {
        let Some(provider) = self.provider(id) else { return Err(Rejection::NoProvider) };
        let Some(keys) = self.keys.get(id.0) else { return Err(Rejection::NoProvider) };
        jwt::verify((id, provider), keys, token.expose(), self.verifier, now, &self.trace)
    }

    /// A JWT, as the trace sees it.
    fn as_jwt<'a>(&'a self, id: ProviderId, token: &'a Secret) -> Check<'a> {
        let provider = self.provider(id).map(|provider| provider.name.as_str()).unwrap_or_default();
        let keys = self.keys.get(id.0).map_or(0, LiveKeys::number);
        Check::Jwt(Jwt { provider, token: token.expose(), keys })
    }

    fn pass(&self, request: Request, body: Option<&[u8]>) -> Step {
        let grant = self.clean(&request, body);
        done(Decision::Allow(Verdict::Anonymous), grant, Source::Nowhere, None, request)
    }

    /// Denies a request because this check has failed.
    fn fail<'a>(&self, request: Request, check: impl FnOnce() -> Check<'a>, rejection: Rejection) -> Step {
        self.trace.made(check, Some(&rejection));
        self.deny_by(request, rejection, Source::Nowhere)
    }

    /// Denies a request because of a check that has been reported.
    fn deny_by(&self, request: Request, rejection: Rejection, source: Source) -> Step {
        let grant = self.clean(&request, None);
        done(Decision::Deny(rejection), grant, source, None, request)
    }

    fn connection(&self, request: &Request) -> Connection<'_> {
        Connection::new(self.peer, request.stream)
    }
}

/// What the workers share: the cache, and what checking proofs of possession needs.
#[inline(never)]
fn shared(
    policy: &Policy,
    store: &dyn Store,
    seed: [u64; 2],
    owner: &[u8],
    nonces: &Nonces,
) -> (Cache, Option<Proofs>) {
    let mut cache = Cache::new(&policy.cache, seed);
    let receives_events = !policy.revocation.events.is_empty();
    if policy.dpop.is_none() && !policy.cache.is_shared() && !receives_events {
        return (cache, None);
    }
    let common = Common::of(store, nonces);
    let proofs = policy.dpop.as_ref().map(|dpop| Proofs::new(dpop, owner, common.as_ref()));
    let namespace = |provider| {
        let namespace = Namespace::new(owner, provider);
        common.as_ref().map_or(namespace, |common| namespace.within(common))
    };
    cache.share(policy.providers.iter().map(namespace).collect());
    if receives_events {
        cache.follow(store, revocations(policy, owner, common.as_ref()));
    }
    (cache, proofs)
}

/// The key of fingerprints of tokens, if logs are to show them: one for all workers.
#[inline(never)]
fn fingerprint_key(policy: &Policy, store: &dyn Store, nonces: &Nonces) -> Option<[u64; 2]> {
    let common = policy.log.contains(&LogField::Fingerprint).then(|| Common::of(store, nonces))?;
    let key = common.map_or_else(|| nonces.block(), |common| common.key("token fingerprint", &[]));
    let key = TokenDigest::new(key);
    Some([key.word(0), key.word(1)])
}

/// What is known to be revoked of each provider's tokens, as far as its issuer sends events.
#[inline(never)]
fn revocations(policy: &Policy, owner: &[u8], common: Option<&Common>) -> Vec<Option<Revocations>> {
    let issuer = |id: ProviderId| policy.providers.get(id.0)?.tokens.issuer.as_ref();
    let issuers: Vec<_> = policy.revocation.events.iter().filter_map(|one| issuer(one.provider)).collect();
    let one = |provider: &Provider| {
        let common =
            common.filter(|_| provider.tokens.issuer.as_ref().is_some_and(|own| issuers.contains(&own)))?;
        let cached = policy.cache.longest().saturating_add(provider.patience());
        Some(Revocations::new(common, owner, provider, policy.revocation.remember.max(cached)))
    };
    policy.providers.iter().map(one).collect()
}

impl Request {
    fn new(stream: StreamId, head: Head) -> Self {
        Self {
            stream,
            head,
            ruling: Ruling::default(),
            normal: None,
            resource: Belonging::default(),
            provider: None,
            told: None,
            is_again: false,
        }
    }

    fn head(&self) -> RequestHead<'_> {
        self.head.view()
    }

    /// The rule that it matches, if any.
    fn rule<'a>(&self, policy: &'a Policy) -> Option<&'a Rule> {
        policy.rules.get(self.ruling.rule?)
    }

    /// What is required of its token.
    fn requirement<'a>(&self, policy: &'a Policy) -> &'a Requirement {
        policy.requirement_at(self.ruling.rule)
    }

    /// The protected resource that it is for, or asks about.
    fn resource<'a>(&self, policy: &'a Policy) -> Option<&'a Resource> {
        policy.resources.at(self.resource.to?)
    }
}

fn done(
    decision: Decision,
    grant: Grant,
    source: Source,
    refresh: Option<Box<Question>>,
    request: Request,
) -> Step {
    let lasting = None;
    Step::Done(Box::new(Outcome { decision, grant, source, refresh, notes: Vec::new(), request, lasting }))
}
