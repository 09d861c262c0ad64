//! From columns to an answer: column after column, so that no more is held than both halves, and so that a query that is stopped
//! stops here too.

use std::cmp::Ordering;

use model::is_absent;

use super::{Columns, Element, Query, Steps};
use crate::error::EvalError;
use crate::histogram::HistogramPoint;
use crate::limits::COLUMN_BYTES;
use crate::value::{Point, Sample, Series};

impl Query<'_> {
    /// Of an instant query, in the order they have.
    pub(super) fn samples(&self, columns: Columns<'_>, time: i64) -> Result<Vec<Sample>, EvalError> {
        let Columns { series, mut charge } = columns;
        self.budget.add_bytes(&mut charge, series.len() * size_of::<Sample>())?;
        let mut samples = Vec::with_capacity(series.len());
        for column in series {
            self.budget.work(8)?;
            let (value, histogram) = match column.element(0) {
                None => continue,
                Some(Element::Float(value)) => (value, None),
                Some(Element::Histogram(histogram)) => (f64::NAN, Some(histogram)),
            };
            samples.push(Sample { labels: column.labels, point: Point { time, value }, histogram });
            charge.release(8 + COLUMN_BYTES);
        }
        Ok(samples)
    }

    /// Of a range query, sorted by labels.
    pub(super) fn all_series(&self, columns: Columns<'_>, steps: Steps) -> Result<Vec<Series>, EvalError> {
        let Columns { series, mut charge } = columns;
        let series = self.sorted(series, |a, b| a.labels.cmp(&b.labels))?;
        self.budget.add_bytes(&mut charge, series.len() * size_of::<Series>())?;
        let mut all = Vec::with_capacity(series.len());
        for column in series {
            self.budget.work(column.values.len())?;
            let count = column.values.iter().filter(|v| !is_absent(**v)).count();
            self.budget.add_bytes(&mut charge, count * size_of::<Point>())?;
            let mut points = Vec::with_capacity(count);
            let present = column.values.iter().enumerate().filter(|(_, v)| !is_absent(**v));
            points.extend(present.map(|(at, value)| Point { time: steps.at(at), value: *value }));
            let histograms = column.histograms.into_iter().flatten().enumerate();
            let histograms: Vec<HistogramPoint> =
                histograms.filter_map(|(at, h)| Some(HistogramPoint { time: steps.at(at), histogram: h? })).collect();
            if !points.is_empty() || !histograms.is_empty() {
                all.push(Series { labels: column.labels, points, histograms });
            }
            charge.release(column.values.len() * 8 + COLUMN_BYTES);
        }
        Ok(all)
    }

    /// Sorts, stably, and stops when the query is stopped: a sort of a million label sets takes a second otherwise.
    pub(super) fn sorted<T>(&self, mut items: Vec<T>, compare: impl Fn(&T, &T) -> Ordering) -> Result<Vec<T>, EvalError> {
        if items.len() <= RUN {
            items.sort_by(compare);
            return Ok(items);
        }
        let mut runs: Vec<Vec<T>> = Vec::with_capacity(items.len() / RUN + 1);
        let mut rest = items.into_iter();
        loop {
            let mut run: Vec<T> = rest.by_ref().take(RUN).collect();
            if run.is_empty() {
                break;
            }
            self.budget.check()?;
            run.sort_by(&compare);
            runs.push(run);
        }
        while runs.len() > 1 {
            let mut merged = Vec::with_capacity(runs.len() / 2 + 1);
            let mut pairs = runs.into_iter();
            while let Some(first) = pairs.next() {
                merged.push(match pairs.next() {
                    Some(second) => self.merged(first, second, &compare)?,
                    None => first,
                });
            }
            runs = merged;
        }
        Ok(runs.pop().unwrap_or_default())
    }

    fn merged<T>(&self, first: Vec<T>, second: Vec<T>, compare: &impl Fn(&T, &T) -> Ordering) -> Result<Vec<T>, EvalError> {
        let mut merged = Vec::with_capacity(first.len() + second.len());
        let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
        loop {
            self.budget.work(8)?;
            let next = match (first.peek(), second.peek()) {
                (Some(a), Some(b)) if compare(a, b) == Ordering::Greater => second.next(),
                (Some(_), _) => first.next(),
                (None, _) => second.next(),
            };
            let Some(next) = next else { return Ok(merged) };
            merged.push(next);
        }
    }
}

/// So many are sorted between two looks at whether to stop.
const RUN: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::memory::Memory;

    #[test]
    fn long_lists_are_sorted_stably_and_stop() {
        let (limits, memory) = (Limits::default(), Memory::new());
        let query = Query::new(Steps { start: 0, step: 1, count: 1 }, 0, &memory, &limits);
        let items: Vec<(usize, usize)> = (0..5 * RUN + 17).map(|at| (at.wrapping_mul(2_654_435_761) % 1000, at)).collect();
        let mut expected = items.clone();
        expected.sort_by_key(|(key, _)| *key);
        assert_eq!(query.sorted(items.clone(), |a, b| a.0.cmp(&b.0)).expect("nobody stops it"), expected);
        limits.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(query.sorted(items, |a, b| a.0.cmp(&b.0)), Err(EvalError::Canceled));
    }
}
