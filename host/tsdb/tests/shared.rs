//! Series that several groups have, at the same times: of two samples of one time the one that was written first counts, whichever
//! row it joined, in every stage of a sample's life. A failure prints its seed; `SKOPOS_SEED=n` runs that one alone, and
//! `SKOPOS_SEEDS=n` that many.

#![allow(clippy::print_stdout, reason = "seeds and counts are for people")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::seams::{Append, GroupAppend, GroupRow, Row};
use model::{Clock, LabelSet, MatchOp, TimeRange, TimestampMs, stale};
use support::keyed::{COMPARED, same_keyed};
use support::life::{H, Life, MIN, NOON};
use support::{ALWAYS, DIR, Dice, Feeder, Stored, labels, matcher, read, read_all, stored};
use tsdb::Db;
use tsdb::disk::{Disk, SimDisk};

/// Reads all after each thing that may happen to what is in the head, and demands the same.
#[track_caller]
fn stays_through_everything(mut life: Life, feeders: Vec<Feeder>, expected: &Stored) {
    assert_eq!(&read_all(life.db()), expected, "in the head");
    let snapshot = life.db().snapshot(false).expect("a snapshot");
    assert_eq!(&read_all(&opened(&life, &snapshot)), expected, "a snapshot");
    life.restart_with(feeders);
    assert_eq!(&read_all(life.db()), expected, "after a restart");
    life.db().maintain(life.clock.now() + 2 * H);
    assert_eq!(&read_all(life.db()), expected, "in pages");
    life.restart();
    life.db().maintain(life.clock.now() + 2 * H);
    assert_eq!(&read_all(life.db()), expected, "in pages after a restart");
    life.pass(4 * H);
    assert!(life.db().stats().head_time.is_none() && !life.db().blocks().is_empty());
    assert_eq!(&read_all(life.db()), expected, "in a block");
    life.restart();
    assert_eq!(&read_all(life.db()), expected, "in a block after a restart");
    for _ in 0..9 {
        life.pass(4 * H);
    }
    assert_eq!(&read_all(life.db()), expected, "merged");
}

fn opened(life: &Life, snapshot: &str) -> Db {
    let dir = Path::new(DIR).join("snapshots").join(snapshot);
    let disk = Arc::new(life.disk.process_kill()) as Arc<dyn Disk>;
    Db::open(&dir, life.options.clone(), disk, life.clock.now()).expect("it opens").0
}

/// The first row of one group is older than the sample, which joins it last.
#[test]
fn a_sample_that_joins_the_newest_row_later_is_not_as_old_as_the_row() {
    for (first, second) in [("a", "z"), ("z", "a")] {
        let life = Life::new(SimDisk::default(), |_| {});
        let (mut one, mut two) = (Feeder::open(life.db(), first), Feeder::open(life.db(), second));
        one.row(NOON, &[("n=own", 1.0)]);
        two.row(NOON, &[("n=shared", 2.0)]);
        one.row(NOON, &[("n=shared", 3.0), ("n=more", 4.0)]);
        let expected = stored(&[("n=own", &[(NOON, 1.0)]), ("n=shared", &[(NOON, 2.0)]), ("n=more", &[(NOON, 4.0)])]);
        stays_through_everything(life, vec![one, two], &expected);
    }
}

/// Likewise where both groups had the series before, so that pages are made of many such rows.
#[test]
fn rows_of_many_records_keep_the_order_of_each_sample_in_pages() {
    for (first, second) in [("a", "z"), ("z", "a")] {
        let life = Life::new(SimDisk::default(), |_| {});
        let (mut one, mut two) = (Feeder::open(life.db(), first), Feeder::open(life.db(), second));
        let mut expected: BTreeMap<LabelSet, Vec<(TimestampMs, u64)>> = BTreeMap::new();
        for n in 0..200 {
            let time = NOON + n * 1000;
            one.row(time, &[("n=own", n as f64), ("n=x", 1.0)]);
            two.row(time, &[("n=x", 2.0)]);
            two.row(time, &[("n=shared", 3.0), ("n=x", 5.0)]);
            one.row(time, &[("n=shared", 4.0)]);
            for (series, value) in [("n=own", n as f64), ("n=x", 1.0), ("n=shared", 3.0)] {
                expected.entry(labels(series)).or_default().push((time, value.to_bits()));
            }
        }
        stays_through_everything(life, vec![one, two], &expected);
    }
}

