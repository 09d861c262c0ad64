//! A configuration text as a tree with positions, and the way to read a section of it.
//!
//! The `yaml` crate makes the tree; each crate reads its own section through [`Section`], which knows every key that was
//! asked for, so that a key nobody asked for is an error with the nearest known name.

use std::fmt;
use std::str::FromStr;

use crate::parse_duration;

/// Where something stands in a text: line and column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1; 0 where the text is not known.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// As `scrape_configs[2].targets[0]`, empty for the whole.
    pub path: String,
    /// Of the value or key at fault.
    pub position: Position,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.position.line > 0 {
            write!(f, "{}:{}: ", self.position.line, self.position.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// A value of the configuration with the place where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub position: Position,
    /// From the root, as `scrape_configs[2].job_name`.
    pub path: String,
    /// What it is.
    pub value: NodeValue,
}

/// The kinds of values.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// Nothing, `~` or `null`.
    Null,
    /// A text as it was written, `plain` if without quotes: then it may be meant as a number or a boolean.
    Scalar {
        /// The text, unescaped.
        text: String,
        /// Whether it stands without quotes.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys (with their position) and values, in the order of the text. The parser refuses a key that comes twice.
    Mapping(Vec<(String, Position, Node)>),
}

impl Node {
    /// A mapping without keys and without a place: what an absent section reads as.
    #[must_use]
    pub fn empty_mapping() -> Self {
        Self { position: Position::default(), path: String::new(), value: NodeValue::Mapping(Vec::new()) }
    }

    /// An error about this value.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError { path: self.path.clone(), position: self.position, message: message.into() }
    }

    /// Whether nothing stands here.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == NodeValue::Null
    }

    /// The value of a key of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            NodeValue::Mapping(entries) => entries.iter().find(|(k, ..)| k == key).map(|(.., node)| node),
            _ => None,
        }
    }

    /// The text of a scalar; numbers and booleans as they are written.
    pub fn as_str(&self) -> Result<&str, ConfigError> {
        match &self.value {
            NodeValue::Scalar { text, .. } => Ok(text),
            _ => Err(self.error(format!("expected a text, found {}", self.kind()))),
        }
    }

    /// A boolean as YAML 1.1 writes it: `true`, `yes`, `on` and their opposites.
    pub fn as_bool(&self) -> Result<bool, ConfigError> {
        match &self.value {
            NodeValue::Scalar { text, plain: true } => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Ok(true),
                "false" | "no" | "off" => Ok(false),
                _ => Err(self.error(format!("expected true or false, found {text:?}"))),
            },
            NodeValue::Scalar { text, .. } => Err(self.error(format!("expected true or false, found the text {text:?}"))),
            _ => Err(self.error(format!("expected true or false, found {}", self.kind()))),
        }
    }

    /// A number of the type asked for.
    pub fn as_number<T: FromStr>(&self) -> Result<T, ConfigError> {
        match &self.value {
            NodeValue::Scalar { text, plain: true } => {
                text.replace('_', "").parse().map_err(|_| self.error(format!("expected a number, found {text:?}")))
            }
            NodeValue::Scalar { text, .. } => Err(self.error(format!("expected a number, found the text {text:?}"))),
            _ => Err(self.error(format!("expected a number, found {}", self.kind()))),
        }
    }

    /// A duration as Prometheus writes it, in milliseconds.
    pub fn as_duration_ms(&self) -> Result<u64, ConfigError> {
        parse_duration(self.as_str()?).map_err(|message| self.error(message))
    }

    /// A size in bytes as upstream writes it: `512MB`, `1GiB`, `10485760B`; only 0 needs no unit. Units of both spellings are powers of 1024.
    pub fn as_bytes(&self) -> Result<u64, ConfigError> {
        let text = self.as_str()?;
        let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let shift = match text[digits..].to_ascii_uppercase().as_str() {
            // Upstream's words, and what to write.
            "" if text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) => {
                return Err(self.error(format!("units: unknown unit  in {text}: write {text}B, {text}MB or {text}GB")));
            }
            "" | "B" => 0,
            "K" | "KB" | "KIB" => 10,
            "M" | "MB" | "MIB" => 20,
            "G" | "GB" | "GIB" => 30,
            "T" | "TB" | "TIB" => 40,
            "P" | "PB" | "PIB" => 50,
            _ => return Err(self.error(format!("{text:?} is not a size: write a number with a unit, such as 512MB or 64MiB"))),
        };
        let number: f64 = text[..digits]
            .parse()
            .map_err(|_| self.error(format!("{text:?} is not a size: write a number with a unit, such as 512MB or 64MiB")))?;
        Ok((number * f64::from(1_u32 << (shift % 30)) * if shift >= 30 { f64::from(1 << 30) } else { 1.0 }) as u64)
    }

    /// The entries of a list; nothing reads as an empty one.
    pub fn as_sequence(&self) -> Result<&[Self], ConfigError> {
        match &self.value {
            NodeValue::Null => Ok(&[]),
            NodeValue::Sequence(entries) => Ok(entries),
            _ => Err(self.error(format!("expected a list, found {}", self.kind()))),
        }
    }

    /// The entries of a mapping; nothing reads as an empty one.
    pub fn as_mapping(&self) -> Result<&[(String, Position, Self)], ConfigError> {
        match &self.value {
            NodeValue::Null => Ok(&[]),
            NodeValue::Mapping(entries) => Ok(entries),
            _ => Err(self.error(format!("expected keys with values, found {}", self.kind()))),
        }
    }

    /// A list of texts.
    pub fn as_strings(&self) -> Result<Vec<String>, ConfigError> {
        self.as_sequence()?.iter().map(|node| node.as_str().map(str::to_owned)).collect()
    }

    /// A mapping of texts to texts, in the order of the file.
    pub fn as_string_map(&self) -> Result<Vec<(String, String)>, ConfigError> {
        self.as_mapping()?.iter().map(|(key, _, node)| Ok((key.clone(), node.as_str()?.to_owned()))).collect()
    }

    /// The value as JSON. Plain scalars become what YAML's core schema makes of them: booleans, numbers, else texts.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Scalar { text, plain: true } => plain_to_json(text),
            NodeValue::Scalar { text, .. } => Value::String(text.clone()),
            NodeValue::Sequence(entries) => Value::Array(entries.iter().map(Self::to_json).collect()),
            NodeValue::Mapping(entries) => Value::Object(entries.iter().map(|(key, _, node)| (key.clone(), node.to_json())).collect()),
        }
    }

    fn kind(&self) -> &'static str {
        match self.value {
            NodeValue::Null => "nothing",
            NodeValue::Scalar { .. } => "a text",
            NodeValue::Sequence(_) => "a list",
            NodeValue::Mapping(_) => "keys with values",
        }
    }
}

