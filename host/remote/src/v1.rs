//! `prometheus.WriteRequest`: each series with its labels written out.

use exposition::wire::{Fields, Value};
use model::LabelSet;
use model::seams::Exemplar;

use crate::cache::{Cache, LANE_NEW};
use crate::hash::Hasher;
use crate::histogram;
use crate::labels;
use crate::message::{
    EXEMPLAR_UNITS, ExemplarSample, HISTOGRAM_UNITS, HistogramSample, Labels, MessageError, Parsed, Sample, bytes, double, kind, number,
};
use crate::metadata::Family;

/// Field 1 with a length: a series of the request, a label of a series.
const FIRST: u8 = 0x0A;
/// Field 2 with a length: a sample of a series.
const SAMPLE: u8 = 0x12;

/// Reads a message into `parsed`; series that are new get entries that are not resolved.
pub(crate) fn read(
    body: &[u8],
    cache: &mut Cache,
    hasher: &Hasher,
    parsed: &mut Parsed,
    families: &mut Vec<Family>,
) -> Result<(), MessageError> {
    let mut at = 0;
    while at < body.len() {
        let mut fields = Fields::new(&body[at..]);
        let field = fields.next_field().map_err(|error| deeper(error, at))?;
        let next = at + fields.offset();
        match field.map(|field| (field.number, field.value)) {
            Some((1, Value::Bytes(series))) => {
                read_series(series, (next - series.len()) as u32, cache, hasher, parsed).map_err(|error| in_series(error, at))?
            }
            Some((3, Value::Bytes(message))) => read_metadata(message, families)?,
            Some((1 | 3, _)) => return Err(MessageError(format!("malformed protobuf at byte {at}: a series or metadata is none"))),
            // Left free here for 2.0, which has nothing else.
            Some((4 | 5, Value::Bytes(_))) => {
                return Err(MessageError(
                    "the body is no prometheus.WriteRequest but looks like io.prometheus.write.v2.Request, which the content-type does not say".to_owned(),
                ));
            }
            _ => {}
        }
        at = next;
    }
    Ok(())
}

fn deeper(error: exposition::wire::WireError, base: usize) -> MessageError {
    exposition::wire::WireError { offset: error.offset + base, ..error }.into()
}

fn in_series(error: MessageError, at: usize) -> MessageError {
    MessageError(format!("{error} (in the series at byte {at})"))
}

#[inline]
fn read_series(series: &[u8], at: u32, cache: &mut Cache, hasher: &Hasher, parsed: &mut Parsed) -> Result<(), MessageError> {
    let (entry, mut rest) = find(series, cache, hasher)?;
    while rest < series.len() {
        if series[rest] == SAMPLE
            && let Some(len) = series.get(rest + 1).map(|len| usize::from(*len)).filter(|len| *len < 0x80)
            && let Some(message) = series.get(rest + 2..rest + 2 + len)
        {
            let (time, value) = read_sample(message)?;
            parsed.take_units(1)?;
            parsed.samples.push(Sample { entry, at, time, value });
            rest += 2 + len;
            continue;
        }
        let mut fields = Fields::new(&series[rest..]);
        let field = fields.next_field().map_err(|error| deeper(error, rest))?;
        rest += fields.offset();
        match field.map(|field| (field.number, field.value)) {
            Some((1, _)) => return Err(MessageError("the labels of a series do not stand together before its samples".to_owned())),
            Some((2, value)) => {
                let (time, value) = read_sample(bytes(value)?)?;
                parsed.take_units(1)?;
                parsed.samples.push(Sample { entry, at, time, value });
            }
            Some((3, value)) => {
                parsed.take_units(EXEMPLAR_UNITS)?;
                match read_exemplar(bytes(value)?)? {
                    Ok(Some(exemplar)) => parsed.exemplars.push(ExemplarSample { entry, exemplar }),
                    Ok(None) => {}
                    Err(reason) => parsed.bad(|| reason),
                }
            }
            Some((4, value)) => push_histogram(bytes(value)?, entry, at, parsed)?,
            _ => {}
        }
    }
    Ok(())
}

