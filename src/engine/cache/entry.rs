//! One response, and how long it may serve.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Duration;

use crate::base::hash::sha256;
use crate::base::secret::Secret;
use crate::base::time::{UnixTime, part};
use crate::decision::IdentityFields;
use crate::policy::cache_times::CacheTimes;
use crate::provider::Provider;
use crate::provider::introspection::reply::Introspection;
use crate::revocation::marks::Marks;
use crate::upstream::Upstream;

/// What an authorization server said about a token, and until when that may be believed.
#[derive(Debug)]
pub struct Entry {
    said: Introspection,
    asked: UnixTime,
    fresh_until: UnixTime,
    stale_until: UnixTime,
    refresh_from: Cell<Option<UnixTime>>,
    /// What it is found by when something is revoked, where that can be.
    marks: Option<Box<Marks>>,
    identity: OnceCell<Rc<IdentityFields>>,
    /// What [`Self::hashes`] has computed.
    hashes: OnceCell<Vec<String>>,
}

/// Whether an entry may be used at some moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Age {
    /// It is used.
    Fresh,
    /// It is used only if the provider is unavailable.
    Stale,
    /// It is over.
    Over,
}

impl Entry {
    /// An entry for a response to a call made at `asked`. Its time counts from then, not from the response: the
    /// server may have read its data at once. `spread` is any number that differs between tokens. `before` is
    /// the entry that this one replaces.
    pub fn new(
        said: Introspection,
        asked: UnixTime,
        times: &CacheTimes,
        spread: u64,
        before: Option<&Self>,
    ) -> Self {
        let (span, exp) = match &said {
            Introspection::Inactive | Introspection::Contradicts(_) => (times.negative_ttl, None),
            Introspection::Active(token) => match token.exp {
                Some(exp) => (times.ttl, Some(UnixTime::from_secs(u64::try_from(exp).unwrap_or_default()))),
                None => (times.ttl_without_exp, None),
            },
        };
        let end = exp.unwrap_or(UnixTime::MAX);
        let fresh_until = asked.plus(shortened(span, times.ttl_jitter, spread)).min(end);
        let is_active = matches!(said, Introspection::Active(_));
        let stale_until =
            if is_active { fresh_until.plus(times.stale_if_error).min(end) } else { fresh_until };
        let window = times.refresh_ahead.min(part(asked.until(fresh_until), 1, 2));
        // Where `exp` is the end and a call has not moved it, another one will not either.
        let renewable = fresh_until < end || before.is_none_or(|before| before.fresh_until < end);
        let refreshes = is_active && renewable && window > Duration::ZERO;
        Self {
            said,
            asked,
            fresh_until,
            stale_until,
            refresh_from: Cell::new(refreshes.then(|| fresh_until.minus(window))),
            marks: None,
            identity: OnceCell::new(),
            hashes: OnceCell::new(),
        }
    }

    /// The same, with what it is found by when something is revoked.
    #[must_use]
    pub(super) fn marked(self, marks: Option<Box<Marks>>) -> Self {
        Self { marks, ..self }
    }

    /// What it is found by when something is revoked.
    pub(super) fn marks(&self) -> Option<&Marks> {
        self.marks.as_deref()
    }

    /// What the authorization server said.
    pub fn said(&self) -> &Introspection {
        &self.said
    }

    /// When the call was made.
    pub fn asked(&self) -> UnixTime {
        self.asked
    }

    /// Whether it lives at all.
    pub fn is_worth_keeping(&self) -> bool {
        self.fresh_until > self.asked
    }

    /// Whether it may be used now. If the clock shows a time before the call, it has been set back and the
    /// entry's age is unknown; the entry is over.
    pub fn age(&self, now: UnixTime) -> Age {
        if now < self.asked || now >= self.stale_until {
            Age::Over
        } else if now < self.fresh_until {
            Age::Fresh
        } else {
            Age::Stale
        }
    }

