//! Checks a plugin's section against the JSON Schema that the plugin publishes, fills in defaults, and finds the fields
//! that carry a mark.
//!
//! The subset of JSON Schema 2020-12 that describes configuration: types, properties, items, enumerations, limits,
//! combinations, references within the document. A keyword outside of it is named when the plugin is loaded.

use std::fmt;

use model::config::nearest;
use regex::Regex;
use serde_json::{Map, Value};

/// How deep sections and references may be nested.
const DEPTH_MAX: usize = 64;

/// Steps of one check: a schema whose combinations multiply ends here.
const STEPS_MAX: usize = 200_000;

/// Keywords that are checked.
const CHECKED: [&str; 34] = [
    "$ref",
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "default",
    "x-skopos",
    "$defs",
];

/// Keywords that say something to people and change nothing here.
const TOLD: [&str; 12] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentMediaType",
    "definitions",
];

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
        let mut walk = Walk { root: &self.root, steps: 0 };
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
        self.deref(schema).is_some_and(|s| wants_text(s))
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

/// Refuses what cannot be checked at all, and collects keywords that are not known.
fn lint(schema: &Value, unknown: &mut Vec<String>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("its schema is nested too deeply".to_owned());
    }
    let Value::Object(keywords) = schema else {
        return if schema.is_boolean() {
            Ok(())
        } else {
            Err("its schema has something other than an object where a schema belongs".to_owned())
        };
    };
    for (keyword, value) in keywords {
        match keyword.as_str() {
            "properties" | "patternProperties" | "$defs" | "definitions" => {
                for (name, sub) in value.as_object().ok_or_else(|| format!("{keyword} of its schema is not an object"))? {
                    if keyword == "patternProperties" {
                        Regex::new(name).map_err(|e| format!("its schema has a bad pattern: {e}"))?;
                    }
                    lint(sub, unknown, depth + 1)?;
                }
            }
            "items" | "additionalProperties" | "not" | "if" | "then" | "else" => lint(value, unknown, depth + 1)?,
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                for sub in value.as_array().ok_or_else(|| format!("{keyword} of its schema is not a list"))? {
                    lint(sub, unknown, depth + 1)?;
                }
            }
            "$ref" => {
                if !value.as_str().is_some_and(|r| r.starts_with('#')) {
                    return Err(format!("its schema refers to {value}, which is not within the schema"));
                }
            }
            "pattern" => {
                Regex::new(value.as_str().unwrap_or_default()).map_err(|e| format!("its schema has a bad pattern: {e}"))?;
            }
            "x-skopos" => {
                for mark in marks_text(value) {
                    Mark::parse(mark).ok_or_else(|| format!("its schema has the mark {mark:?}, which this host does not know"))?;
                }
            }
            other if CHECKED.contains(&other) || TOLD.contains(&other) || other.starts_with("x-") => {}
            other => unknown.push(other.to_owned()),
        }
    }
    Ok(())
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
    fn child(&self, key: &str) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        Self { pointer: format!("{}/{escaped}", self.pointer), written: self.written, depth: self.depth + 1 }
    }

    fn error(&self, message: impl Into<String>) -> SectionError {
        SectionError { pointer: self.pointer.clone(), message: message.into() }
    }
}

struct Walk<'s> {
    root: &'s Value,
    steps: usize,
}

