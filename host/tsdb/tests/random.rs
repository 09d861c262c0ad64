//! Random operations, compared with a naive store. A failure prints its seed; `SKOPOS_SEED=n` runs that one alone, and
//! `SKOPOS_SEEDS=n` that many.

mod support;

use std::collections::BTreeMap;

use model::seams::Select;
use model::{LabelSet, MatchOp, Matcher, TimeRange, stale};
use support::naive::Naive;
use support::{ALWAYS, Dice, Feeder, NOW, labels, matcher, options, read, seeds, try_open};
use tsdb::disk::SimDisk;

const GROUPS: [&str; 3] = ["a", "b", "c"];

struct Run {
    dice: Dice,
    disk: SimDisk,
    db: Option<tsdb::Db>,
    feeders: BTreeMap<&'static str, Feeder>,
    naive: Naive,
    segment_bytes: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let segment_bytes = [300, 3000, 1 << 20][dice.below(3) as usize];
        let mut naive = Naive::default();
        naive.window = [0, 40, 2000][dice.below(3) as usize];
        let mut run = Self { dice, disk: SimDisk::new(), db: None, feeders: BTreeMap::new(), naive, segment_bytes };
        run.open();
        run
    }

    fn open(&mut self) {
        let mut options = options();
        options.segment_bytes = self.segment_bytes;
        options.out_of_order_window_ms = self.naive.window;
        let (db, report) = try_open(&self.disk, options).expect("it opens");
        assert!(report.is_clean(), "{report:?}");
        self.db = Some(db);
    }

    fn db(&self) -> &tsdb::Db {
        self.db.as_ref().expect("opened")
    }

    fn step(&mut self) {
        match self.dice.below(60) {
            0 => {
                self.feeders.clear();
                self.db = None;
                self.open();
            }
            1 => {
                self.feeders.clear();
                self.disk = self.disk.process_kill();
                self.db = None;
                self.open();
            }
            2 => {
                self.feeders.remove(GROUPS[self.dice.below(3) as usize]);
            }
            3 => {
                // So late that open rows are compressed, but within the retention.
                let report = self.db().maintain(NOW + 10 * 3_600_000);
                assert!(report.errors.is_empty(), "{report:?}");
            }
            4..8 => self.compare(),
            _ => self.append(),
        }
    }

    fn append(&mut self) {
        let group = GROUPS[self.dice.below(3) as usize];
        let newest = self.naive.newest(group).unwrap_or(NOW - 1_000_000);
        let time = match self.dice.below(10) {
            0 => newest - 1,
            3 => newest - self.dice.below(60) as i64,
            4 => newest - 15 * self.dice.below(150) as i64,
            1 => newest,
            2 => newest + self.dice.below(100) as i64,
            _ => newest + 15,
        };
        let db = self.db.as_ref().expect("opened");
        let feeder = self.feeders.entry(group).or_insert_with(|| Feeder::open(db, group));
        let mut samples: BTreeMap<LabelSet, f64> = BTreeMap::new();
        let wide = self.dice.below(15);
        for _ in 0..wide {
            let series = format!("s={},t={}", self.dice.below(20), ["", "x"][self.dice.below(2) as usize]);
            let value = if self.dice.below(12) == 0 { stale() } else { self.dice.value() };
            samples.insert(labels(&series), value);
        }
        let samples: Vec<_> = samples.into_iter().collect();
        let report = feeder.append(time, &samples).expect("the disk is well");
        assert_eq!(report, self.naive.append(group, time, &samples), "{group} at {time}");
    }

    fn compare(&mut self) {
        let range = match self.dice.below(3) {
            0 => ALWAYS,
            _ => {
                let start = NOW - 1_000_000 + self.dice.below(4000) as i64;
                TimeRange { start, end: start + self.dice.below(3000) as i64 }
            }
        };
        let matchers: Vec<Matcher> = match self.dice.below(4) {
            0 => vec![matcher("t", MatchOp::Equal, "")],
            1 => vec![matcher("s", MatchOp::Matches, "1.|3"), matcher("t", MatchOp::NotEqual, "")],
            2 => vec![matcher("s", MatchOp::NotMatches, ".*[02468]")],
            _ => vec![],
        };
        let (found, expected) = (read(self.db(), &matchers, range), self.naive.read(&matchers, range));
        for (labels, rows) in &expected {
            // Short to print, where the whole is not.
            let found = found.get(labels).cloned().unwrap_or_default();
            let first = found.iter().zip(rows).position(|(a, b)| a != b).unwrap_or(found.len().min(rows.len()));
            assert_eq!(found.get(first), rows.get(first), "{labels} {matchers:?} {range:?}");
        }
        assert_eq!(found, expected, "{matchers:?} {range:?}");
        let series: Vec<LabelSet> = self.naive.read(&matchers, ALWAYS).into_keys().collect();
        assert_eq!(self.db().series(&[matchers], ALWAYS, 0), Ok(series));
    }
}

#[test]
fn agrees_with_a_naive_store() {
    for seed in seeds(30) {
        println!("seed {seed}");
        let mut run = Run::new(seed);
        for _ in 0..400 {
            run.step();
        }
        run.compare();
    }
}
