//! What a frame says: a row of a group, with what is new about the group before it.

use std::collections::HashMap;

use model::seams::Exemplar;
use model::{LabelSet, TimestampMs};

use super::frame::begin_frame;
use super::row::{RowChange, RowState};
use crate::column::bytes::{Reader, put_text, put_varint, put_zigzag};

const KEY: u8 = 1;
const COLUMNS: u8 = 2;
const FULL: u8 = 4;
const PRESENCE: u8 = 8;
const EXEMPLARS: u8 = 16;

/// Rows from one full row to the next.
const FULL_ROW_INTERVAL: u64 = 64;

/// Writes the frames of one group.
#[derive(Default)]
pub(crate) struct GroupEncoder {
    state: RowState,
    change: RowChange,
    /// The segment that the state belongs to; none: the next frame begins anew.
    segment: Option<u64>,
    row_number: u64,
    layout: u64,
    rows_since_full: u64,
    time: TimestampMs,
    /// What the last encoded frame would set, should it be written.
    pending: Pending,
}

#[derive(Clone, Copy, Default)]
struct Pending {
    segment: u64,
    full: bool,
    columns: bool,
    time: TimestampMs,
}

/// Where a frame is going.
pub(crate) struct Frame<'a> {
    pub(crate) segment: u64,
    /// Number and key.
    pub(crate) group: (u32, &'a str),
    /// What it is encoded into, with room for its header.
    pub(crate) out: &'a mut Vec<u8>,
    /// By slot.
    pub(crate) exemplars: &'a [(u32, Exemplar)],
}

/// A series in its slot.
pub(crate) type Column = (u32, LabelSet);

impl GroupEncoder {
    /// Whether a frame for this segment has to define the whole group.
    pub(crate) fn is_new_to(&self, segment: u64) -> bool {
        self.segment != Some(segment)
    }

    /// A slot that gets a series, again or for the first time.
    pub(crate) fn unset(&mut self, slot: usize) {
        self.state.unset(slot);
    }

    /// Encodes a frame, to be sealed and written, then confirmed by [`GroupEncoder::commit`]. `columns` are those that are
    /// new, or all of the writer's if the group [is new to](GroupEncoder::is_new_to) the segment.
    pub(crate) fn encode(&mut self, frame: Frame<'_>, columns: &[Column], time: TimestampMs, row: &[u64]) {
        let Frame { segment, group, out, exemplars } = frame;
        let new = self.is_new_to(segment);
        if new {
            self.state.clear();
            (self.segment, self.row_number, self.layout) = (None, 0, 0);
        }
        let full = new || self.rows_since_full + 1 >= FULL_ROW_INTERVAL;
        self.state.begin(row, &mut self.change);
        let has_columns = new || !columns.is_empty();
        let presence = full || self.change.presence_differs();
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        begin_frame(out);
        put_varint(out, group.0.into());
        put_varint(out, self.row_number);
        out.push(
            flag(new, KEY)
                | flag(has_columns, COLUMNS)
                | flag(full, FULL)
                | flag(presence, PRESENCE)
                | flag(!exemplars.is_empty(), EXEMPLARS),
        );
        if new {
            put_text(out, group.1);
        }
        if has_columns {
            put_columns(out, columns);
        }
        if full {
            put_varint(out, self.layout + u64::from(has_columns));
            put_zigzag(out, time);
        } else {
            put_zigzag(out, time.wrapping_sub(self.time));
        }
        if !exemplars.is_empty() {
            put_exemplars(out, exemplars, time);
        }
        self.state.encode(row, full, &mut self.change, out);
        self.pending = Pending { segment, full, columns: has_columns, time };
    }

    /// The frame that was encoded last is in the log.
    pub(crate) fn commit(&mut self, row: &[u64]) {
        let Pending { segment, full, columns, time } = self.pending;
        self.state.commit(row, full, &mut self.change);
        self.segment = Some(segment);
        self.row_number += 1;
        self.layout += u64::from(columns);
        self.rows_since_full = if full { 0 } else { self.rows_since_full + 1 };
        self.time = time;
    }

    /// Bytes that the encoder takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.state.heap_bytes()
    }
}

