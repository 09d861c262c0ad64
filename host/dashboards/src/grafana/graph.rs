//! The panel `graph` of before Grafana 7.4 as `timeseries`.

use serde_json::{Map, Value, json};

use super::Warnings;
use crate::json::{self, Object};

/// The same panel in the newest form.
pub(super) fn migrate(panel: &Object, warnings: &mut Warnings) -> Object {
    let mut out = panel.clone();
    let title = json::text(panel, "title");
    let axes = Axes::of(panel);
    let mut defaults = json::object(panel, "fieldConfig").and_then(|c| json::object(c, "defaults")).cloned().unwrap_or_default();
    axes.left.apply(&mut defaults);
    if let Some(decimals) = json::count(panel, "decimals", 20) {
        defaults.insert("decimals".to_owned(), decimals.into());
    }
    let mut custom = Custom::of(panel, &axes);
    let thresholds = thresholds(panel, &mut custom.0);
    defaults.insert("custom".to_owned(), Value::Object(custom.0));
    defaults.insert("color".to_owned(), json!({"mode": "palette-classic"}));
    if let Some(thresholds) = thresholds {
        defaults.insert("thresholds".to_owned(), thresholds);
    }
    let mut overrides = alias_colors(panel);
    for item in json::objects(panel, "seriesOverrides") {
        overrides.extend(series_override(item, &axes, &title, warnings));
    }
    out.insert("type".to_owned(), "timeseries".into());
    out.insert("fieldConfig".to_owned(), json!({"defaults": defaults, "overrides": overrides}));
    out.insert("options".to_owned(), json!({"legend": legend(panel), "tooltip": tooltip(panel)}));
    warn(panel, &title, warnings);
    out
}

fn warn(panel: &Object, title: &str, warnings: &mut Warnings) {
    if let Some(mode) = json::object(panel, "xaxis").map(|x| json::text(x, "mode")).filter(|mode| !matches!(mode.as_str(), "" | "time")) {
        warnings.add(format!("panel {title:?} has an x axis of the mode {mode:?}; it is drawn over time"));
    }
    if json::text(panel, "nullPointMode") == "null as zero" {
        warnings.add(format!("panel {title:?} draws missing values as zero; they are drawn as gaps"));
    }
    if !json::list(panel, "timeRegions").is_empty() {
        warnings.add(format!("time regions of panel {title:?} are not drawn yet"));
    }
}

struct Axis {
    unit: String,
    min: Option<f64>,
    max: Option<f64>,
    label: String,
    log: u32,
    shown: bool,
    decimals: Option<u32>,
}

impl Axis {
    fn apply(&self, defaults: &mut Object) {
        if !self.unit.is_empty() {
            defaults.insert("unit".to_owned(), self.unit.clone().into());
        }
        for (key, value) in [("min", self.min), ("max", self.max)] {
            if let Some(value) = value {
                defaults.insert(key.to_owned(), value.into());
            }
        }
        if let Some(decimals) = self.decimals {
            defaults.insert("decimals".to_owned(), decimals.into());
        }
    }
}

struct Axes {
    left: Axis,
    right: Axis,
}

impl Axes {
    /// From `yaxes`, or from `y_formats` and `grid` of before 2016.
    fn of(panel: &Object) -> Self {
        let list: Vec<&Object> = json::objects(panel, "yaxes").collect();
        let formats = json::texts(panel, "y_formats");
        let (empty, grid) = (Map::new(), json::object(panel, "grid"));
        let axis = |at: usize, side: &str| match list.get(at) {
            Some(axis) => Axis {
                unit: json::text(axis, "format"),
                min: json::number(axis, "min"),
                max: json::number(axis, "max"),
                label: json::text(axis, "label"),
                log: json::count(axis, "logBase", 1_024).unwrap_or(1),
                shown: json::flag_or(axis, "show", true),
                decimals: json::count(axis, "decimals", 20),
            },
            None => {
                let grid = grid.unwrap_or(&empty);
                Axis {
                    unit: formats.get(at).cloned().unwrap_or_default(),
                    min: json::number(grid, &format!("{side}Min")),
                    max: json::number(grid, &format!("{side}Max")),
                    label: json::text(panel, &format!("{side}YAxisLabel")),
                    log: json::count(grid, &format!("{side}LogBase"), 1_024).unwrap_or(1),
                    shown: json::flag_or(panel, "y-axis", true),
                    decimals: None,
                }
            }
        };
        Self { left: axis(0, "left"), right: axis(1, "right") }
    }
}

/// Options of the new panel for a field.
struct Custom(Object);

