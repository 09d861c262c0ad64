//! Calls of functions: finds the arguments, hands values to what `functions` computes.

use std::cmp::Ordering;

use model::{LabelSet, LabelSetBuilder, METRIC_NAME, MatchOp, Matcher, is_absent};

use super::selector::Want;
use super::slopes::Compute;
use super::{Column, Columns, Data, Element, Query, Scalars, Steps, clean, refuse, same_labels};
use crate::ast::{Call, Edges, Expr, ExprKind};
use crate::error::EvalError;
use crate::functions::mixed::over_window;
use crate::functions::sums::nan_first;
use crate::functions::{RangeFunction, math, over_range, time};
use crate::position::Span;
use crate::text::{float_short, natural};

impl Query<'_> {
    pub(super) fn call(&self, call: &Call, span: Span, steps: Steps) -> Result<Data<'_>, EvalError> {
        let (name, args) = (call.function.name, call.args.as_slice());
        if let Some((function, keeps_name)) = over_range(name) {
            return self.range_call(name, function, keeps_name, args, steps).map(Data::Vector);
        }
        if let Some(function) = math::simple(name) {
            return self.map(self.eval_vector(argument(args, 0, span)?, steps)?, function).map(Data::Vector);
        }
        if let Some(part) = time::of_date(name) {
            return self.date(part, args, steps).map(Data::Vector);
        }
        match name {
            "time" => self.scalars(steps, |at| steps.at(at) as f64 / 1000.0).map(Data::Scalar),
            "start" => self.scalars(steps, |_| self.ends().0 as f64 / 1000.0).map(Data::Scalar),
            "end" => self.scalars(steps, |_| self.ends().1 as f64 / 1000.0).map(Data::Scalar),
            "range" => self.scalars(steps, |_| self.range_ms as f64 / 1000.0).map(Data::Scalar),
            "step" => self.scalars(steps, |_| self.step_seconds()).map(Data::Scalar),
            "min_of" => self.two_scalars(args, span, steps, math::smaller).map(Data::Scalar),
            "max_of" => self.two_scalars(args, span, steps, math::larger).map(Data::Scalar),
            "pi" => self.scalars(steps, |_| std::f64::consts::PI).map(Data::Scalar),
            "scalar" => self.scalar_of(argument(args, 0, span)?, steps),
            "vector" => {
                let scalars = self.eval_scalar(argument(args, 0, span)?, steps)?;
                let column = Column::floats(LabelSet::empty(), false, scalars.values.into());
                Ok(Data::Vector(Columns { series: vec![column], charge: scalars.charge }))
            }
            "timestamp" => self.timestamp(argument(args, 0, span)?, steps).map(Data::Vector),
            "absent" => self.absent(argument(args, 0, span)?, steps).map(Data::Vector),
            "absent_over_time" => self.absent_over_time(argument(args, 0, span)?, steps).map(Data::Vector),
            "clamp" | "clamp_min" | "clamp_max" => self.clamp(name, args, span, steps).map(Data::Vector),
            "round" => self.round(args, span, steps).map(Data::Vector),
            "sort" | "sort_desc" => self.sort(name == "sort_desc", argument(args, 0, span)?, span, steps).map(Data::Vector),
            "sort_by_label" | "sort_by_label_desc" => self.sort_by_label(name == "sort_by_label_desc", args, span, steps).map(Data::Vector),
            "label_replace" => self.label_replace(args, span, steps).map(Data::Vector),
            "label_join" => self.label_join(args, span, steps).map(Data::Vector),
            "histogram_quantile" | "histogram_fraction" | "histogram_quantiles" => {
                self.of_buckets(name, args, span, steps).map(Data::Vector)
            }
            "histogram_count" | "histogram_sum" | "histogram_avg" | "histogram_stddev" | "histogram_stdvar" => {
                self.of_histograms(name, argument(args, 0, span)?, steps).map(Data::Vector)
            }
            "info" => self.info(args, span, steps).map(Data::Vector),
            "start_timestamp" => self.start_timestamp(argument(args, 0, span)?, steps).map(Data::Vector),
            _ => Err(refuse(span, &format!("function {name} is not known"))),
        }
    }

    fn range_call(
        &self,
        name: &str,
        function: RangeFunction,
        keeps_name: bool,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Columns<'_>, EvalError> {
        // The one scalar stands before the range vector or behind it.
        let is_range = |arg: &&Expr| arg.value_type() == crate::ast::ValueType::Matrix;
        let range = args.iter().find(is_range).ok_or_else(|| refuse(Span::default(), "a range vector was expected"))?;
        check_edges(name, range)?;
        let parameters: Vec<Scalars<'_>> =
            args.iter().filter(|arg| !is_range(arg)).map(|arg| self.eval_scalar(arg, steps)).collect::<Result<_, _>>()?;
        self.check_parameters(name, &parameters, args.first().map_or(range.span, |arg| arg.span))?;
        let counter = matches!(name, "rate" | "increase");
        let args_span = args.first().map_or(range.span, |arg| arg.span);
        let compute = Compute::new(name, function);
        let (mut scalars, mut remarks) = (Vec::new(), Vec::new());
        let mut columns = Columns { series: Vec::new(), charge: self.budget.charge(0)? };
        let of_labels = self.each_series(range, steps, &mut |labels, drop_name, windows| {
            let mut column = self.empty(LabelSet::empty(), drop_name, steps.count);
            let (mut any, mut any_float) = (false, false);
            if parameters.is_empty() && windows.is_plain() {
                self.budget.work(windows.values().len() + steps.count)?;
                any = compute.each(windows, &mut column.values);
                any_float = any;
            }
            let rest = if parameters.is_empty() && windows.is_plain() { steps.count } else { 0 };
            for (step, window) in windows.iter().enumerate().skip(rest) {
                self.budget.work(window.values.len() + window.histograms.len())?;
                scalars.clear();
                scalars.extend(parameters.iter().map(|p| p.values[step]));
                if window.histograms.is_empty() && window.starts.is_empty() {
                    if let Some(value) = function(&window, &scalars) {
                        column.values[step] = clean(value);
                        (any, any_float) = (true, true);
                    }
                    continue;
                }
                if let Some(element) = over_window(name, &window, &scalars, &mut remarks) {
                    any = true;
                    any_float |= matches!(element, Element::Float(_));
                    column.set(step, element);
                }
                remarks.drain(..).for_each(|remark| self.remark(labels, args_span, remark));
            }
            if any {
                if counter && any_float {
                    self.check_counter(labels, range.span);
                }
                column.labels = labels.clone();
                self.budget.add_column(&mut columns.charge, steps.count)?;
                self.budget.add_histograms(&mut columns.charge, &column)?;
                columns.series.push(column);
            } else {
                self.slab.borrow_mut().take_back(column.values);
            }
            Ok(())
        })?;
        columns.charge.join(of_labels);
        if keeps_name {
            return Ok(columns);
        }
        let series = columns.series.len();
        let columns = self.without_names(columns)?;
        // Unlike other functions, these refuse equal labels also at different steps, as upstream.
        if columns.series.len() < series { Err(same_labels()) } else { Ok(columns) }
    }

    fn check_parameters(&self, name: &str, parameters: &[Scalars<'_>], first: Span) -> Result<(), EvalError> {
        match (name, parameters) {
            ("quantile_over_time", [quantiles]) => self.check_quantiles(&quantiles.values, first),
            ("double_exponential_smoothing", [level, trend]) => {
                for (factors, what, letter) in [(level, "smoothing", "sf"), (trend, "trend", "tf")] {
                    if let Some(factor) = factors.values.iter().find(|f| **f <= 0.0 || **f >= 1.0) {
                        let message = format!("invalid {what} factor. Expected: 0 < {letter} < 1, got: {factor:.6}");
                        return Err(EvalError::Execution(message));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn check_quantiles(&self, quantiles: &[f64], span: Span) {
        let mut last = None;
        for q in quantiles.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
            // One that does not change is said once, and costs once.
            if last.replace(q.to_bits()) != Some(q.to_bits()) {
                self.notes.warn(span, &format!("quantile value should be between 0 and 1, got {}", float_short(*q)));
            }
        }
    }

    /// Says so if a metric does not look like a counter by its name.
    pub(super) fn check_counter(&self, labels: &LabelSet, span: Span) {
        let Some(name) = labels.metric_name() else {
            return;
        };
        if !["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix)) {
            let text =
                format!("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}", crate::text::quote(name));
            self.notes.info(span, &text);
        }
    }

    fn date(&self, part: fn(f64) -> f64, args: &[Expr], steps: Steps) -> Result<Columns<'_>, EvalError> {
        if let Some(arg) = args.first() {
            return self.map(self.eval_vector(arg, steps)?, part);
        }
        let now = self.scalars(steps, |at| part(steps.at(at) as f64 / 1000.0))?;
        Ok(Columns { series: vec![Column::floats(LabelSet::empty(), false, now.values.into())], charge: now.charge })
    }

    fn scalar_of(&self, arg: &Expr, steps: Steps) -> Result<Data<'_>, EvalError> {
        let columns = self.eval_vector(arg, steps)?;
        let mut found = vec![0_usize; steps.count];
        let mut scalars = self.scalars(steps, |_| f64::NAN)?;
        for column in &columns.series {
            self.budget.work(steps.count)?;
            for ((value, found), slot) in column.values.iter().zip(&mut found).zip(&mut scalars.values) {
                if !is_absent(*value) {
                    *found += 1;
                    *slot = *value;
                }
            }
        }
        // One series or none.
        for (slot, _) in scalars.values.iter_mut().zip(&found).filter(|(_, found)| **found != 1) {
            *slot = f64::NAN;
        }
        Ok(Data::Scalar(scalars))
    }

    fn timestamp(&self, arg: &Expr, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let inner = arg.unwrap_parens();
        if let ExprKind::Selector(selector) = &inner.kind {
            // One of a fixed time is looked up once, like any that is the same at each step.
            return self.without_names(self.instant_selector(selector, inner.span, steps, Want::Times)?);
        }
        let mut columns = self.eval_vector(arg, steps)?;
        for column in &mut columns.series {
            self.budget.work(steps.count)?;
            for at in 0..steps.count {
                if column.has(at) {
                    column.values[at] = steps.at(at) as f64 / 1000.0;
                }
            }
            column.histograms = None;
        }
        self.without_names(columns)
    }

    /// When the samples of a selector began to count. Anything else has no such time, nor has it without the flag.
    fn start_timestamp(&self, arg: &Expr, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let inner = arg.unwrap_parens();
        match &inner.kind {
            ExprKind::Selector(selector) if self.limits.start_timestamps => {
                self.without_names(self.instant_selector(selector, inner.span, steps, Want::Starts)?)
            }
            _ => {
                let mut columns = self.eval_vector(arg, steps)?;
                columns.series.clear();
                Ok(columns)
            }
        }
    }

    fn absent(&self, arg: &Expr, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let columns = self.eval_vector(arg, steps)?;
        let mut present = vec![false; steps.count];
        for column in &columns.series {
            self.budget.work(steps.count)?;
            column.mark(&mut present);
        }
        self.absence(arg, &present)
    }

    fn absent_over_time(&self, arg: &Expr, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let mut present = vec![false; steps.count];
        self.each_series(arg, steps, &mut |_, _, windows| {
            for (present, window) in present.iter_mut().zip(windows.iter()) {
                *present |= !window.values.is_empty() || !window.histograms.is_empty();
            }
            Ok(())
        })?;
        self.absence(arg, &present)
    }

    /// One where nothing was, with the labels that the selector asked for by equality.
    fn absence(&self, arg: &Expr, present: &[bool]) -> Result<Columns<'_>, EvalError> {
        let mut columns = Columns { series: Vec::new(), charge: self.budget.charge(present.len())? };
        if present.iter().all(|p| *p) {
            return Ok(columns);
        }
        let matchers: &[Matcher] = match &arg.unwrap_parens().kind {
            ExprKind::Selector(selector) => &selector.matchers,
            ExprKind::Range(range) => &range.selector.matchers,
            _ => &[],
        };
        let mut labels = LabelSetBuilder::default();
        let mut seen: Vec<&str> = Vec::new();
        for matcher in matchers.iter().filter(|m| m.name() != METRIC_NAME) {
            if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
                labels.set(matcher.name(), matcher.value());
                seen.push(matcher.name());
            } else {
                // Asked for twice: which of both it would have had is unknown.
                labels.remove(matcher.name());
            }
        }
        let values: Vec<f64> = present.iter().map(|present| if *present { model::absent() } else { 1.0 }).collect();
        columns.series.push(Column::floats(labels.build(), false, values.into()));
        Ok(columns)
    }

    /// Applies a function of the value and the step.
    fn map_steps<'b>(&self, mut columns: Columns<'b>, f: impl Fn(f64, usize) -> Option<f64>) -> Result<Columns<'b>, EvalError> {
        for column in &mut columns.series {
            self.budget.work(column.values.len())?;
            column.histograms = None;
            for (at, value) in column.values.iter_mut().enumerate().filter(|(_, v)| !is_absent(**v)) {
                *value = f(*value, at).map_or_else(model::absent, clean);
            }
        }
        self.without_names(columns)
    }

    fn clamp(&self, name: &str, args: &[Expr], span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let columns = self.eval_vector(argument(args, 0, span)?, steps)?;
        let bound = self.eval_scalar(argument(args, 1, span)?, steps)?.values;
        match name {
            "clamp_min" => self.map_steps(columns, |v, at| Some(math::larger(bound[at], v))),
            "clamp_max" => self.map_steps(columns, |v, at| Some(math::smaller(bound[at], v))),
            _ => {
                let max = self.eval_scalar(argument(args, 2, span)?, steps)?.values;
                // Bounds out of order leave nothing.
                self.map_steps(columns, |v, at| {
                    let out_of_order = max[at] < bound[at];
                    (!out_of_order).then(|| math::clamp(v, bound[at], max[at]))
                })
            }
        }
    }

    fn round(&self, args: &[Expr], span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let columns = self.eval_vector(argument(args, 0, span)?, steps)?;
        match args.get(1) {
            None => self.map(columns, |v| math::round(v, 1.0)),
            Some(arg) => {
                let nearest = self.eval_scalar(arg, steps)?.values;
                self.map_steps(columns, |v, at| Some(math::round(v, nearest[at])))
            }
        }
    }

    fn sort(&self, descending: bool, arg: &Expr, span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let mut columns = self.eval_vector(arg, steps)?;
        if steps.count > 1 || self.range_ms > 0 {
            self.notes.warn(span, "sort is ineffective for range queries since results are always ordered by labels");
            return Ok(columns);
        }
        columns.series.retain(|column| column.histogram(0).is_none());
        // NaN goes to the end both ways.
        let value = |column: &Column| column.values.first().copied().unwrap_or(f64::NAN);
        columns.series = self.sorted(columns.series, |a, b| {
            let (a, b) = (value(a), value(b));
            let order = nan_first(a, b);
            if a.is_nan() || b.is_nan() || descending { order.reverse() } else { order }
        })?;
        Ok(columns)
    }

    fn sort_by_label(&self, descending: bool, args: &[Expr], span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let labels: Vec<&str> = (1..args.len()).map(|at| string(args, at, span)).collect::<Result<_, _>>()?;
        let mut columns = self.eval_vector(argument(args, 0, span)?, steps)?;
        if steps.count > 1 || self.range_ms > 0 {
            self.notes.warn(span, "sort is ineffective for range queries since results are always ordered by labels");
            return Ok(columns);
        }
        columns.series = self.sorted(columns.series, |a, b| {
            let of = |label: &&str| natural(a.labels.get(label).unwrap_or_default(), b.labels.get(label).unwrap_or_default());
            let order = labels.iter().map(of).find(|order| order.is_ne()).unwrap_or_else(|| a.labels.cmp(&b.labels));
            if descending { order.reverse() } else { order }
        })?;
        Ok(columns)
    }

    fn two_scalars(&self, args: &[Expr], span: Span, steps: Steps, f: fn(f64, f64) -> f64) -> Result<Scalars<'_>, EvalError> {
        let mut left = self.eval_scalar(argument(args, 0, span)?, steps)?;
        let right = self.eval_scalar(argument(args, 1, span)?, steps)?;
        left.values.iter_mut().zip(&right.values).for_each(|(left, right)| *left = f(*left, *right));
        Ok(left)
    }
}

