//! The section of groups: a table of where each record is, and the records.

use std::ops::Range;

use super::packed::{Packed, put};
use super::record::{Record, RecordBuilder};
use super::sections::u32_of;
use crate::column::bits::width_of;
use crate::column::bytes::Reader;

/// The section, from the records.
pub(super) fn encode(records: &[RecordBuilder], rank_of: &[u32]) -> Vec<u8> {
    let (mut bytes, mut offsets, mut firsts) = (Vec::new(), vec![0_u64], vec![0_u64]);
    for record in records {
        record.encode(rank_of, &mut bytes);
        offsets.push(bytes.len() as u64);
        firsts.push(firsts.last().copied().unwrap_or(0) + record.stored_of.len() as u64);
    }
    let (width, first_width) = (width_of(bytes.len() as u64), width_of(firsts.last().copied().unwrap_or(0)));
    let mut out = (records.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(&[width as u8, first_width as u8]);
    put(&mut out, offsets.into_iter(), width);
    put(&mut out, firsts.into_iter(), first_width);
    out.extend_from_slice(&bytes);
    out
}

/// The section, opened.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a> {
    offsets: Packed<'a>,
    firsts: Packed<'a>,
    records: &'a [u8],
}

impl<'a> Groups<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let count = u32_of(&mut reader)? as usize;
        let (width, first_width) = (u32::from(reader.u8()?), u32::from(reader.u8()?));
        let offsets = Packed::read(&mut reader, count + 1, width)?;
        let firsts = Packed::read(&mut reader, count + 1, first_width)?;
        let records = reader.take(reader.remaining())?;
        let whole = offsets.get(count)? == records.len() as u64 && firsts.get(0)? == 0 && u32::try_from(firsts.get(count)?).is_ok();
        whole.then_some(Self { offsets, firsts, records })
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        (self.offsets.len() - 1) as u32
    }

    /// Columns of all groups.
    pub(super) fn columns(&self) -> u32 {
        self.firsts.get(self.firsts.len() - 1).and_then(|columns| u32::try_from(columns).ok()).unwrap_or(0)
    }

    /// The columns of a group.
    pub(super) fn columns_of(&self, group: u32) -> Option<Range<u32>> {
        let at = |group: usize| u32::try_from(self.firsts.get(group)?).ok();
        let (start, end) = (at(group as usize)?, at(group as usize + 1)?);
        (start <= end).then_some(start..end)
    }

    /// The group that a column is in.
    pub(super) fn group_of(&self, column: u32) -> Option<u32> {
        if column >= self.columns() {
            return None;
        }
        // Groups without columns have the same first column as the next; the last that begins there has it.
        Some((self.firsts.at_most(column.into()) as u32).checked_sub(1)?.min(self.len().checked_sub(1)?))
    }

    /// The record of a group. None if it is malformed.
    pub(super) fn record(&self, group: u32, data: &Range<u64>) -> Option<Record<'a>> {
        let at = |group: usize| usize::try_from(self.offsets.get(group)?).ok();
        let bytes = self.records.get(at(group as usize)?..at(group as usize + 1)?)?;
        Record::read(bytes, self.columns_of(group)?, data)
    }
}
