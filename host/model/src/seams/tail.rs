//! Storage: following what is written.

use std::sync::Arc;

use super::SelectError;
use crate::{Histogram, LabelSet, TimestampMs};

/// Follows what is appended, in the order of the log. For remote write: a sender keeps its position and goes on from
/// there after a restart.
pub trait Tail: Send + Sync {
    /// The position after everything that is acknowledged now.
    fn end(&self) -> TailPosition;

    /// Rows after `from`, at most about `samples_max` samples. A position that is gone (truncated) goes on from the oldest
    /// that is there, and says so.
    fn read(&self, from: TailPosition, samples_max: usize) -> Result<TailBatch, SelectError>;
}

/// A place in the log. Ordered; to be stored by whoever follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TailPosition {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes into it.
    pub offset: u64,
}

/// What was appended since a position.
#[derive(Clone, Debug, Default)]
pub struct TailBatch {
    /// In the order of the log.
    pub rows: Vec<TailRow>,
    /// Where to go on.
    pub next: TailPosition,
    /// Whether the position asked for was gone, so that samples between may be missing.
    pub gap: bool,
}

/// Samples of one time.
#[derive(Clone, Debug)]
pub struct TailRow {
    /// Of all of them.
    pub time: TimestampMs,
    /// Series and value; the stale marker is a value like others.
    pub samples: Vec<(LabelSet, f64)>,
    /// Series and native histogram.
    pub histograms: Vec<(LabelSet, Arc<Histogram>)>,
}
