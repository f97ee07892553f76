//! One request, as the worker knows it.

use std::cell::RefCell;

use crate::enforcer::AwaitingForm;

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

/// One request.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    state: RefCell<State>,
}

#[derive(Debug)]
pub(super) enum State {
    New,
    AwaitsForm(Box<AwaitingForm>),
    AwaitsAnswer,
    Passed { private_response: bool },
    Answered,
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

    pub(super) fn become_(&self, state: State) -> State {
        self.state.replace(state)
    }
}
