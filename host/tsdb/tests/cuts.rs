//! F1 and F2: random lives that end by kill or power cut at any call of the disk, and go on from there.
//!
//! `SKOPOS_KILLS` and `SKOPOS_CUTS` set how many ends are looked at (thousands take a release build), `SKOPOS_SEED` repeats a
//! run: `SKOPOS_CUTS=100000 cargo test -p tsdb --release --test cuts -- --nocapture`.

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
    let mut life = 0;
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
        life += 1;
        if only.is_some() {
            break;
        }
    }
    println!("{test}: {} ends in {life} lives, {:?}", count.load(Ordering::Relaxed), begun.elapsed());
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
