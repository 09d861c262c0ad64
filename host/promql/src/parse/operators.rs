//! Operators: what stands on both sides, how sides are matched.

use super::{Parsed, Parser};
use crate::ast::{Binary, BinaryOp, BinaryStep, Expr, ExprKind, Group, Matching, Number, Side};
use crate::lex::Kind;

impl Parser<'_> {
    /// Operators of at least this precedence.
    pub(super) fn expression(&mut self, precedence_min: u8) -> Parsed<Expr> {
        self.deeper(|parser| {
            let mut left = parser.operand()?;
            while let Some(op) = parser.binary_op().filter(|op| op.precedence() >= precedence_min) {
                let step = parser.binary_step(op)?;
                left = chain(left, step);
            }
            Ok(left)
        })
    }

    fn binary_op(&self) -> Option<BinaryOp> {
        match self.peek() {
            Kind::Symbol(s) | Kind::Keyword(s) => BinaryOp::from_text(s),
            _ => None,
        }
    }

    fn binary_step(&mut self, op: BinaryOp) -> Parsed<BinaryStep> {
        let op_start = self.advance();
        let return_bool = self.take_keyword("bool");
        let matching = self.matching()?;
        let op_span = op_start.until(self.last_end());
        // The power operator alone groups from the right.
        let right = if op == BinaryOp::Pow { op.precedence() } else { op.precedence() + 1 };
        let operand = self.expression(right)?;
        Ok(BinaryStep { op, op_span, return_bool, matching, operand })
    }

    fn matching(&mut self) -> Parsed<Matching> {
        let mut matching = Matching::default();
        if self.is_keyword("on") || self.is_keyword("ignoring") {
            matching.on = self.is_keyword("on");
            self.advance();
            matching.labels = self.grouping_labels()?;
            let many = if self.take_keyword("group_left") {
                Some(Side::Left)
            } else if self.take_keyword("group_right") {
                Some(Side::Right)
            } else {
                None
            };
            if let Some(many) = many {
                let include = if self.is_symbol("(") { self.grouping_labels()? } else { Vec::new() };
                matching.group = Some(Group { many, include });
            }
        }
        if self.take_keyword("fill") {
            let value = self.fill_value()?;
            (matching.fill_left, matching.fill_right) = (Some(value), Some(value));
        } else {
            // Each side at most once, in either order.
            for _ in 0..2 {
                if matching.fill_left.is_none() && self.take_keyword("fill_left") {
                    matching.fill_left = Some(self.fill_value()?);
                } else if matching.fill_right.is_none() && self.take_keyword("fill_right") {
                    matching.fill_right = Some(self.fill_value()?);
                }
            }
        }
        Ok(matching)
    }

    fn fill_value(&mut self) -> Parsed<f64> {
        self.expect_symbol("(", "fill modifier")?;
        let minus = self.sign();
        let value = self.number_or_duration()?.ok_or_else(|| self.unexpected("fill modifier", "number"))?.value;
        self.expect_symbol(")", "fill modifier")?;
        Ok(if minus { -value } else { value })
    }

    /// Takes one sign if there is one; true for a minus.
    pub(super) fn sign(&mut self) -> bool {
        if self.take_symbol("-") {
            return true;
        }
        self.take_symbol("+");
        false
    }

    /// A unary operator with its operand, or a primary with what follows it.
    fn operand(&mut self) -> Parsed<Expr> {
        if !self.is_symbol("-") && !self.is_symbol("+") {
            return self.postfix();
        }
        let start = self.span();
        let minus = self.sign();
        // Unary operators bind as multiplication does: -2^2 is -(2^2).
        let operand = self.expression(BinaryOp::Pow.precedence())?;
        let span = start.to(operand.span);
        let kind = match operand.kind {
            ExprKind::Number(number) => ExprKind::Number(Number { value: if minus { -number.value } else { number.value }, ..number }),
            _ => ExprKind::Unary { minus, operand: Box::new(operand) },
        };
        Ok(Expr { kind, span })
    }
}

/// Applies an operator to what was read so far. That is always the whole left operand, so a chain just grows.
fn chain(left: Expr, step: BinaryStep) -> Expr {
    let span = left.span.to(step.operand.span);
    let kind = match left.kind {
        ExprKind::Binary(mut binary) => {
            binary.rest.push(step);
            ExprKind::Binary(binary)
        }
        kind => ExprKind::Binary(Box::new(Binary { first: Expr { kind, span: left.span }, rest: vec![step] })),
    };
    Expr { kind, span }
}
