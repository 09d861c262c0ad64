//! What aggregations need of a selection over blocks: of each series the labels that count, without a label set for each.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use model::seams::{KeyedGroups, LabelKey, SelectError, SelectRequest, TYPE_LABEL, UNIT_LABEL};
use model::{METRIC_NAME, PackedLabelSets, TimeRange, stop};

use super::selected::{Part, Selected};
use super::table::{ByGroup, Source, Table, columns_in};
use super::{LABELS_AT_ONCE, failed, go_on, worked};
use crate::block::{Block, BlockDamage};
use crate::db::Db;
use crate::index::keys::{Lists, spread};
use crate::life::blocks::Loaded;
use crate::pace;

/// What a series takes beside its pairs while it is told apart from others.
const SERIES_BYTES: usize = 64;

/// Pairs whose texts are looked up at a time.
const PAIRS_AT_ONCE: usize = 8 << 10;

/// A block with its columns of a selection.
type Found = (Arc<Loaded>, ByGroup);

impl Db {
    /// As `select_keyed`, where there are blocks of these times.
    pub(super) fn keyed_with_blocks(
        &self,
        request: &SelectRequest<'_>,
        blocks: &[Arc<Loaded>],
        key: LabelKey<'_>,
    ) -> Result<KeyedGroups, SelectError> {
        let range = request.range;
        let mut found: Vec<Found> = Vec::new();
        for loaded in blocks {
            let columns = columns_in(loaded, &[request.matchers], range)?;
            if !columns.is_empty() {
                found.push((Arc::clone(loaded), columns));
            }
        }
        if let [(loaded, columns)] = found.as_slice()
            && !self.0.head_has(range)
            && columns_differ(&loaded.block)?
        {
            let keyed = of_one_block(loaded, columns, key, range)?;
            // It may have become so meanwhile.
            let (head, ..) = self.head(request)?;
            go_on()?;
            if head.is_empty() {
                return Ok(keyed);
            }
        }
        self.keyed_of_many(request, found, key)
    }

    /// Likewise where a series may be in several places: they are told apart by the numbers of their pairs.
    fn keyed_of_many(&self, request: &SelectRequest<'_>, found: Vec<Found>, key: LabelKey<'_>) -> Result<KeyedGroups, SelectError> {
        let range = request.range;
        let (mut table, mut sources) = (KeyTable::new(key), Vec::new());
        for (loaded, columns) in found {
            let mut known = HashMap::new();
            for (group, ids) in columns {
                let mut at_part = 0;
                for some in ids.chunks(LABELS_AT_ONCE) {
                    table.add_columns(&loaded.block, some, &mut known, (sources.len() as u32, at_part))?;
                    at_part += some.len() as u32;
                }
                sources.push(Source::Block(Arc::clone(&loaded), group, ids));
            }
        }
        // As in `table`.
        let (head, _, _gate) = self.head(request)?;
        let (mut known, mut by_id) = (HashMap::new(), HashMap::new());
        for view in head {
            let index = self.0.index();
            for ((id, _), at_part) in view.wanted().iter().zip(0..) {
                worked(pace::LABELS * 2)?;
                let series = *by_id.entry(*id).or_insert_with(|| {
                    table.pairs.clear();
                    for pair in index.pairs_of(*id) {
                        table.pairs.push(*known.entry(*pair).or_insert_with(|| {
                            let (name, value) = index.pair_symbols(*pair);
                            table.common.number(index.symbol(name), index.symbol(value))
                        }));
                    }
                    table.series()
                });
                table.table.place(series, (sources.len() as u32, at_part));
            }
            drop(index);
            sources.push(Source::Head(view));
        }
        go_on()?;
        let KeyTable { common, keys, table, .. } = table;
        let mut keyed = KeyedGroups { typed: common.typed, ..KeyedGroups::default() };
        // Numbers of keys in the order of groups.
        let mut places: Vec<Option<u32>> = vec![None; keys.len()];
        let (mut labels, mut packed) = (PackedLabelSets::with_capacity(keys.len()), 0);
        for (parts, mut of, columns) in table.into_groups()? {
            for key in &mut of {
                let place = &mut places[*key as usize];
                if place.is_none() {
                    worked(pace::LABELS * 2)?;
                    *place = Some(packed);
                    packed += 1;
                    common.labels(keys.get(*key), &mut labels);
                }
                *key = place.unwrap_or_default();
                worked(1)?;
            }
            let parts = parts.iter().zip(columns).map(|(part, columns)| sources[*part as usize].part(&columns)).collect();
            keyed.of.push(of);
            keyed.groups.push(Box::new(Selected { labels: Vec::new(), parts, range }));
        }
        keyed.keys = labels.into_list();
        Ok(keyed)
    }
}

