//! Variables of any age.

use serde_json::Value;

use super::Warnings;
use crate::json::{self, Object};
use crate::variable::{Variable, VariableKind, VariableOption, VariableQuery};

const OPTIONS_MAX: usize = 10_000;

/// Reads a variable. None, with a warning, for one without a usable name.
pub(super) fn read(item: &Object, warnings: &mut Warnings) -> Option<Variable> {
    let name = json::text(item, "name");
    let usable = !name.is_empty() && name.len() <= 200 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !usable {
        warnings.add(format!("a variable named {name:?} cannot be referred to and is left out"));
        return None;
    }
    let kind = kind(item, &name, warnings);
    let mut variable = Variable {
        label: json::text(item, "label"),
        multi: json::flag(item, "multi"),
        include_all: json::flag(item, "includeAll"),
        all_value: json::text(item, "allValue"),
        regex: if matches!(kind, VariableKind::Query(_)) { json::text(item, "regex") } else { String::new() },
        sort: json::count(item, "sort", 8).unwrap_or(0),
        hide: json::count(item, "hide", 3).unwrap_or(0),
        current: current(item),
        options: Vec::new(),
        kind,
        name,
    };
    variable.options = options(item, &variable);
    match variable.kind {
        // What the list holds counts, not what was chosen when it was saved.
        VariableKind::Constant => variable.current = vec![json::text(item, "query")],
        VariableKind::Textbox if variable.current.is_empty() => variable.current = vec![json::text(item, "query")],
        _ => {}
    }
    Some(variable)
}

fn kind(item: &Object, name: &str, warnings: &mut Warnings) -> VariableKind {
    match json::text(item, "type").as_str() {
        "query" => VariableKind::Query(query(item)),
        "custom" => VariableKind::Custom,
        "constant" => VariableKind::Constant,
        "textbox" => VariableKind::Textbox,
        "interval" => {
            let auto_count = json::flag(item, "auto").then(|| json::count(item, "auto_count", 11_000).unwrap_or(30).max(1));
            VariableKind::Interval { auto_count, auto_min: json::text(item, "auto_min") }
        }
        "datasource" => VariableKind::Datasource(json::text(item, "query")),
        "adhoc" => {
            if !json::list(item, "filters").is_empty() {
                warnings.add(format!("filters of the variable {name:?} are not applied yet"));
            }
            VariableKind::Adhoc
        }
        other => {
            warnings.add(format!("the variable {name:?} has the type {other:?}, which is not known"));
            VariableKind::Unknown(other.to_owned())
        }
    }
}

/// A text, or the newer object, which mostly holds the same text; its own fields where it does not.
fn query(item: &Object) -> VariableQuery {
    let Some(object) = json::object(item, "query") else { return VariableQuery::parse(&json::text(item, "query")) };
    let text = json::text(object, "query");
    if !text.is_empty() {
        return VariableQuery::parse(&text);
    }
    match json::count(object, "qryType", 10) {
        Some(0) => VariableQuery::LabelNames(json::text(object, "match")),
        Some(1) => VariableQuery::LabelValues { selector: json::text(object, "metric"), label: json::text(object, "label") },
        Some(2) => VariableQuery::Metrics(json::text(object, "metric")),
        Some(3) => VariableQuery::QueryResult(json::text(object, "varQuery")),
        Some(4) => VariableQuery::Series(json::text(object, "seriesQuery")),
        _ => VariableQuery::parse(&json::text(item, "definition")),
    }
}

fn current(item: &Object) -> Vec<String> {
    let Some(current) = json::object(item, "current") else { return Vec::new() };
    json::texts(current, "value").into_iter().filter(|value| !value.is_empty()).take(OPTIONS_MAX).collect()
}

fn options(item: &Object, variable: &Variable) -> Vec<VariableOption> {
    match &variable.kind {
        VariableKind::Custom | VariableKind::Interval { .. } => listed(&json::text(item, "query"), &variable.kind),
        VariableKind::Datasource(kind) if matches!(kind.as_str(), "prometheus" | "") => {
            vec![VariableOption { text: "Prometheus".to_owned(), value: "prometheus".to_owned() }]
        }
        VariableKind::Unknown(_) => json::objects(item, "options")
            .take(OPTIONS_MAX)
            .map(|option| VariableOption {
                text: json::text(option, "text"),
                value: json::as_text(option.get("value").unwrap_or(&Value::Null)),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// `a, b, text : value`, a comma escaped by a backslash.
fn listed(text: &str, kind: &VariableKind) -> Vec<VariableOption> {
    let mut parts = Vec::new();
    let (mut part, mut chars) = (String::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&',') => part.extend(chars.next()),
            ',' => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    let pairs = matches!(kind, VariableKind::Custom);
    let option = |part: &str| match part.split_once(" : ") {
        Some((text, value)) if pairs => VariableOption { text: text.trim().to_owned(), value: value.trim().to_owned() },
        _ => VariableOption::plain(part.trim()),
    };
    parts.iter().map(|part| option(part)).filter(|option| !option.value.is_empty()).take(OPTIONS_MAX).collect()
}
