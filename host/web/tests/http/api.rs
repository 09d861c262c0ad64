//! The API, request by request, over fakes.

use std::sync::atomic::Ordering;

use crate::support::{Seen, ask, ask_of, state};
use serde_json::{Value, json};

#[track_caller]
fn same(got: &Value, expected: &Value, request: &str) {
    assert_eq!(got, expected, "{request}");
}

/// What a request answers, at a pointer of its JSON.
async fn check(request: &str, status: u16, pointer: &str, expected: Value) {
    let answer = ask(request).await;
    assert_eq!(answer.status, status, "{request}: {}", answer.body);
    let body = answer.json();
    let got = body.pointer(pointer).unwrap_or_else(|| panic!("{request} has no {pointer}: {body}"));
    same(got, &expected, request);
}

/// The error a request answers with.
async fn refused(request: &str, status: u16, kind: &str, text: &str) {
    let answer = ask(request).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["status"], &body["errorType"]), (status, &json!("error"), &json!(kind)), "{request}: {body}");
    assert!(body["error"].as_str().is_some_and(|error| error.contains(text)), "{request}: {body}");
}

#[tokio::test]
async fn query() {
    check("GET /api/v1/query?query=1.5", 200, "/data", json!({"resultType": "scalar", "result": [600, "1.5"]})).await;
    check("GET /api/v1/query?query=1/0&time=1.123", 200, "/data/result", json!([1.123, "+Inf"])).await;
    check("GET /api/v1/query?query=%22a%22&time=1", 200, "/data", json!({"resultType": "string", "result": [1, "a"]})).await;
    check(
        "GET /api/v1/query?query=up%7Bjob=%22web%22%7D&time=60",
        200,
        "/data",
        json!({"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "web", "instance": "c:1"}, "value": [60, "1"]}]}),
    )
    .await;
    check("GET /api/v1/query?query=up&time=60&limit=2", 200, "/warnings", json!(["results truncated due to limit"])).await;
    check("GET /api/v1/query?query=up&time=100000", 200, "/data/result", json!([])).await;
    check("GET /api/v1/query?query=up&time=60&stats=true", 200, "/data/stats/timings/resultSortTime", json!(0)).await;
    check("GET /api/v1/query?query=up&time=60&stats=all", 200, "/data/stats/timings/resultSortTime", json!(0)).await;
    let deprecated =
        r#"value "yes" for parameter "stats" is deprecated and will be rejected in the next major release, use "true" or "all""#;
    check("GET /api/v1/query?query=up&time=60&stats=yes", 200, "/warnings", json!([deprecated])).await;
    check("GET /api/v1/query?query=up&time=660&lookback_delta=0", 200, "/data/result/0/value/1", json!("1")).await;
    check("GET /api/v1/query?query=up&time=660&lookback_delta=1", 200, "/data/result", json!([])).await;
    check("GET /api/v1/query?query=odd&time=60", 200, "/data/result/0/metric/path", json!("/\"q\"")).await;
}

#[tokio::test]
async fn query_by_form() {
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let answer = ask_of(state(&Seen::default()), "POST /api/v1/query", &form, "query=sum%28up%29&time=60").await;
    same(&answer.json()["data"]["result"][0]["value"], &json!([60, "2"]), "form");
    // What the form says counts before what the address says.
    let answer = ask_of(state(&Seen::default()), "POST /api/v1/query?query=2&time=9&stats=true", &form, "query=1&time=60").await;
    same(&answer.json()["data"]["result"], &json!([60, "1"]), "form and address");
    assert!(answer.json()["data"]["stats"].is_object());
    let answer = ask_of(state(&Seen::default()), "POST /api/v1/query", &[("content-type", "text/plain")], "query=1").await;
    assert_eq!(answer.status, 400);
    let mut small = state(&Seen::default());
    small.limits.body_bytes = 10;
    assert_eq!(ask_of(small, "POST /api/v1/query", &form, "query=sum%28up%29").await.status, 413);
}

#[tokio::test]
async fn query_errors() {
    refused("GET /api/v1/query", 400, "bad_data", r#"invalid parameter "query": "#).await;
    refused("GET /api/v1/query?query=up%7B", 400, "bad_data", "parse error").await;
    let expected = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:1: parse error: no expression found in input"}"#;
    assert_eq!(ask("GET /api/v1/query").await.body, expected);
    let time = r#"invalid parameter "time": invalid time value for 'time': cannot parse "abc" to a valid timestamp"#;
    refused("GET /api/v1/query?query=1&time=abc", 400, "bad_data", time).await;
    refused(
        "GET /api/v1/query?query=1&timeout=abc",
        400,
        "bad_data",
        r#"invalid parameter "timeout": cannot parse "abc" to a valid duration"#,
    )
    .await;
    refused("GET /api/v1/query?query=1&limit=-1", 400, "bad_data", "limit must be non-negative").await;
    refused("GET /api/v1/query?query=up%20*%20on(job)%20up&time=60", 422, "execution", "many-to-many").await;
    refused("GET /api/v1/query?query=1&timeout=0", 503, "timeout", "query timed out").await;
    refused("GET /api/v1/query?query=1&timeout=-1", 503, "timeout", "query timed out").await;
}

#[tokio::test]
async fn query_range() {
    check(
        "GET /api/v1/query_range?query=up%7Bjob=%22web%22%7D&start=0&end=30&step=15s",
        200,
        "/data",
        json!({"resultType": "matrix", "result": [{"metric": {"__name__": "up", "job": "web", "instance": "c:1"}, "values": [[0, "1"], [15, "1"], [30, "1"]]}]}),
    )
    .await;
    let range = |parameters: &str| format!("GET /api/v1/query_range?query=up&{parameters}");
    refused(&range("end=1&step=1"), 400, "bad_data", r#"invalid parameter "start": cannot parse "" to a valid timestamp"#).await;
    refused(&range("start=0&end=1"), 400, "bad_data", r#"invalid parameter "step": cannot parse "" to a valid duration"#).await;
    refused(&range("start=2&end=1&step=1"), 400, "bad_data", "end timestamp must not be before start time").await;
    refused(
        &range("start=1&end=1&step=0"),
        400,
        "bad_data",
        "zero or negative query resolution step widths are not accepted. Try a positive integer",
    )
    .await;
    refused(&range("start=1&end=1&step=-5"), 400, "bad_data", "zero or negative").await;
    refused(&range("start=0&end=315360000&step=0.001"), 400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries")
        .await;
    refused(&range("start=0&end=1e300&step=1"), 400, "bad_data", "exceeded maximum resolution").await;
    check(&range("start=0&end=11000&step=1"), 200, "/status", json!("success")).await;
    let kind = r#"invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector"#;
    refused("GET /api/v1/query_range?query=up[5m]&start=0&end=1&step=1", 400, "bad_data", kind).await;
}

#[tokio::test]
async fn series_and_labels() {
    check("GET /api/v1/series?match[]=up%7Bjob=%22web%22%7D", 200, "/data", json!([{"__name__": "up", "job": "web", "instance": "c:1"}]))
        .await;
    check("GET /api/v1/series?match[]=up&limit=1", 200, "/warnings/0", json!("results truncated due to limit")).await;
    refused("GET /api/v1/series", 400, "bad_data", "no match[] parameter provided").await;
    refused("GET /api/v1/series?match[]=%7Bjob=~%22.*%22%7D", 400, "bad_data", "match[] must contain at least one non-empty matcher").await;
    for selector in ["sum(up)", "up[5m]", "(up)", "up%20offset%205m", "up%20@%205", ""] {
        refused(&format!("GET /api/v1/series?match[]={selector}"), 400, "bad_data", r#"invalid parameter "match[]": "#).await;
    }
    check("GET /api/v1/labels", 200, "/data", json!(["__name__", "instance", "job", "path"])).await;
    check("GET /api/v1/labels?match[]=up", 200, "/data", json!(["__name__", "instance", "job"])).await;
    check("GET /api/v1/label/job/values", 200, "/data", json!(["node", "web"])).await;
    check("GET /api/v1/label/U__job/values", 200, "/data", json!(["node", "web"])).await;
    check("GET /api/v1/label/job/values?limit=1", 200, "/data", json!(["node"])).await;
    check("GET /api/v1/label/nothing/values", 200, "/data", json!([])).await;
    for path in ["labels?", "label/job/values?", "series?match[]=up&"] {
        check(&format!("GET /api/v1/{path}start=5&end=1"), 200, "/data", json!([])).await;
        refused(&format!("GET /api/v1/{path}start=x"), 400, "bad_data", "invalid time value for 'start'").await;
    }
    check("GET /api/v1/labels?match[]=%7B%7D", 400, "/error", json!("match[] must contain at least one non-empty matcher")).await;
}

#[tokio::test]
async fn targets() {
    check(
        "GET /api/v1/targets",
        200,
        "/data/activeTargets/0",
        json!({"discoveredLabels": {"__address__": "a:1"}, "labels": {"instance": "a:1", "job": "node"}, "scrapePool": "node",
            "scrapeUrl": "http://a:1/metrics", "globalUrl": "http://a:1/metrics", "lastError": "", "lastScrape": "2023-11-14T22:13:20.123Z",
            "lastScrapeDuration": 0.25, "lastScrapeLate": 0.5, "health": "up", "scrapeInterval": "15s", "scrapeTimeout": "10s"}),
    )
    .await;
    check("GET /api/v1/targets?state=active", 200, "/data/droppedTargets", json!([])).await;
    check("GET /api/v1/targets?state=dropped", 200, "/data/activeTargets", json!([])).await;
    check("GET /api/v1/targets?state=ANY", 200, "/data/activeTargets/0/scrapePool", json!("node")).await;
    check("GET /api/v1/targets?state=bogus", 200, "/data", json!({"activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {}}))
        .await;
    check("GET /api/v1/targets", 200, "/data/droppedTargetCounts", json!({"node": 1, "web": 0})).await;
    check("GET /api/v1/targets?scrapePool=web", 200, "/data/activeTargets", json!([])).await;
    check("GET /api/v1/scrape_pools", 200, "/data/scrapePools", json!(["node", "web"])).await;
}

#[tokio::test]
async fn metadata() {
    let (a, b) = (json!({"type": "gauge", "help": "Is it up?", "unit": ""}), json!({"type": "unknown", "help": "Really up?", "unit": ""}));
    let seconds = json!({"type": "counter", "help": "", "unit": "seconds"});
    check("GET /api/v1/metadata", 200, "/data", json!({"on": [a, b], "work_seconds": [seconds]})).await;
    check("GET /api/v1/metadata?limit=1&limit_per_metric=1", 200, "/data", json!({"on": [a]})).await;
    check("GET /api/v1/metadata?limit=0", 200, "/data", json!({})).await;
    check("GET /api/v1/metadata?limit=-1&limit_per_metric=0&metric=work_seconds", 200, "/data", json!({"work_seconds": [seconds]})).await;
    check("GET /api/v1/metadata?metric=other", 200, "/data", json!({})).await;
    refused("GET /api/v1/metadata?limit=x", 400, "bad_data", "limit must be a number").await;
    refused("GET /api/v1/metadata?limit_per_metric=x", 400, "bad_data", "limit_per_metric must be a number").await;
    let entry = |target: &str, metric: &str, description: &serde_json::Value| {
        let mut entry = json!({"target": {"job": target}, "metric": metric});
        entry.as_object_mut().expect("an object").extend(description.as_object().expect("an object").clone());
        entry
    };
    let all = json!([entry("a", "on", &a), entry("a", "work_seconds", &seconds), entry("b", "on", &b)]);
    check("GET /api/v1/targets/metadata", 200, "/data", all.clone()).await;
    check("GET /api/v1/targets/metadata?match_target=%7B%7D", 200, "/data", all).await;
    check("GET /api/v1/targets/metadata?limit=1", 200, "/data", json!([entry("a", "on", &a), entry("a", "work_seconds", &seconds)])).await;
    check("GET /api/v1/targets/metadata?match_target=%7Bjob%21%3D%22a%22%7D", 200, "/data", json!([entry("b", "on", &b)])).await;
    let mut one = entry("b", "on", &b);
    one.as_object_mut().expect("an object").remove("metric");
    check("GET /api/v1/targets/metadata?metric=on&match_target=%7Bjob%3D%22b%22%7D", 200, "/data", json!([one])).await;
    check("GET /api/v1/targets/metadata?metric=none", 200, "/data", json!([])).await;
    refused("GET /api/v1/targets/metadata?limit=x", 400, "bad_data", "limit must be a number").await;
    refused("GET /api/v1/targets/metadata?match_target=%7B", 400, "bad_data", "invalid parameter \"match_target\"").await;
}

#[tokio::test]
async fn rules() {
    check(
        "GET /api/v1/rules",
        200,
        "/data/groups/0/rules/0",
        json!({"state": "firing", "name": "Down", "query": "up == 0", "duration": 300, "keepFiringFor": 0, "labels": {"severity": "page"},
            "annotations": {}, "health": "ok", "evaluationTime": 0.001, "lastEvaluation": "2023-11-14T22:13:20Z", "type": "alerting",
            "alerts": [{"labels": {"alertname": "Down"}, "annotations": {}, "state": "firing", "activeAt": "2023-11-14T22:13:20Z", "value": "1e+00"}]}),
    )
    .await;
    check("GET /api/v1/rules", 200, "/data/groups/1/rules/0/state", json!("inactive")).await;
    check("GET /api/v1/rules", 200, "/data/groups/0/lastEvaluation", json!("0001-01-01T00:00:00Z")).await;
    check("GET /api/v1/rules?type=record", 200, "/data/groups/0/rules/0/name", json!("job:up:sum")).await;
    check("GET /api/v1/rules?rule_name[]=Quiet", 200, "/data/groups/0/name", json!("b")).await;
    check("GET /api/v1/rules?exclude_alerts=true", 200, "/data/groups/0/rules/0/alerts", json!([])).await;
    check("GET /api/v1/rules?file[]=no", 200, "/data/groups", json!([])).await;
    refused("GET /api/v1/rules?type=x", 400, "bad_data", r#"invalid parameter "type": not supported value "x""#).await;
    refused("GET /api/v1/rules?group_limit=0", 400, "bad_data", "group_limit").await;
    let first = ask("GET /api/v1/rules?group_limit=1").await.json();
    let token = first["data"]["groupNextToken"].as_str().expect("a token").to_owned();
    check(&format!("GET /api/v1/rules?group_limit=1&group_next_token={token}"), 200, "/data/groups/0/name", json!("b")).await;
    check("GET /api/v1/alerts", 200, "/data/alerts/0/value", json!("1e+00")).await;
    check("GET /api/v1/alertmanagers", 200, "/data", json!({"activeAlertmanagers": [], "droppedAlertmanagers": []})).await;
    check("GET /api/v1/deliveries", 200, "/data", json!([])).await;
}

#[tokio::test]
async fn status() {
    check("GET /api/v1/status/buildinfo", 200, "/data/version", json!("3.4.0")).await;
    check("GET /api/v1/status/config", 200, "/data/yaml", json!("global: {}\n")).await;
    check("GET /api/v1/status/flags", 200, "/data", json!({"web.listen-address": "127.0.0.1:9090"})).await;
    check("GET /api/v1/status/runtimeinfo", 200, "/data/storageRetention", json!("15d")).await;
    check("GET /api/v1/plugins", 200, "/data", json!({"plugins": []})).await;
    check("GET /api/v1/format_query?query=sum(up)by(job)", 200, "/data", json!("sum by (job) (up)")).await;
    let long = "a".repeat(99);
    check(&format!("GET /api/v1/format_query?query=abs({long})"), 200, "/data", json!(format!("abs(\n  {long}\n)"))).await;
    refused("GET /api/v1/status/tsdb", 404, "not_found", "not served").await;
    check("GET /api/v1/status/walreplay", 200, "/data", json!({"min": 0, "max": 0, "current": 0, "state": "done"})).await;
    check("GET /api/v1/query_exemplars?query=up&start=1&end=2", 200, "/data", json!([])).await;
    check("GET /api/v1/query_exemplars?query=1%2B1", 200, "/data", json!([])).await;
    refused("GET /api/v1/query_exemplars", 400, "bad_data", "no expression found in input").await;
    refused("GET /api/v1/query_exemplars?query=up&start=2&end=1", 400, "bad_data", "end timestamp must not be before start timestamp")
        .await;
    refused("GET /api/v1/status/self_metrics", 404, "not_found", "not served yet").await;
    refused("GET /api/v1/nonsense", 404, "not_found", "nothing at this address").await;
    refused("POST /api/v1/admin/tsdb/delete_series?match[]=up", 503, "unavailable", "admin APIs disabled").await;
    refused("GET /api/v1/admin/tsdb/delete_series?match[]=up", 405, "bad_data", "method").await;
}

#[tokio::test]
async fn health_and_readiness() {
    let seen = Seen::default();
    for (request, status, body) in [
        ("GET /-/healthy", 200, "Prometheus Server is Healthy.\n"),
        ("HEAD /-/healthy", 200, ""),
        ("GET /-/ready", 200, "Prometheus Server is Ready.\n"),
    ] {
        let answer = ask_of(state(&seen), request, &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{request}");
    }
    seen.not_ready.store(true, Ordering::SeqCst);
    for (request, status) in [
        ("GET /-/healthy", 200),
        ("GET /-/ready", 503),
        ("HEAD /-/ready", 503),
        ("GET /api/v1/query?query=1", 503),
        ("GET /api/v1/status/buildinfo", 200),
        ("GET /api/v1/status/walreplay", 200),
        ("GET /metrics", 200),
        ("GET /targets", 200),
    ] {
        assert_eq!(ask_of(state(&seen), request, &[], "").await.status, status, "{request}");
    }
    assert_eq!(ask_of(state(&seen), "GET /-/ready", &[], "").await.body, "Service Unavailable");
}

#[tokio::test]
async fn reload_and_quit() {
    let seen = Seen::default();
    let on = state(&seen);
    assert_eq!(ask_of(on.clone(), "POST /-/reload", &[], "").await.status, 200);
    let failed = ask_of(on.clone(), "PUT /-/reload", &[], "").await;
    assert_eq!((failed.status, failed.body.as_str()), (500, "failed to reload config: line 3: no\n"));
    let get = ask_of(on.clone(), "GET /-/reload", &[], "").await;
    assert_eq!((get.status, get.body.as_str()), (405, "Only POST or PUT requests allowed"));
    assert_eq!(ask_of(on.clone(), "POST /-/quit", &[], "").await.body, "Requesting termination... Goodbye!");
    assert_eq!(seen.reloads.load(Ordering::SeqCst), 2);
    let mut off = on;
    off.enable_lifecycle = false;
    for request in ["POST /-/reload", "PUT /-/quit"] {
        let answer = ask_of(off.clone(), request, &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (403, "Lifecycle API is not enabled."));
    }
    assert_eq!(seen.reloads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn metrics_and_federation() {
    let answer = ask("GET /metrics").await;
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.header("content-type")),
        (200, "skopos_up 1\n", "text/plain; version=0.0.4; charset=utf-8")
    );
    let answer = ask("GET /federate?match[]=odd&match[]=up%7Bjob=%22web%22%7D").await;
    let expected = "# TYPE odd untyped\nodd{instance=\"\",job=\"web\",path=\"/\\\"q\\\"\",site=\"lab\"} 0.5 600000\n# TYPE up untyped\nup{instance=\"c:1\",job=\"web\",site=\"lab\"} 1 600000\n";
    assert_eq!((answer.status, answer.body.as_str()), (200, expected));
    assert_eq!(ask("GET /federate?match[]=sum(up)").await.status, 400);
}

#[tokio::test]
async fn large_answers_are_compressed_and_cut() {
    let request = "GET /api/v1/query_range?query=up&start=0&end=600&step=1";
    let answer = ask_of(state(&Seen::default()), request, &[("accept-encoding", "br, gzip;q=0.5")], "").await;
    assert_eq!((answer.status, answer.header("content-encoding"), answer.header("vary")), (200, "gzip", "Accept-Encoding"));
    let answer = ask_of(state(&Seen::default()), request, &[("accept-encoding", "gzip;q=0")], "").await;
    assert_eq!(answer.header("content-encoding"), "");
    let mut small = state(&Seen::default());
    small.limits.query_bytes = 1000;
    let answer = ask_of(small, request, &[], "").await;
    assert_eq!((answer.status, &answer.json()["errorType"]), (422, &json!("execution")));
    // A few series of many targets with long descriptions are many bytes as well.
    for request in ["GET /api/v1/metadata", "GET /api/v1/targets/metadata"] {
        let mut small = state(&Seen::default());
        small.limits.answer_bytes = 100;
        let answer = ask_of(small, request, &[], "").await;
        assert_eq!((answer.status, &answer.json()["errorType"]), (422, &json!("execution")), "{request}");
    }
}
