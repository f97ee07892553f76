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
mod cold;
pub mod command;
pub mod counts;
mod events;
mod fetches;
mod flights;
mod forms;
mod lasting;
pub mod series;
mod settle;
mod streams;
mod waiters;
mod wake;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::base::ids::{ProviderId, StatusId, StreamId};
use crate::base::moment::{Now, Steady};
use crate::base::table::Table;
use crate::base::time::UnixTime;
use crate::decision::trace::{Trace, Untraced};
use crate::decision::{NoAnswer, Rejection};
use crate::enforcer::events::Incoming;
use crate::enforcer::ports::Ports;
use crate::enforcer::{AwaitingForm, Enforcer, Finding, Pending, Step};
use crate::policy::Policy;
use crate::provider::fetch::{Document, FetchFault};
use crate::provider::keys::KeyNews;
use crate::provider::outcome::CallOutcome;
use crate::revocation::endpoint::MAX_EVENT;
use crate::token::key::TokenKey;
use crate::worker::brake::Brake;
use crate::worker::clock::Watch;
use crate::worker::command::{CallId, Command, Event, OutgoingCall};
use crate::worker::counts::{Counter, Counts};
use crate::worker::events::Events;
use crate::worker::fetches::Fetches;
use crate::worker::flights::{Flights, not_asked};
use crate::worker::lasting::Lastings;
use crate::worker::series::Series;
use crate::worker::streams::{Awaited, Generations, State, Stream, Streams};
use crate::worker::wake::Wake;

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

/// How many waiting requests are continued at once, whatever happens to each: its token may be verified or
/// introspected, and it may get its response. A proxy sends a response within the callback of the one before,
/// and some hundreds of these exhaust V8's stack.
const AT_ONCE: u32 = 32;

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
        self.lasting.forget();
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
                self.tick_lasting(now);
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
        if !stream.is_on_its_own() {
            self.take_from_lists(id, stream);
        }
        Streams::forget(stream, &mut self.generations);
    }

    #[inline(never)]
    fn take_from_lists(&mut self, id: StreamId, stream: &Stream) {
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
}

/// Clients must not put tokens there ([RFC 9700 §4.3.2]).
///
/// [RFC 9700 §4.3.2]: https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2
fn warn_of_tokens_in_the_query(policy: &Policy) {
    if policy.takes_tokens_in_the_query() {
        log::warn!("tollgate: tokens in the query are accepted, and URIs end up in logs (RFC 9700 §4.3.2)");
    }
}
