use model::{BucketSpan, EXPONENTIAL_SCHEMAS, FamilyKind, HistogramCounts, ResetHint, StartTimestampMs};

use super::value::{Exemplar, Float, Part, normal, read_time};
use super::{Error, Family};
use crate::wire::{Field, Fields, Value as Wire, zigzag};

/// Most buckets of one native histogram, positive and negative together. A schema of 8 over nine orders of magnitude has 7,700.
pub const BUCKETS_MAX: usize = 1 << 16;

/// Finest schema that a source may send; what is finer than [`EXPONENTIAL_SCHEMAS`] is made coarser, as upstream.
const SCHEMA_MAX: i32 = 52;

/// A histogram, without its buckets.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a> {
    family: Family<'a>,
    bytes: &'a [u8],
    pub(super) sum: f64,
    count_integer: u64,
    count_float: f64,
    schema: i32,
    zero_threshold: f64,
    zero_integer: u64,
    zero_float: f64,
    spans: bool,
    classic: bool,
    exemplars: bool,
    pub(super) start: Option<StartTimestampMs>,
}

/// Half of a native histogram while it is read.
#[derive(Default)]
struct Side {
    spans: Vec<BucketSpan>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl<'a> Histogram<'a> {
    pub(super) fn read(family: Family<'a>, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut read = Self {
            family,
            bytes,
            sum: 0.0,
            count_integer: 0,
            count_float: 0.0,
            schema: 0,
            zero_threshold: 0.0,
            zero_integer: 0,
            zero_float: 0.0,
            spans: false,
            classic: false,
            exemplars: false,
            start: None,
        };
        let mut fields = Fields::new(bytes);
        while let Some(Field { number, value }) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
            match (number, value) {
                (1, Wire::Varint(count)) => read.count_integer = count,
                (2, Wire::Fixed64(bits)) => read.sum = normal(f64::from_bits(bits)),
                (3, Wire::Bytes(_)) => read.classic = true,
                (4, Wire::Fixed64(bits)) => read.count_float = normal(f64::from_bits(bits)),
                (5, Wire::Varint(schema)) => {
                    let schema = zigzag(schema);
                    read.schema = i32::try_from(schema).map_err(|_| family.error(bytes, format!("{schema} is no schema")))?;
                }
                (6, Wire::Fixed64(bits)) => read.zero_threshold = f64::from_bits(bits),
                (7, Wire::Varint(count)) => read.zero_integer = count,
                (8, Wire::Fixed64(bits)) => read.zero_float = normal(f64::from_bits(bits)),
                (9 | 12, Wire::Bytes(_)) => read.spans = true,
                (15, Wire::Bytes(time)) => read.start = Some(read_time(&family, time)?),
                (16, Wire::Bytes(_)) => read.exemplars = true,
                // Lists of numbers may stand there one by one.
                (10 | 13, Wire::Bytes(_) | Wire::Varint(_)) | (11 | 14, Wire::Bytes(_) | Wire::Fixed64(_)) => {}
                (1..=16, _) => return Err(family.wrong_type(bytes, number)),
                _ => {}
            }
        }
        Ok(read)
    }

    /// Whether it has what a native histogram has. One without observations yet has a width around zero or an empty span.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.spans || self.zero_threshold > 0.0 || self.zero_integer > 0 || self.zero_float > 0.0
    }

    /// Whether it has classic buckets.
    #[must_use]
    pub fn has_classic_buckets(&self) -> bool {
        self.classic
    }

    /// Observations in all, as classic buckets count them.
    pub(super) fn count(&self) -> f64 {
        if self.count_float > 0.0 { self.count_float } else { self.count_integer as f64 }
    }

    /// The classic buckets, as they come.
    pub fn buckets<E: From<Error>>(&self, mut each: impl FnMut(Float<'a>) -> Result<(), E>) -> Result<(), E> {
        let mut fields = Fields::new(self.bytes);
        while let Some(field) = fields.next_field().map_err(|error| self.family.malformed(self.bytes, error))? {
            if let Field { number: 3, value: Wire::Bytes(bytes) } = field {
                each(self.bucket(bytes)?)?;
            }
        }
        Ok(())
    }

    fn bucket(&self, bytes: &'a [u8]) -> Result<Float<'a>, Error> {
        let family = self.family;
        let (mut integer, mut float, mut bound, mut exemplar) = (0, 0.0, 0.0, None);
        let mut fields = Fields::new(bytes);
        while let Some(Field { number, value }) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
            match (number, value) {
                (1, Wire::Varint(count)) => integer = count,
                (2, Wire::Fixed64(bits)) => bound = f64::from_bits(bits),
                (3, Wire::Bytes(bytes)) => exemplar = Some(Exemplar { family, bytes }),
                (4, Wire::Fixed64(bits)) => float = f64::from_bits(bits),
                (1..=4, _) => return Err(family.wrong_type(bytes, number)),
                _ => {}
            }
        }
        let value = if float > 0.0 { float } else { integer as f64 };
        Ok(Float { part: Part::Bucket(normal(bound)), value: normal(value), exemplar })
    }

    /// The exemplars of a native histogram: its own, or else those of its classic buckets.
    pub fn exemplars<E: From<Error>>(&self, mut each: impl FnMut(Exemplar<'a>) -> Result<(), E>) -> Result<(), E> {
        if !self.exemplars {
            return self.buckets(|bucket| bucket.exemplar.map_or(Ok(()), &mut each));
        }
        let mut fields = Fields::new(self.bytes);
        while let Some(field) = fields.next_field().map_err(|error| self.family.malformed(self.bytes, error))? {
            if let Field { number: 16, value: Wire::Bytes(bytes) } = field {
                each(Exemplar { family: self.family, bytes })?;
            }
        }
        Ok(())
    }

    /// The native histogram: buckets and spans that fit together, counts that are not negative. Memory is bounded by
    /// [`BUCKETS_MAX`].
    pub fn native(&self) -> Result<model::Histogram, Error> {
        let family = self.family;
        let fail = |message: String| Err(family.error(self.bytes, message));
        let (mut positive, mut negative) = (Side::default(), Side::default());
        let mut fields = Fields::new(self.bytes);
        while let Some(Field { number, value }) = fields.next_field().map_err(|error| family.malformed(self.bytes, error))? {
            let side = if matches!(number, 9..=11) { &mut negative } else { &mut positive };
            match (number, value) {
                (9 | 12, Wire::Bytes(bytes)) => side.spans.push(read_span(&family, bytes)?),
                (10 | 13, Wire::Varint(delta)) => side.deltas.push(zigzag(delta)),
                (10 | 13, Wire::Bytes(bytes)) => side.read_deltas(&family, bytes)?,
                (11 | 14, Wire::Fixed64(bits)) => side.counts.push(f64::from_bits(bits)),
                (11 | 14, Wire::Bytes(bytes)) => side.read_counts(&family, bytes)?,
                _ => {}
            }
            if side.spans.len().max(side.deltas.len()).max(side.counts.len()) > BUCKETS_MAX {
                return fail(format!("a histogram of more than {BUCKETS_MAX} buckets"));
            }
        }
        if !(EXPONENTIAL_SCHEMAS.start()..=&SCHEMA_MAX).contains(&&self.schema) {
            return fail(format!("a histogram with the schema {}: expected -4 to 8", self.schema));
        }
        if !(self.zero_threshold >= 0.0 && self.zero_threshold.is_finite()) {
            return fail(format!("a histogram whose zero bucket is {} wide", self.zero_threshold));
        }
        // As upstream tells them apart.
        let float = self.count_float > 0.0 || self.zero_float > 0.0;
        let counts = if float {
            let (positive, negative) = (std::mem::take(&mut positive.counts), std::mem::take(&mut negative.counts));
            HistogramCounts::Float { count: self.count_float, zero: self.zero_float, positive, negative }
        } else {
            let [positive, negative] = [&positive, &negative].map(|side| add_up(&side.deltas));
            let (Some(positive), Some(negative)) = (positive, negative) else {
                return fail("a histogram with a bucket whose count is below zero".to_owned());
            };
            HistogramCounts::Integer { count: self.count_integer, zero: self.zero_integer, positive, negative }
        };
        let histogram = model::Histogram {
            schema: self.schema.min(*EXPONENTIAL_SCHEMAS.end()),
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            counts,
            positive_spans: positive.spans,
            negative_spans: negative.spans,
            custom_bounds: Vec::new(),
            reset_hint: if family.kind == FamilyKind::GaugeHistogram { ResetHint::Gauge } else { ResetHint::Unknown },
        };
        if let Err(message) = histogram.check().and_then(|()| check_places(&histogram)).and_then(|()| check_counts(&histogram)) {
            return fail(message);
        }
        if self.schema > histogram.schema {
            return Ok(histogram.merged(u32::try_from(self.schema - histogram.schema).unwrap_or(0), histogram.schema));
        }
        Ok(histogram)
    }
}

impl Side {
    fn read_deltas(&mut self, family: &Family<'_>, bytes: &[u8]) -> Result<(), Error> {
        let mut list = Fields::new(bytes);
        while !list.is_empty() && self.deltas.len() <= BUCKETS_MAX {
            self.deltas.push(zigzag(list.varint().map_err(|error| family.malformed(bytes, error))?));
        }
        Ok(())
    }

    fn read_counts(&mut self, family: &Family<'_>, bytes: &[u8]) -> Result<(), Error> {
        let mut list = Fields::new(bytes);
        while !list.is_empty() && self.counts.len() <= BUCKETS_MAX {
            self.counts.push(list.double().map_err(|error| family.malformed(bytes, error))?);
        }
        Ok(())
    }
}

fn read_span(family: &Family<'_>, bytes: &[u8]) -> Result<BucketSpan, Error> {
    let mut span = BucketSpan { offset: 0, length: 0 };
    let mut fields = Fields::new(bytes);
    while let Some(Field { number, value }) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
        let bad = |_| family.error(bytes, "a span whose offset or length is beyond 32 bits");
        match (number, value) {
            (1, Wire::Varint(offset)) => span.offset = i32::try_from(zigzag(offset)).map_err(bad)?,
            (2, Wire::Varint(length)) => span.length = u32::try_from(length).map_err(bad)?,
            (1 | 2, _) => return Err(family.wrong_type(bytes, number)),
            _ => {}
        }
    }
    Ok(span)
}

