//! A group's record in the index: where its pieces are, and which labels its columns have.

use super::packed::{Packed, put, width_for};
use super::{BlockGroup, PIECE_ROWS_MAX};
use crate::column::bits::width_of;
use crate::column::bytes::{Reader, put_text, put_varint, put_zigzag};

/// Tuples from one that says all its labels to the next.
const RESTART: usize = 16;

/// A piece of the data section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) len: usize,
    pub(super) crc: u32,
}

/// A record while its group is written. Pairs have the numbers under which they came.
#[derive(Default)]
pub(super) struct RecordBuilder {
    pub(super) key: String,
    pub(super) rows: usize,
    pub(super) piece_rows: usize,
    pub(super) piece_firsts: Vec<i64>,
    pub(super) time_max: i64,
    pub(super) data_offset: u64,
    pub(super) times: Vec<Entry>,
    /// Columns of each run but the last, and pages of all runs.
    pub(super) run_columns: Vec<usize>,
    pub(super) pages: Vec<Entry>,
    pub(super) exemplar_pages: Vec<(u32, Entry)>,
    pub(super) stored: usize,
    /// Of each column.
    pub(super) stored_of: Vec<u32>,
    /// Of each column: place in `name_list`.
    pub(super) names: Vec<u32>,
    /// Pair numbers plus 1, 0: no name.
    pub(super) name_list: Vec<u32>,
    /// Of each column: number of its tuple.
    pub(super) tuples: Vec<u32>,
    pub(super) tuple_ends: Vec<u32>,
    /// Pairs of all tuples.
    pub(super) tuple_pairs: Vec<u32>,
}

impl RecordBuilder {
    /// Appends the record; `rank_of` are the final numbers of pairs.
    pub(super) fn encode(&self, rank_of: &[u32], out: &mut Vec<u8>) {
        put_text(out, &self.key);
        put_varint(out, self.rows as u64);
        put_varint(out, self.piece_rows as u64);
        let mut last = 0;
        for (at, first) in self.piece_firsts.iter().enumerate() {
            if at == 0 {
                put_zigzag(out, *first);
            } else {
                put_varint(out, first.wrapping_sub(last) as u64);
            }
            last = *first;
        }
        put_varint(out, self.time_max.wrapping_sub(last) as u64);
        put_varint(out, self.data_offset);
        put_varint(out, self.stored_of.len() as u64);
        put_varint(out, self.stored as u64);
        self.times.iter().for_each(|entry| put_entry(out, entry));
        put_varint(out, (self.pages.len() / self.times.len().max(1)) as u64);
        self.run_columns.iter().for_each(|columns| put_varint(out, *columns as u64));
        self.pages.iter().for_each(|entry| put_entry(out, entry));
        put_varint(out, self.exemplar_pages.len() as u64);
        let mut last = 0;
        for (first, entry) in &self.exemplar_pages {
            put_varint(out, u64::from(first - last));
            put_entry(out, entry);
            last = *first;
        }
        if self.stored < self.stored_of.len() {
            put(out, self.stored_of.iter().map(|stored| u64::from(*stored)), width_for(self.stored));
        }
        self.encode_labels(rank_of, out);
    }

    fn encode_labels(&self, rank_of: &[u32], out: &mut Vec<u8>) {
        put_varint(out, self.name_list.len() as u64);
        for name in &self.name_list {
            put_varint(out, if *name == 0 { 0 } else { u64::from(rank_of[*name as usize - 1]) + 1 });
        }
        put(out, self.names.iter().map(|name| u64::from(*name)), width_for(self.name_list.len()));
        put_varint(out, self.tuple_ends.len() as u64);
        put(out, self.tuples.iter().map(|tuple| u64::from(*tuple)), width_for(self.tuple_ends.len()));
        let (mut lists, mut offsets) = (Vec::new(), Vec::new());
        let (mut start, mut last) = (0, Vec::new());
        for (at, end) in self.tuple_ends.iter().enumerate() {
            let pairs: Vec<u32> = self.tuple_pairs[start..*end as usize].iter().map(|pair| rank_of[*pair as usize]).collect();
            start = *end as usize;
            if at % RESTART == 0 {
                offsets.push(lists.len() as u64);
                last.clear();
            }
            let shared = pairs.iter().zip(&last).take_while(|(a, b)| a == b).count();
            put_varint(&mut lists, shared as u64);
            put_varint(&mut lists, (pairs.len() - shared) as u64);
            pairs[shared..].iter().for_each(|pair| put_varint(&mut lists, u64::from(*pair)));
            last = pairs;
        }
        let width = width_of(lists.len() as u64);
        out.push(width as u8);
        put(out, offsets.into_iter(), width);
        out.extend_from_slice(&lists);
    }
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    put_varint(out, entry.len as u64);
    out.extend_from_slice(&entry.crc.to_le_bytes());
}

