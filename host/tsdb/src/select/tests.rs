//! However long a question takes, storage looks after a bounded amount of work whether anybody still waits for the answer.

#![allow(clippy::print_stdout, reason = "figures are for people")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use model::seams::{Append, LabelKey, Row, Select, SelectError, SelectRequest};
use model::stop::{self, Stop};
use model::{LabelSet, ManualClock, MatchOp, Matcher, TimeRange};

use crate::disk::SimDisk;
use crate::pace::EVERY;
use crate::pace::tests::{Counted, counted};
use crate::{Db, Options};

const NOW: i64 = 1_800_000_000_000;
const ALWAYS: TimeRange = TimeRange { start: i64::MIN, end: i64::MAX };

fn opened(disk: &SimDisk) -> Db {
    let mut options = Options::new(Arc::new(ManualClock::at(NOW)));
    options.retention_ms = 0;
    Db::open(Path::new("/data"), options, Arc::new(disk.clone()), NOW).expect("it opens").0
}

/// One wide group and many of a hundred series, three rows each, in the head or in blocks; a series in ten is in two groups.
fn stored(series: usize, in_blocks: bool, shared: bool) -> Db {
    let db = opened(&SimDisk::default());
    let mut first = 0;
    while first < series {
        let count = if first == 0 { series / 2 } else { 100 };
        let mut writer = db.open_group(&format!("group-{first}")).expect("free");
        let columns: Vec<_> = (first..first + count)
            .map(|at| {
                let at = if shared && at % 10 == 0 { at / 2 } else { at };
                let labels =
                    LabelSet::from_pairs([("__name__", format!("m{}", at % 200)), ("id", at.to_string()), ("job", "j".to_owned())]);
                writer.column(&labels).expect("no limit")
            })
            .collect();
        for row in 0..3 {
            writer.append(Row::floats(NOW - 10_000_000 + row * 1000, &columns, &vec![1.5; columns.len()])).expect("the disk is well");
        }
        first += count;
    }
    if in_blocks {
        assert!(db.tend(NOW).flushed > 0);
    }
    db
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).expect("a good pattern")
}

type Question = (&'static str, Box<dyn Fn(&Db) -> Result<(), SelectError>>);

fn questions() -> Vec<Question> {
    let select = |what: &'static str, matchers: Vec<Matcher>| -> Question {
        (what, Box::new(move |db: &Db| db.select(&SelectRequest { matchers: &matchers, range: ALWAYS }).map(drop)))
    };
    let sets = || vec![vec![matcher("__name__", MatchOp::Matches, ".+")]];
    vec![
        select("all", Vec::new()),
        select("by a pattern", vec![matcher("__name__", MatchOp::Matches, ".+")]),
        select("by a pattern of many values", vec![matcher("id", MatchOp::Matches, ".*[0-8].*")]),
        select("by two", vec![matcher("job", MatchOp::Equal, "j"), matcher("id", MatchOp::NotMatches, ".*77.*")]),
        select("but some", vec![matcher("job", MatchOp::Equal, "j"), matcher("__name__", MatchOp::NotMatches, "m1.*")]),
        (
            "keyed",
            Box::new(move |db| {
                let names = vec!["id".to_owned()];
                db.select_keyed(&SelectRequest { matchers: &[], range: ALWAYS }, LabelKey { without: false, names: &names }).map(drop)
            }),
        ),
        (
            "read",
            Box::new(|db| db.select(&SelectRequest { matchers: &[], range: ALWAYS })?.iter().try_for_each(|group| group.read().map(drop))),
        ),
        (
            "each column",
            Box::new(|db| {
                let groups = db.select(&SelectRequest { matchers: &[], range: ALWAYS })?;
                groups.iter().try_for_each(|group| group.each_column(&mut |_| ControlFlow::Continue(())).map(drop))
            }),
        ),
        ("series", Box::new(move |db| db.series(&sets(), ALWAYS, 0).map(drop))),
        ("label names", Box::new(move |db| db.label_names(&sets(), ALWAYS, 0).map(drop))),
        ("values", Box::new(|db| db.label_values("id", &[], ALWAYS, 0).map(drop))),
        ("values of some", Box::new(move |db| db.label_values("id", &sets(), ALWAYS, 0).map(drop))),
    ]
}

