//! Values of one column in one piece of rows, compressed by whatever takes least.
//!
//! Decimals become integers, of which offsets or steps are packed (frame of reference, after Lemire and Boytsov, "Decoding billions of
//! integers per second through vectorization", 2015), divided by what divides them all, and steps of zero apart where there are many.
//! What is no decimal is a table of its few values, or XORed with the value before (Pelkonen et al., "Gorilla", 2015).

use super::packed::width_for;
use super::packing::{Packing, places_are_listed, places_bits, put_places, unpack};
use crate::column::bits::{bytes_for, get, pack, width_of};
use crate::column::bytes::{Reader, put_varint, put_zigzag};
use crate::column::decimal::{SCALE_MAX, mantissa, scale_from, value_of};
use crate::column::{put_item, read_item};

const EMPTY: u8 = 0;
const CONSTANT: u8 = 1;
const INTEGERS: u8 = 2;
const XOR: u8 = 3;
const TABLE: u8 = 4;

/// In the byte that says what integers are, above the scale.
const STEPS: u8 = 0x10;
const SPARSE: u8 = 0x20;
const FACTOR: u8 = 0x40;
/// Most values of a table.
const TABLE_MAX: usize = 64;

/// Buffers for encoding.
#[derive(Default)]
pub(super) struct ValueEncoder {
    mantissas: Vec<i64>,
    steps: Vec<i64>,
    numbers: Vec<u64>,
    table: Vec<u64>,
}

/// A way to write integers, with what it needs.
#[derive(Clone, Copy)]
enum Plan {
    Offsets { least: i64, packing: Packing },
    Steps { least: i64, packing: Packing },
    Sparse { least: i64, packing: Packing, set: usize },
}

