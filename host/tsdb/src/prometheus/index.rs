//! `index` of a block: which series it has, and where their chunks lie.
//!
//! Source: Prometheus, `tsdb/docs/format/index.md`. Versions 1 and 2 differ in what a series' number and a symbol's number
//! are: bytes from the file's start in 1; a sixteenth of that, and the place in the list, in 2. Series are found by walking
//! their section, so label indices and postings are not needed; [`Index::verify`] checks the postings' sums.

use model::LabelSet;

use super::bytes::{Bad, Cursor};
use super::error::Error;
use super::file::ReadFile;

pub(crate) const MAGIC: u32 = 0xBAAA_D700;
const HEADER_BYTES: u64 = 5;
const TOC_BYTES: u64 = 6 * 8 + 4;

/// What is read at once while series are walked.
const WINDOW_BYTES: usize = 1 << 20;

/// Longest entry of a series: some ten thousand chunks and as many labels.
const SERIES_BYTES_MAX: u64 = 4 << 20;

/// A chunk of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    pub(crate) time_min: i64,
    /// The last sample's.
    pub(crate) time_max: i64,
    /// Segment in the high half, offset in the low one.
    pub(crate) place: u64,
}

/// A series of a block.
pub(crate) struct IndexSeries {
    pub(crate) labels: LabelSet,
    pub(crate) chunks: Vec<ChunkRef>,
}

/// An open index: its symbols are in memory, the rest is read when it is asked for.
pub(crate) struct Index {
    file: ReadFile,
    version: u8,
    toc: Toc,
    symbols: Symbols,
}

struct Toc {
    symbols: u64,
    series: u64,
    series_end: u64,
    postings_table: u64,
}

/// The texts of all labels.
struct Symbols {
    text: String,
    /// Where each begins and ends in `text`.
    spans: Vec<(u32, u32)>,
    /// Bytes from the file's start, in version 1.
    offsets: Vec<u32>,
}

impl Index {
    /// `mislabelled`: the block is one of the prerelease that wrote version 1 into indices of version 2.
    pub(crate) fn open(file: ReadFile, mislabelled: bool) -> Result<Self, Error> {
        let header = file.read(0, HEADER_BYTES as usize)?;
        if header[..4] != MAGIC.to_be_bytes() {
            return Err(file.bad(0, "this is no index of Prometheus"));
        }
        let version = if mislabelled && header[4] == 1 { 2 } else { header[4] };
        if !(1..=2).contains(&version) {
            return Err(file.bad(4, format!("an index of version {version} is not read, only 1 and 2")));
        }
        let toc = Toc::read(&file)?;
        let symbols = Symbols::read(&file, toc.symbols)?;
        Ok(Self { file, version, toc, symbols })
    }

    fn symbol(&self, number: u32) -> Option<&str> {
        let at = if self.version == 1 { self.symbols.offsets.binary_search(&number).ok()? } else { number as usize };
        let (from, to) = *self.symbols.spans.get(at)?;
        self.symbols.text.get(from as usize..to as usize)
    }

    /// Gives each series with its number to `sink`, in the order of the file.
    pub(crate) fn visit(&self, mut sink: impl FnMut(u64, IndexSeries) -> Result<(), Error>) -> Result<(), Error> {
        let (mut at, end) = (self.toc.series, self.toc.series_end);
        let (mut window, mut window_at) = (Vec::new(), at);
        while at < end {
            // So much that what is left of the window certainly holds one more entry, or all that there is.
            let left = &window[((at - window_at) as usize).min(window.len())..];
            if (left.len() as u64) < (end - at).min(16) || !entry_fits(left) && (left.len() as u64) < end - at {
                let length = WINDOW_BYTES.max(entry_bytes(left)).min((end - at) as usize);
                window = self.file.read(at, length)?;
                window_at = at;
                continue;
            }
            let zeros = left.iter().take_while(|byte| **byte == 0).count();
            if zeros > 0 {
                at += zeros as u64;
                continue;
            }
            let (series, length) = self.parse(left).map_err(|bad| Error::bad(&self.file.path, at, bad))?;
            let number = if self.version == 1 { at } else { at / 16 };
            if self.version == 2 && at % 16 != 0 {
                return Err(self.file.bad(at, "a series does not begin at a multiple of 16"));
            }
            sink(number, series)?;
            at += length as u64;
        }
        Ok(())
    }

