//! Of each series the labels that count, without a label set for each.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use model::seams::LabelKey;
use model::{LabelSet, PackedLabelSets};

use super::Index;
use crate::pace;

/// Numbers for lists of numbers, each different list once.
#[derive(Default)]
pub(crate) struct Lists {
    /// All lists, one after the other, and where each ends.
    numbers: Vec<u32>,
    ends: Vec<usize>,
    /// Half of the hash, so that growing looks at no list, and the number.
    table: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
    /// The last number that was given: neighbours often have the same.
    last: Option<u32>,
}

impl Lists {
    /// The number of a list, which is the next one if the list is new.
    pub(crate) fn number(&mut self, list: &[u32]) -> u32 {
        let Self { numbers, ends, table, hasher, last } = self;
        if let Some(last) = *last
            && part(numbers, ends, last) == list
        {
            return last;
        }
        // The upper half of a good hash is one.
        let hash = (hasher.hash_one(list) >> 32) as u32;
        let number = match table.find(spread(hash), |(held, number)| *held == hash && part(numbers, ends, *number) == list) {
            Some((_, number)) => *number,
            None => {
                let number = ends.len() as u32;
                numbers.extend_from_slice(list);
                ends.push(numbers.len());
                table.insert_unique(spread(hash), (hash, number), |(hash, _)| spread(*hash));
                number
            }
        };
        *last = Some(number);
        number
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The list of a number that was given.
    pub(crate) fn get(&self, number: u32) -> &[u32] {
        part(&self.numbers, &self.ends, number)
    }

    /// Numbers of all lists.
    pub(crate) fn all(&self) -> &[u32] {
        &self.numbers
    }
}

/// Numbers for what series have of the labels that count.
pub(crate) struct Keys<'k> {
    key: LabelKey<'k>,
    /// The pairs of each number.
    lists: Lists,
    found: Vec<u32>,
}

impl<'k> Keys<'k> {
    pub(crate) fn new(key: LabelKey<'k>) -> Self {
        Self { key, lists: Lists::default(), found: Vec::new() }
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
            numbers.push(self.lists.number(&self.found));
        }
        numbers
    }

    /// The labels of all numbers; of fewer if it is time to stop. Nothing left the index since they were given.
    pub(crate) fn labels(&self, index: &Index) -> Vec<LabelSet> {
        let texts = |pair: &u32| {
            let (name, value) = index.pair_symbols(*pair);
            (index.symbol(name), index.symbol(value))
        };
        let mut labels = PackedLabelSets::with_capacity(self.lists.len());
        for number in 0..self.lists.len() as u32 {
            if pace::over(pace::LABELS) {
                break;
            }
            labels.push_sorted(self.lists.get(number).iter().map(texts));
        }
        labels.into_list()
    }
}

/// The table looks at the highest and the lowest bits of a hash.
pub(crate) fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn part<'p>(numbers: &'p [u32], ends: &[usize], number: u32) -> &'p [u32] {
    let at = number as usize;
    &numbers[if at == 0 { 0 } else { ends[at - 1] }..ends[at]]
}
