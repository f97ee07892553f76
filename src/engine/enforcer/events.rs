//! Events that are pushed to us: verified, made known to all workers, and acknowledged.

use crate::base::hash::sha256;
use crate::base::ids::ProviderId;
use crate::base::moment::{Moment, Now};
use crate::base::time::UnixTime;
use crate::cache::entry::Entry;
use crate::decision::receipt::{EventFault, EventKind, Receipt, Taken};
use crate::decision::trace::Trace;
use crate::decision::{Decision, Grant, Rejection};
use crate::enforcer::outcome::Source;
use crate::enforcer::{Enforcer, Request, Step, done};
use crate::provider::keys::KeyNews;
use crate::request::path::split_query;
use crate::revocation::endpoint::may_be_read_otherwise;
use crate::revocation::event::{self, Event, Failure};
use crate::token::access_token::AccessToken;

/// A pushed event, whose body has not been read.
#[derive(Debug)]
pub(crate) struct Incoming {
    request: Request,
    endpoint: usize,
    kind: EventKind,
    provider: ProviderId,
}

/// How many signatures of events are checked: invalid events must not take a worker's time.
#[derive(Debug, Default)]
pub(super) struct Budget {
    second: u64,
    /// By the kind of event: a transmitter that authenticates itself is not kept out by those who need not.
    spent: [u32; 2],
    /// In which second an event that revokes nothing was last logged.
    logged: u64,
}

/// How many of a kind in a second.
const CHECKS: u32 = 250;

impl<T: Trace> Enforcer<T> {
    /// The endpoint of events that a request is for, by number. A path that only some read as an endpoint's is rejected.
    #[inline(never)]
    pub(super) fn event_endpoint(&self, request: &Request) -> Result<Option<usize>, Rejection> {
        let (path, _) = split_query(request.head().path());
        let at = std::str::from_utf8(path).ok().and_then(|path| self.policy.revocation.at(path));
        if at.is_some() || !may_be_read_otherwise(path) {
            return Ok(at);
        }
        // What cannot be read at all is no endpoint's.
        let Ok(normal) = self.normal_path(path) else { return Ok(None) };
        let mut endpoints = normal.readings().map(|reading| self.policy.revocation.at(reading));
        let first = endpoints.next().flatten();
        if endpoints.all(|at| at == first) { Ok(first) } else { Err(Rejection::AmbiguousPath) }
    }

    /// Takes the head of a request for that endpoint.
    #[inline(never)]
    pub(super) fn begin_event(&self, mut request: Request, endpoint: usize) -> Step {
        let Some(one) = self.policy.revocation.events.get(endpoint) else {
            return received(request, Receipt::Unavailable);
        };
        request.provider = Some(one.provider);
        match one.admit(request.head()) {
            Ok(kind) => {
                Step::ReadEvent(Box::new(Incoming { request, endpoint, kind, provider: one.provider }))
            }
            Err(receipt) => received(request, receipt),
        }
    }

    /// Reads which events other workers have received, and drops the entries that they end. Whether there are new ones.
    pub(crate) fn catch_up(&mut self, now: Moment) -> bool {
        self.cache.catch_up(self.store.as_ref(), now)
    }

    /// Whether events are received.
    pub(crate) fn receives_events(&self) -> bool {
        self.cache.is_followed()
    }

    /// Whether a response counts no more because of an event.
    pub(crate) fn is_ended(&self, provider: ProviderId, entry: &Entry, now: &Now<'_>) -> bool {
        self.cache.is_followed() && self.cache.is_ended(provider, entry, now.moment())
    }

    /// Whether an event has revoked a token that is verified here alone.
    pub(super) fn is_revoked(&self, provider: ProviderId, token: &AccessToken, now: UnixTime) -> bool {
        self.cache.is_followed() && self.cache.is_revoked(provider, token, now)
    }

