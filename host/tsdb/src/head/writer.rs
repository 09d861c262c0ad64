//! Writing to a group: check, log, then show.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use model::seams::{AppendError, AppendReport, ColumnError, ColumnId, Exemplar, GroupAppend, Row};
use model::{ABSENT_BITS, LabelSet, STALE_BITS, TimestampMs};

use super::group::Group;
use crate::column::storable_bits;
use crate::db::Inner;
use crate::index::Place;
use crate::wal::log::{Write, WriteError};
use crate::wal::payload::{Column, Frame, GroupEncoder};

/// Tries to encode for a segment that is still open when it is written. Segments end every 64 MiB, so one is enough but for
/// tests with tiny ones.
const SEGMENT_TRIES: usize = 1000;

/// Buffers of one append, shared by all groups: rows are short-lived, and a group's is as long as the group is wide.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The row by slot.
    row: Vec<u64>,
    /// Slots whose series ends.
    stale: Vec<u32>,
    /// Exemplars that are not kept yet, by slot, and the series of each.
    exemplars: Vec<(u32, Exemplar)>,
    exemplar_series: Vec<u32>,
    frame: Vec<u8>,
}

/// Buffers longer than this are not kept: a frame with definitions is many times longer than the others.
const SCRATCH_BYTES_MAX: usize = 256 << 10;

/// Bytes of the exemplars of one row that are logged, and what each takes beside its labels. Further ones are not kept.
const EXEMPLARS_BYTES_MAX: usize = 16 << 20;
const EXEMPLAR_BYTES: usize = 40;

/// The one writer of a group.
pub(crate) struct GroupWriter {
    db: Arc<Inner>,
    group: Arc<Group>,
    encoder: GroupEncoder,
    /// Slots and series that the log does not know yet.
    new_columns: Vec<(u32, u32)>,
    claimed: Vec<bool>,
    /// Rows up to this time are not taken.
    newest: TimestampMs,
    /// Whether the newest row is in the log without having been acknowledged, so that nothing may be added to it.
    newest_unacknowledged: bool,
}

impl GroupWriter {
    pub(crate) fn new(db: Arc<Inner>, group: Arc<Group>) -> Self {
        let unacknowledged = group.unacknowledged.load(Ordering::Acquire);
        let shown = group.head().newest;
        let newest = shown.max(unacknowledged);
        Self {
            db,
            group,
            encoder: GroupEncoder::default(),
            new_columns: Vec::new(),
            claimed: Vec::new(),
            newest,
            newest_unacknowledged: unacknowledged > TimestampMs::MIN && unacknowledged == newest,
        }
    }

    /// Refuses a row by its time alone.
    fn refuse_by_time(&self, row: &Row<'_>) -> Option<AppendReport> {
        let (samples, options) = (row.columns.len() as u64, &self.db.options);
        let now = options.clock.now();
        if row.time > now.saturating_add(options.future_max_ms) {
            return Some(AppendReport { too_new: samples, ..AppendReport::default() });
        }
        if self.db.retention_ms() > 0 && row.time < now.saturating_sub(self.db.retention_ms()) {
            return Some(AppendReport { too_old: samples, ..AppendReport::default() });
        }
        if row.time < self.newest || (row.time == self.newest && self.newest_unacknowledged) {
            return Some(AppendReport { out_of_order: samples, ..AppendReport::default() });
        }
        None
    }

