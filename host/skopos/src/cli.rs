//! Flags and subcommands. Names are the peers', so that a script that starts them starts Skopos.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use model::format_duration;

use crate::storage::default_query_memory;

mod commands;
pub(crate) mod features;
mod tsdb;

pub(crate) use commands::name_and_value;
pub(crate) use commands::{
    Check, CheckConfig, Command, ConfigFiles, FileKind, ListOutput, Notify, Output, Plugin, Query, ServerArgs, Test, TimeArgs,
};
pub(crate) use tsdb::{CreateBlocksFrom, DataFormat, SelectArgs, Tsdb};

/// Skopos: monitoring in one binary, extended by WebAssembly components.
///
/// Without a configuration it watches itself and the services it brings along, on http://127.0.0.1:9090.
#[derive(Debug, Parser)]
#[command(
    name = "skopos",
    version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SKOPOS_REVISION"), ")"),
    after_help = "Examples:
  skopos                                        the embedded default configuration
  skopos --config.file=prometheus.yml --alertmanager.config.file=alertmanager.yml
  skopos --config.file=prometheus.yml --dashboards.path=boards/ --plugins.dir=plugins/
  skopos check config prometheus.yml            is the file good, and where is it not?
  skopos query instant 'rate(http_requests_total[5m])'
  skopos notify test team                       a test message through the receiver team
  skopos plugin list                            what extends this Skopos
  skopos tsdb import --format=prometheus /var/lib/prometheus data/

`skopos help COMMAND` shows each command with examples. Commands end with 0 if all is good, 1 if not, 2 if they were called wrongly."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) server: ServerFlags,
}

