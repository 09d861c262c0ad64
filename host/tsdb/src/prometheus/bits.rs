//! Streams of bits, the highest of a byte first, and the codes that chunks are made of.

use super::bytes::{Bad, from_zigzag, uvarint};

/// Reads bits.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

/// How many bits follow a prefix of so many ones, in the code for whole numbers of histograms.
const VARBIT_WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits that are left.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    pub(crate) fn bad(&self, what: impl Into<std::borrow::Cow<'static, str>>) -> Bad {
        Bad::new(self.at / 8, what)
    }

    pub(crate) fn bit(&mut self) -> Result<bool, Bad> {
        let byte = self.bytes.get(self.at / 8).ok_or_else(|| Bad::new(self.bytes.len(), ENDS))?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// Up to 64 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u64, Bad> {
        if self.remaining() < count as usize {
            return Err(Bad::new(self.bytes.len(), ENDS));
        }
        let (first, skip) = (self.at / 8, (self.at % 8) as u32);
        // Nine bytes hold 64 bits wherever they begin.
        let mut wide = [0_u8; 16];
        let window = &self.bytes[first..self.bytes.len().min(first + 9)];
        wide[..window.len()].copy_from_slice(window);
        self.at += count as usize;
        Ok(if count == 0 { 0 } else { (u128::from_be_bytes(wide) << skip >> (128 - count)) as u64 })
    }

    pub(crate) fn uvarint(&mut self) -> Result<u64, Bad> {
        let at = self.at / 8;
        uvarint(|| self.bits(8).map(|byte| byte as u8)).map_err(|bad| bad.unwrap_or_else(|| Bad::new(at, "a number has more than 64 bits")))
    }

    pub(crate) fn varint(&mut self) -> Result<i64, Bad> {
        self.uvarint().map(from_zigzag)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Bad> {
        self.bits(64).map(f64::from_bits)
    }

    /// The number of ones before a zero, `most` at most; that many have no zero behind them.
    pub(crate) fn ones(&mut self, most: usize) -> Result<usize, Bad> {
        let mut ones = 0;
        while ones < most && self.bit()? {
            ones += 1;
        }
        Ok(ones)
    }

    /// A signed number of `width` bits, of which the greater half of the patterns but one is negative.
    pub(crate) fn signed(&mut self, width: u32) -> Result<i64, Bad> {
        let raw = self.bits(width)?;
        if width == 64 {
            return Ok(raw as i64);
        }
        Ok(if raw > 1 << (width - 1) { raw as i64 - (1 << width) } else { raw as i64 })
    }

    pub(crate) fn varbit_int(&mut self) -> Result<i64, Bad> {
        let ones = self.ones(8)?;
        if ones == 0 { Ok(0) } else { self.signed(VARBIT_WIDTHS[ones]) }
    }

    pub(crate) fn varbit_uint(&mut self) -> Result<u64, Bad> {
        let ones = self.ones(8)?;
        self.bits(VARBIT_WIDTHS[ones])
    }
}

const ENDS: &str = "the chunk ends in the middle of a sample";

/// Writes bits.
#[derive(Clone, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Unused bits of the last byte.
    free: u32,
}

impl BitWriter {
    /// Goes on after whole bytes.
    pub(crate) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, free: 0 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The low `count` bits.
    pub(crate) fn bits(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let now = left.min(self.free);
            let part = (value >> (left - now)) as u8 & (0xFF_u16 >> (8 - now)) as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= part << (self.free - now);
            }
            self.free -= now;
            left -= now;
        }
    }

    pub(crate) fn uvarint(&mut self, value: u64) {
        let mut bytes = Vec::with_capacity(10);
        super::bytes::put_uvarint(&mut bytes, value);
        bytes.iter().for_each(|byte| self.bits(u64::from(*byte), 8));
    }

    pub(crate) fn varint(&mut self, value: i64) {
        self.uvarint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// So many ones, and a zero if there could be more.
    pub(crate) fn ones(&mut self, count: usize, most: usize) {
        self.bits(u64::MAX, count as u32);
        if count < most {
            self.bits(0, 1);
        }
    }

    pub(crate) fn varbit_int(&mut self, value: i64) {
        let fits = |width: u32| width == 64 || fits_signed(value, width);
        let code = if value == 0 { 0 } else { (1..=8).find(|code| fits(VARBIT_WIDTHS[*code])).unwrap_or(8) };
        self.ones(code, 8);
        self.bits(value as u64, VARBIT_WIDTHS[code]);
    }

    pub(crate) fn varbit_uint(&mut self, value: u64) {
        let code = (0..8).find(|code| value >> VARBIT_WIDTHS[*code] == 0).unwrap_or(8);
        self.ones(code, 8);
        self.bits(value, VARBIT_WIDTHS[code]);
    }
}

