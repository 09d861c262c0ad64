//! What becomes of a native histogram between a body and storage: limits, and classic histograms as native ones.

use exposition::protobuf;
use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMAS, Histogram, HistogramCounts, ResetHint};

/// What a job says of histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HistogramRules {
    /// `scrape_native_histograms`: without it, what a histogram has of classic buckets is stored.
    pub(crate) native: bool,
    /// `always_scrape_classic_histograms`: classic buckets beside native ones.
    pub(crate) classic_too: bool,
    /// `convert_classic_histograms_to_nhcb`
    pub(crate) custom_buckets: bool,
    /// `native_histogram_bucket_limit`; 0 for none.
    pub(crate) bucket_limit: u64,
    /// The finest schema that `native_histogram_min_bucket_factor` allows.
    pub(crate) schema_max: Option<i32>,
}

impl HistogramRules {
    /// The finest schema whose buckets grow by at least `factor`, as upstream picks it; none where any will do.
    pub(crate) fn schema_of_factor(factor: f64) -> Option<i32> {
        let (coarsest, finest) = (*EXPONENTIAL_SCHEMAS.start(), *EXPONENTIAL_SCHEMAS.end());
        if factor.is_nan() || factor <= 1.0 {
            return None;
        }
        let schema = (-factor.log2().log2()).floor();
        (schema < f64::from(finest)).then(|| schema.max(f64::from(coarsest)) as i32)
    }

    /// Brings a histogram within the limits, by a coarser schema. An error, which fails the scrape, where none is coarse enough.
    pub(crate) fn limit(&self, mut histogram: Histogram) -> Result<Histogram, String> {
        if let Some(reduced) = self.schema_max.and_then(|schema| histogram.reduced(schema)) {
            histogram = reduced;
        }
        while self.bucket_limit > 0 && histogram.bucket_count() as u64 > self.bucket_limit {
            let Some(reduced) = histogram.reduced(histogram.schema - 1) else {
                let (buckets, limit) = (histogram.bucket_count(), self.bucket_limit);
                return Err(format!("a native histogram has {buckets} buckets, native_histogram_bucket_limit is {limit}"));
            };
            histogram = reduced;
        }
        Ok(histogram)
    }
}

/// Why a classic histogram does not become a native one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unconverted {
    /// It has more buckets than are read: it stays classic.
    Large,
    /// Its buckets do not ascend, or do not fit its count.
    Contradicting,
}

/// A classic histogram as a native one with custom buckets.
pub(crate) fn from_classic(value: &protobuf::Value<'_>, gauge: bool) -> Result<Result<Histogram, Unconverted>, protobuf::Error> {
    let (mut count, mut sum, mut many) = (0.0, 0.0, false);
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    value.floats::<protobuf::Error>(|float| {
        match float.part {
            protobuf::Part::Count => count = float.value,
            protobuf::Part::Sum => sum = float.value,
            protobuf::Part::Bucket(bound) if buckets.len() <= protobuf::BUCKETS_MAX => buckets.push((bound, float.value)),
            protobuf::Part::Bucket(_) => many = true,
            _ => {}
        }
        Ok(())
    })?;
    Ok(if many {
        Err(Unconverted::Large)
    } else {
        with_custom_buckets(&in_order(buckets, Some(count)).0, count, sum, gauge).ok_or(Unconverted::Contradicting)
    })
}

/// Buckets by their bounds, of equal ones the first, with one without a bound, and the count, which is that of the last bucket if
/// nothing says it.
pub(crate) fn in_order(mut buckets: Vec<(f64, f64)>, count: Option<f64>) -> (Vec<(f64, f64)>, f64) {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|later, first| later.0 == first.0);
    let count = count.or(buckets.last().map(|(_, count)| *count)).unwrap_or(0.0);
    if buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
        buckets.push((f64::INFINITY, count));
    }
    (buckets, count)
}

