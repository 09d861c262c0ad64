use std::sync::atomic::{AtomicU64, Ordering};

use crate::db::Inner;
use crate::life::Count;

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
    /// How long they took, in nanoseconds.
    pub log_sync_nanos: u64,
    /// The median, 0.9 and 0.99 quantile of the last ones, in nanoseconds.
    pub log_sync_quantiles: Option<[u64; 3]>,
    /// Number of the segment that is written.
    pub log_segment_current: u64,
    /// Series that came to the head, those of the recovery included.
    pub series_created: u64,
    /// Series that left it.
    pub series_removed: u64,
    /// Exemplars that are kept now.
    pub exemplars: u64,
    /// Most that are.
    pub exemplars_max: u64,
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
    /// Blocks there are now.
    pub blocks: u64,
    /// Their bytes.
    pub block_bytes: u64,
    /// Blocks that do not open.
    pub blocks_unusable: u64,
    /// Blocks that the head became.
    pub flushes: u64,
    /// Attempts that failed.
    pub flush_failures: u64,
    /// Samples of the former.
    pub flush_samples: u64,
    /// How long that took, in nanoseconds.
    pub flush_nanos: u64,
    /// Times that blocks were merged or written anew.
    pub compactions: u64,
    /// Attempts that failed.
    pub compaction_failures: u64,
    /// Samples of the former.
    pub compaction_samples: u64,
    /// How long that took, in nanoseconds.
    pub compaction_nanos: u64,
    /// Blocks removed because they were too old.
    pub time_retentions: u64,
    /// Blocks removed because everything was too large.
    pub size_retentions: u64,
    /// Most bytes that may be kept, 0 for no limit.
    pub retention_limit_bytes: u64,
    /// How long samples are kept, in milliseconds, 0 for ever.
    pub retention_ms: i64,
    /// Most bytes of memory for head and index, 0 for no limit.
    pub memory_budget: u64,
    /// By how much the retention's time is behind a clock that jumped ahead, in milliseconds.
    pub retention_behind_ms: i64,
    /// Time of the oldest sample that is kept, in Unix milliseconds; none without samples.
    pub time_min: Option<i64>,
    /// Stretches of compressed rows in the head.
    pub head_pages: u64,
    /// Of the oldest row in the head, and of the newest row there ever was in it.
    pub head_time: Option<(i64, i64)>,
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
    pub(crate) series_removed: AtomicU64,
    pub(crate) flushes: Count,
    pub(crate) flush_failures: Count,
    pub(crate) flush_samples: Count,
    pub(crate) flush_nanos: Count,
    pub(crate) compactions: Count,
    pub(crate) compaction_failures: Count,
    pub(crate) compaction_samples: Count,
    pub(crate) compaction_nanos: Count,
    pub(crate) time_retentions: Count,
    pub(crate) size_retentions: Count,
}

impl Inner {
    pub(crate) fn stats(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let groups = self.groups();
        let segments = self.log.segments();
        let (blocks, head_min) = (self.blocks.all(), self.head_time_min());
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
            log_sync_nanos: get(&self.log.counters.sync_nanos),
            log_sync_quantiles: self.log.counters.sync_quantiles(),
            log_segment_current: self.log.current(),
            series_created: get(&self.counters.series_removed) + series,
            series_removed: get(&self.counters.series_removed),
            exemplars: self.exemplars().len() as u64,
            exemplars_max: self.options.exemplars_max as u64,
            log_sync_failures: get(&self.log.counters.sync_failures),
            head_bytes: groups.iter().map(|group| (group.head().heap_bytes() + group.writer_bytes.load(Ordering::Relaxed)) as u64).sum(),
            index_bytes,
            recovery_damage: self.recovery.damage.len() as u64 + u64::from(self.recovery.torn_tail.is_some()),
            recovery_duration_ms: self.recovery.duration_ms,
            recovery_samples: self.recovery.samples,
            blocks: blocks.len() as u64,
            block_bytes: self.blocks.bytes(),
            blocks_unusable: self.blocks.unusable().len() as u64,
            flushes: self.counters.flushes.get(),
            flush_failures: self.counters.flush_failures.get(),
            flush_samples: self.counters.flush_samples.get(),
            flush_nanos: self.counters.flush_nanos.get(),
            compactions: self.counters.compactions.get(),
            compaction_failures: self.counters.compaction_failures.get(),
            compaction_samples: self.counters.compaction_samples.get(),
            compaction_nanos: self.counters.compaction_nanos.get(),
            time_retentions: self.counters.time_retentions.get(),
            size_retentions: self.counters.size_retentions.get(),
            retention_limit_bytes: self.size_limit().unwrap_or(0),
            retention_ms: self.retention_ms(),
            memory_budget: self.options.memory_budget,
            retention_behind_ms: self.retention_behind_ms(),
            time_min: blocks.iter().map(|one| one.meta().time_min).chain(head_min).min(),
            head_pages: groups.iter().map(|group| group.head().pages.len() as u64).sum(),
            head_time: head_min.map(|min| (min, groups.iter().map(|group| group.head().newest).max().unwrap_or(min))),
        }
    }
}
