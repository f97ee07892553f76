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

/// Both clocks of the host.
pub trait Clocks {
    /// The time of day.
    fn wall(&self) -> UnixTime;
    /// The time since some moment, the same for all workers of a process.
    fn steady(&self) -> Steady;
}

/// The moment of an event. Each clock is read once, and only when it is needed: most requests need only one of
/// them.
pub struct Now<'a> {
    clocks: &'a dyn Clocks,
    wall: Cell<Option<UnixTime>>,
    steady: Cell<Option<Steady>>,
}

impl<'a> Now<'a> {
    /// The moment that these clocks show.
    pub fn new(clocks: &'a dyn Clocks) -> Self {
        Self { clocks, wall: Cell::new(None), steady: Cell::new(None) }
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

    /// Both.
    pub fn moment(&self) -> Moment {
        Moment { wall: self.wall(), steady: self.steady() }
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
