//! How long, how much, how many: the limits of one call, by kind, and what the operator changes of them.

use std::time::Duration;

use model::config::{ConfigError, Node, Section};
use model::seams::PluginKind;

/// What the operator writes under `limits:` of a plugin. What is left out is the kind's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `timeout`: how long a call may run.
    pub timeout: Option<Duration>,
    /// `memory`: bytes of all linear memories of a call together.
    pub memory_bytes: Option<u64>,
    /// `result`: bytes that one call may hand to the host.
    pub result_bytes: Option<u64>,
    /// `body`: bytes of one HTTP response that the plugin fetches, and of a request that it serves.
    pub body_bytes: Option<u64>,
    /// `files`: bytes that one call may read of files.
    pub file_bytes: Option<u64>,
    /// `log_lines`: lines of one call that are logged.
    pub log_lines: Option<u32>,
    /// `concurrency`: calls at one time.
    pub concurrency: Option<u32>,
    /// `series`: series of the plugin's own metrics.
    pub series: Option<u32>,
    /// `kv`: bytes of keys and values in the plugin's store.
    pub kv_bytes: Option<u64>,
}

impl LimitsConfig {
    pub(crate) fn from_node(node: &Node) -> Result<Self, ConfigError> {
        let mut section = Section::new(node)?;
        let mut bytes = |key: &str| section.optional(key).map(Node::as_bytes).transpose();
        let (memory_bytes, result_bytes, body_bytes) = (bytes("memory")?, bytes("result")?, bytes("body")?);
        let (file_bytes, kv_bytes) = (bytes("files")?, bytes("kv")?);
        let mut count = |key: &str| section.optional(key).map(positive).transpose();
        let (log_lines, concurrency, series) = (count("log_lines")?, count("concurrency")?, count("series")?);
        let timeout = section.optional("timeout").map(timeout).transpose()?;
        if let Some(node) = node.get("memory")
            && memory_bytes.is_some_and(|bytes| bytes > MEMORY_BYTES_MAX as u64)
        {
            return Err(node.error("a plugin can have at most 512MiB of memory"));
        }
        section.finish()?;
        Ok(Self { timeout, memory_bytes, result_bytes, body_bytes, file_bytes, log_lines, concurrency, series, kv_bytes })
    }
}

fn positive(node: &Node) -> Result<u32, ConfigError> {
    let number: u32 = node.as_number()?;
    if number == 0 { Err(node.error("expected a number above 0")) } else { Ok(number) }
}

fn timeout(node: &Node) -> Result<Duration, ConfigError> {
    let ms = node.as_duration_ms()?;
    if ms == 0 || ms > 300_000 {
        Err(node.error("a call can run for more than nothing and at most 5m"))
    } else {
        Ok(Duration::from_millis(ms))
    }
}

/// Address space of one memory in the pool: no limit can be above it.
pub(crate) const MEMORY_BYTES_MAX: usize = 512 << 20;

/// The limits of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long the component itself may run. Waiting in an import does not count.
    pub(crate) own: Duration,
    /// How long the call may take in all.
    pub(crate) whole: Duration,
    /// What of that has passed before the call began.
    pub(crate) waited: Duration,
    /// Bytes of all linear memories together.
    pub(crate) memory_bytes: usize,
    /// Bytes that the component may hand to the host.
    pub(crate) result_bytes: usize,
    /// Bytes of one response that it fetches.
    pub(crate) body_bytes: u64,
    /// Bytes that it reads of files.
    pub(crate) file_bytes: u64,
    /// Lines that are logged; the rest is counted.
    pub(crate) log_lines: u32,
}

/// Elements of all tables of one call together.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 400_000;

/// Handles to host resources that a component may hold at once.
pub(crate) const HANDLES_MAX: usize = 10_000;

/// Bytes of standard output and of standard error that are kept of one call.
pub(crate) const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Samples of one scrape, targets of one refresh, whatever else comes as a list of records.
pub(crate) const RECORDS_MAX: usize = 200_000;

/// Bytes of keys and values in a plugin's store.
pub(crate) const KV_BYTES_MAX: u64 = 16 << 20;

/// Series of a plugin's own metrics.
pub(crate) const SERIES_MAX: u32 = 10_000;

/// Calls of one plugin at one time.
pub(crate) const CONCURRENCY_MAX: u32 = 64;

impl Limits {
    /// Of a call of this kind. `scrape` is the timeout of the scrape that an exporter's call is part of.
    pub(crate) fn of(kind: PluginKind, config: &LimitsConfig, scrape: Option<Duration>) -> Self {
        let (own, whole) = match (kind, config.timeout) {
            (PluginKind::Exporter, timeout) => {
                let whole = scrape.unwrap_or(Duration::from_secs(10));
                (timeout.unwrap_or(Duration::from_secs(1)).min(whole), whole)
            }
            (_, Some(timeout)) => (timeout, timeout),
            (PluginKind::Channel, None) => (Duration::from_secs(5), Duration::from_secs(5)),
            (PluginKind::Panel, None) => (Duration::from_secs(1), Duration::from_secs(1)),
            (PluginKind::Discovery | PluginKind::HttpHandler | PluginKind::DataSource, None) => {
                (Duration::from_secs(10), Duration::from_secs(10))
            }
        };
        Self {
            own,
            whole,
            waited: Duration::ZERO,
            memory_bytes: config.memory_bytes.map_or(64 << 20, |bytes| usize::try_from(bytes).unwrap_or(MEMORY_BYTES_MAX)),
            result_bytes: config.result_bytes.map_or(16 << 20, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            body_bytes: config.body_bytes.unwrap_or(16 << 20),
            file_bytes: config.file_bytes.unwrap_or(64 << 20),
            log_lines: config.log_lines.unwrap_or(100),
        }
    }

    /// How long the call itself may take.
    pub(crate) fn left(&self) -> Duration {
        self.whole.saturating_sub(self.waited)
    }

    /// Of the calls that find out what a component is, at load.
    pub(crate) fn of_load() -> Self {
        Self { own: Duration::from_secs(2), whole: Duration::from_secs(10), ..Self::of(PluginKind::Panel, &LimitsConfig::default(), None) }
    }
}
