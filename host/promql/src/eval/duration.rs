//! Lengths of time that depend on the query's step and range.

use super::{Query, refuse};
use crate::ast::{AtTime, BinaryOp, DurationExpr, Shift};
use crate::error::EvalError;
use crate::functions::math::{larger, smaller};
use crate::position::Span;

/// Where a selector or subquery looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Milliseconds back.
    pub(crate) offset: i64,
    /// The fixed time, if there is one.
    pub(crate) at: Option<i64>,
}

impl Look {
    /// The time looked at when the evaluation stands at `time`.
    pub(crate) fn from(self, time: i64) -> i64 {
        self.at.unwrap_or(time).saturating_sub(self.offset)
    }
}

/// Upstream's nanoseconds hold so many seconds.
const SECONDS_MAX: f64 = 9_223_372_036.854_775;

impl Query<'_> {
    pub(crate) fn look(&self, shift: &Shift, span: Span) -> Result<Look, EvalError> {
        let (start, end) = self.ends();
        let offset = shift.offset.as_ref().map_or(Ok(0), |offset| self.milliseconds(offset, span))?;
        let at = match shift.at {
            None => None,
            Some(AtTime::Time(time)) => Some(time),
            // Upstream resolves these everywhere but there.
            Some(AtTime::Start | AtTime::End) if self.in_parameter.get() => None,
            Some(AtTime::Start) => Some(start),
            Some(AtTime::End) => Some(end),
        };
        Ok(Look { offset, at })
    }

    /// Of a range or a step, which must be positive.
    pub(crate) fn positive(&self, duration: &DurationExpr, span: Span) -> Result<i64, EvalError> {
        match self.milliseconds(duration, span)? {
            ms if ms > 0 => Ok(ms),
            _ => Err(refuse(span, "duration must be greater than 0")),
        }
    }

    fn milliseconds(&self, duration: &DurationExpr, span: Span) -> Result<i64, EvalError> {
        let seconds = self.seconds(duration, span)?;
        if !seconds.is_finite() {
            return Err(refuse(span, "duration is NaN or infinite"));
        }
        if seconds.abs() > SECONDS_MAX {
            return Err(refuse(span, "duration is out of range"));
        }
        // A literal is rounded, the result of arithmetic is cut, as upstream.
        let ms = seconds * 1000.0;
        Ok(if matches!(duration, DurationExpr::Literal(_)) { ms.round() } else { ms.trunc() } as i64)
    }

    /// The step of the query; an instant query has none.
    pub(crate) fn step_seconds(&self) -> f64 {
        if self.range_ms == 0 { 0.0 } else { self.steps.step as f64 / 1000.0 }
    }

    fn seconds(&self, duration: &DurationExpr, span: Span) -> Result<f64, EvalError> {
        Ok(match duration {
            DurationExpr::Literal(number) => number.value,
            DurationExpr::Step => self.step_seconds(),
            DurationExpr::Range => self.range_ms as f64 / 1000.0,
            DurationExpr::Minus(inner) => -self.seconds(inner, span)?,
            DurationExpr::Paren(inner) => self.seconds(inner, span)?,
            DurationExpr::MinOf(pair) => smaller(self.seconds(&pair.0, span)?, self.seconds(&pair.1, span)?),
            DurationExpr::MaxOf(pair) => larger(self.seconds(&pair.0, span)?, self.seconds(&pair.1, span)?),
            DurationExpr::Arithmetic(chain) => {
                let mut left = self.seconds(&chain.first, span)?;
                for (op, operand) in &chain.rest {
                    let right = self.seconds(operand, span)?;
                    left = match op {
                        BinaryOp::Add => left + right,
                        BinaryOp::Sub => left - right,
                        BinaryOp::Mul => left * right,
                        BinaryOp::Div if right == 0.0 => return Err(refuse(span, "division by zero")),
                        BinaryOp::Div => left / right,
                        BinaryOp::Mod if right == 0.0 => return Err(refuse(span, "modulo by zero")),
                        BinaryOp::Mod => left % right,
                        BinaryOp::Pow => left.powf(right),
                        other => return Err(refuse(span, &format!("{} is no operator of durations", other.symbol()))),
                    };
                }
                left
            }
        })
    }
}
