//! `count_values`: for each value how many series have it, with the value in a label.

use model::{LabelSet, LabelSetPacker, is_absent};

use super::aggregate::groups_by;
use super::numbers::{All, NUMBER_BYTES, Numbers};
use super::{Column, Columns, Query, Steps, refuse};
use crate::ast::{Aggregate, ExprKind};
use crate::error::EvalError;
use crate::limits::LABELS_WORK;
use crate::position::Span;
use crate::text::{float_plain, has_held_bytes, quote};

impl Query<'_> {
    pub(super) fn count_values(&self, aggregate: &Aggregate, span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let label = match aggregate.param.as_ref().map(|p| &p.unwrap_parens().kind) {
            Some(ExprKind::String(label)) if !label.is_empty() && !has_held_bytes(label) => label.as_str(),
            Some(ExprKind::String(label)) => return Err(EvalError::Execution(format!("invalid label name {}", quote(label)))),
            _ => return Err(refuse(span, "a string was expected")),
        };
        // Upstream groups by that label too.
        let mut by = aggregate.clone();
        if !by.without && !by.grouping.iter().any(|l| l == label) {
            by.grouping.push(label.to_owned());
        }
        let input = self.eval_vector(&aggregate.expr, steps)?;
        let mut places = Numbers::new(All, 0);
        let mut columns = Columns { series: Vec::new(), charge: self.budget.charge(0)? };
        for column in &input.series {
            for (at, histogram) in column.histograms.iter().flatten().enumerate() {
                let Some(histogram) = histogram else { continue };
                self.budget.work(LABELS_WORK)?;
                let labels = grouped(&by, &column.labels.with(label, &histogram.to_string()));
                let place = self.count_place(labels, &mut places, &mut columns, steps)?;
                let count = &mut columns.series[place].values[at];
                *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
            }
            // Runs of the same value need no new look-up.
            let mut last: Option<(u64, usize)> = None;
            for (at, value) in column.values.iter().enumerate().filter(|(_, v)| !is_absent(**v)) {
                self.budget.work(1)?;
                let place = match last {
                    Some((bits, place)) if bits == value.to_bits() => place,
                    _ => {
                        self.budget.work(LABELS_WORK)?;
                        let labels = grouped(&by, &column.labels.with(label, &float_plain(*value)));
                        self.count_place(labels, &mut places, &mut columns, steps)?
                    }
                };
                last = Some((value.to_bits(), place));
                let count = &mut columns.series[place].values[at];
                *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
            }
        }
        Ok(columns)
    }

    /// The column that counts a value.
    fn count_place(
        &self,
        labels: LabelSet,
        places: &mut Numbers<All>,
        columns: &mut Columns<'_>,
        steps: Steps,
    ) -> Result<usize, EvalError> {
        let series = &mut columns.series;
        let place = places.find_or_add(&labels, |place| &series[place].labels);
        if place == series.len() {
            self.budget.add_column(&mut columns.charge, steps.count)?;
            self.budget.add_bytes(&mut columns.charge, labels.bytes().saturating_add(NUMBER_BYTES))?;
            series.push(self.empty(labels, false, steps.count));
            if series.len().is_multiple_of(PACKED_AT_ONCE) {
                let from = series.len() - PACKED_AT_ONCE;
                pack(&mut series[from..]);
            }
        }
        Ok(place)
    }
}

/// So many label sets that were made one by one are brought together.
const PACKED_AT_ONCE: usize = 64;

/// Lets label sets share memory.
fn pack(columns: &mut [Column]) {
    let mut packer = LabelSetPacker::default();
    for column in columns {
        let labels = column.labels.clone();
        packer.push_sorted(&mut column.labels, labels.iter());
    }
    packer.flush(|to, labels| *to = labels);
}

/// The labels by which a series is grouped.
fn grouped(aggregate: &Aggregate, labels: &LabelSet) -> LabelSet {
    labels.filter(|name| groups_by(aggregate, name))
}
