//! The steps of a subquery: multiples of its step, whatever the query asks, so that the same samples come each time.

use super::{Query, Steps};
use crate::ast::Subquery;
use crate::error::EvalError;
use crate::position::Span;

impl Query<'_> {
    /// The steps that cover the windows ending at `first` to `last`. None if there is none.
    pub(crate) fn inner_steps(
        &self,
        subquery: &Subquery,
        span: Span,
        first: i64,
        last: i64,
        length: i64,
    ) -> Result<Option<Steps>, EvalError> {
        let step = match &subquery.step {
            Some(step) => self.positive(step, span)?,
            None => self.limits.subquery_step_ms.max(1),
        };
        // Left-open: the first multiple after the beginning.
        let beginning = first.saturating_sub(length);
        let start = beginning.div_euclid(step).saturating_add(1).saturating_mul(step);
        if start > last {
            return Ok(None);
        }
        let count = usize::try_from((i128::from(last) - i128::from(start)) / i128::from(step) + 1).unwrap_or(usize::MAX);
        Ok(Some(Steps { start, step, count }))
    }
}
