//! A good component through every seam, over real files and real sockets.

mod guests;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use guests::{TempDir, config, guest, host, host_of, text, variant};
use model::seams::{Exposition, HandlerRequest, PluginError, PluginKind, Plugins};
use model::view::{Column, Datum, Field, FieldConfig, Frame, PanelRequest, Theme, Values, View};
use model::{Alert, AlertStatus, FamilySamples, LabelSet, Notification, Reason};
use serde_json::json;

/// A server that answers each request with what `answer` makes of its text, on a thread that ends with the test process.
fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                let n = stream.read(&mut buffer).unwrap_or(0);
                seen.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8_lossy(&seen);
                let length =
                    text.to_ascii_lowercase().split("content-length: ").nth(1).and_then(|t| t.split("\r\n").next()?.parse::<usize>().ok());
                let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
                if n == 0 || body.is_some_and(|got| got >= length.unwrap_or(0)) {
                    break;
                }
            }
            let _ = stream.write_all(answer(&String::from_utf8_lossy(&seen)).as_bytes());
        }
    });
    address
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn what_a_component_is_stands_in_its_status() {
    let dir = TempDir::new();
    let host = host_of(
        &dir,
        vec![("good".to_owned(), Vec::leak(variant(guest("good"), "1.2.3")))],
        "good:\n  grants: {kv: true, http: [public]}\n",
    );
    assert!(
        host.serves("good", PluginKind::Panel) && !host.serves("good", PluginKind::DataSource) && !host.serves("better", PluginKind::Panel)
    );
    assert_eq!(host.status()[0].kinds, ["discovery", "exporter", "http-handler", "channel", "panel"], "before it is compiled");
    assert_eq!(text(&host, json!({"do": "kv"})).await, "1");
    let status = serde_json::to_value(host.status()).expect("it serialises");
    assert_eq!(status[0]["version"], "1.2.3");
    assert_eq!(status[0]["summary"], "Does what the test says.");
    assert_eq!(status[0]["grants"], json!(["http: public", "kv: true"]));
    assert_eq!((&status[0]["origin"], &status[0]["error"], &status[0]["calls"]), (&json!("embedded"), &json!(""), &json!(2)));
    let keys: Vec<_> = status[0].as_object().expect("an object").keys().cloned().collect();
    for key in
        ["name", "kinds", "origin", "error", "version", "summary", "grants", "refused", "calls", "failures", "last_error", "mean_call_us"]
    {
        assert!(keys.contains(&key.to_owned()), "{key}");
    }
}

