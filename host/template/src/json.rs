//! Values as JSON, with the escapes of Go's `encoding/json`.

use crate::format::float;
use crate::gotime;
use crate::text::{Text, TooLong};
use crate::value::Value;

pub(crate) fn write_json(out: &mut Text, value: &Value) -> Result<(), TooLong> {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) | Value::Duration(number) | Value::Named(number, _) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&number_text(*number)),
        Value::String(text) | Value::Safe(_, text) => write_text(out, text),
        Value::Time(time) => write_text(out, &gotime::rfc3339(time)),
        Value::List(list) => {
            out.push('[')?;
            for (at, item) in list.items().iter().enumerate() {
                if at > 0 {
                    out.push(',')?;
                }
                write_json(out, item)?;
            }
            out.push(']')
        }
        Value::Map(map) => write_object(out, map.entries().iter().map(|(key, value)| (key.as_ref(), value))),
        Value::Struct(record) => write_object(out, record.fields.iter().map(|field| (field.json, &field.value))),
    }
}

fn write_object<'a>(out: &mut Text, entries: impl Iterator<Item = (&'a str, &'a Value)>) -> Result<(), TooLong> {
    out.push('{')?;
    for (at, (key, value)) in entries.enumerate() {
        if at > 0 {
            out.push(',')?;
        }
        write_text(out, key)?;
        out.push(':')?;
        write_json(out, value)?;
    }
    out.push('}')
}

/// JSON has no infinities; Go refuses them, here they are null, so that a message still goes out.
fn number_text(number: f64) -> String {
    if !number.is_finite() {
        return "null".to_owned();
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        // Go writes e-7, not e-07.
        return float(number, 'e', None, false).replace("e-0", "e-");
    }
    float(number, 'f', None, false)
}

fn write_text(out: &mut Text, text: &str) -> Result<(), TooLong> {
    out.push('"')?;
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\"")?,
            '\\' => out.push_str("\\\\")?,
            '\n' => out.push_str("\\n")?,
            '\r' => out.push_str("\\r")?,
            '\t' => out.push_str("\\t")?,
            '\u{8}' => out.push_str("\\b")?,
            '\u{c}' => out.push_str("\\f")?,
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c)))?,
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c)))?,
            c => out.push(c)?,
        }
    }
    out.push('"')
}
