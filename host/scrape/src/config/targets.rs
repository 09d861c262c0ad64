use model::config::{ConfigError, Node, Position, Section};
use model::seams::{PluginKind, Plugins};
use model::{LabelSet, TargetGroup};

use super::job::{Discovery, Exporter};

/// Reads a list of `static_configs`.
pub fn static_groups(node: Option<&Node>) -> Result<Vec<TargetGroup>, ConfigError> {
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

/// Reads the keys of a section that plugins serve.
pub struct DiscoveryReader<'a> {
    plugins: &'a dyn Plugins,
    allow_missing: bool,
    /// What was accepted although nothing serves it.
    pub warnings: Vec<ConfigError>,
    /// Names of plugins that are not there.
    pub missing: Vec<String>,
}

impl<'a> DiscoveryReader<'a> {
    /// With `allow_missing` a key that nothing serves becomes a warning and finds nothing.
    #[must_use]
    pub fn new(plugins: &'a dyn Plugins, allow_missing: bool) -> Self {
        Self { plugins, allow_missing, warnings: Vec::new(), missing: Vec::new() }
    }

    /// Takes every `<name>_sd_configs`.
    pub fn discoveries(&mut self, section: &mut Section<'_>) -> Result<Vec<Discovery>, ConfigError> {
        let mut found = Vec::new();
        for (plugin, position, list) in section.with_suffix("_sd_configs") {
            let served = self.is_served(plugin, &format!("{plugin}_sd_configs"), PluginKind::Discovery, position, list)?;
            for entry in list.as_sequence()? {
                if entry.is_null() {
                    return Err(entry.error(format!("empty or null section in {plugin}_sd_configs")));
                }
                entry.as_mapping()?;
                if !served {
                    continue;
                }
                let default = default_refresh_ms(plugin);
                let refresh = entry.get("refresh_interval").filter(|node| !node.is_null()).map_or(Ok(default), Node::as_duration_ms)?;
                if refresh == 0 {
                    return Err(entry.get("refresh_interval").unwrap_or(entry).error("a refresh interval of 0"));
                }
                let section = self.plugins.section(plugin, PluginKind::Discovery, entry)?;
                found.push(Discovery { plugin: plugin.to_owned(), section, refresh_ms: refresh.min(seen_within_ms(plugin)) });
            }
        }
        Ok(found)
    }

    /// Takes `exporter` and `exporter_config`.
    pub(super) fn exporter(&mut self, section: &mut Section<'_>) -> Result<Option<Exporter>, ConfigError> {
        let (name, config) = (section.optional("exporter"), section.optional("exporter_config"));
        let Some(node) = name else {
            return config.map_or(Ok(None), |config| Err(config.error("exporter_config without exporter: name the plugin that it is for")));
        };
        let plugin = node.as_str()?.to_owned();
        // Without its exporter a job would be scraped over HTTP, which is something else: there is no going on without it.
        if !self.plugins.serves(&plugin, PluginKind::Exporter) {
            return Err(node.error(no_plugin(&format!("exporter: {plugin}"), &plugin)));
        }
        let empty = Node::empty_mapping();
        let section = self.plugins.section(&plugin, PluginKind::Exporter, config.unwrap_or(&empty))?;
        Ok(Some(Exporter { plugin, section }))
    }

    fn is_served(&mut self, plugin: &str, what: &str, kind: PluginKind, position: Position, list: &Node) -> Result<bool, ConfigError> {
        if self.plugins.serves(plugin, kind) {
            return Ok(true);
        }
        let error = ConfigError { path: list.path.clone(), position, message: no_plugin(what, plugin) };
        if !self.allow_missing {
            return Err(error);
        }
        let message = format!("{}; until then it finds no targets", error.message);
        self.warnings.push(ConfigError { message, ..error });
        self.missing.push(plugin.to_owned());
        Ok(false)
    }
}

/// Upstream watches files, and reads them again at their interval. Here they are looked at often.
fn seen_within_ms(plugin: &str) -> u64 {
    if plugin == "file" { 5_000 } else { u64::MAX }
}

/// How often a source is asked if nothing is said: upstream's defaults, a minute for all others.
fn default_refresh_ms(plugin: &str) -> u64 {
    match plugin {
        "dns" => 30_000,
        "file" => 300_000,
        _ => 60_000,
    }
}
