//! What it costs to take a Prometheus' block in and to write one: samples per second, bytes per sample, memory.
//!
//! `cargo bench -p tsdb --bench doors`; `SKOPOS_SERIES` and `SKOPOS_ROWS` change the size.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use model::{LabelSet, TimeRange};
use test_support::TempFolder;
use tsdb::backfill::{Backfill, Samples, SeriesSource};
use tsdb::disk::RealDisk;
use tsdb::prometheus::{BlockExport, Directory};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The most memory that the process has had so far, in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes =
        entries.map(|entry| if entry.path().is_dir() { bytes_below(&entry.path()) } else { entry.metadata().map_or(0, |m| m.len()) });
    sizes.sum()
}

fn main() {
    let (series, rows) = (number("SKOPOS_SERIES", 50_000), number("SKOPOS_ROWS", 480));
    let total = (series * rows) as f64;
    let folder = TempFolder::new("bench-doors");
    let says = |what: &str, begun: Instant, bytes: u64| {
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{what}: {seconds:.2} s, {:.1} M samples/s, {:.2} bytes a sample, peak {} MB",
            total / seconds / 1e6,
            bytes as f64 / total,
            peak_mb()
        );
    };
    println!("{series} series of 50 targets, {rows} rows: {:.1} M samples; before: {} MB", total / 1e6, peak_mb());

    let begun = Instant::now();
    let mut block = BlockExport::create(&folder.path().join("theirs"), 1, 1).expect("it can be made");
    let absent = |_: usize| None;
    for at in 0..series {
        // Times are aligned within a target, as a scraper makes them.
        let start = 1_700_006_400_000 + (at % 50) as i64 * 131;
        let times: Vec<i64> = (0..rows as i64).map(|row| start + row * 15_000).collect();
        let bits: Vec<u64> = (0..rows).map(|row| value(at, row).to_bits()).collect();
        block.add(&labels(at), &times, &bits, &absent).expect("it can be written");
    }
    let path = block.finish().expect("it can be written").expect("there are samples").path;
    says("written as a block of Prometheus", begun, bytes_below(&path));

    let begun = Instant::now();
    let block = Directory::block(&path).expect("it opens");
    let (mut numbers, mut samples, mut found) = (Vec::new(), Samples::default(), 0);
    block.visit(&mut |number, _| numbers.push(number)).expect("it reads");
    for number in numbers {
        block.read(number, TimeRange { start: i64::MIN, end: i64::MAX }, &mut samples).expect("it reads");
        found += samples.times.len() as u64;
    }
    assert_eq!(found, series * rows);
    says("read, series by series", begun, bytes_below(&path));

    let begun = Instant::now();
    let mut backfill = Backfill::open(&folder.path().join("ours"), Arc::new(RealDisk)).expect("nobody has it");
    let report = backfill.write(&block).expect("it can be written");
    assert_eq!(report.samples, series * rows);
    says(&format!("taken in as {} blocks of {} groups", report.blocks, report.groups), begun, report.bytes);
}

fn labels(at: u64) -> LabelSet {
    LabelSet::from_pairs([
        ("__name__", format!("metric_{}", at / 50 % 500)),
        ("instance", format!("host-{}:9100", at % 50)),
        ("job", "node".to_owned()),
        ("path", format!("/api/v1/thing/{}", at / 25_000)),
    ])
}

/// A quarter constant, half counters, a quarter gauges; no two columns that change are equal.
fn value(at: u64, row: u64) -> f64 {
    let chance = (at * 1_000_003 + row).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    match at % 4 {
        0 => at as f64,
        1 | 2 => (row * (50 + at % 97) + chance % 50) as f64,
        _ => (chance % 1000) as f64 / 10.0,
    }
}
