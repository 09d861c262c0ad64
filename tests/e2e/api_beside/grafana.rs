//! The calls that Grafana's Prometheus data source makes, in the forms in which it makes them (release 12; read from its sources:
//! `pkg/promlib/client`, `packages/grafana-prometheus`). Answers have the structure that Debian's Prometheus gives them.

use crate::calls::{Call, Calls};
use crate::compare::Level::{Shape, Values};
use crate::pair::{Pair, SAMPLES, STEP};

fn calls(base: i64) -> Vec<Call> {
    let mut calls = Calls(Vec::new());
    let (from, to) = (base + 8 * STEP + 7, base + (SAMPLES - 3) * STEP + 7);
    // Times of the backend have decimals where there are some, those of the browser none.
    let (start, end) = (format!("{from}.5"), format!("{to}.5"));
    let backend = [("start", start.as_str()), ("end", end.as_str())];
    let (from, to) = (from.to_string(), to.to_string());
    let browser = [("start", from.as_str()), ("end", to.as_str())];

    // "Save & test": a query that needs no data, and which server it is.
    calls.post(Values, "/api/v1/query", &[("query", "1+1"), ("time", &end)]);
    calls.get(Values, "/api/v1/query", &[("query", "1+1"), ("time", &end)]);
    calls.get(Shape, "/api/v1/status/buildinfo", &[]);
    // The metrics browser and completion: names, descriptions, labels, values.
    calls.get(Values, "/api/v1/label/__name__/values", &[("limit", "40000"), browser[0], browser[1]]);
    calls.get(
        Values,
        "/api/v1/label/__name__/values",
        &[("limit", "40000"), browser[0], browser[1], ("match[]", "{__name__=~\".*http.*\"}")],
    );
    calls.get(Shape, "/api/v1/metadata", &[]);
    calls.get(Shape, "/api/v1/metadata", &[("limit", "40000")]);
    for match_all in [&[][..], &[("match[]", "{__name__=\"http_requests_total\"}")], &[("match[]", "{__name__!=\"\"}")]] {
        let pairs: Vec<(&str, &str)> = [("limit", "40000"), browser[0], browser[1]].into_iter().chain(match_all.iter().copied()).collect();
        calls.get(Values, "/api/v1/labels", &pairs);
        calls.post(Values, "/api/v1/labels", &pairs);
        calls.get(Values, "/api/v1/label/code/values", &pairs);
        calls.get(Values, "/api/v1/label/method/values", &pairs);
    }
    for selector in
        ["{__name__=\"http_requests_total\"}", "{code!=\"\"}", "http_requests_total{method=\"get\"}", "{__name__!=\"\",le!=\"\"}"]
    {
        let pairs = [browser[0], browser[1], ("match[]", selector), ("limit", "40000")];
        calls.get(Values, "/api/v1/series", &pairs);
        calls.post(Values, "/api/v1/series", &pairs);
    }
    // Variables of dashboards: label_values(metric, label), label_values(label), label_names(), metrics(re), query_result(expr).
    calls.get(Values, "/api/v1/label/room/values", &[("match[]", "temperature_celsius"), browser[0], browser[1]]);
    calls.get(Values, "/api/v1/label/le/values", &[browser[0], browser[1]]);
    calls.get(Values, "/api/v1/series", &[("match[]", "temperature_celsius"), browser[0], browser[1]]);
    calls.post(Values, "/api/v1/query", &[("query", "count by (code) (http_requests_total)"), ("time", &to)]);
    // Filters that are added by hand.
    calls.post(Values, "/api/v1/labels", &[("match[]", "{method=\"get\"}"), browser[0], browser[1]]);
    // Panels, Explore, annotations: ranges and instants, by POST and by GET.
    for query in [
        "http_requests_total",
        "sum by (method) (rate(http_requests_total[97s]))",
        "histogram_quantile(0.95, sum by (le) (rate(latency_seconds_bucket[97s])))",
        "temperature_celsius{room=~\"kitchen|garage.*\"}",
        "ALERTS{alertstate=\"none\"}",
        "nothing_at_all",
    ] {
        let pairs = [("end", end.as_str()), ("query", query), ("start", start.as_str()), ("step", "15")];
        calls.post(Values, "/api/v1/query_range", &pairs);
        calls.get(Values, "/api/v1/query_range", &pairs);
        calls.post(Values, "/api/v1/query", &[("query", query), ("time", &end), ("timeout", "30s")]);
        calls.post(Values, "/api/v1/query_exemplars", &[("end", end.as_str()), ("query", query), ("start", start.as_str())]);
    }
    calls.post(Values, "/api/v1/query_exemplars", &[("query", "latency_seconds_bucket"), backend[0], backend[1]]);
    // What people type while they type.
    for query in ["rate(", "http_requests_total{", "sum by (method", "rate(http_requests_total[5m])) + 1", "unknown_function(up)"] {
        calls.post(Values, "/api/v1/query", &[("query", query), ("time", &end)]);
        calls.post(Values, "/api/v1/query_range", &[("query", query), backend[0], backend[1], ("step", "15")]);
    }
    // The pages of alerting.
    calls.get(Shape, "/api/v1/rules", &[]);
    calls.get(Shape, "/api/v1/rules", &[("type", "alert")]);
    calls.get(Shape, "/api/v1/alerts", &[]);
    calls.get(Shape, "/api/v1/targets", &[("state", "active")]);
    calls.0
}

#[test]
fn what_grafana_asks_is_answered_as_prometheus_answers_it() {
    let Some(pair) = Pair::start("grafana") else { return };
    let calls = calls(pair.base);
    println!("a replay of Grafana's data source");
    crate::compare_all(&pair, &calls);
    // Which server this is: a version that is read as a Prometheus of today, and no `features`, which would say Mimir.
    let info = pair.skopos.get("/api/v1/status/buildinfo").json()["data"].clone();
    let major: u32 = info["version"].as_str().and_then(|text| text.split('.').next()?.parse().ok()).expect("a version");
    assert!(major >= 3 && info.get("features").is_none(), "{info}");
    // Alerting's page asks for groups page by page.
    let first = pair.skopos.get("/api/v1/rules?group_limit=1&exclude_alerts=true").json()["data"].clone();
    let token = first["groupNextToken"].as_str().expect("another page");
    let second = pair.skopos.get(&format!("/api/v1/rules?group_limit=1&group_next_token={token}")).json()["data"].clone();
    assert_eq!((&first["groups"][0]["name"], &second["groups"][0]["name"]), (&"first".into(), &"second".into()));
    assert!(second.get("groupNextToken").is_none(), "{second}");
}
