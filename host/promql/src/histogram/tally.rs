//! Adding histograms up: buckets are brought to one layout first.
//!
//! Exponential layouts meet at the coarser schema and at a bucket around zero that cuts no filled bucket of either; custom
//! ones at the bounds that both have. A mix of both kinds cannot be added.

use std::sync::Arc;

use model::ResetHint;

use super::bounds::exponential;
use super::cell::Cell;
use super::{Bucket, FloatHistogram};

/// Histograms with exponential and with custom buckets were to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incompatible;

/// What is worth telling of an addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// One says that a counter was reset before it, the other that none was.
    pub(crate) resets_conflict: bool,
    /// Custom bounds that only one of them has were given up.
    pub(crate) bounds_reconciled: bool,
}

/// A histogram that others are added to.
#[derive(Clone, Debug)]
pub(crate) struct Tally<C> {
    schema: i32,
    zero_threshold: f64,
    zero: C,
    pub(crate) count: C,
    sum: C,
    positive: Vec<(i32, C)>,
    negative: Vec<(i32, C)>,
    bounds: Arc<[f64]>,
    hint: ResetHint,
}

impl<C: Cell> Tally<C> {
    pub(crate) fn of(h: &FloatHistogram) -> Self {
        let cells = |buckets: &[Bucket]| buckets.iter().map(|b| (b.index, C::of(b.count))).collect();
        Self {
            schema: h.schema,
            zero_threshold: h.zero_threshold,
            zero: C::of(h.zero_count),
            count: C::of(h.count),
            sum: C::of(h.sum),
            positive: cells(&h.positive),
            negative: cells(&h.negative),
            bounds: Arc::clone(&h.custom_bounds),
            hint: h.reset_hint,
        }
    }

    /// The sum, without buckets that are empty.
    pub(crate) fn finish(self) -> FloatHistogram {
        let buckets = |cells: Vec<(i32, C)>| {
            let all = cells.into_iter().map(|(index, cell)| Bucket { index, count: cell.total() });
            all.filter(|b| b.count != 0.0).collect()
        };
        FloatHistogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero.total(),
            count: self.count.total(),
            sum: self.sum.total(),
            positive: buckets(self.positive),
            negative: buckets(self.negative),
            custom_bounds: self.bounds,
            reset_hint: self.hint,
        }
    }

    fn cells(&mut self) -> impl Iterator<Item = &mut C> {
        let buckets = self.positive.iter_mut().chain(&mut self.negative).map(|(_, cell)| cell);
        [&mut self.zero, &mut self.count, &mut self.sum].into_iter().chain(buckets)
    }

    pub(crate) fn scale(&mut self, factor: f64) {
        self.cells().for_each(|cell| cell.scale(factor));
    }

    pub(crate) fn divide(&mut self, by: f64) {
        self.cells().for_each(|cell| cell.divide(by));
    }

    /// Whether anything became infinite.
    pub(crate) fn overflows(&mut self) -> bool {
        self.cells().any(|cell| cell.rough().is_infinite())
    }

    /// Brings exponential buckets to a schema that is coarser.
    pub(crate) fn coarsen(&mut self, schema: i32) {
        if schema < self.schema && self.schema != model::CUSTOM_BUCKETS_SCHEMA {
            reduce(&mut self.positive, self.schema, schema);
            reduce(&mut self.negative, self.schema, schema);
            self.schema = schema;
        }
    }

    pub(crate) fn add(&mut self, other: &FloatHistogram) -> Result<Noted, Incompatible> {
        self.combine(other, 1.0)
    }

    pub(crate) fn subtract(&mut self, other: &FloatHistogram) -> Result<Noted, Incompatible> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &FloatHistogram, sign: f64) -> Result<Noted, Incompatible> {
        let custom = self.schema == model::CUSTOM_BUCKETS_SCHEMA;
        if custom != other.is_custom() {
            return Err(Incompatible);
        }
        let mut noted = Noted { resets_conflict: self.adjust_hint(other.reset_hint), bounds_reconciled: false };
        let other_zero = if custom { 0.0 } else { self.reconcile_zero(other) };
        self.zero.add(sign * other_zero);
        self.count.add(sign * other.count);
        self.sum.add(sign * other.sum);
        if custom {
            if !same_bounds(&self.bounds, &other.custom_bounds) {
                noted.bounds_reconciled = true;
                let common = common_bounds(&self.bounds, &other.custom_bounds);
                self.positive = mapped(&self.positive, &self.bounds, &common);
                let others: Vec<(i32, f64)> = other.positive.iter().map(|b| (b.index, b.count)).collect();
                add_cells(&mut self.positive, mapped(&others, &other.custom_bounds, &common), sign);
                self.bounds = common;
            } else {
                add_cells(&mut self.positive, other.positive.iter().map(|b| (b.index, b.count)), sign);
            }
            return Ok(noted);
        }
        let schema = self.schema.min(other.schema);
        reduce(&mut self.positive, self.schema, schema);
        reduce(&mut self.negative, self.schema, schema);
        self.schema = schema;
        let threshold = self.zero_threshold;
        for (into, from) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            let mut cells: Vec<(i32, f64)> = from.iter().map(|b| (b.index, b.count)).collect();
            reduce(&mut cells, other.schema, schema);
            // What lies in the common bucket around zero has been counted there. A bucket that reaches beyond it only since it was
            // merged is counted in both, as upstream does.
            cells.retain(|(index, _)| exponential(*index, schema) > threshold);
            add_cells(into, cells, sign);
        }
        Ok(noted)
    }

    /// Sums of gauges are gauges; what is unknown of one is unknown of the sum. Says whether both say the opposite.
    fn adjust_hint(&mut self, other: ResetHint) -> bool {
        let conflict = matches!((self.hint, other), (ResetHint::Reset, ResetHint::NoReset) | (ResetHint::NoReset, ResetHint::Reset));
        self.hint = match (self.hint, other) {
            (same, other) if same == other => same,
            (ResetHint::Gauge, _) | (_, ResetHint::Gauge) => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        };
        conflict
    }

    /// Widens the bucket around zero until it holds that of the other and cuts no filled bucket of both. What the other
    /// would have in it.
    fn reconcile_zero(&mut self, other: &FloatHistogram) -> f64 {
        let (mut zero, mut threshold) = (other.zero_count, other.zero_threshold);
        while threshold != self.zero_threshold {
            if self.zero_threshold > threshold {
                (zero, threshold) = other.zero_within(self.zero_threshold);
            }
            if threshold > self.zero_threshold {
                (self.zero, self.zero_threshold) = zero_within(self.schema, self.zero, &self.positive, &self.negative, threshold);
                let (schema, within) = (self.schema, self.zero_threshold);
                let outside = |(index, _): &(i32, C)| exponential(index.saturating_sub(1), schema) >= within;
                self.positive.retain(outside);
                self.negative.retain(outside);
            }
            if threshold.is_nan() || self.zero_threshold.is_nan() {
                break;
            }
        }
        zero
    }
}

