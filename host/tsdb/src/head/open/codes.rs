//! How the slots of a row changed, one nibble each.

use crate::column::bytes::Reader;
use crate::column::{item_len, read_item};

/// Walks over the changes of a row.
pub(super) struct Codes<'a> {
    pub(super) codes: &'a [u8],
    pub(super) values: &'a [u8],
    /// The next change, and where its bytes begin.
    pub(super) nth: usize,
    pub(super) at: usize,
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

/// Bytes that a change with this code takes; code 0 does not say.
pub(super) const fn length(code: u8) -> u8 {
    if code < 8 { code } else { code - 7 }
}

impl Codes<'_> {
    #[inline]
    pub(super) fn code(&self) -> Option<u8> {
        Some(self.codes.get(self.nth / 2)? >> (self.nth % 2 * 4) & 0xF)
    }

    /// Goes on to a later change.
    #[inline]
    pub(super) fn skip_to(&mut self, nth: usize) -> Option<()> {
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
    pub(super) fn item(&mut self) -> Option<(u64, u8)> {
        let mut reader = Reader::new(self.values.get(self.at..)?);
        let item = read_item(&mut reader)?;
        self.at = self.values.len() - reader.remaining();
        self.nth += 1;
        Some(item)
    }

    /// The bytes of the next change.
    #[inline]
    pub(super) fn low(&mut self, len: usize) -> Option<u64> {
        let low = Reader::new(self.values.get(self.at..)?).low_bytes(len)?;
        self.at += len;
        self.nth += 1;
        Some(low)
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
