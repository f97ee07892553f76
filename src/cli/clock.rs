//! The only place of the command that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use tollgate_filter::time::UnixTime;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the engine takes `now` from here")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
