//! Alerts, time and places in a simulation.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Alert, LabelSet, TimestampMs};

use crate::config::AlertingConfig;
use crate::core::{Action, Core, Event, Job};
use crate::group::FailedAttempt;
use crate::sent::SentLog;

/// The configuration of a YAML text.
pub(super) fn config(text: &str) -> Result<AlertingConfig, String> {
    let node = yaml::parse(text).map_err(|error| error.to_string())?;
    AlertingConfig::from_node(&node, &mut |_| Ok(Vec::new())).map_err(|error| error.to_string())
}

/// `a=1 b=2`
pub(super) fn labels(text: &str) -> LabelSet {
    text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect()
}

/// The first moment of each simulation, in milliseconds.
const START: TimestampMs = 1_700_000_000_000;

pub(super) struct World {
    pub(super) core: Core,
    config: Arc<AlertingConfig>,
    now: TimestampMs,
    /// What places heard: `30s team slack[0] firing 1+0 a`.
    heard: Vec<String>,
    /// Places that do not answer, and how: `retry`, `final`, `wait=600s`.
    down: BTreeMap<String, String>,
    held: BTreeMap<u64, Box<Job>>,
}

impl World {
    pub(super) fn new(text: &str) -> Self {
        let config = Arc::new(config(text).expect("the configuration is good"));
        let core = Core::new(Arc::clone(&config), String::new(), SentLog::new(), START);
        Self { core, config, now: START, heard: Vec::new(), down: BTreeMap::new(), held: BTreeMap::new() }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Remember(..) => {}
                Action::Hurry(delivery) => self.give_up(delivery),
                Action::Deliver(job) => self.deliver(job),
            }
        }
    }

    fn deliver(&mut self, job: Box<Job>) {
        let place = job.lane.entry.clone();
        match self.down.get(&place).map(String::as_str) {
            None if job.not_before <= self.now => {
                let message = &job.notification;
                let names: Vec<&str> = message.alerts.iter().filter_map(|(_, alert)| alert.labels.get("a")).collect();
                let reason = format!("{:?}", message.reason).to_lowercase();
                let line = format!(
                    "{} {} {} {reason} {}+{} {}",
                    seconds(self.now - START),
                    job.lane.receiver,
                    place,
                    message.firing_count,
                    message.resolved_count,
                    names.join(",")
                );
                self.heard.push(line);
                let event = Event::Done { delivery: job.delivery, result: Ok(String::new()) };
                let actions = self.core.step(event, self.now);
                self.perform(actions);
            }
            Some("final") => {
                let failed = FailedAttempt { error: "no".to_owned(), attempts: 1, not_before: 0 };
                let actions = self.core.step(Event::Done { delivery: job.delivery, result: Err(failed) }, self.now);
                self.perform(actions);
            }
            _ => drop(self.held.insert(job.delivery, job)),
        }
    }

    /// The group's next turn ends an attempt that waits.
    fn give_up(&mut self, delivery: u64) {
        let Some(job) = self.held.remove(&delivery) else { return };
        let wait = self.down.get(&job.lane.entry).and_then(|how| how.strip_prefix("wait=")).map_or(0, parse);
        let not_before = if wait > 0 { self.now + wait } else { job.not_before };
        let failed = FailedAttempt { error: "still down".to_owned(), attempts: 3, not_before };
        let actions = self.core.step(Event::Done { delivery, result: Err(failed) }, self.now);
        self.perform(actions);
    }

    /// What waited tries again, as its backoff would.
    fn retry(&mut self) {
        for (_, job) in std::mem::take(&mut self.held) {
            self.deliver(job);
        }
    }

    fn until(&mut self, end: TimestampMs) {
        while let Some(next) = self.core.next_wakeup().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            let actions = self.core.step(Event::Tick, self.now);
            self.perform(actions);
            self.retry();
        }
        self.now = end;
    }

    /// Lines of `time command`: `fire labels`, `resolve labels`, `down place how`, `up place`, `restart`, `wait`. A firing
    /// alert is renewed each minute until it is resolved, as rules do.
    pub(super) fn run(mut self, script: &str) -> Vec<String> {
        let mut firing: BTreeMap<LabelSet, TimestampMs> = BTreeMap::new();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (time, command) = line.split_once(' ').expect("a time and a command");
            let time = START + parse(time);
            while self.now < time {
                let next = (self.now - self.now % 60_000 + 60_000).min(time);
                self.until(next);
                if next % 60_000 == 0 {
                    let alerts = firing.iter().map(|(labels, since)| alert(labels, *since, self.now + 240_000)).collect();
                    self.submit(alerts);
                }
            }
            let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
            match word {
                "fire" => {
                    firing.insert(labels(rest), self.now);
                    self.submit(vec![alert(&labels(rest), self.now, self.now + 240_000)]);
                }
                "resolve" => {
                    let since = firing.remove(&labels(rest)).expect("it fires");
                    self.submit(vec![alert(&labels(rest), since, self.now)]);
                }
                // Nobody renews it, and nobody says that it is over.
                "vanish" => drop(firing.remove(&labels(rest))),
                "down" => {
                    let (place, how) = rest.split_once(' ').expect("a place and how");
                    self.down.insert(place.to_owned(), how.to_owned());
                }
                "up" => {
                    self.down.remove(rest);
                    self.retry();
                }
                "restart" => {
                    self.held.clear();
                    self.core = Core::new(Arc::clone(&self.config), String::new(), self.core.sent().clone(), self.now);
                }
                "wait" => {}
                other => panic!("no command {other}"),
            }
        }
        self.heard
    }

    fn submit(&mut self, alerts: Vec<Alert>) {
        let actions = self.core.step(Event::Alerts(alerts), self.now);
        self.perform(actions);
    }
}

fn alert(labels: &LabelSet, starts_at: TimestampMs, ends_at: TimestampMs) -> Alert {
    Alert {
        labels: labels.clone(),
        annotations: LabelSet::empty(),
        starts_at,
        ends_at: Some(ends_at),
        generator_url: String::new(),
        value: None,
    }
}

fn parse(text: &str) -> i64 {
    i64::try_from(model::parse_duration(text).expect("a duration")).expect("a short one")
}

fn seconds(ms: i64) -> String {
    model::format_duration(u64::try_from(ms).expect("it is not before the start"))
}
