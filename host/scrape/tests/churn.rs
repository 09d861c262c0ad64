//! Targets that come and go for hours, and series that explode: the committer on real storage, with a clock of the test's own.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::seams::{Append, Select, SelectRequest};
use model::{LabelSet, ManualClock, Matcher, TimeRange, TimestampMs, is_absent, is_stale};
use scrape::bench::Commits;
use tsdb::disk::{Disk, RealDisk};
use tsdb::{Db, Options};

const MIN: i64 = 60_000;
const H: i64 = 60 * MIN;
/// Noon of a day, which is where a range of two hours begins.
const NOON: TimestampMs = 20_000 * 24 * H + 12 * H;
const INTERVAL: i64 = 15_000;

/// A database in a folder that goes with it.
struct Store {
    clock: Arc<ManualClock>,
    db: Option<Arc<Db>>,
    options: Options,
    dir: PathBuf,
}

impl Store {
    fn new(name: &str, change: impl FnOnce(&mut Options)) -> Self {
        let dir = std::env::temp_dir().join(format!("skopos-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a folder");
        let clock = Arc::new(ManualClock::at(NOON));
        let mut options = Options::new(clock.clone());
        change(&mut options);
        let mut store = Self { clock, db: None, options, dir };
        store.open();
        store
    }

    fn open(&mut self) {
        self.db = None;
        let disk = Arc::new(RealDisk) as Arc<dyn Disk>;
        let (db, _) = Db::open(&self.dir, self.options.clone(), disk, model::Clock::now(&*self.clock)).expect("it opens");
        self.db = Some(Arc::new(db));
    }

    fn db(&self) -> &Arc<Db> {
        self.db.as_ref().expect("it is open")
    }

    fn append(&self) -> Arc<dyn Append> {
        Arc::clone(self.db()) as Arc<dyn Append>
    }

    /// What the server does each second, at the time of this tick.
    fn tend(&self, now: TimestampMs) {
        self.clock.set(now);
        let report = self.db().tend(now);
        assert_eq!(report.errors, Vec::<String>::new());
        self.db().maintain(now);
    }

    /// All samples of series with this name, by their labels.
    fn samples(&self, name: &str) -> Vec<(LabelSet, Vec<(TimestampMs, f64)>)> {
        self.samples_of(&[Matcher::equal("__name__", name)])
    }

    fn samples_of(&self, matchers: &[Matcher]) -> Vec<(LabelSet, Vec<(TimestampMs, f64)>)> {
        let request = SelectRequest { matchers, range: TimeRange { start: i64::MIN, end: i64::MAX } };
        let mut found = Vec::new();
        for group in self.db().select(&request).expect("it is read") {
            let read = group.read().expect("it is read");
            assert_eq!(read.warnings, Vec::<String>::new());
            for (labels, column) in group.labels().iter().zip(&read.columns) {
                let samples = read.times.iter().copied().zip(column.floats().iter().copied());
                found.push((labels.clone(), samples.filter(|(_, value)| !is_absent(*value)).collect()));
            }
        }
        found
    }

    /// Memory of head and index, as they count it.
    fn memory(&self) -> u64 {
        let stats = self.db().stats();
        stats.head_bytes + stats.index_bytes
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.db = None;
        let _ = std::fs::remove_dir_all(Path::new(&self.dir));
    }
}

/// Fault A18: up and down with each scrape, for 24 hours of simulated time.
#[test]
fn a18_flap() {
    let mut store = Store::new("a18", |_| {});
    let mut target = Commits::of_target(store.append(), "flap:1");
    let body = |n: i64| {
        let mut text = String::new();
        (0..20).for_each(|series| _ = writeln!(text, "flap{{series=\"{series}\"}} {}", n * 20 + series));
        text
    };
    let scrapes = 24 * H / INTERVAL;
    let (mut series_max, mut memory_max_early, mut memory_max_late) = (0, 0, 0);
    for n in 0..scrapes {
        let time = NOON + n * INTERVAL;
        store.clock.set(time);
        if n % 2 == 0 {
            assert_eq!(target.commit(body(n).as_bytes(), time), Ok(20));
        } else {
            assert_eq!(target.scrape(Err("connection refused"), time).expect_err("it is down"), "connection refused");
        }
        if time % MIN == 0 {
            store.tend(time);
            series_max = series_max.max(store.db().stats().series);
            let early = n < scrapes / 4;
            let max = if early { &mut memory_max_early } else { &mut memory_max_late };
            *max = store.memory().max(*max);
        }
    }
    assert!(series_max <= 25, "20 series and those of the scrape itself, and {series_max} are in the index");
    assert!(memory_max_late <= memory_max_early * 3 / 2, "{memory_max_late} bytes, {memory_max_early} in the first six hours");
    drop(target);
    for again in 0..2 {
        let found = store.samples("flap");
        assert_eq!(found.len(), 20);
        for (labels, samples) in &found {
            assert_eq!(samples.len() as i64, scrapes, "{labels}");
            let series: i64 = labels.get("series").and_then(|text| text.parse().ok()).expect("a number");
            for (n, (time, value)) in (0..).zip(samples) {
                assert_eq!(*time, NOON + n * INTERVAL, "{labels}");
                let right = if n % 2 == 0 { *value == (n * 20 + series) as f64 } else { is_stale(*value) };
                assert!(right, "{labels} at scrape {n}: {value}");
            }
        }
        let up = store.samples("up");
        assert!(up[0].1.iter().enumerate().all(|(n, (_, value))| *value == f64::from(u8::from(n % 2 == 0))), "{up:?}");
        if again == 0 {
            store.open();
        }
    }
    println!(
        "a18: {scrapes} scrapes of 20 series in 24 h, {} blocks, at most {series_max} series in the head, {memory_max_late} bytes",
        store.db().stats().blocks
    );
}

/// Fault A19: new pods each minute for six hours of simulated time, each gone after five minutes. In full with `SKOPOS_LONG=1`: 100 pods
/// a minute with 1000 series each, 36 million series; else 4 with 40. `SKOPOS_A19=pods,series` for something between.
#[test]
fn a19_churn() {
    let long = std::env::var_os("SKOPOS_LONG").is_some();
    let said = std::env::var("SKOPOS_A19").ok().and_then(|text| {
        let (pods, series) = text.split_once(',')?;
        Some((pods.parse().ok()?, series.parse().ok()?))
    });
    let (pods_a_minute, series): (i64, i64) = said.unwrap_or(if long { (100, 1000) } else { (4, 40) });
    let life = 5;
    let store = Store::new("a19", |_| {});
    let body = |n: i64| {
        let mut text = String::new();
        (0..series).for_each(|at| _ = writeln!(text, "pod_metric{{at=\"{at}\"}} {}", n + at));
        text
    };
    let bodies: Vec<String> = (0..20).map(body).collect();
    let mut pods: std::collections::VecDeque<(i64, Commits)> = std::collections::VecDeque::new();
    let (mut at_minute, mut oldest_max): (Vec<(u64, u64)>, i64) = (Vec::new(), 0);
    let minutes = 6 * 60;
    for minute in 0..minutes {
        let began = NOON + minute * MIN;
        for pod in 0..pods_a_minute {
            pods.push_back((minute, Commits::of_target(store.append(), &format!("pod-{minute}-{pod}"))));
        }
        while pods.front().is_some_and(|(born, _)| minute - born >= life) {
            let (_, gone) = pods.pop_front().expect("it is there");
            store.clock.set(began);
            gone.end(began);
        }
        for scrape in 0..4 {
            let time = began + 1 + scrape * INTERVAL;
            store.clock.set(time);
            for (born, pod) in &mut pods {
                let n = (minute - *born) * 4 + scrape;
                assert_eq!(pod.commit(bodies[n as usize % bodies.len()].as_bytes(), time), Ok(series as u64));
            }
        }
        let now = began + MIN;
        store.tend(now);
        let stats = store.db().stats();
        at_minute.push((stats.series, store.memory()));
        // The oldest series that is in the head came with the oldest row of it, or later.
        if let Some((oldest, _)) = stats.head_time {
            oldest_max = oldest_max.max(now - oldest);
        }
    }
    let of_pod = (series + 5) as u64;
    let largest = |range: std::ops::Range<usize>| {
        let part = &at_minute[range];
        (part.iter().map(|(series, _)| *series).max().unwrap_or(0), part.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0))
    };
    // A whole cycle from one block to the next, and the one after.
    let (before, after) = (largest(120..240), largest(240..360));
    println!(
        "a19: {} pods of {series} series in 6 h: at most {} series and {} bytes in the head in hours 3 and 4, {} and {} in hours 5 and 6; \
         the oldest row in it was {} min old; {} blocks",
        minutes * pods_a_minute,
        before.0,
        before.1,
        after.0,
        after.1,
        oldest_max / MIN,
        store.db().stats().blocks
    );
    assert!(after.0 <= before.0 + before.0 / 20, "series in the head grow: {before:?}, {after:?}");
    assert!(after.1 <= before.1 + before.1 / 10, "memory grows: {before:?}, {after:?}");
    // One block of two hours, ten minutes, and what a pod lives.
    let pods_max = (120 + 10 + life + 1) * pods_a_minute;
    assert!(after.0 <= pods_max as u64 * of_pod, "{} series in the head, of more than {pods_max} pods", after.0);
    assert!(oldest_max <= 2 * H + 11 * MIN, "a row was in the head for {} min", oldest_max / MIN);
    // One series of each pod, so that the answer fits into memory in full too.
    let samples = store.samples_of(&[Matcher::equal("__name__", "pod_metric"), Matcher::equal("at", "7")]);
    assert_eq!(samples.len() as i64, minutes * pods_a_minute, "nothing is lost");
    let ended = samples.iter().filter(|(_, samples)| samples.last().is_some_and(|(_, value)| is_stale(*value))).count() as i64;
    assert_eq!(ended, (minutes - life) * pods_a_minute, "those of pods that are gone ended");
    assert!(samples.iter().all(|(_, samples)| samples.iter().filter(|(_, value)| !is_stale(*value)).count() as i64 >= 4));
}

