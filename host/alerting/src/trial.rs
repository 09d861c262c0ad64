//! A test message: once, to every place of one receiver, past routes, groups and the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::config::nearest;
use model::seams::{Channel, Plugins};
use model::{Alert, AlertStatus, Clock, LabelSet, Notification, Reason};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::alerting::{Alerting, AlertingError, Wiring};
use crate::config::{AlertingConfig, Entry};
use crate::expand::Templates;
use crate::notification::build;

/// The name of the alert in a test message.
const ALERT_NAME: &str = "SkoposTest";
/// Longest wait for one place. Somebody is sitting in front of it.
const ATTEMPT_MAX: Duration = Duration::from_secs(30);

/// A receiver and what it sends through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSnapshot {
    /// As in the configuration.
    pub name: String,
    /// The plugins of its entries, in their order: `slack`, `slack`, `email`.
    pub integrations: Vec<String>,
}

/// What became of a test message at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// `slack[0]`, numbered for each plugin as upstream names integrations.
    pub integration: String,
    /// Whether the place took the message.
    pub ok: bool,
    /// Why not; where it did, what was wrong with its templates, or nothing.
    pub error: String,
}

/// Why no test message was sent to anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestError {
    /// No receiver has the name. The text names the nearest and all that there are.
    UnknownReceiver(String),
    /// There is no alerting yet, because the server is still starting.
    Starting,
}

impl std::fmt::Display for TestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownReceiver(text) => f.write_str(text),
            Self::Starting => f.write_str("still starting: try again in a moment"),
        }
    }
}

impl std::error::Error for TestError {}

impl Alerting {
    /// The receivers of the configuration in force, sorted by name.
    #[must_use]
    pub fn receivers(&self) -> Vec<ReceiverSnapshot> {
        self.wiring().config.receiver_snapshots()
    }

    /// Sends a clearly marked test message to every place of a receiver: one attempt each, at the same time, past routes,
    /// groups, silences and the ledger. A receiver without places answers an empty list.
    pub async fn send_test(&self, receiver: &str) -> Result<Vec<TestResult>, TestError> {
        self.wiring().send_test(receiver, Arc::clone(self.clock()), self.external_url()).await
    }
}

impl AlertingConfig {
    /// Its receivers, sorted by name.
    #[must_use]
    pub fn receiver_snapshots(&self) -> Vec<ReceiverSnapshot> {
        let integrations = |entries: &Vec<Entry>| entries.iter().map(|entry| entry.plugin.clone()).collect();
        self.receivers.iter().map(|(name, entries)| ReceiverSnapshot { name: name.clone(), integrations: integrations(entries) }).collect()
    }
}

/// A receiver whose places are ready to be tried, without [`Alerting`]: for the command line, which keeps no ledger.
pub struct Trial {
    wiring: Wiring,
    clock: Arc<dyn Clock>,
    external_url: String,
}

impl Trial {
    /// Checks every channel and template as [`Alerting::new`] does.
    pub fn new(
        config: AlertingConfig,
        channels: &dyn Plugins,
        clock: Arc<dyn Clock>,
        external_url: impl Into<String>,
    ) -> Result<Self, AlertingError> {
        Ok(Self { wiring: Wiring::new(config, channels)?, clock, external_url: external_url.into() })
    }

    /// As [`Alerting::send_test`].
    pub async fn send(&self, receiver: &str) -> Result<Vec<TestResult>, TestError> {
        self.wiring.send_test(receiver, Arc::clone(&self.clock), &self.external_url).await
    }
}

