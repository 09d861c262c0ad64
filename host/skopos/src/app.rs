//! What the running process is made of, and what the web interface is told of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use alerting::Alerting;
use arc_swap::ArcSwap;
use dashboards::Dashboard;
use model::seams::{PanelRender, PluginError, Plugins};
use model::{Clock, LabelSet, TimestampMs, format_duration};
use plugin_host::PluginHost;
use rules::Rules;
use scrape::Scraper;
use tokio::sync::Notify;
use web::MountedHandler;

use crate::cli::ServerFlags;
use crate::config::{ConfigSource, Retention, Storage};
use crate::listeners::Listeners;
use crate::process::ProcessFacts;
use crate::self_metrics::{ReloadFacts, Sources, families};
use crate::storage::{LateStorage, admin, blocks_json, status_json};
use crate::watch::WatchedFiles;

/// The rooms that work by the configuration. They are there once storage is open.
pub(crate) struct Rooms {
    pub(crate) scraper: Scraper,
    pub(crate) rules: Arc<Rules>,
    pub(crate) alerting: Arc<Alerting>,
    /// Where `--web.enable-remote-write-receiver` or `--web.enable-otlp-receiver` allows it.
    pub(crate) remote: Option<Arc<remote::Receiver>>,
}

/// What a reload replaces as a whole.
pub(crate) struct Current {
    pub(crate) dashboards: Arc<Vec<Arc<Dashboard>>>,
    pub(crate) handlers: Arc<Vec<MountedHandler>>,
    pub(crate) shown: String,
    /// Plugins that the configuration names and that are not there, where that is allowed.
    pub(crate) missing_plugins: Vec<String>,
    pub(crate) scrape_interval_ms: u64,
    pub(crate) read_at: TimestampMs,
}

/// The process.
pub(crate) struct App {
    pub(crate) flags: ServerFlags,
    pub(crate) source: ConfigSource,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started: TimestampMs,
    pub(crate) host: Arc<PluginHost>,
    pub(crate) resolver_servers: Vec<String>,
    pub(crate) external_labels: LabelSet,
    /// What the configuration said of storage at the start.
    pub(crate) storage_section: Mutex<Storage>,
    pub(crate) storage: Arc<LateStorage>,
    pub(crate) rooms: OnceLock<Rooms>,
    /// Whether the first configuration is taken up and everything answers.
    pub(crate) ready: AtomicBool,
    pub(crate) current: ArcSwap<Current>,
    /// The files of the configuration that was last read, taken up or not.
    pub(crate) watched: Mutex<WatchedFiles>,
    pub(crate) listeners: Listeners,
    /// One reload at a time.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    pub(crate) reload_facts: Mutex<ReloadFacts>,
    pub(crate) quit: Notify,
    pub(crate) external_url: String,
    /// The queries that run.
    pub(crate) queries: Arc<web::Queries>,
}

impl App {
    pub(crate) fn reload_facts(&self) -> MutexGuard<'_, ReloadFacts> {
        self.reload_facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What takes samples from other servers, where a flag allows this way.
    fn receiver(&self, allowed: bool) -> Option<Arc<remote::Receiver>> {
        self.rooms.get().filter(|_| allowed).and_then(|rooms| rooms.remote.clone())
    }

