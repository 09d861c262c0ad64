//! Variables of a dashboard: where their values come from, and how they are filled in.

mod format;
mod scope;

use regex::Regex;

use crate::matcher::pattern;

pub use scope::Scope;

/// The value that stands for all values of a variable.
pub const ALL_VALUE: &str = "$__all";

/// Most values a variable offers. More are cut, as nobody picks from them and a pattern of them is no query.
const OPTIONS_MAX: usize = 10_000;

/// A variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// As it is written after `$`.
    pub name: String,
    /// For people; empty for the name.
    pub label: String,
    /// Where its values come from.
    pub kind: VariableKind,
    /// Several values can be chosen at once.
    pub multi: bool,
    /// All values can be chosen at once.
    pub include_all: bool,
    /// What stands for all values in queries; empty for a pattern of them all.
    pub all_value: String,
    /// Filters and cuts the values; empty for none.
    pub regex: String,
    /// Grafana's number of an order, 0 to 8.
    pub sort: u32,
    /// 0 shown, 1 without its label, 2 hidden, 3 in the menu of controls.
    pub hide: u32,
    /// Chosen at first.
    pub current: Vec<String>,
    /// Values that the file holds.
    pub options: Vec<VariableOption>,
}

/// A value that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableOption {
    /// For people.
    pub text: String,
    /// For queries.
    pub value: String,
}

impl VariableOption {
    /// A value that is shown as it is.
    #[must_use]
    pub fn plain(value: impl Into<String>) -> Self {
        let value = value.into();
        Self { text: value.clone(), value }
    }
}

/// Where a variable's values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum VariableKind {
    /// From a query.
    Query(VariableQuery),
    /// From a list in the file.
    Custom,
    /// A single value that cannot be changed.
    Constant,
    /// Whatever a user writes.
    Textbox,
    /// A list of durations.
    Interval {
        /// Offers a step that fits the range: so many in it.
        auto_count: Option<u32>,
        /// And not below this.
        auto_min: String,
    },
    /// Data sources of a type.
    Datasource(String),
    /// Filters that users add.
    Adhoc,
    /// Not known; the text is the type.
    Unknown(String),
}

impl VariableKind {
    /// As Grafana's JSON names it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Query(_) => "query",
            Self::Custom => "custom",
            Self::Constant => "constant",
            Self::Textbox => "textbox",
            Self::Interval { .. } => "interval",
            Self::Datasource(_) => "datasource",
            Self::Adhoc => "adhoc",
            Self::Unknown(name) => name,
        }
    }
}

/// A query for values. Variables in it are not filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableQuery {
    /// `label_values(selector, label)`; the selector may be empty.
    LabelValues {
        /// Which series.
        selector: String,
        /// Which label of theirs.
        label: String,
    },
    /// `label_names(selector)`; the selector may be empty.
    LabelNames(String),
    /// `metrics(pattern)`: names of metrics.
    Metrics(String),
    /// `query_result(expression)`: each result as `name{labels} value time`.
    QueryResult(String),
    /// A selector: each series as text.
    Series(String),
}

impl VariableQuery {
    /// Reads the function form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(inner) = arguments(text, "label_values") {
            // The label is behind the last comma; a selector may hold commas of its own, but ends in a brace then.
            return match inner.rsplit_once(',') {
                Some((selector, label)) if !label.contains(['}', '"', '\'']) => {
                    Self::LabelValues { selector: selector.trim().to_owned(), label: label.trim().to_owned() }
                }
                _ => Self::LabelValues { selector: String::new(), label: inner.trim().to_owned() },
            };
        }
        if let Some(inner) = arguments(text, "label_names") {
            return Self::LabelNames(inner.trim().to_owned());
        }
        if let Some(inner) = arguments(text, "metrics") {
            return Self::Metrics(inner.trim().to_owned());
        }
        if let Some(inner) = arguments(text, "query_result") {
            return Self::QueryResult(inner.trim().to_owned());
        }
        Self::Series(text.to_owned())
    }
}

fn arguments<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    text.strip_prefix(function)?.trim_start().strip_prefix('(')?.strip_suffix(')')
}

