//! The responses of authorization servers, cached for a while ([RFC 7662 §4]).
//!
//! An entry holds a response, never a verdict: times, scopes, clients and claims are checked again for every
//! request. There are two levels. [`local`] belongs to one worker and is a lookup in memory. [`shared`] is in
//! the host's shared data, in a fixed number of slots, for all workers of a proxy.
//!
//! An entry is found by a hash of the token and of the provider it was sent to ([`namespace`],
//! [`crate::token::key`]). The token itself is not stored.
//!
//! Five things end an entry: its time, an event that revokes it ([`Cache::catch_up`]), a withdrawn key
//! ([`Cache::keys_changed`]), a clock that was set ([`Cache::clear`]), and another configuration, which begins with an
//! empty cache.
//!
//! [RFC 7662 §4]: https://www.rfc-editor.org/rfc/rfc7662#section-4

pub mod entry;
pub mod local;
pub mod namespace;
pub mod shared;

use std::cmp::Ordering;
use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::moment::{Moment, Steady};
use crate::base::secret::Secret;
use crate::base::store::Store;
use crate::base::time::UnixTime;
use crate::cache::entry::{Age, Entry};
use crate::cache::local::Local;
use crate::cache::namespace::Namespace;
use crate::cache::shared::{Claim, Ending, Place, Shared};
use crate::jose::key_set::KeySet;
use crate::policy::cache_times::CacheTimes;
use crate::provider::introspection::reply::Introspection;
use crate::revocation::revocations::Revocations;
use crate::token::access_token::AccessToken;
use crate::token::key::{TokenDigest, TokenKey};

/// The cached responses of all providers.
#[derive(Debug)]
pub struct Cache {
    times: CacheTimes,
    /// Keys the hashes by which this worker knows tokens.
    seed: [u64; 2],
    local: Local,
    shared: Shared,
    /// By provider; empty where the workers share nothing.
    namespaces: Vec<Namespace>,
    /// What is revoked, by provider; empty where no events are received.
    revocations: Vec<Option<Revocations>>,
}

/// What the workers together know of a token.
#[derive(Debug)]
pub enum Recalled {
    /// A response, which this worker now caches as well. The entry, if it is fresh.
    Known(Option<Rc<Entry>>),
    /// Nothing.
    Nothing,
}

impl Cache {
    /// An empty cache. `seed` is random and secret.
    pub fn new(times: &CacheTimes, seed: [u64; 2]) -> Self {
        Self {
            times: times.clone(),
            seed,
            local: Local::new(times),
            shared: Shared::new(times),
            namespaces: Vec::new(),
            revocations: Vec::new(),
        }
    }

    /// From now on the workers share what they know, each provider's tokens in its own namespace.
    pub fn share(&mut self, namespaces: Vec<Namespace>) {
        if self.times.is_shared() {
            self.namespaces = namespaces;
        }
    }

    /// From now on what is revoked counts no more. What is revoked already is read at once.
    pub fn follow(&mut self, store: &dyn Store, revocations: Vec<Option<Revocations>>) {
        self.revocations = revocations;
        for one in self.revocations.iter_mut().flatten() {
            one.catch_up(store);
        }
    }

    /// What is revoked of a provider's tokens, if it can be.
    pub fn revocations(&mut self, provider: ProviderId) -> Option<&mut Revocations> {
        self.revocations.get_mut(provider.0)?.as_mut()
    }

    /// Whether events are received at all.
    pub fn is_followed(&self) -> bool {
        !self.revocations.is_empty()
    }

    /// Reads which events any worker has received, and drops the entries that they end. Whether there are new ones.
    #[inline(never)]
    pub fn catch_up(&mut self, store: &dyn Store, now: Moment) -> bool {
        let mut has_news = false;
        for (at, one) in self.revocations.iter_mut().enumerate() {
            let Some(one) = one.as_mut() else { continue };
            if one.catch_up(store) {
                has_news = true;
                let is_ended = |key: &TokenKey, entry: &Rc<Entry>| {
                    key.provider == ProviderId(at) && is_ended(one, entry, now)
                };
                self.local.retain(&|key, entry| !is_ended(key, entry));
            }
            one.tidy(now.steady);
        }
        has_news
    }

    /// Whether an entry, cached or not, counts no more because of an event.
    #[inline(never)]
    pub fn is_ended(&self, provider: ProviderId, entry: &Entry, now: Moment) -> bool {
        let revocations = self.revocations.get(provider.0).and_then(Option::as_ref);
        revocations.is_some_and(|one| is_ended(one, entry, now))
    }

    /// Whether an event has revoked a token that is verified here alone.
    #[inline(never)]
    pub fn is_revoked(&self, provider: ProviderId, token: &AccessToken, now: UnixTime) -> bool {
        let revocations = self.revocations.get(provider.0).and_then(Option::as_ref);
        revocations.is_some_and(|one| one.revokes(token, &one.marks(token), now))
    }

    /// Drops the entry of one token.
    pub fn remove(&mut self, key: TokenKey) {
        self.local.remove(key);
    }

