//! A block with wrong bytes: an error that says where, never a wrong value, never a panic.

use std::ops::Range;

use super::*;
use crate::block::sections::{FOOTER_BYTES, KINDS};
use crate::block::tests::random::{any_histogram, sampled};

/// Rows of the groups below: two pieces each.
const ROWS: usize = 700;

/// Writes three groups of all kinds of columns and returns what they are.
fn mixed(disk: &Arc<dyn Disk>) -> Vec<(LabelSet, Vec<u64>)> {
    let mut writer = writer(disk, 1);
    let mut columns = Vec::new();
    let histograms = sampled(&any_histogram(), 20);
    for group in 0..3_u32 {
        let times: Vec<i64> = (0..ROWS as i64).map(|row| row * 15_000 + i64::from(group)).collect();
        writer.begin_group(&format!("group {group}"), &times).expect("a group");
        for at in 0..40_u32 {
            let labels = set(&[("__name__", ["a", "b_total", "c"][at as usize % 3]), ("n", &at.to_string()), ("g", &group.to_string())]);
            let value = |row: u32| match at % 5 {
                0 => 1.0_f64.to_bits(),
                1 => f64::from(row * 7 + (row * row * at) % 13 + group).to_bits(),
                2 => f64::from(row.wrapping_mul(2_654_435_761_u32.wrapping_mul(at)) >> 9).sqrt().to_bits(),
                3 => {
                    if row > 300 {
                        ABSENT_BITS
                    } else {
                        (f64::from(row % 17) / 8.0).to_bits()
                    }
                }
                _ => {
                    if row < 20 {
                        model::HISTOGRAM_BITS
                    } else {
                        STALE_BITS
                    }
                }
            };
            let bits: Vec<u64> = (0..ROWS as u32).map(value).collect();
            let of_column: Vec<_> = if at % 5 == 4 { (0..).zip(histograms.iter().cloned().map(Arc::new)).collect() } else { Vec::new() };
            let starts: &[(u32, i64)] = if at % 7 == 0 { &[(3, 9), (600, 12)] } else { &[] };
            let exemplars = [Exemplar { labels: set(&[("trace", &at.to_string())]), value: 0.5, time: 15_000, own_time: false }];
            let column = Column { labels: &labels, bits: &bits, histograms: &of_column, starts, exemplars: &exemplars };
            writer.column(&column).expect("a column");
            columns.push((labels, bits));
        }
        writer.end_group().expect("the end of a group");
    }
    writer.finish().expect("a block");
    columns
}

/// Opens and reads all of a block whose bytes were changed in `at`. Whatever is read must be right, something must be
/// found, and what is found must name a range of this file around the change. Returns how many columns could be read.
fn check(bytes: Vec<u8>, at: usize, columns: &[(LabelSet, Vec<u64>)], seed: u64) -> usize {
    let (disk, sim) = disk();
    sim.put(&path(1), bytes);
    let about = |range: Range<u64>| range.contains(&(at as u64));
    let block = match Block::open(&*disk, &path(1)) {
        Ok(block) => block,
        Err(BlockError::Damaged(damage)) => {
            assert_eq!(damage.file, "blocks/0000000001.block");
            let all = damage.end == sim.files()[0].1.len() as u64;
            assert!(about(damage.start..damage.end) || all, "seed {seed}: byte {at} is named as {damage}");
            return 0;
        }
        Err(BlockError::Version { .. } | BlockError::Io { .. }) => panic!("seed {seed}: byte {at} is no version"),
    };
    let damage = block.verify();
    assert!(damage.iter().any(|d| about(d.start..d.end)), "seed {seed}: byte {at} was not found: {damage:?}");
    let mut whole = 0;
    for (id, (labels, bits)) in (0..).zip(columns) {
        assert_eq!(&block.labels(id).expect("the index is whole"), labels);
        match block.read(block.group_of(id).expect("the index is whole"), &[id], ALL) {
            Ok(rows) => {
                assert_eq!(&rows.columns[0].bits, bits, "seed {seed}: byte {at}");
                whole += 1;
            }
            Err(damage) => assert!(about(damage.start..damage.end), "seed {seed}: byte {at} is named as {damage}"),
        }
    }
    whole
}

