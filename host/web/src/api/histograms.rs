//! Native histograms as series of numbers, which is what panels draw: as those of a classic histogram, that is by their counts and sums,
//! or by buckets where a heatmap is wanted.

use std::collections::{BTreeMap, BTreeSet};

use dashboards::frames::ResultSeries;
use model::{LabelSet, METRIC_NAME, TimestampMs};
use promql::{FloatHistogram, HistogramPoint};

/// Most buckets that are told apart. Where there are more, some are drawn together.
const BUCKETS_MAX: usize = 400;

/// Its counts and its sums.
pub(super) fn totals(labels: &LabelSet, points: &[HistogramPoint]) -> [ResultSeries; 2] {
    let times: Vec<TimestampMs> = points.iter().map(|point| point.time).collect();
    let series = |what: &str, value: fn(&FloatHistogram) -> f64| {
        // What a function made has no name.
        let name = labels.get(METRIC_NAME).map_or_else(|| what.to_owned(), |name| format!("{name}_{what}"));
        let values = points.iter().map(|point| value(&point.histogram)).collect();
        ResultSeries { labels: labels.with(METRIC_NAME, &name), times: times.clone(), values }
    };
    [series("count", |histogram| histogram.count), series("sum", |histogram| histogram.sum)]
}

/// A series for each bound, of how much is not above it in all of these together; its label is `le`.
pub(super) fn buckets<'h>(points: impl Iterator<Item = &'h HistogramPoint> + Clone) -> Vec<ResultSeries> {
    let uppers = points.clone().flat_map(|point| point.histogram.buckets().map(|bucket| Bound(bucket.upper)));
    let all: Vec<f64> = uppers.collect::<BTreeSet<Bound>>().into_iter().map(|bound| bound.0).collect();
    let together = all.len().div_ceil(BUCKETS_MAX).max(1);
    // The highest one of those that are drawn together, so that what is not above a bound stays exact.
    let bounds: Vec<f64> = all.chunks(together).filter_map(|chunk| chunk.last().copied()).collect();
    let mut rows: BTreeMap<TimestampMs, Vec<f64>> = BTreeMap::new();
    for point in points {
        let row = rows.entry(point.time).or_insert_with(|| vec![0.0; bounds.len()]);
        for bucket in point.histogram.buckets() {
            let at = bounds.partition_point(|bound| *bound < bucket.upper);
            row.get_mut(at).into_iter().for_each(|cell| *cell += bucket.count);
        }
    }
    for row in rows.values_mut() {
        let mut below = 0.0;
        for cell in row {
            below += *cell;
            *cell = below;
        }
    }
    let of = |(at, bound): (usize, &f64)| ResultSeries {
        labels: LabelSet::from_pairs([("le", if *bound == f64::INFINITY { "+Inf".to_owned() } else { bound.to_string() })]),
        times: rows.keys().copied().collect(),
        values: rows.values().filter_map(|row| row.get(at).copied()).collect(),
    };
    bounds.iter().enumerate().map(of).collect()
}

/// A bound, in order. Both zeros are one.
#[derive(Clone, Copy)]
struct Bound(f64);

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0 + 0.0).total_cmp(&(other.0 + 0.0))
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn points(text: &str) -> Vec<HistogramPoint> {
        let memory = promql::Memory::new();
        memory.load_text("h", text, 1000).unwrap();
        let result = promql::instant(&promql::parse("h[1h]").unwrap(), 10_000, &memory, &promql::Limits::default()).unwrap();
        let promql::Value::Matrix(series) = result.value else { panic!("a range vector") };
        series.into_iter().flat_map(|series| series.histograms).collect()
    }

    fn bounds_and_values(series: &[ResultSeries]) -> Vec<(&str, &[f64])> {
        series.iter().map(|series| (series.labels.get("le").unwrap(), series.values.as_slice())).collect()
    }

    #[test]
    fn buckets_of_several_histograms_add_up() {
        let one = points("{{schema:0 count:6 sum:9 z_bucket:1 z_bucket_w:0.25 buckets:[2 0 3]}} {{schema:0 count:1 sum:2 buckets:[0 1]}}");
        let other = points("{{schema:-53 count:6 sum:4 custom_values:[1 2.5] buckets:[1 2 3]}}");
        let series = buckets(one.iter().chain(&other));
        let wanted: [(&str, &[f64]); 5] =
            [("0.25", &[1.0, 0.0]), ("1", &[4.0, 0.0]), ("2", &[4.0, 1.0]), ("2.5", &[6.0, 1.0]), ("4", &[9.0, 1.0])];
        let found = bounds_and_values(&series);
        assert_eq!(found[..5], wanted);
        assert_eq!(found[5], ("+Inf", &[12.0, 1.0][..]));
        assert_eq!(series[0].times, [0, 1000]);
    }

    #[test]
    fn many_buckets_are_drawn_together() {
        let mut histogram = points("{{schema:8 count:1000 sum:9 buckets:[1]}}")[0].histogram.as_ref().clone();
        histogram.positive = (0..1000).map(|index| promql::Bucket { index, count: 1.0 }).collect();
        let series = buckets([HistogramPoint { time: 0, histogram: Arc::new(histogram) }].iter());
        let found = bounds_and_values(&series);
        assert!((BUCKETS_MAX / 2..=BUCKETS_MAX).contains(&found.len()), "{}", found.len());
        assert_eq!((found[0].1, found[found.len() - 1].1), (&[3.0][..], &[1000.0][..]));
    }

    #[test]
    fn counts_and_sums_are_named_as_those_of_classic_histograms() {
        let all = points("{{schema:0 count:3 sum:4.5 buckets:[1 2]}}");
        let names = |labels: &LabelSet| totals(labels, &all).map(|series| (series.labels.to_string(), series.values));
        let named = LabelSet::from_pairs([(METRIC_NAME, "h"), ("a", "b")]);
        assert_eq!(
            names(&named),
            [(named.with(METRIC_NAME, "h_count").to_string(), vec![3.0]), (named.with(METRIC_NAME, "h_sum").to_string(), vec![4.5])]
        );
        assert!(names(&LabelSet::empty())[0].0.contains("count"));
    }
}
