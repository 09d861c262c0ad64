//! Results of queries as columns.

use std::collections::{BTreeMap, BTreeSet};

use model::view::{Field, Frame, Values};
use model::{LabelSet, METRIC_NAME, TimestampMs};

use crate::model::{ResultFormat, Target};
use crate::names;

/// One series of a query's result: at least one point, times ascending.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultSeries {
    /// Its labels.
    pub labels: LabelSet,
    /// Its times.
    pub times: Vec<TimestampMs>,
    /// One value for each time.
    pub values: Vec<f64>,
}

/// The frames of one query, in the form it asks for.
///
/// `expr` is what was asked, for series without labels; `step_ms` the step of a range query, with which gaps are marked by
/// NaN; `several` says that the panel has more queries, so that columns of tables are told apart by the query's letter.
#[must_use]
pub fn frames(target: &Target, expr: &str, series: Vec<ResultSeries>, step_ms: Option<u64>, several: bool) -> Vec<Frame> {
    match target.format {
        ResultFormat::TimeSeries => time_series(target, expr, series, step_ms),
        ResultFormat::Table => vec![table(&target.ref_id, &series, several)],
        ResultFormat::Heatmap => vec![heatmap(&target.ref_id, series)],
    }
}

fn time_series(target: &Target, expr: &str, series: Vec<ResultSeries>, step_ms: Option<u64>) -> Vec<Frame> {
    let automatic = matches!(target.legend.as_str(), "" | "__auto");
    let mut frames: Vec<Frame> = series
        .into_iter()
        .map(|series| {
            let name = if automatic { String::new() } else { names::legend(&target.legend, &series.labels) };
            let (times, values) = mark_gaps(series.times, series.values, step_ms);
            let value = Field {
                name: "Value".into(),
                labels: series.labels,
                display_name: name.clone(),
                config: 0,
                values: Values::Numbers(values),
            };
            Frame { query: target.ref_id.clone(), name, fields: vec![column("Time", Values::Times(times)), value] }
        })
        .collect();
    if automatic {
        names::automatic(&mut frames, expr);
    }
    frames
}

/// Puts a NaN into each gap, so that lines break there.
fn mark_gaps(times: Vec<TimestampMs>, values: Vec<f64>, step_ms: Option<u64>) -> (Vec<TimestampMs>, Vec<f64>) {
    let Some(step) = step_ms.and_then(|step| i64::try_from(step).ok()).filter(|step| *step > 0) else { return (times, values) };
    if times.windows(2).all(|pair| pair[1] - pair[0] <= step) {
        return (times, values);
    }
    let (mut out_times, mut out_values) = (Vec::with_capacity(times.len() + 1), Vec::with_capacity(values.len() + 1));
    for (time, value) in times.into_iter().zip(values) {
        if let Some(last) = out_times.last().copied().filter(|last| time - last > step) {
            out_times.push(last + step);
            out_values.push(f64::NAN);
        }
        out_times.push(time);
        out_values.push(value);
    }
    (out_times, out_values)
}

/// A column without labels, shown under its name.
pub(crate) fn column(name: &str, values: Values) -> Field {
    Field { name: name.to_owned(), labels: LabelSet::empty(), display_name: name.to_owned(), config: 0, values }
}

/// Rows of all series: time, a column for each label, the value.
fn table(query: &str, series: &[ResultSeries], several: bool) -> Frame {
    let names: BTreeSet<&str> = series.iter().flat_map(|s| s.labels.iter().map(|(name, _)| name)).collect();
    let times = series.iter().flat_map(|s| s.times.iter().copied()).collect();
    let mut fields = vec![column("Time", Values::Times(times))];
    for name in names {
        let cells = series.iter().flat_map(|s| std::iter::repeat_n(s.labels.get(name).unwrap_or("").to_owned(), s.times.len()));
        fields.push(column(name, Values::Strings(cells.collect())));
    }
    let values = series.iter().flat_map(|s| s.values.iter().copied()).collect();
    let name = if several { format!("Value #{query}") } else { "Value".to_owned() };
    fields.push(column(&name, Values::Numbers(values)));
    Frame { query: query.to_owned(), name: String::new(), fields }
}

/// A column for each bucket, ordered by `le`, each without what the lower ones hold. Series of equal `le` add up.
fn heatmap(query: &str, series: Vec<ResultSeries>) -> Frame {
    let mut buckets: Vec<(f64, String, ResultSeries)> = series
        .into_iter()
        .map(|s| {
            let le = s.labels.get("le").unwrap_or("").to_owned();
            let bound = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap_or(f64::NAN) };
            (bound, if le.is_empty() { s.labels.without(METRIC_NAME).to_string() } else { le }, s)
        })
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|series, into| {
        !series.0.is_nan() && series.0 == into.0 && {
            into.2 = added(&into.2, &series.2);
            true
        }
    });
    let times: Vec<TimestampMs> =
        buckets.iter().flat_map(|(_, _, s)| s.times.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect();
    let mut lower = vec![0.0_f64; times.len()];
    let mut fields = vec![column("Time", Values::Times(times.clone()))];
    for (bound, name, series) in buckets {
        let mut cells = vec![f64::NAN; times.len()];
        for (time, value) in series.times.iter().zip(&series.values) {
            let Ok(at) = times.binary_search(time) else { continue };
            cells[at] = if bound.is_nan() { *value } else { (value - lower[at]).max(0.0) };
            if !bound.is_nan() {
                lower[at] = *value;
            }
        }
        fields.push(column(&name, Values::Numbers(cells)));
    }
    Frame { query: query.to_owned(), name: String::new(), fields }
}

