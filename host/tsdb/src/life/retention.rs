//! What is too old or too much goes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::TimestampMs;

use super::blocks::Loaded;
use super::tend::TendReport;
use crate::db::Inner;

impl Inner {
    /// Most bytes that blocks, log and head may take on disk, if there is a limit.
    pub(crate) fn size_limit(&self) -> Option<u64> {
        let bytes = Some(self.limits.retention_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0);
        let share = Some(self.limits.retention_share.load(Ordering::Relaxed)).filter(|share| *share > 0);
        let part = share.and_then(|share| {
            let total = u128::from(self.disk.space(&self.dir)?.total) * u128::from(share) / 1_000_000;
            u64::try_from(total).ok()
        });
        bytes.into_iter().chain(part).min()
    }

    /// Removes blocks that are older than the retention as a whole, and the oldest while everything together is larger than it may be. The
    /// caller holds the lock of rewriting.
    pub(crate) fn retain(&self, now: TimestampMs, report: &mut TendReport) {
        if self.flush_state().covered_dirty {
            // What the blocks say of the log is written nowhere else yet.
            return;
        }
        let mut blocks: Vec<Arc<Loaded>> = self.blocks.all().to_vec();
        blocks.sort_by_key(|one| (one.meta().time_max, one.sequence()));
        let mut gone: Vec<Arc<Loaded>> = Vec::new();
        let retention_ms = self.retention_ms();
        if retention_ms > 0 {
            let cutoff = now.saturating_sub(retention_ms);
            let old = blocks.iter().take_while(|one| one.meta().time_max < cutoff).count();
            gone.extend(blocks.drain(..old));
            self.counters.time_retentions.add(old as u64);
        }
        if let Some(limit) = self.size_limit() {
            let log: u64 = self.log.segments().values().sum();
            let mut bytes = log + blocks.iter().map(|one| one.meta().file_bytes).sum::<u64>();
            let mut count = 0;
            for one in &blocks {
                if bytes <= limit {
                    break;
                }
                bytes -= one.meta().file_bytes;
                count += 1;
            }
            gone.extend(blocks.drain(..count));
            self.counters.size_retentions.add(count as u64);
        }
        if gone.is_empty() {
            return;
        }
        report.removed += gone.len() as u64;
        self.blocks.replace(&gone, Vec::new());
        self.remove_files(&gone);
    }
}
