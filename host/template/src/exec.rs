//! Walks the tree of a template.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Block, Command, Node, Operand, OperandKind, Pipe, Span};
use crate::builtins;
use crate::format::write_value;
use crate::functions::Functions;
use crate::html::Escaper;
use crate::methods;
use crate::parse::parse;
use crate::template::{Entry, Limits, Mode, Source};
use crate::text::{Text, TooLong};
use crate::value::Value;

type Set = BTreeMap<Arc<str>, Arc<Entry>>;

/// Why a walk ended early.
enum Stop {
    Break,
    Continue,
    Error(String),
}

type Walk<T> = Result<T, Stop>;

/// The state of one expansion.
pub(crate) struct Executor<'t> {
    set: &'t Set,
    functions: &'t dyn Functions,
    limits: Limits,
    steps: u64,
    depth: usize,
    out: Text,
    escaper: Option<Escaper>,
    root: &'t Value,
    /// Texts that are being expanded within each other by name, so that a circle is seen.
    active: Vec<String>,
    /// A missing key is an error.
    strict: bool,
}

/// One running template.
struct Frame<'e> {
    entry: &'e Entry,
    name: &'e str,
    variables: Vec<(Arc<str>, Value)>,
}

impl Frame<'_> {
    /// Go's form of an error: where, in which template, at what.
    fn error(&self, span: &Span, message: &str) -> Stop {
        let context = self.entry.source.text.get(span.clone()).unwrap_or_default();
        Stop::Error(format!(
            "template: {}: executing {} at <{context}>: {message}",
            self.entry.source.place(span.start),
            crate::format::quote(self.name)
        ))
    }
}

impl<'t> Executor<'t> {
    pub(crate) fn new(set: &'t Set, functions: &'t dyn Functions, limits: Limits, mode: Mode, root: &'t Value, strict: bool) -> Self {
        let escaper = (mode == Mode::Html).then(Escaper::default);
        Self { set, functions, limits, steps: 0, depth: 0, out: Text::new(limits.output_bytes), escaper, root, active: Vec::new(), strict }
    }

    /// Expands a template of the set.
    pub(crate) fn run(&mut self, name: &str, data: &Value) -> Result<String, String> {
        self.template(name, data).map_err(|stop| match stop {
            Stop::Error(message) => message,
            Stop::Break | Stop::Continue => "break or continue outside of a range".to_owned(),
        })?;
        Ok(std::mem::replace(&mut self.out, Text::new(self.limits.output_bytes)).into_string())
    }

    fn template(&mut self, name: &str, data: &Value) -> Walk<()> {
        let entry = self.set.get(name).ok_or_else(|| Stop::Error(format!("template {} not defined", crate::format::quote(name))))?;
        self.body(entry, name, data)
    }

    fn body(&mut self, entry: &Entry, name: &str, data: &Value) -> Walk<()> {
        let mut frame = Frame { entry, name, variables: vec![(Arc::from("$"), data.clone())] };
        self.block(&mut frame, data, &entry.body)
    }

