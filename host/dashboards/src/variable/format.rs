//! How the values of a variable are written.

use serde_json::Value;

/// The form named in `${name:form}`; none if it is not known. `texts` are what people see.
pub(super) fn formatted(form: &str, values: &[String], texts: &[String]) -> Option<String> {
    let each = |quote: &dyn Fn(&str) -> String, separator: &str| values.iter().map(|v| quote(v)).collect::<Vec<_>>().join(separator);
    Some(match form {
        "csv" | "raw" => values.join(","),
        "pipe" => values.join("|"),
        "regex" => regex(values),
        "glob" => glob(values),
        "json" => Value::from(values.to_vec()).to_string(),
        "text" => texts.join(" + "),
        "percentencode" => percent_encode(&glob(values)),
        "doublequote" => each(&|v| format!("\"{}\"", v.replace('"', "\\\"")), ","),
        "singlequote" => each(&|v| format!("'{}'", v.replace('\'', "\\'")), ","),
        "sqlstring" => each(&|v| format!("'{}'", v.replace('\'', "''")), ","),
        "distributed" | "lucene" | "date" | "queryparam" | "customqueryparam" => return None,
        _ => return None,
    })
}

/// One value as it is, several in braces.
pub(super) fn glob(values: &[String]) -> String {
    match values {
        [one] => one.clone(),
        many => format!("{{{}}}", many.join(",")),
    }
}

/// A pattern that matches exactly these values.
pub(super) fn regex(values: &[String]) -> String {
    match values {
        [one] => escape(one),
        many => format!("({})", many.iter().map(|v| escape(v)).collect::<Vec<_>>().join("|")),
    }
}

/// Escapes what has a meaning in RE2.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if "\\^$.|?*+()[]{}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

pub(super) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
