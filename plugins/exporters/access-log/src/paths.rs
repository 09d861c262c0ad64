//! Patterns of the paths that requests ask for. A label value is a pattern, never a path: what visitors invent makes no series.

/// Patterns of one file.
pub const PATTERNS_MAX: usize = 64;
/// Bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 128;

/// Patterns in order; the first that fits counts.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<(String, Vec<Segment>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// With `*` for any characters.
    Text(String),
    /// `:name`: one segment, whatever it is.
    Any,
    /// `*` as the last segment, or `**`: at least one segment, whatever they are.
    Rest,
}

impl Patterns {
    /// Reads patterns such as `/users/:id` and `/static/*`.
    ///
    /// # Errors
    /// A text for people.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.len() > PATTERNS_MAX {
            return Err(format!("paths: {} patterns are more than the limit of {PATTERNS_MAX}", texts.len()));
        }
        texts.iter().map(|text| Ok((text.clone(), segments(text)?))).collect::<Result<_, String>>().map(Self)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A pattern by its place.
    #[must_use]
    pub fn text(&self, at: usize) -> Option<&str> {
        self.0.get(at).map(|(text, _)| text.as_str())
    }

    /// The place of the first pattern that fits what a request asks for. Query and, of a whole URL, the host do not count.
    #[must_use]
    pub fn find(&self, uri: &[u8]) -> Option<usize> {
        let path = path(uri);
        self.0.iter().position(|(_, segments)| fits(segments, path))
    }
}

fn segments(text: &str) -> Result<Vec<Segment>, String> {
    let Some(rest) = text.strip_prefix('/') else { return Err(format!("paths: {text:?} does not begin with /")) };
    if text.len() > PATTERN_BYTES_MAX || text.contains(['?', '#']) {
        return Err(format!("paths: {text:?} is no pattern of a path without query, of at most {PATTERN_BYTES_MAX} bytes"));
    }
    let count = rest.split('/').count();
    let mut segments = Vec::with_capacity(count);
    for (at, segment) in rest.split('/').enumerate() {
        let last = at + 1 == count;
        segments.push(match segment {
            "**" | "*" if last => Segment::Rest,
            "**" => return Err(format!("paths: {text:?} has ** before its end")),
            segment if segment.len() > 1 && (segment.starts_with(':') || (segment.starts_with('{') && segment.ends_with('}'))) => {
                Segment::Any
            }
            segment => Segment::Text(segment.to_owned()),
        });
    }
    Ok(segments)
}

fn path(uri: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', uri).unwrap_or(uri.len());
    let uri = &uri[..end];
    match memchr::memmem::find(uri, b"://").filter(|_| !uri.starts_with(b"/")) {
        Some(scheme) => memchr::memchr(b'/', &uri[scheme + 3..]).map_or(&b"/"[..], |slash| &uri[scheme + 3 + slash..]),
        None => uri,
    }
}

fn fits(segments: &[Segment], path: &[u8]) -> bool {
    let Some(path) = path.strip_prefix(b"/") else { return false };
    let mut parts = path.split(|byte| *byte == b'/');
    for segment in segments {
        let Some(part) = parts.next() else { return false };
        let good = match segment {
            Segment::Rest => return !part.is_empty() || parts.next().is_some(),
            Segment::Any => !part.is_empty(),
            Segment::Text(text) => glob(text.as_bytes(), part),
        };
        if !good {
            return false;
        }
    }
    parts.next().is_none()
}

/// Whether a name fits a pattern in which `*` stands for any bytes. Looks back to the last star only, which is enough.
#[must_use]
pub fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_pattern() {
        let texts = ["/", "/api/v1/scrap", "/users/:id", "/users/{id}/orders", "/static/*", "/img-*.png", "/a/*/b"];
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let patterns = Patterns::parse(&texts).unwrap();
        for (uri, expected) in [
            ("/", Some("/")),
            ("/api/v1/scrap", Some("/api/v1/scrap")),
            ("/api/v1/scrap?url=http://x/", Some("/api/v1/scrap")),
            ("http://shop.example/users/7", Some("/users/:id")),
            ("http://shop.example", Some("/")),
            ("/users/7", Some("/users/:id")),
            ("/users/", None),
            ("/users/7/orders#x", Some("/users/{id}/orders")),
            ("/static/", None),
            ("/static/a", Some("/static/*")),
            ("/static/a/b/c", Some("/static/*")),
            ("/img-1.png", Some("/img-*.png")),
            ("/img-1.jpg", None),
            ("/a/x/b", Some("/a/*/b")),
            ("/a/x/y/b", None),
            ("*", None),
            ("", None),
            ("/api/v1/scrap/", None),
        ] {
            assert_eq!(patterns.find(uri.as_bytes()).and_then(|at| patterns.text(at)), expected, "{uri}");
        }
        for (text, part) in [("users", "begin with /"), ("/a?b", "without query"), ("/a/**/b", "before its end")] {
            let error = Patterns::parse(&[text.to_owned()]).map(|_| ()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(Patterns::parse(&vec!["/".to_owned(); 65]).is_err());
        assert!(!glob(&b"*a".repeat(50), &b"a".repeat(20_000)[1..40]));
    }
}
