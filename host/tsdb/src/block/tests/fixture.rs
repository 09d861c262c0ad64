//! A block of each released format, read forever. If this fails, the reader broke files that people have: mend the reader. A new
//! format gets a further file, made with `cargo test -p tsdb --lib make_the_fixture -- --ignored`.

use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, HISTOGRAM_BITS, Histogram, HistogramCounts, ResetHint};

use super::random::same;
use super::*;

const ROWS: usize = 600;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1.block")
}

/// One column of the fixture.
struct Content {
    labels: LabelSet,
    bits: Vec<u64>,
    histograms: Vec<(u32, Arc<Histogram>)>,
    starts: Vec<(u32, i64)>,
    exemplars: Vec<Exemplar>,
}

fn histogram(row: u32, kind: u32) -> Histogram {
    let (a, b) = (u64::from(row) * 3, u64::from(row / 7));
    let spans = vec![BucketSpan { offset: -2, length: 1 }, BucketSpan { offset: 4, length: 1 }];
    let (count, zero) = (a + b + 5, 5);
    let base = Histogram {
        schema: 3,
        zero_threshold: 1e-128,
        sum: f64::from(row) * 0.25,
        counts: HistogramCounts::Integer { count, zero, positive: vec![a, b], negative: vec![1 << 60] },
        positive_spans: spans,
        negative_spans: vec![BucketSpan { offset: 9, length: 1 }],
        custom_bounds: Vec::new(),
        reset_hint: if row == 0 { ResetHint::Reset } else { ResetHint::NoReset },
    };
    let floats =
        |sides: (Vec<f64>, Vec<f64>)| HistogramCounts::Float { count: 1.5 + count as f64, zero: 0.5, positive: sides.0, negative: sides.1 };
    match kind {
        0 => base,
        1 => Histogram { counts: floats((vec![a as f64 / 3.0, b as f64], vec![-0.0])), reset_hint: ResetHint::Gauge, ..base },
        2 if row == 9 => Histogram::stale(),
        _ => Histogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            zero_threshold: 0.0,
            counts: HistogramCounts::Integer { count, zero: 0, positive: vec![a, b, 7], negative: Vec::new() },
            positive_spans: vec![BucketSpan { offset: 0, length: 3 }],
            negative_spans: Vec::new(),
            custom_bounds: vec![0.1, 2.5],
            reset_hint: ResetHint::Unknown,
            ..base
        },
    }
}

/// Values that each codec is best at, and what only bits can tell.
fn value(kind: u32, row: u32) -> u64 {
    let noise = row.wrapping_mul(2_654_435_761) >> 20;
    let total = row * 500 + noise % 300;
    match kind {
        0 => 1.0_f64.to_bits(),
        1 => f64::from(total).to_bits(),
        2 => f64::from(total * 9 / 10).to_bits(),
        3 => f64::from(total + 77).to_bits(),
        4 => (f64::from(noise * 4096)).to_bits(),
        5 => (f64::from(row / 50 * 13) / 1000.0).to_bits(),
        6 => (f64::from(if row.is_multiple_of(3) { noise } else { 0 }) / 10.0).to_bits(),
        7 => f64::from(noise).sqrt().to_bits(),
        8 => (f64::from(noise % 5) / 3.0).to_bits(),
        9 => [f64::NAN.to_bits(), 0x7ff0_0000_0000_0001, f64::NEG_INFINITY.to_bits(), (-0.0_f64).to_bits(), 1][row as usize % 5],
        10 => {
            if row < 100 {
                ABSENT_BITS
            } else if row > 500 {
                STALE_BITS
            } else {
                f64::from(row).to_bits()
            }
        }
        11 => [ABSENT_BITS, STALE_BITS, 7.0_f64.to_bits()][noise as usize % 3],
        12 => ABSENT_BITS,
        13 => f64::from(noise % 3).to_bits(),
        14..=16 => {
            if row < 20 {
                HISTOGRAM_BITS
            } else {
                f64::from(row).to_bits()
            }
        }
        _ => f64::from(row / 2 * 1000 + (row / 2 * 37) % 811).to_bits(),
    }
}

