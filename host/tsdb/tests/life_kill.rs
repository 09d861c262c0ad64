//! F11: the process or the power ends at any step of flushing, merging, deletion, cleaning and retention.

mod support;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use model::{LabelSet, ManualClock, MatchOp, TimeRange, TimestampMs};
use support::{ALWAYS, DIR, Dice, Feeder, Stored, labels, matcher, number, read, read_all};
use tsdb::disk::{Call, Disk, SimDisk};
use tsdb::{Db, Options};

const H: i64 = 3_600_000;
const MIN: i64 = 60_000;
const NOON: TimestampMs = 20_000 * 24 * H + 12 * H;

type Copies = Arc<Mutex<Vec<(String, SimDisk)>>>;

/// Takes a copy of the disk as a kill and as a power cut leave it, before each call that changes something.
fn watch(disk: &SimDisk, seed: u64) -> Copies {
    let copies = Copies::default();
    let taken = Arc::clone(&copies);
    disk.on_call(move |disk, call, path| {
        if Call::CHANGING.contains(&call) || Call::SYNCING.contains(&call) || call == Call::WriteMiddle {
            let mut taken = taken.lock().expect("no panic");
            let what = format!("before {call:?} of {} (call {})", path.display(), taken.len());
            let seed = seed.wrapping_mul(1000).wrapping_add(taken.len() as u64);
            taken.push((format!("killed {what}"), disk.process_kill()));
            taken.push((format!("power cut {what}"), disk.power_cut(seed)));
        }
    });
    copies
}

struct Case {
    seed: u64,
    options: Options,
    clock: Arc<ManualClock>,
    /// Samples before this may be there or not.
    kept_from: TimestampMs,
}

impl Case {
    fn open(&self, disk: &SimDisk, what: &str) -> Db {
        let opened = Db::open(Path::new(DIR), self.options.clone(), Arc::new(disk.clone()) as Arc<dyn Disk>, self.now());
        let (db, report) = opened.unwrap_or_else(|error| panic!("seed {}, {what}: {error}", self.seed));
        assert!(report.damage.is_empty() && report.foreign_files.is_empty(), "seed {}, {what}: {report:?}", self.seed);
        db
    }

    fn now(&self) -> TimestampMs {
        use model::Clock;
        self.clock.now()
    }

    fn read(&self, db: &Db) -> Stored {
        read(db, &[], TimeRange { start: self.kept_from, end: i64::MAX })
    }

    /// Does something while each step is watched, and opens every copy: what is there is one of the expected, at once and after what is
    /// due was done, and there is no file too many.
    fn at_each_step(&self, disk: &SimDisk, db: &Db, name: &str, act: impl FnOnce(&Db)) -> usize {
        db.sync().expect("it syncs");
        let before = self.read(db);
        let copies = watch(disk, self.seed);
        act(db);
        disk.off_call();
        let after = self.read(db);
        let copies = std::mem::take(&mut *copies.lock().expect("no panic"));
        assert!(!copies.is_empty(), "{name} changed nothing");
        let count = copies.len();
        for (what, copy) in copies {
            let what = format!("{name}, {what}");
            let db = self.open(&copy, &what);
            let found = self.read(&db);
            assert!(found == before || found == after || is_between(&found, &before, &after), "seed {}, {what}: other samples", self.seed);
            let report = db.tend(self.now());
            assert!(report.errors.is_empty(), "seed {}, {what}: {report:?}", self.seed);
            assert_eq!(self.read(&db), found, "seed {}, {what}: after what was due", self.seed);
            drop(db);
            // What was deleted of a block that is gone goes one start later.
            let copy = copy.process_kill();
            let db = self.open(&copy, &what);
            assert_eq!(self.read(&db), found, "seed {}, {what}: once more", self.seed);
            let expected: Vec<PathBuf> = db.blocks().into_iter().map(|block| block.path).collect();
            for (path, _) in copy.files().iter().filter(|(path, _)| path.starts_with(Path::new(DIR).join("blocks"))) {
                let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
                let of_block = path.with_file_name(name.strip_suffix(".deleted").unwrap_or(name));
                assert!(name == "covered" || expected.contains(&of_block), "seed {}, {what}: {name} is an orphan", self.seed);
            }
        }
        count
    }
}

