//! Keywords that look at one value and nothing below it.

use regex::Regex;
use serde_json::{Map, Value};

use super::{At, SectionError, marks_text};

fn types(keywords: &Map<String, Value>) -> Vec<&str> {
    keywords.get("type").map(marks_text).unwrap_or_default()
}

pub(super) fn wants_text(schema: &Value) -> bool {
    let Value::Object(keywords) = schema else { return false };
    let types = types(keywords);
    types.contains(&"string") && !types.iter().any(|t| matches!(*t, "number" | "integer" | "boolean"))
}

pub(super) fn allows_null(schema: &Value) -> bool {
    schema.as_object().is_some_and(|keywords| types(keywords).contains(&"null"))
}

/// An unquoted number or boolean where a text is wanted is a text, and `yes` where a boolean is wanted is one, as upstream
/// reads them.
pub(super) fn check_type(keywords: &Map<String, Value>, value: &mut Value, at: &At) -> Result<(), SectionError> {
    let types = types(keywords);
    if types.is_empty() || types.iter().any(|t| has_type(value, t)) {
        return Ok(());
    }
    if types.contains(&"string") && (value.is_number() || value.is_boolean()) {
        *value = Value::String(value.to_string());
        return Ok(());
    }
    if let Some(boolean) = value.as_str().filter(|_| types.contains(&"boolean")).and_then(yaml_boolean) {
        *value = Value::Bool(boolean);
        return Ok(());
    }
    let names: Vec<&str> = types.iter().map(|t| type_name(t)).collect();
    Err(at.error(format!("expected {}, found {}", names.join(" or "), found_name(value))))
}

/// As YAML 1.1 writes them, which upstream reads.
fn yaml_boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
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

pub(super) fn check_choice(keywords: &Map<String, Value>, value: &Value, at: &At) -> Result<(), SectionError> {
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

pub(super) fn check_number(keywords: &Map<String, Value>, value: &Value, at: &At) -> Result<(), SectionError> {
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

pub(super) fn check_text(keywords: &Map<String, Value>, text: &str, at: &At) -> Result<(), SectionError> {
    check_count(keywords, "minLength", "maxLength", text.chars().count(), "characters", at)?;
    match keywords.get("pattern").and_then(Value::as_str) {
        Some(pattern) if !Regex::new(pattern).is_ok_and(|p| p.is_match(text)) => {
            Err(at.error(format!("does not fit the pattern {pattern}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_count(
    keywords: &Map<String, Value>,
    min: &str,
    max: &str,
    count: usize,
    what: &str,
    at: &At,
) -> Result<(), SectionError> {
    let bound = |key: &str| keywords.get(key).and_then(Value::as_u64);
    let count = count as u64;
    match (bound(min), bound(max)) {
        (Some(1), _) if count == 0 => Err(at.error("must not be empty")),
        (Some(least), _) if count < least => Err(at.error(format!("expected at least {least} {what}, found {count}"))),
        (_, Some(most)) if count > most => Err(at.error(format!("expected at most {most} {what}, found {count}"))),
        _ => Ok(()),
    }
}