/// Only some functions know what to do with samples beyond the ends of a range.
fn check_edges(name: &str, range: &Expr) -> Result<(), EvalError> {
    let ExprKind::Range(inner) = &range.unwrap_parens().kind else {
        return Ok(());
    };
    let allowed: &[&str] = match inner.selector.edges {
        None => return Ok(()),
        Some(Edges::Anchored) => &["changes", "delta", "increase", "rate", "resets"],
        Some(Edges::Smoothed) => &["delta", "increase", "rate"],
    };
    if allowed.contains(&name) {
        return Ok(());
    }
    let word = inner.selector.edges.map_or("", Edges::word);
    Err(EvalError::Execution(format!("{word} modifier can only be used with: {} - not with {name}", allowed.join(", "))))
}

/// The type check counted the arguments.
pub(super) fn argument(args: &[Expr], at: usize, span: Span) -> Result<&Expr, EvalError> {
    args.get(at).ok_or_else(|| refuse(span, "an argument is missing"))
}

/// A literal string, also in parentheses.
pub(super) fn string(args: &[Expr], at: usize, span: Span) -> Result<&str, EvalError> {
    match &argument(args, at, span)?.unwrap_parens().kind {
        ExprKind::String(text) if crate::text::has_held_bytes(text) => {
            Err(refuse(span, &format!("the string {} is not valid UTF-8", crate::text::quote(text))))
        }
        ExprKind::String(text) => Ok(text),
        _ => Err(refuse(span, "a string was expected")),
    }
}

/// By value, for `topk` and `bottomk`: the best first, NaN last.
pub(super) fn best_first(a: f64, b: f64, top: bool) -> Ordering {
    let order = nan_first(a, b);
    if a.is_nan() || b.is_nan() || top { order.reverse() } else { order }
}
