//! How punctual scrapes are: how long after its tick each began, and how far apart those of one target were.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::{HistogramValue, SummaryValue};

/// Upper bounds of the histogram of lateness, in microseconds. Timers have a grain of one millisecond.
const LATE_BOUNDS_US: [u64; 11] = [1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];

/// Lengths of intervals that quantiles are made of, the newest ones, for each configured interval.
const LENGTHS_KEPT: usize = 1000;

/// Configured intervals that are told apart; relabelling can make any number of them.
const INTERVALS_MAX: usize = 64;

/// As upstream has them.
const QUANTILES: [f64; 5] = [0.01, 0.05, 0.5, 0.9, 0.99];

/// Of all targets.
#[derive(Default)]
pub(crate) struct Punctuality {
    late: [AtomicU64; LATE_BOUNDS_US.len() + 1],
    late_us: AtomicU64,
    lengths: Mutex<BTreeMap<u64, Lengths>>,
}

#[derive(Default)]
struct Lengths {
    count: u64,
    sum_us: u64,
    /// In microseconds, the oldest replaced first.
    newest: Vec<u32>,
}

impl Punctuality {
    /// A scrape began so long after its tick.
    pub(crate) fn began(&self, late: Duration) {
        let us = micros(late);
        let bucket = LATE_BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(LATE_BOUNDS_US.len());
        self.late[bucket].fetch_add(1, Ordering::Relaxed);
        self.late_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Two scrapes of a target began so far apart.
    pub(crate) fn apart(&self, interval_ms: u64, length: Duration) {
        let us = micros(length);
        let mut lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        if lengths.len() >= INTERVALS_MAX && !lengths.contains_key(&interval_ms) {
            return;
        }
        let of = lengths.entry(interval_ms).or_default();
        let short = u32::try_from(us).unwrap_or(u32::MAX);
        if of.newest.len() < LENGTHS_KEPT {
            of.newest.push(short);
        } else {
            let at = usize::try_from(of.count % LENGTHS_KEPT as u64).unwrap_or(0);
            of.newest[at] = short;
        }
        of.count += 1;
        of.sum_us = of.sum_us.saturating_add(us);
    }

    /// How late scrapes began, in seconds.
    pub(crate) fn lateness(&self) -> HistogramValue {
        let mut count = 0;
        let bounds = LATE_BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets = bounds.zip(&self.late).map(|(bound, bucket)| {
            count += bucket.load(Ordering::Relaxed);
            (bound, count)
        });
        let buckets = buckets.collect();
        HistogramValue { count, sum: self.late_us.load(Ordering::Relaxed) as f64 / 1e6, buckets }
    }

    /// By configured interval in milliseconds, the lengths of intervals in seconds.
    pub(crate) fn interval_lengths(&self) -> Vec<(u64, SummaryValue)> {
        let lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
        lengths.iter().map(|(interval_ms, lengths)| (*interval_ms, lengths.summary())).collect()
    }
}

impl Lengths {
    fn summary(&self) -> SummaryValue {
        let mut sorted = self.newest.clone();
        sorted.sort_unstable();
        let at = |quantile: f64| {
            let rank = (quantile * sorted.len() as f64).ceil() as usize;
            f64::from(sorted.get(rank.max(1) - 1).copied().unwrap_or(0)) / 1e6
        };
        SummaryValue { count: self.count, sum: self.sum_us as f64 / 1e6, quantiles: QUANTILES.map(|q| (q, at(q))).to_vec() }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_counted_by_bound() {
        let punctuality = Punctuality::default();
        for us in [0, 1_000, 1_001, 90_000, 10_000_000] {
            punctuality.began(Duration::from_micros(us));
        }
        let late = punctuality.lateness();
        assert_eq!(late.count, 5);
        assert!((late.sum - 10.092_001).abs() < 1e-9, "{}", late.sum);
        assert_eq!(late.buckets.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5]);
    }

    #[test]
    fn lengths_of_intervals_are_those_of_the_newest() {
        let punctuality = Punctuality::default();
        for n in 0..1500_u64 {
            punctuality.apart(1000, Duration::from_millis(if n < 500 { 9_000 } else { 1000 + (n % 100) }));
        }
        for other in 0..100 {
            punctuality.apart(5_000 + other, Duration::from_secs(5));
        }
        let lengths = punctuality.interval_lengths();
        assert_eq!(lengths.len(), INTERVALS_MAX);
        let (interval, summary) = &lengths[0];
        assert_eq!((*interval, summary.count), (1000, 1500));
        assert_eq!(summary.quantiles, [(0.01, 1.0), (0.05, 1.004), (0.5, 1.049), (0.9, 1.089), (0.99, 1.098)]);
    }
}
