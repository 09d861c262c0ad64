//! What a plugin has observed under one label set.

use model::{HistogramValue, TimestampMs};

/// Of `<name>_max`: the maximum is over the current stretch and the one before, so over one to two of them.
const MAX_STRETCH_MS: i64 = 60_000;

/// Buckets, sum and recent maximum of one series.
pub(super) struct Histogram {
    /// One per bound, and one for the values above; each of that bucket alone.
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
    /// Number of the stretch, and the greatest value in it.
    now: (i64, f64),
    before: (i64, f64),
}

impl Histogram {
    pub(super) fn new(bounds: usize) -> Self {
        Self { counts: vec![0; bounds + 1], sum: 0.0, now: (i64::MIN, f64::NEG_INFINITY), before: (i64::MIN, f64::NEG_INFINITY) }
    }

    pub(super) fn see_max(&mut self, value: f64, now: TimestampMs) {
        let stretch = now.div_euclid(MAX_STRETCH_MS);
        if self.now.0 != stretch {
            self.before = self.now;
            self.now = (stretch, f64::NEG_INFINITY);
        }
        self.now.1 = self.now.1.max(value);
    }

    pub(super) fn max(&self, now: TimestampMs) -> Option<f64> {
        let stretch = now.div_euclid(MAX_STRETCH_MS);
        let recent = [self.now, self.before].into_iter().filter(|(s, _)| *s == stretch || *s == stretch - 1);
        recent.map(|(_, max)| max).reduce(f64::max)
    }

    pub(super) fn value(&self, bounds: &[f64]) -> HistogramValue {
        let mut count = 0_u64;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds.zip(&self.counts).map(|(bound, n)| {
            count = count.saturating_add(*n);
            (bound, count)
        });
        let buckets: Vec<_> = buckets.collect();
        HistogramValue { count, sum: self.sum, buckets }
    }
}
