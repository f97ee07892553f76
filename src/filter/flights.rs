//! Questions under way, and who waits for whom.
//!
//! For one token of one provider there is one flight at most, and everybody who wants to know waits on
//! it, up to a bound. A flight that another worker makes is looked after from here: by and by, until
//! its answer is in the shared data. A refresh is a flight on which nobody has to wait.
//!
//! All calls are made in the root's name. A client that leaves is told of by the host ([`Worker::leave`]), and its
//! call goes on: others may want to know.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::calls::{Uptime, Worker};
use crate::host::{self, SharedData};
use crate::stream::{State, Stream};
use crate::waiters::Waiters;
use tollgate_engine::base::moment::Moment;
use tollgate_engine::base::time::{UnixTime, part};
use tollgate_engine::cache::entry::Entry;
use tollgate_engine::cache::shared::{Claim, Ending, Recalled};
use tollgate_engine::decision::{NoAnswer, Rejection};
use tollgate_engine::enforcer::{Finding, Pending};
use tollgate_engine::provider::Provider;
use tollgate_engine::provider::flight::{Flight, Landing, Question};
use tollgate_engine::provider::health::Health;
use tollgate_engine::provider::introspection::call::IntrospectionCall;
use tollgate_engine::provider::introspection::reply::Introspection;
use tollgate_engine::provider::keys::KeyNews;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::token::key::{Hashed, TokenDigest, TokenKey};

/// The flights of one worker.
#[derive(Debug)]
pub(crate) struct Flights {
    under_way: RefCell<HashMap<TokenKey, UnderWay, Hashed>>,
    /// Which call belongs to which flight.
    calls: RefCell<HashMap<u32, TokenKey, Hashed>>,
    /// To be asked about again, in the background.
    refreshes: RefCell<Vec<Question>>,
    /// By provider.
    health: RefCell<Vec<Health>>,
    /// How many requests wait.
    waiting: Cell<usize>,
    /// Requests that have waited, and what for.
    ready: RefCell<VecDeque<(Waiter, Told)>>,
}

/// One question, and how its answer is got.
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
    waiters: Waiters<Box<Pending>>,
    /// Whether it goes on even if nobody waits.
    is_refresh: bool,
}

pub(crate) type Waiter = (Rc<Stream>, Box<Pending>);

/// What a request has waited for.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// What has been found out about its token.
    Finding(Rc<Finding>),
    /// Keys, other ones perhaps.
    Keys(KeyNews),
    /// Nothing any more: the configuration under which it began has been replaced, and that worker ends it.
    Replaced(Rc<Worker>),
}

/// How an answer is got.
#[derive(Debug)]
enum Way {
    /// By a call of our own that is under way.
    Called { flight: Flight, steady: Uptime, read_up_to: usize },
    /// By one that is to follow.
    Calls { flight: Flight, due: Uptime, call: Box<IntrospectionCall> },
    /// By another worker's.
    Elsewhere { since: Uptime, look: Uptime },
}

/// How many requests may wait in one worker.
pub(crate) const MAX_WAITING: usize = 8192;
/// How many requests are ended in one callback. The host answers them when the callback has returned, and
/// enters the VM for each answer's head within the one before: some hundreds exhaust V8's stack.
pub(crate) const AT_ONCE: usize = 32;
/// How long after a refresh that failed the next one is tried.
const REFRESH_AGAIN: Duration = Duration::from_secs(1);
/// The least and the most time between two looks for another worker's answer.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// The least time between two looks, for each flight that is under way: looking must not take all of a worker's
/// time, whatever many tokens another one asks about.
const LOOK_EACH: Duration = Duration::from_micros(50);

impl Flights {
    pub(crate) fn new(providers: usize) -> Self {
        Self {
            under_way: RefCell::default(),
            calls: RefCell::default(),
            refreshes: RefCell::default(),
            health: RefCell::new(vec![Health::default(); providers]),
            waiting: Cell::new(0),
            ready: RefCell::default(),
        }
    }

    /// Adds a request to those that wait for this answer. [`Worker::seek`] has said that it may.
    pub(crate) fn wait(&self, key: TokenKey, stream: &Rc<Stream>, pending: Box<Pending>) {
        if let Some(flight) = self.under_way.borrow_mut().get_mut(&key) {
            flight.interest.waiters.push(stream, pending);
            self.waiting.set(self.waiting.get().saturating_add(1));
        }
    }

