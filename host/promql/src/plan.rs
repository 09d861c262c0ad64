//! What an expression needs, without evaluating it.

use std::time::Duration;

use model::seams::Select;
use model::{Matcher, TimeRange};

use crate::ast::{AggregateOp, AtTime, BinaryOp, BinaryStep, DurationExpr, Edges, Expr, ExprKind, Selector, Shift};
use crate::error::ParseError;
use crate::features::Features;
use crate::position::Span;
use crate::text::quote;

/// A selector of an expression and the samples it looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// First and last millisecond, with lookback, ranges, subqueries and offsets taken in.
    pub range: TimeRange,
    /// Where the selector stands.
    pub span: Span,
}

/// The selectors of an expression that is evaluated from `start` to `end`, in the order of the text.
///
/// A duration that depends on the step of the query counts as zero, and a subquery reaches back by its whole range.
#[must_use]
pub fn selections(expr: &Expr, start: i64, end: i64, lookback_ms: i64) -> Vec<Selection> {
    let mut walk = Walk { query: (start, end), lookback: lookback_ms, found: Vec::new() };
    walk.expr(expr, start, end);
    walk.found
}

struct Walk {
    query: (i64, i64),
    lookback: i64,
    found: Vec<Selection>,
}

impl Walk {
    fn shifted(&self, shift: &Shift, start: i64, end: i64) -> (i64, i64) {
        let (start, end) = match shift.at {
            None => (start, end),
            Some(AtTime::Time(time)) => (time, time),
            Some(AtTime::Start) => (self.query.0, self.query.0),
            Some(AtTime::End) => (self.query.1, self.query.1),
        };
        let offset = shift.offset.as_ref().map_or(0, constant);
        (start.saturating_sub(offset), end.saturating_sub(offset))
    }

    fn selector(&mut self, selector: &Selector, length: i64, span: Span, start: i64, end: i64) {
        let (start, end) = self.shifted(&selector.shift, start, end);
        // Ends that are anchored or smoothed need samples beyond them.
        let before = if selector.edges.is_some() { self.lookback } else { 0 };
        let after = if selector.edges == Some(Edges::Smoothed) { self.lookback } else { 0 };
        let start = start.saturating_sub(length).saturating_sub(before).saturating_add(1);
        let range = TimeRange { start, end: end.saturating_add(after) };
        self.found.push(Selection { matchers: selector.all_matchers(), range, span });
    }

    fn expr(&mut self, expr: &Expr, start: i64, end: i64) {
        match &expr.kind {
            ExprKind::Selector(selector) => self.selector(selector, self.lookback, expr.span, start, end),
            ExprKind::Range(range) => self.selector(&range.selector, constant(&range.range), expr.span, start, end),
            ExprKind::Subquery(subquery) => {
                let (start, end) = self.shifted(&subquery.shift, start, end);
                self.expr(&subquery.expr, start.saturating_sub(constant(&subquery.range)), end);
            }
            _ => each_child(expr, &mut |child| self.expr(child, start, end)),
        }
    }
}

fn constant(duration: &DurationExpr) -> i64 {
    match duration {
        DurationExpr::Literal(number) => (number.value * 1000.0).round() as i64,
        DurationExpr::Step | DurationExpr::Range => 0,
        DurationExpr::Paren(inner) => constant(inner),
        DurationExpr::Minus(inner) => constant(inner).saturating_neg(),
        DurationExpr::MinOf(pair) => constant(&pair.0).min(constant(&pair.1)),
        DurationExpr::MaxOf(pair) => constant(&pair.0).max(constant(&pair.1)),
        DurationExpr::Arithmetic(chain) => chain.rest.iter().fold(constant(&chain.first), |left, (op, right)| {
            let seconds = |ms: i64| ms as f64 / 1000.0;
            let (a, b) = (seconds(left), seconds(constant(right)));
            let value = match op {
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div => a / b,
                BinaryOp::Mod => a % b,
                _ => a.powf(b),
            };
            (value * 1000.0) as i64
        }),
    }
}

/// Visits the expressions that an expression is made of.
pub(crate) fn each_child<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Expr)) {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range(_) => {}
        ExprKind::Paren(inner) => visit(inner),
        ExprKind::Unary { operand, .. } => visit(operand),
        ExprKind::Binary(binary) => {
            visit(&binary.first);
            binary.rest.iter().for_each(|step| visit(&step.operand));
        }
        ExprKind::Subquery(subquery) => visit(&subquery.expr),
        ExprKind::Call(call) => call.args.iter().for_each(visit),
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.iter().for_each(&mut *visit);
            visit(&aggregate.expr);
        }
    }
}

