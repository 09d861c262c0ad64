//! Files that are cut, flipped, foreign or missing: opened with the loss stated, and no wrong value.

mod support;

use std::path::{Path, PathBuf};

use model::TimestampMs;
use support::{Dice, Feeder, NOW, Stored, open, options, read_all, seeds, stored, try_open};
use tsdb::disk::SimDisk;
use tsdb::{OpenError, RecoveryReport};

/// Of a segment.
const HEADER_BYTES: usize = 40;

/// A log of three segments with every kind of frame: definitions, full rows, changes, joining and leaving series.
fn disk_with_segments() -> (SimDisk, Stored) {
    let disk = SimDisk::new();
    let mut options = options();
    options.segment_bytes = 1500;
    let (db, _) = try_open(&disk, options).expect("it opens");
    let (mut a, mut b) = (Feeder::open(&db, "a"), Feeder::open(&db, "b"));
    for n in 0..200_i64 {
        let value = n as f64;
        a.row(NOW + n, &[("s=counter", value * 7.0), ("s=gauge", (value * 0.37).sin()), ("s=constant", 5.0)]);
        if n % 3 == 0 {
            let late = if n % 9 == 0 { model::stale() } else { value / 8.0 };
            b.row(NOW + n, &[("t=x", value), ("t=late", late)]);
        }
    }
    let all = read_all(&db);
    drop((a, b, db));
    assert!(disk.files().len() >= 3, "{} segments", disk.files().len());
    (disk, all)
}

/// Opens a damaged disk: it must not panic, every sample it gives was written, and unless all are there it says so.
#[track_caller]
fn check(disk: &SimDisk, all: &Stored, what: &str) -> (RecoveryReport, usize) {
    let (report, found, whole) = look(disk, all, what);
    assert!(whole || !report.is_clean(), "{what}: a loss that is not reported");
    (report, found)
}

/// Likewise, but also gives whether all samples are there.
#[track_caller]
fn look(disk: &SimDisk, all: &Stored, what: &str) -> (RecoveryReport, usize, bool) {
    let (db, report) = open(disk);
    let found = read_all(&db);
    for (labels, rows) in &found {
        let written = &all[labels];
        for row in rows {
            assert!(written.contains(row), "{what}: {labels} {row:?} was never written");
        }
    }
    (report, found.values().map(Vec::len).sum(), found == *all)
}

/// Where frames of a segment end, by the lengths in their headers.
fn frame_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![HEADER_BYTES];
    while let Some(header) = bytes.get(ends[ends.len() - 1]..).and_then(|rest| rest.first_chunk::<12>()) {
        let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        ends.push(ends[ends.len() - 1] + 12 + len as usize);
    }
    ends
}

fn segments(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    disk.files().into_iter().filter(|(name, _)| name.extension().is_some_and(|e| e == "log")).collect()
}

#[test]
fn f6_bit_flip_in_the_log_is_noticed() {
    let (disk, all) = disk_with_segments();
    let total: usize = all.values().map(Vec::len).sum();
    let segments = segments(&disk);
    for seed in seeds(600) {
        let mut dice = Dice(seed);
        let (name, bytes) = &segments[dice.below(segments.len() as u64) as usize];
        let bit = dice.below(bytes.len() as u64 * 8) as usize;
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let damaged = disk.process_kill();
        damaged.put(name, flipped);
        let what = format!("seed {seed}: bit {bit} of {}", name.display());
        let (report, found) = check(&damaged, &all, &what);
        assert!(!report.is_clean(), "{what}");
        let place = report
            .damage
            .iter()
            .chain(&report.torn_tail)
            .any(|damage| name.ends_with(&damage.file) && damage.start <= (bit / 8) as u64 && (bit / 8) as u64 <= damage.end);
        assert!(place, "{what}: {report:?}");
        assert!(found > total / 3, "{what}: the other segments are served, {found} of {total}");
    }
}

#[test]
fn f7_truncate_a_segment_at_any_length() {
    let (disk, all) = disk_with_segments();
    let segments = segments(&disk);
    for (at, (name, bytes)) in segments.iter().enumerate() {
        for len in (0..bytes.len()).step_by(if at == 0 { 1 } else { 3 }) {
            let damaged = disk.process_kill();
            damaged.put(name, bytes[..len].to_vec());
            let what = format!("{} cut to {len}", name.display());
            let (report, _, whole) = look(&damaged, &all, &what);
            // That the newest segment ends between two frames is how it always ends.
            let unnoticeable = at + 1 == segments.len() && frame_ends(bytes).contains(&len);
            assert!(whole || !report.is_clean() || unnoticeable, "{what}: a loss that is not reported");
            if at + 1 == segments.len() {
                // A torn tail is cut off once, and then the log is whole.
                assert!(report.damage.is_empty(), "{report:?}");
                let (_, again) = open(&damaged);
                assert!(again.is_clean(), "{again:?}");
            }
        }
    }
}

