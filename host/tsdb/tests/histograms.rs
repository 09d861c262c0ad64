//! Native histograms and start timestamps: in log and head, through a restart, in selections and for followers.

mod support;

use std::sync::Arc;

use model::seams::{Append, AppendReport, ColumnSamples, Row, Select, SelectRequest, Tail, TailPosition};
use model::{BucketSpan, Histogram, HistogramCounts, Matcher, ResetHint};
use support::{ALWAYS, NOW, labels, open, options, reopen, try_open};
use tsdb::Db;
use tsdb::disk::SimDisk;

fn histogram(n: u64) -> Arc<Histogram> {
    Arc::new(Histogram {
        schema: 3,
        zero_threshold: 1e-128,
        sum: n as f64 * 0.3,
        counts: HistogramCounts::Integer { count: 7 + n, zero: 1, positive: vec![4, 2 + n], negative: Vec::new() },
        positive_spans: vec![BucketSpan { offset: -2, length: 2 }],
        negative_spans: Vec::new(),
        custom_bounds: Vec::new(),
        reset_hint: ResetHint::Unknown,
    })
}

/// Times with the histogram or the float of `h`, and its start timestamps.
type Found = (Vec<(i64, Option<Histogram>, Option<f64>)>, Vec<(i64, i64)>);

fn read_h(db: &Db) -> Found {
    let groups = db.select(&SelectRequest { matchers: &[Matcher::equal("__name__", "h")], range: ALWAYS }).expect("it selects");
    assert_eq!(groups.len(), 1);
    let read = groups[0].read().expect("it reads");
    let ColumnSamples::Mixed { floats, histograms } = &read.columns[0] else { panic!("no histograms") };
    let rows = read.times.iter().zip(histograms).zip(floats);
    let rows = rows.map(|((time, histogram), float)| (*time, histogram.as_deref().cloned(), (!model::is_absent(*float)).then_some(*float)));
    let rows: Vec<_> = rows.filter(|(_, histogram, float)| histogram.is_some() || float.is_some()).collect();
    (rows, groups[0].starts().expect("it reads").remove(0))
}

fn accepted(samples: u64) -> AppendReport {
    AppendReport { accepted: samples, ..AppendReport::default() }
}

#[test]
fn histograms_and_starts_come_back_from_head_log_and_tail() {
    let disk = SimDisk::new();
    let mut small = options();
    small.segment_bytes = 3000;
    small.out_of_order_window_ms = 60_000;
    let (db, _) = try_open(&disk, small.clone()).expect("it opens");
    let mut writer = db.open_group("g").expect("free");
    let (h, up) = (writer.column(&labels("__name__=h,job=x")).expect("new"), writer.column(&labels("__name__=up")).expect("new"));
    let mut expected: Found = Default::default();
    for n in 0..200_u64 {
        let time = NOW + n as i64 * 1000;
        let start = NOW - if n < 70 { 5000 } else { -65_000 };
        let (histograms, starts) = ([(h, histogram(n))], [(h, start)]);
        let (ups, ones) = ([up], [1.0]);
        let row = Row::floats(time, &ups, &ones);
        let report = match n {
            // Now and then a float instead, or nothing.
            50 => {
                expected.0.push((time, None, Some(0.5)));
                writer.append(Row::floats(time, &[h, up], &[0.5, 1.0]).with_starts(&starts)).map(|report| (report, 2))
            }
            60..70 => writer.append(row).map(|report| (report, 1)),
            _ => {
                expected.0.push((time, Some((*histograms[0].1).clone()), None));
                writer.append(row.with_histograms(&histograms).with_starts(&starts)).map(|report| (report, 2))
            }
        };
        let (report, samples) = report.expect("good");
        assert_eq!(report, accepted(samples));
    }
    expected.1 = vec![(NOW, NOW - 5000), (NOW + 70_000, NOW + 65_000)];
    // The newest again: the same, then another.
    let again = [(h, histogram(199))];
    assert_eq!(writer.append(Row::floats(NOW + 199_000, &[], &[]).with_histograms(&again)), Ok(accepted(1)));
    let other = [(h, histogram(3))];
    let duplicate = AppendReport { duplicate: 1, ..AppendReport::default() };
    assert_eq!(writer.append(Row::floats(NOW + 199_000, &[], &[]).with_histograms(&other)), Ok(duplicate));
    // A late one, between two rows.
    let late = [(h, histogram(500))];
    assert_eq!(writer.append(Row::floats(NOW + 150_500, &[], &[]).with_histograms(&late)), Ok(accepted(1)));
    expected.0.push((NOW + 150_500, Some((*late[0].1).clone()), None));
    expected.0.sort_by_key(|(time, ..)| *time);
    assert_eq!(read_h(&db), expected);
    let bad = [(h, Arc::new(Histogram { positive_spans: Vec::new(), ..(*histogram(1)).clone() }))];
    assert!(writer.append(Row::floats(NOW + 200_000, &[], &[]).with_histograms(&bad)).is_err(), "buckets without spans");
    let batch = Tail::read(&db, TailPosition::default(), usize::MAX).expect("it reads");
    assert_eq!(batch.rows.iter().map(|row| row.histograms.len()).sum::<usize>(), 190, "189 in time and one late");
    drop((writer, db));
    let (db, report) = try_open(&disk, small).expect("it opens");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(read_h(&db), expected);
    drop(db);
    assert_eq!(read_h(&reopen(&disk)), expected);
}

#[test]
fn a_stale_histogram_ends_its_series() {
    let (db, _) = open(&SimDisk::new());
    let mut writer = db.open_group("g").expect("free");
    let h = writer.column(&labels("__name__=h")).expect("new");
    writer.append(Row::floats(NOW, &[], &[]).with_histograms(&[(h, histogram(1))])).expect("good");
    writer.append(Row::floats(NOW + 1, &[], &[]).with_histograms(&[(h, Arc::new(Histogram::stale()))])).expect("good");
    assert!(writer.append(Row::floats(NOW + 2, &[], &[]).with_histograms(&[(h, histogram(2))])).is_err(), "the column was released");
    let (rows, _) = read_h(&db);
    assert_eq!(rows.len(), 2);
    assert!(rows[1].2.is_some_and(model::is_stale));
}
