//! Small numbers as bits: each in as many as the largest needs, or several in one word where the largest is far from a power of two.

use std::ops::Range;

use super::packed::width_for;
use crate::column::bits::{bytes_for, pack, width_of};
use crate::column::bytes::{Reader, put_varint, put_zigzag};

/// Numbers in one word, at most.
const GROUP_MAX: usize = 12;
/// Added to the numbers in a word where a width would stand.
const RADIX: u8 = 64;
/// Bits of a word, at most: so that a word and its digits stay within 64 bits.
const WORD_BITS_MAX: u32 = 60;

/// How numbers up to some largest one are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Each in so many bits.
    Width(u32),
    /// `group` digits of base `radix` in a word of `bits` bits.
    Words { radix: u64, group: usize, bits: u32 },
}

impl Packing {
    /// The one that takes least for `count` numbers up to `max`.
    pub(super) fn choose(max: u64, count: usize) -> Self {
        let width = width_of(max);
        let mut best = (Self::Width(width), count * width as usize);
        // Words cost time to read; they have to save a fortieth, and their base.
        let enough = best.1 - best.1 / 40;
        if count >= 32 && !max.wrapping_add(1).is_power_of_two() && width <= WORD_BITS_MAX / 2 {
            let radix = max + 1;
            let mut power = radix;
            for group in 2..=GROUP_MAX {
                power = match power.checked_mul(radix) {
                    Some(power) if width_of(power - 1) <= WORD_BITS_MAX => power,
                    _ => break,
                };
                let bits = width_of(power - 1);
                let total = count.div_ceil(group) * bits as usize + 16;
                if total < best.1.min(enough) {
                    best = (Self::Words { radix, group, bits }, total);
                }
            }
        }
        best.0
    }

    /// Bits that `count` numbers take.
    pub(super) fn total_bits(self, count: usize) -> usize {
        match self {
            Self::Width(width) => count * width as usize,
            Self::Words { group, bits, .. } => count.div_ceil(group) * bits as usize + 16,
        }
    }

    /// Appends how it packs, and the numbers.
    pub(super) fn put(self, out: &mut Vec<u8>, numbers: &[u64]) {
        match self {
            Self::Width(width) => {
                out.push(width as u8);
                pack(out, numbers.iter().copied(), width);
            }
            Self::Words { radix, group, bits } => {
                out.push(RADIX + group as u8);
                put_varint(out, radix);
                pack(out, numbers.chunks(group).map(|digits| digits.iter().rev().fold(0, |word, digit| word * radix + digit)), bits);
            }
        }
    }

    /// Reads what [`Packing::put`] wrote: of `count` numbers those that are wanted, appended to `out`. None if they are not there.
    pub(super) fn read(reader: &mut Reader<'_>, count: usize, wanted: &Range<usize>, out: &mut Vec<u64>) -> Option<()> {
        let kind = reader.u8()?;
        if kind <= RADIX {
            return unpack(reader, count, kind.into(), wanted, out);
        }
        let group = usize::from(kind - RADIX);
        let radix = reader.varint()?;
        let power = (0..group).try_fold(1_u64, |power, _| power.checked_mul(radix))?;
        if !(2..=GROUP_MAX).contains(&group) || radix < 2 || width_of(power - 1) > WORD_BITS_MAX {
            return None;
        }
        let from = out.len();
        let words = wanted.start / group..wanted.end.div_ceil(group);
        unpack(reader, count.div_ceil(group), width_of(power - 1), &words, out)?;
        spread_digits(out, from, wanted.end - words.start * group, group, radix);
        out.drain(from..from + (wanted.start - words.start * group));
        Some(())
    }

    /// Likewise, and returns the sum of those before, which are not written out.
    pub(super) fn read_behind(reader: &mut Reader<'_>, count: usize, wanted: &Range<usize>, out: &mut Vec<u64>) -> Option<u64> {
        let (mut again, from) = (reader.clone(), out.len());
        let kind = again.u8()?;
        if kind <= RADIX {
            Self::read(reader, count, wanted, out)?;
            return Some(sum(again.take(bytes_for(count.checked_mul(kind.into())?))?, kind.into(), wanted.start));
        }
        // Whole words are added up; of the one where it begins the digits before are looked at.
        let group = usize::from(kind - RADIX);
        let whole = wanted.start / group;
        Self::read(reader, count, &(whole * group..wanted.end), out)?;
        let radix = again.varint()?;
        let power = (0..group).try_fold(1_u64, |power, _| power.checked_mul(radix))?;
        let words_from = out.len();
        unpack(&mut again, count.div_ceil(group), width_of(power - 1), &(0..whole), out)?;
        let mut before = sum_of_digits(&mut out[words_from..], group, radix);
        out.truncate(words_from);
        before += out.drain(from..from + wanted.start - whole * group).sum::<u64>();
        Some(before)
    }
}

