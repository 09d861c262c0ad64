//! Quantiles of classic histograms: cumulative buckets, each a series with its upper bound in the label `le`.

/// A cumulative bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) upper: f64,
    pub(crate) count: f64,
}

/// Where counts fell and were lifted: the lowest and the highest bucket, and the largest fall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forced {
    pub(crate) buckets: (f64, f64),
    pub(crate) difference: f64,
}

/// Relative differences below this come from floating point and are nothing to speak of.
const TOLERANCE: f64 = 1e-12;

/// The φ-quantile under the assumption that observations are spread evenly in a bucket. Sorts and repairs the buckets.
pub(crate) fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if !in_order(buckets) {
        return (f64::NAN, None);
    }
    let forced = make_monotonic(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return (f64::NAN, forced);
    }
    let rank = q * observations;
    // NaN is not below any rank, so it counts as not reached.
    let at = buckets[..last].partition_point(|b| b.count < rank || b.count.is_nan() || rank.is_nan());
    let value = if at == last {
        buckets[last - 1].upper
    } else if at == 0 && buckets[0].upper <= 0.0 {
        buckets[0].upper
    } else {
        // Below the first bucket lies zero.
        let (lower, before) = if at == 0 { (0.0, 0.0) } else { (buckets[at - 1].upper, buckets[at - 1].count) };
        let bucket = buckets[at];
        lower + (bucket.upper - lower) * ((rank - before) / (bucket.count - before))
    };
    (value, forced)
}

/// Sorts buckets and adds up those with the same bound. Whether there is one for everything: without it the number of
/// observations is unknown.
fn in_order(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    if buckets.last().is_none_or(|last| last.upper != f64::INFINITY) {
        return false;
    }
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
    true
}

/// The share of the observations between two values, under the same assumption. Sorts the buckets.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !in_order(buckets) {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |last| last.count);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let below = |value: f64| {
        // The first bucket begins at zero, unless it ends there.
        let first = buckets.first().map_or(0.0, |first| if first.upper <= 0.0 { f64::NEG_INFINITY } else { 0.0 });
        let (mut from, mut rank) = (first, 0.0);
        for bucket in buckets.iter() {
            if from >= value {
                return Some(rank);
            }
            if bucket.upper > value {
                // A bucket without a lower end cannot be shared.
                let share = (bucket.count - rank) * (value - from) / (bucket.upper - from);
                return Some(if from == f64::NEG_INFINITY { bucket.count } else { rank + share });
            }
            (from, rank) = (bucket.upper, bucket.count);
        }
        None
    };
    let within = |rank: Option<f64>| rank.filter(|rank| *rank <= count).unwrap_or(count);
    (within(below(upper)) - within(below(lower))) / count
}

/// A larger bucket holds all that a smaller one does. Lifts counts where that is not so; tiny differences in silence.
fn make_monotonic(buckets: &mut [Bucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut highest = buckets.first()?.count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if count == highest {
            continue;
        }
        let tiny = (count - highest).abs() / (count.abs() + highest.abs()) < TOLERANCE;
        if tiny || count < highest {
            bucket.count = highest;
            if !tiny {
                let before = forced.unwrap_or(Forced { buckets: (f64::INFINITY, f64::NEG_INFINITY), difference: 0.0 });
                let buckets = (before.buckets.0.min(bucket.upper), before.buckets.1.max(bucket.upper));
                forced = Some(Forced { buckets, difference: before.difference.max(highest - count) });
            }
        } else {
            highest = count;
        }
    }
    forced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(q: f64, buckets: &[(f64, f64)], wanted: f64, forced: bool) {
        let mut buckets = buckets.iter().map(|(upper, count)| Bucket { upper: *upper, count: *count }).collect();
        let (value, lifted) = quantile(q, &mut buckets);
        assert!(value == wanted || (value.is_nan() && wanted.is_nan()), "{value}, wanted {wanted}");
        assert_eq!(lifted.is_some(), forced);
    }

    #[test]
    fn quantiles() {
        let inf = f64::INFINITY;
        check(0.5, &[(1.0, 10.0), (inf, 10.0)], 0.5, false);
        check(0.5, &[(2.0, 4.0), (1.0, 2.0), (inf, 4.0)], 1.0, false);
        check(0.9, &[(1.0, 1.0), (inf, 10.0)], 1.0, false);
        check(0.5, &[(1.0, 1.0), (2.0, 1.0)], f64::NAN, false);
        check(0.5, &[(inf, 1.0)], f64::NAN, false);
        check(0.5, &[(1.0, 4.0), (2.0, 3.0), (inf, 4.0)], 0.5, true);
        check(0.5, &[(-1.0, 4.0), (inf, 4.0)], -1.0, false);
        check(2.0, &[], inf, false);
        check(0.5, &[], f64::NAN, false);
    }
}
