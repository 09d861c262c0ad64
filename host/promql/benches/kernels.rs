//! The evaluator's kernels over samples that are in memory already, one at a time: `cargo bench -p promql --bench kernels`. Criterion
//! prints time per call and how many elements that is a second; what an element is stands in each name. Decoding is in
//! `cargo bench -p tsdb --bench block`, whole queries over a data directory in `cargo run --release -p tsdb --example queries`.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use model::seams::{ColumnRef, ColumnSamples, GroupSamples, Select, SelectError, SelectRequest, SelectedGroup};
use model::{LabelSet, MatchOp, Matcher, TimeRange};
use promql::{Limits, Memory, Point, Value};

const SERIES: usize = 2000;
const SAMPLES: usize = 260;
const STEP_MS: i64 = 15_000;

/// Series of one target: counters of which a third never change and one in a hundred is reset.
struct Fixed {
    labels: Vec<LabelSet>,
    times: Vec<i64>,
    columns: Vec<Vec<f64>>,
}

impl Fixed {
    fn new() -> Self {
        let label = |n: usize| {
            let (le, handler, pod) = (n % 12, n / 12 % 17, n / 204);
            let pairs = [("le", le.to_string()), ("handler", format!("/api/{handler}")), ("pod", format!("pod-{pod}"))];
            LabelSet::from_pairs(pairs.into_iter().chain([("__name__", "x_total".to_owned()), ("job", "app".to_owned())]))
        };
        let value = |n: usize, at: usize| match n % 3 {
            0 => 17.0,
            _ if n % 100 == 1 && at > 100 => (at - 100) as f64,
            _ => (at * (n % 7 + 1)) as f64 + 1e6,
        };
        Self {
            labels: (0..SERIES).map(label).collect(),
            times: (0..SAMPLES as i64).map(|at| at * STEP_MS).collect(),
            columns: (0..SERIES).map(|n| (0..SAMPLES).map(|at| value(n, at)).collect()).collect(),
        }
    }
}

/// The same, as storage hands it out.
struct Group(&'static Fixed);

impl SelectedGroup for Group {
    fn labels(&self) -> &[LabelSet] {
        &self.0.labels
    }

    fn samples_max(&self) -> usize {
        SERIES * SAMPLES
    }

    fn read(&self) -> Result<GroupSamples, SelectError> {
        let columns = self.0.columns.iter().cloned().map(ColumnSamples::Floats).collect();
        Ok(GroupSamples { times: self.0.times.clone(), columns, warnings: Vec::new() })
    }

    fn each_column(&self, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<Vec<String>, SelectError> {
        for (series, floats) in self.0.columns.iter().enumerate() {
            if visit(ColumnRef { series, times: &self.0.times, floats, histograms: &[], gaps: false }).is_break() {
                break;
            }
        }
        Ok(Vec::new())
    }
}

struct Store(&'static Fixed);

impl Select for Store {
    fn select(&self, _: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError> {
        Ok(vec![Box::new(Group(self.0))])
    }

    fn label_names(&self, _: &[Vec<Matcher>], _: TimeRange, _: usize) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _: &str, _: &[Vec<Matcher>], _: TimeRange, _: usize) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }

    fn series(&self, _: &[Vec<Matcher>], _: TimeRange, _: usize) -> Result<Vec<LabelSet>, SelectError> {
        Ok(Vec::new())
    }
}

const STEPS: usize = 61;

/// A query over an hour, in steps of a minute.
fn range(select: &dyn Select, text: &str) -> impl Fn() -> usize {
    let expr = promql::parse(text).expect("an expression");
    move || {
        let end = (SAMPLES as i64 - 1) * STEP_MS;
        // One thread: what is measured is work.
        let limits = Limits { threads: 1, ..Limits::default() };
        let result = promql::range(&expr, end - 3_600_000, end, 60_000, select, &limits).expect("an answer");
        let Value::Matrix(series) = &result.value else { return 0 };
        assert!(!series.is_empty(), "no answer");
        series.len()
    }
}

fn text(c: &mut Criterion) {
    let mut group = c.benchmark_group("read, bytes");
    let texts = [
        ("short", "up"),
        ("usual", r#"sum by (le, handler) (rate(http_request_duration_seconds_bucket{job="app", code=~"5.."}[5m]))"#),
        (
            "long",
            r#"1 - (sum by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) / on(instance) group_left(job) count by (instance, job)
             (node_cpu_seconds_total{mode="idle"} offset 5m)) > bool 0.8 and on(instance) max_over_time(up[1h:5m] @ end()) == 1"#,
        ),
    ];
    for (name, text) in texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| promql::parse(black_box(text)).expect("an expression")));
    }
    group.finish();
}

