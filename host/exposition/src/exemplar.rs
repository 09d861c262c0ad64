//! What may follow a value in OpenMetrics: `# {trace_id="1"} 0.5 1700000000`.

use std::borrow::Cow;

use model::TimestampMs;

use crate::error::{ParseError, quote};
use crate::format::Format;
use crate::line::Cursor;
use crate::number::read_float;
use crate::tail::read_seconds;
use crate::text::{Span, resolve};

/// One observation that stands for others, with labels that lead to more about it.
#[derive(Debug)]
pub struct Exemplar<'a> {
    body: &'a [u8],
    labels: Vec<(Span, Span)>,
    /// The observed value.
    pub value: f64,
    /// When it was observed, if the target says so.
    pub timestamp: Option<TimestampMs>,
    /// Where the next line begins.
    pub end: usize,
}

impl<'a> Exemplar<'a> {
    /// Reads the exemplar whose `#` stands at `at`, which [`crate::Tail::exemplar_at`] tells.
    pub fn read(body: &'a [u8], at: usize) -> Result<Self, ParseError> {
        Self::read_within(body, body, at)
    }

    pub(crate) fn read_within(body: &'a [u8], bytes: &[u8], at: usize) -> Result<Self, ParseError> {
        let bad = |offset: usize| {
            ParseError::at(body, offset, format!("expected an exemplar such as # {{trace_id=\"1\"}} 1, found {}", quote(body, offset)))
        };
        if !bytes.get(at..).is_some_and(|rest| rest.starts_with(b"# {")) {
            return Err(bad(at));
        }
        let mut cursor = Cursor { body, bytes, at: at + 3, format: Format::OpenMetrics };
        let (mut labels, mut name) = (Vec::new(), None);
        cursor.braces(&mut name, &mut labels)?;
        if let Some(name) = name {
            return Err(ParseError::at(body, name.start, "an exemplar has no name: expected a label"));
        }
        cursor.check_twice(&labels)?;
        if cursor.peek() != Some(b' ') {
            return Err(bad(cursor.at));
        }
        let (value, length) = read_float(bytes.get(cursor.at + 1..).unwrap_or_default()).ok_or_else(|| bad(cursor.at))?;
        cursor.at += 1 + length;
        let mut timestamp = None;
        if cursor.peek() == Some(b' ') {
            let (time, next) = read_seconds(bytes, cursor.at + 1).ok_or_else(|| bad(cursor.at))?;
            (timestamp, cursor.at) = (Some(time), next);
        }
        match cursor.peek() {
            None => Ok(Self { body, labels, value, timestamp, end: cursor.at }),
            Some(b'\n') => Ok(Self { body, labels, value, timestamp, end: cursor.at + 1 }),
            Some(_) => Err(bad(cursor.at)),
        }
    }

    /// Names and values, in the order of the line. Each name comes once.
    pub fn labels(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.labels.iter().map(|(name, value)| (resolve(self.body, *name), resolve(self.body, *value)))
    }
}
