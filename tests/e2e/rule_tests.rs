//! `skopos test rules`: on the examples that we ship, and on the peers' own test files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use test_support::{conformance, workspace_root};

fn run(file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_skopos")).args(["test", "rules"]).arg(file).output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml"));
    files.sort();
    files
}

/// One tested file per alarm.
#[test]
fn every_example_has_a_test_that_passes() {
    let files = yaml_files(&workspace_root().join("config/examples/rules"));
    let (tests, rules): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(|path| path.to_string_lossy().ends_with(".test.yml"));
    for file in &rules {
        let test = file.with_extension("test.yml");
        assert!(tests.contains(&test), "{} has no test {}", file.display(), test.display());
        let output = run(&test);
        assert!(output.status.success(), "{}", said(&output));
        // Each alert that the file defines is expected to fire by its test.
        let (text, test_text) = (fs::read_to_string(file).expect("a file"), fs::read_to_string(&test).expect("a file"));
        for alert in text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
            let fires =
                test_text.split(&format!("alertname: {alert}\n")).nth(1).is_some_and(|rest| rest.trim_start().starts_with("exp_alerts:\n"));
            assert!(fires, "{}: nothing lets {alert} fire", test.display());
        }
    }
    println!("example rules: {} files passed, 0 failed", rules.len());
    assert!(rules.len() >= 10);
}

/// What promtool's own tests state about its exit code, by the purpose in the names of the files.
#[test]
fn the_peers_files() {
    let Some(folder) = conformance("rules/promtool") else { return };
    let good = ["at-modifier-test.yml", "no-test-group-interval.yml", "start-time-test.yml", "unittest.yml"];
    let bad = [
        "bad-input-series.yml",
        "bad-promql.yml",
        "bad-rules-error-test.yml",
        "bad-rules-syntax-test.yml",
        "failing.yml",
        "rules_run.yml",
        "rules_run_extrafields.yml",
        "rules_run_no_fuzzy.yml",
    ];
    for (files, expected) in [(&good[..], true), (&bad[..], false)] {
        for name in files {
            let output = run(&folder.join(name));
            assert_eq!(output.status.success(), expected, "{name}: {}", said(&output));
        }
    }
    let correct = Command::new(env!("CARGO_BIN_EXE_skopos"))
        .args(["test", "rules", "--run", "^correct"])
        .arg(folder.join("rules_run.yml"))
        .output()
        .expect("the binary starts");
    assert!(correct.status.success(), "{}", said(&correct));
    let mixin = yaml_files(&conformance("rules/unit_tests/kubernetes-mixin").expect("beside the other").join("tests"));
    for file in &mixin {
        let output = run(file);
        assert!(output.status.success(), "{}", said(&output));
    }
    println!(
        "rule unit tests: {} passed, 0 failed; {} files of promtool, {} of kubernetes-mixin",
        good.len() + bad.len() + mixin.len(),
        good.len() + bad.len(),
        mixin.len()
    );
}

/// What is said of a test that fails, on which stream, and with which code, is what Debian's promtool says.
#[test]
fn failures_are_told_as_promtool_tells_them() {
    let (Some(folder), Some(promtool)) = (conformance("rules/promtool"), test_support::find_program("promtool")) else { return };
    let ran = |program: &Path, file: &str| {
        let output = Command::new(program).args(["test", "rules", file]).current_dir(&folder).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    for file in ["failing.yml", "at-modifier-test.yml"] {
        assert_eq!(ran(Path::new(env!("CARGO_BIN_EXE_skopos")), file), ran(&promtool, file), "{file}");
    }
}

/// `skopos test promql`: what fails is told with its line, the last line counts, the code says whether all held.
#[test]
fn scripts_of_ones_own() {
    let folder = test_support::TempFolder::new("scripts");
    let good = folder.write("good.test", "load 10s\n  a{b=\"c\"} 1+1x10\n\neval instant at 20s a * 2\n  {b=\"c\"} 6\n");
    folder.write("bad.test", "load 10s\n  a 1+1x10\n\neval instant at 20s a\n  a 3\n\neval instant at 20s a\n  a 4\n");
    let run = |path: &Path| Command::new(env!("CARGO_BIN_EXE_skopos")).args(["test", "promql"]).arg(path).output().expect("it starts");
    let output = run(&good);
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), "promqltest: 1 passed, 0 failed\n"));
    let output = run(folder.path());
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(1), "promqltest: 2 passed, 1 failed\n"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with(&format!("{}:7: a: ", folder.path().join("bad.test").display())), "{error}");
    let output = run(&folder.path().join("absent.test"));
    assert!(output.status.code() == Some(1) && said(&output).contains("absent.test"), "{}", said(&output));
}
