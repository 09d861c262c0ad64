//! Label sets.

use super::{Index, Inner, LABELS_AT_ONCE, LabelSet, Listing, Loaded, Matcher, OfBlock, SelectError, TimeRange, failed, pace, worked};
use crate::block::PairTexts;
use crate::select::PAIRS;
use crate::select::table::columns_in;

/// The label sets of series that satisfy all matchers of any of the sets and may have samples in the range.
pub(in crate::select) struct Series<'a> {
    pub(in crate::select) sets: &'a [Vec<Matcher>],
    pub(in crate::select) range: TimeRange,
}

impl Listing for Series<'_> {
    type Entry = LabelSet;
    type Opened<'b> = (&'b Loaded, PairTexts<'b>);

    fn in_head(&self, db: &Inner) -> Result<Vec<u32>, SelectError> {
        let _gate = db.new_columns();
        db.series_in(self.sets, self.range)
    }

    fn of_head(&self, index: &Index, series: u32) -> Option<LabelSet> {
        index.has(series).then(|| index.labels(series))
    }

    fn open<'b>(&self, loaded: &'b Loaded) -> Result<Self::Opened<'b>, SelectError> {
        Ok((loaded, loaded.block.texts()))
    }

    fn in_block(
        &self,
        (loaded, texts): &mut Self::Opened<'_>,
        after: Option<&LabelSet>,
        runs: &mut OfBlock<'_, LabelSet>,
    ) -> Result<(), SelectError> {
        let sets: Vec<&[Matcher]> = self.sets.iter().map(Vec::as_slice).collect();
        let mut series: Vec<(LabelSet, u32)> = Vec::new();
        for ids in columns_in(loaded, &sets, self.range)?.into_values() {
            for some in ids.chunks(LABELS_AT_ONCE.min(runs.size())) {
                worked(some.len() * pace::LABELS * 2)?;
                let labels = loaded.block.labels_with(texts, some.iter().copied()).map_err(failed)?;
                texts.keep_at_most(PAIRS);
                let found = labels.into_iter().zip(some.iter().copied());
                series.extend(found.filter(|(labels, _)| after.is_none_or(|after| labels > after)));
                if series.len() >= runs.size() {
                    runs.add(std::mem::take(&mut series))?;
                }
            }
        }
        runs.add(series)
    }

    fn of_block(&self, (loaded, texts): &mut Self::Opened<'_>, columns: &[u32]) -> Result<Vec<LabelSet>, SelectError> {
        // Neighbours are looked up together.
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_unstable_by_key(|at| columns[*at]);
        let found = loaded.block.labels_with(texts, order.iter().map(|at| columns[*at])).map_err(failed)?;
        texts.keep_at_most(PAIRS);
        let mut labels = vec![LabelSet::empty(); columns.len()];
        order.into_iter().zip(found).for_each(|(at, found)| labels[at] = found);
        Ok(labels)
    }
}
