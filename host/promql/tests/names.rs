//! What the recorded scripts do not cover: names of metrics dropped in each function, as upstream does by default.

use promql::{EvalError, Limits, Memory, QueryResult, Value, instant, parse, range};

fn memory() -> Memory {
    let memory = Memory::new();
    for (series, points) in [
        ("a_total{env=\"1\"}", "0 60 120"),
        ("b_total{env=\"1\"}", "60 120 180"),
        ("early{x=\"1\"}", "1 1 _ _"),
        ("late{x=\"1\"}", "_ _ _ 2 2"),
        ("h_bucket{le=\"1\"}", "1 2 3"),
        ("h_bucket{le=\"+Inf\"}", "2 4 6"),
        ("gauge", "-1 5 NaN"),
    ] {
        memory.load_text(series, points, 300_000).expect("good series");
    }
    memory
}

fn ask(query: &str) -> Result<QueryResult, EvalError> {
    instant(&parse(query).unwrap_or_else(|e| panic!("{query}: {e}")), 600_000, &memory(), &Limits::default())
}

/// An instant vector as `labels value` lines.
fn lines(query: &str) -> Vec<String> {
    match ask(query).unwrap_or_else(|e| panic!("{query}: {e}")).value {
        Value::Vector(samples) => samples.iter().map(|s| format!("{} {}", s.labels, s.point.value)).collect(),
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn names_are_dropped_where_the_value_is_new() {
    let cases: [(&str, &[&str]); 15] = [
        ("a_total", &["a_total{env=\"1\"} 120"]),
        ("-a_total", &["{env=\"1\"} -120"]),
        ("a_total + b_total", &["{env=\"1\"} 300"]),
        ("a_total <= b_total", &["a_total{env=\"1\"} 120"]),
        ("a_total <= bool b_total", &["{env=\"1\"} 1"]),
        ("a_total > 5", &["a_total{env=\"1\"} 120"]),
        ("5 < a_total", &["a_total{env=\"1\"} 120"]),
        ("rate(a_total[10m])", &["{env=\"1\"} 0.2"]),
        ("last_over_time(a_total[10m])", &["a_total{env=\"1\"} 120"]),
        ("sum by (__name__) (a_total)", &["a_total 120"]),
        ("timestamp(a_total)", &["{env=\"1\"} 600"]),
        ("histogram_quantile(0.5, h_bucket)", &["{} 1"]),
        ("label_replace(rate(a_total[10m]), 'n', 'x$1', '__name__', '(.*)')", &["{env=\"1\", n=\"x\"} 0.2"]),
        ("topk(1, {env=\"1\"})", &["b_total{env=\"1\"} 180"]),
        ("sort_desc({env=\"1\"})", &["b_total{env=\"1\"} 180", "a_total{env=\"1\"} 120"]),
    ];
    for (query, wanted) in cases {
        assert_eq!(lines(query), wanted, "{query}");
    }
}

#[test]
fn equal_labels_after_that_are_an_error() {
    for query in [
        "rate({env=\"1\"}[10m])",
        "-{env=\"1\"}",
        "{env=\"1\"} * 2",
        "abs({env=\"1\"})",
        "label_replace({env=\"1\"}, '__name__', 'c', '', '')",
    ] {
        let error = ask(query).expect_err(query);
        assert_eq!(error, EvalError::Execution("vector cannot contain metrics with the same labelset".to_owned()), "{query}");
    }
}

#[test]
fn equal_labels_at_different_steps_are_one_series() {
    let expr = parse("{x=\"1\"} * 2").expect("good");
    let limits = Limits { lookback_ms: 300_000, ..Limits::default() };
    let result = range(&expr, 0, 1_200_000, 300_000, &memory(), &limits).expect("no overlap");
    let Value::Matrix(series) = result.value else { panic!("a matrix") };
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].points.iter().map(|p| p.value).collect::<Vec<_>>(), [2.0, 2.0, 4.0, 4.0]);
    let rate = parse("count_over_time({x=\"1\"}[5m])").expect("good");
    assert!(range(&rate, 0, 1_200_000, 300_000, &memory(), &limits).is_err());
}

#[test]
fn notes_say_where() {
    let result = ask("1 +\n rate(gauge[10m])").expect("an answer");
    assert_eq!(
        result.infos,
        ["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"gauge\" (2:7)"]
    );
    let result = ask("quantile(2, gauge)").expect("an answer");
    assert_eq!(result.warnings, ["PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"]);
}

#[test]
fn selections_take_in_all_that_is_read() {
    let ranges = |query: &str| -> Vec<(i64, i64)> {
        let expr = parse(query).expect("good");
        promql::plan::selections(&expr, 1_000_000, 2_000_000, 300_000).iter().map(|s| (s.range.start, s.range.end)).collect()
    };
    assert_eq!(ranges("x"), [(700_001, 2_000_000)]);
    assert_eq!(ranges("x offset 1m + rate(y[1m])"), [(640_001, 1_940_000), (940_001, 2_000_000)]);
    assert_eq!(ranges("max_over_time(x[1m:10s] @ 10)"), [(-350_000 + 1, 10_000)]);
    assert_eq!(
        ranges("x @ start() + y[5m] @ end()".replace("y[5m]", "sum_over_time(y[5m]").replace("@ end()", "@ end())").as_str()),
        [(700_001, 1_000_000), (1_700_001, 2_000_000)]
    );
}

#[test]
fn experimental_parts_need_to_be_allowed() {
    let allowed = Limits { features: promql::Features::ALL, ..Limits::default() };
    let cases = [
        ("min_of(1, 2) + max_of(1, 2)", "3"),
        ("start() + end() + range() + step()", "1200"),
        ("limitk(1, {env=\"1\"})", "a_total{env=\"1\"} 120"),
        ("sort_by_label_desc({env=\"1\"}, '__name__')", "b_total{env=\"1\"} 180, a_total{env=\"1\"} 120"),
        ("ts_of_max_over_time(a_total[15m])", "{env=\"1\"} 600"),
        ("ts_of_min_over_time(a_total[15m])", "{env=\"1\"} 0"),
        ("double_exponential_smoothing(a_total[15m], 0.5, 0.5)", "{env=\"1\"} 120"),
        ("mad_over_time(a_total[15m])", "{env=\"1\"} 60"),
        ("increase(a_total[5m] anchored)", "{env=\"1\"} 60"),
        ("increase(a_total[150s] smoothed)", "{env=\"1\"} 30"),
        ("early + on(x) fill_right(5) late", "{x=\"1\"} 6"),
    ];
    for (query, wanted) in cases {
        let expr = parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
        let at = if query.starts_with("early") { 300_000 } else { 600_000 };
        let found = match instant(&expr, at, &memory(), &allowed).unwrap_or_else(|e| panic!("{query}: {e}")).value {
            Value::Scalar(point) => point.value.to_string(),
            Value::Vector(samples) => samples.iter().map(|s| format!("{} {}", s.labels, s.point.value)).collect::<Vec<_>>().join(", "),
            other => panic!("{query}: {other:?}"),
        };
        assert_eq!(found, wanted, "{query}");
        let refused = instant(&expr, at, &memory(), &Limits::default()).expect_err(query).to_string();
        assert!(["not enabled", "must be enabled"].iter().any(|part| refused.contains(part)), "{refused}");
    }
}
