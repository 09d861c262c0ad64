//! Expressions that people wrote: dashboards and rules.

mod common;

use std::fmt::Write as _;

use model::config::{Node, NodeValue};
use promql::{Limits, Memory, Value};
use regex::Regex;

/// All values of the key `expr`.
fn expressions(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    serde_json::Value::String(text) if key == "expr" => found.push(text.clone()),
                    value => expressions(value, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

fn dashboard(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("the dashboard can be read");
    let mut found = Vec::new();
    expressions(&serde_json::from_str(&text).expect("the dashboard is JSON"), &mut found);
    found
}

/// Reads an expression with something in the place of its variables: a number, which is also a label's value, a count
/// and part of a name; else a name.
fn read(expr: &str) -> Result<promql::ast::Expr, String> {
    promql::parse(&without_variables(expr, "1"))
        .or_else(|_| promql::parse(&without_variables(expr, "v")))
        .map_err(|error| format!("{}: {error}", without_variables(expr, "v")))
}

fn without_variables(expr: &str, value: &str) -> String {
    let duration = Regex::new(r"\$\{?(__interval|__rate_interval|__range|interval|resolution)\}?").expect("a good pattern");
    let other = Regex::new(r"\$\{[^}]*\}|\[\[[^\]]*\]\]|\$[a-zA-Z_]\w*").expect("a good pattern");
    let expr = duration.replace_all(expr, "5m");
    other.replace_all(&expr, value).into_owned()
}

#[test]
fn expressions_of_the_chapter_evaluate() {
    let Some(folder) = common::path("diamol") else {
        return;
    };
    let mut count = 0;
    for path in common::files(&folder, &["dashboard.json"]) {
        for text in dashboard(&path) {
            let expr = promql::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            let memory = Memory::new();
            for selection in promql::plan::selections(&expr, 0, 0, 300_000) {
                // Data that the selector finds.
                let labels = selection.matchers.iter().map(|m| (m.name(), m.value())).chain([("instance", "10.0.0.1:80")]).collect();
                memory.load(&labels, (0..20).map(|at| (at * 15_000, at as f64)));
            }
            let range = promql::range(&expr, 0, 300_000, 15_000, &memory, &Limits::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
            let Value::Matrix(series) = &range.value else { panic!("{text}: no matrix") };
            assert_eq!(series.len(), 1, "{text}");
            assert!(
                matches!(promql::instant(&expr, 300_000, &memory, &Limits::default()).map(|r| r.value), Ok(Value::Vector(v)) if v.len() == 1)
            );
            count += 1;
        }
    }
    println!("chapter 9: {count} expressions evaluated");
    assert!(count >= 20, "{count}");
}

#[test]
fn expressions_of_dashboards_are_read() {
    let Some(folder) = common::path("dashboards") else {
        return;
    };
    let (mut count, mut evaluated, mut failed) = (0, 0, String::new());
    for path in common::files(&folder, &[".json"]) {
        for text in dashboard(&path).into_iter().filter(|text| !text.trim().is_empty()) {
            count += 1;
            match read(&text) {
                Ok(expr) => {
                    evaluated += usize::from(promql::range(&expr, 0, 60_000, 15_000, &Memory::new(), &Limits::default()).is_ok());
                }
                Err(error) => {
                    let _ = writeln!(failed, "{}: {}", path.display(), error.replace('\n', " "));
                }
            }
        }
    }
    println!("dashboards: {} of {count} expressions read, {evaluated} evaluated\n{failed}", count - failed.lines().count());
    // Dashboards of VictoriaMetrics use what its language has beyond PromQL: `default`, an offset of any expression.
    let foreign = failed.lines().filter(|line| line.contains("/vm-")).count();
    assert_eq!(foreign, failed.lines().count(), "{failed}");
    assert_eq!(evaluated + foreign, count);
}

/// All values of the key `expr` in a rule file.
fn rules(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        NodeValue::Mapping(_) => {
            if let Some(text) = node.get("expr").and_then(|expr| expr.as_str().ok()) {
                found.push(text.to_owned());
            }
            if let NodeValue::Mapping(entries) = &node.value {
                entries.iter().for_each(|(.., child)| rules(child, found));
            }
        }
        NodeValue::Sequence(items) => items.iter().for_each(|item| rules(item, found)),
        _ => {}
    }
}

#[test]
fn expressions_of_rules_are_read() {
    let Some(folder) = common::path("rules") else {
        return;
    };
    let (mut count, mut read, mut failed) = (0, 0, String::new());
    for path in common::files(&folder, &[".yml", ".yaml"]) {
        let name = path.to_string_lossy().into_owned();
        // Files that are wrong on purpose say so by name.
        if ["bad", "invalid", "rulefmt"].iter().any(|word| name.contains(word)) {
            continue;
        }
        let Ok(node) = yaml::parse(&std::fs::read_to_string(&path).expect("the file can be read")) else {
            println!("{name}: not one YAML document");
            continue;
        };
        let mut found = Vec::new();
        rules(&node, &mut found);
        for text in found {
            count += 1;
            match promql::parse(&text) {
                Ok(_) => read += 1,
                Err(error) => {
                    let _ = writeln!(failed, "{name}: {text}: {error}");
                }
            }
        }
    }
    println!("rules: {read} of {count} expressions read\n{failed}");
    assert!(failed.is_empty(), "{failed}");
    assert!(count > 500, "{count}");
}
