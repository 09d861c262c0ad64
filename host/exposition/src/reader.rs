use std::borrow::Cow;

use model::{FamilyKind, TimestampMs};

use crate::error::{ParseError, quote};
use crate::format::Format;
use crate::number::{canonical_bound, read_float};
use crate::text::{QuoteError, Span, bare_name, quoted, unescape};

/// Longest line that is read, in bytes (faults A5).
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Most labels of a sample (faults A7). Far beyond what a series can use; `label_limit` sets a lower one.
pub const LABELS_MAX: usize = 1024;

/// Walks a body line by line. Blank lines and comments are passed over.
///
/// The grammar is that of Prometheus' scraper. For the text format this means: blanks and tabs between all parts, a comma
/// may be missing or follow the last label, a quoted name may stand in the braces, unknown escapes stay as they are, a line
/// may end inside a label's value, and the last line needs no newline. A carriage return is no blank.
pub struct Reader<'a> {
    body: &'a [u8],
    format: Format,
    /// Where the next line begins.
    at: usize,
    /// Where the last line that was read begins.
    line_at: usize,
    /// The kind of the last `# TYPE` line.
    kind: FamilyKind,
    /// Of the line being read; kept for its allocation.
    labels: Vec<(Span, Span)>,
    /// Whether `# EOF` was read.
    ended: bool,
}

/// A line that says something.
#[derive(Debug)]
pub enum Line<'r> {
    /// A value.
    Sample(Sample<'r>),
    /// `# HELP`: the family's name and the text.
    Help(Cow<'r, str>, Cow<'r, str>),
    /// `# TYPE`: the family's name and kind.
    Type(Cow<'r, str>, FamilyKind),
    /// `# UNIT` of OpenMetrics: the family's name and the unit.
    Unit(Cow<'r, str>, Cow<'r, str>),
}

/// A sample, borrowed from the body.
#[derive(Debug)]
pub struct Sample<'r> {
    body: &'r [u8],
    name: Span,
    labels: &'r [(Span, Span)],
    /// Of the last `# TYPE` line above, whichever family it is of.
    pub kind: FamilyKind,
    /// The value.
    pub value: f64,
    /// The time, if one is given.
    pub timestamp: Option<TimestampMs>,
    /// Where the value begins in the body: what stands before it names the series.
    pub value_at: usize,
}

/// What follows the labels of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// The value. Any NaN comes as the same one, which is not the stale marker.
    pub value: f64,
    /// The time, if one is given.
    pub timestamp: Option<TimestampMs>,
    /// Where the next line begins.
    pub end: usize,
}

impl<'r> Sample<'r> {
    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> Cow<'r, str> {
        resolve(self.body, self.name)
    }

    /// Names and values of the labels, without that of the metric, in the order of the line. Each name comes once. Values of
    /// `le` and `quantile` are in the form that Prometheus 3 stores, where the family's kind gives them their meaning.
    pub fn labels(&self) -> impl Iterator<Item = (Cow<'r, str>, Cow<'r, str>)> {
        let (body, kind) = (self.body, self.kind);
        self.labels.iter().map(move |(name, value)| {
            let (name, value) = (resolve(body, *name), resolve(body, *value));
            let is_bound = matches!(
                (kind, name.as_ref()),
                (FamilyKind::Histogram | FamilyKind::GaugeHistogram, "le") | (FamilyKind::Summary, "quantile")
            );
            let canonical = if is_bound { canonical_bound(&value) } else { None };
            (name, canonical.map_or(value, Cow::Owned))
        })
    }

    /// How many labels there are, without the name.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.labels.len()
    }
}

impl<'a> Reader<'a> {
    /// A reader at the start of the body.
    #[must_use]
    pub fn new(body: &'a [u8], format: Format) -> Self {
        Self { body, format, at: 0, line_at: 0, kind: FamilyKind::Unknown, labels: Vec::new(), ended: false }
    }

    /// Where the next line begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Where the line that was read last begins.
    #[must_use]
    pub fn line_offset(&self) -> usize {
        self.line_at
    }

