//! How long cached responses may be used.

use std::time::Duration;

/// `cache`: what is cached, and for how long ([RFC 7662 §4]).
///
/// [RFC 7662 §4]: https://www.rfc-editor.org/rfc/rfc7662#section-4
#[derive(Clone, Debug, Default)]
pub struct CacheTimes {
    /// How many active tokens a worker caches; 0: nothing is cached.
    pub max_entries: usize,
    /// How long an active token is cached; never past its `exp`.
    pub ttl: Duration,
    /// The same for a response without `exp`.
    pub ttl_without_exp: Duration,
    /// By how many per cent, at most, an entry ends sooner.
    pub ttl_jitter: u32,
    /// How long an inactive token is cached.
    pub negative_ttl: Duration,
    /// How many inactive tokens a worker caches.
    pub negative_max_entries: usize,
    /// Whether workers share their cached responses.
    pub shared: bool,
    /// How long before its end the entry of a token in use is renewed.
    pub refresh_ahead: Duration,
    /// How long beyond its end an entry may serve while the provider gives no verdict.
    pub stale_if_error: Duration,
}

impl CacheTimes {
    /// The longest time from a call to the last use of its response.
    pub fn longest(&self) -> Duration {
        self.ttl.max(self.ttl_without_exp).max(self.negative_ttl).saturating_add(self.stale_if_error)
    }

    /// Whether workers share responses.
    pub fn is_shared(&self) -> bool {
        self.shared && self.max_entries > 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::CacheTimes;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_longest_of_all_times_counts() {
        // EVT-13: for so long, what an event revokes is kept.
        for seconds in [[30, 10, 10], [10, 30, 10], [10, 10, 30], [10, 20, 30], [30, 20, 10]] {
            let [ttl, ttl_without_exp, negative_ttl] = seconds.map(Duration::from_secs);
            let stale_if_error = Duration::from_secs(5);
            let times =
                CacheTimes { ttl, ttl_without_exp, negative_ttl, stale_if_error, ..CacheTimes::default() };
            assert_eq!(times.longest(), Duration::from_secs(35), "{seconds:?}");
        }
    }
}
