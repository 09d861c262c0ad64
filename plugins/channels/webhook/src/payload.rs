//! A body of the operator's own: `payload`, its texts expanded by the host.

use serde_json::Value;

/// How deep a payload may be; the host's schema check ends before that.
const DEPTH_MAX: usize = 64;

/// Texts that are JSON themselves, but for JSON texts, become what they say: a template can give a number, a list, an object.
/// Everything else stays as it is.
#[must_use]
pub fn unfolded(value: Value) -> Value {
    unfold(value, 0)
}

fn unfold(value: Value, depth: usize) -> Value {
    match value {
        _ if depth > DEPTH_MAX => Value::Null,
        Value::String(text) => match serde_json::from_str::<Value>(&text) {
            Ok(Value::String(_)) | Err(_) => Value::String(text),
            Ok(inner) => inner,
        },
        Value::Array(items) => items.into_iter().map(|item| unfold(item, depth + 1)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, unfold(value, depth + 1))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_become_what_they_say() {
        for (given, expected) in [
            (json!("plain"), json!("plain")),
            (json!("5"), json!(5)),
            (json!("\"quoted\""), json!("\"quoted\"")),
            (json!({"a": "{\"b\": [1]}", "c": [true, "false", "그룹"]}), json!({"a": {"b": [1]}, "c": [true, false, "그룹"]})),
            (json!("{broken"), json!("{broken")),
        ] {
            assert_eq!(unfolded(given), expected);
        }
        let deep = (0..200).fold(json!("x"), |inner, _| json!([inner]));
        let _ = unfolded(deep);
    }
}
