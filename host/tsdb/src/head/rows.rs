//! The newest rows of a group, as the log has them: each against the one before, a byte or two a sample.
//!
//! A record is `zigzag` time less that of the record before, `zigzag` stamp likewise, `u8` flags, with [`UNSET`] a `varint` n and n
//! slots as `varint` whose last value counts no more, with [`HISTOGRAMS`] a histograms section behind its length, then, behind
//! their length, the values as in the log. Only memory has this, so it may change.

use std::sync::Arc;

use model::{ABSENT_BITS, TimestampMs};

use super::joined::Joined;
use super::raw::RawRows;
use super::records::{Snapshot, Stored};
use crate::column::bits::{bytes_for, get};
use crate::column::bytes::{Reader, put_varint, put_zigzag};
use crate::wal::row::RowState;
use crate::wal::sections::read_histograms;

pub(super) const FULL: u8 = 1;
pub(super) const PRESENCE: u8 = 2;
pub(super) const UNSET: u8 = 4;
pub(super) const HISTOGRAMS: u8 = 8;
/// Records in a chunk, and bytes after which it ends before.
const CHUNK_RECORDS: usize = 8;
const CHUNK_BYTES: usize = 16 << 10;

/// A row as the log has it.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) time: TimestampMs,
    /// Its place in the log.
    pub(crate) stamp: i64,
    pub(crate) full: bool,
    pub(crate) presence: bool,
    /// Slots that have a new series, or one that begins anew.
    pub(crate) unset: &'a [u32],
    /// A histograms section, or nothing.
    pub(crate) histograms: &'a [u8],
    /// From the width on.
    pub(crate) values: &'a [u8],
    /// The same by slot, if whoever has the record has it.
    pub(crate) row: Option<&'a [u64]>,
}

/// Encoded rows by time.
#[derive(Default)]
pub(crate) struct OpenRows {
    /// What the first record builds on, packed; empty if it needs nothing.
    base: Arc<[u8]>,
    base_time: TimestampMs,
    base_stamp: i64,
    /// Records that are complete, and the newest ones.
    chunks: Vec<Arc<[u8]>>,
    tail: Vec<u8>,
    tail_records: usize,
    /// Rows: records of the same time are one.
    rows: usize,
    first_time: TimestampMs,
    last_time: TimestampMs,
    last_stamp: i64,
    /// Bitmaps of the last record's slots, and of all slots of all rows.
    present: Vec<u8>,
    used: Vec<u8>,
    /// The newest row by slot, absent slots as such: most questions are about the newest samples. None if nobody worked it out.
    newest: Option<Arc<Vec<u64>>>,
}

/// Of rows with more values than this the newest is not worked out while a question waits.
const NEWEST_VALUES_MAX: usize = 1 << 19;

