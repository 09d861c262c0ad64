//! Following the log.

mod support;

use model::seams::{Tail, TailPosition, TailRow};
use model::stale;
use support::{Dice, Feeder, NOW, labels, open, options, read_all, reopen, try_open};
use tsdb::Db;
use tsdb::disk::SimDisk;

/// Reads from a position to the end in steps of about `step` samples.
#[track_caller]
fn follow(db: &Db, from: TailPosition, step: usize) -> (Vec<TailRow>, TailPosition) {
    let (mut rows, mut at) = (Vec::new(), from);
    for _ in 0..100_000 {
        let batch = db.read(at, step).expect("it reads");
        assert!(!batch.gap);
        assert!(batch.next >= at);
        if batch.next == at {
            return (rows, at);
        }
        rows.extend(batch.rows);
        at = batch.next;
    }
    panic!("no end");
}

fn times(rows: &[TailRow]) -> Vec<i64> {
    rows.iter().map(|row| row.time - NOW).collect()
}

fn write(db: &Db, from: i64, to: i64) {
    let (mut a, mut b) = (Feeder::open(db, "a"), Feeder::open(db, "b"));
    for n in from..to {
        a.row(NOW + n, &[("s=1", n as f64), ("s=2", 0.5)]);
        b.row(NOW + n, &[("t=1", if n % 4 == 3 { stale() } else { n as f64 })]);
    }
}

#[test]
fn everything_comes_in_the_order_of_the_log_whatever_the_steps() {
    let disk = SimDisk::new();
    let mut options = options();
    options.segment_bytes = 1000;
    let (db, _) = try_open(&disk, options).expect("it opens");
    assert_eq!(follow(&db, TailPosition::default(), 10).0.len(), 0);
    write(&db, 0, 100);
    let (whole, end) = follow(&db, TailPosition::default(), usize::MAX);
    assert_eq!(end, db.end());
    assert_eq!(times(&whole), (0..100).flat_map(|n| [n, n]).collect::<Vec<_>>());
    assert_eq!(whole[0].samples, [(labels("s=1"), 0.0), (labels("s=2"), 0.5)]);
    assert!(model::is_stale(whole[7].samples[0].1));
    for step in [0, 1, 2, 50] {
        let (rows, _) = follow(&db, TailPosition::default(), step);
        assert_eq!(format!("{rows:?}"), format!("{whole:?}"), "steps of {step}");
    }
}

#[test]
fn a_follower_goes_on_from_any_position_and_after_a_restart() {
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    write(&db, 0, 50);
    let middle = db.end();
    write(&db, 50, 80);
    assert_eq!(times(&follow(&db, middle, 7).0), (50..80).flat_map(|n| [n, n]).collect::<Vec<_>>());
    let end = db.end();
    drop(db);
    let db = reopen(&disk);
    assert_eq!(times(&follow(&db, middle, 1000).0).len(), 60);
    assert_eq!(follow(&db, end, 10).0.len(), 0);
    write(&db, 80, 90);
    assert_eq!(times(&follow(&db, end, 3).0), (80..90).flat_map(|n| [n, n]).collect::<Vec<_>>());
}

#[test]
fn followers_at_many_positions_do_not_disturb_each_other() {
    let (db, _) = open(&SimDisk::new());
    write(&db, 0, 40);
    let mut dice = Dice(5);
    let mut at = [TailPosition::default(); 9];
    let mut counts = [0; 9];
    for _ in 0..2000 {
        let follower = dice.below(9) as usize;
        let batch = db.read(at[follower], 1 + dice.below(5) as usize).expect("it reads");
        counts[follower] += batch.rows.len();
        at[follower] = batch.next;
    }
    assert_eq!(counts, [80; 9]);
}

#[test]
fn a_position_that_is_gone_goes_on_from_the_oldest() {
    let disk = SimDisk::new();
    let mut options = options();
    options.segment_bytes = 1000;
    options.retention_ms = 3_600_000;
    let (db, _) = try_open(&disk, options).expect("it opens");
    write(&db, 0, 1000);
    let first = db.read(TailPosition::default(), 1).expect("it reads").next;
    let before = db.stats().log_segments;
    assert!(db.maintain(NOW + 3_600_000 + 800).segments_removed > 0);
    assert!(db.stats().log_segments < before);
    // The kept follower state is for a segment that is gone.
    let other = TailPosition { segment: first.segment, offset: first.offset + 1 };
    let batch = db.read(other, usize::MAX).expect("it reads");
    assert!(batch.gap);
    assert!(!batch.rows.is_empty());
    let beyond = db.read(TailPosition { segment: 999, offset: 0 }, 10).expect("it reads");
    assert!(beyond.gap, "a position of another data directory");
}

#[test]
fn with_sync_at_each_acknowledgement_only_synced_rows_are_followed() {
    let disk = SimDisk::new();
    let mut options = options();
    options.wal_sync_ms = 0;
    let (db, _) = try_open(&disk, options).expect("it opens");
    let mut feeder = Feeder::open(&db, "a");
    feeder.row(NOW, &[("s=1", 1.0)]);
    disk.set_syncs_fail(true);
    assert!(feeder.append(NOW + 1, &[(labels("s=1"), 2.0)]).is_err());
    assert_eq!(times(&follow(&db, TailPosition::default(), 10).0), [0]);
    disk.set_syncs_fail(false);
    feeder.row(NOW + 2, &[("s=1", 3.0)]);
    let followed = times(&follow(&db, TailPosition::default(), 10).0);
    assert!(followed.contains(&0) && followed.contains(&2), "{followed:?}");
    assert_eq!(read_all(&db)[&labels("s=1")].len(), 2);
}