/// The sum of the first so many numbers of `width` bits; `bytes` has them.
fn sum(bytes: &[u8], width: u32, count: usize) -> u64 {
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let several = sum_of_several(bytes, width, count);
    let (mut total, mut bit) = (several.0, several.1 * width as usize);
    for _ in several.1..count {
        let mut wide = [0; 16];
        let rest = bytes.get(bit / 8..).unwrap_or_default();
        let len = rest.len().min(9);
        wide[..len].copy_from_slice(&rest[..len]);
        total = total.wrapping_add((u128::from_le_bytes(wide) >> (bit % 8)) as u64 & mask);
        bit += width as usize;
    }
    total
}

/// The sum of most of these numbers, and of how many: those that lie in one load are added up in lanes of twice their width, as long as
/// these do not overflow, and neighbouring lanes to one another at the end.
fn sum_of_several(bytes: &[u8], width: u32, count: usize) -> (u64, usize) {
    // A number that begins anywhere in a byte lies in eight bytes if it has up to 57 bits.
    let pairs = if width == 0 { 0 } else { 57 / (2 * width) };
    if pairs == 0 {
        return (0, 0);
    }
    let (lane, at_once) = (2 * width, 2 * pairs as usize);
    let low = (1_u64 << width) - 1;
    let lanes = (0..pairs).fold(0_u64, |lanes, at| lanes | low << (at * lane));
    let whole_lane = (1_u64 << lane) - 1;
    // Each load adds less than two times the largest number to a lane.
    let loads_max = 1_usize << (width - 1).min(16);
    let (mut total, mut done) = (0_u64, 0);
    while count - done >= at_once {
        let loads = ((count - done) / at_once).min(loads_max);
        let (mut sums, mut read) = (0_u64, 0);
        for _ in 0..loads {
            let bit = (done + read) * width as usize;
            let Some(eight) = bytes.get(bit / 8..).and_then(<[u8]>::first_chunk::<8>) else { break };
            let word = u64::from_le_bytes(*eight) >> (bit % 8);
            sums += (word & lanes) + (word >> width & lanes);
            read += at_once;
        }
        total = (0..pairs).fold(total, |total, at| total.wrapping_add(sums >> (at * lane) & whole_lane));
        if read == 0 {
            break;
        }
        done += read;
    }
    (total, done)
}

/// The sum of all digits of words, from what is left of each when its lowest digits are cut off: one digit is that less the radix times
/// what is left with one digit less. None of this waits for another, unlike digits that are split off one after the other.
fn sum_of_digits(words: &mut [u64], group: usize, radix: u64) -> u64 {
    // What no writer makes has more digits than count.
    let end = radix.pow(group as u32);
    words.iter_mut().filter(|word| **word >= end).for_each(|word| *word %= end);
    let (mut total, mut power) = (words.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)), 1);
    for _ in 1..group {
        power *= radix;
        let inverse = u128::from(u64::MAX / power);
        let left = |word: &u64| {
            let quotient = ((u128::from(*word) * inverse) >> 64) as u64;
            quotient + u64::from(word - quotient * power >= power)
        };
        let left = words.iter().fold(0_u64, |sum, word| sum.wrapping_add(left(word)));
        total = total.wrapping_sub(left.wrapping_mul(radix - 1));
    }
    total
}

/// Turns the words from `from` on into their digits, lowest first.
fn spread_digits(out: &mut Vec<u64>, from: usize, count: usize, group: usize, radix: u64) {
    let words = out.len() - from;
    out.resize(from + words * group, 0);
    let all = &mut out[from..];
    // Division by multiplying with the inverse, which is less than one too small: then one step up.
    let inverse = (u64::MAX / radix) as u128;
    for at in (0..words).rev() {
        let mut word = all[at];
        for digit in &mut all[at * group..(at + 1) * group] {
            let mut quotient = ((u128::from(word) * inverse) >> 64) as u64;
            let mut rest = word - quotient * radix;
            if rest >= radix {
                rest -= radix;
                quotient += 1;
            }
            *digit = rest;
            word = quotient;
        }
    }
    out.truncate(from + count);
}

/// Appends those that are wanted of `count` numbers of `width` bits.
pub(super) fn unpack(reader: &mut Reader<'_>, count: usize, width: u32, wanted: &Range<usize>, out: &mut Vec<u64>) -> Option<()> {
    if width > 64 || wanted.start > wanted.end || wanted.end > count {
        return None;
    }
    let bytes = reader.take(bytes_for(count.checked_mul(width as usize)?))?;
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let mut bit = wanted.start * width as usize;
    // A number that begins anywhere in a byte lies in eight bytes if it has up to 57 bits.
    let fast = if width == 0 || width > 57 || bytes.len() < 8 { 0 } else { (bytes.len() - 8) * 8 / width as usize };
    let fast = fast.clamp(wanted.start, wanted.end);
    out.reserve(wanted.len());
    out.extend((wanted.start..fast).map(|_| {
        let at = bit >> 3;
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        let value = u64::from_le_bytes(word) >> (bit & 7) & mask;
        bit += width as usize;
        value
    }));
    for _ in fast..wanted.end {
        let mut wide = [0; 16];
        let rest = &bytes[(bit >> 3).min(bytes.len())..];
        let len = rest.len().min(9);
        wide[..len].copy_from_slice(&rest[..len]);
        out.push((u128::from_le_bytes(wide) >> (bit & 7)) as u64 & mask);
        bit += width as usize;
    }
    Some(())
}

