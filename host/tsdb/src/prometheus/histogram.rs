//! Chunks of native histograms: encodings 2 (integer) and 3 (float).
//!
//! Source: Prometheus, `tsdb/docs/format/chunks.md`. A chunk says once where its buckets lie; all its samples share that.

use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, Histogram, HistogramCounts, ResetHint};

use super::bits::{BitReader, BitWriter, XorState};
use super::bytes::Bad;

const RESET: u8 = 0b1000_0000;
const NO_RESET: u8 = 0b0100_0000;
const GAUGE: u8 = 0b1100_0000;

/// The greatest custom bound that is written as thousandths.
const SHORT_BOUND_MAX: f64 = 33_554_430.0;

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
struct Changing {
    value: i64,
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

    fn write(&mut self, bits: &mut BitWriter, at: usize, value: i64) {
        let change = value.wrapping_sub(self.value);
        bits.varbit_int(match at {
            0 => value,
            1 => change,
            _ => change.wrapping_sub(self.change),
        });
        (self.value, self.change) = (value, if at == 0 { 0 } else { change });
    }
}

struct Integers {
    count: Changing,
    zero: Changing,
    sum: XorState,
    positive: Vec<Changing>,
    negative: Vec<Changing>,
}

impl Integers {
    fn new(layout: &Histogram) -> Self {
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

struct Floats {
    count: XorState,
    zero: XorState,
    sum: XorState,
    positive: Vec<XorState>,
    negative: Vec<XorState>,
}

impl Floats {
    fn new(layout: &Histogram) -> Self {
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

/// Whether both can stand in one chunk, the second right behind the first: same kind and buckets, nothing was reset, and the
/// series did not end.
pub(crate) fn share_a_chunk(before: &Histogram, after: &Histogram) -> bool {
    if before.is_stale() {
        return false;
    }
    let gauge = before.reset_hint == ResetHint::Gauge;
    if after.is_stale() {
        return matches!(before.counts, HistogramCounts::Integer { .. }) == matches!(after.counts, HistogramCounts::Integer { .. });
    }
    let same = before.schema == after.schema
        && before.zero_threshold.to_bits() == after.zero_threshold.to_bits()
        && before.positive_spans == after.positive_spans
        && before.negative_spans == after.negative_spans
        && before.custom_bounds == after.custom_bounds
        && gauge == (after.reset_hint == ResetHint::Gauge);
    same && (gauge || (after.reset_hint != ResetHint::Reset && grew(&before.counts, &after.counts)))
}

/// Whether no count went down; false for counts of two kinds.
fn grew(before: &HistogramCounts, after: &HistogramCounts) -> bool {
    fn all<T: PartialOrd>(before: &[T], after: &[T]) -> bool {
        before.iter().zip(after).all(|(before, after)| before <= after)
    }
    match (before, after) {
        (
            HistogramCounts::Integer { count, zero, positive, negative },
            HistogramCounts::Integer { count: count2, zero: zero2, positive: positive2, negative: negative2 },
        ) => count <= count2 && zero <= zero2 && all(positive, positive2) && all(negative, negative2),
        (
            HistogramCounts::Float { count, zero, positive, negative },
            HistogramCounts::Float { count: count2, zero: zero2, positive: positive2, negative: negative2 },
        ) => count <= count2 && zero <= zero2 && all(positive, positive2) && all(negative, negative2),
        _ => false,
    }
}

/// Whether chunks of the histogram have encoding 3.
pub(crate) fn is_float(histogram: &Histogram) -> bool {
    matches!(histogram.counts, HistogramCounts::Float { .. })
}

/// A chunk of samples that [share one](share_a_chunk), at most 65,535.
pub(crate) fn encode(samples: &[(i64, &Histogram)]) -> Vec<u8> {
    let mut bits = BitWriter::after((samples.len() as u16).to_be_bytes().to_vec());
    let Some((_, first)) = samples.first() else {
        return bits.into_bytes();
    };
    // A stale sample at the beginning has no buckets.
    write_layout(&mut bits, first);
    let (mut integers, mut floats) = (Integers::new(first), Floats::new(first));
    let mut time = Changing::default();
    for (at, (when, histogram)) in samples.iter().enumerate() {
        time.write(&mut bits, at, *when);
        match &histogram.counts {
            HistogramCounts::Integer { count, zero, positive, negative } => {
                let stale = histogram.is_stale();
                if at == 0 {
                    bits.varbit_uint(*count);
                    bits.varbit_uint(*zero);
                    bits.bits(histogram.sum.to_bits(), 64);
                    (integers.count.value, integers.zero.value) = (*count as i64, *zero as i64);
                    integers.sum = XorState::starting_with(histogram.sum.to_bits());
                } else {
                    // What follows a stale sample stands in the next chunk, so that its counts may be anything.
                    let number = |state: &Changing, value: u64| if stale { state.value } else { value as i64 };
                    let (count, zero) = (number(&integers.count, *count), number(&integers.zero, *zero));
                    integers.count.write(&mut bits, at, count);
                    integers.zero.write(&mut bits, at, zero);
                    integers.sum.write(&mut bits, histogram.sum.to_bits());
                }
                if !stale {
                    write_side(&mut integers.positive, &mut bits, at, positive);
                    write_side(&mut integers.negative, &mut bits, at, negative);
                }
            }
            HistogramCounts::Float { count, zero, positive, negative } => {
                let mut next = |state: &mut XorState, value: f64| {
                    if at == 0 {
                        bits.bits(value.to_bits(), 64);
                        *state = XorState::starting_with(value.to_bits());
                    } else {
                        state.write(&mut bits, value.to_bits());
                    }
                };
                next(&mut floats.count, *count);
                next(&mut floats.zero, *zero);
                next(&mut floats.sum, histogram.sum);
                if !histogram.is_stale() {
                    floats.positive.iter_mut().zip(positive).for_each(|(state, value)| next(state, *value));
                    floats.negative.iter_mut().zip(negative).for_each(|(state, value)| next(state, *value));
                }
            }
        }
    }
    bits.into_bytes()
}

fn write_side(side: &mut [Changing], bits: &mut BitWriter, at: usize, buckets: &[u64]) {
    let mut before = 0_i64;
    for (state, bucket) in side.iter_mut().zip(buckets) {
        let bucket = *bucket as i64;
        state.write(bits, at, bucket.wrapping_sub(before));
        before = bucket;
    }
}

fn write_layout(bits: &mut BitWriter, first: &Histogram) {
    let flags = match first.reset_hint {
        ResetHint::Unknown => 0,
        ResetHint::Reset => RESET,
        ResetHint::NoReset => NO_RESET,
        ResetHint::Gauge => GAUGE,
    };
    bits.bits(u64::from(flags), 8);
    let power = (1..=254_u64).find(|power| 2_f64.powi(*power as i32 - 244).to_bits() == first.zero_threshold.to_bits());
    match power {
        _ if first.zero_threshold.to_bits() == 0 => bits.bits(0, 8),
        Some(power) => bits.bits(power, 8),
        None => {
            bits.bits(255, 8);
            bits.bits(first.zero_threshold.to_bits(), 64);
        }
    }
    bits.varbit_int(i64::from(first.schema));
    for spans in [&first.positive_spans, &first.negative_spans] {
        bits.varbit_uint(spans.len() as u64);
        for span in spans {
            bits.varbit_uint(u64::from(span.length));
            bits.varbit_int(i64::from(span.offset));
        }
    }
    if first.schema == CUSTOM_BUCKETS_SCHEMA {
        bits.varbit_uint(first.custom_bounds.len() as u64);
        for bound in &first.custom_bounds {
            let thousandths = bound * 1000.0;
            // Whoever reads divides, which has to give the very bound.
            let short = (0.0..=SHORT_BOUND_MAX).contains(&thousandths)
                && thousandths.fract() == 0.0
                && (thousandths / 1000.0).to_bits() == bound.to_bits();
            if short {
                bits.varbit_uint(thousandths as u64 + 1);
            } else {
                bits.bits(0, 1);
                bits.bits(bound.to_bits(), 64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Histograms of one layout that grow, and a stale end.
    fn series() -> impl Strategy<Value = Vec<(i64, Histogram)>> {
        let spans = prop::collection::vec((0i32..5, 0u32..5), 0..4);
        let thresholds = prop_oneof![Just(0.0), Just(0.001), Just(2_f64.powi(-128)), Just(0.5), Just(1024.0)];
        let growth = prop::collection::vec((1i64..100_000, any::<u32>(), any::<f64>()), 1..40);
        (-4i32..=8, thresholds, spans.clone(), spans, growth, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(schema, zero_threshold, positive, negative, growth, float, custom, stale)| {
                let schema = if custom { CUSTOM_BUCKETS_SCHEMA } else { schema };
                let to_spans = |spans: Vec<(i32, u32)>| -> Vec<BucketSpan> {
                    spans.into_iter().map(|(offset, length)| BucketSpan { offset, length }).collect()
                };
                let (positive_spans, mut negative_spans) = (to_spans(positive), to_spans(negative));
                if custom {
                    negative_spans.clear();
                }
                let zero_threshold = if custom { 0.0 } else { zero_threshold };
                let custom_bounds = if custom { (0..64).map(|at| f64::from(at) * 0.1).collect() } else { Vec::new() };
                let size = |spans: &[BucketSpan]| spans.iter().map(|s| s.length as usize).sum::<usize>();
                let (np, nn) = (size(&positive_spans), size(&negative_spans));
                let mut total = 0_u64;
                let mut time = 1_700_000_000_000;
                let mut all: Vec<(i64, Histogram)> = Vec::new();
                for (step, more, sum) in growth {
                    time += step;
                    total += u64::from(more);
                    let side = |n: usize| -> Vec<u64> { (0..n as u64).map(|at| total / (at + 1)).collect() };
                    let floats = |n: usize| side(n).into_iter().map(|c| c as f64 / 3.0).collect();
                    let counts = if float {
                        HistogramCounts::Float { count: total as f64 / 3.0, zero: 0.0, positive: floats(np), negative: floats(nn) }
                    } else {
                        HistogramCounts::Integer { count: total, zero: total / 7, positive: side(np), negative: side(nn) }
                    };
                    all.push((
                        time,
                        Histogram {
                            schema,
                            zero_threshold,
                            sum: if sum.is_nan() { 0.5 } else { sum },
                            counts,
                            positive_spans: positive_spans.clone(),
                            negative_spans: negative_spans.clone(),
                            custom_bounds: custom_bounds.clone(),
                            reset_hint: ResetHint::Unknown,
                        },
                    ));
                }
                if stale && !float {
                    all.push((time + 1, Histogram::stale()));
                }
                all
            },
        )
    }

    proptest! {
        #[test]
        fn histograms_come_back(samples in series()) {
            for pair in samples.windows(2) {
                prop_assert!(share_a_chunk(&pair[0].1, &pair[1].1), "{pair:?}");
            }
            let borrowed: Vec<(i64, &Histogram)> = samples.iter().map(|(time, histogram)| (*time, histogram)).collect();
            let bytes = encode(&borrowed);
            let mut found = Vec::new();
            decode(&bytes, is_float(&samples[0].1), |time, histogram| found.push((time, histogram))).expect("it was just written");
            prop_assert_eq!(found.len(), samples.len());
            for ((time, found), (expected_time, expected)) in found.iter().zip(&samples) {
                prop_assert_eq!(time, expected_time);
                if expected.is_stale() { prop_assert!(found.is_stale()) } else { prop_assert_eq!(found, expected) }
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, float: bool) {
            let _ = decode(&bytes, float, |_, _| {});
        }

        #[test]
        fn damage_is_read_without_panic(samples in series(), flips: Vec<(prop::sample::Index, u8)>) {
            let borrowed: Vec<(i64, &Histogram)> = samples.iter().map(|(time, histogram)| (*time, histogram)).collect();
            let mut bytes = encode(&borrowed);
            for (at, bit) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << (bit % 8);
            }
            let _ = decode(&bytes, is_float(&samples[0].1), |_, _| {});
        }
    }
}
