//! Odd, huge, changing and secret configurations, and name servers that lie: faults D2, D4, D5, D6, D8, D11 and D12 of the list.

#[path = "config_faults/dns.rs"]
mod dns;
#[path = "config_faults/secrets.rs"]
mod secrets;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use test_support::{Answer, Server, Setup, Skopos, TempFolder, post_text, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");

/// A guard against hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// Exit code and everything that is said.
fn check(folder: &TempFolder, file: &str) -> (Option<i32>, String) {
    let output = Command::new(BINARY).args(["check", "config", file]).current_dir(folder.path()).output().expect("the binary starts");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn d2_yaml_odd() {
    let folder = TempFolder::new("odd");
    let deep = "[".repeat(1_000_000);
    let huge = format!("a: {}", "x".repeat(100 << 20));
    let many = format!("a: [{}]", "1,".repeat(1_500_000));
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("a tab", b"global:\n\tscrape_interval: 5s\n".to_vec(), "odd.yml:2:"),
        ("a key twice", b"global: {}\nscrape_configs: []\nglobal: {}\n".to_vec(), "odd.yml:3:1"),
        ("a million lists", deep.into_bytes(), "odd.yml:1:"),
        ("a million values", many.into_bytes(), "odd.yml:1:"),
        ("100 MiB", huge.into_bytes(), "odd.yml:1:"),
        ("no UTF-8", b"global:\n  external_labels: {a: caf\xe9}\n".to_vec(), "odd.yml:2:27"),
        ("UTF-16", "global: {}".encode_utf16().flat_map(u16::to_le_bytes).collect(), "odd.yml:1:2"),
        ("two documents", b"global: {}\n---\nglobal: {}\n".to_vec(), "odd.yml:2:"),
        ("an open quote", b"global: {scrape_interval: '5s}\n".to_vec(), "odd.yml:"),
    ];
    for (what, text, place) in cases {
        fs::write(folder.path().join("odd.yml"), &text).expect("written");
        let begun = Instant::now();
        let (code, said) = check(&folder, "odd.yml");
        println!("d2 {what}: {:?}, {}", begun.elapsed(), said.lines().next().unwrap_or_default());
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.starts_with(place) && said.len() < 1000, "{what}: {said}");
        assert!(begun.elapsed() < LIMIT, "{what}");
    }
    // What YAML 1.1 takes for booleans and numbers stays text where text is meant, and is a boolean where one is meant.
    let text = "global: {external_labels: {a: no, b: on, c: 1.10, d: 0o7, e: 12_3}}\nscrape_configs:\n- {job_name: no, honor_labels: on, static_configs: [{targets: ['127.0.0.1:9'], labels: {norway: no, version: 1.10}}]}\n";
    let skopos = Skopos::start(BINARY, "odd-texts", text);
    let targets = skopos.get("/api/v1/targets").json();
    let labels = &targets["data"]["activeTargets"][0]["labels"];
    assert_eq!((&labels["job"], &labels["norway"], &labels["version"]), (&"no".into(), &"no".into(), &"1.10".into()), "{targets}");
    skopos.wait_query("up", LIMIT, |r| r.len() == 1);
    let federated = skopos.get("/federate?match[]=up").body;
    for label in ["a=\"no\"", "b=\"on\"", "c=\"1.10\"", "d=\"0o7\"", "e=\"12_3\""] {
        assert!(federated.contains(label), "{label}: {federated}");
    }
}

/// Ten a second, with a changed file every other time.
#[test]
fn d4_reload_storm() {
    let seconds: u64 = std::env::var("SKOPOS_STORM_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let target = Server::start(|_| Answer::metrics("a 1\n"));
    let text = |at: usize| {
        format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['rules/*.yml']\nscrape_configs:\n- {{job_name: steady, static_configs: [{{targets: ['{0}']}}]}}\n- {{job_name: other{at}, static_configs: [{{targets: ['{0}']}}]}}\n",
            target.address()
        )
    };
    let setup = Setup::new(BINARY, "storm");
    for file in 0..50 {
        let group = format!("groups: [{{name: g{file}, rules: [{{record: r{file}, expr: 'sum(up) + {file}'}}]}}]\n");
        setup.folder().write(&format!("rules/{file}.yml"), &group);
    }
    let skopos = setup.config(&text(0)).start();
    skopos.wait_query("up{job=\"steady\"}", LIMIT, |r| r.len() == 1);
    let (begun, resident) = (Instant::now(), skopos.resident_bytes());
    let mut signals = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        if signals % 10 == 0 {
            skopos.folder().write("skopos.yml", text(signals / 10 % 2));
        }
        skopos.signal("HUP");
        signals += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = begun.elapsed().as_secs();
    let scraped = skopos.query_value(&format!("count_over_time(up{{job=\"steady\"}}[{took}s])")).unwrap_or_default();
    let metrics = skopos.get("/metrics").body;
    let number = |name: &str| metrics.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap_or(f64::NAN);
    let missed = number("skopos_scrape_ticks_missed_total");
    println!(
        "d4: {signals} signals in {took} s, {scraped} scrapes of the steady target, {missed} ticks missed, memory {} -> {} MiB",
        resident >> 20,
        skopos.resident_bytes() >> 20
    );
    assert!(number("skopos_config_last_reload_successful") == 1.0, "{}", skopos.log_tail());
    assert_eq!(missed, 0.0, "a reload keeps nobody from scraping");
    // The first and the last second are cut.
    assert!(scraped >= took as f64 - 2.0, "{scraped} scrapes in {took} s");
    let log = skopos.log();
    assert!(log.matches("the configuration is taken up").count() <= signals + 5 && !log.contains("panicked"), "{}", skopos.log_tail());
}