/// YAML 1.2's core schema. A number that JSON cannot say exactly (`.inf`, 30 digits) stays a text.
fn plain_to_json(text: &str) -> serde_json::Value {
    match text {
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    number(text).map_or_else(|| text.into(), serde_json::Value::Number)
}

fn number(text: &str) -> Option<serde_json::Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(octal) = text.strip_prefix("0o") {
        return u64::from_str_radix(octal, 8).ok().map(serde_json::Number::from);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok().map(serde_json::Number::from);
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() {
        let text = text.strip_prefix('+').unwrap_or(text);
        // Whole numbers beyond 64 bits stay text: as a float they would be another number.
        return text.parse::<i64>().map(serde_json::Number::from).or_else(|_| text.parse::<u64>().map(serde_json::Number::from)).ok();
    }
    let is_float = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.bytes().any(|b| b.is_ascii_digit());
    let form = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    if is_float && form { text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) } else { None }
}

/// Reads one mapping key by key, and refuses what was not asked for.
///
/// ```
/// # use model::config::{ConfigError, Node, Section};
/// # fn read(node: &Node) -> Result<(String, u64), ConfigError> {
/// let mut section = Section::new(node)?;
/// let job = section.required("job_name")?.as_str()?.to_owned();
/// let interval_ms = section.optional("scrape_interval").map_or(Ok(60_000), Node::as_duration_ms)?;
/// section.finish()?;
/// # Ok((job, interval_ms)) }
/// ```
pub struct Section<'a> {
    node: &'a Node,
    entries: &'a [(String, Position, Node)],
    taken: Vec<bool>,
    known: Vec<String>,
}

impl<'a> Section<'a> {
    /// The node must be a mapping, or nothing, which reads as an empty one.
    pub fn new(node: &'a Node) -> Result<Self, ConfigError> {
        let entries = node.as_mapping()?;
        Ok(Self { node, entries, taken: vec![false; entries.len()], known: Vec::new() })
    }

