//! What a chunk is, whatever its encoding: samples of one series.

use std::sync::Arc;

use model::seams::Exemplar;
use model::{HISTOGRAM_BITS, Histogram, TimeRange};

use super::bytes::Bad;
use super::{histogram, xor};

/// Longest chunk that is read, in bytes. Prometheus' have a few hundred, with large histograms some ten thousand; what a
/// chunk unpacks to is some sixty times its length at most.
pub(crate) const CHUNK_BYTES_MAX: u64 = 4 << 20;

/// Encoding of chunks of floats.
pub(crate) const XOR: u8 = 1;
/// Of integer histograms.
pub(crate) const HISTOGRAM: u8 = 2;
/// Of float histograms.
pub(crate) const FLOAT_HISTOGRAM: u8 = 3;

/// Samples of one series, as blocks take them.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Unix milliseconds.
    pub times: Vec<i64>,
    /// One for each time: a float's bits, or [`HISTOGRAM_BITS`].
    pub bits: Vec<u64>,
    /// The histograms, by their place in `times`, ascending.
    pub histograms: Vec<(u32, Arc<Histogram>)>,
    /// Start timestamps by the place in `times` from which on they hold, ascending.
    pub starts: Vec<(u32, i64)>,
    /// Exemplars of the series, in any order.
    pub exemplars: Vec<Exemplar>,
}

impl Samples {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.times.clear();
        self.bits.clear();
        self.histograms.clear();
        self.starts.clear();
        self.exemplars.clear();
    }

    pub(crate) fn push(&mut self, time: i64, bits: u64) {
        self.times.push(time);
        // The patterns that mark rows without a float never come from outside.
        self.bits.push(if matches!(bits, model::ABSENT_BITS | HISTOGRAM_BITS) { f64::NAN.to_bits() } else { bits });
    }

    pub(crate) fn push_histogram(&mut self, time: i64, histogram: Arc<Histogram>) {
        self.histograms.push((self.times.len() as u32, histogram));
        self.times.push(time);
        self.bits.push(HISTOGRAM_BITS);
    }

    /// Makes times ascend, each once; of equal ones the first that was pushed stays.
    pub(crate) fn normalise(&mut self) {
        if self.times.windows(2).all(|pair| pair[0] < pair[1]) {
            return;
        }
        let mut order: Vec<u32> = (0..self.times.len() as u32).collect();
        order.sort_by_key(|at| self.times[*at as usize]);
        order.dedup_by_key(|at| self.times[*at as usize]);
        self.keep(&order);
    }

    /// Only what lies in the range; times must ascend.
    pub(crate) fn limit(&mut self, range: TimeRange) {
        let from = self.times.partition_point(|time| *time < range.start) as u32;
        let to = self.times.partition_point(|time| *time <= range.end) as u32;
        if (from, to) != (0, self.times.len() as u32) {
            self.keep(&(from..to.max(from)).collect::<Vec<u32>>());
        }
        self.exemplars.retain(|exemplar| (range.start..=range.end).contains(&exemplar.time));
    }

    /// Without the samples in the closed intervals.
    pub(crate) fn without(&mut self, intervals: &[(i64, i64)]) {
        let deleted = |time: i64| intervals.iter().any(|(from, to)| (*from..=*to).contains(&time));
        if self.times.iter().any(|time| deleted(*time)) {
            self.keep(&(0..self.times.len() as u32).filter(|at| !deleted(self.times[*at as usize])).collect::<Vec<u32>>());
        }
    }

    /// Keeps these samples, in this order.
    fn keep(&mut self, order: &[u32]) {
        self.times = order.iter().map(|at| self.times[*at as usize]).collect();
        self.bits = order.iter().map(|at| self.bits[*at as usize]).collect();
        if !self.histograms.is_empty() {
            let found = |at: &u32| self.histograms.binary_search_by_key(at, |(place, _)| *place).ok();
            let kept = order.iter().enumerate().filter_map(|(new, at)| Some((new as u32, self.histograms[found(at)?].1.clone())));
            self.histograms = kept.collect();
        }
        if !self.starts.is_empty() {
            // What holds at a sample that stays.
            let mut kept: Vec<(u32, i64)> = Vec::new();
            for (new, at) in order.iter().enumerate() {
                let before = self.starts.partition_point(|(place, _)| place <= at);
                if let Some((_, start)) = before.checked_sub(1).map(|last| self.starts[last])
                    && kept.last().is_none_or(|(_, last)| *last != start)
                {
                    kept.push((new as u32, start));
                }
            }
            self.starts = kept;
        }
    }
}

/// Appends the samples of a chunk.
pub(crate) fn decode(encoding: u8, data: &[u8], samples: &mut Samples) -> Result<(), Bad> {
    match encoding {
        XOR => xor::decode(data, |time, bits| samples.push(time, bits)),
        HISTOGRAM | FLOAT_HISTOGRAM => {
            histogram::decode(data, encoding == FLOAT_HISTOGRAM, |time, histogram| samples.push_histogram(time, Arc::new(histogram)))
        }
        other => Err(unknown(other)),
    }
}

/// An encoding that is not read.
fn unknown(encoding: u8) -> Bad {
    let name = match encoding {
        0 => "none",
        4 => "XOR with start timestamps, of a Prometheus that is newer than this program",
        _ => "of a Prometheus that is newer than this program, or of another database",
    };
    Bad::new(0, format!("the chunk has encoding {encoding} ({name}); 1 (XOR), 2 (histogram) and 3 (float histogram) are read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_times_stays_and_histograms_move_along() {
        let mut samples = Samples::default();
        samples.push(30, 3);
        samples.push_histogram(10, Arc::new(Histogram::stale()));
        samples.push(20, 2);
        samples.push(30, 9);
        samples.normalise();
        assert_eq!(samples.times, [10, 20, 30]);
        assert_eq!(samples.bits, [HISTOGRAM_BITS, 2, 3]);
        assert_eq!(samples.histograms.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0]);
        samples.without(&[(15, 25)]);
        samples.limit(TimeRange { start: 11, end: 99 });
        assert_eq!((samples.times.as_slice(), samples.histograms.len()), ([30].as_slice(), 0));
    }

    #[test]
    fn an_unknown_encoding_is_refused_by_name() {
        let bad = decode(4, &[], &mut Samples::default()).expect_err("nobody reads it");
        assert!(bad.what.contains("start timestamps"), "{bad:?}");
    }
}
