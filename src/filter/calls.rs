//! What the requests of one configuration and worker share, and how each is brought to its end.
//!
//! A request that needs an answer waits on a flight ([`crate::flights`]); whoever gets the answer
//! turns to it, so all waiting requests are resumed in the same way.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::BufferType;

use crate::fetches::Fetches;
use crate::flights::{AT_ONCE, Flights};
use crate::host;
use crate::metrics::Metrics;
use crate::stream::{Progress, ResponseChange, State, Stream};
use crate::verify::Native;
use tollgate_engine::base::moment::Moment;
use tollgate_engine::base::time::UnixTime;
use tollgate_engine::cache::shared::Shared;
use tollgate_engine::decision::{Decision, NoAnswer, Rejection};
use tollgate_engine::enforcer::{AwaitingForm, Enforcer, Outcome, Step};
use tollgate_engine::policy::{Mode, Policy};
use tollgate_engine::request::head::Packed;

/// Everything that the requests of one configuration and worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    /// The root context: all calls are its own, so that no request takes one with it when it goes.
    pub(crate) root: u32,
    pub(crate) enforcer: Enforcer,
    pub(crate) metrics: Metrics,
    pub(crate) shared: Shared,
    pub(crate) flights: Flights,
    pub(crate) fetches: Fetches,
    forms: RefCell<HashMap<u32, FormDue>>,
    /// When the next tick comes, if one has been asked for.
    next_tick: Cell<Option<Uptime>>,
    watch: Cell<Option<Watch>>,
}

/// A moment by the clock that does not step: waiting goes by that one.
pub(crate) type Uptime = Duration;

/// A form that is waited for, and until when.
#[derive(Debug)]
struct FormDue {
    due: Uptime,
    stream: Rc<Stream>,
    /// Under whose configuration it began, if that has been replaced: that one ends it.
    of: Option<Rc<Worker>>,
}

/// While something is remembered, somebody has to see whether the wall clock is set back: entries would
/// live longer than they may.
#[derive(Clone, Copy, Debug)]
struct Watch {
    /// How far the wall clock is ahead of the steady one, in milliseconds.
    ahead: u64,
    /// When all that is remembered now will be over.
    until: Uptime,
}

impl Worker {
    pub(crate) fn new(root: u32, policy: Policy) -> Self {
        let enforcer = Enforcer::new(policy, host::seed(), &host::plugin())
            .with_verifier(&Native)
            .with_signer(&Native)
            .with_peer(&host::Downstream)
            .with_store(Box::new(host::SharedData));
        let policy = enforcer.policy();
        Self {
            root,
            shared: Shared::new(&policy.cache),
            flights: Flights::new(policy.providers.len()),
            fetches: Fetches::new(policy, &enforcer),
            enforcer,
            metrics: Metrics::define(),
            forms: RefCell::default(),
            next_tick: Cell::new(None),
            watch: Cell::new(None),
        }
    }

    pub(crate) fn max_form_bytes(&self) -> usize {
        AwaitingForm::max_bytes(&self.enforcer)
    }

    pub(crate) fn owns_field(&self, name: &[u8]) -> bool {
        self.enforcer.owns_field(name)
    }

    /// Takes a request's head. The host's effective context is the request's, here as in
    /// [`Self::form`].
    pub(crate) fn begin(&self, stream: &Rc<Stream>, head: Packed) -> Progress {
        let now = host::now();
        self.proceed(stream, self.enforcer.begin(head, now), now)
    }

    /// Takes a request's whole form body.
    pub(crate) fn form(&self, stream: &Rc<Stream>, body: &[u8]) -> Progress {
        let now = host::now();
        self.forms.borrow_mut().remove(&stream.id);
        match stream.become_(State::New) {
            State::AwaitsForm(form) => self.proceed(stream, form.body(&self.enforcer, body, now), now),
            _ => Progress::Waiting,
        }
    }

