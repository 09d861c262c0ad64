//! Reads a configuration with every file it names, and says where it is wrong. Each crate reads its own section; this
//! module knows the keys at the top, and which file an error is in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alerting::{Alerting, AlertingConfig, AlertingError};
use dashboards::Dashboard;
use model::config::{ConfigError, Node, NodeValue, Section};
use model::seams::PluginKind;
use plugin_host::{PluginHost, PluginsConfig};
use rules::RuleFile;
use scrape::ScrapeConfig;

use crate::files::{Files, HOME_DASHBOARD};
use crate::shown::masked_yaml;
use crate::watch::WatchedFiles;

/// Where a configuration comes from, as the flags say.
#[derive(Clone, Debug)]
pub(crate) struct ConfigSource {
    /// None: the embedded default.
    pub(crate) file: Option<PathBuf>,
    pub(crate) alertmanager_file: Option<PathBuf>,
    pub(crate) dashboard_folders: Vec<PathBuf>,
    pub(crate) files: Files,
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
    pub(crate) warnings: Vec<String>,
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

/// Keys of `prometheus.yml` that nothing serves yet. Empty ones say nothing and are taken.
const NOT_YET: [(&str, &str); 6] = [
    ("remote_write", "sending samples elsewhere is not supported yet"),
    ("remote_read", "reading samples from elsewhere is not supported yet"),
    ("scrape_config_files", "further files of jobs are not supported yet: put the jobs into scrape_configs"),
    ("otlp", "receiving OTLP is not supported yet"),
    ("storage", "use --storage.tsdb.retention.time; this section is not supported yet"),
    ("tracing", "tracing is not supported yet"),
];

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
        let mut reader = Reader { source: self, host, watched, secrets: Vec::new(), warnings: Vec::new() };
        reader.read(main)
    }
}

