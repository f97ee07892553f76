//! Hash tables of numbers and hashes.
//!
//! The standard library's map has two kilobytes of code for each pair of types. Here the entries lie in a list,
//! and the code that links those of one hash knows nothing of their types.

use crate::base::slack::KEPT;

/// A map. An entry that leaves makes room for the last one, so there is no order.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    links: Links,
    entries: Vec<(K, V)>,
}

/// What entries are found by: a hash, or a number that no client can choose.
pub trait Key: Copy + Eq {
    /// A number that differs between keys, in its lower bits too.
    fn spread(self) -> u32;
}

/// Where the entries of a hash lie: the place of the first one, and for each entry the place of the next one.
#[derive(Clone, Debug, Default)]
struct Links {
    /// By the lower bits of the hash: their number is a power of two, or nothing.
    first: Vec<u32>,
    /// By the place of the entry.
    next: Vec<u32>,
}

/// No place.
const NOWHERE: u32 = u32::MAX;
/// How many chains the smallest table has.
const FEWEST: usize = 8;

impl<K: Key, V> Table<K, V> {
    /// What is there for the key.
    #[inline]
    pub fn get(&self, key: K) -> Option<&V> {
        self.entries.get(self.find(key)?).map(|(_, value)| value)
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let at = self.find(key)?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Whether the key is there.
    #[inline]
    pub fn contains(&self, key: K) -> bool {
        self.find(key).is_some()
    }

    /// Adds an entry, and returns the value that it replaces.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(before) = self.get_mut(key) {
            return Some(std::mem::replace(before, value));
        }
        if self.links.are_full() {
            let Self { links, entries } = self;
            links.grow(&mut entries.iter().map(|(key, _)| key.spread()));
        }
        self.links.push(key.spread());
        self.entries.push((key, value));
        None
    }

    /// Removes an entry, and returns its value.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let at = self.find(key)?;
        let last = self.entries.last().map_or(0, |(key, _)| key.spread());
        self.links.remove(at, key.spread(), last);
        Some(self.entries.swap_remove(at).1)
    }

    /// Removes the entries that are not wanted.
    #[inline(never)]
    pub fn retain(&mut self, is_wanted: &dyn Fn(&K, &V) -> bool) {
        let is_gone = |(key, value): &&(K, V)| !is_wanted(key, value);
        let gone: Vec<_> = self.entries.iter().filter(is_gone).map(|(key, _)| *key).collect();
        for key in gone {
            self.remove(key);
        }
    }

    /// Removes all entries, and keeps their room.
    pub fn clear(&mut self) {
        self.links.clear();
        self.entries.clear();
    }

    /// Gives back the room of a burst, if the table is empty again.
    pub fn give_back(&mut self) {
        if self.entries.is_empty() && self.entries.capacity() > KEPT {
            *self = Self::default();
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries.
    pub fn entries(&self) -> &[(K, V)] {
        &self.entries
    }

    /// The entries, with values to be changed.
    pub fn entries_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Their values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// The entries alone.
    pub fn into_entries(self) -> Vec<(K, V)> {
        self.entries
    }

    #[inline]
    fn find(&self, key: K) -> Option<usize> {
        let mut at = self.links.first(key.spread());
        loop {
            let (known, _) = self.entries.get(at as usize)?;
            if *known == key {
                return Some(at as usize);
            }
            at = self.links.next(at);
        }
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { links: Links::default(), entries: Vec::new() }
    }
}

impl Key for u32 {
    #[inline]
    fn spread(self) -> u32 {
        // A multiple of the golden ratio: numbers at any distance fall apart in the upper half.
        let product = u64::from(self).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        u32::try_from(product >> 32).unwrap_or_default()
    }
}

impl Links {
    #[inline]
    fn first(&self, hash: u32) -> u32 {
        self.first.get(self.chain(hash)).copied().unwrap_or(NOWHERE)
    }

    #[inline]
    fn next(&self, at: u32) -> u32 {
        self.next.get(at as usize).copied().unwrap_or(NOWHERE)
    }

    #[inline]
    fn chain(&self, hash: u32) -> usize {
        hash as usize & self.first.len().wrapping_sub(1)
    }

    /// Whether there are as many entries as chains.
    fn are_full(&self) -> bool {
        self.next.len() >= self.first.len()
    }

    /// Twice as many chains, for the entries of these hashes.
    #[inline(never)]
    fn grow(&mut self, hashes: &mut dyn Iterator<Item = u32>) {
        self.first = vec![NOWHERE; self.first.len().saturating_mul(2).max(FEWEST)];
        self.next.clear();
        for hash in hashes {
            self.push(hash);
        }
    }

    /// An entry of this hash has been added behind the others.
    #[inline(never)]
    fn push(&mut self, hash: u32) {
        let (chain, at) = (self.chain(hash), self.next.len());
        if let (Some(first), Ok(at)) = (self.first.get_mut(chain), u32::try_from(at)) {
            self.next.push(std::mem::replace(first, at));
        }
    }

    /// The entry at this place has been removed, and the last one put there.
    #[inline(never)]
    fn remove(&mut self, at: usize, hash: u32, hash_of_last: u32) {
        let last = self.next.len().saturating_sub(1);
        let after = self.next.get(at).copied().unwrap_or(NOWHERE);
        if let Some(link) = self.link_to(at, hash) {
            *link = after;
        }
        if let Some(link) = self.link_to(last, hash_of_last) {
            *link = u32::try_from(at).unwrap_or(NOWHERE);
        }
        self.next.swap_remove(at);
    }

    /// The link that leads to the entry at this place.
    fn link_to(&mut self, at: usize, hash: u32) -> Option<&mut u32> {
        let chain = self.chain(hash);
        let mut place = *self.first.get(chain)?;
        if place as usize == at {
            return self.first.get_mut(chain);
        }
        loop {
            let next = *self.next.get(place as usize)?;
            if next as usize == at {
                return self.next.get_mut(place as usize);
            }
            place = next;
        }
    }

    fn clear(&mut self) {
        self.first.fill(NOWHERE);
        self.next.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Table};
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_room_of_a_burst_goes_when_the_table_is_empty_again() {
        let mut table: Table<u32, ()> = Table::default();
        for n in 0..10_000 {
            table.insert(n, ());
        }
        table.retain(&|n, ()| *n == 0);
        table.give_back();
        assert!(table.contains(0) && table.entries.capacity() >= 10_000, "something is in it");
        table.remove(0);
        table.give_back();
        assert_eq!((table.entries.capacity(), table.links.first.capacity()), (0, 0));
        table.insert(1, ());
        table.remove(1);
        let kept = table.entries.capacity();
        table.give_back();
        assert!(kept > 0 && kept <= KEPT && table.entries.capacity() == kept);
    }

    #[test]
    fn numbers_at_any_distance_fall_apart() {
        for distance in [1, 2, 3, 64, 1 << 10, 1 << 16, 1 << 20] {
            let mut table: Table<u32, ()> = Table::default();
            for n in 0..1024_u32 {
                table.insert(n.wrapping_mul(distance), ());
            }
            let used = table.links.first.iter().filter(|first| **first != super::NOWHERE).count();
            assert!(used >= 400, "{distance}: {used} chains of 1024");
        }
    }

    #[cfg(not(target_family = "wasm"))]
    mod laws {
        use super::Table;
        use proptest::prelude::*;
        use std::collections::HashMap;

        proptest! {
            /// It is the map of the standard library.
            #[test]
            fn like_the_standard_map(steps in prop::collection::vec((0..8_u8, 0..40_u32, any::<u8>()), 0..300)) {
                let mut ours: Table<u32, u8> = Table::default();
                let mut theirs: HashMap<u32, u8> = HashMap::new();
                for (step, key, value) in steps {
                    // Keys of one chain, too.
                    let key = if key % 3 == 0 { key << 26 } else { key };
                    match step {
                        0..=3 => prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value)),
                        4..=5 => prop_assert_eq!(ours.remove(key), theirs.remove(&key)),
                        6 if value > 200 => {
                            ours.clear();
                            theirs.clear();
                        }
                        6 if value < 10 => {
                            ours.retain(&|key, _| key % 2 == 0);
                            theirs.retain(|key, _| key % 2 == 0);
                        }
                        _ => ours.give_back(),
                    }
                    prop_assert_eq!(ours.len(), theirs.len());
                    prop_assert_eq!(ours.is_empty(), theirs.is_empty());
                    for key in (0..40).flat_map(|key| [key, key << 26]) {
                        prop_assert_eq!(ours.get(key), theirs.get(&key));
                        prop_assert_eq!(ours.contains(key), theirs.contains_key(&key));
                    }
                    let sum = |values: &mut dyn Iterator<Item = u8>| values.map(u64::from).sum::<u64>();
                    prop_assert_eq!(sum(&mut ours.entries().iter().map(|(_, value)| *value)), sum(&mut theirs.values().copied()));
                }
            }
        }
    }
}
