use serde_json::json;

use super::*;

#[test]
fn texts_in_other_languages_are_kept() {
    let board = board(json!({"title": "Memory", "panels": [], "translations": {"ko": {"Memory": "메모리", "n": 1}, "de": "no", "fr": {}}}));
    assert_eq!(board.translations["ko"]["Memory"], "메모리");
    assert_eq!(board.translations["ko"].len(), 1);
    assert_eq!(board.translations.keys().collect::<Vec<_>>(), ["fr", "ko"]);
    assert_eq!(board.warnings, [] as [String; 0]);
}

fn board(value: Value) -> Dashboard {
    from_json_value(value).expect("it is a dashboard")
}

#[test]
fn what_is_no_dashboard_is_a_clear_error() {
    for (text, part) in [
        ("", "not valid JSON"),
        ("{", "line 1 column"),
        ("[]", "a list"),
        ("7", "a number"),
        ("{}", "neither panels nor rows"),
        (r#"{"panels": {}}"#, "panels is an object"),
        (r#"{"apiVersion": "dashboard.grafana.app/v2", "kind": "Dashboard", "spec": {}}"#, "newer resource form"),
        (r#"{"elements": {}, "layout": {}}"#, "newer resource form"),
    ] {
        let error = import(text).expect_err("it is refused").to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    let deep = format!(r#"{{"panels": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(import(&deep).is_err());
    let many = json!({"panels": vec![json!({"type": "stat"}); PANELS_MAX + 1]});
    assert!(matches!(from_json_value(many), Err(ImportError::TooLarge { .. })));
}

#[test]
fn wrong_types_everywhere_are_no_panic() {
    let wrong = [
        json!(null),
        json!(1),
        json!("x"),
        json!([]),
        json!({}),
        json!([1, "a", null, {}]),
        json!({"list": [1], "__proto__": {}}),
        json!(1e300),
    ];
    let keys = [
        "panels",
        "rows",
        "title",
        "uid",
        "tags",
        "time",
        "refresh",
        "templating",
        "annotations",
        "links",
        "__inputs",
        "schemaVersion",
        "translations",
    ];
    let panel_keys = [
        "id",
        "type",
        "gridPos",
        "targets",
        "options",
        "fieldConfig",
        "transformations",
        "yaxes",
        "legend",
        "seriesOverrides",
        "thresholds",
        "colors",
        "span",
        "panels",
        "datasource",
        "gauge",
        "sparkline",
        "valueMaps",
        "styles",
    ];
    for value in &wrong {
        for key in keys {
            let _ = from_json_value(json!({"title": "t", key: value}));
        }
        for kind in ["graph", "singlestat", "stat", "table", "row", "text"] {
            for key in panel_keys {
                let mut panel = json!({"type": kind, "styles": [{"pattern": "x"}]});
                panel[key] = value.clone();
                let _ = from_json_value(
                    json!({"panels": [panel.clone(), value], "templating": {"list": [value, {"name": "a", "type": value, "query": value, "current": value, "options": value}]}}),
                );
                let _ = from_json_value(json!({"rows": [{"panels": [panel, value], "height": value}, value]}));
            }
        }
    }
}

#[test]
fn grids_are_kept_within_the_page() {
    let grid = |position: Value| board(json!({"panels": [{"type": "stat", "gridPos": position}]})).panels[0].grid;
    let place = |x, y, w, h| Grid { x, y, w, h };
    assert_eq!(grid(json!({"x": 12, "y": 3, "w": 6, "h": 4})), place(12, 3, 6, 4));
    assert_eq!(grid(json!({"x": 20, "y": -5, "w": 12, "h": 0})), place(12, 0, 12, 1));
    assert_eq!(grid(json!({"x": "NaN", "y": 1e300, "w": 99, "h": 1e9})), place(0, 100_000, 24, 1_000));
    assert_eq!(grid(json!(null)), place(0, 0, 12, 8));
}

#[test]
fn ids_and_names_are_usable() {
    let board = board(json!({"title": "Mein Board!", "panels": [{"type": "stat", "id": 2}, {"type": "stat", "id": 2}, {"type": "stat"}]}));
    assert_eq!(board.panels.iter().map(|p| p.id).collect::<Vec<_>>(), [2, 1, 3]);
    assert_eq!(board.uid, "mein-board");
    assert_eq!(uid("../../etc", "x"), "etc");
    assert_eq!(uid("", "한글"), uid("", "한글"));
    assert!(uid("", "한글").starts_with("board-"));
}

#[test]
fn collapsed_rows_hold_their_panels() {
    let board = board(json!({"panels": [
        {"type": "row", "collapsed": true, "title": "r", "gridPos": {"y": 4}, "panels": [{"type": "stat", "gridPos": {"y": 50, "w": 6, "h": 3}}, {"type": "stat", "gridPos": {"y": 53}}]},
        {"type": "row", "title": "s", "gridPos": {"y": 5}}]}));
    let shown: Vec<_> = board.panels.iter().map(|p| (p.kind, p.grid.y)).collect();
    let row = |collapsed| PanelKind::Row { collapsed };
    assert_eq!(shown, [(row(true), 4), (PanelKind::Panel, 5), (PanelKind::Panel, 8), (row(false), 5)]);
}

#[test]
fn old_rows_become_a_grid() {
    let board = board(json!({"rows": [
        {"title": "one", "showTitle": true, "height": "250px", "panels": [{"type": "graph", "span": 6}, {"type": "graph", "span": 6}, {"type": "graph", "span": 12}]},
        {"collapse": true, "height": 100, "panels": [{"type": "singlestat"}]}]}));
    let places: Vec<_> = board.panels.iter().map(|p| (p.type_name.as_str(), p.grid.x, p.grid.y, p.grid.w, p.grid.h)).collect();
    assert_eq!(
        places,
        [
            ("row", 0, 0, 24, 1),
            ("timeseries", 0, 1, 12, 7),
            ("timeseries", 12, 1, 12, 7),
            ("timeseries", 0, 8, 24, 7),
            ("row", 0, 15, 24, 1),
            ("stat", 0, 16, 8, 3)
        ]
    );
}

#[test]
fn a_graph_becomes_a_time_series() {
    let board = board(json!({"panels": [{
        "type": "graph", "bars": false, "lines": true, "fill": 3, "linewidth": 2, "stack": true, "percentage": true, "nullPointMode": "connected",
        "steppedLine": true, "yaxes": [{"format": "bytes", "min": "0", "max": null, "logBase": 10, "label": "mem"}, {"format": "s", "show": true}],
        "legend": {"show": true, "alignAsTable": true, "rightSide": true, "avg": true, "current": true, "values": true, "sort": "avg", "sortDesc": true},
        "tooltip": {"shared": true, "sort": 2}, "aliasColors": {"a": "#fff"},
        "seriesOverrides": [{"alias": "/b.*/", "yaxis": 2, "fill": 0}, {"alias": "c", "transform": "negative-Y", "magic": 1}],
        "thresholds": [{"op": "gt", "value": 5, "colorMode": "critical", "fill": true, "line": true}],
        "targets": [{"expr": "up"}]}]}));
    let panel = &board.panels[0];
    assert_eq!(panel.type_name, "timeseries");
    let defaults = Value::Object(panel.fields.defaults.clone());
    for (pointer, expected) in [
        ("/unit", json!("bytes")),
        ("/min", json!(0.0)),
        ("/custom/fillOpacity", json!(30.0)),
        ("/custom/lineWidth", json!(2.0)),
        ("/custom/lineInterpolation", json!("stepAfter")),
        ("/custom/spanNulls", json!(true)),
        ("/custom/stacking/mode", json!("percent")),
        ("/custom/scaleDistribution", json!({"type": "log", "log": 10})),
        ("/custom/axisLabel", json!("mem")),
        ("/custom/thresholdsStyle/mode", json!("line+area")),
        ("/thresholds/steps/1", json!({"color": "red", "value": 5.0})),
    ] {
        assert_eq!(defaults.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(
        panel.options["legend"],
        json!({"showLegend": true, "displayMode": "table", "placement": "right", "calcs": ["mean", "lastNotNull"], "sortBy": "mean", "sortDesc": true})
    );
    assert_eq!(panel.options["tooltip"], json!({"mode": "multi", "sort": "desc"}));
    assert_eq!(panel.fields.overrides.len(), 3);
    assert_eq!(panel.fields.overrides[1]["matcher"], json!({"id": "byRegexp", "options": "/b.*/"}));
    assert!(panel.fields.overrides[1]["properties"].as_array().expect("a list").contains(&json!({"id": "unit", "value": "s"})));
    assert_eq!(board.warnings.len(), 1, "{:?}", board.warnings);
}

#[test]
fn a_single_stat_becomes_a_stat_or_a_gauge() {
    let old = |extra: Value| {
        let mut panel = json!({"type": "singlestat", "format": "percent", "valueName": "current", "colorValue": true, "colors": ["green", "orange", "red"],
            "thresholds": "65, 90", "valueMaps": [{"value": "null", "text": "N/A"}], "mappingType": 1, "sparkline": {"show": true}});
        for (key, value) in extra.as_object().expect("an object") {
            panel[key] = value.clone();
        }
        board(json!({"panels": [panel]})).panels.remove(0)
    };
    let stat = old(json!({}));
    assert_eq!((stat.type_name.as_str(), stat.fallback_type.as_str()), ("stat", ""));
    assert_eq!(stat.options["reduceOptions"]["calcs"], json!(["lastNotNull"]));
    assert_eq!((&stat.options["colorMode"], &stat.options["graphMode"]), (&json!("value"), &json!("area")));
    assert_eq!(stat.fields.defaults["thresholds"]["steps"][2], json!({"color": "red", "value": 90.0}));
    assert_eq!(stat.fields.defaults["mappings"], json!([{"type": 1, "value": "null", "text": "N/A"}]));
    let gauge = old(json!({"gauge": {"show": true, "minValue": 0, "maxValue": 200}}));
    assert_eq!((gauge.type_name.as_str(), gauge.fallback_type.as_str()), ("gauge", "stat"));
    assert_eq!(gauge.fields.defaults["max"], json!(200.0));
    assert_eq!(old(json!({"format": "none", "postfix": " req"})).fields.defaults["unit"], json!("suffix:req"));
}

#[test]
fn inputs_are_bound() {
    let board = board(json!({
        "__inputs": [{"name": "DS_X", "type": "datasource", "pluginId": "prometheus"}, {"name": "VAR_J", "type": "constant", "value": "node"}],
        "panels": [{"type": "stat", "datasource": "${DS_X}", "targets": [{"expr": "up{job=\"${VAR_J}\"}"}]}]}));
    assert_eq!(board.panels[0].targets[0].expr, r#"up{job="node"}"#);
    assert_eq!(board.panels[0].targets[0].unsupported, "");
    assert_eq!(board.warnings, [] as [String; 0]);
}

#[test]
fn queries_for_others_are_named() {
    for (source, foreign) in [
        (json!({"type": "loki", "uid": "x"}), true),
        (json!({"type": "prometheus", "uid": "x"}), false),
        (json!({"type": "${ds}"}), false),
        (json!("Prometheus"), false),
        (json!("-- Mixed --"), false),
        (json!("-- Dashboard --"), true),
        (json!(null), false),
    ] {
        let board = board(json!({"panels": [{"type": "stat", "datasource": source, "targets": [{"expr": "up"}, {"refId": "A"}]}]}));
        assert_eq!(!board.panels[0].targets[0].unsupported.is_empty(), foreign, "{source}");
        assert_eq!(board.panels[0].targets[0].ref_id, "B");
    }
}

#[test]
fn lists_of_variables() {
    let values = |query: &str| {
        let board = board(json!({"title": "t", "templating": {"list": [{"name": "v", "type": "custom", "query": query}]}}));
        board.variables[0].options.iter().map(|o| (o.text.clone(), o.value.clone())).collect::<Vec<_>>()
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(values("a, b,c"), [pair("a", "a"), pair("b", "b"), pair("c", "c")]);
    assert_eq!(values("One : 1, a\\,b,"), [pair("One", "1"), pair("a,b", "a,b")]);
    assert_eq!(values(""), []);
}
