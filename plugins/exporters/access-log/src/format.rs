//! Formats of log lines: nginx's `log_format`, Apache's `LogFormat`, and the two that everybody has.
//!
//! A format is compiled to literals with fields between them. Nothing here is a regular expression: a line costs one pass, and
//! where a field may hold what ends it (a user's name with blanks), a bounded number of attempts.

use std::fmt;

/// As `common` of Apache, and the beginning of nginx's `combined`.
const COMMON: &str = r#"%h %l %u %t "%r" %>s %b"#;
/// As `combined` of both.
const COMBINED: &str = r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#;
/// Pieces of a format.
const PIECES_MAX: usize = 200;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The client's address or name.
    Address,
    /// `10/Oct/2000:13:55:36 -0700`.
    Time,
    /// `GET /path HTTP/1.1`.
    Request,
    Method,
    /// With or without its query.
    Uri,
    /// Three digits.
    Status,
    /// Digits, or `-` for none.
    Bytes,
    /// A decimal number of this many microseconds each, or `-`.
    Duration(u32),
    Referer,
    Agent,
    /// Anything else.
    Text,
}

/// Part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(Vec<u8>),
    Field(Field),
}

/// A compiled format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Literals and fields in turn.
    pub(crate) pieces: Vec<Piece>,
}

/// Why a format cannot be used. For people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError(String);

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FormatError {}

/// The formats that a line may have, the first that fits counts. Empty is combined or common.
///
/// # Errors
/// For a text that is neither a known name nor a format with a status.
pub fn compile(text: &str) -> Result<Vec<Format>, FormatError> {
    match text.trim() {
        "" | "auto" => Ok(vec![apache(COMBINED)?, apache(COMMON)?]),
        "combined" => Ok(vec![apache(COMBINED)?]),
        "common" => Ok(vec![apache(COMMON)?]),
        other => {
            let format = if other.contains('$') {
                nginx(other)?
            } else if other.contains('%') {
                apache(other)?
            } else {
                return Err(FormatError(format!(
                    "{other:?} is no format: write combined, common, nginx's log_format as in $remote_addr … $status, or Apache's LogFormat as in %h … %>s"
                )));
            };
            check(&format)?;
            Ok(vec![format])
        }
    }
}

fn check(format: &Format) -> Result<(), FormatError> {
    if format.pieces.len() > PIECES_MAX {
        return Err(FormatError(format!("the format has more than {PIECES_MAX} fields and texts between them")));
    }
    if format.pieces.windows(2).any(|pair| matches!(pair, [Piece::Field(_), Piece::Field(_)])) {
        return Err(FormatError(
            "two fields of the format stand side by side: something must be between them to tell them apart".to_owned(),
        ));
    }
    if !format.pieces.contains(&Piece::Field(Field::Status)) {
        return Err(FormatError("the format has no status: $status in nginx's form, %>s in Apache's".to_owned()));
    }
    Ok(())
}

#[derive(Default)]
struct Building {
    pieces: Vec<Piece>,
}

impl Building {
    fn literal(&mut self, c: char) {
        let mut bytes = [0; 4];
        let bytes = c.encode_utf8(&mut bytes).as_bytes();
        match self.pieces.last_mut() {
            Some(Piece::Literal(text)) => text.extend_from_slice(bytes),
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
    }

    fn field(&mut self, field: Field) {
        self.pieces.push(Piece::Field(field));
    }
}

/// Apache's time brings its brackets along.
fn bracketed_time(building: &mut Building) {
    building.literal('[');
    building.field(Field::Time);
    building.literal(']');
}

fn apache(text: &str) -> Result<Format, FormatError> {
    let mut building = Building::default();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('t') => building.literal('\t'),
                Some(escaped) => building.literal(escaped),
                None => building.literal('\\'),
            },
            '%' => {
                while rest.next_if(|c| matches!(c, '<' | '>' | '!' | ',' | '0'..='9')).is_some() {}
                let mut argument = None;
                if rest.next_if_eq(&'{').is_some() {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(c) => name.push(c),
                            None => return Err(FormatError("a { of the format is not closed".to_owned())),
                        }
                    }
                    argument = Some(name);
                }
                let letter = rest.next().ok_or_else(|| FormatError("the format ends in a single %".to_owned()))?;
                apache_field(&mut building, letter, argument.as_deref(), &mut rest);
            }
            c => building.literal(c),
        }
    }
    Ok(Format { pieces: building.pieces })
}

