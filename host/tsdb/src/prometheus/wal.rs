//! The write-ahead log: segments of pages of 32 KiB, in which records lie in fragments.
//!
//! Source: Prometheus, `tsdb/docs/format/wal.md`.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::file::{ReadFile, names, numbered};

const PAGE_BYTES: usize = 32 << 10;
const FRAGMENT_HEADER_BYTES: usize = 7;

/// Longest record, packed and unpacked. Those of a scrape of a million new series have some 100 MB.
const RECORD_BYTES_MAX: usize = 512 << 20;

const KIND: u8 = 0b0000_0111;
const SNAPPY: u8 = 0b0000_1000;
const ZSTD: u8 = 0b0001_0000;

const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// The files of a log in the order of reading: the newest checkpoint, then the segments behind it.
pub(crate) fn segments(wal: &Path) -> Result<Vec<PathBuf>, Error> {
    let checkpoints = names(wal)?.into_iter().filter_map(|name| {
        let number: u64 = name.strip_prefix("checkpoint.")?.parse().ok()?;
        Some((number, wal.join(name)))
    });
    let checkpoint = checkpoints.max_by_key(|(number, _)| *number);
    let mut files = Vec::new();
    if let Some((_, dir)) = &checkpoint {
        files.extend(numbered(dir)?.into_iter().map(|(_, path)| path));
    }
    let covered = checkpoint.map(|(number, _)| number);
    files.extend(numbered(wal)?.into_iter().filter(|(number, _)| covered.is_none_or(|covered| *number > covered)).map(|(_, path)| path));
    Ok(files)
}

/// Takes records with the offset of their first fragment.
pub(crate) type RecordSink<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), Error>;

/// Gives each record of a segment to `sink`. An error means that what follows it in the
/// segment was not read.
pub(crate) fn read_segment(path: &Path, sink: RecordSink<'_>) -> Result<(), Error> {
    let file = ReadFile::open(path)?;
    let mut records = Records::default();
    let mut at = 0_u64;
    while at < file.length {
        let page = file.read_up_to(at, PAGE_BYTES)?;
        records.page(&page, at, sink).map_err(|wrong| match wrong {
            Wrong::Format(offset, what) => file.bad(offset, what),
            Wrong::Sink(error) => error,
        })?;
        at += page.len() as u64;
    }
    match records.begun {
        None => Ok(()),
        Some((begun, _)) => Err(file.bad(begun, "the log ends in the middle of this record")),
    }
}

enum Wrong {
    Format(u64, String),
    Sink(Error),
}

#[derive(Default)]
struct Records {
    /// Where the record began that is not whole yet, and how it is packed.
    begun: Option<(u64, u8)>,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
}

impl Records {
    fn page(&mut self, page: &[u8], page_at: u64, sink: RecordSink<'_>) -> Result<(), Wrong> {
        let mut at = 0;
        while at < page.len() {
            let offset = page_at + at as u64;
            let wrong = |what: String| Wrong::Format(offset, what);
            let kind = page[at] & KIND;
            if kind == 0 {
                if page[at..].iter().any(|byte| *byte != 0) {
                    return Err(wrong("the rest of a page should be empty and is not".to_owned()));
                }
                return Ok(());
            }
            let Some(header) = page.get(at..at + FRAGMENT_HEADER_BYTES) else {
                return Err(wrong("a fragment's header goes beyond its page".to_owned()));
            };
            let length = usize::from(u16::from_be_bytes([header[1], header[2]]));
            at += FRAGMENT_HEADER_BYTES;
            let Some(data) = page.get(at..at + length) else {
                return Err(wrong(format!("a fragment of {length} bytes goes beyond its page")));
            };
            at += length;
            if header[3..7] != crc32c::crc32c(data).to_be_bytes() {
                return Err(wrong(format!("the checksum of a fragment of {length} bytes is wrong")));
            }
            let packing = header[0] & (SNAPPY | ZSTD);
            let begins = matches!(kind, FULL | FIRST);
            if begins != self.begun.is_none() || !matches!(kind, FULL | FIRST | MIDDLE | LAST) {
                return Err(wrong(format!("a fragment of kind {kind} does not follow the one before")));
            }
            if begins {
                self.packed.clear();
            }
            let (record_at, packing) = *self.begun.get_or_insert((offset, packing));
            if self.packed.len() + data.len() > RECORD_BYTES_MAX {
                return Err(wrong(format!("a record is longer than {RECORD_BYTES_MAX} bytes")));
            }
            self.packed.extend_from_slice(data);
            if matches!(kind, FULL | LAST) {
                self.begun = None;
                let record = self.unpack(packing).map_err(|what| Wrong::Format(record_at, what))?;
                sink(record_at, record).map_err(Wrong::Sink)?;
            }
        }
        Ok(())
    }

    fn unpack(&mut self, packing: u8) -> Result<&[u8], String> {
        match packing {
            0 => return Ok(&self.packed),
            SNAPPY => {
                let length = snap::raw::decompress_len(&self.packed).map_err(|error| format!("a record is no snappy: {error}"))?;
                // Three bytes give 64 at most.
                if length > RECORD_BYTES_MAX.min(self.packed.len().saturating_mul(32)) {
                    return Err(format!("a record of {} bytes would unpack to {length}", self.packed.len()));
                }
                self.unpacked.resize(length, 0);
                let unpacked = snap::raw::Decoder::new().decompress(&self.packed, &mut self.unpacked);
                unpacked.map_err(|error| format!("a record is no snappy: {error}"))?;
            }
            ZSTD => {
                self.unpacked.clear();
                let decoder = zstd::stream::read::Decoder::with_buffer(self.packed.as_slice());
                let mut limited = decoder.map_err(|error| format!("a record is no zstd: {error}"))?.take(RECORD_BYTES_MAX as u64 + 1);
                limited.read_to_end(&mut self.unpacked).map_err(|error| format!("a record is no zstd: {error}"))?;
                if self.unpacked.len() > RECORD_BYTES_MAX {
                    return Err(format!("a record would unpack to more than {RECORD_BYTES_MAX} bytes"));
                }
            }
            _ => return Err("a record is packed in two ways at once".to_owned()),
        }
        Ok(&self.unpacked)
    }
}

/// Records of a log whose pages are the bytes; for the fuzzer and tests.
pub(crate) fn read_pages(bytes: &[u8], sink: &mut dyn FnMut(u64, &[u8])) -> Result<(), (u64, String)> {
    let mut records = Records::default();
    for (number, page) in bytes.chunks(PAGE_BYTES).enumerate() {
        let page_at = (number * PAGE_BYTES) as u64;
        let mut sink = |at: u64, record: &[u8]| {
            sink(at, record);
            Ok(())
        };
        records.page(page, page_at, &mut sink).map_err(|wrong| match wrong {
            Wrong::Format(offset, what) => (offset, what),
            Wrong::Sink(error) => (page_at, error.to_string()),
        })?;
    }
    Ok(())
}
