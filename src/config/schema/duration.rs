//! Durations as they are written.

use std::fmt::Write as _;
use std::time::Duration;

/// Reads `1h30m`: whole numbers with units, from large to small, each unit once.
pub fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut total, mut last) = (text, Duration::ZERO, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let after = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, left) = unit.split_at_checked(after)?;
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if *millis >= last {
            return None;
        }
        let span = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(*millis)?);
        (rest, total, last) = (left, total.checked_add(span)?, *millis);
    }
    (last != u64::MAX).then_some(total)
}

/// A duration as it is written.
#[inline(never)]
pub fn written(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, length) in UNITS {
        let number = millis.checked_div(*length).unwrap_or_default();
        if number > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{number}{unit}");
        }
        millis = millis.checked_rem(*length).unwrap_or_default();
    }
    text
}

const UNITS: &[(&str, u64)] = &[("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

#[cfg(test)]
mod tests {
    use super::{duration, written};
    use std::time::Duration;
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn durations_as_they_are_written() {
        #[rustfmt::skip]
        let cases = [
            ("250ms",  Some(250)),
            ("2s",     Some(2000)),
            ("5m",     Some(300_000)),
            ("1h30m",  Some(5_400_000)),
            ("1h1m1s1ms", Some(3_661_001)),
            ("0s",     Some(0)),
            ("90m",    Some(5_400_000)),
            ("",       None),
            ("5",      None),
            ("s",      None),
            ("5 s",    None),
            ("-5s",    None),
            ("1.5s",   None),
            ("30m1h",  None),
            ("1s1s",   None),
            ("5S",     None),
            ("5d",     None),
            ("५s",     None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
            ("18446744073709551615ms", Some(u64::MAX)),
        ];
        for (text, want) in cases {
            assert_eq!(duration(text), want.map(Duration::from_millis), "{text:?}");
        }
        for text in ["250ms", "2s", "5m", "1h30m", "1h1m1s1ms", "0s"] {
            assert_eq!(written(duration(text).unwrap()), text);
        }
    }
}
