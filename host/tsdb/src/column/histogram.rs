//! Native histograms as bytes, each on its own. `FORMAT.md` has the layout.

use model::{BucketSpan, Histogram, HistogramCounts, ResetHint};

use super::bytes::{Reader, put_varint, put_zigzag};

const FLOAT: u8 = 4;
const HINT_MASK: u8 = 3;

/// Appends a histogram.
pub(crate) fn put_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    let hint = match histogram.reset_hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => 1,
        ResetHint::NoReset => 2,
        ResetHint::Gauge => 3,
    };
    let float = matches!(histogram.counts, HistogramCounts::Float { .. });
    out.push(hint | if float { FLOAT } else { 0 });
    put_zigzag(out, histogram.schema.into());
    put_f64(out, histogram.zero_threshold);
    put_f64(out, histogram.sum);
    for spans in [&histogram.positive_spans, &histogram.negative_spans] {
        put_varint(out, spans.len() as u64);
        for span in spans {
            put_zigzag(out, span.offset.into());
            put_varint(out, span.length.into());
        }
    }
    match &histogram.counts {
        HistogramCounts::Integer { count, zero, positive, negative } => {
            put_varint(out, *count);
            put_varint(out, *zero);
            for buckets in [positive, negative] {
                let mut last = 0;
                for bucket in buckets {
                    put_zigzag(out, bucket.wrapping_sub(last) as i64);
                    last = *bucket;
                }
            }
        }
        HistogramCounts::Float { count, zero, positive, negative } => {
            [count, zero].into_iter().chain(positive).chain(negative).for_each(|value| put_f64(out, *value));
        }
    }
    put_varint(out, histogram.custom_bounds.len() as u64);
    histogram.custom_bounds.iter().for_each(|bound| put_f64(out, *bound));
}

/// Reads what [`put_histogram`] wrote. None if it is malformed or does not fit together.
pub(crate) fn read_histogram(reader: &mut Reader<'_>) -> Option<Histogram> {
    let flags = reader.u8()?;
    if flags & !(FLOAT | HINT_MASK) != 0 {
        return None;
    }
    let reset_hint = [ResetHint::Unknown, ResetHint::Reset, ResetHint::NoReset, ResetHint::Gauge][usize::from(flags & HINT_MASK)];
    let schema = i32::try_from(reader.zigzag()?).ok()?;
    let (zero_threshold, sum) = (read_f64(reader)?, read_f64(reader)?);
    let (positive_spans, negative_spans) = (read_spans(reader)?, read_spans(reader)?);
    let float = flags & FLOAT != 0;
    let (positive, negative) = (buckets_of(&positive_spans, reader, float)?, buckets_of(&negative_spans, reader, float)?);
    let counts = if float {
        let (count, zero) = (read_f64(reader)?, read_f64(reader)?);
        let positive = (0..positive).map(|_| read_f64(reader)).collect::<Option<_>>()?;
        let negative = (0..negative).map(|_| read_f64(reader)).collect::<Option<_>>()?;
        HistogramCounts::Float { count, zero, positive, negative }
    } else {
        let (count, zero) = (reader.varint()?, reader.varint()?);
        HistogramCounts::Integer { count, zero, positive: read_steps(reader, positive)?, negative: read_steps(reader, negative)? }
    };
    let custom_bounds = (0..reader.count(1)?).map(|_| read_f64(reader)).collect::<Option<_>>()?;
    let histogram = Histogram { schema, zero_threshold, sum, counts, positive_spans, negative_spans, custom_bounds, reset_hint };
    histogram.check().ok()?;
    Some(histogram)
}

fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn read_f64(reader: &mut Reader<'_>) -> Option<f64> {
    reader.u64().map(f64::from_bits)
}

fn read_spans(reader: &mut Reader<'_>) -> Option<Vec<BucketSpan>> {
    let span = |reader: &mut Reader<'_>| {
        Some(BucketSpan { offset: i32::try_from(reader.zigzag()?).ok()?, length: u32::try_from(reader.varint()?).ok()? })
    };
    (0..reader.count(1)?).map(|_| span(reader)).collect()
}

/// How many buckets the spans name, if what is left can hold them.
fn buckets_of(spans: &[BucketSpan], reader: &Reader<'_>, float: bool) -> Option<usize> {
    let buckets: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    let buckets = usize::try_from(buckets).ok()?;
    (buckets <= reader.remaining() / if float { 8 } else { 1 }).then_some(buckets)
}

fn read_steps(reader: &mut Reader<'_>, buckets: usize) -> Option<Vec<u64>> {
    let mut last = 0_u64;
    let step = |_| {
        last = last.wrapping_add(reader.zigzag()? as u64);
        Some(last)
    };
    (0..buckets).map(step).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An integer histogram that differs with `n`.
    pub(crate) fn histogram(n: u64) -> Histogram {
        Histogram {
            schema: 3,
            zero_threshold: 1e-128,
            sum: n as f64 * 0.3,
            counts: HistogramCounts::Integer { count: 10 + n, zero: 1, positive: vec![4, 2 + n, 0], negative: vec![3] },
            positive_spans: vec![BucketSpan { offset: -2, length: 2 }, BucketSpan { offset: 5, length: 1 }],
            negative_spans: vec![BucketSpan { offset: 0, length: 1 }],
            custom_bounds: Vec::new(),
            reset_hint: ResetHint::Unknown,
        }
    }

    #[test]
    fn histograms_come_back() {
        let custom = Histogram {
            schema: model::CUSTOM_BUCKETS_SCHEMA,
            zero_threshold: 0.0,
            counts: HistogramCounts::Float { count: 4.5, zero: 0.0, positive: vec![1.5, 3.0], negative: Vec::new() },
            positive_spans: vec![BucketSpan { offset: 0, length: 2 }],
            negative_spans: Vec::new(),
            custom_bounds: vec![0.1, 2.0],
            reset_hint: ResetHint::Gauge,
            ..histogram(0)
        };
        for expected in [histogram(0), histogram(u64::MAX - 10), custom, Histogram::stale()] {
            let mut out = Vec::new();
            put_histogram(&mut out, &expected);
            let mut reader = Reader::new(&out);
            let back = read_histogram(&mut reader).expect("good");
            assert!(reader.is_empty());
            if expected.is_stale() {
                assert!(back.is_stale());
            } else {
                assert_eq!(back, expected);
            }
            for len in 0..out.len() {
                assert_eq!(read_histogram(&mut Reader::new(&out[..len])), None);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, at: prop::sample::Index, with: u8) {
            let _ = read_histogram(&mut Reader::new(&bytes));
            let mut out = Vec::new();
            put_histogram(&mut out, &histogram(7));
            let at = at.index(out.len());
            out[at] = with;
            let _ = read_histogram(&mut Reader::new(&out));
        }
    }
}
