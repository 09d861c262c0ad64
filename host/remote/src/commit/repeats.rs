//! Samples that are not newer than the last one of their series.

use model::TimestampMs;
use model::seams::ColumnId;

use super::{Commit, HISTOGRAM};
use crate::cache::{LANE_NEW, LANE_STATES};
use crate::rows::RowBuffer;

impl Commit<'_> {
    /// Writes samples that are not the newest of their series: what came before, or came late. Storage says which.
    pub(super) fn write_repeats(&mut self) {
        let mut repeats = std::mem::take(&mut self.repeats);
        // A marker gives a column up, so these come last and alone.
        let markers: Vec<u32> = repeats.extract_if(.., |item| self.is_stale(*item)).collect();
        repeats.retain(|item| self.keep_open(*item));
        let order = |commit: &mut Self, item: u32| {
            let (at, _, time) = commit.item(item);
            let entry = commit.state.cache.entry(at);
            (entry.lane, time, entry.column)
        };
        repeats.sort_by_cached_key(|item| order(self, *item));
        let mut row = RowBuffer::default();
        let mut last: Option<(u32, TimestampMs, ColumnId, u32)> = None;
        for item in repeats {
            let (lane, time, column) = order(self, item);
            if let Some((_, _, _, first)) = last.filter(|last| (last.0, last.1, last.2) == (lane, time, column)) {
                self.count_twice(first, item);
                continue;
            }
            if (row.lane, row.time) != (lane, time) {
                self.write(&row, false);
                row.clear();
                (row.lane, row.time) = (lane, time);
            }
            self.push_repeat(&mut row, column, item);
            last = Some((lane, time, column, item));
        }
        self.write(&row, false);
        for item in markers {
            if self.keep_open(item) {
                let (lane, time, column) = order(self, item);
                row.clear();
                (row.lane, row.time) = (lane, time);
                self.push_repeat(&mut row, column, item);
                self.write(&row, false);
                let at = self.item(item).0;
                self.end(at);
            }
        }
    }

    /// The same series and time twice in one request: the first counts.
    fn count_twice(&mut self, first: u32, item: u32) {
        let floats = (first | item) & HISTOGRAM == 0;
        let bits = |item: u32| self.parsed.samples[item as usize].value.to_bits();
        let histogram = |item: u32| &self.parsed.histograms[(item & !HISTOGRAM) as usize].histogram;
        if floats && bits(first) == bits(item) {
            self.outcome.samples += 1;
        } else if first & item & HISTOGRAM != 0 && histogram(first) == histogram(item) {
            self.outcome.histograms += 1;
        } else {
            self.outcome.duplicate += 1;
            self.note(item, |series| format!("duplicate sample for timestamp; overrides not allowed: {series}"));
        }
    }

    fn push_repeat(&mut self, row: &mut RowBuffer, column: ColumnId, item: u32) {
        if item & HISTOGRAM == 0 {
            row.columns.push(column);
            row.values.push(self.parsed.samples[item as usize].value);
            row.items.push(item);
        } else {
            row.histograms.push((column, self.parsed.histograms[(item & !HISTOGRAM) as usize].histogram.clone()));
            row.histogram_items.push(item);
        }
        let (at, _, time) = self.item(item);
        let entry = self.state.cache.entry(at);
        entry.newest = entry.newest.max(time);
    }

    /// Sees to it that the series has a column. False if the sample is dealt with.
    fn keep_open(&mut self, item: u32) -> bool {
        let (at, place, time) = self.item(item);
        if self.state.cache.entry(at).lane < LANE_STATES {
            return true;
        }
        self.state.cache.entry(at).lane = LANE_NEW;
        let Ok(labels) = self.context.labels.labels(place) else {
            self.outcome.invalid += 1;
            return false;
        };
        self.open_any_column(at, time, &labels, item)
    }
}
