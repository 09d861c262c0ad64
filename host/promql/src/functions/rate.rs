//! Slopes: rate, increase, delta and their relatives.

use super::sums::Sum;
use crate::eval::Window;

/// `rate`, `increase`, `delta`: the difference of the last and the first sample, with what counters lost at resets,
/// stretched to the whole window as far as the spacing of samples lets one assume that the series was there.
pub(crate) fn extrapolated(window: &Window<'_>, counter: bool, per_second: bool) -> Option<f64> {
    let (times, values) = (window.times, window.values);
    let gaps = times.len().checked_sub(1).filter(|gaps| *gaps > 0)?;
    let (first, last) = (values[0], values[gaps]);
    let mut increase = last - first;
    if counter {
        for pair in values.windows(2).filter(|pair| pair[1] < pair[0]) {
            increase += pair[0];
        }
    }
    let seconds = |from: i64, to: i64| (to as f64 - from as f64) / 1000.0;
    let sampled = seconds(times[0], times[gaps]);
    let spacing = sampled / gaps as f64;
    // A sample that is missing by more than a tenth of the spacing says that the series began or ended here; then half a
    // spacing is the best guess.
    let threshold = spacing * 1.1;
    let reach = |distance: f64| if distance >= threshold { spacing / 2.0 } else { distance };
    let mut to_start = reach(seconds(window.start, times[0]));
    let to_end = reach(seconds(times[gaps], window.end));
    if counter && increase > 0.0 && first >= 0.0 {
        // A counter is never negative: it was zero at the earliest where its slope says.
        to_start = to_start.min(sampled * (first / increase));
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if per_second {
        factor /= seconds(window.start, window.end);
    }
    Some(increase * factor)
}

/// `irate`, `idelta`: the last two samples.
pub(crate) fn instant(window: &Window<'_>, counter_per_second: bool) -> Option<f64> {
    let last = window.times.len().checked_sub(1).filter(|last| *last > 0)?;
    let (before, now) = (window.values[last - 1], window.values[last]);
    let seconds = (window.times[last] - window.times[last - 1]) as f64 / 1000.0;
    if !counter_per_second {
        return Some(now - before);
    }
    // After a reset the counter began at zero.
    let increase = if now < before { now } else { now - before };
    Some(increase / seconds)
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
        let at = (time - origin) as f64 / 1000.0;
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
