//! What the grammar alone cannot say: types, numbers of arguments, which modifiers go together.

use crate::ast::{Aggregate, AggregateOp, Binary, BinaryStep, Call, Expr, ExprKind, Selector, ValueType};
use crate::error::ParseError;
use crate::position::Span;
use crate::signatures::More;

/// Checks a whole tree. Depth was limited by the parser.
pub(crate) fn check(expr: &Expr) -> Result<(), ParseError> {
    Checker.expr(expr).map(|_| ())
}

struct Checker;

type Checked<T> = Result<T, ParseError>;

impl Checker {
    fn fail<T>(&self, span: Span, message: impl Into<String>) -> Checked<T> {
        Err(ParseError::new(span, message))
    }

    fn expect(&self, expr: &Expr, wanted: ValueType, context: &str) -> Checked<()> {
        let found = self.expr(expr)?;
        if found == wanted {
            return Ok(());
        }
        self.fail(expr.span, format!("expected type {} in {context}, got {}", wanted.name(), found.name()))
    }

    fn expr(&self, expr: &Expr) -> Checked<ValueType> {
        match &expr.kind {
            ExprKind::Number(_) => Ok(ValueType::Scalar),
            ExprKind::String(_) => Ok(ValueType::String),
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Unary { operand, .. } => match self.expr(operand)? {
                found @ (ValueType::Scalar | ValueType::Vector) => Ok(found),
                found => {
                    let message =
                        format!("unary expression only allowed on expressions of type scalar or instant vector, got {:?}", found.name());
                    self.fail(expr.span, message)
                }
            },
            ExprKind::Binary(binary) => self.binary(binary),
            ExprKind::Selector(selector) => {
                self.selector(selector, expr.span)?;
                Ok(ValueType::Vector)
            }
            ExprKind::Range(range) => {
                self.selector(&range.selector, expr.span)?;
                Ok(ValueType::Matrix)
            }
            ExprKind::Subquery(subquery) => match self.expr(&subquery.expr)? {
                ValueType::Vector => Ok(ValueType::Matrix),
                found => {
                    let name = if found == ValueType::Matrix { "matrix" } else { found.name() };
                    self.fail(expr.span, format!("subquery is only allowed on instant vector, got {name} instead"))
                }
            },
            ExprKind::Call(call) => self.call(call, expr.span),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate),
        }
    }

    fn selector(&self, selector: &Selector, span: Span) -> Checked<()> {
        if let Some(name) = &selector.name {
            if let Some(other) = selector.matchers.iter().find(|m| m.name() == model::METRIC_NAME) {
                return self.fail(span, format!("metric name must not be set twice: {name:?} or {:?}", other.value()));
            }
            return Ok(());
        }
        if selector.matchers.iter().all(model::Matcher::matches_empty) {
            return self.fail(span, "vector selector must contain at least one non-empty matcher");
        }
        Ok(())
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Checked<ValueType> {
        self.expect(&aggregate.expr, ValueType::Vector, "aggregation expression")?;
        if let Some(param) = &aggregate.param {
            let wanted = if aggregate.op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
            self.expect(param, wanted, "aggregation parameter")?;
        }
        Ok(ValueType::Vector)
    }

    fn binary(&self, binary: &Binary) -> Checked<ValueType> {
        let mut left = self.expr(&binary.first)?;
        let mut left_span = binary.first.span;
        for step in &binary.rest {
            left = self.step(left, left_span, step)?;
            left_span = left_span.to(step.operand.span);
        }
        Ok(left)
    }

    fn step(&self, left: ValueType, left_span: Span, step: &BinaryStep) -> Checked<ValueType> {
        let right = self.expr(&step.operand)?;
        let whole = left_span.to(step.operand.span);
        let (op, matching) = (step.op, &step.matching);
        let scalars = left == ValueType::Scalar && right == ValueType::Scalar;
        if step.return_bool && !op.is_comparison() {
            return self.fail(step.op_span, "bool modifier can only be used on comparison operators");
        }
        if op.is_comparison() && !step.return_bool && scalars {
            return self.fail(step.op_span, "comparisons between scalars must use BOOL modifier");
        }
        if let Some(group) = &matching.group
            && matching.on
            && let Some(label) = group.include.iter().find(|l| matching.labels.contains(l))
        {
            return self.fail(step.op_span, format!("label {label:?} must not occur in ON and GROUP clause at once"));
        }
        for (side, span) in [(left, left_span), (right, step.operand.span)] {
            if !matches!(side, ValueType::Scalar | ValueType::Vector) {
                return self.fail(span, "binary expression must contain only scalar and instant vector types");
            }
        }
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        if left != ValueType::Vector || right != ValueType::Vector {
            if !matching.labels.is_empty() {
                return self.fail(whole, "vector matching only allowed between instant vectors");
            }
            if fills {
                return self.fail(whole, "filling in missing series only allowed between instant vectors");
            }
            if op.is_set() {
                return self.fail(whole, format!("set operator {:?} not allowed in binary scalar expression", op.symbol()));
            }
        } else if op.is_set() {
            if matching.group.is_some() {
                return self.fail(whole, format!("no grouping allowed for {:?} operation", op.symbol()));
            }
            if fills {
                return self.fail(whole, "filling in missing series not allowed for set operators");
            }
        }
        Ok(if scalars { ValueType::Scalar } else { ValueType::Vector })
    }

    fn call(&self, call: &Call, span: Span) -> Checked<ValueType> {
        let (function, args) = (call.function, &call.args);
        let (wanted, found) = (function.args.len(), args.len());
        let wrong = match function.more {
            More::No if found != wanted => Some(format!("{wanted}")),
            More::UpTo(_) | More::Any if found + 1 < wanted => Some(format!("at least {}", wanted - 1)),
            More::UpTo(more) if found > wanted - 1 + more => Some(format!("at most {}", wanted - 1 + more)),
            _ => None,
        };
        if let Some(number) = wrong {
            return self.fail(span, format!("expected {number} argument(s) in call to {:?}, got {found}", function.name));
        }
        for (at, arg) in args.iter().enumerate() {
            if function.name == "info" && at == 1 {
                self.info_selector(arg)?;
                continue;
            }
            let Some(wanted) = function.args.get(at).or(function.args.last()) else {
                continue;
            };
            self.expect(arg, *wanted, &format!("call to function {:?}", function.name))?;
        }
        Ok(function.returns)
    }

    /// The second argument of `info` names labels alone, and may match everything.
    fn info_selector(&self, arg: &Expr) -> Checked<()> {
        match &arg.kind {
            ExprKind::Selector(selector) if selector.name.is_none() => Ok(()),
            ExprKind::Selector(_) => self.fail(arg.span, "expected label selectors only, got vector selector instead"),
            _ => self.fail(arg.span, "expected label selectors only"),
        }
    }
}
