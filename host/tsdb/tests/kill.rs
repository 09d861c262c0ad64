//! A real process on a real disk, killed with SIGKILL while it appends.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use model::seams::Append;
use support::{Dice, Feeder, NOW, labels, options, read_all};
use tsdb::Db;
use tsdb::disk::{Disk, RealDisk};

/// Set for the process that is killed.
const DIR_VARIABLE: &str = "SKOPOS_TSDB_KILL_DIR";

fn open(dir: &Path) -> (Db, tsdb::RecoveryReport) {
    let mut options = options();
    options.segment_bytes = 20_000;
    Db::open(dir, options, Arc::new(RealDisk) as Arc<dyn Disk>, NOW).expect("it opens")
}

/// Not a test of its own: what the killed process runs. Says each row's number once it is acknowledged.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else {
        return;
    };
    let (db, _) = open(Path::new(&dir));
    let stored = read_all(&db);
    let begin = stored.get(&labels("s=0")).map_or(0, Vec::len) as i64;
    let mut feeder = Feeder::open(&db, "g");
    let mut out = std::io::stdout().lock();
    for n in begin.. {
        let samples: Vec<_> = (0..50_i64).map(|s| (labels(&format!("s={s}")), (n * (s + 1)) as f64)).collect();
        feeder.append(NOW - 10_000_000 + n, &samples).expect("the disk is well");
        writeln!(out, "row {n}").expect("the parent reads");
    }
}

#[test]
fn f1_kill9_of_a_process_that_appends_loses_nothing() {
    let dir = std::env::temp_dir().join(format!("skopos-tsdb-kill-{}", std::process::id()));
    let mut dice = Dice(test_support::seed("kills of a process that appends"));
    for _ in 0..10 {
        let mut child = Command::new(std::env::current_exe().expect("it runs"))
            .args(["--exact", "child", "--nocapture"])
            .env(DIR_VARIABLE, &dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut acknowledged = None;
        let mut left = 1 + dice.below(400);
        for line in lines {
            // The last line may be cut short by the kill.
            let Ok(line) = line else { break };
            let Some(number) = line.strip_prefix("row ").and_then(|n| n.parse::<i64>().ok()) else { continue };
            acknowledged = Some(acknowledged.map_or(number, |last: i64| last.max(number)));
            left -= 1;
            if left == 0 {
                child.kill().expect("it runs");
                break;
            }
        }
        child.wait().expect("it was started");
        let last = acknowledged.expect("it got somewhere");
        let (db, report) = open(&dir);
        assert!(report.damage.is_empty(), "{report:?}");
        let stored = read_all(&db);
        assert_eq!(stored.len(), 50);
        for (series, rows) in &stored {
            let s: i64 = series.get("s").and_then(|s| s.parse().ok()).expect("ours");
            let expected: Vec<_> = (0..rows.len() as i64).map(|n| (NOW - 10_000_000 + n, ((n * (s + 1)) as f64).to_bits())).collect();
            assert_eq!(*rows, expected, "{series}");
            assert!(rows.len() as i64 > last, "{} rows, the last acknowledged was {last}", rows.len());
        }
        assert!(db.open_group("g").is_ok());
    }
    std::fs::remove_dir_all(&dir).expect("our own directory");
}
