//! The newest rows of a group, not compressed yet.

use model::{ABSENT_BITS, TimestampMs};

/// Rows by time; a row is as wide as its writer was when it came.
#[derive(Default)]
pub(crate) struct OpenRows {
    pub(crate) times: Vec<TimestampMs>,
    /// Where each row stands in the log, which is the order in which rows of all groups were written.
    pub(crate) stamps: Vec<i64>,
    starts: Vec<usize>,
    values: Vec<u64>,
}

/// Rows that room is made for at a time: less often would be faster, more often leaves less room unused.
const ROOM_ROWS: usize = 8;

impl OpenRows {
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// A row's values by slot. Slots past the end are absent.
    pub(crate) fn row(&self, at: usize) -> &[u64] {
        let end = self.starts.get(at + 1).copied().unwrap_or(self.values.len());
        &self.values[self.starts[at]..end]
    }

    /// One value.
    pub(crate) fn get(&self, row: usize, slot: usize) -> u64 {
        self.row(row).get(slot).copied().unwrap_or(ABSENT_BITS)
    }

    /// Whether any row has a sample in the slot.
    pub(crate) fn uses(&self, slot: usize) -> bool {
        (0..self.len()).any(|row| self.get(row, slot) != ABSENT_BITS)
    }

    /// The widest row's width.
    pub(crate) fn width(&self) -> usize {
        // Not always the last: after a restart a writer begins with few columns again.
        (0..self.len()).map(|row| self.row(row).len()).max().unwrap_or(0)
    }

    /// Adds a row, which is newer than the others.
    pub(crate) fn push(&mut self, time: TimestampMs, stamp: i64, row: &[u64]) {
        if self.values.capacity() - self.values.len() < row.len() {
            self.values.reserve_exact(row.len() * ROOM_ROWS);
        }
        self.times.push(time);
        self.stamps.push(stamp);
        self.starts.push(self.values.len());
        self.values.extend_from_slice(row);
    }

    /// Adds samples to the newest row, where it has none.
    pub(crate) fn merge_into_last(&mut self, row: &[u64]) {
        let Some(&start) = self.starts.last() else {
            return;
        };
        if self.values.len() - start < row.len() {
            self.values.resize(start + row.len(), ABSENT_BITS);
        }
        for (held, &bits) in self.values[start..].iter_mut().zip(row) {
            if *held == ABSENT_BITS {
                *held = bits;
            }
        }
    }

    /// Drops the oldest rows.
    pub(crate) fn drop_first(&mut self, rows: usize) {
        let mut kept = Self::default();
        for row in rows..self.len() {
            kept.push(self.times[row], self.stamps[row], self.row(row));
        }
        kept.values.shrink_to_fit();
        *self = kept;
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        (self.times.capacity() + self.stamps.capacity() + self.starts.capacity() + self.values.capacity()) * 8
    }
}
