//! The series of a selection from blocks and head, and in which parts each is.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::{Arc, RwLockReadGuard};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use model::seams::{SelectError, SelectRequest};
use model::{LabelSet, Matcher, TimeRange, stop};
use roaring::RoaringBitmap;

use super::selected::Part;
use super::{LABELS_AT_ONCE, PAIRS, SERIES_BYTES, failed, go_on, worked};
use crate::db::Db;
use crate::head::read::View;
use crate::index::keys::spread;
use crate::life::blocks::Loaded;
use crate::pace;

/// Columns of a block, by group, ascending.
pub(super) type ByGroup = BTreeMap<u32, Vec<u32>>;

/// The columns of a block that satisfy the matchers of any set (or all) and may have samples in the range, by group.
pub(super) fn columns_in(loaded: &Loaded, sets: &[&[Matcher]], range: TimeRange) -> Result<ByGroup, SelectError> {
    let block = &loaded.block;
    let mut found = RoaringBitmap::new();
    if sets.is_empty() {
        found.insert_range(0..block.columns());
    }
    for matchers in sets {
        found |= block.matching(matchers).map_err(failed)?;
    }
    // What was found is not all if it was time to stop.
    go_on()?;
    let tombstones = loaded.tombstones();
    let mut groups = ByGroup::new();
    let mut ids = found.iter().peekable();
    while let Some(first) = ids.next() {
        let number = block.group_of(first).map_err(failed)?;
        let group = block.group(number).map_err(failed)?;
        let mut columns = vec![first];
        while let Some(id) = ids.next_if(|id| *id < group.columns.end) {
            columns.push(id);
        }
        worked(pace::LABELS + columns.len() / pace::NUMBERS)?;
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

/// All columns of a block that may have samples in the range, as [`columns_in`] has them.
pub(super) fn present_in(loaded: &Loaded, range: TimeRange) -> Result<RoaringBitmap, SelectError> {
    let (block, tombstones) = (&loaded.block, loaded.tombstones());
    let mut present = RoaringBitmap::new();
    for number in 0..block.groups() {
        let group = block.group(number).map_err(failed)?;
        worked(pace::LABELS)?;
        if group.time_min > range.end || range.start > group.time_max {
            continue;
        }
        let mut columns = RoaringBitmap::new();
        columns.insert_range(group.columns.clone());
        if !tombstones.is_empty() {
            columns -= tombstones.wholly(group.time_min.max(range.start), group.time_max.min(range.end));
        }
        present |= columns;
    }
    Ok(present)
}

/// The series of a selection, and in which parts each is. Of each series its labels, or what else is to be known of it.
pub(super) struct Table<T> {
    series: Vec<(T, Places)>,
}

/// Part, and place among the part's series. Mostly there is one.
#[derive(Default)]
struct Places {
    first: Option<(u32, u32)>,
    more: Vec<(u32, u32)>,
}

impl Places {
    fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.first.iter().chain(&self.more).copied()
    }
}

/// The series of a table by their labels.
#[derive(Default)]
struct ByLabels {
    /// Half of the hash, so that growing looks at no label set, and the number.
    numbers: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
}

impl ByLabels {
    /// The number of the series with these labels, which is added if there is none.
    fn find_or_add(&mut self, labels: LabelSet, table: &mut Table<LabelSet>) -> u32 {
        // The upper half of a good hash is one.
        let hash = (self.hasher.hash_one(&labels) >> 32) as u32;
        let same = |(held, number): &(u32, u32)| *held == hash && table.series[*number as usize].0 == labels;
        if let Some((_, number)) = self.numbers.find(spread(hash), same) {
            return *number;
        }
        let number = table.len() as u32;
        self.numbers.insert_unique(spread(hash), (hash, number), |(hash, _)| spread(*hash));
        table.add(labels);
        number
    }
}

/// Parts, the series that are in all of them, and of each part their columns.
pub(super) type Together<T> = (Vec<u32>, Vec<T>, Vec<Vec<usize>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { series: Vec::new() }
    }
}

impl<T> Table<T> {
    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// Adds a series, whose number is how many there were before.
    pub(super) fn add(&mut self, what: T) {
        self.series.push((what, Places::default()));
    }

    /// Notes that a series is in a part, and its place there.
    pub(super) fn place(&mut self, series: u32, place: (u32, u32)) {
        let places = &mut self.series[series as usize].1;
        match places.first {
            None => places.first = Some(place),
            Some(_) => places.more.push(place),
        }
    }

