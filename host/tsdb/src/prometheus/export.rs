//! Writes a block of Prometheus.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Histogram, LabelSet};

use super::bytes::put_uvarint;
use super::chunking::chunks;
use super::error::Error;
use super::index::ChunkRef;
use super::meta::{Meta, ulid};
use super::segment::{HEADER_BYTES, MAGIC, VERSION};
use super::{index_writer, tombstones};

/// A segment of chunks is closed when it has so many bytes, as upstream's.
const SEGMENT_BYTES: u64 = 512 << 20;

/// What upstream calls a block that is not finished, and removes at its next start.
const UNFINISHED: &str = ".tmp-for-creation";

/// A block that is being written. Chunks go to the disk at once; of each series its labels and where its chunks lie are held
/// until the end.
///
/// The target belongs to somebody else, so it is written with the system's own calls and not through [`crate::disk`].
pub struct BlockExport {
    out: PathBuf,
    unfinished: PathBuf,
    ulid: String,
    segment: Option<(u64, BufWriter<File>, u64)>,
    places: HashMap<LabelSet, usize>,
    series: Vec<(LabelSet, Vec<ChunkRef>)>,
    samples: u64,
    chunks: u64,
    time_min: i64,
    time_max: i64,
}

/// A block that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedBlock {
    /// Its directory.
    pub path: PathBuf,
    /// What its `meta.json` says.
    pub meta: Meta,
}

impl BlockExport {
    /// Begins a block below `out`, which is made if it is not there. Its name is of a time and of chance.
    pub fn create(out: &Path, now_ms: i64, chance: u128) -> Result<Self, Error> {
        let ulid = ulid(now_ms, chance);
        let unfinished = out.join(format!("{ulid}{UNFINISHED}"));
        let chunks = unfinished.join("chunks");
        fs::create_dir_all(&chunks).map_err(Error::io(&chunks))?;
        Ok(Self {
            out: out.to_owned(),
            unfinished,
            ulid,
            segment: None,
            places: HashMap::new(),
            series: Vec::new(),
            samples: 0,
            chunks: 0,
            time_min: i64::MAX,
            time_max: i64::MIN,
        })
    }

    /// Adds samples of a series, behind those that it has: times ascend. `floats` has a float's bits for each time,
    /// [`model::HISTOGRAM_BITS`] where `histogram_at` has one, and [`model::ABSENT_BITS`] where there is none.
    pub fn add(
        &mut self,
        labels: &LabelSet,
        times: &[i64],
        floats: &[u64],
        histogram_at: &dyn Fn(usize) -> Option<Arc<Histogram>>,
    ) -> Result<(), Error> {
        let floats = floats.iter().copied();
        chunks(times, floats, histogram_at, |chunk| self.chunk(labels, (chunk.from, chunk.to), chunk.samples, chunk.encoding, &chunk.data))
    }

    fn chunk(&mut self, labels: &LabelSet, (from, to): (i64, i64), samples: u64, encoding: u8, data: &[u8]) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(data.len() + 15);
        put_uvarint(&mut bytes, data.len() as u64);
        let sealed = bytes.len();
        bytes.push(encoding);
        bytes.extend_from_slice(data);
        let sum = crc32c::crc32c(&bytes[sealed..]);
        bytes.extend_from_slice(&sum.to_be_bytes());
        let place = self.put(&bytes)?;
        let at = *self.places.entry(labels.clone()).or_insert_with(|| {
            self.series.push((labels.clone(), Vec::new()));
            self.series.len() - 1
        });
        self.series[at].1.push(ChunkRef { time_min: from, time_max: to, place });
        self.samples += samples;
        self.chunks += 1;
        (self.time_min, self.time_max) = (self.time_min.min(from), self.time_max.max(to));
        Ok(())
    }

    /// Writes a chunk, and says where.
    fn put(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        let full = self.segment.as_ref().is_some_and(|(_, _, length)| length + bytes.len() as u64 > SEGMENT_BYTES);
        let number = match &self.segment {
            Some((number, ..)) if !full => *number,
            before => before.as_ref().map_or(1, |(number, ..)| number + 1),
        };
        let path = self.unfinished.join("chunks").join(format!("{number:06}"));
        if full {
            self.close_segment()?;
        }
        if self.segment.is_none() {
            let mut file = BufWriter::with_capacity(256 << 10, File::create_new(&path).map_err(Error::io(&path))?);
            let mut header = MAGIC.to_be_bytes().to_vec();
            header.extend_from_slice(&[VERSION, 0, 0, 0]);
            file.write_all(&header).map_err(Error::io(&path))?;
            self.segment = Some((number, file, HEADER_BYTES as u64));
        }
        let Some((_, file, length)) = &mut self.segment else {
            return Ok(0);
        };
        let place = (number - 1) << 32 | *length;
        file.write_all(bytes).map_err(Error::io(&path))?;
        *length += bytes.len() as u64;
        Ok(place)
    }

    fn close_segment(&mut self) -> Result<(), Error> {
        if let Some((number, file, _)) = self.segment.take() {
            let path = self.unfinished.join("chunks").join(format!("{number:06}"));
            finish(file).map_err(Error::io(&path))?;
        }
        Ok(())
    }

    /// Writes what describes the chunks and gives the block its name. None, and no block, if there was no sample.
    pub fn finish(mut self) -> Result<Option<ExportedBlock>, Error> {
        self.close_segment()?;
        if self.samples == 0 {
            fs::remove_dir_all(&self.unfinished).map_err(Error::io(&self.unfinished))?;
            return Ok(None);
        }
        self.places.clear();
        self.series.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let path = self.unfinished.join("index");
        let file = File::create_new(&path).map_err(Error::io(&path))?;
        let mut out = BufWriter::with_capacity(256 << 10, file);
        index_writer::write(&self.series, &mut out).and_then(|()| finish(out)).map_err(Error::io(&path))?;
        let meta = Meta {
            version: 1,
            ulid: self.ulid.clone(),
            time_min: self.time_min,
            time_max: self.time_max.saturating_add(1),
            samples: self.samples,
            series: self.series.len() as u64,
            chunks: self.chunks,
            level: 1,
            out_of_order: false,
        };
        for (name, bytes) in [("tombstones", tombstones::empty()), ("meta.json", meta.to_json().into_bytes())] {
            let path = self.unfinished.join(name);
            let mut file = File::create_new(&path).map_err(Error::io(&path))?;
            file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(Error::io(&path))?;
        }
        let sync = |dir: &Path| File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io(dir));
        sync(&self.unfinished.join("chunks"))?;
        sync(&self.unfinished)?;
        let path = self.out.join(&self.ulid);
        fs::rename(&self.unfinished, &path).map_err(Error::io(&path))?;
        sync(&self.out)?;
        Ok(Some(ExportedBlock { path, meta }))
    }
}

fn finish(file: BufWriter<File>) -> io::Result<()> {
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}
