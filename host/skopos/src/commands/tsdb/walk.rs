//! Series by their labels with bounded memory: what is read at once is one metric, or where that is too much, one series.

use std::collections::HashMap;
use std::sync::Arc;

use model::seams::{ColumnSamples, GroupSamples, Select, SelectRequest, SelectedGroup};
use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, LabelSet, METRIC_NAME, MatchOp, Matcher, TimeRange};

use crate::out;

/// Most samples that are read at once: 128 MB.
const SAMPLES_MAX: usize = 8 << 20;

/// One sample.
pub(super) enum Value<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

/// Gives the samples of each series in the range to `sink`, by labels, then by time.
pub(super) fn series(
    select: &dyn Select,
    matchers: &[Matcher],
    range: TimeRange,
    sink: &mut dyn FnMut(&LabelSet, i64, Value<'_>),
) -> Result<(), String> {
    let failed = |error: model::seams::SelectError| error.to_string();
    let sets = if matchers.is_empty() { Vec::new() } else { vec![matchers.to_vec()] };
    let all = select.series(&sets, range, 0).map_err(failed)?;
    for run in all.chunk_by(|a, b| a.metric_name() == b.metric_name()) {
        let name = equal(METRIC_NAME, run[0].metric_name().unwrap_or_default())?;
        let groups = select.select(&SelectRequest { matchers: &[&[name], matchers].concat(), range }).map_err(failed)?;
        if groups.iter().map(|group| group.samples_max()).sum::<usize>() <= SAMPLES_MAX {
            give(&groups, run, range, sink)?;
            continue;
        }
        drop(groups);
        for labels in run {
            let own = labels.iter().map(|(name, value)| equal(name, value)).collect::<Result<Vec<Matcher>, String>>()?;
            let groups = select.select(&SelectRequest { matchers: &own, range }).map_err(failed)?;
            // Series with further labels fit too.
            let groups: Vec<_> = groups.into_iter().filter(|group| group.labels().contains(labels)).collect();
            give(&groups, std::slice::from_ref(labels), range, sink)?;
        }
    }
    Ok(())
}

fn equal(name: &str, value: &str) -> Result<Matcher, String> {
    Matcher::new(name, MatchOp::Equal, value).map_err(|error| error.to_string())
}

fn give(
    groups: &[Box<dyn SelectedGroup>],
    wanted: &[LabelSet],
    range: TimeRange,
    sink: &mut dyn FnMut(&LabelSet, i64, Value<'_>),
) -> Result<(), String> {
    let mut places: HashMap<&LabelSet, (usize, usize)> = HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        places.extend(group.labels().iter().enumerate().map(|(column, labels)| (labels, (at, column))));
    }
    let mut read: Vec<Option<GroupSamples>> = groups.iter().map(|_| None).collect();
    for labels in wanted {
        let Some((group, column)) = places.get(labels) else { continue };
        if read[*group].is_none() {
            let samples = groups[*group].read().map_err(|error| error.to_string())?;
            warn(&samples);
            read[*group] = Some(samples);
        }
        let Some(samples) = &read[*group] else { continue };
        let column = &samples.columns[*column];
        for (row, time) in samples.times.iter().enumerate().filter(|(_, time)| (range.start..=range.end).contains(time)) {
            match (histogram_of(column, row), column.floats()[row]) {
                (Some(histogram), _) => sink(labels, *time, Value::Histogram(histogram)),
                (None, value) if model::is_absent(value) => {}
                (None, value) => sink(labels, *time, Value::Float(value)),
            }
        }
    }
    Ok(())
}

/// Says what could not be read.
pub(super) fn warn(samples: &GroupSamples) {
    samples.warnings.iter().for_each(|warning| out::error(format_args!("warning: {warning}")));
}

/// The histogram of a row.
pub(super) fn histogram_of(column: &ColumnSamples, row: usize) -> Option<&Arc<Histogram>> {
    match column {
        ColumnSamples::Mixed { histograms, .. } => histograms.get(row).and_then(Option::as_ref),
        _ => None,
    }
}

/// A column as bits with marks, absent outside of the range.
pub(super) fn bits_of(column: &ColumnSamples, times: &[i64], range: TimeRange) -> Vec<u64> {
    let bits = column.floats().iter().zip(times).enumerate().map(|(row, (value, time))| {
        if !(range.start..=range.end).contains(time) {
            ABSENT_BITS
        } else if histogram_of(column, row).is_some() {
            HISTOGRAM_BITS
        } else {
            value.to_bits()
        }
    });
    bits.collect()
}
