//! Proofs that have been used ([RFC 9449 §11.1]): each is accepted once, in all workers together.
//!
//! They are kept in buckets in the host's shared data. The bucket and its content are hashes under a key that
//! the workers share, so that an attacker cannot search for proofs that collide. The number of buckets does not
//! depend on the configuration; their size does.
//!
//! [RFC 9449 §11.1]: https://www.rfc-editor.org/rfc/rfc9449#section-11.1

mod bucket;

use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::hash::Hasher as _;

use crate::base::store::Store;
use crate::base::store::common::Common;
use crate::base::time::UnixTime;
use crate::proof::replay::bucket::{Bucket, Entry, Window};

/// The used proofs of one plugin.
#[derive(Clone, Debug)]
pub struct Replays {
    key: [u64; 2],
    prefix: String,
    /// How much a bucket may hold.
    room: usize,
}

/// What distinguishes a proof from all others ([RFC 9449 §11.1]).
///
/// [RFC 9449 §11.1]: https://www.rfc-editor.org/rfc/rfc9449#section-11.1
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// The thumbprint of its key.
    pub thumbprint: &'a str,
    /// Its `jti`.
    pub jti: &'a str,
    /// Its `htu`.
    pub htu: &'a str,
}

/// A proof, as it is stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    bucket: u64,
    entry: Entry,
}

/// How many buckets there are, whatever `dpop.replay_cache` is: with another number, each proof would be in
/// another place. A power of two.
const BUCKETS: u64 = 1024;
/// The minimum size of a bucket.
const LEAST: usize = 16;
/// How often a write is tried that another worker's has come before.
const TRIES: usize = 16;

impl Replays {
    /// Room for about `max` proofs, for the plugin `owner`. Plugins with the same owner share them.
    pub fn new(common: &Common, owner: &[u8], max: usize) -> Self {
        let key = common.key("dpop replay", owner);
        let word =
            |n: usize| key.as_chunks::<8>().0.get(n).copied().map(u64::from_le_bytes).unwrap_or_default();
        let average = max.div_ceil(usize::try_from(BUCKETS).unwrap_or(usize::MAX));
        Self {
            key: [word(0), word(1)],
            prefix: format!("tollgate.2.dpop.{:016x}", word(2)),
            // By chance some buckets get more than others.
            room: average.saturating_mul(2).max(LEAST),
        }
    }

    /// The mark of a proof that was issued at `iat`.
    pub fn mark(&self, name: Name<'_>, iat: UnixTime) -> Mark {
        let hash = |parts: &[&str]| {
            let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
            for part in parts {
                hasher.write_u64(part.len() as u64);
                hasher.write(part.as_bytes());
            }
            hasher.finish128()
        };
        let whose = hash(&[name.thumbprint]).h1;
        let which = hash(&[name.thumbprint, name.jti, name.htu]);
        Mark { bucket: which.h2 & BUCKETS.saturating_sub(1), entry: Entry::new(whose, which.h1, iat) }
    }