/// A histogram with custom buckets of upper bounds and cumulative counts, which ascend up to infinity. None where they do not, or do
/// not fit the count.
pub(crate) fn with_custom_buckets(buckets: &[(f64, f64)], count: f64, sum: f64, gauge: bool) -> Option<Histogram> {
    let ascending = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
    let good = buckets.iter().all(|(_, count)| count.is_finite() && *count >= 0.0);
    let (last, bounded) = buckets.split_last()?;
    let bounds: Vec<f64> = bounded.iter().map(|(bound, _)| *bound).collect();
    // The last bucket has no bound, and is there: it was added if the target did not give it.
    if !ascending || !good || *last != (f64::INFINITY, count) || !bounds.iter().all(|bound| bound.is_finite()) {
        return None;
    }
    let before = std::iter::once(0.0).chain(buckets.iter().map(|(_, count)| *count));
    let counts: Vec<f64> = buckets.iter().zip(before).map(|((_, count), before)| count - before).collect();
    let (spans, counts) = without_empty(&counts);
    let whole = |value: &f64| value.fract() == 0.0 && *value <= 2_f64.powi(53);
    let counts = if whole(&count) && counts.iter().all(whole) {
        let positive = counts.iter().map(|count| *count as u64).collect();
        HistogramCounts::Integer { count: count as u64, zero: 0, positive, negative: Vec::new() }
    } else {
        HistogramCounts::Float { count, zero: 0.0, positive: counts, negative: Vec::new() }
    };
    let histogram = Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        zero_threshold: 0.0,
        sum,
        counts,
        positive_spans: spans,
        negative_spans: Vec::new(),
        custom_bounds: bounds,
        reset_hint: if gauge { ResetHint::Gauge } else { ResetHint::Unknown },
    };
    histogram.check().is_ok().then_some(histogram)
}

/// The buckets that hold something, and where they lie.
fn without_empty(counts: &[f64]) -> (Vec<BucketSpan>, Vec<f64>) {
    let (mut spans, mut kept, mut gap): (Vec<BucketSpan>, Vec<f64>, i32) = (Vec::new(), Vec::new(), 0);
    for count in counts {
        if *count == 0.0 {
            gap += 1;
            continue;
        }
        match spans.last_mut() {
            Some(span) if gap == 0 => span.length += 1,
            _ => spans.push(BucketSpan { offset: gap, length: 1 }),
        }
        kept.push(*count);
        gap = 0;
    }
    (spans, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(buckets: u32) -> Histogram {
        Histogram {
            schema: 8,
            counts: HistogramCounts::Integer {
                count: u64::from(buckets),
                zero: 0,
                positive: vec![1; buckets as usize],
                negative: Vec::new(),
            },
            positive_spans: vec![BucketSpan { offset: 1, length: buckets }],
            sum: 1.0,
            ..Histogram::stale()
        }
    }

    #[test]
    fn factors_and_limits() {
        for (factor, schema) in
            [(0.0, None), (1.0, None), (1.0001, None), (1.1, Some(2)), (2.0, Some(0)), (1e30, Some(-4)), (f64::NAN, None)]
        {
            assert_eq!(HistogramRules::schema_of_factor(factor), schema, "{factor}");
        }
        let rules = HistogramRules { schema_max: Some(2), ..HistogramRules::default() };
        assert_eq!(rules.limit(histogram(64)).map(|found| (found.schema, found.bucket_count())), Ok((2, 1)));
        let rules = HistogramRules { bucket_limit: 10, ..HistogramRules::default() };
        assert_eq!(rules.limit(histogram(64)).map(|found| (found.schema, found.bucket_count())), Ok((5, 8)));
        let apart = Histogram {
            positive_spans: vec![BucketSpan { offset: -1_000_000, length: 1 }, BucketSpan { offset: 2_000_000, length: 1 }],
            ..histogram(2)
        };
        let rules = HistogramRules { bucket_limit: 1, ..HistogramRules::default() };
        assert!(rules.limit(apart).expect_err("two remain").contains("has 2 buckets"));
    }
}
