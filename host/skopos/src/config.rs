//! Reads a configuration with every file it names, and says where it is wrong. Each crate reads its own section; this
//! module knows the keys at the top, and which file an error is in. `reader.rs` goes through them, `elsewhere.rs` reads what is
//! about other servers, which nothing serves yet.

mod elsewhere;
mod reader;
mod storage;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alerting::AlertingConfig;
use dashboards::Dashboard;
use model::config::{ConfigError, Node, Section};
use plugin_host::{PluginHost, PluginsConfig};
use rules::RuleFile;
use scrape::ScrapeConfig;

pub(crate) use reader::{alerting_alone, read_dashboard};
pub(crate) use storage::{EXEMPLARS_MAX, Retention, Storage};

use crate::files::Files;
use crate::watch::WatchedFiles;
use reader::Reader;

/// Where a configuration comes from, as the flags say.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSource {
    /// None: the embedded default.
    pub(crate) file: Option<PathBuf>,
    pub(crate) alertmanager_file: Option<PathBuf>,
    pub(crate) dashboard_folders: Vec<PathBuf>,
    pub(crate) files: Files,
    /// `--config.allow-missing-plugins`: keys that no plugin serves are warnings.
    pub(crate) allow_missing_plugins: bool,
    /// What rules may use of the language's experimental parts.
    pub(crate) features: promql::Features,
}

/// The main file, parsed and not yet understood: what is needed before plugins can be asked.
pub(crate) struct MainFile {
    pub(crate) root: Node,
    /// As errors name it.
    pub(crate) name: String,
    /// What relative paths in it are relative to.
    pub(crate) base_dir: PathBuf,
    pub(crate) plugins: PluginsConfig,
    pub(crate) resolver: Vec<String>,
}

impl MainFile {
    /// A main file in this folder that says nothing.
    pub(crate) fn nothing(folder: &Path) -> Self {
        Self {
            root: Node::empty_mapping(),
            name: String::new(),
            base_dir: folder.to_owned(),
            plugins: PluginsConfig::default(),
            resolver: Vec::new(),
        }
    }
}

/// A configuration that holds together.
pub(crate) struct Config {
    pub(crate) scrape: ScrapeConfig,
    pub(crate) rules: Vec<RuleFile>,
    pub(crate) alerting: AlertingConfig,
    pub(crate) dashboards: Arc<Vec<Arc<Dashboard>>>,
    /// Files in dashboard folders that are no dashboards.
    pub(crate) dashboard_errors: Vec<String>,
    pub(crate) plugins: PluginsConfig,
    pub(crate) resolver: Vec<String>,
    /// The section `otlp`.
    pub(crate) otlp: remote::OtlpOptions,
    /// The section `storage`, which counts before the flags.
    pub(crate) storage: Storage,
    /// What is accepted and has no effect, or less than it says, each with file and place.
    pub(crate) warnings: Vec<String>,
    /// Plugins that are named and not there, where that is allowed.
    pub(crate) missing_plugins: Vec<String>,
    /// For the status page, without secrets.
    pub(crate) shown: String,
}

/// Why a configuration is not taken up.
#[derive(Debug)]
pub(crate) struct LoadError {
    /// The file at fault.
    pub(crate) file: String,
    pub(crate) error: ConfigError,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `file:line:column: path: what`, as compilers write it.
        let separator = if self.error.position.line > 0 { ":" } else { ": " };
        write!(f, "{}{separator}{}", self.file, self.error)
    }
}

impl std::error::Error for LoadError {}

impl ConfigSource {
    /// Reads the main file and what is needed to start the plugins.
    pub(crate) fn read_main(&self, watched: &mut WatchedFiles) -> Result<MainFile, LoadError> {
        let (path, name) = match &self.file {
            Some(path) => (path.clone(), path.display().to_string()),
            None => (PathBuf::from("skopos.yml"), "the embedded configuration".to_owned()),
        };
        if self.files == Files::Disk {
            watched.add(&path);
        }
        let root = parse_file(&self.files, &path, &name)?;
        let located = |error| LoadError { file: name.clone(), error };
        let empty = Node::empty_mapping();
        let plugins = PluginsConfig::from_node(root.get("plugins").unwrap_or(&empty)).map_err(located)?;
        let resolver = root.get("resolver").map_or_else(|| Ok(Vec::new()), resolver_servers).map_err(located)?;
        let base_dir = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(MainFile { root, name, base_dir, plugins, resolver })
    }

    /// Reads everything. Plugins are asked whether they serve what is named. `watched` gets the files that were looked at, also
    /// where the configuration is refused.
    pub(crate) fn read(&self, main: MainFile, host: &PluginHost, watched: &mut WatchedFiles) -> Result<Config, LoadError> {
        Reader::new(self, host, watched).read(main)
    }
}

/// Reads a file and parses it. The error names it.
pub(crate) fn parse_file(files: &Files, path: &Path, name: &str) -> Result<Node, LoadError> {
    let located = |error| LoadError { file: name.to_owned(), error };
    let text = files.read(path).map_err(located)?;
    yaml::parse(&text).map_err(located)
}

fn resolver_servers(node: &Node) -> Result<Vec<String>, ConfigError> {
    let mut section = Section::new(node)?;
    let servers = section.required("servers")?;
    section.finish()?;
    for server in servers.as_sequence()? {
        http_client::Resolver::with_servers(&[server.as_str()?]).map_err(|e| server.error(e.to_string()))?;
    }
    servers.as_strings()
}
