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