impl Variable {
    /// Turns values of a query into what can be chosen: filtered and cut by the variable's pattern, each once, in its order.
    ///
    /// A pattern takes its first group, or groups named `text` and `value`. The error is a sentence about the pattern.
    pub fn options_of(&self, values: Vec<String>) -> Result<Vec<VariableOption>, String> {
        let mut options: Vec<VariableOption> = if self.regex.is_empty() {
            values.into_iter().map(VariableOption::plain).collect()
        } else {
            let pattern = pattern(&self.regex)?;
            values.iter().flat_map(|value| cut(&pattern, value)).take(OPTIONS_MAX).collect()
        };
        options.truncate(OPTIONS_MAX);
        let mut seen = std::collections::HashSet::new();
        options.retain(|option| seen.insert(option.value.clone()));
        sort(&mut options, self.sort);
        Ok(options)
    }

    /// What is chosen: `wanted` as far as it can be, else what the file says, else the first.
    ///
    /// Values nobody offers are taken of a textbox only: the others would let an address of a page smuggle text into queries
    /// that the board's author did not write.
    #[must_use]
    pub fn selection(&self, options: &[VariableOption], wanted: Option<&[String]>) -> Vec<String> {
        match self.kind {
            VariableKind::Constant => return self.current.clone(),
            VariableKind::Textbox | VariableKind::Adhoc => return wanted.unwrap_or(&self.current).iter().take(1).cloned().collect(),
            _ => {}
        }
        let offered = |value: &String| (value == ALL_VALUE && self.include_all) || options.iter().any(|option| option.value == *value);
        let pick = |values: &[String]| -> Vec<String> {
            let found: Vec<String> = values.iter().filter(|v| offered(v)).cloned().collect();
            if found.iter().any(|v| v == ALL_VALUE) {
                return vec![ALL_VALUE.to_owned()];
            }
            if self.multi { found } else { found.into_iter().take(1).collect() }
        };
        let chosen = wanted.map(pick).filter(|values| !values.is_empty()).unwrap_or_else(|| pick(&self.current));
        if !chosen.is_empty() {
            return chosen;
        }
        if self.include_all && self.multi {
            return vec![ALL_VALUE.to_owned()];
        }
        options.first().map(|option| option.value.clone()).or_else(|| self.include_all.then(|| ALL_VALUE.to_owned())).into_iter().collect()
    }
}

fn cut(pattern: &Regex, value: &str) -> Vec<VariableOption> {
    let named = pattern.capture_names().flatten().any(|name| matches!(name, "text" | "value"));
    if named {
        return pattern
            .captures_iter(value)
            .filter_map(|found| {
                let group = |name| found.name(name).map(|m| m.as_str().to_owned());
                let (text, value) = (group("text"), group("value"));
                Some(VariableOption { text: text.clone().or_else(|| value.clone())?, value: value.or(text)? })
            })
            .collect();
    }
    let Some(found) = pattern.captures(value) else { return Vec::new() };
    let whole = if pattern.captures_len() == 1 { Some(value) } else { found.iter().skip(1).flatten().map(|m| m.as_str()).next() };
    whole.map(VariableOption::plain).into_iter().collect()
}

fn sort(options: &mut [VariableOption], order: u32) {
    match order {
        1 | 2 => options.sort_by(|a, b| a.text.cmp(&b.text)),
        3 | 4 => options.sort_by(|a, b| first_number(&a.text).total_cmp(&first_number(&b.text))),
        5 | 6 => options.sort_by_key(|option| option.text.to_lowercase()),
        7 | 8 => options.sort_by_key(|option| natural(&option.text)),
        _ => {}
    }
    if matches!(order, 2 | 4 | 6 | 8) {
        options.reverse();
    }
}

/// The first whole number in the text, as Grafana's numerical order; texts without one come first.
fn first_number(text: &str) -> f64 {
    let digits: String = text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(-1.0)
}

/// A key that orders `a2` before `a10`.
fn natural(text: &str) -> Vec<(u64, String)> {
    let mut key: Vec<(u64, String)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[letters..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - letters);
        let number = rest[letters..letters + digits].parse().unwrap_or(u64::MAX);
        key.push((0, rest[..letters].to_owned()));
        key.push((number, String::new()));
        rest = &rest[letters + digits..];
    }
    key
}

#[cfg(test)]
#[path = "variable_tests.rs"]
mod tests;
