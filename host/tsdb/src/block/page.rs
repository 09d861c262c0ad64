//! Pages: some rows of some columns, with one checksum.

use model::{ABSENT_BITS, HISTOGRAM_BITS, STALE_BITS};

use super::body::{Body, BodyEncoder, Decoded, Rows, state_of};
use super::integers::{self, distance};
use super::values::{self, Buffers, INTEGERS, LIKE, LIKE_DEPTH_MAX, put_values};
use crate::column::bits::{bytes_for, pack, unpack};
use crate::column::bytes::{Reader, put_varint};

/// What a column has in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Value,
    Absent,
    Stale,
    Histogram,
}

impl State {
    fn of(code: u64) -> Self {
        match code & 3 {
            0 => Self::Value,
            1 => Self::Absent,
            2 => Self::Stale,
            _ => Self::Histogram,
        }
    }
}

/// A page that is being filled.
#[derive(Default)]
pub(super) struct PageBuilder {
    /// Encoded, each different one once.
    patterns: Vec<Vec<u8>>,
    lengths: Vec<u8>,
    bodies: Vec<u8>,
    columns: usize,
    encoder: BodyEncoder,
    pattern: Vec<u8>,
}

impl PageBuilder {
    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bodies.len() + self.lengths.len()
    }

    pub(super) fn push(&mut self, rows: &Rows<'_>) {
        let pattern = rows.bits.iter().any(|bits| state_of(*bits) != State::Value).then(|| {
            self.pattern.clear();
            put_pattern(rows.bits, &mut self.pattern);
            self.patterns.iter().position(|known| *known == self.pattern).unwrap_or_else(|| {
                self.patterns.push(self.pattern.clone());
                self.patterns.len() - 1
            })
        });
        let start = self.bodies.len();
        self.encoder.encode(rows, self.columns, pattern, &mut self.bodies);
        put_varint(&mut self.lengths, (self.bodies.len() - start) as u64);
        self.columns += 1;
    }

    /// Appends the page and starts the next.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        put_varint(out, self.columns as u64);
        put_varint(out, self.patterns.len() as u64);
        self.patterns.iter().for_each(|pattern| out.extend_from_slice(pattern));
        out.extend_from_slice(&self.lengths);
        out.extend_from_slice(&self.bodies);
        self.patterns.clear();
        self.lengths.clear();
        self.bodies.clear();
        self.columns = 0;
        self.encoder.end_page();
    }
}

fn put_pattern(rows: &[u64], out: &mut Vec<u8>) {
    let start = out.len();
    let runs = || rows.chunk_by(|a, b| state_of(*a) == state_of(*b));
    let count = runs().count();
    if count <= rows.len() / 4 + 1 {
        put_varint(out, count as u64);
        runs().for_each(|run| put_varint(out, (run.len() as u64) << 2 | state_of(run[0]) as u64));
        if out.len() - start <= bytes_for(rows.len() * 2) + 1 {
            return;
        }
        out.truncate(start);
    }
    out.push(0);
    pack(out, rows.iter().map(|bits| state_of(*bits) as u64), 2);
}

/// Which rows have what.
pub(super) struct Pattern {
    runs: Vec<(usize, State)>,
    pub(super) values: usize,
    pub(super) histograms: usize,
}

impl Pattern {
    fn read(reader: &mut Reader<'_>, rows: usize) -> Option<Self> {
        let mut runs: Vec<(usize, State)> = Vec::new();
        match reader.count(1)? {
            0 => unpack(reader, rows, 2, |code| match runs.last_mut() {
                Some((len, state)) if *state == State::of(code) => *len += 1,
                _ => runs.push((1, State::of(code))),
            })?,
            count => {
                for _ in 0..count {
                    let run = reader.varint()?;
                    runs.push((usize::try_from(run >> 2).ok()?, State::of(run)));
                }
            }
        }
        let total = runs.iter().try_fold(0_usize, |sum, (len, _)| sum.checked_add(*len))?;
        let of = |wanted: State| runs.iter().filter(|(_, state)| *state == wanted).map(|(len, _)| len).sum();
        let (values, histograms) = (of(State::Value), of(State::Histogram));
        (total == rows).then_some(Self { runs, values, histograms })
    }

