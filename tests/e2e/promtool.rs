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
        (
            "wrong.yml",
            "groups:\n- name: a\n  rules:\n  - {record: 'x:y', expr: 'sum(up'}\n  - {record: 'x:z', expr: 'up', for: 5m, annotations: {a: b}}\n  \
             - {alert: Odd, expr: 'mad_over_time(x[5m])'}\n- name: a\n  rules:\n  - {alert: Down}\n",
        ),
        ("more.yml", "groups: [{name: a, partial_response_strategy: warn, rules: [{record: 'x:y', expr: up, note: 1}]}]\n"),
        (
            "tmore.yml",
            "rule_files: [more.yml]\ntests:\n- name: a test\n  interval: 1m\n  input_series: [{series: up, values: '1x5'}]\n  promql_expr_test: \
             [{expr: 'x:y', eval_time: 2m, exp_samples: [{labels: 'x:y', value: 1}]}]\n",
        ),
        ("plong.yml", "scrape_configs: [{job_name: slow, scrape_interval: 5m, static_configs: [{targets: ['localhost:1']}]}]\n"),
        ("ralert.yml", "groups: [{name: a, rules: [{alert: Down, expr: up == 0, labels: {severity: ticket}}]}]\n"),
        (
            "talert.yml",
            "rule_files: [ralert.yml]\ntests:\n- interval: 1m\n  input_series: [{series: up, values: '0x5'}]\n  alert_rule_test: \
             [{eval_time: 2m, alertname: Down, exp_alerts: [{exp_labels: {severity: page}}]}]\n",
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
        (Same::All, &["query", "instant"], ""),
        (Same::All, &["query", "instant", "http://127.0.0.1:1"], ""),
        (Same::All, &["query", "range", "http://127.0.0.1:1"], ""),
        (Same::All, &["query", "labels", "http://127.0.0.1:1"], ""),
        (Same::All, &["query", "series", "http://127.0.0.1:1"], ""),
        (Same::All, &["query", "instant", "-o", "foo", "http://127.0.0.1:1", "up"], ""),
        (Same::All, &["nonsense"], ""),
        (Same::All, &["check", "nonsense"], ""),
        (Same::All, &["check", "config"], ""),
        (Same::All, &["check", "rules", "."], ""),
        (Same::All, &["check", "rules", "--foo", "good.yml"], ""),
        (Same::All, &["--foo"], ""),
        (Same::All, &["debug", "pprof"], ""),
        (Same::All, &["debug", "metrics"], ""),
        (Same::All, &["test", "rules"], ""),
        // Today's puts the name in quotes.
        (Same::Code, &["check", "rules", "--lint=foo", "good.yml"], ""),
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
    assert_eq!(said(&["--experimental", "promql", "format", "sum(up)by(job)"], ""), ran("sum by (job) (up)\n"));
    assert_eq!(
        said(&["--experimental", "promql", "label-matchers", "set", "up / rate(x{a=\"b\"}[5m])", "a", "c"], ""),
        ran("up{a=\"c\"} / rate(x{a=\"c\"}[5m])\n")
    );
    assert_eq!(said(&["--experimental", "promql", "label-matchers", "set", "-t", "!~", "-up", "a", "c"], ""), ran("-up{a!~\"c\"}\n"));
    assert_eq!(said(&["--experimental", "promql", "label-matchers", "delete", "up{a=\"b\",c=\"d\"}", "a"], ""), ran("up{c=\"d\"}\n"));
    assert_eq!(said(&["--experimental", "promql", "format", "sum("], "").code, Some(1));
    let refused = said(&["promql", "format", "up"], "");
    assert!(refused.code == Some(1) && refused.err.contains("requires the --experimental flag"), "{refused:?}");
    assert_eq!(said(&["check", "rules"], RULES_GOOD), ran("Checking standard input\n  SUCCESS: 2 rules found\n\n"));
    assert_eq!(said(&["check", "rules"], RULES_BAD).code, Some(1));
    // Results for machines.
    let failed = said(&["test", "--junit=out.xml", "rules", "tbad.yml"], "");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let xml = std::fs::read_to_string(folder.path().join("out.xml")).expect("it was written");
    let suite = "<testsuites><testsuite name=\"tbad.yml\" tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\" timestamp=\"2";
    let case = "<testcase name=\"unnamed#0\"><failure>    expr: &#34;x:y&#34;, time: 5m,&#xA;        exp: ";
    assert!(xml.starts_with(suite) && xml.contains(case) && xml.ends_with("</testcase></testsuite></testsuites>"), "{xml}");
    assert_eq!(said(&["test", "rules", "--run", "nothing", "tbad.yml"], "").code, Some(0));
    // All that is wrong with a file, rule by rule, and what a flag allows.
    let wrong = said(&["check", "rules", "wrong.yml"], "");
    let expected = [
        "  FAILED:",
        "wrong.yml: 4:27: group \"a\", rule 1, \"x:y\": could not parse expression: 1:7: parse error: ",
        "wrong.yml: 5:14: group \"a\", rule 2, \"x:z\": invalid field 'annotations' in recording rule",
        "wrong.yml: 5:14: group \"a\", rule 2, \"x:z\": invalid field 'for' in recording rule",
        "wrong.yml: 6:24: group \"a\", rule 3, \"Odd\": could not parse expression: 1:1: parse error: function \"mad_over_time\" is not enabled",
        "wrong.yml: 7:3: groupname: \"a\" is repeated in the same file",
        "wrong.yml: 9:5: group \"a\", rule 1, \"Down\": field 'expr' must be set in rule",
    ];
    assert!(wrong.code == Some(1) && wrong.err.lines().count() == expected.len(), "{wrong:?}");
    assert!(wrong.err.lines().zip(expected).all(|(line, start)| line.starts_with(start)), "{}", wrong.err);
    let allowed = said(&["--enable-feature=promql-experimental-functions", "check", "rules", "wrong.yml"], "");
    assert_eq!(allowed.err.lines().count(), expected.len() - 1, "{allowed:?}");
    // Rule files with more in them than promtool knows.
    assert_eq!(said(&["check", "rules", "more.yml"], "").code, Some(1));
    assert_eq!(said(&["check", "rules", "--ignore-unknown-fields", "more.yml"], "").code, Some(0));
    assert_eq!(said(&["test", "rules", "tmore.yml"], "").code, Some(1));
    let warned = said(&["check", "--query.lookback-delta=5m", "config", "--lint=foo,none", "p.yml"], "");
    assert!(warned.code == Some(0) && warned.out.starts_with("WARNING: unknown lint option: \"foo\"\n"), "{warned:?}");
    let unreachable = said(&["check", "healthy", "--url=http://127.0.0.1:1"], "");
    assert!(unreachable.code == Some(1) && unreachable.err.trim_end().ends_with("Is it running there?"), "{unreachable:?}");
    let debugged = said(&["test", "rules", "--ignore-unknown-fields", "--debug", "tmore.yml"], "");
    assert_eq!(debugged.code, Some(0), "{debugged:?}");
    for part in [
        "DEBUG: Starting test a test\n",
        "DEBUG: Dump of all data (input_series and rules) at 2m1s:\n",
        "{__name__=\"x:y\"} =>\n1 @[60000]\n1 @[120000]",
        "DEBUG: Test a test finished, took ",
    ] {
        assert!(debugged.err.contains(part), "{part} {debugged:?}");
    }
    // Intervals longer than a server looks back.
    for (arguments, code) in [
        (&["check", "config", "--lint=too-long-scrape-interval", "--lint-fatal", "plong.yml"][..], 3),
        (&["check", "config", "--lint=all", "plong.yml"], 0),
        (&["check", "config", "--lint=all", "--lint-fatal", "--query.lookback-delta=10m", "plong.yml"], 0),
        (&["check", "config", "--lint-fatal", "plong.yml"], 0),
    ] {
        let long = said(arguments, "");
        let text = "  FAILED: too long scrape interval found, data point will be marked as stale - job: slow, interval: 5m\n";
        let says = arguments.iter().any(|a| a.starts_with("--lint=")) && !arguments.iter().any(|a| a.contains("lookback"));
        assert_eq!((long.code, long.err.as_str()), (Some(code), if says { text } else { "" }), "{arguments:?}");
    }
    // What differs, in colours.
    let differs = said(&["test", "rules", "--diff", "talert.yml"], "");
    let changed = "\"severity\": \u{1b}[0;33m\"page\" => \"ticket\"\u{1b}[0m";
    assert!(differs.code == Some(1) && differs.err.contains("        diff: [\n") && differs.err.contains(changed), "{differs:?}");
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

/// What is pushed is there; what a server tells of itself is fetched; histograms are counted.
#[test]
fn promtool_pushes_fetches_and_analyzes() {
    let skopos = test_support::Setup::new(env!("CARGO_BIN_EXE_skopos"), "promtool-push")
        .config("scrape_configs: []\n")
        .argument("--web.enable-remote-write-receiver")
        .start();
    let folder = TempFolder::new("promtool-push-tool");
    let (tool, url) = (linked(&folder), skopos.url(""));
    let text = "# HELP a_total of \"a\"\n# TYPE a_total counter\na_total{job=\"x\",b=\"1\"} 5\na_total{b=\"2\"} 7\n";
    folder.write("a.prom", text);
    let ran = run(&tool, folder.path(), &["push", "metrics", &url, "a.prom"], "");
    let said = "Parsing metrics file a.prom\n  SUCCESS: metrics file a.prom pushed to remote write.\n";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), said), "{ran:?}");
    let ran = run(&tool, folder.path(), &["push", "metrics", "--label=job=mine", "--label=k=v", &url], "b 1\n");
    assert_eq!(ran.out, "Parsing standard input\n  SUCCESS: metrics pushed to remote write.\n", "{ran:?}");
    let found: Vec<String> = skopos.query("{__name__=~\"a_total|b\"}").iter().map(|sample| sample["metric"].to_string()).collect();
    for wanted in [
        r#"{"__name__":"a_total","b":"1","exported_job":"x","job":"promtool"}"#,
        r#"{"__name__":"a_total","b":"2","job":"promtool"}"#,
        r#"{"__name__":"b","job":"mine","k":"v"}"#,
    ] {
        assert!(found.iter().any(|metric| metric == wanted), "{wanted}: {found:?}");
    }
    for (arguments, input) in [
        (&["push", "metrics", &url][..], "a{ 1\n"),
        (&["push", "metrics", "--remote-write.path=/nowhere", &url], "a 1\n"),
        (&["push", "metrics", "--protobuf_message=x", &url], "a 1\n"),
    ] {
        let ran = run(&tool, folder.path(), arguments, input);
        assert!(ran.code == Some(1) && ran.err.starts_with("  FAILED: "), "{ran:?}");
    }
    let ran = run(&tool, folder.path(), &["push", "metrics", &url, "none.prom"], "");
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), "promtool: error: path 'none.prom' does not exist, try --help\n"));
    // Remote write 2.0: each string once, what is known of a metric at each series; options of `push` before its command.
    folder.write("http.yml", "follow_redirects: true\n");
    let text =
        "# HELP c_total of \"c\"\n# TYPE c_total counter\nc_total{b=\"c_total\"} 5\n# TYPE g histogram\ng_bucket{le=\"+Inf\"} 1\nd NaN\n";
    let options = ["push", "--http.config.file=http.yml", "metrics", "--protobuf_message=io.prometheus.write.v2.Request", &url];
    let ran = run(&tool, folder.path(), &options, text);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "Parsing standard input\n  SUCCESS: metrics pushed to remote write.\n"), "{ran:?}");
    let pushed = skopos.query("{__name__=~\"c_total|g_bucket|d\"}");
    let mut found: Vec<String> = pushed.iter().map(|sample| format!("{} {}", sample["metric"], sample["value"][1])).collect();
    found.sort();
    let wanted = [
        r#"{"__name__":"c_total","b":"c_total","job":"promtool"} "5""#,
        r#"{"__name__":"d","job":"promtool"} "NaN""#,
        r#"{"__name__":"g_bucket","job":"promtool","le":"+Inf"} "1""#,
    ];
    assert_eq!(found, wanted);
    let metadata = skopos.get("/api/v1/metadata").json()["data"].clone();
    assert_eq!((&metadata["c_total"][0]["type"], &metadata["c_total"][0]["help"]), (&"counter".into(), &"of \"c\"".into()), "{metadata}");

    // Debian's fetches the same from the same server.
    let theirs = find_program("promtool").map(|theirs| run(&theirs, folder.path(), &["debug", "metrics", &url], ""));
    let ran = run(&tool, folder.path(), &["debug", "metrics", &url], "");
    assert!(theirs.is_none_or(|theirs| theirs == ran), "{ran:?}");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let listed = |names: &str| {
        let listed = Command::new("tar").args(["-xzOf", "debug.tar.gz", names]).current_dir(folder.path()).output().expect("tar runs");
        String::from_utf8_lossy(&listed.stdout).into_owned()
    };
    assert!(listed("metrics.txt").contains("skopos_build_info"));
    let ran = run(&tool, folder.path(), &["debug", "all", &url], "");
    assert!(ran.code == Some(0) && listed("tsdb.json").contains("\"status\":\"success\""), "{ran:?}");
    let ran = run(&tool, folder.path(), &["debug", "pprof", &url], "");
    assert!(ran.code == Some(1) && ran.err.contains("no /debug/pprof"), "{ran:?}");

    // Two samples of a classic histogram, a second apart: three buckets, of which one and two are filled.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let text = format!(
        "h_bucket{{le=\"1\"}} 4 {0}\nh_bucket{{le=\"2\"}} 4 {0}\nh_bucket{{le=\"+Inf\"}} 4 {0}\nh_bucket{{le=\"1\"}} 4 {1}\nh_bucket{{le=\"2\"}} \
         4 {1}\nh_bucket{{le=\"+Inf\"}} 6 {1}\n",
        now - 1000,
        now
    );
    let ran = run(&tool, folder.path(), &["push", "metrics", &url], &text);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = run(&tool, folder.path(), &["query", "analyze", "--server", &url, "--type=histogram", "--match=h_bucket"], "");
    let wanted = "- h_bucket{job=\"promtool\"} (classic): 1/1.500/2/3\n";
    let summary = "\nClassic histogram series (1 in total):\n- min populated: 1/1.000/1\n- avg populated: 1/1.000/1\n- max populated: \
                   2/2.000/2\n- total: 3/3.000/3\n";
    assert!(ran.code == Some(0) && ran.out.contains(wanted) && ran.out.ends_with(summary), "{}{}", ran.out, ran.err);
    assert_eq!(run(&tool, folder.path(), &["query", "analyze", "--server", &url, "--type=gauge", "--match=up"], "").code, Some(1));
    let ran = run(&tool, folder.path(), &["query", "instant", "--header=X-A=b", &url, "b"], "");
    assert!(ran.code == Some(0) && ran.out.starts_with("b{"), "{ran:?}");
}
