//! The seam to what a template may call, and help for reading arguments.

use crate::exec::Call;
use crate::value::Value;

/// The functions a template may call besides those of the language.
///
/// Errors are texts for people; the executor adds the place and the name. A function must charge what its work costs
/// (see [`Call::charge`]) if that is more than the size of its arguments.
pub trait Functions: Send + Sync {
    /// Whether there is a function of this name. Asked when a text is parsed.
    fn has(&self, name: &str) -> bool;

    /// Calls it. Only asked for names that [`Functions::has`] knows.
    fn call(&self, name: &str, args: &[Value], call: &mut Call<'_, '_>) -> Result<Value, String>;
}

/// Checks the number of arguments.
pub(crate) fn arity<const N: usize>(args: &[Value]) -> Result<&[Value; N], String> {
    args.try_into().map_err(|_| format!("wrong number of args: want {N} got {}", args.len()))
}

/// A text, as Go insists on one for a string parameter.
pub(crate) fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| wrong_type("string", value))
}

pub(crate) fn wrong_type(expected: &str, value: &Value) -> String {
    match value {
        Value::Nil => format!("invalid value; expected {expected}"),
        _ => format!("wrong type for value; expected {expected}; got {}", value.type_name()),
    }
}

/// An integer parameter.
pub(crate) fn int(value: &Value) -> Result<i64, String> {
    match value {
        Value::Int(number) | Value::Duration(number) | Value::Named(number, _) => Ok(*number),
        _ => Err(wrong_type("int", value)),
    }
}

/// Texts of a list.
pub(crate) fn strings(value: &Value) -> Result<Vec<&str>, String> {
    match value {
        Value::List(list) => list.items().iter().map(string).collect(),
        _ => Err(wrong_type("[]string", value)),
    }
}

/// A number, or a text that reads as one: what the humanize functions take.
pub(crate) fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(number) => Ok(*number),
        Value::Int(number) => Ok(*number as f64),
        Value::Duration(nanos) => Ok(*nanos as f64 / 1e9),
        Value::String(text) | Value::Safe(_, text) => parse_float(text),
        _ => Err(format!("can't convert {} to float", value.type_name())),
    }
}

/// As `strconv.ParseFloat` reads one: also hexadecimal, infinities and underscores' absence.
pub(crate) fn parse_float(text: &str) -> Result<f64, String> {
    let bad = || format!("strconv.ParseFloat: parsing {}: invalid syntax", crate::format::quote(text));
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
    if digits.starts_with(['+', '-']) {
        return Err(bad());
    }
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => hex_float(hex).ok_or_else(bad)?,
        None => digits.parse().map_err(|_| bad())?,
    };
    if value == f64::INFINITY && !digits.to_ascii_lowercase().starts_with("inf") {
        return Err(format!("strconv.ParseFloat: parsing {}: value out of range", crate::format::quote(text)));
    }
    Ok(if negative { -value } else { value })
}

/// `1.8p3`: hexadecimal digits times a power of two, whose exponent must be there.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(part.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    Some(value * 2.0_f64.powi(exponent.checked_sub(i32::try_from(part.len()).ok()?.checked_mul(4)?)?))
}
