//! Segments with right checksums and senseless content: no panic, no memory without bounds. The fuzz targets go on from here.

mod support;

use std::path::Path;

use support::{Dice, seeds};

/// The payloads of a fixture's segments, each behind its length, as the fuzzing door takes them.
fn payloads() -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-v1/wal");
    let mut files: Vec<_> = std::fs::read_dir(dir).expect("the fixture").map(|file| file.expect("readable").path()).collect();
    files.sort();
    let segment = |path: &Path| {
        let bytes = std::fs::read(path).expect("readable");
        let (mut at, mut out) = (40, Vec::new());
        while let Some(len) = bytes.get(at + 4..at + 8) {
            let len = u32::from_le_bytes(len.try_into().expect("four")) as usize;
            out.extend_from_slice(&(len as u16).to_le_bytes());
            out.extend_from_slice(&bytes[at + 12..at + 12 + len]);
            at += 12 + len;
        }
        out
    };
    files.iter().map(|path| segment(path)).collect()
}

#[test]
fn segments_of_nonsense_are_read_without_panic() {
    let payloads = payloads();
    for seed in seeds(300) {
        let mut dice = Dice(seed);
        let mut bytes = payloads[dice.below(payloads.len() as u64) as usize].clone();
        for _ in 0..=dice.below(6) {
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(4) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, 253, 254][dice.below(7) as usize],
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, dice.below(256) as u8),
            }
        }
        println!("seed {seed}");
        tsdb::fuzzing::segment(&bytes);
    }
}
