//! Counters.

use std::collections::{BTreeMap, HashMap};

use crate::core::Event;

/// Counters since the start.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Alerts that were handed over, repetitions included.
    pub alerts_received: u64,
    /// Alerts that were refused because there are too many.
    pub alerts_refused: u64,
    /// Alerts that are known now.
    pub alerts: u64,
    /// Messages by channel.
    pub channels: BTreeMap<String, ChannelStats>,
    /// Lines of the ledger that could not be written.
    pub ledger_errors: u64,
    running: HashMap<u64, String>,
}

/// Messages of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Messages that arrived.
    pub sent: u64,
    /// Messages that were given up, or went on as part of the group's next one.
    pub failed: u64,
    /// Attempts that failed and were repeated.
    pub retries: u64,
}

impl Stats {
    pub(crate) fn started(&mut self, delivery: u64, plugin: &str) {
        self.channels.entry(plugin.to_owned()).or_default();
        self.running.insert(delivery, plugin.to_owned());
    }

    pub(crate) fn count(&mut self, event: &Event) {
        let (delivery, add): (u64, fn(&mut ChannelStats)) = match event {
            Event::Done { delivery, result: Ok(_) } => (*delivery, |stats| stats.sent += 1),
            Event::Done { delivery, result: Err(_) } => (*delivery, |stats| stats.failed += 1),
            Event::Attempt { delivery, .. } => (*delivery, |stats| stats.retries += 1),
            Event::Alerts(_) | Event::Tick => return,
        };
        if let Some(plugin) = self.running.get(&delivery) {
            add(self.channels.entry(plugin.clone()).or_default());
        }
        if matches!(event, Event::Done { .. }) {
            self.running.remove(&delivery);
        }
    }
}
