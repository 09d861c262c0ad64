//! What a Prometheus has in memory when it runs: its write-ahead log, the log of late samples, and the head's chunks.

use std::collections::HashMap;
use std::path::Path;

use super::error::Error;
use super::file::numbered;
use super::record::{self, Entry};
use super::{head_chunks, wal};
use crate::backfill::Buffer;

/// What reading a head met.
#[derive(Debug, Default)]
pub struct HeadReport {
    /// Files and places from which on a file was not read, and why.
    pub unread: Vec<Error>,
    /// Where the newest segment of the log ends in the middle of a record: a process that was killed leaves it so, and Prometheus cuts
    /// it off too.
    pub torn_tail: Option<Error>,
    /// Samples of series that no record names, as their record was lost. They are left out.
    pub nameless: u64,
    /// Samples that blocks have already.
    pub in_blocks: u64,
}

/// Reads the head of a data directory. `valid_from`: what is older is in blocks.
pub(crate) fn read(dir: &Path, valid_from: Option<i64>) -> Result<(Buffer, HeadReport), Error> {
    let mut head = Head { valid_from: valid_from.unwrap_or(i64::MIN), ..Head::default() };
    let segments = wal::segments(&dir.join("wal"))?;
    for segment in &segments {
        head.segment(segment);
    }
    // Of the last segment that was read, and of no other.
    if let (Some(Error::Format { file, .. }), Some(last)) = (head.report.unread.last(), segments.last())
        && file == last
    {
        head.report.torn_tail = head.report.unread.pop();
    }
    // Late samples are in blocks or not whatever their time is.
    let in_order_from = std::mem::replace(&mut head.valid_from, i64::MIN);
    for (_, segment) in numbered(&dir.join("wbl"))? {
        head.segment(&segment);
    }
    head.valid_from = in_order_from;
    for (_, path) in numbered(&dir.join("chunks_head"))? {
        let (buffer, numbers, from) = (&mut head.buffer, &head.numbers, head.valid_from);
        let read = head_chunks::read(&path, &mut |number, samples, late| {
            // A chunk of a series that has no other samples any more was left behind.
            let Some(series) = numbers.get(&number) else { return };
            let mut histograms = samples.histograms.iter();
            for (time, bits) in samples.times.iter().zip(&samples.bits) {
                let histogram = if *bits == model::HISTOGRAM_BITS { histograms.next() } else { None };
                match histogram {
                    _ if *time < from && !late => {}
                    Some((_, histogram)) => buffer.push_histogram(*series, *time, histogram.clone()),
                    None => buffer.push(*series, *time, *bits),
                }
            }
        });
        head.report.unread.extend(read.err());
    }
    for (number, intervals) in std::mem::take(&mut head.deleted) {
        if let Some(series) = head.numbers.get(&number) {
            head.buffer.delete(*series, &intervals);
        }
    }
    Ok((head.buffer, head.report))
}

#[derive(Default)]
struct Head {
    buffer: Buffer,
    /// The log's numbers of series. Several may mean the same one.
    numbers: HashMap<u64, u32>,
    deleted: HashMap<u64, Vec<(i64, i64)>>,
    valid_from: i64,
    report: HeadReport,
}

impl Head {
    fn segment(&mut self, path: &Path) {
        let read = wal::read_segment(path, &mut |at, record| {
            record::parse(record, &mut |entry| self.entry(entry)).map_err(|bad| {
                // The record is unpacked, so that a place inside it has no offset in the file.
                Error::format(path, at, format!("the record from here is wrong at its byte {}: {}", bad.at, bad.what))
            })
        });
        self.report.unread.extend(read.err());
    }

    fn entry(&mut self, entry: Entry) {
        match entry {
            Entry::Series(number, labels) => {
                let series = self.buffer.series(&labels);
                self.numbers.insert(number, series);
            }
            Entry::Sample(number, time, bits, start) => {
                if let Some(series) = self.place(number, time) {
                    self.buffer.push(series, time, bits);
                    self.buffer.start(series, time, start);
                }
            }
            Entry::Histogram(number, time, histogram, start) => {
                if let Some(series) = self.place(number, time) {
                    self.buffer.push_histogram(series, time, histogram.into());
                    self.buffer.start(series, time, start);
                }
            }
            Entry::Deleted(number, from, to) => self.deleted.entry(number).or_default().push((from, to)),
            Entry::Exemplar(number, exemplar) => {
                if let Some(series) = self.numbers.get(&number) {
                    self.buffer.exemplar(*series, exemplar);
                }
            }
            Entry::ValidFrom(time) => self.valid_from = self.valid_from.max(time),
        }
    }

    fn place(&mut self, number: u64, time: i64) -> Option<u32> {
        if time < self.valid_from {
            self.report.in_blocks += 1;
            return None;
        }
        let series = self.numbers.get(&number).copied();
        self.report.nameless += u64::from(series.is_none());
        series
    }
}