/// What the server takes. Paths are relative to the working directory.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerFlags {
    /// Configuration (YAML or JSON), a superset of prometheus.yml. Without it the embedded default counts.
    #[arg(long = "config.file", value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// An alertmanager.yml, in place of the section `alertmanager`.
    #[arg(long = "alertmanager.config.file", value_name = "FILE")]
    pub(crate) alertmanager_config_file: Option<PathBuf>,
    /// Keys that no plugin serves (consul_sd_configs, opsgenie_configs, …) become warnings, and find or tell nobody: for trying out
    /// a large file.
    #[arg(long = "config.allow-missing-plugins")]
    pub(crate) allow_missing_plugins: bool,
    /// A folder of dashboards (Grafana's JSON, or the same as YAML). May come more than once.
    #[arg(long = "dashboards.path", value_name = "DIR")]
    pub(crate) dashboards_path: Vec<PathBuf>,
    /// The watched directory of plugins. [default: plugins beside the configuration file]
    #[arg(long = "plugins.dir", value_name = "DIR")]
    pub(crate) plugins_dir: Option<PathBuf>,
    /// Data directory.
    #[arg(long = "storage.tsdb.path", value_name = "DIR", default_value = "data/")]
    pub(crate) storage_path: PathBuf,
    /// How long samples are kept, such as 15d.
    #[arg(long = "storage.tsdb.retention.time", value_name = "DURATION", default_value = "15d", value_parser = duration)]
    pub(crate) retention_ms: u64,
    /// Most bytes of blocks, log and head together, such as 512MB: the oldest go first. 0: no limit.
    #[arg(long = "storage.tsdb.retention.size", value_name = "SIZE", default_value = "0", value_parser = size)]
    pub(crate) retention_bytes: u64,
    /// Most memory for head and index, such as 2GB: past it new series are refused, known ones go on. 0: no limit. [default: a third of
    /// the machine's memory, or of the control group's]
    #[arg(long = "storage.memory-budget", value_name = "SIZE", value_parser = size)]
    pub(crate) memory_budget: Option<u64>,
    /// Most seconds of samples that a power cut may take, as a duration. With 0 an acknowledgement waits for the disk.
    #[arg(long = "storage.wal-sync", value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) wal_sync_ms: u64,
    /// Address of the web interface and the API. May come more than once.
    #[arg(long = "web.listen-address", value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    pub(crate) listen_addresses: Vec<String>,
    /// Users, TLS and headers of the web interface, in upstream's format. Changes are taken up while running.
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub(crate) web_config_file: Option<PathBuf>,
    /// Other sites whose pages may read the API's answers, as an anchored regular expression of their origins, such as
    /// https://(grafana|wiki)\.example. They can change nothing. [default: none]
    #[arg(long = "web.cors.origin", value_name = "REGEX", value_parser = origins)]
    pub(crate) cors_origin: Option<model::Pattern>,
    /// The address under which others reach this Skopos, for links in notifications. [default: the first listen address]
    #[arg(long = "web.external-url", value_name = "URL")]
    pub(crate) external_url: Option<String>,
    /// Path below which everything is served, such as /skopos, for a proxy that passes it on. With / a proxy takes it away. [default: the path of
    /// --web.external-url]
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    pub(crate) route_prefix: Option<String>,
    /// Lets POST /-/reload and /-/quit work. SIGHUP and changed files reload in any case.
    #[arg(long = "web.enable-lifecycle")]
    pub(crate) enable_lifecycle: bool,
    /// Lets POST /api/v1/admin/tsdb/… delete series and take snapshots.
    #[arg(long = "web.enable-admin-api")]
    pub(crate) enable_admin_api: bool,
    /// Lets other servers write samples: POST /api/v1/write takes remote write 1.0 and 2.0.
    #[arg(long = "web.enable-remote-write-receiver")]
    pub(crate) enable_remote_write_receiver: bool,
    /// Lets OpenTelemetry's senders write metrics: POST /api/v1/otlp/v1/metrics takes OTLP/HTTP, protobuf.
    #[arg(long = "web.enable-otlp-receiver")]
    pub(crate) enable_otlp_receiver: bool,
    /// Longest time a query may take, waiting for its turn included.
    #[arg(long = "query.timeout", value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub(crate) query_timeout_ms: u64,
    /// Queries that run at the same time; more wait until one ends or their time is over.
    #[arg(long = "query.max-concurrency", value_name = "N", default_value_t = 20)]
    pub(crate) query_concurrency: usize,
    /// Most samples that one query may hold.
    #[arg(long = "query.max-samples", value_name = "N", default_value_t = 50_000_000)]
    pub(crate) query_samples_max: usize,
    /// Most memory that one query may hold, its answer included, such as 512MB.
    #[arg(long = "query.max-memory", value_name = "SIZE", default_value = "1GB", value_parser = size)]
    pub(crate) query_bytes: u64,
    /// Most memory that all queries together may hold, answers and rules included. One that finds no room ends with an error.
    /// [default: a quarter of the machine's or container's memory]
    #[arg(long = "query.max-memory-total", value_name = "SIZE", value_parser = size)]
    pub(crate) queries_bytes: Option<u64>,
    /// Queries that take this long are written to the log, with what they cost and who asked. 0s: none.
    #[arg(long = "query.slow-threshold", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) query_slow_ms: u64,
    /// How far an instant query looks back for a sample.
    #[arg(long = "query.lookback-delta", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) query_lookback_ms: u64,
    /// What upstream keeps behind a flag, by its names, separated by commas: promql-experimental-functions,
    /// promql-extended-range-selectors, promql-binop-fill-modifiers, promql-delayed-name-removal, promql-per-step-stats, use-start-timestamps. Of what is on
    /// here anyway, and of what is not here, the log says so. May come more than once.
    #[arg(long = "enable-feature", value_name = "NAME", value_delimiter = ',')]
    pub(crate) features: Vec<String>,
    /// Only lines of this level or above.
    #[arg(long = "log.level", value_enum, default_value_t = LogLevel::Info)]
    pub(crate) log_level: LogLevel,
    /// Form of the log.
    #[arg(long = "log.format", value_enum, default_value_t = LogFormat::Logfmt)]
    pub(crate) log_format: LogFormat,
}

