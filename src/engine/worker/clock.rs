//! Whether the wall clock is set back while responses are cached: entries would live too long.

use std::time::Duration;

use crate::base::moment::{Moment, Steady};
use crate::policy::cache_times::CacheTimes;

/// The difference between the clocks, while responses are cached.
#[derive(Debug, Default)]
pub(super) struct Watch(Option<Watched>);

#[derive(Clone, Copy, Debug)]
struct Watched {
    /// How far the wall clock is ahead of the steady one, in milliseconds.
    ahead: u64,
    /// When all entries of now will have expired.
    until: Steady,
}

/// How often the clocks are compared while responses are cached.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// By how much, in milliseconds, the clocks may drift apart from one look to the next.
const TOLERANCE: u64 = 50;

impl Watch {
    /// A response to a call of that moment was cached. Returns when the next comparison is due.
    pub(super) fn remembered(&mut self, asked: Moment, cache: &CacheTimes) -> Steady {
        let until = asked.steady.saturating_add(cache.longest());
        let first = Watched { ahead: ahead(asked), until };
        self.0 = Some(self.0.map_or(first, |watched| Watched { until: until.max(watched.until), ..watched }));
        asked.steady.saturating_add(WATCH_EVERY)
    }

    /// Compares the clocks.
    pub(super) fn was_set_back(&mut self, now: Moment) -> bool {
        let Some(watched) = self.0 else { return false };
        let ahead = ahead(now);
        self.0 = (now.steady < watched.until).then_some(Watched { ahead, ..watched });
        ahead.saturating_add(TOLERANCE) < watched.ahead
    }

    /// When the next look is due.
    pub(super) fn due(&self, now: Steady) -> Option<Steady> {
        self.0.map(|_| now.saturating_add(WATCH_EVERY))
    }
}

/// How far the wall clock is ahead of the steady one, in milliseconds; it does not matter of what.
fn ahead(now: Moment) -> u64 {
    now.wall.minus(now.steady).as_millis()
}
