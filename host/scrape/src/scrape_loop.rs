//! Scrapes one target on time, for as long as it is one.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::seams::Append;
use model::{Clock, LabelSet, TimestampMs};
use tokio::sync::{Semaphore, watch};

use crate::commit::{Committed, Committer, Scrape};
use crate::config::JobConfig;
use crate::failure_log;
use crate::fetch::{Asked, Buffers, Fetched, Source, fetch};
use crate::grid::{Grid, OnGrid};
use crate::layout::KeyHasher;
use crate::metadata::{Families, SharedMetadata};
use crate::refusal::RefusedSeries;
use crate::sample_labels::SampleRules;
use crate::schedule::{next_tick, offset_ms, sample_time};
use crate::snapshot::Health;
use crate::stats::{Counters, add};
use crate::target::Target;

/// A scrape that begins later than this after its tick counts as late.
const LATE: Duration = Duration::from_millis(100);

/// How long it takes until refused series are told of again.
const REFUSAL_AGAIN: Duration = Duration::from_secs(6 * 3600);

/// Bodies that wait for storage may take so many KiB in all. When storage is behind by more, scrapes are dropped.
pub(crate) const WAITING_KIB_MAX: u32 = 256 << 10;

/// What all loops share.
pub(crate) struct Context {
    pub(crate) append: Arc<dyn Append>,
    pub(crate) metadata: Arc<SharedMetadata>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) offset_seed: u64,
    pub(crate) hasher: KeyHasher,
    pub(crate) buffers: Buffers,
    /// How many scrapes are parsed and written at once.
    pub(crate) commits: Semaphore,
    /// KiB of bodies that may still wait for one of these.
    pub(crate) waiting: Semaphore,
    pub(crate) counters: Counters,
    pub(crate) storage: Storage,
    pub(crate) grid: Arc<Grid>,
}

/// What a loop works by. Replaced as a whole by a reload.
pub(crate) struct Settings {
    pub(crate) job: Arc<JobConfig>,
    pub(crate) target: Target,
    pub(crate) source: Source,
    pub(crate) rules: Arc<SampleRules>,
    /// Why every scrape fails, if it does without being tried.
    pub(crate) refusal: Option<String>,
    /// Counts series that storage refused to the job's targets.
    pub(crate) series_refused: Arc<AtomicU64>,
    pub(crate) asked: Asked,
}

/// What a loop is told.
#[derive(Clone)]
pub(crate) enum Command {
    Run(Arc<Settings>),
    /// The target is gone: end its series.
    End,
    /// The program stops: leave the series as they are.
    Stop,
}

/// How the last scrape went, for the targets page.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) last_error: String,
    pub(crate) last_scrape: Option<TimestampMs>,
    pub(crate) last_duration_seconds: f64,
    /// How long after its tick it began.
    pub(crate) last_late_seconds: f64,
    pub(crate) health: Health,
    pub(crate) refused_series: Option<Arc<RefusedSeries>>,
    /// Of the last good scrape.
    pub(crate) metadata: Families,
}

impl Default for Status {
    fn default() -> Self {
        let metadata = Families::default();
        Self {
            last_error: String::new(),
            last_scrape: None,
            last_duration_seconds: 0.0,
            last_late_seconds: 0.0,
            health: Health::Unknown,
            refused_series: None,
            metadata,
        }
    }
}

pub(crate) type SharedStatus = Arc<Mutex<Status>>;

/// The name of a target's group in storage: the same after a restart.
pub(crate) fn group_key(job: &str, labels: &LabelSet) -> String {
    format!("scrape/{job}/{labels}")
}

struct Loop {
    context: Arc<Context>,
    commands: watch::Receiver<Command>,
    status: SharedStatus,
    /// Away while a blocking thread writes.
    committer: Option<Committer>,
    last_tick: Option<TimestampMs>,
    /// When the last scrape began, and how long after its tick.
    last_began: Option<Instant>,
    late: Duration,
    content_type_warned: bool,
    /// The label for which refused series were told of, and when.
    refusal_told: Option<(String, Instant)>,
    /// Whether all series are stored again since then.
    refusal_over: bool,
}

/// Runs until it is told to end.
pub(crate) async fn run(context: Arc<Context>, commands: watch::Receiver<Command>, status: SharedStatus) {
    Loop {
        context,
        commands,
        status,
        committer: None,
        last_tick: None,
        last_began: None,
        late: Duration::ZERO,
        content_type_warned: false,
        refusal_told: None,
        refusal_over: true,
    }
    .run()
    .await;
}

