//! Aggregations of vectors with native histograms: `sum` and `avg` take them, if nothing else is in the group; `count`,
//! `group` and those that choose series count them; all others leave them out, and say so.

use std::sync::Arc;

use model::is_absent;

use super::aggregate::{Group, drops_name};
use super::{Column, Columns, Element, Query, Steps};
use crate::ast::AggregateOp;
use crate::error::EvalError;
use crate::functions::sums::{Mean, Sum};
use crate::histogram::{FloatHistogram, HistogramMean, HistogramSum, Incompatible, Noted};
use crate::position::Span;

/// The sum or the mean of a group at one step.
#[derive(Default)]
struct State {
    float: Option<Float>,
    histogram: Option<Histograms>,
    incompatible: bool,
}

enum Float {
    Sum(Sum),
    Mean(Mean),
}

enum Histograms {
    Sum(HistogramSum),
    Mean(HistogramMean),
}

impl Histograms {
    fn add(&mut self, histogram: &FloatHistogram) -> Result<(), Incompatible> {
        match self {
            Self::Sum(sum) => sum.add(histogram),
            Self::Mean(mean) => mean.add(histogram),
        }
    }

    fn noted(&self) -> Noted {
        match self {
            Self::Sum(sum) => sum.noted(),
            Self::Mean(mean) => mean.noted(),
        }
    }

    fn value(&self) -> Option<FloatHistogram> {
        match self {
            Self::Sum(sum) => sum.value(),
            Self::Mean(mean) => mean.value(),
        }
    }
}

impl State {
    fn float(&mut self, value: f64, mean: bool) {
        let empty = || if mean { Float::Mean(Mean::default()) } else { Float::Sum(Sum::default()) };
        match self.float.get_or_insert_with(empty) {
            Float::Sum(sum) => sum.add(value),
            Float::Mean(mean) => mean.add(value),
        }
    }

    fn histogram(&mut self, histogram: &FloatHistogram, mean: bool) -> Result<(), Incompatible> {
        let empty = || if mean { Histograms::Mean(HistogramMean::default()) } else { Histograms::Sum(HistogramSum::default()) };
        self.histogram.get_or_insert_with(empty).add(histogram)
    }
}

impl Query<'_> {
    /// `sum` and `avg` of a group that has histograms.
    pub(super) fn sum_mixed(
        &self,
        mean: bool,
        input: &Columns<'_>,
        group: &Group<'_>,
        span: Span,
        steps: Steps,
    ) -> Result<Column, EvalError> {
        let mut column = self.empty(group.labels.clone(), drops_name(group, input), steps.count);
        for at in 0..steps.count {
            self.budget.work(group.members.len())?;
            let mut state = State::default();
            for member in group.members {
                let member = &input.series[*member];
                match member.element(at) {
                    _ if state.incompatible => break,
                    None => {}
                    Some(Element::Float(value)) => state.float(value, mean),
                    Some(Element::Histogram(histogram)) => {
                        state.incompatible = state.histogram(&histogram, mean).is_err();
                        if state.incompatible {
                            self.mixed_layouts(&member.labels, span);
                        }
                    }
                }
            }
            if state.float.is_some() && state.histogram.is_some() {
                self.notes.warn(span, "encountered a mix of histograms and floats for aggregation");
                continue;
            }
            if state.incompatible {
                continue;
            }
            if let Some(histograms) = &state.histogram {
                self.note(span, histograms.noted(), "aggregation");
            }
            let histogram = state.histogram.and_then(|h| h.value()).map(|h| Element::Histogram(Arc::new(h)));
            let float = state.float.map(|float| match float {
                Float::Sum(sum) => Element::Float(sum.total()),
                Float::Mean(mean) => Element::Float(mean.value()),
            });
            if let Some(element) = histogram.or(float) {
                column.set(at, element);
            }
        }
        Ok(column)
    }

    /// `count` and `group`: histograms are series like others. One for each in place of its value.
    pub(super) fn presence<'b>(&self, mut input: Columns<'b>) -> Columns<'b> {
        for column in input.series.iter_mut() {
            let Some(histograms) = column.histograms.take() else { continue };
            for (value, _) in column.values.iter_mut().zip(&histograms).filter(|(_, h)| h.is_some()) {
                *value = 1.0;
            }
        }
        input
    }

    /// Others leave histograms out.
    pub(super) fn without_histograms<'b>(&self, op: AggregateOp, mut input: Columns<'b>, span: Span) -> Columns<'b> {
        for column in input.series.iter_mut().filter(|column| column.histograms.is_some()) {
            column.histograms = None;
            self.notes.info(span, &format!("ignored histogram in {} aggregation", op.name()));
        }
        input.series.retain(|column| column.values.iter().any(|v| !is_absent(*v)));
        input
    }
}