    /// Lays the values out by slot, and notes which series end.
    fn lay_out(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<(), AppendError> {
        if row.columns.len() != row.values.len() {
            return Err(AppendError::Failed(format!(
                "{} columns with {} values in group {}",
                row.columns.len(),
                row.values.len(),
                self.group.key
            )));
        }
        scratch.row.clear();
        scratch.row.resize(self.claimed.len(), ABSENT_BITS);
        scratch.stale.clear();
        for (column, value) in row.columns.iter().zip(row.values) {
            let slot = column.0 as usize;
            if self.claimed.get(slot) != Some(&true) {
                return Err(AppendError::Failed(format!(
                    "column {slot} of group {} is not open: it was released or never made",
                    self.group.key
                )));
            }
            let bits = storable_bits(*value);
            if bits == STALE_BITS {
                scratch.stale.push(column.0);
            }
            scratch.row[slot] = bits;
        }
        Ok(())
    }

    /// The newest row comes again: takes out of the row what is stored already.
    fn keep_what_is_new(&self, row: &Row<'_>, scratch: &mut Scratch) -> AppendReport {
        let mut report = AppendReport::default();
        let head = self.group.head();
        let last = head.open.len().checked_sub(1).map(|last| head.open.row(last));
        for column in row.columns {
            let slot = column.0 as usize;
            let bits = scratch.row[slot];
            match last.map(|last| last.get(slot).copied().unwrap_or(ABSENT_BITS)) {
                Some(ABSENT_BITS) => {
                    report.accepted += 1;
                    continue;
                }
                Some(stored) if stored == bits => report.accepted += 1,
                _ => report.duplicate += 1,
            }
            scratch.row[slot] = ABSENT_BITS;
        }
        scratch.stale.retain(|slot| scratch.row[*slot as usize] != ABSENT_BITS);
        report
    }

    /// Writes the row to the log, with what the open segment does not know of the group yet.
    fn log(&mut self, time: TimestampMs, scratch: &mut Scratch) -> Result<i64, AppendError> {
        for _ in 0..SEGMENT_TRIES {
            let segment = self.db.log.current();
            let new = self.encoder.is_new_to(segment);
            let columns = if new { self.with_labels(&self.claimed_columns()) } else { self.with_labels(&self.new_columns) };
            let definitions = !columns.is_empty();
            let frame = &mut scratch.frame;
            self.encoder.encode(
                Frame { segment, group: (self.group.id, &self.group.key), out: frame, exemplars: &scratch.exemplars },
                &columns,
                time,
                &scratch.row,
            );
            match self.db.log.write(Write { frame, segment, definitions, time }) {
                Ok(end) => {
                    self.encoder.commit(&scratch.row);
                    if definitions {
                        self.new_columns = Vec::new();
                        let bytes = self.encoder.heap_bytes() + self.claimed.capacity();
                        self.group.writer_bytes.store(bytes, Ordering::Relaxed);
                    }
                    if self.db.options.wal_sync_ms == 0
                        && let Err(reason) = self.db.log.wait_synced(end)
                    {
                        (self.newest, self.newest_unacknowledged) = (time, true);
                        self.group.unacknowledged.store(time, Ordering::Release);
                        return Err(AppendError::Failed(reason));
                    }
                    return Ok(stamp(end.segment, end.offset));
                }
                Err(WriteError::Moved) => {}
                Err(WriteError::Failed(reason)) => return Err(AppendError::Failed(reason)),
            }
        }
        Err(AppendError::Failed("the log's segments are shorter than a row".to_owned()))
    }

    fn claimed_columns(&self) -> Vec<(u32, u32)> {
        self.group.head().slots.claimed().collect()
    }

    /// Labels are only made for as long as they are written; the index has them.
    fn with_labels(&self, columns: &[(u32, u32)]) -> Vec<Column> {
        if columns.is_empty() {
            return Vec::new();
        }
        let index = self.db.index();
        columns.iter().map(|(slot, series)| (*slot, index.labels(*series))).collect()
    }

    /// Makes the row visible and lets go of series that ended.
    fn show(&mut self, time: TimestampMs, stamp: i64, scratch: &Scratch) {
        let mut head = self.group.head();
        head.commit_row(time, stamp, &scratch.row);
        for slot in &scratch.stale {
            head.slots.release(*slot);
            self.claimed[*slot as usize] = false;
        }
        drop(head);
        self.newest = time;
        self.newest_unacknowledged = false;
    }

    /// Picks the exemplars that are not kept yet.
    fn pick_exemplars(&self, row: &Row<'_>, scratch: &mut Scratch) {
        scratch.exemplars.clear();
        scratch.exemplar_series.clear();
        if row.exemplars.is_empty() {
            return;
        }
        let head = self.group.head();
        let kept = self.db.exemplars();
        let mut bytes = 0;
        for (column, exemplar) in row.exemplars {
            let present = scratch.row.get(column.0 as usize).is_some_and(|bits| *bits != ABSENT_BITS && *bits != STALE_BITS);
            let Some(series) = head.slots.owners().get(column.0 as usize).filter(|series| present && kept.takes(**series, exemplar)) else {
                continue;
            };
            bytes += EXEMPLAR_BYTES + exemplar.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            if bytes > EXEMPLARS_BYTES_MAX {
                break;
            }
            scratch.exemplars.push((column.0, exemplar.clone()));
            scratch.exemplar_series.push(*series);
        }
    }

    fn append_with(&mut self, row: &Row<'_>, scratch: &mut Scratch) -> Result<AppendReport, AppendError> {
        self.lay_out(row, scratch)?;
        let report = if row.time == self.newest {
            self.keep_what_is_new(row, scratch)
        } else {
            AppendReport { accepted: row.columns.len() as u64, ..AppendReport::default() }
        };
        if scratch.row.iter().any(|bits| *bits != ABSENT_BITS) {
            self.pick_exemplars(row, scratch);
            let db = Arc::clone(&self.db);
            let _appending = db.appending();
            let stamp = self.log(row.time, scratch)?;
            self.show(row.time, stamp, scratch);
            if !scratch.exemplars.is_empty() {
                let mut kept = self.db.exemplars();
                let picked = scratch.exemplar_series.drain(..).zip(scratch.exemplars.drain(..));
                picked.for_each(|(series, (_, exemplar))| kept.push(series, exemplar));
            }
        }
        Ok(report)
    }

    fn count(&self, report: AppendReport) -> AppendReport {
        let counters = &self.db.counters;
        for (counter, count) in [
            (&counters.samples_appended, report.accepted),
            (&counters.samples_out_of_order, report.out_of_order),
            (&counters.samples_duplicate, report.duplicate),
            (&counters.samples_too_old, report.too_old),
            (&counters.samples_too_new, report.too_new),
        ] {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
        report
    }
}

impl GroupAppend for GroupWriter {
    fn column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError> {
        // Keeps the collection of unused series away until the slot is claimed.
        let _gate = self.db.new_columns();
        let series = self.db.series_of(labels)?;
        let hint = self.db.index().slot(series, self.group.id);
        let (slot, fresh) = self.group.head().slots.claim(series, hint);
        if hint != Some(slot) {
            self.db.index_mut().set_place(series, Place { group: self.group.id, slot });
        }
        if fresh {
            let width = self.claimed.len().max(slot as usize + 1);
            self.claimed.resize(width, false);
            self.claimed[slot as usize] = true;
            self.encoder.unset(slot as usize);
            self.new_columns.push((slot, series));
        }
        Ok(ColumnId(slot))
    }

    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError> {
        if let Some(report) = self.refuse_by_time(&row) {
            return Ok(self.count(report));
        }
        let mut scratch = self.db.take_scratch();
        let result = self.append_with(&row, &mut scratch);
        self.db.give_scratch(scratch);
        result.map(|report| self.count(report))
    }
}

impl Drop for GroupWriter {
    fn drop(&mut self) {
        self.group.end_writing();
    }
}

/// A place in the log as a number that orders rows of all groups.
pub(crate) fn stamp(segment: u64, offset: u64) -> i64 {
    ((segment << 36) | (offset & ((1 << 36) - 1))) as i64
}

impl Inner {
    fn take_scratch(&self) -> Scratch {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_scratch(&self, mut scratch: Scratch) {
        if scratch.frame.capacity() > SCRATCH_BYTES_MAX {
            scratch.frame = Vec::new();
        }
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}
