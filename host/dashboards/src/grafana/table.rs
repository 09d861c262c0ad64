//! The table of before Grafana 7, whose columns have `styles`, as today's.

use serde_json::{Map, Value, json};

use super::Warnings;
use crate::json::{self, Object};

/// The same panel in the newest form.
pub(super) fn migrate(panel: &Object, warnings: &mut Warnings) -> Object {
    let title = json::text(panel, "title");
    let mut overrides: Vec<Value> = Vec::new();
    for style in json::objects(panel, "styles") {
        let pattern = json::text(style, "pattern");
        if pattern.is_empty() {
            continue;
        }
        let id = if pattern.len() > 1 && pattern.starts_with('/') { "byRegexp" } else { "byName" };
        overrides.push(json!({"matcher": {"id": id, "options": pattern}, "properties": properties(style)}));
    }
    let mut transformations = json::list(panel, "transformations").to_vec();
    match json::text(panel, "transform").as_str() {
        "" | "table" => transformations.push(json!({"id": "merge", "options": {}})),
        "timeseries_aggregations" => {
            let reducers: Vec<String> = json::objects(panel, "columns").map(|column| json::text(column, "value")).collect();
            transformations.push(json!({"id": "reduce", "options": {"reducers": reducers}}));
        }
        "timeseries_to_rows" => transformations.push(json!({"id": "seriesToRows", "options": {}})),
        "timeseries_to_columns" => transformations.push(json!({"id": "joinByField", "options": {"byField": "Time"}})),
        other => warnings.add(format!("panel {title:?} turns series into a table by {other:?}, which is not known")),
    }
    let mut out = panel.clone();
    out.insert("type".to_owned(), "table".into());
    out.insert("fieldConfig".to_owned(), json!({"defaults": Map::new(), "overrides": overrides}));
    out.insert("transformations".to_owned(), transformations.into());
    out
}

fn properties(style: &Object) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    let mut add = |id: &str, value: Value| out.push(json!({"id": id, "value": value}));
    let alias = json::text(style, "alias");
    if !alias.is_empty() {
        add("displayName", alias.into());
    }
    match json::text(style, "type").as_str() {
        "hidden" => add("custom.hidden", true.into()),
        "date" => add("unit", "dateTimeAsIso".into()),
        "number" => {
            let unit = json::text(style, "unit");
            if !unit.is_empty() {
                add("unit", unit.into());
            }
            if let Some(decimals) = json::count(style, "decimals", 20) {
                add("decimals", decimals.into());
            }
        }
        _ => {}
    }
    let align = json::text(style, "align");
    if !align.is_empty() {
        add("custom.align", align.into());
    }
    let mode = match json::text(style, "colorMode").as_str() {
        "cell" | "row" => "color-background",
        "value" => "color-text",
        _ => return out,
    };
    out.push(json!({"id": "custom.cellOptions", "value": {"type": mode}}));
    let colors = json::texts(style, "colors");
    let bounds = std::iter::once(Value::Null).chain(json::texts(style, "thresholds").into_iter().map(Value::from));
    let steps: Vec<Value> = bounds.zip(colors).map(|(value, color)| json!({"color": color, "value": value})).collect();
    if !steps.is_empty() {
        out.push(json!({"id": "thresholds", "value": {"mode": "absolute", "steps": steps}}));
    }
    out
}