fn put_exemplars(out: &mut Vec<u8>, exemplars: &[(u32, Exemplar)], time: TimestampMs) {
    put_varint(out, exemplars.len() as u64);
    for (slot, exemplar) in exemplars {
        put_varint(out, u64::from(*slot));
        out.push(u8::from(exemplar.own_time));
        put_zigzag(out, exemplar.time.wrapping_sub(time));
        out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
        put_varint(out, exemplar.labels.len() as u64);
        for (name, value) in &exemplar.labels {
            put_text(out, name);
            put_text(out, value);
        }
    }
}

fn read_exemplars(reader: &mut Reader<'_>, time: TimestampMs, exemplars: &mut Vec<(u32, Exemplar)>) -> Option<()> {
    for _ in 0..reader.count(12)? {
        let slot = u32::try_from(reader.varint()?).ok()?;
        let own_time = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let time = time.wrapping_add(reader.zigzag()?);
        let value = f64::from_bits(reader.u64()?);
        let labels: Vec<(&str, &str)> = (0..reader.count(2)?).map(|_| Some((reader.text()?, reader.text()?))).collect::<Option<_>>()?;
        exemplars.push((slot, Exemplar { labels: LabelSet::from_pairs(labels), value, time, own_time }));
    }
    Some(())
}

fn put_columns(out: &mut Vec<u8>, columns: &[Column]) {
    let (mut strings, mut places) = (Vec::new(), HashMap::new());
    let mut place = |text| {
        *places.entry(text).or_insert_with(|| {
            strings.push(text);
            strings.len() as u64 - 1
        })
    };
    let mut body = Vec::new();
    put_varint(&mut body, columns.len() as u64);
    let empty = LabelSet::empty();
    let mut previous = &empty;
    for (slot, labels) in columns {
        let same = labels.iter().zip(previous.iter()).take_while(|(a, b)| a == b).count();
        put_varint(&mut body, u64::from(*slot));
        put_varint(&mut body, labels.len() as u64);
        put_varint(&mut body, same as u64);
        for (name, value) in labels.iter().skip(same) {
            put_varint(&mut body, place(name));
            put_varint(&mut body, place(value));
        }
        previous = labels;
    }
    put_varint(out, strings.len() as u64);
    for text in strings {
        put_text(out, text);
    }
    out.extend_from_slice(&body);
}

fn read_columns(reader: &mut Reader<'_>, columns: &mut Vec<Column>) -> Option<()> {
    let count = reader.count(1)?;
    let strings: Vec<&str> = (0..count).map(|_| reader.text()).collect::<Option<_>>()?;
    let mut labels: Vec<(&str, &str)> = Vec::new();
    for _ in 0..reader.count(3)? {
        let slot = u32::try_from(reader.varint()?).ok()?;
        let len = usize::try_from(reader.varint()?).ok()?;
        let same = usize::try_from(reader.varint()?).ok()?;
        if same > labels.len() || same > len || len - same > reader.remaining() / 2 {
            return None;
        }
        labels.truncate(same);
        let mut string = || strings.get(usize::try_from(reader.varint()?).ok()?).copied();
        for _ in same..len {
            labels.push((string()?, string()?));
        }
        columns.push((slot, LabelSet::from_pairs(labels.iter().copied())));
    }
    Some(())
}

/// Reads the frames of one segment.
#[derive(Default)]
pub(crate) struct SegmentDecoder {
    groups: HashMap<u32, GroupDecoder>,
    columns: Vec<Column>,
    row: Vec<u64>,
    exemplars: Vec<(u32, Exemplar)>,
}

#[derive(Default)]
struct GroupDecoder {
    state: RowState,
    time: TimestampMs,
    row_number: u64,
    /// Columns sections seen.
    layout: u64,
    /// Whether the state is that of the row before `row_number`.
    in_step: bool,
}

/// A row as the log has it.
pub(crate) struct DecodedRow<'a> {
    /// The group's number in this segment.
    pub(crate) group: u32,
    /// With the group's first row in the segment.
    pub(crate) key: Option<&'a str>,
    /// Slots that get a series with this row.
    pub(crate) columns: &'a [Column],
    /// Of all values.
    pub(crate) time: TimestampMs,
    /// By slot.
    pub(crate) values: &'a [u64],
    /// By slot.
    pub(crate) exemplars: &'a [(u32, Exemplar)],
}

