use std::collections::HashSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use model::TimestampMs;

use crate::db::{Db, Inner};

/// How often what is not urgent is done.
const HOUSEKEEPING_MS: i64 = 60_000;
/// How often unused series are looked for, which walks over all pages.
const UNUSED_MS: i64 = 3_600_000;
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
    unused_at: Option<TimestampMs>,
    /// Rows were dropped since unused series were looked for.
    dropped: bool,
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
            state.dropped |= report.rows_dropped > 0;
            if state.dropped && state.unused_at.is_none_or(|at| now < at || now - at >= UNUSED_MS) {
                state.unused_at = Some(now);
                state.dropped = false;
                report.series_removed = self.0.remove_unused(false);
            }
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
        if let Some(cutoff) = self.cutoff(now) {
            self.log.cut_older_than(now.saturating_sub((self.retention_ms() / SEGMENTS_PER_RETENTION).max(IDLE_MS)));
            match self.log.remove_before(cutoff) {
                Ok(removed) => report.segments_removed = removed as u64,
                Err(error) => report.errors.push(format!("cannot remove an old segment of the log: {error}")),
            }
        }
    }

    /// Drops rows that are older than the retention.
    pub(crate) fn drop_old(&self, now: TimestampMs) -> u64 {
        let Some(cutoff) = self.cutoff(now) else { return 0 };
        self.groups().iter().map(|group| group.head().drop_before(cutoff)).sum()
    }

    /// Removes groups without rows or writer, and the series that no group holds, once they are a quarter or there is a limit, or
    /// at once.
    pub(crate) fn remove_unused(&self, at_once: bool) -> u64 {
        let _gate = self.no_new_columns();
        let mut groups = self.groups_mut();
        let empty: Vec<_> = groups.all().filter(|group| group.is_unused()).cloned().collect();
        for group in empty {
            groups.remove(&group);
        }
        drop(groups);
        let groups = self.groups();
        let mut live = HashSet::new();
        for group in &groups {
            group.head().collect_live(&mut live);
        }
        let before = self.index().len();
        let removed = before - live.len();
        if removed == 0 || (!at_once && removed < before / 4 && self.options.series_max == 0) {
            return 0;
        }
        self.index_mut().retain(|series| live.contains(&series));
        for group in &groups {
            group.head().vacate_where(|series| !live.contains(&series));
        }
        self.counters.series_removed.fetch_add(removed as u64, Ordering::Relaxed);
        removed as u64
    }
}
