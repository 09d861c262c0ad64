//! Unit tests of rules, in the files that `promtool test rules` reads: series go in, alerts and query results must come out.
//!
//! The form is that of Prometheus' documentation, "Unit testing for rules"; the order of what happens, the texts of failures and
//! the comparison are those of its `cmd/promtool/unittest.go`.

mod difference;
mod report;
mod run;

use model::config::{ConfigError, Node, Section};
use model::{LabelSet, TimestampMs};

pub use run::{Options, Outcome, run};

/// What a test file says.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Names and patterns of the rule files, as written: relative to the test file.
    pub rule_files: Vec<String>,
    /// How often rules are evaluated, in milliseconds.
    pub evaluation_interval_ms: i64,
    /// Values may differ in the last bit.
    pub(crate) fuzzy: bool,
    /// Names of groups in the order they are to be evaluated in; the others come as they stand in the files.
    pub(crate) group_order: Vec<String>,
    pub(crate) tests: Vec<TestCase>,
}

/// One test: a store of its own, rules without a past.
#[derive(Clone, Debug)]
pub(crate) struct TestCase {
    pub(crate) name: String,
    pub(crate) interval_ms: i64,
    pub(crate) start: TimestampMs,
    /// Series and points as they are written.
    pub(crate) input: Vec<(String, String)>,
    pub(crate) alerts: Vec<AlertTest>,
    pub(crate) expressions: Vec<ExpressionTest>,
    pub(crate) external_labels: LabelSet,
    pub(crate) external_url: String,
}

/// Which alerts of a name fire at a time.
#[derive(Clone, Debug)]
pub(crate) struct AlertTest {
    /// Since the start of the test.
    pub(crate) at_ms: i64,
    pub(crate) name: String,
    /// Labels, with the alert's name, and annotations.
    pub(crate) expected: Vec<(LabelSet, LabelSet)>,
}

/// What a query answers at a time.
#[derive(Clone, Debug)]
pub(crate) struct ExpressionTest {
    pub(crate) at_ms: i64,
    pub(crate) expr: String,
    pub(crate) expected: Vec<Expected>,
}

/// A sample that a query must answer, or has answered.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) labels: LabelSet,
    pub(crate) value: f64,
    /// The text of the native histogram, if it is one.
    pub(crate) histogram: Option<String>,
}

impl TestFile {
    /// Reads the tree of a file.
    ///
    /// # Errors
    /// Unknown keys and values of the wrong kind, with their place.
    pub fn from_node(node: &Node) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let rule_files = section.optional("rule_files").map_or(Ok(Vec::new()), Node::as_strings)?;
        let evaluation_interval_ms = section.optional("evaluation_interval").map_or(Ok(60_000), duration)?.max(1);
        let fuzzy = section.optional("fuzzy_compare").map_or(Ok(false), Node::as_bool)?;
        let group_order = section.optional("group_eval_order").map_or(Ok(Vec::new()), Node::as_strings)?;
        let tests =
            list(section.optional("tests"))?.iter().map(|node| test_case(node, evaluation_interval_ms)).collect::<Result<_, _>>()?;
        section.finish()?;
        Ok(Self { rule_files, evaluation_interval_ms, fuzzy, group_order, tests })
    }

    /// How many tests it holds.
    #[must_use]
    pub fn test_count(&self) -> usize {
        self.tests.len()
    }
}

fn list(node: Option<&Node>) -> Result<&[Node], ConfigError> {
    node.filter(|node| !node.is_null()).map_or(Ok(&[]), Node::as_sequence)
}

fn duration(node: &Node) -> Result<i64, ConfigError> {
    Ok(i64::try_from(node.as_duration_ms()?).unwrap_or(i64::MAX))
}

fn text(node: Option<&Node>) -> Result<String, ConfigError> {
    node.map_or(Ok(String::new()), |node| node.as_str().map(str::to_owned))
}

fn label_map(node: Option<&Node>) -> Result<LabelSet, ConfigError> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Ok(LabelSet::default()) };
    Ok(node.as_string_map()?.into_iter().collect())
}

