//! `meta.json` of a block, and the names of blocks.

use std::path::Path;

use serde_json::{Value, json};

use super::error::Error;
use super::file::ReadFile;

/// Longest `meta.json` that is read: it lists the blocks that a block was made of.
const BYTES_MAX: u64 = 16 << 20;

/// What a block says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Of the format: 1, or 2 for those of a prerelease.
    pub version: u64,
    /// Its name, a ULID.
    pub ulid: String,
    /// No sample is older, in Unix milliseconds.
    pub time_min: i64,
    /// All samples are older.
    pub time_max: i64,
    /// As it counts them.
    pub samples: u64,
    /// Likewise.
    pub series: u64,
    /// Likewise.
    pub chunks: u64,
    /// How often it was merged.
    pub level: u64,
    /// Whether its samples came late.
    pub out_of_order: bool,
}

impl Meta {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = ReadFile::read_whole(path, BYTES_MAX)?;
        Self::parse(&bytes).map_err(|(at, what)| Error::format(path, at as u64, what))
    }

    /// The error says at which byte.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, (usize, String)> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            let before: usize = bytes.split(|b| *b == b'\n').take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
            (before + error.column().saturating_sub(1), format!("this is not JSON: {error}"))
        })?;
        // Version 2 was written by a prerelease, into blocks that are those of version 1.
        let version = match value["version"].as_u64() {
            Some(version @ 1..=2) => version,
            Some(other) => return Err((0, format!("the block has version {other}, and 1 is read"))),
            None => return Err((0, "the block does not say its version".to_owned())),
        };
        let number = |key: &str| value[key].as_i64().ok_or_else(|| (0, format!("{key} is missing or no whole number")));
        let stats = |key: &str| value["stats"][key].as_u64().unwrap_or(0);
        let hints = value["compaction"]["hints"].as_array();
        let meta = Self {
            version,
            ulid: value["ulid"].as_str().unwrap_or_default().to_owned(),
            time_min: number("minTime")?,
            time_max: number("maxTime")?,
            samples: stats("numSamples"),
            series: stats("numSeries"),
            chunks: stats("numChunks"),
            level: value["compaction"]["level"].as_u64().unwrap_or(1),
            out_of_order: hints.is_some_and(|hints| hints.iter().any(|hint| hint == "from-out-of-order")),
        };
        if meta.time_min > meta.time_max {
            return Err((0, format!("minTime {} is after maxTime {}", meta.time_min, meta.time_max)));
        }
        Ok(meta)
    }

    pub(crate) fn to_json(&self) -> String {
        let value = json!({
            "ulid": self.ulid,
            "minTime": self.time_min,
            "maxTime": self.time_max,
            "stats": { "numSamples": self.samples, "numSeries": self.series, "numChunks": self.chunks },
            "compaction": { "level": self.level, "sources": [self.ulid] },
            "version": 1,
        });
        format!("{value:#}\n")
    }
}

/// Crockford's alphabet, in the order of its digits.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A ULID: 48 bits of time in Unix milliseconds and 80 bits of chance.
pub(crate) fn ulid(now_ms: i64, chance: u128) -> String {
    let number = (now_ms.max(0) as u128) << 80 | chance & ((1 << 80) - 1);
    (0..26).rev().map(|digit| char::from(DIGITS[(number >> (digit * 5) & 31) as usize])).collect()
}

/// Whether a directory's name is a block's.
pub(crate) fn is_ulid(name: &str) -> bool {
    name.len() == 26 && name.bytes().all(|byte| DIGITS.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let meta = Meta {
            version: 1,
            ulid: ulid(1_511_366_400_000, 5),
            time_min: -7,
            time_max: 9,
            samples: 3,
            series: 2,
            chunks: 1,
            level: 1,
            out_of_order: false,
        };
        assert!(is_ulid(&meta.ulid), "{}", meta.ulid);
        assert_eq!(Meta::parse(meta.to_json().as_bytes()), Ok(meta.clone()));
        let json = meta.to_json();
        for cut in 0..json.trim_end().len() {
            assert!(Meta::parse(&json.as_bytes()[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_ulid_begins_with_its_time() {
        // The example of the ULID's own description.
        assert!(ulid(1_469_918_176_385, 0).starts_with("01ARYZ6S41"), "{}", ulid(1_469_918_176_385, 0));
    }
}