    /// The kind that the last `# TYPE` line gave.
    #[must_use]
    pub fn kind(&self) -> FamilyKind {
        self.kind
    }

    /// Goes to the start of another line, below the last `# TYPE` line of this kind.
    pub fn seek(&mut self, offset: usize, kind: FamilyKind) {
        self.at = offset;
        self.kind = kind;
    }

    /// The next line that says something; none at the end of the body. After an error the reader stays where it is.
    pub fn read_line(&mut self) -> Result<Option<Line<'_>>, ParseError> {
        loop {
            if self.at >= self.body.len() {
                return self.finish().map(|()| None);
            }
            if let Some(parts) = self.read_physical()? {
                return Ok(Some(self.line(parts)));
            }
        }
    }

    /// The next line with a value, passing over the others; none at the end of the body.
    pub fn read_sample(&mut self) -> Result<Option<Sample<'_>>, ParseError> {
        while self.at < self.body.len() {
            if let Some(Parts::Sample { name, value_at, tail }) = self.read_physical()? {
                return Ok(Some(self.sample(name, value_at, tail)));
            }
        }
        self.finish().map(|()| None)
    }

    fn finish(&self) -> Result<(), ParseError> {
        if self.format == Format::OpenMetrics && !self.ended {
            return Err(ParseError::at(self.body, self.body.len(), "the text ends without \"# EOF\", so it may be cut short"));
        }
        Ok(())
    }

    /// Reads one line and moves behind it. None for a line that says nothing.
    fn read_physical(&mut self) -> Result<Option<Parts>, ParseError> {
        let start = self.at;
        if self.ended {
            return Err(ParseError::at(self.body, start, "the text goes on after \"# EOF\""));
        }
        let window_end = self.body.len().min(start + LINE_BYTES_MAX + 1);
        let mut cursor = Cursor { body: self.body, bytes: &self.body[..window_end], at: start, format: self.format };
        let result = cursor.line(&mut self.labels);
        let cut = window_end < self.body.len();
        let too_long =
            cut && (result.is_err() || cursor.at == window_end) && memchr::memchr(b'\n', &self.body[start..window_end]).is_none();
        if too_long {
            let message = format!("the line that begins at byte {start} is longer than {LINE_BYTES_MAX} bytes");
            return Err(ParseError::at(self.body, start, message));
        }
        let parts = result?;
        match &parts {
            Some(Parts::Type(_, kind)) => self.kind = *kind,
            Some(Parts::Eof) => self.ended = true,
            _ => {}
        }
        (self.line_at, self.at) = (start, cursor.at);
        Ok(parts.filter(|parts| !matches!(parts, Parts::Eof)))
    }

    fn sample(&self, name: Span, value_at: usize, tail: Tail) -> Sample<'_> {
        Sample { body: self.body, name, labels: &self.labels, kind: self.kind, value: tail.value, timestamp: tail.timestamp, value_at }
    }

    fn line(&self, parts: Parts) -> Line<'_> {
        match parts {
            Parts::Sample { name, value_at, tail } => Line::Sample(self.sample(name, value_at, tail)),
            Parts::Help(name, text) => Line::Help(resolve(self.body, name), resolve(self.body, text)),
            Parts::Type(name, kind) => Line::Type(resolve(self.body, name), kind),
            Parts::Unit(name, unit) => Line::Unit(resolve(self.body, name), resolve(self.body, unit)),
            Parts::Eof => unreachable!("read_physical does not return it"),
        }
    }
}

/// What a line was found to be.
enum Parts {
    Sample { name: Span, value_at: usize, tail: Tail },
    Help(Span, Span),
    Type(Span, FamilyKind),
    Unit(Span, Span),
    Eof,
}

/// Reads one line.
struct Cursor<'a> {
    /// The whole body, for errors.
    body: &'a [u8],
    /// The part of it that the line may reach into.
    bytes: &'a [u8],
    at: usize,
    format: Format,
}

