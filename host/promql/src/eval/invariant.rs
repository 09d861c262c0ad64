//! Which expressions have the same value at each step: those whose selectors all stand at a fixed time.

use crate::ast::{Expr, ExprKind, Selector};
use crate::functions::TIMED;

/// Whether the value is the same at each step. Constants are not worth the trouble.
pub(crate) fn is_invariant(expr: &Expr) -> bool {
    !matches!(expr.kind, ExprKind::Number(_) | ExprKind::String(_)) && fixed(expr)
}

fn fixed(expr: &Expr) -> bool {
    let stands = |selector: &Selector| selector.shift.at.is_some();
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => true,
        ExprKind::Paren(inner) => fixed(inner),
        ExprKind::Unary { operand, .. } => fixed(operand),
        ExprKind::Binary(binary) => fixed(&binary.first) && binary.rest.iter().all(|step| fixed(&step.operand)),
        ExprKind::Selector(selector) => stands(selector),
        ExprKind::Range(range) => stands(&range.selector),
        ExprKind::Subquery(subquery) => subquery.shift.at.is_some(),
        // The time of a sample is fixed where the sample is; any other time is that of the evaluation.
        ExprKind::Call(call) if call.function.name == "timestamp" => {
            call.args.iter().all(|arg| matches!(&arg.unwrap_parens().kind, ExprKind::Selector(selector) if stands(selector)))
        }
        ExprKind::Call(call) => !TIMED.contains(&call.function.name) && call.args.iter().all(fixed),
        // Whatever the parameter is: that of the first step counts for all, as upstream.
        ExprKind::Aggregate(aggregate) => fixed(&aggregate.expr),
    }
}
