//! Writing a block from front to end.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use model::{ABSENT_BITS, HISTOGRAM_BITS, METRIC_NAME, TimestampMs};
use roaring::RoaringBitmap;

use super::meta::{BlockMeta, BlockSource};
use super::open_group::{OpenGroup, PAGE_BYTES, PAGE_COLUMNS};
use super::packing::put_steps;
use super::page::PageBuilder;
use super::record::{Entry, RecordBuilder};
use super::sections::{HEADER_BYTES, Kind, Section, Sections, header};
use super::symbols::PairsBuilder;
use super::{Column, PIECE_ROWS_MAX, file_name, groups, postings};
use crate::disk::{Disk, DiskFile};

/// Rows of a piece: see `DESIGN.md`.
const PIECE_ROWS: usize = 512;
/// What is handed to the disk at once.
const WRITE_BYTES: usize = 256 << 10;

/// Writes a block. Dropped before [`BlockWriter::finish`] it leaves nothing but, if the disk refuses, an unfinished file.
pub(crate) struct BlockWriter {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    unfinished: PathBuf,
    file: Option<Arc<dyn DiskFile>>,
    /// Written to the file so far, and what is not yet.
    written: u64,
    buffer: Vec<u8>,
    /// Of the section that is being written.
    crc: u32,
    meta: BlockMeta,
    pairs: PairsBuilder,
    postings: Vec<RoaringBitmap>,
    records: Vec<RecordBuilder>,
    series: HashSet<u64, DefaultHashBuilder>,
    group: Option<OpenGroup>,
    scratch: Vec<u8>,
    hashers: [DefaultHashBuilder; 2],
    piece_rows: usize,
}

