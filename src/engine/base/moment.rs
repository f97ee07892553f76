//! Now, by both clocks.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use crate::base::time::UnixTime;

/// A moment by the clock that does not step, the same for all workers of a process: waiting goes by that one.
pub type Steady = Duration;

/// A moment by both clocks: the one that says what time it is and may be set, and the one that says
/// how much time has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// The time of day.
    pub wall: UnixTime,
    /// Time since some moment.
    pub steady: Steady,
}

impl Moment {
    /// What the time of day was at this moment, by the clock as it goes now: earlier than it was then, if the clock has been
    /// set back since.
    #[inline(never)]
    #[must_use]
    pub fn by_the_clock_of(self, now: Self) -> Self {
        let ago = now.steady.saturating_sub(self.steady);
        Self { wall: self.wall.min(now.wall.minus(ago)), ..self }
    }
}

/// Both clocks of the host.
pub trait Clocks {
    /// The time of day.
    fn wall(&self) -> UnixTime;
    /// The time since some moment, the same for all workers of a process.
    fn steady(&self) -> Steady;
}

/// The moment of an event. A clock is read only when it is needed: most requests need only one of them. The time of day
/// is read a second time for those that need both.
pub struct Now<'a> {
    clocks: &'a dyn Clocks,
    wall: Cell<Option<UnixTime>>,
    steady: Cell<Option<Steady>>,
    /// Whether both have been read, the time of day last.
    has_both: Cell<bool>,
}

impl<'a> Now<'a> {
    /// The moment that these clocks show.
    pub fn new(clocks: &'a dyn Clocks) -> Self {
        Self { clocks, wall: Cell::new(None), steady: Cell::new(None), has_both: Cell::new(false) }
    }

    /// The time of day.
    pub fn wall(&self) -> UnixTime {
        let wall = self.wall.get().unwrap_or_else(|| self.clocks.wall());
        self.wall.set(Some(wall));
        wall
    }

    /// The time since some moment.
    pub fn steady(&self) -> Steady {
        let steady = self.steady.get().unwrap_or_else(|| self.clocks.steady());
        self.steady.set(Some(steady));
        steady
    }

    /// Both, the steady clock first: if the time of day has been read before, it is read again. A worker may have to wait
    /// for the CPU between two readings. With a time of day from before that wait, an age that is computed with both would
    /// be too short, and a response that another worker has asked for meanwhile would lie in the future.
    #[inline(never)]
    pub fn moment(&self) -> Moment {
        let steady = self.steady();
        if !self.has_both.replace(true) {
            self.wall.set(None);
        }
        Moment { wall: self.wall(), steady }
    }
}

/// A moment that is known already.
impl Clocks for Moment {
    fn wall(&self) -> UnixTime {
        self.wall
    }

    fn steady(&self) -> Steady {
        self.steady
    }
}

impl fmt::Debug for Now<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.moment().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Clocks, Moment, Now, Steady};
    use crate::base::time::UnixTime;
    use std::cell::Cell;
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Clocks of which each reading takes a second.
    struct Slow(Cell<u64>);

    impl Slow {
        fn read(&self) -> u64 {
            self.0.replace(self.0.get().saturating_add(1))
        }
    }

    impl Clocks for Slow {
        fn wall(&self) -> UnixTime {
            UnixTime::from_secs(self.read())
        }

        fn steady(&self) -> Steady {
            Duration::from_secs(self.read())
        }
    }

    #[test]
    fn the_time_of_day_is_never_from_before_the_steady_clock() {
        // INT-32, EVT-10
        type Read = fn(&Now<'_>);
        let cases: [(&str, Read, u64, u64); 4] = [
            ("nothing was read", |_| (), 1, 0),
            ("the time of day", |now| _ = now.wall(), 2, 1),
            ("the steady clock", |now| _ = now.steady(), 1, 0),
            ("both, the time of day first", |now| _ = (now.wall(), now.steady()), 2, 1),
        ];
        for (name, read, wall, steady) in cases {
            let clocks = Slow(Cell::new(0));
            let now = Now::new(&clocks);
            read(&now);
            let want = Moment { wall: UnixTime::from_secs(wall), steady: Duration::from_secs(steady) };
            assert_eq!((now.moment(), now.moment()), (want, want), "{name}");
            assert_eq!((now.wall(), now.steady()), (want.wall, want.steady), "{name}: it stays this moment");
        }
    }
}
