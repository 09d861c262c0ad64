//! For benchmarks and tests of long times: the commit path without network and schedule.

use std::sync::Arc;
use std::time::Instant;

use exposition::Format;
use model::LabelSet;
use model::seams::Append;

use crate::commit::{Committer, Scrape};
use crate::config::Limits;
use crate::layout::{KeyHasher, Layout, Slot};
use crate::native::HistogramRules;
use crate::refusal::RefusedSeries;
use crate::sample_labels::SampleRules;

/// Commits bodies of one target.
pub struct Commits(Committer);

impl Commits {
    /// A target with two labels, without rules.
    #[must_use]
    pub fn new(append: Arc<dyn Append>) -> Self {
        Self::of_target(append, "localhost:9100")
    }

    /// Likewise, one of several.
    #[must_use]
    pub fn of_target(append: Arc<dyn Append>, instance: &str) -> Self {
        let rules = SampleRules {
            target_labels: LabelSet::from_pairs([("job", "bench"), ("instance", instance)]),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            legacy_names: false,
            limits: Limits::default(),
            histograms: HistogramRules { native: true, ..HistogramRules::default() },
            metric_relabel: Arc::default(),
        };
        Self(Committer::new(append, Arc::default(), format!("bench/{instance}"), KeyHasher::new(1), Arc::new(rules)))
    }

    /// Commits one body; returns the lines that were read, or why it failed.
    pub fn commit(&mut self, body: &[u8], time: i64) -> Result<u64, String> {
        self.scrape(Ok(body), time).map(|(lines, _)| lines)
    }

    /// Likewise, in any format.
    pub fn commit_as(&mut self, body: &[u8], format: Format, time: i64) -> Result<u64, String> {
        self.run(Ok((body, format)), time).map(|(lines, _)| lines)
    }

    /// The target is gone.
    pub fn end(mut self, time: i64) {
        self.0.end(time);
    }

    /// Commits one body, or that there was none; returns lines and refused series.
    pub fn scrape(&mut self, body: Result<&[u8], &str>, time: i64) -> Result<(u64, Option<RefusedSeries>), String> {
        self.run(body.map(|body| (body, Format::Text)), time)
    }

    fn run(&mut self, body: Result<(&[u8], Format), &str>, time: i64) -> Result<(u64, Option<RefusedSeries>), String> {
        let scrape = Scrape {
            time,
            began: Instant::now(),
            body: body.map_err(str::to_owned),
            timeout_ms: 10_000,
            extra_metrics: false,
            certificate_not_after: None,
        };
        let committed = self.0.commit(&scrape);
        let refused = committed.refused_series.as_deref().cloned();
        committed.error.map_or(Ok((committed.lines, refused)), Err)
    }
}

/// Reads a body as one that nothing is known of, up to labels.
#[must_use]
pub fn parse(body: &[u8]) -> u64 {
    let (mut reader, mut lines) = (exposition::Reader::new(body, Format::Text), 0);
    while let Ok(Some(sample)) = reader.read_sample() {
        lines += 1;
        std::hint::black_box(sample.value);
    }
    lines
}

/// What is known of a body, and nothing else.
pub struct Lookup {
    layout: Layout,
    hasher: KeyHasher,
    /// Bytes from each value to the next line, of the body that this was made from.
    tails: Vec<usize>,
}

impl Lookup {
    /// Learns a body.
    #[must_use]
    pub fn new(body: &[u8]) -> Self {
        let (hasher, mut layout, mut tails, mut at) = (KeyHasher::new(1), Layout::default(), Vec::new(), 0);
        let mut reader = exposition::Reader::new(body, Format::Text);
        while let Ok(Some(sample)) = reader.read_sample() {
            let (value_at, kind) = (sample.value_at, sample.kind);
            let _ = layout.push(hasher.key(&body[at..value_at], kind), Slot::Dropped);
            at = reader.offset();
            tails.push(at - value_at);
        }
        Self { layout, hasher, tails }
    }

    /// Finds all lines of a body that is known, and reads no value.
    #[must_use]
    pub fn walk(&self, body: &[u8]) -> u64 {
        let (mut at, mut lines) = (0, 0);
        while let Some(value_at) = self.layout.matches(lines, body, at, &self.hasher) {
            at = value_at + memchr::memchr(b'\n', &body[value_at..]).map_or(0, |length| length + 1);
            lines += 1;
        }
        lines as u64
    }

    /// Reads all values of a body whose values have the same lengths.
    #[must_use]
    pub fn values(&self, body: &[u8]) -> u64 {
        let mut at = 0;
        for line in 0..self.tails.len() {
            let value_at = at + self.layout.length(line);
            let Ok(tail) = exposition::read_tail(body, value_at, Format::Text) else { return line as u64 };
            std::hint::black_box(tail.value);
            at = tail.end;
        }
        self.tails.len() as u64
    }
}
