use std::path::Path;
use std::sync::Arc;

use exposition::Format;
use http_client::HttpConfig;
use model::config::{ConfigError, Node, Position, Section};
use model::seams::{PluginKind, Plugins};
use model::{LabelSet, TargetGroup};

use super::global::{GlobalConfig, duration};
use super::limits::Limits;
use crate::protocols::{self, Escaping, Protocol};
use crate::relabel::{Rule, rules_from_node};

/// One entry of `scrape_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct JobConfig {
    /// Unique.
    pub name: String,
    /// Milliseconds between scrapes.
    pub interval_ms: u64,
    /// Milliseconds that a scrape may take.
    pub timeout_ms: u64,
    /// Of the URL.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Parameters of the URL, by name, each with its values.
    pub params: Vec<(String, Vec<String>)>,
    /// Whether labels of samples win over those of the target.
    pub honor_labels: bool,
    /// Whether times of samples count.
    pub honor_timestamps: bool,
    /// Whether samples with times get stale markers too.
    pub track_timestamps_staleness: bool,
    /// Whether compressed answers are asked for.
    pub enable_compression: bool,
    /// How a body is read whose content type says nothing useful.
    pub fallback: Option<Format>,
    /// Bounds of scrapes.
    pub limits: Limits,
    /// Credentials, TLS, proxy, headers.
    pub http: HttpConfig,
    /// Targets that stand in the file.
    pub static_groups: Vec<TargetGroup>,
    /// Entries of `<name>_sd_configs`.
    pub discoveries: Vec<Discovery>,
    /// The plugin that takes the place of the fetch.
    pub exporter: Option<Exporter>,
    /// Rules for targets.
    pub relabel: Vec<Rule>,
    /// Rules for samples.
    pub metric_relabel: Arc<Vec<Rule>>,
    pub(crate) switches: Switches,
}

/// One entry of `<name>_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The plugin that serves it.
    pub plugin: String,
    /// The entry as JSON.
    pub section: String,
    /// Milliseconds between refreshes.
    pub refresh_ms: u64,
}

/// The plugin of an `exporter:` job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exporter {
    /// Its name.
    pub plugin: String,
    /// `exporter_config` as JSON.
    pub section: String,
}

/// What `global` and jobs both may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    /// Whether `scrape_timeout_seconds` and its like are stored.
    pub(crate) extra_scrape_metrics: bool,
    /// Whether names are limited to the classic characters.
    pub(crate) legacy_names: bool,
    /// How targets are to write other names.
    pub(crate) escaping: Escaping,
    /// What targets are asked for; none is what [`protocols::DEFAULT`] says.
    pub(crate) protocols: Vec<Protocol>,
}

impl Switches {
    /// The `Accept` header of scrapes.
    pub(crate) fn accept(&self) -> String {
        let protocols = if self.protocols.is_empty() { &protocols::DEFAULT[..] } else { &self.protocols };
        protocols::accept(protocols, self.escaping)
    }
}

/// Keys that concern native histograms, which no format that is asked for yet can carry.
const HISTOGRAM_SWITCHES: [&str; 3] =
    ["scrape_native_histograms", "convert_classic_histograms_to_nhcb", "always_scrape_classic_histograms"];

impl Switches {
    pub(super) fn from_section(section: &mut Section<'_>, default: &Self, warnings: &mut Vec<String>) -> Result<Self, ConfigError> {
        for key in HISTOGRAM_SWITCHES {
            if let Some(node) = section.optional(key).filter(|node| node.as_bool() != Ok(false)) {
                node.as_bool()?;
                warnings.push(format!("{}: {key} has no effect yet: classic histograms are stored as they come", node.path));
            }
        }
        if let Some(node) = section.optional("scrape_failure_log_file") {
            node.as_str()?;
            warnings
                .push(format!("{}: scrape_failure_log_file has no effect yet: failures are in the log and on the targets page", node.path));
        }
        let legacy_names = match section.optional("metric_name_validation_scheme") {
            None => default.legacy_names,
            Some(node) => match node.as_str()? {
                "" => default.legacy_names,
                "utf8" => false,
                "legacy" => true,
                other => return Err(node.error(format!("unknown name validation scheme {other:?}: expected utf8 or legacy"))),
            },
        };
        let escaping = match section.optional("metric_name_escaping_scheme") {
            None if legacy_names => Escaping::Underscores,
            None => default.escaping,
            Some(node) => match (node.as_str()?, legacy_names) {
                ("allow-utf-8", true) => {
                    return Err(node.error("utf8 metric names requested but validation scheme is not set to UTF8"));
                }
                ("", true) => Escaping::Underscores,
                ("", false) => default.escaping,
                (other, _) => Escaping::from_name(other).ok_or_else(|| {
                    node.error(format!("unknown escaping scheme {other:?}: expected allow-utf-8, underscores, dots or values"))
                })?,
            },
        };
        let protocols = match section.optional("scrape_protocols") {
            None => default.protocols.clone(),
            Some(node) => scrape_protocols(node, warnings)?,
        };
        let extra_scrape_metrics = section.optional("extra_scrape_metrics").map_or(Ok(default.extra_scrape_metrics), Node::as_bool)?;
        Ok(Self { extra_scrape_metrics, legacy_names, escaping, protocols })
    }
}

