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
    escape(&mut url, path, |b| b.is_ascii_alphanumeric() || b"/-_.~$&+,:;=@!*'()".contains(&b));
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn job(text: &str) -> JobConfig {
        let node = yaml::parse(&format!("[{{job_name: j, {text}}}]")).expect("good YAML");
        let config = crate::config::ScrapeConfig::from_nodes(None, &[&node], std::path::Path::new("/"), &NoPlugins).expect("a good job");
        config.jobs.into_iter().next().expect("one job")
    }

    struct NoPlugins;

    impl model::seams::Plugins for NoPlugins {
        fn serves(&self, _: &str, _: model::seams::PluginKind) -> bool {
            true
        }
        fn target_source(&self, name: &str, _: &str) -> Result<std::sync::Arc<dyn model::seams::TargetSource>, model::seams::PluginError> {
            Err(model::seams::PluginError::Missing(name.to_owned()))
        }
        fn metric_source(&self, name: &str, _: &str) -> Result<std::sync::Arc<dyn model::seams::MetricSource>, model::seams::PluginError> {
            Err(model::seams::PluginError::Missing(name.to_owned()))
        }
        fn channel(&self, name: &str, _: &str) -> Result<std::sync::Arc<dyn model::seams::Channel>, model::seams::PluginError> {
            Err(model::seams::PluginError::Missing(name.to_owned()))
        }
        fn panel(&self, name: &str) -> Result<std::sync::Arc<dyn model::seams::PanelRender>, model::seams::PluginError> {
            Err(model::seams::PluginError::Missing(name.to_owned()))
        }
    }

    fn built(config: &str, address: &str) -> Built {
        let job = job(config);
        build(&job, &discovered_labels(&job, &TargetGroup::default(), address), true)
    }

    #[test]
    fn urls_and_instances() {
        for (config, address, url, labels) in [
            ("honor_labels: true", "host:9100", "http://host:9100/metrics", "{instance=\"host:9100\", job=\"j\"}"),
            ("scheme: https", "host", "https://host/metrics", "{instance=\"host\", job=\"j\"}"),
            ("metrics_path: a b?c", "[::1]:80", "http://[::1]:80/a%20b%3Fc", "{instance=\"[::1]:80\", job=\"j\"}"),
            ("metrics_path: /a%2Fb", "h:1", "http://h:1/a%252Fb", "{instance=\"h:1\", job=\"j\"}"),
            ("params: {b: [x, y], a: ['1 2']}", "h:1", "http://h:1/metrics?a=1+2&b=x&b=y", "{instance=\"h:1\", job=\"j\"}"),
            (
                "relabel_configs: [{target_label: __param_t, source_labels: [__address__]}, {target_label: __address__, replacement: 'probe:9115'}]",
                "h:1",
                "http://probe:9115/metrics?t=h%3A1",
                "{instance=\"probe:9115\", job=\"j\"}",
            ),
            (
                "relabel_configs: [{target_label: instance, replacement: i}, {target_label: job, replacement: other}, {target_label: __scheme__, replacement: https}]",
                "h:1",
                "https://h:1/metrics",
                "{instance=\"i\", job=\"other\"}",
            ),
            (
                "relabel_configs: [{target_label: __scrape_interval__, replacement: 5s}, {target_label: __scrape_timeout__, replacement: 2s}]",
                "h:1",
                "http://h:1/metrics",
                "{instance=\"h:1\", job=\"j\"}",
            ),
        ] {
            let Built::Active(target) = built(config, address) else { panic!("{config} makes a target") };
            assert_eq!((target.url.as_str(), target.labels.to_string().as_str()), (url, labels), "{config}");
        }
    }

    #[test]
    fn what_cannot_be_scraped() {
        for (config, address, part) in [
            ("scheme: http", "http://h:1", "is not a valid hostname"),
            ("scheme: http", "user@h:1", "is not a valid hostname"),
            ("scheme: http", "h:1/x", "is not a valid hostname"),
            ("scheme: http", "h:99999", "is not a valid hostname"),
            ("scheme: http", "h h", "is not a valid hostname"),
            ("scheme: http", "", "no address"),
            ("relabel_configs: [{action: labeldrop, regex: __address__}]", "h:1", "no address"),
            ("relabel_configs: [{target_label: __scheme__, replacement: ftp}]", "h:1", "expected http or https"),
            ("relabel_configs: [{target_label: __scrape_interval__, replacement: soon}]", "h:1", "error parsing scrape interval"),
            ("relabel_configs: [{target_label: __scrape_interval__, replacement: 0s}]", "h:1", "scrape interval cannot be 0"),
            (
                "relabel_configs: [{target_label: __scrape_timeout__, replacement: 2m}]",
                "h:1",
                "scrape timeout cannot be greater than scrape interval (\"2m\" > \"1m\")",
            ),
        ] {
            let Built::Invalid(reason) = built(config, address) else { panic!("{config} {address} makes no target") };
            assert!(reason.contains(part), "{config}: {reason}");
        }
        assert_eq!(built("relabel_configs: [{action: drop, source_labels: [__address__]}]", "h:1"), Built::Dropped);
    }
}
