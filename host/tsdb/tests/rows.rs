//! What becomes of rows: rules for their times, columns that come and go, what reading gives.

mod support;

use std::path::Path;
use std::sync::Arc;

use model::seams::{Append, AppendError, AppendReport, ColumnError, ColumnId, Row, Select, SelectRequest};
use model::{Clock, MatchOp, TimeRange, stale};
use support::{ALWAYS, DIR, Feeder, NOW, labels, matcher, open, options, read, read_all, reopen, stored, try_open};
use tsdb::disk::{Disk, RealDisk, SimDisk};
use tsdb::{Db, OpenError};

fn accepted(accepted: u64) -> AppendReport {
    AppendReport { accepted, ..AppendReport::default() }
}

#[test]
fn rows_are_read_back_before_and_after_a_restart() {
    let disk = SimDisk::new();
    let (db, report) = open(&disk);
    assert!(report.is_clean());
    let mut feeder = Feeder::open(&db, "g");
    assert_eq!(feeder.row(NOW, &[("__name__=a", 1.0), ("__name__=b,x=y", 2.5)]), accepted(2));
    assert_eq!(feeder.row(NOW + 1, &[("__name__=a", 2.0)]), accepted(1));
    let expected = stored(&[("__name__=a", &[(NOW, 1.0), (NOW + 1, 2.0)]), ("__name__=b,x=y", &[(NOW, 2.5)])]);
    assert_eq!(read_all(&db), expected);
    drop((feeder, db));
    assert_eq!(read_all(&reopen(&disk)), expected);
}

#[test]
fn times_are_judged_as_the_report_says() {
    let (db, _) = open(&SimDisk::new());
    let mut feeder = Feeder::open(&db, "g");
    feeder.row(NOW, &[("s=1", 1.0)]);
    let report = |f: fn(&mut AppendReport)| {
        let mut report = AppendReport::default();
        f(&mut report);
        report
    };
    assert_eq!(feeder.row(NOW, &[("s=1", 1.0)]), accepted(1), "the same again");
    assert_eq!(feeder.row(NOW, &[("s=1", 2.0)]), report(|r| r.duplicate = 1));
    assert_eq!(
        feeder.row(NOW, &[("s=1", 9.0), ("s=2", 3.0)]),
        report(|r| (r.duplicate, r.accepted) = (1, 1)),
        "a series joins the newest row"
    );
    assert_eq!(feeder.row(NOW - 1, &[("s=1", 2.0)]), report(|r| r.out_of_order = 1));
    assert_eq!(feeder.row(NOW + 600_001, &[("s=1", 2.0)]), report(|r| r.too_new = 1));
    assert_eq!(feeder.row(i64::MAX, &[("s=1", 2.0)]), report(|r| r.too_new = 1));
    assert_eq!(feeder.row(i64::MIN, &[("s=1", 2.0)]), report(|r| r.too_old = 1));
    assert_eq!(feeder.row(NOW + 600_000, &[("s=1", 4.0)]), accepted(1));
    assert_eq!(read_all(&db), stored(&[("s=1", &[(NOW, 1.0), (NOW + 600_000, 4.0)]), ("s=2", &[(NOW, 3.0)])]));
    let stats = db.stats();
    let counted =
        (stats.samples_appended, stats.samples_duplicate, stats.samples_out_of_order, stats.samples_too_new, stats.samples_too_old);
    assert_eq!(counted, (4, 2, 1, 2, 1));
}

#[test]
fn without_retention_any_past_time_is_taken() {
    let mut options = options();
    options.retention_ms = 0;
    let (db, _) = try_open(&SimDisk::new(), options).expect("it opens");
    let mut feeder = Feeder::open(&db, "g");
    for time in [i64::MIN + 1, -5, 0, NOW] {
        assert_eq!(feeder.row(time, &[("s=1", 1.0)]), accepted(1), "{time}");
    }
    assert_eq!(read_all(&db), stored(&[("s=1", &[(i64::MIN + 1, 1.0), (-5, 1.0), (0, 1.0), (NOW, 1.0)])]));
}

