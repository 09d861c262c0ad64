use std::sync::atomic::{AtomicI64, Ordering};

/// Unix time in milliseconds.
pub type TimestampMs = i64;

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// First millisecond.
    pub start: TimestampMs,
    /// Last millisecond. Before `start`: the range is empty.
    pub end: TimestampMs,
}

/// Where code that must be testable at any moment asks for the wall clock.
pub trait Clock: Send + Sync {
    /// Unix time in milliseconds, now.
    fn now(&self) -> TimestampMs;
}

/// A clock that stands still until it is set. For tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: TimestampMs) -> Self {
        Self(AtomicI64::new(now))
    }

    /// Moves the clock, in either direction.
    pub fn set(&self, now: TimestampMs) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> TimestampMs {
        self.0.load(Ordering::SeqCst)
    }
}

const UNITS: [(&str, u64); 7] =
    [("y", 365 * 86_400_000), ("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration as Prometheus' configuration writes it, in milliseconds: `1h30m`, `15s`, `100ms`, `0`.
///
/// Units go from large to small, each at most once. The error completes "duration "x": …".
pub fn parse_duration(text: &str) -> Result<u64, String> {
    let bad = || format!("{text:?} is not a duration: write a number with a unit, such as 30s, 5m or 1h30m");
    if text == "0" {
        return Ok(0);
    }
    let (mut rest, mut total, mut next_unit) = (text, 0_u64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let at = UNITS.iter().position(|(unit, _)| *unit == &rest[..letters]).ok_or_else(bad)?;
        if at < next_unit {
            return Err(format!("{text:?} is not a duration: units go from large to small, each once"));
        }
        next_unit = at + 1;
        rest = &rest[letters..];
        total = number
            .checked_mul(UNITS[at].1)
            .and_then(|ms| total.checked_add(ms))
            .filter(|ms| i64::try_from(*ms).is_ok())
            .ok_or_else(|| format!("{text:?} is longer than a duration can be"))?;
    }
    if next_unit == 0 { Err(bad()) } else { Ok(total) }
}

/// Writes milliseconds as Prometheus does: `1h30m`, `15s`, `0s`. Years, weeks are only used when they come out even.
#[must_use]
pub fn format_duration(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let (mut rest, mut text) = (ms, String::new());
    for (unit, size) in UNITS {
        let exact_only = matches!(unit, "y" | "w");
        if exact_only && rest % size != 0 {
            continue;
        }
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_durations() {
        for (text, ms) in
            [("15s", 15_000), ("1h30m", 5_400_000), ("100ms", 100), ("1d", 86_400_000), ("1w", 604_800_000), ("1y", 31_536_000_000)]
        {
            assert_eq!(parse_duration(text), Ok(ms));
            assert_eq!(format_duration(ms), text);
        }
        assert_eq!(parse_duration("0"), Ok(0));
        assert_eq!(format_duration(0), "0s");
        assert_eq!(format_duration(8 * 86_400_000), "8d");
    }

    #[test]
    fn refuses_what_upstream_refuses() {
        for text in ["", "1", "s", "1m1h", "1m1m", "-1s", "1.5h", "1 h", "99999999999y", "18446744073709551616ms", "1h5"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
