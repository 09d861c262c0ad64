//! Queries through the whole binary, beside Debian's Prometheus over the same samples: all that the compliance suite's templates stand
//! for, over what Prometheus scraped and passed on; and random expressions.

#[path = "../random/age.rs"]
#[allow(dead_code, reason = "the evaluator's own test uses the rest of it")]
mod age;
#[path = "../random/answer.rs"]
mod answer;
#[path = "../random/case.rs"]
mod case;
#[path = "../random/contradiction.rs"]
mod contradiction;
#[path = "../random/data.rs"]
mod data;
#[path = "../random/generate.rs"]
mod generate;
#[path = "../conformance/slots.rs"]
mod slots;
#[path = "../random/tree.rs"]
#[allow(dead_code, reason = "the evaluator's own test uses the rest of it")]
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use answer::{Answer, difference};
use test_support::{Answer as Page, Dataset, KeepAlive, Prometheus, Server, Setup, Skopos, conformance, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// The suite's templates were written for three instances of a demo service that is scraped every five seconds.
const INSTANCES: [&str; 3] = ["demo.promlabs.com:10000", "demo.promlabs.com:10001", "demo.promlabs.com:10002"];

const STALE: u64 = 0x7ff0_0000_0000_0002;

/// Differences by age: a part of the query, what only one side says, and why.
const BY_AGE: [(&str, &str, &str); 1] = [("\"~invalid\"", "only theirs fails", "any text is the name of a label since version 3")];

fn now_ms() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_millis() as i64)
}

/// The series of one instance at a time, as a page in the text format without times. `n` is the instance, `at` the number of the scrape.
fn page(n: usize, at: i64) -> Vec<(String, f64)> {
    let mut lines = Vec::new();
    let n = n as i64;
    for (k, kind) in ["free", "used", "buffers", "cached"].into_iter().enumerate() {
        let k = k as i64;
        lines.push((
            format!("demo_memory_usage_bytes{{type=\"{kind}\"}}"),
            (1_000_000 * (k + 1) + (at * (7919 + n * 31 + k)) % 900_001) as f64,
        ));
    }
    for (k, mode) in ["idle", "user", "system"].into_iter().enumerate() {
        // Reset now and then.
        lines.push((format!("demo_cpu_usage_seconds_total{{mode=\"{mode}\"}}"), (at % 700) as f64 * (1.5 + n as f64 * 0.25 + k as f64)));
    }
    let mut below = 0;
    for (k, le) in ["0.1", "0.25", "1", "+Inf"].into_iter().enumerate() {
        below += 3 + (k as i64 + n) % 3;
        let labels = format!("le=\"{le}\",method=\"GET\",path=\"/\",status=\"200\"");
        lines.push((format!("demo_api_request_duration_seconds_bucket{{{labels}}}"), (at * below) as f64));
    }
    lines.push(("demo_api_request_duration_seconds_count{method=\"GET\",path=\"/\",status=\"200\"}".to_owned(), (at * below) as f64));
    lines.push(("demo_num_cpus".to_owned(), 4.0));
    lines.push(("demo_disk_usage_bytes".to_owned(), (7_000_000 + at * 1117 + n) as f64));
    lines.push(("demo_disk_total_bytes".to_owned(), 9_999_999_999.0));
    lines.push(("demo_batch_last_success_timestamp_seconds".to_owned(), (1_600_000_000 + at / 60 * 300 + n) as f64));
    if at % 60 < 40 {
        lines.push(("demo_intermittent_metric".to_owned(), 1.0));
    }
    lines
}

/// Two hours of scrapes every five seconds, as if they had been; what is away from a page ends in a marker.
fn history(until_ms: i64) -> Dataset {
    let count = 7200 / 5;
    let mut data = Dataset::default();
    for (n, instance) in INSTANCES.into_iter().enumerate() {
        let mut series = BTreeMap::<String, Vec<(i64, f64)>>::new();
        for at in 0..count {
            let time = until_ms - (count - at) * 5000 + n as i64 * 137;
            let lines = page(n, at);
            for (name, samples) in &mut series {
                let there = lines.iter().any(|(line, _)| line == name);
                if !there && samples.last().is_some_and(|(_, value)| value.to_bits() != STALE) {
                    samples.push((time, f64::from_bits(STALE)));
                }
            }
            for (name, value) in lines {
                series.entry(name).or_default().push((time, value));
            }
        }
        for (text, samples) in series {
            let (name, rest) = text.split_once('{').unwrap_or((&text, "}"));
            let pairs = rest.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
            let labels: Vec<(&str, &str)> = pairs.map(|(name, value)| (name, value.trim_matches('"'))).collect();
            data.add(name, &[&labels[..], &[("instance", instance), ("job", "demo")]].concat(), samples);
        }
    }
    data
}

