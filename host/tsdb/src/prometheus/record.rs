//! What a record of the write-ahead log says.
//!
//! Source: Prometheus, `tsdb/docs/format/wal.md` and, for what is missing there, what Prometheus writes.

use model::seams::Exemplar;
use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, Histogram, HistogramCounts, LabelSet, ResetHint};

use super::bytes::{Bad, Cursor};

/// One thing that a record says.
pub(crate) enum Entry {
    /// A series' number.
    Series(u64, LabelSet),
    /// Series, time, value's bits, start timestamp (0: none).
    Sample(u64, i64, u64, i64),
    /// Likewise.
    Histogram(u64, i64, Histogram, i64),
    /// A closed interval of deleted time.
    Deleted(u64, i64, i64),
    /// An exemplar of a series.
    Exemplar(u64, Exemplar),
    /// Of a checkpoint: samples before this time are in blocks.
    ValidFrom(i64),
}

const SERIES: u8 = 1;
const SAMPLES: u8 = 2;
const TOMBSTONES: u8 = 3;
const EXEMPLARS: u8 = 4;
const MMAP_MARKERS: u8 = 5;
const METADATA: u8 = 6;
const HISTOGRAMS: u8 = 7;
const FLOAT_HISTOGRAMS: u8 = 8;
const CUSTOM_HISTOGRAMS: u8 = 9;
const CUSTOM_FLOAT_HISTOGRAMS: u8 = 10;
const SAMPLES_2: u8 = 11;
const HISTOGRAMS_2: u8 = 12;
const FLOAT_HISTOGRAMS_2: u8 = 13;
const VALID_FROM: u8 = 14;

/// Gives what the record says to `sink`; `at` of an error counts from the record's start.
pub(crate) fn parse(record: &[u8], sink: &mut dyn FnMut(Entry)) -> Result<(), Bad> {
    let mut cursor = Cursor::new(record);
    match cursor.u8()? {
        SERIES => {
            while !cursor.is_empty() {
                sink(Entry::Series(cursor.u64()?, labels(&mut cursor)?));
            }
        }
        SAMPLES => based(&mut cursor, &mut |cursor, series, time| {
            sink(Entry::Sample(series, time, cursor.u64()?, 0));
            Ok(())
        })?,
        TOMBSTONES => {
            while !cursor.is_empty() {
                sink(Entry::Deleted(cursor.u64()?, cursor.varint()?, cursor.varint()?));
            }
        }
        EXEMPLARS => based(&mut cursor, &mut |cursor, series, time| {
            let value = cursor.f64()?;
            sink(Entry::Exemplar(series, Exemplar { labels: labels(cursor)?, value, time, own_time: true }));
            Ok(())
        })?,
        HISTOGRAMS | CUSTOM_HISTOGRAMS => based(&mut cursor, &mut |cursor, series, time| {
            sink(Entry::Histogram(series, time, histogram(cursor, false)?, 0));
            Ok(())
        })?,
        FLOAT_HISTOGRAMS | CUSTOM_FLOAT_HISTOGRAMS => based(&mut cursor, &mut |cursor, series, time| {
            sink(Entry::Histogram(series, time, histogram(cursor, true)?, 0));
            Ok(())
        })?,
        SAMPLES_2 => with_starts(&mut cursor, &mut |cursor, series, time, start| {
            sink(Entry::Sample(series, time, cursor.u64()?, start));
            Ok(())
        })?,
        kind @ (HISTOGRAMS_2 | FLOAT_HISTOGRAMS_2) => with_starts(&mut cursor, &mut |cursor, series, time, start| {
            sink(Entry::Histogram(series, time, histogram(cursor, kind == FLOAT_HISTOGRAMS_2)?, start));
            Ok(())
        })?,
        VALID_FROM => sink(Entry::ValidFrom(cursor.i64()?)),
        // Where chunks of late samples lie, which are read on their own; types and help texts, which are not kept by series.
        MMAP_MARKERS | METADATA => {}
        other => return Err(Bad::new(0, format!("a record of kind {other} is not read: it is of a newer Prometheus"))),
    }
    Ok(())
}

