//! Skopos and Debian's Prometheus over one target, whose samples carry times of their own, so that both have the same ones.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use test_support::{Answer, Prometheus, Server, Setup, Skopos, get, wait_for};

/// Between samples, in seconds.
pub(crate) const STEP: i64 = 15;
/// Samples of each series.
pub(crate) const SAMPLES: i64 = 40;

pub(crate) struct Pair {
    pub(crate) skopos: Skopos,
    pub(crate) prometheus: Prometheus,
    /// The time of the first sample, Unix seconds.
    pub(crate) base: i64,
    _target: Server,
}

/// What the target exposes: all samples of all series, from the oldest to the newest.
fn exposition(base: i64) -> String {
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, help: &str, series: &[(String, &dyn Fn(i64) -> String)]| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in series {
            for at in 0..SAMPLES {
                let time = base + at * STEP;
                let exemplar = if labels.contains("le=\"1.0\"") { format!(" # {{trace_id=\"t{at}\"}} 0.5 {time}") } else { String::new() };
                let _ = writeln!(out, "{labels} {} {time}{exemplar}", value(at));
            }
        }
    };
    let requests: Vec<(String, f64)> = ["get", "post", "put"]
        .iter()
        .flat_map(|method| ["200", "404", "500"].map(|code| (format!("http_requests_total{{method=\"{method}\",code=\"{code}\"}}"), code)))
        .enumerate()
        .map(|(at, (labels, _))| (labels, at as f64 + 1.0))
        .collect();
    let counters: Vec<Box<dyn Fn(i64) -> String>> = requests
        .iter()
        .map(|(_, slope)| {
            let slope = *slope;
            // One of them begins anew half-way.
            Box::new(move |at: i64| format!("{}", (if slope > 8.5 && at >= SAMPLES / 2 { at - SAMPLES / 2 } else { at }) as f64 * slope))
                as Box<_>
        })
        .collect();
    let series: Vec<(String, &dyn Fn(i64) -> String)> =
        requests.iter().zip(&counters).map(|((labels, _), value)| (labels.clone(), &**value)).collect();
    family("http_requests", "counter", "Requests, by method and code.", &series);
    let wave = |at: i64| format!("{}", 20.0 + ((at * 7) % 11) as f64 / 4.0);
    let minus = |at: i64| format!("{}", -((at * 3) % 5) as f64);
    family(
        "temperature_celsius",
        "gauge",
        "How warm it is.",
        &[("temperature_celsius{room=\"kitchen\"}".into(), &wave), ("temperature_celsius{room=\"garage \\\"old\\\"\"}".into(), &minus)],
    );
    let odd = |at: i64| ["NaN", "+Inf", "-Inf", "1e300", "1e-300"][(at % 5) as usize].to_owned();
    let one = |_: i64| "1".to_owned();
    family("odd_values", "gauge", "All kinds.", &[("odd_values{label_x=\"x\"}".into(), &odd)]);
    family("build_info", "gauge", "One.", &[("build_info{version=\"1.2.3\",text=\"한국어\"}".into(), &one)]);
    let (low, high, all) = (|at: i64| format!("{at}"), |at: i64| format!("{}", at * 3), |at: i64| format!("{}", at * 4));
    let sum = |at: i64| format!("{}", at as f64 * 1.25);
    family(
        "latency_seconds",
        "histogram",
        "How long it takes.",
        &[
            ("latency_seconds_bucket{le=\"0.1\"}".into(), &low),
            ("latency_seconds_bucket{le=\"1.0\"}".into(), &high),
            ("latency_seconds_bucket{le=\"+Inf\"}".into(), &all),
            ("latency_seconds_count".into(), &all),
            ("latency_seconds_sum".into(), &sum),
        ],
    );
    out.push_str("# EOF\n");
    out
}

const RULES: &str = r#"
groups:
- name: first
  interval: 1s
  rules:
  - {record: "job:up:sum", expr: "sum by (job) (up)", labels: {team: a}}
  - {alert: Always, expr: "vector(7) > 1", labels: {severity: page}, annotations: {summary: "value is {{ $value }}"}}
  - {alert: Later, expr: "vector(1)", for: 1h, labels: {severity: "{{ $value }}"}}
  - {alert: Never, expr: "vector(0) > 1"}
- name: second
  interval: 1s
  limit: 5
  rules:
  - {record: "two", expr: "vector(2)"}
"#;

impl Pair {
    /// None where there is no Prometheus. Waits until both have everything.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let base = (i64::try_from(now).expect("small") - SAMPLES * STEP - 60) / 60 * 60;
        let body = exposition(base);
        let target = Server::start(move |_| Answer::ok("application/openmetrics-text; version=1.0.0; charset=utf-8", body.clone()));
        let setup = Setup::new(env!("CARGO_BIN_EXE_skopos"), name);
        let rules = setup.folder().write("rules.yml", RULES);
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{site: lab}}}}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n\
             - job_name: app\n  static_configs: [{{targets: ['{}'], labels: {{env: test}}}}]\n\
             - job_name: gone\n  scrape_interval: 30s\n  static_configs: [{{targets: ['127.0.0.1:1', 'dropped:1']}}]\n  \
             relabel_configs: [{{source_labels: [__address__], regex: 'dropped:1', action: drop}}]\n",
            rules.display(),
            target.address()
        );
        let arguments = ["--enable-feature=exemplar-storage", "--web.enable-admin-api", "--web.enable-lifecycle"];
        let prometheus = Prometheus::start_with(&config, &arguments)?;
        let skopos = setup.config(&config).argument("--web.enable-admin-api").argument("--web.enable-lifecycle").start();
        let pair = Self { skopos, prometheus, base, _target: target };
        let last = base + (SAMPLES - 1) * STEP;
        for url in [pair.skopos.url(""), pair.prometheus.url("")] {
            let has = |query: &str| {
                !get(&format!("{url}/api/v1/query?query={query}")).json()["data"]["result"].as_array().is_none_or(Vec::is_empty)
            };
            wait_for("samples", Duration::from_secs(60), || {
                let newest = format!(
                    "count(latency_seconds_sum%20@%20{last}%20)%20and%20count(up==0)%20and%20ALERTS%7Balertname=%22Always%22,alertstate=%22firing%22%7D%20or%20on()%20(job:up:sum)"
                );
                (has(&newest) && has("ALERTS%7Balertstate=%22pending%22%7D") && has("two") && has("up==0")).then_some(())
            });
        }
        Some(pair)
    }
}
