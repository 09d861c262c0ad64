//! Which series there are, and which satisfy matchers.

mod entries;
pub(crate) mod keys;
mod matching;
mod postings;
mod symbols;

use std::collections::HashMap;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use model::LabelSet;

use entries::{Entries, Entry, GONE};
use postings::Postings;
use symbols::Symbols;

/// No group.
const NO_GROUP: u32 = u32::MAX;
/// Pairs in a piece of the arena of label sets.
const PIECE_PAIRS: usize = 1 << 16;

/// The series of the head, by labels. Strings are interned, a name with its value is a number, and a series is a list of these.
#[derive(Default)]
pub(crate) struct Index {
    symbols: Symbols,
    pairs: Vec<Pair>,
    pair_table: HashTable<u32>,
    /// The pairs of a label name.
    names: HashMap<u32, Vec<u32>>,
    series: Entries,
    /// Pairs of all series, in pieces so that growing copies nothing.
    pieces: Vec<Vec<u32>>,
    series_table: HashTable<u32>,
    /// Places of series beyond their first.
    more_places: HashMap<u32, Vec<Place>>,
    live: usize,
    /// How often pairs got new numbers.
    generation: u32,
    hasher: DefaultHashBuilder,
}

/// A label name with a value.
struct Pair {
    name: u32,
    value: u32,
    postings: Postings,
}

/// Where a series has a column. The slot is a hint: it may have gone to another series since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: u32,
    pub(crate) slot: u32,
}

/// The labels that were asked for last, with their pairs: the next series mostly differs in one or two of them.
#[derive(Default)]
pub(crate) struct PairCache {
    generation: u32,
    labels: Option<LabelSet>,
    pairs: Vec<u32>,
    /// Of the series that is being looked for; [`NO_PAIR`] for what is not there.
    found: Vec<u32>,
}

/// No pair.
const NO_PAIR: u32 = u32::MAX;

impl Index {
    /// Series there are.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Whether no series can be added any more before a restart.
    pub(crate) fn is_full(&self) -> bool {
        self.series.is_full()
    }

    /// The series with these labels.
    pub(crate) fn find(&self, labels: &LabelSet) -> Option<u32> {
        let pairs: Vec<u32> = labels.iter().map(|(name, value)| self.find_pair(name, value)).collect::<Option<_>>()?;
        let hash = self.hasher.hash_one(pairs.as_slice());
        self.series_table.find(hash, |id| self.pairs_of(*id) == pairs).copied()
    }

    /// The series with these labels, made if it is not there.
    #[cfg(test)]
    pub(crate) fn find_or_insert(&mut self, labels: &LabelSet) -> u32 {
        let pairs: Vec<u32> = labels.iter().map(|(name, value)| self.intern_pair(name, value)).collect();
        self.insert_pairs(&pairs)
    }

    /// Like [`Index::find`], noting in the cache what was found.
    pub(crate) fn find_cached(&self, labels: &LabelSet, cache: &mut PairCache) -> Option<u32> {
        let PairCache { generation, labels: last, pairs, found } = cache;
        let last = last.as_ref().filter(|_| *generation == self.generation);
        let mut previous = last.into_iter().flat_map(LabelSet::iter).zip(pairs.iter()).peekable();
        found.clear();
        for (name, value) in labels {
            while previous.next_if(|((other, _), _)| *other < name).is_some() {}
            let same = previous.next_if(|((other, held), _)| *other == name && *held == value).map(|(_, pair)| *pair);
            found.push(same.or_else(|| self.find_pair(name, value)).unwrap_or(NO_PAIR));
        }
        if found.contains(&NO_PAIR) {
            return None;
        }
        let hash = self.hasher.hash_one(found.as_slice());
        let id = self.series_table.find(hash, |id| self.pairs_of(*id) == found).copied();
        if id.is_some() {
            cache.keep(labels, self.generation);
        }
        id
    }

