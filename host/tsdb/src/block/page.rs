//! Pages: some rows of some columns, with one checksum.

use std::ops::Range;

use model::{ABSENT_BITS, HISTOGRAM_BITS, STALE_BITS};

use super::body::{Body, BodyEncoder, Extras, Rows, decode_starts, state_of};
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

    /// Which of the values are in `rows`.
    fn values_within(&self, rows: &Range<usize>) -> Range<usize> {
        let mut stretches = self.within(rows).filter(|(state, ..)| *state == State::Value).map(|(_, of, at)| at..at + of.len());
        let Some(first) = stretches.next() else { return 0..0 };
        first.start..stretches.last().map_or(first.end, |last| last.end)
    }

    /// The stretches of rows that lie in `rows`: their state, their rows, and of values and histograms which they are.
    fn within(&self, rows: &Range<usize>) -> impl Iterator<Item = (State, Range<usize>, usize)> {
        let (mut row, mut values, mut histograms) = (0, 0, 0);
        let rows = rows.clone();
        self.runs.iter().filter_map(move |(len, state)| {
            let (start, end) = (row.max(rows.start), (row + len).min(rows.end));
            let skipped = start.saturating_sub(row);
            let at = match state {
                State::Value => values,
                State::Histogram => histograms,
                State::Absent | State::Stale => 0,
            };
            row += len;
            match state {
                State::Value => values += len,
                State::Histogram => histograms += len,
                State::Absent | State::Stale => {}
            }
            (start < end).then_some((*state, start..end, at + skipped))
        })
    }
}

/// A page that is read.
pub(super) struct Page<'a> {
    patterns: Vec<Pattern>,
    patterns_bytes: usize,
    bodies: Vec<&'a [u8]>,
    rows: usize,
    /// What integers are in `buffers`.
    held: Option<Held>,
    buffers: Buffers,
    rest: Vec<i64>,
    /// Values that are no integers.
    dense: Vec<u64>,
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
        whole.then(|| Self {
            patterns,
            patterns_bytes,
            bodies,
            rows,
            held: None,
            buffers: Buffers::default(),
            rest: Vec::new(),
            dense: Vec::new(),
        })
    }

    /// Bytes that say which rows have samples.
    pub(super) fn patterns_bytes(&self) -> usize {
        self.patterns_bytes
    }

    /// One of the page's columns, taken apart.
    pub(super) fn body(&self, column: usize) -> Option<Body<'a>> {
        Body::read(self.bodies.get(column)?)
    }

    /// Decodes some rows of one of the page's columns into `bits`, which has a place for each. `first` is the number of the first of these
    /// rows, where histograms and starts are told. Returns whether a row may be something else than a value. None if it is malformed.
    pub(super) fn decode(&mut self, column: usize, rows: Range<usize>, bits: &mut [u64], first: u32, extras: &mut Extras) -> Option<bool> {
        let body = Body::read(self.bodies.get(column)?)?;
        let values = self.values_of(&body)?;
        let pattern = match body.pattern {
            Some(pattern) => Some(self.patterns.get(pattern)?),
            None => None,
        };
        // Which of the values are in these rows.
        let wanted = pattern.map_or(rows.clone(), |pattern| pattern.values_within(&rows));
        let integers = matches!(body.codec, INTEGERS | LIKE);
        let mut scale = 0;
        if integers && !wanted.is_empty() {
            scale = self.integers(column, &wanted, 0)?.read.scale;
        } else if !integers {
            self.dense.clear();
            values::decode(body.codec, body.values, values, &mut self.buffers, &mut self.dense)?;
        }
        let (dense, buffers) = (&self.dense, &self.buffers);
        let put = |from: usize, bits: &mut [u64]| -> Option<()> {
            if integers {
                let from = from.checked_sub(wanted.start)?;
                put_values(bits, scale, buffers.integers.get(from..from + bits.len())?);
            } else {
                bits.copy_from_slice(dense.get(from..from + bits.len())?);
            }
            Some(())
        };
        let mut gaps = body.pattern.is_some();
        let mut histograms = 0;
        match body.pattern {
            None => {
                put(wanted.start, bits)?;
                // What no writer of ours makes: such bits among the values.
                gaps |= !integers && bits.iter().any(|bits| state_of(*bits) != State::Value);
            }
            Some(pattern) => {
                let pattern = self.patterns.get(pattern)?;
                histograms = pattern.histograms;
                let found = if histograms > 0 { super::histograms::decode(body.histograms, histograms)? } else { Vec::new() };
                for (state, of, at) in pattern.within(&rows) {
                    let bits = bits.get_mut(of.start - rows.start..of.end - rows.start)?;
                    match state {
                        State::Value => put(at, bits)?,
                        State::Absent => bits.fill(ABSENT_BITS),
                        State::Stale => bits.fill(STALE_BITS),
                        State::Histogram => {
                            bits.fill(HISTOGRAM_BITS);
                            let numbers = (first + (of.start - rows.start) as u32)..;
                            extras.histograms.extend(numbers.zip(found.get(at..at + bits.len())?.iter().cloned()));
                        }
                    }
                }
            }
        }
        if histograms == 0 && !body.histograms.is_empty() {
            return None;
        }
        decode_starts(body.starts, self.rows, &rows, first, &mut extras.starts)?;
        Some(gaps)
    }

    /// How many values a column has.
    fn values_of(&self, body: &Body<'_>) -> Option<usize> {
        let values = match body.pattern {
            Some(pattern) => self.patterns.get(pattern)?.values,
            None => self.rows,
        };
        ((values == 0) == body.is_empty()).then_some(values)
    }

    /// Makes sure that those integers of a column that are wanted are in the buffer.
    fn integers(&mut self, column: usize, wanted: &Range<usize>, depth: usize) -> Option<Held> {
        if let Some(held) = &self.held
            && held.column == column
            && held.wanted == *wanted
        {
            return Some(held.clone());
        }
        let body = Body::read(self.bodies.get(column)?)?;
        let count = self.values_of(&body)?;
        let mut reader = Reader::new(body.values);
        let read = match body.codec {
            INTEGERS => {
                self.held = None;
                integers::decode(&mut reader, (count, wanted), &mut self.buffers.integers, &mut self.buffers.numbers)?
            }
            LIKE if depth <= LIKE_DEPTH_MAX => {
                let reference = column.checked_sub(distance(&mut reader)?)?;
                let base = self.integers(reference, wanted, depth + 1)?;
                self.held = None;
                if base.count != count {
                    return None;
                }
                let Buffers { integers, numbers } = &mut self.buffers;
                integers::decode_like(&mut reader, (count, wanted), (integers, base.read.first), &mut self.rest, numbers)?
            }
            _ => return None,
        };
        let held = Held { column, wanted: wanted.clone(), count, read };
        self.held = Some(held.clone());
        reader.is_empty().then_some(held)
    }
}

/// Integers that are in the buffer.
#[derive(Clone)]
struct Held {
    column: usize,
    /// Which of so many.
    wanted: Range<usize>,
    count: usize,
    read: integers::Read,
}
