//! Set operators: which series of one side stay, by whether the other side has something in their match group.

use model::LabelSet;

use super::binary::matches_by;
use super::numbers::{NUMBER_BYTES, Numbers, Only};
use super::{Column, Columns, Query, Steps};
use crate::ast::{BinaryOp, BinaryStep};
use crate::error::EvalError;
use crate::limits::LABELS_WORK;

impl Query<'_> {
    pub(super) fn set<'b>(&self, step: &BinaryStep, left: Columns<'b>, right: Columns<'b>, steps: Steps) -> Result<Columns<'b>, EvalError> {
        let is_or = step.op == BinaryOp::Or;
        // Where a match group is present on the side that decides, series of the other side stay, or go.
        let (mut deciding, mut filtered) = if is_or { (left, right) } else { (right, left) };
        let keep = step.op == BinaryOp::And;
        let mut scratch = self.budget.charge(deciding.series.len().saturating_mul(steps.count) / 8)?;
        self.budget.add_bytes(&mut scratch, deciding.series.len().saturating_mul(NUMBER_BYTES + size_of::<&LabelSet>()))?;
        let mut groups = Numbers::new(Only(|name: &str| matches_by(&step.matching, name)), 0);
        let (mut firsts, mut present): (Vec<&LabelSet>, Vec<bool>) = (Vec::new(), Vec::new());
        for column in &deciding.series {
            self.budget.work(LABELS_WORK + steps.count)?;
            let group = groups.find_or_add(&column.labels, |group| firsts[group]);
            if group == firsts.len() {
                firsts.push(&column.labels);
                present.resize(present.len() + steps.count, false);
            }
            column.mark(&mut present[group * steps.count..][..steps.count]);
        }
        for column in &mut filtered.series {
            self.budget.work(LABELS_WORK + steps.count)?;
            let group = groups.find(&column.labels, |group| firsts[group]);
            let group = group.map(|group| &present[group * steps.count..][..steps.count]);
            for at in 0..steps.count {
                if group.is_some_and(|group| group[at]) != keep {
                    column.clear(at);
                }
            }
        }
        filtered.series.retain(Column::has_any);
        if !is_or {
            return Ok(filtered);
        }
        deciding.charge.join(filtered.charge);
        deciding.series.append(&mut filtered.series);
        // Different match groups may still have the same labels, such as by `on`.
        if self.limits.delayed_name_removal { Ok(deciding) } else { self.merge_equal(deciding) }
    }
}
