//! `info`: adds to series the labels of info metrics that describe the same instance and job.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use model::{LabelSet, METRIC_NAME, MatchOp, Matcher, is_absent};

use super::selector::Want;
use super::{Column, Columns, Query, Steps};
use crate::ast::{AtTime, DurationExpr, Expr, ExprKind, Number, Selector, Shift};
use crate::error::EvalError;
use crate::position::Span;
use crate::text::all_labels;

/// The labels by which a series and its info metrics are matched.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The info metric that is looked at if none is named.
const TARGET_INFO: &str = "target_info";

/// Up to so many values of an identifying label, storage is asked for these alone.
const VALUES_ASKED_MAX: usize = 1000;

/// What the second argument asks for.
struct Asked {
    /// Which info metrics.
    names: Vec<Matcher>,
    /// Conditions on other labels. If there are any, the labels they name are all that is added.
    data: Vec<Matcher>,
}

impl Asked {
    fn of(arg: Option<&Expr>) -> Self {
        let matchers: &[Matcher] = match arg.map(|arg| &arg.unwrap_parens().kind) {
            Some(ExprKind::Selector(selector)) => &selector.matchers,
            _ => &[],
        };
        let (mut names, data): (Vec<Matcher>, Vec<Matcher>) = matchers.iter().cloned().partition(|m| m.name() == METRIC_NAME);
        if names.is_empty() {
            names.push(Matcher::equal(METRIC_NAME, TARGET_INFO));
        } else if !names.iter().any(|m| matches!(m.op(), MatchOp::Equal | MatchOp::Matches)) {
            // What is excluded is excluded from all that look like info metrics.
            names.extend(Matcher::new(METRIC_NAME, MatchOp::Matches, ".+_info").ok());
        }
        Self { names, data }
    }

    fn takes(&self, label: &str) -> bool {
        label != METRIC_NAME && (self.data.is_empty() || self.data.iter().any(|m| m.name() == label))
    }
}

/// Info series that may describe one base series, by their metric.
type Candidates<'c> = BTreeMap<&'c str, Vec<&'c Column>>;

