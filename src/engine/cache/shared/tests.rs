//! What workers learn from one another.

use super::record::{HEAD, Kind, records, write};
use super::{Claim, Ending, MARKS, Shared, key};
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
    let (said, asked) = shared.look(store, &digest(token)).answer(ProviderId(0), now, None)?;
    Some((said, asked.as_secs() - 1_000_000))
}

fn claim(store: &dyn Store, shared: Shared, token: &str, now: Moment, since: Moment) -> Claim {
    let place = shared.look(store, &digest(token));
    shared.claim(store, &place, now.steady, Duration::from_secs(4), since.steady)
}

/// How many records of each kind there are: active tokens, inactive ones, marks.
fn count(value: &[u8]) -> [usize; 3] {
    let mut count = [0; 3];
    for record in records(value) {
        count[match record.kind {
            Kind::Active => 0,
            Kind::Inactive => 1,
            _ => 2,
        }] += 1;
    }
    count
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
    let place = shared.look(&store, &digest("one"));
    assert_eq!(place.answer(ProviderId(0), at(5), after), None);
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
fn an_older_response_takes_no_newer_one_away() {
    // INT-26
    let (store, shared) = (Own::default(), Shared::new(&cache(16)));
    remember(&store, shared, "one", Introspection::Inactive, at(5));
    remember(&store, shared, "one", active(CLAIMS), at(0));
    assert_eq!(recall(&store, shared, "one", at(9)), Some((Introspection::Inactive, 5)));
}

#[test]
fn a_response_that_is_not_shared_takes_the_one_before_away() {
    // INT-26: what is not shared may be that the token is inactive.
    let (store, shared) = (Own::default(), Shared::new(&cache(16)));
    remember(&store, shared, "one", active(CLAIMS), at(0));
    assert_eq!(claim(&store, shared, "one", at(5), at(5)), Claim::Ours);
    shared.release(&store, &digest("one"), at(6).steady, Ending::NotShared);
    assert_eq!(recall(&store, shared, "one", at(7)), None);
}

#[test]
fn where_no_inactive_token_is_cached_none_is_shared() {
    let (store, shared) = (Own::default(), Shared::new(&CacheTimes { negative_max_entries: 0, ..cache(16) }));
    remember(&store, shared, "one", Introspection::Inactive, at(0));
    assert_eq!(recall(&store, shared, "one", at(1)), None);
    remember(&store, shared, "one", active(CLAIMS), at(2));
    assert!(recall(&store, shared, "one", at(3)).is_some());
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
    for (max, negative, places, want) in
        [(64, 16, 1024, [2, 2, MARKS]), (2048, 1024, 1024, [4, 2, MARKS]), (16, 8192, 4096, [2, 4, MARKS])]
    {
        let times = CacheTimes { negative_max_entries: negative, ..cache(max) };
        let (store, shared) = (Own::default(), Shared::new(&times));
        remember(&store, shared, "good", active(CLAIMS), at(0));
        for n in 0..6000 {
            let token = format!("garbage-{n}");
            claim(&store, shared, &token, at(1), at(1));
            if n % 2 == 0 {
                remember(&store, shared, &token, Introspection::Inactive, at(1));
            }
        }
        assert!(recall(&store, shared, "good", at(5)).is_some());
        for n in 0..6000 {
            remember(&store, shared, &format!("token-{n}"), active(CLAIMS), at(2));
        }
        let all = store.all();
        assert!(all.len() <= places, "{}", all.len());
        let most = all.iter().map(|(_, value)| count(value));
        let most = most.reduce(|a, b| std::array::from_fn(|at| a[at].max(b[at]))).unwrap();
        assert_eq!(most, want, "{max} {negative}");
    }
}

#[test]
fn the_oldest_of_a_kind_makes_room() {
    let (store, shared) = (Own::default(), Shared { places: 1, active: 2, inactive: 1 });
    let all @ [a, b, c, d, bad] = ["token-a", "token-b", "token-c", "token-d", "bad-token"];
    for (n, token) in [a, b, c].into_iter().enumerate() {
        claim(&store, shared, token, at(n as u64), at(n as u64));
        remember(&store, shared, token, active(CLAIMS), at(n as u64));
    }
    remember(&store, shared, bad, Introspection::Inactive, at(3));
    remember(&store, shared, b, active(CLAIMS), at(4));
    remember(&store, shared, d, active(CLAIMS), at(5));
    let is_there = |token| recall(&store, shared, token, at(9)).is_some();
    assert_eq!(all.map(is_there), [false, true, false, true, true]);
    // A call for a token that is known leaves what is known.
    assert_eq!(claim(&store, shared, b, at(6), at(6)), Claim::Ours);
    assert!(is_there(b));
    assert_eq!(store.all().iter().map(|(_, value)| count(value)).collect::<Vec<_>>(), [[2, 1, 1]]);
    shared.release(&store, &digest(b), at(7).steady, Ending::Over);
    assert!(is_there(b));
    assert_eq!(claim(&store, shared, b, at(7), at(7)), Claim::Ours);
}

#[test]
fn a_response_to_a_later_call_is_waited_for() {
    // INT-32: it was asked for since this worker read the clock
    let (store, shared) = (Own::default(), Shared::new(&cache(16)));
    remember(&store, shared, "one", active(CLAIMS), at(5));
    assert_eq!(recall(&store, shared, "one", at(4)), None);
    assert_eq!(claim(&store, shared, "one", at(4), at(4)), Claim::Theirs);
    assert_eq!(claim(&store, shared, "one", at(5), at(5)), Claim::Ours);
}

#[test]
fn keys_are_numbers() {
    for (place, want) in [(0, "0"), (9, "9"), (0x1f, "1f"), (0xabc, "abc"), (u64::MAX, "ffffffffffffffff")] {
        assert_eq!(key(place), format!("tollgate.2.token.{want}"));
    }
}

#[test]
fn nothing_that_lies_there_shows_a_token() {
    // INT-28, OAU-22
    let (store, shared) = (Own::default(), Shared::new(&cache(16)));
    remember(&store, shared, "a-token", active(CLAIMS), at(0));
    remember(&store, shared, "told", active(r#"{"active":true,"exp":2000000,"access_token":"told"}"#), at(0));
    remember(&store, shared, "bad-token", Introspection::Inactive, at(0));
    for (key, value) in store.all() {
        let text = format!("{key} {}", String::from_utf8_lossy(&value));
        assert!(!text.contains("a-token") && !text.contains("told") && !text.contains("bad-token"), "{text}");
    }
    assert!(recall(&store, shared, "a-token", at(1)).is_some());
    assert!(recall(&store, shared, "told", at(1)).is_none());
}

#[test]
fn one_worker_asks_and_the_others_wait() {
    // INT-32
    let (store, shared) = (Own::default(), Shared::new(&cache(16)));
    let claim = |now: u64, since: u64| claim(&store, shared, "one", at(now), at(since));
    assert_eq!(claim(0, 0), Claim::Ours);
    assert_eq!(claim(1, 1), Claim::Theirs);
    assert_eq!(claim(4, 1), Claim::Ours, "who has asked for too long is not waited for");
    shared.release(&store, &digest("one"), at(5).steady, Ending::Over);
    assert_eq!((claim(5, 5), claim(6, 6)), (Claim::Ours, Claim::Theirs));
    let failures = [
        (Rejection::NoAnswer { cause: NoAnswer::Status(503), retry_after: Some(3) }, NoAnswer::Failed),
        (Rejection::NoAnswer { cause: NoAnswer::NotDispatched, retry_after: None }, NoAnswer::Failed),
    ];
    for (failure, cause) in failures {
        shared.release(&store, &digest("one"), at(6).steady, Ending::Failed(&failure));
        assert_eq!(claim(6, 5), Claim::Failed(Rejection::NoAnswer { cause, retry_after: None }));
        assert_eq!(claim(8, 7), Claim::Ours, "a failure is not remembered"); // INT-27
    }
    let bad = Rejection::BadAnswer { cause: BadAnswer::NotJson };
    shared.release(&store, &digest("one"), at(9).steady, Ending::Failed(&bad));
    assert_eq!(claim(9, 8), Claim::Failed(Rejection::BadAnswer { cause: BadAnswer::Elsewhere }));
    assert_eq!(claim(9, 9), Claim::Failed(Rejection::BadAnswer { cause: BadAnswer::Elsewhere }));
    assert_eq!(claim(10, 10), Claim::Ours);
    // An answer that nobody else can use: everybody asks, from now on.
    shared.release(&store, &digest("one"), at(11).steady, Ending::NotShared);
    assert_eq!((claim(11, 10), claim(11, 10), claim(99, 99)), (Claim::Ours, Claim::Ours, Claim::Ours));
    shared.release(&store, &digest("one"), at(99).steady, Ending::Over);
    assert_eq!((claim(101, 101), claim(101, 101)), (Claim::Ours, Claim::Theirs));
    // A response takes the place of the mark.
    remember(&store, shared, "one", active(CLAIMS), at(101));
    assert_eq!(claim(102, 102), Claim::Ours);
}

#[test]
fn two_workers_that_look_at_the_same_time_do_not_both_ask() {
    // INT-32: as Envoy's workers do, each in a thread of its own
    let shared = Shared::new(&cache(16));
    let store = Meanwhile { store: Own::default(), other: RefCell::default() };
    for turn in 0..2 {
        let now = at(turn * 10);
        store.other.replace(Some(Box::new(move |store| claim(store, shared, "one", now, now))));
        let own = claim(&store, shared, "one", now, now);
        assert_eq!((own, store.other.take().is_none()), (Claim::Theirs, true), "turn {turn}");
        shared.release(&store.store, &digest("one"), now.steady, Ending::Over);
    }
    assert_eq!(store.store.size().0, 1);
    // The first version emptied places instead of writing that there is nothing.
    let now = at(20);
    store.store.put(&shared.look(&store.store, &digest("one")).key, b"");
    store.other.replace(Some(Box::new(move |store| claim(store, shared, "one", now, now))));
    assert_eq!(claim(&store, shared, "one", now, now), Claim::Theirs);
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
    let key = shared.look(&store, &digest("one")).key;
    let mut cut = Vec::new();
    write(&mut cut, Kind::Active, &digest("one"), at(0), CLAIMS.as_bytes());
    cut.pop();
    for junk in [&b""[..], b"x", &[1; HEAD - 1], &[9; HEAD], &[1; 60], &[0xff; 200], &cut] {
        store.put(&key, junk);
        assert_eq!(recall(&store, shared, "one", at(0)), None);
        assert_eq!(claim(&store, shared, "one", at(0), at(0)), Claim::Ours);
        remember(&store, shared, "one", active(CLAIMS), at(0));
        assert!(recall(&store, shared, "one", at(0)).is_some());
    }
}

/// A store in which somebody else is always first.
#[derive(Debug, Default)]
struct Taken(Own);

impl Store for Taken {
    fn get(&self, key: &str) -> (Vec<u8>, Seen) {
        self.0.get(key)
    }

    fn set(&self, _: &str, _: &[u8], _: Seen) -> bool {
        false
    }
}

#[test]
fn who_could_not_write_has_not_shared() {
    // The others are told so, and ask themselves.
    let (store, shared) = (Taken::default(), Shared::new(&cache(16)));
    let entry = Entry::new(Introspection::Inactive, at(0).wall, &cache(16), 0, None);
    assert!(!shared.remember(&store, &digest("one"), &Secret::new("one"), &entry, at(0).steady));
}
