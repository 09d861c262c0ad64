//! Chunks of native histograms: encodings 2 (integer) and 3 (float).
//!
//! Source: Prometheus, `tsdb/docs/format/chunks.md`. A chunk says once where its buckets lie; all its samples share that.
//! `histogram_writer` has the other direction.

use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, Histogram, HistogramCounts, ResetHint};

use super::bits::{BitReader, BitWriter, XorState};
use super::bytes::Bad;

pub(super) const RESET: u8 = 0b1000_0000;
pub(super) const NO_RESET: u8 = 0b0100_0000;
pub(super) const GAUGE: u8 = 0b1100_0000;

/// What the samples of a chunk share, as a histogram without observations.
fn read_layout(bits: &mut BitReader<'_>, float: bool) -> Result<Histogram, Bad> {
    let reset_hint = match bits.bits(8)? as u8 & GAUGE {
        RESET => ResetHint::Reset,
        GAUGE => ResetHint::Gauge,
        // That there was none says less than it seems: samples before may have been deleted.
        _ => ResetHint::Unknown,
    };
    let zero_threshold = match bits.bits(8)? {
        0 => 0.0,
        255 => bits.f64()?,
        power => 2_f64.powi(power as i32 - 244),
    };
    let at = bits.bad("");
    let schema = i32::try_from(bits.varbit_int()?).map_err(|_| Bad { what: "the schema is no known one".into(), ..at.clone() })?;
    let positive_spans = read_spans(bits)?;
    let negative_spans = read_spans(bits)?;
    let mut custom_bounds = Vec::new();
    if schema == CUSTOM_BUCKETS_SCHEMA {
        for _ in 0..count(bits)? {
            custom_bounds.push(match bits.varbit_uint()? {
                0 => bits.f64()?,
                thousandths => (thousandths - 1) as f64 / 1000.0,
            });
        }
    }
    let (positive, negative) = (buckets(bits, &positive_spans)?, buckets(bits, &negative_spans)?);
    let counts = if float {
        HistogramCounts::Float { count: 0.0, zero: 0.0, positive: vec![0.0; positive], negative: vec![0.0; negative] }
    } else {
        HistogramCounts::Integer { count: 0, zero: 0, positive: vec![0; positive], negative: vec![0; negative] }
    };
    let layout = Histogram { schema, zero_threshold, sum: 0.0, counts, positive_spans, negative_spans, custom_bounds, reset_hint };
    layout.check().map_err(|what| Bad { what: what.into(), ..at })?;
    Ok(layout)
}

/// A number of things that take a bit or more.
fn count(bits: &mut BitReader<'_>) -> Result<usize, Bad> {
    let count = bits.varbit_uint()?;
    let fits = usize::try_from(count).ok().filter(|count| *count <= bits.remaining());
    fits.ok_or_else(|| bits.bad(format!("{count} entries should follow, for which the chunk is too short")))
}

fn read_spans(bits: &mut BitReader<'_>) -> Result<Vec<BucketSpan>, Bad> {
    let spans = count(bits)?;
    let mut read = Vec::new();
    for _ in 0..spans {
        let (length, offset) = (bits.varbit_uint()?, bits.varbit_int()?);
        match (u32::try_from(length), i32::try_from(offset)) {
            (Ok(length), Ok(offset)) => read.push(BucketSpan { offset, length }),
            _ => return Err(bits.bad("a span of buckets is too long or too far away")),
        }
    }
    Ok(read)
}

/// How many buckets the spans name; each takes a bit of each sample.
fn buckets(bits: &BitReader<'_>, spans: &[BucketSpan]) -> Result<usize, Bad> {
    let buckets = spans.iter().map(|span| u64::from(span.length)).sum::<u64>();
    let fits = usize::try_from(buckets).ok().filter(|buckets| *buckets <= bits.remaining());
    fits.ok_or_else(|| bits.bad(format!("the spans name {buckets} buckets, for which the chunk is too short")))
}

/// Gives each sample to `sink`.
pub(crate) fn decode(data: &[u8], float: bool, mut sink: impl FnMut(i64, Histogram)) -> Result<(), Bad> {
    let Some((count, rest)) = data.split_at_checked(2) else {
        return Err(Bad::new(0, "the chunk has no number of samples"));
    };
    let count = u16::from_be_bytes([count[0], count[1]]);
    if count == 0 {
        return Ok(());
    }
    let mut bits = BitReader::new(rest);
    let inner = |bad: Bad| bad.within(2);
    let layout = read_layout(&mut bits, float).map_err(inner)?;
    let mut samples = if float { Samples::Float(Floats::new(&layout)) } else { Samples::Integer(Integers::new(&layout)) };
    let (mut time, mut step) = (0_i64, 0_i64);
    for at in 0..count {
        let read = bits.varbit_int().map_err(inner)?;
        match at {
            0 => time = read,
            1 => {
                step = read;
                time = time.wrapping_add(step);
            }
            _ => {
                step = step.wrapping_add(read);
                time = time.wrapping_add(step);
            }
        }
        let (sum, counts) = match &mut samples {
            Samples::Float(floats) => floats.read(&mut bits, at == 0),
            Samples::Integer(integers) => integers.read(&mut bits, at),
        }
        .map_err(inner)?;
        let histogram = match counts {
            None => Histogram { sum, ..Histogram::stale() },
            Some(counts) => {
                let reset_hint = if at > 0 && layout.reset_hint == ResetHint::Reset { ResetHint::Unknown } else { layout.reset_hint };
                Histogram { sum, counts, reset_hint, ..layout.clone() }
            }
        };
        sink(time, histogram);
    }
    Ok(())
}

