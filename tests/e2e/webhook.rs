//! What the webhook posts is what Alertmanager posts: Debian's Alertmanager and Skopos get the same alerts and the same routes, and
//! both post to one server each; the bodies are compared value by value.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use test_support::{Answer, Server, Setup, Skopos, TempFolder, find_program, free_port, get, request, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LIMIT: Duration = Duration::from_secs(60);
/// What the peer says it is reachable by; Skopos says the same, so that the bodies can be equal.
const EXTERNAL_URL: &str = "http://alerts.example:9093";

/// Fields that Debian's version does not have yet.
const NEWER: [&str; 1] = ["notification_reason"];
/// Of alerts: ends are when each side was told, and each is told by another clock.
const OWN_TIMES: [&str; 1] = ["endsAt"];

/// The same on both sides. `PATH` becomes the case's name, so that one server can tell bodies apart.
fn alertmanager(server: &str, extra: &str, group_by: &str, secret: &str) -> String {
    format!(
        "route: {{receiver: 'team (서울)', group_by: [{group_by}], group_wait: 2s, group_interval: 2s, repeat_interval: 1h}}\n\
         receivers:\n  - name: 'team (서울)'\n    webhook_configs:\n      - {{url: '{server}/{secret}', send_resolved: true{extra}}}\n"
    )
}

/// Keeps the bodies it gets.
fn collector() -> (Server, Arc<Mutex<Vec<Value>>>) {
    let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = Arc::clone(&bodies);
    let server = Server::start(move |asked| {
        let json = asked.headers.iter().any(|(name, value)| name == "content-type" && value == "application/json");
        match serde_json::from_str(&asked.body) {
            Ok(body) if json && asked.method == "POST" => {
                kept.lock().expect("no panic while held").push(body);
                Answer::status(200, "")
            }
            _ => Answer::status(400, "not what was agreed"),
        }
    });
    (server, bodies)
}

/// Debian's Alertmanager on a free port.
struct Peer {
    child: Child,
    url: String,
    _folder: TempFolder,
}

impl Peer {
    fn start(config: &str) -> Option<Self> {
        let program = find_program("prometheus-alertmanager")?;
        let folder = TempFolder::new("alertmanager");
        let file = folder.write("alertmanager.yml", config);
        let port = free_port();
        let child = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--web.external-url={EXTERNAL_URL}"))
            .arg("--web.route-prefix=/")
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("alertmanager starts");
        let peer = Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder };
        wait_for("alertmanager", LIMIT, || (get(&format!("{}/-/ready", peer.url)).status == 200).then_some(()));
        Some(peer)
    }

    /// Sends the alerts of a body of Skopos' on, as its rules would have.
    fn tell(&self, alerts: &[Value]) {
        let alerts: Vec<Value> = alerts
            .iter()
            .map(|alert| {
                let mut told = json!({
                    "labels": alert["labels"], "annotations": alert["annotations"],
                    "startsAt": alert["startsAt"], "generatorURL": alert["generatorURL"],
                });
                if alert["status"] == "resolved" {
                    told["endsAt"] = alert["endsAt"].clone();
                }
                told
            })
            .collect();
        let answer =
            request("POST", &format!("{}/api/v2/alerts", self.url), &[("content-type", "application/json")], &json!(alerts).to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Case {
    name: &'static str,
    /// Further keys of the receiver.
    extra: &'static str,
    group_by: &'static str,
    /// Values of the gauge, by queue.
    queues: &'static [(&'static str, u32)],
    rule: &'static str,
}

const RULE: &str = "- {alert: QueueTooLong, expr: queue_length > 10, labels: {severity: critical}, annotations: \
    {summary: 'Queue {{ $labels.queue }} holds {{ $value }} entries', note: '<b>&amp; \"quoted\"'}}";
const KOREAN: &str = "- {alert: 대기열초과, expr: queue_length > 10, labels: {팀: 결제}, annotations: \
    {요약: '대기열 {{ $labels.queue }}에 {{ $value }}건이 쌓였습니다 🚨'}}";
