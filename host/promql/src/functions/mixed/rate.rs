//! `rate`, `increase` and `delta` of histograms, and of floats that know when they began to count.

use std::sync::Arc;

use model::ResetHint;

use super::Remark;
use super::walk::began_anew;
use crate::eval::{Element, Window};
use crate::functions::rate::{extrapolated, stretch};
use crate::histogram::{FloatHistogram, HistogramPoint, Incompatible, Noted, Tally};

pub(super) fn over(window: &Window<'_>, counter: bool, per_second: bool, remarks: &mut Vec<Remark>) -> Option<Element> {
    if !window.values.is_empty() && !window.histograms.is_empty() {
        remarks.push(Remark::Mixed);
        return None;
    }
    if window.histograms.is_empty() {
        if window.starts.is_empty() || !counter || window.edges.is_some() {
            return extrapolated(window, counter, per_second).map(Element::Float);
        }
        return floats(window, per_second, remarks).map(Element::Float);
    }
    let result = if window.edges.is_some() {
        between_edges(window, counter, per_second, remarks)
    } else {
        histograms(window, counter, per_second, remarks)
    };
    match result {
        Ok(result) => result.map(|h| Element::Histogram(Arc::new(h))),
        Err(Incompatible) => {
            remarks.push(Remark::MixedLayouts);
            None
        }
    }
}

/// Tells, once, of a start before the sample before.
fn check_overlap(before: (i64, i64), start: i64, remarks: &mut Vec<Remark>) {
    let overlaps = start != 0 && start < before.1 && start != before.0;
    if overlaps && !remarks.contains(&Remark::StartOverlaps) {
        remarks.push(Remark::StartOverlaps);
    }
}

/// When the first sample began to count, if that is in the window: then it counted from zero there.
fn known_start(starts: &[i64], window: &Window<'_>, first: i64) -> Option<i64> {
    starts.first().copied().filter(|start| *start != 0 && *start > window.start && *start < first)
}

/// A counter of floats with start timestamps.
fn floats(window: &Window<'_>, per_second: bool, remarks: &mut Vec<Remark>) -> Option<f64> {
    let (times, values, starts) = (window.times, window.values, window.starts);
    let (first, last) = (*values.first()?, *values.last()?);
    let mut increase = last - first;
    for at in 1..values.len() {
        let before = (starts[at - 1], times[at - 1]);
        check_overlap(before, starts[at], remarks);
        if values[at] < values[at - 1] || began_anew(before, (starts[at], times[at])) {
            increase += values[at - 1];
        }
    }
    let start = known_start(starts, window, times[0]);
    if start.is_some() {
        increase += first;
    }
    Some(increase * stretch(window, times, start, Some((first, increase)).filter(|(first, _)| *first >= 0.0), per_second)?)
}

fn tell(noted: Noted, operation: &'static str, remarks: &mut Vec<Remark>) {
    if noted.bounds_reconciled {
        remarks.push(Remark::Reconciled(operation));
    }
}

fn histograms(
    window: &Window<'_>,
    counter: bool,
    per_second: bool,
    remarks: &mut Vec<Remark>,
) -> Result<Option<FloatHistogram>, Incompatible> {
    let points = window.histograms;
    let starts = window.histogram_starts;
    let times: Vec<i64> = points.iter().map(|p| p.time).collect();
    let Some(first) = points.first() else { return Ok(None) };
    let start = known_start(starts, window, first.time).filter(|_| counter);
    let mut increase = match points {
        [_] => None,
        points => Some(difference(points, starts, counter, remarks)?),
    };
    if start.is_some() {
        increase = Some(match increase {
            None => first.histogram.as_ref().clone(),
            Some(increase) => {
                let mut tally = Tally::<f64>::of(&increase);
                tell(tally.add(&first.histogram)?, "addition", remarks);
                tally.finish()
            }
        });
    }
    let Some(increase) = increase else { return Ok(None) };
    let zero = Some((first.histogram.count, increase.count)).filter(|(first, _)| counter && *first >= 0.0);
    Ok(stretch(window, &times, start, zero, per_second).map(|factor| increase.times(factor)))
}

/// Tells of gauges among what is taken for a counter, and of counters at the ends of what is taken for a gauge.
fn check_kind(points: &[HistogramPoint], ends: [&FloatHistogram; 2], counter: bool, remarks: &mut Vec<Remark>) {
    let is_gauge = |h: &FloatHistogram| h.reset_hint == ResetHint::Gauge;
    if counter && points.iter().any(|p| is_gauge(&p.histogram)) {
        remarks.push(Remark::NotCounter);
    }
    if !counter && !ends.into_iter().all(is_gauge) {
        remarks.push(Remark::NotGauge);
    }
}