impl Wiring {
    async fn send_test(&self, receiver: &str, clock: Arc<dyn Clock>, external_url: &str) -> Result<Vec<TestResult>, TestError> {
        let Some(entries) = self.config.receivers.get(receiver) else { return Err(self.unknown(receiver)) };
        let mut attempts = JoinSet::new();
        let mut results = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let number = entries.iter().take(at).filter(|other| other.plugin == entry.plugin).count();
            let integration = format!("{}[{number}]", entry.plugin);
            let missing = TestResult { integration, ok: false, error: "no plugin serves it".to_owned() };
            if let Some(place) = self.places.get(&(receiver.to_owned(), at)) {
                let notification = message(receiver, &missing.integration, clock.as_ref(), external_url);
                let attempt = Attempt {
                    channel: Arc::clone(&place.channel),
                    templates: Arc::clone(&self.templates),
                    clock: Arc::clone(&clock),
                    notification,
                };
                let integration = missing.integration.clone();
                attempts.spawn(async move {
                    let (ok, error) = attempt.run().await;
                    (at, TestResult { integration, ok, error })
                });
            }
            results.push(missing);
        }
        while let Some(done) = attempts.join_next().await {
            // A task that panicked leaves its place's "not sent" standing.
            if let Ok((at, result)) = done {
                results[at] = result;
            }
        }
        Ok(results)
    }

    fn unknown(&self, receiver: &str) -> TestError {
        let names: Vec<&str> = self.config.receivers.keys().map(String::as_str).collect();
        let hint = nearest(receiver, names.iter().copied()).map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        // An alerting configuration has at least the receiver of its root route.
        TestError::UnknownReceiver(format!("no receiver is called {receiver:?}{hint} (receivers: {})", names.join(", ")))
    }
}

/// The message about an alert that nobody raised.
fn message(receiver: &str, integration: &str, clock: &dyn Clock, external_url: &str) -> Notification {
    let now = clock.now();
    let labels = LabelSet::from_pairs([("alertname", ALERT_NAME), ("receiver", receiver), ("severity", "none")]);
    let annotations = LabelSet::from_pairs([
        ("summary", format!("Test message from Skopos to the receiver {receiver}")),
        (
            "description",
            "Somebody asked for this message to see that it arrives. Nothing is wrong, and nothing needs to be done.".to_owned(),
        ),
    ]);
    let alert = Alert { labels, annotations, starts_at: now, ends_at: None, generator_url: external_url.to_owned(), value: None };
    let group_labels = LabelSet::from_pairs([("alertname", ALERT_NAME)]);
    let mut notification = build(&[(AlertStatus::Firing, alert)], &group_labels, external_url);
    // Its own key each time, so that a channel never takes it for the continuation of another message.
    notification.group_key = format!("{{}}:{{alertname={ALERT_NAME:?}}}:test-{now}");
    notification.id = format!("test-{now}-{integration}");
    receiver.clone_into(&mut notification.receiver);
    notification.reason = Reason::Test;
    notification.sequence = 1;
    "none".clone_into(&mut notification.severity);
    notification
}

/// One message to one place, once.
struct Attempt {
    channel: Arc<dyn Channel>,
    templates: Arc<Templates>,
    clock: Arc<dyn Clock>,
    notification: Notification,
}

impl Attempt {
    async fn run(self) -> (bool, String) {
        let (templates, fields, now) = (self.templates, self.channel.templates(), self.clock.now());
        let mut notification = self.notification;
        // Templates cost computing time, so they do not run on the threads that serve everyone.
        let work = tokio::task::spawn_blocking(move || {
            let expanded = templates.expand_all(&mut notification, &BTreeMap::new(), &fields, now);
            (expanded, notification)
        });
        let (expanded, notification) = match work.await {
            Ok(done) => done,
            Err(error) => return (false, format!("expanding the templates failed: {error}")),
        };
        let outcome = timeout(ATTEMPT_MAX, self.channel.send(&notification, &expanded.fields)).await;
        match outcome {
            Ok(Ok(_)) if expanded.errors.is_empty() => (true, String::new()),
            Ok(Ok(_)) => (true, format!("arrived, but its templates failed: {}", expanded.errors.join("; "))),
            Ok(Err(error)) => (false, error.message),
            Err(_) => (false, format!("no answer within {} s", ATTEMPT_MAX.as_secs())),
        }
    }
}
