//! What series are called on the page.

use std::collections::HashSet;

use model::view::{Field, Frame, Values};
use model::{LabelSet, METRIC_NAME};

/// Fills `{{label}}` in. A label that the series lacks is empty, as in Grafana.
pub(crate) fn legend(template: &str, labels: &LabelSet) -> String {
    let (mut out, mut rest) = (String::with_capacity(template.len()), template);
    while let Some(open) = rest.find("{{") {
        let Some(length) = rest[open + 2..].find("}}") else { break };
        out.push_str(&rest[..open]);
        out.push_str(labels.get(rest[open + 2..open + 2 + length].trim()).unwrap_or(""));
        rest = &rest[open + length + 4..];
    }
    out.push_str(rest);
    out
}

/// Names the value fields of frames whose query says nothing: by the value of the label if there is only one, else by all
/// labels; by the expression if there are none.
pub(crate) fn automatic(frames: &mut [Frame], expr: &str) {
    let single = single_label(frames);
    for frame in frames {
        let Some(field) = frame.fields.iter_mut().find(|field| matches!(field.values, Values::Numbers(_))) else { continue };
        let name = match &single {
            Some(label) => field.labels.get(label).unwrap_or("").to_owned(),
            None if field.labels.is_empty() => expr.to_owned(),
            None => field.labels.to_string(),
        };
        field.display_name.clone_from(&name);
        frame.name = name;
    }
}

/// The only label, apart from the metric's name, that the series have, if all have it and no more, and if it tells them apart.
fn single_label(frames: &[Frame]) -> Option<String> {
    let (mut single, mut values): (Option<String>, HashSet<&str>) = (None, HashSet::new());
    for labels in frames.iter().flat_map(|frame| &frame.fields).filter(|f| matches!(f.values, Values::Numbers(_))).map(|f| &f.labels) {
        let mut names = labels.iter().map(|(name, _)| name).filter(|name| *name != METRIC_NAME);
        let (Some(name), None) = (names.next(), names.next()) else { return None };
        if single.as_deref().is_some_and(|known| known != name) {
            return None;
        }
        if !values.insert(labels.get(name).unwrap_or("")) {
            return None;
        }
        single = Some(name.to_owned());
    }
    single
}

/// Fills a `displayName` in: `${__field.labels.x}`, `${__field.labels["x"]}`, `${__field.labels}`, `${__field.name}`,
/// `${__field.displayName}` and `${__series.name}`. What it does not know stays.
pub(crate) fn display(template: &str, field: &Field, frame: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(template.len()), template);
    while let Some(open) = rest.find("${__") {
        let Some(length) = rest[open..].find('}') else { break };
        let reference = &rest[open + 2..open + length];
        out.push_str(&rest[..open]);
        match lookup(reference, field, frame) {
            Some(text) => out.push_str(&text),
            None => out.push_str(&rest[open..=open + length]),
        }
        rest = &rest[open + length + 1..];
    }
    out.push_str(rest);
    out
}

fn lookup(reference: &str, field: &Field, frame: &str) -> Option<String> {
    match reference {
        "__field.name" => Some(field.name.clone()),
        "__field.displayName" => Some(field.display_name.clone()),
        "__series.name" => Some(frame.to_owned()),
        "__field.labels" => Some(field.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(", ")),
        _ => {
            let path = reference.strip_prefix("__field.labels")?;
            let name = path.strip_prefix('.').or_else(|| path.strip_prefix('[')?.strip_suffix(']'))?;
            Some(field.labels.get(name.trim_matches(['"', '\''])).unwrap_or("").to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> LabelSet {
        LabelSet::from_pairs([("job", "node"), ("instance", "a:1"), ("__name__", "up")])
    }

    #[test]
    fn legends() {
        let cases = [
            ("{{job}}", "node"),
            ("{{ job }} on {{instance}}", "node on a:1"),
            ("{{nothing}}", ""),
            ("plain", "plain"),
            ("{{job", "{{job"),
            ("{{__name__}}", "up"),
            ("{{job}}}}", "node}}"),
            ("한글 {{job}}", "한글 node"),
        ];
        for (template, expected) in cases {
            assert_eq!(legend(template, &labels()), expected, "{template:?}");
        }
    }

    #[test]
    fn display_names() {
        let field = Field { name: "Value".into(), labels: labels(), display_name: "x".into(), config: 0, values: Values::Numbers(vec![]) };
        let cases = [
            ("${__field.labels.job}", "node"),
            ("${__field.labels[\"job\"]}/${__field.name}", "node/Value"),
            ("${__series.name}", "frame"),
            ("${__field.labels.none}", ""),
            ("${__unknown}", "${__unknown}"),
            ("${__field.name", "${__field.name"),
        ];
        for (template, expected) in cases {
            assert_eq!(display(template, &field, "frame"), expected, "{template:?}");
        }
    }
}
