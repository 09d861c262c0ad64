//! What of a row is taken.

use std::sync::atomic::Ordering;

use model::seams::{AppendError, AppendReport, Row};
use model::{ABSENT_BITS, HISTOGRAM_BITS, STALE_BITS, TimeRange};

use super::read::View;
use super::writer::{GroupWriter, Scratch};
use crate::column::bits::get;
use crate::column::storable_bits;

/// Which slots are open.
#[derive(Default)]
pub(super) struct Claimed {
    pub(super) bits: Vec<u64>,
    width: usize,
    count: usize,
}

impl Claimed {
    pub(super) fn has(&self, slot: usize) -> bool {
        self.bits.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    pub(super) fn set(&mut self, slot: usize) {
        self.width = self.width.max(slot + 1);
        self.bits.resize(self.width.div_ceil(64), 0);
        self.count += usize::from(!self.has(slot));
        self.bits[slot / 64] |= 1 << (slot % 64);
    }

    pub(super) fn unset(&mut self, slot: usize) {
        self.count -= usize::from(self.has(slot));
        self.bits[slot / 64] &= !(1 << (slot % 64));
    }
}

impl GroupWriter {
    /// Refuses a row by its time alone.
    pub(super) fn refuse_by_time(&self, row: &Row<'_>) -> Option<AppendReport> {
        let (samples, options) = ((row.columns.len() + row.histograms.len()) as u64, &self.db.options);
        let now = options.clock.now();
        if row.time > now.saturating_add(options.future_max_ms) {
            return Some(AppendReport { too_new: samples, ..AppendReport::default() });
        }
        // As `Append::time_min` says.
        if self.db.retention_ms() > 0 && row.time < now.saturating_sub(self.db.retention_ms()) {
            return Some(AppendReport { too_old: samples, ..AppendReport::default() });
        }
        let oldest = self.newest.saturating_sub(options.out_of_order_window_ms);
        if (row.time < oldest && !row.in_order) || (row.time == self.newest && self.newest_unacknowledged) {
            return Some(AppendReport { out_of_order: samples, ..AppendReport::default() });
        }
        None
    }

    /// Late rows take several times the memory of others until they go to a block. Those that no window bounds have to wait past the
    /// budget: their sender is to come again.
    pub(super) fn room_for(&self, row: &Row<'_>) -> Result<(), AppendError> {
        if row.time >= self.newest || !row.in_order {
            return Ok(());
        }
        let series = self.db.index().len();
        match self.db.no_room(series) {
            Some(reason) => Err(AppendError::Failed(format!("no room for late samples until older ones are in a block: {reason}"))),
            None => Ok(()),
        }
    }

    /// Lays the values out by slot, and notes which series end.
    pub(super) fn lay_out(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<(), AppendError> {
        let failed = |text: String| Err(AppendError::Failed(text));
        let key = &self.group.key;
        if row.columns.len() != row.values.len() {
            return failed(format!("{} columns with {} values in group {key}", row.columns.len(), row.values.len()));
        }
        let closed = |slot: u32| failed(format!("column {slot} of group {key} is not open: it was released or never made"));
        let width = self.claimed.width;
        scratch.row.clear();
        scratch.stale.clear();
        scratch.histograms.clear();
        let every = width > 0 && self.claimed.count == width && row.columns.len() == width && row.histograms.is_empty();
        scratch.all = every && row.columns.iter().zip(0..).fold(true, |same, (column, slot)| same & (column.0 == slot));
        if scratch.all {
            scratch.row.extend(row.values.iter().map(|value| storable_bits(*value)));
            if scratch.row.contains(&STALE_BITS) {
                let slots = scratch.row.iter().zip(0..);
                scratch.stale.extend(slots.filter(|(bits, _)| **bits == STALE_BITS).map(|(_, slot)| slot));
            }
            return Ok(());
        }
        scratch.row.resize(width, ABSENT_BITS);
        for (column, value) in row.columns.iter().zip(row.values) {
            let slot = column.0 as usize;
            if !self.claimed.has(slot) {
                return closed(column.0);
            }
            let bits = storable_bits(*value);
            if bits == STALE_BITS {
                scratch.stale.push(column.0);
            }
            scratch.row[slot] = bits;
        }
        for (column, histogram) in row.histograms {
            let slot = column.0 as usize;
            if !self.claimed.has(slot) {
                return closed(column.0);
            }
            if histogram.is_stale() {
                // One way to say that a series ended is enough.
                scratch.stale.push(column.0);
                scratch.row[slot] = STALE_BITS;
                continue;
            }
            if let Err(reason) = histogram.check() {
                return failed(format!("a histogram of column {slot} of group {key} is none: {reason}"));
            }
            scratch.row[slot] = HISTOGRAM_BITS;
            scratch.histograms.push((column.0, histogram.clone()));
        }
        scratch.histograms.sort_by_key(|(slot, _)| *slot);
        scratch.histograms.dedup_by_key(|(slot, _)| *slot);
        scratch.all = width > 0 && row.columns.len() + row.histograms.len() >= width && !scratch.row.contains(&ABSENT_BITS);
        Ok(())
    }

    /// A row of this time may be there: takes out what is stored already.
    pub(super) fn keep_what_is_new(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<AppendReport, AppendError> {
        let mut report = AppendReport::default();
        let slots: Vec<u32> = row.columns.iter().chain(row.histograms.iter().map(|(column, _)| column)).map(|column| column.0).collect();
        let view = match self.encoder.last_row() {
            // What the encoder has is the newest row only if nothing was added to that later, or deleted.
            Some((time, ..))
                if time == row.time
                    && !self.newest_differs
                    && scratch.histograms.is_empty()
                    && self.deletions == self.db.limits.deletions.load(Ordering::Relaxed) =>
            {
                None
            }
            _ => {
                let wanted = {
                    let head = self.group.head();
                    let owners = head.slots.owners();
                    slots.iter().map(|slot| (owners[*slot as usize], *slot)).collect()
                };
                let view = View::new(&self.group, wanted, TimeRange { start: row.time, end: row.time });
                let read = view.read(false).map_err(|_| AppendError::Failed("a row in memory does not decode".to_owned()))?;
                Some(read)
            }
        };
        let last = self.encoder.last_row();
        for (at, slot) in slots.into_iter().enumerate() {
            let slot = slot as usize;
            let bits = scratch.row[slot];
            let stored = match (&view, last) {
                (Some(view), _) => view.columns[at].first().copied().unwrap_or(ABSENT_BITS),
                (None, Some((_, present, last))) if get(present, slot) => last[slot],
                (None, _) => ABSENT_BITS,
            };
            if stored == ABSENT_BITS {
                report.accepted += 1;
                continue;
            }
            let same = stored == bits
                && (bits != HISTOGRAM_BITS || {
                    let mine = scratch.histograms.iter().find(|(held, _)| *held as usize == slot).map(|(_, histogram)| histogram);
                    mine == view.as_ref().and_then(|view| view.histograms[at].first()).map(|(_, histogram)| histogram)
                });
            if same {
                report.accepted += 1;
            } else {
                report.duplicate += 1;
            }
            scratch.row[slot] = ABSENT_BITS;
            scratch.all = false;
        }
        scratch.stale.retain(|slot| scratch.row[*slot as usize] != ABSENT_BITS);
        scratch.histograms.retain(|(slot, _)| scratch.row[*slot as usize] == HISTOGRAM_BITS);
        Ok(report)
    }
}
