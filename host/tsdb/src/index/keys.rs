//! Of each series the labels that count, without a label set for each.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use model::LabelSet;
use model::seams::LabelKey;

use super::Index;
use crate::pace;

/// Numbers for what series have of the labels that count.
pub(crate) struct Keys<'k> {
    key: LabelKey<'k>,
    /// The pairs of each number, one after the other, and where each ends.
    pairs: Vec<u32>,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The last number: neighbours often have the same.
    last: Option<u32>,
    found: Vec<u32>,
}

impl<'k> Keys<'k> {
    pub(crate) fn new(key: LabelKey<'k>) -> Self {
        let (table, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        Self { key, pairs: Vec::new(), ends: Vec::new(), table, hasher, last: None, found: Vec::new() }
    }

    /// The number for each of the series; fewer if it is time to stop.
    pub(crate) fn of(&mut self, index: &Index, ids: impl ExactSizeIterator<Item = u32>) -> Vec<u32> {
        let symbols: Vec<u32> = self.key.names.iter().filter_map(|name| index.symbols.find(name)).collect();
        let name = index.symbols.find(model::METRIC_NAME);
        let (without, mut numbers) = (self.key.without, Vec::with_capacity(ids.len()));
        let counts = |pair: u32| {
            let label = index.pairs[pair as usize].name;
            if without { Some(label) != name && !symbols.contains(&label) } else { symbols.contains(&label) }
        };
        for id in ids {
            if pace::over(pace::SERIES * 2) {
                return numbers;
            }
            self.found.clear();
            self.found.extend(index.pairs_of(id).iter().copied().filter(|pair| counts(*pair)));
            numbers.push(self.number());
        }
        numbers
    }

    fn number(&mut self) -> u32 {
        let Self { pairs, ends, table, hasher, last, found, .. } = self;
        if let Some(last) = *last
            && part(pairs, ends, last) == found.as_slice()
        {
            return last;
        }
        let hash = hasher.hash_one(found.as_slice());
        let number = match table.find(hash, |number| part(pairs, ends, *number) == found.as_slice()) {
            Some(number) => *number,
            None => {
                let number = ends.len() as u32;
                pairs.extend_from_slice(found);
                ends.push(pairs.len());
                table.insert_unique(hash, number, |number| hasher.hash_one(part(pairs, ends, *number)));
                number
            }
        };
        *last = Some(number);
        number
    }

    /// The labels of all numbers. Nothing left the index since they were given.
    pub(crate) fn labels(&self, index: &Index) -> Vec<LabelSet> {
        let texts = |pair: &u32| {
            let (name, value) = index.pair_symbols(*pair);
            (index.symbol(name), index.symbol(value))
        };
        (0..self.ends.len() as u32).map(|number| LabelSet::from_sorted(part(&self.pairs, &self.ends, number).iter().map(texts))).collect()
    }
}

fn part<'p>(pairs: &'p [u32], ends: &[usize], number: u32) -> &'p [u32] {
    let at = number as usize;
    &pairs[if at == 0 { 0 } else { ends[at - 1] }..ends[at]]
}
