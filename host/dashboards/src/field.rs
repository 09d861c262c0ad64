//! From Grafana's `fieldConfig` to what a panel gets: overrides applied, each different configuration once.

use std::collections::HashMap;

use model::view::{ColorMode, DataLink, Field, FieldConfig, Frame, Mapping, Match, Threshold, Values};
use serde_json::{Map, Value};

use crate::json::{self, Object};
use crate::matcher::FieldMatcher;
use crate::model::FieldOptions;
use crate::names;
use crate::reduce::reduce;

/// Frames with their configurations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// Named, and referring to `configs`.
    pub frames: Vec<Frame>,
    /// Each different one once.
    pub configs: Vec<FieldConfig>,
    /// What was not understood.
    pub warnings: Vec<String>,
}

/// Applies defaults and overrides to every field. `type_name` is the panel's, which decides how values are coloured where
/// nothing says so.
#[must_use]
pub fn resolve(frames: Vec<Frame>, options: &FieldOptions, type_name: &str) -> Resolved {
    let mut resolved = Resolved::default();
    let overrides = compile(options, &mut resolved.warnings);
    let extent = Extent::of(&frames);
    let mut known: HashMap<String, u32> = HashMap::new();
    resolved.frames = frames;
    for at in 0..resolved.frames.len() {
        let merged: Vec<Object> = {
            let frame = &resolved.frames[at];
            frame.fields.iter().map(|field| merge(options, &overrides, field, frame)).collect()
        };
        let frame = &mut resolved.frames[at];
        for (field, mut config) in frame.fields.iter_mut().zip(merged) {
            let template = json::text(&config, "displayName");
            config.remove("displayName");
            if !template.is_empty() && !matches!(field.values, Values::Times(_)) {
                field.display_name = names::display(&template, field, &frame.name);
            }
            // The order of keys is that of the map, which is sorted, so equal configurations have equal texts.
            let key = Value::Object(config.clone()).to_string();
            field.config = *known.entry(key).or_insert_with(|| {
                resolved.configs.push(config_of(&config, type_name, extent, &mut resolved.warnings));
                u32::try_from(resolved.configs.len() - 1).unwrap_or(u32::MAX)
            });
        }
    }
    resolved.warnings.sort();
    resolved.warnings.dedup();
    resolved
}

struct Override<'a> {
    matcher: FieldMatcher,
    properties: Vec<(String, &'a Value)>,
}

fn compile<'a>(options: &'a FieldOptions, warnings: &mut Vec<String>) -> Vec<Override<'a>> {
    let mut compiled = Vec::new();
    for item in options.overrides.iter().filter_map(Value::as_object) {
        let Some(matcher) = json::object(item, "matcher") else {
            warnings.push("an override has no matcher and is not applied".to_owned());
            continue;
        };
        match FieldMatcher::new(matcher) {
            Ok(matcher) => {
                let properties = json::objects(item, "properties").map(|p| (json::text(p, "id"), p.get("value").unwrap_or(&Value::Null)));
                compiled.push(Override { matcher, properties: properties.collect() });
            }
            Err(reason) => warnings.push(format!("an override is not applied: {reason}")),
        }
    }
    compiled
}

fn merge(options: &FieldOptions, overrides: &[Override<'_>], field: &Field, frame: &Frame) -> Object {
    let mut config = options.defaults.clone();
    for item in overrides.iter().filter(|item| item.matcher.matches(field, frame)) {
        for (id, value) in &item.properties {
            set(&mut config, id, value);
        }
    }
    config
}

/// Sets `custom.hideFrom.viz` and the like. Deeper paths than there are in dashboards are cut.
fn set(config: &mut Object, path: &str, value: &Value) {
    let mut at = config;
    let mut parts = path.splitn(4, '.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            at.insert(part.to_owned(), value.clone());
            return;
        }
        let inner = at.entry(part).or_insert_with(|| Value::Object(Map::new()));
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        let Value::Object(next) = inner else { return };
        at = next;
    }
}

/// The least and the largest number of all frames, for thresholds in percent.
#[derive(Clone, Copy)]
struct Extent {
    min: f64,
    max: f64,
}

