//! A store that is too simple to be wrong, to compare with.

use std::collections::BTreeMap;

use model::seams::AppendReport;
use model::{LabelSet, Matcher, TimeRange, TimestampMs};

use super::Stored;

/// Groups of rows of samples; each sample has the number of the row with which it was written.
#[derive(Clone, Default)]
pub(crate) struct Naive {
    groups: BTreeMap<String, BTreeMap<TimestampMs, NaiveRow>>,
    rows: u64,
    /// How much older than the newest a row may be.
    pub(crate) window: i64,
}

type NaiveRow = BTreeMap<LabelSet, (u64, u64)>;

impl Naive {
    pub(crate) fn newest(&self, group: &str) -> Option<TimestampMs> {
        self.groups.get(group).and_then(|rows| rows.keys().next_back().copied())
    }

    pub(crate) fn append(&mut self, group: &str, time: TimestampMs, samples: &[(LabelSet, f64)]) -> AppendReport {
        let mut report = AppendReport::default();
        if self.newest(group).is_some_and(|newest| time < newest - self.window) {
            report.out_of_order = samples.len() as u64;
            return report;
        }
        if samples.is_empty() {
            return report;
        }
        self.rows += 1;
        let row = self.groups.entry(group.to_owned()).or_default().entry(time).or_default();
        for (labels, value) in samples {
            let (_, stored) = *row.entry(labels.clone()).or_insert((self.rows, value.to_bits()));
            if stored == value.to_bits() {
                report.accepted += 1;
            } else {
                report.duplicate += 1;
            }
        }
        report
    }

    pub(crate) fn delete(&mut self, matchers: &[Matcher], range: TimeRange) {
        for (_, samples) in self.groups.values_mut().flatten().filter(|(time, _)| range.start <= **time && **time <= range.end) {
            samples.retain(|labels, _| !matchers.iter().all(|m| m.matches_labels(labels)));
        }
    }

    pub(crate) fn read(&self, matchers: &[Matcher], range: TimeRange) -> Stored {
        let mut found: BTreeMap<LabelSet, BTreeMap<TimestampMs, (u64, u64)>> = BTreeMap::new();
        for (time, samples) in self.groups.values().flatten().filter(|(time, _)| range.start <= **time && **time <= range.end) {
            for (labels, first_written) in samples.iter().filter(|(labels, _)| matchers.iter().all(|m| m.matches_labels(labels))) {
                let first = found.entry(labels.clone()).or_default().entry(*time).or_insert(*first_written);
                *first = (*first).min(*first_written);
            }
        }
        found.into_iter().map(|(labels, rows)| (labels, rows.into_iter().map(|(time, (_, bits))| (time, bits)).collect())).collect()
    }
}
