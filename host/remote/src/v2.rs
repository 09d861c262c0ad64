//! `io.prometheus.write.v2.Request`: each string once, labels as numbers of strings.

use exposition::wire::{Fields, Value};
use model::LabelSet;
use model::seams::Exemplar;

use crate::cache::{Cache, LANE_NEW};
use crate::hash::{Hasher, Key, Wide};
use crate::labels;
use crate::message::{EXEMPLAR_UNITS, ExemplarSample, Labels, MessageError, Parsed, Sample, SeriesMetadata, bytes, double, kind, number};
use crate::v1::push_histogram;

/// Most strings of one request.
const SYMBOLS_MAX: usize = 1 << 20;

/// The strings of a message, with their hashes.
#[derive(Default)]
pub(crate) struct Symbols(Vec<Symbol>);

#[derive(Clone, Copy)]
struct Symbol {
    start: u32,
    len: u32,
    hash: Wide,
}

impl Symbols {
    /// Reads the strings, which may stand anywhere in the message.
    pub(crate) fn read(&mut self, body: &[u8], hasher: &Hasher) -> Result<(), MessageError> {
        self.0.clear();
        let mut fields = Fields::new(body);
        while let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (4, Value::Bytes(symbol)) => {
                    if self.0.len() >= SYMBOLS_MAX {
                        return Err(MessageError(format!("the request has more than {SYMBOLS_MAX} symbols: send smaller ones")));
                    }
                    if std::str::from_utf8(symbol).is_err() {
                        return Err(MessageError(format!("symbol {} is not UTF-8", self.0.len())));
                    }
                    let start = (fields.offset() - symbol.len()) as u32;
                    self.0.push(Symbol { start, len: symbol.len() as u32, hash: hasher.wide(symbol) });
                }
                (1..=3, Value::Bytes(_)) => {
                    return Err(MessageError(
                        "the body is no io.prometheus.write.v2.Request but looks like prometheus.WriteRequest, which the content-type does not say"
                            .to_owned(),
                    ));
                }
                _ => {}
            }
        }
        match self.0.first() {
            Some(first) if first.len == 0 => Ok(()),
            Some(_) => Err(MessageError("symbols must start with empty string: symbol 0 is not empty".to_owned())),
            None => Err(MessageError("symbols must start with empty string: there are no symbols".to_owned())),
        }
    }

    #[inline]
    fn get(&self, symbol: u64) -> Result<&Symbol, MessageError> {
        let found = usize::try_from(symbol).ok().and_then(|at| self.0.get(at));
        found.ok_or_else(|| MessageError(format!("symbol {symbol} is not in the table of {} symbols", self.0.len())))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(16 << 10);
    }
}

/// A message whose symbols are known.
pub(crate) struct Source<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) symbols: &'a Symbols,
}

impl Source<'_> {
    /// The names and values that these numbers stand for.
    fn pairs(&self, refs: &[u64]) -> Result<Vec<(&str, &str)>, MessageError> {
        let (pairs, rest) = refs.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(MessageError(format!("invalid labelRefs length {}: a name or a value is missing", refs.len())));
        }
        pairs.iter().map(|[name, value]| Ok((self.text(self.symbols.get(*name)?), self.text(self.symbols.get(*value)?)))).collect()
    }

    fn text(&self, symbol: &Symbol) -> &str {
        let bytes = self.body.get(symbol.start as usize..).and_then(|rest| rest.get(..symbol.len as usize)).unwrap_or_default();
        // Looked at when it was read.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Labels for Source<'_> {
    fn labels(&self, at: u32) -> Result<LabelSet, String> {
        let mut fields = Fields::new(self.body.get(at as usize..).unwrap_or_default());
        let mut refs = Vec::new();
        if let Ok(Some(field)) = fields.next_field()
            && let Value::Bytes(packed) = field.value
        {
            let mut packed = Fields::new(packed);
            while let (false, Ok(number)) = (packed.is_empty(), packed.varint()) {
                refs.push(number);
            }
        }
        let mut pairs = self.pairs(&refs).map_err(|error| error.to_string())?;
        labels::series(&mut pairs)
    }

    fn symbol(&self, symbol: u32) -> &str {
        self.symbols.get(u64::from(symbol)).map_or("", |symbol| self.text(symbol))
    }
}

/// Reads it into `parsed`; series that are new get entries that are not resolved.
pub(crate) fn read(source: &Source<'_>, cache: &mut Cache, hasher: &Hasher, parsed: &mut Parsed) -> Result<(), MessageError> {
    let mut fields = Fields::new(source.body);
    while let Some(field) = fields.next_field()? {
        if field.number == 5 {
            let series = bytes(field.value)?;
            let at = fields.offset() - series.len();
            let reader = Reader { source, hasher, at: at as u32 };
            reader.series(series, cache, parsed).map_err(|error| MessageError(format!("{error} (in the series at byte {at})")))?;
        }
    }
    Ok(())
}