#[tokio::test]
async fn sections_are_checked_with_their_place() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let error = host.metric_source("good", r#"{"dp":"x"}"#).err().expect("an unknown key");
    assert!(matches!(&error, PluginError::Config(text) if text.contains(r#"/dp: unknown key "dp"; did you mean "do"?"#)), "{error:?}");
    let node = yaml::parse("do: x\narg: 007\ntext: [a]\n").expect("YAML");
    let error = host.section_json("good", PluginKind::Exporter, &node).expect_err("a list for a text");
    assert_eq!((error.position.line, error.message.as_str()), (3, "expected a text, found a list"));
    let node = yaml::parse("do: x\narg: 007\n").expect("YAML");
    assert_eq!(host.section_json("good", PluginKind::Exporter, &node).expect("it fits"), r#"{"arg":"007","do":"x"}"#);
    let schema = host.section_schema("good", PluginKind::Panel).expect("it is a panel").expect("it publishes one");
    assert_eq!(schema, r#"{"type":"object"}"#);
    let missing = host.target_source("consul", "{}").err().expect("there is none");
    assert!(matches!(&missing, PluginError::Missing(text) if text.contains("put consul.wasm into")), "{missing:?}");
}

#[tokio::test]
async fn an_answered_error_is_no_failure_of_the_plugin() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let source = host.metric_source("good", r#"{"do":"unavailable","arg":"nobody home"}"#).expect("it loads");
    for _ in 0..4 {
        let error = source.collect("", false, 5_000).await.expect_err("it answers an error");
        assert_eq!(error, PluginError::Unavailable("plugin good, exporter.collect: nobody home".to_owned()));
    }
    assert_eq!(host.stats().plugins[0].failures, 0);
}

#[tokio::test]
async fn nothing_is_granted_that_nobody_wrote() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let refusals = text(&host, json!({"do": "refusals"})).await;
    for (line, expected) in
        refusals.lines().zip(["tcp: mail.example:587", "read: /etc/passwd", "host-info: true", "dns: a.example", "kv: true"])
    {
        assert!(line.to_ascii_lowercase().contains("denied") && line.contains(expected), "{line}");
    }
    assert_eq!(refusals.lines().count(), 5);
    let status = host.status();
    let refused: HashMap<_, _> = status[0].refused.iter().map(|r| (r.what.as_str(), r.count)).collect();
    assert_eq!(refused["kv: true"], 1);
    assert_eq!(refused.len(), 5);
    let wasi = text(&host, json!({"do": "wasi"})).await;
    assert!(wasi.starts_with("0 0 Err(") && wasi.matches("Err(").count() == 2, "no variable, no argument, no folder, no socket: {wasi}");
}

#[tokio::test]
async fn g6_requests_go_where_the_operator_wrote_and_nowhere_else() {
    let other = serve(|_| ok("other"));
    let redirect_to = format!("http://{other}/elsewhere");
    let address = serve(move |request| {
        if request.starts_with("GET /away") {
            return format!("HTTP/1.1 302 Found\r\nlocation: {redirect_to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
        ok("here")
    });
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let port = address.rsplit(':').next().expect("a port");
    let (url, away) = (format!("http://{address}/a"), format!("http://{address}/away"));
    assert_eq!(text(&host, json!({"do": "fetch", "arg": url, "url": url})).await, format!("200 {url} here"));
    for (arg, granted, expected) in [
        (url.clone(), "http://127.0.0.2/".to_owned(), format!("http: http://{address}/")),
        (format!("http://127.0.0.1:{port}/b"), url.clone(), format!("http: http://{address}/")),
        (away.clone(), format!("http://{address}/"), format!("http: http://{other}/")),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), url.clone(), "http: http://[::ffff:7f00:1]".to_owned()),
        (format!("http://0.0.0.0:{port}/"), url.clone(), "http: http://0.0.0.0".to_owned()),
        ("file:///etc/passwd".to_owned(), url.clone(), "Denied".to_owned()),
    ] {
        let answer = text(&host, json!({"do": "fetch", "arg": arg, "url": granted})).await;
        assert!(answer.contains("Denied") && answer.contains(&expected), "{arg}: {answer}");
    }
    let log = host.status()[0].refused.clone();
    assert!(log.iter().any(|r| r.what.contains("redirect to") && r.line_to_add == format!("http: http://{other}/")), "{log:?}");
}

#[tokio::test]
async fn g6_public_is_not_here_and_not_next_door() {
    let address = serve(|_| ok("inside"));
    let port = address.rsplit(':').next().expect("a port");
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "good:\n  grants: {http: [public]}\n");
    for host_part in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "[fd00:ec2::254]",
        "100.64.0.1",
    ] {
        let answer = text(&host, json!({"do": "fetch", "arg": format!("http://{host_part}:{port}/")})).await;
        assert!(answer.contains("Denied"), "{host_part}: {answer}");
    }
    let refused = host.status()[0].refused.clone();
    let line = |what: &str| refused.iter().find(|r| r.what == what).map(|r| r.line_to_add.clone());
    assert_eq!(line("localhost at 127.0.0.1"), Some(format!("http: http://localhost:{port}/")));
    assert_eq!(line(&format!("http: http://10.0.0.1:{port}/")), Some(format!("http: http://10.0.0.1:{port}/")));
}

#[tokio::test]
async fn a_written_target_is_granted_for_its_call() {
    let address = serve(|_| ok("metrics"));
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let source = host.metric_source("good", r#"{"do":"fetch-target"}"#).expect("it loads");
    let written = source.collect(&address, true, 5_000).await.expect("granted");
    assert!(matches!(written, Exposition::Text(text) if text.ends_with("metrics")));
    let found = source.collect(&address, false, 5_000).await.expect("it answers");
    assert!(matches!(found, Exposition::Text(text) if text.contains("Denied")));
}

#[tokio::test]
async fn g7_secrets_are_tokens_until_the_request_leaves() {
    let address = serve(|request| ok(&request.replace("\r\n", "|")));
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let url = format!("http://{address}/");
    let shown = text(&host, json!({"secret": "hunter2-hunter2", "arg": "x"})).await;
    assert!(!shown.contains("hunter2") && shown.contains("skopos-secret-"), "{shown}");
    let echoed = text(&host, json!({"do": "fetch-secret", "arg": url, "url": url, "secret": "hunter2-hunter2"})).await;
    assert!(echoed.contains("x-key: hunter2-hunter2|") && echoed.contains("body hunter2-hunter2"), "{echoed}");
    let source = host.metric_source("good", r#"{"do":"log-secret","secret":"hunter2-hunter2"}"#).expect("it loads");
    let error = source.collect("", false, 5_000).await.expect_err("it panics with its secret");
    assert!(error.to_string().contains("<secret>") && !error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn the_credentials_of_a_client_are_added_by_the_host() {
    let address = serve(|request| ok(&request.replace("\r\n", "|").to_ascii_lowercase()));
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let url = format!("http://{address}/");
    let credentials = json!({"authorization": {"credentials": "hunter2-hunter2"}});
    let echoed = text(&host, json!({"do": "fetch-client", "arg": url, "url": url, "http": credentials})).await;
    assert!(echoed.contains("authorization: bearer hunter2-hunter2|"), "{echoed}");
    let shown = text(&host, json!({"http": credentials})).await;
    assert!(shown.contains("skopos-secret-") && !shown.contains("hunter2"), "{shown}");
    // What a client does not have is said when the section is read, not at the first request.
    let section = json!({"do": "fetch-client", "arg": url, "url": url, "http": {"nonsense": 1}}).to_string();
    let refused = host.metric_source("good", &section).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("unknown key \"nonsense\""), "{refused}");
}

#[tokio::test]
async fn g7_a_secret_in_a_body_follows_no_redirect_to_another_origin() {
    let thief_saw = Arc::new(AtomicBool::new(false));
    let saw = Arc::clone(&thief_saw);
    let thief = serve(move |request| {
        saw.store(request.contains("hunter2"), Ordering::SeqCst);
        ok("thanks")
    });
    let to = format!("http://{thief}/");
    let address =
        serve(move |_| format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
    let dir = TempDir::new();
    let host = host(&dir, &["good"], &format!("good:\n  grants: {{http: [\"http://{thief}/\"]}}\n"));
    let url = format!("http://{address}/");
    let answer = text(&host, json!({"do": "fetch-secret", "arg": url, "url": url, "secret": "hunter2-hunter2"})).await;
    assert!(answer.contains("carries a secret"), "{answer}");
    assert!(!thief_saw.load(Ordering::SeqCst));
}

#[tokio::test]
async fn kv_lasts_over_calls_and_restarts() {
    let dir = TempDir::new();
    let granted = "good:\n  grants: {kv: true}\n";
    let first = host(&dir, &["good"], granted);
    let source = first.metric_source("good", r#"{"do":"kv"}"#).expect("it loads");
    let calls = (0..50).map(|_| source.collect("", false, 20_000));
    let mut seen: Vec<u32> = Vec::new();
    for answer in futures(calls).await {
        let Ok(Exposition::Text(text)) = answer else { panic!("{answer:?}") };
        seen.push(text.parse().expect("a number"));
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=50).collect::<Vec<_>>(), "compare-and-set lets no count be lost");
    drop((source, first));
    assert_eq!(text(&host(&dir, &["good"], granted), json!({"do": "kv"})).await, "51");
}

/// All at once, on this task.
async fn futures<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, output) in waiting.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *output = Some(value);
            }
        }
        if waiting.iter().all(|(_, output)| output.is_some()) {
            return std::task::Poll::Ready(waiting.iter_mut().filter_map(|(_, output)| output.take()).collect());
        }
        std::task::Poll::Pending
    })
    .await
}

