//! Reading samples: pieces are read together where they are neighbours, checked, and decoded.

use std::ops::Range;

use model::TimeRange;

use super::body::Extras;
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
        let reading = self.reading(group, range)?;
        let mut columns = Columns::default();
        reading.columns(ids, &mut columns)?;
        let column = |at: usize| {
            let (bits, extras, _) = columns.get(at);
            BlockColumn { bits: bits.to_vec(), histograms: extras.histograms.clone(), starts: extras.starts.clone() }
        };
        let read = (0..ids.len()).map(column).collect();
        Ok(BlockRows { times: reading.times, columns: read })
    }

    /// Begins to read rows in the range of a group.
    pub(crate) fn reading(&self, group: u32, range: TimeRange) -> Result<Reading<'_>, BlockDamage> {
        let record = self.record(group)?;
        let pieces = pieces_in(&record, range);
        let mut times = if pieces.is_empty() { Vec::new() } else { self.times(&record, pieces.clone())? };
        let from = times.partition_point(|time| *time < range.start);
        let to = times.partition_point(|time| *time <= range.end).max(from);
        times.truncate(to);
        times.drain(..from);
        Ok(Reading { block: self, group, record, pieces, rows: from..to, times })
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

/// Rows of a group that are being read.
pub(crate) struct Reading<'b> {
    block: &'b Block,
    group: u32,
    record: Record<'b>,
    pieces: Range<usize>,
    /// Of the rows in the pieces.
    rows: Range<usize>,
    /// Ascending, each once.
    pub(crate) times: Vec<i64>,
}

/// Columns that were read, in buffers that can be used again.
#[derive(Default)]
pub(crate) struct Columns {
    rows: usize,
    /// Stored columns, one after the other.
    bits: Vec<u64>,
    /// Of each, what it has beside, and whether a row may be something else than a value.
    stored: Vec<(Extras, bool)>,
    /// Of each column that was asked for, which it is.
    of: Vec<usize>,
}

impl Columns {
    /// The bits of a column, by its place among those that were asked for, what it has beside, and whether a row may be something else
    /// than a value.
    pub(crate) fn get(&self, at: usize) -> (&[u64], &Extras, bool) {
        let stored = self.of[at];
        let (extras, gaps) = &self.stored[stored];
        (&self.bits[stored * self.rows..(stored + 1) * self.rows], extras, *gaps)
    }
}

impl Reading<'_> {
    /// Rows of a column that are decoded, more than there are times.
    pub(crate) fn rows_decoded(&self) -> usize {
        self.pieces.clone().map(|piece| self.record.rows_in(piece)).sum()
    }

    /// Decodes columns of the group, which are given by their ids in any order.
    pub(crate) fn columns(&self, ids: &[u32], out: &mut Columns) -> Result<(), BlockDamage> {
        let Self { block, record, rows, .. } = self;
        let mut wanted = Vec::with_capacity(ids.len());
        for (at, id) in ids.iter().enumerate() {
            let column = id.checked_sub(record.group.columns.start).filter(|_| record.group.columns.contains(id));
            let stored = column.and_then(|column| record.stored_of(column as usize));
            let stored = stored.ok_or_else(|| block.damage(0..0, &format!("column {id} is not in group {}", self.group)))?;
            wanted.push((stored, at));
        }
        wanted.sort_unstable();
        out.of.clear();
        out.of.resize(ids.len(), 0);
        let mut stored: Vec<usize> = Vec::with_capacity(ids.len());
        for (one, at) in wanted {
            if stored.last() != Some(&one) {
                stored.push(one);
            }
            out.of[at] = stored.len() - 1;
        }
        out.rows = rows.len();
        out.bits.clear();
        out.bits.resize(stored.len() * rows.len(), 0);
        out.stored.clear();
        out.stored.resize(stored.len(), (Extras::default(), false));
        if rows.is_empty() {
            return Ok(());
        }
        let all_pieces = record.times.len();
        let run_of = |stored: usize| record.runs.partition_point(|first| *first <= stored) - 1;
        let by_run: Vec<&[usize]> = stored.chunk_by(|a, b| run_of(*a) == run_of(*b)).collect();
        let page = |run: usize, piece: usize| record.pages.get(run * all_pieces + piece).copied().unwrap_or_default();
        let entries: Vec<Entry> =
            by_run.iter().flat_map(|columns| self.pieces.clone().map(|piece| page(run_of(columns[0]), piece))).collect();
        let mut bytes = Fetched::default();
        let (mut next, mut begun) = (0, 0);
        for columns in by_run {
            let run = run_of(columns[0]);
            let mut first = 0;
            for piece in self.pieces.clone() {
                let (entry, count) = (page(run, piece), record.rows_in(piece));
                let within = rows.start.max(first)..rows.end.min(first + count);
                let of_piece = within.start.wrapping_sub(first)..within.end.wrapping_sub(first);
                first += count;
                next += 1;
                if within.is_empty() {
                    continue;
                }
                let malformed = || block.malformed(entry, "samples");
                let content = block.piece(&mut bytes, entry, &entries[next - 1..])?;
                let mut page = Page::open(content, count, record.runs[run + 1] - record.runs[run]).ok_or_else(malformed)?;
                let (start, end) = (within.start - rows.start, within.end - rows.start);
                for (at, column) in columns.iter().enumerate() {
                    let from = (begun + at) * rows.len();
                    let (bits, (extras, gaps)) = (&mut out.bits[from + start..from + end], &mut out.stored[begun + at]);
                    let found = page.decode(column - record.runs[run], of_piece.clone(), bits, start as u32, extras);
                    *gaps |= found.ok_or_else(malformed)?;
                }
            }
            begun += columns.len();
        }
        Ok(())
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
