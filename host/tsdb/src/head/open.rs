//! Some slots of a group's open rows, without decoding the others.
//!
//! A record says which slots changed (a bitmap), how each did (a nibble) and then the bytes of each. To find those of one slot it is
//! enough to count bits and add up nibbles, sixteen at a time; no other slot's value is worked out.

use std::sync::Arc;

use model::{ABSENT_BITS, HISTOGRAM_BITS, Histogram, STALE_BITS, TimeRange, TimestampMs};

use super::records::{Snapshot, Stored};
use crate::column::bits::{bytes_for, ones};
use crate::column::bytes::{Reader, from_zigzag};
use crate::column::decimal::{SCALE_MAX, known_mantissa, value_of};
use crate::column::{SCALE_NONE, item_len, read_item};
use crate::wal::row::Packed;
use crate::wal::sections::read_histograms;

/// Slots that are wanted, by words of 64.
#[derive(Default)]
struct Picked {
    /// Number of the word, its wanted slots, and the place of the first of them.
    words: Vec<(usize, u64, usize)>,
    len: usize,
}

impl Picked {
    /// Of ascending slots, each once.
    fn new(slots: impl Iterator<Item = usize>) -> Self {
        let mut picked = Self::default();
        for slot in slots {
            let bit = 1 << (slot % 64);
            match picked.words.last_mut().filter(|(word, ..)| *word == slot / 64) {
                Some((_, mask, _)) => *mask |= bit,
                None => picked.words.push((slot / 64, bit, picked.len)),
            }
            picked.len += 1;
        }
        picked
    }

    fn find(&self, slot: usize) -> Option<usize> {
        let at = self.words.binary_search_by_key(&(slot / 64), |(word, ..)| *word).ok()?;
        let (_, mask, first) = self.words[at];
        let bit = 1_u64 << (slot % 64);
        (mask & bit != 0).then(|| first + (mask & (bit - 1)).count_ones() as usize)
    }
}

/// A word of a bitmap; past its end there are zeros.
#[inline]
fn word(bitmap: &[u8], at: usize) -> u64 {
    let rest = bitmap.get(at * 8..).unwrap_or_default();
    if let Some(eight) = rest.first_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    let mut eight = [0; 8];
    eight[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(eight)
}

/// How many bits are set.
#[inline]
fn count_ones(bitmap: &[u8]) -> usize {
    let (eights, rest) = bitmap.as_chunks::<8>();
    let ones: u64 = eights.iter().map(|eight| u64::from(u64::from_le_bytes(*eight).count_ones())).sum();
    ones as usize + rest.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
}

/// Samples of the wanted slots in open rows.
#[derive(Default)]
pub(super) struct OpenTable {
    pub(super) times: Vec<TimestampMs>,
    pub(super) stamps: Vec<i64>,
    /// The place of each wanted series among the picked slots.
    places: Vec<Option<u32>>,
    width: usize,
    /// Row after row, as wide as there are picked slots.
    rows: Vec<u64>,
    /// Of each picked slot, whether some of its samples are absent, stale or histograms.
    gaps: Vec<bool>,
    /// Place, row and content, by row.
    histograms: Vec<(u32, u32, Arc<Histogram>)>,
}

impl OpenTable {
    /// The rows in a range. `slots` are those of the wanted series. None if the memory is damaged.
    pub(super) fn read(open: &Snapshot, slots: &[Option<u32>], range: TimeRange) -> Option<Self> {
        if open.rows == 0 {
            return Some(Self { places: vec![None; slots.len()], ..Self::default() });
        }
        let mut order: Vec<(u32, usize)> = slots.iter().zip(0..).filter_map(|(slot, at)| Some(((*slot)?, at))).collect();
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let mut places = vec![None; slots.len()];
        let mut distinct = Vec::with_capacity(order.len());
        for (slot, at) in order {
            if distinct.last() != Some(&(slot as usize)) {
                distinct.push(slot as usize);
            }
            places[at] = Some(distinct.len() as u32 - 1);
        }
        let picked = Picked::new(distinct.into_iter());
        let width = picked.len;
        let mut table = Self { places, width, gaps: vec![false; width], ..Self::default() };
        let mut walk = Walk::new(open, picked)?;
        for record in open.records() {
            let record = record?;
            if record.time > range.end {
                break;
            }
            walk.record(&record)?;
            walk.marked |= !record.histograms.is_empty();
            if range.start <= record.time {
                walk.show();
                table.row(&walk, &record)?;
            }
        }
        Some(table)
    }

    fn row(&mut self, walk: &Walk<'_>, record: &Stored<'_>) -> Option<()> {
        let from = self.rows.len();
        let again = self.times.last() == Some(&record.time);
        walk.put_row(&mut self.rows, &mut self.gaps);
        if again {
            // Samples where the row has none yet.
            let (held, new) = self.rows[from - self.width..].split_at_mut(self.width);
            for (at, (held, bits)) in held.iter_mut().zip(new).enumerate() {
                if *held == ABSENT_BITS {
                    *held = *bits;
                } else {
                    *bits = ABSENT_BITS;
                }
                self.gaps[at] |= *held == ABSENT_BITS;
            }
        } else {
            self.times.push(record.time);
            self.stamps.push(record.stamp);
        }
        if !record.histograms.is_empty() {
            let row = self.times.len() as u32 - 1;
            for (slot, histogram) in read_histograms(record.histograms)? {
                if let Some(place) = walk.picked.find(slot as usize).filter(|place| self.rows[from + place] == HISTOGRAM_BITS) {
                    self.histograms.push((place as u32, row, histogram));
                }
            }
        }
        if again {
            self.rows.truncate(from);
        }
        Some(())
    }

    /// Appends the column of a wanted series. Whether there may be absent, stale or histogram samples.
    pub(super) fn column(&self, at: usize, out: &mut Vec<u64>) -> bool {
        match self.places.get(at).copied().flatten() {
            Some(place) => {
                let place = place as usize;
                out.extend(self.rows.iter().skip(place).step_by(self.width).copied());
                self.gaps[place]
            }
            None => {
                out.resize(out.len() + self.times.len(), ABSENT_BITS);
                !self.times.is_empty()
            }
        }
    }

    /// The histograms of a wanted series, by row.
    pub(super) fn histograms(&self, at: usize) -> impl Iterator<Item = (u32, Arc<Histogram>)> {
        let place = self.places.get(at).copied().flatten();
        let mine = self.histograms.iter().filter(move |(held, ..)| Some(*held) == place);
        mine.map(|(_, row, histogram)| (*row, Arc::clone(histogram)))
    }
}

/// The scale of a slot that has no value yet.
const UNSET: u8 = 251;

/// What the picked slots had last.
struct Walk<'a> {
    picked: Picked,
    /// Of a decimal its digits as an integer, of anything else its bits.
    held: Vec<i64>,
    scales: Vec<u8>,
    /// The bits of all that, once [`Walk::show`] was called: rows before the range cost no division.
    bits: Vec<u64>,
    shown: bool,
    /// Bitmap of the last row's slots, of all.
    present: &'a [u8],
    /// Whether a value was met that may be a marker.
    marked: bool,
}

