//! Targets come, stay, change and go.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::server::{Server, text};
use common::{Rig, config, group, job};
use model::is_stale;
use model::seams::PluginError;
use scrape::snapshot::Health;

async fn counting() -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_| text(format!("count {}\n", count.fetch_add(1, Ordering::SeqCst)))).await
}

fn markers(rig: &Rig) -> usize {
    rig.store.rows().iter().flat_map(|row| &row.samples).filter(|(_, value)| is_stale(*value)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for() {
    let heads = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let server = Server::start(move |head| {
        seen.lock().expect("not poisoned").push(head.to_owned());
        text("fine 1\n")
    })
    .await;
    let rig = Rig::new();
    rig.targets(&[server.host()], "  metrics_path: /probe\n  params: {module: [http 2xx], target: ['a&b']}\n");
    // The page follows the row.
    rig.until("a sample", |rig| !rig.store.series("fine{").is_empty() && rig.scraper.snapshot().active[0].health == Health::Up).await;
    let head = heads.lock().expect("not poisoned")[0].clone();
    assert!(head.starts_with("get /probe?module=http+2xx&target=a%26b http/1.1\r\n"), "{head}");
    for part in [
        "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,",
        "x-prometheus-scrape-timeout-seconds: 0.5",
        "accept-encoding: gzip",
        "user-agent: skopos",
    ] {
        assert!(head.contains(part), "{part} in {head}");
    }
    let target = &rig.scraper.snapshot().active[0];
    assert_eq!((target.health, target.last_error.as_str(), target.interval_ms), (Health::Up, "", 500));
    assert!(target.global_url.starts_with("http://skopos.example:") && target.scrape_url.starts_with("http://127.0.0.1:"), "{target:?}");
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_what_stays() {
    let (stays, goes, comes) = (counting().await, counting().await, counting().await);
    let rig = Rig::new();
    let both = format!("{}- {{job_name: other, static_configs: [{{targets: [{}]}}]}}\n", job(&[stays.host()], ""), goes.host());
    rig.load(&both);
    let scrapes = |rig: &Rig, server: &Server| {
        rig.store.series("count{").into_iter().find(|(name, _)| name.contains(&server.host())).map_or(0, |(_, samples)| samples.len())
    };
    rig.until("both are scraped", |rig| scrapes(rig, &stays) >= 2 && scrapes(rig, &goes) >= 2).await;
    let before = scrapes(&rig, &stays);
    rig.load(&job(&[stays.host(), comes.host()], ""));
    rig.until("the new one is scraped", |rig| scrapes(rig, &comes) >= 2 && scrapes(rig, &stays) >= before + 2).await;
    rig.until("the old one ends", |rig| {
        rig.store.last("count{").into_iter().any(|(name, value)| name.contains(&goes.host()) && value.is_none())
    })
    .await;
    // Series of the one that stays were looked up once, and no marker came between.
    let own = rig.store.series("count{").into_iter().find(|(name, _)| name.contains(&stays.host())).expect("it is there").1;
    assert!(own.iter().all(|(_, value)| !is_stale(*value)));
    assert!(own.is_sorted_by(|(_, one), (_, next)| one < next), "each scrape is one request: {own:?}");
    assert_eq!(rig.scraper.snapshot().pools, ["j"]);
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticks_are_on_the_targets_grid_before_and_after_a_reload() {
    let server = counting().await;
    let rig = Rig::new();
    let text = |more: &str| {
        format!(
            "scrape_configs:\n- job_name: j\n  scrape_interval: 500ms\n  scrape_timeout: 400ms\n  static_configs: [{{targets: [{}]}}]\n{more}",
            server.host()
        )
    };
    rig.load(&text(""));
    let times = |rig: &Rig| rig.store.series("count{").into_values().flatten().map(|(time, _)| time).collect::<Vec<_>>();
    rig.until("three scrapes", |rig| times(rig).len() >= 3).await;
    let calls = rig.store.column_calls();
    rig.load(&text("  honor_labels: true\n"));
    rig.until("three more", |rig| times(rig).len() >= 6).await;
    assert_eq!(rig.store.column_calls() - calls, 1, "the line is looked up anew, the report is not");
    assert_eq!(markers(&rig), 0);
    // A loaded machine makes scrapes late, but never early, and never two for one tick.
    let ticks: BTreeSet<i64> = times(&rig).iter().map(|time| time.div_euclid(500)).collect();
    assert!(ticks.len() + 1 >= times(&rig).len(), "{:?}", times(&rig));
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_configuration_changes_nothing() {
    let server = counting().await;
    let rig = Rig::new();
    rig.load(&job(&[server.host()], ""));
    rig.until("a scrape", |rig| !rig.store.series("count{").is_empty()).await;
    for bad in [
        "scrape_configs: [{job_name: new}, {job_name: k, fake_sd_configs: [{refused: 1}]}]",
        "scrape_configs: [{job_name: new}, {job_name: k, exporter: fake}]",
    ] {
        let error = rig.scraper.reload(&config(bad).expect("it reads well")).expect_err("it cannot be taken over");
        assert_eq!(error.job, "k", "{error}");
        assert_eq!(rig.scraper.snapshot().pools, ["j"]);
    }
    let before = server.hits();
    rig.until("scrapes go on", |_| server.hits() > before + 1).await;
    assert_eq!(markers(&rig), 0);
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discovery_is_followed_and_failures_keep_the_last_list() {
    let (one, two) = (counting().await, counting().await);
    let (first, second) = (one.address.to_string(), two.address.to_string());
    let rig = Rig::new();
    let section = "{\"refresh_interval\":\"50ms\"}";
    rig.plugins.find(section, Ok(vec![group(&[&first, &second], &[("__meta_fake_zone", "z1")])]));
    rig.load("global: {scrape_interval: 250ms, scrape_timeout: 250ms}\nscrape_configs:\n- job_name: j\n  fake_sd_configs: [{refresh_interval: 50ms}]\n  relabel_configs: [{source_labels: [__meta_fake_zone], target_label: zone}]\n");
    rig.until("both are scraped", |rig| rig.store.series("count{").len() == 2).await;
    assert!(rig.store.series("zone=\"z1\"").len() > 2);

    rig.plugins.find(section, Err(PluginError::Unavailable("the server is away".to_owned())));
    let refreshes = *rig.plugins.refreshes.lock().expect("not poisoned");
    rig.until("failures", |rig| *rig.plugins.refreshes.lock().expect("not poisoned") > refreshes + 2).await;
    assert_eq!(rig.scraper.snapshot().active.len(), 2);
    assert!(rig.scraper.stats().discovery_failed > 0);

    rig.plugins.find(section, Ok(vec![group(&[&first], &[("__meta_fake_zone", "z1")])]));
    rig.until("one is gone", |rig| rig.store.last("count{").into_iter().any(|(name, value)| name.contains(&second) && value.is_none()))
        .await;
    rig.plugins.find(section, Ok(Vec::new()));
    rig.until("an empty list is honoured", |rig| rig.scraper.snapshot().active.is_empty()).await;
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_fails_and_comes_back() {
    let down = Arc::new(AtomicUsize::new(0));
    let state = Arc::clone(&down);
    let server = Server::start(move |_| if state.load(Ordering::SeqCst) == 1 { text("broken") } else { text("fine 1\n") }).await;
    let rig = Rig::new();
    rig.targets(&[server.host()], "");
    rig.until("up", |rig| rig.store.last("fine{").values().any(Option::is_some)).await;
    down.store(1, Ordering::SeqCst);
    rig.until("down", |rig| rig.store.last("fine{").values().any(Option::is_none)).await;
    rig.until("the page says down", |rig| rig.scraper.snapshot().active[0].health == Health::Down).await;
    down.store(0, Ordering::SeqCst);
    rig.until("up again", |rig| rig.store.last("fine{").values().any(Option::is_some)).await;
    rig.until("the page says so", |rig| rig.scraper.snapshot().active[0].health == Health::Up).await;
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_leaves_series_as_they_are() {
    let server = counting().await;
    let rig = Rig::new();
    rig.targets(&[server.host()], "");
    rig.until("a scrape", |rig| !rig.store.series("count{").is_empty()).await;
    rig.scraper.stop().await;
    assert_eq!(markers(&rig), 0);
    assert_eq!(rig.store.open_groups(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_disk_does_not_keep_others_from_being_fetched() {
    let mut servers = Vec::new();
    for _ in 0..12 {
        servers.push(counting().await);
    }
    let rig = Rig::new();
    rig.store.slow_ms.store(300, Ordering::SeqCst);
    rig.targets(&servers.iter().map(Server::host).collect::<Vec<_>>(), "");
    rig.until("all are fetched", |_| servers.iter().all(|server| server.hits() > 0)).await;
    rig.store.slow_ms.store(0, Ordering::SeqCst);
    rig.until("all are stored", |rig| rig.store.series("count{").len() == 12).await;
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_series_refused_by_storage_is_told_of_while_up_stays_1() {
    let server = Server::start(|_| text("a 1\nb 2\n")).await;
    let rig = Rig::new();
    rig.store.series_max.store(6, Ordering::SeqCst);
    rig.targets(&[server.host()], "");
    rig.until("it is told", |rig| rig.scraper.snapshot().active[0].refused_series.is_some()).await;
    let target = rig.scraper.snapshot().active.remove(0);
    let refused = target.refused_series.expect("it is told");
    assert_eq!((refused.series, refused.reason.as_str()), (1, "the memory budget for series is reached"));
    assert_eq!((target.health, target.last_error.as_str()), (Health::Up, ""));
    let pool = rig.scraper.stats().pools.remove(0);
    assert!(pool.series_refused > 0 && pool.refused_now[0].series == 1, "{pool:?}");
    assert_eq!(rig.store.last("up{").into_values().collect::<Vec<_>>(), [Some(1.0)]);
    assert!(rig.scraper.stats().samples_refused > 0);
    rig.scraper.stop().await;
}
