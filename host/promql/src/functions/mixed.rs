//! Functions over windows that hold native histograms, or samples with start timestamps. Those without go a shorter way.

mod over_time;
mod rate;
mod walk;

use crate::eval::{Element, Window};

pub(crate) use rate::interpolated;

/// What is to be told of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// Floats and histograms, which the function cannot take together.
    Mixed,
    /// Exponential and custom buckets together.
    MixedLayouts,
    /// Histograms were left out.
    HistogramsIgnored,
    /// A gauge where a counter is wanted.
    NotCounter,
    /// A counter where a gauge is wanted.
    NotGauge,
    /// Custom bounds that not all have were given up, in an operation of this name.
    Reconciled(&'static str),
    /// One histogram says that a counter was reset, another that none was.
    ResetsConflict,
    /// A sample began to count before the one before it was taken.
    StartOverlaps,
}

/// A function of this name over a window. None where it has no value.
pub(crate) fn over_window(name: &str, window: &Window<'_>, scalars: &[f64], remarks: &mut Vec<Remark>) -> Option<Element> {
    match name {
        "rate" => rate::over(window, true, true, remarks),
        "increase" => rate::over(window, true, false, remarks),
        "delta" => rate::over(window, false, false, remarks),
        "irate" => walk::instant(window, true, remarks),
        "idelta" => walk::instant(window, false, remarks),
        "resets" => walk::resets(window).map(Element::Float),
        "changes" => walk::changes(window).map(Element::Float),
        "sum_over_time" | "avg_over_time" if !window.histograms.is_empty() => over_time::sum(window, name == "avg_over_time", remarks),
        "count_over_time" => {
            let count = window.values.len() + window.histograms.len();
            (count > 0).then_some(Element::Float(count as f64))
        }
        "present_over_time" => (!window.values.is_empty() || !window.histograms.is_empty()).then_some(Element::Float(1.0)),
        "first_over_time" => walk::samples(window, 0, 0).next().map(|sample| sample.element),
        "last_over_time" => over_time::last(window),
        "ts_of_first_over_time" => walk::samples(window, 0, 0).next().map(|sample| Element::Float(sample.time as f64 / 1000.0)),
        "ts_of_last_over_time" => {
            let last = window.times.last().max(window.histograms.last().map(|p| &p.time));
            last.map(|time| Element::Float(*time as f64 / 1000.0))
        }
        _ => {
            let (function, _) = super::over_range(name)?;
            let value = function(window, scalars);
            // Those that need two floats tell it also where there is but one.
            if !window.histograms.is_empty() && !window.values.is_empty() {
                remarks.push(Remark::HistogramsIgnored);
            }
            value.map(Element::Float)
        }
    }
}
