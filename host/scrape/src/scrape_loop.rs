//! Scrapes one target on time, for as long as it is one.

mod telling;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::seams::Append;
use model::{Clock, LabelSet, TimestampMs};
use tokio::sync::{Semaphore, watch};

pub(crate) use telling::SharedStatus;
use telling::{Moment, Teller};
pub(crate) use work::Storage;
use work::Work;

use crate::commit::{Committed, Committer};
use crate::config::JobConfig;
use crate::fetch::{Asked, Buffers, Fetched, Source, fetch};
use crate::grid::{Grid, OnGrid};
use crate::layout::KeyHasher;
use crate::metadata::SharedMetadata;
use crate::sample_labels::SampleRules;
use crate::schedule::{next_tick, offset_ms, sample_time};
use crate::stats::{Counters, add};
use crate::target::Target;

/// A scrape that begins later than this after its tick counts as late.
const LATE: Duration = Duration::from_millis(100);

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

/// The name of a target's group in storage: the same after a restart.
pub(crate) fn group_key(job: &str, labels: &LabelSet) -> String {
    format!("scrape/{job}/{labels}")
}

struct Loop {
    context: Arc<Context>,
    commands: watch::Receiver<Command>,
    teller: Teller,
    /// Away while a blocking thread writes.
    committer: Option<Committer>,
    last_tick: Option<TimestampMs>,
    /// When the last scrape began, and how long after its tick.
    last_began: Option<Instant>,
    late: Duration,
}

/// Runs until it is told to end.
pub(crate) async fn run(context: Arc<Context>, commands: watch::Receiver<Command>, status: SharedStatus) {
    Loop { context, commands, teller: Teller::new(status), committer: None, last_tick: None, last_began: None, late: Duration::ZERO }
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
            Ok(fetched) if fetched.assumed => self.teller.content_type_missing(&settings.target.url),
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

    fn tell(&mut self, settings: &Settings, committed: Committed, time: TimestampMs, began: Instant) {
        count(&self.context.counters, &committed);
        add(&settings.series_refused, committed.newly_refused);
        self.teller.scraped(&settings.target.url, committed, Moment { time, began, late: self.late });
    }
}

fn new_committer(context: &Context, settings: &Settings) -> Committer {
    let key = group_key(&settings.job.name, &settings.target.labels);
    Committer::new(Arc::clone(&context.append), Arc::clone(&context.metadata), key, context.hasher.clone(), Arc::clone(&settings.rules))
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