impl<'a> Walk<'a> {
    fn new(open: &'a Snapshot, picked: Picked) -> Option<Self> {
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
    fn show(&mut self) {
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

    fn record(&mut self, record: &Stored<'a>) -> Option<()> {
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
    fn put_row(&self, out: &mut Vec<u64>, gaps: &mut [bool]) {
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

/// Walks over the changes of a row.
struct Codes<'a> {
    codes: &'a [u8],
    values: &'a [u8],
    /// The next change, and where its bytes begin.
    nth: usize,
    at: usize,
}

/// How many bytes the changes of two nibbles take; 255 if that is not known from them.
const PAIR: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (low, high) = ((at & 15) as u8, (at >> 4) as u8);
        table[at] = if low == 0 || high == 0 { 255 } else { length(low) + length(high) };
        at += 1;
    }
    table
};

const fn length(code: u8) -> u8 {
    if code < 8 { code } else { code - 7 }
}

impl Codes<'_> {
    #[inline]
    fn code(&self) -> Option<u8> {
        Some(self.codes.get(self.nth / 2)? >> (self.nth % 2 * 4) & 0xF)
    }

    /// Goes on to a later change.
    #[inline]
    fn skip_to(&mut self, nth: usize) -> Option<()> {
        while self.nth < nth {
            if self.nth.is_multiple_of(2) && nth - self.nth >= 2 {
                let rest = self.codes.get(self.nth / 2..)?;
                if nth - self.nth >= 16
                    && let Some(eight) = rest.first_chunk::<8>()
                    && let Some(len) = sixteen(u64::from_le_bytes(*eight))
                {
                    self.at += len;
                    self.nth += 16;
                    continue;
                }
                let pair = PAIR[usize::from(*rest.first()?)];
                if pair != 255 {
                    self.at += usize::from(pair);
                    self.nth += 2;
                    continue;
                }
            }
            self.at += match self.code()? {
                0 => item_len(self.values.get(self.at..)?)?,
                code => usize::from(length(code)),
            };
            self.nth += 1;
        }
        Some(())
    }

    /// The value of the next change, which stands for itself.
    fn item(&mut self) -> Option<(u64, u8)> {
        let mut reader = Reader::new(self.values.get(self.at..)?);
        let item = read_item(&mut reader)?;
        self.at = self.values.len() - reader.remaining();
        self.nth += 1;
        Some(item)
    }

    /// The bytes of the next change.
    #[inline]
    fn low(&mut self, len: usize) -> Option<u64> {
        let low = Reader::new(self.values.get(self.at..)?).low_bytes(len)?;
        self.at += len;
        self.nth += 1;
        Some(low)
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

/// How many bytes the changes of sixteen nibbles take together. None if one of them does not say.
#[inline]
fn sixteen(codes: u64) -> Option<usize> {
    const NIBBLES: u64 = 0x0F0F_0F0F_0F0F_0F0F;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (low, high) = (codes & NIBBLES, codes >> 4 & NIBBLES);
    // Adding fifteen carries out of a nibble unless it is zero.
    if (low + NIBBLES) & (high + NIBBLES) & ONES << 4 != ONES << 4 {
        return None;
    }
    let sum = low + high - 7 * ((low >> 3 & ONES) + (high >> 3 & ONES));
    Some((sum.wrapping_mul(ONES) >> 56) as usize)
}