impl BlockWriter {
    /// Begins a block in `dir`, which is there, under the name of an unfinished one; such a file is replaced.
    pub(crate) fn create(disk: Arc<dyn Disk>, dir: &Path, source: BlockSource) -> io::Result<Self> {
        let unfinished = dir.join(format!("{}.tmp", file_name(source.sequence)));
        let file = match disk.create_new(&unfinished) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(&unfinished)?;
                disk.create_new(&unfinished)?
            }
            other => other?,
        };
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            unfinished,
            file: Some(file),
            written: 0,
            buffer: header().to_vec(),
            crc: 0,
            meta: BlockMeta::new(source),
            pairs: PairsBuilder::default(),
            postings: Vec::new(),
            records: Vec::new(),
            series: HashSet::default(),
            group: None,
            scratch: Vec::new(),
            hashers: [DefaultHashBuilder::default(), DefaultHashBuilder::default()],
            piece_rows: PIECE_ROWS,
        })
    }

    /// Rows of a piece, at most, of groups that begin from now on; for measuring.
    pub(crate) fn set_piece_rows(&mut self, rows: usize) {
        self.piece_rows = rows.clamp(1, PIECE_ROWS_MAX);
    }

    /// Begins a group with these times, which ascend. Keys may come more than once.
    pub(crate) fn begin_group(&mut self, key: &str, times: &[TimestampMs]) -> io::Result<()> {
        if self.group.is_some() {
            return Err(misuse("a group begins before the one before has ended"));
        }
        if times.is_empty() || times.windows(2).any(|pair| pair[0] >= pair[1]) || u32::try_from(times.len()).is_err() {
            return Err(misuse("the times of a group are none, or do not ascend, or are too many"));
        }
        // Pieces of about the same length: no short one at the end.
        let piece_rows = times.len().div_ceil(times.len().div_ceil(self.piece_rows));
        let pieces = times.chunks(piece_rows);
        let mut group = OpenGroup { pages: pieces.clone().map(|_| PageBuilder::default()).collect(), ..OpenGroup::default() };
        group.record = RecordBuilder {
            key: key.to_owned(),
            rows: times.len(),
            piece_rows,
            piece_firsts: pieces.clone().map(|piece| piece[0]).collect(),
            time_max: times[times.len() - 1],
            data_offset: self.position() - HEADER_BYTES as u64,
            ..RecordBuilder::default()
        };
        self.meta.time_min = self.meta.time_min.min(times[0]);
        self.meta.time_max = self.meta.time_max.max(group.record.time_max);
        for piece in pieces {
            self.scratch.clear();
            put_steps(&mut self.scratch, piece);
            let entry = self.put_scratch()?;
            group.record.times.push(entry);
        }
        self.group = Some(group);
        Ok(())
    }

    /// Adds a column to the open group.
    pub(crate) fn column(&mut self, column: &Column<'_>) -> io::Result<()> {
        let Some(mut group) = self.group.take() else {
            return Err(misuse("a column comes outside of a group"));
        };
        let result = self.add(&mut group, column);
        self.group = Some(group);
        result
    }

    fn add(&mut self, group: &mut OpenGroup, column: &Column<'_>) -> io::Result<()> {
        check(column, group.record.rows)?;
        let id = u32::try_from(self.meta.columns).ok().filter(|id| *id < u32::MAX);
        let id = id.ok_or_else(|| misuse("a block has too many columns"))?;
        self.add_labels(group, column, id);
        self.meta.columns += 1;
        self.meta.samples += column.bits.iter().filter(|bits| **bits != ABSENT_BITS).count() as u64;
        self.meta.histograms += column.histograms.len() as u64;
        self.meta.exemplars += column.exemplars.len() as u64;
        let in_group = group.record.stored_of.len() as u32;
        group.add_exemplars(in_group, column);
        let stored = group.record.stored as u32;
        if column.histograms.is_empty() && column.starts.is_empty() {
            let hashes = (self.hashers[0].hash_one(column.bits), self.hashers[1].hash_one(column.bits));
            let known = *group.known.entry(hashes).or_insert(stored);
            group.record.stored_of.push(known);
            if known != stored {
                return Ok(());
            }
        } else {
            group.record.stored_of.push(stored);
        }
        group.record.stored += 1;
        self.meta.stored_columns += 1;
        group.push_rows(column);
        if group.page_columns >= PAGE_COLUMNS || group.pages.iter().any(|page| page.len() >= PAGE_BYTES) {
            self.put_pages(group)?;
        }
        Ok(())
    }

    fn add_labels(&mut self, group: &mut OpenGroup, column: &Column<'_>, id: u32) {
        let (mut name, mut tuple) = (0, Vec::with_capacity(column.labels.len()));
        for (label, value) in column.labels.iter() {
            let pair = self.pairs.intern(label, value);
            if self.postings.len() <= pair as usize {
                self.postings.push(RoaringBitmap::new());
            }
            self.postings[pair as usize].insert(id);
            if label == METRIC_NAME {
                name = pair + 1;
            } else {
                tuple.push(pair);
            }
        }
        let record = &mut group.record;
        let name = *group.names.entry(name).or_insert_with(|| {
            record.name_list.push(name);
            record.name_list.len() as u32 - 1
        });
        record.names.push(name);
        let known = group.tuples.get(&tuple).copied();
        let tuple = known.unwrap_or_else(|| {
            let number = record.tuple_ends.len() as u32;
            record.tuple_pairs.extend_from_slice(&tuple);
            record.tuple_ends.push(record.tuple_pairs.len() as u32);
            group.tuples.insert(tuple, number);
            number
        });
        record.tuples.push(tuple);
        // A number of the statistics, for which 64 bits of a hash are good enough.
        self.series.insert(self.hashers[0].hash_one(column.labels.encoded()));
    }

    /// Writes the open pages of the group, if they have columns.
    fn put_pages(&mut self, group: &mut OpenGroup) -> io::Result<()> {
        if group.page_columns == 0 {
            return Ok(());
        }
        for page in &mut group.pages {
            self.scratch.clear();
            page.finish(&mut self.scratch);
            let entry = self.put_scratch()?;
            group.record.pages.push(entry);
        }
        group.record.run_columns.push(group.page_columns);
        group.page_columns = 0;
        Ok(())
    }

    /// Ends the open group.
    pub(crate) fn end_group(&mut self) -> io::Result<()> {
        let Some(mut group) = self.group.take() else {
            return Err(misuse("a group ends that has not begun"));
        };
        self.put_pages(&mut group)?;
        // The last run ends where the stored columns end.
        group.record.run_columns.pop();
        group.close_exemplars();
        for (first, page) in std::mem::take(&mut group.exemplar_pages) {
            self.scratch.clear();
            self.scratch.extend_from_slice(&page);
            let entry = self.put_scratch()?;
            group.record.exemplar_pages.push((first, entry));
        }
        self.meta.groups += 1;
        self.records.push(group.record);
        Ok(())
    }

    /// Writes the index, syncs the file, gives it its name and syncs the directory. After an error there is no block.
    pub(crate) fn finish(mut self) -> io::Result<BlockMeta> {
        if self.group.is_some() {
            return Err(misuse("a block ends within a group"));
        }
        let mut sections = Sections::default();
        self.meta.data_bytes = self.position() - HEADER_BYTES as u64;
        let data = Section { crc: self.crc, offset: HEADER_BYTES as u64, len: self.meta.data_bytes };
        sections.set(Kind::Data, data);
        let order = self.pairs.sorted();
        self.meta.pairs = order.len() as u64;
        self.meta.series = self.series.len() as u64;
        let mut rank_of = vec![0; order.len()];
        for (rank, id) in (0..).zip(&order) {
            rank_of[*id as usize] = rank;
        }
        let symbols = self.pairs.encode(&order)?;
        self.put_section(&mut sections, Kind::Symbols, symbols)?;
        let mut bitmaps = std::mem::take(&mut self.postings);
        let postings = postings::encode(order.iter().map(|id| std::mem::take(&mut bitmaps[*id as usize])))?;
        self.put_section(&mut sections, Kind::Postings, postings)?;
        let groups = groups::encode(&self.records, &rank_of);
        self.put_section(&mut sections, Kind::Groups, groups)?;
        let meta = self.meta.encode();
        self.put_section(&mut sections, Kind::Meta, meta)?;
        self.put(&sections.footer())?;
        self.flush()?;
        self.meta.file_bytes = self.written;
        self.publish()?;
        Ok(self.meta.clone())
    }

    fn publish(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.sync_data()?;
        }
        let name = self.dir.join(file_name(self.meta.source.sequence));
        self.disk.rename(&self.unfinished, &name)?;
        self.file = None;
        self.disk.sync_dir(&self.dir).inspect_err(|_| {
            // Nobody knows whether the name would last; the caller is told that there is no block, so there is none.
            let _ = self.disk.remove(&name);
        })
    }

    fn put_section(&mut self, sections: &mut Sections, kind: Kind, bytes: Vec<u8>) -> io::Result<()> {
        let section = Section { crc: crc32c::crc32c(&bytes), offset: self.position(), len: bytes.len() as u64 };
        sections.set(kind, section);
        self.put(&bytes)
    }

    /// Where the next byte comes.
    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes what is in `scratch` as a piece of the data section.
    fn put_scratch(&mut self) -> io::Result<Entry> {
        let entry = Entry { offset: self.position(), len: self.scratch.len(), crc: crc32c::crc32c(&self.scratch) };
        self.crc = crc32c::crc32c_append(self.crc, &self.scratch);
        let scratch = std::mem::take(&mut self.scratch);
        let result = self.put(&scratch);
        self.scratch = scratch;
        result.map(|()| entry)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.write_all_at(&self.buffer, self.written)?;
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for BlockWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What stays is removed at the next start.
            let _ = self.disk.remove(&self.unfinished);
        }
    }
}

/// Whether a column fits its group.
fn check(column: &Column<'_>, rows: usize) -> io::Result<()> {
    if column.bits.len() != rows {
        return Err(misuse("a column has not one value for each time of its group"));
    }
    let ascending = |rows_of: &[u32]| rows_of.windows(2).all(|pair| pair[0] < pair[1]);
    if !column.histograms.is_empty() || column.bits.contains(&HISTOGRAM_BITS) {
        let marked = (0..).zip(column.bits).filter(|(_, bits)| **bits == HISTOGRAM_BITS).map(|(row, _)| row);
        if !marked.eq(column.histograms.iter().map(|(row, _)| *row)) {
            return Err(misuse("a column's histograms are not in the rows that are marked"));
        }
    }
    let starts: Vec<u32> = column.starts.iter().map(|(row, _)| *row).collect();
    if !ascending(&starts) || starts.last().is_some_and(|row| *row as usize >= rows) {
        return Err(misuse("a column's start timestamps are not in ascending rows of its group"));
    }
    Ok(())
}

/// An error of the caller, who is told instead of stopped.
fn misuse(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
