use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use http_client::Resolver;
use model::config::{ConfigError, Node};
use model::seams::{Channel, HttpHandler, MetricSource, PanelRender, PluginError, PluginKind, Plugins, TargetSource};
use model::{Clock, MetricFamily};

use crate::access::Means;
use crate::cache::Cache;
use crate::compile::Compiler;
use crate::config::{PluginsConfig, Serve};
use crate::engine::Machine;
use crate::handle::Handle;
use crate::loader::{Job, Loader};
use crate::machine_facts::Unanswering;
use crate::section::{self, locate, to_json};
use crate::serve::Server;
use crate::shared::Shared;
use crate::slot::Slot;
use crate::sources::{Exporter, Panel, Sender, Targets};
use crate::standing::Standing;
use crate::status::{PluginStatus, Stats, stats, status};

/// What a host is made from.
pub struct Options {
    /// Where compiled components are kept; None compiles them at each start. Private to this host: made with mode 0700.
    pub cache_dir: Option<PathBuf>,
    /// The watched folder, if a flag names it. Else it is `dir` of the configuration, or `plugins` in `base_dir`.
    pub plugins_dir: Option<PathBuf>,
    /// Where stores of plugins are kept.
    pub kv_dir: PathBuf,
    /// What relative paths of the configuration are relative to.
    pub base_dir: PathBuf,
    /// Directories of the host's own beside `cache_dir` and `kv_dir`: plugins read nothing in them, whatever is granted.
    pub own_dirs: Vec<PathBuf>,
    /// Names and bytes of the components that come with the binary.
    pub embedded: Vec<(String, &'static [u8])>,
    /// The section `plugins:`.
    pub config: PluginsConfig,
    /// For names that plugins ask for and connect to.
    pub resolver: Arc<Resolver>,
    /// For metrics of plugins.
    pub clock: Arc<dyn Clock>,
    /// How long a component may take to compile.
    pub compile_timeout: Duration,
}

/// Loads components and hands out what they do.
///
/// Dropping it ends the thread that loads; what was handed out answers errors from then on for what is not loaded.
pub struct PluginHost {
    shared: Arc<Shared>,
    /// Says that the thread that loads has ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

/// Why there are no plugins at all.
#[derive(Debug)]
pub struct HostError(String);

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HostError {}

/// Where an HTTP handler is to be mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The plugin's name; it is at `/plugins/<name>/` in any case.
    pub name: String,
    /// What else the operator wrote.
    pub serve: Serve,
}

impl PluginHost {
    /// Starts the engine and looks at the folder once. A file that does not load is no error: see [`PluginHost::status`].
    pub fn new(options: Options) -> Result<Self, HostError> {
        let failed = |e: String| HostError(format!("the engine for plugins does not start: {e}"));
        let machine = Machine::new().map_err(|e| failed(format!("{e:#}")))?;
        let cache = Cache::open(options.cache_dir.as_deref(), &machine.engine);
        let slots = options.embedded.into_iter().map(|(name, bytes)| {
            let standing = Arc::new(Standing::new(&name, &options.kv_dir));
            if let Some(config) = options.config.get(&name) {
                standing.apply(&config.limits);
            }
            (name, Arc::new(Slot::new(standing, Some(bytes))))
        });
        let slots = slots.collect();
        let own_dirs = options.own_dirs.into_iter().chain(options.cache_dir).chain([options.kv_dir.clone()]).collect();
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::new(Shared {
            machine,
            means: Means {
                resolver: options.resolver,
                base_dir: options.base_dir,
                own_dirs,
                unanswering: Unanswering::default(),
                clock: options.clock,
            },
            config: ArcSwap::from_pointee(options.config),
            generation: AtomicU64::new(0),
            slots: ArcSwap::from_pointee(slots),
            dir_flag: options.plugins_dir,
            kv_dir: options.kv_dir,
            jobs: Mutex::new(Some(sender)),
        });
        let loader = Loader::new(Arc::clone(&shared), Compiler::new(cache, options.compile_timeout)).map_err(|e| failed(e.to_string()))?;
        let (ending, ended) = mpsc::sync_channel(1);
        let work = move || {
            loader.run(&receiver);
            // Nobody may be waiting.
            let _ = ending.send(());
        };
        thread::Builder::new().name("plugin-loader".to_owned()).spawn(work).map_err(|e| failed(e.to_string()))?;
        let host = Self { ended: Mutex::new(ended), shared };
        host.rescan();
        Ok(host)
    }

