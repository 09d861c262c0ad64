//! Debian's Prometheus on a directory of the test, and a target with native histograms.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use test_support::{Answer, Server, TempFolder, find_program, free_port, get, post, wait_for};

/// Longer than a scrape of the tests' targets may take.
pub(crate) const TOO_LONG: Duration = Duration::from_millis(1300);

/// A Prometheus that runs. Killed with its value.
pub(crate) struct Running {
    child: Child,
    port: u16,
}

impl Running {
    pub(crate) fn start(folder: &TempFolder, data: &str, config: &str) -> Self {
        let port = free_port();
        let file = folder.write(&format!("prometheus-{port}.yml"), config);
        let child = Command::new(find_program("prometheus").expect("it was there before"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join(data).display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-admin-api")
            .arg("--enable-feature=native-histograms,exemplar-storage")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Prometheus starts");
        let running = Self { child, port };
        wait_for("Prometheus", Duration::from_secs(60), || (get(&running.url("/-/ready")).status == 200).then_some(()));
        running
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Waits until a query has one answer that is good.
    pub(crate) fn wait_value(&self, query: &str, limit: Duration, good: impl Fn(f64) -> bool) {
        wait_for(query, limit, || {
            let answers = answers(&self.url(""), query, None);
            answers.values().next().and_then(|points| points.first()?.1.parse().ok()).filter(|value| good(*value))
        });
    }

    pub(crate) fn value_at(&self, query: &str, at: i64) -> String {
        let answers = answers(&self.url(""), query, Some((at, at, 1)));
        answers.values().next().and_then(|points| points.first()).map(|(_, value)| value.clone()).expect("there is an answer")
    }

    /// Deletes samples from one time to another, in Unix seconds.
    pub(crate) fn delete(&self, selector: &str, from: i64, to: i64) {
        let url = format!("/api/v1/admin/tsdb/delete_series?match[]={}&start={from}&end={to}", encode(selector));
        let answer = post(&self.url(&url), "text/plain", "");
        assert_eq!(answer.status, 204, "{url}");
    }

    pub(crate) fn kill(self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Times and values by the text of the labels.
pub(crate) type Answers = BTreeMap<String, Vec<(String, String)>>;

fn encode(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// What a server answers to a query now, or over a range of seconds.
pub(crate) fn answers(server: &str, query: &str, range: Option<(i64, i64, i64)>) -> Answers {
    let query = encode(query);
    // No sample lies on a step, where versions 2 and 3 differ in whether the border counts.
    let url = match range {
        None => format!("{server}/api/v1/query?query={query}"),
        Some((from, to, step)) => format!("{server}/api/v1/query_range?query={query}&start={from}.437&end={to}.437&step={step}"),
    };
    let answer = get(&url).json();
    assert_eq!(answer["status"], "success", "{url}: {answer}");
    let mut answers = Answers::new();
    for series in answer["data"]["result"].as_array().into_iter().flatten() {
        let points = series["values"].as_array().cloned().unwrap_or_else(|| vec![series["value"].clone()]);
        let histograms = series["histograms"].as_array().cloned().unwrap_or_default();
        let texts = points.iter().chain(&histograms).filter(|point| !point.is_null()).map(|point| {
            let value = point[1].as_str().map_or_else(|| point[1].to_string(), str::to_owned);
            (point[0].to_string(), value)
        });
        answers.insert(series["metric"].to_string(), texts.collect());
    }
    answers
}

/// Asks both servers the same of the hours before `end` and of the last minute, and returns how many answers were the same.
pub(crate) fn compare(theirs: &str, ours: &str, end: i64, newest: i64) -> usize {
    let queries = [
        "requests_total",
        "temperature",
        "{job=\"node\"}",
        "temperature{place=\"한강\"}",
        "rate(requests_total[5m])",
        "increase(requests_total{code!=\"200\"}[1h])",
        "sum by (job) (requests_total)",
        "resets(requests_total[2h])",
        "changes(temperature[30m])",
        "count_over_time({job=~\"web|node\"}[20m])",
        "max_over_time(temperature{place=\"lab\"}[10m])",
        "last_over_time(temperature[1h])",
        "requests_total offset 1h",
        "timestamp(temperature)",
        "absent(requests_total{code=\"404\"})",
        "max(requests_total)",
        "quantile_over_time(0.3, temperature[15m])",
        "count(temperature == Inf)",
    ];
    let live =
        ["live", "live_total", "up", "rate(live_total[10s])", "sum(live_total)", "count_over_time(live[10s])", "scrape_samples_scraped"];
    let old = queries.iter().map(|query| (*query, (end - 9 * 3600, end + 600, 97)));
    let new = live.iter().map(|query| (*query, (newest - 60, newest, 1)));
    let mut compared = 0;
    for (query, range) in old.chain(new) {
        let (theirs, ours) = (answers(theirs, query, Some(range)), answers(ours, query, Some(range)));
        assert!(!theirs.is_empty(), "{query} has no answer");
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "{query}: series");
        for (series, points) in &theirs {
            let found = &ours[series];
            assert_eq!(points.len(), found.len(), "{query}, {series}: points");
            for ((time, value), (found_time, found)) in points.iter().zip(found) {
                assert_eq!(time, found_time, "{query}, {series}");
                let close = match (value.parse::<f64>(), found.parse::<f64>()) {
                    (Ok(a), Ok(b)) => a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
                    _ => value == found,
                };
                assert!(close, "{query}, {series} at {time}: {value} and {found}");
            }
        }
        compared += 1;
    }
    compared
}

/// A target that speaks protobuf and has one native histogram, which grows with each scrape. The third takes too long.
pub(crate) struct HistogramTarget(Server);

impl HistogramTarget {
    pub(crate) fn start() -> Self {
        let scrapes = Arc::new(AtomicU64::new(0));
        Self(Server::start(move |_| {
            let n = scrapes.fetch_add(1, Ordering::Relaxed) + 1;
            if n == 3 {
                thread::sleep(TOO_LONG);
            }
            Answer::ok("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited", family(n))
        }))
    }

    pub(crate) fn address(&self) -> String {
        self.0.address().to_string()
    }
}

/// `MetricFamily` of the Prometheus client model, by its field numbers.
fn family(n: u64) -> Vec<u8> {
    let double = |number: u64, value: f64| [key(number, 1), value.to_le_bytes().to_vec()].concat();
    let span = |offset: i64, length: u64| [int(1, zigzag(offset)), int(2, length)].concat();
    // Buckets of n, 2n and 3n observations, as differences; 2n around zero.
    let deltas: Vec<u8> = [n as i64, n as i64, n as i64].iter().flat_map(|delta| varint(zigzag(*delta))).collect();
    let histogram = [
        int(1, 8 * n),
        double(2, n as f64 * 1.5),
        int(5, zigzag(1)),
        double(6, 0.001),
        int(7, 2 * n),
        bytes(12, &span(0, 2)),
        bytes(12, &span(2, 1)),
        bytes(13, &deltas),
    ]
    .concat();
    let metric = bytes(7, &histogram);
    let family = [bytes(1, b"latency"), bytes(2, b"How long."), int(3, 4), bytes(4, &metric)].concat();
    [varint(family.len() as u64), family].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn key(number: u64, kind: u64) -> Vec<u8> {
    varint(number << 3 | kind)
}

fn int(number: u64, value: u64) -> Vec<u8> {
    [key(number, 0), varint(value)].concat()
}

fn bytes(number: u64, content: &[u8]) -> Vec<u8> {
    [key(number, 2), varint(content.len() as u64), content.to_vec()].concat()
}
