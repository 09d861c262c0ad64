//! Finding and reading samples, in blocks and in the head.

mod selected;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLockReadGuard};

use model::seams::{Exemplar, Select, SelectError, SelectRequest, SelectedGroup, SeriesExemplars};
use model::{LabelSet, Matcher, TimeRange};
use roaring::RoaringBitmap;

use crate::block::BlockDamage;
use crate::db::{Db, Inner};
use crate::head::read::{View, Wanted, present};
use crate::life::blocks::Loaded;
use selected::{Part, Selected};

/// Labels that are looked at between two looks at whether there are enough.
const LABELS_AT_ONCE: usize = 4096;

/// Columns of a block, by group, ascending.
type ByGroup = BTreeMap<u32, Vec<u32>>;

impl Inner {
    /// Which of the series may have samples in the range, by group. A group that open rows are in is exact; older rows count
    /// by pages of 32.
    fn present(&self, ids: &[u32], range: TimeRange) -> BTreeMap<u32, Vec<Wanted>> {
        let mut by_group: BTreeMap<u32, Vec<Wanted>> = BTreeMap::new();
        {
            let index = self.index();
            for id in ids {
                for place in index.places(*id) {
                    by_group.entry(place.group).or_default().push((*id, place.slot));
                }
            }
        }
        by_group.retain(|group, wanted| {
            let Some(group) = self.group(*group) else {
                return false;
            };
            let mut there = present(&group, wanted, range).into_iter();
            wanted.retain(|_| there.next() == Some(true));
            !wanted.is_empty()
        });
        by_group
    }

    /// The series of the head that satisfy the matchers and may have samples in the range, ascending.
    pub(crate) fn series_in(&self, sets: &[Vec<Matcher>], range: TimeRange) -> Vec<u32> {
        let ids = self.index().matching_any(sets);
        let found: BTreeSet<u32> = self.present(&ids, range).into_values().flatten().map(|(id, _)| id).collect();
        found.into_iter().collect()
    }

    fn labels_of(&self, ids: impl Iterator<Item = u32>) -> Vec<LabelSet> {
        let index = self.index();
        ids.map(|id| index.labels(id)).collect()
    }

    /// What does not open of the blocks: a block that does not open does not say which times it has.
    fn missing_blocks(&self) -> Vec<String> {
        self.blocks.unusable().iter().map(|damage| format!("samples may be missing: {damage}")).collect()
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
    series: Vec<(LabelSet, Vec<(u32, Column)>)>,
}

/// A column of a part: of a block its id, of the head the series with its slot.
#[derive(Clone, Copy)]
enum Column {
    Block(u32),
    Head(Wanted),
}

/// Parts, the series that are in all of them, and of each part their columns.
type Together = (Vec<u32>, Vec<LabelSet>, Vec<Vec<Column>>);

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
                column.push(of);
            }
        }
        groups
    }
}

/// Where a part is.
enum Place {
    Block(Arc<Loaded>, u32),
    Head(u32),
}

/// Is handed the labels of one series after the other.
type EachLabels<'a> = dyn FnMut(&mut dyn Iterator<Item = (&str, &str)>) + 'a;

impl Db {
    /// Also what keeps the head's series from being removed, taken once blocks were read.
    fn table(&self, request: &SelectRequest<'_>, places: &mut Vec<Place>) -> Result<(Table, RwLockReadGuard<'_, ()>), SelectError> {
        let range = request.range;
        let mut table = Table::default();
        let mut by_labels: HashMap<LabelSet, usize> = HashMap::new();
        let blocks = self.0.blocks.within(range);
        for loaded in &blocks {
            for (group, ids) in columns_in(loaded, &[request.matchers], range).map_err(failed)? {
                let part = places.len() as u32;
                places.push(Place::Block(Arc::clone(loaded), group));
                let labels = loaded.block.labels_of(ids.iter().copied()).map_err(failed)?;
                for (id, labels) in ids.into_iter().zip(labels) {
                    let at = *by_labels.entry(labels).or_insert_with_key(|labels| {
                        table.series.push((labels.clone(), Vec::new()));
                        table.series.len() - 1
                    });
                    table.series[at].1.push((part, Column::Block(id)));
                }
            }
        }
        let gate = self.0.new_columns();
        let ids = self.0.index().matching(request.matchers);
        let mut by_id: HashMap<u32, usize> = HashMap::new();
        for (group, wanted) in self.0.present(&ids, range) {
            let part = places.len() as u32;
            places.push(Place::Head(group));
            let labels = self.0.labels_of(wanted.iter().map(|(id, _)| *id));
            for (wanted, labels) in wanted.into_iter().zip(labels) {
                let at = *by_id.entry(wanted.0).or_insert_with(|| {
                    by_labels.get(&labels).copied().unwrap_or_else(|| {
                        table.series.push((labels, Vec::new()));
                        table.series.len() - 1
                    })
                });
                table.series[at].1.push((part, Column::Head(wanted)));
            }
        }
        Ok((table, gate))
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
            for id in ids {
                each(&mut index.label_pairs(id));
            }
        }
        let sets: Vec<&[Matcher]> = sets.iter().map(Vec::as_slice).collect();
        for loaded in self.0.blocks.within(range) {
            for ids in columns_in(&loaded, &sets, range).map_err(failed)?.into_values() {
                for some in ids.chunks(LABELS_AT_ONCE) {
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
        // In this order: what is not in a block that we see stays in the head for as long as the pin is held.
        let pin = self.0.pins.pin();
        let mut places = Vec::new();
        let (table, _gate) = self.table(request, &mut places)?;
        let mut selected: Vec<Box<dyn SelectedGroup>> = Vec::new();
        for (parts, labels, columns) in table.into_groups() {
            let of_head = parts.iter().any(|part| matches!(places[*part as usize], Place::Head(_)));
            let parts = parts.iter().zip(columns).filter_map(|(part, columns)| match &places[*part as usize] {
                Place::Block(loaded, group) => {
                    let ids = columns.iter().filter_map(|column| if let Column::Block(id) = column { Some(*id) } else { None });
                    Some(Part::Block { loaded: Arc::clone(loaded), group: *group, ids: ids.collect(), tombstones: loaded.tombstones() })
                }
                Place::Head(group) => {
                    let wanted = columns.iter().filter_map(|column| if let Column::Head(wanted) = column { Some(*wanted) } else { None });
                    Some(Part::Head(View::new(&*self.0.group(*group)?, wanted.collect(), range)))
                }
            });
            selected.push(Box::new(Selected { parts: parts.collect(), labels, range, _pin: of_head.then(|| Arc::clone(&pin)) }));
        }
        Ok(selected)
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

    fn warnings(&self, _range: TimeRange) -> Vec<String> {
        self.0.missing_blocks()
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
