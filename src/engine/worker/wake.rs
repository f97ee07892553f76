//! What is done when time passes, and when the next tick is requested.

use crate::base::moment::{Moment, Now, Steady};
use crate::base::slack::give_back_queue;
use crate::decision::trace::Trace;
use crate::worker::Worker;
use crate::worker::counts::TELL_EVERY;

/// When the worker needs the next tick.
#[derive(Debug, Default)]
pub(super) struct Wake {
    /// The requested time.
    asked: Option<Steady>,
    /// Whether the driver still has to be told.
    is_news: bool,
}

impl<T: Trace> Worker<T> {
    /// The time of the next [`Event::Tick`], if it has changed: at that moment of the steady clock, or at once
    /// if it is past. `Some(None)`: never. A new time replaces the one before.
    ///
    /// [`Event::Tick`]: crate::worker::command::Event::Tick
    pub fn take_wake(&mut self) -> Option<Option<Steady>> {
        if !self.ready.is_empty() || !self.outbox.is_empty() {
            self.wake_soon();
        }
        give_back_queue(&mut self.ready);
        give_back_queue(&mut self.outbox);
        std::mem::take(&mut self.wake.is_news).then_some(self.wake.asked)
    }

    /// Time has passed. Streams that end with their token are checked apart ([`Worker::tick_lasting`]): the same code
    /// judges requests, and is compiled for speed.
    #[inline(never)]
    pub(super) fn tick(&mut self, now: &Now<'_>) {
        let moment = now.moment();
        self.wake = Wake { asked: None, is_news: true };
        if self.watch.was_set_back(moment) {
            log::info!("tollgate: the clock has been set back: the cache is cleared");
            self.generations.current.forget();
        }
        let has_counted = self.counts.flush();
        self.tick_fetches(moment);
        self.tick_flights(now);
        self.tick_forms(now);
        self.tick_events(now);
        let forms = self.forms.entries().iter().map(|(_, due)| *due).min();
        let watch = self.watch.due(moment.steady);
        self.counts.is_awaited(has_counted || watch.is_some());
        let counts = has_counted.then(|| moment.steady.saturating_add(TELL_EVERY));
        let dues = [self.flights.due(), self.fetches.due(), self.events.due(), forms, watch, counts];
        for due in dues.into_iter().flatten() {
            self.wake_at(due);
        }
    }

    /// A response to a call of that moment was cached: until it expires, the clock is watched.
    pub(super) fn watch(&mut self, asked: Moment) {
        let due = self.watch.remembered(asked, &self.generations.current.policy().cache);
        self.wake_at(due);
    }

    /// Something was counted: a tick follows within a second, if there would be none.
    #[inline]
    pub(super) fn tell_soon(&mut self, now: &Now<'_>) {
        if !self.counts.is_awaited(true) {
            self.wake_at(now.steady().saturating_add(TELL_EVERY));
        }
    }

    /// Asks for a tick as soon as may be.
    pub(super) fn wake_soon(&mut self) {
        self.wake_at(Steady::ZERO);
    }

    /// Asks for a tick at `due`, unless one comes sooner anyway.
    pub(super) fn wake_at(&mut self, due: Steady) {
        if self.wake.asked.is_none_or(|asked| due < asked) {
            self.wake = Wake { asked: Some(due), is_news: true };
        }
    }
}
