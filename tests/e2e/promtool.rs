//! Skopos linked as `promtool` beside Debian's promtool: arguments, output, exit codes. And Debian's promtool against a running Skopos.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use test_support::{Answer, Server, Skopos, TempFolder, find_program, wait_for};

/// What a run of a tool said.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(program: &Path, folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    // A tool that does not read may have ended already.
    let _ = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the tool ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Skopos under the name of promtool.
fn linked(folder: &TempFolder) -> PathBuf {
    let link = folder.path().join("promtool");
    symlink(env!("CARGO_BIN_EXE_skopos"), &link).expect("a link");
    link
}

const RULES_GOOD: &str = "groups:\n- name: a\n  rules:\n  - {record: 'x:y', expr: sum(up)}\n  - {alert: Down, expr: up == 0, for: 5m}\n";
const RULES_TWICE: &str = "groups:\n- name: a\n  rules:\n  - {record: 'x:y', expr: sum(up), labels: {a: b}}\n  - {record: 'x:y', expr: sum(up), \
                           labels: {a: b}}\n  - {record: 'x:y', expr: sum(up)}\n";
const RULES_BAD: &str = "groups:\n- name: a\n  rules:\n  - {record: 'x:y', expr: 'sum(up'}\n";
const TEST_GOOD: &str = "rule_files: [good.yml]\ntests:\n- interval: 1m\n  input_series: [{series: 'up{a=\"1\"}', values: '1+0x10'}]\n  \
                         promql_expr_test: [{expr: 'x:y', eval_time: 5m, exp_samples: [{labels: 'x:y', value: 1}]}]\n";
const METRICS: &str = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"1\"} 1\na_total{b=\"2\"} 1\n# HELP c y\n# TYPE c gauge\nc 1\n";

fn files(folder: &TempFolder) {
    for (name, text) in [
        ("good.yml", RULES_GOOD),
        ("twice.yml", RULES_TWICE),
        ("bad.yml", RULES_BAD),
        ("t.yml", TEST_GOOD),
        ("tbad.yml", &TEST_GOOD.replace("value: 1}", "value: 2}")),
        (
            "p.yml",
            "global: {scrape_interval: 10s}\nrule_files: [good.yml]\nscrape_configs:\n- job_name: a\n  static_configs: [{targets: ['localhost:1']}]\n",
        ),
        ("plint.yml", "rule_files: [twice.yml, 'none*.yml']\n"),
        ("pbad.yml", "global: {scrape_interval: 10x}\n"),
        ("prules.yml", "rule_files: [bad.yml]\n"),
        ("pnone.yml", "rule_files: [nowhere.yml]\n"),
        (
            "sd.yml",
            "scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['h:1', 'drop:1'], labels: {x: y}}]\n  relabel_configs:\n  \
                    - {source_labels: [__address__], regex: 'drop.*', action: drop}\n  - {source_labels: [x], target_label: z}\n",
        ),
        ("web.yml", "basic_auth_users: {a: '$2y$04$tbEwbfjUJ1wJJ5qkGZzFUOW.0U1nYzUMNBTV9j2GfwmMpBzXmbYTK'}\n"),
        ("webbad.yml", "basic_auth: {a: b}\n"),
    ] {
        folder.write(name, text);
    }
}

/// How much must be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Same {
    /// Exit code and both outputs.
    All,
    /// Exit code and standard output; errors say the same in other words.
    Out,
    /// The exit code.
    Code,
}

