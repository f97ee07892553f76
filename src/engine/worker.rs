//! One worker of a proxy: an [`Event`] goes in, [`Command`]s come out.
//!
//! Everything that waits is in here: requests wait for responses, for keys and for their own bodies, and calls
//! wait for their turn. Nothing here performs I/O or reads a clock. A driver passes in each event
//! ([`Worker::handle`]), carries out the commands until there are no more ([`Worker::poll`]), adds up the
//! counts ([`Worker::take_count`]), and sends [`Event::Tick`] when the worker has requested it
//! ([`Worker::take_wake`]).
//!
//! ```text
//!  Request, Body, Gone ──▶ ╭────────╮ ──▶ Pass, Answer, Change
//!             Response ──▶ │ Worker │ ──▶ Call
//!                 Tick ──▶ ╰────────╯ ──▶ counts, wake
//! ```

mod brake;
mod clock;
pub mod command;
pub mod counts;
mod events;
mod fetches;
mod flights;
mod forms;
mod lasting;
pub mod series;
mod streams;
mod waiters;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::ids::{ProviderId, StatusId, StreamId};
use crate::base::moment::{Moment, Now, Steady};
use crate::base::slack::give_back_queue;
use crate::base::table::Table;
use crate::base::time::UnixTime;
use crate::decision::receipt::Receipt;
use crate::decision::trace::{Trace, Untraced};
use crate::decision::{Decision, NoAnswer, Rejection};
use crate::enforcer::events::Incoming;
use crate::enforcer::outcome::Outcome;
use crate::enforcer::ports::Ports;
use crate::enforcer::{AwaitingForm, Enforcer, Finding, Pending, Step};
use crate::policy::{Mode, Policy};
use crate::provider::fetch::{Document, FetchFault};
use crate::provider::keys::KeyNews;
use crate::provider::outcome::CallOutcome;
use crate::response::answer::Answer;
use crate::revocation::endpoint::MAX_EVENT;
use crate::token::key::TokenKey;
use crate::worker::brake::Brake;
use crate::worker::clock::Watch;
use crate::worker::command::{CallId, Command, Event, OutgoingCall, ResponseChange};
use crate::worker::counts::{Counter, Counts, TELL_EVERY};
use crate::worker::events::Events;
use crate::worker::fetches::Fetches;
use crate::worker::flights::{Flights, not_asked};
use crate::worker::lasting::Lastings;
use crate::worker::series::Series;
use crate::worker::streams::{Awaited, Generations, State, Stream, Streams};

/// All that the requests of one plugin share in one worker of the proxy.
#[derive(Debug)]
pub struct Worker<T = Untraced> {
    generations: Generations<T>,
    streams: Streams,
    flights: Flights,
    fetches: Fetches,
    /// Forms that are waited for, and until when.
    forms: Table<StreamId, Steady>,
    events: Events,
    /// Requests that end with their token.
    lasting: Lastings,
    /// Requests that have waited, and what is there for them now.
    ready: VecDeque<(StreamId, Waited)>,
    /// How many of those may have their turn yet, until something else happens.
    turns: u32,
    /// Calls that are under way.
    calls: Table<CallId, Purpose>,
    last_call: u32,
    /// Calls that are to be made.
    outbox: VecDeque<(CallId, OutgoingCall)>,
    wake: Wake,
    watch: Watch,
    counts: Counts,
    brake: Brake,
}

/// What a call is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Introspection(TokenKey),
    Fetch(Document),
}

/// A request that has waited, with the state in which it continues.
#[derive(Debug)]
enum Waited {
    Token(Box<Pending>, Told),
    /// For its own body, which has not arrived.
    Form(Box<AwaitingForm>),
    /// A pushed event: its body, and what has come of its wish for keys; `None`: it is given up.
    Event(Box<Incoming>, Option<(Vec<u8>, KeyNews)>),
    /// To be judged again: it has been let through, and lasts.
    Again,
}

/// What a request has waited for.
#[derive(Clone, Debug)]
enum Told {
    /// What has been found out about its token.
    Finding(Rc<Finding>),
    /// A document, another one perhaps.
    Fetched(Document, KeyNews),
    /// Nothing any more: the configuration under which it began has been replaced.
    Replaced,
}

/// When the worker needs the next tick.
#[derive(Debug, Default)]
struct Wake {
    /// The requested time.
    asked: Option<Steady>,
    /// Whether the driver still has to be told.
    is_news: bool,
}