impl Walk<'_> {
    fn visit(&mut self, schema: &Value, value: &mut Value, at: &At, found: &mut Vec<Marked>) -> Result<(), SectionError> {
        self.steps += 1;
        if at.depth > DEPTH_MAX || self.steps > STEPS_MAX {
            return Err(at.error("the section or its schema is nested too deeply"));
        }
        let Value::Object(keywords) = schema else {
            return if schema == &Value::Bool(false) { Err(at.error("nothing may stand here")) } else { Ok(()) };
        };
        if let Some(reference) = keywords.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            let target = target.ok_or_else(|| at.error(format!("the plugin's schema refers to {reference}, which is not there")))?.clone();
            self.visit(&target, value, &At { depth: at.depth + 1, ..at.clone() }, found)?;
        }
        check_type(keywords, value, at)?;
        check_choice(keywords, value, at)?;
        match value {
            Value::Number(_) => check_number(keywords, value, at)?,
            Value::String(text) => check_text(keywords, text, at)?,
            Value::Array(items) => self.visit_items(keywords, items, at, found)?,
            Value::Object(fields) => self.visit_fields(keywords, fields, at, found)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.visit_combined(keywords, value, at, found)?;
        let marks = keywords.get("x-skopos").map(marks_text).unwrap_or_default();
        found.extend(marks.into_iter().filter_map(Mark::parse).map(|mark| Marked {
            pointer: at.pointer.clone(),
            mark,
            written: at.written,
        }));
        Ok(())
    }

    fn visit_items(
        &mut self,
        keywords: &Map<String, Value>,
        items: &mut [Value],
        at: &At,
        found: &mut Vec<Marked>,
    ) -> Result<(), SectionError> {
        check_count(keywords, "minItems", "maxItems", items.len(), "entries", at)?;
        if keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
            for (i, item) in items.iter().enumerate() {
                if items[..i].contains(item) {
                    return Err(at.child(&i.to_string()).error("comes twice"));
                }
            }
        }
        let prefix = keywords.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (i, item) in items.iter_mut().enumerate() {
            if let Some(schema) = prefix.get(i).or_else(|| keywords.get("items")) {
                self.visit(schema, item, &at.child(&i.to_string()), found)?;
            }
        }
        Ok(())
    }

    fn visit_fields(
        &mut self,
        keywords: &Map<String, Value>,
        fields: &mut Map<String, Value>,
        at: &At,
        found: &mut Vec<Marked>,
    ) -> Result<(), SectionError> {
        let none = Map::new();
        let properties = keywords.get("properties").and_then(Value::as_object).unwrap_or(&none);
        // A key without a value counts as left out, as everywhere in the configuration.
        fields.retain(|key, value| !value.is_null() || properties.get(key).is_some_and(allows_null));
        self.refuse_unknown(keywords, properties, fields, at)?;
        let mut defaulted = Vec::new();
        for (key, schema) in properties {
            if !fields.contains_key(key)
                && let Some(default) = schema.get("default")
            {
                fields.insert(key.clone(), default.clone());
                defaulted.push(key.as_str());
            }
        }
        for key in keywords.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(key) {
                return Err(at.error(format!("{key} is missing")));
            }
        }
        for (key, needed) in keywords.get("dependentRequired").and_then(Value::as_object).unwrap_or(&none) {
            for other in needed.as_array().into_iter().flatten().filter_map(Value::as_str) {
                if fields.contains_key(key) && !fields.contains_key(other) {
                    return Err(at.error(format!("{other} is missing: {key} needs it")));
                }
            }
        }
        check_count(keywords, "minProperties", "maxProperties", fields.len(), "keys", at)?;
        let patterns = patterns(keywords);
        for (key, value) in fields.iter_mut() {
            let mut child = at.child(key);
            child.written &= !defaulted.contains(&key.as_str());
            let mut described = false;
            if let Some(schema) = properties.get(key) {
                self.visit(schema, value, &child, found)?;
                described = true;
            }
            for (_, schema) in patterns.iter().filter(|(pattern, _)| pattern.is_match(key)) {
                self.visit(schema, value, &child, found)?;
                described = true;
            }
            if let Some(schema) = keywords.get("additionalProperties").filter(|_| !described) {
                self.visit(schema, value, &child, found)?;
            }
        }
        Ok(())
    }

    fn refuse_unknown(
        &self,
        keywords: &Map<String, Value>,
        properties: &Map<String, Value>,
        fields: &Map<String, Value>,
        at: &At,
    ) -> Result<(), SectionError> {
        if keywords.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Ok(());
        }
        let patterns = patterns(keywords);
        let unknown =
            fields.keys().find(|key| !properties.contains_key(*key) && !patterns.iter().any(|(pattern, _)| pattern.is_match(key)));
        let Some(key) = unknown else { return Ok(()) };
        let hint = nearest(key, properties.keys().map(String::as_str)).map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
        Err(at.child(key).error(format!("unknown key {key:?}{hint}")))
    }

    fn visit_combined(
        &mut self,
        keywords: &Map<String, Value>,
        value: &mut Value,
        at: &At,
        found: &mut Vec<Marked>,
    ) -> Result<(), SectionError> {
        let list = |key: &str| keywords.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for schema in list("allOf") {
            self.visit(schema, value, at, found)?;
        }
        for (key, exactly_one) in [("anyOf", false), ("oneOf", true)] {
            let branches = list(key);
            if !branches.is_empty() {
                self.visit_branches(branches, exactly_one, value, at, found)?;
            }
        }
        if let Some(schema) = keywords.get("not")
            && self.holds(schema, value, at)
        {
            return Err(at.error("is what the plugin's schema excludes"));
        }
        if let Some(condition) = keywords.get("if") {
            let branch = if self.holds(condition, value, at) { "then" } else { "else" };
            if let Some(schema) = keywords.get(branch) {
                self.visit(schema, value, at, found)?;
            }
        }
        Ok(())
    }

    /// Takes the branches that hold; if none does, the error is that of the branch that came furthest into the section.
    fn visit_branches(
        &mut self,
        branches: &[Value],
        exactly_one: bool,
        value: &mut Value,
        at: &At,
        found: &mut Vec<Marked>,
    ) -> Result<(), SectionError> {
        let mut furthest: Option<SectionError> = None;
        let mut holding = 0;
        for schema in branches {
            let (mut attempt, mut marks) = (value.clone(), Vec::new());
            match self.visit(schema, &mut attempt, at, &mut marks) {
                Ok(()) => {
                    *value = attempt;
                    found.append(&mut marks);
                    holding += 1;
                }
                Err(error) if furthest.as_ref().is_none_or(|f| error.pointer.len() > f.pointer.len()) => furthest = Some(error),
                Err(_) => {}
            }
        }
        match (holding, furthest) {
            (0, Some(error)) => Err(error),
            (2.., _) if exactly_one => Err(at.error("fits more than one of the forms that exclude each other")),
            _ => Ok(()),
        }
    }

    fn holds(&mut self, schema: &Value, value: &Value, at: &At) -> bool {
        self.visit(schema, &mut value.clone(), at, &mut Vec::new()).is_ok()
    }
}

