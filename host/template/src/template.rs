//! A parsed set of templates, and what bounds their expansion.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::ast::Block;
use crate::exec::Executor;
use crate::functions::Functions;
use crate::parse::parse;
use crate::value::Value;

/// What is wrong with a template or its expansion, with its place: `template: name:line:column: …`, where the column
/// counts bytes from 0, as Go's messages do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The whole message.
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// Whether values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all.
    Text,
    /// For where they stand in an HTML document.
    Html,
}

/// What one expansion may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the result, and of any text on the way.
    pub output_bytes: usize,
    /// Steps: one for each node, operand and round of a loop, and one for each 64 bytes that a function makes. So this also
    /// bounds the memory, to 64 bytes a step.
    pub steps: u64,
    /// Depth of blocks, parentheses and templates within each other.
    pub depth: usize,
}

impl Default for Limits {
    /// 1 MiB, a million steps, 200 deep.
    fn default() -> Self {
        Self { output_bytes: 1 << 20, steps: 1_000_000, depth: 200 }
    }
}

/// Templates by name, one of which is the main one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Template {
    name: Arc<str>,
    entries: BTreeMap<Arc<str>, Arc<Entry>>,
    strict: bool,
}

/// A template of a set, with the text it was written in.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) body: Block,
    pub(crate) source: Arc<Source>,
}

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) text: String,
}

impl Source {
    /// Line from 1 and byte in it from 0, as Go's messages count.
    pub(crate) fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = 1 + before.bytes().filter(|b| *b == b'\n').count();
        let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
        format!("{}:{line}:{column}", self.name)
    }
}

impl Template {
    /// Reads a text. Each name it calls must be one of the language's functions or of `functions`.
    pub fn parse(name: &str, text: &str, functions: &dyn Functions) -> Result<Self, TemplateError> {
        Self { name: Arc::from(name), entries: BTreeMap::new(), strict: false }.parse_with(name, text, functions)
    }

    /// Reads a text that can use the templates of this set. The answer has both; its main template is the new one. A name
    /// that comes again is replaced.
    pub fn parse_with(&self, name: &str, text: &str, functions: &dyn Functions) -> Result<Self, TemplateError> {
        let source = Arc::new(Source { name: Arc::from(name), text: text.to_owned() });
        let parsed = parse(text, &|name| functions.has(name))
            .map_err(|(at, message)| TemplateError { message: format!("template: {}: {message}", source.place(at)) })?;
        let mut entries = self.entries.clone();
        entries.insert(Arc::clone(&source.name), Arc::new(Entry { body: parsed.body, source: Arc::clone(&source) }));
        for (defined, body) in parsed.defined {
            entries.insert(defined, Arc::new(Entry { body, source: Arc::clone(&source) }));
        }
        Ok(Self { name: Arc::clone(&source.name), entries, strict: self.strict })
    }

    /// The same templates, but a key that a map does not have is an error: Go's option `missingkey=error`.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    /// Expands the main template with `data` as its dot.
    pub fn expand(&self, mode: Mode, data: &Value, functions: &dyn Functions, limits: &Limits) -> Result<String, TemplateError> {
        let mut executor = Executor::new(&self.entries, functions, *limits, mode, data, self.strict);
        executor.run(&self.name, data).map_err(|message| TemplateError { message })
    }

    /// The names of the set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(AsRef::as_ref)
    }
}
