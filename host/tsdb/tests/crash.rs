//! Power cuts, kills, full and failing disks. A failure prints its seed; see `random.rs`.

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use model::seams::{AppendError, AppendReport};
use model::{LabelSet, TimestampMs};
use support::{ALWAYS, Dice, Feeder, NOW, Stored, labels, open, options, read, read_all, reopen, seeds, stored, try_open};
use tsdb::Db;
use tsdb::disk::SimDisk;

/// Ends the other threads' loops, also when an assertion fails.
struct DoneOnDrop<'a>(&'a AtomicBool);

impl Drop for DoneOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Rows of one group, each with all its series, so that a row that is there in part shows.
struct Load {
    group: &'static str,
    feeder: Feeder,
    rows: Vec<TimestampMs>,
}

impl Load {
    fn new(db: &Db, group: &'static str) -> Self {
        Self { group, feeder: Feeder::open(db, group), rows: Vec::new() }
    }

    fn samples(group: &str, time: TimestampMs) -> Vec<(LabelSet, f64)> {
        (0..7).map(|n| (labels(&format!("g={group},n={n}")), (time * (n + 1)) as f64 / 8.0)).collect()
    }

    fn append(&mut self, time: TimestampMs) -> Result<AppendReport, AppendError> {
        let result = self.feeder.append(time, &Self::samples(self.group, time));
        if result.is_ok() {
            self.rows.push(time);
        }
        result
    }
}

/// The times of a group's rows; each row must be whole and right.
#[track_caller]
fn whole_rows(found: &Stored, group: &str) -> Vec<TimestampMs> {
    let first = found.get(&labels(&format!("g={group},n=0"))).cloned().unwrap_or_default();
    let times: Vec<TimestampMs> = first.iter().map(|(time, _)| *time).collect();
    for (n, (series, _)) in Load::samples(group, 0).into_iter().enumerate() {
        let rows = found.get(&series).cloned().unwrap_or_default();
        let expected: Vec<_> = times.iter().map(|time| (*time, Load::samples(group, *time)[n].1.to_bits())).collect();
        assert_eq!(rows, expected, "{series}");
    }
    times
}

#[test]
fn f2_power_cut_loses_at_most_what_was_not_synced() {
    for seed in seeds(150) {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let mut disk = SimDisk::new();
        let mut certain = [0; 2];
        let mut time = NOW - 1_000_000;
        for _ in 0..4 {
            let mut options = options();
            options.segment_bytes = 500 << dice.below(8);
            options.wal_sync_ms = dice.below(2) * 1000;
            let each = options.wal_sync_ms == 0;
            let (db, _) = try_open(&disk, options).expect("any state of the disk opens");
            let found = read_all(&db);
            let mut loads = [Load::new(&db, "a"), Load::new(&db, "b")];
            for (at, load) in loads.iter_mut().enumerate() {
                load.rows = whole_rows(&found, load.group);
                assert!(load.rows.len() >= certain[at], "{} of {} synced rows of {}", load.rows.len(), certain[at], load.group);
            }
            for _ in 0..dice.below(60) {
                time += 15;
                loads[dice.below(2) as usize].append(time).expect("the disk is well");
                if dice.below(10) == 0 {
                    db.sync().expect("the disk is well");
                    certain = [loads[0].rows.len(), loads[1].rows.len()];
                }
            }
            // What was found at the start and not synced since may be lost as well: a reading process does not sync.
            if each && !loads.iter().all(|load| load.rows.is_empty()) {
                certain = [loads[0].rows.len(), loads[1].rows.len()].map(|rows| rows.max(1) - 1);
            }
            drop((loads, db));
            disk = disk.power_cut(dice.next());
        }
    }
}

#[test]
fn f2_power_cut_loses_nothing_with_sync_at_each_acknowledgement() {
    for seed in seeds(100) {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let disk = SimDisk::new();
        let mut options = options();
        options.wal_sync_ms = 0;
        options.segment_bytes = 500 << dice.below(6);
        let (db, _) = try_open(&disk, options).expect("it opens");
        let mut load = Load::new(&db, "a");
        for n in 0..dice.below(50) as i64 {
            load.append(NOW + n).expect("the disk is well");
        }
        let (db, _) = open(&disk.power_cut(dice.next()));
        assert_eq!(whole_rows(&read_all(&db), "a"), load.rows);
    }
}

