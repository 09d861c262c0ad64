//! Where buckets lie.

use super::{Bucket, FloatHistogram};

/// A bucket by its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketRange {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether the lower bound belongs to it.
    pub lower_inclusive: bool,
    /// Whether the upper bound does.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
}

impl BucketRange {
    /// How Prometheus' API writes which bounds belong to the bucket: 0 the upper, 1 the lower, 2 none, 3 both.
    #[must_use]
    pub fn boundaries(&self) -> u8 {
        match (self.lower_inclusive, self.upper_inclusive) {
            (true, true) => 3,
            (true, false) => 1,
            (false, true) => 0,
            (false, false) => 2,
        }
    }
}

/// The upper bound of a positive bucket: `2^(index * 2^-schema)`. The last finite one is the largest float, so that those
/// of all schemas meet there.
pub(super) fn exponential(index: i32, schema: i32) -> f64 {
    if schema <= 0 {
        let exponent = i64::from(index) << schema.unsigned_abs().min(8);
        return match exponent {
            // Infinity is beyond the buckets: the one before reaches to the largest float.
            1024 => f64::MAX,
            exponent => power_of_two(exponent),
        };
    }
    let schema = schema.min(8);
    let (whole, part) = (i64::from(index >> schema), index & ((1 << schema) - 1));
    if whole == 1024 && part == 0 {
        return f64::MAX;
    }
    (f64::from(part) / f64::from(1 << schema)).exp2() * power_of_two(whole)
}

fn power_of_two(exponent: i64) -> f64 {
    (exponent.clamp(-1100, 1100) as f64).exp2()
}

impl FloatHistogram {
    /// The upper bound of a bucket, without sign.
    pub(crate) fn upper_bound(&self, index: i32) -> f64 {
        if !self.is_custom() {
            return exponential(index, self.schema);
        }
        match usize::try_from(index) {
            Ok(at) => self.custom_bounds.get(at).copied().unwrap_or(f64::INFINITY),
            Err(_) => f64::NEG_INFINITY,
        }
    }

    /// A positive or custom bucket.
    pub(crate) fn positive_range(&self, bucket: &Bucket) -> BucketRange {
        let (lower, upper) = (self.upper_bound(bucket.index.saturating_sub(1)), self.upper_bound(bucket.index));
        // The first custom bucket reaches down to everything.
        BucketRange { lower, upper, lower_inclusive: self.is_custom() && bucket.index == 0, upper_inclusive: true, count: bucket.count }
    }

    /// A negative bucket.
    pub(crate) fn negative_range(&self, bucket: &Bucket) -> BucketRange {
        let (lower, upper) = (-self.upper_bound(bucket.index), -self.upper_bound(bucket.index.saturating_sub(1)));
        BucketRange { lower, upper, lower_inclusive: true, upper_inclusive: false, count: bucket.count }
    }

    /// What lies within the bucket around zero does not belong to the others, though their bounds say so.
    fn outside_zero(&self, mut range: BucketRange) -> BucketRange {
        if range.lower > 0.0 {
            range.lower = range.lower.max(self.zero_threshold);
        }
        if range.upper < 0.0 {
            range.upper = range.upper.min(-self.zero_threshold);
        }
        range
    }

    /// The bucket around zero.
    pub(crate) fn zero_range(&self) -> BucketRange {
        let (lower, upper) = (-self.zero_threshold, self.zero_threshold);
        BucketRange { lower, upper, lower_inclusive: true, upper_inclusive: true, count: self.zero_count }
    }

    /// All buckets by ascending value, that around zero among them; without empty ones.
    pub fn buckets(&self) -> impl DoubleEndedIterator<Item = BucketRange> + '_ {
        let negative = self.negative.iter().rev().map(|b| self.outside_zero(self.negative_range(b)));
        let zero = (self.zero_count > 0.0).then(|| self.zero_range());
        let positive = self.positive.iter().map(|b| self.outside_zero(self.positive_range(b)));
        negative.chain(zero).chain(positive).filter(|bucket| bucket.count != 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        for (index, schema, bound) in [
            (0, 0, 1.0),
            (1, 0, 2.0),
            (-1, 0, 0.5),
            (1, -1, 4.0),
            (1, -4, 65536.0),
            (2, 1, 2.0),
            (-2, 1, 0.5),
            (1024, 0, f64::MAX),
            (1025, 0, f64::INFINITY),
            (64, -4, f64::MAX),
            (4, 2, 2.0),
        ] {
            assert_eq!(exponential(index, schema), bound, "{index} {schema}");
        }
        assert!((exponential(1, 1) - 2.0_f64.sqrt()).abs() < 1e-15);
        assert!((exponential(-1, 1) - 0.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!(exponential(i32::MIN, 8), 0.0);
        assert_eq!(exponential(i32::MAX, -4), f64::INFINITY);
    }
}
