//! Protobuf from a server through a real process and back out of the API, beside the text of the same data and beside Debian's
//! Prometheus, which asks for protobuf with `--enable-feature=native-histograms`. And a target whose series explode.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use test_support::{Answer, Prometheus, Server, Setup, get, wait_for};

#[path = "../../host/exposition/tests/common/messages.rs"]
mod messages;
use messages::*;

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(120);

const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every kind, two classic histograms, an integer and a float native one, exemplars, a start.
fn protobuf() -> Vec<u8> {
    let counter = message().double(1, 17.0).nested(2, &exemplar("c1", 0.5, Some(1_700_000_000_250))).nested(3, &time(1_700_000_000_000));
    let summary = message().number(1, 9).double(2, 4.5);
    let summary = summary.nested(3, &message().double(1, 0.5).double(2, 0.25)).nested(3, &message().double(1, 1.0).double(2, f64::NAN));
    let classic =
        message().number(1, 5).double(2, 9.5).nested(3, &bucket(2, 1.0)).nested(3, &bucket(4, 2.5).nested(3, &exemplar("b1", 2.0, None)));
    let integer = message().number(1, 12).double(2, 18.5).signed(5, 2).double(6, 1e-9).number(7, 1);
    let integer = integer.span(12, 0, 2).span(12, 3, 1).deltas(13, &[4, 1, -3]).nested(16, &exemplar("n1", 1.0, Some(1_700_000_001_000)));
    let float = message().double(4, 3.5).double(2, 1.25).signed(5, 0).double(8, 1.0).span(12, -1, 2).doubles(14, &[2.0, 0.5]);
    [
        family("c_total", "A counter.", COUNTER, &[metric(&[("code", "200")], 3, &counter)]),
        family("g", "A gauge.", GAUGE, &[gauge(&[("path", "/\\ \"ä\"\n")], -0.125), gauge(&[], 1e300)]),
        family("u", "", UNTYPED, &[metric(&[], 5, &message().double(1, f64::INFINITY))]),
        family("s_seconds", "", SUMMARY, &[metric(&[("x", "y")], 4, &summary)]),
        family("h_seconds", "", HISTOGRAM, &[metric(&[], 7, &classic)]),
        family("n_seconds", "", HISTOGRAM, &[metric(&[("kind", "integer")], 7, &integer), metric(&[("kind", "float")], 7, &float)]),
    ]
    .concat()
}

/// What text can say of it: all but the native histograms.
const SAME: &str = "# HELP c_total A counter.\n# TYPE c_total counter\nc_total{code=\"200\"} 17\n# TYPE g gauge\ng{path=\"/\\\\ \\\"ä\\\"\\n\"} -0.125\n\
    g 1e300\nu +Inf\n# TYPE s_seconds summary\ns_seconds{x=\"y\",quantile=\"0.5\"} 0.25\ns_seconds{x=\"y\",quantile=\"1\"} NaN\n\
    s_seconds_sum{x=\"y\"} 4.5\ns_seconds_count{x=\"y\"} 9\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"1\"} 2\n\
    h_seconds_bucket{le=\"2.5\"} 4\nh_seconds_bucket{le=\"+Inf\"} 5\nh_seconds_sum 9.5\nh_seconds_count 5\n";

/// The series of a job with their values, without those that a scrape adds. Bounds as numbers: Prometheus 2 writes `1` where 3 and we
/// write `1.0`.
fn series(base: &str, job: &str) -> BTreeMap<String, String> {
    let query = format!("%7Bjob%3D%22{job}%22%2C__name__%21~%22up%7Cscrape_.*%7Cn_.*%22%7D");
    let answer = get(&format!("{base}/api/v1/query?query={query}")).json();
    let entry = |result: &Value| {
        let mut labels: BTreeMap<String, String> = result["metric"]
            .as_object()?
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        labels.remove("job");
        labels.remove("instance");
        for bound in ["le", "quantile"] {
            if let Some(number) = labels.get(bound).and_then(|text| text.parse::<f64>().ok()) {
                labels.insert(bound.to_owned(), number.to_string());
            }
        }
        Some((format!("{labels:?}"), result["value"][1].as_str()?.to_owned()))
    };
    answer["data"]["result"].as_array().into_iter().flatten().filter_map(entry).collect()
}

