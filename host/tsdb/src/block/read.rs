//! Reading samples: pieces are read together where they are neighbours, checked, and decoded.

use std::ops::Range;

use model::TimeRange;

use super::body::Decoded;
use super::packing::read_steps;
use super::page::Page;
use super::reader::Block;
use super::record::{Entry, Record};
use super::{BlockColumn, BlockDamage, BlockRows, ExemplarsByColumn, exemplars};
use crate::column::bytes::Reader;

/// Bytes between two pieces that are read although nobody wants them.
const GAP_BYTES: u64 = 16 << 10;
/// Most bytes of one read.
const READ_BYTES: u64 = 4 << 20;

impl Block {
    /// The rows in the range of columns of a group, which are given by their ids in any order. A piece of others that is damaged
    /// does not matter.
    pub(crate) fn read(&self, group: u32, ids: &[u32], range: TimeRange) -> Result<BlockRows, BlockDamage> {
        let record = self.record(group)?;
        let pieces = pieces_in(&record, range);
        let mut rows = BlockRows { times: Vec::new(), columns: ids.iter().map(|_| BlockColumn::default()).collect() };
        if pieces.is_empty() {
            return Ok(rows);
        }
        rows.times = self.times(&record, pieces.clone())?;
        let from = rows.times.partition_point(|time| *time < range.start);
        let to = rows.times.partition_point(|time| *time <= range.end);
        rows.times.truncate(to);
        rows.times.drain(..from);
        if rows.times.is_empty() {
            return Ok(rows);
        }
        let mut wanted = Vec::with_capacity(ids.len());
        for (at, id) in ids.iter().enumerate() {
            let column = id.checked_sub(record.group.columns.start).filter(|_| record.group.columns.contains(id));
            let stored = column.and_then(|column| record.stored_of(column as usize));
            let stored = stored.ok_or_else(|| self.damage(0..0, &format!("column {id} is not in group {group}")))?;
            wanted.push((stored, at));
        }
        wanted.sort_unstable();
        self.columns_of(&record, pieces, &wanted, from..to, &mut rows.columns)?;
        Ok(rows)
    }

    /// The times in the pieces of some rows.
    fn times(&self, record: &Record<'_>, pieces: Range<usize>) -> Result<Vec<i64>, BlockDamage> {
        let mut times = Vec::new();
        let mut bytes = Fetched::default();
        let entries: Vec<Entry> = pieces.clone().map(|piece| record.times[piece]).collect();
        for (piece, entry) in pieces.zip(&entries) {
            let from = times.len();
            let mut reader = Reader::new(self.piece(&mut bytes, *entry, &entries)?);
            let good = read_steps(&mut reader, record.rows_in(piece), &mut times).is_some()
                && reader.is_empty()
                && times.get(from) == record.piece_firsts.get(piece)
                && times[from.saturating_sub(1)..].windows(2).all(|pair| pair[0] < pair[1]);
            if !good {
                return Err(self.malformed(*entry, "times"));
            }
        }
        Ok(times)
    }

    /// Decodes stored columns, which ascend, into their places in `out`; of the rows in the pieces those in `rows`.
    fn columns_of(
        &self,
        record: &Record<'_>,
        pieces: Range<usize>,
        wanted: &[(usize, usize)],
        rows: Range<usize>,
        out: &mut [BlockColumn],
    ) -> Result<(), BlockDamage> {
        let all_pieces = record.times.len();
        let run_of = |stored: usize| record.runs.partition_point(|first| *first <= stored) - 1;
        let by_run: Vec<&[(usize, usize)]> = wanted.chunk_by(|a, b| run_of(a.0) == run_of(b.0)).collect();
        let page = |run: usize, piece: usize| record.pages.get(run * all_pieces + piece).copied().unwrap_or_default();
        let entries: Vec<Entry> = by_run.iter().flat_map(|columns| pieces.clone().map(|piece| page(run_of(columns[0].0), piece))).collect();
        let mut bytes = Fetched::default();
        let mut next = 0;
        for columns in by_run {
            let run = run_of(columns[0].0);
            let mut decoded: Vec<Decoded> = columns.chunk_by(|a, b| a.0 == b.0).map(|_| Decoded::default()).collect();
            let mut first = 0;
            for piece in pieces.clone() {
                let entry = page(run, piece);
                let malformed = || self.malformed(entry, "samples");
                let content = self.piece(&mut bytes, entry, &entries[next..])?;
                let count = record.rows_in(piece);
                let mut page = Page::open(content, count, record.runs[run + 1] - record.runs[run]).ok_or_else(malformed)?;
                for (same, into) in columns.chunk_by(|a, b| a.0 == b.0).zip(&mut decoded) {
                    page.decode(same[0].0 - record.runs[run], first, into).ok_or_else(malformed)?;
                }
                first += count as u32;
                next += 1;
            }
            for (same, found) in columns.chunk_by(|a, b| a.0 == b.0).zip(decoded) {
                let column = cut(found, &rows);
                if let Some(((_, last), others)) = same.split_last() {
                    others.iter().for_each(|(_, at)| out[*at] = column.clone());
                    out[*last] = column;
                }
            }
        }
        Ok(())
    }

