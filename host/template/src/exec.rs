//! Walks the tree of a template.

mod call;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use call::Call;

use crate::ast::{Block, Node, Pipe, Span};
use crate::format::write_value;
use crate::functions::Functions;
use crate::html::Escaper;
use crate::template::{Entry, Limits, Mode};
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
}

fn assign(frame: &mut Frame<'_>, name: &str, value: Value) {
    if let Some((_, slot)) = frame.variables.iter_mut().rev().find(|(known, _)| **known == *name) {
        *slot = value;
    }
}