/// The last less the first, with what counters lost at resets.
fn difference(points: &[HistogramPoint], starts: &[i64], counter: bool, remarks: &mut Vec<Remark>) -> Result<FloatHistogram, Incompatible> {
    let anew = |at: usize| at < starts.len() && began_anew((starts[at - 1], points[at - 1].time), (starts[at], points[at].time));
    let (first, last) = (&points[0].histogram, &points[points.len() - 1].histogram);
    let inner = &points[1..points.len() - 1];
    check_kind(points, [first, last], counter, remarks);
    let mut before = Arc::clone(first);
    // A first sample before a reset is worth nothing, its layout neither.
    if counter && points.len() > 1 && (anew(1) || points[1].histogram.is_reset_since(first)) {
        let second = &points[1].histogram;
        before = Arc::new(FloatHistogram {
            schema: second.schema,
            custom_bounds: Arc::clone(&second.custom_bounds),
            ..FloatHistogram::default()
        });
    }
    if last.is_custom() != before.is_custom() || (counter && inner.iter().any(|p| p.histogram.is_custom() != before.is_custom())) {
        return Err(Incompatible);
    }
    let mut tally = Tally::<f64>::of(last);
    tell(tally.subtract(&before)?, "subtraction", remarks);
    if counter {
        // All that lies between decides on the resolution.
        tally.coarsen(inner.iter().map(|p| p.histogram.schema).min().unwrap_or(i32::MAX));
        for at in 1..points.len() {
            let now = &points[at].histogram;
            if at < starts.len() {
                check_overlap((starts[at - 1], points[at - 1].time), starts[at], remarks);
            }
            if anew(at) || now.is_reset_since(&before) {
                tell(tally.add(&before)?, "addition", remarks);
            }
            before = Arc::clone(now);
        }
    }
    let mut increase = tally.finish();
    increase.reset_hint = ResetHint::Gauge;
    Ok(increase)
}

/// From one end of an anchored or smoothed window to the other, without extrapolation. The window's samples reach beyond it.
fn between_edges(
    window: &Window<'_>,
    counter: bool,
    per_second: bool,
    remarks: &mut Vec<Remark>,
) -> Result<Option<FloatHistogram>, Incompatible> {
    let points = window.histograms;
    let smoothed = window.edges == Some(crate::ast::Edges::Smoothed);
    let mut last = points.len() - 1;
    let first = points[..last].partition_point(|p| p.time <= window.start).saturating_sub(1);
    if smoothed {
        last = points[..last].partition_point(|p| p.time < window.end);
    }
    if points[last].time <= window.start || (smoothed && points[first].time > window.end) {
        return Ok(None);
    }
    let used = &points[first..=last];
    if used.iter().any(|p| p.histogram.is_custom() != used[0].histogram.is_custom()) {
        return Err(Incompatible);
    }
    let left = if smoothed && points[first].time < window.start {
        interpolated(&points[first], &points[first + 1], window.start, counter, remarks)?
    } else {
        Arc::clone(&points[first].histogram)
    };
    let right = if smoothed && last > 0 && points[last].time > window.end {
        interpolated(&points[last - 1], &points[last], window.end, counter, remarks)?
    } else {
        Arc::clone(&points[last].histogram)
    };
    check_kind(used, [&left, &right], counter, remarks);
    let mut tally = Tally::<f64>::of(&right);
    tell(tally.subtract(&left)?, "subtraction", remarks);
    if counter {
        let mut before = &left;
        let mut next = first + 1;
        if smoothed && points[first].time < window.start && points[first + 1].histogram.is_reset_since(&points[first].histogram) {
            // What is left of the reset was interpolated from zero.
            before = &points[first + 1].histogram;
            next += 1;
        }
        let mut lost: Option<Tally<f64>> = None;
        if next <= last {
            for now in points[next..last].iter().map(|p| &p.histogram).chain([&right]) {
                if now.is_reset_since(before) {
                    match &mut lost {
                        None => lost = Some(Tally::of(before)),
                        Some(lost) => tell(lost.add(before)?, "addition", remarks),
                    }
                }
                before = now;
            }
        }
        if let Some(lost) = lost {
            tell(tally.add(&lost.finish())?, "addition", remarks);
        }
    }
    let mut increase = tally.finish();
    if per_second {
        increase = increase.divided((window.end as f64 - window.start as f64) / 1000.0);
    }
    increase.reset_hint = ResetHint::Gauge;
    Ok(Some(increase.compacted()))
}

/// The histogram between two samples. A counter that was reset between them counts from zero.
pub(crate) fn interpolated(
    from: &HistogramPoint,
    to: &HistogramPoint,
    time: i64,
    counter: bool,
    remarks: &mut Vec<Remark>,
) -> Result<Arc<FloatHistogram>, Incompatible> {
    if time == from.time {
        return Ok(Arc::clone(&from.histogram));
    }
    if time == to.time {
        return Ok(Arc::clone(&to.histogram));
    }
    let share = (time as f64 - from.time as f64) / (to.time as f64 - from.time as f64);
    if counter && to.histogram.is_reset_since(&from.histogram) {
        return Ok(Arc::new(to.histogram.as_ref().clone().times(share)));
    }
    let mut tally = Tally::<f64>::of(&to.histogram);
    tell(tally.subtract(&from.histogram)?, "subtraction", remarks);
    tally.scale(share);
    tell(tally.add(&from.histogram)?, "addition", remarks);
    Ok(Arc::new(tally.finish()))
}