    /// An entry as it is found when something is revoked.
    fn entry(&self, key: TokenKey, said: Introspection, asked: UnixTime, before: Option<&Entry>) -> Entry {
        let spread = key.spread() ^ asked.as_millis();
        let revocations = self.revocations.get(key.provider.0).and_then(Option::as_ref);
        let marks = match (&said, revocations) {
            (Introspection::Active(token), Some(one)) => Some(Box::new(one.marks(token))),
            _ => None,
        };
        Entry::new(said, asked, &self.times, spread, before).marked(marks)
    }

    /// How this worker knows a token of that provider.
    pub fn key(&self, provider: ProviderId, token: &Secret) -> TokenKey {
        TokenKey::new(self.seed, provider, token)
    }

    /// The entry for a token, whatever its age.
    pub fn get(&mut self, key: TokenKey) -> Option<Rc<Entry>> {
        self.local.get(key).cloned()
    }

    /// Caches a provider's response about a token. `asked` is when the call was made.
    pub fn learn(&mut self, key: TokenKey, said: Introspection, asked: UnixTime) -> Rc<Entry> {
        let before = self.local.get(key).cloned();
        let entry = Rc::new(self.entry(key, said, asked, before.as_deref()));
        self.local.put(key, &entry);
        entry
    }

    /// The digest under which all workers that have these keys of its provider find a token; `None` if they
    /// share nothing. Entries that were verified with a withdrawn key are therefore never found (JWT-47).
    pub fn digest(&self, provider: ProviderId, keys: &[u8; 32], token: &Secret) -> Option<TokenDigest> {
        self.namespaces.get(provider.0).map(|namespace| namespace.digest(keys, token))
    }

    /// Looks at what the workers know of a token.
    pub fn look(&self, store: &dyn Store, digest: &TokenDigest) -> Place {
        self.shared.look(store, digest)
    }

    /// What any worker has learned about the token of that place since `after`. This worker caches it, if it is newer.
    pub fn recall(&mut self, place: &Place, key: TokenKey, now: Moment, after: Option<UnixTime>) -> Recalled {
        match place.answer(key.provider, now, after) {
            None => Recalled::Nothing,
            Some((said, asked)) => self.adopt(key, said, asked, now),
        }
    }

    /// Shares a response with the other workers. `false`: it is not shared.
    pub fn tell(
        &self,
        store: &dyn Store,
        digest: &TokenDigest,
        token: &Secret,
        entry: &Entry,
        asked: Steady,
    ) -> bool {
        self.shared.remember(store, digest, token, entry, asked)
    }

    /// Announces a call to the other workers, unless one of them has done so since this look ([`Shared::claim`]).
    pub fn claim(
        &self,
        store: &dyn Store,
        place: &Place,
        now: Steady,
        patience: Duration,
        since: Steady,
    ) -> Claim {
        self.shared.claim(store, place, now, patience, since)
    }

    /// Takes the announcement back.
    pub fn release(&self, store: &dyn Store, digest: &TokenDigest, now: Steady, ending: Ending<'_>) {
        self.shared.release(store, digest, now, ending);
    }

    /// A provider's keys have changed. If one is withdrawn, all entries that it may have verified are dropped
    /// (JWT-47, JWT-51). If one is new, all entries are dropped that no key could verify. Shared entries are
    /// found only with the same keys.
    pub fn keys_changed(&mut self, provider: ProviderId, before: &KeySet, after: &KeySet) {
        if !before.is_part_of(after) {
            self.local.forget_provider(provider);
        } else if !after.is_part_of(before) {
            self.local.forget_refused(provider);
        }
    }

    /// Drops every entry, because their ages are no longer known. Shared entries carry the times of both
    /// clocks, and are checked with both.
    pub fn clear(&mut self) {
        self.local.clear();
    }

    /// Caches what another worker has learned, if it is newer and not revoked, and returns it if it is fresh.
    pub fn adopt(&mut self, key: TokenKey, said: Introspection, asked: UnixTime, now: Moment) -> Recalled {
        let entry = Rc::new(self.entry(key, said, asked, None));
        if self.is_ended(key.provider, &entry, now) {
            return Recalled::Nothing;
        }
        match self.local.get(key).map(|known| known.asked().cmp(&asked)) {
            None | Some(Ordering::Less) => self.local.put(key, &entry),
            Some(Ordering::Equal) => {}
            // This worker knows better.
            Some(Ordering::Greater) => return Recalled::Known(None),
        }
        Recalled::Known((entry.age(now.wall) == Age::Fresh).then_some(entry))
    }
}

/// Whether an entry counts no more because of an event.
fn is_ended(revocations: &Revocations, entry: &Entry, now: Moment) -> bool {
    let (Introspection::Active(token), Some(marks)) = (entry.said(), entry.marks()) else { return false };
    if revocations.is_asked() {
        revocations.ends(marks, entry.asked(), now)
    } else {
        revocations.revokes(token, marks, now.wall)
    }
}
