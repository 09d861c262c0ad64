//! Wrong configurations while Skopos runs: refused with the place, nothing half-applied.

use std::time::Duration;

use test_support::{Answer, Server, Setup, post_text};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

const RULES: &str = "groups:
  - name: one
    interval: 5s
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: Down
        expr: up == 0
        for: 1m
        labels: {severity: page}
        annotations: {summary: 'on {{ $labels.instance }}'}
";

fn good(target: &str) -> String {
    format!(
        "global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 5s
  external_labels: {{site: seoul}}
rule_files:
  - rules.yml
scrape_configs:
  - job_name: shop
    metrics_path: /metrics
    honor_labels: false
    sample_limit: 1000
    params: {{module: [a]}}
    static_configs:
      - targets: ['{target}']
        labels: {{team: orders}}
    relabel_configs:
      - source_labels: [__address__]
        regex: '(.*):.*'
        target_label: host
        action: replace
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: debug_.*
        action: drop
  - job_name: found
    dns_sd_configs:
      - names: [nowhere.invalid]
        type: A
        port: 80
        refresh_interval: 1h
alertmanager:
  route:
    receiver: team
    group_by: [alertname]
    group_wait: 1s
    routes:
      - matchers: ['severity=\"page\"']
        receiver: team
  receivers:
    - name: team
      slack_configs:
        - api_url: http://127.0.0.1:9/hook
          send_resolved: true
plugins:
  opengraph:
    serve: {{routes: [/api/v1/scrap]}}
    limits: {{timeout: 5s, memory: 64MiB}}
resolver:
  servers: ['127.0.0.1:9']
"
    )
}

/// Every way to break one line that must be noticed: a wrong key, a key twice, a value of another kind, a bad indent, a value
/// that makes no sense there.
fn mutations(text: &str) -> Vec<(usize, String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut add = |at: usize, what: &str, line: String| {
        let mut changed = lines.clone();
        changed[at] = &line;
        found.push((at + 1, what.to_owned(), changed.join("\n") + "\n"));
    };
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let body = line.trim_start().trim_start_matches("- ");
        let lead = &line[..line.len() - body.len()];
        let Some((key, value)) = body.split_once(':').filter(|(k, _)| k.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')) else {
            add(at, "a tab", format!("\t{line}"));
            continue;
        };
        // Names of plugins and labels are the user's own: a wrong one there is not wrong.
        let own_name = key == "opengraph";
        if !own_name {
            add(at, "a misspelt key", format!("{lead}{key}x:{value}"));
            add(at, "an unknown key before it", format!("{lead}wrong_key: 1\n{}{key}:{value}", " ".repeat(lead.len())));
        }
        add(at, "the key twice", format!("{line}\n{}{key}: 1", " ".repeat(lead.len())));
        add(at, "a bad indent", format!("{}{line}\n{}x: 1", " ", " ".repeat(indent.saturating_sub(1).max(1))));
        let value = value.trim();
        if value.is_empty() {
            add(at, "a text in place of what is below", format!("{line} nonsense"));
        } else {
            add(at, "an open quote", format!("{lead}{key}: 'open"));
            add(at, "an open bracket", format!("{lead}{key}: [1, 2"));
            add(at, "a mapping", format!("{lead}{key}: {{wrong_inner_key: {{a: b}}}}"));
        }
    }
    found
}

#[test]
fn d3_bad_reload_leaves_everything_as_it_was() {
    let target = Server::start(|_| Answer::metrics("orders_total 5\n"));
    let good = good(&target.address());
    let setup = Setup::new(BINARY, "mutations");
    setup.folder().write("rules.yml", RULES);
    let mut skopos = setup.config(&good).argument("--web.enable-lifecycle").start();
    skopos.wait_query("orders_total{team=\"orders\"}", Duration::from_secs(30), |r| r.len() == 1);
    let state = || {
        let config = skopos.get("/api/v1/status/config").json()["data"]["yaml"].clone();
        let rules = skopos.get("/api/v1/rules").json()["data"]["groups"][0]["rules"].as_array().map(Vec::len);
        let targets = skopos.get("/api/v1/targets").json()["data"]["activeTargets"].as_array().map(Vec::len);
        (config, rules, targets)
    };
    let before = state();
    assert_eq!((before.1, before.2), (Some(2), Some(1)), "{before:?}");

    let mut tried = 0;
    let mut wrong = Vec::new();
    let mut try_one = |file: &str, line: usize, what: &str, text: &str| {
        skopos.folder().write(file, text);
        let answer = post_text(&skopos.url("/-/reload"));
        tried += 1;
        // A fault may show up later than where it was made (an open quote), but never before, and never without a line.
        let shown = answer
            .body
            .split(file)
            .nth(1)
            .and_then(|t| t.strip_prefix(':'))
            .and_then(|t| t.split([':', ' ']).next()?.parse::<usize>().ok());
        if answer.status != 500 || shown.is_none() {
            wrong.push(format!("{file}:{line} with {what}: {} {}", answer.status, answer.body));
        }
    };
    for (line, what, text) in mutations(&good) {
        try_one("skopos.yml", line, &what, &text);
    }
    skopos.folder().write("skopos.yml", &good);
    for (line, what, text) in mutations(RULES) {
        try_one("rules.yml", line, &what, &text);
    }
    println!("d3_bad_reload: {tried} single faults tried, {} not refused with a line", wrong.len());
    assert!(tried >= 200, "only {tried} faults");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(state(), before, "nothing is half-applied");

    skopos.folder().write("rules.yml", RULES);
    assert_eq!(post_text(&skopos.url("/-/reload")).status, 200);
    // Unchanged targets kept their schedule: no gap in a second's scrapes.
    skopos.signal("TERM");
    assert_eq!(skopos.wait_exit(Duration::from_secs(30)), Some(0));
}

#[test]
fn d1_yaml_bomb_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", ")));
    }
    let skopos = Setup::new(BINARY, "bomb").config("scrape_configs: []\n").argument("--web.enable-lifecycle").start();
    let before = skopos.resident_bytes();
    skopos.folder().write("skopos.yml", &bomb);
    let begun = std::time::Instant::now();
    let answer = post_text(&skopos.url("/-/reload"));
    println!("d1_yaml_bomb: refused after {:?}, memory from {before} to {}", begun.elapsed(), skopos.resident_bytes());
    assert!(answer.status == 500 && answer.body.contains("aliases"), "{answer:?}");
    assert!(skopos.resident_bytes() < before + (64 << 20));
}
