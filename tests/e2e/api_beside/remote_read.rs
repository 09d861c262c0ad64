//! Debian's Prometheus reads from Skopos, and answers what Skopos answers.

use std::time::Duration;

use test_support::{Prometheus, get, wait_for};

use crate::calls::encode;
use crate::pair::{Pair, SAMPLES, STEP};

/// What both answer at a time, without the label that is added on the way out.
fn answer(url: &str, query: &str, at: i64) -> Vec<(String, String)> {
    let result = get(&format!("{url}/api/v1/query?query={}&time={at}.5", encode(query))).json()["data"]["result"].clone();
    let mut all: Vec<(String, String)> = result
        .as_array()
        .unwrap_or_else(|| panic!("{query}: {result}"))
        .iter()
        .map(|series| {
            let mut labels = series["metric"].clone();
            if let Some(labels) = labels.as_object_mut() {
                labels.remove("site");
            }
            (labels.to_string(), series["value"][1].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn prometheus_reads_from_skopos_what_skopos_has() {
    let Some(pair) = Pair::start("remote-read") else { return };
    let config = format!("remote_read: [{{url: '{}', read_recent: true}}]\n", pair.skopos.url("/api/v1/read"));
    let Some(reader) = Prometheus::start(&config) else { return };
    let at = pair.base + (SAMPLES - 3) * STEP + 7;
    wait_for("an answer", Duration::from_secs(20), || (!answer(&reader.url(""), "build_info", at).is_empty()).then_some(()));
    let mut compared = 0;
    // With the series that the target has for each.
    for (query, series) in [
        ("http_requests_total", 9),
        ("temperature_celsius", 2),
        ("odd_values", 1),
        ("latency_seconds_bucket", 3),
        ("sum by (method) (rate(http_requests_total[97s]))", 3),
        ("count_over_time({job=\"app\",__name__=~\"http_.*|temperature.*\"}[9m])", 11),
        ("http_requests_total{code=~\"4..\",method!=\"put\"}", 2),
        ("nothing", 0),
    ] {
        let (read, own) = (answer(&reader.url(""), query, at), answer(&pair.skopos.url(""), query, at));
        let near =
            |a: &str, b: &str| a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if (a - b).abs() <= 1e-9 * a.abs());
        let alike = read.len() == own.len() && read.iter().zip(&own).all(|(a, b)| a.0 == b.0 && near(&a.1, &b.1));
        assert!(alike, "{query}: {read:?} was read, {own:?} is there");
        assert_eq!(own.len(), series, "{query}: {own:?}");
        compared += own.len();
    }
    println!("{compared} series read through remote read");
    // The external label comes along, and a matcher on it does not shut out what it is added to.
    let labelled = get(&format!("{}/api/v1/series?match[]={}", reader.url(""), encode("build_info{site=\"lab\"}"))).json();
    assert_eq!(labelled["data"][0]["site"], "lab", "{labelled}");
    // Errors are plain text, as upstream's.
    let bad = test_support::post(&pair.skopos.url("/api/v1/read"), "application/x-protobuf", "nonsense");
    assert!(bad.status == 400 && !bad.body.starts_with('{'), "{} {}", bad.status, bad.body);
}