    /// Like [`Index::find_or_insert`], after [`Index::find_cached`] found nothing for these labels.
    pub(crate) fn insert_cached(&mut self, labels: &LabelSet, cache: &mut PairCache) -> u32 {
        for ((name, value), pair) in labels.iter().zip(&mut cache.found) {
            if *pair == NO_PAIR {
                *pair = self.intern_pair(name, value);
            }
        }
        let id = self.insert_pairs(&cache.found);
        cache.keep(labels, self.generation);
        id
    }

    /// Likewise, with labels as [`Index::intern`] numbered them, sorted by name. Those with an empty value do not count.
    pub(crate) fn find_or_insert_symbols(&mut self, labels: impl Iterator<Item = (u32, u32)>) -> u32 {
        let pairs: Vec<u32> = labels.map(|key| self.pair_of(key)).collect();
        self.insert_pairs(&pairs)
    }

    fn insert_pairs(&mut self, pairs: &[u32]) -> u32 {
        let hash = self.hasher.hash_one(pairs);
        if let Some(id) = self.series_table.find(hash, |id| self.pairs_of(*id) == pairs) {
            return *id;
        }
        let id = self.series.len() as u32;
        let (piece, start) = self.store_pairs(pairs);
        self.series.push(Entry { piece, start, len: pairs.len() as u32, place: Place { group: NO_GROUP, slot: 0 } });
        self.register(id, hash);
        id
    }

    fn store_pairs(&mut self, pairs: &[u32]) -> (u16, u16) {
        if self.pieces.last().is_none_or(|piece| piece.capacity() - piece.len() < pairs.len()) {
            // A place in a piece has 16 bits: what is longer than a piece has one of its own.
            self.pieces.push(Vec::with_capacity(PIECE_PAIRS.max(pairs.len())));
        }
        let piece = self.pieces.len() - 1;
        let start = self.pieces[piece].len();
        self.pieces[piece].extend_from_slice(pairs);
        // Two hundred million series' labels fill fewer pieces than there are numbers for; the limit on memory comes long before.
        (u16::try_from(piece).unwrap_or(GONE), start as u16)
    }

    /// Adds a series, whose entry is there and whose id is larger than all before, to table and postings.
    fn register(&mut self, id: u32, hash: u64) {
        for at in 0..self.pairs_of(id).len() {
            let pair = self.pairs_of(id)[at];
            self.pairs[pair as usize].postings.push(id);
        }
        let (series, pieces, hasher) = (&self.series, &self.pieces, &self.hasher);
        self.series_table.insert_unique(hash, id, |id| hasher.hash_one(pairs_in(series, pieces, *id)));
        self.live += 1;
    }

    /// The labels of a series, each a pair.
    pub(crate) fn pairs_of(&self, id: u32) -> &[u32] {
        pairs_in(&self.series, &self.pieces, id)
    }

    /// Whether a series that was in the index still is.
    pub(crate) fn has(&self, id: u32) -> bool {
        self.series.get(id).piece != GONE
    }

    /// Name and value of a pair.
    pub(crate) fn pair_symbols(&self, pair: u32) -> (u32, u32) {
        let Pair { name, value, .. } = self.pairs[pair as usize];
        (name, value)
    }

    /// The pair of a series with a name.
    pub(crate) fn pair_named(&self, id: u32, name: u32) -> Option<u32> {
        self.pairs_of(id).iter().copied().find(|pair| self.pairs[*pair as usize].name == name)
    }

    /// The number of a name or a value, if there is one.
    pub(crate) fn find_symbol(&self, text: &str) -> Option<u32> {
        self.symbols.find(text)
    }

    /// The text of a name or a value.
    pub(crate) fn symbol(&self, symbol: u32) -> &str {
        self.symbols.get(symbol)
    }

