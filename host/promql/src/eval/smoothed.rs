//! `smoothed` instant selectors over series with native histograms: each step's value lies between the samples around it.

use std::sync::Arc;

use model::{Histogram, LabelSet, ResetHint, is_absent, is_stale};

use super::totals::Decoder;
use super::{Element, Histograms, Query, Values};
use crate::functions::mixed::{Remark, interpolated};
use crate::histogram::{FloatHistogram, HistogramPoint};
use crate::position::Span;

/// Times, floats and histograms of a series.
type Held<'h> = (&'h [i64], &'h [f64], &'h [Option<Arc<Histogram>>]);

impl Query<'_> {
    /// Where both floats and histograms are near, there is no value. None if the series has none at any step.
    pub(super) fn between_mixed(
        &self,
        (times, floats, histograms): Held<'_>,
        labels: &LabelSet,
        span: Span,
        bounds: &[i64],
        totals_only: bool,
    ) -> Option<(Values, Option<Histograms>)> {
        let mut decoder = Decoder::new(totals_only);
        let there = times.iter().zip(histograms).filter_map(|(time, h)| Some((*time, h.as_ref().filter(|h| !h.is_stale())?)));
        let points: Vec<HistogramPoint> = there.map(|(time, h)| HistogramPoint { time, histogram: decoder.decode(h) }).collect();
        let numbers: Vec<(i64, f64)> =
            times.iter().copied().zip(floats.iter().copied()).filter(|(_, v)| !is_absent(*v) && !is_stale(*v)).collect();
        let lookback = self.limits.lookback_ms;
        let mut column = self.empty(LabelSet::empty(), false, bounds.len());
        let mut remarks = Vec::new();
        for (at, time) in bounds.iter().copied().enumerate() {
            let (oldest, newest) = (time.saturating_sub(lookback), time.saturating_add(lookback));
            let numbers = &numbers[numbers.partition_point(|(t, _)| *t <= oldest)..numbers.partition_point(|(t, _)| *t <= newest)];
            let points = &points[points.partition_point(|p| p.time <= oldest)..points.partition_point(|p| p.time <= newest)];
            if !numbers.is_empty() && !points.is_empty() {
                self.remark(labels, span, Remark::Mixed);
            } else if let Some(value) = between_numbers(numbers, time) {
                column.set(at, Element::Float(value));
            } else if let Some(value) = between_points(points, time, &mut remarks) {
                column.set(at, Element::Histogram(value));
            }
            remarks.drain(..).for_each(|remark| self.remark(labels, span, remark));
        }
        column.has_any().then_some((column.values, column.histograms))
    }
}

fn between_numbers(numbers: &[(i64, f64)], time: i64) -> Option<f64> {
    let after = numbers.partition_point(|(t, _)| *t < time);
    if let Some((_, value)) = numbers.get(after).filter(|(t, _)| *t == time) {
        return Some(*value);
    }
    let (before_time, before) = numbers.get(after.checked_sub(1)?)?;
    Some(match numbers.get(after) {
        None => *before,
        Some((after_time, after)) => {
            before + (after - before) * (time as f64 - *before_time as f64) / (*after_time as f64 - *before_time as f64)
        }
    })
}

fn between_points(points: &[HistogramPoint], time: i64, remarks: &mut Vec<Remark>) -> Option<Arc<FloatHistogram>> {
    let after = points.partition_point(|p| p.time < time);
    if let Some(point) = points.get(after).filter(|p| p.time == time) {
        return Some(Arc::clone(&point.histogram));
    }
    let before = points.get(after.checked_sub(1)?)?;
    let Some(after) = points.get(after) else {
        // Carried on, it says nothing of resets any more.
        return Some(Arc::new(FloatHistogram { reset_hint: ResetHint::Unknown, ..before.histogram.as_ref().clone() }));
    };
    let is_gauge = |p: &HistogramPoint| p.histogram.reset_hint == ResetHint::Gauge;
    let counter = !(is_gauge(before) && is_gauge(after));
    let between = interpolated(before, after, time, counter, remarks);
    between.map_err(|_| remarks.push(Remark::MixedLayouts)).ok()
}
