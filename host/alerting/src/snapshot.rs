//! What the alerts page shows of routing and delivery.

use model::{AlertStatus, LabelSet, TimestampMs};

/// A group of alerts that share a route and the labels it groups by.
#[derive(Clone, Debug)]
pub struct AlertGroupSnapshot {
    /// The receiver's name.
    pub receiver: String,
    /// Stable over restarts.
    pub group_key: String,
    /// Labels the group is made by.
    pub labels: LabelSet,
    /// Fingerprint, status and labels of its alerts.
    pub alerts: Vec<(u64, AlertStatus, LabelSet)>,
    /// When the receiver was last told, and with which result.
    pub last_notification: Option<DeliverySnapshot>,
    /// When the group is looked at next.
    pub next_flush: TimestampMs,
}

/// One delivery.
#[derive(Clone, Debug)]
pub struct DeliverySnapshot {
    /// When the last attempt was.
    pub at: TimestampMs,
    /// Attempts so far.
    pub attempts: u32,
    /// Empty if it arrived.
    pub error: String,
    /// Whether it is still being tried.
    pub pending: bool,
}
