//! `cache`: every combination makes sense.

use crate::config::parse::node::Node;
use crate::policy::cache_times::CacheTimes;

/// All of it.
#[inline(never)]
pub(super) fn parse(cache: &Node<'_>) -> CacheTimes {
    CacheTimes {
        max_entries: cache.key("max_entries").integer(),
        ttl: cache.key("ttl").duration(),
        ttl_without_exp: cache.key("ttl_without_exp").duration(),
        ttl_jitter: u32::try_from(cache.key("ttl_jitter").integer()).unwrap_or_default(),
        negative_ttl: cache.key("negative_ttl").duration(),
        negative_max_entries: cache.key("negative_max_entries").integer(),
        shared: cache.key("shared").bool(),
        refresh_ahead: cache.key("refresh_ahead").duration(),
        stale_if_error: cache.key("stale_if_error").duration(),
    }
}
