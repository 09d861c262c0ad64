use std::fmt;

/// The content type of what [`crate::encode`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// The Prometheus text format, versions 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text, as far as it is like the older format: `# UNIT` and `# EOF`, times in seconds, exemplars (which
    /// are skipped). Its rules about the order of families and the values of counters are not enforced.
    OpenMetrics,
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
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the answer has no Content-Type"),
            Self::Unsupported(what) => write!(f, "the answer is in {what}, which this version does not read"),
            Self::Foreign(what) => write!(f, "the answer has the Content-Type {what:?}, which is no format for metrics"),
        }
    }
}

impl std::error::Error for FormatError {}

impl Format {
    /// What a `Content-Type` header says. Media types are compared as upstream does: without regard to case, and a
    /// `text/plain` of any version counts as the text format.
    pub fn from_content_type(header: Option<&str>) -> Result<Self, FormatError> {
        let Some(header) = header.map(str::trim).filter(|text| !text.is_empty()) else { return Err(FormatError::Missing) };
        let media = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "text/plain" => Ok(Self::Text),
            "application/openmetrics-text" => Ok(Self::OpenMetrics),
            "application/vnd.google.protobuf" => Err(FormatError::Unsupported("protobuf".to_owned())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (header, expected) in [
            (Some("text/plain"), Ok(Format::Text)),
            (Some("Text/Plain; version=0.0.4; charset=utf-8"), Ok(Format::Text)),
            (Some("application/openmetrics-text; version=1.0.0"), Ok(Format::OpenMetrics)),
            (None, Err(FormatError::Missing)),
            (Some(" "), Err(FormatError::Missing)),
            (Some("text/html; charset=utf-8"), Err(FormatError::Foreign("text/html; charset=utf-8".to_owned()))),
            (Some("application/vnd.google.protobuf; proto=x"), Err(FormatError::Unsupported("protobuf".to_owned()))),
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
