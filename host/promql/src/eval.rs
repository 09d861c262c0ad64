//! The evaluator: each node of the tree once, over all steps of the query. An instant vector is a set of columns with one
//! value for each step; a range vector is never made as a whole, functions walk it one series at a time.

mod aggregate;
mod aggregate_histograms;
mod answer;
mod binary;
mod call;
mod columns;
mod count_values;
mod duration;
mod fused;
mod histogram_call;
mod info;
mod invariant;
mod label_call;
mod members;
mod mixed;
mod number;
mod numbers;
mod parallel;
mod sample_ratio;
mod seen;
mod selector;
mod set;
mod shared;
mod sight;
mod slab;
mod slopes;
mod smoothed;
mod subquery;
mod totals;
mod windows;

use std::sync::Arc;

use model::seams::Select;
use model::{LabelSet, LabelSetPacker, METRIC_NAME};

pub(crate) use columns::{Column, Columns, Data, Element, Histograms, Scalars, Steps};
use numbers::{All, NUMBER_BYTES, Numbers};
pub(crate) use slab::Values;
pub(crate) use windows::Window;

use crate::ast::{Expr, ExprKind, ValueType};
use crate::error::EvalError;
use crate::limits::{Budget, LABELS_WORK, Limits};
use crate::notes::Notes;
use crate::position::Span;
use crate::value::{Point, QueryResult, Series, StepSamples, Value};

/// Evaluates at one time.
///
/// Pure: the same expression over the same data gives the same answer. Blocks; use a blocking thread.
pub fn instant(expr: &Expr, at: i64, select: &dyn Select, limits: &Limits) -> Result<QueryResult, EvalError> {
    let steps = Steps { start: at, step: 1, count: 1 };
    let mut query = Query::new(steps, 0, select, limits);
    query.prepare(expr)?;
    let value = match expr.value_type() {
        ValueType::Matrix => Value::Matrix(query.raw(expr)?),
        ValueType::String => match query.eval(expr, steps)? {
            Data::String(text) => Value::String(at, text),
            _ => return Err(EvalError::Execution("a string was expected".to_owned())),
        },
        ValueType::Scalar | ValueType::Vector => match query.eval(expr, steps)? {
            Data::Scalar(scalars) => Value::Scalar(Point { time: at, value: scalars.values.first().copied().unwrap_or(f64::NAN) }),
            Data::Vector(columns) => Value::Vector(query.samples(query.finish(expr, columns)?, at)?),
            Data::String(text) => Value::String(at, text),
        },
    };
    Ok(query.result(value))
}

/// Evaluates at `start`, `start + step`, … up to and including `end`; all in milliseconds.
pub fn range(expr: &Expr, start: i64, end: i64, step: i64, select: &dyn Select, limits: &Limits) -> Result<QueryResult, EvalError> {
    if step <= 0 {
        let message = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(EvalError::BadQuery(message.to_owned()));
    }
    if end < start {
        return Err(EvalError::BadQuery("end timestamp must not be before start time".to_owned()));
    }
    let span = i128::from(end) - i128::from(start);
    let count = usize::try_from(span / i128::from(step) + 1).unwrap_or(usize::MAX);
    let steps = Steps { start, step, count };
    let mut query = Query::new(steps, i64::try_from(span).unwrap_or(i64::MAX), select, limits);
    query.prepare(expr)?;
    let kind = expr.value_type();
    if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
        let message = format!("invalid expression type {:?} for range query, must be Scalar or instant Vector", kind.name());
        return Err(EvalError::BadQuery(message));
    }
    let scratch = query.budget.charge_steps(count)?;
    let series = match query.eval(expr, steps)? {
        Data::Scalar(scalars) => {
            let points = scalars.values.into_iter().enumerate().map(|(at, value)| Point { time: steps.at(at), value }).collect();
            vec![Series { labels: LabelSet::empty(), points, histograms: Vec::new() }]
        }
        Data::Vector(columns) => query.all_series(query.finish(expr, columns)?, steps)?,
        Data::String(_) => Vec::new(),
    };
    drop(scratch);
    Ok(query.result(Value::Matrix(series)))
}

