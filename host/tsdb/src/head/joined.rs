//! Samples that joined a row after its first record, in pages.
//!
//! A row's stamp is that of its first record. Where another group has a series too, that is not enough to tell whose sample of a time
//! was written first: of such a series, and of no other, a page keeps which samples joined later, and when.
//!
//! By record: `varint` row less that of the record before, `zigzag` stamp likewise, `varint` how many bytes of the bitmap of slots
//! are left out in front because they are zero, then the others behind their length. Only memory has this, so it may change.

use crate::column::bits::ones;
use crate::column::bytes::{Reader, put_varint, put_zigzag};

/// A sample that joined its row, and the place in the log that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Joined {
    pub(crate) slot: u32,
    pub(crate) row: u32,
    pub(crate) stamp: i64,
}

/// Encodes them. They come by row, and within a row by stamp and slot.
pub(super) fn encode(joined: &[Joined]) -> Box<[u8]> {
    let (mut out, mut bitmap) = (Vec::new(), Vec::new());
    let mut before = (0, 0);
    for record in joined.chunk_by(|a, b| (a.row, a.stamp) == (b.row, b.stamp)) {
        let Joined { row, stamp, .. } = record[0];
        let first = record.iter().map(|joined| joined.slot / 8).min().unwrap_or(0);
        bitmap.clear();
        for joined in record {
            let at = (joined.slot / 8 - first) as usize;
            if bitmap.len() <= at {
                bitmap.resize(at + 1, 0_u8);
            }
            bitmap[at] |= 1 << (joined.slot % 8);
        }
        put_varint(&mut out, u64::from(row - before.0));
        put_zigzag(&mut out, stamp.wrapping_sub(before.1));
        put_varint(&mut out, u64::from(first));
        put_varint(&mut out, bitmap.len() as u64);
        out.extend_from_slice(&bitmap);
        before = (row, stamp);
    }
    out.into()
}

/// Decodes them, by slot and row. None if the memory is damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Joined>> {
    let mut reader = Reader::new(bytes);
    let (mut row, mut stamp) = (0_u32, 0_i64);
    let mut joined = Vec::new();
    while !reader.is_empty() {
        row = row.checked_add(u32::try_from(reader.varint()?).ok()?)?;
        stamp = stamp.wrapping_add(reader.zigzag()?);
        let first = u32::try_from(reader.varint()?).ok()?.checked_mul(8)?;
        let len = reader.count(1)?;
        joined.extend(ones(reader.take(len)?).map(|slot| Joined { slot: first + slot as u32, row, stamp }));
    }
    joined.sort_unstable();
    Some(joined)
}

/// Those of a slot, as row and stamp, of what [`decode`] gave.
pub(super) fn of_slot(joined: &[Joined], slot: u32) -> impl Iterator<Item = (u32, i64)> {
    let from = joined.partition_point(|held| held.slot < slot);
    joined[from..].iter().take_while(move |held| held.slot == slot).map(|held| (held.row, held.stamp))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_joined_comes_back_by_slot(records in prop::collection::vec((0..3_u32, 1..1000_i64, prop::collection::btree_set(0..2000_u32, 1..20)), 0..20)) {
            let (mut row, mut stamp) = (0, i64::from(u32::MAX));
            let mut all = Vec::new();
            for (rows, stamps, slots) in records {
                row += rows;
                stamp += stamps;
                all.extend(slots.into_iter().map(|slot| Joined { slot, row, stamp }));
            }
            let decoded = decode(&encode(&all)).expect("whole");
            let mut expected = all.clone();
            expected.sort_unstable();
            prop_assert_eq!(&decoded, &expected);
            for slot in [0, 7, 8, 1999] {
                let mine: Vec<_> = expected.iter().filter(|joined| joined.slot == slot).map(|joined| (joined.row, joined.stamp)).collect();
                prop_assert_eq!(of_slot(&decoded, slot).collect::<Vec<_>>(), mine);
            }
        }
    }
}
