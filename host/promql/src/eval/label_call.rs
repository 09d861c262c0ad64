//! `label_replace`, `label_join`: labels made of labels.

use model::{LabelSet, LabelSetPacker, METRIC_NAME, Pattern};

use super::call::{argument, string};
use super::{Columns, Query, Steps};
use crate::ast::Expr;
use crate::error::EvalError;
use crate::limits::{Charge, LABELS_WORK};
use crate::position::Span;

/// The longest label value that a function may make.
const LABEL_BYTES_MAX: usize = 1 << 16;

fn put(to: &mut LabelSet, labels: LabelSet) {
    *to = labels;
}

impl Query<'_> {
    pub(super) fn label_replace(&self, args: &[Expr], span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let (target, replacement) = (string(args, 1, span)?, string(args, 2, span)?);
        let (source, pattern) = (string(args, 3, span)?, string(args, 4, span)?);
        let pattern =
            Pattern::new(pattern).map_err(|_| EvalError::Execution(format!("invalid regular expression in label_replace(): {pattern}")))?;
        if target.is_empty() {
            return Err(EvalError::Execution("invalid destination label name in label_replace(): ".to_owned()));
        }
        let mut columns = self.eval_vector(argument(args, 0, span)?, steps)?;
        let mut packer = LabelSetPacker::default();
        for column in &mut columns.series {
            self.budget.work(LABELS_WORK)?;
            let labels = column.labels.clone();
            let value = labels.get(source).unwrap_or_default();
            // Each reference may bring the whole value.
            let length = replacement.len().saturating_add(replacement.matches('$').count().saturating_mul(value.len()));
            self.charge_label(length, &mut columns.charge)?;
            if let Some(value) = pattern.expand(value, replacement) {
                packer.push_with(&mut column.labels, &labels, target, &value);
                column.drop_name &= target != METRIC_NAME;
            }
            if packer.is_full() {
                packer.flush(put);
            }
        }
        packer.flush(put);
        self.merge_equal(columns)
    }

    /// Label values made by a query take memory too, and calls inside calls may double them again and again.
    fn charge_label(&self, length: usize, charge: &mut Charge<'_>) -> Result<(), EvalError> {
        if length > LABEL_BYTES_MAX {
            let message = format!("a label value of {length} bytes would come out, more than the limit of {LABEL_BYTES_MAX}");
            return Err(EvalError::TooLarge(message));
        }
        self.budget.add_bytes(charge, length)
    }

    pub(super) fn label_join(&self, args: &[Expr], span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let (target, separator) = (string(args, 1, span)?, string(args, 2, span)?);
        let sources: Vec<&str> = (3..args.len()).map(|at| string(args, at, span)).collect::<Result<_, _>>()?;
        if target.is_empty() {
            return Err(EvalError::Execution("invalid destination label name in label_join(): ".to_owned()));
        }
        if sources.iter().any(|source| source.is_empty()) {
            return Err(EvalError::Execution("invalid source label name in label_join(): ".to_owned()));
        }
        let mut columns = self.eval_vector(argument(args, 0, span)?, steps)?;
        let mut packer = LabelSetPacker::default();
        for column in &mut columns.series {
            self.budget.work(LABELS_WORK + sources.len())?;
            let labels = column.labels.clone();
            let parts: Vec<&str> = sources.iter().map(|source| labels.get(source).unwrap_or_default()).collect();
            let length = parts.iter().map(|part| part.len() + separator.len()).sum();
            self.charge_label(length, &mut columns.charge)?;
            packer.push_with(&mut column.labels, &labels, target, &parts.join(separator));
            column.drop_name &= target != METRIC_NAME;
            if packer.is_full() {
                packer.flush(put);
            }
        }
        packer.flush(put);
        self.merge_equal(columns)
    }
}
