//! Storage: writing.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::{Histogram, LabelSet, StartTimestampMs, TimestampMs};

/// Takes samples. Implemented by `tsdb`, and by a store in memory for tests.
///
/// Samples are written in groups: a group is a set of series whose samples come with the same times (one target's
/// scrapes, one rule group's evaluations). All calls block; callers on the async side use a blocking thread.
pub trait Append: Send + Sync {
    /// Opens a group for writing, making it if it is not there. The same key leads to the same group after a restart.
    /// One writer at a time.
    fn open_group(&self, key: &str) -> Result<Box<dyn GroupAppend>, AppendError>;

    /// Samples before this are refused as too old, so that nobody need ask for a column for them.
    fn time_min(&self) -> TimestampMs {
        TimestampMs::MIN
    }

    /// Appends rows in their order, each as [`GroupAppend::append`] of its group's writer would; storage may write several of them to
    /// its log at once, and wait for the disk once for all of them. Each row has its result afterwards, and is visible as a whole or not
    /// at all.
    fn append_many(&self, writers: &mut [&mut (dyn GroupAppend + 'static)], rows: &mut [GroupRow<'_>]) {
        for row in rows {
            row.result = Some(match writers.get_mut(row.writer) {
                Some(writer) => writer.append(row.row),
                None => Err(AppendError::Failed(format!("a row of writer {}, of which there is none", row.writer))),
            });
        }
    }
}

/// A row for [`Append::append_many`].
pub struct GroupRow<'a> {
    /// The place of its group's writer among the writers. A group may have several rows.
    pub writer: usize,
    /// What is appended.
    pub row: Row<'a>,
    /// What became of it, once [`Append::append_many`] has seen it.
    pub result: Option<Result<AppendReport, AppendError>>,
}

impl<'a> GroupRow<'a> {
    /// A row that is to be appended.
    #[must_use]
    pub fn new(writer: usize, row: Row<'a>) -> Self {
        Self { writer, row, result: None }
    }
}

/// The writer of one group. Dropping it closes the group for writing.
pub trait GroupAppend: Any + Send {
    /// The column of a series in this group, making it if it is not there.
    ///
    /// The id is valid until the writer is dropped, or until a stale marker has been appended to it: that releases it, and
    /// the series must ask again before its next sample.
    fn column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError>;

    /// Like [`GroupAppend::column`], for the few series that say how a target does (`up` and its like): limits on new series do not
    /// hold for them, because they are what tells of the refusal.
    fn report_column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError> {
        self.column(labels)
    }

    /// The time of the group's newest row, which may be from before a restart: rows before it are late. A storage that does not say
    /// leaves it to [`GroupAppend::append`] to tell.
    fn newest(&self) -> TimestampMs {
        TimestampMs::MIN
    }

    /// Appends one row: the values of some of the group's columns at one time. The stale marker is a value like others.
    ///
    /// When this returns, the accepted samples are acknowledged: their record is in the log file, and queries see all of
    /// them or, before, none.
    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError>;
}

/// A column of a group: a small number that means something to its group's writer alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// Samples of one group at one time. `columns` and `values` have the same length; no column comes twice.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row<'a> {
    /// The time of all of them.
    pub time: TimestampMs,
    /// Which series. In the steady state the same slice each time, which storage may rely on for speed alone.
    pub columns: &'a [ColumnId],
    /// Their values.
    pub values: &'a [f64],
    /// Exemplars of some of them. Storage takes those that it does not have yet, as far as its ring reaches.
    pub exemplars: &'a [(ColumnId, Exemplar)],
    /// Native histograms of columns that are not among `columns`.
    pub histograms: &'a [(ColumnId, Arc<Histogram>)],
    /// When some of the row's series began to count, where their source says so.
    pub starts: &'a [(ColumnId, StartTimestampMs)],
    /// The writer knows of no newer sample of any of the row's series: the row is in order for each of them, and is taken however
    /// much newer the group's newest row is.
    pub in_order: bool,
}

/// One observation that stands for others, with labels that lead to more about it, such as a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Not those of its series.
    pub labels: LabelSet,
    /// The observed value.
    pub value: f64,
    /// When it was observed: what the target says, or else the time of the sample that it came with.
    pub time: TimestampMs,
    /// Whether the target said so. Where it does not, the same labels with the same value are the same exemplar.
    pub own_time: bool,
}

impl Exemplar {
    /// Whether both are one observation, seen twice.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let timed = self.own_time || other.own_time;
        self.value.to_bits() == other.value.to_bits() && (!timed || self.time == other.time) && self.labels == other.labels
    }
}

/// The exemplars of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// The series' labels.
    pub labels: LabelSet,
    /// In the order of time.
    pub exemplars: Vec<Exemplar>,
}

impl<'a> Row<'a> {
    /// A row of floats.
    #[must_use]
    pub fn floats(time: TimestampMs, columns: &'a [ColumnId], values: &'a [f64]) -> Self {
        debug_assert_eq!(columns.len(), values.len(), "one value for each column");
        Self { time, columns, values, exemplars: &[], histograms: &[], starts: &[], in_order: false }
    }

    /// The row with native histograms of further columns.
    #[must_use]
    pub fn with_histograms(self, histograms: &'a [(ColumnId, Arc<Histogram>)]) -> Self {
        Self { histograms, ..self }
    }

    /// The row with start timestamps of some of its series.
    #[must_use]
    pub fn with_starts(self, starts: &'a [(ColumnId, StartTimestampMs)]) -> Self {
        Self { starts, ..self }
    }

    /// The row with exemplars of its samples.
    #[must_use]
    pub fn with_exemplars(self, exemplars: &'a [(ColumnId, Exemplar)]) -> Self {
        Self { exemplars, ..self }
    }

    /// The row as one whose series have no newer sample, each for itself, as far as its writer knows ([`Row::in_order`]).
    #[must_use]
    pub fn in_order(self) -> Self {
        Self { in_order: true, ..self }
    }
}

/// What became of each sample of a row, histograms included. The sum of all fields is the row's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppendReport {
    /// Acknowledged. Same time and same value as a stored sample counts as accepted.
    pub accepted: u64,
    /// Older than the newest row of the group by more than storage's window for late samples, and not known to be in order for each
    /// series ([`Row::in_order`]).
    pub out_of_order: u64,
    /// Same time as a stored sample, different value: the first written counts.
    pub duplicate: u64,
    /// Before the oldest time that storage still takes.
    pub too_old: u64,
    /// Too far in the future.
    pub too_new: u64,
}

/// Why a column was not made. The series' samples are not stored; those of known series are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnError {
    /// A limit on new series is reached; the text names it.
    Refused(String),
    /// Storage failed.
    Failed(String),
}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(limit) => write!(f, "new series refused: {limit}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ColumnError {}

/// Why nothing of a row was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// Someone else writes this group.
    GroupInUse(String),
    /// The log could not be written; the text says what and where. Nothing was acknowledged.
    Failed(String),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GroupInUse(key) => write!(f, "the group {key} has another writer"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for AppendError {}