/// Appends integers, such as times, by their steps.
pub(super) fn put_steps(out: &mut Vec<u8>, values: &[i64]) {
    let steps = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let least = steps.clone().min().unwrap_or(0);
    let numbers: Vec<u64> = steps.map(|step| step.wrapping_sub(least) as u64).collect();
    put_zigzag(out, values.first().copied().unwrap_or(0));
    put_zigzag(out, least);
    Packing::choose(numbers.iter().copied().max().unwrap_or(0), numbers.len()).put(out, &numbers);
}

/// Reads what [`put_steps`] wrote: `count` integers, one at least, appended to `out`.
pub(super) fn read_steps(reader: &mut Reader<'_>, count: usize, out: &mut Vec<i64>) -> Option<()> {
    let (mut last, least) = (reader.zigzag()?, reader.zigzag()?);
    let mut numbers = Vec::new();
    let steps = count.checked_sub(1)?;
    Packing::read(reader, steps, &(0..steps), &mut numbers)?;
    out.push(last);
    out.extend(numbers.iter().map(|number| {
        last = last.wrapping_add(least).wrapping_add(*number as i64);
        last
    }));
    Some(())
}

/// Where numbers that are not zero are among `count`: as positions, or as a bitmap.
pub(super) fn put_places(out: &mut Vec<u8>, numbers: impl Iterator<Item = bool> + Clone, count: usize, set: usize) {
    if places_are_listed(count, set) {
        put_varint(out, set as u64);
        pack(out, numbers.zip(0..).filter(|(there, _)| *there).map(|(_, at)| at), width_for(count));
    } else {
        crate::column::bits::put_bitmap(out, numbers);
    }
}

/// Whether positions take less than a bitmap.
pub(super) fn places_are_listed(count: usize, set: usize) -> bool {
    set * width_for(count) as usize + 16 < count
}

/// Bits that [`put_places`] takes.
pub(super) fn places_bits(count: usize, set: usize) -> usize {
    if places_are_listed(count, set) { set * width_for(count) as usize + 16 } else { count }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec(any::<u64>(), 0..100), max: u64, bits in 0..=64_u32) {
            let max = if bits == 0 { 0 } else { max >> (64 - bits) };
            let numbers: Vec<u64> = numbers.iter().map(|n| if max == u64::MAX { *n } else { n % (max + 1) }).collect();
            let packing = Packing::choose(max, numbers.len());
            let mut out = Vec::new();
            packing.put(&mut out, &numbers);
            prop_assert!(out.len() * 8 <= packing.total_bits(numbers.len()) + 16 + 48);
            let (mut back, mut reader) = (vec![7], Reader::new(&out));
            prop_assert_eq!(Packing::read(&mut reader, numbers.len(), &(0..numbers.len()), &mut back), Some(()));
            prop_assert_eq!(&back[1..], &numbers);
            prop_assert!(reader.is_empty());
            let some = numbers.len() / 3..numbers.len() - numbers.len() / 4;
            let (mut part, mut reader) = (vec![7], Reader::new(&out));
            prop_assert_eq!(Packing::read(&mut reader, numbers.len(), &some, &mut part), Some(()));
            prop_assert_eq!(&part[1..], &numbers[some.clone()]);
            prop_assert!(reader.is_empty());
            let (mut part, mut reader) = (vec![7], Reader::new(&out));
            let before = numbers[..some.start].iter().fold(0_u64, |sum, n| sum.wrapping_add(*n));
            prop_assert_eq!(Packing::read_behind(&mut reader, numbers.len(), &some, &mut part), Some(before));
            prop_assert_eq!(&part[1..], &numbers[some]);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn times_come_back(times in prop::collection::vec(any::<i64>(), 1..50)) {
            let mut out = Vec::new();
            put_steps(&mut out, &times);
            let (mut reader, mut back) = (Reader::new(&out), Vec::new());
            prop_assert_eq!(read_steps(&mut reader, times.len(), &mut back), Some(()));
            prop_assert_eq!(back, times);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, count in 0..100_usize) {
            let some = count / 3..count - count / 4;
            let _ = Packing::read(&mut Reader::new(&bytes), count, &some, &mut Vec::new());
            let _ = Packing::read_behind(&mut Reader::new(&bytes), count, &some, &mut Vec::new());
        }
    }

    #[test]
    fn a_largest_number_far_from_a_power_of_two_shares_words() {
        assert!(matches!(Packing::choose(2, 480), Packing::Words { .. }));
        assert!(matches!(Packing::choose(1440, 480), Packing::Words { .. }));
        assert_eq!(Packing::choose(1023, 480), Packing::Width(10));
        assert_eq!(Packing::choose(0, 480), Packing::Width(0));
        assert_eq!(Packing::choose(u64::MAX, 480), Packing::Width(64));
    }
}
