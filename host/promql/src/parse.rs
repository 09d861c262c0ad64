//! Tokens to a tree: recursive descent with operator precedence. Chains of operators are loops, so that only nesting
//! costs depth, and that is limited.

mod duration;
mod operators;
mod selector;

use crate::ast::{Aggregate, AggregateOp, BinaryOp, Call, Expr, ExprKind, Number};
use crate::error::ParseError;
use crate::lex::{self, Kind, Token};
use crate::position::Span;
use crate::{check, signatures, text};

/// How deep parentheses, calls and unary operators may nest. People write fewer than ten.
pub(crate) const DEPTH_MAX: usize = 150;

/// The longest query in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;

/// Reads a query and checks its types.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the expression has {} bytes, more than the limit of {TEXT_BYTES_MAX}", text.len());
        return Err(ParseError::new(Span::default().until(text.len()), message));
    }
    let mut parser = Parser { text, tokens: lex::lex(text), at: 0, depth: 0 };
    if parser.peek() == &Kind::End {
        return Err(ParseError::new(Span::default(), "no expression found in input"));
    }
    let expr = parser.expression(0)?;
    if parser.peek() != &Kind::End {
        return Err(parser.unexpected("", ""));
    }
    check::check(&expr)?;
    Ok(expr)
}

/// Reads one series as test scripts and rule tests write them: a name and labels, all matched by equality.
pub fn parse_series(text: &str) -> Result<model::LabelSet, ParseError> {
    let mut parser = Parser { text, tokens: lex::lex(text), at: 0, depth: 0 };
    let selector = parser.plain_selector()?;
    if parser.peek() != &Kind::End {
        return Err(parser.unexpected("series", "end of input"));
    }
    let matchers = selector.all_matchers();
    if matchers.iter().any(|m| m.op() != model::MatchOp::Equal) {
        return Err(ParseError::new(Span::default().until(text.len()), "a series is named by = alone"));
    }
    Ok(matchers.iter().map(|m| (m.name(), m.value())).collect())
}