/// The matchers of all selectors in an expression, from left to right.
#[must_use]
pub fn selectors(expr: &Expr) -> Vec<Vec<Matcher>> {
    fn collect(expr: &Expr, found: &mut Vec<Vec<Matcher>>) {
        match &expr.kind {
            ExprKind::Selector(selector) => found.push(selector.all_matchers()),
            ExprKind::Range(range) => found.push(range.selector.all_matchers()),
            _ => each_child(expr, &mut |child| collect(child, found)),
        }
    }
    let mut found = Vec::new();
    collect(expr, &mut found);
    found
}

/// How long evaluating takes at most, about: none where nobody can tell, or it may be long. Errs where samples are closer than 15 s or
/// are native histograms, so that whoever acts on it sets a deadline too.
///
/// The times are those of one core of a server of 2020 and rounded up; what matters is what they are compared with.
#[must_use]
pub fn effort(expr: &Expr, steps: (i64, i64, i64), lookback_ms: i64, select: &dyn Select) -> Option<Duration> {
    /// A selector with its share of the answer; a series: looked up, written; a sample of it; a step.
    const NS: [usize; 4] = [20_000, 400, 4, 10];
    let (start, end, step) = steps;
    let count = usize::try_from((end.saturating_sub(start)) / step.max(1) + 1).ok()?;
    let nodes = nodes(expr, NESTED_MAX)?;
    let mut ns = nodes.saturating_mul(count).saturating_mul(NS[3]);
    for selection in selections(expr, start, end, lookback_ms) {
        let series = select.series_at_most(&[selection.matchers], selection.range)?;
        let samples = usize::try_from(selection.range.end.saturating_sub(selection.range.start) / 15_000).unwrap_or(usize::MAX);
        let of_series = samples.saturating_mul(NS[2]).saturating_add(count.saturating_mul(NS[3] * 2)).saturating_add(NS[1]);
        ns = ns.saturating_add(series.saturating_mul(of_series)).saturating_add(NS[0]);
    }
    Some(Duration::from_nanos(ns as u64))
}

/// Deeper expressions are not looked into.
const NESTED_MAX: usize = 24;

/// How many parts an expression has; none if it nests deeper than that, or has parts whose cost says nothing of: those that walk over
/// steps of their own, or search texts.
fn nodes(expr: &Expr, deepest: usize) -> Option<usize> {
    let costly = match &expr.kind {
        ExprKind::Subquery(_) => true,
        ExprKind::Call(call) => matches!(call.function.name, "label_replace" | "label_join" | "info"),
        ExprKind::Aggregate(aggregate) => aggregate.op == AggregateOp::CountValues,
        _ => false,
    };
    if costly || deepest == 0 {
        return None;
    }
    let mut sum = Some(1_usize);
    each_child(expr, &mut |child| sum = sum.and_then(|sum| Some(sum + nodes(child, deepest - 1)?)));
    sum
}

/// Refuses, by name and position, what is read but not evaluated: what upstream keeps behind a flag, unless it is among the
/// `features`. Evaluation begins with this. In upstream's words.
pub fn supported(expr: &Expr, features: Features) -> Result<(), ParseError> {
    if features == Features::ALL {
        return Ok(());
    }
    let mut result = own_parts(expr, features);
    each_child(expr, &mut |child| {
        if result.is_ok() {
            result = supported(child, features);
        }
    });
    result
}

/// The same for one node, without what is in it.
fn own_parts(expr: &Expr, features: Features) -> Result<(), ParseError> {
    let refuse = |span: Span, message: String| Err(ParseError::new(span, message));
    let edges = match &expr.kind {
        ExprKind::Call(call) if call.function.experimental && !features.functions => {
            return refuse(expr.span, format!("function {} is not enabled", quote(call.function.name)));
        }
        ExprKind::Aggregate(aggregate) if aggregate.op.is_experimental() && !features.functions => {
            let name = aggregate.op.name();
            let message = format!("{name}() is experimental and must be enabled with --enable-feature=promql-experimental-functions");
            return refuse(expr.span, message);
        }
        ExprKind::Binary(binary) if !features.fill_modifiers => {
            let fills = |step: &BinaryStep| step.matching.fill_left.is_some() || step.matching.fill_right.is_some();
            if binary.rest.iter().any(fills) {
                return refuse(expr.span, "binop fill modifiers are experimental and not enabled".to_owned());
            }
            None
        }
        ExprKind::Selector(selector) => selector.edges,
        ExprKind::Range(range) => range.selector.edges,
        _ => None,
    };
    match edges {
        Some(edges) if !features.range_selectors => refuse(expr.span, format!("{} modifier is experimental and not enabled", edges.word())),
        _ => Ok(()),
    }
}
