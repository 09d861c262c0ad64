//! A block gives back what was written, and tells where it cannot.

mod damage;
mod fixture;
mod like;
mod random;

use std::path::Path;
use std::sync::Arc;

use model::seams::Exemplar;
use model::{ABSENT_BITS, LabelSet, Matcher, STALE_BITS, TimeRange};

use super::*;
use crate::disk::{Disk, SimDisk};

const ALL: TimeRange = TimeRange { start: i64::MIN, end: i64::MAX };

fn disk() -> (Arc<dyn Disk>, SimDisk) {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/d/blocks")).expect("a directory");
    (Arc::new(disk.clone()), disk)
}

fn writer(disk: &Arc<dyn Disk>, sequence: u64) -> BlockWriter {
    let source = BlockSource { sequence, level: 1, sources: vec![sequence], flushed: Some((7_200_000, 99)), database: 7 };
    BlockWriter::create(disk.clone(), Path::new("/d/blocks"), source).expect("a new block")
}

fn path(sequence: u64) -> PathBuf {
    Path::new("/d/blocks").join(file_name(sequence))
}

fn set(pairs: &[(&str, &str)]) -> LabelSet {
    LabelSet::from_pairs(pairs.iter().copied())
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn names_hold_the_sequence() {
    assert_eq!(file_name(7), "0000000007.block");
    assert_eq!(sequence_of("0000000007.block"), Some(7));
    assert_eq!(sequence_of("12345678901.block"), Some(12_345_678_901));
    for no in ["7.block", "00000000007.block", "0000000007.block.tmp", "+000000007.block", ".block"] {
        assert_eq!(sequence_of(no), None, "{no}");
    }
    assert!(is_unfinished("0000000007.block.tmp"));
    assert!(!is_unfinished("0000000007.block"));
}

#[test]
fn what_was_written_is_read() {
    let (disk, sim) = disk();
    let mut writer = writer(&disk, 3);
    let times: Vec<i64> = (0..1300).map(|row| 1_000_000 + row * 15_000 + row % 3).collect();
    let up = set(&[("__name__", "up"), ("job", "a")]);
    let counter = set(&[("__name__", "requests_total"), ("job", "a"), ("path", "/")]);
    let ones = vec![1.0_f64.to_bits(); times.len()];
    let counts: Vec<u64> = (0..1300).map(|row| if row == 700 { STALE_BITS } else { f64::from(row * 7).to_bits() }).collect();
    let exemplar = Exemplar { labels: set(&[("trace", "x")]), value: 0.5, time: 1_000_010, own_time: true };
    let starts: Vec<(u32, i64)> = (600..1300).map(|row| (row, 999)).collect();
    writer.begin_group("scrape/a", &times).expect("a group");
    writer.column(&Column::floats(&up, &ones)).expect("a column");
    writer
        .column(&Column { labels: &counter, bits: &counts, histograms: &[], starts: &starts, exemplars: std::slice::from_ref(&exemplar) })
        .expect("a column");
    writer.column(&Column::floats(&set(&[("__name__", "one")]), &ones)).expect("a column");
    writer.end_group().expect("the end of a group");
    writer.begin_group("b", &[5]).expect("a group");
    writer.column(&Column::floats(&up, &[ABSENT_BITS])).expect("a column");
    writer.end_group().expect("the end of a group");
    writer.begin_group("empty", &[6, 7]).expect("a group");
    writer.end_group().expect("the end of a group");
    let meta = writer.finish().expect("a block");
    assert_eq!((meta.columns, meta.stored_columns, meta.groups, meta.series), (4, 3, 3, 3));
    assert_eq!((meta.samples, meta.exemplars, meta.time_min, meta.time_max), (3900, 1, 5, times[1299]));
    assert_eq!(sim.files().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), [path(3)]);

    let block = Block::open(&*disk, &path(3)).expect("opens");
    assert_eq!(block.meta(), &meta);
    assert_eq!(block.verify(), []);
    assert_eq!(block.labels(1).expect("labels"), counter);
    assert_eq!(block.labels_of([3, 0, 2]).expect("labels"), [up.clone(), up.clone(), set(&[("__name__", "one")])]);
    assert_eq!(block.label_names().expect("well-formed"), ["__name__", "job", "path"]);
    assert_eq!(block.label_values("__name__").expect("well-formed"), ["one", "requests_total", "up"]);
    assert_eq!((0..4).map(|id| block.group_of(id).expect("a group")).collect::<Vec<_>>(), [0, 0, 0, 1]);
    assert_eq!(block.group(2).expect("a group").columns, 4..4);
    assert_eq!(block.group(1).expect("a group").key, "b");
    let found = block.matching(&[Matcher::equal("__name__", "up")]).expect("an index");
    assert_eq!(found.iter().collect::<Vec<_>>(), [0, 3]);

    let rows = block.read(0, &[1, 0, 2], ALL).expect("samples");
    assert_eq!(rows.times, times);
    assert_eq!(rows.columns[0], BlockColumn { bits: counts.clone(), histograms: Vec::new(), starts });
    assert_eq!((&rows.columns[1].bits, &rows.columns[2].bits), (&ones, &ones));
    let range = TimeRange { start: times[599], end: times[1000] - 1 };
    let rows = block.read(0, &[1], range).expect("samples");
    assert_eq!(rows.times, &times[599..1000]);
    assert_eq!(rows.columns[0].bits, &counts[599..1000]);
    assert_eq!(rows.columns[0].starts[0], (1, 999));
    assert_eq!(rows.columns[0].starts.len(), 400);
    assert!(block.read(0, &[1], TimeRange { start: 5, end: 4 }).expect("nothing").times.is_empty());
    assert!(block.read(0, &[3], ALL).is_err(), "a column of another group");
    assert_eq!(block.exemplars(0, &[0, 1, 2], ALL).expect("exemplars")[&1], [exemplar]);
    assert!(block.exemplars(0, &[0, 2], ALL).expect("exemplars").is_empty());
}

