//! Remote write into a running Skopos: from Debian's Prometheus, across a kill, from twenty senders at once, and by hand.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use test_support::{Answer, Prometheus, Server, Setup, get, wait_for};

#[path = "write_sender.rs"]
mod write_sender;

use write_sender::{Sender, bytes, header, now_ms, sample, series, varint};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const FLAG: &str = "--web.enable-remote-write-receiver";

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// The answer to an instant query.
fn query(base: &str, expr: &str, time: i64) -> Value {
    let encoded: String = expr.bytes().map(|byte| format!("%{byte:02X}")).collect();
    get(&format!("{base}/api/v1/query?query={encoded}&time={}.{:03}", time / 1000, time % 1000)).json()
}

/// Every sample of a range up to a time, sorted.
fn samples(base: &str, selector: &str, time: i64) -> Vec<String> {
    let answer = query(base, &format!("{selector}[60s]"), time);
    let mut all = Vec::new();
    for series in answer["data"]["result"].as_array().into_iter().flatten() {
        for value in series["values"].as_array().into_iter().flatten() {
            all.push(format!("{} {} {}", series["metric"], value[0], value[1]));
        }
    }
    all.sort();
    all
}

/// The lines of a server's metrics that begin so.
fn metrics_of(base: &str, prefix: &str) -> String {
    let metrics = get(&format!("{base}/metrics")).body;
    metrics.lines().filter(|line| line.starts_with(prefix)).collect::<Vec<_>>().join("\n")
}

/// A target whose numbers grow with each scrape, and of which a series comes and goes.
fn target() -> Server {
    let scrapes = AtomicU64::new(0);
    Server::start(move |_| {
        let n = scrapes.fetch_add(1, Ordering::Relaxed);
        let mut text = String::from("# TYPE load_total counter\n# HELP load_total Load.\n");
        for series in 0..60 {
            text.push_str(&format!("load_total{{series=\"{series}\"}} {}\n", n * series));
            text.push_str(&format!("level{{series=\"{series}\"}} {}\n", (n * 37 + series) % 11));
        }
        if n % 8 < 4 {
            text.push_str(&format!("guest {n}\n"));
        }
        Answer::metrics(text)
    })
}

