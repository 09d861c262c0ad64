//! What the targets page and the API show.

use std::sync::Arc;

use model::{LabelSet, TimestampMs};

use crate::refusal::RefusedSeries;

/// All pools at one moment.
#[derive(Clone, Debug, Default)]
pub struct TargetsSnapshot {
    /// Being scraped, by pool and URL.
    pub active: Vec<ActiveTarget>,
    /// Dropped by relabelling.
    pub dropped: Vec<DroppedTarget>,
    /// Names of the pools (`job_name`), as in the configuration.
    pub pools: Vec<String>,
}

/// A target that is scraped.
#[derive(Clone, Debug)]
pub struct ActiveTarget {
    /// Before relabelling.
    pub discovered_labels: LabelSet,
    /// After it.
    pub labels: LabelSet,
    /// The job.
    pub pool: String,
    /// What is fetched. For an exporter component `exporter:<name>/<target>`.
    pub scrape_url: String,
    /// The same as others reach it: a loopback host replaced by the external one.
    pub global_url: String,
    /// Of the last scrape, empty if it succeeded.
    pub last_error: String,
    /// What storage did not take of the last scrape, though it succeeded.
    pub refused_series: Option<Arc<RefusedSeries>>,
    /// When the last scrape began.
    pub last_scrape: Option<TimestampMs>,
    /// How long it took.
    pub last_scrape_duration_seconds: f64,
    /// How long after its tick it began.
    pub last_scrape_late_seconds: f64,
    /// How it went.
    pub health: Health,
    /// Milliseconds between scrapes.
    pub interval_ms: u64,
    /// Milliseconds a scrape may take.
    pub timeout_ms: u64,
}

/// What a target says of its metrics.
#[derive(Clone, Debug)]
pub struct TargetMetadata {
    /// The target's labels after relabelling.
    pub labels: LabelSet,
    /// Of its last good scrape, sorted by name.
    pub families: crate::Families,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug)]
pub struct DroppedTarget {
    /// Before relabelling.
    pub discovered_labels: LabelSet,
    /// The job.
    pub pool: String,
}

/// How the last scrape went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not scraped yet.
    Unknown,
    /// Succeeded.
    Up,
    /// Failed.
    Down,
}

impl Health {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}
