//! What plugins do for the others.

use std::fmt;
use std::sync::Arc;

use super::BoxFuture;
use crate::config::{ConfigError, Node};
use crate::view::{PanelRequest, Rendering};
use crate::{MetricFamily, Notification, Receipt, SendError, TargetGroup};

/// The kinds of plugins, by the interface a component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginKind {
    /// Finds targets: `<name>_sd_configs`.
    Discovery,
    /// Produces metrics: `exporter: <name>`.
    Exporter,
    /// Serves HTTP: `serve:`.
    HttpHandler,
    /// Delivers notifications: `<name>_configs`.
    Channel,
    /// Draws panels: `type: <name>`.
    Panel,
    /// Answers queries of panels.
    DataSource,
}

impl PluginKind {
    /// As the API and the pages write it, which is the interface's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Exporter => "exporter",
            Self::HttpHandler => "http-handler",
            Self::Channel => "channel",
            Self::Panel => "panel",
            Self::DataSource => "datasource",
        }
    }
}

/// Why a plugin's call failed. The text names the plugin, the call and the last lines it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginError {
    /// No plugin of that name and kind is loaded.
    Missing(String),
    /// The configuration does not fit. Retrying will not help.
    Config(String),
    /// A remote party did not answer. Worth retrying.
    Unavailable(String),
    /// The plugin's own failure: a trap, a passed deadline, a limit.
    Failed(String),
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(text) | Self::Config(text) | Self::Unavailable(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for PluginError {}

/// Hands out what plugins do. Implemented by `plugin-host`. What it hands out looks the plugin up at each call, so that a
/// replaced file takes effect.
///
/// `section` is the plugin's section of the configuration as JSON; grants that stand in it hold for these calls alone.
pub trait Plugins: Send + Sync {
    /// Whether a plugin of that name and kind is loaded now.
    fn serves(&self, name: &str, kind: PluginKind) -> bool;
    /// A source of targets for one entry of `<name>_sd_configs`.
    fn target_source(&self, name: &str, section: &str) -> Result<Arc<dyn TargetSource>, PluginError>;
    /// A source of metrics for a job with `exporter: <name>`; `section` is its `exporter_config`.
    fn metric_source(&self, name: &str, section: &str) -> Result<Arc<dyn MetricSource>, PluginError>;
    /// A channel for one entry of `<name>_configs`.
    fn channel(&self, name: &str, section: &str) -> Result<Arc<dyn Channel>, PluginError>;
    /// A section as the JSON text that the methods above take, checked against what the plugin says of it: the error carries
    /// the place in the file. The default knows no plugin and checks nothing.
    fn section(&self, name: &str, kind: PluginKind, node: &Node) -> Result<String, ConfigError> {
        let _ = (name, kind);
        Ok(node.to_json().to_string())
    }
    /// What draws panels of `type: <name>`.
    fn panel(&self, name: &str) -> Result<Arc<dyn PanelRender>, PluginError>;
}

/// Draws panels.
pub trait PanelRender: Send + Sync {
    /// One picture of the request's frames. A pure function of the request: the answer may be kept.
    fn render(&self, request: PanelRequest) -> BoxFuture<'_, Result<Rendering, PluginError>>;
}

/// Finds targets.
pub trait TargetSource: Send + Sync {
    /// The full list of groups now. On an error the caller keeps the last list.
    fn refresh(&self) -> BoxFuture<'_, Result<Vec<TargetGroup>, PluginError>>;
}

/// Produces metrics in place of an HTTP fetch.
pub trait MetricSource: Send + Sync {
    /// One scrape of `target` (empty: this host). `written` says that the operator wrote the target, which grants it for
    /// this call; one that discovery found needs a grant. `timeout_ms` is the scrape's.
    fn collect<'a>(&'a self, target: &'a str, written: bool, timeout_ms: u64) -> BoxFuture<'a, Result<Exposition, PluginError>>;
}

/// What an exporter answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Exposition {
    /// OpenMetrics if it ends in `# EOF`, else the Prometheus text format; parsed like a scraped body.
    Text(String),
    /// Typed families.
    Families(Vec<MetricFamily>),
}

/// Delivers notifications.
pub trait Channel: Send + Sync {
    /// Template fields of the section, by JSON Pointer, with the text the operator wrote or the schema's default. The caller
    /// expands them for each notification and passes the results to [`Channel::send`].
    fn templates(&self) -> Vec<TemplateField>;

    /// Sends one message. `expanded` holds the results for [`Channel::templates`], in their order. Called again with the
    /// same notification after a retryable error: at least once.
    fn send<'a>(&'a self, notification: &'a Notification, expanded: &'a [String]) -> BoxFuture<'a, Result<Receipt, SendError>>;
}

/// A field that the host expands for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateField {
    /// Where it stands in the section, as `/text` or `/fields/0/title`.
    pub pointer: String,
    /// The Go template.
    pub text: String,
    /// Whether values are escaped for HTML.
    pub html: bool,
}

/// A request to a plugin that serves HTTP. Fields as in the contract's `http-handler`.
#[derive(Clone, Debug, Default)]
pub struct HandlerRequest {
    /// In upper case.
    pub method: String,
    /// Where the plugin is mounted, empty on a route or address of its own.
    pub mount: String,
    /// What follows it, beginning with `/`.
    pub path: String,
    /// Without the question mark.
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most the plugin's limit.
    pub body: Vec<u8>,
    /// `ip:port` of the client.
    pub remote: String,
    /// Who is signed in.
    pub user: Option<String>,
}

/// What it answers.
#[derive(Clone, Debug, Default)]
pub struct HandlerResponse {
    /// The status code.
    pub status: u16,
    /// As the plugin gave them, less those the contract drops.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Serves HTTP.
pub trait HttpHandler: Send + Sync {
    /// One request. A failure is an answer too: 502 for a trap, 504 for a passed deadline, 503 for too many at once.
    fn handle(&self, request: HandlerRequest) -> BoxFuture<'_, HandlerResponse>;
}
