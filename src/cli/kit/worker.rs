//! Drives the engine's worker for one request. Time advances as far as the worker waits.

use std::collections::VecDeque;

use tollgate_engine::base::ids::{ProviderId, StreamId};
use tollgate_engine::base::moment::{Moment, Now, Steady};
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::decision::trace::Trace;
use tollgate_engine::enforcer::outcome::Outcome;
use tollgate_engine::enforcer::ports::Ports;
use tollgate_engine::policy::Policy;
use tollgate_engine::provider::outcome::CallOutcome;
use tollgate_engine::request::head::{Fields, Head};
use tollgate_engine::worker::Worker;
use tollgate_engine::worker::command::{CallId, Command, Event, OutgoingCall};

/// A worker with one request.
#[derive(Debug)]
pub(crate) struct Driver<T> {
    worker: Worker<T>,
    now: Moment,
    calls: VecDeque<(CallId, OutgoingCall)>,
    due: Option<Steady>,
    outcome: Option<Outcome>,
}

const STREAM: StreamId = StreamId(1);

impl<T: Trace> Driver<T> {
    /// A worker at this time of day, with all of its fetches queued.
    pub(crate) fn new(policy: Policy, ports: Ports<T>, wall: UnixTime) -> Self {
        let now = Moment { wall, steady: Steady::ZERO };
        let worker = Worker::new(policy, ports);
        let mut driver = Self { worker, now, calls: VecDeque::new(), due: None, outcome: None };
        driver.tell(Event::Tick);
        driver
    }

    /// The worker, read-only.
    pub(crate) fn worker(&self) -> &Worker<T> {
        &self.worker
    }

    /// Gives it the request, with this body if it is a form.
    pub(crate) fn request(&mut self, head: Fields, form: &[u8]) {
        self.tell(Event::Request { stream: STREAM, head: Head::from(head), is_whole: false });
        if let Some(max) = self.worker.body_limit(STREAM) {
            let whole = (form.len() <= max).then_some(form);
            self.tell(Event::Body { stream: STREAM, size: form.len(), whole, is_end: true });
        }
    }

    /// The next call of the worker.
    pub(crate) fn call(&mut self) -> Option<(CallId, OutgoingCall)> {
        self.calls.pop_front()
    }

    /// Gives it the outcome of a call.
    pub(crate) fn respond(&mut self, call: CallId, outcome: CallOutcome<'_>) {
        self.tell(Event::Response(call, outcome));
    }

    /// The provider whose keys the request waits for, if it does.
    pub(crate) fn awaits_keys(&self) -> Option<ProviderId> {
        self.worker.awaits_keys(STREAM)
    }

    /// Advances the time to the worker's next timer. `false`: it has no timer.
    pub(crate) fn wait(&mut self) -> bool {
        let Some(due) = self.due.take() else { return false };
        let passed = due.saturating_sub(self.now.steady);
        self.now =
            Moment { wall: self.now.wall.plus(passed), steady: self.now.steady.saturating_add(passed) };
        self.tell(Event::Tick);
        true
    }

    /// The outcome of the request, if it is decided.
    pub(crate) fn take_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    fn tell(&mut self, event: Event<'_>) {
        let moment = self.now;
        let now = Now::new(&moment);
        let mut next = self.worker.handle(event, &now);
        while let Some(command) = next.take().or_else(|| self.worker.poll(&now)) {
            match command {
                Command::Call(id, call) => self.calls.push_back((id, call)),
                Command::Pass(_, outcome) | Command::Answer(_, outcome, _) => self.outcome = Some(*outcome),
                Command::Continue(_) | Command::Change(..) | Command::End(..) => {}
            }
        }
        if let Some(due) = self.worker.take_wake() {
            self.due = due;
        }
    }
}
