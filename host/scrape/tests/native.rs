//! Native histograms and start timestamps from a body in protobuf through real storage and back: from the head, after a kill, and from
//! a block.

use std::path::Path;
use std::sync::Arc;

use exposition::Format;
use model::seams::{Append, ColumnSamples, Select, SelectRequest};
use model::{Histogram, HistogramCounts, LabelSet, ManualClock, Matcher, TimeRange, TimestampMs, is_stale};
use scrape::bench::Commits;
use tsdb::disk::{Disk, SimDisk};
use tsdb::{Db, Options};

#[path = "../../exposition/tests/common/messages.rs"]
mod messages;
use messages::*;

const H: i64 = 3_600_000;
const NOON: TimestampMs = 20_000 * 24 * H + 12 * H;

fn integer(n: u64) -> Message {
    let value = message().number(1, 3 + n).double(2, 4.5 * n as f64).signed(5, 1).double(6, 0.001).number(7, n);
    value.span(12, 1, 2).deltas(13, &[1, 1]).nested(15, &time(NOON - 1000))
}

fn float(n: u64) -> Message {
    message().double(4, 3.5 + n as f64).double(2, -1.0).signed(5, 0).double(8, n as f64 + 0.5).span(9, -1, 2).doubles(11, &[2.0, 1.0])
}

fn body(n: u64) -> Vec<u8> {
    let histograms = [metric(&[("kind", "integer")], 7, &integer(n)), metric(&[("kind", "float")], 7, &float(n))];
    let counter = metric(&[], 3, &message().double(1, n as f64).nested(3, &time(NOON - 5000)));
    [family("h", "", HISTOGRAM, &histograms), family("c_total", "", COUNTER, &[counter])].concat()
}

/// A series' samples and starts.
struct Found {
    labels: LabelSet,
    histograms: Vec<(TimestampMs, Arc<Histogram>)>,
    stale: usize,
    starts: Vec<(TimestampMs, i64)>,
}

fn read(db: &Db, name: &str) -> Vec<Found> {
    let matchers = [Matcher::equal("__name__", name)];
    let request = SelectRequest { matchers: &matchers, range: TimeRange { start: i64::MIN, end: i64::MAX } };
    let mut found = Vec::new();
    for group in db.select(&request).expect("it is read") {
        let (samples, starts) = (group.read().expect("it is read"), group.starts().expect("they are read"));
        for ((labels, column), starts) in group.labels().iter().zip(&samples.columns).zip(starts) {
            let histograms = match column {
                ColumnSamples::Mixed { histograms, .. } => {
                    samples.times.iter().zip(histograms).filter_map(|(time, histogram)| Some((*time, histogram.clone()?))).collect()
                }
                _ => Vec::new(),
            };
            let stale = column.floats().iter().filter(|value| is_stale(**value)).count();
            found.push(Found { labels: labels.clone(), histograms, stale, starts });
        }
    }
    found.sort_by_key(|series| series.labels.to_string());
    found
}

fn open(disk: &SimDisk, clock: &Arc<ManualClock>) -> Arc<Db> {
    let options = Options::new(clock.clone());
    let disk = Arc::new(disk.clone()) as Arc<dyn Disk>;
    Arc::new(Db::open(Path::new("/data"), options, disk, model::Clock::now(&**clock)).expect("it opens").0)
}

#[test]
fn native_histograms_come_back_from_head_log_and_block() {
    let (mut disk, clock) = (SimDisk::default(), Arc::new(ManualClock::at(NOON)));
    let mut db = open(&disk, &clock);
    let mut target = Commits::of_target(Arc::clone(&db) as Arc<dyn Append>, "native:1");
    let scrapes = 20;
    for n in 0..scrapes {
        let now = NOON + n as i64 * 15_000;
        clock.set(now);
        assert_eq!(target.commit_as(&body(n), Format::Protobuf, now), Ok(3));
    }
    let last = NOON + scrapes as i64 * 15_000;
    clock.set(last);
    target.scrape(Err("down"), last).expect_err("it is down");
    drop(target);
    for place in ["head", "log", "block"] {
        match place {
            "log" => {
                drop(db);
                disk = disk.process_kill();
                db = open(&disk, &clock);
            }
            "block" => {
                for minute in 0..5 {
                    let now = NOON + 3 * H + minute * 60_000;
                    clock.set(now);
                    assert_eq!(db.tend(now).errors, Vec::<String>::new());
                }
                assert_eq!((db.blocks().len(), db.stats().series), (1, 0), "all is in a block");
            }
            _ => {}
        }
        let found = read(&db, "h");
        let kinds: Vec<&str> = found.iter().map(|series| series.labels.get("kind").unwrap_or_default()).collect();
        assert_eq!(kinds, ["float", "integer"], "{place}");
        for series in &found {
            assert_eq!((series.histograms.len() as u64, series.stale), (scrapes, 1), "{place} {}", series.labels);
        }
        for (n, (time, histogram)) in (0..).zip(&found[1].histograms) {
            let counts = HistogramCounts::Integer { count: 3 + n, zero: n, positive: vec![1, 2], negative: Vec::new() };
            assert_eq!((*time, &histogram.counts, histogram.sum), (NOON + n as i64 * 15_000, &counts, 4.5 * n as f64), "{place}");
            assert_eq!((histogram.schema, histogram.zero_threshold, histogram.positive_spans[0].offset), (1, 0.001, 1), "{place}");
        }
        for (n, (_, histogram)) in (0..).zip(&found[0].histograms) {
            let n = f64::from(n);
            let counts = HistogramCounts::Float { count: 3.5 + n, zero: n + 0.5, positive: Vec::new(), negative: vec![2.0, 1.0] };
            assert_eq!(histogram.counts, counts, "{place}");
        }
        assert_eq!((&found[0].starts[..], &found[1].starts[..]), (&[][..], &[(NOON, NOON - 1000)][..]), "{place}");
        assert_eq!(read(&db, "c_total")[0].starts, [(NOON, NOON - 5000)], "{place}");
    }
}
