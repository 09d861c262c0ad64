//! Rotations of every kind on a disk in memory, with kills at any moment: every line is counted once.

use skopos_sdk::exporter::{Exposition, MetricFamily, Samples};
use skopos_sdk::fake::Host;
use test_support::Dice;

use super::Budget;
use crate::collect::collect_within;

const LOG: &str = "/var/log/access.log";
const SECTION: &str = r#"{"files":[{"path":"/var/log/access.log","format":"$remote_addr $status","paths":["/x"]}]}"#;

/// A log that is written and scraped.
struct World {
    host: Host,
    written: u64,
}

impl World {
    fn new() -> Self {
        let host = Host::default();
        host.write_file(LOG, "");
        Self { host, written: 0 }
    }

    fn write(&mut self, lines: u64) {
        for _ in 0..lines {
            self.written += 1;
            self.host.append_file(LOG, format!("client-{} 200\n", self.written));
        }
    }

    fn families(&self, section: &str, bytes: u64) -> Vec<MetricFamily> {
        let _entered = self.host.enter();
        match collect_within(section, "", &mut Budget::of_bytes(bytes)) {
            Ok(Exposition::Families(families)) => families,
            other => panic!("{other:?}"),
        }
    }

    fn scrape(&self) -> Seen {
        Seen::of(&self.families(SECTION, u64::MAX))
    }