    fn step(&mut self, steps: u64) -> Result<(), String> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.limits.steps {
            return Err(format!("the template takes more than {} steps", self.limits.steps));
        }
        Ok(())
    }

    fn too_long(&self, _: TooLong) -> String {
        format!("the text grows beyond {} bytes", self.limits.output_bytes)
    }

    /// Runs one level deeper, within the limit.
    fn deeper<T>(&mut self, frame: &mut Frame<'_>, span: &Span, run: impl FnOnce(&mut Self, &mut Frame<'_>) -> Walk<T>) -> Walk<T> {
        if self.depth >= self.limits.depth {
            return Err(frame.error(span, &format!("nested deeper than {}: does a template call itself?", self.limits.depth)));
        }
        self.depth += 1;
        let result = run(self, frame);
        self.depth -= 1;
        result
    }

    fn block(&mut self, frame: &mut Frame<'_>, dot: &Value, nodes: &Block) -> Walk<()> {
        nodes.iter().try_for_each(|node| self.node(frame, dot, node))
    }

    fn node(&mut self, frame: &mut Frame<'_>, dot: &Value, node: &Node) -> Walk<()> {
        self.step(1).map_err(Stop::Error)?;
        let scope = frame.variables.len();
        match node {
            Node::Text(text) => {
                let written = match &mut self.escaper {
                    Some(escaper) => self.out.push_str(&escaper.literal(text)),
                    None => self.out.push_str(text),
                };
                return written.map_err(|error| Stop::Error(self.too_long(error)));
            }
            Node::Action(pipe) => {
                let value = self.pipe(frame, dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.print(&value).map_err(|message| frame.error(&pipe.span, &message))?;
                }
                return Ok(());
            }
            Node::If { pipe, then, otherwise } => self.deeper(frame, &pipe.span, |this, frame| {
                let value = this.pipe(frame, dot, pipe)?;
                this.block(frame, dot, if value.is_true() { then } else { otherwise })
            })?,
            Node::With { pipe, then, otherwise } => self.deeper(frame, &pipe.span, |this, frame| {
                let value = this.pipe(frame, dot, pipe)?;
                if value.is_true() { this.block(frame, &value, then) } else { this.block(frame, dot, otherwise) }
            })?,
            Node::Range { pipe, body, otherwise } => {
                self.deeper(frame, &pipe.span, |this, frame| this.range(frame, dot, pipe, body, otherwise))?
            }
            Node::Template { name, pipe, span } => {
                let data = match pipe {
                    Some(pipe) => self.pipe(frame, dot, pipe)?,
                    None => Value::Nil,
                };
                let Some(entry) = self.set.get(name) else {
                    return Err(frame.error(span, &format!("template {} not defined", crate::format::quote(name))));
                };
                self.deeper(frame, span, |this, _| this.body(entry, name, &data))?;
            }
            Node::Break => return Err(Stop::Break),
            Node::Continue => return Err(Stop::Continue),
        }
        frame.variables.truncate(scope);
        Ok(())
    }

    fn print(&mut self, value: &Value) -> Result<(), String> {
        match &mut self.escaper {
            None => write_value(&mut self.out, value, true).map_err(|error| self.too_long(error)),
            Some(escaper) => {
                let mut text = Text::new(self.limits.output_bytes);
                let escaped = escaper.value(value, &mut text).and_then(|escaped| self.out.push_str(&escaped));
                escaped.map_err(|error| self.too_long(error))
            }
        }
    }

    fn range(&mut self, frame: &mut Frame<'_>, dot: &Value, pipe: &Pipe, body: &Block, otherwise: &Block) -> Walk<()> {
        let scope = frame.variables.len();
        let value = self.pipe(frame, dot, pipe)?;
        let ended = match &value {
            Value::Nil => None,
            Value::List(list) => {
                let items =
                    list.items().iter().enumerate().map(|(at, item)| (Value::Int(i64::try_from(at).unwrap_or(i64::MAX)), item.clone()));
                self.rounds(frame, pipe, body, scope, items)?
            }
            Value::Map(map) => {
                let items = map.entries().iter().map(|(key, item)| (Value::String(Arc::clone(key)), item.clone()));
                self.rounds(frame, pipe, body, scope, items)?
            }
            Value::Int(count) => {
                if pipe.variables.len() > 1 {
                    return Err(frame.error(&pipe.span, &format!("can't use {count} to iterate over more than one variable")));
                }
                self.rounds(frame, pipe, body, scope, (0..*count).map(|at| (Value::Int(at), Value::Int(at))))?
            }
            other => {
                let mut text = Text::new(100);
                // A longer value is cut short; the message stays readable.
                let _ = write_value(&mut text, other, false);
                return Err(frame.error(&pipe.span, &format!("range can't iterate over {}", text.as_str())));
            }
        };
        if ended.is_none() {
            self.block(frame, dot, otherwise)?;
        }
        frame.variables.truncate(scope);
        Ok(())
    }

    /// Runs the body for each item. None if there was no item.
    fn rounds(
        &mut self,
        frame: &mut Frame<'_>,
        pipe: &Pipe,
        body: &Block,
        scope: usize,
        items: impl Iterator<Item = (Value, Value)>,
    ) -> Walk<Option<()>> {
        let inner = frame.variables.len();
        let mut any = None;
        for (key, item) in items {
            any = Some(());
            self.step(1).map_err(|message| frame.error(&pipe.span, &message))?;
            // One variable is the item, two are key and item.
            for (at, name) in pipe.variables.iter().enumerate() {
                let value = if at + 1 == pipe.variables.len() { &item } else { &key };
                if pipe.assign {
                    assign(frame, name, value.clone());
                } else {
                    frame.variables[scope + at].1 = value.clone();
                }
            }
            let result = self.block(frame, &item, body);
            frame.variables.truncate(inner);
            match result {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(any)
    }

    fn pipe(&mut self, frame: &mut Frame<'_>, dot: &Value, pipe: &Pipe) -> Walk<Value> {
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

fn assign(frame: &mut Frame<'_>, name: &str, value: Value) {
    if let Some((_, slot)) = frame.variables.iter_mut().rev().find(|(known, _)| **known == *name) {
        *slot = value;
    }
}

/// What a function of a set can ask of the expansion it is called from.
pub struct Call<'a, 't> {
    executor: &'a mut Executor<'t>,
}

impl Call<'_, '_> {
    /// Counts work against the limit on steps: one step is about 64 bytes of plain work.
    pub fn charge(&mut self, steps: u64) -> Result<(), String> {
        self.executor.step(steps)
    }

    /// The most bytes that a text may have.
    #[must_use]
    pub fn text_bytes_max(&self) -> usize {
        self.executor.limits.output_bytes
    }

    /// The entry of a map of texts in the data that the expansion began with; none if there is no such map.
    #[must_use]
    pub fn root_text(&self, map: &str, key: &str) -> Option<String> {
        let field = match self.executor.root {
            Value::Struct(record) => record.fields.iter().find(|field| field.name == map).map(|field| field.value.clone()),
            Value::Map(root) => Some(root.get(map)),
            _ => None,
        };
        let Some(Value::Map(entries)) = field else { return None };
        entries.entries().get(key).and_then(Value::as_str).map(str::to_owned)
    }

    /// The data that the expansion began with.
    #[must_use]
    pub fn root(&self) -> Value {
        self.executor.root.clone()
    }

    /// Expands a template of the set into a text.
    pub fn expand_named(&mut self, name: &str, data: &Value) -> Result<String, String> {
        self.apart(|executor| executor.template(name, data))
    }

    /// Expands a text that is itself a template. `key` names it, so that one which leads to itself is refused.
    pub fn expand_text(&mut self, key: &str, text: &str, data: &Value) -> Result<String, String> {
        if self.executor.active.iter().any(|active| active == key) {
            return Err(format!("{key:?} leads to itself: {} -> {key}", self.executor.active.join(" -> ")));
        }
        let functions = self.executor.functions;
        self.charge(text.len() as u64 / 8)?;
        let source = Arc::new(Source { name: Arc::from(key), text: text.to_owned() });
        let parsed =
            parse(text, &|name| functions.has(name)).map_err(|(at, message)| format!("template: {}: {message}", source.place(at)))?;
        let entry = Entry { body: parsed.body, source };
        self.executor.active.push(key.to_owned());
        let result = self.apart(|executor| executor.body(&entry, key, data));
        self.executor.active.pop();
        result
    }

    /// Runs with an output of its own, one level deeper.
    fn apart(&mut self, run: impl FnOnce(&mut Executor<'_>) -> Walk<()>) -> Result<String, String> {
        let executor = &mut *self.executor;
        if executor.depth >= executor.limits.depth {
            return Err(format!("nested deeper than {}: does a template call itself?", executor.limits.depth));
        }
        executor.depth += 1;
        let outer = std::mem::replace(&mut executor.out, Text::new(executor.limits.output_bytes));
        let escaper = executor.escaper.take();
        executor.escaper = escaper.as_ref().map(|_| Escaper::default());
        let result = run(executor);
        executor.escaper = escaper;
        executor.depth -= 1;
        let text = std::mem::replace(&mut executor.out, outer);
        match result {
            Ok(()) => Ok(text.into_string()),
            Err(Stop::Error(message)) => Err(message),
            Err(Stop::Break | Stop::Continue) => Err("break or continue outside of a range".to_owned()),
        }
    }

    /// Whether values are being escaped for HTML.
    #[must_use]
    pub fn is_html(&self) -> bool {
        self.executor.escaper.is_some()
    }
}
