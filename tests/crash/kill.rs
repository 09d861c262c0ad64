//! SIGKILL at random moments under load: everything that a query had shown before is there after the restart.
//!
//! In half of the rounds the kill comes while the head is made a block, blocks are written anew without a deleted series, or the
//! start before merges them. `SKOPOS_KILLS` sets how often (default 50), `SKOPOS_SEED` repeats a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use test_support::{Answer, Dice, Server, Setup, Skopos, post_text};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

const TARGETS: usize = 4;
const SERIES: usize = 60;

/// Samples by series and time, as a query showed them.
type Shown = BTreeMap<(String, i64), String>;

fn raw_samples(skopos: &Skopos) -> Option<Shown> {
    let answer = skopos.get("/api/v1/query?query=%7Bjob%3D%22load%22%2C__name__!%3D%22doomed%22%7D%5B90s%5D");
    if answer.status != 200 {
        return None;
    }
    let mut shown = Shown::new();
    for series in answer.json()["data"]["result"].as_array()? {
        let labels = series["metric"].to_string();
        for point in series["values"].as_array()? {
            let at = (point[0].as_f64()? * 1000.0).round() as i64;
            shown.insert((labels.clone(), at), point[1].as_str()?.to_owned());
        }
    }
    Some(shown)
}

#[test]
fn f1_kill9_loses_nothing_that_was_shown() {
    let kills: u32 = std::env::var("SKOPOS_KILLS").ok().and_then(|t| t.parse().ok()).unwrap_or(50);
    let seed = test_support::seed("kills");
    let mut dice = Dice(seed);

    let targets: Vec<Server> = (0..TARGETS)
        .map(|_| {
            let count = Arc::new(AtomicU64::new(0));
            Server::start(move |_| {
                let scrape = count.fetch_add(1, Ordering::Relaxed);
                // Some series grow, some stand still, some come and go.
                let lines = (0..SERIES as u64).filter(|n| n % 10 != 9 || (scrape + n) % 7 < 4).map(|n| match n % 3 {
                    0 => format!("load_total{{n=\"{n}\"}} {}\n", scrape * (n + 1)),
                    1 => format!("load_constant{{n=\"{n}\"}} {n}\n"),
                    _ => format!("load_gauge{{n=\"{n}\"}} {}\n", (scrape * 7919 + n) as f64 / 97.0),
                });
                Answer::metrics(lines.chain(["doomed 1\n".to_owned()]).collect::<String>())
            })
        })
        .collect();
    let addresses: Vec<String> = targets.iter().map(Server::address).collect();
    let config = format!(
        "global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}\nscrape_configs:\n  - job_name: load\n    static_configs: [{{targets: {addresses:?}}}]\n"
    );
    let mut skopos = Setup::new(BINARY, "kill").config(&config).argument("--web.enable-admin-api").start();

    let calls = Arc::new(AtomicU64::new(0));
    let mut before = Shown::new();
    let (mut restart_slowest, mut samples_most) = (Duration::ZERO, 0);
    for kill in 1..=kills {
        // Load for a random while, queries in between; the kill comes at any moment after the last of them.
        let until = Instant::now() + Duration::from_millis(150 + dice.below(500));
        let mut shown = None;
        while Instant::now() < until || shown.as_ref().is_none_or(Shown::is_empty) {
            shown = raw_samples(&skopos).or(shown);
        }
        // Deleting makes a block of the head; the blocks are then written anew. Neither need come to its end.
        if dice.below(2) == 0 {
            let urls =
                ["delete_series?match%5B%5D=doomed", "clean_tombstones"].map(|call| skopos.url(&format!("/api/v1/admin/tsdb/{call}")));
            let calls = calls.clone();
            std::thread::spawn(move || {
                for url in urls {
                    // The one that the kill comes to gets no answer.
                    calls.fetch_add(u64::from(post_text(&url).status == 204), Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_micros(dice.below(100_000)));
        let begun = Instant::now();
        skopos.kill_and_restart();
        restart_slowest = restart_slowest.max(begun.elapsed());

        let shown = shown.expect("the loop ended with an answer");
        let after = raw_samples(&skopos).expect("the first query after a restart is answered");
        // The window moves on; within the last minute nothing may be missing.
        let newest = after.keys().map(|(_, at)| *at).max().unwrap_or_default();
        let there = before.iter().chain(&shown).filter(|((_, at), _)| *at > newest - 60_000);
        let lost: Vec<_> = there.filter(|(key, value)| after.get(key) != Some(value)).take(5).collect();
        assert!(lost.is_empty(), "kill {kill}, seed {seed}: {} samples were shown, gone are for example {lost:?}", shown.len());
        samples_most = samples_most.max(after.len());
        before = shown;
    }
    let blocks = std::fs::read_dir(skopos.data().join("blocks")).map_or(0, Iterator::count);
    println!(
        "{kills} kills, up to {samples_most} samples compared each time, slowest restart {restart_slowest:?}; {} deletions and rewritings came to their end, {blocks} files of blocks at last",
        calls.load(Ordering::Relaxed)
    );
}