    /// Whether to introspect the token again before the entry expires. Returns true once;
    /// [`Self::ask_again_after`] resets that.
    pub fn wants_refresh(&self, now: UnixTime) -> bool {
        let due = self.refresh_from.get().is_some_and(|from| now >= from);
        if due {
            self.refresh_from.set(None);
        }
        due
    }

    /// The refresh did not come to anything: try again later.
    pub fn ask_again_after(&self, later: UnixTime) {
        self.refresh_from.set(Some(later));
    }

    /// What an operator's list knows this token by, computed once: its SHA-256 in hexadecimal digits, and of a JWT that of
    /// its first two parts. There are many spellings of a signature, and a thief can choose among them.
    #[cold]
    #[inline(never)]
    pub fn hashes(&self, token: &Secret) -> &[String] {
        self.hashes.get_or_init(|| {
            let token = token.expose().as_bytes();
            let mut dots = token.iter().enumerate().filter(|(_, byte)| **byte == b'.');
            let signed = dots.nth(1).and_then(|(at, _)| token.get(..at));
            let mut hashes = vec![hexadecimal(token)];
            hashes.extend(signed.map(hexadecimal));
            hashes
        })
    }

    /// The identity fields for this token, made once.
    pub fn identity(&self, upstream: &Upstream, provider: Option<&Provider>) -> Rc<IdentityFields> {
        let make = || match &self.said {
            Introspection::Active(token) => {
                let client_id = provider.and_then(|provider| token.client_id(&provider.tokens));
                Rc::new(upstream.identity(&token.claims, client_id))
            }
            Introspection::Inactive | Introspection::Contradicts(_) => Rc::default(),
        };
        Rc::clone(self.identity.get_or_init(make))
    }
}

/// The SHA-256 in hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    let hash = sha256(&[bytes]);
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

/// Up to so many per cent less.
fn shortened(span: Duration, per_cent: u32, spread: u64) -> Duration {
    let most = part(span, per_cent, 100);
    span.saturating_sub(part(most, u32::try_from(spread % 1024).unwrap_or_default(), 1024))
}

#[cfg(test)]
mod tests {
    use super::{Age, Entry};
    use crate::base::ids::ProviderId;
    use crate::base::secret::Secret;
    use crate::base::time::UnixTime;
    use crate::policy::cache_times::CacheTimes;
    use crate::provider::introspection::reply::Introspection;
    use crate::token::access_token::AccessToken;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn times() -> CacheTimes {
        CacheTimes {
            max_entries: 10,
            ttl: Duration::from_secs(100),
            ttl_without_exp: Duration::from_secs(20),
            negative_ttl: Duration::from_secs(10),
            negative_max_entries: 10,
            refresh_ahead: Duration::from_secs(30),
            stale_if_error: Duration::from_secs(50),
            ..CacheTimes::default()
        }
    }

    fn active(exp: Option<i64>) -> Introspection {
        let claims = exp.map(|exp| ("exp".to_owned(), exp.into())).into_iter().collect();
        Introspection::Active(AccessToken::new(ProviderId(0), claims).unwrap())
    }

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn an_entry_lives_as_long_as_it_may_and_no_longer() {
        // INT-23, INT-24, INT-25, INT-27, PWX-15; asked at 1000
        #[rustfmt::skip]
        let cases = [
            ("ttl ends it",                     active(Some(5000)),          1099, Age::Fresh),
            ("then it is stale",                active(Some(5000)),          1100, Age::Stale),
            ("until the patience ends",         active(Some(5000)),          1150, Age::Over),
            ("exp ends it sooner",              active(Some(1060)),          1059, Age::Fresh),
            ("and nothing is stale after exp",  active(Some(1060)),          1060, Age::Over),
            ("exp ends a stale one",            active(Some(1120)),          1119, Age::Stale),
            ("for good",                        active(Some(1120)),          1120, Age::Over),
            ("without exp, its own ttl",        active(None),                1019, Age::Fresh),
            ("then stale too",                  active(None),                1020, Age::Stale),
            ("an absurd exp",                   active(Some(i64::MAX)),      1100, Age::Stale),
            ("a negative exp",                  active(Some(-1)),            1000, Age::Over),
            ("inactive, briefly",               Introspection::Inactive,     1009, Age::Fresh),
            ("and never stale",                 Introspection::Inactive,     1010, Age::Over),
            ("the clock was set back",          active(Some(5000)),           999, Age::Over),
        ];
        for (name, said, now, want) in cases {
            assert_eq!(Entry::new(said, at(1000), &times(), 0, None).age(at(now)), want, "{name}");
        }
        assert!(!Entry::new(active(Some(1000)), at(1000), &times(), 0, None).is_worth_keeping());
        let unkept = CacheTimes { ttl_without_exp: Duration::ZERO, ..times() };
        assert!(!Entry::new(active(None), at(1000), &unkept, 0, None).is_worth_keeping()); // INT-25
    }

