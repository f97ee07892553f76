//! The cache that all workers of a proxy share, in the host's shared data.
//!
//! The host keeps this data forever and evicts nothing. The keys are therefore the numbers of a fixed number of
//! slots, and each slot says which token it holds. A token has two slots for its response, of which the empty
//! or older one is overwritten. Inactive tokens have a table of their own.
//!
//! A third table coordinates calls: a worker that introspects a token puts a mark there, and other workers wait
//! for the response instead of making a second call. Nothing depends on this data: if a mark or a response is
//! lost, one more call is made.

use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::json;
use crate::base::moment::Moment;
use crate::base::secret::Secret;
use crate::base::store::{NOTHING, Store};
use crate::base::time::UnixTime;
use crate::cache::entry::Entry;
use crate::decision::{BadAnswer, NoAnswer, Rejection};
use crate::policy::cache_times::CacheTimes;
use crate::provider::introspection::reply::Introspection;
use crate::token::access_token::AccessToken;
use crate::token::key::TokenDigest;

/// The shared level as one policy uses it.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    active: Table,
    inactive: Table,
}

/// What the workers together know of a token.
#[derive(Debug)]
pub enum Recalled {
    /// A response, and when the call was made, by this worker's wall clock.
    Answer(Introspection, UnixTime),
    /// Nothing.
    Nothing,
}

/// The result of an attempt to claim a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// Go on: everybody knows that you do.
    Ours,
    /// Another worker is making the call.
    Theirs,
    /// A call has just ended: its response may be there now.
    Over,
    /// Another worker's call has just failed.
    Failed(Rejection),
}

/// How a question that was announced has ended.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'a> {
    /// Its response is in the shared data, or no request waits for it any more.
    Over,
    /// It has a response that is not shared: other workers have to make a call of their own.
    NotShared,
    /// It has none.
    Failed(&'a Rejection),
}

/// The longest response that is shared, in bytes; longer ones stay with the worker that got them.
pub const MAX_SHARED: usize = 16_384;

const MARKS: Table = Table { name: "tollgate.1.mark", slots: 4096 };
/// How long before removing a mark a worker may have read the clock.
const LATELY: Duration = Duration::from_secs(1);
const HEAD: usize = 1 + 32 + 8 + 8;

impl Shared {
    /// The tables that such a cache needs.
    pub fn new(cache: &CacheTimes) -> Self {
        let table = |name, max: usize| Table { name, slots: max.next_power_of_two() as u64 };
        Self {
            active: table("tollgate.1.active", cache.max_entries),
            inactive: table("tollgate.1.inactive", cache.negative_max_entries),
        }
    }

    /// What any worker has learned about a token from a call made after `after`.
    pub fn recall(
        self,
        store: &dyn Store,
        digest: &TokenDigest,
        provider: ProviderId,
        now: Moment,
        after: Option<UnixTime>,
    ) -> Recalled {
        for key in self.active.keys(digest).into_iter().chain(self.inactive.keys(digest)) {
            let (bytes, _) = store.get(&key);
            let Some(record) = Record::read(&bytes).filter(|record| record.digest == *digest.as_bytes())
            else {
                continue;
            };
            let Some(asked) = record.asked(now) else { continue };
            if let Some(said) = record.said(provider)
                && after.is_none_or(|after| asked > after)
            {
                return Recalled::Answer(said, asked);
            }
        }
        Recalled::Nothing
    }

    /// Shares a response with the other workers. `steady` is when the call was made. A response is not shared
    /// if it is too long, or if it contains the token itself, which is never stored in the clear. `false`: it
    /// is not shared.
    pub fn remember(
        self,
        store: &dyn Store,
        digest: &TokenDigest,
        token: &Secret,
        entry: &Entry,
        steady: Duration,
    ) -> bool {
        let (kind, body) = match entry.said() {
            Introspection::Inactive | Introspection::Contradicts(_) => (Kind::Inactive, String::new()),
            Introspection::Active(token) => {
                (Kind::Active, serde_json::to_string(&token.claims).unwrap_or_default())
            }
        };
        if body.len() > MAX_SHARED || body.contains(token.expose()) {
            return false;
        }
        let asked = Moment { wall: entry.asked(), steady };
        let value = Record { kind, digest: *digest.as_bytes(), asked, body: body.as_bytes() }.write();
        let (own, other) = match kind {
            Kind::Inactive => (self.inactive, self.active),
            _ => (self.active, self.inactive),
        };
        // What was said before counts no more.
        for key in other.keys(digest) {
            let (bytes, seen) = store.get(&key);
            if Record::read(&bytes).is_some_and(|record| record.digest == *digest.as_bytes()) {
                store.set(&key, NOTHING, seen);
            }
        }
        let places = own.keys(digest).map(|key| {
            let (bytes, seen) = store.get(&key);
            let record = Record::read(&bytes);
            let is_same = record.as_ref().is_some_and(|record| record.digest == *digest.as_bytes());
            let since = record.map(|record| record.asked.steady);
            (!is_same, since, key, seen)
        });
        // Its own place, or an empty one, or the older one.
        places.into_iter().min().is_some_and(|(.., key, seen)| store.set(&key, &value, seen))
    }

