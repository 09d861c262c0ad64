//! Faults of disk and machine below the whole binary: F3, F9, F13 and F14 of the list of faults. What needs root (a small file
//! system, a control group) is skipped with a message where it is refused.

#![allow(clippy::print_stdout, reason = "seeds and counts are for people")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use test_support::{Answer, Server, Setup, Skopos, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(90);

/// A command that succeeded; else what it said, for the message about what is skipped.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())) }
}

/// A file system of a few megabytes.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).expect("a folder can be made");
        match run("mount", &["-t", "tmpfs", "-o", options, "skopos-test", &at.display().to_string()]) {
            Ok(()) => Some(Self(at.to_owned())),
            Err(why) => {
                println!("skipped: a small file system cannot be mounted: {why}");
                None
            }
        }
    }

    /// Writes until nothing fits any more.
    fn fill(&self) {
        let mut ballast = fs::OpenOptions::new().append(true).create(true).open(self.ballast()).expect("it can be made");
        for size in [64 << 10, 4096, 512, 1] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn relieve(&self) {
        fs::remove_file(self.ballast()).expect("it is there");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(why) = run("umount", &["-l", &self.0.display().to_string()]) {
            println!("{why}");
        }
    }
}

/// A target with so many series that change with each scrape.
fn target(series: usize) -> Server {
    let count = Arc::new(AtomicU64::new(0));
    Server::start(move |_| {
        let scrape = count.fetch_add(1, Ordering::Relaxed);
        let lines = (0..series as u64).map(|n| format!("load_total{{n=\"{n}\"}} {}\n", scrape * 7919 + n * n));
        Answer::metrics(lines.collect::<String>())
    })
}

/// A counter of `/metrics`, which works without storage.
fn counter(skopos: &Skopos, line: &str) -> f64 {
    let metrics = skopos.get("/metrics").body;
    let value = metrics.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("/metrics has no {line}"))
}

const LOST: &str = "skopos_scrape_samples_dropped_total{reason=\"lost\"}";

/// A program that prepares its own process by these lines of shell and then becomes Skopos.
fn prepared(folder: &Path, lines: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let script = folder.join("prepared.sh");
    fs::write(&script, format!("#!/bin/sh\n{lines}\nexec {BINARY} \"$@\"\n")).expect("it can be written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    script.display().to_string()
}

#[test]
fn f3_disk_full_and_space_returns() {
    let target = target(200);
    let rules = "groups:\n  - name: g\n    interval: 1s\n    rules:\n      - {alert: Always, expr: vector(1)}\n";
    let setup = Setup::new(BINARY, "f3-disk-full").config(&format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1s}}\nrule_files: [rules.yml]\nscrape_configs:\n  - job_name: load\n    static_configs: [{{targets: ['{}']}}]\n",
        target.address()
    ));
    setup.folder().write("rules.yml", rules);
    let data = setup.folder().path().join("data");
    let Some(disk) = SmallDisk::mount(&data, "size=16m") else { return };
    let mut skopos = setup.start();
    skopos.wait_query("count_over_time(load_total[1m]) >= 5", LIMIT, |r| r.len() == 200);
    let stored_before = skopos.query("last_over_time(load_total[1h])").len();

    disk.fill();
    let full_at = Instant::now();
    let lost_before = counter(&skopos, LOST);
    wait_for("scrapes to be lost", LIMIT, || (counter(&skopos, LOST) > lost_before + 400.0).then_some(()));
    // Queries answer and alerts are evaluated while nothing can be written.
    assert_eq!(skopos.query("last_over_time(load_total[1h])").len(), stored_before);
    let evaluated = |skopos: &Skopos| skopos.get("/api/v1/rules").json()["data"]["groups"][0]["lastEvaluation"].to_string();
    let before = evaluated(&skopos);
    wait_for("rules to go on", LIMIT, || (evaluated(&skopos) != before).then_some(()));
    let alerts = skopos.get("/api/v1/alerts").json()["data"]["alerts"].as_array().map_or(0, Vec::len);
    assert_eq!(alerts, 1, "the alert fires");
    let log = skopos.log();
    assert!(log.contains("No space left on device"), "{}", skopos.log_tail());
    assert!(disk.ballast().exists(), "nothing is deleted, least of all what is not ours");

    let lost = counter(&skopos, LOST);
    // It starts with a full disk as well, and deletes nothing.
    let (files, rows) = (names(&data), skopos.query_value("sum(count_over_time(load_total[1h]))"));
    skopos.kill_and_restart();
    let rows_after = skopos.query_value("sum(count_over_time(load_total[1h]))");
    assert!(rows_after >= rows, "{rows:?} before, {rows_after:?} after");
    assert!(names(&data).is_superset(&files), "{files:?} before, {:?} after", names(&data));

    disk.relieve();
    let relieved = Instant::now();
    let stored = |skopos: &Skopos| skopos.query_value("sum(count_over_time(load_total[1h]))");
    wait_for("samples to be stored again", Duration::from_secs(60), || (stored(&skopos) > rows_after).then_some(()));
    println!(
        "f3 disk-full: full for {:?}, {lost} samples lost and counted before the restart, stored again {:?} after space returned",
        relieved - full_at,
        relieved.elapsed()
    );
    assert!(skopos.is_running());
    skopos.kill_and_restart();
    assert!(stored(&skopos) > rows_after, "and it lasts");
}

