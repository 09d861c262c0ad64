//! A row's values against the group's last row. [`RowState`] is what writer and reader both keep; it must go through the same
//! steps on both sides.

use model::ABSENT_BITS;

use crate::column::bits::{bytes_for, low_ones, ones, put_bitmap_of, put_bitmap_of_pairs, put_ones};
use crate::column::bytes::{Reader, from_zigzag, put_varint, zigzag};
use crate::column::decimal::{SCALE_MAX, known_mantissa, mantissa, value_of};
use crate::column::{SCALE_NONE, put_item, read_item};

/// Last value and scale of each slot, and which slots the last row had.
#[derive(Clone, Default)]
pub(crate) struct RowState {
    /// [`ABSENT_BITS`] where unset.
    last: Vec<u64>,
    scales: Vec<u8>,
    /// Bitmap of the last row's slots.
    present: Vec<u8>,
}

/// What encoding a row would change in the state, kept apart until the row is in the log.
#[derive(Default)]
pub(crate) struct RowChange {
    present: Vec<u8>,
    presence_differs: bool,
    /// Every slot up to the row's width has a sample.
    all: bool,
    scales: Vec<(u32, u8)>,
}

impl RowChange {
    /// Gives back what a full row took.
    pub(crate) fn shrink(&mut self) {
        if self.scales.capacity() > 1 << 12 {
            self.scales = Vec::new();
        }
    }

    /// Whether the row has other slots than the last one.
    pub(crate) fn presence_differs(&self) -> bool {
        self.presence_differs
    }
}

