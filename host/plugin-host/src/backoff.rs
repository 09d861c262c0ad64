//! How long to leave a plugin alone that fails at every call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The first wait, which doubles up to the last.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(300);

/// Failures in a row after which waiting begins: one may be chance.
const FREE_FAILURES: u32 = 1;

/// Keys that are remembered. Past it the oldest waits are forgotten.
const KEYS_MAX: usize = 10_000;

/// Waits by key: a target, or nothing where there is one caller.
#[derive(Default)]
pub(crate) struct Backoffs {
    entries: Mutex<HashMap<String, Entry>>,
}

struct Entry {
    failures: u32,
    until: Instant,
    /// Of the plugin's file: another one gets its chance at once.
    sha256: String,
}

impl Backoffs {
    /// How long to wait still, if at all.
    pub(crate) fn wait(&self, key: &str, sha256: &str, now: Instant) -> Option<Duration> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(key).filter(|entry| entry.sha256 == sha256)?;
        entry.until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    pub(crate) fn succeeded(&self, key: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub(crate) fn failed(&self, key: &str, sha256: &str, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= KEYS_MAX {
            entries.retain(|_, entry| entry.until > now);
        }
        if entries.len() >= KEYS_MAX {
            entries.clear();
        }
        let entry = entries.entry(key.to_owned()).or_insert_with(|| Entry { failures: 0, until: now, sha256: sha256.to_owned() });
        if entry.sha256 != sha256 {
            *entry = Entry { failures: 0, until: now, sha256: sha256.to_owned() };
        }
        entry.failures = entry.failures.saturating_add(1);
        if entry.failures > FREE_FAILURES {
            let doublings = (entry.failures - FREE_FAILURES - 1).min(16);
            entry.until = now + (FIRST * 2_u32.pow(doublings)).min(LAST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_waits_double_from_a_second_to_five_minutes() {
        let backoffs = Backoffs::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..12 {
            backoffs.failed("t", "a", now);
            let wait = backoffs.wait("t", "a", now).unwrap_or_default();
            assert_eq!(backoffs.wait("other", "a", now), None, "others are not affected");
            assert_eq!(backoffs.wait("t", "b", now), None, "another file is tried at once");
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(backoffs.wait("t", "a", now), None, "and then it is tried again");
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoffs.succeeded("t");
        backoffs.failed("t", "a", now);
        assert_eq!(backoffs.wait("t", "a", now), None, "a success begins anew");
    }
}
