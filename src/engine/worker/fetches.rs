//! Client lists, key sets and status lists. Each worker fetches its own, in the background.
//!
//! The first calls are made at the first tick after a configuration was loaded. No request waits for a client list:
//! until it is loaded, requests that need it are `unavailable`. Requests do wait for keys: for the first ones,
//! and if a token names a key that is not in the set, because the issuer may have a new one. Such a call is
//! made early, but no sooner than [`EARLY`] after the last, whatever tokens name. If such calls return nothing
//! new, they become rarer, and requests no longer wait for them ([`VAIN`]). They wait in the same way for a status list
//! that is not there. Status lists are fetched once there are keys that could verify them.

use std::time::Duration;

use crate::base::ids::{ListId, ProviderId, StatusId, StreamId};
use crate::base::moment::{Moment, Steady};
use crate::base::time::{UnixTime, part};
use crate::decision::trace::Trace;
use crate::enforcer::{Enforcer, Pending};
use crate::provider::fetch::{Document, FetchCall, FetchFault, News};
use crate::provider::keys::KeyNews;
use crate::provider::outcome::CallOutcome;
use crate::provider::status_list::LiveStatusList;
use crate::worker::command::OutgoingCall;
use crate::worker::counts::Metric;
use crate::worker::flights::MAX_WAITING;
use crate::worker::streams::Streams;
use crate::worker::waiters::Waiters;
use crate::worker::{Purpose, Told, Worker};

/// All that is fetched, and who waits for it.
#[derive(Debug)]
pub(super) struct Fetches {
    schedules: Vec<Schedule>,
    /// How many requests wait.
    waiting: usize,
}

/// What is known of a document's server.
#[derive(Debug)]
struct Schedule {
    document: Document,
    /// When the next call is made; `None`: one is under way. [`NEVER`]: no token has named such a list.
    due: Option<Steady>,
    /// When the latest call was made.
    called: Option<Steady>,
    /// Whether there has been a document.
    has_arrived: bool,
    /// Why there was none the last time: said once.
    fault: Option<FetchFault>,
    /// Whether the latest call repeats one that brought no response: a connection that the server was about to
    /// close is not worth a log line.
    is_repeated: bool,
    /// Whether the next call, or the one under way, is made before its time.
    is_early: bool,
    /// How many calls in a row have been made early and have brought no other keys.
    in_vain: u32,
    waiters: Waiters<Waiter>,
}

/// A request that waits for keys, or for a status list.
#[derive(Debug)]
struct Waiter {
    pending: Box<Pending>,
    /// Whether the call was made after it came.
    is_asked_for: bool,
}

/// How soon a document is fetched again if none is loaded yet.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How soon keys and status lists are, of which there is an older version.
const ASK_AGAIN_FOR_KEYS: Duration = Duration::from_secs(5);
/// Nothing is fetched.
const NEVER: Steady = Steady::MAX;
/// The minimum time between a call and an early one.
const EARLY: Duration = Duration::from_secs(2);
/// After this many early calls without new keys, requests no longer wait, and each further call comes after
/// twice the time.
const VAIN: u32 = 2;

impl Fetches {
    pub(super) fn new<T: Trace>(enforcer: &Enforcer<T>) -> Self {
        let policy = enforcer.policy();
        let lists = (0..policy.lists.len()).map(|at| Document::List(ListId(at)));
        let providers = (0..policy.providers.len()).map(ProviderId);
        let keys = providers.filter(|id| enforcer.key_uri(*id).is_some()).map(Document::Keys);
        let mut schedules: Vec<_> =
            lists.chain(keys).map(|document| Schedule::new(document, Steady::ZERO)).collect();
        for (id, list) in enforcer.statuses() {
            let due = if list.uri().is_some() { Steady::ZERO } else { NEVER };
            schedules.push(Schedule::new(Document::Status(*id), due));
        }
        Self { schedules, waiting: 0 }
    }

    /// When something is to be done next.
    pub(super) fn due(&self) -> Option<Steady> {
        self.schedules.iter().filter_map(|schedule| schedule.due).min().filter(|due| *due < NEVER)
    }

