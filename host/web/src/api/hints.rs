//! Why a panel has nothing to draw, said so that a page can say it in its language.

use model::seams::Select;
use model::{Matcher, TimeRange};
use serde_json::{Value, json};

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// No series has this name.
    NoMetric(String),
    /// The metric has no series with this label.
    NoLabel(String, String),
    /// It has none with all of the labels that were asked for.
    NoLabels(String),
    /// The selector names no metric, and no series has its labels.
    NoSeries,
    /// What a dashboard asks for and nothing here serves, in the words of whoever read it.
    Unsupported(String),
}

impl Hint {
    /// For people who read English.
    pub(super) fn text(&self) -> String {
        match self {
            Self::NoMetric(name) => format!("no series is named {name} in this time range"),
            Self::NoLabel(name, label) => format!("{name} has no series with {label} in this time range"),
            Self::NoLabels(name) => format!("{name} has no series with all of these labels in this time range"),
            Self::NoSeries => "no series has these labels in this time range".to_owned(),
            Self::Unsupported(text) => text.clone(),
        }
    }

    /// For pages.
    pub(super) fn json(&self) -> Value {
        let text = self.text();
        match self {
            Self::NoMetric(metric) => json!({"kind": "no-metric", "metric": metric, "text": text}),
            Self::NoLabel(metric, label) => json!({"kind": "no-label", "metric": metric, "label": label, "text": text}),
            Self::NoLabels(metric) => json!({"kind": "no-labels", "metric": metric, "text": text}),
            Self::NoSeries => json!({"kind": "no-series", "text": text}),
            Self::Unsupported(_) => json!({"kind": "unsupported", "text": text}),
        }
    }
}

/// Says of the first selector without series what is missing: its metric, or one of its labels.
pub(super) fn missing(expr: &promql::ast::Expr, range: TimeRange, select: &dyn Select, lookback_ms: i64) -> Option<Hint> {
    let none = |matchers: &[Matcher], range| select.series(&[matchers.to_vec()], range, 1).is_ok_and(|found| found.is_empty());
    let selections = promql::plan::selections(expr, range.start, range.end, lookback_ms);
    let found = selections.into_iter().take(5).find(|selection| none(&selection.matchers, selection.range))?;
    let (names, labels): (Vec<Matcher>, Vec<Matcher>) = found.matchers.into_iter().partition(|m| m.name() == model::METRIC_NAME);
    let Some(name) = names.first() else { return Some(Hint::NoSeries) };
    if none(&names, found.range) {
        return Some(Hint::NoMetric(name.value().to_owned()));
    }
    let alone = labels.iter().find(|label| none(&[name.clone(), (*label).clone()], found.range));
    let name = name.value().to_owned();
    Some(alone.map_or_else(|| Hint::NoLabels(name.clone()), |label| Hint::NoLabel(name.clone(), label.to_string())))
}
