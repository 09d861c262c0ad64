//! The OpenGraph API on real pages, and on addresses that it must not reach.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use test_support::{Answer, Dnsmasq, HttpAnswer, Server, Setup, Skopos, conformance};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

fn start(name: &str, grants: &str, more: &str) -> Skopos {
    Setup::new(BINARY, name)
        .config(&format!("scrape_configs: []\nplugins:\n  opengraph:\n    serve: {{routes: [/api/v1/scrap]}}\n{grants}\n{more}\n"))
        .start()
}

fn scrap(skopos: &Skopos, url: &str) -> HttpAnswer {
    let encoded: String =
        url.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    skopos.get(&format!("/api/v1/scrap?url={encoded}"))
}

#[test]
fn pages_of_the_corpus() {
    let Some(folder) = conformance("opengraph") else { return };
    let expected: BTreeMap<String, Value> = serde_json::from_slice(&fs::read(folder.join("expected.json")).expect("there")).expect("JSON");
    let pages = folder.join("pages");
    let site = Server::start(move |asked| match fs::read(pages.join(asked.path.trim_start_matches('/'))) {
        Ok(page) => Answer::ok("text/html", page),
        Err(_) => Answer::status(404, "no such page"),
    });
    let skopos = start("pages", &format!("    grants: {{http: [public, \"{}\"]}}", site.url("/")), "");
    let (mut passed, mut failed) = (0, Vec::new());
    for (page, expected) in &expected {
        let answer = scrap(&skopos, &site.url(&format!("/{page}")));
        if answer.status == 200 && answer.json()["scrap"] == expected["scrap"] {
            passed += 1;
        } else {
            failed.push(format!("{page}: {} {}\n  expected {}", answer.status, answer.body, expected["scrap"]));
        }
    }
    println!("opengraph pages: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));

    // The other spelling, and what a caller forgets.
    let slash = skopos.get(&format!("/api/v1/scrap/?url={}", site.url("/unfurl-basic-basic.html")));
    assert_eq!(slash.status, 200, "{slash:?}");
    let missing = skopos.get("/api/v1/scrap");
    assert_eq!((missing.status, missing.json()["detail"].is_array()), (422, true), "{missing:?}");

    // What the calls left behind.
    let metrics = skopos.get("/plugins/opengraph/metrics").body;
    for part in ["http_requests_total{", "http_request_duration_seconds_bucket{", "http_request_duration_seconds_max{"] {
        assert!(metrics.contains(part), "{part} is missing in\n{metrics}");
    }
}

#[test]
fn only_public_addresses_by_default() {
    let reached = Server::start(|_| Answer::ok("text/html", "<meta property=\"og:title\" content=\"inside\">"));
    let inside = reached.address();
    let port = inside.rsplit(':').next().expect("a port").to_owned();
    let elsewhere = reached.url("/secret");
    let redirecting = Server::start(move |asked| match asked.path.as_str() {
        "/to-inside" => Answer::status(302, "").with("Location", &elsewhere),
        "/to-metadata" => Answer::status(302, "").with("Location", "http://169.254.169.254/latest/meta-data/"),
        "/to-file" => Answer::status(302, "").with("Location", "file:///etc/passwd"),
        _ => Answer::ok("text/html", "<meta property=\"og:title\" content=\"granted\">"),
    });
    let Some(dns) = Dnsmasq::start(&[
        ("inside.example", &["127.0.0.1"]),
        ("private.example", &["10.9.8.7"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
    ]) else {
        return;
    };
    let resolver = format!("resolver:\n  servers: [\"{}\"]", dns.address());
    let skopos = start("egress", &format!("    grants: {{http: [public, \"{}\"]}}", redirecting.url("/")), &resolver);

    let granted = scrap(&skopos, &redirecting.url("/page"));
    assert_eq!((granted.status, &granted.json()["scrap"]["title"]), (200, &Value::from("granted")), "{granted:?}");
    let refused = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://192.168.0.1/".to_owned(),
        "http://172.16.0.1/".to_owned(),
        "http://[fe80::1]/".to_owned(),
        "http://[fd00::1]/".to_owned(),
        format!("http://inside.example:{port}/"),
        format!("http://private.example:{port}/"),
        format!("http://mapped.example:{port}/"),
        redirecting.url("/to-inside"),
        redirecting.url("/to-metadata"),
        redirecting.url("/to-file"),
        "file:///etc/passwd".to_owned(),
        "ftp://example.com/".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
        "nonsense".to_owned(),
    ];
    for url in &refused {
        let answer = scrap(&skopos, url);
        assert_eq!(answer.status, 400, "{url}: {answer:?}");
        assert!(answer.json()["code"].is_i64() && answer.json()["message"].is_string(), "{url}: {answer:?}");
        assert!(!answer.body.contains("inside") || url.contains("inside"), "{url}: {answer:?}");
    }
    assert!(reached.asked().is_empty(), "nobody may have been there: {:?}", reached.asked());
    println!("egress: {} addresses refused", refused.len());
}
