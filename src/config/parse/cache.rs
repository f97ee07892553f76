//! `cache`: every combination makes sense.

use crate::keys::Cache;
use crate::parse::node::Node;
use tollgate_engine::policy::cache_times::CacheTimes;

/// All of it.
#[inline(never)]
pub(super) fn parse(cache: &Node<'_, Cache>) -> CacheTimes {
    CacheTimes {
        max_entries: cache.get(Cache::MAX_ENTRIES),
        ttl: cache.get(Cache::TTL),
        ttl_without_exp: cache.get(Cache::TTL_WITHOUT_EXP),
        ttl_jitter: cache.get(Cache::TTL_JITTER),
        negative_ttl: cache.get(Cache::NEGATIVE_TTL),
        negative_max_entries: cache.get(Cache::NEGATIVE_MAX_ENTRIES),
        shared: cache.get(Cache::SHARED),
        refresh_ahead: cache.get(Cache::REFRESH_AHEAD),
        stale_if_error: cache.get(Cache::STALE_IF_ERROR),
    }
}
