//! Time in the engine: always an argument, never read from a clock.

use std::time::Duration;

/// A moment of the host's wall clock, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The end of time.
    pub const MAX: Self = Self(u64::MAX);

    /// A moment given in milliseconds.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A moment given in seconds.
    pub fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This moment and `span` on; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// This moment less `span`; stops at the epoch.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long it is from this moment until `later`; zero if that is past.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

/// `n` parts of `of` of a span; nothing of no parts.
pub fn part(span: Duration, n: u32, of: u32) -> Duration {
    span.saturating_mul(n).checked_div(of).unwrap_or_default()
}
