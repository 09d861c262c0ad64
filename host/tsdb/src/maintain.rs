use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use model::TimestampMs;

use crate::db::{Db, Inner};

/// How often what is not urgent is done.
const HOUSEKEEPING_MS: i64 = 60_000;
/// After how long without rows a group's open rows are compressed.
const IDLE_MS: i64 = 3_600_000;
/// A segment is closed when its rows span this part of the retention, so that little outlives it.
const SEGMENTS_PER_RETENTION: i64 = 16;

/// What [`Db::maintain`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaintainReport {
    /// Whether the log was synced.
    pub synced: bool,
    /// Rows that the retention dropped.
    pub rows_dropped: u64,
    /// Segments of the log that it removed.
    pub segments_removed: u64,
    /// Series that had no samples any more.
    pub series_removed: u64,
    /// What failed, in sentences. It is tried again at the next call, but for a sync: see [`Db::sync`].
    pub errors: Vec<String>,
}

#[derive(Default)]
pub(crate) struct MaintainState {
    synced_at: Option<Instant>,
    housekeeping_at: Option<TimestampMs>,
}

impl Db {
    /// Does what is due: syncs the log every [`crate::Options::wal_sync_ms`]; every minute drops what is older than the
    /// retention, compresses idle groups and closes segments that span too long. To be called at least as often as the log is
    /// to be synced; blocks for the disk.
    pub fn maintain(&self, now: TimestampMs) -> MaintainReport {
        let mut state = self.0.maintenance.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = MaintainReport::default();
        let every = Duration::from_millis(self.0.options.wal_sync_ms);
        // A little early, so that a caller with the same period does not miss every second turn.
        if state.synced_at.is_none_or(|at| at.elapsed() >= every.mul_f64(0.9)) {
            state.synced_at = Some(Instant::now());
            match self.sync() {
                Ok(()) => report.synced = true,
                Err(error) => report.errors.push(error),
            }
        }
        if state.housekeeping_at.is_none_or(|at| now < at || now - at >= HOUSEKEEPING_MS) {
            state.housekeeping_at = Some(now);
            self.0.housekeeping(now, &mut report);
        }
        report
    }
}

impl Inner {
    fn housekeeping(&self, now: TimestampMs, report: &mut MaintainReport) {
        report.rows_dropped = self.drop_old(now);
        for group in self.groups() {
            let mut head = group.head();
            if head.open.len() > 1 && head.newest < now.saturating_sub(IDLE_MS) {
                head.seal(true);
            }
        }
        if self.options.retention_ms > 0 {
            let cutoff = now.saturating_sub(self.options.retention_ms);
            self.log.cut_older_than(now.saturating_sub((self.options.retention_ms / SEGMENTS_PER_RETENTION).max(IDLE_MS)));
            match self.log.remove_before(cutoff) {
                Ok(removed) => report.segments_removed = removed as u64,
                Err(error) => report.errors.push(format!("cannot remove an old segment of the log: {error}")),
            }
        }
        if report.rows_dropped > 0 {
            report.series_removed = self.remove_unused();
        }
    }

    /// Drops rows that are older than the retention.
    pub(crate) fn drop_old(&self, now: TimestampMs) -> u64 {
        if self.options.retention_ms == 0 {
            return 0;
        }
        let cutoff = now.saturating_sub(self.options.retention_ms);
        self.groups().iter().map(|group| group.head().drop_before(cutoff)).sum()
    }

    /// Removes groups without rows or writer, and, once they are a quarter, the series that no group holds.
    fn remove_unused(&self) -> u64 {
        let _gate = self.no_new_columns();
        let mut live = HashSet::new();
        let mut groups = self.groups_mut();
        let empty: Vec<_> = groups.all().filter(|group| group.is_unused()).cloned().collect();
        for group in empty {
            groups.remove(&group);
        }
        for group in groups.all() {
            group.head().collect_live(&mut live);
        }
        let before = self.index().len();
        let removed = before - live.len();
        if removed == 0 || removed < before / 4 {
            return 0;
        }
        self.index_mut().retain(|series| live.contains(&series));
        for group in groups.all() {
            group.head().slots.vacate_where(|series| !live.contains(&series));
        }
        removed as u64
    }
}
