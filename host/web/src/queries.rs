//! The queries that wait, run or are being sent: who asked what, what it uses, and how to stop it. What they took is counted,
//! logged where that is wanted, and survives a crash as a note of what was running.

mod active;
mod log;
mod timings;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, OriginalUri, Request};
use model::{Clock, TimestampMs};
use promql::{Meter, Pool, Stats};
use rules::{ListedQuery, QueryList, Rule};
use tokio::sync::Notify;

use crate::access::User;
use active::Active;
pub use log::QueryLog;
pub(crate) use log::samples;
use timings::Slices;
pub use timings::{Summary, Timings};

/// All queries of this server. Shared by whoever runs them and whoever looks.
pub struct Queries {
    running: Mutex<BTreeMap<u64, Arc<Running>>>,
    next: AtomicU64,
    clock: Arc<dyn Clock>,
    concurrency: usize,
    /// From here on a query is written to the log as slow.
    slow: Option<Duration>,
    log: Mutex<Option<QueryLog>>,
    log_failures: AtomicU64,
    active: OnceLock<Active>,
    memory: OnceLock<Arc<Pool>>,
    samples: AtomicU64,
    slices: Mutex<Slices>,
}

/// What the metrics say of queries.
#[derive(Clone, Debug, Default)]
pub struct QueryStats {
    /// Waiting and running.
    pub queries: usize,
    /// How many may run at once.
    pub concurrent_max: usize,
    /// Whether they are written to a file.
    pub log_enabled: bool,
    /// Lines that could not be written there.
    pub log_failures: u64,
    /// Samples that were looked at by all that ended.
    pub samples: u64,
    /// By part, under upstream's names.
    pub durations: Vec<(&'static str, Summary)>,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// The expression, or what stands for it.
    pub(crate) text: String,
    /// Unix milliseconds.
    pub(crate) start: TimestampMs,
    pub(crate) end: TimestampMs,
    /// Milliseconds; zero for one time.
    pub(crate) step: i64,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    /// File and name of the group, if a rule asks.
    pub(crate) rule_group: Option<(String, String)>,
}

impl Asker {
    pub(crate) fn of(request: &Request) -> Self {
        // Nested routers see paths without what they are nested under.
        let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |uri| &uri.0);
        Self {
            address: request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()),
            user: request.extensions().get::<User>().map(|User(name)| name.clone()),
            method: request.method().to_string(),
            path: uri.path().to_owned(),
            rule_group: None,
        }
    }
}

/// Where a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// It waits for its turn.
    Queued,
    Running,
    /// The answer goes out.
    Sending,
}

/// One query.
pub(crate) struct Running {
    pub(crate) id: u64,
    pub(crate) question: Question,
    pub(crate) asker: Asker,
    /// By the server's clock.
    pub(crate) asked: TimestampMs,
    pub(crate) since: Instant,
    pub(crate) cancel: Arc<AtomicBool>,
    /// Told when `cancel` is set, for whoever waits.
    pub(crate) canceled: Notify,
    pub(crate) meter: Arc<Meter>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Drops an answer that is being sent.
    drop_answer: Option<Box<dyn FnOnce() + Send>>,
}

impl Running {
    pub(crate) fn phase(&self) -> Phase {
        lock(&self.state).phase
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        lock(&self.state).phase = phase;
    }

    /// From now on the answer is sent, and canceling drops it.
    pub(crate) fn sends(&self, drop_answer: impl FnOnce() + Send + 'static) {
        *lock(&self.state) = State { phase: Phase::Sending, drop_answer: Some(Box::new(drop_answer)) };
    }

    /// Stops it wherever it is.
    pub(crate) fn stop(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.canceled.notify_one();
        let drop_answer = lock(&self.state).drop_answer.take();
        if let Some(drop_answer) = drop_answer {
            drop_answer();
        }
    }
}

/// Keeps a query among those that run; it is gone from there when this is dropped.
pub(crate) struct Ticket {
    queries: Arc<Queries>,
    pub(crate) running: Arc<Running>,
    /// Its place in the file of what runs.
    slot: Option<usize>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.queries.running).remove(&self.running.id);
        self.evaluated();
    }
}

impl Ticket {
    /// Nothing of it can bring the process down any more.
    fn evaluated(&mut self) {
        if let (Some(slot), Some(active)) = (self.slot.take(), self.queries.active.get()) {
            active.remove(slot);
        }
    }

    /// Its turn has come.
    pub(crate) fn starts(&mut self) {
        self.running.set_phase(Phase::Running);
        if let Some(active) = self.queries.active.get() {
            self.slot = active.insert(&self.running.question.text, self.running.asked);
        }
    }

    /// The same, of one that is evaluated in no time: not noted down for a crash, because the disk may take longer than it.
    pub(crate) fn starts_at_once(&mut self) {
        self.running.set_phase(Phase::Running);
    }

    /// It took longer than was thought, and begins anew.
    pub(crate) fn starts_anew(&mut self) {
        self.running.meter.begin_anew();
        self.running.set_phase(Phase::Queued);
    }

    /// It was evaluated, or failed. Counts and logs it. Blocks for as long as writing a line takes.
    pub(crate) fn ended(&mut self, timings: &Timings, error: Option<&str>) {
        self.evaluated();
        let stats = self.running.meter.stats();
        self.queries.ended(&self.running, timings, stats, error);
    }
}

