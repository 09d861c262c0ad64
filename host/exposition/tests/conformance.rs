//! Real scrapes and other projects' cases, from the folder that `SKOPOS_CONFORMANCE` names.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use exposition::{Format, Line, Reader, check, protobuf};

#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn conformance() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("SKOPOS_CONFORMANCE").map_or(default, PathBuf::from).join("exposition");
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: {} is not there (set SKOPOS_CONFORMANCE)", root.display());
    None
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("the folder can be read").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn format_of(path: &Path) -> Format {
    if path.to_string_lossy().ends_with(".om.txt") { Format::OpenMetrics } else { Format::Text }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    samples: u64,
    distinct_series: u64,
    sample_names: u64,
    families: BTreeMap<String, u64>,
    help_lines: u64,
    samples_with_timestamp: u64,
}

/// What the reader of scrapes finds in a body. Series count as the text names them, so that a bound of a bucket in two
/// spellings is two.
fn count(body: &[u8], format: Format) -> Result<Counts, exposition::ParseError> {
    let mut counts = Counts::default();
    let (mut series, mut names) = (std::collections::HashSet::new(), std::collections::HashSet::new());
    let mut reader = Reader::new(body, format);
    while let Some(line) = reader.read_line()? {
        match line {
            Line::Sample(sample) => {
                let mut labels: Vec<(String, String)> = sample.labels().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
                labels.sort();
                counts.samples += 1;
                counts.samples_with_timestamp += u64::from(sample.timestamp.is_some());
                names.insert(sample.name().into_owned());
                series.insert((sample.name().into_owned(), labels));
            }
            Line::Help(..) => counts.help_lines += 1,
            Line::Type(_, kind) => {
                let untyped = kind == model::FamilyKind::Unknown && format == Format::Text;
                *counts.families.entry(if untyped { "untyped" } else { kind.as_str() }.to_owned()).or_default() += 1;
            }
            Line::Unit(..) => {}
        }
    }
    counts.distinct_series = series.len() as u64;
    counts.sample_names = names.len() as u64;
    Ok(counts)
}

