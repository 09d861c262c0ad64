//! Rows into storage, and what became of them.

use model::TimestampMs;
use model::seams::{AppendError, AppendReport, GroupAppend, GroupRow};

use super::Commit;
use crate::rows::RowBuffer;

impl Commit<'_> {
    /// Writes the rows that there are, the oldest first.
    pub(super) fn flush(&mut self) {
        self.ending = false;
        let used = self.state.rows.used;
        let mut rows = std::mem::take(&mut self.state.rows.rows);
        let filled = &mut rows[..used];
        if !filled.is_sorted_by_key(|row| row.time) {
            filled.sort_by_key(|row| row.time);
        }
        match filled {
            [row] => self.write(row, true),
            rows => self.write_together(rows),
        }
        self.state.rows.rows = rows;
        self.state.rows.begin();
    }

    /// Writes rows whose samples are each the newest of their series: storage may write them, and wait for the disk, together.
    fn write_together(&mut self, rows: &[RowBuffer]) {
        if self.outcome.failed.is_some() {
            return rows.iter().for_each(|row| self.forget_times(row));
        }
        let mut writers: Vec<(u32, Box<dyn GroupAppend>)> = Vec::new();
        let mut together: Vec<GroupRow<'_>> = Vec::with_capacity(rows.len());
        let mut written = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(lane) = self.state.lanes.get(row.lane) else { continue };
            written.push(row);
            if let Some(writer) = lane.writer.take() {
                lane.place = writers.len();
                writers.push((row.lane, writer));
            }
            together.push(GroupRow::new(lane.place, row.row().in_order()));
        }
        let mut of_rows: Vec<&mut dyn GroupAppend> = writers.iter_mut().map(|(_, writer)| writer.as_mut()).collect();
        self.context.append.append_many(&mut of_rows, &mut together);
        let results: Vec<_> = together.into_iter().map(|row| row.result).collect();
        for (lane, writer) in writers {
            if let Some(lane) = self.state.lanes.get(lane) {
                lane.writer = Some(writer);
            }
        }
        for (row, result) in written.into_iter().zip(results) {
            let result = result.unwrap_or_else(|| Err(AppendError::Failed("storage said nothing of a row".to_owned())));
            self.written(row, true, result);
        }
    }

    /// Writes a row. `in_order`: its samples are each the newest of their series, so that it is taken as a late one too.
    pub(super) fn write(&mut self, row: &RowBuffer, in_order: bool) {
        if self.outcome.failed.is_some() {
            return self.forget_times(row);
        }
        let lane = self.state.lanes.get(row.lane).filter(|_| row.len() > 0);
        if let Some(writer) = lane.and_then(|lane| lane.writer.as_mut()) {
            let result = writer.append(if in_order { row.row().in_order() } else { row.row() });
            self.written(row, in_order, result);
        }
    }

    /// What became of a row.
    fn written(&mut self, row: &RowBuffer, in_order: bool, result: Result<AppendReport, AppendError>) {
        let Some(lane) = self.state.lanes.get(row.lane) else { return };
        lane.used = self.context.now;
        let report = match result {
            Ok(report) => report,
            Err(error) => {
                // It may be in the log all the same.
                lane.newest = lane.newest.max(lane.writer.as_ref().map_or(TimestampMs::MIN, |writer| writer.newest()));
                self.outcome.failed.get_or_insert_with(|| error.to_string());
                return self.forget_times(row);
            }
        };
        if report.out_of_order > 0 && in_order && row.time >= lane.newest {
            // Its newest row is of this time and could not be acknowledged, so that nothing may be added to it: another lane.
            lane.newest = row.time.saturating_add(1);
            self.forget_times(row);
            self.later.extend(row.items.iter().chain(&row.histogram_items));
            return;
        }
        if report.accepted > 0 || report.duplicate > 0 {
            lane.newest = lane.newest.max(row.time);
        }
        self.count(row, report);
    }

    /// The row was not written, so that its samples are not the newest of their series: they may come again, after others.
    fn forget_times(&mut self, row: &RowBuffer) {
        for item in row.items.iter().chain(&row.histogram_items) {
            let at = self.item(*item).0;
            self.state.cache.entry(at).newest = TimestampMs::MIN;
        }
    }

    fn count(&mut self, row: &RowBuffer, report: AppendReport) {
        let (floats, outcome) = (row.columns.len() as u64, &mut self.outcome);
        let samples = report.accepted.min(floats);
        outcome.samples += samples;
        outcome.histograms += report.accepted - samples;
        outcome.exemplars += if report.accepted > 0 { row.exemplars.len() as u64 } else { 0 };
        outcome.out_of_order += report.out_of_order;
        outcome.duplicate += report.duplicate;
        outcome.too_old += report.too_old;
        outcome.too_new += report.too_new;
        let Some(first) = row.items.first().or(row.histogram_items.first()).copied() else { return };
        let time = row.time;
        let more = |count: u64| if count > 1 { format!(" and {} more of its target", count - 1) } else { String::new() };
        if report.out_of_order > 0 {
            self.note(first, |series| format!("out of order sample: time {time} of {series}{}", more(report.out_of_order)));
        }
        if report.duplicate > 0 {
            let among = floats + row.histograms.len() as u64;
            self.note(first, |series| {
                format!(
                    "duplicate sample for timestamp; overrides not allowed: {} of {among} samples of time {time}, such as {series}",
                    report.duplicate
                )
            });
        }
        if report.too_old > 0 {
            self.note(first, |series| format!("too old sample: time {time} of {series}{}", more(report.too_old)));
        }
        if report.too_new > 0 {
            self.note(first, |series| format!("out of bounds: time {time} of {series} is too far in the future"));
        }
    }
}
