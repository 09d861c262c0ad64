use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::seams::{
    Append, AppendError, AppendReport, ColumnError, ColumnId, ColumnSamples, GroupAppend, GroupSamples, Row, Select, SelectError,
    SelectRequest, SelectedGroup,
};
use model::{Histogram, LabelSet, Matcher, StartTimestampMs, TimeRange, TimestampMs, absent};

use crate::script::Written;

/// Series in memory, for tests of whoever queries or writes: scripts, rules, panels. Clones share the series.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<RwLock<Stored>>);

/// Samples and, where some are known, start timestamps by the times of their samples.
#[derive(Clone, Debug, Default)]
struct Samples {
    held: BTreeMap<TimestampMs, Held>,
    starts: BTreeMap<TimestampMs, StartTimestampMs>,
}

/// A sample as it was added.
#[derive(Clone, Debug)]
enum Held {
    Float(f64),
    Histogram(Arc<Histogram>),
}

type Stored = BTreeMap<LabelSet, Samples>;

impl Memory {
    /// Without series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample; one that is there at the same time is replaced. The stale marker is a value like others.
    pub fn add(&self, labels: &LabelSet, time: TimestampMs, value: f64) {
        self.write().entry(labels.clone()).or_default().held.insert(time, Held::Float(value));
    }

    /// Adds samples of one series.
    pub fn load(&self, labels: &LabelSet, samples: impl IntoIterator<Item = (TimestampMs, f64)>) {
        self.write().entry(labels.clone()).or_default().held.extend(samples.into_iter().map(|(time, value)| (time, Held::Float(value))));
    }

    /// Adds histograms of one series, likewise.
    pub fn load_histograms(&self, labels: &LabelSet, samples: impl IntoIterator<Item = (TimestampMs, Arc<Histogram>)>) {
        self.write()
            .entry(labels.clone())
            .or_default()
            .held
            .extend(samples.into_iter().map(|(time, value)| (time, Held::Histogram(value))));
    }

    /// Adds a series as test scripts write it, `up{job="a"}` and `0+1x10 _ stale`, its points `step_ms` apart from time 0.
    pub fn load_text(&self, series: &str, points: &str, step_ms: i64) -> Result<(), String> {
        self.load_text_from(series, points, 0, step_ms)
    }

    /// The same, from another time on.
    pub fn load_text_from(&self, series: &str, points: &str, start: TimestampMs, step_ms: i64) -> Result<(), String> {
        let labels = crate::parse::parse_series(series).map_err(|e| e.to_string())?;
        let points = crate::script::points(points)?;
        let times = (0_i64..).map(|at| start.saturating_add(at.saturating_mul(step_ms)));
        let mut histograms = Vec::new();
        for (time, point) in times.zip(points) {
            match point {
                Some(Written::Float(value)) => self.add(&labels, time, value),
                Some(Written::Histogram(written)) => histograms.push((time, written.histogram)),
                None => {}
            }
        }
        self.load_histograms(&labels, crate::script::stored(histograms));
        Ok(())
    }

    /// Says when the series behind a sample began to count.
    pub fn start(&self, labels: &LabelSet, time: TimestampMs, start: StartTimestampMs) {
        self.write().entry(labels.clone()).or_default().starts.insert(time, start);
    }

    /// Throws all series away.
    pub fn clear(&self) {
        self.write().clear();
    }

    // A panic elsewhere cannot leave the map half changed: each change is one insertion.
    fn read(&self) -> RwLockReadGuard<'_, Stored> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Stored> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn matching(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Vec<LabelSet> {
        let stored = self.read();
        let wanted =
            |labels: &LabelSet| matcher_sets.is_empty() || matcher_sets.iter().any(|set| set.iter().all(|m| m.matches_labels(labels)));
        let there = |samples: &Samples| range.start <= range.end && samples.held.range(range.start..=range.end).next().is_some();
        stored.iter().filter(|(labels, samples)| wanted(labels) && there(samples)).map(|(labels, _)| labels.clone()).collect()
    }
}

struct Group {
    labels: Vec<LabelSet>,
    samples: GroupSamples,
    starts: Vec<Vec<(TimestampMs, StartTimestampMs)>>,
}

impl SelectedGroup for Group {
    fn labels(&self) -> &[LabelSet] {
        &self.labels
    }

    fn samples_max(&self) -> usize {
        self.samples.times.len().saturating_mul(self.labels.len())
    }

    fn read(&self) -> Result<GroupSamples, SelectError> {
        Ok(self.samples.clone())
    }

    fn starts(&self) -> Result<Vec<Vec<(TimestampMs, StartTimestampMs)>>, SelectError> {
        Ok(self.starts.clone())
    }
}

