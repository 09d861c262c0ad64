//! Native histograms of one column: layouts once while they stay, then each number of the layout as a column of its own.

use std::sync::Arc;

use super::packing::{put_steps, read_steps};
use super::values::{self, Buffers, ValueEncoder};
use model::{BucketSpan, Histogram, HistogramCounts, ResetHint};

use crate::column::bytes::{Reader, put_varint, put_zigzag};

/// Appends the histograms: runs of equal layout.
pub(super) fn encode<'a>(histograms: impl Iterator<Item = &'a Histogram>, out: &mut Vec<u8>) {
    let all: Vec<&Histogram> = histograms.collect();
    for run in all.chunk_by(|a, b| same_layout(a, b)) {
        put_varint(out, run.len() as u64);
        put_layout(out, run[0]);
        put_floats(out, run.iter().map(|h| h.sum.to_bits()));
        match &run[0].counts {
            HistogramCounts::Integer { positive, negative, .. } => {
                let numbers = 2 + positive.len() + negative.len();
                (0..numbers).for_each(|at| put_integers(out, run.iter().map(|h| integer_at(h, at))));
            }
            HistogramCounts::Float { positive, negative, .. } => {
                let numbers = 2 + positive.len() + negative.len();
                (0..numbers).for_each(|at| put_floats(out, run.iter().map(|h| float_at(h, at).to_bits())));
            }
        }
    }
}

fn same_layout(a: &Histogram, b: &Histogram) -> bool {
    let bits = |bounds: &[f64]| bounds.iter().map(|bound| bound.to_bits()).collect::<Vec<_>>();
    a.schema == b.schema
        && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
        && a.reset_hint == b.reset_hint
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && bits(&a.custom_bounds) == bits(&b.custom_bounds)
        && matches!(a.counts, HistogramCounts::Integer { .. }) == matches!(b.counts, HistogramCounts::Integer { .. })
        && lens(a) == lens(b)
}

fn lens(h: &Histogram) -> (usize, usize) {
    match &h.counts {
        HistogramCounts::Integer { positive, negative, .. } => (positive.len(), negative.len()),
        HistogramCounts::Float { positive, negative, .. } => (positive.len(), negative.len()),
    }
}

fn integer_at(h: &Histogram, at: usize) -> u64 {
    let HistogramCounts::Integer { count, zero, positive, negative } = &h.counts else {
        return 0;
    };
    match at {
        0 => *count,
        1 => *zero,
        _ => positive.iter().chain(negative).nth(at - 2).copied().unwrap_or(0),
    }
}

fn float_at(h: &Histogram, at: usize) -> f64 {
    let HistogramCounts::Float { count, zero, positive, negative } = &h.counts else {
        return 0.0;
    };
    match at {
        0 => *count,
        1 => *zero,
        _ => positive.iter().chain(negative).nth(at - 2).copied().unwrap_or(0.0),
    }
}

/// Integers that are no floats without loss are written as steps under this number, the others as values.
const AS_STEPS: u8 = 0xFF;
/// Up to here integers are floats without loss.
const EXACT_MAX: u64 = 1 << 51;

fn put_integers(out: &mut Vec<u8>, values: impl Iterator<Item = u64>) {
    let values: Vec<u64> = values.collect();
    if values.iter().all(|value| *value <= EXACT_MAX) {
        return put_floats(out, values.iter().map(|value| (*value as f64).to_bits()));
    }
    let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect();
    let mut body = Vec::new();
    put_steps(&mut body, &values);
    out.push(AS_STEPS);
    put_varint(out, body.len() as u64);
    out.extend_from_slice(&body);
}

fn put_floats(out: &mut Vec<u8>, values: impl Iterator<Item = u64>) {
    let values: Vec<u64> = values.collect();
    let mut body = Vec::new();
    out.push(ValueEncoder::default().encode(&values, &mut body));
    put_varint(out, body.len() as u64);
    out.extend_from_slice(&body);
}

const FLOAT: u8 = 1;

fn put_layout(out: &mut Vec<u8>, h: &Histogram) {
    let hint = match h.reset_hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NoReset => 2,
        ResetHint::Gauge => 3,
    };
    let float = if matches!(h.counts, HistogramCounts::Float { .. }) { FLOAT } else { 0 };
    out.push(float | hint << 1);
    put_zigzag(out, h.schema.into());
    out.extend_from_slice(&h.zero_threshold.to_bits().to_le_bytes());
    let (positive, negative) = lens(h);
    for (spans, buckets) in [(&h.positive_spans, positive), (&h.negative_spans, negative)] {
        put_varint(out, buckets as u64);
        put_varint(out, spans.len() as u64);
        for span in spans {
            put_zigzag(out, span.offset.into());
            put_varint(out, span.length.into());
        }
    }
    put_varint(out, h.custom_bounds.len() as u64);
    h.custom_bounds.iter().for_each(|bound| out.extend_from_slice(&bound.to_bits().to_le_bytes()));
}

