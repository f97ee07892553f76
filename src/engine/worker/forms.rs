//! Requests that wait for their own body: a form with a token, or an event.

use std::time::Duration;

use crate::base::ids::StreamId;
use crate::base::moment::Now;
use crate::decision::receipt::Receipt;
use crate::decision::trace::Trace;
use crate::decision::{NoAnswer, Rejection};
use crate::enforcer::{AwaitingForm, Step};
use crate::revocation::endpoint::MAX_EVENT;
use crate::worker::command::Command;
use crate::worker::flights::not_asked;
use crate::worker::streams::{State, Stream};
use crate::worker::{Waited, Worker};

impl<T: Trace> Worker<T> {
    /// Has a request wait for its body. The next step, if too many wait.
    pub(super) fn wait_for_form(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        form: Box<AwaitingForm>,
        now: &Now<'_>,
    ) -> Option<Step> {
        if self.forms.len() >= MAX_FORMS {
            return Some(form.give_up(&self.generations.current, not_asked(NoAnswer::Crowded)));
        }
        stream.state = State::AwaitsForm(form);
        let due = now.steady().saturating_add(FORM_PATIENCE);
        self.forms.insert(id, due);
        self.wake_at(due);
        None
    }

    /// Something of a body has arrived.
    #[inline(never)]
    pub(super) fn body(
        &mut self,
        id: StreamId,
        size: usize,
        whole: Option<&[u8]>,
        is_end: bool,
        now: &Now<'_>,
    ) -> Option<Command> {
        let mut stream = self.streams.take(id)?;
        stream.has_ended |= is_end;
        let is_current = stream.generation == self.generations.now();
        let done = match &stream.state {
            State::AwaitsForm(_) if !is_current => {
                self.give_up_form(id, &mut stream, not_asked(NoAnswer::Failed), now)
            }
            State::AwaitsForm(_) if size > AwaitingForm::max_bytes(&self.generations.current) => {
                self.give_up_form(id, &mut stream, Rejection::FormTooLarge, now)
            }
            State::AwaitsEvent if !is_current => {
                self.give_up_event(id, &mut stream, Receipt::Unavailable, now)
            }
            State::AwaitsEvent if size > MAX_EVENT => {
                self.give_up_event(id, &mut stream, Receipt::TooLarge, now)
            }
            State::AwaitsForm(_) | State::AwaitsEvent => match whole {
                Some(body) => self.whole_body(id, &mut stream, body, now),
                None => None,
            },
            State::Passed(_) | State::Lasts(_) => Some(Command::Continue(id)),
            _ => None,
        };
        self.streams.put(id, stream, &mut self.generations);
        done
    }

    /// A body is complete.
    pub(super) fn whole_body(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        body: &[u8],
        now: &Now<'_>,
    ) -> Option<Command> {
        match stream.state {
            State::AwaitsForm(_) => self.form(id, stream, body, now),
            State::AwaitsEvent => self.event_body(id, stream, body, now),
            _ => None,
        }
    }

    #[inline(never)]
    fn form(&mut self, id: StreamId, stream: &mut Stream, body: &[u8], now: &Now<'_>) -> Option<Command> {
        let form = self.take_form(id, stream)?;
        let step = form.body(self.generations.of(stream.generation), body, now.wall());
        self.proceed(id, stream, step, now)
    }

    /// Gives up on form bodies that have not come.
    pub(super) fn tick_forms(&mut self, now: &Now<'_>) {
        let steady = now.steady();
        let late = self.forms.entries().iter().filter(|(_, due)| *due <= steady).map(|(id, _)| *id);
        for id in late.collect::<Vec<_>>() {
            self.forms.remove(id);
            let Some(stream) = self.streams.get_mut(id) else { continue };
            match std::mem::replace(&mut stream.state, State::AwaitsTurn) {
                State::AwaitsForm(form) => self.ready.push_back((id, Waited::Form(form))),
                other => stream.state = other,
            }
        }
    }

    fn give_up_form(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        rejection: Rejection,
        now: &Now<'_>,
    ) -> Option<Command> {
        let form = self.take_form(id, stream)?;
        let step = form.give_up(self.generations.of(stream.generation), rejection);
        self.proceed(id, stream, step, now)
    }

    fn take_form(&mut self, id: StreamId, stream: &mut Stream) -> Option<Box<AwaitingForm>> {
        self.forms.remove(id);
        match std::mem::replace(&mut stream.state, State::New) {
            State::AwaitsForm(form) => Some(form),
            other => {
                stream.state = other;
                None
            }
        }
    }
}

/// How long a form body may take to arrive. Without `allow_on_headers_stop_iteration` in the plugin's
/// configuration the host never delivers it, and the request must not hang.
const FORM_PATIENCE: Duration = Duration::from_secs(10);
/// How many form bodies may be under way in one worker: the host keeps each in memory until it is complete.
const MAX_FORMS: usize = 1024;
