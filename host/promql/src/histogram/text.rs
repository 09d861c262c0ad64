//! The text of a histogram, as rules' templates and `count_values` show it.

use std::fmt;

use super::FloatHistogram;
use crate::text::float_short;

impl fmt::Display for FloatHistogram {
    /// `{count:10, sum:12.5, [-1,1]:3, (1,2]:7}`: buckets that hold something, square brackets where a bound belongs to one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", float_short(self.count), float_short(self.sum))?;
        // Unlike those that calculations see, these are not cut where the bucket around zero begins.
        let negative = self.negative.iter().rev().map(|b| self.negative_range(b));
        let all = negative.chain([self.zero_range()]).chain(self.positive.iter().map(|b| self.positive_range(b)));
        for bucket in all.filter(|bucket| bucket.count != 0.0) {
            let (open, close) = (if bucket.lower_inclusive { '[' } else { '(' }, if bucket.upper_inclusive { ']' } else { ')' });
            let (lower, upper) = (float_short(bucket.lower), float_short(bucket.upper));
            write!(f, ", {open}{lower},{upper}{close}:{}", float_short(bucket.count))?;
        }
        f.write_str("}")
    }
}