    /// Gives up on a form body.
    pub(crate) fn give_up_form(&self, stream: &Rc<Stream>, rejection: Rejection) -> Progress {
        self.forms.borrow_mut().remove(&stream.id);
        match stream.become_(State::New) {
            State::AwaitsForm(form) => {
                self.proceed(stream, form.give_up(&self.enforcer, rejection), host::now())
            }
            _ => Progress::Waiting,
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&self) {
        let now = Moment { wall: host::now(), steady: host::steady() };
        self.next_tick.set(None);
        self.watch_clock(now);
        self.metrics.flush();
        self.tick_fetches(now);
        self.tick_flights(now);
        let late: Vec<_> = {
            let forms = self.forms.borrow();
            let late = forms.iter().filter(|(_, form)| form.due <= now.steady);
            late.take(AT_ONCE).map(|(id, _)| *id).collect()
        };
        for id in late {
            let Some(FormDue { stream, of, .. }) = self.forms.borrow_mut().remove(&id) else { continue };
            if let State::AwaitsForm(form) = stream.become_(State::AwaitsTurn) {
                let step = |worker: &Self| form.give_up(&worker.enforcer, Rejection::FormMissing);
                of.as_deref().unwrap_or(self).proceed_elsewhere(&stream, step, now.wall);
            }
        }
        let forms = self.forms.borrow().values().map(|form| form.due).min();
        let watch = self.watch.get().map(|_| now.steady.saturating_add(WATCH_EVERY));
        match [self.flights.due(), self.fetches.due(), forms, watch].into_iter().flatten().min() {
            Some(due) => self.tick_at(due),
            // Asked for meanwhile, by a request that went on above.
            None if self.next_tick.get().is_some() => {}
            None => host::tick_after(Duration::ZERO),
        }
    }

    /// Takes over the forms that the worker before this one waits for: they are given up with the next tick.
    pub(crate) fn inherit_forms(&self, before: &Rc<Self>) {
        let forms = before.forms.take().into_iter().map(|(id, FormDue { stream, of, .. })| {
            let of = of.or_else(|| Some(Rc::clone(before)));
            (id, FormDue { due: Uptime::ZERO, stream, of })
        });
        self.forms.borrow_mut().extend(forms);
    }

    /// Does what the engine says until something has to be waited for. The effective context is the
    /// request's.
    pub(crate) fn proceed(&self, stream: &Rc<Stream>, mut step: Step, now: UnixTime) -> Progress {
        loop {
            step = match step {
                Step::Done(outcome) => return self.settle(stream, &outcome, now),
                Step::ReadForm(form) if self.forms.borrow().len() >= MAX_FORMS => {
                    let crowded = Rejection::NoAnswer { cause: NoAnswer::Crowded, retry_after: None };
                    form.give_up(&self.enforcer, crowded)
                }
                Step::ReadForm(form) => {
                    stream.become_(State::AwaitsForm(form));
                    let due = host::steady().saturating_add(FORM_PATIENCE);
                    let form = FormDue { due, stream: Rc::clone(stream), of: None };
                    self.forms.borrow_mut().insert(stream.id, form);
                    self.tick_at(due);
                    return Progress::Waiting;
                }
                Step::FetchKeys(provider, pending) => match self.wait_for_keys(provider, stream, pending) {
                    Ok(()) => {
                        stream.become_(State::AwaitsKeys(provider));
                        return Progress::Waiting;
                    }
                    Err((pending, news)) => pending.resume_with_keys(&self.enforcer, news, now),
                },
                Step::Introspect(question, pending) => {
                    let Some(finding) = self.seek(&question, stream, now) else {
                        stream.become_(State::AwaitsAnswer(question.key));
                        self.flights.wait(question.key, stream, pending);
                        return Progress::Waiting;
                    };
                    pending.resume(&self.enforcer, &finding, now)
                }
            };
        }
    }

    /// A stream has ended: whatever it waits for, it waits no more.
    pub(crate) fn leave(&self, stream: &Stream) {
        match stream.leave() {
            State::AwaitsForm(_) => drop(self.forms.borrow_mut().remove(&stream.id)),
            State::AwaitsAnswer(key) => self.flights.leave(key),
            State::AwaitsKeys(provider) => self.leave_keys(provider),
            State::New | State::AwaitsTurn | State::Passed(_) | State::Answered => {}
        }
    }

    /// Does what the engine says for a request whose callback this is not: the one way in which such a request
    /// is answered or goes on. One whose stream has ended meanwhile is passed over.
    pub(crate) fn proceed_elsewhere(
        &self,
        stream: &Rc<Stream>,
        step: impl FnOnce(&Self) -> Step,
        now: UnixTime,
    ) {
        if !stream.is_gone()
            && host::turn_to(stream.id)
            && self.proceed(stream, step(self), now) == Progress::Passed
        {
            host::resume();
        }
    }

    /// Carries out the last word.
    fn settle(&self, stream: &Stream, outcome: &Outcome, now: UnixTime) -> Progress {
        let carried_out = self.enforcer.policy().mode == Mode::Enforce;
        self.metrics.settled(outcome, carried_out);
        if let Some(question) = &outcome.refresh {
            self.refresh_soon(question);
        }
        if let Decision::Describe(_) = outcome.decision {
            host::note("tollgate.verdict", outcome.decision.verdict().name());
            stream.become_(State::Answered);
            outcome.answer(&self.enforcer).iter().for_each(host::reply);
            return Progress::Answered;
        }
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
        if let (Decision::Allow(verdict), true) =
            (&outcome.decision, self.enforcer.policy().upstream.filter_state)
        {
            host::note("tollgate.verdict", verdict.name());
            let told = outcome.grant.identity.iter().flat_map(|identity| &identity.state);
            told.for_each(|(name, text)| host::note(name, text));
        }
        if let Some(body) = &outcome.grant.body {
            let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, 0, usize::MAX, body);
        }
        let change = ResponseChange {
            is_private: outcome.grant.private_response,
            dpop_nonce: outcome.grant.dpop_nonce.clone(),
            websocket_protocol: outcome.grant.websocket_protocol.clone(),
        };
        stream.become_(State::Passed(change));
        Progress::Passed
    }

