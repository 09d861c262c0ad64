mod openmetrics;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use model::FamilyKind;

use crate::error::ParseError;
use crate::format::Format;
use crate::number::parse_float;
use crate::reader::{Line, Reader, Sample};

/// What a body holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines with a value.
    pub samples: usize,
    /// Of these, lines with a time.
    pub samples_with_time: usize,
    /// Different metric names among them.
    pub names: usize,
    /// Families with a `# TYPE` line, by kind, as `as_str` writes it.
    pub families: Vec<(FamilyKind, usize)>,
    /// `# HELP` lines.
    pub help_lines: usize,
}

/// Reads a body with the stricter rules that Prometheus' libraries for writers have, as `promtool check metrics` does:
/// beyond what [`Reader`] refuses, the last line must end, `# HELP` and `# TYPE` come once for a family and the latter
/// before its samples, bounds of buckets and quantiles are numbers, and only known escapes are used.
///
/// OpenMetrics is checked against all of its specification that a single body can show.
pub fn check(body: &[u8], format: Format) -> Result<Summary, ParseError> {
    match format {
        Format::Text => check_text(body),
        Format::OpenMetrics => check_openmetrics(body),
        Format::Protobuf => Err(ParseError::at(body, 0, "protobuf, which has no lines")),
    }
}

fn check_openmetrics(body: &[u8]) -> Result<Summary, ParseError> {
    let mut reader = Reader::new(body, Format::OpenMetrics);
    let (mut summary, mut families, mut strict) = (Summary::default(), Families::default(), openmetrics::Strict::default());
    let refused = |(at, message): openmetrics::Fault| ParseError::at(body, at, message);
    // The line that was read last is known only when it has been looked at.
    let mut at = reader.offset();
    while let Some(line) = reader.read_line()? {
        strict.line(&line, body, at).map_err(refused)?;
        families.count(&line, &mut summary);
        at = reader.offset();
    }
    strict.finish().map_err(refused)?;
    families.summarize(&mut summary);
    Ok(summary)
}

fn check_text(body: &[u8]) -> Result<Summary, ParseError> {
    if !body.is_empty() && !body.ends_with(b"\n") {
        return Err(ParseError::at(body, body.len(), "the last line does not end in a newline"));
    }
    check_quotes(body)?;
    let mut reader = Reader::new(body, Format::Text);
    let (mut summary, mut families) = (Summary::default(), Families::default());
    loop {
        let outcome = match reader.read_line()? {
            None => break,
            Some(line) => families.line(&line, &mut summary),
        };
        outcome.map_err(|message| ParseError::at(body, reader.line_offset(), message))?;
    }
    families.summarize(&mut summary);
    Ok(summary)
}

#[derive(Default)]
struct Families {
    help: HashSet<String>,
    types: HashMap<String, FamilyKind>,
    names: HashSet<String>,
}

impl Families {
    /// Takes what is in a line that was found good.
    fn count(&mut self, line: &Line<'_>, summary: &mut Summary) {
        match line {
            Line::Help(..) => summary.help_lines += 1,
            Line::Type(name, kind) => _ = self.types.insert(name.to_string(), *kind),
            Line::Unit(..) => {}
            Line::Sample(sample) => {
                summary.samples += 1;
                summary.samples_with_time += usize::from(sample.timestamp.is_some());
                self.remember(sample.name());
            }
        }
    }

    fn summarize(&self, summary: &mut Summary) {
        summary.names = self.names.len();
        for kind in self.types.values() {
            match summary.families.iter_mut().find(|(known, _)| known == kind) {
                Some((_, count)) => *count += 1,
                None => summary.families.push((*kind, 1)),
            }
        }
        summary.families.sort_by_key(|(kind, _)| kind.as_str());
    }

    fn line(&mut self, line: &Line<'_>, summary: &mut Summary) -> Result<(), String> {
        match line {
            Line::Help(name, text) => {
                summary.help_lines += 1;
                // Without a text it says nothing, and upstream passes over it.
                if !text.is_empty() && !self.help.insert(name.to_string()) {
                    return Err(format!("a second HELP line for {name:?}"));
                }
            }
            Line::Type(name, kind) => {
                if self.types.insert(name.to_string(), *kind).is_some() {
                    return Err(format!("a second TYPE line for {name:?}"));
                }
                if self.names.contains(name.as_ref()) {
                    return Err(format!("the TYPE line of {name:?} comes after samples of it"));
                }
            }
            Line::Unit(..) => {}
            Line::Sample(sample) => {
                summary.samples += 1;
                summary.samples_with_time += usize::from(sample.timestamp.is_some());
                self.sample(sample)?;
            }
        }
        Ok(())
    }

    fn sample(&mut self, sample: &Sample<'_>) -> Result<(), String> {
        let name = sample.name();
        let family = |suffix: &str| name.strip_suffix(suffix).and_then(|base| self.types.get(base));
        let bound = match (family("_bucket"), self.types.get(name.as_ref())) {
            (Some(FamilyKind::Histogram), _) => Some("le"),
            (_, Some(FamilyKind::Summary)) => Some("quantile"),
            _ => None,
        };
        if let Some((label, value)) = sample.labels().find(|(label, value)| bound == Some(label.as_ref()) && parse_float(value).is_none()) {
            return Err(format!("expected a number as the value of {label:?}, found {value:?}"));
        }
        self.remember(name);
        Ok(())
    }

    fn remember(&mut self, name: Cow<'_, str>) {
        if !self.names.contains(name.as_ref()) {
            self.names.insert(name.into_owned());
        }
    }
}

/// Refuses escapes that do not exist, and lines that end inside quotes. Both are left as they are by [`Reader`].
fn check_quotes(body: &[u8]) -> Result<(), ParseError> {
    let mut start = 0;
    for line in body.split(|b| *b == b'\n') {
        if !line.trim_ascii_start().starts_with(b"#") {
            let (mut open, mut at) = (false, 0);
            while let Some(found) = memchr::memchr2(b'"', b'\\', &line[at..]) {
                at += found;
                if line[at] == b'"' {
                    open = !open;
                } else if open {
                    at += 1;
                    if !matches!(line.get(at), Some(b'n' | b'"' | b'\\')) {
                        return Err(ParseError::at(body, start + at - 1, "an escape that does not exist: there are \\\\, \\n and \\\""));
                    }
                }
                at += 1;
            }
            if open {
                return Err(ParseError::at(body, start + line.len(), "the line ends inside quotes"));
            }
        }
        start += line.len() + 1;
    }
    Ok(())
}
