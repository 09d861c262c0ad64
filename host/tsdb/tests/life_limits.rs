//! What a limit does to the life of samples: retention by time and size, a clock that jumps, the memory budget, a full disk.

mod support;

use model::seams::ColumnError;
use model::{Clock, LabelSet};
use support::life::{H, Life, MIN, feed};
use support::{Dice, Feeder, labels, read_all};
use tsdb::disk::SimDisk;

#[test]
fn f12_retention_by_time_and_by_size_counts_the_log() {
    let life = Life::new(SimDisk::default(), |options| options.retention_ms = 24 * H);
    let mut feeder = Feeder::open(life.db(), "g");
    for _ in 0..40 {
        feed(&life, &mut feeder, H, &["a", "b"]);
        life.pass(0);
        let oldest = life.db().stats().time_min.expect("samples");
        // A block goes when all of it is too old, and spans 2.4 hours at most.
        assert!(oldest >= life.clock.now() - 24 * H - 3 * H, "{} h old", (life.clock.now() - oldest) / H);
    }
    assert!(life.db().stats().time_retentions > 0);

    let limit = 60_000;
    let life = Life::new(SimDisk::default(), |options| {
        options.retention_bytes = limit;
        options.segment_bytes = 8192;
    });
    let mut feeder = Feeder::open(life.db(), "g");
    let mut dice = Dice(7);
    let mut largest_block = 0;
    for _ in 0..60 {
        let from = life.clock.now();
        for n in 0..60 {
            life.clock.set(from + n * MIN);
            let row: Vec<(LabelSet, f64)> =
                (0..20).map(|series| (labels(&format!("n={series}")), f64::from_bits(dice.next() >> 2))).collect();
            feeder.append(life.clock.now(), &row).expect("it appends");
        }
        life.pass(MIN);
        let used: usize = life.disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
        largest_block = life.db().blocks().iter().map(|block| block.bytes).max().unwrap_or(0).max(largest_block);
        assert!(used as u64 <= limit + largest_block, "{used} bytes, the largest block had {largest_block}");
    }
    assert!(life.db().stats().size_retentions > 0);
    assert!(read_all(life.db()).values().all(|rows| !rows.is_empty()));
}

#[test]
fn past_the_budget_new_series_are_refused_by_name_and_known_ones_go_on() {
    let budget = 3_000_000;
    let life = Life::new(SimDisk::default(), |options| {
        options.memory_budget = budget;
        options.memory_budget_name = "--storage.memory-budget".to_owned();
    });
    let mut feeder = Feeder::open(life.db(), "g");
    let mut known = Vec::new();
    let refusal = loop {
        assert!(known.len() < 100_000, "never refused");
        let labels = labels(&format!("__name__=m,n={}", known.len()));
        match feeder.writer.column(&labels) {
            Ok(column) => known.push(column),
            Err(error) => break error,
        }
        if known.len() % 100 == 0 {
            let values = vec![1.0; known.len()];
            let time = life.clock.now() + 1000;
            life.clock.set(time);
            feeder.writer.append(model::seams::Row::floats(time, &known, &values)).expect("it appends");
            life.pass(1000);
        }
    };
    let ColumnError::Refused(reason) = refusal else { panic!("{refusal}") };
    assert!(reason.contains("--storage.memory-budget=3000000 bytes is used up"), "{reason}");
    assert!(feeder.writer.report_column(&labels("__name__=up")).is_ok(), "what tells of it is taken all the same");
    let stats = life.db().stats();
    let used = stats.head_bytes + stats.index_bytes;
    assert!(used < budget * 12 / 10 && used > budget / 2, "{used} bytes of {budget}");
    let values = vec![2.0; known.len()];
    let report = feeder.writer.append(model::seams::Row::floats(life.clock.now() + 1000, &known, &values)).expect("known series go on");
    assert_eq!(report.accepted, known.len() as u64);
}

#[test]
fn near_the_budget_the_head_becomes_blocks_early() {
    let life = Life::new(SimDisk::default(), |options| options.memory_budget = 2_000_000);
    let mut feeder = Feeder::open(life.db(), "g");
    let mut dice = Dice(3);
    let mut count = 0;
    for _ in 0..400 {
        let time = life.clock.now() + 15_000;
        life.clock.set(time);
        let row: Vec<(LabelSet, f64)> = (0..1000).map(|n| (labels(&format!("n={n}")), f64::from_bits(dice.next() >> 2))).collect();
        feeder.append(time, &row).expect("it appends");
        count += 1000;
        life.pass(0);
        let stats = life.db().stats();
        assert!(stats.head_bytes + stats.index_bytes < 2_500_000, "{stats:?}");
    }
    assert!(life.db().stats().flushes > 1);
    assert!(life.blocks().len() < 8, "pieces of one range are merged: {:?}", life.blocks());
    assert_eq!(read_all(life.db()).values().map(Vec::len).sum::<usize>(), count);
}

