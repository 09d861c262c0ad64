//! What follows the labels of a sample, which is all that is read of a line that is known.

use model::TimestampMs;

use crate::error::{ParseError, quote};
use crate::format::Format;
use crate::number::read_float;
use crate::reader::LINE_BYTES_MAX;

/// What follows the labels of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// The value. Any NaN comes as the same one, which is not the stale marker.
    pub value: f64,
    /// The time, if one is given.
    pub timestamp: Option<TimestampMs>,
    /// Where an exemplar begins, with its `#`. [`crate::Exemplar::read`] reads it and says whether it is good.
    pub exemplar_at: Option<usize>,
    /// Where the next line begins.
    pub end: usize,
}

/// Reads what follows a sample's labels: the value, the time if one is given, the end of the line. `value_at` is where the
/// value begins. An exemplar is found but not read.
#[inline]
pub fn read_tail(body: &[u8], value_at: usize, format: Format) -> Result<Tail, ParseError> {
    let tail = read_tail_within(body, body, value_at, format)?;
    if tail.end - value_at > LINE_BYTES_MAX {
        return Err(ParseError::at(body, value_at, format!("the line is longer than {LINE_BYTES_MAX} bytes")));
    }
    Ok(tail)
}

#[inline]
pub(crate) fn read_tail_within(body: &[u8], bytes: &[u8], value_at: usize, format: Format) -> Result<Tail, ParseError> {
    let number = read_float(bytes.get(value_at..).unwrap_or_default());
    let Some((value, length)) = number else { return Err(bad_value(body, value_at)) };
    let end = value_at + length;
    match bytes.get(end) {
        Some(b'\n') => Ok(Tail { value, timestamp: None, exemplar_at: None, end: end + 1 }),
        None => Ok(Tail { value, timestamp: None, exemplar_at: None, end }),
        Some(b' ' | b'\t') => rest_of_line(body, bytes, end, value, format),
        Some(_) => Err(bad_value(body, value_at)),
    }
}

/// Tells why no value stands where one is expected.
#[cold]
fn bad_value(body: &[u8], at: usize) -> ParseError {
    let rest = body.get(at..).unwrap_or_default();
    let token = &rest[..rest.iter().position(|b| matches!(b, b' ' | b'\t' | b'\n')).unwrap_or(rest.len())];
    let message = if token.is_empty() {
        format!("expected a value, found {}", quote(body, at))
    } else if token.ends_with(b"\r") {
        "a carriage return at the end of the line: lines end in a newline alone".to_owned()
    } else if token.contains(&b'_') || matches!(token, [b'0', b'x' | b'X', ..] | [b'+' | b'-', b'0', b'x' | b'X', ..]) {
        format!("expected a value as a decimal number, found {}", quote(token, 0))
    } else {
        format!("expected a value, found {} (a number as far as a float reaches, +Inf, -Inf or NaN)", quote(token, 0))
    };
    ParseError::at(body, at, message)
}

/// What follows the value and a blank.
fn rest_of_line(body: &[u8], bytes: &[u8], at: usize, value: f64, format: Format) -> Result<Tail, ParseError> {
    let mut at = blanks(body, bytes, at, format)?;
    let mut timestamp = None;
    if matches!(bytes.get(at), Some(b'0'..=b'9' | b'-' | b'+' | b'.')) {
        let (time, next) = match format {
            Format::Text | Format::Protobuf => read_milliseconds(bytes, at),
            Format::OpenMetrics => read_seconds(bytes, at),
        }
        .ok_or_else(|| bad_timestamp(body, at, format))?;
        if !matches!(bytes.get(next), None | Some(b' ' | b'\t' | b'\n')) {
            return Err(bad_timestamp(body, at, format));
        }
        timestamp = Some(time);
        at = if matches!(bytes.get(next), Some(b' ' | b'\t')) { blanks(body, bytes, next, format)? } else { next };
    }
    let tail = Tail { value, timestamp, exemplar_at: None, end: at };
    match bytes.get(at) {
        None => Ok(tail),
        // In OpenMetrics a blank stands before it, or this would not have been reached without a time.
        Some(b'\n') if format == Format::Text || bytes.get(at - 1) != Some(&b' ') => Ok(Tail { end: at + 1, ..tail }),
        Some(b'\n') => Err(ParseError::at(body, at - 1, "a blank at the end of the line, which OpenMetrics does not allow")),
        Some(b'#') if format == Format::OpenMetrics => {
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length + 1);
            Ok(Tail { exemplar_at: Some(at), end, ..tail })
        }
        Some(b'\r') => Err(ParseError::at(body, at, "a carriage return at the end of the line: lines end in a newline alone")),
        Some(_) => Err(ParseError::at(body, at, format!("expected a time or the end of the line, found {}", quote(body, at)))),
    }
}

/// Goes over what separates parts of a line: any blanks in the text format, one space in OpenMetrics.
fn blanks(body: &[u8], bytes: &[u8], at: usize, format: Format) -> Result<usize, ParseError> {
    match format {
        Format::Text | Format::Protobuf => Ok(skip_blanks(bytes, at)),
        Format::OpenMetrics if bytes.get(at) == Some(&b' ') && !matches!(bytes.get(at + 1), Some(b' ' | b'\t')) => Ok(at + 1),
        Format::OpenMetrics => Err(ParseError::at(body, at, "expected one space, as OpenMetrics has between parts of a line")),
    }
}

#[cold]
fn bad_timestamp(body: &[u8], at: usize, format: Format) -> ParseError {
    let unit = if format == Format::Text { "whole milliseconds" } else { "seconds" };
    ParseError::at(body, at, format!("expected a time in {unit}, found {}", quote(body, at)))
}

/// A time before 1970 is read here, though Prometheus' scraper refuses it: its other reader and the format allow it, and
/// storage has bounds of its own.
fn read_milliseconds(bytes: &[u8], at: usize) -> Option<(TimestampMs, usize)> {
    let digits_at = at + usize::from(bytes[at] == b'-');
    let digits = bytes[digits_at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let text = std::str::from_utf8(&bytes[at..digits_at + digits]).ok()?;
    Some((text.parse().ok()?, digits_at + digits))
}

/// A time beyond what milliseconds hold becomes the last one that they do, which storage refuses and counts.
pub(crate) fn read_seconds(bytes: &[u8], at: usize) -> Option<(TimestampMs, usize)> {
    let (seconds, length) = read_float(&bytes[at..])?;
    seconds.is_finite().then_some(((seconds * 1000.0) as TimestampMs, at + length))
}

#[inline]
pub(crate) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}
