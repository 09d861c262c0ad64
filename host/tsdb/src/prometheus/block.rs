//! One block of a Prometheus data directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model::{LabelSet, TimeRange};

use super::chunk::Samples;
use super::error::Error;
use super::file::ReadFile;
use super::index::Index;
use super::meta::Meta;
use super::segment::Segments;
use super::tombstones::{self, Tombstones};
use crate::backfill::SeriesSource;

/// A chunk that reaches over more hours than this has times that nobody meant: ten years and more.
const CHUNK_UNITS_MAX: i64 = 50_000;

/// An open block. What was deleted from it is not shown.
pub struct Block {
    dir: PathBuf,
    meta: Meta,
    index: Index,
    segments: Segments,
    tombstones: Tombstones,
}

impl Block {
    /// Reads what describes the block; samples are read when they are asked for.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let meta = Meta::read(&dir.join("meta.json"))?;
        let index = Index::open(ReadFile::open(&dir.join("index"))?, meta.version == 2)?;
        let segments = Segments::open(&dir.join("chunks"))?;
        let tombstones = tombstones::read(&dir.join("tombstones"))?;
        Ok(Self { dir: dir.to_owned(), meta, index, segments, tombstones })
    }

    /// What it says of itself.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Bytes of its chunks.
    #[must_use]
    pub fn chunk_bytes(&self) -> u64 {
        self.segments.bytes()
    }

    /// Reads all of it and checks each sum. The error names the first that is wrong.
    pub fn verify(&self) -> Result<(), Error> {
        self.index.verify_postings()?;
        let mut samples = Samples::default();
        self.index.visit(|_, series| {
            for chunk in series.chunks {
                samples.clear();
                self.segments.read(chunk.place, &self.dir.join("chunks"), &mut samples)?;
            }
            Ok(())
        })
    }
}

impl SeriesSource for Block {
    type Error = Error;

    fn time_range(&self) -> Option<TimeRange> {
        (self.meta.time_min < self.meta.time_max).then(|| TimeRange { start: self.meta.time_min, end: self.meta.time_max - 1 })
    }

    fn units(&self, unit: i64) -> Result<BTreeSet<i64>, Error> {
        let mut units = BTreeSet::new();
        let unit = unit.max(1);
        self.index.visit(|_, series| {
            for chunk in series.chunks {
                let (from, to) = (chunk.time_min.max(self.meta.time_min), chunk.time_max.min(self.meta.time_max));
                if to.saturating_sub(from) / unit > CHUNK_UNITS_MAX {
                    let what = format!("a chunk would span from {from} to {to}, longer than any");
                    return Err(Error::format(&self.dir.join("index"), 0, what));
                }
                units.extend(from.div_euclid(unit)..=to.div_euclid(unit));
            }
            Ok(())
        })?;
        Ok(units)
    }

    fn visit(&self, sink: &mut dyn FnMut(u64, LabelSet)) -> Result<(), Error> {
        self.index.visit(|number, series| {
            sink(number, series.labels);
            Ok(())
        })
    }

    fn labels(&self, series: u64) -> Result<LabelSet, Error> {
        self.index.series(series).map(|series| series.labels)
    }

    fn read(&self, series: u64, range: TimeRange, samples: &mut Samples) -> Result<(), Error> {
        samples.clear();
        for chunk in self.index.series(series)?.chunks {
            if chunk.time_min <= range.end && chunk.time_max >= range.start {
                self.segments.read(chunk.place, &self.dir.join("chunks"), samples)?;
            }
        }
        samples.normalise();
        if let Some(deleted) = self.tombstones.get(&series) {
            samples.without(deleted);
        }
        samples.limit(range);
        Ok(())
    }
}