#[test]
fn a_stale_marker_releases_its_column() {
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    let mut writer = db.open_group("g").expect("free");
    let a = writer.column(&labels("s=a")).expect("no limit");
    assert_eq!(writer.column(&labels("s=a")), Ok(a), "asked twice");
    writer.append(Row::floats(NOW, &[a], &[1.0])).expect("good");
    writer.append(Row::floats(NOW + 1, &[a], &[stale()])).expect("good");
    let refused = writer.append(Row::floats(NOW + 2, &[a], &[2.0]));
    assert!(matches!(refused, Err(AppendError::Failed(text)) if text.contains("column 0 of group g")));
    assert!(writer.append(Row::floats(NOW + 2, &[ColumnId(77)], &[2.0])).is_err());
    // Fill pages, so that the slot goes to another series.
    let b = writer.column(&labels("s=b")).expect("no limit");
    for n in 0..70 {
        writer.append(Row::floats(NOW + 10 + n, &[b], &[n as f64])).expect("good");
    }
    let c = writer.column(&labels("s=c")).expect("no limit");
    assert_eq!(c, a, "the slot is used again");
    writer.append(Row::floats(NOW + 90, &[c], &[7.0])).expect("good");
    let again = writer.column(&labels("s=a")).expect("no limit");
    writer.append(Row::floats(NOW + 91, &[again], &[8.0])).expect("good");
    let only = |text: &str| read(&db, &[matcher("s", MatchOp::Equal, text)], ALWAYS);
    assert_eq!(only("a"), stored(&[("s=a", &[(NOW, 1.0), (NOW + 1, stale()), (NOW + 91, 8.0)])]));
    assert_eq!(only("c"), stored(&[("s=c", &[(NOW + 90, 7.0)])]));
    let all = read_all(&db);
    drop((writer, db));
    assert_eq!(read_all(&reopen(&disk)), all);
}

#[test]
fn a_group_has_one_writer() {
    let (db, _) = open(&SimDisk::new());
    let writer = db.open_group("g").expect("free");
    assert!(matches!(db.open_group("g"), Err(AppendError::GroupInUse(key)) if key == "g"));
    assert!(db.open_group("other").is_ok());
    drop(writer);
    assert!(db.open_group("g").is_ok());
}

#[test]
fn a_series_in_several_groups_is_one() {
    let disk = SimDisk::new();
    let (db, _) = open(&disk);
    let (mut first, mut second) = (Feeder::open(&db, "1"), Feeder::open(&db, "2"));
    first.row(NOW, &[("s=shared", 1.0), ("s=own", 5.0)]);
    second.row(NOW, &[("s=shared", 99.0)]);
    second.row(NOW + 5, &[("s=shared", 2.0)]);
    first.row(NOW + 5, &[("s=shared", 99.0)]);
    first.row(NOW + 7, &[("s=shared", 3.0)]);
    let expected = stored(&[("s=shared", &[(NOW, 1.0), (NOW + 5, 2.0), (NOW + 7, 3.0)]), ("s=own", &[(NOW, 5.0)])]);
    assert_eq!(read_all(&db), expected);
    drop((first, second, db));
    let db = reopen(&disk);
    assert_eq!(read_all(&db), expected);
    assert_eq!(db.stats().series, 2);
    // Where only one of the groups has samples, the series is simply that group's.
    let range = TimeRange { start: NOW + 6, end: NOW + 9 };
    assert_eq!(read(&db, &[], range), stored(&[("s=shared", &[(NOW + 7, 3.0)])]));
}

#[test]
fn the_limit_on_series_refuses_new_ones_alone() {
    let mut options = options();
    options.series_max = 2;
    let (db, _) = try_open(&SimDisk::new(), options).expect("it opens");
    let mut writer = db.open_group("g").expect("free");
    let a = writer.column(&labels("s=a")).expect("the first");
    writer.column(&labels("s=b")).expect("the second");
    let refused = writer.column(&labels("s=c"));
    assert!(matches!(refused, Err(ColumnError::Refused(text)) if text.contains("series_max") && text.contains('2')));
    assert_eq!(writer.column(&labels("s=a")), Ok(a));
    assert_eq!(writer.append(Row::floats(NOW, &[a], &[1.0])), Ok(accepted(1)));
    assert_eq!(db.stats().series_refused, 1);
}