/// Label names that are no ASCII are refused by Debian's version; values and annotations are not.
const KOREAN_VALUES: &str = "- {alert: 대기열초과, expr: queue_length > 10, labels: {team: 결제}, annotations: \
    {summary: '대기열 {{ $labels.queue }}에 {{ $value }}건이 쌓였습니다 🚨'}}";

fn setup(case: &Case, server: &Server, target: &Server) -> Skopos {
    let setup = Setup::new(BINARY, "webhook").argument(format!("--web.external-url={EXTERNAL_URL}"));
    setup.folder().write("rules.yml", format!("groups:\n  - name: queues\n    interval: 1s\n    rules:\n      {}\n", case.rule));
    let inner = alertmanager(&server.url(""), case.extra, case.group_by, "s3cretpath").replace('\n', "\n  ");
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n  \
         - job_name: shop\n    static_configs: [{{targets: ['{}']}}]\nalertmanager:\n  {inner}",
        target.address()
    );
    setup.config(&config).start()
}

/// Without what is listed above as necessarily different.
fn comparable(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| !NEWER.contains(&name.as_str()));
    }
    for alert in body["alerts"].as_array_mut().into_iter().flatten() {
        if alert["status"] == "resolved" {
            for name in OWN_TIMES {
                alert[name] = json!("some time");
            }
        }
    }
    body
}

fn same(case: &str, ours: &Value, theirs: &Value) {
    let differing: Vec<String> =
        ["/receiver", "/groupKey", "/status", "/groupLabels", "/commonLabels", "/commonAnnotations", "/externalURL", "/truncatedAlerts"]
            .iter()
            .filter(|pointer| ours.pointer(pointer) != theirs.pointer(pointer))
            .map(|pointer| format!("{pointer}: ours {:?}, theirs {:?}", ours.pointer(pointer), theirs.pointer(pointer)))
            .collect();
    assert_eq!(comparable(ours), comparable(theirs), "{case}: {differing:?}");
}

fn run(case: &Case) -> bool {
    let gauge: BTreeMap<&str, u32> = case.queues.iter().copied().collect();
    let gauge = Arc::new(Mutex::new(gauge));
    let shown = Arc::clone(&gauge);
    let target = Server::start(move |_| {
        let lines = shown
            .lock()
            .expect("no panic while held")
            .iter()
            .map(|(queue, n)| format!("queue_length{{queue=\"{queue}\"}} {n}\n"))
            .collect::<String>();
        Answer::metrics(lines)
    });
    let (our_server, ours) = collector();
    let (their_server, theirs) = collector();
    let Some(peer) = Peer::start(&alertmanager(&their_server.url(""), case.extra, case.group_by, "x")) else { return false };
    let skopos = setup(case, &our_server, &target);
    let first = wait_for(case.name, LIMIT, || ours.lock().expect("no panic while held").first().cloned());
    // What max_alerts cuts off is told by the API.
    let firing = skopos.get("/api/v1/alerts").json();
    let active = firing["data"]["alerts"].as_array().cloned().unwrap_or_default();
    assert_eq!(active.len(), case.queues.len(), "{firing}");
    let told: Vec<Value> = if first["truncatedAlerts"] == 0 {
        first["alerts"].as_array().cloned().unwrap_or_default()
    } else {
        let shown = &first["alerts"][0];
        active
            .iter()
            .map(|alert| json!({"labels": alert["labels"], "annotations": alert["annotations"], "startsAt": shown["startsAt"], "generatorURL": shown["generatorURL"]}))
            .collect()
    };
    peer.tell(&told);
    // The peer has waited for a group when its first alert began so long ago, which it did; where it is at that between two of them, its
    // first message has a part of the group, and the next one all.
    let count = |body: &Value| body["alerts"].as_array().map_or(0, Vec::len) as u64 + body["truncatedAlerts"].as_u64().unwrap_or(0);
    let whole = |bodies: &[Value]| bodies.iter().position(|body| count(body) == told.len() as u64).map(|at| (at, bodies[at].clone()));
    let (at, their_first) = wait_for(case.name, LIMIT, || whole(&theirs.lock().expect("no panic while held")));
    same(case.name, &first, &their_first);
    assert_eq!(first["notification_reason"], "first notification");
    // One is over, or the only one.
    if let Some((queue, _)) = case.queues.first() {
        gauge.lock().expect("no panic while held").insert(queue, 1);
    }
    let second = wait_for("the end of one", LIMIT, || ours.lock().expect("no panic while held").get(1).cloned());
    let reason = if case.queues.len() == 1 { "all alerts resolved" } else { "some alerts resolved" };
    assert_eq!(second["notification_reason"], reason, "{second}");
    if second["truncatedAlerts"] == 0 {
        peer.tell(second["alerts"].as_array().map_or(&[][..], Vec::as_slice));
        let their_second = wait_for("the end of one", LIMIT, || theirs.lock().expect("no panic while held").get(at + 1).cloned());
        same(&format!("{}, resolved", case.name), &second, &their_second);
        assert!(second["alerts"].as_array().is_some_and(|alerts| alerts.iter().any(|alert| alert["status"] == "resolved")), "{second}");
    }
    for text in [
        skopos.log(),
        skopos.get("/api/v1/status/config").body,
        skopos.get("/api/v1/deliveries").body,
        skopos.get("/metrics").body,
        skopos.get("/api/v1/plugins").body,
    ] {
        assert!(!text.contains("s3cretpath") && !text.contains("hunter2"), "the webhook's secrets are shown: {text}");
    }
    let signed = our_server.asked().iter().all(|asked| asked.headers.iter().any(|(n, v)| n == "authorization" && v == "Bearer hunter2"));
    assert!(signed || !case.extra.contains("hunter2"), "{}: credentials are sent", case.name);
    true
}

