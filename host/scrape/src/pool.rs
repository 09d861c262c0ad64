//! The targets of one job: what discovery and the configuration name, relabelled, each with its loop.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use model::{LabelSet, TargetGroup};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Discovery, JobConfig};
use crate::fetch::{Asked, Source};
use crate::sample_labels::SampleRules;
use crate::scrape_loop::{self, Command, Context, Settings, SharedStatus};
use crate::snapshot::{ActiveTarget, DroppedTarget, Health, TargetMetadata};
use crate::stats::{PoolStats, RefusedNow};
use crate::target::{self, Built, Target, global_url};

/// Dropped targets that are kept for the page where the configuration does not say how many.
const DROPPED_KEPT_MAX: usize = 10_000;

/// Things told of once; when there are more, they are told of again.
const WARNED_MAX: usize = 10_000;

/// One job at work.
pub(crate) struct Pool {
    pub(crate) job: Arc<JobConfig>,
    pub(crate) source: Source,
    pub(crate) discovered: Vec<Discovered>,
    active: BTreeMap<LabelSet, Running>,
    dropped: Vec<LabelSet>,
    dropped_count: usize,
    /// Addresses that cannot be scraped, and why.
    invalid: Vec<(LabelSet, String)>,
    over_limit: bool,
    /// Loops that were told to end and may still be writing.
    pub(crate) ending: Vec<JoinHandle<()>>,
    /// Counts series that storage refused.
    series_refused: Arc<AtomicU64>,
    /// Labels of targets that something was told of.
    warned: HashSet<LabelSet>,
}

/// What one entry of `<name>_sd_configs` has found.
pub(crate) struct Discovered {
    /// Tells this entry from one of the configuration before.
    pub(crate) id: u64,
    pub(crate) config: Discovery,
    pub(crate) groups: Vec<TargetGroup>,
    /// Whether the groups are still those that an entry found which a reload has replaced.
    pub(crate) inherited: bool,
    pub(crate) task: JoinHandle<()>,
}

struct Running {
    target: Target,
    commands: watch::Sender<Command>,
    status: SharedStatus,
    task: JoinHandle<()>,
}

impl Pool {
    pub(crate) fn new(job: Arc<JobConfig>, source: Source) -> Self {
        Self {
            job,
            source,
            discovered: Vec::new(),
            active: BTreeMap::new(),
            dropped: Vec::new(),
            dropped_count: 0,
            invalid: Vec::new(),
            over_limit: false,
            ending: Vec::new(),
            series_refused: Arc::default(),
            warned: HashSet::new(),
        }
    }

    /// Whether these labels are scraped.
    pub(crate) fn has(&self, labels: &LabelSet) -> bool {
        self.active.contains_key(labels)
    }