impl JobConfig {
    pub(super) fn from_node(
        node: &Node,
        global: &GlobalConfig,
        base_dir: &Path,
        plugins: &dyn Plugins,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let name = section.optional("job_name").map_or(Ok(""), Node::as_str)?.to_owned();
        if name.is_empty() {
            return Err(node.error("job_name is empty"));
        }
        let (interval_ms, timeout_ms) = times(&mut section, &name, global)?;
        let flag = |node: Option<&Node>, default: bool| node.map_or(Ok(default), Node::as_bool);
        let switches = Switches::from_section(&mut section, &global.switches, warnings)?;
        native_histogram_limits(&mut section)?;
        let job = Self {
            interval_ms,
            timeout_ms,
            metrics_path: section.optional("metrics_path").map_or(Ok("/metrics"), Node::as_str)?.to_owned(),
            scheme: section.optional("scheme").map_or(Ok("http".to_owned()), scheme)?,
            params: section.optional("params").map_or(Ok(Vec::new()), params)?,
            honor_labels: flag(section.optional("honor_labels"), false)?,
            honor_timestamps: flag(section.optional("honor_timestamps"), true)?,
            track_timestamps_staleness: flag(section.optional("track_timestamps_staleness"), false)?,
            enable_compression: flag(section.optional("enable_compression"), true)?,
            fallback: section.optional("fallback_scrape_protocol").map(fallback_protocol).transpose()?,
            limits: Limits::from_section(&mut section, global.limits)?,
            http: HttpConfig::from_section(&mut section, base_dir)?,
            static_groups: static_groups(section.optional("static_configs"))?,
            discoveries: discoveries(&mut section, plugins)?,
            exporter: exporter(&mut section, plugins)?,
            relabel: rules_from_node(
                section.optional("relabel_configs"),
                "target relabeling rule in scrape config",
                switches.legacy_names,
            )?,
            metric_relabel: Arc::new(rules_from_node(
                section.optional("metric_relabel_configs"),
                "metric relabeling rule in scrape config",
                switches.legacy_names,
            )?),
            switches,
            name,
        };
        section.finish()?;
        Ok(job)
    }
}

fn times(section: &mut Section<'_>, name: &str, global: &GlobalConfig) -> Result<(u64, u64), ConfigError> {
    let interval = duration(section, "scrape_interval", global.scrape_interval_ms)?;
    let node = section.optional("scrape_timeout");
    let timeout = node.map_or(Ok(0), Node::as_duration_ms)?;
    if timeout > interval {
        let message = format!("scrape timeout greater than scrape interval for scrape config with job name {name:?}");
        return Err(node.unwrap_or(section.node()).error(message));
    }
    Ok((interval, if timeout == 0 { global.scrape_timeout_ms.min(interval) } else { timeout }))
}

/// Limits of what is not read yet: they are checked, and hold without doing anything.
fn native_histogram_limits(section: &mut Section<'_>) -> Result<(), ConfigError> {
    section.optional("native_histogram_bucket_limit").map_or(Ok(0), Node::as_number::<u64>)?;
    section.optional("native_histogram_min_bucket_factor").map_or(Ok(0.0), Node::as_number::<f64>)?;
    Ok(())
}

fn scheme(node: &Node) -> Result<String, ConfigError> {
    match node.as_str()? {
        text @ ("http" | "https") => Ok(text.to_owned()),
        other => Err(node.error(format!("unknown scheme {other:?}: expected http or https"))),
    }
}

fn params(node: &Node) -> Result<Vec<(String, Vec<String>)>, ConfigError> {
    node.as_mapping()?.iter().map(|(name, _, values)| Ok((name.clone(), values.as_strings()?))).collect()
}

