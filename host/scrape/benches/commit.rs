//! What a line costs on the way from a body to a row, without network and storage: `cargo bench -p scrape`.

#![expect(clippy::print_stdout, reason = "the figures are what the benchmark is for")]

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use model::LabelSet;
use model::seams::{Append, AppendError, AppendReport, ColumnError, ColumnId, GroupAppend, Row};

#[path = "../../exposition/tests/common/messages.rs"]
mod messages;

/// Counts, and keeps nothing.
struct Nothing;

struct NothingGroup(u32);

impl Append for Nothing {
    fn open_group(&self, _: &str) -> Result<Box<dyn GroupAppend>, AppendError> {
        Ok(Box::new(NothingGroup(0)))
    }
}

impl GroupAppend for NothingGroup {
    fn column(&mut self, _: &LabelSet) -> Result<ColumnId, ColumnError> {
        self.0 += 1;
        Ok(ColumnId(self.0))
    }

    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError> {
        Ok(AppendReport { accepted: row.values.len() as u64, ..AppendReport::default() })
    }
}

fn body(lines: usize, round: usize) -> String {
    let mut text = String::new();
    for line in 0..lines {
        if line.is_multiple_of(20) {
            let _ = write!(
                text,
                "# HELP bench_metric_{0}_total A metric of the benchmark.\n# TYPE bench_metric_{0}_total counter\n",
                line / 20
            );
        }
        let value = (line * 7919 + round * (line % 3)) as f64 * if line.is_multiple_of(2) { 1.0 } else { 0.001 };
        let _ =
            writeln!(text, "bench_metric_{}_total{{method=\"GET\",path=\"/api/v1/resource/{line}\",status=\"200\"}} {value}", line / 20);
    }
    text
}

/// The same lines in protobuf.
fn protobuf(lines: usize, round: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for family in 0..lines / 20 {
        let metric = |line: usize| {
            let (path, value) = (format!("/api/v1/resource/{line}"), (line * 7919 + round * (line % 3)) as f64);
            messages::metric(&[("method", "GET"), ("path", &path), ("status", "200")], 3, &messages::message().double(1, value))
        };
        let metrics: Vec<_> = (family * 20..family * 20 + 20).map(metric).collect();
        out.extend(messages::family(&format!("bench_metric_{family}_total"), "A metric of the benchmark.", messages::COUNTER, &metrics));
    }
    out
}

fn protobuf_bodies() {
    for lines in [100, 2_000, 20_000] {
        let bodies: Vec<Vec<u8>> = (0..4).map(|round| protobuf(lines, round)).collect();
        let mut commits = scrape::bench::Commits::new(Arc::new(Nothing));
        let began = Instant::now();
        let cold = commits.commit_as(&bodies[0], exposition::Format::Protobuf, 0).unwrap_or_default();
        let cold_ns = began.elapsed().as_nanos() as f64 / cold.max(1) as f64;
        let rounds = 4_000_000 / lines;
        let (began, mut total) = (Instant::now(), 0);
        for round in 0..rounds {
            total += commits.commit_as(&bodies[round % bodies.len()], exposition::Format::Protobuf, round as i64).unwrap_or_default();
        }
        let ns = began.elapsed().as_secs_f64() * 1e9 / total as f64;
        println!("{lines} samples in protobuf: first body {cold_ns:.0} ns/sample, then {ns:.1} ns/sample");
    }
}

fn main() {
    protobuf_bodies();
    for lines in [100, 2_000, 20_000] {
        let bodies: Vec<String> = (0..4).map(|round| body(lines, round)).collect();
        let mut commits = scrape::bench::Commits::new(Arc::new(Nothing));
        let began = Instant::now();
        let cold = commits.commit(bodies[0].as_bytes(), 0).unwrap_or_default();
        let cold_ns = began.elapsed().as_nanos() as f64 / cold.max(1) as f64;
        let rounds = 4_000_000 / lines;
        let (began, mut total, mut bytes) = (Instant::now(), 0, 0);
        for round in 0..rounds {
            let body = bodies[round % bodies.len()].as_bytes();
            total += commits.commit(body, round as i64).unwrap_or_default();
            bytes += body.len();
        }
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{lines} lines: first body {cold_ns:.0} ns/line, then {:.1} ns/line, {:.0} MB/s",
            seconds * 1e9 / total as f64,
            bytes as f64 / seconds / 1e6
        );
    }
}
