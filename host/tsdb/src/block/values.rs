//! Values of one column in one piece of rows, compressed by whatever takes least: see [`super::integers`] for decimals. What is no
//! decimal is a table of its few values, or XORed with the value before (Pelkonen et al., "Gorilla", 2015).

use super::integers::{self, Integers, Like};
use super::packed::width_for;
use super::packing::unpack;
use crate::column::bits::{pack, width_of};
use crate::column::bytes::Reader;
use crate::column::decimal::value_of;
use crate::column::{put_item, read_item};

pub(super) const EMPTY: u8 = 0;
const CONSTANT: u8 = 1;
pub(super) const INTEGERS: u8 = 2;
const XOR: u8 = 3;
const TABLE: u8 = 4;
pub(super) const LIKE: u8 = 5;

/// Most values of a table.
const TABLE_MAX: usize = 64;
/// A column told by another, told by another: at most so many.
pub(super) const LIKE_DEPTH_MAX: usize = 16;

/// Buffers for encoding.
#[derive(Default)]
pub(super) struct ValueEncoder {
    integers: Integers,
    like: Like,
    table: Vec<u64>,
}

/// The column by which the next ones can be told.
#[derive(Default)]
pub(super) struct Reference {
    integers: Vec<i64>,
    /// Its place in the page.
    column: usize,
    pattern: Option<usize>,
    depth: usize,
}

impl Reference {
    /// Forgets the column: the page is full.
    pub(super) fn clear(&mut self) {
        self.integers.clear();
    }
}

impl ValueEncoder {
    /// Appends the values and returns the codec.
    pub(super) fn encode(&mut self, values: &[u64], out: &mut Vec<u8>) -> u8 {
        self.encode_with(values, &mut Reference::default(), (0, None), out)
    }

    /// Likewise for the column at this place of a page and with this pattern, told by another if that takes less.
    pub(super) fn encode_with(
        &mut self,
        values: &[u64],
        reference: &mut Reference,
        (column, pattern): (usize, Option<usize>),
        out: &mut Vec<u8>,
    ) -> u8 {
        let Some(&first) = values.first() else {
            return EMPTY;
        };
        if values.iter().all(|&bits| bits == first) {
            put_item(out, first);
            return CONSTANT;
        }
        let (low, width) = xor_window(values);
        let xor_bits = 80 + (values.len() - 1) * width as usize;
        if self.integers.fill(values) {
            let plan = self.integers.plan();
            let usable = reference.pattern == pattern && reference.depth < LIKE_DEPTH_MAX;
            let like = if usable { self.like.plan(&self.integers, &reference.integers) } else { None };
            if let Some(like) = like.filter(|like| like.bits < plan.bits.min(xor_bits)) {
                self.like.put(&self.integers, &reference.integers, column - reference.column, like, out);
                self.refer(reference, column, pattern, true);
                return LIKE;
            }
            if plan.bits <= xor_bits {
                self.integers.put(plan, out);
                self.refer(reference, column, pattern, false);
                return INTEGERS;
            }
        }
        if self.fill_table(values) {
            let width = width_for(self.table.len());
            if 8 + self.table.len() * 64 + values.len() * (width as usize) < xor_bits {
                out.push(self.table.len() as u8);
                self.table.iter().for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()));
                let table = &self.table;
                pack(out, values.iter().map(|bits| table.binary_search(bits).unwrap_or(0) as u64), width);
                return TABLE;
            }
        }
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&[low as u8, width as u8]);
        pack(out, values.windows(2).map(|pair| (pair[0] ^ pair[1]) >> low), width);
        XOR
    }

    fn refer(&self, reference: &mut Reference, column: usize, pattern: Option<usize>, like: bool) {
        reference.integers.clone_from(&self.integers.mantissas);
        reference.depth = if like { reference.depth + 1 } else { 0 };
        (reference.column, reference.pattern) = (column, pattern);
    }

    /// Fills in the different values, sorted. False: they are too many.
    fn fill_table(&mut self, values: &[u64]) -> bool {
        self.table.clear();
        let mut last = None;
        for bits in values {
            if last == Some(bits) {
                continue;
            }
            last = Some(bits);
            if let Err(at) = self.table.binary_search(bits) {
                if self.table.len() == TABLE_MAX {
                    return false;
                }
                self.table.insert(at, *bits);
            }
        }
        true
    }
}

/// How far differing bits are from the low end, and over how many bits they spread.
fn xor_window(values: &[u64]) -> (u32, u32) {
    let differing = values.windows(2).fold(0, |all, pair| all | (pair[0] ^ pair[1]));
    let low = if differing == 0 { 0 } else { differing.trailing_zeros() };
    (low, width_of(differing >> low))
}

/// Buffers for decoding.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) numbers: Vec<u64>,
    pub(super) integers: Vec<i64>,
}