/// How many waiting requests are continued at once, whatever happens to each: its token may be verified or
/// introspected, and it may get its response. A proxy sends a response within the callback of the one before,
/// and some hundreds of these exhaust V8's stack.
const AT_ONCE: u32 = 32;

/// The filter's worker. What is generic over the trace is compiled with the filter, for speed. These functions, and what
/// only they call, are compiled with this package, for size: nobody waits for them.
impl Worker<Untraced> {
    /// The same as [`Worker::new`].
    #[inline(never)]
    pub fn start(policy: Policy, ports: Ports<Untraced>) -> Self {
        Self::new(policy, ports)
    }

    /// The same as [`Worker::replace`].
    #[inline(never)]
    pub fn restart(&mut self, policy: Policy, ports: Ports<Untraced>) {
        self.replace(policy, ports);
    }
}

impl<T: Trace> Worker<T> {
    /// A worker under this configuration. It requests a tick at once if there is something to fetch.
    #[inline(never)]
    pub fn new(policy: Policy, ports: Ports<T>) -> Self {
        warn_of_tokens_in_the_query(&policy);
        let enforcer = Enforcer::new(policy, ports);
        let mut worker = Self {
            streams: Streams::default(),
            flights: Flights::new(enforcer.policy().providers.len()),
            fetches: Fetches::new(&enforcer),
            events: Events::new(enforcer.receives_events()),
            generations: Generations::new(enforcer),
            forms: Table::default(),
            lasting: Lastings::default(),
            ready: VecDeque::new(),
            turns: 0,
            calls: Table::default(),
            last_call: 0,
            outbox: VecDeque::new(),
            wake: Wake::default(),
            watch: Watch::default(),
            counts: Counts::default(),
            brake: Brake::default(),
        };
        for document in worker.fetches.documents() {
            match document {
                // There is one age for all status lists of a provider.
                Document::Status(StatusId { provider, at: 0 }) => worker.tell_age_of_status(provider),
                Document::Status(_) => {}
                Document::List(_) | Document::Keys(_) => {
                    worker.counts.has_document(document, UnixTime::from_secs(0));
                }
            }
        }
        worker.counts.begin();
        worker.begin_to_fetch();
        worker
    }

    /// Replaces the configuration. Client lists and keys that were fetched from the same places are kept; status lists
    /// are fetched anew. Waiting requests are ended: a request that began under one configuration is not judged by
    /// another.
    #[inline(never)]
    pub fn replace(&mut self, policy: Policy, ports: Ports<T>) {
        warn_of_tokens_in_the_query(&policy);
        let mut enforcer = Enforcer::new(policy, ports);
        let before = &self.generations.current;
        let lists = enforcer.inherit_lists(before).into_iter().map(Document::List);
        let keys = enforcer.inherit_keys(before).into_iter().map(Document::Keys);
        let known: Vec<Document> = lists.chain(keys).collect();
        for (stream, pending) in self.fetches.take_all().into_iter().chain(self.flights.take_all()) {
            self.wake_one(stream, pending, Told::Replaced);
        }
        for (_, waited) in &mut self.ready {
            if let Waited::Token(_, told) = waited {
                *told = Told::Replaced;
            }
        }
        self.forms.values_mut().for_each(|due| *due = Steady::ZERO);
        self.events.replace(enforcer.receives_events());
        self.calls.clear();
        self.outbox.clear();
        self.counts.forget();
        self.flights = Flights::new(enforcer.policy().providers.len());
        self.fetches = Fetches::new(&enforcer);
        for document in known {
            self.fetches.has_arrived(document);
        }
        self.generations.replace(enforcer);
        self.watch = Watch::default();
        self.wake_soon();
    }

    /// The configuration that counts now.
    pub fn policy(&self) -> &Policy {
        self.generations.current.policy()
    }

    /// Takes what has happened. The first thing to do about it, if there is any.
    pub fn handle(&mut self, event: Event<'_>, now: &Now<'_>) -> Option<Command> {
        if !matches!(event, Event::Response(_, CallOutcome::NotDispatched)) {
            self.turns = AT_ONCE;
        }
        match event {
            Event::Request { stream, head, is_whole } => {
                let step = self.generations.current.begin(stream, head, now.wall());
                let mut state = Stream::new(self.generations.now(), is_whole);
                let mut done = self.proceed(stream, &mut state, step, now);
                if is_whole && done.is_none() {
                    // The host has no body to hand over.
                    done = self.whole_body(stream, &mut state, &[], now);
                }
                self.streams.put(stream, state, &mut self.generations);
                done
            }
            Event::Body { stream, size, whole, is_end } => self.body(stream, size, whole, is_end, now),
            Event::ResponseHead(stream) => self.response_head(stream),
            Event::Gone(stream) => {
                if let Some(gone) = self.streams.take(stream) {
                    self.leave(stream, &gone);
                }
                None
            }
            Event::Response(call, outcome) => {
                let purpose = self.calls.remove(call)?;
                self.calls.give_back();
                match purpose {
                    Purpose::Introspection(key) => {
                        self.counts.in_flight(-1);
                        self.landed(key, outcome, now);
                    }
                    Purpose::Fetch(document) => self.fetched(document, outcome, now.moment()),
                }
                None
            }
            Event::Tick => {
                self.tick(now);
                None
            }
        }
    }