/// A deletion that was not finished: some of what goes is gone, and nothing else.
fn is_between(found: &Stored, before: &Stored, after: &Stored) -> bool {
    let rows = |stored: &Stored, labels: &LabelSet| stored.get(labels).cloned().unwrap_or_default();
    before.keys().all(|labels| {
        let (found, before, after) = (rows(found, labels), rows(before, labels), rows(after, labels));
        after.iter().all(|row| found.contains(row)) && found.iter().all(|row| before.contains(row))
    }) && found.keys().all(|labels| before.contains_key(labels))
}

#[test]
fn f11_compaction_kill_at_each_step() {
    let seeds = number("SKOPOS_SEED").map_or(0..number("SKOPOS_SEEDS").unwrap_or(1), |seed| seed..seed + 1);
    for seed in seeds {
        println!("SKOPOS_SEED={seed}");
        let mut dice = Dice(seed);
        let clock = Arc::new(ManualClock::at(NOON));
        let mut options = Options::new(clock.clone());
        options.segment_bytes = 3000;
        options.retention_ms = 40 * H;
        let mut case = Case { seed, options, clock, kept_from: i64::MIN };
        let disk = SimDisk::seeded(seed);
        let db = case.open(&disk, "the first time");
        let (mut one, mut two) = (Feeder::open(&db, "one"), Feeder::open(&db, "two"));
        let mut feed = |case: &Case, dice: &mut Dice, hours: i64| {
            for _ in 0..hours * 6 {
                let now = case.now() + 10 * MIN;
                case.clock.set(now);
                let row: Vec<(LabelSet, f64)> = (0..4).map(|n| (labels(&format!("n={n}")), dice.below(1000) as f64)).collect();
                one.append(now, &row).expect("it appends");
                // The same series late, into ranges that are blocks by now.
                two.append(now - 5 * H, &row[2..]).expect("it appends");
            }
        };
        let mut steps = 0;
        feed(&case, &mut dice, 3);
        steps += case.at_each_step(&disk, &db, "the first flush", |db| {
            assert_eq!(db.tend(case.now()).errors, Vec::<String>::new());
        });
        for _ in 0..4 {
            feed(&case, &mut dice, 2);
            steps += case.at_each_step(&disk, &db, "flush and merge", |db| {
                assert_eq!(db.tend(case.now()).errors, Vec::<String>::new());
            });
        }
        let some = [vec![matcher("n", MatchOp::Equal, "1")], vec![matcher("n", MatchOp::Equal, "3")]];
        let range = TimeRange { start: NOON + 2 * H, end: case.now() - H };
        steps += case.at_each_step(&disk, &db, "deletion", |db| assert!(db.delete(&some, range).expect("it deletes").blocks > 0));
        feed(&case, &mut dice, 1);
        steps += case.at_each_step(&disk, &db, "cleaning", |db| assert!(db.clean_tombstones().expect("it cleans") > 0));
        for _ in 0..16 {
            feed(&case, &mut dice, 2);
            assert_eq!(db.tend(case.now()).errors, Vec::<String>::new());
        }
        feed(&case, &mut dice, 2);
        case.kept_from = case.now() - 40 * H;
        steps += case.at_each_step(&disk, &db, "retention", |db| {
            case.clock.set(case.now() + 2 * MIN);
            assert_eq!(db.tend(case.now()).errors, Vec::<String>::new());
        });
        let all = [vec![matcher("n", MatchOp::Matches, ".+")]];
        steps += case.at_each_step(&disk, &db, "deletion of all", |db| {
            db.delete(&all, ALWAYS).expect("it deletes");
            db.clean_tombstones().expect("it cleans");
        });
        assert_eq!(read_all(&db), Stored::new());
        println!("f11 compaction-kill: seed {seed}: {steps} kills and power cuts, no duplicate, no loss, no orphan");
    }
}