impl RowState {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.last.clear();
        self.scales.clear();
        self.present.clear();
    }

    /// Forgets what a slot had, because it has a new series, or one that begins anew.
    pub(crate) fn unset(&mut self, slot: usize) {
        if slot < self.last.len() {
            self.last[slot] = ABSENT_BITS;
            self.scales[slot] = SCALE_NONE;
        }
    }

    /// Bytes that the state takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.last.capacity() * 8 + self.scales.capacity() + self.present.capacity()
    }

    fn widen(&mut self, width: usize) {
        if self.last.len() < width {
            self.last.reserve_exact(width - self.last.len());
            self.scales.reserve_exact(width - self.scales.len());
            self.last.resize(width, ABSENT_BITS);
            self.scales.resize(width, SCALE_NONE);
        }
    }

    /// Which slots the last row had, and what each slot had last.
    pub(crate) fn last_row(&self) -> (&[u8], &[u64]) {
        (&self.present, &self.last)
    }

    /// Works out which slots the row has (`all`: it is known that it has all) and whether this differs from the last row.
    pub(crate) fn begin(&mut self, row: &[u64], all: bool, change: &mut RowChange) {
        self.widen(row.len());
        change.scales.clear();
        change.present.clear();
        if all {
            put_ones(&mut change.present, row.len());
        } else {
            put_bitmap_of(&mut change.present, row, |_, bits| bits != ABSENT_BITS);
        }
        change.all = all;
        change.presence_differs = change.present != self.present;
    }

    /// Appends the row: `full` each present slot on its own, else against the last row. [`RowState::begin`] came before.
    pub(crate) fn encode(&self, row: &[u64], full: bool, change: &mut RowChange, out: &mut Vec<u8>) {
        put_varint(out, row.len() as u64);
        if full || change.presence_differs {
            out.extend_from_slice(&change.present);
        }
        if full {
            for (slot, &bits) in row.iter().enumerate().filter(|(_, bits)| **bits != ABSENT_BITS) {
                change.scales.push((slot as u32, put_item(out, bits)));
            }
        } else {
            self.encode_changes(row, change, out);
        }
    }

    fn encode_changes(&self, row: &[u64], change: &mut RowChange, out: &mut Vec<u8>) {
        let changed_at = out.len();
        if change.all {
            put_bitmap_of_pairs(out, row, &self.last, |bits, last| bits != last);
        } else {
            put_bitmap_of_pairs(out, row, &self.last, |bits, last| (bits != ABSENT_BITS) & (bits != last));
        }
        let changed_bytes = changed_at..out.len();
        let changed: usize = out[changed_bytes.clone()].iter().map(|byte| byte.count_ones() as usize).sum();
        let codes_at = out.len();
        out.resize(codes_at + changed.div_ceil(2), 0);
        let mut nth = 0;
        for at in changed_bytes {
            let mut byte = out[at];
            while byte != 0 {
                let slot = (at - changed_at) * 8 + byte.trailing_zeros() as usize;
                byte &= byte - 1;
                let code = self.encode_change(slot, row[slot], change, out);
                out[codes_at + nth / 2] |= code << (nth % 2 * 4);
                nth += 1;
            }
        }
    }

    /// Appends one value that differs from the slot's last one and returns its code.
    fn encode_change(&self, slot: usize, bits: u64, change: &mut RowChange, out: &mut Vec<u8>) -> u8 {
        let (last, scale) = (self.last[slot], self.scales[slot]);
        if last != ABSENT_BITS && bits != model::STALE_BITS {
            if scale != SCALE_NONE {
                if let Some(new) = mantissa(bits, scale) {
                    let step = zigzag(new - known_mantissa(last, scale));
                    let len = bytes_for(64 - step.leading_zeros() as usize);
                    out.extend_from_slice(&step.to_le_bytes()[..len]);
                    return len as u8;
                }
            } else if f64::from_bits(last).is_finite() {
                // After a marker or NaN, a value on its own is shorter.
                let differing = bits ^ last;
                let len = bytes_for(64 - differing.leading_zeros() as usize);
                out.extend_from_slice(&differing.to_le_bytes()[..len]);
                return len as u8 + 7;
            }
        }
        change.scales.push((slot as u32, put_item(out, bits)));
        0
    }

    /// Takes the row over as the last one, after it has been written.
    pub(crate) fn commit(&mut self, row: &[u64], full: bool, change: &mut RowChange) {
        if full {
            copy_padded(&mut self.last, row);
            self.scales.fill(SCALE_NONE);
        } else if change.all {
            self.last[..row.len()].copy_from_slice(row);
        } else {
            for (last, &bits) in self.last.iter_mut().zip(row) {
                *last = if bits == ABSENT_BITS { *last } else { bits };
            }
        }
        for (slot, scale) in change.scales.drain(..) {
            self.scales[slot as usize] = scale;
        }
        std::mem::swap(&mut self.present, &mut change.present);
    }

    /// Reads a row and takes it over as the last one; [`RowState::copy_to`] gives it. Returns its width and the bitmap of the slots
    /// that it changed, which is empty for a full row. None if it is malformed; then the state is useless.
    pub(crate) fn decode<'a>(&mut self, reader: &mut Reader<'a>, full: bool, presence: bool) -> Option<(usize, &'a [u8])> {
        let width = reader.count(8)?;
        self.widen(width);
        if presence {
            self.present.clear();
            self.present.extend_from_slice(reader.take(bytes_for(width))?);
        } else if self.present.len() != bytes_for(width) {
            return None;
        }
        let mut changed: &[u8] = &[];
        if full {
            self.last.fill(ABSENT_BITS);
            self.scales.fill(SCALE_NONE);
            for slot in ones(&self.present) {
                (*self.last.get_mut(slot)?, self.scales[slot]) = read_item(reader)?;
            }
        } else {
            changed = reader.take(bytes_for(width))?;
            self.decode_changes(reader, changed)?;
        }
        (self.present.last().is_none_or(|last| *last <= low_ones(width)) && reader.is_empty()).then_some((width, changed))
    }

    /// Appends the last row, absent slots as [`ABSENT_BITS`].
    pub(crate) fn copy_to(&self, width: usize, row: &mut Vec<u64>) {
        let from = row.len();
        row.extend_from_slice(&self.last[..width]);
        for (at, &byte) in self.present.iter().enumerate() {
            let eight = &mut row[from + at * 8..(from + at * 8 + 8).min(from + width)];
            if byte.count_ones() as usize == eight.len() {
                continue;
            }
            for (bit, value) in eight.iter_mut().enumerate() {
                if byte >> bit & 1 == 0 {
                    *value = ABSENT_BITS;
                }
            }
        }
    }

    /// Appends the whole state in a few bytes a slot, for memory alone.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        put_varint(out, self.last.len() as u64);
        put_varint(out, self.present.len() as u64);
        out.extend_from_slice(&self.present);
        for (&bits, &scale) in self.last.iter().zip(&self.scales) {
            match scale {
                _ if bits == ABSENT_BITS => out.push(PACKED_UNSET),
                SCALE_NONE => {
                    out.push(SCALE_NONE);
                    out.extend_from_slice(&bits.to_le_bytes());
                }
                scale => {
                    out.push(scale);
                    put_varint(out, zigzag(known_mantissa(bits, scale)));
                }
            }
        }
    }

    /// The state that [`RowState::pack`] wrote. None if these are other bytes.
    pub(crate) fn unpack(packed: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(packed);
        let mut state = Self::default();
        if packed.is_empty() {
            return Some(state);
        }
        let width = reader.count(1)?;
        let present = reader.count(1)?;
        state.widen(width);
        state.present.extend_from_slice(reader.take(present)?);
        for (last, held) in state.last.iter_mut().zip(&mut state.scales) {
            *last = match reader.u8()? {
                PACKED_UNSET => continue,
                SCALE_NONE => reader.u64()?,
                scale if scale <= SCALE_MAX => {
                    *held = scale;
                    value_of(reader.zigzag()?, scale)
                }
                _ => return None,
            };
        }
        Some(state)
    }

    fn decode_changes(&mut self, reader: &mut Reader<'_>, changed: &[u8]) -> Option<()> {
        let count: usize = changed.iter().map(|byte| byte.count_ones() as usize).sum();
        let codes = reader.take(count.div_ceil(2))?;
        let (last, scales) = (self.last.as_mut_slice(), self.scales.as_mut_slice());
        let mut nth = 0;
        for (at, (&byte, &present)) in changed.iter().zip(&self.present).enumerate() {
            let mut rest = byte;
            while rest != 0 {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let slot = at * 8 + bit;
                let code = codes[nth / 2] >> (nth % 2 * 4) & 0xF;
                nth += 1;
                let (held, scale) = (last.get_mut(slot)?, scales.get_mut(slot)?);
                if code == 0 {
                    (*held, *scale) = read_item(reader)?;
                    continue;
                }
                if *held == ABSENT_BITS || present >> bit & 1 == 0 {
                    return None;
                }
                *held = match (code, *scale) {
                    (1..=7, scale) if scale != SCALE_NONE => {
                        let step = from_zigzag(reader.low_bytes(code.into())?);
                        value_of(known_mantissa(*held, scale).wrapping_add(step), scale)
                    }
                    (8.., SCALE_NONE) => *held ^ reader.low_bytes(usize::from(code) - 7)?,
                    _ => return None,
                };
            }
        }
        (nth == count).then_some(())
    }
}