impl Cursor<'_> {
    fn line(&mut self, labels: &mut Vec<(Span, Span)>) -> Result<Option<Parts>, ParseError> {
        labels.clear();
        self.skip_blanks();
        match self.peek() {
            None => Ok(None),
            Some(b'\n') if self.format == Format::OpenMetrics => Err(self.error("a blank line, which OpenMetrics does not allow")),
            Some(b'\n') => {
                self.at += 1;
                Ok(None)
            }
            Some(b'#') => self.comment(),
            _ => self.sample(labels).map(Some),
        }
    }

    fn sample(&mut self, labels: &mut Vec<(Span, Span)>) -> Result<Parts, ParseError> {
        let length = bare_name(&self.bytes[self.at..], true);
        let mut name = None;
        if length > 0 {
            name = Some(Span { start: self.at, end: self.at + length, escaped: false });
            self.at += length;
            self.skip_blanks();
        } else if self.peek() != Some(b'{') {
            return Err(self.start_error());
        }
        let start = self.at;
        if self.peek() == Some(b'{') {
            self.at += 1;
            self.braces(&mut name, labels)?;
            self.skip_blanks();
        }
        let Some(name) = name else { return Err(self.error_at(start, "the braces hold no metric name, and none stands before them")) };
        self.check_names(start, labels)?;
        let value_at = self.at;
        let tail = read_tail_within(self.body, self.bytes, value_at, self.format)?;
        self.at = tail.end;
        Ok(Parts::Sample { name, value_at, tail })
    }

    fn start_error(&self) -> ParseError {
        if self.at == 0 && self.body.starts_with(b"\xEF\xBB\xBF") {
            return self.error("the text begins with a byte order mark, which the format does not allow");
        }
        self.expected("a metric name")
    }

    /// What stands between the braces, up to and with the closing one.
    fn braces(&mut self, name: &mut Option<Span>, labels: &mut Vec<(Span, Span)>) -> Result<(), ParseError> {
        loop {
            self.skip_blanks();
            let start = self.at;
            let key = match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'"') => self.quoted("a name")?,
                _ => {
                    let length = bare_name(&self.bytes[self.at..], false);
                    if length == 0 {
                        return Err(self.expected("a label name or a closing brace"));
                    }
                    self.at += length;
                    Span { start, end: start + length, escaped: false }
                }
            };
            self.skip_blanks();
            if self.bytes[start] == b'"' && matches!(self.peek(), Some(b',' | b'}')) {
                if name.replace(key).is_some() {
                    return Err(self.error_at(start, "a second metric name"));
                }
                if key.start == key.end {
                    return Err(self.error_at(start, "an empty metric name"));
                }
            } else {
                labels.push((key, self.label_value(key)?));
                if labels.len() > LABELS_MAX {
                    return Err(self.error_at(start, format!("more than {LABELS_MAX} labels")));
                }
            }
            self.skip_blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else if self.format == Format::OpenMetrics && self.peek() != Some(b'}') {
                return Err(self.expected("a comma or a closing brace"));
            }
        }
    }

    fn label_value(&mut self, key: Span) -> Result<Span, ParseError> {
        if self.peek() != Some(b'=') {
            return Err(self.expected(&format!("\"=\" after the label name {:?}", resolve(self.body, key))));
        }
        if key.start == key.end {
            return Err(self.error_at(key.start, "an empty label name"));
        }
        self.at += 1;
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Err(self.expected("a label value in double quotes"));
        }
        self.quoted("a label value")
    }

    fn quoted(&mut self, what: &str) -> Result<Span, ParseError> {
        let start = self.at;
        let (span, next) = quoted(self.bytes, start, self.format == Format::Text).map_err(|error| match error {
            QuoteError::Open => self.error_at(start, format!("{what} without a closing quote")),
            QuoteError::Broken(at) => self.error_at(at, format!("the line ends inside {what}")),
        })?;
        if let Err(error) = std::str::from_utf8(&self.bytes[span.start..span.end]) {
            return Err(self.error_at(span.start + error.valid_up_to(), format!("{what} that is not valid UTF-8")));
        }
        self.at = next;
        Ok(span)
    }

    /// A label name comes once, and the metric's name is not given as a label too.
    fn check_names(&self, start: usize, labels: &[(Span, Span)]) -> Result<(), ParseError> {
        let twice = |name: Span| Err(self.error_at(name.start, format!("the label {:?} comes twice", resolve(self.body, name))));
        let raw = |span: Span| &self.bytes[span.start..span.end];
        if let Some((name, _)) = labels.iter().find(|(name, _)| raw(*name) == model::METRIC_NAME.as_bytes()) {
            return Err(
                self.error_at(name.start.max(start), format!("the label {:?}, but the name stands before the braces", model::METRIC_NAME))
            );
        }
        if labels.len() <= 16 && !labels.iter().any(|(name, _)| name.escaped) {
            for (at, (name, _)) in labels.iter().enumerate() {
                if labels[..at].iter().any(|(other, _)| raw(*other) == raw(*name)) {
                    return twice(*name);
                }
            }
            return Ok(());
        }
        let mut seen = std::collections::HashSet::with_capacity(labels.len());
        labels.iter().find(|(name, _)| !seen.insert(resolve(self.body, *name))).map_or(Ok(()), |(name, _)| twice(*name))
    }

    /// A line that begins with `#`.
    fn comment(&mut self) -> Result<Option<Parts>, ParseError> {
        let start = self.at;
        let end = memchr::memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |length| start + length);
        self.at = start + 1;
        self.skip_blanks();
        let keyword_end = self.bytes[self.at..end].iter().position(|b| matches!(b, b' ' | b'\t')).map_or(end, |length| self.at + length);
        let keyword = &self.bytes[self.at..keyword_end];
        let spaced = self.at > start + 1;
        self.at = keyword_end;
        let parts = match keyword {
            b"HELP" if spaced => self.help(end)?,
            b"TYPE" if spaced => self.family_type(end)?,
            b"UNIT" if spaced && self.format == Format::OpenMetrics => self.unit(end)?,
            b"EOF" if spaced && keyword_end == end && self.format == Format::OpenMetrics => Some(Parts::Eof),
            _ => None,
        };
        self.at = self.bytes.len().min(end + 1);
        Ok(parts)
    }

    /// Name and text of a line of metadata. None if nothing follows the keyword, which then is a comment.
    fn metadata(&mut self, end: usize, keyword: &str) -> Result<Option<(Span, Span)>, ParseError> {
        self.skip_blanks();
        if self.at >= end {
            return Ok(None);
        }
        let name = if self.peek() == Some(b'"') {
            self.quoted("a metric name")?
        } else {
            let length = bare_name(&self.bytes[self.at..end], true);
            self.at += length;
            Span { start: self.at - length, end: self.at, escaped: false }
        };
        if name.start == name.end || self.at > end || (self.at < end && !matches!(self.peek(), Some(b' ' | b'\t'))) {
            return Err(
                self.error_at(name.start, format!("expected a metric name after {keyword}, found {}", quote(self.body, name.start)))
            );
        }
        let start = end.min(self.at + 1);
        Ok(Some((name, Span { start, end, escaped: memchr::memchr(b'\\', &self.bytes[start..end]).is_some() })))
    }

    fn help(&mut self, end: usize) -> Result<Option<Parts>, ParseError> {
        let Some((name, text)) = self.metadata(end, "HELP")? else { return Ok(None) };
        if let Err(error) = std::str::from_utf8(&self.bytes[text.start..text.end]) {
            return Err(self.error_at(text.start + error.valid_up_to(), "a help text that is not valid UTF-8"));
        }
        Ok(Some(Parts::Help(name, text)))
    }

    fn unit(&mut self, end: usize) -> Result<Option<Parts>, ParseError> {
        let Some((name, text)) = self.metadata(end, "UNIT")? else { return Ok(None) };
        if std::str::from_utf8(&self.bytes[text.start..text.end]).is_err() {
            return Err(self.error_at(text.start, "a unit that is not valid UTF-8"));
        }
        Ok(Some(Parts::Unit(name, text)))
    }

    fn family_type(&mut self, end: usize) -> Result<Option<Parts>, ParseError> {
        let Some((name, text)) = self.metadata(end, "TYPE")? else { return Ok(None) };
        let open_metrics = self.format == Format::OpenMetrics;
        let kind = match &self.bytes[text.start..text.end] {
            b"counter" => FamilyKind::Counter,
            b"gauge" => FamilyKind::Gauge,
            b"histogram" => FamilyKind::Histogram,
            b"summary" => FamilyKind::Summary,
            b"untyped" if !open_metrics => FamilyKind::Unknown,
            b"unknown" if open_metrics => FamilyKind::Unknown,
            b"gaugehistogram" if open_metrics => FamilyKind::GaugeHistogram,
            b"info" if open_metrics => FamilyKind::Info,
            b"stateset" if open_metrics => FamilyKind::StateSet,
            _ => {
                let expected = if open_metrics {
                    "counter, gauge, histogram, summary, info, stateset, gaugehistogram or unknown"
                } else {
                    "counter, gauge, histogram, summary or untyped"
                };
                return Err(
                    self.error_at(text.start, format!("{} is no type of a metric: expected {expected}", quote(self.body, text.start)))
                );
            }
        };
        Ok(Some(Parts::Type(name, kind)))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        self.at = skip_blanks(self.bytes, self.at);
    }

    fn expected(&self, what: &str) -> ParseError {
        self.error(format!("expected {what}, found {}", quote(self.body, self.at)))
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        self.error_at(self.at, message)
    }

    fn error_at(&self, offset: usize, message: impl Into<String>) -> ParseError {
        ParseError::at(self.body, offset, message)
    }
}