    #[track_caller]
    fn counts_all(&self) -> Seen {
        let seen = self.scrape();
        assert_eq!((seen.lines, seen.unmatched), (self.written, 0), "{seen:?}");
        seen
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    lines: u64,
    unmatched: u64,
    gaps: u64,
    rotations: u64,
    lag: u64,
}

impl Seen {
    fn of(families: &[MetricFamily]) -> Self {
        let value = |name: &str| -> u64 {
            let family = families.iter().find(|family| family.name == name).unwrap();
            match &family.samples {
                Samples::Counter(samples) | Samples::Gauge(samples) => samples.iter().map(|sample| sample.value as u64).sum(),
                _ => panic!("{name} is a counter or a gauge"),
            }
        };
        Self {
            lines: value("access_log_lines_total"),
            unmatched: value("access_log_unmatched_lines_total"),
            gaps: value("access_log_gaps_total"),
            rotations: value("access_log_rotations_total"),
            lag: value("access_log_lag_bytes"),
        }
    }
}

fn rename(world: &World) {
    for number in (1..6).rev() {
        if has(world, &format!("{LOG}.{number}")) {
            world.host.rename_file(&format!("{LOG}.{number}"), &format!("{LOG}.{}", number + 1));
        }
    }
    world.host.remove_file(&format!("{LOG}.6"));
    world.host.rename_file(LOG, &format!("{LOG}.1"));
    world.host.write_file(LOG, "");
}

fn copytruncate(world: &World) {
    for number in (1..6).rev() {
        if has(world, &format!("{LOG}.{number}")) {
            world.host.rename_file(&format!("{LOG}.{number}"), &format!("{LOG}.{}", number + 1));
        }
    }
    world.host.remove_file(&format!("{LOG}.6"));
    world.host.copy_file(LOG, &format!("{LOG}.1"));
    world.host.write_file(LOG, "");
}

fn has(world: &World, path: &str) -> bool {
    let _entered = world.host.enter();
    skopos_sdk::files::stat(path).is_ok()
}

#[test]
fn lines_are_counted_once_and_only_when_they_are_whole() {
    let mut world = World::new();
    world.write(3);
    world.host.append_file(LOG, "client-x 2");
    world.counts_all();
    world.host.append_file(LOG, "00");
    world.counts_all();
    world.host.append_file(LOG, "\r\n\n");
    world.written += 1;
    world.counts_all();
    world.host.restart();
    world.write(2);
    assert_eq!(world.counts_all(), Seen { lines: 6, unmatched: 0, gaps: 0, rotations: 0, lag: 0 });
}

#[test]
fn what_was_written_before_a_rotation_is_found() {
    for (name, rotate) in [("rename", rename as fn(&World)), ("copytruncate", copytruncate)] {
        let mut world = World::new();
        world.write(5);
        world.counts_all();
        // Once, twice, three times between two scrapes; with and without lines in between.
        for times in [1, 2, 3, 1, 1] {
            for _ in 0..times {
                world.write(4);
                rotate(&world);
            }
            world.write(times % 3);
            let seen = world.counts_all();
            assert_eq!(seen.gaps, 0, "{name}: {seen:?}");
        }
    }
}

#[test]
fn a_file_that_was_empty_when_seen_is_not_lost_when_it_is_rotated() {
    for rotate in [rename as fn(&World), copytruncate] {
        let mut world = World::new();
        world.counts_all();
        world.write(3);
        rotate(&world);
        world.counts_all();
        rotate(&world);
        world.write(1);
        assert_eq!(world.counts_all().gaps, 0);
    }
}

#[test]
fn lines_that_come_late_into_a_renamed_file_are_counted() {
    let mut world = World::new();
    world.write(2);
    world.counts_all();
    rename(&world);
    world.counts_all();
    // The server has not opened the new file yet.
    world.host.append_file(&format!("{LOG}.1"), "late 200\n");
    world.written += 1;
    world.write(1);
    world.counts_all();
    rename(&world);
    world.host.append_file(&format!("{LOG}.2"), "later 200\n");
    world.written += 1;
    assert_eq!(world.counts_all().gaps, 0);
}

#[test]
fn while_there_is_no_file_the_old_one_is_read_on() {
    let mut world = World::new();
    world.write(2);
    world.counts_all();
    world.write(1);
    world.host.rename_file(LOG, &format!("{LOG}-20261121"));
    world.counts_all();
    world.host.append_file(&format!("{LOG}-20261121"), "late 200\n");
    world.written += 1;
    world.counts_all();
    world.write(2);
    assert_eq!(world.counts_all(), Seen { lines: 6, unmatched: 0, gaps: 0, rotations: 1, lag: 0 });
}

#[test]
fn an_inode_that_comes_again_is_another_file() {
    let mut world = World::new();
    world.write(3);
    world.counts_all();
    // Rotated away without a trace, and the new file has the old inode and is longer.
    world.host.remove_file(LOG);
    world.write(9);
    let seen = world.counts_all();
    assert_eq!((seen.gaps, seen.rotations), (1, 1), "what was in between is not known");
    // A rotated file goes, and a copy gets its inode.
    copytruncate(&world);
    world.counts_all();
    world.write(2);
    world.host.remove_file(&format!("{LOG}.1"));
    copytruncate(&world);
    assert_eq!(world.counts_all().gaps, 1);
}

#[test]
fn compressed_files_and_other_logs_are_not_read() {
    let mut world = World::new();
    world.write(2);
    world.host.write_file("/var/log/access.log.3", "before 200\n");
    world.counts_all();
    world.write(1);
    rename(&world);
    world.host.write_file("/var/log/access.log.2.gz", "x 200\n");
    world.host.write_file("/var/log/access.log.json", "x 200\n");
    world.host.write_file("/var/log/access.log-1.txt", "x 200\n");
    world.counts_all();
    // A copy that somebody makes while nothing is rotated is none of ours.
    world.host.copy_file(LOG, "/var/log/access.log.9");
    world.counts_all();
    rename(&world);
    world.write(1);
    assert_eq!(world.counts_all().gaps, 0);
    // What is compressed before it was read is lost, and that is said.
    world.write(1);
    world.host.rename_file(LOG, "/var/log/access.log.1.gz");
    world.host.write_file(LOG, "new 200\n");
    world.written += 1;
    let seen = world.scrape();
    assert_eq!((seen.gaps, seen.lines), (1, world.written - 1));
}

#[test]
fn a_backlog_is_caught_up_in_parts_across_rotations() {
    let mut world = World::new();
    world.counts_all();
    let line = format!("client {}\n", "2".repeat(3)).len() as u64;
    for _ in 0..4 {
        for _ in 0..3 {
            world.host.append_file(LOG, "client 222\n".repeat(40_000));
            world.written += 40_000;
        }
        rename(&world);
    }
    let (mut lag, mut scrapes) = (u64::MAX, 0);
    loop {
        let seen = Seen::of(&world.families(SECTION, 200_000));
        scrapes += 1;
        assert!(seen.lag < lag && seen.gaps == 0, "{seen:?}");
        assert!(scrapes > 3 || seen.lag.is_multiple_of(line), "{seen:?}");
        lag = seen.lag;
        if scrapes == 3 {
            // Rotated while far behind.
            rename(&world);
            world.write(5);
            lag = u64::MAX;
        }
        if lag == 0 {
            break;
        }
    }
    println!("caught up in {scrapes} scrapes");
    assert!(scrapes > 10);
    world.counts_all();
}

#[test]
fn a_call_that_may_read_no_more_goes_on_at_the_next() {
    let mut world = World::new();
    world.write(5000);
    world.host.limit_file_bytes(Some(40_000));
    let first = world.scrape();
    assert!(first.lines > 0 && first.lines < 5000 && first.lag > 0, "{first:?}");
    world.host.limit_file_bytes(Some(600));
    world.scrape();
    world.host.limit_file_bytes(None);
    world.counts_all();
}

#[test]
fn long_lines_are_counted_as_one_unmatched_line_however_they_come() {
    for pieces in [1, 7] {
        let mut world = World::new();
        world.write(1);
        let long = "x".repeat(3 << 20);
        for piece in long.as_bytes().chunks(long.len() / pieces) {
            world.host.append_file(LOG, piece);
            world.scrape();
        }
        world.host.append_file(LOG, "\n");
        world.write(1);
        let seen = world.scrape();
        assert_eq!((seen.lines, seen.unmatched, seen.lag), (3, 1, 0), "{pieces} pieces");
    }
}

#[test]
fn a_call_killed_at_the_write_counts_nothing_and_the_next_one_everything() {
    let mut world = World::new();
    world.write(2);
    world.counts_all();
    for round in 0..4 {
        world.write(3);
        if round % 2 == 1 {
            rename(&world);
        }
        world.host.kill_after_kv_writes(Some(0));
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.scrape())).is_err();
        assert!(killed);
        world.host.restart();
        world.counts_all();
    }
}