fn matching(c: &mut Criterion, fixed: &'static Fixed) {
    let mut group = c.benchmark_group("match, label sets");
    group.throughput(Throughput::Elements(SERIES as u64));
    for source in ["/api/3", "/api/1|/api/2|/api/3", "/api/1.*", ".*1.*", "/api/[12]+"] {
        let matcher = Matcher::new("handler", MatchOp::Matches, source).expect("a pattern");
        let count = || fixed.labels.iter().filter(|labels| matcher.matches(black_box(labels.get("handler").unwrap_or("")))).count();
        group.bench_function(source, |b| b.iter(count));
    }
    group.finish();
}

fn evaluation(c: &mut Criterion, fixed: &'static Fixed) {
    let store = Store(fixed);
    let mut group = c.benchmark_group("evaluate, series and steps");
    group.throughput(Throughput::Elements((SERIES * STEPS) as u64));
    for (name, text) in [
        ("select the newest", "x_total"),
        ("windows: rate", "rate(x_total[5m])"),
        ("windows: max_over_time", "max_over_time(x_total[5m])"),
        ("windows: sum_over_time", "sum_over_time(x_total[5m])"),
        ("windows: quantile_over_time", "quantile_over_time(0.9, x_total[5m])"),
        ("aggregation fused with rate", "sum by (le, handler) (rate(x_total[5m]))"),
        ("aggregation fused with the newest", "sum by (le) (x_total)"),
        ("aggregation of columns", "sum by (le) (x_total * 2)"),
        ("topk of columns", "topk by (le) (3, x_total)"),
        ("histogram_quantile by le", "histogram_quantile(0.9, sum by (le, handler) (rate(x_total[5m])))"),
        ("histogram_quantile of each", "histogram_quantile(0.9, x_total)"),
        ("join, one to one", "x_total + x_total"),
        ("join, many to one", "x_total * on(le) group_left sum by (le) (x_total)"),
    ] {
        let call = range(&store, text);
        group.bench_function(name, |b| b.iter(&call));
    }
    group.finish();
}

/// 1,000 native histograms of 60 samples, their buckets some 40, each 15 s.
fn native(c: &mut Criterion) {
    const HISTOGRAMS: usize = 1000;
    const POINTS: usize = 60;
    let memory = Memory::new();
    for n in 0..HISTOGRAMS {
        let buckets: Vec<String> = (0..40).map(|bucket| (1 + (bucket * 7 + n) % 5).to_string()).collect();
        let one = format!("{{{{schema:3 count:120 sum:5.5 offset:-20 buckets:[{}]}}}}", buckets.join(" "));
        let series = format!(r#"h{{pod="pod-{}", handler="/api/{}"}}"#, n / 10, n % 10);
        memory.load_text(&series, &format!("{one}+{one}x{POINTS}"), STEP_MS).expect("a series");
    }
    let mut group = c.benchmark_group("native histograms, samples");
    group.sample_size(10).throughput(Throughput::Elements((HISTOGRAMS * 20) as u64));
    for text in [
        "h",
        "sum(h)",
        "rate(h[5m])",
        "histogram_quantile(0.9, sum(rate(h[5m])))",
        "sum by (handler) (rate(h[5m]))",
        "histogram_quantile(0.9, rate(h[5m]))",
        "histogram_count(rate(h[5m]))",
    ] {
        let expr = promql::parse(text).expect("an expression");
        let at = (POINTS as i64 - 1) * STEP_MS;
        group.bench_function(text, |b| {
            b.iter(|| match promql::instant(&expr, at, &memory, &Limits::default()).expect("an answer").value {
                Value::Vector(samples) => assert!(!samples.is_empty(), "no answer"),
                other => panic!("{other:?}"),
            });
        });
    }
    group.finish();
}

fn json(c: &mut Criterion, fixed: &'static Fixed) {
    let mut group = c.benchmark_group("write, label sets");
    group.throughput(Throughput::Elements(SERIES as u64));
    let mut out = Vec::new();
    group.bench_function("JSON of labels", |b| {
        b.iter(|| {
            out.clear();
            fixed.labels.iter().for_each(|labels| labels.write_json(&mut out));
            black_box(out.len())
        });
    });
    group.finish();
    let mut group = c.benchmark_group("write, samples");
    group.throughput(Throughput::Elements((100 * SAMPLES) as u64));
    let decimals: Vec<f64> = (0..SAMPLES).map(|at| 0.125 + at as f64 / 1000.0).collect();
    for (name, values) in [("JSON of samples, integers", &fixed.columns[1]), ("JSON of samples, decimals", &decimals)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                let mut times = promql::json::TimeTexts::default();
                for _ in 0..100 {
                    for (at, (time, value)) in fixed.times.iter().zip(values).enumerate() {
                        times.write_point(at, Point { time: 1_700_000_000_000 + time, value: *value }, &mut out);
                    }
                }
                black_box(out.len())
            });
        });
    }
    group.finish();
}

fn all(c: &mut Criterion) {
    let fixed: &'static Fixed = Box::leak(Box::new(Fixed::new()));
    text(c);
    matching(c, fixed);
    evaluation(c, fixed);
    native(c);
    json(c, fixed);
}

criterion_group! {
    name = kernels;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = all
}
criterion_main!(kernels);