    /// Whether there is a response to a call that was made after this worker last read the clock.
    pub fn is_ahead(self, store: &dyn Store, digest: &TokenDigest, now: Moment) -> bool {
        self.active.keys(digest).into_iter().chain(self.inactive.keys(digest)).any(|key| {
            let (bytes, _) = store.get(&key);
            Record::read(&bytes)
                .is_some_and(|record| record.digest == *digest.as_bytes() && record.asked.steady > now.steady)
        })
    }

    /// Announces a call, unless another worker has announced one less than `patience` ago. `since` is when the
    /// request began to wait: failures and responses from before that do not count for it.
    pub fn claim(
        self,
        store: &dyn Store,
        digest: &TokenDigest,
        now: Moment,
        patience: Duration,
        since: Duration,
    ) -> Claim {
        let [key, _] = MARKS.keys(digest);
        let (bytes, seen) = store.get(&key);
        if let Some(mark) = Record::read(&bytes).filter(|mark| mark.digest == *digest.as_bytes()) {
            match mark.kind {
                Kind::Asking if now.steady.saturating_sub(mark.asked.steady) < patience => {
                    return Claim::Theirs;
                }
                Kind::Over if mark.asked.steady.saturating_add(LATELY) >= since => return Claim::Over,
                Kind::Failed if mark.asked.steady >= since => return Claim::Failed(mark.failure()),
                // Whoever waited for one another would do so in line, each time anew.
                Kind::NotShared => return Claim::Ours,
                _ => {}
            }
        }
        let mark = Record { kind: Kind::Asking, digest: *digest.as_bytes(), asked: now, body: &[] };
        // Whoever writes first asks; the other one sees the mark when it looks again.
        let ours = store.set(&key, &mark.write(), seen);
        if ours { Claim::Ours } else { Claim::Theirs }
    }

    /// Takes the announcement back.
    pub fn release(self, store: &dyn Store, digest: &TokenDigest, now: Moment, ending: Ending<'_>) {
        let [key, _] = MARKS.keys(digest);
        let (bytes, seen) = store.get(&key);
        if Record::read(&bytes).is_some_and(|mark| mark.digest == *digest.as_bytes()) {
            let mark = |kind, body| Record { kind, digest: *digest.as_bytes(), asked: now, body }.write();
            let value = match ending {
                Ending::Over => mark(Kind::Over, &[]),
                Ending::NotShared => mark(Kind::NotShared, &[]),
                Ending::Failed(Rejection::BadAnswer { .. }) => mark(Kind::Failed, &[1]),
                Ending::Failed(_) => mark(Kind::Failed, &[0]),
            };
            store.set(&key, &value, seen);
        }
    }
}

/// A fixed number of slots.
#[derive(Clone, Copy, Debug)]
struct Table {
    name: &'static str,
    /// A power of two.
    slots: u64,
}

impl Table {
    /// The two slots that a token may be in.
    fn keys(self, digest: &TokenDigest) -> [String; 2] {
        [0, 1].map(|n| self.key(digest.word(n) & self.slots.saturating_sub(1)))
    }

    fn key(self, slot: u64) -> String {
        format!("{}.{slot:x}", self.name)
    }
}

/// What a slot holds: a kind, the digest, the moment of the call, and what belongs to the kind.
struct Record<'a> {
    kind: Kind,
    digest: [u8; 32],
    asked: Moment,
    body: &'a [u8],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Inactive = 0,
    Active = 1,
    Asking = 2,
    Failed = 3,
    NotShared = 4,
    Over = 5,
}

