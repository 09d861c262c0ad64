//! Warnings and infos of a query, as upstream words them: "annotations" there.

use std::cell::RefCell;

use crate::position::Span;

/// What is collected while a query runs. The same text at the same place is kept once.
#[derive(Default)]
pub(crate) struct Notes {
    warnings: RefCell<Vec<String>>,
    infos: RefCell<Vec<String>>,
    monotonicity: RefCell<Vec<Monotonicity>>,
    /// Names, quoted, with places and how often.
    overlaps: RefCell<Vec<(String, Span, usize)>>,
}

/// Most different texts that are kept of each kind: a query over many series must not answer with one for each.
const NOTES_MAX: usize = 100;

/// What was done to the buckets of one metric, over all its series and steps.
struct Monotonicity {
    metric: String,
    span: Span,
    times: (i64, i64),
    buckets: (f64, f64),
    difference_max: f64,
    count: usize,
}

impl Notes {
    pub(crate) fn warn(&self, span: Span, text: &str) {
        add(&self.warnings, format!("PromQL warning: {text} ({})", span.position));
    }

    /// What storage could not read.
    pub(crate) fn storage(&self, text: &str) {
        add(&self.warnings, text.to_owned());
    }

    pub(crate) fn info(&self, span: Span, text: &str) {
        add(&self.infos, format!("PromQL info: {text} ({})", span.position));
    }

    /// A sample of a metric, whose name comes quoted, began to count before the sample before it was taken.
    pub(crate) fn overlap(&self, span: Span, metric: &str) {
        let mut all = self.overlaps.borrow_mut();
        if let Some((_, _, count)) = all.iter_mut().find(|(name, place, _)| name == metric && *place == span) {
            *count += 1;
        } else if all.len() < NOTES_MAX {
            all.push((metric.to_owned(), span, 1));
        }
    }

    /// Buckets of a classic histogram fell where they must not.
    pub(crate) fn monotonicity(&self, span: Span, metric: &str, time: i64, buckets: (f64, f64), difference: f64) {
        let mut all = self.monotonicity.borrow_mut();
        if let Some(known) = all.iter_mut().find(|m| m.metric == metric && m.span == span) {
            known.times = (known.times.0.min(time), known.times.1.max(time));
            known.buckets = (known.buckets.0.min(buckets.0), known.buckets.1.max(buckets.1));
            known.difference_max = known.difference_max.max(difference);
            known.count += 1;
        } else if all.len() < NOTES_MAX {
            all.push(Monotonicity { metric: metric.to_owned(), span, times: (time, time), buckets, difference_max: difference, count: 1 });
        }
    }

    /// Warnings and infos.
    pub(crate) fn into_texts(self) -> (Vec<String>, Vec<String>) {
        let mut infos = self.infos.into_inner();
        for m in self.monotonicity.into_inner() {
            let metric = if m.metric.is_empty() { String::new() } else { format!(" for metric name {:?}", m.metric) };
            infos.push(format!(
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){metric}, from buckets {} to {}, with a max \
                 diff of {}, over {} samples from {} to {} ({})",
                crate::text::float_short(m.buckets.0),
                crate::text::float_short(m.buckets.1),
                crate::text::float_two_digits(m.difference_max),
                m.count,
                crate::functions::time::rfc3339(m.times.0),
                crate::functions::time::rfc3339(m.times.1),
                m.span.position
            ));
        }
        let mut warnings = self.warnings.into_inner();
        for (metric, span, count) in self.overlaps.into_inner() {
            let often = if count > 1 { format!(" ({count} occurrences)") } else { String::new() };
            let what = "sample has start time that overlaps with previous sample timestamp";
            warnings.push(format!("PromQL warning: {what} for metric {metric}{often} ({})", span.position));
        }
        (warnings, infos)
    }
}

fn add(list: &RefCell<Vec<String>>, text: String) {
    let mut list = list.borrow_mut();
    if list.len() < NOTES_MAX && !list.contains(&text) {
        list.push(text);
    }
}
