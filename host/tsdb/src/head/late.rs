//! Samples that came after newer ones of their group.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, TimeRange, TimestampMs};

/// Late rows by time, and for the same time in the order in which they came.
#[derive(Default)]
pub(crate) struct LateRows {
    rows: BTreeMap<(TimestampMs, u64), Arc<LateRow>>,
    next: u64,
    bytes: usize,
}

/// Samples of one time. By series and not by slot, because slots may have gone to other series since.
pub(crate) struct LateRow {
    pub(crate) time: TimestampMs,
    /// Its place in the log.
    pub(crate) stamp: i64,
    number: u64,
    /// By series, ascending.
    samples: Box<[(u32, u64)]>,
    histograms: Box<[(u32, Arc<Histogram>)]>,
}

impl LateRow {
    /// What the series has.
    pub(crate) fn get(&self, series: u32) -> Option<u64> {
        self.samples.binary_search_by_key(&series, |(series, _)| *series).ok().map(|at| self.samples[at].1)
    }

    /// The series' histogram.
    pub(crate) fn histogram(&self, series: u32) -> Option<&Arc<Histogram>> {
        self.histograms.binary_search_by_key(&series, |(series, _)| *series).ok().map(|at| &self.histograms[at].1)
    }

    pub(crate) fn series(&self) -> impl Iterator<Item = u32> {
        self.samples.iter().map(|(series, _)| *series)
    }

    fn heap_bytes(&self) -> usize {
        let histograms: usize = self.histograms.iter().map(|(_, histogram)| super::histogram_bytes(histogram)).sum();
        160 + self.samples.len() * 16 + histograms
    }
}

impl LateRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds samples by series. Those that are absent are left out, and histograms that no sample marks.
    pub(crate) fn push(&mut self, time: TimestampMs, stamp: i64, samples: Vec<(u32, u64)>, histograms: Vec<(u32, Arc<Histogram>)>) {
        let mut samples: Vec<_> = samples.into_iter().filter(|(_, bits)| *bits != ABSENT_BITS).collect();
        samples.sort_unstable_by_key(|(series, _)| *series);
        samples.dedup_by_key(|(series, _)| *series);
        let mut histograms = histograms;
        histograms.sort_by_key(|(series, _)| *series);
        histograms.retain(|(series, _)| samples.binary_search(&(*series, HISTOGRAM_BITS)).is_ok());
        if samples.is_empty() {
            return;
        }
        let row = LateRow { time, stamp, number: self.next, samples: samples.into(), histograms: histograms.into() };
        self.bytes += row.heap_bytes();
        self.rows.insert((time, self.next), Arc::new(row));
        self.next += 1;
    }

    /// The rows in a range, by time.
    pub(crate) fn within(&self, range: TimeRange) -> impl Iterator<Item = &Arc<LateRow>> {
        let range = (range.start <= range.end).then_some((range.start, 0)..=(range.end, u64::MAX));
        range.into_iter().flat_map(|range| self.rows.range(range)).map(|(_, row)| row)
    }

    /// Drops these rows.
    pub(crate) fn remove(&mut self, rows: &[Arc<LateRow>]) {
        for row in rows {
            if self.rows.remove(&(row.time, row.number)).is_some() {
                self.bytes -= row.heap_bytes();
            }
        }
    }

    /// Drops rows before `time`. Returns how many.
    pub(crate) fn drop_before(&mut self, time: TimestampMs) -> u64 {
        let kept = self.rows.split_off(&(time, 0));
        let dropped = std::mem::replace(&mut self.rows, kept);
        self.bytes -= dropped.values().map(|row| row.heap_bytes()).sum::<usize>();
        dropped.len() as u64
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes
    }
}
