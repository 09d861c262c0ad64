//! Native histograms as scripts and unit tests of rules write them: `{{schema:1 count:3 sum:4.5 buckets:[1 2] offset:-1}}`.

use std::sync::Arc;

use model::{CUSTOM_BUCKETS_SCHEMA, ResetHint};

use super::duration::number;
use crate::histogram::{Bucket, FloatHistogram};

/// A histogram as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenHistogram {
    /// The histogram.
    pub histogram: Arc<FloatHistogram>,
    /// Whether it says what is known of a reset; else nobody cares.
    pub says_hint: bool,
}

/// Reads `{{…}}`.
pub fn histogram(text: &str) -> Result<WrittenHistogram, String> {
    let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    let mut rest = inner.ok_or_else(|| format!("{text:?} is no histogram: write it between {{{{ and }}}}"))?.trim_start();
    let mut out = FloatHistogram::default();
    let (mut positive, mut negative, mut says_hint) = ((0, Vec::new()), (0, Vec::new()), false);
    while !rest.is_empty() {
        let (key, after) = rest.split_once(':').ok_or_else(|| format!("{rest:?}: a colon is missing"))?;
        let (value, after) = value(after.trim_start())?;
        let wrong = || format!("{value:?} is nothing for {key:?} of a histogram");
        let float = || number(value).map_err(|_| wrong());
        let index = || value.parse::<i32>().map_err(|_| wrong());
        match key.trim() {
            "schema" => out.schema = index()?,
            "sum" => out.sum = float()?,
            "count" => out.count = float()?,
            "z_bucket" => out.zero_count = float()?,
            "z_bucket_w" => out.zero_threshold = float()?,
            "custom_values" => out.custom_bounds = list(value)?.into(),
            "buckets" => positive.1 = list(value)?,
            "offset" => positive.0 = index()?,
            "n_buckets" => negative.1 = list(value)?,
            "n_offset" => negative.0 = index()?,
            "counter_reset_hint" => {
                says_hint = true;
                out.reset_hint = match value {
                    "unknown" => ResetHint::Unknown,
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NoReset,
                    "gauge" => ResetHint::Gauge,
                    _ => return Err(wrong()),
                };
            }
            _ => return Err(format!("a histogram has no {key:?}")),
        }
        rest = after.trim_start();
    }
    out.positive = buckets(positive)?;
    out.negative = buckets(negative)?;
    if out.schema != CUSTOM_BUCKETS_SCHEMA && !model::EXPONENTIAL_SCHEMAS.contains(&out.schema) {
        return Err(format!("{} is no schema of a histogram", out.schema));
    }
    Ok(WrittenHistogram { histogram: Arc::new(out), says_hint })
}

/// The next value and what follows.
fn value(text: &str) -> Result<(&str, &str), String> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or_else(|| format!("{text:?}: a bracket is not closed"))?;
        return Ok(text.split_at(end + 1));
    }
    Ok(text.split_at(text.find(char::is_whitespace).unwrap_or(text.len())))
}

fn list(text: &str) -> Result<Vec<f64>, String> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.ok_or_else(|| format!("{text:?} is no list: write it between [ and ]"))?;
    inner.split_whitespace().map(number).collect()
}

fn buckets((offset, counts): (i32, Vec<f64>)) -> Result<Vec<Bucket>, String> {
    let last = i32::try_from(counts.len()).ok().and_then(|length| offset.checked_add(length));
    let last = last.ok_or_else(|| format!("an offset of {offset} is too large"))?;
    Ok((offset..last).zip(counts).map(|(index, count)| Bucket { index, count }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_read() {
        let written = histogram("{{schema:1 count:5 sum:-1.5e1 z_bucket:1 z_bucket_w:0.01 buckets:[1 2] offset:-1 n_buckets:[1]}}");
        let h = written.expect("a histogram").histogram;
        assert_eq!((h.schema, h.count, h.sum, h.zero_count, h.zero_threshold), (1, 5.0, -15.0, 1.0, 0.01));
        assert_eq!(h.positive, [Bucket { index: -1, count: 1.0 }, Bucket { index: 0, count: 2.0 }]);
        assert_eq!(h.negative, [Bucket { index: 0, count: 1.0 }]);
        assert!(histogram("{{}}").is_ok_and(|h| !h.says_hint && *h.histogram == FloatHistogram::default()));
        assert!(histogram("{{counter_reset_hint:gauge}}").is_ok_and(|h| h.says_hint));
        for bad in ["", "{{", "{{schema:9}}", "{{buckets:[1}}", "{{buckets:[x]}}", "{{what:1}}", "{{offset:2147483647 buckets:[1 2]}}"] {
            assert!(histogram(bad).is_err(), "{bad}");
        }
    }
}