    /// The number of a name or a value.
    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        self.symbols.intern(text)
    }

    fn find_pair(&self, name: &str, value: &str) -> Option<u32> {
        let key = (self.symbols.find(name)?, self.symbols.find(value)?);
        let same = |pair: &u32| (self.pairs[*pair as usize].name, self.pairs[*pair as usize].value) == key;
        self.pair_table.find(self.hasher.hash_one(key), same).copied()
    }

    fn intern_pair(&mut self, name: &str, value: &str) -> u32 {
        let key = (self.symbols.intern(name), self.symbols.intern(value));
        self.pair_of(key)
    }

    fn pair_of(&mut self, key: (u32, u32)) -> u32 {
        let (pairs, hasher) = (&self.pairs, &self.hasher);
        let key_of = |pair: &u32| (pairs[*pair as usize].name, pairs[*pair as usize].value);
        let hash = hasher.hash_one(key);
        if let Some(pair) = self.pair_table.find(hash, |pair| key_of(pair) == key) {
            return *pair;
        }
        let id = pairs.len() as u32;
        self.pair_table.insert_unique(hash, id, |pair| hasher.hash_one(key_of(pair)));
        reserve(&mut self.pairs);
        self.pairs.push(Pair { name: key.0, value: key.1, postings: Postings::default() });
        self.names.entry(key.0).or_default().push(id);
        id
    }

    /// The labels of a series.
    pub(crate) fn labels(&self, id: u32) -> LabelSet {
        LabelSet::from_sorted(self.label_pairs(id))
    }

    /// Names and values of a series' labels, sorted by name.
    pub(crate) fn label_pairs(&self, id: u32) -> impl Iterator<Item = (&str, &str)> {
        self.pairs_of(id).iter().map(|pair| {
            let pair = &self.pairs[*pair as usize];
            (self.symbols.get(pair.name), self.symbols.get(pair.value))
        })
    }

    /// Whether some series has a label of this name, or had one lately.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.symbols.find(name).is_some_and(|symbol| self.names.contains_key(&symbol))
    }

    /// Where a series has columns, in the order in which it got them.
    pub(crate) fn places(&self, id: u32) -> impl Iterator<Item = Place> {
        let first = self.series.get(id).place;
        let first = (first.group != NO_GROUP).then_some(first);
        let more = if self.more_places.is_empty() { None } else { self.more_places.get(&id) };
        first.into_iter().chain(more.into_iter().flatten().copied())
    }

    /// Whether several groups have, or had, the series.
    pub(crate) fn is_shared(&self, id: u32) -> bool {
        !self.more_places.is_empty() && self.more_places.contains_key(&id)
    }

    /// Whether there is any such series.
    pub(crate) fn has_shared(&self) -> bool {
        !self.more_places.is_empty()
    }

    /// The slot that a series has, or had, in a group.
    pub(crate) fn slot(&self, id: u32, group: u32) -> Option<u32> {
        self.places(id).find(|place| place.group == group).map(|place| place.slot)
    }

    /// Notes where a series has a column.
    pub(crate) fn set_place(&mut self, id: u32, place: Place) {
        let Some(first) = self.series.place_mut(id) else { return };
        if first.group == NO_GROUP || first.group == place.group {
            *first = place;
            return;
        }
        let more = self.more_places.entry(id).or_default();
        match more.iter_mut().find(|held| held.group == place.group) {
            Some(held) => *held = place,
            None => more.push(place),
        }
    }

    /// Removes the series that `keep` does not name, by building the index anew; ids stay.
    pub(crate) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        let mut new = Self { hasher: self.hasher.clone(), generation: self.generation.wrapping_add(1), ..Self::default() };
        for id in 0..self.series.len() as u32 {
            let old = self.series.get(id);
            if old.piece == GONE || !keep(id) {
                new.series.push_gone();
                continue;
            }
            let pairs: Vec<u32> = self.label_pairs(id).map(|(name, value)| new.intern_pair(name, value)).collect();
            let hash = new.hasher.hash_one(pairs.as_slice());
            let (piece, start) = new.store_pairs(&pairs);
            new.series.push(Entry { piece, start, ..old });
            new.register(id, hash);
            if let Some(more) = self.more_places.remove(&id) {
                new.more_places.insert(id, more);
            }
        }
        *self = new;
    }

    /// Each label name with a value, and how many series have them.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.pairs.iter().map(|pair| (self.symbols.get(pair.name), self.symbols.get(pair.value), pair.postings.len()))
    }

    /// Ids of all series, ascending.
    fn all(&self) -> impl Iterator<Item = u32> {
        self.series.live()
    }

    /// Bytes that the index takes, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        let postings: usize = self.pairs.iter().map(|pair| pair.postings.heap_bytes()).sum();
        self.symbols.heap_bytes()
            + self.pairs.capacity() * size_of::<Pair>()
            + postings
            + (self.pair_table.allocation_size() + self.series_table.allocation_size())
            + self.names.values().map(|pairs| pairs.capacity() * 4 + 48).sum::<usize>()
            + self.series.heap_bytes()
            + self.pieces.iter().map(|piece| piece.len() * 4).sum::<usize>()
            + self.more_places.len() * 80
    }
}