impl FloatHistogram {
    /// What the bucket around zero would hold were it that wide; and the width, which is more if it would cut a filled
    /// bucket.
    pub(super) fn zero_within(&self, threshold: f64) -> (f64, f64) {
        if threshold == self.zero_threshold {
            return (self.zero_count, threshold);
        }
        let tally = Tally::<f64>::of(self);
        zero_within(tally.schema, tally.zero, &tally.positive, &tally.negative, threshold)
    }
}

fn zero_within<C: Cell>(schema: i32, zero: C, positive: &[(i32, C)], negative: &[(i32, C)], mut threshold: f64) -> (C, f64) {
    loop {
        let (before, mut sum) = (threshold, zero);
        for (index, cell) in positive.iter().chain(negative) {
            if exponential(index.saturating_sub(1), schema) >= threshold {
                continue;
            }
            sum.merge(*cell);
            let upper = exponential(*index, schema);
            if upper > threshold && cell.rough() != 0.0 {
                threshold = upper;
            }
        }
        // Widened by one side, it may cut the other. By bits: a width of NaN is none, and never equal to itself.
        if threshold.to_bits() == before.to_bits() {
            return (sum, threshold);
        }
    }
}

/// Merges buckets into those of a coarser schema.
pub(super) fn reduce<C: Cell>(cells: &mut Vec<(i32, C)>, from: i32, to: i32) {
    if from == to {
        return;
    }
    let shift = from.saturating_sub(to).clamp(0, 31);
    let mut merged: Vec<(i32, C)> = Vec::with_capacity(cells.len());
    for (index, cell) in cells.drain(..) {
        let index = (index.saturating_sub(1) >> shift).saturating_add(1);
        match merged.last_mut() {
            Some((last, into)) if *last == index => into.merge(cell),
            _ => merged.push((index, cell)),
        }
    }
    *cells = merged;
}

/// Adds ascending buckets to ascending buckets.
fn add_cells<C: Cell>(into: &mut Vec<(i32, C)>, from: impl IntoIterator<Item = (i32, f64)>, sign: f64) {
    let mut from = from.into_iter().peekable();
    let mut merged = Vec::with_capacity(into.len());
    for (index, mut cell) in into.drain(..) {
        while let Some((new, count)) = from.next_if(|(new, _)| *new < index) {
            merged.push((new, C::of(sign * count)));
        }
        if let Some((_, count)) = from.next_if(|(new, _)| *new == index) {
            cell.add(sign * count);
        }
        merged.push((index, cell));
    }
    merged.extend(from.map(|(index, count)| (index, C::of(sign * count))));
    *into = merged;
}