/// Entries whose series and times are differences to the first's.
fn based<'a>(cursor: &mut Cursor<'a>, entry: &mut dyn FnMut(&mut Cursor<'a>, u64, i64) -> Result<(), Bad>) -> Result<(), Bad> {
    if cursor.is_empty() {
        return Ok(());
    }
    let (series, time) = (cursor.u64()?, cursor.i64()?);
    while !cursor.is_empty() {
        let (series, time) = (series.wrapping_add_signed(cursor.varint()?), time.wrapping_add(cursor.varint()?));
        entry(cursor, series, time)?;
    }
    Ok(())
}

/// Reads what follows series, time and start.
type StartedEntry<'s, 'a> = &'s mut dyn FnMut(&mut Cursor<'a>, u64, i64, i64) -> Result<(), Bad>;

/// Entries with start timestamps: series are differences to the one before, times and starts to the first's.
fn with_starts<'a>(cursor: &mut Cursor<'a>, entry: StartedEntry<'_, 'a>) -> Result<(), Bad> {
    if cursor.is_empty() {
        return Ok(());
    }
    let (mut series, first, first_start) = (cursor.varint()?, cursor.varint()?, cursor.varint()?);
    let mut start = first_start;
    entry(cursor, series as u64, first, start)?;
    while !cursor.is_empty() {
        series = series.wrapping_add(cursor.varint()?);
        let time = first.wrapping_add(cursor.varint()?);
        start = match cursor.u8()? {
            0 => 0,
            1 => start,
            _ => first_start.wrapping_add(cursor.varint()?),
        };
        entry(cursor, series as u64, time, start)?;
    }
    Ok(())
}

fn labels(cursor: &mut Cursor<'_>) -> Result<LabelSet, Bad> {
    let count = cursor.count(2)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((cursor.text()?, cursor.text()?));
    }
    Ok(LabelSet::from_unsorted(&mut pairs))
}

fn histogram(cursor: &mut Cursor<'_>, float: bool) -> Result<Histogram, Bad> {
    let begin = cursor.at();
    let reset_hint = match cursor.u8()? {
        1 => ResetHint::Reset,
        2 => ResetHint::NoReset,
        3 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    };
    let schema = i32::try_from(cursor.varint()?).map_err(|_| Bad::new(begin, "the schema of a histogram is no known one"))?;
    let zero_threshold = cursor.f64()?;
    let number = |cursor: &mut Cursor<'_>| if float { cursor.u64() } else { cursor.uvarint() };
    let (zero, count) = (number(cursor)?, number(cursor)?);
    let sum = cursor.f64()?;
    let mut spans = || {
        let count = cursor.count(2)?;
        let mut spans = Vec::with_capacity(count);
        for _ in 0..count {
            let offset = i32::try_from(cursor.varint()?).map_err(|_| cursor.bad("a span is too far away"))?;
            spans.push(BucketSpan { offset, length: cursor.uvarint32()? });
        }
        Ok(spans)
    };
    let (positive_spans, negative_spans) = (spans()?, spans()?);
    let counts = if float {
        let mut side = || (0..cursor.count(8)?).map(|_| cursor.f64()).collect::<Result<Vec<f64>, Bad>>();
        HistogramCounts::Float { count: f64::from_bits(count), zero: f64::from_bits(zero), positive: side()?, negative: side()? }
    } else {
        let mut side = || {
            let mut sum = 0_i64;
            let absolute = (0..cursor.count(1)?).map(|_| {
                sum = sum.wrapping_add(cursor.varint()?);
                u64::try_from(sum).map_err(|_| cursor.bad("a bucket has fewer than no observations"))
            });
            absolute.collect::<Result<Vec<u64>, Bad>>()
        };
        HistogramCounts::Integer { count, zero, positive: side()?, negative: side()? }
    };
    let mut custom_bounds = Vec::new();
    if schema == CUSTOM_BUCKETS_SCHEMA {
        custom_bounds = (0..cursor.count(8)?).map(|_| cursor.f64()).collect::<Result<_, Bad>>()?;
    }
    let read = Histogram { schema, zero_threshold, sum, counts, positive_spans, negative_spans, custom_bounds, reset_hint };
    if read.is_stale() {
        return Ok(Histogram { sum, ..Histogram::stale() });
    }
    read.check().map_err(|what| Bad::new(begin, what))?;
    Ok(read)
}
