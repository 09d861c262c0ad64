//! What both are asked.

use std::fmt;

use test_support::{HttpAnswer, request};

use crate::compare::Level;
use crate::pair::{SAMPLES, STEP};

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) path: String,
    /// The body of a POST, a form.
    pub(crate) form: Option<String>,
    pub(crate) level: Level,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        self.form.as_ref().map_or(Ok(()), |form| write!(f, " [{form}]"))
    }
}

impl Call {
    pub(crate) fn ask(&self, base: &str) -> HttpAnswer {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let headers: &[(&str, &str)] = if self.form.is_some() { &form } else { &[] };
        request(self.method, &format!("{base}{}", self.path), headers, self.form.as_deref().unwrap_or_default())
    }
}

/// Percent-encodes what is not plain.
pub(crate) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// `a=b&c=d` of pairs.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

pub(crate) struct Calls(pub(crate) Vec<Call>);

impl Calls {
    pub(crate) fn get(&mut self, level: Level, path: &str, pairs: &[(&str, &str)]) {
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", form(pairs)) };
        self.0.push(Call { method: "GET", path: format!("{path}{query}"), form: None, level });
    }

    pub(crate) fn post(&mut self, level: Level, path: &str, pairs: &[(&str, &str)]) {
        self.0.push(Call { method: "POST", path: path.to_owned(), form: Some(form(pairs)), level });
    }

    fn both(&mut self, level: Level, path: &str, pairs: &[(&str, &str)]) {
        self.get(level, path, pairs);
        self.post(level, path, pairs);
    }
}

const TIMES_BAD: [&str; 9] = ["abc", "NaN", "Inf", "-Inf", "2023-13-01T00:00:00Z", "2023-11-14 22:13:20", "1h", "0x10", "1_000"];
const DURATIONS_BAD: [&str; 7] = ["abc", "-", "1x", "NaN", "1e300", "1h 30m", "5"];
const SELECTORS_BAD: [&str; 9] = ["", "{}", "{a=~\".*\"}", "up[5m]", "sum(up)", "up{", "{a=~\"(\"}", "up offset 5m", "1"];
const QUERIES_BAD: [&str; 40] = [
    "",
    " ",
    "up{",
    "up}",
    "(",
    ")",
    "1 +",
    "sum(",
    "foo(1)",
    "rate(up)",
    "rate(up[5m]",
    "up[5m",
    "up[]",
    "up[5x]",
    "up{a}",
    "up{a=}",
    "up{a='b}",
    "up{a=~'('}",
    "1 and 2",
    "up + on(a) group_left(a) up",
    "sum(1)",
    "topk(up)",
    "histogram_quantile(up, 1)",
    "up offset",
    "up @",
    "\"a\" + 1",
    "-\"a\"",
    "up or 1",
    "bool 1",
    "1 == 1",
    "{}",
    "{a=\"\"}",
    "vector(\"a\")",
    "label_replace(up, \"a\")",
    "up by (a)",
    "sum by up",
    "absent(1)",
    "time(1)",
    "#",
    "up[5m:]:",
];
const QUERIES: [&str; 47] = [
    "1",
    "\"text\"",
    "1.5e3",
    "-1",
    "0x1f",
    "Inf",
    "NaN",
    "1/0",
    "time() - time()",
    "vector(1)",
    "http_requests_total",
    "temperature_celsius",
    "http_requests_total{method=\"get\"}",
    "http_requests_total{code=~\"4..|5..\"}",
    "http_requests_total{method!=\"get\",code!~\"2.*\"}",
    "sum(http_requests_total)",
    "sum by (method) (http_requests_total)",
    "avg without (code) (http_requests_total)",
    "topk(2, http_requests_total)",
    "bottomk(1, temperature_celsius)",
    "quantile(0.5, http_requests_total)",
    "count_values(\"value\", http_requests_total)",
    "stddev(http_requests_total)",
    "max(temperature_celsius) - min(temperature_celsius)",
    "rate(http_requests_total[97s])",
    "increase(http_requests_total[97s])",
    "irate(http_requests_total[97s])",
    "delta(temperature_celsius[97s])",
    "deriv(temperature_celsius[97s])",
    "avg_over_time(temperature_celsius[97s])",
    "max_over_time(temperature_celsius[97s])",
    "quantile_over_time(0.9, temperature_celsius[97s])",
    "resets(http_requests_total[277s])",
    "changes(temperature_celsius[97s])",
    "histogram_quantile(0.9, rate(latency_seconds_bucket[97s]))",
    "odd_values",
    "build_info",
    "http_requests_total > 100",
    "http_requests_total > bool 100",
    "absent(nothing)",
    "nothing",
    "http_requests_total / on (method, code) http_requests_total",
    "http_requests_total and on (method) http_requests_total{code=\"200\"}",
    "label_replace(build_info, \"major\", \"$1\", \"version\", \"(\\\\d+).*\")",
    "sort_desc(http_requests_total)",
    "temperature_celsius offset 1m",
    "max_over_time(rate(http_requests_total[97s])[3m:37s])",
];

