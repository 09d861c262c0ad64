//! Aggregations of what comes straight from storage: each series' values go into its group's states while they are in the cache. No
//! label set is made of a series, and no column outlives its turn.

use model::seams::{KeyedGroups, LabelKey, SelectRequest, SelectedGroup};
use model::{LabelSet, METRIC_NAME, MatchOp, TimeRange};

use super::aggregate::Spread;
use super::parallel::{Emit, Walked};
use super::selector::{Newest, Want, decode, decode_newest, newest_at};
use super::slopes::Compute;
use super::windows::Walk;
use super::{Column, Columns, PLACE_BYTES, Query, Steps, clean};
use crate::ast::{Aggregate, AggregateOp, Expr, ExprKind, RangeSelector, Selector};
use crate::error::EvalError;
use crate::functions::over_range;
use crate::functions::sums::{Mean, Sum};
use crate::limits::Charge;
use crate::position::Span;

/// What is aggregated.
struct Source<'e> {
    selector: &'e Selector,
    span: Span,
    /// The function of a range, if it is one, and whether it is of counters.
    range: Option<(&'e RangeSelector, Compute, bool)>,
    /// Whether the metric's name is lost before aggregation: series may be equal then, which is an error.
    loses_name: bool,
}

/// Takes how many keys there are, the number of a series' key and its values at the steps.
type Visit<'v> = dyn FnMut(usize, u32, &[f64]) -> Result<(), EvalError> + 'v;

