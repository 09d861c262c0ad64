//! Which slots are wanted of a row.

/// Slots that are wanted, by words of 64.
#[derive(Default)]
pub(super) struct Picked {
    /// Number of the word, its wanted slots, and the place of the first of them.
    pub(super) words: Vec<(usize, u64, usize)>,
    pub(super) len: usize,
}

impl Picked {
    /// Of ascending slots, each once.
    pub(super) fn new(slots: impl Iterator<Item = usize>) -> Self {
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

    pub(super) fn find(&self, slot: usize) -> Option<usize> {
        let at = self.words.binary_search_by_key(&(slot / 64), |(word, ..)| *word).ok()?;
        let (_, mask, first) = self.words[at];
        let bit = 1_u64 << (slot % 64);
        (mask & bit != 0).then(|| first + (mask & (bit - 1)).count_ones() as usize)
    }
}

/// A word of a bitmap; past its end there are zeros.
#[inline]
pub(super) fn word(bitmap: &[u8], at: usize) -> u64 {
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
pub(super) fn count_ones(bitmap: &[u8]) -> usize {
    let (eights, rest) = bitmap.as_chunks::<8>();
    let ones: u64 = eights.iter().map(|eight| u64::from(u64::from_le_bytes(*eight).count_ones())).sum();
    ones as usize + rest.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
}
