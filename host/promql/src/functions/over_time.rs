//! Functions over the samples of a window that do not depend on their spacing.

use std::borrow::Cow;

use super::rate;
use crate::eval::Window;

/// The values, or those with the one before the window as its first, where the range is anchored.
fn anchored<'w>(window: &Window<'w>) -> Cow<'w, [f64]> {
    if window.edges.is_none() { Cow::Borrowed(window.values) } else { Cow::Owned(rate::extend(window).1) }
}

/// How often the value went down.
pub(crate) fn resets(window: &Window<'_>) -> Option<f64> {
    let values = anchored(window);
    (!values.is_empty()).then(|| values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64)
}

/// How often the value changed. NaN is equal to NaN here.
pub(crate) fn changes(window: &Window<'_>) -> Option<f64> {
    let differ = |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
    let values = anchored(window);
    (!values.is_empty()).then(|| values.windows(2).filter(differ).count() as f64)
}

/// The value that beats all others; NaN only if there is nothing else.
pub(crate) fn extreme(values: &[f64], beats: impl Fn(f64, f64) -> bool) -> Option<f64> {
    values.iter().copied().reduce(|old, new| if beats(new, old) || old.is_nan() { new } else { old })
}

/// Seconds of a time.
pub(crate) fn seconds(time: Option<&i64>) -> Option<f64> {
    time.map(|time| *time as f64 / 1000.0)
}

/// When the value was that beats all others, in seconds.
pub(crate) fn time_of(window: &Window<'_>, beats: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let best = (0..window.values.len()).reduce(|old, new| {
        let (old_value, new_value) = (window.values[old], window.values[new]);
        if beats(new_value, old_value) || old_value.is_nan() { new } else { old }
    });
    seconds(best.and_then(|at| window.times.get(at)))
}

/// Double exponential smoothing (Holt's linear method): a level and a trend, each a weighted mean of the new and the old.
pub(crate) fn smooth(values: &[f64], level_weight: f64, trend_weight: f64) -> Option<f64> {
    let (first, second) = (*values.first()?, *values.get(1)?);
    let (mut before, mut level, mut trend) = (0.0, first, second - first);
    for (at, value) in values.iter().enumerate().skip(1) {
        if at > 1 {
            trend = trend_weight * (level - before) + (1.0 - trend_weight) * trend;
        }
        before = level;
        level = level_weight * value + (1.0 - level_weight) * (level + trend);
    }
    Some(level)
}
