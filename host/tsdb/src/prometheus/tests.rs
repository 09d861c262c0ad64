//! The log and the head's chunks: written by the test after the description, read whole, cut and flipped.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use model::{HISTOGRAM_BITS, LabelSet, TimeRange};
use test_support::TempFolder;

use super::bytes::{put_text, put_uvarint, put_varint};
use super::file::ReadFile;
use super::{BlockExport, Contents, Directory, HeadReport, XorChunk};
use crate::backfill::{Buffer, Samples, SeriesSource};

const ALWAYS: TimeRange = TimeRange { start: i64::MIN, end: i64::MAX };
const PAGE: usize = 32 << 10;

/// Packs records into pages: 0 as they are, 8 with snappy, 16 with zstd.
fn log(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (packing, record) in records {
        let packed = match packing {
            8 => snap::raw::Encoder::new().compress_vec(record).expect("it fits"),
            16 => zstd::bulk::compress(record, 1).expect("it can be packed"),
            _ => record.clone(),
        };
        let (mut rest, mut first) = (packed.as_slice(), true);
        while first || !rest.is_empty() {
            let mut room = PAGE - out.len() % PAGE;
            if room <= 7 {
                out.resize(out.len() + room, 0);
                room = PAGE;
            }
            let (part, left) = rest.split_at(rest.len().min(room - 7));
            let kind = match (first, left.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            out.push(kind | packing);
            out.extend_from_slice(&(part.len() as u16).to_be_bytes());
            out.extend_from_slice(&crc32c::crc32c(part).to_be_bytes());
            out.extend_from_slice(part);
            (rest, first) = (left, false);
        }
    }
    out
}

fn series(entries: &[(u64, &[(&str, &str)])]) -> Vec<u8> {
    let mut out = vec![1];
    for (number, labels) in entries {
        out.extend_from_slice(&number.to_be_bytes());
        put_uvarint(&mut out, labels.len() as u64);
        for (name, value) in *labels {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
    }
    out
}

fn samples(entries: &[(u64, i64, f64)]) -> Vec<u8> {
    let (series, time, _) = entries[0];
    let mut out = [&[2][..], &series.to_be_bytes(), &time.to_be_bytes()].concat();
    for (number, when, value) in entries {
        put_varint(&mut out, *number as i64 - series as i64);
        put_varint(&mut out, when - time);
        out.extend_from_slice(&value.to_bits().to_be_bytes());
    }
    out
}

/// A histogram with one bucket of `count` observations; as floats, or with custom buckets.
fn histogram(kind: u8, number: u64, time: i64, count: u64) -> Vec<u8> {
    let (float, custom) = (kind == 8 || kind == 10, kind >= 9);
    let mut out = [&[kind][..], &number.to_be_bytes(), &time.to_be_bytes(), &[0, 0, 0]].concat();
    put_varint(&mut out, if custom { -53 } else { 2 });
    out.extend_from_slice(&0_f64.to_be_bytes());
    for count in [0, count] {
        if float { out.extend_from_slice(&(count as f64).to_be_bytes()) } else { put_uvarint(&mut out, count) }
    }
    out.extend_from_slice(&2.5_f64.to_be_bytes());
    // One span, none below zero; one bucket, none below zero.
    put_uvarint(&mut out, 1);
    put_varint(&mut out, 0);
    put_uvarint(&mut out, 1);
    put_uvarint(&mut out, 0);
    put_uvarint(&mut out, 1);
    if float {
        out.extend_from_slice(&(count as f64).to_be_bytes())
    } else {
        put_varint(&mut out, count as i64)
    }
    put_uvarint(&mut out, 0);
    if custom {
        put_uvarint(&mut out, 2);
        out.extend_from_slice(&0.5_f64.to_be_bytes());
        out.extend_from_slice(&1.5_f64.to_be_bytes());
    }
    out
}

/// Records of every kind, and so many of two samples.
fn records(samples_of: i64) -> Vec<(u8, Vec<u8>)> {
    let mut records = vec![
        (0, series(&[(1, &[("__name__", "a"), ("job", "x")]), (2, &[("__name__", "b"), ("job", "x")])])),
        (8, series(&[(7, &[("__name__", "h")])])),
    ];
    for n in 0..samples_of {
        let packing = [0, 8, 16][n as usize % 3];
        records.push((packing, samples(&[(1, 1000 + n * 15, n as f64), (2, 1001 + n * 15, 0.5)])));
    }
    for (n, kind) in [7, 8, 9, 10].into_iter().enumerate() {
        records.push((8, histogram(kind, 7, 2000 + n as i64, 5)));
    }
    let mut deleted = vec![3];
    deleted.extend_from_slice(&2_u64.to_be_bytes());
    put_varint(&mut deleted, 1001);
    put_varint(&mut deleted, 1100);
    records.push((0, deleted));
    let mut exemplar = [&[4][..], &1_u64.to_be_bytes(), &1015_i64.to_be_bytes(), &[0, 0]].concat();
    exemplar.extend_from_slice(&9_f64.to_be_bytes());
    put_uvarint(&mut exemplar, 1);
    put_text(&mut exemplar, "trace");
    put_text(&mut exemplar, "abc");
    records.push((0, exemplar));
    // Types and help texts.
    records.push((0, vec![6, 1, 1, 0]));
    // The same series under another number, as after a restart.
    records.push((0, series(&[(9, &[("__name__", "a"), ("job", "x")])])));
    records.push((0, samples(&[(9, 5000, 1.0)])));
    // With start timestamps: three of series 1, of which the second has none.
    let mut started = vec![11];
    for number in [1, 6000, 4000] {
        put_varint(&mut started, number);
    }
    started.extend_from_slice(&1_f64.to_be_bytes());
    for (time, marker) in [(10, &[0][..]), (20, &[2, 20])] {
        put_varint(&mut started, 0);
        put_varint(&mut started, time);
        started.extend_from_slice(marker);
        started.extend_from_slice(&2_f64.to_be_bytes());
    }
    records.push((16, started));
    records
}

type Stored = BTreeMap<LabelSet, Vec<(i64, u64)>>;

fn read(dir: &Path) -> (Stored, HeadReport, Buffer) {
    let (buffer, report) = Directory::open(dir).expect("it opens").head().expect("it reads");
    let mut stored = Stored::new();
    let mut found = Samples::default();
    let mut all = Vec::new();
    let Ok(()) = buffer.visit(&mut |number, labels| all.push((number, labels)));
    for (number, labels) in all {
        let Ok(()) = SeriesSource::read(&buffer, number, ALWAYS, &mut found);
        stored.insert(labels, found.times.iter().copied().zip(found.bits.iter().copied()).collect());
    }
    (stored, report, buffer)
}

fn labels(pairs: &[(&str, &str)]) -> LabelSet {
    LabelSet::from_pairs(pairs.iter().copied())
}

#[test]
fn a_log_of_every_kind_of_record_is_read() {
    let folder = TempFolder::new("wal");
    let mut all = records(50);
    // A record over several pages, and a segment behind it.
    let many: Vec<(u64, i64, f64)> = (0..20_000).map(|n| (1, 10_000 + n, (n as f64).sqrt())).collect();
    all.push((0, samples(&many)));
    folder.write("wal/00000003", log(&all));
    folder.write("wal/00000004", log(&[(16, samples(&[(1, 90_000, 3.0), (99, 90_000, 3.0)]))]));
    let (stored, report, buffer) = read(folder.path());
    assert!(report.unread.is_empty() && report.torn_tail.is_none(), "{report:?}");
    assert_eq!((report.nameless, stored.len()), (1, 3));
    let a = &stored[&labels(&[("__name__", "a"), ("job", "x")])];
    assert_eq!(a.len(), 50 + 1 + 3 + 20_000 + 1);
    assert_eq!(a[50..54].iter().map(|(time, _)| *time).collect::<Vec<_>>(), [5000, 6000, 6010, 6020]);
    // Some of b were deleted.
    assert_eq!(stored[&labels(&[("__name__", "b"), ("job", "x")])].len(), 43);
    let mut found = Samples::default();
    let Ok(()) = SeriesSource::read(&buffer, 0, ALWAYS, &mut found);
    assert_eq!(found.starts, [(51, 4000), (53, 4010)]);
    assert_eq!(found.exemplars.len(), 1);
    assert_eq!((found.exemplars[0].time, found.exemplars[0].labels.get("trace")), (1015, Some("abc")));
    let Ok(()) = SeriesSource::read(&buffer, 2, ALWAYS, &mut found);
    assert_eq!(found.bits, [HISTOGRAM_BITS; 4]);
    assert!(found.histograms.iter().all(|(_, histogram)| histogram.sum == 2.5));
    assert_eq!(found.histograms.iter().map(|(_, h)| h.custom_bounds.len()).collect::<Vec<_>>(), [0, 0, 2, 2]);
}

#[test]
fn a_checkpoint_stands_before_the_segments_behind_it() {
    let folder = TempFolder::new("checkpoint");
    folder.write("wal/checkpoint.00000001/00000000", log(&[(0, series(&[(1, &[("a", "old")])]))]));
    folder.write(
        "wal/checkpoint.00000004/00000000",
        log(&[(8, series(&[(1, &[("a", "new")])])), (0, [&[14][..], &70_i64.to_be_bytes()].concat())]),
    );
    folder.write("wal/00000004", log(&[(0, series(&[(1, &[("a", "covered")])]))]));
    folder.write("wal/00000005", log(&[(0, samples(&[(1, 50, 1.0), (1, 80, 2.0)]))]));
    let (stored, report, _) = read(folder.path());
    assert_eq!(stored, Stored::from([(labels(&[("a", "new")]), vec![(80, 2_f64.to_bits())])]));
    assert_eq!(report.in_blocks, 1);
}

#[test]
fn what_blocks_have_is_left_out_and_late_samples_are_not() {
    let folder = TempFolder::new("late");
    let mut block = BlockExport::create(folder.path(), 1, 1).expect("it can be made");
    block.add(&labels(&[("a", "1")]), &[1000, 2000], &[1, 2], &|_| None).expect("it can be written");
    block.finish().expect("it can be written").expect("there are samples");
    folder.write("wal/00000000", log(&[(0, series(&[(1, &[("a", "1")])])), (0, samples(&[(1, 2000, 9.0), (1, 2001, 9.0)]))]));
    // The log of late samples names series by the other log's numbers, and says where chunks went.
    folder.write("wbl/00000000", log(&[(0, [&[5][..], &[0; 16]].concat()), (8, samples(&[(1, 1500, 7.0), (1, 900, 7.0)]))]));
    let (stored, report, _) = read(folder.path());
    let times: Vec<i64> = stored[&labels(&[("a", "1")])].iter().map(|(time, _)| *time).collect();
    assert_eq!((times.as_slice(), report.in_blocks), ([900, 1500, 2001].as_slice(), 1));
    assert!(report.unread.is_empty() && report.torn_tail.is_none(), "{report:?}");
}

#[test]
fn a_log_cut_or_flipped_anywhere_gives_what_stands_before_and_says_where() {
    let folder = TempFolder::new("wal-damage");
    let whole = log(&records(8));
    folder.write("wal/00000000", &whole);
    let (good, _, _) = read(folder.path());
    let path = folder.path().join("wal/00000000");
    let mut said = 0;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        for (bytes, what) in [(&whole[..at], "cut"), (&flipped[..], "flipped")] {
            fs::write(&path, bytes).expect("it can be written");
            let (stored, report, _) = read(folder.path());
            let torn = report.torn_tail.map(|tail| tail.to_string());
            assert!(report.unread.is_empty());
            said += usize::from(torn.is_some());
            assert!(torn.iter().all(|text| text.contains("wal/00000000, byte ")), "{torn:?}");
            // What is deleted may stand behind the damage.
            for (labels, samples) in stored.iter().filter(|(labels, _)| labels.get("__name__") != Some("b")) {
                assert!(samples.iter().all(|sample| good[labels].contains(sample)), "{what} at {at}: {labels}");
            }
        }
    }
    assert!(said > whole.len(), "{said} of {}", 2 * whole.len());
    // Not the last segment: a loss, and no torn end.
    fs::write(&path, &whole[..whole.len() - 1]).expect("it can be written");
    folder.write("wal/00000001", log(&[(0, samples(&[(1, 70_000, 1.0)]))]));
    let (stored, report, _) = read(folder.path());
    assert_eq!((report.unread.len(), report.torn_tail.is_none()), (1, true));
    assert!(stored[&labels(&[("__name__", "a"), ("job", "x")])].contains(&(70_000, 1_f64.to_bits())), "the next segment is read");
}

#[test]
fn chunks_of_the_head_are_read_and_damage_is_said() {
    let folder = TempFolder::new("head-chunks");
    folder.write("wal/00000000", log(&[(0, series(&[(5, &[("a", "1")])]))]));
    let mut bytes = [&0x0130_BC91_u32.to_be_bytes()[..], &[1, 0, 0, 0]].concat();
    for (from, late) in [(1000, 0), (200, 0x80)] {
        let mut chunk = XorChunk::default();
        (0..10).for_each(|n| chunk.push(from + n, n as u64));
        let start = bytes.len();
        for number in [5_u64, from as u64, from as u64 + 9] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.push(1 | late);
        put_uvarint(&mut bytes, chunk.bytes().len() as u64);
        bytes.extend_from_slice(chunk.bytes());
        let sum = crc32c::crc32c(&bytes[start..]);
        bytes.extend_from_slice(&sum.to_be_bytes());
    }
    let end = bytes.len();
    bytes.resize(end + 500, 0);
    let path = folder.write("chunks_head/000001", &bytes);
    let (stored, report, _) = read(folder.path());
    assert!(report.unread.is_empty(), "{report:?}");
    assert_eq!(stored[&labels(&[("a", "1")])].len(), 20);
    for at in 8..end {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).expect("it can be written");
        let (stored, report, _) = read(folder.path());
        assert_eq!(report.unread.len(), 1, "a bit of byte {at}");
        assert!(report.unread[0].to_string().contains("chunks_head/000001, byte "), "{report:?}");
        assert!(stored[&labels(&[("a", "1")])].len() <= 10);
    }
}

