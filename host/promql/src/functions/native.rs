//! What functions read from one native histogram: quantiles, fractions, the spread of its observations.

use super::sums::Sum;
use crate::histogram::{BucketRange, FloatHistogram};

/// What NaN among the observations does to an answer. They are in no bucket, and only a sum of NaN gives them away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NanEffect {
    /// The answer lies among them.
    Result,
    /// They count as larger than all others.
    Skewed,
}

/// A bucket around zero lies on one side of it if all others do.
fn one_sided(h: &FloatHistogram, mut bucket: BucketRange) -> BucketRange {
    if h.negative.is_empty() && !h.positive.is_empty() {
        bucket.lower = 0.0;
    } else if h.positive.is_empty() && !h.negative.is_empty() {
        bucket.upper = 0.0;
    }
    bucket
}

/// The φ-quantile. In a bucket, observations are taken to be spread evenly if it is custom or around zero, else evenly on
/// a logarithmic scale.
pub(crate) fn quantile(q: f64, h: &FloatHistogram) -> (f64, Option<NanEffect>) {
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if h.count == 0.0 || q.is_nan() {
        return (f64::NAN, None);
    }
    let has_nan = h.sum.is_nan();
    // From the nearer end, which adds up fewer errors. NaN is above all else.
    let upwards = has_nan || q < 0.5;
    let mut rank = if upwards { q * h.count } else { (1.0 - q) * h.count };
    let mut up = h.buckets();
    let mut count = 0.0;
    let mut bucket = BucketRange { lower: 0.0, upper: 0.0, lower_inclusive: false, upper_inclusive: false, count: 0.0 };
    while let Some(next) = if upwards { up.next() } else { up.next_back() } {
        bucket = next;
        count += bucket.count;
        if count >= rank {
            break;
        }
    }
    if h.is_custom() {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return (bucket.upper, None);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return (bucket.lower, None);
        }
    } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
        bucket = one_sided(h, bucket);
    }
    // Errors of addition must not make more of the buckets than there is.
    if count > h.count {
        count = h.count;
    }
    if count < rank {
        return if has_nan { (f64::NAN, Some(NanEffect::Result)) } else { (bucket.upper, None) };
    }
    rank = if upwards { rank - (count - bucket.count) } else { count - rank };
    let mut effect = None;
    if has_nan {
        let all = up.fold(count, |count, bucket| count + bucket.count);
        effect = (all < h.count).then_some(NanEffect::Skewed);
    }
    let share = rank / bucket.count;
    let (lower, upper) = (bucket.lower, bucket.upper);
    if h.is_custom() || (lower <= 0.0 && upper >= 0.0) {
        return (lower + (upper - lower) * share, effect);
    }
    let (log_lower, log_upper) = (lower.abs().log2(), upper.abs().log2());
    if lower > 0.0 {
        return ((log_lower + (log_upper - log_lower) * share).exp2(), effect);
    }
    (-(log_upper + (log_lower - log_upper) * (1.0 - share)).exp2(), effect)
}

/// The share of the observations between two values; and whether some are NaN, which lie between no values.
pub(crate) fn fraction(lower: f64, upper: f64, h: &FloatHistogram) -> (f64, bool) {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, false);
    }
    if lower >= upper {
        return (0.0, false);
    }
    let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
    for bucket in h.buckets() {
        let around_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        let bucket = if around_zero { one_sided(h, bucket) } else { bucket };
        let linear = h.is_custom() || around_zero;
        for (value, found) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if found.is_some() {
                continue;
            }
            if bucket.lower >= value {
                *found = Some(rank);
            } else if bucket.upper > value {
                // Nothing is known of where observations lie in a bucket without end.
                let endless = linear && bucket.lower == f64::NEG_INFINITY;
                *found = Some(if endless { bucket.count } else { rank + bucket.count * bucket.share_below(value, linear) });
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let mut count = h.count;
    let mut nan = false;
    if h.sum.is_nan() {
        count = h.buckets().map(|bucket| bucket.count).sum();
        nan = count < h.count;
    }
    let within = |rank: Option<f64>| rank.filter(|rank| *rank <= count).unwrap_or(count);
    ((within(upper_rank) - within(lower_rank)) / h.count, nan)
}

/// The variance, each observation taken to be in the middle of its bucket: the geometric mean of its bounds, the arithmetic
/// one for custom buckets, zero around zero.
pub(crate) fn variance(h: &FloatHistogram) -> f64 {
    let mean = h.sum / h.count;
    let mut sum = Sum::default();
    for bucket in h.buckets() {
        let middle = if h.is_custom() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let middle = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -middle } else { middle }
        };
        let delta = middle - mean;
        sum.add(bucket.count * delta * delta);
    }
    sum.with_error() / h.count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Bucket;

    fn histogram(zero: f64, positive: &[f64], negative: &[f64]) -> FloatHistogram {
        let buckets = |counts: &[f64]| (1..).zip(counts).map(|(index, count)| Bucket { index, count: *count }).collect();
        FloatHistogram {
            zero_threshold: 0.5,
            zero_count: zero,
            count: zero + positive.iter().chain(negative).sum::<f64>(),
            sum: 10.0,
            positive: buckets(positive),
            negative: buckets(negative),
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn quantiles() {
        // (1, 2] and (2, 4] hold two each.
        let h = histogram(0.0, &[2.0, 2.0], &[]);
        assert_eq!(quantile(0.0, &h).0, 1.0);
        assert_eq!(quantile(0.5, &h).0, 2.0);
        assert!((quantile(0.25, &h).0 - 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(quantile(1.0, &h).0, 4.0);
        assert_eq!(quantile(0.5, &histogram(4.0, &[1.0], &[])).0, 0.3125);
        assert_eq!(quantile(0.5, &histogram(2.0, &[1.0], &[1.0])).0, 0.0);
        let with_nan = FloatHistogram { count: 5.0, sum: f64::NAN, ..h };
        assert_eq!(quantile(0.4, &with_nan), (2.0, Some(NanEffect::Skewed)));
        assert!(matches!(quantile(0.9, &with_nan), (value, Some(NanEffect::Result)) if value.is_nan()));
    }

    #[test]
    fn fractions() {
        let h = histogram(0.0, &[2.0, 2.0], &[]);
        assert_eq!(fraction(1.0, 2.0, &h), (0.5, false));
        assert_eq!(fraction(f64::NEG_INFINITY, f64::INFINITY, &h), (1.0, false));
        assert!((fraction(2.0_f64.sqrt(), 8.0, &h).0 - 0.75).abs() < 1e-12);
        assert_eq!(fraction(2.0, 1.0, &h), (0.0, false));
        assert_eq!(fraction(0.0, 8.0, &FloatHistogram { count: 8.0, sum: f64::NAN, ..h }), (0.5, true));
    }
}
