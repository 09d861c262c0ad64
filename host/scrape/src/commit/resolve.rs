//! Where a line leads that is not known, and what storage refuses.

use std::sync::Arc;

use exposition::Sample;
use model::seams::ColumnError;
use model::{LabelSet, TimestampMs};

use super::{Committed, Committer, Counts};
use crate::layout::Slot;
use crate::refusal::Exploding;
use crate::sample_labels::series_labels;
use crate::timed::Taken;

impl Committer {
    /// Finds out where a line leads that is not known.
    pub(super) fn resolve(&mut self, sample: &Sample<'_>, counts: &mut Counts) -> Result<Slot, String> {
        let Some(labels) = series_labels(&self.rules, sample)? else { return Ok(Slot::Dropped) };
        counts.kept += 1;
        if self.rules.limits.samples > 0 && counts.kept > self.rules.limits.samples {
            // The scrape has failed. It is read to its end to tell by how much, but nothing is made in storage.
            return Ok(Slot::Dropped);
        }
        let resolved = match sample.timestamp.filter(|_| self.rules.honor_timestamps) {
            Some(time) => self.resolve_timed(&labels, time, sample.value, counts),
            None => self.resolve_column(&labels, sample.value),
        };
        Ok(self.slot_or_refused(resolved, &labels, counts))
    }

    /// What storage refuses is counted, with its reason.
    pub(super) fn slot_or_refused(&mut self, resolved: Result<Slot, ColumnError>, labels: &LabelSet, counts: &mut Counts) -> Slot {
        let error = match resolved {
            Ok(slot) => return slot,
            Err(error) => error,
        };
        counts.refused += 1;
        counts.newly_refused += 1;
        self.refused_reason = match error {
            ColumnError::Refused(reason) => {
                self.exploding.get_or_insert_with(|| Box::new(Exploding::new(self.hasher.clone()))).take(labels);
                reason
            }
            other => other.to_string(),
        };
        Slot::Refused
    }

    pub(super) fn begin_refusals(&mut self) {
        if let Some(exploding) = &mut self.exploding {
            exploding.begin();
        }
    }

    /// What is to be told of series that a limit refused. It is made anew where more came, or fewer.
    pub(super) fn tell_refusals(&mut self, committed: &mut Committed) {
        let Some(exploding) = self.exploding.as_ref().filter(|_| committed.refused > 0) else {
            (self.exploding, self.refused_series) = (None, None);
            return;
        };
        let same = self.refused_series.as_ref().is_some_and(|last| last.series == committed.refused && last.reason == self.refused_reason);
        if !same || committed.newly_refused > 0 {
            self.refused_series = Some(Arc::new(exploding.conclude(committed.refused, &self.refused_reason)));
        }
        committed.refused_series = self.refused_series.clone();
    }

    pub(super) fn resolve_column(&mut self, labels: &LabelSet, value: f64) -> Result<Slot, ColumnError> {
        let main = self.main.as_mut().ok_or_else(|| ColumnError::Failed("the group is closed".to_owned()))?;
        let column = main.column(labels)?;
        self.values.push(value);
        Ok(Slot::Column(column))
    }

    pub(super) fn resolve_timed(
        &mut self,
        labels: &LabelSet,
        time: TimestampMs,
        value: f64,
        counts: &mut Counts,
    ) -> Result<Slot, ColumnError> {
        let (number, taken, new) = self.timed.resolve(labels, (time, value), &self.append, &self.key)?;
        counts.added += u64::from(new);
        counts.duplicates += u64::from(taken == Taken::Duplicate);
        Ok(Slot::Timed(number))
    }
}
