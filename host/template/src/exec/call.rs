//! What functions are given of the expansion they are called from.

use std::sync::Arc;

use super::{Executor, Stop, Walk};
use crate::html::Escaper;
use crate::parse::parse;
use crate::template::{Entry, Source};
use crate::text::Text;
use crate::value::Value;

/// What a function of a set can ask of the expansion it is called from.
pub struct Call<'a, 't> {
    pub(super) executor: &'a mut Executor<'t>,
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