/// The second group gets the series when the first has rows of it in pages already.
#[test]
fn a_group_that_gets_the_series_later_is_later() {
    let life = Life::new(SimDisk::default(), |options| options.out_of_order_window_ms = H);
    let (mut one, mut two) = (Feeder::open(life.db(), "z"), Feeder::open(life.db(), "a"));
    let mut expected: Stored = BTreeMap::new();
    for n in 0..150 {
        let time = NOON + n * 1000;
        one.row(time, &[("n=own", 1.0)]);
        one.row(time, &[("n=shared", 2.0)]);
        expected.entry(labels("n=own")).or_default().push((time, 1.0_f64.to_bits()));
        expected.entry(labels("n=shared")).or_default().push((time, 2.0_f64.to_bits()));
    }
    for n in 0..150 {
        two.row(NOON + n * 1000, &[("n=shared", 9.0)]);
    }
    // And now both, the first one's samples joining.
    for n in 150..300 {
        let time = NOON + n * 1000;
        one.row(time, &[("n=own", 1.0)]);
        two.row(time, &[("n=shared", 9.0)]);
        one.row(time, &[("n=shared", 2.0)]);
        expected.entry(labels("n=own")).or_default().push((time, 1.0_f64.to_bits()));
        expected.entry(labels("n=shared")).or_default().push((time, 9.0_f64.to_bits()));
    }
    stays_through_everything(life, vec![one, two], &expected);
}

/// Late rows, several of one time, and such as fill a hole of a row that is old.
#[test]
fn a_late_sample_is_not_as_old_as_the_row_that_it_joins() {
    for (first, second) in [("a", "z"), ("z", "a")] {
        let life = Life::new(SimDisk::default(), |options| options.out_of_order_window_ms = H);
        let (mut one, mut two) = (Feeder::open(life.db(), first), Feeder::open(life.db(), second));
        one.row(NOON, &[("n=own", 1.0)]);
        one.row(NOON + MIN, &[("n=own", 1.0)]);
        two.row(NOON + 2 * MIN, &[("n=own", 1.0)]);
        // A row that has it not, in the first; late in the second, then late in the first.
        two.row(NOON, &[("n=shared", 2.0)]);
        one.row(NOON, &[("n=shared", 3.0)]);
        // Of a time that neither has: the late row of the first is there, but without the series.
        one.row(NOON + 1000, &[("n=own", 5.0)]);
        two.row(NOON + 1000, &[("n=shared", 6.0)]);
        one.row(NOON + 1000, &[("n=shared", 7.0)]);
        let expected = stored(&[
            ("n=own", &[(NOON, 1.0), (NOON + 1000, 5.0), (NOON + MIN, 1.0), (NOON + 2 * MIN, 1.0)]),
            ("n=shared", &[(NOON, 2.0), (NOON + 1000, 6.0)]),
        ]);
        stays_through_everything(life, vec![one, two], &expected);
    }
}

/// Pieces of a group in blocks whose ranges overlap: each later block has only what was written later.
#[test]
fn blocks_of_overlapping_ranges_keep_the_order_of_writing() {
    let mut life = Life::new(SimDisk::default(), |options| options.out_of_order_window_ms = 20 * H);
    let (mut one, mut two) = (Feeder::open(life.db(), "z"), Feeder::open(life.db(), "a"));
    one.row(NOON, &[("n=own", 1.0)]);
    two.row(NOON, &[("n=shared", 2.0)]);
    one.row(NOON, &[("n=shared", 3.0)]);
    one.row(NOON + MIN, &[("n=own", 1.0)]);
    life.pass(12 * H);
    assert_eq!(life.db().blocks().len(), 1);
    // The block has a time of this series, and not of that.
    one.row(NOON, &[("n=shared", 4.0), ("n=late", 5.0)]);
    two.row(NOON, &[("n=late", 6.0), ("n=own", 7.0)]);
    two.row(NOON + MIN, &[("n=x", 8.0)]);
    one.row(NOON + MIN, &[("n=shared", 9.0)]);
    two.row(NOON + MIN, &[("n=shared", 10.0)]);
    let expected = stored(&[
        ("n=own", &[(NOON, 1.0), (NOON + MIN, 1.0)]),
        ("n=shared", &[(NOON, 2.0), (NOON + MIN, 9.0)]),
        ("n=late", &[(NOON, 5.0)]),
        ("n=x", &[(NOON + MIN, 8.0)]),
    ]);
    assert_eq!(read_all(life.db()), expected, "a block, and rows of its times in the head");
    life.restart_with(vec![one, two]);
    assert_eq!(read_all(life.db()), expected, "likewise after a restart");
    life.pass(12 * H);
    life.restart();
    assert_eq!(read_all(life.db()), expected, "two blocks, or merged");
    for _ in 0..9 {
        life.pass(4 * H);
    }
    assert_eq!(life.db().blocks().len(), 1);
    assert_eq!(read_all(life.db()), expected, "merged");
}