    /// One series by its number.
    pub(crate) fn series(&self, number: u64) -> Result<IndexSeries, Error> {
        let at = if self.version == 1 { number } else { number.saturating_mul(16) };
        if at < self.toc.series || at >= self.toc.series_end {
            return Err(self.file.bad(at, format!("there is no series {number}")));
        }
        let mut bytes = self.file.read_up_to(at, 512)?;
        if !entry_fits(&bytes) {
            bytes = self.file.read_up_to(at, entry_bytes(&bytes))?;
        }
        self.parse(&bytes).map(|(series, _)| series).map_err(|bad| Error::bad(&self.file.path, at, bad))
    }

    /// An entry at the start of the bytes, and its length.
    fn parse(&self, bytes: &[u8]) -> Result<(IndexSeries, usize), Bad> {
        let mut cursor = Cursor::new(bytes);
        let length = cursor.uvarint()?;
        if length > SERIES_BYTES_MAX {
            return Err(Bad::new(0, format!("a series would take {length} bytes, more than {SERIES_BYTES_MAX}")));
        }
        let start = cursor.at();
        let body = cursor.take(length as usize)?;
        if crc32c::crc32c(body) != cursor.u32()? {
            return Err(Bad::new(0, "the checksum of a series is wrong"));
        }
        let series = self.parse_body(body).map_err(|bad| bad.within(start))?;
        Ok((series, cursor.at()))
    }

    fn parse_body(&self, body: &[u8]) -> Result<IndexSeries, Bad> {
        let mut cursor = Cursor::new(body);
        let mut pairs = Vec::new();
        for _ in 0..cursor.count(2)? {
            let mut text = || {
                let number = cursor.uvarint32()?;
                self.symbol(number).ok_or_else(|| cursor.bad(format!("there is no symbol {number}")))
            };
            pairs.push((text()?, text()?));
        }
        let labels = LabelSet::from_unsorted(&mut pairs);
        let mut chunks: Vec<ChunkRef> = Vec::new();
        for _ in 0..cursor.count(3)? {
            let chunk = match chunks.last() {
                None => {
                    let time_min = cursor.varint()?;
                    let time_max = time_min.checked_add_unsigned(cursor.uvarint()?);
                    ChunkRef { time_min, time_max: time_max.ok_or_else(|| cursor.bad(TOO_FAR))?, place: cursor.uvarint()? }
                }
                Some(last) => {
                    let time_min = last.time_max.checked_add_unsigned(cursor.uvarint()?).ok_or_else(|| cursor.bad(TOO_FAR))?;
                    let time_max = time_min.checked_add_unsigned(cursor.uvarint()?).ok_or_else(|| cursor.bad(TOO_FAR))?;
                    ChunkRef { time_min, time_max, place: last.place.wrapping_add_signed(cursor.varint()?) }
                }
            };
            chunks.push(chunk);
        }
        if !cursor.is_empty() {
            return Err(cursor.bad("a series has bytes left over"));
        }
        Ok(IndexSeries { labels, chunks })
    }

    /// Checks the sums of the postings and of their table.
    pub(crate) fn verify_postings(&self) -> Result<(), Error> {
        if self.toc.postings_table == 0 {
            return Ok(());
        }
        let table = section(&self.file, self.toc.postings_table)?;
        let at = self.toc.postings_table + 4;
        let bad = |bad: Bad| Error::bad(&self.file.path, at, bad);
        let mut cursor = Cursor::new(&table);
        let entries = cursor.u32().map_err(bad)?;
        for _ in 0..entries {
            let names = cursor.uvarint().map_err(bad)?;
            for _ in 0..names.min(2) {
                cursor.text().map_err(bad)?;
            }
            section(&self.file, cursor.uvarint().map_err(bad)?)?;
        }
        Ok(())
    }
}

