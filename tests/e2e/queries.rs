//! Queries seen from outside, on the binary: written down, warned of when slow, named after a crash, counted, stopped.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use test_support::{Setup, Skopos, post_text, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LONG: Duration = Duration::from_secs(60);
/// Works for minutes in little memory, and needs no data.
const ENDLESS: &str = "max_over_time(quantile_over_time(0.5,vector(time())[10m:100ms])[10m:10ms])";

/// Asks and does not wait for the answer; hangs up when it is dropped.
fn open(skopos: &Skopos, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(skopos.address()).expect("it listens");
    let request = format!("GET /api/v1/query?query={query} HTTP/1.1\r\nHost: {}\r\n\r\n", skopos.address());
    stream.write_all(request.as_bytes()).expect("it reads");
    stream
}

fn running(skopos: &Skopos) -> Vec<Value> {
    skopos.get("/api/v1/queries/running").json()["data"]["queries"].as_array().cloned().unwrap_or_default()
}

#[test]
fn queries_are_seen_while_they_run_and_afterwards() {
    let setup = Setup::new(BINARY, "queries").config("global: {query_log_file: queries.log}\n");
    let mut skopos =
        setup.argument("--query.slow-threshold=300ms").argument("--query.max-memory=16MB").argument("--web.enable-lifecycle").start();
    let file = skopos.folder().path().join("queries.log");

    // All are written down, also what fails.
    assert_eq!(skopos.query_value("vector(1 + 1)"), Some(2.0));
    let large = skopos
        .get("/api/v1/query_range?query=vector(1)%20or%20label_replace(vector(2),%22a%22,%22b%22,%22%22,%22%22)&start=0&end=10000&step=1");
    assert_eq!(large.status, 200, "{}", large.body);
    let refused = skopos.get("/api/v1/query?query=max_over_time(vector(1)[1h:1ms])");
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("would use more than 16 MiB of memory"), "{}", refused.body);
    let lines = |path: &std::path::Path| -> Vec<Value> {
        fs::read_to_string(path).expect("it is there").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let all = lines(&file);
    assert_eq!(
        (all.len(), &all[0]["params"]["query"], &all[0]["httpRequest"]["clientIP"]),
        (3, &json!("vector(1 + 1)"), &json!("127.0.0.1"))
    );
    assert!(all[2]["error"].as_str().is_some_and(|text| text.contains("of memory")), "{all:?}");
    // Moved away, then a reload opens it anew.
    let moved = file.with_extension("1");
    fs::rename(&file, &moved).expect("moved");
    assert_eq!(post_text(&skopos.url("/-/reload")).status, 200);
    assert_eq!(skopos.query_value("vector(2 + 2)"), Some(4.0));
    assert_eq!((lines(&file).len(), lines(&moved).len()), (1, 3));

    // A slow one is listed, stopped, and warned of with what it cost.
    let asked = open(&skopos, ENDLESS);
    let one = wait_for("the query is listed and works", LONG, || {
        running(&skopos).into_iter().find(|one| one["phase"] == "running" && one["seconds"].as_f64() > Some(0.4))
    });
    assert!(one["bytes"].as_u64() > Some(1000) && one["query"] == ENDLESS, "{one}");
    assert_eq!(post_text(&skopos.url(&format!("/api/v1/queries/{}/cancel", one["id"]))).status, 200);
    wait_for("the query is gone", LONG, || running(&skopos).is_empty().then_some(()));
    drop(asked);
    let warned =
        wait_for("it is told of as slow", LONG, || skopos.log().lines().find(|line| line.contains("a slow query")).map(str::to_owned));
    for part in [ENDLESS, "client=127.0.0.1", "bytes_peak=", "canceled"] {
        assert!(warned.contains(part), "{part} is not in {warned}");
    }
    let metrics = skopos.get("/metrics").body;
    for part in [
        "prometheus_engine_queries 0\n",
        "prometheus_engine_queries_concurrent_max 20\n",
        "prometheus_engine_query_log_enabled 1\n",
        "prometheus_engine_query_log_failures_total 0\n",
        "prometheus_engine_query_duration_seconds_count{slice=\"inner_eval\"} 5\n",
        "prometheus_engine_query_duration_seconds{slice=\"queue_time\",quantile=\"0.9\"} ",
        "prometheus_engine_query_samples_total ",
    ] {
        assert!(
            metrics.contains(part),
            "{part} is not in\n{}",
            metrics.lines().filter(|l| l.contains("engine")).collect::<Vec<_>>().join("\n")
        );
    }

    // What runs when the process dies is named at the next start, and only then.
    let asked = open(&skopos, ENDLESS);
    wait_for("the query works", LONG, || running(&skopos).iter().any(|one| one["phase"] == "running").then_some(()));
    skopos.kill_and_restart();
    drop(asked);
    let named = |skopos: &Skopos| skopos.log().matches("were running when the last run ended").count();
    assert_eq!(named(&skopos), 1, "{}", skopos.log_tail());
    assert!(
        skopos.log().lines().any(|line| line.contains("last run ended") && line.contains("quantile_over_time")),
        "{}",
        skopos.log_tail()
    );
    skopos.kill_and_restart();
    assert_eq!(named(&skopos), 1, "{}", skopos.log_tail());
}
