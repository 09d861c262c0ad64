//! Between the form of storage, spans and counts, and that of the evaluator.

use std::sync::Arc;

use model::{BucketSpan, Histogram, HistogramCounts};

use super::{Bucket, FloatHistogram};

impl From<&Histogram> for FloatHistogram {
    fn from(from: &Histogram) -> Self {
        let (count, zero_count, positive, negative) = match &from.counts {
            HistogramCounts::Integer { count, zero, positive, negative } => {
                let floats = |counts: &[u64], spans| buckets(spans, counts.iter().map(|c| *c as f64));
                let (positive, negative) = (floats(positive, &from.positive_spans), floats(negative, &from.negative_spans));
                (*count as f64, *zero as f64, positive, negative)
            }
            HistogramCounts::Float { count, zero, positive, negative } => {
                let floats = |counts: &[f64], spans| buckets(spans, counts.iter().copied());
                (*count, *zero, floats(positive, &from.positive_spans), floats(negative, &from.negative_spans))
            }
        };
        Self {
            schema: from.schema,
            zero_threshold: from.zero_threshold,
            zero_count,
            count,
            sum: from.sum,
            positive,
            negative,
            custom_bounds: Arc::from(from.custom_bounds.as_slice()),
            reset_hint: from.reset_hint,
        }
    }
}

impl From<&FloatHistogram> for Histogram {
    /// Without empty buckets.
    fn from(from: &FloatHistogram) -> Self {
        let (positive_spans, positive) = spans(&from.positive);
        let (negative_spans, negative) = spans(&from.negative);
        Self {
            schema: from.schema,
            zero_threshold: from.zero_threshold,
            sum: from.sum,
            counts: HistogramCounts::Float { count: from.count, zero: from.zero_count, positive, negative },
            positive_spans,
            negative_spans,
            custom_bounds: from.custom_bounds.to_vec(),
            reset_hint: from.reset_hint,
        }
    }
}

fn buckets(spans: &[BucketSpan], counts: impl Iterator<Item = f64>) -> Vec<Bucket> {
    let mut next = 0_i32;
    let indexes = spans.iter().flat_map(|span| {
        let first = next.saturating_add(span.offset);
        next = first.saturating_add(i32::try_from(span.length).unwrap_or(i32::MAX));
        first..next
    });
    // Counts decide how many there are: a span alone must not make memory.
    counts.zip(indexes).map(|(count, index)| Bucket { index, count }).collect()
}

fn spans(buckets: &[Bucket]) -> (Vec<BucketSpan>, Vec<f64>) {
    let (mut spans, mut counts): (Vec<BucketSpan>, Vec<f64>) = Default::default();
    let mut next = 0_i32;
    for bucket in buckets.iter().filter(|b| b.count != 0.0) {
        match spans.last_mut() {
            Some(span) if next == bucket.index => span.length += 1,
            _ => spans.push(BucketSpan { offset: bucket.index.saturating_sub(next), length: 1 }),
        }
        next = bucket.index.saturating_add(1);
        counts.push(bucket.count);
    }
    (spans, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let stored = Histogram {
            schema: 1,
            zero_threshold: 0.5,
            sum: 12.5,
            counts: HistogramCounts::Float { count: 10.0, zero: 1.0, positive: vec![2.0, 3.0, 4.0], negative: vec![1.0] },
            positive_spans: vec![BucketSpan { offset: -2, length: 2 }, BucketSpan { offset: 3, length: 1 }],
            negative_spans: vec![BucketSpan { offset: 5, length: 1 }],
            custom_bounds: Vec::new(),
            reset_hint: model::ResetHint::Gauge,
        };
        let floats = FloatHistogram::from(&stored);
        assert_eq!(floats.positive.iter().map(|b| b.index).collect::<Vec<_>>(), [-2, -1, 3]);
        assert_eq!(floats.negative, [Bucket { index: 5, count: 1.0 }]);
        assert_eq!(Histogram::from(&floats), stored);
        let endless = Histogram { positive_spans: vec![BucketSpan { offset: 0, length: u32::MAX }], ..stored };
        assert_eq!(FloatHistogram::from(&endless).positive.len(), 3);
    }
}
