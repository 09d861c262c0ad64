//! From the head to blocks.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use model::seams::{Exemplar, TailPosition};
use model::{ABSENT_BITS, TimeRange, TimestampMs};

use super::blocks::{open_block, position_of};
use super::covered::{self, Covered};
use super::first_written::FirstWritten;
use super::{files, plan};
use crate::block::{BlockMeta, BlockSource, BlockWriter, Column, file_name};
use crate::db::Inner;
use crate::head::cut::{CutColumn, GroupCut};
use crate::head::group::Group;
use crate::head::writer::stamp;

/// Longest that a flush waits for selections which began before it.
const QUERIES_WAIT: Duration = Duration::from_secs(30);

/// Up to so many samples are not worth a block of their own for each range.
const FEW_CELLS: usize = 10_000;

/// Cells of series in several groups that are decoded at a time, about.
const FIRSTS_CELLS: usize = 1 << 18;

/// What flushing keeps between two times.
#[derive(Default)]
pub(crate) struct Flush {
    pub(crate) covered: Covered,
    /// The file of it lacks something.
    pub(crate) covered_dirty: bool,
    /// The oldest segment that is there and could not be read at the start.
    unread: Option<u64>,
    /// What is known of segments before this one was forgotten.
    forgot_before: Option<u64>,
    /// Up to which closed range the head was flushed.
    pub(crate) flushed_to: Option<TimestampMs>,
    /// Rows that are in a block, and stay in the head until no query needs them there.
    leaving: Vec<Leaving>,
}

/// Rows of groups that become a block.
pub(crate) type Cuts = Vec<(Arc<Group>, GroupCut)>;

struct Leaving {
    queries: Weak<()>,
    cuts: Cuts,
}

/// Held while something is selected: rows that are not in the blocks it sees stay in the head until it has them.
#[derive(Default)]
pub(crate) struct Pins(Mutex<Arc<()>>);

impl Pins {
    pub(crate) fn pin(&self) -> Arc<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Selections from now on do not count. Those before do for as long as the answer can be upgraded.
    fn turn(&self) -> Weak<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::downgrade(&std::mem::take(&mut *held))
    }
}

impl Flush {
    pub(crate) fn new(covered: Covered, covered_dirty: bool, unread: Option<u64>) -> Self {
        Self { covered, covered_dirty, unread, ..Self::default() }
    }
}

/// Why the head's rows did not become a block.
pub(crate) type FlushError = String;

impl Inner {
    pub(crate) fn flush_state(&self) -> MutexGuard<'_, Flush> {
        // Each step leaves it true.
        self.flush.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes blocks of the rows before `end`, one for each range that has any. Returns how many. Each range comes once: rows that are
    /// written to it meanwhile wait for the next call, or a sender that catches up would keep this going, a tiny block at a time. Rows may
    /// stay in the head beside their block for as long as queries run that began before.
    pub(crate) fn flush_before(&self, flush: &mut Flush, end: TimestampMs) -> Result<u64, FlushError> {
        let (mut blocks, mut done) = (0, TimestampMs::MIN);
        loop {
            self.let_leave(flush);
            self.keep_covered(flush)?;
            if !flush.leaving.is_empty() {
                // A range at a time: what is leaving must not be written again.
                return Ok(blocks);
            }
            let Some(range_end) = self.next_range_end(done, end) else { return Ok(blocks) };
            if !self.flush_range(flush, range_end)? {
                return Ok(blocks);
            }
            (blocks, done) = (blocks + 1, range_end);
        }
    }

