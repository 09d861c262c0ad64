//! The life of one alert as a pure function: inactive, pending, firing, resolved.
//!
//! The rules are those of Prometheus' `AlertingRule.Eval`.

use model::{LabelSet, TimestampMs};

/// How long an alert that is over is kept and sent, so that whoever missed its end hears of it.
pub(crate) const RESOLVED_KEPT_MS: i64 = 15 * 60_000;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The condition holds, but not for long enough.
    Pending,
    /// It has held for long enough.
    Firing,
    /// It fired, and the condition no longer holds.
    Resolved,
}

/// An alert that a rule keeps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlertState {
    pub(crate) annotations: LabelSet,
    pub(crate) value: f64,
    pub(crate) phase: Phase,
    /// Since when the condition holds.
    pub(crate) active_at: TimestampMs,
    pub(crate) fired_at: TimestampMs,
    pub(crate) resolved_at: Option<TimestampMs>,
    /// Since when only `keep_firing_for` holds it.
    pub(crate) keep_firing_since: Option<TimestampMs>,
    pub(crate) last_sent_at: Option<TimestampMs>,
}

/// What an evaluation found for a label set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) value: f64,
    pub(crate) annotations: LabelSet,
}

/// `for` and `keep_firing_for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) for_ms: i64,
    pub(crate) keep_firing_for_ms: i64,
}

/// The alert after an evaluation at `now`, which found it (`seen`) or not. None if there is nothing left to keep.
pub(crate) fn step(before: Option<AlertState>, seen: Option<Seen>, policy: Policy, now: TimestampMs) -> Option<AlertState> {
    let mut alert = match (before, seen) {
        (Some(before), Some(seen)) if before.phase != Phase::Resolved => {
            AlertState { value: seen.value, annotations: seen.annotations, keep_firing_since: None, ..before }
        }
        (_, Some(seen)) => AlertState {
            annotations: seen.annotations,
            value: seen.value,
            phase: Phase::Pending,
            active_at: now,
            fired_at: 0,
            resolved_at: None,
            keep_firing_since: None,
            last_sent_at: None,
        },
        (Some(before), None) => return unseen(before, policy, now),
        (None, None) => return None,
    };
    if alert.phase == Phase::Pending && now - alert.active_at >= policy.for_ms {
        alert.phase = Phase::Firing;
        alert.fired_at = now;
    }
    Some(alert)
}

fn unseen(mut alert: AlertState, policy: Policy, now: TimestampMs) -> Option<AlertState> {
    match alert.phase {
        Phase::Pending => None,
        Phase::Firing => {
            if policy.keep_firing_for_ms > 0 && now - *alert.keep_firing_since.get_or_insert(now) < policy.keep_firing_for_ms {
                return Some(alert);
            }
            alert.phase = Phase::Resolved;
            alert.resolved_at = Some(now);
            Some(alert)
        }
        Phase::Resolved => alert.resolved_at.is_some_and(|at| now - at <= RESOLVED_KEPT_MS).then_some(alert),
    }
}

/// Whether the alert is to be handed over now: when it is over, and each `resend_delay_ms` otherwise.
pub(crate) fn needs_sending(alert: &AlertState, resend_delay_ms: i64, now: TimestampMs) -> bool {
    match (alert.phase, alert.last_sent_at) {
        (Phase::Pending, _) => false,
        (_, None) => true,
        (_, Some(sent)) => alert.resolved_at.is_some_and(|at| at > sent) || sent + resend_delay_ms < now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter for each minute: `x` the condition holds, `.` it does not. The answer has one letter for each: `p`ending,
    /// `f`iring, `k`ept firing, `r`esolved, `-` nothing.
    #[track_caller]
    fn check(for_minutes: i64, keep_minutes: i64, condition: &str, expected: &str) {
        let policy = Policy { for_ms: for_minutes * 60_000, keep_firing_for_ms: keep_minutes * 60_000 };
        let mut state = None;
        let mut found = String::new();
        for (minute, letter) in (0_i64..).zip(condition.chars()) {
            let seen = (letter == 'x').then(|| Seen { value: 1.0, annotations: LabelSet::empty() });
            state = step(state, seen, policy, minute * 60_000);
            found.push(match &state {
                None => '-',
                Some(alert) => match (alert.phase, alert.keep_firing_since) {
                    (Phase::Pending, _) => 'p',
                    (Phase::Firing, None) => 'f',
                    (Phase::Firing, Some(_)) => 'k',
                    (Phase::Resolved, _) => 'r',
                },
            });
        }
        assert_eq!(found, expected, "for {for_minutes} keep {keep_minutes}: {condition}");
    }

    #[test]
    fn lives_of_alerts() {
        check(0, 0, "x.x", "frf");
        check(2, 0, "xxxx", "ppff");
        check(2, 0, "xx.xxx", "pp-ppf");
        check(2, 0, "xxx.xxx", "ppfrppf");
        check(0, 2, "x...", "fkkr");
        check(0, 2, "x.x...", "fkfkkr");
        check(0, 2, "x....x", "fkkrrf");
        // What is over is kept for a quarter of an hour.
        check(0, 0, &format!("x{}", ".".repeat(18)), &format!("f{}--", "r".repeat(16)));
        // True and false at each evaluation: without keep_firing_for each is a new alert, with it one alert.
        check(0, 0, "x.x.x.", "frfrfr");
        check(0, 5, "x.x.x.", "fkfkfk");
    }

    #[test]
    fn sending() {
        let alert = |phase, resolved_at, last_sent_at| AlertState {
            annotations: LabelSet::empty(),
            value: 1.0,
            phase,
            active_at: 0,
            fired_at: 0,
            resolved_at,
            keep_firing_since: None,
            last_sent_at,
        };
        for (state, now, expected) in [
            (alert(Phase::Pending, None, None), 0, false),
            (alert(Phase::Firing, None, None), 0, true),
            (alert(Phase::Firing, None, Some(1000)), 61_000, false),
            (alert(Phase::Firing, None, Some(1000)), 61_001, true),
            (alert(Phase::Resolved, Some(2000), Some(1000)), 2000, true),
            (alert(Phase::Resolved, Some(2000), Some(2000)), 3000, false),
        ] {
            assert_eq!(needs_sending(&state, 60_000, now), expected, "{state:?} at {now}");
        }
    }
}