impl Custom {
    fn of(panel: &Object, axes: &Axes) -> Self {
        let mut custom = Self(Map::new());
        let (lines, bars, points) = (json::flag_or(panel, "lines", true), json::flag(panel, "bars"), json::flag(panel, "points"));
        let style = if bars {
            "bars"
        } else if !lines && points {
            "points"
        } else {
            "line"
        };
        custom.set("drawStyle", style);
        // Neither lines nor bars nor points: nothing was drawn then either.
        custom.set("lineWidth", if lines || bars { json::number(panel, "linewidth").unwrap_or(1.0).clamp(0.0, 10.0) } else { 0.0 });
        custom.set("fillOpacity", fill(panel, if bars { 10.0 } else { 1.0 }));
        custom.set("gradientMode", if json::number(panel, "fillGradient").is_some_and(|g| g > 0.0) { "opacity" } else { "none" });
        custom.set("lineInterpolation", if json::flag(panel, "steppedLine") { "stepAfter" } else { "linear" });
        custom.set("showPoints", if points { "always" } else { "never" });
        custom.set("pointSize", json::number(panel, "pointradius").unwrap_or(2.0).clamp(0.5, 20.0) * 2.0);
        custom.set("spanNulls", json::text(panel, "nullPointMode") == "connected");
        if json::flag(panel, "stack") {
            custom.set("stacking", json!({"mode": if json::flag(panel, "percentage") { "percent" } else { "normal" }, "group": "A"}));
        }
        if json::flag(panel, "dashes") {
            custom.set("lineStyle", dash(panel));
        }
        custom.set("axisPlacement", if axes.left.shown { "auto" } else { "hidden" });
        custom.set("axisLabel", axes.left.label.clone());
        custom.set("scaleDistribution", scale(axes.left.log));
        custom
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }
}

fn fill(object: &Object, default: f64) -> f64 {
    (json::number(object, "fill").unwrap_or(default) * 10.0).clamp(0.0, 100.0)
}

fn dash(object: &Object) -> Value {
    let length = |key| json::count(object, key, 100).unwrap_or(10);
    json!({"fill": "dash", "dash": [length("dashLength"), length("spaceLength")]})
}

fn scale(log: u32) -> Value {
    match log {
        0 | 1 => json!({"type": "linear"}),
        2 => json!({"type": "log", "log": 2}),
        _ => json!({"type": "log", "log": 10}),
    }
}

/// Old thresholds colour from a value up or down to the next; the new ones are steps upward.
fn thresholds(panel: &Object, custom: &mut Object) -> Option<Value> {
    let mut bounds: Vec<(f64, bool, String)> = json::objects(panel, "thresholds")
        .filter_map(|item| {
            let color = match json::text(item, "colorMode").as_str() {
                "ok" => "green".to_owned(),
                "warning" => "orange".to_owned(),
                "custom" => Some(json::text(item, "lineColor")).filter(|c| !c.is_empty()).unwrap_or_else(|| json::text(item, "fillColor")),
                _ => "red".to_owned(),
            };
            Some((json::number(item, "value")?, json::text(item, "op") == "lt", color))
        })
        .collect();
    if bounds.is_empty() {
        return None;
    }
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut steps = vec![json!({"color": "transparent", "value": null})];
    for (value, below, color) in bounds {
        if below {
            if let Some(last) = steps.last_mut() {
                last["color"] = color.into();
            }
            steps.push(json!({"color": "transparent", "value": value}));
        } else {
            steps.push(json!({"color": color, "value": value}));
        }
    }
    let any = |key: &str| json::objects(panel, "thresholds").any(|item| json::flag(item, key));
    let style = match (any("line"), any("fill")) {
        (true, true) => "line+area",
        (true, false) => "line",
        _ => "area",
    };
    custom.insert("thresholdsStyle".to_owned(), json!({"mode": style}));
    Some(json!({"mode": "absolute", "steps": steps}))
}

