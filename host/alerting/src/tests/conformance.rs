//! Alertmanager's own cases of configurations, routes, inhibition and matchers.

use std::collections::HashMap;
use std::path::PathBuf;

use model::{Alert, LabelSet};
use serde_json::Value as Json;

use super::world::config;
use crate::inhibit::Inhibitors;
use crate::matchers::parse_matchers;
use crate::route::GroupBy;

fn folder() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let folder = std::env::var_os("SKOPOS_CONFORMANCE").map_or_else(default, PathBuf::from).join("alertmanager");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn json(path: &str) -> Option<Json> {
    let text = std::fs::read_to_string(folder()?.join(path)).expect("the case file is there");
    Some(serde_json::from_str(&text).expect("the case file is JSON"))
}

fn report(suite: &str, total: usize, failures: &[String]) {
    println!("{suite}: {} passed, {} failed", total - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn labels(json: &Json) -> LabelSet {
    json.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

#[test]
fn configurations() {
    let Some(folder) = folder() else { return };
    let expected = json("config/expected_results.json").expect("it is there");
    let mut failures = Vec::new();
    let mut total = 0;
    for (file, outcome) in expected["files"].as_object().expect("files by name") {
        total += 1;
        let text = std::fs::read_to_string(folder.join("config").join(file)).expect("the file is there");
        match (config(&text), outcome["valid"].as_bool().expect("valid or not")) {
            (Ok(_), true) => {}
            (Ok(_), false) => failures.push(format!("{file}: should be refused: {outcome}")),
            (Err(error), true) => failures.push(format!("{file}: refused: {error}")),
            (Err(error), false) => {
                let says = outcome["error_contains"].as_str().unwrap_or_default();
                if !error.contains(says) {
                    failures.push(format!("{file}: says {error:?}, not {says:?}"));
                }
            }
        }
    }
    for (file, valid) in [
        ("cli/conf.bad.yml", false),
        ("cli/conf.good.yml", true),
        ("cli/conf.routing.yml", true),
        ("cli/conf.routing-reverted.yml", true),
        ("examples/alertmanager.yml", true),
        ("examples/dockprom-config.yml", true),
        ("examples/route_labels.yml", true),
        ("examples/simple.yml", true),
    ] {
        total += 1;
        let text = std::fs::read_to_string(folder.join(file)).expect("the file is there");
        let result = config(&text);
        if result.is_ok() != valid {
            failures.push(format!("{file}: {:?}", result.err()));
        }
    }
    report("configurations", total, &failures);
}

#[test]
fn routes() {
    let Some(suites) = json("routing/route_cases.json") else { return };
    let (mut total, mut failures) = (0, Vec::new());
    for suite in suites["suites"].as_array().expect("suites") {
        let tree = suite["route_yaml"].as_str().expect("a text");
        let names = ["notify-def", "notify-A", "notify-testing", "notify-productionA", "notify-productionB", "notify-BC"];
        let receivers = names.map(|name| format!("- name: {name}\n")).concat();
        let indented = tree.lines().map(|line| format!("  {line}\n")).collect::<String>();
        let config = config(&format!("receivers:\n{receivers}route:\n{indented}")).expect("the tree is good");
        let default = |key: &str| suite["defaults"][key].as_i64().expect("a number") * 1000;
        for case in suite["cases"].as_array().expect("cases") {
            total += 1;
            let found: Vec<_> = config.routes.matching(&labels(&case["labels"])).into_iter().map(|at| &config.routes.0[at]).collect();
            let keys: Vec<&str> = found.iter().map(|route| route.key.as_str()).collect();
            let expected = case["expected_routes"].as_array().expect("routes");
            let mut good = found.len() == expected.len()
                && case["route_keys"]
                    .as_array()
                    .is_none_or(|wanted| wanted.iter().map(|k| k.as_str().unwrap_or("")).eq(keys.iter().copied()));
            for (route, wanted) in found.iter().zip(expected) {
                let time = |key: &str| wanted[key].as_i64().map_or_else(|| default(key), |s| s * 1000);
                let grouped = match &route.group_by {
                    GroupBy::All => wanted["group_by_all"] == true,
                    GroupBy::Labels(names) => {
                        wanted["group_by_all"] == false
                            && names.iter().map(String::as_str).eq(wanted["group_by"]
                                .as_array()
                                .into_iter()
                                .flatten()
                                .filter_map(Json::as_str))
                    }
                };
                good &= grouped
                    && wanted["receiver"] == route.receiver.as_str()
                    && (route.group_wait_ms, route.group_interval_ms, route.repeat_interval_ms)
                        == (time("group_wait_s"), time("group_interval_s"), time("repeat_interval_s"));
            }
            if !good {
                failures.push(format!("{case}: {found:?}"));
            }
        }
    }
    report("routes", total, &failures);
}

#[test]
fn inhibition() {
    let Some(suites) = json("inhibit/inhibit_cases.json") else { return };
    let (mut total, mut failures) = (0, Vec::new());
    for suite in suites["suites"].as_array().expect("suites") {
        let rules = suite["inhibit_rules_yaml"].as_str().expect("a text");
        let config =
            config(&format!("receivers: [{{name: a}}]\nroute: {{receiver: a}}\ninhibit_rules:\n{rules}")).expect("the rules are good");
        let firing: HashMap<LabelSet, Alert> = suite["firing_alerts"]
            .as_array()
            .into_iter()
            .flatten()
            .map(labels)
            .map(|labels| {
                let alert = Alert {
                    labels: labels.clone(),
                    annotations: LabelSet::empty(),
                    starts_at: 0,
                    ends_at: None,
                    generator_url: String::new(),
                    value: None,
                };
                (labels, alert)
            })
            .collect();
        for case in suite["cases"].as_array().expect("cases") {
            total += 1;
            if Inhibitors::new(&config.inhibit_rules, &firing, 1).inhibit(&config.inhibit_rules, &labels(&case["target"]))
                != case["inhibited"].as_bool().expect("a boolean")
            {
                failures.push(case.to_string());
            }
        }
    }
    report("inhibition", total, &failures);
}

#[test]
fn matchers() {
    let Some(suite) = json("matchers/matcher_cases.json") else { return };
    let cases = suite["cases"].as_array().expect("cases");
    let mut failures = Vec::new();
    for case in cases {
        let result = parse_matchers(case["input"].as_str().expect("a text"));
        let good = match (&result, case["matchers"].as_array()) {
            (Ok(found), Some(wanted)) => found.iter().map(|matcher| (matcher.name(), matcher.op().symbol(), matcher.value())).eq(wanted
                .iter()
                .map(|m| (m["name"].as_str().unwrap_or(""), m["type"].as_str().unwrap_or(""), m["value"].as_str().unwrap_or("")))),
            (Err(_), None) => true,
            _ => false,
        };
        if !good {
            failures.push(format!("{case}: {result:?}"));
        }
    }
    report("matchers", cases.len(), &failures);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let with = |rest: &str| format!("receivers:\n- name: a\n- name: b\n{rest}");
    for (text, says) in [
        (with(""), "no routes provided"),
        (with("route: {}"), "root route must specify a default receiver"),
        (with("route: {receiver: c}"), "4:19: route.receiver: undefined receiver \"c\" used in route"),
        (with("route: {receiver: a, matchers: [x=1]}"), "root route must not have any matchers"),
        (with("route: {receiver: a, continue: true}"), "cannot have continue in root route"),
        (with("route: {receiver: a, group_by: [x, x]}"), "duplicated label \"x\" in group_by"),
        (with("route: {receiver: a, group_by: [x, ...]}"), "cannot have wildcard group_by"),
        (with("route: {receiver: a, group_interval: 0s}"), "group_interval cannot be zero"),
        (with("route: {receiver: a, repeat_interval: 0s}"), "repeat_interval cannot be zero"),
        (with("route: {receiver: a, group_wai: 1s}"), "unknown key \"group_wai\"; did you mean \"group_wait\"?"),
        (with("route: {receiver: a, routes: [{matchers: ['x=~(']}]}"), "regular expression"),
        (
            with("route: {receiver: a, routes: [{mute_time_intervals: [n]}]}"),
            "mute_time_intervals: times at which routes are quiet are not served yet",
        ),
        (with("route: {receiver: a}\ntime_intervals: [{name: x}]"), "time_intervals: times at which"),
        ("receivers: [{name: a}, {name: a}]\nroute: {receiver: a}".to_owned(), "notification config name \"a\" is not unique"),
        ("receivers: [{}]\nroute: {receiver: a}".to_owned(), "missing name in receiver"),
        ("receivers: [{name: a, slack_configs: [{}]}]\nroute: {receiver: a}".to_owned(), "receivers[0].slack_configs[0]: no Slack API URL"),
        ("receivers: [{name: a, bogus: 1}]\nroute: {receiver: a}".to_owned(), "unknown key \"bogus\""),
        (with("route: {receiver: a}\nglobal: {slack_url: x}"), "unknown key \"slack_url\""),
    ] {
        let error = config(&text).expect_err(&text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn defaults_of_global_flow_into_receivers() {
    let text = "global: {slack_api_url: 'http://global', http_config: {proxy_url: 'http://p'}}\nroute: {receiver: a}\nreceivers: [{name: a, slack_configs: [{channel: '#x'}, {api_url_file: /f, http_config: {}}]}]";
    let config = config(text).expect("it is good");
    let sections: Vec<&str> = config.receivers["a"].iter().map(|entry| entry.section.as_str()).collect();
    assert_eq!(
        sections,
        [
            r##"{"api_url":"http://global","channel":"#x","http_config":{"proxy_url":"http://p"}}"##,
            r#"{"api_url_file":"/f","http_config":{}}"#
        ]
    );
    assert!(!config.receivers["a"][0].send_resolved);
}