#[test]
fn the_same_data_in_protobuf_and_text_beside_prometheus() {
    let server = Server::start(|asked| {
        let accepts = asked.headers.iter().any(|(name, value)| name == "accept" && value.contains("vnd.google.protobuf"));
        match asked.path.as_str() {
            "/text" => Answer::ok(TEXT, SAME),
            _ if accepts => Answer::ok(PROTOBUF, protobuf()),
            _ => Answer::status(406, "protobuf alone"),
        }
    });
    let target = format!("static_configs: [{{targets: ['{}']}}]", server.address());
    let jobs = |native: &str| {
        format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n  - {{job_name: p, metrics_path: /p, {native}{target}}}\n  \
             - {{job_name: t, metrics_path: /text, {target}}}\n"
        )
    };
    let mut skopos = Setup::new(BINARY, "protobuf").config(&jobs("scrape_native_histograms: true, ")).start();
    skopos.wait_query("count_over_time(c_total[1m]) >= 3", LIMIT, |r| r.len() == 2);
    let ours = series(&skopos.url(""), "p");
    assert_eq!(ours, series(&skopos.url(""), "t"));
    assert_eq!(ours.len(), 13, "{ours:?}");
    assert_eq!(skopos.query_value("scrape_samples_scraped{job=\"p\"}"), Some(15.0), "thirteen floats and two native histograms");
    let exemplars = get(&skopos.url("/api/v1/query_exemplars?query=%7Bjob%3D%22p%22%7D")).json()["data"].clone();
    let found: Vec<(String, String)> = exemplars
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|series| {
            let name = series["seriesLabels"]["__name__"].as_str().unwrap_or_default().to_owned();
            series["exemplars"].as_array().cloned().unwrap_or_default().into_iter().map(move |exemplar| (name.clone(), exemplar))
        })
        .map(|(name, exemplar)| (name, exemplar["labels"]["trace_id"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let wanted = [("c_total", "c1"), ("h_seconds_bucket", "b1"), ("n_seconds", "n1")];
    assert_eq!(found, wanted.map(|(name, trace)| (name.to_owned(), trace.to_owned())));
    skopos.kill_and_restart();
    skopos.wait_query("count_over_time(c_total[5s]) >= 4", LIMIT, |r| r.len() == 2);
    assert_eq!(series(&skopos.url(""), "p"), ours, "after a kill the same");

    let Some(prometheus) = Prometheus::start_with(&jobs(""), &["--enable-feature=native-histograms"]) else { return };
    let theirs = wait_for("Prometheus to have scraped both", LIMIT, || {
        let (p, t) = (series(&prometheus.url(""), "p"), series(&prometheus.url(""), "t"));
        (!p.is_empty() && !t.is_empty()).then_some(p)
    });
    assert_eq!(ours, theirs);
    println!("protobuf beside Prometheus 2.42: {} series of floats equal", theirs.len());
}

/// Faults A6 and point 6 of issue 4: one label explodes; the target stays up, what is known goes on, and the page has a rule to paste.
#[test]
fn a6_a_label_that_explodes_is_named_on_the_page_in_the_log_and_in_metrics() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let served = Arc::clone(&rounds);
    let server = Server::start(move |asked| {
        if asked.path == "/steady" {
            return Answer::metrics("steady 1\n");
        }
        let round = served.fetch_add(1, Ordering::SeqCst);
        let known = "known{kind=\"a\"} 1\nknown{kind=\"b\"} 2\n";
        let users: String = (0..20_000).map(|user| format!("req_total{{user_id=\"r{round}-{user}\",code=\"200\"}} 1\n")).collect();
        Answer::metrics(format!("{known}{users}"))
    });
    let config = |more: &str| {
        format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n  - job_name: app\n    static_configs: [{{targets: ['{0}']}}]\n{more}  \
             - {{job_name: steady, metrics_path: /steady, static_configs: [{{targets: ['{0}']}}]}}\n",
            server.address()
        )
    };
    let setup = Setup::new(BINARY, "exploding").config(&config("")).argument("--storage.memory-budget=24MiB");
    setup.folder().write("rules.yml", "groups: [{name: g, rules: [{record: 'known:sum', expr: sum(known) + 0 * time()}]}]");
    let skopos = setup.start();
    let refused = wait_for("series to be refused", LIMIT, || {
        let targets = skopos.get("/api/v1/targets?state=active").json()["data"]["activeTargets"].clone();
        let target = targets.as_array()?.iter().find(|target| target["scrapePool"] == "app")?.clone();
        assert_ne!(target["health"], "down", "{target}");
        (target["refused"]["label"] == "user_id").then(|| target["refused"].clone())
    });
    assert_eq!(
        refused["rule"], "metric_relabel_configs:\n  - {action: drop, source_labels: [__name__, user_id], regex: 'req_total;.+'}\n",
        "{refused}"
    );
    assert!(refused["limit"].as_str().is_some_and(|limit| limit.contains("storage.memory-budget")), "{refused}");
    assert!(skopos.log().contains("req_total;.+"), "{}", skopos.log_tail());
    skopos.wait_query("sum(known) == 3 and on() sum(steady) == 1 and on() min(up) == 1", LIMIT, |r| r.len() == 1);
    skopos.wait_query("timestamp(known:sum) > time() - 3 and on() count_over_time(known:sum[1m]) >= 5", LIMIT, |r| r.len() == 1);
    let told = skopos.log().lines().filter(|line| line.contains("are not stored")).count();
    assert!((1..=2).contains(&told), "told {told} times: {}", skopos.log_tail());
    let metrics = skopos.get("/metrics").body;
    assert!(metrics.contains("skopos_target_series_refused_total{scrape_job=\"app\"}"), "{metrics}");
    assert!(metrics.contains("exploding_label=\"user_id\""), "{metrics}");

    // The rule is pasted into the job.
    let rule: String = refused["rule"].as_str().unwrap_or_default().lines().map(|line| format!("    {line}\n")).collect();
    std::fs::write(skopos.folder().path().join("skopos.yml"), config(&rule)).expect("the configuration is written");
    skopos.signal("HUP");
    wait_for("all that is left to be stored", LIMIT, || {
        let targets = skopos.get("/api/v1/targets?state=active").json()["data"]["activeTargets"].clone();
        targets.as_array()?.iter().all(|target| target["refused"].is_null() && target["health"] == "up").then_some(())
    });
    skopos.wait_query("scrape_samples_post_metric_relabeling{job=\"app\"} == 2 and on() sum(known) == 3", LIMIT, |r| r.len() == 1);
}