fn alias_colors(panel: &Object) -> Vec<Value> {
    let Some(colors) = json::object(panel, "aliasColors") else { return Vec::new() };
    let one = |(name, color): (&String, &Value)| json!({"matcher": {"id": "byName", "options": name}, "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]});
    colors.iter().map(one).collect()
}

fn series_override(item: &Object, axes: &Axes, title: &str, warnings: &mut Warnings) -> Option<Value> {
    let alias = json::text(item, "alias");
    if alias.is_empty() {
        return None;
    }
    let mut properties: Vec<Value> = Vec::new();
    for (key, value) in item {
        match override_property(key, value, item, axes) {
            Some(added) => properties.extend(added.into_iter().map(|(id, value)| json!({"id": id, "value": value}))),
            None => warnings.add(format!("panel {title:?}: {key:?} of a series override is not known")),
        }
    }
    let id = if alias.len() > 1 && alias.starts_with('/') { "byRegexp" } else { "byName" };
    Some(json!({"matcher": {"id": id, "options": alias}, "properties": properties}))
}

/// New properties for one key of an old override. None if it is not known.
fn override_property(key: &str, value: &Value, item: &Object, axes: &Axes) -> Option<Vec<(&'static str, Value)>> {
    let on = json::flag(item, key);
    Some(match key {
        "alias" | "$$hashKey" | "zindex" | "dashLength" | "spaceLength" | "legendColor" => Vec::new(),
        "color" => vec![("color", json!({"mode": "fixed", "fixedColor": value}))],
        "fill" => vec![("custom.fillOpacity", fill(item, 1.0).into())],
        "fillGradient" => {
            let some = json::number(item, key).is_some_and(|g| g > 0.0);
            vec![("custom.gradientMode", if some { "opacity" } else { "none" }.into())]
        }
        "fillBelowTo" => vec![("custom.fillBelowTo", value.clone())],
        "lines" => vec![if on { ("custom.drawStyle", "line".into()) } else { ("custom.lineWidth", 0.into()) }],
        "linewidth" => vec![("custom.lineWidth", json::number(item, key).unwrap_or(1.0).clamp(0.0, 10.0).into())],
        "bars" => vec![("custom.drawStyle", if on { "bars" } else { "line" }.into())],
        "points" => vec![("custom.showPoints", if on { "always" } else { "never" }.into())],
        "pointradius" => vec![("custom.pointSize", (json::number(item, key).unwrap_or(2.0).clamp(0.5, 20.0) * 2.0).into())],
        "steppedLine" => vec![("custom.lineInterpolation", if on { "stepAfter" } else { "linear" }.into())],
        "dashes" => vec![("custom.lineStyle", if on { dash(item) } else { json!({"fill": "solid"}) })],
        "nullPointMode" => vec![("custom.spanNulls", (value == "connected").into())],
        "stack" => vec![("custom.stacking", stack(value))],
        "transform" => vec![("custom.transform", if value == "negative-Y" { "negative-Y" } else { "" }.into())],
        "yaxis" => second_axis(json::count(item, key, 2) == Some(2), &axes.right),
        "legend" => vec![("custom.hideFrom", json!({"legend": !on, "tooltip": false, "viz": false}))],
        "hideTooltip" => vec![("custom.hideFrom", json!({"legend": false, "tooltip": on, "viz": false}))],
        "hiddenSeries" => vec![("custom.hideFrom", json!({"legend": false, "tooltip": on, "viz": on}))],
        _ => return None,
    })
}

/// `true`, `false`, or the letter of a stack.
fn stack(value: &Value) -> Value {
    match value {
        Value::Bool(false) | Value::Null => json!({"mode": "none"}),
        Value::String(group) if group != "true" => json!({"mode": "normal", "group": group}),
        _ => json!({"mode": "normal", "group": "A"}),
    }
}

fn second_axis(right: bool, axis: &Axis) -> Vec<(&'static str, Value)> {
    if !right {
        return Vec::new();
    }
    let mut out = vec![("custom.axisPlacement", Value::from(if axis.shown { "right" } else { "hidden" }))];
    if !axis.unit.is_empty() {
        out.push(("unit", axis.unit.clone().into()));
    }
    out.extend(axis.min.map(|min| ("min", min.into())));
    out.extend(axis.max.map(|max| ("max", max.into())));
    out.extend(axis.decimals.map(|decimals| ("decimals", decimals.into())));
    if !axis.label.is_empty() {
        out.push(("custom.axisLabel", axis.label.clone().into()));
    }
    if axis.log > 1 {
        out.push(("custom.scaleDistribution", scale(axis.log)));
    }
    out
}

fn legend(panel: &Object) -> Value {
    let empty = Map::new();
    let legend = json::object(panel, "legend").unwrap_or(&empty);
    let known = [("min", "min"), ("max", "max"), ("avg", "mean"), ("current", "lastNotNull"), ("total", "sum")];
    let calcs: Vec<&str> = known.iter().filter(|(old, _)| json::flag(legend, old)).map(|(_, new)| *new).collect();
    let shown = json::flag_or(legend, "show", true);
    let sort = known.iter().find(|(old, _)| *old == json::text(legend, "sort")).map_or("", |(_, new)| new);
    json!({
        "showLegend": shown,
        "displayMode": if json::flag(legend, "alignAsTable") { "table" } else { "list" },
        "placement": if json::flag(legend, "rightSide") { "right" } else { "bottom" },
        "calcs": if json::flag_or(legend, "values", true) { calcs } else { Vec::new() },
        "sortBy": sort,
        "sortDesc": json::flag(legend, "sortDesc"),
    })
}

fn tooltip(panel: &Object) -> Value {
    let empty = Map::new();
    let tooltip = json::object(panel, "tooltip").unwrap_or(&empty);
    let sort = match json::count(tooltip, "sort", 2) {
        Some(1) => "asc",
        Some(2) => "desc",
        _ => "none",
    };
    json!({"mode": if json::flag_or(tooltip, "shared", true) { "multi" } else { "single" }, "sort": sort})
}
