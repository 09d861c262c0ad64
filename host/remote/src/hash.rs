//! A keyed hash of 96 bits, by which a series is known without its labels being kept.
//!
//! Built as wyhash is, of widening multiplications, with 128 bits of state in each of two strands and keys that are drawn for each
//! process, so that nobody outside can look for two label sets with the same hash. By chance two of ten million series meet with a
//! probability of 10^-15.

use std::hash::{BuildHasher, RandomState};

/// What a series is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) hash: u64,
    pub(crate) check: u32,
}

/// 128 bits of a hash.
pub(crate) type Wide = (u64, u64);

/// The keys.
#[derive(Clone, Debug)]
pub(crate) struct Hasher([u64; 8]);

impl Hasher {
    /// Keys from the standard library's random ones.
    pub(crate) fn random() -> Self {
        let state = RandomState::new();
        Self(std::array::from_fn(|at| state.hash_one(at)))
    }

    /// Of the bytes as they are.
    #[inline]
    pub(crate) fn wide(&self, bytes: &[u8]) -> Wide {
        let keys = &self.0;
        let (mut a, mut b, mut c, mut d) = (keys[0], keys[1], keys[2], keys[3]);
        let mut step = |chunk: &[u8; 32]| {
            let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| chunk[at * 8 + byte]));
            let (w0, w1, w2, w3) = (word(0), word(1), word(2), word(3));
            let (low, high) = multiply(w0 ^ a, w1 ^ b);
            (a, b) = (low ^ w1 ^ keys[4], high ^ w0 ^ keys[5]);
            let (low, high) = multiply(w2 ^ c, w3 ^ d);
            (c, d) = (low ^ w3 ^ keys[6], high ^ w2 ^ keys[7]);
        };
        let (chunks, rest) = bytes.as_chunks::<32>();
        chunks.iter().for_each(&mut step);
        if !rest.is_empty() {
            let mut last = [0; 32];
            last[..rest.len()].copy_from_slice(rest);
            step(&last);
        }
        let len = bytes.len() as u64;
        let (low, high) = multiply(a ^ keys[6] ^ len, d ^ keys[5]);
        let (low2, high2) = multiply(b ^ keys[7], c ^ keys[4] ^ len);
        self.finish((low ^ high2, high ^ low2))
    }

    /// Of the bytes of labels.
    #[inline]
    pub(crate) fn key(&self, bytes: &[u8]) -> Key {
        key_of(self.wide(bytes))
    }

    /// Where a list of hashes begins.
    #[inline]
    pub(crate) fn begin_list(&self) -> Wide {
        (self.0[3], self.0[2])
    }

    /// The list with one more.
    #[inline]
    pub(crate) fn add(&self, list: Wide, item: Wide) -> Wide {
        let (low, high) = multiply(list.0 ^ item.0, list.1 ^ item.1);
        (low ^ item.1 ^ self.0[6], high ^ item.0 ^ self.0[7])
    }

    /// The key of a list of so many hashes. No list has the key of bytes.
    #[inline]
    pub(crate) fn end_list(&self, list: Wide, len: usize) -> Key {
        let (low, high) = multiply(list.0 ^ self.0[4], list.1 ^ self.0[5] ^ len as u64);
        key_of(self.finish((low ^ list.1, high ^ list.0)))
    }

    /// Lets every bit count for every other. The halves of a product are folded, because its low bits alone say little.
    #[inline]
    fn finish(&self, (a, b): Wide) -> Wide {
        let fold = |(low, high): Wide| low ^ high;
        let keys = &self.0;
        let (c, d) = (fold(multiply(a ^ keys[0], b ^ keys[1])), fold(multiply(a ^ keys[2], b ^ keys[3])));
        (fold(multiply(c ^ keys[5], d ^ keys[6])), fold(multiply(c ^ keys[7], d ^ keys[4])))
    }
}

#[inline]
fn key_of((low, high): Wide) -> Key {
    Key { hash: low, check: (high >> 32) as u32 ^ high as u32 }
}

#[inline]
fn multiply(a: u64, b: u64) -> (u64, u64) {
    let product = u128::from(a) * u128::from(b);
    (product as u64, (product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_differs_hashes_differently() {
        let hasher = Hasher::random();
        let mut seen = HashSet::new();
        let mut bytes = vec![0_u8; 100];
        for len in 0..100 {
            assert!(seen.insert(hasher.wide(&bytes[..len])), "zeros of length {len}");
        }
        for bit in 0..800 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(hasher.wide(&bytes)), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let lists = [&[][..], &[1], &[1, 2], &[2, 1], &[1, 2, 2]];
        let keys: HashSet<u64> = lists
            .iter()
            .map(|list| {
                let items = list.iter().map(|item: &u8| hasher.wide(&[*item]));
                hasher.end_list(items.fold(hasher.begin_list(), |list, item| hasher.add(list, item)), list.len()).hash
            })
            .collect();
        assert_eq!(keys.len(), lists.len());
    }

    #[test]
    fn bits_are_spread() {
        let hasher = Hasher::random();
        let mut ones = [0_u32; 96];
        for number in 0..4096_u32 {
            let key = hasher.key(&number.to_le_bytes());
            for (at, count) in ones.iter_mut().enumerate() {
                *count += if at < 64 { (key.hash >> at) as u32 & 1 } else { key.check >> (at - 64) & 1 };
            }
        }
        assert!(ones.iter().all(|count| (1800..2300).contains(count)), "{ones:?}");
    }
}
