//! Series from elsewhere become blocks: of a Prometheus directory, of an OpenMetrics file, of rules that were not there yet.
//!
//! What comes in is one series after the other; what goes out are groups of series that share times. Series of one target
//! (equal `job` and `instance`) are looked at together, range by range: first their times alone are read, and those whose
//! times are, or lie within, those of another share its group. Then each is read a second time and written. So memory holds
//! the times of some series and one column, and never a range of samples.
//!
//! What is written is a block like any other, newer than all that are there: a sample at a time for which its series has one
//! already does not replace it.

mod buffer;
mod groups;
mod write;

pub use buffer::Buffer;
pub use write::{Backfill, BackfillError, BackfillReport, block_range};

use std::collections::BTreeSet;

use model::{LabelSet, TimeRange};

pub use crate::prometheus::Samples;

/// Where series come from. Numbers of series mean something to the source alone.
pub trait SeriesSource {
    /// Why it cannot be read.
    type Error: std::error::Error;

    /// No sample is outside of it. None: there are no samples.
    fn time_range(&self) -> Option<TimeRange>;

    /// Which multiples of `unit` milliseconds since 1970 samples may lie in, so that years without any cost nothing.
    fn units(&self, unit: i64) -> Result<BTreeSet<i64>, Self::Error>;

    /// Gives the number and the labels of each series to `sink`, in any order, each label set once.
    fn visit(&self, sink: &mut dyn FnMut(u64, LabelSet)) -> Result<(), Self::Error>;

    /// The labels of a series.
    fn labels(&self, series: u64) -> Result<LabelSet, Self::Error>;

    /// The samples of a series in the range, in place of what `samples` holds; times ascend, each once.
    fn read(&self, series: u64, range: TimeRange, samples: &mut Samples) -> Result<(), Self::Error>;
}