#[test]
fn d6_glob() {
    let setup = Setup::new(BINARY, "glob");
    let rule = |file: usize, value: usize| format!("groups: [{{name: g{file}, rules: [{{record: r{file}, expr: 'vector({value})'}}]}}]\n");
    for file in 0..10_000 {
        setup.folder().write(&format!("many/{file:05}.yml"), rule(file, 1));
    }
    setup.folder().write("few/a.yml", rule(0, 1));
    let text = |patterns: &str| format!("global: {{evaluation_interval: 1h}}\nrule_files: {patterns}\n");
    let skopos = setup.config(&text("['few/*.yml']")).argument("--web.enable-lifecycle").start();
    let reload = |text: &str| {
        skopos.folder().write("skopos.yml", text);
        let begun = Instant::now();
        let answer = post_text(&skopos.url("/-/reload"));
        (answer.status, answer.body, begun.elapsed())
    };
    let groups = || skopos.get("/api/v1/rules").json()["data"]["groups"].as_array().map_or(0, Vec::len);

    let (status, said, took) = reload(&text("['many/*.yml']"));
    println!("d6: 10000 rule files in {took:?}");
    assert_eq!((status, groups()), (200, 10_000), "{said}");
    assert_eq!(reload(&text("['few/*.yml']")).0, 200);

    // A link in a circle, one that leads nowhere, a pipe, a folder of that name: named or passed over, and nothing half-applied.
    let few = skopos.folder().path().join("few");
    for (name, make) in [("loop.yml", "loop.yml"), ("dead.yml", "nowhere")] {
        symlink(make, few.join(name)).expect("linked");
        let (status, said, _) = reload(&text("['few/*.yml'] # again"));
        assert!(status == 500 && said.contains(name) && said.contains("failed to read it"), "{said}");
        assert_eq!(groups(), 1);
        fs::remove_file(few.join(name)).expect("removed");
    }
    let pipe = Command::new("mkfifo").arg(few.join("pipe.yml")).status();
    if pipe.is_ok_and(|status| status.success()) {
        let (status, said, _) = reload(&text("['few/*.yml']"));
        assert!(status == 500 && said.contains("pipe.yml") && said.contains("not a regular file"), "{said}");
        fs::remove_file(few.join("pipe.yml")).expect("removed");
    }
    fs::create_dir(few.join("folder.yml")).expect("made");
    // A folder that holds itself is no more than the pattern says, and a file that two patterns name is one file.
    symlink("..", few.join("up")).expect("linked");
    assert_eq!((reload(&text("['few/*.yml', 'few/up/few/*.yml']")).0, groups()), (200, 2));
    assert_eq!((reload(&text("['few/*.yml', 'few/a.yml']")).0, groups()), (200, 1));
    assert_eq!(reload(&text("['*/few/*.yml']")).0, 500, "a star in the middle");
    assert_eq!(reload(&text("['few/[a-c].yml']")).0, 200);

    // Replaced while it is read: what is taken up is one version or the other, with all files of it.
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (done, few) = (Arc::clone(&done), few.clone());
        std::thread::spawn(move || {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                let groups: String =
                    (0..200).map(|g| format!("- {{name: g{g}, rules: [{{record: r, expr: 'vector({round})'}}]}}\n")).collect();
                // As tools replace a file: whole, by its name. (One that is written in place is whole at no moment that could be told;
                // the watch waits for it to rest.)
                let path = few.join("a.yml.new");
                if fs::write(&path, format!("groups:\n{groups}")).is_ok() {
                    let _ = fs::rename(&path, few.join("a.yml"));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        })
    };
    let (mut good, mut refused) = (0, 0);
    for round in 0..30 {
        let (status, said, _) = reload(&text(&format!("['few/[a-c].yml'] # {round}")));
        if status == 200 {
            good += 1;
            assert_eq!(groups(), 200, "half a file was taken up");
        } else {
            refused += 1;
            assert!(said.contains("a.yml") || said.contains("changing"), "{said}");
        }
    }
    done.store(true, Ordering::Relaxed);
    writer.join().expect("the writer ends");
    println!("d6: replaced while read: {good} taken up whole, {refused} refused");
    assert!(good > 0);
}

