//! Values of a label.

use std::ops::Range;

use model::stop;
use roaring::RoaringBitmap;

use super::{
    AT_ONCE_MIN, Index, Inner, LABELS_AT_ONCE, Listing, Loaded, Matcher, Numbers, OfBlock, RUN, SelectError, TimeRange, failed, pace,
    worked,
};
use crate::select::table::{columns_in, present_in};

/// The values of a label of the series that satisfy all matchers of any of the sets (all if there is none) and may have samples in the
/// range.
pub(in crate::select) struct Values<'a> {
    pub(in crate::select) name: &'a str,
    pub(in crate::select) sets: &'a [Vec<Matcher>],
    pub(in crate::select) range: TimeRange,
}

/// A block with the columns that count. Numbers are those of pairs, which ascend as values do.
pub(in crate::select) struct Opened<'b> {
    loaded: &'b Loaded,
    columns: RoaringBitmap,
    /// Of the pairs with this name.
    pairs: Range<u32>,
}

impl Values<'_> {
    /// The first values of a block, at most so many.
    pub(in crate::select) fn first_of(&self, loaded: &Loaded, most: usize) -> Result<Vec<String>, SelectError> {
        let mut opened = self.open(loaded)?;
        let (mut numbers, mut found) = (self.numbers(&opened)?, Vec::new());
        while found.len() < most {
            let some = numbers.take(most.max(AT_ONCE_MIN));
            if some.is_empty() {
                break;
            }
            let mut values = self.of_block(&mut opened, &some)?;
            values.reverse();
            found.append(&mut values);
        }
        found.truncate(most);
        Ok(found)
    }

    /// Pairs that may have one of the columns.
    fn numbers(&self, Opened { loaded, columns, pairs }: &Opened<'_>) -> Result<Numbers, SelectError> {
        if columns.len() >= pairs.len() as u64 {
            return Ok(Numbers::Range(pairs.clone()));
        }
        // Fewer columns than values: what they have is all.
        let mut found = Vec::new();
        let mut each = |all: &[u32]| {
            found.extend(all.iter().copied().filter(|pair| pairs.contains(pair)));
        };
        let mut columns = columns.iter().peekable();
        while columns.peek().is_some() {
            worked(LABELS_AT_ONCE * pace::SERIES)?;
            loaded.block.each_pairs(columns.by_ref().take(LABELS_AT_ONCE), &mut each).map_err(failed)?;
        }
        worked(found.len())?;
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        Ok(Numbers::List(found))
    }
}

impl Listing for Values<'_> {
    type Entry = String;
    type Opened<'b> = Opened<'b>;

    fn in_head(&self, db: &Inner) -> Result<Vec<u32>, SelectError> {
        let _gate = db.new_columns();
        let mut ids = Vec::new();
        if self.sets.is_empty() {
            db.values_in(self.name, self.range, &mut |_| true, &mut |id| ids.push(id))?;
            return Ok(ids);
        }
        let all = db.series_in(self.sets, self.range)?;
        // One of each value. While the gate is held no pair gets another number.
        let mut seen = RoaringBitmap::new();
        for some in all.chunks(RUN) {
            worked(some.len() * pace::SERIES)?;
            let index = db.index();
            let Some(name) = index.find_symbol(self.name) else { break };
            ids.extend(some.iter().filter(|id| index.pair_named(**id, name).is_some_and(|pair| seen.insert(pair))));
        }
        Ok(ids)
    }

    fn of_head(&self, index: &Index, series: u32) -> Option<String> {
        index.label_pairs(series).find(|(name, _)| *name == self.name).map(|(_, value)| value.to_owned())
    }

    fn open<'b>(&self, loaded: &'b Loaded) -> Result<Opened<'b>, SelectError> {
        let columns = if self.sets.is_empty() {
            present_in(loaded, self.range)?
        } else {
            let sets: Vec<&[Matcher]> = self.sets.iter().map(Vec::as_slice).collect();
            columns_in(loaded, &sets, self.range)?.into_values().flatten().collect()
        };
        stop::take(columns.serialized_size());
        Ok(Opened { loaded, columns, pairs: loaded.block.pairs_named(self.name).map_err(failed)? })
    }

    fn in_block(&self, opened: &mut Opened<'_>, _: Option<&String>, runs: &mut OfBlock<'_, String>) -> Result<(), SelectError> {
        runs.add_sorted(self.numbers(opened)?);
        Ok(())
    }

    fn of_block(&self, Opened { loaded, columns, .. }: &mut Opened<'_>, pairs: &[u32]) -> Result<Vec<String>, SelectError> {
        let mut there = Vec::new();
        for pair in pairs.iter().rev() {
            let having = loaded.block.postings(*pair).map_err(failed)?;
            worked(pace::LABELS + having.len() as usize / pace::NUMBERS)?;
            if !having.is_disjoint(columns) {
                there.push(*pair);
            }
        }
        let mut values = Vec::with_capacity(there.len());
        loaded.block.each_pair_text(&there, &mut |_, _, value| values.push(value.to_owned())).map_err(failed)?;
        if !values.is_sorted() {
            return Err(failed(loaded.block.bad_symbols()));
        }
        values.reverse();
        Ok(values)
    }
}
