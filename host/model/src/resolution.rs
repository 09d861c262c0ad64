//! Native histograms with fewer buckets.

use crate::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMAS, Histogram, HistogramCounts};

impl Histogram {
    /// Buckets that the spans name.
    #[must_use]
    pub fn bucket_count(&self) -> usize {
        match &self.counts {
            HistogramCounts::Integer { positive, negative, .. } => positive.len() + negative.len(),
            HistogramCounts::Float { positive, negative, .. } => positive.len() + negative.len(),
        }
    }

    /// The histogram with the coarser schema, whose buckets are each some of this one's. None if the schema is not coarser, is
    /// not exponential, or the buckets are custom.
    #[must_use]
    pub fn reduced(&self, schema: i32) -> Option<Self> {
        if self.schema == CUSTOM_BUCKETS_SCHEMA || schema >= self.schema || !EXPONENTIAL_SCHEMAS.contains(&schema) {
            return None;
        }
        Some(self.merged(u32::try_from(self.schema - schema).unwrap_or(0), schema))
    }

    /// The histogram with 2^`halvings` neighbouring buckets as one, called one of `schema`. For sources whose schema is finer than
    /// any that is kept; others use [`Histogram::reduced`].
    #[must_use]
    pub fn merged(&self, halvings: u32, schema: i32) -> Self {
        let (positive_spans, negative_spans, counts);
        match &self.counts {
            HistogramCounts::Integer { count, zero, positive, negative } => {
                let (positive, negative) =
                    (merge(&self.positive_spans, positive, halvings), merge(&self.negative_spans, negative, halvings));
                (positive_spans, negative_spans) = (positive.0, negative.0);
                counts = HistogramCounts::Integer { count: *count, zero: *zero, positive: positive.1, negative: negative.1 };
            }
            HistogramCounts::Float { count, zero, positive, negative } => {
                let (positive, negative) =
                    (merge(&self.positive_spans, positive, halvings), merge(&self.negative_spans, negative, halvings));
                (positive_spans, negative_spans) = (positive.0, negative.0);
                counts = HistogramCounts::Float { count: *count, zero: *zero, positive: positive.1, negative: negative.1 };
            }
        }
        Self { schema, positive_spans, negative_spans, counts, custom_bounds: Vec::new(), ..*self }
    }
}

/// Bucket `i` goes up to base^i, so that it lies in bucket ceil(i / 2^halvings) of the coarser schema.
fn merge<T: Copy + std::ops::AddAssign>(spans: &[BucketSpan], counts: &[T], halvings: u32) -> (Vec<BucketSpan>, Vec<T>) {
    let halvings = halvings.min(62);
    let (mut merged_spans, mut merged): (Vec<BucketSpan>, Vec<T>) = (Vec::new(), Vec::new());
    let mut counts = counts.iter();
    // Where the next bucket lies, and the last one that was merged into.
    let (mut at, mut last) = (0_i64, None);
    for span in spans {
        at += i64::from(span.offset);
        for count in counts.by_ref().take(span.length as usize) {
            let wanted = ((at - 1) >> halvings) + 1;
            at += 1;
            match (last, merged.last_mut()) {
                (Some(last), Some(sum)) if last == wanted => *sum += *count,
                _ => {
                    let gap = wanted - last.map_or(0, |last| last + 1);
                    match merged_spans.last_mut() {
                        Some(span) if gap == 0 => span.length += 1,
                        _ => merged_spans.push(BucketSpan { offset: i32::try_from(gap).unwrap_or(i32::MAX), length: 1 }),
                    }
                    merged.push(*count);
                    last = Some(wanted);
                }
            }
        }
    }
    (merged_spans, merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(spans: &[(i32, u32)], positive: Vec<u64>) -> Histogram {
        Histogram {
            schema: 3,
            counts: HistogramCounts::Integer { count: positive.iter().sum(), zero: 0, positive, negative: Vec::new() },
            positive_spans: spans.iter().map(|(offset, length)| BucketSpan { offset: *offset, length: *length }).collect(),
            sum: 1.0,
            ..Histogram::stale()
        }
    }

    /// Upper bounds' numbers with their counts.
    fn buckets(histogram: &Histogram) -> Vec<(i64, u64)> {
        let HistogramCounts::Integer { positive, .. } = &histogram.counts else { panic!("an integer histogram") };
        let (mut at, mut found, mut counts) = (0_i64, Vec::new(), positive.iter());
        for span in &histogram.positive_spans {
            at += i64::from(span.offset);
            for count in counts.by_ref().take(span.length as usize) {
                found.push((at, *count));
                at += 1;
            }
        }
        found
    }

    #[test]
    fn neighbours_become_one() {
        let fine = histogram(&[(-3, 4), (0, 0), (2, 3)], vec![1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(buckets(&fine), [(-3, 1), (-2, 2), (-1, 3), (0, 4), (3, 5), (4, 6), (5, 7)]);
        let coarse = fine.reduced(2).expect("coarser");
        assert_eq!((coarse.schema, buckets(&coarse)), (2, vec![(-1, 3), (0, 7), (2, 11), (3, 7)]));
        assert_eq!(coarse.check(), Ok(()));
        let coarsest = fine.reduced(-4).expect("coarser");
        assert_eq!(buckets(&coarsest), [(0, 10), (1, 18)]);
        assert_eq!((coarsest.check(), coarsest.bucket_count()), (Ok(()), 2));
        assert_eq!((fine.reduced(3), fine.reduced(-5)), (None, None));
        let shifted = histogram(&[(1, 1)], vec![9]);
        assert_eq!(buckets(&shifted.reduced(0).expect("coarser")), [(1, 9)]);
    }
}
