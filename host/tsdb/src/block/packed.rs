//! Arrays of numbers of equal width, one of which can be read without the others.

use crate::column::bits::{bytes_for, pack, width_of};
use crate::column::bytes::Reader;

/// A packed array in bytes that somebody else holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    bytes: &'a [u8],
    width: u32,
    len: usize,
}

impl<'a> Packed<'a> {
    /// Takes `len` numbers of `width` bits from the reader. None if they are not there.
    pub(crate) fn read(reader: &mut Reader<'a>, len: usize, width: u32) -> Option<Self> {
        if width > 64 {
            return None;
        }
        let bytes = reader.take(bytes_for(len.checked_mul(width as usize)?))?;
        Some(Self { bytes, width, len })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The number at `at`.
    pub(crate) fn get(&self, at: usize) -> Option<u64> {
        if at >= self.len {
            return None;
        }
        let bit = at * self.width as usize;
        let (byte, shift) = (bit / 8, bit % 8);
        // Up to 64 bits that begin anywhere in a byte lie in nine bytes.
        let mut wide = [0; 16];
        let there = &self.bytes[byte.min(self.bytes.len())..];
        let there = &there[..there.len().min(9)];
        wide[..there.len()].copy_from_slice(there);
        let held = u128::from_le_bytes(wide) >> shift;
        let mask = if self.width == 64 { u64::MAX } else { (1 << self.width) - 1 };
        Some(held as u64 & mask)
    }

    /// How many of the first numbers, which ascend, are at most `value`.
    pub(crate) fn at_most(&self, value: u64) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let mid = low + (high - low) / 2;
            match self.get(mid) {
                Some(found) if found <= value => low = mid + 1,
                _ => high = mid,
            }
        }
        low
    }
}

/// Bits that tell apart so many things.
pub(crate) fn width_for(things: usize) -> u32 {
    width_of(things.saturating_sub(1) as u64)
}

/// Appends numbers, each in `width` bits.
pub(crate) fn put(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, width: u32) {
    pack(out, values, width);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_number_is_found(values: Vec<u64>, width in 0..=64_u32) {
            let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            let mut values: Vec<u64> = values.iter().map(|v| v & mask).collect();
            values.sort_unstable();
            let mut out = Vec::new();
            put(&mut out, values.iter().copied(), width);
            let packed = Packed::read(&mut Reader::new(&out), values.len(), width).expect("all bytes are there");
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!(packed.get(at), Some(*value));
                prop_assert_eq!(packed.at_most(*value), values.partition_point(|v| v <= value));
            }
            prop_assert_eq!(packed.get(values.len()), None);
        }
    }
}