struct Reader<'a> {
    source: &'a ConfigSource,
    host: &'a PluginHost,
    watched: &'a mut WatchedFiles,
    /// Paths of values that a plugin's schema marks as secret.
    secrets: Vec<String>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self, main: MainFile) -> Result<Config, LoadError> {
        let located = |error| LoadError { file: main.name.clone(), error };
        let mut section = Section::new(&main.root).map_err(located)?;
        section.optional("plugins");
        section.optional("resolver");
        self.host.check(&main.plugins).map_err(located)?;
        for (key, why) in NOT_YET {
            refuse_if_said(&mut section, key, why).map_err(located)?;
        }
        if section.optional("runtime").is_some() {
            self.warnings.push("runtime: settings of Go's runtime have no meaning here".to_owned());
        }
        section.optional("alerting").map_or(Ok(()), no_outside_alertmanagers).map_err(located)?;
        let scrape = self.scrape(&mut section, &main)?;
        let rules = self.rules(section.optional("rule_files"), &main)?;
        let alerting = self.alerting(section.optional("alertmanager"), &main)?;
        let folders = section.optional("dashboards").map_or_else(|| Ok(Vec::new()), Node::as_strings).map_err(located)?;
        let (dashboards, dashboard_errors) = self.dashboards(&folders, &main);
        section.finish().map_err(located)?;
        let secrets = std::mem::take(&mut self.secrets);
        let shown = masked_yaml(&main.root, &|path| secrets.iter().any(|secret| secret == path));
        self.warnings.extend(scrape.warnings.iter().cloned());
        Ok(Config {
            scrape,
            rules,
            alerting,
            dashboards: Arc::new(dashboards),
            dashboard_errors,
            plugins: main.plugins,
            resolver: main.resolver,
            warnings: std::mem::take(&mut self.warnings),
            shown,
        })
    }

    fn scrape(&mut self, section: &mut Section<'_>, main: &MainFile) -> Result<ScrapeConfig, LoadError> {
        let located = |error| LoadError { file: main.name.clone(), error };
        let (global, jobs) = (section.optional("global"), section.optional("scrape_configs"));
        let lists: Vec<&Node> = jobs.into_iter().collect();
        let config = ScrapeConfig::from_nodes(global, &lists, &main.base_dir, self.host).map_err(located)?;
        for job in jobs.map_or(Ok(&[][..]), Node::as_sequence).map_err(located)? {
            for (key, _, list) in job.as_mapping().map_err(located)? {
                if let Some(plugin) = key.strip_suffix("_sd_configs") {
                    for entry in list.as_sequence().map_err(located)? {
                        self.remember_secrets(plugin, PluginKind::Discovery, entry);
                    }
                }
            }
            if let Some(plugin) = job.get("exporter").and_then(|node| node.as_str().ok()) {
                let empty = Node::empty_mapping();
                self.remember_secrets(plugin, PluginKind::Exporter, job.get("exporter_config").unwrap_or(&empty));
            }
        }
        Ok(config)
    }

    /// Remembers which fields of a plugin's section its schema marks as secret.
    fn remember_secrets(&mut self, plugin: &str, kind: PluginKind, node: &Node) {
        let schema = self.host.section_schema(plugin, kind).ok().flatten().and_then(|text| serde_json::from_str(&text).ok());
        if let Some(schema) = schema {
            collect_secrets(&schema, node, &mut self.secrets);
        }
    }

    fn rules(&mut self, patterns: Option<&Node>, main: &MainFile) -> Result<Vec<RuleFile>, LoadError> {
        let located = |error| LoadError { file: main.name.clone(), error };
        let mut files = Vec::new();
        for pattern in patterns.map_or(Ok(&[][..]), Node::as_sequence).map_err(located)? {
            let text = pattern.as_str().map_err(located)?;
            for path in self.matching(&main.base_dir.join(text)).map_err(|e| located(pattern.error(e)))? {
                let name = path.display().to_string();
                self.watched.add(&path);
                let root = parse_file(&self.source.files, &path, &name)?;
                files.push(RuleFile::from_node(&root, &name).map_err(|error| LoadError { file: name.clone(), error })?);
            }
        }
        Ok(files)
    }

    /// The files of a pattern; the folder is watched, so that a new one is noticed.
    fn matching(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        if let Some(folder) = pattern.parent().filter(|p| !p.as_os_str().is_empty()) {
            self.watched.add(folder);
        }
        self.source.files.glob(pattern).map_err(|e| format!("failed to list {}: {e}", pattern.display()))
    }

    fn alerting(&mut self, node: Option<&Node>, main: &MainFile) -> Result<AlertingConfig, LoadError> {
        let located = |error| LoadError { file: main.name.clone(), error };
        let from_key = match node.map(|n| &n.value) {
            Some(NodeValue::Scalar { text, .. }) => Some(main.base_dir.join(text)),
            _ => None,
        };
        if let Some(path) = self.source.alertmanager_file.clone().or(from_key) {
            // What is embedded gives way to what the operator names.
            let written = node.filter(|_| self.source.files == Files::Disk);
            if let (Some(node), true) = (written, self.source.alertmanager_file.is_some()) {
                return Err(located(node.error("both --alertmanager.config.file and alertmanager are given; leave one out")));
            }
            let name = path.display().to_string();
            // Named on the command line or by a file on disk: never among what is embedded, except beside the embedded one.
            self.watched.add(&path);
            let root = parse_file(&Files::Disk, &path, &name)?;
            let base = path.parent().unwrap_or(Path::new("")).to_owned();
            return self.alerting_tree(&root, &base).map_err(|error| LoadError { file: name, error });
        }
        match node {
            Some(node) => self.alerting_tree(node, &main.base_dir).map_err(located),
            None => self.alerting_tree(&nobody(), &main.base_dir).map_err(located),
        }
    }

    fn alerting_tree(&mut self, node: &Node, base: &Path) -> Result<AlertingConfig, ConfigError> {
        let (source, watched) = (self.source, &mut *self.watched);
        let config = AlertingConfig::from_node(node, &mut |pattern: &str| {
            let mut found = Vec::new();
            for path in source.files.glob(&base.join(pattern)).map_err(|e| e.to_string())? {
                watched.add(&path);
                let text = source.files.read(&path).map_err(|e| format!("failed to read {}: {e}", path.display()))?;
                found.push((path.display().to_string(), text));
            }
            Ok(found)
        })?;
        let no_place = |text: String| node.error(text);
        Alerting::check(config.clone(), self.host).map_err(|error| match error {
            AlertingError::Config(error) => error,
            other => no_place(other.to_string()),
        })?;
        for receiver in node.get("receivers").map_or(Ok(&[][..]), Node::as_sequence)? {
            for (key, _, list) in receiver.as_mapping()? {
                if let (Some(plugin), Ok(entries)) = (key.strip_suffix("_configs"), list.as_sequence()) {
                    for entry in entries {
                        self.remember_secrets(plugin, PluginKind::Channel, entry);
                    }
                }
            }
        }
        Ok(config)
    }

    /// The dashboards of all folders, the home dashboard first. A file that is none is left out and told.
    fn dashboards(&mut self, folders: &[String], main: &MainFile) -> (Vec<Arc<Dashboard>>, Vec<String>) {
        let named = folders.iter().map(|folder| main.base_dir.join(folder));
        let mut folders: Vec<(PathBuf, &Files)> = named.map(|folder| (folder, &self.source.files)).collect();
        folders.extend(self.source.dashboard_folders.iter().map(|folder| (folder.clone(), &Files::Disk)));
        let (mut boards, mut errors): (Vec<Arc<Dashboard>>, Vec<String>) = (Vec::new(), Vec::new());
        for (folder, files) in folders {
            self.watched.add(&folder);
            let paths = files.list(&folder).unwrap_or_else(|e| {
                errors.push(format!("{}: {e}", folder.display()));
                Vec::new()
            });
            if paths.is_empty() {
                self.warnings.push(format!("{} holds no dashboards", folder.display()));
            }
            for path in paths {
                self.watched.add(&path);
                match read_dashboard(files, &path) {
                    Ok(None) => {}
                    Ok(Some(board)) if boards.iter().any(|b| b.uid == board.uid) => {
                        errors.push(format!("{}: the uid {:?} is taken by another dashboard", path.display(), board.uid));
                    }
                    Ok(Some(board)) => boards.push(Arc::new(board)),
                    Err(error) => errors.push(format!("{}: {error}", path.display())),
                }
            }
        }
        match boards.iter().position(|board| board.uid == "home") {
            Some(at) => boards[..=at].rotate_right(1),
            None => boards.insert(0, Arc::new(home())),
        }
        (boards, errors)
    }
}

