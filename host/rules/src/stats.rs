//! Counters.

/// Counters since the start, over all groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Groups that are evaluated now.
    pub groups: u64,
    /// Rules in them.
    pub rules: u64,
    /// Rounds of groups.
    pub iterations: u64,
    /// Rounds whose time came while the group was still running.
    pub iterations_missed: u64,
    /// Evaluations of rules.
    pub evaluations: u64,
    /// Those that failed.
    pub evaluation_failures: u64,
    /// Samples written, stale markers included.
    pub samples: u64,
    /// Alerts handed over.
    pub alerts_sent: u64,
}
