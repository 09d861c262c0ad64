//! Doors for fuzzers: bytes in, no panic and no unbounded memory out. Not an interface for anybody else.

use std::path::Path;
use std::sync::Arc;

use model::seams::{Select, SelectRequest, Tail, TailPosition};
use model::{ManualClock, MatchOp, Matcher, TimeRange};

use crate::block::{self, Block};
use crate::db::Db;
use crate::disk::{Disk, SimDisk};
use crate::options::Options;
pub use crate::prometheus::fuzzing::*;
use crate::wal::frame;

/// Reads these bytes as a segment of the log: as a file, and as the content of frames whose checksums are right (a `u16` with
/// its length before each), which no fuzzer would find. Opens a database of it, reads everything, follows it, and cuts it.
pub fn segment(bytes: &[u8]) {
    let number = 1;
    let header = frame::segment_header(number, None);
    let mut framed = header.to_vec();
    let mut rest = bytes;
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let (payload, after) = after.split_at(usize::from(u16::from_le_bytes(*len)).min(after.len()));
        let mut buffer = Vec::new();
        frame::begin_frame(&mut buffer);
        buffer.extend_from_slice(payload);
        let checksum = frame::payload_checksum(&buffer);
        frame::seal_frame(&mut buffer, checksum, number, framed.len() as u64);
        framed.extend_from_slice(&buffer);
        rest = after;
    }
    for file in [bytes.to_vec(), [&header[..], bytes].concat(), framed] {
        let (disk, dir) = (SimDisk::new(), Path::new("/fuzz"));
        if disk.create_dir_all(&dir.join("wal")).is_err() {
            return;
        }
        disk.put(&dir.join("wal").join(frame::segment_name(number)), file);
        let mut options = Options::new(Arc::new(ManualClock::at(0)));
        options.retention_ms = 0;
        let Ok((db, _)) = Db::open(dir, options, Arc::new(disk), 0) else {
            continue;
        };
        let range = TimeRange { start: i64::MIN, end: i64::MAX };
        for group in db.select(&SelectRequest { matchers: &[], range }).unwrap_or_default() {
            let _ = group.read();
            let _ = group.starts();
        }
        let _ = Tail::read(&db, TailPosition::default(), 1_000_000);
        for group in db.0.groups() {
            let Ok(Some(cut)) = group.cut(i64::MAX / 2) else { continue };
            let mut column = crate::head::cut::CutColumn::default();
            for at in 0..cut.series().len() {
                let _ = cut.column(at, &mut column);
            }
            let _ = group.drop_cut(&cut);
        }
    }
}

/// Opens these bytes as a block and reads everything in it; then once more with all checksums of header, sections and footer made right,
/// as somebody would who means harm.
pub fn block(bytes: &[u8]) {
    read_block(bytes.to_vec());
    if let Some(sealed) = block::sealed(bytes) {
        read_block(sealed);
    }
}

fn read_block(bytes: Vec<u8>) {
    let disk = SimDisk::new();
    let path = Path::new("/fuzz/blocks").join(block::file_name(1));
    if disk.create_dir_all(Path::new("/fuzz/blocks")).is_err() {
        return;
    }
    disk.put(&path, bytes);
    let _ = Block::range_of(&disk, &path);
    let Ok(block) = Block::open(&disk, &path) else {
        return;
    };
    let _ = block.verify();
    let _ = block.matching(&[]);
    for name in block.label_names().unwrap_or_default().into_iter().take(100) {
        for value in block.label_values(&name).unwrap_or_default().into_iter().take(100) {
            let Ok(matcher) = Matcher::new(&name, MatchOp::Equal, &value) else { continue };
            let _ = block.matching(&[matcher]);
        }
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
