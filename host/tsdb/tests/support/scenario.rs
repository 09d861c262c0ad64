//! A random life of a database on a simulated disk: rows, late rows, histograms, series that come and go, the life cycle; and
//! an end by kill or power cut at any call.

#![allow(clippy::print_stdout, reason = "seeds and counts are for people")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use model::seams::{Append, AppendError, AppendReport, ColumnId, GroupAppend, GroupRow, Row, SelectError};
use model::{BucketSpan, Histogram, HistogramCounts, LabelSet, ManualClock, MatchOp, ResetHint, TimeRange, TimestampMs, stale};
use tsdb::disk::{Call, SimDisk};
use tsdb::{Db, Options, RecoveryReport};

use super::witness::{End, Shown, Value, Witness, look};
use super::{Dice, NOW, labels};

pub(crate) const GROUPS: [&str; 3] = ["scrape/a", "scrape/b", "rules"];

/// What a run is made of.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) options: Options,
    pub(crate) clock: Arc<ManualClock>,
    /// Whether groups share series.
    pub(crate) shared: bool,
}

impl Plan {
    /// By the dice: segments from tiny to large, blocks of a minute.
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let mut options = Options::new(clock.clone());
        options.segment_bytes = 400 << dice.below(7);
        options.wal_sync_ms = dice.below(2) * 1000;
        options.block_ms = [60_000, 120_000, 7_200_000][dice.below(3) as usize];
        options.out_of_order_window_ms = [0, 90_000][dice.below(2) as usize];
        options.retention_ms = [0, 30 * 60_000][dice.below(2) as usize];
        Self { options, clock, shared: dice.below(2) == 0 }
    }
}

impl Plan {
    pub(crate) fn open(&self, disk: &SimDisk) -> Result<(Db, RecoveryReport), tsdb::OpenError> {
        let now = model::Clock::now(self.clock.as_ref());
        Db::open(std::path::Path::new(super::DIR), self.options.clone(), Arc::new(disk.clone()), now)
    }
}

pub(crate) struct Scenario {
    pub(crate) plan: Plan,
    pub(crate) disk: SimDisk,
    pub(crate) witness: Arc<Mutex<Witness>>,
    pub(crate) dice: Dice,
    db: Option<Db>,
    feeders: BTreeMap<usize, Feeder>,
    newest: [TimestampMs; GROUPS.len()],
    /// Blocks that were made, and that others became.
    pub(crate) flushed: u64,
    pub(crate) merged: u64,
    /// What power cuts did to the log before.
    damage: Vec<tsdb::Damage>,
}

/// The writer of a group with its columns.
struct Feeder {
    writer: Box<dyn GroupAppend>,
    columns: BTreeMap<LabelSet, ColumnId>,
}

/// A row of a group: which, when, what.
type GroupSamples<'a> = (usize, TimestampMs, &'a [(LabelSet, Value)]);

/// Columns, their values, and histograms of further columns.
type LaidOut = (Vec<ColumnId>, Vec<f64>, Vec<(ColumnId, Arc<Histogram>)>);

impl Feeder {
    fn lay_out(&mut self, samples: &[(LabelSet, Value)]) -> LaidOut {
        let (mut columns, mut values, mut histograms) = (Vec::new(), Vec::new(), Vec::new());
        for (labels, value) in samples {
            let column = match self.columns.get(labels) {
                Some(column) => *column,
                None => self.writer.column(labels).expect("no limit"),
            };
            self.columns.insert(labels.clone(), column);
            match value {
                Value::Float(bits) => {
                    columns.push(column);
                    values.push(f64::from_bits(*bits));
                }
                Value::Histogram(histogram) => histograms.push((column, histogram.clone())),
            }
        }
        (columns, values, histograms)
    }
}

