//! From the log back to the head.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use model::TimestampMs;
use model::seams::TailPosition;

use crate::column::bytes::Reader;
use crate::db::Groups;
use crate::disk::Disk;
use crate::error::{OpenError, RecoveryProgress, RecoveryReport};
use crate::exemplars::Exemplars;
use crate::head::group::Group;
use crate::head::rows::Record;
use crate::head::slots::NO_SERIES;
use crate::head::writer::stamp;
use crate::index::{Index, Place};
use crate::wal::decode::{DecodedRow, SegmentDecoder, Unreadable};
use crate::wal::frame::{
    FRAME_HEADER_BYTES, Frames, SEGMENT_HEADER_BYTES, SegmentHeader, Step, damage, read_segment_header, segment_name, segment_number,
};
use crate::wal::log::ClosedSegment;
use crate::wal::row::RowState;

/// What the log held.
pub(crate) struct Recovered {
    pub(crate) index: Index,
    pub(crate) groups: Groups,
    pub(crate) segments: BTreeMap<u64, ClosedSegment>,
    pub(crate) last_number: u64,
    /// The oldest segment that is there and could not be read: a later start may.
    pub(crate) unread: Option<u64>,
    pub(crate) report: RecoveryReport,
    pub(crate) exemplars: Exemplars,
}

/// What a block took out of the head: rows with a time before `time_end` whose frames end at `position` or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flushed {
    pub(crate) time_end: TimestampMs,
    pub(crate) position: TailPosition,
}

/// Reads all segments in `dir`, oldest first, and leaves out what was flushed. At most `exemplars_max` exemplars are kept.
pub(crate) fn recover(
    disk: &dyn Disk,
    dir: &Path,
    flushed: &[Flushed],
    exemplars_max: usize,
    progress: &mut dyn FnMut(RecoveryProgress),
) -> Result<Recovered, OpenError> {
    let began = Instant::now();
    let mut recovery = Recovery::new(flushed, exemplars_max);
    let mut numbers = Vec::new();
    let names = disk.list(dir).map_err(|error| OpenError::Io { action: format!("list {}", dir.display()), error })?;
    for name in names {
        match segment_number(&name) {
            Some(number) => numbers.push(number),
            None => recovery.report.foreign_files.push(name),
        }
    }
    numbers.sort_unstable();
    recovery.report.foreign_files.sort();
    let bytes_total = numbers.iter().filter_map(|number| disk.open(&dir.join(segment_name(*number))).ok()?.size().ok()).sum();
    progress(RecoveryProgress { bytes_read: 0, bytes_total });
    for (at, &number) in numbers.iter().enumerate() {
        recovery.segment(disk, dir, number, at + 1 == numbers.len())?;
        progress(RecoveryProgress { bytes_read: recovery.report.bytes, bytes_total });
    }
    for group in recovery.groups.all() {
        group.end_writing();
    }
    recovery.forget_unused();
    recovery.report.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Recovered {
        index: recovery.index,
        groups: recovery.groups,
        segments: recovery.segments,
        // Not the number of a segment that is gone but of which blocks say that they have all up to some place: they would seem to have
        // the new one's rows.
        last_number: numbers.last().copied().into_iter().chain(flushed.iter().map(|f| f.position.segment)).max().unwrap_or(0),
        unread: recovery.unread,
        report: recovery.report,
        exemplars: recovery.exemplars,
    })
}

/// A group of the segment that is being read.
struct Member {
    group: Arc<Group>,
    /// The state after rows that were left out.
    skipped: Option<RowState>,
}

struct Recovery {
    index: Index,
    groups: Groups,
    segments: BTreeMap<u64, ClosedSegment>,
    /// Lengths of the files that were there, as they were found.
    file_bytes: BTreeMap<u64, u64>,
    report: RecoveryReport,
    exemplars: Exemplars,
    /// By position, each with the greatest end of those from it on.
    flushed: Vec<Flushed>,
    rows_flushed: u64,
    unread: Option<u64>,
}

impl Recovery {
    fn new(flushed: &[Flushed], exemplars_max: usize) -> Self {
        let mut flushed = flushed.to_vec();
        flushed.sort_unstable_by_key(|flushed| flushed.position);
        let mut time_end = TimestampMs::MIN;
        for flushed in flushed.iter_mut().rev() {
            time_end = time_end.max(flushed.time_end);
            flushed.time_end = time_end;
        }
        Self {
            flushed,
            rows_flushed: 0,
            unread: None,
            index: Index::default(),
            groups: Groups::default(),
            segments: BTreeMap::new(),
            file_bytes: BTreeMap::new(),
            report: RecoveryReport::default(),
            exemplars: Exemplars::new(exemplars_max),
        }
    }

