//! A row's values against the group's last row. [`RowState`] is what writer and reader both keep; it must go through the same
//! steps on both sides.

use model::ABSENT_BITS;

use crate::column::bits::{bytes_for, get, put_bitmap};
use crate::column::bytes::{Reader, from_zigzag, put_varint, zigzag};
use crate::column::decimal::{mantissa, value_of};
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
    scales: Vec<(u32, u8)>,
}

impl RowChange {
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

    /// Works out which slots the row has and whether this differs from the last row.
    pub(crate) fn begin(&mut self, row: &[u64], change: &mut RowChange) {
        self.widen(row.len());
        change.scales.clear();
        change.present.clear();
        put_bitmap_of(&mut change.present, row, |_, bits| bits != ABSENT_BITS);
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
        put_bitmap_of(out, row, |slot, bits| bits != ABSENT_BITS && bits != self.last[slot]);
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
            if scale == SCALE_NONE {
                let differing = bits ^ last;
                let len = bytes_for(64 - differing.leading_zeros() as usize);
                out.extend_from_slice(&differing.to_le_bytes()[..len]);
                return len as u8 + 7;
            }
            if let (Some(new), Some(old)) = (mantissa(bits, scale), mantissa(last, scale)) {
                let step = zigzag(new - old);
                let len = bytes_for(64 - step.leading_zeros() as usize);
                out.extend_from_slice(&step.to_le_bytes()[..len]);
                return len as u8;
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
        } else {
            for (last, &bits) in self.last.iter_mut().zip(row) {
                if bits != ABSENT_BITS {
                    *last = bits;
                }
            }
        }
        for (slot, scale) in change.scales.drain(..) {
            self.scales[slot as usize] = scale;
        }
        std::mem::swap(&mut self.present, &mut change.present);
    }

    /// Reads a row into `row`, absent slots as [`ABSENT_BITS`], and takes it over as the last one. None if it is malformed; then
    /// the state is useless.
    pub(crate) fn decode(&mut self, reader: &mut Reader<'_>, full: bool, presence: bool, row: &mut Vec<u64>) -> Option<()> {
        let width = reader.count(8)?;
        self.widen(width);
        if presence {
            self.present.clear();
            self.present.extend_from_slice(reader.take(bytes_for(width))?);
        } else if self.present.len() != bytes_for(width) {
            return None;
        }
        row.clear();
        row.resize(width, ABSENT_BITS);
        if full {
            self.last.fill(ABSENT_BITS);
            self.scales.fill(SCALE_NONE);
            for slot in ones(&self.present) {
                (*self.last.get_mut(slot)?, self.scales[slot]) = read_item(reader)?;
            }
        } else {
            self.decode_changes(reader, width)?;
        }
        for slot in ones(&self.present) {
            *row.get_mut(slot)? = self.last[slot];
        }
        reader.is_empty().then_some(())
    }

    fn decode_changes(&mut self, reader: &mut Reader<'_>, width: usize) -> Option<()> {
        let changed = reader.take(bytes_for(width))?;
        let count: usize = changed.iter().map(|byte| byte.count_ones() as usize).sum();
        let codes = reader.take(count.div_ceil(2))?;
        for (nth, slot) in ones(changed).enumerate() {
            let code = codes[nth / 2] >> (nth % 2 * 4) & 0xF;
            let (last, scale) = (*self.last.get(slot)?, self.scales[slot]);
            let unset = last == ABSENT_BITS || !get(&self.present, slot);
            self.last[slot] = match code {
                0 => {
                    let (bits, scale) = read_item(reader)?;
                    self.scales[slot] = scale;
                    bits
                }
                _ if unset => return None,
                1..=7 if scale != SCALE_NONE => {
                    let step = from_zigzag(reader.low_bytes(code.into())?);
                    value_of(mantissa(last, scale)?.wrapping_add(step), scale)
                }
                8.. if scale == SCALE_NONE => last ^ reader.low_bytes(usize::from(code) - 7)?,
                _ => return None,
            };
        }
        Some(())
    }
}

/// Where a bitmap has ones.
fn ones(bitmap: &[u8]) -> impl Iterator<Item = usize> {
    bitmap.iter().enumerate().flat_map(|(at, &byte)| {
        let mut rest = byte;
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                at * 8 + bit
            })
        })
    })
}

/// Appends a bitmap over the row's slots, eight at a time.
fn put_bitmap_of(out: &mut Vec<u8>, row: &[u64], is_set: impl Fn(usize, u64) -> bool) {
    let (eights, rest) = row.as_chunks::<8>();
    out.reserve(bytes_for(row.len()));
    for (at, eight) in eights.iter().enumerate() {
        let mut byte = 0_u8;
        for (bit, &bits) in eight.iter().enumerate() {
            byte |= u8::from(is_set(at * 8 + bit, bits)) << bit;
        }
        out.push(byte);
    }
    let from = eights.len() * 8;
    put_bitmap(out, rest.iter().enumerate().map(|(bit, &bits)| is_set(from + bit, bits)));
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
                writer.begin(row, &mut change);
                let presence = *full || change.presence_differs();
                writer.encode(row, *full, &mut change, &mut out);
                writer.commit(row, *full, &mut change);
                let mut back = Vec::new();
                prop_assert_eq!(reader.decode(&mut Reader::new(&out), *full, presence, &mut back), Some(()));
                prop_assert_eq!(&back, row);
            }
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes: Vec<u8>, full: bool, presence: bool) {
            let mut state = RowState::default();
            let _ = state.decode(&mut Reader::new(&bytes), full, presence, &mut Vec::new());
            let _ = state.decode(&mut Reader::new(&bytes), false, false, &mut Vec::new());
        }
    }
}
