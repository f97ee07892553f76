//! Introspection calls in progress, and the requests that wait for them.
//!
//! For one token of one provider there is at most one flight, and all requests with this token wait for it, up
//! to a limit. If another worker makes the call, this worker looks for its response in the shared data from
//! time to time. A refresh is a flight for which no request has to wait.
//!
//! If a client disconnects, its request is dropped, and the call continues: others may wait for it.

use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::StreamId;
use crate::base::moment::{Moment, Now, Steady};
use crate::base::table::Table;
use crate::base::time::{UnixTime, part};
use crate::cache::Recalled;
use crate::cache::shared::{Claim, Ending, Place};
use crate::decision::trace::Trace;
use crate::decision::{NoAnswer, Rejection};
use crate::enforcer::{Finding, Pending};
use crate::provider::Provider;
use crate::provider::flight::{Flight, Landing, Question};
use crate::provider::health::Health;
use crate::provider::introspection::call::IntrospectionCall;
use crate::provider::introspection::reply::Introspection;
use crate::provider::outcome::CallOutcome;
use crate::token::key::{TokenDigest, TokenKey};
use crate::worker::command::OutgoingCall;
use crate::worker::counts::Metric;
use crate::worker::streams::Streams;
use crate::worker::waiters::Waiters;
use crate::worker::{Purpose, Told, Worker};

/// The flights of one worker.
#[derive(Debug)]
pub(super) struct Flights {
    under_way: Table<TokenKey, UnderWay>,
    /// To be introspected again, in the background.
    refreshes: Vec<Question>,
    /// By provider.
    health: Vec<Health>,
    /// How many requests wait.
    waiting: usize,
}

/// One question, and how its response is got.
#[derive(Debug)]
struct UnderWay {
    interest: Interest,
    way: Way,
}

/// One question, and everybody who wants to know.
#[derive(Debug)]
struct Interest {
    question: Question,
    digest: Option<TokenDigest>,
    /// The keys that the digest is for.
    keys: [u8; 32],
    waiters: Waiters<Box<Pending>>,
    /// Whether it continues even if no request waits.
    is_refresh: bool,
    /// Only what was asked for after this moment ends it; `None`: any response.
    after: Option<UnixTime>,
}

/// How a response is got.
#[derive(Debug)]
enum Way {
    /// By a call of our own that is under way. `steady` is when it was made, or zero where nothing is cached and no event
    /// is received.
    Called { flight: Flight, steady: Steady },
    /// By one that is to follow.
    Calls { flight: Flight, due: Steady, call: Box<IntrospectionCall> },
    /// By another worker's.
    Elsewhere { since: Steady, look: Steady },
}

/// How many requests may wait in one worker.
pub(super) const MAX_WAITING: usize = 8192;
/// How long after a refresh that failed the next one is tried.
const REFRESH_AGAIN: Duration = Duration::from_secs(1);
/// The minimum and the maximum time between two looks for another worker's response.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// The minimum time between two looks, for each flight in progress: looking must not take all of a worker's
/// time, however many calls another worker makes.
const LOOK_EACH: Duration = Duration::from_micros(50);

impl Flights {
    pub(super) fn new(providers: usize) -> Self {
        Self {
            under_way: Table::default(),
            refreshes: Vec::new(),
            health: vec![Health::default(); providers],
            waiting: 0,
        }
    }

    /// Adds a request to those that wait for this response. [`Worker::seek`] has said that it may.
    pub(super) fn wait(&mut self, key: TokenKey, stream: StreamId, pending: Box<Pending>) {
        if let Some(flight) = self.under_way.get_mut(key) {
            flight.interest.waiters.push(stream, pending);
            self.waiting = self.waiting.saturating_add(1);
        }
    }

