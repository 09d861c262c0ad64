//! What a message holds, whatever its version: samples that point to entries of the cache.

use std::fmt;
use std::sync::Arc;

use exposition::wire::{Value, WireError};
use model::seams::Exemplar;
use model::{FamilyKind, Histogram, LabelSet, StartTimestampMs, TimestampMs};

/// What one request may hold, in units of which a sample takes one. Keeps memory within some 100 MB, whatever 32 MiB declare.
const UNITS_MAX: usize = 4 << 20;
/// Of a histogram, beside one for two of its bytes.
pub(crate) const HISTOGRAM_UNITS: usize = 16;
/// Of an exemplar.
pub(crate) const EXEMPLAR_UNITS: usize = 16;

/// A float.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) entry: u32,
    /// Where its series stands in the message.
    pub(crate) at: u32,
    pub(crate) time: TimestampMs,
    pub(crate) value: f64,
}

/// A native histogram.
#[derive(Clone, Debug)]
pub(crate) struct HistogramSample {
    pub(crate) entry: u32,
    pub(crate) at: u32,
    pub(crate) time: TimestampMs,
    pub(crate) histogram: Arc<Histogram>,
    pub(crate) start: Option<StartTimestampMs>,
}

/// An exemplar.
#[derive(Clone, Debug)]
pub(crate) struct ExemplarSample {
    pub(crate) entry: u32,
    pub(crate) exemplar: Exemplar,
}

/// Metadata of a family, by the place of a series of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeriesMetadata {
    pub(crate) at: u32,
    pub(crate) kind: FamilyKind,
    /// Symbols.
    pub(crate) help: u32,
    pub(crate) unit: u32,
}

/// All of a message.
#[derive(Default)]
pub(crate) struct Parsed {
    pub(crate) samples: Vec<Sample>,
    /// By the place of the sample.
    pub(crate) starts: Vec<(u32, StartTimestampMs)>,
    pub(crate) histograms: Vec<HistogramSample>,
    pub(crate) exemplars: Vec<ExemplarSample>,
    /// Of series that are new.
    pub(crate) metadata: Vec<SeriesMetadata>,
    /// What is wrong with a sample of which the message itself is well formed.
    pub(crate) bad: Vec<String>,
    pub(crate) bad_count: u64,
    units: usize,
}

/// Most texts about what is wrong that are kept of one request.
pub(crate) const TEXTS_MAX: usize = 5;
/// Samples for which buffers keep their room.
const KEPT_MAX: usize = 64 << 10;

impl Parsed {
    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        self.samples.shrink_to(KEPT_MAX);
        self.starts.clear();
        self.starts.shrink_to(KEPT_MAX);
        self.histograms.clear();
        self.histograms.shrink_to(KEPT_MAX / 8);
        self.exemplars.clear();
        self.exemplars.shrink_to(KEPT_MAX / 8);
        self.metadata.clear();
        self.metadata.shrink_to(KEPT_MAX / 8);
        self.bad.clear();
        (self.bad_count, self.units) = (0, 0);
    }

    /// Makes room, in numbers, for what follows.
    #[inline]
    pub(crate) fn take_units(&mut self, units: usize) -> Result<(), MessageError> {
        self.units += units;
        if self.units > UNITS_MAX {
            return Err(MessageError(format!("the request holds more than {UNITS_MAX} samples and buckets: send smaller ones")));
        }
        Ok(())
    }

    /// Something of a series is wrong; the rest counts.
    pub(crate) fn bad(&mut self, text: impl FnOnce() -> String) {
        self.bad_count += 1;
        if self.bad.len() < TEXTS_MAX {
            self.bad.push(text());
        }
    }
}

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageError(pub(crate) String);

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<WireError> for MessageError {
    fn from(error: WireError) -> Self {
        Self(error.to_string())
    }
}

/// Finds the labels of a series again.
pub(crate) trait Labels {
    /// Of the series that stands there; the error says what is wrong with them.
    fn labels(&self, at: u32) -> Result<LabelSet, String>;
    /// A symbol, where there are any.
    fn symbol(&self, symbol: u32) -> &str;
}

/// A field of a message that is a number: `int64`, `uint64`, enums.
pub(crate) fn number(value: Value<'_>) -> Result<u64, MessageError> {
    match value {
        Value::Varint(number) => Ok(number),
        _ => Err(wrong_type()),
    }
}

/// `double`.
pub(crate) fn double(value: Value<'_>) -> Result<f64, MessageError> {
    match value {
        Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
        _ => Err(wrong_type()),
    }
}

/// `string`, `bytes` or a message.
pub(crate) fn bytes(value: Value<'_>) -> Result<&[u8], MessageError> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(wrong_type()),
    }
}

fn wrong_type() -> MessageError {
    MessageError("malformed protobuf: a field is not of the type that the message gives it".to_owned())
}

/// A metric's type, which both versions number alike.
pub(crate) fn kind(number: u64) -> FamilyKind {
    match number {
        1 => FamilyKind::Counter,
        2 => FamilyKind::Gauge,
        3 => FamilyKind::Histogram,
        4 => FamilyKind::GaugeHistogram,
        5 => FamilyKind::Summary,
        6 => FamilyKind::Info,
        7 => FamilyKind::StateSet,
        _ => FamilyKind::Unknown,
    }
}
