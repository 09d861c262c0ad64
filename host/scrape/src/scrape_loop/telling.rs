//! Tells how scrapes went: the targets page each time, the log when something changes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::TimestampMs;

use crate::commit::Committed;
use crate::metadata::Families;
use crate::refusal::RefusedSeries;
use crate::snapshot::Health;

/// How long it takes until refused series are told of again.
const REFUSAL_AGAIN: Duration = Duration::from_secs(6 * 3600);

/// How the last scrape went, for the targets page.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) last_error: String,
    pub(crate) last_scrape: Option<TimestampMs>,
    pub(crate) last_duration_seconds: f64,
    /// How long after its tick it began.
    pub(crate) last_late_seconds: f64,
    pub(crate) health: Health,
    pub(crate) refused_series: Option<Arc<RefusedSeries>>,
    /// Of the last good scrape.
    pub(crate) metadata: Families,
}

impl Default for Status {
    fn default() -> Self {
        let metadata = Families::default();
        Self {
            last_error: String::new(),
            last_scrape: None,
            last_duration_seconds: 0.0,
            last_late_seconds: 0.0,
            health: Health::Unknown,
            refused_series: None,
            metadata,
        }
    }
}

pub(crate) type SharedStatus = Arc<Mutex<Status>>;

/// Tells of the scrapes of one target.
pub(super) struct Teller {
    status: SharedStatus,
    content_type_warned: bool,
    /// The label for which refused series were told of, and when.
    refusal_told: Option<(String, Instant)>,
    /// Whether all series are stored again since then.
    refusal_over: bool,
}

/// When a scrape was.
pub(super) struct Moment {
    /// Of its samples.
    pub(super) time: TimestampMs,
    pub(super) began: Instant,
    /// How long after its tick it began.
    pub(super) late: Duration,
}

impl Teller {
    pub(super) fn new(status: SharedStatus) -> Self {
        Self { status, content_type_warned: false, refusal_told: None, refusal_over: true }
    }

    /// Warns once.
    pub(super) fn content_type_missing(&mut self, url: &str) {
        if !std::mem::replace(&mut self.content_type_warned, true) {
            tracing::warn!(url, "the target's answer has no Content-Type; it is read as the text format 0.0.4");
        }
    }

    /// Tells of series that storage refuses: once for a label, and again when hours have passed or all were stored in between.
    fn refused(&mut self, url: &str, committed: &Committed) {
        match &committed.refused_series {
            Some(refused) => {
                self.refusal_over = false;
                let known = |(label, at): &(String, Instant)| *label == refused.label && at.elapsed() < REFUSAL_AGAIN;
                if self.refusal_told.as_ref().is_some_and(known) {
                    return;
                }
                self.refusal_told = Some((refused.label.clone(), Instant::now()));
                let (limit, label) = (&refused.limit, &refused.label);
                tracing::warn!(url, limit, label, "{}", refused.sentence());
            }
            None if committed.error.is_some() || self.refusal_over => {}
            None => {
                self.refusal_over = true;
                tracing::info!(url, "all series of this target are stored again");
            }
        }
    }

    /// A scrape came to its end, good or bad.
    pub(super) fn scraped(&mut self, url: &str, committed: Committed, moment: Moment) {
        self.refused(url, &committed);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let error = committed.error.as_ref().or(committed.warning.as_ref());
        match (&committed.error, &committed.warning) {
            // While it lasts, a failure is told once: the text may differ with each body.
            (Some(error), _) if status.health == Health::Down => tracing::debug!(url, error, "a scrape failed again"),
            (Some(error), _) => tracing::warn!(url, error, "a scrape failed"),
            (None, Some(error)) if status.last_error.is_empty() => tracing::warn!(url, error, "a scrape was not stored as a whole"),
            (None, _) if status.health == Health::Down => tracing::info!(url, "scrapes succeed again"),
            (None, _) => {}
        }
        *status = Status {
            last_error: error.cloned().unwrap_or_default(),
            last_scrape: Some(moment.time),
            last_duration_seconds: moment.began.elapsed().as_secs_f64(),
            last_late_seconds: moment.late.as_secs_f64(),
            health: if committed.error.is_some() { Health::Down } else { Health::Up },
            refused_series: committed.refused_series,
            metadata: committed.metadata.unwrap_or_else(|| Arc::clone(&status.metadata)),
        };
    }
}
