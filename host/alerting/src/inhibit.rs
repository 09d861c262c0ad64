//! Alerts that keep others quiet.

use std::collections::HashMap;

use model::{Alert, AlertStatus, LabelSet, Matcher, TimestampMs};

/// While an alert that matches `source` fires, those that match `target` and agree with it on `equal` are not told of.
#[derive(Clone, Debug)]
pub(crate) struct InhibitRule {
    pub(crate) source: Vec<Matcher>,
    pub(crate) target: Vec<Matcher>,
    /// A label that is missing equals an empty one.
    pub(crate) equal: Vec<String>,
}

/// Which labels are kept quiet, worked out once for all alerts: a flood of alerts asks often (faults E1).
#[derive(Debug)]
pub(crate) struct Inhibitors {
    /// For each rule, by the values of its `equal` labels, what fires there.
    sources: Vec<HashMap<Vec<String>, Sources>>,
    /// The answer holds from the first to before the second of these times.
    valid: (TimestampMs, TimestampMs),
}

/// What fires with certain values of the `equal` labels.
#[derive(Clone, Copy, Debug, Default)]
struct Sources {
    /// A source that is not itself a target of the rule. Two alerts that are both would silence each other.
    pure: bool,
}

fn all(matchers: &[Matcher], labels: &LabelSet) -> bool {
    matchers.iter().all(|matcher| matcher.matches_labels(labels))
}

impl InhibitRule {
    fn key(&self, labels: &LabelSet) -> Vec<String> {
        self.equal.iter().map(|name| labels.get(name).unwrap_or_default().to_owned()).collect()
    }
}

impl Inhibitors {
    pub(crate) fn new(rules: &[InhibitRule], alerts: &HashMap<LabelSet, Alert>, now: TimestampMs) -> Self {
        let mut until = TimestampMs::MAX;
        let mut sources: Vec<HashMap<Vec<String>, Sources>> = vec![HashMap::new(); rules.len()];
        for alert in alerts.values().filter(|alert| alert.status(now) == AlertStatus::Firing) {
            for (rule, sources) in rules.iter().zip(&mut sources).filter(|(rule, _)| all(&rule.source, &alert.labels)) {
                until = until.min(alert.ends_at.unwrap_or(TimestampMs::MAX));
                sources.entry(rule.key(&alert.labels)).or_default().pure |= !all(&rule.target, &alert.labels);
            }
        }
        Self { sources, valid: (now, until) }
    }

    /// Whether the answers hold at this time, if the alerts are the same.
    pub(crate) fn is_valid(&self, now: TimestampMs) -> bool {
        (self.valid.0..self.valid.1).contains(&now)
    }

    /// Whether a firing alert keeps these labels quiet.
    pub(crate) fn inhibit(&self, rules: &[InhibitRule], labels: &LabelSet) -> bool {
        rules.iter().zip(&self.sources).any(|(rule, sources)| {
            !sources.is_empty()
                && all(&rule.target, labels)
                && sources.get(&rule.key(labels)).is_some_and(|sources| sources.pure || !all(&rule.source, labels))
        })
    }
}
