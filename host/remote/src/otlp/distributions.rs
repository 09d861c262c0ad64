//! Histograms of OpenTelemetry as native ones:
//! <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#exponential-histograms>.

use exposition::wire::{Fields, Value, zigzag};
use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, EXPONENTIAL_SCHEMAS, Histogram, HistogramCounts, ResetHint};

use crate::histogram::check_counts;
use crate::message::{MessageError, number};

/// Half the width of the bucket around zero where a point does not say it: what upstream takes.
const ZERO_THRESHOLD: f64 = 1e-128;
/// Empty buckets that are written out rather than to begin a new span.
const GAP_MAX: i64 = 2;

/// `Buckets`: counts from an index on.
#[derive(Default)]
pub(crate) struct Buckets {
    pub(crate) offset: i64,
    pub(crate) counts: Vec<u64>,
}

impl Buckets {
    pub(crate) fn read(message: &[u8]) -> Result<Self, MessageError> {
        let mut buckets = Self::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match (field.number, field.value) {
                (1, value) => buckets.offset = i64::from(zigzag(number(value)?) as i32),
                (2, Value::Bytes(packed)) => {
                    let mut packed = Fields::new(packed);
                    while !packed.is_empty() {
                        buckets.counts.push(packed.varint()?);
                    }
                }
                (2, value) => buckets.counts.push(number(value)?),
                _ => {}
            }
        }
        Ok(buckets)
    }
}

/// An `ExponentialHistogramDataPoint` without what all points have.
#[derive(Default)]
pub(crate) struct Exponential {
    pub(crate) scale: i64,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) zero_count: u64,
    pub(crate) zero_threshold: f64,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
}

impl Exponential {
    /// As a native histogram, with coarser buckets where these are finer than there are. The error says why there is none.
    pub(crate) fn native(&self) -> Result<Histogram, String> {
        let (coarsest, finest) = (i64::from(*EXPONENTIAL_SCHEMAS.start()), i64::from(*EXPONENTIAL_SCHEMAS.end()));
        if self.scale < coarsest {
            return Err(format!(
                "an exponential histogram of scale {} is coarser than {coarsest}, which native histograms end at",
                self.scale
            ));
        }
        let down = (self.scale - finest).clamp(0, 63) as u32;
        // A bucket here ends where the one of OpenTelemetry with an index lower by one does.
        let side = |buckets: &Buckets| layout(buckets.counts.iter().zip(buckets.offset..).map(|(count, at)| ((at >> down) + 1, *count)));
        let ((positive_spans, positive), (negative_spans, negative)) = (side(&self.positive)?, side(&self.negative)?);
        checked(Histogram {
            schema: self.scale.min(finest) as i32,
            zero_threshold: if self.zero_threshold > 0.0 { self.zero_threshold } else { ZERO_THRESHOLD },
            sum: self.sum,
            counts: HistogramCounts::Integer { count: self.count, zero: self.zero_count, positive, negative },
            positive_spans,
            negative_spans,
            custom_bounds: Vec::new(),
            reset_hint: ResetHint::Unknown,
        })
    }
}

/// A histogram with bounds as a native one with custom buckets.
pub(crate) fn custom(bounds: &[f64], counts: &[u64], count: u64, sum: f64) -> Result<Histogram, String> {
    let (positive_spans, positive) = layout((0..).zip(counts.iter().copied()))?;
    checked(Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        zero_threshold: 0.0,
        sum,
        counts: HistogramCounts::Integer { count, zero: 0, positive, negative: Vec::new() },
        positive_spans,
        negative_spans: Vec::new(),
        custom_bounds: bounds.strip_suffix(&[f64::INFINITY]).unwrap_or(bounds).to_vec(),
        reset_hint: ResetHint::Unknown,
    })
}

fn checked(histogram: Histogram) -> Result<Histogram, String> {
    histogram.check().and_then(|()| check_counts(&histogram))?;
    Ok(histogram)
}

/// Spans and their counts, from counts by ascending index; those of the same index are added.
fn layout(buckets: impl Iterator<Item = (i64, u64)>) -> Result<(Vec<BucketSpan>, Vec<u64>), String> {
    let (mut spans, mut counts): (Vec<BucketSpan>, Vec<u64>) = (Vec::new(), Vec::new());
    // The index after the last bucket.
    let mut end = 0_i64;
    for (index, count) in buckets.filter(|(_, count)| *count > 0) {
        match spans.last_mut() {
            Some(_) if index < end => {
                let Some(sum) = counts.last().and_then(|last| last.checked_add(count)) else {
                    return Err("the counts of a histogram's buckets have more than 64 bits".to_owned());
                };
                counts.pop();
                counts.push(sum);
                continue;
            }
            Some(span) if index - end <= GAP_MAX => {
                span.length += (index - end) as u32 + 1;
                counts.extend((end..index).map(|_| 0));
            }
            _ => {
                let offset = i32::try_from(index - end).map_err(|_| "a bucket of a histogram lies out of all bounds".to_owned())?;
                spans.push(BucketSpan { offset, length: 1 });
            }
        }
        counts.push(count);
        end = index + 1;
    }
    Ok((spans, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_past_the_finest_are_joined() {
        let positive = Buckets { offset: -3, counts: vec![1, 2, 0, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7] };
        let point = Exponential { scale: 9, count: 21, zero_count: 2, positive, ..Exponential::default() };
        let native = point.native().expect("it fits");
        // Indices -3, -2, -1 | 0, 1 | 16 of scale 9 are -2, -1, -1 | 0, 0 | 8 of scale 8, and one more here.
        assert_eq!((native.schema, native.zero_threshold), (8, ZERO_THRESHOLD));
        assert_eq!(native.positive_spans, [BucketSpan { offset: -1, length: 3 }, BucketSpan { offset: 7, length: 1 }]);
        let HistogramCounts::Integer { positive, .. } = native.counts else { panic!("integers") };
        assert_eq!(positive, [1, 2, 9, 7]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let of = |scale: i64, offset: i64, counts: Vec<u64>, count: u64| {
            Exponential { scale, count, positive: Buckets { offset, counts }, ..Exponential::default() }.native()
        };
        assert!(of(-5, 0, vec![1], 1).is_err());
        assert!(of(0, i64::from(i32::MAX), vec![1], 1).is_err());
        assert!(of(0, 0, vec![1], 2).is_err(), "counts do not add up");
        assert!(of(20, 0, vec![u64::MAX, 1], 1).is_err());
        assert!(of(i64::from(i32::MAX), i64::from(i32::MIN), vec![1, 1], 2).is_ok());
        assert!(custom(&[2.0, 1.0], &[1, 0, 0], 1, 0.0).is_err());
        assert!(custom(&[1.0], &[1, 0, 5], 6, 0.0).is_err());
        assert!(custom(&[1.0, 2.0], &[1, 0, 5], 6, 0.0).is_ok());
    }
}
