//! Bad targets, by the names of the list of faults: each scrape fails cleanly, others go on.

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use common::server::{Answer, Server, gzip, redirect, text, typed};
use common::{Rig, job};
use flate2::Compression;
use flate2::write::GzEncoder;
use model::seams::{Exposition, PluginError};
use scrape::snapshot::Health;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain";

async fn healthy() -> Server {
    Server::start(|_| text("# TYPE fine gauge\nfine 1\n")).await
}

/// A bad target beside ten good ones: the error says what is wrong, `up` is 0, and the good ones are scraped meanwhile.
#[expect(clippy::print_stdout, reason = "times are measured for people and asserted loosely")]
async fn fails(bad: &Server, more: &str, part: &str) {
    let mut targets = vec![bad.host()];
    let mut good = Vec::new();
    for _ in 0..10 {
        good.push(healthy().await);
    }
    targets.extend(good.iter().map(Server::host));
    let rig = Rig::new();
    rig.targets(&targets, more);
    let began = Instant::now();
    let error = rig.error().await;
    println!("after {:?}: {error}", began.elapsed());
    assert!(error.contains(part), "{error}");
    rig.until("good targets go on", |rig| rig.store.series("fine{").len() == 10).await;
    let name = format!("up{{instance={}", bad.host());
    rig.until("up is 0", |rig| rig.store.last(&name).values().any(|up| *up == Some(0.0))).await;
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_endless_body() {
    let piece: Vec<u8> = (0..20_000).flat_map(|n| format!("endless{{n=\"{n}\"}} 1\n").into_bytes()).collect();
    let server = Server::start(move |_| Answer::Forever(HEAD.to_owned(), piece.clone(), Duration::from_millis(1))).await;
    fails(&server, "  body_size_limit: 1MB\n", "the body is larger than body_size_limit, which is 1048576 bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_gzip_bomb() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..128 {
        bomb.write_all(&zeros).expect("memory takes it");
    }
    let bomb = bomb.finish().expect("it ends");
    let server = Server::start(move |_| gzip(bomb.clone())).await;
    fails(&server, "  scrape_interval: 5s\n  scrape_timeout: 5s\n", "the body is larger than body_size_limit, which is 67108864 bytes")
        .await;
}

fn gzipped(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.as_bytes()).expect("memory takes it");
    encoder.finish().expect("it ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_gzip_truncated_or_with_a_bad_checksum() {
    let good = gzipped("fine 1\n");
    let truncated = good[..good.len() - 10].to_vec();
    let server = Server::start(move |_| gzip(truncated.clone())).await;
    fails(&server, "", "gzip").await;
    let mut bad_sum = good.clone();
    let at = bad_sum.len() - 6;
    bad_sum[at] ^= 0xFF;
    let server = Server::start(move |_| gzip(bad_sum.clone())).await;
    fails(&server, "", "gzip").await;
    let many = [good, gzipped("more 2\n")].concat();
    let server = Server::start(move |_| gzip(many.clone())).await;
    let rig = Rig::new();
    rig.targets(&[server.host()], "");
    rig.until("an outcome", |rig| rig.store.series("up{").len() == 1).await;
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_slow_loris() {
    let server = Server::start(|_| Answer::Forever(HEAD.to_owned(), b"x".to_vec(), Duration::from_secs(1))).await;
    fails(&server, "", "no full answer within the scrape timeout of 500ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_huge_line() {
    let server = Server::start(|_| text([b"ok 1\n".to_vec(), vec![b'x'; 3 << 20]].concat())).await;
    fails(&server, "  scrape_interval: 2s\n  scrape_timeout: 2s\n", "the line that begins at byte 5 is longer than 1048576 bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a8_bad_utf8() {
    let server = Server::start(|_| text(b"ok 1\nbad{x=\"\xff\"} 1\n".to_vec())).await;
    fails(&server, "", "line 2, column 8: a label value that is not valid UTF-8").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a14_content_type() {
    let page = Server::start(|_| typed("text/html; charset=utf-8", "<html>Please log in</html>")).await;
    fails(&page, "", "fallback_scrape_protocol: PrometheusText0.0.4").await;
    fails(&page, "", "whether a login or a proxy answers instead of the target").await;
    let proto = Server::start(|_| typed("application/vnd.google.protobuf", "x")).await;
    fails(&proto, "", "the body may be cut short").await;
    let other = Server::start(|_| typed("application/openmetrics-protobuf", "x")).await;
    fails(&other, "", "protobuf, which this version does not read").await;

    let none = Server::start(|_| Answer::Full("HTTP/1.1 200 OK".to_owned(), b"plain 1\n".to_vec())).await;
    let odd = Server::start(|_| typed("text/html", "plain 1\n")).await;
    let rig = Rig::new();
    rig.load(&format!(
        "{}- {{job_name: k, fallback_scrape_protocol: PrometheusText0.0.4, static_configs: [{{targets: [{}]}}]}}\n",
        job(&[none.host()], ""),
        odd.host()
    ));
    rig.until("both are read", |rig| rig.store.series("plain{").len() == 2).await;
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a14_status_and_openmetrics() {
    let server = Server::start(|_| Answer::Full("HTTP/1.1 503 Service Unavailable".to_owned(), Vec::new())).await;
    fails(&server, "", "server returned HTTP status 503 Service Unavailable").await;
    let server = Server::start(|_| typed("application/openmetrics-text; version=1.0.0", "a_total 1\n")).await;
    fails(&server, "", "without \"# EOF\"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a15_redirects() {
    let server = Server::start(|_| redirect("/metrics")).await;
    fails(&server, "  scrape_interval: 1s\n  scrape_timeout: 1s\n", "the target redirects more than 10 times").await;
    for (to, part) in [
        ("http://169.254.169.254/latest/meta-data/", "link-local or metadata"),
        ("http://[::ffff:169.254.169.254]/", "link-local or metadata"),
        ("file:///etc/passwd", "file"),
        ("ftp://127.0.0.1/", "ftp"),
    ] {
        let server = Server::start(move |_| redirect(to)).await;
        fails(&server, "", part).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a20_dup_targets() {
    let server = healthy().await;
    let host = server.host();
    let rig = Rig::new();
    rig.load(&format!(
        "global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}\nscrape_configs:\n- job_name: one\n  static_configs: [{{targets: [{host}, {host}]}}, {{targets: [{host}]}}]\n- job_name: two\n  static_configs: [{{targets: [{host}]}}]\n"
    ));
    rig.until("both jobs have it", |rig| rig.store.series("fine{").len() == 2).await;
    let pools: Vec<String> = rig.scraper.snapshot().active.into_iter().map(|target| target.pool).collect();
    assert_eq!(pools, ["one", "two"], "in one job the same labels are one target");
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_relabelling_that_leaves_no_target() {
    let rig = Rig::new();
    rig.targets(
        &["a:1", "b:1", "'c:1'"].map(str::to_owned),
        "  relabel_configs:\n  - {source_labels: [__address__], regex: a.*, target_label: __address__, replacement: ''}\n  - {source_labels: [__address__], regex: b.*, action: drop}\n  - {source_labels: [__address__], regex: c.*, target_label: __scrape_timeout__, replacement: 9s}\n",
    );
    let snapshot = rig.scraper.snapshot();
    let errors: Vec<(Health, String)> = snapshot.active.into_iter().map(|target| (target.health, target.last_error)).collect();
    assert_eq!(
        errors,
        [
            (Health::Down, "no address: relabelling left __address__ empty".to_owned()),
            (Health::Down, "scrape timeout cannot be greater than scrape interval (\"9s\" > \"500ms\")".to_owned()),
        ]
    );
    assert_eq!(snapshot.dropped.len(), 1);
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_limit_fails_all() {
    let server = healthy().await;
    let rig = Rig::new();
    rig.targets(&[server.host(), "'127.0.0.1:1'".to_owned()], "  target_limit: 1\n");
    assert_eq!(rig.error().await, "target_limit exceeded (number of targets: 2, limit: 1)");
    assert_eq!(server.hits(), 0);
    rig.scraper.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exporters_take_the_place_of_the_fetch() {
    let rig = Rig::new();
    rig.plugins.exporter(|target, written| match target {
        "bad:1" => Err(PluginError::Failed("fake: trapped".to_owned())),
        target => Ok(Exposition::Text(format!("seen{{target=\"{target}\",written=\"{written}\"}} 1\n"))),
    });
    rig.plugins.find("{\"n\":1}", Ok(vec![common::group(&["found:1"], &[])]));
    rig.load("global: {scrape_interval: 250ms, scrape_timeout: 250ms}\nscrape_configs:\n- {job_name: here, exporter: fake}\n- {job_name: there, exporter: fake, static_configs: [{targets: ['shop.example:443', 'bad:1']}], fake_sd_configs: [{n: 1}]}\n");
    rig.until("all three are seen", |rig| rig.store.series("seen{").len() == 3).await;
    let seen: Vec<String> = rig.store.series("seen{").into_keys().collect();
    for expected in [
        "seen{instance=\"localhost\", job=\"here\", written=\"true\"}",
        "seen{instance=\"found:1\", job=\"there\", target=\"found:1\", written=\"false\"}",
        "seen{instance=\"shop.example:443\", job=\"there\", target=\"shop.example:443\", written=\"true\"}",
    ] {
        assert!(seen.iter().any(|series| series == expected), "{expected} in {seen:?}");
    }
    assert_eq!(rig.error().await, "fake: trapped");
    let urls: Vec<String> = rig.scraper.snapshot().active.into_iter().map(|target| target.scrape_url).collect();
    assert_eq!(urls, ["exporter:fake/", "exporter:fake/bad:1", "exporter:fake/found:1", "exporter:fake/shop.example:443"]);
    rig.scraper.stop().await;
}

/// A target that sends back who asked: neither the page of targets nor the log shows a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_come_back_are_not_shown() {
    for (auth, answer) in [
        ("  basic_auth: {username: ann, password: s3cret}\n", "Basic YW5uOnMzY3JldA==\n"),
        ("  basic_auth: {username: ann, password: s3cret}\n", "x s3cret\n"),
        ("  authorization: {credentials: t0ken-t0ken}\n", "Bearer t0ken-t0ken\n"),
    ] {
        let server = Server::start(move |_| text(answer)).await;
        let rig = Rig::new();
        rig.targets(&[server.host()], auth);
        let error = rig.error().await;
        assert!(error.contains("<secret>") && ["s3cret", "YW5u", "t0ken"].iter().all(|part| !error.contains(part)), "{error}");
        rig.scraper.stop().await;
    }
}