    /// Moves the values from `from` on to their rows and fills the others.
    pub(super) fn spread(&self, bits: &mut Vec<u64>, from: usize) {
        let mut dense = bits.len();
        let rows: usize = self.runs.iter().map(|(len, _)| len).sum();
        bits.resize(from + rows, ABSENT_BITS);
        let mut end = from + rows;
        for (len, state) in self.runs.iter().rev() {
            let start = end - len;
            match state {
                State::Value => {
                    dense -= len;
                    bits.copy_within(dense..dense + len, start);
                }
                State::Absent => bits[start..end].fill(ABSENT_BITS),
                State::Stale => bits[start..end].fill(STALE_BITS),
                State::Histogram => bits[start..end].fill(HISTOGRAM_BITS),
            }
            end = start;
        }
    }
}

/// A page that is read.
pub(super) struct Page<'a> {
    patterns: Vec<Pattern>,
    patterns_bytes: usize,
    bodies: Vec<&'a [u8]>,
    rows: usize,
    /// The column whose integers are in `buffers`, with their scale.
    held: Option<(usize, u8)>,
    buffers: Buffers,
    rest: Vec<i64>,
}

impl<'a> Page<'a> {
    /// Reads a page of `rows` rows and `columns` columns. None if it is malformed.
    pub(super) fn open(bytes: &'a [u8], rows: usize, columns: usize) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.count(1)? != columns {
            return None;
        }
        let count = reader.count(1)?;
        let before = reader.remaining();
        let patterns = (0..count).map(|_| Pattern::read(&mut reader, rows)).collect::<Option<Vec<_>>>()?;
        let patterns_bytes = before - reader.remaining();
        let lengths = (0..columns).map(|_| reader.count(1)).collect::<Option<Vec<_>>>()?;
        let bodies = lengths.into_iter().map(|len| reader.take(len)).collect::<Option<Vec<_>>>()?;
        let whole = reader.is_empty();
        whole.then(|| Self { patterns, patterns_bytes, bodies, rows, held: None, buffers: Buffers::default(), rest: Vec::new() })
    }

    /// Bytes that say which rows have samples.
    pub(super) fn patterns_bytes(&self) -> usize {
        self.patterns_bytes
    }

    /// One of the page's columns, taken apart.
    pub(super) fn body(&self, column: usize) -> Option<Body<'a>> {
        Body::read(self.bodies.get(column)?)
    }

    /// Appends the rows of one of the page's columns. `first` is what the rows of histograms and starts are counted from. None if it is
    /// malformed; then `out` may have grown.
    pub(super) fn decode(&mut self, column: usize, first: u32, out: &mut Decoded) -> Option<()> {
        let body = Body::read(self.bodies.get(column)?)?;
        let values = self.values_of(&body)?;
        let from = out.bits.len();
        if matches!(body.codec, INTEGERS | LIKE) {
            let scale = self.integers(column, 0)?;
            put_values(&mut out.bits, scale, &self.buffers.integers);
        } else {
            values::decode(body.codec, body.values, values, &mut self.buffers, &mut out.bits)?;
        }
        let pattern = match body.pattern {
            Some(pattern) => Some(self.patterns.get(pattern)?),
            None => None,
        };
        body.finish(pattern, self.rows, (from, first), out)
    }

    /// How many values a column has.
    fn values_of(&self, body: &Body<'_>) -> Option<usize> {
        let values = match body.pattern {
            Some(pattern) => self.patterns.get(pattern)?.values,
            None => self.rows,
        };
        ((values == 0) == body.is_empty()).then_some(values)
    }

    /// Makes sure that the integers of a column are in the buffer, and returns their scale.
    fn integers(&mut self, column: usize, depth: usize) -> Option<u8> {
        if let Some((held, scale)) = self.held
            && held == column
        {
            return Some(scale);
        }
        let body = Body::read(self.bodies.get(column)?)?;
        let values = self.values_of(&body)?;
        let mut reader = Reader::new(body.values);
        let scale = match body.codec {
            INTEGERS => {
                self.held = None;
                integers::decode(&mut reader, values, &mut self.buffers.integers, &mut self.buffers.numbers)?
            }
            LIKE if depth <= LIKE_DEPTH_MAX => {
                let reference = column.checked_sub(distance(&mut reader)?)?;
                self.integers(reference, depth + 1)?;
                self.held = None;
                if self.buffers.integers.len() != values {
                    return None;
                }
                integers::decode_like(&mut reader, &mut self.buffers.integers, &mut self.rest, &mut self.buffers.numbers)?
            }
            _ => return None,
        };
        self.held = Some((column, scale));
        reader.is_empty().then_some(scale)
    }
}
