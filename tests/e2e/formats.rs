//! Formats that targets speak, from a server through a real process and back out of the API: real scrapes, metadata,
//! exemplars, what targets are asked for, and the same beside Debian's Prometheus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use test_support::{Answer, Prometheus, Server, Setup, Skopos, conformance, get, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(120);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Series that a scrape adds of its own.
const OWN_SERIES: usize = 5;

/// One job for each document.
fn config(server: &str, interval: &str, jobs: usize) -> String {
    let mut text = format!("global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\nscrape_configs:\n");
    for job in 0..jobs {
        text.push_str(&format!("  - {{job_name: 'd{job}', metrics_path: /{job}, static_configs: [{{targets: ['{server}']}}]}}\n"));
    }
    text
}

/// Serves documents with their content types, each under its number.
fn serve(documents: Vec<(&'static str, Vec<u8>)>) -> Server {
    Server::start(move |asked| {
        let at: usize = asked.path.trim_start_matches('/').parse().unwrap_or(usize::MAX);
        documents.get(at).map_or_else(|| Answer::status(404, ""), |(kind, body)| Answer::ok(kind, body.clone()))
    })
}

fn data(url: &str) -> Value {
    get(url).json()["data"].clone()
}

/// Errors of the targets by job; waits until all were scraped.
fn errors(base: &str, jobs: usize) -> BTreeMap<String, String> {
    wait_for("all targets to be scraped", LIMIT, || {
        let targets = data(&format!("{base}/api/v1/targets?state=active"))["activeTargets"].as_array().cloned()?;
        let done = targets.len() == jobs && targets.iter().all(|target| target["health"] != "unknown");
        let entry = |target: &Value| {
            let error = if target["health"] == "up" { "" } else { target["lastError"].as_str().unwrap_or_default() };
            (target["scrapePool"].as_str().unwrap_or_default().to_owned(), error.to_owned())
        };
        done.then(|| targets.iter().map(entry).collect())
    })
}

fn base(skopos: &Skopos) -> String {
    skopos.url("")
}

fn count(url: &str) -> usize {
    data(url).as_array().map_or(0, Vec::len)
}

/// Counts of a real scrape, as the API gives them.
fn counts(skopos: &Skopos, job: &str, before: u64) -> Value {
    let selector = format!("%7Bjob%3D%22{job}%22%7D");
    let url = |path: &str| skopos.url(&format!("/api/v1/{path}match%5B%5D={selector}"));
    let metadata = data(&skopos.url(&format!("/api/v1/targets/metadata?match_target={selector}")));
    let mut families: BTreeMap<&str, u64> = BTreeMap::new();
    for family in metadata.as_array().into_iter().flatten() {
        *families.entry(family["type"].as_str().unwrap_or_default()).or_default() += 1;
    }
    let helped = metadata.as_array().into_iter().flatten().filter(|family| family["help"] != "").count();
    json!({
        "samples": skopos.query_value(&format!("scrape_samples_scraped{{job=\"{job}\"}}")),
        "distinct_series": count(&url("series?start=0&")) - OWN_SERIES,
        "sample_names": count(&url("label/__name__/values?start=0&")) - OWN_SERIES,
        "families": families,
        "help": helped,
        "samples_with_timestamp": count(&url(&format!("series?start=0&end={before}&"))),
    })
}

/// What the expectations say in the same terms. The API knows a family without a type as one of an unknown type, and a help
/// line without a text as none.
fn expected(wanted: &Value, body: &str) -> Value {
    let mut families: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, count) in wanted["families_by_type"].as_object().into_iter().flatten() {
        let kind = if kind == "untyped" { "unknown" } else { kind };
        families.insert(kind.to_owned(), count.as_u64().unwrap_or_default());
    }
    let names = |keyword: &str| -> Vec<&str> {
        let lines = body.lines().filter_map(|line| line.strip_prefix(keyword));
        lines.filter_map(|rest| rest.split(' ').next()).collect()
    };
    let (types, helps) = (names("# TYPE "), names("# HELP "));
    let without_type = helps.iter().filter(|name| !types.contains(name)).count() as u64;
    if without_type > 0 {
        *families.entry("unknown".to_owned()).or_default() += without_type;
    }
    let empty = body
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .filter(|rest| rest.split_once(' ').is_none_or(|(_, text)| text.is_empty()));
    json!({
        "samples": wanted["samples"].as_f64(),
        "distinct_series": wanted["distinct_series"],
        "sample_names": wanted["sample_names"],
        "families": families,
        "help": wanted["help_lines"].as_u64().unwrap_or_default() - empty.count() as u64,
        "samples_with_timestamp": wanted["samples_with_timestamp"],
    })
}

