//! The data points of a metric.

use std::sync::Arc;

use exposition::wire::{Fields, Value, zigzag};
use model::seams::Exemplar;
use model::{FamilyKind, Histogram, TimestampMs, stale};

use super::attributes::{Attributes, LabelList};
use super::distributions::{Buckets, Exponential, custom};
use super::names::{self, Kind};
use super::read::{Origin, Reader, Resource};
use crate::labels;
use crate::message::{EXEMPLAR_UNITS, ExemplarSample, HISTOGRAM_UNITS, HistogramSample, MessageError, Sample, bytes, double, number};
use crate::metadata::Family;

/// Families of one request of which metadata is kept.
const FAMILIES_MAX: usize = 10_000;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: u64 = 2;
/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`
const NO_VALUE: u64 = 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

/// Reads a `Metric`. `bad`: what is wrong with what its points stand in.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    message: &[u8],
    resource: &mut Resource<'_>,
    scope: &LabelList,
    mut bad: Option<String>,
) -> Result<(), MessageError> {
    let (mut name, mut help, mut unit, mut data) = (&b""[..], &b""[..], &b""[..], None);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        let kind = match field.number {
            1 => {
                name = bytes(field.value)?;
                continue;
            }
            2 => {
                help = bytes(field.value)?;
                continue;
            }
            3 => {
                unit = bytes(field.value)?;
                continue;
            }
            5 => Data::Gauge,
            7 => Data::Sum,
            9 => Data::Histogram,
            10 => Data::Exponential,
            11 => Data::Summary,
            _ => continue,
        };
        data = Some((kind, bytes(field.value)?));
    }
    let Some((data, content)) = data else { return Ok(()) };
    // Temporality may stand after the points.
    let (mut temporality, mut monotonic) = (0, false);
    let mut fields = Fields::new(content);
    while let Some(field) = fields.next_field()? {
        match field.number {
            2 => temporality = number(field.value)?,
            3 => monotonic = number(field.value)? != 0,
            _ => {}
        }
    }
    let texts = [name, help, unit].map(std::str::from_utf8);
    let (name, help, unit) = match texts {
        [Ok(name), Ok(help), Ok(unit)] => (name, help, unit),
        _ => {
            bad = Some("its name, description or unit is not UTF-8".to_owned());
            ("", "", "")
        }
    };
    let kind = match data {
        Data::Gauge => Kind::Gauge,
        Data::Sum if monotonic => Kind::Counter,
        _ => Kind::Other,
    };
    let family = names::metric(name, unit, kind, reader.options.strategy);
    if family.is_empty() {
        bad = bad.or(Some("nothing is left of its name after translation".to_owned()));
    }
    let cumulative = matches!(data, Data::Gauge | Data::Summary) || temporality == CUMULATIVE;
    if bad.is_none() && cumulative && reader.families.len() < FAMILIES_MAX {
        let kind = match data {
            Data::Gauge => FamilyKind::Gauge,
            Data::Sum if monotonic => FamilyKind::Counter,
            Data::Sum => FamilyKind::Gauge,
            Data::Histogram | Data::Exponential => FamilyKind::Histogram,
            Data::Summary => FamilyKind::Summary,
        };
        reader.families.push(Family::new(&family, kind, help, unit));
    }
    let origin = Origin { name, hash: reader.hasher.wide(name.as_bytes()).0 };
    let mut points = Points { reader, resource, scope, family, origin, counter: kind == Kind::Counter };
    let mut fields = Fields::new(content);
    while let Some(field) = fields.next_field()? {
        if field.number != 1 {
            continue;
        }
        let message = bytes(field.value)?;
        points.reader.rejected.points += 1;
        points.reader.parsed.take_units(1)?;
        if let Some(why) = &bad {
            points.reader.rejected.point("invalid", name, why);
        } else if !cumulative {
            let (reason, why) = match temporality {
                1 => ("delta", "delta temporality is not stored; let the sender make it cumulative"),
                _ => ("temporality", "its temporality is not given; only cumulative is stored"),
            };
            points.reader.rejected.point(reason, name, why);
        } else {
            points.point(data, message)?;
        }
    }
    Ok(())
}

/// What the points of a metric have in common.
struct Points<'r, 'a, 'b> {
    reader: &'r mut Reader<'a>,
    resource: &'r mut Resource<'b>,
    scope: &'r LabelList,
    family: String,
    origin: Origin<'r>,
    counter: bool,
}

/// A data point of any kind: the messages have much the same fields, at other numbers.
#[derive(Default)]
struct Point<'a> {
    attributes: Attributes<'a>,
    start: TimestampMs,
    time: TimestampMs,
    value: f64,
    has_sum: bool,
    no_value: bool,
    counts: Vec<u64>,
    bounds: Vec<f64>,
    quantiles: Vec<(f64, f64)>,
    exponential: Exponential,
    exemplars: Vec<&'a [u8]>,
}

impl Points<'_, '_, '_> {
    fn point(&mut self, data: Data, message: &[u8]) -> Result<(), MessageError> {
        let point = self.read(data, message)?;
        if let Some(why) = &point.attributes.bad {
            self.reader.rejected.point("invalid", self.origin.name, why);
            return Ok(());
        }
        let labels = self.reader.labels_of(&point.attributes, self.resource, self.scope);
        let collisions = self.reader.rejected.collisions;
        let stored = match data {
            Data::Gauge | Data::Sum => self.number(&point, &labels)?,
            Data::Histogram if self.reader.options.custom_buckets => {
                let sum = point.exponential.sum;
                self.native(&point, &labels, || custom(&point.bounds, &point.counts, point.exponential.count, sum))?
            }
            Data::Histogram => self.histogram(&point, &labels)?,
            Data::Exponential => self.native(&point, &labels, || point.exponential.native())?,
            Data::Summary => self.summary(&point, &labels)?,
        };
        if let Err(why) = stored {
            self.reader.rejected.point("invalid", self.origin.name, &why);
        } else if self.reader.rejected.collisions > collisions {
            let why = format!("another metric has the name {} and the same labels after translation, and keeps them", self.family);
            self.reader.rejected.point("collision", self.origin.name, &why);
        } else {
            self.resource.newest = self.resource.newest.max(Some(point.time));
        }
        Ok(())
    }

    fn read<'m>(&mut self, data: Data, message: &'m [u8]) -> Result<Point<'m>, MessageError> {
        // Lists of a byte or eight each: of what they become, no more than the message declares.
        self.reader.parsed.take_units(message.len() / 16)?;
        let mut point = Point::default();
        let mut fields = Fields::new(message);
        let attributes = match data {
            Data::Histogram => 9,
            Data::Exponential => 1,
            _ => 7,
        };
        while let Some(field) = fields.next_field()? {
            let value = field.value;
            match (data, field.number) {
                (_, number) if number == attributes => point.attributes.push(bytes(value)?)?,
                (_, 2) => point.start = millis(value)?,
                (_, 3) => point.time = millis(value)?,
                (Data::Gauge | Data::Sum, 4) => point.value = double(value)?,
                (Data::Gauge | Data::Sum, 6) => point.value = fixed(value)? as i64 as f64,
                (Data::Gauge | Data::Sum, 5) | (Data::Histogram, 8) | (Data::Exponential, 11) => {
                    self.reader.parsed.take_units(EXEMPLAR_UNITS)?;
                    point.exemplars.push(bytes(value)?);
                }
                (Data::Gauge | Data::Sum | Data::Summary, 8) | (Data::Histogram | Data::Exponential, 10) => {
                    point.no_value = number(value)? & NO_VALUE != 0
                }
                (_, 4) => point.exponential.count = fixed(value)?,
                (_, 5) => (point.exponential.sum, point.has_sum) = (double(value)?, true),
                (Data::Histogram, 6) => each_fixed(value, |bits| point.counts.push(bits))?,
                (Data::Histogram, 7) => each_fixed(value, |bits| point.bounds.push(f64::from_bits(bits)))?,
                (Data::Summary, 6) => {
                    self.reader.parsed.take_units(1)?;
                    point.quantiles.push(quantile(bytes(value)?)?);
                }
                (Data::Exponential, 6) => point.exponential.scale = i64::from(zigzag(number(value)?) as i32),
                (Data::Exponential, 7) => point.exponential.zero_count = fixed(value)?,
                (Data::Exponential, 8 | 9) => {
                    let message = bytes(value)?;
                    self.reader.parsed.take_units(HISTOGRAM_UNITS + message.len() / 2)?;
                    let side = if field.number == 8 { &mut point.exponential.positive } else { &mut point.exponential.negative };
                    *side = Buckets::read(message)?;
                }
                (Data::Exponential, 14) => point.exponential.zero_threshold = double(value)?,
                _ => {}
            }
        }
        Ok(point)
    }

    /// A float; the entry of its series, if it was stored.
    fn push(
        &mut self,
        point: &Point<'_>,
        labels: &LabelList,
        (suffix, extra): (&str, Option<(&str, &str)>),
        (value, counts): (f64, bool),
    ) -> Result<Option<u32>, MessageError> {
        let Some((entry, at)) = self.reader.series((&self.family, suffix), labels, extra, &self.origin)? else { return Ok(None) };
        let parsed = &mut *self.reader.parsed;
        parsed.take_units(1)?;
        if counts && point.start > 0 && point.start <= point.time {
            parsed.starts.push((parsed.samples.len() as u32, point.start));
        }
        let value = if point.no_value { stale() } else { value };
        parsed.samples.push(Sample { entry, at, time: point.time, value });
        Ok(Some(entry))
    }

    fn number(&mut self, point: &Point<'_>, labels: &LabelList) -> Result<Result<(), String>, MessageError> {
        if let Some(entry) = self.push(point, labels, ("", None), (point.value, self.counter))? {
            for message in &point.exemplars {
                self.exemplar(message, |_| Some(entry))?;
            }
        }
        Ok(Ok(()))
    }

    fn histogram(&mut self, point: &Point<'_>, labels: &LabelList) -> Result<Result<(), String>, MessageError> {
        let (bounds, count) = (&point.bounds, point.exponential.count);
        if !bounds.is_empty() && bounds.len() + 1 != point.counts.len() {
            return Ok(Err(format!("a histogram has {} bounds and {} buckets, not one more", bounds.len(), point.counts.len())));
        }
        if !bounds.is_sorted_by(|a, b| a < b) || bounds.iter().any(|bound| bound.is_nan()) {
            return Ok(Err("the bounds of a histogram do not ascend".to_owned()));
        }
        let mut entries = Vec::with_capacity(bounds.len() + 1);
        let mut below = 0_u64;
        for (bound, bucket) in bounds.iter().zip(&point.counts) {
            below = below.saturating_add(*bucket);
            if bound.is_finite() {
                let extra = Some(("le", &*bound.to_string()));
                entries.push((*bound, self.push(point, labels, ("_bucket", extra), (below as f64, true))?));
            }
        }
        let all = self.push(point, labels, ("_bucket", Some(("le", "+Inf"))), (count as f64, true))?;
        entries.push((f64::INFINITY, all));
        if point.has_sum {
            self.push(point, labels, ("_sum", None), (point.exponential.sum, true))?;
        }
        self.push(point, labels, ("_count", None), (count as f64, true))?;
        for message in &point.exemplars {
            self.exemplar(message, |value| {
                let at = entries.partition_point(|(bound, _)| *bound < value);
                entries.get(at).and_then(|(_, entry)| *entry)
            })?;
        }
        Ok(Ok(()))
    }

    fn native(
        &mut self,
        point: &Point<'_>,
        labels: &LabelList,
        histogram: impl Fn() -> Result<Histogram, String>,
    ) -> Result<Result<(), String>, MessageError> {
        let histogram = match if point.no_value { Ok(Histogram::stale()) } else { histogram() } {
            Ok(histogram) => Arc::new(histogram),
            Err(why) => return Ok(Err(why)),
        };
        let Some((entry, at)) = self.reader.series((&self.family, ""), labels, None, &self.origin)? else { return Ok(Ok(())) };
        let parsed = &mut *self.reader.parsed;
        parsed.take_units(HISTOGRAM_UNITS)?;
        let start = (point.start > 0 && point.start <= point.time).then_some(point.start);
        parsed.histograms.push(HistogramSample { entry, at, time: point.time, histogram, start });
        for message in &point.exemplars {
            self.exemplar(message, |_| Some(entry))?;
        }
        Ok(Ok(()))
    }

    fn summary(&mut self, point: &Point<'_>, labels: &LabelList) -> Result<Result<(), String>, MessageError> {
        for (quantile, value) in &point.quantiles {
            self.push(point, labels, ("", Some(("quantile", &quantile.to_string()))), (*value, false))?;
        }
        self.push(point, labels, ("_sum", None), (point.exponential.sum, true))?;
        self.push(point, labels, ("_count", None), (point.exponential.count as f64, true))?;
        Ok(Ok(()))
    }

    /// An exemplar, kept at the series that `series` names for its value. What is wrong with one is no reason to lose the sample.
    fn exemplar(&mut self, message: &[u8], series: impl Fn(f64) -> Option<u32>) -> Result<(), MessageError> {
        let (mut time, mut value, mut trace, mut span) = (0, 0.0, String::new(), String::new());
        let mut attributes = Attributes::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                2 => time = millis(field.value)?,
                3 => value = double(field.value)?,
                6 => value = fixed(field.value)? as i64 as f64,
                4 => span = hex(bytes(field.value)?),
                5 => trace = hex(bytes(field.value)?),
                7 => attributes.push(bytes(field.value)?)?,
                _ => {}
            }
        }
        let Some(entry) = series(value).filter(|_| attributes.bad.is_none()) else { return Ok(()) };
        let mut list = LabelList::of(attributes.list.iter(), self.reader.options);
        for (name, id) in [("trace_id", &trace), ("span_id", &span)] {
            if !id.is_empty() {
                list.set(name, id);
            }
        }
        let mut pairs: Vec<(&str, &str)> = list.0.iter().map(|(name, value)| (&**name, &**value)).collect();
        if let Ok(Some(labels)) = labels::exemplar(&mut pairs) {
            self.reader.parsed.exemplars.push(ExemplarSample { entry, exemplar: Exemplar { labels, value, time, own_time: true } });
        }
        Ok(())
    }
}

fn quantile(message: &[u8]) -> Result<(f64, f64), MessageError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => quantile = double(field.value)?,
            2 => value = double(field.value)?,
            _ => {}
        }
    }
    Ok((quantile, value))
}

/// Nanoseconds, which `fixed64` holds, in milliseconds.
fn millis(value: Value<'_>) -> Result<TimestampMs, MessageError> {
    Ok((fixed(value)? / 1_000_000) as TimestampMs)
}

/// `fixed64`, `sfixed64`
fn fixed(value: Value<'_>) -> Result<u64, MessageError> {
    double(value).map(f64::to_bits)
}

/// A list of eight bytes each, packed or not.
fn each_fixed(value: Value<'_>, mut take: impl FnMut(u64)) -> Result<(), MessageError> {
    let Value::Bytes(packed) = value else {
        take(fixed(value)?);
        return Ok(());
    };
    let (list, rest) = packed.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(MessageError("malformed protobuf: a packed list of numbers ends in one".to_owned()));
    }
    list.iter().for_each(|bytes| take(u64::from_le_bytes(*bytes)));
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    // Of a trace 16, of a span 8.
    bytes.iter().take(64).map(|byte| format!("{byte:02x}")).collect()
}