impl OpenRows {
    /// No rows yet; the first may build on this.
    pub(crate) fn on(state: &RowState) -> Self {
        let mut packed = Vec::new();
        state.pack(&mut packed);
        Self { base: packed.into(), present: state.last_row().0.to_vec(), ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn first_time(&self) -> Option<TimestampMs> {
        (self.rows > 0).then_some(self.first_time)
    }

    /// Whether any row has a sample in the slot.
    pub(crate) fn uses(&self, slot: usize) -> bool {
        self.rows > 0 && get(&self.used, slot)
    }

    /// Whether the newest row has a sample in the slot. Walks over all rows.
    pub(crate) fn last_uses(&self, slot: usize) -> bool {
        let snapshot = self.snapshot();
        let Some(base) = snapshot.base() else { return true };
        let mut present = base.last_row().0;
        for record in snapshot.records() {
            let Some(record) = record else { return true };
            let (time, own) = (record.time, record.presence());
            let uses = get(own.unwrap_or(present), slot);
            if time == self.last_time && uses {
                return true;
            }
            if own.is_some() {
                present = own.unwrap_or(present);
            }
        }
        false
    }

    /// Adds a row, which is not older than the others; one of the same time adds samples to the newest.
    pub(crate) fn push(&mut self, record: Record<'_>) {
        let Record { time, stamp, full, presence, unset, histograms, values, row } = record;
        let again = self.rows > 0 && time == self.last_time;
        let before = if self.rows == 0 { (self.base_time, self.base_stamp) } else { (self.last_time, self.last_stamp) };
        let out = &mut self.tail;
        let room = values.len() + histograms.len() + unset.len() * 5 + 40;
        if out.capacity() - out.len() < room {
            out.reserve_exact((room * CHUNK_RECORDS).min(CHUNK_BYTES).max(room));
        }
        put_zigzag(out, time.wrapping_sub(before.0));
        put_zigzag(out, stamp.wrapping_sub(before.1));
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let with_unset = !full && !unset.is_empty();
        out.push(flag(full, FULL) | flag(presence, PRESENCE) | flag(with_unset, UNSET) | flag(!histograms.is_empty(), HISTOGRAMS));
        if with_unset {
            put_varint(out, unset.len() as u64);
            unset.iter().for_each(|slot| put_varint(out, u64::from(*slot)));
        }
        if !histograms.is_empty() {
            put_varint(out, histograms.len() as u64);
            out.extend_from_slice(histograms);
        }
        put_varint(out, values.len() as u64);
        out.extend_from_slice(values);
        self.tail_records += 1;
        self.count(time, stamp, presence, values);
        self.keep_newest(row, again);
        if self.tail_records >= CHUNK_RECORDS || self.tail.len() >= CHUNK_BYTES {
            self.chunks.push(Arc::from(self.tail.as_slice()));
            self.tail.clear();
            self.tail_records = 0;
        }
    }

    fn count(&mut self, time: TimestampMs, stamp: i64, presence: bool, values: &[u8]) {
        if self.rows == 0 {
            self.first_time = time;
        }
        if self.rows == 0 || time != self.last_time {
            self.rows += 1;
        }
        (self.last_time, self.last_stamp) = (time, stamp);
        if presence {
            let mut reader = Reader::new(values);
            let bitmap = reader.count(8).and_then(|width| reader.take(bytes_for(width))).unwrap_or_default();
            self.present.clear();
            self.present.extend_from_slice(bitmap);
        }
        if self.used.len() < self.present.len() {
            self.used.resize(self.present.len(), 0);
        }
        if presence || self.rows == 1 {
            self.used.iter_mut().zip(&self.present).for_each(|(used, present)| *used |= present);
        }
    }

    /// Notes the newest row; `again`: what adds to it.
    fn keep_newest(&mut self, row: Option<&[u64]>, again: bool) {
        match (row, &mut self.newest) {
            (Some(row), Some(held)) if again => {
                let held = Arc::make_mut(held);
                held.resize(held.len().max(row.len()), ABSENT_BITS);
                held.iter_mut().zip(row).filter(|(held, _)| **held == ABSENT_BITS).for_each(|(held, bits)| *held = *bits);
            }
            (Some(row), held) if !again => match held.as_mut().and_then(Arc::get_mut) {
                Some(held) => {
                    held.clear();
                    held.reserve_exact(row.len());
                    held.extend_from_slice(row);
                }
                None => *held = Some(Arc::new(row.to_vec())),
            },
            (_, held) => *held = None,
        }
    }

    /// Time and samples of the newest row, by slot; past its end there are none. After a restart it is worked out once. None if
    /// there is no row, or if that would take long.
    pub(crate) fn newest(&mut self) -> Option<(TimestampMs, Arc<Vec<u64>>)> {
        if self.newest.is_none() && self.rows * self.used.len() * 8 <= NEWEST_VALUES_MAX && self.find_newest().is_none() {
            self.newest = None;
        }
        (self.rows > 0).then_some(self.last_time).zip(self.newest.clone())
    }

    /// None if the memory is damaged.
    fn find_newest(&mut self) -> Option<()> {
        let (snapshot, mut row, mut again) = (self.snapshot(), Vec::new(), false);
        let mut state = snapshot.base()?;
        for record in snapshot.records() {
            let record = record?;
            let (width, _) = record.decode(&mut state)?;
            if record.time == self.last_time {
                row.clear();
                state.copy_to(width, &mut row);
                self.keep_newest(Some(&row), std::mem::replace(&mut again, true));
            }
        }
        Some(())
    }

    /// The rows as they are now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut chunks = self.chunks.clone();
        if !self.tail.is_empty() {
            chunks.push(Arc::from(self.tail.as_slice()));
        }
        Snapshot { base: self.base.clone(), base_time: self.base_time, base_stamp: self.base_stamp, chunks, rows: self.rows }
    }

    /// Takes the oldest rows out, at most so many and those before `end`, as numbers. None if the memory is damaged; then all rows
    /// are gone. Of the slots in the bitmap `shared` they say which samples joined a row later.
    pub(crate) fn take_first(&mut self, rows: usize, end: TimestampMs, shared: &[u8]) -> Option<RawRows> {
        let snapshot = self.snapshot();
        let mut rest = Self::default();
        let mut raw = RawRows::default();
        let mut walk = snapshot.records();
        let mut state = RowState::unpack(&snapshot.base);
        let kept = loop {
            let Some(record) = walk.next() else {
                break None;
            };
            let Some((record, state)) = record.zip(state.as_mut()) else {
                *self = rest;
                return None;
            };
            let new = raw.times.last() != Some(&record.time);
            if new && (raw.len() >= rows || record.time >= end) {
                break Some(record);
            }
            if take(&mut raw, state, &record, new, shared).is_none() {
                *self = rest;
                return None;
            }
        };
        rest.base_time = raw.times.last().copied().unwrap_or(snapshot.base_time);
        rest.base_stamp = walk.last_stamp;
        // Rows with other slots than the last one build on its bitmap too.
        let mut packed = Vec::new();
        if let Some(state) = state.filter(|_| kept.as_ref().is_none_or(|record| !record.full)) {
            rest.present = state.last_row().0.to_vec();
            state.pack(&mut packed);
        }
        rest.base = packed.into();
        if let Some(record) = kept {
            (rest.base_time, rest.base_stamp) = walk.before;
            rest.push(record.as_pushed());
            while let Some(Some(record)) = walk.next() {
                rest.push(record.as_pushed());
            }
            rest.newest = self.newest.take();
        }
        *self = rest;
        Some(raw)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        // With what the allocator and the counts of shared pieces take.
        self.base.len()
            + 32
            + self.chunks.iter().map(|chunk| chunk.len() + 32).sum::<usize>()
            + self.chunks.capacity() * 16
            + self.tail.capacity()
            + self.present.capacity()
            + self.used.capacity()
            + self.newest.as_ref().map_or(0, |row| row.capacity() * 8 + 56)
            + 64
    }
}

fn take(raw: &mut RawRows, state: &mut RowState, record: &Stored<'_>, new: bool, shared: &[u8]) -> Option<()> {
    let (width, changed) = record.decode(state)?;
    let row = if new { raw.len() } else { raw.len().checked_sub(1)? };
    let histograms = read_histograms(record.histograms)?;
    if new {
        state.copy_to(width, raw.begin(record.time, record.stamp));
        raw.histograms.extend(histograms.into_iter().map(|(slot, histogram)| (row as u32, slot, histogram)));
    } else {
        let mut added = Vec::new();
        state.copy_to(width, &mut added);
        let mut took = Vec::new();
        raw.merge_into_last(&added, |slot| took.push(slot as u32));
        if !shared.is_empty() {
            let joined = took.iter().filter(|slot| get(shared, **slot as usize));
            raw.joined.extend(joined.map(|slot| Joined { slot: *slot, row: row as u32, stamp: record.stamp }));
        }
        let taken = histograms.into_iter().filter(|(slot, _)| took.binary_search(slot).is_ok());
        raw.histograms.extend(taken.map(|(slot, histogram)| (row as u32, slot, histogram)));
    }
    let bytes = bytes_for(width);
    if raw.varying.len() < bytes {
        raw.varying.resize(bytes, 0);
    }
    if !new || row > 0 && (record.full || raw.row(row).len() != raw.row(row - 1).len()) {
        raw.varying.fill(u8::MAX);
    } else if row > 0 {
        raw.varying.iter_mut().zip(changed).for_each(|(varying, changed)| *varying |= changed);
    }
    for (varying, present) in raw.varying.iter_mut().zip(state.last_row().0.iter().copied().chain(std::iter::repeat(0))) {
        *varying |= !present;
    }
    Some(())
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wal::row::RowChange;

    /// Encodes rows as a writer does.
    #[derive(Default)]
    pub(crate) struct Rows {
        state: RowState,
        change: RowChange,
        begun: bool,
    }

    pub(crate) struct EncodedRow {
        values: Vec<u8>,
        full: bool,
        presence: bool,
    }

    impl Rows {
        pub(crate) fn encode_row(&mut self, row: &[u64]) -> EncodedRow {
            let full = !std::mem::replace(&mut self.begun, true);
            let mut values = Vec::new();
            self.state.begin(row, false, &mut self.change);
            let presence = full || self.change.presence_differs();
            self.state.encode(row, full, &mut self.change, &mut values);
            self.state.commit(row, full, &mut self.change);
            EncodedRow { values, full, presence }
        }
    }

    impl EncodedRow {
        pub(crate) fn record(&self, time: TimestampMs, stamp: i64) -> Record<'_> {
            Record { time, stamp, full: self.full, presence: self.presence, unset: &[], histograms: &[], values: &self.values, row: None }
        }
    }