#[test]
fn prometheus_sends_and_both_answer_alike_across_a_kill() {
    let mut skopos = Setup::new(BINARY, "remote-write").config("scrape_configs: []\n").argument(FLAG).start();
    let targets: Vec<Server> = (0..3).map(|_| target()).collect();
    let addresses: Vec<String> = targets.iter().map(|target| format!("'{}'", target.address())).collect();
    let config = format!(
        "global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}\n\
         scrape_configs: [{{job_name: load, static_configs: [{{targets: [{}]}}]}}]\n\
         remote_write:\n- url: '{}'\n  queue_config: {{min_shards: 4, max_shards: 4, max_samples_per_send: 100, batch_send_deadline: 100ms, \
         min_backoff: 30ms, max_backoff: 300ms}}\n  metadata_config: {{send_interval: 1s}}\n",
        addresses.join(", "),
        skopos.url("/api/v1/write")
    );
    let Some(prometheus) = Prometheus::start(&config) else { return };
    let selector = "{job=\"load\"}";
    // It takes its time to begin.
    wait_for("samples to arrive", LIMIT, || (samples(&skopos.url(""), selector, now_ms()).len() > 100).then_some(()));
    let begun = Instant::now();
    let mut acknowledged: Vec<String> = Vec::new();
    for kill in 0..3 {
        thread::sleep(Duration::from_millis(2500));
        let time = now_ms();
        let seen = samples(&skopos.url(""), selector, time);
        assert!(seen.len() > 100, "samples arrive before kill {kill}: {}\n{}", seen.len(), skopos.log_tail());
        skopos.kill_and_restart();
        // What a query has shown is there, as it was.
        let again = samples(&skopos.url(""), selector, time);
        let lost: Vec<&String> = seen.iter().filter(|sample| again.binary_search(sample).is_err()).collect();
        assert!(lost.is_empty(), "kill {kill}: {} of {} samples are lost, such as {:?}", lost.len(), seen.len(), lost.first());
        acknowledged = again;
    }
    thread::sleep(Duration::from_millis(1500));
    let time = now_ms() - 500;
    assert!(begun.elapsed() < Duration::from_secs(50), "the range still holds everything");
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    let same = || {
        // Prometheus too stores a scrape some time after the time it gives it.
        sent = samples(&prometheus.url(""), selector, time);
        received = samples(&skopos.url(""), selector, time);
        (received == sent).then_some(())
    };
    let alike =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait_for("both to have the same samples", Duration::from_secs(20), same)));
    if alike.is_err() {
        let missing: Vec<&String> = sent.iter().filter(|sample| received.binary_search(sample).is_err()).collect();
        let more: Vec<&String> = received.iter().filter(|sample| sent.binary_search(sample).is_err()).collect();
        panic!(
            "{} of {} are missing, such as {:?}; {} are more, such as {:?}\n{}\n{}",
            missing.len(),
            sent.len(),
            missing.first(),
            more.len(),
            more.first(),
            metrics_of(&prometheus.url(""), "prometheus_remote_storage_samples_"),
            metrics_of(&skopos.url(""), "skopos_remote_write_"),
        );
    }
    println!("{} samples, {} of them before the last kill", sent.len(), acknowledged.len());
    println!("{}", metrics_of(&prometheus.url(""), "prometheus_remote_storage_samples_"));
    println!("{}", metrics_of(&skopos.url(""), "skopos_remote_write_requests_deferred"));
    for expr in ["sum(rate(load_total[4s]))", "max by (series) (level)", "count({job=\"load\"})", "up", "scrape_samples_scraped", "guest"] {
        let at = |base: &str| {
            let answer = query(base, expr, time);
            let mut result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
            result.sort_by_key(Value::to_string);
            result
        };
        let (ours, theirs) = (at(&skopos.url("")), at(&prometheus.url("")));
        // 2.42 adds up plainly, we with Kahan's compensation, as upstream since ea82b49c33 of 2024: the last digits may differ.
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs();
        match (ours.as_slice(), theirs.as_slice()) {
            ([a], [b]) if expr.starts_with("sum(") => {
                let number = |result: &Value| result["value"][1].as_str().and_then(|text| text.parse::<f64>().ok()).expect("a number");
                assert!(close(number(a), number(b)), "{expr}: {a} and {b}");
            }
            _ => assert_eq!(ours, theirs, "{expr}"),
        }
    }
    let metadata = wait_for("metadata", LIMIT, || {
        let answer = skopos.get("/api/v1/metadata?metric=load_total").json();
        answer["data"]["load_total"].get(0).cloned()
    });
    assert_eq!(metadata, serde_json::json!({"type": "counter", "help": "Load.", "unit": ""}));
    let metrics = skopos.get("/metrics").body;
    assert!(metrics.contains("skopos_remote_write_samples_total{kind=\"float\",sender=\"anonymous\"}"), "{metrics}");
    assert!(
        metrics.contains("skopos_remote_write_samples_rejected_total{reason=\"out_of_order\",sender=\"anonymous\"} 0"),
        "nothing was too late"
    );
}

