//! `dashboards`: which there are, and what stands where on one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State as Shared};
use axum::response::Response;
use dashboards::{Dashboard, Panel, PanelKind, Scope, parse_time};
use model::TimeRange;
use model::seams::{PanelRender, PluginError};
use serde_json::{Value, json};

use super::variables::{Asking, Variables, Wanted};
use crate::encode::success;
use crate::error::ApiError;
use crate::params::Params;
use crate::router::App;
use crate::state::State;

/// `GET /api/v1/dashboards`
pub(crate) async fn list(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let boards = (app.state.dashboards)();
    let name = |board: &Arc<Dashboard>| {
        let titles: BTreeMap<&str, &str> =
            board.translations.iter().filter_map(|(tag, texts)| Some((tag.as_str(), texts.get(&board.title)?.as_str()))).collect();
        json!({"uid": board.uid, "title": board.title, "tags": board.tags, "titles": titles})
    };
    success(&boards.iter().map(name).collect::<Vec<Value>>())
}

/// The board of this name.
pub(super) fn find(state: &State, uid: &str) -> Result<Arc<Dashboard>, ApiError> {
    let boards = (state.dashboards)();
    boards.iter().find(|board| board.uid == uid).cloned().ok_or_else(|| ApiError::not_found(format!("there is no dashboard {uid:?}")))
}

/// `GET /api/v1/dashboards/<uid>?var-<name>=…&from=…&to=…`
pub(crate) async fn one(Shared(app): Shared<App>, Path(uid): Path<String>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let board = find(&app.state, &uid)?;
    let params = Params::of_query(query.as_deref());
    let mut wanted = Wanted::new();
    for (name, value) in params.iter() {
        if let Some(name) = name.strip_prefix("var-") {
            wanted.entry(name.to_owned()).or_default().push(value.to_owned());
        }
    }
    let range = range(&board, &params, app.state.clock.now());
    let (select, state) = (Arc::clone(&app.state.select), app.state.clone());
    let run = app.runner.run(&app.state.limits, app.state.limits.query_timeout, move |limits| {
        let scope = builtins(&board, range, "browser");
        let asking = Asking { select: &*select, limits: &limits, range, wanted: &wanted, options: true };
        let variables = asking.resolve(&board, scope);
        Ok(board_json(&state, &board, &variables))
    });
    success(&run.await?)
}

fn range(board: &Dashboard, params: &Params, now: i64) -> TimeRange {
    let time =
        |name: &str, text: &str, default: i64| parse_time(params.first(name), now).or_else(|| parse_time(text, now)).unwrap_or(default);
    let end = time("to", &board.to, now);
    TimeRange { start: time("from", &board.from, end - 6 * 3_600_000).min(end), end }
}

/// Variables that every board has.
pub(super) fn builtins(board: &Dashboard, range: TimeRange, timezone: &str) -> Scope {
    let ms = u64::try_from(range.end - range.start).unwrap_or(0);
    let mut scope = Scope::new();
    for (name, text) in [
        ("__from", range.start.to_string()),
        ("__to", range.end.to_string()),
        ("__range_ms", ms.to_string()),
        ("__range_s", ms.div_ceil(1000).to_string()),
        ("__range", format!("{}s", ms.div_ceil(1000))),
        ("__dashboard", board.title.clone()),
        ("__timezone", timezone.to_owned()),
        // Queries of variables see these; those of panels have their own.
        ("__interval", "1m".to_owned()),
        ("__interval_ms", "60000".to_owned()),
        ("__rate_interval", "5m".to_owned()),
    ] {
        scope.set_builtin(name, text);
    }
    scope
}

fn board_json(state: &State, board: &Dashboard, variables: &Variables) -> Value {
    let shown: Vec<Value> = board
        .variables
        .iter()
        .zip(&variables.resolved)
        .map(|(variable, resolved)| {
            let options = resolved.options.iter().map(|option| json!({"text": option.text, "value": option.value}));
            let all = variable.include_all.then(|| json!({"text": "All", "value": dashboards::ALL_VALUE}));
            json!({
                "name": variable.name, "label": variable.label, "type": variable.kind.as_str(), "multi": variable.multi,
                "include_all": variable.include_all, "hide": variable.hide, "current": resolved.current,
                "options": all.into_iter().chain(options).collect::<Vec<Value>>(),
            })
        })
        .collect();
    let panels: Vec<Value> = board.panels.iter().map(|panel| panel_json(state, panel, &variables.scope)).collect();
    let warnings: Vec<&String> = board.warnings.iter().chain(&variables.warnings).collect();
    json!({
        "uid": board.uid, "title": board.title, "description": board.description, "tags": board.tags,
        "time": {"from": board.from, "to": board.to}, "refresh": board.refresh, "timezone": board.timezone,
        "warnings": warnings, "variables": shown, "panels": panels, "translations": board.translations,
    })
}

fn panel_json(state: &State, panel: &Panel, scope: &Scope) -> Value {
    let (kind, type_name, reason, collapsed) = match panel.kind {
        PanelKind::Row { collapsed } => ("row", panel.type_name.clone(), String::new(), collapsed),
        PanelKind::Panel => match renderer(state, panel) {
            Ok((name, _)) => ("panel", name, String::new(), false),
            Err(reason) => ("placeholder", panel.type_name.clone(), reason, false),
        },
    };
    let grid = panel.grid;
    json!({
        "id": panel.id, "title": scope.fill_text(&panel.title), "description": scope.fill_text(&panel.description), "type": type_name,
        "kind": kind, "reason": reason, "collapsed": collapsed, "transparent": panel.transparent,
        "grid": {"x": grid.x, "y": grid.y, "w": grid.w, "h": grid.h},
    })
}

/// What draws the panel, under which name; or a sentence on what is missing.
pub(super) fn renderer(state: &State, panel: &Panel) -> Result<(String, Arc<dyn PanelRender>), String> {
    let error = match (state.panels)(&panel.type_name) {
        Ok(renderer) => return Ok((panel.type_name.clone(), renderer)),
        Err(error) => error,
    };
    if !panel.fallback_type.is_empty()
        && let Ok(renderer) = (state.panels)(&panel.fallback_type)
    {
        return Ok((panel.fallback_type.clone(), renderer));
    }
    let name = &panel.type_name;
    Err(match error {
        PluginError::Missing(_) if name.is_empty() => "the panel has no type".to_owned(),
        PluginError::Missing(_) => {
            // A type is a name of a file; what could not be one is not written as one.
            let file = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            let hint = if file { format!(": put {name}.wasm into plugins/") } else { String::new() };
            format!("no plugin draws panels of the type {name:?}{hint}")
        }
        other => other.to_string(),
    })
}
