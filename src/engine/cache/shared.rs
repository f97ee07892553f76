//! The cache that all workers of a proxy share, in the host's shared data.
//!
//! The host keeps this data forever and evicts nothing. The keys are therefore the numbers of a fixed number of
//! places. A token has one place, which it shares with others, and each record in it says which token it is about. A
//! place holds a few active tokens, a few inactive ones, and a few marks. Each of the three kinds pushes out its own
//! oldest record, so that garbage never pushes out an active token.
//!
//! A mark coordinates calls: a worker that introspects a token leaves one, and other workers wait for the response
//! instead of making a second call. Because the response and the mark are in one place, one look shows both, and one
//! write replaces the mark with the response: a miss reads twice and writes twice. Nothing depends on this data: if a
//! mark or a response is lost, one more call is made.

mod record;

use std::time::Duration;

use crate::base::ids::ProviderId;
use crate::base::json;
use crate::base::moment::{Moment, Steady};
use crate::base::secret::Secret;
use crate::base::store::{NOTHING, Seen, Store};
use crate::base::time::UnixTime;
use crate::cache::entry::Entry;
use crate::cache::shared::record::{HEAD, Kind, Record, records, write};
use crate::decision::Rejection;
use crate::policy::cache_times::CacheTimes;
use crate::provider::introspection::reply::Introspection;
use crate::token::key::TokenDigest;

/// The shared level as one policy uses it.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    /// How many places there are: a power of two.
    places: u64,
    /// How many active tokens a place holds.
    active: usize,
    /// How many inactive ones.
    inactive: usize,
}

/// The place of a token, as one look has found it.
#[derive(Debug)]
pub struct Place {
    digest: TokenDigest,
    key: String,
    bytes: Vec<u8>,
    seen: Seen,
}

/// The result of an attempt to claim a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// Go on: everybody knows that you do.
    Ours,
    /// Another worker is making the call.
    Theirs,
    /// Another worker's call has just failed.
    Failed(Rejection),
}

/// How a question that was announced has ended without a response for all workers.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'a> {
    /// No request waits for it any more, or every worker has to find out by itself.
    Over,
    /// It has a response that is not shared: other workers have to make a call of their own.
    NotShared,
    /// It has none.
    Failed(&'a Rejection),
}

/// The longest response that is shared, in bytes; longer ones stay with the worker that got them.
pub const MAX_SHARED: usize = 16_384;

const NAME: &str = "tollgate.2.token.";
/// The minimum number of places: calls for many tokens can be under way, however few are cached.
const LEAST_PLACES: u64 = 1024;
/// The minimum number of records of a kind in one place: two tokens that meet there must not push each other out in turn.
const LEAST: u64 = 2;
/// The maximum number.
const MOST: u64 = 4;
const MARKS: usize = 4;

impl Shared {
    /// The places that such a cache needs. They have room for twice as many tokens as a worker caches: tokens are
    /// spread over them by chance, and few places may be full.
    pub fn new(cache: &CacheTimes) -> Self {
        let [active, inactive] = [cache.max_entries, cache.negative_max_entries]
            .map(|max| u64::try_from(max.next_power_of_two()).unwrap_or(u64::MAX));
        let places = LEAST_PLACES.max(active / 2).max(inactive / 2);
        let each = |all: u64| {
            let twice = all.saturating_mul(2).checked_div(places).unwrap_or_default();
            usize::try_from(twice.clamp(LEAST, MOST)).unwrap_or(1)
        };
        let inactive = if cache.negative_max_entries == 0 { 0 } else { each(inactive) };
        Self { places, active: each(active), inactive }
    }

    /// Looks at the place of a token.
    pub fn look(self, store: &dyn Store, digest: &TokenDigest) -> Place {
        let key = key(digest.word(0) & self.places.saturating_sub(1));
        let (bytes, seen) = store.get(&key);
        Place { digest: *digest, key, bytes, seen }
    }

