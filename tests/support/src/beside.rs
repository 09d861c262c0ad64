use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Answer, Server, Setup, Skopos, post_text, wait_for};

const HEALTHY: usize = 20;

/// Samples of each healthy target's answer.
const HEALTHY_SAMPLES: &str = "10";

/// A guard against hanging, not a statement about speed: a million series are scraped each twenty seconds, and on a busy machine not the
/// first time.
const LIMIT: Duration = Duration::from_secs(180);

/// Memory above idle that a fault may cost, beyond what a limit allows to be held.
const GROWTH_MAX: u64 = 64 << 20;

/// How far two scrapes of a healthy target may lie apart: lateness of a second at most, held loosely.
const GAP_MAX_SECONDS: f64 = 10.0;

/// How long a fault lasts at least before the healthy targets are looked at.
const LASTS: Duration = Duration::from_secs(5);

/// A Skopos that scrapes twenty healthy targets each second, beside which a test puts something bad.
pub struct Beside {
    skopos: Skopos,
    /// Keeps answering.
    _healthy: Server,
    name: String,
    config: String,
    idle_bytes: u64,
    idle_threads: u64,
    added: Instant,
}

impl Beside {
    /// Waits until all are healthy, and notes what the process needs then.
    #[must_use]
    pub fn start(binary: &str, name: &str) -> Self {
        let healthy = Server::start(|asked| {
            let lines = (0..10).map(|n| format!("healthy_requests_total{{path={:?},n=\"{n}\"}} {n}\n", asked.path));
            Answer::metrics(lines.collect::<String>())
        });
        let mut config =
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n  - job_name: healthy\n    static_configs:\n".to_owned();
        for number in 0..HEALTHY {
            let labels = format!("{{instance: h{number}, __metrics_path__: /h{number}}}");
            config.push_str(&format!("      - {{targets: ['{}'], labels: {labels}}}\n", healthy.address()));
        }
        let skopos = Setup::new(binary, name).config(&config).argument("--web.enable-lifecycle").start();
        skopos.wait_query("count_over_time(up{job=\"healthy\"}[1m]) >= 2", LIMIT, |r| r.len() == HEALTHY);
        skopos.reset_peak();
        let (idle_bytes, idle_threads) = (skopos.resident_bytes(), skopos.status_number("Threads:"));
        Self { skopos, _healthy: healthy, name: name.to_owned(), config, idle_bytes, idle_threads, added: Instant::now() }
    }

    /// The process.
    #[must_use]
    pub fn skopos(&self) -> &Skopos {
        &self.skopos
    }

    /// Adds jobs, indented by two.
    pub fn add(&mut self, jobs: &str) {
        let answer = self.try_add(jobs);
        assert_eq!(answer.0, 200, "{}", answer.1);
        self.added = Instant::now();
    }

    /// Status and text of the reload with these jobs.
    pub fn try_add(&self, jobs: &str) -> (u16, String) {
        self.skopos.folder().write("skopos.yml", format!("{}{jobs}", self.config));
        let answer = post_text(&self.skopos.url("/-/reload"));
        (answer.status, answer.body)
    }

    /// The targets of a job, as the API tells them.
    #[must_use]
    pub fn targets(&self, job: &str) -> Vec<Value> {
        let answer = self.skopos.get(&format!("/api/v1/targets?state=active&scrapePool={job}")).json();
        answer["data"]["activeTargets"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until every target of the job is down with this part in its error, has always been, and `up` says so too.
    #[track_caller]
    pub fn fails(&self, job: &str, part: &str) {
        let begun = Instant::now();
        let mut errors = Vec::new();
        while errors.is_empty() || !errors.iter().all(|e: &String| !e.is_empty() && e.contains(part)) {
            assert!(begun.elapsed() < LIMIT, "{job}: waited {LIMIT:?} for {part:?}, it says {errors:?}");
            std::thread::sleep(Duration::from_millis(50));
            let targets = self.targets(job);
            errors = targets.iter().map(|t| t["lastError"].as_str().unwrap_or_default().to_owned()).collect();
            let up = targets.iter().find(|t| t["health"] == "up");
            assert!(up.is_none(), "{job}: {up:?} should be down");
        }
        let count = errors.len();
        println!("{}: {job}: {count} × down after {:?}: {}", self.name, self.added.elapsed(), errors[0]);
        self.skopos.wait_query(&format!("max_over_time(up{{job=\"{job}\"}}[5m]) == 0"), LIMIT, |r| r.len() == count);
    }

    /// Waits until every target of the job is up.
    #[track_caller]
    pub fn succeeds(&self, job: &str, count: usize) {
        wait_for(&format!("{job} to be up"), LIMIT, || {
            let targets = self.targets(job);
            (targets.len() == count && targets.iter().all(|t| t["health"] == "up")).then_some(())
        });
        self.skopos.wait_query(&format!("min_over_time(up{{job=\"{job}\"}}[5m]) == 1"), LIMIT, |r| r.len() == count);
    }

    /// Waits until each target of the job was scraped so often.
    #[track_caller]
    pub fn scraped(&self, job: &str, targets: usize, times: u32) {
        let expr = format!("count_over_time(up{{job=\"{job}\"}}[5m]) >= {times}");
        self.skopos.wait_query(&expr, LIMIT, |r| r.len() == targets);
    }

    /// Threads above those of the idle process.
    #[must_use]
    pub fn more_threads(&self) -> u64 {
        self.skopos.status_number("Threads:").saturating_sub(self.idle_threads)
    }

    /// The fault has lasted: memory is bounded, where limits let `held` bytes be held, and no healthy target noticed.
    #[track_caller]
    pub fn others_are_unaffected(&self, held: u64) {
        std::thread::sleep(LASTS.saturating_sub(self.added.elapsed()));
        let peak = self.skopos.peak_bytes().saturating_sub(self.idle_bytes);
        let now = self.skopos.resident_bytes().saturating_sub(self.idle_bytes);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let skopos = &self.skopos;
        let up = skopos.query("min_over_time(up{job=\"healthy\"}[1m]) == 1");
        let whole = skopos.query(&format!("min_over_time(scrape_samples_scraped{{job=\"healthy\"}}[1m]) == {HEALTHY_SAMPLES}"));
        let scrapes = skopos.query("up{job=\"healthy\"}[1m]");
        let (mut samples, mut expected, mut gap) = (0, 0.0, 0.0_f64);
        for series in &scrapes {
            let times: Vec<f64> = series["values"].as_array().into_iter().flatten().filter_map(|v| v[0].as_f64()).collect();
            samples += times.len();
            expected += times.last().zip(times.first()).map_or(0.0, |(last, first)| (last - first).round() + 1.0);
            gap = times.windows(2).map(|pair| pair[1] - pair[0]).fold(gap, f64::max);
        }
        println!(
            "{}: idle {:.0} MiB, at most {:+.1} MiB, now {:+.1} MiB, {:+} threads; healthy: {samples} scrapes of {expected}, gap ≤ {gap:.1} s",
            self.name,
            mib(self.idle_bytes),
            mib(peak),
            mib(now),
            self.more_threads(),
        );
        assert_eq!((up.len(), whole.len(), scrapes.len()), (HEALTHY, HEALTHY, HEALTHY), "healthy targets were affected");
        assert!(samples as f64 >= expected * 0.8 && gap <= GAP_MAX_SECONDS, "{samples} of {expected} scrapes, a gap of {gap} s");
        assert!(peak <= GROWTH_MAX + held, "memory grew by {peak} bytes, of which limits explain {held}");
    }
}
