//! Remote read: another server asks for samples
//! (<https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/>), as samples in one answer or as a stream of chunks.
//!
//! Requests are hostile: the declared length counts before anything is allocated. Answers are written series by series.

mod encode;

use std::sync::Arc;

use exposition::wire::{Fields, Value};
use model::seams::{ColumnSamples, Select, SelectRequest, SelectedGroup};
use model::{Histogram, LabelSet, MatchOp, Matcher, TimeRange, is_absent};

use self::encode::{encoded, frame, native, put_labels, sample};
use crate::answer::Answer;
use crate::body;
use crate::content::Encoding;
use crate::put::put_message;

/// Matchers and queries of a request, in all. More is no question.
const PARTS_MAX: usize = 10_000;
/// Samples of an answer in one piece, as upstream's `--storage.remote.read-sample-limit`.
const SAMPLES_MAX: usize = 50_000_000;
/// Bytes after which a series is continued in the next frame, as upstream's `--storage.remote.read-max-bytes-in-frame`.
const FRAME_BYTES: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    queries: Vec<Query>,
    /// Whether the answer is a stream of chunks.
    pub streamed: bool,
}

#[derive(Clone, Debug)]
struct Query {
    range: TimeRange,
    matchers: Vec<Matcher>,
}

/// A piece of a series in the encoding of Prometheus' blocks.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Time of its first sample.
    pub from: i64,
    /// Time of its last sample.
    pub to: i64,
    /// Prometheus' number of the encoding.
    pub encoding: u8,
    /// The samples.
    pub data: Vec<u8>,
}

/// Makes chunks of a series: its times, and its samples with those that are to be left out as absent.
pub type Chunker = dyn Fn(&[i64], &ColumnSamples) -> Vec<Chunk> + Send + Sync;

/// Why there is no answer: a status code and a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// Of HTTP.
    pub status: u16,
    /// For people.
    pub message: String,
}

impl ReadError {
    fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }
}

impl From<model::seams::SelectError> for ReadError {
    fn from(error: model::seams::SelectError) -> Self {
        Self { status: 500, message: error.to_string() }
    }
}

impl From<Answer> for ReadError {
    fn from(answer: Answer) -> Self {
        Self { status: answer.status, message: answer.text }
    }
}

impl ReadRequest {
    /// Reads a body, compressed by snappy. Matchers that name an external label look for series without it, since that is added on
    /// the way out.
    pub fn decode(compressed: &[u8], external: &LabelSet) -> Result<Self, ReadError> {
        let mut buffer = Vec::new();
        let body = body::decode(compressed, Encoding::Snappy, &mut snap::raw::Decoder::new(), &mut buffer)?;
        let wrong = |error: exposition::wire::WireError| ReadError::bad(error.to_string());
        let (mut queries, mut accepted, mut parts) = (Vec::new(), Vec::new(), 0_usize);
        let mut fields = Fields::new(body);
        while let Some(field) = fields.next_field().map_err(wrong)? {
            match (field.number, field.value) {
                (1, Value::Bytes(bytes)) => {
                    let query = query(bytes, external)?;
                    parts += 1 + query.matchers.len();
                    queries.push(query);
                }
                (2, Value::Varint(kind)) => accepted.push(kind),
                (2, Value::Bytes(packed)) => {
                    let mut packed = Fields::new(packed);
                    while !packed.is_empty() {
                        accepted.push(packed.varint().map_err(wrong)?);
                    }
                }
                _ => {}
            }
            if parts > PARTS_MAX || accepted.len() > PARTS_MAX {
                return Err(ReadError::bad("the request has too many queries or matchers"));
            }
        }
        // Whoever names nothing is older than the stream.
        let streamed = match accepted.iter().find(|kind| **kind <= 1) {
            Some(kind) => *kind == 1,
            None if accepted.is_empty() => false,
            None => return Err(ReadError::bad("server does not support any of the requested response types")),
        };
        Ok(Self { queries, streamed })
    }

    /// The answer in one piece, compressed; at most so many bytes before that.
    pub fn samples(&self, select: &dyn Select, external: &LabelSet, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
        let (mut out, mut left) = (Vec::new(), SAMPLES_MAX);
        for query in &self.queries {
            let mut result = Vec::new();
            query.each_series(select, |labels, times, column| {
                let mut series = Vec::new();
                put_labels(&mut series, labels, external);
                let histograms = histograms_of(column);
                for (at, (time, value)) in times.iter().zip(column.floats()).enumerate() {
                    let histogram = histograms.and_then(|all| all.get(at)?.as_deref());
                    if histogram.is_none() && is_absent(*value) {
                        continue;
                    }
                    left = left.checked_sub(1).ok_or_else(|| ReadError::bad(format!("exceeded sample limit ({SAMPLES_MAX})")))?;
                    match histogram {
                        Some(histogram) => put_message(&mut series, 4, &native(histogram, *time)),
                        None => put_message(&mut series, 2, &sample(*time, *value)),
                    }
                }
                put_message(&mut result, 1, &series);
                if out.len() + result.len() > bytes_max.min(u32::MAX as usize) {
                    return Err(ReadError::bad(format!("the answer is larger than {} MiB: ask for less, or for chunks", bytes_max >> 20)));
                }
                Ok(())
            })?;
            put_message(&mut out, 1, &result);
        }
        let packed = snap::raw::Encoder::new().compress_vec(&out);
        packed.map_err(|error| ReadError { status: 500, message: format!("snappy: {error}") })
    }

