//! Deletion by matchers and time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::seams::SelectError;
use model::{Matcher, TimeRange};
use roaring::RoaringBitmap;

use super::files::{self, with_suffix};
use super::merge_blocks::MergeError;
use super::tend::TendReport;
use super::tombstones::SUFFIX;
use crate::db::Db;
use crate::pace;

/// What [`Db::delete`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteReport {
    /// Blocks that something was deleted of.
    pub blocks: u64,
    /// Their columns.
    pub columns: u64,
}

impl Db {
    /// Deletes the samples in the range of the series that satisfy all matchers of any of the sets. They are out of every answer from now on
    /// and after a restart; their room is given back when their blocks are merged, or by [`Db::clean_tombstones`].
    ///
    /// The head's rows up to the end of the range become a block first, so that only blocks have anything to delete and the log
    /// cannot bring it back. Nor can it bring back what of the range the retention had dropped.
    pub fn delete(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Result<DeleteReport, SelectError> {
        let mut report = DeleteReport::default();
        if range.start > range.end || matcher_sets.is_empty() {
            return Ok(report);
        }
        let inner = &self.0;
        let state = inner.rewriting();
        let failed = |error: String| SelectError::Failed(format!("nothing was deleted: {error}"));
        let end = range.end.saturating_add(1);
        // What the retention dropped is in none of both, and yet in the log until its segment goes.
        let dropped = inner.cutoff(inner.options.clock.now()).filter(|cutoff| range.start < *cutoff).map(|cutoff| cutoff.min(end));
        let end = if inner.series_in(matcher_sets, range)?.is_empty() { dropped } else { Some(end) };
        if let Some(end) = end {
            let mut flush = inner.flush_state();
            let position = inner.visible_end();
            inner.flush_wholly(&mut flush, end).map_err(failed)?;
            // Now what the log has of it is covered, in writing.
            inner.cover(&mut flush, end, position);
            inner.keep_covered(&mut flush).map_err(failed)?;
        }
        for loaded in inner.blocks.within(range) {
            let mut columns = RoaringBitmap::new();
            for matchers in matcher_sets {
                columns |=
                    loaded.block.matching(matchers).map_err(|damage| SelectError::Failed(format!("a block is damaged: {damage}")))?;
            }
            // What was found is not right if it was time to stop.
            if pace::look() {
                return Err(SelectError::Stopped);
            }
            // Columns of groups without a row in the range have nothing to delete.
            let mut within = RoaringBitmap::new();
            for group in 0..loaded.block.groups() {
                let group = loaded.block.group(group).map_err(|damage| SelectError::Failed(format!("a block is damaged: {damage}")))?;
                if group.time_min <= range.end && range.start <= group.time_max {
                    within.insert_range(group.columns);
                }
            }
            columns &= within;
            if columns.is_empty() {
                continue;
            }
            let count = columns.len();
            let mut tombstones = (*loaded.tombstones()).clone();
            let before = tombstones.clone();
            tombstones.add(range, columns);
            if tombstones == before {
                continue;
            }
            let path = with_suffix(&loaded.path, SUFFIX);
            files::replace(inner.disk.as_ref(), &path, &tombstones.encode()).map_err(|error| {
                SelectError::Failed(format!("cannot write {}: {error}; {} blocks before it are done", path.display(), report.blocks))
            })?;
            loaded.set_tombstones(tombstones);
            report.blocks += 1;
            report.columns += count;
        }
        inner.limits.deletions.fetch_add(1, Ordering::Relaxed);
        drop(state);
        Ok(report)
    }

    /// Writes blocks that something was deleted of anew without it, so that its room is given back. Returns how many.
    pub fn clean_tombstones(&self) -> Result<u64, SelectError> {
        let inner = &self.0;
        let state = inner.rewriting();
        let mut flush = inner.flush_state();
        inner.keep_covered(&mut flush).map_err(SelectError::Failed)?;
        drop(flush);
        let now = inner.options.clock.now();
        let mut cleaned = 0;
        for loaded in inner.blocks.all().iter().filter(|one| !one.tombstones().is_empty() && !state.left_alone.contains(&one.sequence())) {
            let mut report = TendReport::default();
            inner.rewrite(&[Arc::clone(loaded)], now, &mut report).map_err(|error| match error {
                MergeError::Damaged(_, damage) => SelectError::Failed(format!("a block is damaged and stays as it is: {damage}")),
                MergeError::Write(error) => SelectError::Failed(error),
                MergeError::Stopped => SelectError::Failed("the server is stopping".to_owned()),
            })?;
            cleaned += 1;
        }
        Ok(cleaned)
    }
}
