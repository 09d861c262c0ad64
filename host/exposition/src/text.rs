//! What a name, a quoted text and an escape are in both text formats.

use std::borrow::Cow;

/// A quoted or a bare part of a line, without its quotes, escapes still in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether there is a backslash in it.
    pub(crate) escaped: bool,
}

/// The length of a metric name (`colons`) or label name at the start of the bytes, 0 for none.
pub(crate) fn bare_name(bytes: &[u8], colons: bool) -> usize {
    let is_start = |b: u8| b.is_ascii_alphabetic() || b == b'_' || (colons && b == b':');
    if !bytes.first().is_some_and(|b| is_start(*b)) {
        return 0;
    }
    bytes.iter().take_while(|b| is_start(**b) || b.is_ascii_digit()).count()
}

/// Why a quoted text could not be read.
pub(crate) enum QuoteError {
    /// No closing quote before the end of the bytes.
    Open,
    /// A line ends inside, at this offset, where the format does not allow that.
    Broken(usize),
}

/// Reads a quoted text whose opening quote stands at `at`. Returns what is inside and the offset after the closing quote.
/// A backslash takes the next byte with it, whatever that is.
pub(crate) fn quoted(bytes: &[u8], at: usize, newline_allowed: bool) -> Result<(Span, usize), QuoteError> {
    let (mut cursor, mut escaped) = (at + 1, false);
    loop {
        let found = memchr::memchr3(b'"', b'\\', b'\n', bytes.get(cursor..).unwrap_or_default()).ok_or(QuoteError::Open)?;
        cursor += found;
        match bytes[cursor] {
            b'"' => return Ok((Span { start: at + 1, end: cursor, escaped }, cursor + 1)),
            b'\n' if !newline_allowed => return Err(QuoteError::Broken(cursor)),
            b'\n' => cursor += 1,
            _ if bytes.get(cursor + 1) == Some(&b'\n') => return Err(QuoteError::Broken(cursor + 1)),
            _ => {
                escaped = true;
                cursor += 2;
            }
        }
    }
}

/// The text of a `# HELP` line of the older format, where a quotation mark needs no backslash and keeps one that stands there.
pub(crate) fn unescape_help(body: &[u8], span: Span) -> Cow<'_, str> {
    let text = std::str::from_utf8(&body[span.start..span.end]).unwrap_or_default();
    if !span.escaped || !text.contains("\\\"") {
        return resolve(body, span);
    }
    // In pairs from the left, so that the backslash of `\\"` belongs to the one before it.
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('\\')) => {
                chars.next();
                out.push('\\');
            }
            ('\\', Some('n')) => {
                chars.next();
                out.push('\n');
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Resolves `\\`, `\n` and `\"`; any other backslash stays as it is, as upstream.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (plain, taken) = match rest.as_bytes().get(at + 1) {
            Some(b'n') => ("\n", 2),
            Some(b'"') => ("\"", 2),
            Some(b'\\') => ("\\", 2),
            _ => ("\\", 1),
        };
        out.push_str(plain);
        rest = &rest[at + taken..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The text of a part of the body that was found to be valid UTF-8.
pub(crate) fn resolve(body: &[u8], span: Span) -> Cow<'_, str> {
    let text = std::str::from_utf8(&body[span.start..span.end]).unwrap_or_default();
    if span.escaped { unescape(text) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (text, expected) in
            [(r"plain", "plain"), (r#"a\"b\\c\nd"#, "a\"b\\c\nd"), (r"\t\ud800", r"\t\ud800"), (r"값\\", r"값\"), ("\\", "\\")]
        {
            assert_eq!(unescape(text), expected, "{text}");
        }
    }

    #[test]
    fn bare_names() {
        for (text, colons, length) in
            [("up 1", true, 2), ("a:b{", true, 3), ("a:b", false, 1), ("1a", true, 0), ("", true, 0), ("_x9=", false, 3), ("é", false, 0)]
        {
            assert_eq!(bare_name(text.as_bytes(), colons), length, "{text}");
        }
    }
}
