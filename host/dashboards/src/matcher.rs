//! Which fields an override or a transformation is for.

use model::view::{Field, Frame, Values};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::json::{self, Object};
use crate::reduce::reduce;

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A matcher that is ready to be asked often.
#[derive(Debug)]
pub(crate) enum FieldMatcher {
    Name(String),
    Names { names: Vec<String>, exclude: bool },
    Pattern(Regex),
    Type(&'static str),
    Query(String),
    QueryPattern(Regex),
    Value { reducer: String, op: String, value: f64 },
    All,
}

impl FieldMatcher {
    /// Reads `{id, options}`. The error is a sentence for the dashboard's warnings.
    pub(crate) fn new(matcher: &Object) -> Result<Self, String> {
        let options = matcher.get("options").unwrap_or(&Value::Null);
        let id = json::text(matcher, "id");
        match id.as_str() {
            "byName" => Ok(Self::Name(json::as_text(options))),
            "byNames" => Ok(names(options)),
            "byRegexp" => pattern(&json::as_text(options)).map(Self::Pattern),
            "byType" => kind(&json::as_text(options)).map(Self::Type),
            "numeric" => Ok(Self::Type("number")),
            "time" | "firstTimeField" => Ok(Self::Type("time")),
            "anyMatch" => Ok(Self::All),
            "byFrameRefID" | "byRefId" => {
                let text = json::as_text(options);
                if text.len() > 1 && text.starts_with('/') { pattern(&text).map(Self::QueryPattern) } else { Ok(Self::Query(text)) }
            }
            "byValue" => by_value(options),
            _ => Err(format!("fields cannot be selected by {id:?} yet")),
        }
    }

    /// Whether the field is one of them.
    pub(crate) fn matches(&self, field: &Field, frame: &Frame) -> bool {
        match self {
            Self::Name(name) => field.name == *name || field.display_name == *name,
            Self::Names { names, exclude } => names.iter().any(|n| *n == field.name || *n == field.display_name) != *exclude,
            Self::Pattern(pattern) => pattern.is_match(&field.display_name),
            Self::Type(kind) => type_of(&field.values) == *kind,
            Self::Query(letter) => frame.query == *letter,
            Self::QueryPattern(pattern) => pattern.is_match(&frame.query),
            Self::Value { reducer, op, value } => {
                let Values::Numbers(numbers) = &field.values else { return false };
                let result = reduce(numbers, reducer).unwrap_or(f64::NAN);
                if matches!(reducer.as_str(), "allIsZero" | "allIsNull") { result == 1.0 } else { compare(result, op, *value) }
            }
            Self::All => true,
        }
    }
}

fn names(options: &Value) -> FieldMatcher {
    match options {
        Value::Object(options) => {
            FieldMatcher::Names { names: json::texts(options, "names"), exclude: json::text(options, "mode") == "exclude" }
        }
        Value::Array(items) => FieldMatcher::Names { names: items.iter().map(json::as_text).collect(), exclude: false },
        other => FieldMatcher::Names { names: vec![json::as_text(other)], exclude: false },
    }
}

fn kind(text: &str) -> Result<&'static str, String> {
    ["number", "time", "string", "boolean"].into_iter().find(|k| *k == text).ok_or_else(|| format!("no field has the type {text:?}"))
}

fn by_value(options: &Value) -> Result<FieldMatcher, String> {
    let options = options.as_object().ok_or("a matcher byValue has no options")?;
    let (reducer, op) = (json::text(options, "reducer"), json::text(options, "op"));
    if reduce(&[], &reducer).is_none() {
        return Err(format!("the calculation {reducer:?} is not known"));
    }
    let known = ["gte", "gt", "lte", "lt", "eq", "neq", ">=", ">", "<=", "<", "==", "=", "!="].contains(&op.as_str());
    if !known {
        return Err(format!("the comparison {op:?} is not known"));
    }
    Ok(FieldMatcher::Value { reducer, op, value: json::number(options, "value").unwrap_or(0.0) })
}

fn compare(result: f64, op: &str, value: f64) -> bool {
    match op {
        "gte" | ">=" => result >= value,
        "gt" | ">" => result > value,
        "lte" | "<=" => result <= value,
        "lt" | "<" => result < value,
        "neq" | "!=" => result != value && !result.is_nan(),
        _ => result == value,
    }
}

