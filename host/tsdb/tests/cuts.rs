//! F1 and F2: random lives that end by kill or power cut at any call of the disk, and go on from there.
//!
//! `SKOPOS_KILLS` and `SKOPOS_CUTS` set how many ends are looked at (thousands take a release build), `SKOPOS_SEED` repeats a
//! run: `SKOPOS_CUTS=100000 cargo test -p tsdb --release --test cuts -- --nocapture`.

#![allow(clippy::print_stdout, reason = "seeds and counts are for people")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use support::number;
use support::scenario::Scenario;
use support::witness::End;

/// Lives until so many ends were looked at. Each has some generations.
fn lives(end: End, ends: u64, test: &str) {
    let count = Arc::new(AtomicU64::new(0));
    let only = number("SKOPOS_SEED");
    let begun = std::time::Instant::now();
    let (mut life, mut flushed, mut merged) = (0, 0, 0);
    while count.load(Ordering::Relaxed) < ends {
        let seed = only.unwrap_or(life);
        let mut scenario = Scenario::new(seed);
        let of = scenario.dice.below(3);
        for generation in 0..=of {
            let what = format!("{test}, SKOPOS_SEED={seed}, generation {generation}");
            let told = ToldOnPanic(&what);
            scenario.examine_ends(end, 6, seed * 10 + generation, &count);
            for _ in 0..20 + scenario.dice.below(80) {
                scenario.step();
            }
            scenario.check(&what);
            // What a process finds after a kill lasts through a power cut once it has synced, as all it wrote itself.
            let end = if scenario.dice.below(2) == 0 { End::Kill } else { end };
            scenario.end(end, &what);
            scenario.check(&what);
            std::mem::forget(told);
        }
        (life, flushed, merged) = (life + 1, flushed + scenario.flushed, merged + scenario.merged);
        if only.is_some() {
            break;
        }
    }
    println!(
        "{test}: {} ends in {life} lives with {flushed} flushes and {merged} merged blocks, {:?}",
        count.load(Ordering::Relaxed),
        begun.elapsed()
    );
}

/// Prints the seed where a panic comes from within the disk.
struct ToldOnPanic<'a>(&'a str);

impl Drop for ToldOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.0);
        }
    }
}

#[test]
fn f1_kill9_loses_nothing_wherever_it_comes() {
    lives(End::Kill, number("SKOPOS_KILLS").unwrap_or(400), "f1 kill9");
}

#[test]
fn f2_power_cut_loses_nothing_that_was_synced_wherever_it_comes() {
    lives(End::PowerCut, number("SKOPOS_CUTS").unwrap_or(600), "f2 power-cut");
}

/// Every call of flushing, merging, deleting and the retention, on the simulated disk.
#[test]
fn f11_compaction_kill_at_each_step() {
    for end in [End::Kill, End::PowerCut] {
        let count = Arc::new(AtomicU64::new(0));
        let (mut flushed, mut merged) = (0, 0);
        for seed in number("SKOPOS_SEED").map_or(0..number("SKOPOS_SEEDS").unwrap_or(2), |seed| seed..seed + 1) {
            let what = format!("f11 compaction-kill, {end:?}, SKOPOS_SEED={seed}");
            let _told = ToldOnPanic(&what);
            let mut scenario = Scenario::new(seed);
            for round in 0..6 {
                for _ in 0..25 {
                    scenario.step();
                }
                scenario.pass(130_000);
                scenario.sync().expect("the disk is well");
                scenario.examine_ends(end, 1, seed * 100 + round, &count);
                scenario.maintain();
                if round % 2 == 1 {
                    scenario.delete().expect("the disk is well");
                    scenario.db().clean_tombstones().expect("the disk is well");
                }
                scenario.disk.off_call();
                scenario.check(&what);
            }
            scenario.end(end, &what);
            scenario.pass(60_000);
            scenario.maintain();
            let left: Vec<_> = scenario
                .disk
                .files()
                .into_iter()
                .map(|(name, _)| name)
                .filter(|name| name.extension().is_some_and(|e| e == "tmp"))
                .collect();
            assert!(left.is_empty(), "{what}: left over: {left:?}");
            (flushed, merged) = (flushed + scenario.flushed, merged + scenario.merged);
        }
        println!("f11 compaction-kill: {} ends by {end:?} in {flushed} flushes and {merged} merged blocks", count.load(Ordering::Relaxed));
    }
}

/// Size and time limits, with log and head counted.
#[test]
fn f12_retention_keeps_the_disk_within_limit_and_a_block() {
    for seed in 0..number("SKOPOS_SEEDS").unwrap_or(4) {
        let mut scenario = Scenario::new(seed);
        scenario.close();
        scenario.plan.options.segment_bytes = 2000;
        scenario.plan.options.block_ms = 60_000;
        scenario.plan.options.retention_ms = [0, 20 * 60_000][seed as usize % 2];
        scenario.plan.options.retention_bytes = 40_000;
        scenario.open();
        let (mut most, mut block_most) = (0, 0);
        for _ in 0..1200 {
            scenario.step();
            scenario.maintain();
            let files = scenario.disk.files();
            let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
            let block = files.iter().filter(|(name, _)| name.extension().is_some_and(|e| e == "block")).map(|(_, bytes)| bytes.len()).max();
            (most, block_most) = (most.max(bytes), block_most.max(block.unwrap_or(0)));
        }
        println!("f12 retention: seed {seed}: at most {most} bytes, the largest block {block_most}, {} flushes", scenario.flushed);
        assert!(scenario.flushed > 0);
        assert!(most <= 40_000 + block_most, "seed {seed}: {most} bytes, {block_most} of them in the largest block");
        if scenario.plan.options.retention_ms > 0 {
            let cutoff = support::scenario::locked(&scenario.witness).cutoff;
            let oldest = support::witness::look(scenario.db()).0.values().filter_map(|rows| rows.keys().next().copied()).min();
            println!("f12 retention: the oldest sample is {:?} ms within the limit of time", oldest.map(|oldest| oldest - cutoff));
            // Blocks go as a whole.
            assert!(oldest.is_none_or(|oldest| oldest > cutoff - 10 * 60_000));
        }
    }
}

/// The log's numbers begin anew only after what blocks say of it: a late row in a new segment is not taken for one that a block has.
#[test]
fn f1_kill9_after_all_segments_became_blocks_keeps_late_rows() {
    let mut scenario = Scenario::new(0);
    scenario.close();
    scenario.plan.options.block_ms = 60_000;
    scenario.plan.options.out_of_order_window_ms = 3_600_000;
    scenario.plan.options.retention_ms = 0;
    scenario.open();
    for _ in 0..5 {
        scenario.append_now(0).expect("the disk is well");
        scenario.pass(30_000);
    }
    let late = support::scenario::float_row("g=late,n=late", 7.0);
    let time = model::Clock::now(scenario.plan.clock.as_ref());
    for _ in 0..4 {
        scenario.pass(200_000);
        assert_eq!(scenario.maintain(), Vec::<String>::new());
    }
    scenario.end(End::Kill, "f1, all segments flushed");
    scenario.end(End::Kill, "f1, again");
    // A group of its own takes rows of any time.
    scenario.write(1, time - 100_000, &late).expect("the disk is well");
    scenario.check("f1, a late row");
    scenario.end(End::Kill, "f1, a late row");
    scenario.check("f1, a late row after a kill");
    let logs = scenario.disk.files().into_iter().filter(|(name, _)| name.extension().is_some_and(|e| e == "log")).count();
    println!("f1 kill9: {logs} segments at the end");
}
