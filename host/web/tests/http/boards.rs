//! Dashboards and views of panels, over fakes.

use crate::support::{Answer, Seen, ask, ask_of, state};
use serde_json::{Value, json};

#[tokio::test]
async fn a_board_says_what_stands_where() {
    let list = ask("GET /api/v1/dashboards").await.json();
    assert_eq!(list["data"], json!([{"uid": "home", "title": "Home", "tags": ["a"], "titles": {}}]));
    let board = ask("GET /api/v1/dashboards/home").await.json();
    for (pointer, expected) in [
        ("/data/time", json!({"from": "now-5m", "to": "now"})),
        ("/data/refresh", json!("5s")),
        (
            "/data/variables/0/options",
            json!([{"text": "All", "value": "$__all"}, {"text": "node", "value": "node"}, {"text": "web", "value": "web"}]),
        ),
        ("/data/variables/0/current", json!(["$__all"])),
        ("/data/variables/1/current", json!(["a:1"])),
        ("/data/variables/2/options/0", json!({"text": "auto", "value": "$__auto_interval_step"})),
        ("/data/variables/3/options", json!([])),
        (
            "/data/panels/0",
            json!({"id": 1, "title": "CPU of All", "description": "", "type": "timeseries", "kind": "panel", "reason": "", "collapsed": false,
                "grid": {"x": 0, "y": 0, "w": 12, "h": 8}, "transparent": false}),
        ),
        ("/data/panels/1/kind", json!("placeholder")),
        ("/data/panels/1/reason", json!("no plugin draws panels of the type \"gauge\": put gauge.wasm into plugins/")),
        ("/data/panels/6/kind", json!("row")),
        ("/data/panels/7/type", json!("stat")),
        ("/data/translations", json!({})),
    ] {
        assert_eq!(board.pointer(pointer), Some(&expected), "{pointer}");
    }
    let warnings = board["data"]["warnings"].as_array().expect("a list");
    assert!(warnings.iter().any(|w| w.as_str().is_some_and(|w| w.contains("\"broken\" has no values"))), "{warnings:?}");
    let chosen = ask("GET /api/v1/dashboards/home?var-job=web").await.json();
    assert_eq!(chosen.pointer("/data/variables/1/options"), Some(&json!([{"text": "c:1", "value": "c:1"}])));
    assert_eq!(chosen.pointer("/data/panels/0/title"), Some(&json!("CPU of web")));
    assert_eq!(ask("GET /api/v1/dashboards/none").await.status, 404);
}

async fn view(id: &str, extra: Value) -> Answer {
    let mut body =
        json!({"from": 0, "to": 600_000, "width": 500, "height": 200, "theme": "dark", "timezone": "Asia/Seoul", "variables": {}});
    for (key, value) in extra.as_object().expect("an object") {
        body[key] = value.clone();
    }
    let request = format!("POST /api/v1/dashboards/home/panels/{id}/view");
    ask_of(state(&Seen::default()), &request, &[("content-type", "application/json")], &body.to_string()).await
}

