//! One encoding for each place: what a text becomes there.

use super::{Delimiter, UNSAFE};
use crate::builtins;
use crate::json::write_json;
use crate::text::{Text, TooLong};
use crate::value::Value;

/// No scheme, or one that runs nothing.
pub(super) fn is_safe_scheme(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => ["http", "https", "mailto"].iter().any(|safe| scheme.eq_ignore_ascii_case(safe)),
        _ => true,
    }
}

/// Percent-escapes; `normalize` leaves reserved characters and escapes that are there.
pub(super) fn url(text: &str, normalize: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().enumerate() {
        let keep = match byte {
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' | b'[' | b']' => normalize,
            b'%' => normalize && bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
            b'-' | b'.' | b'_' | b'~' => true,
            byte => byte.is_ascii_alphanumeric(),
        };
        if keep {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

pub(super) fn html_text(text: &str) -> String {
    builtins::html(text).replace('+', "&#43;")
}

pub(super) fn attribute(text: &str, delimiter: Delimiter) -> String {
    if delimiter != Delimiter::None {
        return html_text(text);
    }
    if text.is_empty() {
        return UNSAFE.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '=' | '`' => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push_str(&html_text(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Markup in an attribute: its text alone.
pub(super) fn strip_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

pub(super) fn js_value(value: &Value, text: &str) -> Result<String, TooLong> {
    let mut out = Text::new(usize::MAX / 2);
    match value {
        Value::String(_) | Value::Safe(..) => write_json(&mut out, &Value::text(text))?,
        other => write_json(&mut out, other)?,
    }
    let json = out.into_string();
    // Spaces keep a number or a word apart from what stands next to it.
    Ok(if json.starts_with(['"', '[', '{']) { json.replace('\'', "\\u0027") } else { format!(" {json} ") })
}

pub(super) fn js_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\0'..='\u{1f}' | '"' | '&' | '\'' | '+' | '<' | '>' | '`' | '$' | '{' | '}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

pub(super) fn css_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | ',') || !c.is_ascii() {
            out.push(c)
        } else {
            out.push_str(&format!("\\{:x} ", u32::from(c)))
        }
    }
    out
}

/// Plain words, numbers and colours; anything that could call or comment is refused.
pub(super) fn css_value(text: &str) -> String {
    let lower: String = text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '#' | '%' | '+' | '-' | '.' | ',' | '_' | '!') || !c.is_ascii());
    if plain && !text.contains("--") && !lower.contains("expression") && !lower.contains("mozbinding") {
        text.to_owned()
    } else {
        UNSAFE.to_owned()
    }
}
