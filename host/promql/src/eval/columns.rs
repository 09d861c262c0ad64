use std::sync::Arc;

use model::{LabelSet, absent, is_absent};

use super::slab::Values;
use crate::histogram::FloatHistogram;
use crate::limits::Charge;

/// The times at which an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start: i64,
    /// Positive.
    pub(crate) step: i64,
    pub(crate) count: usize,
}

impl Steps {
    pub(crate) fn at(self, index: usize) -> i64 {
        // An index is below `count`, and the end of a query is a time; beyond that nothing is there to be found.
        self.start.saturating_add(self.step.saturating_mul(i64::try_from(index).unwrap_or(i64::MAX)))
    }

    pub(crate) fn end(self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }
}

/// One series of an instant vector over all steps.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) labels: LabelSet,
    /// Whether the name is to be dropped at the end of the query.
    pub(crate) drop_name: bool,
    /// One for each step; [`model::absent`] where the series has none, or a histogram.
    pub(crate) values: Values,
    /// One for each step, if there is a histogram at any. None, as nearly always, means that `values` are all there is.
    pub(crate) histograms: Option<Histograms>,
}

/// One for each step; no step has a float too.
pub(crate) type Histograms = Vec<Option<Arc<FloatHistogram>>>;

/// A sample of an instant vector.
#[derive(Clone, Debug)]
pub(crate) enum Element {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

impl Column {
    /// A column without histograms.
    pub(crate) fn floats(labels: LabelSet, drop_name: bool, values: Values) -> Self {
        Self { labels, drop_name, values, histograms: None }
    }

    pub(crate) fn histogram(&self, at: usize) -> Option<&Arc<FloatHistogram>> {
        self.histograms.as_ref()?.get(at)?.as_ref()
    }

    /// What stands at a step.
    pub(crate) fn element(&self, at: usize) -> Option<Element> {
        match self.values.get(at).copied().filter(|v| !is_absent(*v)) {
            Some(value) => Some(Element::Float(value)),
            None => self.histogram(at).map(|h| Element::Histogram(Arc::clone(h))),
        }
    }

    /// Whether anything stands at a step.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.values.get(at).is_some_and(|v| !is_absent(*v)) || self.histogram(at).is_some()
    }

    /// Samples at all steps; a histogram counts by its size.
    pub(crate) fn samples(&self) -> usize {
        let histograms = self.histograms.as_ref().map_or(0, |h| h.iter().flatten().map(|h| h.samples()).sum());
        self.values.iter().filter(|v| !is_absent(**v)).count() + histograms
    }

    /// Whether anything stands at any step.
    pub(crate) fn has_any(&self) -> bool {
        self.values.iter().any(|v| !is_absent(*v)) || self.histograms.as_ref().is_some_and(|h| h.iter().any(Option::is_some))
    }

    /// Takes away what stands at a step.
    pub(crate) fn clear(&mut self, at: usize) {
        self.values[at] = absent();
        if let Some(slot) = self.histograms.as_mut().and_then(|h| h.get_mut(at)) {
            *slot = None;
        }
    }

    /// Puts something at a step.
    pub(crate) fn set(&mut self, at: usize, element: Element) {
        match element {
            Element::Float(value) => self.values[at] = super::clean(value),
            Element::Histogram(histogram) => {
                let steps = self.values.len();
                self.histograms.get_or_insert_with(|| vec![None; steps])[at] = Some(histogram);
            }
        }
    }

    /// Marks the steps at which anything stands.
    pub(crate) fn mark(&self, present: &mut [bool]) {
        for (present, _) in present.iter_mut().zip(&self.values).filter(|(_, v)| !is_absent(**v)) {
            *present = true;
        }
        for (present, _) in present.iter_mut().zip(self.histograms.iter().flatten()).filter(|(_, h)| h.is_some()) {
            *present = true;
        }
    }
}

/// An instant vector over all steps, with the memory it is charged for.
pub(crate) struct Columns<'a> {
    pub(crate) series: Vec<Column>,
    pub(crate) charge: Charge<'a>,
}

/// A scalar over all steps, with the memory it is charged for.
pub(crate) struct Scalars<'a> {
    /// One for each step.
    pub(crate) values: Vec<f64>,
    pub(crate) charge: Charge<'a>,
}

/// What an expression yields over all steps.
pub(crate) enum Data<'a> {
    Scalar(Scalars<'a>),
    String(String),
    Vector(Columns<'a>),
}