/// Bytes in memory for a slot that is unset.
const PACKED_UNSET: u8 = 252;

/// What [`RowState::pack`] wrote, slot by slot.
pub(crate) struct Packed<'a> {
    present: &'a [u8],
    width: usize,
    reader: Reader<'a>,
    /// The slot that comes next.
    next: usize,
}

impl<'a> Packed<'a> {
    /// None if these are other bytes.
    pub(crate) fn new(packed: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(packed);
        if packed.is_empty() {
            return Some(Self { present: &[], width: 0, reader, next: 0 });
        }
        let width = reader.count(1)?;
        let present = reader.count(1)?;
        Some(Self { present: reader.take(present)?, width, reader, next: 0 })
    }

    /// Bitmap of the slots of the last row.
    pub(crate) fn present(&self) -> &'a [u8] {
        self.present
    }

    /// Value and scale of a slot that comes after those that were asked for before; `Some(None)` if it is unset.
    #[expect(clippy::option_option, reason = "malformed, unset, set")]
    pub(crate) fn get(&mut self, slot: usize) -> Option<Option<(u64, u8)>> {
        if slot >= self.width {
            return Some(None);
        }
        while self.next < slot {
            let len = match self.reader.rest().first()? {
                &PACKED_UNSET => 1,
                _ => crate::column::item_len(self.reader.rest())?,
            };
            self.reader.take(len)?;
            self.next += 1;
        }
        self.next += 1;
        let reader = &mut self.reader;
        Some(match reader.u8()? {
            PACKED_UNSET => None,
            SCALE_NONE => Some((reader.u64()?, SCALE_NONE)),
            scale if scale <= SCALE_MAX => Some((value_of(reader.zigzag()?, scale), scale)),
            _ => return None,
        })
    }
}