    fn segment(&mut self, disk: &dyn Disk, dir: &Path, number: u64, newest: bool) -> Result<(), OpenError> {
        let path = dir.join(segment_name(number));
        let bytes = match read_file(disk, &path) {
            Ok(bytes) => bytes,
            Err(error) => {
                // The other segments do not need this one.
                self.report.damage.push(damage(number, 0, 0, &format!("cannot be read: {error}")));
                self.file_bytes.insert(number, u64::MAX);
                self.unread.get_or_insert(number);
                return Ok(());
            }
        };
        self.report.segments += 1;
        self.report.bytes += bytes.len() as u64;
        self.file_bytes.insert(number, bytes.len() as u64);
        match read_segment_header(&bytes, number) {
            SegmentHeader::Good(previous) => self.check_previous(previous),
            SegmentHeader::Version(version) => return Err(OpenError::Version { file: path, version }),
            SegmentHeader::Damaged if newest && bytes.len() <= SEGMENT_HEADER_BYTES => {
                // Begun, but the power was faster.
                return self.cut_tail(disk, &path, number, 0, bytes.len() as u64);
            }
            // Begun on a disk that then refused, and so given up. If it was more once, the header of the next one knows.
            SegmentHeader::Damaged if bytes.len() < SEGMENT_HEADER_BYTES => {
                if bytes.is_empty() {
                    self.remove_empty(disk, &path, number);
                }
                return Ok(());
            }
            SegmentHeader::Damaged => {
                let end = bytes.len().min(SEGMENT_HEADER_BYTES) as u64;
                self.report.damage.push(damage(number, 0, end, "the header is not that of a segment"));
            }
        }
        let frames = bytes.get(SEGMENT_HEADER_BYTES..).unwrap_or_default();
        let (end, time_max) = self.frames(Frames::new(frames, number, SEGMENT_HEADER_BYTES as u64), number);
        // A file without a single record may be somebody else's: the retention must not remove it.
        if end > SEGMENT_HEADER_BYTES as u64 {
            self.segments.insert(number, ClosedSegment { bytes: end, time_max });
        }
        if newest && end < bytes.len() as u64 {
            self.cut_tail(disk, &path, number, end, bytes.len() as u64)?;
        } else if end < bytes.len() as u64 {
            self.report.damage.push(damage(number, end, bytes.len() as u64, "no readable record up to the end"));
        } else if newest && end == SEGMENT_HEADER_BYTES as u64 {
            self.remove_empty(disk, &path, number);
        }
        Ok(())
    }

    /// Notices when the segment before is missing, or its end. One that is older than all others was removed by the retention.
    fn check_previous(&mut self, previous: Option<TailPosition>) {
        let Some(TailPosition { segment, offset }) = previous else {
            return;
        };
        match self.file_bytes.get(&segment) {
            Some(bytes) if *bytes < offset => self.report.damage.push(damage(segment, *bytes, offset, "the end of the file is missing")),
            // Nor is one missed whose rows blocks have, though an older one be there.
            None if self.file_bytes.range(..segment).next().is_some()
                && !self.flushed.iter().any(|f| f.position >= TailPosition { segment, offset }) =>
            {
                self.report.damage.push(damage(segment, 0, offset, "the file is missing"))
            }
            _ => {}
        }
    }

    /// Takes the frames over. Returns where the last good one ends, and the newest row's time.
    fn frames(&mut self, frames: Frames<'_>, number: u64) -> (u64, TimestampMs) {
        let mut decoder = SegmentDecoder::without_values();
        let mut groups: HashMap<u32, Member> = HashMap::new();
        let (mut end, mut time_max) = (SEGMENT_HEADER_BYTES as u64, TimestampMs::MIN);
        let mut gap = None;
        for step in frames {
            match step {
                Step::Damage { start, end } => gap = Some((start, end)),
                Step::Payload { offset, payload } => {
                    if let Some((start, end)) = gap.take() {
                        self.report.damage.push(damage(number, start, end, "no readable record"));
                    }
                    end = offset + (FRAME_HEADER_BYTES + payload.len()) as u64;
                    match decoder.decode(payload) {
                        Ok(row) => {
                            time_max = time_max.max(row.time);
                            self.row(&mut groups, &row, TailPosition { segment: number, offset: end });
                        }
                        Err(Unreadable::OutOfStep) => self.report.rows_unreadable += 1,
                        Err(Unreadable::Malformed) => {
                            self.report.damage.push(damage(
                                number,
                                offset,
                                end,
                                "the record's content makes no sense, though its checksum is right",
                            ));
                        }
                    }
                }
            }
        }
        (end, time_max)
    }

    /// Whether a row is in a block.
    fn is_flushed(&self, time: TimestampMs, end: TailPosition) -> bool {
        let at = self.flushed.partition_point(|flushed| flushed.position < end);
        self.flushed.get(at).is_some_and(|flushed| time < flushed.time_end)
    }

    /// Series all of whose rows are in blocks are not the head's.
    fn forget_unused(&mut self) {
        if self.rows_flushed == 0 {
            return;
        }
        let mut live = HashSet::new();
        self.groups.all().for_each(|group| group.head().collect_live(&mut live));
        if live.len() < self.index.len() {
            self.index.retain(|series| live.contains(&series));
            self.groups.all().for_each(|group| group.head().vacate_where(|series| !live.contains(&series)));
        }
    }

