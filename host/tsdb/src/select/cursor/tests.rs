//! A failure prints its seed; `SKOPOS_SEED=n` runs that one alone, and `SKOPOS_SEEDS=n` that many.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use model::seams::{Append, ColumnId, GroupAppend, Row, Select};
use model::{Clock, ManualClock, MatchOp};
use test_support::Dice;

use super::*;
use crate::disk::SimDisk;
use crate::{Db, Options};

const NOW: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

/// A group's writer with its columns.
type Writer = (Box<dyn GroupAppend>, BTreeMap<LabelSet, ColumnId>);

/// Groups that write, come and go, share series; blocks; deletions.
struct Life {
    db: Db,
    clock: Arc<ManualClock>,
    dice: Dice,
    writers: BTreeMap<usize, Writer>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let mut options = Options::new(clock.clone());
        (options.retention_ms, options.block_ms) = (0, 2 * MINUTE);
        let (db, _) = Db::open(Path::new("/data"), options, Arc::new(SimDisk::default()), NOW).expect("it opens");
        Self { db, clock, dice: Dice(seed), writers: BTreeMap::new() }
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0 => self.tend(),
            1 => drop(self.writers.remove(&self.dice.below(3))),
            2 => {
                let matchers = Matcher::new("n", MatchOp::Matches, ["1.*", ".*3", "..."][self.dice.below(3)]).expect("good");
                let end = self.clock.now() - self.dice.below(10) as i64 * MINUTE;
                let range = TimeRange { start: end - self.dice.below(10) as i64 * MINUTE, end };
                self.db.delete(&[vec![matchers]], range).expect("it deletes");
            }
            3..6 => self.clock.set(self.clock.now() + self.dice.below(5) as i64 * MINUTE),
            _ => self.append(),
        }
    }

    /// Rows go to blocks, and unused series from the head.
    fn tend(&self) {
        assert_eq!(self.db.tend(self.clock.now()).errors, Vec::<String>::new());
        self.db.0.remove_unused(true);
    }

    fn append(&mut self) {
        let time = self.clock.now() + 1000;
        self.clock.set(time);
        let (db, dice) = (&self.db, &mut self.dice);
        let key = dice.below(3);
        let (writer, columns) =
            self.writers.entry(key).or_insert_with(|| (db.open_group(&key.to_string()).expect("free"), BTreeMap::new()));
        let names = ["a", "A", "ab", "a\u{1}", "_", "z"];
        let first = dice.below(200);
        let of_row: BTreeSet<ColumnId> = (0..dice.below(30))
            .map(|_| {
                let mut pairs = vec![("n", (first + dice.below(60)).to_string())];
                pairs.extend((0..dice.below(3)).map(|_| (names[dice.below(names.len())], dice.below(4).to_string())));
                let labels = LabelSet::from_pairs(pairs);
                *columns.entry(labels.clone()).or_insert_with(|| writer.column(&labels).expect("no limit"))
            })
            .collect();
        let of_row: Vec<ColumnId> = of_row.into_iter().collect();
        writer.append(Row::floats(time, &of_row, &vec![1.0; of_row.len()])).expect("the disk is well");
    }
}

fn sets(dice: &mut Dice) -> Vec<Vec<Matcher>> {
    let matcher = |name, op, value| Matcher::new(name, op, value).expect("good");
    match dice.below(4) {
        0 => vec![vec![matcher("a", MatchOp::NotEqual, "1")], vec![matcher("n", MatchOp::Matches, ".*7|1.")]],
        1 => vec![vec![matcher("n", MatchOp::Matches, ".[0-6].?")]],
        _ => Vec::new(),
    }
}

/// What is asked for: matchers, times, how many at most (0: all).
type Request<'a> = (&'a [Vec<Matcher>], TimeRange, usize);

fn listed<L: Listing>(cursor: &Cursor, db: &Db, of: (&L, TimeRange, usize), mut meanwhile: impl FnMut(usize)) -> Vec<L::Entry>
where
    L::Entry: Clone,
{
    let mut found = Vec::new();
    let each = &mut |entry: &L::Entry| {
        found.push(entry.clone());
        meanwhile(found.len());
        ControlFlow::Continue(())
    };
    cursor.each(&db.0, of, each).expect("nothing is damaged");
    found
}