impl<'a> Record<'a> {
    /// `None` for an empty slot, and for data that is not ours.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(HEAD)?;
        let (kind, head) = head.split_first()?;
        let (digest, times) = head.split_first_chunk::<32>()?;
        let (wall, steady) = times.split_first_chunk::<8>()?;
        let kind = match kind {
            0 => Kind::Inactive,
            1 => Kind::Active,
            2 => Kind::Asking,
            3 => Kind::Failed,
            4 => Kind::NotShared,
            5 => Kind::Over,
            _ => return None,
        };
        let asked = Moment {
            wall: UnixTime::from_millis(u64::from_le_bytes(*wall)),
            steady: Duration::from_micros(u64::from_le_bytes(steady.try_into().ok()?)),
        };
        Some(Self { kind, digest: *digest, asked, body })
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD.saturating_add(self.body.len()));
        bytes.push(self.kind as u8);
        bytes.extend(self.digest);
        bytes.extend(self.asked.wall.as_millis().to_le_bytes());
        bytes.extend(u64::try_from(self.asked.steady.as_micros()).unwrap_or(u64::MAX).to_le_bytes());
        bytes.extend_from_slice(self.body);
        bytes
    }

    /// When the call was made, by the wall clock as it stands now. The clock may have been set since: the
    /// longer of both ages counts, and `None` if the call lies in the future.
    fn asked(&self, now: Moment) -> Option<UnixTime> {
        let passed = now.steady.checked_sub(self.asked.steady)?;
        if self.asked.wall > now.wall {
            return None;
        }
        Some(now.wall.minus(passed.max(self.asked.wall.until(now.wall))))
    }

    fn said(&self, provider: ProviderId) -> Option<Introspection> {
        match self.kind {
            Kind::Inactive => Some(Introspection::Inactive),
            Kind::Active => match json::parse(self.body).ok()? {
                json::Value::Object(claims) => {
                    AccessToken::new(provider, claims).ok().map(Introspection::Active)
                }
                _ => None,
            },
            Kind::Asking | Kind::Failed | Kind::NotShared | Kind::Over => None,
        }
    }

    fn failure(&self) -> Rejection {
        match self.body {
            [1] => Rejection::BadAnswer { cause: BadAnswer::Elsewhere },
            _ => Rejection::NoAnswer { cause: NoAnswer::Failed, retry_after: None },
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests {
    use super::{Claim, Ending, Recalled, Shared};
    use crate::base::ids::ProviderId;
    use crate::base::json;
    use crate::base::moment::Moment;
    use crate::base::secret::Secret;
    use crate::base::store::{Own, Seen, Store};
    use crate::base::time::UnixTime;
    use crate::cache::entry::Entry;
    use crate::cache::namespace::Namespace;
    use crate::decision::{BadAnswer, NoAnswer, Rejection};
    use crate::policy::cache_times::CacheTimes;
    use crate::provider::Provider;
    use crate::provider::introspection::reply::Introspection;
    use crate::token::access_token::AccessToken;
    use crate::token::key::TokenDigest;
    use std::cell::RefCell;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn cache(max_entries: usize) -> CacheTimes {
        let (ttl, negative_ttl) = (Duration::from_secs(60), Duration::from_secs(10));
        CacheTimes { max_entries, ttl, negative_ttl, negative_max_entries: 16, ..CacheTimes::default() }
    }

    fn digest(token: &str) -> TokenDigest {
        Namespace::new(b"", &Provider::bare()).digest(&[0; 32], &Secret::new(token))
    }

    fn at(secs: u64) -> Moment {
        Moment { wall: UnixTime::from_secs(1_000_000 + secs), steady: Duration::from_secs(500 + secs) }
    }

    fn active(claims: &str) -> Introspection {
        let Ok(json::Value::Object(claims)) = json::parse(claims.as_bytes()) else { panic!("{claims}") };
        Introspection::Active(AccessToken::new(ProviderId(0), claims).unwrap())
    }

    fn remember(store: &Own, shared: Shared, token: &str, said: Introspection, asked: Moment) {
        let entry = Entry::new(said, asked.wall, &cache(16), 0, None);
        shared.remember(store, &digest(token), &Secret::new(token), &entry, asked.steady);
    }

    fn recall(store: &Own, shared: Shared, token: &str, now: Moment) -> Option<(Introspection, u64)> {
        match shared.recall(store, &digest(token), ProviderId(0), now, None) {
            Recalled::Answer(said, asked) => Some((said, asked.as_secs() - 1_000_000)),
            Recalled::Nothing => None,
        }
    }

    const CLAIMS: &str = r#"{"active":true,"exp":2000000,"scope":"a b"}"#;

    #[test]
    fn what_one_worker_remembers_another_recalls() {
        let (store, shared) = (Own::default(), Shared::new(&cache(16)));
        assert_eq!(recall(&store, shared, "one", at(0)), None);
        remember(&store, shared, "one", active(CLAIMS), at(0));
        remember(&store, shared, "two", Introspection::Inactive, at(1));
        assert_eq!(recall(&store, shared, "one", at(5)), Some((active(CLAIMS), 0)));
        assert_eq!(recall(&store, shared, "two", at(5)), Some((Introspection::Inactive, 1)));
        // What was asked before what one has is no news.
        let after = Some(at(0).wall);
        let none = shared.recall(&store, &digest("one"), ProviderId(0), at(5), after);
        assert!(matches!(none, Recalled::Nothing));
    }

    #[test]
    fn a_token_that_was_revoked_is_not_recalled_as_active() {
        // INT-26
        let (store, shared) = (Own::default(), Shared::new(&cache(16)));
        for turn in 0..4 {
            remember(&store, shared, "one", active(CLAIMS), at(turn * 2));
            assert!(matches!(recall(&store, shared, "one", at(9)), Some((Introspection::Active(_), _))));
            remember(&store, shared, "one", Introspection::Inactive, at(turn * 2 + 1));
            assert!(matches!(recall(&store, shared, "one", at(9)), Some((Introspection::Inactive, _))));
        }
    }

    #[test]
    fn a_clock_that_was_set_makes_nothing_younger() {
        // PWX-15, ATK-113
        let (store, shared) = (Own::default(), Shared::new(&cache(16)));
        remember(&store, shared, "one", active(CLAIMS), at(100));
        let wall = |secs: u64| UnixTime::from_secs(1_000_000 + secs);
        let steady = |secs: u64| Duration::from_secs(500 + secs);
        #[rustfmt::skip]
        let cases = [
            ("nothing was set",             Moment { wall: wall(130), steady: steady(130) }, Some(100)),
            ("set back a little",           Moment { wall: wall(110), steady: steady(130) }, Some(80)),
            ("set back before the call",    Moment { wall: wall(90),  steady: steady(130) }, None),
            ("set forward",                 Moment { wall: wall(190), steady: steady(130) }, Some(100)),
            ("of another process",          Moment { wall: wall(130), steady: steady(10) },  None),
        ];
        for (name, now, want) in cases {
            assert_eq!(recall(&store, shared, "one", now).map(|(_, asked)| asked), want, "{name}");
        }
    }

    #[test]
    fn the_number_of_keys_is_fixed_and_garbage_pushes_nothing_out() {
        // INT-31
        let (store, shared) = (Own::default(), Shared::new(&cache(64)));
        remember(&store, shared, "good", active(CLAIMS), at(0));
        for n in 0..2000 {
            let token = format!("garbage-{n}");
            shared.claim(&store, &digest(&token), at(1), Duration::from_secs(2), at(1).steady);
            remember(&store, shared, &token, Introspection::Inactive, at(1));
            shared.release(&store, &digest(&token), at(1), Ending::Over);
        }
        assert!(recall(&store, shared, "good", at(5)).is_some());
        for n in 0..2000 {
            remember(&store, shared, &format!("token-{n}"), active(CLAIMS), at(2));
        }
        let keys: Vec<String> = store.all().into_iter().map(|(key, _)| key).collect();
        let slots = |name: &str| keys.iter().filter(|key| key.starts_with(name)).count();
        assert!(slots("tollgate.1.active.") <= 64 && slots("tollgate.1.inactive.") <= 16);
        assert!(slots("tollgate.1.mark.") <= 4096);
        assert_eq!(slots("tollgate.1."), keys.len());
    }

    #[test]
    fn nothing_that_lies_there_shows_a_token() {
        // INT-28, OAU-22
        let (store, shared) = (Own::default(), Shared::new(&cache(16)));
        remember(&store, shared, "a-token", active(CLAIMS), at(0));
        remember(
            &store,
            shared,
            "told",
            active(r#"{"active":true,"exp":2000000,"access_token":"told"}"#),
            at(0),
        );
        remember(&store, shared, "bad-token", Introspection::Inactive, at(0));
        for (key, value) in store.all() {
            let text = format!("{key} {}", String::from_utf8_lossy(&value));
            assert!(
                !text.contains("a-token") && !text.contains("told") && !text.contains("bad-token"),
                "{text}"
            );
        }
        assert!(recall(&store, shared, "a-token", at(1)).is_some());
        assert!(recall(&store, shared, "told", at(1)).is_none());
    }

    #[test]
    fn one_worker_asks_and_the_others_wait() {
        // INT-32
        let (store, shared) = (Own::default(), Shared::new(&cache(16)));
        let claim = |now: u64, since: u64| {
            shared.claim(&store, &digest("one"), at(now), Duration::from_secs(4), at(since).steady)
        };
        assert_eq!(claim(0, 0), Claim::Ours);
        assert_eq!(claim(1, 1), Claim::Theirs);
        assert_eq!(claim(4, 1), Claim::Ours, "who has asked for too long is not waited for");
        shared.release(&store, &digest("one"), at(5), Ending::Over);
        assert_eq!((claim(5, 5), claim(6, 6)), (Claim::Over, Claim::Over), "look again");
        assert_eq!(claim(7, 7), Claim::Ours);
        let failures = [
            (Rejection::NoAnswer { cause: NoAnswer::Status(503), retry_after: Some(3) }, NoAnswer::Failed),
            (Rejection::NoAnswer { cause: NoAnswer::NotDispatched, retry_after: None }, NoAnswer::Failed),
        ];
        for (failure, cause) in failures {
            shared.release(&store, &digest("one"), at(6), Ending::Failed(&failure));
            assert_eq!(claim(6, 5), Claim::Failed(Rejection::NoAnswer { cause, retry_after: None }));
            assert_eq!(claim(8, 7), Claim::Ours, "a failure is not remembered"); // INT-27
        }
        let bad = Rejection::BadAnswer { cause: BadAnswer::NotJson };
        shared.release(&store, &digest("one"), at(9), Ending::Failed(&bad));
        assert_eq!(claim(9, 8), Claim::Failed(Rejection::BadAnswer { cause: BadAnswer::Elsewhere }));
        assert_eq!(claim(9, 9), Claim::Failed(Rejection::BadAnswer { cause: BadAnswer::Elsewhere }));
        assert_eq!(claim(10, 10), Claim::Ours);
        // An answer that nobody else can use: everybody asks, from now on.
        shared.release(&store, &digest("one"), at(11), Ending::NotShared);
        assert_eq!((claim(11, 10), claim(11, 10), claim(99, 99)), (Claim::Ours, Claim::Ours, Claim::Ours));
        shared.release(&store, &digest("one"), at(99), Ending::Over);
        assert_eq!((claim(101, 101), claim(101, 101)), (Claim::Ours, Claim::Theirs));
    }

    #[test]
    fn two_workers_that_look_at_the_same_time_do_not_both_ask() {
        // INT-32: as Envoy's workers do, each in a thread of its own
        let shared = Shared::new(&cache(16));
        let store = Meanwhile { store: Own::default(), other: RefCell::default() };
        let patience = Duration::from_secs(4);
        for turn in 0..2 {
            let now = at(turn * 10);
            store.other.replace(Some(Box::new(move |store| {
                shared.claim(store, &digest("one"), now, patience, now.steady)
            })));
            let own = shared.claim(&store, &digest("one"), now, patience, now.steady);
            assert_eq!((own, store.other.take().is_none()), (Claim::Theirs, true), "turn {turn}");
            shared.release(&store.store, &digest("one"), now, Ending::Over);
        }
        assert_eq!(store.store.size().0, 1);
        // The first version emptied places instead of writing that there is nothing.
        let now = at(20);
        let [key, _] = super::MARKS.keys(&digest("one"));
        store.store.put(&key, b"");
        store.other.replace(Some(Box::new(move |store| {
            shared.claim(store, &digest("one"), now, patience, now.steady)
        })));
        assert_eq!(shared.claim(&store, &digest("one"), now, patience, now.steady), Claim::Theirs);
        assert!(store.store.all().iter().all(|(_, value)| !value.is_empty()));
    }

    type OtherWorker = Box<dyn Fn(&Own) -> Claim>;

    /// A store that another worker gets to between a look and what is written after it.
    struct Meanwhile {
        store: Own,
        other: RefCell<Option<OtherWorker>>,
    }

    impl std::fmt::Debug for Meanwhile {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.store.fmt(f)
        }
    }

    impl Store for Meanwhile {
        fn get(&self, key: &str) -> (Vec<u8>, Seen) {
            let found = self.store.get(key);
            if let Some(other) = self.other.take() {
                assert_eq!(other(&self.store), Claim::Ours);
            }
            found
        }

        fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
            self.store.set(key, value, seen)
        }
    }

    #[test]
    fn whatever_else_lies_there_is_nothing() {
        let (store, shared) = (Own::default(), Shared::new(&cache(1)));
        for junk in [&b""[..], b"x", &[1; 48], &[9; 49], &[1; 60], &[0xff; 200]] {
            for key in ["tollgate.1.active.0", "tollgate.1.inactive.0"] {
                store.put(key, junk);
            }
            assert_eq!(recall(&store, shared, "one", at(0)), None);
        }
    }
}