#[test]
fn a_selection_is_a_snapshot() {
    let (db, _) = open(&SimDisk::new());
    let mut feeder = Feeder::open(&db, "g");
    for n in 0..40 {
        feeder.row(NOW + n, &[("s=1", n as f64)]);
    }
    let groups = db.select(&SelectRequest { matchers: &[], range: ALWAYS }).expect("it selects");
    for n in 40..200 {
        feeder.row(NOW + n, &[("s=1", n as f64), ("s=2", 0.0)]);
    }
    let samples = groups[0].read().expect("it decodes");
    assert_eq!(samples.times, (0..40).map(|n| NOW + n).collect::<Vec<_>>());
}

#[test]
fn ranges_are_clipped_to_the_millisecond() {
    let (db, _) = open(&SimDisk::new());
    let mut feeder = Feeder::open(&db, "g");
    for n in 0..100 {
        feeder.row(NOW + n * 10, &[("s=1", n as f64)]);
    }
    for (start, end, rows) in [(0, 990, 100), (1, 989, 98), (10, 10, 1), (11, 19, 0), (985, 5000, 1), (30, 20, 0)] {
        let range = TimeRange { start: NOW + start, end: NOW + end };
        let found = read(&db, &[], range);
        assert_eq!(found.values().map(Vec::len).sum::<usize>(), rows, "{start}..={end}");
        let groups = db.select(&SelectRequest { matchers: &[], range }).expect("it selects");
        let times: usize = groups.iter().map(|group| group.read().expect("it decodes").times.len()).sum();
        assert_eq!(times, rows, "{start}..={end}");
    }
}

#[test]
fn labels_are_listed_by_matchers_and_range() {
    let (db, _) = open(&SimDisk::new());
    let mut feeder = Feeder::open(&db, "g");
    feeder.row(NOW, &[("__name__=up,job=a", 1.0), ("__name__=up,job=b", 1.0), ("__name__=old,host=h", 1.0)]);
    for n in 1..100 {
        feeder.row(NOW + n, &[("__name__=up,job=a", 1.0), ("__name__=up,job=b", 1.0)]);
    }
    let up = vec![vec![matcher("__name__", MatchOp::Equal, "up")]];
    let both = vec![vec![matcher("job", MatchOp::Equal, "b")], vec![matcher("host", MatchOp::NotEqual, "")]];
    let late = TimeRange { start: NOW + 90, end: NOW + 99 };
    assert_eq!(db.label_names(&[], ALWAYS, 0), Ok(vec!["__name__".into(), "host".into(), "job".into()]));
    assert_eq!(db.label_names(&[], late, 0), Ok(vec!["__name__".into(), "job".into()]));
    assert_eq!(db.label_names(&up, ALWAYS, 1), Ok(vec!["__name__".into()]));
    assert_eq!(db.label_values("job", &[], ALWAYS, 0), Ok(vec!["a".into(), "b".into()]));
    assert_eq!(db.label_values("job", &both, ALWAYS, 0), Ok(vec!["b".into()]));
    assert_eq!(db.label_values("none", &[], ALWAYS, 0), Ok(vec![]));
    assert_eq!(db.series(&both, ALWAYS, 0), Ok(vec![labels("__name__=old,host=h"), labels("__name__=up,job=b")]));
    assert_eq!(db.series(&both, late, 0), Ok(vec![labels("__name__=up,job=b")]));
    assert_eq!(db.series(&[], ALWAYS, 2).expect("it lists").len(), 2);
    assert_eq!(db.series(&[], TimeRange { start: 1, end: 0 }, 0), Ok(vec![]));
}