    /// What the web interface asks.
    pub(crate) fn web_state(self: &Arc<Self>, listen: Vec<String>, access: Arc<web::Access>) -> web::State {
        let app = || Arc::clone(self);
        web::State {
            select: Arc::clone(&self.storage) as _,
            clock: Arc::clone(&self.clock),
            targets: ask(app(), |app| app.rooms.get().map(|r| r.scraper.snapshot()).unwrap_or_default()),
            metadata: ask(app(), |app| app.rooms.get().map(all_metadata).unwrap_or_default()),
            rules: ask(app(), |app| app.rooms.get().map(|r| r.rules.groups()).unwrap_or_default()),
            deliveries: ask(app(), |app| app.rooms.get().map(|r| r.alerting.groups()).unwrap_or_default()),
            receivers: ask(app(), |app| app.rooms.get().map(|r| r.alerting.receivers()).unwrap_or_default()),
            test_receiver: {
                let app = app();
                Arc::new(move |name: &str| {
                    let (alerting, name) = (app.rooms.get().map(|r| Arc::clone(&r.alerting)), name.to_owned());
                    Box::pin(async move {
                        match alerting {
                            Some(alerting) => alerting.send_test(&name).await,
                            None => Err(alerting::TestError::Starting),
                        }
                    }) as web::TestFuture
                })
            },
            plugins: ask(app(), |app| serde_json::json!({ "plugins": app.host.status() })),
            panels: {
                let app = app();
                Arc::new(move |name: &str| -> Result<Arc<dyn PanelRender>, PluginError> { app.host.panel(name) })
            },
            dashboards: ask(app(), |app| Arc::clone(&app.current.load().dashboards)),
            handlers: ask(app(), |app| Arc::clone(&app.current.load().handlers)),
            metrics: ask(app(), |app| exposition::encode(&families(&app.metric_sources()))),
            plugin_metrics: {
                let app = app();
                Arc::new(move |name: &str| Some(exposition::encode(&app.host.metrics(name)?)))
            },
            reload: {
                let app = app();
                Arc::new(move || {
                    let app = Arc::clone(&app);
                    Box::pin(async move { app.reload().await }) as web::ReloadFuture
                })
            },
            quit: {
                let app = app();
                Arc::new(move || app.quit.notify_one())
            },
            ready: ask(app(), |app| app.ready.load(Ordering::Acquire)),
            config_yaml: ask(app(), |app| app.current.load().shown.clone()),
            runtime: ask(app(), |app| app.runtime_info()),
            tsdb_status: Some({
                let storage = Arc::clone(&self.storage);
                Arc::new(move |limit| status_json(storage.get(), limit))
            }),
            tsdb_blocks: {
                let storage = Arc::clone(&self.storage);
                Arc::new(move || blocks_json(storage.get()))
            },
            admin: self.flags.enable_admin_api.then(|| admin(&self.storage)),
            flags: self.flags.as_map(),
            build: web::BuildInfo {
                compatible_version: COMPATIBLE_VERSION.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                revision: env!("SKOPOS_REVISION").to_owned(),
                date: String::new(),
                compiler: String::new(),
            },
            relabel_rules: {
                let app = app();
                Arc::new(move |pool| app.rooms.get()?.scraper.relabel_rules(pool))
            },
            pool_config: {
                let app = app();
                Arc::new(move |pool| pool_of(&app.current.load().shown, pool))
            },
            chunker: Arc::new(crate::storage::chunks),
            cors_origin: self.flags.cors_origin.clone(),
            enable_lifecycle: self.flags.enable_lifecycle,
            remote_write: ask(app(), |app| app.receiver(app.flags.enable_remote_write_receiver)),
            otlp: ask(app(), |app| app.receiver(app.flags.enable_otlp_receiver)),
            access,
            external_url: self.external_url.clone(),
            route_prefix: self.flags.prefix(),
            listen,
            external_labels: self.external_labels.clone(),
            scrape_interval_ms: ask(app(), |app| app.current.load().scrape_interval_ms),
            limits: web::Limits {
                queries: self.flags.query_concurrency,
                query_timeout: std::time::Duration::from_millis(self.flags.query_timeout_ms),
                samples_max: self.flags.query_samples_max,
                query_bytes: usize::try_from(self.flags.query_bytes).unwrap_or(usize::MAX),
                lookback_ms: i64::try_from(self.flags.query_lookback_ms).unwrap_or(i64::MAX),
                features: self.flags.promql_features(),
                delayed_name_removal: self.flags.feature("promql-delayed-name-removal"),
                start_timestamps: self.flags.feature("use-start-timestamps"),
                per_step_stats: self.flags.feature("promql-per-step-stats"),
                ..web::Limits::default()
            },
            queries: Arc::clone(&self.queries),
        }
    }

