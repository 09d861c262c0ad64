//! The log as it grows: one open segment that all groups write to, and the closed ones before it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::TimestampMs;
use model::seams::TailPosition;

use super::frame::{PAYLOAD_BYTES_MAX, SEGMENT_HEADER_BYTES, payload_checksum, seal_frame, segment_header, segment_name};
use super::sync::SyncState;
use crate::disk::{Disk, DiskFile};
use crate::life::covered::Covered;

/// The log's files.
pub(crate) struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    segment_bytes: u64,
    pub(super) state: Mutex<State>,
    /// The open segment's number, to look at without the lock.
    current: AtomicU64,
    pub(super) sync_state: Mutex<SyncState>,
    pub(crate) counters: Counters,
}

/// What happened to the log since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) bytes_written: AtomicU64,
    pub(crate) write_failures: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_failures: AtomicU64,
    pub(crate) sync_nanos: AtomicU64,
    /// Nanoseconds of the last syncs, for quantiles.
    recent_syncs: Mutex<VecDeque<u64>>,
}

/// Syncs that quantiles are of: some two minutes' at the default.
const RECENT_SYNCS: usize = 128;

impl Counters {
    pub(super) fn synced(&self, nanos: u64) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_nanos.fetch_add(nanos, Ordering::Relaxed);
        let mut recent = self.recent_syncs.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= RECENT_SYNCS {
            recent.pop_front();
        }
        recent.push_back(nanos);
    }

    /// The median, 0.9 and 0.99 quantile of the last syncs in nanoseconds, if there was one.
    pub(crate) fn sync_quantiles(&self) -> Option<[u64; 3]> {
        let mut recent: Vec<u64> = self.recent_syncs.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        recent.sort_unstable();
        let last = recent.len().checked_sub(1)?;
        Some([50, 90, 99].map(|percent| recent[(recent.len() * percent / 100).min(last)]))
    }
}

/// A segment that is not written any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedSegment {
    /// Where its last frame ends.
    pub(crate) bytes: u64,
    /// Of the newest row.
    pub(crate) time_max: TimestampMs,
}

pub(super) struct State {
    pub(super) file: Option<Arc<dyn DiskFile>>,
    pub(super) number: u64,
    pub(super) offset: u64,
    /// Of frames that define series, and of the others.
    definition_bytes: u64,
    row_bytes: u64,
    time_min: TimestampMs,
    time_max: TimestampMs,
    /// The segment spans long enough: the next write begins another.
    full: bool,
    /// A failed write may have left bytes after `offset`.
    dirty: bool,
    /// A sync failed: nothing more is written to this segment.
    pub(super) retired: bool,
    /// Names were created or removed since the directory was synced.
    pub(super) dir_dirty: bool,
    pub(super) unsynced: Vec<(u64, u64, Arc<dyn DiskFile>)>,
    /// Segments of earlier processes, which a kill may have left unsynced. The first sync includes them; until then they are
    /// as old as they are.
    pub(super) inherited: Vec<u64>,
    closed: BTreeMap<u64, ClosedSegment>,
}

/// A frame that is to be written.
pub(crate) struct Write<'a> {
    /// With room for its header.
    pub(crate) frame: &'a mut Vec<u8>,
    /// The segment it was encoded for.
    pub(crate) segment: u64,
    /// Whether it defines series.
    pub(crate) definitions: bool,
    /// Of its row.
    pub(crate) time: TimestampMs,
}

/// Frames that are written by one call, and where each of them ends.
#[derive(Default)]
pub(crate) struct Together {
    /// The frames' bytes, one after the other.
    bytes: Vec<u8>,
    checksums: Vec<u32>,
    pub(crate) ends: Vec<TailPosition>,
}

/// Why a frame was not written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// There is another segment now: encode again for it.
    Moved,
    /// The reason, with the file.
    Failed(String),
}

/// Frames that were written together leave a buffer that is kept up to this length.
const TOGETHER_BYTES_KEPT: usize = 256 << 10;

fn check_length(bytes: usize) -> Result<(), WriteError> {
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(WriteError::Failed(format!("a row of {bytes} bytes is too long for the log (at most {PAYLOAD_BYTES_MAX})")));
    }
    Ok(())
}