fn asked(db: &Db, ask: &dyn Fn(&Db) -> Result<(), SelectError>, cancel_at: Option<usize>) -> (Result<(), SelectError>, Counted) {
    let stop = Stop::default();
    let cancel = cancel_at.map(|at| (at, Arc::<AtomicBool>::clone(&stop.cancel)));
    counted(cancel, || stop::within(&stop, || ask(db)))
}

#[test]
fn c1_between_two_looks_there_is_a_bounded_amount_of_work_and_a_look_ends_it() {
    let series = std::env::var("SKOPOS_C1_SERIES").ok().and_then(|text| text.parse().ok()).unwrap_or(12_000);
    for (in_blocks, shared) in [(false, false), (false, true), (true, true)] {
        let db = stored(series, in_blocks, shared);
        for (what, ask) in questions() {
            // What is found out once about a block is known from then on.
            assert_eq!(ask(&db), Ok(()), "{what}");
            let what = format!("{what}, {}{}", if in_blocks { "blocks" } else { "head" }, if shared { ", shared" } else { "" });
            let begun = Instant::now();
            let (result, all) = asked(&db, &ask, None);
            let took = begun.elapsed();
            assert_eq!(result, Ok(()), "{what}");
            #[expect(clippy::cast_precision_loss, reason = "a mean")]
            let nanos = took.as_nanos() as f64 / all.ticks as f64;
            println!(
                "{what}: {} ticks in {took:?}, {nanos:.0} ns each; most between two looks {} = {:.1} ms",
                all.ticks,
                all.longest,
                all.longest as f64 * nanos / 1e6
            );
            // What is walked over is counted at all.
            assert!(all.ticks >= series * 4, "{what}: {all:?}");
            // A row of the widest group, or some columns of a block, are the longest step.
            let most = 3 * EVERY + series;
            assert!(all.longest <= most, "{what}: {all:?}");
            let mut slowest = Duration::ZERO;
            for part in [1, 3, 5, 7] {
                let at = all.ticks * part / 8;
                let (result, until) = asked(&db, &ask, Some(at));
                slowest = slowest.max(until.canceled.map(|canceled| canceled.elapsed()).unwrap_or_default());
                // Within the last stretch it may end before it looks.
                assert!(
                    result == Err(SelectError::Stopped) || all.ticks - at <= most,
                    "{what} stopped at {at} of {}: {result:?}",
                    all.ticks
                );
                assert!(until.ticks - at <= most, "{what}: went on from {at} to {}", until.ticks);
            }
            println!("    canceled at four moments: back after {slowest:?} at most, what was held given back");
        }
    }
}

#[test]
fn a_block_that_says_it_has_each_series_once_is_not_believed() {
    let disk = SimDisk::default();
    let db = opened(&disk);
    for (first, time) in [(0, NOW - 10_000_000), (5, NOW - 10_000_001)] {
        let mut writer = db.open_group(&first.to_string()).expect("free");
        let labels = (first..first + 10).map(|at| LabelSet::from_pairs([("id", at.to_string()), ("job", "j".to_owned())]));
        let columns: Vec<_> = labels.map(|labels| writer.column(&labels).expect("no limit")).collect();
        writer.append(Row::floats(time, &columns, &[1.5; 10])).expect("the disk is well");
    }
    assert!(db.tend(NOW).flushed > 0);
    drop(db);
    for (path, bytes) in disk.files() {
        if path.extension().is_some_and(|extension| extension == "block") {
            disk.put(&path, crate::block::with_as_many_series_as_columns(&bytes));
        }
    }
    let db = opened(&disk);
    let [block] = db.blocks().try_into().expect("one block");
    let (matchers, names) = (Vec::new(), vec!["id".to_owned()]);
    let request = SelectRequest { matchers: &matchers, range: ALWAYS };
    let plain: usize = db.select(&request).expect("groups").iter().map(|group| group.labels().len()).sum();
    assert_eq!((block.series, plain), (20, 15), "some are in two groups");
    for without in [false, true] {
        let keyed = db.select_keyed(&request, LabelKey { names: &names, without }).expect("groups");
        assert_eq!(keyed.of.iter().map(Vec::len).sum::<usize>(), plain, "each series once");
    }
}