#[tokio::test]
async fn g14_what_a_call_leaves_in_memory_is_gone() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    for _ in 0..3 {
        assert_eq!(text(&host, json!({"do": "state"})).await, "0");
    }
    assert_eq!(text(&host, json!({"do": "print"})).await, "printed", "much output does not stop a call");
}

#[tokio::test]
async fn metrics_add_up_in_the_host() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    for _ in 0..3 {
        text(&host, json!({"do": "metrics"})).await;
    }
    let own = host.metrics("good").expect("it has run");
    assert_eq!(own[0].name, "good_calls_total");
    assert_eq!(own[0].samples, FamilySamples::Counter(vec![(LabelSet::from_pairs([("kind", "exporter")]), 3.0, None)]));
    let names: Vec<_> = host.all_metrics().into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["skopos_plugin_good_good_calls_total", "skopos_plugin_good_good_seconds", "skopos_plugin_good_good_seconds_max"]);
    assert_eq!(host.stats().plugins[0].metric_uses_dropped, 3);
}

#[tokio::test]
async fn discovery_is_limited_by_targets() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let source = host.target_source("good", r#"{"arg":"x"}"#).expect("it loads");
    let groups = source.refresh().await.expect("it answers");
    assert_eq!(groups[0].targets, ["10.0.0.1:80", "11.0.0.1:80"]);
    assert_eq!(groups[0].labels.get("__meta_good_config"), Some("x"));
    host.reload(config("good:\n  targets: [10.0.0.0/8]\n")).expect("it applies");
    assert_eq!(source.refresh().await.expect("it answers")[0].targets, ["10.0.0.1:80"]);
    assert!(host.status()[0].refused.iter().any(|r| r.line_to_add == "targets: 11.0.0.1:80"));
}

