//! Label sets in their order, however many there are: numbers of series are sorted by them in runs, and each is looked up once more when
//! it is its turn.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Arc;

use model::seams::SelectError;
use model::{LabelSet, Matcher, TimeRange, stop};

use super::table::columns_in;
use super::{LABELS_AT_ONCE, SERIES_BYTES, failed, go_on, worked};
use crate::block::PairTexts;
use crate::db::Inner;
use crate::life::blocks::Loaded;
use crate::pace;

/// Series that are sorted at a time.
pub(super) const RUN: usize = 16 << 10;
/// Label sets that all runs hold together while they become one, about.
pub(super) const HELD: usize = 16 << 10;
/// Label sets that a run looks up at a time, at least.
const AT_ONCE_MIN: usize = 32;
/// Pairs of a block whose texts are remembered.
const PAIRS: usize = 64 << 10;

/// What is asked for: matchers, times, how many at most (0: all).
type Request<'a> = (&'a [Vec<Matcher>], TimeRange, usize);

/// Sizes, which tests choose small.
pub(super) struct Cursor {
    /// As [`RUN`].
    pub(super) run: usize,
    /// As [`HELD`].
    pub(super) held: usize,
}

/// Some series of one place, sorted by their labels.
struct Run {
    /// Which of the blocks; none is the head.
    block: Option<usize>,
    /// Columns of the block or series of the head, the next one last.
    ids: Vec<u32>,
    /// Label sets of the next ones, the next one last.
    held: Vec<LabelSet>,
}

/// A series of a run left the head before it was its turn: what it had is in a block that was not looked at, or nowhere.
struct Lost;

impl Run {
    fn new(block: Option<usize>, mut series: Vec<(LabelSet, u32)>, room: &mut usize) -> Result<Self, SelectError> {
        worked(series.len() * pace::LABELS)?;
        series.sort_unstable_by(|a, b| b.cmp(a));
        worked(series.len() * pace::LABELS)?;
        let first_held = series.len() - series.len().min(*room);
        *room -= series.len() - first_held;
        let (mut ids, mut held) = (Vec::with_capacity(series.len()), Vec::with_capacity(series.len() - first_held));
        for (at, (labels, id)) in series.into_iter().enumerate() {
            if at < first_held {
                ids.push(id);
            } else {
                held.push(labels);
            }
        }
        Ok(Self { block, ids, held })
    }

    /// The next label set; looks up so many if none is held.
    fn next(&mut self, db: &Inner, blocks: &[Arc<Loaded>], texts: &mut [PairTexts<'_>], at_once: usize) -> Result<Option<LabelSet>, Next> {
        if self.held.is_empty() && !self.ids.is_empty() {
            let ids = self.ids.split_off(self.ids.len().saturating_sub(at_once));
            worked(ids.len() * pace::LABELS * 2)?;
            self.held = match self.block {
                None => {
                    let index = db.index();
                    ids.iter().map(|id| if index.has(*id) { Some(index.labels(*id)) } else { None }).collect::<Option<_>>().ok_or(Lost)?
                }
                Some(at) => {
                    let (Some(loaded), Some(texts)) = (blocks.get(at), texts.get_mut(at)) else { return Err(Lost.into()) };
                    // Neighbours are looked up together.
                    let mut order: Vec<usize> = (0..ids.len()).collect();
                    order.sort_unstable_by_key(|at| ids[*at]);
                    let found = loaded.block.labels_with(texts, order.iter().map(|at| ids[*at])).map_err(failed)?;
                    texts.keep_at_most(PAIRS);
                    let mut labels = vec![LabelSet::empty(); ids.len()];
                    order.into_iter().zip(found).for_each(|(at, found)| labels[at] = found);
                    labels
                }
            };
        }
        Ok(self.held.pop())
    }
}

/// Why there is no next one.
enum Next {
    Failed(SelectError),
    Lost,
}

impl From<SelectError> for Next {
    fn from(error: SelectError) -> Self {
        Self::Failed(error)
    }
}

impl From<Lost> for Next {
    fn from(Lost: Lost) -> Self {
        Self::Lost
    }
}

impl Cursor {
    /// Hands on the label sets, each once. Locks nothing meanwhile.
    pub(super) fn each(
        &self,
        db: &Inner,
        (sets, range, limit): Request<'_>,
        each: &mut dyn FnMut(&LabelSet) -> ControlFlow<()>,
    ) -> Result<(), SelectError> {
        if range.start > range.end {
            return Ok(());
        }
        let mut last: Option<LabelSet> = None;
        let mut left = if limit == 0 { usize::MAX } else { limit };
        loop {
            let mut room = self.held;
            // The head first: rows go from there to blocks and never back.
            let mut runs = self.runs_of_head(db, sets, range, last.as_ref(), &mut room)?;
            let blocks = db.blocks.within(range);
            let mut texts: Vec<PairTexts<'_>> = blocks.iter().map(|loaded| loaded.block.texts()).collect();
            for (at, (loaded, texts)) in blocks.iter().zip(&mut texts).enumerate() {
                self.runs_of_block((at, loaded, texts), sets, range, last.as_ref(), (&mut runs, &mut room))?;
            }
            go_on()?;
            match self.merge(db, (&mut runs, &blocks, &mut texts), &mut last, &mut left, each) {
                Ok(()) => return Ok(()),
                Err(Next::Failed(error)) => return Err(error),
                // Anew, from there on: removing series is rare.
                Err(Next::Lost) => {}
            }
        }
    }

