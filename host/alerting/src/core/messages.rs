//! Which message a place gets when its group has its turn, and what is known once that message arrived or failed.

use model::{Alert, AlertStatus, LabelSet, TimestampMs};

use super::{Action, Core, GroupId, Job, RETENTION_MS};
use crate::group::{FailedAttempt, Flight, Lane};
use crate::notification::{build, severity_of};
use crate::sent::{LaneKey, Sent, due};
use crate::snapshot::DeliverySnapshot;

impl Core {
    fn lane_key(&self, id: &GroupId, lane: usize) -> LaneKey {
        let receiver = &self.config.routes.0[id.0].receiver;
        let entries = self.config.receivers.get(receiver).map_or(&[][..], Vec::as_slice);
        // Numbered per plugin, as upstream names integrations.
        let plugin = entries.get(lane).map_or("", |entry| entry.plugin.as_str());
        let number = entries.iter().take(lane).filter(|entry| entry.plugin == plugin).count();
        LaneKey { receiver: receiver.clone(), entry: format!("{plugin}[{number}]") }
    }

    /// Sends what a place has not heard yet, or tells the running delivery that its time is over.
    pub(super) fn consider(&mut self, id: &GroupId, lane: usize, now: TimestampMs, actions: &mut Vec<Action>) {
        let Some(group) = self.groups.get(id) else { return };
        if let Some(flight) = &group.lanes[lane].flight {
            actions.push(Action::Hurry(flight.delivery));
            if let Some(group) = self.groups.get_mut(id) {
                group.lanes[lane].again = true;
            }
            return;
        }
        let route = &self.config.routes.0[id.0];
        let key = self.lane_key(id, lane);
        let (set, alerts) = self.visible(group, now);
        if alerts.is_empty() {
            return;
        }
        let group_key = group.key.clone();
        let send_resolved =
            self.config.receivers.get(&route.receiver).and_then(|entries| entries.get(lane)).is_none_or(|entry| entry.send_resolved);
        let last = self.sent.get(&(key.clone(), group_key.clone())).filter(|sent| sent.at > now - RETENTION_MS);
        let repeat = route.repeat_interval_ms.min(RETENTION_MS - route.group_interval_ms.min(RETENTION_MS));
        let Some(reason) = due(last, &set, send_resolved, repeat, now) else { return };
        let (sequence, receipt) = last.map_or((0, String::new()), |sent| (sent.sequence, sent.receipt.clone()));
        let firing: Vec<Alert> =
            alerts.iter().filter(|(status, _)| *status == AlertStatus::Firing).map(|(_, alert)| alert.clone()).collect();
        if !send_resolved && set.firing.is_empty() {
            // Nobody wants to hear it, but it is over.
            let sent = Sent { at: now, firing: set.firing, resolved: set.resolved, alerts: firing, receipt, sequence };
            self.remember(key, group_key, sent, actions);
            return;
        }
        let told = if send_resolved { alerts } else { alerts.into_iter().filter(|(status, _)| *status == AlertStatus::Firing).collect() };
        self.next_delivery += 1;
        let delivery = self.next_delivery;
        let mut notification = build(&told, &id.1, &self.external_url);
        notification.id = format!("{:016x}-{delivery}", LabelSet::from_pairs([(key.receiver.as_str(), group_key.as_str())]).fingerprint());
        notification.receiver.clone_from(&key.receiver);
        notification.reason = reason;
        notification.group_key.clone_from(&group_key);
        notification.previous_receipt = Some(receipt).filter(|receipt| !receipt.is_empty());
        notification.sequence = sequence + 1;
        notification.severity = severity_of(&told);
        let route_labels = route.labels.clone();
        let Some(group) = self.groups.get_mut(id) else { return };
        let slot = &mut group.lanes[lane];
        slot.flight = Some(Flight { delivery, set, alerts: firing, sequence: sequence + 1 });
        slot.last = Some(DeliverySnapshot { at: now, attempts: 0, error: String::new(), pending: true });
        let not_before = slot.not_before;
        self.flights.insert(delivery, (id.clone(), lane));
        actions.push(Action::Deliver(Box::new(Job { delivery, lane: key, entry: lane, notification, route_labels, not_before })));
    }

    fn remember(&mut self, key: LaneKey, group_key: String, sent: Sent, actions: &mut Vec<Action>) {
        actions.push(Action::Remember(key.clone(), group_key.clone(), Box::new(sent.clone())));
        self.sent.insert((key, group_key), sent);
    }

    fn lane_mut(&mut self, delivery: u64) -> Option<&mut Lane> {
        let (id, lane) = self.flights.get(&delivery)?;
        self.groups.get_mut(id)?.lanes.get_mut(*lane)
    }

    /// An attempt failed, and another is to come.
    pub(super) fn attempt(&mut self, delivery: u64, attempts: u32, error: String, now: TimestampMs) {
        if let Some(lane) = self.lane_mut(delivery) {
            lane.last = Some(DeliverySnapshot { at: now, attempts, error, pending: true });
        }
    }

    /// A delivery is over.
    pub(super) fn done(&mut self, delivery: u64, result: Result<String, FailedAttempt>, now: TimestampMs, actions: &mut Vec<Action>) {
        let Some((id, lane)) = self.flights.remove(&delivery) else { return };
        let key = self.lane_key(&id, lane);
        let Some(group) = self.groups.get_mut(&id) else { return };
        let slot = &mut group.lanes[lane];
        let Some(flight) = slot.flight.take() else { return };
        let before = slot.last.as_ref().map_or(0, |last| last.attempts);
        let again = std::mem::take(&mut slot.again);
        let group_key = group.key.clone();
        match result {
            Ok(receipt) => {
                slot.not_before = 0;
                slot.last = Some(DeliverySnapshot { at: now, attempts: before + 1, error: String::new(), pending: false });
                let sent = Sent {
                    at: now,
                    firing: flight.set.firing,
                    resolved: flight.set.resolved,
                    alerts: flight.alerts,
                    receipt,
                    sequence: flight.sequence,
                };
                self.remember(key, group_key, sent, actions);
            }
            Err(failed) => {
                slot.not_before = failed.not_before;
                slot.last = Some(DeliverySnapshot { at: now, attempts: failed.attempts, error: failed.error, pending: false });
            }
        }
        if again {
            self.consider(&id, lane, now, actions);
        }
        self.settle(&id, now);
    }

    /// Forgets alerts that are over once every place knows, and the group with its last alert.
    pub(super) fn settle(&mut self, id: &GroupId, now: TimestampMs) {
        let Some(group) = self.groups.get(id) else { return };
        let (set, _) = self.visible(group, now);
        let route = &self.config.routes.0[id.0];
        let entries = self.config.receivers.get(&route.receiver).map_or(&[][..], Vec::as_slice);
        let settled = group.lanes.iter().enumerate().all(|(at, lane)| {
            let send_resolved = entries.get(at).is_none_or(|entry| entry.send_resolved);
            let last = self.sent.get(&(self.lane_key(id, at), group.key.clone()));
            lane.flight.is_none() && due(last, &set, send_resolved, i64::MAX, now).is_none()
        });
        let Some(group) = self.groups.get_mut(id) else { return };
        if settled && group.flushed {
            group.alerts.retain(|_, alert| alert.status(now) == AlertStatus::Firing);
        }
        // What nobody could be told of for so long, nobody needs to hear any more.
        group.alerts.retain(|_, alert| alert.ends_at.is_none_or(|end| end > now - RETENTION_MS));
        if group.alerts.is_empty() && group.lanes.iter().all(|lane| lane.flight.is_none()) {
            self.groups.remove(id);
        }
    }
}