#[test]
fn a_writer_that_stops_leaves_nothing() {
    let (disk, sim) = disk();
    let mut writer = writer(&disk, 1);
    writer.begin_group("g", &[1, 2]).expect("a group");
    assert!(writer.column(&Column::floats(&set(&[]), &bits(&[1.0]))).is_err(), "too few values");
    assert!(writer.column(&Column::floats(&set(&[]), &[model::HISTOGRAM_BITS, 0])).is_err(), "a mark without histogram");
    assert!(writer.begin_group("h", &[1]).is_err());
    drop(writer);
    assert_eq!(sim.files(), []);
    let mut unordered = super::tests::writer(&disk, 1);
    assert!(unordered.begin_group("g", &[2, 2]).is_err());
}

#[test]
fn an_empty_block_is_a_block() {
    let (disk, _) = disk();
    let meta = writer(&disk, 1).finish().expect("a block");
    assert_eq!((meta.samples, meta.time_min), (0, i64::MAX));
    let block = Block::open(&*disk, &path(1)).expect("opens");
    assert_eq!((block.groups(), block.columns(), block.verify()), (0, 0, Vec::new()));
    assert!(block.matching(&[]).expect("an index").is_empty());
    assert!(block.label_names().expect("well-formed").is_empty());
}

#[test]
fn f1_a_block_for_which_the_disk_has_no_room_is_no_block_and_leaves_nothing() {
    let labels: Vec<LabelSet> = (0..200).map(|n| set(&[("n", &format!("{n} of many"))])).collect();
    let write = |disk: &Arc<dyn Disk>| {
        let source = BlockSource { sequence: 1, level: 1, ..BlockSource::default() };
        let mut writer = BlockWriter::create(disk.clone(), Path::new("/d/blocks"), source)?;
        writer.begin_group("g", &(0..500).collect::<Vec<i64>>())?;
        for (at, labels) in (1_u32..).zip(&labels) {
            let bits: Vec<u64> = (0..500_u32).map(|row| f64::from(row.wrapping_mul(at * 77_777)).sqrt().to_bits()).collect();
            writer.column(&Column::floats(labels, &bits))?;
        }
        writer.end_group()?;
        writer.finish()
    };
    let (disk, _) = disk();
    let whole = write(&disk).expect("there is room").file_bytes;
    for space in [0, 100, 300_000, whole - 1] {
        let (disk, sim) = super::tests::disk();
        sim.set_space(Some(space));
        assert!(write(&disk).is_err(), "{space} bytes");
        assert_eq!(sim.files(), [], "{space} bytes");
        sim.set_space(None);
        assert_eq!(write(&disk).expect("there is room again").file_bytes, whole);
    }
    let (disk, sim) = super::tests::disk();
    sim.set_syncs_fail(true);
    assert!(write(&disk).is_err(), "a sync that failed");
    assert_eq!(sim.files(), []);
}
