//! Storage that opens while the web interface is up already, and is looked after by threads of its own.

mod admin;
mod memory;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use model::seams::{ColumnSamples, KeyedGroups, LabelKey, Select, SelectError, SelectRequest, SelectedGroup, SeriesExemplars};
use model::{Clock, HISTOGRAM_BITS, LabelSet, Matcher, TimeRange};
use tsdb::prometheus::Contents;
use tsdb::{Db, OpenError, RecoveryReport};

pub(crate) use admin::{admin, blocks_json, status_json};
pub(crate) use memory::{default_budget, default_query_memory};

/// Longest pause between two looks after storage.
const LOOK_AFTER_MAX: Duration = Duration::from_secs(1);

/// How long reading the log may take before it is told how far it is.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// Answers once storage is open; until then every question is an error that says so.
#[derive(Default)]
pub(crate) struct LateStorage(OnceLock<Db>);

impl LateStorage {
    /// From now on there is storage.
    pub(crate) fn set(&self, db: Db) {
        // Set once, at start.
        let _ = self.0.set(db);
    }

    pub(crate) fn get(&self) -> Option<&Db> {
        self.0.get()
    }

    fn db(&self) -> Result<&Db, SelectError> {
        self.0.get().ok_or_else(|| SelectError::Failed("storage is not ready: its log is being read".to_owned()))
    }
}

impl Select for LateStorage {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Box<dyn SelectedGroup>>, SelectError> {
        self.db()?.select(request)
    }

    fn select_keyed(&self, request: &SelectRequest<'_>, key: LabelKey<'_>) -> Result<KeyedGroups, SelectError> {
        self.db()?.select_keyed(request, key)
    }

    fn series_at_most(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Option<usize> {
        self.0.get()?.series_at_most(matcher_sets, range)
    }

    fn values_at_most(&self, name: &str, range: TimeRange) -> Option<usize> {
        self.0.get()?.values_at_most(name, range)
    }

    fn label_names(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        self.db()?.label_names(matcher_sets, range, limit)
    }

    fn label_values(&self, name: &str, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<String>, SelectError> {
        self.db()?.label_values(name, matcher_sets, range, limit)
    }

    fn series(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange, limit: usize) -> Result<Vec<LabelSet>, SelectError> {
        self.db()?.series(matcher_sets, range, limit)
    }

    fn each_series(
        &self,
        matcher_sets: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        each: &mut dyn FnMut(&LabelSet) -> ControlFlow<()>,
    ) -> Result<(), SelectError> {
        self.db()?.each_series(matcher_sets, range, limit, each)
    }

    fn each_label_value(
        &self,
        name: &str,
        matcher_sets: &[Vec<Matcher>],
        range: TimeRange,
        limit: usize,
        each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), SelectError> {
        self.db()?.each_label_value(name, matcher_sets, range, limit, each)
    }

    fn warnings(&self, range: TimeRange) -> Vec<String> {
        self.0.get().map(|db| db.warnings(range)).unwrap_or_default()
    }

    fn exemplars(&self, matcher_sets: &[Vec<Matcher>], range: TimeRange) -> Result<Vec<SeriesExemplars>, SelectError> {
        self.db()?.exemplars(matcher_sets, range)
    }
}

/// Refuses a data directory of Prometheus: none of its samples would be in any answer, and two databases would be mixed in one directory.
/// Where ours is there already, what of Prometheus lies beside it is told and left alone.
pub(crate) fn not_of_prometheus(dir: &Path) -> Result<(), String> {
    let Contents { of_prometheus: Some(theirs), of_skopos, .. } = Contents::of(dir) else { return Ok(()) };
    let shown = dir.display();
    if of_skopos.is_some() {
        tracing::warn!(
            "{shown} holds data of Prometheus too ({theirs}), which is in no answer; `skopos tsdb import --format=prometheus` brings it in"
        );
        return Ok(());
    }
    Err(format!(
        "--storage.tsdb.path={shown} is a data directory of Prometheus ({theirs}), which has another format. With Prometheus stopped, \
         `skopos tsdb import --format=prometheus {shown} NEW` brings its samples into a directory NEW, which is then the --storage.tsdb.path; \
         nothing of {shown} is changed"
    ))
}

/// Opens the database, telling now and then how far it is, and what was found to be damaged. Blocks.
pub(crate) fn open(dir: &Path, options: tsdb::Options) -> Result<(Db, RecoveryReport), OpenError> {
    let now = options.clock.now();
    let begun = Instant::now();
    let mut told = begun;
    let mut progress = |progress: tsdb::RecoveryProgress| {
        if told.elapsed() >= SILENCE_MAX {
            told = Instant::now();
            let percent = progress.bytes_read * 100 / progress.bytes_total.max(1);
            tracing::info!(
                "reading the log: {percent} % of {} MB after {:.1} s",
                progress.bytes_total / 1_000_000,
                begun.elapsed().as_secs_f64()
            );
        }
    };
    let (db, report) = Db::open_with_progress(dir, options, Arc::new(tsdb::disk::RealDisk), now, &mut progress)?;
    if begun.elapsed() >= SILENCE_MAX {
        tracing::info!(samples = report.samples, "the log is read: {} samples in {:.1} s", report.samples, begun.elapsed().as_secs_f64());
    }
    if let Some(tail) = &report.torn_tail {
        tracing::warn!("the log ended in the middle of a record, which was never acknowledged: {tail}");
    }
    for damage in &report.damage {
        tracing::error!("stored data is damaged, what lies there is lost, the rest is served: {damage}");
    }
    for file in &report.foreign_files {
        tracing::warn!(
            "{file} in the data directory is none of ours and is left alone; `skopos tsdb import` brings in what a Prometheus stored"
        );
    }
    Ok((db, report))
}

/// Makes blocks of the head and larger ones of small ones until `stop` says so, and keeps to the retention. A thread of its own, because
/// merging may take minutes, and the log must be synced meanwhile.
pub(crate) fn make_blocks(
    db: Db,
    clock: Arc<dyn Clock>,
    stop: Arc<std::sync::atomic::AtomicBool>,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("blocks".to_owned()).spawn(move || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let report = db.tend(clock.now());
            for error in &report.errors {
                tracing::error!("{error}");
            }
            if report.flushed + report.merged + report.removed > 0 {
                tracing::info!(
                    "blocks: {} written from the head, {} merged, {} removed by the retention; {} now",
                    report.flushed,
                    report.merged,
                    report.removed,
                    db.stats().blocks
                );
            }
            thread::park_timeout(LOOK_AFTER_MAX);
        }
    })
}

