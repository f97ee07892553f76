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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Watch;
    use crate::base::moment::Moment;
    use crate::base::time::UnixTime;
    use crate::policy::cache_times::CacheTimes;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Seconds and milliseconds of the day, and seconds by the other clock.
    fn at(secs: u64, millis: u64, steady: u64) -> Moment {
        let wall = UnixTime::from_secs(secs).plus(Duration::from_millis(millis));
        Moment { wall, steady: Duration::from_secs(steady) }
    }

    #[test]
    fn a_clock_that_is_set_back_is_noticed_as_long_as_something_is_cached() {
        // PWX-15
        let ttl = |secs| CacheTimes { ttl: Duration::from_secs(secs), ..CacheTimes::default() };
        #[rustfmt::skip]
        let cases = [
            ("as it was",              at(1010, 0, 20),    false, true),
            ("set back a little",      at(1009, 950, 20),  false, true),
            ("set back",               at(1009, 949, 20),  true,  true),
            ("set forward",            at(2000, 0, 20),    false, true),
            ("just before the end",    at(1059, 0, 69),    false, true),
            ("the end",                at(1060, 0, 70),    false, false),
            ("set back after the end", at(1000, 0, 100),   true,  false),
        ];
        for (name, now, is_set_back, goes_on) in cases {
            let mut watch = Watch::default();
            assert!(!watch.was_set_back(now), "{name}: nothing is cached");
            assert_eq!(watch.due(now.steady), None, "{name}: nothing is cached");
            assert_eq!(watch.remembered(at(1000, 0, 10), &ttl(60)), Duration::from_secs(11));
            // What ends sooner shortens nothing.
            watch.remembered(at(1001, 0, 11), &ttl(1));
            assert_eq!(watch.was_set_back(now), is_set_back, "{name}");
            let next = now.steady.saturating_add(Duration::from_secs(1));
            assert_eq!(watch.due(now.steady), goes_on.then_some(next), "{name}");
            assert!(!watch.was_set_back(now), "{name}: it is said once");
        }
    }
}