fn columns_differ(block: &Block) -> Result<bool, SelectError> {
    let mut go_on = |columns| !pace::over(columns * pace::SERIES * 3);
    block.columns_differ(&mut go_on).map_err(failed)?.ok_or(SelectError::Stopped)
}

/// Of a block that has each series once, where nothing else has any: numbers of pairs say all.
fn of_one_block(loaded: &Arc<Loaded>, columns: &ByGroup, key: LabelKey<'_>, range: TimeRange) -> Result<KeyedGroups, SelectError> {
    let block = &loaded.block;
    let named = |names: &[&str]| names.iter().map(|name| block.pairs_named(name)).collect::<Result<Vec<_>, _>>().map_err(failed);
    let is_one = |ranges: &[Range<u32>], pair: &u32| ranges.iter().any(|range| range.contains(pair));
    let typed = named(&[TYPE_LABEL, UNIT_LABEL])?;
    let mut names: Vec<&str> = key.names.iter().map(String::as_str).collect();
    if key.without {
        names.push(METRIC_NAME);
    }
    let names = named(&names)?;
    let (mut keyed, mut keys, mut pairs) = (KeyedGroups::default(), Lists::default(), Vec::new());
    for (group, ids) in columns {
        let mut of = Vec::with_capacity(ids.len());
        for some in ids.chunks(LABELS_AT_ONCE) {
            worked(some.len() * pace::SERIES * 2)?;
            let mut each = |all: &[u32]| {
                keyed.typed |= all.iter().any(|pair| is_one(&typed, pair));
                pairs.clear();
                pairs.extend(all.iter().copied().filter(|pair| is_one(&names, pair) != key.without));
                pairs.sort_unstable();
                of.push(keys.number(&pairs));
            };
            block.each_pairs(some.iter().copied(), &mut each).map_err(failed)?;
        }
        keyed.of.push(of);
        let part = Part::Block { loaded: Arc::clone(loaded), group: *group, ids: ids.clone(), tombstones: loaded.tombstones() };
        keyed.groups.push(Box::new(Selected { labels: Vec::new(), parts: vec![part], range }));
    }
    let mut common = Common::new(key);
    let mut known = HashMap::new();
    for some in keys.all().chunks(PAIRS_AT_ONCE) {
        worked(some.len() * pace::SERIES)?;
        common.know(block, some, &mut known).map_err(failed)?;
    }
    let mut labels = PackedLabelSets::with_capacity(keys.len());
    for number in 0..keys.len() as u32 {
        worked(pace::LABELS)?;
        pairs.clear();
        pairs.extend(keys.get(number).iter().filter_map(|pair| known.get(pair)));
        common.labels(&pairs, &mut labels);
    }
    keyed.keys = labels.into_list();
    Ok(keyed)
}

/// Pairs of several places under common numbers, by their texts.
struct Common<'k> {
    key: LabelKey<'k>,
    /// Names and values, one after the other, and of each pair where its name and its value end.
    texts: String,
    ends: Vec<(usize, usize)>,
    /// Of each pair, whether it counts, and the first pair with the same name.
    counts: Vec<bool>,
    first_named: Vec<u32>,
    names: HashMap<String, u32>,
    /// Half of the hash, so that growing looks at no text, and the number.
    table: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
    /// Whether there is a label that says a type or a unit.
    typed: bool,
}

