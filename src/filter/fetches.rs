//! What is fetched: client lists and sets of keys. Each worker asks for its own, in the background.
//!
//! The first calls go out with the first tick after a configuration has been taken. No request waits for a
//! list: until it has come, requests that need it are `unavailable`. For keys requests do wait, the first
//! ones and those whose token names a key that is not in the set: the issuer may have a new one. Such a call
//! is made early, but no sooner than [`EARLY`] after the last, whatever tokens name. Where such calls bring nothing
//! new, they become rarer and rarer, and nobody waits for them any more ([`VAIN`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::calls::{Uptime, Worker};
use crate::flights::{self, MAX_WAITING, Told};
use crate::host;
use crate::stream::Stream;
use crate::waiters::Waiters;
use tollgate_engine::base::ids::{ListId, ProviderId};
use tollgate_engine::base::moment::Moment;
use tollgate_engine::base::time::part;
use tollgate_engine::enforcer::{Enforcer, Pending};
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::fetch::{FetchCall, FetchFault, News};
use tollgate_engine::provider::keys::KeyNews;
use tollgate_engine::provider::outcome::CallOutcome;

/// All that is fetched, and who waits for it.
#[derive(Debug)]
pub(crate) struct Fetches {
    schedules: RefCell<Vec<Schedule>>,
    /// How many requests wait.
    waiting: Cell<usize>,
}

/// One document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    List(ListId),
    /// Of this provider.
    Keys(ProviderId),
}

/// What is known of a document's server.
#[derive(Debug)]
struct Schedule {
    wanted: Wanted,
    turn: Turn,
    /// When the latest call was made.
    called: Option<Uptime>,
    /// Whether there has been a document.
    has_arrived: bool,
    /// Why there was none the last time: said once.
    fault: Option<FetchFault>,
    /// Whether the latest call repeats one that brought no answer: a connection that the server was about
    /// to close is nothing that anybody has to hear of.
    is_repeated: bool,
    /// Whether the next call, or the one under way, is made before its time.
    is_early: bool,
    /// How many calls in a row have been made early and have brought no other keys.
    in_vain: u32,
    waiters: Waiters<Waiter>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Ours, at that time.
    Ask(Uptime),
    /// The server's: so many bytes of its answer to this call are wanted.
    Called { call: u32, read_up_to: usize },
}

/// A request that waits for keys.
#[derive(Debug)]
struct Waiter {
    pending: Box<Pending>,
    /// Whether the call was made after it came.
    is_asked_for: bool,
}

/// How soon a document is asked for again of which there is nothing yet.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How soon keys are, of which there is an older set.
const ASK_AGAIN_FOR_KEYS: Duration = Duration::from_secs(5);
/// The least time between a call and one that is made early.
const EARLY: Duration = Duration::from_secs(2);
/// After so many early calls in vain nobody waits for the next, and each comes after twice the time.
const VAIN: u32 = 2;

impl Fetches {
    pub(crate) fn new(policy: &Policy, enforcer: &Enforcer) -> Self {
        let lists = (0..policy.lists.len()).map(|at| Wanted::List(ListId(at)));
        let providers = (0..policy.providers.len()).map(ProviderId);
        let keys = providers.filter(|id| enforcer.key_uri(*id).is_some()).map(Wanted::Keys);
        let schedules = lists.chain(keys).map(|wanted| Schedule {
            wanted,
            turn: Turn::Ask(Uptime::ZERO),
            called: None,
            has_arrived: false,
            fault: None,
            is_repeated: false,
            is_early: false,
            in_vain: 0,
            waiters: Waiters::default(),
        });
        Self { schedules: RefCell::new(schedules.collect()), waiting: Cell::new(0) }
    }

    /// When something is to be done next.
    pub(crate) fn due(&self) -> Option<Uptime> {
        let schedules = self.schedules.borrow();
        schedules.iter().filter_map(Schedule::due).min()
    }

    /// What this call was to fetch.
    fn of_call(&self, call: u32) -> Option<(Wanted, usize)> {
        let schedules = self.schedules.borrow();
        schedules.iter().find_map(|schedule| match schedule.turn {
            Turn::Called { call: known, read_up_to } if known == call => Some((schedule.wanted, read_up_to)),
            _ => None,
        })
    }

    fn change<T>(&self, wanted: Wanted, change: impl FnOnce(&mut Schedule) -> T) -> Option<T> {
        self.schedules.borrow_mut().iter_mut().find(|schedule| schedule.wanted == wanted).map(change)
    }

    /// Takes those who wait.
    fn take_waiters(&self, schedule: &mut Schedule) -> Waiters<Waiter> {
        let waiters = std::mem::take(&mut schedule.waiters);
        self.waiting.set(self.waiting.get().saturating_sub(waiters.len()));
        waiters
    }
}

