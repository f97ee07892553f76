//! Some of the proofs that have been used.
//!
//! A bucket has limited room. When a proof is dropped, the time up to it is closed: a proof from a closed time
//! may have been used, and is rejected. If there is no room, a proof of the client with the most proofs is
//! dropped, and the time is closed for that client alone. A client that floods a bucket harms only itself.

use std::collections::BinaryHeap;
use std::time::Duration;

use crate::base::time::UnixTime;

/// What has been used, and which times are closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    /// Up to when all proofs that are not here may have been used.
    closed: u64,
    entries: Vec<Entry>,
}

/// A proof that has been used; or up to when those of one key may have been.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Entry {
    /// Its key.
    whose: u64,
    /// When it was issued, in seconds.
    iat: u64,
    /// The proof; [`CLOSED`] if there is no proof here.
    which: u64,
}

/// The times that matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// What was issued before is too old by itself.
    pub(super) older: UnixTime,
    /// Nothing can have been issued later, or the clock was set back.
    pub(super) latest: UnixTime,
}

/// The latest `iat` that any configuration may allow (`clock_skew` has five minutes at most).
pub(super) fn latest(now: UnixTime) -> UnixTime {
    now.plus(Duration::from_secs(300))
}

/// No proof, but a time.
const CLOSED: u64 = 0;
/// Begins each bucket. What begins otherwise holds nothing.
const VERSION: u8 = 1;
const ENTRY: usize = 24;

impl Entry {
    pub(super) fn new(whose: u64, which: u64, iat: UnixTime) -> Self {
        Self { whose, iat: iat.as_secs(), which: which.max(CLOSED.saturating_add(1)) }
    }
}

impl Bucket {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let Some((&[VERSION], rest)) = bytes.split_first_chunk::<1>() else { return Self::default() };
        let (words, _) = rest.as_chunks::<8>();
        let Some((closed, words)) = words.split_first() else { return Self::default() };
        let number = |word: &[u8; 8]| u64::from_le_bytes(*word);
        let (entries, _) = words.as_chunks::<3>();
        let entry = |[whose, iat, which]: &[[u8; 8]; 3]| Entry {
            whose: number(whose),
            iat: number(iat),
            which: number(which),
        };
        Self { closed: number(closed), entries: entries.iter().map(entry).collect() }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len().saturating_mul(ENTRY).saturating_add(9));
        bytes.push(VERSION);
        bytes.extend(self.closed.to_le_bytes());
        for Entry { whose, iat, which } in &self.entries {
            bytes.extend([whose, iat, which].iter().flat_map(|word| word.to_le_bytes()));
        }
        bytes
    }

    /// Takes a proof in. `false`: it has been used, or may have been.
    pub(super) fn take(&mut self, new: Entry, window: Window, room: usize) -> bool {
        self.clear(window);
        let is_closed = |entry: &Entry| match entry.which {
            CLOSED => entry.whose == new.whose && entry.iat >= new.iat,
            which => which == new.which && entry.whose == new.whose,
        };
        if new.iat <= self.closed || self.entries.iter().any(is_closed) {
            return false;
        }
        self.entries.push(new);
        if self.entries.len() > room {
            // Some more at once, so that it is not done for each proof of a flood.
            self.shrink(room.saturating_sub(room / 8));
        }
        true
    }

    /// Drops proofs that are too old, and proofs from a future that existed before the clock was set back;
    /// otherwise no proof would be accepted until then.
    fn clear(&mut self, window: Window) {
        let (older, latest) = (window.older.as_secs(), window.latest.as_secs());
        if self.closed > latest {
            self.closed = 0;
        }
        self.entries.retain(|entry| {
            let is_over = entry.iat < older;
            if is_over {
                self.closed = self.closed.max(entry.iat);
            }
            !is_over && entry.iat <= latest
        });
    }

    /// Makes room.
    fn shrink(&mut self, most: usize) {
        self.entries = BinaryHeap::from(std::mem::take(&mut self.entries)).into_sorted_vec();
        while self.entries.len() > most {
            let excess = self.entries.len().saturating_sub(most);
            let runs = self.entries.chunk_by(|a, b| a.whose == b.whose);
            let Some(longest) = runs.max_by_key(|run| run.len()).filter(|run| run.len() > 2) else {
                return self.close(excess);
            };
            // One entry is to say that the others have been.
            let (whose, gone) =
                (longest.first().map(|entry| entry.whose), excess.min(longest.len().saturating_sub(2)));
            let Some(last) = longest.get(gone).map(|entry| Entry { which: CLOSED, ..*entry }) else { return };
            let mut left = gone.saturating_add(1);
            self.entries.retain(|entry| {
                let goes = left > 0 && Some(entry.whose) == whose;
                left = left.saturating_sub(usize::from(goes));
                !goes
            });
            let at = self.entries.partition_point(|entry| *entry < last);
            self.entries.insert(at, last);
        }
    }

    /// Closes the time before the oldest of all keys: an eighth of the bucket, each found by one look at the rest.
    fn close(&mut self, excess: usize) {
        for _ in 0..excess {
            let Some((oldest, _)) = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.iat) else {
                return;
            };
            self.closed = self.closed.max(self.entries.swap_remove(oldest).iat);
        }
    }
}
