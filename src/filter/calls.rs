//! Calls under way, and the requests that wait for them.
//!
//! A call belongs to the context whose callback made it: to the request's own for the first one, to
//! the root's for a retry that had to wait for the clock. Whoever gets the answer turns to the
//! request that waits, so a request is resumed in the same way from either.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use crate::decision::{Decision, Rejection};
use crate::enforcer::{AwaitingForm, Enforcer, Fields, Outcome, Pending, Step};
use crate::filter::host;
use crate::filter::metrics::Metrics;
use crate::policy::{Mode, Policy};
use crate::provider::call::IntrospectionCall;
use crate::provider::reply::CallOutcome;
use crate::time::UnixTime;

/// How far a request has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// It goes on.
    Passed,
    /// It has been answered.
    Answered,
    /// It waits.
    Waiting,
}

/// One request, as the worker knows it.
#[derive(Debug)]
pub(super) struct Stream {
    id: u32,
    state: RefCell<State>,
}

#[derive(Debug)]
enum State {
    New,
    AwaitsForm(Box<AwaitingForm>),
    AwaitsAnswer(u32),
    AwaitsRetry,
    Passed { private_response: bool },
    Answered,
    Gone,
}

/// Everything that the requests of one configuration and worker share.
#[derive(Debug)]
pub(super) struct Worker {
    enforcer: Enforcer,
    metrics: Metrics,
    flights: RefCell<HashMap<u32, Flight>>,
    retries: RefCell<Vec<Retry>>,
    forms: RefCell<HashMap<u32, (Uptime, Rc<Stream>)>>,
    /// When the next tick comes, if one has been asked for.
    next_tick: Cell<Option<Uptime>>,
    began: Instant,
}

/// A moment, as the time since the worker began: waiting goes by a clock that does not step.
type Uptime = Duration;

#[derive(Debug)]
struct Flight {
    stream: Rc<Stream>,
    pending: Box<Pending>,
    read_up_to: usize,
}

#[derive(Debug)]
struct Retry {
    due: Uptime,
    stream: Rc<Stream>,
    call: Box<IntrospectionCall>,
    pending: Box<Pending>,
}

impl Stream {
    pub(super) fn new(id: u32) -> Self {
        Self { id, state: RefCell::new(State::New) }
    }

    pub(super) fn awaits_form(&self) -> bool {
        matches!(*self.state.borrow(), State::AwaitsForm(_))
    }

    pub(super) fn is_passed(&self) -> bool {
        matches!(*self.state.borrow(), State::Passed { .. })
    }

    pub(super) fn wants_private_response(&self) -> bool {
        matches!(*self.state.borrow(), State::Passed { private_response: true })
    }

    fn is_gone(&self) -> bool {
        matches!(*self.state.borrow(), State::Gone)
    }

    fn become_(&self, state: State) -> State {
        self.state.replace(state)
    }
}

