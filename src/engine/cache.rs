//! What authorization servers have said, kept for a while ([RFC 7662 §4]).
//!
//! An entry holds an answer, never a verdict: whoever finds one still looks at times, scopes, clients
//! and claims. There are two levels. [`local`] is a worker's own, a lookup in memory. [`shared`] lies
//! in the host's shared data, where all workers of a proxy find it, in a fixed number of slots.
//!
//! A token is known by a hash of itself and of whom it was shown to ([`namespace`], [`crate::token::key`]); it is stored nowhere.
//!
//! Four things end an entry: its time, a key that has gone ([`Cache::keys_changed`]), a clock that was set back
//! ([`Cache::clear`]), and another configuration, which begins with an empty cache of its own.
//!
//! [RFC 7662 §4]: https://www.rfc-editor.org/rfc/rfc7662#section-4

pub mod entry;
pub mod local;
pub mod namespace;
pub mod shared;

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
use crate::cache::shared::{Claim, Ending, Shared};
use crate::jose::key_set::KeySet;
use crate::policy::cache_times::CacheTimes;
use crate::provider::introspection::reply::Introspection;
use crate::token::key::{TokenDigest, TokenKey};

/// What is remembered of what providers have said.
#[derive(Debug)]
pub struct Cache {
    times: CacheTimes,
    /// Keys the hashes by which this worker knows tokens.
    seed: [u64; 2],
    local: Local,
    shared: Shared,
    /// By provider; empty where the workers share nothing.
    namespaces: Vec<Namespace>,
}

/// What the workers together know of a token.
#[derive(Debug)]
pub enum Recalled {
    /// Something, and it is remembered here from now on; here it is if it is fresh.
    Known(Option<Rc<Entry>>),
    /// Nothing.
    Nothing,
}

impl Cache {
    /// An empty one. `seed` is random and known to nobody.
    pub fn new(times: &CacheTimes, seed: [u64; 2]) -> Self {
        Self {
            times: times.clone(),
            seed,
            local: Local::new(times),
            shared: Shared::new(times),
            namespaces: Vec::new(),
        }
    }

    /// From now on the workers share what they know, each provider's tokens in its own namespace.
    pub fn share(&mut self, namespaces: Vec<Namespace>) {
        if self.times.is_shared() {
            self.namespaces = namespaces;
        }
    }

    /// How this worker knows a token of that provider.
    pub fn key(&self, provider: ProviderId, token: &Secret) -> TokenKey {
        TokenKey::new(self.seed, provider, token)
    }

    /// What is remembered of a token, of whatever age.
    pub fn get(&mut self, key: TokenKey) -> Option<Rc<Entry>> {
        self.local.get(key).cloned()
    }

    /// Remembers what a provider has said about a token when it was asked at `asked`.
    pub fn learn(&mut self, key: TokenKey, said: Introspection, asked: UnixTime) -> Rc<Entry> {
        let before = self.local.get(key).map(Rc::as_ref);
        let spread = key.spread() ^ asked.as_millis();
        let entry = Rc::new(Entry::new(said, asked, &self.times, spread, before));
        self.local.put(key, &entry);
        entry
    }

    /// How a token is known to all workers that have these keys of its provider; `None` if they share
    /// nothing. What a key has verified that has gone from the set is found by nobody (JWT-47).
    pub fn digest(&self, provider: ProviderId, keys: &[u8; 32], token: &Secret) -> Option<TokenDigest> {
        self.namespaces.get(provider.0).map(|namespace| namespace.digest(keys, token))
    }

    /// What any worker has found out about a token since `after`. This one remembers it, if that is news.
    pub fn recall(
        &mut self,
        store: &dyn Store,
        key: TokenKey,
        digest: &TokenDigest,
        now: Moment,
        after: Option<UnixTime>,
    ) -> Recalled {
        match self.shared.recall(store, digest, key.provider, now, after) {
            shared::Recalled::Nothing => Recalled::Nothing,
            shared::Recalled::Answer(said, asked) => Recalled::Known(self.adopt(key, said, asked, now.wall)),
        }
    }

    /// Whether another worker has asked since this one has looked at the clock.
    pub fn is_ahead(&self, store: &dyn Store, digest: &TokenDigest, now: Moment) -> bool {
        self.shared.is_ahead(store, digest, now)
    }

    /// Tells the other workers. `false`: it stays here.
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

    /// Announces a call to the other workers, unless one of them has ([`Shared::claim`]).
    pub fn claim(
        &self,
        store: &dyn Store,
        digest: &TokenDigest,
        now: Moment,
        patience: Duration,
        since: Steady,
    ) -> Claim {
        self.shared.claim(store, digest, now, patience, since)
    }

    /// Takes the announcement back.
    pub fn release(&self, store: &dyn Store, digest: &TokenDigest, now: Moment, ending: Ending<'_>) {
        self.shared.release(store, digest, now, ending);
    }

    /// A provider has other keys. If one has gone, everything is forgotten that it may have verified (JWT-47, JWT-51); if
    /// any is new, whatever no key has verified before. What the workers share is found by these keys alone.
    pub fn keys_changed(&mut self, provider: ProviderId, before: &KeySet, after: &KeySet) {
        if !before.is_part_of(after) {
            self.local.forget_provider(provider);
        } else if !after.is_part_of(before) {
            self.local.forget_refused(provider);
        }
    }

    /// Forgets everything: nobody knows any more how old it is. What the workers share carries both clocks, and is
    /// looked at with both.
    pub fn clear(&mut self) {
        self.local.clear();
    }

    /// Remembers what another worker has found out, if that is news, and hands it over if it is fresh.
    pub fn adopt(
        &mut self,
        key: TokenKey,
        said: Introspection,
        asked: UnixTime,
        now: UnixTime,
    ) -> Option<Rc<Entry>> {
        let spread = key.spread() ^ asked.as_millis();
        let entry = Rc::new(Entry::new(said, asked, &self.times, spread, None));
        if self.local.get(key).is_none_or(|known| known.asked() < asked) {
            self.local.put(key, &entry);
        }
        (entry.age(now) == Age::Fresh).then_some(entry)
    }
}
