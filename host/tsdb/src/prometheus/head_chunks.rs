//! `chunks_head`: chunks of the head that are whole, of series that the log names.
//!
//! Source: Prometheus, `tsdb/docs/format/head_chunks.md`. All of these samples are in the log too, unless that was damaged or
//! is switched off; this is why what is damaged here is told and no reason to stop.

use std::path::Path;

use super::chunk::{CHUNK_BYTES_MAX, Samples, decode};
use super::error::Error;
use super::file::ReadFile;

const MAGIC: u32 = 0x0130_BC91;
const VERSION: u8 = 1;
const HEADER_BYTES: u64 = 8;
/// Series, first and last time, encoding.
const CHUNK_HEADER_BYTES: usize = 8 + 8 + 8 + 1;
/// Set in the encoding of chunks of samples that came late.
const LATE: u8 = 0b1000_0000;

/// Gives each chunk's series and samples to `sink`, and whether they came late. An error means that what follows it in the file was not read.
pub(crate) fn read(path: &Path, sink: &mut dyn FnMut(u64, &Samples, bool)) -> Result<(), Error> {
    let file = ReadFile::open(path)?;
    let header = file.read_up_to(0, HEADER_BYTES as usize)?;
    if header.iter().all(|byte| *byte == 0) {
        // Made, and not written before the process died.
        return Ok(());
    }
    if header.len() < HEADER_BYTES as usize || header[..4] != MAGIC.to_be_bytes() {
        return Err(file.bad(0, "this is no file of the head's chunks"));
    }
    if header[4] != VERSION {
        return Err(file.bad(4, format!("chunks of the head of version {} are not read, only {VERSION}", header[4])));
    }
    let mut at = HEADER_BYTES;
    let mut samples = Samples::default();
    while at < file.length {
        let head = file.read_up_to(at, CHUNK_HEADER_BYTES + 10)?;
        // The file is made long at once, and its end is empty.
        if head.iter().take(CHUNK_HEADER_BYTES - 1).all(|byte| *byte == 0) {
            return Ok(());
        }
        let mut cursor = super::bytes::Cursor::new(&head);
        let bad = |bad| Error::bad(&file.path, at, bad);
        let series = cursor.u64().map_err(bad)?;
        cursor.take(16).map_err(bad)?;
        let encoding = cursor.u8().map_err(bad)?;
        let length = cursor.uvarint().map_err(bad)?;
        if length > CHUNK_BYTES_MAX {
            return Err(file.bad(at, format!("a chunk would take {length} bytes, more than {CHUNK_BYTES_MAX}")));
        }
        let data_at = cursor.at();
        let whole = file.read(at, data_at + length as usize + 4)?;
        let (sealed, sum) = whole.split_at(whole.len() - 4);
        if sum != crc32c::crc32c(sealed).to_be_bytes() {
            return Err(file.bad(at, format!("the checksum of the chunk of {length} bytes is wrong")));
        }
        samples.clear();
        decode(encoding & !LATE, &sealed[data_at..], &mut samples).map_err(|wrong| bad(wrong.within(data_at)))?;
        sink(series, &samples, encoding & LATE != 0);
        at += whole.len() as u64;
    }
    Ok(())
}
