//! From an address that discovery or the configuration names to a target: labels, relabelling, URL.

use http_client::Url;
use model::{LabelSet, TargetGroup, format_duration, parse_duration};

use crate::config::JobConfig;
use crate::relabel;

/// What an exporter job without targets gets as its `instance`: this host, as a configuration would write it.
const INSTANCE_OF_THIS_HOST: &str = "localhost";

/// Something to scrape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// Before relabelling.
    pub(crate) discovered: LabelSet,
    /// What its series carry, and what tells it from others of its job.
    pub(crate) labels: LabelSet,
    /// What is fetched; `exporter:<name>/<address>` for a plugin.
    pub(crate) url: String,
    /// `__address__`; empty means this host.
    pub(crate) address: String,
    /// Whether the address stands in the configuration.
    pub(crate) written: bool,
    pub(crate) interval_ms: u64,
    pub(crate) timeout_ms: u64,
}

/// What an address turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Built {
    Active(Target),
    /// By relabelling.
    Dropped,
    /// It cannot be scraped, for this reason.
    Invalid(String),
}

/// Labels of an address before relabelling.
pub(crate) fn discovered_labels(job: &JobConfig, group: &TargetGroup, address: &str) -> LabelSet {
    let mut labels = group.labels.to_builder();
    if !address.is_empty() {
        labels.set("__address__", address);
    }
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_none() {
            labels.set(name, value);
        }
    };
    default("job", &job.name);
    default("__scrape_interval__", &format_duration(job.interval_ms));
    default("__scrape_timeout__", &format_duration(job.timeout_ms));
    default("__metrics_path__", &job.metrics_path);
    default("__scheme__", &job.scheme);
    for (name, values) in &job.params {
        if let Some(first) = values.first() {
            default(&format!("__param_{name}"), first);
        }
    }
    labels.build()
}

/// Relabels and checks.
pub(crate) fn build(job: &JobConfig, discovered: &LabelSet, written: bool) -> Built {
    let Some(labels) = relabel::apply(&job.relabel, discovered) else { return Built::Dropped };
    match finish(job, discovered, &labels, written) {
        Ok(target) => Built::Active(target),
        Err(reason) => Built::Invalid(reason),
    }
}

fn finish(job: &JobConfig, discovered: &LabelSet, labels: &LabelSet, written: bool) -> Result<Target, String> {
    let get = |name: &str| labels.get(name).unwrap_or("");
    let address = get("__address__").to_owned();
    let this_host = job.exporter.is_some() && discovered.get("__address__").is_none();
    if address.is_empty() && !this_host {
        return Err("no address: relabelling left __address__ empty".to_owned());
    }
    let interval_ms = label_duration(get("__scrape_interval__"), "scrape interval")?;
    let timeout_ms = label_duration(get("__scrape_timeout__"), "scrape timeout")?;
    if timeout_ms > interval_ms {
        let (timeout, interval) = (format_duration(timeout_ms), format_duration(interval_ms));
        return Err(format!("scrape timeout cannot be greater than scrape interval ({timeout:?} > {interval:?})"));
    }
    if let Some(name) = labels.iter().map(|(name, _)| name).find(|name| name.is_empty()) {
        return Err(format!("{name:?} is not a valid label name"));
    }
    let url = match &job.exporter {
        Some(exporter) => format!("exporter:{}/{address}", exporter.plugin),
        None => url(job, labels, &address)?,
    };
    let mut own = labels.filter(|name| !name.starts_with("__"));
    if own.get("instance").is_none() {
        own = own.with("instance", if address.is_empty() { INSTANCE_OF_THIS_HOST } else { &address });
    }
    Ok(Target { discovered: discovered.clone(), labels: own, url, address, written, interval_ms, timeout_ms })
}

fn label_duration(text: &str, what: &str) -> Result<u64, String> {
    match parse_duration(text) {
        Ok(0) => Err(format!("{what} cannot be 0")),
        Ok(ms) => Ok(ms),
        Err(error) => Err(format!("error parsing {what}: {error}")),
    }
}

fn url(job: &JobConfig, labels: &LabelSet, address: &str) -> Result<String, String> {
    if address.contains(|c: char| matches!(c, '/' | '?' | '#' | '@' | '\\' | '%') || c.is_whitespace() || c.is_control()) {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let scheme = labels.get("__scheme__").unwrap_or("http");
    if !matches!(scheme, "http" | "https") {
        return Err(format!("__scheme__ is {scheme:?}, expected http or https"));
    }
    let mut url = format!("{scheme}://{address}");
    let path = labels.get("__metrics_path__").unwrap_or("");
    if !path.is_empty() && !path.starts_with('/') {
        url.push('/');
    }
    escape(&mut url, path, |b| b.is_ascii_alphanumeric() || b"/-_.~$&+,:;=@!*'()%".contains(&b));
    let mut separator = '?';
    for (name, values) in parameters(job, labels) {
        for value in values {
            url.push(separator);
            separator = '&';
            query_escape(&mut url, &name);
            url.push('=');
            query_escape(&mut url, &value);
        }
    }
    match Url::parse(&url) {
        Ok(parsed) if parsed.host_str().is_some_and(|host| !host.is_empty()) => Ok(url),
        Ok(_) => Err(format!("{address:?} is not a valid hostname")),
        Err(error) => Err(format!("{address:?} is not a valid hostname: {error}")),
    }
}

/// The job's parameters, the first value of each as relabelling left it, by name.
fn parameters(job: &JobConfig, labels: &LabelSet) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = job.params.clone();
    for (label, value) in labels {
        let Some(name) = label.strip_prefix("__param_") else { continue };
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) if !values.is_empty() => value.clone_into(&mut values[0]),
            Some((_, values)) => values.push(value.to_owned()),
            None => all.push((name.to_owned(), vec![value.to_owned()])),
        }
    }
    all.sort();
    all
}

fn query_escape(out: &mut String, text: &str) {
    let start = out.len();
    escape(out, text, |b| b.is_ascii_alphanumeric() || b"-_.~ ".contains(&b));
    if out[start..].contains(' ') {
        let spaced = out.split_off(start).replace(' ', "+");
        out.push_str(&spaced);
    }
}

fn escape(out: &mut String, text: &str, plain: impl Fn(u8) -> bool) {
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The URL as others reach it: a loopback host replaced by the one this server is known by.
pub(crate) fn global_url(url: &str, external_host: Option<&str>) -> String {
    let (Some(external), Ok(mut parsed)) = (external_host, Url::parse(url)) else { return url.to_owned() };
    let loopback = parsed.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    if loopback && matches!(parsed.scheme(), "http" | "https") && parsed.set_host(Some(external)).is_ok() {
        return parsed.to_string();
    }
    url.to_owned()
}
