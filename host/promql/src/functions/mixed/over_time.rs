//! `sum_over_time`, `avg_over_time`, `last_over_time` of windows that hold histograms.

use std::sync::Arc;

use super::Remark;
use crate::eval::{Element, Window};
use crate::histogram::{HistogramMean, HistogramSum};

/// The sum or the mean of histograms; with floats among them there is none.
pub(super) fn sum(window: &Window<'_>, mean: bool, remarks: &mut Vec<Remark>) -> Option<Element> {
    if !window.values.is_empty() {
        remarks.push(Remark::Mixed);
        return None;
    }
    let histograms = window.histograms.iter().map(|p| p.histogram.as_ref());
    let (result, notes) = if mean {
        let mut mean = HistogramMean::default();
        let added = histograms.into_iter().try_for_each(|h| mean.add(h));
        (added.map(|()| mean.value()), mean.noted())
    } else {
        let mut sum = HistogramSum::default();
        let added = histograms.into_iter().try_for_each(|h| sum.add(h));
        (added.map(|()| sum.value()), sum.noted())
    };
    let Ok(result) = result else {
        remarks.push(Remark::MixedLayouts);
        return None;
    };
    if notes.resets_conflict {
        remarks.push(Remark::ResetsConflict);
    }
    if notes.bounds_reconciled {
        remarks.push(Remark::Reconciled("aggregation"));
    }
    result.map(|h| Element::Histogram(Arc::new(h)))
}

/// The newest sample of either kind.
pub(super) fn last(window: &Window<'_>) -> Option<Element> {
    let float = window.times.last().zip(window.values.last());
    match (float, window.histograms.last()) {
        (Some((time, value)), histogram) if histogram.is_none_or(|h| h.time < *time) => Some(Element::Float(*value)),
        (_, histogram) => histogram.map(|h| Element::Histogram(Arc::clone(&h.histogram))),
    }
}