    /// One of those who wait for this response has left.
    pub(super) fn leave(&mut self, key: TokenKey, streams: &Streams) {
        if let Some(flight) = self.under_way.get_mut(key) {
            flight.interest.waiters.forget_one(|id| streams.contains(id));
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// Everybody who waits; all flights come to nothing.
    pub(super) fn take_all(&mut self) -> Vec<(StreamId, Box<Pending>)> {
        self.waiting = 0;
        self.refreshes.clear();
        let all = std::mem::take(&mut self.under_way).into_entries();
        all.into_iter().flat_map(|(_, flight)| flight.interest.waiters.into_all()).collect()
    }

    /// When something is to be done next.
    pub(super) fn due(&self) -> Option<Steady> {
        self.under_way.entries().iter().filter_map(|(_, flight)| flight.due()).min()
    }

    /// How long it is until the next look for another worker's response.
    fn until_next_look(&self, waited: Duration) -> Duration {
        let all = u32::try_from(self.under_way.len()).unwrap_or(u32::MAX);
        part(waited, 1, 4).clamp(LOOK.0, LOOK.1).max(LOOK_EACH.saturating_mul(all))
    }

    fn take(&mut self, key: TokenKey) -> Option<UnderWay> {
        let flight = self.under_way.remove(key)?;
        self.under_way.give_back();
        self.waiting = self.waiting.saturating_sub(flight.interest.waiters.len());
        Some(flight)
    }

    fn put(&mut self, interest: Interest, way: Way) {
        self.waiting = self.waiting.saturating_add(interest.waiters.len());
        self.under_way.insert(interest.question.key, UnderWay { interest, way });
    }

    fn health(&mut self, key: TokenKey, change: impl FnOnce(&mut Health)) {
        if let Some(health) = self.health.get_mut(key.provider.0) {
            change(health);
        }
    }

    fn admits(&self, key: TokenKey, now: UnixTime) -> bool {
        self.health.get(key.provider.0).is_some_and(|health| health.admits(now))
    }
}

impl UnderWay {
    fn due(&self) -> Option<Steady> {
        match &self.way {
            Way::Called { .. } => None,
            Way::Calls { due, .. } | Way::Elsewhere { look: due, .. } => Some(*due),
        }
    }
}

impl Interest {
    /// Whether a request still waits for it.
    fn is_alive(&self) -> bool {
        self.is_refresh || !self.waiters.is_empty()
    }
}

impl<T: Trace> Worker<T> {
    /// Finds out about a token: at once, from another worker or because there is no hope; or `None`, and
    /// the request may wait for the flight that is under way then.
    #[inline(never)]
    pub(super) fn seek(
        &mut self,
        question: &Question,
        pending: &mut Pending,
        now: &Now<'_>,
    ) -> Option<Finding> {
        let key = question.key;
        if self.flights.waiting >= MAX_WAITING {
            return Some(Err(not_asked(NoAnswer::Crowded)));
        }
        if self.flights.under_way.contains(key) {
            self.counts.one(Metric::Coalesced);
            return None;
        }
        self.counts.one(Metric::Misses);
        pending.asks();
        let after = pending.after();
        let digest = self.generations.current.digest(question);
        let place = digest.as_ref().map(|digest| self.generations.current.look(digest));
        if let Some(finding) = place.as_ref().and_then(|place| self.look_up(place, key, now, after)) {
            self.counts.one(Metric::SharedHits);
            return Some(finding);
        }
        let interest = Interest {
            question: question.clone(),
            digest,
            keys: self.keys_of(key),
            waiters: Waiters::default(),
            is_refresh: false,
            after,
        };
        self.ask(interest, place.as_ref(), now)
    }

    /// Introspects a token in use again, as soon as no request is being handled.
    pub(super) fn refresh_soon(&mut self, question: Question) {
        if !self.flights.under_way.contains(question.key) {
            self.flights.refreshes.push(question);
            self.wake_soon();
        }
    }

    /// A response has arrived, or its absence.
    #[inline(never)]
    pub(super) fn landed(&mut self, key: TokenKey, outcome: CallOutcome<'_>, now: &Now<'_>) {
        let Some(UnderWay { interest, way }) = self.flights.take(key) else { return };
        let Way::Called { mut flight, steady } = way else { return self.flights.put(interest, way) };
        if !matches!(outcome, CallOutcome::NotDispatched) {
            self.counts.call_ended(key.provider, flight.asked().until(now.wall()));
        }
        self.tell_soon(now);
        let is_repeatable = interest.is_alive() || matches!(outcome, CallOutcome::NotDispatched);
        let landing = self.generations.current.land(&mut flight, outcome, now.wall());
        if landing.lacks_keys() {
            self.fetch_keys_early(key.provider, now.steady());
        }
        match landing {
            Landing::Settled(said) => {
                let mut asked = Moment { wall: flight.asked(), steady };
                // Those who ask for a young response compare times of day, and so do events.
                let is_compared = self.generations.current.receives_events()
                    || interest.waiters.iter().any(|waiter| waiter.after().is_some());
                if is_compared && steady > Steady::ZERO {
                    asked = asked.by_the_clock_of(now.moment());
                }
                let finding = self.conclude(&interest, asked, said, now);
                self.wake(interest.waiters, finding);
            }
            Landing::Again(call) if is_repeatable => self.call(interest, flight, call, now),
            Landing::Again(_) => self.abandon(&interest, now),
        }
    }

    /// Makes the calls that are due, looks for responses of other workers, and asks again about tokens whose
    /// entries end soon.
    #[inline(never)]
    pub(super) fn tick_flights(&mut self, now: &Now<'_>) {
        let is_due = |flight: &UnderWay| flight.due().is_some_and(|due| due <= now.steady());
        let all = self.flights.under_way.entries().iter();
        let due: Vec<_> = all.filter(|(_, flight)| is_due(flight)).map(|(key, _)| *key).collect();
        for key in due {
            let Some(UnderWay { interest, way }) = self.flights.take(key) else { continue };
            match way {
                Way::Calls { .. } if !interest.is_alive() => self.abandon(&interest, now),
                Way::Calls { flight, call, .. } => {
                    let call = Box::new(IntrospectionCall { after: Duration::ZERO, ..*call });
                    self.call(interest, flight, call, now);
                }
                Way::Elsewhere { since, .. } => self.look_again(interest, since, now),
                Way::Called { .. } => self.flights.put(interest, way),
            }
        }
        for question in std::mem::take(&mut self.flights.refreshes) {
            self.refresh(question, now);
        }
    }

    /// Another call for a token that is in use.
    #[inline(never)]
    fn refresh(&mut self, question: Question, now: &Now<'_>) {
        let key = question.key;
        let Some(entry) = self.generations.current.remembered(key) else { return };
        if self.flights.under_way.contains(key) {
            return;
        }
        let digest = self.generations.current.digest(&question);
        let place = digest.as_ref().map(|digest| self.generations.current.look(digest));
        let after = Some(entry.asked());
        if place.as_ref().and_then(|place| self.look_up(place, key, now, after)).is_some() {
            return;
        }
        if self.may_ask(key, now) {
            self.counts.one(Metric::Refreshes);
            let keys = self.keys_of(key);
            let waiters = Waiters::default();
            let interest = Interest { question, digest, keys, waiters, is_refresh: true, after };
            self.ask(interest, place.as_ref(), now);
        } else {
            entry.ask_again_after(now.wall().plus(REFRESH_AGAIN));
        }
    }

    /// Whether there is hope: the provider has responded lately, and we can sign who we are.
    fn may_ask(&self, key: TokenKey, now: &Now<'_>) -> bool {
        let provider = self.generations.current.provider(key.provider);
        self.flights.admits(key, now.wall())
            && provider.is_some_and(|one| one.introspection.client_auth.admits(now.wall()))
    }

    /// Whether responses are cached at all.
    fn is_cached(&self) -> bool {
        self.generations.current.policy().cache.max_entries > 0
    }

    /// A hash of the keys that its provider has now.
    fn keys_of(&self, key: TokenKey) -> [u8; 32] {
        self.generations.current.fingerprint(key.provider)
    }

    /// What other workers know.
    fn look_up(
        &mut self,
        place: &Place,
        key: TokenKey,
        now: &Now<'_>,
        after: Option<UnixTime>,
    ) -> Option<Finding> {
        if !place.has_response() {
            return None;
        }
        match self.generations.current.recall(place, key, now.moment(), after) {
            Recalled::Nothing => None,
            Recalled::Known(fresh) => {
                self.watch(now.moment());
                fresh.map(Ok)
            }
        }
    }

    /// Asks, unless another worker does already or there is no hope. What there is to say is said at once, or
    /// `None` and a flight is under way. `place` is what the workers know of the token.
    #[inline(never)]
    fn ask(&mut self, interest: Interest, place: Option<&Place>, now: &Now<'_>) -> Option<Finding> {
        let key = interest.question.key;
        let Some(patience) = self.generations.current.provider(key.provider).map(Provider::patience) else {
            return Some(Err(Rejection::NoProvider));
        };
        if !self.flights.admits(key, now.wall()) {
            self.counts.one(Metric::BackedOff);
            return Some(Err(not_asked(NoAnswer::BackingOff)));
        }
        if !self.may_ask(key, now) {
            return Some(Err(not_asked(NoAnswer::Unsigned)));
        }
        if let Some(place) = place {
            let since = if interest.is_refresh { Steady::MAX } else { now.steady() };
            match self.generations.current.claim(place, now.steady(), patience, since) {
                Claim::Theirs => {
                    self.counts.one(Metric::Coalesced);
                    let look = now.steady().saturating_add(LOOK.0);
                    self.flights.put(interest, Way::Elsewhere { since: now.steady(), look });
                    self.wake_at(look);
                    return None;
                }
                // It failed at this very moment, after this request had come.
                Claim::Ours | Claim::Failed(_) => {}
            }
        }
        self.take_off(interest, now);
        None
    }

    #[inline(never)]
    fn take_off(&mut self, interest: Interest, now: &Now<'_>) {
        let Some((flight, call)) = self.generations.current.take_off(interest.question.clone(), now.wall())
        else {
            return self.wake(interest.waiters, Err(Rejection::NoProvider));
        };
        self.flights.health(interest.question.key, Health::departed);
        self.call(interest, flight, Box::new(call), now);
    }

    /// Makes the next call, or puts it off until it is due.
    fn call(&mut self, interest: Interest, flight: Flight, call: Box<IntrospectionCall>, now: &Now<'_>) {
        if call.after > Duration::ZERO {
            let due = now.steady().saturating_add(call.after);
            self.flights.put(interest, Way::Calls { flight, due, call });
            return self.wake_at(due);
        }
        self.counts.call(call.previous.as_ref());
        self.counts.in_flight(1);
        let key = interest.question.key;
        let is_dated = self.is_cached() || self.generations.current.receives_events();
        let steady = if is_dated { now.steady() } else { Steady::ZERO };
        self.flights.put(interest, Way::Called { flight, steady });
        self.send(Purpose::Introspection(key), OutgoingCall::Introspection(call));
    }

    /// Another worker asks: looks whether it has a response, or has given up.
    #[inline(never)]
    fn look_again(&mut self, mut interest: Interest, since: Steady, now: &Now<'_>) {
        let key = interest.question.key;
        let patience = self.generations.current.provider(key.provider).map(Provider::patience);
        let (Some(patience), Some(digest)) = (patience, interest.digest) else {
            return self.wake(interest.waiters, Err(Rejection::NoProvider));
        };
        // With other keys than when it began to wait, another worker's word may be worth nothing.
        let keys = self.keys_of(key);
        if interest.keys != keys {
            interest.keys = keys;
            interest.digest = self.generations.current.digest(&interest.question);
            if self.may_ask(key, now) {
                self.take_off(interest, now);
            } else {
                self.wake(interest.waiters, Err(not_asked(NoAnswer::BackingOff)));
            }
            return;
        }
        let waited = now.steady().saturating_sub(since);
        let place = self.generations.current.look(&digest);
        if let Some(finding) = self.look_up(&place, key, now, interest.after) {
            self.counts.one(Metric::SharedHits);
            return self.wake(interest.waiters, finding);
        }
        match self.generations.current.claim(&place, now.steady(), patience, since) {
            Claim::Theirs if waited < patience => {
                let look = now.steady().saturating_add(self.flights.until_next_look(waited));
                self.flights.put(interest, Way::Elsewhere { since, look });
                self.wake_at(look);
            }
            Claim::Failed(failure) => self.wake(interest.waiters, Err(failure)),
            Claim::Ours | Claim::Theirs => {
                if interest.is_alive() && self.may_ask(key, now) {
                    self.take_off(interest, now);
                } else {
                    self.generations.current.release(&digest, now.steady(), Ending::Over);
                    self.wake(interest.waiters, Err(not_asked(NoAnswer::BackingOff)));
                }
            }
        }
    }

    /// The call has ended, with or without a response: caches the result here and for the other workers.
    #[inline(never)]
    fn conclude(
        &mut self,
        interest: &Interest,
        asked: Moment,
        said: Result<Introspection, Rejection>,
        now: &Now<'_>,
    ) -> Finding {
        let key = interest.question.key;
        let enforcer = &mut self.generations.current;
        self.counts.response(&said);
        let longest = enforcer.provider(key.provider).map(|provider| provider.introspection.back_off);
        let failure = said.as_ref().err();
        self.flights.health(key, |health| health.landed(failure, now.wall(), longest.unwrap_or_default()));
        let finding = said.map(|said| enforcer.learn(key, said, asked.wall));
        // It was asked for before an event has come that it does not know of.
        let is_ended = finding.as_ref().is_ok_and(|entry| enforcer.is_ended(key.provider, entry, now));
        if is_ended {
            enforcer.remove(key);
        }
        let kept = finding.as_ref().ok().filter(|entry| entry.is_worth_keeping() && !is_ended);
        let is_kept = kept.is_some();
        if let Some(digest) = &interest.digest {
            // Those who have the keys of before are not told what the ones of now have verified.
            let is_current = enforcer.fingerprint(key.provider) == interest.keys;
            let is_shared = is_current
                && kept.is_some_and(|entry| enforcer.share(digest, &interest.question, entry, asked));
            if !is_shared {
                let ending = match &finding {
                    Err(failure @ (Rejection::NoAnswer { .. } | Rejection::BadAnswer { .. })) => {
                        Ending::Failed(failure)
                    }
                    // That is about the token, by the keys and the clock of this worker: the others find out themselves.
                    Err(_) => Ending::Over,
                    Ok(_) if is_ended => Ending::Over,
                    Ok(_) => Ending::NotShared,
                };
                enforcer.release(digest, now.steady(), ending);
            }
        }
        if finding.is_err()
            && let Some(entry) = enforcer.remembered(key)
        {
            entry.ask_again_after(now.wall().plus(REFRESH_AGAIN));
        }
        if is_kept && self.is_cached() {
            self.watch(asked);
        }
        finding
    }

    /// Gives up a flight for which no request waits.
    fn abandon(&mut self, interest: &Interest, now: &Now<'_>) {
        self.flights.health(interest.question.key, Health::abandoned);
        if let Some(digest) = &interest.digest {
            self.generations.current.release(digest, now.steady(), Ending::Over);
        }
    }

    /// Everybody who has waited is to be told.
    fn wake(&mut self, waiters: Waiters<Box<Pending>>, finding: Finding) {
        let told = Rc::new(finding);
        for (stream, pending) in waiters.into_all() {
            self.wake_one(stream, pending, Told::Finding(Rc::clone(&told)));
        }
    }
}

pub(super) fn not_asked(cause: NoAnswer) -> Rejection {
    Rejection::NoAnswer { cause, retry_after: None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Flights;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_longer_it_takes_the_less_often_a_worker_looks() {
        for (waited, want) in [(0, 1), (4, 1), (40, 10), (80, 20), (8000, 20)] {
            let found = Flights::new(1).until_next_look(Duration::from_millis(waited));
            assert_eq!(found, Duration::from_millis(want), "after {waited} ms");
        }
    }
}
