//! Writes chunks of native histograms, which `histogram` reads.

use model::{CUSTOM_BUCKETS_SCHEMA, Histogram, HistogramCounts, ResetHint};

use super::bits::{BitWriter, XorState};
use super::histogram::{Changing, Floats, GAUGE, Integers, NO_RESET, RESET};

/// The greatest custom bound that is written as thousandths.
const SHORT_BOUND_MAX: f64 = 33_554_430.0;

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
                    // What follows a stale sample stands in the next chunk, so that its counts may be anything; upstream writes 0.
                    let number = |state: &Changing, value: u64| if stale { state.expected() } else { value as i64 };
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

    use model::BucketSpan;

    use super::super::histogram::decode;
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
