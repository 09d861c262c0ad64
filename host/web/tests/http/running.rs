//! Queries that run: listed, stopped, counted, written down; answers that go out slowly. Real connections, so that a client that
//! hangs up does. Times that are asserted are ten times what is wished, as guards against hanging.

#![allow(clippy::print_stdout, reason = "what was measured is for whoever runs the tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use promql::Memory;
use rules::{QueryList, Rule};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use web::{Queries, QueryLog, State};

use crate::support::{Seen, Server, ask_of, state};

/// Works for minutes in little memory.
const ENDLESS: &str = "max_over_time(quantile_over_time(0.5,up[10m:100ms])[10m:10ms])";
/// A guard against hanging: forty megabytes are written without optimisation, on a machine that may be busy.
const LONG: Duration = Duration::from_secs(150);

impl Server {
    /// Asks and does not read.
    async fn open(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        stream
    }
}

fn query(text: &str) -> String {
    format!("/api/v1/query?time=600&query={}", text.replace('+', "%2B").replace('"', "%22").replace(' ', "%20"))
}

/// Waits until so many queries are listed, and says how long that took.
async fn until(queries: &Arc<Queries>, state: &State, count: usize) -> Duration {
    let begun = Instant::now();
    loop {
        let listed = running(state).await.len();
        if listed == count && (count > 0 || queries.stats().queries == 0) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < LONG, "{listed} queries are listed, not {count}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn running(state: &State) -> Vec<Value> {
    let answer = ask_of(state.clone(), "GET /api/v1/queries/running", &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["data"]["queries"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_listed_and_stopped_by_request() {
    let state = state(&Seen::default());
    let server = Server::of(state.clone()).await;
    let mut asked = server.open(&query(ENDLESS)).await;
    until(&state.queries, &state, 1).await;
    let listed = running(&state).await;
    let one = &listed[0];
    assert_eq!((&one["query"], &one["client"], &one["path"]), (&json!(ENDLESS), &json!("127.0.0.1"), &json!("/api/v1/query")));
    assert!(one["seconds"].as_f64().is_some_and(|seconds| seconds < 30.0) && one["start"] == json!(600.0), "{one}");
    let cancel = format!("POST /api/v1/queries/{}/cancel", one["id"]);
    // From another site, or without the token that this server's pages have, nothing is stopped.
    for headers in [&[("origin", "http://evil.example")][..], &[("origin", "http://localhost:9090"), ("sec-fetch-site", "same-origin")]] {
        assert_eq!(ask_of(state.clone(), &cancel, headers, "").await.status, 403);
    }
    assert_eq!(ask_of(state.clone(), &cancel.replace("POST", "GET"), &[], "").await.status, 405);
    let begun = Instant::now();
    assert_eq!(ask_of(state.clone(), &cancel, &[], "").await.status, 200);
    let mut answer = String::new();
    tokio::time::timeout(LONG, asked.read_to_string(&mut answer)).await.expect("in time").expect("text");
    println!("stopped by request: answered after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("query was canceled in expression evaluation"), "{answer}");
    assert_eq!(ask_of(state.clone(), &cancel, &[], "").await.status, 404);
    assert_eq!(ask_of(state.clone(), "DELETE /api/v1/queries/x", &[], "").await.status, 404);
    until(&state.queries, &state, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_stops_when_the_client_hangs_up_or_time_is_over() {
    let state = state(&Seen::default());
    let server = Server::of(state.clone()).await;
    let asked = server.open(&query(ENDLESS)).await;
    until(&state.queries, &state, 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(asked);
    let took = until(&state.queries, &state, 0).await;
    println!("stopped by a client that hung up: after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let begun = Instant::now();
    let mut asked = server.open(&format!("{}&timeout=200ms", query(ENDLESS))).await;
    let mut answer = String::new();
    tokio::time::timeout(LONG, asked.read_to_string(&mut answer)).await.expect("in time").expect("text");
    println!("with 200 ms: answered after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_millis(1200));
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("query timed out in expression evaluation"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_wait_for_their_turn_and_can_be_stopped_there() {
    let mut state = state(&Seen::default());
    state.limits.queries = 1;
    let server = Server::of(state.clone()).await;
    let first = server.open(&query(ENDLESS)).await;
    until(&state.queries, &state, 1).await;
    let mut late = server.open(&format!("{}&timeout=100ms", query("up"))).await;
    let mut answer = String::new();
    tokio::time::timeout(LONG, late.read_to_string(&mut answer)).await.expect("in time").expect("text");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("query timed out in query queue"), "{answer}");
    let mut waiting = server.open(&query("up + 1")).await;
    until(&state.queries, &state, 2).await;
    let listed = running(&state).await;
    assert_eq!((&listed[0]["phase"], &listed[1]["phase"]), (&json!("running"), &json!("queued")), "{listed:?}");
    assert_eq!(ask_of(state.clone(), &format!("DELETE /api/v1/queries/{}", listed[1]["id"]), &[], "").await.status, 200);
    answer.clear();
    tokio::time::timeout(LONG, waiting.read_to_string(&mut answer)).await.expect("in time").expect("text");
    assert!(answer.contains("canceled"), "{answer}");
    assert_eq!(running(&state).await.len(), 1);
    drop(first);
    until(&state.queries, &state, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_cancel_storm_leaves_nothing_running() {
    let mut state = state(&Seen::default());
    // So that opening them is not what takes the time.
    state.limits.queries = 4;
    let server = Server::of(state.clone()).await;
    let begun = Instant::now();
    let mut open = Vec::new();
    for at in 0..1000 {
        // Each is another query, so that no two could share their work.
        open.push(server.open(&query(&format!("{ENDLESS} + {at}"))).await);
        if at % 10 == 9 {
            // A few live for some milliseconds.
            open.drain(..5);
        }
    }
    println!("1000 queries opened in {:?}", begun.elapsed());
    let listed = running(&state).await.len();
    drop(open);
    let took = until(&state.queries, &state, 0).await;
    println!("{listed} were listed at the end; the last stopped {took:?} after the last client hung up");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let mut after = server.open(&query("up")).await;
    let mut answer = String::new();
    tokio::time::timeout(LONG, after.read_to_string(&mut answer)).await.expect("in time").expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A storage whose answer is many megabytes.
fn large() -> Memory {
    let memory = Memory::new();
    for at in 0..200 {
        memory.load_text(&format!("wide{{at=\"{at}\",text=\"{}\"}}", "x".repeat(100)), "0.123+1.017x10", 60_000).expect("good");
    }
    memory
}

const WIDE: &str = "/api/v1/query_range?query=wide&start=0&end=600&step=0.06";

#[tokio::test(flavor = "multi_thread")]
async fn c8_slow_client_does_not_keep_a_querys_memory() {
    let mut state = state(&Seen::default());
    state.select = Arc::new(large());
    // One that reads gets all of it. It may be kept from that by a busy machine for longer than the slow one below is waited for.
    let server = Server::of(state.clone()).await;
    let begun = Instant::now();
    let mut quick = server.open(WIDE).await;
    let mut answer = Vec::new();
    tokio::time::timeout(LONG, quick.read_to_end(&mut answer)).await.expect("in time").expect("bytes");
    println!("{} bytes in {:?} to a client that reads", answer.len(), begun.elapsed());
    assert!(answer.len() > 40 << 20 && answer.ends_with(b"0\r\n\r\n"), "{}", answer.len());
    until(&state.queries, &state, 0).await;
    // So long that it is seen to be sending before it is dropped.
    state.limits.answer_stall = Duration::from_secs(3);
    let server = Server::of(state.clone()).await;
    // One that does not, but for a byte now and then.
    let mut slow = server.open(WIDE).await;
    until(&state.queries, &state, 1).await;
    while running(&state).await.first().is_some_and(|one| one["phase"] != "sending") {
        slow.read_u8().await.ok();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    let (mut most, mut last) = (0, 0);
    while let Some(one) = running(&state).await.first() {
        last = one["bytes"].as_u64().expect("a number");
        most = most.max(last);
        assert!(begun.elapsed() < LONG, "it is never dropped");
        let _ = tokio::time::timeout(Duration::from_millis(20), slow.read_u8()).await;
    }
    println!("the answer held {most} bytes at most, {last} when it was dropped after {:?}", begun.elapsed());
    assert!(begun.elapsed() >= Duration::from_secs(2) && most > 10 << 20);
    // What is in the system's buffers comes, and then the connection ends within the answer.
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LONG, slow.read_to_end(&mut rest)).await.expect("the connection is closed");
    println!("{} bytes were under way; {ended:?}", rest.len());
    assert!(rest.len() < 30 << 20 && !rest.ends_with(b"0\r\n\r\n"), "{}", rest.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_on_its_way_can_be_dropped() {
    let mut state = state(&Seen::default());
    state.select = Arc::new(large());
    let server = Server::of(state.clone()).await;
    let mut slow = server.open(WIDE).await;
    slow.read_u8().await.expect("it begins");
    let listed = running(&state).await;
    assert_eq!(listed[0]["phase"], json!("sending"));
    assert_eq!(ask_of(state.clone(), &format!("DELETE /api/v1/queries/{}", listed[0]["id"]), &[], "").await.status, 200);
    let took = until(&state.queries, &state, 0).await;
    println!("an answer on its way was dropped after {took:?}");
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LONG, slow.read_to_end(&mut rest)).await.expect("the connection is closed");
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_the_same_in_pieces_and_packed() {
    let mut state = state(&Seen::default());
    state.select = Arc::new(large());
    let path = WIDE.replace("query=wide", "query=wide{at=~%221.%22}");
    let server = Server::of(state.clone()).await;
    let mut plain = server.open(&path).await;
    let mut answer = Vec::new();
    tokio::time::timeout(LONG, plain.read_to_end(&mut answer)).await.expect("in time").expect("bytes");
    let text = unchunked(&answer);
    let value: Value = serde_json::from_slice(&text).expect("JSON");
    let series = value["data"]["result"].as_array().expect("a list");
    assert_eq!((series.len(), series[0]["values"].as_array().map(Vec::len)), (10, Some(10_001)));
    assert_eq!(series[9]["values"][10_000], json!([600, "10.292999999999997"]));
    for coding in ["gzip", "zstd"] {
        let packed = ask_of(state.clone(), &format!("GET {path}"), &[("accept-encoding", coding)], "").await;
        assert_eq!((packed.status, packed.header("content-encoding")), (200, coding));
    }
}

/// The body of an answer in chunks.
fn unchunked(answer: &[u8]) -> Vec<u8> {
    let begin = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end") + 4;
    let (mut rest, mut out) = (&answer[begin..], Vec::new());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a length");
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).expect("text"), 16).expect("hex");
        if length == 0 {
            return out;
        }
        out.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
}

#[tokio::test]
async fn queries_are_counted_and_written_down() {
    let mut state = state(&Seen::default());
    let path = std::env::temp_dir().join(format!("skopos-query-log-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    state.queries.set_log(Some(QueryLog::open(path.clone()).expect("a file")));
    assert_eq!(ask_of(state.clone(), "GET /api/v1/query?query=sum(up)&time=600", &[], "").await.status, 200);
    let range = "GET /api/v1/query_range?query=rate(up[1m])&start=300&end=600&step=15&stats=all";
    let stats = ask_of(state.clone(), range, &[], "").await.json()["data"]["stats"].clone();
    assert_eq!(ask_of(state.clone(), "GET /api/v1/query?query=up%20*%20on(job)%20up&time=600", &[], "").await.status, 422);
    // Three series, 21 steps, four samples in each window.
    assert_eq!(stats["samples"]["totalQueryableSamples"], json!(3 * 21 * 4), "{stats}");
    assert!(stats["samples"].get("totalQueryableSamplesPerStep").is_none(), "it has a flag of its own");
    let mut detailed = state.clone();
    detailed.limits.per_step_stats = true;
    detailed.queries = Queries::new(Arc::new(model::ManualClock::at(0)), 1, None);
    let samples = ask_of(detailed, range, &[], "").await.json()["data"]["stats"]["samples"].clone();
    let (steps, read) = (&samples["totalQueryableSamplesPerStep"], &samples["samplesReadPerStep"]);
    assert_eq!((steps.as_array().map(Vec::len), &steps[0], &steps[20]), (Some(21), &json!([300.0, 12]), &json!([600.0, 12])));
    // One sample each quarter of a minute, which is the step.
    assert_eq!((read.as_array().map(Vec::len), &read[0], &read[20]), (Some(21), &json!([300.0, 12]), &json!([600.0, 3])));
    assert_eq!((&samples["samplesRead"], &stats["samples"]["samplesRead"]), (&json!(12 + 20 * 3), &json!(12 + 20 * 3)));
    assert!(stats["samples"]["peakBytes"].as_u64().is_some_and(|bytes| bytes > 1000), "{stats}");
    assert!(stats["timings"]["execTotalTime"].as_f64().is_some_and(|time| time > 0.0), "{stats}");
    let lines: Vec<Value> =
        std::fs::read_to_string(&path).expect("it is there").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(
        lines[1]["params"],
        json!({"query": "rate(up[1m])", "start": "1970-01-01T00:05:00.000Z", "end": "1970-01-01T00:10:00.000Z", "step": 15})
    );
    assert_eq!(lines[1]["httpRequest"], json!({"clientIP": "127.0.0.1", "method": "GET", "path": "/api/v1/query_range"}));
    assert_eq!((&lines[0]["msg"], &lines[0]["level"]), (&json!("promql query logged"), &json!("INFO")));
    assert!(lines[0].get("error").is_none() && lines[2]["error"].as_str().is_some_and(|error| error.contains("many-to-many")), "{lines:?}");
    let counted = state.queries.stats();
    assert_eq!((counted.queries, counted.concurrent_max, counted.log_enabled, counted.log_failures), (0, 20, true, 0));
    assert!(counted.samples >= 3 + 3 * 21 * 4 && counted.durations[0].0 == "inner_eval" && counted.durations[0].1.count == 3);
    // Moved away and opened anew.
    let moved = path.with_extension("1");
    std::fs::rename(&path, &moved).expect("moved");
    state.queries.set_log(Some(QueryLog::open(path.clone()).expect("a file")));
    state.limits.samples_max = 2;
    let refused = ask_of(state.clone(), "GET /api/v1/query?query=sum(up)&time=600", &[], "").await;
    let text = "query processing would load too many samples into memory in query execution";
    assert_eq!((refused.status, &refused.json()["errorType"], &refused.json()["error"]), (422, &json!("execution"), &json!(text)));
    assert_eq!(std::fs::read_to_string(&path).expect("a new file").lines().count(), 1);
    state.queries.set_log(None);
    assert_eq!(ask_of(state.clone(), "GET /api/v1/query?query=1&time=600", &[], "").await.status, 200);
    assert_eq!(std::fs::read_to_string(&path).expect("still there").lines().count(), 1);
    std::fs::remove_file(&path).expect("removed");
    std::fs::remove_file(&moved).expect("removed");
}

/// Queries of panels and of rules are listed, stopped and written down as others are, with where they come from.
#[tokio::test]
async fn panels_and_rules_are_listed_and_written_down() {
    let state = state(&Seen::default());
    let path = std::env::temp_dir().join(format!("skopos-query-origins-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    state.queries.set_log(Some(QueryLog::open(path.clone()).expect("a file")));
    let (panel, json_type) = ("/api/v1/dashboards/home/panels/1/view", [("content-type", "application/json")]);
    let body = r#"{"from":0,"to":600000,"width":500,"height":200}"#;
    assert_eq!(ask_of(state.clone(), &format!("POST {panel}"), &json_type, body).await.status, 200);
    let list = web::RuleQueries(Arc::clone(&state.queries));
    let mut asked = list.begins(Rule { file: "a.yml", group: "g", query: "up == 0", at: 600_000 });
    let listed = running(&state).await;
    assert_eq!((listed.len(), &listed[0]["query"], &listed[0]["path"]), (1, &json!("up == 0"), &json!("a.yml;g")), "{listed:?}");
    assert_eq!(ask_of(state.clone(), &format!("POST /api/v1/queries/{}/cancel", listed[0]["id"]), &[], "").await.status, 200);
    assert!(asked.cancel().load(std::sync::atomic::Ordering::SeqCst));
    asked.ended(Duration::from_millis(5), Some("it was canceled"));
    drop(asked);
    assert!(running(&state).await.is_empty());
    let other = list.begins(Rule { file: "a.yml", group: "g", query: "up", at: 0 });
    list.stop_all();
    assert!(other.cancel().load(std::sync::atomic::Ordering::SeqCst));
    let lines: Vec<Value> =
        std::fs::read_to_string(&path).expect("it is there").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((&lines[0]["httpRequest"]["path"], &lines[0]["httpRequest"]["method"]), (&json!(panel), &json!("POST")));
    assert!(lines[0]["params"]["query"].as_str().is_some_and(|text| text.contains("up")), "{}", lines[0]);
    assert_eq!(lines[1]["ruleGroup"], json!({"file": "a.yml", "name": "g"}));
    assert_eq!((&lines[1]["error"], lines[1].get("httpRequest")), (&json!("it was canceled"), None));
    std::fs::remove_file(&path).expect("removed");
}

/// What all queries hold together is bounded: one that finds no room ends with an error, and is answered when there is some.
#[tokio::test]
async fn c1_queries_share_memory() {
    let state = state(&Seen::default());
    let pool = promql::Pool::new(1 << 20);
    state.queries.share(Arc::clone(&pool));
    let range = "GET /api/v1/query_range?query=up&start=0&end=600&step=0.1";
    let held = state.queries.meter().hold(900_000);
    let refused = ask_of(state.clone(), range, &[], "").await;
    let text = "all queries together would use more than 1 MiB of memory";
    assert_eq!((refused.status, &refused.json()["errorType"]), (422, &json!("execution")), "{}", refused.body);
    assert!(refused.body.contains(text), "{}", refused.body);
    assert_eq!(ask_of(state.clone(), "GET /api/v1/query?query=1&time=600", &[], "").await.status, 200, "what is small has room");
    assert_eq!(pool.bytes(), 900_000, "what was refused is given back");
    drop(held);
    assert_eq!(ask_of(state.clone(), range, &[], "").await.status, 200);
    assert_eq!(pool.bytes(), 0);
}

#[tokio::test]
async fn c1_match_all_stops_at_each_limit_with_a_text_of_its_own() {
    let all = "GET /api/v1/query_range?query={__name__=~\".%2B\"}&start=0&end=600&step=1"
        .replace('{', "%7B")
        .replace('}', "%7D")
        .replace('"', "%22");
    for (samples, bytes, text) in [(100, 1 << 30, "too many samples into memory"), (50_000_000, 10_000, "more than 10000 bytes of memory")]
    {
        let mut state = state(&Seen::default());
        (state.limits.samples_max, state.limits.query_bytes) = (samples, bytes);
        let refused = ask_of(state, &all, &[], "").await;
        assert_eq!((refused.status, &refused.json()["errorType"]), (422, &json!("execution")), "{}", refused.body);
        assert!(refused.body.contains(text), "{}", refused.body);
    }
}

#[tokio::test]
async fn c5_range_step_is_refused_in_upstreams_words() {
    let range = |rest: &str| format!("GET /api/v1/query_range?query=up&{rest}");
    let zero = r#"invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer"#;
    let many = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)";
    let before = r#"invalid parameter "end": end timestamp must not be before start time"#;
    for (rest, text) in [
        ("start=0&end=60&step=0", zero),
        ("start=0&end=60&step=-15", zero),
        ("start=0&end=315360000&step=0.001", many),
        ("start=60&end=0&step=15", before),
    ] {
        let refused = ask_of(state(&Seen::default()), &range(rest), &[], "").await;
        assert_eq!(
            (refused.status, &refused.json()["errorType"], &refused.json()["error"]),
            (400, &json!("bad_data"), &json!(text)),
            "{rest}"
        );
    }
}

#[tokio::test]
async fn c6_time_extremes_are_refused_or_empty() {
    for time in ["9223372036854775807", "-9223372036854775808", "9.4e12", "1e300", "-1e300", "300000-01-01T00:00:00Z", "NaN", "Inf"] {
        let answer = ask_of(state(&Seen::default()), &format!("GET /api/v1/query?query=up&time={time}"), &[], "").await;
        let empty = answer.status == 200 && answer.json()["data"]["result"] == json!([]);
        assert!(empty || answer.status == 400, "{time}: {} {}", answer.status, answer.body);
        let range = format!("GET /api/v1/query_range?query=up&start={time}&end={time}&step=15");
        let answer = ask_of(state(&Seen::default()), &range, &[], "").await;
        let empty = answer.status == 200 && answer.json()["data"]["result"] == json!([]);
        assert!(empty || answer.status == 400, "{time}: {} {}", answer.status, answer.body);
    }
    let answer = ask_of(state(&Seen::default()), "GET /api/v1/query?query=up%20%40%201e300", &[], "").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}
