//! What has been revoked lately, for all workers of a process: a ring of records in the host's shared data.
//!
//! The host keeps this data forever, so the number of keys is fixed: some pages of records, and a counter that each
//! worker looks at from time to time. When the ring has come round, the records of a page are replaced. What is pushed
//! out does not come back to life: each page has a floor, the latest time of all that was pushed out before it, and up
//! to that time everything of the provider is revoked.

use std::fmt::Write as _;

use crate::base::store::Store;
use crate::revocation::marks::Mark;

/// The ring of one provider.
#[derive(Clone, Debug)]
pub struct Ring {
    name: String,
}

/// An event as it is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Record {
    /// The event itself.
    pub event: Mark,
    /// What it revokes.
    pub targets: [Mark; 2],
    /// What of that is revoked.
    pub until: Until,
}

/// Up to when something is revoked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Until {
    /// Responses that were asked for up to then, in microseconds of the steady clock.
    pub asked: u64,
    /// Tokens that were issued up to then, in seconds of the issuer's clock, that are verified here alone; 0: none.
    pub issued: u64,
}

/// How many records a page has.
const PER_PAGE: u64 = 64;
/// How many events the ring holds.
pub const CAPACITY: usize = 16_384;
/// How many pages there are.
const PAGES: u64 = CAPACITY as u64 / PER_PAGE;
/// The numbers before the records of a page: that of its first record, and its floor.
const HEAD: usize = 3;
/// The numbers of a record.
const RECORD: usize = 5;
/// How often a write is tried that another worker's has come before.
const TRIES: usize = 16;

impl Ring {
    /// The ring of that name.
    pub fn new(name: u64) -> Self {
        Self { name: format!("tollgate.2.events.{name:016x}") }
    }

    /// Adds a record. `false`: it has not been kept.
    #[inline(never)]
    pub fn push(&self, store: &dyn Store, record: &Record) -> bool {
        for _ in 0..TRIES {
            let (count, seen_count) = store.get(&self.name);
            let first = page_of(numbers(&count).first().copied().unwrap_or_default());
            let key = self.page(first);
            let (page, seen) = store.get(&key);
            let mut page = numbers(&page);
            if page.first() != Some(&first) {
                page = self.turned(store, first, &page);
            }
            let mut held = page.len().saturating_sub(HEAD) / RECORD;
            // Another worker may have written a page, and not have counted it yet.
            let is_full = held as u64 >= PER_PAGE;
            if !is_full {
                let Record { event, targets: [one, other], until } = record;
                page.extend([event.0, one.0, other.0, until.asked, until.issued]);
                if !store.set(&key, &bytes(&page), seen) {
                    continue;
                }
                held = held.saturating_add(1);
            }
            if store.set(&self.name, &bytes(&[first.saturating_add(held as u64)]), seen_count) && !is_full {
                return true;
            }
        }
        false
    }

    /// Hands over the records since the one of number `since`, and the floors of their pages. The number of the next.
    #[inline(never)]
    pub fn read(
        &self,
        store: &dyn Store,
        since: u64,
        floor: &mut Until,
        take: &mut dyn FnMut(Record),
    ) -> u64 {
        let count = numbers(&store.get(&self.name).0).first().copied().unwrap_or_default();
        if count == since {
            return count;
        }
        // If the counter has begun again, so does the worker.
        let since = if since > count { 0 } else { since };
        let mut first = page_of(since.max(count.saturating_sub(CAPACITY as u64)));
        while first < count {
            let page = numbers(&store.get(&self.page(first)).0);
            if let [own, asked, issued, records @ ..] = page.as_slice()
                && *own == first
            {
                floor.raise(Until { asked: *asked, issued: *issued });
                let known = usize::try_from(since.saturating_sub(first)).unwrap_or(usize::MAX);
                records.chunks(RECORD).skip(known).filter_map(Record::read).for_each(&mut *take);
            }
            first = first.saturating_add(PER_PAGE);
        }
        count
    }

    /// An empty page in place of `old`, whose records are pushed out.
    fn turned(&self, store: &dyn Store, first: u64, old: &[u64]) -> Vec<u64> {
        let mut floor = Until::default();
        if let Some(before) = first.checked_sub(PER_PAGE)
            && let [_, asked, issued, ..] = numbers(&store.get(&self.page(before)).0).as_slice()
        {
            floor.raise(Until { asked: *asked, issued: *issued });
        }
        let records = old.get(HEAD..).unwrap_or_default();
        records.chunks(RECORD).filter_map(Record::read).for_each(|record| floor.raise(record.until));
        vec![first, floor.asked, floor.issued]
    }

    /// The key of the page that has the record of that number.
    fn page(&self, number: u64) -> String {
        let mut key = self.name.clone();
        let _ = write!(key, ".{:x}", number / PER_PAGE % PAGES);
        key
    }
}

impl Record {
    fn read(numbers: &[u64]) -> Option<Self> {
        let [event, one, other, asked, issued] = *numbers else { return None };
        let until = Until { asked, issued };
        Some(Self { event: Mark(event), targets: [Mark(one), Mark(other)], until })
    }
}

impl Until {
    /// The later of both.
    pub fn raise(&mut self, other: Self) {
        self.asked = self.asked.max(other.asked);
        self.issued = self.issued.max(other.issued);
    }
}

/// The number of the first record of a page.
fn page_of(number: u64) -> u64 {
    number.saturating_sub(number % PER_PAGE)
}

fn numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().copied().map(u64::from_le_bytes).collect()
}

fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::{PER_PAGE, Record, Ring, Until, bytes};
    use crate::base::store::{Own, Store as _};
    use crate::revocation::marks::Mark;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn record(number: u64) -> Record {
        Record { event: Mark(number), targets: [Mark::ABSENT; 2], until: Until::default() }
    }

    fn read(ring: &Ring, store: &Own, since: &mut u64) -> Vec<u64> {
        let mut events = Vec::new();
        *since = ring.read(store, *since, &mut Until::default(), &mut |record| events.push(record.event.0));
        events
    }

    #[test]
    fn no_event_is_lost_where_a_page_ends() {
        // EVT-10
        let (ring, store, mut since) = (Ring::new(1), Own::default(), 0);
        for number in 1..3 * PER_PAGE {
            assert!(ring.push(&store, &record(number)));
            assert_eq!(read(&ring, &store, &mut since), [number]);
        }
    }

    #[test]
    fn a_page_that_another_worker_has_filled_and_not_counted_takes_no_event() {
        // EVT-10
        let (ring, store) = (Ring::new(1), Own::default());
        for number in 1..=PER_PAGE {
            assert!(ring.push(&store, &record(number)));
        }
        let (_, seen) = store.get(&ring.name);
        assert!(store.set(&ring.name, &bytes(&[PER_PAGE - 1]), seen));
        let mut since = PER_PAGE - 1;
        for (number, found) in
            [(PER_PAGE + 1, vec![PER_PAGE, PER_PAGE + 1]), (PER_PAGE + 2, vec![PER_PAGE + 2])]
        {
            assert!(ring.push(&store, &record(number)));
            assert_eq!(read(&ring, &store, &mut since), found);
        }
    }
}
