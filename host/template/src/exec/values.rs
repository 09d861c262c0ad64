//! What pipelines, commands and operands come to.

use std::sync::Arc;

use super::{Call, Executor, Frame, Walk, assign};
use crate::ast::{Command, Operand, OperandKind, Pipe, Span};
use crate::builtins;
use crate::methods;
use crate::text::TooLong;
use crate::value::Value;

impl Executor<'_> {
    /// What a pipeline comes to.
    pub(super) fn pipe(&mut self, frame: &mut Frame<'_>, dot: &Value, pipe: &Pipe) -> Walk<Value> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(frame, dot, command, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            if pipe.assign {
                assign(frame, name, value.clone());
            } else {
                frame.variables.push((Arc::clone(name), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, frame: &mut Frame<'_>, dot: &Value, command: &Command, piped: Option<Value>) -> Walk<Value> {
        let (first, args) = command.operands.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
        let Some(first) = first else { return Ok(Value::Nil) };
        self.step(1).map_err(|message| frame.error(&command.span, &message))?;
        match &first.kind {
            OperandKind::Function(name) => self.function(frame, dot, name, &first.span, &command.span, args, piped),
            OperandKind::Field(names) => self.fields(frame, dot, dot, names, &first.span, args, piped),
            OperandKind::Variable(name, names) if !names.is_empty() => {
                let value = variable(frame, name);
                self.fields(frame, dot, &value, names, &first.span, args, piped)
            }
            OperandKind::Chain(inner, names) => {
                let value = self.operand(frame, dot, inner)?;
                self.fields(frame, dot, &value, names, &first.span, args, piped)
            }
            OperandKind::Nil => Err(frame.error(&first.span, "nil is not a command")),
            _ if !args.is_empty() || piped.is_some() => Err(frame.error(&first.span, "can't give argument to non-function")),
            _ => self.operand(frame, dot, first),
        }
    }

    /// An operand without arguments.
    fn operand(&mut self, frame: &mut Frame<'_>, dot: &Value, operand: &Operand) -> Walk<Value> {
        self.step(1).map_err(|message| frame.error(&operand.span, &message))?;
        match &operand.kind {
            OperandKind::Dot => Ok(dot.clone()),
            OperandKind::Nil => Ok(Value::Nil),
            OperandKind::Bool(value) => Ok(Value::Bool(*value)),
            OperandKind::Int(value) => Ok(Value::Int(*value)),
            OperandKind::Float(value) => Ok(Value::Float(*value)),
            OperandKind::String(text) => Ok(Value::String(Arc::clone(text))),
            OperandKind::Field(names) => self.fields(frame, dot, dot, names, &operand.span, &[], None),
            OperandKind::Variable(name, names) => {
                let value = variable(frame, name);
                self.fields(frame, dot, &value, names, &operand.span, &[], None)
            }
            OperandKind::Function(name) => self.function(frame, dot, name, &operand.span, &operand.span, &[], None),
            OperandKind::Pipe(pipe) => self.deeper(frame, &operand.span, |this, frame| this.pipe(frame, dot, pipe)),
            OperandKind::Chain(inner, names) => {
                let value = self.operand(frame, dot, inner)?;
                self.fields(frame, dot, &value, names, &operand.span, &[], None)
            }
        }
    }

    /// `.a.b args`: all but the last are plain; the last may be a method that takes the arguments.
    #[expect(clippy::too_many_arguments, reason = "what a Go method call is made of")]
    fn fields(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        receiver: &Value,
        names: &[Arc<str>],
        span: &Span,
        args: &[Operand],
        piped: Option<Value>,
    ) -> Walk<Value> {
        let mut value = receiver.clone();
        let Some((last, plain)) = names.split_last() else { return Ok(value) };
        for (at, name) in plain.iter().enumerate() {
            value = self.field(&value, name, &[], at == 0).map_err(|message| frame.error(span, &message))?;
        }
        let args = self.arguments(frame, dot, args, piped)?;
        self.field(&value, last, &args, plain.is_empty()).map_err(|message| frame.error(span, &message))
    }

    fn field(&mut self, receiver: &Value, name: &str, args: &[Value], first: bool) -> Result<Value, String> {
        if let Some(result) = methods::call(receiver, name, args) {
            let value = result.map_err(|message| format!("error calling {name}: {message}"))?;
            self.step(size_of_value(&value) / 64)?;
            return Ok(value);
        }
        let plain = |value: Value| if args.is_empty() { Ok(value) } else { Err(format!("{name} is not a method but has arguments")) };
        match receiver {
            Value::Nil if first && self.strict => Err(format!("nil data; no entry for key {}", crate::format::quote(name))),
            Value::Map(map) if self.strict && !map.entries().contains_key(name) => {
                Err(format!("map has no entry for key {}", crate::format::quote(name)))
            }
            // Data that is not there has no fields, and is not an error; something within it that is nil is one.
            Value::Nil if first => plain(Value::Nil),
            Value::Nil => Err(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Map(map) => plain(map.get(name)),
            Value::Struct(record) => match record.fields.iter().find(|field| field.name == name) {
                Some(field) => plain(field.value.clone()),
                None => Err(format!("can't evaluate field {name} in type {}", record.name)),
            },
            Value::List(list) => match list.attribute(name) {
                Some(value) => plain(value.clone()),
                None => Err(format!("can't evaluate field {name} in type {}", receiver.type_name())),
            },
            other => Err(format!("can't evaluate field {name} in type {}", other.type_name())),
        }
    }

    fn arguments(&mut self, frame: &mut Frame<'_>, dot: &Value, args: &[Operand], piped: Option<Value>) -> Walk<Vec<Value>> {
        let mut values = Vec::with_capacity(args.len() + 1);
        for arg in args {
            values.push(self.operand(frame, dot, arg)?);
        }
        values.extend(piped);
        Ok(values)
    }

    #[expect(clippy::too_many_arguments, reason = "what a Go function call is made of")]
    fn function(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        name: &str,
        name_span: &Span,
        span: &Span,
        args: &[Operand],
        piped: Option<Value>,
    ) -> Walk<Value> {
        if matches!(name, "and" | "or") {
            return self.and_or(frame, dot, name == "or", name_span, args, piped);
        }
        let args = self.arguments(frame, dot, args, piped)?;
        let result = if builtins::is_builtin(name) && !self.functions.has(name) {
            builtins::call(name, &args, self.limits.output_bytes)
        } else {
            let functions = self.functions;
            functions.call(name, &args, &mut Call { executor: self })
        };
        // Go finds wrong arguments before the call, and says so in other words than of a call that failed.
        let value = result.map_err(|message| match message.strip_prefix("wrong number of args: ") {
            Some(counts) => frame.error(name_span, &format!("wrong number of args for {name}: {counts}")),
            None if message.starts_with("wrong type for value;") => frame.error(span, &message),
            None => frame.error(span, &format!("error calling {name}: {message}")),
        })?;
        let size = size_of_value(&value);
        if size > self.limits.output_bytes as u64 * 4 {
            return Err(frame.error(span, &format!("error calling {name}: {}", self.too_long(TooLong))));
        }
        self.step(size / 64).map_err(|message| frame.error(span, &message))?;
        Ok(value)
    }

    /// The first argument that decides, the others unevaluated; else the last.
    fn and_or(&mut self, frame: &mut Frame<'_>, dot: &Value, or: bool, span: &Span, args: &[Operand], piped: Option<Value>) -> Walk<Value> {
        let mut last = None;
        for arg in args {
            let value = self.operand(frame, dot, arg)?;
            if value.is_true() == or {
                return Ok(value);
            }
            last = Some(value);
        }
        let name = if or { "or" } else { "and" };
        piped.or(last).ok_or_else(|| frame.error(span, &format!("wrong number of args for {name}: want at least 1 got 0")))
    }
}

/// Bytes that a result takes by itself. What it shares with others was charged when that was made.
fn size_of_value(value: &Value) -> u64 {
    let bytes = match value {
        Value::String(text) | Value::Safe(_, text) => text.len(),
        Value::List(list) => size_of_val(list.items()),
        Value::Map(map) => map.entries().len() * 2 * size_of::<Value>(),
        _ => 0,
    };
    bytes as u64
}

fn variable(frame: &Frame<'_>, name: &str) -> Value {
    let found = frame.variables.iter().rev().find(|(known, _)| **known == *name);
    // The parser refuses variables that are not in scope.
    found.map_or(Value::Nil, |(_, value)| value.clone())
}
