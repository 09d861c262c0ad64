//! `skopos check metrics`: a body as a target exposes it, and its names by the conventions of Prometheus
//! (<https://prometheus.io/docs/practices/naming/>).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;
use std::process::ExitCode;

use exposition::{Format, Line, Reader, check};
use model::FamilyKind;

use super::failed;
use crate::out;

/// Largest body, as a scrape's default.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// The exit code where only conventions are broken, as promtool has it.
const LINT: u8 = 3;

pub(crate) fn run(file: &Path, openmetrics: bool, lint: bool) -> ExitCode {
    let from_stdin = file == Path::new("-");
    let name = if from_stdin { "<stdin>".to_owned() } else { file.display().to_string() };
    let body = match read(file, from_stdin) {
        Ok(body) => body,
        Err(error) => return failed(format_args!("{name}: {error}")),
    };
    let format = if openmetrics { Format::OpenMetrics } else { Format::of_body(&body) };
    let summary = match check(&body, format) {
        Ok(summary) => summary,
        Err(error) => return failed(format_args!("{name}:{}:{}: {}", error.line, error.column, error.message)),
    };
    let problems = if lint { problems(&body, format) } else { Vec::new() };
    for (metric, problem) in &problems {
        out::error(format_args!("{name}: {metric}: {problem}"));
    }
    let kinds: Vec<String> = summary.families.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
    let kinds = if kinds.is_empty() { "no types".to_owned() } else { kinds.join(", ") };
    out::line(format_args!("{name}: {} samples of {} names ({kinds}), {} problems", summary.samples, summary.names, problems.len()));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LINT) }
}

/// Checks standard input and says what promtool says: a line for each name that breaks a convention, with `extended` a table of the names
/// by their samples.
pub(crate) fn as_promtool(extended: bool, lint: bool) -> ExitCode {
    let body = match read(Path::new("-"), true) {
        Ok(body) => body,
        Err(error) => return failed(format_args!("error while linting: {error}")),
    };
    let format = Format::of_body(&body);
    if let Err(error) = check(&body, format) {
        return failed(format_args!("error while linting: text format parsing error in line {}: {}", error.line, error.message));
    }
    let problems = if lint { problems(&body, format) } else { Vec::new() };
    for (metric, problem) in &problems {
        out::error(format_args!("{metric} {problem}"));
    }
    if extended {
        table(&body, format);
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LINT) }
}

fn table(body: &[u8], format: Format) {
    let (mut counts, mut total) = (BTreeMap::<String, u64>::new(), 0_u64);
    let mut reader = Reader::new(body, format);
    while let Ok(Some(line)) = reader.read_line() {
        if let Line::Sample(sample) = line {
            *counts.entry(sample.name().into_owned()).or_default() += 1;
            total += 1;
        }
    }
    let mut rows: Vec<(String, u64)> = counts.into_iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let width = rows.iter().map(|(name, _)| name.len()).chain(["Metric".len()]).max().unwrap_or_default() + 4;
    out::line(format_args!("{:width$}{:<15}{:<14}", "Metric", "Cardinality", "Percentage"));
    for (name, count) in &rows {
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let percent = *count as f64 * 100.0 / total.max(1) as f64;
        out::line(format_args!("{name:width$}{count:<15}{:<14}", format!("{percent:.2}%")));
    }
    out::line(format_args!("{:width$}{total:<15}{:<14}", "Total", "100%"));
}

fn read(file: &Path, from_stdin: bool) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    let source: Box<dyn Read> =
        if from_stdin { Box::new(stdin()) } else { Box::new(File::open(file).map_err(|e| format!("failed to read it: {e}"))?) };
    source.take(BODY_BYTES_MAX + 1).read_to_end(&mut body).map_err(|e| format!("failed to read it: {e}"))?;
    if body.len() as u64 > BODY_BYTES_MAX {
        return Err(format!("it is larger than {} MiB, which is what a scrape takes", BODY_BYTES_MAX >> 20));
    }
    Ok(body)
}

/// What is known of a family.
#[derive(Default)]
struct Family {
    kind: Option<FamilyKind>,
    has_help: bool,
    labels: BTreeSet<String>,
    has_samples: bool,
}

/// Names that break a convention, each with which. The body has been checked.
fn problems(body: &[u8], format: Format) -> Vec<(String, String)> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut reader = Reader::new(body, format);
    while let Ok(Some(line)) = reader.read_line() {
        match line {
            Line::Help(name, text) => families.entry(name.into_owned()).or_default().has_help |= !text.is_empty(),
            Line::Type(name, kind) => families.entry(name.into_owned()).or_default().kind = Some(kind),
            Line::Unit(..) => {}
            Line::Sample(sample) => {
                let name = family_of(&sample.name(), &families).to_owned();
                let family = families.entry(name).or_default();
                family.has_samples = true;
                for (label, _) in sample.labels() {
                    family.labels.insert(label.into_owned());
                }
            }
        }
    }
    let mut found = Vec::new();
    for (name, family) in families.iter().filter(|(_, family)| family.has_samples) {
        let mut say = |problem: String| found.push((name.clone(), problem));
        if !family.has_help {
            say("no help text".to_owned());
        }
        suffixes(name, family, format, &mut say);
        words(name, family, &mut say);
    }
    found
}