impl Worker {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            enforcer: Enforcer::new(policy),
            metrics: Metrics::define(),
            flights: RefCell::default(),
            retries: RefCell::default(),
            forms: RefCell::default(),
            next_tick: Cell::new(None),
            began: Instant::now(),
        }
    }

    pub(super) fn max_form_bytes(&self) -> usize {
        AwaitingForm::max_bytes(&self.enforcer)
    }

    pub(super) fn owns_field(&self, name: &[u8]) -> bool {
        self.enforcer.owns_field(name)
    }

    /// Takes a request's head. The host's effective context is the request's, here as in
    /// [`Self::form`].
    pub(super) fn begin(&self, stream: &Rc<Stream>, fields: Fields) -> Progress {
        let now = host::now();
        self.proceed(stream, self.enforcer.begin(fields, now), now)
    }

    /// Takes a request's whole form body.
    pub(super) fn form(&self, stream: &Rc<Stream>, body: &[u8]) -> Progress {
        let now = host::now();
        self.forms.borrow_mut().remove(&stream.id);
        match stream.become_(State::New) {
            State::AwaitsForm(form) => self.proceed(stream, form.body(&self.enforcer, body, now), now),
            _ => Progress::Waiting,
        }
    }

    /// Gives up on a form body.
    pub(super) fn give_up_form(&self, stream: &Rc<Stream>, rejection: Rejection) -> Progress {
        self.forms.borrow_mut().remove(&stream.id);
        match stream.become_(State::New) {
            State::AwaitsForm(form) => {
                self.proceed(stream, form.give_up(&self.enforcer, rejection), host::now())
            }
            _ => Progress::Waiting,
        }
    }

    /// An answer has arrived, or its absence (`arrived` is false then). An id that we do not know is
    /// that of a request that has gone.
    pub(super) fn answered(&self, id: u32, arrived: bool) {
        let Some(flight) = self.flights.borrow_mut().remove(&id) else { return };
        let (mut head, mut body) = (Fields::new(), Vec::new());
        if arrived {
            head = host::fields(MapType::HttpCallResponseHeaders);
            body = host::buffer(BufferType::HttpCallResponseBody, flight.read_up_to);
        }
        let outcome =
            if arrived { CallOutcome::Response { head: &head, body: &body } } else { CallOutcome::Failed };
        let now = host::now();
        let Flight { stream, pending, .. } = flight;
        self.proceed_elsewhere(&stream, |worker| pending.resume(&worker.enforcer, outcome, now), now);
    }

    /// Time has passed: sends the retries that are due and gives up on forms that never came.
    pub(super) fn tick(&self) {
        let up = self.uptime();
        let due: Vec<Retry> = self.retries.borrow_mut().extract_if(.., |retry| retry.due <= up).collect();
        // All calls first: the host gives a call to the effective context, which must still be the
        // root's and not that of a request that ends here, or the call would end with it.
        let mut unsent = Vec::new();
        for Retry { stream, call, pending, .. } in due.into_iter().filter(|retry| !retry.stream.is_gone()) {
            unsent.extend(self.send(&stream, &call, pending).err().map(|pending| (stream, pending)));
        }
        for (stream, pending) in unsent {
            let now = host::now();
            let step = |worker: &Self| pending.resume(&worker.enforcer, CallOutcome::NotDispatched, now);
            self.proceed_elsewhere(&stream, step, now);
        }
        let late: Vec<_> = self.forms.borrow_mut().extract_if(|_, (due, _)| *due <= up).collect();
        for (_, (_, stream)) in late {
            if host::turn_to(stream.id)
                && self.give_up_form(&stream, Rejection::FormMissing) == Progress::Passed
            {
                host::resume();
            }
        }
        let retries = self.retries.borrow().iter().map(|retry| retry.due).min();
        let forms = self.forms.borrow().values().map(|(due, _)| *due).min();
        self.next_tick.set(None);
        match retries.into_iter().chain(forms).min() {
            Some(due) => self.tick_at(due),
            None => host::tick_after(Duration::ZERO),
        }
    }

    /// The request has ended: nobody waits any more.
    pub(super) fn forget(&self, stream: &Rc<Stream>) {
        match stream.become_(State::Gone) {
            State::AwaitsAnswer(call) => drop(self.flights.borrow_mut().remove(&call)),
            State::AwaitsForm(_) => drop(self.forms.borrow_mut().remove(&stream.id)),
            // A retry is passed over when it is due, which is soon.
            State::AwaitsRetry | State::New | State::Passed { .. } | State::Answered | State::Gone => {}
        }
    }

    /// Does what the engine says until something has to be waited for. The effective context is the
    /// request's.
    fn proceed(&self, stream: &Rc<Stream>, mut step: Step, now: UnixTime) -> Progress {
        loop {
            step = match step {
                Step::Done(outcome) => return self.settle(stream, &outcome, now),
                Step::ReadForm(form) => {
                    stream.become_(State::AwaitsForm(Box::new(form)));
                    let due = self.uptime().saturating_add(FORM_PATIENCE);
                    self.forms.borrow_mut().insert(stream.id, (due, Rc::clone(stream)));
                    self.tick_at(due);
                    return Progress::Waiting;
                }
                Step::Introspect(call, pending) if call.after > Duration::ZERO => {
                    stream.become_(State::AwaitsRetry);
                    let due = self.uptime().saturating_add(call.after);
                    self.retries.borrow_mut().push(Retry { due, stream: Rc::clone(stream), call, pending });
                    self.tick_at(due);
                    return Progress::Waiting;
                }
                Step::Introspect(call, pending) => match self.send(stream, &call, pending) {
                    Ok(()) => return Progress::Waiting,
                    Err(pending) => pending.resume(&self.enforcer, CallOutcome::NotDispatched, now),
                },
            };
        }
    }

    /// Does what the engine says for a request whose callback this is not, or is no longer.
    fn proceed_elsewhere(&self, stream: &Rc<Stream>, step: impl FnOnce(&Self) -> Step, now: UnixTime) {
        if stream.is_gone() || !host::turn_to(stream.id) {
            return;
        }
        if self.proceed(stream, step(self), now) == Progress::Passed {
            host::resume();
        }
    }

    /// Makes a call; hands the request back if the host would not.
    fn send(
        &self,
        stream: &Rc<Stream>,
        call: &IntrospectionCall,
        pending: Box<Pending>,
    ) -> Result<(), Box<Pending>> {
        self.metrics.call(call.previous.as_ref());
        let Some(id) = host::dispatch(call) else { return Err(pending) };
        stream.become_(State::AwaitsAnswer(id));
        let flight = Flight { stream: Rc::clone(stream), pending, read_up_to: call.read_up_to };
        self.flights.borrow_mut().insert(id, flight);
        Ok(())
    }

    /// Carries out the last word.
    fn settle(&self, stream: &Stream, outcome: &Outcome, now: UnixTime) -> Progress {
        let carried_out = self.enforcer.policy().mode == Mode::Enforce;
        self.metrics.settled(&outcome.decision, carried_out, outcome.grant.dropped);
        if let Decision::Deny(rejection) = &outcome.decision {
            let rule = outcome.rule(&self.enforcer).map(|rule| rule.name.as_str());
            self.metrics.log(rejection, rule, now);
            host::note("tollgate.verdict", rejection.verdict().name());
            host::note("tollgate.reason", &rejection.to_string());
            if carried_out && let Some(answer) = outcome.answer(&self.enforcer) {
                stream.become_(State::Answered);
                host::reply(&answer);
                return Progress::Answered;
            }
        }
        host::apply(&outcome.grant);
        if let Some(body) = &outcome.grant.body {
            let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, 0, usize::MAX, body);
        }
        stream.become_(State::Passed { private_response: outcome.grant.private_response });
        Progress::Passed
    }

    /// Asks for a tick at `due`, unless one comes sooner anyway.
    fn tick_at(&self, due: Uptime) {
        let up = self.uptime();
        if self.next_tick.get().is_none_or(|next| due < next || next < up) {
            self.next_tick.set(Some(due));
            host::tick_after(due.saturating_sub(up).max(Duration::from_millis(1)));
        }
    }

    fn uptime(&self) -> Uptime {
        self.began.elapsed()
    }
}

/// How long a form body may take to arrive. Without `allow_on_headers_stop_iteration` in the
/// plugin's configuration the host never hands it over, and the request must not hang.
const FORM_PATIENCE: Duration = Duration::from_secs(10);
