//! Recording rules over the past.

use std::path::Path;

use model::{Clock, LabelSet};
use rules::{Recording, RuleFile};
use tsdb::Db;
use tsdb::backfill::Buffer;

use super::{Outcome, backfill, brought, open};
use crate::cli::CreateBlocksFrom;
use crate::clock::SystemClock;
use crate::commands::client::Server;
use crate::commands::shape::rfc3339_seconds;
use crate::files::Files;
use crate::out;

/// How long before now the default end is: as upstream, what is newer may still be in a head.
const BACK_MS: i64 = 3 * 3_600_000;

/// Most points that one query asks for, as the API takes them.
const POINTS_MAX: i64 = 10_000;

/// Where the data are.
enum Origin {
    Storage(Db),
    Server(Box<Server>),
}

/// `skopos tsdb create-blocks-from rules`
pub(super) fn rules(arguments: &CreateBlocksFrom) -> Outcome {
    let CreateBlocksFrom::Rules { start, end, url, http_config_file, data, output_dir, eval_interval_ms, rules } = arguments else {
        return Err("these are not rules".to_owned());
    };
    let start = time("start", start)?;
    let end = end.as_deref().map_or(Ok(SystemClock.now() - BACK_MS), |text| time("end", text))?;
    if start > end {
        return Err("--start is after --end".to_owned());
    }
    let files = rules.iter().map(|path| read(path)).collect::<Result<Vec<RuleFile>, String>>()?;
    let (origin, mut good) = match url {
        Some(url) => (Origin::Server(Box::new(Server::new(url, http_config_file.as_deref())?)), true),
        None => {
            let (db, good) = open(data.as_ref().unwrap_or(output_dir))?;
            (Origin::Storage(db), good)
        }
    };
    let mut buffer = Buffer::new();
    let default_ms = i64::try_from(*eval_interval_ms).unwrap_or(i64::MAX).max(1);
    for rule in files.iter().flat_map(RuleFile::recordings) {
        let before = buffer.samples();
        record(&origin, &rule, start, end, rule.interval_ms().unwrap_or(default_ms), &mut buffer, &mut good)
            .map_err(|error| format!("rule {}: {error}", rule.name()))?;
        out::line(format_args!("rule {}: {} samples", rule.name(), buffer.samples() - before));
    }
    // The lock of the data directory is taken only now: reading needs none.
    drop(origin);
    let report = backfill(output_dir)?.write(&buffer).map_err(|error| error.to_string())?;
    out::line(brought(&report));
    Ok(good)
}

fn time(name: &str, text: &str) -> Result<i64, String> {
    let unix = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite());
    let seconds = unix.or_else(|| rfc3339_seconds(text));
    let seconds = seconds.ok_or_else(|| format!("--{name}={text}: write a time as 2026-08-01T12:00:00Z or as Unix seconds"))?;
    Ok((seconds * 1000.0).round() as i64)
}

fn read(path: &Path) -> Result<RuleFile, String> {
    let name = path.display().to_string();
    let text = Files::Disk.read(path).map_err(|error| format!("{name}: {error}"))?;
    let rules = yaml::parse(&text).and_then(|node| RuleFile::from_node(&node, &name, promql::Features::ALL));
    rules.map_err(|error| format!("{name}:{error}"))
}

/// Evaluates at the multiples of the interval, as a server does, part by part.
fn record(
    origin: &Origin,
    rule: &Recording<'_>,
    start: i64,
    end: i64,
    step: i64,
    buffer: &mut Buffer,
    good: &mut bool,
) -> Result<(), String> {
    let mut from = start.div_euclid(step).saturating_mul(step);
    if from < start {
        from = from.saturating_add(step);
    }
    while from <= end {
        let to = from.saturating_add(step.saturating_mul(POINTS_MAX - 1)).min(end);
        let found = match origin {
            Origin::Storage(db) => evaluate(db, rule, from, to, step, good)?,
            Origin::Server(server) => ask(server, rule, from, to, step, good)?,
        };
        let mut seen = std::collections::HashMap::new();
        for (labels, points) in found {
            let recorded = rule.labels(&labels);
            let series = buffer.series(&recorded);
            if let Some(other) = seen.insert(series, labels) {
                return Err(format!("{other} and another series of the answer would both be recorded as {recorded}"));
            }
            points.into_iter().for_each(|(time, bits)| buffer.push(series, time, bits));
        }
        from = (to - from) / step * step + from + step;
    }
    Ok(())
}

type Found = Vec<(LabelSet, Vec<(i64, u64)>)>;

fn evaluate(db: &Db, rule: &Recording<'_>, from: i64, to: i64, step: i64, good: &mut bool) -> Result<Found, String> {
    let result = promql::range(rule.expr(), from, to, step, db, &promql::Limits::default()).map_err(|error| error.to_string())?;
    for warning in &result.warnings {
        out::error(format_args!("warning: rule {}: {warning}", rule.name()));
        *good = false;
    }
    match result.value {
        promql::Value::Matrix(series) if series.iter().any(|series| !series.histograms.is_empty()) => {
            Err(format!("rule {} yields native histograms, which cannot be backfilled", rule.name()))
        }
        promql::Value::Matrix(series) => Ok(series
            .into_iter()
            .map(|series| (series.labels, series.points.iter().map(|point| (point.time, point.value.to_bits())).collect()))
            .collect()),
        _ => Err("the answer is no series".to_owned()),
    }
}

fn ask(server: &Server, rule: &Recording<'_>, from: i64, to: i64, step: i64, good: &mut bool) -> Result<Found, String> {
    let seconds = |ms: i64| format!("{}", ms as f64 / 1000.0);
    let parameters = [("query", rule.query().to_owned()), ("start", seconds(from)), ("end", seconds(to)), ("step", seconds(step))];
    let (data, notes) = server.ask("/api/v1/query_range", &parameters)?;
    for note in notes {
        out::error(format_args!("warning: rule {}: {note}", rule.name()));
        *good = false;
    }
    let unread = || "the server's answer has not the form of a range of series".to_owned();
    let mut found = Found::new();
    for series in data["result"].as_array().ok_or_else(unread)? {
        let labels = series["metric"].as_object().ok_or_else(unread)?;
        let labels = LabelSet::from_pairs(labels.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())));
        let points = series["values"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(|pair| {
            let time = pair[0].as_f64().map(|seconds| (seconds * 1000.0).round() as i64);
            let value = pair[1].as_str().and_then(exposition::parse_float).map(f64::to_bits);
            time.zip(value).ok_or_else(unread)
        });
        let points = points.collect::<Result<Vec<(i64, u64)>, String>>()?;
        if series.get("histograms").is_some_and(|all| all.as_array().is_some_and(|all| !all.is_empty())) {
            out::error(format_args!("warning: rule {}: native histograms of the answer are left out", rule.name()));
            *good = false;
        }
        found.push((labels, points));
    }
    Ok(found)
}
