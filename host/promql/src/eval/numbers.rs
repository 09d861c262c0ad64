//! Which label sets agree in the labels that count, without making a label set of those of each.

use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use model::LabelSet;

/// When two label sets are the same to somebody.
pub(super) trait Agreement {
    /// Writes what counts.
    fn hash(&self, labels: &LabelSet, state: &mut impl Hasher);
    fn agree(&self, a: &LabelSet, b: &LabelSet) -> bool;
}

/// All labels count.
pub(super) struct All;

/// The labels count whose names this accepts.
pub(super) struct Only<F>(pub(super) F);

impl Agreement for All {
    fn hash(&self, labels: &LabelSet, state: &mut impl Hasher) {
        labels.hash(state);
    }

    fn agree(&self, a: &LabelSet, b: &LabelSet) -> bool {
        a == b
    }
}

impl<F: Fn(&str) -> bool> Agreement for Only<F> {
    fn hash(&self, labels: &LabelSet, state: &mut impl Hasher) {
        labels.iter().filter(|(name, _)| self.0(name)).for_each(|label| label.hash(state));
    }

    fn agree(&self, a: &LabelSet, b: &LabelSet) -> bool {
        a.iter().filter(|(name, _)| self.0(name)).eq(b.iter().filter(|(name, _)| self.0(name)))
    }
}

/// Numbers of label sets: 0, 1, … in the order in which they came, the same for those that agree. The sets themselves stand elsewhere,
/// where `of` finds the first of each number.
pub(super) struct Numbers<A> {
    agreement: A,
    hasher: DefaultHashBuilder,
    /// Part of the hash, so that growing needs no label sets, and the number.
    table: HashTable<(u32, u32)>,
}

/// Bytes that a number takes, with the room that such tables leave.
pub(super) const NUMBER_BYTES: usize = 20;

impl<A: Agreement> Numbers<A> {
    /// With room for so many.
    pub(super) fn new(agreement: A, room: usize) -> Self {
        Self { agreement, hasher: DefaultHashBuilder::default(), table: HashTable::with_capacity(room) }
    }

    fn hash(&self, labels: &LabelSet) -> u32 {
        let mut state = self.hasher.build_hasher();
        self.agreement.hash(labels, &mut state);
        // The upper half of a good hash is one.
        (state.finish() >> 32) as u32
    }

    /// The number of these labels.
    pub(super) fn find<'l>(&self, labels: &LabelSet, of: impl Fn(usize) -> &'l LabelSet) -> Option<usize> {
        let hash = self.hash(labels);
        let same = |(held, number): &(u32, u32)| *held == hash && self.agreement.agree(labels, of(*number as usize));
        self.table.find(spread(hash), same).map(|(_, number)| *number as usize)
    }

    /// The same; those that are new get the next number.
    pub(super) fn find_or_add<'l>(&mut self, labels: &LabelSet, of: impl Fn(usize) -> &'l LabelSet) -> usize {
        let hash = self.hash(labels);
        let same = |(held, number): &(u32, u32)| *held == hash && self.agreement.agree(labels, of(*number as usize));
        // More series than this do not fit into memory.
        let next = self.table.len() as u32;
        self.table.entry(spread(hash), same, |(hash, _)| spread(*hash)).or_insert((hash, next)).get().1 as usize
    }
}

/// The table looks at the highest and the lowest bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_agree_have_the_same_number() {
        let sets: Vec<LabelSet> = (0..5000_u32)
            .map(|at| LabelSet::from_pairs([("a", (at % 70).to_string()), ("b", (at % 11).to_string()), ("c", at.to_string())]))
            .collect();
        let mut firsts: Vec<&LabelSet> = Vec::new();
        let mut numbers = Numbers::new(Only(|name: &str| name != "c"), 0);
        for (at, set) in sets.iter().enumerate() {
            let number = numbers.find_or_add(set, |number| firsts[number]);
            assert!(number <= firsts.len());
            if number == firsts.len() {
                firsts.push(set);
            }
            assert_eq!(firsts[number].without("c"), set.without("c"), "{at}");
        }
        assert_eq!(firsts.len(), 770);
        let of = |number: usize| firsts[number];
        assert_eq!(numbers.find(&LabelSet::from_pairs([("a", "3"), ("b", "3"), ("c", "no")]), of), Some(3));
        assert_eq!(numbers.find(&LabelSet::from_pairs([("a", "3"), ("b", "11")]), of), None);
        let mut all = Numbers::new(All, sets.len());
        let places: Vec<usize> = sets.iter().map(|set| all.find_or_add(set, |number| &sets[number])).collect();
        assert!(places.iter().copied().eq(0..sets.len()));
    }
}