#[test]
fn as_promtool_it_says_what_promtool_says() {
    let folder = TempFolder::new("promtool");
    files(&folder);
    let ours = linked(&folder);
    let Some(theirs) = find_program("promtool") else { return };
    let mut wrong = Vec::new();
    let calls: &[(Same, &[&str], &str)] = &[
        (Same::All, &["check", "config", "p.yml"], ""),
        (Same::All, &["check", "config", "p.yml", "plint.yml"], ""),
        (Same::All, &["check", "config", "--syntax-only", "p.yml"], ""),
        (Same::All, &["check", "config", "--lint-fatal", "plint.yml"], ""),
        (Same::All, &["check", "config", "--lint=none", "plint.yml"], ""),
        (Same::All, &["check", "config", "--lint", "none", "plint.yml"], ""),
        (Same::Out, &["check", "config", "pbad.yml"], ""),
        (Same::Out, &["check", "config", "prules.yml"], ""),
        (Same::Out, &["check", "config", "pnone.yml"], ""),
        (Same::All, &["check", "config", "none.yml"], ""),
        (Same::All, &["check", "rules", "good.yml"], ""),
        (Same::All, &["check", "rules", "good.yml", "twice.yml"], ""),
        (Same::All, &["check", "rules", "--lint-fatal", "twice.yml"], ""),
        (Same::All, &["check", "rules", "--lint=none", "twice.yml"], ""),
        (Same::Out, &["check", "rules", "bad.yml"], ""),
        (Same::All, &["check", "rules", "none.yml"], ""),
        (Same::All, &["check", "metrics"], METRICS),
        (Same::All, &["check", "metrics", "--extended"], METRICS),
        (Same::All, &["check", "metrics"], "# HELP a x\n# TYPE a counter\na 1\n"),
        (Same::All, &["check", "metrics"], "# TYPE a_total counter\na_total 1\n"),
        (Same::Out, &["check", "metrics"], "a{ 1\n"),
        (Same::All, &["check", "web-config", "web.yml"], ""),
        (Same::Out, &["check", "web-config", "webbad.yml"], ""),
        (Same::All, &["check", "web-config", "none.yml"], ""),
        (Same::All, &["check", "service-discovery", "p.yml", "other"], ""),
        (Same::All, &["test", "rules", "t.yml"], ""),
        (Same::Code, &["test", "rules", "tbad.yml"], ""),
        (Same::Code, &["test", "rules", "t.yml", "tbad.yml"], ""),
        (Same::All, &["test", "rules", "none.yml"], ""),
        (Same::Code, &["query", "instant", "http://127.0.0.1:1", "up"], ""),
        (Same::Code, &["query", "instant"], ""),
        (Same::Code, &["nonsense"], ""),
        (Same::Code, &["--version"], ""),
        (Same::Code, &["--help"], ""),
        (Same::Code, &["check", "--help"], ""),
        (Same::Code, &["tsdb", "list", "nowhere"], ""),
    ];
    for (same, arguments, input) in calls {
        let (own, other) = (run(&ours, folder.path(), arguments, input), run(&theirs, folder.path(), arguments, input));
        let good = own.code == other.code && (*same == Same::Code || own.out == other.out) && (*same != Same::All || own.err == other.err);
        if !good {
            wrong.push(format!("{arguments:?}\n  Skopos   {own:?}\n  promtool {other:?}"));
        }
    }
    // Discovery ends without a line feed there.
    for arguments in [&["check", "service-discovery", "sd.yml", "a"], &["check", "service-discovery", "p.yml", "a"]] {
        let (own, other) = (run(&ours, folder.path(), arguments, ""), run(&theirs, folder.path(), arguments, ""));
        let json = |ran: &Ran| serde_json::from_str::<serde_json::Value>(&ran.out).ok();
        if own.code != other.code || json(&own) != json(&other) || json(&own).is_none() {
            wrong.push(format!("{arguments:?}\n  Skopos   {own:?}\n  promtool {other:?}"));
        }
    }
    println!("{} calls compared with Debian's promtool", calls.len() + 2);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_newer_promtools_have() {
    let folder = TempFolder::new("promtool-newer");
    files(&folder);
    let tool = linked(&folder);
    let said = |arguments: &[&str], input: &str| run(&tool, folder.path(), arguments, input);
    let ran = |out: &str| Ran { code: Some(0), out: out.to_owned(), err: String::new() };
    assert_eq!(said(&["promql", "format", "sum(up)by(job)"], ""), ran("sum by (job) (up)\n"));
    assert_eq!(
        said(&["--experimental", "promql", "label-matchers", "set", "up / rate(x{a=\"b\"}[5m])", "a", "c"], ""),
        ran("up{a=\"c\"} / rate(x{a=\"c\"}[5m])\n")
    );
    assert_eq!(said(&["promql", "label-matchers", "set", "-t", "!~", "-up", "a", "c"], ""), ran("-up{a!~\"c\"}\n"));
    assert_eq!(said(&["promql", "label-matchers", "delete", "up{a=\"b\",c=\"d\"}", "a"], ""), ran("up{c=\"d\"}\n"));
    assert_eq!(said(&["promql", "format", "sum("], "").code, Some(1));
    assert_eq!(said(&["check", "rules"], RULES_GOOD), ran("Checking standard input\n  SUCCESS: 2 rules found\n\n"));
    assert_eq!(said(&["check", "rules"], RULES_BAD).code, Some(1));
    // Results for machines.
    let failed = said(&["test", "--junit=out.xml", "rules", "tbad.yml"], "");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let xml = std::fs::read_to_string(folder.path().join("out.xml")).expect("it was written");
    assert!(xml.contains("<testsuite name=\"tbad.yml\"") && xml.contains("failures=\"1\"") && xml.contains("<failure"), "{xml}");
    assert_eq!(said(&["test", "rules", "--run", "nothing", "tbad.yml"], "").code, Some(0));
    // A server, or none.
    let skopos = Skopos::start(env!("CARGO_BIN_EXE_skopos"), "promtool-status", "scrape_configs: []\n");
    let url = skopos.url("");
    for what in ["healthy", "ready"] {
        let ran = said(&["check", what, "--url", &url], "");
        assert!(ran.code == Some(0) && ran.err.contains("SUCCESS"), "{ran:?}");
        assert_eq!(said(&["check", what, "--url=http://127.0.0.1:1"], "").code, Some(1));
    }
}

/// Debian's promtool asks Skopos and gets what Skopos as promtool gets, in the same form.
#[test]
fn debians_promtool_works_with_skopos() {
    let target = Server::start(|_| Answer::metrics("a_total{b=\"1\"} 1\na_total{b=\"2\"} 2\nodd{text=\"\\\"q\\\" \\\\ 한\"} NaN\n"));
    let config =
        format!("scrape_configs: [{{job_name: j, scrape_interval: 1s, static_configs: [{{targets: ['{}']}}]}}]\n", target.address());
    let skopos = Skopos::start(env!("CARGO_BIN_EXE_skopos"), "promtool-query", &config);
    wait_for("samples", Duration::from_secs(30), || (skopos.query("a_total").len() == 2).then_some(()));
    let folder = TempFolder::new("promtool-query-tool");
    let ours = linked(&folder);
    let Some(theirs) = find_program("promtool") else { return };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let (now, earlier, url) = (now.to_string(), (now - 60).to_string(), skopos.url(""));
    let (time, start, end) = (format!("--time={now}"), format!("--start={earlier}"), format!("--end={now}"));
    let calls: &[&[&str]] = &[
        &["query", "instant", &time, &url, "a_total"],
        &["query", "-o", "json", "instant", &time, &url, "a_total"],
        &["query", "--format=promql", "instant", &time, &url, "sum(a_total)"],
        &["query", "instant", &time, &url, "odd"],
        &["query", "instant", &time, &url, "1 + 1"],
        &["query", "instant", &time, &url, "nothing"],
        &["query", "instant", &time, &url, "a_total["],
        &["query", "instant", &time, &url, "a_total * on (job) a_total"],
        &["query", "range", &start, &end, "--step=15s", &url, "count(a_total)"],
        &["query", "range", &start, &end, "--step=15s", "-o", "json", &url, "a_total"],
        &["query", "range", "--start=5", "--end=1", &url, "up"],
        &["query", "series", "--match=a_total", &start, &end, &url],
        &["query", "series", "--match=a_total", "--match=odd", "-o", "json", &start, &end, &url],
        &["query", "series", "--match=a{", &url],
        &["query", "labels", &start, &end, &url, "b"],
        &["query", "labels", "--match=odd", &start, &end, &url, "__name__"],
        &["query", "labels", "-o", "json", &start, &end, &url, "b"],
        &["query", "labels", &start, &end, &url, "nothing"],
    ];
    let mut wrong = Vec::new();
    for arguments in calls {
        let (own, other) = (run(&ours, folder.path(), arguments, ""), run(&theirs, folder.path(), arguments, ""));
        let json = arguments.iter().any(|argument| argument.contains("json"));
        let parsed = |ran: &Ran| serde_json::from_str::<serde_json::Value>(&ran.out).ok();
        let same_out = if json { parsed(&own) == parsed(&other) && parsed(&own).is_some() } else { own.out.trim() == other.out.trim() };
        if own.code != other.code || !same_out {
            wrong.push(format!("{arguments:?}\n  Skopos   {own:?}\n  promtool {other:?}"));
        }
    }
    println!("{} queries by Debian's promtool and by Skopos' own", calls.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