#[tokio::test]
async fn a_channel_gets_its_templates_expanded() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let alert = Alert {
        labels: LabelSet::from_pairs([("alertname", "Up")]),
        annotations: LabelSet::empty(),
        starts_at: 5,
        ends_at: None,
        generator_url: "http://g/".into(),
        value: Some(1.0),
    };
    let notification = Notification {
        id: "1".into(),
        receiver: "team".into(),
        reason: Reason::Firing,
        status: AlertStatus::Firing,
        severity: String::new(),
        group_key: "{}:{}".into(),
        previous_receipt: None,
        sequence: 1,
        group_labels: LabelSet::empty(),
        common_labels: LabelSet::empty(),
        common_annotations: LabelSet::empty(),
        alerts: vec![(AlertStatus::Firing, alert)],
        firing_count: 1,
        resolved_count: 0,
        links: Vec::new(),
        external_url: String::new(),
        title: "t".into(),
        text: "x".into(),
    };
    let channel = host.channel("good", "{}").expect("it loads");
    let templates = channel.templates();
    assert_eq!((templates[0].pointer.as_str(), templates[0].text.as_str()), ("/text", "{{ .Status }}"));
    let receipt = channel.send(&notification, &["firing!".to_owned()]).await.expect("it arrives");
    assert_eq!(receipt.id, "firing! 1 {}:{} 1");
    let error = channel.send(&notification, &[]).await.expect_err("the templates are not expanded");
    assert!(error.retryable, "{error:?}");
    let refusing = host.channel("good", r#"{"do":"refuse"}"#).expect("it loads");
    let error = refusing.send(&notification, &[String::new()]).await.expect_err("it refuses");
    assert_eq!((error.message.as_str(), error.retryable, error.retry_after_ms), ("not now", true, Some(1500)));
}

