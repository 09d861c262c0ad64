//! Expressions with all selectors at a fixed time.

use crate::ast::{AtTime, Expr, ExprKind, Shift};
use crate::functions::TIMED;

/// Puts `@ at` on each selector and subquery that has none. False if the expression depends on the time in other ways too.
pub(super) fn fix(expr: &mut Expr, at: i64) -> bool {
    let set = |shift: &mut Shift| {
        // What looks at the ends of the query moves with it.
        let moves = matches!(shift.at, Some(AtTime::Start | AtTime::End));
        shift.at.get_or_insert(AtTime::Time(at));
        !moves
    };
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => true,
        ExprKind::Paren(inner) => fix(inner, at),
        ExprKind::Unary { operand, .. } => fix(operand, at),
        ExprKind::Binary(binary) => {
            let first = fix(&mut binary.first, at);
            binary.rest.iter_mut().fold(first, |all, step| fix(&mut step.operand, at) && all)
        }
        ExprKind::Selector(selector) => set(&mut selector.shift),
        ExprKind::Range(range) => set(&mut range.selector.shift),
        // What is inside is evaluated at times that the subquery makes.
        ExprKind::Subquery(subquery) => set(&mut subquery.shift),
        ExprKind::Call(call) => {
            let timed = TIMED.contains(&call.function.name);
            call.args.iter_mut().fold(!timed, |all, arg| fix(arg, at) && all)
        }
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate.param.as_mut().is_none_or(|param| fix(param, at));
            fix(&mut aggregate.expr, at) && param
        }
    }
}
