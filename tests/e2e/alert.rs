//! An alert's way: a rule fires, the message arrives at an endpoint that is as strict as Slack and twice says 429, the
//! resolved message follows.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use test_support::{Answer, Asked, Server, Setup, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LIMIT: Duration = Duration::from_secs(60);

/// What Slack's incoming webhooks refuse. The error is Slack's word for it.
fn slack_rules(asked: &Asked) -> Result<Value, &'static str> {
    if asked.method != "POST" {
        return Err("invalid_http_method");
    }
    let json = asked.headers.iter().any(|(n, v)| n == "content-type" && v.starts_with("application/json"));
    let payload: Value = serde_json::from_str(&asked.body).map_err(|_| "invalid_payload")?;
    let object = payload.as_object().ok_or("invalid_payload")?;
    let text = object.get("text").and_then(Value::as_str).unwrap_or_default();
    let empty = Vec::new();
    let attachments = match object.get("attachments") {
        None => &empty,
        Some(list) => list.as_array().ok_or("invalid_attachments")?,
    };
    let shown = |a: &Value| ["text", "title", "fallback", "pretext"].iter().any(|k| a[*k].as_str().is_some_and(|t| !t.is_empty()));
    if !json {
        return Err("invalid_payload");
    }
    if text.is_empty() && !attachments.iter().any(shown) {
        return Err("no_text");
    }
    if attachments.len() > 100 {
        return Err("too_many_attachments");
    }
    if text.chars().count() > 40_000 {
        return Err("msg_too_long");
    }
    let known_type = |a: &Value| a.get("mrkdwn_in").is_none_or(Value::is_array) && a.get("fields").is_none_or(Value::is_array);
    if attachments.iter().all(known_type) { Ok(payload.clone()) } else { Err("invalid_attachments") }
}

#[test]
fn an_alert_arrives_in_spite_of_429_and_its_end_is_told() {
    let level = Arc::new(AtomicU32::new(1));
    let shown = Arc::clone(&level);
    let target = Server::start(move |_| Answer::metrics(format!("queue_length{{queue=\"orders\"}} {}\n", shown.load(Ordering::Relaxed))));

    let attempts: Arc<Mutex<Vec<(Instant, u16)>>> = Arc::default();
    let accepted: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (noted, kept) = (Arc::clone(&attempts), Arc::clone(&accepted));
    let slack = Server::start(move |asked| {
        let mut attempts = noted.lock().expect("no panic while held");
        let answer = match slack_rules(asked) {
            Err(word) => Answer::status(400, word),
            Ok(_) if attempts.len() < 2 => Answer::status(429, "rate_limited").with("Retry-After", "1"),
            Ok(payload) => {
                kept.lock().expect("no panic while held").push(payload);
                Answer::ok("text/html", "ok")
            }
        };
        attempts.push((Instant::now(), answer.status));
        answer
    });

    let setup = Setup::new(BINARY, "alert");
    setup.folder().write(
        "rules.yml",
        r#"
groups:
  - name: queues
    interval: 1s
    rules:
      - alert: QueueTooLong
        expr: queue_length > 10
        for: 1s
        labels: {severity: critical}
        annotations:
          summary: 'Queue {{ $labels.queue }} holds {{ $value | printf "%.0f" }} entries'
"#,
    );
    let config = format!(
        r#"
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{}"]}}]
alertmanager:
  route: {{receiver: team, group_by: [alertname], group_wait: 1s, group_interval: 3s, repeat_interval: 1h}}
  receivers:
    - name: team
      slack_configs:
        - api_url: "{}"
          channel: '#ops'
          send_resolved: true
          text: '{{{{ range .Alerts }}}}{{{{ .Annotations.summary }}}}{{{{ end }}}}'
"#,
        target.address(),
        slack.url("/services/T000/B000/s3cretpath"),
    );
    let skopos = setup.config(&config).start();

    level.store(25, Ordering::Relaxed);
    let firing = wait_for("the message", LIMIT, || accepted.lock().expect("no panic while held").first().cloned());
    let attachment = &firing["attachments"][0];
    assert_eq!(attachment["text"], "Queue orders holds 25 entries", "{firing}");
    assert!(attachment["title"].as_str().is_some_and(|t| t.contains("FIRING:1") && t.contains("QueueTooLong")), "{firing}");
    assert_eq!(firing["channel"], "#ops");
    let seen = attempts.lock().expect("no panic while held").clone();
    assert_eq!(seen.iter().map(|a| a.1).collect::<Vec<_>>()[..3], [429, 429, 200]);
    for pair in seen.windows(2).take(2) {
        assert!(pair[1].0 - pair[0].0 >= Duration::from_millis(990), "Retry-After is kept: {:?}", pair[1].0 - pair[0].0);
    }

    let alerts = skopos.get("/api/v1/alerts").json();
    assert_eq!(alerts["data"]["alerts"][0]["state"], "firing", "{alerts}");
    assert_eq!(skopos.query("ALERTS{alertname=\"QueueTooLong\",alertstate=\"firing\",severity=\"critical\"}").len(), 1);

    level.store(3, Ordering::Relaxed);
    let resolved = wait_for("the resolved message", LIMIT, || accepted.lock().expect("no panic while held").get(1).cloned());
    assert!(resolved["attachments"][0]["title"].as_str().is_some_and(|t| t.contains("RESOLVED")), "{resolved}");
    skopos.wait_query("ALERTS{alertname=\"QueueTooLong\"}", LIMIT, <[Value]>::is_empty);
    assert_eq!(accepted.lock().expect("no panic while held").len(), 2, "two messages, no spam");

    // The webhook's address is a secret: nowhere to be read.
    for text in [
        skopos.log(),
        skopos.get("/api/v1/status/config").body,
        skopos.get("/api/v1/deliveries").body,
        skopos.get("/metrics").body,
        skopos.get("/api/v1/plugins").body,
    ] {
        assert!(!text.contains("s3cretpath"), "the webhook's address is shown: {text}");
    }
}
