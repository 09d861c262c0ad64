//! A thousand targets in one process.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::Rig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const TARGETS: usize = 1000;

fn threads() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok()).unwrap_or(0)
}

/// Few threads may block. With as many as it likes the runtime starts one more whenever another one that is done was kept by a busy
/// machine from saying so.
#[test]
fn a_thousand_targets_have_no_thread_each_and_no_more_sockets_than_targets() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(16).enable_all().build();
    runtime.expect("a runtime").block_on(a_thousand_targets());
}

#[expect(clippy::print_stdout, reason = "what was measured")]
async fn a_thousand_targets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (accepted, open, open_max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&accepted), Arc::clone(&open), Arc::clone(&open_max));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (accepted, open, open_max) = counters.clone();
            accepted.fetch_add(1, Ordering::Relaxed);
            open_max.fetch_max(open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // A request fits into one piece here.
                while let Ok(length) = stream.read(&mut request).await {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nfine 1\n";
                    if length == 0 || stream.write_all(answer).await.is_err() {
                        break;
                    }
                }
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    let before = threads();
    let rig = Rig::new();
    // A timeout that a busy machine keeps.
    let mut config = "global: {scrape_interval: 5s, scrape_timeout: 5s}\nscrape_configs:\n- job_name: j\n  static_configs:\n".to_owned();
    for target in 0..TARGETS {
        config.push_str(&format!("  - {{targets: ['{address}'], labels: {{instance: i{target}, __metrics_path__: /t/{target}}}}}\n"));
    }
    rig.load(&config);
    let mut most = 0;
    rig.until("each was scraped twice", |rig| {
        most = most.max(threads());
        // Rows are looked at only when there may be enough of them.
        let twice = |rig: &Rig| rig.store.series("fine{").values().filter(|samples| samples.len() >= 2).count();
        rig.scraper.stats().scrapes >= 2 * TARGETS as u64 && twice(rig) == TARGETS
    })
    .await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let stats = rig.scraper.stats();
    let fine = rig.store.last("fine{");
    println!(
        "{} scrapes, {} connections, {} open at most, {} threads more, lateness {:?}, intervals {:?}",
        stats.scrapes,
        accepted.load(Ordering::Relaxed),
        open_max.load(Ordering::Relaxed),
        most - before,
        stats.lateness,
        stats.interval_lengths
    );
    assert_eq!(fine.len(), TARGETS);
    assert!(fine.values().all(|value| *value == Some(1.0)));
    assert_eq!(stats.scrapes_failed, 0);
    assert!(open_max.load(Ordering::Relaxed) <= TARGETS);
    assert!(most - before <= 32, "{} threads more", most - before);
    assert_eq!(stats.lateness.count, stats.lateness.buckets.last().map_or(0, |(_, count)| *count));
    let (interval_ms, lengths) = &stats.interval_lengths[0];
    assert_eq!(*interval_ms, 5000);
    assert!(lengths.count >= TARGETS as u64);
    rig.scraper.stop().await;
}
