//! Operators where a native histogram stands on a side. What has no meaning yields nothing, with a note.

use std::sync::Arc;

use model::LabelSet;

use super::{Element, Query};
use crate::ast::{BinaryOp, BinaryStep};
use crate::functions::mixed::Remark;
use crate::histogram::{FloatHistogram, Incompatible, Keep, Noted, Tally};
use crate::position::Span;
use crate::text::quote;

/// What came of an operator.
pub(super) enum Outcome {
    Value(Element),
    Verdict(bool),
}

/// As notes name them.
fn kind(element: &Element) -> &'static str {
    match element {
        Element::Float(_) => "float",
        Element::Histogram(_) => "histogram",
    }
}

impl Query<'_> {
    /// What an operator makes of two samples, at least one of them a histogram, or of two floats that it cannot take.
    /// `span` is that of the whole expression.
    pub(super) fn operate(&self, step: &BinaryStep, span: Span, left: &Element, right: &Element) -> Option<Outcome> {
        let outcome = match (step.op, left, right) {
            (BinaryOp::Add | BinaryOp::Sub, Element::Histogram(left), Element::Histogram(right)) => {
                Outcome::Value(Element::Histogram(Arc::new(self.add(step.op, span, left, right)?)))
            }
            (BinaryOp::Equal, Element::Histogram(left), Element::Histogram(right)) => Outcome::Verdict(left == right),
            (BinaryOp::NotEqual, Element::Histogram(left), Element::Histogram(right)) => Outcome::Verdict(left != right),
            (BinaryOp::Mul, Element::Histogram(histogram), Element::Float(number))
            | (BinaryOp::Mul, Element::Float(number), Element::Histogram(histogram)) => changed(histogram, |h| h.times(*number)),
            (BinaryOp::Div, Element::Histogram(histogram), Element::Float(number)) => changed(histogram, |h| h.divided(*number)),
            (BinaryOp::TrimUpper, Element::Histogram(histogram), Element::Float(at)) => changed(histogram, |h| h.trimmed(*at, Keep::Below)),
            (BinaryOp::TrimLower, Element::Histogram(histogram), Element::Float(at)) => changed(histogram, |h| h.trimmed(*at, Keep::Above)),
            (op, left, right) => {
                let (op, left, right) = (op.symbol(), kind(left), kind(right));
                let text = format!("incompatible sample types encountered for binary operator {op:?}: {left} {op} {right}");
                self.notes.info(span, &text);
                return None;
            }
        };
        Some(outcome)
    }

    /// The sum or the difference; the latter is a gauge.
    fn add(&self, op: BinaryOp, span: Span, left: &FloatHistogram, right: &FloatHistogram) -> Option<FloatHistogram> {
        let mut tally = Tally::<f64>::of(left);
        let (noted, what) = match op {
            BinaryOp::Sub => (tally.subtract(right), "subtraction"),
            _ => (tally.add(right), "addition"),
        };
        let noted = match noted {
            Ok(noted) => noted,
            Err(Incompatible) => {
                self.notes.warn(span, &format!("incompatible bucket layout encountered for binary operator {}", op.symbol()));
                return None;
            }
        };
        self.note(span, noted, what);
        // Between vectors upstream gives no sum of what contradicts itself.
        if noted.resets_conflict {
            return None;
        }
        let mut sum = tally.finish();
        if op == BinaryOp::Sub {
            sum.reset_hint = model::ResetHint::Gauge;
        }
        Some(sum)
    }

    /// Tells what a function noted of a series in a window. `span` is that of its first argument.
    pub(super) fn remark(&self, labels: &LabelSet, span: Span, remark: Remark) {
        let name = quote(labels.metric_name().unwrap_or_default());
        match remark {
            Remark::Mixed => self.notes.warn(span, &format!("encountered a mix of histograms and floats for metric name {name}")),
            Remark::MixedLayouts => self.mixed_layouts(labels, span),
            Remark::HistogramsIgnored => {
                let text = format!("ignored histograms in a range containing both floats and histograms for metric name {name}");
                self.notes.info(span, &text);
            }
            Remark::NotCounter => self.notes.warn(span, &format!("this native histogram metric is not a counter: {name}")),
            Remark::NotGauge => self.notes.warn(span, &format!("this native histogram metric is not a gauge: {name}")),
            Remark::Reconciled(what) => self.note(span, Noted { bounds_reconciled: true, resets_conflict: false }, what),
            Remark::ResetsConflict => self.note(span, Noted { resets_conflict: true, bounds_reconciled: false }, "aggregation"),
            Remark::StartOverlaps => self.notes.overlap(span, &name),
        }
    }

    /// Histograms with exponential and custom buckets do not go together.
    pub(super) fn mixed_layouts(&self, labels: &LabelSet, span: Span) {
        let name = quote(labels.metric_name().unwrap_or_default());
        let text = format!("vector contains a mix of histograms with exponential and custom buckets schemas for metric name {name}");
        self.notes.warn(span, &text);
    }

    /// Tells what an addition noted.
    pub(super) fn note(&self, span: Span, noted: Noted, what: &str) {
        if noted.resets_conflict {
            self.notes.warn(span, &format!("conflicting counter resets during histogram {what}"));
        }
        if noted.bounds_reconciled {
            self.notes.info(span, &format!("mismatched custom buckets were reconciled during {what}"));
        }
    }
}

fn changed(histogram: &FloatHistogram, change: impl FnOnce(FloatHistogram) -> FloatHistogram) -> Outcome {
    Outcome::Value(Element::Histogram(Arc::new(change(histogram.clone()).compacted())))
}
