//! What the life cycle costs: `cargo bench -p tsdb --bench life`. Prints figures; asserts nothing.
//!
//! 20 targets (or `SKOPOS_BENCH_TARGETS`) of 1,000 series, a row each 15 s for ten hours, on the real disk (`TMPDIR`). A third of the
//! series never change, a third are counters, a third gauges of several kinds, as in the bench of appending.

#![expect(clippy::print_stdout, reason = "figures are the purpose")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::seams::{Append, ColumnId, GroupAppend, Row, Select, SelectRequest};
use model::{Clock, LabelSet, ManualClock, Matcher, TimeRange};
use tsdb::disk::RealDisk;
use tsdb::{Db, Options};

const SERIES: usize = 1000;
const STEP_MS: i64 = 15_000;
const HOUR_MS: i64 = 3_600_000;
const START: i64 = 20_000 * 24 * HOUR_MS;

fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

struct Target {
    writer: Box<dyn GroupAppend>,
    columns: Vec<ColumnId>,
    values: Vec<f64>,
    dice: u64,
}

impl Target {
    fn open(db: &Db, number: usize) -> Result<Self, Box<dyn Error>> {
        let mut writer = db.open_group(&format!("node/host-{number}:9100"))?;
        let columns = (0..SERIES).map(|n| writer.column(&labels(number, n))).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { writer, columns, values: (0..SERIES).map(|n| (n * 17 % 1000) as f64).collect(), dice: number as u64 + 1 })
    }

    fn random(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }

    fn append(&mut self, time: i64) -> Result<(), Box<dyn Error>> {
        for n in 0..SERIES {
            let random = self.random();
            let value = &mut self.values[n];
            match n % 12 {
                0..4 => {}
                4 => *value += (random % 100_000) as f64,
                5 | 6 => *value += (random % 20) as f64,
                7 => *value = ((*value * 100.0).round() + (random % 100) as f64) / 100.0,
                8 => *value = ((*value * 1e9).round() + (random % 1_000_000_000) as f64) / 1e9,
                9 => *value = ((random % 1000) * 4096) as f64 + 1e9,
                10 => *value = (random % 64) as f64,
                _ => *value = random as f64 / u64::MAX as f64,
            }
        }
        self.writer.append(Row::floats(time, &self.columns, &self.values))?;
        Ok(())
    }
}

fn labels(target: usize, n: usize) -> LabelSet {
    LabelSet::from_pairs([
        ("__name__", format!("namespace_subsystem_metric_{}_total", n / 10)),
        ("instance", format!("host-{target}.example.org:9100")),
        ("job", "node".to_owned()),
        ("mode", ["user", "system", "idle", "iowait", "nice"][n % 5].to_owned()),
        ("cpu", (n % 10 / 5).to_string()),
    ])
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("skopos-life-bench-{}", std::process::id()));
    let result = run(&dir);
    std::fs::remove_dir_all(&dir)?;
    result
}

fn run(dir: &Path) -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::var("SKOPOS_BENCH_TARGETS").map_or(Ok(20), |text| text.parse())?;
    let clock = Arc::new(ManualClock::at(START));
    let (db, _) = Db::open(dir, Options::new(clock.clone()), Arc::new(RealDisk), START)?;
    let mut targets = (0..count).map(|number| Target::open(&db, number)).collect::<Result<Vec<_>, _>>()?;
    let (mut append, mut flush, mut merge, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for row in 0..10 * HOUR_MS / STEP_MS {
        let now = START + row * STEP_MS;
        clock.set(now);
        let began = cpu_time();
        targets.iter_mut().try_for_each(|target| target.append(now))?;
        append += cpu_time() - began;
        if row % 4 == 0 {
            db.maintain(now);
            let (began, wall, before) = (cpu_time(), Instant::now(), db.stats().compactions);
            let report = db.tend(now);
            for error in &report.errors {
                println!("{error}");
            }
            let spent = cpu_time() - began;
            if db.stats().compactions > before {
                merge += spent;
            } else if report.flushed > 0 {
                (flush, slowest) = (flush + spent, slowest.max(wall.elapsed()));
            }
        }
    }
    let stats = db.stats();
    let per = |spent: Duration, samples: u64| spent.as_nanos() as f64 / samples.max(1) as f64;
    let in_blocks: u64 = db.blocks().iter().map(|block| block.samples).sum();
    println!("append            {:.1} CPU-ns a sample, the making of values included", per(append, stats.samples_appended));
    println!(
        "flush             {:.1} ns a sample, {} blocks of {} samples; the longest took {slowest:.2?}",
        stats.flush_nanos as f64 / stats.flush_samples.max(1) as f64,
        stats.flushes,
        stats.flush_samples
    );
    println!("flush alone       {:.1} CPU-ns a sample", per(flush, stats.flush_samples));
    println!(
        "merge             {:.1} ns a sample, {} merges of {} samples; {merge:.2?} of CPU with the flushes before them",
        stats.compaction_nanos as f64 / stats.compaction_samples.max(1) as f64,
        stats.compactions,
        stats.compaction_samples
    );
    println!(
        "blocks            {:.3} bytes a sample, index included: {} bytes of {} blocks; log {} bytes",
        stats.block_bytes as f64 / in_blocks.max(1) as f64,
        stats.block_bytes,
        stats.blocks,
        stats.log_bytes
    );
    for (what, matchers) in
        [("read all", vec![]), ("read one metric", vec![Matcher::equal("__name__", "namespace_subsystem_metric_7_total")])]
    {
        let began = Instant::now();
        let range = TimeRange { start: START, end: clock.now() };
        let groups = db.select(&SelectRequest { matchers: &matchers, range })?;
        let selected = began.elapsed();
        let mut samples = 0;
        for group in groups {
            let read = group.read()?;
            samples += read.times.len() * read.columns.len();
        }
        println!("{what:17} selected in {selected:.2?}; {:.1} ns a sample with decoding", per(began.elapsed(), samples as u64));
    }
    Ok(())
}