impl Loop {
    async fn run(mut self) {
        let mut on_grid = OnGrid::new(Arc::clone(&self.context.grid));
        let ends = loop {
            let settings = match self.commands.borrow_and_update().clone() {
                Command::Run(settings) => settings,
                Command::End => break true,
                Command::Stop => break false,
            };
            let now = self.context.clock.now();
            let target = &settings.target;
            on_grid.every(target.interval_ms);
            let offset = offset_ms(&target.labels, &target.url, self.context.offset_seed, target.interval_ms);
            let offset = self.context.grid.align(offset, target.interval_ms);
            let tick = next_tick(now, self.last_tick, target.interval_ms, offset);
            let due = Instant::now() + Duration::from_millis(u64::try_from(tick.saturating_sub(now)).unwrap_or(0));
            tokio::select! {
                biased;
                changed = self.commands.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => break false,
                },
                () = tokio::time::sleep_until(due.into()) => {}
            }
            self.count_tick(tick, target.interval_ms, due.elapsed());
            self.scrape(&settings, tick).await;
        };
        drop(on_grid);
        if let (true, Some(mut committer)) = (ends, self.committer.take()) {
            let now = self.context.clock.now();
            // The only failure is a panic, which the runtime reports.
            let _ = tokio::task::spawn_blocking(move || committer.end(now)).await;
        }
    }

    fn count_tick(&mut self, tick: TimestampMs, interval_ms: u64, late: Duration) {
        let counters = &self.context.counters;
        if let Some(last) = self.last_tick {
            let passed = u64::try_from(tick.saturating_sub(last)).unwrap_or(0) / interval_ms.max(1);
            // A clock that was set forward or a machine that slept passed over ticks too, but no scrape was running then.
            add(&counters.ticks_missed, passed.saturating_sub(1).min(1));
        }
        self.last_tick = Some(tick);
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        counters.punctuality.began(late);
        self.late = late;
        let now = Instant::now();
        if let Some(before) = self.last_began.replace(now) {
            counters.punctuality.apart(interval_ms, now.duration_since(before));
        }
        add(&counters.scrapes_late, u64::from(late > LATE));
        counters.late_us_max.fetch_max(late_us, Ordering::Relaxed);
    }

    async fn scrape(&mut self, settings: &Arc<Settings>, tick: TimestampMs) {
        let began = Instant::now();
        let time = sample_time(self.context.clock.now(), tick, settings.target.interval_ms);
        let context = Arc::clone(&self.context);
        let mut body = context.buffers.take();
        let fetched = match &settings.refusal {
            Some(reason) => Err(reason.clone()),
            None => match self.fetch_or_end(settings, &mut body).await {
                Some(fetched) => fetched,
                None => return context.buffers.give(body),
            },
        };
        add(&context.counters.body_bytes, body.len() as u64);
        match &fetched {
            Ok(fetched) if fetched.assumed => self.warn_content_type(&settings.target),
            Ok(_) => {}
            // Nobody reads what came before it failed: up to the whole limit, which is not to wait for storage.
            Err(_) => context.buffers.give(std::mem::take(&mut body)),
        }
        let kib = u32::try_from(body.len() >> 10).unwrap_or(u32::MAX).min(WAITING_KIB_MAX);
        let Ok(_waiting) = context.waiting.try_acquire_many(kib) else {
            context.buffers.give(body);
            return self.drop_scrape(settings, time);
        };
        // The semaphore is never closed.
        let _permit = context.commits.acquire().await;
        let committer = self.committer.take().unwrap_or_else(|| new_committer(&context, settings));
        let work = Work { context: Arc::clone(&context), committer, settings: Arc::clone(settings), body, fetched, time, began };
        let done = if context.storage.may_commit_here(&work) {
            Ok(work.commit())
        } else {
            tokio::task::spawn_blocking(move || work.commit()).await
        };
        match done {
            Ok((committer, body, committed)) => {
                self.committer = Some(committer);
                context.buffers.give(body);
                self.tell(settings, committed, time, began);
            }
            Err(error) => tracing::error!(url = settings.target.url, %error, "a scrape was lost: its body could not be handled"),
        }
    }

    /// None if the target is gone or the program stops: then there is nothing to wait for.
    async fn fetch_or_end(&mut self, settings: &Settings, body: &mut Vec<u8>) -> Option<Result<Fetched, String>> {
        let mut fetching = std::pin::pin!(fetch(&settings.source, &settings.asked, &settings.job, &settings.target, body));
        loop {
            tokio::select! {
                fetched = &mut fetching => return Some(fetched),
                changed = self.commands.changed() => {
                    let goes_on = changed.is_ok() && matches!(*self.commands.borrow(), Command::Run(_));
                    if !goes_on {
                        return None;
                    }
                }
            }
        }
    }

    /// Storage is so far behind that the body cannot be kept until its turn comes.
    fn drop_scrape(&mut self, settings: &Settings, time: TimestampMs) {
        let committed = Committed {
            warning: Some(format!("the scrape was dropped: bodies of {} MiB wait for storage already", WAITING_KIB_MAX >> 10)),
            lost: 1,
            ..Committed::default()
        };
        self.tell(settings, committed, time, Instant::now());
    }

    fn warn_content_type(&mut self, target: &Target) {
        if !std::mem::replace(&mut self.content_type_warned, true) {
            tracing::warn!(url = target.url, "the target's answer has no Content-Type; it is read as the text format 0.0.4");
        }
    }

    /// Tells of series that storage refuses: once for a label, and again when hours have passed or all were stored in between.
    fn tell_refused(&mut self, url: &str, committed: &Committed) {
        match &committed.refused_series {
            Some(refused) => {
                self.refusal_over = false;
                let known = |(label, at): &(String, Instant)| *label == refused.label && at.elapsed() < REFUSAL_AGAIN;
                if self.refusal_told.as_ref().is_some_and(known) {
                    return;
                }
                self.refusal_told = Some((refused.label.clone(), Instant::now()));
                let (limit, label) = (&refused.limit, &refused.label);
                tracing::warn!(url, limit, label, "{}", refused.sentence());
            }
            None if committed.error.is_some() || self.refusal_over => {}
            None => {
                self.refusal_over = true;
                tracing::info!(url, "all series of this target are stored again");
            }
        }
    }

    fn tell(&mut self, settings: &Settings, committed: Committed, time: TimestampMs, began: Instant) {
        count(&self.context.counters, &committed);
        add(&settings.series_refused, committed.newly_refused);
        let target = &settings.target;
        self.tell_refused(&target.url, &committed);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let error = committed.error.as_ref().or(committed.warning.as_ref());
        let url = &target.url;
        match (&committed.error, &committed.warning) {
            // While it lasts, a failure is told once: the text may differ with each body.
            (Some(error), _) if status.health == Health::Down => tracing::debug!(url, error, "a scrape failed again"),
            (Some(error), _) => tracing::warn!(url, error, "a scrape failed"),
            (None, Some(error)) if status.last_error.is_empty() => tracing::warn!(url, error, "a scrape was not stored as a whole"),
            (None, _) if status.health == Health::Down => tracing::info!(url, "scrapes succeed again"),
            (None, _) => {}
        }
        *status = Status {
            last_error: error.cloned().unwrap_or_default(),
            last_scrape: Some(time),
            last_duration_seconds: began.elapsed().as_secs_f64(),
            last_late_seconds: self.late.as_secs_f64(),
            health: if committed.error.is_some() { Health::Down } else { Health::Up },
            refused_series: committed.refused_series,
            metadata: committed.metadata.unwrap_or_else(|| Arc::clone(&status.metadata)),
        };
    }
}