/// The entry of a series, and where its labels end.
#[inline]
fn find(series: &[u8], cache: &mut Cache, hasher: &Hasher) -> Result<(u32, usize), MessageError> {
    if let Some((at, entry)) = cache.expected()
        && let len = entry.labels_len as usize
        && let Some(labels) = series.get(..len)
        && series.get(len) != Some(&FIRST)
        && hasher.key(labels) == entry.key
        && entry.lane != LANE_NEW
    {
        cache.follow(at);
        return Ok((at, len));
    }
    let mut fields = Fields::new(series);
    let mut len = 0;
    while series.get(len) == Some(&FIRST) {
        fields.next_field()?;
        len = fields.offset();
    }
    Ok((cache.find_or_insert(hasher.key(&series[..len]), len as u32), len))
}

/// A sample's time and value. A zero is left out by most senders.
#[inline]
fn read_sample(message: &[u8]) -> Result<(i64, f64), MessageError> {
    // As everybody writes it: the value's eight bytes, then the time.
    if message.len() > 10
        && message[0] == 0x09
        && message[9] == 0x10
        && let Some(bits) = message.get(1..9).and_then(|bytes| bytes.try_into().ok())
    {
        let mut time = Fields::new(&message[10..]);
        let number = time.varint()?;
        if time.is_empty() {
            return Ok((number as i64, f64::from_bits(u64::from_le_bytes(bits))));
        }
    }
    let (mut time, mut value) = (0, 0.0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => value = double(field.value)?,
            2 => time = number(field.value)? as i64,
            _ => {}
        }
    }
    Ok((time, value))
}

pub(crate) fn push_histogram(message: &[u8], entry: u32, at: u32, parsed: &mut Parsed) -> Result<(), MessageError> {
    // Before anything is allocated: a bucket takes a byte at least, and 16 once it is read.
    parsed.take_units(HISTOGRAM_UNITS + message.len() / 2)?;
    match histogram::read(message)? {
        Ok(read) => {
            let histogram = read.histogram.into();
            parsed.histograms.push(HistogramSample { entry, at, time: read.time, histogram, start: read.start });
        }
        Err(reason) => parsed.bad(|| reason),
    }
    Ok(())
}

fn read_exemplar(message: &[u8]) -> Result<Result<Option<Exemplar>, String>, MessageError> {
    let (mut pairs, mut value, mut time) = (Vec::new(), 0.0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => match read_label(bytes(field.value)?)? {
                Ok(pair) => pairs.push(pair),
                Err(reason) => return Ok(Err(reason)),
            },
            2 => value = double(field.value)?,
            3 => time = number(field.value)? as i64,
            _ => {}
        }
    }
    Ok(labels::exemplar(&mut pairs).map(|labels| labels.map(|labels| Exemplar { labels, value, time, own_time: true })))
}

fn read_label(message: &[u8]) -> Result<Result<(&str, &str), String>, MessageError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => name = bytes(field.value)?,
            2 => value = bytes(field.value)?,
            _ => {}
        }
    }
    Ok(match (std::str::from_utf8(name), std::str::from_utf8(value)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err("invalid metric name or labels: a name or value is not UTF-8".to_owned()),
    })
}

fn read_metadata(message: &[u8], families: &mut Vec<Family>) -> Result<(), MessageError> {
    /// Of one request.
    const FAMILIES_MAX: usize = 10_000;
    let (mut kind_number, mut name, mut help, mut unit): (u64, &[u8], &[u8], &[u8]) = (0, &[], &[], &[]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => kind_number = number(field.value)?,
            2 => name = bytes(field.value)?,
            4 => help = bytes(field.value)?,
            5 => unit = bytes(field.value)?,
            _ => {}
        }
    }
    if families.len() < FAMILIES_MAX
        && let (Ok(name), Ok(help), Ok(unit)) = (std::str::from_utf8(name), std::str::from_utf8(help), std::str::from_utf8(unit))
    {
        families.push(Family::new(name, kind(kind_number), help, unit));
    }
    Ok(())
}

/// Finds labels in the body again.
pub(crate) struct Source<'a>(pub(crate) &'a [u8]);

impl Labels for Source<'_> {
    fn labels(&self, at: u32) -> Result<LabelSet, String> {
        let series = self.0.get(at as usize..).unwrap_or_default();
        let mut pairs = Vec::new();
        let mut fields = Fields::new(series);
        // The labels stand first; what follows them is no label.
        while series.get(fields.offset()) == Some(&FIRST) {
            let Ok(Some(field)) = fields.next_field() else { break };
            let Value::Bytes(message) = field.value else { break };
            pairs.push(read_label(message).map_err(|error| error.to_string())??);
        }
        labels::series(&mut pairs)
    }

    fn symbol(&self, _: u32) -> &str {
        ""
    }
}
