//! Reading frames: the other half of `payload.rs`.

use std::sync::Arc;

use hashbrown::HashMap;
use model::seams::Exemplar;
use model::{Histogram, StartTimestampMs, TimestampMs};

use super::payload::{COLUMNS, EXEMPLARS, FULL, HISTOGRAMS, KEY, LATE, PRESENCE, STARTS};
use super::row::{RowState, read_late_row};
use super::sections::{Columns, read_exemplars, read_histograms, read_starts};
use crate::column::bits::bytes_for;
use crate::column::bytes::Reader;

/// Reads the frames of one segment.
#[derive(Default)]
pub(crate) struct SegmentDecoder {
    /// Only late rows get values: others are taken over as they are.
    without_values: bool,
    groups: HashMap<u32, GroupDecoder>,
    row: Vec<u64>,
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
    /// Whether there was a full row to build on.
    based: bool,
    /// Samples of a row like the last one.
    samples: u64,
}

/// A row as the log has it.
pub(crate) struct DecodedRow<'a> {
    /// The group's number in this segment.
    pub(crate) group: u32,
    /// With the group's first row in the segment.
    pub(crate) key: Option<&'a str>,
    /// Slots that get a series with this row.
    pub(crate) columns: Columns<'a>,
    /// Of all values.
    pub(crate) time: TimestampMs,
    /// The row is older than the newest of its group was.
    pub(crate) late: bool,
    pub(crate) samples: u64,
    /// By slot.
    pub(crate) values: &'a [u64],
    /// The values as they are in the log, from the width on.
    pub(crate) encoded: &'a [u8],
    pub(crate) full: bool,
    pub(crate) presence: bool,
    /// By slot.
    pub(crate) exemplars: Vec<(u32, Exemplar)>,
    /// By slot.
    pub(crate) starts: Vec<(u32, StartTimestampMs)>,
    /// The histograms section, which is known to be good.
    pub(crate) histograms_section: &'a [u8],
    /// By slot.
    pub(crate) histograms: Vec<(u32, Arc<Histogram>)>,
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
    /// Gives rows without their values, which takes a tenth of the time.
    pub(crate) fn without_values() -> Self {
        Self { without_values: true, ..Self::default() }
    }

    /// Reads a frame's payload.
    pub(crate) fn decode<'a>(&'a mut self, payload: &'a [u8]) -> Result<DecodedRow<'a>, Unreadable> {
        let mut reader = Reader::new(payload);
        let head = read_head(&mut reader).ok_or(Unreadable::Malformed)?;
        let decoder = self.groups.entry(head.group).or_default();
        if head.flags & KEY != 0 {
            *decoder = GroupDecoder { in_step: true, row_number: head.row_number, ..GroupDecoder::default() };
        }
        self.row.clear();
        let values = if self.without_values { None } else { Some(&mut self.row) };
        match decoder.decode(&head, reader, values) {
            Ok(mut row) => {
                if row.late {
                    read_late_row(&mut Reader::new(row.encoded), &mut self.row).ok_or(Unreadable::Malformed)?;
                }
                row.values = &self.row;
                Ok(row)
            }
            Err(error) => {
                decoder.in_step = false;
                Err(error)
            }
        }
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
    if flags & LATE != 0 && flags & (FULL | PRESENCE) != 0 || flags & FULL != 0 && flags & PRESENCE == 0 {
        return None;
    }
    let key = if flags & KEY == 0 { None } else { Some(reader.text()?) };
    Some(Head { group, row_number, flags, key })
}

impl GroupDecoder {
    fn decode<'a>(&mut self, head: &Head<'a>, reader: Reader<'a>, row: Option<&mut Vec<u64>>) -> Result<DecodedRow<'a>, Unreadable> {
        let (full, late) = (head.flags & FULL != 0, head.flags & LATE != 0);
        let expected = self.in_step && head.row_number == self.row_number;
        if !expected && !full && !late {
            return Err(Unreadable::OutOfStep);
        }
        self.read(head, reader, row, expected).ok_or(Unreadable::Malformed)?.ok_or(Unreadable::OutOfStep)
    }

