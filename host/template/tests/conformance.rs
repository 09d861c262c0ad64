//! The template cases of both peers' test suites, from the conformance folder.

use std::path::PathBuf;
use std::sync::Arc;

use model::LabelSet;
use serde_json::Value as Json;
use template::{AlertmanagerFunctions, Field, Functions, Limits, List, MapKind, Mode, PrometheusFunctions, QuerySample, Template, Value};

#[expect(clippy::print_stdout, reason = "a skipped suite says so")]
fn conformance(path: &str) -> Option<Json> {
    let root = std::env::var_os("SKOPOS_CONFORMANCE")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")), PathBuf::from);
    let file = root.join(path);
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return None;
    };
    Some(serde_json::from_str(&text).expect("the case file is JSON"))
}

fn labels(json: &Json) -> LabelSet {
    json.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => number.as_i64().map_or_else(|| Value::Float(number.as_f64().expect("a number")), Value::Int),
        Json::String(text) => match text.as_str() {
            "+Inf" => Value::Float(f64::INFINITY),
            "-Inf" => Value::Float(f64::NEG_INFINITY),
            "NaN" => Value::Float(f64::NAN),
            text => Value::text(text),
        },
        Json::Array(items) => Value::list(items.iter().map(value).collect()),
        Json::Object(entries) => Value::map(entries.iter().map(|(key, json)| (key, value(json)))),
    }
}

/// The data of a notification: what the suite leaves out is nil, as in Go.
fn notification(json: &Json) -> Value {
    let kv = |json: &Json, key: &str| json.get(key).map_or(Value::Nil, |labels_json| Value::labels(MapKind::Labels, &labels(labels_json)));
    let text = |json: &Json, key: &str| Value::text(json.get(key).and_then(Json::as_str).unwrap_or_default());
    let alert = |json: &Json| {
        let fields = [
            ("Status", "status", text(json, "Status")),
            ("Labels", "labels", kv(json, "Labels")),
            ("Annotations", "annotations", kv(json, "Annotations")),
            ("StartsAt", "startsAt", Value::zero_time()),
            ("EndsAt", "endsAt", Value::zero_time()),
            ("GeneratorURL", "generatorURL", text(json, "GeneratorURL")),
            ("Fingerprint", "fingerprint", text(json, "Fingerprint")),
        ];
        Value::record("template.Alert", fields.into_iter().map(|(name, json, value)| Field { name, json, value }).collect())
    };
    let alerts: Vec<(String, Value)> =
        json["Alerts"].as_array().into_iter().flatten().map(|a| (a["Status"].as_str().unwrap_or_default().to_owned(), alert(a))).collect();
    let of = |status: &str| Value::list(alerts.iter().filter(|(s, _)| s == status).map(|(_, alert)| alert.clone()).collect());
    let list =
        List::new(alerts.iter().map(|(_, alert)| alert.clone()).collect(), vec![("Firing", of("firing")), ("Resolved", of("resolved"))]);
    let fields = [
        ("Alerts", Value::List(Arc::new(list))),
        ("GroupLabels", kv(json, "GroupLabels")),
        ("CommonLabels", kv(json, "CommonLabels")),
        ("RouteLabels", kv(json, "RouteLabels")),
    ];
    Value::record("template.Data", fields.into_iter().map(|(name, value)| Field { name, json: name, value }).collect())
}

fn run(text: &str, name: &str, html: bool, strict: bool, data: &Value, functions: &dyn Functions) -> Result<String, String> {
    let mode = if html { Mode::Html } else { Mode::Text };
    let template = Template::parse(name, text, functions).map_err(|error| error.to_string())?;
    let template = if strict { template.strict() } else { template };
    template.expand(mode, data, functions, &Limits::default()).map_err(|error| error.to_string())
}

/// Whether the result is what the case says; if not, what came instead.
fn judge(case: &Json, result: Result<String, String>) -> Result<(), String> {
    let fails = case["should_fail"].as_bool().unwrap_or(false);
    match result {
        Ok(_) if fails => Err("should have failed".to_owned()),
        Ok(text) if case["output"].as_str() == Some(&text) => Ok(()),
        Ok(text) => Err(format!("gave {text:?}, not {}", case["output"])),
        Err(_) if fails => Ok(()),
        Err(error) => Err(format!("failed: {error}")),
    }
}

#[expect(clippy::print_stdout, reason = "the counts are what the suite is for")]
fn report(file: &str, failures: &[String], total: usize) {
    println!("{file}: {} passed, {} failed", total - failures.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn prometheus_templates() {
    let file = "rules/templates/prometheus_template_cases.json";
    let Some(suite) = conformance(file) else { return };
    let cases = suite["cases"].as_array().expect("a list");
    let mut failures = Vec::new();
    for case in cases {
        let samples: Vec<QuerySample> = case["query_result"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|sample| QuerySample { labels: labels(&sample["labels"]), value: sample["value"].as_f64().expect("a number") })
            .collect();
        let functions = PrometheusFunctions {
            query: Box::new(move |_| Ok(samples.clone())),
            now: 1_353_755_652_000,
            external_url: "http://testhost:9090/path/prefix",
        };
        let text = case["text"].as_str().expect("a text");
        // The one option that the suite sets is missingkey=error.
        let strict = case["template_options"].as_array().is_some_and(|options| !options.is_empty());
        let result = run(text, "test", case["html"].as_bool().unwrap_or(false), strict, &value(&case["input"]), &functions);
        failures.extend(judge(case, result).err().map(|error| format!("{text}: {error}")));
    }
    report(file, &failures, cases.len());
}

#[test]
fn alertmanager_templates() {
    let file = "alertmanager/templates/template_cases.json";
    let Some(suite) = conformance(file) else { return };
    let cases = suite["cases"].as_array().expect("a list");
    let mut failures = Vec::new();
    for case in cases {
        let text = case["template"].as_str().expect("a text");
        let is_notification = ["Alerts", "GroupLabels", "CommonLabels", "RouteLabels"].iter().any(|key| case["data"].get(key).is_some());
        let data = if is_notification { notification(&case["data"]) } else { value(&case["data"]) };
        let result =
            run(text, "", case["html"].as_bool().unwrap_or(false), false, &data, &AlertmanagerFunctions { now: 1_353_755_652_000 });
        failures.extend(judge(case, result).err().map(|error| format!("{text}: {error}")));
    }
    report(file, &failures, cases.len());
}
