use std::sync::atomic::{AtomicU64, Ordering};

use model::{HistogramValue, SummaryValue};

use crate::punctuality::Punctuality;

/// What the scraper has done since it began, for the host's own metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Scrapes that ended, however.
    pub scrapes: u64,
    /// Of these, failed ones.
    pub scrapes_failed: u64,
    /// Ticks that passed while a scrape of the same target was running.
    pub ticks_missed: u64,
    /// Scrapes that began more than the tolerance after their tick.
    pub scrapes_late: u64,
    /// The sum of how late scrapes began, in seconds.
    pub late_seconds: f64,
    /// The largest of these since the last time statistics were asked for, in seconds.
    pub late_seconds_max: f64,
    /// How long after their ticks scrapes began, in seconds.
    pub lateness: HistogramValue,
    /// How far apart scrapes of a target began, in seconds, by the configured interval in milliseconds.
    pub interval_lengths: Vec<(u64, SummaryValue)>,
    /// Lines with a value that were read.
    pub samples_read: u64,
    /// Samples that storage acknowledged, reports and stale markers among them.
    pub samples_accepted: u64,
    /// Samples older than the newest of their group.
    pub samples_out_of_order: u64,
    /// Samples of a time that has another value already, in the same body or in storage.
    pub samples_duplicate: u64,
    /// Samples before what storage takes.
    pub samples_too_old: u64,
    /// Samples too far in the future.
    pub samples_too_new: u64,
    /// Samples of series that storage refused.
    pub samples_refused: u64,
    /// Samples lost because storage failed.
    pub samples_lost: u64,
    /// Bytes of bodies after decompression.
    pub body_bytes: u64,
    /// Refreshes of discovery that failed.
    pub discovery_failed: u64,
    /// Reloads that were applied.
    pub reloads: u64,
    /// By pool, in the order of the configuration.
    pub pools: Vec<PoolStats>,
}

/// Of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// The job.
    pub name: String,
    /// Targets that are scraped.
    pub active: u64,
    /// Of these, those whose last scrape succeeded.
    pub up: u64,
    /// Targets that relabelling dropped.
    pub dropped: u64,
    /// Whether there are more targets than `target_limit`.
    pub over_limit: bool,
    /// Series that a limit of storage refused; those that were asked for again count again.
    pub series_refused: u64,
    /// Series that are refused now, by the limit and the label whose values are many among them.
    pub refused_now: Vec<RefusedNow>,
}

/// Series of a job's targets that storage refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedNow {
    /// The limit's name.
    pub limit: String,
    /// The label that explodes; empty if none stands out.
    pub label: String,
    /// How many series.
    pub series: u64,
}

/// The counters behind [`Stats`].
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) scrapes: AtomicU64,
    pub(crate) scrapes_failed: AtomicU64,
    pub(crate) ticks_missed: AtomicU64,
    pub(crate) scrapes_late: AtomicU64,
    pub(crate) punctuality: Punctuality,
    pub(crate) late_us_max: AtomicU64,
    pub(crate) samples_read: AtomicU64,
    pub(crate) samples_accepted: AtomicU64,
    pub(crate) samples_out_of_order: AtomicU64,
    pub(crate) samples_duplicate: AtomicU64,
    pub(crate) samples_too_old: AtomicU64,
    pub(crate) samples_too_new: AtomicU64,
    pub(crate) samples_refused: AtomicU64,
    pub(crate) samples_lost: AtomicU64,
    pub(crate) body_bytes: AtomicU64,
    pub(crate) discovery_failed: AtomicU64,
    pub(crate) reloads: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn stats(&self, pools: Vec<PoolStats>) -> Stats {
        let lateness = self.punctuality.lateness();
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            scrapes: get(&self.scrapes),
            scrapes_failed: get(&self.scrapes_failed),
            ticks_missed: get(&self.ticks_missed),
            scrapes_late: get(&self.scrapes_late),
            late_seconds: lateness.sum,
            late_seconds_max: self.late_us_max.swap(0, Ordering::Relaxed) as f64 / 1e6,
            lateness,
            interval_lengths: self.punctuality.interval_lengths(),
            samples_read: get(&self.samples_read),
            samples_accepted: get(&self.samples_accepted),
            samples_out_of_order: get(&self.samples_out_of_order),
            samples_duplicate: get(&self.samples_duplicate),
            samples_too_old: get(&self.samples_too_old),
            samples_too_new: get(&self.samples_too_new),
            samples_refused: get(&self.samples_refused),
            samples_lost: get(&self.samples_lost),
            body_bytes: get(&self.body_bytes),
            discovery_failed: get(&self.discovery_failed),
            reloads: get(&self.reloads),
            pools,
        }
    }
}

impl Default for Stats {
    /// Of a scraper that has done nothing.
    fn default() -> Self {
        Counters::default().stats(Vec::new())
    }
}
