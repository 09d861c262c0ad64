//! Blocks: immutable files of samples, column-major by group. `FORMAT.md` has every byte, `DESIGN.md` why.
//!
//! [`BlockWriter`] writes one from front to end and holds one column and the index in memory. [`Block`] reads it: opening
//! checks the index and maps it; samples are read piece by piece, and each piece is checked when it is used.

mod body;
mod distinct;
mod exemplars;
mod fuzz;
mod groups;
mod histograms;
mod integers;
mod matching;
mod meta;
mod open_group;
mod packed;
mod packing;
mod page;
mod postings;
mod read;
mod reader;
mod record;
mod sections;
mod symbols;
mod taken;
mod values;
mod verify;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use model::seams::Exemplar;
use model::{Histogram, LabelSet, StartTimestampMs, TimestampMs};

#[cfg(test)]
pub(crate) use fuzz::with_as_many_series_as_columns;
pub(crate) use fuzz::{parts as fuzz_parts, sealed};
pub(crate) use meta::{BlockMeta, BlockSource};
pub(crate) use read::{Columns, Reading};
pub(crate) use reader::Block;
pub(crate) use symbols::PairTexts;
pub(crate) use writer::BlockWriter;

/// What a block was written for and could not be read: file and byte range with the reason. Also what the disk refuses.
pub(crate) type BlockDamage = crate::Damage;

/// Rows of a piece, at most; a reader refuses more. What is chosen is in `DESIGN.md`.
pub(crate) const PIECE_ROWS_MAX: usize = 4096;

/// How the names of blocks end.
const EXTENSION: &str = ".block";
/// How the name of one ends that is being written.
const UNFINISHED: &str = ".block.tmp";

/// The file name of the block with this sequence number.
pub(crate) fn file_name(sequence: u64) -> String {
    format!("{sequence:010}{EXTENSION}")
}

/// The sequence number in a block's file name. None: no block's name.
pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(EXTENSION)?;
    let canonical = digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    let sequence = digits.parse().ok().filter(|_| canonical)?;
    (file_name(sequence) == name).then_some(sequence)
}

/// Whether it is the name of a block that was never finished: it can be removed.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(UNFINISHED).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// One column to write: a series in a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'a> {
    /// The series.
    pub(crate) labels: &'a LabelSet,
    /// One for each of the group's times; [`model::ABSENT_BITS`], [`model::STALE_BITS`] and [`model::HISTOGRAM_BITS`] mark rows.
    pub(crate) bits: &'a [u64],
    /// One for each row that `bits` marks, ascending.
    pub(crate) histograms: &'a [(u32, Arc<Histogram>)],
    /// When the series began to count, by row, ascending, each row once.
    pub(crate) starts: &'a [(u32, StartTimestampMs)],
    /// In the order of time.
    pub(crate) exemplars: &'a [Exemplar],
}

impl<'a> Column<'a> {
    /// A column of floats and nothing else.
    pub(crate) fn floats(labels: &'a LabelSet, bits: &'a [u64]) -> Self {
        Self { labels, bits, histograms: &[], starts: &[], exemplars: &[] }
    }
}

/// What is known of a group without reading its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockGroup {
    /// As the writer was told.
    pub(crate) key: String,
    /// Times it has.
    pub(crate) rows: u32,
    /// The first of them.
    pub(crate) time_min: TimestampMs,
    /// The last.
    pub(crate) time_max: TimestampMs,
    /// Its columns.
    pub(crate) columns: Range<u32>,
}

/// Rows of some columns of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BlockRows {
    /// Ascending, each once.
    pub(crate) times: Vec<TimestampMs>,
    /// In the order of the ids that were asked for.
    pub(crate) columns: Vec<BlockColumn>,
}

/// One column of [`BlockRows`]. Rows are counted from the first of its `times`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BlockColumn {
    /// As [`Column::bits`].
    pub(crate) bits: Vec<u64>,
    /// As [`Column::histograms`].
    pub(crate) histograms: Vec<(u32, Arc<Histogram>)>,
    /// As [`Column::starts`].
    pub(crate) starts: Vec<(u32, StartTimestampMs)>,
}

/// Exemplars by the id of their column.
pub(crate) type ExemplarsByColumn = BTreeMap<u32, Vec<Exemplar>>;

/// Why a block does not open.
#[derive(Debug)]
pub(crate) enum BlockError {
    /// The disk failed.
    Io {
        /// The block.
        file: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// Of a version that this program does not read.
    Version {
        /// The block.
        file: PathBuf,
        /// The version in its header.
        version: u32,
    },
    /// Header, footer, index or meta are damaged: nothing can be read.
    Damaged(BlockDamage),
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { file, error } => write!(f, "cannot read the block {}: {error}", file.display()),
            Self::Version { file, version } => {
                write!(f, "the block {} has format version {version}, and this program reads version 1", file.display())
            }
            Self::Damaged(damage) => damage.fmt(f),
        }
    }
}

impl std::error::Error for BlockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<BlockDamage> for BlockError {
    fn from(damage: BlockDamage) -> Self {
        Self::Damaged(damage)
    }
}

#[cfg(test)]
mod tests;
