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

impl InhibitRule {
    fn inhibits(&self, source: &LabelSet, target: &LabelSet) -> bool {
        let all = |matchers: &[Matcher], labels: &LabelSet| matchers.iter().all(|matcher| matcher.matches_labels(labels));
        all(&self.source, source)
            && self.equal.iter().all(|name| source.get(name) == target.get(name))
            // What matches both sides cannot be kept quiet by another that does: they would silence each other.
            && !(all(&self.source, target) && all(&self.target, source))
    }
}

/// Whether a firing alert keeps these labels quiet now.
pub(crate) fn is_inhibited(rules: &[InhibitRule], labels: &LabelSet, alerts: &HashMap<LabelSet, Alert>, now: TimestampMs) -> bool {
    let relevant: Vec<&InhibitRule> =
        rules.iter().filter(|rule| rule.target.iter().all(|matcher| matcher.matches_labels(labels))).collect();
    !relevant.is_empty()
        && alerts
            .values()
            .filter(|alert| alert.status(now) == AlertStatus::Firing)
            .any(|alert| relevant.iter().any(|rule| rule.inhibits(&alert.labels, labels)))
}
