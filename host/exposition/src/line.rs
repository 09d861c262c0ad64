//! One line of a body: what kind it is, and where its parts are.

use model::FamilyKind;

use crate::error::{ParseError, quote};
use crate::exemplar::Exemplar;
use crate::format::Format;
use crate::reader::LABELS_MAX;
use crate::tail::{Tail, read_tail_within, skip_blanks};
use crate::text::{QuoteError, Span, bare_name, quoted, resolve};

/// What a line was found to be.
pub(crate) enum Parts {
    Sample { name: Span, value_at: usize, tail: Tail },
    Help(Span, Span),
    Type(Span, FamilyKind),
    Unit(Span, Span),
    Eof,
}

/// Reads one line.
pub(crate) struct Cursor<'a> {
    /// The whole body, for errors.
    pub(crate) body: &'a [u8],
    /// The part of it that the line may reach into.
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
    pub(crate) format: Format,
}

impl Cursor<'_> {
    pub(crate) fn line(&mut self, labels: &mut Vec<(Span, Span)>) -> Result<Option<Parts>, ParseError> {
        labels.clear();
        self.skip_blanks();
        match self.peek() {
            None => Ok(None),
            Some(b'\n') if self.format == Format::OpenMetrics => Err(self.error("a blank line, which OpenMetrics does not allow")),
            Some(b' ' | b'\t') => Err(self.error("the line begins with a blank, which OpenMetrics does not allow")),
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
        if self.format == Format::OpenMetrics {
            if self.peek() != Some(b' ') {
                return Err(self.expected("a space and a value"));
            }
            self.at += 1;
        }
        let value_at = self.at;
        let mut tail = read_tail_within(self.body, self.bytes, value_at, self.format)?;
        if let Some(at) = tail.exemplar_at {
            tail.end = Exemplar::read_within(self.body, self.bytes, at)?.end;
        }
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
    pub(crate) fn braces(&mut self, name: &mut Option<Span>, labels: &mut Vec<(Span, Span)>) -> Result<(), ParseError> {
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
        let raw = |span: Span| &self.bytes[span.start..span.end];
        if let Some((name, _)) = labels.iter().find(|(name, _)| raw(*name) == model::METRIC_NAME.as_bytes()) {
            return Err(
                self.error_at(name.start.max(start), format!("the label {:?}, but the name stands before the braces", model::METRIC_NAME))
            );
        }
        self.check_twice(labels)
    }

    /// No label name comes twice.
    pub(crate) fn check_twice(&self, labels: &[(Span, Span)]) -> Result<(), ParseError> {
        let twice = |name: Span| Err(self.error_at(name.start, format!("the label {:?} comes twice", resolve(self.body, name))));
        let raw = |span: Span| &self.bytes[span.start..span.end];
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

    /// A line that begins with `#`. In OpenMetrics it is metadata or the end; in the older format anything.
    fn comment(&mut self) -> Result<Option<Parts>, ParseError> {
        let open_metrics = self.format == Format::OpenMetrics;
        let start = self.at;
        let end = memchr::memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |length| start + length);
        self.at = start + 1;
        self.skip_blanks();
        if open_metrics && self.peek() == Some(b' ') {
            self.at += 1;
        }
        let keyword_end = self.bytes[self.at..end].iter().position(|b| matches!(b, b' ' | b'\t')).map_or(end, |length| self.at + length);
        let keyword = &self.bytes[self.at..keyword_end];
        let spaced = self.at > start + 1;
        self.at = keyword_end;
        let parts = match keyword {
            b"HELP" if spaced => self.help(end)?,
            b"TYPE" if spaced => self.family_type(end)?,
            b"UNIT" if spaced && open_metrics => self.unit(end)?,
            b"EOF" if spaced && open_metrics && keyword_end < end => return Err(self.error("text after \"# EOF\"")),
            b"EOF" if spaced && open_metrics => Some(Parts::Eof),
            _ => None,
        };
        if open_metrics && parts.is_none() {
            let message = "a comment, which OpenMetrics does not allow: expected \"# HELP \", \"# TYPE \", \"# UNIT \" or \"# EOF\"";
            return Err(self.error_at(start, message));
        }
        self.at = self.bytes.len().min(end + 1);
        Ok(parts)
    }

    /// Name and text of a line of metadata. None if nothing follows the keyword, which then is a comment.
    fn metadata(&mut self, end: usize, keyword: &str) -> Result<Option<(Span, Span)>, ParseError> {
        self.skip_blanks();
        if self.format == Format::OpenMetrics && self.peek() == Some(b' ') {
            self.at += 1;
        }
        if self.at >= end {
            return match self.format {
                Format::Text | Format::Protobuf => Ok(None),
                Format::OpenMetrics => Err(self.error_at(end, format!("expected a metric name after {keyword}"))),
            };
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
        if self.format == Format::OpenMetrics && self.peek() != Some(b' ') {
            return Err(self.error_at(self.at, format!("expected a space and a text after the metric name in {keyword}")));
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
        let (family, unit) = (resolve(self.body, name), resolve(self.body, text));
        let fits = unit.is_empty() || family.strip_suffix(unit.as_ref()).is_some_and(|rest| rest.ends_with('_'));
        if !fits {
            let message = format!("the unit {unit:?} is not at the end of the metric's name {family:?}: expected {family}_{unit}");
            return Err(self.error_at(text.start, message));
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

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Goes over blanks where the format allows them. OpenMetrics does nowhere: where it wants one, that is looked for.
    pub(crate) fn skip_blanks(&mut self) {
        if self.format == Format::Text {
            self.at = skip_blanks(self.bytes, self.at);
        }
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