impl Extent {
    fn of(frames: &[Frame]) -> Self {
        let numbers = || {
            frames.iter().flat_map(|frame| &frame.fields).filter_map(|field| match &field.values {
                Values::Numbers(numbers) => Some(numbers.as_slice()),
                _ => None,
            })
        };
        let fold = |id| numbers().filter_map(move |n| reduce(n, id));
        Self { min: fold("min").fold(f64::NAN, f64::min), max: fold("max").fold(f64::NAN, f64::max) }
    }
}

fn config_of(config: &Object, type_name: &str, extent: Extent, warnings: &mut Vec<String>) -> FieldConfig {
    let (min, max) = (json::number(config, "min"), json::number(config, "max"));
    let custom = json::object(config, "custom").cloned().unwrap_or_default();
    FieldConfig {
        unit: json::text(config, "unit"),
        decimals: json::count(config, "decimals", 20),
        min,
        max,
        color: color_mode(config, type_name),
        thresholds: thresholds(config, min.unwrap_or(extent.min), max.unwrap_or(extent.max)),
        mappings: mappings(config, warnings),
        no_value: json::text(config, "noValue"),
        links: links(config, warnings),
        custom: Value::Object(custom).to_string(),
    }
}

/// Panels whose fields take the palette's colours unless told otherwise; all others are coloured by thresholds.
const BY_PALETTE: [&str; 9] =
    ["timeseries", "graph", "piechart", "barchart", "histogram", "trend", "xychart", "candlestick", "state-timeline"];

fn color_mode(config: &Object, type_name: &str) -> ColorMode {
    let color = json::object(config, "color");
    let mode = color.map(|c| json::text(c, "mode")).unwrap_or_default();
    match mode.as_str() {
        "fixed" | "shades" => ColorMode::Fixed(color.map(|c| color_text(&json::text(c, "fixedColor"))).unwrap_or_default()),
        "thresholds" => ColorMode::Thresholds,
        mode if mode.starts_with("continuous-") => ColorMode::Scale(mode.to_owned()),
        mode if mode.starts_with("palette-") => ColorMode::Palette,
        _ if BY_PALETTE.contains(&type_name) => ColorMode::Palette,
        _ => ColorMode::Thresholds,
    }
}

/// `#rrggbb`, `#rrggbbaa` or a name of the palette; `rgb(…)` and `rgba(…)` are converted; empty for anything else.
pub(crate) fn color_text(text: &str) -> String {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix('#') {
        let fits = matches!(hex.len(), 3 | 4 | 6 | 8) && hex.bytes().all(|b| b.is_ascii_hexdigit());
        return match (fits, hex.len()) {
            (true, 3 | 4) => std::iter::once('#').chain(hex.chars().flat_map(|c| [c, c])).collect(),
            (true, _) => text.to_owned(),
            (false, _) => String::new(),
        };
    }
    if let Some(inner) = text.strip_prefix("rgba(").or_else(|| text.strip_prefix("rgb(")).and_then(|rest| rest.strip_suffix(')')) {
        let parts: Vec<f64> = inner.split(',').filter_map(|part| part.trim().parse().ok()).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte first")]
        let byte = |n: f64| n.round().clamp(0.0, 255.0) as u8;
        return match parts[..] {
            [r, g, b] => format!("#{:02x}{:02x}{:02x}", byte(r), byte(g), byte(b)),
            [r, g, b, a] if a >= 1.0 => format!("#{:02x}{:02x}{:02x}", byte(r), byte(g), byte(b)),
            [r, g, b, a] => format!("#{:02x}{:02x}{:02x}{:02x}", byte(r), byte(g), byte(b), byte(a * 255.0)),
            _ => String::new(),
        };
    }
    let name = !text.is_empty() && text.len() <= 40 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if name { text.to_owned() } else { String::new() }
}

fn thresholds(config: &Object, min: f64, max: f64) -> Vec<Threshold> {
    let Some(object) = json::object(config, "thresholds") else {
        // What Grafana gives a new panel.
        let threshold = |value, color: &str| Threshold { value, color: color.to_owned() };
        return vec![threshold(f64::NEG_INFINITY, "green"), threshold(80.0, "red")];
    };
    let percent = json::text(object, "mode") == "percentage";
    let mut steps: Vec<Threshold> = json::objects(object, "steps")
        .map(|step| {
            let value = json::number(step, "value");
            let placed = value.map(|v| if percent { min + (max - min) * v / 100.0 } else { v });
            Threshold { value: placed.unwrap_or(f64::NEG_INFINITY), color: color_text(&json::text(step, "color")) }
        })
        .filter(|step| !step.value.is_nan())
        .collect();
    steps.sort_by(|a, b| a.value.total_cmp(&b.value));
    if let Some(first) = steps.first_mut() {
        first.value = f64::NEG_INFINITY;
    }
    steps
}

