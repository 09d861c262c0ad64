//! Which samples an instant selector sees at each step: nearly always those up to a time, none older than the lookback. Where upstream
//! forgets a part of an offset or of a fixed time, we forget it too, because answers are to be the same.

use model::TimeRange;

use super::selector::Want;
use super::{Query, Steps};
use crate::ast::Shift;
use crate::error::EvalError;
use crate::position::Span;

/// For each step, ascending, in milliseconds.
pub(super) struct Sight {
    /// No sample after this is seen.
    pub(super) until: Vec<i64>,
    /// From here back a sample's age counts; not before `until`.
    pub(super) now: Vec<i64>,
}

impl Sight {
    /// The times of the samples that may be seen.
    pub(super) fn range(&self, lookback: i64) -> TimeRange {
        let first = self.now.first().copied().unwrap_or_default();
        // Left-open: a sample exactly one lookback old is too old.
        let end = self.until.last().copied().unwrap_or_default();
        TimeRange { start: first.saturating_sub(lookback).saturating_add(1).min(end), end }
    }
}

impl Query<'_> {
    pub(super) fn sight(&self, shift: &Shift, span: Span, steps: Steps, want: Want) -> Result<Sight, EvalError> {
        let look = self.look(shift, span)?;
        let plain: Vec<i64> = (0..steps.count).map(|at| look.from(steps.at(at))).collect();
        let Some(at) = look.at else { return Ok(Sight { until: plain.clone(), now: plain }) };
        let shifted = at.saturating_sub(look.offset);
        Ok(match want {
            // `timestamp()` stands at the fixed time itself and sees of it what the offset selected.
            Want::Times | Want::Starts => Sight { until: vec![at.min(shifted); steps.count], now: vec![at.max(shifted); steps.count] },
            // There a fixed time is that of the first step, and moves on with them; what is after it was not selected.
            Want::Values if self.in_parameter.get() => {
                let moved = |at: usize| shifted.saturating_add(steps.at(at).saturating_sub(steps.start));
                Sight { until: vec![shifted; steps.count], now: (0..steps.count).map(moved).collect() }
            }
            Want::Values | Want::InfoTimes => Sight { until: plain.clone(), now: plain },
        })
    }
}