/// Why a good frame gives no row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Earlier frames of the group are lost, and this one builds on them.
    OutOfStep,
    /// The checksum is right but the content makes no sense: a fault of the program that wrote it.
    Malformed,
}

impl SegmentDecoder {
    /// Reads a frame's payload.
    pub(crate) fn decode<'a>(&'a mut self, payload: &'a [u8]) -> Result<DecodedRow<'a>, Unreadable> {
        let mut reader = Reader::new(payload);
        let head = read_head(&mut reader).ok_or(Unreadable::Malformed)?;
        let decoder = self.groups.entry(head.group).or_default();
        if head.flags & KEY != 0 {
            *decoder = GroupDecoder { in_step: true, ..GroupDecoder::default() };
        }
        self.columns.clear();
        self.exemplars.clear();
        let out = Decoded { columns: &mut self.columns, row: &mut self.row, exemplars: &mut self.exemplars };
        let result = decoder.decode(&head, &mut reader, out);
        if result.is_err() {
            decoder.in_step = false;
        }
        let (time, key) = (result?, head.key);
        Ok(DecodedRow { group: head.group, key, columns: &self.columns, time, values: &self.row, exemplars: &self.exemplars })
    }
}

struct Head<'a> {
    group: u32,
    row_number: u64,
    flags: u8,
    key: Option<&'a str>,
}

fn read_head<'a>(reader: &mut Reader<'a>) -> Option<Head<'a>> {
    let group = u32::try_from(reader.varint()?).ok()?;
    let row_number = reader.varint()?;
    let flags = reader.u8()?;
    if flags & !(KEY | COLUMNS | FULL | PRESENCE | EXEMPLARS) != 0 {
        return None;
    }
    let key = if flags & KEY == 0 { None } else { Some(reader.text()?) };
    Some(Head { group, row_number, flags, key })
}

/// What a frame is decoded into.
struct Decoded<'a> {
    columns: &'a mut Vec<Column>,
    row: &'a mut Vec<u64>,
    exemplars: &'a mut Vec<(u32, Exemplar)>,
}

impl GroupDecoder {
    fn decode(&mut self, head: &Head<'_>, reader: &mut Reader<'_>, out: Decoded<'_>) -> Result<TimestampMs, Unreadable> {
        let full = head.flags & FULL != 0;
        let expected = self.in_step && head.row_number == self.row_number;
        if !expected && !full {
            return Err(Unreadable::OutOfStep);
        }
        self.read(head, reader, out, expected).ok_or(Unreadable::Malformed).and_then(|time| time.ok_or(Unreadable::OutOfStep))
    }

