//! What counts as the same answer.

use serde_json::Value;
use test_support::HttpAnswer;

use crate::calls::Call;

/// How much of an answer must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Everything, numbers to the last digits but a few.
    Values,
    /// Status, error, and the structure of the data: names and types. More names than the other are a difference.
    Shape,
    /// The text of an answer that is no JSON.
    Text,
    /// Status alone.
    Status,
}

/// Names that are there on one side alone: this Prometheus is older than they are, or they are ours.
const NAMES: [(&str, &str); 17] = [
    ("peakBytes", "ours: statistics"),
    ("hostname", "runtimeinfo since 2.53"),
    ("serverTime", "runtimeinfo since 2.53"),
    ("GOMEMLIMIT", "runtimeinfo since 2.43"),
    ("droppedTargetCounts", "targets since 2.49"),
    ("scrapePool", "dropped targets since 3.0"),
    ("state", "walreplay since 3.4"),
    ("keepFiringFor", "rules since 2.42 of upstream, without it in Debian's answer where zero"),
    ("application", "ours: buildinfo"),
    ("applicationVersion", "ours: buildinfo"),
    ("lastScrapeLate", "ours: targets"),
    ("infos", "annotations since 2.48"),
    ("warnings", "annotations since 2.48"),
    ("samplesRead", "statistics since 3.8"),
    ("globalUrl", "targets"),
    ("fingerprint", "alertmanagers"),
    ("numLabelPairs", "status of the head"),
];

/// The first difference that counts, in words.
pub(crate) fn difference(call: &Call, ours: &HttpAnswer, theirs: &HttpAnswer) -> Option<String> {
    if ours.status != theirs.status {
        return Some(format!("status {} and {}", ours.status, theirs.status));
    }
    match call.level {
        Level::Status => None,
        Level::Text => (ours.body != theirs.body).then(|| "another text".to_owned()),
        // An answer without content.
        Level::Values | Level::Shape if ours.body.is_empty() && theirs.body.is_empty() => None,
        Level::Values | Level::Shape => {
            let (ours, theirs) = (ours.json(), theirs.json());
            if ours.is_null() || theirs.is_null() {
                return Some("no JSON".to_owned());
            }
            for key in ["status", "errorType", "error"] {
                if ours[key] != theirs[key] {
                    return Some(format!("{key}: {} and {}", ours[key], theirs[key]));
                }
            }
            if call.level == Level::Shape {
                // Names of flags and of metrics are data: of metrics one stands for all.
                let by_name = |path: &str| call.path.split('?').next().is_some_and(|own| own.ends_with(path));
                if by_name("/status/flags") {
                    return (kind(&ours["data"]["web.listen-address"]) != kind(&theirs["data"]["web.listen-address"]))
                        .then(|| "flags".to_owned());
                }
                let list = |value: &Value| value["data"].as_object().map(|all| all.values().cloned().collect::<Value>());
                return match (list(&ours), list(&theirs)) {
                    (Some(ours), Some(theirs)) if by_name("/v1/metadata") => shapes("", &ours, &theirs),
                    _ => shapes("", &ours, &theirs),
                };
            }
            // Without an operator that sorts, the order of a vector is nobody's promise.
            let sorted = ["sort", "topk", "bottomk"].iter().any(|word| call.to_string().contains(word));
            let (mut ours, mut theirs) = (ours, theirs);
            if !sorted {
                [&mut ours, &mut theirs].into_iter().for_each(in_order);
            }
            values("", &ours, &theirs)
        }
    }
}

fn in_order(answer: &mut Value) {
    if let Some(result) = answer.pointer_mut("/data/result").and_then(Value::as_array_mut) {
        result.sort_by_key(|series| series["metric"].to_string());
    }
}

fn is_one_sided(name: &str) -> bool {
    NAMES.iter().any(|(known, _)| *known == name)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn shapes(at: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            // Label sets and lists by name are data.
            let data = ["/flags", "/labels", "/metric", "/annotations", "/discoveredLabels", "/data", "/target"]
                .iter()
                .any(|end| at.ends_with(end));
            let data = data && !a.values().chain(b.values()).any(Value::is_object) && !a.values().any(Value::is_array);
            if data && at != "/data" {
                return None;
            }
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            names.filter(|name| !is_one_sided(name)).find_map(|name| match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) => shapes(&format!("{at}/{name}"), a, b),
                (Some(_), None) => Some(format!("{at}/{name} is ours alone")),
                (None, _) => Some(format!("{at}/{name} is theirs alone")),
            })
        }
        (Value::Array(a), Value::Array(b)) => match (a.first(), b.first()) {
            (Some(a), Some(b)) => shapes(&format!("{at}/0"), a, b),
            (None, None) => None,
            (Some(_), None) => Some(format!("{at} is empty there alone")),
            (None, Some(_)) => Some(format!("{at} is empty here alone")),
        },
        (a, b) if kind(a) == kind(b) => None,
        (a, b) => Some(format!("{at} is {} here and {} there", kind(a), kind(b))),
    }
}