/// Files below a folder.
fn names(folder: &Path) -> std::collections::BTreeSet<PathBuf> {
    let mut found = std::collections::BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(names(&entry.path()));
        } else {
            found.insert(entry.path());
        }
    }
    found
}

#[test]
fn f4_inodes_full_degrades_and_recovers() {
    let target = target(50);
    let setup = Setup::new(BINARY, "f4-inodes-full").config(&format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n  - job_name: load\n    static_configs: [{{targets: ['{}']}}]\n",
        target.address()
    ));
    let data = setup.folder().path().join("data");
    // Root, wal, blocks, lock and the like fit; then the ballast's files take what is left.
    let Some(disk) = SmallDisk::mount(&data, "size=16m,nr_inodes=64") else { return };
    let mut skopos = setup.start();
    skopos.wait_query("count_over_time(load_total[1m]) >= 5", LIMIT, |r| r.len() == 50);
    let fillers = disk.0.join("fillers");
    let mut made = 0;
    if fs::create_dir(&fillers).is_ok() {
        while fs::write(fillers.join(made.to_string()), "").is_ok() {
            made += 1;
        }
    }
    println!("f4 inodes-full: {made} files took the rest");
    // A start needs a new segment, and there is no inode for it.
    skopos.kill_and_restart();
    let lost_before = counter(&skopos, LOST);
    wait_for("scrapes to be lost", LIMIT, || (counter(&skopos, LOST) > lost_before).then_some(()));
    assert_eq!(skopos.query("last_over_time(load_total[1h])").len(), 50, "queries go on");
    fs::remove_dir_all(&fillers).expect("ours");
    let rows = skopos.query_value("sum(count_over_time(load_total[1h]))");
    wait_for("samples to be stored again", Duration::from_secs(60), || {
        (skopos.query_value("sum(count_over_time(load_total[1h]))") > rows).then_some(())
    });
}

#[test]
fn f4_readonly_remount_degrades_and_recovers() {
    let target = target(50);
    let setup = Setup::new(BINARY, "f4-readonly").config(&format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\nscrape_configs:\n  - job_name: load\n    static_configs: [{{targets: ['{}']}}]\n",
        target.address()
    ));
    let data = setup.folder().path().join("data");
    let Some(_disk) = SmallDisk::mount(&data, "size=16m") else { return };
    let mut skopos = setup.start();
    skopos.wait_query("count_over_time(load_total[1m]) >= 5", LIMIT, |r| r.len() == 50);
    let remount = |mode: &str| run("mount", &["-o", &format!("remount,{mode}"), &data.display().to_string()]);
    // The kernel refuses while a file is open for writing; then there is nothing to see here.
    if let Err(why) = remount("ro") {
        skopos.kill();
        remount("ro").unwrap_or_else(|second| panic!("{why}; {second}"));
        println!("f4 readonly-remount: refused while running ({why}); a start on it is tried");
        let status = wait_for("an end", LIMIT, || skopos.start_again_expecting_end());
        println!("f4 readonly-remount: ends with {status:?}: {}", skopos.log_tail().lines().last().unwrap_or_default());
        assert_ne!(status, Some(0));
        assert!(skopos.log_tail().contains("Read-only file system"), "{}", skopos.log_tail());
        remount("rw").expect("it was so before");
        skopos.kill_and_restart();
        skopos.wait_query("count_over_time(load_total[1m]) >= 5", LIMIT, |r| r.len() == 50);
        return;
    }
    let lost_before = counter(&skopos, LOST);
    wait_for("scrapes to be lost", LIMIT, || (counter(&skopos, LOST) > lost_before).then_some(()));
    assert_eq!(skopos.query("last_over_time(load_total[1h])").len(), 50, "queries go on");
    remount("rw").expect("it was so before");
    let rows = skopos.query_value("sum(count_over_time(load_total[1h]))");
    wait_for("samples to be stored again", Duration::from_secs(60), || {
        (skopos.query_value("sum(count_over_time(load_total[1h]))") > rows).then_some(())
    });
}

