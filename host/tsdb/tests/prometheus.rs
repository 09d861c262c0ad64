//! The door to Prometheus' data: what is written is what Debian's promtool reads, what promtool writes is what is read, and
//! damaged files are refused with file and byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use model::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, HISTOGRAM_BITS, Histogram, HistogramCounts, LabelSet, ResetHint, STALE_BITS, TimeRange};
use test_support::{Dice, TempFolder, conformance, find_program};
use tsdb::backfill::{Samples, SeriesSource};
use tsdb::prometheus::{Block, BlockExport, Directory};

const ALWAYS: TimeRange = TimeRange { start: i64::MIN, end: i64::MAX };
const T0: i64 = 1_700_000_000_000;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Float(u64),
    Histogram(Arc<Histogram>),
}

type Data = BTreeMap<LabelSet, Vec<(i64, Value)>>;

fn histogram(dice: &mut Dice, total: u64, float: bool, custom: bool) -> Histogram {
    let span = |offset, length| BucketSpan { offset, length };
    let buckets: Vec<u64> = (1..=5).map(|n| total / n).collect();
    let counts = if float {
        let floats: Vec<f64> = buckets.iter().map(|b| *b as f64 * 0.5).collect();
        HistogramCounts::Float { count: total as f64, zero: 0.25, positive: floats, negative: if custom { vec![] } else { vec![0.5] } }
    } else {
        HistogramCounts::Integer {
            count: total,
            zero: if custom { 0 } else { total / 9 },
            positive: buckets,
            negative: if custom { vec![] } else { vec![total / 3] },
        }
    };
    Histogram {
        schema: if custom { CUSTOM_BUCKETS_SCHEMA } else { 3 },
        zero_threshold: if custom { 0.0 } else { 2_f64.powi(-128) },
        sum: dice.below(1_000_000) as f64 / 7.0,
        counts,
        positive_spans: vec![span(0, 2), span(3, 3)],
        negative_spans: if custom { vec![] } else { vec![span(-1, 1)] },
        custom_bounds: if custom { (0..9).map(|n| f64::from(n) * 0.25).collect() } else { vec![] },
        reset_hint: ResetHint::Unknown,
    }
}

/// Series of every kind: counters, gauges, strange values, gaps, histograms of integers and of floats, mixed ones.
fn data(dice: &mut Dice, custom: bool) -> Data {
    let mut data = Data::new();
    for n in 0..40_u64 {
        let job = format!("job{}", n % 3);
        let labels = LabelSet::from_pairs([
            ("__name__", format!("metric_{}", n % 7)),
            ("job", job),
            ("n", n.to_string()),
            ("odd", if n % 5 == 0 { "q\"uo\\te\n한".to_owned() } else { String::new() }),
        ]);
        let mut samples = Vec::new();
        let (mut time, mut total) = (T0 + dice.below(100) as i64, 0_u64);
        for at in 0..150 + dice.below(300) {
            time += if n % 4 == 0 { 1 + dice.below(100_000) as i64 } else { 15_000 };
            total += dice.below(1000) as u64;
            let value = match n % 8 {
                0 => Value::Float((total as f64).to_bits()),
                1 => Value::Float((dice.below(10_000) as f64 / 100.0).to_bits()),
                2 => Value::Float(dice.next()),
                3 => Value::Float(if dice.below(9) == 0 { STALE_BITS } else { 1_f64.to_bits() }),
                4 => Value::Histogram(Arc::new(histogram(dice, if at == 70 { 3 } else { total }, false, custom))),
                5 => Value::Histogram(Arc::new(histogram(dice, total, true, custom && n % 16 == 5))),
                6 if at % 40 < 20 => Value::Histogram(Arc::new(histogram(dice, total, at % 3 == 0, false))),
                6 if at % 40 == 39 => Value::Histogram(Arc::new(Histogram::stale())),
                _ => Value::Float((total as f64 / 3.0).to_bits()),
            };
            let value = match value {
                // The patterns that mark rows are not samples.
                Value::Float(model::ABSENT_BITS | HISTOGRAM_BITS) => Value::Float(0),
                value => value,
            };
            samples.push((time, value));
        }
        data.insert(labels, samples);
    }
    data
}

fn export(data: &Data, out: &Path, dice: &mut Dice) -> PathBuf {
    let mut block = BlockExport::create(out, T0, u128::from(dice.next())).expect("it can be made");
    for (labels, samples) in data {
        let times: Vec<i64> = samples.iter().map(|(time, _)| *time).collect();
        let bits: Vec<u64> = samples.iter().map(|(_, v)| if let Value::Float(bits) = v { *bits } else { HISTOGRAM_BITS }).collect();
        let histogram = |row: usize| match &samples[row].1 {
            Value::Float(_) => None,
            Value::Histogram(histogram) => Some(histogram.clone()),
        };
        block.add(labels, &times, &bits, &histogram).expect("it can be written");
    }
    fs::create_dir_all(out.join("wal")).expect("a folder");
    block.finish().expect("it can be written").expect("there are samples").path
}