impl Schedule {
    /// Moves the next call to the earliest moment for one that was not planned.
    fn hasten(&mut self, planned: Uptime, now: Uptime) -> Uptime {
        let pause = EARLY.saturating_mul(1 << self.in_vain.saturating_sub(VAIN.saturating_sub(1)).min(20));
        let early = self.called.map_or(now, |called| now.max(called.saturating_add(pause)));
        self.is_early |= early < planned;
        self.turn = Turn::Ask(planned.min(early));
        planned.min(early)
    }

    fn due(&self) -> Option<Uptime> {
        match self.turn {
            Turn::Ask(due) => Some(due),
            Turn::Called { .. } => None,
        }
    }
}

impl Worker {
    /// A configuration has been taken: what it names is fetched as soon as the host lets time pass.
    pub(crate) fn begin_to_fetch(&self) {
        if self.fetches.due().is_some() {
            self.tick_at(host::steady());
        }
    }

    /// Fetches what is due. The callback is the root's.
    pub(crate) fn tick_fetches(&self, now: Moment) {
        let due: Vec<_> = {
            let schedules = self.fetches.schedules.borrow();
            let is_due = |schedule: &&Schedule| schedule.due().is_some_and(|due| due <= now.steady);
            schedules.iter().filter(is_due).map(|schedule| schedule.wanted).collect()
        };
        for wanted in due {
            let Some(call) = self.fetch_call(wanted) else { continue };
            match wanted {
                Wanted::List(_) => self.metrics.list_call(),
                Wanted::Keys(_) => self.metrics.keys_call(),
            }
            let sent = host::dispatch(self.root, self.root, (&call).into());
            self.fetches.change(wanted, |schedule| {
                schedule.called = Some(now.steady);
                schedule.waiters.iter_mut().for_each(|waiter| waiter.is_asked_for = true);
                if let Some(sent) = sent {
                    schedule.turn = Turn::Called { call: sent, read_up_to: call.read_up_to };
                }
            });
            if sent.is_none() {
                self.fetched(wanted, CallOutcome::NotDispatched, now);
            }
        }
    }

    /// An answer has arrived, or its absence. `false`: it is not for a document.
    pub(crate) fn fetch_answered(&self, call: u32, arrived: bool) -> bool {
        let Some((wanted, read_up_to)) = self.fetches.of_call(call) else { return false };
        let answer = host::answer(arrived, read_up_to);
        let now = Moment { wall: host::now(), steady: host::steady() };
        self.fetched(wanted, answer.outcome(), now);
        self.tell_some(now);
        if let Some(due) = self.fetches.due() {
            self.tick_at(due);
        }
        true
    }

    /// Has a request wait for other keys, which are fetched early for its sake; or gives it back with what
    /// is to be told to it, for there is no hope.
    pub(crate) fn wait_for_keys(
        &self,
        id: ProviderId,
        stream: &Rc<Stream>,
        pending: Box<Pending>,
    ) -> Result<(), (Box<Pending>, KeyNews)> {
        let (mut pending, mut due, mut news) = (Some(pending), None, KeyNews::None);
        if self.fetches.waiting.get() < MAX_WAITING {
            let now = host::steady();
            self.fetches.change(Wanted::Keys(id), |schedule| {
                if let Turn::Ask(planned) = schedule.turn {
                    if schedule.fault.is_some() {
                        // The server is away, and is asked again soon anyway.
                        return;
                    }
                    due = Some(schedule.hasten(planned, now));
                }
                if schedule.in_vain >= VAIN {
                    // Others have waited for keys that nobody has.
                    news = KeyNews::Fresh;
                    return;
                }
                if let Some(pending) = pending.take() {
                    schedule.waiters.push(stream, Waiter { pending, is_asked_for: false });
                    self.fetches.waiting.set(self.fetches.waiting.get().saturating_add(1));
                }
            });
        }
        if let Some(due) = due {
            self.tick_at(due);
        }
        pending.map_or(Ok(()), |pending| Err((pending, news)))
    }

    /// One of those who wait for these keys has left.
    pub(crate) fn leave_keys(&self, id: ProviderId) {
        self.fetches.change(Wanted::Keys(id), |schedule| schedule.waiters.forget_one());
        self.fetches.waiting.set(self.fetches.waiting.get().saturating_sub(1));
    }

    /// Has keys fetched soon, within limits, for which no request can wait.
    pub(crate) fn fetch_keys_early(&self, id: ProviderId) {
        let now = host::steady();
        let due = self.fetches.change(Wanted::Keys(id), |schedule| match schedule.turn {
            Turn::Ask(planned) if schedule.fault.is_none() => Some(schedule.hasten(planned, now)),
            _ => None,
        });
        if let Some(due) = due.flatten() {
            self.tick_at(due);
        }
    }

    fn fetch_call(&self, wanted: Wanted) -> Option<FetchCall> {
        match wanted {
            Wanted::List(id) => self.enforcer.list_call(id),
            Wanted::Keys(id) => self.enforcer.keys_call(id),
        }
    }

