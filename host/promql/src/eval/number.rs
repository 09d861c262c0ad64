//! Operators on numbers.

use super::{Scalars, clean};
use crate::ast::{BinaryOp, BinaryStep};

pub(super) fn scalars<'a>(step: &BinaryStep, mut left: Scalars<'a>, right: &Scalars<'_>) -> Scalars<'a> {
    for (left, right) in left.values.iter_mut().zip(&right.values) {
        *left = match element(step.op, *left, *right) {
            Number::Value(value) => clean(value),
            Number::Verdict(verdict) => f64::from(u8::from(verdict)),
        };
    }
    left
}

/// What an operator makes of two numbers.
pub(super) enum Number {
    Value(f64),
    Verdict(bool),
}

pub(super) fn element(op: BinaryOp, left: f64, right: f64) -> Number {
    match op {
        BinaryOp::Add => Number::Value(left + right),
        BinaryOp::Sub => Number::Value(left - right),
        BinaryOp::Mul => Number::Value(left * right),
        BinaryOp::Div => Number::Value(left / right),
        BinaryOp::Mod => Number::Value(left % right),
        BinaryOp::Pow => Number::Value(left.powf(right)),
        BinaryOp::Atan2 => Number::Value(left.atan2(right)),
        BinaryOp::Equal => Number::Verdict(left == right),
        BinaryOp::NotEqual => Number::Verdict(left != right),
        BinaryOp::Less => Number::Verdict(left < right),
        BinaryOp::LessEqual => Number::Verdict(left <= right),
        BinaryOp::Greater => Number::Verdict(left > right),
        BinaryOp::GreaterEqual => Number::Verdict(left >= right),
        // Refused before evaluation; two floats have no such operation.
        BinaryOp::TrimUpper | BinaryOp::TrimLower | BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => Number::Value(f64::NAN),
    }
}
