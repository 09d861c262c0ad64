//! Writing to a group: check, log, then show.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use model::seams::{AppendError, AppendReport, ColumnError, ColumnId, Exemplar, GroupAppend, Row};
use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, LabelSet, STALE_BITS, StartTimestampMs, TimeRange, TimestampMs};

use super::group::Group;
use super::read::View;
use super::rows::Record;
use crate::column::bits::get;
use crate::column::storable_bits;
use crate::db::Inner;
use crate::index::{PairCache, Place};
use crate::wal::log::{Write, WriteError};
use crate::wal::payload::{Encoded, Frame, GroupEncoder};
use crate::wal::row::RowChange;
use crate::wal::sections::{put_columns, put_histograms};

/// Tries to encode for a segment that is still open when it is written. Segments end every 64 MiB, so one is enough but for
/// tests with tiny ones.
const SEGMENT_TRIES: usize = 1000;

/// Buffers of one append, shared by all groups: rows are short-lived, and a group's is as long as the group is wide.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The row by slot.
    row: Vec<u64>,
    /// It has no absent slot.
    all: bool,
    /// Slots whose series ends.
    stale: Vec<u32>,
    /// Exemplars that are not kept yet, by slot, and the series of each.
    exemplars: Vec<(u32, Exemplar)>,
    exemplar_series: Vec<u32>,
    /// By slot, ascending.
    histograms: Vec<(u32, Arc<Histogram>)>,
    /// Those as a section of the log.
    histograms_section: Vec<u8>,
    starts: Vec<(u32, StartTimestampMs)>,
    /// Slots that this frame defines.
    unset: Vec<u32>,
    change: RowChange,
    section: Vec<u8>,
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
    claimed: Claimed,
    /// Rows up to this time are late, or not taken.
    newest: TimestampMs,
    /// Whether the newest row is in the log without having been acknowledged, so that nothing may be added to it.
    newest_unacknowledged: bool,
    /// Whether the encoder's last row is not quite the newest: samples were added to that, or a slot begins anew.
    newest_differs: bool,
    /// Start timestamps by slot, as the open segment has them.
    starts: HashMap<u32, StartTimestampMs>,
    /// While columns are asked for.
    cache: PairCache,
}

/// Which slots are open.
#[derive(Default)]
struct Claimed {
    bits: Vec<u64>,
    width: usize,
    count: usize,
}