    #[test]
    fn jitter_only_shortens() {
        let times = CacheTimes { ttl_jitter: 10, stale_if_error: Duration::ZERO, ..times() };
        let entry = |spread| Entry::new(active(Some(5000)), at(1000), &times, spread, None);
        let ends: Vec<u64> = (0..2048).map(|spread| entry(spread).fresh_until.as_millis()).collect();
        assert_eq!(ends.iter().max(), Some(&1_100_000));
        assert!(ends.iter().all(|end| *end > 1_090_000));
        assert!(ends.iter().min() < Some(&1_090_100));
    }

    #[test]
    fn a_refresh_is_wanted_once_and_ahead_of_the_end() {
        let entry = Entry::new(active(Some(5000)), at(1000), &times(), 0, None);
        assert!(!entry.wants_refresh(at(1069)));
        assert!(entry.wants_refresh(at(1070)));
        assert!(!entry.wants_refresh(at(1071)));
        entry.ask_again_after(at(1075));
        assert!(!entry.wants_refresh(at(1074)));
        assert!(entry.wants_refresh(at(1075)));
        let short = CacheTimes { ttl: Duration::from_secs(10), ..times() };
        let entry = Entry::new(active(Some(5000)), at(1000), &short, 0, None);
        assert!(!entry.wants_refresh(at(1004)), "at most half of its life");
        assert!(entry.wants_refresh(at(1005)));
        assert!(!Entry::new(Introspection::Inactive, at(1000), &times(), 0, None).wants_refresh(at(1009)));
    }

    #[test]
    fn what_an_operator_s_list_knows_a_token_by_is_computed_once() {
        let hashes = |token: &str| {
            let entry = Entry::new(active(None), at(1000), &times(), 0, None);
            let (token, other) = (Secret::new(token), Secret::new(""));
            let hashes = entry.hashes(&token);
            assert!(std::ptr::eq(hashes, entry.hashes(&other)), "streams that last are judged every second");
            hashes.to_vec()
        };
        // `printf abc | sha256sum`
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hashes("abc"), [abc]);
        let (one, other) = (hashes("a.b.c"), hashes("a.b.d"));
        assert_eq!((one.len(), &one[1]), (2, &other[1]), "what is signed");
        assert_ne!(one[0], other[0]);
        assert_eq!(hashes("a.b")[0], one[1]);
    }

    #[test]
    fn an_exp_that_a_call_has_not_moved_is_not_asked_about_again() {
        let first = Entry::new(active(Some(1060)), at(1000), &times(), 0, None);
        assert!(first.wants_refresh(at(1030)), "it might have been prolonged");
        let second = Entry::new(active(Some(1060)), at(1030), &times(), 0, Some(&first));
        assert!(!second.wants_refresh(at(1059)));
        let moved = Entry::new(active(Some(1090)), at(1030), &times(), 0, Some(&first));
        assert!(moved.wants_refresh(at(1089)));
    }
}
