//! Writing to a group: check, log, then show.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use model::seams::{AppendError, AppendReport, ColumnError, ColumnId, Exemplar, GroupAppend, Row};
use model::{ABSENT_BITS, Histogram, LabelSet, STALE_BITS, StartTimestampMs, TimestampMs};

use super::check::Claimed;
use super::group::Group;
use super::rows::Record;
use crate::db::Inner;
use crate::index::{PairCache, Place};
use crate::wal::log::{Write, WriteError};
use crate::wal::payload::{Encoded, Frame, GroupEncoder};
use crate::wal::row::RowChange;
use crate::wal::sections::{put_columns, put_histograms};

/// Tries to encode for a segment that is still open when it is written. Segments end every 64 MiB, so one is enough but for
/// tests with tiny ones.
pub(super) const SEGMENT_TRIES: usize = 1000;
pub(super) const SEGMENTS_TOO_SHORT: &str = "the log's segments are shorter than a row";

/// Buffers of one append, shared by all groups: rows are short-lived, and a group's is as long as the group is wide.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The row by slot.
    pub(super) row: Vec<u64>,
    /// It has no absent slot.
    pub(super) all: bool,
    /// Slots whose series ends.
    pub(super) stale: Vec<u32>,
    /// Exemplars that are not kept yet, by slot, and the series of each.
    pub(super) exemplars: Vec<(u32, Exemplar)>,
    pub(super) exemplar_series: Vec<u32>,
    /// By slot, ascending.
    pub(super) histograms: Vec<(u32, Arc<Histogram>)>,
    /// Those as a section of the log.
    pub(super) histograms_section: Vec<u8>,
    pub(super) starts: Vec<(u32, StartTimestampMs)>,
    /// Slots that this frame defines.
    pub(super) unset: Vec<u32>,
    pub(super) change: RowChange,
    pub(super) section: Vec<u8>,
    pub(super) frame: Vec<u8>,
}

/// Buffers longer than this are not kept: a frame with definitions is many times longer than the others.
const SCRATCH_BYTES_MAX: usize = 256 << 10;

/// Scratches that are kept.
const SCRATCHES_MAX: usize = 128;

/// Bytes of the exemplars of one row that are logged, and what each takes beside its labels. Further ones are not kept.
const EXEMPLARS_BYTES_MAX: usize = 16 << 20;
const EXEMPLAR_BYTES: usize = 40;

/// A row's frame, made for a segment.
pub(super) struct Framed {
    pub(super) encoded: Encoded,
    /// The segment knew nothing of the group.
    new: bool,
    pub(super) definitions: bool,
}

/// The one writer of a group.
pub(crate) struct GroupWriter {
    pub(super) db: Arc<Inner>,
    pub(super) group: Arc<Group>,
    pub(super) encoder: GroupEncoder,
    /// Slots and series that the log does not know yet.
    pub(super) new_columns: Vec<(u32, u32)>,
    pub(super) claimed: Claimed,
    /// Rows up to this time are late, or not taken.
    pub(super) newest: TimestampMs,
    /// Whether the newest row is in the log without having been acknowledged, so that nothing may be added to it.
    pub(super) newest_unacknowledged: bool,
    /// Whether the encoder's last row is not quite the newest: samples were added to that, or a slot begins anew.
    pub(super) newest_differs: bool,
    /// Deletions when the newest row was shown: what the encoder has of it may have been deleted since.
    pub(super) deletions: u64,
    /// Start timestamps by slot, as the open segment has them.
    pub(super) starts: HashMap<u32, StartTimestampMs>,
    /// While columns are asked for.
    pub(super) cache: PairCache,
}

impl GroupWriter {
    pub(crate) fn new(db: Arc<Inner>, group: Arc<Group>) -> Self {
        let unacknowledged = group.unacknowledged.load(Ordering::Acquire);
        let shown = group.head().newest;
        let numbered = *group.numbered.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = shown.max(unacknowledged);
        Self {
            db,
            group,
            encoder: GroupEncoder::after(numbered),
            new_columns: Vec::new(),
            claimed: Claimed::default(),
            newest,
            newest_unacknowledged: unacknowledged > TimestampMs::MIN && unacknowledged == newest,
            newest_differs: false,
            deletions: 0,
            starts: HashMap::new(),
            cache: PairCache::default(),
        }
    }

    /// Picks the start timestamps that the log does not have; `all` of them for a new segment.
    fn pick_starts(&self, row: &Row<'_>, all: bool, scratch: &mut Scratch) {
        scratch.starts.clear();
        for (column, start) in row.starts {
            let present = scratch.row.get(column.0 as usize).is_some_and(|bits| *bits != ABSENT_BITS && *bits != STALE_BITS);
            if present && (all || self.starts.get(&column.0) != Some(start)) {
                scratch.starts.push((column.0, *start));
            }
        }
    }

