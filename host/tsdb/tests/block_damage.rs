//! F6 and F7 for the files of blocks in a whole database: flipped, cut, zeroed, replaced or missing, it opens, shows nothing that was
//! not written, serves the rest, and says what is lost.

mod support;

use support::scenario::{GROUPS, Plan, Scenario, locked};
use support::witness::{End, look};
use support::{Dice, number};
use tsdb::disk::{Disk, SimDisk};

fn life(seed: u64) -> Scenario {
    let mut plan = Plan::random(&mut Dice(seed));
    plan.options.block_ms = 60_000;
    plan.options.segment_bytes = 2000;
    plan.options.retention_ms = 0;
    let mut scenario = Scenario::with(plan, seed);
    for n in 0..300 {
        scenario.pass(3000);
        if n % 20 == 19 {
            assert_eq!(scenario.maintain(), Vec::<String>::new());
        }
        if n % 3 == 0 {
            scenario.append_now(n % GROUPS.len()).expect("the disk is well");
        } else {
            scenario.append().expect("the disk is well");
        }
    }
    scenario.check("before");
    scenario.close();
    scenario
}

/// Opens a damaged copy. Returns how many samples are missing.
#[track_caller]
fn check(scenario: &Scenario, disk: &SimDisk, what: &str) -> usize {
    let (db, report) = scenario.plan.open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (shown, warnings) = look(&db);
    let witness = locked(&scenario.witness);
    witness.check(&shown, End::Lossy, what);
    let missing = witness.missing(&shown);
    assert!(missing == 0 || !warnings.is_empty() || !report.is_clean(), "{what}: {missing} samples are missing and nothing is said");
    assert!(!shown.is_empty(), "{what}: the rest is served");
    missing
}

#[test]
fn f6_bit_flip_and_f7_truncate_zero_fill_foreign_missing_of_block_files() {
    let (mut cases, mut lossy) = (0, 0);
    for seed in 0..2 {
        let scenario = life(seed);
        let mut dice = Dice(seed);
        let files: Vec<_> = scenario.disk.files().into_iter().filter(|(name, _)| name.starts_with("/data/blocks")).collect();
        assert!(files.iter().filter(|(name, _)| name.extension().is_some_and(|e| e == "block")).count() > 1, "some blocks");
        for (name, bytes) in &files {
            for case in 0..number("SKOPOS_SEEDS").unwrap_or(24) {
                let disk = scenario.disk.process_kill();
                let mut damaged = bytes.clone();
                let at = dice.below(bytes.len() as u64) as usize;
                let kind = match case % 6 {
                    0..3 => {
                        damaged[at] ^= 1 << dice.below(8);
                        "flipped"
                    }
                    3 => {
                        damaged.truncate(at);
                        "cut"
                    }
                    4 => {
                        damaged[at..].fill(0);
                        "zeroed"
                    }
                    _ => {
                        damaged = b"a text that somebody put here".repeat(at % 50);
                        "replaced"
                    }
                };
                disk.put(name, damaged);
                lossy +=
                    u64::from(check(&scenario, &disk, &format!("seed {seed}: {} {kind} at {at} of {}", name.display(), bytes.len())) > 0);
                cases += 1;
            }
            if name.extension().is_some_and(|e| e == "block") {
                // Nobody can know of a block that is gone, but all others are served.
                let disk = scenario.disk.process_kill();
                disk.remove(name).expect("it is there");
                let (db, _) = scenario.plan.open(&disk).expect("it opens");
                locked(&scenario.witness).check(&look(&db).0, End::Lossy, "missing");
            }
        }
        let disk = scenario.disk.process_kill();
        disk.put(std::path::Path::new("/data/blocks/notes.txt"), b"mine".to_vec());
        let (_, report) = scenario.plan.open(&disk).expect("it opens");
        assert_eq!(report.foreign_files, ["blocks/notes.txt"]);
    }
    println!("f6 bit-flip, f7 truncate, zero-fill, foreign-file, missing-file of blocks: {cases} cases, {lossy} of them lossy and told");
}
