use model::{TimestampMs, parse_duration};

/// A longer reach into the past or future is taken as this, so that arithmetic cannot overflow. About 3,000 years.
const OFFSET_MS_MAX: i64 = 100_000_000_000_000;

/// Reads a time as dashboards write it: `now`, `now-6h`, `now-1d/d`, or Unix milliseconds as text.
///
/// `/d` rounds down in UTC (`m`, `h`, `d`; other units are left as they are). The end of a range is rounded down too, to
/// which `now/d` in a `to` is the exception nobody of the boards we know uses. None for anything else.
#[must_use]
pub fn parse_time(text: &str, now: TimestampMs) -> Option<TimestampMs> {
    let text = text.trim();
    let Some(mut rest) = text.strip_prefix("now") else {
        return text.parse::<i64>().ok().filter(|ms| ms.abs() <= OFFSET_MS_MAX);
    };
    let mut at = now;
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        let end = rest.find(['+', '-', '/']).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        rest = tail;
        match sign {
            '+' => at = at.checked_add(offset(part)?)?,
            '-' => at = at.checked_sub(offset(part)?)?,
            '/' => at = round_down(at, part)?,
            _ => return None,
        }
    }
    Some(at)
}

/// Like a configuration's duration, with `M` for a month of 30 days.
fn offset(part: &str) -> Option<i64> {
    if let Some(months) = part.strip_suffix('M') {
        let months: i64 = months.parse().ok()?;
        return months.checked_mul(30 * 86_400_000).filter(|ms| *ms <= OFFSET_MS_MAX);
    }
    let ms = i64::try_from(parse_duration(part).ok()?).ok()?;
    Some(ms.min(OFFSET_MS_MAX))
}

fn round_down(at: TimestampMs, unit: &str) -> Option<TimestampMs> {
    let size = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" | "M" | "y" => return Some(at),
        _ => return None,
    };
    Some(at - at.rem_euclid(size))
}

/// The step of a query, and what the built-in variables say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryInterval {
    /// Milliseconds between points: `$__interval`.
    pub step_ms: u64,
    /// `$__rate_interval`: wide enough for four scrapes, so that a rate never lacks samples.
    pub rate_ms: u64,
}

/// Most points of a series that a range query may yield.
const POINTS_MAX: u64 = 11_000;

/// Chooses a step as Grafana's Prometheus data source does: the range over the points, rounded to a pleasant number, not
/// below `min_ms`, times `factor`, and never more than 11,000 points.
///
/// `scrape_ms` is the data source's scrape interval; a `min_ms` of the query stands in for it in the rate interval. A
/// `strict` minimum is the panel's `>1m`.
#[must_use]
pub fn query_interval(range_ms: u64, points: u32, min_ms: Option<u64>, factor: u32, scrape_ms: u64) -> QueryInterval {
    let points = u64::from(points.clamp(1, 11_000));
    let base = min_ms.unwrap_or(scrape_ms).max(1);
    let pleasant = round_interval(range_ms / points).max(base);
    let floor = (range_ms.div_ceil(POINTS_MAX)).max(1);
    let step = pleasant.saturating_mul(u64::from(factor.max(1))).max(if floor > 1000 { floor.div_ceil(1000) * 1000 } else { floor });
    QueryInterval { step_ms: step, rate_ms: step.saturating_add(base).max(base.saturating_mul(4)) }
}

/// Upper borders in milliseconds and what lies below them is rounded to. The table is Grafana's (`rangeutil`).
const ROUNDED: [(u64, u64); 31] = [
    (10, 1),
    (15, 10),
    (35, 20),
    (75, 50),
    (150, 100),
    (350, 200),
    (750, 500),
    (1_500, 1_000),
    (3_500, 2_000),
    (7_500, 5_000),
    (12_500, 10_000),
    (17_500, 15_000),
    (25_000, 20_000),
    (45_000, 30_000),
    (90_000, 60_000),
    (210_000, 120_000),
    (450_000, 300_000),
    (750_000, 600_000),
    (1_050_000, 900_000),
    (1_500_000, 1_200_000),
    (2_700_000, 1_800_000),
    (5_400_000, 3_600_000),
    (9_000_000, 7_200_000),
    (16_200_000, 10_800_000),
    (32_400_000, 21_600_000),
    (86_400_000, 43_200_000),
    (604_800_000, 86_400_000),
    (1_814_400_000, 604_800_000),
    (3_628_800_000, 2_592_000_000),
    (31_536_000_000, 2_592_000_000),
    (u64::MAX, 31_536_000_000),
];

pub(crate) fn round_interval(ms: u64) -> u64 {
    ROUNDED.iter().find(|(border, _)| ms < *border).map_or(31_536_000_000, |(_, rounded)| *rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_123_456;

    #[test]
    fn reads_times() {
        let cases = [
            ("now", Some(NOW)),
            ("now-6h", Some(NOW - 6 * 3_600_000)),
            ("now-1h30m", Some(NOW - 5_400_000)),
            ("now+1d", Some(NOW + 86_400_000)),
            ("now/d", Some(NOW - NOW % 86_400_000)),
            ("now-1d/d", Some(NOW - 86_400_000 - NOW % 86_400_000)),
            ("1700000000000", Some(1_700_000_000_000)),
            ("now-1M", Some(NOW - 30 * 86_400_000)),
            ("now-", None),
            ("now-5x", None),
            ("nowé", None),
            ("yesterday", None),
            ("", None),
            ("9223372036854775807", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_time(text, NOW), expected, "{text:?}");
        }
    }

    #[test]
    fn chooses_steps() {
        // range, points, minimum, factor, scrape → step, rate
        let cases = [
            (3_600_000, 1000, None, 1, 15_000, 15_000, 60_000),
            (21_600_000, 500, None, 1, 15_000, 30_000, 60_000),
            (86_400_000, 500, None, 1, 15_000, 120_000, 135_000),
            (3_600_000, 1000, Some(60_000), 1, 15_000, 60_000, 240_000),
            (3_600_000, 1000, None, 2, 15_000, 30_000, 60_000),
            (0, 0, None, 0, 0, 1, 4),
            (365 * 86_400_000, 11_000, Some(1), 1, 15_000, 3_600_000, 3_600_001),
            (365 * 86_400_000, 20_000, Some(1), 0, 15_000, 3_600_000, 3_600_001),
        ];
        for (range, points, min, factor, scrape, step, rate) in cases {
            let expected = QueryInterval { step_ms: step, rate_ms: rate };
            assert_eq!(query_interval(range, points, min, factor, scrape), expected, "{range} {points}");
        }
    }
}