    /// Makes the row's frame for a segment, with what that does not know of the group yet.
    pub(super) fn frame(&mut self, row: &Row<'_>, late: bool, segment: u64, scratch: &mut Scratch) -> Framed {
        scratch.histograms_section.clear();
        if !scratch.histograms.is_empty() {
            put_histograms(&mut scratch.histograms_section, &scratch.histograms);
        }
        let new = self.encoder.is_new_to(segment);
        self.pick_starts(row, new || late, scratch);
        let claimed = if new { Some(self.claimed_columns()) } else { None };
        let columns = claimed.as_deref().unwrap_or(&self.new_columns);
        let definitions = !columns.is_empty();
        scratch.section.clear();
        scratch.unset.clear();
        if definitions {
            put_columns(&mut scratch.section, &self.db.index(), columns);
            scratch.unset.extend(columns.iter().map(|(slot, _)| *slot));
        }
        let Scratch { row: values, all, exemplars, histograms_section, starts, change, section, frame, .. } = &mut *scratch;
        let encoded = self.encoder.encode(
            Frame {
                segment,
                group: (self.group.id, &self.group.key),
                out: &mut *frame,
                time: row.time,
                late,
                row: values,
                all: *all,
                columns: definitions.then_some(section.as_slice()),
                exemplars,
                starts,
                histograms: histograms_section,
            },
            change,
        );
        Framed { encoded, new, definitions }
    }

    /// The frame that was made last is in the log.
    pub(super) fn framed(&mut self, framed: &Framed, late: bool, scratch: &mut Scratch) {
        self.encoder.commit(&scratch.row, &mut scratch.change);
        if framed.new {
            self.starts.clear();
        }
        if !late {
            self.starts.extend(scratch.starts.iter().copied());
        }
        if framed.definitions {
            self.new_columns = Vec::new();
            let bytes = self.encoder.heap_bytes() + self.claimed.bits.capacity() * 8 + self.starts.capacity() * 17 + size_of::<Self>();
            self.group.writer_bytes.store(bytes, Ordering::Relaxed);
        }
    }

    /// The row of this time is in the log, but it will not be acknowledged.
    pub(super) fn leave_unacknowledged(&mut self, time: TimestampMs) {
        (self.newest, self.newest_unacknowledged) = (time, true);
        self.group.unacknowledged.store(time, Ordering::Release);
    }

    /// Writes the row to the log.
    fn log(&mut self, row: &Row<'_>, late: bool, scratch: &mut Scratch) -> Result<(i64, Encoded), AppendError> {
        for _ in 0..SEGMENT_TRIES {
            let segment = self.db.log.current();
            let framed = self.frame(row, late, segment, scratch);
            let write = Write { frame: &mut scratch.frame, segment, definitions: framed.definitions, time: row.time };
            match self.db.log.write(write) {
                Ok(end) => {
                    self.framed(&framed, late, scratch);
                    if self.db.options.wal_sync_ms == 0
                        && let Err(reason) = self.db.log.wait_synced(end)
                    {
                        if !late {
                            self.leave_unacknowledged(row.time);
                        }
                        return Err(AppendError::Failed(reason));
                    }
                    return Ok((stamp(end.segment, end.offset), framed.encoded));
                }
                Err(WriteError::Moved) => {}
                Err(WriteError::Failed(reason)) => return Err(AppendError::Failed(reason)),
            }
        }
        Err(AppendError::Failed(SEGMENTS_TOO_SHORT.to_owned()))
    }

    fn claimed_columns(&self) -> Vec<(u32, u32)> {
        self.group.head().slots.claimed().collect()
    }

    /// Makes the row visible and lets go of series that ended.
    pub(super) fn show_row(&mut self, time: TimestampMs, late: bool, (stamp, encoded): (i64, Encoded), scratch: &Scratch) {
        let mut head = self.group.head();
        if late {
            head.commit_late(time, stamp, &scratch.row, &scratch.histograms);
        } else {
            let Encoded { values, full, presence } = encoded;
            let (unset, histograms) = (scratch.unset.as_slice(), scratch.histograms_section.as_slice());
            let (values, row) = (&scratch.frame[values], Some(scratch.row.as_slice()));
            head.commit_row(Record { time, stamp, full, presence, unset, histograms, values, row });
        }
        for (slot, start) in &scratch.starts {
            let series = head.slots.owners()[*slot as usize];
            head.set_start(series, time, *start);
        }
        for slot in &scratch.stale {
            head.slots.release(*slot);
            self.claimed.unset(*slot as usize);
        }
    }

    /// The row of this time, which is in the log, is the group's newest.
    pub(super) fn advance(&mut self, time: TimestampMs) {
        self.newest_differs = self.newest == time;
        self.deletions = self.db.limits.deletions.load(Ordering::Relaxed);
        self.newest = time;
        self.newest_unacknowledged = false;
    }