fn type_of(values: &Values) -> &'static str {
    match values {
        Values::Times(_) => "time",
        Values::Numbers(_) => "number",
        Values::Strings(_) => "string",
    }
}

/// Compiles `/pattern/flags`, or a pattern without slashes. JavaScript's syntax where this engine has it; what it lacks
/// (looking around, back references) is an error.
pub(crate) fn pattern(text: &str) -> Result<Regex, String> {
    let (source, flags) = match text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) {
        Some((source, flags)) => (source, flags),
        None => (text, ""),
    };
    RegexBuilder::new(&from_javascript(source))
        .case_insensitive(flags.contains('i'))
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| format!("the regular expression {text:?} cannot be used: {}", last_line(&error)))
}

/// What JavaScript takes and this engine does not: an escaped slash, a brace that begins no count, and a bracket inside a
/// class stand for themselves.
fn from_javascript(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let (mut in_class, mut chars) = (false, source.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, '/')) => out.push('/'),
                next => {
                    out.push('\\');
                    out.extend(next.map(|(_, c)| c));
                }
            },
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push('[');
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '{' if !in_class => match count_length(&source[at..]) {
                // The count is copied as it is, its brace included.
                Some(length) => {
                    out.push_str(&source[at..at + length]);
                    chars.by_ref().take(length - 1).for_each(drop);
                }
                None => out.push_str("\\{"),
            },
            '}' if !in_class => out.push_str("\\}"),
            c => out.push(c),
        }
    }
    out
}

/// The length of `{2}`, `{2,}` or `{2,5}` at the beginning.
fn count_length(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let inner = text.get(1..end)?;
    let (from, to) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    (!from.is_empty() && digits(from) && digits(to)).then_some(end + 1)
}

fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use model::LabelSet;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(matcher: Value, expected: bool) {
        let field = Field {
            name: "Value".into(),
            labels: LabelSet::empty(),
            display_name: "node a".into(),
            config: 0,
            values: Values::Numbers(vec![1.0, 2.0]),
        };
        let frame = Frame { query: "A".into(), name: String::new(), fields: vec![] };
        let compiled = FieldMatcher::new(matcher.as_object().expect("an object")).expect("a good matcher");
        assert_eq!(compiled.matches(&field, &frame), expected, "{matcher}");
    }

    #[test]
    fn matchers() {
        for (id, options, expected) in [
            ("byName", json!("Value"), true),
            ("byName", json!("node a"), true),
            ("byName", json!("node"), false),
            ("byRegexp", json!("/NODE/i"), true),
            ("byRegexp", json!("^a"), false),
            ("byNames", json!({"names": ["node a"]}), true),
            ("byNames", json!({"mode": "exclude", "names": ["node a"]}), false),
            ("byType", json!("number"), true),
            ("byType", json!("time"), false),
            ("byFrameRefID", json!("A"), true),
            ("byFrameRefID", json!("B"), false),
            ("byValue", json!({"reducer": "max", "op": "gte", "value": 2}), true),
            ("byValue", json!({"reducer": "allIsZero", "op": "gte", "value": 0}), false),
        ] {
            check(json!({"id": id, "options": options}), expected);
        }
    }

    #[test]
    fn patterns_of_javascript() {
        for (source, text, expected) in [
            ("/{} (.*) .*/", "{} a b", true),
            ("/a{2,3}$/", "aaa", true),
            ("/a{2}$/", "a{2}", false),
            ("/a{,2}/", "a{,2}", true),
            ("/a\\/b/", "a/b", true),
            ("/[[\\]{]+$/", "[]{", true),
            ("/\\{x}/", "{x}", true),
            ("/[^:]+:(.*)/", "a:b", true),
            ("/한글{/", "한글{", true),
        ] {
            assert_eq!(pattern(source).expect("it compiles").is_match(text), expected, "{source}");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for matcher in [
            json!({"id": "byMagic"}),
            json!({"id": "byRegexp", "options": "("}),
            json!({"id": "byRegexp", "options": "/(?=x)/"}),
            json!({"id": "byType", "options": "geo"}),
            json!({"id": "byValue", "options": {"reducer": "max", "op": "~"}}),
        ] {
            assert!(FieldMatcher::new(matcher.as_object().expect("an object")).is_err(), "{matcher}");
        }
    }
}
