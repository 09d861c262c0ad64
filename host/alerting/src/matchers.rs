//! Reads matchers as Alertmanager's configuration writes them: `severity="critical"`, `{a=b, "c.d"=~"e.*"}`.
//!
//! Alertmanager has two grammars: a strict one in which any UTF-8 name can be quoted, and the older one, which takes more
//! unquoted values. As there, the older one is tried where the strict one refuses.

use model::{MatchOp, Matcher};

/// A list of matchers, with or without braces. The error is for people.
pub(crate) fn parse_matchers(text: &str) -> Result<Vec<Matcher>, String> {
    match strict(text) {
        Ok(matchers) => Ok(matchers),
        Err(error) => classic(text).map_err(|classic| if classic.is_empty() { error } else { classic }),
    }
}

fn build(name: &str, op: &str, value: &str) -> Result<Matcher, String> {
    let op = match op {
        "=" => MatchOp::Equal,
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Matches,
        _ => MatchOp::NotMatches,
    };
    Matcher::new(name, op, value).map_err(|error| error.to_string())
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, part: &str) -> bool {
        let found = self.rest().starts_with(part);
        self.at += if found { part.len() } else { 0 };
        found
    }

    fn error(&self, expected: &str) -> String {
        let found = self.rest().chars().next().map_or_else(|| "the end".to_owned(), |c| format!("{c:?}"));
        format!("{:?}: expected {expected} at character {}, found {found}", self.text, self.text[..self.at].chars().count() + 1)
    }

    /// A quoted text, or characters up to one that means something.
    fn word(&mut self, what: &str) -> Result<String, String> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let rest = self.rest();
        let length = rest.find(|c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.error(what));
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + offset + 1;
                    return Ok(out);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some(c @ ('"' | '\\' | '\'')) => out.push(c),
                    Some(c) if c == 'u' || c == 'x' => {
                        let digits = if c == 'u' { 4 } else { 2 };
                        let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                        let c = u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == digits).and_then(char::from_u32);
                        out.push(c.ok_or_else(|| format!("{:?}: bad escape in a quoted text", self.text))?);
                    }
                    _ => return Err(format!("{:?}: bad escape in a quoted text", self.text)),
                },
                c => out.push(c),
            }
        }
        Err(format!("{:?}: the quote at character {} is not closed", self.text, self.text[..start].chars().count() + 1))
    }
}

fn strict(text: &str) -> Result<Vec<Matcher>, String> {
    let mut reader = Reader { text, at: 0 };
    let mut matchers = Vec::new();
    reader.skip_space();
    let braces = reader.take("{");
    loop {
        reader.skip_space();
        if reader.rest().is_empty() || (braces && reader.rest().starts_with('}')) {
            break;
        }
        let name = reader.word("a label name")?;
        reader.skip_space();
        let op = ["=~", "!~", "!=", "="].into_iter().find(|op| reader.take(op)).ok_or_else(|| reader.error("=, !=, =~ or !~"))?;
        reader.skip_space();
        let value = reader.word("a value")?;
        matchers.push(build(&name, op, &value)?);
        reader.skip_space();
        if !reader.take(",") {
            break;
        }
    }
    if braces && !reader.take("}") {
        return Err(reader.error("} or ,"));
    }
    reader.skip_space();
    if !reader.rest().is_empty() {
        return Err(reader.error("the end or ,"));
    }
    Ok(matchers)
}

/// The older grammar. An empty error says that the text is no matcher at all.
fn classic(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut parts, mut part, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            ',' if !quoted => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
        part.push(c);
    }
    if !part.trim().is_empty() {
        parts.push(part);
    }
    parts.iter().map(|part| classic_matcher(part)).collect()
}

fn classic_matcher(text: &str) -> Result<Matcher, String> {
    let trimmed = text.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let end = trimmed.find(|c| !is_name(c)).unwrap_or(trimmed.len());
    let (name, rest) = trimmed.split_at(end);
    let rest = rest.trim_start();
    let op = ["=~", "!=", "!~", "="].into_iter().find(|op| rest.starts_with(op)).ok_or_else(String::new)?;
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(String::new());
    }
    let raw = rest[op.len()..].trim();
    let stray = || format!("the value {raw} contains a double quote without a backslash before it");
    let (inner, mut open) = raw.strip_prefix('"').map_or((raw, false), |inner| (inner, true));
    let (mut value, mut chars) = (String::new(), inner.char_indices().peekable());
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            '"' if open && at + 1 == inner.len() => open = false,
            '"' => return Err(stray()),
            c => value.push(c),
        }
    }
    if open {
        return Err(stray());
    }
    build(name, op, &value)
}