/// Appends `count` values to `out`, of any codec but [`LIKE`]. None if they are malformed; then `out` may have grown.
pub(super) fn decode(codec: u8, bytes: &[u8], count: usize, buffers: &mut Buffers, out: &mut Vec<u64>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    if (codec == EMPTY) != (count == 0) {
        return None;
    }
    let Buffers { numbers, integers } = buffers;
    match codec {
        EMPTY => {}
        CONSTANT => {
            let (bits, _) = read_item(&mut reader)?;
            out.resize(out.len() + count, bits);
        }
        INTEGERS => {
            let read = integers::decode(&mut reader, (count, &(0..count)), integers, numbers)?;
            let from = out.len();
            out.resize(from + integers.len(), 0);
            put_values(&mut out[from..], read.scale, integers);
        }
        XOR => {
            let (mut last, low, width) = (reader.u64()?, u32::from(reader.u8()?), u32::from(reader.u8()?));
            if low > 63 {
                return None;
            }
            numbers.clear();
            unpack(&mut reader, count - 1, width, &(0..count - 1), numbers)?;
            out.push(last);
            out.extend(numbers.iter().map(|bits| {
                last ^= bits << low;
                last
            }));
        }
        TABLE => {
            let len = usize::from(reader.u8()?);
            let table = (0..len).map(|_| reader.u64()).collect::<Option<Vec<u64>>>()?;
            numbers.clear();
            unpack(&mut reader, count, width_for(len), &(0..count), numbers)?;
            for at in &*numbers {
                out.push(*table.get(usize::try_from(*at).ok()?)?);
            }
        }
        _ => return None,
    }
    reader.is_empty().then_some(())
}

/// The values of these integers, as many as there are places.
pub(super) fn put_values(out: &mut [u64], scale: u8, integers: &[i64]) {
    if scale == 0 {
        out.iter_mut().zip(integers).for_each(|(out, m)| *out = (*m as f64).to_bits());
    } else {
        out.iter_mut().zip(integers).for_each(|(out, m)| *out = value_of(*m, scale));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(values: &[u64]) -> (u8, Vec<u8>) {
        let mut out = Vec::new();
        let codec = ValueEncoder::default().encode(values, &mut out);
        (codec, out)
    }

    #[track_caller]
    fn check(values: &[u64]) -> (u8, usize) {
        let (codec, bytes) = encoded(values);
        let mut back = vec![9];
        assert_eq!(decode(codec, &bytes, values.len(), &mut Buffers::default(), &mut back), Some(()), "{values:?}");
        assert_eq!(&back[1..], values);
        (codec, bytes.len())
    }

    fn bits(values: impl Iterator<Item = f64>) -> Vec<u64> {
        values.map(f64::to_bits).collect()
    }

    #[test]
    fn each_shape_finds_its_codec() {
        assert_eq!(check(&[]), (EMPTY, 0));
        assert_eq!(check(&[5; 100]), (CONSTANT, 9));
        let pages = bits((0..480_u64).map(|n| ((n * n % 900) * 4096) as f64));
        assert!(check(&pages).1 <= 480 * 10 / 8 + 12, "pages of 4096 bytes are counted as pages");
        let rare = bits((0..480).map(|n| f64::from(n / 100)));
        assert!(check(&rare).1 <= 20, "{:?}", check(&rare));
        let still = bits((0..480_u32).map(|n| f64::from(n / 3 * 1000 + (n / 3) * (n / 3) % 811)));
        assert!(check(&still).1 <= 60 + 160 * 10 / 8 + 12, "{:?}", check(&still));
        let thirds = bits((0..480).map(|n| f64::from(n % 5) / 3.0));
        assert_eq!(check(&thirds), (TABLE, 1 + 5 * 8 + 180));
        let noise = bits((1..480).map(|n| f64::from(n).sqrt()));
        assert_eq!(check(&noise).0, XOR);
    }

    fn any_values() -> impl Strategy<Value = Vec<u64>> {
        let any_len = 0..80_usize;
        let decimals = (0..16_i32, 0..53_u32, 1..5000_i64).prop_flat_map(|(places, bits, factor)| {
            let most = (1_i64 << bits) / factor;
            prop::collection::vec(prop_oneof![Just(None), (-most..=most).prop_map(Some)], 1..80).prop_map(move |steps| {
                let mut last = 0;
                let mut next = |step: &Option<i64>| {
                    last = step.unwrap_or(last);
                    ((last * factor) as f64 / 10_f64.powi(places)).to_bits()
                };
                steps.iter().map(&mut next).collect()
            })
        });
        prop_oneof![
            decimals,
            prop::collection::vec(any::<u64>(), any_len.clone()),
            prop::collection::vec(
                prop::sample::select(vec![f64::NAN.to_bits(), 0, 1, (-0.0_f64).to_bits(), f64::INFINITY.to_bits()]),
                any_len
            ),
        ]
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in any_values()) {
            check(&values);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(codec in 0..8_u8, bytes: Vec<u8>, count in 0..80_usize) {
            let mut out = Vec::new();
            if decode(codec, &bytes, count, &mut Buffers::default(), &mut out).is_some() {
                prop_assert_eq!(out.len(), count);
            }
        }
    }
}