enum Samples {
    Integer(Integers),
    Float(Floats),
}

type Read = Result<(f64, Option<HistogramCounts>), Bad>;

/// A number, and how it changed last.
#[derive(Clone, Copy, Default)]
pub(super) struct Changing {
    pub(super) value: i64,
    change: i64,
}

impl Changing {
    /// `at`: which sample of the chunk it is.
    fn read(&mut self, bits: &mut BitReader<'_>, at: u16) -> Result<i64, Bad> {
        let read = bits.varbit_int()?;
        match at {
            0 => self.value = read,
            1 => self.change = read,
            _ => self.change = self.change.wrapping_add(read),
        }
        if at > 0 {
            self.value = self.value.wrapping_add(self.change);
        }
        Ok(self.value)
    }

    /// What comes next if it changes as it did before, which is written as 0.
    pub(super) fn expected(&self) -> i64 {
        self.value.wrapping_add(self.change)
    }

    pub(super) fn write(&mut self, bits: &mut BitWriter, at: usize, value: i64) {
        let change = value.wrapping_sub(self.value);
        bits.varbit_int(match at {
            0 => value,
            1 => change,
            _ => change.wrapping_sub(self.change),
        });
        (self.value, self.change) = (value, if at == 0 { 0 } else { change });
    }
}

pub(super) struct Integers {
    pub(super) count: Changing,
    pub(super) zero: Changing,
    pub(super) sum: XorState,
    pub(super) positive: Vec<Changing>,
    pub(super) negative: Vec<Changing>,
}

impl Integers {
    pub(super) fn new(layout: &Histogram) -> Self {
        let (positive, negative) = match &layout.counts {
            HistogramCounts::Integer { positive, negative, .. } => (positive.len(), negative.len()),
            HistogramCounts::Float { positive, negative, .. } => (positive.len(), negative.len()),
        };
        let side = |buckets| vec![Changing::default(); buckets];
        Self {
            count: Changing::default(),
            zero: Changing::default(),
            sum: XorState::default(),
            positive: side(positive),
            negative: side(negative),
        }
    }

    fn read(&mut self, bits: &mut BitReader<'_>, at: u16) -> Read {
        let (count, zero) = if at == 0 {
            self.count.value = bits.varbit_uint()? as i64;
            self.zero.value = bits.varbit_uint()? as i64;
            self.sum = XorState::starting_with(bits.bits(64)?);
            (self.count.value, self.zero.value)
        } else {
            let counts = (self.count.read(bits, at)?, self.zero.read(bits, at)?);
            self.sum.read(bits)?;
            counts
        };
        let sum = f64::from_bits(self.sum.value);
        if model::is_stale(sum) {
            return Ok((sum, None));
        }
        let positive = read_side(&mut self.positive, bits, at)?;
        let negative = read_side(&mut self.negative, bits, at)?;
        Ok((sum, Some(HistogramCounts::Integer { count: count as u64, zero: zero as u64, positive, negative })))
    }
}

/// Buckets stand as differences to the bucket before.
fn read_side(side: &mut [Changing], bits: &mut BitReader<'_>, at: u16) -> Result<Vec<u64>, Bad> {
    let mut sum = 0_i64;
    let mut absolute = Vec::with_capacity(side.len());
    for bucket in side {
        sum = sum.wrapping_add(bucket.read(bits, at)?);
        absolute.push(u64::try_from(sum).map_err(|_| bits.bad("a bucket has fewer than no observations"))?);
    }
    Ok(absolute)
}

pub(super) struct Floats {
    pub(super) count: XorState,
    pub(super) zero: XorState,
    pub(super) sum: XorState,
    pub(super) positive: Vec<XorState>,
    pub(super) negative: Vec<XorState>,
}

impl Floats {
    pub(super) fn new(layout: &Histogram) -> Self {
        let (positive, negative) = match &layout.counts {
            HistogramCounts::Integer { positive, negative, .. } => (positive.len(), negative.len()),
            HistogramCounts::Float { positive, negative, .. } => (positive.len(), negative.len()),
        };
        let side = |buckets| vec![XorState::default(); buckets];
        Self {
            count: XorState::default(),
            zero: XorState::default(),
            sum: XorState::default(),
            positive: side(positive),
            negative: side(negative),
        }
    }

    fn read(&mut self, bits: &mut BitReader<'_>, first: bool) -> Read {
        let next = |state: &mut XorState, bits: &mut BitReader<'_>| {
            if first {
                *state = XorState::starting_with(bits.bits(64)?);
            } else {
                state.read(bits)?;
            }
            Ok(f64::from_bits(state.value))
        };
        let (count, zero, sum) = (next(&mut self.count, bits)?, next(&mut self.zero, bits)?, next(&mut self.sum, bits)?);
        if model::is_stale(sum) {
            return Ok((sum, None));
        }
        let positive = self.positive.iter_mut().map(|state| next(state, bits)).collect::<Result<_, Bad>>()?;
        let negative = self.negative.iter_mut().map(|state| next(state, bits)).collect::<Result<_, Bad>>()?;
        Ok((sum, Some(HistogramCounts::Float { count, zero, positive, negative })))
    }
}
