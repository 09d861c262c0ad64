//! F10: data of every released version is read forever.
//!
//! `fixtures/` has what each release wrote: `log-v0` is a log of part 2, several segments with every kind of frame; `log-v1` one of part 3
//! with late rows, histograms and start timestamps too.
//! Never made anew; `SKOPOS_WRITE_FIXTURE=dir` writes what this program writes, for a new format.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::seams::{Append, ColumnSamples, Row, Select, SelectRequest};
use model::{BucketSpan, Histogram, HistogramCounts, Matcher, ResetHint, stale};
use support::{Feeder, NOW, Stored, options, read_all};
use tsdb::Db;
use tsdb::disk::{RealDisk, SimDisk};

/// What version 1 can say besides: late rows, histograms, start timestamps.
fn write_v1(db: &Db) {
    let mut writer = db.open_group("remote/one").expect("free");
    let (h, f) = (writer.column(&support::labels("__name__=h")).expect("new"), writer.column(&support::labels("__name__=f")).expect("new"));
    for n in 0..100_u64 {
        let histogram = Arc::new(Histogram {
            schema: 3,
            zero_threshold: 1e-128,
            sum: n as f64 * 0.3,
            counts: HistogramCounts::Integer { count: 7 + n, zero: 1, positive: vec![4, 2 + n], negative: Vec::new() },
            positive_spans: vec![BucketSpan { offset: -2, length: 2 }],
            negative_spans: Vec::new(),
            custom_bounds: Vec::new(),
            reset_hint: ResetHint::Unknown,
        });
        let (histograms, starts) = ([(h, histogram)], [(f, NOW - 7)]);
        let time = NOW + n as i64 * 1000 - if n % 10 == 9 { 5500 } else { 0 };
        writer.append(Row::floats(time, &[f], &[n as f64]).with_histograms(&histograms).with_starts(&starts)).expect("good");
    }
}

/// Times and histograms of a series.
type Histograms = Vec<(i64, Option<Histogram>)>;

/// Times and histograms of `h`, and the start timestamps of `f`.
fn read_v1(db: &Db) -> (Histograms, Vec<(i64, i64)>) {
    let select = |name: &str| {
        db.select(&SelectRequest { matchers: &[Matcher::equal("__name__", name)], range: support::ALWAYS }).expect("it selects")
    };
    let read = select("h").remove(0).read().expect("it reads");
    let ColumnSamples::Mixed { histograms, .. } = &read.columns[0] else { panic!("no histograms") };
    let rows = read.times.iter().copied().zip(histograms.iter().map(|histogram| histogram.as_deref().cloned())).collect();
    (rows, select("f").remove(0).starts().expect("it reads").remove(0))
}

/// What every fixture holds.
fn write(db: &Db) {
    let mut a = Feeder::open(db, "scrape/job/one");
    let mut b = Feeder::open(db, "rules/file/group");
    for n in 0..300_i64 {
        let x = n as f64;
        let (counter, gauge) = (x * 17.0, (x * 0.37).sin());
        let mut row = vec![("__name__=requests_total,code=200", counter), ("__name__=temperature,room=küche", gauge), ("__name__=up", 1.0)];
        if n % 60 < 40 {
            row.push(("__name__=sometimes", if n % 60 == 39 { stale() } else { x / 8.0 }));
        }
        a.row(NOW + n * 1000, &row);
        if n % 7 == 0 {
            b.row(
                NOW + n * 1000,
                &[("__name__=recorded", f64::from_bits(0x3FF0_0000_0000_0000 + n as u64)), ("__name__=up,by=rule", f64::NAN)],
            );
        }
    }
}

fn expected() -> Stored {
    let disk = SimDisk::new();
    let (db, _) = Db::open(Path::new(support::DIR), options(), Arc::new(disk), NOW).expect("it opens");
    write(&db);
    read_all(&db)
}

#[test]
fn write_a_fixture() {
    let Some(dir) = std::env::var_os("SKOPOS_WRITE_FIXTURE") else { return };
    let mut options = options();
    options.segment_bytes = 2500;
    options.out_of_order_window_ms = 60_000;
    let (db, _) = Db::open(Path::new(&dir), options, Arc::new(RealDisk), NOW).expect("it opens");
    write(&db);
    write_v1(&db);
    db.sync().expect("it syncs");
}

#[test]
fn f10_old_format_log_v1_opens() {
    let mut options = options();
    options.out_of_order_window_ms = 60_000;
    let open = |disk: &SimDisk| Db::open(Path::new(support::DIR), options.clone(), Arc::new(disk.clone()), NOW).expect("it opens");
    let (db, _) = open(&SimDisk::new());
    write(&db);
    write_v1(&db);
    let (disk, _) = fixture("log-v1");
    let (found, report) = open(&disk);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(read_v1(&found), read_v1(&db));
    assert_eq!(read_v1(&found).0.len(), 100);
    let floats = |db: &Db| support::read(db, &[Matcher::new("__name__", model::MatchOp::NotEqual, "h").expect("good")], support::ALWAYS);
    assert_eq!(floats(&found), floats(&db));
}

/// A fixture's files, as a disk.
fn fixture(name: &str) -> (SimDisk, Vec<(PathBuf, Vec<u8>)>) {
    let disk = SimDisk::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let mut files = Vec::new();
    for dir in std::fs::read_dir(&root).expect("the fixture is there") {
        for file in std::fs::read_dir(dir.expect("readable").path()).expect("a directory") {
            let path = file.expect("readable").path();
            let to = Path::new(support::DIR).join(path.strip_prefix(&root).expect("below"));
            files.push((to, std::fs::read(&path).expect("readable")));
        }
    }
    assert!(!files.is_empty());
    files.iter().for_each(|(path, bytes)| disk.put(path, bytes.clone()));
    (disk, files)
}

#[test]
fn f10_old_format_log_v0_opens_and_is_not_rewritten() {
    let (disk, files) = fixture("log-v0");
    let (db, report) = support::open(&disk);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(read_all(&db), expected());
    // New rows go to new files.
    let mut feeder = Feeder::open(&db, "scrape/job/one");
    feeder.row(NOW + 400_000, &[("__name__=up", 0.0)]);
    db.sync().expect("it syncs");
    let all = read_all(&db);
    drop((feeder, db));
    for (path, bytes) in &files {
        let found = disk.files().into_iter().find(|(other, _)| other == path).map(|(_, bytes)| bytes);
        assert_eq!(found.as_ref(), Some(bytes), "{} was rewritten", path.display());
    }
    assert_eq!(read_all(&support::reopen(&disk)), all);
}