    /// One of those who wait for this answer has left.
    pub(crate) fn leave(&self, key: TokenKey) {
        if let Some(flight) = self.under_way.borrow_mut().get_mut(&key) {
            flight.interest.waiters.forget_one();
            self.waiting.set(self.waiting.get().saturating_sub(1));
        }
    }

    /// A request that has waited somewhere else is to be told.
    pub(crate) fn wake_one(&self, stream: Rc<Stream>, pending: Box<Pending>, told: Told) {
        stream.become_(State::AwaitsTurn);
        self.ready.borrow_mut().push_back(((stream, pending), told));
    }

    /// The next one of those who are to be told and are still there.
    fn next_to_tell(&self) -> Option<(Waiter, Told)> {
        let mut ready = self.ready.borrow_mut();
        loop {
            let next = ready.pop_front()?;
            if !next.0.0.is_gone() {
                return Some(next);
            }
        }
    }

    /// When something is to be done next.
    pub(crate) fn due(&self) -> Option<Uptime> {
        if !self.ready.borrow().is_empty() {
            return Some(Uptime::ZERO);
        }
        let flights = self.under_way.borrow();
        flights.values().filter_map(UnderWay::due).min()
    }

    /// How long it is until the next look for another worker's answer.
    fn until_next_look(&self, waited: Duration) -> Duration {
        let all = u32::try_from(self.under_way.borrow().len()).unwrap_or(u32::MAX);
        part(waited, 1, 4).clamp(LOOK.0, LOOK.1).max(LOOK_EACH.saturating_mul(all))
    }

    fn is_under_way(&self, key: TokenKey) -> bool {
        self.under_way.borrow().contains_key(&key)
    }

    fn take(&self, key: TokenKey) -> Option<UnderWay> {
        let flight = self.under_way.borrow_mut().remove(&key)?;
        self.waiting.set(self.waiting.get().saturating_sub(flight.interest.waiters.len()));
        Some(flight)
    }

    fn put(&self, interest: Interest, way: Way) {
        self.waiting.set(self.waiting.get().saturating_add(interest.waiters.len()));
        self.under_way.borrow_mut().insert(interest.question.key, UnderWay { interest, way });
    }

    fn health(&self, key: TokenKey, change: impl FnOnce(&mut Health)) {
        if let Some(health) = self.health.borrow_mut().get_mut(key.provider.0) {
            change(health);
        }
    }

    fn admits(&self, key: TokenKey, now: UnixTime) -> bool {
        self.health.borrow().get(key.provider.0).is_some_and(|health| health.admits(now))
    }
}

impl UnderWay {
    fn due(&self) -> Option<Uptime> {
        match &self.way {
            Way::Called { .. } => None,
            Way::Calls { due, .. } | Way::Elsewhere { look: due, .. } => Some(*due),
        }
    }
}

impl Interest {
    /// Whether somebody wants to know still.
    fn is_alive(&self) -> bool {
        self.is_refresh || !self.waiters.is_empty()
    }
}

impl Worker {
    /// Finds out about a token: at once, from another worker or because there is no hope; or `None`, and
    /// the request may wait for the flight that is under way then.
    pub(crate) fn seek(&self, question: &Question, stream: &Stream, now: UnixTime) -> Option<Finding> {
        let key = question.key;
        if self.flights.waiting.get() >= MAX_WAITING {
            return Some(Err(not_asked(NoAnswer::Crowded)));
        }
        if self.flights.is_under_way(key) {
            self.metrics.coalesced();
            return None;
        }
        self.metrics.missed();
        let moment = Moment { wall: now, steady: host::steady() };
        let digest = self.enforcer.digest(question);
        if let Some(finding) = digest.as_ref().and_then(|digest| self.look_up(key, digest, moment, None)) {
            self.metrics.shared_hit();
            return Some(finding);
        }
        let interest =
            Interest { question: question.clone(), digest, waiters: Waiters::default(), is_refresh: false };
        self.ask(interest, moment, stream.id)
    }

    /// A token in use is to be asked about again, as soon as no request is at hand.
    pub(crate) fn refresh_soon(&self, question: &Question) {
        if !self.flights.is_under_way(question.key) {
            self.flights.refreshes.borrow_mut().push(question.clone());
            self.tick_at(host::steady());
        }
    }

