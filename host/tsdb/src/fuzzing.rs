//! Doors for fuzzers: bytes in, no panic and no unbounded memory out. Not an interface for anybody else.

use std::path::Path;

use model::TimeRange;

use crate::block::{self, Block};
use crate::disk::{Disk, SimDisk};
pub use crate::prometheus::fuzzing::*;

/// Opens these bytes as a block and reads everything in it.
pub fn block(bytes: &[u8]) {
    let disk = SimDisk::new();
    let path = Path::new("/fuzz/blocks").join(block::file_name(1));
    if disk.create_dir_all(Path::new("/fuzz/blocks")).is_err() {
        return;
    }
    disk.put(&path, bytes.to_vec());
    let Ok(block) = Block::open(&disk, &path) else {
        return;
    };
    let _ = block.verify();
    let _ = block.matching(&[]);
    for name in block.label_names() {
        let _ = block.label_values(&name);
    }
    let some = TimeRange { start: block.meta().time_min.saturating_add(1), end: block.meta().time_max.saturating_sub(1) };
    for column in 0..block.columns().min(1000) {
        if let Ok(group) = block.group_of(column) {
            let _ = block.read(group, &[column], some);
        }
    }
}

/// Reads the bytes as the pieces and lists of a block, whose checksums would keep a fuzzer out.
pub fn block_parts(bytes: &[u8]) {
    block::fuzz_parts(bytes);
}