fn of(cursor: &Cursor, db: &Db, (sets, range, limit): Request<'_>, meanwhile: impl FnMut(usize)) -> Vec<LabelSet> {
    listed(cursor, db, (&Series { sets, range }, range, limit), meanwhile)
}

/// All at once, by looking at each series.
fn plainly(db: &Db, (sets, range, limit): Request<'_>) -> Vec<LabelSet> {
    let mut found = BTreeSet::new();
    db.each_labels(sets, range, &mut |pairs| found.extend([LabelSet::from_pairs(pairs)])).expect("nothing is damaged");
    found.into_iter().take(if limit == 0 { usize::MAX } else { limit }).collect()
}

/// Likewise the values of a label.
fn plain_values(db: &Db, name: &str, (sets, range, limit): Request<'_>) -> Vec<String> {
    let series = plainly(db, (sets, range, 0));
    let values: BTreeSet<String> = series.iter().filter_map(|labels| labels.get(name).map(str::to_owned)).collect();
    values.into_iter().take(if limit == 0 { usize::MAX } else { limit }).collect()
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    number("SKOPOS_SEED").map_or_else(|| (0..number("SKOPOS_SEEDS").unwrap_or(8)).collect(), |seed| vec![seed])
}

#[test]
fn c10_all_label_sets_come_in_order_each_once_whatever_is_held() {
    let mut compared = [0; 3];
    for seed in seeds() {
        println!("seed {seed}");
        let mut life = Life::new(seed);
        for _ in 0..100 {
            life.step();
            if life.dice.below(10) > 0 {
                continue;
            }
            let (sets, now) = (sets(&mut life.dice), life.clock.now());
            let range = [TimeRange { start: i64::MIN, end: i64::MAX }, TimeRange { start: now - 5 * MINUTE, end: now - MINUTE }];
            let request = (sets.as_slice(), range[life.dice.below(2)], [0, 7, 100_000][life.dice.below(3)]);
            let expected = plainly(&life.db, request);
            assert!(life.db.series(request.0, request.1, request.2).expect("it is not stopped") == expected, "seed {seed}: {request:?}");
            let cursor = Cursor { run: 1 + life.dice.below(40), held: life.dice.below(40) };
            assert!(of(&cursor, &life.db, request, |_| {}) == expected, "seed {seed}: {request:?}");
            let blocks = life.db.blocks().len();
            compared[0] += expected.len();
            compared[1] += usize::from(blocks > 0) * expected.len();
            // As many as are wanted.
            let wanted = life.dice.below(5) + 1;
            let mut first = Vec::new();
            let each = &mut |labels: &LabelSet| {
                first.push(labels.clone());
                if first.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            life.db.each_series(request.0, request.1, request.2, each).expect("it is not stopped");
            assert_eq!(first, expected[..wanted.min(expected.len())], "seed {seed}");
            // What leaves the head meanwhile is not lost.
            if life.dice.below(3) == 0 {
                let request = (request.0, request.1, 0);
                let all = |life: &Life| -> BTreeSet<LabelSet> { plainly(&life.db, request).into_iter().collect() };
                let expected = all(&life);
                let at = 1 + life.dice.below(expected.len().max(1));
                life.clock.set(now + 20 * MINUTE);
                life.writers.clear();
                let found = of(&cursor, &life.db, request, |found| {
                    if found == at {
                        life.tend();
                    }
                });
                // A block knows less well than the head which series have samples in a range, and merging better what was deleted.
                let after = all(&life);
                let what = format!("seed {seed}: {request:?}, tended after {at}");
                assert!(found.is_sorted_by(|a, b| a < b), "{what}");
                assert!(expected.intersection(&after).all(|labels| found.contains(labels)), "{what}");
                assert!(found.iter().all(|labels| expected.contains(labels) || after.contains(labels)), "{what}");
                compared[2] += usize::from(life.db.blocks().len() > blocks && at < found.len());
            }
        }
    }
    println!("{} label sets, {} with blocks; {} times series left the head meanwhile", compared[0], compared[1], compared[2]);
    assert!(compared.iter().all(|count| *count > 0));
}

#[test]
fn c10_nothing_is_locked_and_cancel_ends_it() {
    let mut life = Life::new(7);
    for _ in 0..100 {
        life.append();
    }
    let range = TimeRange { start: i64::MIN, end: i64::MAX };
    let all = life.db.series(&[], range, 0).expect("it is not stopped").len();
    let stop = stop::Stop::default();
    let mut found = 0;
    let cursor = Cursor { run: 10, held: 10 };
    let result = stop::within(&stop, || {
        cursor.each(&life.db.0, (&Series { sets: &[], range }, range, 0), &mut |_| {
            found += 1;
            if found == 3 {
                // Would wait for ever under a lock.
                life.tend();
                stop.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
                assert!(pace::look());
            }
            ControlFlow::Continue(())
        })
    });
    assert_eq!((result, found), (Err(SelectError::Stopped), 3), "of {all}");
}

#[test]
fn c10_all_values_of_a_label_come_in_order_each_once_whatever_is_held() {
    let mut compared = [0; 4];
    for seed in seeds() {
        println!("seed {seed}");
        let mut life = Life::new(seed);
        for _ in 0..100 {
            life.step();
            if life.dice.below(10) > 0 {
                continue;
            }
            let (sets, now) = (sets(&mut life.dice), life.clock.now());
            let name = ["n", "n", "a", "A", "_", "nowhere"][life.dice.below(6)];
            let range = [TimeRange { start: i64::MIN, end: i64::MAX }, TimeRange { start: now - 5 * MINUTE, end: now - MINUTE }];
            let request = (sets.as_slice(), range[life.dice.below(2)], [0, 3, 20, 100_000][life.dice.below(4)]);
            let (sets, range, limit) = request;
            let what = format!("seed {seed}: {name} of {request:?}");
            let expected = plain_values(&life.db, name, request);
            let cursor = Cursor { run: 1 + life.dice.below(40), held: life.dice.below(40) };
            let values = Values { name, sets, range };
            assert_eq!(listed(&cursor, &life.db, (&values, range, limit), |_| {}), expected, "{what}");
            assert_eq!(life.db.label_values(name, sets, range, limit).expect("it is not stopped"), expected, "{what}");
            let blocks = life.db.blocks().len();
            compared[0] += expected.len();
            compared[1] += usize::from(blocks > 0) * expected.len();
            compared[2] += usize::from(blocks > 0 && !sets.is_empty()) * expected.len();
            let wanted = life.dice.below(5) + 1;
            let mut first = Vec::new();
            let each = &mut |value: &str| {
                first.push(value.to_owned());
                if first.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            life.db.each_label_value(name, sets, range, limit, each).expect("it is not stopped");
            assert_eq!(first, expected[..wanted.min(expected.len())], "{what}");
            // What leaves the head meanwhile is not lost.
            if life.dice.below(3) == 0 {
                let request = (sets, range, 0);
                let all = |life: &Life| -> BTreeSet<String> { plain_values(&life.db, name, request).into_iter().collect() };
                let expected = all(&life);
                let at = 1 + life.dice.below(expected.len().max(1));
                life.clock.set(now + 20 * MINUTE);
                life.writers.clear();
                let found = listed(&cursor, &life.db, (&values, range, 0), |found| {
                    if found == at {
                        life.tend();
                    }
                });
                let after = all(&life);
                assert!(found.is_sorted_by(|a, b| a < b), "{what}, tended after {at}");
                assert!(expected.intersection(&after).all(|value| found.contains(value)), "{what}, tended after {at}");
                assert!(found.iter().all(|value| expected.contains(value) || after.contains(value)), "{what}, tended after {at}");
                compared[3] += usize::from(life.db.blocks().len() > blocks && at < found.len());
            }
        }
    }
    println!(
        "{} values, {} with blocks, {} of these by matchers; {} times series left the head meanwhile",
        compared[0], compared[1], compared[2], compared[3]
    );
    assert!(compared.iter().all(|count| *count > 0));
}
