//! From a line to the labels of a series: target labels, relabelling, limits.

use std::sync::Arc;

use exposition::Sample;
use model::{LabelSet, METRIC_NAME, is_classic_label_name, is_classic_metric_name};

use crate::config::Limits;
use crate::native::HistogramRules;
use crate::relabel::{self, Rule};

/// What becomes of samples of a target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SampleRules {
    pub(crate) target_labels: LabelSet,
    pub(crate) honor_labels: bool,
    pub(crate) honor_timestamps: bool,
    pub(crate) track_timestamps_staleness: bool,
    pub(crate) legacy_names: bool,
    pub(crate) limits: Limits,
    pub(crate) histograms: HistogramRules,
    /// One list for all targets of the job.
    pub(crate) metric_relabel: Arc<Vec<Rule>>,
}

/// The labels of a sample's series. None if relabelling drops it; an error fails the scrape.
pub(crate) fn series_labels(rules: &SampleRules, sample: &Sample<'_>) -> Result<Option<LabelSet>, String> {
    let own: Vec<_> = sample.labels().collect();
    labels_of(rules, &sample.name(), &own)
}

/// Likewise, of a metric's name and its other labels.
pub(crate) fn labels_of<S: AsRef<str>>(rules: &SampleRules, name: &str, own: &[(S, S)]) -> Result<Option<LabelSet>, String> {
    let labels = merge(rules, name, own);
    let labels = if rules.metric_relabel.is_empty() {
        labels
    } else {
        match relabel::apply(&rules.metric_relabel, &labels).filter(|labels| !labels.is_empty()) {
            Some(labels) => labels,
            None => return Ok(None),
        }
    };
    let Some(name) = labels.metric_name() else {
        return Err("relabelling removed the metric's name (__name__)".to_owned());
    };
    if rules.legacy_names {
        check_legacy_names(name, &labels)?;
    }
    check_limits(&rules.limits, name, &labels)?;
    Ok(Some(labels))
}

/// Labels of the line and of the target. Where both have a name, `honor_labels` decides which one keeps it; the line's is
/// renamed to `exported_<name>` otherwise.
fn merge<S: AsRef<str>>(rules: &SampleRules, name: &str, own: &[(S, S)]) -> LabelSet {
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(own.len() + 8);
    pairs.push((METRIC_NAME, name));
    pairs.extend(own.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
    let has = |label: &str| label == METRIC_NAME || own.iter().any(|(name, _)| name.as_ref() == label);
    if !rules.target_labels.iter().any(|(label, _)| has(label)) {
        pairs.extend(rules.target_labels.iter());
        return LabelSet::from_unsorted(&mut pairs);
    }
    if rules.honor_labels {
        // A label that stands there without a value counts: it says that the series has none.
        pairs.extend(rules.target_labels.iter().filter(|(label, _)| !has(label)));
        return LabelSet::from_unsorted(&mut pairs);
    }
    rename_clashes(rules, &pairs)
}

fn rename_clashes(rules: &SampleRules, pairs: &[(&str, &str)]) -> LabelSet {
    let (mut clashing, mut kept): (Vec<_>, Vec<_>) =
        pairs.iter().copied().filter(|(_, value)| !value.is_empty()).partition(|(label, _)| rules.target_labels.get(label).is_some());
    kept.extend(rules.target_labels.iter());
    let mut labels = LabelSet::from_unsorted(&mut kept).to_builder();
    // Shorter names first, as upstream, so that the outcome does not depend on the order of the line.
    clashing.sort_by_key(|(label, _)| (label.len(), *label));
    for (label, value) in clashing {
        let mut exported = format!("exported_{label}");
        while labels.get(&exported).is_some() {
            exported.insert_str(0, "exported_");
        }
        labels.set(&exported, value);
    }
    labels.build()
}

fn check_legacy_names(name: &str, labels: &LabelSet) -> Result<(), String> {
    let bad = labels.iter().find(|(label, _)| !is_classic_label_name(label)).map(|(label, _)| label);
    match bad.or_else(|| Some(name).filter(|name| !is_classic_metric_name(name))) {
        Some(bad) => Err(format!("invalid metric name or label names: {bad:?}, with metric_name_validation_scheme: legacy")),
        None => Ok(()),
    }
}

fn check_limits(limits: &Limits, name: &str, labels: &LabelSet) -> Result<(), String> {
    // Made where there is something to say, not for each line.
    let start = |text: &str| text.chars().take(50).collect::<String>();
    let over = |length: usize, limit: u64| limit > 0 && length as u64 > limit;
    if limits.labels > 0 && over(labels.len(), limits.labels) {
        let (metric, limit) = (start(name), limits.labels);
        return Err(format!("label_limit exceeded (metric: {metric}, number of labels: {}, limit: {limit})", labels.len()));
    }
    if limits.label_name_bytes == 0 && limits.label_value_bytes == 0 {
        return Ok(());
    }
    for (label, value) in labels {
        if over(label.len(), limits.label_name_bytes) {
            let (metric, short, limit) = (start(name), start(label), limits.label_name_bytes);
            return Err(format!(
                "label_name_length_limit exceeded (metric: {metric}, label name: {short}, length: {}, limit: {limit})",
                label.len()
            ));
        }
        if over(value.len(), limits.label_value_bytes) {
            let (metric, short, limit) = (start(name), start(label), limits.label_value_bytes);
            return Err(format!(
                "label_value_length_limit exceeded (metric: {metric}, label name: {short}, length: {}, limit: {limit})",
                value.len()
            ));
        }
    }
    Ok(())
}
