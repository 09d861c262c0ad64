//! Fault F8 below the whole binary: every sync of a file takes seconds. strace delays the calls; without it, or where it may not
//! look at another process, the tests are skipped with a message. `SKOPOS_SLOW_SYNC_MS` sets how long a sync takes.

#![allow(clippy::print_stdout, reason = "figures are for people")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use test_support::{Answer, Server, Setup, Skopos, wait_for};

#[path = "write_sender.rs"]
mod write_sender;

use write_sender::{Sender, header, now_ms, series};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const FLAG: &str = "--web.enable-remote-write-receiver";

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than a request waits for its turn.
const SYNC_MS: u64 = 2_500;

fn sync_time() -> Duration {
    let said = std::env::var("SKOPOS_SLOW_SYNC_MS").ok().and_then(|text| text.parse().ok());
    Duration::from_millis(said.unwrap_or(SYNC_MS).max(SYNC_MS))
}

/// Delays the syncs of a process for as long as it lives.
struct SlowDisk(Child);

impl SlowDisk {
    fn under(skopos: &Skopos, sync: Duration) -> Option<Self> {
        let pid = skopos.pid().to_string();
        let inject = format!("inject=fsync,fdatasync,sync_file_range:delay_enter={}", sync.as_micros());
        let arguments = ["-f", "-q", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,sync_file_range", "-e", &inject, "-p", &pid];
        let mut strace = match Command::new("strace").args(arguments).stderr(Stdio::null()).spawn() {
            Ok(strace) => strace,
            Err(error) => {
                println!("skipped: strace: {error}");
                return None;
            }
        };
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            if is_traced(&pid) {
                return Some(Self(strace));
            }
            if strace.try_wait().ok().flatten().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        println!("skopos cannot be looked at by strace: skipped");
        drop(Self(strace));
        None
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether each thread of a process is under strace.
fn is_traced(pid: &str) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
    })
}

fn metric(skopos: &Skopos, name: &str) -> f64 {
    let metrics = skopos.get("/metrics").body;
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or_else(|| panic!("/metrics has no {name}"))
}

fn message(sender: usize, round: u64) -> Vec<u8> {
    let (mut message, instance) = (Vec::new(), format!("sender-{sender}:1"));
    for n in 0..200 {
        let n = n.to_string();
        series(&mut message, &[("__name__", "slow"), ("instance", &instance), ("job", "slow"), ("n", &n)], now_ms(), round as f64);
    }
    message
}

#[test]
fn f8_slow_disk_holds_up_no_scrape_and_no_writer_while_syncs_are_behind() {
    let scraped = Server::start(|_| Answer::metrics("a 1\nb 2\n"));
    let config = format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs: [{{job_name: load, static_configs: [{{targets: ['{}']}}]}}]\n",
        scraped.address()
    );
    let skopos = Setup::new(BINARY, "slow-disk").config(&config).argument(FLAG).start();
    skopos.wait_query("up{job=\"load\"}", LIMIT, |found| !found.is_empty());
    let sync = sync_time();
    let Some(disk) = SlowDisk::under(&skopos, sync) else { return };
    let (scrapes, missed) = (metric(&skopos, "skopos_scrape_scrapes_total "), metric(&skopos, "skopos_scrape_ticks_missed_total "));
    let mut sender = Sender::connect(skopos.address());
    let (begun, mut slowest, mut round) = (Instant::now(), Duration::ZERO, 0);
    while begun.elapsed() < sync * 3 {
        let asked = Instant::now();
        assert_eq!(sender.post("application/x-protobuf", &message(0, round)).0, 204);
        slowest = slowest.max(asked.elapsed());
        round += 1;
        thread::sleep(Duration::from_millis(50));
    }
    let scrapes = metric(&skopos, "skopos_scrape_scrapes_total ") - scrapes;
    let missed = metric(&skopos, "skopos_scrape_ticks_missed_total ") - missed;
    println!(
        "f8 slow-disk: syncs of {sync:?}: {scrapes} scrapes in {:?}, {missed} ticks missed, {round} requests, the slowest {slowest:?}, {} MB",
        begun.elapsed(),
        skopos.resident_bytes() >> 20
    );
    assert!(missed <= 1.0, "{missed} ticks missed");
    assert!(scrapes >= (begun.elapsed().as_secs_f64() * 2.0 - 2.0).floor(), "{scrapes} scrapes");
    assert!(slowest < sync, "no request waits for a sync: {slowest:?}");
    assert!(skopos.resident_bytes() < 400 << 20);
    drop(disk);
}

/// Where an acknowledgement stands for a sync, writers wait for theirs, and more of them than can be taken come again later.
#[test]
fn f8_slow_disk_puts_off_writers_with_429_and_retry_after() {
    let skopos =
        Setup::new(BINARY, "slow-disk-sync").config("scrape_configs: []\n").argument(FLAG).argument("--storage.wal-sync=0s").start();
    let sync = sync_time();
    let Some(disk) = SlowDisk::under(&skopos, sync) else { return };
    let writers = thread::available_parallelism().map_or(2, usize::from) + 10;
    let (taken, deferred, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let most = thread::scope(|scope| {
        for number in 0..writers {
            let (taken, deferred, stop, address) = (&taken, &deferred, &stop, skopos.address());
            scope.spawn(move || {
                let mut sender = Sender::connect(address);
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let answered = sender.post("application/x-protobuf", &message(number, round));
                    match answered.0 {
                        204 => _ = taken.fetch_add(1, Ordering::Relaxed),
                        429 => {
                            assert_eq!(header(&answered, "retry-after"), Some("5"), "{answered:?}");
                            deferred.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("status {other}: {}", answered.2),
                    }
                }
            });
        }
        let (begun, mut most) = (Instant::now(), 0);
        while begun.elapsed() < sync * 4 {
            most = most.max(skopos.resident_bytes());
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
        most
    });
    let (taken, deferred) = (taken.into_inner(), deferred.into_inner());
    println!("f8 slow-disk: syncs of {sync:?}, {writers} writers: {taken} requests taken, {deferred} put off, at most {} MB", most >> 20);
    assert!(taken > 0, "some are taken");
    assert!(deferred > 0, "others are put off");
    assert!(most < 400 << 20, "{} MB", most >> 20);
    assert!(metric(&skopos, "skopos_remote_write_requests_deferred_total ") >= deferred as f64, "it is counted");
    drop(disk);
    wait_for("writers to be taken at once again", LIMIT, || {
        let asked = Instant::now();
        let status = Sender::connect(skopos.address()).post("application/x-protobuf", &message(0, 1_000_000)).0;
        (status == 204 && asked.elapsed() < Duration::from_secs(1)).then_some(())
    });
}
