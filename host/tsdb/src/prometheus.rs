//! The door to Prometheus' data: its directories are read ([`Directory`]) and its blocks are written ([`BlockExport`]).
//!
//! Own code after the public descriptions of the formats (Prometheus, `tsdb/docs/format`). Nothing in a file is believed: each
//! length is bounded by the file and by a limit, each checksum is checked before what it covers is used, and an error names
//! file and byte. Files are opened for reading alone.
//!
//! `bytes` and `bits` are the numbers; `xor` and `histogram` the chunks; `segment`, `index`, `tombstones`, `meta` the files of a
//! [`Block`]; `wal`, `record`, `head_chunks` those of what is not in a block yet, which `head` gathers.

mod bits;
mod block;
mod bytes;
mod chunk;
mod chunking;
mod directory;
mod error;
mod export;
mod file;
pub mod fuzzing;
mod head;
mod head_chunks;
mod histogram;
mod histogram_writer;
mod index;
mod index_writer;
mod meta;
mod record;
mod segment;
mod tombstones;
mod wal;
mod xor;

pub use block::Block;
pub use chunk::Samples;
pub use chunking::{RawChunk, chunks};
pub use directory::{Contents, Directory};
pub use error::Error;
pub use export::{BlockExport, ExportedBlock};
pub use head::HeadReport;
pub use meta::Meta;

pub(crate) use xor::{XorChunk, decode as decode_xor};

#[cfg(test)]
mod tests;
