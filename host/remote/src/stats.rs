//! What is counted of each sender.

use model::TimestampMs;

/// Figures of all senders, for metrics and pages. Counters begin at 0 with the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// By name.
    pub senders: Vec<SenderStats>,
    /// Requests that were asked to come again.
    pub requests_deferred: u64,
    /// Memory of caches, open groups and metadata, about, in bytes; buffers of requests not included.
    pub bytes: u64,
}

/// Figures of one sender.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SenderStats {
    /// Its user; `anonymous` without one.
    pub name: String,
    /// Requests of which all was taken.
    pub requests: u64,
    /// Requests that repeated one whose answer was lost: all was there already.
    pub requests_repeated: u64,
    /// Requests of which something, or all, was refused.
    pub requests_refused: u64,
    /// Requests that storage failed.
    pub requests_failed: u64,
    /// Samples that were taken.
    pub samples: u64,
    /// Native histograms that were taken.
    pub histograms: u64,
    /// Exemplars that were handed to storage.
    pub exemplars: u64,
    /// Samples older than what storage has of their series.
    pub out_of_order: u64,
    /// Samples for whose time another value is stored.
    pub duplicate: u64,
    /// Samples before the oldest time that storage takes.
    pub too_old: u64,
    /// Samples too far in the future.
    pub too_new: u64,
    /// Samples with wrong labels or a wrong histogram.
    pub invalid: u64,
    /// Samples of new series that a limit refused.
    pub refused: u64,
    /// Series that are known by the bytes of their labels.
    pub series: u64,
    /// Groups that are open.
    pub groups: u64,
    /// The last sample that was refused because it was too far in the future: the sender's clock is wrong.
    pub ahead: Option<Ahead>,
}

/// A sample from the future.
#[derive(Clone, Debug, PartialEq)]
pub struct Ahead {
    /// When it came.
    pub at: TimestampMs,
    /// How far ahead of this server's clock it was, in milliseconds.
    pub ahead_ms: i64,
    /// Who sent it: the address, where it is known.
    pub address: String,
    /// Job and instance of the series.
    pub job: String,
    /// Likewise.
    pub instance: String,
}
