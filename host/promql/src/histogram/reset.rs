//! Whether a counter was reset between two histograms.

use model::ResetHint;

use super::FloatHistogram;
use super::bounds::exponential;
use super::tally::{reduce, same_bounds};

impl FloatHistogram {
    /// Whether the counter behind this histogram was reset since the one before: its hint says so, or something fell, or
    /// the layout became finer, which nothing else explains. A gauge is looked at as if it were a counter.
    pub(crate) fn is_reset_since(&self, before: &Self) -> bool {
        match self.reset_hint {
            ResetHint::Reset => return true,
            ResetHint::NoReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < before.count {
            return true;
        }
        if self.is_custom() {
            if !before.is_custom() {
                return true;
            }
            if !same_bounds(&self.custom_bounds, &before.custom_bounds) {
                return self.fell_at_common_bounds(before);
            }
        }
        if self.schema > before.schema || self.zero_threshold < before.zero_threshold {
            return true;
        }
        let (zero_before, threshold) = before.zero_within(self.zero_threshold);
        // A filled bucket that the wider one around zero would cut.
        if threshold != self.zero_threshold || self.zero_count < zero_before {
            return true;
        }
        fell(&self.comparable(&self.positive, self), &before.comparable(&before.positive, self))
            || fell(&self.comparable(&self.negative, self), &before.comparable(&before.negative, self))
    }

    /// Buckets in the layout of `like`, without those in its bucket around zero.
    fn comparable(&self, buckets: &[super::Bucket], like: &Self) -> Vec<(i32, f64)> {
        let mut cells: Vec<(i32, f64)> = buckets.iter().map(|b| (b.index, b.count)).collect();
        if !self.is_custom() {
            reduce(&mut cells, self.schema, like.schema);
            cells.retain(|(index, _)| exponential(*index, like.schema) > like.zero_threshold);
        }
        cells
    }

    /// The same for custom bounds that differ: between bounds that both have, all observations together are compared.
    fn fell_at_common_bounds(&self, before: &Self) -> bool {
        let common: Vec<f64> = self.custom_bounds.iter().copied().filter(|bound| before.custom_bounds.contains(bound)).collect();
        let rolled_up = |h: &Self| {
            let mut sums = vec![0.0; common.len() + 1];
            for bucket in &h.positive {
                let upper = h.upper_bound(bucket.index);
                sums[common.partition_point(|bound| *bound < upper)] += bucket.count;
            }
            sums
        };
        rolled_up(self).iter().zip(rolled_up(before)).any(|(now, before)| *now < before)
    }
}

/// Whether a filled bucket is gone or holds less.
fn fell(now: &[(i32, f64)], before: &[(i32, f64)]) -> bool {
    let mut now = now.iter().peekable();
    before.iter().any(|(index, count)| {
        while now.next_if(|(other, _)| other < index).is_some() {}
        match now.peek() {
            Some((other, held)) if other == index => held < count,
            _ => *count != 0.0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::Bucket;
    use super::*;

    #[test]
    fn resets() {
        let histogram = |schema: i32, threshold: f64, counts: &[(i32, f64)]| FloatHistogram {
            schema,
            zero_threshold: threshold,
            count: counts.iter().map(|(_, c)| c).sum(),
            positive: counts.iter().map(|(index, count)| Bucket { index: *index, count: *count }).collect(),
            ..FloatHistogram::default()
        };
        let first = histogram(1, 0.1, &[(1, 1.0), (2, 1.0)]);
        assert!(!first.is_reset_since(&first));
        assert!(!histogram(1, 0.1, &[(1, 1.0), (2, 1.0), (3, 1.0)]).is_reset_since(&first));
        assert!(histogram(1, 0.1, &[(1, 2.0), (3, 1.0)]).is_reset_since(&first));
        assert!(!histogram(0, 0.1, &[(1, 2.0)]).is_reset_since(&first));
        assert!(first.is_reset_since(&histogram(0, 0.1, &[(1, 2.0)])));
        assert!(first.is_reset_since(&histogram(1, 0.2, &[(2, 1.0)])));
        // 1.2 lies within the first bucket, (1, 1.41].
        assert!(histogram(1, 1.2, &[(2, 3.0)]).is_reset_since(&first));
        assert!(FloatHistogram { reset_hint: ResetHint::Reset, ..first.clone() }.is_reset_since(&first));
    }
}
