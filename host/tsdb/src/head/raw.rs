//! Rows as plain numbers, for as long as they become a page.

use std::sync::Arc;

use model::{ABSENT_BITS, Histogram, TimestampMs};

use super::joined::Joined;

/// Rows by time; a row is as wide as its writer was when it came.
#[derive(Default)]
pub(crate) struct RawRows {
    pub(crate) times: Vec<TimestampMs>,
    /// Where each row's first record stands in the log, which is the order in which rows of all groups were written.
    pub(crate) stamps: Vec<i64>,
    starts: Vec<usize>,
    values: Vec<u64>,
    /// Row, slot and content.
    pub(crate) histograms: Vec<(u32, u32, Arc<Histogram>)>,
    /// Samples of series that other groups have too which came after their row's first record, in the order of writing.
    pub(crate) joined: Vec<Joined>,
    /// Bitmap of slots that may have different values in different rows.
    pub(super) varying: Vec<u8>,
}

impl RawRows {
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// A row's values by slot. Slots past the end are absent.
    pub(crate) fn row(&self, at: usize) -> &[u64] {
        let end = self.starts.get(at + 1).copied().unwrap_or(self.values.len());
        &self.values[self.starts[at]..end]
    }

    /// The widest row's width.
    pub(crate) fn width(&self) -> usize {
        // Not always the last: after a restart a writer begins with few columns again.
        (0..self.len()).map(|row| self.row(row).len()).max().unwrap_or(0)
    }

    /// Whether the slot is known to have the same value, or none, in all rows.
    pub(crate) fn is_constant(&self, slot: usize) -> bool {
        self.varying.get(slot / 8).is_some_and(|byte| byte >> (slot % 8) & 1 == 0)
    }

    /// Begins a row, which is newer than the others. The caller appends its values.
    pub(super) fn begin(&mut self, time: TimestampMs, stamp: i64) -> &mut Vec<u64> {
        self.times.push(time);
        self.stamps.push(stamp);
        self.starts.push(self.values.len());
        &mut self.values
    }

    /// Adds a row, which is newer than the others.
    #[cfg(test)]
    pub(crate) fn push(&mut self, time: TimestampMs, stamp: i64, row: &[u64]) {
        self.begin(time, stamp).extend_from_slice(row);
    }

    /// Adds samples to the newest row, where it has none. Returns whether a slot took its sample.
    pub(super) fn merge_into_last(&mut self, row: &[u64], mut took: impl FnMut(usize)) {
        let Some(&start) = self.starts.last() else {
            return;
        };
        if self.values.len() - start < row.len() {
            self.values.resize(start + row.len(), ABSENT_BITS);
        }
        for (slot, (held, &bits)) in self.values[start..].iter_mut().zip(row).enumerate() {
            if *held == ABSENT_BITS && bits != ABSENT_BITS {
                *held = bits;
                took(slot);
            }
        }
    }
}
