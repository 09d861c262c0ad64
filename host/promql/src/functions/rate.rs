//! Slopes: rate, increase, delta and their relatives.

use super::sums::Sum;
use crate::ast::Edges;
use crate::eval::Window;

/// Seconds from one time to another. As floats, since times may be so far apart that integers would overflow; those that
/// a sample can have in earnest are exact.
fn seconds(from: i64, to: i64) -> f64 {
    (to as f64 - from as f64) / 1000.0
}

/// `rate`, `increase`, `delta`: the difference of the last and the first sample, with what counters lost at resets,
/// stretched to the whole window as far as the spacing of samples lets one assume that the series was there.
pub(crate) fn extrapolated(window: &Window<'_>, counter: bool, per_second: bool) -> Option<f64> {
    if window.edges.is_some() {
        return between_edges(window, counter, per_second);
    }
    let (times, values) = (window.times, window.values);
    let gaps = times.len().checked_sub(1).filter(|gaps| *gaps > 0)?;
    let (first, last) = (values[0], values[gaps]);
    let mut increase = last - first;
    if counter {
        for pair in values.windows(2).filter(|pair| pair[1] < pair[0]) {
            increase += pair[0];
        }
    }
    // A counter is never negative: it was zero at the earliest where its slope says.
    let zero = (counter && first >= 0.0).then_some((first, increase));
    Some(increase * stretch(window, times, None, zero, per_second)?)
}

/// By what the difference of the last and the first sample is multiplied to cover the window. `start` is when the first
/// began to count, if that is known and in the window; `zero` the first value of a counter and its increase. None without
/// two samples or a start.
pub(crate) fn stretch(window: &Window<'_>, times: &[i64], start: Option<i64>, zero: Option<(f64, f64)>, per_second: bool) -> Option<f64> {
    let (first, last) = (*times.first()?, *times.last()?);
    let gaps = times.len() - 1;
    let spacing = if gaps > 0 { seconds(first, last) / gaps as f64 } else { 0.0 };
    // A sample that is missing by more than a tenth of the spacing says that the series began or ended here; then half a
    // spacing is the best guess.
    let threshold = spacing * 1.1;
    let reach = |distance: f64| if distance >= threshold { spacing / 2.0 } else { distance };
    let (sampled, to_start) = match start {
        // It was zero then, and not there before.
        Some(start) => (seconds(start, last), 0.0),
        None if gaps == 0 => return None,
        None => {
            let (sampled, mut to_start) = (seconds(first, last), reach(seconds(window.start, first)));
            if let Some((first, increase)) = zero.filter(|(_, increase)| *increase > 0.0) {
                to_start = to_start.min(sampled * (first / increase));
            }
            (sampled, to_start)
        }
    };
    let to_end = reach(seconds(last, window.end));
    let factor = if sampled == 0.0 { 1.0 } else { (sampled + to_start + to_end) / sampled };
    Some(if per_second { factor / seconds(window.start, window.end) } else { factor })
}

/// The first and the last sample that count for a window with anchored or smoothed ends, and the values at the ends.
/// The window's samples reach beyond it.
fn edges(window: &Window<'_>, counter: bool) -> Option<(usize, usize, f64, f64)> {
    let (times, values) = (window.times, window.values);
    let smoothed = window.edges == Some(Edges::Smoothed);
    let mut last = times.len().checked_sub(1)?;
    let first = times[..last].partition_point(|t| *t <= window.start).saturating_sub(1);
    if smoothed {
        last = times[..last].partition_point(|t| *t < window.end);
    }
    if times[last] <= window.start || (smoothed && times[first] > window.end) {
        return None;
    }
    let left = if smoothed && times[first] < window.start { interpolate(window, first, window.start, counter) } else { values[first] };
    let right =
        if smoothed && last > 0 && times[last] > window.end { interpolate(window, last - 1, window.end, counter) } else { values[last] };
    Some((first, last, left, right))
}

/// The value between a sample and the next. A counter that was reset between them counts from zero.
fn interpolate(window: &Window<'_>, at: usize, time: i64, counter: bool) -> f64 {
    let (from, to) = (window.times[at], window.times[at + 1]);
    let (mut before, after) = (window.values[at], window.values[at + 1]);
    if counter && after < before {
        before = 0.0;
    }
    before + (after - before) * seconds(from, time) / seconds(from, to)
}

/// The samples strictly inside the window, of those from `first` to `last`.
fn inside(window: &Window<'_>, first: usize, last: usize) -> std::ops::Range<usize> {
    let from = first + usize::from(window.times[first] <= window.start);
    let to = last + 1 - usize::from(window.times[last] >= window.end);
    from..to.max(from)
}

/// `rate`, `increase`, `delta` from one end of the window to the other, without extrapolation.
fn between_edges(window: &Window<'_>, counter: bool, per_second: bool) -> Option<f64> {
    let (first, last, left, right) = edges(window, counter)?;
    let mut increase = right - left;
    if counter {
        let mut before = left;
        for value in window.values[inside(window, first, last)].iter().chain([&right]) {
            if *value < before {
                increase += before;
            }
            before = *value;
        }
    }
    Some(if per_second { increase / seconds(window.start, window.end) } else { increase })
}

/// The samples of a window with anchored or smoothed ends, one at each end.
pub(crate) fn extend(window: &Window<'_>) -> (Vec<i64>, Vec<f64>) {
    let Some((first, last, left, right)) = edges(window, false) else {
        return (Vec::new(), Vec::new());
    };
    let inside = inside(window, first, last);
    let times = [window.start].into_iter().chain(window.times[inside.clone()].iter().copied()).chain([window.end]);
    let values = [left].into_iter().chain(window.values[inside].iter().copied()).chain([right]);
    (times.collect(), values.collect())
}

/// `irate`, `idelta`: the last two samples.
pub(crate) fn instant(window: &Window<'_>, counter_per_second: bool) -> Option<f64> {
    let last = window.times.len().checked_sub(1).filter(|last| *last > 0)?;
    let (before, now) = (window.values[last - 1], window.values[last]);
    let elapsed = seconds(window.times[last - 1], window.times[last]);
    if !counter_per_second {
        return Some(now - before);
    }
    // After a reset the counter began at zero.
    let increase = if now < before { now } else { now - before };
    Some(increase / elapsed)
}

/// `deriv`: the slope per second of the line through the samples.
pub(crate) fn deriv(window: &Window<'_>) -> Option<f64> {
    if window.times.len() < 2 {
        return None;
    }
    Some(regression(window, window.times[0]).0)
}

/// `predict_linear`: where that line will be.
pub(crate) fn predict_linear(window: &Window<'_>, seconds: f64) -> Option<f64> {
    if window.times.len() < 2 {
        return None;
    }
    let (slope, intercept) = regression(window, window.now);
    Some(slope * seconds + intercept)
}

/// Slope per second, and value at `origin`, by least squares.
fn regression(window: &Window<'_>, origin: i64) -> (f64, f64) {
    let first = window.values[0];
    if window.values.iter().all(|v| *v == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let (mut x, mut y, mut xy, mut xx) = (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for (time, value) in window.times.iter().zip(window.values) {
        let at = seconds(origin, *time);
        x.add(at);
        y.add(*value);
        xy.add(at * value);
        xx.add(at * at);
    }
    let n = window.times.len() as f64;
    let (x, y, xy, xx) = (x.total(), y.total(), xy.total(), xx.total());
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}
