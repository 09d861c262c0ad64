//! Selectors and what may follow an expression: ranges, subqueries, `offset`, `@`, `anchored`, `smoothed`.

use model::{METRIC_NAME, MatchOp, Matcher};

use super::{Parsed, Parser};
use crate::ast::{AtTime, DurationExpr, Edges, Expr, ExprKind, RangeSelector, Selector, Shift, Subquery};
use crate::lex::Kind;
use crate::position::Span;
use crate::text;

impl Parser<'_> {
    pub(super) fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        loop {
            expr = match self.peek() {
                Kind::Symbol("[") => self.brackets(expr)?,
                Kind::Symbol("@") => self.at_modifier(expr)?,
                Kind::Keyword("offset") => self.offset(expr)?,
                Kind::Keyword("anchored") => self.edges(expr, Edges::Anchored)?,
                Kind::Keyword("smoothed") => self.edges(expr, Edges::Smoothed)?,
                _ => return Ok(expr),
            };
        }
    }

    pub(super) fn selector(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let selector = self.plain_selector()?;
        let span = start.until(self.last_end());
        Ok(Expr { kind: ExprKind::Selector(Box::new(selector)), span })
    }

    pub(super) fn plain_selector(&mut self) -> Parsed<Selector> {
        let span = self.span();
        let name = match self.peek() {
            Kind::Identifier | Kind::MetricIdentifier | Kind::Keyword(_) => {
                self.advance();
                Some(self.slice(span).to_owned())
            }
            Kind::Symbol("{") => None,
            _ => return Err(self.unexpected("", "")),
        };
        let matchers = if self.is_symbol("{") { self.matchers()? } else { Vec::new() };
        Ok(Selector { name, matchers, shift: Shift::default(), edges: None })
    }

    fn matchers(&mut self) -> Parsed<Vec<Matcher>> {
        self.expect_symbol("{", "label matching")?;
        let mut matchers = Vec::new();
        while !self.take_symbol("}") {
            matchers.push(self.matcher()?);
            if !self.take_symbol(",") && !self.is_symbol("}") {
                return Err(self.unexpected("label matching", "\",\" or \"}\""));
            }
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Parsed<Matcher> {
        let span = self.span();
        let quoted = self.peek() == &Kind::String;
        let name = match self.peek() {
            Kind::Identifier => self.slice(span).to_owned(),
            Kind::String => text::unquote(self.slice(span)).map_err(|e| self.error(span, e))?,
            _ => return Err(self.unexpected("label matching", "identifier or \"}\"")),
        };
        self.advance();
        let op = match self.peek() {
            Kind::Symbol("=") => MatchOp::Equal,
            Kind::Symbol("!=") => MatchOp::NotEqual,
            Kind::Symbol("=~") => MatchOp::Matches,
            Kind::Symbol("!~") => MatchOp::NotMatches,
            // A string alone is the metric's name.
            Kind::Symbol("," | "}") if quoted => return Ok(Matcher::equal(METRIC_NAME, name)),
            _ if quoted => return Err(self.unexpected("label matching", "\",\" or \"}\"")),
            _ => return Err(self.unexpected("label matching", "label matching operator")),
        };
        self.advance();
        let value_span = self.span();
        if self.peek() != &Kind::String {
            return Err(self.unexpected("label matching", "string"));
        }
        let value = text::unquote(self.slice(value_span)).map_err(|e| self.error(value_span, e))?;
        self.advance();
        Matcher::new(name, op, value).map_err(|e| self.error(span.to(value_span), e.to_string()))
    }

    fn brackets(&mut self, inner: Expr) -> Parsed<Expr> {
        let open = self.advance();
        let range = self.positive_duration("subquery or range selector")?;
        if self.is_symbol("]") {
            let close = self.advance();
            return self.range_selector(inner, range, open.to(close));
        }
        if !self.take_symbol(":") {
            return Err(self.unexpected("subquery or range", "\":\" or \"]\""));
        }
        let step = if self.is_symbol("]") { None } else { Some(self.positive_duration("subquery selector")?) };
        if !self.is_symbol("]") {
            return Err(self.unexpected("subquery selector", "\"]\""));
        }
        let close = self.advance();
        let span = inner.span.to(close);
        // Here and not with the other types, because the tree must not grow with each pair of brackets.
        if matches!(inner.kind, ExprKind::Range(_) | ExprKind::Subquery(_)) {
            return Err(self.error(span, "subquery is only allowed on instant vector, got matrix instead"));
        }
        let subquery = Subquery { expr: inner, range, step, shift: Shift::default() };
        Ok(Expr { kind: ExprKind::Subquery(Box::new(subquery)), span })
    }

    fn range_selector(&mut self, inner: Expr, range: DurationExpr, brackets: Span) -> Parsed<Expr> {
        let span = inner.span.to(brackets);
        let ExprKind::Selector(selector) = inner.kind else {
            return Err(self.error(brackets, "ranges only allowed for vector selectors"));
        };
        if selector.shift.offset.is_some() {
            return Err(self.error(brackets, "no offset modifiers allowed before range"));
        }
        if selector.shift.at.is_some() {
            return Err(self.error(brackets, "no @ modifiers allowed before range"));
        }
        Ok(Expr { kind: ExprKind::Range(Box::new(RangeSelector { selector: *selector, range })), span })
    }

    fn offset(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.advance();
        let offset = self.offset_duration()?;
        let Some(shift) = shift_of(&mut expr.kind) else {
            let message = "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return Err(self.error(expr.span, message));
        };
        // As upstream: an offset of zero is as good as none, and may come again.
        if shift.offset.as_ref().is_some_and(|o| !matches!(o, DurationExpr::Literal(n) if n.value == 0.0)) {
            return Err(self.error(expr.span, "offset may not be set multiple times"));
        }
        shift.offset = Some(offset);
        expr.span.end = self.last_end();
        Ok(expr)
    }

    fn at_modifier(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.advance();
        let time = if self.is_keyword("start") || self.is_keyword("end") {
            let time = if self.is_keyword("start") { AtTime::Start } else { AtTime::End };
            self.advance();
            self.expect_symbol("(", "@")?;
            self.expect_symbol(")", "@")?;
            time
        } else {
            let minus = self.sign();
            let number = self.number_or_duration()?.ok_or_else(|| self.unexpected("@", "timestamp"))?;
            let seconds = if minus { -number.value } else { number.value };
            let ms = (seconds * 1000.0).round();
            // i64::MAX itself is no f64; the nearest above it is.
            if !ms.is_finite() || ms >= i64::MAX as f64 || ms <= i64::MIN as f64 {
                return Err(self.error(expr.span, format!("timestamp out of bounds for @ modifier: {}", text::float_plain(seconds))));
            }
            AtTime::Time(ms as i64)
        };
        let Some(shift) = shift_of(&mut expr.kind) else {
            let message = "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return Err(self.error(expr.span, message));
        };
        if shift.at.is_some() {
            return Err(self.error(expr.span, "@ <timestamp> may not be set multiple times"));
        }
        shift.at = Some(time);
        expr.span.end = self.last_end();
        Ok(expr)
    }

    fn edges(&mut self, mut expr: Expr, edges: Edges) -> Parsed<Expr> {
        self.advance();
        let slot = match &mut expr.kind {
            ExprKind::Selector(selector) => &mut selector.edges,
            ExprKind::Range(range) => &mut range.selector.edges,
            ExprKind::Subquery(_) => {
                return Err(self.error(expr.span, format!("{} modifier is not supported for subqueries", edges.word())));
            }
            _ => return Err(self.error(expr.span, format!("{} modifier not implemented", edges.word()))),
        };
        if slot.is_some_and(|other| other != edges) {
            return Err(self.error(expr.span, "anchored and smoothed modifiers cannot be used together"));
        }
        *slot = Some(edges);
        expr.span.end = self.last_end();
        Ok(expr)
    }
}

fn shift_of(kind: &mut ExprKind) -> Option<&mut Shift> {
    match kind {
        ExprKind::Selector(selector) => Some(&mut selector.shift),
        ExprKind::Range(range) => Some(&mut range.selector.shift),
        ExprKind::Subquery(subquery) => Some(&mut subquery.shift),
        _ => None,
    }
}