/// Makes room for one more, by less than doubling.
fn reserve<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 8).max(16));
    }
}

impl PairCache {
    fn keep(&mut self, labels: &LabelSet, generation: u32) {
        self.generation = generation;
        self.labels = Some(labels.clone());
        std::mem::swap(&mut self.pairs, &mut self.found);
    }

    /// Gives memory back.
    pub(crate) fn clear(&mut self) {
        if self.labels.is_some() {
            *self = Self::default();
        }
    }
}

fn pairs_in<'a>(series: &Entries, pieces: &'a [Vec<u32>], id: u32) -> &'a [u32] {
    let entry = series.get(id);
    if entry.piece == GONE {
        return &[];
    }
    &pieces[entry.piece as usize][entry.start as usize..][..entry.len as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> LabelSet {
        LabelSet::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn the_same_labels_are_the_same_series() {
        let mut index = Index::default();
        let sets = [set(&[]), set(&[("a", "b")]), set(&[("b", "a")]), set(&[("a", "b"), ("b", "a")])];
        let ids: Vec<u32> = sets.iter().map(|labels| index.find_or_insert(labels)).collect();
        assert_eq!(ids, [0, 1, 2, 3]);
        for (labels, id) in sets.iter().zip(ids) {
            assert_eq!(index.find(labels), Some(id));
            assert_eq!(index.find_or_insert(labels), id);
            assert_eq!(&index.labels(id), labels);
        }
        assert_eq!(index.len(), 4);
        assert_eq!(index.find(&set(&[("a", "a")])), None);
    }

    #[test]
    fn a_cache_changes_nothing() {
        let (mut index, mut cache) = (Index::default(), PairCache::default());
        let sets: Vec<LabelSet> = (0..60_u32)
            .map(|n| {
                let values = [n % 2, n / 2 % 3, n / 6 % 5].map(|value| if value == 0 { String::new() } else { value.to_string() });
                LabelSet::from_pairs(["a", "b", "c"].into_iter().zip(values))
            })
            .collect();
        for round in 0..3 {
            for labels in &sets {
                let known = index.find(labels);
                assert_eq!(index.find_cached(labels, &mut cache), known, "{labels}");
                let id = known.unwrap_or_else(|| index.insert_cached(labels, &mut cache));
                assert_eq!((index.find(labels), &index.labels(id)), (Some(id), labels));
            }
            if round == 1 {
                index.retain(|id| id % 3 != 0);
            }
        }
    }

    #[test]
    fn a_removed_series_leaves_nothing() {
        let mut index = Index::default();
        let (gone, kept) = (set(&[("a", "1")]), set(&[("a", "2")]));
        index.find_or_insert(&gone);
        let id = index.find_or_insert(&kept);
        index.set_place(id, Place { group: 1, slot: 5 });
        index.set_place(id, Place { group: 2, slot: 6 });
        index.retain(|series| series == id);
        assert_eq!((index.find(&gone), index.find(&kept), index.len()), (None, Some(id), 1));
        assert_eq!(index.places(id).map(|place| place.slot).collect::<Vec<_>>(), [5, 6]);
        assert_eq!(index.slot(id, 2), Some(6));
        assert_eq!(index.find_or_insert(&gone), 2, "ids are not used again");
    }
}