fn read<S: SeriesSource>(source: &S) -> Result<Data, S::Error> {
    let mut series = Vec::new();
    source.visit(&mut |number, labels| series.push((number, labels)))?;
    let (mut data, mut samples) = (Data::new(), Samples::default());
    for (number, labels) in series {
        source.read(number, ALWAYS, &mut samples)?;
        assert_eq!(source.labels(number)?, labels);
        let mut histograms = samples.histograms.iter();
        let rows = samples.times.iter().zip(&samples.bits).map(|(time, bits)| {
            let value = match *bits {
                HISTOGRAM_BITS => Value::Histogram(histograms.next().expect("one for each mark").1.clone()),
                bits => Value::Float(bits),
            };
            (*time, value)
        });
        data.insert(labels, rows.collect());
    }
    Ok(data)
}

/// A stale histogram has no buckets, and a reset is only known where a chunk begins.
fn comparable(data: &Data) -> Data {
    let plain = |value: &Value| match value {
        Value::Histogram(h) if h.is_stale() => Value::Float(STALE_BITS),
        Value::Histogram(h) => Value::Histogram(Arc::new(Histogram { reset_hint: ResetHint::Unknown, ..Histogram::clone(h) })),
        float => float.clone(),
    };
    data.iter().map(|(labels, samples)| (labels.clone(), samples.iter().map(|(t, v)| (*t, plain(v))).collect())).collect()
}

