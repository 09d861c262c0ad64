//! Small blocks become large ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use model::TimestampMs;

use super::blocks::{Loaded, open_block, remove};
use super::files::with_suffix;
use super::merge_blocks::{Merge, MergeError, merge_blocks};
use super::plan::{self, Candidate};
use super::tend::{State, TendReport};
use super::tombstones::SUFFIX;
use crate::block::{BlockSource, file_name};
use crate::db::Inner;

/// How often memory is looked at while blocks are merged.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Inner {
    /// Merges what is due next. Returns whether there may be more to do.
    pub(crate) fn merge_next(&self, now: TimestampMs, state: &mut State, report: &mut TendReport) -> bool {
        if self.flush_state().covered_dirty {
            // What the sources say of the log is written nowhere else yet.
            return false;
        }
        // Nor what overlaps with one that is left alone: it would take that one's place in the order of writing.
        let all = self.blocks.all();
        let (alone, blocks): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|one| state.left_alone.contains(&one.sequence()));
        let blocks: Vec<Arc<Loaded>> = blocks.into_iter().filter(|one| !alone.iter().any(|other| one.overlaps(other.range()))).collect();
        let candidates: Vec<Candidate> =
            blocks.iter().map(|one| Candidate { time_min: one.meta().time_min, time_max: one.meta().time_max }).collect();
        let Some(mut chosen) = plan::next(&candidates, &plan::ranges(self.options.block_ms, self.retention_ms())) else { return false };
        // In the order of writing, as the list is.
        chosen.sort_unstable();
        let inputs: Vec<Arc<Loaded>> = chosen.iter().map(|at| blocks[*at].clone()).collect();
        match self.rewrite(&inputs, now, report) {
            Ok(()) => {
                report.merged += inputs.len() as u64;
                true
            }
            Err(MergeError::Stopped) => false,
            Err(MergeError::Damaged(input, damage)) => {
                self.counters.compaction_failures.add(1);
                state.left_alone.insert(inputs[input].sequence());
                report
                    .errors
                    .push(format!("a block is damaged, what is readable of it is served, and it is not merged with others: {damage}"));
                true
            }
            Err(MergeError::Write(error)) => {
                self.counters.compaction_failures.add(1);
                report.errors.push(format!("{error}; the blocks stay as they are, and it is tried again"));
                false
            }
        }
    }

    /// Puts one block in the place of others, without what was deleted. The order on disk: the new file with its name, then the old ones
    /// go. A crash between leaves both, and the next start sees that the new one has all of the old.
    pub(crate) fn rewrite(&self, inputs: &[Arc<Loaded>], now: TimestampMs, report: &mut TendReport) -> Result<(), MergeError> {
        let begun = Instant::now();
        let sequence = self.blocks.take_sequence();
        let mut sources: Vec<u64> = inputs.iter().flat_map(|input| input.meta().source.sources.iter().copied()).collect();
        sources.sort_unstable();
        sources.dedup();
        let level = inputs.iter().map(|input| input.meta().source.level).max().unwrap_or(0).saturating_add(1);
        let source = BlockSource { sequence, level, sources, flushed: None, database: 0 };
        let mut looked = Instant::now();
        let mut go_on = || {
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                self.flush_if_near(now, report);
            }
            !self.limits.stopping.load(Ordering::Relaxed)
        };
        let merge = Merge { inputs, go_on: &mut go_on, left_out: None };
        let meta = merge_blocks(&self.disk, &self.blocks.dir, source, merge)?;
        let mut come = Vec::new();
        if let Some(meta) = meta {
            let path = self.blocks.dir.join(file_name(sequence));
            let loaded = open_block(&self.disk, path.clone()).map_err(|error| {
                // Its sources are there.
                let _ = self.disk.remove(&path);
                MergeError::Write(format!("a block that was just written does not open: {error}"))
            })?;
            come.push(Arc::new(loaded));
            self.counters.compaction_samples.add(meta.samples);
        }
        self.counters.compactions.add(1);
        self.counters.compaction_nanos.add(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        self.blocks.replace(inputs, come);
        self.remove_files(inputs);
        Ok(())
    }

    /// Removes the files of blocks that are not in the list any more. Queries that still read them hold them open. What was deleted of
    /// a block goes only once its own removal outlasts a power cut: it must not come back without.
    pub(crate) fn remove_files(&self, gone: &[Arc<Loaded>]) {
        let disk = self.disk.as_ref();
        let removed: Vec<&Arc<Loaded>> = gone.iter().filter(|one| remove(disk, &one.path)).collect();
        if let Err(error) = disk.sync_dir(&self.blocks.dir) {
            tracing::debug!(%error, "cannot sync the directory of blocks; removed blocks may come back after a power cut, and go again");
            return;
        }
        for one in removed.into_iter().filter(|one| !one.tombstones().is_empty()) {
            remove(disk, &with_suffix(&one.path, SUFFIX));
        }
    }
}