#[tokio::test]
async fn a_panel_answers_a_view_of_what_is_there() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let field = |name: &str, values| Field { name: name.into(), labels: LabelSet::empty(), display_name: name.into(), config: 0, values };
    let request = |options: &str| PanelRequest {
        options: options.to_owned(),
        width: 400,
        height: 300,
        theme: Theme::Dark,
        from: 0,
        to: 10,
        time_zone: "Asia/Seoul".into(),
        frames: vec![Frame {
            query: "A".into(),
            name: String::new(),
            fields: vec![field("time", Values::Times(vec![1])), field("v", Values::Numbers(vec![2.0]))],
        }],
        configs: vec![FieldConfig::default()],
    };
    let panel = host.panel("good").expect("it is a panel");
    let rendering = panel.render(request("{}")).await.expect("it draws");
    let View::Stats(stats) = rendering.view else { panic!("{rendering:?}") };
    assert_eq!(
        (stats.readings[0].source, &stats.readings[0].value, stats.readings[0].title.as_str()),
        (Column { frame: 0, field: 1 }, &Datum::Number(42.0), "Asia/Seoul")
    );
    let error = panel.render(request("wrong")).await.expect_err("it refers to what is not there");
    assert!(error.to_string().contains("field 1 of frame 7, which is not there"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_serves_and_its_failures_are_answers() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "good:\n  serve: {routes: [/x]}\n  config: {arg: 007}\n  limits: {timeout: 1s, concurrency: 1}\n");
    assert_eq!(host.mounts()[0].serve.routes, ["/x"]);
    let handler = host.http_handler("good").expect("it serves");
    let request = |path: &str| HandlerRequest {
        method: "GET".into(),
        mount: "/plugins/good".into(),
        path: path.into(),
        headers: vec![("cookie".into(), "a".into()), ("accept".into(), "b".into())],
        ..HandlerRequest::default()
    };
    let response = handler.handle(request("/p")).await;
    let body = String::from_utf8(response.body).expect("text");
    assert_eq!((response.status, body.as_str()), (200, r#"GET /plugins/good /p None {"arg":"007","text":"{{ .Status }}"} accept"#));
    let headers: Vec<_> = response.headers.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(headers, ["content-security-policy", "x-content-type-options"]);
    assert_eq!(handler.handle(request("/panic")).await.status, 502);
    assert_eq!(handler.handle(request("/spin")).await.status, 504);
    let mut statuses: Vec<u16> = futures((0..2).map(|_| handler.handle(request("/sleep")))).await.into_iter().map(|r| r.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503], "one at a time");
    host.reload(config("good:\n  serve: {}\n  config: {arg: other}\n")).expect("it applies");
    let body = handler.handle(request("/p")).await.body;
    assert!(String::from_utf8_lossy(&body).contains("other"), "a reload takes effect");
}

#[tokio::test]
async fn a_configuration_that_does_not_fit_changes_nothing() {
    let dir = TempDir::new();
    let host = host(&dir, &["good", "spin"], "");
    for (text, line, expected) in [
        ("consul:\n  targets: [10.0.0.0/8]\n", 2, "there is no plugin \"consul\": put consul.wasm into"),
        ("good:\n  config:\n    args: 1\n", 3, "did you mean \"arg\"?"),
        ("spin:\n  serve: {routes: [/x]}\n", 2, "serves no HTTP"),
        ("spin:\n  sha256: 0000000000000000000000000000000000000000000000000000000000000000\n", 2, "is pinned, but the embedded spin has"),
    ] {
        let error = host.reload(config(text)).expect_err("it does not fit");
        assert!(error.message.contains(expected) && error.position.line == line, "{text}: {error}");
    }
    assert_eq!(text(&host, json!({"do": "wasi"})).await.split(' ').count(), 4);
}

/// Prints what one call costs. Asserts nothing about it.
#[tokio::test]
async fn the_cost_of_a_fresh_call() {
    let dir = TempDir::new();
    let host = host(&dir, &["good"], "");
    let source = host.metric_source("good", r#"{"arg":"1"}"#).expect("it loads");
    source.collect("", false, 5_000).await.expect("it runs");
    let (calls, begun, busy) = (2_000_u32, Instant::now(), thread_us());
    for _ in 0..calls {
        source.collect("", false, 5_000).await.expect("it runs");
    }
    let (wall, busy) = (begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls), (thread_us() - busy) / f64::from(calls));
    println!("one fresh call of exporter.collect: {wall:.1} µs, of which this thread ran {busy:.1} µs");
}

/// Microseconds that this thread has run, whatever else the machine does. 0 where the system does not tell.
fn thread_us() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}
