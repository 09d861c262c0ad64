//! Entries for fuzzing the log.

use std::path::Path;
use std::sync::Arc;

use model::seams::{Select, SelectRequest};
use model::{ManualClock, TimeRange};

use super::frame::{begin_frame, payload_checksum, seal_frame, segment_header, segment_name};
use crate::disk::SimDisk;
use crate::{Db, Options};

/// Opens these bytes as the one segment of a log, reads everything, and opens what is left of it.
pub fn log(bytes: &[u8]) {
    open(bytes.to_vec());
}

/// The same for frames whose headers and checksums are right, which keep a fuzzer out: the bytes are payloads, each after its length in
/// two bytes.
pub fn log_payloads(bytes: &[u8]) {
    let mut segment = segment_header(1, None).to_vec();
    let (mut rest, mut frame) = (bytes, Vec::new());
    while let Some((len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_le_bytes(*len)).min(after.len());
        begin_frame(&mut frame);
        frame.extend_from_slice(&after[..len]);
        let checksum = payload_checksum(&frame);
        seal_frame(&mut frame, checksum, 1, segment.len() as u64);
        segment.extend_from_slice(&frame);
        rest = &after[len..];
    }
    open(segment);
}

fn open(segment: Vec<u8>) {
    let now = 1_800_000_000_000;
    let disk = SimDisk::new();
    disk.put(&Path::new("/data/wal").join(segment_name(1)), segment);
    let mut shown = Vec::new();
    for _ in 0..2 {
        let mut options = Options::new(Arc::new(ManualClock::at(now)));
        options.retention_ms = 0;
        let Ok((db, _)) = Db::open(Path::new("/data"), options, Arc::new(disk.clone()), now) else { return };
        let all = TimeRange { start: i64::MIN, end: i64::MAX };
        let mut found = Vec::new();
        for group in db.select(&SelectRequest { matchers: &[], range: all }).into_iter().flatten() {
            let samples = group.read();
            found.push(format!("{:?} {:?}", group.labels(), samples.map(|samples| samples.times)));
        }
        found.sort();
        shown.push(found);
    }
    debug_assert_eq!(shown[0], shown[1], "a second start shows the same");
}
