//! Grafana's classic dashboard JSON, `schemaVersion` up to 42.

mod graph;
mod panel;
mod singlestat;
mod table;
mod variable;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::ImportError;
use crate::json::{self, Object};
use crate::model::{Dashboard, Grid, Panel, PanelKind};

/// Longest text of a dashboard that is read, in bytes.
pub const DASHBOARD_BYTES_MAX: usize = 16 << 20;

const PANELS_MAX: usize = 2_000;
const VARIABLES_MAX: usize = 200;
const TAGS_MAX: usize = 100;
/// Languages, and texts of one, that a board can be translated into.
const LANGUAGES_MAX: usize = 20;
const TRANSLATIONS_MAX: usize = 5000;
/// More warnings help nobody.
const WARNINGS_MAX: usize = 100;
const UID_BYTES_MAX: usize = 64;
/// Pixels of a grid row with its gap, by which old heights are divided.
const GRID_ROW_PIXELS: f64 = 38.0;

/// Reads a dashboard from JSON: Grafana's, whatever its age.
pub fn import(text: &str) -> Result<Dashboard, ImportError> {
    if text.len() > DASHBOARD_BYTES_MAX {
        return Err(ImportError::TooLarge { what: "bytes", count: text.len(), limit: DASHBOARD_BYTES_MAX });
    }
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| ImportError::Json(error.to_string()))?;
    from_json_value(value)
}

/// Reads a dashboard from a parsed document: JSON, or YAML of the same form that the caller has turned into JSON.
pub fn from_json_value(value: Value) -> Result<Dashboard, ImportError> {
    let Value::Object(mut root) = value else {
        return Err(ImportError::NotADashboard(format!("the document is {}, a dashboard is an object", name_of(&value))));
    };
    // The form of Grafana's HTTP API has the dashboard inside.
    let bare = root.contains_key("panels") || root.contains_key("rows");
    if !bare
        && root.get("dashboard").is_some_and(Value::is_object)
        && let Some(Value::Object(inner)) = root.remove("dashboard")
    {
        root = inner;
    }
    refuse_other_forms(&root)?;
    let mut warnings = Warnings::default();
    fill_inputs(&mut root, &mut warnings);
    let (from, to) = json::object(&root, "time").map(|time| (json::text(time, "from"), json::text(time, "to"))).unwrap_or_default();
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let title = or(json::text(&root, "title"), "Untitled dashboard");
    let dashboard = Dashboard {
        uid: uid(&json::text(&root, "uid"), &title),
        description: json::text(&root, "description"),
        tags: json::texts(&root, "tags").into_iter().take(TAGS_MAX).collect(),
        from: or(from, "now-6h"),
        to: or(to, "now"),
        refresh: refresh(&root),
        timezone: or(json::text(&root, "timezone"), "browser"),
        variables: variables(&root, &mut warnings)?,
        panels: panels(&root, &mut warnings)?,
        translations: translations(&root),
        warnings: Vec::new(),
        title,
    };
    other_parts(&root, &mut warnings);
    Ok(Dashboard { warnings: warnings.finish(), ..dashboard })
}

/// `{"ko": {"Memory": "메모리"}}`; what is no text is left out.
fn translations(root: &Object) -> BTreeMap<String, BTreeMap<String, String>> {
    let of = |texts: &Object| -> BTreeMap<String, String> {
        let all = texts.iter().filter_map(|(text, other)| Some((text.clone(), other.as_str()?.to_owned())));
        all.take(TRANSLATIONS_MAX).collect()
    };
    let languages = json::object(root, "translations").into_iter().flatten();
    languages.filter_map(|(tag, texts)| Some((tag.clone(), of(texts.as_object()?)))).take(LANGUAGES_MAX).collect()
}

/// Sentences about what was not understood, at most [`WARNINGS_MAX`] of them.
#[derive(Default)]
struct Warnings {
    texts: Vec<String>,
    more: usize,
}