/// Counts from their differences. None where one is below zero or too large.
fn add_up(deltas: &[i64]) -> Option<Vec<u64>> {
    let mut last = 0_i64;
    let count = |delta: &i64| {
        last = last.checked_add(*delta)?;
        u64::try_from(last).ok()
    };
    deltas.iter().map(count).collect()
}

/// The buckets' numbers have room in 32 bits.
fn check_places(histogram: &model::Histogram) -> Result<(), String> {
    for spans in [&histogram.positive_spans, &histogram.negative_spans] {
        let mut at = 0_i64;
        for span in spans {
            at += i64::from(span.offset);
            let end = at + i64::from(span.length);
            if i32::try_from(at).is_err() || i32::try_from(end).is_err() {
                return Err("a histogram with a bucket whose number is beyond 32 bits".to_owned());
            }
            at = end;
        }
    }
    Ok(())
}

/// Upstream's rules for what storage takes: what the buckets hold is what was counted, except that NaN is in no bucket.
fn check_counts(histogram: &model::Histogram) -> Result<(), String> {
    match &histogram.counts {
        HistogramCounts::Integer { count, zero, positive, negative } => {
            let sum = positive.iter().chain(negative).try_fold(*zero, |sum, count| sum.checked_add(*count));
            let fits = sum.is_some_and(|sum| if histogram.sum.is_nan() { sum <= *count } else { sum == *count });
            if !fits {
                let sum = sum.map_or("too many".to_owned(), |sum| sum.to_string());
                return Err(format!("a histogram with {sum} observations in its buckets, and a count of {count}"));
            }
        }
        HistogramCounts::Float { count, zero, positive, negative } => {
            if let Some(bad) = [count, zero].into_iter().chain(positive).chain(negative).find(|count| count.is_nan() || **count < 0.0) {
                return Err(format!("a histogram with a count of {bad}"));
            }
        }
    }
    Ok(())
}
