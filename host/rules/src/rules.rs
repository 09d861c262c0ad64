//! Keeps the groups running.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::TimestampMs;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::deps::{Context, RulesDeps};
use crate::file::{GroupConfig, RuleFile};
use crate::group::{Evaluated, Group, SharedGroup};
use crate::restore::restore;
use crate::snapshot::GroupSnapshot;
use crate::stats::Stats;

/// Longest sleep: the wall clock may jump.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Evaluates rules. Cheap to share behind an [`Arc`].
pub struct Rules {
    context: Arc<Context>,
    running: Mutex<Running>,
    /// One change of configuration at a time.
    reloading: tokio::sync::Mutex<()>,
    stats: Arc<Mutex<Stats>>,
    stopped: watch::Sender<bool>,
}

#[derive(Default)]
struct Running {
    /// In the order of the files.
    groups: Vec<Entry>,
    /// Whether groups have been loaded before, so that new ones have nothing to restore.
    loaded: bool,
}

struct Entry {
    config: GroupConfig,
    interval_ms: i64,
    group: SharedGroup,
    snapshot: Arc<Mutex<GroupSnapshot>>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// A lock whose holder has panicked still guards data that each evaluation leaves usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rules {
    /// Without groups: they come with [`Rules::reload`].
    #[must_use]
    pub fn new(deps: RulesDeps) -> Self {
        Self {
            context: Arc::new(Context::new(deps)),
            running: Mutex::default(),
            reloading: tokio::sync::Mutex::new(()),
            stats: Arc::default(),
            stopped: watch::channel(false).0,
        }
    }

    /// Takes the groups of all files. Those that have not changed go on undisturbed; rules of changed ones keep the state of
    /// their alerts; the series of those that are gone end. Begins to evaluate at once. Must be called within a tokio runtime.
    pub async fn reload(&self, files: Vec<RuleFile>, evaluation_interval_ms: u64) {
        let _one = self.reloading.lock().await;
        self.context.evaluation_interval.store(i64::try_from(evaluation_interval_ms).unwrap_or(i64::MAX).max(1), Ordering::Relaxed);
        let (mut old, loaded) = {
            let mut running = lock(&self.running);
            let old: HashMap<(String, String), Entry> = std::mem::take(&mut running.groups)
                .into_iter()
                .map(|entry| ((entry.config.file.clone(), entry.config.name.clone()), entry))
                .collect();
            (old, std::mem::replace(&mut running.loaded, true))
        };
        let mut groups = Vec::new();
        for config in files.into_iter().flat_map(|file| file.groups) {
            let interval_ms = config.interval_ms.unwrap_or_else(|| self.context.evaluation_interval_ms());
            let entry = match old.remove(&(config.file.clone(), config.name.clone())) {
                Some(entry) if entry.config == config && entry.interval_ms == interval_ms => entry,
                Some(mut entry) => {
                    end(&mut entry).await;
                    let (group, definition) = (Arc::clone(&entry.group), config.clone());
                    blocking(move || lock(&group).redefine(definition)).await;
                    self.start(config, interval_ms, entry.group, false)
                }
                None => {
                    let group = Arc::new(Mutex::new(Group::new(config.clone(), loaded)));
                    self.start(config, interval_ms, group, !loaded)
                }
            };
            groups.push(entry);
        }
        for mut entry in old.into_values() {
            end(&mut entry).await;
            let context = Arc::clone(&self.context);
            blocking(move || lock(&entry.group).end(&context, context.clock.now())).await;
        }
        let mut stats = lock(&self.stats);
        (stats.groups, stats.rules) = (groups.len() as u64, groups.iter().map(|entry| entry.config.rules.len() as u64).sum());
        drop(stats);
        lock(&self.running).groups = groups;
    }

    fn start(&self, config: GroupConfig, interval_ms: i64, group: SharedGroup, restores: bool) -> Entry {
        let snapshot = Arc::new(Mutex::new(lock(&group).snapshot(&self.context)));
        let (stop, stopping) = watch::channel(false);
        let task = GroupTask {
            context: Arc::clone(&self.context),
            group: Arc::clone(&group),
            snapshot: Arc::clone(&snapshot),
            stats: Arc::clone(&self.stats),
            stop: stopping,
            interval_ms,
            offset_ms: offset(&config, interval_ms),
            restores,
        };
        Entry { config, interval_ms, group, snapshot, stop, task: Some(tokio::spawn(task.run())) }
    }