#[test]
fn samples_have_the_expected_counts() {
    let Some(root) = conformance() else { return };
    let text = std::fs::read_to_string(root.join("samples_expected.json")).expect("the expectations can be read");
    let expected: serde_json::Value = serde_json::from_str(&text).expect("they are JSON");
    let mut failures = Vec::new();
    for (name, wanted) in expected["files"].as_object().expect("an object of files") {
        let body = std::fs::read(root.join(name)).expect("the file can be read");
        let number = |key: &str| wanted[key].as_u64().unwrap_or_default();
        let wanted = Counts {
            samples: number("samples"),
            distinct_series: number("distinct_series"),
            sample_names: number("sample_names"),
            families: wanted["families_by_type"]
                .as_object()
                .expect("types")
                .iter()
                .map(|(k, v)| (k.clone(), v.as_u64().unwrap_or_default()))
                .collect(),
            help_lines: number("help_lines"),
            samples_with_timestamp: number("samples_with_timestamp"),
        };
        match count(&body, format_of(Path::new(name))) {
            Ok(found) if found == wanted => {}
            other => failures.push(format!("{name}: {other:?}, expected {wanted:?}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_real_scrape_is_read() {
    let Some(root) = conformance() else { return };
    let mut read = 0;
    for dir in ["samples", "textparse", "format_samples"] {
        for path in files(&root.join(dir)) {
            let body = std::fs::read(&path).expect("the file can be read");
            let found = count(&body, format_of(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(found.samples > 0 || found.help_lines > 0, "{}", path.display());
            read += 1;
        }
    }
    println!("samples, textparse, format_samples: {read} passed, 0 failed, 0 skipped");
}

fn unpacked(path: &Path) -> Vec<u8> {
    let mut body = Vec::new();
    let packed = std::fs::File::open(path).expect("it is there");
    flate2::read::GzDecoder::new(packed).read_to_end(&mut body).expect("it is gzip");
    body
}

/// Names, labels and bits of values of a body in protobuf; times too where they are asked for.
fn protobuf_samples(body: &[u8]) -> Result<BTreeMap<String, u64>, protobuf::Error> {
    let (mut reader, mut found, mut labels) = (protobuf::Reader::new(body), BTreeMap::new(), Vec::new());
    while let Some(family) = reader.next_family()? {
        let mut metrics = family.metrics();
        while let Some(metric) = metrics.next_metric()? {
            metric.read_labels(&mut labels)?;
            metric.value()?.floats::<protobuf::Error>(|float| {
                let mut pairs: Vec<(String, String)> = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
                pairs.extend(float.part.label().map(|(n, v)| (n.to_owned(), v)));
                pairs.sort();
                found.insert(format!("{}{} {pairs:?}", family.name, float.part.suffix()), float.value.to_bits());
                Ok(())
            })?;
        }
    }
    Ok(found)
}

fn text_samples(body: &[u8]) -> BTreeMap<String, u64> {
    let (mut reader, mut found) = (Reader::new(body, Format::Text), BTreeMap::new());
    while let Some(sample) = reader.read_sample().expect("good") {
        let mut pairs: Vec<(String, String)> = sample.labels().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        pairs.sort();
        found.insert(format!("{} {pairs:?}", sample.name()), sample.value.to_bits());
    }
    found
}

/// One scrape, in text and in protobuf, plain and compressed.
#[test]
fn the_same_scrape_in_text_and_in_protobuf() {
    let Some(root) = conformance() else { return };
    let dir = root.join("expfmt");
    let read = |name: &str| std::fs::read(dir.join(name)).expect("it is there");
    let text = text_samples(&read("text"));
    assert!(text.len() > 100);
    assert_eq!(text_samples(&unpacked(&dir.join("text.gz"))), text);
    let written = protobuf_samples(&read("protobuf")).expect("it is read");
    assert_eq!(protobuf_samples(&unpacked(&dir.join("protobuf.gz"))).as_ref(), Ok(&written));
    // The two were taken one after the other, so that values differ; the series are the same, but for those that the text leaves out.
    let names = |samples: &BTreeMap<String, u64>| samples.keys().cloned().collect::<Vec<String>>();
    let missing: Vec<String> = names(&text).into_iter().filter(|name| !written.contains_key(name)).collect();
    let further: Vec<String> = names(&written).into_iter().filter(|name| !text.contains_key(name)).collect();
    assert!(missing.is_empty() && further.is_empty(), "only in text: {missing:?}, only in protobuf: {further:?}");
    assert_eq!(protobuf_samples(&read("protobuf-multimessage")).map(|found| found.len()), Ok(6));
    println!("expfmt: 5 passed, 0 failed, 2 skipped: JSON of 2013 is no format that is read");
}

#[test]
fn fuzz_seeds_are_taken_and_refused() {
    let Some(root) = conformance() else { return };
    let mut judged = 0;
    for path in files(&root.join("expfmt_fuzz/corpus")) {
        let body = std::fs::read(&path).expect("the file can be read");
        let bad = path.file_name().expect("a name").to_string_lossy().contains("error");
        let found = check(&body, Format::Text);
        assert_eq!(found.is_err(), bad, "{}: {found:?}", path.display());
        // The reader of scrapes is more lenient, but takes what the check takes.
        assert!(bad || count(&body, Format::Text).is_ok());
        judged += 1;
    }
    println!("expfmt_fuzz: {judged} passed, 0 failed, 0 skipped");
}

/// The strict reading agrees with the suite on every document, and what is good is read by the lenient one too.
#[test]
fn openmetrics_documents_are_judged_as_the_suite_says() {
    let Some(root) = conformance() else { return };
    let (mut accepted, mut rejected, mut lenient, mut failures) = (0, 0, 0, Vec::new());
    for dir in files(&root.join("openmetrics")) {
        let body = std::fs::read(dir.join("metrics")).expect("the file can be read");
        let case: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.join("test.json")).expect("it is there")).expect("JSON");
        let good = case["shouldParse"] == true;
        let read = count(&body, Format::OpenMetrics);
        let found = check(&body, Format::OpenMetrics);
        lenient += usize::from(read.is_ok());
        if found.is_ok() != good || (good && read.is_err()) {
            failures.push(format!("{}: {found:?}, {read:?}", dir.display()));
        } else if good {
            accepted += 1;
        } else {
            rejected += 1;
        }
    }
    println!(
        "openmetrics: {} passed ({accepted} accepted, {rejected} rejected), {} failed, 0 skipped; the reader of scrapes takes {lenient}",
        accepted + rejected,
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(accepted > 0 && rejected > 0);
}
