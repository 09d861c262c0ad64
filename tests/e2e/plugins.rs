//! A file dropped into the plugins directory extends the language of the configuration, live; one that does not load leaves
//! everything else running and says why.

use std::time::Duration;

use serde_json::Value;
use test_support::{Answer, Server, Setup, Skopos, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
const LIMIT: Duration = Duration::from_secs(60);

fn embedded(name: &str) -> &'static [u8] {
    plugin_bundle::plugins().iter().find(|(n, _)| *n == name).map(|(_, bytes)| *bytes).expect("a first-party plugin")
}

fn plugin(skopos: &Skopos, name: &str) -> Option<Value> {
    let answer = skopos.get("/api/v1/plugins").json();
    answer["data"]["plugins"].as_array()?.iter().find(|p| p["name"] == name).cloned()
}

#[test]
fn a_dropped_file_serves_its_key_without_a_restart() {
    let target = Server::start(|_| Answer::metrics("a 1\n"));
    let port = target.address().rsplit(':').next().expect("a port").to_owned();
    let base = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n  - job_name: plain\n    static_configs: [{{targets: ['{}']}}]\n",
        target.address()
    );
    let skopos = Setup::new(BINARY, "drop").config(&base).start();
    skopos.wait_query("up{job=\"plain\"}", LIMIT, |r| r.len() == 1);

    // The configuration names a plugin that is not there yet: refused, and taken up as soon as the file is there.
    skopos.folder().write(
        "skopos.yml",
        format!("{base}  - job_name: found\n    consul_sd_configs: [{{names: [localhost], type: A, port: {port}}}]\n"),
    );
    wait_for("the refusal", LIMIT, || skopos.log().contains("no plugin serves \"consul_sd_configs\": put consul.wasm into").then_some(()));
    assert_eq!(skopos.query("up{job=\"plain\"}").len(), 1, "the old configuration goes on");
    skopos.folder().write("plugins/consul.wasm", embedded("dns"));
    wait_for("the plugin", LIMIT, || plugin(&skopos, "consul").filter(|p| p["origin"] == "file" && p["error"] == ""));
    wait_for("the job", LIMIT, || skopos.get("/api/v1/scrape_pools").body.contains("found").then_some(()));

    // A wrong file, and one that would take an embedded plugin's place without being asked for.
    skopos.folder().write("plugins/broken.wasm", b"not a component");
    skopos.folder().write("plugins/dns.wasm", embedded("stat"));
    let broken = wait_for("the broken file's error", LIMIT, || plugin(&skopos, "broken").filter(|p| p["error"] != ""));
    assert!(broken["error"].as_str().is_some_and(|e| e.len() > 10), "{broken}");
    wait_for("a log line that names the file", LIMIT, || skopos.log().contains("broken.wasm").then_some(()));
    wait_for("the override's refusal", LIMIT, || skopos.log().contains("override").then_some(()));
    let dns = plugin(&skopos, "dns").expect("embedded");
    assert_eq!((&dns["origin"], &dns["kinds"][0]), (&"embedded".into(), &"discovery".into()), "{dns}");
    assert_eq!(skopos.query("up{job=\"plain\"} == 1").len(), 1);
}