fn patterns(keywords: &Map<String, Value>) -> Vec<(Regex, &Value)> {
    let pairs = keywords.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(pattern, schema)| Some((Regex::new(pattern).ok()?, schema))).collect()
}

fn types(keywords: &Map<String, Value>) -> Vec<&str> {
    keywords.get("type").map(marks_text).unwrap_or_default()
}

fn wants_text(schema: &Value) -> bool {
    let Value::Object(keywords) = schema else { return false };
    let types = types(keywords);
    types.contains(&"string") && !types.iter().any(|t| matches!(*t, "number" | "integer" | "boolean"))
}

fn allows_null(schema: &Value) -> bool {
    schema.as_object().is_some_and(|keywords| types(keywords).contains(&"null"))
}

/// An unquoted number or boolean where a text is wanted is a text, as upstream reads it.
fn check_type(keywords: &Map<String, Value>, value: &mut Value, at: &At) -> Result<(), SectionError> {
    let types = types(keywords);
    if types.is_empty() || types.iter().any(|t| has_type(value, t)) {
        return Ok(());
    }
    if types.contains(&"string") && (value.is_number() || value.is_boolean()) {
        *value = Value::String(value.to_string());
        return Ok(());
    }
    let names: Vec<&str> = types.iter().map(|t| type_name(t)).collect();
    Err(at.error(format!("expected {}, found {}", names.join(" or "), found_name(value))))
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|v| v.fract() == 0.0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn type_name(name: &str) -> &str {
    match name {
        "null" => "nothing",
        "boolean" => "true or false",
        "number" => "a number",
        "integer" => "a whole number",
        "string" => "a text",
        "array" => "a list",
        "object" => "keys with values",
        other => other,
    }
}

fn found_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "keys with values",
    }
}

fn check_choice(keywords: &Map<String, Value>, value: &Value, at: &At) -> Result<(), SectionError> {
    if let Some(choices) = keywords.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let names: Vec<String> = choices.iter().map(ToString::to_string).collect();
        return Err(at.error(format!("expected one of {}, found {value}", names.join(", "))));
    }
    match keywords.get("const") {
        Some(only) if only != value => Err(at.error(format!("expected {only}, found {value}"))),
        _ => Ok(()),
    }
}

fn check_number(keywords: &Map<String, Value>, value: &Value, at: &At) -> Result<(), SectionError> {
    let number = value.as_f64().unwrap_or(f64::NAN);
    let bound = |key: &str| keywords.get(key).and_then(Value::as_f64);
    let wrong = [
        (bound("minimum").is_some_and(|b| number < b), "at least", "minimum"),
        (bound("maximum").is_some_and(|b| number > b), "at most", "maximum"),
        (bound("exclusiveMinimum").is_some_and(|b| number <= b), "more than", "exclusiveMinimum"),
        (bound("exclusiveMaximum").is_some_and(|b| number >= b), "less than", "exclusiveMaximum"),
        (bound("multipleOf").is_some_and(|b| b > 0.0 && (number / b).fract() != 0.0), "a multiple of", "multipleOf"),
    ];
    match wrong.iter().find(|(is_wrong, ..)| *is_wrong) {
        Some((_, words, key)) => Err(at.error(format!("expected {words} {}, found {value}", keywords[*key]))),
        None => Ok(()),
    }
}

fn check_text(keywords: &Map<String, Value>, text: &str, at: &At) -> Result<(), SectionError> {
    check_count(keywords, "minLength", "maxLength", text.chars().count(), "characters", at)?;
    match keywords.get("pattern").and_then(Value::as_str) {
        Some(pattern) if !Regex::new(pattern).is_ok_and(|p| p.is_match(text)) => {
            Err(at.error(format!("does not fit the pattern {pattern}")))
        }
        _ => Ok(()),
    }
}

fn check_count(keywords: &Map<String, Value>, min: &str, max: &str, count: usize, what: &str, at: &At) -> Result<(), SectionError> {
    let bound = |key: &str| keywords.get(key).and_then(Value::as_u64);
    let count = count as u64;
    match (bound(min), bound(max)) {
        (Some(1), _) if count == 0 => Err(at.error("must not be empty")),
        (Some(least), _) if count < least => Err(at.error(format!("expected at least {least} {what}, found {count}"))),
        (_, Some(most)) if count > most => Err(at.error(format!("expected at most {most} {what}, found {count}"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
