//! What appending costs: `cargo bench -p tsdb`. Prints figures; asserts nothing.
//!
//! 20 and 200 targets (or `SKOPOS_BENCH_TARGETS`) of 1,000 series, 200 rows each, on the real disk (`TMPDIR`), each in a process of its own. A third of the series never change, a third are
//! counters, a third gauges of several kinds.

#![expect(clippy::print_stdout, reason = "figures are the purpose")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::seams::{Append, ColumnId, GroupAppend, Row, Select, SelectRequest};
use model::{LabelSet, ManualClock, Matcher, TimeRange};
use tsdb::disk::{Disk, RealDisk};
use tsdb::{Db, Options};

const SERIES: usize = 1000;
const ROWS: i64 = 200;
const START: i64 = 1_800_000_000_000;
const INTERVAL: i64 = 1000;

/// Series of one target, with what makes their next values.
struct Target {
    writer: Box<dyn GroupAppend>,
    columns: Vec<ColumnId>,
    values: Vec<f64>,
    dice: u64,
}

impl Target {
    fn open(db: &Db, number: usize) -> Result<Self, Box<dyn Error>> {
        let mut writer = db.open_group(&format!("job/host-{number}:9100"))?;
        let columns = (0..SERIES).map(|n| writer.column(&labels(number, n))).collect::<Result<Vec<_>, _>>()?;
        let mut target = Self { writer, columns, values: vec![0.0; SERIES], dice: number as u64 + 1 };
        for n in 0..SERIES {
            target.values[n] = (target.random() % 1_000_000) as f64;
        }
        Ok(target)
    }

    fn random(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }

    fn next_values(&mut self) {
        for n in 0..SERIES {
            let random = self.random();
            let value = &mut self.values[n];
            match n % 12 {
                // Constants.
                0..4 => {}
                // Counters: bytes, requests, CPU seconds with two and with nine decimals.
                4 => *value += (random % 100_000) as f64,
                5 | 6 => *value += (random % 20) as f64,
                7 => *value = ((*value * 100.0).round() + (random % 100) as f64) / 100.0,
                8 => *value = ((*value * 1e9).round() + (random % 1_000_000_000) as f64) / 1e9,
                // Gauges: memory in pages, small integers, a ratio with all its digits.
                9 => *value = ((random % 1000) * 4096) as f64 + 1e9,
                10 => *value = (random % 64) as f64,
                _ => *value = random as f64 / u64::MAX as f64,
            }
        }
    }

    fn append(&mut self, time: i64) -> Result<(), Box<dyn Error>> {
        let report = self.writer.append(Row::floats(time, &self.columns, &self.values))?;
        if report.accepted == SERIES as u64 { Ok(()) } else { Err(format!("{report:?}").into()) }
    }
}

fn labels(target: usize, n: usize) -> LabelSet {
    LabelSet::from_pairs([
        ("__name__", format!("namespace_subsystem_metric_{}_total", n / 10)),
        ("instance", format!("host-{target}.example.org:9100")),
        ("job", "node".to_owned()),
        ("cluster", "eu-1".to_owned()),
        ("mode", ["user", "system", "idle", "iowait", "nice"][n % 5].to_owned()),
        ("cpu", (n % 10 / 5).to_string()),
    ])
}

/// Time that this thread ran, which other work on the machine does not stretch as it does wall time.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::var_os("SKOPOS_BENCH_TARGETS").is_none() {
        for targets in ["20", "200"] {
            println!("-- {targets},000 series");
            let status = std::process::Command::new(std::env::current_exe()?).env("SKOPOS_BENCH_TARGETS", targets).status()?;
            if !status.success() {
                return Err(format!("{status}").into());
            }
        }
        return Ok(());
    }
    let dir = std::env::temp_dir().join(format!("skopos-bench-{}", std::process::id()));
    let result = run(&dir);
    std::fs::remove_dir_all(&dir)?;
    result
}

/// Nanoseconds that copying a sample takes, 16 bytes from memory to memory: the yardstick.
fn memcpy_ns() -> f64 {
    const SAMPLES: usize = 4 << 20;
    let (from, mut to) = (vec![1_u8; SAMPLES * 16], vec![0_u8; SAMPLES * 16]);
    to.copy_from_slice(&from);
    let began = cpu_time();
    for _ in 0..4 {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
    }
    (cpu_time() - began).as_nanos() as f64 / (4 * SAMPLES) as f64
}

