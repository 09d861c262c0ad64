//! What was written, and what may be missing after a kill or a power cut: too simple to be wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::seams::{ColumnSamples, Select, SelectRequest, SelectedGroup};
use model::{Histogram, LabelSet, Matcher, TimestampMs, is_absent};
use tsdb::Db;

use super::ALWAYS;

/// A sample's content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Float(u64),
    Histogram(Arc<Histogram>),
}

/// What a database shows.
pub(crate) type Shown = BTreeMap<LabelSet, BTreeMap<TimestampMs, Value>>;

/// Everything a database shows, and its warnings.
#[track_caller]
pub(crate) fn look(db: &Db) -> (Shown, Vec<String>) {
    let (mut shown, mut warnings) = (Shown::new(), db.warnings(ALWAYS));
    let groups = db.select(&SelectRequest { matchers: &[], range: ALWAYS }).expect("it selects");
    for group in &groups {
        if let Ok(samples) = group.read() {
            super::newest_agree(group.as_ref(), &samples, ALWAYS);
        }
    }
    collect(&groups, &mut shown, &mut warnings);
    (shown, warnings)
}

/// Likewise of what was selected, each group read once: the disk may fail meanwhile.
#[track_caller]
pub(crate) fn collect(groups: &[Box<dyn SelectedGroup>], shown: &mut Shown, warnings: &mut Vec<String>) {
    for group in groups {
        let samples = match group.read() {
            Ok(samples) => samples,
            Err(error) => {
                warnings.push(error.to_string());
                continue;
            }
        };
        warnings.extend(samples.warnings);
        assert!(samples.times.is_sorted_by(|a, b| a < b), "times ascend, each once");
        assert_eq!(group.labels().len(), samples.columns.len());
        for (labels, column) in group.labels().iter().zip(&samples.columns) {
            let histograms = if let ColumnSamples::Mixed { histograms, .. } = column { histograms.as_slice() } else { &[] };
            assert_eq!(column.floats().len(), samples.times.len());
            let mut rows = BTreeMap::new();
            for (row, (time, float)) in samples.times.iter().zip(column.floats()).enumerate() {
                let value = match histograms.get(row) {
                    Some(Some(histogram)) => Some(Value::Histogram(histogram.clone())),
                    _ if is_absent(*float) => None,
                    _ => Some(Value::Float(float.to_bits())),
                };
                rows.extend(value.map(|value| (*time, value)));
            }
            if !rows.is_empty() {
                assert!(shown.insert(labels.clone(), rows).is_none(), "{labels} comes once");
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Being written.
    Open,
    Acknowledged,
    /// Refused with an error: it may be in the log, but is not shown.
    Failed,
}

#[derive(Clone, Debug)]
struct Candidate {
    row: u64,
    group: usize,
    value: Value,
    fate: Fate,
}

/// What happened to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing: it runs.
    None,
    Kill,
    PowerCut,
    /// A part could not be read: nothing is certain to be there, but nothing else may be.
    Lossy,
}

/// Samples that were handed to storage.
#[derive(Clone, Default)]
pub(crate) struct Witness {
    samples: BTreeMap<LabelSet, BTreeMap<TimestampMs, Vec<Candidate>>>,
    row: u64,
    /// Rows up to this one outlast a power cut.
    synced: u64,
    /// Rows, first and last, whose sync failed: nobody knows whether they last.
    unsure: Vec<(u64, u64)>,
    /// Samples before this time may be gone: the retention's.
    pub(crate) cutoff: TimestampMs,
}

/// A row on its way.
pub(crate) struct OpenRow {
    row: u64,
    group: usize,
    time: TimestampMs,
    labels: Vec<LabelSet>,
}

impl Witness {
    /// A row is about to be written.
    pub(crate) fn begin(&mut self, group: usize, time: TimestampMs, samples: &[(LabelSet, Value)]) -> OpenRow {
        self.row += 1;
        for (labels, value) in samples {
            let candidate = Candidate { row: self.row, group, value: value.clone(), fate: Fate::Open };
            self.samples.entry(labels.clone()).or_default().entry(time).or_default().push(candidate);
        }
        OpenRow { row: self.row, group, time, labels: samples.iter().map(|(labels, _)| labels.clone()).collect() }
    }

    /// It was acknowledged, as a `whole` or not. Of the samples of one group, the first of a time counts.
    pub(crate) fn acknowledged(&mut self, row: &OpenRow, whole: bool) {
        self.settle(row, |all, at| {
            let first = all[..at].iter().any(|other| other.group == row.group && other.fate == Fate::Acknowledged);
            // Which ones were not taken is not said, and need not be the ones with a first: that may have been deleted since.
            // One that stands behind a first shows only should that one go.
            Some(if whole && !first { Fate::Acknowledged } else { Fate::Open })
        });
    }

    /// Nothing of it was taken.
    pub(crate) fn refused(&mut self, row: &OpenRow) {
        self.settle(row, |_, _| None);
    }

    /// It was answered with an error.
    pub(crate) fn failed(&mut self, row: &OpenRow) {
        self.settle(row, |_, _| Some(Fate::Failed));
    }

    fn settle(&mut self, row: &OpenRow, fate: impl Fn(&[Candidate], usize) -> Option<Fate>) {
        for labels in &row.labels {
            let Some(all) = self.samples.get_mut(labels).and_then(|times| times.get_mut(&row.time)) else { continue };
            let Some(at) = all.iter().position(|candidate| candidate.row == row.row) else { continue };
            match fate(all, at) {
                Some(fate) => all[at].fate = fate,
                None => drop(all.remove(at)),
            }
        }
    }

    /// The number of the last row, for [`Witness::synced_to`].
    pub(crate) fn last_row(&self) -> u64 {
        self.row
    }

    /// Rows up to this one are synced.
    pub(crate) fn synced_to(&mut self, row: u64) {
        self.synced = self.synced.max(row);
    }

    /// A sync failed: the system forgot what of the rows so far was not on the disk.
    pub(crate) fn sync_failed(&mut self) {
        self.unsure.push((self.synced + 1, self.row));
    }

    /// Samples of these series and times were deleted: gone for good, or, while `certain` is not said, perhaps.
    pub(crate) fn delete(&mut self, matchers: &[Matcher], from: TimestampMs, to: TimestampMs, certain: bool) {
        for (_, times) in self.samples.iter_mut().filter(|(labels, _)| matchers.iter().all(|m| m.matches_labels(labels))) {
            for (_, candidates) in times.range_mut(from..=to) {
                // A row that was answered with an error is not there to be deleted, and may yet come back from the log.
                if certain {
                    candidates.retain(|candidate| candidate.fate == Fate::Failed);
                } else {
                    candidates.iter_mut().filter(|c| c.fate != Fate::Failed).for_each(|candidate| candidate.fate = Fate::Open);
                }
            }
        }
    }

    /// How many samples may be there.
    pub(crate) fn len(&self) -> usize {
        self.samples.values().map(BTreeMap::len).sum()
    }

    /// How many acknowledged samples are not shown.
    pub(crate) fn missing(&self, shown: &Shown) -> usize {
        let times = self.samples.iter().flat_map(|(labels, times)| times.iter().map(move |(time, all)| (labels, time, all)));
        times
            .filter(|(labels, time, all)| {
                all.iter().any(|c| self.is_certain(c, **time, End::Kill))
                    && !shown.get(*labels).is_some_and(|rows| rows.contains_key(*time))
            })
            .count()
    }

    fn is_certain(&self, candidate: &Candidate, time: TimestampMs, end: End) -> bool {
        let outlasts_power =
            || candidate.row <= self.synced && !self.unsure.iter().any(|(first, last)| (*first..=*last).contains(&candidate.row));
        end != End::Lossy && time >= self.cutoff && candidate.fate == Fate::Acknowledged && (end != End::PowerCut || outlasts_power())
    }

    /// Everything that must be there is, and nothing that cannot. Panics with `what` if not.
    #[track_caller]
    pub(crate) fn check(&self, shown: &Shown, end: End, what: &str) {
        let none = BTreeMap::new();
        for (labels, times) in &self.samples {
            let found = shown.get(labels).unwrap_or(&none);
            for (time, candidates) in times {
                let certain = candidates.iter().position(|candidate| self.is_certain(candidate, *time, end));
                match (found.get(time), certain) {
                    (None, Some(at)) => panic!("{what}: {labels} {time} is lost: {:?} (synced up to row {})", candidates[at], self.synced),
                    (None, None) => {}
                    (Some(value), certain) => {
                        // What was written after one that is certainly there cannot win.
                        let possible = &candidates[..certain.map_or(candidates.len(), |at| at + 1)];
                        let may = |c: &&Candidate| end != End::None || c.fate != Fate::Failed;
                        let fits = possible.iter().filter(may).any(|candidate| candidate.value == *value);
                        assert!(fits, "{what}: {labels} {time} is {value:?}, written was {candidates:?}");
                    }
                }
            }
        }
        for (labels, times) in shown {
            let written = self.samples.get(labels);
            // What the retention dropped may be there again, and goes when its turn comes; but not what was deleted.
            for (time, value) in times {
                let known = written.and_then(|written| written.get(time)).is_some_and(|candidates| !candidates.is_empty());
                assert!(known, "{what}: {labels} {time} {value:?} was never written, or deleted");
            }
        }
    }

    /// After a restart: what is shown is what there is. After a power cut it is on the disk.
    pub(crate) fn restarted(&mut self, shown: &Shown, end: End) {
        let cutoff = self.cutoff;
        let samples = &mut self.samples;
        samples.retain(|labels, times| {
            let found = shown.get(labels);
            times.retain(|time, candidates| {
                let value = found.and_then(|found| found.get(time));
                // What stands behind the one that is shown may be there still.
                let mut behind = false;
                // What the retention dropped may be there, in the log, until its segment goes.
                let dropped = *time < cutoff;
                candidates.retain_mut(|candidate| {
                    let is_shown = Some(&candidate.value) == value;
                    candidate.fate = if is_shown { Fate::Acknowledged } else { Fate::Open };
                    behind |= is_shown;
                    behind || dropped
                });
                !candidates.is_empty()
            });
            !times.is_empty()
        });
        if end == End::PowerCut {
            self.synced = self.row;
            self.unsure.clear();
        }
    }
}
