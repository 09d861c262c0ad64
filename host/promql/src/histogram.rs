//! Native histograms as the evaluator works with them: counts are floats, buckets stand by index, so that arithmetic walks
//! two ascending lists. `model::Histogram` is how storage keeps them.

mod bounds;
mod cell;
mod convert;
mod reset;
mod sums;
mod tally;
mod text;
mod trim;

use std::sync::Arc;

use model::{CUSTOM_BUCKETS_SCHEMA, ResetHint};

pub use bounds::BucketRange;
pub(crate) use sums::{HistogramMean, HistogramSum};
pub(crate) use tally::{Incompatible, Noted, Tally};
pub(crate) use trim::Keep;

/// A native histogram with float counts.
#[derive(Clone, Debug)]
pub struct FloatHistogram {
    /// In `-4..=8`, each step doubling the resolution, or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Half the width of the bucket around zero; 0 with custom buckets.
    pub zero_threshold: f64,
    /// Observations in that bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Buckets of positive values, or all custom ones, by ascending index, each index once.
    pub positive: Vec<Bucket>,
    /// Buckets of negative values, by ascending index, so by falling value.
    pub negative: Vec<Bucket>,
    /// Upper bounds of custom buckets, ascending, without infinity. Shared by all histograms of a series.
    pub custom_bounds: Arc<[f64]>,
    /// What is known of a counter reset between this one and the one before.
    pub reset_hint: ResetHint,
}

/// One bucket of a [`FloatHistogram`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Bounds follow from it: `base^(index-1)` to `base^index`, or the custom bounds around it.
    pub index: i32,
    /// Observations in it alone; not cumulative.
    pub count: f64,
}

/// A histogram at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramPoint {
    /// Unix milliseconds.
    pub time: model::TimestampMs,
    /// The value.
    pub histogram: Arc<FloatHistogram>,
}

impl Default for FloatHistogram {
    fn default() -> Self {
        Self {
            schema: 0,
            zero_threshold: 0.0,
            zero_count: 0.0,
            count: 0.0,
            sum: 0.0,
            positive: Vec::new(),
            negative: Vec::new(),
            custom_bounds: Arc::from([]),
            reset_hint: ResetHint::Unknown,
        }
    }
}

/// As upstream's comparison: bit by bit, empty buckets do not count, what is known of resets neither.
impl PartialEq for FloatHistogram {
    fn eq(&self, other: &Self) -> bool {
        let filled = |buckets: &[Bucket]| -> Vec<(i32, u64)> {
            buckets.iter().filter(|b| b.count != 0.0).map(|b| (b.index, b.count.to_bits())).collect()
        };
        let bits = |h: &Self| [h.count.to_bits(), h.sum.to_bits(), h.zero_count.to_bits(), h.zero_threshold.to_bits()];
        self.schema == other.schema
            && bits(self) == bits(other)
            && self.same_bounds(other)
            && filled(&self.positive) == filled(&other.positive)
            && filled(&self.negative) == filled(&other.negative)
    }
}

impl FloatHistogram {
    /// Whether its bounds are written out instead of computed.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Whether both have the same custom bounds, or none.
    pub(crate) fn same_bounds(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.custom_bounds, &other.custom_bounds) || tally::same_bounds(&self.custom_bounds, &other.custom_bounds)
    }

    /// Without buckets that hold nothing.
    pub(crate) fn compacted(mut self) -> Self {
        self.positive.retain(|b| b.count != 0.0);
        self.negative.retain(|b| b.count != 0.0);
        self
    }

    /// All counts and the sum changed. By a negative factor a counter becomes a gauge.
    fn changed(mut self, gauge: bool, change: impl Fn(f64) -> f64) -> Self {
        let buckets = self.positive.iter_mut().chain(&mut self.negative).map(|b| &mut b.count);
        for value in [&mut self.zero_count, &mut self.count, &mut self.sum].into_iter().chain(buckets) {
            *value = change(*value);
        }
        if gauge {
            self.reset_hint = ResetHint::Gauge;
        }
        self
    }

    /// Times a number.
    pub(crate) fn times(self, factor: f64) -> Self {
        self.changed(factor < 0.0, |value| value * factor)
    }

    /// Divided by a number. By zero, no bucket is left, and the totals are infinite or NaN.
    pub(crate) fn divided(self, by: f64) -> Self {
        let mut divided = self.changed(by < 0.0, |value| value / by);
        if by == 0.0 {
            divided.positive.clear();
            divided.negative.clear();
        }
        divided
    }

    /// How many samples it counts as among those that a query looked at: its size where upstream keeps it, by sixteen bytes, which is
    /// the size of a float with its time.
    pub(crate) fn samples(&self) -> usize {
        /// Upstream's struct with the pointer to it and the time.
        const FIXED: usize = 168 + 8;
        let spans = |buckets: &[Bucket]| buckets.chunk_by(|a, b| a.index.wrapping_add(1) == b.index).count();
        let words = spans(&self.positive) + spans(&self.negative) + self.positive.len() + self.negative.len() + self.custom_bounds.len();
        (FIXED + 8 * words) / 16
    }

    /// Bytes it holds, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let buckets = self.positive.len() + self.negative.len();
        std::mem::size_of::<Self>() + buckets * std::mem::size_of::<Bucket>() + self.custom_bounds.len() * 8
    }
}
