//! Proofs that have been used ([RFC 9449 §11.1]): none counts twice, in whichever worker.
//!
//! What is kept is a hash, in buckets of the host's shared data, and the oldest gives way where there is
//! no room: the memory is bounded, and a flood shortens the time for which proofs are remembered.
//!
//! [RFC 9449 §11.1]: https://www.rfc-editor.org/rfc/rfc9449#section-11.1

use sha2::{Digest as _, Sha256};

use crate::store::Store;
use crate::time::UnixTime;

/// What tells a proof from all others: the hash of its key, its `jti` and its `htu`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark([u8; 16]);

/// The proofs that have been used, as one policy keeps them.
#[derive(Clone, Debug)]
pub struct Replays {
    prefix: String,
    buckets: u64,
}

/// How many marks a bucket may hold; on average it holds half of that when all is full.
const BUCKET: usize = 64;
/// A mark, and the millisecond when its proof is too old by itself.
const ENTRY: usize = 24;
/// How often a write is tried that another worker's has come before.
const TRIES: usize = 16;

impl Mark {
    /// The mark of a proof.
    pub fn new(thumbprint: &str, jti: &str, htu: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [thumbprint, jti, htu] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let hash: [u8; 32] = hash.finalize().into();
        let mut mark = [0; 16];
        mark.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
        Self(mark)
    }
}

impl Replays {
    /// Room for about `max` marks, for the plugin `owner`.
    pub fn new(owner: &[u8], max: usize) -> Self {
        let hash: [u8; 32] = Sha256::digest(owner).into();
        let name = u64::from_le_bytes(hash.first_chunk().copied().unwrap_or_default());
        let average = BUCKET / 2;
        Self { prefix: format!("tollgate.1.dpop.{name:016x}"), buckets: max.div_ceil(average).max(1) as u64 }
    }

    fn key(&self, bucket: u64) -> String {
        format!("{}.{bucket:x}", self.prefix)
    }

    /// Uses a proof that is good until `until`. `false`: it has been used, or nobody can say.
    pub fn first_use(&self, store: &dyn Store, mark: Mark, until: UnixTime, now: UnixTime) -> bool {
        let number = u64::from_le_bytes(mark.0.first_chunk().copied().unwrap_or_default());
        let key = self.key(number.checked_rem(self.buckets).unwrap_or_default());
        for _ in 0..TRIES {
            let (known, seen) = store.get(&key);
            let Some(bytes) = with(&known, mark, until, now) else { return false };
            if store.set(&key, &bytes, seen) {
                return true;
            }
        }
        false
    }
}

/// A bucket with one mark more and without those that are over; `None` if it is in it already.
fn with(bucket: &[u8], mark: Mark, until: UnixTime, now: UnixTime) -> Option<Vec<u8>> {
    let (entries, _) = bucket.as_chunks::<ENTRY>();
    let end = |entry: &[u8; ENTRY]| u64::from_le_bytes(entry.last_chunk().copied().unwrap_or_default());
    let mut live: Vec<&[u8; ENTRY]> = entries.iter().filter(|entry| end(entry) >= now.as_millis()).collect();
    if live.iter().any(|entry| entry.starts_with(&mark.0)) {
        return None;
    }
    while live.len() >= BUCKET {
        let oldest = live.iter().enumerate().min_by_key(|(_, entry)| end(entry)).map(|(at, _)| at)?;
        live.swap_remove(oldest);
    }
    let mut bytes: Vec<u8> = live.into_iter().flatten().copied().collect();
    bytes.extend(mark.0);
    bytes.extend(until.as_millis().to_le_bytes());
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::{Mark, Replays};
    use crate::store::{Own, Seen, Store};
    use crate::time::UnixTime;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn seconds(later: u64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000).plus(Duration::from_secs(later))
    }

    #[test]
    fn a_proof_counts_once_while_it_is_good() {
        // DPP-27
        let (store, replays) = (Own::default(), Replays::new(b"plugin", 1000));
        let mark = Mark::new("key", "jti", "https://h/r");
        let uses = |mark, now| replays.first_use(&store, mark, seconds(65), now);
        assert!(uses(mark, seconds(0)));
        assert!(!uses(mark, seconds(0)), "a second time");
        assert!(!uses(mark, seconds(65)), "at its end");
        assert!(uses(Mark::new("key", "other", "https://h/r"), seconds(0)), "another proof");
        assert!(uses(Mark::new("other", "jti", "https://h/r"), seconds(0)), "of another key");
        assert!(uses(Mark::new("key", "jti", "https://h/s"), seconds(0)), "for another URI");
        assert!(uses(mark, seconds(66)), "it is too old by then anyway");
        let others = Replays::new(b"another plugin", 1000);
        assert!(others.first_use(&store, mark, seconds(65), seconds(0)), "another plugin");
    }

    #[test]
    fn the_oldest_give_way_and_memory_is_bounded() {
        // DPP-28
        let (store, replays) = (Own::default(), Replays::new(b"plugin", 320));
        for n in 0..20_000_u64 {
            let mark = Mark::new("key", &n.to_string(), "https://h/r");
            assert!(replays.first_use(&store, mark, seconds(65 + n), seconds(0)));
        }
        let (buckets, bytes) = store.size();
        assert_eq!(buckets, 10);
        assert!(bytes <= 10 * 64 * 24, "{bytes}");
        let last = Mark::new("key", "19999", "https://h/r");
        assert!(!replays.first_use(&store, last, seconds(65), seconds(0)), "the newest is remembered");
    }

    /// Another worker that is always faster.
    #[derive(Debug)]
    struct Busy;

    impl Store for Busy {
        fn get(&self, _: &str) -> (Vec<u8>, Seen) {
            (Vec::new(), Seen::Nothing)
        }

        fn set(&self, _: &str, _: &[u8], _: Seen) -> bool {
            false
        }
    }

    #[test]
    fn what_cannot_be_written_down_does_not_count() {
        let mark = Mark::new("key", "jti", "https://h/r");
        assert!(!Replays::new(b"", 1).first_use(&Busy, mark, seconds(1), seconds(0)));
    }
}
