//! What a query says it held, beside what it took from the allocator: over head and blocks, for queries of many kinds.

#![allow(clippy::print_stdout, reason = "what was measured is for whoever runs the tests")]

mod support;

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use model::LabelSet;
use model::seams::{Append, Row, Select};
use promql::{Limits, QueryResult, parse};
use support::{NOW, open};
use test_support::{Counting, Measured};
use tsdb::Db;
use tsdb::disk::SimDisk;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The answer, what it says it held at most, and what the allocator gave.
fn measured(work: impl FnOnce() -> QueryResult) -> (QueryResult, usize, usize) {
    let measured = Measured::begin();
    let result = work();
    let stated = result.stats.bytes_peak;
    (result, stated, measured.most())
}

const STEP: i64 = 15_000;
const ROWS: i64 = 240;

/// Twenty targets of two hundred series each, an hour by 15 s, the first half of it in blocks if wanted.
fn stored() -> tsdb::Db {
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    for target in 0..20 {
        let mut writer = db.open_group(&format!("target-{target}")).expect("free");
        let columns: Vec<_> = (0..200)
            .map(|series| {
                let labels = LabelSet::from_pairs([
                    ("__name__", if series < 150 { "http_requests_total" } else { "memory_bytes" }),
                    ("instance", &format!("10.0.0.{target}:9100")),
                    ("job", "api"),
                    ("path", &format!("/api/v1/things/{}", series % 50)),
                    ("code", &(200 + series / 50).to_string()),
                    ("namespace", &format!("namespace-{}", target % 4)),
                ]);
                writer.column(&labels).expect("new")
            })
            .collect();
        for row in 0..ROWS {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let values: Vec<f64> = (0..200).map(|series| (row * (series + 1)) as f64 * 1.25).collect();
            writer.append(Row::floats(NOW - (ROWS - row) * STEP, &columns, &values)).expect("the disk is well");
        }
    }
    db
}

#[test]
fn what_a_query_says_it_held_is_within_a_fifth_of_what_it_took() {
    let _alone = ALONE.lock().expect("no panic");
    let db = stored();
    let mut far = Vec::new();
    for (text, range) in [
        ("http_requests_total", None),
        ("http_requests_total", Some(60_000)),
        ("http_requests_total[1h]", None),
        ("rate(http_requests_total[5m])", None),
        ("rate(http_requests_total[5m])", Some(30_000)),
        ("rate(http_requests_total[5m]) * 60 + 1", Some(30_000)),
        ("max_over_time(memory_bytes[30m])", Some(15_000)),
        ("sum by (path) (rate(http_requests_total[5m]))", Some(30_000)),
        ("sum by (instance, path) (http_requests_total)", Some(30_000)),
        ("sum without (code) (rate(http_requests_total[5m]))", Some(30_000)),
        ("quantile by (code) (0.9, http_requests_total)", Some(30_000)),
        ("topk(10, http_requests_total)", Some(30_000)),
        ("http_requests_total / on(instance, path, code) group_left() http_requests_total", Some(60_000)),
        ("http_requests_total and on(instance) memory_bytes", Some(60_000)),
        ("memory_bytes or http_requests_total", Some(60_000)),
        ("memory_bytes > 100", Some(30_000)),
        ("max_over_time(rate(http_requests_total[5m])[30m:1m])", None),
        ("max_over_time(rate(http_requests_total[5m])[30m:1m])", Some(120_000)),
        ("label_replace(http_requests_total, 'new', 'value-$1', 'path', '/api/(.*)')", Some(60_000)),
        ("count_values('v', memory_bytes)", Some(300_000)),
        ("sort_desc(http_requests_total)", None),
        ("absent(nothing)", Some(15_000)),
        ("quantile_over_time(0.9, memory_bytes[20m])", Some(60_000)),
        ("{job=\"api\"}", None),
    ] {
        let (expr, limits) = (parse(text).expect("good"), Limits::default());
        let select: &dyn Select = &db;
        let ask = || match range {
            None => promql::instant(&expr, NOW, select, &limits),
            Some(step) => promql::range(&expr, NOW - 3_600_000, NOW, step, select, &limits),
        };
        // The first time storage makes room that it keeps.
        drop(ask().expect("it evaluates"));
        let limits = Limits::default();
        let ask = || match range {
            None => promql::instant(&expr, NOW, select, &limits),
            Some(step) => promql::range(&expr, NOW - 3_600_000, NOW, step, select, &limits),
        };
        let (result, stated, took) = measured(|| ask().expect("it evaluates"));
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = stated as f64 / took as f64;
        println!("{stated:>10} stated, {took:>10} taken, {share:5.2}  {text} by {range:?}; answer {}", result.value.bytes());
        // Of small ones the fixed parts are more than a fifth.
        if !(0.8..=1.2).contains(&share) && took > 256 << 10 {
            far.push(format!("{text} by {range:?}: {share:.2}"));
        }
        assert_eq!(limits.meter.bytes(), 0, "{text}: what was held is given back");
    }
    assert!(far.is_empty(), "{far:#?}");
}

