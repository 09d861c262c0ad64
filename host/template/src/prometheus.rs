//! The functions that Prometheus gives to templates of rules and consoles.

use std::sync::Arc;

use model::{LabelSet, TimestampMs};
use regex::RegexBuilder;

use crate::exec::Call;
use crate::functions::{Functions, arity, number, string, wrong_type};
use crate::gotime;
use crate::humanize;
use crate::value::{Field, MapKind, Safe, Time, Value};

/// Most bytes a compiled pattern may take; also what compiling costs is bounded by it.
const PATTERN_BYTES_MAX: usize = 1 << 18;
/// Steps that a query counts for.
const QUERY_STEPS: u64 = 5000;

/// One series of an answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QuerySample {
    /// With the metric's name.
    pub labels: LabelSet,
    /// At the time of the query.
    pub value: f64,
}

/// Answers `query`. The text of an error is for people.
type Query<'a> = dyn Fn(&str) -> Result<Vec<QuerySample>, String> + Send + Sync + 'a;

/// Prometheus' function set.
pub struct PrometheusFunctions<'a> {
    /// Answers `query`.
    pub query: Box<Query<'a>>,
    /// What `now` says, in milliseconds.
    pub now: TimestampMs,
    /// The host's own web address, as users reach it.
    pub external_url: &'a str,
}

const NAMES: [&str; 30] = [
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "sortByLabel",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "toDuration",
    "now",
    "title",
    "toUpper",
    "toLower",
    "stripPort",
    "stripDomain",
    "match",
    "reReplaceAll",
    "graphLink",
    "tableLink",
    "parseDuration",
    "urlQueryEscape",
    "args",
    "tmpl",
    "safeHtml",
    "externalURL",
    "pathPrefix",
];

impl PrometheusFunctions<'_> {
    /// Functions to parse with, where nothing is expanded.
    #[must_use]
    pub fn for_parsing() -> PrometheusFunctions<'static> {
        PrometheusFunctions { query: Box::new(|_| Ok(Vec::new())), now: 0, external_url: "" }
    }
}

impl Functions for PrometheusFunctions<'_> {
    fn has(&self, name: &str) -> bool {
        NAMES.contains(&name)
    }

    fn call(&self, name: &str, args: &[Value], call: &mut Call<'_, '_>) -> Result<Value, String> {
        match name {
            "query" => {
                let [expression] = arity(args)?;
                call.charge(QUERY_STEPS)?;
                let samples = (self.query)(string(expression)?)?;
                call.charge(samples.len() as u64)?;
                Ok(Value::list(samples.iter().map(sample).collect()))
            }
            "args" => Ok(Value::map(args.iter().enumerate().map(|(at, value)| (format!("arg{at}"), value.clone())))),
            "tmpl" => {
                let [name, data] = arity(args)?;
                let text = call.expand_named(string(name)?, data)?;
                Ok(Value::Safe(Safe::Html, Arc::from(text)))
            }
            "now" => arity::<0>(args).map(|_| Value::Float(self.now as f64 / 1000.0)),
            "externalURL" => arity::<0>(args).map(|_| Value::text(self.external_url)),
            "pathPrefix" => arity::<0>(args).map(|_| Value::text(path_of(self.external_url))),
            "first" | "label" | "value" | "strvalue" | "sortByLabel" => of_samples(name, args),
            "match" | "reReplaceAll" => of_patterns(name, args, call),
            "title" | "toUpper" | "toLower" | "stripPort" | "stripDomain" | "graphLink" | "tableLink" | "urlQueryEscape" | "safeHtml" => {
                let [text] = arity(args)?;
                of_text(name, string(text)?)
            }
            _ => of_number(name, args),
        }
    }
}

/// The path of an address, without a slash at its end.
fn path_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(url, |at| &url[at + 3..]);
    let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
    path.split(['?', '#']).next().unwrap_or("").trim_end_matches('/')
}

fn sample(sample: &QuerySample) -> Value {
    let labels = Value::labels(MapKind::Strings, &sample.labels);
    let fields = vec![
        Field { name: "Labels", json: "Labels", value: labels },
        Field { name: "Value", json: "Value", value: Value::Float(sample.value) },
    ];
    Value::record("*template.sample", fields)
}

fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, String> {
    match value {
        Value::Struct(record) if record.name == "*template.sample" => record
            .fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| &field.value)
            .ok_or_else(|| wrong_type("*template.sample", value)),
        _ => Err(wrong_type("*template.sample", value)),
    }
}

fn label(value: &Value, name: &str) -> Result<String, String> {
    match field(value, "Labels")? {
        Value::Map(labels) => Ok(labels.get(name).as_str().unwrap_or_default().to_owned()),
        other => Err(wrong_type("map[string]string", other)),
    }
}

fn of_samples(name: &str, args: &[Value]) -> Result<Value, String> {
    let samples = |value: &Value| match value {
        Value::List(list) => Ok(list.items().to_vec()),
        other => Err(wrong_type("template.queryResult", other)),
    };
    match name {
        "first" => {
            let [vector] = arity(args)?;
            samples(vector)?.first().cloned().ok_or_else(|| "first() called on vector with no elements".to_owned())
        }
        "label" => {
            let [name, sample] = arity(args)?;
            label(sample, string(name)?).map(Value::text)
        }
        "value" => {
            let [sample] = arity(args)?;
            field(sample, "Value").cloned()
        }
        "strvalue" => {
            let [sample] = arity(args)?;
            label(sample, "__value__").map(Value::text)
        }
        _ => {
            let [by, vector] = arity(args)?;
            let by = string(by)?;
            let mut keyed =
                samples(vector)?.into_iter().map(|sample| Ok((label(&sample, by)?, sample))).collect::<Result<Vec<_>, String>>()?;
            keyed.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(Value::list(keyed.into_iter().map(|(_, sample)| sample).collect()))
        }
    }
}

