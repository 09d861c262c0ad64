//! Finding and reading samples, in blocks and in the head.

mod cursor;
mod firsts;
mod head;
mod keyed;
mod selected;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use model::seams::{
    Exemplar, KeyedGroups, LabelKey, Select, SelectError, SelectRequest, SelectedGroup, SeriesExemplars, TYPE_LABEL, UNIT_LABEL,
};
use model::{LabelSet, Matcher, TimeRange, stop};

use self::cursor::{Cursor, Series, Values};
use self::firsts::Firsts;
use self::selected::{Part, Selected};
use self::table::columns_in;
use crate::block::BlockDamage;
use crate::db::Db;
use crate::head::read::View;
use crate::index::keys::Keys;
use crate::pace;

/// Labels that are read from a block at a time.
const LABELS_AT_ONCE: usize = 1024;

/// Pairs of a block whose texts are remembered.
const PAIRS: usize = 64 << 10;

/// How long lists are made.
const CURSOR: Cursor = Cursor { run: cursor::RUN, held: cursor::HELD };

/// What a series of a selection takes beside its labels while it is made.
const SERIES_BYTES: usize = 100;

/// An error once nobody waits for the answer any more, or it has become too large.
fn go_on() -> Result<(), SelectError> {
    if pace::look() { Err(SelectError::Stopped) } else { Ok(()) }
}

/// Likewise, where so many ticks of work make it worth a look.
fn worked(ticks: usize) -> Result<(), SelectError> {
    if pace::over(ticks) { Err(SelectError::Stopped) } else { Ok(()) }
}

fn failed(damage: BlockDamage) -> SelectError {
    SelectError::Failed(format!("a block is damaged: {damage}"))
}

/// Is handed the labels of one series after the other.
type EachLabels<'a> = dyn FnMut(&mut dyn Iterator<Item = (&str, &str)>) + 'a;

impl Db {
    /// Label sets in the range: of the head first, because rows go from there to blocks and never back.
    fn each_labels(&self, sets: &[Vec<Matcher>], range: TimeRange, each: &mut EachLabels<'_>) -> Result<(), SelectError> {
        if range.start > range.end {
            return Ok(());
        }
        {
            // Not over the reading of blocks: who waits to remove series keeps all others from adding any.
            let _gate = self.0.new_columns();
            let ids = self.0.series_in(sets, range)?;
            let index = self.0.index();
            for id in ids {
                worked(pace::LABELS * 2)?;
                each(&mut index.label_pairs(id));
            }
        }
        let sets: Vec<&[Matcher]> = sets.iter().map(Vec::as_slice).collect();
        for loaded in self.0.blocks.within(range) {
            let mut texts = loaded.block.texts();
            for ids in columns_in(&loaded, &sets, range)?.into_values() {
                for some in ids.chunks(LABELS_AT_ONCE) {
                    for labels in loaded.block.labels_with(&mut texts, some.iter().copied()).map_err(failed)? {
                        worked(pace::LABELS * 2)?;
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
            let (head, apart, _gate) = self.head(request)?;
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
        for (parts, labels, columns) in table.into_groups()? {
            worked(labels.len())?;
            let parts = parts.iter().zip(columns).map(|(part, columns)| sources[*part as usize].part(&columns)).collect();
            selected.push(Box::new(Selected { parts, labels, range }));
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
        let blocks = self.0.blocks.within(range);
        if blocks.is_empty() {
            let (head, apart, _gate) = self.head(request)?;
            if apart {
                let (index, mut keys, mut keyed) = (self.0.index(), Keys::new(key), KeyedGroups::default());
                for view in head {
                    keyed.of.push(keys.of(&index, view.wanted().iter().map(|(id, _)| *id)));
                    keyed.groups.push(Box::new(Selected { labels: Vec::new(), parts: vec![Part::Head(view)], range }));
                }
                go_on()?;
                keyed.keys = keys.labels(&index);
                go_on()?;
                keyed.typed = [TYPE_LABEL, UNIT_LABEL].into_iter().any(|name| index.has_name(name));
                return Ok(keyed);
            }
        }
        self.keyed_with_blocks(request, &blocks, key)
    }

    fn label_names(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        let mut names = Firsts::new(limit);
        self.each_labels(matcher_sets, range, &mut |pairs| pairs.for_each(|(name, _)| names.add(name)))?;
        Ok(names.into_vec())
    }

    fn label_values(&self, name: &str, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        if range.start > range.end {
            return Ok(Vec::new());
        }
        let listed = Values { name, sets: matcher_sets, range };
        if !(1..=cursor::RUN).contains(&limit) {
            let mut values = Vec::new();
            CURSOR.each(&self.0, (&listed, range, limit), &mut |value| {
                stop::take(value.len() + size_of::<String>());
                values.push(value.clone());
                ControlFlow::Continue(())
            })?;
            return Ok(values);
        }
        // No more are held than are wanted. The head first, as in `each_labels`.
        let mut values = Firsts::new(limit);
        self.0.first_values_in(&listed, &mut values)?;
        for loaded in self.0.blocks.within(range) {
            for value in listed.first_of(&loaded, limit)? {
                if values.lacks(&value) {
                    values.insert(value);
                }
            }
        }
        Ok(values.into_vec())
    }

    fn each_label_value(
        &self,
        name: &str,
        matcher_sets: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), SelectError> {
        if (1..=cursor::RUN).contains(&limit) {
            let _ = self.label_values(name, matcher_sets, range, limit)?.iter().try_for_each(|value| each(value));
            return Ok(());
        }
        CURSOR.each(&self.0, (&Values { name, sets: matcher_sets, range }, range, limit), &mut |value| each(value))
    }

    fn series(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError> {
        if (1..=cursor::RUN).contains(&limit) {
            // No more are held than are wanted.
            let mut series = Firsts::new(limit);
            self.each_labels(matcher_sets, range, &mut |pairs| {
                let labels = LabelSet::from_pairs(pairs);
                if series.wants(&labels) {
                    stop::take(labels.bytes() + SERIES_BYTES);
                    series.insert(labels);
                }
            })?;
            return Ok(series.into_vec());
        }
        let mut series = Vec::new();
        CURSOR.each(&self.0, (&Series { sets: matcher_sets, range }, range, limit), &mut |labels| {
            stop::take(labels.bytes() + size_of::<LabelSet>());
            series.push(labels.clone());
            ControlFlow::Continue(())
        })?;
        Ok(series)
    }

    fn each_series(
        &self,
        matcher_sets: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        each: &mut dyn FnMut(&LabelSet) -> ControlFlow<()>,
    ) -> Result<(), SelectError> {
        if (1..=cursor::RUN).contains(&limit) {
            let _ = self.series(matcher_sets, range, limit)?.iter().try_for_each(each);
            return Ok(());
        }
        CURSOR.each(&self.0, (&Series { sets: matcher_sets, range }, range, limit), each)
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
            go_on()?;
            ids.sort_unstable();
            for series in self.0.exemplars().of(&ids, range, |id| index.labels(id)) {
                found.insert(series.labels, series.exemplars);
            }
        }
        let sets: Vec<&[Matcher]> = matcher_sets.iter().map(Vec::as_slice).collect();
        for loaded in self.0.blocks.within(range).iter().filter(|loaded| loaded.meta().exemplars > 0) {
            for (group, ids) in columns_in(loaded, &sets, range)? {
                worked(ids.len())?;
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
