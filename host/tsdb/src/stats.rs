use std::sync::atomic::{AtomicU64, Ordering};

use crate::db::Inner;

/// Figures about storage, for metrics and pages. Counters begin at 0 with the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Series in the head now.
    pub series: u64,
    /// Groups in the head now.
    pub groups: u64,
    /// Samples that were acknowledged, since the start.
    pub samples_appended: u64,
    /// Samples not taken because a newer row of their group was there.
    pub samples_out_of_order: u64,
    /// Samples not taken because another value was stored for their time.
    pub samples_duplicate: u64,
    /// Samples not taken because they were older than the retention.
    pub samples_too_old: u64,
    /// Samples not taken because they were too far ahead.
    pub samples_too_new: u64,
    /// Series that the limit refused; one that comes again counts again.
    pub series_refused: u64,
    /// Bytes of the log now.
    pub log_bytes: u64,
    /// Its segments now.
    pub log_segments: u64,
    /// Bytes written to it.
    pub log_bytes_written: u64,
    /// Writes to it that failed.
    pub log_write_failures: u64,
    /// Syncs of it.
    pub log_syncs: u64,
    /// Syncs that failed.
    pub log_sync_failures: u64,
    /// Memory of samples and their bookkeeping, about.
    pub head_bytes: u64,
    /// Memory of labels and the index over them, about.
    pub index_bytes: u64,
    /// Damaged stretches that the last recovery found.
    pub recovery_damage: u64,
    /// How long it took.
    pub recovery_duration_ms: u64,
    /// Samples it took over.
    pub recovery_samples: u64,
}

/// What the database itself counts.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) samples_appended: AtomicU64,
    pub(crate) samples_out_of_order: AtomicU64,
    pub(crate) samples_duplicate: AtomicU64,
    pub(crate) samples_too_old: AtomicU64,
    pub(crate) samples_too_new: AtomicU64,
    pub(crate) series_refused: AtomicU64,
}

impl Inner {
    pub(crate) fn stats(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let groups = self.groups();
        let segments = self.log.segments();
        let (series, index_bytes) = {
            let index = self.index();
            (index.len() as u64, index.heap_bytes() as u64)
        };
        Stats {
            series,
            groups: groups.len() as u64,
            samples_appended: get(&self.counters.samples_appended),
            samples_out_of_order: get(&self.counters.samples_out_of_order),
            samples_duplicate: get(&self.counters.samples_duplicate),
            samples_too_old: get(&self.counters.samples_too_old),
            samples_too_new: get(&self.counters.samples_too_new),
            series_refused: get(&self.counters.series_refused),
            log_bytes: segments.values().sum(),
            log_segments: segments.len() as u64,
            log_bytes_written: get(&self.log.counters.bytes_written),
            log_write_failures: get(&self.log.counters.write_failures),
            log_syncs: get(&self.log.counters.syncs),
            log_sync_failures: get(&self.log.counters.sync_failures),
            head_bytes: groups.iter().map(|group| (group.head().heap_bytes() + group.writer_bytes.load(Ordering::Relaxed)) as u64).sum(),
            index_bytes,
            recovery_damage: self.recovery.damage.len() as u64 + u64::from(self.recovery.torn_tail.is_some()),
            recovery_duration_ms: self.recovery.duration_ms,
            recovery_samples: self.recovery.samples,
        }
    }
}