/// After an explosion of long labels samples are few and labels are what fills the budget.
#[test]
fn near_the_budget_series_that_ended_leave_although_their_samples_are_few() {
    let life = Life::new(SimDisk::default(), |options| options.memory_budget = 3_000_000);
    let long = "x".repeat(240);
    let mut pods = 0;
    while {
        let mut feeder = Feeder::open(life.db(), &format!("pod-{pods}"));
        let series = |n: usize| labels(&format!("pod={pods},path={long}{pods}/{n}"));
        let time = life.clock.now();
        (0..100).all(|n| feeder.writer.column(&series(n)).is_ok() && feeder.append(time, &[(series(n), 1.0)]).is_ok())
    } {
        pods += 1;
        life.pass(1000);
        assert!(pods < 1000, "never refused");
    }
    for _ in 0..6 {
        life.pass(60_000);
    }
    assert!(life.db().stats().series < 1000, "{:?}", life.db().stats());
    let mut feeder = Feeder::open(life.db(), "healthy");
    assert!(feeder.writer.column(&labels("__name__=up")).is_ok());
}

#[test]
fn f3_a_full_disk_keeps_head_and_log_and_it_goes_on_by_itself() {
    let mut life = Life::new(SimDisk::default(), |_| {});
    let mut feeder = Feeder::open(life.db(), "g");
    feed(&life, &mut feeder, 3 * H, &["a", "b"]);
    let before = read_all(life.db());
    for space in [0, 10, 100, 200] {
        life.disk.set_space(Some(space));
        life.clock.set(life.clock.now() + 2 * MIN);
        let report = life.db().tend(life.clock.now());
        assert!(!report.errors.is_empty() && life.blocks().is_empty(), "with {space} bytes: {report:?}");
        assert_eq!(read_all(life.db()), before);
    }
    life.disk.set_space(None);
    assert_eq!(life.pass(2 * MIN).flushed, 1);
    assert_eq!(read_all(life.db()), before);
    drop(feeder);
    life.restart();
    assert_eq!(read_all(life.db()), before);
}

/// Three days with a row a minute, an hour at a time.
fn three_days(life: &Life) {
    let mut feeder = Feeder::open(life.db(), "g");
    for _ in 0..72 {
        feed(life, &mut feeder, H, &["a", "b"]);
        life.pass(0);
    }
}

const YEAR: i64 = 365 * 24 * H;

#[test]
fn f16_a_clock_that_jumps_a_year_ahead_drops_nothing_at_once() {
    let mut life = Life::new(SimDisk::default(), |options| options.retention_ms = 15 * 24 * H);
    three_days(&life);
    let before = read_all(life.db());
    let honest = life.clock.now();
    life.pass(YEAR);
    for _ in 0..60 {
        life.pass(MIN);
    }
    assert_eq!(read_all(life.db()), before, "an hour after the jump");
    let behind = life.db().stats().retention_behind_ms;
    assert!((YEAR - 2 * 24 * H..YEAR).contains(&behind), "{} h behind", behind / H);

    // What is stored by the wrong clock is no proof for it.
    Feeder::open(life.db(), "g").row(life.clock.now(), &[("__name__=a", 1.0)]);
    for _ in 0..3 {
        life.restart();
        life.pass(MIN);
        assert_eq!(read_all(life.db()).values().map(Vec::len).sum::<usize>(), before.values().map(Vec::len).sum::<usize>() + 1);
    }
    // The clock is set right: all is as if nothing had been.
    life.clock.set(honest + 2 * H);
    life.pass(MIN);
    assert_eq!(life.db().stats().retention_behind_ms, 0);
    life.restart();
    life.pass(MIN);
    let after = read_all(life.db());
    assert!(before.iter().all(|(labels, rows)| after[labels].starts_with(rows)));
    assert!(!life.files("blocks").iter().any(|path| path.ends_with("retention")), "its file is gone");
}

#[test]
fn f16_a_server_that_was_off_for_long_drops_what_is_too_old_within_hours() {
    let mut life = Life::new(SimDisk::default(), |options| options.retention_ms = 15 * 24 * H);
    three_days(&life);
    let before = read_all(life.db());
    life.clock.set(life.clock.now() + 40 * 24 * H);
    life.restart();
    life.pass(MIN);
    assert_eq!(read_all(life.db()), before);
    let mut hours = 0;
    while !read_all(life.db()).is_empty() {
        life.pass(H);
        hours += 1;
        assert!(hours < 41, "{} h behind", life.db().stats().retention_behind_ms / H);
    }
    assert!(hours > 10, "{hours}");
}
