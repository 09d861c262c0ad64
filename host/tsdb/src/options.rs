use std::fmt;
use std::sync::Arc;

use model::Clock;

/// How storage behaves. Change what [`Options::new`] gives.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Tells what "now" is when a sample's time is judged.
    pub clock: Arc<dyn Clock>,
    /// Most milliseconds between two syncs of the log by [`crate::Db::maintain`]: what a power cut may cost. 0: each
    /// acknowledgement waits for its sync.
    pub wal_sync_ms: u64,
    /// Samples older than this are dropped and not taken, in milliseconds. 0: never. They go by the page, the block and the segment of the
    /// log, so that some are seen a while longer, and may be once more after a restart; what was deleted is not.
    pub retention_ms: i64,
    /// Most bytes of blocks, log and head together: the oldest blocks go first. 0: no limit.
    pub retention_bytes: u64,
    /// The same as a part of the disk, in percent. 0: no limit.
    pub retention_percent: f64,
    /// How much older than its group's newest row a row may be and still be taken, in milliseconds. 0: not at all.
    pub out_of_order_window_ms: i64,
    /// Most bytes of memory for head and index. Near it the head becomes blocks early; past it new series are refused. 0: no limit.
    pub memory_budget: u64,
    /// How a text that refuses new series names the setting of [`Options::memory_budget`].
    pub memory_budget_name: String,
    /// What the shortest block spans, in milliseconds; more than 0. Blocks begin at multiples of it since 1970.
    pub block_ms: i64,
    /// How far ahead of now a sample may be, in milliseconds.
    pub future_max_ms: i64,
    /// Most series. Further ones are refused; 0: no limit.
    pub series_max: usize,
    /// Bytes of rows in a segment of the log. Its definitions of series come on top, so that rows make up at least four
    /// fifths of the log.
    pub segment_bytes: u64,
    /// Most exemplars that are kept, of all series together; 0 keeps none.
    pub exemplars_max: usize,
}

impl Options {
    /// The defaults: one second between syncs, 15 days of retention and any size, no late rows, ten minutes ahead, any number of
    /// series and bytes, blocks of two hours, 64 MiB a segment, 100,000 exemplars.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            wal_sync_ms: 1000,
            retention_ms: 15 * 86_400_000,
            retention_bytes: 0,
            retention_percent: 0.0,
            out_of_order_window_ms: 0,
            memory_budget: 0,
            memory_budget_name: "memory_budget".to_owned(),
            block_ms: 2 * 3_600_000,
            future_max_ms: 600_000,
            series_max: 0,
            segment_bytes: 64 << 20,
            exemplars_max: 100_000,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("wal_sync_ms", &self.wal_sync_ms)
            .field("retention_ms", &self.retention_ms)
            .field("retention_bytes", &self.retention_bytes)
            .field("retention_percent", &self.retention_percent)
            .field("out_of_order_window_ms", &self.out_of_order_window_ms)
            .field("memory_budget", &self.memory_budget)
            .field("block_ms", &self.block_ms)
            .field("future_max_ms", &self.future_max_ms)
            .field("series_max", &self.series_max)
            .field("segment_bytes", &self.segment_bytes)
            .field("exemplars_max", &self.exemplars_max)
            .finish_non_exhaustive()
    }
}
