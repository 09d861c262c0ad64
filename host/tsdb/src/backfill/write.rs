use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{ABSENT_BITS, LabelSet, TimeRange};

use super::groups::{TimeList, TimeLists};
use super::{Samples, SeriesSource};
use crate::block::{self, BlockSource, BlockWriter, Column};
use crate::disk::{Disk, DiskLock, LockError};

/// What the shortest block spans, as the server makes them.
const BLOCK_MS: i64 = 2 * 3_600_000;

/// Longer blocks span so many of the next shorter ones, as upstream's do by default.
const RANGE_FACTOR: i64 = 3;

/// The longest block that is made: nine of two hours, so that half a day more or less can be deleted with it.
const RANGE_MAX_MS: i64 = BLOCK_MS * RANGE_FACTOR * RANGE_FACTOR;

/// Writes blocks into a data directory, whose lock it holds.
pub struct Backfill {
    disk: Arc<dyn Disk>,
    blocks: PathBuf,
    sequence: u64,
    _lock: Box<dyn DiskLock>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackfillReport {
    /// Blocks.
    pub blocks: u64,
    /// Groups of all blocks together.
    pub groups: u64,
    /// Columns, likewise.
    pub columns: u64,
    /// Samples.
    pub samples: u64,
    /// Of these, native histograms.
    pub histograms: u64,
    /// Bytes of the blocks.
    pub bytes: u64,
}

impl BackfillReport {
    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.groups += other.groups;
        self.columns += other.columns;
        self.samples += other.samples;
        self.histograms += other.histograms;
        self.bytes += other.bytes;
    }
}

/// Why nothing more was written. Blocks that were finished before are there.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackfillError<E> {
    /// The source could not be read.
    Source(E),
    /// The data directory has a holder, whose process id the text is, as far as it left it.
    InUse(String),
    /// A block could not be written.
    Io(PathBuf, io::Error),
}

impl<E: fmt::Display> fmt::Display for BackfillError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::InUse(holder) => write!(f, "the data directory is in use by process {holder}; stop it, or use another directory"),
            Self::Io(file, error) => write!(f, "{}: {error}", file.display()),
        }
    }
}

impl<E: std::error::Error> std::error::Error for BackfillError<E> {}

/// The range that blocks of samples over such a span are made for, in milliseconds: two hours, or for a long time, longer.
#[must_use]
pub fn block_range(span_ms: i64) -> i64 {
    let mut range = BLOCK_MS;
    while range < RANGE_MAX_MS && range.saturating_mul(RANGE_FACTOR) <= span_ms {
        range *= RANGE_FACTOR;
    }
    range
}

