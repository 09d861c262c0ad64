//! Samples of one request by group and time.

use std::collections::HashMap;
use std::sync::Arc;

use model::seams::{ColumnId, Exemplar, Row};
use model::{Histogram, StartTimestampMs, TimestampMs};

/// Rows before they are written, so that a request of many times does not hold as many buffers.
pub(crate) const ROWS_MAX: usize = 1024;
/// Columns for which a buffer keeps its room.
const KEPT_MAX: usize = 8 << 10;

/// One row, in buffers that are used again.
#[derive(Default)]
pub(crate) struct RowBuffer {
    pub(crate) lane: u32,
    pub(crate) time: TimestampMs,
    pub(crate) columns: Vec<ColumnId>,
    pub(crate) values: Vec<f64>,
    pub(crate) histograms: Vec<(ColumnId, Arc<Histogram>)>,
    pub(crate) exemplars: Vec<(ColumnId, Exemplar)>,
    pub(crate) starts: Vec<(ColumnId, StartTimestampMs)>,
    /// The samples, in the order of the columns and then of the histograms.
    pub(crate) items: Vec<u32>,
    pub(crate) histogram_items: Vec<u32>,
}

impl RowBuffer {
    /// As storage takes it.
    pub(crate) fn row(&self) -> Row<'_> {
        let row = Row::floats(self.time, &self.columns, &self.values);
        row.with_histograms(&self.histograms).with_exemplars(&self.exemplars).with_starts(&self.starts)
    }

    /// Samples.
    pub(crate) fn len(&self) -> usize {
        self.columns.len() + self.histograms.len()
    }

    pub(crate) fn clear(&mut self) {
        self.columns.clear();
        self.columns.shrink_to(KEPT_MAX);
        self.values.clear();
        self.values.shrink_to(KEPT_MAX);
        self.histograms.clear();
        self.exemplars.clear();
        self.starts.clear();
        self.items.clear();
        self.items.shrink_to(KEPT_MAX);
        self.histogram_items.clear();
    }
}

/// The rows of a request that are not written yet.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<RowBuffer>,
    pub(crate) used: usize,
    by_time: HashMap<(u32, TimestampMs), u32>,
    /// Counts each time that rows are begun anew.
    pub(crate) turn: u64,
}

impl Rows {
    /// What was there is written, or will not be.
    pub(crate) fn begin(&mut self) {
        self.turn += 1;
        self.used = 0;
        self.by_time.clear();
        self.by_time.shrink_to(ROWS_MAX);
        self.rows.truncate(ROWS_MAX);
    }

    /// The time of a row of this turn.
    #[inline]
    pub(crate) fn time(&self, row: u32) -> Option<TimestampMs> {
        (row < self.used as u32).then(|| self.rows[row as usize].time)
    }

    pub(crate) fn find(&self, lane: u32, time: TimestampMs) -> Option<u32> {
        self.by_time.get(&(lane, time)).copied()
    }

    /// The row of a lane and time, made if it is not there.
    pub(crate) fn find_or_insert(&mut self, lane: u32, time: TimestampMs) -> u32 {
        if let Some(row) = self.find(lane, time) {
            return row;
        }
        let row = self.used;
        self.used += 1;
        if row == self.rows.len() {
            self.rows.push(RowBuffer::default());
        }
        self.rows[row].clear();
        (self.rows[row].lane, self.rows[row].time) = (lane, time);
        self.by_time.insert((lane, time), row as u32);
        row as u32
    }
}