/// `match` and `reReplaceAll`, which both peers have.
pub(crate) fn of_patterns(name: &str, args: &[Value], call: &mut Call<'_, '_>) -> Result<Value, String> {
    let (source, text, replacement) = match (name, args) {
        ("match", [source, text]) => (string(source)?, string(text)?, None),
        ("reReplaceAll", [source, replacement, text]) => (string(source)?, string(text)?, Some(string(replacement)?)),
        ("match", _) => return Err(format!("wrong number of args: want 2 got {}", args.len())),
        _ => return Err(format!("wrong number of args: want 3 got {}", args.len())),
    };
    call.charge(500 + source.len() as u64 + (source.len() as u64).saturating_mul(text.len() as u64) / 512)?;
    let regex = RegexBuilder::new(source).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| {
        let text = error.to_string();
        format!("regular expression {source:?}: {}", text.lines().last().unwrap_or_default().trim_start_matches("error: "))
    })?;
    let Some(replacement) = replacement else { return Ok(Value::Bool(regex.is_match(text))) };
    // Not `replace_all`: a replacement may be long and matches many, and the result must be bounded on the way.
    let too_long = |_| format!("the text grows beyond {} bytes", call.text_bytes_max());
    let mut out = crate::text::Text::new(call.text_bytes_max());
    let mut last = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(&text[last..whole.start()]).map_err(too_long)?;
        // One expansion is at most as long as the replacement times the text, so its parts are checked before.
        let references = replacement.matches('$').count();
        if references.saturating_mul(whole.len()).saturating_add(replacement.len()) > call.text_bytes_max() {
            return Err(too_long(crate::text::TooLong));
        }
        let mut expanded = String::new();
        captures.expand(replacement, &mut expanded);
        out.push_str(&expanded).map_err(too_long)?;
        last = whole.end();
    }
    out.push_str(&text[last..]).map_err(too_long)?;
    Ok(Value::text(out.as_str()))
}

/// The first letter of each word in upper case, the others as they are: Go's `strings.Title`.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c)
        } else {
            out.extend(c.to_uppercase())
        }
        inside = if c.is_ascii() { c.is_ascii_alphanumeric() || c == '_' } else { c.is_alphanumeric() || !c.is_whitespace() };
    }
    out
}

fn of_text(name: &str, text: &str) -> Result<Value, String> {
    Ok(match name {
        "title" => Value::text(title(text)),
        "toUpper" => Value::text(text.to_uppercase()),
        "toLower" => Value::text(text.to_lowercase()),
        "stripPort" => Value::text(strip_port(text)),
        "stripDomain" => Value::text(strip_domain(text)),
        "graphLink" => Value::text(link(text, 0)),
        "tableLink" => Value::text(link(text, 1)),
        "urlQueryEscape" => Value::text(crate::builtins::url_query(text)),
        _ => Value::Safe(Safe::Html, Arc::from(text)),
    })
}

/// Tab 0 is the graph, 1 the table.
fn link(expression: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", crate::builtins::url_query(expression))
}

/// Host and port, where the text is both.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':')?;
        return (!port.contains([':', '[', ']'])).then_some((host, port));
    }
    let (host, port) = text.rsplit_once(':')?;
    (!host.contains([':', '[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}

fn strip_port(text: &str) -> &str {
    split_host_port(text).map_or(text, |(host, _)| host)
}

fn strip_domain(text: &str) -> String {
    let (host, port) = split_host_port(text).map_or((text, None), |(host, port)| (host, Some(port)));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return text.to_owned();
    }
    let host = host.split('.').next().unwrap_or(host);
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn of_number(name: &str, args: &[Value]) -> Result<Value, String> {
    let [value] = arity(args)?;
    if name == "parseDuration" {
        let text = string(value)?;
        let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
        return model::parse_duration(rest).map(|ms| Value::Float(sign * ms as f64 / 1000.0));
    }
    let number = number(value)?;
    Ok(match name {
        "humanize" => Value::text(humanize::humanize(number)),
        "humanize1024" => Value::text(humanize::humanize1024(number)),
        "humanizeDuration" => Value::text(humanize::humanize_duration(number)),
        "humanizePercentage" => Value::text(humanize::humanize_percentage(number)),
        "humanizeTimestamp" if !number.is_finite() => Value::text(humanize::humanize(number)),
        "humanizeTimestamp" => Value::text(gotime::time_string(&time(number)?)),
        "toTime" => Value::Time(time(number)?),
        "toDuration" => Value::Duration(
            i64::try_from(humanize::seconds_to_nanos(number)?).map_err(|_| format!("{number} seconds are too long for a duration"))?,
        ),
        other => return Err(format!("function {other:?} not defined")),
    })
}

fn time(seconds: f64) -> Result<Time, String> {
    Ok(Time { nanos: humanize::seconds_to_nanos(seconds)?, zone: jiff::tz::TimeZone::UTC })
}
