use std::path::{Path, PathBuf};
use std::sync::Arc;

use exposition::Format;
use http_client::HttpConfig;
use model::TargetGroup;
use model::config::{ConfigError, Node, Section};

use super::global::{GlobalConfig, duration};
use super::limits::Limits;
use super::names::{Names, fallback_protocol, scrape_protocols};
use super::targets::{DiscoveryReader, static_groups};
use crate::native::HistogramRules;
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
    /// Where failed scrapes are written down, one line of JSON each.
    pub failure_log: Option<PathBuf>,
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
    /// How targets are to write other names; none where nothing is said.
    pub(crate) escaping: Option<Escaping>,
    /// What targets are asked for; none is what [`protocols::DEFAULT`] says.
    pub(crate) protocols: Vec<Protocol>,
    /// Where failed scrapes are written down.
    pub(crate) failure_log: Option<PathBuf>,
    /// What becomes of histograms.
    pub(crate) histograms: HistogramRules,
}

impl Switches {
    /// The `Accept` header of scrapes.
    pub(crate) fn accept(&self) -> String {
        let protocols = match &self.protocols[..] {
            [] if self.histograms.native => &protocols::DEFAULT_NATIVE[..],
            [] => &protocols::DEFAULT,
            said => said,
        };
        let default = if self.legacy_names { Escaping::Underscores } else { Escaping::AllowUtf8 };
        protocols::accept(protocols, self.escaping.unwrap_or(default))
    }
}

impl Switches {
    pub(super) fn from_section(section: &mut Section<'_>, default: &Self, base_dir: &Path) -> Result<Self, ConfigError> {
        let histograms = histogram_rules(section, default.histograms)?;
        let failure_log = match section.optional("scrape_failure_log_file") {
            None => default.failure_log.clone(),
            Some(node) if node.as_str()?.is_empty() => default.failure_log.clone(),
            Some(node) => Some(base_dir.join(node.as_str()?)),
        };
        let names = Names::from_section(section, Names { legacy: default.legacy_names, escaping: default.escaping })?;
        let extra_scrape_metrics = section.optional("extra_scrape_metrics").map_or(Ok(default.extra_scrape_metrics), Node::as_bool)?;
        let protocols = match section.optional("scrape_protocols") {
            None => default.protocols.clone(),
            Some(node) => scrape_protocols(node)?,
        };
        Ok(Self { extra_scrape_metrics, legacy_names: names.legacy, escaping: names.escaping, failure_log, protocols, histograms })
    }
}

fn histogram_rules(section: &mut Section<'_>, default: HistogramRules) -> Result<HistogramRules, ConfigError> {
    let mut flag = |key: &str, default: bool| section.optional(key).map_or(Ok(default), Node::as_bool);
    let native = flag("scrape_native_histograms", default.native)?;
    let classic_too = flag("always_scrape_classic_histograms", default.classic_too)?;
    // Its name in Prometheus 2.
    let classic_too = flag("scrape_classic_histograms", classic_too)?;
    let custom_buckets = flag("convert_classic_histograms_to_nhcb", default.custom_buckets)?;
    Ok(HistogramRules { native, classic_too, custom_buckets, ..default })
}

impl JobConfig {
    pub(super) fn from_node(
        node: &Node,
        global: &GlobalConfig,
        base_dir: &Path,
        found: &mut DiscoveryReader<'_>,
    ) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let name = section.optional("job_name").map_or(Ok(""), Node::as_str)?.to_owned();
        let (interval_ms, timeout_ms) = times(&mut section, &name, global)?;
        let flag = |node: Option<&Node>, default: bool| node.map_or(Ok(default), Node::as_bool);
        let mut switches = Switches::from_section(&mut section, &global.switches, base_dir)?;
        native_histogram_limits(&mut section, &mut switches.histograms)?;
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
            fallback: fallback_protocol(section.optional("fallback_scrape_protocol"))?,
            limits: Limits::from_section(&mut section, global.limits)?,
            http: HttpConfig::from_section(&mut section, base_dir)?,
            static_groups: static_groups(section.optional("static_configs"))?,
            discoveries: found.discoveries(&mut section)?,
            exporter: found.exporter(&mut section)?,
            failure_log: switches.failure_log.clone(),
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
        // Last, as upstream: what is wrong inside a job is told before that it has no name.
        if job.name.is_empty() {
            return Err(node.error("job_name is empty"));
        }
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

/// Limits of native histograms, which only a job has.
fn native_histogram_limits(section: &mut Section<'_>, rules: &mut HistogramRules) -> Result<(), ConfigError> {
    rules.bucket_limit = section.optional("native_histogram_bucket_limit").map_or(Ok(0), Node::as_number::<u64>)?;
    let factor = section.optional("native_histogram_min_bucket_factor").map_or(Ok(0.0), Node::as_number::<f64>)?;
    rules.schema_max = HistogramRules::schema_of_factor(factor);
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