pub(crate) fn locked(witness: &Mutex<Witness>) -> MutexGuard<'_, Witness> {
    witness.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Scenario {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let plan = Plan::random(&mut dice);
        Self::with(plan, seed)
    }

    pub(crate) fn with(plan: Plan, seed: u64) -> Self {
        let mut scenario = Self {
            plan,
            disk: SimDisk::seeded(seed),
            witness: Arc::default(),
            dice: Dice(seed ^ 0x5EED),
            db: None,
            feeders: BTreeMap::new(),
            newest: [NOW - 1; GROUPS.len()],
            flushed: 0,
            merged: 0,
            damage: Vec::new(),
        };
        scenario.open();
        scenario
    }

    #[track_caller]
    pub(crate) fn open(&mut self) -> RecoveryReport {
        let (db, report) = self.plan.open(&self.disk).expect("any state of the disk opens");
        self.db = Some(db);
        report
    }

    pub(crate) fn db(&self) -> &Db {
        self.db.as_ref().expect("it is open")
    }

    pub(crate) fn close(&mut self) {
        self.feeders.clear();
        self.db = None;
    }

    fn now(&self) -> TimestampMs {
        model::Clock::now(self.plan.clock.as_ref())
    }

    /// Time passes.
    pub(crate) fn pass(&self, ms: i64) {
        let now = self.now() + ms;
        self.plan.clock.set(now);
        if self.plan.options.retention_ms > 0 {
            locked(&self.witness).cutoff = now - self.plan.options.retention_ms;
        }
    }

    /// One thing that happens.
    pub(crate) fn step(&mut self) {
        match self.dice.below(30) {
            0 => {
                let _ = self.sync();
            }
            1 | 2 => drop(self.maintain()),
            3 => drop(self.feeders.remove(&(self.dice.below(3) as usize))),
            4 if self.dice.below(3) == 0 => drop(self.delete()),
            5 if self.dice.below(4) == 0 => drop(self.db().clean_tombstones()),
            8..12 => {
                let pause = self.dice.below(15_000) as i64;
                self.pass(pause);
                drop(self.append_together());
            }
            6 | 7 => {
                let pause = 60_000 + self.dice.below(120_000) as i64;
                self.pass(pause);
            }
            _ => {
                let pause = self.dice.below(15_000) as i64;
                self.pass(pause);
                drop(self.append());
            }
        }
    }

    pub(crate) fn sync(&mut self) -> Result<(), String> {
        let row = locked(&self.witness).last_row();
        let result = self.db().sync();
        match result {
            Ok(()) => locked(&self.witness).synced_to(row),
            Err(_) => locked(&self.witness).sync_failed(),
        }
        result
    }

    pub(crate) fn maintain(&mut self) -> Vec<String> {
        let now = self.now();
        let row = locked(&self.witness).last_row();
        let report = self.db().maintain(now);
        let tended = self.db().tend(now);
        self.flushed += tended.flushed;
        self.merged += tended.merged;
        if report.synced {
            locked(&self.witness).synced_to(row);
        } else if !report.errors.is_empty() {
            locked(&self.witness).sync_failed();
        }
        report.errors.into_iter().chain(tended.errors).collect()
    }

    /// Deletes some series' samples of some time.
    pub(crate) fn delete(&mut self) -> Result<(), SelectError> {
        let matchers = vec![super::matcher("n", MatchOp::Matches, ["1.*", "2|3", ".*"][self.dice.below(3) as usize])];
        let end = self.now() - self.dice.below(300_000) as i64;
        let range = TimeRange { start: end - self.dice.below(200_000) as i64, end };
        locked(&self.witness).delete(&matchers, range.start, range.end, false);
        let result = self.db().delete(std::slice::from_ref(&matchers), range);
        if result.is_ok() {
            locked(&self.witness).delete(&matchers, range.start, range.end, true);
        }
        result.map(drop)
    }

    fn samples(&mut self, group: usize) -> Vec<(LabelSet, Value)> {
        let scope = if self.plan.shared { 0 } else { group };
        let mut samples = BTreeMap::new();
        for _ in 0..self.dice.below(8) {
            let name = self.dice.below(12);
            let ends = self.dice.below(12) == 0;
            let value = match (ends, name % 6) {
                (true, _) => Value::Float(stale().to_bits()),
                (_, 5) if HISTOGRAMS => Value::Histogram(Arc::new(histogram(self.dice.below(5)))),
                _ => Value::Float(super::storable(self.dice.value())),
            };
            samples.insert(labels(&format!("g={scope},n={name}")), value);
        }
        samples.into_iter().collect()
    }

    /// Lets go of all groups.
    pub(crate) fn close_groups(&mut self) {
        self.feeders.clear();
    }

    /// A row of this group, now.
    pub(crate) fn append_now(&mut self, group: usize) -> Result<(), AppendError> {
        self.pass(1000);
        let scope = if self.plan.shared { 0 } else { group };
        let samples = [(labels(&format!("g={scope},n=always")), Value::Float(self.dice.below(100)))];
        self.write(group, self.now(), &samples)
    }

    /// A row of some group at a time that is mostly now.
    pub(crate) fn append(&mut self) -> Result<(), AppendError> {
        let group = self.dice.below(GROUPS.len() as u64) as usize;
        let (time, samples) = self.row(group);
        self.write(group, time, &samples)
    }

    /// Rows of some groups, in any order, by one call.
    pub(crate) fn append_together(&mut self) -> Result<(), AppendError> {
        let first = self.dice.below(GROUPS.len() as u64) as usize;
        let count = 2 + self.dice.below(GROUPS.len() as u64 - 1) as usize;
        let groups = (first..first + count).map(|group| group % GROUPS.len());
        let mut row = |group| {
            self.pass(10);
            (group, self.row(group))
        };
        let rows: Vec<_> = groups.map(&mut row).collect();
        let rows: Vec<_> = rows.iter().map(|(group, (time, samples))| (*group, *time, samples.as_slice())).collect();
        self.write_together(&rows)
    }

    fn row(&mut self, group: usize) -> (TimestampMs, Vec<(LabelSet, Value)>) {
        let time = match self.dice.below(12) {
            0 => self.newest[group],
            1 | 2 => self.newest[group] - self.dice.below(80_000) as i64,
            _ => self.now() - self.dice.below(3) as i64,
        };
        (time, self.samples(group))
    }

    pub(crate) fn write(&mut self, group: usize, time: TimestampMs, samples: &[(LabelSet, Value)]) -> Result<(), AppendError> {
        self.write_together(&[(group, time, samples)])
    }

    /// Of each group at most one row.
    fn write_together(&mut self, rows: &[GroupSamples<'_>]) -> Result<(), AppendError> {
        let db = self.db.clone().expect("it is open");
        let mut laid_out = Vec::new();
        for (group, _, samples) in rows {
            let feeder = self
                .feeders
                .entry(*group)
                .or_insert_with(|| Feeder { writer: db.open_group(GROUPS[*group]).expect("nobody else writes"), columns: BTreeMap::new() });
            laid_out.push(feeder.lay_out(samples));
        }
        let open: Vec<_> = rows.iter().map(|(group, time, samples)| locked(&self.witness).begin(*group, *time, samples)).collect();
        let (places, mut writers): (Vec<usize>, Vec<&mut (dyn GroupAppend + 'static)>) =
            self.feeders.iter_mut().map(|(group, feeder)| (*group, feeder.writer.as_mut())).unzip();
        let results: Vec<Result<AppendReport, AppendError>> = {
            let mut together: Vec<GroupRow<'_>> = Vec::new();
            for ((group, time, _), (columns, values, histograms)) in rows.iter().zip(&laid_out) {
                let row = Row::floats(*time, columns, values).with_histograms(histograms);
                let place = places.iter().position(|place| place == group).expect("it has a writer");
                together.push(GroupRow::new(place, row));
            }
            match together.as_mut_slice() {
                [one] => one.result = Some(writers[one.writer].append(one.row)),
                several => db.append_many(&mut writers, several),
            }
            together.into_iter().map(|row| row.result.expect("storage says what became of it")).collect()
        };
        for (((group, time, samples), open), result) in rows.iter().zip(&open).zip(&results) {
            if std::env::var_os("SKOPOS_TRACE").is_some() {
                println!("append to {group} at {time}, now {}: {samples:?} {result:?}", model::Clock::now(self.plan.clock.as_ref()));
            }
            let mut witness = locked(&self.witness);
            match result {
                // Also where a row of that time is in a block already, which nothing is added to.
                Ok(report) if report.accepted == 0 => witness.refused(open),
                Ok(report) => {
                    witness.acknowledged(open, report.duplicate == 0);
                    if self.plan.options.wal_sync_ms == 0 {
                        let last = witness.last_row();
                        witness.synced_to(last);
                    }
                    self.newest[*group] = self.newest[*group].max(*time);
                    let ended = |labels: &LabelSet| samples.iter().any(|(l, v)| l == labels && *v == Value::Float(stale().to_bits()));
                    self.feeders.get_mut(group).expect("it wrote").columns.retain(|labels, _| !ended(labels));
                }
                Err(_) => {
                    witness.failed(open);
                    if self.plan.options.wal_sync_ms == 0 {
                        witness.sync_failed();
                    }
                }
            }
        }
        results.into_iter().try_for_each(|result| result.map(drop))
    }

    /// The running database shows exactly what was acknowledged.
    #[track_caller]
    pub(crate) fn check(&self, what: &str) {
        let (shown, warnings) = look(self.db());
        assert_eq!(warnings, Vec::<String>::new(), "{what}");
        let samples: usize = shown.values().map(BTreeMap::len).sum();
        super::keyed::same_keyed(self.db(), self.dice.0 ^ samples as u64, self.now(), what);
        self.check_shown(&shown, what);
    }

    #[track_caller]
    pub(crate) fn check_shown(&self, shown: &Shown, what: &str) {
        locked(&self.witness).check(shown, End::None, what);
    }

    /// The process ends, and another begins on what is left.
    #[track_caller]
    pub(crate) fn end(&mut self, end: End, what: &str) {
        self.disk.off_call();
        let seed = self.dice.next();
        let after = after(&self.disk, end, seed);
        self.close();
        self.disk = after;
        let report = self.open();
        let (shown, _) = look(self.db());
        check_report(&report, end, &self.damage, what);
        self.damage = report.damage;
        let mut witness = locked(&self.witness);
        witness.check(&shown, end, what);
        witness.restarted(&shown, end);
    }

    /// At one of `one_in` calls from now on, looks at what a new process would find if this one ended there. Counts.
    pub(crate) fn examine_ends(&self, end: End, one_in: u64, seed: u64, count: &Arc<AtomicU64>) {
        let (witness, plan, count) = (self.witness.clone(), self.plan.clone(), count.clone());
        let dice = Mutex::new(Dice(seed));
        let (calls, damage) = (AtomicU64::new(0), self.damage.clone());
        self.disk.on_call(move |disk, call, path| {
            if matches!(call, Call::Read | Call::Open | Call::List | Call::Map) {
                return;
            }
            let call_number = calls.fetch_add(1, Ordering::Relaxed);
            let cut_seed = {
                let mut dice = dice.lock().expect("no panic");
                if dice.below(one_in) != 0 {
                    return;
                }
                dice.next()
            };
            let what = format!("{end:?} at call {call_number}, {call:?} {}, seed {seed}", path.display());
            let found = after(disk, end, cut_seed);
            let (db, report) = plan.open(&found).unwrap_or_else(|error| panic!("{what}: {error}"));
            check_report(&report, end, &damage, &what);
            let (shown, _) = look(&db);
            locked(&witness).check(&shown, end, &what);
            if cut_seed % 8 == 0 {
                // The new process works on, and a third finds the same.
                let now = model::Clock::now(plan.clock.as_ref());
                assert_eq!(db.maintain(now).errors, Vec::<String>::new(), "{what}");
                assert_eq!(db.tend(now).errors, Vec::<String>::new(), "{what}");
                let worked = look(&db).0;
                locked(&witness).check(&worked, end, &format!("{what}, after maintenance"));
                drop(db);
                let (db, report) = plan.open(&found.process_kill()).unwrap_or_else(|error| panic!("{what}: again: {error}"));
                assert!(end == End::PowerCut || !damage.is_empty() || report.is_clean(), "{what}: again: {report:?}");
                // What is too old goes when its turn comes.
                let cutoff = locked(&witness).cutoff;
                let kept = |mut shown: Shown| {
                    shown.values_mut().for_each(|rows| rows.retain(|time, _| *time >= cutoff));
                    shown.retain(|_, rows| !rows.is_empty());
                    shown
                };
                let (worked, again) = (kept(worked), kept(look(&db).0));
                assert!(again == worked, "{what}: a second restart shows something else: {}", difference(&worked, &again));
            }
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// Some of what only one of them has.
fn difference(one: &Shown, other: &Shown) -> String {
    let lacking = |a: &Shown, b: &Shown| {
        let all = a.iter().flat_map(|(labels, rows)| rows.iter().map(move |(time, value)| (labels.clone(), *time, value.clone())));
        let missing = all.filter(|(labels, time, value)| b.get(labels).and_then(|rows| rows.get(time)) != Some(value));
        missing.take(3).map(|sample| format!("{sample:?}")).collect::<Vec<_>>().join(", ")
    };
    format!("only in the first: {}; only in the second: {}", lacking(one, other), lacking(other, one))
}

fn after(disk: &SimDisk, end: End, seed: u64) -> SimDisk {
    if end == End::PowerCut { disk.power_cut(seed) } else { disk.process_kill() }
}

/// A kill damages nothing but the record that was being written; `before` was there.
#[track_caller]
fn check_report(report: &RecoveryReport, end: End, before: &[tsdb::Damage], what: &str) {
    if end == End::Kill {
        let new = report.damage.iter().filter(|damage| !before.contains(damage)).count();
        assert!(new == 0 && (report.rows_unreadable == 0 || !before.is_empty()), "{what}: {report:?}");
    }
}

/// Whether storage takes native histograms.
const HISTOGRAMS: bool = true;

fn histogram(n: u64) -> Histogram {
    Histogram {
        schema: 3,
        zero_threshold: 0.001,
        sum: n as f64 * 1.5,
        counts: HistogramCounts::Integer { count: 10 + n, zero: n, positive: vec![4 + n, 6], negative: Vec::new() },
        positive_spans: vec![BucketSpan { offset: 2, length: 2 }],
        negative_spans: Vec::new(),
        custom_bounds: Vec::new(),
        reset_hint: ResetHint::Unknown,
    }
}

/// One sample, as a row.
pub(crate) fn float_row(text: &str, value: f64) -> Vec<(LabelSet, Value)> {
    vec![(labels(text), Value::Float(value.to_bits()))]
}
