//! The responses of authorization servers, cached for a while ([RFC 7662 §4]).
//!
//! An entry holds a response, never a verdict: times, scopes, clients and claims are checked again for every
//! request. There are two levels. [`local`] belongs to one worker and is a lookup in memory. [`shared`] is in
//! the host's shared data, in a fixed number of slots, for all workers of a proxy.
//!
//! An entry is found by a hash of the token and of the provider it was sent to ([`namespace`],
//! [`crate::token::key`]). The token itself is not stored.
//!
//! Four things end an entry: its time, a withdrawn key ([`Cache::keys_changed`]), a clock that was set
//! ([`Cache::clear`]), and another configuration, which begins with an empty cache.
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

    /// The entry for a token, whatever its age.
    pub fn get(&mut self, key: TokenKey) -> Option<Rc<Entry>> {
        self.local.get(key).cloned()
    }

    /// Caches a provider's response about a token. `asked` is when the call was made.
    pub fn learn(&mut self, key: TokenKey, said: Introspection, asked: UnixTime) -> Rc<Entry> {
        let before = self.local.get(key).map(Rc::as_ref);
        let spread = key.spread() ^ asked.as_millis();
        let entry = Rc::new(Entry::new(said, asked, &self.times, spread, before));
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
            Some((said, asked)) => Recalled::Known(self.adopt(key, said, asked, now.wall)),
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
        now: Moment,
        patience: Duration,
        since: Steady,
    ) -> Claim {
        self.shared.claim(store, place, now, patience, since)
    }

    /// Takes the announcement back.
    pub fn release(&self, store: &dyn Store, digest: &TokenDigest, now: Moment, ending: Ending<'_>) {
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

    /// Caches what another worker has learned, if it is newer, and returns it if it is fresh.
    pub fn adopt(
        &mut self,
        key: TokenKey,
        said: Introspection,
        asked: UnixTime,
        now: UnixTime,
    ) -> Option<Rc<Entry>> {
        let spread = key.spread() ^ asked.as_millis();
        let entry = Rc::new(Entry::new(said, asked, &self.times, spread, None));
        match self.local.get(key).map(|known| known.asked().cmp(&asked)) {
            None | Some(Ordering::Less) => self.local.put(key, &entry),
            Some(Ordering::Equal) => {}
            // This worker knows better.
            Some(Ordering::Greater) => return None,
        }
        (entry.age(now) == Age::Fresh).then_some(entry)
    }
}