    /// The next command, if any. Only a limited number of requests is continued at once: the worker requests a
    /// tick for the rest.
    pub fn poll(&mut self, now: &Now<'_>) -> Option<Command> {
        loop {
            if let Some(call) = self.next_call() {
                return Some(call);
            }
            self.turns = self.turns.checked_sub(1)?;
            let (id, waited) = self.ready.pop_front()?;
            if let Some(done) = self.resume(id, waited, now) {
                return Some(done);
            }
        }
    }

    /// The same, but only commands that end no other request than this one: for a host that cannot respond to
    /// one request in a callback of another.
    pub fn poll_for(&mut self, stream: StreamId, now: &Now<'_>) -> Option<Command> {
        loop {
            if let Some(call) = self.next_call() {
                return Some(call);
            }
            // Whatever has become of a call of its own has come last.
            self.ready.back().filter(|(id, _)| *id == stream)?;
            let (id, waited) = self.ready.pop_back()?;
            if let Some(done) = self.resume(id, waited, now) {
                return Some(done);
            }
        }
    }

    /// The next sum to add to a counter, until there are no more.
    pub fn take_count(&mut self) -> Option<(Counter, u32)> {
        self.counts.take()
    }

    /// The next value of something else that is measured, until there are no more.
    pub fn take_measured(&mut self) -> Option<(Series, i64)> {
        self.counts.take_measured()
    }

    /// Has everything told that was counted so far. Another configuration follows, or nothing: no call is under way
    /// any more.
    pub fn tell_all(&mut self) {
        self.counts.end();
    }

    /// The time of the next [`Event::Tick`], if it has changed: at that moment of the steady clock, or at once
    /// if it is past. `Some(None)`: never. A new time replaces the one before.
    pub fn take_wake(&mut self) -> Option<Option<Steady>> {
        if !self.ready.is_empty() || !self.outbox.is_empty() {
            self.wake_soon();
        }
        give_back_queue(&mut self.ready);
        give_back_queue(&mut self.outbox);
        std::mem::take(&mut self.wake.is_news).then_some(self.wake.asked)
    }

    /// Whether this request is not done with: something of it may still concern the worker.
    pub fn knows(&self, stream: StreamId) -> bool {
        self.streams.contains(stream)
    }

    /// The provider whose keys this request waits for, if it does.
    pub fn awaits_keys(&self, stream: StreamId) -> Option<ProviderId> {
        match self.streams.get(stream)?.awaited {
            Some(Awaited::Document(Document::Keys(provider))) => Some(provider),
            _ => None,
        }
    }

    /// Which list a provider's status list is.
    pub fn status_list_uri(&self, id: StatusId) -> Option<&str> {
        self.generations.current.status(id)?.uri()
    }

    /// Why the latest fetch of a document failed; `None`: it did not.
    pub fn fetch_fault(&self, document: Document) -> Option<&FetchFault> {
        self.fetches.fault(document)
    }

    /// How many bytes of the body are read, if this request waits for it: a form, or an event.
    pub fn body_limit(&self, stream: StreamId) -> Option<usize> {
        let stream = self.streams.get(stream)?;
        // With another configuration nobody looks at it any more.
        let is_current = stream.generation == self.generations.now();
        match stream.state {
            State::AwaitsForm(_) if is_current => Some(AwaitingForm::max_bytes(&self.generations.current)),
            State::AwaitsEvent if is_current => Some(MAX_EVENT),
            _ => None,
        }
    }

    /// Whether a request's header or trailer of this name is ours alone to set.
    pub fn owns_field(&self, stream: StreamId, name: &[u8]) -> bool {
        let stream = self.streams.get(stream);
        stream.is_some_and(|stream| self.generations.at(stream.generation).owns_field(name))
    }

    fn next_call(&mut self) -> Option<Command> {
        self.outbox.pop_front().map(|(id, call)| Command::Call(id, call))
    }