impl Claimed {
    fn has(&self, slot: usize) -> bool {
        self.bits.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    fn set(&mut self, slot: usize) {
        self.width = self.width.max(slot + 1);
        self.bits.resize(self.width.div_ceil(64), 0);
        self.count += usize::from(!self.has(slot));
        self.bits[slot / 64] |= 1 << (slot % 64);
    }

    fn unset(&mut self, slot: usize) {
        self.count -= usize::from(self.has(slot));
        self.bits[slot / 64] &= !(1 << (slot % 64));
    }
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
            claimed: Claimed::default(),
            newest,
            newest_unacknowledged: unacknowledged > TimestampMs::MIN && unacknowledged == newest,
            newest_differs: false,
            starts: HashMap::new(),
            cache: PairCache::default(),
        }
    }

    /// Refuses a row by its time alone.
    fn refuse_by_time(&self, row: &Row<'_>) -> Option<AppendReport> {
        let (samples, options) = ((row.columns.len() + row.histograms.len()) as u64, &self.db.options);
        let now = options.clock.now();
        if row.time > now.saturating_add(options.future_max_ms) {
            return Some(AppendReport { too_new: samples, ..AppendReport::default() });
        }
        if self.db.retention_ms() > 0 && row.time < now.saturating_sub(self.db.retention_ms()) {
            return Some(AppendReport { too_old: samples, ..AppendReport::default() });
        }
        let oldest = self.newest.saturating_sub(options.out_of_order_window_ms);
        if row.time < oldest || (row.time == self.newest && self.newest_unacknowledged) {
            return Some(AppendReport { out_of_order: samples, ..AppendReport::default() });
        }
        None
    }

    /// Lays the values out by slot, and notes which series end.
    fn lay_out(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<(), AppendError> {
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
    fn keep_what_is_new(&self, row: &Row<'_>, scratch: &mut Scratch) -> Result<AppendReport, AppendError> {
        let mut report = AppendReport::default();
        let slots: Vec<u32> = row.columns.iter().chain(row.histograms.iter().map(|(column, _)| column)).map(|column| column.0).collect();
        let view = match self.encoder.last_row() {
            // What the encoder has is the newest row only if nothing was added to that later.
            Some((time, ..)) if time == row.time && !self.newest_differs && scratch.histograms.is_empty() => None,
            _ => {
                let wanted = {
                    let head = self.group.head();
                    let owners = head.slots.owners();
                    slots.iter().map(|slot| (owners[*slot as usize], *slot)).collect()
                };
                let view = View::new(&self.group, wanted, TimeRange { start: row.time, end: row.time });
                let read = view.read().map_err(|_| AppendError::Failed("a row in memory does not decode".to_owned()))?;
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

    /// Writes the row to the log, with what the open segment does not know of the group yet.
    fn log(&mut self, row: &Row<'_>, late: bool, scratch: &mut Scratch) -> Result<(i64, Encoded), AppendError> {
        scratch.histograms_section.clear();
        if !scratch.histograms.is_empty() {
            put_histograms(&mut scratch.histograms_section, &scratch.histograms);
        }
        for _ in 0..SEGMENT_TRIES {
            let segment = self.db.log.current();
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
            match self.db.log.write(Write { frame, segment, definitions, time: row.time }) {
                Ok(end) => {
                    self.encoder.commit(values, change);
                    if new {
                        self.starts.clear();
                    }
                    if !late {
                        self.starts.extend(starts.iter().copied());
                    }
                    if definitions {
                        self.new_columns = Vec::new();
                        let bytes =
                            self.encoder.heap_bytes() + self.claimed.bits.capacity() * 8 + self.starts.capacity() * 17 + size_of::<Self>();
                        self.group.writer_bytes.store(bytes, Ordering::Relaxed);
                    }
                    if self.db.options.wal_sync_ms == 0
                        && let Err(reason) = self.db.log.wait_synced(end)
                    {
                        if !late {
                            (self.newest, self.newest_unacknowledged) = (row.time, true);
                            self.group.unacknowledged.store(row.time, Ordering::Release);
                        }
                        return Err(AppendError::Failed(reason));
                    }
                    return Ok((stamp(end.segment, end.offset), encoded));
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

    /// Makes the row visible and lets go of series that ended.
    fn show(&mut self, time: TimestampMs, late: bool, (stamp, encoded): (i64, Encoded), scratch: &Scratch) {
        let mut head = self.group.head();
        if late {
            head.commit_late(time, stamp, &scratch.row, &scratch.histograms);
        } else {
            let Encoded { values, full, presence } = encoded;
            let (unset, histograms) = (scratch.unset.as_slice(), scratch.histograms_section.as_slice());
            head.commit_row(Record { time, stamp, full, presence, unset, histograms, values: &scratch.frame[values] });
        }
        for (slot, start) in &scratch.starts {
            let series = head.slots.owners()[*slot as usize];
            head.set_start(series, time, *start);
        }
        for slot in &scratch.stale {
            head.slots.release(*slot);
            self.claimed.unset(*slot as usize);
        }
        drop(head);
        if !late {
            self.newest_differs = self.newest == time;
            self.newest = time;
            self.newest_unacknowledged = false;
        }
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
        let report = if row.time <= self.newest {
            self.keep_what_is_new(row, scratch)?
        } else {
            AppendReport { accepted: (row.columns.len() + row.histograms.len()) as u64, ..AppendReport::default() }
        };
        if scratch.all || scratch.row.iter().any(|bits| *bits != ABSENT_BITS) {
            self.pick_exemplars(row, scratch);
            let db = Arc::clone(&self.db);
            let _appending = db.appending();
            // The newest row may be in a page already; what is added to it then is late.
            let late = row.time < self.newest || (row.time == self.newest && self.group.head().open.is_empty());
            let logged = self.log(row, late, scratch)?;
            self.show(row.time, late, logged, scratch);
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
        let series = self.db.series_of(labels, &mut self.cache)?;
        let hint = self.db.index().slot(series, self.group.id);
        let (slot, fresh) = self.group.head().slots.claim(series, hint);
        if hint != Some(slot) {
            self.db.index_mut().set_place(series, Place { group: self.group.id, slot });
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

    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError> {
        if let Some(report) = self.refuse_by_time(&row) {
            return Ok(self.count(report));
        }
        self.cache.clear();
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
        for buffer in [&mut scratch.frame, &mut scratch.section, &mut scratch.histograms_section] {
            if buffer.capacity() > SCRATCH_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
        scratch.change.shrink();
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}
