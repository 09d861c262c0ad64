use std::borrow::Cow;

use model::{FamilyKind, TimestampMs};

use crate::error::ParseError;
use crate::exemplar::Exemplar;
use crate::format::Format;
use crate::line::{Cursor, Parts};
use crate::number::canonical_bound;
use crate::tail::Tail;
use crate::text::{Span, resolve};

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
    /// Where an exemplar begins: it is good, and [`Exemplar::read`] reads it.
    pub exemplar_at: Option<usize>,
    /// Where the value begins in the body: what stands before it names the series.
    pub value_at: usize,
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

    /// Like [`Sample::labels`], with values as the line has them.
    pub(crate) fn written_labels(&self) -> impl Iterator<Item = (Cow<'r, str>, Cow<'r, str>)> {
        self.labels.iter().map(|(name, value)| (resolve(self.body, *name), resolve(self.body, *value)))
    }

    /// The exemplar, if there is one.
    #[must_use]
    pub fn exemplar(&self) -> Option<Exemplar<'r>> {
        // It was read once before, so it is good.
        self.exemplar_at.and_then(|at| Exemplar::read(self.body, at).ok())
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
        if self.format == Format::Protobuf {
            return Err(ParseError::at(self.body, start, "protobuf, which has no lines"));
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
        let Tail { value, timestamp, exemplar_at, end: _ } = tail;
        Sample { body: self.body, name, labels: &self.labels, kind: self.kind, value, timestamp, exemplar_at, value_at }
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
