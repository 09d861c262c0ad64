//! A scraper with a storage that remembers, plugins that say what a test wants, and targets on loopback.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod server;
pub(crate) mod store;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_client::Resolver;
use model::config::ConfigError;
use model::seams::{BoxFuture, Channel, Exposition, MetricSource, PanelRender, PluginError, PluginKind, Plugins, TargetSource};
use model::{Clock, LabelSet, TargetGroup, TimestampMs};
use scrape::{Deps, ScrapeConfig, Scraper};

use store::Store;

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> TimestampMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        i64::try_from(since.as_millis()).expect("before the year 300 million")
    }
}

type Found = Result<Vec<TargetGroup>, PluginError>;
type Collect = dyn Fn(&str, bool) -> Result<Exposition, PluginError> + Send + Sync;

/// Serves discovery `fake` and `dns`, and the exporter `fake`.
#[derive(Default)]
pub(crate) struct FakePlugins {
    /// What a section finds, by its JSON.
    found: Arc<Mutex<HashMap<String, Found>>>,
    collect: Mutex<Option<Arc<Collect>>>,
    pub(crate) refreshes: Arc<Mutex<usize>>,
}

impl FakePlugins {
    pub(crate) fn find(&self, section: &str, found: Found) {
        self.found.lock().expect("not poisoned").insert(section.to_owned(), found);
    }

    pub(crate) fn exporter(&self, collect: impl Fn(&str, bool) -> Result<Exposition, PluginError> + Send + Sync + 'static) {
        *self.collect.lock().expect("not poisoned") = Some(Arc::new(collect));
    }
}

struct FakeSource(Arc<Mutex<HashMap<String, Found>>>, String, Arc<Mutex<usize>>);

impl TargetSource for FakeSource {
    fn refresh(&self) -> BoxFuture<'_, Found> {
        *self.2.lock().expect("not poisoned") += 1;
        let found = self.0.lock().expect("not poisoned").get(&self.1).cloned();
        Box::pin(async move { found.unwrap_or_else(|| Err(PluginError::Unavailable("nothing set".to_owned()))) })
    }
}

struct FakeExporter(Arc<Collect>);

impl MetricSource for FakeExporter {
    fn collect<'a>(&'a self, target: &'a str, written: bool, _: u64) -> BoxFuture<'a, Result<Exposition, PluginError>> {
        Box::pin(async move { (self.0)(target, written) })
    }
}

impl Plugins for FakePlugins {
    fn serves(&self, name: &str, kind: PluginKind) -> bool {
        matches!((name, kind), ("fake" | "dns", PluginKind::Discovery) | ("fake", PluginKind::Exporter))
    }

    fn target_source(&self, _: &str, section: &str) -> Result<Arc<dyn TargetSource>, PluginError> {
        if section.contains("refused") {
            return Err(PluginError::Config("the section is refused".to_owned()));
        }
        Ok(Arc::new(FakeSource(Arc::clone(&self.found), section.to_owned(), Arc::clone(&self.refreshes))))
    }

    fn metric_source(&self, _: &str, _: &str) -> Result<Arc<dyn MetricSource>, PluginError> {
        let collect = self.collect.lock().expect("not poisoned").clone();
        collect
            .map(|collect| Arc::new(FakeExporter(collect)) as Arc<dyn MetricSource>)
            .ok_or_else(|| PluginError::Missing("none set".to_owned()))
    }

    fn panel(&self, name: &str) -> Result<Arc<dyn PanelRender>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }

    fn channel(&self, name: &str, _: &str) -> Result<Arc<dyn Channel>, PluginError> {
        Err(PluginError::Missing(name.to_owned()))
    }
}

/// Reads a whole configuration: `global` and `scrape_configs`.
pub(crate) fn config(text: &str) -> Result<ScrapeConfig, ConfigError> {
    let root = yaml::parse(text)?;
    let jobs = root.get("scrape_configs").map_or_else(Vec::new, |list| vec![list]);
    ScrapeConfig::from_nodes(root.get("global"), &jobs, Path::new("/conf"), &FakePlugins::default())
}

pub(crate) fn group(targets: &[&str], labels: &[(&str, &str)]) -> TargetGroup {
    TargetGroup {
        source: "s".to_owned(),
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        labels: LabelSet::from_pairs(labels.iter().copied()),
    }
}

pub(crate) struct Rig {
    pub(crate) scraper: Scraper,
    pub(crate) store: Store,
    pub(crate) plugins: Arc<FakePlugins>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let (store, plugins) = (Store::default(), Arc::new(FakePlugins::default()));
        let deps = Deps {
            append: store.shared(),
            plugins: Arc::clone(&plugins) as Arc<dyn Plugins>,
            resolver: Arc::new(Resolver::with_servers(&["127.0.0.1:9"]).expect("an address")),
            clock: Arc::new(SystemClock),
            offset_seed: 1,
            hash_seed: 2,
            external_host: Some("skopos.example".to_owned()),
        };
        Self { scraper: Scraper::new(deps), store, plugins }
    }

    #[track_caller]
    pub(crate) fn load(&self, text: &str) {
        self.scraper.reload(&config(text).expect("the configuration is good")).expect("it is taken over");
    }

    /// A job `j` over these targets that is scraped twice a second.
    #[track_caller]
    pub(crate) fn targets(&self, targets: &[String], more: &str) {
        self.load(&job(targets, more));
    }

    /// Waits for a condition, twenty seconds at most.
    pub(crate) async fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !condition(self) {
            assert!(began.elapsed() < Duration::from_secs(20), "waited for: {what}; targets: {:?}", self.scraper.snapshot().active);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The error of the only target's last scrape, once there is one.
    pub(crate) async fn error(&self) -> String {
        self.until("an error", |rig| rig.scraper.snapshot().active.iter().any(|target| !target.last_error.is_empty())).await;
        self.scraper.snapshot().active.into_iter().map(|target| target.last_error).find(|error| !error.is_empty()).expect("there is one")
    }
}

pub(crate) fn job(targets: &[String], more: &str) -> String {
    let list = targets.join(", ");
    format!(
        "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n- job_name: j\n  static_configs: [{{targets: [{list}]}}]\n{more}"
    )
}

#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub(crate) fn conformance() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("SKOPOS_CONFORMANCE").map_or(default, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: {} is not there (set SKOPOS_CONFORMANCE)", root.display());
    None
}
