//! Sections as the configuration has them, a tree with positions, and as components get them, JSON.

use model::config::{ConfigError, Node, NodeValue};
use serde_json::{Number, Value};

use crate::schema::{Schema, SectionError};

/// Reads a section of the configuration as JSON, unquoted scalars as the schema wants them: a text where it wants a text.
pub(crate) fn to_json(node: &Node, schema: Option<&Schema>) -> Result<Value, ConfigError> {
    json_of(node, schema.map(|s| (s, s.beginning())), 0)
}

fn json_of(node: &Node, schema: Option<(&Schema, &Value)>, depth: usize) -> Result<Value, ConfigError> {
    if depth > 64 {
        return Err(node.error("nested too deeply"));
    }
    let child = |key: Option<&str>| schema.and_then(|(whole, here)| Some((whole, whole.child(here, key)?)));
    Ok(match &node.value {
        NodeValue::Null => Value::Null,
        NodeValue::Scalar { text, plain } => match schema {
            Some((whole, here)) if whole.wants_text(here) => Value::String(text.clone()),
            _ if *plain => plain_scalar(text),
            _ => Value::String(text.clone()),
        },
        NodeValue::Sequence(items) => {
            Value::Array(items.iter().map(|item| json_of(item, child(None), depth + 1)).collect::<Result<_, _>>()?)
        }
        NodeValue::Mapping(entries) => {
            let pairs = entries.iter().map(|(key, _, value)| Ok((key.clone(), json_of(value, child(Some(key)), depth + 1)?)));
            Value::Object(pairs.collect::<Result<_, ConfigError>>()?)
        }
    })
}

/// Numbers and booleans of YAML's core schema. The booleans that upstream's YAML knows besides (`yes`, `off`) are taken
/// where the schema wants one.
fn plain_scalar(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        "null" | "Null" | "NULL" | "~" => return Value::Null,
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::Number(number.into());
    }
    let looks_like_number = text.bytes().next().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.'));
    match text.parse::<f64>().ok().filter(|_| looks_like_number).and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

/// The reverse of [`to_json`], for crates that read their blocks from nodes. Scalars count as unquoted unless they are texts.
pub(crate) fn to_node(value: &Value, path: &str) -> Node {
    let value = match value {
        Value::Null => NodeValue::Null,
        Value::Bool(b) => NodeValue::Scalar { text: b.to_string(), plain: true },
        Value::Number(n) => NodeValue::Scalar { text: n.to_string(), plain: true },
        Value::String(s) => NodeValue::Scalar { text: s.clone(), plain: false },
        Value::Array(items) => {
            NodeValue::Sequence(items.iter().enumerate().map(|(i, item)| to_node(item, &format!("{path}[{i}]"))).collect())
        }
        Value::Object(fields) => {
            let entries = fields
                .iter()
                .map(|(key, value)| (key.clone(), model::config::Position::default(), to_node(value, &format!("{path}.{key}"))));
            NodeValue::Mapping(entries.collect())
        }
    };
    Node { position: model::config::Position::default(), path: path.to_owned(), value }
}

/// Finds the node that a JSON Pointer leads to, or the last one on the way, and makes an error about it.
pub(crate) fn locate(node: &Node, error: SectionError) -> ConfigError {
    let mut here = node;
    let mut key_position = None;
    for part in error.pointer.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        let next = match &here.value {
            NodeValue::Mapping(entries) => entries.iter().find(|(k, ..)| *k == key).map(|(_, position, node)| (node, Some(*position))),
            NodeValue::Sequence(items) => key.parse::<usize>().ok().and_then(|i| items.get(i)).map(|node| (node, None)),
            _ => None,
        };
        let Some((node, position)) = next else { break };
        here = node;
        key_position = position;
    }
    let position = if error.message.starts_with("unknown key") { key_position.unwrap_or(here.position) } else { here.position };
    ConfigError { path: here.path.clone(), position, message: error.message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::section::tests::schema;

    #[test]
    fn unquoted_scalars_are_what_the_schema_wants() {
        let node = yaml::parse("channel: 0123\nport: 53\ntext: yes\n").expect("YAML");
        assert_eq!(to_json(&node, Some(&schema())).expect("JSON"), json!({"channel": "0123", "port": 53, "text": "yes"}));
        assert_eq!(to_json(&node, None).expect("JSON"), json!({"channel": 123, "port": 53, "text": "yes"}));
    }

    #[test]
    fn errors_carry_the_place_in_the_file() {
        let node = yaml::parse("channel: a\nport: many\n").expect("YAML");
        let mut value = to_json(&node, Some(&schema())).expect("JSON");
        let error = locate(&node, schema().check(&mut value).expect_err("not a number"));
        assert_eq!((error.position.line, error.position.column, error.path.as_str()), (2, 7, "port"));
        let node = yaml::parse("channel: a\npot: 1\n").expect("YAML");
        let mut value = to_json(&node, Some(&schema())).expect("JSON");
        let error = locate(&node, schema().check(&mut value).expect_err("an unknown key"));
        assert_eq!((error.position.line, error.position.column), (2, 1));
        assert_eq!(error.message, "unknown key \"pot\"; did you mean \"port\"?");
    }
}
