//! Cases of another reader, Telegraf's: the same names, labels and values, in the terms of its line protocol.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exposition::{Format, Line, Reader, protobuf};
use model::FamilyKind;

/// Measurement, labels, field, and for samples with a time of their own that time in nanoseconds.
type Key = (String, BTreeMap<String, String>, String);

/// Tags that Telegraf adds, or makes of metadata.
const ADDED: [&str; 3] = ["_type", "unit", "defaultTag"];

/// Which form of its output: measurements named after families, or one measurement with the names as fields.
#[derive(Clone, Copy, PartialEq)]
enum Version {
    One,
    Two,
}

/// Splits at a character that no backslash stands before, and takes the backslashes out.
fn split(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut escaped) = (vec![String::new()], false);
    for c in text.chars() {
        let last = parts.last_mut().expect("there is always one");
        match c {
            _ if escaped => {
                // The other characters of a level further in keep theirs.
                if c != at && at != '=' {
                    last.push('\\');
                }
                last.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == at => parts.push(String::new()),
            _ => last.push(c),
        }
    }
    parts
}

fn value(text: &str) -> f64 {
    match text {
        "true" => 1.0,
        "false" => 0.0,
        text => text.trim_end_matches(['u', 'i']).parse().unwrap_or_else(|_| panic!("{text:?} is a number")),
    }
}

/// The fields of an expected output.
fn expected(text: &str) -> BTreeMap<Key, f64> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let parts = split(line, ' ');
        let mut tags = split(&parts[0], ',').into_iter();
        let measurement = tags.next().expect("a measurement");
        let pair = |text: String| {
            let mut pair = split(&text, '=').into_iter();
            (pair.next().unwrap_or_default(), pair.next().unwrap_or_default())
        };
        let labels: BTreeMap<String, String> = tags.map(pair).filter(|(name, _)| !ADDED.contains(&name.as_str())).collect();
        for field in split(&parts[1], ',') {
            let (field, number) = pair(field);
            found.insert((measurement.clone(), labels.clone(), field), value(&number));
        }
    }
    found
}

/// A sample as it was read.
struct Read {
    family: String,
    kind: FamilyKind,
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

fn read_text(body: &[u8], format: Format) -> Vec<Read> {
    let (mut found, mut family) = (Vec::new(), String::new());
    let mut reader = Reader::new(body, format);
    while let Some(line) = reader.read_line().expect("the input is read") {
        match line {
            Line::Sample(sample) => {
                let labels = sample.labels().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
                let name = sample.name().into_owned();
                found.push(Read { family: family.clone(), kind: sample.kind, name, labels, value: sample.value });
            }
            Line::Type(name, _) => family = name.into_owned(),
            _ => {}
        }
    }
    found
}

fn read_protobuf(body: &[u8]) -> Vec<Read> {
    let (mut reader, mut found, mut labels) = (protobuf::Reader::new(body), Vec::new(), Vec::new());
    while let Some(family) = reader.next_family().expect("the input is read") {
        let mut metrics = family.metrics();
        while let Some(metric) = metrics.next_metric().expect("the input is read") {
            metric.read_labels(&mut labels).expect("good labels");
            let value = metric.value().expect("a value");
            let each = value.floats::<protobuf::Error>(|float| {
                let own = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
                let labels = own.chain(float.part.label().map(|(n, v)| (n.to_owned(), v))).collect();
                let name = format!("{}{}", family.name, float.part.suffix());
                found.push(Read { family: family.name.to_owned(), kind: family.kind, name, labels, value: float.value });
                Ok(())
            });
            each.expect("good samples");
        }
    }
    found
}

/// What was read of an input, in Telegraf's terms.
fn in_telegrafs_terms(read: Vec<Read>, format: Format, version: Version) -> BTreeMap<Key, f64> {
    let mut found = BTreeMap::new();
    for Read { family, kind, name, labels, value } in read {
        let mut labels: BTreeMap<String, String> = labels.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let suffix = name.strip_prefix(&family).unwrap_or_default().to_owned();
        // Telegraf leaves out what the family's type does not have; Prometheus and we keep it under its name.
        if format == Format::OpenMetrics && kind == FamilyKind::Counter && matches!(suffix.as_str(), "_count" | "_sum") {
            continue;
        }
        let plain = |bound: String| bound.strip_suffix(".0").map_or(bound.clone(), str::to_owned);
        let state = if kind == FamilyKind::StateSet { labels.remove(&family) } else { None }.map(|state| state.replace(' ', "_"));
        let key = match version {
            Version::Two => {
                for bound in ["le", "quantile"] {
                    if let Some(text) = labels.remove(bound) {
                        labels.insert(bound.to_owned(), plain(text));
                    }
                }
                let name = match (kind, &state) {
                    (_, Some(state)) => format!("{name}_{state}"),
                    (FamilyKind::Counter, None) if format == Format::OpenMetrics => name.trim_end_matches("_total").to_owned(),
                    _ => name,
                };
                let measurement = if format == Format::OpenMetrics { "openmetric" } else { "prometheus" };
                (measurement.to_owned(), labels, name)
            }
            Version::One => {
                let bound = labels.remove("le").or_else(|| labels.remove("quantile")).map(plain);
                let field = state.or(bound).unwrap_or_else(|| match (kind, suffix.as_str()) {
                    (FamilyKind::Counter, "" | "_total") => "counter".to_owned(),
                    (FamilyKind::Gauge, _) => "gauge".to_owned(),
                    (FamilyKind::Unknown, _) => "value".to_owned(),
                    _ => suffix.trim_start_matches('_').to_owned(),
                });
                (family.clone(), labels, field)
            }
        };
        found.insert(key, value);
    }
    found
}

/// Bounds in one spelling.
fn normal(found: BTreeMap<Key, f64>) -> BTreeMap<Key, f64> {
    let number = |text: String| text.parse::<f64>().map_or(text.clone(), |number| number.to_string());
    found
        .into_iter()
        .map(|((name, mut labels, field), value)| {
            for bound in ["le", "quantile"] {
                if let Some(text) = labels.remove(bound) {
                    labels.insert(bound.to_owned(), number(text));
                }
            }
            ((name, labels, number(field)), value)
        })
        .collect()
}

fn cases() -> Option<Vec<PathBuf>> {
    let root = test_root()?.join("telegraf");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    cases.sort();
    Some(cases)
}

#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn test_root() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("SKOPOS_CONFORMANCE").map_or(default, PathBuf::from).join("exposition");
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: {} is not there (set SKOPOS_CONFORMANCE)", root.display());
    None
}

