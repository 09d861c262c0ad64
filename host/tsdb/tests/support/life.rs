//! A database whose clock moves and that is started anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Clock, ManualClock, TimestampMs};
use tsdb::disk::{Disk, SimDisk};
use tsdb::{Db, Options, TendReport};

use super::{DIR, Feeder};

pub(crate) const H: i64 = 3_600_000;
pub(crate) const MIN: i64 = 60_000;
/// Noon of a day, which is where a range of two hours begins.
pub(crate) const NOON: TimestampMs = 20_000 * 24 * H + 12 * H;

/// A database that lives: its clock moves, and it is started anew.
pub(crate) struct Life {
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: Options,
    pub(crate) db: Option<Db>,
}

impl Life {
    pub(crate) fn new(disk: SimDisk, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Arc::new(ManualClock::at(NOON));
        let mut options = Options::new(clock.clone());
        change(&mut options);
        let mut life = Self { disk, clock, options, db: None };
        life.start();
        life
    }

    pub(crate) fn start(&mut self) {
        let (db, report) = Db::open(Path::new(DIR), self.options.clone(), Arc::new(self.disk.clone()) as Arc<dyn Disk>, self.clock.now())
            .expect("it opens");
        assert!(report.is_clean(), "{report:?}");
        self.db = Some(db);
    }

    /// As after `kill -9`.
    pub(crate) fn restart(&mut self) {
        self.db = None;
        self.disk = self.disk.process_kill();
        self.start();
    }

    /// Likewise, with writers that are still there.
    pub(crate) fn restart_with(&mut self, feeders: Vec<Feeder>) {
        drop(feeders);
        self.restart();
    }

    pub(crate) fn db(&self) -> &Db {
        self.db.as_ref().expect("it runs")
    }

    pub(crate) fn pass(&self, ms: i64) -> TendReport {
        self.clock.set(self.clock.now() + ms);
        let report = self.db().tend(self.clock.now());
        assert_eq!(report.errors, Vec::<String>::new());
        self.db().maintain(self.clock.now());
        report
    }

    pub(crate) fn blocks(&self) -> Vec<(i64, i64, u32)> {
        self.db().blocks().iter().map(|block| (block.time_min, block.time_max, block.level)).collect()
    }

    pub(crate) fn files(&self, dir: &str) -> Vec<PathBuf> {
        self.disk.files().into_iter().map(|(path, _)| path).filter(|path| path.starts_with(Path::new(DIR).join(dir))).collect()
    }
}

/// A row each 15 s of some series for a time, from now on; the clock follows.
pub(crate) fn feed(life: &Life, feeder: &mut Feeder, ms: i64, names: &[&str]) {
    let from = life.clock.now();
    for n in 0..ms / 15_000 {
        let time = from + n * 15_000;
        life.clock.set(time);
        let row: Vec<(String, f64)> =
            names.iter().enumerate().map(|(at, name)| (format!("__name__={name}"), (n * 10 + at as i64) as f64)).collect();
        feeder.row(time, &row.iter().map(|(name, value)| (name.as_str(), *value)).collect::<Vec<_>>());
    }
    life.clock.set(from + ms);
}
