//! The functions that Alertmanager gives to templates of notifications.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::TimestampMs;

use crate::exec::Call;
use crate::functions::{Functions, arity, number, string, strings, wrong_type};
use crate::gotime;
use crate::humanize;
use crate::json::write_json;
use crate::prometheus::of_patterns;
use crate::text::Text;
use crate::value::{Map, MapKind, Safe, Time, VALUE_DEPTH_MAX, Value};

/// Alertmanager's function set.
#[derive(Clone, Copy, Debug)]
pub struct AlertmanagerFunctions {
    /// What `now` says, in milliseconds.
    pub now: TimestampMs,
}

const NAMES: [&str; 25] = [
    "toUpper",
    "toLower",
    "title",
    "trimSpace",
    "join",
    "match",
    "safeHtml",
    "safeUrl",
    "reReplaceAll",
    "stringSlice",
    "date",
    "tz",
    "since",
    "humanizeDuration",
    "now",
    "toJson",
    "toDate",
    "mustToDate",
    "list",
    "append",
    "dict",
    "base64encode",
    "base64decode",
    "urlUnescape",
    "routeLabels",
];

impl Functions for AlertmanagerFunctions {
    fn has(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }

    fn call(&self, name: &str, args: &[Value], call: &mut Call<'_, '_>) -> Result<Value, String> {
        match name {
            "match" | "reReplaceAll" => of_patterns(name, args, call),
            "list" | "append" | "dict" | "stringSlice" | "join" | "toJson" => of_collections(name, args, call),
            "date" | "tz" | "since" | "now" | "toDate" | "mustToDate" | "humanizeDuration" => self.of_times(name, args),
            "routeLabels" => {
                let [name] = arity(args)?;
                let name = string(name)?;
                let Some(text) = call.root_text("RouteLabels", name) else { return Ok(Value::text("")) };
                let data = call.root();
                call.expand_text(name, &text, &data).map(Value::text)
            }
            _ => {
                let [text] = arity(args)?;
                of_text(name, string(text)?)
            }
        }
    }
}

fn of_text(name: &str, text: &str) -> Result<Value, String> {
    Ok(match name {
        "toUpper" => Value::text(text.to_uppercase()),
        "toLower" => Value::text(text.to_lowercase()),
        "title" => Value::text(title(text)),
        "trimSpace" => Value::text(text.trim()),
        "safeHtml" => Value::Safe(Safe::Html, Arc::from(text)),
        "safeUrl" => Value::Safe(Safe::Url, Arc::from(text)),
        "urlUnescape" => Value::text(url_unescape(text)?),
        "base64encode" => Value::text(base64_encode(text.as_bytes())),
        "base64decode" => Value::text(String::from_utf8_lossy(&base64_decode(text)?)),
        other => return Err(format!("function {other:?} not defined")),
    })
}

/// The first letter of each word in upper case, the others in lower case: `cases.Title` of Go's text packages, where an
/// apostrophe, a point or an underscore between letters does not end a word.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if inside {
            out.extend(c.to_lowercase())
        } else {
            out.extend(c.to_uppercase())
        }
        let joins = matches!(c, '\'' | '.' | '’' | ':') && inside && chars.peek().is_some_and(|next| next.is_alphabetic());
        inside = c.is_alphanumeric() || c == '_' || joins;
    }
    out
}

