//! What the commands say and how they end, as a script or a person at a terminal sees it.

use std::path::Path;
use std::process::Command;

use std::time::Duration;

use test_support::{Answer, Server, Setup, TempFolder};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    error: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(BINARY).args(arguments).current_dir(folder).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("commands print UTF-8");
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), error: text(output.stderr) }
}

#[test]
fn notify_test_sends_one_message_to_each_place_and_names_what_is_wrong() {
    let slack = Server::start(|_| Answer::ok("text/plain", "ok"));
    let closed = Server::start(|_| Answer::status(404, "no_service"));
    let folder = TempFolder::new("notify");
    folder.write(
        "am.yml",
        format!(
            "route: {{receiver: quiet}}\nreceivers:\n- name: quiet\n- name: team\n  slack_configs:\n  - api_url: {}\n  - api_url: {}\n- name: one\n  slack_configs: [{{api_url: '{}'}}]\n",
            slack.url("/services/MARK"),
            closed.url("/services/MARK"),
            slack.url("/services/MARK"),
        ),
    );
    let notify = |receiver: &str| run(folder.path(), &["notify", "test", receiver, "--alertmanager.config.file=am.yml"]);

    let ran = notify("one");
    assert_eq!((ran.code, ran.out.as_str()), (0, "one: slack[0]: sent\n"), "{ran:?}");
    let body = slack.asked()[0].body.clone();
    assert!(body.contains("SkoposTest") && body.contains("one"), "{body}");

    let ran = notify("team");
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "team: slack[0]: sent", "{ran:?}");
    assert!(lines[1].starts_with("team: slack[1]: FAILED: ") && lines[1].contains("404"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("MARK"), "an address of a webhook is a secret: {ran:?}");
    assert_eq!(slack.asked().len(), 2, "one message each time");

    let ran = notify("teem");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(ran.error, "no receiver is called \"teem\"; did you mean \"team\"? (receivers: one, quiet, team)\n");
    assert_eq!(notify("quiet").code, 1);
    assert_eq!(run(folder.path(), &["notify", "test", "x", "--config.file=absent.yml"]).code, 1);
    assert_eq!(run(folder.path(), &["notify", "test"]).code, 2);
}

#[test]
fn query_asks_a_running_server_with_promtools_arguments() {
    let target = Server::start(|_| Answer::metrics("# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\"} 5\n"));
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs: [{{job_name: t, static_configs: [{{targets: ['{}']}}]}}]\n",
        target.address()
    );
    let skopos = Setup::new(BINARY, "query").config(&config).start();
    skopos.wait_query("a_total", Duration::from_secs(60), |r| r.len() == 1);
    let url = format!("--url=http://{}", skopos.address());
    let ask = |arguments: &[&str]| run(skopos.folder().path(), &[&["query"], arguments].concat());

    let ran = ask(&["instant", &url, "a_total"]);
    let start = format!("a_total{{b=\"c\", instance=\"{}\", job=\"t\"}} => 5 @[", target.address());
    assert!(ran.code == 0 && ran.out.starts_with(&start), "{ran:?}");
    // As promtool is called: the server first.
    let ran = ask(&["instant", &format!("http://{}", skopos.address()), "-o", "json", "scalar(a_total)"]);
    assert!(ran.code == 0 && ran.out.ends_with(",\"5\"]\n"), "{ran:?}");
    let ran = ask(&["range", &url, "sum(a_total)", "--start=2026-01-01T00:00:00Z", "--end=2026-01-01T00:01:00Z", "--step=15s"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "nothing was there then: {ran:?}");
    let ran = ask(&["range", &url, "vector(1)", "--start=100", "--end=130", "--step=15s"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "{} =>\n1 @[100]\n1 @[115]\n1 @[130]\n"), "{ran:?}");
    let ran = ask(&["series", &url, "--match=a_total"]);
    assert_eq!(ran.out, format!("{{__name__=\"a_total\", b=\"c\", instance=\"{}\", job=\"t\"}}\n", target.address()));
    assert_eq!(ask(&["labels", &url, "job"]).out, "t\n");
    assert!(ask(&["labels", &url, "--match=a_total"]).out.contains("instance\n"));

    let ran = ask(&["instant", &url, "sum("]);
    assert!(ran.code == 1 && ran.error.starts_with("query error: bad_data: "), "{ran:?}");
    // Long ones are sent in a body.
    let long = format!("a_total{{b!=\"{}\"}}", "x".repeat(9000));
    assert_eq!(ask(&["instant", &url, &long]).code, 0);
    assert_eq!(ask(&["range", &url, "up", "--start=soon"]).code, 2);
    assert_eq!(ask(&["series", &url]).code, 2, "a selector is needed");
    let ran = ask(&["instant", "--url=http://127.0.0.1:9", "up"]);
    assert!(ran.code == 1 && ran.error.contains("Is it running there? --url names another address"), "{ran:?}");

    let ran = run(skopos.folder().path(), &["plugin", "list", &url, "-o", "json"]);
    let plugins: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert!(plugins.as_array().is_some_and(|list| list.iter().any(|p| p["name"] == "dns")), "{ran:?}");
}

