//! What stored series are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::seams::{ColumnSamples, Select, SelectRequest};
use model::{METRIC_NAME, MatchOp, Matcher, TimeRange};

use super::walk::{histogram_of, warn};
use super::{Outcome, list, open, selector, text, time_range};
use crate::out;

/// What is looked at where no block is named, in milliseconds: as much as the shortest block has.
const NEWEST_MS: i64 = 2 * 3_600_000;

/// Numbers by name.
type Counts = BTreeMap<String, u64>;

#[derive(Default)]
struct Found {
    series: u64,
    samples: u64,
    pairs: Counts,
    names: Counts,
    metrics: Counts,
    values: BTreeMap<String, BTreeSet<String>>,
    /// Milliseconds of the range in which series did not exist, by pair and by name.
    absent_pairs: Counts,
    absent_names: Counts,
    kinds: BTreeMap<&'static str, (u64, u64)>,
}

/// `skopos tsdb analyze`
pub(super) fn analyze(data: &Path, block: Option<&str>, matches: Option<&str>, limit: usize) -> Outcome {
    let matchers = matches.map_or(Ok(Vec::new()), selector)?;
    let (db, good) = open(data)?;
    let blocks = db.blocks();
    let range = match block {
        Some(wanted) => {
            let found = blocks.iter().find(|block| list::name(&block.path) == wanted);
            let found = found.ok_or_else(|| format!("{}: there is no block {wanted}; `skopos tsdb list` names them", data.display()))?;
            TimeRange { start: found.time_min, end: found.time_max }
        }
        None => {
            let all = time_range(&db).ok_or_else(|| format!("{}: there are no samples", data.display()))?;
            TimeRange { start: all.start.max(all.end.saturating_sub(NEWEST_MS - 1)), end: all.end }
        }
    };
    let mut found = Found::default();
    let sets = if matchers.is_empty() { Vec::new() } else { vec![matchers.clone()] };
    let metrics = db.label_values(METRIC_NAME, &sets, range, 0).map_err(|error| error.to_string())?;
    // One metric at a time, and those without a name: a target's series are not unpacked all at once.
    for metric in metrics.iter().map(String::as_str).chain([""]) {
        let name = Matcher::new(METRIC_NAME, MatchOp::Equal, metric).map_err(|error| error.to_string())?;
        let wanted = [&[name], matchers.as_slice()].concat();
        for group in db.select(&SelectRequest { matchers: &wanted, range }).map_err(|error| error.to_string())? {
            let samples = group.read().map_err(|error| error.to_string())?;
            warn(&samples);
            for (labels, column) in group.labels().iter().zip(&samples.columns) {
                found.add(labels, column, &samples.times, range);
            }
        }
    }
    let span = range.end.saturating_sub(range.start).saturating_add(1);
    out::line(format_args!("Time: {} to {}", text::time(range.start), text::time(range.end)));
    out::line(format_args!("Duration: {}", text::duration(span)));
    out::line(format_args!("Series: {}", found.series));
    out::line(format_args!("Samples: {}", found.samples));
    out::line(format_args!("Label names: {}", found.names.len()));
    out::line(format_args!("Postings (unique label pairs): {}", found.pairs.len()));
    out::line(format_args!("Postings entries (total label pairs): {}", found.pairs.values().sum::<u64>()));
    let churn = |counts: &Counts| counts.iter().map(|(name, ms)| (name.clone(), ms / span.unsigned_abs().max(1))).collect();
    top("Label pairs most involved in churning", &churn(&found.absent_pairs), limit);
    top("Label names most involved in churning", &churn(&found.absent_names), limit);
    top("Most common label pairs", &found.pairs, limit);
    let lengths = found.values.iter().map(|(name, values)| (name.clone(), values.iter().map(|value| value.len() as u64).sum()));
    top("Label names with highest cumulative label value length", &lengths.collect(), limit);
    top("Highest cardinality labels", &found.values.iter().map(|(name, values)| (name.clone(), values.len() as u64)).collect(), limit);
    top("Highest cardinality metric names", &found.metrics, limit);
    out::line("\nSeries and samples by kind of column:");
    for (kind, (series, samples)) in &found.kinds {
        out::line(format_args!("{kind}: {series} series, {samples} samples"));
    }
    let (samples, bytes) = blocks.iter().fold((0, 0), |(samples, bytes), block| (samples + block.samples, bytes + block.bytes));
    if samples > 0 {
        out::line("\nBytes per sample of each block, index included:");
        for block in &blocks {
            let ratio = block.bytes as f64 / block.samples.max(1) as f64;
            out::line(format_args!("{ratio:.2} {} ({} samples)", list::name(&block.path), block.samples));
        }
        out::line(format_args!("{:.2} all blocks ({samples} samples)", bytes as f64 / samples as f64));
        let mut taken: BTreeMap<&str, u64> = BTreeMap::new();
        let looked_at = || blocks.iter().filter(|one| block.is_none_or(|wanted| list::name(&one.path) == wanted));
        for one in looked_at() {
            for (what, bytes) in db.block_bytes(one.sequence).map_err(|error| error.to_string())? {
                *taken.entry(what).or_default() += bytes;
            }
        }
        let samples: u64 = looked_at().map(|one| one.samples).sum();
        out::line("\nBytes by what they are for, and of them for each sample:");
        let mut taken: Vec<(&str, u64)> = taken.into_iter().collect();
        taken.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        for (what, bytes) in taken {
            out::line(format_args!("{bytes} {:.3} {what}", bytes as f64 / samples.max(1) as f64));
        }
    }
    Ok(good)
}

