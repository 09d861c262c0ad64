//! Finding and reading samples, in blocks and in the head.

mod selected;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLockReadGuard};

use hashbrown::HashMap;
use model::seams::{
    Exemplar, KeyedGroups, LabelKey, Select, SelectError, SelectRequest, SelectedGroup, SeriesExemplars, TYPE_LABEL, UNIT_LABEL,
};
use model::{LabelSet, Matcher, TimeRange, stop};
use roaring::RoaringBitmap;

use crate::block::BlockDamage;
use crate::db::{Db, Inner};
use crate::head::read::{Presence, View, Wanted};
use crate::index::keys::Keys;
use crate::index::{Index, Place};
use crate::life::blocks::{Loaded, Unusable};
use crate::life::time::utc;
use selected::{Part, Selected};

/// Labels that are looked at between two looks at whether there are enough, or whether to stop.
const LABELS_AT_ONCE: usize = 4096;

/// What a series of a selection takes beside its labels while it is made.
const SERIES_BYTES: usize = 100;

/// An error once nobody waits for the answer any more, or it has become too large.
fn go_on() -> Result<(), SelectError> {
    if stop::is_due() { Err(SelectError::Stopped) } else { Ok(()) }
}

/// Columns of a block, by group, ascending.
type ByGroup = BTreeMap<u32, Vec<u32>>;

impl Inner {
    /// Of each group the series that may have samples in the range, at one moment. A group that open rows are in is exact; older
    /// rows count by pages. Also whether each series is in one group alone.
    fn present(&self, ids: &[u32], range: TimeRange) -> (Vec<(u32, View)>, bool) {
        let mut apart = true;
        let mut by_group: Vec<(u32, Vec<Wanted>)> = Vec::new();
        let mut places: HashMap<u32, usize> = HashMap::new();
        {
            let index = self.index();
            let mut last: Option<usize> = None;
            for id in ids {
                for (nth, Place { group, slot }) in index.places(*id).enumerate() {
                    apart &= nth == 0;
                    // Neighbours are mostly in the same group.
                    let at = last.filter(|at| by_group[*at].0 == group).unwrap_or_else(|| {
                        *places.entry(group).or_insert_with(|| {
                            by_group.push((group, Vec::new()));
                            by_group.len() - 1
                        })
                    });
                    last = Some(at);
                    by_group[at].1.push((*id, slot));
                }
            }
        }
        by_group.sort_unstable_by_key(|(group, _)| *group);
        let views = by_group.into_iter().filter_map(|(number, wanted)| {
            let mut view = View::new(&*self.group(number)?, wanted, range);
            view.keep_present();
            (!view.wanted().is_empty()).then_some((number, view))
        });
        (views.collect(), apart)
    }

