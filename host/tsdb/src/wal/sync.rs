//! When written frames would survive a power cut.

use std::collections::BTreeMap;
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use model::seams::TailPosition;

use super::frame::segment_name;
use super::log::Log;

/// How far the log is synced.
pub(super) struct SyncState {
    synced: TailPosition,
    /// Segments whose sync failed, with the offset up to which an earlier one had succeeded. Never tried again: the system
    /// forgets what it failed to write, and the next sync of the file would claim success.
    failed: BTreeMap<u64, u64>,
}

impl SyncState {
    /// What was there at the start counts as synced: nobody waits for it.
    pub(super) fn begin_at(end: TailPosition) -> Self {
        Self { synced: end, failed: BTreeMap::new() }
    }

    fn covers(&self, position: TailPosition) -> bool {
        match self.failed.get(&position.segment) {
            Some(offset) => position.offset <= *offset,
            None => position <= self.synced,
        }
    }
}

impl Log {
    /// Syncs all that was written before the call. Writers go on meanwhile.
    pub(crate) fn sync(&self) -> Result<(), String> {
        let mut sync_state = self.sync_state.lock().unwrap_or_else(PoisonError::into_inner);
        self.sync_locked(&mut sync_state)
    }

    /// Returns when what ends at `position` is synced. Several that wait share one sync.
    pub(crate) fn wait_synced(&self, position: TailPosition) -> Result<(), String> {
        let mut sync_state = self.sync_state.lock().unwrap_or_else(PoisonError::into_inner);
        let known_failure = sync_state.failed.contains_key(&position.segment);
        if sync_state.covers(position) {
            return Ok(());
        }
        if known_failure {
            return Err(format!("{} could not be synced", segment_name(position.segment)));
        }
        let result = self.sync_locked(&mut sync_state);
        if sync_state.covers(position) { Ok(()) } else { result }
    }

    /// The end of what is synced.
    pub(crate) fn synced(&self) -> TailPosition {
        self.sync_state.lock().unwrap_or_else(PoisonError::into_inner).synced
    }

    fn sync_locked(&self, sync_state: &mut SyncState) -> Result<(), String> {
        let (mut files, dir_dirty, inherited) = {
            let mut state = self.state();
            let mut files = std::mem::take(&mut state.unsynced);
            if let Some(file) = state.file.clone().filter(|_| !state.retired) {
                files.push((state.number, state.offset, file));
            }
            (files, std::mem::take(&mut state.dir_dirty), std::mem::take(&mut state.inherited))
        };
        files.retain(|(number, offset, _)| !sync_state.covers(TailPosition { segment: *number, offset: *offset }));
        let mut result = Ok(());
        if dir_dirty && let Err(error) = self.disk.sync_dir(&self.dir) {
            // The names may be lost, so nothing below them counts as synced.
            self.state().dir_dirty = true;
            result = Err(self.sync_failed(&error, "the directory"));
            for (number, ..) in files.drain(..) {
                self.distrust(sync_state, number);
            }
        }
        for number in inherited {
            if let Err(error) = self.sync_inherited(number) {
                result = Err(self.sync_failed(&error, &segment_name(number)));
            }
        }
        for (number, offset, file) in files {
            let begun = Instant::now();
            let done = file.sync_data();
            self.counters.synced(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
            match done {
                Ok(()) => sync_state.synced = sync_state.synced.max(TailPosition { segment: number, offset }),
                Err(error) => {
                    self.distrust(sync_state, number);
                    result = Err(self.sync_failed(&error, &segment_name(number)));
                }
            }
        }
        result
    }

    /// Syncs a segment that an earlier process wrote: what was shown after its kill must not be lost to a power cut later.
    fn sync_inherited(&self, number: u64) -> io::Result<()> {
        match self.disk.open(&self.dir.join(segment_name(number))) {
            Ok(file) => {
                self.counters.syncs.fetch_add(1, Ordering::Relaxed);
                file.sync_data()
            }
            // The retention was here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                self.state().inherited.push(number);
                Err(error)
            }
        }
    }

    /// Nothing more is written to the segment or believed about it.
    fn distrust(&self, sync_state: &mut SyncState, number: u64) {
        let before = if sync_state.synced.segment == number { sync_state.synced.offset } else { 0 };
        sync_state.failed.insert(number, before);
        let mut state = self.state();
        state.retired |= state.number == number;
        state.dir_dirty = true;
    }

    fn sync_failed(&self, error: &io::Error, what: &str) -> String {
        self.counters.sync_failures.fetch_add(1, Ordering::Relaxed);
        format!("cannot sync {what} in {}: {error}; rows written since the last sync may not survive a power cut", self.dir.display())
    }
}