impl Log {
    /// A log that goes on after these segments. The first write makes a new one.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        segment_bytes: u64,
        closed: BTreeMap<u64, ClosedSegment>,
        last_number: u64,
    ) -> Self {
        let end = TailPosition { segment: last_number, offset: closed.get(&last_number).map_or(0, |segment| segment.bytes) };
        let state = State {
            file: None,
            number: last_number,
            offset: end.offset,
            definition_bytes: 0,
            row_bytes: 0,
            time_min: TimestampMs::MAX,
            time_max: TimestampMs::MIN,
            full: false,
            dirty: false,
            retired: false,
            dir_dirty: true,
            unsynced: Vec::new(),
            inherited: closed.keys().copied().collect(),
            closed,
        };
        Self {
            disk,
            dir,
            segment_bytes,
            state: Mutex::new(state),
            current: AtomicU64::new(last_number),
            sync_state: Mutex::new(SyncState::begin_at(end)),
            counters: Counters::default(),
        }
    }

    /// The segment to encode for.
    pub(crate) fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // All changes to the state are made after what can fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the frame and returns its end.
    pub(crate) fn write(&self, write: Write<'_>) -> Result<TailPosition, WriteError> {
        check_length(write.frame.len())?;
        let checksum = payload_checksum(write.frame);
        let mut state = self.state();
        let result = self.ready_locked(&mut state, write.segment).and_then(|file| {
            seal_frame(write.frame, checksum, state.number, state.offset);
            self.put_locked(&mut state, file.as_ref(), write.frame)?;
            Ok(self.count_locked(&mut state, &write))
        });
        self.count_failure(result)
    }

    /// Writes frames that were encoded for the same segment by one call: all of them or, as far as this process is told, none.
    pub(crate) fn write_together(&self, writes: &mut [Write<'_>], together: &mut Together) -> Result<(), WriteError> {
        let Together { bytes, checksums, ends } = together;
        let Some(segment) = writes.first().map(|write| write.segment) else { return Ok(()) };
        checksums.clear();
        for write in writes.iter() {
            check_length(write.frame.len())?;
            checksums.push(payload_checksum(write.frame));
        }
        bytes.clear();
        ends.clear();
        let mut state = self.state();
        let result = self.ready_locked(&mut state, segment).and_then(|file| {
            for (write, checksum) in writes.iter_mut().zip(&*checksums) {
                seal_frame(write.frame, *checksum, state.number, state.offset + bytes.len() as u64);
                bytes.extend_from_slice(write.frame);
            }
            self.put_locked(&mut state, file.as_ref(), bytes)?;
            ends.extend(writes.iter().map(|write| self.count_locked(&mut state, write)));
            Ok(())
        });
        drop(state);
        if bytes.capacity() > TOGETHER_BYTES_KEPT {
            *bytes = Vec::new();
        }
        self.count_failure(result)
    }

    fn count_failure<T>(&self, result: Result<T, WriteError>) -> Result<T, WriteError> {
        if let Err(WriteError::Failed(_)) = &result {
            self.counters.write_failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// The file of the segment that the frames were encoded for, ready to be written to at the state's offset.
    fn ready_locked(&self, state: &mut State, segment: u64) -> Result<Arc<dyn DiskFile>, WriteError> {
        if state.file.is_none() || state.retired || state.full || state.row_bytes >= self.segment_bytes.max(4 * state.definition_bytes) {
            self.cut_locked(state).map_err(|error| self.failed("cannot begin the segment", state.number + 1, &error))?;
        }
        let file = state.file.clone().filter(|_| segment == state.number).ok_or(WriteError::Moved)?;
        if state.dirty {
            file.set_len(state.offset).map_err(|error| self.failed("cannot cut off a partial record in", state.number, &error))?;
            state.dirty = false;
        }
        Ok(file)
    }

    fn put_locked(&self, state: &mut State, file: &dyn DiskFile, bytes: &[u8]) -> Result<(), WriteError> {
        file.write_all_at(bytes, state.offset).map_err(|error| {
            // At once, so that a full disk gets the bytes back; should it fail, before the next write.
            state.dirty = file.set_len(state.offset).is_err();
            self.failed("cannot write to", state.number, &error)
        })
    }

    /// The frame stands at the state's offset. Returns its end.
    fn count_locked(&self, state: &mut State, write: &Write<'_>) -> TailPosition {
        let bytes = write.frame.len() as u64;
        state.offset += bytes;
        state.time_min = state.time_min.min(write.time);
        state.time_max = state.time_max.max(write.time);
        if write.definitions {
            state.definition_bytes += bytes;
        } else {
            state.row_bytes += bytes;
        }
        self.counters.bytes_written.fetch_add(bytes, Ordering::Relaxed);
        TailPosition { segment: state.number, offset: state.offset }
    }

    fn failed(&self, what: &str, number: u64, error: &io::Error) -> WriteError {
        WriteError::Failed(format!("{what} {}: {error}", self.dir.join(segment_name(number)).display()))
    }

    /// Begins a new segment with the next write. What is open stays until that succeeds.
    fn cut_locked(&self, state: &mut State) -> io::Result<()> {
        let mut number = state.number + 1;
        let open = state.file.is_some().then_some(TailPosition { segment: state.number, offset: state.offset });
        let previous =
            open.or_else(|| state.closed.last_key_value().map(|(number, closed)| TailPosition { segment: *number, offset: closed.bytes }));
        let file = loop {
            let path = self.dir.join(segment_name(number));
            match self.disk.create_new(&path) {
                // Left over from a cut that failed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
                Ok(file) => match file.write_all_at(&segment_header(number, previous), 0) {
                    Ok(()) => break file,
                    Err(error) => {
                        // An empty segment does no harm; the next start removes it.
                        let _ = self.disk.remove(&path);
                        return Err(error);
                    }
                },
            }
        };
        if let Some(old) = state.file.replace(file) {
            if state.dirty {
                // If this fails too, the next start reports the partial record as damage.
                let _ = old.set_len(state.offset);
            }
            state.closed.insert(state.number, ClosedSegment { bytes: state.offset, time_max: state.time_max });
            if !state.retired {
                state.unsynced.push((state.number, state.offset, old));
            }
        }
        self.counters.bytes_written.fetch_add(SEGMENT_HEADER_BYTES as u64, Ordering::Relaxed);
        state.number = number;
        state.offset = SEGMENT_HEADER_BYTES as u64;
        (state.definition_bytes, state.row_bytes) = (0, 0);
        (state.time_min, state.time_max) = (TimestampMs::MAX, TimestampMs::MIN);
        (state.dirty, state.retired, state.full, state.dir_dirty) = (false, false, false, true);
        self.current.store(number, Ordering::Release);
        Ok(())
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    /// The end of what is written.
    pub(crate) fn written(&self) -> TailPosition {
        let state = self.state();
        TailPosition { segment: state.number, offset: state.offset }
    }

    /// The segments that can be read, with their ends, the open one last.
    pub(crate) fn segments(&self) -> BTreeMap<u64, u64> {
        let state = self.state();
        let closed = state.closed.iter().map(|(number, segment)| (*number, segment.bytes));
        closed.chain(state.file.is_some().then_some((state.number, state.offset))).collect()
    }

    /// Lets the next write begin a new segment if this one has a row before `time`.
    pub(crate) fn cut_older_than(&self, time: TimestampMs) {
        let mut state = self.state();
        state.full |= state.time_min < time;
    }

    /// Removes closed segments whose rows are all before `time`, the oldest first, up to one that stays. Returns how many.
    pub(crate) fn remove_before(&self, time: TimestampMs) -> io::Result<usize> {
        self.remove_while(|_, segment| segment.time_max < time)
    }

    /// Removes closed segments whose rows are all in blocks, likewise.
    pub(crate) fn remove_covered(&self, covered: &Covered) -> io::Result<usize> {
        self.remove_while(|segment, closed| covered.covers_segment(closed.time_max, TailPosition { segment, offset: closed.bytes }))
    }

    fn remove_while(&self, is_done: impl Fn(u64, &ClosedSegment) -> bool) -> io::Result<usize> {
        let old: Vec<u64> = {
            let state = self.state();
            state.closed.iter().take_while(|(number, segment)| is_done(**number, segment)).map(|(number, _)| *number).collect()
        };
        for number in &old {
            match self.disk.remove(&self.dir.join(segment_name(*number))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut state = self.state();
            state.closed.remove(number);
            state.unsynced.retain(|(unsynced, ..)| unsynced != number);
            state.dir_dirty = true;
        }
        Ok(old.len())
    }
}