/// A server each, which take each other's samples or those of a test.
fn pair(name: &str, config: impl Fn(&Skopos) -> String) -> Option<(Prometheus, Skopos)> {
    let ours = Setup::new(BINARY, name)
        .config("global: {evaluation_interval: 1m}\nscrape_configs: []\n")
        .argument("--storage.tsdb.retention.time=100y")
        .argument("--web.enable-remote-write-receiver")
        .start();
    let arguments = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"];
    Some((Prometheus::start_with(&config(&ours), &arguments)?, ours))
}

fn ask(connection: &mut KeepAlive, query: &str, times: Option<(f64, f64)>, at: f64) -> Answer {
    let (_, body) = match times {
        None => connection.form("/api/v1/query", &[("query", query), ("time", &at.to_string())]),
        Some((start, end)) => connection
            .form("/api/v1/query_range", &[("query", query), ("start", &start.to_string()), ("end", &end.to_string()), ("step", "10")]),
    };
    answer::read(&body)
}

/// Samples lie on other milliseconds than evaluations and borders of windows: Prometheus 2 closes windows on the left, 3 opens them.
#[test]
fn templates_are_answered_as_prometheus_does() {
    let Some(file) = conformance("promql/compliance/promql-test-queries.yml") else { return };
    let begun = now_ms();
    let gone = Arc::new(AtomicBool::new(false));
    let targets: Vec<Server> = (0..INSTANCES.len())
        .map(|n| {
            let gone = Arc::clone(&gone);
            Server::start(move |_| {
                if gone.load(Ordering::Relaxed) {
                    return Page::status(503, "gone");
                }
                let lines = page(n, 1440 + (now_ms() - begun) / 1000);
                Page::metrics(lines.iter().map(|(name, value)| format!("{name} {value}\n")).collect::<String>())
            })
        })
        .collect();
    let config = |ours: &Skopos| {
        let statics = targets
            .iter()
            .zip(INSTANCES)
            .map(|(target, instance)| format!("{{targets: ['{}'], labels: {{instance: '{instance}'}}}}", target.address()));
        format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1m}}\nremote_write: [{{url: '{}', queue_config: {{batch_send_deadline: 300ms}}}}]\n\
             scrape_configs:\n- job_name: demo\n  static_configs: [{}]\n",
            ours.url("/api/v1/write"),
            statics.collect::<Vec<_>>().join(", "),
        )
    };
    // What was before, then what Prometheus scrapes and passes on.
    let Some((theirs, ours)) = pair("compliance", config) else { return };
    let theirs_address = theirs.url("").trim_start_matches("http://").to_owned();
    let past = history(begun - 5000);
    past.write_to(&theirs_address);
    past.write_to(ours.address());
    let scraped = "min(count_over_time(up{job=\"demo\"}[1h]))";
    ours.wait_query(scraped, Duration::from_secs(60), |found| {
        found.first().is_some_and(|r| r["value"][1].as_str().is_some_and(|t| t.parse().is_ok_and(|n: f64| n >= 12.0)))
    });
    // Between the milliseconds that samples lie on, and as long ago as passing on takes at most.
    let (mut their_side, mut our_side) = (KeepAlive::connect(&theirs_address), KeepAlive::connect(ours.address()));
    let end = (now_ms() / 1000 - 1) as f64 + 0.0313;
    // Nothing more comes while both are asked: some queries look at what is newer than their time.
    gone.store(true, Ordering::Relaxed);
    wait_for("all samples, and the end of all series", Duration::from_secs(60), || {
        let ended = |side: &mut KeepAlive| {
            let now = ask(side, "{__name__=~\"demo_.*\"}", None, now_ms() as f64 / 1000.0);
            now.is_ok_and(|content| content.series.is_empty())
        };
        (ended(&mut their_side) && ended(&mut our_side)).then_some(())
    });

    let text = std::fs::read_to_string(file).expect("the file can be read");
    let templates: Vec<&str> =
        text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("query:")).map(str::trim).collect();
    assert!(!templates.is_empty());
    let (mut same, mut empty, mut refused, mut failures) = (0, 0, 0, Vec::new());
    let mut aged = BTreeMap::<&str, usize>::new();
    for query in templates.iter().flat_map(|template| slots::expand(&unquoted(template))) {
        for times in [None, Some((end - 600.0, end)), Some((end - 3000.0, end - 2400.0))] {
            let at = times.map_or(end, |(_, end)| end);
            let (a, b) = (ask(&mut their_side, &query, times, at), ask(&mut our_side, &query, times, at));
            match difference(&a, &b, false) {
                None => {
                    same += 1;
                    refused += usize::from(b.is_err());
                    empty += usize::from(b.is_ok_and(|content| content.series.is_empty()));
                }
                Some(what) => match BY_AGE.iter().find(|(part, says, _)| query.contains(part) && what.starts_with(says)) {
                    Some((part, ..)) => *aged.entry(part).or_default() += 1,
                    None => failures.push(format!("{query}\n  {times:?}: {what}")),
                },
            }
        }
    }
    let why = |part: &str| BY_AGE.iter().find(|(known, ..)| *known == part).map_or("", |(_, _, why)| *why);
    let by_age: Vec<String> = aged.iter().map(|(part, count)| format!("{part} {count}: {}", why(part))).collect();
    println!("{refused} of them refused by both, {empty} empty");
    println!("compliance: {same} same, {} differ by age ({}), {} differ", aged.values().sum::<usize>(), by_age.join(", "), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A scalar of YAML in quotes or without.
fn unquoted(text: &str) -> String {
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    match (inner('\''), inner('"')) {
        (Some(text), _) => text.replace("''", "'"),
        (None, Some(text)) => text.to_owned(),
        (None, None) => text.to_owned(),
    }
}

fn known_by_age(theirs: &mut KeepAlive, ours: &mut KeepAlive, tree: &tree::Tree, when: case::When, answers: [&Answer; 2]) -> bool {
    let mut both = contradiction::Both {
        theirs: &mut |text, when| case::ask(theirs, text, when),
        ours: &mut |text, when| case::ask(ours, text, when),
    };
    age::explains(&mut both, tree, when, answers).is_some()
}

/// What `-p promql --test random` asks of the evaluator, here asked of storage and the API too.
#[test]
fn random_expressions_go_through_the_binary() {
    let Some((theirs, ours)) = pair("random", |_| "global: {evaluation_interval: 1m}\n".to_owned()) else { return };
    let theirs_address = theirs.url("").trim_start_matches("http://").to_owned();
    let data = data::dataset();
    data.write_to(&theirs_address);
    data.write_to(ours.address());
    let seed = test_support::seed("random expressions through the binary");
    let (mut their_side, mut our_side) = (KeepAlive::connect(&theirs_address), KeepAlive::connect(ours.address()));
    let (mut same, mut known, mut failures) = (0, 0, Vec::new());
    let count = 2000;
    for number in 0..count {
        let (tree, when) = case::case(seed, number);
        let text = tree.to_string();
        let (a, b) = (case::ask(&mut their_side, &text, when), case::ask(&mut our_side, &text, when));
        match difference(&a, &b, ["sort", "topk", "bottomk"].iter().any(|name| text.starts_with(name))) {
            None => same += 1,
            Some(_) if known_by_age(&mut their_side, &mut our_side, &tree, when, [&a, &b]) => known += 1,
            Some(what) => failures.push(format!("{text}\n  {when:?}: {what}")),
        }
    }
    println!("random expressions through the binary: {same} same, {known} differ by age, {} differ", failures.len());
    // Rounding decides one of some ten thousand, which only the evaluator's own test can tell.
    assert!(failures.len() <= 1, "seed {seed}:\n{}", failures.join("\n"));
}