impl ServerFlags {
    /// The path below which everything is served, without a slash at its end; empty for none.
    pub(crate) fn prefix(&self) -> String {
        let path = match (&self.route_prefix, &self.external_url) {
            (Some(given), _) => given.as_str(),
            (None, Some(url)) => url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path),
            (None, None) => "",
        };
        let inner = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
        if inner.is_empty() { String::new() } else { format!("/{inner}") }
    }

    /// The memory of all queries together.
    pub(crate) fn all_queries_bytes(&self) -> u64 {
        self.queries_bytes.or_else(default_query_memory).unwrap_or(u64::MAX)
    }

    /// The experimental parts of PromQL that are asked for.
    pub(crate) fn promql_features(&self) -> promql::Features {
        promql::Features::named(self.features.iter().map(String::as_str))
    }

    /// Whether this feature is asked for.
    pub(crate) fn feature(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature == name)
    }

    /// The values in force, by the flags' names, as `/api/v1/status/flags` shows them.
    pub(crate) fn as_map(&self) -> BTreeMap<String, String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map_or_else(String::new, |p| p.display().to_string());
        let pairs = [
            ("config.file", path(&self.config_file)),
            ("alertmanager.config.file", path(&self.alertmanager_config_file)),
            ("config.allow-missing-plugins", self.allow_missing_plugins.to_string()),
            ("dashboards.path", self.dashboards_path.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(",")),
            ("plugins.dir", path(&self.plugins_dir)),
            ("storage.tsdb.path", self.storage_path.display().to_string()),
            ("storage.tsdb.retention.time", format_duration(self.retention_ms)),
            ("storage.tsdb.retention.size", format!("{}B", self.retention_bytes)),
            ("storage.memory-budget", self.memory_budget.map_or_else(String::new, |bytes| format!("{bytes}B"))),
            ("storage.wal-sync", format_duration(self.wal_sync_ms)),
            ("web.listen-address", self.listen_addresses.join(",")),
            ("web.config.file", path(&self.web_config_file)),
            ("web.cors.origin", self.cors_origin.as_ref().map_or_else(String::new, |pattern| pattern.source().to_owned())),
            ("enable-feature", self.features.join(",")),
            ("web.external-url", self.external_url.clone().unwrap_or_default()),
            ("web.route-prefix", format!("{}/", self.prefix())),
            ("web.enable-lifecycle", self.enable_lifecycle.to_string()),
            ("web.enable-admin-api", self.enable_admin_api.to_string()),
            ("web.enable-remote-write-receiver", self.enable_remote_write_receiver.to_string()),
            ("web.enable-otlp-receiver", self.enable_otlp_receiver.to_string()),
            ("query.timeout", format_duration(self.query_timeout_ms)),
            ("query.max-concurrency", self.query_concurrency.to_string()),
            ("query.max-samples", self.query_samples_max.to_string()),
            ("query.max-memory", format!("{}B", self.query_bytes)),
            ("query.max-memory-total", format!("{}B", self.all_queries_bytes())),
            ("query.slow-threshold", format_duration(self.query_slow_ms)),
            ("query.lookback-delta", format_duration(self.query_lookback_ms)),
            ("log.level", format!("{:?}", self.log_level).to_lowercase()),
            ("log.format", format!("{:?}", self.log_format).to_lowercase()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Severity of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text with fields.
    Logfmt,
    /// One JSON object a line.
    Json,
}

fn origins(text: &str) -> Result<model::Pattern, String> {
    model::Pattern::new(text).map_err(|error| error.to_string())
}

fn duration(text: &str) -> Result<u64, String> {
    model::parse_duration(text)
}

/// A number of bytes with a unit, each 1024 times the one before, as upstream.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: write a number with a unit, such as 512MB");
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let shift = match text[digits..].to_ascii_uppercase().as_str() {
        // Upstream's words, and what to write.
        "" if !text.is_empty() && text != "0" => {
            return Err(format!("units: unknown unit  in {text}: write {text}B, {text}MB or {text}GB"));
        }
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        "P" | "PB" | "PIB" => 50,
        "E" | "EB" | "EIB" => 60,
        _ => return Err(wrong()),
    };
    let many = || format!("{text:?} is more bytes than there are");
    if let Ok(number) = text[..digits].parse::<u64>() {
        return number.checked_mul(1 << shift).ok_or_else(many);
    }
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let bytes = number * (1_u64 << shift) as f64;
    if bytes < 9e18 { Ok(bytes as u64) } else { Err(many()) }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_upstreams_units() {
        assert_eq!((size("0"), size("512MB"), size("1KiB")), (Ok(0), Ok(512 << 20), Ok(1024)));
        assert_eq!(size("1.5GB"), Ok(3 << 29));
        assert_eq!(size("5"), Err("units: unknown unit  in 5: write 5B, 5MB or 5GB".to_owned()));
        for wrong in ["", "MB", "-1GB", ".", "1.5.5GB", "5 GB", "99999999EB", "9999999.5EB", "1XB", "5"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
