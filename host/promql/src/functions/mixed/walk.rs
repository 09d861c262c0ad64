//! Floats and histograms of a window by time, and what looks at neighbours: `resets`, `changes`, `irate`, `idelta`.

use std::sync::Arc;

use model::ResetHint;

use super::Remark;
use crate::ast::Edges;
use crate::eval::{Element, Window};
use crate::histogram::Tally;

/// A sample of a window.
pub(super) struct Timed {
    pub(super) time: i64,
    /// 0 where none is known.
    pub(super) start: i64,
    pub(super) element: Element,
}

/// All samples by time, from these places on.
pub(super) fn samples<'w>(window: &Window<'w>, floats_from: usize, histograms_from: usize) -> impl Iterator<Item = Timed> + use<'w> {
    let (window, mut float, mut histogram) = (*window, floats_from, histograms_from);
    std::iter::from_fn(move || {
        let next = (window.times.get(float), window.histograms.get(histogram));
        let (time, start, element) = match next {
            (None, None) => return None,
            (Some(time), point) if point.is_none_or(|p| *time < p.time) => {
                let found = (*time, window.starts.get(float).copied(), Element::Float(window.values[float]));
                float += 1;
                found
            }
            (_, Some(point)) => {
                let found = (point.time, window.histogram_starts.get(histogram).copied(), Element::Histogram(Arc::clone(&point.histogram)));
                histogram += 1;
                found
            }
            (Some(_), None) => return None,
        };
        Some(Timed { time, start: start.unwrap_or(0), element })
    })
}

/// Whether start timestamps say that the counter began anew between two samples: it began after the first was taken, or
/// just then if the first did not itself begin at its own time.
pub(super) fn began_anew(before: (i64, i64), now: (i64, i64)) -> bool {
    let ((start_before, time_before), (start, time)) = (before, now);
    if start == 0 || start >= time || start < time_before {
        return false;
    }
    start > time_before || (start_before <= time_before && start_before != 0 && start_before != time_before)
}

/// Where an anchored window begins: at the last sample before it, of whatever kind. None if nothing is in it.
fn anchored(window: &Window<'_>) -> Option<(usize, usize)> {
    if window.edges != Some(Edges::Anchored) {
        return Some((0, 0));
    }
    let floats = window.times.partition_point(|time| *time <= window.start);
    let histograms = window.histograms.partition_point(|p| p.time <= window.start);
    if floats >= window.times.len() && histograms >= window.histograms.len() {
        return None;
    }
    let float = floats.checked_sub(1).map(|at| window.times[at]);
    let histogram = histograms.checked_sub(1).map(|at| window.histograms[at].time);
    Some(match (float, histogram) {
        (None, None) => (0, 0),
        (Some(float), histogram) if histogram.is_none_or(|h| float >= h) => (floats - 1, histograms),
        _ => (floats, histograms - 1),
    })
}

fn count(window: &Window<'_>, differ: impl Fn(&Timed, &Timed) -> bool) -> Option<f64> {
    let (floats, histograms) = anchored(window)?;
    let mut samples = samples(window, floats, histograms);
    let mut before = samples.next()?;
    let mut counted = 0.0;
    for now in samples {
        if differ(&before, &now) {
            counted += 1.0;
        }
        before = now;
    }
    Some(counted)
}

/// How often a counter was reset. A change between floats and histograms is one.
pub(super) fn resets(window: &Window<'_>) -> Option<f64> {
    count(window, |before, now| {
        let anew = || began_anew((before.start, before.time), (now.start, now.time));
        match (&before.element, &now.element) {
            (Element::Float(before), Element::Float(now)) => now < before || anew(),
            (Element::Histogram(before), Element::Histogram(now)) => anew() || now.is_reset_since(before),
            _ => true,
        }
    })
}

/// How often the value changed. NaN is equal to NaN here.
pub(super) fn changes(window: &Window<'_>) -> Option<f64> {
    count(window, |before, now| match (&before.element, &now.element) {
        (Element::Float(before), Element::Float(now)) => now != before && !(now.is_nan() && before.is_nan()),
        (Element::Histogram(before), Element::Histogram(now)) => now != before,
        _ => true,
    })
}

/// `irate`, `idelta`: the last two samples.
pub(super) fn instant(window: &Window<'_>, counter_per_second: bool, remarks: &mut Vec<Remark>) -> Option<Element> {
    let floats = window.times.len().saturating_sub(2);
    let histograms = window.histograms.len().saturating_sub(2);
    let last: Vec<Timed> = samples(window, floats, histograms).collect();
    let [.., before, now] = last.as_slice() else { return None };
    let elapsed = (now.time as f64 - before.time as f64) / 1000.0;
    let anew = counter_per_second && began_anew((before.start, before.time), (now.start, now.time));
    match (&before.element, &now.element) {
        (Element::Float(before), Element::Float(now)) => {
            let increase = if counter_per_second && (now < before || anew) { *now } else { now - before };
            Some(Element::Float(if counter_per_second { increase / elapsed } else { increase }))
        }
        (Element::Histogram(before), Element::Histogram(now)) => {
            let gauges = [before, now].map(|h| h.reset_hint == ResetHint::Gauge);
            if counter_per_second && gauges.contains(&true) {
                remarks.push(Remark::NotCounter);
            }
            if !counter_per_second && gauges.contains(&false) {
                remarks.push(Remark::NotGauge);
            }
            let mut increase = now.as_ref().clone();
            if !(counter_per_second && (anew || now.is_reset_since(before))) {
                let mut tally = Tally::<f64>::of(now);
                let Ok(noted) = tally.subtract(before) else {
                    remarks.push(Remark::MixedLayouts);
                    return None;
                };
                if noted.bounds_reconciled {
                    remarks.push(Remark::Reconciled("subtraction"));
                }
                increase = tally.finish();
            }
            increase.reset_hint = ResetHint::Gauge;
            let increase = if counter_per_second { increase.divided(elapsed) } else { increase };
            Some(Element::Histogram(Arc::new(increase.compacted())))
        }
        _ => {
            remarks.push(Remark::Mixed);
            None
        }
    }
}
