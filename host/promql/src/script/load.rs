//! Puts the series of a `load` into the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Histogram, LabelSet, METRIC_NAME, ResetHint, is_stale};

use super::series::{Written, offsets, points, split};
use crate::histogram::{Bucket, FloatHistogram};
use crate::memory::Memory;
use crate::parse::parse_series;

/// Loads lines, each with its number; `with_native` makes native histograms of classic ones too. What could not be read.
pub(super) fn load(memory: &Memory, lines: &[(usize, String)], step_ms: i64, with_native: bool) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    let mut classic: BTreeMap<LabelSet, BTreeMap<i64, Classic>> = BTreeMap::new();
    // Start timestamps stand before the series that they are of.
    let mut starts: BTreeMap<String, Vec<Option<i64>>> = BTreeMap::new();
    for (line, text) in lines {
        let (series, values) = split(text);
        let loaded = if let Some(series) = series.strip_suffix("@st") {
            offsets(values).map(|offsets| drop(starts.insert(series.to_owned(), offsets)))
        } else {
            series_line(memory, series, values, step_ms, starts.get(series)).map(|(labels, samples)| {
                if with_native {
                    collect(&mut classic, &labels, &samples);
                }
            })
        };
        wrong.extend(loaded.err().map(|why| (*line, why)));
    }
    for (labels, rows) in classic {
        let histograms = rows.into_iter().filter_map(|(time, row)| Some((time, Arc::new(row.into_native()?))));
        memory.load_histograms(&labels, stored(histograms.collect()));
    }
    wrong
}

type Loaded = (LabelSet, Vec<(i64, Written)>);

fn series_line(memory: &Memory, series: &str, values: &str, step_ms: i64, starts: Option<&Vec<Option<i64>>>) -> Result<Loaded, String> {
    let labels = parse_series(series).map_err(|e| e.to_string())?;
    let times = (0_i64..).map(|at| at.saturating_mul(step_ms));
    let samples: Vec<(i64, Written)> = times.zip(points(values)?).filter_map(|(time, value)| Some((time, value?))).collect();
    memory.load(&labels, samples.iter().filter_map(|(time, value)| Some((*time, value.float()?))));
    let histograms = samples.iter().filter_map(|(time, value)| match value {
        Written::Histogram(written) => Some((*time, Arc::clone(&written.histogram))),
        // A marker ends a series of histograms as one of them.
        Written::Float(_) => None,
    });
    memory.load_histograms(&labels, stored(histograms.collect()));
    for (at, offset) in starts.into_iter().flatten().enumerate() {
        let time = i64::try_from(at).unwrap_or(i64::MAX).saturating_mul(step_ms);
        if let Some(offset) = offset {
            memory.start(&labels, time, time.saturating_add(*offset));
        }
    }
    Ok((labels, samples))
}

/// As upstream's storage hands histograms out: one that goes on from the one before in the same layout says that no counter
/// was reset between them; for all others that is unknown, also if it was written.
pub(crate) fn stored(histograms: Vec<(i64, Arc<FloatHistogram>)>) -> Vec<(i64, Arc<Histogram>)> {
    let mut before: Option<Arc<FloatHistogram>> = None;
    let stored = histograms.into_iter().map(|(time, histogram)| {
        let goes_on = before.as_ref().is_some_and(|before| goes_on(before, &histogram));
        let hint = match histogram.reset_hint {
            ResetHint::Gauge => ResetHint::Gauge,
            _ if goes_on => ResetHint::NoReset,
            _ => ResetHint::Unknown,
        };
        let kept = FloatHistogram { reset_hint: hint, ..histogram.as_ref().clone() };
        before = Some(histogram);
        (time, Arc::new(Histogram::from(&kept)))
    });
    stored.collect()
}

fn goes_on(before: &FloatHistogram, now: &FloatHistogram) -> bool {
    let counters = before.reset_hint != ResetHint::Gauge && now.reset_hint != ResetHint::Reset;
    let same_layout = before.schema == now.schema && before.zero_threshold == now.zero_threshold && before.same_bounds(now);
    let looked_at = FloatHistogram { reset_hint: ResetHint::Unknown, ..now.clone() };
    counters && same_layout && !is_stale(before.sum) && !is_stale(now.sum) && !looked_at.is_reset_since(before)
}

/// One row of a classic histogram.
#[derive(Default)]
struct Classic {
    /// Upper bounds and cumulative counts.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

fn collect(classic: &mut BTreeMap<LabelSet, BTreeMap<i64, Classic>>, labels: &LabelSet, samples: &[(i64, Written)]) {
    let Some(name) = labels.metric_name() else { return };
    let suffix = ["_bucket", "_count", "_sum"].into_iter().find(|suffix| name.ends_with(suffix));
    let Some((suffix, base)) = suffix.and_then(|suffix| Some((suffix, name.strip_suffix(suffix)?))) else { return };
    let upper = labels.get("le").and_then(|le| le.parse::<f64>().ok()).filter(|le| !le.is_nan());
    if suffix == "_bucket" && upper.is_none() {
        return;
    }
    let rows = classic.entry(labels.without("le").with(METRIC_NAME, base)).or_default();
    for (time, value) in samples {
        let Some(value) = value.float() else { continue };
        let row = rows.entry(*time).or_default();
        match (suffix, upper) {
            ("_bucket", Some(upper)) => row.buckets.push((upper, value)),
            ("_count", _) => row.count = Some(value),
            _ => row.sum = value,
        }
    }
}

impl Classic {
    /// The native histogram with custom buckets; None if counts fall or differ from the last bucket.
    fn into_native(mut self) -> Option<FloatHistogram> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.buckets.dedup_by(|next, kept| next.0 == kept.0);
        let count = self.count.or(self.buckets.last().map(|(_, count)| *count))?;
        if self.buckets.last().is_none_or(|(upper, _)| *upper != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut before = 0.0;
        let mut positive = Vec::with_capacity(self.buckets.len());
        for (at, (_, cumulative)) in self.buckets.iter().enumerate() {
            if *cumulative < before {
                return None;
            }
            positive.push(Bucket { index: i32::try_from(at).ok()?, count: cumulative - before });
            before = *cumulative;
        }
        let custom_bounds = self.buckets.iter().map(|(upper, _)| *upper).filter(|upper| upper.is_finite()).collect();
        let histogram = FloatHistogram {
            schema: model::CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive,
            custom_bounds,
            ..FloatHistogram::default()
        };
        (count == before || count.is_nan()).then(|| histogram.compacted())
    }
}