fn test_case(node: &Node, evaluation_interval_ms: i64) -> Result<TestCase, ConfigError> {
    let mut section = Section::new(node)?;
    let interval_ms = section.optional("interval").map_or(Ok(0), duration)?;
    let case = TestCase {
        name: text(section.optional("name"))?,
        // A test that does not say how far apart its points are has them one evaluation apart.
        interval_ms: if interval_ms > 0 { interval_ms } else { evaluation_interval_ms },
        start: section.optional("start_timestamp").map_or(Ok(0), start_time)?,
        input: list(section.optional("input_series"))?.iter().map(input_series).collect::<Result<_, _>>()?,
        alerts: list(section.optional("alert_rule_test"))?.iter().map(alert_test).collect::<Result<_, _>>()?,
        expressions: list(section.optional("promql_expr_test"))?.iter().map(expression_test).collect::<Result<_, _>>()?,
        external_labels: label_map(section.optional("external_labels"))?,
        external_url: text(section.optional("external_url"))?,
    };
    section.finish()?;
    Ok(case)
}

/// Unix seconds or RFC 3339.
fn start_time(node: &Node) -> Result<TimestampMs, ConfigError> {
    let written = node.as_str()?;
    if let Ok(seconds) = written.parse::<f64>()
        && seconds.abs() < 9e12
    {
        return Ok((seconds * 1000.0) as TimestampMs);
    }
    let time: Result<jiff::Timestamp, _> = written.parse();
    time.map(jiff::Timestamp::as_millisecond)
        .map_err(|_| node.error(format!("{written:?} is no time: write Unix seconds or RFC 3339, such as 2026-01-31T12:00:00Z")))
}

fn input_series(node: &Node) -> Result<(String, String), ConfigError> {
    let mut section = Section::new(node)?;
    let (series_node, values_node) = (section.required("series")?, section.required("values")?);
    section.finish()?;
    promql::parse_series(series_node.as_str()?).map_err(|error| series_node.error(error.to_string()))?;
    Ok((series_node.as_str()?.to_owned(), values_node.as_str()?.to_owned()))
}

fn alert_test(node: &Node) -> Result<AlertTest, ConfigError> {
    let mut section = Section::new(node)?;
    let at_ms = section.optional("eval_time").map_or(Ok(0), duration)?;
    let name_node = section.required("alertname")?;
    let name = name_node.as_str()?.to_owned();
    if name.is_empty() {
        return Err(name_node.error("alertname must not be empty"));
    }
    let mut expected = Vec::new();
    for node in list(section.optional("exp_alerts"))? {
        let mut alert = Section::new(node)?;
        let labels = label_map(alert.optional("exp_labels"))?.with("alertname", &name);
        expected.push((labels, label_map(alert.optional("exp_annotations"))?));
        alert.finish()?;
    }
    section.finish()?;
    Ok(AlertTest { at_ms, name, expected })
}

fn expression_test(node: &Node) -> Result<ExpressionTest, ConfigError> {
    let mut section = Section::new(node)?;
    let at_ms = section.optional("eval_time").map_or(Ok(0), duration)?;
    let expr = text(section.optional("expr"))?;
    let mut expected = Vec::new();
    for node in list(section.optional("exp_samples"))? {
        let mut sample = Section::new(node)?;
        let labels = match sample.optional("labels") {
            Some(labels) if !labels.as_str()?.is_empty() => {
                promql::parse_series(labels.as_str()?).map_err(|error| labels.error(error.to_string()))?
            }
            _ => LabelSet::default(),
        };
        let value = match sample.optional("value") {
            Some(value) => number(value)?,
            None => 0.0,
        };
        let histogram = match sample.optional("histogram") {
            Some(node) if !node.as_str()?.is_empty() => {
                let written = promql::script::histogram(node.as_str()?).map_err(|error| node.error(error))?;
                Some(promql::script::histogram_text(&written.histogram))
            }
            _ => None,
        };
        sample.finish()?;
        expected.push(Expected { labels, value, histogram });
    }
    section.finish()?;
    Ok(ExpressionTest { at_ms, expr, expected })
}

/// A float as YAML or PromQL writes it.
fn number(node: &Node) -> Result<f64, ConfigError> {
    let written = node.as_str()?;
    let plain = written.trim_start_matches(['+', '-']).trim_start_matches('.');
    match plain.to_ascii_lowercase().as_str() {
        "inf" => Ok(if written.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        "nan" => Ok(f64::NAN),
        _ => written.parse().map_err(|_| node.error(format!("{written:?} is no number"))),
    }
}
