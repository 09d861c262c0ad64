//! One line held against a format.

use crate::format::{Field, Format, Piece};

/// Attempts of one line at ends of fields that could be elsewhere.
const STEPS_MAX: u32 = 64;

/// What a line says. Bytes, because a log holds whatever clients sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The client.
    pub address: &'a [u8],
    /// Of a request that is a word and something after it.
    pub method: Option<&'a [u8]>,
    /// As asked for, with query.
    pub uri: Option<&'a [u8]>,
    /// From 0 to 999.
    pub status: u16,
    /// Of the answer.
    pub bytes: Option<u64>,
    /// How long the answer took, in microseconds.
    pub micros: Option<u64>,
    /// Whether the format has both.
    pub referer_and_agent: bool,
}

/// The first format that fits the whole line.
#[must_use]
pub fn parse<'a>(formats: &[Format], line: &'a [u8]) -> Option<Entry<'a>> {
    formats.iter().find_map(|format| {
        let mut matching = Matching { pieces: &format.pieces, line, entry: Entry::default(), steps: 0 };
        let fits = matching.from(0, 0);
        let both = [Field::Referer, Field::Agent].iter().all(|field| format.pieces.contains(&Piece::Field(*field)));
        fits.then_some(Entry { referer_and_agent: both, ..matching.entry })
    })
}

struct Matching<'f, 'a> {
    pieces: &'f [Piece],
    line: &'a [u8],
    entry: Entry<'a>,
    steps: u32,
}

impl<'a> Matching<'_, 'a> {
    /// Whether the pieces from `piece` on fit the line from `at` on, to its end.
    fn from(&mut self, piece: usize, at: usize) -> bool {
        match self.pieces.get(piece) {
            None => at == self.line.len(),
            Some(Piece::Literal(text)) => self.line[at..].starts_with(text) && self.from(piece + 1, at + text.len()),
            Some(Piece::Field(field)) => self.field(*field, piece, at),
        }
    }

    fn field(&mut self, field: Field, piece: usize, at: usize) -> bool {
        let rest = &self.line[at..];
        let quoted =
            piece > 0 && self.edge(piece - 1, |text| text.last()) == Some(b'"') && self.edge(piece + 1, |text| text.first()) == Some(b'"');
        let length = match field {
            Field::Status => 3,
            Field::Time => 26,
            Field::Bytes => run(rest, |byte| byte.is_ascii_digit() || byte == b'-'),
            Field::Duration(_) => run(rest, |byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')),
            _ if quoted => quoted_length(rest),
            Field::Address => run(rest, |byte| byte != b' ' && byte != b'\t'),
            _ => return self.up_to(piece, at, field),
        };
        length <= rest.len() && self.take(field, &rest[..length], quoted) && self.from(piece + 1, at + length)
    }

    fn edge(&self, piece: usize, of: impl Fn(&[u8]) -> Option<&u8>) -> Option<u8> {
        match self.pieces.get(piece) {
            Some(Piece::Literal(text)) => of(text).copied(),
            _ => None,
        }
    }

    /// A field that ends where the text after it stands: at the first place from which the rest fits.
    fn up_to(&mut self, piece: usize, at: usize, field: Field) -> bool {
        let line = self.line;
        let Some(Piece::Literal(end)) = self.pieces.get(piece + 1) else {
            return self.take(field, &line[at..], false);
        };
        let mut from = at + 1;
        while from <= line.len() {
            let Some(found) = memchr::memmem::find(&line[from..], end) else { return false };
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return false;
            }
            if self.take(field, &line[at..from + found], false) && self.from(piece + 1, from + found) {
                return true;
            }
            from += found + 1;
        }
        false
    }

    /// Notes what a field says. False for what it cannot be.
    fn take(&mut self, field: Field, text: &'a [u8], quoted: bool) -> bool {
        match field {
            Field::Address => {
                self.entry.address = text;
                return !text.is_empty();
            }
            Field::Time => return is_time(text),
            Field::Request => (self.entry.method, self.entry.uri) = request(text),
            Field::Method => self.entry.method = Some(text),
            Field::Uri => self.entry.uri = Some(text),
            Field::Status => match number(text) {
                Some(status) => self.entry.status = u16::try_from(status).unwrap_or(999),
                None => return false,
            },
            Field::Bytes if text == b"-" => self.entry.bytes = None,
            Field::Bytes => {
                self.entry.bytes = number(text);
                return self.entry.bytes.is_some();
            }
            Field::Duration(_) if text == b"-" => self.entry.micros = None,
            Field::Duration(unit) => {
                self.entry.micros = micros(text, unit);
                return self.entry.micros.is_some();
            }
            Field::Text | Field::Referer | Field::Agent => return quoted || !text.is_empty(),
        }
        true
    }
}

fn run(text: &[u8], within: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !within(*byte)).unwrap_or(text.len())
}

/// Up to the next quotation mark that no backslash stands before. Past the end for none.
fn quoted_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text[at..]) {
        at += found;
        if text[at] == b'"' {
            return at;
        }
        at += 2;
        if at > text.len() {
            break;
        }
    }
    text.len() + 1
}