    /// Something has come of a call.
    fn fetched(&self, wanted: Wanted, outcome: CallOutcome<'_>, now: Moment) {
        let news = match wanted {
            Wanted::List(id) => self.enforcer.take_list(id, outcome),
            Wanted::Keys(id) => self.enforcer.take_keys(id, outcome, now.wall),
        };
        match wanted {
            Wanted::List(_) => self.metrics.list_settled(&news),
            Wanted::Keys(_) => self.metrics.keys_settled(&news),
        }
        let is_good = news.is_ok();
        let waiters = self.fetches.change(wanted, |schedule| {
            // A 5xx may be the host's own word for a connection that has ended.
            let may_repeat = matches!(news, Err(FetchFault::NoAnswer | FetchFault::Status(500..)));
            schedule.is_repeated = may_repeat && !schedule.is_repeated && !schedule.waiters.is_empty();
            if schedule.is_repeated {
                schedule.turn = Turn::Ask(now.steady);
                return Waiters::default();
            }
            let due = now.steady.saturating_add(self.pause(schedule, is_good));
            schedule.turn = Turn::Ask(due);
            self.say(schedule, &news);
            schedule.has_arrived |= is_good;
            match (std::mem::take(&mut schedule.is_early), &news) {
                (true, Ok(News::Unchanged)) => schedule.in_vain = schedule.in_vain.saturating_add(1),
                (true, Err(_)) => {}
                (false, _) | (true, Ok(News::Changed(_))) => schedule.in_vain = 0,
            }
            schedule.fault = news.err();
            self.fetches.take_waiters(schedule)
        });
        let waiters = waiters.into_iter().flat_map(Waiters::into_present);
        for (stream, Waiter { pending, is_asked_for }) in waiters {
            let news = match (is_good, is_asked_for) {
                (false, _) => KeyNews::None,
                (true, true) => KeyNews::Fresh,
                (true, false) => KeyNews::Older,
            };
            self.flights.wake_one(stream, pending, Told::Keys(news));
        }
    }

    /// How long it is to the next call.
    fn pause(&self, schedule: &Schedule, is_good: bool) -> Duration {
        let period = match schedule.wanted {
            Wanted::List(id) => self.enforcer.policy().lists.get(id.0).map(|list| list.refresh),
            Wanted::Keys(id) => self.enforcer.key_uri(id).map(|uri| uri.cache_duration),
        };
        let period = period.unwrap_or(ASK_AGAIN);
        match schedule.wanted {
            _ if !is_good && !schedule.has_arrived => ASK_AGAIN.min(period),
            Wanted::Keys(_) if !is_good => ASK_AGAIN_FOR_KEYS.min(period),
            // Up to a tenth sooner, so that not all workers ask at once.
            _ => part(period, tenths_of_hundred(), 100),
        }
    }

    /// What there is to say of an answer.
    fn say(&self, schedule: &Schedule, news: &Result<News, FetchFault>) {
        let (what, things, without) = match schedule.wanted {
            Wanted::List(id) => {
                let name = self.enforcer.policy().lists.get(id.0).map(|list| list.name.as_str());
                (
                    format!("client list {}", name.unwrap_or_default()),
                    "client(s)",
                    "requests that require this list are rejected (503)",
                )
            }
            Wanted::Keys(id) => {
                let name = self.enforcer.provider(id).map(|provider| provider.name.as_str());
                (format!("keys of {}", name.unwrap_or_default()), "key(s)", "no token can be verified")
            }
        };
        match news {
            Ok(News::Changed(number)) => log::info!("tollgate: {what}: {number} {things}"),
            Ok(News::Unchanged) if schedule.fault.is_some() => {
                log::info!("tollgate: {what}: available again, and unchanged");
            }
            Ok(News::Unchanged) => {}
            Err(fault) if schedule.fault.as_ref() == Some(fault) => {}
            Err(fault) if schedule.has_arrived => {
                log::warn!("tollgate: {what}: {fault}; the last version is kept");
            }
            Err(fault) => log::warn!("tollgate: {what}: {fault}; until it is loaded, {without}"),
        }
    }

    /// Takes over what the worker before this one has fetched; it is asked for anew.
    pub(crate) fn inherit_fetches(&self, before: &Self) {
        let lists = self.enforcer.inherit_lists(&before.enforcer).into_iter().map(Wanted::List);
        let keys = self.enforcer.inherit_keys(&before.enforcer).into_iter().map(Wanted::Keys);
        for wanted in lists.chain(keys) {
            self.fetches.change(wanted, |schedule| schedule.has_arrived = true);
        }
    }

    /// Whoever waits here for keys, and waits no more.
    pub(crate) fn leave_keys_behind(&self) -> Vec<flights::Waiter> {
        let mut schedules = self.fetches.schedules.borrow_mut();
        let waiters = schedules.iter_mut().flat_map(|one| self.fetches.take_waiters(one).into_present());
        waiters.map(|(stream, Waiter { pending, .. })| (stream, pending)).collect()
    }
}

/// Something from 90 to 100.
fn tenths_of_hundred() -> u32 {
    let [random, _] = host::seed();
    u32::try_from(random.rem_euclid(11)).unwrap_or_default().saturating_add(90)
}
