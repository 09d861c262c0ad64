//! Several blocks become one: group by group, one stretch of columns at a time.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use model::seams::Exemplar;
use model::{ABSENT_BITS, LabelSet, TimeRange, TimestampMs};

use super::blocks::Loaded;
use super::tombstones::SharedTombstones;
use crate::block::{BlockDamage, BlockMeta, BlockSource, BlockWriter, Column};
use crate::disk::Disk;
use crate::merge::{Cells, RowPlan, Times};

/// Cells that are decoded at a time, about.
const CELLS: usize = 1 << 18;
/// Label sets that are held at a time.
const LABELS_AT_ONCE: usize = 4096;
pub(crate) const ALL: TimeRange = TimeRange { start: i64::MIN, end: i64::MAX };

/// Why blocks were not merged.
#[derive(Debug)]
pub(crate) enum MergeError {
    /// A source is damaged: its place among the inputs.
    Damaged(usize, BlockDamage),
    /// The new block could not be written.
    Write(String),
    /// It was told to stop.
    Stopped,
}

/// One group of one input.
#[derive(Clone, Copy)]
struct Part {
    input: usize,
    group: u32,
    /// Its columns: the first, and the one after the last.
    first: u32,
    end: u32,
}

impl Part {
    fn columns(self) -> std::ops::Range<u32> {
        self.first..self.end
    }
}

/// A column of one part.
#[derive(Clone, Copy)]
struct Place {
    hash: u64,
    part: u32,
    column: u32,
}

pub(crate) struct Merge<'a> {
    /// In the order of writing.
    pub(crate) inputs: &'a [Arc<Loaded>],
    /// Asked now and then whether to go on.
    pub(crate) go_on: &'a mut dyn FnMut() -> bool,
    /// What to do about parts that are damaged: none: give up; else they are left out and told here.
    pub(crate) left_out: Option<&'a mut Vec<BlockDamage>>,
}

/// Times, and columns with an entry for each.
type Columns = (Vec<TimestampMs>, Vec<Cells>);

/// The samples of a series that has columns in several groups, where the groups may say different things of one time: for each time the
/// group, by its place among the keys, that wrote first.
type Winners = HashMap<TimestampMs, (u64, u32, usize)>;

struct Merger<'a, 'b> {
    merge: Merge<'a>,
    tombstones: Vec<SharedTombstones>,
    writer: &'b mut BlockWriter,
    hasher: RandomState,
    /// Of series in several groups, by the hash of their labels: key, part and column of each.
    shared: HashMap<u64, Vec<(usize, Part, u32)>>,
    written: u64,
}

/// Writes a block with all samples of the inputs that were not deleted. None: there are none.
pub(crate) fn merge_blocks(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    source: BlockSource,
    merge: Merge<'_>,
) -> Result<Option<BlockMeta>, MergeError> {
    let mut writer =
        BlockWriter::create(Arc::clone(disk), dir, source).map_err(|error| MergeError::Write(format!("cannot make a block: {error}")))?;
    let tombstones = merge.inputs.iter().map(|input| input.tombstones()).collect();
    let mut merger = Merger { merge, tombstones, writer: &mut writer, hasher: RandomState::new(), shared: HashMap::new(), written: 0 };
    merger.run()?;
    if merger.written == 0 {
        return Ok(None);
    }
    writer.finish().map(Some).map_err(|error| MergeError::Write(format!("cannot finish a block: {error}")))
}

impl Merger<'_, '_> {
    fn run(&mut self) -> Result<(), MergeError> {
        let mut keys: BTreeMap<String, Vec<Part>> = BTreeMap::new();
        for (input, loaded) in self.merge.inputs.iter().enumerate() {
            for group in 0..loaded.block.groups() {
                let about = loaded.block.group(group).map_err(|damage| MergeError::Damaged(input, damage))?;
                let part = Part { input, group, first: about.columns.start, end: about.columns.end };
                keys.entry(about.key).or_default().push(part);
            }
        }
        let overlap =
            self.merge.inputs.iter().enumerate().any(|(at, one)| self.merge.inputs[..at].iter().any(|other| one.overlaps(other.range())));
        if overlap {
            self.find_shared(&keys)?;
        }
        for (number, (key, parts)) in keys.iter().enumerate() {
            self.group(number, key, parts)?;
        }
        Ok(())
    }

    fn labels(&self, part: Part, column: u32) -> Result<LabelSet, MergeError> {
        self.merge.inputs[part.input].block.labels(column).map_err(|damage| MergeError::Damaged(part.input, damage))
    }