impl Warnings {
    fn add(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.texts.contains(&text) {
            return;
        }
        if self.texts.len() < WARNINGS_MAX { self.texts.push(text) } else { self.more += 1 }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.texts.push(format!("and {} more", self.more));
        }
        self.texts
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn refuse_other_forms(root: &Object) -> Result<(), ImportError> {
    let resource = root.contains_key("apiVersion") && root.contains_key("spec");
    if resource || (root.contains_key("elements") && root.contains_key("layout")) {
        return Err(ImportError::Unsupported(
            "this is Grafana's newer resource form (apiVersion, kind, spec), which is not read yet: export the dashboard with \
             the classic model"
                .to_owned(),
        ));
    }
    for key in ["panels", "rows"] {
        if let Some(value) = root.get(key).filter(|value| !value.is_array() && !value.is_null()) {
            return Err(ImportError::NotADashboard(format!("{key} is {}, it must be a list", name_of(value))));
        }
    }
    if ["panels", "rows", "title", "templating", "schemaVersion"].iter().any(|key| root.contains_key(*key)) {
        return Ok(());
    }
    Err(ImportError::NotADashboard("it has neither panels nor rows nor a title".to_owned()))
}

/// Binds `__inputs`: constants by their value; data sources need nothing, as there is one.
fn fill_inputs(root: &mut Object, warnings: &mut Warnings) {
    let mut constants: Vec<(String, String)> = Vec::new();
    for input in json::objects(root, "__inputs") {
        match json::text(input, "type").as_str() {
            "constant" => constants.push((format!("${{{}}}", json::text(input, "name")), json::text(input, "value"))),
            "datasource" => {
                let plugin = json::text(input, "pluginId");
                if !matches!(plugin.as_str(), "" | "prometheus") {
                    warnings.add(format!("the dashboard asks for a data source of the type {plugin:?}, which is not there"));
                }
            }
            other => warnings.add(format!("an input of the type {other:?} is not known")),
        }
    }
    root.remove("__inputs");
    if constants.is_empty() || constants.len() > VARIABLES_MAX {
        return;
    }
    let mut replace =
        |text: &str| text.contains("${").then(|| constants.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)));
    root.values_mut().for_each(|value| json::map_texts(value, &mut replace));
}

/// Keeps what may stand in an address; of a title what is left in lower case; never empty.
fn uid(uid: &str, title: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let clean: String = uid.chars().filter(|c| keep(*c)).take(UID_BYTES_MAX).collect();
    if !clean.is_empty() {
        return clean;
    }
    let dashed: String = title.to_lowercase().chars().map(|c| if keep(c) { c } else { '-' }).collect();
    let words: Vec<&str> = dashed.split('-').filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(UID_BYTES_MAX).collect();
    if !slug.is_empty() {
        return slug;
    }
    // A title without Latin letters, such as a Korean one: a stable number of it.
    let hash = title.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("board-{hash:016x}")
}

fn refresh(root: &Object) -> String {
    let text = match root.get("refresh") {
        Some(Value::String(text)) => text.trim().to_owned(),
        _ => String::new(),
    };
    if model::parse_duration(&text).is_ok_and(|ms| ms >= 1000) { text } else { String::new() }
}

fn variables(root: &Object, warnings: &mut Warnings) -> Result<Vec<crate::Variable>, ImportError> {
    let Some(templating) = json::object(root, "templating") else { return Ok(Vec::new()) };
    let count = json::list(templating, "list").len();
    if count > VARIABLES_MAX {
        return Err(ImportError::TooLarge { what: "variables", count, limit: VARIABLES_MAX });
    }
    Ok(json::objects(templating, "list").filter_map(|item| variable::read(item, warnings)).collect())
}

fn panels(root: &Object, warnings: &mut Warnings) -> Result<Vec<Panel>, ImportError> {
    let mut panels = Vec::new();
    if json::list(root, "rows").is_empty() {
        for item in json::list(root, "panels") {
            add(item, None, &mut panels, warnings)?;
        }
    } else {
        old_rows(root, &mut panels, warnings)?;
    }
    unique_ids(&mut panels);
    Ok(panels)
}