    /// Picks the exemplars that are not kept yet.
    pub(super) fn pick_exemplars(&self, row: &Row<'_>, scratch: &mut Scratch) {
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

    pub(super) fn keep_exemplars(&self, scratch: &mut Scratch) {
        if !scratch.exemplars.is_empty() {
            let mut kept = self.db.exemplars();
            let picked = scratch.exemplar_series.drain(..).zip(scratch.exemplars.drain(..));
            picked.for_each(|(series, (_, exemplar))| kept.push(series, exemplar));
        }
    }

    /// Looks at a row and lays out what is new of it. Nothing of it goes to the log if the scratch has no value then.
    pub(super) fn begin(&mut self, row: &Row<'_>, scratch: &mut Scratch) -> Result<AppendReport, AppendError> {
        scratch.row.clear();
        scratch.all = false;
        if let Some(report) = self.refuse_by_time(row) {
            return Ok(report);
        }
        self.room_for(row)?;
        self.cache.clear();
        self.lay_out(row, scratch)?;
        if row.time <= self.newest {
            return self.keep_what_is_new(row, scratch);
        }
        Ok(AppendReport { accepted: (row.columns.len() + row.histograms.len()) as u64, ..AppendReport::default() })
    }

    /// Whether a row of this time is not one at the group's end.
    pub(super) fn is_late(&self, time: TimestampMs) -> bool {
        // The newest row may be in a page already; what is added to it then is late.
        time < self.newest || (time == self.newest && self.group.head().open.is_empty())
    }

    fn append_with(&mut self, row: &Row<'_>, scratch: &mut Scratch) -> Result<AppendReport, AppendError> {
        let report = self.begin(row, scratch)?;
        if scratch.all || scratch.row.iter().any(|bits| *bits != ABSENT_BITS) {
            self.pick_exemplars(row, scratch);
            let db = Arc::clone(&self.db);
            let _appending = db.appending();
            let late = self.is_late(row.time);
            let logged = self.log(row, late, scratch)?;
            self.show_row(row.time, late, logged, scratch);
            if !late {
                self.advance(row.time);
            }
            self.keep_exemplars(scratch);
        }
        Ok(report)
    }

    pub(super) fn count(&self, report: AppendReport) -> AppendReport {
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

    /// The column of a series, within the limits on new series or past them.
    fn claim(&mut self, labels: &LabelSet, limited: bool) -> Result<ColumnId, ColumnError> {
        // Keeps the collection of unused series away until the slot is claimed.
        let _gate = self.db.new_columns();
        let series = self.db.series_of(labels, &mut self.cache, limited)?;
        let (hint, mut shared) = {
            let index = self.db.index();
            (index.slot(series, self.group.id), index.is_shared(series))
        };
        let (slot, fresh) = self.group.head().slots.claim(series, hint);
        if hint != Some(slot) {
            let mut index = self.db.index_mut();
            index.set_place(series, Place { group: self.group.id, slot });
            // Of two groups that get it at once, the later one sees both.
            shared = index.is_shared(series);
        }
        if fresh && shared {
            self.db.mark_shared(series);
        }
        if fresh {
            self.claimed.set(slot as usize);
            self.starts.remove(&slot);
            self.newest_differs = true;
            self.encoder.unset(slot as usize);
            self.new_columns.push((slot, series));
        }
        Ok(ColumnId(slot))
    }
}

impl GroupAppend for GroupWriter {
    fn column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError> {
        self.claim(labels, true)
    }

    fn report_column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError> {
        self.claim(labels, false)
    }

    fn newest(&self) -> TimestampMs {
        self.newest
    }

    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError> {
        let mut scratch = self.db.take_scratch();
        let result = self.append_with(&row, &mut scratch);
        self.db.give_scratch(scratch);
        result.map(|report| self.count(report))
    }
}

impl Drop for GroupWriter {
    fn drop(&mut self) {
        *self.group.numbered.lock().unwrap_or_else(PoisonError::into_inner) = self.encoder.numbered();
        self.group.end_writing();
    }
}

/// A place in the log as a number that orders rows of all groups.
pub(crate) fn stamp(segment: u64, offset: u64) -> i64 {
    ((segment << 36) | (offset & ((1 << 36) - 1))) as i64
}

impl Inner {
    pub(super) fn take_scratch(&self) -> Scratch {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(super) fn give_scratch(&self, mut scratch: Scratch) {
        for buffer in [&mut scratch.frame, &mut scratch.section, &mut scratch.histograms_section] {
            if buffer.capacity() > SCRATCH_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
        scratch.change.shrink();
        let mut kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < SCRATCHES_MAX {
            kept.push(scratch);
        }
    }
}