    /// An answer has arrived, or its absence (`arrived` is false then). The callback is the root's.
    pub(crate) fn answered(&self, call: u32, arrived: bool) {
        let key = self.flights.calls.borrow_mut().remove(&call);
        let Some(UnderWay { interest, way }) = key.and_then(|key| self.flights.take(key)) else { return };
        let Way::Called { mut flight, steady, read_up_to } = way else { return };
        let answer = host::answer(arrived, read_up_to);
        let now = Moment { wall: host::now(), steady: host::steady() };
        let landing = self.enforcer.land(&mut flight, answer.outcome(), now.wall);
        if landing.lacks_keys() {
            self.fetch_keys_early(interest.question.key.provider);
        }
        match landing {
            Landing::Settled(said) => {
                let asked = Moment { wall: flight.asked(), steady };
                let finding = self.conclude(&interest, asked, said, now);
                self.wake(interest.waiters, finding);
                self.tell_some(now);
            }
            Landing::Again(call) if interest.is_alive() => {
                self.call(interest, flight, call, now, self.root);
                self.tell_some(now);
            }
            Landing::Again(_) => self.abandon(&interest),
        }
    }

    /// Time has passed: makes the calls that are due, looks for answers of other workers, and asks again
    /// about tokens whose entries end soon. The callback is the root's.
    pub(crate) fn tick_flights(&self, now: Moment) {
        let is_due = |flight: &UnderWay| flight.due().is_some_and(|due| due <= now.steady);
        let due: Vec<TokenKey> = {
            let flights = self.flights.under_way.borrow();
            flights.iter().filter(|(_, flight)| is_due(flight)).map(|(key, _)| *key).collect()
        };
        for UnderWay { interest, way } in due.into_iter().filter_map(|key| self.flights.take(key)) {
            match way {
                Way::Calls { .. } if !interest.is_alive() => self.abandon(&interest),
                Way::Calls { flight, call, .. } => {
                    let call = Box::new(IntrospectionCall { after: Duration::ZERO, ..*call });
                    self.call(interest, flight, call, now, self.root);
                }
                Way::Elsewhere { since, .. } => self.look_again(interest, since, now),
                Way::Called { .. } => self.flights.put(interest, way),
            }
        }
        for question in self.flights.refreshes.take() {
            self.refresh(question, now);
        }
        self.tell_some(now);
    }

    /// Another call for a token that is in use.
    fn refresh(&self, question: Question, now: Moment) {
        let key = question.key;
        let Some(entry) = self.enforcer.remembered(key) else { return };
        if self.flights.is_under_way(key) {
            return;
        }
        let digest = self.enforcer.digest(&question);
        let newer = |digest| self.look_up(key, digest, now, Some(entry.asked()));
        if digest.as_ref().and_then(newer).is_some() {
            return;
        }
        let has_credentials = |provider: &Provider| provider.introspection.client_auth.admits(now.wall);
        if self.flights.admits(key, now.wall)
            && self.enforcer.provider(key.provider).is_some_and(has_credentials)
        {
            self.metrics.refreshed();
            let interest = Interest { question, digest, waiters: Waiters::default(), is_refresh: true };
            self.ask(interest, now, self.root);
        } else {
            entry.ask_again_after(now.wall.plus(REFRESH_AGAIN));
        }
    }

    /// What other workers know.
    fn look_up(
        &self,
        key: TokenKey,
        digest: &TokenDigest,
        now: Moment,
        after: Option<UnixTime>,
    ) -> Option<Finding> {
        match self.shared.recall(&SharedData, digest, key.provider, now, after) {
            Recalled::Answer(said, asked) => {
                self.watch(now);
                self.enforcer.adopt(key, said, asked, now.wall).map(Ok)
            }
            Recalled::Nothing => None,
        }
    }

    /// Asks, unless another worker does already or there is no hope. The answer is there at once, or
    /// `None` and a flight is under way.
    fn ask(&self, interest: Interest, now: Moment, back_to: u32) -> Option<Finding> {
        let key = interest.question.key;
        let provider = self.enforcer.provider(key.provider)?;
        if !self.flights.admits(key, now.wall) {
            self.metrics.backed_off();
            return Some(Err(not_asked(NoAnswer::BackingOff)));
        }
        if !provider.introspection.client_auth.admits(now.wall) {
            return Some(Err(not_asked(NoAnswer::Unsigned)));
        }
        if let Some(digest) = &interest.digest {
            let claim = |since| self.shared.claim(&SharedData, digest, now, provider.patience(), since);
            let mut claimed = claim(if interest.is_refresh { Uptime::MAX } else { now.steady });
            if claimed == Claim::Over {
                // It has come since we looked for it, or it was none that is shared. It may even have been asked
                // for since we looked at the clock.
                let later = Moment { wall: host::now(), steady: host::steady() };
                if let Some(finding) = self.look_up(key, digest, later, None) {
                    self.metrics.shared_hit();
                    return Some(finding);
                }
                claimed = claim(Uptime::MAX);
            }
            if claimed == Claim::Theirs {
                self.metrics.coalesced();
                let look = now.steady.saturating_add(LOOK.0);
                self.flights.put(interest, Way::Elsewhere { since: now.steady, look });
                self.tick_at(look);
                return None;
            }
        }
        self.take_off(provider, interest, now, back_to)
    }

