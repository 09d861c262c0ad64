//! Sealed rows of a group: a chunk per column, times once for all.

use std::sync::Arc;

use model::{ABSENT_BITS, Histogram, STALE_BITS, TimestampMs};

use super::joined::{self, Joined};
use super::raw::RawRows;
use super::slots::Layout;
use crate::column::bytes::Reader;
use crate::column::chunk::{self, ChunkEncoder};
use crate::column::histogram::{put_histogram, read_histogram};

/// Chunks from one whose place is noted to the next.
const STRIDE: usize = 16;

/// Compressed rows. Never changes.
pub(crate) struct Page {
    /// Number of the first row in its group.
    pub(crate) first_row: u64,
    pub(crate) rows: usize,
    pub(crate) time_min: TimestampMs,
    pub(crate) time_max: TimestampMs,
    /// The series of each slot.
    pub(crate) layout: Layout,
    /// Where the chunk of every sixteenth slot begins in `data`; times and stamps come before the first.
    starts: Box<[u32]>,
    lens: Lens,
    data: Box<[u8]>,
    histograms: Option<Box<Histograms>>,
    /// As `joined.rs` says.
    joined: Box<[u8]>,
}

/// Lengths of chunks.
enum Lens {
    Short(Box<[u8]>),
    Long(Box<[u32]>),
}

/// Histograms of a page, one after the other.
#[derive(Default)]
struct Histograms {
    /// Slot, row, and where it begins, by slot and row.
    places: Vec<(u32, u32, u32)>,
    data: Vec<u8>,
}

/// Makes a page of columns that come in the order of slots.
struct Builder {
    encoder: ChunkEncoder,
    data: Vec<u8>,
    starts: Vec<u32>,
    lens: Vec<u32>,
    histograms: Histograms,
}

impl Builder {
    fn new(times: &[TimestampMs], stamps: &[i64], width: usize) -> Self {
        let mut data = Vec::new();
        chunk::encode_i64(times, &mut data);
        chunk::encode_i64(stamps, &mut data);
        let starts = Vec::with_capacity(width.div_ceil(STRIDE));
        Self { encoder: ChunkEncoder::default(), data, starts, lens: Vec::with_capacity(width), histograms: Histograms::default() }
    }

    fn column(&mut self, encode: impl FnOnce(&mut ChunkEncoder, &mut Vec<u8>)) {
        let start = self.data.len();
        if self.lens.len().is_multiple_of(STRIDE) {
            self.starts.push(start as u32);
        }
        encode(&mut self.encoder, &mut self.data);
        self.lens.push((self.data.len() - start) as u32);
    }

    fn histogram(&mut self, slot: u32, row: u32, histogram: &Histogram) {
        let Histograms { places, data } = &mut self.histograms;
        places.push((slot, row, data.len() as u32));
        put_histogram(data, histogram);
    }

    fn finish(self, first_row: u64, times: &[TimestampMs], layout: Layout, joined: &[Joined]) -> Page {
        let short = self.lens.iter().map(|len| u8::try_from(*len)).collect::<Result<Box<[u8]>, _>>();
        let Self { data, starts, lens, mut histograms, .. } = self;
        histograms.places.shrink_to_fit();
        histograms.data.shrink_to_fit();
        Page {
            first_row,
            rows: times.len(),
            time_min: times[0],
            time_max: times[times.len() - 1],
            layout,
            starts: starts.into(),
            lens: short.map_or_else(|_| Lens::Long(lens.into()), Lens::Short),
            data: data.into(),
            histograms: (!histograms.places.is_empty()).then(|| Box::new(histograms)),
            joined: joined::encode(joined),
        }
    }
}

impl Page {
    /// Compresses rows, of which there is one at least.
    pub(crate) fn seal(raw: &RawRows, first_row: u64, layout: Layout) -> Self {
        let width = raw.width();
        let mut builder = Builder::new(&raw.times, &raw.stamps, width);
        let rows: Vec<&[u64]> = (0..raw.len()).map(|row| raw.row(row)).collect();
        let mut column = vec![ABSENT_BITS; rows.len()];
        for slot in 0..width {
            match rows[0].get(slot) {
                Some(&bits) if raw.is_constant(slot) && bits != ABSENT_BITS && bits != STALE_BITS => {
                    builder.column(|_, out| ChunkEncoder::encode_constant(bits, out));
                }
                _ => {
                    for (value, row) in column.iter_mut().zip(&rows) {
                        *value = row.get(slot).copied().unwrap_or(ABSENT_BITS);
                    }
                    builder.column(|encoder, out| encoder.encode(&column, out));
                }
            }
        }
        let mut histograms: Vec<_> = raw.histograms.iter().collect();
        histograms.sort_unstable_by_key(|(row, slot, _)| (*slot, *row));
        histograms.into_iter().for_each(|(row, slot, histogram)| builder.histogram(*slot, *row, histogram));
        builder.finish(first_row, &raw.times, layout, &raw.joined)
    }

    /// The page without its first rows, of which there are more. None if the memory is damaged.
    pub(crate) fn without_first(&self, rows: usize) -> Option<Self> {
        let (mut times, mut stamps) = (Vec::new(), Vec::new());
        self.times(&mut times, &mut stamps)?;
        let (times, stamps) = (times.get(rows..)?, stamps.get(rows..)?);
        let mut builder = Builder::new(times, stamps, self.width());
        let mut column = Vec::new();
        for slot in 0..self.width() {
            column.clear();
            self.column(slot, &mut column)?;
            builder.column(|encoder, out| encoder.encode(&column[rows..], out));
            for (row, histogram) in self.histograms(slot)? {
                if let Some(row) = row.checked_sub(rows as u32) {
                    builder.histogram(slot as u32, row, &histogram);
                }
            }
        }
        let later = self.joined()?.into_iter().filter_map(|one| Some(Joined { row: one.row.checked_sub(rows as u32)?, ..one }));
        let mut joined: Vec<Joined> = later.collect();
        joined.sort_unstable_by_key(|one| (one.row, one.stamp, one.slot));
        Some(builder.finish(self.first_row + rows as u64, times, self.layout.clone(), &joined))
    }