/// All calls, with times around the samples that begin at `base`.
pub(crate) fn all(base: i64) -> Vec<Call> {
    use Level::{Shape, Status, Text, Values};
    let mut calls = Calls(Vec::new());
    // Between samples, so that it does not matter on which side a window is open.
    let at = format!("{}.5", base + (SAMPLES - 3) * STEP + 7);
    let (start, end) = (format!("{}.5", base + 7 + 8 * STEP), at.clone());
    let range = [("start", start.as_str()), ("end", end.as_str())];

    // Queries, good and bad.
    for query in QUERIES {
        calls.both(Values, "/api/v1/query", &[("query", query), ("time", &at)]);
        calls.both(Values, "/api/v1/query_range", &[("query", query), range[0], range[1], ("step", "37")]);
    }
    for query in QUERIES_BAD {
        calls.both(Values, "/api/v1/query", &[("query", query), ("time", &at)]);
        calls.get(Values, "/api/v1/query_range", &[("query", query), range[0], range[1], ("step", "37")]);
        calls.get(Values, "/api/v1/query_exemplars", &[("query", query), range[0], range[1]]);
    }
    for query in QUERIES.iter().chain(&QUERIES_BAD) {
        calls.get(Values, "/api/v1/format_query", &[("query", query)]);
    }
    for kind in ["up[5m]", "\"a\""] {
        calls.get(Values, "/api/v1/query_range", &[("query", kind), range[0], range[1], ("step", "37")]);
    }
    // Each parameter, good and bad.
    for time in TIMES_BAD {
        calls.both(Values, "/api/v1/query", &[("query", "1"), ("time", time)]);
        for name in ["start", "end"] {
            let other = if name == "start" { ("end", end.as_str()) } else { ("start", start.as_str()) };
            calls.get(Values, "/api/v1/query_range", &[("query", "1"), (name, time), other, ("step", "30")]);
            calls.get(Values, "/api/v1/query_exemplars", &[("query", "up"), (name, time), other]);
            calls.get(Values, "/api/v1/series", &[("match[]", "build_info"), (name, time), other]);
            calls.get(Values, "/api/v1/labels", &[(name, time), other]);
            calls.get(Values, "/api/v1/label/method/values", &[(name, time), other]);
        }
    }
    for time in ["0", "-1", "1e3", "1600000000.123", "2023-11-14T22:13:20Z", "2023-11-15T07:13:20.5+09:00", "9999999999"] {
        calls.both(Values, "/api/v1/query", &[("query", "scalar(vector(3))"), ("time", time)]);
        calls.get(Values, "/api/v1/query", &[("query", "http_requests_total"), ("time", time)]);
    }
    for duration in DURATIONS_BAD {
        calls.get(Values, "/api/v1/query", &[("query", "1"), ("time", &at), ("timeout", duration)]);
        calls.get(Values, "/api/v1/query_range", &[("query", "1"), range[0], range[1], ("step", duration)]);
        calls.get(Values, "/api/v1/query_range", &[("query", "1"), range[0], range[1], ("step", "30"), ("timeout", duration)]);
    }
    for step in ["0", "-5", "0.001", "1ms", "30s", "1h", "0s"] {
        calls.get(Values, "/api/v1/query_range", &[("query", "1"), range[0], range[1], ("step", step)]);
    }
    for missing in ["start", "end", "step", "query"] {
        let all = [("query", "1"), range[0], range[1], ("step", "30")];
        let rest: Vec<(&str, &str)> = all.into_iter().filter(|(name, _)| *name != missing).collect();
        calls.both(Values, "/api/v1/query_range", &rest);
    }
    calls.get(Values, "/api/v1/query_range", &[("query", "1"), ("start", &end), ("end", &start), ("step", "30")]);
    calls.get(Values, "/api/v1/query_exemplars", &[("query", "up"), ("start", &end), ("end", &start)]);
    calls.get(Values, "/api/v1/query", &[("query", "http_requests_total"), ("time", &at), ("lookback_delta", "1h")]);
    calls.get(Values, "/api/v1/query", &[("query", "http_requests_total"), ("time", &at), ("lookback_delta", "abc")]);
    for stats in ["true", "all", "1"] {
        calls.get(Shape, "/api/v1/query", &[("query", "build_info"), ("time", &at), ("stats", stats)]);
    }
    // What there is.
    for selector in SELECTORS_BAD {
        calls.both(Values, "/api/v1/series", &[("match[]", selector)]);
        calls.both(Values, "/api/v1/labels", &[("match[]", selector)]);
        calls.get(Values, "/api/v1/label/method/values", &[("match[]", selector)]);
        calls.get(Status, "/federate", &[("match[]", selector)]);
    }
    for selector in ["http_requests_total", "{code=\"200\"}", "{__name__=~\"temp.*\"}", "nothing", "latency_seconds_bucket{le=\"+Inf\"}"] {
        calls.both(Values, "/api/v1/series", &[("match[]", selector), range[0], range[1]]);
        calls.both(Values, "/api/v1/labels", &[("match[]", selector), range[0], range[1]]);
        calls.get(Values, "/api/v1/label/code/values", &[("match[]", selector), range[0], range[1]]);
        calls.get(Values, "/api/v1/label/__name__/values", &[("match[]", selector), range[0], range[1]]);
    }
    calls.both(Values, "/api/v1/series", &[("match[]", "build_info"), ("match[]", "odd_values"), range[0], range[1]]);
    calls.both(Values, "/api/v1/series", &[]);
    calls.both(Values, "/api/v1/labels", &[]);
    for label in ["__name__", "job", "instance", "env", "nothing", "le", "alertname", "alertstate"] {
        calls.get(Values, &format!("/api/v1/label/{label}/values"), &[]);
    }
    calls.get(Values, "/api/v1/series", &[("match[]", "build_info"), ("start", &end), ("end", &start)]);
    // What targets say.
    for pairs in [
        &[][..],
        &[("limit", "1")],
        &[("limit", "0")],
        &[("limit", "-1")],
        &[("limit", "x")],
        &[("metric", "build_info")],
        &[("metric", "nothing")],
        &[("limit_per_metric", "1")],
        &[("limit_per_metric", "x")],
    ] {
        calls.get(Shape, "/api/v1/metadata", pairs);
    }
    calls.get(Values, "/api/v1/metadata", &[("metric", "build_info")]);
    calls.get(Values, "/api/v1/metadata", &[("metric", "http_requests")]);
    for pairs in [
        &[][..],
        &[("match_target", "{job=\"app\"}")],
        &[("match_target", "{job=\"none\"}")],
        &[("match_target", "{")],
        &[("metric", "temperature_celsius")],
        &[("metric", "nothing")],
        &[("limit", "2")],
        &[("limit", "x")],
    ] {
        calls.get(Shape, "/api/v1/targets/metadata", pairs);
    }
    for pairs in [
        &[][..],
        &[("state", "active")],
        &[("state", "dropped")],
        &[("state", "any")],
        &[("state", "ANY")],
        &[("state", "bogus")],
        &[("scrapePool", "app")],
        &[("scrapePool", "gone")],
        &[("scrapePool", "none")],
    ] {
        calls.get(Shape, "/api/v1/targets", pairs);
    }
    calls.get(Values, "/api/v1/scrape_pools", &[]);
    // Rules and alerts.
    for pairs in [&[][..], &[("type", "alert")], &[("type", "record")], &[("type", "ALERT")], &[("type", "bogus")], &[("type", "")]] {
        calls.get(Shape, "/api/v1/rules", pairs);
    }
    calls.get(Shape, "/api/v1/alerts", &[]);
    calls.get(Values, "/api/v1/alertmanagers", &[]);
    // The server.
    for path in ["config", "flags", "runtimeinfo", "buildinfo", "tsdb", "walreplay"] {
        calls.get(Shape, &format!("/api/v1/status/{path}"), &[]);
    }
    for text in ["/-/healthy", "/-/ready"] {
        calls.get(Text, text, &[]);
        calls.0.push(Call { method: "HEAD", path: text.to_owned(), form: None, level: Text });
    }
    // Methods.
    for (method, path) in [
        ("OPTIONS", "/api/v1/query"),
        ("OPTIONS", "/api/v1/labels"),
        ("PUT", "/api/v1/query"),
        ("DELETE", "/api/v1/query_range"),
        ("DELETE", "/api/v1/labels"),
        ("POST", "/api/v1/label/job/values"),
        ("POST", "/api/v1/metadata"),
        ("POST", "/api/v1/targets"),
        ("POST", "/api/v1/rules"),
        ("POST", "/api/v1/status/config"),
        ("GET", "/api/v1/admin/tsdb/delete_series?match[]=up"),
        ("GET", "/api/v1/admin/tsdb/snapshot"),
        ("GET", "/api/v1/admin/tsdb/clean_tombstones"),
        ("GET", "/api/v1/write"),
        ("GET", "/api/v1/read"),
        ("GET", "/-/reload"),
        ("GET", "/-/quit"),
        ("DELETE", "/-/reload"),
        ("GET", "/api/v1/nonsense"),
        ("GET", "/api/v2/query"),
    ] {
        calls.0.push(Call { method, path: path.to_owned(), form: None, level: Status });
    }
    for pairs in
        [&[][..], &[("match[]", "up{")], &[("match[]", "{}")], &[("match[]", "a"), ("start", "x")], &[("match[]", "a"), ("end", "x")]]
    {
        calls.post(Values, "/api/v1/admin/tsdb/delete_series", pairs);
    }
    calls.post(Values, "/api/v1/admin/tsdb/snapshot", &[("skip_head", "x")]);
    calls.post(Shape, "/api/v1/admin/tsdb/snapshot", &[]);
    calls.post(Text, "/api/v1/admin/tsdb/clean_tombstones", &[]);
    calls.post(Status, "/api/v1/write", &[]);
    calls.post(Status, "/api/v1/read", &[]);
    calls.0
}
