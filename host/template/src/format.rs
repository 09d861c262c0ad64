//! Writes values as Go's `fmt` does: the default form, and `printf`.

mod printf;

pub(crate) use printf::printf;

use crate::gotime;
use crate::text::{Text, TooLong};
use crate::value::Value;

/// The default form, `%v`. `top` is an action's own result, where nothing prints as `<no value>`.
pub(crate) fn write_value(out: &mut Text, value: &Value, top: bool) -> Result<(), TooLong> {
    match value {
        Value::Nil => out.push_str(if top { "<no value>" } else { "<nil>" }),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&float(*value, 'g', None, false)),
        Value::String(text) | Value::Safe(_, text) => out.push_str(text),
        Value::List(list) => {
            out.push('[')?;
            for (at, item) in list.items().iter().enumerate() {
                if at > 0 {
                    out.push(' ')?;
                }
                write_value(out, item, false)?;
            }
            out.push(']')
        }
        Value::Map(map) => {
            out.push_str("map[")?;
            for (at, (key, item)) in map.entries().iter().enumerate() {
                if at > 0 {
                    out.push(' ')?;
                }
                out.push_str(key)?;
                out.push(':')?;
                write_value(out, item, false)?;
            }
            out.push(']')
        }
        Value::Struct(record) => {
            out.push('{')?;
            for (at, field) in record.fields.iter().enumerate() {
                if at > 0 {
                    out.push(' ')?;
                }
                write_value(out, &field.value, false)?;
            }
            out.push('}')
        }
        Value::Time(time) => out.push_str(&gotime::time_string(time)),
        Value::Duration(nanos) => out.push_str(&gotime::duration_string(*nanos)),
        Value::Named(_, name) => out.push_str(name),
    }
}

/// `print`: a space between operands when neither is a text.
pub(crate) fn print(out: &mut Text, args: &[Value]) -> Result<(), TooLong> {
    for (at, arg) in args.iter().enumerate() {
        if at > 0 && args[at - 1].as_str().is_none() && arg.as_str().is_none() {
            out.push(' ')?;
        }
        write_value(out, arg, false)?;
    }
    Ok(())
}

/// `println`: a space between all operands, and a line end.
pub(crate) fn println(out: &mut Text, args: &[Value]) -> Result<(), TooLong> {
    for (at, arg) in args.iter().enumerate() {
        if at > 0 {
            out.push(' ')?;
        }
        write_value(out, arg, false)?;
    }
    out.push('\n')
}

/// A float as Go's `strconv.FormatFloat` writes it. `verb` is one of `e E f F g G`.
pub(crate) fn float(value: f64, verb: char, precision: Option<usize>, alternate: bool) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = match verb.to_ascii_lowercase() {
        'f' => precision.map_or_else(|| format!("{value}"), |digits| format!("{value:.digits$}")),
        'e' => exponential(value, precision),
        _ => general(value, precision, alternate),
    };
    if verb.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

/// At least two digits of exponent with a sign.
fn exponential(value: f64, precision: Option<usize>) -> String {
    let text = precision.map_or_else(|| format!("{value:e}"), |digits| format!("{value:.digits$e}"));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g`: with an exponent below 1e-4, and from 10^precision on, where the shortest form counts as 6 digits.
fn general(value: f64, precision: Option<usize>, alternate: bool) -> String {
    let digits = precision.map(|p| p.max(1));
    let scientific = digits.map_or_else(|| format!("{value:e}"), |digits| format!("{value:.*e}", digits - 1));
    let exponent: i32 = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let limit = digits.map_or(6, |digits| i32::try_from(digits).unwrap_or(i32::MAX));
    if exponent < -4 || exponent >= limit {
        let (mantissa, _) = scientific.split_once('e').unwrap_or((&scientific, ""));
        let mantissa = if alternate { mantissa } else { strip_zeros(mantissa) };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    match digits {
        None => format!("{value}"),
        Some(digits) => {
            let decimals = usize::try_from(i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent).unwrap_or(0);
            let text = format!("{value:.decimals$}");
            if alternate { text } else { strip_zeros(&text).to_owned() }
        }
    }
}

fn strip_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A text in double quotes with Go's escapes.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if is_unprintable(c) && u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if is_unprintable(c) => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Controls, formatting characters and spaces other than the plain one.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c), 0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe000..=0xf8ff | 0xfff9..=0xfffb)
}