#[test]
fn f1_kill9_at_any_moment_loses_nothing_that_was_acknowledged() {
    // Rows are acknowledged by several threads while the disk is copied, as a kill would find it.
    let disk = SimDisk::new();
    let mut options = options();
    options.segment_bytes = 4000;
    let (db, _) = try_open(&disk, options).expect("it opens");
    let done = AtomicBool::new(false);
    // Writers stay this near to the rounds, so that a slow machine does not collect more rows than it can check.
    let allowed = AtomicUsize::new(0);
    let acknowledged = [(); 2].map(|()| Arc::new(std::sync::Mutex::new(Vec::new())));
    std::thread::scope(|scope| {
        for (group, rows) in ["a", "b"].into_iter().zip(&acknowledged) {
            let (db, done, allowed) = (&db, &done, &allowed);
            scope.spawn(move || {
                let mut load = Load::new(db, group);
                let mut time = NOW - 10_000_000;
                while !done.load(Ordering::Relaxed) {
                    if load.rows.len() >= allowed.load(Ordering::Relaxed) {
                        std::thread::yield_now();
                        continue;
                    }
                    time += 1;
                    load.append(time).expect("the disk is well");
                    rows.lock().expect("no panic").push(time);
                }
            });
        }
        let _done = DoneOnDrop(&done);
        for _ in 0..30 {
            allowed.fetch_add(150, Ordering::Relaxed);
            let before = acknowledged.each_ref().map(|rows| rows.lock().expect("no panic").len());
            let visible = read_all(&db);
            let killed = disk.process_kill();
            let (after, report) = open(&killed);
            assert!(report.damage.is_empty(), "{report:?}");
            let found = read_all(&after);
            for ((group, rows), before) in ["a", "b"].into_iter().zip(&acknowledged).zip(before) {
                let times = whole_rows(&found, group);
                let rows = rows.lock().expect("no panic")[..before].to_vec();
                assert!(times.starts_with(&rows), "{} of {}", times.len(), rows.len());
                // What a query had shown is there, and a query never shows a part of a row.
                let shown = whole_rows(&visible, group);
                assert!(times.starts_with(&shown), "{} of {} shown", times.len(), shown.len());
            }
        }
    });
}

#[test]
fn f3_disk_full_stores_nothing_and_storage_goes_on_when_there_is_space() {
    for space in (0..400).step_by(7) {
        let disk = SimDisk::new();
        let mut options = options();
        options.segment_bytes = 600;
        let (db, _) = try_open(&disk, options).expect("it opens");
        let mut load = Load::new(&db, "a");
        for n in 0..5 {
            load.append(NOW + n).expect("the disk is well");
        }
        disk.set_space(Some(space));
        disk.set_truncation_fails(space % 2 == 1);
        let mut failures = 0;
        for n in 5..30 {
            match load.append(NOW + n) {
                Ok(_) => {}
                Err(AppendError::Failed(text)) => {
                    failures += 1;
                    assert!(text.contains(".log"), "{text}");
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(whole_rows(&read_all(&db), "a"), load.rows, "only what was acknowledged is visible");
        }
        assert!(failures > 0);
        assert!(db.stats().log_write_failures >= failures);
        disk.set_space(None);
        disk.set_truncation_fails(false);
        for n in 30..60 {
            load.append(NOW + n).expect("there is space again");
        }
        let rows = load.rows.clone();
        drop((load, db));
        assert_eq!(whole_rows(&read_all(&reopen(&disk)), "a"), rows, "{space} bytes");
    }
}

#[test]
fn f5_eio_fsync_a_segment_is_not_trusted_again() {
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    let mut load = Load::new(&db, "a");
    load.append(NOW).expect("the disk is well");
    disk.set_syncs_fail(true);
    let error = db.sync().expect_err("it fails");
    assert!(error.contains("power cut"), "{error}");
    disk.set_syncs_fail(false);
    load.append(NOW + 1).expect("the disk is well");
    db.sync().expect("of the new segment");
    let stats = db.stats();
    assert_eq!((stats.log_segments, stats.log_sync_failures), (2, 1));
    let names: Vec<PathBuf> = disk.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    for seed in seeds(30) {
        println!("seed {seed}");
        // The row before the failure may be lost, the one after it not.
        let (after, _) = open(&disk.power_cut(seed));
        let found = read_all(&after);
        assert!(whole_rows(&found, "a").ends_with(&[NOW + 1]));
    }
}

#[test]
fn f5_eio_fsync_acknowledges_nothing_and_stays_invisible() {
    let disk = SimDisk::new();
    let mut options = options();
    options.wal_sync_ms = 0;
    let (db, _) = try_open(&disk, options).expect("it opens");
    let mut load = Load::new(&db, "a");
    load.append(NOW).expect("the disk is well");
    disk.set_syncs_fail(true);
    assert!(matches!(load.append(NOW + 1), Err(AppendError::Failed(_))));
    disk.set_syncs_fail(false);
    assert_eq!(whole_rows(&read_all(&db), "a"), [NOW]);
    assert_eq!(load.append(NOW + 1).map(|report| report.out_of_order), Ok(7), "its fate is not known");
    load.rows.pop();
    load.append(NOW + 2).expect("the disk is well");
    assert_eq!(whole_rows(&read_all(&db), "a"), [NOW, NOW + 2]);
}

#[test]
fn rows_are_visible_whole_while_they_come() {
    let (db, _) = open(&SimDisk::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _done = DoneOnDrop(&done);
            let mut load = Load::new(&db, "a");
            for n in 0..1000 {
                load.append(NOW - 10_000 + n).expect("the disk is well");
            }
        });
        let mut last = 0;
        while !done.load(Ordering::Relaxed) {
            let rows = whole_rows(&read_all(&db), "a").len();
            assert!(rows >= last, "rows do not vanish");
            last = rows;
        }
    });
    assert_eq!(whole_rows(&read_all(&db), "a").len(), 1000);
}

#[test]
fn repeated_starts_add_no_files() {
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    Load::new(&db, "a").append(NOW).expect("the disk is well");
    drop(db);
    for _ in 0..5 {
        drop(reopen(&disk));
    }
    assert_eq!(disk.files().len(), 1);
    assert_eq!(read(&reopen(&disk), &[], ALWAYS).len(), 7);
    assert_ne!(read_all(&reopen(&disk)), stored(&[]));
}
