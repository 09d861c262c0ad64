//! Walking over the rows, for some slots.

use model::{ABSENT_BITS, HISTOGRAM_BITS, STALE_BITS};

use super::super::records::{Snapshot, Stored};
use super::codes::{Codes, length};
use super::pick::{Picked, count_ones, word};
use crate::column::bits::{bytes_for, ones};
use crate::column::bytes::{Reader, from_zigzag};
use crate::column::decimal::{SCALE_MAX, known_mantissa, value_of};
use crate::column::{SCALE_NONE, item_len, read_item};
use crate::wal::row::Packed;

/// The scale of a slot that has no value yet.
const UNSET: u8 = 251;

/// What the picked slots had last.
pub(super) struct Walk<'a> {
    pub(super) picked: Picked,
    /// Of a decimal its digits as an integer, of anything else its bits.
    held: Vec<i64>,
    scales: Vec<u8>,
    /// The bits of all that, once [`Walk::show`] was called: rows before the range cost no division.
    bits: Vec<u64>,
    shown: bool,
    /// Bitmap of the last row's slots, of all.
    present: &'a [u8],
    /// Whether a value was met that may be a marker.
    pub(super) marked: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(open: &'a Snapshot, picked: Picked) -> Option<Self> {
        let mut packed = Packed::new(open.packed_base())?;
        let present = packed.present();
        let (held, scales) = (vec![0; picked.len], vec![UNSET; picked.len]);
        let mut walk = Self { picked, held, scales, bits: Vec::new(), shown: false, present, marked: false };
        let mut at = 0;
        for (number, mask, _) in &walk.picked.words {
            let mut mask = *mask;
            while mask != 0 {
                let slot = number * 64 + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                if let Some((bits, scale)) = packed.get(slot)? {
                    (walk.held[at], walk.scales[at]) = (held_of(bits, scale), scale);
                    walk.marked |= scale == SCALE_NONE;
                }
                at += 1;
            }
        }
        Some(walk)
    }

    /// From now on rows are put.
    pub(super) fn show(&mut self) {
        if !self.shown {
            self.shown = true;
            self.bits = self.held.iter().zip(&self.scales).map(|(held, scale)| bits_of(*held, *scale)).collect();
        }
    }

    fn set(&mut self, at: usize, bits: u64, scale: u8) {
        (self.held[at], self.scales[at]) = (held_of(bits, scale), scale);
        self.marked |= scale == SCALE_NONE;
        if self.shown {
            self.bits[at] = bits;
        }
    }

    pub(super) fn record(&mut self, record: &Stored<'a>) -> Option<()> {
        for slot in record.unset() {
            if let Some(at) = self.picked.find(*slot as usize) {
                self.set(at, ABSENT_BITS, UNSET);
            }
        }
        let mut reader = Reader::new(record.values());
        let width = reader.count(8)?;
        if record.has_presence() {
            self.present = reader.take(bytes_for(width))?;
        } else if self.present.len() != bytes_for(width) {
            return None;
        }
        if record.full {
            return self.full(&mut reader);
        }
        let changed = reader.take(bytes_for(width))?;
        let codes = reader.take(count_ones(changed).div_ceil(2))?;
        self.changes(changed, Codes { codes, values: reader.rest(), nth: 0, at: 0 })
    }

    fn full(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        (0..self.picked.len).for_each(|at| self.set(at, ABSENT_BITS, UNSET));
        for slot in ones(self.present) {
            match self.picked.find(slot) {
                Some(at) => {
                    let (bits, scale) = read_item(reader)?;
                    self.set(at, bits, scale);
                }
                None => {
                    let len = item_len(reader.rest())?;
                    reader.take(len)?;
                }
            }
        }
        Some(())
    }

    fn changes(&mut self, changed: &[u8], mut codes: Codes<'_>) -> Option<()> {
        let (mut counted, mut before) = (0, 0);
        for nth_word in 0..self.picked.words.len() {
            let (number, mask, first) = self.picked.words[nth_word];
            before += count_ones(changed.get(counted * 8..(number * 8).min(changed.len())).unwrap_or_default());
            counted = number;
            let all = word(changed, number);
            let mut hits = all & mask;
            if hits != 0 && mask == u64::MAX {
                codes.skip_to(before)?;
                while hits != 0 {
                    self.change(first + hits.trailing_zeros() as usize, &mut codes)?;
                    hits &= hits - 1;
                }
                continue;
            }
            while hits != 0 {
                let bit = hits & hits.wrapping_neg();
                hits ^= bit;
                codes.skip_to(before + (all & (bit - 1)).count_ones() as usize)?;
                self.change(first + (mask & (bit - 1)).count_ones() as usize, &mut codes)?;
            }
        }
        Some(())
    }

    /// Takes over the next change.
    #[inline]
    fn change(&mut self, at: usize, codes: &mut Codes<'_>) -> Option<()> {
        let (held, scale) = (self.held.get_mut(at)?, *self.scales.get(at)?);
        let code = codes.code()?;
        if code == 0 {
            let (bits, scale) = codes.item()?;
            self.set(at, bits, scale);
            return Some(());
        }
        let low = codes.low(length(code).into())?;
        match (code < 8, scale) {
            (true, 0..=SCALE_MAX) => *held = held.wrapping_add(from_zigzag(low)),
            (false, SCALE_NONE) => *held ^= low as i64,
            _ => return None,
        }
        if self.shown {
            *self.bits.get_mut(at)? = bits_of(*held, scale);
        }
        Some(())
    }

    /// Appends the row: absent slots as such.
    pub(super) fn put_row(&self, out: &mut Vec<u64>, gaps: &mut [bool]) {
        let from = out.len();
        out.extend_from_slice(&self.bits);
        let row = &mut out[from..];
        for (number, mask, first) in &self.picked.words {
            let mut missing = mask & !word(self.present, *number);
            while missing != 0 {
                let bit = missing & missing.wrapping_neg();
                missing ^= bit;
                let at = first + (mask & (bit - 1)).count_ones() as usize;
                (row[at], gaps[at]) = (ABSENT_BITS, true);
            }
        }
        if self.marked {
            for (gap, bits) in gaps.iter_mut().zip(row) {
                *gap |= matches!(*bits, STALE_BITS | HISTOGRAM_BITS);
            }
        }
    }
}

fn held_of(bits: u64, scale: u8) -> i64 {
    match scale {
        UNSET => 0,
        SCALE_NONE => bits as i64,
        scale => known_mantissa(bits, scale),
    }
}

#[inline]
fn bits_of(held: i64, scale: u8) -> u64 {
    match scale {
        0 => (held as f64).to_bits(),
        UNSET => ABSENT_BITS,
        SCALE_NONE => held as u64,
        scale => value_of(held, scale),
    }
}