/// A record that was read. Offsets are in the file.
pub(super) struct Record<'a> {
    pub(super) group: BlockGroup,
    pub(super) piece_rows: usize,
    pub(super) piece_firsts: Vec<i64>,
    pub(super) times: Vec<Entry>,
    /// First stored column of each run, and the number of stored columns.
    pub(super) runs: Vec<usize>,
    pub(super) pages: Vec<Entry>,
    pub(super) exemplar_pages: Vec<(u32, Entry)>,
    stored_of: Option<Packed<'a>>,
    names: Packed<'a>,
    name_list: Vec<u32>,
    tuples: Packed<'a>,
    tuple_count: usize,
    tuple_offsets: Packed<'a>,
    tuple_lists: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record of the group with columns from `first` on; `data` is where the data section lies. None if it is malformed.
    pub(super) fn read(bytes: &'a [u8], columns: std::ops::Range<u32>, data: &std::ops::Range<u64>) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let key = reader.text()?.to_owned();
        let rows = u32::try_from(reader.varint()?).ok()?;
        let piece_rows = usize::try_from(reader.varint()?).ok()?;
        if rows == 0 || piece_rows == 0 || piece_rows > PIECE_ROWS_MAX {
            return None;
        }
        let pieces = (rows as usize).div_ceil(piece_rows);
        // Each piece takes six bytes at least.
        if pieces > reader.remaining() {
            return None;
        }
        let mut piece_firsts = vec![reader.zigzag()?];
        for at in 1..pieces {
            piece_firsts.push(piece_firsts[at - 1].checked_add_unsigned(reader.varint()?)?);
        }
        let time_min = *piece_firsts.first()?;
        let time_max = piece_firsts.last()?.checked_add_unsigned(reader.varint()?)?;
        let mut place = Place { next: data.start.checked_add(reader.varint()?)?, end: data.end };
        let count = reader.varint()?;
        let stored = usize::try_from(reader.varint()?).ok()?;
        if count != u64::from(columns.end - columns.start) || stored as u64 > count || (stored == 0) != (count == 0) {
            return None;
        }
        let times = (0..pieces).map(|_| place.entry(&mut reader)).collect::<Option<Vec<_>>>()?;
        let run_count = reader.count(1)?;
        if run_count > stored || (run_count == 0) != (stored == 0) {
            return None;
        }
        let mut runs = vec![0_usize];
        for at in 1..run_count {
            let next = runs[at - 1].checked_add(usize::try_from(reader.varint()?).ok()?)?;
            if next <= runs[at - 1] || next >= stored {
                return None;
            }
            runs.push(next);
        }
        if stored > 0 {
            runs.push(stored);
        }
        let page_count = run_count.checked_mul(pieces).filter(|pages| *pages <= reader.remaining())?;
        let pages = (0..page_count).map(|_| place.entry(&mut reader)).collect::<Option<Vec<_>>>()?;
        let exemplar_count = reader.count(1)?;
        let mut exemplar_pages = Vec::new();
        let mut first = 0_u32;
        for _ in 0..exemplar_count {
            first = first.checked_add(u32::try_from(reader.varint()?).ok()?)?;
            exemplar_pages.push((first, place.entry(&mut reader)?));
        }
        let count = count as usize;
        let stored_of = if stored < count { Some(Packed::read(&mut reader, count, width_for(stored))?) } else { None };
        let names_len = reader.count(1)?;
        let name_list = (0..names_len).map(|_| reader.varint().and_then(|name| u32::try_from(name).ok())).collect::<Option<Vec<_>>>()?;
        let names = Packed::read(&mut reader, count, width_for(names_len))?;
        let tuple_count = reader.count(1)?;
        // Where labels differ a column takes a bit at least. Columns that take none could be billions, each of which costs whoever reads.
        if count > bytes.len().saturating_mul(8) {
            return None;
        }
        let tuples = Packed::read(&mut reader, count, width_for(tuple_count))?;
        let width = u32::from(reader.u8()?);
        let tuple_offsets = Packed::read(&mut reader, tuple_count.div_ceil(RESTART), width)?;
        Some(Self {
            group: BlockGroup { key, rows, time_min, time_max, columns },
            piece_rows,
            piece_firsts,
            times,
            runs,
            pages,
            exemplar_pages,
            stored_of,
            names,
            name_list,
            tuples,
            tuple_count,
            tuple_offsets,
            tuple_lists: reader.take(reader.remaining())?,
        })
    }

    /// Stored columns.
    pub(super) fn stored(&self) -> usize {
        self.runs.last().copied().unwrap_or(0)
    }

    /// The stored column of the group's `column`th column.
    pub(super) fn stored_of(&self, column: usize) -> Option<usize> {
        let stored = match self.stored_of {
            Some(packed) => usize::try_from(packed.get(column)?).ok()?,
            None => column,
        };
        (stored < self.stored()).then_some(stored)
    }

    /// How many rows a piece has.
    pub(super) fn rows_in(&self, piece: usize) -> usize {
        (self.group.rows as usize - piece * self.piece_rows).min(self.piece_rows)
    }

    /// Appends the pairs of a column's labels. `last` is a tuple that was read before, to go on from.
    pub(super) fn pairs(&self, column: usize, tuples: &mut TupleCache, out: &mut Vec<u32>) -> Option<()> {
        let name = *self.name_list.get(usize::try_from(self.names.get(column)?).ok()?)?;
        if name > 0 {
            out.push(name - 1);
        }
        let tuple = usize::try_from(self.tuples.get(column)?).ok()?;
        self.tuple(tuple, tuples)?;
        out.extend_from_slice(&tuples.pairs);
        Some(())
    }

    fn tuple(&self, tuple: usize, cache: &mut TupleCache) -> Option<()> {
        if tuple >= self.tuple_count {
            return None;
        }
        if cache.last == Some(tuple) {
            return Some(());
        }
        let restart = tuple - tuple % RESTART;
        let goes_on = cache.last.is_some_and(|last| restart <= last && last < tuple);
        let (mut at, mut offset) = match cache.last {
            Some(last) if goes_on => (last + 1, cache.next),
            _ => (restart, usize::try_from(self.tuple_offsets.get(restart / RESTART)?).ok()?),
        };
        if !goes_on {
            cache.pairs.clear();
        }
        cache.last = None;
        while at <= tuple {
            let rest = self.tuple_lists.get(offset..)?;
            let mut reader = Reader::new(rest);
            let shared = usize::try_from(reader.varint()?).ok()?;
            let further = reader.count(1)?;
            if shared > cache.pairs.len() || (at % RESTART == 0 && shared > 0) {
                return None;
            }
            cache.pairs.truncate(shared);
            for _ in 0..further {
                cache.pairs.push(u32::try_from(reader.varint()?).ok()?);
            }
            offset += rest.len() - reader.remaining();
            at += 1;
        }
        (cache.last, cache.next) = (Some(tuple), offset);
        Some(())
    }
}

/// The tuple that was read last, of one record: the next is often the one after it.
#[derive(Default)]
pub(super) struct TupleCache {
    last: Option<usize>,
    /// Where the tuple after it begins.
    next: usize,
    pairs: Vec<u32>,
}

/// Where the next piece begins.
struct Place {
    next: u64,
    end: u64,
}

impl Place {
    fn entry(&mut self, reader: &mut Reader<'_>) -> Option<Entry> {
        let len = reader.varint()?;
        let crc = super::sections::u32_of(reader)?;
        let offset = self.next;
        self.next = offset.checked_add(len).filter(|next| *next <= self.end)?;
        Some(Entry { offset, len: usize::try_from(len).ok()?, crc })
    }
}