fn apache_field(building: &mut Building, letter: char, argument: Option<&str>, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let is = |name: &str| argument.is_some_and(|argument| argument.eq_ignore_ascii_case(name));
    match letter {
        '%' => building.literal('%'),
        't' if argument.is_none() => bracketed_time(building),
        'h' | 'a' => building.field(Field::Address),
        'r' => building.field(Field::Request),
        'm' => building.field(Field::Method),
        'U' => building.field(Field::Uri),
        's' => building.field(Field::Status),
        'b' | 'B' | 'O' => building.field(Field::Bytes),
        'D' => building.field(Field::Duration(1)),
        'T' if is("us") => building.field(Field::Duration(1)),
        'T' if is("ms") => building.field(Field::Duration(1000)),
        'T' => building.field(Field::Duration(1_000_000)),
        'i' if is("referer") => building.field(Field::Referer),
        'i' if is("user-agent") => building.field(Field::Agent),
        '^' => {
            // The two letters of `^ti` and `^to`.
            let _ = (rest.next(), rest.next());
            building.field(Field::Text);
        }
        _ => building.field(Field::Text),
    }
}

fn nginx(text: &str) -> Result<Format, FormatError> {
    let mut building = Building::default();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '$' {
            building.literal(c);
            continue;
        }
        let braced = rest.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if name.is_empty() || (braced && rest.next() != Some('}')) {
            return Err(FormatError("a $ of the format has no name after it, or its { is not closed".to_owned()));
        }
        building.field(match name.as_str() {
            "remote_addr" | "realip_remote_addr" => Field::Address,
            "time_local" => Field::Time,
            "request" => Field::Request,
            "request_method" => Field::Method,
            "request_uri" | "uri" => Field::Uri,
            "status" => Field::Status,
            "body_bytes_sent" => Field::Bytes,
            // Counts headers too, so it is taken only where the body's number is not logged.
            "bytes_sent" if !text.contains("body_bytes_sent") => Field::Bytes,
            "request_time" => Field::Duration(1_000_000),
            "http_referer" => Field::Referer,
            "http_user_agent" => Field::Agent,
            _ => Field::Text,
        });
    }
    Ok(Format { pieces: building.pieces })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<Field> {
        let formats = compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        formats[0].pieces.iter().filter_map(|piece| if let Piece::Field(field) = piece { Some(*field) } else { None }).collect()
    }

    #[test]
    fn both_ways_of_writing_give_the_same() {
        use Field::{Address, Agent, Bytes, Duration, Referer, Request, Status, Text, Time};
        let combined = [Address, Text, Text, Time, Request, Status, Bytes, Referer, Agent];
        assert_eq!(fields("combined"), combined);
        assert_eq!(fields(r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-agent}i\" %D"#), [&combined[..], &[Duration(1)]].concat());
        assert_eq!(
            fields(
                r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "${http_user_agent}" $request_time"#
            ),
            [Address, Text, Time, Request, Status, Bytes, Referer, Agent, Duration(1_000_000)]
        );
        assert_eq!(fields("%{%s}t %!200,304{Referer}i 100%% %{ms}T %{X}^ti %s"), [Text, Referer, Duration(1000), Text, Status]);
        assert_eq!(compile("").map(|formats| formats.len()), Ok(2));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (text, part) in [
            ("nginx", "is no format"),
            ("$remote_addr", "has no status"),
            ("$status$request", "side by side"),
            ("$status ${a", "not closed"),
            ("$status $ x", "no name"),
            ("%s %{a", "not closed"),
            ("%s %", "single %"),
        ] {
            let error = compile(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(compile(&"$status ".repeat(1000)).is_err());
    }
}