    fn metric_sources(&self) -> Sources {
        let rooms = self.rooms.get();
        Sources {
            process: ProcessFacts::read(),
            process_start_seconds: self.started as f64 / 1000.0,
            version: env!("CARGO_PKG_VERSION"),
            revision: env!("SKOPOS_REVISION"),
            reload: *self.reload_facts(),
            tsdb: self.storage.get().map(tsdb::Db::stats).unwrap_or_default(),
            queries: self.queries.stats(),
            scrape: rooms.map(|r| r.scraper.stats()).unwrap_or_default(),
            rules: rooms.map(|r| r.rules.stats()).unwrap_or_default(),
            alerting: rooms.map(|r| r.alerting.stats()).unwrap_or_default(),
            remote: rooms.and_then(|r| r.remote.as_ref()).map(|remote| remote.stats()),
            otlp: rooms.and_then(|r| r.remote.as_ref()).filter(|_| self.flags.enable_otlp_receiver).map(|remote| remote.otlp_stats()),
            plugins: self.host.stats(),
            plugin_metrics: self.host.all_metrics(),
        }
    }

    /// How much is kept: as upstream, the file counts before the flags.
    pub(crate) fn retention(&self) -> Kept {
        let Retention { time_ms, bytes, percent } = self.storage_section.lock().unwrap_or_else(PoisonError::into_inner).retention;
        Kept {
            time_ms: i64::try_from(time_ms.unwrap_or(self.flags.retention_ms)).unwrap_or(i64::MAX),
            bytes: bytes.unwrap_or(self.flags.retention_bytes),
            percent: percent.unwrap_or(0.0),
        }
    }

    fn runtime_info(&self) -> web::RuntimeInfo {
        // Looked at once: two looks in one expression would wait for each other.
        let reload = *self.reload_facts();
        let damage = self.storage.get().map(|db| db.stats().recovery_damage).unwrap_or_default();
        web::RuntimeInfo {
            started: self.started,
            reload_ok: reload.successful,
            config_read: self.current.load().read_at,
            reload_failed: reload.failed_at,
            corruptions: damage,
            retention: self.retention().shown(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("?")).display().to_string(),
            hostname: hostname(),
        }
    }
}

/// How much is kept.
pub(crate) struct Kept {
    pub(crate) time_ms: i64,
    pub(crate) bytes: u64,
    pub(crate) percent: f64,
}

impl Kept {
    /// As upstream shows it: `15d or 512MiB`.
    fn shown(&self) -> String {
        let mut parts = Vec::new();
        if self.time_ms > 0 {
            parts.push(format_duration(self.time_ms.unsigned_abs()));
        }
        if self.bytes > 0 {
            parts.push(format!("{}B", self.bytes));
        }
        if self.percent > 0.0 {
            parts.push(format!("{}%", self.percent));
        }
        parts.join(" or ")
    }
}

/// The Prometheus whose API is answered. Grafana chooses what to ask for by it.
pub(crate) const COMPATIBLE_VERSION: &str = "3.4.0";

/// The machine's name, empty where the system does not tell.
pub(crate) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// What targets say of their metrics, and then what remote write's senders do.
fn all_metadata(rooms: &Rooms) -> Vec<scrape::snapshot::TargetMetadata> {
    let mut all = rooms.scraper.metadata();
    let written = rooms.remote.as_ref().map(|remote| remote.metadata()).unwrap_or_default();
    if !written.is_empty() {
        let family = |family: &Arc<remote::Family>| {
            let remote::Family { name, kind, help, unit } = (**family).clone();
            Arc::new(scrape::FamilyMetadata { name, kind, help, unit })
        };
        all.push(scrape::snapshot::TargetMetadata { labels: LabelSet::empty(), families: written.iter().map(family).collect() });
    }
    all
}

/// The entry of `scrape_configs` with that name, of a configuration without secrets.
fn pool_of(shown: &str, pool: &str) -> Option<String> {
    let root = yaml::parse(shown).ok()?;
    let jobs = root.get("scrape_configs")?.as_sequence().ok()?;
    let job = jobs.iter().find(|job| job.get("job_name").and_then(|name| name.as_str().ok()) == Some(pool))?;
    Some(crate::shown::masked_yaml(job, &|_| false))
}

fn ask<T: 'static>(app: Arc<App>, question: impl Fn(&App) -> T + Send + Sync + 'static) -> Arc<dyn Fn() -> T + Send + Sync> {
    Arc::new(move || question(&app))
}