/// The values of both at their times, added up where both have one.
fn added(one: &ResultSeries, other: &ResultSeries) -> ResultSeries {
    let mut sums: BTreeMap<TimestampMs, f64> = BTreeMap::new();
    for series in [one, other] {
        series.times.iter().zip(&series.values).for_each(|(time, value)| *sums.entry(*time).or_default() += value);
    }
    ResultSeries { labels: one.labels.clone(), times: sums.keys().copied().collect(), values: sums.into_values().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, &str)], points: &[(i64, f64)]) -> ResultSeries {
        ResultSeries {
            labels: LabelSet::from_pairs(labels.iter().copied()),
            times: points.iter().map(|p| p.0).collect(),
            values: points.iter().map(|p| p.1).collect(),
        }
    }

    fn names_of(legend: &str, series: Vec<ResultSeries>) -> Vec<String> {
        let target = Target { legend: legend.into(), ..Target::default() };
        frames(&target, "expr", series, None, false).into_iter().map(|f| f.fields[1].display_name.clone()).collect()
    }

    #[test]
    fn series_are_named() {
        let two = || vec![series(&[("a", "1"), ("b", "2")], &[(0, 1.0)]), series(&[("a", "2")], &[(0, 1.0)])];
        assert_eq!(names_of("{{a}}", two()), ["1", "2"]);
        assert_eq!(names_of("", two()), [r#"{a="1", b="2"}"#, r#"{a="2"}"#]);
        assert_eq!(names_of("__auto", vec![series(&[("a", "1")], &[(0, 1.0)]), series(&[("a", "2")], &[(0, 1.0)])]), ["1", "2"]);
        assert_eq!(names_of("__auto", vec![series(&[], &[(0, 1.0)])]), ["expr"]);
    }

    #[test]
    fn gaps_break_lines() {
        let frame = &frames(&Target::default(), "", vec![series(&[], &[(0, 1.0), (10, 2.0), (50, 3.0)])], Some(10), false)[0];
        assert_eq!(frame.fields[0].values, Values::Times(vec![0, 10, 20, 50]));
        let Values::Numbers(values) = &frame.fields[1].values else { panic!("numbers") };
        assert!(values[2].is_nan());
    }

    #[test]
    fn tables_have_a_column_for_each_label() {
        let target = Target { ref_id: "B".into(), format: ResultFormat::Table, ..Target::default() };
        let rows = vec![series(&[("a", "1")], &[(5, 1.0)]), series(&[("b", "2")], &[(5, 2.0)])];
        let frame = &frames(&target, "", rows, None, true)[0];
        let names: Vec<&str> = frame.fields.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["Time", "a", "b", "Value #B"]);
        assert_eq!(frame.fields[1].values, Values::Strings(vec!["1".into(), String::new()]));
        assert_eq!(frame.fields[3].values, Values::Numbers(vec![1.0, 2.0]));
    }

    #[test]
    fn buckets_become_their_differences() {
        let target = Target { format: ResultFormat::Heatmap, ..Target::default() };
        let rows = vec![series(&[("le", "+Inf")], &[(0, 9.0)]), series(&[("le", "10")], &[(0, 7.0)]), series(&[("le", "2")], &[(0, 3.0)])];
        let frame = &frames(&target, "", rows, None, false)[0];
        let cells: Vec<_> = frame.fields[1..].iter().map(|f| (f.name.as_str(), f.values.clone())).collect();
        let number = |n: f64| Values::Numbers(vec![n]);
        assert_eq!(cells, [("2", number(3.0)), ("10", number(4.0)), ("+Inf", number(2.0))]);
        // Of two instances.
        let of = |instance: &str, le: &str, value| series(&[("instance", instance), ("le", le)], &[(0, value)]);
        let rows = vec![of("a", "1", 3.0), of("b", "1.0", 5.0), of("a", "+Inf", 4.0), of("b", "+Inf", 9.0)];
        let frame = &frames(&target, "", rows, None, false)[0];
        let cells: Vec<_> = frame.fields[1..].iter().map(|f| (f.name.as_str(), f.values.clone())).collect();
        assert_eq!(cells, [("1", number(8.0)), ("+Inf", number(5.0))]);
    }
}
