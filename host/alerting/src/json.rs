//! A section of the configuration as JSON, which is what plugins get.

use model::config::{Node, NodeValue};
use serde_json::{Map, Number, Value};

/// The value as JSON. Scalars without quotes are what YAML's core schema says: null, booleans, integers, floats, else text.
/// Infinities and NaN, which JSON does not have, stay text.
pub(crate) fn to_json(node: &Node) -> Value {
    match &node.value {
        NodeValue::Null => Value::Null,
        NodeValue::Scalar { text, plain: false } => Value::String(text.clone()),
        NodeValue::Scalar { text, plain: true } => plain_scalar(text),
        NodeValue::Sequence(entries) => Value::Array(entries.iter().map(to_json).collect()),
        NodeValue::Mapping(entries) => {
            Value::Object(entries.iter().map(|(key, _, value)| (key.clone(), to_json(value))).collect::<Map<String, Value>>())
        }
    }
}

fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(Number::from);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(Number::from);
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() {
        let text = text.strip_prefix('+').unwrap_or(text);
        // Whole numbers beyond 64 bits stay text: as a float they would be another number.
        return text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    }
    let is_float = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.bytes().any(|b| b.is_ascii_digit());
    let form = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    if is_float && form { text.parse::<f64>().ok().and_then(Number::from_f64) } else { None }
}
