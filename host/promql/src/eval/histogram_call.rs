//! `histogram_…`: functions of native histograms, of classic ones, or of both.

use model::{LabelSet, is_absent};

use super::call::{argument, string};
use super::numbers::{Agreement, Numbers, Only};
use super::{Column, Columns, Query, Steps, clean, without_metadata};
use crate::ast::Expr;
use crate::error::EvalError;
use crate::functions::histogram::{self, Bucket};
use crate::functions::native::{self, NanEffect};
use crate::histogram::FloatHistogram;
use crate::position::Span;
use crate::text::{float_short, quote};

/// The label with the upper bound of a bucket.
const BOUND: &str = "le";

/// What is asked of each histogram.
enum Asked {
    /// A quantile at each step.
    Quantile(Vec<f64>),
    /// The share between two values at each step.
    Fraction(Vec<f64>, Vec<f64>),
}

impl Asked {
    /// Of a classic histogram; and what had to be mended.
    fn classic(&self, at: usize, buckets: &mut Vec<Bucket>) -> (f64, Option<histogram::Forced>) {
        match self {
            Self::Quantile(q) => histogram::quantile(q[at], buckets),
            Self::Fraction(lower, upper) => (histogram::fraction(lower[at], upper[at], buckets), None),
        }
    }

    /// Of a native one, and what is to be told of it.
    fn native(&self, at: usize, h: &FloatHistogram) -> (f64, Option<&'static str>) {
        match self {
            Self::Quantile(q) => {
                let (value, effect) = native::quantile(q[at], h);
                let text = effect.map(|effect| match effect {
                    NanEffect::Result => "input to histogram_quantile has NaN observations, result is NaN",
                    NanEffect::Skewed => "input to histogram_quantile has NaN observations, result is skewed higher",
                });
                (value, text)
            }
            Self::Fraction(lower, upper) => {
                let (value, nan) = native::fraction(lower[at], upper[at], h);
                (value, nan.then_some("input to histogram_fraction has NaN observations, which are excluded from all fractions"))
            }
        }
    }
}

/// A classic histogram: its labels without `le`, and its buckets by their bounds.
struct Classic<'c> {
    labels: LabelSet,
    buckets: Vec<(f64, &'c Column)>,
}

