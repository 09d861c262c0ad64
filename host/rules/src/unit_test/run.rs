//! Runs tests: rounds of evaluation over a store in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use model::seams::{AlertSink, Append, Select};
use model::{Alert, Clock, LabelSet, ManualClock};
use promql::{Memory, Value};

use super::{AlertTest, Expected, ExpressionTest, TestCase, TestFile, difference, report};
use crate::deps::{Context, RulesDeps};
use crate::file::{GroupConfig, RuleFile};
use crate::group::Group;
use crate::snapshot::GroupSnapshot;

/// Labels and annotations of alerts.
pub(super) type Alerts = Vec<(LabelSet, LabelSet)>;

/// Most rounds of one test: a year of minutes, and some.
const ROUNDS_MAX: i64 = 1_000_000;

/// How tests are run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What of the language is allowed.
    pub features: promql::Features,
    /// Whether names of metrics are dropped at the end of a query.
    pub delayed_name_removal: bool,
    /// Whether alerts that differ are shown as differences, in colours, rather than both in full.
    pub diff: bool,
    /// Whether it is told when each test begins and ends, and what there is then.
    pub debug: bool,
    /// Whether keys of rule files that are not known are no errors; for whoever reads those.
    pub ignore_unknown_fields: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { features: promql::Features::ALL, delayed_name_removal: false, diff: false, debug: false, ignore_unknown_fields: false }
    }
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The test's name; of one without, its place in the file, as promtool calls it.
    pub name: String,
    /// What did not come out as the test says, as promtool words it.
    pub failures: Vec<String>,
}

/// Alerts go nowhere.
struct Nobody;

impl AlertSink for Nobody {
    fn submit(&self, _: Vec<Alert>) {}
}

/// Runs the tests of a file whose names satisfy `wanted` over the rules of its rule files. `debug` is told what [`Options::debug`] asks
/// for.
///
/// # Errors
/// What keeps all of them from being run.
pub fn run(
    file: &TestFile,
    rules: &[RuleFile],
    wanted: impl Fn(&str) -> bool,
    options: Options,
    debug: &dyn Fn(&str),
) -> Result<Vec<Outcome>, Vec<String>> {
    let mut groups: Vec<&GroupConfig> = rules.iter().flat_map(|file| &file.groups).collect();
    // Stable: groups that are not named stay behind, in their order.
    groups.sort_by_key(|group| file.group_order.iter().position(|name| *name == group.name).unwrap_or(usize::MAX));
    let nowhere = file.group_order.iter().filter(|name| !groups.iter().any(|group| group.name == **name));
    let nowhere: Vec<String> =
        nowhere.map(|name| format!("    group_eval_order names the group {name:?}, which no rule file has")).collect();
    if !nowhere.is_empty() {
        return Err(nowhere);
    }
    let cases = file.tests.iter().enumerate().filter(|(_, case)| wanted(&case.name));
    let run = cases.map(|(at, case)| {
        let name = if case.name.is_empty() { format!("unnamed#{at}") } else { case.name.clone() };
        let (store, begun) = (Arc::new(Memory::new()), Instant::now());
        if options.debug {
            debug(&format!("Starting test {name}"));
        }
        let failures = run_case(file, case, &groups, options, &store);
        if options.debug {
            debug(&dump(case, &store, options));
            debug(&format!("Test {name} finished, took {:?}", begun.elapsed()));
        }
        Outcome { name, failures }
    });
    Ok(run.collect())
}

/// When the last thing of a test is looked at, since its start.
fn last_ms(case: &TestCase) -> i64 {
    case.alerts.iter().map(|test| test.at_ms).chain(case.expressions.iter().map(|test| test.at_ms)).max().unwrap_or(0)
}