impl Query<'_> {
    pub(super) fn info(&self, args: &[Expr], span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let base_arg = super::call::argument(args, 0, span)?;
        let mut base = self.eval_vector(base_arg, steps)?;
        let asked = Asked::of(args.get(1));
        let is_info = |column: &Column| {
            let name = column.labels.metric_name().unwrap_or_default();
            asked.names.iter().all(|m| m.matches(name))
        };
        let infos = self.info_series(&asked, base.series.iter().filter(|column| !is_info(column)), base_arg, steps)?;
        let mut described: HashMap<LabelSet, Candidates<'_>> = HashMap::new();
        for info in &infos.series {
            let name = info.labels.metric_name().unwrap_or_default();
            described.entry(identity(&info.labels)).or_default().entry(name).or_default().push(info);
        }
        let may_be_bare = asked.data.iter().all(Matcher::matches_empty);
        let mut out = Columns { series: Vec::new(), charge: self.budget.charge(0)? };
        let mut places: HashMap<LabelSet, usize> = HashMap::new();
        for column in std::mem::take(&mut base.series) {
            if is_info(&column) {
                places.insert(column.labels.clone(), out.series.len());
                self.budget.add_column(&mut out.charge, steps.count)?;
                out.series.push(column);
                continue;
            }
            let nothing = Candidates::new();
            let candidates = described.get(&identity(&column.labels)).unwrap_or(&nothing);
            // The same info series stand for most steps.
            let mut last: Option<(Vec<&Column>, usize)> = None;
            for at in 0..steps.count {
                self.budget.work(1 + candidates.len())?;
                let Some(element) = column.element(at) else { continue };
                let chosen = candidates.values().filter_map(|c| newest(c, at).transpose()).collect::<Result<Vec<_>, _>>()?;
                if chosen.is_empty() && !may_be_bare {
                    continue;
                }
                let place = match &last {
                    Some((before, place)) if same(before, &chosen) => *place,
                    _ => {
                        let labels = with_info(&column.labels, &chosen, &asked)?;
                        match places.get(&labels) {
                            Some(place) => *place,
                            None => {
                                self.budget.add_column(&mut out.charge, steps.count)?;
                                out.series.push(self.empty(labels.clone(), column.drop_name, steps.count));
                                places.insert(labels, out.series.len() - 1);
                                out.series.len() - 1
                            }
                        }
                    }
                };
                last = Some((chosen, place));
                let into = &mut out.series[place];
                if into.has(at) {
                    return Err(EvalError::Execution("vector cannot contain metrics with the same labelset".to_owned()));
                }
                into.set(at, element);
            }
        }
        Ok(out)
    }

    /// The info series of base series: for each step the time of the sample that counts.
    fn info_series<'c>(
        &self,
        asked: &Asked,
        base: impl Iterator<Item = &'c Column>,
        base_arg: &Expr,
        steps: Steps,
    ) -> Result<Columns<'_>, EvalError> {
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for column in base {
            for label in IDENTIFYING {
                if let Some(value) = column.labels.get(label).filter(|v| !v.is_empty()) {
                    values.entry(label).or_default().insert(value);
                }
            }
        }
        if values.is_empty() {
            return Ok(Columns { series: Vec::new(), charge: self.budget.charge(0)? });
        }
        let mut matchers: Vec<Matcher> = asked.names.iter().chain(&asked.data).cloned().collect();
        for (label, values) in values.into_iter().filter(|(_, values)| values.len() <= VALUES_ASKED_MAX) {
            let any = values.into_iter().map(regex::escape).collect::<Vec<_>>().join("|");
            matchers.extend(Matcher::new(label, MatchOp::Matches, &any).ok());
        }
        let shift = self.shift_of(base_arg)?.unwrap_or_default();
        let selector = Selector { name: None, matchers, shift, edges: None };
        self.instant_selector(&selector, base_arg.span, steps, Want::InfoTimes)
    }

    /// When info series are looked at: as the first selector of the base does, with the subqueries around it.
    fn shift_of(&self, expr: &Expr) -> Result<Option<Shift>, EvalError> {
        let own = match &expr.kind {
            ExprKind::Selector(selector) => Some(selector.shift.clone()),
            ExprKind::Range(range) => Some(range.selector.shift.clone()),
            _ => None,
        };
        if own.is_some() {
            return Ok(own);
        }
        let (mut found, mut failed) = (None, None);
        crate::plan::each_child(expr, &mut |child| {
            if found.is_none() && failed.is_none() {
                match self.shift_of(child) {
                    Ok(shift) => found = shift,
                    Err(error) => failed = Some(error),
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let (Some(inner), ExprKind::Subquery(subquery)) = (&found, &expr.kind) else { return Ok(found) };
        if inner.at.is_some() {
            return Ok(found);
        }
        let (inner, outer) = (self.look(inner, expr.span)?, self.look(&subquery.shift, expr.span)?);
        let offset = inner.offset.saturating_add(outer.offset) as f64 / 1000.0;
        let offset = DurationExpr::Literal(Number { value: offset, duration: true });
        Ok(Some(Shift { offset: Some(offset), at: outer.at.map(AtTime::Time) }))
    }
}

fn identity(labels: &LabelSet) -> LabelSet {
    labels.filter(|name| IDENTIFYING.contains(&name))
}

fn same(a: &[&Column], b: &[&Column]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| std::ptr::eq(*a, *b))
}

/// Of info series with the same identity and metric, the one whose sample is newest.
fn newest<'c>(infos: &[&'c Column], at: usize) -> Result<Option<&'c Column>, EvalError> {
    let mut best: Option<&Column> = None;
    for info in infos.iter().filter(|info| !is_absent(info.values[at])) {
        match best {
            Some(known) if known.values[at] > info.values[at] => {}
            Some(known) if known.values[at] == info.values[at] => {
                let (first, second) = (all_labels(&known.labels), all_labels(&info.labels));
                let time = (info.values[at] * 1000.0).round();
                return Err(EvalError::Execution(format!(
                    "found duplicate series for info metric: existing {first} @ {time}, new {second} @ {time}"
                )));
            }
            _ => best = Some(info),
        }
    }
    Ok(best)
}

/// The labels of a series with those that info series add. Its own stay as they are.
fn with_info(base: &LabelSet, infos: &[&Column], asked: &Asked) -> Result<LabelSet, EvalError> {
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    for info in infos {
        for (name, value) in info.labels.iter().filter(|(name, _)| asked.takes(name)) {
            if added.get(name).is_some_and(|known| *known != value) {
                return Err(EvalError::Execution(format!("conflicting label: {name}")));
            }
            if base.get(name).is_none() {
                added.insert(name, value);
            }
        }
    }
    let mut labels = base.to_builder();
    for (name, value) in added {
        labels.set(name, value);
    }
    Ok(labels.build())
}
