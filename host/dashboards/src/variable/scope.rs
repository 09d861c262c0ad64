use std::collections::HashMap;

use serde_json::Value;

use super::{ALL_VALUE, Variable, VariableOption, format};
use crate::json;

/// Longest text that filling in variables may yield, in bytes. What would be longer stays as it is written.
const FILLED_BYTES_MAX: usize = 1 << 20;

/// What is filled in for variables: those of a dashboard with their chosen values, and the built-in ones.
///
/// `$name`, `${name}`, `${name:form}`, `[[name]]` and `[[name:form]]` are references; a name that is not known stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    values: HashMap<String, Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    /// A built-in one, or text of the board's author: as it is.
    Text(String),
    Chosen {
        values: Vec<String>,
        texts: Vec<String>,
        pattern: bool,
    },
    /// What the board's author wrote for "all".
    All {
        text: String,
    },
}

impl Scope {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a built-in variable, such as `__interval`. Filled in as it is.
    pub fn set_builtin(&mut self, name: &str, text: impl Into<String>) {
        self.values.insert(name.to_owned(), Entry::Text(text.into()));
    }

    /// Sets a dashboard's variable to what is chosen of `options`.
    pub fn set(&mut self, variable: &Variable, options: &[VariableOption], chosen: &[String]) {
        let all = chosen.iter().any(|value| value == ALL_VALUE);
        let entry = if all && !variable.all_value.is_empty() {
            Entry::All { text: variable.all_value.clone() }
        } else {
            let values: Vec<String> = if all { options.iter().map(|option| option.value.clone()).collect() } else { chosen.to_vec() };
            let text_of = |value: &String| {
                options.iter().find(|option| option.value == *value).map_or_else(|| value.clone(), |option| option.text.clone())
            };
            let texts = if all { vec!["All".to_owned()] } else { values.iter().map(text_of).collect() };
            Entry::Chosen { values, texts, pattern: variable.multi || variable.include_all }
        };
        self.values.insert(variable.name.clone(), entry);
    }

    /// Fills a PromQL expression in.
    ///
    /// Inside quotes values are escaped for those quotes, so that no value ends the string it stands in. Values of variables
    /// that allow several or all are escaped as patterns where the matcher is one (`=~`, `!~`); several values become a
    /// pattern everywhere.
    #[must_use]
    pub fn fill_query(&self, text: &str) -> String {
        let mut quotes = Quotes::default();
        self.fill(text, &mut |before, entry, form| {
            quotes.read(before);
            let plain = match (entry, form) {
                (Entry::Text(text) | Entry::All { text }, _) => return Some(text.clone()),
                (Entry::Chosen { values, texts, .. }, Some(form)) => format::formatted(form, values, texts)?,
                (Entry::Chosen { values, pattern, .. }, None) => match values.as_slice() {
                    [one] if !(*pattern && quotes.is_pattern()) => one.clone(),
                    values => format::regex(values),
                },
            };
            quotes.escape(&plain)
        })
    }

    /// Fills text for people in: what is chosen as it is shown.
    #[must_use]
    pub fn fill_text(&self, text: &str) -> String {
        self.fill(text, &mut |_, entry, form| match (entry, form) {
            (Entry::Text(text), _) => Some(text.clone()),
            (Entry::All { .. }, None | Some("text")) => Some("All".to_owned()),
            (Entry::All { text }, _) => Some(text.clone()),
            (Entry::Chosen { texts, .. }, None) => Some(texts.join(" + ")),
            (Entry::Chosen { values, texts, .. }, Some(form)) => format::formatted(form, values, texts),
        })
    }

    /// Fills all texts of a JSON value in, as for people.
    pub fn fill_json(&self, value: &mut Value) {
        json::map_texts(value, &mut |text| has_reference(text).then(|| self.fill_text(text)));
    }