fn content() -> Vec<(String, Vec<i64>, Vec<Content>)> {
    let group = |g: u32| {
        let rows = if g == 2 { 1 } else { ROWS };
        let times = (0..rows as i64).map(|row| 1_800_000_000_000 + row * 15_000 + if g == 1 { row * 7 % 11 } else { 0 }).collect();
        let columns = (0..60_u32).map(|at| {
            let kind = at % 18;
            let labels = set(&[
                ("__name__", ["a_total", "b", "c_bucket"][at as usize / 20]),
                ("group", &g.to_string()),
                ("n", &(at % 20).to_string()),
                ("unicode é", "가"),
            ]);
            let labels = if at == 59 { LabelSet::empty() } else { labels };
            let bits: Vec<u64> = (0..rows as u32).map(|row| value(kind, row)).collect();
            let marked = (0..).zip(&bits).filter(|(_, bits)| **bits == HISTOGRAM_BITS).map(|(row, _)| row);
            let histograms = marked.map(|row| (row, Arc::new(histogram(row, kind - 14)))).collect();
            let starts = if at % 7 == 3 {
                (0..rows as u32).filter(|row| row % 64 > 1).map(|row| (row, i64::from(row / 200) * 1000 - 5)).collect()
            } else {
                Vec::new()
            };
            let exemplar = |n: i64| Exemplar {
                labels: set(&[("trace_id", &format!("{at}-{n}"))]),
                value: 0.1 * n as f64,
                time: 1_800_000_000_000 + n,
                own_time: n % 2 == 0,
            };
            Content { labels, bits, histograms, starts, exemplars: (0..i64::from(at % 4)).map(exemplar).collect() }
        });
        (format!("group {g}"), times, columns.collect())
    };
    (0..3).map(group).collect()
}

fn source() -> BlockSource {
    BlockSource { sequence: 41, level: 2, sources: vec![3, 40], flushed: Some((1_800_007_200_000, 123_456)), database: 0 }
}

#[test]
#[ignore = "writes tests/fixtures/format-1.block; a released format never changes"]
fn make_the_fixture() {
    let (disk, sim) = disk();
    let mut writer = BlockWriter::create(disk.clone(), Path::new("/d/blocks"), source()).expect("a new block");
    for (key, times, columns) in content() {
        writer.begin_group(&key, &times).expect("a group");
        for Content { labels, bits, histograms, starts, exemplars } in &columns {
            writer.column(&Column { labels, bits, histograms, starts, exemplars }).expect("a column");
        }
        writer.end_group().expect("the end of a group");
    }
    writer.finish().expect("a block");
    std::fs::create_dir_all(fixture().parent().expect("a directory")).expect("a directory");
    std::fs::write(fixture(), &sim.files()[0].1).expect("the fixture is written");
}

#[test]
fn a_block_of_format_1_is_read() {
    let (disk, sim) = disk();
    sim.put(&path(41), std::fs::read(fixture()).expect("the fixture is there"));
    let block = Block::open(&*disk, &path(41)).expect("opens");
    assert_eq!(block.verify(), []);
    assert_eq!(block.meta().source, source());
    assert_eq!((block.groups(), block.columns(), block.meta().exemplars), (3, 180, 270));
    let mut id = 0;
    for (g, (key, times, columns)) in (0..).zip(content()) {
        let group = block.group(g).expect("a group");
        assert_eq!((group.key, group.rows as usize, group.columns.len()), (key, times.len(), columns.len()));
        for expected in columns {
            let rows = block.read(g, &[id], ALL).expect("samples");
            assert_eq!(block.labels(id).expect("labels"), expected.labels);
            assert_eq!(rows.times, times);
            assert_eq!(rows.columns[0].bits, expected.bits, "column {id}");
            assert_eq!(rows.columns[0].starts, expected.starts);
            let histograms = &rows.columns[0].histograms;
            assert_eq!(histograms.len(), expected.histograms.len());
            assert!(histograms.iter().zip(&expected.histograms).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1)), "column {id}");
            let exemplars = block.exemplars(g, &[id], ALL).expect("exemplars").remove(&id).unwrap_or_default();
            assert_eq!(exemplars, expected.exemplars);
            id += 1;
        }
    }
    let named = block.matching(&[Matcher::equal("__name__", "b"), Matcher::equal("group", "1")]).expect("an index");
    assert_eq!(named.iter().collect::<Vec<_>>(), (80..100).collect::<Vec<_>>());
    assert_eq!(block.label_values("group").expect("well-formed"), ["0", "1", "2"]);
}