/// One running query.
pub(crate) struct Query<'a> {
    /// The steps of the query itself, for `@ start()`, `@ end()`, `step()` and `range()`.
    pub(crate) steps: Steps,
    /// From its start to its end.
    pub(crate) range_ms: i64,
    pub(crate) select: &'a dyn Select,
    pub(crate) limits: &'a Limits,
    pub(crate) budget: Budget<'a>,
    pub(crate) notes: Notes,
    /// Selectors of which only counts and sums of histograms are wanted.
    totals_only: Vec<Span>,
    shared: shared::Shared<'a>,
    depth: std::cell::Cell<usize>,
    /// Whether a parameter of an aggregation is being worked out: what is fixed in time is not found out there, as upstream.
    in_parameter: std::cell::Cell<bool>,
    counting: seen::Counting,
    slab: std::cell::RefCell<slab::Slab>,
}

impl<'a> Query<'a> {
    fn new(steps: Steps, range_ms: i64, select: &'a dyn Select, limits: &'a Limits) -> Self {
        Self {
            steps,
            range_ms,
            select,
            limits,
            budget: Budget::new(limits),
            notes: Notes::default(),
            totals_only: Vec::new(),
            shared: shared::Shared::default(),
            depth: std::cell::Cell::new(0),
            in_parameter: std::cell::Cell::new(false),
            counting: seen::Counting::new(if limits.per_step { steps.count } else { 0 }),
            slab: std::cell::RefCell::default(),
        }
    }

    /// What can be refused before anything is read, and what can be known.
    fn prepare(&mut self, expr: &Expr) -> Result<(), EvalError> {
        self.totals_only = totals::selectors(expr);
        self.shared = shared::Shared::of(expr);
        self.budget.check()?;
        crate::plan::supported(expr, self.limits.features).map_err(|error| EvalError::BadQuery(error.to_string()))
    }

    fn result(self, value: Value) -> QueryResult {
        self.budget.count_fresh(self.counting.fresh());
        let stats = self.budget.stats();
        let (warnings, infos) = self.notes.into_texts();
        let steps = self.steps;
        let by_step = |(at, (looked_at, fresh))| StepSamples { time: steps.at(at), looked_at, fresh };
        let samples_per_step = self.counting.into_steps().into_iter().enumerate().map(by_step).collect();
        QueryResult { value, warnings, infos, stats, samples_per_step }
    }

    /// Where the query begins and ends.
    pub(crate) fn ends(&self) -> (i64, i64) {
        (self.steps.start, self.steps.start.saturating_add(self.range_ms))
    }