/// A layout with the numbers of buckets.
struct Layout {
    float: bool,
    template: Histogram,
    positive: usize,
    negative: usize,
}

fn read_layout(reader: &mut Reader<'_>) -> Option<Layout> {
    let flags = reader.u8()?;
    let reset_hint = match flags >> 1 {
        0 => ResetHint::Unknown,
        1 => ResetHint::Reset,
        2 => ResetHint::NoReset,
        3 => ResetHint::Gauge,
        _ => return None,
    };
    let schema = i32::try_from(reader.zigzag()?).ok()?;
    let zero_threshold = f64::from_bits(reader.u64()?);
    let mut side = || {
        // A bucket is a column of three bytes or more.
        let buckets = reader.count(1)?;
        let count = reader.count(1)?;
        let spans = (0..count).map(|_| {
            let offset = i32::try_from(reader.zigzag()?).ok()?;
            Some(BucketSpan { offset, length: u32::try_from(reader.varint()?).ok()? })
        });
        Some((buckets, spans.collect::<Option<Vec<_>>>()?))
    };
    let ((positive, positive_spans), (negative, negative_spans)) = (side()?, side()?);
    let bounds = reader.count(1)?;
    let custom_bounds = (0..bounds).map(|_| reader.u64().map(f64::from_bits)).collect::<Option<Vec<_>>>()?;
    let counts = HistogramCounts::Integer { count: 0, zero: 0, positive: Vec::new(), negative: Vec::new() };
    let template = Histogram { schema, zero_threshold, sum: 0.0, counts, positive_spans, negative_spans, custom_bounds, reset_hint };
    Some(Layout { float: flags & FLOAT != 0, template, positive, negative })
}

/// Reads exactly `count` histograms. None if they are malformed.
pub(super) fn decode(bytes: &[u8], count: usize) -> Option<Vec<Arc<Histogram>>> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while found.len() < count {
        let run = usize::try_from(reader.varint()?).ok()?;
        if run == 0 || run > count - found.len() {
            return None;
        }
        let layout = read_layout(&mut reader)?;
        let sums = read_floats(&mut reader, run)?;
        let numbers = 2 + layout.positive + layout.negative;
        // So that what is allocated is bounded by what is there: two bytes of a column at least.
        if numbers.checked_mul(2)? > reader.remaining() {
            return None;
        }
        let columns = (0..numbers)
            .map(|_| if layout.float { read_floats(&mut reader, run) } else { read_integers(&mut reader, run) })
            .collect::<Option<Vec<_>>>()?;
        for (row, sum) in sums.iter().enumerate() {
            let (positive, negative) = columns[2..].split_at(layout.positive);
            let of = |side: &[Vec<u64>]| side.iter().map(|column| column[row]).collect::<Vec<u64>>();
            let floats = |side: &[Vec<u64>]| side.iter().map(|column| f64::from_bits(column[row])).collect::<Vec<f64>>();
            let counts = if layout.float {
                HistogramCounts::Float {
                    count: f64::from_bits(columns[0][row]),
                    zero: f64::from_bits(columns[1][row]),
                    positive: floats(positive),
                    negative: floats(negative),
                }
            } else {
                HistogramCounts::Integer { count: columns[0][row], zero: columns[1][row], positive: of(positive), negative: of(negative) }
            };
            found.push(Arc::new(Histogram { sum: f64::from_bits(*sum), counts, ..layout.template.clone() }));
        }
    }
    reader.is_empty().then_some(found)
}

fn read_integers(reader: &mut Reader<'_>, count: usize) -> Option<Vec<u64>> {
    if reader.clone().u8()? != AS_STEPS {
        let floats = read_floats(reader, count)?;
        let whole = |bits: u64| {
            let value = f64::from_bits(bits);
            ((value as u64) as f64).to_bits().eq(&bits).then_some(value as u64)
        };
        return floats.into_iter().map(whole).collect();
    }
    reader.u8()?;
    let len = reader.count(1)?;
    let mut body = Reader::new(reader.take(len)?);
    let mut values = Vec::new();
    read_steps(&mut body, count, &mut values)?;
    body.is_empty().then(|| values.into_iter().map(|value| value as u64).collect())
}

fn read_floats(reader: &mut Reader<'_>, count: usize) -> Option<Vec<u64>> {
    let codec = reader.u8()?;
    let len = reader.count(1)?;
    let mut values = Vec::new();
    values::decode(codec, reader.take(len)?, count, &mut Buffers::default(), &mut values)?;
    Some(values)
}