impl Query<'_> {
    /// The aggregation, or none if it is not of this kind: then nothing was done.
    pub(super) fn fused(&self, aggregate: &Aggregate, steps: Steps) -> Result<Option<Columns<'_>>, EvalError> {
        let plain = !self.limits.delayed_name_removal && !self.limits.start_timestamps && !self.limits.per_step && self.has_depth(3);
        let Some(source) = source(&aggregate.expr).filter(|_| plain) else { return Ok(None) };
        let key = LabelKey { names: &aggregate.grouping, without: aggregate.without };
        let smaller = |old: &mut f64, new: f64| {
            if *old > new || old.is_nan() {
                *old = new;
            }
        };
        let larger = |old: &mut f64, new: f64| {
            if *old < new || old.is_nan() {
                *old = new;
            }
        };
        match aggregate.op {
            AggregateOp::Sum => self.fold_source(&source, key, steps, Sum::default(), Sum::add, |s| s.total()),
            AggregateOp::Avg => self.fold_source(&source, key, steps, Mean::default(), Mean::add, |m| m.value()),
            AggregateOp::Count => self.fold_source(&source, key, steps, 0.0, |n, _| *n += 1.0, |n| *n),
            AggregateOp::Group => self.fold_source(&source, key, steps, (), |(), _| {}, |()| 1.0),
            AggregateOp::Min => self.fold_source(&source, key, steps, f64::NAN, smaller, |m| *m),
            AggregateOp::Max => self.fold_source(&source, key, steps, f64::NAN, larger, |m| *m),
            AggregateOp::Stdvar => self.fold_source(&source, key, steps, Spread::default(), Spread::add, Spread::variance),
            AggregateOp::Stddev => self.fold_source(&source, key, steps, Spread::default(), Spread::add, |s| s.variance().sqrt()),
            _ => Ok(None),
        }
    }

    fn fold_source<S: Clone>(
        &self,
        source: &Source<'_>,
        key: LabelKey<'_>,
        steps: Steps,
        empty: S,
        add: impl Fn(&mut S, f64),
        value: impl Fn(&S) -> f64,
    ) -> Result<Option<Columns<'_>>, EvalError> {
        // For each key one for each step; all in one block of memory.
        let mut states: Vec<(bool, S)> = Vec::new();
        let mut columns = Columns { series: Vec::new(), charge: self.budget.charge(steps.count)? };
        let mut scratch = self.budget.charge(0)?;
        let keys = self.each_values(source, key, steps, &mut |keys, key, values| {
            if states.is_empty() {
                let count = keys.saturating_mul(steps.count);
                self.budget.add_sized(&mut scratch, count, count.saturating_mul(size_of::<(bool, S)>()))?;
                states = vec![(false, empty.clone()); count];
            }
            let states = &mut states[key as usize * steps.count..][..steps.count];
            for ((seen, state), new) in states.iter_mut().zip(values).filter(|(_, value)| !model::is_absent(**value)) {
                *seen = true;
                add(state, *new);
            }
            Ok(())
        })?;
        let Some(keys) = keys else { return Ok(None) };
        for (labels, states) in keys.into_iter().zip(states.chunks(steps.count.max(1))) {
            if !states.iter().any(|(seen, _)| *seen) {
                continue;
            }
            self.budget.add_column(&mut columns.charge, steps.count)?;
            self.budget.add_bytes(&mut columns.charge, labels.bytes())?;
            let values = self.values(states.iter().map(|(seen, state)| if *seen { clean(value(state)) } else { model::absent() }));
            columns.series.push(Column::floats(labels, false, values));
        }
        Ok(Some(columns))
    }

    /// Hands on the number of each series' key with its values at the steps, for series that have any. Returns the keys; none if
    /// there are histograms, or series that might be equal without their names.
    fn each_values(
        &self,
        source: &Source<'_>,
        key: LabelKey<'_>,
        steps: Steps,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Vec<LabelSet>>, EvalError> {
        let found = match source.range {
            None => self.each_newest(source, key, steps, visit)?,
            Some((range, compute, counter)) => self.each_range(source, (range, compute, counter), key, steps, visit)?,
        };
        Ok(found.map(|keyed| keyed.keys))
    }

    fn select_keyed(
        &self,
        source: &Source<'_>,
        range: TimeRange,
        key: LabelKey<'_>,
    ) -> Result<Option<(KeyedGroups, Charge<'_>)>, EvalError> {
        self.budget.check()?;
        let matchers = source.selector.all_matchers();
        self.select.warnings(range).iter().for_each(|warning| self.notes.storage(warning));
        let ask = || self.budget.ask(|| self.select.select_keyed(&SelectRequest { matchers: &matchers, range }, key));
        let (keyed, mut charge, _) = self.shared(&matchers, range, Some(key), ask)?;
        if keyed.typed && source.loses_name {
            return Ok(None);
        }
        let keys: usize = keyed.keys.iter().map(|labels| labels.bytes() + PLACE_BYTES).sum();
        let series: usize = keyed.of.iter().map(|keys| keys.len().saturating_mul(KEYED_BYTES)).sum();
        self.budget.add_bytes(&mut charge, keys.saturating_add(series))?;
        Ok(Some((keyed, charge)))
    }

    fn each_newest(
        &self,
        source: &Source<'_>,
        key: LabelKey<'_>,
        steps: Steps,
        visit: &mut Visit<'_>,
    ) -> Result<Option<KeyedGroups>, EvalError> {
        let sight = self.sight(&source.selector.shift, source.span, steps, Want::Values)?;
        let lookback = self.limits.lookback_ms;
        let Some((keyed, _of_keys)) = self.select_keyed(source, sight.range(lookback), key)? else { return Ok(None) };
        let budget = &self.budget;
        let walk = |group: &dyn SelectedGroup, emit: &mut Emit<'_>| {
            let (mut walked, mut newest) = (Walked::default(), None);
            let mut values = vec![model::absent(); steps.count];
            let single = steps.count == 1;
            let by = if single { decode_newest } else { decode };
            (walked.read, walked.warnings) = by(budget, group, &mut |column| {
                walked.mixed |= !column.histograms.is_empty();
                if walked.mixed {
                    return Ok(false);
                }
                budget.work(steps.count)?;
                if single {
                    values[0] = newest_at(&column, sight.until[0], sight.now[0].saturating_sub(lookback));
                    if !model::is_absent(values[0]) {
                        walked.looked_at += 1;
                        walked.fresh += 1;
                        emit(column.series, &values)?;
                    }
                    return Ok(true);
                }
                let newest: &Newest = newest.get_or_insert_with(|| Newest::new(column.times, &sight, lookback));
                let found = newest.pick(&column, &mut values);
                if found > 0 {
                    walked.looked_at += found;
                    walked.fresh += found;
                    emit(column.series, &values)?;
                }
                Ok(true)
            })?;
            Ok(walked)
        };
        let all =
            self.each_group(&keyed, steps.count, &walk, &mut |at, series, values| visit(keyed.keys.len(), keyed.of[at][series], values))?;
        Ok(all.then_some(keyed))
    }

    fn each_range(
        &self,
        source: &Source<'_>,
        (range, compute, counter): (&RangeSelector, Compute, bool),
        key: LabelKey<'_>,
        steps: Steps,
        visit: &mut Visit<'_>,
    ) -> Result<Option<KeyedGroups>, EvalError> {
        let (frame, span) = self.frame(range, source.span, steps)?;
        let Some((keyed, _of_keys)) = self.select_keyed(source, span, key)? else { return Ok(None) };
        let budget = &self.budget;
        let walk = |group: &dyn SelectedGroup, emit: &mut Emit<'_>| {
            let (mut walked, mut windows_of) = (Walked::default(), Walk::new(&frame));
            let mut values = vec![model::absent(); steps.count];
            (walked.read, walked.warnings) = decode(budget, group, &mut |column| {
                walked.mixed |= !column.histograms.is_empty();
                if walked.mixed {
                    return Ok(false);
                }
                budget.work(column.times.len() + steps.count)?;
                windows_of.series(column.times, column.floats, column.gaps, &[], &[], |windows| {
                    walked.looked_at += windows.looked_at();
                    walked.fresh += windows.fresh();
                    values.fill(model::absent());
                    if compute.each(windows, &mut values) { emit(column.series, &values) } else { Ok(()) }
                })?;
                Ok(true)
            })?;
            Ok(walked)
        };
        let mut any = false;
        let all = self.each_group(&keyed, steps.count, &walk, &mut |at, series, values| {
            any = true;
            visit(keyed.keys.len(), keyed.of[at][series], values)
        })?;
        if !all {
            return Ok(None);
        }
        if any && counter {
            let name = name_of(source.selector).map(|name| LabelSet::from_pairs([(METRIC_NAME, name)]));
            name.iter().for_each(|labels| self.check_counter(labels, source.span));
        }
        Ok(Some(keyed))
    }
}

