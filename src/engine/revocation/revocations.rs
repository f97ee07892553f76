//! What one worker knows to be revoked of one provider's tokens.

use std::time::Duration;

use crate::base::moment::{Moment, Steady};
use crate::base::store::Store;
use crate::base::store::common::Common;
use crate::base::table::Table;
use crate::base::time::UnixTime;
use crate::decision::receipt::Taken;
use crate::provider::{Provider, Validate};
use crate::revocation::event::{Effect, Event, SKEW};
use crate::revocation::marks::{Mark, Marker, Marks};
use crate::revocation::ring::{CAPACITY, Record, Ring, Until};
use crate::token::access_token::AccessToken;
use crate::token::rules::TokenRules;

/// What is revoked, as far as this worker has read the ring.
#[derive(Debug)]
pub struct Revocations {
    marker: Marker,
    ring: Ring,
    /// How many of the ring's records are known.
    known: u64,
    revoked: Table<Mark, Until>,
    /// Up to when everything is revoked.
    floor: Until,
    /// Whether tokens are introspected; otherwise they are verified here alone.
    is_asked: bool,
    /// How its tokens are read.
    rules: TokenRules,
    /// How long something stays revoked.
    keep: Duration,
    /// When those were dropped last that do not count any more.
    tidied: Steady,
}

/// How often old entries are looked for.
const TIDY: Duration = Duration::from_secs(60);
/// How many entries there may be: each record has up to two targets, and an event.
const MOST: usize = 3 * CAPACITY;
/// What is added to the time of an event, because clocks show whole milliseconds.
const ROUNDED: u64 = 1000;

impl Revocations {
    /// What `owner` (which plugin it is) and its workers know of this provider's tokens. All providers of an issuer have
    /// its events. Something stays revoked for `keep`: as long as a response is cached, or a token lives.
    #[inline(never)]
    pub fn new(common: &Common, owner: &[u8], provider: &Provider, keep: Duration) -> Self {
        let issuer = provider.tokens.issuer.as_deref().unwrap_or_default();
        let length = (owner.len() as u64).to_le_bytes();
        let key = common.key("revocation", &[&length, owner, issuer.as_bytes()].concat());
        let word =
            |n: usize| key.as_chunks::<8>().0.get(n).copied().map(u64::from_le_bytes).unwrap_or_default();
        Self {
            marker: Marker([word(0), word(1)]),
            ring: Ring::new(word(2)),
            known: 0,
            revoked: Table::default(),
            floor: Until::default(),
            is_asked: provider.validate != Validate::Jwt,
            rules: provider.tokens.clone(),
            keep: keep.saturating_add(Duration::from_secs(2 * SKEW)),
            tidied: Steady::ZERO,
        }
    }

    /// Whether tokens are introspected; otherwise they are verified here alone.
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// What a token is found by.
    pub fn marks(&self, token: &AccessToken) -> Marks {
        self.marker.all(token, token.client_id(&self.rules))
    }

    /// Makes an event known to all workers, this one included once it reads the ring. `None`: it could not be kept.
    #[inline(never)]
    pub fn announce(&mut self, store: &dyn Store, event: &Event, now: Moment) -> Option<Taken> {
        let is_over = now.wall.as_secs() > event.said.saturating_add(self.keep.as_secs());
        if event.effect == Effect::None || event.targets.is_empty() || is_over {
            return Some(Taken::Ignored);
        }
        let id = self.marker.of_event(&event.id);
        if self.revoked.contains(id) {
            return Some(Taken::Repeated);
        }
        // What was asked for long after the event is not told again because the event comes late.
        let late = UnixTime::from_secs(event.said.saturating_add(SKEW)).until(now.wall);
        let asked = micros(now.steady.saturating_sub(late)).saturating_add(ROUNDED);
        let issued = if event.effect == Effect::Revoke { event.at } else { 0 };
        let until = Until { asked, issued };
        let mut pairs = event.targets.chunks(2).peekable();
        while let Some(pair) = pairs.next() {
            let mut targets = [Mark::ABSENT; 2];
            for (mark, target) in targets.iter_mut().zip(pair) {
                *mark = self.marker.of(target.by, &target.value);
            }
            // It is known once all of it is kept.
            let event = if pairs.peek().is_none() { id } else { Mark::ABSENT };
            if !self.ring.push(store, &Record { event, targets, until }) {
                return None;
            }
        }
        Some(Taken::Applied)
    }

