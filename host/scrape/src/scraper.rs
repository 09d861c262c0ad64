use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http_client::{Client, Resolver};
use model::Clock;
use model::seams::{Append, Plugins, TargetSource};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::config::{Discovery, JobConfig, ScrapeConfig};
use crate::discovery::{self, Found};
use crate::egress::PoolEgress;
use crate::fetch::{Buffers, Source};
use crate::layout::KeyHasher;
use crate::pool::{Discovered, Pool};
use crate::scrape_loop::{Command, Context, Storage, WAITING_KIB_MAX};
use crate::snapshot::{TargetMetadata, TargetsSnapshot};
use crate::stats::{Counters, Stats, add};

/// How long a stop waits for rows that are being written.
const STOP_MAX: Duration = Duration::from_secs(10);

/// What the scraper needs of others.
pub struct Deps {
    /// Where samples go.
    pub append: Arc<dyn Append>,
    /// Discovery and exporters.
    pub plugins: Arc<dyn Plugins>,
    /// For names of targets.
    pub resolver: Arc<Resolver>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Shifts all targets' ticks. The same after a restart keeps them; another on each server of a pair spreads them.
    pub offset_seed: u64,
    /// Keys the hashes of lines. Random, and known to nobody outside the process.
    pub hash_seed: u64,
    /// The host this server is known by, for links to targets on loopback.
    pub external_host: Option<String>,
}

/// Finds targets, scrapes them, and keeps doing so until it is stopped. Lives on a tokio runtime.
pub struct Scraper {
    inner: Arc<Inner>,
}

struct Inner {
    context: Arc<Context>,
    plugins: Arc<dyn Plugins>,
    resolver: Arc<Resolver>,
    external_host: Option<String>,
    pools: Mutex<Vec<Pool>>,
    /// Loops of pools that a reload removed.
    ending: Mutex<Vec<JoinHandle<()>>>,
    next_id: AtomicU64,
}

/// Why a configuration was not taken over. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadError {
    /// The job at fault.
    pub job: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {:?}: {}", self.job, self.message)
    }
}

impl std::error::Error for ReloadError {}

/// A job whose parts are made, so that taking it over cannot fail.
struct Prepared {
    job: Arc<JobConfig>,
    /// None if the job is as it was.
    new: Option<Parts>,
}

struct Parts {
    source: Source,
    discoveries: Vec<(Discovery, Arc<dyn TargetSource>)>,
}

