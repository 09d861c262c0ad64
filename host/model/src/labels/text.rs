//! Parts of a label set's text, and texts as JSON has them.

use super::LABEL_NAME_BYTES_MAX;

/// Appends a text as JSON has it between quotes.
pub(super) fn escape_into(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(&rest[..at]);
        let short = match rest[at] {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0C => b'f',
            control => {
                let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control & 15)]);
                rest = &rest[at + 1..];
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// A place in a text.
pub(super) fn place(at: usize) -> u32 {
    assert!(at <= u32::MAX as usize, "limits on bodies keep label sets far below this");
    at as u32
}

pub(super) fn push_part(text: &mut String, part: &str) {
    assert!(part.len() <= LABEL_NAME_BYTES_MAX, "limits on bodies keep labels far below this");
    let mut length = part.len();
    while length >= 0x40 {
        text.push(char::from((length & 0x3F) as u8 | 0x40));
        length >>= 6;
    }
    text.push(char::from(length as u8));
    text.push_str(part);
}

pub(super) fn split_part<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let bytes = rest.as_bytes();
    let (mut length, mut digits) = (0_usize, 0);
    loop {
        let byte = *bytes.get(digits)?;
        if byte >= 0x80 || digits > 5 {
            return None;
        }
        length |= usize::from(byte & 0x3F) << (6 * digits);
        digits += 1;
        if byte & 0x40 == 0 {
            break;
        }
    }
    let part = rest.get(digits..digits.checked_add(length)?)?;
    *rest = &rest[digits + length..];
    Some(part)
}