/// Adds an entry of the grid, and behind a collapsed row the panels it holds.
fn add(item: &Value, place: Option<Grid>, panels: &mut Vec<Panel>, warnings: &mut Warnings) -> Result<(), ImportError> {
    let Some(object) = item.as_object() else {
        warnings.add(format!("an entry of the panels is {} and is left out", name_of(item)));
        return Ok(());
    };
    if panels.len() >= PANELS_MAX {
        return Err(ImportError::TooLarge { what: "panels or more", count: PANELS_MAX + 1, limit: PANELS_MAX });
    }
    let panel = panel::read(object, place, warnings);
    let row = (panel.kind != PanelKind::Panel).then_some(panel.grid.y);
    panels.push(panel);
    let Some(row_y) = row else { return Ok(()) };
    let first = panels.len();
    for item in json::list(object, "panels") {
        // A row inside a row is not known to Grafana either; its panels are flattened all the same.
        add(item, None, panels, warnings)?;
    }
    // Their places are those of when they were saved; what counts is that they follow the row.
    let top = panels[first..].iter().map(|panel| panel.grid.y).min().unwrap_or(0);
    for panel in &mut panels[first..] {
        panel.grid.y = (panel.grid.y - top).saturating_add(row_y + 1);
    }
    Ok(())
}

/// `rows[].panels[]` with spans of twelfths and heights in pixels, of before `schemaVersion` 16.
fn old_rows(root: &Object, panels: &mut Vec<Panel>, warnings: &mut Warnings) -> Result<(), ImportError> {
    let titled = json::objects(root, "rows")
        .any(|row| json::flag(row, "collapse") || json::flag(row, "showTitle") || !json::text(row, "repeat").is_empty());
    let mut y = 0_u32;
    for row in json::objects(root, "rows") {
        let height = grid_height(row.get("height")).unwrap_or(7);
        if titled {
            let mut heading = Map::new();
            for key in ["title", "repeat"] {
                heading.insert(key.to_owned(), row.get(key).cloned().unwrap_or(Value::Null));
            }
            heading.insert("type".to_owned(), Value::from("row"));
            heading.insert("collapsed".to_owned(), Value::Bool(json::flag(row, "collapse")));
            add(&Value::Object(heading), Some(Grid { x: 0, y, w: 24, h: 1 }), panels, warnings)?;
            y += 1;
        }
        let (mut x, mut line) = (0, 0);
        for item in json::list(row, "panels") {
            let empty = Map::new();
            let object = item.as_object().unwrap_or(&empty);
            let w = (json::number(object, "span").unwrap_or(4.0) * 2.0).floor().clamp(1.0, 24.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=24")]
            let w = w as u32;
            let h = grid_height(object.get("height")).unwrap_or(height);
            if x + w > 24 {
                y = y.saturating_add(line);
                (x, line) = (0, 0);
            }
            add(item, Some(Grid { x, y, w, h }), panels, warnings)?;
            x += w;
            line = line.max(h);
        }
        y = y.saturating_add(line);
    }
    Ok(())
}

/// Grid rows of `250` or `"250px"`.
fn grid_height(value: Option<&Value>) -> Option<u32> {
    let pixels = match value? {
        Value::String(text) => text.trim().trim_end_matches("px").parse().ok()?,
        other => json::as_number(other)?,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 3..=1000")]
    (pixels > 0.0).then(|| (pixels / GRID_ROW_PIXELS).ceil().clamp(3.0, 1000.0) as u32)
}

/// Gives a new id to panels without one, and to all but the first of those that share one.
fn unique_ids(panels: &mut [Panel]) {
    let mut used = std::collections::HashSet::new();
    let mut again: Vec<usize> = Vec::new();
    for (at, panel) in panels.iter().enumerate() {
        if panel.id == 0 || !used.insert(panel.id) {
            again.push(at);
        }
    }
    let mut next = 1;
    for at in again {
        while !used.insert(next) {
            next += 1;
        }
        panels[at].id = next;
    }
}

/// Names parts of the dashboard that are read by nobody yet.
fn other_parts(root: &Object, warnings: &mut Warnings) {
    let annotations = json::object(root, "annotations").map_or(0, |object| {
        json::objects(object, "list").filter(|item| !json::flag(item, "builtIn") && json::flag_or(item, "enable", true)).count()
    });
    if annotations > 0 {
        warnings.add(format!("{annotations} annotation queries are not drawn yet"));
    }
    let links = json::list(root, "links").len();
    if links > 0 {
        warnings.add(format!("{links} links of the dashboard are not shown yet"));
    }
}

#[cfg(test)]
#[path = "grafana_tests.rs"]
mod tests;
