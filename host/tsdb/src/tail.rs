//! Following the log.

use std::collections::HashMap;
use std::sync::PoisonError;

use model::seams::{SelectError, Tail, TailBatch, TailPosition, TailRow};
use model::{ABSENT_BITS, HISTOGRAM_BITS, LabelSet};

use crate::db::{Db, Inner};
use crate::wal::decode::{DecodedRow, SegmentDecoder};
use crate::wal::frame::{FRAME_HEADER_BYTES, Frames, SEGMENT_HEADER_BYTES, Step, segment_name};

/// Bytes that are read at a time.
const CHUNK_BYTES: u64 = 1 << 20;
/// Followers whose state is kept. Another one costs reading its segment from the start.
const CURSORS_MAX: usize = 4;

/// What following needs to know at a position, because rows build on those before them.
#[derive(Default)]
pub(crate) struct Cursor {
    position: TailPosition,
    decoder: SegmentDecoder,
    /// Labels by slot, of each group of the segment.
    groups: HashMap<u32, Vec<Option<LabelSet>>>,
}

impl Tail for Db {
    fn end(&self) -> TailPosition {
        self.0.acknowledged_end()
    }

    fn read(&self, from: TailPosition, samples_max: usize) -> Result<TailBatch, SelectError> {
        let inner = &self.0;
        let end = inner.acknowledged_end();
        let (mut cursor, gap) = inner.cursor(from, end);
        let mut batch = TailBatch { gap, ..TailBatch::default() };
        let mut samples = 0;
        while samples < samples_max.max(1) && cursor.position < end {
            samples += inner.follow(&mut cursor, from, end, &mut batch.rows)?;
        }
        batch.next = cursor.position;
        let mut cursors = inner.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        if cursors.len() == CURSORS_MAX {
            cursors.remove(0);
        }
        cursors.push(cursor);
        Ok(batch)
    }
}

impl Inner {
    fn acknowledged_end(&self) -> TailPosition {
        if self.options.wal_sync_ms == 0 { self.log.synced() } else { self.log.written() }
    }

    /// The state at a position, or at the start of its segment, from where reading passes over what lies before. Also says
    /// whether the position is gone.
    fn cursor(&self, from: TailPosition, end: TailPosition) -> (Cursor, bool) {
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cursors.iter().position(|cursor| cursor.position == from) {
            return (cursors.remove(at), false);
        }
        drop(cursors);
        let oldest = self.log.segments().keys().next().copied().unwrap_or(end.segment);
        let begun = from != TailPosition::default();
        let gone = begun && (from.segment < oldest || from.segment > end.segment);
        let segment = if gone || !begun { oldest } else { from.segment };
        (Cursor { position: TailPosition { segment, offset: 0 }, ..Cursor::default() }, gone)
    }

    /// Reads on, at most to the end of the segment. Returns how many samples that were.
    fn follow(&self, cursor: &mut Cursor, from: TailPosition, end: TailPosition, rows: &mut Vec<TailRow>) -> Result<usize, SelectError> {
        let segments = self.log.segments();
        let TailPosition { segment, offset } = cursor.position;
        let until = if segment == end.segment { end.offset } else { segments.get(&segment).copied().unwrap_or(0) };
        let start = offset.max(SEGMENT_HEADER_BYTES as u64);
        if start >= until {
            if let Some((next, _)) = segments.range(segment + 1..).next().filter(|(next, _)| **next <= end.segment) {
                *cursor = Cursor { position: TailPosition { segment: *next, offset: 0 }, ..Cursor::default() };
            } else {
                cursor.position = end;
            }
            return Ok(0);
        }
        let mut chunk_bytes = CHUNK_BYTES;
        loop {
            let bytes = self.read_segment(segment, start, (until - start).min(chunk_bytes))?;
            let whole = start + bytes.len() as u64 >= until || (bytes.len() as u64) < chunk_bytes;
            let samples = cursor.take(&bytes, start, whole, from, rows);
            if cursor.position.offset > start {
                return Ok(samples);
            }
            if whole {
                // Damage up to the end.
                cursor.position.offset = until;
                return Ok(0);
            }
            chunk_bytes *= 4;
        }
    }

    fn read_segment(&self, segment: u64, offset: u64, len: u64) -> Result<Vec<u8>, SelectError> {
        let path = self.log.dir.join(segment_name(segment));
        let read = || {
            let mut bytes = vec![0; len as usize];
            let read = self.log.disk().open(&path)?.read_at(&mut bytes, offset)?;
            bytes.truncate(read);
            Ok(bytes)
        };
        read().map_err(|error: std::io::Error| SelectError::Failed(format!("cannot read {}: {error}", path.display())))
    }
}

impl Cursor {
    /// Takes the frames in a stretch that begins at `start`; without `whole`, what looks like damage at its end may be a frame
    /// that goes on. Rows before `from` only feed the state.
    fn take(&mut self, bytes: &[u8], start: u64, whole: bool, from: TailPosition, rows: &mut Vec<TailRow>) -> usize {
        let mut samples = 0;
        let segment = self.position.segment;
        for step in Frames::new(bytes, segment, start) {
            match step {
                Step::Damage { end, .. } if !whole && end == start + bytes.len() as u64 => break,
                Step::Damage { end, .. } => self.position.offset = end,
                Step::Payload { offset, payload } => {
                    self.position.offset = offset + (FRAME_HEADER_BYTES + payload.len()) as u64;
                    let Ok(row) = self.decoder.decode(payload) else {
                        continue;
                    };
                    let known = learn(&mut self.groups, &row);
                    if (TailPosition { segment, offset }) >= from {
                        let row = with_labels(&row, known);
                        samples += row.samples.len() + row.histograms.len();
                        rows.push(row);
                    }
                }
            }
        }
        samples
    }
}

fn learn<'a>(groups: &'a mut HashMap<u32, Vec<Option<LabelSet>>>, row: &DecodedRow<'_>) -> &'a [Option<LabelSet>] {
    let known = groups.entry(row.group).or_default();
    if row.key.is_some() {
        known.clear();
    }
    if known.len() < row.values.len() {
        known.resize(row.values.len(), None);
    }
    for (slot, labels) in row.columns.labels() {
        known[slot as usize] = Some(labels);
    }
    known
}

fn with_labels(row: &DecodedRow<'_>, known: &[Option<LabelSet>]) -> TailRow {
    let present = row.values.iter().zip(known).filter(|(bits, _)| **bits != ABSENT_BITS && **bits != HISTOGRAM_BITS);
    let samples = present.filter_map(|(bits, labels)| Some((labels.clone()?, f64::from_bits(*bits)))).collect();
    let histograms = row.histograms.iter().filter(|(slot, _)| row.values.get(*slot as usize) == Some(&HISTOGRAM_BITS));
    let histograms = histograms.filter_map(|(slot, histogram)| Some((known.get(*slot as usize)?.clone()?, histogram.clone())));
    TailRow { time: row.time, samples, histograms: histograms.collect() }
}