#[test]
fn a_column_without_samples_is_no_series_yet() {
    let (db, _) = open(&SimDisk::new());
    let mut writer = db.open_group("g").expect("free");
    writer.column(&labels("s=a")).expect("no limit");
    assert_eq!(db.series(&[], ALWAYS, 0), Ok(vec![]));
    assert!(db.select(&SelectRequest { matchers: &[], range: ALWAYS }).expect("it selects").is_empty());
}

#[test]
fn retention_forgets_rows_series_groups_and_segments() {
    let disk = SimDisk::new();
    let mut options = options();
    options.retention_ms = 86_400_000;
    let clock = Arc::new(model::ManualClock::at(NOW));
    options.clock = clock.clone();
    let (db, _) = try_open(&disk, options.clone()).expect("it opens");
    let (mut gone, mut kept) = (Feeder::open(&db, "gone"), Feeder::open(&db, "kept"));
    for n in 0..100 {
        gone.row(NOW + n, &[("s=gone", n as f64), ("s=both", 1.0)]);
    }
    kept.row(NOW, &[("s=both", 2.0)]);
    drop(gone);
    let later = NOW + 2 * 86_400_000;
    // In steps: a clock that jumps is not believed.
    for hours in [12, 24, 36, 48] {
        clock.set(NOW + hours * 3_600_000);
        assert_eq!(db.maintain(clock.now()).errors, Vec::<String>::new());
    }
    // The segment is closed by the first row after its time is over.
    kept.row(later, &[("s=both", 3.0)]);
    let report = db.maintain(later + 60_000);
    assert_eq!(report.segments_removed, 1, "{report:?}");
    assert_eq!(read_all(&db), stored(&[("s=both", &[(later, 3.0)])]));
    let stats = db.stats();
    assert_eq!((stats.series, stats.groups, stats.log_segments), (1, 1, 1));
    drop((kept, db));
    let (db, report) = Db::open(Path::new(DIR), options, Arc::new(disk.clone()) as Arc<dyn Disk>, later).expect("it opens");
    assert!(report.is_clean());
    assert_eq!(read_all(&db), stored(&[("s=both", &[(later, 3.0)])]));
}

#[test]
fn idle_groups_are_compressed_and_go_on() {
    let (db, _) = open(&SimDisk::new());
    let mut feeder = Feeder::open(&db, "g");
    let samples: Vec<(String, f64)> = (0..200).map(|n| (format!("s={n}"), f64::from(n))).collect();
    let samples: Vec<(&str, f64)> = samples.iter().map(|(text, value)| (text.as_str(), *value)).collect();
    for n in 0..20 {
        feeder.row(NOW + n, &samples);
    }
    let (all, before) = (read_all(&db), db.stats().head_bytes);
    db.maintain(NOW + 7_200_000);
    assert!(db.stats().head_bytes < before / 2, "{} of {before}", db.stats().head_bytes);
    assert_eq!(read_all(&db), all);
    assert_eq!(feeder.row(NOW + 19, &[("s=1", 1.0), ("s=new", 1.0)]), accepted(2), "the newest row is still open");
    assert_eq!(feeder.row(NOW + 30, &[("s=1", 2.0)]), accepted(1));
}

#[test]
fn f9_two_processes_do_not_share_a_directory() {
    let dir = std::env::temp_dir().join(format!("skopos-tsdb-lock-{}", std::process::id()));
    let disk = || Arc::new(RealDisk) as Arc<dyn Disk>;
    let (db, _) = Db::open(&dir, options(), disk(), NOW).expect("it opens");
    let refused = Db::open(&dir, options(), disk(), NOW).expect_err("it is in use");
    assert!(matches!(&refused, OpenError::InUse { .. }));
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    let mut feeder = Feeder::open(&db, "g");
    feeder.row(NOW, &[("s=1", 1.0)]);
    db.sync().expect("the disk is well");
    drop((feeder, db));
    let (db, report) = Db::open(&dir, options(), disk(), NOW).expect("it was closed");
    assert!(report.is_clean());
    assert_eq!(read_all(&db), stored(&[("s=1", &[(NOW, 1.0)])]));
    drop(db);
    std::fs::remove_dir_all(&dir).expect("our own directory");
}