fn promtool(arguments: &[&str]) -> Option<String> {
    let output = Command::new(find_program("promtool")?).args(arguments).output().expect("it starts");
    assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// Samples by the text of the labels, floats as bits.
fn dumped(text: &str) -> BTreeMap<String, Vec<(i64, String)>> {
    let mut data: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for line in text.lines() {
        let (rest, time) = line.rsplit_once(' ').expect("a time");
        let end = rest.rfind("\"} ").expect("labels") + 2;
        let (labels, value) = rest.split_at(end);
        let value = value.trim_start();
        let value = value.parse::<f64>().map_or_else(|_| value.to_owned(), |v| float_text(v.to_bits()));
        data.entry(labels.to_owned()).or_default().push((time.parse().expect("a number"), value));
    }
    data
}

fn float_text(bits: u64) -> String {
    // promtool prints no NaN's bits.
    if f64::from_bits(bits).is_nan() { "NaN".to_owned() } else { format!("{bits:x}") }
}

#[test]
fn promtool_reads_what_is_exported() {
    let seed = test_support::seed("promtool_reads_what_is_exported");
    let (mut dice, folder) = (Dice(seed), TempFolder::new("export"));
    let data = data(&mut dice, false);
    export(&data, folder.path(), &mut dice);
    let out = folder.path().display().to_string();
    let Some(text) = promtool(&["tsdb", "dump", &out]) else { return };
    let dump = dumped(&text);
    let (mut floats, mut histograms) = (0, 0);
    for (labels, samples) in &data {
        // promtool 2.42 ends a series at its first histogram; Prometheus itself is asked for those in tests/e2e/doors.rs.
        let has_histograms = samples.iter().any(|(_, value)| matches!(value, Value::Histogram(_)));
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        let text = format!("{{{}}}", pairs.join(", "));
        if has_histograms {
            histograms += samples.len();
            continue;
        }
        let expected: Vec<(i64, String)> = samples
            .iter()
            .map(|(time, value)| (*time, if let Value::Float(bits) = value { float_text(*bits) } else { String::new() }))
            .collect();
        assert!(dump.get(&text) == Some(&expected), "{labels}: {:?}, seed {seed}", dump.get(&text));
        floats += samples.len();
    }
    let list = promtool(&["tsdb", "list", &out]).expect("it is there");
    assert!(list.contains(&format!(" {} ", floats + histograms)), "{list}");
    promtool(&["tsdb", "analyze", "--extended", &out]).expect("it is there");
    println!("promtool reads {floats} floats and {histograms} histograms of {} series", data.len());
}

#[test]
fn what_is_exported_is_read() {
    let seed = test_support::seed("what_is_exported_is_read");
    let (mut dice, folder) = (Dice(seed), TempFolder::new("read"));
    let data = data(&mut dice, true);
    let path = export(&data, folder.path(), &mut dice);
    let block = Directory::block(&path).expect("it opens");
    block.verify().expect("all sums are right");
    assert_eq!(comparable(&read(&block).expect("it reads")), comparable(&data), "seed {seed}");
    assert_eq!(block.meta().series, data.len() as u64);
}

#[test]
fn what_promtool_writes_is_read() {
    let folder = TempFolder::new("made");
    let mut text = "# TYPE a gauge\n".to_owned();
    for at in 0..1000 {
        for series in ["x", "y"] {
            text += &format!("a{{job=\"{series}\"}} {} {}.5\n", f64::from(at).sin(), 1_700_000_000 + at * 30);
        }
    }
    text += "# EOF\n";
    let (input, out) = (folder.write("in.om", &text), folder.path().join("out").display().to_string());
    if promtool(&["tsdb", "create-blocks-from", "openmetrics", &input.display().to_string(), &out]).is_none() {
        return;
    }
    let directory = Directory::open(Path::new(&out)).expect("it opens");
    let blocks: Vec<PathBuf> = directory.blocks().map(|(path, _)| path.to_owned()).collect();
    assert!(blocks.len() >= 5, "{blocks:?}");
    let mut samples = 0;
    for path in blocks {
        let block = Directory::block(&path).expect("it opens");
        block.verify().expect("all sums are right");
        for (labels, rows) in read(&block).expect("it reads") {
            assert!(labels.get("job").is_some());
            for (time, value) in rows {
                let at = (time - 500) / 1000 - 1_700_000_000;
                assert_eq!(value, Value::Float((at as f64 / 30.0).sin().to_bits()), "{labels} at {time}");
                samples += 1;
            }
        }
    }
    assert_eq!(samples, 2000);
}

#[test]
fn blocks_of_the_first_version_are_read() {
    let (Some(first), Some(folder)) = (conformance("tsdb/index_format_v1"), conformance("tsdb/repair_index_version")) else { return };
    let block = Directory::block(&first).expect("it opens");
    block.verify().expect("all sums are right");
    let data = read(&block).expect("it reads");
    assert_eq!(data.len(), 102);
    assert!(data.values().all(|samples| samples.len() == 1));
    assert_eq!(data[&LabelSet::from_pairs([("foo", "bar")])], [(1, Value::Float(2_f64.to_bits()))]);
    assert_eq!(data.keys().filter(|labels| labels.get("bar").is_some()).count(), 100);
    // An index whose header says 1 and whose content is version 2, of a prerelease.
    let directory = Directory::open(&folder).expect("it opens");
    let (path, meta) = directory.blocks().next().expect("there is one");
    assert_eq!((directory.blocks().count(), meta.version), (1, 2));
    let series = read(&Directory::block(path).expect("it opens")).expect("it reads");
    let labels: Vec<String> = series.keys().map(ToString::to_string).collect();
    assert_eq!(labels, [r#"{a="1", b="1"}"#, r#"{a="2", b="1"}"#]);
}

/// A small block, for each byte of which something is tried.
fn small(dice: &mut Dice, out: &Path) -> (PathBuf, Data) {
    let mut data = data(dice, false);
    data.retain(|labels, _| matches!(labels.get("n"), Some("0" | "4" | "5" | "6")));
    data.values_mut().for_each(|samples| samples.truncate(12));
    (export(&data, out, dice), data)
}

fn read_block(path: &Path) -> Result<Data, String> {
    let block: Block = Directory::block(path).map_err(|error| error.to_string())?;
    block.verify().map_err(|error| error.to_string())?;
    read(&block).map_err(|error| error.to_string())
}

#[test]
fn a_bit_flipped_or_a_file_cut_is_said_with_file_and_byte() {
    let seed = test_support::seed("a_bit_flipped_or_a_file_cut_is_said_with_file_and_byte");
    let (mut dice, folder) = (Dice(seed), TempFolder::new("damage"));
    let (path, data) = small(&mut dice, folder.path());
    let good = comparable(&data);
    let (mut said, mut harmless) = (0, 0);
    for name in ["index", "chunks/000001", "tombstones"] {
        let file = path.join(name);
        let bytes = fs::read(&file).expect("it is there");
        let mut attempt = |damaged: &[u8], what: String| {
            fs::write(&file, damaged).expect("it can be written");
            match read_block(&path) {
                Ok(found) => {
                    // Padding has no sum.
                    assert_eq!(comparable(&found), good, "{what}, seed {seed}");
                    harmless += 1;
                }
                Err(text) => {
                    assert!(text.contains(name.split('/').next().expect("a part")) && text.contains("byte "), "{what}: {text}");
                    said += 1;
                }
            }
        };
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << dice.below(8);
            attempt(&damaged, format!("{name}: a bit of byte {at}"));
            attempt(&bytes[..at], format!("{name}: cut at {at}"));
        }
        fs::write(&file, &bytes).expect("it can be written");
    }
    println!("{said} damages were said, {harmless} were harmless");
    assert!(harmless * 20 < said, "{harmless} of {said}");
}

#[test]
fn nothing_panics_whatever_the_bytes() {
    let seed = test_support::seed("nothing_panics_whatever_the_bytes");
    let (mut dice, folder) = (Dice(seed), TempFolder::new("fuzz"));
    let (path, _) = small(&mut dice, folder.path());
    let index = fs::read(path.join("index")).expect("it is there");
    let chunks = fs::read(path.join("chunks/000001")).expect("it is there");
    println!("seed {seed}");
    for _ in 0..20_000 {
        let length = dice.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| dice.next() as u8).collect();
        tsdb::fuzzing::prometheus_chunk(&bytes);
        tsdb::fuzzing::prometheus_wal(&bytes);
        let mut damaged = index.clone();
        let at = dice.below(damaged.len());
        damaged[at] = dice.next() as u8;
        tsdb::fuzzing::prometheus_index(&damaged);
        // Any place of the segment as a chunk, whose sum nobody checks.
        let at = dice.below(chunks.len());
        tsdb::fuzzing::prometheus_chunk(&chunks[at..chunks.len().min(at + 300)]);
    }
}
