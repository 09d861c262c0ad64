//! What is due of the life cycle.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError};

use model::TimestampMs;

use crate::db::{Db, Inner};

/// How often what is not urgent is done.
const EVERY_MS: i64 = 60_000;
/// A closed range stays in the head for so long, in milliseconds: rows may be a little late. Those that are later go into a further block.
/// With it a series that has ended leaves the head within a block and ten minutes (faults A19); upstream waits for half a block.
const OPEN_MS: i64 = 9 * 60_000;
/// With a window for late rows it stays as long as that, but for no more than this part of its length.
const OPEN_PART_MAX: i64 = 2;
/// Of an early flush, what stays in the head: most queries ask for no more.
const KEPT_MS: i64 = 2 * 60_000;
/// The share of the memory budget, in percent, from which on the head becomes blocks early, and the share of its samples below which that
/// would be of no use.
const NEAR_PERCENT: u64 = 80;
const USEFUL_PERCENT: u64 = 15;
/// Merges of one call, at most: retention and flush come between.
const MERGES: usize = 16;

/// What [`Db::tend`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TendReport {
    /// Blocks that the head became.
    pub flushed: u64,
    /// Blocks that others became.
    pub merged: u64,
    /// Blocks that the retention removed.
    pub removed: u64,
    /// What failed, in sentences. It is tried again.
    pub errors: Vec<String>,
}

/// What the life cycle keeps between two times, but for flushing. Held by whatever reads blocks to write others, or removes any: flushing
/// goes on beside it.
#[derive(Default)]
pub(crate) struct State {
    looked_at: Option<TimestampMs>,
    /// Blocks that cannot be read wholly: they are served as far as they go and not merged.
    pub(crate) left_alone: BTreeSet<u64>,
}

/// Limits that may change while the database is open, and what counts against them.
pub(crate) struct Limits {
    pub(crate) retention_ms: std::sync::atomic::AtomicI64,
    pub(crate) retention_bytes: AtomicU64,
    /// In millionths of the disk.
    pub(crate) retention_share: AtomicU64,
    /// Of head and index, as measured last.
    pub(crate) memory: AtomicU64,
    pub(crate) series: AtomicU64,
    pub(crate) samples_memory: AtomicU64,
    pub(crate) stopping: AtomicBool,
    /// Deletions that ended.
    pub(crate) deletions: AtomicU64,
    /// Whether rows left the head for a block, so that series may have none there any more.
    pub(crate) rows_left: AtomicBool,
}

impl Limits {
    pub(crate) fn new(options: &crate::Options) -> Self {
        Self {
            retention_ms: options.retention_ms.into(),
            retention_bytes: options.retention_bytes.into(),
            retention_share: share(options.retention_percent).into(),
            memory: AtomicU64::new(0),
            series: AtomicU64::new(0),
            samples_memory: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            deletions: AtomicU64::new(0),
            rows_left: AtomicBool::new(false),
        }
    }
}

/// Percent as millionths.
fn share(percent: f64) -> u64 {
    (percent.clamp(0.0, 100.0) * 10_000.0) as u64
}

impl Db {
    /// Does what is due of the life cycle: blocks of closed ranges of the head, or of most of it when memory is short, larger blocks of
    /// small ones, retention. To be called every second or so by a thread of its own: merging may take minutes, and nothing waits for it.
    pub fn tend(&self, now: TimestampMs) -> TendReport {
        let inner = &self.0;
        let mut report = TendReport::default();
        inner.flush_if_near(now, &mut report);
        inner.remove_left();
        let mut state = inner.rewriting();
        if state.looked_at.is_some_and(|at| now >= at && now - at < EVERY_MS) {
            return report;
        }
        state.looked_at = Some(now);
        inner.flush_closed(now, &mut report);
        inner.retain(now, &mut report);
        for _ in 0..MERGES {
            if inner.limits.stopping.load(Ordering::Relaxed) || !inner.merge_next(now, &mut state, &mut report) {
                break;
            }
            inner.retain(now, &mut report);
        }
        report
    }

    /// Lets [`Db::tend`] end soon: what it has begun to merge is given up. For the end of the process.
    pub fn stop_tending(&self) {
        self.0.limits.stopping.store(true, Ordering::Relaxed);
    }

    /// Changes how much is kept: milliseconds, bytes of blocks, log and head, and percent of the disk; 0: no limit.
    pub fn set_retention(&self, retention_ms: i64, bytes: u64, percent: f64) {
        self.0.limits.retention_ms.store(retention_ms, Ordering::Relaxed);
        self.0.limits.retention_bytes.store(bytes, Ordering::Relaxed);
        self.0.limits.retention_share.store(share(percent), Ordering::Relaxed);
        self.0.rewriting().looked_at = None;
    }
}

