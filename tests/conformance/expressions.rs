//! Expressions that people wrote: dashboards and rules. Each is read, and asked of series that its selectors find.

use model::config::{Node, NodeValue};
use model::{LabelSet, MatchOp, Matcher};
use promql::ast::Expr;
use promql::{Limits, Memory, Value};
use regex::Regex;

use crate::{data, tell};

/// What is not PromQL but VictoriaMetrics' own language, in its own dashboards, which Prometheus refuses too: a part of the expression,
/// and what the refusal says.
const FOREIGN: [(&str, &str); 1] = [(" default ", "unexpected identifier \"default\"")];

/// All values of the key `expr`, but those of annotations.
fn expressions(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    serde_json::Value::String(text) if key == "expr" => found.push(text.clone()),
                    _ if key == "annotations" => {}
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
fn read(expr: &str) -> Result<Expr, String> {
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

/// Labels that a selector finds, where the pattern itself, its first branch or a few usual values fit.
fn labels_for(matchers: &[Matcher]) -> LabelSet {
    let mut labels: LabelSet = [("instance", "10.0.0.1:80"), ("le", "+Inf"), ("quantile", "0.5")].into_iter().collect();
    for matcher in matchers {
        let now = labels.get(matcher.name()).unwrap_or("").to_owned();
        let value = match matcher.op() {
            _ if matcher.matches(&now) => continue,
            MatchOp::Equal => matcher.value().to_owned(),
            MatchOp::NotEqual | MatchOp::NotMatches => "another".to_owned(),
            MatchOp::Matches => {
                let first = matcher.value().trim_matches(['^', '$', '(', ')']).split('|').next().unwrap_or_default();
                let plain = first.replace(".*", "x").replace(".+", "x").replace('\\', "");
                let tries = [matcher.value(), first, &plain, "1", "x", "eth0", "200", "5xx"];
                tries.into_iter().find(|value| matcher.matches(value)).unwrap_or_default().to_owned()
            }
        };
        labels = labels.with(matcher.name(), &value);
    }
    labels
}

/// A series for each selector; where one is found already, none. One each, so that operands match one to one.
fn store(expr: &Expr) -> Memory {
    let mut selections = promql::plan::selections(expr, 0, 600_000, 300_000);
    selections.sort_by_key(|selection| std::cmp::Reverse(selection.matchers.len()));
    let (memory, mut loaded) = (Memory::new(), Vec::<LabelSet>::new());
    for selection in selections {
        if !loaded.iter().any(|labels| selection.matchers.iter().all(|matcher| matcher.matches_labels(labels))) {
            let labels = labels_for(&selection.matchers);
            memory.load(&labels, (0..80).map(|at| (at * 15_000, (at + 1) as f64)));
            loaded.push(labels);
        }
    }
    memory
}

#[test]
fn expressions_of_dashboards() {
    let (Some(folder), Some(chapter)) = (data::path("dashboards"), data::path("diamol")) else {
        return;
    };
    let (mut passed, mut with_data, mut foreign, mut failed) = (0, 0, 0, Vec::new());
    let paths = data::files(&folder, &[".json"]).into_iter().chain(data::files(&chapter, &["dashboard.json"]));
    for path in paths {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        for text in dashboard(&path) {
            let expr = match read(&text) {
                Ok(expr) => expr,
                Err(error) => {
                    match FOREIGN.iter().find(|(part, says)| name.starts_with("vm-") && text.contains(part) && error.contains(says)) {
                        Some(_) => foreign += 1,
                        None => failed.push(format!("{name}: {}", error.replace('\n', " "))),
                    }
                    continue;
                }
            };
            let memory = store(&expr);
            let range = promql::range(&expr, 600_000, 900_000, 15_000, &memory, &Limits::default());
            match range.and_then(|range| promql::instant(&expr, 900_000, &memory, &Limits::default()).map(|_| range)) {
                Ok(result) => {
                    passed += 1;
                    with_data += usize::from(matches!(&result.value, Value::Matrix(series) if !series.is_empty()));
                }
                Err(error) => failed.push(format!("{name}: {text}: {error}")),
            }
        }
    }
    let more = format!(
        "{} in all, {foreign} in VictoriaMetrics' own language refused, as Prometheus does; {with_data} answers with data",
        passed + failed.len() + foreign
    );
    tell("dashboards", passed, &failed, &more);
    assert!(passed > 0);
}

#[test]
fn expressions_of_the_chapter_have_one_series() {
    let Some(folder) = data::path("diamol") else {
        return;
    };
    let mut count = 0;
    for path in data::files(&folder, &["dashboard.json"]) {
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
    assert!(count > 0);
}

/// All values of the key `expr` in a rule file.
fn rules(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        NodeValue::Mapping(entries) => {
            found.extend(node.get("expr").and_then(|expr| expr.as_str().ok()).map(str::to_owned));
            entries.iter().for_each(|(.., child)| rules(child, found));
        }
        NodeValue::Sequence(items) => items.iter().for_each(|item| rules(item, found)),
        _ => {}
    }
}

#[test]
fn expressions_of_rules() {
    let Some(folder) = data::path("rules") else {
        return;
    };
    let limits = Limits { features: promql::Features::ALL, ..Limits::default() };
    let (mut passed, mut failed) = (0, Vec::new());
    for path in data::files(&folder, &[".yml", ".yaml"]) {
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
            let evaluated = promql::parse(&text)
                .map_err(|error| error.to_string())
                .and_then(|expr| promql::instant(&expr, 900_000, &store(&expr), &limits).map_err(|error| error.to_string()));
            match evaluated {
                Ok(_) => passed += 1,
                Err(error) => failed.push(format!("{name}: {text}: {error}")),
            }
        }
    }
    tell("expressions of rules", passed, &failed, "");
    assert!(passed > 0);
}