fn values(at: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            names.filter(|name| !is_one_sided(name)).find_map(|name| match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) => values(&format!("{at}/{name}"), a, b),
                (Some(_), None) => Some(format!("{at}/{name} is ours alone")),
                (None, _) => Some(format!("{at}/{name} is theirs alone")),
            })
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Some(format!("{at} has {} entries here and {} there", a.len(), b.len()));
            }
            a.iter().zip(b).enumerate().find_map(|(n, (a, b))| values(&format!("{at}/{n}"), a, b))
        }
        (a, b) if a == b || near(a, b) => None,
        (a, b) => Some(format!("{at}: {a} here and {b} there")),
    }
}

/// Sums in another order differ in their last digits.
fn near(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => false,
    }
}

/// Answers that differ and may: a name, and when that is what they differ by.
struct Known {
    name: &'static str,
    applies: fn(&Seen) -> bool,
}

/// A call with what both answered.
struct Seen<'a> {
    path: &'a str,
    /// The parameters as they were sent, percent-encoded.
    parameters: &'a str,
    ours: &'a HttpAnswer,
    theirs: &'a HttpAnswer,
    our_error: String,
    their_error: String,
}

impl Seen<'_> {
    fn is(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.path.ends_with(path))
    }

    fn asks(&self, parameters: &[&str]) -> bool {
        parameters.iter().any(|pair| self.parameters.split('&').any(|given| given == *pair))
    }

    fn errors(&self, ours: &str, theirs: &str) -> bool {
        self.our_error.contains(ours) && self.their_error.contains(theirs)
    }
}

const NO_NUMBERS: [&str; 4] = ["=NaN", "=Inf", "=-Inf", "=1_000"];

const KNOWN: &[Known] = &[
    Known {
        name: "age: an error of query_range names the parameter (`invalid parameter \"query\": `)",
        applies: |seen| seen.is(&["/query_range"]) && seen.our_error == format!("invalid parameter \"query\": {}", seen.their_error),
    },
    Known {
        name: "age: `Invalid time value` begins with a small letter",
        applies: |seen| {
            seen.our_error.contains(": invalid time value")
                && seen.our_error.replace(": invalid time value", ": Invalid time value") == seen.their_error
        },
    },
    Known {
        name: "age: names, values and series of the head are answered whatever the range",
        applies: |seen| {
            let listed = seen.is(&["/labels", "/values", "/series"]) && seen.asks_range() && seen.ours.status == 200;
            listed && superset(&seen.theirs.json()["data"], &seen.ours.json()["data"])
        },
    },
    Known {
        name: "age: durations may be computed, so the parser expects more in brackets and behind offset",
        applies: |seen| {
            [
                ("in duration expression", "unclosed left bracket"),
                ("expected number, duration, step(), or range()", ""),
                ("bad number or duration syntax", "bad duration syntax"),
            ]
            .iter()
            .any(|(ours, theirs)| seen.errors(ours, theirs))
        },
    },
    Known {
        name: "age: a right parenthesis too many is where it stands, not behind it",
        applies: |seen| seen.errors("unexpected right parenthesis", "unexpected right parenthesis"),
    },
    Known { name: "age: lookback_delta is read", applies: |seen| seen.our_error.contains("error parsing lookback delta duration") },
    Known {
        name: "age: limit_per_metric is read",
        applies: |seen| seen.is(&["/metadata"]) && seen.parameters.starts_with("limit_per_metric"),
    },
    Known {
        name: "age: times after 2262 overflow there",
        applies: |seen| seen.asks(&["time=9999999999"]) && seen.theirs.body.contains("-8446744074"),
    },
    Known {
        name: "ours: NaN, infinities and underscores are no times and no durations (C6)",
        applies: |seen| {
            NO_NUMBERS.iter().any(|text| seen.parameters.split('&').any(|pair| pair.ends_with(text))) && seen.ours.status == 400
        },
    },
    Known {
        name: "ours: an irregular expression is explained in the words of another library",
        applies: |seen| seen.errors("unclosed group", "missing closing )"),
    },
    Known {
        name: "ours: a selector of everything federates and deletes nothing",
        applies: |seen| {
            let everything = seen.is(&["/federate", "/delete_series"]) && seen.ours.body.contains("at least one non-empty matcher");
            everything && [200, 204].contains(&seen.theirs.status)
        },
    },
];

impl Seen<'_> {
    fn asks_range(&self) -> bool {
        self.parameters.split('&').any(|pair| pair.starts_with("start="))
    }
}

/// Whether all of `part` is in `whole`.
fn superset(whole: &Value, part: &Value) -> bool {
    match (whole.as_array(), part.as_array()) {
        (Some(whole), Some(part)) => part.iter().all(|entry| whole.contains(entry)),
        _ => false,
    }
}

/// The name of a difference that may be.
pub(crate) fn known(call: &Call, ours: &HttpAnswer, theirs: &HttpAnswer) -> Option<&'static str> {
    let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
    let error = |answer: &HttpAnswer| answer.json()["error"].as_str().unwrap_or_default().to_owned();
    let parameters = call.form.as_deref().unwrap_or(query);
    let seen = Seen { path, parameters, ours, theirs, our_error: error(ours), their_error: error(theirs) };
    KNOWN.iter().find(|known| (known.applies)(&seen)).map(|known| known.name)
}