#[test]
fn f9_two_processes_the_second_names_the_holder() {
    let first = Skopos::start(BINARY, "f9-two-processes", "global: {}\n");
    let second = Command::new(BINARY)
        .arg(format!("--storage.tsdb.path={}", first.data().display()))
        .arg(format!("--config.file={}", first.folder().path().join("skopos.yml").display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .output()
        .expect("it starts");
    assert!(!second.status.success());
    let said = format!("{}{}", String::from_utf8_lossy(&second.stdout), String::from_utf8_lossy(&second.stderr));
    assert!(said.contains(&format!("in use by process {}", first.pid())), "{said}");
    assert_eq!(first.get("/-/ready").status, 200, "the first goes on");
}

#[test]
fn f13_fd_limit_of_64() {
    let server = target(10);
    let mut config =
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:\n  - job_name: many\n    static_configs:\n".to_owned();
    for n in 0..20 {
        config.push_str(&format!("      - {{targets: ['{}'], labels: {{instance: i{n}}}}}\n", server.address()));
    }
    let folder = test_support::TempFolder::new("f13-program");
    let mut skopos = Setup::new(&prepared(folder.path(), "ulimit -n 64"), "f13-fd-limit").config(&config).start();
    skopos.wait_query("count_over_time(load_total{n=\"0\"}[1m]) >= 3", LIMIT, |r| r.len() == 20);
    println!("f13 fd-limit: {} files open of 64 with 20 targets", skopos.open_files());
    // With more connections from outside than there are files: it says no to some and lives.
    let idle: Vec<_> = (0..80).filter_map(|_| std::net::TcpStream::connect(skopos.address()).ok()).collect();
    std::thread::sleep(Duration::from_secs(2));
    println!("f13 fd-limit: {} idle connections, {} files open", idle.len(), skopos.open_files());
    assert!(skopos.is_running());
    drop(idle);
    wait_for("it to answer again", LIMIT, || (skopos.get("/-/ready").status == 200).then_some(()));
    let rows = skopos.query_value("sum(count_over_time(load_total[1h]))");
    wait_for("samples to be stored again", LIMIT, || (skopos.query_value("sum(count_over_time(load_total[1h]))") > rows).then_some(()));
    skopos.kill_and_restart();
    assert!(skopos.query_value("sum(count_over_time(load_total[1h]))") >= rows);
}

/// A control group with a limit on memory, of version 1 or 2.
struct MemoryLimit {
    dir: PathBuf,
}

impl MemoryLimit {
    fn new(bytes: u64) -> Option<Self> {
        let name = format!("skopos-test-{}", std::process::id());
        for (root, limit) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let dir = Path::new(root).join(&name);
            if fs::create_dir(&dir).is_ok() {
                if fs::write(dir.join(limit), bytes.to_string()).is_ok() {
                    return Some(Self { dir });
                }
                let _ = fs::remove_dir(&dir);
            }
        }
        println!("skipped: no control group with a limit on memory can be made");
        None
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let _ = wait_for_removal(&self.dir);
    }
}

fn wait_for_removal(dir: &Path) -> bool {
    (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        fs::remove_dir(dir).is_ok()
    })
}

