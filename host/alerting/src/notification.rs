//! Builds a message, and the data that templates see.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Alert, AlertStatus, LabelSet, Link, Notification, Reason};
use template::{Field, List, MapKind, Value};

/// Most alerts that a message holds. The counts are of all.
pub(crate) const MESSAGE_ALERTS_MAX: usize = 1000;

/// Labels that say how bad it is, worst first. Others count as less than these.
const SEVERITIES: [&str; 12] =
    ["critical", "page", "emergency", "high", "error", "major", "warning", "warn", "minor", "low", "info", "none"];

/// The message without its identity. `alerts` has those that fire first.
pub(crate) fn build(alerts: &[(AlertStatus, Alert)], group_labels: &LabelSet, external_url: &str) -> Notification {
    let firing = alerts.iter().filter(|(status, _)| *status == AlertStatus::Firing).count();
    let common_annotations = common(alerts, |alert| &alert.annotations);
    let told = |(status, alert): &(AlertStatus, Alert)| {
        // A firing alert has no end yet; what it has is when it would be given up.
        let ends_at = alert.ends_at.filter(|_| *status == AlertStatus::Resolved);
        (*status, Alert { ends_at, ..alert.clone() })
    };
    Notification {
        id: String::new(),
        receiver: String::new(),
        reason: Reason::Firing,
        status: if firing > 0 { AlertStatus::Firing } else { AlertStatus::Resolved },
        severity: String::new(),
        group_key: String::new(),
        previous_receipt: None,
        sequence: 0,
        group_labels: group_labels.clone(),
        common_labels: common(alerts, |alert| &alert.labels),
        links: links(&common_annotations),
        common_annotations,
        alerts: alerts.iter().take(MESSAGE_ALERTS_MAX).map(told).collect(),
        firing_count: u32::try_from(firing).unwrap_or(u32::MAX),
        resolved_count: u32::try_from(alerts.len() - firing).unwrap_or(u32::MAX),
        external_url: external_url.to_owned(),
        title: String::new(),
        text: String::new(),
    }
}

/// What all alerts have in common.
fn common(alerts: &[(AlertStatus, Alert)], of: fn(&Alert) -> &LabelSet) -> LabelSet {
    let Some(((_, first), others)) = alerts.split_first() else { return LabelSet::empty() };
    let shared = of(first).iter().filter(|(name, value)| others.iter().all(|(_, alert)| of(alert).get(name) == Some(value)));
    shared.collect()
}

/// Addresses that annotations of these names hold by custom.
fn links(annotations: &LabelSet) -> Vec<Link> {
    let known = [("dashboard", "dashboard_url", "Dashboard"), ("runbook", "runbook_url", "Runbook")];
    let link = |(rel, name, title): (&str, &str, &str)| {
        let url = annotations.get(name).filter(|url| url.starts_with("http://") || url.starts_with("https://"))?;
        Some(Link { rel: rel.to_owned(), title: title.to_owned(), url: url.to_owned() })
    };
    known.into_iter().filter_map(link).collect()
}

/// The worst `severity` of those that fire, or of all if none does.
pub(crate) fn severity_of(alerts: &[(AlertStatus, Alert)]) -> String {
    let any_firing = alerts.iter().any(|(status, _)| *status == AlertStatus::Firing);
    let relevant = alerts.iter().filter(|(status, _)| !any_firing || *status == AlertStatus::Firing);
    let rank = |severity: &&str| SEVERITIES.iter().position(|known| known.eq_ignore_ascii_case(severity)).unwrap_or(SEVERITIES.len());
    relevant.filter_map(|(_, alert)| alert.labels.get("severity")).min_by_key(rank).unwrap_or("").to_owned()
}

fn record(name: &'static str, fields: Vec<(&'static str, &'static str, Value)>) -> Value {
    Value::record(name, fields.into_iter().map(|(name, json, value)| Field { name, json, value }).collect())
}

fn alert_value(status: AlertStatus, alert: &Alert) -> Value {
    record(
        "template.Alert",
        vec![
            ("Status", "status", Value::text(status.as_str())),
            ("Labels", "labels", Value::labels(MapKind::Labels, &alert.labels)),
            ("Annotations", "annotations", Value::labels(MapKind::Labels, &alert.annotations)),
            ("StartsAt", "startsAt", Value::time(alert.starts_at)),
            ("EndsAt", "endsAt", alert.ends_at.map_or_else(Value::zero_time, Value::time)),
            ("GeneratorURL", "generatorURL", Value::text(&alert.generator_url)),
            ("Fingerprint", "fingerprint", Value::text(format!("{:016x}", alert.labels.fingerprint()))),
        ],
    )
}

/// The dot of notification templates, as Alertmanager has it; `FiringCount`, `ResolvedCount` and `TruncatedAlerts` are ours,
/// because a message holds at most [`MESSAGE_ALERTS_MAX`] alerts.
pub(crate) fn data(notification: &Notification, route_labels: &BTreeMap<String, String>) -> Value {
    let alerts: Vec<(AlertStatus, Value)> =
        notification.alerts.iter().map(|(status, alert)| (*status, alert_value(*status, alert))).collect();
    let of =
        |wanted: AlertStatus| Value::list(alerts.iter().filter(|(status, _)| *status == wanted).map(|(_, value)| value.clone()).collect());
    let list = List::new(
        alerts.iter().map(|(_, value)| value.clone()).collect(),
        vec![("Firing", of(AlertStatus::Firing)), ("Resolved", of(AlertStatus::Resolved))],
    );
    let reason = match notification.reason {
        Reason::Firing => "firing",
        Reason::Repeat => "repeat",
        Reason::Resolved => "resolved",
        Reason::Test => "test",
    };
    let (firing, resolved) = (i64::from(notification.firing_count), i64::from(notification.resolved_count));
    let left_off = firing + resolved - i64::try_from(notification.alerts.len()).unwrap_or(0);
    let route_labels: LabelSet = route_labels.iter().collect();
    record(
        "template.Data",
        vec![
            ("Receiver", "receiver", Value::text(&notification.receiver)),
            ("Status", "status", Value::text(notification.status.as_str())),
            ("Alerts", "alerts", Value::List(Arc::new(list))),
            ("NotificationReason", "notificationReason", Value::text(reason)),
            ("GroupLabels", "groupLabels", Value::labels(MapKind::Labels, &notification.group_labels)),
            ("CommonLabels", "commonLabels", Value::labels(MapKind::Labels, &notification.common_labels)),
            ("CommonAnnotations", "commonAnnotations", Value::labels(MapKind::Labels, &notification.common_annotations)),
            ("RouteLabels", "routeLabels", Value::labels(MapKind::Labels, &route_labels)),
            ("ExternalURL", "externalURL", Value::text(&notification.external_url)),
            ("FiringCount", "firingCount", Value::Int(firing)),
            ("ResolvedCount", "resolvedCount", Value::Int(resolved)),
            ("TruncatedAlerts", "truncatedAlerts", Value::Int(left_off)),
        ],
    )
}