pub(super) fn same_bounds(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// The bounds that both have; both ascend.
fn common_bounds(a: &[f64], b: &[f64]) -> Arc<[f64]> {
    let mut b = b.iter().peekable();
    let common = a.iter().filter(|bound| {
        while b.next_if(|other| *other < *bound).is_some() {}
        b.peek().is_some_and(|other| *other == *bound)
    });
    common.copied().collect()
}

/// Custom buckets in a layout whose bounds are among theirs.
fn mapped<C: Cell>(cells: &[(i32, C)], bounds: &[f64], common: &[f64]) -> Vec<(i32, C)> {
    let mut mapped: Vec<(i32, C)> = Vec::new();
    for (index, cell) in cells {
        let upper = usize::try_from(*index).ok().and_then(|at| bounds.get(at));
        let at = upper.map_or(common.len(), |upper| common.partition_point(|bound| bound < upper));
        let at = i32::try_from(at).unwrap_or(i32::MAX);
        match mapped.last_mut() {
            Some((last, into)) if *last == at => into.merge(*cell),
            _ => mapped.push((at, *cell)),
        }
    }
    mapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::sums::Sum;

    fn histogram(schema: i32, threshold: f64, zero: f64, positive: &[(i32, f64)]) -> FloatHistogram {
        FloatHistogram {
            schema,
            zero_threshold: threshold,
            zero_count: zero,
            count: zero + positive.iter().map(|(_, c)| c).sum::<f64>(),
            sum: 1.0,
            positive: positive.iter().map(|(index, count)| Bucket { index: *index, count: *count }).collect(),
            ..FloatHistogram::default()
        }
    }

    #[track_caller]
    fn added(a: &FloatHistogram, b: &FloatHistogram) -> FloatHistogram {
        let mut tally = Tally::<f64>::of(a);
        assert!(tally.add(b).is_ok());
        tally.finish()
    }

    #[test]
    fn layouts_meet() {
        let fine = histogram(1, 0.0, 0.0, &[(1, 1.0), (2, 2.0), (3, 4.0)]);
        let coarse = histogram(0, 0.0, 0.0, &[(1, 10.0), (5, 1.0)]);
        let sum = added(&fine, &coarse);
        assert_eq!((sum.schema, sum.count), (0, 18.0));
        let wanted = [(1, 13.0), (2, 4.0), (5, 1.0)].map(|(index, count)| Bucket { index, count });
        assert_eq!(sum.positive, wanted);
        assert_eq!(added(&coarse, &fine), sum);
    }

    #[test]
    fn the_bucket_around_zero_swallows_what_it_cuts() {
        // 3 lies in (2, 4], which is filled, so that zero reaches to 4.
        let wide = histogram(0, 3.0, 5.0, &[(4, 1.0)]);
        let narrow = histogram(0, 0.5, 1.0, &[(1, 1.0), (2, 2.0), (3, 4.0)]);
        for sum in [added(&wide, &narrow), added(&narrow, &wide)] {
            assert_eq!((sum.zero_threshold, sum.zero_count), (4.0, 9.0));
            assert_eq!(sum.positive, [(3, 4.0), (4, 1.0)].map(|(index, count)| Bucket { index, count }));
        }
    }

    /// Upstream's `addBuckets` asks of the other's buckets only after they were merged whether they lie around zero.
    #[test]
    fn a_bucket_that_was_merged_across_the_border_of_zero_is_counted_on_both_sides() {
        let root = std::f64::consts::SQRT_2;
        let wide = histogram(0, root, 1.0, &[(3, 1.0)]);
        // (1, √2] lies within zero and (√2, 2] does not; both become (1, 2].
        let fine = histogram(1, 0.0, 0.0, &[(1, 3.0), (2, 5.0)]);
        let sum = added(&wide, &fine);
        assert_eq!((sum.zero_threshold, sum.zero_count, sum.count), (root, 4.0, 10.0));
        assert_eq!(sum.positive, [(1, 8.0), (3, 1.0)].map(|(index, count)| Bucket { index, count }));
    }

    #[test]
    fn custom_bounds_meet() {
        let custom = |bounds: &[f64], positive: &[(i32, f64)]| FloatHistogram {
            schema: model::CUSTOM_BUCKETS_SCHEMA,
            custom_bounds: Arc::from(bounds),
            ..histogram(0, 0.0, 0.0, positive)
        };
        let a = custom(&[1.0, 2.0, 3.0], &[(0, 1.0), (1, 2.0), (3, 4.0)]);
        let b = custom(&[2.0, 3.0, 4.0], &[(0, 1.0), (2, 8.0)]);
        let mut tally = Tally::<Sum>::of(&a);
        assert_eq!(tally.add(&b), Ok(Noted { bounds_reconciled: true, resets_conflict: false }));
        let sum = tally.finish();
        assert_eq!(&*sum.custom_bounds, [2.0, 3.0]);
        assert_eq!(sum.positive, [(0, 4.0), (2, 12.0)].map(|(index, count)| Bucket { index, count }));
        assert_eq!(Tally::<f64>::of(&a).add(&histogram(0, 0.0, 0.0, &[])), Err(Incompatible));
    }
}
