//! One request, as the worker knows it.

use std::cell::{Cell, RefCell};

use tollgate_engine::base::ids::ProviderId;
use tollgate_engine::enforcer::AwaitingForm;
use tollgate_engine::token::key::TokenKey;

/// How far a request has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// It goes on.
    Passed,
    /// It has been answered.
    Answered,
    /// It waits.
    Waiting,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    state: RefCell<State>,
    /// Whether all of the request has come.
    ended: Cell<bool>,
    /// Whether its response has come.
    responded: Cell<bool>,
    /// Whether the host has ended it. Its context can still be turned to for a while, and a response to it
    /// would be the end of the host.
    gone: Cell<bool>,
}

#[derive(Debug)]
pub(crate) enum State {
    New,
    AwaitsForm(Box<AwaitingForm>),
    /// What the provider says about this token.
    AwaitsAnswer(TokenKey),
    /// Keys of this provider.
    AwaitsKeys(ProviderId),
    /// What it has waited for is there; its turn is to come.
    AwaitsTurn,
    Passed(ResponseChange),
    Answered,
}

/// What changes in the response's head.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ResponseChange {
    /// It becomes `Cache-Control: private`.
    pub(crate) is_private: bool,
    /// It gets this `DPoP-Nonce`, and must not be stored.
    pub(crate) dpop_nonce: Option<String>,
    /// If it begins a WebSocket and names no protocol, it names this one.
    pub(crate) websocket_protocol: Option<String>,
}

impl ResponseChange {
    fn is_none(&self) -> bool {
        !self.is_private && self.dpop_nonce.is_none() && self.websocket_protocol.is_none()
    }
}

impl Stream {
    pub(crate) fn new(id: u32) -> Self {
        let no = || Cell::new(false);
        Self { id, state: RefCell::new(State::New), ended: no(), responded: no(), gone: no() }
    }

    /// All of the request has come.
    pub(crate) fn ends(&self) {
        self.ended.set(true);
    }

    /// Its response has come.
    pub(crate) fn is_responded_to(&self) {
        self.responded.set(true);
    }

    /// The host has ended it: nothing may be sent to it any more. What it has been until then.
    pub(crate) fn leave(&self) -> State {
        self.gone.set(true);
        self.become_(State::Answered)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// Whether nobody has to know of it any more. Of one that has been answered the host asks nothing.
    pub(crate) fn is_done_with(&self) -> bool {
        match *self.state.borrow() {
            State::Answered => true,
            State::Passed(ref change) => self.ended.get() && (self.responded.get() || change.is_none()),
            State::New
            | State::AwaitsForm(_)
            | State::AwaitsAnswer(_)
            | State::AwaitsKeys(_)
            | State::AwaitsTurn => false,
        }
    }

    /// Whether it waits: neither let through nor answered by us.
    pub(crate) fn is_held(&self) -> bool {
        !matches!(*self.state.borrow(), State::Passed(_) | State::Answered)
    }

    pub(crate) fn awaits_form(&self) -> bool {
        matches!(*self.state.borrow(), State::AwaitsForm(_))
    }

    pub(crate) fn is_passed(&self) -> bool {
        matches!(*self.state.borrow(), State::Passed(_))
    }

    /// What changes in its response's head.
    pub(crate) fn response_change(&self) -> Option<ResponseChange> {
        match &*self.state.borrow() {
            State::Passed(change) => Some(change.clone()).filter(|change| !change.is_none()),
            _ => None,
        }
    }

    pub(crate) fn become_(&self, state: State) -> State {
        self.state.replace(state)
    }
}