/// What a series takes while its group is walked: the number of its key, and where its samples are.
const KEYED_BYTES: usize = 24;

/// What is known to be the name of all series.
fn name_of(selector: &Selector) -> Option<String> {
    let named = |matcher: &&model::Matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal && !matcher.value().is_empty();
    selector.all_matchers().iter().find(named).map(|matcher| matcher.value().to_owned())
}

fn source(expr: &Expr) -> Option<Source<'_>> {
    let expr = expr.unwrap_parens();
    match &expr.kind {
        ExprKind::Selector(selector) if selector.edges.is_none() => {
            Some(Source { selector, span: expr.span, range: None, loses_name: false })
        }
        ExprKind::Call(call) => {
            let (function, keeps_name) = over_range(call.function.name)?;
            let [arg] = call.args.as_slice() else { return None };
            let inner = arg.unwrap_parens();
            let ExprKind::Range(range) = &inner.kind else { return None };
            if range.selector.edges.is_some() || !keeps_name && name_of(&range.selector).is_none() {
                return None;
            }
            let name = call.function.name;
            let computed = Some((&**range, Compute::new(name, function), matches!(name, "rate" | "increase")));
            Some(Source { selector: &range.selector, span: arg.span, range: computed, loses_name: !keeps_name })
        }
        _ => None,
    }
}