struct Reader<'a> {
    source: &'a Source<'a>,
    hasher: &'a Hasher,
    at: u32,
}

impl Reader<'_> {
    #[inline]
    fn series(&self, series: &[u8], cache: &mut Cache, parsed: &mut Parsed) -> Result<(), MessageError> {
        let mut fields = Fields::new(series);
        let key = match fields.next_field()?.map(|field| (field.number, field.value)) {
            Some((1, Value::Bytes(refs))) => self.key(refs)?,
            None => return Ok(()),
            _ => return Err(MessageError("a series does not begin with its labels, packed".to_owned())),
        };
        let expected = cache.expected().filter(|(_, entry)| entry.key == key && entry.lane != LANE_NEW).map(|(at, _)| at);
        let entry = match expected {
            Some(at) => {
                cache.follow(at);
                at
            }
            None => cache.find_or_insert(key, 0),
        };
        let (at, first_sample, first_histogram, mut start) = (self.at, parsed.samples.len(), parsed.histograms.len(), 0);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => return Err(MessageError("the labels of a series do not stand together before its samples".to_owned())),
                2 => {
                    let (time, value, start) = read_sample(bytes(field.value)?)?;
                    parsed.take_units(1)?;
                    if start != 0 {
                        parsed.starts.push((parsed.samples.len() as u32, start));
                    }
                    parsed.samples.push(Sample { entry, at, time, value });
                }
                3 => push_histogram(bytes(field.value)?, entry, at, parsed)?,
                4 => {
                    parsed.take_units(EXEMPLAR_UNITS)?;
                    match self.exemplar(bytes(field.value)?)? {
                        Ok(Some(exemplar)) => parsed.exemplars.push(ExemplarSample { entry, exemplar }),
                        Ok(None) => {}
                        Err(reason) => parsed.bad(|| reason),
                    }
                }
                5 => {
                    let metadata = self.metadata(bytes(field.value)?)?;
                    if cache.entry(entry).lane == LANE_NEW {
                        parsed.metadata.push(metadata);
                    }
                }
                // Until the last draft of 2.0 the start was the series'.
                6 => start = number(field.value)? as i64,
                _ => {}
            }
        }
        if start != 0 {
            parsed.starts.extend((first_sample..parsed.samples.len()).map(|sample| (sample as u32, start)));
            parsed.histograms[first_histogram..].iter_mut().for_each(|histogram| histogram.start = histogram.start.or(Some(start)));
        }
        Ok(())
    }

    #[inline]
    fn key(&self, refs: &[u8]) -> Result<Key, MessageError> {
        let mut fields = Fields::new(refs);
        let (mut list, mut len) = (self.hasher.begin_list(), 0);
        while !fields.is_empty() {
            list = self.hasher.add(list, self.source.symbols.get(fields.varint()?)?.hash);
            len += 1;
        }
        if len % 2 == 1 {
            return Err(MessageError(format!("invalid labelRefs length {len}: a name or a value is missing")));
        }
        Ok(self.hasher.end_list(list, len))
    }

    fn exemplar(&self, message: &[u8]) -> Result<Result<Option<Exemplar>, String>, MessageError> {
        let (mut refs, mut value, mut time) = (Vec::new(), 0.0, 0);
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (1, Value::Bytes(packed)) => {
                    let mut packed = Fields::new(packed);
                    while !packed.is_empty() {
                        refs.push(packed.varint()?);
                    }
                }
                (1, other) => refs.push(number(other)?),
                (2, other) => value = double(other)?,
                (3, other) => time = number(other)? as i64,
                _ => {}
            }
        }
        let mut pairs = self.source.pairs(&refs)?;
        Ok(labels::exemplar(&mut pairs).map(|labels| labels.map(|labels| Exemplar { labels, value, time, own_time: true })))
    }

    fn metadata(&self, message: &[u8]) -> Result<SeriesMetadata, MessageError> {
        let (mut kind_number, mut help, mut unit) = (0, 0, 0);
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => kind_number = number(field.value)?,
                3 => help = number(field.value)?,
                4 => unit = number(field.value)?,
                _ => {}
            }
        }
        self.source.symbols.get(help)?;
        self.source.symbols.get(unit)?;
        Ok(SeriesMetadata { at: self.at, kind: kind(kind_number), help: help as u32, unit: unit as u32 })
    }
}

/// Value, time and start; zeros are left out by most senders.
#[inline]
fn read_sample(message: &[u8]) -> Result<(i64, f64, i64), MessageError> {
    let (mut time, mut value, mut start) = (0, 0.0, 0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => value = double(field.value)?,
            2 => time = number(field.value)? as i64,
            3 => start = number(field.value)? as i64,
            _ => {}
        }
    }
    Ok((time, value, start))
}
