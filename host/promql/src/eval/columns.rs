use model::LabelSet;

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
    /// One for each step; [`model::absent`] where the series has none.
    pub(crate) values: Vec<f64>,
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
