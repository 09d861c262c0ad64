//! Checks a plugin's section against the JSON Schema that the plugin publishes, fills in defaults, and finds the fields
//! that carry a mark.
//!
//! The subset of JSON Schema 2020-12 that describes configuration: types, properties, items, enumerations, limits,
//! combinations, references within the document. A keyword outside of it is named when the plugin is loaded.

use std::fmt;

use serde_json::Value;

mod leaf;
mod lint;
mod walk;

use leaf::wants_text;
use lint::lint;
use walk::Walk;

/// How deep sections and references may be nested.
const DEPTH_MAX: usize = 64;

/// What is wrong with a section, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SectionError {
    /// A JSON Pointer into the section, empty for the whole.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for SectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.pointer, self.message) }
    }
}

impl std::error::Error for SectionError {}

/// What `x-skopos` says of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    GrantHttp,
    GrantDns,
    GrantTcp,
    GrantUdp,
    GrantIcmp,
    GrantRead,
    GrantRotated,
    Secret,
    Template,
    TemplateHtml,
    HttpClient,
    Tls,
}

impl Mark {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "grant-http" => Self::GrantHttp,
            "grant-dns" => Self::GrantDns,
            "grant-tcp" => Self::GrantTcp,
            "grant-udp" => Self::GrantUdp,
            "grant-icmp" => Self::GrantIcmp,
            "grant-read" => Self::GrantRead,
            "grant-rotated" => Self::GrantRotated,
            "secret" => Self::Secret,
            "template" => Self::Template,
            "template-html" => Self::TemplateHtml,
            "http-client" => Self::HttpClient,
            "tls" => Self::Tls,
            _ => return None,
        })
    }
}

/// A field that carries a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) pointer: String,
    pub(crate) mark: Mark,
    /// The operator wrote the value; else it is a default.
    pub(crate) written: bool,
}

/// The schema of one kind's section.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schema {
    root: Value,
    /// Where in `root` it begins: the kind's definition for a plugin of several kinds.
    start: String,
}

impl Schema {
    /// Parses the text of `about`. `kind` names the definition to begin at, where there is one.
    ///
    /// The second value names keywords that are not checked.
    pub(crate) fn parse(text: &str, kind: &str) -> Result<(Self, Vec<String>), String> {
        let root: Value = serde_json::from_str(text).map_err(|e| format!("its schema is no JSON: {e}"))?;
        let start = format!("/$defs/{kind}");
        let start = if root.pointer(&start).is_some() && root.get("properties").is_none() { start } else { String::new() };
        let mut unknown = Vec::new();
        lint(&root, &mut unknown, 0)?;
        unknown.sort();
        unknown.dedup();
        Ok((Self { root, start }, unknown))
    }

    fn start(&self) -> &Value {
        self.root.pointer(&self.start).unwrap_or(&self.root)
    }

    /// The schema as JSON, for forms.
    pub(crate) fn as_json(&self) -> &Value {
        self.start()
    }

    /// Checks a section, fills in its defaults, and lists its marked fields in order.
    pub(crate) fn check(&self, section: &mut Value) -> Result<Vec<Marked>, SectionError> {
        let mut walk = Walk::new(&self.root);
        let mut found = Vec::new();
        walk.visit(self.start(), section, &At { pointer: String::new(), written: true, depth: 0 }, &mut found)?;
        // `allOf` and a property beside it may both lead to one mark.
        let mut seen: Vec<Marked> = Vec::with_capacity(found.len());
        for marked in found {
            if !seen.iter().any(|m| m.pointer == marked.pointer && m.mark == marked.mark) {
                seen.push(marked);
            }
        }
        Ok(seen)
    }

    /// What stands at a property or an item of `schema`, for reading scalars as the schema wants them.
    pub(crate) fn child<'s>(&'s self, schema: &'s Value, key: Option<&str>) -> Option<&'s Value> {
        let schema = self.deref(schema)?;
        match key {
            Some(key) => {
                schema.get("properties").and_then(|p| p.get(key)).or_else(|| schema.get("additionalProperties").filter(|s| s.is_object()))
            }
            None => schema.get("items"),
        }
    }

    pub(crate) fn beginning(&self) -> &Value {
        self.start()
    }

    /// Whether the schema wants a text here, so that an unquoted number is one.
    pub(crate) fn wants_text(&self, schema: &Value) -> bool {
        self.deref(schema).is_some_and(wants_text)
    }

    fn deref<'s>(&'s self, mut schema: &'s Value) -> Option<&'s Value> {
        for _ in 0..DEPTH_MAX {
            match schema.get("$ref").and_then(Value::as_str) {
                Some(reference) => schema = self.root.pointer(reference.strip_prefix('#')?)?,
                None => return Some(schema),
            }
        }
        None
    }
}

fn marks_text(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Where a check is.
#[derive(Clone)]
struct At {
    pointer: String,
    written: bool,
    depth: usize,
}

impl At {
    pub(super) fn child(&self, key: &str) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        Self { pointer: format!("{}/{escaped}", self.pointer), written: self.written, depth: self.depth + 1 }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> SectionError {
        SectionError { pointer: self.pointer.clone(), message: message.into() }
    }
}

#[cfg(test)]
mod tests;
