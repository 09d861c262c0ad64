//! Functions over the samples of a window that do not depend on their times.

use crate::eval::Window;

/// How often the value went down.
pub(crate) fn resets(window: &Window<'_>) -> Option<f64> {
    (!window.values.is_empty()).then(|| window.values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64)
}

/// How often the value changed. NaN is equal to NaN here.
pub(crate) fn changes(window: &Window<'_>) -> Option<f64> {
    let differ = |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
    (!window.values.is_empty()).then(|| window.values.windows(2).filter(differ).count() as f64)
}

/// The value that beats all others; NaN only if there is nothing else.
pub(crate) fn extreme(values: &[f64], beats: impl Fn(f64, f64) -> bool) -> Option<f64> {
    values.iter().copied().reduce(|old, new| if beats(new, old) || old.is_nan() { new } else { old })
}
