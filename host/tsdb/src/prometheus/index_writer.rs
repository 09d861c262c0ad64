//! Writes `index`, version 2.
//!
//! Source: Prometheus, `tsdb/docs/format/index.md`. Label indices, which nobody reads any more, are left out.

use std::collections::BTreeMap;
use std::io::{self, Write};

use model::LabelSet;

use super::bytes::{put_text, put_uvarint, put_varint};
use super::index::{ChunkRef, MAGIC};

const VERSION: u8 = 2;

/// Series are numbered by the sixteenth of where they begin.
const SERIES_ALIGNMENT: u64 = 16;

/// What has no room in 32 bits: an index of 64 GiB.
fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "the index of one block has too many series; export a shorter time")
}

/// Writes the index of these series, which are sorted by their labels, each once, with its chunks by time.
pub(crate) fn write(series: &[(LabelSet, Vec<ChunkRef>)], out: &mut dyn Write) -> io::Result<()> {
    let mut out = Counting { out, written: 0 };
    out.put(&MAGIC.to_be_bytes())?;
    out.put(&[VERSION])?;

    let mut symbols: BTreeMap<&str, u32> = BTreeMap::new();
    for (labels, _) in series {
        for (name, value) in labels {
            symbols.insert(name, 0);
            symbols.insert(value, 0);
        }
    }
    let symbols_at = out.written;
    let mut body = (symbols.len() as u32).to_be_bytes().to_vec();
    for (number, (text, place)) in symbols.iter_mut().enumerate() {
        *place = number as u32;
        put_text(&mut body, text);
    }
    out.section(&body)?;

    out.align(SERIES_ALIGNMENT)?;
    let series_at = out.written;
    // By name and value: the places of both among the symbols.
    let mut postings: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
    let mut all: Vec<u32> = Vec::with_capacity(series.len());
    let mut entry = Vec::new();
    for (labels, chunks) in series {
        out.align(SERIES_ALIGNMENT)?;
        let number = u32::try_from(out.written / SERIES_ALIGNMENT).map_err(|_| too_large())?;
        body.clear();
        put_uvarint(&mut body, labels.len() as u64);
        for (name, value) in labels {
            for text in [name, value] {
                put_uvarint(&mut body, symbols.get(text).copied().unwrap_or_default().into());
            }
            postings.entry((name, value)).or_default().push(number);
        }
        all.push(number);
        put_uvarint(&mut body, chunks.len() as u64);
        let mut before: Option<&ChunkRef> = None;
        for chunk in chunks {
            match before {
                None => {
                    put_varint(&mut body, chunk.time_min);
                    put_uvarint(&mut body, chunk.time_max.abs_diff(chunk.time_min));
                    put_uvarint(&mut body, chunk.place);
                }
                Some(before) => {
                    put_uvarint(&mut body, chunk.time_min.abs_diff(before.time_max));
                    put_uvarint(&mut body, chunk.time_max.abs_diff(chunk.time_min));
                    put_varint(&mut body, chunk.place.wrapping_sub(before.place) as i64);
                }
            }
            before = Some(chunk);
        }
        entry.clear();
        put_uvarint(&mut entry, body.len() as u64);
        entry.extend_from_slice(&body);
        entry.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
        out.put(&entry)?;
    }

    // The pair without name and value stands for all series.
    postings.insert(("", ""), all);
    out.align(4)?;
    let postings_at = out.written;
    let mut table = (postings.len() as u32).to_be_bytes().to_vec();
    for ((name, value), numbers) in &postings {
        out.align(4)?;
        table.push(2);
        put_text(&mut table, name);
        put_text(&mut table, value);
        put_uvarint(&mut table, out.written);
        body.clear();
        body.extend_from_slice(&(numbers.len() as u32).to_be_bytes());
        numbers.iter().for_each(|number| body.extend_from_slice(&number.to_be_bytes()));
        out.section(&body)?;
    }
    let postings_table_at = out.written;
    out.section(&table)?;

    let mut toc = Vec::new();
    for at in [symbols_at, series_at, 0, 0, postings_at, postings_table_at] {
        toc.extend_from_slice(&at.to_be_bytes());
    }
    toc.extend_from_slice(&crc32c::crc32c(&toc).to_be_bytes());
    out.put(&toc)
}

struct Counting<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl Counting<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn align(&mut self, to: u64) -> io::Result<()> {
        let missing = self.written.next_multiple_of(to) - self.written;
        self.put(&[0; 16][..missing as usize])
    }

    fn section(&mut self, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(|_| too_large())?;
        self.put(&length.to_be_bytes())?;
        self.put(body)?;
        self.put(&crc32c::crc32c(body).to_be_bytes())
    }
}
