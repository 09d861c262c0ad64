//! `promtool query analyze`: how many buckets histograms fill over a time, native ones and classic ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::commands::client::Server;
use crate::commands::shape;
use crate::out;

/// Which histograms, of which server.
#[derive(Debug, Args)]
pub(super) struct Analyze {
    /// The server.
    #[arg(long, value_name = "URL")]
    server: String,
    /// The kind of metric: histogram.
    #[arg(long = "type", value_name = "KIND")]
    kind: String,
    /// The time that is looked at.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = model::parse_duration)]
    duration: u64,
    /// Its end: RFC 3339 or Unix seconds. [default: now]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// A selector. May come more than once.
    #[arg(long = "match", value_name = "SELECTOR", required = true)]
    matches: Vec<String>,
    /// A file with the HTTP client block.
    #[arg(long = "http.config.file", value_name = "FILE")]
    http_config_file: Option<PathBuf>,
}

const HEADER: &str = "Bucket stats for each histogram series over time
------------------------------------------------
First the min, avg, and max number of populated buckets, followed by the total
number of buckets (only if different from the max number of populated buckets
which is typical for classic but not native histograms).
";

const FOOTER: &str = "
Aggregated bucket stats
-----------------------
Each line shows min/avg/max over the series above.";

pub(super) fn run(what: &Analyze, http_config: Option<&Path>) -> ExitCode {
    match analyze(what, http_config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(error);
            ExitCode::FAILURE
        }
    }
}

fn analyze(what: &Analyze, http_config: Option<&Path>) -> Result<(), String> {
    if what.kind != "histogram" {
        return Err(format!("analyze type is {}, must be 'histogram'", what.kind));
    }
    let server = Server::new(&what.server, what.http_config_file.as_deref().or(http_config))?;
    out::line(HEADER);
    let (mut native, mut classic) = (Summary::default(), Summary::default());
    for selector in &what.matches {
        let mut parameters = vec![("query", format!("{selector}[{}]", model::format_duration(what.duration)))];
        parameters.extend(what.time.clone().map(|time| ("time", time)));
        let (data, _) = server.ask("/api/v1/query", &parameters)?;
        if data["resultType"] != "matrix" {
            return Err("query of buckets resulted in non-Matrix".to_owned());
        }
        let mut sets: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for series in data["result"].as_array().into_iter().flatten() {
            let metric = &series["metric"];
            if points(series).is_empty() {
                if let Some(stats) = of_native(series) {
                    out::line(format_args!("- {} (native): {stats}", shape::metric(metric)));
                    native.add(&stats);
                }
            } else if metric["le"].is_string() && metric["__name__"].as_str().is_some_and(|name| name.ends_with("_bucket")) {
                let mut key = metric.clone();
                key.as_object_mut().map(|labels| labels.remove("le"));
                sets.entry(shape::metric(&key)).or_default().push(series);
            }
        }
        for (name, mut buckets) in sets {
            if let Some(stats) = of_classic(&mut buckets)? {
                out::line(format_args!("- {name} (classic): {stats}"));
                classic.add(&stats);
            }
        }
    }
    out::line(FOOTER);
    for (kind, summary) in [("Native", native), ("Classic", classic)] {
        if summary.least.count > 0 {
            out::line(format_args!("\n{kind} {summary}"));
        }
    }
    Ok(())
}

/// Of one histogram over time: how many buckets were filled, and how many there are in all.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stats {
    least: usize,
    mean: f64,
    most: usize,
    total: usize,
}

impl Stats {
    /// From how many were filled each time; none if that is too little to tell.
    fn of(filled: &[usize], total: usize) -> Option<Self> {
        let (least, most) = (*filled.iter().min()?, *filled.iter().max()?);
        Some(Self { least, mean: filled.iter().sum::<usize>() as f64 / filled.len() as f64, most, total }).filter(|_| filled.len() > 1)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:.3}/{}", self.least, self.mean, self.most)?;
        if self.most == self.total { Ok(()) } else { write!(f, "/{}", self.total) }
    }
}

fn points(series: &Value) -> &[Value] {
    series["values"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn of_native(series: &Value) -> Option<Stats> {
    let histograms = series["histograms"].as_array()?;
    let buckets = |point: &Value| point[1]["buckets"].as_array().cloned().unwrap_or_default();
    let filled: Vec<usize> = histograms.iter().map(|point| buckets(point).len()).collect();
    // A bucket is known by its kind and bounds.
    let bounds = |bucket: Value| format!("{} {} {}", bucket[0], bucket[1], bucket[2]);
    let all: BTreeSet<String> = histograms.iter().flat_map(buckets).map(bounds).collect();
    Stats::of(&filled, all.len())
}

fn of_classic(buckets: &mut [&Value]) -> Result<Option<Stats>, String> {
    let bound = |series: &Value| series["metric"]["le"].as_str().and_then(exposition::parse_float).unwrap_or(0.0);
    buckets.sort_by(|a, b| bound(a).total_cmp(&bound(b)));
    let Some(first) = buckets.first() else { return Ok(None) };
    let value = |point: &Value| point[1].as_str().and_then(exposition::parse_float).unwrap_or(0.0);
    let mut filled = Vec::new();
    for at in 0..points(first).len() {
        let (mut before, mut count) = (0.0, 0);
        for series in buckets.iter() {
            // One that has fewer points ends the count there.
            let Some(point) = points(series).get(at) else { break };
            if point[0] != points(first)[at][0] {
                return Err("matrix result is not time aligned".to_owned());
            }
            // Whole observations.
            count += usize::from((value(point) - before).trunc() != 0.0);
            before = value(point);
        }
        filled.push(count);
    }
    Ok(Stats::of(&filled, buckets.len()))
}

/// Of several histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spread {
    min: usize,
    max: usize,
    sum: usize,
    count: usize,
}

impl Spread {
    fn add(&mut self, number: usize) {
        self.min = if self.count == 0 { number } else { self.min.min(number) };
        (self.max, self.sum, self.count) = (self.max.max(number), self.sum + number, self.count + 1);
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:.3}/{}", self.min, self.sum as f64 / self.count.max(1) as f64, self.max)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    least: Spread,
    mean: Spread,
    most: Spread,
    total: Spread,
}

impl Summary {
    fn add(&mut self, stats: &Stats) {
        self.least.add(stats.least);
        // Whole buckets, as promtool.
        self.mean.add(stats.mean as usize);
        self.most.add(stats.most);
        self.total.add(stats.total);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, mean, most, total } = self;
        write!(
            f,
            "histogram series ({} in total):\n- min populated: {least}\n- avg populated: {mean}\n- max populated: {most}",
            least.count
        )?;
        if most == total { Ok(()) } else { write!(f, "\n- total: {total}") }
    }
}
