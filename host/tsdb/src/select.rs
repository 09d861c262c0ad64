//! Finding and reading samples.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::seams::{ColumnSamples, GroupSamples, Select, SelectError, SelectRequest, SelectedGroup, SeriesExemplars};
use model::{ABSENT_BITS, LabelSet, Matcher, TimeRange};

use crate::db::{Db, Inner};
use crate::head::read::{Columns, PageDamaged, View, Wanted, present};

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

    /// The series that satisfy the matchers and may have samples in the range, ascending.
    fn series_in(&self, sets: &[Vec<Matcher>], range: TimeRange) -> Vec<u32> {
        if range.start > range.end {
            return Vec::new();
        }
        let ids = self.index().matching_any(sets);
        let found: BTreeSet<u32> = self.present(&ids, range).into_values().flatten().map(|(id, _)| id).collect();
        found.into_iter().collect()
    }
}

impl Select for Db {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError> {
        let range = request.range;
        if range.start > range.end {
            return Ok(Vec::new());
        }
        let _gate = self.0.new_columns();
        let ids = self.0.index().matching(request.matchers);
        let mut by_group = self.0.present(&ids, range);
        let mut groups_of: HashMap<u32, u32> = HashMap::new();
        for (id, _) in by_group.values().flatten() {
            *groups_of.entry(*id).or_default() += 1;
        }
        let mut shared: BTreeMap<u32, Vec<View>> = BTreeMap::new();
        let mut selected: Vec<Box<dyn SelectedGroup>> = Vec::new();
        for (group, wanted) in &mut by_group {
            let Some(group) = self.0.group(*group) else {
                continue;
            };
            for (id, slot) in wanted.iter().filter(|(id, _)| groups_of[id] > 1) {
                shared.entry(*id).or_default().push(View::new(&group, vec![(*id, *slot)], range));
            }
            wanted.retain(|(id, _)| groups_of[id] == 1);
            if !wanted.is_empty() {
                let labels = self.labels_of(wanted.iter().map(|(id, _)| *id));
                selected.push(Box::new(Whole { labels, view: View::new(&group, std::mem::take(wanted), range) }));
            }
        }
        for (id, views) in shared {
            selected.push(Box::new(Merged { labels: self.labels_of([id].into_iter()), views }));
        }
        Ok(selected)
    }

    fn label_names(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        let _gate = self.0.new_columns();
        let ids = self.0.series_in(matcher_sets, range);
        let index = self.0.index();
        let names: BTreeSet<&str> = ids.iter().flat_map(|id| index.label_pairs(*id)).map(|(name, _)| name).collect();
        Ok(limited(names.into_iter().map(str::to_owned), limit))
    }

    fn label_values(&self, name: &str, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        let _gate = self.0.new_columns();
        let ids = self.0.series_in(matcher_sets, range);
        let index = self.0.index();
        let values: BTreeSet<&str> =
            ids.iter().flat_map(|id| index.label_pairs(*id)).filter(|(n, _)| *n == name).map(|(_, value)| value).collect();
        Ok(limited(values.into_iter().map(str::to_owned), limit))
    }

    fn series(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError> {
        let _gate = self.0.new_columns();
        let ids = self.0.series_in(matcher_sets, range);
        let mut labels = self.labels_of(ids.into_iter());
        labels.sort_unstable();
        Ok(limited(labels.into_iter(), limit))
    }

    fn exemplars(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Result<Vec<SeriesExemplars>, SelectError> {
        let _gate = self.0.new_columns();
        let index = self.0.index();
        let mut ids = index.matching_any(matcher_sets);
        ids.sort_unstable();
        Ok(self.0.exemplars().of(&ids, range, |id| index.labels(id)))
    }
}

impl Db {
    fn labels_of(&self, ids: impl Iterator<Item = u32>) -> Vec<LabelSet> {
        let index = self.0.index();
        ids.map(|id| index.labels(id)).collect()
    }
}

fn limited<T>(all: impl Iterator<Item = T>, limit: usize) -> Vec<T> {
    all.take(if limit == 0 { usize::MAX } else { limit }).collect()
}

/// Series of one group.
struct Whole {
    labels: Vec<LabelSet>,
    view: View,
}

impl SelectedGroup for Whole {
    fn labels(&self) -> &[LabelSet] {
        &self.labels
    }

    fn samples_max(&self) -> usize {
        self.view.samples_max()
    }

    fn read(&self) -> Result<GroupSamples, SelectError> {
        let Columns { times, columns, .. } = self.view.read().map_err(damaged)?;
        Ok(GroupSamples { times, columns: columns.into_iter().map(floats).collect(), warnings: Vec::new() })
    }
}

/// One series with columns in several groups.
struct Merged {
    labels: Vec<LabelSet>,
    views: Vec<View>,
}

impl SelectedGroup for Merged {
    fn labels(&self) -> &[LabelSet] {
        &self.labels
    }

    fn samples_max(&self) -> usize {
        self.views.iter().map(View::samples_max).sum()
    }

    fn read(&self) -> Result<GroupSamples, SelectError> {
        let mut samples = Vec::new();
        for view in &self.views {
            let Columns { times, stamps, columns } = view.read().map_err(damaged)?;
            let rows = times.into_iter().zip(stamps).zip(columns.into_iter().flatten());
            samples.extend(rows.filter(|(_, bits)| *bits != ABSENT_BITS).map(|((time, stamp), bits)| (time, stamp, bits)));
        }
        samples.sort_unstable();
        // For equal times the first written counts.
        samples.dedup_by_key(|(time, ..)| *time);
        let column = samples.iter().map(|(.., bits)| *bits).collect();
        Ok(GroupSamples {
            times: samples.into_iter().map(|(time, ..)| time).collect(),
            columns: vec![floats(column)],
            warnings: Vec::new(),
        })
    }
}

fn floats(bits: Vec<u64>) -> ColumnSamples {
    ColumnSamples::Floats(bits.into_iter().map(f64::from_bits).collect())
}

fn damaged(_: PageDamaged) -> SelectError {
    SelectError::Failed("a page of samples in memory does not decode; the machine's memory may be faulty".to_owned())
}
