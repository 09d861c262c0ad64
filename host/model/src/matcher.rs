use std::fmt;
use std::sync::{Arc, OnceLock};

use regex::Regex;

use crate::LabelSet;
use crate::compiled::{compile, compile_kept};
use crate::shape::Shape;

/// A pattern that needs no automaton is not compiled before somebody wants to know more of a match, unless it is longer than this.
const UNCOMPILED_BYTES_MAX: usize = 64 << 10;

/// A regular expression as Prometheus uses them: RE2 syntax, anchored at both ends, `.` matches newlines.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    regex: OnceLock<Arc<Regex>>,
    shape: Shape,
}

impl Pattern {
    /// Compiles the pattern. The error says what is wrong with it.
    pub fn new(source: &str) -> Result<Self, MatcherError> {
        Self::with(source, compile)
    }

    fn with(source: &str, compile: impl FnOnce(&str) -> Result<Arc<Regex>, regex::Error>) -> Result<Self, MatcherError> {
        let (shape, regex) = (Shape::of(source), OnceLock::new());
        // What has a shape is a pattern: literals with nothing but dots, stars, plus signs and bars between them.
        if matches!(shape, Shape::Other) || source.len() > UNCOMPILED_BYTES_MAX {
            let compiled = compile(source);
            let compiled = compiled.map_err(|error| MatcherError { pattern: source.to_owned(), reason: last_line(&error) })?;
            let _ = regex.set(compiled);
        }
        Ok(Self { source: source.to_owned(), regex, shape })
    }

    /// None if it does not compile, which [`Pattern::new`] has ruled out.
    fn regex(&self) -> Option<&Regex> {
        if let Some(regex) = self.regex.get() {
            return Some(regex);
        }
        let compiled = compile(&self.source).ok()?;
        Some(self.regex.get_or_init(|| compiled))
    }

    /// As the user wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.shape.matches(text).unwrap_or_else(|| self.regex().is_some_and(|regex| regex.is_match(text)))
    }

    /// The only texts that match, sorted, if the pattern is a list of such.
    #[must_use]
    pub fn literals(&self) -> Option<&[String]> {
        if let Shape::Set(set) = &self.shape { Some(set) } else { None }
    }

    /// What each text that matches begins with, as far as that is easily told.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.shape.prefix()
    }

    #[cfg(test)]
    pub(crate) fn automaton_matches(&self, text: &str) -> bool {
        self.regex().expect("it compiles").is_match(text)
    }

    /// The text of the replacement with `$1`, `${1}`, `${name}` filled in from a match of the whole `text`. None without a
    /// match.
    #[must_use]
    pub fn expand(&self, text: &str, replacement: &str) -> Option<String> {
        let captures = self.regex()?.captures(text)?;
        let mut out = String::new();
        captures.expand(replacement, &mut out);
        Some(out)
    }
}

/// The same source is the same pattern.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.source)
    }
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
}

impl MatchOp {
    /// As it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
        }
    }
}

/// A condition on one label. A label that is absent has the empty value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    /// Of `=~` and `!~` alone.
    pattern: Option<Pattern>,
}

impl Matcher {
    /// Compiles the pattern of `=~` and `!~`.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, MatcherError> {
        let value = value.into();
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Matches | MatchOp::NotMatches => Some(Pattern::with(&value, compile_kept)?),
        };
        Ok(Self { name: name.into(), op, value, pattern })
    }

    /// `name="value"`.
    #[must_use]
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// The label it looks at.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// The value or the source of the pattern.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value satisfies the matcher.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let hit = self.pattern.as_ref().map_or_else(|| self.value == value, |pattern| pattern.is_match(value));
        hit == matches!(self.op, MatchOp::Equal | MatchOp::Matches)
    }

    /// The only values that the comparison itself finds, whether these are to satisfy the matcher (`=`, `=~`) or to fail it (`!=`,
    /// `!~`); None if that is not known.
    #[must_use]
    pub fn literals(&self) -> Option<Vec<&str>> {
        match &self.pattern {
            None => Some(vec![&self.value]),
            Some(pattern) => pattern.literals().map(|set| set.iter().map(String::as_str).collect()),
        }
    }

    /// What each value that the comparison itself finds begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.pattern.as_ref().map_or(&self.value, Pattern::prefix)
    }

    /// Whether it looks for values (`=`, `=~`) and not for others (`!=`, `!~`).
    #[must_use]
    pub fn is_positive(&self) -> bool {
        matches!(self.op, MatchOp::Equal | MatchOp::Matches)
    }

    /// Whether a series without the label satisfies the matcher.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// Whether these labels satisfy the matcher.
    #[must_use]
    pub fn matches_labels(&self, labels: &LabelSet) -> bool {
        self.matches(labels.get(&self.name).unwrap_or(""))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op.symbol(), self.value)
    }
}

/// A pattern that does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatcherError {
    /// As it was written.
    pub pattern: String,
    /// What is wrong, in a line.
    pub reason: String,
}

impl fmt::Display for MatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "regular expression {:?}: {}", self.pattern, self.reason)
    }
}

impl std::error::Error for MatcherError {}

/// The regex crate draws the position over several lines and says the reason in the last.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(op: MatchOp, value: &str, hits: &[&str], misses: &[&str]) {
        let matcher = Matcher::new("l", op, value).expect("the pattern is good");
        for text in hits {
            assert!(matcher.matches(text), "{matcher} should take {text:?}");
        }
        for text in misses {
            assert!(!matcher.matches(text), "{matcher} should not take {text:?}");
        }
    }

    #[test]
    fn four_operators() {
        check(MatchOp::Equal, "a", &["a"], &["", "ab"]);
        check(MatchOp::NotEqual, "a", &["", "ab"], &["a"]);
        check(MatchOp::Matches, "a|b.*", &["a", "b\nc"], &["", "ab", "xa"]);
        check(MatchOp::NotMatches, "a.*", &["", "ba"], &["a", "ab"]);
    }

    #[test]
    fn a_bad_or_huge_pattern_is_an_error() {
        assert!(Pattern::new("(").is_err());
        assert!(Pattern::new("(?:.{0,1000}){0,1000}").is_err());
    }
}