    /// Continues a request that has waited, if it is still there.
    #[inline(never)]
    fn resume(&mut self, id: StreamId, waited: Waited, now: &Now<'_>) -> Option<Command> {
        let mut stream = self.streams.take(id)?;
        let enforcer = self.generations.of(stream.generation);
        let step = match waited {
            Waited::Token(pending, Told::Finding(finding)) => pending.resume(enforcer, &finding, now),
            Waited::Token(pending, Told::Fetched(document, news)) => {
                pending.resume_with(enforcer, document, news, now.wall())
            }
            Waited::Token(pending, Told::Replaced) => pending.give_up(enforcer, not_asked(NoAnswer::Failed)),
            Waited::Form(form) => form.give_up(enforcer, Rejection::FormMissing),
            Waited::Event(event, body) => self.resume_event(&stream, event, body, now),
            Waited::Again => {
                let Some(step) = self.judge_again(id, &stream, now) else {
                    self.streams.put(id, stream, &mut self.generations);
                    return None;
                };
                step
            }
        };
        let done = self.proceed(id, &mut stream, step, now);
        self.streams.put(id, stream, &mut self.generations);
        done
    }

    /// A token in the query makes the response private ([RFC 6750 §2.3]), and a nonce for the client's next
    /// proof is not to be stored with it ([RFC 9449 §8.2]). A request that still waits already has a response,
    /// from the host itself or from another filter (a timeout, for example), and must not get a second one.
    ///
    /// [RFC 6750 §2.3]: https://www.rfc-editor.org/rfc/rfc6750#section-2.3
    /// [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2
    #[inline(never)]
    fn response_head(&mut self, id: StreamId) -> Option<Command> {
        let mut stream = self.streams.take(id)?;
        if stream.is_held() {
            self.leave(id, &stream);
            return None;
        }
        stream.is_responded_to = true;
        if stream.lasts() {
            self.lasting.has_response(id);
        }
        let change = match &stream.state {
            State::Passed(change) | State::Lasts(change) => {
                Some(change.clone()).filter(|change| !change.is_nothing())
            }
            _ => None,
        };
        self.streams.put(id, stream, &mut self.generations);
        change.map(|change| Command::Change(id, change))
    }

    /// A stream that was taken out waits no more.
    fn leave(&mut self, id: StreamId, stream: &Stream) {
        match stream.state {
            State::AwaitsForm(_) => drop(self.forms.remove(id)),
            State::AwaitsEvent => self.events.leave(id),
            State::Lasts(_) => self.lasting.remove(id),
            State::New | State::Awaits | State::AwaitsTurn | State::Passed(_) | State::Answered => {}
        }
        match stream.awaited {
            Some(Awaited::Response(key)) => self.flights.leave(key, &self.streams),
            Some(Awaited::Document(document)) => self.fetches.leave(document, &self.streams),
            None => {}
        }
        Streams::forget(stream, &mut self.generations);
    }

    #[inline(never)]
    fn tick(&mut self, now: &Now<'_>) {
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
        self.tick_lasting(now);
        let forms = self.forms.entries().iter().map(|(_, due)| *due).min();
        let watch = self.watch.due(moment.steady);
        self.counts.is_awaited(has_counted || watch.is_some());
        let counts = has_counted.then(|| moment.steady.saturating_add(TELL_EVERY));
        let dues = [
            self.flights.due(),
            self.fetches.due(),
            self.events.due(),
            self.lasting.due(),
            forms,
            watch,
            counts,
        ];
        for due in dues.into_iter().flatten() {
            self.wake_at(due);
        }
    }

    /// Does what the engine says until something has to be waited for.
    fn proceed(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        mut step: Step,
        now: &Now<'_>,
    ) -> Option<Command> {
        loop {
            step = match step {
                Step::Done(outcome) if stream.lasts() => return self.settle_again(id, stream, outcome, now),
                Step::Done(outcome) => return Some(self.settle(id, stream, outcome, now)),
                Step::ReadForm(form) => self.wait_for_form(id, stream, form, now)?,
                Step::ReadEvent(event) => {
                    self.await_event(id, stream, event, now.steady());
                    return None;
                }
                Step::Fetch(document, pending) => {
                    match self.wait_for_document(document, id, pending, now.steady()) {
                        Ok(()) => {
                            stream.wait_for(Awaited::Document(document), now.wall());
                            return None;
                        }
                        Err((pending, news)) => {
                            pending.resume_with(&mut self.generations.current, document, news, now.wall())
                        }
                    }
                }
                Step::Introspect(question, mut pending) => {
                    let Some(finding) = self.seek(&question, &mut pending, now) else {
                        stream.wait_for(Awaited::Response(question.key), now.wall());
                        self.flights.wait(question.key, id, pending);
                        return None;
                    };
                    pending.resume(&mut self.generations.current, &finding, now)
                }
            };
        }
    }

