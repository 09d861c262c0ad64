//! What a frame says: a row of a group, with what is new about the group before it. Reading is in `decode.rs`.

use std::ops::Range;

use model::seams::Exemplar;
use model::{StartTimestampMs, TimestampMs};

use super::frame::begin_frame;
use super::row::{RowChange, RowState, put_late_row};
use super::sections::{put_exemplars, put_starts};
use crate::column::bytes::{put_text, put_varint, put_zigzag};

pub(super) const KEY: u8 = 1;
pub(super) const COLUMNS: u8 = 2;
pub(super) const FULL: u8 = 4;
pub(super) const PRESENCE: u8 = 8;
pub(super) const EXEMPLARS: u8 = 16;
pub(super) const LATE: u8 = 32;
pub(super) const HISTOGRAMS: u8 = 64;
pub(super) const STARTS: u8 = 128;

/// Rows from one full row to the next, which is what a lost frame costs at most.
pub(super) const FULL_ROW_INTERVAL: u64 = 64;

/// Writes the frames of one group.
#[derive(Default)]
pub(crate) struct GroupEncoder {
    state: RowState,
    /// The segment that the state belongs to; none: the next frame begins anew.
    segment: Option<u64>,
    row_number: u64,
    layout: u64,
    before: Option<Numbered>,
    /// Rows since the last full one; none if there was none in this segment.
    rows_since_full: Option<u64>,
    time: TimestampMs,
    /// What the last encoded frame would set, should it be written.
    pending: Pending,
}

#[derive(Clone, Copy, Default)]
struct Pending {
    segment: u64,
    full: bool,
    late: bool,
    columns: bool,
    time: TimestampMs,
}

/// What a frame says, and where it goes.
pub(crate) struct Frame<'a> {
    pub(crate) segment: u64,
    /// Number and key.
    pub(crate) group: (u32, &'a str),
    /// What it is encoded into, with room for its header.
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) time: TimestampMs,
    /// The row is older than the group's newest.
    pub(crate) late: bool,
    /// By slot.
    pub(crate) row: &'a [u64],
    /// It is known that the row has no absent slot.
    pub(crate) all: bool,
    /// A columns section with those that are new, or all of the writer's if the group [is new to](GroupEncoder::is_new_to) the
    /// segment.
    pub(crate) columns: Option<&'a [u8]>,
    /// By slot.
    pub(crate) exemplars: &'a [(u32, Exemplar)],
    /// By slot.
    pub(crate) starts: &'a [(u32, StartTimestampMs)],
    /// A histograms section, or nothing.
    pub(crate) histograms: &'a [u8],
}

/// Where the values are in an encoded frame.
pub(crate) struct Encoded {
    /// From width to end.
    pub(crate) values: Range<usize>,
    pub(crate) full: bool,
    pub(crate) presence: bool,
}

/// How far the frames of a group were numbered in a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered {
    segment: u64,
    row_number: u64,
    layout: u64,
}

impl GroupEncoder {
    /// An encoder whose numbers go on after those of the group's last one: no frame passes for one of an earlier writer's, should
    /// that between them be lost.
    pub(crate) fn after(before: Option<Numbered>) -> Self {
        Self { before, ..Self::default() }
    }

    /// For the group's next encoder.
    pub(crate) fn numbered(&self) -> Option<Numbered> {
        let mine = self.segment.map(|segment| Numbered { segment, row_number: self.row_number, layout: self.layout });
        mine.or(self.before)
    }

    /// Whether a frame for this segment has to define the whole group.
    pub(crate) fn is_new_to(&self, segment: u64) -> bool {
        self.segment != Some(segment)
    }

    /// A slot that gets a series, again or for the first time.
    pub(crate) fn unset(&mut self, slot: usize) {
        self.state.unset(slot);
    }

    /// The group's newest row, if it was the last that was written here: its time, its slots and what they have.
    pub(crate) fn last_row(&self) -> Option<(TimestampMs, &[u8], &[u64])> {
        let (present, last) = self.state.last_row();
        self.rows_since_full.map(|_| (self.time, present, last))
    }

    /// Encodes a frame, to be sealed and written, then confirmed by [`GroupEncoder::commit`].
    pub(crate) fn encode(&mut self, frame: Frame<'_>, change: &mut RowChange) -> Encoded {
        let Frame { segment, group, out, time, late, row, all, columns, exemplars, starts, histograms } = frame;
        let new = self.is_new_to(segment);
        if new {
            self.state.clear();
            (self.segment, self.rows_since_full) = (None, None);
            (self.row_number, self.layout) = match self.before {
                Some(before) if before.segment == segment => (before.row_number, before.layout),
                _ => (0, 0),
            };
        }
        let full = !late && self.rows_since_full.is_none_or(|rows| rows + 1 >= FULL_ROW_INTERVAL);
        if !late {
            self.state.begin(row, all, change);
        }
        let presence = full || (!late && change.presence_differs());
        let has_columns = new || columns.is_some();
        let flags = [
            (new, KEY),
            (has_columns, COLUMNS),
            (full, FULL),
            (presence, PRESENCE),
            (!exemplars.is_empty(), EXEMPLARS),
            (late, LATE),
            (!histograms.is_empty(), HISTOGRAMS),
            (!starts.is_empty(), STARTS),
        ];
        begin_frame(out);
        put_varint(out, group.0.into());
        put_varint(out, self.row_number);
        out.push(flags.iter().filter(|(set, _)| *set).fold(0, |flags, (_, bit)| flags | bit));
        if new {
            put_text(out, group.1);
        }
        if has_columns {
            out.extend_from_slice(columns.unwrap_or(&[0, 0]));
        }
        if full || late {
            put_varint(out, self.layout + u64::from(has_columns));
            put_zigzag(out, time);
        } else {
            put_zigzag(out, time.wrapping_sub(self.time));
        }
        if !exemplars.is_empty() {
            put_exemplars(out, exemplars, time);
        }
        if !starts.is_empty() {
            put_starts(out, starts, time);
        }
        if !histograms.is_empty() {
            put_varint(out, histograms.len() as u64);
            out.extend_from_slice(histograms);
        }
        let values = out.len();
        if late {
            put_late_row(out, row);
        } else {
            self.state.encode(row, full, change, out);
        }
        self.pending = Pending { segment, full, late, columns: has_columns, time };
        Encoded { values: values..out.len(), full, presence }
    }

    /// The frame that was encoded last is in the log.
    pub(crate) fn commit(&mut self, row: &[u64], change: &mut RowChange) {
        let Pending { segment, full, late, columns, time } = self.pending;
        self.segment = Some(segment);
        self.row_number += 1;
        self.layout += u64::from(columns);
        if !late {
            self.state.commit(row, full, change);
            self.rows_since_full = if full { Some(0) } else { self.rows_since_full.map(|rows| rows + 1) };
            self.time = time;
        }
    }

    /// Bytes that the encoder takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.state.heap_bytes()
    }
}