    fn width(&self) -> usize {
        match &self.lens {
            Lens::Short(lens) => lens.len(),
            Lens::Long(lens) => lens.len(),
        }
    }

    fn chunk(&self, slot: usize) -> Option<&[u8]> {
        let start = *self.starts.get(slot / STRIDE)? as usize;
        let first = slot / STRIDE * STRIDE;
        let (before, len) = match &self.lens {
            Lens::Short(lens) => (lens.get(first..slot)?.iter().map(|len| usize::from(*len)).sum::<usize>(), usize::from(*lens.get(slot)?)),
            Lens::Long(lens) => (lens.get(first..slot)?.iter().map(|len| *len as usize).sum(), *lens.get(slot)? as usize),
        };
        self.data.get(start + before..start + before + len)
    }

    /// Whether the slot has samples.
    pub(crate) fn uses(&self, slot: usize) -> bool {
        self.chunk(slot).is_some_and(|chunk| !chunk::is_empty(chunk))
    }

    /// Appends times and stamps. None if the memory is damaged.
    pub(crate) fn times(&self, times: &mut Vec<TimestampMs>, stamps: &mut Vec<i64>) -> Option<()> {
        let mut reader = Reader::new(&self.data);
        chunk::decode_i64(&mut reader, self.rows, times)?;
        chunk::decode_i64(&mut reader, self.rows, stamps)
    }

    /// Appends a column, absent ones as such. None if the memory is damaged.
    pub(crate) fn column(&self, slot: usize, out: &mut Vec<u64>) -> Option<()> {
        match self.chunk(slot) {
            Some(chunk) => chunk::decode(chunk, self.rows, out),
            None => {
                out.resize(out.len() + self.rows, ABSENT_BITS);
                Some(())
            }
        }
    }

    /// Whether some of a column's samples are absent, stale or histograms.
    pub(crate) fn has_gaps(&self, slot: usize) -> bool {
        self.histograms.is_some() || self.chunk(slot).is_none_or(chunk::has_gaps)
    }

    /// The histograms of a column, by row. None if the memory is damaged.
    pub(crate) fn histograms(&self, slot: usize) -> Option<Vec<(u32, Arc<Histogram>)>> {
        let Some(histograms) = &self.histograms else {
            return Some(Vec::new());
        };
        let Histograms { places, data } = histograms.as_ref();
        let from = places.partition_point(|(held, ..)| (*held as usize) < slot);
        let mine = places[from..].iter().take_while(|(held, ..)| *held as usize == slot);
        let read = |start: u32| read_histogram(&mut Reader::new(data.get(start as usize..)?));
        mine.map(|(_, row, start)| Some((*row, Arc::new(read(*start)?)))).collect()
    }

    /// Samples of series that other groups have too which joined a row later, by slot and row. None if the memory is damaged.
    pub(super) fn joined(&self) -> Option<Vec<Joined>> {
        joined::decode(&self.joined)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let lens = match &self.lens {
            Lens::Short(lens) => lens.len(),
            Lens::Long(lens) => lens.len() * 4,
        };
        let histograms = self.histograms.as_ref().map_or(0, |held| held.places.len() * 12 + held.data.len() + 96);
        // With the counts of the shared page and the allocator's own words for four allocations.
        size_of::<Self>() + 16 + self.starts.len() * 4 + lens + self.data.len() + self.joined.len() + histograms + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::histogram::tests::histogram;

    #[test]
    fn rows_of_growing_width_come_back_and_without_the_first() {
        let mut raw = RawRows::default();
        for row in 0..20_u64 {
            let mut values: Vec<u64> = (0..row / 5).map(|slot| ((row * slot) as f64).to_bits()).collect();
            if row == 17 {
                values[2] = model::HISTOGRAM_BITS;
                raw.histograms.push((17, 2, Arc::new(histogram(17))));
            }
            raw.push(1000 + row as i64 * 15, row as i64 * 100, &values);
        }
        let page = Page::seal(&raw, 7, Arc::new(vec![0, 1, 2]));
        for (page, first) in [(page.without_first(16).expect("whole"), 16), (page, 0)] {
            let (mut times, mut stamps) = (Vec::new(), Vec::new());
            assert_eq!(page.times(&mut times, &mut stamps), Some(()));
            assert_eq!((times, stamps, page.first_row), (raw.times[first..].to_vec(), raw.stamps[first..].to_vec(), 7 + first as u64));
            for slot in 0..4 {
                let mut column = Vec::new();
                assert_eq!(page.column(slot, &mut column), Some(()));
                let get = |row: usize| raw.row(row).get(slot).copied().unwrap_or(ABSENT_BITS);
                assert_eq!(column, (first..20).map(get).collect::<Vec<_>>(), "slot {slot}");
                assert_eq!(page.uses(slot), slot < 3);
                let expected = if slot == 2 { vec![(17 - first as u32, Arc::new(histogram(17)))] } else { Vec::new() };
                assert_eq!(page.histograms(slot), Some(expected));
            }
        }
    }
}