    /// Each column of a part with the hash of its labels.
    fn hashes(&self, part: Part, mut each: impl FnMut(u64, u32)) -> Result<(), MergeError> {
        let columns: Vec<u32> = part.columns().collect();
        for some in columns.chunks(LABELS_AT_ONCE) {
            let labels = self.merge.inputs[part.input].block.labels_of(some.iter().copied());
            let labels = labels.map_err(|damage| MergeError::Damaged(part.input, damage))?;
            some.iter().zip(labels).for_each(|(column, labels)| each(self.hasher.hash_one(labels), *column));
        }
        Ok(())
    }

    /// Notes the series that are in groups of several keys.
    fn find_shared(&mut self, keys: &BTreeMap<String, Vec<Part>>) -> Result<(), MergeError> {
        let mut key_of: HashMap<u64, Option<usize>> = HashMap::new();
        for (key, parts) in keys.values().enumerate() {
            for part in parts {
                self.hashes(*part, |hash, _| {
                    let held = key_of.entry(hash).or_insert(Some(key));
                    if *held != Some(key) {
                        *held = None;
                    }
                })?;
            }
        }
        key_of.retain(|_, key| key.is_none());
        if key_of.is_empty() {
            return Ok(());
        }
        let mut shared: HashMap<u64, Vec<(usize, Part, u32)>> = HashMap::new();
        for (key, parts) in keys.values().enumerate() {
            for part in parts {
                self.hashes(*part, |hash, column| {
                    if key_of.contains_key(&hash) {
                        shared.entry(hash).or_default().push((key, *part, column));
                    }
                })?;
            }
        }
        self.shared = shared;
        Ok(())
    }

    fn group(&mut self, number: usize, key: &str, parts: &[Part]) -> Result<(), MergeError> {
        let mut tables = Vec::with_capacity(parts.len());
        for part in parts {
            let times = self.read(*part, &[])?.map(|(times, _)| times).unwrap_or_default();
            tables.push(Times { times, rank: self.rank(*part), stamps: vec![i64::from(part.group)] });
        }
        // One stamp counts for all rows of a part.
        for table in &mut tables {
            let stamp = table.stamps[0];
            table.stamps = vec![stamp; table.times.len()];
        }
        let plan = RowPlan::new(&tables);
        if plan.times.is_empty() {
            return Ok(());
        }
        let series = self.series(parts)?;
        let stretch = (CELLS / plan.times.len()).max(1);
        let mut begun = false;
        for series in series.chunks(stretch) {
            if !(self.merge.go_on)() {
                return Err(MergeError::Stopped);
            }
            let columns = self.read_stretch(parts, series, &tables)?;
            for (places, cells) in series.iter().zip(&columns) {
                let mut of_part: Vec<Option<&Cells>> = vec![None; parts.len()];
                for (place, cells) in places.iter().zip(cells) {
                    of_part[place.part as usize] = Some(cells);
                }
                let mut merged = plan.apply(&of_part);
                let first = places[0];
                let labels = self.labels(parts[first.part as usize], first.column)?;
                if self.shared.contains_key(&first.hash) {
                    let winners = self.winners(first.hash, &labels)?;
                    for (bits, time) in merged.bits.iter_mut().zip(&plan.times) {
                        if winners.get(time).is_some_and(|(_, _, key)| *key != number) {
                            *bits = ABSENT_BITS;
                        }
                    }
                    merged.tidy();
                }
                if merged.is_absent() {
                    continue;
                }
                let exemplars = self.exemplars(parts, places)?;
                if !begun {
                    self.writer.begin_group(key, &plan.times).map_err(write_failed)?;
                    begun = true;
                }
                let column = Column {
                    labels: &labels,
                    bits: &merged.bits,
                    histograms: &merged.histograms,
                    starts: &merged.starts,
                    exemplars: &exemplars,
                };
                self.writer.column(&column).map_err(write_failed)?;
                self.written += 1;
            }
        }
        if begun { self.writer.end_group().map_err(write_failed) } else { Ok(()) }
    }

