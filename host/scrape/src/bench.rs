//! For benchmarks and tests of long times: the commit path without network and schedule.

use std::sync::Arc;
use std::time::Instant;

use exposition::Format;
use model::LabelSet;
use model::seams::Append;

use crate::commit::{Committer, Scrape};
use crate::config::Limits;
use crate::layout::KeyHasher;
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
