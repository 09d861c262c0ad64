//! What scraping costs beside the load generator, without the rest of the program: scraper, client and storage alone.
//!
//! `LOADGEN_BIN=… cargo run --release -p scrape --example ingest -- [--series 200000] [--interval 1] [--seconds 20]
//! [--stamps 1] [--gzip 1] [--storage tsdb|nothing] [--seed 1] [--per-target 1000] [--workers N]`
//!
//! Prints CPU seconds of this process, user and kernel, in units of the generator's in the same window.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a tool for whoever measures; a failure ends it")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_client::Resolver;
use model::seams::{Append, Channel, MetricSource, PanelRender, PluginError, PluginKind, Plugins, TargetSource};
use model::{Clock, TimestampMs};
use scrape::{Deps, ScrapeConfig, Scraper};

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> TimestampMs {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Serves nothing.
struct NoPlugins;

impl Plugins for NoPlugins {
    fn serves(&self, _: &str, _: PluginKind) -> bool {
        false
    }
    fn target_source(&self, name: &str, _: &str) -> Result<Arc<dyn TargetSource>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }
    fn metric_source(&self, name: &str, _: &str) -> Result<Arc<dyn MetricSource>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }
    fn channel(&self, name: &str, _: &str) -> Result<Arc<dyn Channel>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }
    fn panel(&self, name: &str) -> Result<Arc<dyn PanelRender>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }
}

#[path = "../tests/common/nothing.rs"]
mod nothing;

use nothing::Nothing;

struct Args(HashMap<String, String>);

impl Args {
    fn number(&self, name: &str, default: u64) -> u64 {
        self.0.get(name).map_or(default, |value| value.parse().expect("a number"))
    }
}

/// User and kernel CPU seconds of a process.
fn cpu(pid: u32) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<f64> = stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    (fields.get(11).unwrap_or(&0.0) / 100.0, fields.get(12).unwrap_or(&0.0) / 100.0)
}

fn status(name: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0.0)
}

struct Generator(Child);

impl Drop for Generator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let mut argv = std::env::args().skip(1);
    let mut args = HashMap::new();
    while let (Some(key), Some(value)) = (argv.next(), argv.next()) {
        args.insert(key.trim_start_matches("--").to_owned(), value);
    }
    let args = Args(args);
    let (series, interval, seconds) = (args.number("series", 200_000), args.number("interval", 1), args.number("seconds", 20));
    let per_target = args.number("per-target", 1000);
    let targets = series / per_target;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bin = std::env::var("LOADGEN_BIN").unwrap_or_else(|_| "/work/t/loadgen/release/loadgen".to_owned());
    let text = |n: u64| n.to_string();
    let generator = Command::new(bin)
        .args(["serve", "--port", &text(u64::from(port)), "--targets", &text(targets), "--series", &text(per_target)])
        .args(["--interval-ms", &text(interval * 1000), "--max-s", &text(seconds + 120), "--seed", &text(args.number("seed", 1))])
        .args(["--stamps", &text(args.number("stamps", 0)), "--gzip", &text(args.number("gzip", 0))])
        .spawn()
        .expect("the load generator starts");
    let generator = Generator(generator);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }

    let dir = std::env::temp_dir().join(format!("skopos-ingest-{}", std::process::id()));
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let db = (args.0.get("storage").is_none_or(|s| s == "tsdb")).then(|| {
        let options = tsdb::Options::new(Arc::clone(&clock));
        tsdb::Db::open(&dir, options, Arc::new(tsdb::disk::RealDisk), clock.now()).expect("storage opens").0
    });
    let append: Arc<dyn Append> = match &db {
        Some(db) => Arc::new(db.clone()),
        None => Arc::new(Nothing),
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if args.number("workers", 0) > 0 {
        builder.worker_threads(args.number("workers", 0) as usize);
    }
    let runtime = builder.enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut config = format!("global: {{scrape_interval: {interval}s, scrape_timeout: {interval}s}}\nscrape_configs:\n");
    for (job, name) in ["node", "cadvisor", "app"].into_iter().enumerate() {
        let _ = write!(config, "- job_name: {name}\n  static_configs:\n");
        for target in (job as u64..targets).step_by(3) {
            let _ = writeln!(
                config,
                "  - targets: ['127.0.0.1:{port}']\n    labels: {{instance: 'host-{target}:9100', __metrics_path__: /t/{target}/metrics}}"
            );
        }
    }
    let root = yaml::parse(&config).expect("good YAML");
    let jobs = root.get("scrape_configs").map_or_else(Vec::new, |list| vec![list]);
    let config = ScrapeConfig::from_nodes(root.get("global"), &jobs, Path::new("/"), &NoPlugins).expect("a good configuration");
    let deps = Deps {
        append,
        plugins: Arc::new(NoPlugins),
        resolver: Arc::new(Resolver::with_servers(&["127.0.0.1:9"]).expect("an address")),
        clock: Arc::clone(&clock),
        offset_seed: 1,
        hash_seed: 2,
        external_host: None,
    };
    let scraper = Scraper::new(deps);
    let own = std::process::id();
    let before = cpu(own);
    scraper.reload(&config).expect("the configuration is taken over");
    let cold = loop {
        let stats = scraper.stats();
        if stats.scrapes >= targets {
            let now = cpu(own);
            break (now.0 + now.1 - before.0 - before.1) * 1e6 / stats.samples_read as f64;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut maintained = Instant::now();
    let mut rest = |until: Instant| {
        while Instant::now() < until {
            if maintained.elapsed() >= Duration::from_secs(1)
                && let Some(db) = &db
            {
                db.maintain(clock.now());
                maintained = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    rest(Instant::now() + Duration::from_secs((2 * interval).max(3)));
    println!("first scrape: {cold:.2} CPU-s per M samples, storage's process start not included; RSS {:.0} MB", status("VmRSS") / 1e3);
    let (began, first, own0, gen0) = (Instant::now(), scraper.stats(), cpu(own), cpu(generator.0.id()));
    rest(began + Duration::from_secs(seconds));
    let (last, own1, gen1) = (scraper.stats(), cpu(own), cpu(generator.0.id()));
    let samples = (last.samples_read - first.samples_read) as f64 / 1e6;
    let (user, kernel) = (own1.0 - own0.0, own1.1 - own0.1);
    let generated = gen1.0 + gen1.1 - gen0.0 - gen0.1;
    println!(
        "{:.2} x generator: {:.3} CPU-s/M (user {:.3}, kernel {:.3}); generator {:.3} CPU-s/M; {:.1} M samples, held {:.3}, threads {}, RSS {:.0} MB",
        (user + kernel) / generated,
        (user + kernel) / samples,
        user / samples,
        kernel / samples,
        generated / samples,
        samples,
        (last.scrapes - first.scrapes) as f64 * interval as f64 / targets as f64 / began.elapsed().as_secs_f64(),
        status("Threads"),
        status("VmRSS") / 1e3,
    );
    println!("{last:?}");
    runtime.block_on(scraper.stop());
    drop(generator);
    let _ = std::fs::remove_dir_all(dir);
}