    fn merge(
        &self,
        db: &Inner,
        (runs, blocks, texts): (&mut [Run], &[Arc<Loaded>], &mut [PairTexts<'_>]),
        last: &mut Option<LabelSet>,
        left: &mut usize,
        each: &mut dyn FnMut(&LabelSet) -> ControlFlow<()>,
    ) -> Result<(), Next> {
        let at_once = (self.held / runs.len().max(1)).max(AT_ONCE_MIN);
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (at, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next(db, blocks, texts, at_once)?.map(|labels| Reverse((labels, at))));
        }
        while let Some(Reverse((labels, at))) = heads.pop() {
            worked(pace::LABELS)?;
            heads.extend(runs[at].next(db, blocks, texts, at_once)?.map(|labels| Reverse((labels, at))));
            if last.as_ref() == Some(&labels) {
                continue;
            }
            if each(&labels).is_break() {
                return Ok(());
            }
            *last = Some(labels);
            *left -= 1;
            if *left == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Of the head, those behind `after`.
    fn runs_of_head(
        &self,
        db: &Inner,
        sets: &[Vec<Matcher>],
        range: TimeRange,
        after: Option<&LabelSet>,
        room: &mut usize,
    ) -> Result<Vec<Run>, SelectError> {
        let ids = {
            let _gate = db.new_columns();
            db.series_in(sets, range)?
        };
        let mut runs = Vec::new();
        for some in ids.chunks(self.run) {
            let mut series = Vec::with_capacity(some.len());
            {
                let index = db.index();
                for id in some {
                    worked(pace::LABELS * 2)?;
                    // What is gone already is in a block that will be looked at, or nowhere.
                    if index.has(*id) {
                        let labels = index.labels(*id);
                        if after.is_none_or(|after| labels > *after) {
                            series.push((labels, *id));
                        }
                    }
                }
            }
            take(&series);
            runs.push(Run::new(None, series, room)?);
        }
        Ok(runs)
    }

    /// Likewise of a block.
    fn runs_of_block(
        &self,
        (at, loaded, texts): (usize, &Arc<Loaded>, &mut PairTexts<'_>),
        sets: &[Vec<Matcher>],
        range: TimeRange,
        after: Option<&LabelSet>,
        (runs, room): (&mut Vec<Run>, &mut usize),
    ) -> Result<(), SelectError> {
        let sets: Vec<&[Matcher]> = sets.iter().map(Vec::as_slice).collect();
        let mut series: Vec<(LabelSet, u32)> = Vec::new();
        for ids in columns_in(loaded, &sets, range)?.into_values() {
            for some in ids.chunks(LABELS_AT_ONCE.min(self.run)) {
                worked(some.len() * pace::LABELS * 2)?;
                let labels = loaded.block.labels_with(texts, some.iter().copied()).map_err(failed)?;
                texts.keep_at_most(PAIRS);
                let found = labels.into_iter().zip(some.iter().copied());
                series.extend(found.filter(|(labels, _)| after.is_none_or(|after| labels > after)));
                if series.len() >= self.run {
                    take(&series);
                    runs.push(Run::new(Some(at), std::mem::take(&mut series), room)?);
                }
            }
        }
        take(&series);
        runs.push(Run::new(Some(at), series, room)?);
        Ok(())
    }
}

/// Says what of a run stays: numbers, and what it holds of label sets at most.
fn take(series: &[(LabelSet, u32)]) {
    stop::take(series.len() * (size_of::<u32>() + SERIES_BYTES / 8));
}

#[cfg(test)]
mod tests;