impl Queries {
    /// `slow`: from which time on a query is logged.
    pub fn new(clock: Arc<dyn Clock>, concurrency: usize, slow: Option<Duration>) -> Arc<Self> {
        Arc::new(Self {
            running: Mutex::default(),
            next: AtomicU64::new(1),
            clock,
            concurrency: concurrency.max(1),
            slow,
            log: Mutex::default(),
            log_failures: AtomicU64::new(0),
            active: OnceLock::new(),
            memory: OnceLock::new(),
            samples: AtomicU64::new(0),
            slices: Mutex::default(),
        })
    }

    /// Notes down from now on what is running in a file that tells the next start, as upstream's `queries.active`, and logs what
    /// it holds from the last run. Without the file, which is only told, queries run as well. Blocks.
    pub fn note_in(&self, path: &Path) {
        match Active::open(path, self.concurrency) {
            // Set once, at the start.
            Ok(active) => drop(self.active.set(active)),
            Err(error) => tracing::warn!(path = %path.display(), %error, "what is running cannot be noted down for a crash"),
        }
    }

    /// The memory that all share from now on; to be said once, before any runs.
    pub fn share(&self, memory: Arc<Pool>) {
        drop(self.memory.set(memory));
    }

    /// The same, if it was said.
    pub(crate) fn memory(&self) -> Option<Arc<Pool>> {
        self.memory.get().cloned()
    }

    /// A meter of a query.
    pub fn meter(&self) -> Arc<Meter> {
        Meter::of(self.memory.get().cloned())
    }

    /// Where each query is written down from now on: `query_log_file`. To be opened anew at each reload, so that the file can be
    /// moved away before.
    pub fn set_log(&self, log: Option<QueryLog>) {
        *lock(&self.log) = log;
    }

    /// Whether queries are written to a file.
    pub(crate) fn has_log(&self) -> bool {
        lock(&self.log).is_some()
    }

    /// For the metrics.
    pub fn stats(&self) -> QueryStats {
        let queries = lock(&self.running).values().filter(|running| running.phase() != Phase::Sending).count();
        QueryStats {
            queries,
            concurrent_max: self.concurrency,
            log_enabled: lock(&self.log).is_some(),
            log_failures: self.log_failures.load(Ordering::Relaxed),
            samples: self.samples.load(Ordering::Relaxed),
            durations: lock(&self.slices).summaries(Instant::now()),
        }
    }

    /// Takes a query among those that run.
    pub(crate) fn begin(self: &Arc<Self>, question: Question, asker: Asker) -> Ticket {
        let running = Arc::new(Running {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            question,
            asker,
            asked: self.clock.now(),
            since: Instant::now(),
            cancel: Arc::default(),
            canceled: Notify::new(),
            meter: self.meter(),
            state: Mutex::new(State { phase: Phase::Queued, drop_answer: None }),
        });
        lock(&self.running).insert(running.id, Arc::clone(&running));
        Ticket { queries: Arc::clone(self), running, slot: None }
    }

    /// Takes a query of a rule among those that run. It does not wait for its turn.
    fn begin_rule(self: &Arc<Self>, rule: Rule<'_>) -> Ticket {
        let asker = Asker {
            address: None,
            user: None,
            method: String::new(),
            path: format!("{};{}", rule.file, rule.group),
            rule_group: Some((rule.file.to_owned(), rule.group.to_owned())),
        };
        let mut ticket = self.begin(Question { text: rule.query.to_owned(), start: rule.at, end: rule.at, step: 0 }, asker);
        ticket.starts();
        ticket
    }

    /// All, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Running>> {
        lock(&self.running).values().cloned().collect()
    }

    /// Stops one. False if there is none of that number, or none any more.
    pub(crate) fn stop(&self, id: u64) -> bool {
        let running = lock(&self.running).get(&id).cloned();
        running.inspect(|running| running.stop()).is_some()
    }

    fn ended(&self, running: &Running, timings: &Timings, stats: Stats, error: Option<&str>) {
        self.samples.fetch_add(stats.samples_looked_at as u64, Ordering::Relaxed);
        lock(&self.slices).add(timings, Instant::now());
        if self.slow.is_some_and(|slow| timings.total() >= slow) {
            log::slow(running, timings, stats, error);
        }
        let mut log = lock(&self.log);
        if let Some(log) = log.as_mut()
            && let Err(failed) = log.write(self.clock.now(), running, timings, stats, error)
            && self.log_failures.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::warn!(path = %log.path().display(), error = %failed, "queries cannot be written to query_log_file");
        }
    }
}

/// Queries of rules, listed beside others.
pub struct RuleQueries(pub Arc<Queries>);

impl QueryList for RuleQueries {
    fn begins(&self, rule: Rule<'_>) -> Box<dyn ListedQuery> {
        Box::new(self.0.begin_rule(rule))
    }

    fn stop_all(&self) {
        self.0.all().iter().filter(|running| running.asker.rule_group.is_some()).for_each(|running| running.stop());
    }
}

impl ListedQuery for Ticket {
    fn cancel(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.running.cancel)
    }

    fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.running.meter)
    }

    fn ended(&mut self, took: Duration, error: Option<&str>) {
        Ticket::ended(self, &Timings { evaluated: took, ..Timings::default() }, error);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
