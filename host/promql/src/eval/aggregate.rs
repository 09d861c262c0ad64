//! Aggregations: groups by labels once, then values step by step in columns.

use model::{LabelSet, METRIC_NAME, PackedLabelSets, is_absent};

use super::call::best_first;
use super::members::Members;
use super::numbers::{Numbers, Only};
use super::sample_ratio::is_sampled;
use super::{Column, Columns, Query, Steps, Values, clean, refuse};
use crate::ast::{Aggregate, AggregateOp};
use crate::error::EvalError;
use crate::functions::sums::{Mean, Sum, nan_first, quantile};
use crate::limits::LABELS_WORK;
use crate::position::Span;
use crate::text::float_short;

/// Series that are aggregated together, by their places in the input.
#[derive(Clone, Copy)]
pub(super) struct Group<'g> {
    pub(super) labels: &'g LabelSet,
    pub(super) members: &'g [usize],
}

/// All groups.
struct Groups {
    labels: Vec<LabelSet>,
    members: Members,
}

impl Groups {
    fn list(&self) -> Vec<Group<'_>> {
        self.labels.iter().enumerate().map(|(at, labels)| Group { labels, members: self.members.group(at) }).collect()
    }
}

impl Query<'_> {
    pub(super) fn aggregate(&self, aggregate: &Aggregate, span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        if aggregate.op == AggregateOp::CountValues {
            return self.count_values(aggregate, span, steps);
        }
        if let Some(columns) = self.fused(aggregate, steps)? {
            return Ok(columns);
        }
        let parameter = aggregate.param.as_ref().map(|param| self.eval_parameter(param, steps)).transpose()?;
        let parameter = parameter.as_ref().map_or(&[][..], |p| &p.values);
        let mut input = self.eval_vector(&aggregate.expr, steps)?;
        let op = aggregate.op;
        if input.series.iter().any(|column| column.histograms.is_some()) {
            input = match op {
                AggregateOp::Sum | AggregateOp::Avg | AggregateOp::Limitk | AggregateOp::LimitRatio => input,
                AggregateOp::Count | AggregateOp::Group => self.presence(input),
                AggregateOp::Topk | AggregateOp::Bottomk => self.without_histograms(op, input, span),
                _ => self.without_histograms(op, input, aggregate.expr.span),
            };
        }
        let groups = self.groups(aggregate, &input)?;
        let groups = groups.list();
        match op {
            AggregateOp::LimitRatio => {
                let param_span = aggregate.param.as_ref().map_or(span, |p| p.span);
                self.limit_ratio(parameter, param_span, input)
            }
            op @ (AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk) => self.best(op, parameter, input, &groups, steps),
            AggregateOp::Quantile => {
                let param_span = aggregate.param.as_ref().map_or(span, |p| p.span);
                self.check_quantile_range(parameter, param_span);
                self.reduce(&input, &groups, steps, |members, at, scratch| {
                    scratch.clear();
                    scratch.extend(members.map(|v| v[at]).filter(|v| !is_absent(*v)));
                    // Sorted before, because this can be stopped.
                    *scratch = self.sorted(std::mem::take(scratch), |a, b| nan_first(*a, *b))?;
                    Ok((!scratch.is_empty()).then(|| quantile(parameter[at], scratch)))
                })
            }
            AggregateOp::Sum | AggregateOp::Avg if input.series.iter().any(|column| column.histograms.is_some()) => {
                self.sums_mixed(op == AggregateOp::Avg, &input, &groups, aggregate.expr.span, steps)
            }
            op => self.accumulate(op, &input, &groups, span, steps),
        }
    }

    fn check_quantile_range(&self, quantiles: &[f64], span: Span) {
        let warn = |q: f64| self.notes.warn(span, &format!("quantile value should be between 0 and 1, got {}", float_short(q)));
        if quantiles.iter().any(|q| q.is_nan()) {
            warn(f64::NAN);
        }
        let (min, max) = quantiles.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), q| (min.min(*q), max.max(*q)));
        if max > 1.0 {
            warn(max);
        }
        if min < 0.0 {
            warn(min);
        }
    }

    fn groups(&self, aggregate: &Aggregate, input: &Columns<'_>) -> Result<Groups, EvalError> {
        let mut places = Numbers::new(Only(|name: &str| groups_by(aggregate, name)), 0);
        let (mut firsts, mut of) = (Vec::new(), Vec::with_capacity(input.series.len()));
        for column in &input.series {
            self.budget.work(LABELS_WORK)?;
            let place = places.find_or_add(&column.labels, |place| firsts[place]);
            if place == firsts.len() {
                firsts.push(&column.labels);
            }
            of.push(place);
        }
        let mut labels = PackedLabelSets::with_capacity(firsts.len());
        for first in &firsts {
            self.budget.work(LABELS_WORK)?;
            labels.push_sorted(first.iter().filter(|(name, _)| groups_by(aggregate, name)));
        }
        Ok(Groups { members: Members::of(&of, firsts.len()), labels: labels.into_list() })
    }

    /// `sum` and `avg` where there are histograms: groups without any go the usual way.
    fn sums_mixed(
        &self,
        mean: bool,
        input: &Columns<'_>,
        groups: &[Group<'_>],
        span: Span,
        steps: Steps,
    ) -> Result<Columns<'_>, EvalError> {
        let has_histograms = |group: &Group<'_>| group.members.iter().any(|m| input.series[*m].histograms.is_some());
        let (mixed, floats): (Vec<Group<'_>>, Vec<Group<'_>>) = groups.iter().partition(|group| has_histograms(group));
        let op = if mean { AggregateOp::Avg } else { AggregateOp::Sum };
        let mut columns = self.accumulate(op, input, &floats, span, steps)?;
        for group in &mixed {
            let column = self.sum_mixed(mean, input, group, span, steps)?;
            self.budget.add_column(&mut columns.charge, steps.count)?;
            self.budget.add_histograms(&mut columns.charge, &column)?;
            columns.series.push(column);
        }
        Ok(columns)
    }

    /// `limit_ratio`: the series themselves, a share of them.
    fn limit_ratio<'b>(&self, ratios: &[f64], span: Span, mut input: Columns<'b>) -> Result<Columns<'b>, EvalError> {
        if ratios.iter().any(|ratio| ratio.is_nan()) {
            return Err(EvalError::Execution("Ratio value is NaN".to_owned()));
        }
        let limited: Vec<f64> = ratios.iter().map(|ratio| ratio.clamp(-1.0, 1.0)).collect();
        for (ratio, limit) in ratios.iter().zip(&limited).filter(|(ratio, limit)| ratio != limit) {
            let (ratio, limit) = (float_short(*ratio), float_short(*limit));
            self.notes.warn(span, &format!("ratio value should be between -1 and 1, got {ratio}, capping to {limit}"));
        }
        for column in &mut input.series {
            self.budget.work(limited.len())?;
            for (at, ratio) in limited.iter().enumerate() {
                if *ratio == 0.0 || !is_sampled(&column.labels, *ratio) {
                    column.clear(at);
                }
            }
        }
        input.series.retain(Column::has_any);
        Ok(input)
    }

    /// One value for each group and step from those of its members.
    fn reduce(
        &self,
        input: &Columns<'_>,
        groups: &[Group<'_>],
        steps: Steps,
        f: impl Fn(&mut dyn Iterator<Item = &Values>, usize, &mut Vec<f64>) -> Result<Option<f64>, EvalError>,
    ) -> Result<Columns<'_>, EvalError> {
        let mut columns = Columns { series: Vec::new(), charge: self.budget.charge(groups.len().saturating_mul(steps.count))? };
        let mut scratch = Vec::new();
        for group in groups {
            let mut column = self.empty(group.labels.clone(), drops_name(group, input), steps.count);
            for (at, value) in column.values.iter_mut().enumerate() {
                self.budget.work(group.members.len())?;
                let mut members = group.members.iter().map(|m| &input.series[*m].values);
                *value = f(&mut members, at, &mut scratch)?.map_or_else(model::absent, clean);
            }
            columns.series.push(column);
        }
        Ok(columns)
    }

    fn accumulate(
        &self,
        op: AggregateOp,
        input: &Columns<'_>,
        groups: &[Group<'_>],
        span: Span,
        steps: Steps,
    ) -> Result<Columns<'_>, EvalError> {
        match op {
            AggregateOp::Sum => self.fold(input, groups, steps, Sum::default(), Sum::add, |s| s.total()),
            AggregateOp::Avg => self.fold(input, groups, steps, Mean::default(), Mean::add, |m| m.value()),
            AggregateOp::Count => self.fold(input, groups, steps, 0.0, |n, _| *n += 1.0, |n| *n),
            AggregateOp::Group => self.fold(input, groups, steps, (), |(), _| {}, |()| 1.0),
            AggregateOp::Min => self.fold(
                input,
                groups,
                steps,
                f64::NAN,
                |m, v| {
                    if *m > v || m.is_nan() {
                        *m = v
                    }
                },
                |m| *m,
            ),
            AggregateOp::Max => self.fold(
                input,
                groups,
                steps,
                f64::NAN,
                |m, v| {
                    if *m < v || m.is_nan() {
                        *m = v
                    }
                },
                |m| *m,
            ),
            AggregateOp::Stdvar => self.fold(input, groups, steps, Spread::default(), Spread::add, Spread::variance),
            AggregateOp::Stddev => self.fold(input, groups, steps, Spread::default(), Spread::add, |s| s.variance().sqrt()),
            op => Err(refuse(span, &format!("aggregation {} takes another way", op.name()))),
        }
    }

    /// Column by column through a state for each step, so that each column is read once from front to back.
    fn fold<S: Clone>(
        &self,
        input: &Columns<'_>,
        groups: &[Group<'_>],
        steps: Steps,
        empty: S,
        add: impl Fn(&mut S, f64),
        value: impl Fn(&S) -> f64,
    ) -> Result<Columns<'_>, EvalError> {
        let mut columns =
            Columns { series: Vec::new(), charge: self.budget.charge(groups.len().saturating_add(5).saturating_mul(steps.count))? };
        for group in groups {
            let mut states = vec![(false, empty.clone()); steps.count];
            for member in group.members {
                self.budget.work(steps.count)?;
                for ((seen, state), new) in states.iter_mut().zip(&input.series[*member].values).filter(|(_, v)| !is_absent(**v)) {
                    *seen = true;
                    add(state, *new);
                }
            }
            let values = self.values(states.iter().map(|(seen, state)| if *seen { clean(value(state)) } else { model::absent() }));
            columns.series.push(Column::floats(group.labels.clone(), drops_name(group, input), values));
        }
        Ok(columns)
    }

    /// `topk`, `bottomk`, `limitk`: the series themselves, where they are among the best, or the first, of their group.
    fn best<'b>(
        &self,
        op: AggregateOp,
        k: &[f64],
        mut input: Columns<'b>,
        groups: &[Group<'_>],
        steps: Steps,
    ) -> Result<Columns<'b>, EvalError> {
        if k.iter().any(|k| k.is_nan()) {
            return Err(EvalError::Execution("Parameter value is NaN".to_owned()));
        }
        if k.iter().all(|k| *k < 1.0) {
            input.series.clear();
            return Ok(input);
        }
        for k in k {
            if *k <= i64::MIN as f64 || *k >= i64::MAX as f64 {
                let verb = if *k < 0.0 { "underflows" } else { "overflows" };
                return Err(EvalError::Execution(format!("Scalar value {} {verb} int64", float_short(*k))));
            }
        }
        let mut ranked: Vec<(f64, usize)> = Vec::new();
        let mut order = Vec::new();
        for group in groups {
            for (at, k) in k.iter().enumerate() {
                self.budget.work(group.members.len())?;
                ranked.clear();
                let present = group.members.iter().filter(|m| input.series[**m].has(at));
                ranked.extend(present.map(|m| (input.series[*m].values[at], *m)));
                if op != AggregateOp::Limitk {
                    ranked = self.sorted(ranked, |a, b| best_first(a.0, b.0, op == AggregateOp::Topk))?;
                }
                let kept = if *k < 1.0 { 0 } else { (*k as usize).min(ranked.len()) };
                for (_, member) in &ranked[kept..] {
                    input.series[*member].clear(at);
                }
                if steps.count == 1 {
                    order.extend(ranked[..kept].iter().map(|(_, member)| *member));
                }
            }
        }
        if steps.count == 1 {
            // The answer to an instant query is in order, group by group.
            let mut slots: Vec<Option<Column>> = input.series.into_iter().map(Some).collect();
            input.series = order.into_iter().filter_map(|at| slots[at].take()).collect();
        } else {
            input.series.retain(Column::has_any);
        }
        Ok(input)
    }
}

/// Whether a label of this name is one of those by which series are grouped.
pub(super) fn groups_by(aggregate: &Aggregate, name: &str) -> bool {
    let named = aggregate.grouping.iter().any(|label| label == name);
    if aggregate.without { !named && name != METRIC_NAME } else { named }
}

pub(super) fn drops_name(group: &Group<'_>, input: &Columns<'_>) -> bool {
    group.members.iter().any(|m| input.series[*m].drop_name)
}

/// Mean and squared distances from it, by Welford's method.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    pub(super) fn variance(&self) -> f64 {
        self.squares / self.count
    }
}