fn mappings(config: &Object, warnings: &mut Vec<String>) -> Vec<Mapping> {
    let mut out = Vec::new();
    for item in json::objects(config, "mappings") {
        let options = json::object(item, "options");
        match (json::text(item, "type").as_str(), options) {
            ("value", Some(options)) => value_mappings(options, &mut out),
            ("range", Some(options)) => {
                let bound = |key, open| json::number(options, key).unwrap_or(open);
                push(&mut out, Match::Range(bound("from", f64::NEG_INFINITY), bound("to", f64::INFINITY)), options);
            }
            ("regex", Some(options)) => push(&mut out, Match::Pattern(json::text(options, "pattern")), options),
            ("special", Some(options)) => special(options, &mut out, warnings),
            ("1", _) => old_mapping(item, &json::text(item, "value"), &mut out),
            ("2", _) => {
                let (from, to) = (json::number(item, "from"), json::number(item, "to"));
                let matches = match (from, to) {
                    (None, None) => Match::Missing,
                    _ => Match::Range(from.unwrap_or(f64::NEG_INFINITY), to.unwrap_or(f64::INFINITY)),
                };
                out.push(Mapping { matches, text: json::text(item, "text"), color: String::new() });
            }
            (other, _) => warnings.push(format!("a value mapping of the type {other:?} is not known")),
        }
    }
    out
}

fn value_mappings(options: &Object, out: &mut Vec<Mapping>) {
    let mut entries: Vec<(&String, &Object)> = options.iter().filter_map(|(key, value)| Some((key, value.as_object()?))).collect();
    entries.sort_by_key(|(_, result)| json::count(result, "index", u32::MAX));
    for (key, result) in entries {
        let matches = if key == "null" { Match::Missing } else { Match::Text(key.clone()) };
        out.push(mapping(matches, result));
    }
}

fn old_mapping(item: &Object, value: &str, out: &mut Vec<Mapping>) {
    let matches = if matches!(value, "null" | "") { Match::Missing } else { Match::Text(value.to_owned()) };
    out.push(Mapping { matches, text: json::text(item, "text"), color: String::new() });
}

fn special(options: &Object, out: &mut Vec<Mapping>, warnings: &mut Vec<String>) {
    match json::text(options, "match").as_str() {
        "null" | "nan" | "null+nan" => push(out, Match::Missing, options),
        "empty" => push(out, Match::Empty, options),
        "true" => ["true", "1"].into_iter().for_each(|text| push(out, Match::Text(text.to_owned()), options)),
        "false" => ["false", "0"].into_iter().for_each(|text| push(out, Match::Text(text.to_owned()), options)),
        other => warnings.push(format!("a value mapping of the special value {other:?} is not known")),
    }
}

fn push(out: &mut Vec<Mapping>, matches: Match, options: &Object) {
    let empty = Map::new();
    out.push(mapping(matches, json::object(options, "result").unwrap_or(&empty)));
}

fn mapping(matches: Match, result: &Object) -> Mapping {
    Mapping { matches, text: json::text(result, "text"), color: color_text(&json::text(result, "color")) }
}

fn links(config: &Object, warnings: &mut Vec<String>) -> Vec<DataLink> {
    let mut out = Vec::new();
    for link in json::objects(config, "links") {
        let url = json::text(link, "url");
        if is_safe_address(&url) {
            out.push(DataLink { title: json::text(link, "title"), url, new_tab: json::flag(link, "targetBlank") });
        } else {
            warnings.push("a link that leads neither to a page of this site nor to http, https or mailto is left out".to_owned());
        }
    }
    out
}

/// Whether an address has one of the schemes that run nothing, or none.
fn is_safe_address(url: &str) -> bool {
    // Browsers skip these inside a scheme.
    let plain: String = url.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let scheme = plain.split(['/', '?', '#', '$']).next().unwrap_or_default();
    match scheme.split_once(':') {
        None => true,
        Some((scheme, _)) => matches!(scheme, "http" | "https" | "mailto"),
    }
}

#[cfg(test)]
#[path = "field_tests.rs"]
mod tests;