impl Inner {
    /// Keeps others from rewriting blocks.
    pub(crate) fn rewriting(&self) -> MutexGuard<'_, State> {
        self.rewriting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Samples older than this are not kept.
    pub(crate) fn retention_ms(&self) -> i64 {
        self.limits.retention_ms.load(Ordering::Relaxed)
    }

    /// Series of which the head has no row any more leave the index.
    fn remove_left(&self) {
        if self.limits.rows_left.swap(false, Ordering::Relaxed) && self.remove_unused(true) > 0 {
            self.measure();
        }
    }

    fn flush_closed(&self, now: TimestampMs, report: &mut TendReport) {
        let block_ms = self.options.block_ms;
        let open_ms = self.options.out_of_order_window_ms.max(OPEN_MS).min(block_ms / OPEN_PART_MAX);
        let closed = now.saturating_sub(open_ms).div_euclid(block_ms).saturating_mul(block_ms);
        // So that a segment is of one range and goes with its block.
        self.log.cut_older_than(now.div_euclid(block_ms).saturating_mul(block_ms));
        let mut flush = self.flush_state();
        let result = if flush.flushed_to.is_none_or(|to| to < closed) {
            self.flush_before(&mut flush, closed).map(|blocks| {
                report.flushed += blocks;
                if self.head_time_min().is_none_or(|first| first >= closed) {
                    flush.flushed_to = Some(closed);
                }
            })
        } else {
            self.let_leave(&mut flush);
            self.keep_covered(&mut flush).map(drop)
        };
        if let Err(error) = result {
            self.counters.flush_failures.add(1);
            report.errors.push(error);
        }
    }

    /// Measures memory, and makes blocks of the head early when it is near the budget, or when the log alone is too much of what the
    /// disk may hold.
    pub(crate) fn flush_if_near(&self, now: TimestampMs, report: &mut TendReport) {
        self.let_leave(&mut self.flush_state());
        let (samples, total) = self.measure();
        let budget = self.options.memory_budget;
        let near = budget > 0
            && total >= budget / 100 * NEAR_PERCENT
            && (samples >= budget / 100 * USEFUL_PERCENT || self.ended_percent() >= USEFUL_PERCENT);
        let log_limit = self.size_limit().map(|limit| limit / 2);
        let log_long = log_limit.is_some_and(|limit| self.log.segments().values().sum::<u64>() > limit);
        if !near && !log_long {
            return;
        }
        let mut flush = self.flush_state();
        let end = now.saturating_sub(if log_long { 0 } else { KEPT_MS });
        if self.head_time_min().is_none_or(|first| first >= end.saturating_sub(KEPT_MS)) {
            return;
        }
        if log_long {
            // The open segment is part of what is too long.
            self.log.cut_older_than(now);
        }
        match self.flush_before(&mut flush, end) {
            Ok(blocks) => report.flushed += blocks,
            Err(error) => {
                self.counters.flush_failures.add(1);
                report.errors.push(error);
            }
        }
        drop(flush);
        self.remove_unused(true);
        self.measure();
    }

    /// The share of series, in percent, that nobody writes to any more: they leave the index with their samples.
    fn ended_percent(&self) -> u64 {
        let series = self.index().len() as u64;
        let written: u64 = self.groups().iter().map(|group| group.head().slots.claimed().count() as u64).sum();
        series.saturating_sub(written) * 100 / series.max(1)
    }

    /// Memory of samples, and of samples and index together.
    pub(crate) fn measure(&self) -> (u64, u64) {
        let (index, series) = {
            let index = self.index();
            (index.heap_bytes() as u64, index.len() as u64)
        };
        let bytes = |group: &std::sync::Arc<crate::head::group::Group>| {
            (group.head().heap_bytes() + group.writer_bytes.load(Ordering::Relaxed)) as u64
        };
        let samples: u64 = self.groups().iter().map(bytes).sum();
        self.limits.memory.store(samples + index, Ordering::Relaxed);
        self.limits.samples_memory.store(samples, Ordering::Relaxed);
        self.limits.series.store(series, Ordering::Relaxed);
        (samples, samples + index)
    }

    /// Why there is no room for a further series, if so: what was measured last, and for series since then what one takes on average.
    pub(crate) fn no_room(&self, series: usize) -> Option<String> {
        let budget = self.options.memory_budget;
        if budget == 0 {
            return None;
        }
        let get = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let (measured, of) = (get(&self.limits.memory), get(&self.limits.series));
        let each = if of > 100 { measured / of } else { NEW_SERIES_BYTES };
        let used = measured + (series as u64).saturating_sub(of) * each.max(NEW_SERIES_BYTES);
        (used >= budget).then(|| {
            format!(
                "{}={budget} bytes is used up: {series} series take about {used} bytes, {} of them for samples",
                self.options.memory_budget_name,
                get(&self.limits.samples_memory)
            )
        })
    }
}

/// What a new series takes at least, about.
const NEW_SERIES_BYTES: u64 = 300;

/// A number that is only counted up.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
