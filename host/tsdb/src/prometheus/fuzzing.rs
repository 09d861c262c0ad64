//! Entries for the fuzzer: bytes in, no panic and no more memory than a small multiple of them out.
#![doc(hidden)]

use super::chunk::{Samples, decode};
use super::index::Index;
use super::{record, wal};

/// The bytes as a chunk: the first says the encoding.
pub fn prometheus_chunk(bytes: &[u8]) {
    if let Some((encoding, data)) = bytes.split_first() {
        let mut samples = Samples::default();
        let _ = decode(encoding & 3, data, &mut samples);
        samples.normalise();
    }
}

/// The bytes as an index.
pub fn prometheus_index(bytes: &[u8]) {
    let file = super::file::ReadFile::of_bytes(bytes.to_vec());
    if let Ok(index) = Index::open(file, false) {
        let mut numbers = Vec::new();
        let _ = index.visit(|number, _| {
            numbers.push(number);
            Ok(())
        });
        for number in numbers.into_iter().take(16).chain([0, 1, u64::MAX]) {
            let _ = index.series(number);
        }
        let _ = index.verify_postings();
    }
}

/// The bytes as a segment of the log, and as one record.
pub fn prometheus_wal(bytes: &[u8]) {
    let _ = wal::read_pages(bytes, &mut |_, found| {
        let _ = record::parse(found, &mut |_| {});
    });
    let _ = record::parse(bytes, &mut |_| {});
}