    /// Labels of all targets.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &LabelSet> {
        self.active.keys()
    }

    /// Whether this is told of for the first time.
    pub(crate) fn is_news(&mut self, what: LabelSet) -> bool {
        if self.warned.len() >= WARNED_MAX {
            self.warned.clear();
        }
        self.warned.insert(what)
    }

    /// Makes targets of what is known now, starts loops of new ones and ends those of targets that are gone. With `renew`,
    /// loops that go on get the job's settings anew.
    pub(crate) fn sync(&mut self, context: &Arc<Context>, renew: bool) {
        let wanted = self.targets();
        let limit = self.job.limits.targets;
        let over_limit = limit > 0 && wanted.len() as u64 > limit;
        let refusal = over_limit.then(|| format!("target_limit exceeded (number of targets: {}, limit: {limit})", wanted.len()));
        let renew = renew || over_limit != std::mem::replace(&mut self.over_limit, over_limit);
        if let Source::Http { egress, .. } = &self.source {
            egress.set_hosts(wanted.values().map(|target| target.url.as_str()));
        }
        self.ending.retain(|task| !task.is_finished());
        let gone: Vec<LabelSet> = self.active.keys().filter(|labels| !wanted.contains_key(*labels)).cloned().collect();
        for running in gone.iter().filter_map(|labels| self.active.remove(labels)) {
            self.ending.push(running.stop(Command::End));
        }
        for (labels, target) in wanted {
            match self.active.get_mut(&labels) {
                Some(running) if !renew && running.target == target => {}
                Some(running) => {
                    running.target = target.clone();
                    // The receiver lives as long as the loop, which ends only when it is told to.
                    let settings = settings(&self.job, &self.source, target, refusal.clone(), &self.series_refused);
                    let _ = running.commands.send(Command::Run(settings));
                }
                None => {
                    let settings = settings(&self.job, &self.source, target.clone(), refusal.clone(), &self.series_refused);
                    self.active.insert(labels, Running::start(context, target, settings));
                }
            }
        }
    }

    /// The targets by their labels: of two with the same labels the first.
    fn targets(&mut self) -> BTreeMap<LabelSet, Target> {
        let job = Arc::clone(&self.job);
        let mut wanted: BTreeMap<LabelSet, Target> = BTreeMap::new();
        (self.dropped_count, self.dropped, self.invalid) = (0, Vec::new(), Vec::new());
        let kept_max = usize::try_from(job.limits.keep_dropped).ok().filter(|kept| *kept > 0).unwrap_or(DROPPED_KEPT_MAX);
        let mut twice = Vec::new();
        let mut add = |discovered: LabelSet, written: bool| match target::build(&job, &discovered, written) {
            Built::Active(target) => match wanted.get(&target.labels) {
                Some(first) if first.discovered == target.discovered => {}
                Some(first) => twice.push((target.labels, first.url.clone(), target.url)),
                None => _ = wanted.insert(target.labels.clone(), target),
            },
            Built::Dropped => {
                self.dropped_count += 1;
                if self.dropped.len() < kept_max {
                    self.dropped.push(discovered);
                }
            }
            Built::Invalid(reason) => self.invalid.push((discovered, reason)),
        };
        for group in &job.static_groups {
            group.targets.iter().for_each(|address| add(target::discovered_labels(&job, group, address), true));
        }
        for group in self.discovered.iter().flat_map(|entry| &entry.groups) {
            group.targets.iter().for_each(|address| add(target::discovered_labels(&job, group, address), false));
        }
        if job.exporter.is_some() && job.static_groups.is_empty() && job.discoveries.is_empty() {
            add(target::discovered_labels(&job, &TargetGroup::default(), ""), true);
        }
        for (labels, first, other) in twice {
            if self.is_news(labels.clone()) {
                tracing::warn!(job = job.name, %labels, first, other, "two targets have the same labels, so only the first is scraped");
            }
        }
        for (discovered, reason) in std::mem::take(&mut self.invalid) {
            if self.is_news(discovered.clone()) {
                tracing::warn!(job = job.name, labels = %discovered, reason, "a target cannot be scraped");
            }
            self.invalid.push((discovered, reason));
        }
        wanted
    }

    /// Tells all loops to end, and stops looking for targets.
    pub(crate) fn end(&mut self, command: &Command) -> Vec<JoinHandle<()>> {
        self.discovered.drain(..).for_each(|entry| entry.task.abort());
        let running = std::mem::take(&mut self.active);
        let mut tasks: Vec<JoinHandle<()>> = running.into_values().map(|running| running.stop(command.clone())).collect();
        tasks.append(&mut self.ending);
        tasks
    }

    pub(crate) fn show(&self, external_host: Option<&str>, active: &mut Vec<ActiveTarget>, dropped: &mut Vec<DroppedTarget>) {
        let pool = &self.job.name;
        let start = active.len();
        for running in self.active.values() {
            let status = running.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
            active.push(ActiveTarget {
                discovered_labels: running.target.discovered.clone(),
                labels: running.target.labels.clone(),
                pool: pool.clone(),
                scrape_url: running.target.url.clone(),
                global_url: global_url(&running.target.url, external_host),
                last_error: status.last_error,
                refused_series: status.refused_series,
                last_scrape: status.last_scrape,
                last_scrape_duration_seconds: status.last_duration_seconds,
                last_scrape_late_seconds: status.last_late_seconds,
                health: status.health,
                interval_ms: running.target.interval_ms,
                timeout_ms: running.target.timeout_ms,
            });
        }
        active.extend(self.invalid.iter().map(|(discovered, reason)| self.show_invalid(discovered, reason)));
        active[start..].sort_by(|a, b| a.scrape_url.cmp(&b.scrape_url));
        dropped.extend(self.dropped.iter().map(|labels| DroppedTarget { discovered_labels: labels.clone(), pool: pool.clone() }));
    }

    /// What the targets say of their metrics.
    pub(crate) fn show_metadata(&self, found: &mut Vec<TargetMetadata>) {
        let mut running: Vec<&Running> = self.active.values().collect();
        running.sort_by(|a, b| a.target.url.cmp(&b.target.url));
        found.extend(running.into_iter().map(|running| TargetMetadata {
            labels: running.target.labels.clone(),
            families: Arc::clone(&running.status.lock().unwrap_or_else(PoisonError::into_inner).metadata),
        }));
    }

    /// A target that cannot be scraped stands among the others, down, with the reason.
    fn show_invalid(&self, discovered: &LabelSet, reason: &str) -> ActiveTarget {
        ActiveTarget {
            discovered_labels: discovered.clone(),
            labels: discovered.filter(|name| !name.starts_with("__")),
            pool: self.job.name.clone(),
            scrape_url: String::new(),
            global_url: String::new(),
            last_error: reason.to_owned(),
            refused_series: None,
            last_scrape: None,
            last_scrape_duration_seconds: 0.0,
            last_scrape_late_seconds: 0.0,
            health: Health::Down,
            interval_ms: self.job.interval_ms,
            timeout_ms: self.job.timeout_ms,
        }
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let is_up = |running: &&Running| running.status.lock().unwrap_or_else(PoisonError::into_inner).health == Health::Up;
        PoolStats {
            name: self.job.name.clone(),
            active: self.active.len() as u64,
            up: self.active.values().filter(is_up).count() as u64,
            dropped: self.dropped_count as u64,
            over_limit: self.over_limit,
            series_refused: self.series_refused.load(Ordering::Relaxed),
            refused_now: self.refused_now(),
        }
    }
}

