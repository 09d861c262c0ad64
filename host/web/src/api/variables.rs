//! Values of a dashboard's variables: asked in their order, since later ones refer to earlier ones.

use std::collections::HashMap;

use dashboards::{ALL_VALUE, Dashboard, Scope, Variable, VariableKind, VariableOption, VariableQuery, query_interval};
use model::seams::Select;
use model::{METRIC_NAME, MatchOp, Matcher, TimeRange, format_duration};

use super::series::matcher_sets;

/// Most values that a query for them may yield.
const VALUES_MAX: usize = 10_000;

/// What a page or a panel has chosen, by variable.
pub(super) type Wanted = HashMap<String, Vec<String>>;

/// What is asked, and of whom.
pub(super) struct Asking<'a> {
    pub(super) select: &'a dyn Select,
    pub(super) limits: &'a promql::Limits,
    pub(super) range: TimeRange,
    pub(super) wanted: &'a Wanted,
    /// Whether the lists of values are wanted, or only what is chosen of them.
    pub(super) options: bool,
}

/// A variable with what it offers and what is chosen.
pub(super) struct Resolved {
    pub(super) options: Vec<VariableOption>,
    pub(super) current: Vec<String>,
}

/// All variables of a board.
pub(super) struct Variables {
    pub(super) resolved: Vec<Resolved>,
    pub(super) scope: Scope,
    pub(super) warnings: Vec<String>,
}

impl Asking<'_> {
    /// Resolves the variables of the board. `scope` holds the built-in ones.
    pub(super) fn resolve(&self, board: &Dashboard, scope: Scope) -> Variables {
        let mut out = Variables { resolved: Vec::new(), scope, warnings: Vec::new() };
        for variable in &board.variables {
            let resolved = self.one(variable, &mut out);
            let (values, text) = (&resolved.options, auto_name(&variable.name));
            if resolved.current.first() == Some(&text) {
                out.scope.set_builtin(&variable.name, self.auto_interval(variable));
            } else {
                out.scope.set(variable, values, &resolved.current);
            }
            out.resolved.push(resolved);
        }
        out
    }

    fn one(&self, variable: &Variable, out: &mut Variables) -> Resolved {
        let wanted = self.wanted.get(&variable.name).map(Vec::as_slice);
        // What a page has chosen needs no list of what it could have chosen, unless it is all of them.
        if let (false, Some(values), VariableKind::Query(_)) = (self.options, wanted, &variable.kind) {
            let all = values.iter().any(|value| value == ALL_VALUE);
            if !values.is_empty() && (!all || !variable.all_value.is_empty()) {
                let options = values.iter().map(VariableOption::plain).collect();
                return Resolved { options, current: values.to_vec() };
            }
        }
        let mut options = match &variable.kind {
            VariableKind::Query(query) => self.ask(variable, query, &out.scope).unwrap_or_else(|reason| {
                out.warnings.push(format!("the variable {:?} has no values: {reason}", variable.name));
                Vec::new()
            }),
            _ => variable.options.clone(),
        };
        if matches!(variable.kind, VariableKind::Interval { auto_count: Some(_), .. }) {
            options.insert(0, VariableOption { text: "auto".to_owned(), value: auto_name(&variable.name) });
        }
        let current = variable.selection(&options, wanted);
        Resolved { options, current }
    }

    fn auto_interval(&self, variable: &Variable) -> String {
        let VariableKind::Interval { auto_count, auto_min } = &variable.kind else { return String::new() };
        let range_ms = u64::try_from(self.range.end - self.range.start).unwrap_or(0);
        let min_ms = model::parse_duration(auto_min).ok();
        format_duration(query_interval(range_ms, auto_count.unwrap_or(30), min_ms, 1, 1).step_ms)
    }

    fn ask(&self, variable: &Variable, query: &VariableQuery, scope: &Scope) -> Result<Vec<VariableOption>, String> {
        let values = self.values(query, scope)?;
        variable.options_of(values)
    }

    fn values(&self, query: &VariableQuery, scope: &Scope) -> Result<Vec<String>, String> {
        let failed = |error: model::seams::SelectError| error.to_string();
        match query {
            VariableQuery::LabelValues { selector, label } => {
                let sets = matcher_sets(&scope.fill_query(selector))?;
                self.select.label_values(&scope.fill_text(label), &sets, self.range, VALUES_MAX).map_err(failed)
            }
            VariableQuery::LabelNames(selector) => {
                let sets = matcher_sets(&scope.fill_query(selector))?;
                self.select.label_names(&sets, self.range, VALUES_MAX).map_err(failed)
            }
            VariableQuery::Metrics(pattern) => {
                let pattern = format!(".*(?:{}).*", scope.fill_query(pattern));
                let matcher = Matcher::new(METRIC_NAME, MatchOp::Matches, pattern).map_err(|error| error.to_string())?;
                self.select.label_values(METRIC_NAME, &[vec![matcher]], self.range, VALUES_MAX).map_err(failed)
            }
            VariableQuery::Series(selector) => {
                let selector = scope.fill_query(selector);
                if selector.trim().is_empty() {
                    return Err("its query is empty".to_owned());
                }
                let series = self.select.series(&matcher_sets(&selector)?, self.range, VALUES_MAX).map_err(failed)?;
                Ok(series.iter().map(ToString::to_string).collect())
            }
            VariableQuery::QueryResult(expr) => self.query_result(&scope.fill_query(expr)),
        }
    }

    fn query_result(&self, expr: &str) -> Result<Vec<String>, String> {
        let parsed = promql::parse(expr).map_err(|error| error.to_string())?;
        let result = promql::instant(&parsed, self.range.end, self.select, self.limits).map_err(|error| error.to_string())?;
        let line = |labels: &str, value: &str, time: i64| format!("{labels} {value} {time}");
        let float = crate::encode::float;
        match result.value {
            // A histogram has no value; its text stands for it, as in upstream's tables.
            promql::Value::Vector(samples) => Ok(samples
                .into_iter()
                .take(VALUES_MAX)
                .map(|sample| {
                    let value = sample.histogram.map_or_else(|| float(sample.point.value), |histogram| histogram.to_string());
                    line(&sample.labels.to_string(), &value, sample.point.time)
                })
                .collect()),
            promql::Value::Scalar(point) => Ok(vec![line("{}", &float(point.value), point.time)]),
            promql::Value::String(..) | promql::Value::Matrix(_) => Err("its query yields neither a vector nor a scalar".to_owned()),
        }
    }
}

/// The value of "auto", under which Grafana keeps it.
fn auto_name(variable: &str) -> String {
    format!("$__auto_interval_{variable}")
}
