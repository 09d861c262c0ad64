//! Notifications, from the types of `model` to the contract's.

use model::{AlertStatus, LabelSet, Link, Notification, Reason};

use super::unstable::channel as wit;

fn labels(set: &LabelSet) -> Vec<(String, String)> {
    set.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn status(status: AlertStatus) -> wit::Status {
    match status {
        AlertStatus::Firing => wit::Status::Firing,
        AlertStatus::Resolved => wit::Status::Resolved,
    }
}

fn link(link: &Link) -> wit::Link {
    wit::Link { rel: link.rel.clone(), title: link.title.clone(), url: link.url.clone() }
}

/// A copy: the same notification may be sent again.
pub(crate) fn notification(from: &Notification) -> wit::Notification {
    let alerts = from.alerts.iter().map(|(alert_status, alert)| wit::Alert {
        status: status(*alert_status),
        fingerprint: format!("{:016x}", alert.labels.fingerprint()),
        labels: labels(&alert.labels),
        annotations: labels(&alert.annotations),
        starts_at: alert.starts_at,
        ends_at: alert.ends_at.filter(|_| *alert_status == AlertStatus::Resolved),
        value: alert.value,
        links: source_link(&alert.generator_url),
    });
    wit::Notification {
        id: from.id.clone(),
        receiver: from.receiver.clone(),
        recipient: None,
        reason: match from.reason {
            Reason::Firing => wit::Reason::Firing,
            Reason::Repeat => wit::Reason::Repeat,
            Reason::Resolved => wit::Reason::Resolved,
            Reason::Test => wit::Reason::Test,
        },
        status: status(from.status),
        severity: from.severity.clone(),
        group_key: from.group_key.clone(),
        previous_receipt: from.previous_receipt.clone(),
        sequence: from.sequence,
        starts_at: from.alerts.iter().map(|(_, alert)| alert.starts_at).min().unwrap_or_default(),
        acknowledged_by: None,
        group_labels: labels(&from.group_labels),
        common_labels: labels(&from.common_labels),
        common_annotations: labels(&from.common_annotations),
        alerts: alerts.collect(),
        firing_count: from.firing_count,
        resolved_count: from.resolved_count,
        links: from.links.iter().map(link).collect(),
        images: Vec::new(),
        external_url: from.external_url.clone(),
        title: from.title.clone(),
        text: from.text.clone(),
    }
}

fn source_link(url: &str) -> Vec<wit::Link> {
    if url.is_empty() {
        return Vec::new();
    }
    vec![wit::Link { rel: "source".to_owned(), title: "Source".to_owned(), url: url.to_owned() }]
}