    /// Reads what has been added to the ring. Whether there was anything.
    #[inline(never)]
    pub fn catch_up(&mut self, store: &dyn Store) -> bool {
        let Self { ring, known, revoked, floor, .. } = self;
        let before = *known;
        *known = ring.read(store, before, floor, &mut |record| {
            for mark in record.targets.into_iter().chain([record.event]).filter(|mark| *mark != Mark::ABSENT)
            {
                let mut until = record.until;
                if let Some(other) = revoked.get(mark) {
                    until.raise(*other);
                }
                revoked.insert(mark, until);
            }
        });
        *known != before
    }

    /// Drops what does not count any more. If there is too much, everything counts as revoked up to the latest of it.
    #[inline(never)]
    pub fn tidy(&mut self, now: Steady) {
        let is_crowded = self.revoked.len() > MOST;
        if now.saturating_sub(self.tidied) < TIDY && !is_crowded {
            return;
        }
        self.tidied = now;
        let oldest = micros(now.saturating_sub(self.keep));
        self.revoked.retain(&|_, until| until.asked >= oldest);
        if self.revoked.len() > MOST {
            self.revoked.entries().iter().for_each(|(_, until)| self.floor.raise(*until));
            self.revoked.clear();
        }
        self.revoked.give_back();
    }

    /// Whether a response that was asked for at that time of day counts no more.
    pub fn ends(&self, marks: &Marks, asked: UnixTime, now: Moment) -> bool {
        let age = now.wall.as_millis().checked_sub(asked.as_millis()).map(Duration::from_millis);
        // It was asked for in the future: the clock has been set, and nobody knows when that was.
        let asked = age.map_or(0, |age| micros(now.steady.saturating_sub(age)));
        self.covers(marks, |until| asked <= until.asked)
    }

    /// Whether a token that is verified here alone is revoked.
    pub fn revokes(&self, token: &AccessToken, marks: &Marks, now: UnixTime) -> bool {
        let issued = token.issued_at().ok().flatten().map_or(0, |iat| u64::try_from(iat).unwrap_or_default());
        self.covers(marks, |until| {
            let is_remembered = now.as_secs() < until.issued.saturating_add(self.keep.as_secs());
            until.issued > 0 && issued <= until.issued && is_remembered
        })
    }

    fn covers(&self, marks: &Marks, is_covered: impl Fn(&Until) -> bool) -> bool {
        is_covered(&self.floor) || marks.iter().any(|mark| self.revoked.get(mark).is_some_and(&is_covered))
    }
}