    /// Waits until [`Rules::stop`] is called and all groups have ended. Groups run from [`Rules::reload`] on.
    pub async fn run(&self) {
        // The sender lives in self.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Ends all groups; a rule that is being evaluated is interrupted. Series do not end: after a restart they go on.
    pub async fn stop(&self) {
        let _one = self.reloading.lock().await;
        self.context.cancel.store(true, Ordering::SeqCst);
        self.context.listed.iter().for_each(|list| list.stop_all());
        let mut groups = std::mem::take(&mut lock(&self.running).groups);
        for entry in &groups {
            entry.stop.send_replace(true);
        }
        for entry in &mut groups {
            end(entry).await;
        }
        self.stopped.send_replace(true);
    }

    /// What pages show, as of each group's last evaluation.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupSnapshot> {
        lock(&self.running).groups.iter().map(|entry| lock(&entry.snapshot).clone()).collect()
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        *lock(&self.stats)
    }
}

async fn end(entry: &mut Entry) {
    entry.stop.send_replace(true);
    if let Some(task) = entry.task.take() {
        // A task that panicked has ended too.
        let _ = task.await;
    }
}

/// Runs on a thread that may block. What panics there is logged by the panic itself.
async fn blocking(work: impl FnOnce() + Send + 'static) {
    let _ = tokio::task::spawn_blocking(work).await;
}

/// Where in its interval a group is evaluated: spread by its name, and the same after a restart.
fn offset(config: &GroupConfig, interval_ms: i64) -> i64 {
    let hash = model::LabelSet::from_pairs([("name", config.name.as_str()), ("file", config.file.as_str())]).fingerprint();
    i64::try_from(hash % interval_ms.max(1).unsigned_abs()).unwrap_or(0)
}

/// The first time of a group's rhythm that is not before `now`.
fn next_aligned(now: TimestampMs, interval_ms: i64, offset_ms: i64) -> TimestampMs {
    let since = (now - offset_ms).rem_euclid(interval_ms);
    if since == 0 { now } else { now - since + interval_ms }
}

struct GroupTask {
    context: Arc<Context>,
    group: SharedGroup,
    snapshot: Arc<Mutex<GroupSnapshot>>,
    stats: Arc<Mutex<Stats>>,
    stop: watch::Receiver<bool>,
    interval_ms: i64,
    offset_ms: i64,
    restores: bool,
}

impl GroupTask {
    async fn run(mut self) {
        let interval_ms = self.interval_ms.max(1);
        let mut at = next_aligned(self.context.clock.now(), interval_ms, self.offset_ms);
        let mut rounds = 0_u64;
        while let Some(time) = self.wait_until(at).await {
            at = time;
            // After the second evaluation, as upstream: by then targets have been scraped and recording rules written.
            let restores = self.restores && rounds == 1;
            rounds += 1;
            self.evaluate(at, restores).await;
            let now = self.context.clock.now();
            // Rounds whose time has passed are left out.
            let next = at + interval_ms;
            let missed = (now - next).max(0) / interval_ms;
            at = next + missed * interval_ms;
            let mut stats = lock(&self.stats);
            stats.iterations += 1;
            stats.iterations_missed += missed.unsigned_abs();
        }
    }

    /// The time of the round that has come; none if the group is to end.
    async fn wait_until(&mut self, mut at: TimestampMs) -> Option<TimestampMs> {
        loop {
            if *self.stop.borrow() {
                return None;
            }
            let left = at - self.context.clock.now();
            if left <= 0 {
                return Some(at);
            }
            let sleep = tokio::time::sleep(Duration::from_millis(left.unsigned_abs()).min(SLEEP_MAX));
            tokio::select! {
                () = sleep => {}
                _ = self.stop.wait_for(|stop| *stop) => return None,
            }
            // The clock went far back: waiting on would take as long, so a new rhythm begins.
            let now = self.context.clock.now();
            if at - now > 2 * self.interval_ms.max(1) {
                at = next_aligned(now, self.interval_ms.max(1), self.offset_ms);
            }
        }
    }

    async fn evaluate(&self, at: TimestampMs, restores: bool) {
        let (context, group, snapshot, stats) =
            (Arc::clone(&self.context), Arc::clone(&self.group), Arc::clone(&self.snapshot), Arc::clone(&self.stats));
        blocking(move || {
            let mut group = lock(&group);
            let done = group.evaluate(&context, at);
            if restores {
                restore(&mut group, context.select.as_ref(), context.clock.now());
            }
            *lock(&snapshot) = group.snapshot(&context);
            count(&mut lock(&stats), done);
        })
        .await;
    }
}

fn count(stats: &mut Stats, done: Evaluated) {
    stats.evaluations += done.rules;
    stats.evaluation_failures += done.failures;
    stats.samples += done.samples;
    stats.alerts_sent += done.alerts_sent;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_aligned() {
        for (now, interval, offset, expected) in
            [(0, 15, 0, 0), (1, 15, 0, 15), (1, 15, 3, 3), (3, 15, 3, 3), (4, 15, 3, 18), (100, 15, 14, 104)]
        {
            assert_eq!(next_aligned(now, interval, offset), expected, "{now} {interval} {offset}");
        }
    }
}