/// All samples that a test had at its end, a series and its samples a line, in promtool's words.
fn dump(case: &TestCase, store: &Memory, options: Options) -> String {
    // A whole second after the last.
    let seconds = last_ms(case).div_euclid(1000) + 1;
    let expr = format!(r#"{{__name__=~".+"}}[{seconds}s]"#);
    let at = case.start + seconds * 1000;
    let found = promql::parse(&expr).map_err(|error| error.to_string()).and_then(|parsed| {
        promql::instant(&parsed, at, store, &limits(options, promql::Limits::default().subquery_step_ms)).map_err(|error| error.to_string())
    });
    let series = match found.map(|result| result.value) {
        Ok(promql::Value::Matrix(series)) => series,
        Ok(_) => Vec::new(),
        Err(error) => return format!("Failed querying, expr: {expr:?}, err: {error}"),
    };
    let mut text = format!("Dump of all data (input_series and rules) at {}:", report::time(seconds * 1000));
    for one in series {
        text.push_str(&format!("\n{} =>", report::labels(&one.labels)));
        one.points.iter().for_each(|point| text.push_str(&format!("\n{} @[{}]", point.value, point.time)));
        one.histograms.iter().for_each(|point| text.push_str(&format!("\n{} @[{}]", point.histogram, point.time)));
    }
    text
}

fn run_case(file: &TestFile, case: &TestCase, groups: &[&GroupConfig], options: Options, store: &Arc<Memory>) -> Vec<String> {
    for (series, points) in &case.input {
        if let Err(error) = store.load_text_from(series, points, case.start, case.interval_ms) {
            return vec![format!("    {}series {series}: {error}", name_line(case))];
        }
    }
    let clock = Arc::new(ManualClock::at(case.start));
    let context = Context::new(RulesDeps {
        select: Arc::clone(store) as Arc<dyn Select>,
        append: Arc::clone(store) as Arc<dyn Append>,
        sink: Arc::new(Nobody),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        external_url: case.external_url.clone(),
        external_labels: case.external_labels.clone(),
        queries: limits(options, promql::Limits::default().subquery_step_ms),
        listed: None,
    });
    let mut groups: Vec<Group> = groups.iter().map(|config| Group::new((*config).clone(), true)).collect();
    let end_ms = last_ms(case);
    if end_ms / file.evaluation_interval_ms > ROUNDS_MAX {
        return vec![format!("    {}more than {ROUNDS_MAX} evaluations up to {}", name_line(case), report::time(end_ms))];
    }
    let mut failures = Vec::new();
    let mut since_ms = 0;
    while since_ms <= end_ms {
        let now = case.start + since_ms;
        clock.set(now);
        let mut shown = Vec::with_capacity(groups.len());
        for group in &mut groups {
            group.evaluate(&context, now);
            let snapshot = group.snapshot(&context);
            for rule in snapshot.rules.iter().filter(|rule| !rule.last_error.is_empty()) {
                failures.push(format!("    rule: {}, time: {}, err: {}", rule.name, report::time(since_ms), rule.last_error));
            }
            shown.push(snapshot);
        }
        // What cannot be evaluated makes what follows from it meaningless.
        if !failures.is_empty() {
            return failures;
        }
        // An alert is looked at as of the last evaluation before its time.
        let next_ms = since_ms.saturating_add(file.evaluation_interval_ms);
        let due: BTreeSet<i64> = case.alerts.iter().map(|test| test.at_ms).filter(|at| (since_ms..next_ms).contains(at)).collect();
        for at in due {
            for test in case.alerts.iter().filter(|test| test.at_ms == at) {
                failures.extend(check_alert(case, test, &shown, options.diff));
            }
        }
        since_ms = next_ms;
    }
    for test in &case.expressions {
        failures.extend(check_expression(file, case, test, store, options));
    }
    failures
}

fn limits(options: Options, subquery_step_ms: i64) -> promql::Limits {
    let Options { features, delayed_name_removal, .. } = options;
    promql::Limits { features, delayed_name_removal, subquery_step_ms, ..promql::Limits::default() }
}

fn name_line(case: &TestCase) -> String {
    if case.name.is_empty() { String::new() } else { format!("name: {},\n    ", case.name) }
}

fn check_alert(case: &TestCase, test: &AlertTest, groups: &[GroupSnapshot], diff: bool) -> Option<String> {
    let rules =
        groups.iter().flat_map(|group| &group.rules).filter(|rule| rule.name == test.name).filter_map(|rule| rule.alerting.as_ref());
    let mut found: Alerts = rules
        .flat_map(|rule| &rule.alerts)
        .filter(|alert| alert.firing)
        .map(|alert| (alert.labels.clone(), alert.annotations.clone()))
        .collect();
    let mut expected = test.expected.clone();
    found.sort();
    expected.sort();
    (found != expected).then(|| {
        let head = format!("    {}alertname: {}, time: {}, \n", name_line(case), test.name, report::time(test.at_ms));
        if diff {
            format!("{head}        diff: {}", difference::alerts(&expected, &found))
        } else {
            format!("{head}        exp:{}, \n        got:{}", report::alerts(&expected), report::alerts(&found))
        }
    })
}

fn check_expression(file: &TestFile, case: &TestCase, test: &ExpressionTest, store: &Memory, options: Options) -> Option<String> {
    let failure = |error: String| format!("    expr: {:?}, time: {}, err: {error}", test.expr, report::time(test.at_ms));
    let mut found = match query(file, test, case.start + test.at_ms, store, options) {
        Ok(found) => found,
        Err(error) => return Some(failure(error)),
    };
    let mut expected = test.expected.clone();
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    expected.sort_by(|a, b| a.labels.cmp(&b.labels));
    let equal = |a: &Expected, b: &Expected| a.labels == b.labels && a.histogram == b.histogram && equal(a.value, b.value, file.fuzzy);
    let same = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| equal(a, b));
    (!same).then(|| {
        format!(
            "    expr: {:?}, time: {},\n        exp: {}\n        got: {}",
            test.expr,
            report::time(test.at_ms),
            report::samples(&expected),
            report::samples(&found)
        )
    })
}

/// Equal, or with `fuzzy` next to each other.
fn equal(a: f64, b: f64, fuzzy: bool) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (fuzzy && (a.next_up() == b || a.next_down() == b))
}

fn query(file: &TestFile, test: &ExpressionTest, at: i64, store: &Memory, options: Options) -> Result<Vec<Expected>, String> {
    let expr = promql::parse(&test.expr).map_err(|error| error.to_string())?;
    let limits = limits(options, file.evaluation_interval_ms);
    let result = promql::instant(&expr, at, store, &limits).map_err(|error| error.to_string())?;
    match result.value {
        Value::Vector(samples) => Ok(samples.into_iter().map(answered).collect()),
        Value::Scalar(point) => Ok(vec![Expected { labels: LabelSet::default(), value: point.value, histogram: None }]),
        _ => Err("rule result is not a vector or scalar".to_owned()),
    }
}

fn answered(sample: promql::Sample) -> Expected {
    let histogram = sample.histogram.map(|histogram| promql::script::histogram_text(&histogram));
    // As upstream's samples have it.
    let value = if histogram.is_some() { 0.0 } else { sample.point.value };
    Expected { labels: sample.labels, value, histogram }
}