const TOO_FAR: &str = "a chunk's time does not fit into 64 bits";

/// Whether the bytes hold the whole entry at their start.
fn entry_fits(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    let length = cursor.uvarint();
    length.is_ok_and(|length| length > SERIES_BYTES_MAX || cursor.remaining() as u64 >= length + 4)
}

/// How many bytes the entry at the start takes, as far as it can be told.
fn entry_bytes(bytes: &[u8]) -> usize {
    Cursor::new(bytes).uvarint().map_or(16, |length| length.min(SERIES_BYTES_MAX) as usize + 14)
}

/// The body of a section with a length before it and a checksum behind it.
fn section(file: &ReadFile, at: u64) -> Result<Vec<u8>, Error> {
    let mut length = [0; 4];
    length.copy_from_slice(&file.read(at, 4)?);
    let length = u32::from_be_bytes(length) as usize;
    let start = at.saturating_add(4);
    let mut bytes = file.read(start, length + 4)?;
    let sum = bytes.split_off(length);
    if sum != crc32c::crc32c(&bytes).to_be_bytes() {
        return Err(file.bad(start, format!("the checksum of the {length} bytes from here is wrong")));
    }
    Ok(bytes)
}

impl Toc {
    fn read(file: &ReadFile) -> Result<Self, Error> {
        let at = file.length.checked_sub(TOC_BYTES).filter(|at| *at >= HEADER_BYTES);
        let at = at.ok_or_else(|| file.bad(0, "the index is too short for a table of contents: it was not written to its end"))?;
        let bytes = file.read(at, TOC_BYTES as usize)?;
        let (body, sum) = bytes.split_at(bytes.len() - 4);
        if sum != crc32c::crc32c(body).to_be_bytes() {
            return Err(file.bad(at, "the checksum of the table of contents is wrong"));
        }
        let mut cursor = Cursor::new(body);
        let mut sections = [0_u64; 6];
        for section in &mut sections {
            *section = cursor.u64().map_err(|bad| Error::bad(&file.path, at, bad))?;
            if *section != 0 && (*section < HEADER_BYTES || *section > at) {
                return Err(file.bad(at, format!("a section begins at {section}, outside of the file")));
            }
        }
        let [symbols, series, .., postings_table] = sections;
        if symbols == 0 {
            return Err(file.bad(at, "the index has no symbols"));
        }
        let behind = sections.iter().copied().filter(|section| *section > series).min();
        let series_end = if series == 0 { 0 } else { behind.unwrap_or(at) };
        Ok(Self { symbols, series, series_end, postings_table })
    }
}

impl Symbols {
    fn read(file: &ReadFile, at: u64) -> Result<Self, Error> {
        let body = section(file, at)?;
        let body_at = at + 4;
        let bad = |bad: Bad| Error::bad(&file.path, body_at, bad);
        let mut cursor = Cursor::new(&body);
        let count = cursor.u32().map_err(bad)?;
        if count as usize > cursor.remaining() {
            return Err(file.bad(body_at, format!("{count} symbols should follow, for which the section is too short")));
        }
        let mut symbols = Self { text: String::new(), spans: Vec::new(), offsets: Vec::new() };
        for _ in 0..count {
            // A section is shorter than 4 GiB, as its length has 32 bits; version 1 counts from the file's start.
            symbols.offsets.push(body_at.saturating_add(cursor.at() as u64) as u32);
            let text = cursor.text().map_err(bad)?;
            let from = symbols.text.len() as u32;
            symbols.text.push_str(text);
            symbols.spans.push((from, from + text.len() as u32));
        }
        Ok(symbols)
    }
}
