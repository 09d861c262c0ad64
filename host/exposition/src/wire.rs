//! Protocol buffers as bytes: the fields of a message, one after the other, borrowed from the input. Source of the format:
//! <https://protobuf.dev/programming-guides/encoding/>.
//!
//! Nothing is allocated and nothing recurses; a caller walks into a nested message by reading its bytes as [`Fields`]. Groups, which
//! no format of ours has, are refused, so that nesting costs nothing.

use std::fmt;

/// The fields of one message.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A field's number and content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// As the message's definition numbers it.
    pub number: u32,
    /// What it holds.
    pub value: Value<'a>,
}

/// A field's content, by how it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `int32`, `uint64`, `sint64`, `bool`, enums.
    Varint(u64),
    /// `fixed64`, `double`.
    Fixed64(u64),
    /// `bytes`, `string`, messages, packed lists.
    Bytes(&'a [u8]),
    /// `fixed32`, `float`.
    Fixed32(u32),
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError {
    /// Bytes into the message.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed protobuf at byte {}: {}", self.offset, self.what)
    }
}

impl std::error::Error for WireError {}

impl<'a> Fields<'a> {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes that were read.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next field; none at the end.
    #[inline]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let Some(number) = number else {
            return Err(self.error("no such field number"));
        };
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = self.varint()?;
                let rest = &self.bytes[self.at..];
                let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
                let Some(taken) = taken else {
                    return Err(self.error("a length past the end"));
                };
                self.at += taken.len();
                Value::Bytes(taken)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            3 | 4 => return Err(self.error("a group, which is not supported")),
            _ => return Err(self.error("no such wire type")),
        };
        Ok(Some(Field { number, value }))
    }

    /// One varint, for packed lists.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        if let Some(&byte) = self.bytes.get(self.at)
            && byte < 0x80
        {
            self.at += 1;
            return Ok(u64::from(byte));
        }
        let mut value = 0_u64;
        for shift in 0..10 {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.error("a number that does not end"));
            };
            self.at += 1;
            if shift == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << (7 * shift);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("a number of more than 64 bits"))
    }

    /// Whether all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Eight bytes as a double, for packed lists.
    pub fn double(&mut self) -> Result<f64, WireError> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let Some(taken) = self.bytes.get(self.at..self.at + N).and_then(|taken| taken.try_into().ok()) else {
            return Err(self.error("the message ends in a number"));
        };
        self.at += N;
        Ok(taken)
    }

    fn error(&self, what: &'static str) -> WireError {
        WireError { offset: self.at, what }
    }
}

/// `sint32` and `sint64` from their varint.
#[must_use]
pub fn zigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<Field<'_>>, WireError> {
        let mut fields = Fields::new(bytes);
        let mut found = Vec::new();
        while let Some(field) = fields.next_field()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn fields_of_each_kind() {
        let bytes = [0x08, 0x96, 0x01, 0x11, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x1A, 2, b'h', b'i', 0x25, 1, 0, 0, 0];
        let values = [Value::Varint(150), Value::Fixed64(1f64.to_bits()), Value::Bytes(b"hi"), Value::Fixed32(1)];
        let wanted: Vec<Field<'_>> = (1..).zip(values).map(|(number, value)| Field { number, value }).collect();
        assert_eq!(all(&bytes), Ok(wanted));
        for cut in [1, 2, 5, 11, 14, 17] {
            assert!(all(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let endless = [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02];
        for bytes in [&[0x00][..], &[0x0B], &[0x0C], &[0x0E], &[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], &endless] {
            assert!(all(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(
            all(&[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]).map(|found| found[0].value),
            Ok(Value::Varint(u64::MAX))
        );
    }

    #[test]
    fn zigzag_comes_back() {
        assert_eq!([0, 1, 2, 3, u64::MAX].map(zigzag), [0, -1, 1, -2, i64::MIN]);
    }
}