const PROTOCOLS: [&str; 5] =
    ["PrometheusProto", "OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "PrometheusText0.0.4", "PrometheusText1.0.0"];

fn protocol(node: &Node) -> Result<&str, ConfigError> {
    let text = node.as_str()?;
    if PROTOCOLS.contains(&text) {
        return Ok(text);
    }
    Err(node.error(format!("unknown scrape protocol {text:?}: expected one of {}", PROTOCOLS.join(", "))))
}

/// What targets are asked for, in this order.
fn scrape_protocols(node: &Node, warnings: &mut Vec<String>) -> Result<Vec<Protocol>, ConfigError> {
    let (mut seen, mut known): (Vec<&str>, Vec<Protocol>) = (Vec::new(), Vec::new());
    for entry in node.as_sequence()? {
        let text = protocol(entry)?;
        if seen.contains(&text) {
            return Err(entry.error(format!("duplicated protocol in scrape_protocols, got {text}")));
        }
        seen.push(text);
        match Protocol::from_name(text) {
            Some(protocol) => known.push(protocol),
            None => warnings.push(format!("{}: {text} is not asked for: this version reads the text formats", entry.path)),
        }
    }
    if seen.is_empty() {
        return Err(node.error("scrape_protocols cannot be empty"));
    }
    if known.is_empty() {
        return Err(node.error("this version reads the text formats alone: add PrometheusText0.0.4 to scrape_protocols"));
    }
    Ok(known)
}

fn fallback_protocol(node: &Node) -> Result<Format, ConfigError> {
    let text = protocol(node)?;
    Protocol::from_name(text)
        .map(Protocol::format)
        .ok_or_else(|| node.error(format!("this version does not read {text}: name a text format, such as PrometheusText0.0.4")))
}

fn static_groups(node: Option<&Node>) -> Result<Vec<TargetGroup>, ConfigError> {
    let entries = node.map_or(Ok(&[][..]), Node::as_sequence)?;
    let group = |(at, entry): (usize, &Node)| {
        if entry.is_null() {
            return Err(entry.error("empty or null section in static_configs"));
        }
        let mut section = Section::new(entry)?;
        let mut targets = Vec::new();
        for target in section.optional("targets").map_or(Ok(&[][..]), Node::as_sequence)? {
            let text = target.as_str()?;
            // A URL here would silently lose its path.
            if text.contains('/') {
                return Err(target.error(format!("{text:?} is not a valid hostname: write host:port, the path goes into metrics_path")));
            }
            targets.push(text.to_owned());
        }
        let labels = section.optional("labels").map_or(Ok(Vec::new()), Node::as_string_map)?;
        if let Some((name, _)) = labels.iter().find(|(name, _)| name.is_empty()) {
            return Err(entry.error(format!("{name:?} is not a valid label name")));
        }
        section.finish()?;
        Ok(TargetGroup { source: format!("static/{at}"), targets, labels: LabelSet::from_pairs(labels) })
    };
    entries.iter().enumerate().map(group).collect()
}

fn no_plugin(what: &str, plugin: &str) -> String {
    format!("no plugin serves {what:?}: put {plugin}.wasm into plugins/")
}

fn discoveries(section: &mut Section<'_>, plugins: &dyn Plugins) -> Result<Vec<Discovery>, ConfigError> {
    let mut found = Vec::new();
    for (plugin, position, list) in section.with_suffix("_sd_configs") {
        check_served(plugin, position, list, plugins)?;
        for entry in list.as_sequence()? {
            if entry.is_null() {
                return Err(entry.error(format!("empty or null section in {plugin}_sd_configs")));
            }
            entry.as_mapping()?;
            let default = if plugin == "dns" { 30_000 } else { 60_000 };
            let refresh = entry.get("refresh_interval").filter(|node| !node.is_null()).map_or(Ok(default), Node::as_duration_ms)?;
            if refresh == 0 {
                return Err(entry.get("refresh_interval").unwrap_or(entry).error("a refresh interval of 0"));
            }
            found.push(Discovery {
                plugin: plugin.to_owned(),
                section: plugins.section(plugin, PluginKind::Discovery, entry)?,
                refresh_ms: refresh,
            });
        }
    }
    Ok(found)
}

fn check_served(plugin: &str, position: Position, list: &Node, plugins: &dyn Plugins) -> Result<(), ConfigError> {
    if plugins.serves(plugin, PluginKind::Discovery) {
        return Ok(());
    }
    Err(ConfigError { path: list.path.clone(), position, message: no_plugin(&format!("{plugin}_sd_configs"), plugin) })
}

fn exporter(section: &mut Section<'_>, plugins: &dyn Plugins) -> Result<Option<Exporter>, ConfigError> {
    let (name, config) = (section.optional("exporter"), section.optional("exporter_config"));
    let Some(node) = name else {
        return config.map_or(Ok(None), |config| Err(config.error("exporter_config without exporter: name the plugin that it is for")));
    };
    let plugin = node.as_str()?.to_owned();
    if !plugins.serves(&plugin, PluginKind::Exporter) {
        return Err(node.error(no_plugin(&format!("exporter: {plugin}"), &plugin)));
    }
    let empty = Node::empty_mapping();
    let section = plugins.section(&plugin, PluginKind::Exporter, config.unwrap_or(&empty))?;
    Ok(Some(Exporter { plugin, section }))
}
