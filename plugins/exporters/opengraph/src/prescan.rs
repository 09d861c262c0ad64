//! Finding the declaration of a character set in the first bytes of a page: "prescan a byte stream to determine its encoding"
//! of the HTML standard (13.2.3.2), with its helpers "get an attribute", "get an XML encoding" and "extracting a character
//! encoding from a meta element".

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

/// How much of a page the standard looks at.
const BYTES_MAX: usize = 1024;

/// The declared encoding, if a `meta` element or an XML declaration in the first bytes names one that exists.
pub(crate) fn prescan(bytes: &[u8]) -> Option<&'static Encoding> {
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    match bytes {
        // UTF-16 without a mark of byte order: `<?x`.
        [b'<', 0, b'?', 0, b'x', 0, ..] => return Some(UTF_16LE),
        [0, b'<', 0, b'?', 0, b'x', ..] => return Some(UTF_16BE),
        _ => {}
    }
    Scan { bytes, at: 0 }.meta().or_else(|| xml_declaration(bytes))
}

/// What an encoding that is declared from within means: one that ASCII text could not have declared is taken as another.
pub(crate) fn declared_within(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == UTF_16BE || encoding == UTF_16LE {
        UTF_8
    } else if encoding == X_USER_DEFINED {
        WINDOWS_1252
    } else {
        encoding
    }
}

/// The encoding that `text/html; charset=…` names. For `content` of a `meta` element, and for the header.
pub(crate) fn from_content_type(value: &[u8]) -> Option<&'static Encoding> {
    let mut rest = value;
    loop {
        let found = rest.windows(7).position(|window| window.eq_ignore_ascii_case(b"charset"))?;
        rest = rest[found + 7..].trim_ascii_start();
        if let Some(value) = rest.strip_prefix(b"=") {
            rest = value.trim_ascii_start();
            break;
        }
    }
    let label = match rest.split_first() {
        Some((quote @ (b'"' | b'\''), rest)) => rest.split(|byte| byte == quote).next().filter(|label| label.len() < rest.len())?,
        _ => rest.split(|byte| byte.is_ascii_whitespace() || *byte == b';').next()?,
    };
    Encoding::for_label(label)
}

fn xml_declaration(bytes: &[u8]) -> Option<&'static Encoding> {
    let declaration = bytes.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..declaration.iter().position(|byte| *byte == b'>')?];
    let found = declaration.windows(8).position(|window| window == b"encoding")?;
    let space = |byte: &&u8| **byte <= b' ';
    let skip = |bytes: &'_ [u8]| bytes.iter().take_while(space).count();
    let rest = &declaration[found + 8..];
    let rest = rest[skip(rest)..].strip_prefix(b"=")?;
    let rest = &rest[skip(rest)..];
    let (quote, rest) = rest.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    let label = &rest[..rest.iter().position(|byte| byte == quote)?];
    Encoding::for_label(label).map(declared_within)
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

struct Attribute {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Scan<'_> {
    /// `None` also when the bytes end in the middle of something, as the standard has it.
    fn meta(&mut self) -> Option<&'static Encoding> {
        while let Some(rest) = self.bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            let ends_name = |byte: Option<&u8>| byte.is_some_and(|byte| is_space(*byte) || *byte == b'/');
            match rest {
                // The dashes of the beginning may be those of the end: `<!-->` is a comment.
                [b'<', b'!', b'-', b'-', ..] => {
                    let end = rest[2..].windows(3).position(|window| window == b"-->")?;
                    self.at += 2 + end + 2;
                }
                [b'<', name @ ..] if name.len() > 4 && name[..4].eq_ignore_ascii_case(b"meta") && ends_name(name.get(4)) => {
                    self.at += 5;
                    if let Some(encoding) = self.meta_element()? {
                        return Some(encoding);
                    }
                }
                [b'<', letter, ..] | [b'<', b'/', letter, ..] if letter.is_ascii_alphabetic() => {
                    self.at += rest.iter().position(|byte| is_space(*byte) || *byte == b'>')?;
                    while self.attribute()?.is_some() {}
                }
                [b'<', b'!' | b'/' | b'?', ..] => self.at += rest.iter().position(|byte| *byte == b'>')?,
                _ => {}
            }
            self.at += 1;
        }
        None
    }

    /// The encoding of one element, `Some(None)` if it names none.
    fn meta_element(&mut self) -> Option<Option<&'static Encoding>> {
        let (mut seen, mut pragma, mut needs_pragma, mut encoding) = (Vec::new(), false, None, None);
        while let Some(Attribute { name, value }) = self.attribute()? {
            if seen.contains(&name) {
                continue;
            }
            match name.as_slice() {
                b"http-equiv" => pragma |= value.eq_ignore_ascii_case(b"content-type"),
                b"content" if encoding.is_none() => {
                    if let Some(found) = from_content_type(&value) {
                        (encoding, needs_pragma) = (Some(found), Some(true));
                    }
                }
                b"charset" => (encoding, needs_pragma) = (Encoding::for_label(&value), Some(false)),
                _ => {}
            }
            seen.push(name);
        }
        let counts = needs_pragma.is_some_and(|needs| pragma || !needs);
        Some(encoding.filter(|_| counts).map(declared_within))
    }

    /// The next attribute, `Some(None)` at the end of the tag, `None` at the end of the bytes.
    fn attribute(&mut self) -> Option<Option<Attribute>> {
        while is_space(self.byte()?) || self.byte()? == b'/' {
            self.at += 1;
        }
        if self.byte()? == b'>' {
            return Some(None);
        }
        let mut name = Vec::new();
        loop {
            match self.byte()? {
                b'=' if !name.is_empty() => break,
                b'/' | b'>' => return Some(Some(Attribute { name, value: Vec::new() })),
                byte if is_space(byte) => {
                    while is_space(self.byte()?) {
                        self.at += 1;
                    }
                    if self.byte()? != b'=' {
                        return Some(Some(Attribute { name, value: Vec::new() }));
                    }
                    break;
                }
                byte => name.push(byte.to_ascii_lowercase()),
            }
            self.at += 1;
        }
        // Over the `=`.
        self.at += 1;
        let value = self.value()?;
        Some(Some(Attribute { name, value }))
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        while is_space(self.byte()?) {
            self.at += 1;
        }
        let mut value = Vec::new();
        let quote = self.byte()?;
        if matches!(quote, b'"' | b'\'') {
            self.at += 1;
            while self.byte()? != quote {
                value.push(self.byte()?.to_ascii_lowercase());
                self.at += 1;
            }
            self.at += 1;
            return Some(value);
        }
        while !is_space(self.byte()?) && self.byte()? != b'>' {
            value.push(self.byte()?.to_ascii_lowercase());
            self.at += 1;
        }
        Some(value)
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// White space of HTML.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}