    /// Shares a response with the other workers, in place of the mark. `steady` is when the call was made. A response
    /// is not shared if nothing of its kind is cached, if it is too long, or if it contains the token itself, which is never stored in the clear.
    /// `false`: it is not shared.
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
            Introspection::Active(token) => (Kind::Active, json::object_text(&token.claims)),
        };
        let has_room = kind != Kind::Inactive || self.inactive > 0;
        if !has_room || body.len() > MAX_SHARED || body.contains(token.expose()) {
            return false;
        }
        let asked = Moment { wall: entry.asked(), steady };
        // Another worker may have written there since the look, about any token.
        for _ in 0..2 {
            let place = self.look(store, digest);
            if place.response().is_some_and(|known| known.asked.steady > steady) {
                // A call that was made later has told more (INT-26).
                Self::unmark(store, &place);
                return true;
            }
            if self.put(store, &place, kind, asked, body.as_bytes()) {
                return true;
            }
        }
        false
    }

    /// Announces a call, unless another worker has announced one less than `patience` ago. `since` is when the
    /// request began to wait: failures from before that do not count for it.
    pub fn claim(
        self,
        store: &dyn Store,
        place: &Place,
        now: Steady,
        patience: Duration,
        since: Steady,
    ) -> Claim {
        if place.response().is_some_and(|response| response.asked.steady > now) {
            // It was asked for since this worker read the clock: then it is there at the next look.
            return Claim::Theirs;
        }
        if let Some(mark) = place.mark() {
            match mark.kind {
                Kind::Asking if now.saturating_sub(mark.asked.steady) < patience => {
                    return Claim::Theirs;
                }
                Kind::Failed if mark.asked.steady >= since => return Claim::Failed(mark.failure()),
                // Whoever waited for one another would do so in line, each time anew.
                Kind::NotShared => return Claim::Ours,
                _ => {}
            }
        }
        // Whoever writes first asks; the other one sees the mark when it looks again.
        let ours = self.put(store, place, Kind::Asking, mark_of(now), &[]);
        if ours { Claim::Ours } else { Claim::Theirs }
    }

    /// Takes the announcement back.
    pub fn release(self, store: &dyn Store, digest: &TokenDigest, now: Steady, ending: Ending<'_>) {
        let place = self.look(store, digest);
        if place.mark().is_none() {
            return;
        }
        let (kind, body): (_, &[u8]) = match ending {
            Ending::Over => return Self::unmark(store, &place),
            Ending::NotShared => (Kind::NotShared, &[]),
            Ending::Failed(Rejection::BadAnswer { .. }) => (Kind::Failed, &[1]),
            Ending::Failed(_) => (Kind::Failed, &[0]),
        };
        self.put(store, &place, kind, mark_of(now), body);
    }

    /// Removes the marks of the token.
    fn unmark(store: &dyn Store, place: &Place) {
        let mut value = Vec::with_capacity(place.bytes.len());
        let is_mark = |record: &Record<'_>| record.kind.is_mark() && place.is_own(record);
        for record in records(&place.bytes).filter(|record| !is_mark(record)) {
            value.extend_from_slice(record.whole);
        }
        store.set(&place.key, if value.is_empty() { NOTHING } else { &value }, place.seen);
    }

    /// Writes a record about the token: a mark in place of the mark before, and a response in place of everything.
    /// A response that is not shared takes the one before away, too: it may say otherwise.
    /// Where its kind has no room left, the oldest record of that kind is left out.
    fn put(self, store: &dyn Store, place: &Place, kind: Kind, asked: Moment, body: &[u8]) -> bool {
        let room = match kind {
            Kind::Active => self.active,
            Kind::Inactive => self.inactive,
            Kind::Asking | Kind::Failed | Kind::NotShared => MARKS,
        };
        let keeps_responses = kind.is_mark() && kind != Kind::NotShared;
        let stays =
            |record: &Record<'_>| !place.is_own(record) || (keeps_responses && !record.kind.is_mark());
        let is_alike = |other: Kind| other == kind || (other.is_mark() && kind.is_mark());
        let (mut alike, mut oldest) = (0_usize, Duration::MAX);
        for record in records(&place.bytes).filter(|record| stays(record) && is_alike(record.kind)) {
            alike = alike.saturating_add(1);
            oldest = oldest.min(record.asked.steady);
        }
        let is_out =
            |record: &Record<'_>| alike >= room && is_alike(record.kind) && record.asked.steady == oldest;
        let length = place.bytes.len().saturating_add(HEAD).saturating_add(body.len());
        let mut value = Vec::with_capacity(length);
        for record in records(&place.bytes).filter(|record| stays(record) && !is_out(record)) {
            value.extend_from_slice(record.whole);
        }
        write(&mut value, kind, &place.digest, asked, body);
        store.set(&place.key, &value, place.seen)
    }
}

impl Place {
    /// What any worker has learned about the token from a call made after `after`, and when that call was made, by
    /// this worker's wall clock.
    pub fn answer(
        &self,
        provider: ProviderId,
        now: Moment,
        after: Option<UnixTime>,
    ) -> Option<(Introspection, UnixTime)> {
        let response = self.response()?;
        let asked = response.asked(now).filter(|asked| after.is_none_or(|after| *asked > after))?;
        Some((response.said(provider)?, asked))
    }

    /// Whether there is a response, however old.
    pub fn has_response(&self) -> bool {
        self.response().is_some()
    }

    fn response(&self) -> Option<Record<'_>> {
        records(&self.bytes).find(|record| !record.kind.is_mark() && self.is_own(record))
    }

    fn mark(&self) -> Option<Record<'_>> {
        records(&self.bytes).find(|record| record.kind.is_mark() && self.is_own(record))
    }

    fn is_own(&self, record: &Record<'_>) -> bool {
        record.digest == self.digest.as_bytes()
    }
}

/// When a mark was left. Nobody needs the time of day of one.
fn mark_of(steady: Steady) -> Moment {
    Moment { wall: UnixTime::from_secs(0), steady }
}

/// The key of a place.
fn key(place: u64) -> String {
    let mut key = String::with_capacity(NAME.len().saturating_add(16));
    key.push_str(NAME);
    let digits = u64::BITS.saturating_sub(place.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let nibble = place >> digit.saturating_mul(4) & 15;
        key.extend(u32::try_from(nibble).ok().and_then(|nibble| char::from_digit(nibble, 16)));
    }
    key
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may count")]
mod tests;
