use crate::{LabelSet, TimestampMs};

/// Whether the condition of an alert holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertStatus {
    /// It holds.
    Firing,
    /// It held, and is over.
    Resolved,
}

impl AlertStatus {
    /// As templates and payloads write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert, as rules hand it over and receivers are told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What identifies the alert, `alertname` included.
    pub labels: LabelSet,
    /// What explains it. Not part of its identity.
    pub annotations: LabelSet,
    /// When the condition began to hold (for a rule: when it began to fire).
    pub starts_at: TimestampMs,
    /// When it was over, or will be taken as over if nobody renews it.
    pub ends_at: Option<TimestampMs>,
    /// Where the rule's expression can be looked at.
    pub generator_url: String,
    /// Of the rule's expression when it was last evaluated.
    pub value: Option<f64>,
}

impl Alert {
    /// Resolved once its end has come.
    #[must_use]
    pub fn status(&self, now: TimestampMs) -> AlertStatus {
        match self.ends_at {
            Some(end) if end <= now => AlertStatus::Resolved,
            _ => AlertStatus::Firing,
        }
    }
}

/// A link in a notification. `rel` is one of the contract's: `dashboard`, `runbook`, `silence`, `source` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it leads to.
    pub rel: String,
    /// For people.
    pub title: String,
    /// The address.
    pub url: String,
}

/// Why a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The group is new, or alerts have joined it.
    Firing,
    /// Nothing new, but it is still firing.
    Repeat,
    /// The last alert of the group is over.
    Resolved,
    /// An operator tries the receiver out.
    Test,
}

/// One message to one receiver about a group of alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The same for every attempt at this message.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// Why now.
    pub reason: Reason,
    /// Firing while at least one alert is.
    pub status: AlertStatus,
    /// The most severe `severity` label, empty for none.
    pub severity: String,
    /// The same for all notifications of a group.
    pub group_key: String,
    /// The receipt of the group's last message to this receiver.
    pub previous_receipt: Option<String>,
    /// How many messages the group has had, with this one.
    pub sequence: u32,
    /// Labels the group is made by.
    pub group_labels: LabelSet,
    /// Labels that all alerts share.
    pub common_labels: LabelSet,
    /// Annotations that all alerts share.
    pub common_annotations: LabelSet,
    /// The alerts, those that fire first, each with its status at the time of sending.
    pub alerts: Vec<(AlertStatus, Alert)>,
    /// Of the whole group.
    pub firing_count: u32,
    /// Of the whole group.
    pub resolved_count: u32,
    /// Of the group as a whole.
    pub links: Vec<Link>,
    /// The host's own web address.
    pub external_url: String,
    /// One line, from the host's templates.
    pub title: String,
    /// The whole in plain text, from the host's templates.
    pub text: String,
}

/// What a channel answers when the message has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The remote party's id of the message, empty for none.
    pub id: String,
}

/// Why a message did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError {
    /// For people.
    pub message: String,
    /// Whether another attempt may work.
    pub retryable: bool,
    /// Wait at least so many milliseconds before it.
    pub retry_after_ms: Option<u64>,
}
