//! Chunks: some rows of one column, compressed by whatever of four codecs takes the fewest bytes.
//!
//! Steps and offsets are frame-of-reference coding with fixed widths (Lemire and Boytsov, "Decoding billions of integers per
//! second through vectorization", 2015), over decimals as integers; xor is Facebook's Gorilla idea (Pelkonen et al., 2015) with
//! one window for the whole chunk.

use model::{ABSENT_BITS, STALE_BITS};

use super::bits::{bytes_for, get, pack, put_bitmap, unpack, width_of};
use super::bytes::{Reader, put_zigzag};
use super::decimal::{SCALE_MAX, mantissa, scale_from, value_of};
use super::{put_item, read_item};

const EMPTY: u8 = 0;
const CONSTANT: u8 = 1;
const STEPS: u8 = 2;
const OFFSETS: u8 = 3;
const XOR: u8 = 4;
const CODEC_MASK: u8 = 0x3F;
const HAS_ABSENT: u8 = 0x40;
const HAS_STALE: u8 = 0x80;

/// Buffers that encoding reuses.
#[derive(Default)]
pub(crate) struct ChunkEncoder {
    values: Vec<u64>,
    mantissas: Vec<i64>,
}

impl ChunkEncoder {
    /// Appends the chunk of these rows to `out`.
    pub(crate) fn encode(&mut self, rows: &[u64], out: &mut Vec<u8>) {
        self.values.clear();
        let mut stale = false;
        for &bits in rows {
            match bits {
                ABSENT_BITS => {}
                STALE_BITS => stale = true,
                _ => self.values.push(bits),
            }
        }
        let absent = rows.contains(&ABSENT_BITS);
        let tag_at = out.len();
        out.push(0);
        let all_absent = self.values.is_empty() && !stale;
        if absent && !all_absent {
            out[tag_at] |= HAS_ABSENT;
            put_bitmap(out, rows.iter().map(|&bits| bits == ABSENT_BITS));
        }
        if stale {
            out[tag_at] |= HAS_STALE;
            put_bitmap(out, rows.iter().map(|&bits| bits == STALE_BITS));
        }
        out[tag_at] |= self.encode_values(out);
    }

    /// Likewise, of rows that all have the same value.
    pub(crate) fn encode_constant(bits: u64, out: &mut Vec<u8>) {
        debug_assert!(bits != ABSENT_BITS && bits != STALE_BITS);
        out.push(CONSTANT);
        put_item(out, bits);
    }

    /// Appends the values and returns the codec.
    fn encode_values(&mut self, out: &mut Vec<u8>) -> u8 {
        let Some(&first) = self.values.first() else {
            return EMPTY;
        };
        if self.values.iter().all(|&bits| bits == first) {
            put_item(out, first);
            return CONSTANT;
        }
        let xor_width = xor_window(&self.values).1;
        match self.find_scale() {
            Some(scale) => encode_integers(&self.mantissas, scale, xor_width, out).unwrap_or_else(|| encode_xor(&self.values, out)),
            None => encode_xor(&self.values, out),
        }
    }