    pub(crate) fn eval(&self, expr: &Expr, steps: Steps) -> Result<Data<'_>, EvalError> {
        let depth = self.depth.get();
        if depth >= self.limits.depth {
            return Err(EvalError::TooLarge(format!("the expression nests deeper than the limit of {} levels", self.limits.depth)));
        }
        self.depth.set(depth + 1);
        let once = steps.count > 1 && !self.in_parameter.get() && invariant::is_invariant(expr);
        let data = if once { self.eval_once(expr, steps) } else { self.eval_kind(expr, steps) };
        self.depth.set(depth);
        data
    }

    /// Whether so many more levels may come.
    pub(crate) fn has_depth(&self, levels: usize) -> bool {
        self.depth.get() + levels <= self.limits.depth
    }

    /// What is the same at each step is worked out at one and repeated.
    fn eval_once(&self, expr: &Expr, steps: Steps) -> Result<Data<'_>, EvalError> {
        let data = self.counted_for(steps.count, || self.eval_kind(expr, Steps { count: 1, ..steps }))?;
        Ok(match data {
            Data::Scalar(scalars) => Data::Scalar(self.constant(scalars.values.first().copied().unwrap_or(f64::NAN), steps)?),
            Data::String(text) => Data::String(text),
            Data::Vector(mut columns) => {
                self.budget.add(&mut columns.charge, columns.series.len().saturating_mul(steps.count))?;
                for column in &mut columns.series {
                    let value = column.values.first().copied().unwrap_or_else(model::absent);
                    column.values = self.values(std::iter::repeat_n(value, steps.count));
                    if let Some(histograms) = &mut column.histograms {
                        let histogram = histograms.first().cloned().flatten();
                        *histograms = vec![histogram; steps.count];
                    }
                }
                Data::Vector(columns)
            }
        })
    }

    fn eval_kind(&self, expr: &Expr, steps: Steps) -> Result<Data<'_>, EvalError> {
        match &expr.kind {
            ExprKind::Number(number) => self.constant(number.value, steps).map(Data::Scalar),
            ExprKind::String(text) => Ok(Data::String(crate::text::without_held_bytes(text.clone()))),
            ExprKind::Paren(inner) => self.eval(inner, steps),
            ExprKind::Unary { minus, operand } => self.unary(*minus, operand, steps),
            ExprKind::Binary(binary) => self.binary(binary, steps),
            ExprKind::Selector(selector) => self.instant_selector(selector, expr.span, steps, selector::Want::Values).map(Data::Vector),
            ExprKind::Call(call) => self.call(call, expr.span, steps),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate, expr.span, steps).map(Data::Vector),
            // The type check lets them stand only as arguments, where functions walk them, or alone.
            ExprKind::Range(_) | ExprKind::Subquery(_) => Err(refuse(expr.span, "a range vector is not allowed here")),
        }
    }

    pub(crate) fn eval_vector(&self, expr: &Expr, steps: Steps) -> Result<Columns<'_>, EvalError> {
        match self.eval(expr, steps)? {
            Data::Vector(columns) => Ok(columns),
            _ => Err(refuse(expr.span, "an instant vector was expected")),
        }
    }

    /// A scalar from its value at each step.
    pub(crate) fn scalars(&self, steps: Steps, value: impl Fn(usize) -> f64) -> Result<Scalars<'_>, EvalError> {
        let charge = self.budget.charge(steps.count)?;
        Ok(Scalars { values: (0..steps.count).map(value).collect(), charge })
    }

    fn constant(&self, value: f64, steps: Steps) -> Result<Scalars<'_>, EvalError> {
        self.scalars(steps, |_| value)
    }

    pub(crate) fn eval_scalar(&self, expr: &Expr, steps: Steps) -> Result<Scalars<'_>, EvalError> {
        match self.eval(expr, steps)? {
            Data::Scalar(scalars) => Ok(scalars),
            _ => Err(refuse(expr.span, "a scalar was expected")),
        }
    }

    /// The parameter of an aggregation.
    pub(crate) fn eval_parameter(&self, expr: &Expr, steps: Steps) -> Result<Scalars<'_>, EvalError> {
        let outer = self.in_parameter.replace(true);
        let scalars = self.eval_scalar(expr, steps);
        self.in_parameter.set(outer);
        scalars
    }

    /// A column without anything, to be filled by [`Column::set`].
    pub(crate) fn empty(&self, labels: LabelSet, drop_name: bool, steps: usize) -> Column {
        Column::floats(labels, drop_name, self.slab.borrow_mut().absent(steps))
    }

    /// The values of a column.
    pub(crate) fn values(&self, values: impl ExactSizeIterator<Item = f64>) -> Values {
        let mut held = self.slab.borrow_mut().absent(values.len());
        held.iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
        held
    }

    fn unary(&self, minus: bool, operand: &Expr, steps: Steps) -> Result<Data<'_>, EvalError> {
        let data = self.eval(operand, steps)?;
        if !minus {
            return Ok(data);
        }
        match data {
            Data::Scalar(mut scalars) => {
                scalars.values.iter_mut().for_each(|v| *v = -*v);
                Ok(Data::Scalar(scalars))
            }
            Data::Vector(mut columns) => {
                for column in &mut columns.series {
                    self.budget.work(column.values.len())?;
                    column.values.iter_mut().filter(|v| !model::is_absent(**v)).for_each(|v| *v = clean(-*v));
                    for slot in column.histograms.iter_mut().flatten().flatten() {
                        *slot = Arc::new(slot.as_ref().clone().times(-1.0));
                    }
                }
                self.without_names(columns).map(Data::Vector)
            }
            Data::String(_) => Err(refuse(operand.span, "a string has no sign")),
        }
    }

    /// Applies a function to each value; the name of the metric goes.
    pub(crate) fn map<'b>(&self, mut columns: Columns<'b>, f: impl Fn(f64) -> f64) -> Result<Columns<'b>, EvalError> {
        for column in &mut columns.series {
            self.budget.work(column.values.len())?;
            // Functions of numbers leave histograms out.
            column.histograms = None;
            for value in column.values.iter_mut().filter(|v| !model::is_absent(**v)) {
                *value = clean(f(*value));
            }
        }
        self.without_names(columns)
    }

    /// Drops the names of metrics, or marks them to be dropped at the end.
    pub(crate) fn without_names<'b>(&self, mut columns: Columns<'b>) -> Result<Columns<'b>, EvalError> {
        if self.limits.delayed_name_removal {
            columns.series.iter_mut().for_each(|column| column.drop_name = true);
            return Ok(columns);
        }
        self.filter_labels(columns.series.iter_mut(), |name| !is_metadata(name))?;
        self.merge_equal(columns)
    }

    /// Takes the labels away whose names `keep` does not accept.
    fn filter_labels<'c>(&self, columns: impl Iterator<Item = &'c mut Column>, keep: impl Fn(&str) -> bool) -> Result<(), EvalError> {
        let mut packer = LabelSetPacker::default();
        let put = |to: &mut LabelSet, labels| *to = labels;
        for column in columns {
            self.budget.work(LABELS_WORK)?;
            let labels = column.labels.clone();
            packer.push_filtered(&mut column.labels, &labels, &keep);
            if packer.is_full() {
                packer.flush(put);
            }
        }
        packer.flush(put);
        Ok(())
    }

    /// Joins columns with equal labels, which may have values at different steps alone.
    pub(crate) fn merge_equal<'b>(&self, mut columns: Columns<'b>) -> Result<Columns<'b>, EvalError> {
        let mut scratch = self.budget.charge(0)?;
        self.budget.add_bytes(&mut scratch, columns.series.len().saturating_mul(size_of::<Column>() + NUMBER_BYTES))?;
        let mut places = Numbers::new(All, columns.series.len());
        let mut merged: Vec<Column> = Vec::with_capacity(columns.series.len());
        for column in columns.series {
            self.budget.work(LABELS_WORK)?;
            let place = places.find_or_add(&column.labels, |place| &merged[place].labels);
            let Some(into) = merged.get_mut(place) else {
                merged.push(column);
                continue;
            };
            self.budget.work(column.values.len())?;
            if into.histograms.is_some() || column.histograms.is_some() {
                for at in 0..column.values.len() {
                    let Some(element) = column.element(at) else { continue };
                    if into.has(at) {
                        return Err(same_labels());
                    }
                    into.set(at, element);
                }
                continue;
            }
            for (old, new) in into.values.iter_mut().zip(&column.values).filter(|(_, new)| !model::is_absent(**new)) {
                if !model::is_absent(*old) {
                    return Err(same_labels());
                }
                *old = *new;
            }
        }
        columns.series = merged;
        Ok(columns)
    }

    /// What is left to do before an answer is given.
    fn finish<'b>(&self, expr: &Expr, mut columns: Columns<'b>) -> Result<Columns<'b>, EvalError> {
        if matches!(expr.unwrap_parens().kind, ExprKind::Selector(_)) {
            // Storage says each label set once.
            return Ok(columns);
        }
        self.filter_labels(columns.series.iter_mut().filter(|c| c.drop_name), |name| !is_metadata(name))?;
        self.merge_equal(columns)
    }
}

/// What an entry of a table by label sets takes, with the room that such tables leave.
const PLACE_BYTES: usize = 40;

/// A NaN that carries a meaning in a column must not come out of arithmetic: adding to a NaN keeps its payload.
pub(crate) fn clean(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

/// The labels without the metric's name, type and unit, which a derived value does not have.
pub(crate) fn without_metadata(labels: &LabelSet) -> LabelSet {
    labels.filter(|name| !is_metadata(name))
}

/// Whether a label of this name says what a value is, so that a derived one does not have it.
fn is_metadata(name: &str) -> bool {
    matches!(name, METRIC_NAME | "__type__" | "__unit__")
}

pub(crate) fn same_labels() -> EvalError {
    EvalError::Execution("vector cannot contain metrics with the same labelset".to_owned())
}

pub(crate) fn refuse(span: Span, message: &str) -> EvalError {
    EvalError::BadQuery(format!("{}: {message}", span.position))
}
