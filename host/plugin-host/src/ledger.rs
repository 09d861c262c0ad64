//! What a plugin has done: calls, failures, grants used and refused. For the plugins page and for metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Different grants that are counted, used and refused each. More are counted together.
const LINES_MAX: usize = 100;

/// Bytes of an error that is kept.
const ERROR_BYTES_MAX: usize = 4096;

/// Counts of one plugin.
#[derive(Default)]
pub(crate) struct Ledger {
    inner: Mutex<Counts>,
}

/// As they are now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) last_error: String,
    /// Over all calls.
    pub(crate) spent: Duration,
    /// Lines of grants that stand in sections.
    pub(crate) given: BTreeSet<String>,
    /// By the line of the grant.
    pub(crate) used: BTreeMap<String, u64>,
    /// By what was refused: how often, and the line that would grant it.
    pub(crate) refused: BTreeMap<String, (u64, String)>,
    pub(crate) log_lines_dropped: u64,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn call(&self, took: Duration) {
        let mut counts = self.lock();
        counts.calls += 1;
        counts.spent += took;
    }

    pub(crate) fn failure(&self, error: &str) {
        let mut counts = self.lock();
        counts.failures += 1;
        counts.last_error = crate::text::shortened(error, ERROR_BYTES_MAX);
    }

    /// Notes what a section grants.
    pub(crate) fn given(&self, lines: &[String]) {
        let mut counts = self.lock();
        for line in lines {
            if counts.given.len() < LINES_MAX {
                counts.given.insert(line.clone());
            }
        }
    }

    /// Sections are read anew.
    pub(crate) fn forget_given(&self) {
        self.lock().given.clear();
    }

    pub(crate) fn used(&self, line: &str) {
        let mut counts = self.lock();
        let line = if counts.used.len() >= LINES_MAX && !counts.used.contains_key(line) { "others" } else { line };
        *counts.used.entry(line.to_owned()).or_default() += 1;
    }

    /// Whether this is the first refusal of its kind, which is worth a line in the log.
    pub(crate) fn refused(&self, what: &str, line: &str) -> bool {
        let mut counts = self.lock();
        let full = counts.refused.len() >= LINES_MAX && !counts.refused.contains_key(what);
        let (what, line) = if full { ("others", "") } else { (what, line) };
        let entry = counts.refused.entry(what.to_owned()).or_insert_with(|| (0, line.to_owned()));
        entry.0 += 1;
        entry.0 == 1
    }

    pub(crate) fn dropped_log_lines(&self, count: u32) {
        self.lock().log_lines_dropped += u64::from(count);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }
}
