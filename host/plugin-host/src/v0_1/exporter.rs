//! Expositions and target groups, from the contract's types to those of `model`.

use model::seams::{Exposition, PluginError};
use model::{FamilySamples, HistogramValue, LabelSet, MetricFamily, SummaryValue, TargetGroup};

use super::exports::discovery::TargetGroup as WitGroup;
use super::exports::exporter::{Exposition as WitExposition, Histogram, MetricFamily as WitFamily, Samples, Summary};
use super::imports::types::Error as WitError;
use crate::limits::RECORDS_MAX;
use crate::section::Secrets;
use crate::text::{one_line, shortened};

/// Bytes of a label's value or a name: scrapes have limits of their own, below this.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// Bytes of an error's text.
const ERROR_BYTES_MAX: usize = 2000;

/// An error that a component answered.
pub(crate) fn plugin_error(title: &str, what: &str, error: WitError, secrets: &Secrets) -> PluginError {
    let text = |text: String| format!("plugin {title}, {what}: {}", one_line(&shortened(&secrets.redact(text), ERROR_BYTES_MAX)));
    match error {
        WitError::Config(reason) => PluginError::Config(text(reason)),
        WitError::Unavailable(reason) => PluginError::Unavailable(text(reason)),
        WitError::Internal(reason) => PluginError::Failed(text(reason)),
    }
}

/// Labels as the component gave them. The error is for people.
pub(crate) fn label_set(labels: &[(String, String)]) -> Result<LabelSet, String> {
    let long = labels.iter().find(|(name, value)| name.len() > VALUE_BYTES_MAX || value.len() > VALUE_BYTES_MAX);
    if let Some((name, _)) = long {
        return Err(format!("the label {:?} is longer than {VALUE_BYTES_MAX} bytes", shortened(name, 100)));
    }
    if labels.iter().any(|(name, _)| name.is_empty()) {
        return Err("a label has no name".to_owned());
    }
    Ok(LabelSet::from_pairs(labels.iter().map(|(n, v)| (n, v))))
}

/// Checks the number of records before it takes them over.
pub(crate) fn exposition(answer: WitExposition) -> Result<Exposition, String> {
    let families = match answer {
        WitExposition::Text(text) => return Ok(Exposition::Text(text)),
        WitExposition::Families(families) => families,
    };
    let count: usize = families.iter().map(|family| 1 + samples_len(&family.samples)).sum();
    if count > RECORDS_MAX {
        return Err(format!("it answered {count} metrics and samples, more than the limit of {RECORDS_MAX}"));
    }
    families.into_iter().map(family).collect::<Result<_, _>>().map(Exposition::Families)
}

fn samples_len(samples: &Samples) -> usize {
    match samples {
        Samples::Unknown(list) | Samples::Counter(list) | Samples::Gauge(list) => list.len(),
        Samples::Histogram(list) => list.iter().map(|s| 2 + s.value.buckets.len()).sum(),
        Samples::Summary(list) => list.iter().map(|s| 2 + s.value.quantiles.len()).sum(),
    }
}

fn family(family: WitFamily) -> Result<MetricFamily, String> {
    let name = family.name;
    if name.is_empty() || name.len() > VALUE_BYTES_MAX {
        return Err("a metric has no name, or an endless one".to_owned());
    }
    let within = |e: String| format!("{}: {e}", shortened(&name, 200));
    let simple = |list: Vec<super::exports::exporter::Sample>| {
        list.into_iter().map(|s| Ok((label_set(&s.labels).map_err(within)?, s.value, s.timestamp))).collect::<Result<Vec<_>, String>>()
    };
    let samples = match family.samples {
        Samples::Unknown(list) => FamilySamples::Unknown(simple(list)?),
        Samples::Counter(list) => FamilySamples::Counter(simple(list)?),
        Samples::Gauge(list) => FamilySamples::Gauge(simple(list)?),
        Samples::Histogram(list) => FamilySamples::Histogram(
            list.into_iter()
                .map(|s| Ok((label_set(&s.labels).map_err(within)?, histogram(s.value).map_err(within)?, s.timestamp)))
                .collect::<Result<_, String>>()?,
        ),
        Samples::Summary(list) => FamilySamples::Summary(
            list.into_iter()
                .map(|s| Ok((label_set(&s.labels).map_err(within)?, summary(s.value), s.timestamp)))
                .collect::<Result<_, String>>()?,
        ),
    };
    Ok(MetricFamily { name, help: family.help, unit: family.unit, samples })
}

fn histogram(value: Histogram) -> Result<HistogramValue, String> {
    let buckets: Vec<(f64, u64)> = value.buckets.into_iter().map(|b| (b.le, b.count)).collect();
    let ascending = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
    if !ascending || buckets.last().is_none_or(|last| last.0 != f64::INFINITY || last.1 != value.count) {
        return Err("its buckets are not cumulative, in ascending order, and ended by one for +Inf that has the whole count".to_owned());
    }
    Ok(HistogramValue { count: value.count, sum: value.sum, buckets })
}

fn summary(value: Summary) -> SummaryValue {
    SummaryValue { count: value.count, sum: value.sum, quantiles: value.quantiles.into_iter().map(|q| (q.quantile, q.value)).collect() }
}

/// Targets of a refresh, in the component's order.
pub(crate) fn groups(groups: Vec<WitGroup>) -> Result<Vec<TargetGroup>, String> {
    let count: usize = groups.iter().map(|g| 1 + g.targets.len()).sum();
    if count > RECORDS_MAX {
        return Err(format!("it answered {count} groups and targets, more than the limit of {RECORDS_MAX}"));
    }
    groups.into_iter().map(|g| Ok(TargetGroup { source: g.source, targets: g.targets, labels: label_set(&g.labels)? })).collect()
}
