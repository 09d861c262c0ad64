use model::{LabelSet, TargetGroup};

use crate::config::JobConfig;
use crate::relabel;
use crate::target::{self, Built};

/// What becomes of one address that discovery found.
#[derive(Clone, Debug)]
pub struct Examined {
    /// Its labels before relabelling.
    pub discovered: LabelSet,
    /// After it, those that begin with `__` included; none if a rule drops it.
    pub labels: Option<LabelSet>,
    /// Why it cannot be scraped, if so.
    pub error: Option<String>,
}

/// Relabels what was found of a job, without scraping anything.
#[must_use]
pub fn examine(job: &JobConfig, groups: &[TargetGroup]) -> Vec<Examined> {
    let addresses = groups.iter().flat_map(|group| group.targets.iter().map(move |address| (group, address)));
    addresses
        .map(|(group, address)| {
            let discovered = target::discovered_labels(job, group, address);
            let labels = relabel::apply(&job.relabel, &discovered);
            let (labels, error) = match target::build(job, &discovered, false) {
                Built::Dropped => (None, None),
                Built::Invalid(reason) => (None, Some(reason)),
                Built::Active(target) => {
                    let instance = target.labels.get("instance").unwrap_or_default().to_owned();
                    (labels.map(|labels| labels.filter(|name| !name.starts_with("__meta_")).with("instance", &instance)), None)
                }
            };
            Examined { discovered, labels, error }
        })
        .collect()
}