#[test]
fn a_log_may_be_followed_from_its_end_and_by_a_pattern() {
    let mut world = World::new();
    world.write(50);
    world.host.append_file(LOG, "half");
    let section = r#"{"files":[{"path":"/var/log/*.log","format":"%h %s","start":"end","labels":{"site":"shop"}}]}"#;
    assert_eq!(Seen::of(&world.families(section, u64::MAX)).lines, 0);
    world.host.append_file(LOG, "client 200\n");
    world.host.append_file("/var/log/other.log", "a 200\n");
    world.host.append_file("/var/log/other.log.1", "a 200\n");
    let families = world.families(section, u64::MAX);
    assert_eq!(Seen::of(&families).lines, 1);
    world.host.append_file("/var/log/other.log", "a 500\n");
    let families = world.families(section, u64::MAX);
    let Samples::Counter(requests) = &families[0].samples else { panic!("a counter") };
    let labels: Vec<String> =
        requests.iter().map(|s| format!("{:?} {}", s.labels.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>(), s.value)).collect();
    assert_eq!(
        labels,
        [
            r#"["shop", "/var/log/access.log", "(other)", "2xx", "(other)"] 1"#,
            r#"["shop", "/var/log/other.log", "(other)", "5xx", "(other)"] 1"#
        ]
    );
}

#[test]
fn a_log_that_cannot_be_read_says_so_and_keeps_its_counters() {
    let mut world = World::new();
    world.write(2);
    world.counts_all();
    world.host.deny_files(&["/var"]);
    let families = world.families(SECTION, u64::MAX);
    assert_eq!(Seen::of(&families).lines, 2);
    assert!(world.host.log_lines().iter().any(|(_, line)| line.contains("grant read: /var/log/access.log")));
    world.host.deny_files(&[]);
    world.host.remove_file(LOG);
    assert_eq!(world.scrape().lines, 2);
    let _entered = world.host.enter();
    let Err(error) = collect_within(r#"{"files":[{"path":"/nowhere.log"}]}"#, "", &mut Budget::default()) else {
        panic!("it is not there")
    };
    assert!(format!("{error:?}").contains("/nowhere.log: there is no such file"), "{error:?}");
}

/// Random sequences of lines, rotations, scrapes and kills.
#[test]
fn whatever_happens_in_whatever_order() {
    let (mut runs, mut rotations) = (0, 0);
    for seed in 1..400_u64 {
        let mut dice = Dice(seed);
        let mut world = World::new();
        let kind = dice.below(2);
        // What was rotated before the first scrape is not counted.
        world.counts_all();
        // Six rotated files are kept: more rotations than that between two scrapes lose lines, as they should.
        let mut unseen = 0;
        for _ in 0..60 {
            match dice.below(10) {
                0..=4 => world.write(dice.below(40)),
                5 if unseen < 4 => {
                    (if kind == 0 { rename } else { copytruncate })(&world);
                    unseen += 1;
                    rotations += 1;
                }
                6 => {
                    world.host.kill_after_kv_writes(Some(0));
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.scrape()));
                    world.host.restart();
                }
                7 => {
                    // Not caught up, as a rule.
                    if Seen::of(&world.families(SECTION, 1)).lag == 0 {
                        unseen = 0;
                    }
                }
                _ => {
                    world.counts_all();
                    unseen = 0;
                }
            }
        }
        assert_eq!(world.counts_all().gaps, 0, "seed {seed}");
        runs += 1;
    }
    println!("random histories: {runs} passed, 0 failed, 0 skipped ({rotations} rotations)");
}
