use super::{BinaryOp, Number};

/// A duration: a constant, or arithmetic that may use the step and the range of the query.
#[derive(Clone, Debug)]
pub enum DurationExpr {
    /// A number of seconds.
    Literal(Number),
    /// `step()`
    Step,
    /// `range()`
    Range,
    /// `-d`
    Minus(Box<DurationExpr>),
    /// `(d)`
    Paren(Box<DurationExpr>),
    /// `min_of(a, b)`
    MinOf(Box<(DurationExpr, DurationExpr)>),
    /// `max_of(a, b)`
    MaxOf(Box<(DurationExpr, DurationExpr)>),
    /// `a + b - c …`, arithmetic operators alone.
    Arithmetic(Box<DurationChain>),
}

/// Operators from left to right, as in [`super::Binary`].
#[derive(Clone, Debug, PartialEq)]
pub struct DurationChain {
    /// The leftmost operand.
    pub first: DurationExpr,
    /// Operators with their right operands.
    pub rest: Vec<(BinaryOp, DurationExpr)>,
}

impl PartialEq for DurationExpr {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(a), Self::Literal(b)) => a.value.to_bits() == b.value.to_bits(),
            (Self::Step, Self::Step) | (Self::Range, Self::Range) => true,
            (Self::Minus(a), Self::Minus(b)) | (Self::Paren(a), Self::Paren(b)) => a == b,
            (Self::MinOf(a), Self::MinOf(b)) | (Self::MaxOf(a), Self::MaxOf(b)) => a == b,
            (Self::Arithmetic(a), Self::Arithmetic(b)) => a == b,
            _ => false,
        }
    }
}