impl<'k> Common<'k> {
    fn new(key: LabelKey<'k>) -> Self {
        let (table, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        let (texts, names) = (String::new(), HashMap::new());
        Self { key, texts, ends: Vec::new(), counts: Vec::new(), first_named: Vec::new(), names, table, hasher, typed: false }
    }

    fn number(&mut self, name: &str, value: &str) -> u32 {
        let Self { texts, ends, table, hasher, .. } = self;
        let pair = |number: u32| pair_of(texts, ends, number);
        // The upper half of a good hash is one.
        let hash = (hasher.hash_one((name, value)) >> 32) as u32;
        if let Some((_, number)) = table.find(spread(hash), |(held, number)| *held == hash && pair(*number) == (name, value)) {
            return *number;
        }
        let number = ends.len() as u32;
        stop::take(name.len() + value.len() + 32);
        texts.push_str(name);
        let name_end = texts.len();
        texts.push_str(value);
        ends.push((name_end, texts.len()));
        table.insert_unique(spread(hash), (hash, number), |(hash, _)| spread(*hash));
        self.counts.push(self.key.counts(name));
        self.first_named.push(*self.names.entry_ref(name).or_insert(number));
        self.typed |= matches!(name, TYPE_LABEL | UNIT_LABEL);
        number
    }

    /// Notes the common numbers of pairs of a block.
    fn know(&mut self, block: &Block, pairs: &[u32], known: &mut HashMap<u32, u32>) -> Result<(), BlockDamage> {
        let mut missing: Vec<u32> = pairs.iter().copied().filter(|pair| !known.contains_key(pair)).collect();
        missing.sort_unstable();
        missing.dedup();
        let mut empty = false;
        block.each_pair_text(&missing, &mut |pair, name, value| {
            empty |= value.is_empty();
            known.insert(pair, self.number(name, value));
        })?;
        if empty { Err(block.bad_labels()) } else { Ok(()) }
    }

    /// Whether the labels of a series are what labels are: each name once.
    fn is_set(&self, pairs: &[u32], names: &mut Vec<u32>) -> bool {
        names.clear();
        names.extend(pairs.iter().map(|pair| self.first_named[*pair as usize]));
        names.sort_unstable();
        names.windows(2).all(|two| two[0] != two[1])
    }

    /// Adds the label set of these pairs, whose names differ.
    fn labels(&self, pairs: &[u32], to: &mut PackedLabelSets) {
        let mut pairs: Vec<_> = pairs.iter().map(|pair| pair_of(&self.texts, &self.ends, *pair)).collect();
        pairs.sort_unstable_by_key(|(name, _)| *name);
        to.push_sorted(pairs.into_iter());
    }
}

fn pair_of<'t>(texts: &'t str, ends: &[(usize, usize)], number: u32) -> (&'t str, &'t str) {
    let at = number as usize;
    let start = if at == 0 { 0 } else { ends[at - 1].1 };
    let (name_end, end) = ends[at];
    (&texts[start..name_end], &texts[name_end..end])
}

/// The series of a selection with their keys.
struct KeyTable<'k> {
    common: Common<'k>,
    /// The pairs of each series, in the order of their numbers.
    lists: Lists,
    /// Likewise of each key.
    keys: Lists,
    table: Table<u32>,
    /// Of the series that is being looked for.
    pairs: Vec<u32>,
    counting: Vec<u32>,
}

impl<'k> KeyTable<'k> {
    fn new(key: LabelKey<'k>) -> Self {
        let (lists, keys, table) = (Lists::default(), Lists::default(), Table::default());
        Self { common: Common::new(key), lists, keys, table, pairs: Vec::new(), counting: Vec::new() }
    }

    /// Adds columns of a block, the first of which has this place; `known` are the common numbers of its pairs.
    fn add_columns(
        &mut self,
        block: &Block,
        columns: &[u32],
        known: &mut HashMap<u32, u32>,
        (part, first): (u32, u32),
    ) -> Result<(), SelectError> {
        worked(columns.len() * pace::SERIES * 2)?;
        let (mut all, mut ends) = (Vec::new(), Vec::with_capacity(columns.len()));
        let mut each = |pairs: &[u32]| {
            all.extend_from_slice(pairs);
            ends.push(all.len());
        };
        block.each_pairs(columns.iter().copied(), &mut each).map_err(failed)?;
        self.common.know(block, &all, known).map_err(failed)?;
        let mut start = 0;
        for (end, at_part) in ends.into_iter().zip(first..) {
            worked(pace::SERIES * 2)?;
            self.pairs.clear();
            self.pairs.extend(all[start..end].iter().filter_map(|pair| known.get(pair)));
            start = end;
            let known = self.table.len();
            let series = self.series();
            if series as usize == known && !self.common.is_set(&self.pairs, &mut self.counting) {
                return Err(failed(block.bad_labels()));
            }
            self.table.place(series, (part, at_part));
        }
        Ok(())
    }

    /// The number of the series with these pairs.
    fn series(&mut self) -> u32 {
        self.pairs.sort_unstable();
        let series = self.lists.number(&self.pairs);
        if series as usize == self.table.len() {
            stop::take(self.pairs.len() * size_of::<u32>() + SERIES_BYTES);
            self.counting.clear();
            self.counting.extend(self.pairs.iter().copied().filter(|pair| self.common.counts[*pair as usize]));
            self.table.add(self.keys.number(&self.counting));
        }
        series
    }
}
