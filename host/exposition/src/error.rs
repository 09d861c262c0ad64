use std::fmt;

/// What is wrong with a body, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters (in bytes where the line is not valid UTF-8).
    pub column: usize,
    /// Bytes before the place.
    pub offset: usize,
    /// What was found and what was expected.
    pub message: String,
}

/// Longest part of a body that a message quotes, in characters.
const QUOTE_CHARS_MAX: usize = 40;

impl ParseError {
    /// An error at an offset of the body. Lines are counted here and not while reading, which is the common case.
    pub(crate) fn at(body: &[u8], offset: usize, message: impl Into<String>) -> Self {
        let offset = offset.min(body.len());
        let before = &body[..offset];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let in_line = &before[line_start..];
        let column = std::str::from_utf8(in_line).map_or(in_line.len(), |text| text.chars().count()) + 1;
        Self { line: memchr::memchr_iter(b'\n', before).count() + 1, column, offset, message: message.into() }
    }
}

/// The bytes at an offset up to the end of the line, shortened, as a message quotes them.
pub(crate) fn quote(body: &[u8], from: usize) -> String {
    let rest = body.get(from..).unwrap_or_default();
    if rest.is_empty() {
        return "the end of the body".to_owned();
    }
    let window = &rest[..rest.len().min(QUOTE_CHARS_MAX * 4)];
    let line = memchr::memchr(b'\n', window).map_or(window, |end| &window[..end]);
    if line.is_empty() {
        return "the end of the line".to_owned();
    }
    let text = String::from_utf8_lossy(line);
    let short: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    if short.len() < text.len() { format!("{short:?}…") } else { format!("{short:?}") }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}