impl Found {
    fn add(&mut self, labels: &model::LabelSet, column: &ColumnSamples, times: &[i64], range: TimeRange) {
        let inside = |time: i64| (range.start..=range.end).contains(&time);
        let there = |row: usize| !model::is_absent(column.floats()[row]) || histogram_of(column, row).is_some();
        let rows: Vec<usize> = (0..times.len()).filter(|row| inside(times[*row]) && there(*row)).collect();
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return };
        self.series += 1;
        self.samples += rows.len() as u64;
        let absent = (range.end - range.start).saturating_sub(times[*last] - times[*first]).unsigned_abs();
        for (name, value) in labels {
            let pair = format!("{name}={value}");
            *self.absent_pairs.entry(pair.clone()).or_default() += absent;
            *self.absent_names.entry(name.to_owned()).or_default() += absent;
            *self.pairs.entry(pair).or_default() += 1;
            *self.names.entry(name.to_owned()).or_default() += 1;
            self.values.entry(name.to_owned()).or_default().insert(value.to_owned());
        }
        *self.metrics.entry(labels.metric_name().unwrap_or_default().to_owned()).or_default() += 1;
        let kind = self.kinds.entry(kind(column, &rows)).or_default();
        *kind = (kind.0 + 1, kind.1 + rows.len() as u64);
    }
}

/// What decides how well a column is packed.
fn kind(column: &ColumnSamples, rows: &[usize]) -> &'static str {
    if rows.iter().any(|row| histogram_of(column, *row).is_some()) {
        return "native histograms";
    }
    let values: Vec<f64> = rows.iter().map(|row| column.floats()[*row]).filter(|value| !model::is_stale(*value)).collect();
    if values.windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits()) {
        "constant"
    } else if values.iter().all(|value| value.fract() == 0.0 && value.abs() < 9e15) {
        if values.windows(2).all(|pair| pair[0] <= pair[1]) { "whole numbers that rise" } else { "whole numbers" }
    } else if values.iter().all(|value| (value * 1e6).fract() == 0.0 && value.abs() < 9e9) {
        "decimals"
    } else {
        "floats"
    }
}

fn top(title: &str, counts: &Counts, limit: usize) {
    out::line(format_args!("\n{title}:"));
    let mut sorted: Vec<(&String, &u64)> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    sorted.iter().take(limit).for_each(|(name, count)| out::line(format_args!("{count} {name}")));
}