    /// Looks at the folder now, and waits until what is there is loaded. It is looked at every quarter of a second anyway.
    pub fn rescan(&self) {
        let (answer, answered) = mpsc::sync_channel(1);
        if self.shared.send(Job::Rescan(answer)).is_ok() {
            // The thread ends only with this host.
            let _ = answered.recv();
        }
    }

    /// Whether a section `plugins:` can be applied: every name has a plugin, every pin fits what is embedded, and each `config`
    /// is what the plugin's schema says.
    pub fn check(&self, config: &PluginsConfig) -> Result<(), ConfigError> {
        let dir = self.shared.dir_of(config);
        let slots = self.shared.slots.load();
        for (name, plugin) in &config.plugins {
            let known = slots.get(name).is_some_and(|slot| slot.state().origin.is_some()) || dir.join(format!("{name}.wasm")).is_file();
            if !known {
                return Err(plugin.node.error(format!("there is no plugin {name:?}: put {name}.wasm into {}", dir.display())));
            }
            let has_file = dir.join(format!("{name}.wasm")).is_file();
            let embedded = slots.get(name).and_then(|slot| slot.embedded.as_ref()?.inspection.as_ref().ok());
            if let (Some(pin), Some(embedded), false) = (&plugin.sha256, embedded, has_file)
                && *pin != embedded.sha256
            {
                return Err(plugin
                    .node
                    .error(format!("{pin} is pinned, but the embedded {name} has the sha256 {}, and there is no file", embedded.sha256)));
            }
            let is_handler = slots.get(name).is_some_and(|slot| slot.serves(PluginKind::HttpHandler));
            if plugin.serve.is_some() && slots.contains_key(name) && !is_handler {
                return Err(plugin.node.error(format!("{name} serves no HTTP: leave serve out")));
            }
            if is_handler {
                self.section_json(name, PluginKind::HttpHandler, &plugin.config)?;
            }
        }
        Ok(())
    }

    /// Applies another section `plugins:`, after [`PluginHost::check`] has found it good.
    pub fn reload(&self, config: PluginsConfig) -> Result<(), ConfigError> {
        self.check(&config)?;
        for (name, slot) in self.shared.slots.load().iter() {
            slot.standing.apply(&config.get(name).map(|c| c.limits.clone()).unwrap_or_default());
            slot.standing.ledger.forget_given();
        }
        self.shared.config.store(Arc::new(config));
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        self.rescan();
        Ok(())
    }

    /// The section `plugins:` in force.
    #[must_use]
    pub fn config(&self) -> PluginsConfig {
        PluginsConfig::clone(&self.shared.config.load())
    }

    /// A section of the configuration as JSON text, checked against the plugin's schema. Unquoted scalars become what the
    /// schema wants. The error carries the place in the file.
    pub fn section_json(&self, name: &str, kind: PluginKind, node: &Node) -> Result<String, ConfigError> {
        let plugin = self.shared.loaded(name, kind).map_err(|e| node.error(e.to_string()))?;
        let schema = plugin.schema(kind);
        let section = to_json(node, schema)?;
        if let Some(schema) = schema {
            section::check(schema, &mut section.clone()).map_err(|e| locate(node, e))?;
        }
        Ok(section.to_string())
    }