#[test]
fn d11_relabel() {
    let target = Server::start(|_| Answer::metrics("a 1\n"));
    let groups = "(.)".repeat(100);
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: hundred
  static_configs: [{{targets: ['{0}'], labels: {{long: '{1}'}}}}]
  relabel_configs: [{{source_labels: [long], regex: '{groups}', target_label: last, replacement: '${{100}}${{1}}'}}]
- job_name: collision
  static_configs: [{{targets: ['{0}'], labels: {{x_a: first, y_a: second}}}}]
  relabel_configs: [{{action: labelmap, regex: '[xy]_(.*)'}}]
- job_name: nowhere
  static_configs: [{{targets: ['{0}']}}]
  relabel_configs: [{{regex: __address__, action: labeldrop}}]
",
        target.address(),
        "abcdefghij".repeat(10)
    );
    let setup = Setup::new(BINARY, "relabel");
    let skopos = setup.config(&text).argument("--web.enable-lifecycle").start();
    skopos.wait_query("up", LIMIT, |r| r.len() == 2);
    assert_eq!(skopos.query("up{job=\"hundred\",last=\"ja\"}").len(), 1, "{}", skopos.get("/api/v1/targets").body);
    // Both give `a`: the last in the order of names counts, each time the same.
    assert_eq!(skopos.query("up{job=\"collision\",a=\"second\"}").len(), 1, "{}", skopos.get("/api/v1/targets").body);
    let targets = skopos.get("/api/v1/targets").json();
    let dropped = targets["data"]["droppedTargets"].as_array().cloned().unwrap_or_default();
    let active = targets["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
    let named = |list: &[serde_json::Value]| list.iter().any(|t| t.to_string().contains("nowhere"));
    assert!(named(&dropped) || active.iter().any(|t| t.to_string().contains("nowhere") && t["lastError"] != ""), "{targets}");
    println!("d11: without an address: {}", if named(&dropped) { "dropped" } else { "down with a reason" });
    for (rule, part) in [
        ("{source_labels: [a], modulus: 0, target_label: b, action: hashmod}", "hashmod requires non-zero modulus"),
        ("{regex: 'a(b'}", "error parsing regexp"),
        ("{regex: '.{0,1000}{0,1000}'}", "regexp"),
    ] {
        let wrong = format!("scrape_configs: [{{job_name: a, relabel_configs: [{rule}]}}]");
        skopos.folder().write("skopos.yml", &wrong);
        let answer = post_text(&skopos.url("/-/reload"));
        assert!(answer.status == 500 && answer.body.contains("skopos.yml:1:") && answer.body.contains(part), "{rule}: {}", answer.body);
    }
}

#[test]
fn d12_env() {
    let target = Server::start(|_| Answer::metrics("a 1\n"));
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, external_labels: {{site: '$SITE', plain: 'a$$b', none: '${{SKOPOS_UNSET}}'}}}}\nscrape_configs: [{{job_name: t, static_configs: [{{targets: ['{}']}}]}}]\n",
        target.address()
    );
    let injected = "x\nscrape_configs: []\n\"";
    let skopos = Setup::new(BINARY, "env").config(&text).environment("SITE", injected).start();
    skopos.wait_query("a", LIMIT, |r| r.len() == 1);
    let federated = skopos.get("/federate?match[]=a").body;
    assert!(federated.contains("site=\"x\\nscrape_configs: []\\n\\\"\"") && federated.contains("plain=\"a$b\""), "{federated}");
    assert!(!federated.contains("none="), "{federated}");
    let log = skopos.log();
    assert!(log.contains("skopos.yml:1:") && log.contains("SKOPOS_UNSET is not set"), "{}", skopos.log_tail());
}

#[test]
fn failed_scrapes_are_written_down() {
    let target = Server::start(|_| Answer::status(503, "no"));
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, scrape_failure_log_file: fail.log}}\nscrape_configs: [{{job_name: t, static_configs: [{{targets: ['{}']}}]}}]\n",
        target.address()
    );
    let skopos = Skopos::start(BINARY, "failures", &text);
    let path = skopos.folder().path().join("fail.log");
    let written = || fs::read_to_string(&path).ok().filter(|text| text.lines().count() >= 2);
    let text = wait_for("two failed scrapes", LIMIT, written);
    let line: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&line["job_name"], &line["level"]), (&"t".into(), &"ERROR".into()), "{line}");
    assert!(
        line["msg"].as_str().is_some_and(|m| m.contains("503")) && line["target"].as_str().is_some_and(|t| t.contains(&target.address()))
    );
}