/// As `url.QueryUnescape`.
fn url_unescape(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                let digits = text.get(at + 1..at + 3).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let end = text.char_indices().map(|(i, _)| i).find(|i| *i >= at + 3).unwrap_or(text.len());
                out.push(byte.ok_or_else(|| format!("invalid URL escape {}", crate::format::quote(&text[at..end])))?);
                at += 2;
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The standard alphabet with padding (RFC 4648).
fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = BASE64[(group >> (18 - 6 * place) & 0x3f) as usize];
            out.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

fn base64_decode(text: &str) -> Result<Vec<u8>, String> {
    // As in Go, line ends are skipped.
    let bytes: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let bad = |at: usize| format!("illegal base64 data at input byte {at}");
    let padding = bytes.iter().rev().take_while(|b| **b == b'=').count();
    if !bytes.len().is_multiple_of(4) || padding > 2 {
        return Err(bad(bytes.len()));
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let digits = &bytes[..bytes.len() - padding];
    for (at, chunk) in digits.chunks(4).enumerate() {
        let mut group = 0_u32;
        for (place, byte) in chunk.iter().enumerate() {
            let digit = BASE64.iter().position(|b| b == byte).ok_or_else(|| bad(4 * at + place))?;
            group = group << 6 | digit as u32;
        }
        group <<= 6 * (4 - chunk.len());
        out.extend(&group.to_be_bytes()[1..chunk.len()]);
    }
    Ok(out)
}

/// Values nested deeper than this cannot be built, so that walking them is safe.
fn shallow(value: Value) -> Result<Value, String> {
    if value.depth() > VALUE_DEPTH_MAX { Err(format!("values are nested deeper than {VALUE_DEPTH_MAX}")) } else { Ok(value) }
}

fn of_collections(name: &str, args: &[Value], call: &mut Call<'_, '_>) -> Result<Value, String> {
    let too_long = |_| format!("the text grows beyond {} bytes", call.text_bytes_max());
    match name {
        "list" => shallow(Value::list(args.to_vec())),
        "append" => match args.split_first() {
            Some((Value::List(list), more)) => shallow(Value::list(list.items().iter().chain(more).cloned().collect())),
            Some((Value::Nil, more)) => shallow(Value::list(more.to_vec())),
            Some((other, _)) => Err(wrong_type("[]interface {}", other)),
            None => Err("wrong number of args: want at least 1 got 0".to_owned()),
        },
        "dict" => {
            if !args.len().is_multiple_of(2) {
                return Err("dict expects an even number of arguments: keys with values".to_owned());
            }
            let mut entries = BTreeMap::new();
            for pair in args.chunks(2) {
                let key = pair[0].as_str().ok_or_else(|| format!("keys of a dict must be texts, found {}", pair[0].type_name()))?;
                entries.insert(Arc::from(key), pair[1].clone());
            }
            shallow(Value::Map(Arc::new(Map::new(MapKind::Any, entries))))
        }
        "stringSlice" => args.iter().map(|arg| string(arg).map(Value::text)).collect::<Result<_, _>>().map(Value::list),
        "join" => {
            let [separator, list] = arity(args)?;
            let (separator, mut out) = (string(separator)?, Text::new(call.text_bytes_max()));
            for (at, part) in strings(list)?.into_iter().enumerate() {
                out.push_str(if at > 0 { separator } else { "" }).and_then(|()| out.push_str(part)).map_err(too_long)?;
            }
            Ok(Value::text(out.as_str()))
        }
        _ => {
            let [value] = arity(args)?;
            let mut out = Text::new(call.text_bytes_max());
            write_json(&mut out, value).map_err(too_long)?;
            Ok(Value::text(out.as_str()))
        }
    }
}

impl AlertmanagerFunctions {
    fn of_times(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let time = |value: &Value| match value {
            Value::Time(time) => Ok(time.clone()),
            other => Err(wrong_type("time.Time", other)),
        };
        match name {
            "now" => arity::<0>(args).map(|_| Value::time(self.now)),
            "humanizeDuration" => {
                let [value] = arity(args)?;
                Ok(Value::text(humanize::humanize_duration(number(value)?)))
            }
            "date" => {
                let [layout, at] = arity(args)?;
                Ok(Value::text(gotime::format(&time(at)?, string(layout)?)))
            }
            "tz" => {
                let [name, at] = arity(args)?;
                let zone = string(name)?;
                let zone = match zone {
                    "" | "UTC" | "Local" => jiff::tz::TimeZone::UTC,
                    name => jiff::tz::TimeZone::get(name).map_err(|_| format!("unknown time zone {name}"))?,
                };
                Ok(Value::Time(Time { nanos: time(at)?.nanos, zone }))
            }
            "since" => {
                let [at] = arity(args)?;
                let nanos = i128::from(self.now) * 1_000_000 - time(at)?.nanos;
                Ok(Value::Duration(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })))
            }
            _ => {
                let [layout, text] = arity(args)?;
                match gotime::parse(string(layout)?, string(text)?) {
                    Ok(time) => Ok(Value::Time(time)),
                    // The one form fails, the other answers Go's zero time.
                    Err(error) if name == "mustToDate" => Err(error),
                    Err(_) => Ok(Value::zero_time()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_both_ways() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("값!", "6rCSIQ==")] {
            assert_eq!(base64_encode(text.as_bytes()), encoded);
            assert_eq!(base64_decode(encoded).as_deref(), Ok(text.as_bytes()));
        }
        for bad in ["Zg", "Zg=", "Z===", "Z!==", "Zg==Zg=="] {
            assert!(base64_decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn titles() {
        for (text, expected) in [("abc dEF", "Abc Def"), ("don't foo_bar a-b", "Don't Foo_bar A-B"), ("", "")] {
            assert_eq!(title(text), expected);
        }
    }

    #[test]
    fn url_escapes() {
        assert_eq!(url_unescape("a+b%20%EA%B0%92").as_deref(), Ok("a b 값"));
        assert!(url_unescape("%zz").is_err());
        assert!(url_unescape("%값").is_err());
        assert!(url_unescape("%2").is_err());
    }
}