/// Reads what follows a sample's labels: the value, the time if one is given, an exemplar (which is skipped), the end of the
/// line. `value_at` is where the value begins.
#[inline]
pub fn read_tail(body: &[u8], value_at: usize, format: Format) -> Result<Tail, ParseError> {
    let tail = read_tail_within(body, body, value_at, format)?;
    if tail.end - value_at > LINE_BYTES_MAX {
        return Err(ParseError::at(body, value_at, format!("the line is longer than {LINE_BYTES_MAX} bytes")));
    }
    Ok(tail)
}

#[inline]
fn read_tail_within(body: &[u8], bytes: &[u8], value_at: usize, format: Format) -> Result<Tail, ParseError> {
    let number = read_float(bytes.get(value_at..).unwrap_or_default());
    let Some((value, length)) = number else { return Err(bad_value(body, value_at)) };
    let end = value_at + length;
    match bytes.get(end) {
        Some(b'\n') => Ok(Tail { value, timestamp: None, end: end + 1 }),
        None => Ok(Tail { value, timestamp: None, end }),
        Some(b' ' | b'\t') => rest_of_line(body, bytes, end, value, format),
        Some(_) => Err(bad_value(body, value_at)),
    }
}

/// Tells why no value stands where one is expected.
#[cold]
fn bad_value(body: &[u8], at: usize) -> ParseError {
    let rest = body.get(at..).unwrap_or_default();
    let token = &rest[..rest.iter().position(|b| matches!(b, b' ' | b'\t' | b'\n')).unwrap_or(rest.len())];
    let message = if token.is_empty() {
        format!("expected a value, found {}", quote(body, at))
    } else if token.ends_with(b"\r") {
        "a carriage return at the end of the line: lines end in a newline alone".to_owned()
    } else if token.contains(&b'_') || matches!(token, [b'0', b'x' | b'X', ..] | [b'+' | b'-', b'0', b'x' | b'X', ..]) {
        format!("expected a value as a decimal number, found {}", quote(token, 0))
    } else {
        format!("expected a value, found {} (a number as far as a float reaches, +Inf, -Inf or NaN)", quote(token, 0))
    };
    ParseError::at(body, at, message)
}

