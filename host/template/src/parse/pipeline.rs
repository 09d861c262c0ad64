//! What stands between the braces of an action: declarations, commands, operands.

use std::sync::Arc;

use super::{ParseError, Parser};
use crate::ast::{Command, Operand, OperandKind, Pipe};
use crate::builtins;
use crate::lex::TokenKind;

impl Parser<'_> {
    /// Commands up to `end`, which is read too.
    pub(super) fn pipeline(&mut self, context: &str, end: &TokenKind) -> Result<Pipe, ParseError> {
        self.deeper()?;
        self.skip_space();
        let start = self.here();
        let (variables, assign) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == Some(end) {
                break;
            }
            if !commands.is_empty() {
                if self.peek() != Some(&TokenKind::Pipe) {
                    return self.unexpected(context);
                }
                self.at += 1;
                self.skip_space();
            }
            let command = self.command(context)?;
            commands.push(command);
        }
        let span = start..self.here();
        self.at += 1;
        self.nesting -= 1;
        let Some((_, later)) = commands.split_first() else { return Err((start, format!("missing value for {context}"))) };
        for command in later {
            // A later command takes the result of the one before, so it must be something that takes arguments.
            if matches!(
                command.operands[0].kind,
                OperandKind::Dot
                    | OperandKind::Nil
                    | OperandKind::Bool(_)
                    | OperandKind::Int(_)
                    | OperandKind::Float(_)
                    | OperandKind::String(_)
            ) {
                return Err((command.span.start, "a stage of a pipeline after the first must be a function or a method".to_owned()));
            }
        }
        // In scope from the end of the pipeline on.
        if !assign {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipe { variables, assign, commands, span })
    }

    /// `$x :=`, `$x =`, and for `range` also `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<Arc<str>>, bool), ParseError> {
        let begin = self.at;
        let mut variables: Vec<Arc<str>> = Vec::new();
        while let Some(TokenKind::Variable(name)) = self.peek() {
            let (name, name_at): (Arc<str>, usize) = (Arc::from(name.as_str()), self.here());
            self.at += 1;
            self.skip_space();
            match self.peek() {
                Some(TokenKind::Declare | TokenKind::Assign) => {
                    let assign = self.peek() == Some(&TokenKind::Assign);
                    variables.push(name);
                    if let Some(unknown) = variables.iter().find(|name| assign && !self.variables.contains(name)) {
                        return Err((name_at, format!("undefined variable {:?}", unknown.as_ref())));
                    }
                    self.at += 1;
                    return Ok((variables, assign));
                }
                Some(TokenKind::Comma) if context == "range" && variables.is_empty() => {
                    variables.push(name);
                    self.at += 1;
                    self.skip_space();
                }
                Some(TokenKind::Comma) => return Err((name_at, format!("too many declarations in {context}"))),
                _ => break,
            }
        }
        if !variables.is_empty() {
            return self.unexpected(context);
        }
        self.at = begin;
        Ok((Vec::new(), false))
    }

    fn command(&mut self, context: &str) -> Result<Command, ParseError> {
        let start = self.here();
        let mut operands = Vec::new();
        loop {
            if matches!(self.peek(), None | Some(TokenKind::Close | TokenKind::RightParen | TokenKind::Pipe)) {
                break;
            }
            let operand = self.operand(context)?;
            operands.push(operand);
            if self.peek() != Some(&TokenKind::Space) {
                break;
            }
            self.skip_space();
        }
        if operands.is_empty() {
            return self.unexpected(context);
        }
        match self.peek() {
            Some(TokenKind::Close | TokenKind::RightParen | TokenKind::Pipe) => {}
            _ => return self.unexpected(context),
        }
        let end = operands[operands.len() - 1].span.end;
        Ok(Command { operands, span: start..end })
    }

    fn operand(&mut self, context: &str) -> Result<Operand, ParseError> {
        let start = self.here();
        let Some(token) = self.tokens.get(self.at) else { return self.unexpected(context) };
        let mut kind = match &token.kind {
            TokenKind::Word(word) => match word.as_str() {
                "true" | "false" => OperandKind::Bool(word == "true"),
                "nil" => OperandKind::Nil,
                name if builtins::is_builtin(name) || (self.is_function)(name) => OperandKind::Function(Arc::from(name)),
                name => return Err((start, format!("function {name:?} not defined"))),
            },
            TokenKind::Dot => OperandKind::Dot,
            TokenKind::Variable(name) => {
                if !self.variables.iter().any(|known| **known == **name) {
                    return Err((start, format!("undefined variable {name:?}")));
                }
                OperandKind::Variable(Arc::from(name.as_str()), Vec::new())
            }
            TokenKind::Field(name) => OperandKind::Field(vec![Arc::from(name.as_str())]),
            TokenKind::Number(text) => number(text).ok_or_else(|| (start, format!("bad number syntax: {text:?}")))?,
            TokenKind::Char(c) => OperandKind::Int(i64::from(u32::from(*c))),
            TokenKind::String(text) => OperandKind::String(Arc::from(text.as_str())),
            TokenKind::LeftParen => {
                self.at += 1;
                let pipe = self.pipeline("parenthesized pipeline", &TokenKind::RightParen)?;
                // It was counted past; the common step below counts once more.
                self.at -= 1;
                OperandKind::Pipe(Box::new(pipe))
            }
            _ => return self.unexpected(context),
        };
        self.at += 1;
        let mut fields: Vec<Arc<str>> = Vec::new();
        let inner_end = self.tokens[self.at - 1].span.end;
        while let Some(TokenKind::Field(name)) = self.peek() {
            fields.push(Arc::from(name.as_str()));
            self.at += 1;
        }
        let end = self.tokens[self.at - 1].span.end;
        if !fields.is_empty() {
            kind = match kind {
                OperandKind::Field(mut names) => {
                    names.append(&mut fields);
                    OperandKind::Field(names)
                }
                OperandKind::Variable(name, _) => OperandKind::Variable(name, fields),
                OperandKind::Pipe(_) | OperandKind::Function(_) | OperandKind::Dot => {
                    OperandKind::Chain(Box::new(Operand { kind, span: start..inner_end }), fields)
                }
                _ => return Err((start, "a constant has no fields".to_owned())),
            };
        }
        Ok(Operand { kind, span: start..end })
    }
}

/// A number as Go writes it: decimal, hexadecimal, octal, binary, with underscores; with a point or an exponent it is a
/// float.
fn number(text: &str) -> Option<OperandKind> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    if lower.starts_with('_') || lower.ends_with('_') || lower.contains("__") {
        return None;
    }
    let lower = lower.replace('_', "");
    let (radix, body) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if radix == 10 && body.contains(['.', 'e']) {
        // "inf" and "nan" are names in Go, not numbers.
        let valid = body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
        let value: f64 = body.parse().ok().filter(|v: &f64| valid && v.is_finite())?;
        return Some(OperandKind::Float(if negative { -value } else { value }));
    }
    let value = i128::from_str_radix(body, radix).ok().filter(|_| !body.starts_with(['+', '-']))?;
    i64::try_from(if negative { -value } else { value }).ok().map(OperandKind::Int)
}
