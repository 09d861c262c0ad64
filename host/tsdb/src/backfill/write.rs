use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{ABSENT_BITS, LabelSet, ManualClock, TimeRange};

use super::groups::{TimeList, TimeLists};
use super::{Samples, SeriesSource};
use crate::block::{self, BlockSource, BlockWriter, Column};
use crate::disk::{Disk, DiskLock, LockError};
use crate::{Db, OpenError, Options};

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
    /// Takes the lock of a data directory, which is made if it is not there. What its log holds becomes blocks first, because of two
    /// samples at one time that in the older block counts, and any block's before the log's.
    pub fn open(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, BackfillError<std::convert::Infallible>> {
        let io = |error| BackfillError::Io(dir.to_owned(), error);
        let blocks = dir.join("blocks");
        disk.create_dir_all(&blocks).map_err(io)?;
        if disk.list(&dir.join("wal")).is_ok_and(|segments| !segments.is_empty()) {
            empty_log(dir, &disk)?;
        }
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
                let source = BlockSource { sequence: self.sequence, level: 1, sources: vec![self.sequence], flushed: None, database: 0 };
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

/// Makes blocks of all that a log holds.
fn empty_log(dir: &Path, disk: &Arc<dyn Disk>) -> Result<(), BackfillError<std::convert::Infallible>> {
    let mut options = Options::new(Arc::new(ManualClock::at(0)));
    // Nothing is appended and nothing is to be dropped: the server's own limits count when it starts.
    options.retention_ms = 0;
    let failed = |text: String| BackfillError::Io(dir.to_owned(), io::Error::other(text));
    let (db, _) = Db::open(dir, options, disk.clone(), 0).map_err(|error| match error {
        OpenError::InUse { holder, .. } => BackfillError::InUse(holder),
        other => failed(other.to_string()),
    })?;
    let mut flush = db.0.flush_state();
    db.0.flush_wholly(&mut flush, i64::MAX).map_err(failed)?;
    db.0.keep_covered(&mut flush).map_err(failed)?;
    Ok(())
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
mod tests;
