use std::collections::BTreeMap;

use model::{Histogram, STALE_BITS};

use super::super::Buffer;
use super::*;
use crate::block::Block;
use crate::disk::SimDisk;

type Stored = BTreeMap<LabelSet, BTreeMap<i64, u64>>;

#[test]
fn what_comes_series_by_series_is_in_blocks_that_share_times() {
    let mut buffer = Buffer::new();
    let mut expected = Stored::new();
    for n in 0..60_i64 {
        let labels = LabelSet::from_pairs([("job", format!("j{}", n % 2)), ("n", n.to_string())]);
        let series = buffer.series(&labels);
        // Five hours of one target's scrapes, of which some series come late, and some have times of their own.
        let own = if n % 10 == 9 { n } else { 0 };
        let rows = expected.entry(labels).or_default();
        for at in n * 2..1200 {
            let (time, bits) = (at * 15_000 + own + 1000, if at == 1199 { STALE_BITS } else { (at as f64 * 0.1).to_bits() });
            if n == 7 && at % 2 == 0 {
                buffer.push_histogram(series, time, Arc::new(Histogram::stale()));
                rows.insert(time, model::HISTOGRAM_BITS);
            } else {
                buffer.push(series, time, bits);
                rows.insert(time, bits);
            }
        }
    }
    let disk = Arc::new(SimDisk::new());
    let mut backfill = Backfill::open(Path::new("/data"), disk.clone()).expect("nobody has it");
    assert!(matches!(Backfill::open(Path::new("/data"), disk.clone()), Err(BackfillError::InUse(_))));
    let report = backfill.write(&buffer).expect("the disk is good");
    assert_eq!((report.blocks, report.samples), (3, expected.values().map(|rows| rows.len() as u64).sum()));
    assert!(report.groups <= 3 * 8, "{report:?}: few groups, because series share times");
    let mut found = Stored::new();
    for sequence in 1..=3 {
        let path = Path::new("/data/blocks").join(block::file_name(sequence));
        let block = Block::open(&*disk, &path).expect("it is good");
        assert!(block.verify().is_empty());
        for group in 0..block.groups() {
            let ids: Vec<u32> = block.group(group).expect("it reads").columns.collect();
            let rows = block.read(group, &ids, TimeRange { start: i64::MIN, end: i64::MAX }).expect("it reads");
            for (id, column) in ids.iter().zip(&rows.columns) {
                assert_eq!(column.histograms.len(), column.bits.iter().filter(|bits| **bits == model::HISTOGRAM_BITS).count());
                let series = found.entry(block.labels(*id).expect("it reads")).or_default();
                let there = rows.times.iter().zip(&column.bits).filter(|(_, bits)| **bits != ABSENT_BITS);
                series.extend(there.map(|(time, bits)| (*time, *bits)));
            }
        }
    }
    assert!(found == expected);
    drop(backfill);
    // Once more: its numbers go on.
    let mut backfill = Backfill::open(Path::new("/data"), disk).expect("nobody has it");
    backfill.write(&buffer).expect("the disk is good");
    assert_eq!(backfill.sequence, 6);
}

#[test]
fn times_that_lie_far_apart_cost_nothing_between() {
    let mut buffer = Buffer::new();
    let series = buffer.series(&LabelSet::from_pairs([("a", "b")]));
    for time in [i64::MIN / 2, -1, 0, 1_800_000_000_000, i64::MAX / 2] {
        buffer.push(series, time, 1);
    }
    let mut backfill = Backfill::open(Path::new("/data"), Arc::new(SimDisk::new())).expect("nobody has it");
    let report = backfill.write(&buffer).expect("the disk is good");
    assert_eq!((report.blocks, report.samples), (5, 5));
}

#[test]
fn old_and_long_input_makes_longer_blocks() {
    let hours = |n: i64| n * 3_600_000;
    assert_eq!([1, 2, 5, 6, 17, 18, 54, 1000].map(|n| block_range(hours(n)) / hours(1)), [2, 2, 2, 6, 6, 18, 18, 18]);
}

#[test]
fn a_sample_that_is_in_the_log_already_stays() {
    use model::seams::{Append, Row, Select, SelectRequest};

    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    let labels = LabelSet::from_pairs([("a", "b")]);
    let now = 1_800_000_000_000;
    let open = || {
        let mut options = Options::new(Arc::new(ManualClock::at(now)));
        options.retention_ms = 0;
        Db::open(Path::new("/data"), options, disk.clone(), now).expect("it opens").0
    };
    let db = open();
    let mut group = db.open_group("g").expect("nobody writes it");
    let column = group.column(&labels).expect("no limit");
    group.append(Row::floats(now - 1000, &[column], &[5.0])).expect("it is written");
    drop((group, db));
    let mut buffer = Buffer::new();
    let series = buffer.series(&labels);
    for time in [now - 2000, now - 1000] {
        buffer.push(series, time, 9_f64.to_bits());
    }
    Backfill::open(Path::new("/data"), disk.clone()).expect("nobody has it").write(&buffer).expect("the disk is good");
    let db = open();
    let range = TimeRange { start: i64::MIN, end: i64::MAX };
    let groups = db.select(&SelectRequest { matchers: &[], range }).expect("it reads");
    assert_eq!(groups.len(), 1);
    let samples = groups[0].read().expect("it reads");
    assert_eq!((samples.times, samples.columns[0].floats()), (vec![now - 2000, now - 1000], [9.0, 5.0].as_slice()));
}
