//! The only file of the command that reads the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tollgate_engine::base::time::UnixTime;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the engine takes `now` from here")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time in the form `2026-11-23T09:00:00Z`.
pub(crate) fn date(moment: UnixTime) -> String {
    let seconds = UNIX_EPOCH.checked_add(Duration::from_secs(moment.as_secs()));
    // Its `Display` fails on years beyond 9999.
    let year_10000 = Duration::from_secs(253_402_300_800);
    match seconds.filter(|seconds| seconds.duration_since(UNIX_EPOCH).is_ok_and(|since| since < year_10000)) {
        Some(seconds) => humantime::format_rfc3339_seconds(seconds).to_string(),
        None => "never".to_owned(),
    }
}

/// Parses a time: seconds since the epoch, or a date of RFC 3339 in UTC.
pub(crate) fn parse(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(UnixTime::from_secs(seconds));
    }
    let date = humantime::parse_rfc3339(text).ok().and_then(|date| date.duration_since(UNIX_EPOCH).ok());
    date.map(|since| UnixTime::from_secs(since.as_secs()))
        .ok_or_else(|| "expected seconds since the epoch, or a date as 2026-11-23T09:00:00Z".to_owned())
}