/// Start timestamps from where each holds; 0 from where none is known.
fn starts(samples: &Samples) -> Vec<(TimestampMs, StartTimestampMs)> {
    if samples.starts.is_empty() {
        return Vec::new();
    }
    let mut starts: Vec<_> = samples.held.keys().map(|time| (*time, samples.starts.get(time).copied().unwrap_or(0))).collect();
    starts.dedup_by_key(|(_, start)| *start);
    starts
}

/// The samples at some times.
fn column(times: &BTreeSet<i64>, samples: &Samples) -> ColumnSamples {
    let floats = times.iter().map(|time| match samples.held.get(time) {
        Some(Held::Float(value)) => *value,
        _ => absent(),
    });
    let floats = floats.collect();
    if !samples.held.values().any(|held| matches!(held, Held::Histogram(_))) {
        return ColumnSamples::Floats(floats);
    }
    let histograms = times.iter().map(|time| match samples.held.get(time) {
        Some(Held::Histogram(histogram)) => Some(Arc::clone(histogram)),
        _ => None,
    });
    ColumnSamples::Mixed { floats, histograms: histograms.collect() }
}

impl Select for Memory {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError> {
        let range = request.range;
        if range.start > range.end {
            return Ok(Vec::new());
        }
        let stored = self.read();
        // Series with equal names make a group, so that groups with gaps come up.
        let mut groups: BTreeMap<&str, Vec<(&LabelSet, &Samples)>> = BTreeMap::new();
        for (labels, samples) in stored.iter() {
            if request.matchers.iter().all(|m| m.matches_labels(labels)) && samples.held.range(range.start..=range.end).next().is_some() {
                groups.entry(labels.metric_name().unwrap_or_default()).or_default().push((labels, samples));
            }
        }
        let groups = groups.into_values().map(|series| {
            let times: BTreeSet<i64> =
                series.iter().flat_map(|(_, s)| s.held.range(range.start..=range.end).map(|(time, _)| *time)).collect();
            let columns = series.iter().map(|(_, samples)| column(&times, samples));
            let samples = GroupSamples { columns: columns.collect(), times: times.into_iter().collect(), warnings: Vec::new() };
            let starts = series.iter().map(|(_, samples)| starts(samples)).collect();
            Box::new(Group { starts, labels: series.iter().map(|(labels, _)| (*labels).clone()).collect(), samples })
                as Box<dyn SelectedGroup>
        });
        Ok(groups.collect())
    }

    fn series_at_most(&self, _: &[Vec<Matcher>], _: TimeRange) -> Option<usize> {
        Some(self.read().len())
    }

    fn values_at_most(&self, _: &str, _: TimeRange) -> Option<usize> {
        Some(self.read().len())
    }

    fn label_names(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        let series = self.matching(matcher_sets, range);
        let names: BTreeSet<String> = series.iter().flat_map(|labels| labels.iter().map(|(name, _)| name.to_owned())).collect();
        Ok(names.into_iter().take(if limit == 0 { usize::MAX } else { limit }).collect())
    }

    fn label_values(&self, name: &str, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        let series = self.matching(matcher_sets, range);
        let values: BTreeSet<String> = series.iter().filter_map(|labels| labels.get(name).map(str::to_owned)).collect();
        Ok(values.into_iter().take(if limit == 0 { usize::MAX } else { limit }).collect())
    }

    fn series(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError> {
        let mut series = self.matching(matcher_sets, range);
        series.truncate(if limit == 0 { usize::MAX } else { limit });
        Ok(series)
    }
}

impl Append for Memory {
    /// Any number of writers: nothing is kept per group.
    fn open_group(&self, _key: &str) -> Result<Box<dyn GroupAppend>, AppendError> {
        Ok(Box::new(Writer { memory: self.clone(), columns: Vec::new(), known: HashMap::new() }))
    }
}

struct Writer {
    memory: Memory,
    columns: Vec<LabelSet>,
    known: HashMap<LabelSet, usize>,
}

impl GroupAppend for Writer {
    fn column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError> {
        let at = *self.known.entry(labels.clone()).or_insert_with(|| {
            self.columns.push(labels.clone());
            self.columns.len() - 1
        });
        u32::try_from(at).map(ColumnId).map_err(|_| ColumnError::Refused("2^32 columns in one group".to_owned()))
    }

    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError> {
        let mut report = AppendReport::default();
        let labels_of = |column: &ColumnId| {
            let labels = usize::try_from(column.0).ok().and_then(|at| self.columns.get(at));
            labels.ok_or_else(|| AppendError::Failed(format!("column {} is not of this group", column.0)))
        };
        for (column, value) in row.columns.iter().zip(row.values) {
            self.memory.add(labels_of(column)?, row.time, *value);
            report.accepted += 1;
        }
        for (column, histogram) in row.histograms {
            self.memory.load_histograms(labels_of(column)?, [(row.time, Arc::clone(histogram))]);
            report.accepted += 1;
        }
        Ok(report)
    }
}
