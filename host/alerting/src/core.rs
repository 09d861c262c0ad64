//! Grouping as a pure state machine: what has happened goes in with the time, what is to be done comes out.
//!
//! The rules are those of Alertmanager's dispatcher and notification pipeline: a new group waits `group_wait`; then a timer
//! of `group_interval` looks at it, and a message goes out if alerts have joined or are over, or if the last message is
//! older than `repeat_interval`. What differs: an attempt that is still being repeated at the group's next turn is not left
//! to run beside a new one, but ends, and the new message says all there is to say.

mod messages;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{Alert, AlertStatus, LabelSet, Notification, TimestampMs};

use crate::config::AlertingConfig;
use crate::group::{FailedAttempt, Group, fingerprints, merge};
use crate::inhibit::Inhibitors;
use crate::route::group_key;
use crate::sent::{LaneKey, Now, Sent, SentLog};
use crate::snapshot::AlertGroupSnapshot;

/// How long the last message of a group is remembered.
pub(crate) const RETENTION_MS: i64 = 120 * 3_600_000;
/// How long an alert that is over stays known, in case its group has yet to tell of it.
const RESOLVED_KEPT_MS: i64 = 15 * 60_000;
/// How long an alert that was told of before a restart counts as firing without being renewed: rules whose `for` is below
/// their grace period of ten minutes wait again, and a minute more is for their first evaluation.
pub(crate) const RESTORED_MS: i64 = 11 * 60_000;
/// Most alerts at a time; more are refused and counted.
pub(crate) const ALERTS_MAX: usize = 200_000;

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Alerts came in.
    Alerts(Vec<Alert>),
    /// Nothing but that time has passed.
    Tick,
    /// A delivery is over: the channel's receipt, or why there is none.
    Done { delivery: u64, result: Result<String, FailedAttempt> },
    /// An attempt failed and another is to come.
    Attempt { delivery: u64, attempts: u32, error: String },
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Action {
    /// Send a message.
    Deliver(Box<Job>),
    /// The delivery's group has its next turn: no more waiting between attempts.
    Hurry(u64),
    /// Keep in the ledger.
    Remember(LaneKey, String, Box<Sent>),
}

/// A message and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) delivery: u64,
    pub(crate) lane: LaneKey,
    /// Of the entry in its receiver.
    pub(crate) entry: usize,
    /// Title and text are still empty.
    pub(crate) notification: Notification,
    /// Templates by name, for `routeLabels`.
    pub(crate) route_labels: BTreeMap<String, String>,
    /// The remote side asked not to be called before.
    pub(crate) not_before: TimestampMs,
}

/// A group: the index of its route, and its labels.
type GroupId = (usize, LabelSet);

/// All alerts and groups.
pub(crate) struct Core {
    config: Arc<AlertingConfig>,
    external_url: String,
    alerts: HashMap<LabelSet, Alert>,
    groups: BTreeMap<GroupId, Group>,
    sent: SentLog,
    flights: HashMap<u64, (GroupId, usize)>,
    next_delivery: u64,
    cleaned_at: TimestampMs,
    /// No group has its turn before this, so that the many steps between turns need not look at all groups.
    next_turn: TimestampMs,
    /// Who keeps whom quiet; none once alerts have changed.
    inhibitors: Option<Inhibitors>,
    /// Alerts that were refused because there are too many.
    pub(crate) refused: u64,
}

impl Core {
    /// Begins with what the ledger remembers: alerts that were told of as firing fire on until they are renewed or until
    /// [`RESTORED_MS`] has passed.
    pub(crate) fn new(config: Arc<AlertingConfig>, external_url: String, sent: SentLog, now: TimestampMs) -> Self {
        let mut core = Self {
            config,
            external_url,
            alerts: HashMap::new(),
            groups: BTreeMap::new(),
            sent,
            flights: HashMap::new(),
            // Numbers of deliveries are part of message ids, so they differ over restarts.
            next_delivery: u64::try_from(now).unwrap_or(0).wrapping_mul(1000),
            cleaned_at: now,
            next_turn: TimestampMs::MAX,
            inhibitors: None,
            refused: 0,
        };
        let restored: Vec<(Alert, TimestampMs)> =
            core.sent.values().flat_map(|sent| sent.alerts.iter().map(|alert| (alert.clone(), sent.at))).collect();
        for (mut alert, sent_at) in restored {
            alert.ends_at = Some(alert.ends_at.unwrap_or(0).max(now + RESTORED_MS));
            core.insert(alert, now, Some(sent_at));
        }
        core
    }

