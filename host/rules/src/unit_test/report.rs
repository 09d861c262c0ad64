//! Failures as promtool prints them: people compare them by eye and with scripts.

use model::{LabelSet, format_duration};

use super::Expected;
use super::run::Alerts;

/// A duration since the start of the test.
pub(super) fn time(ms: i64) -> String {
    format_duration(ms.max(0).unsigned_abs())
}

/// All lines but the first, moved to the right.
pub(super) fn indent(text: &str, by: &str) -> String {
    text.replace('\n', &format!("\n{by}"))
}

/// Labels with the name among them, quoted.
pub(super) fn labels(set: &LabelSet) -> String {
    let pairs: Vec<String> = set.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A list of alerts.
pub(super) fn alerts(list: &Alerts) -> String {
    if list.is_empty() {
        return "[]".to_owned();
    }
    let entries = list.iter().enumerate().map(|(at, (set, annotations))| {
        let entry = format!("\nLabels:{}\nAnnotations:{}", labels(set), labels(annotations));
        format!("{at}:{}", indent(&entry, "  "))
    });
    let entries: Vec<String> = entries.collect();
    let text = format!("[\n{}\n]", entries.join(",\n"));
    indent(&text, "            ")
}

/// A list of samples.
pub(super) fn samples(list: &[Expected]) -> String {
    if list.is_empty() {
        return "nil".to_owned();
    }
    let value = |sample: &Expected| sample.histogram.clone().unwrap_or_else(|| exponent(sample.value));
    let texts: Vec<String> = list.iter().map(|sample| format!("{} {}", labels(&sample.labels), value(sample))).collect();
    texts.join(", ")
}

/// As Go's `%E` with the fewest digits: `1E+00`.
fn exponent(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:E}");
    let (digits, power) = text.split_once('E').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(("+", power), |power| ("-", power));
    format!("{digits}E{sign}{power:0>2}")
}

#[cfg(test)]
mod tests {
    use super::exponent;

    #[test]
    fn exponents_are_gos() {
        for (value, text) in
            [(1.0, "1E+00"), (0.0, "0E+00"), (1234.5, "1.2345E+03"), (-1e-7, "-1E-07"), (1e300, "1E+300"), (f64::NAN, "NaN")]
        {
            assert_eq!(exponent(value), text);
        }
    }
}
