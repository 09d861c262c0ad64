//! The clocks of `for` after a restart, from `ALERTS_FOR_STATE`.
//!
//! The rules are those of Prometheus' `Group.RestoreForState`.

use std::collections::HashMap;

use model::seams::{Select, SelectRequest};
use model::{LabelSet, METRIC_NAME, Matcher, TimeRange, TimestampMs};

use crate::alert_state::Phase;
use crate::group::Group;

/// Clocks of alerts that were last seen longer ago are not restored.
const OUTAGE_TOLERANCE_MS: i64 = 3_600_000;
/// An alert that was pending waits at least so long after a restart; one whose `for` is shorter waits again from the start.
const GRACE_PERIOD_MS: i64 = 600_000;

/// Restores the clocks of a group's pending alerts, and lets its alerts be written from then on.
pub(crate) fn restore(group: &mut Group, select: &dyn Select, now: TimestampMs) {
    for (rule, state) in group.config.rules.iter().zip(&mut group.states) {
        let Some(alert) = rule.alert.as_ref().filter(|_| !state.restored) else { continue };
        state.restored = true;
        if alert.for_ms < GRACE_PERIOD_MS || state.alerts.is_empty() {
            continue;
        }
        let seen = match last_seen(&rule.name, select, now) {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(alert = rule.name, "the clock of alerts was not restored: {error}");
                continue;
            }
        };
        for (labels, alert_state) in &mut state.alerts {
            let Some((seen_at, active_at)) = seen.get(&labels.with(METRIC_NAME, "ALERTS_FOR_STATE")) else { continue };
            if let Some(active_at) = restored_active_at(*seen_at, *active_at, alert.for_ms, now) {
                alert_state.active_at = active_at;
                if alert_state.phase == Phase::Firing && now - active_at < alert.for_ms {
                    alert_state.phase = Phase::Pending;
                }
            }
        }
    }
}

/// Since when the condition counts as holding, if it held since `active_at` when it was last seen at `seen_at`.
fn restored_active_at(seen_at: TimestampMs, active_at: TimestampMs, for_ms: i64, now: TimestampMs) -> Option<TimestampMs> {
    let remaining = for_ms - (seen_at - active_at);
    Some(if remaining <= 0 {
        // It fired: at the next evaluation it does again.
        active_at
    } else if remaining < GRACE_PERIOD_MS {
        now + GRACE_PERIOD_MS - for_ms
    } else {
        // The time that nobody looked does not count.
        active_at + (now - seen_at)
    })
}

/// For each series of the alert: when it was last written, and the value then. What had ended is left out.
fn last_seen(name: &str, select: &dyn Select, now: TimestampMs) -> Result<HashMap<LabelSet, (TimestampMs, TimestampMs)>, String> {
    let matchers = [Matcher::equal(METRIC_NAME, "ALERTS_FOR_STATE"), Matcher::equal("alertname", name)];
    let range = TimeRange { start: now - OUTAGE_TOLERANCE_MS, end: now };
    let groups = select.select(&SelectRequest { matchers: &matchers, range }).map_err(|error| error.to_string())?;
    let mut found = HashMap::new();
    for group in groups {
        let samples = group.read().map_err(|error| error.to_string())?;
        for (labels, column) in group.labels().iter().zip(&samples.columns) {
            let values = column.floats();
            let inside = samples
                .times
                .iter()
                .zip(values)
                .filter(|(time, value)| range.start <= **time && **time <= range.end && !model::is_absent(**value));
            if let Some((time, value)) = inside.max_by_key(|(time, _)| **time).filter(|(_, value)| !model::is_stale(**value)) {
                found.insert(labels.clone(), (*time, (*value * 1000.0) as i64));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks() {
        let minutes = |n: i64| n * 60_000;
        // (last seen, active since, for, restart) -> active since, all in minutes.
        for (seen, active, hold, now, expected) in [
            // It fired before: it fires again at once.
            (30, 0, 20, 35, 0),
            // 15 of 30 minutes had passed when it stopped; 15 remain.
            (15, 0, 30, 25, 10),
            // 25 of 30 minutes had passed: it waits for the grace period, not for 5 minutes.
            (25, 0, 30, 35, 15),
            (5, 0, 10, 6, 6),
        ] {
            assert_eq!(
                restored_active_at(minutes(seen), minutes(active), minutes(hold), minutes(now)),
                Some(minutes(expected)),
                "seen {seen} active {active} for {hold} now {now}"
            );
        }
    }
}