    /// Series with the same parts become one group.
    pub(super) fn into_groups(self) -> Result<Vec<Together<T>>, SelectError> {
        let mut groups: Vec<Together<T>> = Vec::new();
        let mut group_of: HashMap<Vec<u32>, usize> = HashMap::new();
        let mut last: Option<usize> = None;
        for (what, places) in self.series {
            worked(pace::SERIES * 2)?;
            // Neighbours mostly have the same parts.
            let same = |at: &usize| groups[*at].0.iter().copied().eq(places.iter().map(|(part, _)| part));
            let at = last.filter(same).unwrap_or_else(|| {
                let parts: Vec<u32> = places.iter().map(|(part, _)| part).collect();
                *group_of.entry(parts).or_insert_with_key(|parts| {
                    groups.push((parts.clone(), Vec::new(), vec![Vec::new(); parts.len()]));
                    groups.len() - 1
                })
            });
            last = Some(at);
            let (_, all, columns) = &mut groups[at];
            all.push(what);
            for (column, (_, of)) in columns.iter_mut().zip(places.iter()) {
                column.push(of as usize);
            }
        }
        Ok(groups)
    }
}

/// Where parts come from, with the series that were found there.
pub(super) enum Source {
    Block(Arc<Loaded>, u32, Vec<u32>),
    Head(View),
}

impl Source {
    /// Some of its series, by their places.
    pub(super) fn part(&self, columns: &[usize]) -> Part {
        match self {
            Self::Block(loaded, group, ids) => {
                let ids = columns.iter().map(|at| ids[*at]).collect();
                Part::Block { loaded: Arc::clone(loaded), group: *group, ids, tombstones: loaded.tombstones() }
            }
            Self::Head(view) => Part::Head(view.subset(columns)),
        }
    }
}

/// The head's part of a selection, whether each series is in one group alone, and what keeps its series from being removed.
pub(super) type HeadParts<'a> = (Vec<View>, bool, RwLockReadGuard<'a, ()>);

impl Db {
    /// The series of blocks and head, each once.
    pub(super) fn table(
        &self,
        request: &SelectRequest<'_>,
        blocks: &[Arc<Loaded>],
        places: &mut Vec<Source>,
    ) -> Result<(Table<LabelSet>, RwLockReadGuard<'_, ()>), SelectError> {
        let range = request.range;
        let mut table = Table::default();
        let mut by_labels = ByLabels::default();
        for loaded in blocks {
            let mut texts = loaded.block.texts();
            for (group, ids) in columns_in(loaded, &[request.matchers], range)? {
                go_on()?;
                let part = places.len() as u32;
                let mut at_part = 0;
                for some in ids.chunks(LABELS_AT_ONCE) {
                    let labels = loaded.block.labels_with(&mut texts, some.iter().copied()).map_err(failed)?;
                    texts.keep_at_most(PAIRS);
                    worked(labels.len() * pace::LABELS)?;
                    stop::take(labels.iter().map(|labels| labels.bytes() + SERIES_BYTES).sum());
                    for labels in labels {
                        worked(pace::LABELS)?;
                        let at = by_labels.find_or_add(labels, &mut table);
                        table.place(at, (part, at_part));
                        at_part += 1;
                    }
                }
                places.push(Source::Block(Arc::clone(loaded), group, ids));
            }
        }
        // Taken once blocks were read: who waits to remove series keeps all others from adding any.
        let (head, _, gate) = self.head(request)?;
        let mut by_id: HashMap<u32, u32> = HashMap::new();
        for view in head {
            let part = places.len() as u32;
            let labels = self.0.labels_of(view.wanted().iter().map(|(id, _)| *id))?;
            for ((at_part, wanted), labels) in view.wanted().iter().enumerate().zip(labels) {
                worked(pace::LABELS)?;
                let at = *by_id.entry(wanted.0).or_insert_with(|| by_labels.find_or_add(labels, &mut table));
                table.place(at, (part, at_part as u32));
            }
            places.push(Source::Head(view));
        }
        Ok((table, gate))
    }

    /// The head's part of a selection, whether each series is in one group alone, and what keeps its series from being removed.
    pub(super) fn head(&self, request: &SelectRequest<'_>) -> Result<HeadParts<'_>, SelectError> {
        let gate = self.0.new_columns();
        let ids = self.0.index().matching(request.matchers);
        let (views, apart) = self.0.present(&ids, request.range)?;
        Ok((views.into_iter().map(|(_, view)| view).collect(), apart, gate))
    }
}
