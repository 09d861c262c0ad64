//! The functions of the language itself, but for `and` and `or`, which the executor evaluates.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::format;
use crate::functions::{int, string, wrong_type};
use crate::text::Text;
use crate::value::Value;

const NAMES: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf", "println", "slice",
    "urlquery",
];

/// Whether it is one of Go's own.
pub(crate) fn is_builtin(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls one. `bytes_max` bounds the texts it makes.
pub(crate) fn call(name: &str, args: &[Value], bytes_max: usize) -> Result<Value, String> {
    let too_long = |_| format!("the text grows beyond {bytes_max} bytes");
    let joined = |args: &[Value]| -> Result<String, String> {
        let mut out = Text::new(bytes_max);
        match args {
            // Nothing of its own prints as in an action.
            [Value::String(text)] => out.push_str(text),
            _ => format::print(&mut out, args),
        }
        .map_err(too_long)?;
        Ok(out.into_string())
    };
    match name {
        "not" => one(args).map(|value| Value::Bool(!value.is_true())),
        "eq" => equal(args),
        "ne" => two(args).and_then(|(a, b)| same(a, b)).map(|same| Value::Bool(!same)),
        "lt" => two(args).and_then(|(a, b)| order(a, b)).map(|o| Value::Bool(o == Some(Ordering::Less))),
        "le" => two(args).and_then(|(a, b)| order(a, b)).map(|o| Value::Bool(matches!(o, Some(Ordering::Less | Ordering::Equal)))),
        "gt" => two(args).and_then(|(a, b)| order(a, b)).map(|o| Value::Bool(o == Some(Ordering::Greater))),
        "ge" => two(args).and_then(|(a, b)| order(a, b)).map(|o| Value::Bool(matches!(o, Some(Ordering::Greater | Ordering::Equal)))),
        "len" => length(one(args)?),
        "index" => index(args),
        "slice" => slice(args),
        "print" => joined(args).map(Value::text),
        "println" => {
            let mut out = Text::new(bytes_max);
            format::println(&mut out, args).map_err(too_long)?;
            Ok(Value::text(out.as_str()))
        }
        "printf" => {
            let (format, args) = args.split_first().ok_or("wrong number of args: want at least 1 got 0")?;
            let mut out = Text::new(bytes_max);
            format::printf(&mut out, string(format)?, args).map_err(too_long)?;
            Ok(Value::text(out.as_str()))
        }
        "html" => Ok(Value::text(html(&joined(args)?))),
        "js" => Ok(Value::text(js(&joined(args)?))),
        "urlquery" => Ok(Value::text(url_query(&joined(args)?))),
        "call" => Err(match args.first() {
            None => "wrong number of args: want at least 1 got 0".to_owned(),
            Some(value) => format!("non-function of type {}", value.type_name()),
        }),
        other => Err(format!("function {other:?} not defined")),
    }
}

fn one(args: &[Value]) -> Result<&Value, String> {
    match args {
        [value] => Ok(value),
        _ => Err(format!("wrong number of args: want 1 got {}", args.len())),
    }
}

fn two(args: &[Value]) -> Result<(&Value, &Value), String> {
    match args {
        [a, b] => Ok((a, b)),
        _ => Err(format!("wrong number of args: want 2 got {}", args.len())),
    }
}

/// `eq a b c`: whether a is one of the others.
fn equal(args: &[Value]) -> Result<Value, String> {
    let (first, others) = args.split_first().ok_or("wrong number of args: want at least 1 got 0")?;
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if same(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) | Value::Duration(number) | Value::Named(number, _) => Some(*number),
        _ => None,
    }
}

fn same(a: &Value, b: &Value) -> Result<bool, String> {
    let non_comparable = |v: &Value| Err(format!("non-comparable type {}", v.type_name()));
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::List(_) | Value::Map(_), _) => non_comparable(a),
        (_, Value::List(_) | Value::Map(_)) => non_comparable(b),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Time(a), Value::Time(b)) => Ok(a.nanos == b.nanos),
        (Value::Struct(a), Value::Struct(b)) => Ok(a == b),
        _ => match (integer(a), integer(b), a.as_str(), b.as_str()) {
            (Some(a), Some(b), ..) => Ok(a == b),
            (_, _, Some(a), Some(b)) => Ok(a == b),
            _ => Err("incompatible types for comparison".to_owned()),
        },
    }
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Bool(_), Value::Bool(_)) => Err("invalid type for comparison".to_owned()),
        _ => match (integer(a), integer(b), a.as_str(), b.as_str()) {
            (Some(a), Some(b), ..) => Ok(Some(a.cmp(&b))),
            (_, _, Some(a), Some(b)) => Ok(Some(a.cmp(b))),
            _ if std::mem::discriminant(a) == std::mem::discriminant(b) => Err("invalid type for comparison".to_owned()),
            _ => Err("incompatible types for comparison".to_owned()),
        },
    }
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::String(text) | Value::Safe(_, text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries().len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn position(value: &Value, length: usize, inclusive: bool) -> Result<usize, String> {
    let number = int(value).map_err(|_| format!("cannot index slice/array with type {}", value.type_name()))?;
    usize::try_from(number)
        .ok()
        .filter(|at| *at < length || (inclusive && *at == length))
        .ok_or_else(|| format!("index out of range: {number}"))
}

fn index(args: &[Value]) -> Result<Value, String> {
    let (first, keys) = args.split_first().ok_or("wrong number of args: want at least 1 got 0")?;
    let mut value = first.clone();
    for key in keys {
        value = match &value {
            Value::Nil => return Err("index of untyped nil".to_owned()),
            Value::List(list) => list.items()[position(key, list.items().len(), false)?].clone(),
            Value::Map(map) => map.get(string(key).map_err(|_| format!("value has type {}; should be string", key.type_name()))?),
            // As in Go, a text is indexed by bytes.
            Value::String(text) | Value::Safe(_, text) => Value::Int(i64::from(text.as_bytes()[position(key, text.len(), false)?])),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(value)
}

/// Bytes of a text; a cut within a character shows as U+FFFD, since texts here are UTF-8.
fn slice(args: &[Value]) -> Result<Value, String> {
    let (value, bounds) = args.split_first().ok_or("wrong number of args: want at least 1 got 0")?;
    let length = match value {
        Value::String(text) | Value::Safe(_, text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Nil => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    if bounds.len() > if value.as_str().is_some() { 2 } else { 3 } {
        return Err(if value.as_str().is_some() {
            "cannot 3-index slice a string".to_owned()
        } else {
            format!("too many slice indexes: {}", bounds.len())
        });
    }
    let start = bounds.first().map_or(Ok(0), |bound| position(bound, length, true))?;
    let end = bounds.get(1).map_or(Ok(length), |bound| position(bound, length, true))?;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    match value {
        Value::List(list) => Ok(Value::list(list.items()[start..end].to_vec())),
        Value::String(text) | Value::Safe(_, text) => {
            Ok(Value::String(Arc::from(String::from_utf8_lossy(&text.as_bytes()[start..end]).as_ref())))
        }
        other => Err(wrong_type("string", other)),
    }
}

/// Escapes for HTML text and attribute values.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_control() && u32::from(c) < 0x80 => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// As `url.QueryEscape`: a space becomes a plus.
pub(crate) fn url_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