impl Scraper {
    /// A scraper without jobs; [`Scraper::reload`] gives it some.
    #[must_use]
    pub fn new(deps: Deps) -> Self {
        let at_once = std::thread::available_parallelism().map_or(2, usize::from) * 2;
        let context = Context {
            append: deps.append,
            metadata: Arc::default(),
            clock: deps.clock,
            offset_seed: deps.offset_seed,
            hasher: KeyHasher::new(deps.hash_seed),
            buffers: Buffers::default(),
            commits: Semaphore::new(at_once.max(4)),
            waiting: Semaphore::new(WAITING_KIB_MAX as usize),
            counters: Counters::default(),
            storage: Storage::default(),
            grid: Arc::default(),
        };
        let inner = Inner {
            context: Arc::new(context),
            plugins: deps.plugins,
            resolver: deps.resolver,
            external_host: deps.external_host,
            pools: Mutex::new(Vec::new()),
            ending: Mutex::new(Vec::new()),
            next_id: AtomicU64::new(1),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes over a configuration, as a whole or not at all. Targets that stay keep their schedule, what is known of their
    /// bodies, and their groups; series of those that go end. Must be called on the runtime.
    pub fn reload(&self, config: &ScrapeConfig) -> Result<(), ReloadError> {
        let mut pools = self.inner.lock();
        let prepared: Vec<Prepared> = config.jobs.iter().map(|job| self.inner.prepare(&pools, job)).collect::<Result<_, _>>()?;
        let mut old: Vec<Pool> = std::mem::take(&mut *pools);
        for job in prepared {
            let at = old.iter().position(|pool| pool.job.name == job.job.name);
            let pool = at.map(|at| old.swap_remove(at));
            pools.push(self.inner.apply(job, pool));
        }
        let mut ending = self.inner.ending.lock().unwrap_or_else(PoisonError::into_inner);
        ending.retain(|task| !task.is_finished());
        for mut pool in old {
            ending.extend(pool.end(&Command::End));
        }
        drop(ending);
        warn_of_same_labels(&mut pools);
        add(&self.inner.context.counters.reloads, 1);
        Ok(())
    }

    /// All targets at this moment.
    #[must_use]
    pub fn snapshot(&self) -> TargetsSnapshot {
        let mut snapshot = TargetsSnapshot::default();
        for pool in self.inner.lock().iter() {
            snapshot.pools.push(pool.job.name.clone());
            pool.show(self.inner.external_host.as_deref(), &mut snapshot.active, &mut snapshot.dropped);
        }
        snapshot
    }

    /// The rules that targets of a job are relabelled by; None if there is no such job.
    #[must_use]
    pub fn relabel_rules(&self, job: &str) -> Option<Vec<crate::relabel::Rule>> {
        self.inner.lock().iter().find(|pool| pool.job.name == job).map(|pool| pool.job.relabel.clone())
    }

    /// What all targets say of their metrics, by pool and URL.
    #[must_use]
    pub fn metadata(&self) -> Vec<TargetMetadata> {
        let mut found = Vec::new();
        self.inner.lock().iter().for_each(|pool| pool.show_metadata(&mut found));
        found
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let pools = self.inner.lock().iter().map(Pool::stats).collect();
        self.inner.context.counters.stats(pools)
    }

    /// Stops all scrapes and waits, for a bounded time, until what was fetched is written. Series do not end by this: after a
    /// restart they go on.
    pub async fn stop(&self) {
        let mut tasks: Vec<JoinHandle<()>> = self.inner.lock().drain(..).flat_map(|mut pool| pool.end(&Command::Stop)).collect();
        tasks.append(&mut self.inner.ending.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async {
            for task in tasks {
                // A loop that panicked has been reported by the runtime.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(STOP_MAX, all).await.is_err() {
            tracing::warn!("some scrapes were still being written when the time to stop was over");
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Vec<Pool>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes everything of a job that can fail.
    fn prepare(&self, pools: &[Pool], job: &JobConfig) -> Result<Prepared, ReloadError> {
        let known = pools.iter().find(|pool| *pool.job == *job);
        if let Some(pool) = known {
            return Ok(Prepared { job: Arc::clone(&pool.job), new: None });
        }
        let fail = |message: String| ReloadError { job: job.name.clone(), message };
        let source = match &job.exporter {
            Some(exporter) => {
                let source = self.plugins.metric_source(&exporter.plugin, &exporter.section).map_err(|error| fail(error.to_string()))?;
                Source::Plugin(source)
            }
            None => {
                let egress = Arc::new(PoolEgress::default());
                let policy = Arc::clone(&egress) as Arc<dyn http_client::Egress>;
                let client = Client::new(&job.http, Arc::clone(&self.resolver), policy).map_err(|error| fail(error.to_string()))?;
                Source::Http { client: Arc::new(client), egress }
            }
        };
        let entry = |discovery: &Discovery| {
            let source = self.plugins.target_source(&discovery.plugin, &discovery.section);
            source.map(|source| (discovery.clone(), source)).map_err(|error| fail(error.to_string()))
        };
        let discoveries = job.discoveries.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Prepared { job: Arc::new(job.clone()), new: Some(Parts { source, discoveries }) })
    }

    /// Takes over a job. Entries of discovery that are as they were go on.
    fn apply(self: &Arc<Self>, prepared: Prepared, pool: Option<Pool>) -> Pool {
        let Some(Parts { source, discoveries }) = prepared.new else {
            // A job without anything new was found among the pools.
            return pool.unwrap_or_else(|| unreachable!("the pools were locked all the time"));
        };
        let mut pool = pool.unwrap_or_else(|| Pool::new(Arc::clone(&prepared.job), source.clone()));
        (pool.job, pool.source) = (prepared.job, source);
        let mut old = std::mem::take(&mut pool.discovered);
        for (config, source) in discoveries {
            let same = old.iter().position(|entry| entry.config == config);
            let entry = match same {
                Some(at) => old.remove(at),
                None => {
                    // Until the new entry answers, what one of the same kind found stays, so that its targets do not end.
                    let kind = old.iter().position(|entry| entry.config.plugin == config.plugin);
                    let groups = kind.map(|at| old.remove(at)).map(|entry| {
                        entry.task.abort();
                        entry.groups
                    });
                    self.discover(&pool.job.name, config, source, groups)
                }
            };
            pool.discovered.push(entry);
        }
        old.into_iter().for_each(|entry| entry.task.abort());
        pool.sync(&self.context, true);
        pool
    }

    fn discover(
        self: &Arc<Self>,
        job: &str,
        config: Discovery,
        source: Arc<dyn TargetSource>,
        inherited: Option<Vec<model::TargetGroup>>,
    ) -> Discovered {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (inner, runtime) = (Arc::downgrade(self), Handle::current());
        let name = job.to_owned();
        let tell = move |found| found_targets(&inner, &runtime, &name, id, found);
        let task = tokio::spawn(discovery::run(job.to_owned(), config.clone(), source, tell));
        Discovered { id, config, inherited: inherited.is_some(), groups: inherited.unwrap_or_default(), task }
    }
}

/// Takes what discovery found; false if the scraper is gone. Relabelling many targets takes a while, so it happens on a
/// blocking thread.
fn found_targets(inner: &Weak<Inner>, runtime: &Handle, job: &str, id: u64, found: Found) -> bool {
    let Some(inner) = inner.upgrade() else { return false };
    let (job, handle) = (job.to_owned(), runtime.clone());
    runtime.spawn_blocking(move || {
        let _runtime = handle.enter();
        let mut pools = inner.lock();
        let Some(at) = pools.iter().position(|pool| pool.job.name == job) else { return };
        let Some(entry) = pools[at].discovered.iter_mut().find(|entry| entry.id == id) else { return };
        let inherited = std::mem::replace(&mut entry.inherited, false);
        let groups = match found {
            Found::Groups(groups) => groups,
            Found::Failed => {
                add(&inner.context.counters.discovery_failed, 1);
                if !inherited {
                    return;
                }
                Vec::new()
            }
        };
        if entry.groups == groups && !inherited {
            return;
        }
        entry.groups = groups;
        pools[at].sync(&inner.context, false);
        warn_of_same_labels(&mut pools);
    });
    true
}

/// The same labels in two jobs: both are scraped, and their samples end up in the same series.
fn warn_of_same_labels(pools: &mut [Pool]) {
    for at in 1..pools.len() {
        let (before, rest) = pools.split_at_mut(at);
        let Some(other) = rest.first_mut() else { continue };
        for pool in before {
            let Some(labels) = other.labels().find(|labels| pool.has(labels)).cloned() else { continue };
            let (first, second) = (&pool.job.name, other.job.name.clone());
            if other.is_news(labels.with("__first_job__", first)) {
                tracing::warn!(%labels, first, second, "two jobs have a target with the same labels: their samples are mixed up");
            }
        }
    }
}