fn micros(steady: Steady) -> u64 {
    u64::try_from(steady.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
#[allow(clippy::manual_is_multiple_of, reason = "newer than the oldest compiler that counts")]
mod tests {
    use std::time::Duration;

    use super::{MOST, Revocations, micros};
    use crate::base::ids::ProviderId;
    use crate::base::json::Value;
    use crate::base::moment::Moment;
    use crate::base::random::Nonces;
    use crate::base::store::common::Common;
    use crate::base::store::{Own, Seen, Store};
    use crate::base::time::UnixTime;
    use crate::decision::receipt::Taken;
    use crate::provider::Provider;
    use crate::revocation::event::{Effect, Event};
    use crate::revocation::marks::Mark;
    use crate::revocation::ring::{CAPACITY, Until};
    use crate::revocation::subject::{By, Target};
    use crate::token::access_token::AccessToken;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const START: u64 = 1_800_000_000;

    fn worker(store: &Own) -> Revocations {
        let common = Common::of(store, &Nonces::new([1, 2])).unwrap();
        let hour = Duration::from_secs(3600);
        let mut one = Revocations::new(&common, b"plugin", &Provider::bare(), hour);
        one.catch_up(store);
        one
    }

    fn at(millis: u64) -> Moment {
        let wall = UnixTime::from_secs(START).plus(Duration::from_millis(millis));
        Moment { wall, steady: Duration::from_secs(1000) + Duration::from_millis(millis) }
    }

    fn event(id: &str, user: &str, now: Moment) -> Event {
        let targets = vec![Target { by: By::User, value: user.to_owned() }];
        let at = now.wall.as_secs();
        Event { id: id.to_owned(), at, said: at, effect: Effect::Revoke, targets, name: "test" }
    }

    fn ends(one: &Revocations, user: &str, asked: Moment, now: Moment) -> bool {
        let claims = [("sub".to_owned(), Value::from(user))].into_iter().collect();
        let marks = one.marks(&AccessToken::new(ProviderId(0), claims).unwrap());
        one.ends(&marks, asked.wall, now)
    }

    #[test]
    fn more_events_than_are_kept_revoke_more_and_never_less() {
        // EVT-16
        let store = Own::default();
        let [mut sender, mut idle] = [(); 2].map(|()| worker(&store));
        assert_eq!(sender.announce(&store, &event("first", "alice", at(0)), at(0)), Some(Taken::Applied));
        let end = CAPACITY as u64 + 200;
        for n in 1..end {
            let other = event(&n.to_string(), &n.to_string(), at(n));
            assert_eq!(sender.announce(&store, &other, at(n)), Some(Taken::Applied), "{n}");
            sender.catch_up(&store);
            sender.tidy(at(n).steady);
        }
        let (keys, bytes) = store.size();
        assert!(keys <= 2 + 256 && bytes < 700_000, "{keys} {bytes}");
        let now = at(end);
        idle.catch_up(&store);
        for one in [&sender, &idle, &worker(&store)] {
            assert!(ends(one, "alice", at(0), now), "it is known, or everything up to then counts no more");
            assert!(!ends(one, "alice", at(end - 5), now), "what was asked since");
            assert!(ends(one, "16000", at(15_000), now) && !ends(one, "bob", at(15_000), now));
        }
        assert!(ends(&worker(&store), "bob", at(0), now), "what was pushed out may have been about him");
        // A day later there is nothing to keep.
        let later = at(86_400_000);
        sender.announce(&store, &event("late", "carol", later), later);
        sender.catch_up(&store);
        sender.tidy(later.steady);
        assert_eq!(sender.revoked.len(), 2);
        assert!(ends(&sender, "carol", at(86_399_000), later));
    }

    #[test]
    fn what_is_kept_is_bounded_within_the_minute_as_well() {
        // EVT-16
        let mut one = worker(&Own::default());
        for n in 1..=MOST as u64 {
            one.revoked.insert(Mark(n), Until { asked: n, issued: 0 });
        }
        one.tidy(at(0).steady);
        assert_eq!(one.revoked.len(), MOST);
        let asked = micros(at(0).steady);
        one.revoked.insert(Mark(MOST as u64 + 1), Until { asked, issued: 0 });
        one.tidy(at(1).steady);
        assert_eq!(one.revoked.len(), 0);
        assert!(ends(&one, "anybody", at(0), at(10)) && !ends(&one, "anybody", at(2), at(10)));
    }

    #[test]
    fn a_later_event_takes_nothing_back() {
        // EVT-13
        let store = Own::default();
        let mut one = worker(&store);
        one.announce(&store, &event("first", "alice", at(0)), at(0));
        let again = Event { effect: Effect::AskAgain, ..event("second", "alice", at(5000)) };
        one.announce(&store, &again, at(5000));
        one.catch_up(&store);
        let revokes = |iat: u64| {
            let claims = [("sub".to_owned(), Value::from("alice")), ("iat".to_owned(), Value::from(iat))];
            let token = AccessToken::new(ProviderId(0), claims.into_iter().collect()).unwrap();
            one.revokes(&token, &one.marks(&token), at(6000).wall)
        };
        assert!(revokes(START - 10) && revokes(START), "of the very second, too");
        assert!(!revokes(START + 1), "what is issued since is a new decision");
    }

    #[test]
    fn what_was_asked_for_at_the_moment_of_the_event_counts_no_more() {
        // EVT-13
        let store = Own::default();
        let mut one = worker(&store);
        one.announce(&store, &event("first", "alice", at(500)), at(500));
        one.catch_up(&store);
        let until = one.revoked.entries().iter().map(|(_, until)| until.asked).max().unwrap();
        let asked = at(until.div_ceil(1000) - 1_000_000);
        assert_eq!(u128::from(until), asked.steady.as_micros(), "a whole millisecond");
        assert!(ends(&one, "alice", asked, at(2000)));
        assert!(!ends(&one, "alice", at(2000), at(2000)));
    }

    #[test]
    fn an_event_counts_once_and_while_it_matters() {
        // EVT-13
        let store = Own::default();
        let mut one = worker(&store);
        let first = event("first", "alice", at(0));
        assert_eq!(one.announce(&store, &first, at(0)), Some(Taken::Applied));
        one.catch_up(&store);
        assert_eq!(one.announce(&store, &first, at(5)), Some(Taken::Repeated));
        let old = event("old", "alice", at(0));
        assert_eq!(
            one.announce(&store, &old, at(3_800_000)),
            Some(Taken::Ignored),
            "nothing is cached so long"
        );
        for (name, other) in [
            ("nobody", Event { targets: Vec::new(), ..event("a", "x", at(0)) }),
            ("nothing", Event { effect: Effect::None, ..event("b", "x", at(0)) }),
        ] {
            assert_eq!(one.announce(&store, &other, at(0)), Some(Taken::Ignored), "{name}");
        }
    }

    /// A store that another worker gets to before each write.
    #[derive(Debug)]
    struct Busy(Own, std::cell::Cell<u64>);

    impl Store for Busy {
        fn get(&self, key: &str) -> (Vec<u8>, Seen) {
            self.0.get(key)
        }

        fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
            let n = self.1.get();
            self.1.set(n + 1);
            if n % 3 == 0 {
                let mut other = worker(&self.0);
                other.announce(&self.0, &event(&format!("other-{n}"), &format!("other-{n}"), at(n)), at(n));
            }
            self.0.set(key, value, seen)
        }
    }

    #[test]
    fn workers_that_write_at_the_same_time_lose_nothing() {
        // EVT-11
        let store = Busy(Own::default(), std::cell::Cell::new(0));
        let mut one = worker(&store.0);
        for n in 0..150_u64 {
            let own = event(&format!("own-{n}"), &format!("own-{n}"), at(n));
            assert_eq!(one.announce(&store, &own, at(n)), Some(Taken::Applied), "{n}");
        }
        let reader = worker(&store.0);
        let now = at(10_000);
        assert!((0..150).all(|n| ends(&reader, &format!("own-{n}"), at(0), now)));
        let others = (0..store.1.get()).filter(|n| n % 3 == 0);
        assert!(others.clone().count() > 50);
        assert!(others.map(|n| format!("other-{n}")).all(|other| ends(&reader, &other, at(0), now)));
    }

    /// Another worker writes an event before each of this one's, and dies before it has counted it.
    #[derive(Debug)]
    struct Dying(Own, std::cell::Cell<u64>);

    /// Counts nothing.
    #[derive(Debug)]
    struct Uncounted<'a>(&'a Own);

    const COUNT: usize = 8;

    impl Store for Dying {
        fn get(&self, key: &str) -> (Vec<u8>, Seen) {
            self.0.get(key)
        }

        fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
            let n = self.1.replace(self.1.get() + 1);
            if value.len() > COUNT && n.is_multiple_of(7) {
                let mut other = worker(&self.0);
                let event = event(&format!("other-{n}"), &format!("other-{n}"), at(0));
                assert_eq!(other.announce(&Uncounted(&self.0), &event, at(0)), None);
            }
            self.0.set(key, value, seen)
        }
    }

    impl Store for Uncounted<'_> {
        fn get(&self, key: &str) -> (Vec<u8>, Seen) {
            self.0.get(key)
        }

        fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
            value.len() > COUNT && self.0.set(key, value, seen)
        }
    }

    #[test]
    fn an_event_that_is_acknowledged_is_there_whatever_others_leave_behind() {
        // EVT-11, EVT-17
        let store = Dying(Own::default(), std::cell::Cell::new(0));
        let mut one = worker(&store.0);
        let taken = |n: &u64| {
            let own = event(&format!("own-{n}"), &format!("own-{n}"), at(*n));
            one.announce(&store, &own, at(*n)) == Some(Taken::Applied)
        };
        let kept: Vec<u64> = (0..150).filter(taken).collect();
        assert!(kept.len() > 100, "{}", kept.len());
        let reader = worker(&store.0);
        let lost: Vec<_> =
            kept.iter().filter(|n| !ends(&reader, &format!("own-{n}"), at(0), at(10_000))).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn a_worker_that_outlives_the_shared_data_begins_anew() {
        // EVT-11
        let (before, after) = (Own::default(), Own::default());
        let mut one = worker(&before);
        for n in 0..5 {
            one.announce(&before, &event(&n.to_string(), "alice", at(n)), at(n));
            one.catch_up(&before);
        }
        worker(&after).announce(&after, &event("new", "bob", at(10)), at(10));
        one.catch_up(&after);
        assert!(ends(&one, "bob", at(0), at(20)) && ends(&one, "alice", at(0), at(20)));
    }

    #[test]
    fn what_cannot_be_kept_is_not_acknowledged() {
        // EVT-17
        #[derive(Debug)]
        struct Full;
        impl Store for Full {
            fn get(&self, _: &str) -> (Vec<u8>, Seen) {
                (Vec::new(), Seen::Nothing)
            }
            fn set(&self, _: &str, _: &[u8], _: Seen) -> bool {
                false
            }
        }
        let mut one = worker(&Own::default());
        assert_eq!(one.announce(&Full, &event("a", "alice", at(0)), at(0)), None);
    }

    /// A store that is full after so many writes.
    #[derive(Debug)]
    struct Filling(Own, std::cell::Cell<u64>);

    impl Store for Filling {
        fn get(&self, key: &str) -> (Vec<u8>, Seen) {
            self.0.get(key)
        }

        fn set(&self, key: &str, value: &[u8], seen: Seen) -> bool {
            let left = self.1.get().checked_sub(1);
            left.is_some_and(|left| {
                self.1.set(left);
                self.0.set(key, value, seen)
            })
        }
    }

    #[test]
    fn an_event_of_which_a_part_was_kept_counts_in_full_when_it_comes_again() {
        // EVT-17
        let users = ["alice", "bob", "carol", "dan", "eve"];
        let targets = users.map(|user| Target { by: By::User, value: user.to_owned() }).to_vec();
        let event = Event { targets, ..event("all", "", at(0)) };
        let mut refused = 0;
        for writes in 0..10 {
            let store = Filling(Own::default(), std::cell::Cell::new(u64::MAX));
            let mut one = worker(&store.0);
            store.1.set(writes);
            let first = one.announce(&store, &event, at(0));
            one.catch_up(&store);
            store.1.set(u64::MAX);
            let second = one.announce(&store, &event, at(5));
            one.catch_up(&store);
            assert!(second.is_some() && second != Some(Taken::Ignored), "{writes}");
            assert!(users.iter().all(|user| ends(&one, user, at(0), at(10))), "{writes}");
            refused += usize::from(first.is_none());
        }
        assert!((2..10).contains(&refused), "{refused}");
    }

    #[test]
    fn whatever_else_lies_there_revokes_nothing_for_ever() {
        let store = Own::default();
        let mut one = worker(&store);
        let now = at(0);
        one.announce(&store, &event("a", "alice", now), now);
        let keys: Vec<String> = store.all().into_iter().map(|(key, _)| key).collect();
        for key in keys.iter().filter(|key| key.contains(".events.")) {
            for junk in [&b""[..], b"x", &[0xff; 40], &[1; 3000]] {
                let before = store.get(key).0;
                store.put(key, junk);
                let mut reader = worker(&store);
                reader.catch_up(&store);
                reader.announce(&store, &event("b", "bob", now), now);
                store.put(key, &before);
            }
        }
    }
}
