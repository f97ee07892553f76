//! Requests that wait for one and the same thing.

use crate::base::ids::StreamId;

/// Waiting requests, in the order of their arrival, each with the state in which it continues.
///
/// Requests whose client has left are dropped together, as soon as they outnumber the others. Each therefore
/// costs a limited amount of time and memory, however many leave.
#[derive(Debug)]
pub(super) struct Waiters<T> {
    all: Vec<(StreamId, T)>,
    /// How many of those have left.
    gone: usize,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self { all: Vec::new(), gone: 0 }
    }
}

impl<T> Waiters<T> {
    pub(super) fn push(&mut self, stream: StreamId, pending: T) {
        self.all.push((stream, pending));
    }

    /// One of them has left; `is_there` says which ones have not.
    pub(super) fn forget_one(&mut self, is_there: impl Fn(StreamId) -> bool) {
        self.gone = self.gone.saturating_add(1);
        if self.gone > self.all.len().saturating_sub(self.gone) {
            self.all.retain(|(stream, _)| is_there(*stream));
            self.gone = 0;
        }
    }

    /// How many are still there.
    pub(super) fn len(&self) -> usize {
        self.all.len().saturating_sub(self.gone)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.all.iter().map(|(_, pending)| pending)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.all.iter_mut().map(|(_, pending)| pending)
    }

    /// Everybody, those that have left with them.
    pub(super) fn into_all(self) -> Vec<(StreamId, T)> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::Waiters;
    use crate::base::ids::StreamId;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn those_who_have_left_are_dropped_as_soon_as_they_outnumber_the_others() {
        let mut waiters = Waiters::default();
        for n in 0..4 {
            waiters.push(StreamId(n), n);
        }
        for (left, there, kept) in [(1, 3, 4), (2, 2, 4), (3, 1, 1), (4, 0, 0)] {
            waiters.forget_one(|StreamId(n)| n >= left);
            assert_eq!((waiters.len(), waiters.is_empty()), (there, there == 0), "{left}");
            assert_eq!(waiters.iter().count(), kept, "{left}");
        }
    }
}