/// What was deleted does not come back with a later group's sample of the same time, and what is written after the deletion stays.
#[test]
fn what_was_deleted_leaves_nothing_behind_it() {
    for (first, second) in [("a", "z"), ("z", "a")] {
        let mut life = Life::new(SimDisk::default(), |options| options.out_of_order_window_ms = H);
        let (mut one, mut two) = (Feeder::open(life.db(), first), Feeder::open(life.db(), second));
        one.row(NOON, &[("n=own", 1.0)]);
        two.row(NOON, &[("n=shared", 2.0)]);
        one.row(NOON, &[("n=shared", 3.0)]);
        life.db().delete(&[vec![matcher("n", MatchOp::Equal, "shared")]], ALWAYS).expect("it deletes");
        let without = stored(&[("n=own", &[(NOON, 1.0)])]);
        assert_eq!(read_all(life.db()), without);
        one.row(NOON + 1, &[("n=own", 5.0)]);
        two.row(NOON + 1, &[("n=own", 8.0)]);
        two.row(NOON, &[("n=shared", 6.0)]);
        one.row(NOON, &[("n=shared", 7.0)]);
        let expected = stored(&[("n=own", &[(NOON, 1.0), (NOON + 1, 5.0)]), ("n=shared", &[(NOON, 6.0)])]);
        assert_eq!(read_all(life.db()), expected);
        life.db().clean_tombstones().expect("it cleans");
        life.restart_with(vec![one, two]);
        assert_eq!(read_all(life.db()), expected);
        for _ in 0..4 {
            life.pass(4 * H);
        }
        assert_eq!(read_all(life.db()), expected);
    }
}

/// Though its writer, which has all of that row at hand, is still there.
#[test]
fn what_was_deleted_of_the_newest_row_can_be_written_again() {
    let mut life = Life::new(SimDisk::default(), |_| {});
    let mut one = Feeder::open(life.db(), "g");
    one.row(NOON, &[("n=1", 1.0), ("n=2", 2.0)]);
    life.db().delete(&[vec![matcher("n", MatchOp::Equal, "1")]], ALWAYS).expect("it deletes");
    assert_eq!(one.row(NOON, &[("n=1", 3.0)]).accepted, 1);
    let expected = stored(&[("n=1", &[(NOON, 3.0)]), ("n=2", &[(NOON, 2.0)])]);
    assert_eq!(read_all(life.db()), expected);
    life.restart_with(vec![one]);
    assert_eq!(read_all(life.db()), expected);
}

/// After a restart the group has late rows alone: what they were late for is in a block, and its segment gone.
#[test]
fn late_samples_that_are_all_there_is_of_a_group_are_deleted_and_count_as_before() {
    for delete in [true, false] {
        let mut life = Life::new(SimDisk::default(), |options| options.out_of_order_window_ms = 20 * H);
        let mut one = Feeder::open(life.db(), "g");
        one.row(NOON, &[("n=1", 1.0)]);
        life.pass(3 * H);
        life.pass(2 * MIN);
        one.row(NOON - 1000, &[("n=1", 2.0)]);
        life.pass(2 * MIN);
        assert_eq!(life.files("wal").len(), 1, "the first segment is gone");
        life.restart_with(vec![one]);
        let all = |late: f64| stored(&[("n=1", &[(NOON - 1000, late), (NOON, 1.0)])]);
        assert_eq!(read_all(life.db()), all(2.0));
        let mut one = Feeder::open(life.db(), "g");
        if delete {
            life.db().delete(&[vec![matcher("n", MatchOp::Equal, "1")]], ALWAYS).expect("it deletes");
            assert_eq!(read_all(life.db()), Stored::new());
            assert_eq!(one.row(NOON - 1000, &[("n=1", 3.0)]).accepted, 1);
        } else {
            assert_eq!(one.row(NOON - 1000, &[("n=1", 3.0)]).duplicate, 1);
        }
        let expected = if delete { stored(&[("n=1", &[(NOON - 1000, 3.0)])]) } else { all(2.0) };
        assert_eq!(read_all(life.db()), expected);
        life.restart_with(vec![one]);
        assert_eq!(read_all(life.db()), expected);
    }
}

const GROUPS: [&str; 4] = ["m", "a", "z", "b"];

/// A store that is too simple to be wrong: of a series and a time, what was written first.
type Naive = BTreeMap<LabelSet, BTreeMap<TimestampMs, u64>>;

