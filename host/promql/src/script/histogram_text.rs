//! Writes native histograms as scripts and unit tests of rules have them, the other way round of [`super::histogram`].

use model::ResetHint;

use crate::histogram::{Bucket, FloatHistogram};
use crate::text::float_short;

/// `{{schema:1 count:3 sum:4.5 offset:-1 buckets:[1 2]}}`, in the order and with the omissions of upstream's unit tests, which compare
/// histograms by this text.
#[must_use]
pub fn histogram_text(histogram: &FloatHistogram) -> String {
    let mut fields = Vec::new();
    if histogram.schema != 0 {
        fields.push(format!("schema:{}", histogram.schema));
    }
    let numbers =
        [("count", histogram.count), ("sum", histogram.sum), ("z_bucket", histogram.zero_count), ("z_bucket_w", histogram.zero_threshold)];
    fields.extend(numbers.iter().filter(|(_, value)| *value != 0.0).map(|(name, value)| format!("{name}:{}", float_short(*value))));
    if histogram.is_custom() {
        fields.push(format!("custom_values:{}", list(histogram.custom_bounds.iter().copied())));
    }
    fields.extend(match histogram.reset_hint {
        ResetHint::Unknown => None,
        ResetHint::Reset => Some("counter_reset_hint:reset".to_owned()),
        ResetHint::NoReset => Some("counter_reset_hint:not_reset".to_owned()),
        ResetHint::Gauge => Some("counter_reset_hint:gauge".to_owned()),
    });
    buckets(&mut fields, ("offset", "buckets"), &histogram.positive);
    buckets(&mut fields, ("n_offset", "n_buckets"), &histogram.negative);
    format!("{{{{{}}}}}", fields.join(" "))
}

fn list(values: impl Iterator<Item = f64>) -> String {
    format!("[{}]", values.map(float_short).collect::<Vec<_>>().join(" "))
}

/// From the first bucket that holds something to the last.
fn buckets(fields: &mut Vec<String>, (offset, name): (&str, &str), buckets: &[Bucket]) {
    let mut held = buckets.iter().filter(|bucket| bucket.count != 0.0).peekable();
    let Some(first) = held.peek().map(|bucket| bucket.index) else { return };
    if first != 0 {
        fields.push(format!("{offset}:{first}"));
    }
    let mut texts = Vec::new();
    let mut next = i64::from(first);
    for bucket in held {
        // Far apart indexes come from outside: what is between them is not written out without end.
        let empty = usize::try_from(i64::from(bucket.index) - next).unwrap_or(0).min(GAP_MAX);
        texts.extend(std::iter::repeat_n("0".to_owned(), empty));
        texts.push(float_short(bucket.count));
        next = i64::from(bucket.index) + 1;
    }
    fields.push(format!("{name}:[{}]", texts.join(" ")));
}

/// Most empty buckets that are written in a row; more of them are written as so many.
const GAP_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::histogram;

    #[test]
    fn what_is_read_is_written_again() {
        for text in [
            "{{}}",
            "{{schema:1 count:32.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 offset:-3 buckets:[5.1 10 7] n_offset:-5 n_buckets:[4.1 5]}}",
            "{{count:2 sum:3 counter_reset_hint:not_reset buckets:[2 0 1]}}",
            "{{schema:-53 count:3 sum:3 custom_values:[1 2.5] counter_reset_hint:gauge offset:1 buckets:[2 1]}}",
        ] {
            assert_eq!(histogram_text(&histogram(text).expect(text).histogram), text);
        }
        let trimmed = histogram("{{buckets:[0 0 1 0] n_buckets:[0]}}").expect("good");
        assert_eq!(histogram_text(&trimmed.histogram), "{{offset:2 buckets:[1]}}");
    }
}
