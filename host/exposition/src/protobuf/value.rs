use model::{FamilyKind, StartTimestampMs, TimestampMs};

use super::histogram::Histogram;
use super::metric::{check_twice, read_pair};
use super::{Error, Family};
use crate::number::{NORMAL_NAN, bound_text};
use crate::reader::LABELS_MAX;
use crate::wire::{Field, Fields, Value as Wire};

/// What a metric says.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Of a counter, a gauge, or what is of no known kind.
    Number(Number<'a>),
    /// Quantiles, a sum and a count.
    Summary(Summary<'a>),
    /// A histogram, classic, native or both.
    Histogram(Histogram<'a>),
}

/// A single number.
#[derive(Clone, Copy, Debug)]
pub struct Number<'a> {
    /// The value.
    pub value: f64,
    /// Of a counter.
    pub exemplar: Option<Exemplar<'a>>,
    /// When a counter began.
    pub start: Option<StartTimestampMs>,
}

/// A summary, without its quantiles.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    family: Family<'a>,
    bytes: &'a [u8],
    count: u64,
    sum: f64,
    start: Option<StartTimestampMs>,
}

/// A sample that is a float, as the text formats would have a line for it.
#[derive(Clone, Copy, Debug)]
pub struct Float<'a> {
    /// Which one of its metric.
    pub part: Part,
    /// The value.
    pub value: f64,
    /// Of a counter or a bucket.
    pub exemplar: Option<Exemplar<'a>>,
}

/// Which sample of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// The only one.
    Value,
    /// `_count`
    Count,
    /// `_sum`
    Sum,
    /// The value of a quantile.
    Quantile(f64),
    /// A bucket, by its upper bound.
    Bucket(f64),
}

impl Part {
    /// What follows the family's name.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Value | Self::Quantile(_) => "",
            Self::Count => "_count",
            Self::Sum => "_sum",
            Self::Bucket(_) => "_bucket",
        }
    }

    /// The label that it has more than its metric, with its value in the form that Prometheus 3 stores.
    #[must_use]
    pub fn label(self) -> Option<(&'static str, String)> {
        match self {
            Self::Quantile(quantile) => Some(("quantile", bound_text(quantile))),
            Self::Bucket(bound) => Some(("le", bound_text(bound))),
            _ => None,
        }
    }
}

impl<'a> Value<'a> {
    /// When it began to count, as the target says.
    #[must_use]
    pub fn start(&self) -> Option<StartTimestampMs> {
        match self {
            Self::Number(number) => number.start,
            Self::Summary(summary) => summary.start,
            Self::Histogram(histogram) => histogram.start,
        }
    }

    /// Its samples as floats, in the order of the text formats: for a histogram those of its classic buckets, with one that is
    /// infinite added where the target gives none.
    pub fn floats<E: From<Error>>(&self, mut each: impl FnMut(Float<'a>) -> Result<(), E>) -> Result<(), E> {
        let plain = |part: Part, value: f64| Float { part, value: normal(value), exemplar: None };
        match self {
            Self::Number(number) => each(Float { part: Part::Value, value: number.value, exemplar: number.exemplar }),
            Self::Summary(summary) => {
                each(plain(Part::Count, summary.count as f64))?;
                each(plain(Part::Sum, summary.sum))?;
                let mut fields = Fields::new(summary.bytes);
                while let Some(field) = fields.next_field().map_err(|error| summary.family.malformed(summary.bytes, error))? {
                    let Field { number: 3, value: Wire::Bytes(bytes) } = field else { continue };
                    let (quantile, value) = read_quantile(&summary.family, bytes)?;
                    each(plain(Part::Quantile(normal(quantile)), value))?;
                }
                Ok(())
            }
            Self::Histogram(histogram) => {
                each(plain(Part::Count, histogram.count()))?;
                each(plain(Part::Sum, histogram.sum))?;
                let mut infinite = false;
                histogram.buckets(|bucket| {
                    infinite |= bucket.part == Part::Bucket(f64::INFINITY);
                    each(bucket)
                })?;
                if infinite { Ok(()) } else { each(plain(Part::Bucket(f64::INFINITY), histogram.count())) }
            }
        }
    }
}

impl<'a> Number<'a> {
    pub(super) fn read(family: Family<'a>, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut number = Self { value: 0.0, exemplar: None, start: None };
        let counter = family.kind == FamilyKind::Counter;
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
            match (field.number, field.value) {
                (1, Wire::Fixed64(bits)) => number.value = normal(f64::from_bits(bits)),
                (2, Wire::Bytes(bytes)) if counter => number.exemplar = Some(Exemplar { family, bytes }),
                (3, Wire::Bytes(bytes)) if counter => number.start = Some(read_time(&family, bytes)?),
                (1, _) => return Err(family.wrong_type(bytes, 1)),
                _ => {}
            }
        }
        Ok(number)
    }
}