    /// Marks a proof as used. `false`: it has been used, or that is unknown. Proofs from before `older` are too
    /// old anyway.
    pub fn first_use(&self, store: &dyn Store, mark: Mark, older: UnixTime, now: UnixTime) -> bool {
        let key = format!("{}.{:x}", self.prefix, mark.bucket);
        let window = Window { older, latest: bucket::latest(now) };
        for _ in 0..TRIES {
            let (bytes, seen) = store.get(&key);
            let mut bucket = Bucket::read(&bytes);
            if !bucket.take(mark.entry, window, self.room) {
                return false;
            }
            if store.set(&key, &bucket.write(), seen) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::{Name, Replays};
    use crate::base::random::Nonces;
    use crate::base::store::common::Common;
    use crate::base::store::{Own, Seen, Store};
    use crate::base::time::UnixTime;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const START: u64 = 1_800_000_000;
    const WINDOW: u64 = 65;

    /// Workers that remember together, with a clock.
    struct Workers {
        store: Own,
        replays: Replays,
        now: u64,
        window: u64,
    }

    impl Workers {
        fn new(max: usize) -> Self {
            let store = Own::default();
            let replays = Self::replays(&store, b"plugin", max);
            Self { store, replays, now: 0, window: WINDOW }
        }

        fn replays(store: &Own, owner: &[u8], max: usize) -> Replays {
            let common = Common::of(store, &Nonces::new([1, 2])).unwrap();
            Replays::new(&common, owner, max)
        }

        fn uses(&self, thumbprint: &str, jti: &str, iat: u64) -> bool {
            self.uses_for(Name { thumbprint, jti, htu: "https://h/r" }, iat)
        }

        fn uses_for(&self, name: Name<'_>, iat: u64) -> bool {
            let older = at(self.now).minus(Duration::from_secs(self.window));
            self.replays.first_use(&self.store, self.replays.mark(name, at(iat)), older, at(self.now))
        }
    }

    fn at(later: u64) -> UnixTime {
        UnixTime::from_secs(START + later)
    }

    #[test]
    fn a_proof_counts_once_while_it_is_good() {
        // DPP-27
        let mut workers = Workers::new(1000);
        workers.now = 100;
        assert!(workers.uses("key", "jti", 100));
        assert!(!workers.uses("key", "jti", 100), "a second time");
        assert!(workers.uses("key", "other", 100), "another proof");
        assert!(workers.uses("other", "jti", 100), "of another key");
        let elsewhere = Name { thumbprint: "key", jti: "jti", htu: "https://h/s" };
        assert!(workers.uses_for(elsewhere, 100), "for another URI");
        workers.now = 165;
        assert!(!workers.uses("key", "jti", 100), "at its end");
        let others = Workers::replays(&workers.store, b"another plugin", 1000);
        let name = Name { thumbprint: "key", jti: "jti", htu: "https://h/r" };
        assert!(
            others.first_use(&workers.store, others.mark(name, at(100)), at(100), at(165)),
            "another plugin"
        );
    }

    #[test]
    fn a_proof_of_the_last_moment_that_may_be_counts_once() {
        // DPP-27
        let workers = Workers::new(100);
        assert!(workers.uses("key", "jti", 300));
        assert!(!workers.uses("key", "jti", 300));
        let flooded = Workers::new(1);
        assert!(flooded.uses("victim", "jti", 300));
        (0..60_000).for_each(|n| _ = flooded.uses(&format!("flood-{n}"), "jti", 300));
        assert!(!flooded.uses("victim", "jti", 300));
    }

    #[test]
    fn another_size_remembers_the_same() {
        // DPP-27: as over LDS
        let mut workers = Workers::new(10_000);
        for n in 0..200 {
            assert!(workers.uses("key", &n.to_string(), 0));
        }
        for max in [1, 10_001, 1_000_000, 500] {
            workers.replays = Workers::replays(&workers.store, b"plugin", max);
            for n in 0..200 {
                assert!(!workers.uses("key", &n.to_string(), 0), "{max}: {n}");
            }
        }
        // A longer life of proofs does not bring back those that have been forgotten since.
        workers.now = 70;
        (0..30_000).for_each(|n| _ = workers.uses("another", &n.to_string(), 70));
        workers.window = 600;
        for n in 0..200 {
            assert!(!workers.uses("key", &n.to_string(), 0), "{n}");
        }
    }

    #[test]
    fn whoever_floods_the_memory_opens_nothing_and_closes_it_for_nobody_else() {
        // DPP-28, ATK-93
        let mut workers = Workers::new(1000);
        for n in 0..100 {
            assert!(workers.uses("victim", &format!("before-{n}"), 0));
        }
        workers.now = 1;
        let taken = (0..100_000).filter(|n| workers.uses("flood", &n.to_string(), 1 + n % 5)).count();
        assert!(taken > 16_000, "{taken}");
        for n in 0..100 {
            assert!(!workers.uses("victim", &format!("before-{n}"), 0), "{n} again");
            assert!(workers.uses("victim", &format!("after-{n}"), 1), "{n}");
            assert!(workers.uses("other", &format!("after-{n}"), 0), "{n}, issued before the flood");
        }
        for n in 0..100_000 {
            assert!(!workers.uses("flood", &n.to_string(), 1 + n % 5), "{n} again");
        }
        let (buckets, bytes) = workers.store.size();
        assert!(buckets <= 1025 && bytes < 1025 * (16 * 24 + 16), "{buckets} {bytes}");
    }

    #[test]
    fn a_flood_of_many_keys_opens_nothing() {
        let mut workers = Workers::new(1);
        for n in 0..100 {
            assert!(workers.uses("victim", &format!("before-{n}"), 0));
        }
        workers.now = 2;
        for n in 0..60_000 {
            workers.uses(&format!("flood-{n}"), "jti", 2);
        }
        assert!((0..100).all(|n| !workers.uses("victim", &format!("before-{n}"), 0)));
        assert!((0..60_000).all(|n| !workers.uses(&format!("flood-{n}"), "jti", 2)));
        workers.now = 3;
        let fresh = (0..100).filter(|n| workers.uses("victim", &format!("after-{n}"), 3)).count();
        assert_eq!(fresh, 100, "a second later all is well");
    }

    #[test]
    fn a_client_with_many_requests_has_its_older_proofs_refused_at_worst() {
        let mut workers = Workers::new(1000);
        for second in 0..30 {
            workers.now = second;
            for n in 0..2000 {
                assert!(workers.uses("busy", &format!("{second}-{n}"), second), "{second} {n}");
            }
        }
        assert!(!workers.uses("busy", "late", 1), "nobody remembers whether it was used");
        for second in 0..30 {
            assert!(!workers.uses("busy", &format!("{second}-7"), second));
        }
    }

    #[test]
    fn a_clock_that_was_set_back_refuses_nobody_for_long() {
        let mut workers = Workers::new(1);
        workers.now = 100_000;
        (0..60_000).for_each(|n| _ = workers.uses(&format!("key-{n}"), "jti", 100_000));
        workers.now = 50;
        for n in 0..1000 {
            assert!(workers.uses("key", &n.to_string(), 50), "{n}");
        }
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
        let replays = Workers::new(1).replays;
        let mark = replays.mark(Name { thumbprint: "key", jti: "jti", htu: "https://h/r" }, at(0));
        assert!(!replays.first_use(&Busy, mark, at(0), at(0)));
    }
}
