//! Reading and writing of varints, texts and fixed numbers. Reading never panics: malformed input is `None`.

/// Walks over bytes.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// The low `len` bytes of a number.
    #[inline]
    pub(crate) fn low_bytes(&mut self, len: usize) -> Option<u64> {
        if let (Some(wide), 1..=8) = (self.rest.first_chunk::<8>(), len) {
            // One load instead of a copy of some length: this is the innermost loop of reading rows.
            let number = u64::from_le_bytes(*wide) & (u64::MAX >> (64 - 8 * len));
            self.rest = &self.rest[len..];
            return Some(number);
        }
        let mut wide = [0; 8];
        wide.get_mut(..len)?.copy_from_slice(self.take(len)?);
        Some(u64::from_le_bytes(wide))
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7F);
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn zigzag(&mut self) -> Option<i64> {
        self.varint().map(from_zigzag)
    }

    /// A varint that counts things of at least one byte each (or one bit, with `per_byte` 8), so that it cannot be larger
    /// than what is left; this bounds what a damaged count makes us allocate.
    pub(crate) fn count(&mut self, per_byte: usize) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= self.rest.len().saturating_mul(per_byte)).then_some(count)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = self.count(1)?;
        std::str::from_utf8(self.take(len)?).ok()
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) fn from_zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(values: Vec<i64>) {
            let mut out = Vec::new();
            for value in &values {
                put_zigzag(&mut out, *value);
            }
            let mut reader = Reader::new(&out);
            for value in &values {
                prop_assert_eq!(reader.zigzag(), Some(*value));
            }
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.varint().is_some() {}
            let mut reader = Reader::new(&bytes);
            while reader.text().is_some() {}
        }
    }

    #[test]
    fn a_varint_has_at_most_64_bits() {
        assert_eq!(Reader::new(&[0xFF; 9].iter().copied().chain([1]).collect::<Vec<_>>()).varint(), Some(u64::MAX));
        assert_eq!(Reader::new(&[0xFF; 9].iter().copied().chain([2]).collect::<Vec<_>>()).varint(), None);
        assert_eq!(Reader::new(&[0x80; 11]).varint(), None);
    }
}