    proptest! {
        #[test]
        fn rows_come_out_in_pieces(
            rows in prop::collection::vec((prop::collection::vec(prop_oneof![Just(ABSENT_BITS), 0..5_u64], 0..12), prop::bool::weighted(0.15)), 1..60),
            takes in prop::collection::vec(1..20_usize, 60),
        ) {
            let (mut open, mut encoder) = (OpenRows::default(), Rows::default());
            let mut expected: Vec<(i64, Vec<u64>)> = Vec::new();
            let (mut time, mut width) = (100, 0);
            for (n, (row, again)) in rows.iter().enumerate() {
                width = row.len().max(width);
                let mut row: Vec<u64> = row.iter().map(|bits| if *bits == ABSENT_BITS { *bits } else { (*bits as f64).to_bits() }).collect();
                row.resize(width, ABSENT_BITS);
                time += if *again { 0 } else { 7 };
                open.push(encoder.encode_row(&row).record(time, n as i64));
                match expected.last_mut().filter(|(last, _)| *last == time) {
                    Some((_, held)) => {
                        held.resize(width, ABSENT_BITS);
                        held.iter_mut().zip(row).for_each(|(held, bits)| if *held == ABSENT_BITS { *held = bits });
                    }
                    None => expected.push((time, row)),
                }
            }
            prop_assert_eq!(open.len(), expected.len());
            let mut at = 0;
            for take in takes {
                for slot in 0..width {
                    let used = expected[at..].iter().any(|(_, row)| row.get(slot).is_some_and(|bits| *bits != ABSENT_BITS));
                    prop_assert_eq!(open.uses(slot), used, "slot {} of rows {}..", slot, at);
                }
                let end = expected.get(at + 5).map_or(i64::MAX, |(time, _)| *time);
                let raw = open.take_first(take, end, &[0b1010_1010; 2]).expect("whole");
                prop_assert_eq!(raw.len(), take.min(5).min(expected.len() - at));
                for row in 0..raw.len() {
                    let (time, values) = &expected[at + row];
                    prop_assert_eq!((raw.times[row], raw.row(row)), (*time, &values[..]));
                }
                for slot in (0..raw.width()).filter(|slot| raw.is_constant(*slot)) {
                    let first = raw.row(0)[slot];
                    prop_assert!((0..raw.len()).all(|row| raw.row(row)[slot] == first));
                }
                at += raw.len();
                prop_assert_eq!(open.len(), expected.len() - at);
            }
        }
    }
}