impl Backfill {
    /// Takes the lock of a data directory, which is made if it is not there.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, BackfillError<std::convert::Infallible>> {
        let io = |error| BackfillError::Io(dir.to_owned(), error);
        let blocks = dir.join("blocks");
        disk.create_dir_all(&blocks).map_err(io)?;
        let lock = disk.lock(&dir.join("lock"), &std::process::id().to_string()).map_err(|error| match error {
            LockError::Held(holder) => BackfillError::InUse(holder),
            LockError::Failed(error) => io(error),
        })?;
        // Numbers of blocks that were set aside, or whose notes are left, are not used again either.
        let numbers = disk.list(&blocks).map_err(io)?;
        let number = |name: &String| name.split('.').next().and_then(|digits| digits.parse::<u64>().ok());
        let sequence = numbers.iter().filter_map(number).max().unwrap_or(0);
        Ok(Self { disk, blocks, sequence, _lock: lock })
    }

    /// Writes all samples of a source. Blocks appear one by one, each whole.
    pub fn write<S: SeriesSource>(&mut self, source: &S) -> Result<BackfillReport, BackfillError<S::Error>> {
        let mut report = BackfillReport::default();
        let Some(all) = source.time_range() else {
            return Ok(report);
        };
        let targets = Targets::of(source).map_err(BackfillError::Source)?;
        let range_ms = block_range(all.end.saturating_sub(all.start).saturating_add(1));
        let units = source.units(range_ms).map_err(BackfillError::Source)?;
        for unit in units {
            let start = unit.saturating_mul(range_ms);
            let range = TimeRange { start: start.max(all.start), end: start.saturating_add(range_ms - 1).min(all.end) };
            self.write_range(source, &targets, range, &mut report)?;
        }
        Ok(report)
    }

    fn write_range<S: SeriesSource>(
        &mut self,
        source: &S,
        targets: &Targets,
        range: TimeRange,
        report: &mut BackfillReport,
    ) -> Result<(), BackfillError<S::Error>> {
        let mut writer: Option<BlockWriter> = None;
        let mut samples = Samples::default();
        for members in targets.series.chunk_by(|a, b| a.0 == b.0) {
            let key = &targets.keys[members[0].0 as usize];
            let mut lists = TimeLists::default();
            for (_, series) in members {
                source.read(*series, range, &mut samples).map_err(BackfillError::Source)?;
                if !samples.times.is_empty() {
                    lists.add(*series, &samples.times);
                }
                if lists.is_full() {
                    self.write_groups(source, key, lists.take(), range, &mut writer, report)?;
                }
            }
            self.write_groups(source, key, lists.take(), range, &mut writer, report)?;
        }
        if let Some(writer) = writer {
            let meta = writer.finish().map_err(|error| self.failed(error))?;
            report.blocks += 1;
            report.samples += meta.samples;
            report.histograms += meta.histograms;
            report.bytes += meta.file_bytes;
        }
        Ok(())
    }

    fn write_groups<S: SeriesSource>(
        &mut self,
        source: &S,
        key: &str,
        groups: Vec<TimeList>,
        range: TimeRange,
        writer: &mut Option<BlockWriter>,
        report: &mut BackfillReport,
    ) -> Result<(), BackfillError<S::Error>> {
        let (mut samples, mut bits) = (Samples::default(), Vec::new());
        for group in groups {
            if writer.is_none() {
                self.sequence += 1;
                let source = BlockSource { sequence: self.sequence, level: 1, sources: vec![self.sequence], flushed: None };
                *writer = Some(BlockWriter::create(self.disk.clone(), &self.blocks, source).map_err(|error| self.failed(error))?);
            }
            let Some(writer) = writer.as_mut() else { continue };
            writer.begin_group(key, &group.times).map_err(|error| self.failed(error))?;
            for series in group.series {
                source.read(series, range, &mut samples).map_err(BackfillError::Source)?;
                let labels = source.labels(series).map_err(BackfillError::Source)?;
                spread(&mut samples, &group.times, &mut bits);
                let column = Column {
                    labels: &labels,
                    bits: &bits,
                    histograms: &samples.histograms,
                    starts: &samples.starts,
                    exemplars: &samples.exemplars,
                };
                writer.column(&column).map_err(|error| self.failed(error))?;
                report.columns += 1;
            }
            writer.end_group().map_err(|error| self.failed(error))?;
            report.groups += 1;
        }
        Ok(())
    }

    fn failed<E>(&self, error: io::Error) -> BackfillError<E> {
        BackfillError::Io(self.blocks.join(block::file_name(self.sequence)), error)
    }
}

/// A column of a group with these times: absent where the series has no sample. Places of histograms and starts move along.
fn spread(samples: &mut Samples, times: &[i64], bits: &mut Vec<u64>) {
    bits.clear();
    bits.resize(times.len(), ABSENT_BITS);
    let mut places = Vec::with_capacity(samples.times.len());
    let mut at = 0;
    for (time, value) in samples.times.iter().zip(&samples.bits) {
        // Every time of the series is among the group's: that is how the group was made.
        while times.get(at).is_some_and(|other| other < time) {
            at += 1;
        }
        if let Some(bits) = bits.get_mut(at) {
            *bits = *value;
        }
        places.push(at as u32);
    }
    for place in samples.histograms.iter_mut().map(|(place, _)| place).chain(samples.starts.iter_mut().map(|(place, _)| place)) {
        *place = places[*place as usize];
    }
}

/// Which series belong to one target.
struct Targets {
    keys: Vec<String>,
    /// Place of the target's key and number of the series, sorted by target, else as the source gave them.
    series: Vec<(u32, u64)>,
}

impl Targets {
    fn of<S: SeriesSource>(source: &S) -> Result<Self, S::Error> {
        let mut places: HashMap<String, u32> = HashMap::new();
        let (mut keys, mut series) = (Vec::new(), Vec::new());
        source.visit(&mut |number, labels: LabelSet| {
            let key = format!("backfill/{}/{}", labels.get("job").unwrap_or_default(), labels.get("instance").unwrap_or_default());
            let place = *places.entry(key).or_insert_with_key(|key| {
                keys.push(key.clone());
                keys.len() as u32 - 1
            });
            series.push((place, number));
        })?;
        series.sort_by_key(|(place, _)| *place);
        Ok(Self { keys, series })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Histogram, STALE_BITS};

