//! Reads JSON that people, scripts and fifteen years of versions have written: a number may be a string, a list an
//! object, anything may be null.

use serde_json::{Map, Value};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// The text under `key`; numbers and booleans as they are written; empty for anything else.
pub(crate) fn text(object: &Object, key: &str) -> String {
    object.get(key).map(as_text).unwrap_or_default()
}

/// A scalar as text, empty for anything else.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// A finite number, or a text that reads as one.
pub(crate) fn number(object: &Object, key: &str) -> Option<f64> {
    object.get(key).and_then(as_number)
}

/// A finite number, or a text that reads as one.
pub(crate) fn as_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|n: &f64| n.is_finite())
}

/// A whole number, cut to `0..=max`.
pub(crate) fn count(object: &Object, key: &str, max: u32) -> Option<u32> {
    // Cut to a range that fits, so the conversion is exact.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=max first")]
    number(object, key).map(|n| n.clamp(0.0, f64::from(max)) as u32)
}

/// A boolean, also as text or number; false for anything else.
pub(crate) fn flag(object: &Object, key: &str) -> bool {
    match object.get(key) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text == "true",
        Some(Value::Number(number)) => number.as_f64().is_some_and(|n| n != 0.0),
        _ => false,
    }
}

/// A boolean with a default for what is absent or null.
pub(crate) fn flag_or(object: &Object, key: &str, default: bool) -> bool {
    match object.get(key) {
        None | Some(Value::Null) => default,
        Some(_) => flag(object, key),
    }
}

/// The object under `key`, if it is one.
pub(crate) fn object<'a>(object: &'a Object, key: &str) -> Option<&'a Object> {
    object.get(key).and_then(Value::as_object)
}

/// The elements of the list under `key`; none if it is no list.
pub(crate) fn list<'a>(object: &'a Object, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The objects in the list under `key`.
pub(crate) fn objects<'a>(object: &'a Object, key: &str) -> impl Iterator<Item = &'a Object> {
    list(object, key).iter().filter_map(Value::as_object)
}

/// A list of texts, or one text.
pub(crate) fn texts(object: &Object, key: &str) -> Vec<String> {
    match object.get(key) {
        Some(Value::Array(items)) => items.iter().filter(|v| !v.is_null()).map(as_text).collect(),
        None | Some(Value::Null | Value::Object(_)) => Vec::new(),
        Some(scalar) => vec![as_text(scalar)],
    }
}

/// Replaces every text in the value by what `replace` makes of it. The depth is that of the parsed document, which the
/// JSON parser limits.
pub(crate) fn map_texts(value: &mut Value, replace: &mut dyn FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = replace(text) {
                *text = new;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| map_texts(item, replace)),
        Value::Object(fields) => fields.values_mut().for_each(|item| map_texts(item, replace)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