fn new_committer(context: &Context, settings: &Settings) -> Committer {
    let key = group_key(&settings.job.name, &settings.target.labels);
    Committer::new(Arc::clone(&context.append), Arc::clone(&context.metadata), key, context.hasher.clone(), Arc::clone(&settings.rules))
}

/// How long storage takes at present.
#[derive(Default)]
pub(crate) struct Storage {
    /// Commits that are still handed to blocking threads, because one was slow.
    apart: AtomicU32,
}

/// A body as large as this is handed to a blocking thread, and so is one of which nothing is known: what they take is not
/// known beforehand.
const HERE_BYTES_MAX: usize = 2 << 20;

/// A commit that took longer than this is slow: storage waits for a disk, or for a sync that an acknowledgement stands for.
const SLOW: Duration = Duration::from_millis(10);

/// Commits that are handed to blocking threads after a slow one.
const APART: u32 = 64;

impl Storage {
    /// Whether a commit will hardly hold up others on this thread. It takes a tenth of a millisecond in a thousand, and to
    /// hand it to another thread costs half as much again.
    fn may_commit_here(&self, work: &Work) -> bool {
        let known = work.committer.knows_layout() || (work.fetched.is_err() && work.committer.is_open());
        self.apart.load(Ordering::Relaxed) == 0 && known && work.body.len() <= HERE_BYTES_MAX
    }

    fn took(&self, time: Duration) {
        if time > SLOW {
            self.apart.store(APART, Ordering::Relaxed);
        } else {
            // Lost updates do no harm.
            let apart = self.apart.load(Ordering::Relaxed);
            if apart > 0 {
                self.apart.store(apart - 1, Ordering::Relaxed);
            }
        }
    }
}

/// What is done with a body.
struct Work {
    context: Arc<Context>,
    committer: Committer,
    settings: Arc<Settings>,
    body: Vec<u8>,
    fetched: Result<Fetched, String>,
    time: TimestampMs,
    began: Instant,
}