/// Like F14, without a cgroup: a target of 200,000 series under a small budget. What is there goes on, the rest is refused and told, and
/// all is stored again when the exploding stops.
#[test]
fn a6_a_small_budget_holds_while_series_explode() {
    let long = std::env::var_os("SKOPOS_LONG").is_some();
    let (users, budget) = if long { (200_000, 24 << 20) } else { (20_000, 3 << 20) };
    let store = Store::new("a6", |options| {
        options.memory_budget = budget;
        options.memory_budget_name = "--storage.memory-budget".to_owned();
    });
    let mut known = Commits::of_target(store.append(), "known:1");
    let mut exploding = Commits::of_target(store.append(), "exploding:1");
    let mut text = String::new();
    let (mut most, mut told) = (0, None);
    let rounds = 30;
    for round in 0..rounds {
        let time = NOON + round * INTERVAL;
        store.clock.set(time);
        assert_eq!(known.scrape(Ok(b"known 1\nother 2\n"), time), Ok((2, None)));
        text.clear();
        text.push_str("requests_total 7\n");
        (0..users).for_each(|user| _ = writeln!(text, "requests_of_users_total{{user_id=\"u{user}\"}} {round}"));
        let (lines, refused) = exploding.scrape(Ok(text.as_bytes()), time).expect("the target stays up");
        assert_eq!(lines, users + 1);
        told = refused.or(told);
        store.tend(time + 1000);
        most = most.max(store.memory());
    }
    let told = told.expect("some are refused");
    println!("a6: {users} series, budget {budget}: at most {most} bytes, {} refused: {}", told.series, told.sentence());
    // Known series go on, and what they bring stays in memory until the head has become a block.
    assert!(most <= budget + budget / 5, "{most} bytes, and the budget is {budget}");
    assert_eq!((told.label.as_str(), told.limit.as_str()), ("user_id", "--storage.memory-budget"));
    assert!(told.rule.contains("{action: drop, source_labels: [__name__, user_id], regex: 'requests_of_users_total;.+'}"), "{}", told.rule);
    // A known target's samples are all there, and so are those that were stored of the other.
    for name in ["known", "other", "requests_total"] {
        let found = store.samples(name);
        assert_eq!((found.len(), found[0].1.len()), (1, rounds as usize), "{name}");
    }
    // The exploding stops: a new target is stored as a whole.
    let mut new = None;
    for round in rounds..rounds + 60 {
        let time = NOON + round * INTERVAL;
        store.clock.set(time);
        exploding.scrape(Ok(b"requests_total 7\n"), time).expect("up");
        known.scrape(Ok(b"known 1\nother 2\n"), time).expect("up");
        let fresh = new.get_or_insert_with(|| Commits::of_target(store.append(), "new:1"));
        let refused = fresh.scrape(Ok(b"late 1\n"), time).expect("up").1;
        store.tend(time + 1000);
        if refused.is_none() && !store.samples("late").is_empty() {
            println!("a6: {} s after the exploding stopped, new series are stored", (round - rounds + 1) * INTERVAL / 1000);
            return;
        }
    }
    panic!("new series are still refused after 15 minutes: {:?}", store.db().stats());
}