/// The family of a sample: its own name, or what stands before the suffix of a declared one.
fn family_of<'n>(name: &'n str, families: &BTreeMap<String, Family>) -> &'n str {
    if families.contains_key(name) {
        return name;
    }
    let bases = ["_bucket", "_sum", "_count", "_total", "_created", "_info"].into_iter().filter_map(|suffix| name.strip_suffix(suffix));
    bases.into_iter().find(|base| families.get(*base).is_some_and(|family| family.kind.is_some())).unwrap_or(name)
}

fn suffixes(name: &str, family: &Family, format: Format, say: &mut impl FnMut(String)) {
    let kind = family.kind.unwrap_or(FamilyKind::Unknown);
    // OpenMetrics declares a counter without its suffix.
    if kind == FamilyKind::Counter && !name.ends_with("_total") && format == Format::Text {
        say("counter metrics should have \"_total\" suffix".to_owned());
    }
    let known = family.kind.is_some() && kind != FamilyKind::Unknown;
    if known && kind != FamilyKind::Counter && name.ends_with("_total") {
        say("non-counter metrics should not have \"_total\" suffix".to_owned());
    }
    let (histogram, summary) = (kind == FamilyKind::Histogram, kind == FamilyKind::Summary);
    if known && !histogram {
        if name.ends_with("_bucket") {
            say("non-histogram metrics should not have \"_bucket\" suffix".to_owned());
        }
        if family.labels.contains("le") {
            say("non-histogram metrics should not have \"le\" label".to_owned());
        }
    }
    if known && !summary && family.labels.contains("quantile") {
        say("non-summary metrics should not have \"quantile\" label".to_owned());
    }
    for suffix in ["_count", "_sum"] {
        if known && !histogram && !summary && name.ends_with(suffix) {
            say(format!("non-histogram and non-summary metrics should not have \"{suffix}\" suffix"));
        }
    }
}

/// Units that are written with a multiple, each with its base.
const UNITS: [(&str, &str); 22] = [
    ("milliseconds", "seconds"),
    ("microseconds", "seconds"),
    ("nanoseconds", "seconds"),
    ("minutes", "seconds"),
    ("hours", "seconds"),
    ("days", "seconds"),
    ("weeks", "seconds"),
    ("kilobytes", "bytes"),
    ("megabytes", "bytes"),
    ("gigabytes", "bytes"),
    ("terabytes", "bytes"),
    ("kibibytes", "bytes"),
    ("mebibytes", "bytes"),
    ("gibibytes", "bytes"),
    ("bits", "bytes"),
    ("percent", "ratio"),
    ("percents", "ratio"),
    ("kelvin", "celsius"),
    ("fahrenheit", "celsius"),
    ("millivolts", "volts"),
    ("kilometers", "meters"),
    ("inches", "meters"),
];

const ABBREVIATIONS: [&str; 13] = ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "m", "h", "d"];

const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

fn words(name: &str, family: &Family, say: &mut impl FnMut(String)) {
    if name.contains(':') {
        say("metric names should not contain ':'".to_owned());
    }
    let is_camel = |text: &str| text.as_bytes().windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    if is_camel(name) {
        say("metric names should be written in 'snake_case' not 'camelCase'".to_owned());
    }
    for label in family.labels.iter().filter(|label| is_camel(label)) {
        say(format!("label names should be written in 'snake_case' not 'camelCase': {label}"));
    }
    let lower = name.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('_').collect();
    for (unit, base) in UNITS {
        if parts.contains(&unit) {
            say(format!("use base unit {base:?} instead of {unit:?}"));
        }
    }
    // The first word is the program's name, which may be anything.
    if parts.iter().skip(1).any(|part| ABBREVIATIONS.contains(part)) {
        say("metric names should not contain abbreviated units".to_owned());
    }
    if let Some(kind) = family.kind.map(FamilyKind::as_str).filter(|kind| TYPES.contains(kind) && parts.contains(kind)) {
        say(format!("metric name should not include type '{kind}'"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lint(text: &str) -> Vec<String> {
        problems(text.as_bytes(), Format::of_body(text.as_bytes())).into_iter().map(|(name, problem)| format!("{name} {problem}")).collect()
    }

    #[test]
    fn conventions() {
        for (text, expected) in [
            ("# HELP a_total x\n# TYPE a_total counter\na_total 1\n", vec![]),
            (
                "# HELP a_seconds x\n# TYPE a_seconds histogram\na_seconds_bucket{le=\"+Inf\"} 1\na_seconds_sum 1\na_seconds_count 1\n",
                vec![],
            ),
            ("# HELP a x\n# TYPE a counter\na_total 1\n# EOF\n", vec![]),
            ("# TYPE a counter\na 1\n", vec!["a no help text", "a counter metrics should have \"_total\" suffix"]),
            (
                "# HELP x_ms_total y\n# TYPE x_ms_total gauge\nx_ms_total{le=\"1\",quantile=\"1\",fooBar=\"\"} 1\n",
                vec![
                    "x_ms_total non-counter metrics should not have \"_total\" suffix",
                    "x_ms_total non-histogram metrics should not have \"le\" label",
                    "x_ms_total non-summary metrics should not have \"quantile\" label",
                    "x_ms_total label names should be written in 'snake_case' not 'camelCase': fooBar",
                    "x_ms_total metric names should not contain abbreviated units",
                ],
            ),
            ("# HELP x_milliseconds y\nx_milliseconds 1\n", vec!["x_milliseconds use base unit \"seconds\" instead of \"milliseconds\""]),
            ("# HELP x_gauge y\n# TYPE x_gauge gauge\nx_gauge 1\n", vec!["x_gauge metric name should not include type 'gauge'"]),
        ] {
            assert_eq!(lint(text), expected, "{text}");
        }
    }
}