    /// Everything that is fetched.
    pub(super) fn documents(&self) -> Vec<Document> {
        self.schedules.iter().map(|schedule| schedule.document).collect()
    }

    /// Of this document something is known already.
    pub(super) fn has_arrived(&mut self, document: Document) {
        if let Some(schedule) = self.of(document) {
            schedule.has_arrived = true;
        }
    }

    /// Why its latest fetch failed, if it did.
    pub(super) fn fault(&self, document: Document) -> Option<&FetchFault> {
        self.schedules.iter().find(|schedule| schedule.document == document)?.fault.as_ref()
    }

    /// One of those who wait for this document has left.
    pub(super) fn leave(&mut self, document: Document, streams: &Streams) {
        if let Some(schedule) = self.of(document) {
            schedule.waiters.forget_one(|id| streams.contains(id));
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// Everybody who waits.
    pub(super) fn take_all(&mut self) -> Vec<(StreamId, Box<Pending>)> {
        self.waiting = 0;
        let all = self.schedules.iter_mut().flat_map(|one| std::mem::take(&mut one.waiters).into_all());
        all.map(|(stream, Waiter { pending, .. })| (stream, pending)).collect()
    }

    fn of(&mut self, document: Document) -> Option<&mut Schedule> {
        self.schedules.iter_mut().find(|schedule| schedule.document == document)
    }
}

impl Schedule {
    fn new(document: Document, due: Steady) -> Self {
        Self {
            document,
            due: Some(due),
            called: None,
            has_arrived: false,
            fault: None,
            is_repeated: false,
            is_early: false,
            in_vain: 0,
            waiters: Waiters::default(),
        }
    }

    /// Moves the next call to the earliest moment for one that was not planned.
    fn hasten(&mut self, planned: Steady, now: Steady) -> Steady {
        let pause = EARLY.saturating_mul(1 << self.in_vain.saturating_sub(VAIN.saturating_sub(1)).min(20));
        let early = self.called.map_or(now, |called| now.max(called.saturating_add(pause)));
        self.is_early |= early < planned;
        let due = planned.min(early);
        self.due = Some(due);
        due
    }
}

impl<T: Trace> Worker<T> {
    /// Fetches what is due.
    #[inline(never)]
    pub(super) fn tick_fetches(&mut self, now: Moment) {
        let is_due = |schedule: &&mut Schedule| schedule.due.is_some_and(|due| due <= now.steady);
        let (mut calls, mut freed) = (Vec::new(), None);
        let enforcer = &mut self.generations.current;
        for schedule in self.fetches.schedules.iter_mut().filter(is_due) {
            if let Document::Status(id) = schedule.document {
                // Whoever waits for it has named it.
                if schedule.waiters.is_empty() && enforcer.free_status(id) {
                    *schedule = Schedule::new(schedule.document, NEVER);
                    freed = Some(id.provider);
                    continue;
                }
                if !enforcer.verifies_status(id.provider) {
                    schedule.due = Some(now.steady.saturating_add(ASK_AGAIN));
                    continue;
                }
            }
            let Some(call) = call_for(enforcer, schedule.document) else { continue };
            schedule.due = None;
            schedule.called = Some(now.steady);
            schedule.waiters.iter_mut().for_each(|waiter| waiter.is_asked_for = true);
            calls.push((schedule.document, call));
        }
        if let Some(provider) = freed {
            self.tell_age_of_status(provider);
        }
        for (document, call) in calls {
            self.counts.one(match document {
                Document::List(_) => Metric::ListCalls,
                Document::Keys(_) => Metric::KeysCalls,
                Document::Status(_) => Metric::StatusCalls,
            });
            self.send(Purpose::Fetch(document), OutgoingCall::Fetch(document, call));
        }
    }

    /// Lets a request wait until a document has been fetched. If waiting cannot help, the request continues at once.
    #[inline(never)]
    pub(super) fn wait_for_document(
        &mut self,
        document: Document,
        stream: StreamId,
        pending: Box<Pending>,
        now: Steady,
    ) -> Result<(), (Box<Pending>, KeyNews)> {
        let is_crowded = self.fetches.waiting >= MAX_WAITING;
        let Some(schedule) = self.fetches.of(document).filter(|_| !is_crowded) else {
            return Err((pending, KeyNews::None));
        };
        if let Some(planned) = schedule.due {
            if schedule.fault.is_some() {
                // The server is away, and is asked again soon anyway.
                return Err((pending, KeyNews::None));
            }
            let due = schedule.hasten(planned, now);
            if schedule.in_vain >= VAIN {
                // Others have waited for keys that nobody has.
                self.wake_at(due);
                return Err((pending, KeyNews::Fresh));
            }
            schedule.waiters.push(stream, Waiter { pending, is_asked_for: false });
            self.fetches.waiting = self.fetches.waiting.saturating_add(1);
            self.wake_at(due);
            return Ok(());
        }
        if schedule.in_vain >= VAIN {
            return Err((pending, KeyNews::Fresh));
        }
        schedule.waiters.push(stream, Waiter { pending, is_asked_for: false });
        self.fetches.waiting = self.fetches.waiting.saturating_add(1);
        Ok(())
    }

    /// Has keys fetched soon, within limits. When the call is made, or was; `None`: their server is away.
    pub(super) fn fetch_keys_early(&mut self, id: ProviderId, now: Steady) -> Option<Steady> {
        let schedule = self.fetches.of(Document::Keys(id))?;
        let Some(planned) = schedule.due else { return Some(now) };
        if schedule.fault.is_some() {
            return None;
        }
        let due = schedule.hasten(planned, now);
        self.wake_at(due);
        Some(due)
    }

    /// Something has come of a call.
    #[inline(never)]
    pub(super) fn fetched(&mut self, document: Document, outcome: CallOutcome<'_>, now: Moment) {
        let enforcer = &mut self.generations.current;
        let news = match document {
            Document::List(id) => enforcer.take_list(id, outcome),
            Document::Keys(id) => enforcer.take_keys(id, outcome, now.wall),
            Document::Status(id) => enforcer.take_status(id, outcome, now.wall),
        };
        self.counts.fetched(document, &news);
        let is_good = news.is_ok();
        match document {
            Document::Status(id) => self.tell_age_of_status(id.provider),
            Document::List(_) | Document::Keys(_) if is_good => self.counts.has_document(document, now.wall),
            Document::List(_) | Document::Keys(_) => {}
        }
        let Some(schedule) = self.fetches.of(document) else { return };
        // A 5xx may be the host's own word for a connection that has ended.
        let may_repeat = matches!(news, Err(FetchFault::NoAnswer | FetchFault::Status(500..)));
        schedule.is_repeated = may_repeat && !schedule.is_repeated && !schedule.waiters.is_empty();
        if schedule.is_repeated {
            schedule.due = Some(now.steady);
            return self.wake_soon();
        }
        let due = now.steady.saturating_add(pause(&self.generations.current, schedule, is_good, now.wall));
        schedule.due = Some(due);
        say(&self.generations.current, schedule, &news);
        schedule.has_arrived |= is_good;
        match (std::mem::take(&mut schedule.is_early), &news) {
            (true, Ok(News::Unchanged)) => schedule.in_vain = schedule.in_vain.saturating_add(1),
            (true, Err(_)) => {}
            (false, _) | (true, Ok(News::Changed(_))) => schedule.in_vain = 0,
        }
        let has_changed = matches!(news, Ok(News::Changed(_)));
        schedule.fault = news.err();
        let is_of_unknown_key = schedule.fault == Some(FetchFault::UnknownKey);
        let waiters = std::mem::take(&mut schedule.waiters);
        match document {
            Document::Keys(id) => {
                self.keys_for_events(id, is_good);
                if has_changed {
                    self.keys_for_status(id, now.steady);
                }
            }
            Document::Status(id) if is_of_unknown_key => drop(self.fetch_keys_early(id.provider, now.steady)),
            Document::Status(_) | Document::List(_) => {}
        }
        self.fetches.waiting = self.fetches.waiting.saturating_sub(waiters.len());
        self.wake_at(due);
        for (stream, Waiter { pending, is_asked_for }) in waiters.into_all() {
            let news = match (is_good, is_asked_for) {
                (false, _) => KeyNews::None,
                (true, true) => KeyNews::Fresh,
                (true, false) => KeyNews::Older,
            };
            self.wake_one(stream, pending, Told::Fetched(document, news));
        }
    }

    /// A provider has other keys: its status lists that could not be verified are fetched again, and those that a
    /// withdrawn key may have verified.
    #[cold]
    #[inline(never)]
    fn keys_for_status(&mut self, id: ProviderId, now: Steady) {
        let enforcer = &self.generations.current;
        let is_there = |id: StatusId| enforcer.status(id).is_some_and(LiveStatusList::has_arrived);
        let mut is_any = false;
        for schedule in &mut self.fetches.schedules {
            if let Document::Status(status) = schedule.document
                && status.provider == id
                && schedule.due.is_some_and(|due| due < NEVER)
                && (schedule.fault.is_some() || !is_there(status))
            {
                schedule.due = Some(now);
                is_any = true;
            }
        }
        if is_any {
            self.wake_soon();
        }
    }

    /// Tells the age of the oldest status list of a provider that is in use.
    #[cold]
    #[inline(never)]
    pub(super) fn tell_age_of_status(&mut self, provider: ProviderId) {
        // Where no list is in use, the last word stands.
        if let Some(oldest) = self.generations.current.oldest_status(provider) {
            self.counts.has_document(Document::Status(StatusId { provider, at: 0 }), oldest);
        }
    }
}

fn call_for<T: Trace>(enforcer: &Enforcer<T>, document: Document) -> Option<FetchCall> {
    match document {
        Document::List(id) => enforcer.list_call(id),
        Document::Keys(id) => enforcer.keys_call(id),
        Document::Status(id) => enforcer.status_call(id),
    }
}

/// How long it is to the next call.
fn pause<T: Trace>(enforcer: &Enforcer<T>, schedule: &Schedule, is_good: bool, now: UnixTime) -> Duration {
    let period = match schedule.document {
        Document::List(id) => enforcer.policy().lists.get(id.0).map(|list| list.refresh),
        Document::Keys(id) => enforcer.key_uri(id).map(|uri| uri.cache_duration),
        Document::Status(id) => enforcer
            .status(id)
            .zip(enforcer.status_lists(id.provider))
            .map(|(list, lists)| list.period(lists, now)),
    };
    let period = period.unwrap_or(ASK_AGAIN);
    match schedule.document {
        _ if !is_good && !schedule.has_arrived => ASK_AGAIN.min(period),
        Document::Keys(_) | Document::Status(_) if !is_good => ASK_AGAIN_FOR_KEYS.min(period),
        // Up to a tenth sooner, so that not all workers ask at once.
        _ => part(period, enforcer.nonces().between(90, 100), 100),
    }
}

/// Logs a response.
fn say<T: Trace>(enforcer: &Enforcer<T>, schedule: &Schedule, news: &Result<News, FetchFault>) {
    let (what, things, without) = match schedule.document {
        Document::List(id) => {
            let name = enforcer.policy().lists.get(id.0).map(|list| list.name.as_str());
            (
                format!("client list {}", name.unwrap_or_default()),
                "client(s)",
                "requests that require this list are rejected (503)",
            )
        }
        Document::Keys(id) => {
            let name = enforcer.provider(id).map(|provider| provider.name.as_str());
            (format!("keys of {}", name.unwrap_or_default()), "key(s)", "no token can be verified")
        }
        Document::Status(id) => {
            let uri = enforcer.status(id).and_then(LiveStatusList::uri).unwrap_or_default();
            (
                format!("status list {uri}"),
                "status(es)",
                "requests with tokens that it is about are rejected (503)",
            )
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
