//! The head: samples in memory, by group. Recent rows as they came, older ones in compressed pages.

mod check;
pub(crate) mod cut;
pub(crate) mod group;
pub(crate) mod joined;
pub(crate) mod late;
mod many;
mod open;
pub(crate) mod page;
pub(crate) mod raw;
pub(crate) mod read;
pub(crate) mod records;
pub(crate) mod rows;
pub(crate) mod slots;
pub(crate) mod writer;

use model::{Histogram, HistogramCounts};

/// Memory that a histogram takes, about.
pub(crate) fn histogram_bytes(histogram: &Histogram) -> usize {
    let buckets = match &histogram.counts {
        HistogramCounts::Integer { positive, negative, .. } => positive.len() + negative.len(),
        HistogramCounts::Float { positive, negative, .. } => positive.len() + negative.len(),
    };
    let spans = histogram.positive_spans.len() + histogram.negative_spans.len();
    size_of::<Histogram>() + (buckets + spans + histogram.custom_bounds.len()) * 8 + 96
}