#[test]
fn f7_zero_fill_and_junk_at_the_end_are_a_torn_tail() {
    let (disk, all) = disk_with_segments();
    let (name, bytes) = segments(&disk).pop().expect("there are some");
    let junk = |seed: u64| (0..500).map(|_| Dice(seed).next() as u8).collect::<Vec<u8>>();
    for tail in [vec![0; 4096], vec![0xF5; 100], junk(1), bytes[HEADER_BYTES..].to_vec()] {
        let damaged = disk.process_kill();
        damaged.put(&name, [bytes.as_slice(), &tail].concat());
        let (report, found) = check(&damaged, &all, "junk");
        let torn = report.torn_tail.expect("there is one");
        assert_eq!((torn.start, torn.end), (bytes.len() as u64, (bytes.len() + tail.len()) as u64));
        assert_eq!(found, all.values().map(Vec::len).sum::<usize>());
    }
}

#[test]
fn f7_missing_file_costs_its_own_rows_alone() {
    let (disk, all) = disk_with_segments();
    let total: usize = all.values().map(Vec::len).sum();
    let segments = segments(&disk);
    for (name, _) in &segments {
        let damaged = disk.process_kill();
        tsdb::disk::Disk::remove(&damaged, name).expect("it is there");
        let (report, found, _) = look(&damaged, &all, "missing");
        assert!(found < total && found > 0, "{found} of {total} without {}", name.display());
        // The oldest may have been removed by the retention, and after the newest there is nothing to tell.
        let middle = *name != segments[0].0 && *name != segments[segments.len() - 1].0;
        assert_eq!(!report.is_clean(), middle, "{}: {report:?}", name.display());
    }
}

#[test]
fn f7_foreign_file_is_named_and_left_alone() {
    let (disk, all) = disk_with_segments();
    for name in ["notes.txt", "7.log", "0000000001.log~"] {
        disk.put(&Path::new("/data/wal").join(name), b"mine".to_vec());
    }
    let (db, report) = open(&disk);
    assert_eq!(report.foreign_files, ["0000000001.log~", "7.log", "notes.txt"]);
    assert!(report.is_clean());
    assert_eq!(read_all(&db), all);
    assert!(disk.files().iter().any(|(name, bytes)| name.ends_with("notes.txt") && bytes == b"mine"));
}

#[test]
fn f7_foreign_file_under_a_segments_name_is_damage() {
    let (disk, all) = disk_with_segments();
    let foreign = Path::new("/data/wal/0000009999.log");
    disk.put(foreign, b"a text that somebody put here, longer than a header".to_vec());
    let (report, found) = check(&disk, &all, "foreign");
    assert_eq!(found, all.values().map(Vec::len).sum::<usize>());
    assert!(!report.is_clean());
    assert_eq!(report.damage[0].file, "wal/0000009999.log");
    let (db, _) = open(&disk);
    let mut feeder = Feeder::open(&db, "c");
    feeder.row(NOW + 500, &[("s=new", 1.0)]);
    drop((feeder, db));
    let (db, _) = open(&disk);
    assert!(read_all(&db).contains_key(&support::labels("s=new")), "later segments get later numbers");
}

#[test]
fn f10_old_format_or_newer_is_refused_by_name() {
    let (disk, _) = disk_with_segments();
    let (name, mut bytes) = segments(&disk).remove(1);
    bytes[8] = 9;
    let checksum = crc32c::crc32c(&bytes[..36]);
    bytes[36..40].copy_from_slice(&checksum.to_le_bytes());
    disk.put(&name, bytes);
    let error = try_open(&disk, options()).expect_err("it is refused");
    assert!(matches!(&error, OpenError::Version { file, version: 9 } if *file == name));
    assert!(error.to_string().contains("version 9"), "{error}");
}

#[test]
fn progress_reaches_the_end() {
    let (disk, _) = disk_with_segments();
    let mut seen: Vec<(u64, u64)> = Vec::new();
    let disk = std::sync::Arc::new(disk);
    let mut progress = |p: tsdb::RecoveryProgress| seen.push((p.bytes_read, p.bytes_total));
    tsdb::Db::open_with_progress(Path::new(support::DIR), options(), disk, NOW, &mut progress).expect("it opens");
    assert_eq!(seen.first().map(|(read, _)| *read), Some(0));
    assert!(seen.is_sorted());
    assert!(seen.last().is_some_and(|(read, total)| read == total && *total > 0));
}

#[test]
fn an_empty_directory_is_an_empty_database() {
    let (db, report) = open(&SimDisk::new());
    assert_eq!(read_all(&db), stored(&[]));
    assert_eq!(report, RecoveryReport::default().with_duration(report.duration_ms));
}

trait WithDuration {
    fn with_duration(self, ms: u64) -> Self;
}

impl WithDuration for RecoveryReport {
    fn with_duration(mut self, ms: u64) -> Self {
        self.duration_ms = ms;
        self
    }
}

#[test]
fn times_of_a_damaged_log_do_not_stop_new_rows() {
    let (disk, all) = disk_with_segments();
    let newest: TimestampMs = all.values().flatten().map(|(time, _)| *time).max().expect("there are some");
    let (name, bytes) = segments(&disk).remove(0);
    disk.put(&name, bytes[..bytes.len() / 2].to_vec());
    let (db, _) = open(&disk);
    let mut feeder = Feeder::open(&db, "a");
    assert_eq!(feeder.row(newest + 1, &[("s=counter", 1.0), ("s=other", 2.0)]).accepted, 2);
    let found = read_all(&db);
    drop((feeder, db));
    let (db, _) = open(&disk);
    assert_eq!(read_all(&db), found);
}
