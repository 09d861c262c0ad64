//! What is too old or too much goes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::TimestampMs;

use super::blocks::Loaded;
use super::files;
use super::horizon::{FILE, Horizon};
use super::tend::TendReport;
use super::time::utc;
use crate::db::Inner;

/// How often it is told that the clock is not believed.
const TOLD_EVERY: Duration = Duration::from_secs(3600);
/// By how much what is believed moves on until its file is written anew.
const WRITTEN_EVERY_MS: i64 = 6 * 3_600_000;

/// The retention's time, with what is kept and told of it.
pub(crate) struct Believed {
    horizon: Horizon,
    /// What its file says, if there is one.
    written: Option<TimestampMs>,
    told: Option<Instant>,
}

impl Believed {
    /// `written`: what the file says. `newest`: of all that is stored.
    pub(crate) fn new(written: Option<TimestampMs>, newest: Option<TimestampMs>, now: TimestampMs) -> Self {
        Self { horizon: Horizon::new(written.or(newest), now), written, told: None }
    }
}

impl Inner {
    fn believed(&self) -> MutexGuard<'_, Believed> {
        self.believed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is older than this is not kept, if there is such a limit. A clock that jumped ahead is not believed at once.
    pub(crate) fn cutoff(&self, now: TimestampMs) -> Option<TimestampMs> {
        let believed = self.believed().horizon.observe(now);
        Some(self.retention_ms()).filter(|ms| *ms > 0).map(|ms| believed.saturating_sub(ms))
    }

    /// By how much the retention's time is behind the clock, in milliseconds.
    pub(crate) fn retention_behind_ms(&self) -> i64 {
        self.believed().horizon.behind_ms()
    }

    /// Keeps the file of what is believed while the clock is ahead of it, and tells so. The caller holds the lock of rewriting, or
    /// is opening.
    pub(crate) fn keep_believed(&self, now: TimestampMs) {
        let (horizon, written, told) = {
            let believed = self.believed();
            (believed.horizon, believed.written, believed.told)
        };
        let path = self.blocks.dir.join(FILE);
        let behind = horizon.behind_ms();
        let at = now.saturating_sub(behind);
        if behind == 0 {
            if written.is_some() && super::blocks::remove(self.disk.as_ref(), &path) {
                self.believed().written = None;
            }
            return;
        }
        if written.is_none_or(|written| at.saturating_sub(written) >= WRITTEN_EVERY_MS || at < written) {
            match files::replace(self.disk.as_ref(), &path, &horizon.encode()) {
                Ok(()) => self.believed().written = Some(at),
                Err(error) => tracing::warn!("cannot write {}: {error}; it is tried again", path.display()),
            }
        }
        let limit = now.saturating_sub(self.retention_ms());
        let blocks = self.blocks.all();
        let oldest = blocks.iter().map(|one| one.meta().time_min).chain(self.head_time_min()).min();
        let held = self.retention_ms() > 0 && oldest.is_some_and(|oldest| oldest < limit);
        if held && told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.believed().told = Some(Instant::now());
            tracing::warn!(
                "the clock says {}, and what was stored and seen before speaks of {}: samples are not dropped at once for being older than the retention. \
                 If the clock is wrong, set it right and nothing is lost; if it is right, as after a long time off, there is nothing to do: the retention \
                 catches up by a day each hour",
                utc(now),
                utc(at)
            );
        }
    }

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
        self.cutoff(now);
        self.keep_believed(now);
        if self.flush_state().covered_dirty {
            // What the blocks say of the log is written nowhere else yet.
            return;
        }
        let mut blocks: Vec<Arc<Loaded>> = self.blocks.all().to_vec();
        blocks.sort_by_key(|one| (one.meta().time_max, one.sequence()));
        let mut gone: Vec<Arc<Loaded>> = Vec::new();
        if let Some(cutoff) = self.cutoff(now) {
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