    /// Carries out the last word.
    #[inline(never)]
    fn settle(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        mut outcome: Box<Outcome>,
        now: &Now<'_>,
    ) -> Command {
        let is_current = stream.generation == self.generations.now();
        let enforcer = self.generations.of(stream.generation);
        let is_carried_out = enforcer.policy().mode == Mode::Enforce;
        if let Some(max) = enforcer.policy().max_streams {
            self.lasting.bound(max, &mut outcome);
        }
        self.counts.settled(&outcome, is_carried_out, is_current);
        let answer = match &outcome.decision {
            Decision::Allow(_) => None,
            Decision::Deny(_) if !is_carried_out => None,
            Decision::Deny(_) | Decision::Describe(_) | Decision::Receive(_) => {
                Some(outcome.answer(enforcer.policy()).unwrap_or_else(Answer::unavailable))
            }
        };
        let waited =
            stream.waits_since.map_or(0, |since| now.wall().as_millis().saturating_sub(since.as_millis()));
        outcome.take_notes(enforcer.policy(), waited);
        if let Decision::Deny(rejection) = &outcome.decision {
            let rule = outcome.rule(enforcer.policy()).map(|rule| rule.name.as_str());
            self.brake.refused(rejection, rule, now.wall());
        }
        if let Decision::Receive(Receipt::Refused(_, fault)) = &outcome.decision {
            self.events.refused(*fault, now.wall());
        }
        if let Some(question) = outcome.refresh.take() {
            self.refresh_soon(*question);
        }
        self.tell_soon(now);
        if let Some(answer) = answer {
            stream.state = State::Answered;
            return Command::Answer(id, outcome, answer);
        }
        let change = ResponseChange {
            is_private: outcome.grant.private_response,
            dpop_nonce: outcome.grant.dpop_nonce.clone(),
            websocket_protocol: outcome.grant.websocket_protocol.clone(),
        };
        stream.state = match outcome.lasting.take() {
            Some(lasting) => {
                let look = self.lasting.add(id, lasting, now.steady());
                self.wake_at(look);
                State::Lasts(change)
            }
            None => State::Passed(change),
        };
        Command::Pass(id, outcome)
    }

    /// A request that waits is to be told.
    fn wake_one(&mut self, id: StreamId, pending: Box<Pending>, told: Told) {
        if self.streams.get_mut(id).is_some_and(Stream::has_waited) {
            self.ready.push_back((id, Waited::Token(pending, told)));
        }
    }

    /// Has a call made.
    fn send(&mut self, purpose: Purpose, call: OutgoingCall) {
        self.last_call = self.last_call.wrapping_add(1);
        let id = CallId(self.last_call);
        self.calls.insert(id, purpose);
        self.outbox.push_back((id, call));
    }

    /// A configuration has been taken: what it names is fetched as soon as time passes.
    fn begin_to_fetch(&mut self) {
        if self.fetches.due().is_some() || self.events.due().is_some() {
            self.wake_soon();
        }
    }

    /// A response to a call of that moment was cached: until it expires, the clock is watched.
    fn watch(&mut self, asked: Moment) {
        let due = self.watch.remembered(asked, &self.generations.current.policy().cache);
        self.wake_at(due);
    }

    /// Something was counted: a tick follows within a second, if there would be none.
    #[inline]
    fn tell_soon(&mut self, now: &Now<'_>) {
        if !self.counts.is_awaited(true) {
            self.wake_at(now.steady().saturating_add(TELL_EVERY));
        }
    }

    /// Asks for a tick as soon as may be.
    fn wake_soon(&mut self) {
        self.wake_at(Steady::ZERO);
    }

    /// Asks for a tick at `due`, unless one comes sooner anyway.
    fn wake_at(&mut self, due: Steady) {
        if self.wake.asked.is_none_or(|asked| due < asked) {
            self.wake = Wake { asked: Some(due), is_news: true };
        }
    }
}

/// Clients must not put tokens there ([RFC 9700 §4.3.2]).
///
/// [RFC 9700 §4.3.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2
fn warn_of_tokens_in_the_query(policy: &Policy) {
    if policy.takes_tokens_in_the_query() {
        log::warn!("tollgate: tokens in the query are accepted, and URIs end up in logs (RFC 9700 §4.3.2)");
    }
}