struct Run {
    dice: Dice,
    life: Life,
    feeders: BTreeMap<&'static str, Feeder>,
    naive: Naive,
    newest: TimestampMs,
    counts: Counts,
}

/// Whether to print each step.
fn trace() -> bool {
    std::env::var_os("SKOPOS_TRACE").is_some()
}

/// What happened, so that a run that tests nothing is seen.
#[derive(Debug, Default)]
struct Counts {
    samples: u64,
    /// Samples of a time that the series had.
    again: u64,
    restarts: u64,
    flushes: u64,
    merges: u64,
    deletions: u64,
    snapshots: u64,
    compared: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let life = Life::new(SimDisk::seeded(seed), |options| {
            options.segment_bytes = [400, 4000, 1 << 20][dice.below(3) as usize];
            options.block_ms = [20_000, 60_000, 2 * H][dice.below(3) as usize];
            options.out_of_order_window_ms = [0, 40_000, H][dice.below(3) as usize];
            options.retention_ms = 0;
        });
        Self { dice, life, feeders: BTreeMap::new(), naive: Naive::new(), newest: NOON, counts: Counts::default() }
    }

    fn step(&mut self) {
        let what = self.dice.below(70);
        if trace() {
            println!("step {what} at {}", self.life.clock.now());
        }
        match what {
            0 | 1 => {
                self.feeders.clear();
                self.life.restart();
                self.counts.restarts += 1;
            }
            2 => drop(self.feeders.remove(GROUPS[self.dice.below(4) as usize])),
            3 => drop(self.life.db().maintain(self.life.clock.now() + 2 * H)),
            4 => self.pass(60_000 + self.dice.0 as i64 % 60_000),
            5 if self.dice.below(3) == 0 => self.pass(3 * H),
            6 if self.dice.below(2) == 0 => self.delete(),
            7 if self.dice.below(3) == 0 => drop(self.life.db().clean_tombstones().expect("it cleans")),
            8 if self.dice.below(3) == 0 => self.snapshot(),
            9..12 => self.compare("as it is"),
            12..16 => self.pass(5_000),
            16..20 => self.append_together(),
            _ => self.append(),
        }
    }

    /// Time passes, and what is due is done.
    fn pass(&mut self, ms: i64) {
        let report = self.life.pass(ms.abs());
        self.counts.flushes += report.flushed;
        self.counts.merges += report.merged;
    }

    /// Few times and few series, so that groups meet.
    fn row(&mut self) -> (TimestampMs, Vec<(LabelSet, f64)>) {
        let now = self.life.clock.now() / 1000 * 1000;
        let time = match self.dice.below(8) {
            0 | 1 => now,
            2 => now - self.dice.below(40) as i64 * 1000,
            3 => now - self.dice.below(400) as i64 * 1000,
            _ => self.newest,
        };
        let mut samples: BTreeMap<LabelSet, f64> = BTreeMap::new();
        for _ in 0..1 + self.dice.below(4) {
            let value = if self.dice.below(14) == 0 { stale() } else { self.dice.below(1000) as f64 };
            let series = self.dice.below(9);
            samples.insert(labels(&format!("s={series},t={}", series % 3)), value);
        }
        (time, samples.into_iter().collect())
    }

    fn append(&mut self) {
        let group = GROUPS[self.dice.below(4) as usize];
        let (time, samples) = self.row();
        let db = self.life.db.as_ref().expect("it runs");
        let report = self.feeders.entry(group).or_insert_with(|| Feeder::open(db, group)).append(time, &samples).expect("the disk is well");
        if report.out_of_order == 0 {
            self.written(group, time, &samples);
        }
    }

    /// Two groups in one call, the one named first is first.
    fn append_together(&mut self) {
        let first = self.dice.below(4) as usize;
        let rows: Vec<_> = [first, (first + 1 + self.dice.below(3) as usize) % 4].into_iter().map(|at| (GROUPS[at], self.row())).collect();
        let db = self.life.db.as_ref().expect("it runs");
        for (group, _) in &rows {
            self.feeders.entry(group).or_insert_with(|| Feeder::open(db, group));
        }
        let mut feeders: BTreeMap<&str, &mut Feeder> = self.feeders.iter_mut().map(|(group, feeder)| (*group, feeder)).collect();
        let mut laid_out = Vec::new();
        for (group, (time, samples)) in &rows {
            let feeder = feeders.remove(group).expect("each once");
            let columns: Vec<_> = samples.iter().map(|(labels, _)| feeder.writer.column(labels).expect("no limit")).collect();
            let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
            feeder.forget(samples.iter().filter(|(_, value)| model::is_stale(*value)).map(|(labels, _)| labels));
            laid_out.push((feeder, *time, columns, values));
        }
        let (mut writers, mut together): (Vec<&mut (dyn GroupAppend + 'static)>, Vec<GroupRow<'_>>) = laid_out
            .iter_mut()
            .enumerate()
            .map(|(at, (feeder, time, columns, values))| (feeder.writer.as_mut(), GroupRow::new(at, Row::floats(*time, columns, values))))
            .unzip();
        db.append_many(&mut writers, &mut together);
        let refused: Vec<u64> = together
            .into_iter()
            .map(|row| row.result.expect("storage says what became of it").expect("the disk is well").out_of_order)
            .collect();
        for ((group, (time, samples)), refused) in rows.iter().zip(refused) {
            if refused == 0 {
                self.written(group, *time, samples);
            }
        }
    }

    fn written(&mut self, group: &str, time: TimestampMs, samples: &[(LabelSet, f64)]) {
        if trace() {
            println!("{group} at {time}: {samples:?}");
        }
        self.newest = self.newest.max(time);
        for (labels, value) in samples {
            let held = self.naive.entry(labels.clone()).or_default();
            self.counts.samples += 1;
            self.counts.again += u64::from(held.contains_key(&time));
            held.entry(time).or_insert(value.to_bits());
        }
    }

    fn delete(&mut self) {
        let matchers = [matcher("s", MatchOp::Matches, ["1|2", "[3-8]", ".*"][self.dice.below(3) as usize])];
        let end = self.life.clock.now() - self.dice.below(60_000) as i64;
        let range = TimeRange { start: end - self.dice.below(100_000) as i64, end };
        if trace() {
            println!("delete {matchers:?} {range:?}");
        }
        self.life.db().delete(&[matchers.to_vec()], range).expect("it deletes");
        for (_, rows) in self.naive.iter_mut().filter(|(labels, _)| matchers[0].matches_labels(labels)) {
            rows.retain(|time, _| *time < range.start || *time > range.end);
        }
        self.counts.deletions += 1;
    }

    fn snapshot(&mut self) {
        let name = self.life.db().snapshot(false).expect("a snapshot");
        self.same(&opened(&self.life, &name), "a snapshot");
        self.counts.snapshots += 1;
    }

    fn compare(&mut self, what: &str) {
        self.same(self.life.db(), what);
        self.counts.compared += 1;
    }

    #[track_caller]
    fn same(&self, db: &Db, what: &str) {
        let found = read(db, &[], ALWAYS);
        for (labels, rows) in &self.naive {
            let found: BTreeMap<_, _> = found.get(labels).into_iter().flatten().copied().collect();
            let wrong = rows.iter().find(|(time, bits)| found.get(time) != Some(bits));
            assert!(
                wrong.is_none(),
                "{what}: {labels} has {:?} where {wrong:?} was written first",
                wrong.and_then(|(time, _)| found.get(time))
            );
            let more = found.keys().find(|time| !rows.contains_key(time));
            assert_eq!(more, None, "{what}: {labels} has more");
        }
        assert!(found.keys().all(|labels| self.naive.contains_key(labels)), "{what}");
        for nth in 0..3 {
            same_keyed(db, self.dice.0 ^ nth, self.life.clock.now(), what);
        }
    }

    /// Through all that may come.
    fn end(mut self) -> Counts {
        self.compare("at the end");
        self.feeders.clear();
        self.life.restart();
        self.compare("after a restart");
        self.pass(3 * H);
        self.compare("in blocks");
        self.life.restart();
        self.compare("in blocks after a restart");
        for _ in 0..4 {
            self.pass(7 * H);
        }
        self.compare("merged");
        self.life.restart();
        self.compare("merged and restarted");
        self.counts
    }
}

#[test]
fn what_was_written_first_counts_in_every_stage() {
    let mut all = Counts::default();
    for seed in support::seeds(60) {
        println!("SKOPOS_SEED={seed}");
        let mut run = Run::new(seed);
        for _ in 0..250 {
            run.step();
            if trace() {
                run.compare("after the step");
            }
        }
        let counts = run.end();
        all.samples += counts.samples;
        all.again += counts.again;
        all.restarts += counts.restarts;
        all.flushes += counts.flushes;
        all.merges += counts.merges;
        all.deletions += counts.deletions;
        all.snapshots += counts.snapshots;
        all.compared += counts.compared;
    }
    println!("{all:?}; {} series asked for by keys", COMPARED.load(std::sync::atomic::Ordering::Relaxed));
}
