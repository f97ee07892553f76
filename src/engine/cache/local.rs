//! A worker's own level: two segments, one for tokens and one for garbage, each bounded.

use std::mem;
use std::rc::Rc;

use crate::base::ids::ProviderId;
use crate::base::table::Table;
use crate::cache::entry::Entry;
use crate::policy::cache_times::CacheTimes;
use crate::provider::introspection::reply::Introspection;
use crate::token::key::TokenKey;

/// The cache of one worker.
#[derive(Debug)]
pub struct Local {
    active: Segment,
    inactive: Segment,
}

impl Local {
    /// An empty one, bounded as the policy says.
    pub fn new(cache: &CacheTimes) -> Self {
        let on = cache.max_entries > 0;
        Self {
            active: Segment::new(cache.max_entries),
            inactive: Segment::new(if on { cache.negative_max_entries } else { 0 }),
        }
    }

    /// The entry of that token, whatever its age.
    #[inline]
    pub fn get(&mut self, key: TokenKey) -> Option<&Rc<Entry>> {
        self.active.get(key).or_else(|| self.inactive.get(key))
    }

    /// Adds an entry, if it has any time to live, in place of an earlier one for the token.
    pub fn put(&mut self, key: TokenKey, entry: &Rc<Entry>) {
        let (own, other) = match entry.said() {
            Introspection::Active(_) => (&mut self.active, &mut self.inactive),
            Introspection::Inactive | Introspection::Contradicts(_) => (&mut self.inactive, &mut self.active),
        };
        other.remove(key);
        if entry.is_worth_keeping() {
            own.put(key, Rc::clone(entry));
        } else {
            own.remove(key);
        }
    }

    /// Drops every entry.
    pub fn clear(&mut self) {
        self.active.clear();
        self.inactive.clear();
    }

    /// Drops the active entries that are not wanted.
    pub fn retain(&mut self, is_wanted: &dyn Fn(&TokenKey, &Rc<Entry>) -> bool) {
        self.active.retain(is_wanted);
    }

    /// Drops the entry of one token.
    pub fn remove(&mut self, key: TokenKey) {
        self.active.remove(key);
        self.inactive.remove(key);
    }

    /// Drops all entries of one provider.
    pub fn forget_provider(&mut self, provider: ProviderId) {
        self.active.forget(provider);
        self.inactive.forget(provider);
    }

