//! One panel of any age as the newest form, then as ours.

use serde_json::{Map, Value};

use super::{Warnings, graph, singlestat, table};
use crate::json::{self, Object};
use crate::model::{FieldOptions, Grid, Panel, PanelKind, ResultFormat, Target, Transformation};

const TARGETS_MAX: usize = 100;
const TRANSFORMATIONS_MAX: usize = 50;
const OVERRIDES_MAX: usize = 1_000;
/// Rows of a grid. Beyond is a mistake, or an attempt to make the page endless.
const GRID_Y_MAX: u32 = 100_000;
const GRID_HEIGHT_MAX: u32 = 1_000;

/// Reads a panel. `place` comes from old rows, else from its `gridPos`.
pub(super) fn read(object: &Object, place: Option<Grid>, warnings: &mut Warnings) -> Panel {
    let migrated = migrate(object, warnings);
    let object = &migrated.object;
    let kind_name = json::text(object, "type");
    let kind = if kind_name == "row" { PanelKind::Row { collapsed: json::flag(object, "collapsed") } } else { PanelKind::Panel };
    let mut panel = Panel {
        id: json::count(object, "id", u32::MAX).unwrap_or(0),
        title: json::text(object, "title"),
        description: json::text(object, "description"),
        kind,
        type_name: kind_name,
        fallback_type: migrated.fallback.to_owned(),
        grid: place.unwrap_or_else(|| grid(object, kind)),
        transparent: json::flag(object, "transparent"),
        targets: Vec::new(),
        options: json::object(object, "options").cloned().map_or_else(|| Value::Object(Map::new()), Value::Object),
        fields: fields(object),
        transformations: Vec::new(),
        interval: json::text(object, "interval"),
        max_data_points: json::count(object, "maxDataPoints", 11_000).filter(|points| *points > 0),
        time_from: json::text(object, "timeFrom"),
        time_shift: json::text(object, "timeShift"),
        repeat: json::text(object, "repeat"),
    };
    if kind == PanelKind::Panel {
        panel.targets = targets(object, warnings);
        panel.transformations = transformations(object, warnings);
        unread_parts(object, &panel, warnings);
    }
    panel
}

struct Migrated {
    object: Object,
    fallback: &'static str,
}

/// Turns types that are no more into their successors, and old options of others into the newest.
fn migrate(object: &Object, warnings: &mut Warnings) -> Migrated {
    let keep = |object| Migrated { object, fallback: "" };
    match json::text(object, "type").as_str() {
        "graph" | "graph2" => keep(graph::migrate(object, warnings)),
        "singlestat" | "grafana-singlestat-panel" => {
            let object = singlestat::migrate(object, warnings);
            let fallback = if json::text(&object, "type") == "gauge" { "stat" } else { "" };
            Migrated { object, fallback }
        }
        "table" | "table-old" if !json::list(object, "styles").is_empty() => keep(table::migrate(object, warnings)),
        "text" if json::object(object, "options").is_none() => {
            let mut object = object.clone();
            let options = [("mode", json::text(&object, "mode")), ("content", json::text(&object, "content"))];
            object.insert("options".to_owned(), options.into_iter().map(|(k, v)| (k.to_owned(), Value::from(v))).collect());
            keep(object)
        }
        _ => keep(singlestat::field_options(object)),
    }
}

fn grid(object: &Object, kind: PanelKind) -> Grid {
    let empty = Map::new();
    let position = json::object(object, "gridPos").unwrap_or(&empty);
    let whole_row = kind != PanelKind::Panel;
    let w = if whole_row { 24 } else { json::count(position, "w", 24).unwrap_or(12).max(1) };
    let h = if whole_row { 1 } else { json::count(position, "h", GRID_HEIGHT_MAX).unwrap_or(8).max(1) };
    let x = json::count(position, "x", 23).unwrap_or(0).min(24 - w);
    Grid { x, y: json::count(position, "y", GRID_Y_MAX).unwrap_or(0), w, h }
}

fn fields(object: &Object) -> FieldOptions {
    let Some(config) = json::object(object, "fieldConfig") else { return FieldOptions::default() };
    FieldOptions {
        defaults: json::object(config, "defaults").cloned().unwrap_or_default(),
        overrides: json::list(config, "overrides").iter().take(OVERRIDES_MAX).cloned().collect(),
    }
}

