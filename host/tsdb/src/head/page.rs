//! Sealed rows of a group: a chunk per column, times once for all.

use std::sync::Arc;

use model::{ABSENT_BITS, TimestampMs};

use super::rows::OpenRows;
use crate::column::bytes::Reader;
use crate::column::chunk::{self, ChunkEncoder};

/// Compressed rows. Never changes.
pub(crate) struct Page {
    /// Number of the first row in its group.
    pub(crate) first_row: u64,
    pub(crate) rows: usize,
    pub(crate) time_min: TimestampMs,
    pub(crate) time_max: TimestampMs,
    /// The series of each slot.
    pub(crate) layout: Arc<[u32]>,
    /// Where the chunk of each slot begins in `data`; times and stamps come before the first.
    starts: Box<[u32]>,
    data: Box<[u8]>,
}

impl Page {
    /// Compresses the first `rows` rows.
    pub(crate) fn seal(open: &OpenRows, rows: usize, first_row: u64, layout: Arc<[u32]>) -> Self {
        let width = open.width();
        let mut data = Vec::new();
        chunk::encode_i64(&open.times[..rows], &mut data);
        chunk::encode_i64(&open.stamps[..rows], &mut data);
        let mut starts = Vec::with_capacity(width);
        let mut encoder = ChunkEncoder::default();
        let mut column = vec![ABSENT_BITS; rows];
        let slices: Vec<&[u64]> = (0..rows).map(|row| open.row(row)).collect();
        for slot in 0..width {
            starts.push(data.len() as u32);
            for (value, row) in column.iter_mut().zip(&slices) {
                *value = row.get(slot).copied().unwrap_or(ABSENT_BITS);
            }
            encoder.encode(&column, &mut data);
        }
        Self { first_row, rows, time_min: open.times[0], time_max: open.times[rows - 1], layout, starts: starts.into(), data: data.into() }
    }

    /// The page without its first rows, of which there are more. None if the memory is damaged.
    pub(crate) fn without_first(&self, rows: usize) -> Option<Self> {
        let (mut times, mut stamps) = (Vec::new(), Vec::new());
        self.times(&mut times, &mut stamps)?;
        let mut data = Vec::new();
        chunk::encode_i64(times.get(rows..)?, &mut data);
        chunk::encode_i64(stamps.get(rows..)?, &mut data);
        let (mut starts, mut encoder, mut column) = (Vec::with_capacity(self.starts.len()), ChunkEncoder::default(), Vec::new());
        for slot in 0..self.starts.len() {
            starts.push(data.len() as u32);
            column.clear();
            self.column(slot, &mut column)?;
            encoder.encode(&column[rows..], &mut data);
        }
        let (first_row, time_min) = (self.first_row + rows as u64, *times.get(rows)?);
        Some(Self {
            first_row,
            rows: self.rows - rows,
            time_min,
            starts: starts.into(),
            data: data.into(),
            layout: self.layout.clone(),
            ..*self
        })
    }

    fn chunk(&self, slot: usize) -> Option<&[u8]> {
        let start = *self.starts.get(slot)? as usize;
        let end = self.starts.get(slot + 1).map_or(self.data.len(), |end| *end as usize);
        self.data.get(start..end)
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

    pub(crate) fn heap_bytes(&self) -> usize {
        // With the allocator's own words for three allocations.
        size_of::<Self>() + self.starts.len() * 4 + self.data.len() + 48
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_growing_width_come_back() {
        let mut open = OpenRows::default();
        for row in 0..20_u64 {
            let values: Vec<u64> = (0..row / 5).map(|slot| ((row * slot) as f64).to_bits()).collect();
            open.push(1000 + row as i64 * 15, row as i64 * 100, &values);
        }
        let page = Page::seal(&open, 20, 7, Arc::from([0, 1, 2]));
        let (mut times, mut stamps) = (Vec::new(), Vec::new());
        assert_eq!(page.times(&mut times, &mut stamps), Some(()));
        assert_eq!((times, stamps), (open.times.clone(), open.stamps.clone()));
        for slot in 0..4 {
            let mut column = Vec::new();
            assert_eq!(page.column(slot, &mut column), Some(()));
            assert_eq!(column, (0..20).map(|row| open.get(row, slot)).collect::<Vec<_>>(), "slot {slot}");
            assert_eq!(page.uses(slot), slot < 3);
        }
    }
}