#[test]
fn a_record_that_would_unpack_to_more_than_it_can_is_refused() {
    let folder = TempFolder::new("wal-bomb");
    // Snappy that claims two gigabytes, and zstd of 600 MB of zeros.
    let mut liar = Vec::new();
    put_uvarint(&mut liar, 2 << 30);
    liar.extend_from_slice(&[0, 0]);
    let frame = |packing: u8, data: &[u8]| {
        [&[1 | packing][..], &(data.len() as u16).to_be_bytes(), &crc32c::crc32c(data).to_be_bytes(), data].concat()
    };
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
    for _ in 0..600 {
        std::io::Write::write_all(&mut encoder, &vec![0; 1 << 20]).expect("it can be packed");
    }
    let bomb = encoder.finish().expect("it can be packed");
    assert!(bomb.len() < 60_000);
    for bytes in [frame(8, &liar), log_of_packed(16, &bomb)] {
        folder.write("wal/00000000", &bytes);
        let (_, report, _) = read(folder.path());
        let text = report.torn_tail.expect("it is said").to_string();
        assert!(text.contains("unpack to"), "{text}");
    }
}

/// One record that is packed already.
fn log_of_packed(packing: u8, packed: &[u8]) -> Vec<u8> {
    let mut bytes = log(&[(0, packed.to_vec())]);
    for page in bytes.chunks_mut(PAGE) {
        // Each page of one record begins with its fragment.
        page[0] |= packing;
    }
    bytes
}

#[test]
fn a_directory_says_whose_it_is_and_a_fifo_is_refused_at_once() {
    let dir = TempFolder::new("whose");
    let path = dir.path();
    assert_eq!(Contents::of(path), Contents::default());
    dir.write("wal/00000007", "");
    assert_eq!(Contents::of(path).of_prometheus.as_deref(), Some("wal/00000007"));
    dir.write("01ARZ3NDEKTSV4RRFFQ69G5FAV/meta.json", "{}");
    dir.write("wal/0000000001.log", "");
    let contents = Contents::of(path);
    assert_eq!(contents.of_prometheus.as_deref(), Some("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    assert_eq!(contents.of_skopos.as_deref(), Some("wal/0000000001.log"));
    let fifo = path.join("index");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is there").success());
    for path in [fifo.as_path(), Path::new("/dev/zero")] {
        let error = ReadFile::open(path).err().expect("it is refused").to_string();
        assert!(error.contains("not a regular file"), "{error}");
        assert!(crate::disk::Disk::open(&crate::disk::RealDisk, path).is_err());
    }
}