/// What follows the value and at least one blank.
fn rest_of_line(body: &[u8], bytes: &[u8], at: usize, value: f64, format: Format) -> Result<Tail, ParseError> {
    let mut at = skip_blanks(bytes, at);
    let mut timestamp = None;
    if matches!(bytes.get(at), Some(b'0'..=b'9' | b'-' | b'+' | b'.')) {
        let (time, next) = match format {
            Format::Text => read_milliseconds(bytes, at),
            Format::OpenMetrics => read_seconds(bytes, at),
        }
        .ok_or_else(|| bad_timestamp(body, at, format))?;
        if !matches!(bytes.get(next), None | Some(b' ' | b'\t' | b'\n')) {
            return Err(bad_timestamp(body, at, format));
        }
        timestamp = Some(time);
        at = skip_blanks(bytes, next);
    }
    match bytes.get(at) {
        None => Ok(Tail { value, timestamp, end: at }),
        Some(b'\n') => Ok(Tail { value, timestamp, end: at + 1 }),
        Some(b'#') if format == Format::OpenMetrics => skip_exemplar(body, bytes, at).map(|end| Tail { value, timestamp, end }),
        Some(b'\r') => Err(ParseError::at(body, at, "a carriage return at the end of the line: lines end in a newline alone")),
        Some(_) => Err(ParseError::at(body, at, format!("expected a time or the end of the line, found {}", quote(body, at)))),
    }
}

