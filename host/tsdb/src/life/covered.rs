//! Which rows of the log are in blocks.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use model::TimestampMs;
use model::seams::TailPosition;

use super::files::{seal, unseal};
use crate::column::bytes::{Reader, put_varint, put_zigzag};

const MAGIC: &[u8; 8] = b"SKOPOSCV";
/// Its name in the directory of blocks.
pub(crate) const FILE: &str = "covered";

/// Pairs of a time and a place in the log: rows before both are in blocks, or were deleted. Each flush adds one. Those of blocks
/// outlive them here, so that the log never brings back what was taken out of a block.
///
/// What a block says of the log counts only where it names the same database: a block that was copied here from elsewhere speaks of
/// another log, and believing it would drop samples that no block has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Covered {
    database: u64,
    pairs: Vec<(TimestampMs, TailPosition)>,
}

impl Covered {
    /// Of a database that has no file of this kind yet: nothing is covered.
    pub(crate) fn of_new_database() -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        // Both by chance and by time, and never 0, which stands for no database.
        let database = RandomState::new().hash_one((nanos, std::process::id())).max(1);
        Self { database, pairs: Vec::new() }
    }

    /// What tells this database from all others.
    pub(crate) fn database(&self) -> u64 {
        self.database
    }

    /// Whether a row that begins at `position` is in a block.
    #[cfg(test)]
    pub(crate) fn covers(&self, time: TimestampMs, position: TailPosition) -> bool {
        self.pairs.iter().any(|(end, before)| time < *end && position < *before)
    }

    /// Adds a pair, unless one says more. Returns whether that changed anything.
    pub(crate) fn add(&mut self, end: TimestampMs, before: TailPosition) -> bool {
        if self.pairs.iter().any(|held| held.0 >= end && held.1 >= before) {
            return false;
        }
        self.pairs.retain(|held| !(held.0 <= end && held.1 <= before));
        self.pairs.push((end, before));
        true
    }

    /// Forgets what is about rows before the oldest segment.
    pub(crate) fn forget_before(&mut self, oldest: u64) {
        self.pairs.retain(|(_, before)| before.segment >= oldest);
    }

    /// Whether all rows of a segment are in blocks: its newest row and its end.
    pub(crate) fn covers_segment(&self, time_max: TimestampMs, end: TailPosition) -> bool {
        self.pairs.iter().any(|(time_end, before)| time_max < *time_end && end <= *before)
    }

    pub(crate) fn pairs(&self) -> &[(TimestampMs, TailPosition)] {
        &self.pairs
    }

    /// The file: magic, version, eight bytes that tell the database from others, a varint of how many, for each the time (zigzag), segment and offset (varints), a checksum.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = self.database.to_le_bytes().to_vec();
        put_varint(&mut body, self.pairs.len() as u64);
        for (end, before) in &self.pairs {
            put_zigzag(&mut body, *end);
            put_varint(&mut body, before.segment);
            put_varint(&mut body, before.offset);
        }
        seal(MAGIC, &body)
    }

    /// None if the bytes are not such a file.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(unseal(MAGIC, bytes)?);
        let database = reader.u64()?;
        let count = reader.varint()?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            let end = reader.zigzag()?;
            pairs.push((end, TailPosition { segment: reader.varint()?, offset: reader.varint()? }));
        }
        reader.is_empty().then_some(Self { database, pairs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(segment: u64, offset: u64) -> TailPosition {
        TailPosition { segment, offset }
    }

    #[test]
    fn a_pair_that_says_more_takes_the_place_of_others() {
        let mut covered = Covered::default();
        assert!(covered.add(100, at(3, 10)));
        assert!(!covered.add(90, at(2, 99)), "said already");
        assert!(covered.add(500, at(2, 50)), "more of the time, less of the log");
        assert!(covered.add(200, at(4, 0)));
        assert_eq!(covered.pairs(), [(500, at(2, 50)), (200, at(4, 0))]);
        assert!(covered.covers(199, at(3, 900)) && !covered.covers(200, at(3, 900)) && covered.covers(499, at(2, 49)));
        assert!(covered.covers_segment(199, at(4, 0)) && !covered.covers_segment(199, at(4, 1)));
        covered.forget_before(3);
        assert_eq!(covered.pairs(), [(200, at(4, 0))]);
    }

    #[test]
    fn the_file_comes_back_and_damage_is_noticed() {
        let mut covered = Covered::of_new_database();
        assert_ne!(covered.database(), Covered::of_new_database().database());
        covered.add(i64::MAX, at(1, 2));
        covered.add(-5, at(7, u64::MAX));
        let bytes = covered.encode();
        assert_eq!(Covered::decode(&bytes), Some(covered));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(Covered::decode(&damaged), None, "byte {at}");
            assert_eq!(Covered::decode(&bytes[..at]), None, "cut at {at}");
        }
    }
}