    /// None: malformed. None inside: out of step.
    fn read<'a>(
        &mut self,
        head: &Head<'a>,
        mut reader: Reader<'a>,
        row: Option<&mut Vec<u64>>,
        expected: bool,
    ) -> Option<Option<DecodedRow<'a>>> {
        let reader = &mut reader;
        let has = |flag: u8| head.flags & flag != 0;
        let (full, late) = (has(FULL), has(LATE));
        let columns = if has(COLUMNS) { Columns::read(reader)? } else { Columns::default() };
        let mut layout = self.layout.wrapping_add(u64::from(has(COLUMNS)));
        if full || late {
            let told = reader.varint()?;
            if head.flags & KEY == 0 && told != layout {
                return if expected { None } else { Some(None) };
            }
            layout = told;
        }
        let base = if full || late { 0 } else { self.time };
        let time = base.wrapping_add(reader.zigzag()?);
        let exemplars = if has(EXEMPLARS) { read_exemplars(reader, time)? } else { Vec::new() };
        let starts = if has(STARTS) { read_starts(reader, time)? } else { Vec::new() };
        let histograms_section = if has(HISTOGRAMS) {
            let len = reader.count(1)?;
            reader.take(len)?
        } else {
            &[]
        };
        let histograms = read_histograms(histograms_section)?;
        let encoded = reader.clone().take(reader.remaining())?;
        let (width, samples) = self.shape(reader.clone(), full, has(PRESENCE) || late)?;
        let slots = columns.iter().map(|(slot, _)| slot).chain(exemplars.iter().map(|(slot, _)| *slot));
        if slots
            .chain(starts.iter().map(|(slot, _)| *slot))
            .chain(histograms.iter().map(|(slot, _)| *slot))
            .any(|slot| slot as usize >= width)
        {
            return None;
        }
        columns.iter().for_each(|(slot, _)| self.state.unset(slot as usize));
        self.layout = layout;
        if late {
            // Whoever is out of step stays so.
            self.row_number = self.row_number.wrapping_add(u64::from(expected));
        } else {
            if !full && !self.based {
                return None;
            }
            if let Some(row) = row {
                let (width, _) = self.state.decode(reader, full, has(PRESENCE))?;
                self.state.copy_to(width, row);
            }
            (self.time, self.samples, self.row_number) = (time, samples, head.row_number.wrapping_add(1));
            (self.in_step, self.based) = (true, true);
        }
        Some(Some(DecodedRow {
            group: head.group,
            key: head.key,
            columns,
            time,
            late,
            samples,
            values: &[],
            encoded,
            full,
            presence: has(PRESENCE),
            exemplars,
            starts,
            histograms_section,
            histograms,
        }))
    }

    /// Width and number of samples.
    fn shape(&self, mut reader: Reader<'_>, full: bool, presence: bool) -> Option<(usize, u64)> {
        let width = reader.count(8)?;
        if !presence {
            return Some((width, self.samples));
        }
        let present = reader.take(bytes_for(width))?;
        let samples = present.iter().map(|byte| u64::from(byte.count_ones())).sum();
        // Each sample of a full row is an item of at least a byte.
        (!full || samples <= reader.remaining() as u64).then_some((width, samples))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::frame::FRAME_HEADER_BYTES;
    use super::super::payload::{Frame, GroupEncoder};
    use super::super::row::RowChange;
    use super::super::sections::{put_columns, put_histograms};
    use super::*;
    use crate::column::histogram::tests::histogram;
    use crate::index::Index;
    use model::LabelSet;

    fn labels(text: &str) -> LabelSet {
        LabelSet::from_pairs([("__name__", "m"), ("instance", "host:1"), ("x", text)])
    }

    fn exemplar() -> Exemplar {
        Exemplar { labels: LabelSet::from_pairs([("trace", "가")]), value: 0.5, time: 1_234, own_time: true }
    }

    /// The payloads of `rows` rows of two columns, the second joining with row `join`. Row 2 has an exemplar, row 3 a histogram and a
    /// start timestamp; after row 5 comes a late one.
    fn payloads(rows: u64, join: u64) -> Vec<Vec<u8>> {
        let mut index = Index::default();
        let (first, second) = (index.find_or_insert(&labels("a")), index.find_or_insert(&labels("b")));
        let (mut encoder, mut change) = (GroupEncoder::default(), RowChange::default());
        let mut payloads = Vec::new();
        let mut frame = |time: i64, late: bool, row: &[u64], columns: &[(u32, u32)], n: u64| {
            let (mut out, mut section, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
            put_columns(&mut section, &index, columns);
            let exemplars = if n == 2 { vec![(0, exemplar())] } else { Vec::new() };
            if n == 3 {
                put_histograms(&mut histograms, &[(0, Arc::new(histogram(3)))]);
            }
            encoder.encode(
                Frame {
                    segment: 1,
                    group: (3, "key"),
                    out: &mut out,
                    time,
                    late,
                    row,
                    all: true,
                    columns: (!columns.is_empty()).then_some(&section),
                    exemplars: &exemplars,
                    starts: if n == 3 { &[(0, 17)] } else { &[] },
                    histograms: &histograms,
                },
                &mut change,
            );
            encoder.commit(row, &mut change);
            payloads.push(out[FRAME_HEADER_BYTES..].to_vec());
        };
        for n in 0..rows {
            let mut row = vec![if n == 3 { model::HISTOGRAM_BITS } else { (n as f64).to_bits() }];
            let mut columns = Vec::new();
            if n == 0 {
                columns.push((0, first));
            }
            if n >= join {
                row.push(0.5_f64.to_bits());
            }
            if n == join {
                columns.push((1, second));
            }
            frame(n as i64 * 1000, false, &row, &columns, n);
            if n == 5 {
                frame(1500, true, &row[..1], &[], n);
            }
        }
        payloads
    }

    /// Numbers of the rows that are read when those in `lost` are missing.
    fn read_without(payloads: &[Vec<u8>], lost: &[usize]) -> Vec<i64> {
        let mut decoder = SegmentDecoder::default();
        let kept = payloads.iter().enumerate().filter(|(at, _)| !lost.contains(at));
        kept.filter_map(|(_, payload)| decoder.decode(payload).ok().map(|row| row.time / 1000)).collect()
    }

    #[test]
    fn a_group_comes_back_with_its_series() {
        let payloads = payloads(7, 1);
        for mut decoder in [SegmentDecoder::default(), SegmentDecoder::without_values()] {
            let values = !decoder.without_values;
            let first = decoder.decode(&payloads[0]).expect("good");
            assert_eq!((first.group, first.key, first.samples), (3, Some("key"), 1));
            assert_eq!(first.columns.labels().collect::<Vec<_>>(), [(0, labels("a"))]);
            let second = decoder.decode(&payloads[1]).expect("good");
            assert_eq!((second.key, second.samples), (None, 2));
            assert_eq!(second.columns.labels().collect::<Vec<_>>(), [(1, labels("b"))]);
            let expected = [1.0_f64.to_bits(), 0.5_f64.to_bits()];
            assert_eq!(second.values, if values { &expected[..] } else { &[] });
            assert!(second.exemplars.is_empty());
            assert_eq!(decoder.decode(&payloads[2]).expect("good").exemplars, [(0, exemplar())]);
            let fourth = decoder.decode(&payloads[3]).expect("good");
            assert_eq!((fourth.starts, fourth.histograms, fourth.samples), (vec![(0, 17)], vec![(0, Arc::new(histogram(3)))], 2));
            decoder.decode(&payloads[4]).expect("good");
            decoder.decode(&payloads[5]).expect("good");
            let late = decoder.decode(&payloads[6]).expect("good");
            assert_eq!((late.time, late.late, late.values, late.samples), (1500, true, &[5.0_f64.to_bits()][..], 1));
            assert_eq!(decoder.decode(&payloads[7]).expect("good").time, 6000);
        }
    }

    #[test]
    fn after_a_lost_frame_the_next_full_row_counts() {
        let payloads = payloads(130, 1);
        let all: Vec<i64> = read_without(&payloads, &[]);
        assert_eq!(all, (0..6).chain([1]).chain(6..130).collect::<Vec<_>>());
        assert_eq!(read_without(&payloads, &[10]), (0..6).chain([1]).chain(6..9).chain(64..130).collect::<Vec<_>>());
        assert_eq!(read_without(&payloads, &[4]), (0..4).chain([1]).chain(64..130).collect::<Vec<_>>(), "the late row stands alone");
        // A lost definition makes later full and late rows meaningless.
        assert_eq!(read_without(&payloads, &[1]), [0]);
        assert_eq!(read_without(&payloads, &[0]), Vec::<i64>::new());
    }

    #[test]
    fn a_steady_row_takes_few_bytes() {
        let payloads = payloads(20, 0);
        // Group, row number, flags, two of time, width, changed, code, step.
        assert!(payloads[11].len() <= 9, "{} bytes", payloads[11].len());
    }

    proptest! {
        #[test]
        fn any_payload_is_read_without_panic(mut bytes: Vec<u8>, flip: prop::sample::Index) {
            let _ = SegmentDecoder::default().decode(&bytes);
            bytes = payloads(4, 1).swap_remove(usize::from(bytes.len() % 2 == 0) * 3);
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = SegmentDecoder::default().decode(&bytes);
        }
    }
}
