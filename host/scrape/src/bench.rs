//! For the benchmark of this crate alone: the commit path without network and schedule.

use std::sync::Arc;
use std::time::Instant;

use exposition::Format;
use model::LabelSet;
use model::seams::Append;

use crate::commit::{Committer, Scrape};
use crate::config::Limits;
use crate::layout::KeyHasher;
use crate::sample_labels::SampleRules;

/// Commits bodies of one target.
pub struct Commits(Committer);

impl Commits {
    /// A target with two labels, without rules.
    #[must_use]
    pub fn new(append: Arc<dyn Append>) -> Self {
        let rules = SampleRules {
            target_labels: LabelSet::from_pairs([("job", "bench"), ("instance", "localhost:9100")]),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            legacy_names: false,
            limits: Limits::default(),
            histograms: Default::default(),
            metric_relabel: Arc::default(),
        };
        Self(Committer::new(append, Arc::default(), "bench".to_owned(), KeyHasher::new(1), Arc::new(rules)))
    }

    /// Commits one body; returns the lines that were read, or why it failed.
    pub fn commit(&mut self, body: &[u8], time: i64) -> Result<u64, String> {
        let scrape = Scrape {
            time,
            began: Instant::now(),
            body: Ok((body, Format::Text)),
            timeout_ms: 10_000,
            extra_metrics: false,
            certificate_not_after: None,
        };
        let committed = self.0.commit(&scrape);
        committed.error.map_or(Ok(committed.lines), Err)
    }
}