fn targets(object: &Object, warnings: &mut Warnings) -> Vec<Target> {
    let list = json::list(object, "targets");
    if list.len() > TARGETS_MAX {
        warnings.add(format!("panel {:?} has {} queries, the first {TARGETS_MAX} are asked", json::text(object, "title"), list.len()));
    }
    let panel_source = object.get("datasource");
    let mut targets: Vec<Target> =
        list.iter().take(TARGETS_MAX).filter_map(Value::as_object).map(|item| target(item, panel_source)).collect();
    name_targets(&mut targets);
    targets
}

fn target(item: &Object, panel_source: Option<&Value>) -> Target {
    let own = item.get("datasource").filter(|source| !source.is_null());
    let expr = json::text(item, "expr");
    let instant = json::flag(item, "instant");
    let range = json::flag_or(item, "range", !instant);
    let ref_id = Some(json::text(item, "refId")).filter(|id| !id.is_empty()).unwrap_or_else(|| json::text(item, "refID"));
    Target {
        unsupported: foreign_source(own.or(panel_source)).or_else(|| not_promql(item, &expr)).unwrap_or_default(),
        expr,
        ref_id,
        legend: json::text(item, "legendFormat"),
        instant,
        range: range || !instant,
        format: match json::text(item, "format").as_str() {
            "table" => ResultFormat::Table,
            "heatmap" => ResultFormat::Heatmap,
            _ => ResultFormat::TimeSeries,
        },
        interval: json::text(item, "interval"),
        interval_factor: json::count(item, "intervalFactor", 1_000).unwrap_or(1).max(1),
        hide: json::flag(item, "hide"),
    }
}

/// Why a data source cannot be asked. One without a type, or known by a variable or a name, is taken as Prometheus.
fn foreign_source(source: Option<&Value>) -> Option<String> {
    let kind = match source? {
        Value::Object(source) => json::text(source, "type"),
        Value::String(name) if name == "-- Grafana --" || name == "-- Dashboard --" => name.clone(),
        _ => return None,
    };
    let known = matches!(kind.as_str(), "" | "prometheus" | "datasource" | "mixed")
        || kind.starts_with('$')
        || kind.ends_with("prometheus-datasource");
    (!known).then(|| format!("the query is for a data source of the type {kind:?}, which is not there"))
}

fn not_promql(item: &Object, expr: &str) -> Option<String> {
    let dependent = item.contains_key("panelId");
    if dependent {
        return Some("the query reuses the results of another panel, which is not read yet".to_owned());
    }
    (expr.trim().is_empty() && (item.contains_key("rawSql") || item.contains_key("query") || item.contains_key("url")))
        .then(|| "the query is not PromQL".to_owned())
}

/// Gives letters to queries without one.
fn name_targets(targets: &mut [Target]) {
    let used: std::collections::HashSet<String> = targets.iter().map(|t| t.ref_id.clone()).collect();
    let mut free =
        (b'A'..=b'Z').map(|b| char::from(b).to_string()).chain((1..).map(|n| format!("Q{n}"))).filter(|name| !used.contains(name));
    for target in targets.iter_mut().filter(|t| t.ref_id.is_empty()) {
        target.ref_id = free.next().unwrap_or_default();
    }
}

fn transformations(object: &Object, warnings: &mut Warnings) -> Vec<Transformation> {
    let list = json::list(object, "transformations");
    if list.len() > TRANSFORMATIONS_MAX {
        warnings.add(format!(
            "panel {:?} has {} transformations, the first {TRANSFORMATIONS_MAX} are applied",
            json::text(object, "title"),
            list.len()
        ));
    }
    list.iter()
        .take(TRANSFORMATIONS_MAX)
        .filter_map(Value::as_object)
        .filter(|item| !json::flag(item, "disabled"))
        .map(|item| Transformation { id: json::text(item, "id"), options: item.get("options").cloned().unwrap_or(Value::Null) })
        .collect()
}

fn unread_parts(object: &Object, panel: &Panel, warnings: &mut Warnings) {
    if !panel.repeat.is_empty() {
        warnings.add(format!("panel {:?} is drawn once: repeating by ${} is not there yet", panel.title, panel.repeat));
    }
    if json::object(object, "libraryPanel").is_some() && panel.targets.is_empty() {
        warnings.add(format!("panel {:?} is a library panel, whose content is not in the file", panel.title));
    }
    if !json::list(object, "links").is_empty() {
        warnings.add(format!("links of panel {:?} are not shown yet", panel.title));
    }
}
