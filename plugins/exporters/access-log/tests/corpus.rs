//! Real access logs: the counts of every file are those of the corpus.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::{BTreeMap, BTreeSet};

use plugin_access_log::collect;
use plugin_access_log::counters::OTHER;
use plugin_access_log::format::compile;
use plugin_access_log::line::parse;
use serde_json::{Value, json};
use skopos_sdk::exporter::{Exposition, Samples};
use skopos_sdk::fake::Host;
use test_support::conformance;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The corpus' numbers of a file, by our parser.
fn counts(bytes: &[u8]) -> Value {
    let formats = compile("").unwrap();
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<&[u8]> = lines.filter(|line| !line.iter().all(u8::is_ascii_whitespace)).collect();
    let entries: Vec<_> = lines.iter().filter_map(|line| parse(&formats, line)).collect();
    let mut status: BTreeMap<String, u64> = BTreeMap::new();
    let mut method: BTreeMap<String, u64> = BTreeMap::new();
    for entry in &entries {
        *status.entry(format!("{:03}", entry.status)).or_default() += 1;
        *method.entry(entry.method.map_or_else(|| OTHER.to_owned(), text)).or_default() += 1;
    }
    json!({
        "lines": lines.len(),
        "matched": entries.len(),
        "unique_client_addresses": entries.iter().map(|entry| entry.address).collect::<BTreeSet<_>>().len(),
        "bytes_total": entries.iter().map(|entry| entry.bytes.unwrap_or(0)).sum::<u64>(),
        "status": status,
        "method": method,
        "with_referer_and_agent": entries.iter().filter(|entry| entry.referer_and_agent).count(),
    })
}

/// Sums of what one scrape of the file shows: lines, unmatched lines, requests, bytes.
fn scraped(bytes: &[u8]) -> [f64; 4] {
    let host = Host::default();
    let _entered = host.enter();
    host.write_file("/log", bytes);
    // A last line without its end is not there yet.
    host.append_file("/log", "\n");
    let Exposition::Families(families) = collect::collect(r#"{"files":[{"path":"/log"}]}"#, "").unwrap() else { panic!("families") };
    let sum = |name: &str| -> f64 {
        let family = families.iter().find(|family| family.name == name).unwrap();
        let Samples::Counter(samples) = &family.samples else { panic!("{name} is a counter") };
        samples.iter().map(|sample| sample.value).sum()
    };
    ["access_log_lines_total", "access_log_unmatched_lines_total", "access_log_requests_total", "access_log_response_bytes_total"].map(sum)
}

#[test]
fn counts_are_those_of_the_corpus() {
    let Some(folder) = conformance("access_logs") else { return };
    let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let (mut passed, mut wrong, mut lines) = (0, Vec::new(), 0);
    for (name, expected) in expected["files"].as_object().unwrap() {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let found = counts(&bytes);
        let mut differing: Vec<String> = expected
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, value)| found.get(key.as_str()).is_some_and(|found| found != *value))
            .map(|(key, value)| format!("{key}: {} in place of {value}", found[key]))
            .collect();
        let number = |key: &str| found[key].as_u64().unwrap() as f64;
        let shown = scraped(&bytes);
        if shown != [number("lines"), number("lines") - number("matched"), number("matched"), number("bytes_total")] {
            differing.push(format!("scraped as {shown:?}"));
        }
        lines += found["lines"].as_u64().unwrap();
        if differing.is_empty() { passed += 1 } else { wrong.push(format!("{name}: {}", differing.join("; "))) }
    }
    println!("access logs: {passed} passed, {} failed, 0 skipped ({lines} lines)", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(passed, 41);
}
