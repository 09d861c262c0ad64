//! Lines to commands.

use regex::Regex;

use super::duration::duration;

/// One command of a script.
#[derive(Debug)]
pub(super) enum Command {
    Clear,
    Load {
        step_ms: i64,
        /// Whether native histograms are to be made of classic ones too.
        with_native: bool,
        /// Lines and their texts.
        series: Vec<(usize, String)>,
    },
    Eval(Box<Eval>),
}

/// A query and what must come of it.
#[derive(Debug)]
pub(super) struct Eval {
    pub(super) expr: String,
    pub(super) when: When,
    pub(super) expect: Expect,
    /// The lines of results.
    pub(super) results: Vec<String>,
}

/// When it is asked, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    At(i64),
    Range { start: i64, end: i64, step: i64 },
}

/// What is expected apart from results.
#[derive(Debug, Default)]
pub(super) struct Expect {
    /// That it fails, perhaps with a text.
    pub(super) fail: Option<Option<Text>>,
    /// Any warning; the texts must cover all of them.
    pub(super) warn: Option<Vec<Text>>,
    pub(super) info: Option<Vec<Text>>,
    pub(super) no_warn: bool,
    pub(super) no_info: bool,
    pub(super) ordered: bool,
    pub(super) string: Option<String>,
    /// That the result is a range vector with these times.
    pub(super) times: Option<(i64, i64, i64)>,
}

/// A text or a pattern that a message must have.
#[derive(Debug)]
pub(super) enum Text {
    Exact(String),
    Pattern(Regex),
}

impl Text {
    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Exact(text) => message == text,
            Self::Pattern(pattern) => pattern.is_match(message),
        }
    }
}

/// The commands with their lines, or why a line is none.
pub(super) fn parse(text: &str) -> Vec<(usize, Result<Command, String>)> {
    let mut commands = Vec::new();
    let mut lines = text.lines().map(str::trim).enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        if is_blank(line) {
            continue;
        }
        let mut body = Vec::new();
        if line != "clear" {
            while let Some((at, next)) = lines.next_if(|(_, next)| !is_blank(next)) {
                body.push((at + 1, next.to_owned()));
            }
        }
        commands.push((at + 1, command(line, body)));
    }
    commands
}

fn is_blank(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn command(line: &str, body: Vec<(usize, String)>) -> Result<Command, String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word {
        "clear" => Ok(Command::Clear),
        "load" | "load_with_nhcb" => {
            let step_ms = duration(rest.trim())?;
            Ok(Command::Load { step_ms, with_native: word == "load_with_nhcb", series: body })
        }
        _ if word == "eval" || word.starts_with("eval_") => eval(word, rest.trim(), body).map(|eval| Command::Eval(Box::new(eval))),
        _ => Err(format!("{word:?} is no command; there are load, load_with_nhcb, clear and eval")),
    }
}

/// The first word and the rest.
fn word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// What follows a keyword.
fn after<'t>(text: &'t str, keyword: &str) -> Result<&'t str, String> {
    let (found, rest) = word(text);
    if found == keyword { Ok(rest) } else { Err(format!("{keyword:?} is missing before {text:?}")) }
}

/// `from A to B step S rest`
fn span(text: &str) -> Result<((i64, i64, i64), &str), String> {
    let (start, rest) = word(after(text, "from")?);
    let (end, rest) = word(after(rest, "to")?);
    let (step, rest) = word(after(rest, "step")?);
    Ok(((duration(start)?, duration(end)?, duration(step)?), rest))
}

fn eval(command: &str, rest: &str, body: Vec<(usize, String)>) -> Result<Eval, String> {
    let (kind, rest) = word(rest);
    let (when, expr) = match kind {
        "instant" if word(rest).0 == "at" => {
            let (at, rest) = word(word(rest).1);
            (When::At(duration(at)?), rest)
        }
        "instant" => (When::At(0), rest),
        "range" => {
            let ((start, end, step), rest) = span(rest)?;
            (When::Range { start, end, step }, rest)
        }
        _ => return Err(format!("{kind:?} is neither instant nor range")),
    };
    let mut expect = Expect::default();
    match command {
        "eval" => {}
        "eval_fail" => expect.fail = Some(None),
        "eval_warn" => expect.warn = Some(Vec::new()),
        "eval_info" => expect.info = Some(Vec::new()),
        "eval_ordered" => expect.ordered = true,
        _ => return Err(format!("{command:?} is no command")),
    }
    let mut results = Vec::new();
    for (_, line) in body {
        if let Some(rest) = line.strip_prefix("expect ") {
            expectation(&mut expect, rest.trim())?;
        } else if let Some(rest) = line.strip_prefix("expected_fail_message ") {
            expect.fail = Some(Some(Text::Exact(rest.to_owned())));
        } else if let Some(rest) = line.strip_prefix("expected_fail_regexp ") {
            expect.fail = Some(Some(Text::Pattern(pattern(rest)?)));
        } else {
            results.push(line);
        }
    }
    Ok(Eval { expr: expr.to_owned(), when, expect, results })
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|e| format!("{text:?} is no pattern: {e}"))
}

fn expectation(expect: &mut Expect, rest: &str) -> Result<(), String> {
    let (what, detail) = word(rest);
    let text = if let Some(text) = detail.strip_prefix("msg:") {
        Some(Text::Exact(text.trim().to_owned()))
    } else if let Some(text) = detail.strip_prefix("regex:") {
        Some(Text::Pattern(pattern(text.trim())?))
    } else {
        None
    };
    match what {
        "fail" => expect.fail = Some(text),
        "warn" => expect.warn.get_or_insert_default().extend(text),
        "info" => expect.info.get_or_insert_default().extend(text),
        "no_warn" => expect.no_warn = true,
        "no_info" => expect.no_info = true,
        "ordered" => expect.ordered = true,
        "string" => expect.string = Some(crate::text::unquote(detail)?),
        "range" => expect.times = Some(span(after(detail, "vector")?)?.0),
        _ => return Err(format!("{what:?} is nothing that can be expected")),
    }
    Ok(())
}
