//! Series that came, and series that ended.

use std::collections::HashSet;

use foldhash::quality::FixedState;
use model::seams::ColumnId;
use model::stale;

use super::{Committer, Counts};
use crate::layout::{Layout, Slot};

impl Committer {
    /// Takes over a layout that differs: finds duplicates, series that are new, and series that ended.
    pub(super) fn reconcile(&mut self, mut fresh: Layout, mut counts: Counts) -> Counts {
        type Columns = HashSet<ColumnId, FixedState>;
        let set = |columns: &[ColumnId]| columns.iter().copied().collect::<Columns>();
        let before = set(&self.columns[..self.sample_columns]);
        let mut seen: Columns = self.report_columns.iter().map(|(_, column)| *column).collect();
        seen.extend(self.natives.pending.iter().map(|(column, _)| *column));
        let (mut columns, mut values) =
            (Vec::with_capacity(self.values.len() + self.report_columns.len()), Vec::with_capacity(self.values.len() + 8));
        let mut read = self.values.iter();
        for at in 0..fresh.len() {
            let Slot::Column(column) = fresh.slot(at) else { continue };
            let value = read.next().copied().unwrap_or_else(stale);
            if seen.insert(column) {
                counts.added += u64::from(!before.contains(&column));
                columns.push(column);
                values.push(value);
            } else {
                fresh.set_slot(at, Slot::Duplicate);
                counts.duplicates += 1;
            }
        }
        let gone = self.columns[..self.sample_columns].iter().chain(&self.ended);
        let ended: Columns = gone.copied().filter(|column| !seen.contains(column)).collect();
        self.ended = ended.into_iter().collect();
        self.ended.sort_unstable();
        self.exemplars.ended(&self.ended);
        self.starts.ended(&self.ended);
        self.sample_columns = columns.len();
        columns.extend(self.report_columns.iter().map(|(_, column)| *column));
        self.duplicate_lines = fresh.slots().filter(|slot| *slot == Slot::Duplicate).count() as u64;
        self.refused_lines = fresh.slots().filter(|slot| *slot == Slot::Refused).count() as u64;
        fresh.shrink();
        (self.columns, self.values, self.layout) = (columns, values, fresh);
        counts
    }

    /// Histograms that did not come end.
    pub(super) fn end_natives(&mut self) {
        let before = self.ended.len();
        self.natives.end(false, &mut self.ended);
        let ended = &self.ended[before..];
        self.exemplars.ended(ended);
        self.starts.ended(ended);
    }

    /// All series of the last scrape end.
    pub(super) fn end_all(&mut self) {
        self.natives.end(true, &mut self.ended);
        self.ended.extend(self.columns.drain(..).take(self.sample_columns));
        self.ended.sort_unstable();
        self.ended.dedup();
        self.sample_columns = 0;
        self.columns.extend(self.report_columns.iter().map(|(_, column)| *column));
        self.values.clear();
        self.exemplars.forget();
        self.starts.forget();
        self.layout = Layout::default();
        (self.duplicate_lines, self.refused_lines) = (0, 0);
    }
}