#[test]
fn what_a_request_is_answered_with() {
    let off = Setup::new(BINARY, "remote-write-off").config("scrape_configs: []\n").start();
    let answered = Sender::connect(off.address()).post("application/x-protobuf", b"");
    assert_eq!(
        (answered.0, answered.2.as_str()),
        (404, "remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n")
    );

    let skopos = Setup::new(BINARY, "remote-write-answers").config("scrape_configs: []\n").argument(FLAG).start();
    assert!(!skopos.log().contains("has no effect"), "{}", skopos.log());
    let mut sender = Sender::connect(skopos.address());
    let time = now_ms();
    let mut message = Vec::new();
    series(&mut message, &[("__name__", "a"), ("job", "j")], time, 1.0);
    let answered = sender.post("application/x-protobuf", &message);
    assert_eq!((answered.0, header(&answered, "x-prometheus-remote-write-samples-written")), (204, Some("1")));
    series(&mut message, &[("job", "j")], time, 1.0);
    let answered = sender.post("application/x-protobuf", &message);
    assert_eq!((answered.0, header(&answered, "x-prometheus-remote-write-samples-written")), (400, Some("1")));
    assert_eq!(answered.2, "invalid metric name or labels, got {job=\"j\"}\n");
    // 2.0, by hand: the symbols, then a series of two labels with a sample that says when it began.
    let mut message = Vec::new();
    for symbol in ["", "__name__", "b", "job", "j", "seconds"] {
        bytes(&mut message, 4, symbol.as_bytes());
    }
    let mut one = Vec::new();
    bytes(&mut one, 1, &[1, 2, 3, 4]);
    let mut value = sample(time, 2.5);
    value.push(3 << 3);
    varint(&mut value, (time - 60_000) as u64);
    bytes(&mut one, 2, &value);
    bytes(&mut one, 5, &[1 << 3, 1, 4 << 3, 5]);
    bytes(&mut message, 5, &one);
    let answered = sender.post("application/x-protobuf;proto=io.prometheus.write.v2.Request", &message);
    assert_eq!(answered.0, 204, "{answered:?}");
    for (kind, count) in [("samples", "1"), ("histograms", "0"), ("exemplars", "0")] {
        assert_eq!(header(&answered, &format!("x-prometheus-remote-write-{kind}-written")), Some(count));
    }
    assert_eq!((skopos.query_value("a"), skopos.query_value("b")), (Some(1.0), Some(2.5)));
    let answered = sender.post("application/json", b"");
    assert_eq!((answered.0, header(&answered, "x-prometheus-remote-write-samples-written")), (415, Some("0")));
    // A page of another site writes nothing.
    let origin =
        format!("POST /api/v1/write HTTP/1.1\r\nHost: {}\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n", skopos.address());
    sender.0.write_all(origin.as_bytes()).expect("it reads");
    assert_eq!(sender.answer().0, 403);
    assert_eq!(get(&skopos.url("/api/v1/write")).status, 405);
}