    fn take_off(
        &self,
        provider: &Provider,
        interest: Interest,
        now: Moment,
        back_to: u32,
    ) -> Option<Finding> {
        self.flights.health(interest.question.key, Health::departed);
        let (flight, call) =
            Flight::take_off(provider, interest.question.clone(), now.wall, self.enforcer.nonces());
        self.call(interest, flight, Box::new(call), now, back_to)
    }

    /// Makes the next call, or puts it off until it is due. If no call can be made, everybody is told, and
    /// so is the caller.
    fn call(
        &self,
        interest: Interest,
        mut flight: Flight,
        mut call: Box<IntrospectionCall>,
        now: Moment,
        back_to: u32,
    ) -> Option<Finding> {
        loop {
            if call.after > Duration::ZERO {
                let due = now.steady.saturating_add(call.after);
                self.flights.put(interest, Way::Calls { flight, due, call });
                self.tick_at(due);
                return None;
            }
            self.metrics.call(call.previous.as_ref());
            if let Some(id) = host::dispatch(self.root, back_to, call.as_ref().into()) {
                self.flights.calls.borrow_mut().insert(id, interest.question.key);
                let way = Way::Called { flight, steady: now.steady, read_up_to: call.read_up_to };
                self.flights.put(interest, way);
                return None;
            }
            match self.enforcer.land(&mut flight, CallOutcome::NotDispatched, now.wall) {
                Landing::Again(next) => call = next,
                Landing::Settled(said) => {
                    let finding = self.conclude(&interest, now, said, now);
                    self.wake(interest.waiters, finding.clone());
                    return Some(finding);
                }
            }
        }
    }

    /// Another worker asks: looks whether it has an answer, or has given up.
    fn look_again(&self, mut interest: Interest, since: Uptime, now: Moment) {
        let key = interest.question.key;
        let (Some(provider), Some(digest)) = (self.enforcer.provider(key.provider), interest.digest) else {
            return;
        };
        // With other keys than when it began to wait, another worker's word may be worth nothing.
        interest.digest = self.enforcer.digest(&interest.question);
        if interest.digest != Some(digest) {
            if self.flights.admits(key, now.wall) && provider.introspection.client_auth.admits(now.wall) {
                self.take_off(provider, interest, now, self.root);
            } else {
                self.wake(interest.waiters, Err(not_asked(NoAnswer::BackingOff)));
            }
            return;
        }
        let before = interest.is_refresh.then(|| self.enforcer.remembered(key)).flatten();
        let waited = now.steady.saturating_sub(since);
        // The claim first: whoever has an answer shares it before the mark is taken away.
        let claim = |since| self.shared.claim(&SharedData, &digest, now, provider.patience(), since);
        let mut claimed = claim(since);
        if claimed != Claim::Theirs
            && let Some(finding) = self.look_up(key, &digest, now, before.map(|entry| entry.asked()))
        {
            self.metrics.shared_hit();
            if claimed == Claim::Ours {
                self.shared.release(&SharedData, &digest, now, Ending::Over);
            }
            return self.wake(interest.waiters, finding);
        }
        if claimed == Claim::Over {
            claimed = claim(Uptime::MAX);
        }
        match claimed {
            Claim::Theirs if waited < provider.patience() => {
                let look = now.steady.saturating_add(self.flights.until_next_look(waited));
                self.flights.put(interest, Way::Elsewhere { since, look });
                self.tick_at(look);
            }
            Claim::Failed(failure) => self.wake(interest.waiters, Err(failure)),
            Claim::Ours | Claim::Over | Claim::Theirs => {
                let hopeless = !self.flights.admits(key, now.wall)
                    || !provider.introspection.client_auth.admits(now.wall);
                if interest.is_alive() && !hopeless {
                    self.take_off(provider, interest, now, self.root);
                } else {
                    self.shared.release(&SharedData, &digest, now, Ending::Over);
                    self.wake(interest.waiters, Err(not_asked(NoAnswer::BackingOff)));
                }
            }
        }
    }

