//! Requests that wait for one and the same thing.

use std::rc::Rc;

use crate::stream::Stream;

/// Requests that wait, in the order in which they came, each with what it goes on with.
///
/// Those that have left are dropped together, as soon as they are more than those that are still there: each
/// costs a bounded amount of time and memory, however many leave.
#[derive(Debug)]
pub(crate) struct Waiters<T> {
    all: Vec<(Rc<Stream>, T)>,
    /// How many of those have left.
    gone: usize,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self { all: Vec::new(), gone: 0 }
    }
}

impl<T> Waiters<T> {
    pub(crate) fn push(&mut self, stream: &Rc<Stream>, pending: T) {
        self.all.push((Rc::clone(stream), pending));
    }

    /// One of them has left.
    pub(crate) fn forget_one(&mut self) {
        self.gone = self.gone.saturating_add(1);
        if self.gone > self.all.len().saturating_sub(self.gone) {
            self.all.retain(|(stream, _)| !stream.is_gone());
            self.gone = 0;
        }
    }

    /// How many are still there.
    pub(crate) fn len(&self) -> usize {
        self.all.len().saturating_sub(self.gone)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.all.iter_mut().map(|(_, pending)| pending)
    }

    /// Those that are still there.
    pub(crate) fn into_present(self) -> impl Iterator<Item = (Rc<Stream>, T)> {
        self.all.into_iter().filter(|(stream, _)| !stream.is_gone())
    }
}