    /// Drops the entries for invalid tokens of one provider.
    pub fn forget_refused(&mut self, provider: ProviderId) {
        self.inactive.forget(provider);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.active.len().saturating_add(self.inactive.len())
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A bounded map in two generations: what is used moves to the young one, and when that has its half of
/// the room, the old one is dropped and the young one becomes old. Constant time, and of what has been
/// used lately at least half the bound stays.
#[derive(Debug)]
struct Segment {
    max: usize,
    young: Table<TokenKey, Rc<Entry>>,
    old: Table<TokenKey, Rc<Entry>>,
}

impl Segment {
    fn new(max: usize) -> Self {
        Self { max, young: Table::default(), old: Table::default() }
    }

    #[inline]
    fn get(&mut self, key: TokenKey) -> Option<&Rc<Entry>> {
        if !self.young.contains(key) {
            let entry = self.old.remove(key)?;
            self.put(key, entry);
        }
        self.young.get(key)
    }

    fn put(&mut self, key: TokenKey, entry: Rc<Entry>) {
        if self.max == 0 {
            return;
        }
        self.old.remove(key);
        if self.young.len() >= self.max.div_ceil(2) && !self.young.contains(key) {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            if self.max == 1 {
                self.old.clear();
            }
        }
        self.young.insert(key, entry);
        // An odd bound leaves the young one the greater half; the old one may hold as many.
        if self.len() > self.max
            && let Some(some) = self.old.entries().first().map(|(key, _)| *key)
        {
            self.old.remove(some);
        }
    }

    fn remove(&mut self, key: TokenKey) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn forget(&mut self, provider: ProviderId) {
        self.retain(&|key, _| key.provider != provider);
    }

    fn retain(&mut self, is_wanted: &dyn Fn(&TokenKey, &Rc<Entry>) -> bool) {
        self.young.retain(is_wanted);
        self.old.retain(is_wanted);
    }

    fn clear(&mut self) {
        self.young = Table::default();
        self.old = Table::default();
    }

    fn len(&self) -> usize {
        self.young.len().saturating_add(self.old.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Local;
    use crate::base::ids::ProviderId;
    use crate::base::secret::Secret;
    use crate::base::time::UnixTime;
    use crate::cache::entry::Entry;
    use crate::policy::cache_times::CacheTimes;
    use crate::provider::introspection::reply::Introspection;
    use crate::token::access_token::AccessToken;
    use crate::token::key::TokenKey;
    use std::rc::Rc;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn cache(max_entries: usize, negative_max_entries: usize) -> CacheTimes {
        let (ttl, negative_ttl) = (Duration::from_secs(60), Duration::from_secs(10));
        CacheTimes { max_entries, ttl, negative_ttl, negative_max_entries, ..CacheTimes::default() }
    }

    fn key(n: u64) -> TokenKey {
        TokenKey::new([0, 0], ProviderId(0), &Secret::new(n.to_string()))
    }

    fn entry(is_active: bool) -> Rc<Entry> {
        let said = if is_active {
            let claims = [("exp".to_owned(), 5000.into())].into_iter().collect();
            Introspection::Active(AccessToken::new(ProviderId(0), claims).unwrap())
        } else {
            Introspection::Inactive
        };
        Rc::new(Entry::new(said, UnixTime::from_secs(1000), &cache(1, 1), 0, None))
    }

    #[test]
    fn garbage_pushes_no_good_token_out() {
        // INT-31
        let mut local = Local::new(&cache(100, 10));
        local.put(key(0), &entry(true));
        for n in 1..10_000 {
            local.put(key(n), &entry(false));
            assert!(local.len() <= 11, "{n}");
        }
        assert!(local.get(key(0)).is_some());
        assert!(local.get(key(9_999)).is_some());
    }

    #[test]
    fn an_answer_replaces_the_one_before_of_either_kind() {
        // INT-26
        let mut local = Local::new(&cache(10, 10));
        for is_active in [true, false, true, false] {
            local.put(key(1), &entry(is_active));
            assert_eq!(local.len(), 1);
            let said = local.get(key(1)).map(|entry| entry.said().clone());
            assert_eq!(matches!(said, Some(Introspection::Active(_))), is_active);
        }
        local.clear();
        assert!(local.is_empty());
    }

    #[test]
    fn a_bound_of_nothing_remembers_nothing() {
        // INT-24
        for bounds in [cache(0, 10), cache(0, 0)] {
            let mut local = Local::new(&bounds);
            local.put(key(1), &entry(true));
            local.put(key(2), &entry(false));
            assert!(local.is_empty());
        }
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        /// The bound holds, what was put last is there, and what is used stays.
        #[test]
        fn any_sequence_of_uses(max in 1_usize..40, uses in proptest::collection::vec(0_u64..60, 1..400)) {
            let mut local = Local::new(&cache(max, 1));
            let mut recent: Vec<u64> = Vec::new();
            for n in uses {
                let known = local.get(key(n)).is_some();
                proptest::prop_assert!(known || !recent.contains(&n), "{} was used lately and is gone", n);
                if !known {
                    local.put(key(n), &entry(true));
                }
                proptest::prop_assert!(local.len() <= max);
                proptest::prop_assert!(local.get(key(n)).is_some());
                recent.retain(|other| *other != n);
                recent.push(n);
                // Of the latest different tokens, half the bound stays.
                if recent.len() > max.div_ceil(2).max(1) {
                    recent.remove(0);
                }
            }
        }
    }
}
