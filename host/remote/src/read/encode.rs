//! What a remote read answers, as protobuf.

use model::{Histogram, HistogramCounts, LabelSet, LabelSetBuilder, ResetHint};

use super::Chunk;
use crate::put::{put_double, put_message, put_number, put_varint, zigzag};

/// Labels of a series, with external ones that it does not have itself; sorted.
pub(super) fn put_labels(out: &mut Vec<u8>, labels: &LabelSet, external: &LabelSet) {
    let mut put = |labels: &LabelSet| {
        for (name, value) in labels.iter() {
            let mut label = Vec::with_capacity(name.len() + value.len() + 8);
            put_message(&mut label, 1, name.as_bytes());
            put_message(&mut label, 2, value.as_bytes());
            put_message(out, 1, &label);
        }
    };
    if external.iter().next().is_none() {
        return put(labels);
    }
    let mut all: LabelSetBuilder = labels.to_builder();
    external.iter().filter(|(name, _)| labels.get(name).is_none()).for_each(|(name, value)| {
        all.set(name, value);
    });
    put(&all.build());
}

pub(super) fn sample(time: i64, value: f64) -> Vec<u8> {
    let mut out = Vec::with_capacity(20);
    if value.to_bits() != 0 {
        put_double(&mut out, 1, value);
    }
    put_number(&mut out, 2, time.cast_unsigned());
    out
}

pub(super) fn encoded(chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::with_capacity(chunk.data.len() + 32);
    put_number(&mut out, 1, chunk.from.cast_unsigned());
    put_number(&mut out, 2, chunk.to.cast_unsigned());
    put_number(&mut out, 3, chunk.encoding.into());
    put_message(&mut out, 4, &chunk.data);
    out
}

/// Length, checksum (CRC-32C, big-endian), message.
pub(super) fn frame(query: usize, series: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(series.len() + 16);
    put_message(&mut message, 1, series);
    put_number(&mut message, 2, query as u64);
    let mut out = Vec::with_capacity(message.len() + 16);
    put_varint(&mut out, message.len() as u64);
    out.extend_from_slice(&crc32c::crc32c(&message).to_be_bytes());
    out.extend_from_slice(&message);
    out
}

/// `Histogram` of remote write 1.0.
pub(super) fn native(histogram: &Histogram, time: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let (buckets_negative, buckets_positive): (Buckets, Buckets);
    match &histogram.counts {
        HistogramCounts::Integer { count, zero, positive, negative } => {
            put_varint(&mut out, 1 << 3);
            put_varint(&mut out, *count);
            put_middle(&mut out, histogram);
            put_varint(&mut out, 6 << 3);
            put_varint(&mut out, *zero);
            (buckets_negative, buckets_positive) = (Buckets::Deltas(deltas(negative)), Buckets::Deltas(deltas(positive)));
        }
        HistogramCounts::Float { count, zero, positive, negative } => {
            put_double(&mut out, 2, *count);
            put_middle(&mut out, histogram);
            put_double(&mut out, 7, *zero);
            (buckets_negative, buckets_positive) = (Buckets::Counts(doubles(negative)), Buckets::Counts(doubles(positive)));
        }
    }
    put_spans(&mut out, 8, &histogram.negative_spans);
    buckets_negative.put(&mut out, 9, 10);
    put_spans(&mut out, 11, &histogram.positive_spans);
    buckets_positive.put(&mut out, 12, 13);
    let hint = match histogram.reset_hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NoReset => 2,
        ResetHint::Gauge => 3,
    };
    put_number(&mut out, 14, hint);
    put_number(&mut out, 15, time.cast_unsigned());
    if !histogram.custom_bounds.is_empty() {
        put_message(&mut out, 16, &doubles(&histogram.custom_bounds));
    }
    out
}

/// What stands between the counts: sum, schema, width of the bucket around zero.
fn put_middle(out: &mut Vec<u8>, histogram: &Histogram) {
    put_double(out, 3, histogram.sum);
    put_number(out, 4, zigzag(histogram.schema.into()));
    put_double(out, 5, histogram.zero_threshold);
}

enum Buckets {
    Deltas(Vec<u8>),
    Counts(Vec<u8>),
}

impl Buckets {
    fn put(&self, out: &mut Vec<u8>, deltas_field: u32, counts_field: u32) {
        match self {
            Self::Deltas(packed) | Self::Counts(packed) if packed.is_empty() => {}
            Self::Deltas(packed) => put_message(out, deltas_field, packed),
            Self::Counts(packed) => put_message(out, counts_field, packed),
        }
    }
}

/// Each count as the difference to the one before, packed.
fn deltas(counts: &[u64]) -> Vec<u8> {
    let (mut out, mut before) = (Vec::with_capacity(counts.len() * 2), 0_u64);
    for count in counts {
        put_varint(&mut out, zigzag(count.wrapping_sub(before).cast_signed()));
        before = *count;
    }
    out
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect()
}

fn put_spans(out: &mut Vec<u8>, field: u32, spans: &[model::BucketSpan]) {
    for span in spans {
        let mut message = Vec::with_capacity(8);
        put_number(&mut message, 1, zigzag(span.offset.into()));
        put_number(&mut message, 2, span.length.into());
        put_message(out, field, &message);
    }
}
