//! A storage that remembers rows and checks what the seam promises.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::seams::{Append, AppendError, AppendReport, ColumnError, ColumnId, Exemplar, GroupAppend, Row};
use model::{Histogram, LabelSet, is_stale};

#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Shared>);

#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Most series that are taken; 0 for any number.
    pub(crate) series_max: AtomicUsize,
    /// Whether appending fails.
    pub(crate) fails: AtomicBool,
    /// Milliseconds that appending takes.
    pub(crate) slow_ms: AtomicU64,
}

#[derive(Default)]
struct State {
    open: HashSet<String>,
    groups: HashMap<String, Group>,
    rows: Vec<StoredRow>,
    column_calls: usize,
}

#[derive(Default)]
struct Group {
    ids: HashMap<LabelSet, ColumnId>,
    labels: HashMap<ColumnId, LabelSet>,
    next: u32,
    newest: Option<i64>,
}

/// One row as it was appended.
#[derive(Clone, Debug)]
pub(crate) struct StoredRow {
    pub(crate) group: String,
    pub(crate) time: i64,
    pub(crate) samples: Vec<(LabelSet, f64)>,
    pub(crate) exemplars: Vec<(LabelSet, Exemplar)>,
    pub(crate) histograms: Vec<(LabelSet, Arc<Histogram>)>,
    pub(crate) starts: Vec<(LabelSet, i64)>,
}

impl std::ops::Deref for Store {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Store {
    pub(crate) fn shared(&self) -> Arc<dyn Append> {
        Arc::new(self.clone())
    }

    pub(crate) fn rows(&self) -> Vec<StoredRow> {
        self.0.state.lock().expect("not poisoned").rows.clone()
    }

    pub(crate) fn column_calls(&self) -> usize {
        self.0.state.lock().expect("not poisoned").column_calls
    }

    pub(crate) fn open_groups(&self) -> usize {
        self.0.state.lock().expect("not poisoned").open.len()
    }

    /// The samples of series whose text contains `part`, by that text, times and values in the order of appending.
    pub(crate) fn series(&self, part: &str) -> BTreeMap<String, Vec<(i64, f64)>> {
        let mut all: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
        for row in self.rows() {
            for (labels, value) in row.samples {
                let text = labels.to_string();
                if text.contains(part) {
                    all.entry(text).or_default().push((row.time, value));
                }
            }
        }
        all
    }

    /// The last value of each such series; the stale marker as `None`.
    pub(crate) fn last(&self, part: &str) -> BTreeMap<String, Option<f64>> {
        let last = |samples: Vec<(i64, f64)>| samples.last().map(|(_, value)| *value).filter(|value| !is_stale(*value));
        self.series(part).into_iter().map(|(labels, samples)| (labels, last(samples))).collect()
    }
}

impl Append for Store {
    fn open_group(&self, key: &str) -> Result<Box<dyn GroupAppend>, AppendError> {
        let mut state = self.0.state.lock().expect("not poisoned");
        if !state.open.insert(key.to_owned()) {
            return Err(AppendError::GroupInUse(key.to_owned()));
        }
        let group = state.groups.entry(key.to_owned()).or_default();
        // Ids are the writer's: those of the last one mean nothing.
        group.ids.clear();
        group.labels.clear();
        Ok(Box::new(Writer { store: self.clone(), key: key.to_owned() }))
    }
}

struct Writer {
    store: Store,
    key: String,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.store.0.state.lock().expect("not poisoned").open.remove(&self.key);
    }
}

impl GroupAppend for Writer {
    fn column(&mut self, labels: &LabelSet) -> Result<ColumnId, ColumnError> {
        let limit = self.store.series_max.load(Ordering::SeqCst);
        let mut state = self.store.0.state.lock().expect("not poisoned");
        state.column_calls += 1;
        let all: usize = state.groups.values().map(|group| group.ids.len()).sum();
        let group = state.groups.get_mut(&self.key).expect("opened");
        if let Some(id) = group.ids.get(labels) {
            return Ok(*id);
        }
        if limit > 0 && all >= limit {
            return Err(ColumnError::Refused("the memory budget for series is reached".to_owned()));
        }
        let id = ColumnId(group.next);
        group.next += 1;
        group.ids.insert(labels.clone(), id);
        group.labels.insert(id, labels.clone());
        Ok(id)
    }

    fn append(&mut self, row: Row<'_>) -> Result<AppendReport, AppendError> {
        std::thread::sleep(Duration::from_millis(self.store.slow_ms.load(Ordering::SeqCst)));
        if self.store.fails.load(Ordering::SeqCst) {
            return Err(AppendError::Failed("no space left on device".to_owned()));
        }
        let mut state = self.store.0.state.lock().expect("not poisoned");
        let group = state.groups.get_mut(&self.key).expect("opened");
        assert_eq!(row.columns.len(), row.values.len(), "one value for each column");
        let all = || row.columns.iter().chain(row.histograms.iter().map(|(column, _)| column));
        assert_eq!(all().collect::<HashSet<_>>().len(), all().count(), "no column twice");
        let labels_of = |id: &ColumnId| group.labels.get(id).expect("the column is valid").clone();
        let histograms: Vec<_> = row.histograms.iter().map(|(id, histogram)| (labels_of(id), Arc::clone(histogram))).collect();
        let starts = row.starts.iter().map(|(id, start)| (labels_of(id), *start)).collect();
        let exemplar =
            |(id, exemplar): &(ColumnId, Exemplar)| (group.labels.get(id).expect("the column is valid").clone(), exemplar.clone());
        let exemplars = row.exemplars.iter().map(exemplar).collect();
        let mut samples = Vec::new();
        for (id, value) in row.columns.iter().zip(row.values) {
            let labels = group.labels.get(id).expect("the column is valid").clone();
            if is_stale(*value) {
                group.labels.remove(id);
                group.ids.remove(&labels);
            }
            samples.push((labels, *value));
        }
        let count = (samples.len() + histograms.len()) as u64;
        if group.newest.is_some_and(|newest| newest > row.time) {
            return Ok(AppendReport { out_of_order: count, ..AppendReport::default() });
        }
        group.newest = Some(row.time);
        state.rows.push(StoredRow { group: self.key.clone(), time: row.time, samples, exemplars, histograms, starts });
        Ok(AppendReport { accepted: count, ..AppendReport::default() })
    }
}
