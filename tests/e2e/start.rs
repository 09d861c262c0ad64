//! The first minute: the embedded configuration, what it prints, what it answers, reload and stop, wrong flags.

use std::process::Command;
use std::time::Duration;

use test_support::{Setup, get, post, post_text, request, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_default_configuration_watches_itself() {
    let skopos = Setup::new(BINARY, "default").start();
    let log = skopos.log();
    for part in ["Skopos", "embedded", "data", "discovery", "panel", skopos.address()] {
        assert!(log.contains(part), "the block at start names {part}:\n{log}");
    }
    // Traffic, so that every series has something to show.
    assert_eq!(post(&skopos.url("/plugins/access-log/access-log"), "application/json", "{\"clientIp\":\"10.0.0.1:1\"}").status, 201);
    assert_eq!(skopos.get("/plugins/access-log/stats").json()["logs"], 1);
    assert_eq!(skopos.get("/api/v1/scrap?url=http%3A%2F%2F127.0.0.1%2F").status, 400, "loopback is not public");

    skopos.wait_query("up", LIMIT, |r| r.len() == 3 && r.iter().all(|s| s["value"][1] == "1"));
    skopos.wait_query("access_log_total", LIMIT, |r| r.len() == 1 && r[0]["value"][1] == "1");
    skopos.wait_query("sum(http_requests_total{handler=\"/api/v1/scrap\"})", LIMIT, |r| r.len() == 1);
    skopos.wait_query("rate(skopos_tsdb_samples_appended_total[1m])", LIMIT, |r| r.len() == 1);

    let plugins = skopos.get("/api/v1/plugins").json();
    let names: Vec<&str> = plugins["data"]["plugins"].as_array().expect("a list").iter().filter_map(|p| p["name"].as_str()).collect();
    for name in ["dns", "opengraph", "access-log", "slack", "timeseries", "stat", "table"] {
        assert!(names.contains(&name), "{name} is embedded: {plugins}");
    }
    let home = skopos.get("/api/v1/dashboards/home").json();
    let panels = home["data"]["panels"].as_array().expect("panels").clone();
    assert!(panels.iter().filter(|p| p["kind"] == "panel").count() >= 6, "{home}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    for panel in panels.iter().filter(|p| p["kind"] == "panel") {
        let body = format!(
            "{{\"from\":{},\"to\":{now},\"width\":600,\"height\":300,\"theme\":\"light\",\"timezone\":\"UTC\",\"variables\":{{}}}}",
            now - 900_000
        );
        let view = post(&skopos.url(&format!("/api/v1/dashboards/home/panels/{}/view", panel["id"])), "application/json", &body);
        assert_eq!(view.status, 200, "{}: {}", panel["title"], view.body);
        assert!(view.json()["data"]["view"]["kind"].is_string(), "{}", view.body);
    }
    let groups = skopos.get("/api/v1/rules").json();
    let rules: usize = groups["data"]["groups"].as_array().into_iter().flatten().map(|g| g["rules"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(rules, 2, "two example rules: {groups}");
}

#[test]
fn answers_as_upstream_before_anyone_asks_much() {
    let mut skopos = Setup::new(BINARY, "answers").start();
    assert_eq!(skopos.get("/-/healthy").status, 200);
    assert_eq!(skopos.get("/-/ready").status, 200);
    assert_eq!(post_text(&skopos.url("/-/reload")).status, 403, "without --web.enable-lifecycle");
    assert_eq!(get(&skopos.url("/-/reload")).status, 405);
    let page = skopos.get("/");
    assert!(page.status == 200 && page.body.contains("<!doctype html>") | page.body.contains("<!DOCTYPE html>"), "{page:?}");
    assert!(page.header("content-security-policy").is_some_and(|p| p.contains("default-src 'self'")), "{page:?}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    for path in ["/targets", "/alerts", "/plugins", "/d/home"] {
        assert_eq!(skopos.get(path).status, 200, "{path}");
    }
    let bad = skopos.get("/api/v1/query?query=up%7B");
    assert_eq!((bad.status, &bad.json()["errorType"]), (400, &"bad_data".into()), "{bad:?}");
    assert!(skopos.get("/api/v1/status/buildinfo").json()["data"]["version"].is_string());
    let wrong_host = request("GET", &skopos.url("/api/v1/labels"), &[("host", "evil.example")], "");
    assert_eq!(wrong_host.status, 403, "{wrong_host:?}");

    // A second one on the same data is refused by name.
    let second = Setup::new(BINARY, "second").argument(format!("--storage.tsdb.path={}", skopos.data().display()));
    let output = Command::new(BINARY)
        .args([format!("--storage.tsdb.path={}", skopos.data().display()), format!("--web.listen-address={}", second.address())])
        .current_dir(second.folder().path())
        .output()
        .expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains(&skopos.pid().to_string()), "{text}");

    skopos.signal("TERM");
    assert_eq!(skopos.wait_exit(LIMIT), Some(0), "a clean stop");
}

#[test]
fn a_changed_file_is_taken_up_and_a_wrong_one_is_not() {
    let config = |interval: &str| {
        format!(
            "global: {{scrape_interval: {interval}, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: self\n    static_configs: [{{targets: [\"127.0.0.1:1\"]}}]\n"
        )
    };
    let skopos = Setup::new(BINARY, "reload").config(&config("2s")).argument("--web.enable-lifecycle").start();
    let interval = || skopos.get("/api/v1/targets").json()["data"]["activeTargets"][0]["scrapeInterval"].as_str().map(str::to_owned);
    assert_eq!(interval().as_deref(), Some("2s"));
    // The watch sees it.
    skopos.folder().write("skopos.yml", config("3s"));
    wait_for("the watch to reload", LIMIT, || (interval().as_deref() == Some("3s")).then_some(()));
    // A wrong one is refused with the place; the old one goes on.
    skopos.folder().write("skopos.yml", config("3s").replace("scrape_configs", "scrape_confgs"));
    let answer = post_text(&skopos.url("/-/reload"));
    assert!(answer.status == 500 && answer.body.contains("skopos.yml:2:1") && answer.body.contains("scrape_configs"), "{answer:?}");
    assert_eq!(interval().as_deref(), Some("3s"));
    assert!(skopos.get("/metrics").body.contains("skopos_config_last_reload_successful 0"));
    skopos.folder().write("skopos.yml", config("4s"));
    skopos.signal("HUP");
    wait_for("SIGHUP to reload", LIMIT, || (interval().as_deref() == Some("4s")).then_some(()));
    // Targets are the new ones a moment before all of it is taken up.
    let successful = || skopos.get("/metrics").body.contains("skopos_config_last_reload_successful 1").then_some(());
    wait_for("the reload to be called successful", LIMIT, successful);
}

#[test]
fn check_config_says_what_is_wrong() {
    let setup = Setup::new(BINARY, "check");
    let check = |text: &str| {
        let file = setup.folder().write("checked.yml", text);
        let output = Command::new(BINARY)
            .args(["check", "config"])
            .arg(file)
            .current_dir(setup.folder().path())
            .output()
            .expect("the binary starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    };
    let (code, text) = check("scrape_configs:\n  - job_name: a\n    static_configs: [{targets: ['x:1']}]\n");
    assert_eq!(code, Some(0), "{text}");
    // What loads and does less than it says is told with its place.
    for (text, part) in [
        ("remote_write: [{url: 'http://x'}]\n", "checked.yml:1:16: remote_write[0]: NO SAMPLE IS SENT"),
        ("rule_files: [missing.yml]\n", "checked.yml:1:14: rule_files[0]: there is no file "),
    ] {
        let (code, said) = check(text);
        assert!(code == Some(0) && said.contains(part), "{said}");
    }
    for (wrong, parts) in [
        ("scrape_configs:\n  - job_name: a\n    scrape_intervall: 5s\n", vec!["checked.yml:3:5", "scrape_interval"]),
        (
            "scrape_configs:\n  - job_name: a\n    consul_sd_configs: [{server: 'x'}]\n",
            vec!["checked.yml:3:5", "no plugin serves \"consul_sd_configs\": put consul.wasm into"],
        ),
        ("scrape_configs:\n  - job_name: a\n    dns_sd_configs: [{names: [x], typ: A}]\n", vec!["checked.yml:3:", "typ"]),
        ("global: {scrape_interval: soon}\n", vec!["checked.yml:1:", "duration"]),
        ("remote_write: [{uri: 'http://x'}]\n", vec!["checked.yml:1:16", "url for remote_write is empty"]),
        ("alertmanager:\n  route: {receiver: a}\n  receivers: [{name: b}]\n", vec!["checked.yml:", "a"]),
        (
            "alertmanager:\n  route: {receiver: a}\n  receivers: [{name: a, kakao_configs: [{to: b}]}]\n",
            vec!["checked.yml:3:", "no plugin serves \"kakao_configs\": put kakao.wasm into plugins/"],
        ),
        ("scrape_config_files: [missing.yml]\n", vec!["checked.yml:1:23", "missing.yml"]),
        ("a: 1\na: 2\n", vec!["checked.yml:2:1", "twice"]),
    ] {
        let (code, text) = check(wrong);
        assert_eq!(code, Some(1), "{wrong}: {text}");
        for part in parts {
            assert!(text.contains(part), "{wrong}: {part:?} is not in {text}");
        }
    }
    let output = Command::new(BINARY).arg("--no-such-flag").output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(2), "usage");
    let output = Command::new(BINARY)
        .args(["--config.file=/nonexistent/x.yml", "--web.listen-address=127.0.0.1:0"])
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/x.yml"));
}
