use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use model::seams::Exemplar;
use model::{Histogram, LabelSet, StartTimestampMs, TimeRange};

use super::{Samples, SeriesSource};
use crate::prometheus::XorChunk;

/// Samples of one piece. Whole pieces are read when one sample of them is asked for.
const PIECE_SAMPLES: u16 = 480;

/// Series in memory, packed: some two bytes a sample. For sources whose samples do not come series by series.
#[derive(Default)]
pub struct Buffer {
    places: HashMap<LabelSet, u32>,
    series: Vec<Series>,
    range: Option<TimeRange>,
    samples: u64,
}

#[derive(Default)]
struct Series {
    labels: LabelSet,
    pieces: Vec<Piece>,
    open: XorChunk,
    open_from: i64,
    histograms: Vec<(i64, Arc<Histogram>)>,
    starts: Vec<(i64, StartTimestampMs)>,
    exemplars: Vec<Exemplar>,
    deleted: Vec<(i64, i64)>,
}

struct Piece {
    from: i64,
    to: i64,
    bytes: Box<[u8]>,
}

impl Buffer {
    /// Without series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a series, which is made if it is not there.
    pub fn series(&mut self, labels: &LabelSet) -> u32 {
        if let Some(place) = self.places.get(labels) {
            return *place;
        }
        let place = self.series.len() as u32;
        self.series.push(Series { labels: labels.clone(), ..Series::default() });
        self.places.insert(labels.clone(), place);
        place
    }

    /// A sample: its value's bits. Of several at one time the first counts.
    pub fn push(&mut self, series: u32, time: i64, bits: u64) {
        let series = &mut self.series[series as usize];
        if series.open.len() == PIECE_SAMPLES || series.open.last().is_some_and(|last| last >= time) {
            series.close();
        }
        if series.open.len() == 0 {
            series.open_from = time;
        }
        series.open.push(time, bits);
        self.saw(time);
    }

    /// A histogram.
    pub fn push_histogram(&mut self, series: u32, time: i64, histogram: Arc<Histogram>) {
        self.series[series as usize].histograms.push((time, histogram));
        self.saw(time);
    }

    /// From this time on the series counts since `start`; 0: nobody said.
    pub fn start(&mut self, series: u32, time: i64, start: StartTimestampMs) {
        let starts = &mut self.series[series as usize].starts;
        if starts.last().map_or(0, |(_, last)| *last) != start {
            starts.push((time, start));
        }
    }

    /// An exemplar of a series.
    pub fn exemplar(&mut self, series: u32, exemplar: Exemplar) {
        self.series[series as usize].exemplars.push(exemplar);
    }

    /// Samples in these closed intervals are not shown.
    pub fn delete(&mut self, series: u32, intervals: &[(i64, i64)]) {
        self.series[series as usize].deleted.extend_from_slice(intervals);
    }

    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// How many samples were pushed.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    fn saw(&mut self, time: i64) {
        self.samples += 1;
        let range = self.range.get_or_insert(TimeRange { start: time, end: time });
        (range.start, range.end) = (range.start.min(time), range.end.max(time));
    }
}

impl Series {
    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        let to = open.last().unwrap_or(self.open_from);
        self.pieces.push(Piece { from: self.open_from, to, bytes: open.into_bytes().into_boxed_slice() });
    }

    fn read(&self, range: TimeRange, samples: &mut Samples) {
        samples.clear();
        let overlap = |from: i64, to: i64| from <= range.end && to >= range.start;
        let closed = self.pieces.iter().filter(|piece| overlap(piece.from, piece.to)).map(|piece| &*piece.bytes);
        let open = self.open.last().filter(|last| overlap(self.open_from, *last)).map(|_| self.open.bytes());
        for bytes in closed.chain(open) {
            // It was written by this program into this memory.
            let _ = crate::prometheus::decode_xor(bytes, |time, bits| samples.push(time, bits));
        }
        for (time, histogram) in self.histograms.iter().filter(|(time, _)| (range.start..=range.end).contains(time)) {
            samples.push_histogram(*time, histogram.clone());
        }
        samples.normalise();
        samples.limit(range);
        samples.without(&self.deleted);
        for (at, (from, start)) in self.starts.iter().enumerate() {
            let until = self.starts.get(at + 1).map_or(i64::MAX, |(next, _)| *next);
            let row = samples.times.partition_point(|time| time < from);
            if *start != 0 && samples.times.get(row).is_some_and(|time| *time < until) {
                samples.starts.push((row as u32, *start));
            }
        }
        samples.exemplars.extend(self.exemplars.iter().filter(|e| (range.start..=range.end).contains(&e.time)).cloned());
        samples.exemplars.sort_by_key(|exemplar| exemplar.time);
        samples.exemplars.dedup_by(|after, before| after.is_same(before));
    }
}

impl SeriesSource for Buffer {
    type Error = Infallible;

    fn time_range(&self) -> Option<TimeRange> {
        self.range
    }

    fn units(&self, unit: i64) -> Result<BTreeSet<i64>, Infallible> {
        let mut units = BTreeSet::new();
        for series in &self.series {
            let histograms = series.histograms.iter().map(|(time, _)| (*time, *time));
            let open = series.open.last().map(|last| (series.open_from, last));
            for (from, to) in series.pieces.iter().map(|piece| (piece.from, piece.to)).chain(histograms).chain(open) {
                // Far apart: the piece is read to see where its samples lie.
                if to.saturating_sub(from) / unit.max(1) > 4096 {
                    let mut samples = Samples::default();
                    series.read(TimeRange { start: from, end: to }, &mut samples);
                    units.extend(samples.times.iter().map(|time| time.div_euclid(unit.max(1))));
                } else {
                    units.extend(from.div_euclid(unit.max(1))..=to.div_euclid(unit.max(1)));
                }
            }
        }
        Ok(units)
    }

    fn visit(&self, sink: &mut dyn FnMut(u64, LabelSet)) -> Result<(), Infallible> {
        self.series.iter().enumerate().for_each(|(number, series)| sink(number as u64, series.labels.clone()));
        Ok(())
    }

    fn labels(&self, series: u64) -> Result<LabelSet, Infallible> {
        Ok(self.series[series as usize].labels.clone())
    }

    fn read(&self, series: u64, range: TimeRange, samples: &mut Samples) -> Result<(), Infallible> {
        self.series[series as usize].read(range, samples);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_in_any_order_come_back_in_that_of_time_and_the_first_of_equal_times_counts() {
        let mut buffer = Buffer::new();
        let series = buffer.series(&LabelSet::from_pairs([("a", "1")]));
        for time in (0..2000_i64).chain([500, 7]).chain(-3..0) {
            buffer.push(series, time, if time == 500 && buffer.samples() > 500 { 1 } else { time as u64 });
        }
        buffer.start(series, 100, 50);
        buffer.start(series, 150, 50);
        let mut samples = Samples::default();
        let Ok(()) = SeriesSource::read(&buffer, 0, TimeRange { start: -2, end: 900 }, &mut samples);
        assert_eq!(samples.times, (-2..=900).collect::<Vec<i64>>());
        assert!(samples.times.iter().zip(&samples.bits).all(|(time, bits)| *time as u64 == *bits));
        assert_eq!(samples.starts, [(102, 50)]);
        buffer.delete(series, &[(0, 899)]);
        let Ok(()) = SeriesSource::read(&buffer, 0, TimeRange { start: -2, end: 900 }, &mut samples);
        assert_eq!(samples.times, [-2, -1, 900]);
        assert_eq!(buffer.time_range(), Some(TimeRange { start: -3, end: 1999 }));
    }
}
