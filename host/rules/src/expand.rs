//! Expands the templates of labels and annotations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use model::{LabelSet, TimestampMs};
use promql::{FloatHistogram, Limits as QueryLimits, Value as QueryValue};
use template::{Field, Limits, MapKind, Mode, PrometheusFunctions, QuerySample, Template, TemplateError, Value};

use crate::deps::{Context, Rule};

/// What upstream puts before each text, so that these names are there.
const VARIABLES: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// Reads a template of a rule.
pub(crate) fn parse(name: &str, text: &str, functions: &PrometheusFunctions<'_>) -> Result<Template, TemplateError> {
    Template::parse(name, &format!("{VARIABLES}{text}"), functions)
}

/// The templates of one rule at one evaluation.
pub(crate) struct Expander<'a> {
    context: &'a Context,
    alert: &'a str,
    now: TimestampMs,
}

impl<'a> Expander<'a> {
    pub(crate) fn new(context: &'a Context, alert: &'a str, now: TimestampMs) -> Self {
        Self { context, alert, now }
    }

    /// The result for a series, or a text that says what is wrong.
    pub(crate) fn expand(&self, text: &str, found: &Found) -> String {
        // Most texts have no action.
        if !text.contains("{{") {
            return text.to_owned();
        }
        let functions =
            PrometheusFunctions { query: Box::new(|query| self.query(query)), now: self.now, external_url: &self.context.external_url };
        let record = |name, value| Field { name, json: name, value };
        let data = Value::record(
            "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }",
            vec![
                record("Labels", Value::labels(MapKind::Strings, &found.labels)),
                record("ExternalLabels", Value::labels(MapKind::Strings, &self.context.external_labels)),
                record("ExternalURL", Value::text(&self.context.external_url)),
                record("Value", found.histogram.as_ref().map_or(Value::Float(found.value), |h| Value::text(h.to_string()))),
            ],
        );
        // Name and wording are upstream's, because people search for them.
        let name = format!("__alert_{}", self.alert);
        let expanded =
            parse(&name, text, &functions).map_err(|error| format!("error parsing template {name}: {error}")).and_then(|template| {
                let result = template.expand(Mode::Text, &data, &functions, &Limits::default());
                result.map_err(|error| format!("error executing template {name}: {error}"))
            });
        expanded.unwrap_or_else(|error| {
            tracing::warn!(alert = self.alert, "{error}");
            format!("<error expanding template: {error}>")
        })
    }

    fn query(&self, text: &str) -> Result<Vec<QuerySample>, String> {
        let expr = promql::parse(text).map_err(|error| error.to_string())?;
        let samples = evaluate(&expr, self.now, self.context)?;
        Ok(samples.into_iter().map(|found| QuerySample { labels: found.labels, value: found.value }).collect())
    }
}

/// A series that an expression yields.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) labels: LabelSet,
    /// 0 where it is a histogram, as upstream has it.
    pub(crate) value: f64,
    pub(crate) histogram: Option<Arc<FloatHistogram>>,
}

impl Found {
    pub(crate) fn float(labels: LabelSet, value: f64) -> Self {
        Self { labels, value, histogram: None }
    }
}

/// The same of a rule, which is listed while it runs.
pub(crate) fn evaluate_rule(expr: &promql::ast::Expr, rule: Rule<'_>, context: &Context) -> Result<Vec<Found>, String> {
    let Some(list) = &context.listed else { return evaluate(expr, rule.at, context) };
    let mut listed = list.begins(rule);
    // What stops everything may have done so before it was listed.
    if context.cancel.load(Ordering::SeqCst) {
        listed.cancel().store(true, Ordering::SeqCst);
    }
    let begun = Instant::now();
    let result = evaluate_as(expr, rule.at, context, listed.cancel(), listed.meter());
    listed.ended(begun.elapsed(), result.as_ref().err().map(String::as_str));
    result
}

/// The series that an expression yields at a time. A scalar is one without labels.
pub(crate) fn evaluate(expr: &promql::ast::Expr, at: TimestampMs, context: &Context) -> Result<Vec<Found>, String> {
    evaluate_as(expr, at, context, Arc::clone(&context.cancel), Arc::default())
}

fn evaluate_as(
    expr: &promql::ast::Expr,
    at: TimestampMs,
    context: &Context,
    cancel: Arc<AtomicBool>,
    meter: Arc<promql::Meter>,
) -> Result<Vec<Found>, String> {
    let limits = QueryLimits {
        deadline: Some(Instant::now() + context.query_timeout),
        cancel,
        subquery_step_ms: context.evaluation_interval_ms(),
        meter,
        ..context.queries.clone()
    };
    match promql::instant(expr, at, context.select.as_ref(), &limits).map_err(|error| error.to_string())?.value {
        QueryValue::Vector(samples) => {
            let found = samples.into_iter().map(|sample| match sample.histogram {
                None => Found::float(sample.labels, sample.point.value),
                histogram => Found { labels: sample.labels, value: 0.0, histogram },
            });
            Ok(found.collect())
        }
        QueryValue::Scalar(point) => Ok(vec![Found::float(LabelSet::empty(), point.value)]),
        QueryValue::String(..) | QueryValue::Matrix(_) => Err("rule result is not a vector or scalar".to_owned()),
    }
}