    /// The series of a group, each with its columns in the parts, in the order of the first part that has them.
    fn series(&self, parts: &[Part]) -> Result<Vec<Vec<Place>>, MergeError> {
        let mut places = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            if parts.len() == 1 && self.shared.is_empty() {
                places.extend(part.columns().map(|column| Place { hash: 0, part: 0, column }));
            } else {
                self.hashes(*part, |hash, column| places.push(Place { hash, part: at as u32, column }))?;
            }
        }
        if parts.len() == 1 {
            return Ok(places.into_iter().map(|place| vec![place]).collect());
        }
        places.sort_by_key(|place| (place.hash, place.part, place.column));
        let mut series: Vec<Vec<Place>> = Vec::new();
        for run in places.chunk_by(|a, b| a.hash == b.hash) {
            // Different labels with one hash are nearly as rare as a damaged memory, and yet.
            let mut same: Vec<(Option<LabelSet>, Vec<Place>)> = Vec::new();
            for place in run {
                if run.len() == 1 {
                    same.push((None, vec![*place]));
                    continue;
                }
                let labels = self.labels(parts[place.part as usize], place.column)?;
                match same.iter_mut().find(|(held, _)| held.as_ref() == Some(&labels)) {
                    Some((_, places)) => places.push(*place),
                    None => same.push((Some(labels), vec![*place])),
                }
            }
            series.extend(same.into_iter().map(|(_, places)| places));
        }
        series.sort_by_key(|places| (places[0].part, places[0].column));
        Ok(series)
    }

    /// The cells of each place of each series.
    fn read_stretch(&mut self, parts: &[Part], series: &[Vec<Place>], tables: &[Times]) -> Result<Vec<Vec<Cells>>, MergeError> {
        let mut out: Vec<Vec<Cells>> = series.iter().map(|places| vec![Cells::default(); places.len()]).collect();
        for (at, part) in parts.iter().enumerate() {
            let mut wanted: Vec<(u32, usize, usize)> = Vec::new();
            for (n, places) in series.iter().enumerate() {
                wanted.extend(places.iter().enumerate().filter(|(_, p)| p.part as usize == at).map(|(m, p)| (p.column, n, m)));
            }
            wanted.sort_unstable();
            let ids: Vec<u32> = wanted.iter().map(|(id, ..)| *id).collect();
            if ids.is_empty() {
                continue;
            }
            match self.read(*part, &ids)? {
                Some((_, cells)) => wanted.iter().zip(cells).for_each(|((_, n, m), cells)| out[*n][*m] = cells),
                None => {
                    // One at a time: what is readable is kept.
                    for (id, n, m) in &wanted {
                        let cells = self.read(*part, &[*id])?.and_then(|(_, mut cells)| cells.pop());
                        out[*n][*m] = cells.unwrap_or_else(|| Cells::absent(tables[at].times.len()));
                    }
                }
            }
        }
        Ok(out)
    }

    /// Times and columns of a part without what was deleted. None: damaged, and left out.
    fn read(&mut self, part: Part, ids: &[u32]) -> Result<Option<Columns>, MergeError> {
        match self.merge.inputs[part.input].block.read(part.group, ids, ALL) {
            Ok(rows) => {
                let tombstones = &self.tombstones[part.input];
                let cells = ids.iter().zip(rows.columns).map(|(id, column)| {
                    let mut cells = Cells::of(column);
                    if !tombstones.is_empty() {
                        tombstones.apply(*id, &rows.times, &mut cells.bits);
                        cells.tidy();
                    }
                    cells
                });
                let cells = cells.collect();
                Ok(Some((rows.times, cells)))
            }
            Err(damage) => match &mut self.merge.left_out {
                Some(left_out) => {
                    if !left_out.contains(&damage) {
                        left_out.push(damage);
                    }
                    Ok(None)
                }
                None => Err(MergeError::Damaged(part.input, damage)),
            },
        }
    }

    fn exemplars(&mut self, parts: &[Part], places: &[Place]) -> Result<Vec<Exemplar>, MergeError> {
        let mut all: Vec<Exemplar> = Vec::new();
        for place in places {
            let Part { input, group, .. } = parts[place.part as usize];
            let input_block = &self.merge.inputs[input];
            if input_block.meta().exemplars == 0 {
                continue;
            }
            match input_block.block.exemplars(group, &[place.column], ALL) {
                Ok(found) => {
                    for exemplar in found.into_values().flatten() {
                        if !all.iter().rev().take(64).any(|held| held.is_same(&exemplar)) {
                            all.push(exemplar);
                        }
                    }
                }
                Err(damage) => match &mut self.merge.left_out {
                    Some(left_out) => left_out.push(damage),
                    None => return Err(MergeError::Damaged(input, damage)),
                },
            }
        }
        all.sort_by_key(|exemplar| exemplar.time);
        Ok(all)
    }

    fn rank(&self, part: Part) -> u64 {
        self.merge.inputs[part.input].rank()
    }

    fn winners(&mut self, hash: u64, labels: &LabelSet) -> Result<Winners, MergeError> {
        let mut winners = Winners::new();
        for (key, part, column) in self.shared.get(&hash).cloned().unwrap_or_default() {
            if self.labels(part, column)? != *labels {
                continue;
            }
            let Some((times, cells)) = self.read(part, &[column])? else { continue };
            let place = (self.rank(part), part.group, key);
            let present = times.iter().zip(cells.iter().flat_map(|cells| &cells.bits)).filter(|(_, bits)| **bits != ABSENT_BITS);
            for (time, _) in present {
                let held = winners.entry(*time).or_insert(place);
                *held = (*held).min(place);
            }
        }
        Ok(winners)
    }
}

fn write_failed(error: std::io::Error) -> MergeError {
    MergeError::Write(format!("cannot write a block: {error}"))
}