impl Work {
    fn commit(mut self) -> (Committer, Vec<u8>, Committed) {
        self.committer.set_rules(Arc::clone(&self.settings.rules));
        let not_after = self.fetched.as_ref().ok().and_then(|fetched| fetched.certificate_not_after);
        let scrape = Scrape {
            time: self.time,
            began: self.began,
            body: self.fetched.map(|fetched| (self.body.as_slice(), fetched.format)),
            timeout_ms: self.settings.target.timeout_ms,
            extra_metrics: self.settings.job.switches.extra_scrape_metrics,
            certificate_not_after: not_after.map(|seconds| seconds as f64),
        };
        let begun = Instant::now();
        let mut committed = self.committer.commit(&scrape);
        self.context.storage.took(begun.elapsed());
        // The text may quote the answer, and the answer what was asked with.
        committed.error = committed.error.map(|error| self.settings.source.redact(error));
        committed.warning = committed.warning.map(|warning| self.settings.source.redact(warning));
        if let (Some(error), Some(path)) = (&committed.error, &self.settings.job.failure_log) {
            failure_log::write(path, self.time, &self.settings.job.name, &self.settings.target.url, error);
        }
        (self.committer, self.body, committed)
    }
}

fn count(counters: &Counters, committed: &Committed) {
    add(&counters.scrapes, 1);
    add(&counters.scrapes_failed, u64::from(committed.error.is_some()));
    add(&counters.samples_read, committed.lines);
    add(&counters.samples_accepted, committed.report.accepted);
    add(&counters.samples_out_of_order, committed.report.out_of_order);
    add(&counters.samples_duplicate, committed.duplicates + committed.report.duplicate);
    add(&counters.samples_too_old, committed.report.too_old);
    add(&counters.samples_too_new, committed.report.too_new);
    add(&counters.samples_refused, committed.refused);
    add(&counters.samples_lost, committed.lost);
}

#[cfg(test)]
mod tests {
    use model::TargetGroup;
    use model::seams::{BoxFuture, Exposition, MetricSource, PluginError};

    use super::*;
    use crate::target::tests::job;
    use crate::target::{Built, build, discovered_labels};

    struct Big;

    impl MetricSource for Big {
        fn collect<'a>(&'a self, _: &'a str, _: bool, _: u64) -> BoxFuture<'a, Result<Exposition, PluginError>> {
            Box::pin(async { Ok(Exposition::Text(format!("big 1\n#{}\n", " ".repeat(10 << 10)))) })
        }
    }

    /// Stands at the system's time, as far as a loop needs it.
    struct WallClock;

    impl Clock for WallClock {
        fn now(&self) -> TimestampMs {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        }
    }

    fn context(store: &crate::store::Store, waiting_kib: usize) -> Arc<Context> {
        Arc::new(Context {
            append: store.shared(),
            metadata: Arc::default(),
            clock: Arc::new(WallClock),
            offset_seed: 0,
            hasher: KeyHasher::new(1),
            buffers: Buffers::default(),
            commits: Semaphore::new(1),
            waiting: Semaphore::new(waiting_kib),
            counters: Counters::default(),
            storage: Storage::default(),
            grid: Arc::default(),
        })
    }

    fn big_settings() -> Arc<Settings> {
        let job = Arc::new(job("scrape_interval: 50ms, scrape_timeout: 50ms"));
        let Built::Active(target) = build(&job, &discovered_labels(&job, &TargetGroup::default(), "h:1"), true) else { panic!("a target") };
        let rules = Arc::new(SampleRules {
            target_labels: target.labels.clone(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            legacy_names: false,
            limits: job.limits,
            histograms: job.switches.histograms,
            metric_relabel: Arc::default(),
        });
        Arc::new(Settings {
            job,
            target,
            source: Source::Plugin(Arc::new(Big)),
            rules,
            refusal: None,
            asked: Asked::new(),
            series_refused: Arc::default(),
        })
    }

    #[tokio::test]
    async fn bodies_that_wait_for_storage_are_bounded() {
        for (waiting_kib, dropped) in [(9, true), (10, false)] {
            let store = crate::store::Store::default();
            let (context, status) = (context(&store, waiting_kib), SharedStatus::default());
            let (commands, receiver) = watch::channel(Command::Run(big_settings()));
            let task = tokio::spawn(run(Arc::clone(&context), receiver, Arc::clone(&status)));
            let began = Instant::now();
            while status.lock().expect("not poisoned").last_scrape.is_none() {
                assert!(began.elapsed() < Duration::from_secs(20), "a scrape is due");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            commands.send(Command::Stop).expect("the loop listens");
            task.await.expect("the loop ends");
            let error = status.lock().expect("not poisoned").last_error.clone();
            assert_eq!(error.contains("bodies of 256 MiB wait for storage"), dropped, "{error}");
            assert_eq!(store.rows().is_empty(), dropped);
            assert_eq!(context.counters.samples_lost.load(Ordering::Relaxed) > 0, dropped);
        }
    }
}
