//! Chunks of floats (encoding 1): the differences of differences of times, and values by XOR.
//!
//! Source: Prometheus, `tsdb/docs/format/chunks.md`.

use super::bits::{BitReader, BitWriter, XorState, fits_signed};
use super::bytes::Bad;

/// Widths of a change between two differences of times, by the ones that stand before it.
const TIME_WIDTHS: [u32; 5] = [0, 14, 17, 20, 64];

/// Gives each sample to `sink`: its time and its value's bits.
pub(crate) fn decode(data: &[u8], mut sink: impl FnMut(i64, u64)) -> Result<(), Bad> {
    let Some((count, rest)) = data.split_at_checked(2) else {
        return Err(Bad::new(0, "the chunk has no number of samples"));
    };
    let count = u16::from_be_bytes([count[0], count[1]]);
    let mut bits = BitReader::new(rest);
    let (mut time, mut step, mut value) = (0_i64, 0_i64, XorState::default());
    let mut sample = |at: u16| {
        match at {
            0 => {
                time = bits.varint()?;
                value = XorState::starting_with(bits.bits(64)?);
            }
            1 => {
                step = bits.uvarint()? as i64;
                time = time.wrapping_add(step);
                value.read(&mut bits)?;
            }
            _ => {
                let ones = bits.ones(4)?;
                let change = if ones == 0 { 0 } else { bits.signed(TIME_WIDTHS[ones])? };
                step = step.wrapping_add(change);
                time = time.wrapping_add(step);
                value.read(&mut bits)?;
            }
        }
        sink(time, value.value);
        Ok(())
    };
    (0..count).try_for_each(&mut sample).map_err(|bad: Bad| bad.within(2))
}

/// Writes a chunk, one sample after the other; times must ascend.
#[derive(Clone)]
pub(crate) struct XorChunk {
    bits: BitWriter,
    count: u16,
    /// Of the last sample.
    time: i64,
    step: i64,
    value: XorState,
}

impl Default for XorChunk {
    fn default() -> Self {
        Self { bits: BitWriter::after(vec![0, 0]), count: 0, time: 0, step: 0, value: XorState::default() }
    }
}

impl XorChunk {
    pub(crate) fn len(&self) -> u16 {
        self.count
    }

    /// The time of the last sample.
    pub(crate) fn last(&self) -> Option<i64> {
        (self.count > 0).then_some(self.time)
    }

    /// At most 65,535 of them.
    pub(crate) fn push(&mut self, time: i64, value: u64) {
        let step = time.wrapping_sub(self.time);
        match self.count {
            0 => {
                self.bits.varint(time);
                self.bits.bits(value, 64);
                self.value = XorState::starting_with(value);
            }
            1 => {
                self.bits.uvarint(step as u64);
                self.value.write(&mut self.bits, value);
            }
            _ => {
                let change = step.wrapping_sub(self.step);
                let fits = |code: &usize| *code == 4 || fits_signed(change, TIME_WIDTHS[*code]);
                let code = if change == 0 { 0 } else { (1..=4).find(fits).unwrap_or(4) };
                self.bits.ones(code, 4);
                self.bits.bits(change as u64, TIME_WIDTHS[code]);
                self.value.write(&mut self.bits, value);
            }
        }
        (self.step, self.time) = (if self.count == 0 { 0 } else { step }, time);
        self.count += 1;
        self.bits.bytes_mut()[..2].copy_from_slice(&self.count.to_be_bytes());
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bits.bytes()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.bits.into_bytes();
        bytes.shrink_to_fit();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn samples_come_back(start in -1i64 << 50..1 << 50, samples in prop::collection::vec((0i64..1 << 40, any::<u64>()), 0..300)) {
            let mut time = start;
            let mut chunk = XorChunk::default();
            let mut expected = Vec::new();
            for (step, value) in samples {
                time += 1 + step;
                chunk.push(time, value);
                expected.push((time, value));
            }
            let mut found = Vec::new();
            decode(chunk.bytes(), |time, value| found.push((time, value))).expect("it was just written");
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes, |_, _| {});
        }
    }
}
