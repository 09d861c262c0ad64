//! Bitmaps, and numbers packed into as many bits as the largest needs.

use super::bytes::Reader;

/// Bits that the value needs.
pub(crate) fn width_of(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Bytes that hold so many bits.
pub(crate) fn bytes_for(bits: usize) -> usize {
    bits.div_ceil(8)
}

/// Appends each value with `width` bits.
pub(crate) fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, width: u32) {
    let (mut held, mut held_bits) = (0_u128, 0);
    for value in values {
        held |= u128::from(value) << held_bits;
        held_bits += width;
        if held_bits >= 64 {
            out.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= 64;
            held_bits -= 64;
        }
    }
    let bytes = bytes_for(held_bits as usize);
    out.extend_from_slice(&(held as u64).to_le_bytes()[..bytes]);
}

/// Reads `count` values of `width` bits and hands each to `each`. None if the bytes end before or a width is impossible.
#[inline]
pub(crate) fn unpack(reader: &mut Reader<'_>, count: usize, width: u32, mut each: impl FnMut(u64)) -> Option<()> {
    if width > 64 {
        return None;
    }
    let packed = reader.take(bytes_for(count.checked_mul(width as usize)?))?;
    if width > 56 {
        return unpack_wide(packed, count, width, each);
    }
    let mask = (1_u64 << width) - 1;
    let (mut bit, mut left) = (0, count);
    // A value begins in one byte and ends in the eight from there.
    while left > 0
        && let Some(eight) = packed.get(bit / 8..).and_then(<[u8]>::first_chunk::<8>)
    {
        each(u64::from_le_bytes(*eight) >> (bit % 8) & mask);
        bit += width as usize;
        left -= 1;
    }
    // The last ones, with zeros behind them.
    let rest = packed.get(bit / 8..).unwrap_or_default();
    let mut padded = [0; 16];
    padded.get_mut(..rest.len())?.copy_from_slice(rest);
    bit %= 8;
    for _ in 0..left {
        let eight = padded.get(bit / 8..).and_then(<[u8]>::first_chunk::<8>)?;
        each(u64::from_le_bytes(*eight) >> (bit % 8) & mask);
        bit += width as usize;
    }
    Some(())
}

/// Likewise, of values that eight bytes need not hold.
fn unpack_wide(mut rest: &[u8], count: usize, width: u32, mut each: impl FnMut(u64)) -> Option<()> {
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let (mut held, mut held_bits) = (0_u128, 0);
    for _ in 0..count {
        while held_bits < width {
            let (word, len) = match rest.split_first_chunk::<8>() {
                Some((chunk, after)) => {
                    rest = after;
                    (u64::from_le_bytes(*chunk), 64)
                }
                None => {
                    let mut last = [0; 8];
                    last[..rest.len()].copy_from_slice(rest);
                    let len = rest.len() as u32 * 8;
                    rest = &[];
                    (u64::from_le_bytes(last), len)
                }
            };
            if len == 0 {
                return None;
            }
            held |= u128::from(word) << held_bits;
            held_bits += len;
        }
        each(held as u64 & mask);
        held >>= width;
        held_bits -= width;
    }
    Some(())
}

/// Whether bit `at` of a bitmap is set. Past its end: no.
pub(crate) fn get(bitmap: &[u8], at: usize) -> bool {
    bitmap.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// Appends a bitmap.
pub(crate) fn put_bitmap(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let (mut byte, mut filled) = (0_u8, 0);
    for bit in bits {
        byte |= u8::from(bit) << filled;
        filled += 1;
        if filled == 8 {
            out.push(byte);
            (byte, filled) = (0, 0);
        }
    }
    if filled > 0 {
        out.push(byte);
    }
}

/// Where a bitmap has ones.
pub(crate) fn ones(bitmap: &[u8]) -> impl Iterator<Item = usize> {
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

/// The bits of a bitmap's last byte that lie below its end.
pub(crate) fn low_ones(bits: usize) -> u8 {
    match bits % 8 {
        0 => u8::MAX,
        rest => (1 << rest) - 1,
    }
}

pub(crate) fn put_ones(out: &mut Vec<u8>, bits: usize) {
    out.resize(out.len() + bytes_for(bits), u8::MAX);
    if let Some(last) = out.last_mut().filter(|_| bits > 0) {
        *last = low_ones(bits);
    }
}

/// Appends a bitmap over pairs of a row's slots with what each had last, which are not fewer.
#[inline]
pub(crate) fn put_bitmap_of_pairs(out: &mut Vec<u8>, row: &[u64], last: &[u64], is_set: impl Fn(u64, u64) -> bool) {
    let last = &last[..row.len()];
    let ((eights, rest), (last_eights, last_rest)) = (row.as_chunks::<8>(), last.as_chunks::<8>());
    out.reserve(bytes_for(row.len()));
    let byte = |(eight, last): (&[u64; 8], &[u64; 8])| (0..8).fold(0_u8, |byte, bit| byte | u8::from(is_set(eight[bit], last[bit])) << bit);
    out.extend(eights.iter().zip(last_eights).map(byte));
    put_bitmap(out, rest.iter().zip(last_rest).map(|(&bits, &last)| is_set(bits, last)));
}

/// Appends a bitmap over a row's slots, eight at a time.
pub(crate) fn put_bitmap_of(out: &mut Vec<u8>, row: &[u64], is_set: impl Fn(usize, u64) -> bool) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packed_values_come_back(values: Vec<u64>, width in 0..=64_u32) {
            let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            let values: Vec<u64> = values.iter().map(|v| v & mask).collect();
            let mut out = Vec::new();
            pack(&mut out, values.iter().copied(), width);
            prop_assert_eq!(out.len(), bytes_for(values.len() * width as usize));
            let (mut read, mut reader) = (Vec::new(), Reader::new(&out));
            unpack(&mut reader, values.len(), width, |v| read.push(v)).expect("all bytes are there");
            prop_assert_eq!(read, values);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn bitmaps_come_back(bits: Vec<bool>) {
            let mut out = Vec::new();
            put_bitmap(&mut out, bits.iter().copied());
            prop_assert_eq!(out.len(), bytes_for(bits.len()));
            prop_assert_eq!((0..bits.len()).map(|at| get(&out, at)).collect::<Vec<_>>(), bits);
        }
    }
}
