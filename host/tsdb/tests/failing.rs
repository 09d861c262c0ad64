//! F5's reading half, F8, F15 and F16: reads that fail, syncs that take long, queries during maintenance, clocks that jump.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::ManualClock;
use model::seams::{Select, SelectRequest};
use support::scenario::{Plan, Scenario, locked};
use support::witness::{End, look};
use support::{ALWAYS, Dice, Feeder, NOW, labels, number, open, options, read_all, stored, try_open};
use tsdb::disk::{Call, Failure, Fault, SimDisk};

fn life(seed: u64) -> Scenario {
    let mut plan = Plan::random(&mut Dice(seed));
    plan.options.segment_bytes = 1500;
    plan.options.block_ms = 60_000;
    plan.options.retention_ms = 0;
    let mut scenario = Scenario::with(plan, seed);
    (0..400).for_each(|_| scenario.step());
    scenario
}

/// Reads that fail while opening: what cannot be read is named, the rest is served, and once the disk reads again all is there.
#[test]
fn f5_eio_read_at_open_names_the_file_and_serves_the_rest() {
    for (failure, once) in [(Failure::Io, true), (Failure::Io, false), (Failure::Short, true)] {
        for seed in 0..3 {
            let mut scenario = life(seed);
            scenario.close();
            let disk = scenario.disk.process_kill();
            let before = disk.calls(Call::READING);
            drop(scenario.plan.open(&disk).expect("it opens"));
            let reads = disk.calls(Call::READING) - before;
            assert!(reads > 0);
            for at in 0..reads.min(number("SKOPOS_EVERY_CALL").map_or(12, |_| u64::MAX)) {
                let what = format!("f5 eio-read: {failure:?}, once {once}, seed {seed}, read {at} of {reads}");
                let disk = scenario.disk.process_kill();
                let fault = if once { Fault::once(Call::READING, failure) } else { Fault::always(Call::READING, failure) };
                disk.fail(fault.after(at));
                let (db, report) = scenario.plan.open(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
                disk.heal();
                let (shown, warnings) = look(&db);
                let witness = locked(&scenario.witness);
                let whole = witness.clone().missing(&shown) == 0;
                // Everything that is shown was written; what is missing is said.
                witness.check(&shown, End::Lossy, &what);
                assert!(whole || !report.is_clean() || !warnings.is_empty(), "{what}: a loss that is not reported");
                drop((db, witness));
                let (db, report) = scenario.plan.open(&disk).unwrap_or_else(|error| panic!("{what}: again: {error}"));
                assert!(report.is_clean(), "{what}: again: {report:?}");
                locked(&scenario.witness).check(&look(&db).0, End::Kill, &format!("{what}: again"));
            }
        }
    }
}

/// Reads that fail while a query runs: it answers with what it can read and says what is missing, or fails with the reason;
/// later queries have it all again.
#[test]
fn f5_eio_read_in_queries_is_named() {
    let (mut partial, mut failed) = (0, 0);
    for seed in 0..4 {
        let mut scenario = life(seed);
        scenario.pass(600_000);
        assert_eq!(scenario.maintain(), Vec::<String>::new());
        let reads = {
            let before = scenario.disk.calls(Call::READING);
            let groups = scenario.db().select(&SelectRequest { matchers: &[], range: ALWAYS }).expect("it selects");
            support::witness::collect(&groups, &mut support::witness::Shown::new(), &mut Vec::new());
            scenario.disk.calls(Call::READING) - before
        };
        for (at, once) in (0..reads.min(number("SKOPOS_EVERY_CALL").map_or(12, |_| u64::MAX))).flat_map(|at| [(at, true), (at, false)]) {
            let what = format!("f5 eio-read: seed {seed}, read {at} of {reads}, once {once}");
            let fault = if once { Fault::once(Call::READING, Failure::Io) } else { Fault::always(Call::READING, Failure::Io) };
            scenario.disk.fail(fault.after(at));
            let hits = scenario.disk.faults_hit();
            match scenario.db().select(&SelectRequest { matchers: &[], range: ALWAYS }) {
                Err(error) => {
                    failed += 1;
                    assert!(error.to_string().contains("block"), "{what}: {error}");
                }
                Ok(groups) => {
                    let (mut shown, mut warnings) = (support::witness::Shown::new(), scenario.db().warnings(ALWAYS));
                    support::witness::collect(&groups, &mut shown, &mut warnings);
                    let witness = locked(&scenario.witness);
                    witness.check(&shown, End::Lossy, &what);
                    let missing = witness.missing(&shown);
                    partial += u64::from(missing > 0);
                    // What a second try could read is not missing.
                    assert!(missing == 0 || warnings.iter().any(|w| w.contains("blocks/")), "{what}: {missing} missing, said {warnings:?}");
                    assert!(scenario.disk.faults_hit() > hits, "{what}: not hit");
                }
            }
            scenario.disk.heal();
            scenario.check(&what);
        }
    }
    println!("f5 eio-read in queries: {partial} answered in part, {failed} failed");
}

/// A sync that takes long holds nobody up but those who asked for it.
#[test]
fn f8_slow_disk_does_not_hold_up_appends_or_queries() {
    let sync = Duration::from_millis(number("SKOPOS_SLOW_SYNC_MS").unwrap_or(400));
    let disk = SimDisk::new();
    let mut options = options();
    options.segment_bytes = 20_000;
    let (db, _) = try_open(&disk, options).expect("it opens");
    let syncing = Arc::new(AtomicBool::new(false));
    let (seen, counted) = (syncing.clone(), Arc::new(AtomicU64::new(0)));
    let syncs = counted.clone();
    disk.on_call(move |_, call, _| {
        if matches!(call, Call::Sync | Call::SyncDir) {
            seen.store(true, Ordering::Relaxed);
            std::thread::sleep(sync);
            seen.store(false, Ordering::Relaxed);
            syncs.fetch_add(1, Ordering::Relaxed);
        }
    });
    let done = AtomicBool::new(false);
    let (mut rows, mut slowest_append, mut slowest_query, mut in_sync) = (0_i64, Duration::ZERO, Duration::ZERO, 0);
    std::thread::scope(|scope| {
        let (db, done) = (&db, &done);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let report = db.maintain(NOW);
                assert_eq!(report.errors, Vec::<String>::new());
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mut feeder = Feeder::open(db, "g");
        while counted.load(Ordering::Relaxed) < 6 {
            let begun = Instant::now();
            feeder.row(NOW - 100_000 + rows, &[("s=1", rows as f64), ("s=2", 0.5)]);
            slowest_append = slowest_append.max(begun.elapsed());
            rows += 1;
            in_sync += i64::from(syncing.load(Ordering::Relaxed));
            if rows % 50 == 0 {
                let begun = Instant::now();
                assert_eq!(db.series(&[], ALWAYS, 0).map(|series| series.len()), Ok(2));
                slowest_query = slowest_query.max(begun.elapsed());
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!(
        "f8 slow-disk: syncs of {sync:?}: {rows} rows, {in_sync} of them during syncs, slowest append {slowest_append:?}, slowest query {slowest_query:?}"
    );
    assert!(in_sync > 100, "appends go on during a sync: {in_sync}");
    disk.off_call();
    assert_eq!(db.stats().samples_appended, rows as u64 * 2);
}

/// What a query selected stays as it was, whatever maintenance does meanwhile; and maintenance does not wait for the query.
#[test]
fn f15_query_vs_compaction_answers_are_stable() {
    for seed in 0..number("SKOPOS_SEEDS").unwrap_or(12) {
        let what = format!("f15 query-vs-compaction: seed {seed}");
        let mut scenario = life(seed);
        let before = locked(&scenario.witness).clone();
        let held = scenario.db().select(&SelectRequest { matchers: &[], range: ALWAYS }).expect("it selects");
        let files = scenario.disk.files().len();
        for _ in 0..6 {
            scenario.pass(130_000);
            assert_eq!(scenario.maintain(), Vec::<String>::new(), "{what}");
            for group in 0..3 {
                scenario.append_now(group).expect("the disk is well");
            }
        }
        println!("{what}: {files} files, then {}", scenario.disk.files().len());
        let mut shown = support::witness::Shown::new();
        support::witness::collect(&held, &mut shown, &mut Vec::new());
        before.check(&shown, End::None, &what);
        drop(held);
        scenario.check(&what);
    }
}

/// Queries from other threads all the while see whole answers that only grow.
#[test]
fn f15_query_vs_compaction_from_other_threads() {
    let seed = number("SKOPOS_SEED").unwrap_or(1);
    let clock = Arc::new(ManualClock::at(NOW));
    let disk = SimDisk::seeded(seed);
    let mut options = options();
    (options.clock, options.segment_bytes, options.block_ms) = (clock.clone(), 3000, 60_000);
    let (db, _) = try_open(&disk, options).expect("it opens");
    let done = AtomicBool::new(false);
    let rows = number("SKOPOS_ROWS").unwrap_or(400) as i64;
    let mut feeder = Feeder::open(&db, "g");
    let mut feed = |n: i64| {
        clock.set(NOW + n * 500);
        feeder.row(NOW + n * 500, &[("s=1", n as f64), ("s=2", -(n as f64))]);
    };
    // Both series are there before anybody looks: one that comes between the names of series and their samples is seen the next time.
    feed(0);
    std::thread::scope(|scope| {
        let (db, done) = (&db, &done);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    let (mut last, mut answers) = (0, 0);
                    while !done.load(Ordering::Relaxed) {
                        let found = read_all(db);
                        let lengths: Vec<usize> = ["s=1", "s=2"].iter().map(|s| found.get(&labels(s)).map_or(0, Vec::len)).collect();
                        assert!(lengths[0] >= last && lengths[1] >= last, "seed {seed}: samples vanish: {lengths:?} after {last}");
                        assert!(lengths[0].abs_diff(lengths[1]) == 0, "seed {seed}: half a row: {lengths:?}");
                        for (at, (time, bits)) in found.get(&labels("s=1")).into_iter().flatten().enumerate() {
                            assert_eq!((*time, *bits), (NOW + at as i64 * 500, (at as f64).to_bits()), "seed {seed}");
                        }
                        (last, answers) = (lengths[0], answers + 1);
                    }
                    answers
                })
            })
            .collect();
        for n in 1..rows {
            feed(n);
            if n % 40 == 0 {
                assert_eq!(db.maintain(NOW + n * 500).errors, Vec::<String>::new());
            }
        }
        done.store(true, Ordering::Relaxed);
        let answers: Vec<usize> = readers.into_iter().map(|reader| reader.join().expect("no panic")).collect();
        println!("f15 query-vs-compaction: {rows} rows, answers of the readers {answers:?}, {} files", disk.files().len());
    });
}

/// The clock is behind what is stored, at a start and while running: nothing is lost or spoiled, times that are too far ahead
/// are refused, and when the clock has caught up rows are taken as ever.
#[test]
fn f16_clock_back_refuses_by_policy_and_loses_nothing() {
    let clock = Arc::new(ManualClock::at(NOW));
    let mut options = options();
    (options.clock, options.block_ms) = (clock.clone(), 60_000);
    let disk = SimDisk::new();
    let (db, _) = try_open(&disk, options.clone()).expect("it opens");
    let mut feeder = Feeder::open(&db, "g");
    for n in 0..100 {
        clock.set(NOW + n * 5000);
        feeder.row(NOW + n * 5000, &[("s=1", n as f64)]);
        db.maintain(NOW + n * 5000);
    }
    let all = read_all(&db);
    assert_eq!(all[&labels("s=1")].len(), 100);
    drop((feeder, db));

    // A year back.
    let back = NOW - 365 * 86_400_000;
    clock.set(back);
    let (db, report) = tsdb::Db::open(std::path::Path::new(support::DIR), options.clone(), Arc::new(disk.clone()), back).expect("it opens");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(read_all(&db), all, "nothing is dropped");
    let mut feeder = Feeder::open(&db, "g");
    assert_eq!(feeder.row(back, &[("s=1", 0.0)]).accepted, 0, "before the group's newest row");
    assert_eq!(feeder.row(NOW + 1_000_000, &[("s=1", 0.0)]).too_new, 1);
    let mut fresh = Feeder::open(&db, "fresh");
    assert_eq!(fresh.row(back, &[("s=fresh", 1.0)]).accepted, 1, "another group has no newer rows");
    for n in 0..200 {
        clock.set(back + n * 60_000);
        assert_eq!(db.maintain(back + n * 60_000).errors, Vec::<String>::new());
    }
    let mut with_fresh = all.clone();
    with_fresh.extend(stored(&[("s=fresh", &[(back, 1.0)])]));
    assert_eq!(read_all(&db), with_fresh);
    drop((feeder, fresh, db));

    // And forth again: what is older than the retention by then goes, the rest stays.
    clock.set(NOW + 600_000);
    let (db, report) = open_at(&disk, &options, NOW + 600_000);
    assert!(report.is_clean(), "{report:?}");
    let found = read_all(&db);
    assert_eq!(found[&labels("s=1")], all[&labels("s=1")]);
    let mut feeder = Feeder::open(&db, "g");
    assert_eq!(feeder.row(NOW + 600_000, &[("s=1", 7.0)]).accepted, 1);
    drop(open(&SimDisk::new()));
}

fn open_at(disk: &SimDisk, options: &tsdb::Options, now: i64) -> (tsdb::Db, tsdb::RecoveryReport) {
    tsdb::Db::open(std::path::Path::new(support::DIR), options.clone(), Arc::new(disk.clone()), now).expect("it opens")
}
