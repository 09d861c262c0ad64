//! A simulated week against a store too simple to be wrong.

#![allow(clippy::print_stdout, reason = "seeds and counts are for people")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::{Clock, LabelSet, MatchOp, Matcher, TimeRange};
use support::life::{H, Life, MIN, NOON};
use support::naive::Naive;
use support::{DIR, Dice, Feeder, Stored, labels, matcher, read};
use tsdb::Db;
use tsdb::disk::{Disk, SimDisk};

/// A simulated week: targets that come and go, series in several groups, late writers, deletion, snapshots, restarts at any time.
#[test]
fn f11_a_week_with_churn_late_rows_deletion_and_restarts_is_as_written() {
    for seed in support::seeds(3) {
        println!("SKOPOS_SEED={seed}");
        println!("{}", week(seed));
    }
}

fn week(seed: u64) -> String {
    let mut dice = Dice(seed);
    let retention = 3 * 24 * H;
    let mut life = Life::new(SimDisk::default(), |options| {
        options.retention_ms = retention;
        options.segment_bytes = 20_000;
    });
    let mut naive = Naive::default();
    let mut feeders: BTreeMap<String, Feeder> = BTreeMap::new();
    let end = NOON + 7 * 24 * H;
    let mut told = (0, 0, 0, 0);
    while life.clock.now() < end {
        let from = life.clock.now();
        let hour = from / H;
        for n in 0..4 {
            let time = from + n * 5 * MIN;
            life.clock.set(time);
            for target in 0..4 {
                // Late writers have the same series as the target before them, up to five hours later.
                let (key, time) = if target == 3 { ("late".to_owned(), time - 5 * H) } else { (format!("target/{target}"), time) };
                let of = if target == 3 { 2 } else { target };
                if dice.below(10) == 0 {
                    continue;
                }
                let mut row: Vec<(LabelSet, f64)> =
                    (0..5).map(|series| (labels(&format!("__name__=m{series},target={of}")), dice.value())).collect();
                row.push((labels(&format!("__name__=churn,target={of},hour={}", hour / 5)), dice.value()));
                row.retain(|_| dice.below(8) > 0);
                for (_, value) in &mut row {
                    *value = f64::from_bits(support::storable(*value));
                }
                let feeder = feeders.entry(key.clone()).or_insert_with(|| Feeder::open(life.db(), &key));
                let report = feeder.append(time, &row).expect("it appends");
                let expected = naive.append(&key, time, &row);
                assert_eq!(report, expected, "seed {seed}, {key} at {time}");
            }
        }
        life.pass(20 * MIN);
        match dice.below(40) {
            0..3 => {
                feeders.clear();
                life.restart();
                told.0 += 1;
            }
            3 => {
                let matchers = [matcher("__name__", MatchOp::Equal, &format!("m{}", dice.below(5)))];
                let start = life.clock.now() - dice.below(60) as i64 * H;
                let range = TimeRange { start, end: start + dice.below(20) as i64 * H };
                life.db().delete(&[matchers.to_vec()], range).expect("it deletes");
                naive.delete(&matchers, range);
                told.1 += 1;
            }
            4 => told.2 += life.db().clean_tombstones().expect("it cleans"),
            5 => {
                let expected = kept(&naive, &life, retention, &[]);
                let name = life.db().snapshot(false).expect("a snapshot");
                let dir = Path::new(DIR).join("snapshots").join(name);
                let disk = Arc::new(life.disk.process_kill()) as Arc<dyn Disk>;
                let (db, _) = Db::open(&dir, life.options.clone(), disk, life.clock.now()).expect("it opens");
                let range = TimeRange { start: life.clock.now() - retention, end: i64::MAX };
                assert_same(&read(&db, &[], range), &expected, seed, "a snapshot");
                told.3 += 1;
            }
            6..14 => {
                let matchers = [matcher("target", MatchOp::Equal, "2")];
                let range = TimeRange { start: life.clock.now() - retention, end: i64::MAX };
                assert_same(&read(life.db(), &matchers, range), &kept(&naive, &life, retention, &matchers), seed, "late and shared series");
            }
            _ => {}
        }
    }
    let range = TimeRange { start: life.clock.now() - retention, end: i64::MAX };
    assert_same(&read(life.db(), &[], range), &kept(&naive, &life, retention, &[]), seed, "the end");
    let stats = life.db().stats();
    format!(
        "{} restarts, {} deletions, {} blocks cleaned, {} snapshots; since the last restart {} flushes and {} merges; {} blocks",
        told.0, told.1, told.2, told.3, stats.flushes, stats.compactions, stats.blocks
    )
}

fn kept(naive: &Naive, life: &Life, retention: i64, matchers: &[Matcher]) -> Stored {
    naive.read(matchers, TimeRange { start: life.clock.now() - retention, end: i64::MAX })
}

#[track_caller]
fn assert_same(found: &Stored, expected: &Stored, seed: u64, what: &str) {
    for (labels, rows) in expected {
        let found = found.get(labels).map(Vec::as_slice).unwrap_or_default();
        let different = rows.iter().find(|row| !found.contains(row));
        let more = found.iter().find(|row| !rows.contains(row));
        assert!(different.is_none() && more.is_none(), "seed {seed}, {what}: {labels} lacks {different:?}, has {more:?}");
    }
    let more = found.keys().find(|labels| !expected.contains_key(*labels));
    assert_eq!(more, None, "seed {seed}, {what}");
}
