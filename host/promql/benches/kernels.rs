//! The evaluator's kernels over samples that are in memory already, one at a time: `cargo bench -p promql --bench kernels`. CPU time
//! of this thread; prints figures and asserts only that there is an answer. Decoding is in `cargo bench -p tsdb --bench block`, whole
//! queries over a data directory in `cargo run --release -p tsdb --example queries`.

#![expect(clippy::print_stdout, reason = "figures are the purpose")]

use std::error::Error;
use std::hint::black_box;
use std::ops::ControlFlow;

use model::seams::{ColumnRef, ColumnSamples, GroupSamples, Select, SelectError, SelectRequest, SelectedGroup};
use model::{LabelSet, MatchOp, Matcher, TimeRange};
use promql::{Limits, Value};

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

fn main() -> Result<(), Box<dyn Error>> {
    let fixed: &'static Fixed = Box::leak(Box::new(Fixed::new()));
    let store = Store(fixed);
    let end = (SAMPLES as i64 - 1) * STEP_MS;
    for (name, text) in [
        ("windows: rate, 61 steps, series kept", "rate(x_total[5m])"),
        ("windows: max_over_time, 61 steps, series kept", "max_over_time(x_total[5m])"),
        ("aggregation fused with rate, 61 steps", "sum by (le, handler) (rate(x_total[5m]))"),
        ("aggregation fused with the newest value, 61 steps", "sum by (le) (x_total)"),
        ("aggregation of columns, 61 steps", "sum by (le) (x_total * 2)"),
    ] {
        let expr = promql::parse(text)?;
        let ns = measure(|| match promql::range(&expr, end - 3_600_000, end, 60_000, &store, &Limits::default()) {
            Ok(result) => matches!(&result.value, Value::Matrix(series) if !series.is_empty()),
            Err(_) => false,
        })?;
        println!("{name:52} {:8.1} ns per series and step", ns / (SERIES * 61) as f64);
    }
    for source in ["/api/3", "/api/1|/api/2|/api/3", "/api/1.*", ".*1.*", "/api/[12]+"] {
        let matcher = Matcher::new("handler", MatchOp::Matches, source)?;
        let ns =
            measure(|| fixed.labels.iter().filter(|labels| matcher.matches(black_box(labels.get("handler").unwrap_or("")))).count() > 0)?;
        println!("{:52} {:8.1} ns per label set", format!("matching: handler=~{source:?}"), ns / SERIES as f64);
    }
    let mut out = Vec::new();
    let ns = measure(|| {
        out.clear();
        fixed.labels.iter().for_each(|labels| labels.write_json(&mut out));
        !black_box(&out).is_empty()
    })?;
    println!("{:52} {:8.1} ns per label set", "JSON of labels", ns / SERIES as f64);
    Ok(())
}

/// CPU nanoseconds of a call, the least of some rounds.
fn measure(mut call: impl FnMut() -> bool) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..12 {
        let before = cpu_ns()?;
        let mut calls = 0.0;
        while calls < 3.0 || cpu_ns()? - before < 2e7 {
            if !call() {
                return Err("there is no answer".into());
            }
            calls += 1.0;
        }
        best = best.min((cpu_ns()? - before) / calls);
    }
    Ok(best)
}

fn cpu_ns() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}
