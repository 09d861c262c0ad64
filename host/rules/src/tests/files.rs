//! Rule files in real use load; wrong ones are refused with what is wrong and where.

use std::path::{Path, PathBuf};

use crate::RuleFile;

pub(super) fn load(text: &str) -> Result<RuleFile, String> {
    let node = yaml::parse(text).map_err(|error| error.to_string())?;
    RuleFile::from_node(&node, "rules.yml", promql::Features::ALL).map_err(|error| error.to_string())
}

fn folder() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let folder = std::env::var_os("SKOPOS_CONFORMANCE").map_or_else(default, PathBuf::from).join("rules");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn files_in_real_use() {
    let Some(folder) = folder() else { return };
    let mut paths = vec![folder.join("dockprom-alert.rules.yml")];
    files(&folder.join("awesome-prometheus-alerts"), &mut paths);
    files(&folder.join("mixins"), &mut paths);
    let (mut rules, mut failures) = (0, Vec::new());
    for path in &paths {
        match load(&std::fs::read_to_string(path).expect("it can be read")) {
            Ok(file) => {
                rules += file.rule_count();
                failures.extend(super::evaluation::template_errors(&file).into_iter().map(|error| format!("{}: {error}", path.display())));
            }
            Err(error) => failures.push(format!("{}: {error}", path.display())),
        }
    }
    println!("rule files: {} passed, {} failed; {rules} rules", paths.len() - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn rulefmt() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("rulefmt/expected_errors.json")).expect("it is there");
    let expected: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let expected = &expected["errors"];
    let mut paths = Vec::new();
    files(&folder.join("rulefmt"), &mut paths);
    let mut failures = Vec::new();
    for path in &paths {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let result = load(&std::fs::read_to_string(path).expect("it can be read"));
        // Upstream refuses this one only where it is told to take no UTF-8 names; the unknown key has our own words.
        let wanted = expected[&name].as_str().filter(|_| name != "legacy_validation_annotation.bad.yaml");
        let good = match (&result, wanted) {
            (Ok(_), None) => true,
            (Err(error), Some(text)) => error.contains(text) || error.contains("unknown key \"annotation\""),
            _ => false,
        };
        if !good {
            failures.push(format!("{name}: expected {wanted:?}, found {:?}", result.err()));
        }
    }
    println!("rule files, upstream's own: {} passed, {} failed", paths.len() - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let rule = |rule: &str| format!("groups:\n- name: g\n  rules:\n  - {rule}");
    for (text, says) in [
        ("groups: [{rules: []}]".to_owned(), "groups[0]: Groupname must not be empty"),
        ("groups: [{name: g}, {name: g}]".to_owned(), "groups[1]: groupname: \"g\" is repeated in the same file"),
        ("groups: [{name: g, intervall: 5s}]".to_owned(), "unknown key \"intervall\"; did you mean \"interval\"?"),
        ("rule_files: [a.yml]\ntests: []".to_owned(), "this is a file of tests: `skopos test rules` runs it"),
        (rule("{expr: up}"), "4:5: groups[0].rules[0]: one of 'record' or 'alert' must be set"),
        (rule("{record: a, alert: b, expr: up}"), "only one of 'record' and 'alert' must be set"),
        (rule("{record: a}"), "field 'expr' must be set in rule"),
        (rule("{record: a, expr: 'sum('}"), "could not parse expression"),
        (rule("{record: a, expr: up, for: 5m}"), "invalid field 'for' in recording rule"),
        (rule("{record: a, expr: up, keep_firing_for: 5m}"), "invalid field 'keep_firing_for' in recording rule"),
        (rule("{record: a, expr: up, annotations: {x: y}}"), "invalid field 'annotations' in recording rule"),
        (rule("{record: 'a{b=\"c\"}', expr: up}"), "braces present in the recording rule name"),
        (rule("{record: a, expr: up, labels: {__name__: x}}"), "invalid label name: __name__"),
        (rule("{alert: a, expr: up, annotations: {summary: '{{ $labels.x'}}"), "annotation \"summary\": template: summary:1:"),
        (rule("{alert: a, expr: up, labels: {x: '{{ nope }}'}}"), "function \"nope\" not defined"),
        (rule("{alert: a, expr: up, for: soon}"), "is not a duration"),
        (rule("{alert: a, expr: up, fro: 5m}"), "unknown key \"fro\""),
    ] {
        let error = load(&text).expect_err(&text);
        assert!(error.contains(says), "{text}: {error}");
    }
}