#[tokio::test]
async fn a_panel_is_drawn() {
    let answer = view("1", json!({"variables": {"job": ["web"]}})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let data = &answer.json()["data"];
    assert_eq!(data["view"], json!({"kind": "svg", "value": r#"500 {"for":"web"}"#}));
    assert_eq!(data["frames"].as_array().map(Vec::len), Some(1));
    assert_eq!(data["frames"][0]["fields"][1]["display_name"], json!("c:1"));
    assert_eq!(data["frames"][0]["fields"][0]["values"]["kind"], json!("times"));
    assert_eq!(data["warnings"], json!(["the variable \"broken\" has no values: 1:4: parse error: unexpected end of input inside braces"]));
    let all = view("1", json!({})).await.json();
    assert_eq!(all["data"]["frames"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn what_is_missing_is_said() {
    for (id, expected) in
        [("3", "no series is named nothing in this time range"), ("9", r#"up has no series with job="zzz" in this time range"#)]
    {
        let answer = view(id, json!({})).await;
        assert_eq!(answer.json()["data"]["view"], json!({"kind": "empty", "value": expected}), "{id}");
        let hint = if id == "3" {
            json!({"kind": "no-metric", "metric": "nothing", "text": expected})
        } else {
            json!({"kind": "no-label", "metric": "up", "label": "job=\"zzz\"", "text": expected})
        };
        assert_eq!(answer.json()["data"]["hints"], json!([hint]), "{id}");
    }
    let half = view("5", json!({})).await;
    assert_eq!(half.status, 200);
    assert!(half.json()["data"]["warnings"].to_string().contains("query A: "), "{}", half.body);
    for (id, extra, status) in [
        ("2", json!({}), 404),
        ("4", json!({}), 400),
        ("6", json!({}), 422),
        ("7", json!({}), 404),
        ("99", json!({}), 404),
        ("x", json!({}), 404),
        ("1", json!({"from": 700_000}), 400),
        ("1", json!({"width": 0}), 400),
        ("1", json!({"width": "wide"}), 400),
        ("1", json!({"from": i64::MIN, "to": i64::MAX}), 400),
    ] {
        let answer = view(id, extra.clone()).await;
        assert_eq!((answer.status, &answer.json()["status"]), (status, &json!("error")), "{id} {extra}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_view_asks_and_changes_nothing() {
    let mut read_only = state(&Seen::default());
    read_only.access = std::sync::Arc::new(web::Access::new(false).expect("random numbers"));
    let body = r#"{"from":0,"to":600000,"width":10,"height":10}"#;
    let request = "POST /api/v1/dashboards/home/panels/1/view";
    assert_eq!(ask_of(read_only.clone(), request, &[("origin", "http://localhost:9090")], body).await.status, 200);
    assert_eq!(ask_of(read_only, request, &[("origin", "http://evil.example")], body).await.status, 403);
}

/// A histogram has no value: its text stands in the place.
#[tokio::test]
async fn a_variable_by_query_result_lists_histograms_too() {
    let memory = promql::Memory::new();
    for (series, points) in [("x{a=\"f\"}", "1.5x40"), ("x{a=\"h\"}", "{{schema:0 count:3 sum:4 buckets:[1 2]}}x40")] {
        memory.load_text(series, points, 15_000).expect("a good series");
    }
    let board = r#"{"uid": "b", "title": "B", "panels": [],
        "templating": {"list": [{"name": "v", "type": "query", "query": "query_result(x)"}]}}"#;
    let boards = std::sync::Arc::new(vec![std::sync::Arc::new(dashboards::import(board).expect("a good board"))]);
    let with = web::State {
        select: std::sync::Arc::new(memory),
        dashboards: std::sync::Arc::new(move || std::sync::Arc::clone(&boards)),
        ..state(&Seen::default())
    };
    let board = ask_of(with, "GET /api/v1/dashboards/b", &[], "").await.json();
    let texts: Vec<&str> =
        board["data"]["variables"][0]["options"].as_array().expect("a list").iter().filter_map(|option| option["text"].as_str()).collect();
    assert_eq!(texts.len(), 2, "{board}");
    assert!(texts[0].contains("a=\"f\"") && texts[0].contains("} 1.5 "), "{texts:?}");
    assert!(texts[1].contains("{count:3, sum:4, ") && texts[1].ends_with(|c: char| c.is_ascii_digit()), "{texts:?}");
}

/// Native histograms are drawn by counts and sums, by buckets where a heatmap is wanted; what two queries miss is said once.
#[tokio::test]
async fn native_histograms_are_drawn() {
    let memory = promql::Memory::new();
    memory.load_text("h{a=\"1\"}", "{{schema:0 count:3 sum:4 buckets:[1 2]}}x40", 15_000).expect("a good series");
    memory.load_text("h{a=\"2\"}", "{{schema:0 count:7 sum:9 buckets:[0 3 4]}}x40", 15_000).expect("a good series");
    let board = r#"{"uid": "b", "title": "B", "panels": [
        {"id": 1, "type": "timeseries", "targets": [{"refId": "A", "expr": "h{a=\"1\"}"}]},
        {"id": 2, "type": "timeseries", "targets": [{"refId": "A", "expr": "h", "format": "heatmap"}]},
        {"id": 3, "type": "timeseries", "targets": [{"refId": "A", "expr": "h", "instant": true, "range": false, "legendFormat": "{{a}} {{__name__}}"}]},
        {"id": 4, "type": "timeseries", "targets": [{"refId": "A", "expr": "none"}, {"refId": "B", "expr": "rate(none[5m])"}]}]}"#;
    let boards = std::sync::Arc::new(vec![std::sync::Arc::new(dashboards::import(board).expect("a good board"))]);
    let with = web::State {
        select: std::sync::Arc::new(memory),
        dashboards: std::sync::Arc::new(move || std::sync::Arc::clone(&boards)),
        ..state(&Seen::default())
    };
    let mut drawn = Vec::new();
    for id in 1..=4 {
        let body = r#"{"from":300000,"to":600000,"width":10,"height":10}"#;
        let answer =
            ask_of(with.clone(), &format!("POST /api/v1/dashboards/b/panels/{id}/view"), &[("content-type", "application/json")], body)
                .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        drawn.push(answer.json()["data"].clone());
    }
    let fields = |of: &Value| -> Vec<(String, Value)> {
        let frames = of["frames"].as_array().expect("frames").iter();
        let fields = frames.flat_map(|frame| frame["fields"].as_array().expect("fields")).filter(|field| field["name"] != "Time");
        fields.map(|field| (field["display_name"].as_str().unwrap_or_default().to_owned(), field["values"]["value"][0].clone())).collect()
    };
    let named =
        |names: &[(&str, f64)]| -> Vec<(String, Value)> { names.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect() };
    assert_eq!(fields(&drawn[0]), named(&[("h_count{a=\"1\"}", 3.0), ("h_sum{a=\"1\"}", 4.0)]));
    assert!(drawn[0]["warnings"].to_string().contains("by their counts and sums"), "{}", drawn[0]["warnings"]);
    assert_eq!(fields(&drawn[1]), named(&[("1", 1.0), ("2", 5.0), ("4", 4.0)]));
    assert_eq!(drawn[1]["warnings"], json!([]));
    assert_eq!(fields(&drawn[2]), named(&[("1 h_count", 3.0), ("1 h_sum", 4.0), ("2 h_count", 7.0), ("2 h_sum", 9.0)]));
    assert_eq!(
        (drawn[3]["hints"].as_array().map(Vec::len), &drawn[3]["view"]["value"]),
        (Some(1), &json!("no series is named none in this time range"))
    );
}