/// The row of a late frame: each sample on its own, so that it needs no state and changes none.
pub(crate) fn put_late_row(out: &mut Vec<u8>, row: &[u64]) {
    put_varint(out, row.len() as u64);
    put_bitmap_of(out, row, |_, bits| bits != ABSENT_BITS);
    for &bits in row.iter().filter(|bits| **bits != ABSENT_BITS) {
        put_item(out, bits);
    }
}

/// Reads what [`put_late_row`] wrote.
pub(crate) fn read_late_row(reader: &mut Reader<'_>, row: &mut Vec<u64>) -> Option<()> {
    let width = reader.count(8)?;
    let present = reader.take(bytes_for(width))?;
    row.clear();
    row.resize(width, ABSENT_BITS);
    for slot in ones(present) {
        (*row.get_mut(slot)?, _) = read_item(reader)?;
    }
    reader.is_empty().then_some(())
}

/// The row, then absent slots up to the target's length, which is not less.
fn copy_padded(target: &mut [u64], row: &[u64]) {
    let (head, tail) = target.split_at_mut(row.len());
    head.copy_from_slice(row);
    tail.fill(ABSENT_BITS);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_bits() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>().prop_map(|b| crate::column::storable_bits(f64::from_bits(b))),
            Just(ABSENT_BITS),
            Just(model::STALE_BITS),
            Just((-0.0_f64).to_bits()),
            (-50..50_i64).prop_map(|n| (n as f64).to_bits()),
            (-(1_i64 << 52)..1 << 52).prop_map(|n| (n as f64).to_bits()),
            (-1_000_000..1_000_000_i64).prop_map(|n| (n as f64 / 1000.0).to_bits()),
        ]
    }

    proptest! {
        #[test]
        fn rows_come_back(
            mut rows in prop::collection::vec((prop::collection::vec(any_bits(), 0..20), prop::bool::weighted(0.2)), 1..12),
            unset in prop::collection::vec(0..20_usize, 0..3),
        ) {
            rows[0].1 = true;
            let (mut writer, mut reader, mut change) = (RowState::default(), RowState::default(), RowChange::default());
            let mut width = 0;
            for (at, (row, full)) in rows.iter_mut().enumerate() {
                // Slots never become fewer.
                width = width.max(row.len());
                row.resize(width, ABSENT_BITS);
                if let Some(slot) = unset.get(at) {
                    writer.unset(*slot);
                    reader.unset(*slot);
                }
                let mut out = Vec::new();
                writer.begin(row, !row.contains(&ABSENT_BITS), &mut change);
                let presence = *full || change.presence_differs();
                writer.encode(row, *full, &mut change, &mut out);
                writer.commit(row, *full, &mut change);
                let mut back = Vec::new();
                let read = reader.decode(&mut Reader::new(&out), *full, presence);
                prop_assert_eq!(read.map(|(width, _)| width), Some(row.len()));
                reader.copy_to(row.len(), &mut back);
                prop_assert_eq!(&back, &*row);
                let mut packed = Vec::new();
                reader.pack(&mut packed);
                reader = RowState::unpack(&packed).expect("just packed");
                for every in [1, 3] {
                    let mut by_slot = Packed::new(&packed).expect("just packed");
                    prop_assert_eq!(by_slot.present(), reader.last_row().0);
                    for slot in (0..width + 2).step_by(every) {
                        let held = reader.last.get(slot).copied().filter(|bits| *bits != ABSENT_BITS);
                        prop_assert_eq!(by_slot.get(slot), Some(held.map(|bits| (bits, reader.scales[slot]))));
                    }
                }
                out.clear();
                put_late_row(&mut out, row);
                prop_assert_eq!(read_late_row(&mut Reader::new(&out), &mut back), Some(()));
                prop_assert_eq!(&back, &*row);
            }
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes: Vec<u8>, full: bool, presence: bool) {
            let mut state = RowState::default();
            let _ = state.decode(&mut Reader::new(&bytes), full, presence);
            let _ = state.decode(&mut Reader::new(&bytes), false, false);
            let _ = read_late_row(&mut Reader::new(&bytes), &mut Vec::new());
            let _ = RowState::unpack(&bytes);
        }
    }
}