    /// Something has been remembered: from now on, until it is over, the clock is watched.
    pub(crate) fn watch(&self, now: Moment) {
        let cache = &self.enforcer.policy().cache;
        let longest = cache.ttl.max(cache.ttl_without_exp).max(cache.negative_ttl);
        let until = now.steady.saturating_add(longest).saturating_add(cache.stale_if_error);
        let ahead = self.watch.get().map_or_else(|| ahead(now), |watch| watch.ahead);
        self.watch.set(Some(Watch { ahead, until }));
        self.tick_at(now.steady.saturating_add(WATCH_EVERY));
    }

    fn watch_clock(&self, now: Moment) {
        let Some(watch) = self.watch.get() else { return };
        let ahead = ahead(now);
        if ahead.saturating_add(TOLERANCE) < watch.ahead {
            log::info!("tollgate: the clock has been set back: the cache is cleared");
            self.enforcer.forget();
        }
        self.watch.set((now.steady < watch.until).then_some(Watch { ahead, ..watch }));
    }

    /// Asks for a tick at `due`, unless one comes sooner anyway.
    pub(crate) fn tick_at(&self, due: Uptime) {
        if self.next_tick.get().is_some_and(|next| next <= due) {
            return;
        }
        self.next_tick.set(Some(due));
        host::tick_after(due.saturating_sub(host::steady()).max(Duration::from_millis(1)));
    }
}

/// How far the wall clock is ahead of the steady one, in milliseconds; it does not matter of what.
fn ahead(now: Moment) -> u64 {
    now.wall.minus(now.steady).as_millis()
}

/// How long a form body may take to arrive. Without `allow_on_headers_stop_iteration` in the
/// plugin's configuration the host never hands it over, and the request must not hang.
const FORM_PATIENCE: Duration = Duration::from_secs(10);
/// How many form bodies may be under way in one worker: the host keeps each in memory until it is complete.
const MAX_FORMS: usize = 1024;
/// How often the clock is looked at while something is remembered; counters that nobody waits for are
/// handed over then, too.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// By how much, in milliseconds, the clocks may drift apart from one look to the next.
const TOLERANCE: u64 = 50;