#[test]
fn b9_write_flood_is_put_off_and_scrapes_keep_their_time() {
    let seconds: u64 = std::env::var("SKOPOS_FLOOD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let rate: u64 = std::env::var("SKOPOS_FLOOD_RATE").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    const SENDERS: u64 = 20;
    const SERIES: u64 = 1000;
    let scraped = target();
    let config = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs: [{{job_name: load, static_configs: [{{targets: ['{}']}}]}}]\n",
        scraped.address()
    );
    let skopos = Setup::new(BINARY, "write-flood").config(&config).argument(FLAG).start();
    skopos.wait_query("up{job=\"load\"}", LIMIT, |found| !found.is_empty());
    let (stop, taken, deferred) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (begun, start) = (Instant::now(), now_ms());
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let (stop, taken, deferred, address) = (stop.clone(), taken.clone(), deferred.clone(), skopos.address().to_owned());
            thread::spawn(move || {
                let mut sender = Sender::connect(&address);
                let names: Vec<String> = (0..SERIES).map(|n| format!("{n}")).collect();
                let instance = format!("sender-{number}:1");
                for round in 0.. {
                    let due = Duration::from_micros(round * SERIES * SENDERS * 1_000_000 / rate);
                    thread::sleep(due.saturating_sub(begun.elapsed()));
                    let mut message = Vec::new();
                    for name in &names {
                        let labels = [("__name__", "flood"), ("instance", instance.as_str()), ("job", "flood"), ("n", name.as_str())];
                        series(&mut message, &labels, start + i64::try_from(round).expect("few"), round as f64);
                    }
                    loop {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let answered = sender.post("application/x-protobuf", &message);
                        match answered.0 {
                            204 => break,
                            429 => {
                                deferred.fetch_add(1, Ordering::Relaxed);
                                let wait: u64 =
                                    header(&answered, "retry-after").and_then(|text| text.parse().ok()).expect("Retry-After in seconds");
                                let until = Instant::now() + Duration::from_secs(wait);
                                while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                                    thread::sleep(Duration::from_millis(50));
                                }
                            }
                            other => panic!("status {other}: {}", answered.2),
                        }
                    }
                    taken.fetch_add(SERIES, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let cycles = seconds.div_ceil(2).max(1);
    for _ in 0..cycles {
        thread::sleep(Duration::from_millis(seconds * 1000 / cycles));
        assert!(skopos.resident_bytes() < 2 << 30, "{} MB", skopos.resident_bytes() >> 20);
    }
    stop.store(true, Ordering::Relaxed);
    senders.into_iter().for_each(|sender| sender.join().expect("a sender had only good answers"));
    let spent = begun.elapsed();
    let taken = taken.load(Ordering::Relaxed);
    println!(
        "{taken} samples in {spent:?} ({:.0}/s of {rate} offered), {} requests put off, {} MB resident",
        taken as f64 / spent.as_secs_f64(),
        deferred.load(Ordering::Relaxed),
        skopos.resident_bytes() >> 20
    );
    // Every scrape was made, and none began later than an interval.
    let metrics = skopos.get("/metrics").body;
    let metric = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap_or(f64::NAN);
    println!("latest scrape: {} s late", metric("skopos_scrape_late_max_seconds "));
    assert!(metric("skopos_scrape_ticks_missed_total ") <= 1.0, "ticks missed: {}", metric("skopos_scrape_ticks_missed_total "));
    assert_eq!(metric("skopos_scrape_failures_total "), 0.0);
    // What was acknowledged is there. (Over a long run a query would hold too many samples.)
    if seconds <= 60 {
        let stored = skopos.query_value("sum(count_over_time(flood[2m]))").expect("an answer") as u64;
        assert!(stored >= taken, "{stored} of {taken} acknowledged samples");
    }
}

#[test]
fn b9_write_flood_of_unfinished_bodies_is_answered_429_with_retry_after() {
    let skopos = Setup::new(BINARY, "write-held").config("scrape_configs: []\n").argument(FLAG).start();
    let before = skopos.resident_bytes();
    // Bodies that nearly end, as many as are held at most.
    let part = vec![0; (32 << 20) - 64];
    let held: Vec<Sender> = (0..3)
        .map(|_| {
            let mut sender = Sender::connect(skopos.address());
            sender.head("application/x-protobuf", part.len() + 1);
            sender.0.write_all(&part).expect("it reads");
            sender
        })
        .collect();
    let mut message = Vec::new();
    series(&mut message, &[("__name__", "a")], now_ms(), 1.0);
    // A request that came before they are there would take the last of the room, and one of them would be put off instead.
    wait_for("the bodies to be there", LIMIT, || (skopos.resident_bytes() >= before + (95 << 20)).then_some(()));
    thread::sleep(Duration::from_millis(500));
    let answered = Sender::connect(skopos.address()).post("application/x-protobuf", &message);
    assert_eq!(answered.0, 429, "{answered:?}");
    assert_eq!(header(&answered, "retry-after"), Some("5"), "{answered:?}");
    // A Prometheus would throw its samples away at a 429, and sends them again after a 503.
    let answered = Sender::connect(skopos.address()).called("Prometheus/2.42.0").post("application/x-protobuf", &message);
    assert_eq!((answered.0, header(&answered, "retry-after")), (503, Some("5")), "{answered:?}");
    assert!(skopos.resident_bytes() < 400 << 20, "{} MB", skopos.resident_bytes() >> 20);
    drop(held);
    wait_for("requests to be taken again", LIMIT, || {
        (Sender::connect(skopos.address()).post("application/x-protobuf", &message).0 == 204).then_some(())
    });
    assert!(skopos.get("/metrics").body.contains("skopos_remote_write_requests_deferred_total"), "it is counted");
}

/// What Debian's Prometheus sends while there is too much to do, it sends again: with a 429 it would throw it away.
#[test]
fn b9_write_flood_puts_prometheus_off_and_it_loses_nothing() {
    let skopos = Setup::new(BINARY, "write-put-off").config("scrape_configs: []\n").argument(FLAG).start();
    let scraped = target();
    let config = format!(
        "global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}\n\
         scrape_configs: [{{job_name: load, static_configs: [{{targets: ['{}']}}]}}]\n\
         remote_write:\n- url: '{}'\n  queue_config: {{min_shards: 4, max_shards: 4, max_samples_per_send: 100, batch_send_deadline: 100ms}}\n",
        scraped.address(),
        skopos.url("/api/v1/write")
    );
    let Some(prometheus) = Prometheus::start(&config) else { return };
    let selector = "{job=\"load\"}";
    wait_for("samples to arrive", LIMIT, || (samples(&skopos.url(""), selector, now_ms()).len() > 100).then_some(()));
    let deferred = || {
        let line = metrics_of(&skopos.url(""), "skopos_remote_write_requests_deferred_total ");
        line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0)
    };
    // Bodies that never end take all the room there is, one after the other, since Prometheus takes of it too.
    let part = vec![0; (32 << 20) - 64];
    let mut held = Vec::new();
    wait_for("requests to be put off", LIMIT, || {
        let mut sender = Sender::connect(skopos.address());
        sender.head("application/x-protobuf", part.len() + 1);
        // One that is put off is not read to its end.
        let _ = sender.0.write_all(&part);
        held.push(sender);
        (deferred() >= 12.0).then_some(())
    });
    drop(held);
    thread::sleep(Duration::from_millis(1500));
    let time = now_ms() - 500;
    let (mut sent, mut received) = (samples(&prometheus.url(""), selector, time), Vec::new());
    let done = Instant::now();
    while received != sent && done.elapsed() < Duration::from_secs(20) {
        sent = samples(&prometheus.url(""), selector, time);
        received = samples(&skopos.url(""), selector, time);
        thread::sleep(Duration::from_millis(200));
    }
    let of_theirs = metrics_of(&prometheus.url(""), "prometheus_remote_storage_samples_");
    println!("{} samples, {} requests put off\n{of_theirs}", sent.len(), deferred());
    assert!(received == sent, "{} of {} samples arrived\n{of_theirs}", received.len(), sent.len());
    assert!(of_theirs.lines().any(|line| line.starts_with("prometheus_remote_storage_samples_retried_total") && !line.ends_with(" 0")));
}

#[test]
fn b10_future_sender_is_named() {
    let skopos = Setup::new(BINARY, "future-sender").config("scrape_configs: []\n").argument(FLAG).start();
    let mut message = Vec::new();
    series(&mut message, &[("__name__", "a"), ("instance", "clock:1"), ("job", "j")], now_ms() + 3_600_000, 1.0);
    let answered = Sender::connect(skopos.address()).post("application/x-protobuf", &message);
    assert_eq!(answered.0, 400);
    assert!(answered.2.contains("ahead of this server's clock"), "{}", answered.2);
    let metrics = skopos.get("/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with("skopos_remote_write_clock_ahead_seconds{")).unwrap_or_default();
    assert!(
        line.contains("address=\"127.0.0.1\"") && line.contains("sample_instance=\"clock:1\"") && line.contains("sender=\"anonymous\""),
        "{metrics}"
    );
    let sender = &skopos.get("/api/v1/senders").json()["data"]["senders"][0];
    assert_eq!((sender["name"].as_str(), sender["ahead"]["instance"].as_str()), (Some("anonymous"), Some("clock:1")), "{sender}");
    assert!(sender["ahead"]["seconds"].as_f64().is_some_and(|seconds| (3500.0..3601.0).contains(&seconds)), "{sender}");
    assert!(skopos.log().contains("ahead of this server's clock"), "{}", skopos.log_tail());
}