/// None for a file of another kind.
fn read_dashboard(files: &Files, path: &Path) -> Result<Option<Dashboard>, String> {
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !matches!(kind, "json" | "yml" | "yaml") {
        return Ok(None);
    }
    let text = files.read(path).map_err(|e| e.to_string())?;
    let board = if kind == "json" {
        dashboards::import(&text).map_err(|e| e.to_string())?
    } else {
        let root = yaml::parse(&text).map_err(|e| e.to_string())?;
        dashboards::from_json_value(root.to_json()).map_err(|e| e.to_string())?
    };
    Ok(Some(board))
}

fn home() -> Dashboard {
    dashboards::import(HOME_DASHBOARD).expect("the embedded dashboard is one: a test reads it")
}

fn parse_file(files: &Files, path: &Path, name: &str) -> Result<Node, LoadError> {
    let place = Node::empty_mapping();
    let text = files.read(path).map_err(|e| LoadError { file: name.to_owned(), error: place.error(format!("failed to read it: {e}")) })?;
    yaml::parse(&text).map_err(|error| LoadError { file: name.to_owned(), error })
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

fn refuse_if_said(section: &mut Section<'_>, key: &str, why: &str) -> Result<(), ConfigError> {
    let says_nothing = |node: &Node| {
        matches!(&node.value, NodeValue::Sequence(e) if e.is_empty()) || matches!(&node.value, NodeValue::Mapping(e) if e.is_empty())
    };
    match section.optional(key) {
        Some(node) if !says_nothing(node) => {
            // The key is what is refused, so its place is told.
            let entries = section.node().as_mapping()?;
            let position = entries.iter().find(|(k, ..)| k == key).map_or(node.position, |(_, position, _)| *position);
            Err(ConfigError { position, ..node.error(format!("{key}: {why}")) })
        }
        _ => Ok(()),
    }
}

/// `alerting` may stand there as in upstream's example, with an Alertmanager that is commented out.
fn no_outside_alertmanagers(node: &Node) -> Result<(), ConfigError> {
    let mut section = Section::new(node)?;
    let relabel = section.optional("alert_relabel_configs");
    let managers = section.optional("alertmanagers").map_or(Ok(&[][..]), Node::as_sequence)?;
    section.finish()?;
    for manager in managers {
        let lists = manager.get("static_configs").map_or(Ok(&[][..]), Node::as_sequence)?;
        let targets =
            lists.iter().any(|list| list.get("targets").is_some_and(|t| !t.is_null() && t.as_sequence().is_ok_and(|t| !t.is_empty())));
        let discovered = manager.as_mapping()?.iter().any(|(key, ..)| key.ends_with("_sd_configs"));
        if targets || discovered {
            return Err(manager.error("sending to an outside Alertmanager is not supported yet: Skopos routes by itself, write its configuration under alertmanager"));
        }
    }
    match relabel {
        Some(node) if !node.as_sequence()?.is_empty() => Err(node.error("alert_relabel_configs is not supported yet")),
        _ => Ok(()),
    }
}

/// Routing for a configuration that says nothing of it.
fn nobody() -> Node {
    yaml::parse("route: {receiver: nobody}\nreceivers: [{name: nobody}]").expect("a constant that a test reads")
}

/// Paths of the values whose field the schema marks `secret`. Follows `properties` and `items`, as sections are built.
fn collect_secrets(schema: &serde_json::Value, node: &Node, out: &mut Vec<String>) {
    let marked = |mark: &serde_json::Value| mark == "secret" || mark.as_array().is_some_and(|marks| marks.iter().any(|m| m == "secret"));
    if schema.get("x-skopos").is_some_and(marked) {
        out.push(node.path.clone());
    }
    match &node.value {
        NodeValue::Mapping(entries) => {
            for (key, _, entry) in entries {
                if let Some(inner) = schema.get("properties").and_then(|p| p.get(key)) {
                    collect_secrets(inner, entry, out);
                }
            }
        }
        NodeValue::Sequence(entries) => {
            if let Some(inner) = schema.get("items") {
                for entry in entries {
                    collect_secrets(inner, entry, out);
                }
            }
        }
        NodeValue::Null | NodeValue::Scalar { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_good() {
        assert_eq!(home().uid, "home");
        assert!(nobody().get("route").is_some());
    }

    #[test]
    fn an_outside_alertmanager_is_refused_and_an_empty_one_is_not() {
        let read = |text| no_outside_alertmanagers(&yaml::parse(text).expect("YAML"));
        assert!(read("alertmanagers: [{static_configs: [{targets: []}]}]").is_ok());
        assert!(read("alertmanagers:\n- static_configs:\n  - targets:\n    # - alertmanager:9093\n").is_ok());
        assert!(read("alertmanagers: [{static_configs: [{targets: ['a:9093']}]}]").is_err());
        assert!(read("alertmanagers: [{dns_sd_configs: [{names: [a]}]}]").is_err());
    }
}
