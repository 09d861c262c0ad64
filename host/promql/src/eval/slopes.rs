//! Functions of range vectors over all windows of a series at once. What `rate` and its relatives need of times alone is worked out
//! once for all series that share them; per series and step two values and a product are left.

use std::cell::OnceCell;

use super::clean;
use super::windows::Windows;
use crate::functions::{RangeFunction, rate};

/// How a function is computed over the windows of a series without histograms.
#[derive(Clone, Copy)]
pub(crate) struct Compute {
    function: RangeFunction,
    /// Of `rate`, `increase`, `delta`: whether it is of counters, and per second.
    slope: Option<(bool, bool)>,
}

/// What a slope needs of the times of a window.
#[derive(Clone, Copy)]
pub(super) struct Slope {
    /// The first sample and the one behind the last; less than two: there is no slope.
    from: usize,
    to: usize,
    /// By what the difference is multiplied if the counter was not near zero.
    factor: f64,
    /// Seconds from the first sample to the last, and from the window's start to the first.
    sampled: f64,
    distance: f64,
}

/// Slopes of the windows that several series share, once somebody asked.
pub(super) type Slopes = OnceCell<Vec<Slope>>;

impl Compute {
    pub(crate) fn new(name: &str, function: RangeFunction) -> Self {
        let slope = match name {
            "rate" => Some((true, true)),
            "increase" => Some((true, false)),
            "delta" => Some((false, false)),
            _ => None,
        };
        Self { function, slope }
    }

    /// Puts the value at each step into `out`, which is all absent. Whether there is any.
    pub(crate) fn each(self, windows: &Windows<'_>, out: &mut [f64]) -> bool {
        if let (Some((counter, per_second)), Some(shared)) = (self.slope, windows.shared_slopes()) {
            let slopes = shared.get_or_init(|| slopes(windows, per_second));
            return along(windows, slopes, counter, per_second, out);
        }
        let mut any = false;
        for (slot, window) in out.iter_mut().zip(windows.iter()) {
            if let Some(value) = (self.function)(&window, &[]) {
                *slot = clean(value);
                any = true;
            }
        }
        any
    }
}

fn slopes(windows: &Windows<'_>, per_second: bool) -> Vec<Slope> {
    let slope = |(window, (from, to)): (super::Window<'_>, &(usize, usize))| {
        let times = window.times;
        // Without two samples there is none; the difference is not looked at then.
        let factor = rate::stretch(&window, times, None, None, per_second).unwrap_or(0.0);
        let seconds = |from: i64, to: i64| (to as f64 - from as f64) / 1000.0;
        let (first, last) = (times.first().copied().unwrap_or_default(), times.last().copied().unwrap_or_default());
        Slope { from: *from, to: *to, factor, sampled: seconds(first, last), distance: seconds(window.start, first) }
    };
    windows.iter().zip(windows.borders()).map(slope).collect()
}

/// Whether a value is below the one before.
fn falls(values: &[f64]) -> bool {
    let after = values.get(1..).unwrap_or_default();
    // Without an early end the compiler compares several at once.
    values.chunks(64).zip(after.chunks(64)).any(|(a, b)| a.iter().zip(b).fold(false, |any, (a, b)| any | (b < a)))
}

fn along(windows: &Windows<'_>, slopes: &[Slope], counter: bool, per_second: bool, out: &mut [f64]) -> bool {
    let values = windows.values();
    let resets: Vec<usize> = match counter && falls(values) {
        true => (1..values.len()).filter(|at| values[*at] < values[at - 1]).collect(),
        false => Vec::new(),
    };
    let mut any = false;
    for (step, (slope, slot)) in slopes.iter().zip(out).enumerate() {
        if slope.to < slope.from + 2 {
            continue;
        }
        any = true;
        let (first, last) = (values[slope.from], values[slope.to - 1]);
        let mut increase = last - first;
        if !resets.is_empty() {
            let within = resets.partition_point(|at| *at <= slope.from);
            for at in resets[within..].iter().take_while(|at| **at < slope.to) {
                increase += values[at - 1];
            }
        }
        let mut factor = slope.factor;
        // A counter that was near zero may have begun in the window. That it was far from zero is most often told without a division.
        let far = first * slope.sampled > increase * slope.distance * 1.000_001;
        if counter && increase > 0.0 && first >= 0.0 && !far {
            let window = windows.at(step);
            factor = rate::stretch(&window, window.times, None, Some((first, increase)), per_second).unwrap_or(factor);
        }
        *slot = clean(increase * factor);
    }
    any
}
