//! What a block says about itself.

use model::TimestampMs;

use crate::column::bytes::{Reader, put_varint, put_zigzag};

/// Where a block comes from; what its writer is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockSource {
    /// Number of the block, in its file name: larger than that of every block before.
    pub(crate) sequence: u64,
    /// 1: from the head or from outside; else one more than the highest of the blocks it was merged from.
    pub(crate) level: u32,
    /// Numbers of the blocks of level 1 whose samples it has, its own if it is one.
    pub(crate) sources: Vec<u64>,
    /// Flushed from the head: rows of the log before this time and at a place before this position are in it.
    pub(crate) flushed: Option<(TimestampMs, u64)>,
    /// The database whose log `flushed` is about; 0 for none.
    pub(crate) database: u64,
}

/// Statistics of a block and where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockMeta {
    /// As the writer was told.
    pub(crate) source: BlockSource,
    /// The format's version.
    pub(crate) version: u32,
    /// First time of any group; of a block without samples `i64::MAX`.
    pub(crate) time_min: TimestampMs,
    /// Last time; without samples `i64::MIN`.
    pub(crate) time_max: TimestampMs,
    /// Samples: floats, histograms and stale markers.
    pub(crate) samples: u64,
    /// Of these, native histograms.
    pub(crate) histograms: u64,
    /// Exemplars.
    pub(crate) exemplars: u64,
    /// Label sets that differ.
    pub(crate) series: u64,
    /// Columns: one for each series and group.
    pub(crate) columns: u64,
    /// Columns whose samples are kept, because no other column of the group has the same.
    pub(crate) stored_columns: u64,
    /// Groups.
    pub(crate) groups: u64,
    /// Label names with values.
    pub(crate) pairs: u64,
    /// Bytes of the data section.
    pub(crate) data_bytes: u64,
    /// Bytes of the whole file. Not in the file: reading fills it in.
    pub(crate) file_bytes: u64,
}

impl BlockMeta {
    /// A block without samples.
    pub(super) fn new(source: BlockSource) -> Self {
        Self { source, version: super::sections::VERSION, time_min: i64::MAX, time_max: i64::MIN, ..Self::default() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.source.sequence);
        put_varint(&mut out, self.source.level.into());
        put_varint(&mut out, self.source.sources.len() as u64);
        for source in &self.source.sources {
            put_varint(&mut out, *source);
        }
        out.push(u8::from(self.source.flushed.is_some()));
        if let Some((time_end, position)) = self.source.flushed {
            put_zigzag(&mut out, time_end);
            put_varint(&mut out, position);
        }
        put_zigzag(&mut out, self.time_min);
        put_zigzag(&mut out, self.time_max);
        for number in [
            self.samples,
            self.histograms,
            self.exemplars,
            self.series,
            self.columns,
            self.stored_columns,
            self.groups,
            self.pairs,
            self.data_bytes,
        ] {
            put_varint(&mut out, number);
        }
        out.extend_from_slice(&self.source.database.to_le_bytes());
        out
    }

    /// Reads what [`BlockMeta::encode`] wrote. Bytes after it are of a later writer and ignored.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let sequence = reader.varint()?;
        let level = u32::try_from(reader.varint()?).ok()?;
        let count = reader.count(1)?;
        let sources = (0..count).map(|_| reader.varint()).collect::<Option<Vec<u64>>>()?;
        let flushed = match reader.u8()? {
            0 => None,
            1 => Some((reader.zigzag()?, reader.varint()?)),
            _ => return None,
        };
        let mut meta = Self {
            source: BlockSource { sequence, level, sources, flushed, database: 0 },
            version: super::sections::VERSION,
            time_min: reader.zigzag()?,
            time_max: reader.zigzag()?,
            samples: reader.varint()?,
            histograms: reader.varint()?,
            exemplars: reader.varint()?,
            series: reader.varint()?,
            columns: reader.varint()?,
            stored_columns: reader.varint()?,
            groups: reader.varint()?,
            pairs: reader.varint()?,
            data_bytes: reader.varint()?,
            file_bytes: 0,
        };
        // The first blocks end here.
        if !reader.is_empty() {
            meta.source.database = reader.u64()?;
        }
        Some(meta)
    }
}
