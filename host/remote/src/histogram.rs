//! The message `Histogram`, which is the same in both versions but for the start time, which 2.0 added.

use exposition::wire::{Fields, Value, zigzag};
use model::{BucketSpan, Histogram, HistogramCounts, ResetHint, StartTimestampMs, TimestampMs};

use crate::message::{MessageError, bytes, double, number};

/// A histogram with its time.
pub(crate) struct Read {
    pub(crate) time: TimestampMs,
    pub(crate) start: Option<StartTimestampMs>,
    pub(crate) histogram: Histogram,
}

#[derive(Default)]
struct Side {
    spans: Vec<BucketSpan>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

/// Reads it; the inner error says what is wrong with a histogram whose bytes are well formed.
pub(crate) fn read(message: &[u8]) -> Result<Result<Read, String>, MessageError> {
    let (mut count, mut zero) = (Count::None, Count::None);
    let (mut sum, mut schema, mut zero_threshold, mut time, mut start, mut hint) = (0.0, 0_i64, 0.0, 0, 0, 0);
    let (mut negative, mut positive, mut bounds) = (Side::default(), Side::default(), Vec::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        let value = field.value;
        match field.number {
            1 => count = Count::Integer(number(value)?),
            2 => count = Count::Float(double(value)?),
            3 => sum = double(value)?,
            4 => schema = zigzag(number(value)?),
            5 => zero_threshold = double(value)?,
            6 => zero = Count::Integer(number(value)?),
            7 => zero = Count::Float(double(value)?),
            8 => negative.spans.push(span(bytes(value)?)?),
            9 => push_deltas(value, &mut negative.deltas)?,
            10 => push_doubles(value, &mut negative.counts)?,
            11 => positive.spans.push(span(bytes(value)?)?),
            12 => push_deltas(value, &mut positive.deltas)?,
            13 => push_doubles(value, &mut positive.counts)?,
            14 => hint = number(value)?,
            15 => time = number(value)? as i64,
            16 => push_doubles(value, &mut bounds)?,
            17 => start = number(value)? as i64,
            _ => {}
        }
    }
    let float = matches!(count, Count::Float(_)) || matches!((&count, &zero), (Count::None, Count::Float(_)));
    let counts = if float {
        HistogramCounts::Float { count: count.float(), zero: zero.float(), positive: positive.counts, negative: negative.counts }
    } else {
        let sides = absolute(&positive.deltas).zip(absolute(&negative.deltas));
        let Some((positive, negative)) = sides else {
            return Ok(Err("a bucket of a histogram has a negative count".to_owned()));
        };
        HistogramCounts::Integer { count: count.integer(), zero: zero.integer(), positive, negative }
    };
    let histogram = Histogram {
        schema: i32::try_from(schema).unwrap_or(i32::MAX),
        zero_threshold,
        sum,
        counts,
        positive_spans: positive.spans,
        negative_spans: negative.spans,
        custom_bounds: bounds,
        reset_hint: match hint {
            1 => ResetHint::Reset,
            2 => ResetHint::NoReset,
            3 => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        },
    };
    if !histogram.is_stale()
        && let Err(reason) = histogram.check().and_then(|()| check_counts(&histogram))
    {
        return Ok(Err(reason));
    }
    Ok(Ok(Read { time, start: (start != 0).then_some(start), histogram }))
}

enum Count {
    None,
    Integer(u64),
    Float(f64),
}

impl Count {
    fn integer(&self) -> u64 {
        match self {
            Self::Integer(count) => *count,
            Self::None | Self::Float(_) => 0,
        }
    }

    fn float(&self) -> f64 {
        match self {
            Self::Float(count) => *count,
            Self::None | Self::Integer(_) => 0.0,
        }
    }
}

/// What upstream refuses beside what storage cannot hold: counts that do not add up.
pub(crate) fn check_counts(histogram: &Histogram) -> Result<(), String> {
    match &histogram.counts {
        HistogramCounts::Integer { count, zero, positive, negative } => {
            let all = positive.iter().chain(negative).fold(u128::from(*zero), |sum, count| sum + u128::from(*count));
            // Observations of NaN are in no bucket.
            let wrong = if histogram.sum.is_nan() { all > u128::from(*count) } else { all != u128::from(*count) };
            if wrong {
                return Err(format!(
                    "{all} observations found in buckets, but the Count field is {count}: histogram's observation count should equal the number of observations found in the buckets"
                ));
            }
        }
        HistogramCounts::Float { count, zero, positive, negative } => {
            if [count, zero].into_iter().chain(positive).chain(negative).any(|count| *count < 0.0) {
                return Err("a bucket of a histogram has a negative count".to_owned());
            }
        }
    }
    Ok(())
}

fn span(message: &[u8]) -> Result<BucketSpan, MessageError> {
    let mut span = BucketSpan { offset: 0, length: 0 };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => span.offset = zigzag(number(field.value)?) as i32,
            2 => span.length = number(field.value)? as u32,
            _ => {}
        }
    }
    Ok(span)
}

fn push_deltas(value: Value<'_>, out: &mut Vec<i64>) -> Result<(), MessageError> {
    match value {
        Value::Bytes(packed) => {
            let mut fields = Fields::new(packed);
            while !fields.is_empty() {
                out.push(zigzag(fields.varint()?));
            }
        }
        other => out.push(zigzag(number(other)?)),
    }
    Ok(())
}

fn push_doubles(value: Value<'_>, out: &mut Vec<f64>) -> Result<(), MessageError> {
    match value {
        Value::Bytes(packed) => {
            let mut fields = Fields::new(packed);
            while !fields.is_empty() {
                out.push(fields.double()?);
            }
        }
        other => out.push(double(other)?),
    }
    Ok(())
}

/// Each delta is from the bucket before. None if a count is none.
fn absolute(deltas: &[i64]) -> Option<Vec<u64>> {
    let mut count = 0_i64;
    deltas
        .iter()
        .map(|delta| {
            count = count.checked_add(*delta)?;
            u64::try_from(count).ok()
        })
        .collect()
}
