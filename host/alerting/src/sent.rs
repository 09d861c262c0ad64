//! What was sent, and whether there is something new to say.

use std::collections::{BTreeMap, BTreeSet};

use model::{Alert, Reason, TimestampMs};

/// One place that messages go to: an entry of a receiver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneKey {
    pub(crate) receiver: String,
    /// `slack[0]`.
    pub(crate) entry: String,
}

/// The last message of a group to a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) at: TimestampMs,
    /// Fingerprints.
    pub(crate) firing: BTreeSet<u64>,
    pub(crate) resolved: BTreeSet<u64>,
    /// Those that fired, so that a restart can tell when they are over.
    pub(crate) alerts: Vec<Alert>,
    /// The channel's receipt, to edit the message or to answer in its thread.
    pub(crate) receipt: String,
    /// How many messages the group has had.
    pub(crate) sequence: u32,
}

/// By place and group key.
pub(crate) type SentLog = BTreeMap<(LaneKey, String), Sent>;

/// A group's alerts at one moment, by fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) firing: BTreeSet<u64>,
    pub(crate) resolved: BTreeSet<u64>,
}

/// Why a message is due now, if one is. The rules are those of Alertmanager's DedupStage.
pub(crate) fn due(last: Option<&Sent>, group: &Now, send_resolved: bool, repeat_interval_ms: i64, now: TimestampMs) -> Option<Reason> {
    let Some(last) = last else { return (!group.firing.is_empty()).then_some(Reason::Firing) };
    if !group.firing.is_subset(&last.firing) {
        return Some(Reason::Firing);
    }
    if group.firing.is_empty() {
        // Even where resolved alerts are not told of, so that it is known that they are over.
        return (!last.firing.is_empty()).then_some(Reason::Resolved);
    }
    if send_resolved && !group.resolved.is_subset(&last.resolved) {
        return Some(Reason::Firing);
    }
    (last.at < now.saturating_sub(repeat_interval_ms)).then_some(Reason::Repeat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_message_is_due() {
        let set = |numbers: &[u64]| numbers.iter().copied().collect::<BTreeSet<u64>>();
        let last = |firing: &[u64], resolved: &[u64]| Sent {
            at: 1000,
            firing: set(firing),
            resolved: set(resolved),
            alerts: Vec::new(),
            receipt: String::new(),
            sequence: 1,
        };
        for (last, firing, resolved, send_resolved, now, expected) in [
            (None, &[1][..], &[][..], true, 0, Some(Reason::Firing)),
            (None, &[], &[1], true, 0, None),
            (Some(last(&[1], &[])), &[1], &[], true, 1100, None),
            (Some(last(&[1], &[])), &[1, 2], &[], true, 1100, Some(Reason::Firing)),
            (Some(last(&[1, 2], &[])), &[1], &[2], true, 1100, Some(Reason::Firing)),
            (Some(last(&[1, 2], &[])), &[1], &[2], false, 1100, None),
            (Some(last(&[1], &[2])), &[1], &[2], true, 1100, None),
            (Some(last(&[1], &[])), &[], &[1], true, 1100, Some(Reason::Resolved)),
            (Some(last(&[1], &[])), &[], &[1], false, 1100, Some(Reason::Resolved)),
            (Some(last(&[], &[1])), &[], &[1, 2], true, 1100, None),
            (Some(last(&[1], &[])), &[1], &[], true, 6000, None),
            (Some(last(&[1], &[])), &[1], &[], true, 6001, Some(Reason::Repeat)),
        ] {
            let now_set = Now { firing: set(firing), resolved: set(resolved) };
            assert_eq!(due(last.as_ref(), &now_set, send_resolved, 5000, now), expected, "{last:?} {now_set:?}");
        }
    }
}
