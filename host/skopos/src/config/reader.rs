//! One pass over a configuration: each section goes to the crate that knows it.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alerting::{Alerting, AlertingConfig, AlertingError};
use dashboards::Dashboard;
use model::config::{ConfigError, Node, NodeValue, Section};
use model::seams::PluginKind;
use plugin_host::PluginHost;
use rules::RuleFile;
use scrape::{JobReader, ScrapeConfig};

use super::elsewhere::Elsewhere;
use super::{Config, ConfigSource, LoadError, MainFile, Storage, parse_file};
use crate::files::{Files, HOME_DASHBOARD};
use crate::shown::masked_yaml;
use crate::watch::WatchedFiles;

/// An `alertmanager.yml` by itself, for a check of that file alone.
pub(crate) fn alerting_alone(
    root: &Node,
    path: &Path,
    source: &ConfigSource,
    host: &PluginHost,
) -> Result<(AlertingConfig, Vec<String>), LoadError> {
    let mut watched = WatchedFiles::default();
    let mut reader = Reader::new(source, host, &mut watched);
    let name = path.display().to_string();
    let config = reader.alerting_tree(root, path.parent().unwrap_or(Path::new("")), &name);
    let config = config.map_err(|error| LoadError { file: name, error })?;
    Ok((config, reader.warnings))
}

