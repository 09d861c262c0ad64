//! `</` and `>/`: what a histogram holds below or above a value. A bucket that the value cuts is shared by interpolation,
//! linear in custom buckets and around zero, else on a logarithmic scale.

use super::bounds::BucketRange;
use super::{Bucket, FloatHistogram};

/// Which side stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Below,
    Above,
}

impl BucketRange {
    /// The share of the bucket's observations at or below a value that lies between its finite bounds.
    pub(crate) fn share_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let (lower, upper, value_log) = (self.lower.abs().log2(), self.upper.abs().log2(), value.abs().log2());
        if value > 0.0 { (value_log - lower) / (upper - lower) } else { 1.0 - (value_log - upper) / (lower - upper) }
    }
}

impl FloatHistogram {
    /// The part on one side of a value. If anything went, count and sum are those of what is left, the sum estimated from
    /// the middles of buckets.
    pub(crate) fn trimmed(&self, at: f64, keep: Keep) -> Self {
        let mut out = self.clone();
        let mut cut = Cut { at, keep, linear: self.is_custom(), count: 0.0, sum: 0.0, changed: false };
        out.positive = self.positive.iter().map(|b| cut.bucket(b, self.positive_range(b), true)).collect();
        out.negative = self.negative.iter().map(|b| cut.bucket(b, self.negative_range(b), false)).collect();
        if self.zero_count > 0.0 {
            let filled = |buckets: &[Bucket]| buckets.iter().any(|b| b.count != 0.0);
            let (kept, middle) = cut.zero(self.zero_range(), filled(&self.negative), filled(&self.positive));
            cut.changed |= kept != self.zero_count;
            out.zero_count = kept;
            cut.count += kept;
            cut.sum += middle * kept;
        }
        if !cut.changed {
            return out;
        }
        (out.count, out.sum) = (cut.count, cut.sum);
        out.compacted()
    }
}

/// A cut and what it left so far.
struct Cut {
    at: f64,
    keep: Keep,
    linear: bool,
    count: f64,
    sum: f64,
    changed: bool,
}

impl Cut {
    fn bucket(&mut self, bucket: &Bucket, range: BucketRange, positive: bool) -> Bucket {
        if range.count == 0.0 {
            return *bucket;
        }
        let (whole, partly) = match self.keep {
            Keep::Below => (range.upper <= self.at, range.lower < self.at),
            Keep::Above => (range.lower >= self.at, range.upper > self.at),
        };
        let (kept, middle) = if whole {
            (range.count, middle(range.lower, range.upper, positive, self.linear))
        } else if partly {
            self.shared(range, positive)
        } else {
            (0.0, 0.0)
        };
        self.changed |= kept != range.count;
        self.count += kept;
        self.sum += middle * kept;
        Bucket { index: bucket.index, count: kept }
    }

    /// What stays of a bucket that the value cuts, and its middle.
    fn shared(&self, range: BucketRange, positive: bool) -> (f64, f64) {
        if range.lower == f64::NEG_INFINITY || range.upper == f64::INFINITY {
            return self.unbounded(range);
        }
        let below = if self.at <= range.lower {
            0.0
        } else if self.at >= range.upper {
            range.count
        } else {
            range.count * range.share_below(self.at, self.linear)
        };
        match self.keep {
            Keep::Below => (below, middle(range.lower, self.at, positive, self.linear)),
            Keep::Above => (range.count - below, middle(self.at, range.upper, positive, self.linear)),
        }
    }

    /// A bucket without a lower or an upper end. Where observations lie in it is unknown: it goes, unless its other end says
    /// that zero is in it, from where it is shared.
    fn unbounded(&self, range: BucketRange) -> (f64, f64) {
        let finite = |bound: f64| if bound.is_infinite() { 0.0 } else { bound };
        let at = self.at;
        if range.lower == f64::NEG_INFINITY {
            let reaches_above_zero = range.upper > 0.0 && range.upper != f64::INFINITY;
            return match self.keep {
                Keep::Below if at >= range.upper => (range.count, 0.0),
                Keep::Below if at > 0.0 && reaches_above_zero => (range.count * at / range.upper, at / 2.0),
                Keep::Below if range.upper <= 0.0 => (range.count, at),
                Keep::Above if at <= range.lower => (range.count, 0.0),
                Keep::Above if at >= 0.0 && range.upper > at && range.upper != f64::INFINITY => {
                    (range.count * (1.0 - at / range.upper), (at + range.upper) / 2.0)
                }
                _ => (0.0, finite(range.upper)),
            };
        }
        match self.keep {
            Keep::Above if at >= range.lower => (range.count, at),
            _ => (0.0, finite(range.lower)),
        }
    }

    /// The bucket around zero, which lies on one side of it if all others do.
    fn zero(&self, range: BucketRange, has_negative: bool, has_positive: bool) -> (f64, f64) {
        let lower = if has_positive && !has_negative { 0.0 } else { range.lower };
        let upper = if has_negative && !has_positive { 0.0 } else { range.upper };
        let (whole, nothing) = ((range.count, (lower + upper) / 2.0), (0.0, 0.0));
        match self.keep {
            Keep::Below if self.at <= lower => nothing,
            Keep::Below if self.at >= upper => whole,
            Keep::Below => (range.count * ((self.at - lower) / (upper - lower)), (lower + self.at) / 2.0),
            Keep::Above if self.at <= lower => whole,
            Keep::Above if self.at >= upper => nothing,
            Keep::Above => (range.count * ((upper - self.at) / (upper - lower)), (self.at + upper) / 2.0),
        }
    }
}

/// Where the observations between two bounds are taken to lie: the arithmetic or the geometric mean.
fn middle(lower: f64, upper: f64, positive: bool, linear: bool) -> f64 {
    match (lower.is_infinite(), upper.is_infinite()) {
        (true, true) => 0.0,
        (true, false) => {
            if upper > 0.0 {
                upper / 2.0
            } else {
                upper
            }
        }
        (false, true) => lower,
        (false, false) if linear => (lower + upper) / 2.0,
        (false, false) => {
            let mean = (lower * upper).abs().sqrt();
            if positive { mean } else { -mean }
        }
    }
}
