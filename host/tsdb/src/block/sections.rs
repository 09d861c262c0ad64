//! Header, footer and the table of sections.

use std::ops::Range;

use crate::column::bytes::Reader;

pub(super) const MAGIC: &[u8; 8] = b"SKOPOSBL";
const END_MAGIC: &[u8; 8] = b"SKOPOSBE";
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 16;
pub(super) const FOOTER_BYTES: usize = 148;

/// Kinds of sections, in their order in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Symbols,
    Postings,
    Groups,
    Meta,
}

pub(super) const KINDS: [Kind; 5] = [Kind::Data, Kind::Symbols, Kind::Postings, Kind::Groups, Kind::Meta];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Symbols => "symbols",
            Self::Postings => "postings",
            Self::Groups => "groups",
            Self::Meta => "meta",
        }
    }
}

/// Where a section is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) crc: u32,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Section {
    pub(super) fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.len
    }
}

/// The sections of a block, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sections([Section; 5]);

impl Sections {
    pub(super) fn get(&self, kind: Kind) -> Section {
        self.0[kind as usize]
    }

    pub(super) fn set(&mut self, kind: Kind, section: Section) {
        self.0[kind as usize] = section;
    }

    /// The footer after these sections.
    pub(super) fn footer(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        let mut end = HEADER_BYTES as u64;
        for (kind, section) in self.0.iter().enumerate() {
            out.extend_from_slice(&(kind as u32 + 1).to_le_bytes());
            out.extend_from_slice(&section.crc.to_le_bytes());
            out.extend_from_slice(&section.offset.to_le_bytes());
            out.extend_from_slice(&section.len.to_le_bytes());
            end = section.offset + section.len;
        }
        out.extend_from_slice(&(end + FOOTER_BYTES as u64).to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header()), &out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(END_MAGIC);
        out
    }
}

/// The header of a block.
pub(super) fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let crc = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// What a header says.
pub(super) enum Header {
    Good,
    /// Whole, and of another version.
    Version(u32),
    Damaged,
}

pub(super) fn read_header(bytes: &[u8]) -> Header {
    let mut reader = Reader::new(bytes);
    let (Some(magic), Some(version), Some(crc)) = (reader.take(8), u32_of(&mut reader), u32_of(&mut reader)) else {
        return Header::Damaged;
    };
    if magic != MAGIC || crc32c::crc32c(&bytes[..12]) != crc {
        return Header::Damaged;
    }
    if version == VERSION { Header::Good } else { Header::Version(version) }
}

/// Reads a footer of a file of `file_len` bytes with a good header. The error says what is wrong.
pub(super) fn read_footer(bytes: &[u8], file_len: u64) -> Result<Sections, &'static str> {
    if bytes.len() != FOOTER_BYTES || !bytes.ends_with(END_MAGIC) {
        return Err("the file does not end as a block ends: its end is missing or overwritten");
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header()), &bytes[..132]);
    let short = "the footer is too short";
    let mut reader = Reader::new(bytes);
    let mut sections = Sections::default();
    let mut end = HEADER_BYTES as u64;
    let mut good = true;
    for (at, section) in sections.0.iter_mut().enumerate() {
        let kind = u32_of(&mut reader).ok_or(short)?;
        let crc = u32_of(&mut reader).ok_or(short)?;
        *section = Section { crc, offset: reader.u64().ok_or(short)?, len: reader.u64().ok_or(short)? };
        good &= kind == at as u32 + 1 && section.offset == end;
        end = section.offset.checked_add(section.len).ok_or("a section is longer than the file")?;
    }
    good &= end.checked_add(FOOTER_BYTES as u64) == Some(file_len) && reader.u64().ok_or(short)? == file_len;
    let version = u32_of(&mut reader).ok_or(short)?;
    if u32_of(&mut reader).ok_or(short)? != crc {
        return Err("the footer's checksum is wrong");
    }
    if !good || version != VERSION || u32_of(&mut reader) != Some(0) {
        return Err("the footer does not fit the file");
    }
    Ok(sections)
}

pub(super) fn u32_of(reader: &mut Reader<'_>) -> Option<u32> {
    Some(u32::from_le_bytes(reader.take(4)?.try_into().ok()?))
}
