//! Attributes, and labels of them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exposition::wire::{Fields, Value};

use super::names;
use super::options::OtlpOptions;
use crate::labels::LABELS_BYTES_MAX;
use crate::message::{MessageError, bytes, double, number};

/// Most attributes of one thing.
const ATTRIBUTES_MAX: usize = 512;
/// How deep lists and maps may be nested; what is deeper is left out.
const DEPTH_MAX: usize = 8;

/// An attribute, its value as text.
#[derive(Clone, Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Cow<'a, str>,
}

/// Attributes as they come; the limit is on what they all have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes<'a> {
    pub(crate) list: Vec<Attribute<'a>>,
    bytes: usize,
    /// What is wrong with them.
    pub(crate) bad: Option<String>,
}

impl<'a> Attributes<'a> {
    /// Takes one more, a `KeyValue`.
    pub(crate) fn push(&mut self, message: &'a [u8]) -> Result<(), MessageError> {
        if self.bad.is_some() {
            return Ok(());
        }
        let (mut name, mut value) = (&b""[..], Cow::Borrowed(""));
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => name = bytes(field.value)?,
                2 => value = text_of(bytes(field.value)?, &mut self.bad)?,
                _ => {}
            }
        }
        let Ok(name) = std::str::from_utf8(name) else {
            self.bad = Some("the name of an attribute is not UTF-8".to_owned());
            return Ok(());
        };
        self.bytes += name.len() + value.len();
        if self.list.len() >= ATTRIBUTES_MAX || self.bytes > LABELS_BYTES_MAX {
            self.bad = Some(format!("more than {ATTRIBUTES_MAX} attributes or {LABELS_BYTES_MAX} bytes of them"));
        }
        self.list.push(Attribute { name, value });
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|attribute| attribute.name == name).map(|attribute| &*attribute.value).filter(|value| !value.is_empty())
    }
}

/// Labels that are being put together, sorted by name, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelList(pub(crate) Vec<(String, String)>);

impl LabelList {
    /// Of attributes. Where two names become the same, the values stand one after the other, in the order of the names.
    pub(crate) fn of<'a>(attributes: impl Iterator<Item = &'a Attribute<'a>>, options: &OtlpOptions) -> Self {
        let mut sorted: Vec<&Attribute<'_>> = attributes.filter(|attribute| !attribute.name.is_empty()).collect();
        sorted.sort_by_key(|attribute| attribute.name);
        let mut labels: Vec<(String, String)> =
            sorted.iter().map(|attribute| (names::label(attribute.name, options).into_owned(), attribute.value.to_string())).collect();
        // Stable: the order of the names of before stays.
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        labels.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1.push(';');
                kept.1.push_str(&next.1);
            }
            same
        });
        Self(labels)
    }

    /// Sets a label, whatever it was.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.0.binary_search_by(|(held, _)| held.as_str().cmp(name)) {
            Ok(at) => value.clone_into(&mut self.0[at].1),
            Err(at) => self.0.insert(at, (name.to_owned(), value.to_owned())),
        }
    }

    /// Sets a label that is not there.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        if let Err(at) = self.0.binary_search_by(|(held, _)| held.as_str().cmp(name)) {
            self.0.insert(at, (name.to_owned(), value.to_owned()));
        }
    }
}

/// An `AnyValue` as text: lists and maps as JSON.
fn text_of<'a>(message: &'a [u8], bad: &mut Option<String>) -> Result<Cow<'a, str>, MessageError> {
    let mut fields = Fields::new(message);
    let mut text = Cow::Borrowed("");
    while let Some(field) = fields.next_field()? {
        text = match field.number {
            1 => match std::str::from_utf8(bytes(field.value)?) {
                Ok(text) => text.into(),
                Err(_) => {
                    *bad = Some("the value of an attribute is not UTF-8".to_owned());
                    text
                }
            },
            2..=7 => {
                let mut json = String::new();
                push_json((field.number, field.value), &mut json, 0)?;
                // Bytes stand alone without quotes.
                if field.number == 7 { json.trim_matches('"').to_owned().into() } else { json.into() }
            }
            _ => text,
        };
    }
    Ok(text)
}

fn push_json((kind, value): (u32, Value<'_>), json: &mut String, depth: usize) -> Result<(), MessageError> {
    // What is longer is refused by its length.
    if json.len() > LABELS_BYTES_MAX {
        return Ok(());
    }
    match kind {
        1 => push_string(&String::from_utf8_lossy(bytes(value)?), json),
        2 => json.push_str(if number(value)? != 0 { "true" } else { "false" }),
        3 => json.push_str(&(number(value)? as i64).to_string()),
        4 => json.push_str(&double(value)?.to_string()),
        7 => {
            json.push('"');
            let input = bytes(value)?;
            STANDARD.encode_string(&input[..input.len().min(LABELS_BYTES_MAX)], json);
            json.push('"');
        }
        5 | 6 if depth >= DEPTH_MAX => json.push_str("null"),
        5 | 6 => {
            let (open, close) = if kind == 5 { ('[', ']') } else { ('{', '}') };
            json.push(open);
            let (mut fields, mut first) = (Fields::new(bytes(value)?), true);
            while let Some(field) = fields.next_field()? {
                if field.number != 1 || json.len() > LABELS_BYTES_MAX {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    json.push(',');
                }
                let message = bytes(field.value)?;
                if kind == 5 {
                    push_any(message, json, depth)?;
                } else {
                    push_member(message, json, depth)?;
                }
            }
            json.push(close);
        }
        _ => {}
    }
    Ok(())
}

fn push_any(message: &[u8], json: &mut String, depth: usize) -> Result<(), MessageError> {
    let mut fields = Fields::new(message);
    match fields.next_field()? {
        Some(field) => push_json((field.number, field.value), json, depth + 1),
        None => {
            json.push_str("null");
            Ok(())
        }
    }
}

fn push_member(message: &[u8], json: &mut String, depth: usize) -> Result<(), MessageError> {
    let (mut name, mut value) = (&b""[..], &b""[..]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => name = bytes(field.value)?,
            2 => value = bytes(field.value)?,
            _ => {}
        }
    }
    push_string(&String::from_utf8_lossy(name), json);
    json.push(':');
    push_any(value, json, depth)
}

fn push_string(text: &str, json: &mut String) {
    json.push('"');
    for c in text[..text.floor_char_boundary(LABELS_BYTES_MAX)].chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            c if c < ' ' => json.push_str(&format!("\\u{:04x}", c as u32)),
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_meet_keep_both_values() {
        let list = [("a_b", "2"), ("a.b", "1"), ("c", "3")].map(|(name, value)| Attribute { name, value: value.into() });
        let mut labels = LabelList::of(list.iter(), &OtlpOptions::default());
        labels.add("c", "no");
        labels.set("job", "x");
        let wanted = [("a_b", "1;2"), ("c", "3"), ("job", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(labels.0, wanted);
    }
}
