//! Numbers and texts as Prometheus' files have them: big endian, and Go's varints. Reading never panics and never allocates
//! for a length that the bytes do not hold.

use std::borrow::Cow;

/// What is wrong, and how far from the start of what was being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) at: usize,
    pub(crate) what: Cow<'static, str>,
}

impl Bad {
    pub(crate) fn new(at: usize, what: impl Into<Cow<'static, str>>) -> Self {
        Self { at, what: what.into() }
    }

    /// The same, seen from `offset` bytes before.
    pub(crate) fn within(self, offset: usize) -> Self {
        Self { at: self.at + offset, ..self }
    }
}

/// Walks over bytes and knows where it is.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    pub(crate) fn bad(&self, what: impl Into<Cow<'static, str>>) -> Bad {
        Bad::new(self.at, what)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Bad> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        let taken = taken.ok_or_else(|| self.bad(format!("{length} bytes should follow and {} are left", self.remaining())))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Bad> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Bad> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Bad> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Bad> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Bad> {
        self.u64().map(f64::from_bits)
    }

    pub(crate) fn uvarint(&mut self) -> Result<u64, Bad> {
        let start = self.at;
        uvarint(|| self.u8()).map_err(|bad| bad.unwrap_or_else(|| Bad::new(start, "a number has more than 64 bits")))
    }

    pub(crate) fn varint(&mut self) -> Result<i64, Bad> {
        self.uvarint().map(from_zigzag)
    }

    pub(crate) fn uvarint32(&mut self) -> Result<u32, Bad> {
        let start = self.at;
        u32::try_from(self.uvarint()?).map_err(|_| Bad::new(start, "a number has more than 32 bits"))
    }

    /// A number of things that take `each` bytes or more.
    pub(crate) fn count(&mut self, each: usize) -> Result<usize, Bad> {
        let start = self.at;
        let count = self.uvarint()?;
        let fits = usize::try_from(count).ok().filter(|count| *count <= self.remaining() / each.max(1));
        fits.ok_or_else(|| Bad::new(start, format!("{count} entries should follow, for which {} bytes are not enough", self.remaining())))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Bad> {
        let length = self.count(1)?;
        let start = self.at;
        std::str::from_utf8(self.take(length)?).map_err(|_| Bad::new(start, "a text is not UTF-8"))
    }
}

/// Go's unsigned varint. The error is the reader's, or none if the number has more than 64 bits.
pub(crate) fn uvarint<E>(mut byte: impl FnMut() -> Result<u8, E>) -> Result<u64, Option<E>> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let next = byte().map_err(Some)?;
        let part = u64::from(next & 0x7F);
        if shift == 63 && part > 1 {
            return Err(None);
        }
        value |= part << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(None)
}

pub(crate) fn from_zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(crate) fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_uvarint(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_uvarint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}