/// Whether [`BitReader::signed`] gives the number back.
pub(crate) fn fits_signed(value: i64, width: u32) -> bool {
    let half = 1_i64 << (width - 1);
    -half < value && value <= half
}

/// The bits of a value against those of the one before: the code that floats share.
#[derive(Clone, Copy, Default)]
pub(crate) struct XorState {
    pub(crate) value: u64,
    /// Zero bits before and behind the last difference that said where it lies.
    place: Option<(u32, u32)>,
}

impl XorState {
    pub(crate) fn starting_with(value: u64) -> Self {
        Self { value, place: None }
    }

    pub(crate) fn read(&mut self, bits: &mut BitReader<'_>) -> Result<u64, Bad> {
        if bits.bit()? {
            if bits.bit()? {
                let leading = bits.bits(5)? as u32;
                // 64 does not fit into six bits and 0 cannot come.
                let width = match bits.bits(6)? as u32 {
                    0 => 64,
                    width => width,
                };
                let trailing = 64_u32.checked_sub(leading + width);
                self.place = Some((leading, trailing.ok_or_else(|| bits.bad("a value is wider than 64 bits"))?));
            }
            let (leading, trailing) = self.place.ok_or_else(|| bits.bad("a value does not say how wide it is"))?;
            self.value ^= bits.bits(64 - leading - trailing)? << trailing;
        }
        Ok(self.value)
    }

    pub(crate) fn write(&mut self, bits: &mut BitWriter, value: u64) {
        let difference = self.value ^ value;
        self.value = value;
        if difference == 0 {
            bits.bits(0, 1);
            return;
        }
        let (leading, trailing) = (difference.leading_zeros().min(31), difference.trailing_zeros());
        match self.place {
            Some((l, t)) if leading >= l && trailing >= t => {
                bits.bits(0b10, 2);
                bits.bits(difference >> t, 64 - l - t);
            }
            _ => {
                self.place = Some((leading, trailing));
                let width = 64 - leading - trailing;
                bits.bits(0b11, 2);
                bits.bits(u64::from(leading), 5);
                bits.bits(u64::from(width), 6);
                bits.bits(difference >> trailing, width);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(values: Vec<(i64, u64)>, small: Vec<i8>) {
            let mut bits = BitWriter::default();
            for (signed, unsigned) in &values {
                bits.varbit_int(*signed);
                bits.varbit_uint(*unsigned);
                bits.varint(*signed);
            }
            for number in &small {
                bits.varbit_int(i64::from(*number));
                bits.varbit_uint(u64::from(number.unsigned_abs()));
            }
            let bytes = bits.into_bytes();
            let mut bits = BitReader::new(&bytes);
            for (signed, unsigned) in &values {
                prop_assert_eq!(bits.varbit_int(), Ok(*signed));
                prop_assert_eq!(bits.varbit_uint(), Ok(*unsigned));
                prop_assert_eq!(bits.varint(), Ok(*signed));
            }
            for number in &small {
                prop_assert_eq!(bits.varbit_int(), Ok(i64::from(*number)));
                prop_assert_eq!(bits.varbit_uint(), Ok(u64::from(number.unsigned_abs())));
            }
        }

        #[test]
        fn floats_come_back(values: Vec<u64>, steps: Vec<f64>) {
            let all: Vec<u64> = values.into_iter().chain(steps.into_iter().map(f64::to_bits)).collect();
            let (mut bits, mut state) = (BitWriter::default(), XorState::default());
            all.iter().for_each(|value| state.write(&mut bits, *value));
            let bytes = bits.into_bytes();
            let (mut bits, mut state) = (BitReader::new(&bytes), XorState::default());
            for value in &all {
                prop_assert_eq!(state.read(&mut bits), Ok(*value));
            }
        }
    }
}