impl Query<'_> {
    /// Functions of native histograms alone: others are left out.
    pub(super) fn of_histograms(&self, name: &str, arg: &Expr, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let function: fn(&FloatHistogram) -> f64 = match name {
            "histogram_count" => |h| h.count,
            "histogram_sum" => |h| h.sum,
            "histogram_avg" => |h| h.sum / h.count,
            "histogram_stdvar" => native::variance,
            _ => |h| native::variance(h).sqrt(),
        };
        let mut columns = self.eval_vector(arg, steps)?;
        columns.series.retain(|column| column.histograms.is_some());
        for column in &mut columns.series {
            self.budget.work(steps.count)?;
            let histograms = column.histograms.take().unwrap_or_default();
            for (value, histogram) in column.values.iter_mut().zip(&histograms) {
                *value = histogram.as_ref().map_or_else(model::absent, |h| clean(function(h)));
            }
        }
        self.without_names(columns)
    }

    /// `histogram_quantile`, `histogram_fraction`, `histogram_quantiles`.
    pub(super) fn of_buckets(&self, name: &str, args: &[Expr], span: Span, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let scalars = |at: usize| Ok::<_, EvalError>(self.eval_scalar(argument(args, at, span)?, steps)?.values);
        let quantiles = |at: usize| {
            let quantiles = scalars(at)?;
            self.check_quantiles(&quantiles, argument(args, at, span)?.span);
            Ok::<_, EvalError>(quantiles)
        };
        match name {
            "histogram_quantile" => self.ask(&[(Asked::Quantile(quantiles(0)?), None)], argument(args, 1, span)?, steps),
            "histogram_fraction" => self.ask(&[(Asked::Fraction(scalars(0)?, scalars(1)?), None)], argument(args, 2, span)?, steps),
            _ => {
                let label = string(args, 1, span)?;
                let mut asked = Vec::with_capacity(args.len());
                for at in 2..args.len() {
                    let quantiles = quantiles(at)?;
                    let written = quantiles.first().map_or(String::new(), |q| with_point(*q));
                    asked.push((Asked::Quantile(quantiles), Some((label, written))));
                }
                self.ask(&asked, argument(args, 0, span)?, steps)
            }
        }
    }

    /// Asks each histogram of a vector something, perhaps with a label that tells what.
    fn ask(&self, asked: &[(Asked, Option<(&str, String)>)], arg: &Expr, steps: Steps) -> Result<Columns<'_>, EvalError> {
        let input = self.eval_vector(arg, steps)?;
        let delayed = self.limits.delayed_name_removal;
        let (classics, places) = self.classics(&input, arg.span)?;
        let natives: Vec<&Column> = input.series.iter().filter(|column| column.histograms.is_some()).collect();
        let mut out = Columns { series: Vec::new(), charge: self.budget.charge(0)? };
        for (asked, label) in asked {
            let labelled = |labels: &LabelSet| match label {
                Some((name, value)) => labels.with(name, value),
                None => labels.clone(),
            };
            let first = out.series.len();
            for classic in &classics {
                let named = if delayed { classic.labels.clone() } else { without_metadata(&classic.labels) };
                self.budget.add_column(&mut out.charge, steps.count)?;
                out.series.push(self.empty(labelled(&named), delayed, steps.count));
                self.ask_classic(asked, classic, arg.span, steps, &mut out.series[first..])?;
            }
            for column in &natives {
                // One with a bound of its own is nobody's.
                let rival_at = match column.labels.get(BOUND) {
                    None => places.find(&column.labels, |place| &classics[place].labels),
                    Some(_) => None,
                };
                let rival = rival_at.map(|at| &classics[at]);
                let mut answers = self.empty(LabelSet::empty(), delayed, steps.count);
                for at in 0..steps.count {
                    self.budget.work(1)?;
                    let Some(histogram) = column.histogram(at) else { continue };
                    let name = column.labels.metric_name().filter(|_| delayed).unwrap_or_default();
                    let named =
                        |text: &str| if name.is_empty() { text.to_owned() } else { format!("{text} for metric name {}", quote(name)) };
                    if rival.is_some_and(|classic| classic.buckets.iter().any(|(_, c)| !is_absent(c.values[at]))) {
                        self.notes.warn(arg.span, &named("vector contains a mix of classic and native histograms"));
                        continue;
                    }
                    let (value, text) = asked.native(at, histogram);
                    if let Some(text) = text {
                        self.notes.info(arg.span, &named(text));
                    }
                    answers.values[at] = clean(value);
                }
                // One that was both at different times goes on in the same column.
                match rival_at.and_then(|at| out.series.get_mut(first + at)) {
                    Some(known) => {
                        let pairs = known.values.iter_mut().zip(&answers.values).zip(column.histograms.iter().flatten());
                        pairs.filter(|(_, h)| h.is_some()).for_each(|((known, answer), _)| *known = *answer);
                    }
                    None => {
                        let named = if delayed { column.labels.clone() } else { without_metadata(&column.labels) };
                        answers.labels = labelled(&named);
                        self.budget.add_column(&mut out.charge, steps.count)?;
                        out.series.push(answers);
                    }
                }
            }
        }
        if delayed { Ok(out) } else { self.merge_equal(out) }
    }

    fn ask_classic(&self, asked: &Asked, classic: &Classic<'_>, span: Span, steps: Steps, out: &mut [Column]) -> Result<(), EvalError> {
        let Some(column) = out.last_mut() else { return Ok(()) };
        let mut buckets = Vec::with_capacity(classic.buckets.len());
        for at in 0..steps.count {
            self.budget.work(classic.buckets.len())?;
            buckets.clear();
            let present = classic.buckets.iter().map(|(upper, column)| Bucket { upper: *upper, count: column.values[at] });
            buckets.extend(present.filter(|b| !is_absent(b.count)));
            if buckets.is_empty() {
                continue;
            }
            let (value, forced) = asked.classic(at, &mut buckets);
            if let Some(forced) = forced {
                let metric = classic.labels.metric_name().filter(|_| self.limits.delayed_name_removal).unwrap_or_default();
                self.notes.monotonicity(span, metric, steps.at(at), forced.buckets, forced.difference);
            }
            column.values[at] = clean(value);
        }
        Ok(())
    }

    /// Classic histograms, and their places by their labels: buckets of one have the same labels but for `le`.
    fn classics<'c>(&self, input: &'c Columns<'_>, span: Span) -> Result<(Vec<Classic<'c>>, Numbers<impl Agreement + use<>>), EvalError> {
        let mut places = Numbers::new(Only(|name: &str| name != BOUND), 0);
        let mut classics: Vec<Classic<'c>> = Vec::new();
        for column in &input.series {
            self.budget.work(1)?;
            // One that is made of histograms has no buckets of its own.
            if column.histograms.is_some() && column.values.iter().all(|v| is_absent(*v)) {
                continue;
            }
            let le = column.labels.get(BOUND).unwrap_or_default();
            let Ok(upper) = le.parse::<f64>() else {
                let metric = column.labels.metric_name().filter(|_| self.limits.delayed_name_removal);
                let metric = metric.map_or(String::new(), |name| format!(" for metric name {name:?}"));
                let text = format!("bucket label \"le\" is missing or has a malformed value of {}{metric}", quote(le));
                self.notes.warn(span, &text);
                continue;
            };
            let place = places.find_or_add(&column.labels, |place| &classics[place].labels);
            if place == classics.len() {
                classics.push(Classic { labels: column.labels.without(BOUND), buckets: Vec::new() });
            }
            classics[place].buckets.push((upper, column));
        }
        Ok((classics, places))
    }
}

/// A number as OpenMetrics writes it: whole ones too have a point.
fn with_point(value: f64) -> String {
    let text = float_short(value);
    if value.is_finite() && !text.contains(['.', 'e']) { format!("{text}.0") } else { text }
}
