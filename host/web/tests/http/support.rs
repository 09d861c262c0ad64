//! A server over fakes: storage in memory, one board, one panel plugin, one plugin that serves HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request};
use model::seams::{BoxFuture, HandlerRequest, HandlerResponse, HttpHandler, PanelRender, PluginError};
use model::view::{PanelRequest, Rendering, View};
use model::{LabelSet, ManualClock};
use promql::Memory;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt;
use web::{Access, BuildInfo, Limits, MountedHandler, RuntimeInfo, State, router};

/// Ten minutes of data begin at zero; this is near their end.
pub(crate) const NOW: i64 = 600_000;

/// Answers an SVG that repeats what it was asked.
struct Echo;

impl PanelRender for Echo {
    fn render(&self, request: PanelRequest) -> BoxFuture<'_, Result<Rendering, PluginError>> {
        Box::pin(async move {
            if request.options.contains("boom") {
                return Err(PluginError::Failed("the plugin trapped".to_owned()));
            }
            Ok(Rendering { view: View::Svg(format!("{} {}", request.width, request.options)), frames: Vec::new() })
        })
    }
}

/// Answers what it was asked as text, with headers that must not get through.
pub(crate) struct Handler;

impl HttpHandler for Handler {
    fn handle(&self, request: HandlerRequest) -> BoxFuture<'_, HandlerResponse> {
        Box::pin(async move {
            let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
            let body = format!(
                "{} {}|{}|{:?}|{}|{}|{}",
                request.method,
                request.mount,
                request.path,
                request.query,
                request.remote,
                request.body.len(),
                ["cookie", "authorization", "x-skopos-token"].iter().any(|secret| names.contains(secret))
            );
            let headers = [
                ("content-type", "text/html"),
                ("set-cookie", "a=b"),
                ("content-security-policy", "default-src *"),
                ("bad\nname", "x"),
                ("Clear-Site-Data", "\"*\""),
                ("strict-transport-security", "max-age=9"),
                ("alt-svc", "h2=\"evil.example:443\""),
                ("nel", "{\"report_to\":\"e\",\"max_age\":9}"),
                ("report-to", "{\"group\":\"e\"}"),
                ("service-worker-allowed", "/"),
                ("x-of-its-own", "1"),
            ];
            let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            HandlerResponse { status: 200, headers, body: body.into_bytes() }
        })
    }
}

pub(crate) fn mounted() -> MountedHandler {
    MountedHandler { name: "opengraph".into(), routes: vec!["/api/v1/scrap".into()], body_bytes: 100, handler: Arc::new(Handler) }
}

const BOARD: &str = r#"{
  "uid": "home", "title": "Home", "tags": ["a"], "time": {"from": "now-5m", "to": "now"}, "refresh": "5s",
  "templating": {"list": [
    {"name": "job", "type": "query", "query": "label_values(up, job)", "multi": true, "includeAll": true, "sort": 1},
    {"name": "instance", "type": "query", "query": "label_values(up{job=~\"$job\"}, instance)"},
    {"name": "step", "type": "interval", "query": "1m,5m", "auto": true, "auto_count": 10, "auto_min": "10s"},
    {"name": "broken", "type": "query", "query": "label_values(up{, job)"}]},
  "panels": [
    {"id": 1, "type": "timeseries", "title": "CPU of $job", "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8}, "options": {"for": "$job"},
     "targets": [{"refId": "A", "expr": "up{job=~\"$job\"}", "legendFormat": "{{instance}}"}]},
    {"id": 2, "type": "gauge", "title": "none", "targets": [{"expr": "up"}]},
    {"id": 3, "type": "timeseries", "title": "empty", "targets": [{"expr": "rate(nothing[5m])"}]},
    {"id": 4, "type": "timeseries", "title": "bad", "targets": [{"expr": "up{"}]},
    {"id": 5, "type": "timeseries", "title": "half", "targets": [{"refId": "A", "expr": "up{"}, {"refId": "B", "expr": "up"}]},
    {"id": 6, "type": "timeseries", "title": "trap", "options": {"x": "boom"}, "targets": [{"expr": "up"}]},
    {"id": 7, "type": "row", "title": "row"},
    {"id": 8, "type": "singlestat", "gauge": {"show": true}, "title": "was a gauge", "targets": [{"expr": "up", "instant": true}]},
    {"id": 9, "type": "timeseries", "title": "wrong label", "targets": [{"expr": "up{job=\"zzz\"}"}]}
  ]}"#;

/// What tests look at from outside.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) not_ready: Arc<AtomicBool>,
    pub(crate) reloads: Arc<AtomicUsize>,
}

