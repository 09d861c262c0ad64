use std::fmt;

/// The content type of what [`crate::encode`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The Prometheus text format, versions 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text, versions 0.0.1 and 1.0.0, with names in quotes: `# UNIT` and `# EOF`, times in seconds, exemplars.
    OpenMetrics,
    /// Messages, one after the other: [`crate::protobuf`] reads them.
    Protobuf,
}

/// Why a content type names no format that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// There is none.
    Missing,
    /// Known, but not read by this version.
    Unsupported(String),
    /// Something else, such as a page for people.
    Foreign(String),
    /// It cannot be read as a content type.
    Malformed(String),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the answer has no Content-Type"),
            Self::Unsupported(what) => write!(f, "the answer is in {what}, which this version does not read"),
            Self::Malformed(what) => write!(f, "the answer has the Content-Type {what:?}, which cannot be read"),
            Self::Foreign(what) => write!(f, "the answer has the Content-Type {what:?}, which is no format for metrics"),
        }
    }
}

impl std::error::Error for FormatError {}

impl Format {
    /// What a `Content-Type` header says. Media types are compared as upstream does: without regard to case, and a
    /// `text/plain` of any version counts as the text format.
    pub fn from_content_type(header: Option<&str>) -> Result<Self, FormatError> {
        if header == Some(CONTENT_TYPE) {
            // What almost every target says.
            return Ok(Self::Text);
        }
        let Some(header) = header.map(str::trim).filter(|text| !text.is_empty()) else { return Err(FormatError::Missing) };
        let Some(media) = media_type(header) else { return Err(FormatError::Malformed(header.chars().take(100).collect())) };
        match media.as_str() {
            "text/plain" => Ok(Self::Text),
            "application/openmetrics-text" => Ok(Self::OpenMetrics),
            "application/vnd.google.protobuf" => Ok(Self::Protobuf),
            "application/openmetrics-protobuf" => Err(FormatError::Unsupported("OpenMetrics' protobuf".to_owned())),
            _ => Err(FormatError::Foreign(header.chars().take(100).collect())),
        }
    }

    /// What a body without a content type is in, such as the text of an exporter plugin: OpenMetrics if it ends in `# EOF`.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Self {
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let is_last_line = body.len() == 5 || body.len() > 5 && body[body.len() - 6] == b'\n';
        if body.ends_with(b"# EOF") && is_last_line { Self::OpenMetrics } else { Self::Text }
    }
}

/// The media type of a `Content-Type`, in small letters. None where it or a parameter does not have the form of RFC 9110, or
/// where a parameter comes twice.
fn media_type(header: &str) -> Option<String> {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    let (media, mut rest) = header.split_once(';').map_or((header, None), |(media, rest)| (media, Some(rest)));
    let media = media.trim().to_ascii_lowercase();
    let (kind, subtype) = media.split_once('/').unwrap_or((&media, "plain"));
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    while let Some(text) = rest {
        let text = text.trim_start();
        if text.trim_end().is_empty() {
            // A semicolon at the end.
            break;
        }
        let (name, value) = text.split_once('=')?;
        let name = name.trim_end().to_ascii_lowercase();
        if !is_token(&name) || names.contains(&name) {
            return None;
        }
        names.push(name);
        let value = value.trim_start();
        let end = match value.strip_prefix('"') {
            Some(inner) => 2 + closing_quote(inner)?,
            None => value.find(';').unwrap_or(value.len()),
        };
        if !value.starts_with('"') && !is_token(value[..end].trim_end()) {
            return None;
        }
        let behind = value[end..].trim_start();
        rest = match behind.strip_prefix(';') {
            Some(next) => Some(next),
            None if behind.is_empty() => None,
            None => return None,
        };
    }
    Some(media)
}

/// Where the quoted text ends.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        let malformed = |text: &str| FormatError::Malformed(text.to_owned());
        for (header, expected) in [
            (Some("text/plain"), Ok(Format::Text)),
            (Some("Text/Plain; version=0.0.4; charset=utf-8"), Ok(Format::Text)),
            (Some("application/openmetrics-text; version=1.0.0"), Ok(Format::OpenMetrics)),
            (None, Err(FormatError::Missing)),
            (Some(" "), Err(FormatError::Missing)),
            (Some("text/html; charset=utf-8"), Err(FormatError::Foreign("text/html; charset=utf-8".to_owned()))),
            (Some("application/openmetrics-text; version=\"1.0.0\" ;charset = utf-8; "), Ok(Format::OpenMetrics)),
            (Some("text/plain; charset=utf-8; charset=utf-8"), Err(malformed("text/plain; charset=utf-8; charset=utf-8"))),
            (Some("text/plain; version=\"0.0.4"), Err(malformed("text/plain; version=\"0.0.4"))),
            (Some("text/plain; version"), Err(malformed("text/plain; version"))),
            (Some("text plain"), Err(malformed("text plain"))),
            (Some("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"), Ok(Format::Protobuf)),
            (Some("application/openmetrics-protobuf"), Err(FormatError::Unsupported("OpenMetrics' protobuf".to_owned()))),
        ] {
            assert_eq!(Format::from_content_type(header), expected, "{header:?}");
        }
    }

    #[test]
    fn a_last_line_eof_means_openmetrics() {
        for (body, expected) in [
            ("a 1\n# EOF\n", Format::OpenMetrics),
            ("# EOF", Format::OpenMetrics),
            ("a 1\n", Format::Text),
            ("a 1\n# EOF\nb 2\n", Format::Text),
            ("# HELP x # EOF", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(Format::of_body(body.as_bytes()), expected, "{body:?}");
        }
    }
}
