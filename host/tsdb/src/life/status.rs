//! What the head's series are made of.

use std::collections::{BTreeMap, HashMap};

use model::seams::SelectError;

use crate::db::Db;

/// Figures of the head's labels, for whoever wonders why there are so many series. The lists have the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cardinality {
    /// Series.
    pub series: u64,
    /// Label names with a value.
    pub label_pairs: u64,
    /// Series by metric name.
    pub series_by_metric: Vec<(String, u64)>,
    /// Values by label name.
    pub values_by_name: Vec<(String, u64)>,
    /// Bytes of the values by label name, each value once.
    pub bytes_by_name: Vec<(String, u64)>,
    /// Series by `name=value`.
    pub series_by_pair: Vec<(String, u64)>,
}

impl Db {
    /// What the bytes of a block's file are for: times, presence, values by kind, histograms, exemplars, labels and so on, with names
    /// for people. Together they are the file's length. Decodes the whole block.
    pub fn block_bytes(&self, sequence: u64) -> Result<BTreeMap<&'static str, u64>, SelectError> {
        let blocks = self.0.blocks.all();
        let found = blocks.iter().find(|one| one.sequence() == sequence);
        let found = found.ok_or_else(|| SelectError::Failed(format!("there is no block {sequence}")))?;
        found.block.taken().map_err(|damage| SelectError::Failed(format!("a block is damaged: {damage}")))
    }

    /// Looks at all labels of the head; the lists have `limit` entries at most.
    #[must_use]
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        let index = self.0.index();
        let mut all = Cardinality { series: index.len() as u64, ..Cardinality::default() };
        let mut by_name: HashMap<&str, (u64, u64)> = HashMap::new();
        let mut by_pair: Vec<(&str, &str, u64)> = Vec::new();
        for (name, value, series) in index.pairs().filter(|(.., series)| *series > 0) {
            all.label_pairs += 1;
            let of = by_name.entry(name).or_default();
            of.0 += 1;
            of.1 += value.len() as u64;
            by_pair.push((name, value, series as u64));
        }
        // Texts are only made for what is shown.
        by_pair.sort_unstable_by(|a, b| b.2.cmp(&a.2).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
        let metrics = by_pair.iter().filter(|(name, ..)| *name == "__name__").take(limit);
        all.series_by_metric = metrics.map(|(_, value, series)| ((*value).to_owned(), *series)).collect();
        all.series_by_pair = by_pair.iter().take(limit).map(|(name, value, series)| (format!("{name}={value}"), *series)).collect();
        let top = |figure: fn((u64, u64)) -> u64| {
            let mut names: Vec<(String, u64)> = by_name.iter().map(|(name, of)| ((*name).to_owned(), figure(*of))).collect();
            names.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            names.truncate(limit);
            names
        };
        all.values_by_name = top(|(values, _)| values);
        all.bytes_by_name = top(|(_, bytes)| bytes);
        all
    }
}