#[test]
fn f14_mem_limit_of_256_mib_sheds_series_and_lives() {
    let Some(limit) = MemoryLimit::new(256 << 20) else { return };
    let series: usize = std::env::var("SKOPOS_SERIES").ok().and_then(|t| t.parse().ok()).unwrap_or(200_000);
    let seconds: u64 = std::env::var("SKOPOS_MEM_SECONDS").ok().and_then(|t| t.parse().ok()).unwrap_or(45);
    // Ten targets, so that what one scrape holds is not the question.
    let server = target(series / 10);
    let mut config =
        "global: {scrape_interval: 5s, scrape_timeout: 5s}\nscrape_configs:\n  - job_name: load\n    static_configs:\n".to_owned();
    for n in 0..10 {
        config.push_str(&format!("      - {{targets: ['{}'], labels: {{instance: i{n}}}}}\n", server.address()));
    }
    let folder = test_support::TempFolder::new("f14-program");
    let program = prepared(folder.path(), &format!("echo $$ > {}/cgroup.procs", limit.dir.display()));
    let mut skopos = Setup::new(&program, "f14-mem-limit").config(&config).start();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_secs(1));
        assert!(skopos.is_running(), "it ended:\n{}", skopos.log_tail());
    }
    let refused = counter(&skopos, "skopos_tsdb_series_refused_total");
    let stored = counter(&skopos, "skopos_tsdb_series");
    println!(
        "f14 mem-limit: {series} series offered, {stored} taken, {refused} refusals, resident {} MiB, at most {} MiB, after {:?}",
        skopos.resident_bytes() >> 20,
        skopos.peak_bytes() >> 20,
        begun.elapsed()
    );
    assert!(stored + refused >= series as f64, "every series was taken or refused");
    assert!(!skopos.query("count(load_total)").is_empty(), "queries go on");
    skopos.kill_and_restart();
    assert!(!skopos.query("count(last_over_time(load_total[10m]))").is_empty(), "and it starts within the limit");
    drop(skopos);
}

/// Point 6 of issue 4: what tells how a target does is there past the budget too, and whoever came late is not blamed for it.
#[test]
fn a6_a_small_target_past_the_budget_has_up_and_no_blame() {
    let rounds = Arc::new(AtomicU64::new(0));
    let server = Server::start(move |asked| {
        if asked.path == "/small" {
            return Answer::metrics((0..30).map(|n| format!("small{{path=\"/{n}\"}} {n}\n")).collect::<String>());
        }
        let round = rounds.fetch_add(1, Ordering::Relaxed);
        Answer::metrics((0..20_000).map(|user| format!("req_total{{user_id=\"r{round}-{user}\"}} 1\n")).collect::<String>())
    });
    let address = server.address();
    let config = |more: &str| {
        format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - {{job_name: big, static_configs: [{{targets: ['{address}']}}]}}\n{more}"
        )
    };
    // So little that there never is room, whatever leaves the head.
    let setup = Setup::new(BINARY, "a6-small-target").config(&config("")).argument("--storage.memory-budget=1B");
    let skopos = setup.start();
    let target = |job: &str| {
        let targets = skopos.get("/api/v1/targets?state=active").json()["data"]["activeTargets"].clone();
        targets.as_array()?.iter().find(|target| target["scrapePool"] == job).cloned()
    };
    wait_for("the budget to be used up", LIMIT, || (target("big")?["refused"]["label"] == "user_id").then_some(()));

    let small = config(&format!("  - {{job_name: small, metrics_path: /small, static_configs: [{{targets: ['{address}']}}]}}\n"));
    fs::write(skopos.folder().path().join("skopos.yml"), small).expect("the configuration is written");
    skopos.signal("HUP");
    skopos.wait_query("up{job=\"small\"} == 1 and on() scrape_samples_scraped{job=\"small\"} == 30", LIMIT, |r| r.len() == 1);
    let refused =
        wait_for("its series to be refused", LIMIT, || Some(target("small")?["refused"].clone()).filter(|refused| !refused.is_null()));
    assert_eq!((refused["series"].as_u64(), refused["limit"].as_str()), (Some(30), Some("--storage.memory-budget")), "{refused}");
    assert_eq!((refused["label"].as_str(), refused["rule"].as_str()), (Some(""), Some("")), "{refused}");
    // `up` goes on, and still the other one is named.
    skopos.wait_query("count_over_time(up{job=\"small\"}[1m]) >= 3", LIMIT, |r| r.len() == 1);
    assert_eq!(target("big").map(|big| big["refused"]["label"].clone()), Some("user_id".into()));
}
