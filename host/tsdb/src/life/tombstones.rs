//! What was deleted of a block.

use std::sync::Arc;

use model::{ABSENT_BITS, TimeRange, TimestampMs};
use roaring::RoaringBitmap;

use super::files::{seal, unseal};
use crate::column::bytes::{Reader, put_varint, put_zigzag};

const MAGIC: &[u8; 8] = b"SKOPOSTS";
/// The end of the file's name, which else is the block's.
pub(crate) const SUFFIX: &str = ".deleted";

/// Columns of a block with ranges of time that were deleted. A small file beside the block, replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tombstones(Vec<(TimeRange, RoaringBitmap)>);

impl Tombstones {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Columns that something was deleted of.
    pub(crate) fn columns(&self) -> u64 {
        self.0.iter().fold(RoaringBitmap::new(), |all, (_, columns)| all | columns).len()
    }

    /// Deletes a range, bounds included, of columns.
    pub(crate) fn add(&mut self, range: TimeRange, mut columns: RoaringBitmap) {
        for (held, of) in &self.0 {
            if held.start <= range.start && range.end <= held.end {
                columns -= of;
            }
        }
        if columns.is_empty() {
            return;
        }
        if let Some((_, of)) = self.0.iter_mut().find(|(held, _)| *held == range) {
            *of |= columns;
        } else {
            self.0.push((range, columns));
        }
    }

    /// The columns of which everything between these times was deleted by one call. What several calls deleted piece by piece
    /// still counts as there, until it is taken out for good.
    pub(crate) fn wholly(&self, first: TimestampMs, last: TimestampMs) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        for (range, columns) in &self.0 {
            if range.start <= first && last <= range.end {
                all |= columns;
            }
        }
        all
    }

    /// The deleted ranges of a column.
    pub(crate) fn of(&self, column: u32) -> impl Iterator<Item = TimeRange> {
        self.0.iter().filter(move |(_, columns)| columns.contains(column)).map(|(range, _)| *range)
    }

    /// Takes what was deleted out of a column.
    pub(crate) fn apply(&self, column: u32, times: &[TimestampMs], bits: &mut [u64]) {
        for range in self.of(column) {
            let start = times.partition_point(|time| *time < range.start);
            let end = times.partition_point(|time| *time <= range.end);
            if let Some(deleted) = bits.get_mut(start..end) {
                deleted.fill(ABSENT_BITS);
            }
        }
    }

    /// The file: magic, version, a varint of how many, for each start and end (zigzag), a varint of the bytes of a Roaring bitmap
    /// in the format that Roaring libraries share, and these; a checksum.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_varint(&mut body, self.0.len() as u64);
        for (range, columns) in &self.0 {
            put_zigzag(&mut body, range.start);
            put_zigzag(&mut body, range.end);
            let mut bytes = Vec::with_capacity(columns.serialized_size());
            // Writing to memory cannot fail.
            let _ = columns.serialize_into(&mut bytes);
            put_varint(&mut body, bytes.len() as u64);
            body.extend_from_slice(&bytes);
        }
        seal(MAGIC, &body)
    }

    /// None if the bytes are not such a file.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(unseal(MAGIC, bytes)?);
        let count = reader.varint()?;
        let mut ranges = Vec::new();
        for _ in 0..count {
            let range = TimeRange { start: reader.zigzag()?, end: reader.zigzag()? };
            let len = usize::try_from(reader.varint()?).ok()?;
            ranges.push((range, RoaringBitmap::deserialize_from(reader.take(len)?).ok()?));
        }
        reader.is_empty().then_some(Self(ranges))
    }
}

/// Shared by the queries that began with it.
pub(crate) type SharedTombstones = Arc<Tombstones>;

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: i64, end: i64) -> TimeRange {
        TimeRange { start, end }
    }

    #[test]
    fn deleted_samples_are_gone_and_others_stay() {
        let mut tombstones = Tombstones::default();
        tombstones.add(range(20, 30), RoaringBitmap::from([1, 2]));
        tombstones.add(range(50, 50), RoaringBitmap::from([2]));
        tombstones.add(range(25, 30), RoaringBitmap::from([2]));
        assert_eq!(tombstones.0.len(), 2, "what lies within another says nothing new");
        let times = [10, 20, 30, 40, 50];
        let mut bits = [1; 5];
        tombstones.apply(2, &times, &mut bits);
        assert_eq!(bits, [1, ABSENT_BITS, ABSENT_BITS, 1, ABSENT_BITS]);
        let mut bits = [1; 5];
        tombstones.apply(3, &times, &mut bits);
        assert_eq!(bits, [1; 5]);
        assert_eq!(tombstones.wholly(20, 29), RoaringBitmap::from([1, 2]));
        assert_eq!(tombstones.columns(), 2);
    }

    #[test]
    fn the_file_comes_back_and_damage_is_noticed() {
        let mut tombstones = Tombstones::default();
        tombstones.add(range(i64::MIN, i64::MAX), RoaringBitmap::from_iter(0..5000));
        tombstones.add(range(-3, 7), RoaringBitmap::from([u32::MAX]));
        let bytes = tombstones.encode();
        assert_eq!(Tombstones::decode(&bytes), Some(tombstones));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Tombstones::decode(&damaged), None, "byte {at}");
        }
    }
}