impl Pool {
    fn refused_now(&self) -> Vec<RefusedNow> {
        let mut found: Vec<RefusedNow> = Vec::new();
        for running in self.active.values() {
            let status = running.status.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(refused) = &status.refused_series else { continue };
            match found.iter_mut().find(|known| known.limit == refused.limit && known.label == refused.label) {
                Some(known) => known.series += refused.series,
                None => found.push(RefusedNow { limit: refused.limit.clone(), label: refused.label.clone(), series: refused.series }),
            }
        }
        found
    }
}

impl Running {
    fn start(context: &Arc<Context>, target: Target, settings: Arc<Settings>) -> Self {
        let (commands, receiver) = watch::channel(Command::Run(settings));
        let status = SharedStatus::default();
        let task = tokio::spawn(scrape_loop::run(Arc::clone(context), receiver, Arc::clone(&status)));
        Self { target, commands, status, task }
    }

    fn stop(self, command: Command) -> JoinHandle<()> {
        // A loop that has ended on its own needs no telling.
        let _ = self.commands.send(command);
        self.task
    }
}

fn settings(
    job: &Arc<JobConfig>,
    source: &Source,
    target: Target,
    refusal: Option<String>,
    series_refused: &Arc<AtomicU64>,
) -> Arc<Settings> {
    let series_refused = Arc::clone(series_refused);
    let rules = SampleRules {
        target_labels: target.labels.clone(),
        honor_labels: job.honor_labels,
        honor_timestamps: job.honor_timestamps,
        track_timestamps_staleness: job.track_timestamps_staleness,
        legacy_names: job.switches.legacy_names,
        limits: job.limits,
        histograms: job.switches.histograms,
        metric_relabel: Arc::clone(&job.metric_relabel),
    };
    Arc::new(Settings {
        job: Arc::clone(job),
        target,
        source: source.clone(),
        rules: Arc::new(rules),
        refusal,
        asked: Asked::new(),
        series_refused,
    })
}