pub(crate) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    fn token(&self) -> &Token {
        // The last token is End or Error, and nothing steps over it.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> &Kind {
        &self.token().kind
    }

    fn peek_second(&self) -> Option<&Kind> {
        self.tokens.get(self.at + 1).map(|t| &t.kind)
    }

    fn span(&self) -> Span {
        self.token().span
    }

    /// Where the last token that was taken ends.
    fn last_end(&self) -> usize {
        self.at.checked_sub(1).map_or(0, |at| self.tokens[at].span.end)
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[span.start..span.end]
    }

    fn advance(&mut self) -> Span {
        let span = self.span();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        span
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Kind::Symbol(s) if *s == symbol)
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Kind::Keyword(k) if *k == keyword)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let hit = self.is_symbol(symbol);
        if hit {
            self.advance();
        }
        hit
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let hit = self.is_keyword(keyword);
        if hit {
            self.advance();
        }
        hit
    }

    fn expect_symbol(&mut self, symbol: &str, context: &str) -> Parsed<Span> {
        if self.is_symbol(symbol) { Ok(self.advance()) } else { Err(self.unexpected(context, &format!("{symbol:?}"))) }
    }

    fn error(&self, span: Span, message: impl Into<String>) -> ParseError {
        ParseError::new(span, message)
    }

    /// What stands here does not belong here. A lexical error comes first: it is why there is no other token.
    fn unexpected(&self, context: &str, expected: &str) -> ParseError {
        let span = self.span();
        let what = match self.peek() {
            Kind::Error(message) => return self.error(span, message.clone()),
            Kind::End => "end of input".to_owned(),
            Kind::Number => format!("number {:?}", self.slice(span)),
            Kind::Duration => format!("duration {:?}", self.slice(span)),
            Kind::String => format!("string {}", self.slice(span)),
            Kind::Identifier => format!("identifier {:?}", self.slice(span)),
            Kind::MetricIdentifier => format!("metric identifier {:?}", self.slice(span)),
            Kind::Keyword(word) if BinaryOp::from_text(word).is_some() => format!("<op:{word}>"),
            Kind::Keyword(word) if AggregateOp::from_text(word).is_some() => format!("<aggr:{word}>"),
            Kind::Keyword(word) => format!("<{word}>"),
            Kind::Symbol(s) if BinaryOp::from_text(s).is_some() || matches!(*s, "@" | "=~" | "!~") => format!("<op:{s}>"),
            Kind::Symbol(s) => format!("{s:?}"),
        };
        let context = if context.is_empty() { String::new() } else { format!(" in {context}") };
        let expected = if expected.is_empty() { String::new() } else { format!(", expected {expected}") };
        self.error(span, format!("unexpected {what}{context}{expected}"))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error(self.span(), format!("the expression nests deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn grouping_labels(&mut self) -> Parsed<Vec<String>> {
        self.expect_symbol("(", "grouping opts")?;
        let mut labels = Vec::new();
        while !self.take_symbol(")") {
            let span = self.span();
            let label = match self.peek() {
                Kind::Identifier | Kind::MetricIdentifier | Kind::Keyword(_) => self.slice(span).to_owned(),
                // `inf` and `nan` are numbers here, as upstream.
                Kind::String => text::unquote(self.slice(span)).map_err(|e| self.error(span, e))?,
                _ => return Err(self.unexpected("grouping opts", "label")),
            };
            if label.is_empty() {
                return Err(self.error(span, "invalid label name for grouping: \"\""));
            }
            self.advance();
            labels.push(label);
            if !self.take_symbol(",") && !self.is_symbol(")") {
                return Err(self.unexpected("grouping opts", "\",\" or \")\""));
            }
        }
        Ok(labels)
    }

    fn number_or_duration(&mut self) -> Parsed<Option<Number>> {
        let span = self.span();
        let number = match self.peek() {
            Kind::Number => Number { value: text::number(self.slice(span)).map_err(|e| self.error(span, e))?, duration: false },
            Kind::Duration => {
                let ms = model::parse_duration(self.slice(span)).map_err(|e| self.error(span, e))?;
                Number { value: ms as f64 / 1000.0, duration: true }
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(number))
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let span = self.span();
        if let Some(number) = self.number_or_duration()? {
            return Ok(Expr { kind: ExprKind::Number(number), span });
        }
        match self.peek().clone() {
            Kind::String => {
                let value = text::unquote_any(self.slice(span)).map_err(|e| self.error(span, e))?;
                self.advance();
                Ok(Expr { kind: ExprKind::String(value), span })
            }
            Kind::Symbol("(") => {
                self.advance();
                let inner = self.expression(0)?;
                let end = self.expect_closing()?;
                Ok(Expr { kind: ExprKind::Paren(Box::new(inner)), span: span.to(end) })
            }
            Kind::Symbol("{") => self.selector(),
            Kind::Keyword(word) => self.keyword(word),
            Kind::Identifier if self.peek_second() == Some(&Kind::Symbol("(")) => self.call(),
            Kind::Identifier | Kind::MetricIdentifier => self.selector(),
            _ => Err(self.unexpected("", "")),
        }
    }

    fn expect_closing(&mut self) -> Parsed<Span> {
        if self.is_symbol(")") { Ok(self.advance()) } else { Err(self.unexpected("", "")) }
    }

    fn keyword(&mut self, word: &'static str) -> Parsed<Expr> {
        let next = self.peek_second();
        let paren = next == Some(&Kind::Symbol("("));
        if let Some(op) = AggregateOp::from_text(word) {
            let modifier = matches!(next, Some(Kind::Keyword("by" | "without")));
            if paren || modifier {
                return self.aggregate(op);
            }
        }
        if paren && matches!(word, "start" | "end" | "step" | "range" | "max_of" | "min_of") {
            return self.call();
        }
        // These alone are no names of metrics, nor are fill, fill_left and fill_right before a parenthesis.
        if matches!(word, "on" | "ignoring" | "group_left" | "group_right" | "bool" | "atan2") {
            return Err(self.unexpected("", ""));
        }
        self.selector()
    }

    fn call(&mut self) -> Parsed<Expr> {
        let name = self.advance();
        let function = signatures::find(self.slice(name));
        let Some(function) = function else {
            return Err(self.error(name, format!("unknown function with name {:?}", self.slice(name))));
        };
        let args = self.arguments()?;
        let span = name.until(self.last_end());
        Ok(Expr { kind: ExprKind::Call(Box::new(Call { function, args })), span })
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr>> {
        self.expect_symbol("(", "")?;
        let mut args = Vec::new();
        if self.is_symbol(")") {
            self.advance();
            return Ok(args);
        }
        loop {
            args.push(self.expression(0)?);
            if !self.is_symbol(",") {
                self.expect_closing()?;
                return Ok(args);
            }
            let comma = self.advance();
            if self.is_symbol(")") {
                return Err(self.error(comma, "trailing commas not allowed in function call args"));
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp) -> Parsed<Expr> {
        let start = self.advance();
        let mut grouping = self.aggregate_modifier()?;
        let args = self.arguments()?;
        if grouping.is_none() {
            grouping = self.aggregate_modifier()?;
        }
        let (without, grouping) = grouping.unwrap_or_default();
        let span = start.until(self.last_end());
        if args.is_empty() {
            return Err(self.error(span, "no arguments for aggregate expression provided"));
        }
        let wanted = if op.has_param() { 2 } else { 1 };
        if args.len() != wanted {
            let message = format!("wrong number of arguments for aggregate expression provided, expected {wanted}, got {}", args.len());
            return Err(self.error(span, message));
        }
        let mut args = args.into_iter().rev();
        let (Some(expr), param) = (args.next(), args.next()) else {
            return Err(self.error(span, "no arguments for aggregate expression provided"));
        };
        Ok(Expr { kind: ExprKind::Aggregate(Box::new(Aggregate { op, expr, param, grouping, without })), span })
    }

    /// `by (…)`, `without (…)`; whether it is the latter, and the labels.
    fn aggregate_modifier(&mut self) -> Parsed<Option<(bool, Vec<String>)>> {
        let without = self.is_keyword("without");
        if !without && !self.is_keyword("by") {
            return Ok(None);
        }
        self.advance();
        Ok(Some((without, self.grouping_labels()?)))
    }
}
