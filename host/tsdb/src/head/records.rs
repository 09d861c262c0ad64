//! Walking over the open rows of a group; `rows.rs` says what a record is.

use std::sync::Arc;

use model::TimestampMs;

use super::rows::{FULL, HISTOGRAMS, PRESENCE, Record, UNSET};
use crate::column::bits::bytes_for;
use crate::column::bytes::Reader;
use crate::wal::row::RowState;

/// Rows that do not change any more.
#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    pub(super) base: Arc<[u8]>,
    pub(super) base_time: TimestampMs,
    pub(super) base_stamp: i64,
    pub(super) chunks: Vec<Arc<[u8]>>,
    pub(crate) rows: usize,
}

/// A record in memory.
pub(crate) struct Stored<'a> {
    pub(crate) time: TimestampMs,
    pub(crate) stamp: i64,
    pub(super) full: bool,
    presence: bool,
    unset: Vec<u32>,
    pub(crate) histograms: &'a [u8],
    values: &'a [u8],
}

impl<'a> Stored<'a> {
    /// Takes the row over into the state of the record before. Returns its width, and the bitmap of changed slots.
    pub(crate) fn decode(&self, state: &mut RowState) -> Option<(usize, &[u8])> {
        self.unset.iter().for_each(|slot| state.unset(*slot as usize));
        state.decode(&mut Reader::new(self.values), self.full, self.presence)
    }

    /// The bitmap of the row's slots, if it is not the same as that of the record before.
    pub(crate) fn presence(&self) -> Option<&'a [u8]> {
        let mut reader = Reader::new(self.values);
        let width = reader.count(8)?;
        if self.presence { reader.take(bytes_for(width)) } else { None }
    }

    /// Slots that have a new series, or one that begins anew.
    pub(super) fn unset(&self) -> &[u32] {
        &self.unset
    }

    /// Whether the row says which slots it has.
    pub(super) fn has_presence(&self) -> bool {
        self.presence
    }

    /// The values as in the log, from the width on.
    pub(super) fn values(&self) -> &'a [u8] {
        self.values
    }

    pub(super) fn as_pushed(&self) -> Record<'_> {
        let Self { time, stamp, full, presence, ref unset, histograms, values } = *self;
        Record { time, stamp, full, presence, unset, histograms, values, row: None }
    }
}

impl Snapshot {
    /// What the first record builds on.
    pub(crate) fn base(&self) -> Option<RowState> {
        RowState::unpack(&self.base)
    }

    /// Likewise, as [`RowState::pack`] wrote it.
    pub(super) fn packed_base(&self) -> &[u8] {
        &self.base
    }

    /// The records in the order of time. A None among them says that the memory is damaged.
    pub(crate) fn records(&self) -> Records<'_> {
        Records {
            chunks: &self.chunks,
            reader: Reader::new(&[]),
            last_time: self.base_time,
            last_stamp: self.base_stamp,
            before: (self.base_time, self.base_stamp),
        }
    }
}

/// Walks over records.
pub(crate) struct Records<'a> {
    chunks: &'a [Arc<[u8]>],
    reader: Reader<'a>,
    last_time: TimestampMs,
    pub(super) last_stamp: i64,
    /// Time and stamp that the last record was written against.
    pub(super) before: (TimestampMs, i64),
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<Stored<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.reader.is_empty() {
            let (chunk, rest) = self.chunks.split_first()?;
            self.chunks = rest;
            self.reader = Reader::new(chunk);
        }
        Some(self.read())
    }
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Option<Stored<'a>> {
        self.before = (self.last_time, self.last_stamp);
        let reader = &mut self.reader;
        self.last_time = self.last_time.wrapping_add(reader.zigzag()?);
        self.last_stamp = self.last_stamp.wrapping_add(reader.zigzag()?);
        let flags = reader.u8()?;
        let mut unset = Vec::new();
        if flags & UNSET != 0 {
            for _ in 0..reader.count(1)? {
                unset.push(u32::try_from(reader.varint()?).ok()?);
            }
        }
        let mut part = || {
            let len = reader.count(1)?;
            reader.take(len)
        };
        let histograms = if flags & HISTOGRAMS != 0 { part()? } else { &[] };
        let values = part()?;
        let (full, presence) = (flags & FULL != 0, flags & PRESENCE != 0);
        Some(Stored { time: self.last_time, stamp: self.last_stamp, full, presence, unset, histograms, values })
    }
}
