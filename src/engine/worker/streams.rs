//! The requests of one worker that are not done with.

use crate::base::ids::StreamId;
use crate::base::moment::Moment;
use crate::base::table::Table;
use crate::base::time::UnixTime;
use crate::decision::trace::Trace;
use crate::enforcer::{AwaitingForm, Enforcer};
use crate::provider::fetch::Document;
use crate::token::key::TokenKey;
use crate::worker::command::ResponseChange;

/// One request.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) state: State,
    /// Under which configuration it has begun.
    pub(super) generation: Generation,
    /// Whether all of the request has come.
    pub(super) has_ended: bool,
    /// Whether its response has come.
    pub(super) is_responded_to: bool,
    /// Since when it has waited for an authorization server.
    pub(super) waits_since: Option<UnixTime>,
    /// What it waits for, or the check whether it still lasts.
    pub(super) awaited: Option<Awaited>,
    /// Whether it counts among those of its configuration that are not done with.
    is_counted: bool,
}

/// How far a request has come.
#[derive(Debug)]
pub(super) enum State {
    /// It is being decided.
    New,
    /// It waits for its own body.
    AwaitsForm(Box<AwaitingForm>),
    /// It pushes an event, and waits for its own body or for keys.
    AwaitsEvent,
    /// It waits for a provider ([`Stream::awaited`]).
    Awaits,
    /// What it has waited for is there; its turn is to come.
    AwaitsTurn,
    /// It has been let through.
    Passed(ResponseChange),
    /// The same, and it ends with its token.
    Lasts(ResponseChange),
    /// It has its response.
    Answered,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Awaited {
    /// What the provider says about this token.
    Response(TokenKey),
    /// This document: keys, or a status list.
    Document(Document),
}

impl Stream {
    pub(super) fn new(generation: Generation, has_ended: bool) -> Self {
        Self {
            state: State::New,
            generation,
            has_ended,
            is_responded_to: false,
            waits_since: None,
            awaited: None,
            is_counted: false,
        }
    }

    /// Whether it is not needed any more. The host calls nothing for a stream that has its response.
    pub(super) fn is_done_with(&self) -> bool {
        match &self.state {
            State::Answered => true,
            State::Passed(change) => self.has_ended && (self.is_responded_to || change.is_nothing()),
            State::New
            | State::AwaitsForm(_)
            | State::AwaitsEvent
            | State::Awaits
            | State::AwaitsTurn
            | State::Lasts(_) => false,
        }
    }

    /// Lets it wait, or the check whether it still lasts.
    pub(super) fn wait_for(&mut self, awaited: Awaited, now: UnixTime) {
        self.awaited = Some(awaited);
        if self.is_held() {
            self.state = State::Awaits;
            self.waits_since.get_or_insert(now);
        }
    }

    /// What it has waited for is there. `false`: it waits for nothing.
    pub(super) fn has_waited(&mut self) -> bool {
        let waits = self.awaited.take().is_some();
        if waits && self.is_held() {
            self.state = State::AwaitsTurn;
        }
        waits
    }

    /// Whether it waits: neither forwarded nor rejected yet.
    pub(super) fn is_held(&self) -> bool {
        !matches!(self.state, State::Passed(_) | State::Lasts(_) | State::Answered)
    }

    /// Whether nobody keeps it among those that wait, or end with their token.
    pub(super) fn is_on_its_own(&self) -> bool {
        self.awaited.is_none() && matches!(self.state, State::New | State::Passed(_) | State::Answered)
    }

    /// Whether it has been let through, and ends with its token.
    pub(super) fn lasts(&self) -> bool {
        matches!(self.state, State::Lasts(_))
    }
}

/// Which configuration of a worker, by number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Generation(u32);

/// The configuration of now, and those before it under which requests have begun that are not done with.
///
/// What has begun under one is not judged by another: its rules and providers have other numbers.
#[derive(Debug)]
pub(super) struct Generations<T> {
    number: u32,
    pub(super) current: Enforcer<T>,
    before: Vec<(Generation, Enforcer<T>, usize)>,
    /// How many requests of the one of now are not done with.
    streams: usize,
}

impl<T: Trace> Generations<T> {
    pub(super) fn new(current: Enforcer<T>) -> Self {
        Self { number: 0, current, before: Vec::new(), streams: 0 }
    }

    /// The number of the one of now.
    pub(super) fn now(&self) -> Generation {
        Generation(self.number)
    }

    /// Another configuration counts from now on.
    pub(super) fn replace(&mut self, current: Enforcer<T>) {
        let mut before = std::mem::replace(&mut self.current, current);
        let streams = std::mem::take(&mut self.streams);
        if streams > 0 {
            before.forget();
            self.before.push((self.now(), before, streams));
        }
        self.number = self.number.wrapping_add(1);
    }

    /// Reads which events have been received, for those before it.
    pub(super) fn catch_up_before(&mut self, now: Moment) {
        for (_, enforcer, _) in &mut self.before {
            enforcer.catch_up(now);
        }
    }

    /// The one of that number.
    pub(super) fn of(&mut self, generation: Generation) -> &mut Enforcer<T> {
        let at = self.before.iter().position(|(number, ..)| *number == generation);
        match at.and_then(|at| self.before.get_mut(at)) {
            Some((_, enforcer, _)) => enforcer,
            None => &mut self.current,
        }
    }

    /// The same, to look at.
    pub(super) fn at(&self, generation: Generation) -> &Enforcer<T> {
        let before = self.before.iter().find(|(number, ..)| *number == generation);
        before.map_or(&self.current, |(_, enforcer, _)| enforcer)
    }

    fn count(&mut self, generation: Generation, change: impl FnOnce(usize) -> usize) {
        match self.before.iter_mut().find(|(number, ..)| *number == generation) {
            Some((.., streams)) => {
                *streams = change(*streams);
                self.before.retain(|(.., streams)| *streams > 0);
            }
            None => self.streams = change(self.streams),
        }
    }
}

/// The requests that are not done with.
#[derive(Debug, Default)]
pub(super) struct Streams(Table<StreamId, Stream>);

impl Streams {
    pub(super) fn get(&self, id: StreamId) -> Option<&Stream> {
        self.0.get(id)
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.0.get_mut(id)
    }

    pub(super) fn contains(&self, id: StreamId) -> bool {
        self.0.contains(id)
    }

    /// Keeps a stream that is still needed, and drops one that is not.
    pub(super) fn put<T: Trace>(
        &mut self,
        id: StreamId,
        mut stream: Stream,
        generations: &mut Generations<T>,
    ) {
        if stream.is_done_with() {
            return Self::forget(&stream, generations);
        }
        if !stream.is_counted {
            stream.is_counted = true;
            generations.count(stream.generation, |streams| streams.saturating_add(1));
        }
        if let Some(before) = self.0.insert(id, stream) {
            Self::forget(&before, generations);
        }
    }

    /// Takes one out, to be put back or forgotten: until then its configuration stays.
    pub(super) fn take(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.0.remove(id);
        self.0.give_back();
        stream
    }

    /// One that was taken out does not come back.
    pub(super) fn forget<T: Trace>(stream: &Stream, generations: &mut Generations<T>) {
        if stream.is_counted {
            generations.count(stream.generation, |streams| streams.saturating_sub(1));
        }
    }
}
