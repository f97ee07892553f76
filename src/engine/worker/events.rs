//! Events that are pushed to this worker, and those that the others have received.
//!
//! Who pushes an event gives up after a second. It gets its response before, whatever happens: an event that cannot be
//! verified by then is to be sent again (503).

use std::time::Duration;

use crate::base::ids::{ProviderId, StreamId};
use crate::base::moment::{Now, Steady};
use crate::base::table::Table;
use crate::base::time::UnixTime;
use crate::decision::receipt::{EventFault, Receipt};
use crate::decision::trace::Trace;
use crate::enforcer::Step;
use crate::enforcer::events::Incoming;
use crate::provider::keys::KeyNews;
use crate::worker::command::Command;
use crate::worker::streams::{State, Stream};
use crate::worker::{Waited, Worker};

/// The events of one worker.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: Table<StreamId, Waiting>,
    /// When this worker looks next for what others have received; `None`: never.
    look: Option<Steady>,
    /// What has been wrong with some, and when that was logged.
    logged: Vec<(EventFault, UnixTime)>,
}

/// One that waits for its body, or for keys.
#[derive(Debug)]
struct Waiting {
    event: Box<Incoming>,
    /// Its body, which has come.
    body: Option<Vec<u8>>,
    due: Steady,
}

/// How long an event may take, from its head to the response.
const PATIENCE: Duration = Duration::from_millis(800);
/// How many may be under way in one worker. The host keeps each in memory until it is complete. Real ones are complete
/// at once, so the one that has waited longest makes room.
const MAX_WAITING: usize = 256;
/// How often each worker looks for what others have received.
const LOOK: Duration = Duration::from_millis(250);
/// How often the same error is logged: servers send an event up to eight times.
const LOG_AGAIN: Duration = Duration::from_secs(60);

impl Events {
    /// Those of a worker that receives events, or does not.
    pub(super) fn new(are_received: bool) -> Self {
        Self { look: are_received.then_some(Steady::ZERO), ..Self::default() }
    }

    /// When something is to be done next.
    pub(super) fn due(&self) -> Option<Steady> {
        self.waiting.entries().iter().map(|(_, waiting)| waiting.due).chain(self.look).min()
    }

    /// One of them has left.
    pub(super) fn leave(&mut self, stream: StreamId) {
        drop(self.take(stream));
    }

    #[inline(never)]
    fn take(&mut self, stream: StreamId) -> Option<Waiting> {
        let waiting = self.waiting.remove(stream);
        self.waiting.give_back();
        waiting
    }

    #[inline(never)]
    fn put(&mut self, stream: StreamId, waiting: Waiting) {
        self.waiting.insert(stream, waiting);
    }

    /// Logs what is wrong with an event.
    #[inline(never)]
    pub(super) fn refused(&mut self, fault: EventFault, now: UnixTime) {
        match self.logged.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, at)) if at.until(now) < LOG_AGAIN => return,
            Some((_, at)) => *at = now,
            None => self.logged.push((fault, now)),
        }
        log::warn!("tollgate: an event is rejected ({}): {fault}", fault.code());
    }

    /// Another configuration counts from now on: all of those that wait have to end.
    pub(super) fn replace(&mut self, are_received: bool) {
        // Those of the configuration before are ended at the next look.
        self.look = (are_received || !self.waiting.is_empty()).then_some(Steady::ZERO);
        self.waiting.values_mut().for_each(|waiting| {
            waiting.due = Steady::ZERO;
            waiting.body = None;
        });
    }
}

impl<T: Trace> Worker<T> {
    /// An event's head has come: lets it wait for its body.
    #[inline(never)]
    pub(super) fn await_event(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        event: Box<Incoming>,
        now: Steady,
    ) {
        if self.events.waiting.len() >= MAX_WAITING {
            let all = self.events.waiting.entries().iter();
            let oldest = all.min_by_key(|(_, waiting)| waiting.due).map(|(id, _)| *id);
            if let Some(id) = oldest {
                self.end_event(id, None);
            }
        }
        stream.state = State::AwaitsEvent;
        let due = now.saturating_add(PATIENCE);
        self.events.put(id, Waiting { event, body: None, due });
        self.wake_at(due);
    }

    /// Its body has come.
    #[inline(never)]
    pub(super) fn event_body(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        body: &[u8],
        now: &Now<'_>,
    ) -> Option<Command> {
        let Waiting { event, due, .. } = self.events.take(id)?;
        let provider = event.provider();
        let step = match event.body(self.generations.of(stream.generation), body, None, now) {
            Ok(step) => step,
            Err(event) => {
                let arrival = self.fetch_keys_early(provider, now.steady());
                if arrival.is_some_and(|arrival| arrival < due) {
                    self.events.put(id, Waiting { event, body: Some(body.to_vec()), due });
                    return None;
                }
                event.give_up(Receipt::Unavailable)
            }
        };
        self.proceed(id, stream, step, now)
    }

    /// Responds to an event without reading it.
    #[inline(never)]
    pub(super) fn give_up_event(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        receipt: Receipt,
        now: &Now<'_>,
    ) -> Option<Command> {
        let Waiting { event, .. } = self.events.take(id)?;
        self.proceed(id, stream, event.give_up(receipt), now)
    }

    /// A fetch of keys has ended, with a set or without one.
    pub(super) fn keys_for_events(&mut self, provider: ProviderId, is_good: bool) {
        let keys = if is_good { KeyNews::Fresh } else { KeyNews::None };
        let awaits = |waiting: &Waiting| waiting.body.is_some() && waiting.event.provider() == provider;
        self.end_events(&awaits, Some(keys));
    }

    /// Gives up on what has waited too long, and looks for what other workers have received.
    #[inline(never)]
    pub(super) fn tick_events(&mut self, now: &Now<'_>) {
        let Some(look) = self.events.look else { return };
        let steady = now.steady();
        self.end_events(&|waiting| waiting.due <= steady, None);
        if look <= steady {
            if self.generations.current.catch_up(now.moment()) {
                self.lasting.look_now();
            }
            let is_awaited = self.generations.current.receives_events() || !self.events.waiting.is_empty();
            self.events.look = is_awaited.then(|| steady.saturating_add(LOOK));
        }
    }

    /// Continues with an event that has waited; without `keys`, it is given up.
    pub(super) fn resume_event(
        &mut self,
        stream: &Stream,
        event: Box<Incoming>,
        body: Option<(Vec<u8>, KeyNews)>,
        now: &Now<'_>,
    ) -> Step {
        let Some((body, keys)) = body else { return event.give_up(Receipt::Unavailable) };
        let enforcer = self.generations.of(stream.generation);
        let step = event.body(enforcer, &body, Some(keys), now);
        step.unwrap_or_else(|event| event.give_up(Receipt::Unavailable))
    }

    /// Those have waited long enough.
    #[inline(never)]
    fn end_events(&mut self, which: &dyn Fn(&Waiting) -> bool, keys: Option<KeyNews>) {
        let all = self.events.waiting.entries().iter();
        let ids: Vec<_> = all.filter(|(_, waiting)| which(waiting)).map(|(id, _)| *id).collect();
        for id in ids {
            self.end_event(id, keys);
        }
    }

    #[inline(never)]
    fn end_event(&mut self, id: StreamId, keys: Option<KeyNews>) {
        let Some(Waiting { event, body, .. }) = self.events.take(id) else { return };
        if let Some(stream) = self.streams.get_mut(id) {
            stream.state = State::AwaitsTurn;
            self.ready.push_back((id, Waited::Event(event, body.zip(keys))));
        }
    }
}