    /// Hands out the frames of a stream, one after the other. `E` is what stops it.
    pub fn frames<E: From<ReadError>>(
        &self,
        select: &dyn Select,
        external: &LabelSet,
        chunker: &Chunker,
        mut sink: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (index, query) in self.queries.iter().enumerate() {
            query.each_series(select, |labels, times, column| {
                let mut head = Vec::new();
                put_labels(&mut head, labels, external);
                let mut series = head.clone();
                for chunk in chunker(times, column) {
                    if series.len() > head.len() && series.len() + chunk.data.len() > FRAME_BYTES {
                        sink(frame(index, &series))?;
                        series.clone_from(&head);
                    }
                    put_message(&mut series, 2, &encoded(&chunk));
                }
                if series.len() > head.len() { sink(frame(index, &series)) } else { Ok(()) }
            })?;
        }
        Ok(())
    }
}

impl Query {
    /// All series, sorted by their labels; of each the times and samples in the range, those outside absent.
    fn each_series<E: From<ReadError>>(
        &self,
        select: &dyn Select,
        mut take: impl FnMut(&LabelSet, &[i64], &ColumnSamples) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.range.end < self.range.start {
            return Ok(());
        }
        let request = SelectRequest { matchers: &self.matchers, range: self.range };
        let groups: Vec<Box<dyn SelectedGroup>> = select.select(&request).map_err(ReadError::from)?;
        let mut order: Vec<(&LabelSet, usize, usize)> = Vec::new();
        for (group, selected) in groups.iter().enumerate() {
            order.extend(selected.labels().iter().enumerate().map(|(column, labels)| (labels, group, column)));
        }
        order.sort_unstable_by_key(|(labels, ..)| *labels);
        // Neighbours mostly come from the same group, which is decoded once for all of them.
        let mut decoded: Option<(usize, model::seams::GroupSamples)> = None;
        for (labels, group, column) in order {
            if decoded.as_ref().is_none_or(|(at, _)| *at != group) {
                decoded = Some((group, groups[group].read().map_err(ReadError::from)?));
            }
            let Some((_, samples)) = &decoded else { continue };
            let from = samples.times.partition_point(|time| *time < self.range.start);
            let to = samples.times.partition_point(|time| *time <= self.range.end).max(from);
            let Some(column) = samples.columns.get(column) else { continue };
            let part = part(column, from, to);
            let any = part.floats().iter().any(|value| !is_absent(*value))
                || histograms_of(&part).is_some_and(|all| all.iter().any(Option::is_some));
            if any {
                take(labels, &samples.times[from..to], &part)?;
            }
        }
        Ok(())
    }
}

fn part(column: &ColumnSamples, from: usize, to: usize) -> ColumnSamples {
    let floats = column.floats().get(from..to).unwrap_or_default().to_vec();
    match histograms_of(column).and_then(|all| all.get(from..to)) {
        Some(histograms) => ColumnSamples::Mixed { floats, histograms: histograms.to_vec() },
        None => ColumnSamples::Floats(floats),
    }
}

fn histograms_of(column: &ColumnSamples) -> Option<&[Option<Arc<Histogram>>]> {
    match column {
        ColumnSamples::Mixed { histograms, .. } => Some(histograms),
        _ => None,
    }
}

/// `Query`: times and matchers. The hints do not change what is right.
fn query(bytes: &[u8], external: &LabelSet) -> Result<Query, ReadError> {
    let wrong = |error: exposition::wire::WireError| ReadError::bad(error.to_string());
    let mut query = Query { range: TimeRange { start: 0, end: 0 }, matchers: Vec::new() };
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next_field().map_err(wrong)? {
        match (field.number, field.value) {
            (1, Value::Varint(time)) => query.range.start = time.cast_signed(),
            (2, Value::Varint(time)) => query.range.end = time.cast_signed(),
            (3, Value::Bytes(bytes)) => query.matchers.push(matcher(bytes, external)?),
            _ => {}
        }
        if query.matchers.len() > PARTS_MAX {
            return Err(ReadError::bad("a query has too many matchers"));
        }
    }
    Ok(query)
}

fn matcher(bytes: &[u8], external: &LabelSet) -> Result<Matcher, ReadError> {
    let wrong = |error: exposition::wire::WireError| ReadError::bad(error.to_string());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| ReadError::bad("a matcher is not UTF-8"));
    let (mut kind, mut name, mut value) = (0, String::new(), String::new());
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next_field().map_err(wrong)? {
        match (field.number, field.value) {
            (1, Value::Varint(number)) => kind = number,
            (2, Value::Bytes(bytes)) => name = text(bytes)?,
            (3, Value::Bytes(bytes)) => value = text(bytes)?,
            _ => {}
        }
    }
    let op = match kind {
        0 => MatchOp::Equal,
        1 => MatchOp::NotEqual,
        2 => MatchOp::Matches,
        3 => MatchOp::NotMatches,
        _ => return Err(ReadError::bad("invalid matcher type")),
    };
    if op == MatchOp::Equal && external.get(&name).is_some_and(|own| own == value) {
        value.clear();
    }
    Matcher::new(name, op, value).map_err(|error| ReadError::bad(error.to_string()))
}