    /// The mapping itself, for errors about the whole.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// A key that may be left out. One without a value counts as left out, as upstream.
    pub fn optional(&mut self, key: &str) -> Option<&'a Node> {
        self.known.push(key.to_owned());
        let at = self.entries.iter().position(|(k, ..)| k == key)?;
        self.taken[at] = true;
        Some(&self.entries[at].2).filter(|node| !node.is_null())
    }

    /// Like [`Section::optional`], but tells a key without a value from one that is not there.
    pub fn present(&mut self, key: &str) -> Option<&'a Node> {
        self.optional(key);
        self.entries.iter().find(|(k, ..)| k == key).map(|(.., node)| node)
    }

    /// A key that must be there.
    pub fn required(&mut self, key: &str) -> Result<&'a Node, ConfigError> {
        self.optional(key).ok_or_else(|| self.node.error(format!("{key} is missing")))
    }

    /// All keys that end in `suffix`, such as `_sd_configs`: what stands before it, where the key stands, and the value.
    pub fn with_suffix(&mut self, suffix: &str) -> Vec<(&'a str, Position, &'a Node)> {
        let mut found = Vec::new();
        for (at, (key, position, node)) in self.entries.iter().enumerate() {
            if let Some(name) = key.strip_suffix(suffix).filter(|name| !name.is_empty() && !self.taken[at]) {
                self.taken[at] = true;
                found.push((name, *position, node));
            }
        }
        found
    }

    /// All keys that nothing has taken yet, for sections whose keys are names of the user's.
    pub fn rest(&mut self) -> Vec<(&'a str, Position, &'a Node)> {
        let taken = &mut self.taken;
        let rest = self.entries.iter().enumerate().filter(|(at, _)| !std::mem::replace(&mut taken[*at], true));
        rest.map(|(_, (key, position, node))| (key.as_str(), *position, node)).collect()
    }

    /// Refuses the first key that nothing has asked for, naming the nearest one that is known.
    pub fn finish(self) -> Result<(), ConfigError> {
        let Some(at) = self.taken.iter().position(|taken| !taken) else { return Ok(()) };
        let (key, position, node) = &self.entries[at];
        let nearest = nearest(key, self.known.iter().map(String::as_str));
        let hint = nearest.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
        Err(ConfigError { path: node.path.clone(), position: *position, message: format!("unknown key {key:?}{hint}") })
    }
}

/// The candidate nearest to `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates.map(|c| (edit_distance(word, c), c)).filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// How many characters must be inserted, deleted or replaced (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> Node {
        Node {
            position: Position { line: 3, column: 5 },
            path: "a.b".to_owned(),
            value: NodeValue::Scalar { text: text.to_owned(), plain: true },
        }
    }

    fn mapping(keys: &[&str]) -> Node {
        let entries = keys.iter().map(|k| ((*k).to_owned(), Position { line: 1, column: 1 }, scalar("1"))).collect();
        Node { value: NodeValue::Mapping(entries), ..scalar("") }
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let node = mapping(&["scrape_intervall"]);
        let mut section = Section::new(&node).expect("a mapping");
        assert!(section.optional("scrape_interval").is_none());
        let error = section.finish().expect_err("the key is unknown");
        assert_eq!(error.message, r#"unknown key "scrape_intervall"; did you mean "scrape_interval"?"#);
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("0", 0), ("1024B", 1024), ("64MiB", 64 << 20), ("1.5KB", 1536), ("2GB", 2 << 30), ("1TB", 1 << 40)] {
            assert_eq!(scalar(text).as_bytes(), Ok(bytes), "{text}");
        }
        assert!(scalar("1024").as_bytes().expect_err("upstream refuses it").message.starts_with("units: unknown unit"));
        assert!(scalar("MB").as_bytes().is_err());
        assert!(scalar("5 parsecs").as_bytes().is_err());
    }

    #[test]
    fn plain_scalars_become_json_by_the_core_schema() {
        for (text, json) in [
            ("true", "true"),
            ("5", "5"),
            ("-5", "-5"),
            ("1.5", "1.5"),
            ("1e3", "1000.0"),
            ("yes", "\"yes\""),
            ("1h", "\"1h\""),
            (".inf", "\".inf\""),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("1.2.3.4", "\"1.2.3.4\""),
            ("99999999999999999999", "\"99999999999999999999\""),
        ] {
            assert_eq!(scalar(text).to_json().to_string(), json, "{text}");
        }
    }

    #[test]
    fn errors_carry_place_and_path() {
        let error = scalar("soon").as_duration_ms().expect_err("not a duration");
        assert!(error.to_string().starts_with("3:5: a.b: \"soon\" is not a duration"), "{error}");
    }
}