    /// The exemplars in the range of columns of a group; `ids` ascend.
    pub(crate) fn exemplars(&self, group: u32, ids: &[u32], range: TimeRange) -> Result<ExemplarsByColumn, BlockDamage> {
        let record = self.record(group)?;
        let mut found = ExemplarsByColumn::new();
        let mut bytes = Fetched::default();
        let first_column = record.group.columns.start;
        for (at, (first, entry)) in record.exemplar_pages.iter().enumerate() {
            let end = record.exemplar_pages.get(at + 1).map_or(record.group.columns.end, |(next, _)| first_column.saturating_add(*next));
            let start = first_column.saturating_add(*first);
            let from = ids.partition_point(|id| *id < start);
            if ids.get(from).is_none_or(|id| *id >= end) {
                continue;
            }
            let content = self.piece(&mut bytes, *entry, &[])?;
            let read = exemplars::read(content, |column, mut exemplars| {
                let id = start.saturating_add(column);
                if ids.binary_search(&id).is_ok() {
                    exemplars.retain(|exemplar| range.start <= exemplar.time && exemplar.time <= range.end);
                    if !exemplars.is_empty() {
                        found.insert(id, exemplars);
                    }
                }
            });
            read.ok_or_else(|| self.malformed(*entry, "exemplars"))?;
        }
        Ok(found)
    }

    /// A piece of the data section, checked. `ahead` are pieces, this one first, that will be asked for next.
    pub(super) fn piece<'a>(&self, held: &'a mut Fetched, entry: Entry, ahead: &[Entry]) -> Result<&'a [u8], BlockDamage> {
        let end = entry.offset + entry.len as u64;
        let inside = held.start <= entry.offset && end <= held.start + held.bytes.len() as u64;
        if !inside {
            let mut until = end;
            for next in ahead {
                let next_end = next.offset + next.len as u64;
                let near = next.offset >= entry.offset && next.offset <= until + GAP_BYTES && next_end <= entry.offset + READ_BYTES;
                if !near {
                    break;
                }
                until = until.max(next_end);
            }
            held.start = entry.offset;
            held.bytes.clear();
            held.bytes.resize((until - entry.offset) as usize, 0);
            let read = self.file.read_at(&mut held.bytes, entry.offset);
            let read = read.map_err(|error| self.damage(entry.offset..until, &format!("cannot be read: {error}")))?;
            held.bytes.truncate(read);
        }
        let at = (entry.offset - held.start) as usize;
        let found = held.bytes.get(at..at + entry.len);
        let found = found.ok_or_else(|| self.damage(entry.offset..end, "the file ends before"))?;
        if crc32c::crc32c(found) != entry.crc {
            return Err(self.damage(entry.offset..end, "a checksum is wrong"));
        }
        Ok(found)
    }

    pub(super) fn malformed(&self, entry: Entry, what: &str) -> BlockDamage {
        self.damage(entry.offset..entry.offset + entry.len as u64, &format!("{what} are malformed"))
    }
}

/// Bytes of the file that were read ahead.
#[derive(Default)]
pub(super) struct Fetched {
    start: u64,
    bytes: Vec<u8>,
}

/// The pieces of rows that may have times in the range.
fn pieces_in(record: &Record<'_>, range: TimeRange) -> Range<usize> {
    if range.start > range.end || range.start > record.group.time_max || range.end < record.group.time_min {
        return 0..0;
    }
    let from = record.piece_firsts.partition_point(|first| *first <= range.start).saturating_sub(1);
    from..record.piece_firsts.partition_point(|first| *first <= range.end)
}

/// Of what was decoded the rows in `rows`, counted anew.
fn cut(mut found: Decoded, rows: &Range<usize>) -> BlockColumn {
    found.bits.truncate(rows.end);
    found.bits.drain(..rows.start.min(found.bits.len()));
    let inside = |row: u32| rows.contains(&(row as usize));
    let start = rows.start as u32;
    let histograms = found.histograms.into_iter().filter(|(row, _)| inside(*row)).map(|(row, h)| (row - start, h)).collect();
    let starts = found.starts.into_iter().filter(|(row, _)| inside(*row)).map(|(row, s)| (row - start, s)).collect();
    BlockColumn { bits: found.bits, histograms, starts }
}
