//! The samples of one column in one piece of rows.

use std::ops::Range;
use std::sync::Arc;

use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, STALE_BITS};

use super::histograms;
use super::page::State;
use super::values::{EMPTY, Reference, ValueEncoder};
use crate::column::bytes::{Reader, put_varint, put_zigzag};

pub(super) const HAS_PATTERN: u8 = 0x40;
pub(super) const HAS_EXTRAS: u8 = 0x80;

/// What a row of these bits has.
pub(super) fn state_of(bits: u64) -> State {
    match bits {
        ABSENT_BITS => State::Absent,
        STALE_BITS => State::Stale,
        HISTOGRAM_BITS => State::Histogram,
        _ => State::Value,
    }
}

/// A column's rows in a piece, as they are written. Rows of histograms and starts are counted from the piece's first.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) bits: &'a [u64],
    pub(super) histograms: &'a [(u32, Arc<Histogram>)],
    pub(super) starts: &'a [(u32, i64)],
    /// The row in the group that is the piece's first.
    pub(super) first: u32,
}

/// Buffers for writing bodies.
#[derive(Default)]
pub(super) struct BodyEncoder {
    values: Vec<u64>,
    encoder: ValueEncoder,
    reference: Reference,
    codec: Vec<u8>,
    extras: (Vec<u8>, Vec<u8>),
}

impl BodyEncoder {
    /// Appends the body of the page's `column`th; `pattern` is the number of the pattern that the rows have, unless all have values.
    pub(super) fn encode(&mut self, rows: &Rows<'_>, column: usize, pattern: Option<usize>, out: &mut Vec<u8>) {
        self.values.clear();
        self.values.extend(rows.bits.iter().filter(|bits| state_of(**bits) == State::Value));
        self.codec.clear();
        let codec = self.encoder.encode_with(&self.values, &mut self.reference, (column, pattern), &mut self.codec);
        let extras = !rows.histograms.is_empty() || !rows.starts.is_empty();
        let tag = codec | if pattern.is_some() { HAS_PATTERN } else { 0 } | if extras { HAS_EXTRAS } else { 0 };
        out.push(tag);
        if let Some(pattern) = pattern {
            put_varint(out, pattern as u64);
        }
        if extras {
            let (histograms, starts) = &mut self.extras;
            histograms.clear();
            starts.clear();
            if !rows.histograms.is_empty() {
                histograms::encode(rows.histograms.iter().map(|(_, histogram)| &**histogram), histograms);
            }
            encode_starts(rows.starts, rows.first, starts);
            put_varint(out, histograms.len() as u64);
            put_varint(out, starts.len() as u64);
            out.extend_from_slice(histograms);
            out.extend_from_slice(starts);
        }
        out.extend_from_slice(&self.codec);
    }
}

impl BodyEncoder {
    /// The next page begins.
    pub(super) fn end_page(&mut self) {
        self.reference.clear();
    }
}

/// Runs of rows with the same start: rows left out, rows of the run, the start less that of the run before.
fn encode_starts(starts: &[(u32, i64)], first: u32, out: &mut Vec<u8>) {
    let (mut next, mut last) = (first, 0_i64);
    let mut rest = starts;
    while let Some((row, start)) = rest.first() {
        let run = rest.iter().zip(*row..).take_while(|((row, s), at)| row == at && s == start).count();
        put_varint(out, u64::from(row - next));
        put_varint(out, run as u64);
        put_zigzag(out, start.wrapping_sub(last));
        (next, last) = (row + run as u32, *start);
        rest = &rest[run..];
    }
}

/// Appends the starts of some of a piece's `all` rows, the first of which has the number `first`.
pub(super) fn decode_starts(bytes: &[u8], all: usize, rows: &Range<usize>, first: u32, out: &mut Vec<(u32, i64)>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let (mut next, mut start) = (0_usize, 0_i64);
    while !reader.is_empty() {
        let from = next.checked_add(usize::try_from(reader.varint()?).ok()?)?;
        next = from.checked_add(usize::try_from(reader.varint()?).ok()?)?;
        start = start.wrapping_add(reader.zigzag()?);
        if next > all || from == next {
            return None;
        }
        out.extend((from.max(rows.start)..next.min(rows.end)).map(|row| (first + (row - rows.start) as u32, start)));
    }
    Some(())
}

/// What is decoded of a column beside its bits: rows with what they have, ascending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) histograms: Vec<(u32, Arc<Histogram>)>,
    pub(crate) starts: Vec<(u32, i64)>,
}

/// A body, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) codec: u8,
    pub(super) pattern: Option<usize>,
    pub(super) histograms: &'a [u8],
    pub(super) starts: &'a [u8],
    pub(super) values: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let tag = reader.u8()?;
        let pattern = if tag & HAS_PATTERN == 0 { None } else { Some(usize::try_from(reader.varint()?).ok()?) };
        let (mut histograms, mut starts) = (&[][..], &[][..]);
        if tag & HAS_EXTRAS != 0 {
            let (histogram_len, start_len) = (reader.count(1)?, reader.count(1)?);
            histograms = reader.take(histogram_len)?;
            starts = reader.take(start_len)?;
        }
        let codec = tag & !(HAS_PATTERN | HAS_EXTRAS);
        Some(Self { codec, pattern, histograms, starts, values: reader.take(reader.remaining())? })
    }

    /// Whether there are no values.
    pub(super) fn is_empty(&self) -> bool {
        self.codec == EMPTY
    }
}