/// Method and what is asked for. A request is a word, a blank, and more.
fn request(text: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let word = run(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let Some((b' ', rest)) = text[word..].split_first().filter(|(_, rest)| word > 0 && !rest.is_empty()) else { return (None, None) };
    let uri = run(rest, |byte| byte != b' ');
    (Some(&text[..word]), Some(&rest[..uri]))
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// A decimal number of units, as microseconds; what is finer is cut off.
fn micros(text: &[u8], unit: u32) -> Option<u64> {
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = point.map_or((text, &[][..]), |point| (&text[..point], &text[point + 1..]));
    let whole = number(whole)?.saturating_mul(u64::from(unit));
    if fraction.is_empty() {
        return (point.is_none()).then_some(whole);
    }
    number(fraction)?;
    let digits = &fraction[..fraction.len().min(9)];
    let part = number(digits)?.saturating_mul(u64::from(unit)) / 10_u64.pow(u32::try_from(digits.len()).unwrap_or(9));
    Some(whole.saturating_add(part))
}

/// `10/Oct/2000:13:55:36 -0700`.
fn is_time(text: &[u8]) -> bool {
    const SHAPE: &[u8; 26] = b"00/Aaa/0000:00:00:00 +0000";
    text.len() == SHAPE.len()
        && text.iter().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'A' | b'a' => byte.is_ascii_alphabetic(),
            b'+' => matches!(byte, b'+' | b'-'),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::compile;

    fn entry<'a>(format: &str, line: &'a str) -> Option<Entry<'a>> {
        parse(&compile(format).unwrap(), line.as_bytes())
    }

    #[test]
    fn combined_and_common() {
        let common = r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#;
        let found = entry("", common).unwrap();
        assert_eq!((found.address, found.method, found.uri), (&b"127.0.0.1"[..], Some(&b"GET"[..]), Some(&b"/apache_pb.gif"[..])));
        assert_eq!((found.status, found.bytes, found.micros, found.referer_and_agent), (200, Some(2326), None, false));
        let combined = format!(r#"{common} "http://a/" "Mozilla \"x\" [b]""#);
        assert!(entry("", &combined).unwrap().referer_and_agent);
        assert!(entry("common", &combined).is_none() && entry("combined", common).is_none());
        assert!(
            entry("", r#"::1 - a b [c [10/Oct/2000:13:55:36 -0700] "-" 408 -"#)
                .is_some_and(|found| found.method.is_none() && found.bytes.is_none())
        );
    }

    #[test]
    fn what_does_not_fit() {
        let good = r#"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326"#;
        assert!(entry("", good).is_some());
        // Without its last digit it is still one.
        for cut in 0..good.len() - 3 {
            assert!(entry("", &good[..cut]).is_none(), "{}", &good[..cut]);
        }
        for line in
            ["", " ", "\"", "{\"status\":200}", "a - - [", &good.replace("200", "20x"), &good.replace('"', "'"), &format!("{good} 1")]
        {
            assert!(entry("", line).is_none(), "{line}");
        }
    }

    #[test]
    fn durations_in_every_unit() {
        for (format, text, expected) in [
            ("$status $request_time", "200 0.005", Some(5000)),
            ("$status $request_time", "200 -", None),
            ("%s %D", "200 1500", Some(1500)),
            ("%s %T", "200 2", Some(2_000_000)),
            ("%s %{ms}T", "200 7", Some(7000)),
            ("$status $request_time", "200 1.23456789012345", Some(1_234_567)),
            ("$status $request_time", "200 99999999999999999999", Some(u64::MAX)),
        ] {
            assert_eq!(entry(format, text).unwrap().micros, expected, "{text}");
        }
        for text in ["200 1.", "200 .5", "200 1.2.3", "200 -1", "200 1-", "200 "] {
            assert!(entry("$status $request_time", text).is_none(), "{text}");
        }
    }

    #[test]
    fn json_formats_work_too() {
        let format = r#"{"a":"$remote_addr","m":"$request_method","u":"$request_uri","s":$status,"t":"$request_time"}"#;
        let found = entry(format, r#"{"a":"::1","m":"PUT","u":"/a?b=\"c","s":503,"t":"0.1"}"#).unwrap();
        assert_eq!(
            (found.method, found.uri, found.status, found.micros),
            (Some(&b"PUT"[..]), Some(&b"/a?b=\\\"c"[..]), 503, Some(100_000))
        );
    }

    #[test]
    fn hostile_lines_end_soon() {
        let formats = compile("$http_a $http_b $http_c $http_d $http_e [$status]").unwrap();
        let line = b"x ".repeat(30_000);
        let begun = std::time::Instant::now();
        assert!(parse(&formats, &line).is_none());
        println!("a line of {} blanks: {:?}", line.len(), begun.elapsed());
        let mut state = 7_u64;
        for round in 0..20_000 {
            let length = round % 120;
            let noise: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    b"\"\\[] -/:09aG\xff\0.+"[(state >> 33) as usize % 16]
                })
                .collect();
            for format in ["", "%h %u [%s] \"%r\"", "$status \"$request\" $request_time"] {
                let _ = parse(&compile(format).unwrap(), &noise);
            }
        }
    }
}