    /// The provider has spoken, or will not: remembers it here and for the other workers.
    fn conclude(
        &self,
        interest: &Interest,
        asked: Moment,
        said: Result<Introspection, Rejection>,
        now: Moment,
    ) -> Finding {
        let key = interest.question.key;
        self.metrics.answer(&said);
        let longest = self.enforcer.provider(key.provider).map(|provider| provider.introspection.back_off);
        let failure = said.as_ref().err();
        self.flights.health(key, |health| health.landed(failure, now.wall, longest.unwrap_or_default()));
        let finding = said.map(|said| self.enforcer.learn(key, said, asked.wall));
        let kept = finding.as_ref().ok().filter(|entry| entry.is_worth_keeping());
        if let Some(digest) = &interest.digest {
            let tell = |entry: &Rc<Entry>| {
                let token = &interest.question.token;
                self.shared.remember(&SharedData, digest, token, entry, asked.steady)
            };
            // Those who have the keys of before are not told what the ones of now have verified.
            let is_current = self.enforcer.digest(&interest.question).as_ref() == Some(digest);
            let ending = match &finding {
                Err(failure @ (Rejection::NoAnswer { .. } | Rejection::BadAnswer { .. })) => {
                    Ending::Failed(failure)
                }
                // That is about the token, by the keys and the clock of this worker: the others find out themselves.
                Err(_) => Ending::Over,
                Ok(_) if is_current && kept.is_some_and(tell) => Ending::Over,
                Ok(_) => Ending::NotShared,
            };
            self.shared.release(&SharedData, digest, now, ending);
        }
        if kept.is_some() {
            self.watch(now);
        }
        if finding.is_err()
            && let Some(entry) = self.enforcer.remembered(key)
        {
            entry.ask_again_after(now.wall.plus(REFRESH_AGAIN));
        }
        finding
    }

    /// Gives a flight up on which nobody waits.
    fn abandon(&self, interest: &Interest) {
        self.flights.health(interest.question.key, Health::abandoned);
        if let Some(digest) = &interest.digest {
            let now = Moment { wall: host::now(), steady: host::steady() };
            self.shared.release(&SharedData, digest, now, Ending::Over);
        }
    }

    /// Everybody who has waited is to be told.
    fn wake(&self, waiters: Waiters<Box<Pending>>, finding: Finding) {
        let told = Told::Finding(Rc::new(finding));
        for (stream, pending) in waiters.into_present() {
            self.flights.wake_one(stream, pending, told.clone());
        }
    }

    /// Tells some of those who are to be told; the others have to wait for the next tick.
    pub(crate) fn tell_some(&self, now: Moment) {
        for _ in 0..AT_ONCE {
            let Some(((stream, pending), told)) = self.flights.next_to_tell() else { return };
            match told {
                Told::Finding(finding) => {
                    let step = |worker: &Self| pending.resume(&worker.enforcer, &finding, now.wall);
                    self.proceed_elsewhere(&stream, step, now.wall);
                }
                Told::Keys(news) => {
                    let step = |worker: &Self| pending.resume_with_keys(&worker.enforcer, news, now.wall);
                    self.proceed_elsewhere(&stream, step, now.wall);
                }
                Told::Replaced(before) => {
                    let step = |worker: &Self| pending.give_up(&worker.enforcer, not_asked(NoAnswer::Failed));
                    before.proceed_elsewhere(&stream, step, now.wall);
                }
            }
        }
        if !self.flights.ready.borrow().is_empty() {
            self.tick_at(now.steady);
        }
    }

    /// Takes over from the worker that this root had before: its calls come to nothing now, and whoever
    /// waits has to be told. What the one has begun the other does not judge: its rules and providers have
    /// other numbers.
    pub(crate) fn inherit(&self, before: &Rc<Self>) {
        let flights: Vec<TokenKey> = before.flights.under_way.borrow().keys().copied().collect();
        let flights = flights.into_iter().filter_map(|key| before.flights.take(key));
        let asking = flights.flat_map(|flight| flight.interest.waiters.into_present());
        for (stream, pending) in before.leave_keys_behind().into_iter().chain(asking) {
            self.flights.wake_one(stream, pending, Told::Replaced(Rc::clone(before)));
        }
        let ready = before.flights.ready.take().into_iter().map(|(waiter, told)| match told {
            Told::Replaced(_) => (waiter, told),
            Told::Finding(_) | Told::Keys(_) => (waiter, Told::Replaced(Rc::clone(before))),
        });
        self.flights.ready.borrow_mut().extend(ready);
        self.tick_at(host::steady());
    }
}

fn not_asked(cause: NoAnswer) -> Rejection {
    Rejection::NoAnswer { cause, retry_after: None }
}
