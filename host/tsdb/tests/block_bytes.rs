//! What the bytes of a block are said to be for adds up to its file, and each kind is there where it was written.

#![allow(clippy::print_stdout, reason = "figures are for people")]

mod support;

use std::sync::Arc;

use model::seams::{Append, Exemplar, Row};
use model::{BucketSpan, Clock, Histogram, HistogramCounts, LabelSet, ResetHint};
use support::labels;
use support::life::{H, Life, NOON};
use tsdb::disk::SimDisk;

fn histogram(n: u64) -> Histogram {
    Histogram {
        schema: 3,
        zero_threshold: 0.001,
        sum: n as f64 * 1.5,
        counts: HistogramCounts::Integer { count: 10 + n, zero: n, positive: vec![4, 6], negative: Vec::new() },
        positive_spans: vec![BucketSpan { offset: 2, length: 2 }],
        negative_spans: Vec::new(),
        custom_bounds: Vec::new(),
        reset_hint: ResetHint::Unknown,
    }
}

#[test]
fn each_byte_of_a_block_is_for_something_that_was_written() {
    for rich in [false, true] {
        let life = Life::new(SimDisk::default(), |_| {});
        let mut writer = life.db().open_group("g").expect("free");
        let columns: Vec<_> = ["c=rises", "c=still", "c=noise", "c=decimal", "c=sparse", "c=histogram"]
            .map(|text| writer.column(&labels(text)).expect("no limit"))
            .to_vec();
        let mut noise = support::Dice(7);
        for n in 0..480_u32 {
            let time = NOON + i64::from(n) * 15_000;
            life.clock.set(time);
            let rises = f64::from(n * n);
            if !rich {
                writer.append(Row::floats(time, &columns[..1], &[rises])).expect("it appends");
                continue;
            }
            let count = if n % 7 < 3 { 5 } else { 4 };
            let values =
                [rises, 5.0, f64::from_bits(0x3ff0_0000_0000_0000 | noise.next() >> 12), f64::from(n % 50) / 100.0, 1.0 + f64::from(n % 3)];
            let histograms = [(columns[5], Arc::new(histogram(u64::from(n))))];
            let exemplar = Exemplar { labels: LabelSet::from_pairs([("trace", n.to_string())]), value: 0.5, time, own_time: true };
            let (starts, exemplars) = ([(columns[0], NOON - i64::from(n / 100))], [(columns[0], exemplar)]);
            let mut row = Row::floats(time, &columns[..count], &values[..count]).with_histograms(&histograms);
            (row.starts, row.exemplars) = (&starts, &exemplars);
            writer.append(row).expect("it appends");
        }
        life.pass(2 * H);
        assert!(life.clock.now() > NOON);
        let blocks = life.db().blocks();
        let [block] = blocks.as_slice() else { panic!("{blocks:?}") };
        let bytes = life.db().block_bytes(block.sequence).expect("it is whole");
        println!("{} bytes: {bytes:?}", block.bytes);
        assert_eq!(bytes.values().sum::<u64>(), block.bytes);
        let rich_only = [
            "native histograms",
            "start timestamps",
            "exemplars",
            "presence (absent, stale)",
            "floats",
            "decimals",
            "values that do not change",
        ];
        assert!(rich_only.iter().all(|what| bytes.contains_key(what) == rich), "{bytes:?}");
        assert!(
            ["times", "counters (whole numbers that rise)", "labels: names and values"].iter().all(|what| bytes[what] > 0),
            "{bytes:?}"
        );
        if rich {
            assert!(bytes["floats"] > 480 * 5, "52 bits of noise each: {bytes:?}");
        }
        assert!(life.db().block_bytes(99).is_err());
    }
}