fn open(dir: &Path) -> Result<Db, Box<dyn Error>> {
    let clock = Arc::new(ManualClock::at(START));
    let (db, report) = Db::open(dir, Options::new(clock), Arc::new(RealDisk) as Arc<dyn Disk>, START)?;
    if report.samples > 0 {
        let ns = report.duration_ms as f64 * 1e6 / report.samples as f64;
        println!("recovery          {} samples in {} ms, {ns:.0} ns a sample", report.samples, report.duration_ms);
    }
    Ok(db)
}

fn run(dir: &Path) -> Result<(), Box<dyn Error>> {
    let target_count: usize = std::env::var("SKOPOS_BENCH_TARGETS").map_or(Ok(20), |text| text.parse())?;
    let memcpy = memcpy_ns();
    let empty = resident_bytes();
    let db = open(dir)?;
    let began = Instant::now();
    let mut targets = (0..target_count).map(|number| Target::open(&db, number)).collect::<Result<Vec<_>, _>>()?;
    println!("new series        {:.0} ns each", began.elapsed().as_nanos() as f64 / (target_count * SERIES) as f64);
    let (mut spent, mut first) = (Duration::ZERO, Duration::ZERO);
    let mut definitions = 0;
    for row in 0..ROWS {
        targets.iter_mut().for_each(Target::next_values);
        let began = cpu_time();
        for target in &mut targets {
            target.append(START - ROWS * INTERVAL + row * INTERVAL)?;
        }
        spent += cpu_time() - began;
        if row == 0 {
            (first, spent) = (spent, Duration::ZERO);
            definitions = db.stats().log_bytes;
        }
        if row == 119 {
            let (resident, stats) = (resident_bytes() - empty, db.stats());
            let series = (target_count * SERIES) as f64;
            println!(
                "after 120 rows    resident {:.0} bytes a series; head {:.0}, index {:.0}",
                resident as f64 / series,
                stats.head_bytes as f64 / series,
                stats.index_bytes as f64 / series
            );
        }
    }
    let series = (target_count * SERIES) as f64;
    let samples = series * (ROWS - 1) as f64;
    let stats = db.stats();
    println!(
        "append            {:.1} CPU-ns a sample ({:.0} the first row, with definitions)",
        spent.as_nanos() as f64 / samples,
        first.as_nanos() as f64 / series
    );
    let ns = spent.as_nanos() as f64 / samples;
    println!("                  {:.1} M samples/s, {:.0} MB/s of samples of 16 bytes, {:.1} × memcpy", 1e3 / ns, 16e3 / ns, ns / memcpy);
    println!(
        "log               {:.2} bytes a sample, {:.0} bytes a series for definitions and first row",
        (stats.log_bytes - definitions) as f64 / samples,
        definitions as f64 / series
    );
    println!(
        "head              {:.0} bytes a series, {:.2} a sample; index {:.0} a series",
        stats.head_bytes as f64 / series,
        stats.head_bytes as f64 / series / ROWS as f64,
        stats.index_bytes as f64 / series
    );
    read(&db, "read all", &[])?;
    read(&db, "read one metric", &[Matcher::equal("__name__", "namespace_subsystem_metric_7_total")])?;
    let began = Instant::now();
    db.sync()?;
    println!("sync              {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    drop((targets, db));
    open(dir)?;
    Ok(())
}

fn read(db: &Db, what: &str, matchers: &[Matcher]) -> Result<(), Box<dyn Error>> {
    let range = TimeRange { start: 0, end: START };
    let began = Instant::now();
    let groups = db.select(&SelectRequest { matchers, range })?;
    let selected = began.elapsed();
    let (mut samples, mut series) = (0, 0);
    for group in groups {
        let read = group.read()?;
        samples += read.times.len() * read.columns.len();
        series += read.columns.len();
    }
    let spent = began.elapsed();
    println!(
        "{what:17} {series} series selected in {:.2} ms; {:.1} ns a sample with decoding",
        selected.as_secs_f64() * 1e3,
        spent.as_nanos() as f64 / samples as f64
    );
    Ok(())
}