    /// The index, if nobody changes it now and no block has samples of the range.
    fn index_at_once(&self, range: TimeRange) -> Option<RwLockReadGuard<'_, Index>> {
        if !self.blocks.within(range).is_empty() {
            return None;
        }
        self.index_without_waiting()
    }

    /// The series of the head that satisfy the matchers and may have samples in the range, ascending.
    pub(crate) fn series_in(&self, sets: &[Vec<Matcher>], range: TimeRange) -> Vec<u32> {
        let ids = self.index().matching_any(sets);
        let (views, _) = self.present(&ids, range);
        let mut found: Vec<u32> = views.iter().flat_map(|(_, view)| view.wanted().iter().map(|(id, _)| *id)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Values of a label of series of the head that may have samples in the range, without looking at all of its series. Those of
    /// `known` need not come.
    fn values_in(&self, name: &str, range: TimeRange, known: &mut BTreeSet<String>) {
        let mut groups: HashMap<u32, Option<Presence>> = HashMap::new();
        let mut there = |ids: &[u32]| {
            ids.iter().any(|id| {
                let places: Vec<Place> = self.index().places(*id).collect();
                places.into_iter().any(|Place { group, slot }| {
                    let presence = groups.entry(group).or_insert_with(|| Some(Presence::new(&*self.group(group)?, range)));
                    presence.as_ref().is_some_and(|presence| presence.has((*id, slot)))
                })
            })
        };
        // Mostly the first series of a value is there. Only if it is not, all others are looked at.
        for most in [1, usize::MAX] {
            let mut candidates: Vec<(String, Vec<u32>)> = Vec::new();
            self.index().each_value(name, most, |value| !known.contains(value), |value, ids| candidates.push((value.to_owned(), ids)));
            for (value, ids) in candidates {
                if there(&ids) {
                    known.insert(value);
                }
            }
        }
    }

    fn labels_of(&self, ids: impl Iterator<Item = u32>) -> Result<Vec<LabelSet>, SelectError> {
        let index = self.index();
        let labels = ids.enumerate().map(|(at, id)| {
            if at.is_multiple_of(LABELS_AT_ONCE) {
                go_on()?;
            }
            let labels = index.labels(id);
            stop::take(labels.bytes() + SERIES_BYTES);
            Ok(labels)
        });
        labels.collect()
    }

    /// Blocks that do not open and have samples of the range, or do not even say which.
    fn missing_blocks(&self, range: TimeRange) -> Vec<String> {
        let said = |one: Unusable| match one.range {
            None => Some(format!("samples may be missing: {}", one.damage)),
            Some(of) if of.start > range.end || range.start > of.end => None,
            Some(of) => Some(format!("samples between {} and {} are missing: {}", utc(of.start), utc(of.end), one.damage)),
        };
        self.blocks.unusable().into_iter().filter_map(said).collect()
    }
}

/// The columns of a block that satisfy the matchers of any set (or all) and may have samples in the range, by group.
fn columns_in(loaded: &Loaded, sets: &[&[Matcher]], range: TimeRange) -> Result<ByGroup, BlockDamage> {
    let block = &loaded.block;
    let mut found = RoaringBitmap::new();
    if sets.is_empty() {
        found.insert_range(0..block.columns());
    }
    for matchers in sets {
        found |= block.matching(matchers)?;
    }
    let tombstones = loaded.tombstones();
    let mut groups = ByGroup::new();
    let mut ids = found.iter().peekable();
    while let Some(first) = ids.next() {
        let number = block.group_of(first)?;
        let group = block.group(number)?;
        let mut columns = vec![first];
        while let Some(id) = ids.next_if(|id| *id < group.columns.end) {
            columns.push(id);
        }
        if group.time_min > range.end || range.start > group.time_max {
            continue;
        }
        if !tombstones.is_empty() {
            let gone = tombstones.wholly(group.time_min.max(range.start), group.time_max.min(range.end));
            columns.retain(|id| !gone.contains(*id));
        }
        if !columns.is_empty() {
            groups.insert(number, columns);
        }
    }
    Ok(groups)
}

fn failed(damage: BlockDamage) -> SelectError {
    SelectError::Failed(format!("a block is damaged: {damage}"))
}

/// The series of a selection, and in which parts each is.
#[derive(Default)]
struct Table {
    /// Part, and place among the part's series.
    series: Vec<(LabelSet, Vec<(u32, u32)>)>,
}

/// Parts, the series that are in all of them, and of each part their columns.
type Together = (Vec<u32>, Vec<LabelSet>, Vec<Vec<usize>>);

impl Table {
    /// Series with the same parts become one group.
    fn into_groups(self) -> Vec<Together> {
        let mut groups: Vec<Together> = Vec::new();
        let mut group_of: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut last: Option<usize> = None;
        for (labels, places) in self.series {
            // Neighbours mostly have the same parts.
            let same = |at: &usize| groups[*at].0.iter().eq(places.iter().map(|(part, _)| part));
            let at = last.filter(same).unwrap_or_else(|| {
                let parts: Vec<u32> = places.iter().map(|(part, _)| *part).collect();
                *group_of.entry(parts).or_insert_with_key(|parts| {
                    groups.push((parts.clone(), Vec::new(), vec![Vec::new(); parts.len()]));
                    groups.len() - 1
                })
            });
            last = Some(at);
            let (_, all_labels, columns) = &mut groups[at];
            all_labels.push(labels);
            for (column, (_, of)) in columns.iter_mut().zip(places) {
                column.push(of as usize);
            }
        }
        groups
    }
}

/// Where parts come from, with the series that were found there.
enum Source {
    Block(Arc<Loaded>, u32, Vec<u32>),
    Head(View),
}

/// Is handed the labels of one series after the other.
type EachLabels<'a> = dyn FnMut(&mut dyn Iterator<Item = (&str, &str)>) + 'a;

impl Db {
    /// The series of blocks and head, each once.
    fn table(
        &self,
        request: &SelectRequest<'_>,
        blocks: &[Arc<Loaded>],
        places: &mut Vec<Source>,
    ) -> Result<(Table, RwLockReadGuard<'_, ()>), SelectError> {
        let range = request.range;
        let mut table = Table::default();
        let mut by_labels: HashMap<LabelSet, usize> = HashMap::new();
        for loaded in blocks {
            for (group, ids) in columns_in(loaded, &[request.matchers], range).map_err(failed)? {
                go_on()?;
                let part = places.len() as u32;
                let labels = loaded.block.labels_of(ids.iter().copied()).map_err(failed)?;
                stop::take(labels.iter().map(|labels| labels.bytes() + SERIES_BYTES).sum());
                for (at_part, labels) in (0_u32..).zip(labels) {
                    let at = *by_labels.entry(labels).or_insert_with_key(|labels| {
                        table.series.push((labels.clone(), Vec::new()));
                        table.series.len() - 1
                    });
                    table.series[at].1.push((part, at_part));
                }
                places.push(Source::Block(Arc::clone(loaded), group, ids));
            }
        }
        // Taken once blocks were read: who waits to remove series keeps all others from adding any.
        let (head, _, gate) = self.head(request);
        let mut by_id: HashMap<u32, usize> = HashMap::new();
        for view in head {
            let part = places.len() as u32;
            let labels = self.0.labels_of(view.wanted().iter().map(|(id, _)| *id))?;
            for ((at_part, wanted), labels) in view.wanted().iter().enumerate().zip(labels) {
                let at = *by_id.entry(wanted.0).or_insert_with(|| {
                    by_labels.get(&labels).copied().unwrap_or_else(|| {
                        table.series.push((labels, Vec::new()));
                        table.series.len() - 1
                    })
                });
                table.series[at].1.push((part, at_part as u32));
            }
            places.push(Source::Head(view));
        }
        Ok((table, gate))
    }

    /// The head's part of a selection, whether each series is in one group alone, and what keeps its series from being removed.
    fn head(&self, request: &SelectRequest<'_>) -> (Vec<View>, bool, RwLockReadGuard<'_, ()>) {
        let gate = self.0.new_columns();
        // Fewer if the work is to stop, which whoever goes on with them sees.
        let ids = self.0.index().matching(request.matchers);
        let (views, apart) = self.0.present(&ids, request.range);
        (views.into_iter().map(|(_, view)| view).collect(), apart, gate)
    }

    /// Label sets in the range: of the head first, because rows go from there to blocks and never back.
    fn each_labels(&self, sets: &[Vec<Matcher>], range: TimeRange, each: &mut EachLabels<'_>) -> Result<(), SelectError> {
        if range.start > range.end {
            return Ok(());
        }
        {
            // Not over the reading of blocks: who waits to remove series keeps all others from adding any.
            let _gate = self.0.new_columns();
            let ids = self.0.series_in(sets, range);
            let index = self.0.index();
            for (at, id) in ids.into_iter().enumerate() {
                if at.is_multiple_of(LABELS_AT_ONCE) {
                    go_on()?;
                }
                each(&mut index.label_pairs(id));
            }
        }
        let sets: Vec<&[Matcher]> = sets.iter().map(Vec::as_slice).collect();
        for loaded in self.0.blocks.within(range) {
            for ids in columns_in(&loaded, &sets, range).map_err(failed)?.into_values() {
                for some in ids.chunks(LABELS_AT_ONCE) {
                    go_on()?;
                    for labels in loaded.block.labels_of(some.iter().copied()).map_err(failed)? {
                        each(&mut labels.iter());
                    }
                }
            }
        }
        Ok(())
    }
}

impl Select for Db {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError> {
        let range = request.range;
        if range.start > range.end {
            return Ok(Vec::new());
        }
        // In this order: what is not in a block that we see stays in the head until we have what it holds of it. From then on rows may
        // leave the head: however long somebody keeps the answer, no flush waits for that.
        let _pin = self.0.pins.pin();
        let blocks = self.0.blocks.within(range);
        if blocks.is_empty() {
            let (head, apart, _gate) = self.head(request);
            go_on()?;
            if apart {
                let group = |view: View| {
                    let labels = self.0.labels_of(view.wanted().iter().map(|(id, _)| *id))?;
                    Ok(Box::new(Selected { labels, parts: vec![Part::Head(view)], range }) as Box<dyn SelectedGroup>)
                };
                return head.into_iter().map(group).collect();
            }
        }
        let mut sources = Vec::new();
        let (table, _gate) = self.table(request, &blocks, &mut sources)?;
        go_on()?;
        let mut selected: Vec<Box<dyn SelectedGroup>> = Vec::new();
        for (parts, labels, columns) in table.into_groups() {
            let parts = parts.iter().zip(columns).map(|(part, columns)| match &sources[*part as usize] {
                Source::Block(loaded, group, ids) => {
                    let ids = columns.iter().map(|at| ids[*at]).collect();
                    Part::Block { loaded: Arc::clone(loaded), group: *group, ids, tombstones: loaded.tombstones() }
                }
                Source::Head(view) => Part::Head(view.subset(&columns)),
            });
            selected.push(Box::new(Selected { parts: parts.collect(), labels, range }));
        }
        Ok(selected)
    }

    fn select_keyed(&self, request: &SelectRequest<'_>, key: LabelKey<'_>) -> Result<KeyedGroups, SelectError> {
        let range = request.range;
        if range.start > range.end {
            return Ok(KeyedGroups::default());
        }
        // As in `select`.
        let _pin = self.0.pins.pin();
        if self.0.blocks.within(range).is_empty() {
            let (head, apart, _gate) = self.head(request);
            if apart {
                let (index, mut keys, mut keyed) = (self.0.index(), Keys::new(key), KeyedGroups::default());
                go_on()?;
                for view in head {
                    keyed.of.push(keys.of(&index, view.wanted().iter().map(|(id, _)| *id)));
                    keyed.groups.push(Box::new(Selected { labels: Vec::new(), parts: vec![Part::Head(view)], range }));
                }
                keyed.keys = keys.labels(&index);
                keyed.typed = [TYPE_LABEL, UNIT_LABEL].into_iter().any(|name| index.has_name(name));
                return Ok(keyed);
            }
        }
        let groups = self.select(request)?;
        Ok(KeyedGroups::of(groups, key))
    }

    fn label_names(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        let mut names: BTreeSet<String> = BTreeSet::new();
        self.each_labels(matcher_sets, range, &mut |pairs| {
            for (name, _) in pairs {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        })?;
        Ok(limited(names.into_iter(), limit))
    }

    fn label_values(&self, name: &str, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        let mut values: BTreeSet<String> = BTreeSet::new();
        if matcher_sets.is_empty() && range.start <= range.end && self.0.blocks.within(range).is_empty() {
            let _gate = self.0.new_columns();
            self.0.values_in(name, range, &mut values);
            return Ok(limited(values.into_iter(), limit));
        }
        self.each_labels(matcher_sets, range, &mut |pairs| {
            for (_, value) in pairs.filter(|(n, _)| *n == name) {
                if !values.contains(value) {
                    values.insert(value.to_owned());
                }
            }
        })?;
        Ok(limited(values.into_iter(), limit))
    }

    fn series(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError> {
        let mut labels: BTreeSet<LabelSet> = BTreeSet::new();
        self.each_labels(matcher_sets, range, &mut |pairs| {
            labels.insert(LabelSet::from_pairs(pairs));
        })?;
        Ok(limited(labels.into_iter(), limit))
    }

    fn warnings(&self, range: TimeRange) -> Vec<String> {
        self.0.missing_blocks(range)
    }

    fn series_at_most(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Option<usize> {
        Some(self.0.index_at_once(range)?.series_at_most(matcher_sets))
    }

    fn values_at_most(&self, name: &str, range: TimeRange) -> Option<usize> {
        Some(self.0.index_at_once(range)?.values_of(name))
    }

    fn exemplars(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Result<Vec<SeriesExemplars>, SelectError> {
        if range.start > range.end {
            return Ok(Vec::new());
        }
        let mut found: BTreeMap<LabelSet, Vec<Exemplar>> = BTreeMap::new();
        {
            let _gate = self.0.new_columns();
            let index = self.0.index();
            let mut ids = index.matching_any(matcher_sets);
            ids.sort_unstable();
            for series in self.0.exemplars().of(&ids, range, |id| index.labels(id)) {
                found.insert(series.labels, series.exemplars);
            }
        }
        let sets: Vec<&[Matcher]> = matcher_sets.iter().map(Vec::as_slice).collect();
        for loaded in self.0.blocks.within(range).iter().filter(|loaded| loaded.meta().exemplars > 0) {
            for (group, ids) in columns_in(loaded, &sets, range).map_err(failed)? {
                for (id, exemplars) in loaded.block.exemplars(group, &ids, range).map_err(failed)? {
                    let held = found.entry(loaded.block.labels(id).map_err(failed)?).or_default();
                    for exemplar in exemplars {
                        if !held.iter().any(|other| other.is_same(&exemplar)) {
                            held.push(exemplar);
                        }
                    }
                }
            }
        }
        Ok(found
            .into_iter()
            .map(|(labels, mut exemplars)| {
                exemplars.sort_by_key(|exemplar| exemplar.time);
                SeriesExemplars { labels, exemplars }
            })
            .collect())
    }
}

fn limited<T>(all: impl Iterator<Item = T>, limit: usize) -> Vec<T> {
    all.take(if limit == 0 { usize::MAX } else { limit }).collect()
}