    use super::super::Buffer;
    use super::*;
    use crate::block::Block;
    use crate::disk::SimDisk;

    type Stored = BTreeMap<LabelSet, BTreeMap<i64, u64>>;

    #[test]
    fn what_comes_series_by_series_is_in_blocks_that_share_times() {
        let mut buffer = Buffer::new();
        let mut expected = Stored::new();
        for n in 0..60_i64 {
            let labels = LabelSet::from_pairs([("job", format!("j{}", n % 2)), ("n", n.to_string())]);
            let series = buffer.series(&labels);
            // Five hours of one target's scrapes, of which some series come late, and some have times of their own.
            let own = if n % 10 == 9 { n } else { 0 };
            let rows = expected.entry(labels).or_default();
            for at in n * 2..1200 {
                let (time, bits) = (at * 15_000 + own + 1000, if at == 1199 { STALE_BITS } else { (at as f64 * 0.1).to_bits() });
                if n == 7 && at % 2 == 0 {
                    buffer.push_histogram(series, time, Arc::new(Histogram::stale()));
                    rows.insert(time, model::HISTOGRAM_BITS);
                } else {
                    buffer.push(series, time, bits);
                    rows.insert(time, bits);
                }
            }
        }
        let disk = Arc::new(SimDisk::new());
        let mut backfill = Backfill::open(Path::new("/data"), disk.clone()).expect("nobody has it");
        assert!(matches!(Backfill::open(Path::new("/data"), disk.clone()), Err(BackfillError::InUse(_))));
        let report = backfill.write(&buffer).expect("the disk is good");
        assert_eq!((report.blocks, report.samples), (3, expected.values().map(|rows| rows.len() as u64).sum()));
        assert!(report.groups <= 3 * 8, "{report:?}: few groups, because series share times");
        let mut found = Stored::new();
        for sequence in 1..=3 {
            let path = Path::new("/data/blocks").join(block::file_name(sequence));
            let block = Block::open(&*disk, &path).expect("it is good");
            assert!(block.verify().is_empty());
            for group in 0..block.groups() {
                let ids: Vec<u32> = block.group(group).expect("it reads").columns.collect();
                let rows = block.read(group, &ids, TimeRange { start: i64::MIN, end: i64::MAX }).expect("it reads");
                for (id, column) in ids.iter().zip(&rows.columns) {
                    assert_eq!(column.histograms.len(), column.bits.iter().filter(|bits| **bits == model::HISTOGRAM_BITS).count());
                    let series = found.entry(block.labels(*id).expect("it reads")).or_default();
                    let there = rows.times.iter().zip(&column.bits).filter(|(_, bits)| **bits != ABSENT_BITS);
                    series.extend(there.map(|(time, bits)| (*time, *bits)));
                }
            }
        }
        assert!(found == expected);
        drop(backfill);
        // Once more: its numbers go on.
        let mut backfill = Backfill::open(Path::new("/data"), disk).expect("nobody has it");
        backfill.write(&buffer).expect("the disk is good");
        assert_eq!(backfill.sequence, 6);
    }

    #[test]
    fn times_that_lie_far_apart_cost_nothing_between() {
        let mut buffer = Buffer::new();
        let series = buffer.series(&LabelSet::from_pairs([("a", "b")]));
        for time in [i64::MIN / 2, -1, 0, 1_800_000_000_000, i64::MAX / 2] {
            buffer.push(series, time, 1);
        }
        let mut backfill = Backfill::open(Path::new("/data"), Arc::new(SimDisk::new())).expect("nobody has it");
        let report = backfill.write(&buffer).expect("the disk is good");
        assert_eq!((report.blocks, report.samples), (5, 5));
    }

    #[test]
    fn old_and_long_input_makes_longer_blocks() {
        let hours = |n: i64| n * 3_600_000;
        assert_eq!([1, 2, 5, 6, 17, 18, 54, 1000].map(|n| block_range(hours(n)) / hours(1)), [2, 2, 2, 6, 6, 18, 18, 18]);
    }
}
