//! What the plugins page and the host's own metrics show.

use serde::Serialize;

use crate::slot::{Origin, Slot};

/// One plugin, as `GET /api/v1/plugins` has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PluginStatus {
    /// Its file's name without `.wasm`.
    pub name: String,
    /// Interfaces it exports.
    pub kinds: Vec<&'static str>,
    /// `embedded` or `file`.
    pub origin: &'static str,
    /// Why a file or component is not used; empty for none.
    pub error: String,
    /// From its metadata, or empty.
    pub version: String,
    /// One line of its own.
    pub summary: String,
    /// What it may do, as the configuration writes it.
    pub grants: Vec<String>,
    /// What it wanted to do and may not.
    pub refused: Vec<RefusedGrant>,
    /// Since the start.
    pub calls: u64,
    /// Of these.
    pub failures: u64,
    /// The latest failure, or empty.
    pub last_error: String,
    /// Microseconds of a call on average, waiting included.
    pub mean_call_us: u64,
}

/// Something a plugin wanted to do and may not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedGrant {
    /// What it wanted.
    pub what: String,
    /// How often.
    pub count: u64,
    /// What would grant it, below the plugin's `grants:`.
    pub line_to_add: String,
}

/// Numbers of all plugins, for the host's own metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// By name.
    pub plugins: Vec<PluginStats>,
}

/// Numbers of one plugin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginStats {
    /// Its name.
    pub name: String,
    /// Whether a file or component of that name is not used; the status says why.
    pub has_error: bool,
    /// Since the start.
    pub calls: u64,
    /// Of these.
    pub failures: u64,
    /// Of all calls together, waiting included.
    pub call_seconds: f64,
    /// Since the start.
    pub refused: u64,
    /// Past the limit of a call.
    pub log_lines_dropped: u64,
    /// Of its own metrics.
    pub series: u64,
    /// Uses of its own metrics that did not fit.
    pub metric_uses_dropped: u64,
}

pub(crate) fn status(slot: &Slot, granted: Vec<String>) -> Option<PluginStatus> {
    let state = slot.state();
    let origin = match state.origin? {
        Origin::Embedded => "embedded",
        Origin::File => "file",
    };
    let counts = slot.standing.ledger.counts();
    let inspection = state.loaded.as_ref().map(|loaded| &loaded.inspection).or(state.inspection.as_ref());
    let mut grants = granted;
    grants.extend(counts.given.iter().filter(|line| !grants.contains(line)).cloned().collect::<Vec<_>>());
    let refused =
        counts.refused.iter().map(|(what, (count, line))| RefusedGrant { what: what.clone(), count: *count, line_to_add: line.clone() });
    Some(PluginStatus {
        name: slot.standing.name.clone(),
        kinds: inspection.map(|i| i.kinds.iter().map(|kind| kind.as_str()).collect()).unwrap_or_default(),
        origin,
        error: state.error.clone(),
        version: inspection.map(|i| i.version.clone()).unwrap_or_default(),
        summary: state.loaded.as_ref().map(|loaded| loaded.summary.clone()).unwrap_or_default(),
        grants,
        refused: refused.collect(),
        calls: counts.calls,
        failures: counts.failures,
        last_error: counts.last_error.clone(),
        mean_call_us: u64::try_from(counts.spent.as_micros() / u128::from(counts.calls.max(1))).unwrap_or(u64::MAX),
    })
}

pub(crate) fn stats(slot: &Slot) -> PluginStats {
    let state = slot.state();
    let counts = slot.standing.ledger.counts();
    let (series, dropped) = state.loaded.as_ref().map(|loaded| loaded.metrics.counts()).unwrap_or_default();
    PluginStats {
        name: slot.standing.name.clone(),
        has_error: !state.error.is_empty(),
        calls: counts.calls,
        failures: counts.failures,
        call_seconds: counts.spent.as_secs_f64(),
        refused: counts.refused.values().map(|(count, _)| count).sum(),
        log_lines_dropped: counts.log_lines_dropped,
        series: series as u64,
        metric_uses_dropped: dropped,
    }
}
