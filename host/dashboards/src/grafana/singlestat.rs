//! The panel `singlestat` of before Grafana 7 as `stat`, or as `gauge` where it showed one; and the options that `stat`,
//! `gauge` and `bargauge` had in Grafana 6.

use serde_json::{Map, Value, json};

use super::Warnings;
use crate::json::{self, Object};

/// The same panel in the newest form.
pub(super) fn migrate(panel: &Object, warnings: &mut Warnings) -> Object {
    let title = json::text(panel, "title");
    let empty = Map::new();
    let gauge = json::object(panel, "gauge").unwrap_or(&empty);
    let is_gauge = json::flag(gauge, "show");
    let mut defaults = Map::new();
    let mut set = |key: &str, value: Value| defaults.insert(key.to_owned(), value);
    set("unit", unit(panel, &title, warnings).into());
    if let Some(decimals) = json::count(panel, "decimals", 20) {
        set("decimals", decimals.into());
    }
    if let Some(text) = Some(json::text(panel, "nullText")).filter(|text| !text.is_empty()) {
        set("noValue", text.into());
    }
    if is_gauge {
        set("min", json::number(gauge, "minValue").unwrap_or(0.0).into());
        set("max", json::number(gauge, "maxValue").unwrap_or(100.0).into());
    }
    if let Some(steps) = thresholds(panel) {
        set("thresholds", json!({"mode": "absolute", "steps": steps}));
    }
    set("mappings", mappings(panel).into());
    let sparkline = json::object(panel, "sparkline").unwrap_or(&empty);
    let colored = json::flag(panel, "colorBackground") || json::flag(panel, "colorValue");
    if json::flag(sparkline, "show") && !colored && !is_gauge {
        set("color", json!({"mode": "fixed", "fixedColor": json::text(sparkline, "lineColor")}));
    } else {
        set("color", json!({"mode": "thresholds"}));
    }
    let mut out = panel.clone();
    out.insert("type".to_owned(), if is_gauge { "gauge" } else { "stat" }.into());
    out.insert("fieldConfig".to_owned(), json!({"defaults": defaults, "overrides": []}));
    out.insert("options".to_owned(), options(panel, gauge, sparkline, &title, warnings));
    out
}

fn options(panel: &Object, gauge: &Object, sparkline: &Object, title: &str, warnings: &mut Warnings) -> Value {
    let name = json::text(panel, "valueName");
    let calc = match name.as_str() {
        "avg" | "" => "mean",
        "current" => "lastNotNull",
        "total" => "sum",
        "name" => "lastNotNull",
        "min" | "max" | "first" | "delta" | "diff" | "range" | "count" => name.as_str(),
        other => {
            warnings.add(format!("panel {title:?} shows {other:?} of its series, which is not known; it shows the last value"));
            "lastNotNull"
        }
    };
    let color = if json::flag(panel, "colorBackground") {
        "background"
    } else if json::flag(panel, "colorValue") {
        "value"
    } else {
        "none"
    };
    let column = json::text(panel, "tableColumn");
    let fields = if column.is_empty() { String::new() } else { format!("/^{}$/", regex::escape(&column)) };
    json!({
        "reduceOptions": {"calcs": [calc], "fields": fields, "values": false},
        "orientation": "horizontal",
        "colorMode": color,
        "graphMode": if json::flag(sparkline, "show") { "area" } else { "none" },
        "justifyMode": "auto",
        "textMode": if name == "name" { "name" } else { "auto" },
        "showThresholdMarkers": json::flag_or(gauge, "thresholdMarkers", true),
        "showThresholdLabels": json::flag(gauge, "thresholdLabels"),
    })
}

/// The unit; a text before or after the value becomes part of it where there is no other.
fn unit(panel: &Object, title: &str, warnings: &mut Warnings) -> String {
    let unit = json::text(panel, "format");
    let (prefix, postfix) = (json::text(panel, "prefix"), json::text(panel, "postfix"));
    let free = matches!(unit.as_str(), "" | "none" | "short");
    match (prefix.trim(), postfix.trim()) {
        ("", "") => unit,
        ("", postfix) if free => format!("suffix:{postfix}"),
        (prefix, "") if free => format!("prefix:{prefix}"),
        _ => {
            warnings.add(format!("panel {title:?} writes {prefix:?} before and {postfix:?} behind its value; they are left out"));
            unit
        }
    }
}

/// `"65, 90"` and three colours.
fn thresholds(panel: &Object) -> Option<Vec<Value>> {
    let colors = json::texts(panel, "colors");
    let mut values: Vec<f64> = json::text(panel, "thresholds").split(',').filter_map(|part| part.trim().parse().ok()).collect();
    values.retain(|value: &f64| value.is_finite());
    if colors.is_empty() {
        return None;
    }
    let bounds = std::iter::once(Value::Null).chain(values.into_iter().map(Value::from));
    Some(bounds.zip(colors).map(|(value, color)| json!({"color": color, "value": value})).collect())
}

/// `valueMaps` and `rangeMaps`, of which `mappingType` says which counts.
fn mappings(panel: &Object) -> Vec<Value> {
    if json::count(panel, "mappingType", 9) == Some(2) {
        return json::objects(panel, "rangeMaps")
            .map(|map| json!({"type": 2, "from": json::text(map, "from"), "to": json::text(map, "to"), "text": json::text(map, "text")}))
            .collect();
    }
    json::objects(panel, "valueMaps")
        .map(|map| json!({"type": 1, "value": json::text(map, "value"), "text": json::text(map, "text")}))
        .collect()
}

/// `options.fieldOptions` of Grafana 6 as `fieldConfig` and `reduceOptions`. Other panels stay as they are.
pub(super) fn field_options(panel: &Object) -> Object {
    let mut out = panel.clone();
    let Some(options) = json::object(panel, "options") else { return out };
    let Some(old) = json::object(options, "fieldOptions") else { return out };
    let mut options = options.clone();
    options.remove("fieldOptions");
    if !options.contains_key("reduceOptions") {
        options.insert("reduceOptions".to_owned(), json!({"calcs": json::texts(old, "calcs"), "values": json::flag(old, "values")}));
    }
    if json::object(panel, "fieldConfig").is_none() {
        let mut defaults = json::object(old, "defaults").cloned().unwrap_or_default();
        for key in ["thresholds", "mappings"] {
            // In 6.0 to 6.3 they stood beside the defaults.
            if let (None, Some(Value::Array(list))) = (defaults.get(key), old.get(key)) {
                let value = if key == "thresholds" { json!({"mode": "absolute", "steps": list}) } else { list.clone().into() };
                defaults.insert(key.to_owned(), value);
            }
        }
        let overrides = json::list(old, "overrides");
        out.insert("fieldConfig".to_owned(), json!({"defaults": defaults, "overrides": overrides}));
    }
    out.insert("options".to_owned(), Value::Object(options));
    out
}
