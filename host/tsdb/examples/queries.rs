//! The queries of `../shared/bench/bench.py` over a data directory that it kept (`--keep`), without HTTP: CPU per query.
//! `cargo run --release -p tsdb --example queries -- DIR/data [SECONDS [NAME]]`
//!
//! The directory is opened for reading only, so that the same one can be measured again and again.

#![expect(clippy::print_stdout, reason = "figures are the purpose")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::seams::{Select, SelectRequest};
use model::{Matcher, TimeRange};
use promql::{Limits, Value};
use tsdb::Db;
use tsdb::disk::RealDisk;

/// How a query is asked.
enum Kind {
    Instant,
    /// Over the last hour, with so many seconds from step to step.
    Range(i64),
    /// The values of a label, of the series of a selector if there is one.
    Values(&'static str),
    Series,
}

const QUERIES: [(&str, Kind, &str); 17] = [
    ("instant, 1 series", Kind::Instant, r#"node_load1{instance="{node}"}"#),
    ("instant, one metric, all hosts", Kind::Instant, r#"node_cpu_seconds_total{mode="idle"}"#),
    ("instant, all of one host", Kind::Instant, r#"{instance="{node}"}"#),
    ("sum by, no range", Kind::Instant, "sum by (namespace) (container_memory_working_set_bytes)"),
    ("sum by rate 5m", Kind::Instant, r#"sum by (instance) (rate(node_cpu_seconds_total{mode!="idle"}[5m]))"#),
    ("histogram_quantile by le", Kind::Instant, "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))"),
    ("topk of sum by pod rate", Kind::Instant, "topk(10, sum by (pod) (rate(container_cpu_usage_seconds_total[5m])))"),
    ("ratio join > 0.2", Kind::Instant, "1 - node_memory_MemAvailable_bytes / on(instance) node_memory_MemTotal_bytes > 0.2"),
    ("max_over_time 1h", Kind::Instant, r#"max_over_time(container_memory_working_set_bytes{namespace="{ns}"}[1h])"#),
    ("count by __name__, all series", Kind::Instant, r#"count by (__name__) ({job=~".+"})"#),
    ("range 1h/15s, one host rate", Kind::Range(15), r#"sum by (mode) (rate(node_cpu_seconds_total{instance="{node}"}[5m]))"#),
    ("range 1h/30s, raw, one namespace", Kind::Range(30), r#"container_memory_working_set_bytes{namespace="{ns}"}"#),
    ("range 1h/60s, sum by ns of rate", Kind::Range(60), "sum by (namespace) (rate(container_cpu_usage_seconds_total[5m]))"),
    (
        "range 1h/60s, histogram_quantile",
        Kind::Range(60),
        "histogram_quantile(0.9, sum by (le, handler) (rate(http_request_duration_seconds_bucket[5m])))",
    ),
    ("label values: instance", Kind::Values("instance"), ""),
    ("label values: pod, matched", Kind::Values("pod"), r#"container_sockets{namespace="{ns}"}"#),
    ("series of one metric", Kind::Series, r#"container_memory_working_set_bytes{namespace="{ns}"}"#),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("the first argument is a data directory")?);
    let seconds: f64 = args.next().map_or(Ok(0.5), |text| text.parse())?;
    let only = args.next().unwrap_or_default();
    let (db, report) = Db::open_read_only(&dir, Arc::new(RealDisk))?;
    println!("{} samples read from the log", report.samples);
    let end = newest(&db)?;
    let mut logs = 0.0;
    let mut count = 0;
    for (name, kind, text) in QUERIES.iter().filter(|(name, ..)| name.contains(&only)) {
        let (ms, wall, size) = measure(&db, kind, text, end, seconds)?;
        println!("{name:36} {ms:9.3} ms [{size}], {wall:.3} ms of wall");
        logs += ms.max(0.001).ln();
        count += 1;
    }
    println!("geometric mean {:.3} ms", (logs / f64::from(count)).exp());
    Ok(())
}

fn measure(db: &Db, kind: &Kind, text: &str, end: i64, seconds: f64) -> Result<(f64, f64, usize), Box<dyn Error>> {
    let (mut size, mut n, mut begun, mut cpu) = (0, 0_u32, Instant::now(), 0.0);
    loop {
        // As bench.py: the first three warm it up.
        if n == 3 {
            (begun, cpu) = (Instant::now(), cpu_seconds()?);
        }
        if n > 10 && begun.elapsed() > Duration::from_secs_f64(seconds) {
            break;
        }
        let text = text.replace("{node}", &format!("host-{}:9100", n * 3 % 50 / 3 * 3)).replace("{ns}", &format!("team-{}", n % 12));
        let found = run(db, kind, &text, end)?;
        if n == 0 {
            size = found;
        }
        n += 1;
    }
    let per_query = 1000.0 / f64::from(n - 3);
    Ok(((cpu_seconds()? - cpu) * per_query, begun.elapsed().as_secs_f64() * per_query, size))
}

fn run(db: &Db, kind: &Kind, text: &str, end: i64) -> Result<usize, Box<dyn Error>> {
    let hour = TimeRange { start: end - 3_600_000, end };
    let sets = || -> Result<Vec<Vec<Matcher>>, Box<dyn Error>> {
        if text.is_empty() { Ok(Vec::new()) } else { Ok(promql::plan::selectors(&promql::parse(text)?)) }
    };
    let result = match kind {
        Kind::Instant => promql::instant(&promql::parse(text)?, end, db, &Limits::default())?,
        Kind::Range(step) => promql::range(&promql::parse(text)?, hour.start, hour.end, step * 1000, db, &Limits::default())?,
        Kind::Values(name) => return Ok(db.label_values(name, &sets()?, hour, 0)?.len()),
        Kind::Series => return Ok(db.series(&sets()?, hour, 0)?.len()),
    };
    Ok(match result.value {
        Value::Vector(samples) => samples.len(),
        Value::Matrix(series) => series.len(),
        _ => 1,
    })
}

/// The time of the newest sample, at which bench.py asks.
fn newest(db: &Db) -> Result<i64, Box<dyn Error>> {
    let matchers = [Matcher::equal("__name__", "node_load1")];
    let range = TimeRange { start: 0, end: i64::MAX };
    let mut newest = 0;
    for group in db.select(&SelectRequest { matchers: &matchers, range })? {
        newest = newest.max(group.read()?.times.last().copied().unwrap_or(0));
    }
    Ok(newest)
}

/// CPU time of this process, with that of threads that ended, in steps of 10 ms.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything: the fields from the third on.
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}