pub(crate) fn state(seen: &Seen) -> State {
    let memory = Memory::new();
    for (series, points) in [
        (r#"up{job="node",instance="a:1"}"#, "1+0x40"),
        (r#"up{job="node",instance="b:1"}"#, "0+0x40"),
        (r#"up{job="web",instance="c:1"}"#, "1+0x40"),
        (r#"odd{job="web",path="/\"q\""}"#, "0.5+0x40"),
    ] {
        memory.load_text(series, points, 15_000).expect("good series");
    }
    let board = Arc::new(vec![Arc::new(dashboards::import(BOARD).expect("a good board"))]);
    let handlers = Arc::new(vec![mounted()]);
    let (not_ready, reloads) = (Arc::clone(&seen.not_ready), Arc::clone(&seen.reloads));
    State {
        select: Arc::new(memory),
        clock: Arc::new(ManualClock::at(NOW)),
        targets: Arc::new(fakes::targets),
        metadata: Arc::new(fakes::metadata),
        rules: Arc::new(fakes::rules),
        deliveries: Arc::new(Vec::new),
        receivers: Arc::new(|| {
            vec![alerting::ReceiverSnapshot { name: "team".into(), integrations: vec!["slack".into(), "webhook".into()] }]
        }),
        test_receiver: Arc::new(|name| {
            let known = name == "team";
            Box::pin(async move {
                if !known {
                    return Err(alerting::TestError::UnknownReceiver("no receiver is called that".to_owned()));
                }
                let result = |integration: &str, error: &str| alerting::TestResult {
                    integration: integration.into(),
                    ok: error.is_empty(),
                    error: error.into(),
                };
                Ok(vec![result("slack[0]", ""), result("webhook[0]", "refused")])
            })
        }),
        plugins: Arc::new(|| serde_json::json!({"plugins": []})),
        panels: Arc::new(|name| match name {
            "timeseries" | "stat" => Ok(Arc::new(Echo)),
            name => Err(PluginError::Missing(name.to_owned())),
        }),
        dashboards: Arc::new(move || Arc::clone(&board)),
        handlers: Arc::new(move || Arc::clone(&handlers)),
        metrics: Arc::new(|| "skopos_up 1\n".to_owned()),
        plugin_metrics: Arc::new(|name| (name == "opengraph").then(|| "og_calls 1\n".to_owned())),
        reload: Arc::new(move || {
            let count = reloads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Box::pin(async move { if count == 0 { Ok(()) } else { Err("line 3: no".to_owned()) } })
        }),
        quit: Arc::new(|| {}),
        ready: Arc::new(move || !not_ready.load(std::sync::atomic::Ordering::SeqCst)),
        config_yaml: Arc::new(|| "global: {}\n".to_owned()),
        runtime: Arc::new(|| RuntimeInfo { reload_ok: true, retention: "15d".into(), ..RuntimeInfo::default() }),
        tsdb_status: None,
        tsdb_blocks: Arc::new(|| serde_json::json!({"blocks": []})),
        admin: None,
        flags: BTreeMap::from([("web.listen-address".to_owned(), "127.0.0.1:9090".to_owned())]),
        build: BuildInfo { compatible_version: "3.4.0".into(), version: "0.1.0".into(), ..BuildInfo::default() },
        enable_lifecycle: true,
        relabel_rules: Arc::new(|pool| {
            let rules =
                yaml::parse("[{source_labels: [__address__], target_label: instance}, {regex: gone, source_labels: [job], action: drop}]");
            let rules = scrape::relabel::rules_from_node(Some(&rules.expect("YAML")), "rule", false).expect("good rules");
            (pool == "node").then_some(rules)
        }),
        pool_config: Arc::new(|pool| (pool == "node").then(|| "job_name: node\n".to_owned())),
        chunker: Arc::new(|_, _| Vec::new()),
        cors_origin: None,
        remote_write: Arc::new(|| None),
        otlp: Arc::new(|| None),
        access: Arc::new(Access::new(true).expect("random numbers")),
        external_url: String::new(),
        route_prefix: String::new(),
        listen: vec!["127.0.0.1:9090".to_owned()],
        external_labels: LabelSet::from_pairs([("site", "lab")]),
        scrape_interval_ms: Arc::new(|| 15_000),
        limits: Limits::default(),
        queries: web::Queries::new(Arc::new(ManualClock::at(NOW)), Limits::default().queries, None),
    }
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// One request to a server, for its body piece by piece.
pub(crate) async fn open(state: State, request: &str) -> axum::response::Response {
    through(router(state), request, &[], "").await
}

/// One request to a server that goes on.
pub(crate) async fn through(router: web::Router, request: &str, headers: &[(&str, &str)], body: &str) -> axum::response::Response {
    let (method, path) = request.split_once(' ').expect("METHOD path");
    let mut builder = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", "localhost:9090");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let mut request = builder.body(Body::from(body.to_owned())).expect("a good request");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 4711))));
    router.oneshot(request).await.expect("the router always answers")
}

/// The same server with one user, whose password is `secret`.
pub(crate) fn with_users(state: State, user: &str) -> State {
    let hash = bcrypt::hash("secret", 4).expect("a hash");
    let node = yaml::parse(&format!("basic_auth_users: {{{user}: '{hash}'}}")).expect("YAML");
    let access = Access::new(true).expect("random numbers");
    access.apply(web::WebConfig::from_node(&node, std::path::Path::new("")).expect("a good configuration"));
    State { access: Arc::new(access), ..state }
}

/// One request to a server. `request` is `METHOD path`; `headers` are added to `Host: localhost:9090`.
pub(crate) async fn ask_of(state: State, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (parts, body) = through(router(state), request, headers, body).await.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 24).await.expect("a whole body");
    let body = if parts.headers.get("content-encoding").is_some() {
        format!("{} bytes of gzip", bytes.len())
    } else {
        String::from_utf8(bytes.to_vec()).expect("text")
    };
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// One request to a server as most tests want it.
pub(crate) async fn ask(request: &str) -> Answer {
    ask_of(state(&Seen::default()), request, &[], "").await
}

mod fakes {
    use model::LabelSet;
    use rules::snapshot::{ActiveAlert, AlertingRuleSnapshot, GroupSnapshot, RuleHealth, RuleSnapshot};
    use scrape::FamilyMetadata;
    use scrape::snapshot::{ActiveTarget, DroppedTarget, Health, TargetMetadata, TargetsSnapshot};

    pub(super) fn metadata() -> Vec<TargetMetadata> {
        let family = |name: &str, kind: model::FamilyKind, help: &str, unit: &str| {
            std::sync::Arc::new(FamilyMetadata { name: name.into(), kind, help: help.into(), unit: unit.into() })
        };
        let target = |job: &str, families: Vec<std::sync::Arc<FamilyMetadata>>| TargetMetadata {
            labels: LabelSet::from_pairs([("job", job)]),
            families: families.into(),
        };
        let on = |kind, help| family("on", kind, help, "");
        let seconds = family("work_seconds", model::FamilyKind::Counter, "", "seconds");
        vec![
            target("a", vec![on(model::FamilyKind::Gauge, "Is it up?"), seconds]),
            target("b", vec![on(model::FamilyKind::Unknown, "Really up?")]),
        ]
    }

    pub(super) fn targets() -> TargetsSnapshot {
        let labels = LabelSet::from_pairs([("job", "node"), ("instance", "a:1")]);
        let active = ActiveTarget {
            discovered_labels: LabelSet::from_pairs([("__address__", "a:1")]),
            labels,
            pool: "node".into(),
            scrape_url: "http://a:1/metrics".into(),
            global_url: "http://a:1/metrics".into(),
            last_error: String::new(),
            refused_series: None,
            last_scrape: Some(1_700_000_000_123),
            last_scrape_duration_seconds: 0.25,
            last_scrape_late_seconds: 0.5,
            health: Health::Up,
            interval_ms: 15_000,
            timeout_ms: 10_000,
        };
        let dropped = DroppedTarget { discovered_labels: LabelSet::from_pairs([("__address__", "b:1")]), pool: "node".into() };
        TargetsSnapshot { active: vec![active], dropped: vec![dropped], pools: vec!["web".into(), "node".into()] }
    }

    fn rule(name: &str, alerts: Option<Vec<ActiveAlert>>) -> RuleSnapshot {
        RuleSnapshot {
            name: name.into(),
            query: "up == 0".into(),
            labels: LabelSet::from_pairs([("severity", "page")]),
            health: RuleHealth::Ok,
            last_error: String::new(),
            evaluation_seconds: 0.001,
            last_evaluation: Some(1_700_000_000_000),
            alerting: alerts.map(|alerts| AlertingRuleSnapshot {
                for_ms: 300_000,
                keep_firing_for_ms: 0,
                annotations: LabelSet::empty(),
                alerts,
            }),
        }
    }

    pub(super) fn rules() -> Vec<GroupSnapshot> {
        let alert = ActiveAlert {
            labels: LabelSet::from_pairs([("alertname", "Down")]),
            annotations: LabelSet::empty(),
            firing: true,
            active_at: 1_700_000_000_000,
            keep_firing_since: None,
            value: 1.0,
        };
        let group = |name: &str, rules| GroupSnapshot {
            name: name.into(),
            file: "rules.yml".into(),
            interval_ms: 15_000,
            limit: 0,
            rules,
            evaluation_seconds: 0.002,
            last_evaluation: None,
        };
        vec![group("a", vec![rule("Down", Some(vec![alert])), rule("job:up:sum", None)]), group("b", vec![rule("Quiet", Some(vec![]))])]
    }
}

/// A server over TCP until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub(crate) async fn of(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(web::serve(listener, web::router(state), 5000, None, async move {
            let _ = stopped.await;
        }));
        Self { address, _stop: stop }
    }
}