    /// Fills in the mantissas at the smallest scale that serves all values.
    fn find_scale(&mut self) -> Option<u8> {
        let mut scale = 0;
        'scales: loop {
            self.mantissas.clear();
            for &bits in &self.values {
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
}

/// None if xor takes fewer bits.
fn encode_integers(mantissas: &[i64], scale: u8, xor_width: u32, out: &mut Vec<u8>) -> Option<u8> {
    let steps = || mantissas.windows(2).map(|pair| pair[1] - pair[0]);
    let (step_min, step_max) = (steps().min()?, steps().max()?);
    let (min, max) = (*mantissas.iter().min()?, *mantissas.iter().max()?);
    let steps_width = width_of((step_max - step_min) as u64);
    let offsets_width = width_of((max - min) as u64);
    if steps_width.min(offsets_width) > xor_width {
        return None;
    }
    out.push(scale);
    if steps_width <= offsets_width {
        put_zigzag(out, mantissas[0]);
        put_zigzag(out, step_min);
        out.push(steps_width as u8);
        pack(out, steps().map(|step| (step - step_min) as u64), steps_width);
        Some(STEPS)
    } else {
        put_zigzag(out, min);
        out.push(offsets_width as u8);
        pack(out, mantissas.iter().map(|m| (m - min) as u64), offsets_width);
        Some(OFFSETS)
    }
}

/// How far differing bits are from the low end, and over how many bits they spread.
fn xor_window(values: &[u64]) -> (u32, u32) {
    let differing = values.windows(2).fold(0, |all, pair| all | (pair[0] ^ pair[1]));
    let low = if differing == 0 { 0 } else { differing.trailing_zeros() };
    (low, width_of(differing >> low))
}

fn encode_xor(values: &[u64], out: &mut Vec<u8>) -> u8 {
    let (low, width) = xor_window(values);
    out.extend_from_slice(&values[0].to_le_bytes());
    out.extend_from_slice(&[low as u8, width as u8]);
    pack(out, values.windows(2).map(|pair| (pair[0] ^ pair[1]) >> low), width);
    XOR
}

/// Whether the chunk has no sample at all.
pub(crate) fn is_empty(chunk: &[u8]) -> bool {
    chunk.first().is_none_or(|&tag| tag == EMPTY)
}

/// Whether some of the chunk's rows are absent or stale.
pub(crate) fn has_gaps(chunk: &[u8]) -> bool {
    chunk.first().is_none_or(|&tag| tag == EMPTY || tag & !CODEC_MASK != 0)
}

/// Appends the bits of `rows` rows to `out`, absent ones as [`ABSENT_BITS`]. None if the chunk is malformed; then `out` may
/// have grown.
pub(crate) fn decode(chunk: &[u8], rows: usize, out: &mut Vec<u64>) -> Option<()> {
    let mut reader = Reader::new(chunk);
    let tag = reader.u8()?;
    if tag == EMPTY {
        out.resize(out.len() + rows, ABSENT_BITS);
        return Some(());
    }
    let mut bitmap = |there: u8| if tag & there == 0 { Some(&[][..]) } else { reader.take(bytes_for(rows)) };
    let (absent, stale) = (bitmap(HAS_ABSENT)?, bitmap(HAS_STALE)?);
    let gap = |row: usize| get(absent, row) || get(stale, row);
    let gaps = if absent.is_empty() && stale.is_empty() { 0 } else { (0..rows).filter(|&row| gap(row)).count() };
    let from = out.len();
    decode_values(tag & CODEC_MASK, &mut reader, rows - gaps, out)?;
    if gaps > 0 {
        spread(out, from, rows, absent, stale);
    }
    reader.is_empty().then_some(())
}

fn decode_values(codec: u8, reader: &mut Reader<'_>, count: usize, out: &mut Vec<u64>) -> Option<()> {
    if (codec == EMPTY) != (count == 0) {
        return None;
    }
    match codec {
        EMPTY => Some(()),
        CONSTANT => {
            let (bits, _) = read_item(reader)?;
            out.resize(out.len() + count, bits);
            Some(())
        }
        STEPS => {
            let scale = read_scale(reader)?;
            let (mut last, step_min, width) = (reader.zigzag()?, reader.zigzag()?, u32::from(reader.u8()?));
            out.push(value_of(last, scale));
            let mut next = |step: u64| {
                last = last.wrapping_add(step_min).wrapping_add(step as i64);
                last
            };
            integers(reader, count - 1, width, scale, out, &mut next)
        }
        OFFSETS => {
            let scale = read_scale(reader)?;
            let (min, width) = (reader.zigzag()?, u32::from(reader.u8()?));
            integers(reader, count, width, scale, out, &mut |offset| min.wrapping_add(offset as i64))
        }
        XOR => {
            let (mut last, low, width) = (reader.u64()?, u32::from(reader.u8()?), u32::from(reader.u8()?));
            if low > 63 {
                return None;
            }
            out.push(last);
            unpack(reader, count - 1, width, |bits| {
                last ^= bits << low;
                out.push(last);
            })
        }
        _ => None,
    }
}

/// Appends decimals, of whose packed numbers `next` makes their digits.
#[inline]
fn integers(
    reader: &mut Reader<'_>,
    count: usize,
    width: u32,
    scale: u8,
    out: &mut Vec<u64>,
    next: &mut impl FnMut(u64) -> i64,
) -> Option<()> {
    let from = out.len();
    out.resize(from + count, 0);
    let mut slots = out[from..].iter_mut();
    // Most values are whole numbers, and those need no division.
    if scale == 0 {
        return unpack(reader, count, width, |packed| {
            if let Some(slot) = slots.next() {
                *slot = (next(packed) as f64).to_bits();
            }
        });
    }
    unpack(reader, count, width, |packed| {
        if let Some(slot) = slots.next() {
            *slot = value_of(next(packed), scale);
        }
    })
}

fn read_scale(reader: &mut Reader<'_>) -> Option<u8> {
    reader.u8().filter(|scale| *scale <= SCALE_MAX)
}

/// Moves the dense values from `from` on to their rows and fills the gaps.
fn spread(out: &mut Vec<u64>, from: usize, rows: usize, absent: &[u8], stale: &[u8]) {
    let mut dense = out.len();
    out.resize(from + rows, ABSENT_BITS);
    for row in (0..rows).rev() {
        out[from + row] = if get(absent, row) {
            ABSENT_BITS
        } else if get(stale, row) {
            STALE_BITS
        } else {
            dense -= 1;
            out[dense]
        };
    }
}

/// Appends integers (times, places in the log) as a chunk of steps would hold them.
pub(crate) fn encode_i64(values: &[i64], out: &mut Vec<u8>) {
    put_zigzag(out, values[0]);
    let steps = || values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let min = steps().min().unwrap_or(0);
    let width = steps().map(|step| width_of(step.wrapping_sub(min) as u64)).max().unwrap_or(0);
    put_zigzag(out, min);
    out.push(width as u8);
    pack(out, steps().map(|step| step.wrapping_sub(min) as u64), width);
}

/// Reads what [`encode_i64`] wrote.
pub(crate) fn decode_i64(reader: &mut Reader<'_>, count: usize, out: &mut Vec<i64>) -> Option<()> {
    let (mut last, min, width) = (reader.zigzag()?, reader.zigzag()?, u32::from(reader.u8()?));
    out.push(last);
    unpack(reader, count.checked_sub(1)?, width, |step| {
        last = last.wrapping_add(min).wrapping_add(step as i64);
        out.push(last);
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(rows: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        ChunkEncoder::default().encode(rows, &mut out);
        out
    }

    #[track_caller]
    fn check(values: &[f64], codec: u8, bytes_max: usize) {
        let rows: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
        let chunk = encoded(&rows);
        let mut back = Vec::new();
        assert_eq!(decode(&chunk, rows.len(), &mut back), Some(()), "{values:?}");
        assert_eq!(back, rows, "{values:?}");
        assert_eq!(chunk[0] & CODEC_MASK, codec, "{values:?}");
        assert!(chunk.len() <= bytes_max, "{} bytes for {values:?}", chunk.len());
    }

    #[test]
    fn each_shape_finds_its_codec() {
        let absent = model::absent();
        check(&[absent; 9], EMPTY, 1);
        check(&[3.5; 32], CONSTANT, 3);
        check(&[f64::NAN; 4], CONSTANT, 10);
        check(&[absent, 7.0, model::stale()], CONSTANT, 5);
        check(&[model::stale(), absent], EMPTY, 3);
        check(&[1.0, 2.0, 3.0, 4.0], STEPS, 5);
        check(&[1_000_000.0, 1_000_007.0, 1_000_001.0, 1_000_006.0, 1_000_000.0, 1_000_007.0], OFFSETS, 10);
        check(&[0.1, 0.2, 0.7], STEPS, 6);
        check(&[1.0 / 3.0, 2.0 / 3.0, f64::INFINITY], XOR, 30);
        check(&[-0.0, 0.0], XOR, 19);
    }

    fn any_bits() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            Just(ABSENT_BITS),
            Just(STALE_BITS),
            Just(f64::NAN.to_bits()),
            Just((-0.0_f64).to_bits()),
            Just(f64::INFINITY.to_bits()),
            Just(1_u64),
            (-1000..1000_i64).prop_map(|n| (n as f64).to_bits()),
            (-1_000_000..1_000_000_i64).prop_map(|n| (n as f64 / 1000.0).to_bits()),
        ]
    }

    proptest! {
        #[test]
        fn any_rows_come_back(rows in prop::collection::vec(any_bits(), 1..70)) {
            let chunk = encoded(&rows);
            let mut back = Vec::new();
            prop_assert_eq!(decode(&chunk, rows.len(), &mut back), Some(()));
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn decimals_come_back(rows in prop::collection::vec(-(1_i64 << 52)..1 << 52, 1..40), places in 0..16_i32) {
            let rows: Vec<u64> = rows.iter().map(|n| (*n as f64 / 10_f64.powi(places)).to_bits()).collect();
            let chunk = encoded(&rows);
            let mut back = Vec::new();
            prop_assert_eq!(decode(&chunk, rows.len(), &mut back), Some(()));
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(chunk: Vec<u8>, rows in 0..70_usize) {
            let mut out = Vec::new();
            let _ = decode(&chunk, rows, &mut out);
            let _ = decode_i64(&mut Reader::new(&chunk), rows, &mut Vec::new());
        }

        #[test]
        fn times_come_back(times in prop::collection::vec(any::<i64>(), 1..50)) {
            let mut out = Vec::new();
            encode_i64(&times, &mut out);
            let (mut reader, mut back) = (Reader::new(&out), Vec::new());
            prop_assert_eq!(decode_i64(&mut reader, times.len(), &mut back), Some(()));
            prop_assert_eq!(back, times);
        }
    }
}