#[cold]
fn bad_timestamp(body: &[u8], at: usize, format: Format) -> ParseError {
    let unit = if format == Format::Text { "whole milliseconds" } else { "seconds" };
    ParseError::at(body, at, format!("expected a time in {unit}, found {}", quote(body, at)))
}

/// A time before 1970 is read here, though Prometheus' scraper refuses it: its other reader and the format allow it, and
/// storage has bounds of its own.
fn read_milliseconds(bytes: &[u8], at: usize) -> Option<(TimestampMs, usize)> {
    let digits_at = at + usize::from(bytes[at] == b'-');
    let digits = bytes[digits_at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let text = std::str::from_utf8(&bytes[at..digits_at + digits]).ok()?;
    Some((text.parse().ok()?, digits_at + digits))
}

/// A time beyond what milliseconds hold becomes the last one that they do, which storage refuses and counts.
fn read_seconds(bytes: &[u8], at: usize) -> Option<(TimestampMs, usize)> {
    let (seconds, length) = read_float(&bytes[at..])?;
    seconds.is_finite().then_some(((seconds * 1000.0) as TimestampMs, at + length))
}

/// Passes over `# {labels} value [time]` after checking its form.
fn skip_exemplar(body: &[u8], bytes: &[u8], at: usize) -> Result<usize, ParseError> {
    let open = skip_blanks(bytes, at + 1);
    let bad = |offset: usize| {
        ParseError::at(body, offset, format!("expected an exemplar such as # {{trace_id=\"1\"}} 1, found {}", quote(body, offset)))
    };
    if bytes.get(open) != Some(&b'{') {
        return Err(bad(open));
    }
    let mut cursor = Cursor { body, bytes, at: open + 1, format: Format::OpenMetrics };
    cursor.braces(&mut None, &mut Vec::new())?;
    cursor.skip_blanks();
    let (_, length) = read_float(bytes.get(cursor.at..).unwrap_or_default()).ok_or_else(|| bad(cursor.at))?;
    cursor.at += length;
    cursor.skip_blanks();
    if matches!(cursor.peek(), Some(b) if b != b'\n') {
        (_, cursor.at) = read_seconds(bytes, cursor.at).ok_or_else(|| bad(cursor.at))?;
    }
    match cursor.peek() {
        None => Ok(cursor.at),
        Some(b'\n') => Ok(cursor.at + 1),
        Some(_) => Err(bad(cursor.at)),
    }
}

#[inline]
fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// The text of a part of the body that was found to be valid UTF-8.
fn resolve(body: &[u8], span: Span) -> Cow<'_, str> {
    let text = std::str::from_utf8(&body[span.start..span.end]).unwrap_or_default();
    if span.escaped { unescape(text) } else { Cow::Borrowed(text) }
}