    /// None: malformed. None inside: out of step.
    fn read(&mut self, head: &Head<'_>, reader: &mut Reader<'_>, out: Decoded<'_>, expected: bool) -> Option<Option<TimestampMs>> {
        let Decoded { columns, row, exemplars } = out;
        let (full, presence) = (head.flags & FULL != 0, head.flags & PRESENCE != 0);
        let has_columns = head.flags & COLUMNS != 0;
        if has_columns {
            read_columns(reader, columns)?;
        }
        let layout = self.layout + u64::from(has_columns);
        if full && reader.varint()? != layout {
            return if expected { None } else { Some(None) };
        }
        self.layout = layout;
        let base = if full { 0 } else { self.time };
        self.time = base.wrapping_add(reader.zigzag()?);
        if head.flags & EXEMPLARS != 0 {
            read_exemplars(reader, self.time, exemplars)?;
        }
        for (slot, _) in columns.iter() {
            self.state.unset(*slot as usize);
        }
        self.state.decode(reader, full, presence, row)?;
        if columns.iter().map(|(slot, _)| slot).chain(exemplars.iter().map(|(slot, _)| slot)).any(|slot| *slot as usize >= row.len()) {
            return None;
        }
        self.row_number = head.row_number + 1;
        self.in_step = true;
        Some(Some(self.time))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::FRAME_HEADER_BYTES;
    use super::*;

    fn labels(text: &str) -> LabelSet {
        LabelSet::from_pairs([("__name__", "m"), ("instance", "host:1"), ("x", text)])
    }

    fn exemplar() -> Exemplar {
        Exemplar { labels: LabelSet::from_pairs([("trace", "가")]), value: 0.5, time: 1_234, own_time: true }
    }

    /// The payloads of `rows` rows of two columns, the second joining with row `join`.
    fn payloads(rows: u64, join: u64) -> Vec<Vec<u8>> {
        let mut encoder = GroupEncoder::default();
        (0..rows)
            .map(|n| {
                let mut row = vec![(n as f64).to_bits()];
                let mut columns = Vec::new();
                if n == 0 {
                    columns.push((0, labels("a")));
                }
                if n >= join {
                    row.push(0.5_f64.to_bits());
                }
                if n == join {
                    columns.push((1, labels("b")));
                }
                let mut out = Vec::new();
                let exemplars = if n == 2 { vec![(0, exemplar())] } else { Vec::new() };
                encoder.encode(
                    Frame { segment: 1, group: (3, "key"), out: &mut out, exemplars: &exemplars },
                    &columns,
                    n as i64 * 1000,
                    &row,
                );
                encoder.commit(&row);
                out[FRAME_HEADER_BYTES..].to_vec()
            })
            .collect()
    }

    /// Numbers of the rows that are read when those in `lost` are missing.
    fn read_without(payloads: &[Vec<u8>], lost: &[usize]) -> Vec<i64> {
        let mut decoder = SegmentDecoder::default();
        let kept = payloads.iter().enumerate().filter(|(at, _)| !lost.contains(at));
        kept.filter_map(|(_, payload)| decoder.decode(payload).ok().map(|row| row.time / 1000)).collect()
    }

    #[test]
    fn a_group_comes_back_with_its_series() {
        let payloads = payloads(3, 1);
        let mut decoder = SegmentDecoder::default();
        let first = decoder.decode(&payloads[0]).expect("good");
        assert_eq!((first.group, first.key, first.columns), (3, Some("key"), &[(0, labels("a"))][..]));
        let second = decoder.decode(&payloads[1]).expect("good");
        assert_eq!((second.key, second.columns), (None, &[(1, labels("b"))][..]));
        assert_eq!(second.values, [1.0_f64.to_bits(), 0.5_f64.to_bits()]);
        assert!(second.exemplars.is_empty());
        let third = decoder.decode(&payloads[2]).expect("good");
        assert_eq!(third.exemplars, [(0, exemplar())]);
    }

    #[test]
    fn after_a_lost_frame_the_next_full_row_counts() {
        let payloads = payloads(130, 1);
        assert_eq!(read_without(&payloads, &[]), (0..130).collect::<Vec<_>>());
        assert_eq!(read_without(&payloads, &[10]), (0..10).chain(64..130).collect::<Vec<_>>());
        // A lost definition makes later full rows meaningless.
        assert_eq!(read_without(&payloads, &[1]), [0]);
        assert_eq!(read_without(&payloads, &[0]), Vec::<i64>::new());
    }

    #[test]
    fn a_steady_row_takes_few_bytes() {
        let payloads = payloads(20, 0);
        // Group, row number, flags, two of time, width, changed, code, step.
        assert!(payloads[10].len() <= 9, "{} bytes", payloads[10].len());
    }

    proptest! {
        #[test]
        fn columns_come_back(sets in prop::collection::vec((0..5_u32, prop::collection::vec(("[a-c]{1,2}", "[a-b가]{1,2}"), 0..5)), 0..8)) {
            let columns: Vec<Column> = sets.iter().map(|(slot, labels)| (*slot, labels.iter().cloned().collect())).collect();
            let mut out = Vec::new();
            put_columns(&mut out, &columns);
            let mut back = Vec::new();
            let mut reader = Reader::new(&out);
            prop_assert_eq!(read_columns(&mut reader, &mut back), Some(()));
            prop_assert_eq!(back, columns);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_payload_is_read_without_panic(mut bytes: Vec<u8>, flip: prop::sample::Index) {
            let _ = SegmentDecoder::default().decode(&bytes);
            bytes = payloads(3, 1).swap_remove(0);
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = SegmentDecoder::default().decode(&bytes);
        }
    }
}
