//! From bytes to text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use crate::prescan::{declared_within, from_content_type, prescan};
use crate::tags;

/// Decodes a page. What is not valid in its encoding becomes U+FFFD.
#[must_use]
pub fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Cow<'a, str> {
    encoding(bytes, content_type).unwrap_or(UTF_8).decode(bytes).0
}

/// The encoding that a page names, in the order of the HTML standard: a byte order mark, the header, a declaration in the
/// first 1024 bytes. A `meta` element further down counts as well, as browsers change their mind there. `None` if nothing
/// names one; then [`decode`] takes UTF-8.
#[must_use]
pub fn encoding(bytes: &[u8], content_type: Option<&str>) -> Option<&'static Encoding> {
    Encoding::for_bom(bytes)
        .map(|(encoding, _)| encoding)
        .or_else(|| from_content_type(content_type?.as_bytes()))
        .or_else(|| prescan(bytes))
        .or_else(|| further_down(bytes))
}

fn further_down(bytes: &[u8]) -> Option<&'static Encoding> {
    // Most pages name none there; they need not be read twice.
    let named = bytes.windows(7).any(|window| window.eq_ignore_ascii_case(b"charset"));
    named.then(|| tags::declared_charset(bytes)).flatten().map(declared_within)
}
