//! When a target is scraped: on a grid of its interval, shifted by an offset that its labels give, so that load spreads and
//! restarts keep the phase.

use model::{LabelSet, TimestampMs};

/// A scrape that begins at most this late counts as on time, as upstream.
const TOLERANCE_MS_MAX: i64 = 2;

/// Milliseconds by which the target's ticks are shifted against the epoch.
pub(crate) fn offset_ms(labels: &LabelSet, url: &str, seed: u64, interval_ms: u64) -> u64 {
    let mut hash = labels.fingerprint() ^ seed;
    for byte in url.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // FNV leaves the high bits better mixed than the low ones.
    (hash ^ (hash >> 32)) % interval_ms.max(1)
}

/// The first tick after `now` and after the last one. A last tick that lies an interval or more ahead is from before the
/// clock was set back, and does not count. Where the grid has moved, a tick that has come too near to the last one is left out.
pub(crate) fn next_tick(now: TimestampMs, last: Option<TimestampMs>, interval_ms: u64, offset_ms: u64) -> TimestampMs {
    let interval = i64::try_from(interval_ms.max(1)).unwrap_or(i64::MAX);
    let offset = i64::try_from(offset_ms).unwrap_or(0);
    let after = last.filter(|last| *last > now && last.saturating_sub(now) < interval).unwrap_or(now);
    let since = after.saturating_sub(offset).rem_euclid(interval);
    let next = after.saturating_add(interval - since);
    let near = last.is_some_and(|last| last <= after && next.saturating_sub(last) < interval / 2);
    if near { next.saturating_add(interval) } else { next }
}

/// The time of the samples of a scrape that began at `now` for `tick`.
pub(crate) fn sample_time(now: TimestampMs, tick: TimestampMs, interval_ms: u64) -> TimestampMs {
    let tolerance = TOLERANCE_MS_MAX.min(i64::try_from(interval_ms / 100).unwrap_or(TOLERANCE_MS_MAX));
    if now.saturating_sub(tick).abs() <= tolerance { tick } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_on_the_grid_and_never_twice() {
        for (now, last, interval, offset, expected) in [
            (1_000, None, 100, 30, 1_030),
            (1_030, None, 100, 30, 1_130),
            (1_029, Some(1_030), 100, 30, 1_130),
            (1_500, Some(1_030), 100, 30, 1_530),
            (1_000, Some(9_030), 100, 30, 1_030),
            // The offset was 30 before.
            (1_031, Some(1_030), 100, 40, 1_140),
            (1_031, Some(1_030), 100, 20, 1_120),
            (-250, None, 100, 30, -170),
            (i64::MAX - 1, None, 100, 0, i64::MAX),
        ] {
            assert_eq!(next_tick(now, last, interval, offset), expected, "{now} {last:?}");
        }
    }

    #[test]
    fn a_scrape_within_the_tolerance_has_the_time_of_its_tick() {
        for (now, interval, expected) in [
            (1_000, 15_000, 1_000),
            (1_002, 15_000, 1_000),
            (999, 15_000, 1_000),
            (1_003, 15_000, 1_003),
            (1_002, 100, 1_002),
            (1_001, 100, 1_000),
        ] {
            assert_eq!(sample_time(now, 1_000, interval), expected, "{now}");
        }
    }

    #[test]
    fn offsets_spread() {
        let offsets: Vec<u64> =
            (0..1000).map(|n| offset_ms(&LabelSet::from_pairs([("instance", format!("host{n}:9100"))]), "", 7, 15_000)).collect();
        for tenth in 0..10 {
            let within = offsets.iter().filter(|offset| **offset / 1_500 == tenth).count();
            assert!((50..200).contains(&within), "{within} of 1000 in tenth {tenth}");
        }
    }
}