    /// Like [`Inner::flush_before`], and returns only when all rows before `end` that there were at the call have left the head. Those
    /// that come meanwhile need not: there may always be some.
    pub(crate) fn flush_wholly(&self, flush: &mut Flush, end: TimestampMs) -> Result<u64, FlushError> {
        let begun = Instant::now();
        let newest = self.groups().iter().map(|group| group.head().newest).max().unwrap_or(TimestampMs::MIN);
        let end = end.min(newest.saturating_add(1));
        let (mut blocks, mut done) = (0, TimestampMs::MIN);
        loop {
            self.let_leave(flush);
            self.keep_covered(flush)?;
            if flush.leaving.is_empty() {
                let Some(range_end) = self.next_range_end(done, end) else { return Ok(blocks) };
                if !self.flush_range(flush, range_end)? {
                    return Ok(blocks);
                }
                (blocks, done) = (blocks + 1, range_end);
                continue;
            }
            if begun.elapsed() > QUERIES_WAIT {
                return Err("a query that began before holds the newest samples; try again when it has ended".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Notes that of the log up to a place, to where all was visible, no row before `end` is needed any more, if the head has none:
    /// blocks have it, or it was dropped.
    pub(crate) fn cover(&self, flush: &mut Flush, end: TimestampMs, position: TailPosition) {
        let in_log = self.log.segments().keys().next().is_some_and(|oldest| *oldest <= position.segment);
        if in_log && self.head_time_min().is_none_or(|first| first >= end) {
            flush.covered_dirty |= flush.covered.add(end, position);
        }
    }

    /// Where the range of the oldest row from `done` on ends, or `end` if that is before. Few samples, as of a sender that has one for each
    /// of many ranges, are not worth a block for each: they share one of a range that blocks would be merged to anyway.
    fn next_range_end(&self, done: TimestampMs, end: TimestampMs) -> Option<TimestampMs> {
        let first = self.groups().iter().filter_map(|group| group.head().first_from(done)).min().filter(|first| *first < end)?;
        let range_end = first.div_euclid(self.options.block_ms).saturating_add(1).saturating_mul(self.options.block_ms);
        let longer = plan::ranges(self.options.block_ms, self.retention_ms()).into_iter().skip(1);
        let shared = longer.map(|range| first.div_euclid(range).saturating_add(1).saturating_mul(range));
        let shared = shared.take_while(|shared| *shared <= end && self.cells_before(*shared) <= FEW_CELLS).last();
        Some(shared.unwrap_or(range_end).min(end))
    }

    /// Samples of the head before a time, at most.
    fn cells_before(&self, time: TimestampMs) -> usize {
        self.groups().iter().map(|group| group.head().cells_before(time)).sum()
    }

    /// The oldest row's time.
    pub(crate) fn head_time_min(&self) -> Option<TimestampMs> {
        self.groups().iter().filter_map(|group| group.head().time_min()).min()
    }

    /// Makes a block of the rows before `end`. No if there are none.
    fn flush_range(&self, flush: &mut Flush, end: TimestampMs) -> Result<bool, FlushError> {
        let position = self.visible_end();
        let sequence = self.blocks.take_sequence();
        let flushed = Some((end, stamp(position.segment, position.offset) as u64));
        let source = BlockSource { sequence, level: 1, sources: vec![sequence], flushed, database: flush.covered.database() };
        let begun = Instant::now();
        let (meta, cuts) = self.write_head(&self.blocks.dir, source, end)?;
        let Some(meta) = meta else { return Ok(false) };
        let path = self.blocks.dir.join(file_name(sequence));
        let loaded = open_block(&self.disk, path.clone()).map_err(|error| {
            // It was never shown, and the head has all of it.
            let _ = self.disk.remove(&path);
            format!("a block that was just written does not open: {error}")
        })?;
        self.counters.flushes.add(1);
        self.counters.flush_samples.add(meta.samples);
        self.counters.flush_nanos.add(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        self.blocks.replace(&[], vec![Arc::new(loaded)]);
        flush.covered_dirty |= flush.covered.add(end, position_of(stamp(position.segment, position.offset) as u64));
        flush.leaving.push(Leaving { queries: self.pins.turn(), cuts });
        self.let_leave(flush);
        if let Err(error) = self.keep_covered(flush) {
            // The block itself says what it covers; until the file does too, no block is removed.
            tracing::warn!("{error}");
        }
        Ok(true)
    }

    /// Drops from the head what is in blocks, once no query needs it there.
    pub(crate) fn let_leave(&self, flush: &mut Flush) {
        flush.leaving.retain(|leaving| {
            if leaving.queries.strong_count() > 0 {
                return true;
            }
            self.limits.rows_left.store(true, std::sync::atomic::Ordering::Relaxed);
            for (group, cut) in &leaving.cuts {
                if group.drop_cut(cut).is_err() {
                    tracing::error!(group = %group.key, "a page of samples in memory does not decode; the machine's memory may be faulty");
                }
            }
            false
        });
    }

    /// Brings to disk what is covered, and removes the segments of the log that nobody needs any more.
    pub(crate) fn keep_covered(&self, flush: &mut Flush) -> Result<u64, FlushError> {
        if flush.covered_dirty {
            let path = self.blocks.dir.join(covered::FILE);
            files::replace(self.disk.as_ref(), &path, &flush.covered.encode())
                .map_err(|error| format!("cannot write {}: {error}; it is tried again", path.display()))?;
            flush.covered_dirty = false;
        }
        let removed = self
            .log
            .remove_covered(&flush.covered)
            .map_err(|error| format!("cannot remove a segment of the log whose rows are in blocks: {error}; it is tried again"))?;
        if let Some(oldest) = self.log.segments().keys().next().copied().filter(|oldest| flush.forgot_before != Some(*oldest)) {
            // Only once the removal outlasts a power cut: a segment that comes back without what is known of it brings back what was deleted.
            match self.disk.sync_dir(&self.log.dir) {
                Ok(()) => {
                    // Nor of one that could not be read at the start: the next start may.
                    flush.covered.forget_before(flush.unread.map_or(oldest, |unread| unread.min(oldest)));
                    flush.forgot_before = Some(oldest);
                }
                Err(error) => tracing::debug!(%error, "cannot sync the directory of the log; what is known of removed segments is kept"),
            }
        }
        Ok(removed as u64)
    }

    /// Writes a block of the head's rows before `end` into a directory. Without rows there is none.
    pub(crate) fn write_head(&self, dir: &Path, source: BlockSource, end: TimestampMs) -> Result<(Option<BlockMeta>, Cuts), FlushError> {
        let mut cuts = Vec::new();
        for group in self.groups() {
            let cut = group.cut(end).map_err(|_| page_damaged(&group))?;
            if let Some(cut) = cut {
                cuts.push((group, cut));
            }
        }
        if self.index().has_shared() {
            // What was logged before any sample of the cuts, be it by a group whose cut came before it, is visible from here on: so it is
            // known whose sample of a time was the first.
            self.visible_end();
        }
        let Some(first) = cuts.iter().filter_map(|(_, cut)| cut.times().first()).min().copied() else {
            return Ok((None, cuts));
        };
        // By key, as merging does.
        cuts.sort_by(|a, b| a.0.key.cmp(&b.0.key));
        let failed =
            |error: std::io::Error| format!("cannot write a block in {}: {error}; the samples stay in head and log", dir.display());
        let mut exemplars = self.exemplars().by_series(TimeRange { start: first, end: end.saturating_sub(1) });
        let mut writer = BlockWriter::create(Arc::clone(&self.disk), dir, source).map_err(failed)?;
        for (group, cut) in &cuts {
            self.write_group(&mut writer, group, cut, &mut exemplars)?.map_err(failed)?;
        }
        let meta = writer.finish().map_err(failed)?;
        Ok((Some(meta), cuts))
    }

    fn write_group(
        &self,
        writer: &mut BlockWriter,
        group: &Arc<Group>,
        cut: &GroupCut,
        exemplars: &mut HashMap<u32, Vec<Exemplar>>,
    ) -> Result<std::io::Result<()>, FlushError> {
        let mut begun = false;
        let mut column = CutColumn::default();
        let stretch = (FIRSTS_CELLS / cut.times().len().max(1)).max(1);
        let mut firsts = FirstWritten::default();
        for (at, series) in cut.series().iter().enumerate() {
            cut.column(at, &mut column).map_err(|_| page_damaged(group))?;
            if at.is_multiple_of(stretch) {
                let some = cut.series().iter().skip(at).take(stretch);
                let index = self.index();
                let shared: Vec<u32> = some.copied().filter(|series| index.is_shared(*series)).collect();
                drop(index);
                firsts = FirstWritten::of(self, &shared, cut.times())?;
            }
            firsts.keep(group.id, *series, cut.times(), &mut column);
            let labels = self.index().labels(*series);
            if column.bits.iter().all(|bits| *bits == ABSENT_BITS) {
                continue;
            }
            if !begun && let Err(error) = writer.begin_group(&group.key, cut.times()) {
                return Ok(Err(error));
            }
            begun = true;
            let exemplars = exemplars.remove(series).unwrap_or_default();
            let written = writer.column(&Column {
                labels: &labels,
                bits: &column.bits,
                histograms: &column.histograms,
                starts: &column.starts,
                exemplars: &exemplars,
            });
            if written.is_err() {
                return Ok(written);
            }
        }
        Ok(if begun { writer.end_group() } else { Ok(()) })
    }
}

pub(super) fn page_damaged(group: &Group) -> FlushError {
    format!("a page of samples of {} in memory does not decode; the machine's memory may be faulty; the samples stay in the log", group.key)
}