#[test]
fn f6_a_bit_flipped_in_any_section_of_a_block_is_found_and_the_rest_is_served() {
    let seed = std::env::var("SKOPOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0xB10C_u64);
    let flips: usize = std::env::var("SKOPOS_FLIPS").ok().and_then(|flips| flips.parse().ok()).unwrap_or(12);
    println!("SKOPOS_SEED={seed}, {flips} flips a section (SKOPOS_FLIPS)");
    let (disk, sim) = disk();
    let columns = mixed(&disk);
    let bytes = sim.files()[0].1.clone();
    let block = Block::open(&*disk, &path(1)).expect("opens");
    assert_eq!(block.verify(), []);
    let end = bytes.len() as u64;
    let mut ranges: Vec<Range<u64>> = KINDS.iter().map(|kind| block.sections.get(*kind).range()).collect();
    ranges.extend([0..16, end - FOOTER_BYTES as u64..end]);
    let mut state = seed;
    let mut dice = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for (kind, range) in ranges.iter().enumerate() {
        for _ in 0..flips {
            let at = (range.start + dice(range.end - range.start)) as usize;
            let mut changed = bytes.clone();
            changed[at] ^= 1 << dice(8);
            let whole = check(changed, at, &columns, seed);
            // One piece of samples, times or exemplars is gone, the others are not.
            assert!(kind != 0 || whole >= columns.len() / 3, "seed {seed}: byte {at} took {} columns", columns.len() - whole);
        }
    }
}

#[test]
fn f6_a_block_that_was_cut_or_grew_does_not_open() {
    let (disk, sim) = disk();
    mixed(&disk);
    let bytes = sim.files()[0].1.clone();
    for len in (0..bytes.len()).step_by(bytes.len() / 40).chain(bytes.len() - 20..bytes.len()).chain([bytes.len() + 1]) {
        let mut changed = bytes.clone();
        changed.resize(len, 0);
        let (disk, sim) = super::disk();
        sim.put(&path(1), changed);
        assert!(matches!(Block::open(&*disk, &path(1)), Err(BlockError::Damaged(_))), "{len} bytes");
    }
}

#[test]
fn another_version_is_named() {
    let (disk, sim) = disk();
    mixed(&disk);
    let mut bytes = sim.files()[0].1.clone();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    sim.put(&path(1), bytes);
    assert!(matches!(Block::open(&*disk, &path(1)), Err(BlockError::Version { version: 2, .. })));
}

/// What a fuzzer does, in small: pieces and sections of a good block with some bytes changed, whose checksums nobody looks at.
#[test]
fn changed_bytes_under_a_right_checksum_never_panic() {
    let seed = std::env::var("SKOPOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0xF022_u64);
    println!("SKOPOS_SEED={seed}");
    let (disk, sim) = disk();
    mixed(&disk);
    let bytes = sim.files()[0].1.clone();
    let block = Block::open(&*disk, &path(1)).expect("opens");
    let slice = |range: Range<u64>| bytes[range.start as usize..range.end as usize].to_vec();
    let record = block.record(0).expect("the index is whole");
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for (run, pages) in record.pages.chunks(record.times.len()).enumerate() {
        let columns = (record.runs[run + 1] - record.runs[run]) as u8;
        for (piece, page) in pages.iter().enumerate() {
            let [low, high] = (record.rows_in(piece) as u16).to_le_bytes();
            parts.push([vec![0, low, high, columns], slice(page.offset..page.offset + page.len as u64)].concat());
        }
    }
    for (kind, what) in [(1, KINDS[3]), (2, KINDS[2]), (3, KINDS[4])] {
        parts.push([vec![kind], slice(block.sections.get(what).range())].concat());
    }
    let mut state = seed;
    let mut dice = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let rounds = std::env::var("SKOPOS_FLIPS").ok().and_then(|flips| flips.parse().ok()).unwrap_or(30);
    for part in &parts {
        crate::fuzzing::block_parts(part);
        for _ in 0..rounds {
            let mut changed = part.clone();
            for _ in 0..=dice(3) {
                // The first bytes say most about the rest.
                let at = if dice(2) == 0 { dice(changed.len().min(40)) } else { dice(changed.len()) };
                changed[at] = [0, 0xFF, changed[at] ^ 1, changed[at].wrapping_add(1), dice(256) as u8][dice(5)];
            }
            if dice(8) == 0 {
                changed.truncate(dice(part.len()));
            }
            crate::fuzzing::block_parts(&changed);
        }
    }
}

/// A block that somebody made to do harm: all checksums are right, and the index says what it likes.
#[test]
fn f6_an_index_with_wrong_bytes_and_right_checksums_never_panics() {
    let seed = std::env::var("SKOPOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0xF033_u64);
    println!("SKOPOS_SEED={seed}");
    let (disk, sim) = disk();
    mixed(&disk);
    let bytes = sim.files()[0].1.clone();
    let sections = Block::open(&*disk, &path(1)).expect("opens").sections;
    assert_eq!(crate::block::sealed(&bytes), Some(bytes.clone()), "whole as it is");
    let mut state = seed;
    let mut dice = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let rounds = std::env::var("SKOPOS_FLIPS").ok().and_then(|flips| flips.parse().ok()).unwrap_or(60);
    for kind in [KINDS[1], KINDS[2], KINDS[3], KINDS[4]] {
        let range = sections.get(kind).range();
        for _ in 0..rounds {
            let mut changed = bytes.clone();
            for _ in 0..=dice(3) {
                let at = (range.start + dice(range.end - range.start)) as usize;
                changed[at] = [0, 0xFF, changed[at] ^ 1, changed[at].wrapping_add(1), dice(256) as u8][dice(5) as usize];
            }
            crate::fuzzing::block(&changed);
        }
    }
}

/// What takes no bytes in a file may not be more than its bytes allow for: each of these would be billions of series or pairs.
#[test]
fn numbers_that_take_no_bytes_are_bounded() {
    use crate::block::postings::Postings;
    use crate::block::record::Record;

    let record = |columns: u32, names: u8, tuples: u8| {
        let mut bytes = vec![0, 1, 1, 0, 0, 0];
        crate::column::bytes::put_varint(&mut bytes, columns.into());
        // One column is stored; times and one page, empty; no exemplars; which column is stored for each takes no bits.
        bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.push(names);
        bytes.resize(bytes.len() + usize::from(names), 0);
        let bits = |of: u8| columns as usize * usize::from(of > 1);
        bytes.resize(bytes.len() + bits(names).div_ceil(8), 0);
        bytes.push(tuples);
        bytes.resize(bytes.len() + bits(tuples).div_ceil(8), 0);
        // Where tuples begin takes no bits; none has a pair.
        bytes.push(0);
        bytes.resize(bytes.len() + 2 * usize::from(tuples), 0);
        let found = Record::read(&bytes, 0..columns, &(0..100)).map(|record| record.group.columns);
        (bytes.len(), found)
    };
    assert_eq!(record(1, 1, 1).1, Some(0..1));
    assert_eq!(record(4, 2, 2).1, Some(0..4));
    for columns in [1000, u32::MAX] {
        let (len, found) = record(columns, 1, 1);
        assert!(len < 100 && found.is_none(), "{columns} in {len} bytes");
    }
    let empty = [&u32::MAX.to_le_bytes()[..], &[0]].concat();
    assert!(Postings::open(&empty).is_none(), "five bytes have lists for all pairs there can be");
    assert!(Postings::open(&[0, 0, 0, 0, 0]).is_some(), "none");
}
