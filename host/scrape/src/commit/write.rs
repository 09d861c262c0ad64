//! The rows of a scrape, into storage.

use model::seams::{AppendReport, Row};
use model::{TimestampMs, stale};

use super::{Committed, Committer, Counts};
use crate::report::{REPORT_NAMES, Report};

impl Committer {
    pub(super) fn write(&mut self, time: TimestampMs, report: &Report, counts: Counts, error: Option<String>) -> Committed {
        let mut committed = Committed {
            lines: counts.lines,
            kept: counts.kept,
            added: counts.added,
            duplicates: counts.duplicates,
            refused: counts.refused,
            newly_refused: counts.newly_refused,
            ..Committed::default()
        };
        if error.is_some() {
            // What was taken before the body turned out to be bad.
            self.timed.begin_rows();
        }
        self.write_rows(time, report, &mut committed);
        if self.rules.track_timestamps_staleness {
            self.timed.write_stale(time, error.is_some());
        }
        if error.is_none() {
            self.tell_refusals(&mut committed);
        }
        if committed.refused > 0 && committed.refused_series.is_none() && committed.warning.is_none() {
            committed.warning = Some(format!("{} series were not stored: {}", committed.refused, self.refused_reason));
        }
        if self.report_columns.len() < REPORT_NAMES.len() && committed.warning.is_none() {
            committed.warning = Some(format!("up and the scrape's other own series were not stored: {}", self.refused_reason));
        }
        committed.error = error;
        committed
    }

    /// Writes what has times of its own, and the row of the target's own group: samples, stale markers, report.
    pub(super) fn write_rows(&mut self, time: TimestampMs, report: &Report, committed: &mut Committed) {
        let mut with_ended = Vec::new();
        if !self.ended.is_empty() {
            with_ended.reserve(self.columns.len() + self.ended.len());
            with_ended.extend_from_slice(&self.columns[..self.sample_columns]);
            with_ended.extend_from_slice(&self.ended);
            with_ended.extend_from_slice(&self.columns[self.sample_columns..]);
            self.values.resize(self.sample_columns + self.ended.len(), stale());
        }
        self.values.extend(self.report_columns.iter().map(|(at, _)| report.value(*at)));
        let columns = if with_ended.is_empty() { &self.columns } else { &with_ended };
        let Some(main) = self.main.as_mut() else { return };
        let row = Row::floats(time, columns, &self.values).with_exemplars(&self.exemplars.pending);
        let row = row.with_histograms(&self.natives.pending).with_starts(&self.starts.pending);
        let mut failure = None;
        let done =
            self.timed.write(self.append.as_ref(), (main.as_mut(), row), &mut |report| add(&mut committed.report, report), &mut failure);
        if let Some((error, lost)) = failure {
            committed.lost += lost;
            committed.warning = Some(format!("storage: {error}"));
        }
        match done {
            Ok(done) => {
                self.exemplars.pending.clear();
                self.starts.pending.clear();
                self.natives.pending.clear();
                add(&mut committed.report, done);
                self.ended.clear();
                self.last_time = self.last_time.max(time);
            }
            Err(error) => {
                self.exemplars.forget();
                self.starts.forget();
                committed.lost += (self.values.len() + self.natives.pending.len()) as u64;
                committed.warning = Some(format!("storage: {error}"));
            }
        }
    }
}

fn add(total: &mut AppendReport, report: AppendReport) {
    total.accepted += report.accepted;
    total.out_of_order += report.out_of_order;
    total.duplicate += report.duplicate;
    total.too_old += report.too_old;
    total.too_new += report.too_new;
}