/// Looks after storage until `stop` says so: syncs, retention of the head. One thread, because it waits for the disk.
pub(crate) fn look_after(
    db: Db,
    clock: Arc<dyn Clock>,
    wal_sync_ms: u64,
    stop: Arc<std::sync::atomic::AtomicBool>,
) -> std::io::Result<thread::JoinHandle<()>> {
    let pause = Duration::from_millis(wal_sync_ms.max(50)).min(LOOK_AFTER_MAX);
    thread::Builder::new().name("storage".to_owned()).spawn(move || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            for error in db.maintain(clock.now()).errors {
                tracing::error!("{error}");
            }
            thread::park_timeout(pause);
        }
        if let Err(error) = db.sync() {
            tracing::error!("the last sync of the log failed: {error}");
        }
    })
}

/// Chunks of a series for remote read.
pub(crate) fn chunks(times: &[i64], samples: &ColumnSamples) -> Vec<remote::read::Chunk> {
    let histograms = match samples {
        ColumnSamples::Mixed { histograms, .. } => histograms.as_slice(),
        _ => &[],
    };
    let at = |row: usize| histograms.get(row).cloned().flatten();
    let bits = samples.floats().iter().enumerate().map(|(row, value)| if at(row).is_some() { HISTOGRAM_BITS } else { value.to_bits() });
    let mut chunks = Vec::new();
    let cut = tsdb::prometheus::chunks::<std::convert::Infallible>(times, bits, &at, |chunk| {
        chunks.push(remote::read::Chunk { from: chunk.from, to: chunk.to, encoding: chunk.encoding, data: chunk.data });
        Ok(())
    });
    let Ok(()) = cut;
    chunks
}

#[cfg(test)]
mod tests {
    use model::seams::{Append, Row};

    use super::*;

    /// What is not passed on still answers, by way of more work.
    #[test]
    fn late_storage_passes_on_what_storage_does_better() {
        let dir = std::env::temp_dir().join(format!("skopos-late-{}", std::process::id()));
        let options = tsdb::Options::new(Arc::new(crate::clock::SystemClock));
        let now = options.clock.now();
        let (db, _) = Db::open(&dir, options, Arc::new(tsdb::disk::RealDisk), now).expect("a database");
        let mut writer = db.open_group("g").expect("a group");
        let column = writer.column(&LabelSet::from_pairs([("__name__", "up"), ("job", "a")])).expect("a column");
        writer.append(Row::floats(now, &[column], &[1.0])).expect("a sample");
        let late = LateStorage::default();
        let (matchers, range) = (vec![Matcher::equal("__name__", "up")], TimeRange { start: now - 1000, end: now });
        assert!(late.series_at_most(std::slice::from_ref(&matchers), range).is_none(), "it is not open");
        late.set(db);
        let names = ["job".to_owned()];
        let request = SelectRequest { matchers: &matchers, range };
        let keyed = late.select_keyed(&request, LabelKey { names: &names, without: false }).expect("groups");
        assert_eq!(keyed.keys, [LabelSet::from_pairs([("job", "a")])]);
        assert!(keyed.groups[0].labels().is_empty(), "label sets were made");
        assert_eq!((late.series_at_most(&[matchers], range), late.values_at_most("job", range)), (Some(1), Some(1)));
        drop((keyed, writer, late));
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