#[test]
fn telegrafs_cases_have_the_same_names_labels_and_values() {
    let Some(cases) = cases() else { return };
    let (mut passed, mut skipped, mut failures) = (0, Vec::new(), Vec::new());
    for case in cases {
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        if name == "openmetrics-protobuf" {
            skipped.push(format!("{name} (OpenMetrics' own protobuf, which no scraper asks for)"));
            continue;
        }
        let (format, body) = match (std::fs::read(case.join("input.txt")), name.starts_with("openmetrics")) {
            (Ok(body), true) => (Format::OpenMetrics, body),
            (Ok(body), false) => (Format::Text, body),
            (Err(_), _) => (Format::Protobuf, std::fs::read(case.join("input.bin")).expect("an input")),
        };
        let mut wrong = Vec::new();
        for (version, file) in [(Version::One, "expected_v1.out"), (Version::Two, "expected_v2.out")] {
            let text = std::fs::read_to_string(case.join(file)).expect("an expectation");
            let read = if format == Format::Protobuf { read_protobuf(&body) } else { read_text(&body, format) };
            let (wanted, mut found) = (normal(expected(&text)), normal(in_telegrafs_terms(read, format, version)));
            // Telegraf adds the infinite bucket that the message does not have in one of its outputs alone.
            if format == Format::Protobuf && version == Version::One {
                found.retain(|(_, _, field), _| field != "inf");
            }
            // The second output of this case was made of another input: its time of creation is not the one that the input
            // and the first output have.
            if version == Version::Two && name == "openmetrics-valid_summary" {
                found.iter_mut().filter(|((.., field), _)| field.ends_with("_created")).for_each(|(key, value)| *value = wanted[key]);
            }
            if wanted != found {
                wrong.push(format!("{name}/{file}:\n  found    {found:?}\n  expected {wanted:?}"));
            }
        }
        passed += usize::from(wrong.is_empty());
        failures.extend(wrong);
    }
    println!("telegraf: {passed} passed, {} failed, {} skipped: {}", failures.len(), skipped.len(), skipped.join(", "));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(passed > 0);
}
