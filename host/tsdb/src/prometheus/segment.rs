//! Segments of chunks: `chunks/000001` and so on of a block.
//!
//! Source: Prometheus, `tsdb/docs/format/chunks.md`.

use std::collections::BTreeMap;
use std::path::Path;

use super::bytes::Cursor;
use super::chunk::{CHUNK_BYTES_MAX, Samples, decode};
use super::error::Error;
use super::file::{ReadFile, numbered};

pub(crate) const MAGIC: u32 = 0x85BD_40DD;
pub(crate) const VERSION: u8 = 1;
pub(crate) const HEADER_BYTES: usize = 8;

/// What is read where a chunk begins; nearly all end within.
const LIKELY_BYTES: usize = 1024;

/// The open segments of a block, by number.
pub(crate) struct Segments(BTreeMap<u64, ReadFile>);

impl Segments {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let mut segments = BTreeMap::new();
        for (number, path) in numbered(dir)? {
            let file = ReadFile::open(&path)?;
            let header = file.read(0, HEADER_BYTES)?;
            if header[..4] != MAGIC.to_be_bytes() {
                return Err(file.bad(0, "this is no segment of chunks"));
            }
            if header[4] != VERSION {
                return Err(file.bad(4, format!("a segment of version {} is not read, only {VERSION}", header[4])));
            }
            segments.insert(number, file);
        }
        Ok(Self(segments))
    }

    /// Bytes of all.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.values().map(|file| file.length).sum()
    }

    /// Appends the samples of the chunk at a place, which the index gave: segments are numbered from 1, it counts from 0.
    pub(crate) fn read(&self, place: u64, dir: &Path, samples: &mut Samples) -> Result<(), Error> {
        let (segment, offset) = ((place >> 32) + 1, place & 0xFFFF_FFFF);
        let Some(file) = self.0.get(&segment) else {
            return Err(Error::format(
                &dir.join(format!("{segment:06}")),
                offset,
                "the index names a chunk here, and there is no such file",
            ));
        };
        if offset < HEADER_BYTES as u64 {
            return Err(file.bad(offset, "the index names a chunk inside the header"));
        }
        let mut bytes = file.read_up_to(offset, LIKELY_BYTES)?;
        let mut cursor = Cursor::new(&bytes);
        let length = cursor.uvarint().map_err(|bad| Error::bad(&file.path, offset, bad))?;
        if length > CHUNK_BYTES_MAX {
            return Err(file.bad(offset, format!("a chunk would take {length} bytes, more than {CHUNK_BYTES_MAX}")));
        }
        // The encoding stands between length and data, the checksum behind.
        let (start, whole) = (cursor.at(), cursor.at() + length as usize + 5);
        if bytes.len() < whole {
            bytes = file.read(offset, whole)?;
        }
        let (sealed, sum) = (&bytes[start..whole - 4], &bytes[whole - 4..whole]);
        if sum != crc32c::crc32c(sealed).to_be_bytes() {
            return Err(file.bad(offset, format!("the checksum of the chunk of {length} bytes is wrong")));
        }
        decode(sealed[0], &sealed[1..], samples).map_err(|bad| Error::bad(&file.path, offset, bad.within(start + 1)))
    }
}
