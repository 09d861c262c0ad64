//! Storage: reading.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::SeriesExemplars;
use crate::{Histogram, LabelSet, METRIC_NAME, Matcher, StartTimestampMs, TimeRange, TimestampMs};

/// The label that holds a metric's type, where that is kept as one.
pub const TYPE_LABEL: &str = "__type__";
/// The label that holds a metric's unit, likewise.
pub const UNIT_LABEL: &str = "__unit__";

/// Finds and reads samples. Implemented by `tsdb`, and by a store in memory for tests.
pub trait Select: Send + Sync {
    /// The groups that hold series which satisfy all matchers and may have samples in the range. Nothing is decoded yet.
    ///
    /// A label set comes once in the answer: a series with columns in several groups comes in a group of its own, merged
    /// by time; for equal times the first written counts.
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError>;

    /// Like [`Select::select`], for whoever needs to know of each series only some of its labels, as an aggregation does: the others
    /// need not be looked up, and [`SelectedGroup::labels`] of these groups need not say anything.
    fn select_keyed(&self, request: &SelectRequest<'_>, key: LabelKey<'_>) -> Result<KeyedGroups, SelectError> {
        Ok(KeyedGroups::of(self.select(request)?, key))
    }

    /// The names of labels of the series that satisfy all matchers of any of the sets (all series if there is no set),
    /// sorted, at most `limit` (0: all).
    fn label_names(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError>;

    /// The values of a label, likewise.
    fn label_values(&self, name: &str, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError>;

    /// The label sets of series that satisfy all matchers of any of the sets, sorted, each once, at most `limit` (0: all).
    fn series(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError>;

    /// Hands on what [`Select::series`] gives, one label set after the other, as long as `each` wants more: for answers that go out while
    /// they are made, however many series there are. A storage that keeps many holds few label sets at a time (`tsdb`: some bytes a
    /// series besides), and nothing waits while `each` does. What begins to be stored meanwhile may be missing.
    ///
    /// Fails as `series` does, and then mostly before the first label set; what stops it ([`crate::stop`]) does so at any moment.
    fn each_series(
        &self,
        matcher_sets: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        each: &mut dyn FnMut(&LabelSet) -> ControlFlow<()>,
    ) -> Result<(), SelectError> {
        let _ = self.series(matcher_sets, range, limit)?.iter().try_for_each(each);
        Ok(())
    }

    /// Hands on what [`Select::label_values`] gives, as [`Select::each_series`] does with label sets.
    fn each_label_value(
        &self,
        name: &str,
        matcher_sets: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), SelectError> {
        let _ = self.label_values(name, matcher_sets, range, limit)?.iter().try_for_each(|value| each(value));
        Ok(())
    }

    /// What this storage cannot answer for in the range, in sentences that name file and range: damaged or missing parts. Queries
    /// pass them on as warnings; what [`GroupSamples::warnings`] says is not among them.
    fn warnings(&self, range: TimeRange) -> Vec<String> {
        let _ = range;
        Vec::new()
    }

    /// How many series the matchers of the sets name at most (all there are if there is no set), if that can be told at once: without
    /// waiting for anybody, and only where samples of the range are read without a disk. For whoever decides where the work is done;
    /// none means to expect much.
    fn series_at_most(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Option<usize> {
        let _ = (matcher_sets, range);
        None
    }

    /// How many values a label has at most, likewise.
    fn values_at_most(&self, name: &str, range: TimeRange) -> Option<usize> {
        let _ = (name, range);
        None
    }

    /// The exemplars in the range of the series that satisfy all matchers of any of the sets, by series, sorted by its
    /// labels. A storage that keeps none has none.
    fn exemplars(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Result<Vec<SeriesExemplars>, SelectError> {
        let _ = (matcher_sets, range);
        Ok(Vec::new())
    }
}

/// What a query asks of storage.
#[derive(Clone, Copy, Debug)]
pub struct SelectRequest<'a> {
    /// All must hold.
    pub matchers: &'a [Matcher],
    /// Samples outside may be left out; those inside may not.
    pub range: TimeRange,
}

/// Which labels of a series count: those with these names, or all but these and the metric's name.
#[derive(Clone, Copy, Debug)]
pub struct LabelKey<'a> {
    /// The names.
    pub names: &'a [String],
    /// Whether they are those that do not count.
    pub without: bool,
}

impl LabelKey<'_> {
    /// Whether a label with this name counts.
    #[must_use]
    pub fn counts(&self, name: &str) -> bool {
        let named = self.names.iter().any(|label| label == name);
        if self.without { name != METRIC_NAME && !named } else { named }
    }

    /// The labels that count.
    #[must_use]
    pub fn of(&self, labels: &LabelSet) -> LabelSet {
        labels.filter(|name| self.counts(name))
    }
}

/// Groups of a selection, with the labels of each series that count.
#[derive(Default)]
pub struct KeyedGroups {
    /// The groups.
    pub groups: Vec<Box<dyn SelectedGroup>>,
    /// Label sets, each once.
    pub keys: Vec<LabelSet>,
    /// Of each group the key of each series, in the order of its columns.
    pub of: Vec<Vec<u32>>,
    /// Whether some series may have a label [`TYPE_LABEL`] or [`UNIT_LABEL`].
    pub typed: bool,
}

impl KeyedGroups {
    /// Of groups whose labels are known.
    #[must_use]
    pub fn of(groups: Vec<Box<dyn SelectedGroup>>, key: LabelKey<'_>) -> Self {
        let mut keyed = Self::default();
        let mut places: HashMap<LabelSet, u32> = HashMap::new();
        for group in &groups {
            let mut of_group = Vec::with_capacity(group.labels().len());
            for labels in group.labels() {
                keyed.typed |= labels.iter().any(|(name, _)| matches!(name, TYPE_LABEL | UNIT_LABEL));
                of_group.push(*places.entry(key.of(labels)).or_insert_with_key(|labels| {
                    keyed.keys.push(labels.clone());
                    keyed.keys.len() as u32 - 1
                }));
            }
            keyed.of.push(of_group);
        }
        Self { groups, ..keyed }
    }
}

/// One group of a selection, not decoded yet, so that a caller can plan by labels and work through groups one at a time
/// or in parallel.
pub trait SelectedGroup: Send + Sync {
    /// The series, in the order of the columns that [`SelectedGroup::read`] gives.
    fn labels(&self) -> &[LabelSet];

    /// How many samples `read` yields at most. For limits, before anything is decoded.
    fn samples_max(&self) -> usize;

    /// Decodes the samples.
    fn read(&self) -> Result<GroupSamples, SelectError>;

    /// Decodes column after column and hands each to `visit` while it is in the cache, in the order of [`SelectedGroup::labels`], as
    /// long as that wants more. Returns what could not be read, as [`GroupSamples::warnings`].
    fn each_column(&self, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<Vec<String>, SelectError> {
        let samples = self.read()?;
        for (series, column) in samples.columns.iter().enumerate() {
            let histograms = if let ColumnSamples::Mixed { histograms, .. } = column { histograms.as_slice() } else { &[] };
            let column = ColumnRef { series, times: &samples.times, floats: column.floats(), histograms, gaps: true };
            if visit(column).is_break() {
                break;
            }
        }
        Ok(samples.warnings)
    }

    /// The same for whoever needs no more than the newest sample of each series, be it a stale marker: older ones need not come, and
    /// times may be others from series to series.
    fn each_newest(&self, visit: &mut dyn FnMut(ColumnRef<'_>) -> ControlFlow<()>) -> Result<Vec<String>, SelectError> {
        self.each_column(visit)
    }

    /// How many bytes [`SelectedGroup::each_column`] holds at once, about. For limits.
    fn column_bytes(&self) -> usize {
        self.samples_max().saturating_mul(8)
    }

    /// Start timestamps, by series in the order of [`SelectedGroup::labels`]: the time of the first sample from which on each
    /// holds, ascending. A storage that keeps none has none.
    fn starts(&self) -> Result<Vec<Vec<(TimestampMs, StartTimestampMs)>>, SelectError> {
        Ok(vec![Vec::new(); self.labels().len()])
    }
}

/// The samples of one series of a group.
#[derive(Clone, Copy, Debug)]
pub struct ColumnRef<'a> {
    /// Its place in [`SelectedGroup::labels`].
    pub series: usize,
    /// The same for all series of the group (but see [`SelectedGroup::each_newest`]): ascending, each once.
    pub times: &'a [TimestampMs],
    /// One for each time; [`crate::is_absent`] where the series has no float, [`crate::is_stale`] where it ended.
    pub floats: &'a [f64],
    /// One for each time, or nothing if the series has no histogram.
    pub histograms: &'a [Option<Arc<Histogram>>],
    /// False if it is known that each time has a float that is not the stale marker.
    pub gaps: bool,
}

/// Decoded samples of series that share times.
#[derive(Clone, Debug, Default)]
pub struct GroupSamples {
    /// Ascending, each once.
    pub times: Vec<TimestampMs>,
    /// One per series, in the order of [`SelectedGroup::labels`].
    pub columns: Vec<ColumnSamples>,
    /// What could not be read of these series, in sentences that name file and range. The rest is there.
    pub warnings: Vec<String>,
}

/// The samples of one series, one entry per time of its group.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ColumnSamples {
    /// Floats; [`crate::is_absent`] where the series has no sample, [`crate::is_stale`] where it ended.
    Floats(Vec<f64>),
    /// Histograms, and floats where there were some too.
    Mixed {
        /// As above; absent where there is a histogram.
        floats: Vec<f64>,
        /// One entry per time.
        histograms: Vec<Option<Arc<Histogram>>>,
    },
}

impl ColumnSamples {
    /// The floats, one per time; absent where there is none.
    #[must_use]
    pub fn floats(&self) -> &[f64] {
        match self {
            Self::Floats(floats) | Self::Mixed { floats, .. } => floats,
        }
    }
}

/// Why storage could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectError {
    /// A file is damaged or could not be read; the text says which.
    Failed(String),
    /// It was told to stop: [`crate::stop`].
    Stopped,
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Stopped => f.write_str("nobody waits for the answer any more, or it took too long"),
        }
    }
}

impl std::error::Error for SelectError {}
