//! One group of alerts and the places it is told to.

use std::collections::BTreeMap;

use model::{Alert, AlertStatus, LabelSet, TimestampMs};

use crate::sent::Now;
use crate::snapshot::DeliverySnapshot;

/// Alerts of a route that share the labels it groups by.
#[derive(Debug)]
pub(crate) struct Group {
    /// In upstream's text form. The same after a restart.
    pub(crate) key: String,
    pub(crate) alerts: BTreeMap<LabelSet, Alert>,
    /// When it has its next turn.
    pub(crate) next_flush: TimestampMs,
    /// Whether it has had its first.
    pub(crate) flushed: bool,
    /// One for each entry of the receiver.
    pub(crate) lanes: Vec<Lane>,
}

/// One place that the group is told to.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// The delivery that is on its way: one at a time, so that messages of a group stay in order.
    pub(crate) flight: Option<Flight>,
    /// The group had a turn while one was on its way.
    pub(crate) again: bool,
    /// The remote side asked not to be called before.
    pub(crate) not_before: TimestampMs,
    /// What pages show.
    pub(crate) last: Option<DeliverySnapshot>,
}

/// What a delivery says.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) delivery: u64,
    pub(crate) set: Now,
    /// Those that fire.
    pub(crate) alerts: Vec<Alert>,
    pub(crate) sequence: u32,
}

/// A delivery that ended without arriving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FailedAttempt {
    /// For people.
    pub(crate) error: String,
    pub(crate) attempts: u32,
    /// The remote side asked not to be called before; 0 for none.
    pub(crate) not_before: TimestampMs,
}

impl Group {
    pub(crate) fn new(key: String, lanes: usize, next_flush: TimestampMs) -> Self {
        let lanes = std::iter::repeat_with(Lane::default).take(lanes).collect();
        Self { key, alerts: BTreeMap::new(), next_flush, flushed: false, lanes }
    }

    /// The next turn of the group's rhythm after now: turns that were missed are not made up for.
    pub(crate) fn set_next_flush(&mut self, now: TimestampMs, interval_ms: i64) {
        let interval = interval_ms.max(1);
        let missed = (now - self.next_flush).max(0) / interval;
        self.next_flush = self.next_flush.min(now) + (missed + 1) * interval;
    }
}

/// Fingerprints by status.
pub(crate) fn fingerprints(alerts: &[(AlertStatus, Alert)]) -> Now {
    let mut now = Now::default();
    for (status, alert) in alerts {
        let set = if *status == AlertStatus::Firing { &mut now.firing } else { &mut now.resolved };
        set.insert(alert.labels.fingerprint());
    }
    now
}

/// An alert that came again. If it was still firing, it is the same one, since its first start; if it was over, a new one
/// begins.
pub(crate) fn merge(known: &Alert, mut new: Alert, now: TimestampMs) -> Alert {
    let was_firing = known.status(now) == AlertStatus::Firing;
    // Something that is over and is reported as over again keeps its start and its later end.
    let both_over = !was_firing && new.status(now) == AlertStatus::Resolved;
    if was_firing || both_over {
        new.starts_at = new.starts_at.min(known.starts_at);
    }
    if both_over {
        new.ends_at = new.ends_at.max(known.ends_at);
    }
    new
}
