//! The JSON that is posted: version 4 of Alertmanager's, its fields in the order in which Alertmanager writes them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;
use skopos_sdk::channel::{Alert, Notification, Reason, Status};
use skopos_sdk::types::Label;

use crate::time::rfc3339;

/// Of the format.
const VERSION: &str = "4";
/// Go's zero time, which stands for the end of an alert that fires.
const NO_TIME: &str = "0001-01-01T00:00:00Z";
/// Labels that alerts are ordered by before all others.
const FIRST: [&str; 2] = ["job", "instance"];

type Map<'a> = BTreeMap<&'a str, &'a str>;

/// The message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message<'a> {
    receiver: String,
    status: &'static str,
    alerts: Vec<Told<'a>>,
    /// Newer versions have it.
    #[serde(rename = "notification_reason")]
    notification_reason: &'static str,
    group_labels: Map<'a>,
    common_labels: Map<'a>,
    common_annotations: Map<'a>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    status: &'static str,
    labels: Map<'a>,
    annotations: Map<'a>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: &'a str,
}

/// Builds the message of at most `max_alerts` alerts, 0 for no limit. As in Alertmanager, what alerts have in common, and the
/// status, are those of the alerts in the message.
#[must_use]
pub fn build(notification: &Notification, max_alerts: u64) -> Message<'_> {
    let mut alerts: Vec<&Alert> = notification.alerts.iter().collect();
    alerts.sort_by(|a, b| order(&a.labels, &b.labels));
    let all = u64::from(notification.firing_count) + u64::from(notification.resolved_count);
    let cut = max_alerts > 0 && all > max_alerts;
    if cut {
        alerts.truncate(usize::try_from(max_alerts).unwrap_or(usize::MAX));
    }
    let firing = alerts.iter().any(|alert| alert.status == Status::Firing);
    Message {
        receiver: quoted(&notification.receiver),
        status: if cut { status(if firing { Status::Firing } else { Status::Resolved }) } else { status(notification.status) },
        notification_reason: reason(notification),
        group_labels: map(&notification.group_labels),
        common_labels: if cut { common(&alerts, |alert| &alert.labels) } else { map(&notification.common_labels) },
        common_annotations: if cut { common(&alerts, |alert| &alert.annotations) } else { map(&notification.common_annotations) },
        external_url: &notification.external_url,
        version: VERSION,
        group_key: &notification.group_key,
        truncated_alerts: all.saturating_sub(alerts.len() as u64),
        alerts: alerts.into_iter().map(told).collect(),
    }
}

fn told(alert: &Alert) -> Told<'_> {
    let generator = alert.links.iter().find(|link| link.rel == "source");
    Told {
        status: status(alert.status),
        labels: map(&alert.labels),
        annotations: map(&alert.annotations),
        starts_at: rfc3339(alert.starts_at),
        ends_at: alert.ends_at.map_or_else(|| NO_TIME.to_owned(), rfc3339),
        generator_url: generator.map_or("", |link| link.url.as_str()),
        fingerprint: &alert.fingerprint,
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Firing => "firing",
        Status::Resolved => "resolved",
    }
}

fn reason(notification: &Notification) -> &'static str {
    match notification.reason {
        Reason::Firing if notification.sequence <= 1 => "first notification",
        // The contract does not tell these two apart. A resolved alert is told of once; where others have joined in the same
        // moment, Alertmanager names those.
        Reason::Firing if notification.resolved_count > 0 => "some alerts resolved",
        Reason::Firing => "new alerts added",
        Reason::Repeat => "repeat interval elapsed",
        Reason::Resolved => "all alerts resolved",
        Reason::Escalation => "escalation",
        Reason::Acknowledged => "acknowledged",
        Reason::Digest => "digest",
        Reason::Test => "test",
    }
}

fn map(labels: &[Label]) -> Map<'_> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn common<'a>(alerts: &[&'a Alert], of: fn(&Alert) -> &Vec<Label>) -> Map<'a> {
    let Some((first, others)) = alerts.split_first() else { return Map::new() };
    let mut shared = map(of(first));
    for alert in others {
        let has = map(of(alert));
        shared.retain(|name, value| has.get(name) == Some(value));
    }
    shared
}

/// The order of alerts in a message: by job, by instance, those without after those with; then fewer labels before more; then by
/// the first label, in the order of names, that one lacks or that differs.
fn order(a: &[Label], b: &[Label]) -> Ordering {
    let (a, b) = (map(a), map(b));
    for name in FIRST {
        let by_name = match (a.get(name), b.get(name)) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        if by_name.is_ne() {
            return by_name;
        }
    }
    let mut names: Vec<&str> = a.keys().chain(b.keys()).copied().collect();
    names.sort_unstable();
    let differing = names.iter().map(|name| match (a.get(name), b.get(name)) {
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    a.len().cmp(&b.len()).then_with(|| differing.into_iter().find(|by| by.is_ne()).unwrap_or(Ordering::Equal))
}

/// The name of a receiver as a regular expression that means exactly it, for that is what Alertmanager sends.
fn quoted(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut out, c| {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn alerts_are_in_alertmanagers_order() {
        let sorted = [
            labels(&[("job", "a"), ("instance", "x"), ("z", "2")]),
            labels(&[("job", "a"), ("instance", "y"), ("a", "1")]),
            labels(&[("job", "a"), ("alertname", "A")]),
            labels(&[("job", "b")]),
            labels(&[("instance", "a")]),
            labels(&[("b", "1")]),
            labels(&[("a", "1")]),
            labels(&[("a", "2")]),
            labels(&[("a", "1"), ("c", "1")]),
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                // The label that one lacks decides: `{b}` comes before `{a}`, because the first name is `a`, and it lacks it.
                assert_eq!(order(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn receivers_are_quoted() {
        assert_eq!(quoted("team-x/on call"), "team-x/on call");
        assert_eq!(quoted("a.b (c)"), r"a\.b \(c\)");
    }
}
