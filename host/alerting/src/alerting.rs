//! Runs the state machine: takes alerts in, keeps time, has messages delivered, and keeps the ledger.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::config::ConfigError;
use model::seams::{AlertSink, Channel, PluginKind, Plugins};
use model::{Alert, Clock, LabelSet};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::config::AlertingConfig;
use crate::core::{ALERTS_MAX, Action, Core, Event, Job};
use crate::deliver::{Delivery, milliseconds_until};
use crate::expand::Templates;
use crate::group::FailedAttempt;
use crate::ledger::Ledger;
use crate::sent::{LaneKey, Sent};
use crate::snapshot::AlertGroupSnapshot;
use crate::stats::Stats;

/// Calls to one place at a time.
const CALLS_MAX: usize = 4;
/// Time for running calls when the process ends.
const FAREWELL: Duration = Duration::from_secs(10);
/// Longest sleep: the wall clock may jump.
const SLEEP_MAX_MS: u64 = 1000;

/// Why alerting could not begin, or take a new configuration.
#[derive(Debug)]
pub enum AlertingError {
    /// Something in the configuration, with its place.
    Config(ConfigError),
    /// A template file cannot be read; the text names it.
    Template(String),
    /// The ledger could not be opened; the text says where.
    Ledger(String),
}

impl fmt::Display for AlertingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Template(text) | Self::Ledger(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for AlertingError {}

/// What alerting needs from the rest of the program.
#[derive(Clone)]
pub struct AlertingDeps {
    /// Hands out channels.
    pub channels: Arc<dyn Plugins>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The host's own web address, without a slash at its end.
    pub external_url: String,
    /// Where the ledger is kept. Made if it is not there.
    pub ledger_dir: PathBuf,
}

/// What follows from a configuration.
pub(crate) struct Wiring {
    pub(crate) config: Arc<AlertingConfig>,
    pub(crate) templates: Arc<Templates>,
    /// By receiver and the place of the entry in it.
    pub(crate) places: HashMap<(String, usize), Place>,
}

#[derive(Clone)]
pub(crate) struct Place {
    plugin: String,
    pub(crate) channel: Arc<dyn Channel>,
    permits: Arc<Semaphore>,
}

impl Wiring {
    pub(crate) fn new(config: AlertingConfig, channels: &dyn Plugins) -> Result<Self, AlertingError> {
        let templates = Templates::new(&config.templates).map_err(|error| AlertingError::Template(error.to_string()))?;
        let mut places = HashMap::new();
        for (receiver, entries) in &config.receivers {
            for (at, entry) in entries.iter().enumerate() {
                if !channels.serves(&entry.plugin, PluginKind::Channel) {
                    let plugin = &entry.plugin;
                    let text = format!("no plugin serves \"{plugin}_configs\": put {plugin}.wasm into plugins/");
                    return Err(AlertingError::Config(entry.node.error(text)));
                }
                let channel = channels
                    .channel(&entry.plugin, &entry.section)
                    .map_err(|error| AlertingError::Config(entry.node.error(error.to_string())))?;
                for field in channel.templates() {
                    templates.check(&field.text).map_err(|error| {
                        AlertingError::Config(entry.node.error(format!("{}: {error}", field.pointer.trim_start_matches('/'))))
                    })?;
                }
                let place = Place { plugin: entry.plugin.clone(), channel, permits: Arc::new(Semaphore::new(CALLS_MAX)) };
                places.insert((receiver.clone(), at), place);
            }
        }
        Ok(Self { config: Arc::new(config), templates: Arc::new(templates), places })
    }
}

/// Routes, groups and delivers alerts. Cheap to share behind an [`Arc`].
pub struct Alerting {
    deps: AlertingDeps,
    wiring: Mutex<Arc<Wiring>>,
    core: Mutex<Core>,
    ledger: Mutex<Ledger>,
    /// The last state of each alert that the loop has not seen yet.
    inbox: Mutex<HashMap<LabelSet, Alert>>,
    arrived: Notify,
    /// The doorbells of running deliveries.
    running: Mutex<HashMap<u64, Arc<Notify>>>,
    /// What a new configuration asks for.
    pending: Mutex<Vec<Action>>,
    stop: watch::Sender<bool>,
    stopped: watch::Sender<bool>,
    started: AtomicBool,
    stats: Mutex<Stats>,
}

/// A lock whose holder has panicked still guards data that each step leaves whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Alerting {
    /// Opens the ledger and checks that every channel and template is there. Nothing is sent before [`Alerting::run`].
    pub fn new(config: AlertingConfig, deps: AlertingDeps) -> Result<Self, AlertingError> {
        let wiring = Wiring::new(config, deps.channels.as_ref())?;
        let now = deps.clock.now();
        let (ledger, found) = Ledger::open(&deps.ledger_dir, now)
            .map_err(|error| AlertingError::Ledger(format!("ledger of notifications in {}: {error}", deps.ledger_dir.display())))?;
        if found.damaged > 0 {
            tracing::warn!(lines = found.damaged, "the ledger of notifications has damaged lines; a message may go out twice");
        }
        let core = Core::new(Arc::clone(&wiring.config), deps.external_url.clone(), found.sent, now);
        Ok(Self {
            deps,
            wiring: Mutex::new(Arc::new(wiring)),
            core: Mutex::new(core),
            ledger: Mutex::new(ledger),
            inbox: Mutex::default(),
            arrived: Notify::new(),
            running: Mutex::default(),
            pending: Mutex::default(),
            stop: watch::channel(false).0,
            stopped: watch::channel(false).0,
            started: AtomicBool::new(false),
            stats: Mutex::default(),
        })
    }

    /// Checks everything [`Alerting::new`] and [`Alerting::reload`] would refuse.
    pub fn check(config: AlertingConfig, channels: &dyn Plugins) -> Result<(), AlertingError> {
        Wiring::new(config, channels).map(drop)
    }

    /// Takes another configuration, or refuses it and goes on as before. Alerts and timers of groups that remain are kept.
    pub fn reload(&self, config: AlertingConfig) -> Result<(), AlertingError> {
        let wiring = Arc::new(Wiring::new(config, self.deps.channels.as_ref())?);
        let mut current = lock(&self.wiring);
        let actions = lock(&self.core).reconfigure(Arc::clone(&wiring.config), self.deps.clock.now());
        *current = wiring;
        drop(current);
        lock(&self.pending).extend(actions);
        self.arrived.notify_one();
        Ok(())
    }

    /// Works until [`Alerting::stop`] is called. To be called once.
    pub async fn run(&self) {
        self.started.store(true, Ordering::SeqCst);
        let (events_in, mut events) = mpsc::unbounded_channel();
        let mut stop = self.stop.subscribe();
        let mut deliveries = JoinSet::new();
        let mut event = Event::Tick;
        while !*stop.borrow() {
            let mut actions = std::mem::take(&mut *lock(&self.pending));
            actions.extend(self.step(event));
            let alerts: Vec<Alert> = lock(&self.inbox).drain().map(|(_, alert)| alert).collect();
            if !alerts.is_empty() {
                actions.extend(self.step(Event::Alerts(alerts)));
            }
            self.perform(actions, &events_in, &mut deliveries).await;
            let now = self.deps.clock.now();
            let next = lock(&self.core).next_wakeup().map_or(SLEEP_MAX_MS, |at| milliseconds_until(at, now).min(SLEEP_MAX_MS));
            event = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => Event::Tick,
                Some(event) = events.recv() => event,
                () = self.arrived.notified() => Event::Tick,
                () = tokio::time::sleep(Duration::from_millis(next)) => Event::Tick,
            };
            while deliveries.try_join_next().is_some() {}
        }
        // Calls that are under way may end; what they answer is remembered, and nothing new begins.
        let farewell = async { while deliveries.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("deliveries were still running at the end; their messages may go out twice");
        }
        // What came together with the stop was taken out of the queue, but not looked at.
        let mut taken = Some(event);
        while let Some(event) = taken.take().or_else(|| events.try_recv().ok()) {
            let actions = self.step(event).into_iter().filter(|action| matches!(action, Action::Remember(..))).collect();
            self.perform(actions, &events_in, &mut deliveries).await;
        }
        self.stopped.send_replace(true);
    }

    /// Ends [`Alerting::run`], if it runs, and waits until it has ended.
    pub async fn stop(&self) {
        let mut stopped = self.stopped.subscribe();
        self.stop.send_replace(true);
        if self.started.load(Ordering::SeqCst) {
            // A run that was dropped half-way never says that it has ended, so this has an end of its own.
            let _ = tokio::time::timeout(2 * FAREWELL, stopped.wait_for(|stopped| *stopped)).await;
        }
    }

    pub(crate) fn wiring(&self) -> Arc<Wiring> {
        Arc::clone(&lock(&self.wiring))
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.deps.clock
    }

    pub(crate) fn external_url(&self) -> &str {
        &self.deps.external_url
    }

    fn step(&self, event: Event) -> Vec<Action> {
        if let Event::Done { delivery, .. } = &event {
            lock(&self.running).remove(delivery);
        }
        lock(&self.stats).count(&event);
        lock(&self.core).step(event, self.deps.clock.now())
    }

    async fn perform(&self, actions: Vec<Action>, events: &mpsc::UnboundedSender<Event>, deliveries: &mut JoinSet<()>) {
        for action in actions {
            match action {
                Action::Remember(key, group, sent) => self.remember(key, group, sent).await,
                Action::Hurry(delivery) => {
                    if let Some(bell) = lock(&self.running).get(&delivery) {
                        bell.notify_one();
                    }
                }
                Action::Deliver(job) => self.deliver(*job, events, deliveries),
            }
        }
    }

    fn deliver(&self, job: Job, events: &mpsc::UnboundedSender<Event>, deliveries: &mut JoinSet<()>) {
        let wiring = Arc::clone(&lock(&self.wiring));
        let Some(place) = wiring.places.get(&(job.lane.receiver.clone(), job.entry)).cloned() else {
            // A new configuration came in between; the group's next turn goes by that.
            let failed = FailedAttempt { error: "the receiver is gone".to_owned(), attempts: 0, not_before: 0 };
            let _ = events.send(Event::Done { delivery: job.delivery, result: Err(failed) });
            return;
        };
        let hurry = Arc::new(Notify::new());
        lock(&self.running).insert(job.delivery, Arc::clone(&hurry));
        lock(&self.stats).started(job.delivery, &place.plugin);
        let delivery = Delivery {
            job,
            channel: place.channel,
            templates: Arc::clone(&wiring.templates),
            clock: Arc::clone(&self.deps.clock),
            hurry,
            permits: place.permits,
            stop: self.stop.subscribe(),
            events: events.clone(),
        };
        deliveries.spawn(delivery.run());
    }

    /// Synced before anything else happens, so that a crash repeats one message at most.
    async fn remember(&self, key: LaneKey, group: String, sent: Box<Sent>) {
        let write = || {
            let mut ledger = lock(&self.ledger);
            ledger.append(&key, &group, &sent)?;
            let core = lock(&self.core);
            if ledger.wants_compaction(core.sent().len()) {
                let live = core.sent().clone();
                drop(core);
                ledger.compact(&live)?;
            }
            Ok::<(), std::io::Error>(())
        };
        // The runtime has other threads for others while this one syncs.
        let result = if tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread {
            tokio::task::block_in_place(write)
        } else {
            write()
        };
        if let Err(error) = result {
            lock(&self.stats).ledger_errors += 1;
            tracing::error!(
                "ledger of notifications in {}: {error}; after a restart a message may go out twice",
                self.deps.ledger_dir.display()
            );
        }
    }

    /// What pages show: groups with their alerts and last messages.
    #[must_use]
    pub fn groups(&self) -> Vec<AlertGroupSnapshot> {
        lock(&self.core).snapshot(self.deps.clock.now())
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let core = lock(&self.core);
        let mut stats = lock(&self.stats).clone();
        stats.alerts = core.alert_count() as u64;
        stats.alerts_refused += core.refused;
        stats
    }
}

impl AlertSink for Alerting {
    fn submit(&self, alerts: Vec<Alert>) {
        let mut inbox = lock(&self.inbox);
        let mut stats = lock(&self.stats);
        for alert in alerts {
            stats.alerts_received += 1;
            // The last one counts; distinct ones are bounded.
            if inbox.len() < ALERTS_MAX || inbox.contains_key(&alert.labels) {
                inbox.insert(alert.labels.clone(), alert);
            } else {
                stats.alerts_refused += 1;
            }
        }
        drop((inbox, stats));
        self.arrived.notify_one();
    }
}