    /// Names that the text refers to and that nothing is known of, each once. `$1`, as in replacements, is none.
    #[must_use]
    pub fn unknown_references(&self, text: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (at, _) in text.match_indices(['$', '[']) {
            let Some(reference) = Reference::read(&text[at..]) else { continue };
            let numbered = reference.name.starts_with(|c: char| c.is_ascii_digit());
            if !numbered && !self.values.contains_key(reference.name) && !names.iter().any(|name| name == reference.name) {
                names.push(reference.name.to_owned());
            }
        }
        names
    }

    fn fill(&self, text: &str, write: &mut Write<'_>) -> String {
        if !has_reference(text) {
            return text.to_owned();
        }
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(at) = rest.find(['$', '[']) {
            let (before, from) = rest.split_at(at);
            let found = Reference::read(from).and_then(|r| Some((self.values.get(r.name)?, r)));
            let filled = found.and_then(|(entry, r)| {
                let through = text.len() - rest.len() + at;
                Some((write(&text[..through], entry, r.form)?, r.length))
            });
            out.push_str(before);
            let length = match filled {
                Some((value, length)) => {
                    out.push_str(&value);
                    length
                }
                None => {
                    out.push_str(&from[..1]);
                    1
                }
            };
            rest = &from[length..];
            if out.len() > FILLED_BYTES_MAX {
                return text.to_owned();
            }
        }
        out.push_str(rest);
        out
    }
}

fn has_reference(text: &str) -> bool {
    text.contains('$') || text.contains("[[")
}

/// Writes a variable: gets the text before it, what is known of it, and the form that is asked for. None leaves it.
type Write<'a> = dyn FnMut(&str, &Entry, Option<&str>) -> Option<String> + 'a;

/// A reference at the beginning of a text.
struct Reference<'a> {
    name: &'a str,
    form: Option<&'a str>,
    length: usize,
}

impl<'a> Reference<'a> {
    fn read(text: &'a str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix("${") {
            return Self::enclosed(inner, "}", 2);
        }
        if let Some(inner) = text.strip_prefix("[[") {
            return Self::enclosed(inner, "]]", 2);
        }
        let inner = text.strip_prefix('$')?;
        let length = inner.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        (length > 0).then(|| Self { name: &inner[..length], form: None, length: length + 1 })
    }

    fn enclosed(inner: &'a str, end: &str, begin: usize) -> Option<Self> {
        let length = inner.find(end)?;
        let (name, form) = match inner[..length].split_once(':') {
            Some((name, form)) => (name, Some(form)),
            None => (&inner[..length], None),
        };
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        is_name.then_some(Self { name, form, length: begin + length + end.len() })
    }
}

/// Whether a place in an expression stands inside quotes, and behind which operator. Reads on from where it was.
#[derive(Default)]
struct Quotes {
    read: usize,
    open: Option<char>,
    escaped: bool,
    pattern: bool,
}

impl Quotes {
    fn read(&mut self, text: &str) {
        for (at, c) in text[self.read..].char_indices() {
            let at = self.read + at;
            match self.open {
                Some(_) if self.escaped => self.escaped = false,
                Some(quote) if c == '\\' && quote != '`' => self.escaped = true,
                Some(quote) if c == quote => self.open = None,
                Some(_) => {}
                None if matches!(c, '"' | '\'' | '`') => {
                    self.open = Some(c);
                    let before = text[..at].trim_end();
                    self.pattern = before.ends_with("=~") || before.ends_with("!~");
                }
                None => {}
            }
        }
        self.read = text.len();
    }

    fn is_pattern(&self) -> bool {
        self.open.is_some() && self.pattern
    }

    /// The value as it can stand here. None where it cannot: a back quote cannot be written in a string of back quotes.
    fn escape(&self, value: &str) -> Option<String> {
        match self.open {
            Some('`') => (!value.contains('`')).then(|| value.to_owned()),
            Some(quote) => {
                let mut out = String::with_capacity(value.len());
                for c in value.chars() {
                    match c {
                        '\n' => out.push_str("\\n"),
                        '\\' => out.push_str("\\\\"),
                        c if c == quote => {
                            out.push('\\');
                            out.push(c);
                        }
                        c => out.push(c),
                    }
                }
                Some(out)
            }
            None => Some(value.to_owned()),
        }
    }
}