    fn row(&mut self, groups: &mut HashMap<u32, Member>, row: &DecodedRow<'_>, end: TailPosition) {
        if let Some(key) = row.key {
            groups.insert(row.group, Member { group: self.groups.find_or_insert(key), skipped: None });
        }
        let Some(member) = groups.get_mut(&row.group) else {
            self.report.rows_unreadable += 1;
            return;
        };
        let mut head = member.group.head();
        let mut shared = Vec::new();
        let mut unset = Vec::new();
        let symbols: Vec<u32> = row.columns.strings.iter().map(|text| self.index.intern(text)).collect();
        for (slot, labels) in row.columns.iter() {
            // The writer leaves out what has no value; who else wrote it may not.
            let labels = labels.iter().filter(|(_, value)| !row.columns.strings[*value as usize].is_empty());
            let series = self.index.find_or_insert_symbols(labels.map(|(name, value)| (symbols[*name as usize], symbols[*value as usize])));
            let before = self.index.slot(series, member.group.id);
            head.assign(slot, series, before);
            if before != Some(slot) {
                self.index.set_place(series, Place { group: member.group.id, slot });
            }
            unset.push(slot);
            if self.index.is_shared(series) {
                shared.push(series);
            }
        }
        if !shared.is_empty() {
            // The same order of things as in the writer: before the row.
            drop(head);
            for series in shared {
                for Place { group, slot } in self.index.places(series) {
                    if let Some(group) = self.groups.get(group) {
                        group.head().slots.share(slot, series);
                    }
                }
            }
            head = member.group.head();
        }
        for (slot, exemplar) in &row.exemplars {
            if let Some(series) = head.slots.owners().get(*slot as usize).filter(|series| **series != NO_SERIES) {
                self.exemplars.push(*series, exemplar.clone());
            }
        }
        for (slot, start) in &row.starts {
            if let Some(series) = head.slots.owners().get(*slot as usize).copied().filter(|series| *series != NO_SERIES) {
                head.set_start(series, row.time, *start);
            }
        }
        let (flushed, stamp) = (self.is_flushed(row.time, end), stamp(end.segment, end.offset));
        self.rows_flushed += u64::from(flushed);
        if !flushed {
            self.report.rows += 1;
            self.report.samples += row.samples;
        }
        if row.late {
            if !flushed {
                head.commit_late(row.time, stamp, row.values, &row.histograms);
            }
            return;
        }
        let record = Record {
            time: row.time,
            stamp,
            full: row.full,
            presence: row.presence,
            unset: &unset,
            histograms: row.histograms_section,
            values: row.encoded,
            row: None,
        };
        if flushed {
            // Rows that follow may build on it.
            if row.full {
                member.skipped = Some(RowState::default());
            }
            if let Some(state) = &mut member.skipped {
                unset.iter().for_each(|slot| state.unset(*slot as usize));
                if state.decode(&mut Reader::new(row.encoded), row.full, row.presence).is_none() {
                    self.report.rows_unreadable += 1;
                }
            }
            head.newest = head.newest.max(row.time);
        } else {
            if let Some(state) = member.skipped.take().filter(|_| !row.full) {
                head.build_on(&state);
            }
            // A group of which blocks had everything was forgotten, and began anew with what came then, be it older.
            if row.key.is_some() && head.pages.is_empty() && head.open.is_empty() && head.late.is_empty() && row.time <= head.newest {
                head.newest = TimestampMs::MIN;
            }
            head.commit_row(record);
        }
    }

    /// Cuts the torn end off the newest segment, or removes the segment if nothing else is in it.
    fn cut_tail(&mut self, disk: &dyn Disk, path: &Path, number: u64, end: u64, len: u64) -> Result<(), OpenError> {
        if end < len || len == 0 {
            self.report.torn_tail = Some(damage(number, end, len, "torn end, cut off"));
        }
        if end <= SEGMENT_HEADER_BYTES as u64
            && self.report.damage.iter().all(|damage| damage.file != format!("wal/{}", segment_name(number)))
        {
            self.remove_empty(disk, path, number);
            return Ok(());
        }
        let cut = || {
            let file = disk.open(path)?;
            file.set_len(end)?;
            file.sync_data()
        };
        cut().map_err(|error| OpenError::Io { action: format!("cut off the torn end of {}", path.display()), error })
    }

    /// A segment without rows is of no use. If it cannot be removed, it does no harm.
    fn remove_empty(&mut self, disk: &dyn Disk, path: &Path, number: u64) {
        match disk.remove(path) {
            Ok(()) => {
                self.segments.remove(&number);
            }
            Err(error) => tracing::warn!(file = %path.display(), %error, "cannot remove an empty segment of the log"),
        }
    }
}

fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let len = usize::try_from(file.size()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    // Less than there is must not pass for a torn end, which would be cut off.
    if file.read_at(&mut bytes, 0)? < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
