//! What the alerts page and the API show.

use model::{LabelSet, TimestampMs};

/// A rule group at one moment.
#[derive(Clone, Debug)]
pub struct GroupSnapshot {
    /// Its name, unique in its file.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Milliseconds between evaluations.
    pub interval_ms: u64,
    /// Most alerts or series a rule may yield, 0 for any.
    pub limit: u64,
    /// In order of evaluation.
    pub rules: Vec<RuleSnapshot>,
    /// How long the last evaluation took.
    pub evaluation_seconds: f64,
    /// When it was.
    pub last_evaluation: Option<TimestampMs>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct RuleSnapshot {
    /// `alert` or `record`.
    pub name: String,
    /// The expression, as printed by the parser.
    pub query: String,
    /// What it adds.
    pub labels: LabelSet,
    /// How the last evaluation went.
    pub health: RuleHealth,
    /// Its error, empty if it succeeded.
    pub last_error: String,
    /// How long it took.
    pub evaluation_seconds: f64,
    /// When it was.
    pub last_evaluation: Option<TimestampMs>,
    /// What only alerting rules have.
    pub alerting: Option<AlertingRuleSnapshot>,
}

/// What only alerting rules have.
#[derive(Clone, Debug)]
pub struct AlertingRuleSnapshot {
    /// `for`, in milliseconds.
    pub for_ms: u64,
    /// `keep_firing_for`, in milliseconds.
    pub keep_firing_for_ms: u64,
    /// Unexpanded.
    pub annotations: LabelSet,
    /// Pending and firing.
    pub alerts: Vec<ActiveAlert>,
}

/// An alert that is pending or firing.
#[derive(Clone, Debug)]
pub struct ActiveAlert {
    /// `alertname` included.
    pub labels: LabelSet,
    /// Expanded.
    pub annotations: LabelSet,
    /// `firing`, else pending.
    pub firing: bool,
    /// Since when the condition holds.
    pub active_at: TimestampMs,
    /// When the condition ended and only `keep_firing_for` holds it.
    pub keep_firing_since: Option<TimestampMs>,
    /// Of the expression.
    pub value: f64,
}

/// How the last evaluation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleHealth {
    /// Not evaluated yet.
    Unknown,
    /// Succeeded.
    Ok,
    /// Failed.
    Err,
}

impl RuleHealth {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Err => "err",
        }
    }
}
