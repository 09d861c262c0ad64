//! Doors for benches to what is private. Not an interface for anybody else.

use std::path::Path;
use std::sync::Arc;

use model::{LabelSet, Matcher, TimeRange};

use crate::block::{self, Block, BlockSource, BlockWriter, Column};
use crate::column::chunk;
use crate::disk::Disk;

/// Writes a block, as the life cycle does.
pub struct Writer(BlockWriter);

/// Its sizes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Samples.
    pub samples: u64,
    /// Bytes of the file.
    pub file: u64,
    /// Of these, samples and times.
    pub data: u64,
}

impl Writer {
    /// Begins a block, whose pieces have at most so many rows, if that is not left to it.
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, sequence: u64, piece_rows: Option<usize>) -> std::io::Result<Self> {
        let mut writer = BlockWriter::create(disk, dir, BlockSource { sequence, level: 1, ..BlockSource::default() })?;
        if let Some(rows) = piece_rows {
            writer.set_piece_rows(rows);
        }
        Ok(Self(writer))
    }

    /// Writes one group.
    pub fn group(&mut self, key: &str, times: &[i64], columns: &[(LabelSet, Vec<u64>)]) -> std::io::Result<()> {
        self.0.begin_group(key, times)?;
        columns.iter().try_for_each(|(labels, bits)| self.0.column(&Column::floats(labels, bits)))?;
        self.0.end_group()
    }

    /// Ends the block.
    pub fn finish(self) -> std::io::Result<Sizes> {
        let meta = self.0.finish()?;
        Ok(Sizes { samples: meta.samples, file: meta.file_bytes, data: meta.data_bytes })
    }
}

/// A block that is read.
pub struct Reader(Block);

impl Reader {
    /// Opens a block that [`Writer`] wrote.
    pub fn open(disk: &dyn Disk, dir: &Path, sequence: u64) -> Result<Self, String> {
        Block::open(disk, &dir.join(block::file_name(sequence))).map(Self).map_err(|error| error.to_string())
    }

    /// Reads all columns in the range, and returns how many values that were.
    pub fn read(&self, range: TimeRange) -> Result<usize, String> {
        let mut values = 0;
        for group in 0..self.0.groups() {
            let ids: Vec<u32> = self.0.group(group).map_err(|damage| damage.to_string())?.columns.collect();
            let rows = self.0.read(group, &ids, range).map_err(|damage| damage.to_string())?;
            values += rows.columns.iter().map(|column| column.bits.len()).sum::<usize>();
        }
        Ok(values)
    }

    /// How many columns match.
    pub fn matching(&self, matchers: &[Matcher]) -> Result<u64, String> {
        self.0.matching(matchers).map(|found| found.len()).map_err(|damage| damage.to_string())
    }

    /// The labels of what matches, and how many there are.
    pub fn labels(&self, matchers: &[Matcher]) -> Result<usize, String> {
        let found = self.0.matching(matchers).map_err(|damage| damage.to_string())?;
        self.0.labels_of(found).map(|labels| labels.len()).map_err(|damage| damage.to_string())
    }
}

/// The chunk that the head would make of these rows.
pub fn head_chunk(rows: &[u64], out: &mut Vec<u8>) {
    chunk::ChunkEncoder::default().encode(rows, out);
}

/// Reads such a chunk.
pub fn read_head_chunk(bytes: &[u8], rows: usize, out: &mut Vec<u64>) -> Option<()> {
    chunk::decode(bytes, rows, out)
}