#[test]
fn check_knows_every_dialect() {
    let folder = TempFolder::new("dialects");
    let check = |name: &str, text: &str| {
        folder.write(name, text);
        run(folder.path(), &["check", "config", name])
    };
    for (name, text, summary) in [
        ("prometheus.yml", "scrape_configs: [{job_name: a}]", "a good configuration with 1 jobs"),
        ("am.yml", "route: {receiver: a}\nreceivers: [{name: a}]", "a good Alertmanager configuration with 1 receivers of 0 places"),
        ("rules.yml", "groups: [{name: a, rules: [{record: b, expr: up}]}]", "a good rule file with 1 rules in 1 groups"),
        ("board.json", r#"{"title": "B", "uid": "b", "panels": [{"id": 1, "type": "stat"}]}"#, "a good dashboard \"B\" with 1 panels"),
        ("board.yml", "{title: B, uid: b, panels: []}", "a good dashboard \"B\" with 0 panels"),
        ("config.json", r#"{"scrape_configs": []}"#, "a good configuration with 0 jobs"),
    ] {
        let ran = check(name, text);
        assert!(ran.code == 0 && ran.out.starts_with(&format!("{name}: {summary}")), "{ran:?}");
    }
    for (name, text, part) in [
        ("am.yml", "route: {receiver: a}\nreceivers: [{name: b}]", "am.yml:1:19: route.receiver: undefined receiver \"a\""),
        ("rules.yml", "groups:\n- name: a\n  rules:\n  - {record: b, expr: 'up{'}", "rules.yml:4:"),
        ("board.json", r#"{"panels": 5}"#, "board.json: "),
        ("prometheus.yml", "scrape_config: []", "unknown key \"scrape_config\"; did you mean \"scrape_configs\"?"),
    ] {
        let ran = check(name, text);
        assert!(ran.code == 1 && ran.error.contains(part), "{part}: {ran:?}");
    }
    // Told by hand, and with warnings that count.
    folder.write("odd.yml", "global: {}");
    assert_eq!(run(folder.path(), &["check", "config", "--kind=alertmanager", "odd.yml"]).code, 1);
    folder.write("rw.yml", "remote_write: [{url: 'http://x/'}]");
    let ran = run(folder.path(), &["check", "config", "rw.yml"]);
    assert!(ran.code == 0 && ran.error.starts_with("warning: rw.yml:1:16: remote_write[0]: NO SAMPLE IS SENT"), "{ran:?}");
    assert_eq!(run(folder.path(), &["check", "config", "--strict", "rw.yml"]).code, 1);
    // What a channel does not serve yet is told now, not when the first alert fires.
    folder.write(
        "am.yml",
        "global: {slack_api_url_file: /f}\nroute: {receiver: a}\nreceivers:\n- name: a\n  slack_configs: [{channel: '#a'}]\n  webhook_configs: [{url_file: /f}]\n",
    );
    let ran = run(folder.path(), &["check", "config", "am.yml"]);
    assert!(ran.code == 0 && ran.error.contains("am.yml:1:30") && ran.error.contains("url_file: NOBODY IS TOLD"), "{ran:?}");
    folder.write("rules.test.yml", "rule_files: [rules.yml]\ntests: []\n");
    let ran = run(folder.path(), &["check", "config", "rules.test.yml"]);
    assert!(ran.code == 1 && ran.error.contains("skopos test rules"), "{ran:?}");

    folder.write("rules.yml", "groups: [{name: a, rules: [{record: b, expr: up}]}]");
    assert_eq!(run(folder.path(), &["check", "rules", "rules.yml"]).code, 0);
    // What upstream keeps behind a flag is refused when rules are read, not when they are evaluated.
    folder.write("odd.yml", "groups: [{name: a, rules: [{record: b, expr: 'mad_over_time(up[1m])'}]}]");
    folder.write("with-odd.yml", "rule_files: [odd.yml]\n");
    for command in [&["check", "rules", "odd.yml"][..], &["check", "config", "odd.yml"], &["check", "config", "with-odd.yml"]] {
        let ran = run(folder.path(), command);
        let text = "could not parse expression: 1:1: parse error: function \"mad_over_time\" is not enabled";
        assert!(ran.code == 1 && ran.error.starts_with("odd.yml:1:46") && ran.error.contains(text), "{command:?} {ran:?}");
        let allowed: Vec<&str> = command.iter().copied().chain(["--enable-feature=promql-experimental-functions"]).collect();
        assert_eq!(run(folder.path(), &allowed).code, 0, "{command:?}");
    }
    let ran = run(folder.path(), &["--config.file=with-odd.yml", "--web.listen-address=127.0.0.1:0", "--storage.tsdb.path=data"]);
    assert!(ran.code != 0 && format!("{ran:?}").contains("(it is allowed by --enable-feature)"), "{ran:?}");
    folder.write("page.txt", "# TYPE a counter\na 1\n");
    let ran = run(folder.path(), &["check", "metrics", "page.txt"]);
    assert!(ran.code == 3 && ran.error.contains("page.txt: a: no help text"), "{ran:?}");
    folder.write("page.txt", "a{ 1\n");
    let ran = run(folder.path(), &["check", "metrics", "page.txt"]);
    assert!(ran.code == 1 && ran.error.starts_with("page.txt:1:"), "{ran:?}");

    folder.write("web.yml", "basic_auth_users: {ann: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}");
    for command in [["check", "web-config", "web.yml"], ["check", "config", "web.yml"]] {
        let ran = run(folder.path(), &command);
        assert!(ran.code == 0 && ran.out.starts_with("web.yml: a good web configuration without TLS and with 1 users"), "{ran:?}");
    }
    folder.write("web.yml", "basic_auth_users: {ann: plain}");
    let ran = run(folder.path(), &["check", "web-config", "web.yml"]);
    assert!(ran.code == 1 && ran.error.starts_with("web.yml:1:25: ") && !ran.error.contains("plain"), "{ran:?}");

    let ran = run(folder.path(), &["plugin", "list"]);
    assert!(ran.code == 0 && ran.out.contains("dns "), "{ran:?}");
    folder.write("x.wasm", "no");
    let ran = run(folder.path(), &["plugin", "check", "x.wasm"]);
    assert!(ran.code == 1 && ran.error.starts_with("x.wasm: it is not WebAssembly"), "{ran:?}");
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(folder.path(), &["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("notify"), "{shell}");
    }
    // Each command teaches by example.
    for command in [
        "check config",
        "check rules",
        "check metrics",
        "check web-config",
        "notify test",
        "query instant",
        "query range",
        "query series",
        "query labels",
        "plugin list",
        "plugin check",
        "completions",
    ] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let ran = run(folder.path(), &arguments);
        assert!(ran.code == 0 && ran.out.contains("Examples:\n  ") && ran.out.contains(&format!("skopos {command}")), "{command}");
    }
}

/// Nothing is ignored in silence: whose data a directory holds is said before it is used for something else.
#[test]
fn a_data_directory_of_the_other_kind_is_refused_with_what_to_do() {
    let folder = TempFolder::new("whose-data");
    folder.write("skopos.yml", "global: {}\n");
    folder.write("theirs/01ARZ3NDEKTSV4RRFFQ69G5FAV/meta.json", "{}");
    folder.write("theirs/wal/00000000", "");
    let start = |more: &str| run(folder.path(), &["--config.file=skopos.yml", "--web.listen-address=127.0.0.1:0", more]);
    let ran = start("--storage.tsdb.path=theirs");
    assert_ne!(ran.code, 0, "{ran:?}");
    let said = format!("{}{}", ran.out, ran.error);
    assert!(
        said.contains("is a data directory of Prometheus") && said.contains("skopos tsdb import --format=prometheus theirs NEW"),
        "{ran:?}"
    );
    assert!(!folder.path().join("theirs/blocks").exists(), "nothing was made there");

    let ran = start("--storage.tsdb.retention.size=5");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.error.contains("units: unknown unit  in 5: write 5B, 5MB or 5GB"), "{ran:?}");

    folder.write("samples.om", "# TYPE a gauge\na 1 1700000000\n# EOF\n");
    let made = run(folder.path(), &["tsdb", "create-blocks-from", "openmetrics", "samples.om", "ours"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.out.contains("1 sample (0 native histograms) in 1 block of"), "{made:?}");
    let ran = run(folder.path(), &["tsdb", "import", "--format=prometheus", "ours", "new"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.error.contains("this is a data directory of Skopos") && ran.error.contains("tsdb export"), "{ran:?}");
}