impl<'a> Summary<'a> {
    pub(super) fn read(family: Family<'a>, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut summary = Self { family, bytes, count: 0, sum: 0.0, start: None };
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
            match (field.number, field.value) {
                (1, Wire::Varint(count)) => summary.count = count,
                (2, Wire::Fixed64(bits)) => summary.sum = normal(f64::from_bits(bits)),
                (4, Wire::Bytes(bytes)) => summary.start = Some(read_time(&family, bytes)?),
                (3, Wire::Bytes(_)) => {}
                (number @ 1..=4, _) => return Err(family.wrong_type(bytes, number)),
                _ => {}
            }
        }
        Ok(summary)
    }
}

fn read_quantile(family: &Family<'_>, bytes: &[u8]) -> Result<(f64, f64), Error> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
        match (field.number, field.value) {
            (1, Wire::Fixed64(bits)) => quantile = f64::from_bits(bits),
            (2, Wire::Fixed64(bits)) => value = f64::from_bits(bits),
            (number @ 1..=2, _) => return Err(family.wrong_type(bytes, number)),
            _ => {}
        }
    }
    Ok((quantile, value))
}

/// One NaN for all, so that none is taken for a stale marker.
pub(super) fn normal(value: f64) -> f64 {
    if value.is_nan() { NORMAL_NAN } else { value }
}

/// Reads a `google.protobuf.Timestamp`, in milliseconds.
pub(super) fn read_time(family: &Family<'_>, bytes: &[u8]) -> Result<TimestampMs, Error> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next_field().map_err(|error| family.malformed(bytes, error))? {
        match (field.number, field.value) {
            (1, Wire::Varint(value)) => seconds = value as i64,
            (2, Wire::Varint(value)) => nanos = value as i64,
            (number @ 1..=2, _) => return Err(family.wrong_type(bytes, number)),
            _ => {}
        }
    }
    let ms = seconds.checked_mul(1000).filter(|_| (0..1_000_000_000).contains(&nanos)).and_then(|ms| ms.checked_add(nanos / 1_000_000));
    ms.ok_or_else(|| family.error(bytes, "a time that is none: its nanoseconds are not below a second, or it is too far away"))
}

/// An observation that stands for others, not read yet.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar<'a> {
    pub(super) family: Family<'a>,
    pub(super) bytes: &'a [u8],
}

/// What an exemplar says.
#[derive(Clone, Debug, PartialEq)]
pub struct ExemplarContent<'a> {
    /// Names and values; each name comes once.
    pub labels: Vec<(&'a str, &'a str)>,
    /// The observed value.
    pub value: f64,
    /// When it was observed, if the target says so.
    pub timestamp: Option<TimestampMs>,
}

impl<'a> Exemplar<'a> {
    /// All that it is written as: two of the same bytes are the same.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads it.
    pub fn read(&self) -> Result<ExemplarContent<'a>, Error> {
        let mut content = ExemplarContent { labels: Vec::new(), value: 0.0, timestamp: None };
        let mut fields = Fields::new(self.bytes);
        while let Some(field) = fields.next_field().map_err(|error| self.family.malformed(self.bytes, error))? {
            match (field.number, field.value) {
                (1, Wire::Bytes(pair)) if content.labels.len() < LABELS_MAX => content.labels.push(read_pair(&self.family, pair)?),
                (1, Wire::Bytes(pair)) => return Err(self.family.error(pair, format!("more than {LABELS_MAX} labels of an exemplar"))),
                (2, Wire::Fixed64(bits)) => content.value = normal(f64::from_bits(bits)),
                (3, Wire::Bytes(time)) => content.timestamp = Some(read_time(&self.family, time)?),
                (number @ 1..=3, _) => return Err(self.family.wrong_type(self.bytes, number)),
                _ => {}
            }
        }
        check_twice(&self.family, self.bytes, &content.labels)?;
        Ok(content)
    }
}