/// Goes through a configuration once.
pub(super) struct Reader<'a> {
    source: &'a ConfigSource,
    host: &'a PluginHost,
    watched: &'a mut WatchedFiles,
    /// Paths of values that a plugin's schema marks as secret.
    secrets: Vec<String>,
    warnings: Vec<String>,
    missing: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a ConfigSource, host: &'a PluginHost, watched: &'a mut WatchedFiles) -> Self {
        Self { source, host, watched, secrets: Vec::new(), warnings: Vec::new(), missing: Vec::new() }
    }

    pub(super) fn read(mut self, main: MainFile) -> Result<Config, LoadError> {
        let located = |error| LoadError { file: main.name.clone(), error };
        let mut section = Section::new(&main.root).map_err(located)?;
        section.optional("plugins");
        section.optional("resolver");
        self.host.check(&main.plugins).map_err(located)?;
        let scrape = self.scrape(&mut section, &main)?;
        let routes_itself = main.root.get("alertmanager").is_some() || self.source.alertmanager_file.is_some();
        let mut elsewhere = Elsewhere::new(&main.base_dir, self.host, self.source.allow_missing_plugins);
        elsewhere.read(&mut section, scrape.global.legacy_names(), routes_itself).map_err(located)?;
        self.missing.append(&mut elsewhere.missing);
        let otlp = elsewhere.otlp;
        self.warn(&main.name, elsewhere.warnings);
        let mut warnings = Vec::new();
        let storage = Storage::from_node(section.optional("storage"), &mut warnings).map_err(located)?;
        self.warn(&main.name, warnings);
        let rules = self.rules(section.optional("rule_files"), &main)?;
        let alerting = self.alerting(section.optional("alertmanager"), &main)?;
        let folders = section.optional("dashboards").map_or_else(|| Ok(Vec::new()), Node::as_strings).map_err(located)?;
        let (dashboards, dashboard_errors) = self.dashboards(&folders, &main);
        section.finish().map_err(located)?;
        let secrets = std::mem::take(&mut self.secrets);
        let shown = masked_yaml(&main.root, &|path| secrets.iter().any(|secret| secret == path));
        Ok(Config {
            scrape,
            rules,
            alerting,
            dashboards: Arc::new(dashboards),
            dashboard_errors,
            plugins: main.plugins,
            resolver: main.resolver,
            otlp,
            storage,
            warnings: std::mem::take(&mut self.warnings),
            missing_plugins: std::mem::take(&mut self.missing),
            shown,
        })
    }

    fn scrape(&mut self, section: &mut Section<'_>, main: &MainFile) -> Result<ScrapeConfig, LoadError> {
        let located = |error| LoadError { file: main.name.clone(), error };
        let (global, jobs) = (section.optional("global"), section.optional("scrape_configs"));
        let mut reader = JobReader::new(global, &main.base_dir, self.host, self.source.allow_missing_plugins).map_err(located)?;
        if let Some(jobs) = jobs {
            reader.add(jobs, &main.base_dir).map_err(located)?;
        }
        self.warn(&main.name, reader.take_warnings());
        for (name, path) in self.named_files(section.optional("scrape_config_files"), "scrape config", main)? {
            let in_file = |error| LoadError { file: name.clone(), error };
            let root = parse_file(&self.source.files, &path, &name)?;
            let mut section = Section::new(&root).map_err(in_file)?;
            if let Some(jobs) = section.optional("scrape_configs") {
                reader.add(jobs, path.parent().unwrap_or(Path::new(""))).map_err(in_file)?;
            }
            section.finish().map_err(in_file)?;
            self.warn(&name, reader.take_warnings());
        }
        self.missing.extend(reader.missing().iter().cloned());
        let config = reader.finish();
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

    fn warn(&mut self, file: &str, warnings: Vec<ConfigError>) {
        self.warnings.extend(warnings.into_iter().map(|error| LoadError { file: file.to_owned(), error }.to_string()));
    }

    fn rules(&mut self, patterns: Option<&Node>, main: &MainFile) -> Result<Vec<RuleFile>, LoadError> {
        let mut files = Vec::new();
        let mut seen = HashSet::new();
        for (name, path) in self.named_files(patterns, "rule", main)? {
            // Two patterns may name the same file, which is one file.
            if !seen.insert(path.clone()) {
                continue;
            }
            let root = parse_file(&self.source.files, &path, &name)?;
            let rules = RuleFile::from_node(&root, &name, self.source.features).map_err(|error| {
                match RuleFile::from_node(&root, &name, promql::Features::ALL) {
                    Ok(_) => ConfigError { message: format!("{} (it is allowed by --enable-feature)", error.message), ..error },
                    Err(_) => error,
                }
            });
            files.push(rules.map_err(|error| LoadError { file: name.clone(), error })?);
        }
        Ok(files)
    }

    /// The files of a list of patterns, each with its name for errors. Folders are watched, so that a new file is noticed.
    fn named_files(&mut self, patterns: Option<&Node>, what: &str, main: &MainFile) -> Result<Vec<(String, PathBuf)>, LoadError> {
        let located = |error| LoadError { file: main.name.clone(), error };
        let mut found = Vec::new();
        for pattern in patterns.map_or(Ok(&[][..]), Node::as_sequence).map_err(located)? {
            let text = pattern.as_str().map_err(located)?;
            // As upstream: a star that is not in the last part would look through any number of folders.
            if text.find('*').is_some_and(|star| text[star..].contains('/')) {
                return Err(located(pattern.error(format!("invalid {what} file path {text:?}: only the last part may hold a *"))));
            }
            let path = main.base_dir.join(text);
            if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                self.watched.add(folder);
            }
            let paths = self.source.files.glob(&path).map_err(|e| located(pattern.error(format!("{text}: {e}"))))?;
            for path in &paths {
                self.watched.add(path);
            }
            if paths.is_empty() && !text.contains(['*', '?', '[']) {
                // Jobs that are not there would be missed at once; the alerts of a misspelt file only when they are needed. Upstream
                // goes on in silence with both.
                let text = format!("there is no file {}", path.display());
                if what == "scrape config" {
                    return Err(located(pattern.error(text)));
                }
                self.warn(&main.name, vec![pattern.error(format!("{text}: its rules and alerts are NOT there"))]);
            }
            found.extend(paths.into_iter().map(|path| (path.display().to_string(), path)));
        }
        Ok(found)
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
            return self.alerting_tree(&root, &base, &name).map_err(|error| LoadError { file: name, error });
        }
        match node {
            Some(node) => self.alerting_tree(node, &main.base_dir, &main.name).map_err(located),
            None => self.alerting_tree(&nobody(), &main.base_dir, &main.name).map_err(located),
        }
    }

    fn alerting_tree(&mut self, node: &Node, base: &Path, file: &str) -> Result<AlertingConfig, ConfigError> {
        let (source, watched) = (self.source, &mut *self.watched);
        let mut config = AlertingConfig::from_node(node, &mut |pattern: &str| {
            let mut found = Vec::new();
            let paths = source.files.glob(&base.join(pattern))?;
            if paths.is_empty() && !pattern.contains(['*', '?', '[']) {
                return Err(format!("there is no file {}", base.join(pattern).display()));
            }
            for path in paths {
                watched.add(&path);
                let text = source.files.read(&path).map_err(|e| format!("{}: {}", path.display(), e.message))?;
                found.push((path.display().to_string(), text));
            }
            Ok(found)
        })?;
        if self.source.allow_missing_plugins {
            for (plugin, warning) in config.drop_missing(self.host) {
                self.missing.push(plugin);
                self.warn(file, vec![warning]);
            }
        }
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
                        let unserved = self.unserved(plugin, "", entry);
                        self.warn(file, unserved);
                    }
                }
            }
        }
        // `slack_api_url_file` under `global` stands for `api_url_file` of each `slack_configs`.
        if let Some(global) = node.get("global").filter(|global| !global.is_null()) {
            let plugins: BTreeSet<&str> = global.as_mapping()?.iter().filter_map(|(key, ..)| Some(key.split_once('_')?.0)).collect();
            for plugin in plugins {
                let unserved = self.unserved(plugin, &format!("{plugin}_"), global);
                self.warn(file, unserved);
            }
        }
        Ok(config)
    }

    /// Keys that a channel reads and does not serve yet, which its schema calls `deprecated`: each message would fail, so that is
    /// said now and not when an alert fires.
    fn unserved(&self, plugin: &str, prefix: &str, section: &Node) -> Vec<ConfigError> {
        let schema = self.host.section_schema(plugin, PluginKind::Channel).ok().flatten();
        let Some(schema) = schema.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok()) else { return Vec::new() };
        let Ok(entries) = section.as_mapping() else { return Vec::new() };
        let told = entries.iter().filter_map(|(key, _, value)| {
            let known = &schema["properties"][key.strip_prefix(prefix)?];
            let about = known["description"].as_str().unwrap_or_default();
            (known["deprecated"] == true && value.as_bool() != Ok(false))
                .then(|| value.error(format!("NOBODY IS TOLD with this key. {about}")))
        });
        told.collect()
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
pub(crate) fn read_dashboard(files: &Files, path: &Path) -> Result<Option<Dashboard>, String> {
    let kind = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !matches!(kind, "json" | "yml" | "yaml") {
        return Ok(None);
    }
    let text = files.read(path).map_err(|e| e.message)?;
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
}