impl ValueEncoder {
    /// Appends the values and returns the codec.
    pub(super) fn encode(&mut self, values: &[u64], out: &mut Vec<u8>) -> u8 {
        let Some(&first) = values.first() else {
            return EMPTY;
        };
        if values.iter().all(|&bits| bits == first) {
            put_item(out, first);
            return CONSTANT;
        }
        let (low, width) = xor_window(values);
        let xor_bits = 80 + (values.len() - 1) * width as usize;
        if let Some(scale) = self.find_scale(values) {
            let factor = self.fill_steps();
            let (plan, bits) = self.plan(factor);
            if bits <= xor_bits {
                self.put_integers(scale, factor, plan, out);
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

    /// Fills in the mantissas at the smallest scale that serves all values.
    fn find_scale(&mut self, values: &[u64]) -> Option<u8> {
        let mut scale = 0;
        'scales: loop {
            self.mantissas.clear();
            for &bits in values {
                match mantissa(bits, scale) {
                    Some(m) => self.mantissas.push(m),
                    None => {
                        let next = scale + 1;
                        scale = (next <= SCALE_MAX).then(|| scale_from(bits, next)).flatten()?.0;
                        continue 'scales;
                    }
                }
            }
            return Some(scale);
        }
    }

    /// Fills in the steps between mantissas, divided by what divides all of them, which it returns.
    fn fill_steps(&mut self) -> u64 {
        self.steps.clear();
        self.steps.extend(self.mantissas.windows(2).map(|pair| pair[1] - pair[0]));
        let factor = self.steps.iter().try_fold(0, |common, step| match gcd(common, step.unsigned_abs()) {
            1 => Err(()),
            common => Ok(common),
        });
        let factor = factor.unwrap_or(1).max(1);
        if factor > 1 {
            self.steps.iter_mut().for_each(|step| *step /= factor as i64);
        }
        factor
    }

    /// The cheapest way, with its bits.
    fn plan(&self, factor: u64) -> (Plan, usize) {
        let count = self.mantissas.len();
        let bounds = |values: &mut dyn Iterator<Item = i64>| values.fold((i64::MAX, i64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        let (least, most) = bounds(&mut self.mantissas.iter().copied());
        let packing = Packing::choose((most - least) as u64 / factor, count);
        let mut best = (Plan::Offsets { least, packing }, packing.total_bits(count));
        let (least, most) = bounds(&mut self.steps.iter().copied());
        let packing = Packing::choose((most - least) as u64, count - 1);
        let bits = packing.total_bits(count - 1) + 8;
        if bits < best.1 {
            best = (Plan::Steps { least, packing }, bits);
        }
        let set = self.steps.iter().filter(|step| **step != 0).count();
        if set < count - 1 {
            let (least, most) = bounds(&mut self.steps.iter().copied().filter(|step| *step != 0));
            let packing = Packing::choose((most - least) as u64, set);
            let bits = packing.total_bits(set) + places_bits(count - 1, set) + 16;
            if bits < best.1 {
                best = (Plan::Sparse { least, packing, set }, bits);
            }
        }
        (best.0, best.1 + 56)
    }

    fn put_integers(&mut self, scale: u8, factor: u64, plan: Plan, out: &mut Vec<u8>) {
        let shape = match plan {
            Plan::Offsets { .. } => 0,
            Plan::Steps { .. } => STEPS,
            Plan::Sparse { .. } => STEPS | SPARSE,
        };
        out.push(scale | shape | if factor > 1 { FACTOR } else { 0 });
        if factor > 1 {
            put_varint(out, factor);
        }
        self.numbers.clear();
        let packing = match plan {
            Plan::Offsets { least, packing } => {
                put_zigzag(out, least);
                self.numbers.extend(self.mantissas.iter().map(|m| (m - least) as u64 / factor));
                packing
            }
            Plan::Steps { least, packing } => {
                put_zigzag(out, self.mantissas[0]);
                put_zigzag(out, least);
                self.numbers.extend(self.steps.iter().map(|step| (step - least) as u64));
                packing
            }
            Plan::Sparse { least, packing, set } => {
                put_zigzag(out, self.mantissas[0]);
                put_zigzag(out, least);
                out.push(u8::from(places_are_listed(self.steps.len(), set)));
                put_places(out, self.steps.iter().map(|step| *step != 0), self.steps.len(), set);
                self.numbers.extend(self.steps.iter().filter(|step| **step != 0).map(|step| (step - least) as u64));
                packing
            }
        };
        packing.put(out, &self.numbers);
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

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// How far differing bits are from the low end, and over how many bits they spread.
fn xor_window(values: &[u64]) -> (u32, u32) {
    let differing = values.windows(2).fold(0, |all, pair| all | (pair[0] ^ pair[1]));
    let low = if differing == 0 { 0 } else { differing.trailing_zeros() };
    (low, width_of(differing >> low))
}

/// Appends `count` values to `out`. None if they are malformed; then `out` may have grown. `numbers` is a buffer.
pub(super) fn decode(codec: u8, bytes: &[u8], count: usize, numbers: &mut Vec<u64>, out: &mut Vec<u64>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    if (codec == EMPTY) != (count == 0) {
        return None;
    }
    match codec {
        EMPTY => {}
        CONSTANT => {
            let (bits, _) = read_item(&mut reader)?;
            out.resize(out.len() + count, bits);
        }
        INTEGERS => decode_integers(&mut reader, count, numbers, out)?,
        XOR => {
            let (mut last, low, width) = (reader.u64()?, u32::from(reader.u8()?), u32::from(reader.u8()?));
            if low > 63 {
                return None;
            }
            numbers.clear();
            unpack(&mut reader, count - 1, width, numbers)?;
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
            unpack(&mut reader, count, width_for(len), numbers)?;
            for at in &*numbers {
                out.push(*table.get(usize::try_from(*at).ok()?)?);
            }
        }
        _ => return None,
    }
    reader.is_empty().then_some(())
}

fn decode_integers(reader: &mut Reader<'_>, count: usize, numbers: &mut Vec<u64>, out: &mut Vec<u64>) -> Option<()> {
    let shape = reader.u8()?;
    let scale = shape & SCALE_MAX;
    let factor = if shape & FACTOR == 0 { 1 } else { i64::try_from(reader.varint()?).ok()? };
    let first = reader.zigzag()?;
    numbers.clear();
    match shape & (STEPS | SPARSE) {
        0 => {
            Packing::read(reader, count, numbers)?;
            put_values(out, scale, numbers.iter().map(|n| first.wrapping_add(factor.wrapping_mul(*n as i64))));
        }
        STEPS => {
            let least = reader.zigzag()?.wrapping_mul(factor);
            Packing::read(reader, count - 1, numbers)?;
            let mut last = first;
            let rest = numbers.iter().map(|n| {
                last = last.wrapping_add(least).wrapping_add(factor.wrapping_mul(*n as i64));
                last
            });
            put_values(out, scale, std::iter::once(first).chain(rest));
        }
        _ if shape & STEPS == 0 => return None,
        _ => {
            let least = reader.zigzag()?;
            decode_sparse(reader, count, (first, least, factor, scale), numbers, out)?;
        }
    }
    (shape & 0x80 == 0).then_some(())
}

fn decode_sparse(
    reader: &mut Reader<'_>,
    count: usize,
    (first, least, factor, scale): (i64, i64, i64, u8),
    numbers: &mut Vec<u64>,
    out: &mut Vec<u64>,
) -> Option<()> {
    let mut last = first;
    let mut next = |n: &u64| {
        last = last.wrapping_add(least.wrapping_add(*n as i64).wrapping_mul(factor));
        value_of(last, scale)
    };
    let mut value = value_of(first, scale);
    if reader.u8()? == 1 {
        let set = usize::try_from(reader.varint()?).ok().filter(|set| *set < count)?;
        let mut places = Vec::new();
        unpack(reader, set, width_for(count - 1), &mut places)?;
        Packing::read(reader, set, numbers)?;
        let end = out.len() + count;
        let from = out.len();
        for (place, n) in places.iter().zip(&*numbers) {
            let at = from + 1 + usize::try_from(*place).ok()?;
            if at < out.len() || at >= end {
                return None;
            }
            out.resize(at, value);
            value = next(n);
        }
        out.resize(end, value);
        return Some(());
    }
    let bitmap = reader.take(bytes_for(count - 1))?;
    let set = bitmap.iter().map(|byte| byte.count_ones() as usize).sum();
    if set > count - 1 {
        return None;
    }
    Packing::read(reader, set, numbers)?;
    let mut rest = numbers.iter();
    out.push(value);
    for at in 0..count - 1 {
        if get(bitmap, at) {
            value = next(rest.next()?);
        }
        out.push(value);
    }
    Some(())
}

fn put_values(out: &mut Vec<u64>, scale: u8, mantissas: impl Iterator<Item = i64>) {
    if scale == 0 {
        out.extend(mantissas.map(|m| (m as f64).to_bits()));
    } else {
        out.extend(mantissas.map(|m| value_of(m, scale)));
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
        assert_eq!(decode(codec, &bytes, values.len(), &mut Vec::new(), &mut back), Some(()), "{values:?}");
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
            if decode(codec, &bytes, count, &mut Vec::new(), &mut out).is_some() {
                prop_assert_eq!(out.len(), count);
            }
        }
    }
}