/// Targets of a thousand series each, with so many rows until now.
fn fill(db: &Db, series: usize, path: &str, rows: i64) {
    for target in 0..series / 1000 {
        let mut writer = db.open_group(&format!("target-{target}")).expect("free");
        let columns: Vec<_> = (0..1000)
            .map(|at| {
                let (name, instance) = (format!("metric_{at}"), format!("10.1.{target}:80"));
                let labels = [("__name__", name.as_str()), ("instance", &instance), ("path", path)];
                writer.column(&LabelSet::from_pairs(labels)).expect("new")
            })
            .collect();
        for row in 0..rows {
            writer.append(Row::floats(NOW - (rows - row) * STEP, &columns, &vec![1.5; 1000])).expect("the disk is well");
        }
    }
}

/// C1: everything there is, on a million series with `SKOPOS_C1_SERIES=1000000`.
#[test]
fn c1_match_all_stops_at_the_byte_budget_and_when_it_is_canceled() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let series: usize = std::env::var("SKOPOS_C1_SERIES").ok().and_then(|text| text.parse().ok()).unwrap_or(50_000);
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    fill(&db, series, &"/a/long/path".repeat(5), 3);
    let all = parse("{__name__=~\".+\"}").expect("good");
    let allowed = series * 100;
    let limits = Limits { bytes_max: allowed, ..Limits::default() };
    let (memory, begun) = (Measured::begin(), std::time::Instant::now());
    let refused = promql::range(&all, NOW - 600_000, NOW, 15_000, &db, &limits).expect_err("it is too much");
    let took = begun.elapsed();
    let most = memory.most();
    println!("{series} series, {allowed} bytes allowed: {refused} after {took:?}; {most} bytes taken");
    assert!(refused.to_string().contains("of memory"), "{refused}");
    assert!(most < allowed * 2 + (64 << 20), "{most}");
    assert!(took < std::time::Duration::from_secs(50), "{took:?}");
    // Stopped at any moment, amid storage's own work too.
    let begun = std::time::Instant::now();
    let whole = promql::instant(&all, NOW, &db, &Limits { bytes_max: usize::MAX, ..Limits::default() }).expect("it fits");
    println!("all of it takes {:?}, {} bytes stated", begun.elapsed(), whole.stats.bytes_peak);
    let (whole_time, mut slowest) = (begun.elapsed(), std::time::Duration::ZERO);
    drop(whole);
    for part in 1..10 {
        let limits = Limits { bytes_max: usize::MAX, ..Limits::default() };
        let cancel = std::sync::Arc::clone(&limits.cancel);
        let (result, stopped) = std::thread::scope(|scope| {
            let running = scope.spawn(|| promql::instant(&all, NOW, &db, &limits).map(|_| ()));
            std::thread::sleep(whole_time * part / 10);
            let begun = std::time::Instant::now();
            cancel.store(true, Ordering::Relaxed);
            (running.join().expect("no panic"), begun.elapsed())
        });
        assert!(matches!(result, Ok(()) | Err(promql::EvalError::Canceled)), "{result:?}");
        println!("canceled at {part} tenths: {stopped:?}");
        slowest = slowest.max(stopped);
    }
    println!("canceled at nine moments of it: the slowest stopped after {slowest:?}");
    assert!(slowest < std::time::Duration::from_secs(1), "{slowest:?}");
}

/// C10: all label sets, of a million series with `SKOPOS_C10_SERIES=1000000`.
#[test]
fn c10_label_sets_that_are_handed_on_one_by_one_hold_little() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let series: usize = std::env::var("SKOPOS_C10_SERIES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    fill(&db, series, &"/a/path".repeat(9), 1);
    let peak = |work: &mut dyn FnMut() -> usize| {
        let (memory, begun) = (Measured::begin(), std::time::Instant::now());
        (work(), memory.most(), begun.elapsed())
    };
    let at_once = peak(&mut || db.series(&[], support::ALWAYS, 0).expect("it is not stopped").len());
    let one_by_one = peak(&mut || {
        let mut found = 0;
        let each = &mut |_: &LabelSet| {
            found += 1;
            std::ops::ControlFlow::Continue(())
        };
        db.each_series(&[], support::ALWAYS, 0, each).expect("it is not stopped");
        found
    });
    println!("{series} series: at once {} bytes in {:?}, one by one {} bytes in {:?}", at_once.1, at_once.2, one_by_one.1, one_by_one.2);
    assert_eq!((at_once.0, one_by_one.0), (series, series));
    assert!(one_by_one.1 * 2 < at_once.1, "{} of {}", one_by_one.1, at_once.1);
}
