//! `features`: which parts of upstream's interface are on here, under upstream's names.

use axum::extract::State as Shared;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::encode::success;
use crate::error::ApiError;
use crate::router::App;

/// Operators and aggregations that need no flag.
const OPERATORS: [&str; 33] = [
    "!=",
    "!~",
    "%",
    "*",
    "+",
    "-",
    "/",
    "<",
    "<=",
    "==",
    "=~",
    ">",
    ">=",
    "@",
    "^",
    "and",
    "atan2",
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "max",
    "min",
    "or",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
    "unless",
    "</",
    ">/",
];
/// Those that need one.
const OPERATORS_EXPERIMENTAL: [&str; 2] = ["limit_ratio", "limitk"];

/// Functions of templates.
const TEMPLATES: [&str; 29] = [
    "args",
    "externalURL",
    "first",
    "graphLink",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "label",
    "match",
    "now",
    "parseDuration",
    "pathPrefix",
    "query",
    "reReplaceAll",
    "safeHtml",
    "sortByLabel",
    "stripDomain",
    "stripPort",
    "strvalue",
    "tableLink",
    "title",
    "toDuration",
    "toLower",
    "toTime",
    "toUpper",
    "urlQueryEscape",
    "value",
];

fn all(names: impl IntoIterator<Item = (&'static str, bool)>) -> Map<String, Value> {
    names.into_iter().map(|(name, on)| (name.to_owned(), on.into())).collect()
}

/// Plugins that find targets, and the one way that is built in.
fn discoveries(plugins: &Value) -> Map<String, Value> {
    let plugins = plugins["plugins"].as_array().map(Vec::as_slice).unwrap_or_default();
    let finds = |plugin: &&Value| plugin["kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "discovery"));
    let names = plugins.iter().filter(finds).filter_map(|plugin| plugin["name"].as_str());
    names.chain(["static"]).map(|name| (name.to_owned(), Value::Bool(true))).collect()
}

/// `/api/v1/features`
pub(crate) async fn features(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    let state = &app.state;
    let on = state.limits.features;
    let functions = promql::functions().map(|function| (function.name, !function.experimental || on.functions));
    let operators = OPERATORS.map(|name| (name, true)).into_iter().chain(OPERATORS_EXPERIMENTAL.map(|name| (name, on.functions)));
    success(&json!({
        "api": {
            "admin": state.admin.is_some(), "exclude_alerts": true, "label_values_match": true, "lifecycle": state.enable_lifecycle,
            "openapi_3.1": true, "openapi_3.2": false, "otlp_write_receiver": (state.otlp)().is_some(), "query_stats": true,
            "query_warnings": true, "remote_write_receiver": (state.remote_write)().is_some(), "time_range_labels": true,
            "time_range_series": true,
        },
        "otlp_receiver": {"delta_conversion": false, "native_delta_ingestion": false},
        "prometheus": {"agent_mode": false, "auto_reload_config": true, "server_mode": true, "stringlabels": false},
        "promql": {
            "anchored": on.range_selectors, "at_modifier": true, "bool": true, "by": true, "delayed_name_removal": state.limits.delayed_name_removal,
            "duration_expr": true, "fill": on.fill_modifiers, "fill_left": on.fill_modifiers, "fill_right": on.fill_modifiers, "group_left": true,
            "group_right": true, "ignoring": true, "negative_offset": true, "offset": true, "on": true, "per_query_lookback_delta": true,
            "per_step_stats": state.limits.per_step_stats, "smoothed": on.range_selectors, "subqueries": true, "type_and_unit_labels": false, "without": true,
        },
        "promql_functions": all(functions),
        "promql_operators": all(operators),
        "rules": {"concurrent_rule_eval": false, "keep_firing_for": true, "query_offset": true},
        "scrape": {"extra_scrape_metrics": true, "start_timestamp_zero_ingestion": false, "type_and_unit_labels": false},
        "service_discovery_providers": discoveries(&(state.plugins)()),
        "templating_functions": all(TEMPLATES.map(|name| (name, true))),
        "tsdb": {
            "delayed_compaction": false, "exemplar_storage": true, "isolation": true, "native_histograms": true, "use_uncached_io": false,
        },
        "ui": {"ui_v2": false, "ui_v3": false},
    }))
}
