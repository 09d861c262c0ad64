//! Durations in brackets and behind `offset`: literals or arithmetic.

use super::{Parsed, Parser};
use crate::ast::{BinaryOp, DurationChain, DurationExpr, Number};
use crate::lex::Kind;
use crate::position::Span;

/// Seconds that upstream's nanoseconds hold. Below it milliseconds do not overflow either.
pub(crate) const SECONDS_MAX: f64 = 9_223_372_036.854_775;

const EXPECTED: &str = "number, duration, step(), or range()";

impl Parser<'_> {
    /// Of a range or the step of a subquery.
    pub(super) fn positive_duration(&mut self, context: &str) -> Parsed<DurationExpr> {
        let start = self.span();
        let duration = self.duration(0, context)?;
        match &duration {
            DurationExpr::Literal(number) if number.value.is_nan() || number.value <= 0.0 => {
                Err(self.error(start.until(self.last_end()), "duration must be greater than 0"))
            }
            _ => Ok(duration),
        }
    }

    /// Behind `offset`: no operator outside parentheses, since `a offset 5m + b` adds to the vector.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        self.deeper(|parser| {
            if parser.is_symbol("-") || parser.is_symbol("+") {
                let start = parser.span();
                let minus = parser.sign();
                let operand = parser.offset_duration()?;
                return parser.signed(minus, operand, start);
            }
            parser.duration_operand("offset")
        })
    }

    fn duration(&mut self, precedence_min: u8, context: &str) -> Parsed<DurationExpr> {
        self.deeper(|parser| {
            let mut left = if parser.is_symbol("-") || parser.is_symbol("+") {
                let start = parser.span();
                let minus = parser.sign();
                let operand = parser.duration(BinaryOp::Pow.precedence(), context)?;
                parser.signed(minus, operand, start)?
            } else {
                parser.duration_operand(context)?
            };
            loop {
                let op = match parser.peek() {
                    Kind::Symbol(s @ ("+" | "-" | "*" | "/" | "%" | "^")) => BinaryOp::from_text(s),
                    _ => None,
                };
                let Some(op) = op.filter(|op| op.precedence() >= precedence_min) else {
                    return Ok(left);
                };
                let op_span = parser.advance();
                let right_min = if op == BinaryOp::Pow { op.precedence() } else { op.precedence() + 1 };
                let right = parser.duration(right_min, context)?;
                if matches!(&right, DurationExpr::Literal(n) if n.value == 0.0) && matches!(op, BinaryOp::Div | BinaryOp::Mod) {
                    let message = if op == BinaryOp::Div { "division by zero" } else { "modulo by zero" };
                    return Err(parser.error(op_span, message));
                }
                left = match left {
                    DurationExpr::Arithmetic(mut chain) => {
                        chain.rest.push((op, right));
                        DurationExpr::Arithmetic(chain)
                    }
                    first => DurationExpr::Arithmetic(Box::new(DurationChain { first, rest: vec![(op, right)] })),
                };
            }
        })
    }

    fn signed(&self, minus: bool, operand: DurationExpr, start: Span) -> Parsed<DurationExpr> {
        match operand {
            DurationExpr::Literal(number) => {
                self.literal(Number { value: if minus { -number.value } else { number.value }, ..number }, start.until(self.last_end()))
            }
            operand if minus => Ok(DurationExpr::Minus(Box::new(operand))),
            operand => Ok(operand),
        }
    }

    fn literal(&self, number: Number, span: Span) -> Parsed<DurationExpr> {
        if number.value.abs() > SECONDS_MAX {
            return Err(self.error(span, "duration out of range"));
        }
        Ok(DurationExpr::Literal(number))
    }

    fn duration_operand(&mut self, context: &str) -> Parsed<DurationExpr> {
        let span = self.span();
        if let Some(number) = self.number_or_duration()? {
            return self.literal(number, span);
        }
        match self.peek() {
            Kind::Symbol("(") => {
                self.advance();
                let inner = self.duration(0, context)?;
                self.expect_closing()?;
                // Two pairs of parentheses say no more than one.
                Ok(if matches!(inner, DurationExpr::Paren(_)) { inner } else { DurationExpr::Paren(Box::new(inner)) })
            }
            Kind::Keyword(word @ ("step" | "range")) => {
                let duration = if *word == "step" { DurationExpr::Step } else { DurationExpr::Range };
                self.advance();
                if !self.take_symbol("(") {
                    return Err(self.unexpected(context, EXPECTED));
                }
                self.expect_closing()?;
                Ok(duration)
            }
            Kind::Keyword(word @ ("min_of" | "max_of")) => {
                let min = *word == "min_of";
                self.advance();
                self.expect_symbol("(", context)?;
                let first = self.duration(0, context)?;
                self.expect_symbol(",", context)?;
                let second = self.duration(0, context)?;
                self.expect_closing()?;
                let pair = Box::new((first, second));
                Ok(if min { DurationExpr::MinOf(pair) } else { DurationExpr::MaxOf(pair) })
            }
            _ => Err(self.unexpected(context, EXPECTED)),
        }
    }
}
