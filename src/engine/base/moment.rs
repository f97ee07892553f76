//! When something is, by both of the host's clocks.

use std::time::Duration;

use crate::base::time::UnixTime;

/// A moment by both clocks: the one that says what time it is and may be set, and the one that says
/// how much time has passed, the same for all workers of a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// The time of day.
    pub wall: UnixTime,
    /// Time since some moment.
    pub steady: Duration,
}