    /// Makes an event known to all workers.
    #[inline(never)]
    pub(super) fn announce(&mut self, provider: ProviderId, event: &Event, now: Moment) -> Option<Taken> {
        // Another worker may have received it before.
        self.catch_up(now);
        let store = self.store.as_ref();
        let taken = self.cache.revocations(provider).and_then(|one| one.announce(store, event, now));
        if taken == Some(Taken::Applied) {
            self.catch_up(now);
        }
        // Whoever can send an event can send it again, and must not fill the log with it.
        let (is_loud, what) = match taken {
            Some(Taken::Applied) => (true, "applied"),
            Some(Taken::Repeated) => (false, "known already"),
            Some(Taken::Ignored) => (self.budget.logs(now.wall), "nothing to revoke"),
            None => (self.budget.logs(now.wall), "not kept"),
        };
        let level = if is_loud { log::Level::Info } else { log::Level::Debug };
        let [a, b, c, d, ..] = sha256(&[event.id.as_bytes()]);
        let name = self.provider(provider).map(|one| one.name.as_str()).unwrap_or_default();
        log::log!(level, "tollgate: event of {name}: {} {a:02x}{b:02x}{c:02x}{d:02x}: {what}", event.name);
        taken
    }
}

impl Incoming {
    /// Whose event it is.
    pub(crate) fn provider(&self) -> ProviderId {
        self.provider
    }

    /// Takes the whole body. `Err`: no key that is there has signed it, and other ones might have. `keys` is what has
    /// come of the wish for those.
    #[inline(never)]
    pub(crate) fn body<T: Trace>(
        self: Box<Self>,
        enforcer: &mut Enforcer<T>,
        body: &[u8],
        keys: Option<KeyNews>,
        now: &Now<'_>,
    ) -> Result<Step, Box<Self>> {
        let receipt = match (self.read(enforcer, body, now), keys) {
            (Ok(event), _) => {
                let taken = enforcer.announce(self.provider, &event, now.moment());
                taken.map_or(Receipt::Unavailable, |taken| Receipt::Taken(self.kind, taken))
            }
            (Err(Failure::Fault(fault)), _) => Receipt::Refused(self.kind, fault),
            (Err(Failure::NoKeys), Some(KeyNews::Fresh)) => Receipt::Refused(self.kind, EventFault::Key),
            (Err(Failure::NoKeys), _) if enforcer.key_uri(self.provider).is_none() => {
                Receipt::Refused(self.kind, EventFault::Key)
            }
            (Err(Failure::NoKeys), None) => return Err(self),
            (Err(Failure::NoKeys | Failure::Busy), _) => Receipt::Unavailable,
        };
        Ok(received(self.request, receipt))
    }

    /// Gives up: it has not arrived, or cannot be verified now.
    pub(crate) fn give_up(self, receipt: Receipt) -> Step {
        received(self.request, receipt)
    }

    fn read<T: Trace>(
        &self,
        enforcer: &mut Enforcer<T>,
        body: &[u8],
        now: &Now<'_>,
    ) -> Result<Event, Failure> {
        let budget = &mut enforcer.budget;
        let endpoint = enforcer.policy.revocation.events.get(self.endpoint);
        let provider = enforcer.policy.providers.get(self.provider.0);
        let (Some(endpoint), Some(provider), Some(keys)) =
            (endpoint, provider, enforcer.keys.get(self.provider.0))
        else {
            return Err(Failure::Busy);
        };
        let source = event::Source { endpoint, provider, keys, verifier: enforcer.verifier };
        event::read(self.kind, body, source, now.wall(), &mut || budget.admits(self.kind, now.wall()))
    }
}

impl Budget {
    fn admits(&mut self, kind: EventKind, now: UnixTime) -> bool {
        if self.second != now.as_secs() {
            (self.second, self.spent) = (now.as_secs(), [0; 2]);
        }
        let Some(spent) = self.spent.get_mut(kind as usize) else { return false };
        *spent = spent.saturating_add(1);
        *spent <= CHECKS
    }

    /// Whether this is the second's first event that revokes nothing.
    fn logs(&mut self, now: UnixTime) -> bool {
        std::mem::replace(&mut self.logged, now.as_secs()) != now.as_secs()
    }
}

fn received(request: Request, receipt: Receipt) -> Step {
    done(Decision::Receive(receipt), Grant::default(), Source::Nowhere, None, request)
}