#[test]
fn bodies_are_alertmanagers() {
    let cases = [
        Case {
            name: "one alert",
            extra: ", http_config: {authorization: {credentials: hunter2}}",
            group_by: "alertname",
            queues: &[("orders", 25)],
            rule: RULE,
        },
        Case {
            name: "several in a group",
            extra: "",
            group_by: "alertname, severity",
            queues: &[("orders", 25), ("mail", 11), ("audit", 999)],
            rule: RULE,
        },
        Case {
            name: "max_alerts",
            extra: ", max_alerts: 2",
            group_by: "alertname",
            queues: &[("a", 25), ("b", 11), ("c", 12), ("d", 13)],
            rule: RULE,
        },
        Case { name: "Korean", extra: "", group_by: "alertname, team", queues: &[("주문", 25)], rule: KOREAN_VALUES },
        Case { name: "no group labels", extra: "", group_by: "", queues: &[("orders", 25), ("mail", 12)], rule: RULE },
    ];
    let (mut passed, mut skipped) = (0, 0);
    for case in &cases {
        if run(case) {
            passed += 1
        } else {
            skipped += 1
        }
        println!("{}: compared", case.name);
    }
    println!("webhook bodies against Debian's Alertmanager: {passed} passed, 0 failed, {skipped} skipped");
}

#[test]
fn a_payload_of_ones_own_arrives_expanded() {
    let (server, bodies) = collector();
    let target = Server::start(|_| Answer::metrics("queue_length{queue=\"orders\"} 25\n"));
    let extra = ", payload: {text: '{{ .Status }}: {{ .CommonLabels.alertname }}', count: '{{ len .Alerts }}', fixed: [1, true, a]}";
    let case = Case { name: "payload", extra, group_by: "alertname", queues: &[("orders", 25)], rule: KOREAN };
    let _skopos = setup(&case, &server, &target);
    let body = wait_for("the message", LIMIT, || bodies.lock().expect("no panic while held").first().cloned());
    assert_eq!(body, json!({"text": "firing: 대기열초과", "count": 1, "fixed": [1, true, "a"]}));
}