#[test]
fn real_scrapes_come_back_with_their_counts() {
    let Some(root) = conformance("exposition") else { return };
    let text = std::fs::read_to_string(root.join("samples_expected.json")).expect("the expectations can be read");
    let wanted: Value = serde_json::from_str(&text).expect("they are JSON");
    let files: Vec<(String, Value)> = wanted["files"].as_object().expect("files").iter().map(|(n, v)| (n.clone(), v.clone())).collect();
    let read = |name: &str| std::fs::read(root.join(name)).expect("the file can be read");
    let server = serve(files.iter().map(|(name, _)| (TEXT, read(name))).collect());
    let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() - 60;
    let setup = Setup::new(BINARY, "real-scrapes").config(&config(&server.address(), "15s", files.len()));
    // Some of the scrapes are years old and carry their times.
    let skopos = setup.argument("--storage.tsdb.retention.time=100y").start();
    let errors = errors(&base(&skopos), files.len());
    let mut failures = Vec::new();
    for (at, (name, wanted)) in files.iter().enumerate() {
        let job = format!("d{at}");
        let found = if errors[&job].is_empty() { counts(&skopos, &job, before) } else { json!(errors[&job]) };
        let wanted = expected(wanted, &String::from_utf8_lossy(&read(name)));
        if found != wanted {
            failures.push(format!("{name}: {found}\n  expected {wanted}"));
        }
    }
    println!("exposition/samples through the API: {} passed, {} failed, 0 skipped", files.len() - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Files below a folder, sorted.
fn below(root: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Documents of both formats, as both programs judge them: whether the scrape succeeds, and what is stored.
#[test]
fn documents_are_judged_as_prometheus_judges_them() {
    let Some(root) = conformance("exposition") else { return };
    let mut documents: Vec<(String, &'static str, Vec<u8>)> = Vec::new();
    for case in below(&root.join("openmetrics")) {
        let body = std::fs::read(case.join("metrics")).expect("a document");
        documents.push((case.file_name().expect("a name").to_string_lossy().into_owned(), OPEN_METRICS, body));
    }
    for (folder, part) in [("format_samples", ""), ("expfmt_fuzz/corpus", "from_")] {
        for file in below(&root.join(folder)).into_iter().filter(|file| file.to_string_lossy().contains(part)) {
            documents.push((file.display().to_string(), TEXT, std::fs::read(&file).expect("a document")));
        }
    }
    documents.push(("expfmt/text".into(), TEXT, std::fs::read(root.join("expfmt/text")).expect("a document")));
    documents.push(("1histogram".into(), OPEN_METRICS, std::fs::read(root.join("textparse/1histogram.om.txt")).expect("a document")));
    for case in below(&root.join("telegraf")) {
        let Ok(body) = std::fs::read(case.join("input.txt")) else { continue };
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        let kind = if name.starts_with("openmetrics") { OPEN_METRICS } else { TEXT };
        documents.push((name, kind, body));
    }
    compare("documents", documents);
}

/// Numbers, times and types that lie (A9, A10, A13), as both programs judge them.
#[test]
fn a9_a10_a13_numbers_times_and_types_as_in_prometheus() {
    let mut documents: Vec<(String, &'static str, Vec<u8>)> = Vec::new();
    let long = format!("0.{}", "1".repeat(400));
    for number in [
        "1e999",
        "-1e999",
        "-0",
        "0x1p-1074",
        "0x10",
        "0X1P+3",
        "NaN",
        "nan",
        "+NaN",
        "-NaN",
        "+Inf",
        "Inf",
        "-inf",
        "+infinity",
        "infinit",
        "1_000",
        "0x_1p0",
        &long,
        "1.",
        ".5",
        ".",
        "+.5",
        "-.5e-3",
        "1e5",
        "1E+5",
        "1e",
        "1e+",
        "08",
        "0b1",
        "0o7",
        "4.9e-324",
        "1e-400",
        "9007199254740993",
        "1,5",
        "--1",
        "+-1",
        "1f",
        "1d",
        "Ⅷ",
        "1.7976931348623159e308",
        "179769313486231580793e289",
        "\"1\"",
        "''",
    ] {
        documents.push((format!("text {number}"), TEXT, format!("n {number}\n").into_bytes()));
        documents.push((format!("openmetrics {number}"), OPEN_METRICS, format!("n {number}\n# EOF\n").into_bytes()));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    for time in ["x", "1.5", "1e3", "0x10", "1_0", "9223372036854775807", "9223372036854775808", "99999999999999999999", "+5", "1 1", "NaN"]
    {
        documents.push((format!("text time {time}"), TEXT, format!("n 1 {time}\nok 1\n").into_bytes()));
    }
    // 100 years ahead, the largest there is, seconds where milliseconds are meant: not stored, and no failure.
    for time in [format!("{}", (now + 3_155_760_000) * 1000), format!("{now}")] {
        documents.push((format!("text time {time}"), TEXT, format!("n 1 {time}\nok 1\n").into_bytes()));
    }
    for time in ["x", "0x1p3", "1_0", "Inf", "NaN", "-5", "1e18", "0.0000001"] {
        documents.push((format!("openmetrics time {time}"), OPEN_METRICS, format!("n 1 {time}\nok 1\n# EOF\n").into_bytes()));
    }
    for (name, body) in [
        ("counter below zero", "# TYPE c counter\nc -5\n"),
        ("no +Inf", "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_sum 1\nh_count 1\n"),
        ("unsorted le", "# TYPE h histogram\nh_bucket{le=\"2.5\"} 3\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 4\n"),
        ("le twice", "# TYPE h histogram\nh_bucket{le=\"0.5\"} 3\nh_bucket{le=\"0.5\"} 4\nh_bucket{le=\"+Inf\"} 4\n"),
        ("le is no number", "# TYPE h histogram\nh_bucket{le=\"x\"} 3\nh_bucket 4\n"),
        ("summary without quantiles", "# TYPE s summary\ns 1\ns_sum 1\ns_count 1\n"),
        ("a type twice", "# TYPE s summary\n# TYPE s gauge\ns 1\n"),
        ("a type behind", "s 1\n# TYPE s gauge\n"),
        ("the same line twice", "s 1\ns 2\n"),
    ] {
        documents.push((name.to_owned(), TEXT, body.into()));
        documents.push((format!("{name} in OpenMetrics"), OPEN_METRICS, format!("{body}# EOF\n").into_bytes()));
    }
    compare("numbers, times, types", documents);
}

/// Where the newest Prometheus, whose behaviour counts, differs from Debian's: it reads names in quotes and a comma after the
/// last label, and takes exemplars of any sample. And where we do: a time before 1970 is read in both formats, as
/// Prometheus' libraries do.
fn differs_on_purpose(body: &[u8], their_error: &str) -> bool {
    let text = String::from_utf8_lossy(body);
    let early = text.contains(" -2\n") && their_error.contains("expected timestamp or new record");
    text.contains("{\"") || early || ["does not support exemplars", "got \"BCLOSE\""].iter().any(|part| their_error.contains(part))
}

/// Labels as the newest Prometheus stores them: bounds in one spelling.
fn one_spelling(metric: &Value) -> Value {
    let mut metric = metric.clone();
    for label in ["le", "quantile"] {
        if let Some(bound) = metric[label].as_str().and_then(|text| text.parse::<f64>().ok()) {
            metric[label] = json!(bound.to_string());
        }
    }
    metric
}

#[expect(clippy::print_stdout, reason = "counts belong into the output")]
fn compare(what: &str, documents: Vec<(String, &'static str, Vec<u8>)>) {
    let server = serve(documents.iter().map(|(_, kind, body)| (*kind, body.clone())).collect());
    let config = config(&server.address(), "2s", documents.len());
    let Some(prometheus) = Prometheus::start(&config) else { return };
    let skopos = Setup::new(BINARY, "formats").config(&config).start();
    let (ours, theirs) = (errors(&base(&skopos), documents.len()), errors(&prometheus.url(""), documents.len()));
    let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
    for (at, (name, _, body)) in documents.iter().enumerate() {
        let job = format!("d{at}");
        let stored = |base: &str| {
            let query = format!("{base}/api/v1/query?query=%7Bjob%3D%22{job}%22%2C__name__%21~%22scrape_.%2A%22%7D");
            let mut found: Vec<String> = data(&query)["result"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|s| format!("{} {}", one_spelling(&s["metric"]), s["value"][1]))
                .collect();
            found.sort();
            found
        };
        let (mine, other) = ((ours[&job].is_empty(), stored(&base(&skopos))), (theirs[&job].is_empty(), stored(&prometheus.url(""))));
        if differs_on_purpose(body, &theirs[&job]) {
            skipped += 1;
        } else if mine == other {
            passed += 1;
        } else {
            let short = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            failures.push(format!("{name}: {short:?}\n  ours {mine:?} {:?}\n  theirs {other:?} {:?}", ours[&job], theirs[&job]));
        }
        // Text that a user reads: a place and a reason.
        let error = &ours[&job];
        assert!(error.is_empty() || error.starts_with("line "), "{name}: {error}");
    }
    println!("{what} beside Prometheus 2.42: {passed} passed, {} failed, {skipped} skipped (meant to differ)", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A target whose exemplars change when the test says so.
fn exemplar_body(round: usize) -> String {
    format!(
        "# HELP req Requests of all kinds.\n# TYPE req counter\nreq_total{{code=\"200\"}} {round} # {{trace_id=\"t{}\"}} 0.5\nreq_total{{code=\"500\"}} 1\n\
         # TYPE lat_seconds histogram\n# UNIT lat_seconds seconds\nlat_seconds_bucket{{le=\"1.0\"}} 1 # {{trace_id=\"h\"}} 0.25 1700000000.5\n\
         lat_seconds_bucket{{le=\"+Inf\"}} 1 # {{long=\"{}\"}} 1\nlat_seconds_count 1\nlat_seconds_sum 0.25\nlat_seconds_created 1600000000\n# EOF\n",
        round / 100,
        "x".repeat(125)
    )
}

#[test]
fn exemplars_are_kept_once_found_again_and_survive_a_kill() {
    let round = Arc::new(AtomicUsize::new(100));
    let answered = Arc::clone(&round);
    let server = Server::start(move |_| Answer::ok(OPEN_METRICS, exemplar_body(answered.fetch_add(1, Ordering::SeqCst))));
    let config = config(&server.address(), "500ms", 1);
    let mut skopos = Setup::new(BINARY, "exemplars").config(&config).start();
    let ask = |skopos: &Skopos, query: &str| data(&skopos.url(&format!("/api/v1/query_exemplars?query={query}")));
    skopos.wait_query("count_over_time(req_total{code=\"200\"}[1m]) >= 4", LIMIT, |r| r.len() == 1);
    let found = ask(&skopos, "rate(req_total%5B5m%5D)+%2B+req_total");
    let one = |found: &Value, trace: &str| {
        assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
        assert_eq!(found[0]["seriesLabels"]["code"], "200", "{found}");
        let exemplars = found[0]["exemplars"].as_array().expect("a list").clone();
        let last = exemplars.last().expect("one").clone();
        assert_eq!((&last["labels"], &last["value"]), (&json!({"trace_id": trace}), &json!("0.5")), "{found}");
        assert!(last["timestamp"].as_f64().is_some_and(|time| time > 1.7e9), "{found}");
        exemplars.len()
    };
    assert_eq!(one(&found, "t1"), 1, "scraped many times, kept once: {found}");
    let bucket = ask(&skopos, "lat_seconds_bucket");
    assert_eq!(
        bucket[0]["exemplars"],
        json!([{"labels": {"trace_id": "h"}, "value": "0.25", "timestamp": 1_700_000_000.5}]),
        "with its own time; one with too long labels is not kept: {bucket}"
    );
    assert_eq!(bucket.as_array().map(Vec::len), Some(1), "{bucket}");
    assert_eq!(ask(&skopos, "lat_seconds_bucket&start=1700000001"), json!([]));
    assert_eq!(ask(&skopos, "1%2B1"), json!([]));

    round.store(200, Ordering::SeqCst);
    wait_for("the new exemplar", LIMIT, || (ask(&skopos, "req_total")[0]["exemplars"].as_array()?.len() == 2).then_some(()));
    skopos.kill_and_restart();
    skopos.wait_query("count_over_time(req_total{code=\"200\"}[5s]) >= 4", LIMIT, |r| r.len() == 1);
    let found = ask(&skopos, "req_total");
    assert_eq!(one(&found, "t2"), 2, "after a kill the same two: {found}");
    assert_eq!(ask(&skopos, "lat_seconds_bucket"), bucket);

    // Beside Prometheus, where only the times of scrapes differ.
    round.store(300, Ordering::SeqCst);
    let Some(prometheus) = Prometheus::start(&config) else { return };
    let metadata = |base: &str| {
        let mut list = data(&format!("{base}/api/v1/targets/metadata")).as_array().cloned().unwrap_or_default();
        list.sort_by_key(|entry| entry["metric"].to_string());
        list
    };
    let theirs = wait_for("Prometheus' metadata", LIMIT, || Some(metadata(&prometheus.url(""))).filter(|list| list.len() == 2));
    assert_eq!(metadata(&base(&skopos)), theirs);
    assert_eq!(theirs[0]["unit"], "seconds");
    for path in [
        "metadata",
        "metadata?limit=1&metric=req",
        "metadata?metric=none",
        "metadata?limit=x",
        "targets/metadata?metric=req",
        "targets/metadata?match_target=%7Bjob%3D%22d0%22%7D&metric=req",
        "targets/metadata?match_target=%7Bjob%3D%22no%22%7D",
        "targets/metadata?limit=x",
        "targets/metadata?match_target=%7B",
        "query_exemplars?query=nothing",
        "query_exemplars",
        "query_exemplars?query=up&start=2&end=1",
        "query_exemplars?query=up&start=x",
    ] {
        let (mine, other) = (get(&skopos.url(&format!("/api/v1/{path}"))), get(&prometheus.url(&format!("/api/v1/{path}"))));
        assert_eq!((mine.status, &mine.json()["data"]), (other.status, &other.json()["data"]), "{path}\n{mine:?}\n{other:?}");
    }
    let shape = |found: &Value| found[0]["exemplars"][0].as_object().map(|e| e.keys().cloned().collect::<Vec<_>>());
    let found = wait_for("Prometheus' exemplar", LIMIT, || {
        Some(data(&prometheus.url("/api/v1/query_exemplars?query=req_total&start=0&end=9999999999"))).filter(|f| f[0].is_object())
    });
    assert_eq!(shape(&found), shape(&ask(&skopos, "req_total")));
    assert_eq!(found[0]["seriesLabels"], ask(&skopos, "req_total")[0]["seriesLabels"]);
}

#[test]
fn targets_are_asked_as_the_configuration_says() {
    let server = Server::start(|_| Answer::metrics("n 1\n"));
    let target = format!("static_configs: [{{targets: ['{}']}}]", server.address());
    let skopos = Setup::new(BINARY, "accept")
        .config(&format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - {{job_name: default, metrics_path: /default, {target}}}\n  \
             - {{job_name: order, metrics_path: /order, scrape_protocols: [PrometheusText0.0.4, PrometheusProto, OpenMetricsText1.0.0], metric_name_escaping_scheme: dots, {target}}}\n  \
             - {{job_name: native, metrics_path: /native, scrape_native_histograms: true, {target}}}\n  \
             - {{job_name: legacy, metrics_path: /legacy, metric_name_validation_scheme: legacy, {target}}}\n"
        ))
        .start();
    skopos.wait_query("up == 1", LIMIT, |r| r.len() == 4);
    let accept = |path: &str| {
        let asked = server.asked().into_iter().find(|asked| asked.path == path).expect("it was asked");
        asked.headers.into_iter().find(|(name, _)| name == "accept").expect("it has the header").1
    };
    let long = |escaping: &str| {
        format!(
            "application/openmetrics-text;version=1.0.0;escaping={escaping};q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping={escaping};q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        )
    };
    assert_eq!(accept("/default"), long("allow-utf-8"));
    assert_eq!(accept("/legacy"), long("underscores"));
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    assert_eq!(
        accept("/order"),
        format!("text/plain;version=0.0.4;q=0.6,{protobuf};q=0.5,application/openmetrics-text;version=1.0.0;escaping=dots;q=0.4,*/*;q=0.3")
    );
    let native = accept("/native");
    assert!(native.starts_with(&format!("{protobuf};q=0.6,application/openmetrics-text;version=1.0.0;")), "{native}");
    assert!(native.ends_with(",*/*;q=0.1"), "{native}");
}