    /// The JSON Schema of a kind's section, as the plugin publishes it. None if it publishes none.
    pub fn section_schema(&self, name: &str, kind: PluginKind) -> Result<Option<String>, PluginError> {
        Ok(self.shared.loaded(name, kind)?.schema(kind).map(|schema| schema.as_json().to_string()))
    }

    /// What serves the HTTP of a plugin.
    pub fn http_handler(&self, name: &str) -> Result<Arc<dyn HttpHandler>, PluginError> {
        Ok(Arc::new(Server::new(&self.shared, name)?))
    }

    /// Where HTTP handlers are to be mounted: only those that the operator gave a `serve`.
    #[must_use]
    pub fn mounts(&self) -> Vec<Mount> {
        let config = self.shared.config.load();
        config.plugins.iter().filter_map(|(name, c)| Some(Mount { name: name.clone(), serve: c.serve.clone()? })).collect()
    }

    /// Every plugin there is, those that do not load too, by name.
    #[must_use]
    pub fn status(&self) -> Vec<PluginStatus> {
        self.shared.slots.load().iter().filter_map(|(name, slot)| status(slot, self.shared.grants(name).lines())).collect()
    }

    /// The metrics that a plugin keeps, under its own names. None if no plugin of that name has run.
    #[must_use]
    pub fn metrics(&self, name: &str) -> Option<Vec<MetricFamily>> {
        let loaded = self.shared.slot(name)?.state().loaded.clone()?;
        Some(loaded.metrics.families("", self.shared.means.clock.now()))
    }

    /// The metrics of all plugins, for the host's own page: `skopos_plugin_<name>_` before each name.
    #[must_use]
    pub fn all_metrics(&self) -> Vec<MetricFamily> {
        let now = self.shared.means.clock.now();
        let slots = self.shared.slots.load();
        let loaded = slots.iter().filter_map(|(name, slot)| Some((name, slot.state().loaded.clone()?)));
        loaded.flat_map(|(name, loaded)| loaded.metrics.families(&format!("skopos_plugin_{}_", name.replace('-', "_")), now)).collect()
    }

    /// Numbers for the host's own metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { plugins: self.shared.slots.load().values().filter(|slot| slot.state().origin.is_some()).map(|slot| stats(slot)).collect() }
    }

    fn handle(&self, name: &str, kind: PluginKind, section: &str) -> Result<Handle, PluginError> {
        Handle::new(&self.shared, name, kind, section).checked()
    }
}

impl Plugins for PluginHost {
    fn serves(&self, name: &str, kind: PluginKind) -> bool {
        self.shared.slot(name).is_some_and(|slot| slot.serves(kind))
    }

    fn target_source(&self, name: &str, section: &str) -> Result<Arc<dyn TargetSource>, PluginError> {
        Ok(Arc::new(Targets(self.handle(name, PluginKind::Discovery, section)?)))
    }

    fn metric_source(&self, name: &str, section: &str) -> Result<Arc<dyn MetricSource>, PluginError> {
        Ok(Arc::new(Exporter::new(self.handle(name, PluginKind::Exporter, section)?)))
    }

    fn channel(&self, name: &str, section: &str) -> Result<Arc<dyn Channel>, PluginError> {
        Ok(Arc::new(Sender(self.handle(name, PluginKind::Channel, section)?)))
    }

    fn section(&self, name: &str, kind: PluginKind, node: &Node) -> Result<String, ConfigError> {
        self.section_json(name, kind, node)
    }

    fn panel(&self, name: &str) -> Result<Arc<dyn PanelRender>, PluginError> {
        // The options come with each request; there is no section.
        let handle = Handle::without_section(&self.shared, name, PluginKind::Panel);
        handle.ready()?;
        Ok(Arc::new(Panel(handle)))
    }
}

impl Drop for PluginHost {
    fn drop(&mut self) {
        // Without a sender the thread ends after what it is doing.
        self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It brings the stores to the disk. One that compiles is not waited for.
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(Duration::from_secs(2)).is_err() {
            tracing::warn!("a plugin is still being compiled and is not waited for");
        }
    }
}