    /// Alerts that are known now.
    pub(crate) fn alert_count(&self) -> usize {
        self.alerts.len()
    }

    /// What was sent, for the ledger.
    pub(crate) fn sent(&self) -> &SentLog {
        &self.sent
    }

    /// One step. Time never goes into the past on purpose, but it may: then timers wait longer.
    pub(crate) fn step(&mut self, event: Event, now: TimestampMs) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Alerts(alerts) => alerts.into_iter().for_each(|alert| self.take(alert, now)),
            Event::Tick => {}
            Event::Attempt { delivery, attempts, error } => self.attempt(delivery, attempts, error, now),
            Event::Done { delivery, result } => {
                self.refresh_inhibitors(now);
                self.done(delivery, result, now, &mut actions);
            }
        }
        self.refresh_inhibitors(now);
        if self.next_turn <= now {
            let turns: Vec<GroupId> = self.groups.iter().filter(|(_, group)| group.next_flush <= now).map(|(id, _)| id.clone()).collect();
            for id in turns {
                self.turn(&id, now, &mut actions);
            }
            self.find_next_turn();
        }
        self.clean(now);
        actions
    }

    /// When the next group has its turn.
    pub(crate) fn next_wakeup(&self) -> Option<TimestampMs> {
        Some(self.next_turn).filter(|next| *next < TimestampMs::MAX)
    }

    fn find_next_turn(&mut self) {
        self.next_turn = self.groups.values().map(|group| group.next_flush).min().unwrap_or(TimestampMs::MAX);
    }

    fn take(&mut self, mut alert: Alert, now: TimestampMs) {
        if alert.ends_at.is_none() {
            alert.ends_at = Some(now + self.config.resolve_timeout_ms);
        }
        if let Some(known) = self.alerts.get(&alert.labels) {
            alert = merge(known, alert, now);
        } else if self.alerts.len() >= ALERTS_MAX {
            self.refused += 1;
            return;
        }
        self.insert(alert, now, None);
    }

    /// Puts an alert into the groups of its routes. `told_at` is when its group last had a message, after a restart.
    fn insert(&mut self, alert: Alert, now: TimestampMs, told_at: Option<TimestampMs>) {
        self.alerts.insert(alert.labels.clone(), alert.clone());
        self.inhibitors = None;
        let config = Arc::clone(&self.config);
        for at in config.routes.matching(&alert.labels) {
            let route = &config.routes.0[at];
            let labels = route.group_by.of(&alert.labels);
            // An alert that is over does not make a group: nobody was told of it.
            if alert.status(now) == AlertStatus::Resolved && !self.groups.contains_key(&(at, labels.clone())) {
                continue;
            }
            let lanes = config.receivers.get(&route.receiver).map_or(0, Vec::len);
            let group = self
                .groups
                .entry((at, labels.clone()))
                .or_insert_with(|| Group::new(group_key(route, &labels), lanes, now + route.group_wait_ms));
            match told_at {
                Some(told_at) if !group.flushed => {
                    group.flushed = true;
                    group.next_flush = told_at;
                    group.set_next_flush(now, route.group_interval_ms);
                }
                // Whoever has waited long enough already, waits no more.
                None if !group.flushed && alert.starts_at.saturating_add(route.group_wait_ms) < now => group.next_flush = now,
                _ => {}
            }
            group.alerts.insert(alert.labels.clone(), alert.clone());
            self.next_turn = self.next_turn.min(group.next_flush);
        }
    }

    fn turn(&mut self, id: &GroupId, now: TimestampMs, actions: &mut Vec<Action>) {
        let interval = self.config.routes.0[id.0].group_interval_ms;
        let Some(group) = self.groups.get_mut(id) else { return };
        group.set_next_flush(now, interval);
        group.flushed = true;
        for lane in 0..group.lanes.len() {
            self.consider(id, lane, now, actions);
        }
        self.settle(id, now);
    }

    fn refresh_inhibitors(&mut self, now: TimestampMs) {
        let rules = &self.config.inhibit_rules;
        if !rules.is_empty() && !self.inhibitors.as_ref().is_some_and(|inhibitors| inhibitors.is_valid(now)) {
            self.inhibitors = Some(Inhibitors::new(rules, &self.alerts, now));
        }
    }

    /// The group's alerts that are not inhibited, by what they are now.
    fn visible(&self, group: &Group, now: TimestampMs) -> (Now, Vec<(AlertStatus, Alert)>) {
        let rules = &self.config.inhibit_rules;
        let quiet = |labels: &LabelSet| self.inhibitors.as_ref().is_some_and(|inhibitors| inhibitors.inhibit(rules, labels));
        let alerts = group.alerts.values().filter(|alert| !quiet(&alert.labels));
        let mut alerts: Vec<(AlertStatus, Alert)> = alerts.map(|alert| (alert.status(now), alert.clone())).collect();
        // Those that fire first; within, by labels, as the map has them.
        alerts.sort_by_key(|(status, _)| *status == AlertStatus::Resolved);
        (fingerprints(&alerts), alerts)
    }

    fn clean(&mut self, now: TimestampMs) {
        if (0..60_000).contains(&(now - self.cleaned_at)) {
            return;
        }
        self.cleaned_at = now;
        self.alerts.retain(|_, alert| alert.ends_at.is_none_or(|end| end > now - RESOLVED_KEPT_MS));
        self.sent.retain(|_, sent| sent.at > now - RETENTION_MS);
    }

    /// Goes on with another configuration: alerts find their groups anew, and what was sent stays known. Groups that remain
    /// keep their timers and running deliveries; deliveries of others end where they are.
    pub(crate) fn reconfigure(&mut self, config: Arc<AlertingConfig>, now: TimestampMs) -> Vec<Action> {
        let old_config = std::mem::replace(&mut self.config, config);
        self.inhibitors = None;
        let mut old: HashMap<(String, String), Group> = std::mem::take(&mut self.groups)
            .into_iter()
            .map(|((route, _), group)| ((old_config.routes.0[route].receiver.clone(), group.key.clone()), group))
            .collect();
        let flights = std::mem::take(&mut self.flights);
        for alert in self.alerts.values().cloned().collect::<Vec<_>>() {
            self.insert(alert, now, None);
        }
        let config = Arc::clone(&self.config);
        for (id, group) in &mut self.groups {
            let receiver = &config.routes.0[id.0].receiver;
            let Some(before) = old.remove(&(receiver.clone(), group.key.clone())) else { continue };
            group.flushed = before.flushed;
            group.next_flush = before.next_flush.min(now + config.routes.0[id.0].group_interval_ms);
            for (labels, alert) in before.alerts {
                group.alerts.entry(labels).or_insert(alert);
            }
            let same = |at: usize| {
                let entry = |config: &AlertingConfig| {
                    config.receivers.get(receiver).and_then(|entries| entries.get(at)).map(|entry| entry.section.clone())
                };
                entry(&old_config) == entry(&config)
            };
            for (at, lane) in before.lanes.into_iter().enumerate().take(group.lanes.len()) {
                if same(at) {
                    if let Some(flight) = &lane.flight {
                        self.flights.insert(flight.delivery, (id.clone(), at));
                    }
                    group.lanes[at] = lane;
                }
            }
        }
        self.find_next_turn();
        flights.into_keys().filter(|delivery| !self.flights.contains_key(delivery)).map(Action::Hurry).collect()
    }

    /// What pages show.
    pub(crate) fn snapshot(&self, now: TimestampMs) -> Vec<AlertGroupSnapshot> {
        let of = |(id, group): (&GroupId, &Group)| AlertGroupSnapshot {
            receiver: self.config.routes.0[id.0].receiver.clone(),
            group_key: group.key.clone(),
            labels: id.1.clone(),
            alerts: group.alerts.values().map(|alert| (alert.labels.fingerprint(), alert.status(now), alert.labels.clone())).collect(),
            // Of several places the one with an error counts, then the one that was tried last.
            last_notification: group.lanes.iter().filter_map(|lane| lane.last.clone()).max_by_key(|last| (!last.error.is_empty(), last.at)),
            next_flush: group.next_flush,
        };
        self.groups.iter().map(of).collect()
    }
}
