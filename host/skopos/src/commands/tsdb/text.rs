//! Times, sizes, labels and histograms as promtool writes them.

use std::fmt::Write;

use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, Histogram, HistogramCounts, LabelSet};

/// `{__name__="up", job="node"}`
pub(super) fn labels(labels: &LabelSet) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", promql::quote(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// `1 block`, `2 blocks`
pub(super) fn count(number: u64, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

/// A float as Go's `%g`.
pub(super) fn float(value: f64) -> String {
    let mut text = String::new();
    exposition::format_float(&mut text, value);
    text
}

/// `2h0m0s`, `30.124s`, `1ms`: a time of so many milliseconds as Go writes it.
pub(super) fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    if ms == 0 {
        return "0s".to_owned();
    }
    if ms < 1000 {
        return format!("{sign}{ms}ms");
    }
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let seconds = float((ms % 60_000) as f64 / 1000.0);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `2023-11-14 22:13:20 +0000 UTC`
pub(crate) fn time(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Of the proleptic Gregorian calendar, counted in years that begin in March (Howard Hinnant's civil_from_days).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} +0000 UTC", second / 3600, second / 60 % 60, second % 60)
}

/// `863B`, `1.2MiB`
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes}B") } else { format!("{size:.1}{}", units[unit]) }
}

/// Cells in columns that are as wide as their widest cell and two blanks, 13 at least, as promtool's tables.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count() + 2).max().unwrap_or(0).max(13);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let pad = if at + 1 == row.len() { 0 } else { widths[at] };
            // Writing into a string cannot fail.
            let _ = write!(line, "{cell:<pad$}");
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `{count:5, sum:18.4, [-0.001,0.001]:1, (0.5,1]:4}`: buckets that have observations, by their bounds.
pub(super) fn histogram(histogram: &Histogram) -> String {
    let (count, zero, positive, negative) = match &histogram.counts {
        HistogramCounts::Integer { count, zero, positive, negative } => {
            let texts = |side: &[u64]| side.iter().map(|n| if *n == 0 { String::new() } else { n.to_string() }).collect::<Vec<_>>();
            let zero = if *zero == 0 { String::new() } else { zero.to_string() };
            (count.to_string(), zero, texts(positive), texts(negative))
        }
        HistogramCounts::Float { count, zero, positive, negative } => {
            let one = |n: f64| if n == 0.0 { String::new() } else { float(n) };
            let texts = |side: &[f64]| side.iter().map(|n| one(*n)).collect::<Vec<_>>();
            (float(*count), one(*zero), texts(positive), texts(negative))
        }
    };
    let mut out = format!("{{count:{count}, sum:{}", float(histogram.sum));
    let mut negative: Vec<(i64, String)> = filled(&histogram.negative_spans, negative);
    negative.reverse();
    for (at, count) in negative {
        let (upper, lower) = (bound(histogram, at - 1), bound(histogram, at));
        let _ = write!(out, ", [-{},-{}):{count}", float(lower), float(upper));
    }
    if !zero.is_empty() {
        let threshold = float(histogram.zero_threshold);
        let _ = write!(out, ", [-{threshold},{threshold}]:{zero}");
    }
    for (at, count) in filled(&histogram.positive_spans, positive) {
        let (lower, upper) = (bound(histogram, at - 1), bound(histogram, at));
        // Below the first custom bound lies all that is smaller.
        let open = if lower == f64::NEG_INFINITY { '[' } else { '(' };
        let _ = write!(out, ", {open}{},{}]:{count}", float(lower), float(upper));
    }
    out.push('}');
    out
}

/// Places and counts of the buckets that have one.
fn filled(spans: &[BucketSpan], counts: Vec<String>) -> Vec<(i64, String)> {
    let mut at = 0_i64;
    let mut places = Vec::with_capacity(counts.len());
    for span in spans {
        at += i64::from(span.offset);
        for _ in 0..span.length {
            places.push(at);
            at += 1;
        }
    }
    places.into_iter().zip(counts).filter(|(_, count)| !count.is_empty()).collect()
}

/// The upper bound of a bucket, away from zero.
fn bound(histogram: &Histogram, at: i64) -> f64 {
    if histogram.schema == CUSTOM_BUCKETS_SCHEMA {
        return match usize::try_from(at) {
            Err(_) => f64::NEG_INFINITY,
            Ok(at) => histogram.custom_bounds.get(at).copied().unwrap_or(f64::INFINITY),
        };
    }
    2_f64.powf(at as f64 * 2_f64.powi(-histogram.schema))
}

#[cfg(test)]
mod tests {
    use model::ResetHint;

    use super::*;

    #[test]
    fn as_promtool_writes() {
        assert_eq!([1, 999, 30_124, 90_000, 7_200_000, 0].map(duration), ["1ms", "999ms", "30.124s", "1m30s", "2h0m0s", "0s"]);
        assert_eq!(time(1_700_000_000_000), "2023-11-14 22:13:20 +0000 UTC");
        assert_eq!(time(-1), "1969-12-31 23:59:59 +0000 UTC");
        assert_eq!(time(951_782_400_000), "2000-02-29 00:00:00 +0000 UTC");
        assert_eq!([863, 1024, 1_258_291].map(bytes), ["863B", "1.0KiB", "1.2MiB"]);
        assert_eq!([1e6, 1234567.0, 0.00001, f64::NAN, f64::NEG_INFINITY].map(float), ["1e+06", "1.234567e+06", "1e-05", "NaN", "-Inf"]);
        assert_eq!(labels(&LabelSet::from_pairs([("__name__", "a"), ("b", "\"\n")])), r#"{__name__="a", b="\"\n"}"#);
        assert_eq!(table(&[vec!["A".into(), "B".into()], vec!["0123456789ABC".into(), "x".into()]]), "A              B\n0123456789ABC  x");
    }

    #[test]
    fn histograms_by_their_bounds() {
        let all = Histogram {
            schema: 0,
            zero_threshold: 0.001,
            sum: 18.4,
            counts: HistogramCounts::Integer { count: 10, zero: 2, positive: vec![1, 0, 3], negative: vec![4] },
            positive_spans: vec![BucketSpan { offset: 0, length: 2 }, BucketSpan { offset: 1, length: 1 }],
            negative_spans: vec![BucketSpan { offset: 1, length: 1 }],
            custom_bounds: vec![],
            reset_hint: ResetHint::Unknown,
        };
        assert_eq!(histogram(&all), "{count:10, sum:18.4, [-2,-1):4, [-0.001,0.001]:2, (0.5,1]:1, (4,8]:3}");
    }
}
