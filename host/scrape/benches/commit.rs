//! What a line costs on the way from a body to a row, by stage, without network and storage: `cargo bench -p scrape`.
//!
//! CPU time of the thread, so that what else runs on the machine counts less; beside it the ratio to copying the same bytes.

#![expect(clippy::print_stdout, reason = "the figures are what the benchmark is for")]

use std::fmt::Write;
use std::sync::Arc;

#[path = "../../exposition/tests/common/messages.rs"]
mod messages;

#[path = "../tests/common/nothing.rs"]
mod nothing;

use nothing::Nothing;

/// Lines as long as those of exporters in a cluster: 200 bytes in the mean.
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
        let _ = writeln!(
            text,
            "bench_metric_{}_total{{container=\"server\",id=\"/kubepods/burstable/pod{line:08x}-7f3a-4e1b\",method=\"GET\",namespace=\"production\",path=\"/api/v1/resource/{line}\",pod=\"server-{line:x}\",status=\"200\"}} {value}",
            line / 20
        );
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

/// Nanoseconds that this thread was on a processor.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Runs a stage over the bodies in turn until some CPU time has passed; returns nanoseconds a line.
fn stage<B: AsRef<[u8]>>(name: &str, bodies: &[B], copy_ns: Option<f64>, mut run: impl FnMut(usize, &[u8]) -> u64) -> f64 {
    let (mut lines, mut bytes, mut round) = (0, 0, 0);
    let began = cpu_ns();
    while cpu_ns() - began < 400_000_000 {
        for _ in 0..8 {
            let body = bodies[round % bodies.len()].as_ref();
            lines += run(round, body);
            bytes += body.len();
            round += 1;
        }
    }
    let ns = (cpu_ns() - began) as f64;
    let ratio = copy_ns.map_or_else(String::new, |copy| format!(", {:.1} x memcpy", ns / lines as f64 / copy));
    println!("  {name:<28} {:7.1} ns/line {:6.2} GB/s{ratio}", ns / lines as f64, bytes as f64 / ns);
    ns / lines as f64
}

fn main() {
    for lines in [1_000, 20_000] {
        let bodies: Vec<String> = (0..4).map(|round| body(lines, round)).collect();
        println!("{lines} lines of {} bytes", bodies[0].len() / lines);
        let mut copy = Vec::with_capacity(bodies[0].len() * 2);
        let copy_ns = stage("memcpy", &bodies, None, |_, body| {
            copy.clear();
            copy.extend_from_slice(std::hint::black_box(body));
            std::hint::black_box(&copy);
            lines as u64
        });
        let copied = Some(copy_ns);
        stage("parse", &bodies, copied, |_, body| scrape::bench::parse(body));
        let lookup = scrape::bench::Lookup::new(bodies[0].as_bytes());
        stage("lookup of known lines", &bodies, copied, |_, body| lookup.walk(body));
        stage("values of known lines", &bodies, copied, |_, body| lookup.values(body));
        let mut commits = scrape::bench::Commits::new(Arc::new(Nothing));
        stage("commit of known bodies", &bodies, copied, |round, body| commits.commit(body, round as i64).unwrap_or_default());
        stage("commit of new bodies", &bodies, copied, |round, body| {
            scrape::bench::Commits::new(Arc::new(Nothing)).commit(body, round as i64).unwrap_or_default()
        });
        let messages: Vec<Vec<u8>> = (0..4).map(|round| protobuf(lines, round)).collect();
        let mut commits = scrape::bench::Commits::new(Arc::new(Nothing));
        stage("commit of known protobuf", &messages, None, |round, body| {
            commits.commit_as(body, exposition::Format::Protobuf, round as i64).unwrap_or_default()
        });
    }
}
